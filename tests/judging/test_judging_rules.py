"""Rules of operations: a fault of 1 part in 10¹⁰ is seen in each; conventions are no faults."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import dual_arrays
from support.fewer_points import fewer
from support.planted_engines import closures, local_grads

from microgradnet import Value, judge
from microgradnet.judging import rules
from microgradnet.judging.engines import NodeEngine, Trial, engine_of
from microgradnet.judging.limits import Failure, Limit
from microgradnet.judging.operations import offered
from microgradnet.judging.right_values import right_values, table_names
from microgradnet.judging.rules import measure, symptoms

pytestmark = pytest.mark.usefixtures("fewer_points")


class Skewed(NodeEngine):
    """Our own engine, with one number of each trial off by a share."""

    column = 1

    def try_out(self, function, points, constant=None, twice=()):
        trials = super().try_out(function, points, constant, twice)
        return [self._skew(trial) for trial in trials]

    def _skew(self, trial):
        if isinstance(trial.value, Failure):
            return trial
        numbers = [trial.value, *trial.firsts, *(trial.seconds or [])]
        if self.column < len(numbers):
            numbers[self.column] *= 1 + 1e-10
        n = 1 + len(trial.firsts)
        return Trial(numbers[0], numbers[1:n], trial.seconds and numbers[n:])


def test_a_fault_of_one_part_in_ten_billion_is_seen_in_every_operation():
    tried = 0
    with Limit() as limit, np.errstate(all="ignore"):
        ours = Skewed(Value, limit)
        for each in offered(ours):
            right = right_values(each.right).numbers
            n = right_values(each.right).points.shape[1] - (each.constant is not None)
            for column in range(1 + n if each.constant is not None else right.shape[1]):
                place = column + (each.constant == 0 and column > 0)
                flat = not np.nan_to_num(right[:, place]).any()  # it is 0 everywhere
                ours.column = column
                measured, _ = measure(ours, each)
                part = "values" if column == 0 else "derivatives"
                part = part if column <= n else "second derivatives"
                assert {*measured.failed} == (set() if flat else {part}), (each.name, column)
                if part == "derivatives" and not flat:
                    assert {s.mistake for s in symptoms(measured)} == {"constant_factor"}
                tried += not flat
    assert tried > 180


def sigma_(x):
    return 1 / (1 + math.exp(-x))


def sigma(x):
    return sigma_(x) if x > -700 else 0.0


OVERFLOWING = {  # a value by exponentials that overflow, its slope, a wrong one and its name
    "tanh": (lambda x: (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1), lambda x, y: 1 - y * y,
             lambda x, y: 1 - x**2, "wrong_variable"),
    "sigmoid": (sigma_, lambda x, y: y * (1 - y), lambda x, y: y, "half_a_rule"),
    "softplus": (lambda x: math.log(1 + math.exp(x)), lambda x, y: sigma(x),
                 lambda x, y: sigma(x) * (1 - sigma(x)), "other_function"),
    "silu": (lambda x: x * sigma_(x), lambda x, y: sigma(x) * (1 + x * (1 - sigma(x))),
             lambda x, y: 3 * sigma(x) * (1 + x * (1 - sigma(x))), "constant_factor"),
}  # fmt: skip


def mistakes_of(name, value, slope):
    """What is said of an operation of micrograd's form with this value and slope."""

    def operation(self):
        out = type(self)(value(self.data), (self,))

        def _backward():
            self.grad += slope(self.data, out.data) * out.grad

        out._backward = _backward
        return out

    engine = type("Engine", (closures(),), {name: operation})
    with Limit() as limit, np.errstate(all="ignore"):
        node = NodeEngine(engine, limit)
        [each] = [each for each in offered(node) if each.name == name]
        return [symptom.mistake for symptom in symptoms(measure(node, each)[0])]


@pytest.mark.parametrize("name", OVERFLOWING)
def test_a_value_that_overflows_does_not_hide_a_wrong_rule(name):
    value, slope, wrong, mistake = OVERFLOWING[name]
    assert mistakes_of(name, value, slope) == ["overflow"]
    assert mistakes_of(name, value, wrong) == ["overflow", mistake]


def test_a_wrong_rule_that_overflows_is_named_alone():
    assert mistakes_of("tanh", math.tanh, lambda x, y: 1 - x**2) == ["wrong_variable"]


def test_right_values_are_those_of_the_operations():
    for name in table_names(1):
        found = right_values(name)
        assert found.numbers.shape == found.bounds.shape == (len(found.points), 3)
    tanh = right_values("tanh")
    row = int(np.argmax(tanh.points[:, 0] == 0.25))
    y = math.tanh(0.25)
    assert tanh.numbers[row].tolist() == pytest.approx(
        [y, 1 - y * y, -2 * y * (1 - y * y)], rel=1e-15
    )
    assert len(right_values("tanh", single=True).points) < len(tanh.points)


class Gate:
    """Makes engines whose ReLU or maximum takes a slope of our choice at the kink."""

    @staticmethod
    def of(name, *slopes):
        class Chosen(local_grads()):
            pass

        def function(self, *others):
            xs = [self.data, *(other.data for other in others)]
            kink = len({*xs}) == 1 if others else xs[0] == 0
            usual = [float(x == max([*xs, 0.0][: 2 if not others else len(xs)])) for x in xs]
            if not others:
                usual = [float(xs[0] > 0)] if name == "relu" else [math.copysign(1.0, xs[0])]
            value = {"relu": lambda x: x if x > 0 else 0.0, "abs": abs, "maximum": max}[name](*xs)
            return type(self)(value, (self, *others), slopes if kink else usual)

        setattr(Chosen, "__abs__" if name == "abs" else name, function)
        return Chosen


@settings(max_examples=3)
@given(st.floats(0, 0.5))
def test_a_slope_at_zero_that_some_take_is_a_convention(slope):
    report = judge(Gate.of("relu", slope))
    assert report.ok, report
    [finding] = [f for f in report.findings if (f.part, f.of) == ("derivatives", "relu")]
    assert finding.verdict == ("right" if slope == 0 else "convention")


def test_the_convention_of_a_tie_is_told_with_those_who_share_it():
    report = judge(Gate.of("maximum", 0.0, 0.0))
    [finding] = [f for f in report.findings if (f.part, f.of) == ("derivatives", "maximum")]
    assert finding.verdict == "convention"
    assert finding.note == (
        "at a tie your slope is 0 and 0; PyTorch, JAX, autograd, CasADi and we take ½ and ½; "
        "so it is in MyGrad"
    )


@pytest.mark.parametrize(
    "name, slopes, mistake",
    [
        ("relu", (1.0,), "relu_slope_at_zero"),
        ("maximum", (1.0, 1.0), "tie_counted_twice"),
        ("abs", (2.0,), None),
        ("abs", (math.nan,), None),
    ],
)
def test_a_slope_at_a_kink_that_no_one_takes_is_wrong(name, slopes, mistake):
    report = judge(Gate.of(name, *slopes))
    assert not report.ok
    assert [each.mistake.name for each in report.diagnoses] == ([mistake] if mistake else [])


def test_engines_in_single_precision_are_judged_by_its_bounds():
    report = judge(closures(number=np.float32))
    assert report.ok, report
    assert "float32" in report.reading
    assert not judge(closures("wrong_variable", number=np.float32)).ok


def test_a_library_that_differentiates_functions_is_judged(monkeypatch):
    library = dual_arrays.install(monkeypatch)
    report = judge(library)
    right = {each.of for each in report.findings if each.part == "derivatives" and not each.failed}
    assert right >= {"x + y", "x - y", "x * y", "-x", "tanh"}
    monkeypatch.setattr(dual_arrays.Dual, "__neg__", lambda self: 1 / 0)
    assert not judge(library.grad).ok


def test_pytorch_has_one_true_fault(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(rules, "right_values", partial(fewer, share=160))
    report = judge(torch.Tensor)
    # its ⅙ is in single precision
    assert {(each.part, each.of) for each in report.failed} == {("derivatives", "hard_sigmoid")}
    with Limit() as limit:
        engine = engine_of(torch.Tensor, limit)
        assert engine.records_gradients
        trials = engine.try_out(lambda x, y: x * y, [[k, 3.0] for k in range(200)], constant=1)
        branches = engine.try_out(lambda x: x if x > 0 else -x, [[k - 99.5] for k in range(200)])
    assert [each.firsts for each in trials] == [[3.0]] * 200
    assert [each.value for each in trials] == [3.0 * k for k in range(200)]
    assert [each.firsts for each in branches] == [[-1.0]] * 100 + [[1.0]] * 100
