"""Walks over a graph: anything whose nodes have `.parents`. None of them recurses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

from microgradnet.deprecation import warn_renamed

__all__ = ["HasParents", "topological_order"]


class HasParents(Protocol):
    """Stand for anything that was computed from its parents."""

    @property
    def parents(self) -> Sequence[HasParents]:
        """List what it was computed from, in order; a node twice where it was used twice."""


N = TypeVar("N", bound=HasParents)


def topological_order(roots: Iterable[N]) -> list[N]:
    """List the nodes that the roots were computed from, each once and behind all its parents.

    Read backwards it is the order in which gradients can be passed on, and the only kind of order
    in which they can: *a node may pass its gradient on only when every consumer of it has
    contributed*. In b = 2a, c = 3b, d = b + c a plain recursion would pass b's gradient on twice,
    the first time too early, and make ∂d/∂a 16 instead of 8.

    The order is the same in every run: parents in their order, first visit first. Equality is
    never asked for; nodes must be hashable by identity.

    >>> from microgradnet import Value
    >>> a = Value(1.0, label="a")
    >>> b = a * a
    >>> [node.label or node.op.symbol for node in topological_order([b + a])]
    ['a', '*', '+']
    """
    order: list[N] = []
    seen: set[N] = set()
    stack: list[Any] = [*reversed(list(roots))]
    while stack:
        node = stack.pop()
        if node is None:  # the parents of the one below it are done
            order.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            parents = node.parents
            if parents:
                stack += (node, None)
                stack += [parent for parent in reversed(parents) if parent not in seen]
            else:
                order.append(node)
    return order


def __getattr__(name: str) -> Any:
    if name != "Node":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warn_renamed("graph.Node", "graph.HasParents")
    return HasParents
