"""The table's forward functions and rules as terms: each operation against itself on numbers."""

from __future__ import annotations

import math

import pytest
from support.oracles import operands

from microgradnet import operation, ops
from microgradnet.lifting.algebra import contributions, expand
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.terms import Constant, Leaf, Map, constant
from microgradnet.operation import operations

POINTS = [(0.3, 1.7, 0.6, 1.1, 0.4), (1.5, 0.25, 2.0, 0.7, 1.2), (0.9, 0.9, 0.1, 0.5, 0.8)]


def leaf(name):
    return Leaf(name, "input", (), [0])


@pytest.mark.parametrize("op", list(operations()), ids=lambda op: op.name)
@pytest.mark.parametrize("point", POINTS)
def test_every_operation_of_the_table(op, point):
    xs = point[: operands(op)]
    if op.name == "acosh":
        xs = (1 + xs[0],)
    if op.name in ("asin", "acos", "atanh"):
        xs = (xs[0] / 2,)
    leaves = [leaf(c) for c in "abcde"[: len(xs)]]
    numbers = dict(zip(leaves, xs, strict=True))
    (value,) = interpret([expand(op, leaves)], numbers)
    assert float(value) == pytest.approx(op(*xs), rel=1e-12, nan_ok=True)
    g, y = leaf("g"), leaf("y")
    terms = contributions(op, g, y, leaves)
    got = interpret(terms, numbers | {g: 1.25, y: op(*xs)})
    want = op.vjp(1.25, *xs)
    assert [float(x) for x in got] == pytest.approx(list(want), rel=1e-12, abs=1e-15, nan_ok=True)


def test_numbers_are_computed_at_once():
    term = expand(ops.tanh, [constant(0.5)])
    assert isinstance(term, Constant)
    assert term.number == math.tanh(0.5)
    assert expand(ops.relu, [constant(-2)]).number == 0
    assert expand(ops.maximum, [constant(-2), constant(3)]).number == 3


def test_rules_may_use_all_of_pythons_operators():
    def mixed_vjp(m, g, y, x, z):
        return g * (1 - x) / 2 + 2 / z, abs(+x - z) ** 2 + (1 - x) ** z + 2**x + x**z

    @operation(mixed_vjp)
    def mixed(m, x, z):
        """X − z."""
        return x - z

    x, z, g = leaf("x"), leaf("z"), leaf("g")
    numbers = {x: 0.25, z: 1.5, g: 2.0}
    got = interpret(contributions(mixed, g, Map(ops.subtract, (x, z)), [x, z]), numbers)
    want = [2 * 0.75 / 2 + 2 / 1.5, (0.25 - 1.5) ** 2 + 0.75**1.5 + 2**0.25 + 0.25**1.5]
    assert [float(value) for value in got] == pytest.approx(want)


@pytest.mark.parametrize(
    ("exponent", "text"), [(0, "1"), (1, "x"), (-1, "1 / x"), (2, "x²"), (0.5, "x^½")]
)
def test_powers_by_numbers(exponent, text):
    op = ops.power_constant.variant(exponent=exponent)
    assert repr(expand(op, [leaf("x")])) == text


def test_a_rule_that_branches_is_named():
    def steep_vjp(m, g, y, x):
        return (g if x > 0 else -g,)

    @operation(steep_vjp)
    def steep(m, x):
        """X."""
        return x

    with pytest.raises(TypeError, match="steep cannot be lifted: it branches"):
        contributions(steep, leaf("g"), leaf("y"), [leaf("x")])
