"""The gradient of a node that no backward pass has reached: 0, but not any 0."""

from __future__ import annotations

from typing import Any

__all__ = ["UNTOUCHED", "Untouched", "is_untouched"]


class Untouched(int):
    """The gradient 0 of a node that no backward pass has reached.

    It counts as 0, but can be told from a 0 that was computed; and a fresh one, being an object
    of its own, serves a backward pass as the mark of the nodes it has seen.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _untouched, ()

    def __deepcopy__(self, memo: object) -> Untouched:
        return UNTOUCHED


UNTOUCHED = Untouched()


def _untouched() -> Untouched:
    return UNTOUCHED


def is_untouched(grad: Any) -> bool:
    """Whether a gradient is the 0 of a node that no backward pass has finished with."""
    return grad is None or type(grad) is Untouched  # None: as PyTorch's programs reset it
