"""Rewrites of terms, in two tables: each has the same values and runs better, or differentiates so.

A rule is a function that gives the new term, or None where it does not apply. `STABLE` is for all
that a program computes. `DIFFERENTIATED` is for what is only differentiated: the logarithm of a
softmax has the same value by its parts, but its derivative by parts divides by what may be 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import NamedTuple, TypeAlias, cast

import numpy as np

from microgradnet import ops
from microgradnet.lifting.terms import (
    Affine,
    Axis,
    Constant,
    LogSumExp,
    Map,
    Mask,
    Softmax,
    Sum,
    Take,
    Term,
    add,
    as_coefficient,
    constant,
    multiply,
    negative,
    read_at,
    rebuild,
    sum_over,
)
from microgradnet.operation import Operation

__all__ = ["DIFFERENTIATED", "STABLE", "Rule", "rewrite"]


class Rule(NamedTuple):
    """A rewrite: what it says, and the function that applies it to a term."""

    equation: str
    apply: Callable[[Term], Term | None]


def rewrite(roots: Sequence[Term], rules: Sequence[Rule]) -> list[Term]:
    """The roots with rules applied to all their terms, from the leaves on, while any applies.

    >>> from microgradnet.lifting.terms import Leaf, sum_over
    >>> k = Axis("k", 3)
    >>> e = Map(ops.exp, (Leaf("x", "input", (k,), range(3)),))
    >>> rewrite([Map(ops.divide, (e, sum_over(e, k)))], STABLE)
    [softmax_k(x[k])]
    """

    def change(term: Term) -> Term:
        for rule in rules:
            found = rule.apply(term)
            if found is not None:
                return change(found)
        return term

    return rebuild(roots, change)


def _softmax(term: Term) -> Term | None:
    parts = _quotient(term)
    if parts is None:
        return None
    number, above, below = parts
    if not isinstance(below, Sum) or below.operand is not above:
        return None
    exponent = _logarithm(above, below.over)
    return None if exponent is None else multiply(number, Softmax(exponent, below.over))


def _quotient(term: Term) -> tuple[Term, Term, Term] | None:
    """The parts of c · x / y, where x is what exponentials have made."""
    if not _is(term, ops.divide):
        return None
    above, below = term.operands
    number, rest = as_coefficient(above)
    return constant(number), rest, below


def _logarithm(term: Term, over: Sequence[Axis]) -> Term | None:
    """The x of a term exp x, up to what is constant along axes; −∞ where a mask has made it 0."""
    match term:
        case Map(function, (x,)) if function is ops.exp:
            parts = x.operands if _is(x, ops.add) else (x,)
            varying = [t for t in parts if not set(over).isdisjoint(t.axes)]
            return add(*varying) if varying else None
        case Mask(x, conditions, 0.0):
            inner = _logarithm(x, over)
            if inner is None:
                return None
            return Mask(_unmasked(inner, conditions), conditions, -np.inf)
        case Take(x, axis, Affine() as index, None):
            new = index.renames(axis)
            if new is None or new in x.axes:
                return None
            inner = _logarithm(x, [axis if a is new else a for a in over])
            return None if inner is None else read_at(inner, axis, index)
    return None


def _unmasked(term: Term, conditions: Sequence[Affine]) -> Term:
    """What a term is where conditions hold, without masks that say no more."""
    if isinstance(term, Mask) and set(term.conditions) <= set(conditions):
        return _unmasked(term.operand, conditions)
    if isinstance(term, Map):
        return term.with_operands([_unmasked(x, conditions) for x in term.operands])
    return term


def _log_sum_exp(term: Term) -> Term | None:
    if not _is(term, ops.log):
        return None
    (total,) = term.operands
    if not isinstance(total, Sum) or not _is(total.operand, ops.exp):
        return None
    return LogSumExp(total.operand.operands[0], total.over)


def _sigmoid(term: Term) -> Term | None:
    parts = _quotient(term)
    if parts is None:
        return None
    number, above, below = parts
    terms = below.operands if _is(below, ops.add) else ()
    rest = [t for t in terms if not _is_number(t, 1)]
    if len(terms) != 2 or len(rest) != 1 or not _is(rest[0], ops.exp):
        return None
    (x,) = rest[0].operands
    if _is_number(above, 1):
        return multiply(number, Map(ops.sigmoid, (negative(x),)))
    return multiply(number, Map(ops.sigmoid, (x,))) if above is rest[0] else None


def _masks(term: Term) -> Term | None:
    if isinstance(term, Mask):
        inner = _unmasked(term.operand, term.conditions)
        return None if inner is term.operand else Mask(inner, term.conditions, term.fill)
    return None


def _log_softmax(term: Term) -> Term | None:
    """By x of ln x, and of c ln x, where x is a softmax, or a share of one."""
    if not (_is(term, ops.log) or _is(term, ops.xlogy)):
        return None
    *weight, shares = term.operands
    logarithm = _log_share(shares)
    return None if logarithm is None else multiply(*weight, logarithm)


def _log_share(term: Term) -> Term | None:
    if isinstance(term, Softmax):
        total = LogSumExp(term.operand, term.over)
        return add(term.operand, negative(total), flat=False)
    if isinstance(term, Take) and (term.fill is None):
        inner = _log_share(term.operand)
        return None if inner is None else read_at(inner, term.axis, term.index)
    return None


def _cross_entropy(term: Term) -> Term | None:
    """By z of y ln σ(z) and (1 − y) ln(1 − σ(z)), each by itself: −y softplus(−z) and so on."""
    if not (_is(term, ops.log) or _is(term, ops.xlogy)):
        return None
    *weight, a = term.operands
    if _is(a, ops.sigmoid):
        z = negative(a.operands[0])
    else:
        rest = [t for t in a.operands if not _is_number(t, 1)] if _is(a, ops.add) else []
        number, other = as_coefficient(rest[0]) if len(rest) == 1 else (0.0, a)
        if number != -1 or len(a.operands) != 2 or not _is(other, ops.sigmoid):
            return None
        (z,) = other.operands
    return multiply(constant(-1), *weight, Map(ops.softplus, (z,)))


def _cross_entropies(term: Term) -> Term | None:
    """Pairs of c Σ y softplus(−z) and c Σ (1 − y) softplus(z), as c Σ (softplus(z) − y z)."""
    if not _is(term, ops.add):
        return None
    left = [t for t in term.operands if _weighted_softplus(t) is not None]
    rest = [t for t in term.operands if t not in set(left)]
    joined: list[Term] = []
    for one, two in permutations(left, 2):
        found = _pair(one, two) if one in left and two in left else None
        if found is not None:
            left = [t for t in left if t is not one and t is not two]
            joined.append(found)
    return add(*rest, *left, *joined, flat=False) if joined else None


def _pair(one: Term, two: Term) -> Term | None:
    (number, over, weight, z), (same, axes, complement, opposite) = (
        cast(_Parts, _weighted_softplus(t)) for t in (one, two)
    )
    if number != same or over != axes or negative(z) is not opposite:
        return None
    if add(constant(1), negative(weight)) is not add(*_sorted_complement(complement)):
        return None
    linear = negative(multiply(weight, opposite))
    inner = add(Map(ops.softplus, (opposite,)), linear, flat=False)
    return multiply(constant(number), sum_over(inner, *over))


def _sorted_complement(term: Term) -> list[Term]:
    """The addends of a term, a number among them first."""
    parts = term.operands if _is(term, ops.add) else (term,)
    return sorted(parts, key=lambda t: not isinstance(t, Constant))


def _number_of(term: Term) -> tuple[float, Term]:
    """All numbers in front of a term, in one, and the rest."""
    product = 1.0
    while True:
        number, rest = as_coefficient(term)
        product *= number
        if rest is term:
            return product, rest
        term = rest


_Parts: TypeAlias = "tuple[float, tuple[Axis, ...], Term, Term]"


def _weighted_softplus(term: Term) -> _Parts | None:
    """The parts of c Σ w softplus(x)."""
    number, rest = _number_of(term)
    over: tuple[Axis, ...] = ()
    if isinstance(rest, Sum):
        over = rest.over
        factor, rest = _number_of(rest.operand)
        number *= factor
    factors = rest.operands if _is(rest, ops.multiply) else ()
    if len(factors) != 2 or not _is(factors[1], ops.softplus):
        return None
    return number, over, factors[0], factors[1].operands[0]


def _is(term: Term, op: Operation) -> bool:
    return isinstance(term, Map) and term.function is op


def _is_number(term: Term, x: float) -> bool:
    return isinstance(term, Constant) and term.number == x


STABLE = (
    Rule("exp(x − s) / Σ exp(x − s) = softmax(x), s constant along the sum", _softmax),
    Rule("ln Σ exp x = log_sum_exp(x)", _log_sum_exp),
    Rule("1 / (1 + exp(−x)) = exp x / (1 + exp x) = σ(x)", _sigmoid),
    Rule("(x where c, else 0) where c, else y = x where c, else y", _masks),
)
"""Rules for all that a program computes."""

DIFFERENTIATED = (
    Rule("ln softmax(x) = x − log_sum_exp(x)", _log_softmax),
    Rule("ln σ(x) = −softplus(−x), ln(1 − σ(x)) = −softplus(x)", _cross_entropy),
    Rule("Σ y softplus(−z) + Σ (1 − y) softplus(z) = Σ (softplus(z) − y z)", _cross_entropies),
)
"""Rules for what is differentiated, besides those."""
