"""Gradients that are floats though a number or an adjoint on the way to them is none.

The right values are mpmath's, differences of the expression at hundreds of digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from microgradnet import (
    Value,
    grad,
    hessian,
    jacobian,
    jvp,
    lift,
    operation,
    ops,
    weighted_input,
)
from microgradnet.arithmetic import WideFloat
from microgradnet.chain_rule import reverse_mode as in_floats
from microgradnet.nn import MLP
from microgradnet.wide_passes import left_the_floats, reverse_mode

U = 2.0**-53


class Exact:
    """The functions of the table, by mpmath."""

    log, log1p, exp, sqrt, atan, asinh = mp.log, mp.log1p, mp.exp, mp.sqrt, mp.atan, mp.asinh
    tanh, atanh, erf, hypot = mp.tanh, mp.atanh, mp.erf, mp.hypot

    @staticmethod
    def sigmoid(z: Any) -> Any:
        return 1 / (1 + mp.exp(-z))

    @staticmethod
    def xlogy(x: Any, y: Any) -> Any:
        return x * mp.log(y)

    @staticmethod
    def softmax(zs: Sequence[Any]) -> list[Any]:
        total = mp.fsum(map(mp.exp, zs))
        return [mp.exp(z) / total for z in zs]


class Case(NamedTuple):
    """An expression f(m, *xs), with the sizes of what cancels in its first and second slopes."""

    f: Callable[..., Any]
    points: st.SearchStrategy[tuple[float, ...]]


def powers(*exponents: float) -> st.SearchStrategy[float]:
    mantissas = st.floats(1, 9.99)
    return st.builds(lambda m, e: m * 10.0**e, mantissas, st.sampled_from(exponents))


far = powers(-300, -200, -170, -150, 150, 170, 200, 300)
two_far = st.tuples(far, far)
saturated = st.tuples(st.floats(10, 700) | st.floats(-700, -10))

CASES: dict[str, Case] = {
    "1/(1/x)": Case(lambda m, x: 1 / (1 / x), st.tuples(far)),
    "(1/x)⁻¹": Case(lambda m, x: (x**-1) ** -1, st.tuples(far)),
    "√x²": Case(lambda m, x: m.sqrt(x**2), st.tuples(far)),
    "√(xx)": Case(lambda m, x: m.sqrt(x * x), st.tuples(far)),
    "(x³)^⅓": Case(lambda m, x: (x**3) ** 0.25, st.tuples(powers(-200, -150, 150, 200))),
    "ln ab": Case(lambda m, a, b: m.log(a * b), two_far),
    "ln a/b": Case(lambda m, a, b: m.log(a / b), two_far),
    "ln b/a²": Case(lambda m, a, b: m.log(b * a**-2), two_far),
    "arsinh ab": Case(lambda m, a, b: m.asinh(a * b), two_far),
    "√ab": Case(lambda m, a, b: m.sqrt(a * b), two_far),
    "a√b/b": Case(lambda m, a, b: a * m.sqrt(b) / b, two_far),
    "√(a²+b²)": Case(lambda m, a, b: m.sqrt(a * a + b * b), st.builds(
        lambda a, t: (a, a * t), far.filter(lambda x: x > 1e-290), st.floats(0.1, 1))),
    "norm of squares": Case(lambda m, a, b: m.sqrt(m.hypot(a * a, b * b)), st.builds(
        lambda a, t: (a, a * t), far.filter(lambda x: x > 1e-290), st.floats(0.1, 1))),
    "a ln ab": Case(lambda m, a, b: m.xlogy(a, a * b), two_far),
    "down and up": Case(lambda m, x: 1e300 * (1e-200 * (1e-200 * (1e200 * x))), st.tuples(far)),
    "up and down": Case(lambda m, x: 1e-300 * (1e200 * (1e200 * (1e-200 * x))), st.tuples(far)),
    "xʸ": Case(lambda m, a, b: m.log(a**b), st.tuples(far, st.floats(1.5, 4))),
    "2ʸ": Case(lambda m, y: m.log(2**y), st.tuples(st.floats(-3000, 3000))),
    "ln eˣ": Case(lambda m, x: m.log(m.exp(x)), st.tuples(st.floats(-2000, 2000))),
    "e/(e+e)": Case(lambda m, x, y: m.exp(x) / (m.exp(x) + m.exp(y)), st.builds(
        lambda x, d: (x, x + d), st.floats(-2000, 2000), st.floats(-9, 9))),
    "ln(1 − t²)": Case(lambda m, z: m.log(1 - m.tanh(z) ** 2), saturated),
    "ln(1 − tt)": Case(lambda m, z: m.log(1 - m.tanh(z) * m.tanh(z)), saturated),
    "ln(1 − t)": Case(lambda m, z: m.log(1 - m.tanh(z)), st.tuples(st.floats(10, 700))),
    "ln(1 + t)": Case(lambda m, z: m.log(1 + m.tanh(z)), st.tuples(st.floats(-700, -10))),
    "ln(t + 1)": Case(lambda m, z: m.log(m.tanh(z) + 1), st.tuples(st.floats(-700, -10))),
    "log1p t": Case(lambda m, z: m.log1p(m.tanh(z)), st.tuples(st.floats(-700, -10))),
    "log1p −t": Case(lambda m, z: m.log1p(-m.tanh(z)), st.tuples(st.floats(10, 700))),
    "ln (1 − t)(1 + t)": Case(lambda m, z: m.log((1 - m.tanh(z)) * (1 + m.tanh(z))), saturated),
    "ln t/(1 − t)": Case(
        lambda m, z: m.log(m.tanh(z) / (1 - m.tanh(z))), st.tuples(st.floats(10, 700))),
    "artanh t": Case(lambda m, z: m.atanh(m.tanh(z)), saturated),
    "logit": Case(lambda m, z: m.log(m.sigmoid(z) / (1 - m.sigmoid(z))), saturated),
    "ln σ(1 − σ)": Case(lambda m, z: m.log(m.sigmoid(z) * (1 - m.sigmoid(z))), saturated),
    "ln(1 − σ²)": Case(lambda m, z: m.log(1 - m.sigmoid(z) ** 2), st.tuples(st.floats(10, 1400))),
    "ln softmax": Case(lambda m, z, w: m.log(m.softmax([z, w, 0 * z])[1]), st.tuples(
        st.floats(10, 700), st.floats(-700, -10))),
    "ln(1 − softmax)": Case(lambda m, z, w: m.log(1 - m.softmax([z, w, 0 * z])[0]), st.tuples(
        st.floats(10, 700), st.floats(-700, 9))),
}  # fmt: skip
VALUES = [
    name
    for name in CASES
    if name.startswith(("ln (", "ln(", "log1p", "ln t", "ln σ", "artanh", "logit", "ln softmax"))
]
"""Of these the value is right, too: 1 ∓ an activation is computed from z."""


POWERS = [*CASES][: [*CASES].index("xʸ")]
"""Of powers of x, whose second slopes are as large as the first divided by x."""


def slopes(case: Case, xs: tuple[float, ...], ks: Sequence[int]) -> Any:
    """A derivative, by differences: exact to 30 digits."""
    points = [mpf(x) for x in xs]
    f = case.f
    for k in ks:
        f = _difference(f, k, (abs(points[k]) or 1) * mpf(10) ** -40)
    return f(Exact, *points)


def _difference(f: Callable[..., Any], k: int, h: Any) -> Callable[..., Any]:
    def rise(m: Any, *xs: Any) -> Any:
        above, below = [*xs], [*xs]
        above[k], below[k] = xs[k] + h, xs[k] - h
        return (f(m, *above) - f(m, *below)) / (2 * h)

    return rise


def right(got: Any, want: Any, roundings: float, size: Any = 0) -> bool:
    """Within roundings of the number, or of what cancels; what is beyond the floats is 0 or ∞."""
    got, bound = float(got), roundings * U * max(abs(want), size) + mpf("1e-300")
    if max(abs(want), bound) > mpf("1.7e308"):
        return bool(math.isinf(got) or abs(got - want) <= bound)
    return bool(abs(got - want) <= bound)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=5)
@given(st.data())
def test_every_mode_has_the_gradient_where_it_is_a_float(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    xs = data.draw(case.points)

    def f(*vs: Any) -> Any:
        return case.f(ops, *vs)

    nodes = [Value(x) for x in xs]
    result = f(*nodes)
    result.backward()
    recorded = f(*nodes).backward(create_graph=True)
    gradient = grad(lambda v: f(*v))([*xs])
    rows = jacobian(lambda v: [f(*v)] * 3)([*xs])
    with mp.workdps(150 if name in POWERS else 750):
        for k, x in enumerate(xs):
            want = slopes(case, xs, [k])
            along = tuple(float(j == k) for j in range(len(xs)))
            roundings = 4096 + 8 * abs(float(mp.log(abs(mpf(x)) or 1)))
            for got in (
                nodes[k].grad,
                recorded[nodes[k]].data,
                gradient[k],
                rows[0][k],
                jvp(f, xs, along)[1],
            ):
                assert right(got, want, roundings), (xs, k, got, want)
        if name in VALUES:
            assert right(result.data, case.f(Exact, *map(mpf, xs)), 64), (xs, result)
    again = [Value(x) for x in xs]
    for _ in range(2):
        f(*again).backward()
    assert [v.grad for v in again] == [2 * v.grad for v in nodes]


@settings(max_examples=20)
@given(st.sampled_from([*CASES]), st.data())
def test_so_have_second_derivatives(name: str, data: st.DataObject) -> None:
    """To the rounding of the terms that cancel, which are as large as slope/x and slope²."""
    case = CASES[name]
    xs = data.draw(case.points)
    curvature = hessian(lambda v: case.f(ops, *v))([*xs])
    with mp.workdps(150 if name in POWERS else 750):
        first = [slopes(case, xs, [k]) for k in range(len(xs))]
        value = abs(case.f(Exact, *map(mpf, xs)))
        for j, row in enumerate(curvature):
            for k, got in enumerate(row):
                want = slopes(case, xs, [j, k])
                rates = [1 / abs(mpf(xs[i]) or 1) if name in POWERS else 1 for i in (j, k)]
                size = max(
                    abs(first[j]) * rates[1], abs(first[k]) * rates[0], abs(first[j] * first[k])
                )
                assert right(got, want, 2**16, max(size, value * rates[0] * rates[1])), (
                    xs,
                    got,
                    want,
                )


def test_a_pass_in_wide_floats_is_rounded_at_each_node() -> None:
    x = Value(1e-200)
    inner = 1 / x
    y = 1 / inner
    y.backward()
    assert inner.grad == 0.0 and x.grad == pytest.approx(1)  # −10⁻⁴⁰⁰ is no float
    assert in_floats({y: 1.0})[x] == 0.0 and reverse_mode({y: 1.0})[x] == x.grad
    z = x * 1e200 * 3.0
    root = (1 - (z * 200).tanh() ** 2).log()
    root.backward()
    assert z.grad == pytest.approx(-400)


def test_what_is_not_lost_is_as_it_was() -> None:
    assert not left_the_floats([Value(1e-200), Value(0.5)], [1.0, 3.0])
    assert not left_the_floats([Value(0.0), Value(0.5)], [0.0, 3.0])
    assert left_the_floats([Value(1e-200), Value(0.0)], [1.0, 3.0])
    x = Value(0.0)
    y = 1e200 * (x * 1e200)
    y.backward()
    assert x.grad == math.inf
    assert (x.data, x.grad) == (0.0, math.inf)
    a = Value(math.inf)
    (a * 0.0).backward()
    assert a.grad == 0.0
    b, c = Value(0.0), Value(1e300)
    (b * ops.log(b) * c).backward()  # 0·∞ of the mathematics
    assert math.isnan(b.grad)


def test_a_number_assigned_since_is_kept() -> None:
    x = Value(1e-200)
    y = x * x
    z = ops.log(y)
    y.data = 1e-320
    z.backward()
    assert x.grad == pytest.approx(2e120, rel=1e-3)


def test_neurons_of_large_weights() -> None:
    """Of vectors, too, which numbers are large is known."""
    weights, x, bias = [Value(1e300), Value(1.0)], Value(1.0), Value(0.0)
    z = weighted_input(weights, [x, 2.0], bias)
    y = z * 1e-200 * 1e-200
    y.backward()
    assert x.grad == pytest.approx(1e-100)
    model = MLP(1, [1, 1], activation="linear", granularity="neuron")
    model.weights[1], model.weights[2] = [[1e300]], [[1e-200]]
    forward = model.forward([1.0])
    (forward.output * 1e-200).backward()
    assert forward.a[0][0].grad == pytest.approx(1e-100)


def test_an_operation_that_does_not_know_wide_floats_has_the_pass_in_floats(
    own_table: None,
) -> None:
    @operation(lambda m, g, y, x: (g * 2 * x if type(x) is float else x.missing,))
    def narrow(m: Any, x: Any) -> Any:
        return x * x

    x = Value(1e-200)
    (1 / (1 / narrow(x))).backward()
    assert math.isnan(x.grad)  # as in floats, where x² is 0
    assert math.isnan(jvp(lambda x: 1 / (1 / narrow(x)), (1e-200,), (1.0,))[1])


def test_an_own_operation_of_three_operands(own_table: None) -> None:
    @operation(lambda m, g, out, x, y, z: (g * y, g * x, g))
    def multiply_add(m: Any, x: Any, y: Any, z: Any) -> Any:
        return x * y + z

    x = Value(1.0)
    y = 1e-200 * (1e-200 * multiply_add(x, 1e300, 1.0))
    y.backward()
    assert x.grad == pytest.approx(1e-100)


def test_no_float_is_left_in_a_recorded_gradient() -> None:
    x = Value(400.0)
    slope = ops.log(1 - ops.tanh(x) ** 2).backward(create_graph=True)[x]
    assert type(slope.data) is float and slope.data == pytest.approx(-2)
    assert not any(type(v.data) is WideFloat for v in slope.parents)
    assert slope.backward(create_graph=True)[x].data == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        "ln(1 − t²)",
        "ln(1 − t)",
        "ln(1 + t)",
        "log1p t",
        "log1p −t",
        "artanh t",
        "logit",
        "ln σ(1 − σ)",
    ],
)
@settings(max_examples=3)
@given(data=st.data())
def test_lifted_it_keeps_value_and_gradient(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    xs = data.draw(case.points)
    leaves = [Value(x) for x in xs]
    cost = case.f(ops, *leaves)
    cost.backward()
    costs, gradient = lift(cost, [], [], leaves).value_and_grad(np.empty((1, 0)))
    assert costs.item() == pytest.approx(cost.data, rel=1e-13)
    assert gradient.tolist() == pytest.approx([v.grad for v in leaves], rel=1e-12)


def test_logarithms_of_what_nothing_better_is_known_of() -> None:
    assert ops.log(1 - ops.softmax([Value(1.0)])[0]).data == -math.inf
    assert ops.log1p(ops.sigmoid(Value(1.0))).data == math.log1p(ops.sigmoid(1.0))
    w, z = Value(0.5), Value(40.0)
    cost = ops.log1p(w) + ops.log1p(-ops.sigmoid(z))
    costs, gradient = lift(cost, [], [], [w, z]).value_and_grad(np.empty((1, 0)))
    assert costs.item() == pytest.approx(cost.data)
    assert gradient.tolist() == pytest.approx([2 / 3, -1])


def test_a_lifted_gradient_that_is_not_finite_is_computed_in_long_doubles() -> None:
    a, b = Value(1e-200), Value(1e200)
    wider = np.finfo(np.longdouble).maxexp > 1024
    program = lift([ops.log(a / b), a * b], [], [], [a, b])
    _, gradient = program.vjp(np.empty((1, 0)), [[1.0, 0.0]])
    assert not wider or gradient.tolist() == pytest.approx([1e200, -1e-200])
    w = Value(0.0)
    narrow = np.empty((1, 0), dtype=np.float32)
    assert lift(ops.log(w), [], [], [w]).value_and_grad(narrow)[1].tolist() == [math.inf]
    long = np.empty((1, 0), dtype=np.longdouble)
    outputs, _ = program.vjp(long, np.ones((1, 2), dtype=np.longdouble))
    assert outputs.dtype == np.longdouble
