"""Numbers as a picture shows them: short in the boxes, whole in the hover titles."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from microgradnet.arithmetic import Number
from microgradnet.engine import is_untouched

__all__ = ["gradient", "short", "whole"]

_BITS = 13_000
"""Beyond these bits a rational is not written out: Python itself refuses at some 14,000."""


def short(x: Number) -> str:
    """Four digits, or few characters, with a proper minus.

    >>> from fractions import Fraction
    >>> short(-0.123456), short(Fraction(1, 3)), short(10**30), short(float("inf"))
    ('−0.1235', '1/3', '1e+30', 'inf')
    """
    if isinstance(x, float):
        return _typeset(f"{x:.4g}")
    written = whole(x)
    if len(written) <= 9:
        return written
    try:
        rounded = float(x)
    except (TypeError, ValueError, OverflowError):  # a formula, or beyond the floats
        return written if len(written) <= 24 else f"{written[:23]}…"
    if not math.isfinite(rounded) or (rounded == 0) != (x == 0):
        return written if len(written) <= 24 else f"{written[:23]}…"
    return _typeset(f"{rounded:.4g}")


def whole(x: Number) -> str:
    """All digits, up to what can be read.

    >>> whole(0.1 + 0.2)
    '0.30000000000000004'
    """
    exact = isinstance(x, (int, Fraction))
    if exact and max(x.numerator.bit_length(), x.denominator.bit_length()) > _BITS:
        return "a rational too long to be written"
    written = str(x)
    return _typeset(written if len(written) <= 300 else f"{written[:299]}…")


def gradient(x: Number, write: Callable[[Number], str] = short) -> str:
    """A gradient; "not yet" where no backward pass has been.

    >>> from microgradnet import Value
    >>> gradient(Value(1.0).grad), gradient(0.0)
    ('not yet', '0')
    """
    return "not yet" if is_untouched(x) else write(x)


def _typeset(written: str) -> str:
    return written.replace("-", "−") if "nan" not in written else written.replace("nan", "NaN")
