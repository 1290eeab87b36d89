"""In which order the axes of arrays lie in memory, so that products need no copies.

Arrays that are combined entry by entry lie alike: they form a class. Of each class in turn the
order is taken that makes the products that it takes part in cheapest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from microgradnet import ops
from microgradnet.lifting.strides import (
    Strides,
    collapses,
    contiguous,
    extent_of,
    plan_product,
    run_length,
)
from microgradnet.lifting.terms import (
    Affine,
    Axis,
    LogSumExp,
    Map,
    Mask,
    Others,
    Scan,
    Softmax,
    Sum,
    Take,
    Term,
)

__all__ = ["Layouts", "factors"]


def factors(term: Term) -> tuple[Term, Term] | None:
    """The two factors of a sum of products; None if a term is no such sum.

    One whose factors have all their axes in common, but for what is summed over all, is none: that
    is a product entry by entry, and a sum.
    """
    if not isinstance(term, Sum):
        return None
    product = term.operand
    if not isinstance(product, Map) or product.function is not ops.multiply:
        return None
    x, y = product.arguments
    if not set(x.axes) ^ set(y.axes) and term.axes:
        return None
    return (x, y) if set(term.over) <= set(x.axes) & set(y.axes) else None


class Layouts:
    """The orders of the axes of some terms.

    fixed   strides of those that lie in memory already: parameters, inputs, gradients
    first   an axis that has to come first, of those that are read step by step
    like    those of more terms, which are taken over
    """

    def __init__(
        self,
        terms: Sequence[Term],
        fixed: Mapping[Term, Strides],
        first: Mapping[Term, Axis],
        like: Layouts | None = None,
    ) -> None:
        self._parents: dict[Term, Term] = {}
        self._fixed = dict(fixed)
        self._first: dict[Term, Axis] = {}
        self._orders: dict[Term, tuple[Axis, ...]] = {}
        self._axes: dict[Term, tuple[Axis, ...]] = {}
        self._examples_first = True
        self._costs: dict[tuple[Term, tuple[tuple[Axis, ...], ...]], float] = {}
        self._stepped = {term.axis for term in terms if isinstance(term, Scan)}
        for term in terms:
            self._axes[term] = term.axes
        for term in terms:
            if isinstance(term, (Map, Softmax, Others, Mask)):
                for x in term.operands:
                    self._join(x, term)
            if isinstance(term, Scan):
                self._join(term.out, term)
                for state, init, step in term.states:
                    self._join(init, state)
                    self._join(step, state)
        for term in terms:
            if isinstance(term, Scan):
                self._first.setdefault(self._root(term), term.axis)
        for term, axis in first.items():
            self._first[self._root(term)] = axis
        self._touching: dict[Term, dict[Term, None]] = defaultdict(dict)
        self._bases = {term: [_base(x) for x in self._concerned(term)] for term in terms}
        for term, bases in self._bases.items():
            for x in bases:
                self._touching[self._root(x)][term] = None
        for term, strides in fixed.items():
            root = self._root(term)
            if root not in self._orders and root in self._touching:
                self._orders[root] = tuple(sorted(strides, key=lambda axis: -abs(strides[axis])))
        if like is None:
            self._choose(terms)
        else:
            self._take_over(like)

    def _take_over(self, like: Layouts) -> None:
        self._examples_first = like._examples_first
        for root in self._touching:
            order = [a for a in like._orders.get(like._root(root), ()) if a in self._axes[root]]
            if root not in self._orders and len(order) == len(self._axes[root]):
                self._orders[root] = tuple(order)

    def _root(self, term: Term) -> Term:
        path = []
        while term in self._parents:
            path.append(term)
            term = self._parents[term]
        for passed in path[:-1]:
            self._parents[passed] = term
        return term

    def _join(self, one: Term, two: Term) -> None:
        """Put two terms in one class if they have the same axes, but for those of steps."""
        if set(one.axes) ^ set(two.axes) <= self._stepped and {*one.axes} - self._stepped:
            a, b = self._root(one), self._root(two)
            if a is not b:
                self._parents[a] = b
                self._axes[b] = tuple(dict.fromkeys((*self._axes[b], *self._axes[a])))

    def _concerned(self, term: Term) -> Iterable[Term]:
        pair = factors(term)
        if pair is not None:
            return (*pair, term)
        if isinstance(term, (Sum, Softmax, Others, LogSumExp)):
            return (*term.operands, term)
        if isinstance(term, Map) and any(0 < len(x.axes) < len(term.axes) for x in term.operands):
            return (term,)
        return ()

    def order(self, term: Term) -> tuple[Axis, ...]:
        """The order of a term's axes."""
        root = self._root(term)
        found = self._orders.get(root)
        if found is None:
            found = self._orders[root] = self._default(root)
        if len(found) == len(term.axes):
            return found
        own = tuple(axis for axis in found if axis in term.axes)
        return (
            own if len(own) == len(term.axes) else (*(a for a in term.axes if a not in own), *own)
        )

    def _default(self, root: Term) -> tuple[Axis, ...]:
        first = self._first.get(root)
        return tuple(
            sorted(
                self._axes[root],
                key=lambda axis: (axis is not first, (axis.size is None) != self._examples_first),
            )
        )

    def strides(self, term: Term) -> Strides:
        """How far entries along each axis are apart."""
        if term in self._fixed:
            return self._fixed[term]
        if isinstance(term, Take) and isinstance(term.index, Affine) and term.fill is None:
            inner = dict(self.strides(term.operand))
            step = inner.pop(term.axis)
            for axis, coefficient in term.index.parts:
                inner[axis] = inner.get(axis, 0) + coefficient * step
            return inner
        return contiguous(self.order(term))

    def _choose(self, terms: Sequence[Term]) -> None:
        """Begin with the examples as rows, and as columns; go on while it pays; keep the better."""
        classes = dict.fromkeys(self._root(x) for bases in self._bases.values() for x in bases)
        settled = dict(self._orders)
        open_ones = [
            root for root in classes if 1 < len(self._axes[root]) <= _WIDEST and root not in settled
        ]
        judged = [term for term, bases in self._bases.items() if bases]
        self._roots = {term: [self._root(x) for x in self._bases[term]] for term in judged}
        found = []
        for first in (True, False):
            self._examples_first = first
            self._orders = {root: self._default(root) for root in classes} | settled
            self._descend(open_ones)
            found.append((sum(map(self.cost, judged)), self._examples_first, self._orders))
        _, self._examples_first, self._orders = min(found, key=lambda choice: choice[0])

    def _descend(self, roots: Sequence[Term]) -> None:
        """Improve class after class, and again those beside others that have changed."""
        waiting = roots
        for _ in range(_ROUNDS):
            moved = [root for root in waiting if self._improve(root)]
            touched = {term for root in moved for term in self._touching[root]}
            beside = {self._root(x) for term in touched for x in self._bases[term]}
            waiting = [root for root in roots if root in beside]

    def _improve(self, root: Term) -> bool:
        """Move one axis of a class to where it makes its sums cheapest; whether it was worth it."""
        now = self._orders[root]
        first = self._first.get(root)
        best, least = now, self._cost_of(root, now)
        start, tried = int(first is not None), {now}
        for axis in now[start:]:
            rest = [x for x in now if x is not axis]
            for place in range(start, len(now)):
                order = (*rest[:place], axis, *rest[place:])
                cost = self._cost_of(root, order) if order not in tried else least
                tried.add(order)
                if cost < least:
                    best, least = order, cost
        self._orders[root] = best
        return best != now

    def _cost_of(self, root: Term, order: tuple[Axis, ...]) -> float:
        self._orders[root] = order
        return sum(self.cost(term) for term in self._touching[root])

    def cost(self, term: Term) -> float:
        """An estimate of the nanoseconds that a term takes in the layouts as they are."""
        key = term, tuple([self._orders[root] for root in self._roots[term]])
        if key not in self._costs:
            self._costs[key] = self._cost(term)
        return self._costs[key]

    def _cost(self, term: Term) -> float:
        pair = factors(term)
        if pair is not None:
            a, b = pair
            return plan_product(self.strides(a), self.strides(b), self.strides(term)).cost
        if isinstance(term, Map):
            order = self.order(term)
            lacking = {a for x in term.operands if x.axes for a in term.axes if a not in x.axes}
            run = max(run_length(order, lacking), run_length(order, {*order} - lacking))
            return extent_of(order, 32) * (0.3 + 8 / run)
        (x,) = term.operands
        strides = self.strides(x)
        over = cast(Sum, term).over
        order = tuple(sorted(strides, key=lambda axis: -abs(strides[axis])))
        rest = [axis for axis in order if axis not in over]
        ends = [order[len(order) - len(over) :]]
        if isinstance(term, Sum):
            ends.append(order[: len(over)])
        size = extent_of(x.axes, 32)
        if any(set(end) == set(over) and collapses(strides, end) for end in ends):
            if isinstance(term, Sum) and not collapses(self.strides(term), rest):
                return size * 5.0
            return size * 0.5
        if isinstance(term, Sum) and extent_of(over, 32) <= 12 and order[-1] not in over:
            own = self.order(term)
            same = 0
            while same < len(own) and own[-1 - same] is order[-1 - same]:
                same += 1
            return size * (0.4 + 8 / extent_of(order[len(order) - same :], 32))
        return size * 5.0


_WIDEST = 6
"""Of arrays with more axes the order is not searched for."""
_ROUNDS = 4
"""So often all classes are gone through, if they change."""


def _base(term: Term) -> Term:
    """The term whose array a term is a view of."""
    while isinstance(term, Take) and isinstance(term.index, Affine) and term.fill is None:
        term = term.operand
    return term
