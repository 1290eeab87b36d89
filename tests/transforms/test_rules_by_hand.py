"""Derivatives as tables of calculus have them, of what other libraries' suites ask for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microgradnet as mg
from microgradnet import Value, grad, hessian, lift, ops, trace
from microgradnet.complex_step import Dual, complex_step

LN2, LN10 = math.log(2), math.log(10)


def _sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


ONE: list[tuple[Callable[[Any], Any], Callable[[float], float], Callable[[float], float]]] = [
    (mg.log2, math.log2, lambda x: 1 / (x * LN2)),
    (mg.log10, math.log10, lambda x: 1 / (x * LN10)),
    (mg.exp2, lambda x: 2.0**x, lambda x: 2.0**x * LN2),
    (mg.cbrt, lambda x: x ** (1 / 3), lambda x: x ** (-2 / 3) / 3),
    (mg.square, lambda x: x * x, lambda x: 2 * x),
    (mg.reciprocal, lambda x: 1 / x, lambda x: -1 / x**2),
    (mg.degrees, math.degrees, lambda x: 180 / math.pi),
    (mg.radians, math.radians, lambda x: math.pi / 180),
    (mg.logit, lambda x: math.log(x / (1 - x)), lambda x: 1 / (x - x * x)),
    (mg.log_sigmoid, lambda x: math.log(_sigma(x)), lambda x: _sigma(-x)),
    (mg.relu6, lambda x: x, lambda x: 1),
    (mg.celu, lambda x: x, lambda x: 1),
    (mg.selu, lambda x: 1.0507009873554805 * x, lambda x: 1.0507009873554805),
    (
        mg.mish,
        lambda x: x * math.tanh(math.log1p(math.exp(x))),
        lambda x: (
            math.tanh(math.log1p(math.exp(x)))
            + x * _sigma(x) / math.cosh(math.log1p(math.exp(x))) ** 2
        ),
    ),
    (mg.sign, lambda x: 1, lambda x: 0),
    (mg.floor, math.floor, lambda x: 0),
    (mg.ceil, math.ceil, lambda x: 0),
    (mg.round, round, lambda x: 0),
    (lambda x: mg.remainder(x, 0.25), lambda x: x % 0.25, lambda x: 1),
    (lambda x: mg.remainder(2.0, x), lambda x: 2.0 % x, lambda x: -(2.0 // x)),
    (lambda x: mg.atan2(x, 2.0), lambda x: math.atan2(x, 2), lambda x: 2 / (x * x + 4)),
    (lambda x: mg.atan2(2.0, x), lambda x: math.atan2(2, x), lambda x: -2 / (x * x + 4)),
    (lambda x: mg.clip(x, 0.0, 0.5), lambda x: min(x, 0.5), lambda x: float(x < 0.5)),
    (lambda x: mg.clip(0.0, x, 5.0), lambda x: x, lambda x: 1),
    (lambda x: mg.clip(7.0, 0.0, x), lambda x: x, lambda x: 1),
    (
        lambda x: mg.logaddexp(x, 1.0),
        lambda x: math.log(math.exp(x) + math.e),
        lambda x: _sigma(x - 1),
    ),
    (lambda x: mg.max(x, 0.5, x), lambda x: max(x, 0.5), lambda x: float(x > 0.5)),
    (lambda x: mg.min([x, 0.5, 0.7]), lambda x: min(x, 0.5), lambda x: float(x < 0.5)),
    (lambda x: mg.prod(x, 3.0, x), lambda x: 3 * x * x, lambda x: 6 * x),
    (lambda x: mg.var([x, -x]), lambda x: x * x, lambda x: 2 * x),
    (lambda x: mg.std([x, -x], ddof=1), lambda x: math.sqrt(2) * x, lambda x: math.sqrt(2)),
    (lambda x: mg.cumsum([x, x, 1.0])[-1], lambda x: 2 * x + 1, lambda x: 2),
    (lambda x: mg.cumprod([x, x, x])[2], lambda x: x**3, lambda x: 3 * x * x),
]


@pytest.mark.parametrize("x", [0.3, 0.8])
@pytest.mark.parametrize(("f", "value", "slope"), ONE)
def test_derivatives_of_one_variable(
    f: Callable[[Any], Any], value: Any, slope: Any, x: float
) -> None:
    assert f(Value(x)).data == pytest.approx(value(x), rel=1e-14)
    assert grad(f)(x) == pytest.approx(slope(x), rel=1e-14)


def test_ties_share_in_equal_parts() -> None:
    assert grad(lambda v: mg.max(v))([2.0, 1.0, 2.0, 2.0]) == [1 / 3, 0.0, 1 / 3, 1 / 3]
    assert grad(lambda v: mg.min(*v))([2.0, 1.0, 1.0]) == [0.0, 0.5, 0.5]


def test_a_choice_is_recorded_and_lifts() -> None:
    """And its condition has no part, nor has the branch that is not taken."""

    def f(x: Any) -> Any:
        return mg.where(mg.greater(x, 1.0), x * x, mg.log(x))

    assert grad(f)(2.0) == 4.0 and grad(f)(0.5) == 2.0
    assert grad(lambda x: mg.where(x, 1.0, mg.log(x)))(0.0) == math.inf
    assert grad(lambda x: mg.where(1.0, x, mg.log(x - 3)))(3.0) == 1.0
    x = Value(2.0)
    program = lift(f(x), [x])
    assert program.value([[2.0], [0.5]]).tolist() == [4.0, math.log(0.5)]
    with pytest.raises(mg.TracingError):
        trace(lambda x: x[0] if x[0] > 1 else -x[0], 1)
    traced = trace(lambda x: f(x[0]), 1)
    assert traced.value([[2.0], [0.5]]).tolist() == [4.0, math.log(0.5)]


def test_comparisons_are_numbers() -> None:
    pairs = [(1.0, 2.0), (2.0, 2.0), (3.0, 2.0), (math.nan, 2.0)]
    names = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")
    table = {name: [getattr(ops, name)(*xs) for xs in pairs] for name in names}
    assert table == {
        "greater": [0, 0, 1, 0],
        "greater_equal": [0, 1, 1, 0],
        "less": [1, 0, 0, 0],
        "less_equal": [1, 1, 0, 0],
        "equal": [0, 1, 0, 0],
        "not_equal": [1, 0, 1, 1],
    }


@pytest.mark.parametrize(
    "function",
    [np.log2, np.log10, np.exp2, np.cbrt, np.rint, np.round, np.floor, np.ceil, np.fabs, np.square,
     np.reciprocal, np.degrees, np.rad2deg, np.radians, np.deg2rad, np.var, np.std, np.prod],
)  # fmt: skip
def test_numpy_finds_them_on_arrays_of_values(function: Any) -> None:
    numbers = np.array([0.3, 2.5, 1.7])
    found = function(np.array([*map(Value, numbers)]))
    assert [v.data for v in np.atleast_1d(found)] == pytest.approx(
        [*np.atleast_1d(function(numbers))]
    )


@pytest.mark.parametrize("function", [np.arctan2, np.hypot, np.remainder])
def test_numpy_finds_those_of_two(function: Any) -> None:
    x, y = np.array([0.3, -2.5]), np.array([1.5, -0.7])
    found = function(np.array([*map(Value, x)]), np.array([*map(Value, y)]))
    assert [v.data for v in found] == pytest.approx([*function(x, y)])


def test_python_finds_them() -> None:
    v = Value(-2.567)
    assert [math.floor(v).data, math.ceil(v).data, round(v).data] == [-3, -2, -3]
    assert round(v, 2).data == -2.57 and round(Value(1234.0), -2).data == 1200
    assert (v % 2).data == -2.567 % 2 and (7 % Value(-4.0)).data == -1
    assert [x.data for x in np.array([7.5]) % Value(2.0)] == [1.5]
    assert [x.data for x in Value(7.5) % np.array([2.0])] == [1.5]


@pytest.mark.parametrize("point", [(1.0, 1.0), (3.0, 3.0), (-2.0, 2.0)])
def test_the_hessian_of_hypot_on_the_diagonal(point: tuple[float, float]) -> None:
    x, y = point
    cube = math.hypot(x, y) ** 3
    found = hessian(lambda v: mg.hypot(*v))(list(point))
    assert np.allclose(found, [[y * y / cube, -x * y / cube], [-x * y / cube, x * x / cube]])


def test_beyond_the_floats_a_floor_has_no_slope() -> None:
    found = complex_step.floor(Dual(math.inf, 1.0))
    assert found.real == math.inf and math.isnan(found.tangent)
    assert complex_step.floor(Dual(3.0)).real == 3.0
