"""Complex numbers a step off the real line, to differentiate by: f′(x) = Im f(x + ih)/h + O(h²).

Nothing is subtracted, so h may be so small that its square is nothing beside 1, and f′(x) keeps
all its digits; and no derivative rule takes part. Every function goes on from the real line into
the plane (W. Squire and G. Trapp, Using complex variables to estimate derivatives of real
functions, SIAM Review 40, 1998): the real part is that of the floats, comparisons and |x| go by it.
The imaginary part is NaN, no statement, where a function has no number or no continuation.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from math import nan
from typing import Any

from microgradnet.arithmetic.base import PRIMITIVES, Arithmetic, Number
from microgradnet.arithmetic.ieee import ieee

__all__ = ["Complex", "KinkError", "complex_step", "step"]


def step(x: float) -> float:
    """A step for x: a power of two, so far below |x| and 1 that its square is nothing beside them.

    >>> step(1.0) == 2.0**-300
    True
    """
    if x == 0:
        return 2.0**-300
    exponent = math.frexp(x)[1]
    return math.ldexp(1.0, max(-1060, min(-300 + max(-600, min(0, exponent)), exponent - 60)))


class KinkError(ArithmeticError):
    """Two numbers differ by a step alone: which is larger depends on the side one comes from."""


class Complex(complex):
    """x + ih, in the order of the real line; where the step alone would decide, KinkError."""

    def __add__(self, other: Any) -> Complex:
        return Complex(complex(self) + complex(other))

    def __sub__(self, other: Any) -> Complex:
        return Complex(complex(self) - complex(other))

    def __mul__(self, other: Any) -> Complex:
        x, y = complex(self), complex(other)
        # The product of the real parts is that of the floats; the imaginary ones are a step each.
        return Complex(x.real * y.real, x.real * y.imag + x.imag * y.real)

    def __truediv__(self, other: Any) -> Complex:
        return complex_step.divide(self, other)

    def __pow__(self, other: Any, modulus: None = None) -> Complex:
        return complex_step.power(self, other)

    def __rsub__(self, other: Any) -> Complex:
        return Complex(complex(other) - complex(self))

    def __rtruediv__(self, other: Any) -> Complex:
        return complex_step.divide(other, self)

    def __rpow__(self, other: Any, modulus: None = None) -> Complex:
        return complex_step.power(other, self)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Complex:
        return Complex(-complex(self))

    def __abs__(self) -> Complex:  # type: ignore[override]  # on the real line, not |z|
        return -self if self < 0 else self

    def __lt__(self, other: Any) -> bool:
        x, y = _apart(self, other)
        return bool(x < y)

    def __le__(self, other: Any) -> bool:
        x, y = _apart(self, other)
        return bool(x <= y)

    def __gt__(self, other: Any) -> bool:
        x, y = _apart(self, other)
        return bool(x > y)

    def __ge__(self, other: Any) -> bool:
        x, y = _apart(self, other)
        return bool(x >= y)


def _apart(x: Any, y: Any) -> tuple[Any, Any]:
    """The real numbers to be compared."""
    x, y = (z if isinstance(z, complex) else Complex(z) for z in (x, y))
    if x.real == y.real and x.imag != y.imag:
        raise KinkError(f"{x.real} on either side")
    return x.real, y.real


def _continued(name: str) -> Callable[..., Complex]:
    """A function of the floats, going on into the plane as cmath's of that name."""
    on_the_line, in_the_plane = getattr(ieee, name), getattr(cmath, name)

    def function(z: Number) -> Complex:
        value = on_the_line(z.real)
        if z.imag == 0:
            return Complex(value, 0.0)
        try:
            return _off(value, in_the_plane(complex(z)).imag)
        except (ValueError, OverflowError):
            return _off(value, nan)

    return function


def _off(value: float, imaginary: float) -> Complex:
    return Complex(value, imaginary if math.isfinite(value) else nan)


class _ComplexStep(
    Arithmetic,
    functions={name: _continued(name) for name in PRIMITIVES if hasattr(cmath, name)},
):
    name = "complex"
    pi = Complex(math.pi)

    def convert(self, x: Number) -> Complex:
        return x if isinstance(x, Complex) else Complex(ieee.convert(x))

    def where(self, condition: Any, x: Number, y: Number) -> Complex:
        return self.convert(x if condition else y)

    def equal(self, x: Number, y: Number) -> bool:
        x, y = _apart(x, y)
        return bool(x == y)

    def is_infinite(self, x: Complex) -> bool:
        return math.isinf(x.real)

    def vanishing_product(self, x: Complex, y: Complex) -> Complex:
        return Complex(0) if y.real == 0 and math.isinf(x.real) else x * y

    def divide(self, x: Number, y: Number) -> Complex:
        x, y = self.convert(x), self.convert(y)
        value = ieee.divide(x.real, y.real)
        if x.imag == 0 == y.imag:
            return Complex(value, 0.0)
        step = x.imag * y.real - x.real * y.imag  # exact, where the step is still a power of two
        return _off(value, ieee.divide(ieee.divide(step, y.real), y.real))

    def power(self, x: Number, y: Number) -> Complex:
        x, y = self.convert(x), self.convert(y)
        a, b = x.real, y.real
        value = ieee.power(a, b)
        if x.imag == 0 == y.imag:
            return Complex(value, 0.0)
        if a == 0:  # h, h² and the like, or a slope that is infinite
            by_base = 0.0 if x.imag == 0 or b == 0 or b > 1 else x.imag if b == 1 else nan
            return _off(value, by_base if y.imag == 0 or b > 0 else nan)
        # (a + ih)^(b + ik) = e^((b + ik)(ln a + ih/a)); a whole power also where a is negative
        angle = b * (x.imag / a) + (y.imag * ieee.log(a) if y.imag else 0.0)
        return _off(value, value * ieee.sin(angle))

    def hypot(self, x: Number, y: Number, /) -> Complex:
        x, y = self.convert(x), self.convert(y)
        value = math.hypot(x.real, y.real)
        cosine, sine = ieee.divide(x.real, value), ieee.divide(y.real, value)
        return _off(value, cosine * x.imag + sine * y.imag)

    def expm1(self, z: Number) -> Complex:
        return Complex(ieee.expm1(z.real), self.exp(z).imag)

    def log1p(self, z: Number) -> Complex:
        return _off(ieee.log1p(z.real), math.atan2(z.imag, 1 + z.real) if z.imag else 0.0)

    # erf is the integral of 2/√π e^(−t²), here along the step from x to x + ih.

    def erf(self, z: Number) -> Complex:
        return Complex(math.erf(z.real), z.imag * _density(z.real))

    def erfc(self, z: Number) -> Complex:
        return Complex(math.erfc(z.real), -z.imag * _density(z.real))

    def sigmoid(self, z: Number) -> Complex:
        power = self.exp(z if z.real < 0 else -z)
        numerator = power if z.real < 0 else 1
        return Complex(ieee.sigmoid(z.real), self.divide(numerator, 1 + power).imag)

    def softplus(self, z: Number) -> Complex:
        power = self.exp(z if z.real < 0 else -z)
        rest = 0.0 if z.real < 0 else z.imag
        return Complex(ieee.softplus(z.real), self.log1p(power).imag + rest)

    def xlogy(self, x: Number, y: Number) -> Complex:
        x, y = self.convert(x), self.convert(y)
        value = ieee.xlogy(x.real, y.real)
        product = x * self.log(y) if x != 0 else Complex(0)
        return _off(value, product.imag)

    def log_sum_exp(self, xs: Sequence[Number]) -> Complex:
        largest = max(xs, key=lambda x: x.real)
        total = sum([self.exp(x - largest) for x in xs], Complex(0))
        return _off(ieee.log_sum_exp([x.real for x in xs]), largest.imag + self.log(total).imag)

    def softmax(self, xs: Sequence[Number]) -> tuple[Number, ...]:
        largest = max(xs, key=lambda x: x.real)
        powers = [self.exp(x - largest) for x in xs]
        total = sum(powers, Complex(0))
        values = ieee.softmax([x.real for x in xs])
        return tuple(
            _off(value, self.divide(power, total).imag)
            for value, power in zip(values, powers, strict=True)
        )


def _density(x: float) -> float:
    return 2 / math.sqrt(math.pi) * math.exp(-x * x)


complex_step = _ComplexStep()
