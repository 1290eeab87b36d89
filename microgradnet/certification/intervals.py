"""Interval arithmetic on mpmath's numbers, slower than balls by far: what to do without Arb.

+, −, × and / round outwards. mpmath proves no bound for its functions. So each is computed with 30
bits more, and of these 20 are given up: the ends are moved outwards by as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from fractions import Fraction
from math import inf, nextafter
from typing import Any

from mpmath import libmp, mp, mpf
from mpmath.libmp import libmpi

from microgradnet.arithmetic import Number
from microgradnet.certification.enclosures import Ball, Enclosed, EnclosureArithmetic

__all__ = ["Interval", "intervals"]

_MORE_BITS, _SURE_BITS = 30, 10
_FLOOR, _CEILING = libmp.round_floor, libmp.round_ceiling


class Interval:
    """Hold the two ends of an interval, as mpmath's raw numbers; None where it is undefined."""

    __slots__ = ("ends",)

    def __init__(self, ends: Any) -> None:
        self.ends = ends

    def __add__(self, other: Interval) -> Interval:
        return _computed(libmpi.mpi_add, self, other)

    def __sub__(self, other: Interval) -> Interval:
        return _computed(libmpi.mpi_sub, self, other)

    def __mul__(self, other: Interval) -> Interval:
        return _computed(libmpi.mpi_mul, self, other)

    def __neg__(self) -> Interval:
        return _computed(libmpi.mpi_neg, self)

    def __abs__(self) -> Interval:
        return _computed(libmpi.mpi_abs, self)

    @property
    def lower(self) -> Any:
        """Return the lower end as mpmath's number."""
        return mp.make_mpf(self.ends[0])

    @property
    def upper(self) -> Any:
        """Return the upper end as mpmath's number."""
        return mp.make_mpf(self.ends[1])

    @property
    def has_zero(self) -> bool:
        """Tell whether 0 lies within, ends included."""
        return bool(self.lower <= 0 <= self.upper)


UNDEFINED = Interval(None)


def _computed(function: Callable[..., Any], *xs: Interval) -> Interval:
    if any(x.ends is None for x in xs):
        return UNDEFINED
    return Interval(function(*[x.ends for x in xs], mp.prec))


def _point(function: Callable[[Any], Any], x: Any) -> Interval:
    """Enclose a function at one number."""
    bits = mp.prec
    with mp.workprec(bits + _MORE_BITS):
        value = function(x)
        if not (isinstance(value, mpf) and mp.isfinite(value)):
            return UNDEFINED
        error = mp.ldexp(abs(value), -bits - _SURE_BITS)
    return _outwards(
        libmp.mpf_sub(value._mpf_, error._mpf_), libmp.mpf_add(value._mpf_, error._mpf_)
    )


def _outwards(lower: Any, upper: Any) -> Interval:
    """Round two ends outwards, to as many bits as are computed with.

    Only so may they be added: of an operand with more bits mpmath rounds sums to the wrong side.
    """
    bits = mp.prec
    return Interval((libmp.mpf_pos(lower, bits, _FLOOR), libmp.mpf_pos(upper, bits, _CEILING)))


def _monotone(function: Callable[[Any], Any]) -> Callable[[Number], Enclosed]:
    def enclosed(x: Number) -> Enclosed:
        ball = intervals.ball(x)
        if ball.ends is None:
            return Enclosed(intervals, ball)
        ends = [_point(function, end) for end in (ball.lower, ball.upper)]
        return Enclosed(intervals, intervals.hull(*ends))

    return enclosed


_MONOTONE = (
    "exp", "expm1", "log", "log1p", "sqrt", "asin", "acos", "atan", "sinh", "tanh", "asinh",
    "atanh", "erf",
)  # fmt: skip


class _Intervals(
    EnclosureArithmetic, functions={name: _monotone(getattr(mp, name)) for name in _MONOTONE}
):
    name = "interval"
    library = "intervals, by mpmath"

    @property
    def pi(self) -> Enclosed:
        return Enclosed(self, _point(lambda _: +mp.pi, None))

    def cosh(self, x: Number) -> Enclosed:
        return _monotone(mp.cosh)(self.abs(x))

    def acosh(self, x: Number) -> Enclosed:
        above = self.convert(x) - 1  # mpmath's own loses digits near 1
        acosh: Enclosed = self.log1p(above + self.sqrt(above * (above + 2)))
        return acosh

    def sin(self, x: Number) -> Enclosed:
        return self._lipschitz(mp.sin, x)

    def cos(self, x: Number) -> Enclosed:
        return self._lipschitz(mp.cos, x)

    def tan(self, x: Number) -> Enclosed:
        return self.divide(self.sin(x), self.cos(x))

    def erfc(self, x: Number) -> Enclosed:
        ball = self.ball(x)
        far = ball.ends is not None and ball.lower > 2**20  # where mpmath's own may overflow
        if far:  # and erfc x < e⁻ˣ² < 2⁻ˣ²
            return Enclosed(self, Interval((libmp.fzero, libmp.from_man_exp(1, -(2**40)))))
        return _monotone(mp.erfc)(x)

    def floor(self, x: Number) -> Enclosed:
        ball = self.ball(x)
        if ball.ends is None:
            return Enclosed(self, ball)
        return Enclosed(self, Interval(tuple(libmp.mpf_floor(end) for end in ball.ends)))

    def atan2(self, y: Number, x: Number) -> Enclosed:
        zero = self.exact(0)
        above, right = (self.certain_order(self.ball(each), zero) for each in (y, x))
        angle: Enclosed
        if right == 1:
            angle = self.atan(self.divide(y, x))
            return angle
        if above:  # −1 or 1
            angle = self.pi * above / 2 - self.atan(self.divide(x, y))
            return angle
        if above == 0 and right is not None:
            return self.pi if right else self.convert(0)
        return Enclosed(self, UNDEFINED)

    def _lipschitz(self, function: Callable[[Any], Any], x: Number) -> Enclosed:
        """Enclose a function by its number in the middle: its slope is between −1 and 1."""
        ball = self.ball(x)
        if ball.ends is None:
            return Enclosed(self, ball)
        middle = (ball.lower + ball.upper) / 2
        around = Interval((middle._mpf_, middle._mpf_))
        away = abs(self.hull(around, ball) - around)
        reach = Interval((libmp.mpf_neg(away.ends[1]), away.ends[1]))
        return Enclosed(self, _point(function, middle) + reach)

    def precision(self, bits: int) -> AbstractContextManager[object]:
        context: AbstractContextManager[object] = mp.workprec(bits)
        return context

    def exact(self, x: Number) -> Ball:
        if isinstance(x, Fraction):
            return self.quotient(self.exact(x.numerator), self.exact(x.denominator))
        number = x if isinstance(x, mpf) else mpf(x, prec=inf)
        return _outwards(number._mpf_, number._mpf_) if mp.isfinite(number) else UNDEFINED

    def nearest(self, balls: Iterable[Ball]) -> list[float | None]:
        ends = [ball.ends and tuple(map(_float, ball.ends)) for ball in balls]
        return [each[1] if each and each[0] == each[1] else None for each in ends]

    def bounds(self, ball: Ball) -> tuple[float, float]:
        if ball.ends is None:
            return -inf, inf
        low, high = map(_float, ball.ends)
        return nextafter(low, -inf), nextafter(high, inf)

    def is_finite(self, ball: Ball) -> bool:
        return ball.ends is not None

    def is_exact(self, ball: Ball) -> bool:
        return ball.ends is not None and ball.ends[0] == ball.ends[1]

    def hull(self, one: Ball, other: Ball) -> Ball:
        if one.ends is None or other.ends is None:
            return UNDEFINED
        lower, upper = min(one.lower, other.lower), max(one.upper, other.upper)
        return Interval((lower._mpf_, upper._mpf_))

    def quotient(self, x: Ball, y: Ball) -> Ball:
        if y.ends is None or y.has_zero:
            return UNDEFINED
        return _computed(libmpi.mpi_div, x, y)

    def whole(self, ball: Ball) -> int | None:
        return int(ball.lower) if self.is_exact(ball) and mp.isint(ball.lower) else None

    def power_of(self, x: Ball, y: Ball) -> Ball:
        power = self.exp(Enclosed(self, y) * self.log(Enclosed(self, x)))
        return power.ball

    def certain_order(self, x: Ball, y: Ball) -> int | None:
        if x.ends is None or y.ends is None:
            return None
        if x.upper < y.lower:
            return -1
        if x.lower > y.upper:
            return 1
        return 0 if self.is_exact(x) and x.ends == y.ends else None


def _float(raw: Any) -> float:
    """Round to the nearest float. mpmath rounds twice below 2⁻¹⁰²²; a quotient of ints does not."""
    sign, mantissa, exponent, bits = raw
    if not -1100 < exponent + bits < 1100:
        size = inf if exponent + bits > 0 and mantissa else 0.0
    else:
        try:
            size = (mantissa << max(exponent, 0)) / (1 << max(-exponent, 0))
        except OverflowError:
            size = inf
    return -size if sign else size


intervals = _Intervals()
