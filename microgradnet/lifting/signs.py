"""Signs of terms, as far as they are evident: squares and what is made of them."""

from __future__ import annotations

from collections import Counter

import numpy as np

from microgradnet import ops
from microgradnet.lifting.terms import Constant, Extent, Map, Sum, Term
from microgradnet.operation import Operation

__all__ = ["is_nonnegative", "is_positive"]

_DEPTH = 9
"""How many operations deep a term is looked into."""


def is_nonnegative(term: Term, depth: int = _DEPTH) -> bool:
    """Whether a term is evidently +0 or above, where it is a number.

    >>> from microgradnet.lifting.terms import Leaf, constant, multiply
    >>> x = Leaf("x", "input", (), [0])
    >>> is_nonnegative(multiply(constant(2), x, x)), is_nonnegative(multiply(constant(2), x))
    (True, False)
    """
    if isinstance(term, Constant):
        return not np.signbit(term.values).any()
    if depth == 0 or not isinstance(term, (Map, Sum, Extent)):
        return False
    function = term.function if isinstance(term, Map) else ops.add
    if isinstance(function, Operation) and (function.base or function) is ops.power_constant:
        return bool(function.parameters["exponent"] == 2)
    counts = Counter(term.operands)
    if function is ops.multiply:  # of equal factors each pair is a square
        counts = Counter({x: n % 2 for x, n in counts.items() if n % 2})
    closed = function in (ops.add, ops.multiply, ops.exp)
    return closed and (function is ops.exp or all(is_nonnegative(x, depth - 1) for x in counts))


def is_positive(term: Term, depth: int = _DEPTH) -> bool:
    """Whether a term is evidently above 2⁻⁶⁴, where it is a number."""
    if isinstance(term, Constant):
        return bool((term.values > 2.0**-64).all())
    if not isinstance(term, Map) or term.function is not ops.add or depth == 0:
        return False
    return any(is_positive(x, depth - 1) for x in term.operands) and is_nonnegative(term, depth)
