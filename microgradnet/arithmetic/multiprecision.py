"""mpmath numbers, at the precision of mpmath's own context (`mpmath.mp.dps`).

Domains and infinities are those of floats: NaN outside the domain, 1/0 = inf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from mpmath import inf, mp, mpf, nan

from microgradnet.arithmetic.base import PRIMITIVES, Number
from microgradnet.arithmetic.ieee import Rounded, ieee

__all__ = ["mpf", "multiprecision"]


def _real(function: Callable[..., Number]) -> Callable[..., Number]:
    """Keep a function on the reals: NaN where mpmath would go on into the complex plane."""

    def real(*xs: Number) -> Number:
        value = function(*xs)
        return value if isinstance(value, mpf) else nan

    return real


_REAL = {
    name: _real(getattr(mp, name)) for name in (*PRIMITIVES, "power", "hypot", "expm1", "log1p")
}


class _Multiprecision(Rounded, functions=_REAL | {"fsum": mp.fsum}):
    name = "mpmath"

    @property
    def pi(self) -> Number:
        return +mp.pi

    def convert(self, x: Number) -> Number:
        if isinstance(x, Fraction):
            return mpf(x.numerator) / x.denominator
        return mpf(x)

    def is_infinite(self, x: Number) -> bool:
        return bool(mp.isinf(x))

    def divide(self, x: Number, y: Number) -> Number:
        try:
            return x / y
        except ZeroDivisionError:
            return x * inf  # mpmath has one zero, without a sign

    def power(self, x: Number, y: Number) -> Number:
        if not (mp.isfinite(x) and mp.isfinite(y)):  # mpmath has 1 to the power inf undefined
            return mpf(ieee.power(float(x), float(y)))
        if x == 0 and y < 0:
            return inf
        return _REAL["power"](x, y)

    def hypot(self, x: Number, y: Number, /) -> Number:
        return inf if mp.isinf(x) or mp.isinf(y) else _REAL["hypot"](x, y)

    def log(self, x: Number) -> Number:
        return -inf if x == 0 else _REAL["log"](x)

    def log1p(self, x: Number) -> Number:
        return -inf if x == -1 else _REAL["log1p"](x)

    def atan2(self, y: Number, x: Number, /) -> Number:
        if mp.isfinite(x) and mp.isfinite(y):
            return _REAL["atan2"](y, x)
        with mp.workprec(mp.prec + 10):  # a multiple of π/4, or NaN
            quarters = round(4 * ieee.atan2(float(y), float(x)) / ieee.pi, 3)
            return mp.pi * mpf(quarters) / 4

    def floor(self, x: Number) -> Number:
        return mp.floor(x) if mp.isfinite(x) else x

    def remainder(self, x: Number, y: Number) -> Number:
        if y == 0 or not (mp.isfinite(x) and mp.isfinite(y)):
            return mpf(ieee.remainder(float(x), float(y)))
        return x % y

    def atanh(self, x: Number) -> Number:
        return x * inf if x in (-1, 1) else _REAL["atanh"](x)

    def erfc(self, x: Number) -> Number:
        # mpmath's own cannot take so large a number; e to the power −x² is below anything here.
        return mpf(0) if x > mpf("1e100") else _REAL["erfc"](x)

    def softmax(self, xs: Sequence[Number]) -> tuple[Number, ...]:
        largest = max(xs)
        if mp.isinf(largest):  # which operands are infinite decides alone, as in floats
            limits = ieee.softmax([0.0 if mp.isfinite(x) else float(x) for x in xs])
            return tuple(map(mpf, limits))
        shares: tuple[Number, ...] = super().softmax([x - largest for x in xs])
        return shares


multiprecision = _Multiprecision()
