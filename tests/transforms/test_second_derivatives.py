"""Second derivatives of every operation of the table, against every oracle there is.

mpmath: second differences of the forward function at hundreds of digits, which know no rule. The
float result must lie within the running error of its own graph: each node's roundings times its
adjoint, that is, the third derivatives say how good the second ones are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations_with_replacement, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from support.judges import torch_functions
from support.oracles import (
    EDGES,
    _sensitivity,
    _slope,
    grid,
    operands,
    running_error,
    second_slope,
    variants,
)

from microgradnet import Value, check_grad, grad, hessian, jvp, ops
from microgradnet.arithmetic import evaluate
from microgradnet.complex_step import Dual, KinkError, complex_step
from microgradnet.operation import Operation

each_variant = pytest.mark.parametrize("op", variants(), ids=repr)
inf, nan = math.inf, math.nan


def second(op: Operation, xs: tuple[float, ...]) -> tuple[list[Value], Any]:
    """The leaves, and the recorded second derivatives as a function of two indices."""
    leaves = [Value(x) for x in xs]
    first = op(*leaves).backward(create_graph=True)
    rows: dict[int, Any] = {}

    def entry(j: int, k: int) -> Value:
        if j not in rows:
            rows[j] = first[leaves[j]].backward(create_graph=True)
        return rows[j][leaves[k]]

    return leaves, entry


def _sigma(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


CLOSED: dict[str, list[Callable[[Any], Any]]] = {
    "sigmoid": [
        _sigma,
        lambda x: _sigma(x) * _sigma(-x),
        lambda x: -_sigma(x) * _sigma(-x) * mp.tanh(x / 2),
    ],
    "softplus": [lambda x: mp.log1p(mp.exp(x)), _sigma, lambda x: _sigma(x) * _sigma(-x)],
    "gelu": [
        lambda x: x * mp.ncdf(x),
        lambda x: mp.ncdf(x) + x * mp.npdf(x),
        lambda x: mp.npdf(x) * (2 - x * x),
    ],
    "erf": [
        mp.erf,
        lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x),
        lambda x: -4 * x / mp.sqrt(mp.pi) * mp.exp(-x * x),
    ],
    "asinh": [
        mp.asinh,
        lambda x: 1 / mp.hypot(x, 1),
        lambda x: -x / mp.hypot(x, 1) ** 3,
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
@given(st.floats(-8, 1.5).map(lambda e: 10**e), st.booleans())
def test_digits_of_two_derivatives(name: str, size: float, negative: bool) -> None:
    """At every magnitude, where the textbook's terms of both signs cancel or x² is rounded."""
    x = -size if negative else size
    op = getattr(ops, name)
    for n, found in enumerate([op(x), grad(op)(x), grad(grad(op))(x)]):
        with mp.workdps(60):
            want = CLOSED[name][n](mpf(x))
            scale = abs(want)
            if name == "gelu" and n:  # sums of two terms, of which one may cancel the other
                scale += abs(x) ** n * mp.npdf(mpf(x))
            assert abs(found - want) <= 24 * 2.0**-53 * scale + 1e-300, (n, x, found, want)


@pytest.mark.parametrize("exponent", range(10, 101, 10))
def test_the_third_derivative_of_arsinh_far_out(exponent: int) -> None:
    x = 10.0**exponent
    assert grad(grad(grad(ops.asinh)))(x) == pytest.approx(2 / x**3, rel=1e-12)
    assert grad(grad(grad(ops.asinh)))(-x) == pytest.approx(2 / x**3, rel=1e-12)


@each_variant
def test_second_derivatives(op: Operation) -> None:
    checked = 0
    for xs in grid(op):
        leaves, entry = second(op, xs)
        for j, k in combinations_with_replacement(range(len(xs)), 2):
            want = second_slope(op, xs, j, k)
            if want is None or abs(want) > mpf("1e300"):
                continue
            for a, b in {(j, k), (k, j)}:
                got = entry(a, b)
                bound = running_error(got, leaves)
                what = f"∂²/∂x{a}∂x{b} of {op!r} at {xs}"
                assert not math.isnan(got.data), what
                assert got.data == want or abs(got.data - want) <= bound, (
                    f"{what}: {got.data!r}, not {mp.nstr(want, 20)} ± {bound}"
                )
                checked += 1
    assert checked >= 2


# Beside PyTorch, differentiating twice

# Where the second derivatives of PyTorch 2.13.0 are wrong, NaN beside a limit, or another side's
# at a kink. Ours are held against mpmath's there, where there is a number.
DIFFERS: dict[str, Callable[..., bool]] = {
    "elu": lambda x: x == 0,  # ours is that of the side whose first derivative is taken
    "softplus": lambda x: x == 20,  # from here on it is the identity there
    "exponential": lambda x: x >= 0,  # 0ˣ
    "power_constant": lambda x: abs(x) < 1e-200,  # x⁰
    "raise_to": lambda x, y: x == 0 or y == 0,  # ∂²/∂x∂y of xʸ is 1/x at y = 0, and not 0
    "xlogy": lambda x, y: x == 0 == y,
    "gelu": lambda x: abs(x) > 1e154,
    **dict.fromkeys(["silu", "softsign", "acosh"], math.isinf),
    **dict.fromkeys(["celu", "selu"], lambda x: x == 0),
    "atan2": lambda y, x: math.hypot(y, x) < 1e-150,
    "logit": lambda x: abs(x) < 1e-150,  # 1/x²
    "mish": lambda x: abs(x) > 300,
}


@each_variant
def test_second_derivatives_at_edges_are_those_of_pytorch(
    op: Operation, require_oracle: Callable[[str], Any]
) -> None:
    """Wherever the first derivative is finite."""
    torch = require_oracle("torch")
    function = torch_functions(torch).get(op.name)
    if function is None or op.name == "hard_sigmoid":
        pytest.skip(f"PyTorch has no second derivative of {op.name}")
    n = operands(op)
    edges = {1: EDGES, 2: EDGES[:14]}.get(n, [-2.5, 0.0, 1.0, 800.0])
    points = [xs for xs in [*product(edges, repeat=n), *grid(op)] if not any(map(math.isnan, xs))]
    columns = [
        torch.tensor(column, dtype=torch.float64, requires_grad=True)
        for column in zip(*points, strict=True)
    ]
    result = function(*columns, **op.parameters).sum()
    first = torch.autograd.grad(result, columns, create_graph=True)
    for j, slopes in enumerate(first):
        theirs: list[list[float]] = [[0.0] * len(points)] * n
        if slopes.requires_grad:
            rows = torch.autograd.grad(slopes.sum(), columns, retain_graph=True, allow_unused=True)
            theirs = [
                [0.0] * len(points) if row is None else (torch.zeros_like(slopes) + row).tolist()
                for row in rows
            ]
        for number, xs in enumerate(points):
            if not math.isfinite(op.vjp(1.0, *xs)[j]):
                continue
            leaves, entry = second(op, xs)
            for k in range(n):
                got, want = entry(j, k), theirs[k][number]
                tolerance = 100 * running_error(got, leaves) + 1e-12
                same = got.data == want or abs(got.data - want) <= tolerance
                excepted = op.name in DIFFERS and DIFFERS[op.name](*xs)
                what = f"∂²/∂x{j}∂x{k} of {op!r} at {xs}: {got.data!r}"
                assert same or excepted or (math.isnan(want) and math.isnan(got.data)), (
                    f"{what}, not {want!r} ± {tolerance}, as PyTorch {torch.__version__} says"
                )
                near = all(x == 0 or 1e-150 < abs(x) < 1e150 for x in xs)
                if near and all(map(math.isfinite, op.vjp(1.0, *xs))):
                    assert not math.isnan(got.data), f"{op!r} at {xs}"
                    right = None if same else second_slope(op, xs, j, k)
                    assert right is None or abs(got.data - right) <= tolerance, f"{what}, {right}"


# Complex step and central differences, of the first and of the second derivative


def tame(op: Operation) -> list[tuple[float, ...]]:
    """Points from the grid where nothing is near to overflow."""
    points = [xs for xs in grid(op) if all(1e-20 < abs(x) < 50 for x in xs)][:40]
    if op is ops.remainder:  # off its jumps
        return [xs for xs in points if op(*xs) != 0 and abs(xs[1]) > 0.1]
    return points


JUMPS = ("floor", "ceil", "round", "remainder")


@each_variant
def test_numerical_differentiation_confirms_both(op: Operation) -> None:
    for xs in tame(op):
        if not math.isfinite(op(*xs)):
            continue
        check_grad(op, xs)
        for k in range(len(xs)):
            check_grad(grad(op, k), xs)


# The complex step against mpmath: its own accuracy, without which it is no oracle


@each_variant
def test_the_complex_step(op: Operation) -> None:
    for xs in grid(op):
        exact = [_slope(op.forward, xs, k) for k in range(len(xs))]
        for k, want in enumerate(exact):
            zs = [Dual(x, 1.0 if i == k else None) for i, x in enumerate(xs)]
            value = op(*xs)
            try:
                result = complex_step.convert(op.forward(complex_step, *zs))
            except KinkError:
                ties = 0 in xs or len(set(map(abs, xs))) < len(xs) or abs(xs[0]) in (1, 3)
                assert ties or op.name in JUMPS
                continue
            what = f"∂/∂x{k} of {op!r} at {xs}"
            assert _same(op, xs, result.real, value), what
            if want is None or abs(want) > mpf("1e300") or math.isnan(result.tangent):
                continue
            rounded = 2.0**-53 * abs(want) + mpf("1e-49")  # and what is left of f‴ in `want`
            assert abs(result.tangent - want) <= result.tangent_error + rounded, what
            if abs(want) > 1e-290:
                bound = 2.0**-44 * (abs(want) + _sensitivity(op, xs, k, want))
                assert result.tangent_error <= bound, what


def _same(op: Operation, xs: tuple[float, ...], real: float, value: float) -> bool:
    """The number itself; but from Python 3.12 on `sum` rounds a sum of floats only once."""
    if real == value or (math.isnan(real) and math.isnan(value)):
        return True
    n = len(xs) // 2
    terms = sum(abs(w * a) for w, a in zip(xs[:n], xs[n:], strict=False)) + abs(xs[-1])
    return op is ops.weighted_sum and abs(real - value) <= len(xs) * 2.0**-53 * terms


@each_variant
def test_the_complex_step_has_a_number_wherever_all_is_tame(op: Operation) -> None:
    for xs in tame(op):
        if op.name == "std" and op(*xs) == 0:
            continue
        if math.isfinite(op(*xs)) and all(map(math.isfinite, op.vjp(1.0, *xs))):
            try:
                result = op.forward(complex_step, *(Dual(x, 1.0) for x in xs))
            except KinkError:
                assert op.name.startswith("hard") or op.name in JUMPS
                continue
            assert math.isfinite(complex_step.convert(result).tangent), f"{op!r} at {xs}"


# Third and fourth derivatives, exactly and to fifty digits


@each_variant
def test_third_derivatives_at_high_precision(op: Operation) -> None:
    n = operands(op)
    for xs in [
        (0.7, 0.8, 0.9, 0.6, 0.5)[:n],
        (-0.3,) * n if n == 1 else (0.25, 1.3, 0.7, 0.5, 0.1)[:n],
    ]:
        with mp.workdps(60):
            points = [mpf(x) for x in xs]
            value = evaluate(op.forward, *points)
            if not mp.isfinite(value):
                continue

            def along(t: Any, points: Any = points) -> Any:
                """The operation along the first operand."""
                return evaluate(op.forward, points[0] + t, *points[1:])

            want = mp.diff(along, 0, 3)
            third = grad(grad(grad(op)))(*points)
            assert abs(third - want) <= mpf("1e-12") * (1 + abs(want)), f"{op!r} at {xs}"


@pytest.mark.parametrize("op", [op for op in variants() if op.arity == 1], ids=repr)
def test_where_the_first_derivative_is_nan_the_higher_ones_are(op: Operation) -> None:
    if op.name == "power_constant" or not math.isnan(grad(op)(nan)):
        return  # (x²)″ is 2 everywhere; and there are branches that NaN falls into, as relu's
    x = Value(nan)
    first = op(x).backward(create_graph=True)[x]
    second = first.backward(create_graph=True)[x]
    found = {
        "create_graph": second.data,
        "reverse over reverse": grad(grad(op))(nan),
        "forward over reverse": hessian(op)(nan),
        "forward over forward": jvp(lambda x: jvp(op, (x,), (1.0,))[1], (nan,), (1.0,))[1],
        "third": grad(grad(grad(op)))(nan),
    }
    assert all(map(math.isnan, found.values())), found


@pytest.mark.parametrize("f", [lambda y: 1 / y, lambda y: y**-1], ids=["1/y", "y**-1"])
@pytest.mark.parametrize("y", [10.0**k for k in range(95, 112)])
def test_the_second_derivative_of_a_reciprocal_among_the_smallest_floats(f: Any, y: float) -> None:
    """2/y³: within a few roundings, and among subnormals within a few of their steps 2⁻¹⁰⁷⁴."""
    want = 2 / mpf(y) ** 3
    for got in (
        hessian(f)(y),
        grad(grad(f))(y),
        jvp(lambda y: jvp(f, (y,), (1.0,))[1], (y,), (1.0,))[1],
    ):
        assert abs(mpf(got) - want) <= 8 * mpf(2) ** -53 * want + 2 * mpf(2) ** -1074
