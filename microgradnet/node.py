"""What a graph is made of: plain nodes, and lists of nodes that several operations take as one."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce
from math import fsum, inf, nan
from typing import Any

from microgradnet.arithmetic import Number, ieee
from microgradnet.operation import Operation
from microgradnet.unrolled import linear_combination
from microgradnet.unset import UNSET

__all__ = ["Node", "Shares", "Vector", "floats", "number_of"]

_LARGE = 2.0**128


class Node:
    """Hold the plain data of a node; `Value` adds what can be done with it."""

    __slots__ = ("_left", "_right", "data", "grad", "label", "op")

    data: Number
    grad: Number
    op: Operation | None
    label: str
    # The parents: one, two, or a tuple of any number of them on the left. As most nodes have two,
    # a tuple of its own for each would be half of the memory, and of the collector's work. Or what
    # stands for parents that several nodes share: two vectors, or the operands of a softmax.
    _left: Any
    _right: Any

    @property
    def parents(self) -> tuple[Any, ...]:
        """Return the nodes it was made from, in order; x twice in x·x."""
        left, right = self._left, self._right
        if right is not None:
            return left.operands(right) if type(left) is Vector else (left, right)
        if left is None:
            return ()
        shared: tuple[Any, ...] = left if type(left) is tuple else (left,)
        return left._left if type(left) is Shares else shared


def number_of(x: Any) -> Number:
    """Return the number of a node; a number as it is."""
    return x.data if isinstance(x, Node) else x


class Vector(Node):
    """Hold one side of the products of weighted inputs: a layer's activations, a neuron's weights.

    The weighted input z = Σₖ wₖaₖ + b has its 2n + 1 parents by two vectors: w with b, which all
    examples share, and a, which all neurons of a layer share. Every z leaves its adjoint at both,
    and the other vector's numbers. Entry by entry the products' sum is (Wᵀδ)ₖ for the activations
    and Σ δ aₖ over the examples for the weights.

    entries  the nodes, without the bias
    bias     None but for a neuron's weights
    rows     what holds the vectors of the weights, for others to share them; see `rows`
    data     the entries' numbers, if all (and the bias) are floats, else None
    far      whether one is so large that it may bring back a gradient that was lost as no float

    In a backward pass such a vector is a node between z and its entries. Only the engine sees it: a
    node's parents are the entries.
    """

    __slots__ = ("adjoints", "bias", "entries", "far", "others", "rows")

    entries: list[Any]
    bias: Any
    rows: Any
    adjoints: list[float]
    others: list[list[float]]
    far: bool

    def __init__(self, entries: list[Any], bias: Any = None) -> None:
        self.grad = UNSET
        self.op = self._right = None
        self.label = ""
        self.entries = entries
        self.bias = bias
        self.rows = None
        self._left = tuple(entries) if bias is None else (*entries, bias)
        self.begin()

    def operands(self, activations: Vector) -> tuple[Any, ...]:
        """Return the operands of the weighted input of these weights: w₁ … wₙ, a₁ … aₙ, b."""
        bias = () if self.bias is None else (self.bias,)
        return (*self.entries, *activations.entries, *bias)

    def begin(self) -> None:
        """Read the numbers; no adjoint has come yet."""
        self.data = floats(self.entries)
        if self.bias is not None and type(self.bias.data) is not float:
            self.data = None
        self.far = bool(self.data) and max(map(abs, self.data)) > _LARGE
        self.adjoints = []
        self.others = []

    def sums(self) -> Sequence[float]:
        """Sum up the products that all have left, and their adjoints for the bias."""
        if not self.adjoints:
            return ()
        sums = linear_combination(len(self.entries))(self.adjoints, self.others)
        if self.bias is not None:
            total = -0.0
            for g in self.adjoints:  # from Python 3.12 on sum() adds otherwise than + does
                total += g
            sums.append(total)
        self.adjoints = []
        self.others = []
        return sums


class Shares(Node):
    """Hold the operands of a softmax, which its components share.

    With the components' adjoints gᵢ, what they contribute to operand k adds up to
    yₖ (gₖ − Σᵢ gᵢyᵢ). So a softmax of n takes time in proportion to n, forward and backward.

    shares  the numbers yᵢ, if the operands' numbers are those that they were computed from
    data    the operands' numbers, if all are floats, else None
    """

    __slots__ = ("adjoints", "shares")

    shares: Sequence[Any]
    adjoints: list[tuple[Any, float, float]]
    """Of each component that has come its operation, its number and its adjoint."""

    def __init__(self, entries: tuple[Any, ...], shares: Sequence[Any]) -> None:
        self.grad = UNSET
        self.op = self._right = None
        self.label = ""
        self._left = entries
        self.shares = shares
        self.data = floats(entries)
        self.adjoints = []

    def begin(self) -> None:
        """Read the numbers; no adjoint has come yet."""
        numbers = floats(self._left)
        if numbers is not None and numbers != self.data:
            self.shares = ieee.softmax(numbers)
        self.data = numbers
        self.adjoints = []

    def sums(self) -> Sequence[float]:
        """Sum up what all components contribute to each entry."""
        received, self.adjoints = self.adjoints, []
        if not received:
            return ()
        shares: Sequence[float] = self.shares
        gs = [0.0] * len(shares)
        for op, _, g in received:
            gs[op.parameters["index"]] += g
        products = [g * share for g, share in zip(gs, shares)]  # noqa: B905  # made as long above
        try:
            mean = fsum(products)
        except (OverflowError, ValueError):  # infinities of both signs
            mean = nan
        if not -inf < mean < inf:  # each says for itself what is infinite, and what NaN
            terms = [op.rule(ieee, g, y, *self.data) for op, y, g in received]
            return [reduce(operator.add, column) for column in zip(*terms, strict=True)]
        sums = [share * (g - mean) for g, share in zip(gs, shares)]  # noqa: B905  # as above
        largest = max(shares)
        if largest > 0.5:  # of this one alone the difference may cancel, as 1 − yₖ would
            k = shares.index(largest)
            products[k] = 0.0
            others = [*shares[:k], *shares[k + 1 :]]
            sums[k] = largest * (gs[k] * fsum(others) - fsum(products))
        return sums


def floats(nodes: Sequence[Any]) -> list[float] | None:
    """Return the numbers of nodes if all are floats, else None.

    >>> from microgradnet import Value
    >>> floats([Value(1.0), Value(2.0)]), floats([Value(1.0), Value(2)])
    ([1.0, 2.0], None)
    """
    numbers = [node.data for node in nodes]
    return numbers if list(map(type, numbers)).count(float) == len(numbers) else None
