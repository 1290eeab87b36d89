"""Rewrites of terms, in two tables: each has the same values and runs better, or differentiates so.

A rule is a function that gives the new term, or None where it does not apply. `STABLE` is for all
that a program computes. `DIFFERENTIATED` is for what is only differentiated: the logarithm of a
softmax has the same value by its parts, but its derivative by parts divides by what may be 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import permutations
from typing import NamedTuple, TypeAlias, cast

import numpy as np

from microgradnet import ops
from microgradnet.lifting.algebra import expand
from microgradnet.lifting.terms import (
    Affine,
    Axis,
    Concatenate,
    Constant,
    LogSumExp,
    Map,
    Mask,
    Others,
    Put,
    Softmax,
    Sum,
    Take,
    Term,
    add,
    as_coefficient,
    constant,
    is_map,
    multiply,
    negative,
    read_at,
    rebuild,
    sum_over,
)
from microgradnet.operation import Operation

__all__ = [
    "COMPLEMENTS",
    "DIFFERENTIATED",
    "GRADIENTS",
    "LOGARITHMS",
    "SHARES",
    "STABLE",
    "VALUES",
    "Rule",
    "rewrite",
]


class Rule(NamedTuple):
    """A rewrite: what it says, and the function that applies it to a term."""

    equation: str
    apply: Callable[[Term], Term | None]


def rewrite(roots: Sequence[Term], *tables: Sequence[Rule]) -> list[Term]:
    """The roots with rules applied to all their terms, from the leaves on, while any applies.

    Of several tables one is applied after the other.

    >>> from microgradnet.lifting.terms import Leaf, sum_over
    >>> k = Axis("k", 3)
    >>> e = Map(ops.exp, (Leaf("x", "input", (k,), range(3)),))
    >>> rewrite([Map(ops.divide, (e, sum_over(e, k)))], STABLE)
    [softmax_k(x[k])]
    """
    for rules in tables:

        def change(term: Term, rules: Sequence[Rule] = rules) -> Term:
            for rule in rules:
                found = rule.apply(term)
                if found is not None:
                    return change(found)
            return term

        roots = rebuild(roots, change)
    return [*roots]


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
    if not is_map(term, ops.divide):
        return None
    above, below = term.operands
    number, rest = as_coefficient(above)
    return constant(number), rest, below


def _logarithm(term: Term, over: Sequence[Axis]) -> Term | None:
    """The x of a term exp x, up to what is constant along axes; −∞ where a mask has made it 0."""
    match term:
        case Map(function, (x,)) if function is ops.exp:
            parts = x.operands if is_map(x, ops.add) else (x,)
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
    if not is_map(term, ops.log):
        return None
    (total,) = term.operands
    if not isinstance(total, Sum) or not is_map(total.operand, ops.exp):
        return None
    return LogSumExp(total.operand.operands[0], total.over)


def _sigmoid(term: Term) -> Term | None:
    parts = _quotient(term)
    if parts is None:
        return None
    number, above, below = parts
    terms = below.operands if is_map(below, ops.add) else ()
    rest = [t for t in terms if not _is_number(t, 1)]
    if len(terms) != 2 or len(rest) != 1 or not is_map(rest[0], ops.exp):
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
    if not (is_map(term, ops.log) or is_map(term, ops.xlogy)):
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
    if not (is_map(term, ops.log) or is_map(term, ops.xlogy)):
        return None
    *weight, a = term.operands
    rest = _one_minus(a)
    if is_map(a, ops.sigmoid):
        z = negative(a.operands[0])
    elif rest is not None and is_map(rest, ops.sigmoid):
        (z,) = rest.operands
    else:
        return None
    return multiply(constant(-1), *weight, Map(ops.softplus, (z,)))


def _one_minus(term: Term) -> Term | None:
    """The y of 1 − y; of 1 + f(x) it is f(−x), where f is odd."""
    if is_map(term, ops.subtract) and _is_number(term.operands[0], 1):
        return term.operands[1]
    rest = [t for t in term.operands if not _is_number(t, 1)] if is_map(term, ops.add) else []
    if len(rest) != 1 or len(term.operands) != 2:
        return None
    number, y = as_coefficient(rest[0])
    if number == 1 and isinstance(y, Map) and getattr(y.function, "odd", False):
        return Map(y.function, tuple(map(negative, y.arguments)))
    return y if number == -1 else None


def _complement(y: Term) -> Term | None:
    """1 − y as the operation of y declares it, or that of a square's base; None if none does."""
    if _is_share(y):
        return _rest(y)
    if not isinstance(y, Map) or not isinstance(y.function, Operation):
        return None
    if y.function.complement is not None:
        return expand(y.function, y.arguments, y.function.complement)
    x = _base_of_square(y)
    if x is None:
        return None
    below = _complement(x)
    if below is None:
        return None
    above: Term | None = add(constant(1), x)
    if isinstance(x, Map) and cast(Operation, x.function).odd:
        above = _complement(Map(x.function, tuple(map(negative, x.arguments))))
    return multiply(below, cast(Term, above))


def _base_of_square(y: Map) -> Term | None:
    """The x of x² and of x·x."""
    x, function = y.arguments[0], y.function
    power = isinstance(function, Operation) and (function.base or function) is ops.power_constant
    square = power and cast(Operation, function).parameters["exponent"] == 2
    return x if square or (function is ops.multiply and y.arguments == (x, x)) else None


def _is_share(term: Term) -> bool:
    """Whether a term is a softmax, or read of one."""
    whole = term.operand if isinstance(term, Take) and term.fill is None else term
    return isinstance(whole, Softmax)


def _rest(share: Term) -> Term:
    """One less a share: what the others add up to."""
    if isinstance(share, Take):
        return share.with_operands([_rest(share.operand), *share.operands[1:]])
    return Others(share, cast(Softmax, share).over)


def _complemented(term: Term) -> Term | None:
    y = _one_minus(term)
    return None if y is None else _complement(y)


def _log_of_one(term: Term) -> Term | None:
    """The logarithm of what is close to 1, or too small for a float, by what it lacks to be 1."""
    if is_map(term, ops.log1p):
        return _log_of_more(term)
    if not (is_map(term, ops.log) or is_map(term, ops.xlogy)):
        return None
    *weight, y = term.operands
    rest = _one_minus(y)
    if is_map(y, ops.sigmoid) or (rest is not None and is_map(rest, ops.sigmoid)):
        z = negative(y.operands[0]) if rest is None else rest.operands[0]
        return negative(_vanishing(Map(ops.softplus, (z,)), weight))
    if rest is None:
        less = None if _is_share(y) else _complement(y)
    else:
        less = None if _complement(rest) is None else rest
    if less is None:
        return None
    logarithm = Map(ops.log1p, (negative(less),))
    near = Map("less", (constant(0.5), y))
    far = _log_complement(rest)
    else_ = term if far is None else multiply(*weight, far)
    return Map("where", (near, multiply(*weight, logarithm), else_))


def _log_of_more(term: Term) -> Term | None:
    """ln(1 + y) by what 1 + y is, where y is the negative of σ or tanh, or tanh itself."""
    y = _one_minus(add(constant(1), term.operands[0], flat=False))
    below = None if y is None else _complement(y)
    if y is None or below is None:
        return None
    if is_map(y, ops.sigmoid):
        return negative(Map(ops.softplus, y.operands))
    near = Map("less", (y, constant(0.5)))
    return Map("where", (near, term, _log_complement(y) or Map(ops.log, (below,))))


def _log_complement(y: Term | None) -> Term | None:
    """ln(1 − y) of a tanh or its square, as ln 2 − softplus(2x) and what else there is."""
    if y is None or not isinstance(y, Map):
        return None
    squared = _base_of_square(y)
    inner = y if squared is None else squared
    if not is_map(inner, ops.tanh):
        return None
    double = multiply(constant(2), inner.operands[0])
    sides = [double] if squared is None else [double, negative(double)]
    softplus = [negative(Map(ops.softplus, (x,))) for x in sides]
    return add(constant(math.log(2) * len(sides)), *softplus, flat=False)


def _vanishing(logarithm: Term, weight: Sequence[Term]) -> Term:
    """A product with what may be infinite where the weight is 0."""
    return Map("vanishing_product", (logarithm, *weight)) if weight else logarithm


def _weighted_cost(term: Term) -> Term | None:
    """Products with targets of what is infinite at a logit of −∞ or ∞: 0 where the target is."""
    if not is_map(term, ops.multiply):
        return None
    costs = [x for x in term.operands if is_map(x, ops.softplus) or _excess(x) is not None]
    rest = [x for x in term.operands if x not in costs]
    if len(costs) != 1 or not rest or all(isinstance(x, Constant) for x in rest):
        return None
    return Map("vanishing_product", (costs[0], multiply(*rest)))


def _value_of_share(term: Term) -> Term | None:
    """The logarithm of a share: where it is most of the sum, by what the others are."""
    if not (is_map(term, ops.log) or is_map(term, ops.xlogy)):
        return None
    *weight, share = term.operands
    if not _is_share(share):
        return None
    return _vanishing(_by_rest(share, cast(Term, _log_share(share))), weight)


def _by_rest(share: Term, logarithm: Term) -> Term:
    near = Map(ops.log1p, (negative(cast(Term, _complement(share))),))
    return Map("where", (Map("less", (constant(0.5), share)), near, logarithm))


def _value_of_excess(term: Term) -> Term | None:
    found = _excess(term)
    if found is None:
        return None
    number, share, logarithm, rest = found
    return add(*rest, multiply(constant(number), _by_rest(share, logarithm)), flat=False)


def _excess(term: Term) -> tuple[float, Term, Term, list[Term]] | None:
    """The parts of c (xⱼ − ln Σ exp xₖ) + …: c, the share of xⱼ, its logarithm, the rest."""
    if not is_map(term, ops.add) and not is_map(term, ops.subtract):
        return None
    parts = [(*as_coefficient(t), t) for t in term.operands]
    if is_map(term, ops.subtract):
        parts[1] = -parts[1][0], *parts[1][1:]
    for number, total, one in parts:
        if not (isinstance(total, LogSumExp) or is_map(total, ops.log_sum_exp)):
            continue
        for opposite, x, other in parts:
            share = _share_of(x, total) if opposite == -number else None
            if share is not None:
                rest = [t for t in term.operands if t is not one and t is not other]
                return opposite, share, add(x, negative(total), flat=False), rest
    return None


def _share_of(x: Term, total: Term) -> Term | None:
    """The share of exp x in a sum of exponentials that it is one of."""
    if isinstance(total, Map):
        if x not in total.arguments:
            return None
        component = ops.softmax_component.variant(index=total.arguments.index(x))
        return Map(component, total.arguments)
    assert isinstance(total, LogSumExp)
    whole = total.operand
    shares: Term = Softmax(whole, total.over)
    if x is whole:
        return shares
    if isinstance(x, Take) and x.operand is whole and x.axis in total.over and x.fill is None:
        return x.with_operands([shares, *x.operands[1:]])
    if isinstance(whole, Concatenate) and total.over == (whole.axis,):
        offset = 0
        for piece, own in whole.pieces:
            if piece is x and own is None:
                return read_at(shares, whole.axis, offset)
            offset += 1 if own is None else cast(int, own.size)
    return None


def _error_of_shares(term: Term) -> Term | None:
    """By what the others are: a Σ y − y, and a s − s, of shares a."""
    if not is_map(term, ops.add):
        return None
    parts = [(*as_coefficient(t), t) for t in term.operands]
    for number, product, one in parts:
        factors = product.operands if is_map(product, ops.multiply) else (product,)
        for share in filter(_is_share, factors):
            inner, weight = _numbers_out(multiply(*[x for x in factors if x is not share]))
            for opposite, y, other in parts:
                found = _joined(share, weight, y) if opposite == -number * inner else None
                if found is not None:
                    rest = [t for t in term.operands if t is not one and t is not other]
                    return add(*rest, multiply(constant(-opposite), found), flat=False)
    return None


def _numbers_out(term: Term) -> tuple[float, Term]:
    """A number and the rest, also of a product of sums of multiples."""
    number, rest = as_coefficient(term)
    factors = []
    for x in rest.operands if is_map(rest, ops.multiply) else (rest,):
        inner, within = as_coefficient(x.operand) if isinstance(x, Sum) else (1.0, x)
        number *= inner
        factors.append(sum_over(within, *x.over) if isinstance(x, Sum) else x)
    return number, multiply(*factors)


def _joined(share: Term, weight: Term, y: Term) -> Term | None:
    """The difference a·weight − y without cancellation, where weight is Σ y, or y itself."""
    if y is weight:
        return negative(multiply(y, _rest(share)))
    if not isinstance(share, Softmax):
        return None
    over = share.over
    one_hot = isinstance(y, Put) and (y.axis,) == over and not y.over
    total = cast(Put, y).operand if one_hot else sum_over(y, *over)
    if weight is not total or not set(over) <= set(y.axes):
        return None
    others = multiply(share, Others(y, over))
    return add(others, negative(multiply(y, _rest(share))), flat=False)


def _atanh(term: Term) -> Term | None:
    if is_map(term, ops.atanh) and is_map(term.operands[0], ops.tanh):
        return term.operands[0].operands[0]
    return None


def _cross_entropies(term: Term) -> Term | None:
    """Pairs of c Σ y softplus(−z) and c Σ (1 − y) softplus(z), as c Σ (softplus(z) − y z)."""
    if not is_map(term, ops.add):
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
    parts = term.operands if is_map(term, ops.add) else (term,)
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
    factors = rest.operands if is_map(rest, ops.multiply) else ()
    if len(factors) != 2 or not is_map(factors[1], ops.softplus):
        return None
    return number, over, factors[0], factors[1].operands[0]


def _is_number(term: Term, x: float) -> bool:
    return isinstance(term, Constant) and term.number == x


STABLE = (
    Rule("exp(x − s) / Σ exp(x − s) = softmax(x), s constant along the sum", _softmax),
    Rule("ln Σ exp x = log_sum_exp(x)", _log_sum_exp),
    Rule("1 / (1 + exp(−x)) = exp x / (1 + exp x) = σ(x)", _sigmoid),
    Rule("(x where c, else 0) where c, else y = x where c, else y", _masks),
)
"""Rules for all that a program computes."""

LOGARITHMS = (
    Rule("ln σ(x) = −softplus(−x), ln y = log1p(−(1 − y))", _log_of_one),
    Rule("artanh(tanh x) = x", _atanh),
)
"""Rules for what is computed and not written, so that ln y keeps its digits where y is close to 1.

They come before differentiation: the derivative is that of the new form.
"""

COMPLEMENTS = (Rule("1 − y by the complement of y, 1 − y² as (1 − y)(1 + y)", _complemented),)
"""Rules for values and derivatives, after differentiation: that of 1 − y is −1 of y, as written."""

_WEIGHTED = (Rule("y softplus(x), y (ln Σ exp x − x) = 0 where y = 0", _weighted_cost),)
_OF_SHARES = (
    Rule("ln softmax(x) = log1p(−(1 − softmax(x)))", _value_of_share),
    Rule("x − ln Σ exp x = ln softmax(x)", _value_of_excess),
)
VALUES = _WEIGHTED, _OF_SHARES
"""Tables besides those for values of which no derivative is taken."""

GRADIENTS = (
    Rule("a Σ y − y = a (Σ y − y) − y (1 − a), a s − s = −s (1 − a) of shares a", _error_of_shares),
)
"""Rules for derivatives."""

SHARES = (Rule("ln softmax(x) = x − log_sum_exp(x)", _log_softmax),)
"""Rules for what is differentiated and not written, besides those."""

DIFFERENTIATED = (
    *SHARES,
    Rule("ln σ(x) = −softplus(−x), ln(1 − σ(x)) = −softplus(x)", _cross_entropy),
    Rule("Σ y softplus(−z) + Σ (1 − y) softplus(z) = Σ (softplus(z) − y z)", _cross_entropies),
)
"""Rules for what is differentiated and written."""
