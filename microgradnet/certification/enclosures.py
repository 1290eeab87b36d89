"""The arithmetic of real numbers of which only an enclosure is known: a ball, or an interval.

It fills in the table of elementary functions, so the rules of the operations run in it as they
are. What they compute encloses the true number, whatever was rounded on the way.

A rule compares numbers, to choose a branch. Of two enclosures that overlap the order is not known.
So the rule is run once for each order they may have, and the results are enclosed together.
"""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import Any, TypeAlias

from microgradnet.arithmetic import NO_PART, Arithmetic, Number

__all__ = ["Ball", "Enclosed", "EnclosureArithmetic", "UndecidedError"]

Ball: TypeAlias = Any
"""The library's own object, a ball or an interval."""

_MOST_CASES = 100
"""So many orders of the numbers in a rule are tried at most."""
_LESS, _EQUAL, _GREATER = -1, 0, 1


class UndecidedError(ArithmeticError):
    """Say that the orders of too many numbers are not known."""


class Enclosed:
    """Hold a real number by its enclosure; what a rule may do with numbers can be done with it.

    It has no `__float__`: a rule that leaves the arithmetic m, by math.exp say, is an error.
    """

    __slots__ = ("ball", "m", "rational")
    __hash__ = None  # type: ignore[assignment]  # it equals other objects, as a number does

    def __init__(self, m: EnclosureArithmetic, ball: Ball, rational: Number = None) -> None:
        self.m, self.ball = m, ball
        self.rational = rational
        """The number itself, where it is an int or a Fraction; None where it need not be one."""

    def __add__(self, other: Any) -> Enclosed:
        return Enclosed(self.m, self.ball + self.m.ball(other))

    def __sub__(self, other: Any) -> Enclosed:
        return Enclosed(self.m, self.ball - self.m.ball(other))

    def __rsub__(self, other: Any) -> Enclosed:
        return Enclosed(self.m, self.m.ball(other) - self.ball)

    def __mul__(self, other: Any) -> Enclosed:
        return Enclosed(self.m, self.ball * self.m.ball(other))

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Any) -> Enclosed:
        return self.m.divide(self, other)

    def __rtruediv__(self, other: Any) -> Enclosed:
        return self.m.divide(other, self)

    def __pow__(self, other: Any) -> Enclosed:
        return self.m.power(self, other)

    def __rpow__(self, other: Any) -> Enclosed:
        return self.m.power(other, self)

    def __neg__(self) -> Enclosed:
        return Enclosed(self.m, -self.ball)

    def __abs__(self) -> Enclosed:
        return self.m.abs(self)

    def __lt__(self, other: Any) -> bool:
        return self.m.order(self, other) == _LESS

    def __gt__(self, other: Any) -> bool:
        return self.m.order(self, other) == _GREATER

    def __eq__(self, other: Any) -> bool:
        return self.m.order(self, other) == _EQUAL

    def __le__(self, other: Any) -> bool:
        return self.m.order(self, other) in (_LESS, _EQUAL)

    def __ge__(self, other: Any) -> bool:
        return self.m.order(self, other) in (_EQUAL, _GREATER)


class EnclosureArithmetic(Arithmetic):
    """Compute with enclosures. A library of them says how, by the methods that are abstract here.

    Its balls take +, −, × and abs among themselves. What is undefined, as 1/0 is, must give a ball
    that is not finite, and so must whatever is computed from that.
    """

    no_part = NO_PART
    library: str
    """What to call the library in a report."""

    def __init__(self) -> None:
        # The last softmax: what it was of, and the shares
        self._shared: list[Ball] = []
        self._shares: tuple[Number, ...] = ()
        # The present case: the orders it assumes, in the sequence in which they are asked for
        self._orders: list[int | None] = []
        self._asked = 0
        self._known: dict[tuple[Any, Any], tuple[int | None, Any, Any]] = {}
        self._pending: list[tuple[int | None, ...]] = []
        """The beginnings of the cases that are still to come."""

    # What a library says

    @abstractmethod
    def precision(self, bits: int) -> AbstractContextManager[object]:
        """Compute with that many bits in a block."""

    @abstractmethod
    def exact(self, x: Number) -> Ball:
        """Enclose an int, float, Fraction or mpf; a float in a ball of radius 0."""

    @abstractmethod
    def nearest(self, balls: Iterable[Ball]) -> list[float | None]:
        """Return of each ball the float to which all its numbers round; None where several are."""

    @abstractmethod
    def bounds(self, ball: Ball) -> tuple[float, float]:
        """Return two floats that enclose the ball."""

    @abstractmethod
    def is_finite(self, ball: Ball) -> bool:
        """Tell whether the ball is one of real numbers, and bounded."""

    @abstractmethod
    def is_exact(self, ball: Ball) -> bool:
        """Tell whether the ball is a single number."""

    @abstractmethod
    def hull(self, one: Ball, other: Ball) -> Ball:
        """Enclose two balls in one."""

    @abstractmethod
    def quotient(self, x: Ball, y: Ball) -> Ball:
        """Compute x/y; not finite where y may be 0."""

    @abstractmethod
    def whole(self, ball: Ball) -> int | None:
        """Return the whole number that a ball of radius 0 is; None for any other."""

    @abstractmethod
    def power_of(self, x: Ball, y: Ball) -> Ball:
        """Compute xʸ of y that is no whole number, or not known to be: that is for x > 0."""

    # What follows

    def ball(self, x: Any) -> Ball:
        """Return the enclosure of a number of either kind."""
        return x.ball if type(x) is Enclosed else self.exact(x)

    def convert(self, x: Number) -> Enclosed:
        """Enclose a number, or a rule's constant."""
        return x if type(x) is Enclosed else Enclosed(self, self.exact(x))

    def where(self, condition: Any, x: Number, y: Number) -> Number:
        """Choose x where the condition holds, in the present case, else y."""
        return x if condition else y

    def equal(self, x: Number, y: Number) -> bool:
        """Tell whether x = y, in the present case."""
        return self.order(x, y) == _EQUAL

    def abs(self, x: Number) -> Enclosed:
        """Compute |x|."""
        return Enclosed(self, abs(self.ball(x)))

    def divide(self, x: Number, y: Number) -> Enclosed:
        """Compute x/y; undefined where y may be 0."""
        return Enclosed(self, self.quotient(self.ball(x), self.ball(y)))

    def power(self, x: Number, y: Number) -> Enclosed:
        """Compute xʸ; 0⁰ = 1."""
        base, exponent, zero = self.ball(x), self.ball(y), self.exact(0)
        whole = self.whole(exponent)
        if whole is not None:
            return Enclosed(self, self._whole_power(base, whole))
        if self._is_zero(base) and self.certain_order(exponent, zero) == _GREATER:
            return Enclosed(self, zero)
        return Enclosed(self, self.power_of(base, exponent))

    def _whole_power(self, base: Ball, exponent: int) -> Ball:
        power = self.exact(1)
        for digit in f"{abs(exponent):b}":
            power = power * power
            if digit == "1":
                power = power * base
        return power if exponent >= 0 else self.quotient(self.exact(1), power)

    def _is_zero(self, ball: Ball) -> bool:
        return self.certain_order(ball, self.exact(0)) == _EQUAL

    def xlogy(self, x: Number, y: Number) -> Enclosed:
        """Compute x ln y, where 0 ln 0 = 0."""
        if self._is_zero(self.ball(x)) and self.is_finite(self.ball(y)):
            return self.convert(0)
        product: Enclosed = super().xlogy(x, y)
        return product

    def sigmoid(self, x: Number) -> Enclosed:
        """Compute σ(x) from the exponential that is at most 1: the other may be out of reach."""
        if self.certain_order(self.ball(x), self.exact(0)) == _LESS:
            power = self.exp(x)
            return self.divide(power, 1 + power)
        return self.divide(1, 1 + self.exp(-x))

    def softplus(self, x: Number) -> Enclosed:
        """Compute ln(1 + eˣ), in the same way."""
        if self.certain_order(self.ball(x), self.exact(0)) == _GREATER:
            return self.convert(x) + self.softplus(-x)
        softplus: Enclosed = super().softplus(x)
        return softplus

    def log_sum_exp(self, xs: Sequence[Number]) -> Enclosed:
        """Compute ln Σ exp xₖ, as c + ln Σ exp(xₖ − c) for a float c near the largest."""
        shift = self._shift(xs)
        total: Enclosed = super().log_sum_exp([x - shift for x in xs])
        return shift + total

    def softmax(self, xs: Sequence[Number]) -> tuple[Number, ...]:
        """Compute the shares of exp(xₖ − c), which are those of exp xₖ.

        The last ones are kept: every component of a softmax asks for all of them.
        """
        balls, shares = [*map(self.ball, xs)], self._shares
        if len(balls) != len(self._shared) or not all(map(operator.is_, balls, self._shared)):
            shift = self._shift(xs)
            shares = super().softmax([x - shift for x in xs])
            self._shared, self._shares = balls, shares
        return shares

    def _shift(self, xs: Sequence[Number]) -> float:
        """Return a float near the largest number; 0 where that is not bounded."""
        largest = max(self.bounds(self.ball(x))[1] for x in xs)
        return largest if abs(largest) < 1e300 else 0.0

    # Orders that are not known

    def every_case(self, function: Callable[[], Any]) -> list[Any]:
        """Return what a function computes, once for each order that numbers in it may have."""
        results: list[Any] = []
        self._pending = [()]
        while self._pending:
            if len(results) == _MOST_CASES:
                raise UndecidedError
            self._orders, self._asked, self._known = [*self._pending.pop()], 0, {}
            results.append(function())
        self._known = {}
        return results

    def order(self, x: Number, y: Number) -> int | None:
        """Return −1, 0, 1 for x < y, x = y, x > y, None where one is undefined.

        Where several are possible, it is what the present case assumes.
        """
        certain = self._order_of_rationals(x, y)
        if certain is not None:
            return certain
        a, b = self.ball(x), self.ball(y)
        certain = self.certain_order(a, b)
        if certain is not None:
            return certain
        # An object stands for a number; two enclosures may be equal when their numbers are not.
        first, second = ((id(each),) if type(each) is Enclosed else each for each in (x, y))
        if (first, second) not in self._known:
            assumed = self._assumed_order(a, b)
            # x and y are kept, lest another object get the identity of one
            self._known[first, second] = (assumed, x, y)
            self._known[second, first] = (None if assumed is None else -assumed, x, y)
        return self._known[first, second][0]

    def _assumed_order(self, x: Ball, y: Ball) -> int | None:
        """Return the order in the present case; of a new question, one, and leave cases to come."""
        if self._asked == len(self._orders):
            others: list[int | None] = [_EQUAL, _GREATER]
            if not (self.is_finite(x) and self.is_finite(y)):
                others.append(None)
            self._pending += [(*self._orders, other) for other in others]
            self._orders.append(_LESS)
        self._asked += 1
        return self._orders[self._asked - 1]

    @staticmethod
    def _order_of_rationals(x: Number, y: Number) -> int | None:
        p = x.rational if type(x) is Enclosed else x
        q = y.rational if type(y) is Enclosed else y
        if isinstance(p, (int, Fraction)) and isinstance(q, (int, Fraction)):
            return (p > q) - (p < q)
        return None

    @abstractmethod
    def certain_order(self, x: Ball, y: Ball) -> int | None:
        """Return the order of all numbers of x to all of y; None where it is not one."""
