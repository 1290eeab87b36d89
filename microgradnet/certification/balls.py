"""Ball arithmetic by Arb, from python-flint: a midpoint and a radius that is proven."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from fractions import Fraction
from math import inf, nextafter

from flint import arb, ctx, fmpq

from microgradnet.arithmetic import FUNCTIONS, Number
from microgradnet.certification.enclosures import Ball, Enclosed, EnclosureArithmetic

__all__ = ["balls"]

_SURE_BITS = 82
with ctx.workprec(106):  # in which both are exact
    _UP, _DOWN = 1 + arb(2.0**-80), 1 - arb(2.0**-80)


def _lifted(function: Callable[..., Ball]) -> Callable[..., Enclosed]:
    return lambda *xs: Enclosed(balls, function(*map(balls.ball, xs)))


class _Balls(
    EnclosureArithmetic,
    functions={name: _lifted(getattr(arb, name)) for name in FUNCTIONS if hasattr(arb, name)},
):
    name = "ball"
    library = "Arb, by python-flint"

    @property
    def pi(self) -> Enclosed:
        return Enclosed(self, arb.pi())

    def precision(self, bits: int) -> AbstractContextManager[object]:
        context: AbstractContextManager[object] = ctx.workprec(bits)
        return context

    def exact(self, x: Number) -> Ball:
        if type(x) is float:  # Arb has infinite balls, and a sine of theirs from −1 to 1
            return arb(x) if x - x == 0 else arb.nan()
        if isinstance(x, Fraction):
            return arb(fmpq(x.numerator, x.denominator))
        return arb(x)

    def nearest(self, balls: Iterable[Ball]) -> list[float | None]:
        # Where the radius is below 2⁻⁸² of the midpoint, all numbers lie between the midpoint times
        # 1 ± 2⁻⁸⁰, even with the product rounded to 106 bits. The ends take twice as long.
        up, down, sure = _UP, _DOWN, _SURE_BITS
        floats: list[float | None] = []
        for ball in balls:
            low, high = 0.0, 1.0
            if ball.rel_accuracy_bits() >= sure:
                low, high = float(ball * down), float(ball * up)
            if low != high:
                low, high = self._ends(ball)
            floats.append(high if low == high else None)  # of −0.0 and 0.0 the latter
        return floats

    def _ends(self, ball: Ball) -> tuple[float, float]:
        """Round the two ends to floats, to the nearest."""
        return float(ball.lower()), float(ball.upper())

    def bounds(self, ball: Ball) -> tuple[float, float]:
        low, high = self._ends(ball)
        return (nextafter(low, -inf), nextafter(high, inf)) if low <= high else (-inf, inf)

    def is_finite(self, ball: Ball) -> bool:
        finite: bool = ball.is_finite()
        return finite

    def is_exact(self, ball: Ball) -> bool:
        exact: bool = ball.is_exact()
        return exact

    def hull(self, one: Ball, other: Ball) -> Ball:
        return one.union(other)

    def quotient(self, x: Ball, y: Ball) -> Ball:
        return x / y

    def whole(self, ball: Ball) -> int | None:
        return int(ball.unique_fmpz()) if ball.is_integer() else None

    def power_of(self, x: Ball, y: Ball) -> Ball:
        return x**y

    def certain_order(self, x: Ball, y: Ball) -> int | None:
        if x < y:
            return -1
        if x > y:
            return 1
        return 0 if x == y else None


balls = _Balls()
