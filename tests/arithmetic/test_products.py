"""Products that are floats while one of their factors is beyond the floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from mpmath import mp, mpf

from microgradnet import Value, grad, hessian, jacobian, jvp, log, operation, ops
from microgradnet.arithmetic.ieee import product_in_order
from microgradnet.graph import topological_order

U = 2.0**-53
LEAST, MOST = mpf(2) ** -1022, mpf(2) ** 1024

mantissas = st.floats(1, 10, exclude_max=True)
exponents = st.one_of(st.integers(-300, 300), st.sampled_from([-300, -200, -150, 150, 200, 300]))
numbers = st.builds(lambda m, e: m * 10.0**e, mantissas, exponents)

# Of each rule of two factors the operation, and the slopes by its operands.
RULES: dict[str, tuple[Any, Callable[..., tuple[Any, ...]]]] = {
    "divide": (ops.divide, lambda x, y: (1 / y, -x / y**2)),
    **{
        f"power {c}": (
            ops.power_constant.variant(exponent=c),
            lambda x, c=c: (c * mp.power(x, mpf(c) - 1),),
        )
        for c in (-3, -1, 0.5, 2, 3)
    },
    "raise_to": (
        lambda x, y: ops.raise_to(x, y),
        lambda x, y: (y * mp.power(x, y - 1), mp.power(x, y) * mp.log(x)),
    ),
    "xlogy": (ops.xlogy, lambda x, y: (mp.log(y), x / y)),
}


@pytest.mark.parametrize("name", RULES)
@given(x=numbers, y=numbers, g=numbers)
@example(x=1e-100, y=1e150, g=1e250)
@example(x=1e-200, y=1.0, g=1e-200)
@example(x=1e200, y=1.25, g=1e-249)
def test_a_gradient_is_a_number_where_it_is_one(name: str, x: float, y: float, g: float) -> None:
    op, slopes = RULES[name]
    if name == "raise_to":
        op, y = ops.raise_to, 1 + (y % 3 if y < 1e15 else 2.5)
    if op.arity == 1:  # so that few of the powers are beyond the floats
        x **= 1 / max(1, abs(op.parameters["exponent"]))
    xs = (x, y)[: op.arity]
    with mp.workdps(60):
        right = [mpf(g) * slope for slope in slopes(*map(mpf, xs))]
    out = op(*xs)
    assume(LEAST < abs(out) < MOST or op is ops.xlogy)
    for got, want in zip(op.vjp(g, *xs), right, strict=True):
        if LEAST * 2**60 < abs(want) < MOST / 2**60:
            assert abs(got - want) <= 2000 * U * abs(want), (got, want)
    nodes = [Value(x) for x in xs]
    node = op(*nodes)
    terms = node.backward(create_graph=True)
    expected = op.vjp(1.0, *xs)
    assert [terms[v].data for v in nodes] == pytest.approx(list(expected), rel=2000 * U)


# Of two numbers whose product or quotient is a float, functions whose derivatives by both are some.
OF_TWO: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "a/b": (lambda a, b: a / b, lambda a, b: a / b),
    "ab": (lambda a, b: a * b, lambda a, b: a * b),
    "a√b": (lambda a, b: a * ops.sqrt(b), lambda a, b: a * mp.sqrt(b)),
    "b/a²": (lambda a, b: b * a**-2, lambda a, b: b / a**2),
    "hypot": (ops.hypot, mp.hypot),
}
SCALE_FREE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "log": (ops.log, mp.log),
    "√": (ops.sqrt, mp.sqrt),
    "cube root": (lambda u: u ** (1 / 3), lambda u: u ** mpf(1 / 3)),
    "arsinh": (ops.asinh, mp.asinh),
    "2 ln": (lambda u: ops.xlogy(2.0, u), lambda u: 2 * mp.log(u)),
}


@pytest.mark.parametrize("inner", OF_TWO)
@given(outer=st.sampled_from([*SCALE_FREE]), a=numbers, b=numbers)
@example(outer="log", a=1e-100, b=1e150)
@example(outer="√", a=1e-150, b=1e-150)
def test_every_mode_has_the_derivative_where_it_is_a_number(
    inner: str, outer: str, a: float, b: float
) -> None:
    """Though a tangent on the way, that of a/b for instance, may be beyond the floats."""

    def f(a: Any, b: Any) -> Any:
        return SCALE_FREE[outer][0](OF_TWO[inner][0](a, b))

    def exact(a: Any, b: Any) -> Any:
        return SCALE_FREE[outer][1](OF_TWO[inner][1](a, b))

    a = math.sqrt(a) if inner == "b/a²" else a  # so that fewer are beyond the floats
    nodes = Value(a), Value(b)
    result = f(*nodes)
    inside = [node.data for node in topological_order([result])]
    assume(all(1e-290 < abs(x) < 1e290 for x in inside if x != 1))
    result.backward()
    recorded = f(*nodes).backward(create_graph=True)
    gradient = jacobian(lambda v: [f(*v), v[0]])([a, b])[0]
    for k, x in enumerate((a, b)):
        with mp.workdps(100):
            h = mpf(x) * mpf(10) ** -30
            step = [h * (j == k) for j in range(2)]
            rise = exact(a + step[0], b + step[1]) - exact(a - step[0], b - step[1])
            want = rise / (2 * h)
        if not 1e-290 < abs(want) < 1e290 or (inner == "hypot" and abs(want * x) < 1e-25):
            continue  # or, below the digits of the quotient here
        along = tuple(float(j == k) for j in range(2))
        found = [jvp(f, (a, b), along)[1], gradient[k]]
        if all(1e-290 < abs(v.data) < 1e290 for v in recorded.values() if v.data):
            found += [nodes[k].grad, recorded[nodes[k]].data, grad(f, k)(a, b)]
        for got in found:
            assert abs(got - want) <= 1e-13 * abs(want), (got, want)


def test_a_branch_not_taken_has_no_part_beside_a_tangent_beyond_the_floats() -> None:
    def f(b: Any) -> Any:
        return ops.log(1e-100 / b) + ops.relu(b - 1e160)

    assert jvp(f, (1e150,), (1.0,))[1] == pytest.approx(-1e-150)


def test_tangents_beyond_the_floats_add_up_and_end_as_floats() -> None:
    def f(a: Any, b: Any) -> Any:
        return ops.log(a / b) + ops.log(b * 1e-150)

    assert jvp(f, (1e-100, 1e150), (0.0, 1.0))[1] == pytest.approx(0.0, abs=1e-165)
    assert jvp(f, (1e-100, 1e150), (1.0, 1.0))[1] == pytest.approx(1e100)
    assert jvp(lambda a, b: a / b, (1e-100, 1e150), (0.0, 1.0))[1] == 0.0
    assert jvp(lambda x: 1 / x, (1e-200,), (1.0,))[1] == -math.inf
    assert jvp(lambda x: 1 / (1 / x), (1e-200,), (1.0,))[1] == pytest.approx(1)
    # Recorded, to be differentiated again.
    assert grad(lambda b: jvp(lambda b: ops.log(1e-100 / b), (b,), (1.0,))[1])(
        1e150
    ) == pytest.approx(1e-300)
    assert math.isnan(jvp(lambda x: 0.0 * ops.log(x), (0.0,), (1.0,))[1])


def test_the_logarithm_of_a_quotient() -> None:
    a, b = Value(1e-100), Value(1e150)
    log(a / b).backward()
    assert (a.grad, b.grad) == (pytest.approx(1e100), pytest.approx(-1e-150))
    for power in (lambda x: 1 / x, lambda x: x**-1):
        x = Value(1e-200)
        y = log(power(x))
        y.backward()
        assert x.grad == pytest.approx(-1e200)
        assert y.backward(create_graph=True)[x].data == x.grad


@pytest.mark.parametrize("op", [ops.exponential, lambda x: ops.raise_to(2.0, x)])
def test_a_power_beyond_the_floats_with_a_derivative_that_is_not(op: Any) -> None:
    x = Value(1024.0)
    y = op(x)
    assert y.data == float("inf")
    y.backward()
    with mp.workdps(40):
        right = mpf(2) ** 1024 * mp.log(2)
    assert abs(x.grad - right) <= 4 * U * right
    assert y.backward(create_graph=True)[x].data == x.grad


@given(st.floats(1e-3, 1e3), st.floats(-200, 200))
def test_the_slope_of_a_power_by_its_base_has_its_digits(x: float, y: float) -> None:
    assume(abs(y) > 1e-3)
    with mp.workdps(40):
        right = mpf(y) * mp.power(mpf(x), mpf(y) - 1)
    assume(1e-290 < abs(right) < 1e290)
    assert abs(ops.raise_to.vjp(1.0, x, y)[0] - right) <= 8 * U * abs(right)


def test_where_no_order_has_all_digits_it_is_as_written() -> None:
    assert product_in_order(math.inf, lambda: 0.0, lambda: math.nan, lambda: 1e-320) == 0.0
    assert product_in_order(math.inf, lambda: math.nan, lambda: 1e-320, lambda: 0.0) == 0.0
    assert ops.divide.vjp(1.0, 1.0, 0.0)[1] == -float("inf")
    assert ops.exponential.vjp(1.0, -5000.0) == (0.0,)
    assert repr(ops.divide.vjp(0.0, 1.0, 0.0)[1]) == "nan"  # 0·∞ of the mathematics


@given(st.lists(numbers | st.floats(-10, 10), min_size=1, max_size=4))
def test_a_norm_has_its_digits_whatever_its_squares_are(xs: list[float]) -> None:
    with mp.workdps(60):
        want = mp.sqrt(mp.fsum(mpf(x) ** 2 for x in xs))
    assume(want > 1e-290)
    for op, operands in ((ops.norm, xs), (ops.hypot, [*xs, 0.0][:2])):
        nodes = [Value(x) for x in operands]
        y = op(*nodes)
        y.backward()
        length = want if op is ops.norm else mp.hypot(*operands)
        assert abs(y.data - length) <= 4 * len(xs) * U * length
        for node in nodes:
            assert abs(node.grad - node.data / mpf(y.data)) <= 2 * U


def test_the_norm_of_nothing_but_zeros_has_the_derivative_0() -> None:
    for op in (ops.hypot, ops.norm):
        x, y = Value(0.0), Value(-0.0)
        op(x, y).backward()
        assert (x.grad, y.grad) == (0, 0)
    x, y = Value(3e200), Value(4e200)
    (x.hypot(y)).backward()
    assert (x.grad, y.grad) == pytest.approx((0.6, 0.8))


def test_numpys_variance_and_deviation_of_nodes() -> None:
    nodes = [Value(1.0), Value(2.0), Value(6.0)]
    array = np.array(nodes)
    assert float(np.var(array).data) == pytest.approx(14 / 3)
    np.std(array).backward()
    assert [v.grad for v in nodes] == pytest.approx(
        [(v.data - 3) / 3 / math.sqrt(14 / 3) for v in nodes]
    )


@given(numbers | st.floats(-10, 10), numbers | st.floats(-10, 10), st.floats(-10, 10))
def test_the_curvature_of_a_norm_has_its_digits(x: float, y: float, z: float) -> None:
    """Where one number is much larger than the others, 1/norm − x²/norm³ would be 0."""
    assume(all(1e-150 < abs(v) < 1e150 for v in (x, y, z)))
    for op, point in ((ops.hypot, [x, y]), (ops.norm, [x, y, z])):
        found = hessian(lambda v, op=op: op(*v))(point)
        with mp.workdps(700):
            vs = list(map(mpf, point))
            norm = mp.sqrt(mp.fsum(v * v for v in vs))
            for j, v in enumerate(vs):
                for k, w in enumerate(vs):
                    others = mp.fsum(u * u for i, u in enumerate(vs) if i != j)
                    want = (others if j == k else -v * w) / norm**3
                    if 1e-290 < abs(want) < 1e290:
                        assert abs(found[j][k] - want) <= 64 * U * abs(want)


@pytest.mark.parametrize(
    ("point", "want"),
    [
        ((0.0, 1.0), [[0, 0], [0, 0]]),
        ((0.0, 0.5), None),
        ((0.0, 2.0), [[2, 0], [0, 0]]),
        ((0.0, 3.0), [[0, 0], [0, 0]]),
        ((1e-300, 0.0), [[0, 1e300], [1e300, math.log(1e-300) ** 2]]),
        ((1e-300, 1.0), None),
        ((1e300, 0.0), [[0, 1e-300], [1e-300, math.log(1e300) ** 2]]),
    ],
)
def test_the_hessian_of_a_power_is_symmetric_at_its_edges(point: Any, want: Any) -> None:
    found = hessian(lambda v: v[0] ** v[1])(list(point))
    assert found[0][1] == pytest.approx(found[1][0], rel=1e-14)
    if want is not None:
        assert found == [pytest.approx(row) for row in want]


def test_numpys_maximum_chooses_by_itself_and_ours_is_the_way_out() -> None:
    x = Value(0.0)
    (chosen,) = np.maximum(np.array([x]), 0)
    assert chosen is x  # a slope of 1 at the tie
    assert list(np.maximum(np.array([Value(-1.0)]), 0)) == [0]  # and no Value
    ours = [ops.maximum(v, 0) for v in np.array([x])]
    ours[0].backward()
    assert x.grad == 0.5
    assert "np.maximum" in str(ops.maximum.__doc__)


def test_no_adjoint_times_what_is_beyond_the_floats_is_0() -> None:
    """Where the mathematics has a number there, and no infinity."""
    assert ops.divide.vjp(0.0, 1e150, 1e-100) == (0.0, 0.0)
    assert grad(lambda b: ops.atan(1e150 / b))(1e-100) == pytest.approx(-1e-150)  # by 1e-500
    assert grad(grad(lambda x, y: x**y))(1e-300, 0.0) == 0.0


def test_a_recorded_power_keeps_what_its_exponent_less_one_rounds_away() -> None:
    # 0.3 − 1 + 1 is not 0.3, and x^(0.3 − 1) at 1e-300 magnifies that 690 times.
    x, y = Value(1e-300), Value(0.3)
    found = (x**y).backward(create_graph=True)[x]
    with mp.workdps(50):
        right = mpf(y.data) * mpf(x.data) ** (mpf(y.data) - 1)
        assert abs(mpf(found.data) / right - 1) < 8 * 2.0**-53


@pytest.mark.parametrize("first", [True, False])
def test_a_share_near_1_and_a_float_add_up_in_either_order(first: bool) -> None:
    z = Value(40.0)
    terms = [ops.sin(z), ops.log_sum_exp(z, Value(0.0))]
    cost = terms[first] + terms[not first]
    cost.backward()
    with mp.workdps(50):
        assert z.grad == pytest.approx(float(1 / (1 + mp.exp(-40)) + mp.cos(40)), rel=4e-16)


@pytest.mark.parametrize("z", [3.0, 37.5, 300.0])
def test_a_recorded_logarithm_beside_minus_1_has_its_digits(z: float) -> None:
    x = Value(z)
    found = ops.log1p(-ops.sigmoid(x)).backward(create_graph=True)[x]
    assert found.data == pytest.approx(-1 / (1 + math.exp(-z)), rel=1e-12)


@pytest.mark.parametrize("first", [True, False])
def test_a_rule_may_give_an_int_beside_a_float(own_table: None, first: bool) -> None:
    def flat_vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (0,)

    @operation(flat_vjp)
    def flat(m: Any, x: Any) -> Any:
        return 0 * x

    x = Value(0.5)
    terms = [ops.sin(x), flat(x)]
    (terms[first] + terms[not first]).backward()
    assert x.grad == math.cos(0.5)
