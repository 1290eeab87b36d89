"""The elementary functions that a derivative rule may use, whatever its numbers are.

A rule is written once, against the names of `Arithmetic`, and means whatever those names mean
for the numbers at hand. It never branches in Python on a number: `where` chooses, so that the
same rule serves floats, formulas and arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeAlias

__all__ = ["Arithmetic", "Number"]

Number: TypeAlias = Any
"""float, int, Fraction, Decimal, mpmath.mpf or sympy.Expr: no static type covers just these."""


class Arithmetic(ABC):
    """One kind of number: its elementary functions, besides +, −, ×, abs and comparisons.

    What stands here with a body is the textbook formula; an arithmetic that rounds replaces it
    by one that keeps its digits.
    """

    name: str

    @property
    @abstractmethod
    def pi(self) -> Number:
        """π."""

    @abstractmethod
    def convert(self, x: Number) -> Number:
        """A number of a narrower kind, or a rule's exact constant, as one of this kind."""

    @abstractmethod
    def where(self, condition: Any, x: Number, y: Number) -> Number:
        """Choose x where the condition holds, else y; both have been evaluated."""

    def both(self, p: Any, q: Any) -> Any:
        """Both p and q hold."""
        return p and q

    def equal(self, x: Number, y: Number) -> Any:
        """Whether x = y, as numbers."""
        return x == y

    def is_infinite(self, x: Number) -> Any:
        """Whether x is +inf or −inf."""
        return False

    def damped(self, x: Number, y: Number) -> Number:
        """x·y where y falls to 0 faster than x can grow: inf·0 is the limit, 0."""
        return x * y

    @abstractmethod
    def divide(self, x: Number, y: Number) -> Number:
        """The quotient x/y."""

    @abstractmethod
    def power(self, x: Number, y: Number) -> Number:
        """The power xʸ; 0⁰ = 1."""

    def abs(self, x: Number) -> Number:
        """|x|."""
        return abs(x)

    def hypot(self, x: Number, y: Number, /) -> Number:
        """√(x² + y²), without overflow on the way."""
        return self.sqrt(x * x + y * y)

    def one_minus_square(self, x: Number) -> Number:
        """1 − x², keeping the digits near x = ±1."""
        return (1 - x) * (1 + x)

    @abstractmethod
    def exp(self, x: Number, /) -> Number:
        """The power eˣ."""

    @abstractmethod
    def log(self, x: Number, /) -> Number:
        """The natural logarithm."""

    def expm1(self, x: Number) -> Number:
        """eˣ − 1, keeping the digits near x = 0."""
        return self.exp(x) - 1

    def log1p(self, x: Number) -> Number:
        """ln(1 + x), keeping the digits near x = 0."""
        return self.log(1 + x)

    @abstractmethod
    def sqrt(self, x: Number, /) -> Number:
        """√x."""

    @abstractmethod
    def sin(self, x: Number, /) -> Number:
        """Sine, of radians."""

    @abstractmethod
    def cos(self, x: Number, /) -> Number:
        """Cosine, of radians."""

    @abstractmethod
    def tan(self, x: Number, /) -> Number:
        """Tangent, of radians."""

    @abstractmethod
    def asin(self, x: Number, /) -> Number:
        """Inverse sine."""

    @abstractmethod
    def acos(self, x: Number, /) -> Number:
        """Inverse cosine."""

    @abstractmethod
    def atan(self, x: Number, /) -> Number:
        """Inverse tangent."""

    @abstractmethod
    def sinh(self, x: Number, /) -> Number:
        """Hyperbolic sine."""

    @abstractmethod
    def cosh(self, x: Number, /) -> Number:
        """Hyperbolic cosine."""

    @abstractmethod
    def tanh(self, x: Number, /) -> Number:
        """Hyperbolic tangent."""

    @abstractmethod
    def asinh(self, x: Number, /) -> Number:
        """Inverse hyperbolic sine."""

    @abstractmethod
    def acosh(self, x: Number, /) -> Number:
        """Inverse hyperbolic cosine."""

    @abstractmethod
    def atanh(self, x: Number, /) -> Number:
        """Inverse hyperbolic tangent."""

    @abstractmethod
    def erf(self, x: Number, /) -> Number:
        """The error function."""

    @abstractmethod
    def erfc(self, x: Number, /) -> Number:
        """The complement 1 − erf x, keeping the digits on the right."""

    def sech(self, x: Number) -> Number:
        """1 / cosh x."""
        return self.divide(self.convert(1), self.cosh(x))

    def sigmoid(self, x: Number) -> Number:
        """σ(x) = 1 / (1 + e⁻ˣ)."""
        return self.divide(self.convert(1), 1 + self.exp(-x))

    def softplus(self, x: Number) -> Number:
        """ln(1 + eˣ)."""
        return self.log1p(self.exp(x))

    def xlogy(self, x: Number, y: Number) -> Number:
        """The product x ln y, where 0 ln 0 = 0."""
        return x * self.log(y)

    def log_sum_exp(self, xs: Sequence[Number]) -> Number:
        """The logarithm ln Σₖ exp xₖ."""
        return self.log(sum(map(self.exp, xs)))

    def softmax(self, xs: Sequence[Number]) -> tuple[Number, ...]:
        """The shares exp xᵢ / Σₖ exp xₖ, for every i."""
        powers = [self.exp(x) for x in xs]
        total = sum(powers)
        return tuple(self.divide(power, total) for power in powers)
