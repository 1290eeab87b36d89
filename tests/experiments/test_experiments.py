"""One-line experiments, each held against the same done by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.golden import Golden

from microgradnet import MLP, Value, costs, datasets, delta, detect_anomaly, fit, tanh
from microgradnet.anomaly import AnomalyError
from microgradnet.backpropagation import FAST_PATHS
from microgradnet.experiments import caught, compare, gradient_flow, nudge, planted
from microgradnet.numerals import numeral
from microgradnet.operation import find, operations
from microgradnet.transforms import GradientError, check_grad

fractions = st.fractions(-3, 3, max_denominator=8)

# --- nudge ----------------------------------------------------------------------------------------


@given(fractions, fractions, fractions, st.lists(fractions, min_size=1, max_size=3))
def test_of_a_quadratic_what_is_left_is_half_the_curvature_times_the_square(
    a: Fraction, b: Fraction, at: Fraction, steps: list[Fraction]
) -> None:
    x = Value(at, label="x")
    found = nudge(lambda: a * x * x + b * x, x, steps)
    assert found.gradient == 2 * a * at + b
    for step, row in zip(steps, found.nudges, strict=True):
        assert row.predicted == found.gradient * step
        assert row.change - row.predicted == a * step**2
        assert row.difference == abs(a) * step**2


def test_everything_is_left_as_it_was() -> None:
    model = MLP(2, [3, 1], activation="tanh", rng=Random(0))
    costs.quadratic(model([1.0, 2.0]), 0.0).backward()
    before = [(p.data, p.grad) for p in model.parameters()]
    nudge(lambda: costs.quadratic(model([0.5, 1.0]), 1.0), model.parameters()[0])
    assert [(p.data, p.grad) for p in model.parameters()] == before

    x, calls = Value(1.0), []

    def cost() -> Value:
        calls.append(x.data)
        if len(calls) == 3:
            raise RuntimeError("no third time")
        return x * x

    with pytest.raises(RuntimeError):
        nudge(cost, x)
    assert (x.data, x.grad) == (1.0, 0)


def test_a_nudge_that_cannot_tell_anything_is_refused() -> None:
    x, y = Value(1.0), Value(2.0)
    frozen = x * y
    for cost, node in ((x * y, x), (lambda: x * y, "x")):
        with pytest.raises(TypeError):
            nudge(cost, node)
    with pytest.raises(TypeError):
        nudge(lambda: frozen * x, frozen)
    with pytest.raises(ValueError):
        nudge(lambda: x * x, y)


def test_an_infinite_gradient_of_a_nudge_is_an_anomaly() -> None:
    x = Value(0.0, label="x")
    with detect_anomaly(), pytest.raises(AnomalyError) as anomaly:
        nudge(lambda: x.sqrt(), x)
    assert anomaly.value.node is x
    assert x.data == x.grad == 0


def test_a_nudge_reads_as_a_table(golden: Golden) -> None:
    x = Value(Fraction(1, 2), label="x")
    golden("nudge.txt", str(nudge(lambda: x * x, x, [Fraction(1, 10), Fraction(-1, 3)])))


# --- gradient_flow --------------------------------------------------------------------------------


def rms(x: Any) -> float:
    return math.sqrt(float((np.asarray(x) ** 2).mean()))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "linear"])
def test_the_sizes_are_those_of_the_equations(activation: str) -> None:
    model = MLP(3, [4, 5, 2], activation=activation, output_activation="sigmoid", rng=Random(0))
    rng = np.random.default_rng(0)
    X, Y = rng.uniform(-1, 1, (6, 3)), rng.uniform(0, 1, (6, 2))
    flow = gradient_flow(model, X, Y, "cross_entropy")
    W, b = ([part[l] for l in (1, 2, 3)] for part in (model.weights, model.biases))
    names = [activation, activation, "sigmoid"]
    program = delta.backprop(W, b, names, "cross_entropy", X, Y)
    gradients = [
        [delta.weight_gradient(d, a) for d, a in zip(ds, As, strict=True)]
        for ds, As in zip(program.delta[1:], program.a[:-1], strict=True)
    ]
    for l, row in enumerate(flow.layers, 1):
        # Both are sums of a dozen products a layer, through three layers, in another order.
        close = {"rel": 3 * 3 * 12 * 2.0**-53 * 10}
        assert row.delta == pytest.approx(rms(program.delta[l]), **close)
        assert row.weight_gradient == pytest.approx(rms(gradients[l - 1]), **close)
        slopes = delta.activation_prime(names[l - 1], program.z[l])
        assert row.quiet == (np.abs(slopes) < 0.01).mean()
        if l < 3:
            assert row.ratio == row.delta / flow.layers[l].delta
    assert flow.layers[-1].ratio is None


@pytest.mark.parametrize(
    ("init", "depth", "verdict"),
    [
        (lambda rng, n_in, n_out: 0.05, 4, "δ vanishes"),
        (lambda rng, n_in, n_out: 2.0, 4, "δ explodes"),
        (lambda rng, n_in, n_out: 0.25, 4, "δ comes through"),
        ("zeros", 3, "δ does not reach layer 1"),
        ("xavier", 1, "There is one layer only"),
    ],
)
def test_the_verdict(init: Any, depth: int, verdict: str) -> None:
    model = MLP(4, [4] * depth, activation="linear", init=init, rng=Random(0))
    flow = gradient_flow(model, [[1.0, 1.0, 1.0, 1.0]], [[9.0, 9.0, 9.0, 9.0]])
    assert flow.verdict.startswith(verdict)
    assert str(flow).splitlines()[-1] == flow.verdict
    assert len(str(flow).splitlines()) == depth + 2


def test_the_gradients_of_the_parameters_are_left_as_they_were() -> None:
    model = MLP(2, [2, 1], rng=Random(0))
    model.parameters()[0].grad = 5.0
    gradient_flow(model, [[1.0, 2.0]], [1.0])
    assert [p.grad for p in model.parameters()] == [5.0] + [0] * 8


def test_examples_that_do_not_fit_are_refused() -> None:
    model = MLP(2, [1])
    with pytest.raises(ValueError):
        gradient_flow(model, [[1.0, 2.0]], [1.0, 2.0])
    with pytest.raises(ValueError, match="no cost 'mean'"):
        gradient_flow(model, [[1.0, 2.0]], [1.0], "mean")


# --- compare --------------------------------------------------------------------------------------


def test_each_is_the_training_it_would_be_alone() -> None:
    X, Y, _ = datasets.xor().train
    options: dict[str, Any] = {"lr": 1.0, "epochs": 3, "batch_size": 2}
    found = compare([2, 3, 2], X, Y, activation=["tanh", "relu"], seed=4, **options)
    for activation in ("tanh", "relu"):
        model = MLP(2, [3, 2], activation=activation, output_activation="sigmoid",
                    init="xavier", rng=Random(4))  # fmt: skip
        assert found[activation].cost == fit(model, X, Y, seed=4, **options).cost


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"cost": ["quadratic", "hinge"]}, ["quadratic", "hinge"]),
        ({"lr": [0.5, 2]}, ["0.5", "2"]),
        ({"activation": [tanh, "linear"]}, ["tanh", "linear"]),
        ({"init": ["zeros", "he"]}, ["zeros", "he"]),
        ({"batch_size": [1, None]}, ["1", "None"]),
    ],
)  # fmt: skip
def test_any_one_thing_can_be_changed(changed: dict[str, Any], names: list[str]) -> None:
    X, _, labels = datasets.xor().train  # of which each cost makes its own targets
    found = compare([2, 3, 2], X, labels, epochs=2, **changed)
    assert list(found.histories) == names
    lines = str(found).splitlines()
    assert lines[0].split() == [*changed, "cost", "at", "first", "at", "last", "accuracy"]
    assert [line.split()[0] for line in lines[1:]] == names


@pytest.mark.parametrize("cost", ["hinge", costs.hinge])
def test_the_output_is_the_one_that_fits_the_cost(cost: Any) -> None:
    X, Y, _ = datasets.xor().train
    signs = 2 * Y - 1
    found = compare([2, 3, 2], X, signs, activation=["tanh"], cost=cost, epochs=2, rng=Random(4))
    seed = int(Random(4).random() * 2**32)
    model = MLP(2, [3, 2], activation="tanh", output_activation="linear", init="xavier", seed=seed)
    assert found["tanh"].cost == fit(model, X, signs, "hinge", epochs=2, seed=seed).cost
    with pytest.raises(ValueError, match="seed=1 or rng"):
        compare([2, 2], X, Y, activation=["tanh"], seed=1, rng=Random(4))


@pytest.mark.parametrize("options", [{}, {"lr": [1], "cost": ["quadratic"]}, {"lr": []}])
def test_just_one_option_is_a_list(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        compare([2, 2], [[1.0, 2.0]], [[1.0, 0.0]], **options)


# --- planted --------------------------------------------------------------------------------------

AT = {1: [0.4], 2: [0.4, 0.75], 3: [0.4, 0.75, 0.5], None: [0.4, 0.75, 0.5]}
BEYOND = {"acosh": [1.5]}


@pytest.mark.parametrize("op", list(operations()), ids=lambda op: op.name)
def test_a_rule_wrong_by_a_millionth_is_caught(op: Any) -> None:
    """Every rule of the table; a point where each has slopes that are not 0."""
    xs = BEYOND.get(op.name, AT[op.arity])
    if op in FAST_PATHS:
        with pytest.raises(ValueError), planted(op):
            pass
        return
    right = op.rule
    error = caught(op, *xs, by=1e-6)
    assert op.rule is right
    slopes = op.vjp(1.0, *xs)
    wrong = [] if error is None else [check for check in error.checks if not check.holds]
    assert len(wrong) == sum(slope != 0 for slope in slopes)
    assert caught(op, *xs, by=0.0) is None


def test_the_rule_is_right_again_however_the_block_ends() -> None:
    x = Value(0.5)
    tanh(x).backward()
    want, x.grad = x.grad, 0
    with pytest.raises(GradientError), planted("tanh", by=1e-3):
        check_grad(lambda x: x.tanh(), [0.5])
    tanh(x).backward()
    assert x.grad == want


def test_what_was_wrong_before_is_not_taken_for_planted(own_table: None) -> None:
    from microgradnet import operation

    @operation(lambda m, g, y, x: (3 * g,))
    def twice(m: Any, x: Any) -> Any:
        return 2 * x

    with pytest.raises(GradientError):
        caught(twice, 0.5)
    with pytest.raises(LookupError, match="frobnicate"), planted("frobnicate"):
        pass
    assert find("twice") is twice


# --- Pictures -------------------------------------------------------------------------------------


def test_pictures_are_drawn(require_oracle: Callable[[str], Any]) -> None:
    require_oracle("matplotlib")
    X, Y, _ = datasets.xor().train
    model = MLP(2, [3, 2], output_activation="sigmoid", rng=Random(0))
    flow = gradient_flow(model, X, Y).plot()
    assert [line.get_label() for line in flow.axes[0].lines] == ["δ", "∂C/∂W"]
    found = compare([2, 3, 2], X, Y, activation=["tanh", "relu"], epochs=2).plot()
    assert [axes.get_title() for axes in found.axes] == ["cost", "accuracy"]
    assert [line.get_label() for line in found.axes[0].lines] == ["tanh", "relu"]
    assert found._repr_png_().startswith(b"\x89PNG")
    curves = compare([1, 1], [[0.0], [1.0]], [[0.3], [0.7]], lr=[0.1, 0.2], epochs=2).plot()
    assert [axes.get_title() for axes in curves.axes] == ["cost"]


def test_in_a_notebook_it_is_the_same_table() -> None:
    x = Value(2.0, label="x<y")
    found = nudge(lambda: x * x, x)
    assert all(numeral(row.change) in found._repr_html_() for row in found.nudges)
    assert "x&lt;y" in found._repr_html_()
