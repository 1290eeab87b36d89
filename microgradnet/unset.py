"""The unset gradient: 0 until a backward pass has reached the node, but not any 0."""

from __future__ import annotations

from typing import Any

__all__ = ["UNSET", "Unset", "is_unset", "unset"]


class Unset(int):
    """Stand for the gradient 0 of a node that no backward pass has reached.

    It counts as 0, but can be told from a 0 that was computed; and a fresh one, being an object
    of its own, serves a backward pass as the mark of the nodes it has seen.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return unset, ()

    def __deepcopy__(self, memo: object) -> Unset:
        return UNSET


UNSET = Unset()


def unset() -> Unset:
    """Return the one unset gradient, for pickles: copied, it stays itself."""
    return UNSET


def is_unset(grad: Any) -> bool:
    """Tell whether no backward pass has finished with the node of this gradient."""
    return grad is None or type(grad) is Unset  # None: as PyTorch's programs reset it
