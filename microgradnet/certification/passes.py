"""Both passes through a graph in enclosures: of its numbers, and of its adjoints.

They take the rules of the table, as `chain_rule` does. Sums, products and weighted inputs are
written out, for they are most of any network.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from numbers import Rational
from typing import Any, NamedTuple

from microgradnet import ops
from microgradnet.arithmetic import NO_PART, Number, common, evaluate, ieee, is_finite, parts
from microgradnet.certification.enclosures import (
    Ball,
    Enclosed,
    EnclosureArithmetic,
    UndecidedError,
)
from microgradnet.graph import topological_order
from microgradnet.notation import described
from microgradnet.operation import Operation

__all__ = ["FAST_PATHS", "Graph", "Passes", "Trouble"]

_ADD, _SUBTRACT, _MULTIPLY, _NEGATIVE = ops.add, ops.subtract, ops.multiply, ops.negative
_WEIGHTED_SUM = ops.weighted_sum

FAST_PATHS = frozenset({_ADD, _SUBTRACT, _MULTIPLY, _NEGATIVE, _WEIGHTED_SUM})
"""The operations that are written out below, and whose rules are not asked."""


class Trouble(NamedTuple):
    """Say why a number is not enclosed, or not closely."""

    reason: str
    lasting: bool
    """Whether more digits change nothing."""


class Graph:
    """List the nodes below a cost, parents first, and where the parents of each stand."""

    def __init__(self, cost: Any) -> None:
        self.order: list[Any] = topological_order([cost])
        self.places = {node: k for k, node in enumerate(self.order)}
        place = self.places.__getitem__
        self.parents = [tuple(map(place, node.parents)) for node in self.order]
        self.operations: list[Operation | None] = [node.op for node in self.order]
        self.leaves = {
            k: _exact_number(node) for k, node in enumerate(self.order) if node.op is None
        }
        """The leaves' numbers, by place: floats, ints, Fractions and mpf."""
        self.rational = self._rationals()
        """The numbers, by place, that are ints and Fractions all the way from the leaves."""

    def _rationals(self) -> dict[int, Number]:
        leaves = self.leaves.items()
        rational = {k: x for k, x in leaves if type(x) is not float and isinstance(x, Rational)}
        if rational:
            for k, (op, places) in enumerate(zip(self.operations, self.parents, strict=True)):
                if op is not None and all(x in rational for x in places):
                    number = _rational(op, [rational[x] for x in places])
                    if number is not None:
                        rational[k] = number
        return rational


def _exact_number(leaf: Any) -> Number:
    """Return a leaf's number in a kind that is enclosed exactly; refuse a formula."""
    x = leaf.data
    if type(x) is float:
        return x
    if common(x).name == "SymPy":
        raise TypeError(f"certify computes with numbers, and a leaf is a formula: {x}")
    if not is_finite(x):
        return ieee.convert(x)
    return Fraction(x) if isinstance(x, Decimal) else x


def _rational(op: Operation, xs: Sequence[Number]) -> Number | None:
    """Compute an operation in rationals; None where it leaves them."""
    number = evaluate(op.forward, *xs)
    return number if isinstance(number, (int, Fraction)) else None


class Passes:
    """Hold the enclosures of all numbers and adjoints of a graph, by place, at one precision."""

    def __init__(self, graph: Graph, m: EnclosureArithmetic) -> None:
        self.graph, self.m = graph, m
        self._in_value: dict[int, Trouble] = {}
        self._in_rule: dict[int, Trouble] = {}
        self.values = self._forward()
        self.adjoints = self._reverse()

    def _forward(self) -> list[Ball]:
        exact, leaves, rational = self.m.exact, self.graph.leaves, self.graph.rational
        values: list[Ball] = []
        append = values.append
        operations = zip(self.graph.operations, self.graph.parents, strict=True)
        for k, (op, places) in enumerate(operations):
            if k in rational:
                append(exact(rational[k]))
            elif op is None:
                append(exact(leaves[k]))
            elif op is _MULTIPLY:
                i, j = places
                append(values[i] * values[j])
            elif op is _ADD:
                i, j = places
                append(values[i] + values[j])
            elif op is _SUBTRACT:
                i, j = places
                append(values[i] - values[j])
            elif op is _NEGATIVE:
                append(-values[places[0]])
            elif op is _WEIGHTED_SUM:
                weights, activations, (bias,) = ops.split_weighted_sum(places)
                total = values[bias]
                for i, j in zip(weights, activations, strict=True):
                    total = total + values[i] * values[j]
                append(total)
            else:
                append(self._value(k, op, [self._number(x, values) for x in places]))
        return values

    def _number(self, k: int, values: Sequence[Ball]) -> Enclosed:
        return Enclosed(self.m, values[k], self.graph.rational.get(k))

    def _value(self, k: int, op: Operation, xs: Sequence[Enclosed]) -> Ball:
        """Enclose the value of an operation by its forward function."""
        m = self.m
        try:
            cases = m.every_case(lambda: op.forward(m, *xs))
            if len(cases) > 1:
                self._in_value[k] = Trouble(self._kink(k), lasting=False)
            return reduce(m.hull, map(m.ball, cases))
        except Exception as error:  # of an operation of the user's, it may be any
            self._in_value[k] = self._failure(k, error)
            return m.exact(float("nan"))

    def _reverse(self) -> list[Ball | None]:
        m, values, places_of = self.m, self.values, self.graph.parents
        operations = self.graph.operations
        adjoints: list[Ball | None] = [None] * len(values)
        adjoints[-1] = m.exact(1)
        for k in range(len(values) - 1, -1, -1):
            op, g = operations[k], adjoints[k]
            if g is None or op is None:
                continue
            places = places_of[k]
            terms: Sequence[Ball | None]
            if op is _MULTIPLY:
                i, j = places
                terms = g * values[j], g * values[i]
            elif op is _ADD:
                terms = g, g
            elif op is _SUBTRACT:
                terms = g, -g
            elif op is _NEGATIVE:
                terms = (-g,)
            elif op is _WEIGHTED_SUM:
                weights, activations, _ = ops.split_weighted_sum(places)
                terms = [g * values[j] for j in activations]
                terms += [g * values[i] for i in weights]
                terms.append(g)
            else:
                terms = self._contributions(k, op, g)
            for x, term in zip(places, terms, strict=True):
                if term is not None:
                    h = adjoints[x]
                    adjoints[x] = term if h is None else h + term
        return adjoints

    def _contributions(self, k: int, op: Operation, g: Ball) -> list[Ball | None]:
        """Enclose the contributions to the parents by the operation's rule; None for no part."""
        m = self.m
        places = self.graph.parents[k]
        try:
            adjoint, y = Enclosed(m, g), self._number(k, self.values)
            xs = [self._number(x, self.values) for x in places]
            cases = m.every_case(lambda: op.rule(m, adjoint, y, *xs))
            for case in cases:
                op.check(case, len(xs))
            if len(cases) > 1:
                self._in_rule[k] = Trouble(self._kink(k), lasting=False)
            return [self._joined(terms) for terms in zip(*cases, strict=True)]
        except Exception as error:  # as above
            self._in_rule[k] = self._failure(k, error)
            return [m.exact(float("nan"))] * len(places)

    def _joined(self, terms: Sequence[Any]) -> Ball | None:
        """Enclose the contributions of all cases together."""
        if all(term is NO_PART for term in terms):
            return None
        m = self.m
        zero = m.exact(0)
        sums = [sum(map(m.ball, parts(term)), zero) for term in terms]
        return reduce(m.hull, sums)

    # Why a number is not certain

    def _kink(self, k: int) -> str:
        return f"a kink or a tie within the enclosure: {self._describe(k)}"

    def _failure(self, k: int, error: Exception) -> Trouble:
        if isinstance(error, UndecidedError):
            return Trouble(self._kink(k), lasting=False)
        name = self.graph.order[k].op.name
        return Trouble(f"{name} does not compute with enclosures: {error}", lasting=True)

    def _describe(self, k: int) -> str:
        node = self.graph.order[k]
        return described(node.op, node.parents, node.label)

    def troubles(self) -> tuple[dict[int, Trouble], dict[int, Trouble]]:
        """Return what is in the way of the numbers, and of the adjoints, by place.

        A trouble is passed on to all that depends on its number.
        """
        of_values: dict[int, Trouble] = {}
        for k, places in enumerate(self.graph.parents):
            trouble = next((of_values[x] for x in places if x in of_values), None)
            trouble = trouble or self._in_value.get(k) or self._at_leaf(k)
            if trouble is None and not self.m.is_finite(self.values[k]):
                trouble = self._pole(k, "no number (a pole, outside the domain, or too large)")
            if trouble is not None:
                of_values[k] = trouble
        of_adjoints: dict[int, Trouble] = {}
        for k in range(len(self.values) - 1, -1, -1):
            places, g = self.graph.parents[k], self.adjoints[k]
            if g is None:
                continue
            found = [of_adjoints.get(k), *[of_values.get(x) for x in (k, *places)]]
            trouble = next(filter(None, found), self._in_rule.get(k))
            if trouble is None and self._is_singular(k, g):
                trouble = self._pole(k, "no derivative (a pole, or too large)")
            if trouble is not None:
                for x in places:
                    of_adjoints.setdefault(x, trouble)
        return of_values, of_adjoints

    def _at_leaf(self, k: int) -> Trouble | None:
        node = self.graph.order[k]
        if node.op is None and not self.m.is_finite(self.values[k]):
            name = f"the leaf {node.label}" if node.label else "a leaf"
            return Trouble(f"{name} is {node.data}", lasting=True)
        return None

    def _pole(self, k: int, what: str) -> Trouble:
        lasting = all(self.m.is_exact(self.values[x]) for x in self.graph.parents[k])
        return Trouble(f"{what}: {self._describe(k)}", lasting)

    def _is_singular(self, k: int, g: Ball) -> bool:
        """Tell whether a rule gave what is not finite."""
        op = self.graph.operations[k]
        suspect = any(
            not (self.adjoints[x] is None or self.m.is_finite(self.adjoints[x]))
            for x in self.graph.parents[k]
        )
        if op is None or not suspect:
            return False
        terms = self._contributions(k, op, g)
        return any(not (term is None or self.m.is_finite(term)) for term in terms)
