"""Engines that lack something, raise, do nothing or never end."""

from __future__ import annotations

import math
import sys

import pytest
from support.planted_engines import closures, local_grads

from microgradnet import judge
from microgradnet.judging.engines import NodeEngine, Trial
from microgradnet.judging.functions import PairEngine
from microgradnet.judging.limits import Count, Failure, Limit, Stopped

pytestmark = pytest.mark.usefixtures("fewer_points")


def test_steps_are_counted():
    count = Count(1)
    count(None, "call", None)
    with pytest.raises(Stopped, match="1 steps"):
        count(None, "call", None)


def test_a_loop_that_calls_nothing_is_ended_by_time():
    def endless():
        while True:
            pass

    with Limit(seconds=0.2) as limit:
        found = limit(endless)
        assert isinstance(found, Failure)
        assert str(found) == "Stopped: no call and no end for seconds"
        with pytest.raises(KeyboardInterrupt):
            limit(interrupt)


def interrupt():
    raise KeyboardInterrupt


def test_a_pair_runs():
    with Limit() as limit:
        pair = PairEngine(lambda x: 2 * x, limit)
        assert pair.is_node(1.0)
        assert pair.run(lambda x: x * x, (3.0,)) == (9.0, [6.0])


def test_a_backward_without_a_signature_records_nothing():
    class Builtin:
        backward = max

    with Limit() as limit:
        assert not NodeEngine(Builtin, limit).records_gradients


class Minimal:
    """Sums and products of nodes, and no more."""

    exp = 3

    def __init__(self, data, children=(), slopes=()):
        self.data, self.grad, self.children, self.slopes = data, 0.0, children, slopes

    def __add__(self, other):
        return type(self)(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return type(self)(self.data * other.data, (self, other), (other.data, self.data))

    def hypot(self, other):
        size = (self.data**2 + other.data**2) ** 0.5
        return type(self)(size, (self, other), (other.data / size, self.data / size))

    @staticmethod
    def softmax(xs):
        return xs[0]

    def backward(self):
        def walk(node, g):
            node.grad += g
            for child, slope in zip(node.children, node.slopes, strict=True):
                walk(child, g * slope)

        walk(self, 1.0)


def test_an_engine_of_sums_and_products_is_judged():
    report = judge(Minimal, steps=300_000)
    assert [each.mistake.name for each in report.diagnoses] == [
        "operands_swapped",
        "recursion",
        "paths_one_by_one",
    ]


def test_graphs_that_no_mistake_explains_are_wrong_without_a_name():
    class Off(closures()):
        def backward(self):
            super().backward()
            for parent in self._prev:
                for leaf in parent._prev:
                    leaf.grad += 0.375

    report = judge(Off)
    assert "graphs" in {each.part for each in report.failed}
    assert not report.diagnoses


def test_a_backward_that_raises_or_does_nothing_is_wrong():
    class Raising(Minimal):
        def backward(self):
            raise RuntimeError("not today")

    class Idle(Minimal):
        def backward(self):
            pass

    for engine, mistakes in (Raising, []), (Idle, ["gradient_lost"]):
        report = judge(engine)
        assert not report.ok
        assert [each.mistake.name for each in report.diagnoses] == mistakes


def test_a_backward_that_raises_at_the_leaves_consumers_alone_is_wrong():
    class Deep(closures()):
        def backward(self):
            if not any(parent._prev for parent in self._prev):
                raise RuntimeError("too shallow")
            super().backward()

    assert not judge(Deep).ok


@pytest.mark.parametrize("number", [int, complex])
def test_data_that_are_no_floats_are_named(number):
    report = judge(closures(number=number))
    assert [each.mistake.name for each in report.diagnoses] == ["data_converted"]
    assert [each.got for each in report.failed] == ["1.0" if number is int else "(1.5+0j)"]


def test_what_cannot_be_made_of_a_number_or_gives_no_node_is_a_finding():
    class Named(closures()):
        def __init__(self, data, name):
            super().__init__(data)

    class Bare(closures()):
        def __mul__(self, other):
            return self.data * other.data

    for engine, of, says in (Named, "a node", "missing 1 required"), (Bare, "x * y", "None"):
        [finding] = judge(engine).findings
        assert (finding.of, finding.verdict) == (of, "raises")
        assert says in finding.got


def test_an_operation_that_forgets_its_operand_has_no_gradient():
    class Detached(closures()):
        def tanh(self):
            return type(self)(math.tanh(self.data))

    [diagnosis] = judge(Detached).diagnoses
    assert (diagnosis.mistake.name, diagnosis.where) == ("gradient_lost", "tanh")


def test_where_one_point_has_no_end_the_others_are_not_tried():
    tried = []

    class Endless(closures()):
        def exp(self):
            tried.append(self.data)
            while self.data == 1.0:
                pass
            return super().exp()

        def sin(self):
            while True:
                abs(self.data)

    with Limit(seconds=0.2) as limit:
        engine = NodeEngine(Endless, limit)
        found = {
            name: engine.try_out(getattr(Endless, name), [[x] for x in (0.0, 1.0, 2.0)])
            for name in ("exp", "sin")
        }
    assert found["exp"][0].value == 1.0
    assert found["exp"][1].value.stopped and found["exp"][2] == Trial()
    assert found["sin"][0].value.stopped and tried == [0.0, 1.0]
    assert limit.seconds < 0.6


def test_what_raises_no_exception_of_an_exit_ends_no_judgement():
    class Leaving(closures()):
        def exp(self):
            raise SystemExit

    assert not judge(Leaving).ok


def test_another_slope_of_leaky_relu_is_no_mistake():
    class Leaky(local_grads()):
        def leaky_relu(self):
            x = self.data
            return type(self)(x if x > 0 else 0.2 * x, (self,), (1.0 if x > 0 else 0.2,))

    assert judge(Leaky).ok


def test_a_reflected_operator_that_is_wrong_in_an_unknown_way_has_no_name():
    class Off(closures()):
        def __rsub__(self, other):
            return self._wrap(other + 1.0) - self

    report = judge(Off)
    assert not report.ok
    assert not report.diagnoses


def test_a_product_without_end_is_one_finding():
    class Endless(closures()):
        def __mul__(self, other):
            while True:
                abs(1)

    [finding] = judge(Endless, steps=30_000).findings
    assert (finding.of, finding.verdict) == ("x * y", "stopped")


def test_what_every_backward_raises_is_no_refusal_of_a_second_one():
    class Unset(closures()):
        def backward(self):
            raise AttributeError("no grad")

    report = judge(Unset)
    assert not any("refused" in each.note for each in report.findings)


def test_an_error_whose_text_cannot_be_had_is_a_failure():
    class Mute(Exception):
        def __str__(self):
            raise ValueError

    assert str(Failure(Mute())) == "Mute"
    assert len(str(Failure(ValueError("z" * 10**6)))) < 200


def test_an_instance_is_no_engine():
    with pytest.raises(TypeError, match="is no engine"):
        judge(closures()(1.0))


def test_lines_and_operands_are_those_of_the_operation():
    class Left(closures()):
        __rmul__ = None

        def __rtruediv__(self, other):
            return self * other

    report = judge(Left)
    lines = {each.mistake.name: each.mistake.mending[1] for each in report.diagnoses}
    assert lines["reflected_operand_missing"] == "def __rmul__(self, other): return self * other"
    assert next(each for each in report.failed if each.of == "number / x").at.startswith(
        "number = "
    )


def test_what_it_prints_is_not_heard(capfd):
    class Loud(closures()):
        def backward(self):
            print("loud")
            print("louder", file=sys.stderr)
            super().backward()

    judge(Loud)
    assert capfd.readouterr() == ("", "")
