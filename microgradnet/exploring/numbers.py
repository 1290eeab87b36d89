"""The numbers of a forward and a backward pass, as the page plays them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from microgradnet.arithmetic import Number, evaluate
from microgradnet.engine import Value
from microgradnet.graph import topological_order
from microgradnet.ops import add

__all__ = ["Passes", "plain", "run"]


@dataclass(frozen=True)
class Passes:
    """Nodes in topological order, and by their places in it what the backward pass computes."""

    order: list[Value]
    parents: list[list[int]]
    slopes: list[tuple[Number, ...]]
    """The local derivatives ∂(node)/∂(parent), one for each parent."""
    products: list[tuple[Number, ...]]
    """What the node passes on to each parent."""
    adjoints: list[Number]

    def place(self) -> dict[Value, int]:
        """Where each node stands."""
        return {node: k for k, node in enumerate(self.order)}


def run(cost: Value) -> Passes:
    """The backward pass from the cost by the operations' rules, without storing any `grad`.

    >>> x = Value(3.0)
    >>> run(x * x).adjoints
    [6.0, 1.0]
    """
    order = topological_order([cost])
    place = {node: k for k, node in enumerate(order)}
    parents = [[place[parent] for parent in node.parents] for node in order]
    one = 1.0 if type(cost.data) is float else 1
    adjoints: list[Any] = [None] * len(order)
    adjoints[-1] = one
    slopes = [node.partials() for node in order]
    products: list[tuple[Number, ...]] = [()] * len(order)
    for k in range(len(order) - 1, -1, -1):
        node = order[k]
        if node.op is None:
            continue
        operands = [parent.data for parent in node.parents]
        products[k] = node.op.vjp(adjoints[k], *operands, out=node.data)
        for p, product in zip(parents[k], products[k], strict=True):
            before = adjoints[p]
            adjoints[p] = product if before is None else evaluate(add.forward, before, product)
    return Passes(order, parents, slopes, products, adjoints)


_LONG = 40


def plain(x: Number) -> float | str:
    """A number as JSON can hold it: a finite float as it is, all else as text.

    >>> from fractions import Fraction
    >>> plain(0.5), plain(Fraction(1, 3)), plain(float("inf"))
    (0.5, '1/3', 'inf')
    """
    if isinstance(x, float) and x - x == 0:  # neither infinite nor NaN
        return x
    text = str(x)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
