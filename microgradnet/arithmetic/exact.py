"""Rationals (int and Fraction) and Decimal: the field operations, and nothing that leaves them."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import NoReturn

from microgradnet.arithmetic.base import NO_PART, Arithmetic, Number

__all__ = ["IrrationalError", "decimals", "exact"]


class IrrationalError(ArithmeticError):
    """Say that a function was asked for whose values are not rational."""


class _Exact(Arithmetic):
    """Compute with int and Fraction. Dividing by zero raises Python's own ZeroDivisionError."""

    name = "rational"
    no_part = NO_PART

    def refuse(self, function: str) -> NoReturn:
        raise IrrationalError(function)

    @property
    def pi(self) -> NoReturn:
        self.refuse("π")

    def convert(self, x: Number) -> Number:
        if isinstance(x, float):  # a parameter of an operation: from here on all is floats
            self.refuse("a float")
        return x

    def floor(self, x: Number) -> Number:
        return x // 1

    def divide(self, x: Number, y: Number) -> Number:
        return Fraction(x) / y

    def power(self, x: Number, y: Number) -> Number:
        if isinstance(y, float) or y != int(y):
            self.refuse("a power that is not a whole number")
        return x ** int(y) if y >= 0 else self.divide(1, x ** -int(y))


class _Decimals(_Exact):
    """Compute with Decimal, under the caller's decimal context."""

    name = "decimal"

    def convert(self, x: Number) -> Decimal:
        if isinstance(x, Fraction):
            return Decimal(x.numerator) / x.denominator
        return Decimal(x)

    def floor(self, x: Decimal) -> Decimal:
        return x.to_integral_value(ROUND_FLOOR)

    def is_infinite(self, x: Decimal) -> bool:
        return x.is_infinite()

    def divide(self, x: Decimal, y: Decimal) -> Decimal:
        return x / y


exact = _Exact()
decimals = _Decimals()
