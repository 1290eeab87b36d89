"""The update rule, w → w − (η/m) Σₙ ∂C_{xₙ}/∂w, and those that remember."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from microgradnet import delta, engine
from microgradnet.costs import quadratic
from microgradnet.engine import Value
from microgradnet.nn import MLP
from microgradnet.optim import Adam, GradientDescent, Momentum, Optimizer

fractions = st.fractions(-5, 5, max_denominator=9)
shares = st.fractions(0, Fraction(8, 9), max_denominator=9)
rates = st.fractions(0, 5, max_denominator=9)
EPS = 2.0**-53


@given(st.lists(st.tuples(fractions, fractions), min_size=1), rates, st.integers(1, 7))
def test_a_step_is_the_rule_exactly(
    pairs: list[tuple[Fraction, Fraction]], eta: Fraction, m: int
) -> None:
    parameters = [Value(w) for w, _ in pairs]
    for parameter, (_, gradient) in zip(parameters, pairs, strict=True):
        parameter.grad = gradient
    GradientDescent(parameters, eta).step(m)
    assert [p.data for p in parameters] == [w - eta / m * g for w, g in pairs]
    assert [p.grad for p in parameters] == [g for _, g in pairs]


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0, 10), st.integers(1, 1000))
def test_in_floats_it_is_the_matrix_rule(w: float, g: float, eta: float, m: int) -> None:
    parameter = Value(w)
    parameter.grad = g
    GradientDescent([parameter], eta).step(m)
    # The same quotient, product and difference on both sides.
    assert parameter.data == delta.update([w], [g], eta, m)[0]


def test_integers_stay_exact() -> None:
    w = Value(1)
    w.grad = 1
    GradientDescent([w], 1).step(3)
    assert w.data == Fraction(2, 3)


def test_a_parameter_that_no_gradient_reached_stays() -> None:
    w = Value(2.0)
    GradientDescent([w], lr=1.0).step()
    assert w.data == 2.0


def test_the_parameters_may_be_an_iterator() -> None:
    model = MLP(1, [1], init="zeros")
    descent = GradientDescent((p for p in model.parameters()), lr=1.0)
    for _ in range(2):
        model.zero_grad()
        quadratic(model([1.0]), 1.0).backward()
        descent.step()
    assert [p.data for p in model.parameters()] == [0.0, 0.0]  # to (1, 1), and all the way back


def test_no_examples_are_no_step() -> None:
    with pytest.raises(ValueError):
        GradientDescent([], lr=1.0).step(0)


def test_it_descends() -> None:
    model = MLP(2, [4, 1], activation="tanh", rng=Random(0))
    data = [([0.0, 0.0], 0.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], 0.0)]
    descent = GradientDescent(model.parameters(), lr=0.2)
    costs = []
    for _ in range(30):
        model.zero_grad()
        batch = [quadratic(model(x), y) for x, y in data]
        for cost in batch:
            cost.backward()
        descent.step(len(data))
        costs.append(sum(cost.data for cost in batch))
    assert costs[-1] < costs[0]


# --- With a memory --------------------------------------------------------------------------------

MOMENTA = [
    {},
    {"momentum": 0},
    {"momentum": 0, "dampening": Fraction(1, 2)},
    {"momentum": Fraction(1, 2)},
    {"momentum": Fraction(1, 2), "dampening": Fraction(1, 4)},
    {"momentum": Fraction(1, 2), "nesterov": True},
    {"momentum": Fraction(3, 4), "weight_decay": Fraction(1, 8)},
    {"momentum": Fraction(3, 4), "weight_decay": Fraction(1, 8), "nesterov": True},
]
ADAMS = [
    {},
    {"lr": 0.25, "betas": (0.5, 0.75), "eps": 0.125},
    {"lr": 0.25, "betas": (0.0, 0.0)},
    {"amsgrad": True, "betas": (0.5, 0.5)},
    {"weight_decay": 0.125},
]


def descend(
    optimizer: Callable[[Sequence[Value]], Optimizer], w: Any, gradients: Sequence[Any], m: int
) -> list[Any]:
    """The places of one parameter after each of the steps."""
    parameter = Value(w)
    descent = optimizer([parameter])
    places = []
    for gradient in gradients:
        parameter.grad = gradient
        descent.step(m)
        places.append(parameter.data)
    return places


@pytest.mark.parametrize("options", MOMENTA[1:], ids=str)
@given(fractions, st.lists(fractions, min_size=1, max_size=5), shares, st.integers(1, 7))
def test_momentum_is_its_recurrence_exactly(
    options: dict[str, Any], w: Fraction, gradients: list[Fraction], eta: Fraction, m: int
) -> None:
    got = descend(lambda p: Momentum(p, lr=eta, **options), w, gradients, m)
    mu, tau = options["momentum"], options.get("dampening", 0)
    want, velocity = [], None
    for total in gradients:
        g = total / m + options.get("weight_decay", 0) * w
        velocity = g if velocity is None or mu == 0 else mu * velocity + (1 - tau) * g
        w -= eta * (g + mu * velocity if options.get("nesterov") else velocity)
        want.append(w)
    assert got == want
    assert all(isinstance(place, (int, Fraction)) for place in got)


@pytest.mark.parametrize("options", ADAMS, ids=str)
@given(fractions, st.lists(fractions, min_size=1, max_size=5), st.integers(1, 7))
def test_adam_is_its_recurrence_in_fifty_digits(
    require_oracle: Callable[[str], Any],
    options: dict[str, Any],
    w: Fraction,
    gradients: list[Fraction],
    m: int,
) -> None:
    mpmath = require_oracle("mpmath")
    with mpmath.workdps(60):
        w, *gradients = (mpmath.mpf(x.numerator) / x.denominator for x in (w, *gradients))
        got = descend(lambda p: Adam(p, **options), w, gradients, m)
        eta, eps = (mpmath.mpf(options.get(k, d)) for k, d in (("lr", 1e-3), ("eps", 1e-8)))
        beta1, beta2 = map(mpmath.mpf, options.get("betas", (0.9, 0.999)))
        mean = square = largest = mpmath.mpf(0)
        for t, total in enumerate(gradients, 1):
            g = total / m + options.get("weight_decay", 0) * w
            mean = beta1 * mean + (1 - beta1) * g
            square = beta2 * square + (1 - beta2) * g**2
            largest = max(largest, square) if options.get("amsgrad") else square
            w -= eta * (mean / (1 - beta1**t)) / (mpmath.sqrt(largest / (1 - beta2**t)) + eps)
            # 60 digits, of which 1 − β²ᵗ, for floats the 2⁻⁵³ nearest, loses three at the most
            assert abs(got[t - 1] - w) <= mpmath.mpf(10) ** -50


@pytest.mark.parametrize("options", MOMENTA, ids=str)
@given(st.floats(-8, 8), st.lists(st.floats(-8, 8), min_size=1, max_size=6), st.integers(1, 7))
def test_momentum_is_pytorchs(
    require_oracle: Callable[[str], Any],
    options: dict[str, Any],
    w: float,
    gradients: list[float],
    m: int,
) -> None:
    torch = require_oracle("torch")
    floats = {k: v if k == "nesterov" else float(v) for k, v in options.items()}
    got = descend(lambda p: Momentum(p, lr=0.25, **floats), w, gradients, m)
    want = in_torch(torch, torch.optim.SGD, {"lr": 0.25, "momentum": 0.9} | floats, w, gradients, m)
    # Every number met is at most 8·(1 + 6·¼·10) < 200, and a step rounds fewer than 12 times.
    for t, (ours, theirs) in enumerate(zip(got, want, strict=True), 1):
        assert abs(ours - theirs) <= 12 * t * EPS * 200


@pytest.mark.parametrize("options", ADAMS, ids=str)
@given(st.floats(1, 8), st.lists(st.floats(0.125, 8), min_size=1, max_size=6), st.integers(1, 7))
def test_adam_is_pytorchs(
    require_oracle: Callable[[str], Any],
    options: dict[str, Any],
    w: float,
    gradients: list[float],
    m: int,
) -> None:
    torch = require_oracle("torch")
    got = descend(lambda p: Adam(p, **options), w, gradients, m)
    want = in_torch(torch, torch.optim.Adam, options, w, gradients, m)
    # Gradients of one sign: no sum cancels but w's own. 1 − β²ᵗ has lost ten bits where β₂ is
    # 0.999, the same to both sides. The largest quotient of means is 8/⅛ = 64, and η ≤ ¼.
    for t, (ours, theirs) in enumerate(zip(got, want, strict=True), 1):
        assert abs(ours - theirs) <= 24 * t * EPS * (8 + t * 16)


def in_torch(
    torch: Any, optimizer: Any, options: dict[str, Any], w: float, gradients: list[float], m: int
) -> list[float]:
    parameter = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    descent = optimizer([parameter], **options)
    places = []
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient / m, dtype=torch.float64)
        descent.step()
        places.append(parameter.item())
    return places


OPTIMIZERS: list[Callable[[Sequence[Value]], Optimizer]] = [
    lambda p: GradientDescent(p, lr=0.5),
    lambda p: Momentum(p, lr=0.5, momentum=0.5, dampening=0.25, weight_decay=0.125),
    lambda p: Momentum(p, lr=0.5, nesterov=True),
    lambda p: Adam(p, lr=0.5, weight_decay=0.125),
    lambda p: Adam(p, lr=0.5, betas=(0.5, 0.5), amsgrad=True),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@given(
    st.lists(st.floats(-8, 8), min_size=3, max_size=3),
    st.lists(st.lists(st.floats(-8, 8), min_size=3, max_size=3), min_size=1, max_size=5),
    st.integers(1, 7),
    st.data(),
)
def test_steps_on_arrays_are_steps_on_values(
    optimizer: Callable[[Sequence[Value]], Optimizer],
    w: list[float],
    gradients: list[list[float]],
    m: int,
    data: st.DataObject,
) -> None:
    """The same operations in the same order, hence the same bits, and in any turns."""
    ours, theirs = [[Value(x) for x in w] for _ in range(2)]
    scalars, arrays = optimizer(ours), optimizer(theirs)
    vector = np.array(w)
    for gradient in gradients:
        for parameter, g in zip(ours, gradient, strict=True):
            parameter.grad = g
        scalars.step(m)
        if data.draw(st.booleans()):
            arrays.step_arrays(vector, np.array(gradient), m)
            for parameter, x in zip(theirs, vector.tolist(), strict=True):
                parameter.data = x
        else:
            for parameter, g in zip(theirs, gradient, strict=True):
                parameter.grad = g
            arrays.step(m)
            vector[:] = [p.data for p in theirs]
        assert [p.data for p in ours] == vector.tolist()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_is_taken_by_all_parameters_or_by_none(
    optimizer: Callable[[Sequence[Value]], Optimizer],
) -> None:
    good, bad = Value(1.0), Value(1.0)
    descent = optimizer([good, bad])
    good.grad = bad.grad = 1.0
    descent.step()
    before, memory = (good.data, bad.data), dict(vars(descent))
    bad.grad = "one"
    with pytest.raises(TypeError):
        descent.step()
    assert (good.data, bad.data) == before
    assert vars(descent) == memory
    for vector in (np.ones(2), np.ones(3)):
        with pytest.raises((TypeError, ValueError)):
            descent.step_arrays(vector, np.array(["a", "b"]))
    assert vars(descent) == memory


@pytest.mark.skipif(engine.COMPILED, reason="of a compiled Value there are no subclasses")
def test_a_step_that_is_interrupted_is_taken_back() -> None:
    class Last(Value):
        """Its number is written when all others have been."""

        def __setattr__(self, name: str, x: Any) -> None:
            if name == "data" and hasattr(self, "data") and x == 0.5:
                raise KeyboardInterrupt
            super().__setattr__(name, x)

    first, last = Value(1.0), Last(1.0)
    first.grad = last.grad = 1.0
    descent = Momentum([first, last], lr=0.5)
    with pytest.raises(KeyboardInterrupt):
        descent.step()
    assert (first.data, last.data, descent.steps) == (1.0, 1.0, 0)


def test_a_parameter_that_is_shared_moves_once() -> None:
    w = Value(1.0)
    w.grad = 1.0
    GradientDescent([w, w], lr=0.25).step()
    assert w.data == 0.75


def test_the_root_makes_floats_of_fractions() -> None:
    w = Value(Fraction(1))
    w.grad = Fraction(1)
    Adam([w], lr=Fraction(1, 4)).step()
    assert isinstance(w.data, float)
    assert abs(w.data - 0.75) < 1e-8  # ε


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Momentum([], momentum=-1), "momentum .* not -1"),
        (lambda: Momentum([], momentum=float("nan")), "not nan"),
        (lambda: Momentum([], weight_decay=-0.5), "weight_decay"),
        (lambda: Momentum([], momentum=0, nesterov=True), "nesterov"),
        (lambda: Momentum([], dampening=0.5, nesterov=True), "nesterov"),
        (lambda: Adam([], betas=(0.9, 1)), "betas must be below 1"),
        (lambda: Adam([], betas=(-0.1, 0.9)), "betas"),
        (lambda: Adam([], eps=-1e-8), "eps"),
        (lambda: Adam([], weight_decay=-1), "weight_decay"),
        (lambda: GradientDescent([], lr=-0.5), "the learning rate, must be a finite number"),
        (lambda: Adam([], lr=Decimal("NaN")), "the learning rate, .*, not NaN"),
        (lambda: Momentum([], lr=sympy.Integer(-1)), "the learning rate, .*, not -1"),
    ],
)
def test_arguments_that_make_no_sense(make: Callable[[], Optimizer], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        make()


def test_a_rate_may_be_a_symbol() -> None:
    w, eta = Value(sympy.Symbol("w")), sympy.Symbol("eta")
    (w * 3).backward()
    GradientDescent([w], lr=eta).step()
    assert w.data == sympy.Symbol("w") - 3 * eta


def test_what_is_no_number_is_refused() -> None:
    for make in (lambda: Adam([], lr="fast"), lambda: Momentum([], momentum=None)):
        with pytest.raises(TypeError):
            make()
    with pytest.raises(TypeError, match=r"model.parameters\(\)"):
        Adam(Value(1.0))


def test_the_repr_says_what_it_is() -> None:
    assert repr(Adam([Value(1.0)], lr=0.5)) == "<Adam of 1 parameters, lr=0.5>"


def test_a_rule_of_ones_own_needs_no_more_than_the_rate() -> None:
    class SignDescent(Optimizer):
        def rule(self, arithmetic: Any, w: Any, gradient: Any, *numbers: Any) -> Any:
            (lr,) = numbers
            return (w - arithmetic.where(gradient > 0, lr, -lr),)

    up, down = Value(1.0), Value(1.0)
    (up * 3 - down).backward()
    SignDescent([up, down], lr=0.25).step()
    assert (up.data, down.data) == (0.75, 1.25)


def test_a_state_keeps_fractions_and_what_is_no_state_changes_nothing() -> None:
    def descent() -> Momentum:
        return Momentum([Value(Fraction(1, 3))], lr=Fraction(1, 2), momentum=Fraction(1, 3))

    first, then = descent(), descent()
    for parameter in first.parameters:
        parameter.grad = Fraction(2, 7)
    first.step()
    then.load_state_dict(state := first.state_dict())
    assert then.state_dict() == state == {"steps": 1, "memory": [[Fraction(2, 7)]]}
    for wrong, error, named in (
        ({}, ValueError, r"is steps \(\), memory \(1, 1\), not nothing"),
        ({"steps": 1}, ValueError, r"not steps \(\)"),
        (state | {"memory": [[1.0, 2.0]]}, ValueError, r"not steps \(\), memory \(1, 2\)"),
        (state | {"steps": 1.5}, ValueError, "steps .* not 1.5"),
        (state | {"steps": -1}, ValueError, "not -1"),
        (state | {"memory": [["fast"]]}, TypeError, "is a str, not a number"),
    ):
        with pytest.raises(error, match=named):
            then.load_state_dict(wrong)
        assert then.state_dict() == state
