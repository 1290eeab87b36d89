"""Floats, as IEEE 754 has them: no operation raises, none returns a complex number.

Where Python's functions raise OverflowError, ZeroDivisionError or ValueError, the standard's
infinity or NaN is returned. Where the textbook formula loses digits or ends in inf − inf or
inf·0, a form that does not is used, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from math import inf, nan
from typing import Any

from microgradnet.arithmetic.base import NO_PART, PRIMITIVES, Arithmetic, Function, Number, TwoTerms

__all__ = ["Rounded", "ieee", "is_normal", "product_in_order", "split"]


_LEAST = 2.0**-1022  # smaller numbers have fewer digits


def split(x: float) -> tuple[float, float]:
    """Return x as the 26 bits whose square is exact, and the rest."""
    scaled = 134217729.0 * x  # 2²⁷ + 1: T. Dekker, Numerische Mathematik 18, 1971
    head = scaled - (scaled - x)
    return head, x - head


def is_normal(x: float) -> bool:
    """Tell whether x has all its digits: neither 0 nor subnormal, neither infinite nor NaN."""
    return _LEAST <= abs(x) < inf


def product_in_order(
    factor: Any,
    product: Function,
    *orders: Function,
    number_of: Callable[[Any], float] = float,
) -> Any:
    """Compute a product; where a factor has not all its digits, the first of other orders that has.

    If none has, it is the last that is no NaN: 0·x/y is 0 where x/y is beyond the floats.

    >>> factor = 1e-200 * 1e-200
    >>> product_in_order(factor, lambda: factor * 1e300, lambda: 1e-200 * 1e300 * 1e-200)
    1e-100
    """
    written = product()
    if is_normal(number_of(factor)):
        return written
    chosen = written
    for each in (*[order() for order in orders], written):
        number = number_of(each)
        if is_normal(number):
            return each
        chosen = each if number == number else chosen
    return chosen


class Rounded(Arithmetic):
    """Share what floats and mpmath numbers have in common: infinities, NaN and lost digits."""

    rounds = True
    no_part = NO_PART
    fsum: Function
    """The sum of some numbers, rounded once."""

    def near_one(self, g: Number, share: Number, rest: Function) -> Number:
        """Return g·share, in two terms beside 1."""
        if share <= 0.5 or not abs(g) < inf:
            return g * share
        return TwoTerms(g, -g * rest())

    def vanishing_product(self, x: Number, y: Number) -> Number:
        """Compute x·y, where ∞·0 is 0."""
        return self.convert(0) if y == 0 and abs(x) == inf else x * y

    def xlogy(self, x: Number, y: Number) -> Number:
        """Compute x ln y, where 0 ln 0 is 0."""
        return self.convert(0) if x == 0 and y == y else x * self.log(y)

    def log_sum_exp(self, xs: Sequence[Number]) -> Number:
        """Compute ln Σₖ exp xₖ, by what each term is less than the largest."""
        for x in xs:
            if x != x:
                return x
        largest = max(xs)
        if abs(largest) == inf:
            return largest
        # Beside the largest term's e⁰ = 1 small ones would be lost, which log1p keeps.
        powers = sorted([self.exp(x - largest) for x in xs])
        return largest + self.log1p(self.fsum(powers[:-1]))


def _total(function: Callable[[float], float]) -> Callable[[float], float]:
    """Return the standard's NaN where Python raises ValueError, and inf for OverflowError."""

    def total(x: float) -> float:
        try:
            return function(x)
        except ValueError:
            return nan
        except OverflowError:
            return inf

    return total


_PARTIAL = ("exp", "expm1", "cosh", "sqrt", "sin", "cos", "tan", "asin", "acos", "acosh")
_FUNCTIONS = {name: getattr(math, name) for name in ("fsum", "hypot", *PRIMITIVES)}
_FUNCTIONS |= {name: _total(getattr(math, name)) for name in _PARTIAL}


class _Ieee(Rounded, functions=_FUNCTIONS):
    name = "float"
    pi = math.pi

    def convert(self, x: Number) -> float:
        try:
            return float(x)
        except OverflowError:  # an int or Fraction beyond the largest float
            return inf if x > 0 else -inf

    def where(self, condition: Any, x: Number, y: Number) -> Number:
        chosen = x if condition else y
        return chosen if chosen is NO_PART else float(chosen)

    def is_infinite(self, x: float) -> bool:
        return math.isinf(x)

    def divide(self, x: float, y: float) -> float:
        try:
            return x / y
        except ZeroDivisionError:
            # 0·inf is NaN and NaN stays; otherwise the signs of x and of the zero decide.
            return x * math.copysign(inf, y)

    def power(self, x: float, y: Number) -> float:
        try:
            return math.pow(x, y)
        except OverflowError:
            return self._beyond(x, self.convert(y))
        except ValueError:
            # Either a zero to a negative power, or a negative base to a fractional one.
            return self._beyond(x, self.convert(y)) if x == 0 else nan

    def _beyond(self, x: float, y: float) -> float:
        """Compute xʸ where it is infinite, or where y itself is beyond the floats."""
        if math.isinf(y):
            return math.pow(x, y) if x != 0 or y > 0 else inf
        return math.copysign(inf, x) if math.fmod(y, 2) in (1, -1) else inf

    _product = staticmethod(product_in_order)
    is_normal = staticmethod(is_normal)

    def scaled(self, g: float, slope: float, x: float, y: float) -> Number:
        # As the table has it, and so is power_log: in two thirds of the time where all is normal.
        if _LEAST <= slope < inf or -inf < slope <= -_LEAST:  # is_normal, without a call
            return g * slope
        return super().scaled(g, slope, x, y)

    def power_slope(self, g: float, x: float, y: float, out: float) -> Number:
        slope = y * out / x if x > 0 else nan  # it has the digits that y − 1 rounds away
        if is_normal(slope) and is_normal(out):
            return g * slope
        return self.scaled(g, y * self.power(x, y - 1), y * out, x)

    def power_log(self, g: float, x: float, y: float, out: float) -> Number:
        slope = out * self.log(x)
        return g * slope if is_normal(slope) else super().power_log(g, x, y, out)

    def gaussian(self, x: float, d: int = 1) -> float:
        if abs(x) < 0.5 or not abs(x) < 40:
            return math.exp(-x * x / d)
        head, tail = split(x)
        return math.exp(-head * head / d) * math.exp(-tail * (x + head) / d)

    def normal_cdf(self, x: float) -> float:
        t = -x / math.sqrt(2)
        cdf = math.erfc(t) / 2
        if not 1 < t < 40:
            return cdf
        # t has been rounded, which is as much as t² moves erfc by, relatively: to first order back.
        head, tail = split(x)
        its_head, its_tail = split(t)
        moved = head * head / 2 - its_head * its_head
        moved += tail * (x + head) / 2 - its_tail * (t + its_head)
        return cdf - self.gaussian(t) * moved / (2 * t * math.sqrt(math.pi))

    def log(self, x: float) -> float:
        return math.log(x) if x > 0 else -inf if x == 0 else nan

    def log1p(self, x: float) -> float:
        return math.log1p(x) if x > -1 else -inf if x == -1 else nan

    def log1p_slope(self, g: float, x: float, out: float) -> Number:
        if -1 <= x < -0.5 and out != self.log1p(x):  # of x = −σ(z) it is ln σ(−z)
            return g * self.exp(-out)
        return self.divide(g, 1 + x)

    def log2(self, x: float) -> float:
        return math.log2(x) if x > 0 else self.log(x)

    def log10(self, x: float) -> float:
        return math.log10(x) if x > 0 else self.log(x)

    def cbrt(self, x: float) -> float:
        if x == 0 or not math.isfinite(x):
            return x
        # Between ½ and 4 the power is off by no more than a step of Newton's mends.
        mantissa, exponent = math.frexp(abs(x))
        thirds, rest = divmod(exponent, 3)
        mantissa = math.ldexp(mantissa, rest)
        root = mantissa ** (1 / 3)
        root -= (root * root * root - mantissa) / (3 * root * root)
        return math.copysign(math.ldexp(root, thirds), x)

    def floor(self, x: float) -> float:
        return float(math.floor(x)) if math.isfinite(x) else x

    def remainder(self, x: float, y: float) -> float:
        return x % y if y else nan

    def sinh(self, x: float) -> float:
        try:
            return math.sinh(x)
        except OverflowError:
            return math.copysign(inf, x)

    def atanh(self, x: float) -> float:
        if -1 < x < 1:
            return math.atanh(x)
        return math.copysign(inf, x) if x in (-1, 1) else nan

    def sigmoid(self, x: float) -> float:
        # exp of a positive number could overflow, and 1 − σ(−x) would lose every digit.
        power = math.exp(-abs(x))
        return (power if x < 0 else 1.0) / (1.0 + power)

    def softplus(self, x: float) -> float:
        # ln(1 + eˣ) overflows on the right and loses every digit on the left.
        return math.log1p(math.exp(-abs(x))) + (x if x > 0 else 0.0)

    def softmax(self, xs: Sequence[float]) -> tuple[float, ...]:
        largest = max(xs)
        powers = [math.exp(x - largest) for x in xs]
        total = math.fsum(powers)
        if total == total:
            return tuple([power / total for power in powers])
        if any(map(math.isnan, xs)) or largest == -inf:
            return (nan,) * len(xs)
        # One infinite component takes all; several have no limits, only nothing for the rest.
        winner = 1.0 if list(xs).count(inf) == 1 else nan
        return tuple(winner if x == inf else 0.0 for x in xs)


ieee = _Ieee()
