"""Whole networks: in rationals verified with ==, in floats held against fifty digits.

The float gradients may be off by the running error of their own recorded graph: every operation's
few roundings, carried to the gradient by the derivatives of what comes after.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from support.networks import ELEMENTWISE, ENDS, RATIONAL, RATIONAL_COSTS, Drawn, rational, real
from support.oracles import running_error

from microgradnet import cli, ops, verify
from microgradnet.arithmetic import NO_PART, ieee
from microgradnet.costs import COSTS
from microgradnet.graph import topological_order
from microgradnet.operation import Operation

TRIES = settings.default.max_examples
# Of every pair below so many: all under the thorough profile, else a part.
each_tries = settings(max_examples=TRIES if TRIES >= 1000 else TRIES // 5)
generators = st.randoms(use_true_random=False)


# Rationals


@pytest.mark.parametrize("cost", RATIONAL_COSTS)
@pytest.mark.parametrize("activation", RATIONAL)
@each_tries
@given(generators, st.integers(0, 1), st.fractions(0, 2, max_denominator=9))
def test_every_rational_network_is_verified_exactly(
    activation: str, cost: str, rng: Random, steps: int, eta: Fraction
) -> None:
    """Every equation of every layer, before and after a step of gradient descent; end to end."""
    drawn = rational(rng, activation, cost)
    report = verify(drawn.model(), drawn.X, drawn.Y, cost, steps=steps, lr=eta)
    assert report.exact
    assert report.ok, f"{drawn}\n{report}"
    assert all(row.difference == row.bound == 0 == (row.end_to_end or 0) for row in report.rows)


def test_the_rational_ones_are_all_there() -> None:
    """Found out by asking every activation and every cost what it makes of fractions."""
    x = Fraction(1, 3)
    names = [name for name in ELEMENTWISE if name != "linear"]
    stay = [name for name in names if isinstance(getattr(ops, name)(x), (int, Fraction))]
    assert ["linear", *stay] == RATIONAL
    assert [n for n in COSTS if isinstance(COSTS[n]([x], [x]).data, Fraction)] == RATIONAL_COSTS


@pytest.mark.parametrize("activation", RATIONAL)
def test_the_command_takes_every_rational_activation(activation: str, capsys: Any) -> None:
    for cost in RATIONAL_COSTS:
        command = ["verify", "--exact", "--data", "xor", "--sizes", "2,2,2", "--examples", "2"]
        assert cli.main([*command, "--activation", activation, "--cost", cost]) == 0
        assert "exactly: all" in capsys.readouterr().out


# Floats against fifty digits

each_end = pytest.mark.parametrize(("activation", "output", "cost"), ENDS)


def is_judged(drawn: Drawn, rng: Random) -> bool:
    """Assert that a few gradients are within the bound, which is slow to find.

    False where floats are not to be compared: they overflow, or rounding put a z across a kink.
    """
    cost, parameters, others = drawn.graph()
    with mp.workdps(50):
        exact, twins, _ = drawn.graph(mpf)
        exact.backward()
        pairs = list(zip(topological_order([cost]), topological_order([exact]), strict=True))
        if not all(math.isfinite(x.data) and alike(x.partials(), y.partials()) for x, y in pairs):
            return False
    cost.backward()
    gradients = [parameter.grad for parameter in parameters]  # before the bounds add theirs
    recorded = cost.backward(create_graph=True)
    for k in rng.sample(range(len(parameters)), min(3, len(parameters))):
        got, want = gradients[k], twins[k].grad
        bound = running_error(recorded[parameters[k]], [*parameters, *others])
        assert abs(got - want) <= bound, (
            f"{parameters[k].label}: {got}, not {want} ± {bound}, of {drawn}"
        )
    return True


def alike(xs: Any, ys: Any) -> bool:
    """Whether the slopes are those of the same side of a kink."""
    return all(abs(x - y) <= 1e-3 * (abs(y) + 1) for x, y in zip(xs, ys, strict=True))


@each_end
@each_tries
@given(generators)
def test_float_gradients_are_within_the_bound(
    activation: str, output: str, cost: str, rng: Random
) -> None:
    assume(is_judged(real(rng, activation, output, cost), rng))


@each_end
@each_tries
@given(generators)
def test_neurons_have_the_gradients_of_their_parts(
    activation: str, output: str, cost: str, rng: Random
) -> None:
    """The same sums in the same order, so bit for bit: one measured error is that of both."""
    drawn, found = real(rng, activation, output, cost), []
    for granularity in ("atomic", "neuron"):
        root, parameters, _ = drawn.graph(float, granularity)
        root.backward()
        found.append([root.data, *(parameter.grad for parameter in parameters)])
    assert str(found[0]) == str(found[1])


@pytest.fixture
def spoil() -> Iterator[Callable[[Operation, float], None]]:
    """Make an operation's rule wrong, in floats alone, by a relative error."""

    def wrong_by(op: Operation, error: float) -> None:
        right = op.rule
        undo.append((op, right))

        def rule(m: Any, *numbers: Any) -> Any:
            products = right(m, *numbers)
            if m is not ieee:
                return products
            return tuple(p if p is NO_PART else p * (1 + error) for p in products)

        object.__setattr__(op, "rule", rule)

    undo: list[tuple[Operation, Any]] = []
    yield wrong_by
    for op, right in undo:
        object.__setattr__(op, "rule", right)


# For relu the engine has a fast path, which asks no rule.
@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name not in ("linear", "relu")])
def test_a_rule_wrong_in_floats_is_noticed(name: str, spoil: Callable[..., None]) -> None:
    """By 2⁻⁴²: a hundred roundings or so are a small network's own."""
    spoil(getattr(ops, name), 2.0**-42)
    with pytest.raises(AssertionError):
        for seed in range(20):
            rng = Random(seed)
            is_judged(real(rng, name, name, "quadratic"), rng)
