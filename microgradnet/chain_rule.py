"""The chain rule, both ways through a graph. This is all; the rest is the same, faster.

A node y holds its number `data`, the operation `op` it was computed by (None for a leaf), and its
`parents` x₁, x₂, …, the nodes it was computed from. From the adjoint ∂C/∂y, whatever C is, the
operation's rule gives the contributions ∂C/∂y · ∂y/∂xₖ, and None for an operand that has no part in
y, such as the branch of `maximum` that is not taken. With these

    reverse mode    ∂C/∂x = Σ ∂C/∂y · ∂y/∂x    over all uses of x, from the cost C to the leaves
    forward mode    ẏ = Σₖ ∂y/∂xₖ · ẋₖ         over all operands of y, from the leaves to the cost

What has no part is left out: it is not 0, which times an infinite derivative would be NaN.

Numbers may be of any kind. Where the seeds are nodes, all adjoints and tangents are nodes: how they
are computed is recorded, so that they can be differentiated again, to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

from microgradnet import ops
from microgradnet.arithmetic import common
from microgradnet.graph import topological_order
from microgradnet.node import Node
from microgradnet.node_arithmetic import recorded_vjp
from microgradnet.notation import annotate, described

__all__ = ["Gradients", "contributions", "forward_mode", "partials", "reverse_mode"]


def contributions(y: Any, g: Any) -> tuple[Any, ...]:
    """The contributions g·∂y/∂xₖ to the adjoints of y's parents, where g is y's own: nodes if g is.

    None stands for a parent that has no part in y. An error in the rule gets a note that names y.
    """
    try:
        if isinstance(g, Node):
            return recorded_vjp(y.op, g, y, y.parents)
        numbers: tuple[Any, ...] = y.op.contributions(g, y.data, [x.data for x in y.parents])
        return numbers
    except Exception as error:
        annotate(error, f"in the backward pass, at {described(y.op, y.parents, y.label)}")
        raise


def _number(x: int, y: Any, recorded: bool) -> Any:
    """The number 0 or 1 in the kind of y's own; as a node, if to be recorded."""
    number = common(y.data).convert(x)
    return type(y)(number) if recorded else number


def partials(y: Any, recorded: bool = False) -> tuple[Any, ...]:
    """The partial derivatives ∂y/∂xₖ: the contributions for the adjoint 1."""
    return contributions(y, _number(1, y, recorded))


def reverse_mode(
    seeds: Mapping[Any, Any],
    order: Sequence[Any] | None = None,
    within: Container[Any] | None = None,
    vjp: Callable[[Any, Any], Sequence[Any]] = contributions,
    on_contribution: Callable[[Any, int, Any, dict[Any, Any]], None] | None = None,
) -> dict[Any, Any]:
    """The adjoint of every node below some roots, where those of the roots are the seeds.

    order            the nodes that pass their adjoints on, parents first; without it, all
    within           the nodes that take part; without it, all
    vjp              gives the contributions of a node by its adjoint
    on_contribution  called as (y, k, contribution, adjoints) after each addition, k counts parents

    A node's turn comes when all that was computed from it has contributed, as `topological_order`
    sees to. The adjoint of a node that has no part in any root is 0. No node is changed.

    >>> from microgradnet import Value
    >>> x = Value(3.0)
    >>> reverse_mode({x * x + x: 1.0})[x]
    7.0
    """
    adjoints = dict(seeds)
    for y in reversed(topological_order(seeds) if order is None else order):
        if y.op is None or y not in adjoints:
            continue
        g = adjoints[y]
        terms = (None,) * len(y.parents) if g is None else vjp(y, g)
        for k, (x, term) in enumerate(zip(y.parents, terms, strict=True)):
            if within is None or x in within:
                before = adjoints.get(x)
                both = before is not None and term is not None
                adjoints[x] = ops.add(before, term) if both else before if term is None else term
                if on_contribution is not None:
                    on_contribution(y, k, term, adjoints)
    recorded = any(isinstance(g, Node) for g in seeds.values())
    return {x: _number(0, x, recorded) if g is None else g for x, g in adjoints.items()}


def forward_mode(
    seeds: Mapping[Any, Any],
    order: Iterable[Any],
    slopes: Callable[[Any], Sequence[Any]] = partials,
    on_tangent: Callable[[Any, Any], None] | None = None,
) -> dict[Any, Any]:
    """The tangent ẏ of every node that some nodes lead to, where their own are the seeds.

    order       the nodes to go through, parents first
    slopes      gives a node's partial derivatives; None for one that has no part
    on_tangent  called as (node, tangent)

    >>> from microgradnet import Value
    >>> x = Value(3.0)
    >>> y = x * x + x
    >>> forward_mode({x: 1.0}, topological_order([y]))[y]
    7.0
    """
    tangents = dict(seeds)
    for y in order:
        if not any(x in tangents for x in y.parents):
            continue
        total = None
        for x, slope in zip(y.parents, slopes(y), strict=True):
            if x in tangents and slope is not None:
                term = ops.multiply(slope, tangents[x])
                total = term if total is None else ops.add(total, term)
        if total is not None:
            tangents[y] = total
            if on_tangent is not None:
                on_tangent(y, total)
    return tangents


class Gradients(dict[Any, Any]):
    """∂C/∂node for every node that C was computed from, each a node itself; 0 for any other.

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
