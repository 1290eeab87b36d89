"""Switching the recording of graphs off, for a stretch of code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

__all__ = ["is_paused", "no_grad"]

_depth: ContextVar[int] = ContextVar("depth of no_grad blocks", default=0)
_open = 0  # no_grad blocks in the whole process: 0 spares every node the look-up of its own depth
_lock = Lock()


def is_paused() -> bool:
    """Whether this code runs in a no_grad block."""
    return _open > 0 and _depth.get() > 0


@contextmanager
def no_grad() -> Iterator[None]:
    """Within the block, operations give leaves: nothing is recorded, in this thread or task alone.

    In a generator the block lasts while the generator is suspended, as in PyTorch.

    >>> from microgradnet import Value
    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.data, y.parents
    (9.0, ())
    """
    global _open
    with _lock:
        _open += 1
    # A depth and not a token: blocks may be left in another order or context than entered.
    _depth.set(_depth.get() + 1)
    try:
        yield
    finally:
        _depth.set(max(0, _depth.get() - 1))
        with _lock:
            _open -= 1
