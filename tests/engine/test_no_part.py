"""No part is not 0: what a branch leaves out makes no NaN, in any mode and of any order.

Each operation that chooses is paired with each inner function that is infinite where it is not
chosen, in reverse and forward mode, create_graph, jacobian and hessian. Beside them, the 0·∞ that
the mathematics has, a product, stays NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from mpmath import mpf
from support.branches import PAIRS

from microgradnet import (
    Value,
    explain,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    log,
    maximum,
    minimum,
    operation,
    ops,
    relu,
    sqrt,
    vjp,
    weighted_input,
)
from microgradnet.arithmetic import NO_PART, common
from microgradnet.chain_rule import contributions, reverse_mode
from microgradnet.engine import is_unset

F = Callable[[Any], Any]


def derivatives(f: F, x: float) -> list[float]:
    """The derivative by every way, and the second derivatives."""
    leaf = Value(x)
    f(leaf).backward()
    recorded = f(leaf).backward(create_graph=True)[leaf]
    return [
        leaf.grad,
        recorded.data,
        recorded.backward(create_graph=True)[leaf].data,
        grad(f)(x),
        vjp(f, x)[1](1.0)[0],
        jvp(f, (x,), (1.0,))[1],
        jacobian(lambda v: [f(v[0])])([x])[0][0],  # forward
        jacobian(lambda v: [f(v[0]) + 0.0 * v[1]])([x, 1.0])[0][0],  # reverse
        grad(grad(f))(x),
        hessian(lambda v: f(v[0]))([x])[0][0],
        hvp(f, (x,), (1.0,))[0],
    ]


@pytest.mark.parametrize("name", PAIRS)
def test_a_branch_not_taken_has_no_part_whatever_is_behind_it(name: str) -> None:
    assert derivatives(PAIRS[name], 0.0) == [0.0] * 11


@pytest.mark.parametrize("name", PAIRS)
def test_beside_it_other_parts_are_as_they_were(name: str) -> None:
    """f(x) + 2x + x²: the leaf and what is between are used elsewhere too."""
    first, second = 2.0, 2.0
    f = PAIRS[name]
    assert derivatives(lambda x: f(x) + (x * x + 2 * x), 0.0) == [
        *[first] * 2, second, *[first] * 5, *[second] * 3
    ]  # fmt: skip


def test_the_infinity_of_a_product_stays() -> None:
    for f in (lambda x: 0.0 * log(x), lambda x: 0.0 * sqrt(x)):
        x = Value(0.0)
        f(x).backward()
        assert math.isnan(x.grad)


@pytest.mark.parametrize("number", [0.0, Fraction(0), 0, mpf(0)])
def test_no_part_is_0_of_the_nodes_kind(number: Any) -> None:
    x = Value(number)
    y = x * 2
    z = y - 1
    z.relu().backward()
    assert [v.grad for v in (x, y, z)] == [0, 0, 0]
    assert all(common(v.grad, v.data) is common(v.data) for v in (x, y, z))
    assert not any(is_unset(v.grad) for v in (x, y, z))
    assert type(x.grad) is float or type(number) is not float
    assert reverse_mode({z.relu(): 1})[x] == 0


def test_no_part_reaches_through_nodes_of_every_shape_and_adds_to_nothing() -> None:
    x, w = Value(2.0), Value(3.0)
    inner = [x * w, x.tanh(), ops.log_sum_exp(x, w, x), weighted_input([x, w], [w, x], x)]
    for u in inner:
        x.grad, w.grad = 0.5, None
        (relu(u - 1e6) + w).backward()
        assert (x.grad, w.grad, u.grad) == (0.5, 1.0, 0.0)
        x.grad = w.grad = None
        (u + relu(u - 1e6)).backward()
        want = reverse_mode({u: 1.0})
        assert (x.grad, w.grad or 0.0) == (want[x], want.get(w, 0.0))


def test_a_rule_says_so_and_numbers_say_0() -> None:
    y = maximum(Value(3.0), Value(5.0))
    assert contributions(y, 2.0) == (NO_PART, 2.0)
    assert repr(contributions(y, 2.0)) == "(NO_PART, 2.0)"
    recorded = contributions(y, Value(2.0))
    assert recorded[0] is NO_PART and recorded[1].data == 2.0
    assert y.partials() == (0.0, 1.0)
    assert maximum.vjp(2.0, 3.0, 5.0) == (0.0, 2.0)
    assert maximum.vjp(2, Fraction(3), Fraction(5)) == (0, 2)


def test_an_operation_of_ones_own_says_so_too(own_table: None) -> None:
    def within_vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (m.where(m.abs(x) > 1, m.no_part, g),)

    @operation(within_vjp)
    def within(m: Any, x: Any) -> Any:
        return m.where(m.abs(x) > 1, 0, x)

    assert derivatives(lambda x: within(1 / (x * x)), 0.0) == [0.0] * 11
    assert derivatives(lambda x: within(x * x), 0.5)[:2] == [1.0, 1.0]


@pytest.mark.parametrize("operands", [1, 2, 3])
@pytest.mark.parametrize("number", [2.0, Fraction(2)])
def test_none_is_a_forgotten_return_and_names_the_operation(
    own_table: None, operands: int, number: Any
) -> None:
    @operation(lambda m, g, y, *xs: (None,) * len(xs))
    def forgetful(m: Any, *xs: Any) -> Any:
        return xs[0]

    x = Value(number)
    y = forgetful(*[x] * operands) + x * 3
    for derivative in (
        y.backward,
        lambda: y.backward(create_graph=True),
        lambda: jvp(lambda x: forgetful(x), (number,), (1,)),
        lambda: forgetful.vjp(number, number),
    ):
        with pytest.raises(TypeError, match=r"forgetful.* operand 1"):
            derivative()
    assert is_unset(x.grad)


def test_explain_lists_a_use_that_has_no_part() -> None:
    x = Value(0.0, label="x")
    y = minimum(1 / (x * x), 5.0) + x
    y.backward()
    u = y.parents[0].parents[0]
    assert "0 = 1 × 0 through min" in explain(y, u)
    assert explain(y, u.parents[1]).splitlines()[1].startswith("  0 = ")
