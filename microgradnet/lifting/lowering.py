"""Terms as NumPy computes them best: the same values by other terms.

Sums and products become binary, in the order in which results grow least. What does not depend on
the axes of a sum is drawn out of it, and a sum of a product of many factors becomes one of pairs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from math import prod
from typing import cast

import numpy as np

from microgradnet import ops
from microgradnet.lifting.signs import is_nonnegative
from microgradnet.lifting.terms import (
    NO_PART,
    VJP,
    Affine,
    Axis,
    Concatenate,
    Constant,
    Leaf,
    Map,
    Mask,
    Put,
    Scan,
    Softmax,
    State,
    Sum,
    Take,
    Term,
    as_coefficient,
    axes_of,
    constant,
    is_map,
    multiply,
    sum_over,
    topological_terms,
    where_used,
)
from microgradnet.operation import Operation

__all__ = ["ACCUMULATE", "SLOPED", "SPREAD", "is_put", "lower"]

_ONE = constant(1)

SLOPED = ops.tanh, ops.sigmoid
"""Operations whose derivative f′(x) is computed by itself, and multiplied."""

ACCUMULATE = "accumulate"
"""The function of a `Map` that adds terms which are put into place, and at most one that is not."""


SPREAD = "spread"
"""The function of a `Map` that is its first operand, at all entries of the others."""


def is_put(term: Term) -> bool:
    """Whether a term is put into place by an affine index."""
    return isinstance(term, Put) and isinstance(term.index, Affine)


def _accumulated(term: Term) -> Sequence[Term]:
    return term.operands if isinstance(term, Map) and term.function == ACCUMULATE else (term,)


def lower(roots: Sequence[Term]) -> list[Term]:
    """The roots in terms of which each is an instruction or two.

    >>> from microgradnet.lifting.terms import Axis, Leaf
    >>> i, j = Axis("i", 2), Axis("j", 2)
    >>> x, y = (Leaf(name, "input", (i,), [0, 1]) for name in "xy")
    >>> lower([sum_over(multiply(constant(3), x, y), i)])
    [3 Σ_i x[i] y[i]]
    """
    roots = _with_common_products(roots)
    order = topological_terms(roots)
    lowering = _Lowering()
    uses = where_used(order)
    new: dict[Term, Term] = {}
    for term in order:
        new[term] = lowering.change(term.with_operands([new[x] for x in term.operands]))
        if len(uses.get(term, ())) > 1:
            lowering.shared.add(new[term])
    return [new[root] for root in roots]


def _with_common_products(roots: Sequence[Term]) -> list[Term]:
    """The roots with products as factors of others, where they are computed anyway.

    A product that is larger than all of its factors may never be computed, as it may be summed.
    """
    order = topological_terms(roots)
    factors: dict[Term, tuple[Term, ...]] = {}
    for term in order:
        if is_map(term, ops.multiply):
            flat = tuple(x for t in term.operands for x in factors.get(t, (t,)))
            factors[term] = flat if len(flat) <= _MOST else term.operands
    uses = Counter(x for flat in factors.values() for x in flat)
    parts: dict[Term, list[Term]] = defaultdict(list)
    for part, flat in factors.items():
        varying = [x for x in flat if not isinstance(x, Constant)]
        if len(varying) > 1 and max(len(x.axes) for x in varying) == len(part.axes):
            parts[min(varying, key=uses.__getitem__)].append(part)
    inner: dict[Term, Term] = {}
    scales: Counter[tuple[Term, Term]] = Counter()
    for term, flat in factors.items():
        own = Counter(flat)
        within = [x for factor in own for x in parts[factor] if Counter(factors[x]) < own]
        if within:
            inner[term] = max(within, key=lambda part: len(factors[part]))
            scales.update((inner[term], x) for x in flat if isinstance(x, Constant))
    new: dict[Term, Term] = {}

    def made(term: Term) -> Term:
        part = inner.get(term)
        if part is None:
            return term.with_operands([new[x] for x in term.operands])
        rest = [*(Counter(factors[term]) - Counter(factors[part])).elements()]
        product = new.get(part) or made(part)
        for x in rest:
            if scales[part, x] > 1:  # scaled once for all
                rest.remove(x)
                product = Map(ops.multiply, (x, product))
                break
        return Map(ops.multiply, (product, *(new[x] for x in rest))) if rest else product

    for term in order:
        new[term] = made(term)
    return [new[root] for root in roots]


_MOST = 16
"""Of products of so many factors."""


class _Lowering:
    """Lowers a term whose operands are lowered.

    shared  those that several others read; they are not taken apart
    powers  by powers so far, what computes them
    """

    def __init__(self) -> None:
        self._bound: dict[Term, bool] = {}
        self.shared: set[Term] = set()
        self.powers: dict[Term, Term] = {}

    def is_bound(self, term: Term) -> bool:
        """Whether a term depends on the state of a scan, so that it changes from step to step."""
        known = self._bound
        stack = [term]
        while stack:
            x = stack[-1]
            unknown = [y for y in x.operands if y not in known and not isinstance(x, Scan)]
            if x not in known and unknown:
                stack += unknown
                continue
            inside = not isinstance(x, Scan) and any(known[y] for y in x.operands)
            known[stack.pop()] = isinstance(x, State) or inside
        return known[term]

    def change(self, term: Term) -> Term:
        if term is NO_PART:
            return constant(0)
        if isinstance(term, Sum):
            return self.sum(term.operand, term.over)
        if isinstance(term, Put) or (isinstance(term, Take) and term.fill is not None):
            return _within(term) if isinstance(term.index, Affine) else term
        if isinstance(term, Mask) and term.fill == 0 and _vanishes(term.operand, term.conditions):
            return term.operand
        if not isinstance(term, Map):
            return term
        function, xs = term.function, term.arguments
        if function is ops.add:
            return self.add(xs)
        if function is ops.multiply:
            return self.multiply(xs)
        if function is ops.negative:
            return self.multiply((constant(-1), *xs))
        if isinstance(function, Operation) and function.base is ops.power_constant:
            return self.power(function, xs[0])
        if isinstance(function, VJP):
            g, y, x = xs
            return self.multiply((g, _slope(function.operation, x, y)))
        return term

    def power(self, function: Operation, x: Term) -> Term:
        """A power by the next one if that is there; that of −½ by a square root."""
        exponent = float(function.parameters["exponent"])
        above = Map(ops.power_constant.variant(exponent=exponent + 1), (x,))
        # 1/√x at −0 is ∞, and divided by −0 it were −∞.
        divisible = exponent.is_integer() or is_nonnegative(x)
        if exponent < -1 and divisible and self.powers.get(above) is not None:
            return Map(ops.divide, (self.powers[above], x))
        power: Term = Map(function, (x,))
        if exponent == -0.5 and is_nonnegative(x):
            self.powers[power] = Map(ops.divide, (_ONE, Map(ops.sqrt, (x,))))
        return self.powers.setdefault(power, power)

    def grouped(self, terms: Iterable[Term]) -> list[Term]:
        """The terms in the order in which they are joined: small ones first, states last."""
        return sorted(terms, key=lambda t: (self.is_bound(t), _size(t.axes), len(t.axes)))

    def add(self, terms: Sequence[Term]) -> Term:
        """A sum as binary sums and differences; what is put into place is added there."""
        bound = any(map(self.is_bound, terms))
        terms = [x for t in terms for x in ((t,) if t in self.shared else _accumulated(t))]
        puts = [t for t in terms if is_put(t) and self.is_bound(t) == bound]
        if puts and len(terms) > 1:
            others = [t for t in terms if t not in puts]
            return Map(ACCUMULATE, (*puts, *([self.add(others)] if others else ())))
        positive: list[Term] = []
        negative: list[Term] = []
        for term in _norms_together(terms):
            opposite = self.opposite(term)
            (positive if opposite is None else negative).append(opposite or term)
        positive = self.grouped(positive)
        if not positive:
            return self.multiply((constant(-1), self.add(negative)))
        total = positive[0]
        for term in positive[1:]:
            total = Map(ops.add, (term, total))
        for term in self.grouped(negative):
            total = Map(ops.subtract, (total, term))
        return total

    def opposite(self, term: Term) -> Term | None:
        """The term without the minus in front of it; None if it has none."""
        number, rest = as_coefficient(term)
        return self.multiply((constant(-number), rest)) if number < 0 else None

    def multiply(self, terms: Sequence[Term]) -> Term:
        """A product as binary products, with its numbers in one."""
        terms = [x for t in terms for x in self.without_number(t)]
        numbers = [t for t in terms if isinstance(t, Constant) and t.number is not None]
        factors = [t for t in terms if t not in numbers]
        first = multiply(*numbers)
        for k, x in enumerate(factors):
            if isinstance(x, Constant) and isinstance(first, Constant):  # an array of constants
                factors[k] = Constant(x.values * cast(float, first.number), x.axes)
                first = _ONE
        if first is not _ONE or not factors:
            factors += first.operands or (first,)
        if len(factors) == 2 and factors[0] is factors[1]:
            return _square(factors[0])
        ordered = self.grouped(factors)
        total = ordered[0]
        for term in ordered[1:]:
            total = Map(ops.multiply, (total, term))
        return total

    def without_number(self, term: Term) -> Sequence[Term]:
        """A product's number and the rest, if nothing else reads the product."""
        if not is_map(term, ops.multiply) or term in self.shared:
            return (term,)
        numbers = [x for x in term.operands if isinstance(x, Constant) and not x.axes]
        return term.operands if numbers and len(term.operands) == 2 else (term,)

    def factors(self, term: Term) -> list[Term]:
        """The factors of a product of products, if they are not too many."""
        found = [term]
        while len(found) <= _MOST:
            nested = [x for x in found if x not in self.shared and _is_product(x)]
            if not nested:
                break
            inner = nested[0]
            place = found.index(inner)
            parts = [*inner.operands] if is_map(inner, ops.multiply) else [*inner.operands] * 2
            found[place : place + 1] = parts
        return found

    def sum(self, term: Term, over: Sequence[Axis]) -> Term:
        """A sum with what does not depend on its axes drawn out."""
        factors = self.factors(term)
        inner = [x for x in factors if not set(over).isdisjoint(x.axes)]
        outer = [x for x in factors if set(over).isdisjoint(x.axes)]
        number, rest = as_coefficient(self.multiply(outer)) if outer else (1.0, _ONE)
        left = [axis for x in inner for axis in x.axes if axis not in over]
        smallest = min(inner, key=lambda x: _size(x.axes))
        if number != 1 and len(inner) > 1 and _size(smallest.axes) < _size(dict.fromkeys(left)):
            k = inner.index(smallest)
            inner[k] = self.multiply((constant(number), smallest))
            number = 1.0
        total = self.contract(inner, over)
        return self.multiply((constant(number), rest, total))

    def contract(self, factors: list[Term], over: Sequence[Axis]) -> Term:
        """The sum of a product, pair by pair, the cheapest first."""
        factors = [self.presum(factors, k, over) for k in range(len(factors))]
        while len(factors) > 2:
            a, b = min(
                combinations(range(len(factors)), 2),
                key=lambda pair: _size(axes_of(factors[k] for k in pair)),
            )
            rest = [x for k, x in enumerate(factors) if k not in (a, b)]
            pair = [factors[a], factors[b]]
            own = [axis for axis in over if axis not in axes_of(rest) and axis in axes_of(pair)]
            joined = self.contract(pair, own) if own else self.multiply(pair)
            factors = [*rest, joined]
        left = [axis for axis in over if axis in axes_of(factors)]
        if not left:
            return self.multiply(factors)
        if len(factors) == 1:
            return sum_over(factors[0], *left)
        x, y = factors
        if x is y and set(x.axes) != set(left):
            return sum_over(_square(x), *left)
        return Sum(Map(ops.multiply, (x, y)), tuple(left))

    def presum(self, factors: Sequence[Term], k: int, over: Sequence[Axis]) -> Term:
        """A factor summed over the axes that no other has."""
        others = axes_of(x for j, x in enumerate(factors) if j != k)
        own = [axis for axis in over if axis in factors[k].axes and axis not in others]
        return self.sum(factors[k], own) if own and len(factors) > 1 else factors[k]


def _within(term: Take | Put) -> Term:
    """What reads or puts beyond the ends of an axis, by an axis that is longer there."""
    x, axis, index = term.operand, term.axis, cast(Affine, term.index)
    low, high = cast("tuple[int, int]", index.bounds())
    before, behind = max(0, -low), max(0, high + 1 - cast(int, axis.size))
    wide = Axis(axis.name, before + cast(int, axis.size) + behind) if before or behind else axis
    inside = Affine(index.offset + before, index.parts)
    if isinstance(term, Put):
        whole = Put(x, wide, inside, term.over)
        return whole if wide is axis else Take(whole, wide, Affine(before, ((axis, 1),)))
    if isinstance(x, Take) and axis not in x.index.axes and x.axis not in index.axes:
        return x.with_operands([_within(Take(x.operand, axis, index, term.fill))])
    ends = [Axis(axis.name, n) for n in (before, behind) if n]
    pieces: list[tuple[Term, Axis]] = [
        (constant(np.full(cast(int, end.size), term.fill), end), end) for end in ends
    ]
    pieces.insert(bool(before), (x, axis))
    return Take(Concatenate(wide, tuple(pieces)) if ends else x, wide, inside)


def _slope(operation: Operation, x: Term, y: Term) -> Term:
    """The derivative of tanh, 1 / cosh², or that of a sigmoid y of x, which comes along with it."""
    if operation is ops.tanh:
        return _square(Map(ops.divide, (_ONE, Map(ops.cosh, (x,)))))
    return Map("sigmoid_slope", (y if y is Map(ops.sigmoid, (x,)) else x,))


def _norms_together(terms: Sequence[Term]) -> list[Term]:
    """Of sums of squares of parameters that lie side by side one sum."""
    norms: dict[float, list[tuple[Leaf, Term]]] = defaultdict(list)
    for term in terms:
        number, rest = as_coefficient(term)
        x = rest.operand if isinstance(rest, Sum) else rest
        is_square = is_map(x, _SQUARE) or (is_map(x, ops.multiply) and len({*x.operands}) == 1)
        if not rest.axes and is_square and isinstance(x.operands[0], Leaf):
            norms[number].append((x.operands[0], term))
    joined = [*terms]
    for number, pairs in norms.items():
        places = np.sort(np.concatenate([leaf.places.ravel() for leaf, _ in pairs]))
        roles = {leaf.role for leaf, _ in pairs}
        if len(pairs) == 1 or roles != {"parameter"} or (np.diff(places) != 1).any():
            continue
        axis = Axis("w", len(places))
        whole = Leaf("weights", "parameter", (axis,), places)
        joined = [t for t in joined if t not in [term for _, term in pairs]]
        joined.append(multiply(constant(number), Sum(Map(ops.multiply, (whole, whole)), (axis,))))
    return joined


def _is_product(term: Term) -> bool:
    return isinstance(term, Map) and (term.function is ops.multiply or term.function is _SQUARE)


_SQUARE = ops.power_constant.variant(exponent=2)


def _square(term: Term) -> Term:
    return Map(_SQUARE, (term,))


def _vanishes(term: Term, conditions: Sequence[Affine]) -> bool:
    """Whether a term is 0 wherever one of the conditions does not hold."""
    if isinstance(term, Softmax):
        x = term.operand
        masked = isinstance(x, Mask) and x.fill == -np.inf
        return masked and set(conditions) <= set(cast(Mask, x).conditions)
    if isinstance(term, Mask):
        return term.fill == 0 and set(conditions) <= set(term.conditions)
    return is_map(term, ops.multiply) and any(_vanishes(x, conditions) for x in term.operands)


def _size(axes: Iterable[Axis]) -> int:
    return prod(_MANY if axis.size is None else axis.size for axis in axes)


_MANY = 64
"""How many examples there are where it only matters which of two arrays is larger."""
