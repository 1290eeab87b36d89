"""The chain rule, both ways through a graph. This is all; the rest is the same, faster.

A node y holds its number `data`, the operation `op` it was computed by (None for a leaf), and its
`parents` x₁, x₂, …, the nodes it was computed from. From the adjoint ∂C/∂y, whatever C is, the
operation's rule gives the contributions ∂C/∂y · ∂y/∂xₖ. With these

    reverse mode    ∂C/∂x = Σ ∂C/∂y · ∂y/∂x    over all uses of x, from the cost C to the leaves
    forward mode    ẏ = Σₖ ∂y/∂xₖ · ẋₖ         over all operands of y, from the leaves to the cost

Where an operand has no part in y, such as the branch of `maximum` that is not taken, the rule says
NO_PART. That is not 0, which times an infinite derivative would be NaN: it is left out. Where a
contribution of nearly ∂C/∂y may cancel what an adjoint has, the rule gives it in TwoTerms.

Numbers may be of any kind. Where the seeds are nodes, all adjoints and tangents are nodes: how they
are computed is recorded, so that they can be differentiated again, to any order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from microgradnet import ops
from microgradnet.arithmetic import NO_PART, TwoTerms, common, is_normal, parts
from microgradnet.complements import excess
from microgradnet.graph import topological_order
from microgradnet.node import Node, number_of
from microgradnet.node_arithmetic import recorded_vjp
from microgradnet.notation import annotate, described

__all__ = ["Gradients", "contributions", "edges", "forward_mode", "partials", "reverse_mode"]


def reverse_mode(
    seeds: Mapping[Any, Any],
    order: Sequence[Any] | None = None,
    within: Container[Any] | None = None,
    visit: Callable[[Any, int, Any, Any, Any], None] | None = None,
) -> dict[Any, Any]:
    """Return the adjoint of every node below some roots, where those of the roots are the seeds.

    order   the nodes that contribute, parents first; without it, all, and what has no part gets 0
    within  the nodes that get adjoints; without it, all
    visit   called as (y, k, x, term, adjoints) once y's term has been added to its parent k, x

    No node is changed.

    >>> from microgradnet import Value
    >>> x = Value(3.0)
    >>> reverse_mode({x * x + x: 1.0})[x]
    7.0
    """
    below = topological_order(seeds) if order is None else order
    adjoints = dict(seeds)
    for y, k, x, term in edges(below, adjoints):
        if within is None or x in within:
            for part in parts(term):
                adjoints[x] = ops.add(adjoints[x], part) if x in adjoints else part
            if visit is not None:
                visit(y, k, x, term, adjoints)
    if order is None:
        recorded = any(isinstance(g, Node) for g in seeds.values())
        adjoints |= {x: _number(0, x, recorded) for x in below if x not in adjoints}
    return adjoints


def edges(
    order: Sequence[Any],
    adjoints: Mapping[Any, Any],
    terms_of: Callable[[Any, Any], Iterable[Any]] | None = None,
) -> Iterator[tuple[Any, int, Any, Any]]:
    """Go backwards through all uses x → y: (y, k, x, ∂C/∂y · ∂y/∂x), where x is y's parent k.

    A node's turn comes when all that was computed from it has contributed, as `topological_order`
    sees to. So the adjoints may be added up on the way. A node that has none by then has no part,
    and is passed by. With terms_of, the terms are terms_of(y, ∂C/∂y) in place of contributions.

    >>> from microgradnet import Value
    >>> x = Value(3.0)
    >>> y = x * x
    >>> [(k, term) for _, k, _, term in edges([x, y], {y: 1.0})]
    [(0, 3.0), (1, 3.0)]
    """
    for y in reversed(order):
        if y in adjoints and y.op is not None:
            terms = (terms_of or contributions)(y, adjoints[y])
            for k, (x, term) in enumerate(zip(y.parents, terms, strict=True)):
                yield y, k, x, term


def forward_mode(
    seeds: Mapping[Any, Any],
    order: Sequence[Any],
    partials_of: Callable[[Any], Sequence[Any]] | None = None,
) -> dict[Any, Any]:
    """Return the tangent of every node that some nodes lead to, where theirs are the seeds.

    order        the nodes to go through, parents first
    partials_of  gives a node's partial derivatives; without it, `partials`

    >>> from microgradnet import Value
    >>> x = Value(3.0)
    >>> y = x * x + x
    >>> forward_mode({x: 1.0}, topological_order([y]))[y]
    7.0
    """
    tangents = _Tangents(seeds, partials_of or partials)
    for y in order:
        if any(x in tangents.mantissas for x in y.parents):
            tangents.compute(y)
    return tangents.numbers()


class _Tangents:
    """Tangents as mantissa · 2^exponent, for one may be beyond the floats while the next is not.

    The tangent of a/b may be too small for a float where that of ln(a/b) is none. The exponent is
    0 wherever a float will do.
    """

    def __init__(
        self, seeds: Mapping[Any, Any], partials_of: Callable[[Any], Sequence[Any]]
    ) -> None:
        self.mantissas = dict(seeds)
        self._exponents: dict[Any, int] = {}
        self._partials_of = partials_of

    def compute(self, y: Any) -> None:
        """Sum up the terms of ẏ = Σₖ ∂y/∂xₖ · ẋₖ."""
        terms = list(self._terms(y))
        if any(exponent for _, exponent in terms):
            terms = [_normalised(*term) for term in terms]
            largest = max(exponent for _, exponent in terms)
            tangent = reduce(ops.add, [_scaled(t, e - largest) for t, e in terms])
            self._keep(y, tangent, largest)
        elif terms:
            self.mantissas[y] = reduce(ops.add, [t for t, _ in terms])

    def numbers(self) -> dict[Any, Any]:
        """Return the tangents, 0 or infinite where one is beyond the floats."""
        return {x: _scaled(t, self._exponents.get(x, 0)) for x, t in self.mantissas.items()}

    def _keep(self, y: Any, tangent: Any, exponent: int) -> None:
        number = _scaled(tangent, exponent)
        self.mantissas[y] = number if _has_all_digits(number) else tangent
        if self.mantissas[y] is tangent:
            self._exponents[y] = exponent

    def _terms(self, y: Any) -> Iterator[tuple[Any, int]]:
        over = excess(y.op, y.parents)
        if over is None or over.part not in self.mantissas:
            for k, (x, p) in enumerate(zip(y.parents, self._partials_of(y), strict=True)):
                if x in self.mantissas and p is not NO_PART:
                    yield self._term(y, k, p, x)
            return
        # Σₖ sₖ (żₖ − żⱼ): beside a share sⱼ of nearly 1 the others would be lost in the sum.
        shares = self._partials_of(over.total)
        for k, (z, share) in enumerate(zip(over.total.parents, shares, strict=True)):
            for x, sign in ((z, over.sign), (over.part, -over.sign)):
                if z is not over.part and x in self.mantissas:
                    term, exponent = self._term(over.total, k, share, x)
                    yield ops.multiply(sign, term), exponent

    def _term(self, y: Any, k: int, p: Any, x: Any) -> tuple[Any, int]:
        """Multiply y's k-th partial derivative p by ẋ; if need be, by the rule for a part of ẋ."""
        tangent, exponent = self.mantissas[x], self._exponents.get(x, 0)
        term = ops.multiply(p, tangent)
        if (_has_all_digits(p) and _has_all_digits(term)) or not _has_all_digits(tangent):
            return term, exponent
        if y.op in _LINEAR and number_of(p) == 0:
            return term, exponent
        mantissa, shift = _normalised(tangent, exponent)
        for power in (0, 500, -500, 1000, -1000):
            found = reduce(ops.add, parts(contributions(y, _scaled(mantissa, power))[k]))
            if _has_all_digits(found):
                return found, shift - power
        return term, exponent


_LINEAR = (ops.add, ops.subtract, ops.negative, ops.multiply, ops.weighted_sum)
"""Operations whose partial derivatives are numbers as they stand: a 0 is no product too small."""


def _has_all_digits(x: Any) -> bool:
    number = number_of(x)
    return type(number) is not float or is_normal(number)


def _normalised(x: Any, exponent: int) -> tuple[Any, int]:
    """The same number, its mantissa from ½ to 1."""
    _, shift = math.frexp(number_of(x))
    return _scaled(x, -shift), exponent + shift


def _scaled(x: Any, exponent: int) -> Any:
    """Return x · 2^exponent."""
    while exponent:
        step = max(-1000, min(1000, exponent))
        x, exponent = ops.multiply(x, 2.0**step), exponent - step
    return x


def contributions(y: Any, g: Any) -> tuple[Any, ...]:
    """Return the contributions g·∂y/∂xₖ to the adjoints of y's parents: nodes if g is one.

    An error in the rule gets a note that names y.

    >>> from microgradnet import Value
    >>> contributions(Value(3.0) * Value(5.0), 2.0)
    (10.0, 6.0)
    """
    try:
        if isinstance(g, Node):
            return recorded_vjp(y.op, g, y, y.parents)
        numbers: tuple[Any, ...] = y.op.contributions(g, y.data, [x.data for x in y.parents])
        return numbers
    except Exception as error:
        annotate(error, f"in the backward pass, at {described(y.op, y.parents, y.label)}")
        raise


def partials(y: Any, recorded: bool = False) -> tuple[Any, ...]:
    """Return the partial derivatives ∂y/∂xₖ, which are the contributions for the adjoint 1.

    >>> from microgradnet import Value
    >>> partials(Value(3.0) * Value(5.0))
    (5.0, 3.0)
    """
    terms = contributions(y, _number(1, y, recorded))
    return tuple([ops.add(*term) if type(term) is TwoTerms else term for term in terms])


def _number(x: int, y: Any, recorded: bool) -> Any:
    """Return the number 0 or 1 in the kind of y's own; as a node, if to be recorded."""
    number = common(y.data).convert(x)
    return type(y)(number) if recorded else number


class Gradients(dict[Any, Any]):
    """Map every node that C was computed from to ∂C/∂node, a node itself; any other to 0.

    >>> from microgradnet import Value
    >>> x, other = Value(3.0), Value(5.0)
    >>> y = x**3
    >>> slope = y.backward(create_graph=True)[x]
    >>> slope.data, slope.backward(create_graph=True)[x].data
    (27.0, 18.0)
    >>> slope.backward(create_graph=True)[other].data
    0.0
    """

    def __missing__(self, node: Any) -> Any:
        if not isinstance(node, Node):
            raise KeyError(node)
        return _number(0, node, recorded=True)
