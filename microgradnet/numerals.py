"""Numbers as text: the same in words, tables, pictures and on the page, which has a twin of this.

The minus is a minus, an exponent is as short as it can be, infinity is ∞ and what is not a number
NaN. A zero that is rounded has no sign: what is shown by some digits does not tell the two apart.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

__all__ = ["full_numeral", "numeral", "percent"]

_ROOM = 12
"""So many characters an exact number may have before it is rounded."""
_CUT, _LONGEST = 24, 300
"""What cannot be rounded, as a formula, is cut here; and even all digits are, there."""
_BITS = 13_000
"""Beyond these bits a rational is not written out: Python itself refuses at some 14,000."""
_WORDS = {
    sign + word: ("−" if sign == "-" else "") + name
    for word, name in {"inf": "∞", "Infinity": "∞", "oo": "∞", "nan": "NaN"}.items()
    for sign in ("", "+", "-")
}
_EXPONENT = re.compile(r"(?<=\d)[eE]\+?(-?)0*(?=\d)")


def numeral(x: Any, digits: int = 4) -> str:
    """Write a number by some significant digits; an exact one as it is, while that is short.

    >>> numeral(-2 / 3), numeral(-0.0), numeral(1.5e-9), numeral(2e30, 2), numeral(float("-inf"))
    ('−0.6667', '0', '1.5e−9', '2e30', '−∞')
    >>> numeral(Fraction(2, 3)), numeral(Fraction(2, 3**30)), numeral(10**400)
    ('2/3', '9.714e−15', '10000000000000000000000…')
    """
    if isinstance(x, float):
        return _typeset(f"{x or 0.0:.{digits}g}")
    written = full_numeral(x)
    if len(written) <= _ROOM:
        return written
    try:
        rounded = float(x)
    except (TypeError, ValueError, OverflowError):  # a formula, or beyond the floats
        rounded = math.nan
    if math.isfinite(rounded) and (rounded == 0) == (x == 0):
        return numeral(rounded, digits)
    return _cut(written, _CUT)


def full_numeral(x: Any) -> str:
    """Write all digits, up to what can be read.

    >>> full_numeral(0.1 + 0.2), full_numeral(-0.0), full_numeral(Fraction(-1, 3))
    ('0.30000000000000004', '−0.0', '−1/3')
    """
    exact = isinstance(x, (int, Fraction))
    if exact and max(x.numerator.bit_length(), x.denominator.bit_length()) > _BITS:
        return "a rational too long to be written"
    return _typeset(_cut(str(x), _LONGEST))


def percent(share: float | None) -> str:
    """Write a share in percent; "" where there is none.

    >>> percent(0.975), percent(None)
    ('97.5 %', '')
    """
    return "" if share is None else f"{100 * share:.1f} %"


def _typeset(written: str) -> str:
    if "e" in written or "E" in written:
        written = _EXPONENT.sub(r"e\1", written)
    return _WORDS.get(written) or written.replace("-", "−")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
