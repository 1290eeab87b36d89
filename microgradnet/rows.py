"""Lists of nodes as vectors, and rows of a matrix as vectors that the graphs of inputs share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from microgradnet.engine import Value
from microgradnet.node import Vector

__all__ = ["Rows", "rows_of", "vector"]


def vector(entries: Iterable[Any], bias: Value | None = None) -> Vector:
    """Make a `Vector` of Values and numbers; the numbers become leaves."""
    return Vector([x if isinstance(x, Value) else Value(x) for x in entries], bias)


class Rows:
    """Hold the rows of a matrix W and their biases as vectors, which several inputs share."""

    def __init__(self, W: Sequence[Sequence[Any]], b: Sequence[Any] | None) -> None:
        biases = [None] * len(W) if b is None else b
        self.vectors = [
            vector(row, bias if bias is None or isinstance(bias, Value) else Value(bias))
            for row, bias in zip(W, biases, strict=True)
        ]
        self._first = W[0]  # its address, which they are known by, is not another's meanwhile
        self._W = [row[:] for row in W]
        self._b = None if b is None else [*b]

    def hold(self, W: Sequence[Sequence[Any]], b: Sequence[Any] | None) -> bool:
        """Tell whether they are made of these very nodes."""
        try:
            return self._W == [*W] and self._b == (None if b is None else [*b])
        except Exception:  # what a node is exchanged for may refuse to be compared
            return False

    @property
    def shareable(self) -> bool:
        """Tell whether all entries are nodes, for equal numbers need not be the same."""
        rows = [*self._W, self._b or []]
        return all(isinstance(row, (list, tuple)) for row in rows) and all(
            isinstance(x, Value) for row in rows for x in row
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Rows, (self._W, self._b)


_in_use: WeakValueDictionary[int, Rows] = WeakValueDictionary()


def rows_of(W: Sequence[Sequence[Any]], b: Sequence[Any] | None = None) -> Rows:
    """Return the vectors of W and b, the same again as long as a graph or somebody holds them."""
    known = _in_use.get(id(W[0]))
    if known is None or not known.hold(W, b):
        known = Rows(W, b)
        if known.shareable:
            _in_use[id(W[0])] = known
    return known
