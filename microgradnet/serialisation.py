"""Graphs copied, and flattened for pickle: at any depth, and what is shared stays shared.

A node is made from what it holds by a function make(data, op, parents, grad, label).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeAlias

from microgradnet.graph import topological_order

__all__ = ["deep_copy", "flatten", "unflatten"]

Make: TypeAlias = Callable[[Any, Any, tuple[Any, ...], Any, str], Any]


def deep_copy(root: Any, memo: dict[int, Any], make: Make) -> Any:
    """Copy the graph below the root, as copy.deepcopy wants it."""
    for node in topological_order([root]):
        if id(node) not in memo:
            parents = tuple([memo[id(parent)] for parent in node.parents])
            memo[id(node)] = make(node.data, node.op, parents, node.grad, node.label)
    return memo[id(root)]


def flatten(roots: Sequence[Any]) -> tuple[list[Any], list[tuple[Any, ...]], list[int]]:
    """Flatten a graph: its leaves, a row for each interior node, the roots' places.

    Pickling it takes no recursion, however deep the graph; `unflatten` is the way back.
    """
    order = topological_order(roots)
    leaves = [node for node in order if node.op is None]
    interior = [node for node in order if node.op is not None]
    place = dict(zip(leaves + interior, count()))
    rows = [
        (node.data, node.op, tuple(place[p] for p in node.parents), node.grad, node.label)
        for node in interior
    ]
    return leaves, rows, [place[root] for root in roots]


def unflatten(
    leaves: list[Any], rows: list[tuple[Any, ...]], places: Sequence[int], make: Make
) -> list[Any]:
    """Restore the roots of a graph that `flatten` gave."""
    nodes = list(leaves)
    for data, op, parents, grad, label in rows:
        nodes.append(make(data, op, tuple([nodes[k] for k in parents]), grad, label))
    return [nodes[k] for k in places]
