"""Floats whose exponents have no bounds, against mpmath, and against floats where these do."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mpmath import mp, mpf

from microgradnet.arithmetic import PRIMITIVES, WideFloat, common, ieee, parts, wide

U = 2.0**-53
DIGITS = 1400  # 1 + e^−3000 has as many

wides = st.builds(
    lambda m, e: WideFloat(m, e), st.floats(0.5, 1) | st.floats(-1, -0.5), st.integers(-3000, 3000)
)
moderate = st.floats(-3000, 3000).filter(lambda x: abs(x) > 1e-3).map(WideFloat)
special = st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan])


def exact(x: WideFloat) -> Any:
    return mpf(x.mantissa) * mpf(2) ** x.exponent


def close(got: WideFloat, want: Any, roundings: float = 4) -> bool:
    return bool(abs(exact(got) - want) <= roundings * U * abs(want))


def same(x: Any, y: float) -> bool:
    x = float(x)
    return (x == y and math.copysign(1, x) == math.copysign(1, y)) or (x != x and y != y)


OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv]


@given(wides, wides | st.integers(-(10**400), 10**400) | st.fractions())
def test_operators_round_once(x: WideFloat, y: Any) -> None:
    with mp.workdps(2000):
        b = exact(y) if isinstance(y, WideFloat) else mpf(Fraction(y).numerator) / y.denominator
        rounded = abs(b) * U  # of y
        for op in OPERATORS:
            if op is operator.truediv and b == 0:
                continue
            got, turned = op(x, y), op(y, x)
            assert abs(exact(got) - op(exact(x), b)) <= 3 * U * abs(exact(got)) + rounded
            assert abs(exact(turned) - op(b, exact(x))) <= 3 * U * abs(exact(turned)) + rounded
        if isinstance(y, WideFloat):
            for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq):
                assert compare(x, y) == compare(exact(x), b)
                assert compare(x, x) == compare(1, 1)


@given(st.floats() | special, st.floats() | special)
def test_on_floats_operators_are_those_of_floats(x: float, y: float) -> None:
    for op in OPERATORS:
        want = ieee.divide(x, y) if op is operator.truediv else op(x, y)
        if want == 0 or abs(want) >= 2.0**-1022:  # a smaller one has been rounded
            got = op(WideFloat(x), y)
            if abs(float(got)) <= 2.0**1023 or not math.isinf(want):
                assert same(got, want), (op, got, want)
    assert (WideFloat(x) < y, WideFloat(x) >= y, WideFloat(x) == y) == (x < y, x >= y, x == y)
    assert same(-WideFloat(x), -x) and same(abs(WideFloat(x)), abs(x))


OF_ALL: dict[str, Callable[[Any], Any]] = {
    "sqrt": mp.sqrt, "log": mp.log, "log1p": mp.log1p, "asinh": mp.asinh, "atan": mp.atan,
    "tanh": mp.tanh, "erf": mp.erf,
}  # fmt: skip
OF_MODERATE: dict[str, Callable[[Any], Any]] = {
    "exp": mp.exp, "expm1": mp.expm1, "sinh": mp.sinh, "cosh": mp.cosh, "sech": mp.sech,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)), "softplus": lambda x: mp.log1p(mp.exp(x)),
    "gaussian": lambda x: mp.exp(-x * x), "erfc": mp.erfc, "normal_cdf": mp.ncdf,
}  # fmt: skip


@pytest.mark.parametrize("name", [*OF_ALL, *OF_MODERATE])
@given(wides, moderate)
def test_functions(name: str, x: WideFloat, z: WideFloat) -> None:
    for v in (x, z) if name in OF_ALL else (z,):
        if name in ("sqrt", "log", "log1p"):
            v = abs(v)
        with mp.workdps(DIGITS if name in ("log1p", "tanh", "expm1", "sinh") else 50):
            want = (OF_ALL | OF_MODERATE)[name](exact(v))
            assert close(getattr(wide, name)(v), want, 6), (v, want)


@given(wides, st.sampled_from([-3, -1, 0.5, 1 / 3, 2, 2.5, 7, 1e-3]) | st.floats(-9, 9), wides)
def test_functions_of_two(x: WideFloat, y: float, z: WideFloat) -> None:
    with mp.workdps(60):
        assert close(wide.power(abs(x), y), mp.power(exact(abs(x)), mpf(y)), 8)
        assert close(wide.hypot(x, z), mp.hypot(exact(x), exact(z)))
        assert close(wide.xlogy(x, abs(z)), exact(x) * mp.log(exact(abs(z))))
        if y == int(y):
            assert close(wide.power(x, y), exact(x) ** int(y), 8)
        else:
            assert math.isnan(float(wide.power(-abs(x), y)))


@given(st.floats(-2000, 2000), st.floats(-2000, 2000))
def test_shares(x: float, y: float) -> None:
    with mp.workdps(60):
        total = mp.exp(x) + mp.exp(y)
        for share, z in zip(wide.softmax([x, y]), (x, y), strict=True):
            assert close(share, mp.exp(z) / total, 16 + abs(x - y))


def test_far_out() -> None:
    huge, tiny = WideFloat(1.0, 5000), WideFloat(1.0, -5000)
    for name in ("sin", "tan", "asin", "atanh", "sinh", "expm1", "log1p", "asinh", "tanh"):
        assert getattr(wide, name)(tiny) == tiny
    assert float(huge) == math.inf and float(-huge) == -math.inf and float(tiny) == 0
    assert float(wide.acosh(huge)) == pytest.approx(5001 * math.log(2))
    assert float(wide.asinh(-huge)) == pytest.approx(-5001 * math.log(2))
    assert float(wide.log1p(huge)) == pytest.approx(5000 * math.log(2))
    assert float(wide.exp(1e300)) == math.inf and float(wide.exp(-1e300)) == 0
    assert math.isnan(float(wide.power(-1.0, 0.5))) and float(wide.power(0.0, -1)) == math.inf
    assert float(wide.power(math.inf, -1)) == 0
    assert float(wide.power(0.5, 5000.5) * WideFloat(1.0, 5000)) == pytest.approx(0.5**0.5)
    assert float(wide.convert(10**400) * Fraction(1, 10**400)) == pytest.approx(1, rel=4 * U)
    assert repr(WideFloat(0.25)) == "WideFloat(0.5, -1)" and hash(tiny) == hash(
        WideFloat(0.5, -4999)
    )
    assert wide.where(True, 1, 2) == 1 and wide.is_infinite(math.inf)
    assert wide.vanishing_product(math.inf, 0.0) == 0 and wide.xlogy(0.0, 0.0) == 0
    assert common(1.0, tiny) is wide and tiny != "tiny"
    assert wide.hypot(tiny, 0.0) == tiny and wide.atan2(1.0, 0.0) == math.atan2(1.0, 0.0)
    assert float(wide.log1p_slope(WideFloat(2.0), WideFloat(-0.75), wide.log1p(-0.75))) == 8.0
    assert [float(x) for x in wide.softmax([math.inf, 0.0])] == [1.0, 0.0]
    with pytest.raises(TypeError):
        _ = tiny + "tiny"


PLAIN = sorted({*PRIMITIVES, *OF_ALL, *OF_MODERATE} - {"atan2"})


@given(st.sampled_from(PLAIN), st.floats(-50, 50) | special)
def test_on_floats_functions_are_those_of_floats(name: str, x: float) -> None:
    want = getattr(ieee, name)(x)
    assume(want == 0 or not 0 < abs(want) < 2.0**-1022)
    got = getattr(wide, name)(WideFloat(x))
    if want != 0 or float(got) == 0:  # what floats have not is 0 there
        assert abs(float(got) - want) <= 4 * U * abs(want) or same(got, want), (name, x, got, want)


def test_a_share_of_nearly_1_has_two_terms() -> None:
    first, second = parts(wide.near_one(WideFloat(2.0), WideFloat(1.0), lambda: 1e-20))
    assert (float(first), float(second)) == (2.0, -2e-20)
    assert float(wide.near_one(WideFloat(2.0), WideFloat(0.25), lambda: 0.75)) == 0.5
    assert float(wide.near_one(WideFloat(math.inf), WideFloat(1.0), lambda: 0.0)) == math.inf
