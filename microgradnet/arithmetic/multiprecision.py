"""mpmath numbers, at the precision of mpmath's own context (`mpmath.mp.dps`).

Domains and infinities are those of floats: NaN outside the domain, 1/0 = inf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from mpmath import inf, mp, mpf, nan

from microgradnet.arithmetic.base import Arithmetic, Number
from microgradnet.arithmetic.ieee import ieee

__all__ = ["mpf", "multiprecision"]


def _real(function: Callable[..., Number]) -> Callable[..., Number]:
    """The function on the reals: NaN where mpmath would go on into the complex plane."""

    def real(self: Arithmetic, *xs: Number) -> Number:
        value = function(*xs)
        return value if isinstance(value, mpf) else nan

    return real


class _Multiprecision(Arithmetic):
    name = "mpmath"

    @property
    def pi(self) -> Number:
        return +mp.pi

    def convert(self, x: Number) -> Number:
        if isinstance(x, Fraction):
            return mpf(x.numerator) / x.denominator
        return mpf(x)

    def where(self, condition: Any, x: Number, y: Number) -> Number:
        return self.convert(x if condition else y)

    def is_infinite(self, x: Number) -> bool:
        return bool(mp.isinf(x))

    def damped(self, x: Number, y: Number) -> Number:
        return mpf(0) if y == 0 and mp.isinf(x) else x * y

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
        return self._power(x, y)

    _power = _real(mp.power)
    hypot = _real(mp.hypot)
    exp = _real(mp.exp)
    expm1 = _real(mp.expm1)

    def log(self, x: Number) -> Number:
        return -inf if x == 0 else self._log(x)

    def log1p(self, x: Number) -> Number:
        return -inf if x == -1 else self._log1p(x)

    _log = _real(mp.log)
    _log1p = _real(mp.log1p)
    sqrt = _real(mp.sqrt)
    sin = _real(mp.sin)
    cos = _real(mp.cos)
    tan = _real(mp.tan)
    asin = _real(mp.asin)
    acos = _real(mp.acos)
    atan = _real(mp.atan)
    sinh = _real(mp.sinh)
    cosh = _real(mp.cosh)
    tanh = _real(mp.tanh)
    asinh = _real(mp.asinh)
    acosh = _real(mp.acosh)

    def atanh(self, x: Number) -> Number:
        return x * inf if x in (-1, 1) else self._atanh(x)

    _atanh = _real(mp.atanh)
    erf = _real(mp.erf)

    def erfc(self, x: Number) -> Number:
        # mpmath's own cannot take so large a number; e to the power −x² is below anything here.
        return mpf(0) if x > mpf("1e100") else self._erfc(x)

    _erfc = _real(mp.erfc)

    def xlogy(self, x: Number, y: Number) -> Number:
        return mpf(0) if x == 0 and not mp.isnan(y) else x * self.log(y)

    def log_sum_exp(self, xs: Sequence[Number]) -> Number:
        if any(map(mp.isnan, xs)):
            return nan
        largest = max(xs)
        if mp.isinf(largest):
            return largest
        powers = sorted(mp.exp(x - largest) for x in xs)
        return largest + mp.log1p(mp.fsum(powers[:-1]))

    def softmax(self, xs: Sequence[Number]) -> tuple[Number, ...]:
        largest = max(xs)
        if mp.isinf(largest):  # which operands are infinite decides alone, as in floats
            shares = ieee.softmax([0.0 if mp.isfinite(x) else float(x) for x in xs])
            return tuple(map(mpf, shares))
        return super().softmax([x - largest for x in xs])


multiprecision = _Multiprecision()
