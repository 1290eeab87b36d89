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

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from microgradnet import ops
from microgradnet.arithmetic import NO_PART, TwoTerms, common, parts
from microgradnet.graph import topological_order
from microgradnet.node import Node
from microgradnet.node_arithmetic import recorded_vjp
from microgradnet.notation import annotate, described

__all__ = ["Gradients", "contributions", "edges", "forward_mode", "partials", "reverse_mode"]


def reverse_mode(
    seeds: Mapping[Any, Any],
    order: Sequence[Any] | None = None,
    within: Container[Any] | None = None,
    visit: Callable[[Any, int, Any, Any, Any], None] | None = None,
    terms_of: Callable[[Any, Any], Iterable[Any]] | None = None,
) -> dict[Any, Any]:
    """Return the adjoint of every node below some roots, where those of the roots are the seeds.

    order   the nodes that contribute, parents first; without it, all, and what has no part gets 0
    within  the nodes that get adjoints; without it, all
    visit   called as (y, k, x, term, adjoints) once y's term has been added to its parent k, x
    terms_of  as in `edges`

    No node is changed.

    >>> from microgradnet import Value
    >>> x = Value(3.0)
    >>> reverse_mode({x * x + x: 1.0})[x]
    7.0
    """
    below = topological_order(seeds) if order is None else order
    adjoints = dict(seeds)
    for y, k, x, term in edges(below, adjoints, terms_of):
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
    tangents = dict(seeds)
    for y in order:
        if not tangents.keys().isdisjoint(y.parents):
            uses = zip(y.parents, (partials_of or partials)(y), strict=True)
            terms = [
                ops.multiply(p, tangents[x]) for x, p in uses if x in tangents and p is not NO_PART
            ]
            if terms:
                tangents[y] = reduce(ops.add, terms)
    return tangents


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
