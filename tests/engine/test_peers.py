"""What micrograd, HIPS/autograd and minitorch promise about scalars, promised here too.

Written anew from their documented behaviour; each section is named by its package. (Programs for
micrograd that run unchanged are in test_micrograd.)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from microgradnet import (
    Value,
    check_grad,
    exp,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    log,
    maximum,
    relu,
    sigmoid,
    sin,
    tanh,
    value_and_grad,
    vjp,
)

small = st.floats(-10, 10).map(lambda x: 0.0 if abs(x) < 1e-3 else x)


def near(x: float, y: float) -> bool:
    return math.isclose(x, y, rel_tol=1e-12, abs_tol=1e-12)


# micrograd: operators on either side, reuse of nodes, gradients beside PyTorch's

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv]


@given(small, small.filter(bool))
def test_micrograd_operators_take_numbers_on_either_side(x: float, c: float) -> None:
    for apply in OPERATORS:
        v = Value(x)
        assert apply(v, c).data == apply(x, c)
        assert apply(c, Value(c)).data == apply(c, c)
    assert (-Value(x)).data == -x
    assert (Value(c) ** -1).data == pytest.approx(1 / c, rel=1e-15)
    assert (Value(x) ** 2).data == pytest.approx(x * x, rel=1e-15)


@given(small, small)
def test_micrograd_a_node_used_many_times_gets_the_sum(x: float, y: float) -> None:
    a, b = Value(x), Value(y)
    c = a * b
    d = c + c + c * a
    d.backward()
    assert near(a.grad, 2 * y + 2 * x * y)
    assert near(b.grad, 2 * x + x * x)
    assert near(c.grad, 2 + x)


def test_micrograd_relu_passes_on_the_positive_side_only():
    for x, want in ((2.0, 1.0), (-2.0, 0.0), (0.0, 0.0)):
        v = Value(x)
        v.relu().backward()
        assert v.grad == want


def test_micrograd_in_place_operators_make_new_nodes():
    a = Value(2.0)
    b = a
    b += 1
    b *= 3
    b -= 0.5
    b /= 2
    assert (a.data, b.data) == (2.0, 4.25)
    b.backward()
    assert a.grad == 1.5


# autograd: grad and its kin on functions of scalars

ELEMENTARY: list[tuple[Callable[[Any], Any], float]] = [
    (lambda x: abs(x) * 2, -1.5),
    (lambda x: sin(x) * x, 0.7),
    (lambda x: exp(x / 3), 1.2),
    (lambda x: log(x) / x, 2.5),
    (lambda x: 3 - x, 0.1),
    (lambda x: x - 3, 0.1),
    (lambda x: 3 / x, 0.3),
    (lambda x: x / 3, 0.3),
    (lambda x: 3**x, 0.3),
    (lambda x: x**3, -0.3),
    (lambda x: x**x, 0.6),
    (lambda x: -x * +x, 0.4),
    (tanh, 0.4),
]


@pytest.mark.parametrize(("f", "x"), ELEMENTARY)
def test_autograd_gradients_of_every_order_agree_with_differences(f: Any, x: float) -> None:
    for _ in range(3):
        check_grad(f, [x])
        f = grad(f)


def test_autograd_fanout_identity_and_constants():
    assert grad(lambda x: x)(3.0) == 1.0
    assert grad(lambda x: x + x + x)(3.0) == 3.0
    assert grad(lambda x: 2.0)(3.0) == 0.0
    assert grad(lambda x, y: y)(3.0, 4.0) == 0.0
    assert grad(grad(lambda x: 2 * x))(3.0) == 0.0


def test_autograd_which_argument():
    def f(x: Any, y: Any, z: Any = 1.0) -> Any:
        return x * x * y + z

    assert grad(f)(2.0, 3.0) == 12.0
    assert grad(f, 1)(2.0, 3.0) == 4.0
    assert grad(f, (0, 1))(2.0, 3.0) == (12.0, 4.0)
    assert grad(f, [1, 0])(2.0, 3.0) == (4.0, 12.0)
    assert grad(f)(2.0, 3.0, z=5.0) == 12.0
    assert value_and_grad(f)(2.0, 3.0) == (13.0, 12.0)


def test_autograd_control_flow_is_pythons():
    def f(x: Any) -> Any:
        total = 0.0 * x
        while total < 10:  # as often as it takes, for this x
            total = total + x if x > 0 else total - 2 * x
        return total

    assert grad(f)(3.0) == 4.0
    assert grad(f)(-1.0) == -10.0

    def factorial(n: int, x: Any) -> Any:
        return 1.0 if n == 0 else n * x * factorial(n - 1, x)

    assert grad(lambda x: factorial(4, x))(1.0) == 96.0


def test_autograd_jacobian_hessian_and_their_products():
    def f(v: Any) -> Any:
        return [v[0] * v[1], sin(v[1]), v[0] ** 2]

    x = [1.5, -0.5]
    J = jacobian(f)(x)
    for row, want in zip(J, ([-0.5, 1.5], [0.0, math.cos(-0.5)], [3.0, 0.0]), strict=True):
        assert row == pytest.approx(want)
    _, along = jvp(f, (x,), ([1.0, 2.0],))
    assert along == pytest.approx([row[0] + 2 * row[1] for row in J])
    _, pull_back = vjp(f, x)
    assert pull_back([1.0, 2.0, 3.0])[0] == pytest.approx(
        [sum(u * row[k] for u, row in zip((1, 2, 3), J, strict=True)) for k in (0, 1)]
    )
    assert jacobian(lambda x: x * x)(3.0) == 6.0  # a scalar of a scalar

    def g(v: Any) -> Any:
        return exp(v[0]) * v[1] ** 2

    H = hessian(g)(x)
    assert H == [pytest.approx(row) for row in jacobian(grad(g))(x)]
    assert hvp(g, (x,), ([1.0, 2.0],))[0] == pytest.approx([r[0] + 2 * r[1] for r in H])


def test_autograd_sums_products_and_maxima_over_lists():
    def f(xs: Any) -> Any:
        product: Any = 1.0
        for x in xs:
            product = product * x
        return sum(xs) * product + max(xs) - min(xs)

    numbers = [1.0, -2.0, 3.0]
    check_grad(f, [numbers])
    assert grad(f)(numbers)[2] == pytest.approx(2.0 * -2.0 - 6.0 + 1.0)
    assert sorted([Value(2.0), Value(1.0)])[0].data == 1.0


def test_autograd_implicit_conversions_are_refused():
    with pytest.raises(TypeError, match="number of a node"):
        grad(lambda x: x * float(x))(3.0)
    with pytest.raises(TypeError, match="str"):
        grad(lambda x: x + "1")(1.0)


# minitorch: the operators' own laws, and derivatives one by one


@given(small)
def test_minitorch_laws_of_the_sigmoid(x: float) -> None:
    assert 0 <= sigmoid(x) <= 1
    assert near(1 - sigmoid(x), sigmoid(-x))
    assert sigmoid(0.0) == 0.5
    assert sigmoid(x) <= sigmoid(x + 0.5)


@given(small, small, small)
def test_minitorch_laws_of_order_and_of_arithmetic(x: float, y: float, z: float) -> None:
    a, b, c = Value(x), Value(y), Value(z)
    assert (a < b) == (x < y)
    if a < b and b < c:
        assert a < c
    assert (a * b).data == (b * a).data
    assert near((c * (a + b)).data, (c * a + c * b).data)
    assert maximum(a, b).data == max(x, y)
    assert relu(a).data == max(x, 0.0)
    if x > 0:
        assert near(log(exp(a)).data, x)
        assert near(exp(log(a)).data, x)


@given(small, small)
def test_minitorch_derivatives_beside_central_differences(x: float, y: float) -> None:
    functions: list[Callable[[Any, Any], Any]] = [
        lambda a, b: a * b + a / (b * b + 1),
        lambda a, b: sigmoid(a) - exp(b),
        lambda a, b: (a * a + 1).log() * relu(b + 1e-4),
        lambda a, b: tanh(a - b) * a**2,
    ]
    for f in functions:
        check_grad(f, [x, y])


@given(small, st.floats(-3, 3), st.floats(-3, 3))
def test_minitorch_chain_rule_and_constants(d: float, x: float, c: float) -> None:
    """What a constant is multiplied by gets its share; the constant's is nobody's affair."""
    v = Value(x)
    w = v * c * d
    w.backward()
    assert near(v.grad, c * d)
    assert v.op is None
    assert w.parents[0].parents[0] is v


def test_minitorch_order_of_the_backward_pass():
    """Four graphs: a chain, a variable used twice, a branch used twice, a chain of those."""
    v = Value(0.0)
    for build, want in (
        (lambda v: (v + 0) + 0, 1),
        (lambda v: v + v, 2),
        (lambda v: (lambda w: w + w)(v + 0), 2),
        (lambda v: (lambda w: (lambda u: u + u)(w + w))(v + 0), 4),
    ):
        v.grad = 0
        build(v).backward()
        assert v.grad == want


@given(st.lists(st.floats(0.1, 5), min_size=2, max_size=8))
def test_minitorch_a_sum_of_logarithms(numbers: list[float]) -> None:
    leaves = [Value(x) for x in numbers]
    total: Any = 0.0
    for leaf in leaves:
        total = total + leaf.log()
    assume(isinstance(total, Value))
    total.backward()
    for leaf in leaves:
        assert near(leaf.grad, 1 / leaf.data)
    assert all(x.data <= y.data for x, y in pairwise(sorted(leaves)))
