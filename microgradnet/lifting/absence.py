"""Where adjoints have no part in a result, so that an infinite slope behind makes no NaN.

Of min(1/x, 5) at 0 the first operand has no part, and whatever 1/x does there is of no account. A
rule says so by `NO_PART` in its branches. But an array has all its entries. So here is noted where
there is no part, by a term that is 1 there and 0 elsewhere, and what an infinite slope makes of an
adjoint is left out where that is 1. What is 0 for another reason stays a factor: 0·∞ is NaN.

Recurrences and sums of products pass on no such note. Behind them an infinite slope makes NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from microgradnet import ops
from microgradnet.lifting.algebra import contributions
from microgradnet.lifting.canonicalise import Atoms
from microgradnet.lifting.signs import is_positive
from microgradnet.lifting.terms import (
    NO_PART,
    VJP,
    Constant,
    Map,
    State,
    Term,
    constant,
    multiply,
)
from microgradnet.operation import Operation

__all__ = ["Absences", "hides_steepness"]

_HERE, _NOWHERE = constant(1), constant(0)


class Absences:
    """What has no part among the adjoints of one reverse pass, and where.

    >>> from microgradnet.lifting.terms import Leaf
    >>> x, g = Leaf("x", "input", (), [0]), Leaf("g", "seed", (), [0])
    >>> root = Map(ops.sqrt, (x,))
    >>> low, absences = Map(ops.minimum, (root, constant(5))), Absences()
    >>> by_root, _ = contributions(ops.minimum, g, low, low.arguments, running=True)
    >>> by_root = absences.guard(low, 0, g, by_root)
    >>> (slope,) = contributions(ops.sqrt, by_root, root, [x])
    >>> absences.guard(root, 0, by_root, slope).arguments[0]
    5 < sqrt(x)
    """

    def __init__(self) -> None:
        self._where: dict[Term, Term] = {}
        self._finite: dict[Term, bool] = {}

    def guard(self, term: Map, k: int, g: Term, product: Term) -> Term:
        """The contribution of a map with adjoint g to operand k, 0 where g has no part."""
        before, own = self._where.get(g, _NOWHERE), _of_rule(product)
        if before is not _NOWHERE and self._is_steep(term, k, g):
            product = _outside(before, product)
        found = own if before is _NOWHERE else before if own is _NOWHERE else _either(before, own)
        if found is not _NOWHERE:
            self._where[product] = found
        return product

    def add(self, parts: Sequence[Term], total: Term) -> None:
        """Note that a sum has no part where none of its parts has one."""
        places = [self._where.get(part, _NOWHERE) for part in parts]
        if _NOWHERE not in places:
            self._where[total] = multiply(*places)

    def move(self, term: Term, moved: Callable[[Term], Term]) -> None:
        """Note where an adjoint has no part whose entries are moved, and some of them summed."""
        own = self._where.get(term, _NOWHERE)
        if own is not _NOWHERE:
            there = Map("where", (_condition(own), _NOWHERE, _HERE))
            none = Map("equal", (moved(there), _NOWHERE))
            self._where[moved(term)] = Map("where", (none, _HERE, _NOWHERE))

    def _is_steep(self, term: Map, k: int, g: Term) -> bool:
        """Whether ∂y/∂xₖ, or a factor, may be infinite or NaN.

        Of matrix products it is not asked, since they have no branches.
        """
        function, xs = term.function, term.arguments
        if function is ops.multiply:
            if not ({*term.axes} <= {*g.axes} or {*term.axes} <= {*xs[k].axes}):
                return False
            return not all(map(self._is_finite, (*xs[:k], *xs[k + 1 :])))
        base = (function.base or function) if isinstance(function, Operation) else function
        return base not in _FINITE_SLOPES and not _is_moderate(term)

    def _is_finite(self, term: Term) -> bool:
        """Whether a number is finite where those of the leaves are, but for overflow of sums."""
        known, stack = self._finite, [term]
        while stack:
            x = stack[-1]
            unknown = [y for y in x.operands if y not in known]
            if x in known or not unknown:
                stack.pop()
                own = x.function if isinstance(x, Map) else None
                base = (own.base or own) if isinstance(own, Operation) else own
                finite = base in _FINITE or (isinstance(x, Map) and _is_moderate(x))
                known[x] = finite and all(known[y] for y in x.operands)
                if isinstance(x, Constant):
                    known[x] = bool(abs(x.values).max(initial=0) < float("inf"))
            stack += unknown
        return known[term]


def _is_moderate(term: Map) -> bool:
    """Whether a function of one operand, which is above 0, and its slope are evidently finite."""
    function = term.function
    if not isinstance(function, Operation) or len(term.arguments) > 1:
        return False
    is_power = (function.base or function) is ops.power_constant
    power = is_power and abs(function.parameters["exponent"]) <= 9
    return (power or function in (ops.sqrt, ops.log)) and is_positive(term.arguments[0])


def hides_steepness(atoms: Atoms) -> bool:
    """Whether what may have no part in a result depends on an operation of infinite slopes."""
    known: dict[tuple[Operation, int], bool] = {}
    hidden = [False] * len(atoms)
    starts, first, factors = atoms.starts.tolist(), atoms.first_term.tolist(), atoms.factors
    for k in range(len(atoms) - 1, -1, -1):
        operation = atoms.operation[k]
        below = atoms.operands[starts[k] : starts[k + 1]].tolist()
        if operation is None:
            below = factors[first[k] : first[k + 1]].ravel().tolist()
        elif hidden[k] and (operation.base or operation) not in _FINITE_SLOPES:
            return True
        else:
            key = operation, len(below)
            if key not in known:
                known[key] = _may_have_no_part(*key)
            hidden[k] = hidden[k] or known[key]
        if hidden[k]:
            for j in below:
                if j >= 0:
                    hidden[j] = True
    return False


def _may_have_no_part(operation: Operation, n: int) -> bool:
    """Whether a rule for n operands says of one that it has no part."""
    g, y, *xs = (State(str(j), ()) for j in range(n + 2))
    try:
        rule = contributions(operation, g, y, xs, running=True)
    except TypeError:  # it branches on numbers, and is not differentiated
        return False
    return any(_of_rule(term) is not _NOWHERE for term in rule)


def _of_rule(product: Term) -> Term:
    """Where the branches of a rule have no part."""
    if product is NO_PART:
        return _HERE
    if isinstance(product, Map) and isinstance(product.function, VJP):
        operation, k = product.function
        g, y, *xs = product.arguments
        return _of_rule(contributions(operation, g, y, xs, running=True)[k])
    if isinstance(product, Map) and product.function == "where":
        condition, *branches = product.arguments
        x, y = map(_of_rule, branches)
        return _NOWHERE if x is y is _NOWHERE else Map("where", (condition, x, y))
    return _NOWHERE


def _condition(places: Term) -> Term:
    """The condition that a place is among some."""
    if isinstance(places, Map) and places.function == "where":
        condition, x, y = places.arguments
        if x is _HERE and y is _NOWHERE:
            return condition
    return Map("less", (_NOWHERE, places))


def _outside(places: Term, term: Term) -> Term:
    """A term but for the places where nothing has a part."""
    return Map("where", (_condition(places), NO_PART, term))


def _either(one: Term, other: Term) -> Term:
    return Map(ops.maximum, (one, other))


_FINITE_SLOPES = {
    "where", ops.add, ops.subtract, ops.negative, ops.abs, ops.maximum, ops.minimum, ops.tanh,
    ops.sigmoid, ops.relu, ops.leaky_relu, ops.hard_tanh, ops.hard_sigmoid, ops.softplus,
    ops.softsign, ops.silu, ops.gelu, ops.erf, ops.erfc, ops.atan,
}  # fmt: skip
"""Functions whose slopes are finite even where their operands are not."""

_FINITE = {None, ops.multiply, ops.sin, ops.cos, *_FINITE_SLOPES}
"""Functions that are finite where their operands are."""
