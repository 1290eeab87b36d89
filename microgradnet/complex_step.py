"""Dual numbers x + ṫε, whose elementary functions are differentiated by the complex step.

f′(x) = Im f(x + ih)/h + O(h²): nothing is subtracted, so h may be so small that its square is
nothing beside 1, f′(x) keeps all its digits, and no derivative rule takes part (W. Squire and
G. Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review 40, 1998).
Each function has a step of its own, in proportion to its operand where its poles may be near. So
nothing underflows that is not itself below the floats, however many functions follow another.

Between the functions + − × ÷ are exact, in fractions: what they cancel costs no digits. Beside both
parts stands how far the functions' roundings may have moved them. The real part as floats have it
decides comparisons. The tangent is NaN, no statement, where there is no number or no continuation.
"""

from __future__ import annotations

import cmath
import math
import operator
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import inf, nan
from typing import Any

from microgradnet.arithmetic import Arithmetic, Number, ieee

__all__ = ["Dual", "KinkError", "complex_step"]

_ULPS = 8 * 2.0**-53  # the relative error of a library function
_TINY = 2.0**-1074


class KinkError(ArithmeticError):
    """Say that two numbers differ only in their tangents: which is larger depends on the side."""


def _comparison(order: Callable[[float, float], bool]) -> Callable[..., bool]:
    def compare(x: Any, y: Any) -> bool:
        return order(*_apart(x, y))

    return compare


class Dual:
    """Hold x + ṫε, in the order of the real line; KinkError where only the tangent would decide.

    >>> z = Dual(3.0, 1.0)
    >>> (z * z / (1 + z)).tangent
    0.9375
    """

    __slots__ = ("_exact", "_slope", "constant", "error", "real", "tangent_error")

    def __init__(self, real: float, tangent: float | None = None) -> None:
        self.real = real
        """The real part, rounded as floats are."""
        self.constant = tangent is None
        """Whether it does not move at all; with a tangent of 0 it may do so to second order."""
        known = math.isfinite(real) and (tangent is None or math.isfinite(tangent))
        self._exact = Fraction(real) if known else None
        self._slope = Fraction(tangent or 0) if known else Fraction(0)
        self.error = 0.0
        """How far the real part may be from the true one."""
        self.tangent_error = 0.0

    @classmethod
    def _of(
        cls,
        real: float,
        exact: Fraction,
        slope: Fraction,
        error: float,
        tangent_error: float,
        *operands: Dual,
    ) -> Dual:
        z = cls(real)
        z.constant = all(x.constant for x in operands)
        if z._exact is not None:
            z._exact, z._slope, z.error, z.tangent_error = exact, slope, error, tangent_error
        return z

    @property
    def tangent(self) -> float:
        """Return ṫ, rounded once."""
        return nan if self._exact is None else ieee.convert(self._slope)

    @property
    def off(self) -> float:
        """Bound how far `real` may be from the true real part."""
        if self._exact is None:
            return nan
        return self.error + abs(ieee.convert(self._exact - Fraction(self.real)))

    def at(self, real: float) -> Dual:
        """Return the same, its real part as computed by a better formula."""
        if self._exact is None:
            return _unknown(real)
        return Dual._of(real, self._exact, self._slope, self.error, self.tangent_error, self)

    def __add__(self, other: Any) -> Dual:
        y = complex_step.convert(other)
        real = self.real + y.real
        if self._exact is None or y._exact is None:
            return _unknown(real)
        error, tangent_error = self.error + y.error, self.tangent_error + y.tangent_error
        return Dual._of(
            real, self._exact + y._exact, self._slope + y._slope, error, tangent_error, self, y
        )

    def __neg__(self) -> Dual:
        if self._exact is None:
            return _unknown(-self.real)
        return Dual._of(
            -self.real, -self._exact, -self._slope, self.error, self.tangent_error, self
        )

    def __mul__(self, other: Any) -> Dual:
        y = complex_step.convert(other)
        real = self.real * y.real
        if self._exact is None or y._exact is None:
            return _unknown(real)
        a, b, s, t = (abs(ieee.convert(x)) for x in (self._exact, y._exact, self._slope, y._slope))
        return Dual._of(
            real,
            self._exact * y._exact,
            self._exact * y._slope + self._slope * y._exact,
            a * y.error + b * self.error,
            a * y.tangent_error + t * self.error + b * self.tangent_error + s * y.error,
            self,
            y,
        )

    def __truediv__(self, other: Any) -> Dual:
        return complex_step.divide(self, other)

    def __pow__(self, other: Any) -> Dual:
        return complex_step.power(self, other)

    def __sub__(self, other: Any) -> Dual:
        return self + -complex_step.convert(other)

    def __rsub__(self, other: Any) -> Dual:
        return complex_step.convert(other) - self

    def __rtruediv__(self, other: Any) -> Dual:
        return complex_step.divide(other, self)

    def __rpow__(self, other: Any) -> Dual:
        return complex_step.power(other, self)

    __radd__ = __add__
    __rmul__ = __mul__

    def __abs__(self) -> Dual:
        return -self if self < 0 else self

    __lt__, __le__ = _comparison(operator.lt), _comparison(operator.le)
    __gt__, __ge__ = _comparison(operator.gt), _comparison(operator.ge)
    __eq__ = _comparison(operator.eq)
    __hash__ = None  # type: ignore[assignment]  # equality may have no answer


def _unknown(real: float) -> Dual:
    return Dual(real, nan)


def _apart(x: Any, y: Any) -> tuple[float, float]:
    """Return the real numbers to be compared."""
    x, y = complex_step.convert(x), complex_step.convert(y)
    if x.real == y.real and x._slope != y._slope:
        raise KinkError(f"{x.real} on either side")
    return x.real, y.real


Partials = Callable[..., "list[tuple[float, float]]"]


def _function(value: float, partials: Partials, *zs: Dual) -> Dual:
    """Extend a function to dual numbers, by its value and its partials, with errors."""
    if all(z.constant for z in zs) and math.isfinite(value) and any(z._exact is None for z in zs):
        return Dual(value)  # the limit at an infinite constant
    offs = [z.off for z in zs]
    if any(z._exact is None for z in zs) or not math.isfinite(value):
        return _unknown(value)
    error = _ULPS * abs(value) + _TINY
    if not any(offs) and all(z.constant for z in zs):
        return Dual._of(value, Fraction(value), Fraction(0), error, 0.0)
    xs = [z.real for z in zs]
    here = partials(*xs)
    spreads = [wrong for _, wrong in here]
    for k, off in enumerate(offs):
        for moved in {xs[k] - off, xs[k] + off} - {xs[k]}:
            there = partials(*xs[:k], moved, *xs[k + 1 :])
            apart = [abs(s - t) + wrong for (s, _), (t, wrong) in zip(here, there, strict=True)]
            apart = [inf if math.isnan(x) else x for x in apart]  # no slope there
            spreads = list(map(max, spreads, apart))
    tangent, tangent_error = Fraction(0), 0.0
    for z, off, (slope, _), spread in zip(zs, offs, here, spreads, strict=True):
        if z.constant and not off:
            continue
        if not (math.isfinite(slope) and math.isfinite(spread)):
            unknown = _unknown(value)
            unknown.error = inf if spread == inf else 0.0  # so near to the end of the domain
            return unknown
        tangent += Fraction(slope) * z._slope
        error += (abs(slope) + spread) * off
        tangent_error += (abs(slope) + spread) * z.tangent_error + spread * abs(z.tangent)
    return Dual._of(value, Fraction(value), tangent, error, tangent_error, *zs)


def _sigmoid(z: complex) -> complex:
    return 1 / (1 + cmath.exp(-complex(abs(z.real), z.imag)))  # σ′ is even


def _softplus(z: complex) -> complex:
    rest = cmath.log(1 + cmath.exp(z if z.real < 0 else -z))
    return rest if z.real < 0 else z + rest


def _erf(z: complex) -> complex:
    """Integrate 2/√π e^(−t²), here along the step from x to x + ih."""
    square = z.real * z.real
    lost = float(Fraction(z.real) ** 2 - Fraction(square)) if math.isfinite(square) else 0.0
    return complex(0, z.imag * 2 / math.sqrt(math.pi) * math.exp(-square) * (1 - lost))


def _cbrt(z: complex) -> complex:
    thirds = (
        math.frexp(z.real)[1] // 3
    )  # a third as an exponent is rounded: near 1 it does not show
    near_1 = z / 2.0 ** (3 * thirds)
    root = -((-near_1) ** (1 / 3)) if z.real < 0 else near_1 ** (1 / 3)
    return root * 2.0**thirds


def _continued(
    name: str, in_the_plane: Callable[[complex], complex], step: float | None
) -> Callable[[Number], Dual]:
    """Extend a function of the floats, by how it goes on into the plane and the step there."""
    on_the_line = getattr(ieee, name)

    def partials(x: float) -> list[tuple[float, float]]:
        h = step or math.ldexp(1.0, max(-1074, math.frexp(x)[1] - 120))
        try:
            slope, longer = (in_the_plane(complex(x, s)).imag / s for s in (h, 4 * h))
        except (ValueError, OverflowError):
            return [(nan, nan)]
        apart = abs(longer - slope)
        if apart > 2.0**-20 * abs(slope) + _TINY / h:  # a branch point, and no slope
            return [(nan, nan)]
        return [(slope, _ULPS * abs(slope) + apart + _TINY / h)]

    def function(z: Number) -> Dual:
        z = complex_step.convert(z)
        return _function(on_the_line(z.real), partials, z)

    return function


# Analytic in a strip around the line. The step is as long as the poles allow: the longer it is, the
# later what is in proportion to it underflows.
_ANALYTIC = {
    "expm1": cmath.exp,  # whose derivative it has
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "erf": _erf,
    "erfc": lambda z: -_erf(z),
    **{f.__name__: f for f in (cmath.exp, cmath.sin, cmath.cos, cmath.sinh, cmath.cosh)},
    **{f.__name__: f for f in (cmath.tanh, cmath.atan, cmath.asinh)},
}
# A pole or a branch point may be as near as the next float.
_POLES = {
    "log1p": lambda z: cmath.log(1 + z),
    **{f.__name__: f for f in (cmath.tan, cmath.asin, cmath.acos, cmath.atanh)},
}
# And the slope as small as the operand is large: the step is in proportion to it.
_SCALED = {"cbrt": _cbrt, **{f.__name__: f for f in (cmath.log, cmath.sqrt, cmath.acosh)}}
_STEPS = [(_ANALYTIC, 2.0**-30), (_POLES, 2.0**-120), (_SCALED, None)]


class _ComplexStep(
    Arithmetic,
    functions={
        name: _continued(name, in_the_plane, step)
        for functions, step in _STEPS
        for name, in_the_plane in functions.items()
    },
):
    name = "complex"
    pi = Dual._of(math.pi, Fraction(math.pi), Fraction(0), _ULPS, 0.0)

    def convert(self, x: Number) -> Dual:
        return x if isinstance(x, Dual) else Dual(ieee.convert(x))

    def equal(self, x: Number, y: Number) -> bool:
        x, y = _apart(x, y)
        return bool(x == y)

    def is_infinite(self, x: Dual) -> bool:
        return math.isinf(x.real)

    def vanishing_product(self, x: Dual, y: Dual) -> Dual:
        return Dual(0.0) if y.real == 0 and math.isinf(x.real) else x * y

    def divide(self, x: Number, y: Number) -> Dual:
        x, y = self.convert(x), self.convert(y)
        real = ieee.divide(x.real, y.real)
        if x._exact is None or not y._exact:
            return _unknown(real)
        quotient = x._exact / y._exact
        slope = (x._slope - quotient * y._slope) / y._exact
        b, v, s, t = (abs(ieee.convert(z)) for z in (y._exact, quotient, slope, y._slope))
        error = (x.error + v * y.error) / b
        tangent_error = (x.tangent_error + v * y.tangent_error + t * error + s * y.error) / b
        return Dual._of(real, quotient, slope, error, tangent_error, x, y)

    def floor(self, z: Number) -> Dual:
        z = self.convert(z)
        if z._exact is None:
            return _unknown(ieee.floor(z.real))
        if z._exact.denominator == 1 and not z.constant:
            raise KinkError(f"{z.real} on either side")
        return Dual(float(math.floor(z._exact)))

    def remainder(self, x: Number, y: Number) -> Dual:
        x, y = self.convert(x), self.convert(y)
        return self.convert(super().remainder(x, y)).at(ieee.remainder(x.real, y.real))

    def log2(self, z: Number) -> Dual:
        z = self.convert(z)
        return self.convert(super().log2(z)).at(ieee.log2(z.real))

    def log10(self, z: Number) -> Dual:
        z = self.convert(z)
        return self.convert(super().log10(z)).at(ieee.log10(z.real))

    def atan2(self, y: Number, x: Number, /) -> Dual:
        y, x = self.convert(y), self.convert(x)
        value = math.atan2(y.real, x.real)
        if not (y.real or x.real) or y._exact is None or x._exact is None:
            return _unknown(value)
        # Of the two quotients the one of at most 1; a multiple of π/2 has no tangent.
        steep = abs(x.real) < abs(y.real)
        angle: Dual = -self.atan(x / y) if steep else self.atan(y / x)
        return angle.at(value)

    def power(self, x: Number, y: Number) -> Dual:
        x, y = self.convert(x), self.convert(y)

        def partials(a: float, b: float) -> list[tuple[float, float]]:
            logarithm, value = ieee.log(abs(a)), ieee.power(a, b)
            if a == 0:  # 0, or the identity's 1, or a slope that is infinite
                by_base = 0.0 if b == 0 or b > 1 else 1.0 if b == 1 else nan
                return [(by_base, 0.0), (0.0 if b > 0 else nan, 0.0)]
            # (a + ih)^(b + ik) = e^((b + ik)(ln a + ih/a)); a whole power also where a is negative
            by_base, by_exponent = b * ieee.power(a, b - 1), value * (logarithm if a > 0 else nan)
            lost = ieee.convert(Fraction(b) - 1 - Fraction(b - 1))  # which the logarithm amplifies
            return [
                (by_base, (_ULPS + abs(lost * logarithm)) * abs(by_base) + _TINY),
                (by_exponent, _ULPS * abs(by_exponent) + _TINY),
            ]

        return _function(ieee.power(x.real, y.real), partials, x, y)

    def hypot(self, x: Number, y: Number, /) -> Dual:
        x, y = self.convert(x), self.convert(y)
        value = math.hypot(x.real, y.real)
        if value == 0 or math.isinf(value):
            return _unknown(value)
        scale = math.ldexp(0.5, math.frexp(value)[1])
        x, y = x / scale, y / scale
        root: Dual = self.sqrt(x * x + y * y) * scale
        return root.at(value)

    def gaussian(self, x: Number, d: int = 1) -> Dual:
        x = self.convert(x)
        return self.convert(super().gaussian(x, d)).at(ieee.gaussian(x.real, d))

    def normal_cdf(self, x: Number) -> Dual:
        x = self.convert(x)
        return self.convert(super().normal_cdf(x)).at(ieee.normal_cdf(x.real))

    def xlogy(self, x: Number, y: Number) -> Dual:
        x, y = self.convert(x), self.convert(y)
        value = ieee.xlogy(x.real, y.real)
        if x.real == 0 and x.constant:
            return Dual(value)
        product: Dual = x * self.log(y)
        return product.at(value)

    def log_sum_exp(self, xs: Sequence[Number]) -> Dual:
        largest = max(xs, key=lambda x: x.real)
        total = sum(self._powers(xs, largest), Dual(0.0))
        logarithm: Dual = largest + self.log(total)
        return logarithm.at(ieee.log_sum_exp([x.real for x in xs]))

    def softmax(self, xs: Sequence[Number]) -> tuple[Dual, ...]:
        powers = self._powers(xs, max(xs, key=lambda x: x.real))
        total = sum(powers, Dual(0.0))
        values = ieee.softmax([x.real for x in xs])
        return tuple(
            self.divide(power, total).at(value) for value, power in zip(values, powers, strict=True)
        )

    def _powers(self, xs: Sequence[Number], largest: Number) -> list[Dual]:
        """Raise e to what each is less than the largest; 0 for a constant −inf."""
        return [self.exp(x if math.isinf(x.real) else x - largest) for x in xs]


complex_step = _ComplexStep()
