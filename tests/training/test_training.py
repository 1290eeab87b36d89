"""Training: the update rule batch by batch, what is measured, and how it ends."""

from __future__ import annotations

import math
import pickle
import re
import sys
from collections.abc import Callable
from fractions import Fraction
from io import StringIO
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import Progress

from microgradnet import (
    MLP,
    Adam,
    GradientDescent,
    History,
    Module,
    Momentum,
    Optimizer,
    Value,
    costs,
    datasets,
    delta,
    fit,
)
from microgradnet.costs import entry
from microgradnet.training import DivergenceError, Epoch, confusion, predictions
from microgradnet.training.diagnosis import first_gradient, first_value
from microgradnet.training.engines import Eager, Lifted
from microgradnet.training.metrics import correctness, outputs

XOR = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
both_engines = pytest.mark.parametrize("engine", ["eager", "lifted"])


def model_of(*sizes: int, seed: int = 0, **options: Any) -> MLP:
    return MLP(sizes[0], sizes[1:], rng=Random(seed), **options)


def numbers(model: Module) -> list[Any]:
    return [p.data for p in model.parameters()]


def rational(model: MLP) -> MLP:
    for p in model.parameters():
        p.data = Fraction(round(8 * p.data), 8)
    return model


# --- The update rule ------------------------------------------------------------------------------

rationals = st.fractions(-2, 2, max_denominator=3)


@given(
    st.lists(st.tuples(rationals, rationals, rationals), min_size=1, max_size=4),
    st.integers(1, 5),
    st.fractions(0, 1, max_denominator=4),
)
def test_in_fractions_it_is_the_specification_exactly(
    examples: list[tuple[Fraction, ...]], size: int, eta: Fraction
) -> None:
    """Each batch w − (η/m) Σₙ ∂C_{xₙ}/∂w, by the closed form; m is the batch's own size."""
    X, Y = [e[:2] for e in examples], [e[2:] for e in examples]
    model = rational(model_of(2, 2, 1, activation="relu"))
    W, b = [model.weights[l] for l in (1, 2)], [model.biases[l] for l in (1, 2)]
    history = fit(model, X, Y, lr=eta, epochs=1, batch_size=size, seed=None)
    met = []
    for k in range(0, len(X), size):
        x, y = (np.array(part[k : k + size], dtype=object) for part in (X, Y))
        program = delta.backprop(W, b, ["relu", "linear"], "quadratic", x, y)
        met += delta.cost("quadratic", program.a[-1], y).tolist()
        W = [delta.update(w, g, eta, len(x)) for w, g in zip(W, program.nabla_w, strict=True)]
        b = [delta.update(w, g, eta, len(x)) for w, g in zip(b, program.nabla_b, strict=True)]
    for l in (1, 2):
        assert (model.weights[l] == W[l - 1]).all()
        assert (model.biases[l] == b[l - 1]).all()
    assert history[0].cost == Fraction(sum(met)) / len(met)
    assert all(isinstance(x, (int, Fraction)) for x in numbers(model))


def test_formulas_are_trained_too(require_oracle: Callable[[str], Any]) -> None:
    sympy = require_oracle("sympy")
    w, eta = sympy.symbols("w eta")
    model = model_of(1, 1)
    model.weights[1], model.biases[1] = [[w]], [0]
    history = fit(model, [[3]], [1], lr=eta, epochs=1)
    assert sympy.simplify(history[0].cost - (3 * w - 1) ** 2 / 2) == 0
    assert sympy.simplify(model.weights[1][0, 0] - (w - eta * 3 * (3 * w - 1))) == 0
    assert history[0].accuracy is None


def test_every_epoch_meets_every_example_once_in_an_order_of_its_own() -> None:
    met: list[float] = []

    def cost(output: Any, target: float) -> Value:
        met.append(target)
        return costs.quadratic(output, target)

    def orders(seed: int | None) -> list[list[float]]:
        met.clear()
        fit(model_of(1, 1), [[0.0]] * 6, range(6), cost, epochs=2, batch_size=4, seed=seed,
            engine="eager")  # fmt: skip
        return [met[:6], met[6:]]

    first, second = orders(0)
    assert sorted(first) == sorted(second) == list(range(6))
    assert first != second
    assert orders(0) == [first, second]
    assert orders(1) != [first, second]
    assert orders(None) == [list(range(6))] * 2


@both_engines
def test_gradients_from_before_do_not_count_and_none_are_left(engine: str) -> None:
    models = [model_of(2, 2, 1) for _ in range(2)]
    costs.quadratic(models[0]([1.0, 2.0]), 5.0).backward()
    for model in models:
        fit(model, XOR, [0, 1, 1, 0], epochs=2, engine=engine)
        assert [p.grad for p in model.parameters()] == [0] * 9
    assert numbers(models[0]) == numbers(models[1])


@both_engines
def test_only_what_the_optimizer_holds_is_trained(engine: str) -> None:
    model = model_of(2, 3, 1, activation="tanh")
    before = model.weights[1]
    adam = Adam(model.layers[1].parameters())
    fit(model, XOR, [0, 1, 1, 0], optimizer=adam, epochs=2, engine=engine)
    assert np.array_equal(model.weights[1], before)
    assert not np.array_equal(model.weights[2], model_of(2, 3, 1).weights[2])


@both_engines
def test_a_second_fit_goes_on_where_the_first_left_off(engine: str) -> None:
    once, twice = model_of(2, 3, 1, activation="tanh"), model_of(2, 3, 1, activation="tanh")
    options: dict[str, Any] = {"seed": None, "engine": engine}
    momentum = Momentum(once.parameters(), 0.5)
    fit(once, XOR, [0, 1, 1, 0], optimizer=momentum, epochs=4, **options)
    descent = Momentum(twice.parameters(), 0.5)
    for _ in range(2):
        fit(twice, XOR, [0, 1, 1, 0], optimizer=descent, epochs=2, **options)
    assert numbers(once) == numbers(twice)
    assert descent.steps == 4


@both_engines
def test_a_module_of_ones_own_and_a_cost_of_ones_own(engine: str) -> None:
    class Line(Module):
        def __init__(self) -> None:
            self.slope, self.offset = Value(0.0), Value(0.0)

        def __call__(self, x: Any) -> Value:
            return self.slope * x[0] + self.offset

    line = Line()
    X = [[k / 4] for k in range(5)]
    history = fit(line, X, [3 * x - 1 for (x,) in X], lambda a, y: (a - y) ** 2,
                  lr=0.5, epochs=200, batch_size=None, engine=engine)  # fmt: skip
    assert abs(line.slope.data - 3) < 1e-6
    assert abs(line.offset.data + 1) < 1e-6
    assert history[-1].accuracy is None


# --- What is measured -----------------------------------------------------------------------------


@both_engines
def test_costs_are_of_the_examples_as_met_and_held_back_ones_after_the_epoch(engine: str) -> None:
    model = model_of(2, 3, 2, activation="tanh", output_activation="sigmoid")
    X, Y, labels = datasets.xor().train
    start = [costs.cross_entropy(model(x), y).data for x, y in zip(X, Y, strict=True)]
    right = (predictions(model, X) == labels).mean()
    history = fit(model, X, Y, "cross_entropy", lr=1.0, epochs=2, batch_size=4, test=(X, Y),
                  engine=engine)  # fmt: skip
    # A mean of 4 rounds 4 times. A cost of two logarithms of σ of a sum of 3 terms, below 40 in
    # all, differs between the engines by the order of summation and the libraries' last bits.
    rounding = 2.0**-53 * (4 + 40 * (engine == "lifted"))
    assert abs(history[0].cost - sum(start) / 4) <= rounding * sum(start)
    assert history[0].accuracy == right
    end = [costs.cross_entropy(model(x), y).data for x, y in zip(X, Y, strict=True)]
    assert abs(history[1].test_cost - sum(end) / 4) <= rounding * sum(end)
    assert history[1].test_accuracy == (predictions(model, X) == labels).mean()
    assert history.cost == [epoch.cost for epoch in history]
    assert history.test_cost[1] == history[1].test_cost
    assert [epoch.number for epoch in history] == [1, 2]


@pytest.mark.parametrize(
    ("cost", "bias", "targets", "accuracy"),
    [
        ("quadratic", [0.6], [1, 1, 0, 1], 0.75),
        ("quadratic", [0.4], [1, 1, 0, 1], 0.25),
        ("quadratic", [0.4], [1, 1, -1, 1], 0.75),
        ("quadratic", [0.4], [1, 2, 0, 1], None),
        ("quadratic", [0.4], [1, -1, 0, 1], None),
        ("hinge", [0.4], [1, 1, 1, 1], 1.0),
        ("cross_entropy_from_z", [0.4], [1, 1, 0, 1], 0.75),
        ("quadratic", [0.1, 0.2], [[0, 1], [1, 0], [0, 1], [0, 1]], 0.75),
        ("hinge", [0.1, 0.2], [[-1, 1], [1, -1], [-1, 1], [-1, 1]], 0.75),
        ("quadratic", [0.1, 0.2], [[0, 1], [1, 1], [0, 1], [0, 1]], None),
        ("quadratic", [0.1, 0.2], [[0, 1], [1, 3], [0, 1], [0, 1]], None),
    ],
)
def test_right_and_wrong(
    cost: str, bias: list[float], targets: Any, accuracy: float | None
) -> None:
    model = model_of(1, len(bias), init="zeros")
    model.biases[1] = bias
    history = fit(model, [[0.0]] * 4, targets, cost, epochs=1, batch_size=4)
    assert history[0].accuracy == accuracy


def test_confusion_counts_what_was_called_what() -> None:
    assert confusion([0, 1, 1, 2], [1, 1, 1, 0], 3).tolist() == [[0, 1, 0], [0, 2, 0], [1, 0, 0]]
    model = model_of(1, 3, init="zeros")
    model.weights[1] = [[1.0], [0.0], [-1.0]]
    assert predictions(model, [[1.0], [-1.0]]).tolist() == [0, 2]
    single = model_of(1, 1, init="zeros")
    single.biases[1] = [0.25]
    assert predictions(single, [[1.0]]).tolist() == [0]
    assert predictions(single, [[1.0]], threshold=0.0).tolist() == [1]


def test_outputs_of_many_examples_are_those_of_few() -> None:
    model = model_of(2, 4, 3, activation="tanh", output_activation="softmax")
    X = [[Random(k).uniform(-2, 2), k / 250] for k in range(300)]
    many = outputs(model, X)
    few = np.concatenate([outputs(model, X[k : k + 100]) for k in range(0, 300, 100)])
    assert many.shape == few.shape == (300, 3)
    # σ of sums of 5 terms below 10 in all: what a last bit in z, or in exp z, does to a share.
    assert np.abs(many - few).max() <= 2.0**-53 * 40

    class Branch(Module):
        def __call__(self, x: Any) -> Value:
            return Value(x[0]) if x[1] > 0.5 else Value(x[1])

    assert outputs(Branch(), X).tolist() == [[x if y > 0.5 else y] for x, y in X]


# --- How it ends ----------------------------------------------------------------------------------


@both_engines
def test_the_callback_sees_every_epoch_and_can_stop(engine: str) -> None:
    seen: list[tuple[Epoch, list[float]]] = []
    model = model_of(2, 2, 1)

    def watch(epoch: Epoch) -> bool:
        seen.append((epoch, numbers(model)))
        return epoch.number == 2

    history = fit(model, XOR, [0, 1, 1, 0], callback=watch, engine=engine)
    assert [epoch for epoch, _ in seen] == list(history)
    assert len(history) == 2
    assert seen[1][1] == numbers(model) != seen[0][1]
    assert history.stopped == "stopped by the callback after epoch 2"


@both_engines
def test_the_callback_may_write_into_the_model(engine: str) -> None:
    model = model_of(1, 1)

    def reset(epoch: Epoch) -> None:
        model.weights[1] = [[0.0]]
        model.biases[1] = [0.0]

    history = fit(model, [[1.0]], [1.0], callback=reset, epochs=3, engine=engine)
    assert history.cost[1:] == [0.5, 0.5]
    assert numbers(model) == [0.0, 0.0]


@both_engines
@pytest.mark.parametrize("held_back", [False, True])
def test_patience_stops_and_goes_back_to_the_best(held_back: bool, engine: str) -> None:
    model = model_of(1, 1, init="zeros")
    kept: list[list[float]] = []
    # η = 3 on C = ½(w + b − 1)²: each step takes the distance from 1 fivefold to the other side.
    history = fit(model, [[1.0]], [1.0], lr=3, patience=2, epochs=50, engine=engine,
                  test=([[1.0]], [1.0]) if held_back else None,
                  callback=lambda epoch: kept.append(numbers(model)))  # fmt: skip
    assert len(history) == 3
    assert history.best == 1
    assert numbers(model) == kept[0]
    assert re.search("epoch 3.* 2 epochs", history.stopped)


def test_patience_looks_at_the_examples_held_back() -> None:
    model = model_of(1, 1, init="zeros")
    history = fit(model, [[1.0]], [1.0], test=([[1.0]], [-1.0]), patience=2, epochs=50)
    assert history.cost == sorted(history.cost, reverse=True)
    assert (history.best, len(history)) == (1, 3)


def test_patience_without_need_keeps_the_best_too() -> None:
    model = model_of(1, 1)
    history = fit(model, [[1.0]], [1.0], patience=2, epochs=5)
    assert (history.best, history.stopped) == (5, "")


@both_engines
def test_ctrl_c_keeps_what_was_learned_and_says_so(
    engine: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = {"eager": Eager, "lifted": Lifted}[engine]
    step, steps = kind.step, []

    def interrupted(self: Any, m: int) -> bool:
        steps.append(m)
        if len(steps) == 4:  # the second batch of the second epoch
            raise KeyboardInterrupt
        return step(self, m)

    model, other = model_of(2, 2, 1), model_of(2, 2, 1)
    X, Y = XOR, [0, 1, 1, 0]
    options: dict[str, Any] = {"batch_size": 2, "seed": None, "engine": engine}
    monkeypatch.setattr(kind, "step", interrupted)
    history = fit(model, X, Y, **options)
    monkeypatch.undo()
    assert len(history) == 1
    assert "interrupted in epoch 2" in history.stopped
    assert capsys.readouterr().err == history.stopped + "\n"
    fit(other, X, Y, epochs=1, **options)
    fit(other, X[:2], Y[:2], epochs=1, **options)
    assert numbers(model) == numbers(other)


class Logarithm(Module):
    """ln w, which is not a number beyond w = 0."""

    def __init__(self) -> None:
        self.w = Value(1.0, label="w")

    def __call__(self, x: Any) -> Value:
        y = (self.w - x[0]).log()
        y.label = "y"
        return y


@both_engines
def test_a_cost_that_is_not_finite_names_epoch_example_and_node(engine: str) -> None:
    model = Logarithm()
    X = [[0.0], [0.25], [2.0], [0.5]]
    with pytest.raises(
        FloatingPointError, match=r"epoch 1, example 2: NaN is the result of y = log\("
    ) as e:
        fit(model, X, [0.0] * 4, lambda a, y: a * 2, lr=0.125, batch_size=2, seed=None,
            engine=engine)  # fmt: skip
    assert "those before the step" in str(e.value)
    assert len(e.value.history) == 0
    # One whole step: d(2 ln(1 − x)) = 2/1 and 2/¾, of which the mean.
    assert model.w.data == 1 - 0.125 / 2 * (2 / 1 + 2 / 0.75)


@both_engines
def test_a_gradient_that_is_not_finite_names_its_node(engine: str) -> None:
    class Root(Module):
        def __init__(self) -> None:
            self.w = Value(0.0, label="w")

        def __call__(self, x: Any) -> Value:
            z = self.w * x[0]
            z.label = "z"
            return z.sqrt()

    model = Root()
    with pytest.raises(FloatingPointError, match="epoch 1, example 0: ∂C/∂z is ∞"):
        fit(model, [[1.0]], [0.0], lambda a, y: a + y, engine=engine)
    assert model.w.data == 0.0


@both_engines
def test_a_rule_that_would_not_mind_gets_no_gradient_that_is_not_finite(engine: str) -> None:
    class Sign(Optimizer):
        def rule(self, arithmetic: Any, w: Any, gradient: Any, *numbers: Any) -> Any:
            return (w - arithmetic.where(gradient > 0, numbers[0], -numbers[0]),)

    model = Logarithm()
    with pytest.raises(FloatingPointError, match="∂C/∂y is ∞"):
        fit(model, [[0.0]], [0.0], lambda a, y: a.sqrt() + a * 0, engine=engine,
            optimizer=Sign(model.parameters(), lr=0.25))  # fmt: skip
    assert model.w.data == 1.0


@both_engines
def test_a_step_beyond_the_floats_is_not_taken(engine: str) -> None:
    model = model_of(1, 1, init="zeros")
    descent = Momentum(model.parameters(), lr=1e308)
    with pytest.raises(FloatingPointError, match="epoch 1"):
        fit(model, [[1.0]], [100.0], optimizer=descent, engine=engine)
    assert numbers(model) == [0.0, 0.0]
    assert descent.steps == 0
    descent.lr = 0.5
    fit(model, [[1.0]], [100.0], optimizer=descent, epochs=1, engine=engine)
    assert numbers(model) == [50.0, 50.0]


# --- Two engines ----------------------------------------------------------------------------------

IRIS = [part[:10] for part in datasets.iris().train]
OPTIMIZERS = [
    lambda p: GradientDescent(p, lr=0.5),
    lambda p: Momentum(p, lr=0.25, nesterov=True, weight_decay=0.01),
    lambda p: Adam(p, lr=0.125),
]


@pytest.mark.parametrize("granularity", ["atomic", "neuron"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("cost", "activation", "output"),
    [
        ("quadratic", "sigmoid", "sigmoid"),
        ("cross_entropy", "tanh", "sigmoid"),
        ("log_likelihood", "softplus", "softmax"),
        ("log_likelihood_from_z", "gelu", "linear"),
    ],
)
def test_both_engines_give_the_same_history(
    cost: str, activation: str, output: str, optimizer: Any, granularity: str
) -> None:
    """As near as the training's own sensitivity to rounding allows.

    A relative change of every parameter by ε at the start moves the history by D. Rounding is a
    change of the kind: each parameter is made anew in every step with fewer roundings than its
    gradient has terms and the graph has layers of nodes, of u = 2⁻⁵³ each.
    """
    steps, epsilon = 6, 2.0**-30
    histories, models = [], []
    for engine, change in (("eager", 0.0), ("lifted", 0.0), ("eager", epsilon)):
        model = model_of(4, 3, 3, activation=activation, output_activation=output,
                         granularity=granularity)  # fmt: skip
        signs = Random(1)
        for p in model.parameters():
            p.data *= 1 + signs.choice((change, -change))
        X, Y, _ = IRIS
        descent = optimizer(model.parameters())
        histories.append(
            fit(model, X, Y, cost, optimizer=descent, epochs=2, batch_size=4, engine=engine)
        )
        models.append(model)
    eager, lifted, changed = histories
    assert (eager.engine, lifted.engine) == ("eager", "lifted")
    roundings = steps * (4 + 3 + 20)  # examples of a batch, a sum's terms, nodes one on another
    bound = roundings * 2.0**-53 / epsilon
    scale = max(abs(e.cost - c.cost) for e, c in zip(eager, changed, strict=True))
    scale += max(
        abs(e.data - c.data)
        for e, c in zip(models[0].parameters(), models[2].parameters(), strict=True)
    )
    for e, l in zip(eager, lifted, strict=True):
        assert abs(e.cost - l.cost) <= bound * scale
        assert e.accuracy == l.accuracy
    for e, l in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert abs(e.data - l.data) <= bound * scale
    assert bound * scale < 1e-10


def test_what_is_exact_is_not_lifted() -> None:
    models = [rational(model_of(2, 2, 1, activation="relu")) for _ in range(2)]
    history = fit(models[0], XOR, [0, 1, 1, 0], epochs=1)
    assert (history.engine, history.fallback_reason) == ("eager", "not all numbers are floats")
    with pytest.raises(ValueError, match="not all numbers are floats"):
        fit(models[1], XOR, [0, 1, 1, 0], epochs=1, engine="lifted")


def test_a_branch_on_a_number_is_not_lifted() -> None:
    class Branch(Module):
        def __init__(self) -> None:
            self.w = Value(1.0)

        def __call__(self, x: Any) -> Value:
            return self.w * x[0] if x[0] > 0.5 else -self.w * x[0]

    history = fit(Branch(), [[1.0], [0.25]], [1.0, 0.0], epochs=1)
    assert history.engine == "eager"
    assert "branch" in history.fallback_reason
    assert "\n" not in history.fallback_reason
    with pytest.raises(ValueError, match=r"no lifted engine for this: .*branch"):
        fit(Branch(), [[1.0], [0.25]], [1.0, 0.0], engine="lifted")


def test_a_model_that_is_another_each_time_is_not_lifted() -> None:
    class Dropout(Module):
        def __init__(self) -> None:
            self.inner = model_of(2, 8, 1, activation="tanh")
            self.rng = Random(0)

        def __call__(self, x: Any) -> Any:
            hidden = self.inner.layers[0](x)
            return self.inner.layers[1]([h * self.rng.choice((0, 2)) for h in hidden])

    history = fit(Dropout(), XOR, [0, 1, 1, 0], epochs=1)
    assert history.engine == "eager"
    assert history.fallback_reason.startswith("example")


def test_a_cost_that_is_another_each_time_is_not_lifted() -> None:
    calls: list[int] = []

    def cost(output: Any, target: Any) -> Value:
        calls.append(1)
        return costs.quadratic(output, target) * len(calls)

    history = fit(model_of(2, 1), XOR, [0, 1, 1, 0], cost, epochs=1)
    assert history.engine == "eager"
    assert "the scalar graph" in history.fallback_reason


@both_engines
def test_a_shared_parameter_moves_once(engine: str) -> None:
    model = model_of(2, 2, 1, activation="tanh")
    shared = model.layers[0].neurons[0].w[0]
    model.layers[0].neurons[1].w[0] = shared
    fit(model, [[1.0, 0.0]], [0.0], lr=0.5, epochs=1, engine=engine)
    other = model_of(2, 2, 1, activation="tanh")
    other.layers[0].neurons[1].w[0].data = other.layers[0].neurons[0].w[0].data
    costs.quadratic(other([1.0, 0.0]), 0.0).backward()
    both = [other.layers[0].neurons[j].w[0] for j in (0, 1)]
    want = both[0].data - 0.5 * (both[0].grad + both[1].grad)
    assert abs(shared.data - want) <= 20 * 2.0**-53 * (1 + abs(want))


# --- Arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"X": [[1.0]]}, ValueError, r"X must have shape \(examples, 2\), .* not \(1, 1\)"),
        ({"X": [1.0, 2.0]}, ValueError, r"not \(2,\)"),
        ({"Y": [[1.0, 2.0]] * 4}, ValueError, r"Y must have shape \(examples, 1\)"),
        ({"Y": [1.0]}, ValueError, "X has 4 rows and Y 1"),
        ({"X": np.empty((0, 2)), "Y": []}, ValueError, "X has 0 rows"),
        ({"X": [[1.0, math.nan]] * 4}, ValueError, r"X\[0\] holds a number that is not finite"),
        ({"X": [[1.0, 2.0], [3.0]]}, ValueError, "the rows of X are not of one length"),
        ({"X": [["a", "b"]] * 4}, TypeError, "'a' is a str, not a number"),
        ({"X": [[1j, 2.0]] * 4}, TypeError, "complex"),
        ({"X": [[Value(1.0), 2.0]] * 4}, TypeError, "is a Value already"),
        ({"test": ([[1.0]], [1.0])}, ValueError, "test X must have shape"),
        ({"cost": lambda outputs, targets: 3.0}, TypeError, "a cost is a Value, .* not 3.0"),
        ({"cost": "mean"}, ValueError, "no cost 'mean': there are quadratic"),
        ({"engine": "fast"}, ValueError, "no engine 'fast': there are auto, lifted, eager"),
        ({"epochs": 0}, ValueError, "epochs .* not 0"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"patience": 0}, ValueError, "patience"),
        ({"epochs": 2.5}, ValueError, "epochs .* not 2.5"),
        ({"epochs": math.nan}, ValueError, "epochs .* not nan"),
        ({"batch_size": "10"}, ValueError, "batch_size .* not '10'"),
        ({"lr": -1}, ValueError, "lr.* not -1"),
        ({"lr": math.nan}, ValueError, "lr.* not nan"),
        ({"lr": math.inf}, ValueError, "lr.* not inf"),
        ({"lr": "fast"}, TypeError, "not a number"),
        ({"optimizer": "adam"}, TypeError, r"Adam\(model.parameters\(\)\), not 'adam'"),
        ({"optimizer": GradientDescent([Value(1.0)], 1.0)}, ValueError, "of this model"),
        ({"optimizer": GradientDescent([], 1.0)}, ValueError, "must hold parameters"),
    ],
)
def test_arguments_that_make_no_sense(
    options: dict[str, Any], error: type[Exception], named: str
) -> None:
    model = model_of(2, 2, 1)
    before = numbers(model)
    with pytest.raises(error, match=named):
        fit(model, **({"X": XOR, "Y": [0, 1, 1, 0]} | options))
    assert numbers(model) == before


def test_what_is_no_model_is_refused() -> None:
    for wrong in (Module(), lambda x: x, [1.0]):
        with pytest.raises(TypeError):
            fit(wrong, [[1.0]], [1.0])


def test_either_a_rate_or_an_optimizer() -> None:
    model = model_of(2, 1)
    with pytest.raises(ValueError):
        fit(model, XOR, [0, 1, 1, 0], lr=1.0, optimizer=Adam(model.parameters()))


# --- Reading the history --------------------------------------------------------------------------


def history_of(n: int, **options: Any) -> History:
    return History([Epoch(k, 1 / k, 0.5, None, None, 0.5) for k in range(1, n + 1)], **options)


def test_the_repr_is_one_line() -> None:
    assert repr(history_of(0)) == "<History of 0 epochs>"
    assert repr(history_of(1)) == (
        "<History of 1 epoch: cost 1 → 1, accuracy 50.0 % → 50.0 %, 0.5 s, eager>"
    )
    history = History([Epoch(1, Fraction(1, 3), None, Fraction(1, 4), 0.975, 2.0)], "lifted")
    history.stopped = "stopped by the callback after epoch 1"
    assert repr(history) == (
        "<History of 1 epoch: cost 1/3 → 1/3, test accuracy 97.5 %, 2.0 s, lifted, "
        "stopped by the callback after epoch 1>"
    )


@pytest.mark.parametrize("n", [0, 1, 12, 13, 100])
def test_the_table_has_the_first_and_the_last_epoch_and_not_too_many(n: int) -> None:
    lines = str(history_of(n).table).splitlines()
    assert len(lines) <= 13
    shown = [int(line.split()[0]) for line in lines[1:]]
    assert shown == sorted(set(shown))
    assert shown[:1] + shown[-1:] == [1, n] * bool(n)
    assert history_of(n)._repr_html_().count("<tr>") == len(shown) + 1


def test_columns_without_anything_in_them_are_left_out() -> None:
    assert "test" not in str(history_of(3))
    assert "accuracy" in str(history_of(3))
    assert "accuracy" not in str(History([Epoch(1, 1.0, None, None, None, 1.0)]))
    assert str(history_of(3)).splitlines()[-1] == repr(history_of(3))[1:-1]


def test_a_history_is_a_sequence() -> None:
    history = history_of(4)
    assert history[-1].number == 4
    assert [epoch.number for epoch in history[1:3]] == [2, 3]
    assert history.seconds == 2.0
    assert history.accuracy == [0.5] * 4


@pytest.mark.parametrize("width", [20, 30, 40, 60, 100])
def test_the_table_fits(width: int) -> None:
    console = Console(width=width, file=StringIO(), record=True)
    console.print(History([Epoch(k, -1.2345678e-300, 0.5, 1.2345e-300, 1.0, 9.87) for k in (1, 2)]))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    assert "cost" in lines[0]


# --- Pictures -------------------------------------------------------------------------------------


def test_a_history_is_drawn_as_curves_and_a_boundary(require_oracle: Callable[[str], Any]) -> None:
    require_oracle("matplotlib")
    X, Y, labels = datasets.moons(n=40).train
    model = model_of(2, 4, 2, activation="tanh", output_activation="softmax")
    history = fit(model, X, Y, "log_likelihood", epochs=3, test=(X, Y))
    figure = history.plot(model, (X, Y, labels), ("upper", "lower"))
    cost, accuracy, boundary = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["cost", "accuracy", "decision boundary"]
    for axes, columns in (
        (cost, (history.cost, history.test_cost)),
        (accuracy, (history.accuracy, history.test_accuracy)),
    ):
        for line, column in zip(axes.lines, columns, strict=True):
            assert line.get_xdata().tolist() == [1, 2, 3]
            assert line.get_ydata().tolist() == column
    drawn = [scatter.get_offsets().tolist() for scatter in boundary.collections[-2:]]
    assert drawn == [X[labels == k].tolist() for k in (0, 1)]
    assert [text.get_text() for text in boundary.get_legend().get_texts()] == ["upper", "lower"]
    # Tinted as the class that the network says: at each corner the colour of its own class leads.
    [image] = boundary.images
    tint, extent = image.get_array(), image.get_extent()
    for row, col in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        corner = [extent[1] if col else extent[0], extent[3] if row else extent[2]]
        said = predictions(model, [corner])[0]
        red, _, blue = tint[row, col]
        assert (blue > red) == (said == 0)


def test_without_classes_or_with_one_output_there_is_a_picture_too(
    require_oracle: Callable[[str], Any],
) -> None:
    require_oracle("matplotlib")
    model = model_of(2, 1, output_activation="sigmoid")
    history = fit(model, XOR, [0.5, 0.25, 1, 0.75], epochs=1)
    assert [axes.get_title() for axes in history.plot().axes] == ["cost"]
    figure = history.plot(model, (XOR, None, [0, 1, 1, 0]))
    assert figure.axes[-1].get_title() == "decision boundary"


def test_what_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, history = model_of(3, 1), history_of(2)
    with pytest.raises(ValueError, match="not 3"):
        history.plot(model, ([[1.0, 2.0, 3.0]], None, [0]))
    with pytest.raises(ValueError, match=r"\.plot\(\)"):
        history.plot(model)
    with pytest.raises(ValueError):
        history_of(0).plot()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'microgradnet\[plot\]'"):
        history.plot()


def test_before_the_first_step_the_rate_is_not_to_blame() -> None:
    model = model_of(2, 2, output_activation="relu")
    for layer in model.layers:
        for parameter in layer.parameters():
            parameter.data = -1.0
    with pytest.raises(DivergenceError, match="before the first step"):
        fit(model, [[1.0, 1.0]], [[1.0, 0.0]], "log_likelihood")
    with pytest.raises(DivergenceError, match="learning rate"):
        fit(model_of(1, 1, 1), [[1.0]], [[0.0]], lr=1e200, epochs=9, batch_size=1)


def test_labels_that_tell_no_classes_apart_are_not_judged() -> None:
    for Y in ([[-1.0], [0.0]], [[0.0], [2.0]], [[-1.0], [0.0], [1.0]]):
        assert correctness(np.array(Y), entry("quadratic")) is None
    assert correctness(np.array([[0.2, 0.8], [0.3, 0.7]]), entry("quadratic")) is None
    assert correctness(np.array([[0.0], [-1.0]]), entry("hinge")) is None
    assert correctness(np.array([[-1.0], [1.0]]), entry("quadratic")) is not None


class Flickering(Module):
    """Its output is infinite each time it is called for the first, third ... time."""

    def __init__(self) -> None:
        self.w, self.calls = Value(1.0), 0

    def __call__(self, x: Any) -> Value:
        self.calls += 1
        return self.w * (math.inf if self.calls % 2 else 1.0)


def test_a_cost_that_is_not_infinite_again_is_named_by_its_example() -> None:
    model = Flickering()
    with pytest.raises(DivergenceError, match=r"epoch 1, example 0: its cost is ∞\."):
        fit(model, [[1.0]], [[0.0]], lambda out, y: out * 1, engine="eager", seed=None)


def test_held_back_examples_without_classes_have_a_cost_alone() -> None:
    history = fit(model_of(1, 1), [[0.0], [1.0]], [0.3, 0.7], epochs=1, test=([[0.5]], [0.5]))
    assert history[0].test_cost is not None
    assert history[0].accuracy is history[0].test_accuracy is None


def test_interrupted_in_its_first_epoch_there_is_nothing_to_go_back_to() -> None:
    def interrupt(*arguments: Any) -> Value:
        raise KeyboardInterrupt

    model = model_of(1, 1)
    before = numbers(model)
    history = fit(model, [[1.0]], [[0.0]], interrupt, engine="eager", patience=3)
    assert history.stopped.startswith("interrupted in epoch 1")
    assert numbers(model) == before
    assert not history.best


def test_the_nodes_of_a_diagnosis_are_told_with_their_names_or_without() -> None:
    x, y = Value(math.inf, label="x"), Value(math.nan)
    assert first_value(x * 2) == "x is ∞"
    assert first_value(y * 2) == "a number is NaN"
    cost = (Value(0.0) * 1.0).sqrt() * 1.0
    cost.backward()
    assert first_gradient(cost) == "∂C/∂(0.0 * 1.0) is ∞"
    root = Value(1.0)
    (fine := root * 2.0).backward()
    assert first_value(fine) is first_gradient(fine) is None
    root.grad = math.nan
    assert first_gradient(fine) == "∂C/∂a number is NaN"
    root.label = "w"
    assert first_gradient(fine) == "∂C/∂w is NaN"


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("Y", [[0.0, 1.0, 1.0, 0.0], [0.1, 0.5, 0.5, 0.1]], ids=["classes", "none"])
def test_a_terminal_shows_how_it_goes(Y: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    calls = []
    real = Progress.update

    def update(self: Any, task: Any, **given: Any) -> None:
        calls.append((given["advance"], given["description"]))
        real(self, task, **given)

    monkeypatch.setattr(Progress, "update", update)
    history = fit(model_of(2, 2, 1), XOR, Y, epochs=2, batch_size=3)
    assert [done for done, _ in calls] == [3, 1, 3, 1]
    last = calls[-1][1]
    assert last.startswith(f"epoch 2/2  cost {history[-1].cost:.4g}")
    assert ("accuracy" in last) == (history[-1].accuracy is not None) == (Y[1] == 1.0)
    assert terminal.getvalue()


def test_one_class_everywhere_has_no_boundary(require_oracle: Callable[[str], Any]) -> None:
    require_oracle("matplotlib")
    model = model_of(2, 2)
    for parameter in model.parameters():
        parameter.data = 0.0
    model.layers[0].neurons[1].b.data = 1.0
    X, Y, _ = datasets.xor().train
    history = fit(model, X, Y, epochs=1, lr=0)
    figure = history.plot(model, datasets.xor().train, ("even", "odd"))
    boundary = next(axes for axes in figure.axes if axes.get_title() == "decision boundary")
    assert not [c for c in boundary.collections if type(c).__name__.endswith("ContourSet")]


def test_progress_may_be_a_function() -> None:
    calls: list[tuple[int, int]] = []
    fit(model_of(2, 1), XOR, [0, 1, 1, 0], epochs=2, batch_size=3,
        progress=lambda done, total: calls.append((done, total)))  # fmt: skip
    assert calls == [(3, 8), (4, 8), (7, 8), (8, 8)]


def test_a_generator_orders_the_examples_as_its_seed_does() -> None:
    histories = [
        fit(model_of(2, 3, 1), XOR, [0, 1, 1, 0], batch_size=1, epochs=3, **order).cost
        for order in ({"seed": 7}, {"rng": Random(7)}, {"seed": 8}, {"seed": None})
    ]
    assert histories[0] == histories[1]
    assert histories[0] != histories[2] != histories[3] != histories[0]
    with pytest.raises(ValueError, match="seed=7 or rng"):
        fit(model_of(2, 1), XOR, [0, 1, 1, 0], seed=7, rng=Random(7))


def test_the_reason_is_read_by_its_old_name_too() -> None:
    with pytest.warns(DeprecationWarning, match=r"why=.*fallback_reason="):
        history = History(engine="eager", why="a branch")
    assert history.fallback_reason == "a branch"
    with pytest.warns(DeprecationWarning, match="fallback_reason"):
        assert history.why == "a branch"
    assert pickle.loads(pickle.dumps(history)).fallback_reason == "a branch"


# --- Targets that cannot be reached ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "targets", "told"),
    [
        ("softmax", [[1.0], [1.0]], "softmax of one output is 1 .* put sigmoid at the output"),
        ("sigmoid", [[-1.0], [1.0]], r"from −1 to 1, but outputs of sigmoid are between 0 and"),
        ("hard_sigmoid", [[0.0], [1.5]], "outputs of hard_sigmoid are between"),
        (
            "tanh",
            [[-2.0], [1.0]],
            "are between -1 and 1: put other targets, or linear at the",
        ),
    ],
)
def test_targets_out_of_reach_are_warned_of(output: str, targets: Any, told: str) -> None:
    model = MLP(2, [2, 1], output_activation=output, rng=Random(0))
    with pytest.warns(UserWarning, match=told) as warned:
        fit(model, [[0.0, 1.0], [1.0, 0.0]], targets, epochs=1)
    assert warned[0].filename == __file__


@pytest.mark.parametrize("output", ["sigmoid", "tanh", "linear", "relu", "softsign"])
def test_targets_within_reach_are_not(output: str) -> None:
    model = MLP(2, [2, 1], output_activation=output, rng=Random(0))
    fit(model, [[0.0, 1.0], [1.0, 0.0]], [[0.0], [1.0]], epochs=1)  # a warning would be an error


def test_of_targets_that_are_formulas_nothing_is_said(
    require_oracle: Callable[[str], Any],
) -> None:
    sympy = require_oracle("sympy")
    model = MLP(1, [1], output_activation="sigmoid", rng=Random(0))
    model.layers[0].neurons[0].w[0].data = sympy.Symbol("w")
    targets = [[sympy.Symbol("y")], [sympy.Symbol("t")]]
    fit(model, [[1], [2]], targets, epochs=1, engine="eager")  # a warning would be an error
