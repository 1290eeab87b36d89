"""The update rule, w → w − (η/m) Σₙ ∂C_{xₙ}/∂w."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradnet import delta
from microgradnet.costs import quadratic
from microgradnet.engine import Value
from microgradnet.nn import MLP
from microgradnet.optim import GradientDescent

fractions = st.fractions(-5, 5, max_denominator=9)


@given(st.lists(st.tuples(fractions, fractions), min_size=1), fractions, st.integers(1, 7))
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
    with pytest.raises(ValueError, match="at least 1 example, not 0"):
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
