"""The numbers of a forward and a backward pass, as the page plays them."""

from __future__ import annotations

from dataclasses import dataclass

from microgradnet.arithmetic import Number
from microgradnet.chain_rule import reverse_mode
from microgradnet.engine import Value
from microgradnet.graph import topological_order

__all__ = ["Passes", "plain", "run"]


@dataclass(frozen=True)
class Passes:
    """Nodes in topological order, and by their places in it what the backward pass computes."""

    order: list[Value]
    parents: list[list[int]]
    slopes: list[tuple[Number, ...]]
    """The local derivatives ∂(node)/∂(parent), one for each parent."""
    products: list[list[Number]]
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
    slopes = [node.partials() for node in order]
    products: list[list[Number]] = [[] for _ in order]

    def keep(node: Value, k: int, product: Number, adjoints: object) -> None:
        products[place[node]].append(product)

    adjoints = reverse_mode({cost: one}, order, on_contribution=keep)
    return Passes(order, parents, slopes, products, [adjoints[node] for node in order])


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
