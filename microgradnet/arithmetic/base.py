"""The table of elementary functions that a derivative rule may use, whatever its numbers are.

A rule is written once, against the names of `Arithmetic`, and means whatever those names mean
for the numbers at hand. It never branches in Python on a number: `where` chooses, so that the
same rule serves floats, formulas and arrays.

The class body is the table. A kind of number fills in the functions by a mapping, and writes as
methods those that need more than a library's function:

    class Halves(Arithmetic, functions={"exp": half_exp, "log": half_log}): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from microgradnet.deprecation import renamed_attribute

__all__ = [
    "FUNCTIONS", "NO_PART", "PRIMITIVES", "Arithmetic", "Function", "Number", "TwoTerms", "parts",
]  # fmt: skip

Number: TypeAlias = Any
"""float, int, Fraction, Decimal, mpmath.mpf or sympy.Expr: no static type covers just these."""

Function: TypeAlias = Callable[..., Number]


class _NoPart:
    __slots__ = ()

    def __repr__(self) -> str:
        return "NO_PART"


NO_PART = _NoPart()
"""The contribution to an operand that has no part in the result, as on a branch not taken."""


class TwoTerms:
    """Hold a contribution that an adjoint adds term by term: their sum has lost the second.

    >>> 2.0 + 3 * TwoTerms(1.0, -1e-20)
    TwoTerms(3.0, 2.0)
    """

    __slots__ = ("first", "second")

    def __init__(self, first: Number, second: Number) -> None:
        self.first, self.second = first, second

    def __iter__(self) -> Iterator[Number]:
        return iter((self.first, self.second))

    def __repr__(self) -> str:
        return f"TwoTerms({self.first}, {self.second})"

    def __mul__(self, factor: Number) -> TwoTerms:
        return TwoTerms(self.first * factor, self.second * factor)

    def __add__(self, other: Number) -> TwoTerms:
        return TwoTerms(self.first, self.second + other)

    __rmul__ = __mul__
    __radd__ = __add__


def parts(contribution: Any) -> tuple[Any, ...]:
    """Return what an adjoint adds one after the other: nothing, a number, or the two terms of one.

    >>> parts(2.0), parts(NO_PART), parts(TwoTerms(1.0, -1e-20))
    ((2.0,), (), (1.0, -1e-20))
    """
    if contribution is NO_PART:
        return ()
    return tuple(contribution) if type(contribution) is TwoTerms else (contribution,)


PRIMITIVES: list[str] = []
"""Functions without a formula. Each must exist under its name in math, mpmath.mp, sympy and ops."""


class _Elementary:
    """Write a line of the table; in the class its formula stands for it, or a refusal by name."""

    def __init__(self, doc: str, formula: Function | None = None) -> None:
        self.doc, self.formula = doc, formula

    def __set_name__(self, owner: type, name: str) -> None:
        if self.formula is None:
            PRIMITIVES.append(name)
        function = self.formula or (lambda m, *xs: m.refuse(name))
        function.__name__, function.__doc__ = name, self.doc
        setattr(owner, name, function)


def _elementary(doc: str, formula: Function | None = None) -> Any:
    return _Elementary(doc, formula)


def _softmax(m: Arithmetic, xs: Sequence[Number]) -> tuple[Number, ...]:
    powers = [m.exp(x) for x in xs]
    total = sum(powers)
    return tuple(m.divide(power, total) for power in powers)


def _power_log(m: Arithmetic, g: Number, x: Number, y: Number, out: Number) -> Number:
    log = m.log(x)
    slope = out * log

    def by_roots() -> Number:
        root = m.power(x, m.divide(y, 2))
        return g * log * root * root

    return m._product(slope, lambda: g * slope, lambda: g * out * log, by_roots)


def _cbrt(m: Arithmetic, x: Number) -> Number:
    third = m.divide(m.convert(1), 3)
    return m.where(x < 0, -m.power(m.abs(x), third), m.power(m.abs(x), third))


def _normal_cdf(m: Arithmetic, x: Number) -> Number:
    # (1 + erf(x/√2))/2 would have no digits left on the left
    return m.divide(m.erfc(m.divide(-x, m.sqrt(m.convert(2)))), 2)


class Arithmetic:
    """Give one kind of number its elementary functions, besides +, −, × and comparisons.

    What has a formula here is the textbook's; an arithmetic that rounds replaces it by one that
    keeps its digits. A function that an arithmetic neither has nor can derive raises TypeError.
    """

    name: str
    pi: Number
    rounds = False
    """Whether results are rounded, so that digits can be lost."""
    no_part: Number = 0
    """NO_PART where `where` decides at once, so that an infinite derivative behind makes no NaN.

    Where both branches are computed, as for arrays, it is 0."""

    def __init_subclass__(cls, functions: Mapping[str, Function] | None = None) -> None:
        for name, function in (functions or {}).items():
            if name not in vars(cls):
                setattr(cls, name, staticmethod(function))

    def refuse(self, function: str) -> NoReturn:
        """Say that these numbers have no such function."""
        raise TypeError(f"{self.name} numbers have no {function}")

    def convert(self, x: Number) -> Number:
        """Convert a number of a narrower kind, or a rule's exact constant, to this kind."""
        return self.refuse("convert")

    def where(self, condition: Any, x: Number, y: Number) -> Number:
        """Choose x where the condition holds, else y; both have been evaluated."""
        chosen = x if condition else y
        return chosen if chosen is NO_PART else self.convert(chosen)

    def both(self, p: Any, q: Any) -> Any:
        """Tell whether both p and q hold."""
        return p and q

    def equal(self, x: Number, y: Number) -> Any:
        """Tell whether x = y, as numbers."""
        return x == y

    def is_infinite(self, x: Number) -> Any:
        """Tell whether x is +inf or −inf."""
        return False

    def divide(self, x: Number, y: Number) -> Number:
        """Compute the quotient x/y."""
        return self.refuse("divide")

    def power(self, x: Number, y: Number) -> Number:
        """Compute the power xʸ; 0⁰ = 1."""
        return self.refuse("power")

    def _product(self, factor: Number, product: Function, *orders: Function) -> Number:
        """Compute a product with that factor, in another order where it is beyond the floats."""
        return product()

    def near_one(self, g: Number, share: Number, rest: Callable[[], Number]) -> Number:
        """Return the contribution g·share, where rest() is 1 − share: as g and −g·rest beside 1.

        So what cancels an adjoint down to −g·rest leaves its digits.
        """
        return g * share

    damped = renamed_attribute("damped", "vanishing_product")

    abs = _elementary("|x|.", lambda m, x: abs(x))
    floor = _elementary("The largest whole number ≤ x.")
    remainder = _elementary(
        "x − y⌊x/y⌋, which has the sign of y.", lambda m, x, y: x - y * m.floor(m.divide(x, y))
    )
    vanishing_product = _elementary(
        "x·y where y falls to 0 faster than x can grow: inf·0 is the limit, 0.",
        lambda m, x, y: x * y,
    )
    scaled = _elementary(
        "The product g·slope of a slope = x/y, which may be beyond the floats while g·x/y is not.",
        lambda m, g, slope, x, y: m._product(
            slope, lambda: g * slope, lambda: m.divide(g * x, y), lambda: m.divide(g, y) * x
        ),
    )
    power_slope = _elementary(
        "The product g·y·xʸ⁻¹ where out = xʸ, with the digits that y − 1 rounds away.",
        lambda m, g, x, y, out: g * (y * m.power(x, y - 1)),
    )
    power_log = _elementary(
        "The product g·xʸ ln x where out = xʸ, which may be beyond the floats while g·xʸ is not.",
        _power_log,
    )
    sqrt = _elementary("√x.")
    cbrt = _elementary("The real cube root of x.", _cbrt)
    hypot = _elementary(
        "√(x² + y²), without overflow on the way.", lambda m, x, y: m.sqrt(x * x + y * y)
    )
    cosine = _elementary(
        "The quotient x/norm, where norm = √(x² + Σ y²) over others y.",
        lambda m, x, others, norm: m.divide(x, norm),
    )
    one_minus_square = _elementary(
        "1 − x², keeping the digits near x = ±1.", lambda m, x: (1 - x) * (1 + x)
    )
    exp = _elementary("eˣ.")
    expm1 = _elementary("eˣ − 1, keeping the digits near x = 0.", lambda m, x: m.exp(x) - 1)
    gaussian = _elementary(
        "e^(−x²/d) for d = 1 or 2, with the digits that x² rounds away.",
        lambda m, x, d=1: m.exp(-x * x if d == 1 else m.divide(-x * x, d)),
    )
    log = _elementary("The natural logarithm.")
    log1p = _elementary("ln(1 + x), keeping the digits near x = 0.", lambda m, x: m.log(1 + x))
    log1p_slope = _elementary(
        "The quotient g/(1 + x), where out = ln(1 + x) may know better what 1 + x is.",
        lambda m, g, x, out: m.divide(g, 1 + x),
    )
    log2 = _elementary(
        "The logarithm to base 2.", lambda m, x: m.divide(m.log(x), m.log(m.convert(2)))
    )
    log10 = _elementary(
        "The logarithm to base 10.", lambda m, x: m.divide(m.log(x), m.log(m.convert(10)))
    )
    xlogy = _elementary("The product x ln y, where 0 ln 0 = 0.", lambda m, x, y: x * m.log(y))
    sin = _elementary("Sine, of radians.")
    cos = _elementary("Cosine, of radians.")
    tan = _elementary("Tangent, of radians.")
    asin = _elementary("Inverse sine.")
    acos = _elementary("Inverse cosine.")
    atan = _elementary("Inverse tangent.")
    atan2 = _elementary("The angle of the point (x, y), given y and x.")
    sinh = _elementary("Hyperbolic sine.")
    cosh = _elementary("Hyperbolic cosine.")
    tanh = _elementary("Hyperbolic tangent.")
    sech = _elementary("1 / cosh x.", lambda m, x: m.divide(m.convert(1), m.cosh(x)))
    asinh = _elementary("Inverse hyperbolic sine.")
    acosh = _elementary("Inverse hyperbolic cosine.")
    atanh = _elementary("Inverse hyperbolic tangent.")
    erf = _elementary("The error function.")
    erfc = _elementary("The complement 1 − erf x, keeping the digits on the right.")
    sigmoid = _elementary(
        "σ(x) = 1 / (1 + e⁻ˣ).", lambda m, x: m.divide(m.convert(1), 1 + m.exp(-x))
    )
    sigmoid_slope = _elementary(
        "The product g·σ′(x), where σ′(x) = σ(x) σ(−x).",
        lambda m, g, x: g * m.sigmoid(x) * m.sigmoid(-x),
    )
    normal_cdf = _elementary("The normal distribution function Φ(x).", _normal_cdf)
    softplus = _elementary("ln(1 + eˣ).", lambda m, x: m.log1p(m.exp(x)))
    log_sum_exp = _elementary(
        "The logarithm ln Σₖ exp xₖ of a sequence.", lambda m, xs: m.log(sum(map(m.exp, xs)))
    )
    softmax = _elementary("The shares exp xᵢ / Σₖ exp xₖ of a sequence, for every i.", _softmax)


FUNCTIONS = [
    name
    for name, value in vars(Arithmetic).items()
    if callable(value) and name[0] != "_" and name != "refuse"
]
"""Every name that a rule may call."""
