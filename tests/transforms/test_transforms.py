"""Derivatives as functions: exactly, in rationals; in floats beside `backward`; of any order."""

from __future__ import annotations

import math
from collections import namedtuple
from fractions import Fraction
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

from microgradnet import (
    MLP,
    AnomalyError,
    Value,
    check_grad,
    costs,
    detect_anomaly,
    exp,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    log_sum_exp,
    no_grad,
    operation,
    ops,
    recording,
    sigmoid,
    softmax,
    tanh,
    value_and_grad,
    vjp,
    xlogy,
)
from microgradnet.complex_step import Dual, KinkError, complex_step
from microgradnet.notation import annotate
from microgradnet.transforms.derivatives import Trace

fractions = st.fractions(-3, 3, max_denominator=8)


# Polynomials, in rationals: coefficient lists are differentiated by the oracle

coefficients = st.lists(st.integers(-4, 4), min_size=1, max_size=6)


def polynomial(c: list[int], x: Any) -> Any:
    total: Any = c[-1]
    for a in reversed(c[:-1]):
        total = total * x + a
    return total


def derivative(c: list[int]) -> list[int]:
    return [k * a for k, a in enumerate(c)][1:] or [0]


@given(coefficients, fractions)
def test_every_derivative_of_a_polynomial_is_exact(c: list[int], x: Fraction) -> None:
    f: Any = partial(polynomial, c)
    for _ in range(4):
        assert f(x) == polynomial(c, x)
        assert not isinstance(f(x), float)
        f, c = grad(f), derivative(c)


@given(fractions.filter(bool), fractions.filter(bool))
def test_second_derivatives_of_a_quotient_are_exact(x: Fraction, y: Fraction) -> None:
    def f(v: Any) -> Any:
        return v[0] ** 3 / v[1]

    assert grad(f)([x, y]) == [3 * x**2 / y, -(x**3) / y**2]
    assert hessian(f)([x, y]) == [
        [6 * x / y, -3 * x**2 / y**2],
        [-3 * x**2 / y**2, 2 * x**3 / y**3],
    ]
    third = jacobian(hessian(f))([x, y])
    assert third[0][0] == [6 / y, -6 * x / y**2]
    assert third[1][1] == [6 * x**2 / y**3, -6 * x**3 / y**4]


def rational_map(v: Any) -> Any:
    x, (y, z) = v
    return [x * y - z / 3, (x.softsign() if isinstance(x, Value) else x, [y * y * z]), x, 5, x]


def test_jacobians_by_both_modes_and_products_agree():
    v = [Fraction(1, 2), (Fraction(3), Fraction(-2))]
    t = [Fraction(1), (Fraction(2), Fraction(-1, 3))]
    u = [1, (Fraction(1, 7), [2]), 3, 4, 5]
    J = jacobian(rational_map)(v)  # five rows of three: forward
    assert J[0] == [3, (Fraction(1, 2), Fraction(-1, 3))]
    assert J[1] == ([Fraction(4, 9), (0, 0)], [[0, (-12, 9)]])
    assert J[2:] == [[1, (0, 0)], [0, (0, 0)], [1, (0, 0)]]
    value, along = jvp(rational_map, (v,), (t,))
    assert value == [Fraction(13, 6), (Fraction(1, 3), [-18]), Fraction(1, 2), 5, Fraction(1, 2)]
    assert along == [3 + 1 + Fraction(1, 9), (Fraction(4, 9), [-27]), 1, 0, 1]
    value_again, pull_back = vjp(rational_map, v)
    assert value_again == value
    by_hand = [
        3 + Fraction(4, 63) + 3 + 5,
        (Fraction(1, 2) + 2 * -12, Fraction(-1, 3) + 2 * 9),
    ]
    assert pull_back(u) == (by_hand,)
    assert pull_back(u) == (by_hand,)  # as often as you like

    assert jacobian(lambda v: rational_map(v)[0])(v) == J[0]  # one row of three: in reverse


def test_the_jacobian_of_more_inputs_than_outputs_runs_in_reverse():
    J = jacobian(lambda v: (v[0] * v[1] * v[2], v[2]))([2, 3, 5])
    assert J == ([15, 10, 6], [0, 0, 1])


@pytest.mark.parametrize(("n", "m", "mode"), [(1, 2, "jvp"), (2, 2, "jvp"), (3, 2, "vjp")])
def test_the_jacobian_takes_as_few_passes_as_it_can(monkeypatch, n: int, m: int, mode: str) -> None:
    passes = []
    for name in ("jvp", "vjp"):
        original = getattr(Trace, name)
        monkeypatch.setattr(
            Trace, name, lambda *a, name=name, f=original: passes.append(name) or f(*a)
        )
    J = jacobian(lambda v: [sum(v) * k for k in range(m)])([1.0] * n)
    assert J == [[float(k)] * n for k in range(m)]
    assert passes == [mode] * min(n, m)


def test_the_jacobian_of_softmax_is_the_textbooks():
    a = softmax([1.0, 2.0, 4.0])
    for i, row in enumerate(jacobian(softmax)([1.0, 2.0, 4.0])):
        for j, entry in enumerate(row):
            assert entry == pytest.approx(a[i] * ((i == j) - a[j]), rel=1e-14)


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_gradients_are_those_of_backward(numbers: list[float]) -> None:
    """The same sums in the same order: bit for bit, and no .grad is touched.

    Recorded, a rule may take another form, whose own derivatives keep their digits: as σ(x) σ(−x)
    does sech²(x/2)/4. Some 20 terms of at most 100 are then off by a few roundings each.
    """

    def f(v: Any) -> Any:
        x, y, z = v
        h = (x * y + z).tanh() + exp(x / 4) * y
        return log_sum_exp(h, x * h, -z) + (h - x).sigmoid() * h**2 + xlogy(y * y, 1 + z * z)

    leaves = [Value(x) for x in numbers]
    root = f(leaves)
    recorded = root.backward(create_graph=True)
    assert all(leaf.grad == 0 for leaf in leaves)
    root.backward()
    want = [leaf.grad for leaf in leaves]
    assert grad(f)(numbers) == want
    near = pytest.approx(want, rel=0, abs=20 * 100 * 8 * 2.0**-53)
    assert [recorded[leaf].data for leaf in leaves] == near
    assert [x.data for x in grad(f)(leaves)] == near
    assert [leaf.grad for leaf in leaves] == want


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=2), st.floats(-2, 2), st.floats(-2, 2))
def test_a_hessians_products(x: list[float], s: float, t: float) -> None:
    def f(x: Any, y: Any) -> Any:
        return tanh(x * y) + sigmoid(x - y) * x**3

    [[a, b], [c, d]] = hessian(f, argnums=(0, 1))(*x)
    size = sum(map(abs, (a, b, c, d))) + 30
    assert b == pytest.approx(c, abs=1e-14 * size)
    got = hvp(f, x, (s, t))
    assert got == pytest.approx((a * s + b * t, c * s + d * t), abs=1e-13 * size)


def test_an_infinite_slope_has_no_part_in_what_does_not_depend_on_it():
    """0·∞ would make it NaN: the entries beside that of √x at 0, in each mode."""
    assert jacobian(lambda v: [v[0].sqrt(), v[1]])([0.0, 2.0]) == [[math.inf, 0], [0, 1]]
    assert jacobian(lambda v: [v[0].sqrt(), v[1] * v[2]])([0.0, 2.0, 3.0]) == [
        [math.inf, 0, 0],
        [0, 3, 2],
    ]
    assert hessian(lambda v: v[0] ** 1.5 + v[1] ** 2)([0.0, 1.0]) == [[math.inf, 0], [0, 2]]
    assert jvp(lambda x, y: x.sqrt() * y, (0.0, 2.0), (0.0, 3.0)) == (0, 0)
    assert vjp(lambda x, y: [x.sqrt(), y], 0.0, 2.0)[1]([0, 3.0]) == (0, 3)
    assert hvp(lambda x, y: x**1.5 * y**2, (0.0, 2.0), (0.0, 1.0)) == (0, 0)


@pytest.mark.parametrize("number", [float, mpf])
def test_a_branch_not_taken_has_no_part_in_either_mode(number: Any) -> None:
    """√relu(x) is 0 all around −1, though the slope of √ at 0 is infinite."""

    def flat_here(x: Any) -> Any:
        return x.relu().sqrt()

    x = number(-1)
    assert grad(flat_here)(x) == jacobian(lambda x: [flat_here(x)] * 2)(x)[0] == 0
    assert jvp(flat_here, (x,), (number(1),)) == (0, 0)
    assert hessian(lambda x: x * flat_here(x))(x) == 0
    assert hessian(lambda x: x ** x.relu())(x) == 0  # whose slope by the exponent is NaN
    # What is 0 by rounding or by chance is not known to be one, in neither mode.
    cube_root = lambda x: (x**3) ** (1 / 3)  # noqa: E731
    assert math.isnan(grad(cube_root)(number(0)))
    assert math.isnan(jvp(cube_root, (number(0),), (number(1),))[1])


def test_what_does_not_move_does_not_hold_up_what_comes_after_it():
    """A branch not taken, or an operand that stays: first in the graph, and last in the sum."""
    assert jvp(lambda x: x.relu() + x * x, (-1.0,), (3.0,)) == (1, -6)
    assert jvp(lambda x, y: y * y + x * x, (2.0, 5.0), (3.0, 0.0)) == (29, 12)


def test_a_tangent_or_adjoint_of_zero_can_itself_be_differentiated_by():
    assert grad(lambda t: jvp(lambda x: x**3, (2.0,), (t,))[1])(0.0) == 12
    assert grad(lambda g: vjp(lambda x: x**3, 2.0)[1](g)[0])(0.0) == 12


# Where derivatives are taken within functions that are being differentiated


def test_an_outer_variable_within_an_inner_derivative():
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(1.0))(3.0) == 6.0  # x·x
    assert grad(lambda x: jvp(lambda y: x * y, (1.0,), (1.0,))[1])(3.0) == 1.0


def test_the_same_node_as_argument_and_as_known_from_outside():
    def outer(x: Any) -> Any:
        z = x * 3
        return grad(lambda y: y * z)(x)  # z is a constant to the inner derivative

    assert outer(2.0) == 6.0
    assert grad(outer)(2.0) == 3.0
    x = Value(2.0)
    assert outer(x).data == 6.0


def test_in_step_with_plain_python():
    def root_of(c: Any) -> Any:  # Newton's method, its derivative taken by grad itself
        def f(x: Any) -> Any:
            return x**3 - c

        x: Any = 1.0
        for _ in range(60):
            x = x - f(x) / grad(f)(x)
        return x

    assert root_of(8.0) == pytest.approx(2.0)
    assert grad(root_of)(8.0) == pytest.approx(1 / 12)


def test_values_in_values_out():
    x = Value(3.0)
    g = grad(lambda t: t**3)(x)
    assert isinstance(g, Value)
    assert g.data == 27.0
    g.backward()
    assert x.grad == 18.0
    assert isinstance(grad(lambda t, u: t * u)(2.0, Value(5.0)), Value)
    value, pull_back = vjp(lambda t: t * t, 3.0)
    assert value == 9.0
    adjoint = Value(2.0)
    [pulled] = pull_back(adjoint)
    pulled.backward()
    assert adjoint.grad == 6.0
    assert pull_back(2.0) == (12.0,)
    value, along = jvp(lambda t: t * t, (3.0,), (Value(1.0),))
    assert (value.data, along.data) == (9.0, 6.0)


def test_gradients_by_parameters():
    """A network's Hessian by one weight, through its parameters as arguments."""
    model = MLP(2, [2, 1], activation="tanh")

    def cost(numbers: Any) -> Any:
        for parameter, x in zip(parameters, numbers, strict=True):
            slots[id(parameter)] = x
        w, b = numbers[:2], numbers[2]
        return costs.quadratic([(w[0] * 0.5 - w[1] + b).tanh()], [0.25])

    parameters = model.parameters()[:3]
    slots: dict[int, Any] = {}
    gradient = grad(cost)([p.data for p in parameters])
    second = hessian(cost)([p.data for p in parameters])
    h = 2.0**-20
    nudged = grad(cost)([parameters[0].data + h, *(p.data for p in parameters[1:])])
    assert (nudged[0] - gradient[0]) / h == pytest.approx(second[0][0], abs=1e-5)


def test_under_no_grad_derivatives_are_there_and_nothing_is_recorded():
    with no_grad():
        assert grad(grad(lambda x: x**3))(2.0) == 12.0
        g = grad(lambda x: x**3)(Value(2.0))
        assert (g.data, g.op) == (12.0, None)
        assert recording.is_paused()
        x = Value(2.0)
        y = x * x
        assert y.backward(create_graph=True)[y].data == 1.0


def test_no_grad_within_the_function_cuts_as_detach_does():
    def f(x: Any) -> Any:
        with no_grad():
            c = x * x
        return c * x

    assert grad(f)(3.0) == 9.0
    assert grad(lambda x: x.detach() * x)(3.0) == 3.0


# Numbers of other kinds, structures, keyword arguments


def test_precision_is_kept():
    with mp.workdps(50):
        x = mpf(1) / 3
        third = grad(grad(grad(lambda x: x.tanh())))(x)
        want = mp.diff(mp.tanh, x, 3)
        assert abs(third - want) < mpf(10) ** -30
        base = grad(grad(lambda x: 2**x))(x)
        assert abs(base - mp.log(2) ** 2 * mpf(2) ** x) < mpf(10) ** -45


def test_formulas_as_far_as_no_branch_depends_on_them(require_oracle):
    sympy = require_oracle("sympy")
    x = sympy.Symbol("x")
    second = grad(grad(lambda v: v.tanh() * v**2))(x)
    assert sympy.simplify(second - sympy.diff(sympy.tanh(x) * x**2, x, 2)) == 0
    with pytest.raises(TypeError, match="depends on whether x <= 0"):
        grad(grad(lambda v: v.relu() * v))(x)


def test_structures_come_back_as_they_were():
    Point = namedtuple("Point", "x y")
    got = grad(lambda p: p.x * p.y)(Point(2, 5))
    assert got == Point(5, 2)
    assert isinstance(got, Point)
    assert grad(lambda v: v[0][0] * v[1][0])([(2,), [5]]) == [(5,), [2]]
    assert grad(lambda v: 1.0)([[], ()]) == [[], ()]
    assert value_and_grad(lambda a, b, *, c: a * b + c, argnums=(1, 0))(2, 3, c=4) == (10, (2, 3))
    assert grad(lambda a, b: a * b, argnums=-1)(2, 3) == 2
    assert grad(lambda a, b: a * b, argnums=-2)(2, 3) == 3


def test_a_result_that_depends_on_nothing_has_gradient_zero():
    assert value_and_grad(lambda x: 3)(2.0) == (3, 0.0)
    assert hessian(lambda x: 3 * x[0])([2, 1]) == [[0, 0], [0, 0]]
    assert jvp(lambda x: [x, 1], (2.0,), (5.0,)) == ([2.0, 1], [5.0, 0])


def test_a_function_keeps_its_name():
    def cost(x: Any) -> Any:
        """What it costs."""
        return x

    assert grad(cost).__name__ == value_and_grad(cost).__name__ == "cost"
    assert jacobian(cost).__doc__ == "What it costs."


class Tensor:
    """Another library's array."""

    ndim = 1


@pytest.mark.parametrize("kind", [float, np.float32, object])
def test_arrays_of_any_shape_come_back_as_arrays(kind: Any) -> None:
    x = np.array([[1, 2], [3, 4]], kind)
    gradient = grad(lambda x: (x**3).sum())(x)
    assert gradient.tolist() == [[3, 12], [27, 48]]
    assert gradient.dtype == kind if kind is not object else gradient[0, 0] == 3
    second = hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    assert second.tolist() == [[10, 6], [6, 0]] and second.dtype == float
    assert jacobian(lambda x: np.array([x[0] * x[1], x[1]]))([3, 5]).tolist() == [[5, 3], [0, 1]]


def test_arrays_of_whole_numbers_and_of_values() -> None:
    assert grad(lambda x: (x * x).sum())(np.array([1, 2])).tolist() == [2.0, 4.0]
    exact = np.array([Fraction(1, 2), Fraction(1, 3)])
    assert grad(lambda x: (x * x).sum())(exact).tolist() == [1, Fraction(2, 3)]
    leaves = np.array([Value(3.0)])
    assert isinstance(grad(lambda x: (x**3).sum())(leaves)[0], Value)
    assert grad(lambda v: grad(lambda x: (x**3).sum())(np.array([v]))[0])(3.0) == 18.0
    rows = np.empty(2, object)
    rows[:] = [[1.0, 2.0], [3.0]]
    found = grad(lambda x: x[0][1] * x[1][0])(rows)
    assert found.tolist() == [[0.0, 3.0], [2.0]]


def test_dicts_and_what_is_beside() -> None:
    def model(p: Any, x: Any) -> Any:
        y = p["w"] @ x + p["b"]
        return y, {"y": y, "name": "here"}

    p, x = {"w": np.array([1.0, 2.0]), "b": 0.5}, np.array([3.0, 4.0])
    (value, aux), gradient = value_and_grad(model, has_aux=True)(p, x)
    assert (value, aux) == (11.5, {"y": 11.5, "name": "here"})
    assert gradient["w"].tolist() == [3, 4] and gradient["b"] == 1 and [*gradient] == ["w", "b"]
    assert grad(model, has_aux=True)(p, x)[1] == aux
    assert jacobian(lambda x: ([x, 2 * x], x), has_aux=True)(3.0) == ([1.0, 2.0], 3.0)
    assert hessian(lambda x: (x**3, x), has_aux=True)(2.0) == (12.0, 2.0)
    with no_grad():
        nested_aux = grad(model, has_aux=True)({"w": np.array([Value(1.0)]), "b": 0.5}, [2.0])[1]
    assert nested_aux["y"].op is None and nested_aux["name"] == "here"


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda: grad(lambda x: [x, x])(1.0), TypeError, "gave 2 numbers in a list"),
        (lambda: grad(lambda x: None)(1.0), TypeError, "did a function forget to return"),
        (lambda: grad(lambda x: x, argnums=1)(1.0), IndexError, "no argument 1 among 1"),
        (lambda: grad(lambda x: x, argnums=(0, 0))(1.0), ValueError, "names an argument twice"),
        (lambda: hessian(lambda x, y: x * y, (1, -1))(1.0, 2.0), ValueError, r"twice: \(1, -1\)"),
        (lambda: grad(lambda x: x, argnums="x")(1.0), TypeError, "places of arguments.* not 'x'"),
        (lambda: grad(lambda x, y: y, argnums=True)(1.0, 2.0), TypeError, "from 0 on, not True"),
        (lambda: jacobian(lambda x, y: y, (0, True))(1.0, 2.0), TypeError, r"not \(0, True\)"),
        (lambda: grad(lambda x: x, argnums=0.0)(1.0), TypeError, r"places of.* not 0\.0"),
        (lambda: grad(Value(2.0), Value(1.0)), TypeError, "a function .* not Value.* backward"),
        (lambda: jacobian([1.0]), TypeError, r"a function .* not \[1.0\]"),
        (lambda: vjp(3, 1.0), TypeError, "a function .* not 3"),
        (lambda: grad(lambda x: x)(Tensor()), TypeError, r"the .tolist\(\) of the Tensor"),
        (lambda: grad(lambda x: x * x)(np.ones(2)), TypeError, "gave 2 numbers in a ndarray"),
        (lambda: grad(lambda x: {"a": x})(1.0), TypeError, "gave 1 number in a dict"),
        (lambda: grad(lambda x: x, has_aux=True)(1.0), TypeError, "a pair, .* not Value"),
        (lambda: grad(lambda x: (x, x, x), has_aux=True)(1.0), TypeError, "a pair, .* not "),
        (lambda: grad(lambda x: x)("1"), TypeError, "write float"),
        (lambda: vjp(lambda x: x * x, 1.0)[1]("1"), TypeError, "write float"),
        (lambda: jvp(lambda x: x, 1.0, 1.0), TypeError, r"write \(x,\)"),
        (lambda: jvp(lambda x: x[0], ([1.0],), (1.0,)), ValueError, "nested like the arguments"),
        (lambda: vjp(lambda x: [x, x], 1.0)[1](1.0), ValueError, "nested like the function"),
    ],
)
def test_mistakes_are_named(call: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        call()


# Faults


def test_a_rule_that_raises_names_its_node(own_table):
    @operation(lambda m, g, y, x: (math.sqrt(-1),))
    def unlucky(m: Any, x: Any) -> Any:
        return x

    x = Value(2.0, label="x")
    y = unlucky(x)
    y.label = "y"
    for differentiate in (
        lambda: (y * 3).backward(),
        lambda: (y * 3).backward(create_graph=True),
        lambda: grad(unlucky)(x),
        lambda: jvp(unlucky, (x,), (1.0,)),
    ):
        with pytest.raises(ValueError, match=r"math domain error|nonnegative") as caught:
            differentiate()
        said = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
        assert "in the backward pass, at " in said
        assert "unlucky(" in said
    assert x.grad == 0


def test_a_forward_function_that_raises_names_its_operands(own_table):
    @operation(lambda m, g, y, x: (g,))
    def unlucky(m: Any, x: Any) -> Any:
        return math.sqrt(-x)

    for x in (Value(2.0, label="w"), Value(Fraction(2), label="w")):
        with pytest.raises(ValueError, match=r"math domain error|nonnegative") as caught:
            unlucky(x)
        said = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
        assert "in unlucky(w), w = 2" in said
    with pytest.raises(ZeroDivisionError) as divided:
        Value(1, label="one") / Value(0)
    assert "one / 0, one = 1" in str(getattr(divided.value, "__notes__", divided.value))


def test_a_rule_with_too_few_products_is_named_when_recorded(own_table):
    @operation(lambda m, g, out, x, y: (g,))
    def stingy(m: Any, x: Any, y: Any) -> Any:
        return x + y

    with pytest.raises(TypeError, match=r"stingy.* 1 .* 2 "):
        grad(lambda x: stingy(x, x))(Value(1.0))


@pytest.mark.parametrize(
    ("call", "begins"),
    [
        (lambda: grad(ops.sqrt)(0.0), "^∂C/∂"),
        (lambda: vjp(lambda x: [x, x.sqrt()], 0.0)[1]([1.0, 1.0]), "^∂C/∂"),
        (lambda: vjp(lambda x: x * 1e300, 1.0)[1](1e300), "^∂C/∂"),
        (lambda: jacobian(lambda v: [sum(x.sqrt() for x in v)])([0.0, 1.0]), "^∂C/∂"),
        (lambda: jacobian(lambda v: [sum(x.sqrt() for x in v)])([0.0]), "^in forward mode"),
        (lambda: jvp(ops.sqrt, (0.0,), (1.0,)), "^in forward mode"),
        (lambda: jvp(lambda x: x * 1e300, (1.0,), (1e300,)), "^in forward mode"),
        (lambda: hvp(lambda x: x**1.5, (0.0,), (1.0,)), "^in forward mode"),
        (lambda: grad(lambda x: jvp(ops.sqrt, (x,), (1.0,))[1])(0.0), "^in forward mode"),
        (lambda: jvp(grad(ops.sqrt), (0.0,), (1.0,)), "^∂C/∂"),
    ],
)
def test_anomalies_are_seen_in_transforms_too(call: Any, begins: str) -> None:
    with detect_anomaly(), pytest.raises(AnomalyError, match=begins):
        call()


def test_what_is_not_asked_for_is_no_anomaly():
    """An infinite slope, of what the function does not depend on or of an output of adjoint 0."""
    y = Value(0.0)

    def both(x: Any) -> list[Any]:
        return [x, x.sqrt()]

    with detect_anomaly():
        assert grad(lambda x: x + y.sqrt())(1.0) == 1
        assert grad(lambda x: x / Value(1e-200))(1.0) == 1e200
        assert vjp(both, 0.0)[1]([1, 0]) == (1,)
        assert jvp(lambda x: both(x)[1], (0.0,), (0,))[1] == 0
        assert jvp(lambda x, y: x + y.sqrt(), (1.0, 0.0), (2.0, 0.0))[1] == 2


def test_where_all_is_finite_a_watcher_has_nothing_to_say():
    with detect_anomaly():
        assert vjp(lambda x: [x, x.sqrt()], 4.0)[1]([1.0, 4.0]) == (2.0,)
        assert hessian(lambda x: x[0] ** 3 * x[1])([1.0, 2.0]) == [[12.0, 3.0], [3.0, 0.0]]


def test_a_rule_with_a_constant_that_is_no_rational(own_table):
    @operation(lambda m, g, y, x: (g * x * m.sqrt(m.pi),))
    def peculiar(m: Any, x: Any) -> Any:
        return x * x

    x = Fraction(1, 2)
    assert grad(peculiar)(Value(x)).data == pytest.approx(math.sqrt(math.pi) / 2)
    assert grad(grad(peculiar))(x) == pytest.approx(math.sqrt(math.pi))


def test_hypotenuses_of_any_size(own_table):
    """Second derivatives without overflow on the way: 1/h − x²/h³ = y²/h³."""

    def hypotenuse_vjp(m: Any, g: Any, h: Any, x: Any, y: Any) -> Any:
        h = m.hypot(x, y)
        return g * m.divide(x, h), g * m.divide(y, h)

    @operation(hypotenuse_vjp)
    def hypotenuse(m: Any, x: Any, y: Any) -> Any:
        return m.hypot(x, y)

    for scale in (1.0, 2.0**1000, 2.0**1021, 2.0**-1000):
        x, y = Value(3 * scale), Value(4 * scale)
        slope = hypotenuse(x, y).backward(create_graph=True)[x]
        assert slope.data == pytest.approx(0.6, rel=1e-15)
        second = slope.backward(create_graph=True)
        assert second[x].data * scale == pytest.approx(16 / 125, rel=1e-14)
        assert second[y].data * scale == pytest.approx(-12 / 125, rel=1e-14)
    x = Value(2.0**-1074)  # of which √2 times as much is no float but rounded to once
    slope = hypotenuse(x, x).backward(create_graph=True)[x]
    assert slope.data == pytest.approx(math.sqrt(2), rel=1e-15)
    check_grad(hypotenuse, [3.0, -4.0])
    check_grad(grad(hypotenuse), [3.0, -4.0])
    with mp.workdps(40):
        assert grad(grad(hypotenuse))(mpf(3), mpf(4)) == pytest.approx(mpf(16) / 125)


def test_operators_written_plainly_have_a_complex_step_too(own_table):
    @operation(lambda m, g, y, x: (g * (2 * x / 3 - 1 / x**2 + m.log(m.convert(2)) * 2**x),))
    def plain(m: Any, x: Any) -> Any:
        return x**2 / 3 + 1 / x + 2**x + abs(x - x)

    [check] = check_grad(plain, [1.5])
    assert check.complex_step == pytest.approx(check.gradient, rel=1e-14)
    for x, y in ((1.5, 0.5), (-1.5, 2.0)):
        z = Dual(x, 1.0)
        for result, slope in (
            (z / 4, 0.25),
            (4 / z, -4 / x**2),
            (z**2, 2 * x),
            (2**z, math.log(2) * 2**x),
            (1 - z, -1.0),
            (z - Fraction(1, 2), 1.0),
            (abs(z), math.copysign(1, x)),
            (complex_step.hypot(z, y), x / math.hypot(x, y)),
        ):
            assert result.tangent == pytest.approx(slope, rel=1e-14)
        assert (z < y, z <= y, z > y, z >= y) == (x < y, x <= y, x > y, x >= y)
    with pytest.raises(KinkError):
        _ = Dual(1.0, 1.0) < 1
    assert not Dual(1.0) < 1
    assert Dual(1.0) == 1
    assert complex_step.equal(Dual(1.0), 1)
    assert not complex_step.equal(Dual(1.0, 1.0), 2)
    with pytest.raises(KinkError):
        complex_step.equal(Dual(1.0, 1.0), 1)
    assert math.isnan(complex_step.exp(Dual(800.0, 1.0)).tangent)
    assert math.isnan(complex_step.power(Dual(-1.0), Dual(0.5, 1.0)).real)


def test_of_what_has_no_tangent_there_is_none_anywhere() -> None:
    """Beyond the floats, beyond the domain, at infinite slopes; also after what gives a number."""
    m, x = complex_step, Dual(0.5, 1.0)
    for z in (
        Dual(1e200, 1.0) * Dual(1e200, 1.0),
        Dual(math.inf, 1.0),
        m.sqrt(Dual(0.0, 1.0)),
        m.sqrt(Dual(-1.0, 1.0)),
        m.power(Dual(0.0, 1.0), 0.5),
        m.hypot(Dual(0.0, 1.0), 0.0),
        m.log(Dual(0.0, 1.0)),
        m.exp(Dual(800.0, 1.0)),
        x / 0,
    ):
        for result in (
            z,
            -z,
            z + x,
            x * z,
            z / 3,
            3 / z,
            z**2,
            m.xlogy(z, x),
            m.log_sum_exp([x, z]),
        ):
            assert math.isnan(result.tangent)
        assert math.isnan(z.off)
    brink = m.log(Dual(1e308, 1e300)) + (
        709.7827128933838 - math.log(1e308)
    )  # a rounding off, and it overflows
    assert math.isfinite(m.exp(brink).real)
    assert math.isnan(m.exp(brink).tangent)
    assert m.xlogy(Dual(0.0), Dual(0.0, 1.0)).tangent == 0
    assert m.tanh(Dual(math.inf)).tangent == 0  # the limit at a constant
    assert m.log_sum_exp([x, Dual(-math.inf)]).tangent == 1
    assert m.softmax([x, Dual(-math.inf)])[1].tangent == 0
    assert math.isnan(m.sinh(Dual(1e4)).tangent)


def test_a_rule_may_use_every_function_of_several_numbers(own_table: None) -> None:
    @operation(lambda m, g, y, *xs: tuple(g * share for share in m.softmax(xs)))
    def soft_maximum(m: Any, *xs: Any) -> Any:
        return m.log_sum_exp(xs)

    @operation(lambda m, g, y, *xs: (g * m.log_sum_exp(xs), *(0 * x for x in xs[1:])))
    def area(m: Any, *xs: Any) -> Any:
        return xs[0] * 1

    slope = grad(lambda x: soft_maximum(x, 0.0))(0.5)
    assert abs(slope - 1 / (1 + math.exp(-0.5))) < 1e-15
    curvature = grad(grad(lambda x: area(x, 0.0)))(0.5)  # ln(eˣ + 1)′
    assert abs(curvature - 1 / (1 + math.exp(-0.5))) < 1e-15


def test_notes_where_errors_take_none():
    """Before Python 3.11 the message is lengthened."""
    old = SimpleNamespace(args=("division by zero",))
    annotate(old, "in 1 / 0")
    assert old.args == ("division by zero\nin 1 / 0",)
    wordless = SimpleNamespace(args=(3,))
    annotate(wordless, "in 1 / 0")
    assert wordless.args == (3,)


def test_of_many_operands_a_few_are_told(own_table):
    @operation(lambda m, g, y, *xs: (1 / 0,))
    def unlucky(m: Any, *xs: Any) -> Any:
        return xs[0]

    with pytest.raises(ZeroDivisionError) as caught:
        unlucky(*[Value(float(k), label=f"x{k}") for k in range(20)]).backward()
    said = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert "unlucky of 20 operands, x0 = 0.0, x1 = 1.0" in said
    assert said.endswith("x7 = 7.0, ...")


def test_gradients_of_strangers():
    gradients = (Value(2.0) * 3).backward(create_graph=True)
    assert gradients[Value(Fraction(1, 2))].data == 0
    with pytest.raises(KeyError):
        gradients[3.0]
