"""The kinds of numbers a node may hold, and the arithmetic in which several of them meet.

`coerce` and `operand` convert to numbers or refuse, `common` finds the arithmetic of several
numbers, `evaluate` runs a rule there. Standing on the ground alone, this package knows
nothing of nodes or of derivatives.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from microgradnet.arithmetic.base import (
    FUNCTIONS,
    NO_PART,
    PRIMITIVES,
    Arithmetic,
    Function,
    Number,
    TwoTerms,
    parts,
)
from microgradnet.arithmetic.exact import IrrationalError, decimals, exact
from microgradnet.arithmetic.ieee import ieee, is_normal, product_in_order
from microgradnet.arithmetic.wide import WideFloat, wide
from microgradnet.deprecation import warn_renamed

__all__ = [
    "FUNCTIONS",
    "NO_PART",
    "PRIMITIVES",
    "Arithmetic",
    "Function",
    "IrrationalError",
    "Number",
    "TwoTerms",
    "WideFloat",
    "coerce",
    "common",
    "compare",
    "evaluate",
    "ieee",
    "is_array",
    "is_finite",
    "is_normal",
    "operand",
    "parts",
    "product_in_order",
    "register",
    "wide",
]

_ARITHMETICS: dict[type, Arithmetic] = {
    float: ieee,
    WideFloat: wide,
    int: exact,
    Fraction: exact,
    Decimal: decimals,
}
_WIDTHS = [exact.name, ieee.name, wide.name, "mpmath", "SymPy"]


def register(kind: type, arithmetic: Arithmetic) -> None:
    """Let one more kind of numbers in, in whose arithmetic they meet all others."""
    _ARITHMETICS[kind] = arithmetic
    _WIDTHS.append(arithmetic.name)


def _arithmetic(kind: type) -> Arithmetic | None:
    """Find the arithmetic of a type. A library that was not imported has no numbers here."""
    arithmetic = _ARITHMETICS.get(kind)
    if arithmetic is None and "mpmath" in sys.modules:
        from microgradnet.arithmetic.multiprecision import mpf, multiprecision

        arithmetic = multiprecision if issubclass(kind, mpf) else None
    if arithmetic is None and "sympy" in sys.modules:
        from microgradnet.arithmetic.symbolic import Expr, symbolic

        arithmetic = symbolic if issubclass(kind, Expr) else None
    if arithmetic is not None:
        _ARITHMETICS[kind] = arithmetic
    return arithmetic


def coerce(x: Any) -> Number:
    """Convert to a number that a node may hold; refuse the rest by name.

    A NumPy scalar becomes a float, an array of no dimension its entry. Raises TypeError naming what
    came and the way out.

    >>> coerce(3), coerce(0.5)
    (3, 0.5)
    >>> coerce("3")
    Traceback (most recent call last):
        ...
    TypeError: '3' is a str, not a number: write float('3')
    """
    if _arithmetic(type(x)) is not None:
        return x
    numpy = sys.modules.get("numpy")
    if isinstance(x, float) or (
        numpy is not None and isinstance(x, (numpy.floating, numpy.integer))
    ):
        return float(x)
    kind: Any
    for kind in (int, Fraction, Decimal):
        if isinstance(x, kind) and not isinstance(x, bool):
            return kind(x)
    if numpy is not None and isinstance(x, numpy.ndarray) and x.ndim == 0:
        return coerce(x[()])
    raise TypeError(_refusal(x))


def operand(x: Any, *, constant: bool = False) -> Number:
    """Convert an operand beside a node: as `coerce`, but truth values are 1 and 0.

    Of a constant, an exponent or a base, NumPy's whole numbers stay whole.

    >>> operand(True), operand(2.5)
    (1, 2.5)
    """
    if type(x) is float:
        return x
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(x, numpy.ndarray) and x.ndim == 0:
        x = x[()]
    integral = (bool,)
    if numpy is not None:
        integral += (numpy.bool_, numpy.integer) if constant else (numpy.bool_,)
    return int(x) if isinstance(x, integral) else coerce(x)


def _refusal(x: object) -> str:
    kind = type(x).__name__
    if kind in ("bool", "bool_"):
        return f"{x} is a bool, not a number: write float({x}), or compare later"
    if kind == "Value":
        return f"{x!r} is a Value already: use it as it is, or its .detach()"
    if x is None:
        return "None is not a number: did a function forget to return its Value?"
    if isinstance(x, str):
        return f"{x!r} is a str, not a number: write float({x!r})"
    if kind.startswith("complex"):
        return f"{x} is complex and nodes are real: make one Value of .real and one of .imag"
    if hasattr(x, "item") and getattr(x, "ndim", None) == 0:
        return f"a {kind} is not a number, but holds one: take its .item()"
    if hasattr(x, "__array__") or isinstance(x, (list, tuple)):
        return (
            f"a {kind} holds many numbers and a node holds one: make a Value of each entry, "
            "[Value(x) for x in ...], or take the .item() of a single one"
        )
    return f"{x!r:.60} is a {kind}, not a number: use a float, int, Fraction, Decimal, mpf or Expr"


def common(*numbers: Number) -> Arithmetic:
    """Find the arithmetic in which numbers meet: rational, then float, then mpmath, then SymPy.

    Raises TypeError where a Decimal meets anything but a rational, as Python's own arithmetic
    does for floats.

    >>> common(1, Fraction(1, 2)).name, common(1, 0.5).name
    ('rational', 'float')
    """
    kinds = {_arithmetic(type(x)) or _ARITHMETICS[type(coerce(x))] for x in numbers}
    if decimals in kinds and not kinds <= {decimals, exact}:
        unsupported = next(x for x in numbers if not isinstance(x, (Decimal, int, Fraction)))
        raise TypeError(
            f"a Decimal does not meet {unsupported!r}, a {type(unsupported).__name__}: "
            "make both Decimal, or both float"
        )
    if decimals in kinds:
        return decimals
    return max(kinds, key=lambda kind: _WIDTHS.index(kind.name))


def evaluate(rule: Callable[..., Any], *numbers: Number) -> Any:
    """Run rule(arithmetic, *numbers), in the arithmetic common to the numbers.

    A rule that leaves the rationals gives floats; on a Decimal it is a TypeError, since decimal
    arithmetic has no such functions here.

    >>> evaluate(lambda m, x, y: m.divide(x, y), 1, 3)
    Fraction(1, 3)
    >>> evaluate(lambda m, x: m.exp(x), Fraction(0))
    1.0
    """
    for x in numbers:
        if type(x) is not float:
            break
    else:
        return rule(ieee, *numbers)
    arithmetic = common(*numbers)
    try:
        return rule(arithmetic, *map(arithmetic.convert, numbers))
    except IrrationalError as function:
        if arithmetic is decimals:
            raise TypeError(f"no {function} on a Decimal: use mpmath.mpf for it") from None
        return rule(ieee, *map(ieee.convert, numbers))


def compare(order: Callable[[Any, Any], Any], x: Number, y: Any) -> Any:
    """Ask order(x, y), also where the kinds know nothing of each other, as mpf and Fraction."""
    try:
        return order(x, y)
    except TypeError:
        kind = common(x, y)
        return order(kind.convert(x), kind.convert(y))


def is_finite(x: Number | None) -> bool:
    """Tell whether a number of any kind is neither NaN nor infinite.

    A formula is finite if it is for some numbers, as 1/x is and ∞·x is not. None, to which
    PyTorch's programs reset a gradient, counts as 0.

    >>> is_finite(1), is_finite(float("nan")), is_finite(Decimal("-inf"))
    (True, False, False)
    """
    if isinstance(x, float):
        return math.isfinite(x)
    if isinstance(x, Decimal):
        return x.is_finite()  # a signalling NaN takes part in no arithmetic
    return x is None or bool(x - x == 0)


def is_array(x: object) -> bool:
    """Tell whether x is a NumPy array, or something else that NumPy takes entry by entry."""
    if isinstance(x, (float, int)) or not hasattr(type(x), "__array_ufunc__"):
        return False
    return not isinstance(x, sys.modules["numpy"].generic)


def number(x: Any) -> Number:
    """Return coerce(x), as it was called."""
    warn_renamed(f"{__name__}.number", "coerce")
    return coerce(x)
