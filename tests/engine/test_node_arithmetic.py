"""The arithmetic of nodes: what a recorded rule computes, where a formula would go astray.

Every operation's second derivatives are held to every oracle in test_second_derivatives.py.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mpmath import mp, mpf
from support.oracles import EDGES, operands, variants

from microgradnet import Value, grad, operation, ops
from microgradnet.graph import topological_order
from microgradnet.operation import Operation

inf = math.inf


def second(op: Operation, x: float) -> float:
    """The second derivative of an operation of one operand, by recording twice."""
    leaf = Value(x)
    slope = op(leaf).backward(create_graph=True)[leaf]
    return slope.backward(create_graph=True)[leaf].data


@pytest.mark.parametrize(
    ("op", "at", "want"),
    [
        (ops.relu, 0.0, 0.0),
        (ops.abs, 0.0, 0.0),
        (ops.leaky_relu, 0.0, 0.0),
        (ops.elu, 0.0, 1.0),
        (ops.elu.variant(alpha=1.5), -0.0, 1.5),
        (ops.softsign, 0.0, 0.0),
        (ops.hard_tanh, 1.0, 0.0),
        (ops.power_constant, 0.0, 2.0),
        (ops.power_constant.variant(exponent=1), 0.0, 0.0),
        (ops.power_constant.variant(exponent=3), 0.0, 0.0),
        (ops.sqrt, 0.0, -inf),
        (ops.log, 0.0, -inf),
        (ops.asin, 1.0, inf),
        (ops.acos, 1.0, -inf),
        (ops.atanh, -1.0, -inf),
        (ops.silu, -inf, 0.0),
        (ops.gelu, inf, 0.0),
        (ops.tanh, 1000.0, 0.0),
        (ops.tanh, -inf, 0.0),
        (ops.atan, 1e300, 0.0),
        (ops.asinh, -1e300, 0.0),
        (ops.sigmoid, 800.0, 0.0),
        (ops.softplus, -800.0, 0.0),
    ],
)
def test_second_derivative_at_a_kink_and_far_out(op: Operation, at: float, want: float) -> None:
    """At a kink, that of the side whose first derivative is taken; far out the limit."""
    assert second(op, at) == want


def test_a_branch_not_taken_has_no_part() -> None:
    """However infinite its slope: a mask would make it NaN."""
    for f in (
        lambda x: ops.xlogy(0.0 * x, x),
        lambda x: ops.maximum(x, 1.0) ** 0.5,
        lambda x: ops.raise_to(x, Value(0.0)),
    ):
        x = Value(0.0)
        slope = f(x).backward(create_graph=True)[x]
        assert slope.data == 0
        assert slope.backward(create_graph=True)[x].data == 0


def test_second_derivatives_near_zero_keep_their_digits() -> None:
    """x/(1 − x²)^(3/2), 2x/(1 − x²)²: the slopes of 1 − x and of 1 + x would cancel."""
    for x in (1e-3, -1e-8, 1e-300):
        assert second(ops.asin, x) == pytest.approx(x, rel=1e-5, abs=0)
        assert second(ops.atanh, x) == pytest.approx(2 * x, rel=1e-5, abs=0)


@pytest.mark.parametrize("op", variants(), ids=repr)
def test_a_recorded_gradient_is_the_number_that_backward_gives(op: Operation) -> None:
    """At every edge: to the rounding of the forms that are differentiated better otherwise."""
    n = operands(op)
    for xs in product({1: EDGES, 2: EDGES[:14]}.get(n, [-2.5, 0.0, 800.0]), repeat=n):
        leaves = [Value(x) for x in xs]
        recorded = op(*leaves).backward(create_graph=True)
        for leaf, want in zip(leaves, op.vjp(1.0, *xs), strict=True):
            got = recorded[leaf].data
            assert got == pytest.approx(want, rel=1e-14, abs=5e-324, nan_ok=True), (op, xs)


@given(st.floats(-300, 300), st.floats(-1, 1) | st.floats(-1e-8, 1e-8) | st.just(1 + 1e-8))
@example(-140.0, -1e-8)
@example(140.0, 1 + 1e-8)
def test_derivatives_of_a_power_keep_what_the_exponent_less_1_rounds_away(
    decade: float, y: float
) -> None:
    """y·(y − 1)·x^(y − 2) and x^(y − 1)·(1 + y ln x), whose terms may cancel."""
    a, b = Value(10.0**decade), Value(y)
    slope = ops.raise_to(a, b).backward(create_graph=True)[a]
    got = slope.backward(create_graph=True)
    with mp.workdps(60):
        x, c = mpf(a.data), mpf(y)
        by_x, by_y = c * (c - 1) * x ** (c - 2), x ** (c - 1) * (1 + c * mp.log(x))
        terms = x ** (c - 1) * (1 + abs(c * mp.log(x)))
        for number, want, scale in ((got[a], by_x, abs(by_x)), (got[b], by_y, terms)):
            if 1e-290 < scale < 1e290:
                assert abs(number.data - want) <= 5e-15 * scale


@pytest.mark.parametrize("x", [20.0, 41.0, 300.0, 500.0, 720.0, 745.0, 800.0, inf])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_hyperbolic_secant_also_where_its_cosine_overflows(
    own_table: None, x: float, sign: int
) -> None:
    """sech′ = −sech·tanh and sech″ = sech·(1 − 2 sech²); tanh″ = −2 sech²·tanh."""

    @operation(lambda m, g, y, x: (g * m.sech(x),))
    def angle(m: Any, x: Any) -> Any:  # the Gudermannian function
        return 2 * m.atan(m.tanh(m.divide(x, 2)))

    x *= sign
    with mp.workdps(30):
        sech, tanh = mp.sech(mpf(x)), mp.tanh(mpf(x))
        wants = [sech, -sech * tanh, sech * (1 - 2 * sech**2)]
    f: Any = angle
    for want in wants:
        f = grad(f)
        assert f(Value(x)).data == pytest.approx(float(want), rel=2e-15, abs=5e-324)
    assert second(ops.tanh, x) == pytest.approx(float(-2 * sech**2 * tanh), rel=2e-15, abs=5e-324)


@pytest.mark.parametrize("near", [1 - 2.0**-40, 2.0**-40 - 1, 0.75, -0.625])
def test_one_minus_a_square_keeps_its_digits_near_one(near: float) -> None:
    """asin″ = x/(1 − x²)^(3/2) and atanh″ = 2x/(1 − x²)²."""
    with mp.workdps(40):
        x = mpf(near)
        square = 1 - x * x
        wants = float(x / mp.sqrt(square) ** 3), float(2 * x / square**2)
    assert (second(ops.asin, near), second(ops.atanh, near)) == pytest.approx(wants, rel=1e-14)


def test_a_vanishing_product_is_a_product_where_it_is_finite(own_table: None) -> None:
    """x(x − 1) has slope 1 at x = 1; only ∞·0 is its limit, a constant."""

    @operation(lambda m, g, y, x: (g * m.vanishing_product(x, x - 1),))
    def cubic(m: Any, x: Any) -> Any:
        return m.divide(x * x * x, 3) - m.divide(x * x, 2)

    assert second(cubic, 1.0) == 1

    @operation(lambda m, g, y, x: (g * m.vanishing_product(x, m.exp(-x)),))
    def fading(m: Any, x: Any) -> Any:
        return -(x + 1) * m.exp(-x)

    assert grad(fading)(Value(inf)).data == 0
    assert second(fading, inf) == 0


def test_a_recorded_gradient_is_no_longer_than_its_formula() -> None:
    """1/√(x² + 1): what keeps from overflow is there only where it could come to one."""
    x = Value(2.0)
    slope = x.asinh().backward(create_graph=True)[x]
    symbols = [node.op.symbol for node in topological_order([slope]) if node.op is not None]
    assert symbols == ["*", "+", "sqrt", "/"]
