"""Floats whose exponents have no bounds: 10^−400 is one of them, and e^5000.

A derivative that is a float may have adjoints and numbers on its way that are none: of 1/(1/x) at
x = 10⁻²⁰⁰ the adjoint of 1/x is −10⁻⁴⁰⁰. Where floats lost such a number, a pass is made again in
these. On floats every function is that of floats, to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import wraps
from math import inf
from typing import Any, TypeVar

from microgradnet.arithmetic.base import NO_PART, PRIMITIVES, Number
from microgradnet.arithmetic.ieee import Rounded, ieee, is_normal, split

__all__ = ["WideFloat", "wide"]

R = TypeVar("R")


def _with_number(operator: Callable[[Any, WideFloat], R]) -> Callable[[Any, Any], R]:
    """Take any number that a float could meet."""

    @wraps(operator)
    def of_numbers(self: Any, other: Any) -> R:
        if not isinstance(other, (WideFloat, float, int, Fraction)):
            unsupported: R = NotImplemented
            return unsupported
        return operator(self, _converted(other))

    return of_numbers


class WideFloat:
    """Hold the number mantissa · 2^exponent, rounded as a float is.

    The mantissa is from ½ to 1, or it is 0, infinite or NaN.

    >>> small = WideFloat(1e-200) * 1e-200
    >>> float(small), float(small * 1e300 / WideFloat(1e-100))
    (0.0, 1.0)
    """

    __slots__ = ("exponent", "mantissa")

    def __init__(self, mantissa: float, exponent: int = 0) -> None:
        self.mantissa, shift = math.frexp(mantissa)
        is_number = self.mantissa != 0 and abs(self.mantissa) < 1
        self.exponent = exponent + shift if is_number else 0

    def __float__(self) -> float:
        try:
            return math.ldexp(self.mantissa, self.exponent)
        except OverflowError:
            return math.copysign(inf, self.mantissa)

    def __repr__(self) -> str:
        return f"WideFloat({self.mantissa!r}, {self.exponent})"

    def __hash__(self) -> int:
        return hash((self.mantissa, self.exponent))

    def __neg__(self) -> WideFloat:
        return WideFloat(-self.mantissa, self.exponent)

    def __abs__(self) -> WideFloat:
        return WideFloat(abs(self.mantissa), self.exponent)

    @_with_number
    def __add__(self, other: WideFloat) -> WideFloat:
        if self.mantissa == 0 != other.mantissa:
            return other
        if other.mantissa == 0:
            return WideFloat(self.mantissa + other.mantissa, self.exponent)
        a, b = self._aligned(other)
        return WideFloat(a + b, max(self.exponent, other.exponent))

    @_with_number
    def __sub__(self, other: WideFloat) -> WideFloat:
        return self + -other

    @_with_number
    def __rsub__(self, other: WideFloat) -> WideFloat:
        return other + -self

    @_with_number
    def __mul__(self, other: WideFloat) -> WideFloat:
        return WideFloat(self.mantissa * other.mantissa, self.exponent + other.exponent)

    @_with_number
    def __truediv__(self, other: WideFloat) -> WideFloat:
        mantissa = ieee.divide(self.mantissa, other.mantissa)
        return WideFloat(mantissa, self.exponent - other.exponent)

    @_with_number
    def __rtruediv__(self, other: WideFloat) -> WideFloat:
        return other / self

    __radd__, __rmul__ = __add__, __mul__

    @_with_number
    def __eq__(self, other: WideFloat) -> bool:
        a, b = self._aligned(other)
        return a == b

    @_with_number
    def __lt__(self, other: WideFloat) -> bool:
        a, b = self._aligned(other)
        return a < b

    @_with_number
    def __le__(self, other: WideFloat) -> bool:
        a, b = self._aligned(other)
        return a <= b

    @_with_number
    def __gt__(self, other: WideFloat) -> bool:
        return other < self

    @_with_number
    def __ge__(self, other: WideFloat) -> bool:
        return other <= self

    def _aligned(self, other: WideFloat) -> tuple[float, float]:
        """Return the two mantissas at the larger one's exponent; 0, ∞ and NaN have none."""
        a, b, shift = self.mantissa, other.mantissa, self.exponent - other.exponent
        if a == 0 or b == 0 or not abs(a) < 1 or not abs(b) < 1:
            return a, b
        return (a, math.ldexp(b, -shift)) if shift > 0 else (math.ldexp(a, shift), b)


def _converted(x: Any) -> WideFloat:
    """Convert an int, Fraction or float, exactly as far as 53 bits go."""
    if isinstance(x, WideFloat):
        return x
    if isinstance(x, float):
        return WideFloat(x)
    numerator, denominator = x.numerator, x.denominator
    shift = numerator.bit_length() - denominator.bit_length()
    scaled = Fraction(numerator, denominator) / Fraction(2) ** shift
    return WideFloat(float(scaled), shift)


def _on_floats(function: Callable[..., float]) -> Callable[..., WideFloat]:
    """Take a function of floats; beyond them it is at 0 or ±∞."""
    return lambda *xs: WideFloat(function(*map(float, xs)))


_LINEAR_AT_0 = {"sin", "tan", "asin", "atan", "tanh", "sinh", "asinh", "atanh"}


def _linear_at_0(function: Callable[[float], float]) -> Callable[[Any], WideFloat]:
    """Take a function of floats that near 0 is x itself, to the last bit."""
    return lambda x: _converted(x) if abs(x) < 2.0**-500 else WideFloat(function(float(x)))


_OF_FLOATS = {
    name: (_linear_at_0 if name in _LINEAR_AT_0 else _on_floats)(getattr(ieee, name))
    for name in PRIMITIVES
}


_LN2 = Fraction(0xB17217F7D1CF79ABC9E3B39803F2F7, 2**120)


class _Wide(Rounded, functions=_OF_FLOATS):
    name = "wide float"
    pi = math.pi

    def convert(self, x: Number) -> Number:
        return _converted(x)

    def where(self, condition: Any, x: Number, y: Number) -> Number:
        chosen = x if condition else y
        return chosen if chosen is NO_PART else _converted(chosen)

    def is_infinite(self, x: Number) -> bool:
        return math.isinf(_converted(x).mantissa)

    def divide(self, x: Number, y: Number) -> Number:
        return _converted(x) / y

    def power(self, x: Number, y: Number) -> Number:
        base, exponent = _converted(x), float(y)
        near = ieee.power(float(base), exponent)
        m, e = base.mantissa, base.exponent
        if is_normal(near) and is_normal(float(base)):
            return WideFloat(near)
        if m == 0 or not abs(m) < inf or not abs(exponent) < 2.0**50:
            return WideFloat(near)
        whole, rest = divmod(Fraction(exponent) * e, 1)
        sign = ieee.power(math.copysign(1.0, m), exponent)
        return WideFloat(sign * 2.0 ** float(rest), int(whole)) * self._power(abs(m), exponent)

    def _power(self, m: float, y: float) -> Number:
        """Compute a power of a mantissa, squaring if it is beyond the floats."""
        power = ieee.power(m, y)
        if is_normal(power):
            return WideFloat(power)
        root = self._power(m, y / 2)
        return root * root

    def power_slope(self, g: Number, x: Number, y: Number, out: Number) -> Number:
        return g * (y * out / x) if x > 0 else super().power_slope(g, x, y, out)

    def sqrt(self, x: Number) -> Number:
        x = _converted(x)
        odd = x.exponent % 2
        return WideFloat(ieee.sqrt(x.mantissa * 2**odd), (x.exponent - odd) // 2)

    def hypot(self, x: Number, y: Number, /) -> Number:
        x, y = abs(_converted(x)), abs(_converted(y))
        shift = max(x.exponent, y.exponent)
        if x.mantissa == 0 or y.mantissa == 0:
            return x + y
        return WideFloat(
            math.hypot(*(math.ldexp(v.mantissa, max(v.exponent - shift, -2000)) for v in (x, y))),
            shift,
        )

    def exp(self, x: Number) -> Number:
        x = float(x)
        if abs(x) < 700 or not abs(x) < 2.0**60:
            return WideFloat(ieee.exp(x))
        k = round(x / math.log(2))
        return WideFloat(math.exp(float(Fraction(x) - k * _LN2)), k)

    def expm1(self, x: Number) -> Number:
        near = _linear_at_0(ieee.expm1)(x)
        return near if near < inf else self.exp(x)

    def gaussian(self, x: Number, d: int = 1) -> Number:
        x = float(x)
        near = ieee.gaussian(x, d)
        if is_normal(near) or not abs(x) < 1e30:
            return WideFloat(near)
        head, tail = split(x)
        return self.exp(-head * head / d) * self.exp(-tail * (x + head) / d)

    def log(self, x: Number) -> Number:
        x = _converted(x)
        near = float(x)
        if is_normal(near) or x.exponent == 0 or x.mantissa < 0:
            return WideFloat(ieee.log(near))
        return WideFloat(math.log(x.mantissa) + x.exponent * math.log(2))

    def log1p(self, x: Number) -> Number:
        return self.log(x) if x > 1e300 else _linear_at_0(ieee.log1p)(x)

    def log1p_slope(self, g: Number, x: Number, out: Number) -> Number:
        if -1 <= x < -0.5 and out != self.log1p(x):
            return g * self.exp(-out)
        return super().log1p_slope(g, x, out)

    def sinh(self, x: Number) -> Number:
        if 700 < abs(x) < inf:
            return self.exp(abs(x)) * (0.5 if x > 0 else -0.5)
        return _linear_at_0(ieee.sinh)(x)

    def cosh(self, x: Number) -> Number:
        return self.exp(abs(x)) * 0.5 if 700 < abs(x) < inf else WideFloat(ieee.cosh(float(x)))

    def sech(self, x: Number) -> Number:
        return 1 / self.cosh(x)

    def asinh(self, x: Number) -> Number:
        if 1e300 < abs(x) < inf:
            return self.log(2 * abs(x)) * (1 if x > 0 else -1)
        return _linear_at_0(ieee.asinh)(x)

    def acosh(self, x: Number) -> Number:
        return self.log(2 * x) if x > 1e300 else WideFloat(ieee.acosh(float(x)))

    def erf(self, x: Number) -> Number:
        return x * (2 / math.sqrt(math.pi)) if abs(x) < 2.0**-500 else WideFloat(ieee.erf(float(x)))

    def erfc(self, x: Number) -> Number:
        if not 26 < x < inf:
            return WideFloat(ieee.erfc(float(x)))
        return self.gaussian(x) / x * (_tail(2 * float(x) ** 2) / math.sqrt(math.pi))

    def normal_cdf(self, x: Number) -> Number:
        if not -inf < x < -37:
            return WideFloat(ieee.normal_cdf(float(x)))
        return self.gaussian(x, 2) / -x * (_tail(float(x) ** 2) / math.sqrt(2 * math.pi))

    def sigmoid(self, x: Number) -> Number:
        return self.exp(x) if x < -700 else WideFloat(ieee.sigmoid(float(x)))

    def softplus(self, x: Number) -> Number:
        return self.exp(x) if x < -700 else WideFloat(ieee.softplus(float(x)))

    def log_sum_exp(self, xs: Sequence[Number]) -> Number:
        return WideFloat(ieee.log_sum_exp([*map(float, xs)]))

    def softmax(self, xs: Sequence[Number]) -> tuple[WideFloat, ...]:
        floats = [*map(float, xs)]
        shares = ieee.softmax(floats)
        total = ieee.log_sum_exp(floats)
        if not math.isfinite(total):
            return tuple(map(WideFloat, shares))
        return tuple(
            WideFloat(share) if is_normal(share) else self.exp(x - total)
            for x, share in zip(floats, shares, strict=True)
        )


def _tail(square: float) -> float:
    """Sum the series 1 − 1/s + 1·3/s² − …, whose ninth term is nothing from s = 1352 on."""
    series = term = 1.0
    for k in range(1, 16, 2):
        term *= -k / square
        series += term
    return series


wide = _Wide()
