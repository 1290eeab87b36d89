"""The weights and biases of a network as matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from microgradnet.nn.module import entries, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Matrices"]


class Matrices(Mapping[int, "NDArray[Any]"]):
    """Hold parameters by layer 1 … L: NumPy out, assignment in.

    What is read is a copy, float64 where all numbers are floats, objects otherwise. Writing into it
    would change no parameter, and is a ValueError. What is assigned, as in weights[1] = W or
    weights[1] -= step, is written into the parameters, all of it or nothing; a wrong shape is a
    ValueError that names both.

    >>> from microgradnet import MLP
    >>> model = MLP(2, [1], init="zeros")
    >>> model.weights[1] = [[3.0, 4.0]]
    >>> model.weights[1]
    array([[3., 4.]])
    >>> model([1.0, 1.0]).data
    7.0
    """

    def __init__(self, name: str, layers: int, values: Callable[[int], list[Any]]) -> None:
        self._name = name
        self._layers = layers
        self._values = values

    def __len__(self) -> int:
        return self._layers

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, self._layers + 1))

    def _nodes(self, l: int) -> NDArray[Any]:
        import numpy as np

        if l not in range(1, self._layers + 1):
            raise KeyError(f"layer {l}: the layers are numbered 1 to {self._layers}")
        return np.array(self._values(l), dtype=object)

    def __getitem__(self, l: int) -> NDArray[Any]:
        from microgradnet.nn.snapshot import snapshot

        return snapshot(numbers(self._nodes(l)))

    def __setitem__(self, l: int, matrix: Any) -> None:
        nodes = self._nodes(l)
        # All of the entries, before the first is written.
        new = entries(f"{self._name}[{l}]", nodes.shape, matrix)
        for node, x in zip(nodes.flat, new, strict=True):
            node.data = x

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{l}: {matrix!r}' for l, matrix in self.items())}}}"
