"""Arithmetic: + − × ÷ and powers, and what chooses between two numbers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar, overload

from microgradnet.arithmetic import NO_PART, operand
from microgradnet.operation import Recorder, operation, recorder
from microgradnet.ops.signature import Contributions, M, N

__all__ = [
    "abs", "add", "divide", "exponential", "maximum", "minimum", "multiply", "negative",
    "power", "power_constant", "raise_to", "subtract",
]  # fmt: skip


R = TypeVar("R", bound=Recorder)


def add_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    return g, g


@operation(add_vjp, "$x + $y", "$x + $y", symbol="+")
def add(m: M, x: N, y: N) -> N:
    """Compute the sum x + y."""
    return x + y


def subtract_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    return g, -g


@operation(subtract_vjp, "$x - $y", "$x - $y", symbol="-")
def subtract(m: M, x: N, y: N) -> N:
    """Compute the difference x − y."""
    return x - y


def multiply_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    return g * y, g * x


@operation(multiply_vjp, "$x * $y", r"$x \cdot $y", symbol="*")
def multiply(m: M, x: N, y: N) -> N:
    """Compute x·y."""
    return x * y


def divide_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    return m.divide(g, y), m.scaled(-g, m.divide(out, y), out, y)


@operation(divide_vjp, "$x / $y", r"\frac{$x}{$y}", symbol="/")
def divide(m: M, x: N, y: N) -> N:
    """Compute x/y. Floats: 1/0 is inf and 0/0 is NaN; rationals raise ZeroDivisionError."""
    return m.divide(x, y)


def negative_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (-g,)


@operation(negative_vjp, "-$x", "-$x", symbol="neg")
def negative(m: M, x: N) -> N:
    """Compute −x."""
    return -x


def power_constant_vjp(m: M, g: N, y: N, x: N, *, exponent: N) -> Contributions:
    if exponent == 0:  # x⁰ is 1 everywhere, also at 0 where x⁻¹ is infinite
        return (m.no_part if m.no_part is NO_PART else m.convert(m.no_part),)
    exponent = m.convert(exponent)
    return (m.scaled(g * exponent, m.power(x, exponent - 1), y, x),)


@operation(power_constant_vjp, "$x**$exponent", "{$x}^{$exponent}", symbol="**$exponent")
def power_constant(m: M, x: N, *, exponent: N = 2) -> N:
    """Compute a power of x with a constant exponent."""
    return m.power(x, exponent)


def exponential_vjp(m: M, g: N, y: N, x: N, *, base: N) -> Contributions:
    # base 0, x ≥ 0: y is 0 (or 1) on the right, whatever ln 0 is; as in raise_to.
    base = m.convert(base)
    by_x = m.power_log(g, base, x, y)
    return (m.where(m.both(m.equal(base, 0), x >= 0), m.no_part, by_x),)


@operation(exponential_vjp, "$base**$x", "{$base}^{$x}", symbol="$base**")
def exponential(m: M, x: N, *, base: N = 2) -> N:
    """Raise a constant to the power x."""
    return m.power(m.convert(base), x)


def raise_to_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    # y = 0: x⁰ is 1 everywhere, also where x⁻¹ is infinite or NaN; elsewhere y·x^(y − 1) is 0 by
    # itself, and its own derivative by y is not. x = 0, y ≥ 0: out is 0 (or 1) on the right,
    # whatever ln 0 is.
    flat = m.equal(m.where(m.abs(x) > 0, m.convert(1), y), 0)
    by_x = m.where(flat, m.no_part, m.power_slope(g, x, y, out))
    by_y = m.where(m.both(m.equal(x, 0), y >= 0), m.no_part, m.power_log(g, x, y, out))
    return by_x, by_y


@operation(raise_to_vjp, "$x**$y", "{$x}^{$y}", symbol="**")
def raise_to(m: M, x: N, y: N) -> N:
    """Compute the power xʸ, both variable."""
    return m.power(x, y)


@overload
def power(x: R, y: R | N) -> R: ...
@overload
def power(x: N, y: R) -> R: ...
@overload
def power(x: N, y: N) -> N: ...
def power(x: Any, y: Any) -> Any:
    """Compute the power xʸ, each a Value or a number.

    Three operations stand behind it, with a rule each: xᶜ (c constant), cʸ, and xʸ.

    >>> power(2.0, 3.0)
    8.0
    """
    variable_x, variable_y = recorder((x,)) is not None, recorder((y,)) is not None
    x = x if variable_x else operand(x, constant=True)
    y = y if variable_y else operand(y, constant=True)
    if isinstance(y, Decimal) and y.is_finite() and y == y.to_integral_value():
        y = int(y)
    if variable_x and not variable_y and isinstance(y, (int, float, Fraction)):
        return power_constant(x, exponent=y)
    if variable_y and not variable_x and isinstance(x, (int, float, Fraction)):
        return exponential(y, base=x)
    return raise_to(x, y)


def abs_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.where(x > 0, g, m.where(x < 0, -g, m.no_part)),)  # |x|′(0) = 0


@operation(abs_vjp, "|$x|", r"\left|$x\right|")
def abs(m: M, x: N) -> N:
    """Compute |x|; its derivative at 0 is 0."""
    return m.abs(x)


def maximum_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    tie = m.where(m.equal(x, y), m.divide(g, 2), g)  # half to each at a tie
    return m.where(x < y, m.no_part, tie), m.where(x > y, m.no_part, tie)


@operation(maximum_vjp, "max($x, $y)", r"\max\left($x, $y\right)", symbol="max")
def maximum(m: M, x: N, y: N) -> N:
    """Return the larger of two; at a tie each has derivative ½.

    np.maximum compares the Values of an array by itself and returns one of the two operands as it
    is: NumPy asks nothing of them. So a tie has slope 1 there; `maximum`, entry by entry, has not.
    """
    return m.where(x > y, x, m.where(y >= x, y, x + y))  # x + y where one is NaN


def minimum_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    tie = m.where(m.equal(x, y), m.divide(g, 2), g)
    return m.where(x > y, m.no_part, tie), m.where(x < y, m.no_part, tie)


@operation(minimum_vjp, "min($x, $y)", r"\min\left($x, $y\right)", symbol="min")
def minimum(m: M, x: N, y: N) -> N:
    """Return the smaller of two; at a tie each has derivative ½. Of np.minimum see `maximum`."""
    return m.where(x < y, x, m.where(y <= x, y, x + y))
