"""What a graph is made of: plain nodes, and vectors of nodes that operations take as one."""

from __future__ import annotations

from typing import Any

from microgradnet.arithmetic import Number
from microgradnet.operation import Operation
from microgradnet.unrolled import linear_combination
from microgradnet.unset import UNSET

__all__ = ["Node", "Vector", "number_of"]


class Node:
    """Hold the plain data of a node; `Value` adds what can be done with it."""

    __slots__ = ("_left", "_right", "data", "grad", "label", "op")

    data: Number
    grad: Number
    op: Operation | None
    label: str
    # The parents: one, two, or a tuple of any number of them on the left. As most nodes have two,
    # a tuple of its own for each would be half of the memory, and of the collector's work.
    _left: Any
    _right: Any

    @property
    def parents(self) -> tuple[Any, ...]:
        """Return the nodes it was made from, in order; x twice in x·x."""
        left, right = self._left, self._right
        if right is not None:
            return left.operands(right) if type(left) is Vector else (left, right)
        if type(left) is tuple:
            return left
        return () if left is None else (left,)


def number_of(x: Any) -> Number:
    """Return the number of a node; a number as it is."""
    return x.data if isinstance(x, Node) else x


class Vector(Node):
    """Hold nodes that several operations take as one: a layer's activations, a neuron's weights.

    The weighted input z = Σₖ wₖaₖ + b has its 2n + 1 parents by two vectors: w with b, which all
    examples share, and a, which all neurons of a layer share. In a backward pass a vector is a node
    between z and its entries. Every z leaves its adjoint g there, and the other vector's numbers;
    once all have, the products are summed entry by entry, which is (Wᵀδ)ₖ for the activations and
    Σ δ aₖ over the examples for the weights.

    entries  the nodes, without the bias
    bias     None but for a neuron's weights
    data     the entries' numbers, if all (and the bias) are floats, else None

    Only the engine sees vectors: a node's parents are the entries.
    """

    __slots__ = ("adjoints", "bias", "entries", "others")

    entries: list[Node]
    bias: Node | None
    adjoints: list[float]
    others: list[list[float]]

    def __init__(self, entries: list[Node], bias: Node | None = None) -> None:
        self.entries = entries
        self.bias = bias
        self.grad = UNSET
        self.op = self._right = None
        self.label = ""
        self._left = tuple(entries) if bias is None else (*entries, bias)
        self.begin()

    def operands(self, activations: Vector) -> tuple[Any, ...]:
        """Return the operands of the weighted input of these weights: w₁ … wₙ, a₁ … aₙ, b."""
        return (*self.entries, *activations.entries, self.bias)

    def begin(self) -> None:
        """Read the numbers; no adjoint has come yet."""
        numbers = [node.data for node in self.entries]
        floats = list(map(type, numbers)).count(float) == len(numbers)
        if self.bias is not None:
            floats = floats and type(self.bias.data) is float
        self.data = numbers if floats else None
        self.adjoints = []
        self.others = []

    def sums(self) -> list[float]:
        """Sum what all have left, for each entry and the bias; nothing where none has."""
        if not self.adjoints:
            return []
        sums = linear_combination(len(self.entries))(self.adjoints, self.others)
        if self.bias is not None:
            total = -0.0
            for g in self.adjoints:  # from Python 3.12 on sum() adds otherwise than + does
                total += g
            sums.append(total)
        self.adjoints = []
        self.others = []
        return sums

    def __reduce__(self) -> tuple[Any, ...]:
        return Vector, (self.entries, self.bias)
