"""What the page plays: every number of a forward and a backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

from microgradnet.arithmetic import NO_PART, Number, parts
from microgradnet.chain_rule import reverse_mode
from microgradnet.engine import Value
from microgradnet.views import GraphView

__all__ = ["Tape", "play", "to_json"]


@dataclass(frozen=True)
class Tape:
    """Hold what the passes compute, by the places of a graph's nodes in their order."""

    parents: list[list[int]]
    partials: list[tuple[Number, ...]]
    """The local derivatives ∂(node)/∂(parent), one for each parent."""
    contributions: list[list[Number]]
    """The node's contributions to its parents' gradients."""
    adjoints: list[Number]


def play(view: GraphView) -> Tape:
    """Run the backward pass from the graph's one root, without storing any `grad`.

    >>> x = Value(3.0)
    >>> play(GraphView([x * x])).adjoints
    [6.0, 1.0]
    """
    (cost,) = view.roots
    parents = [[view.place[parent] for parent in node.parents] for node in view.order]
    one = 1.0 if type(cost.data) is float else 1
    partials = [node.partials() for node in view.order]
    contributions: list[list[Number]] = [[0 * one] * len(above) for above in parents]

    def keep(y: Value, k: int, x: Value, term: Number, adjoints: object) -> None:
        if term is not NO_PART:
            contributions[view.place[y]][k] = reduce(add, parts(term))

    adjoints = reverse_mode({cost: one}, visit=keep)
    return Tape(parents, partials, contributions, [adjoints[node] for node in view.order])


_LONGEST = 300


def to_json(x: Number) -> float | str:
    """Put a number as JSON can hold it: a finite float as it is, all else as text.

    >>> from fractions import Fraction
    >>> to_json(0.5), to_json(Fraction(1, 3)), to_json(float("inf"))
    (0.5, '1/3', 'inf')
    """
    if isinstance(x, float) and x - x == 0:  # neither infinite nor NaN
        return x
    text = str(x)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
