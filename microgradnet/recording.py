"""Switching the recording of graphs off, or a watcher of it on, for a stretch of code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, Protocol

__all__ = ["Watcher", "is_paused", "no_grad", "resumed", "watched", "watcher"]


class Watcher(Protocol):
    """Something that is told of every operation and of every backward pass, and may raise."""

    def made(self, node: Any, op: Any, operands: Any) -> None:
        """A node was made by an operation on nodes."""

    def differentiating(self, root: Any) -> None:
        """A backward pass from the root is about to begin."""

    def pulling(self, seeds: Any, order: Any, within: Any) -> None:
        """A backward pass from several roots, along some nodes alone, is about to begin."""

    def moved(self, node: Any, tangent: Any) -> None:
        """In forward mode a node got its tangent, a number."""


_depth: ContextVar[int] = ContextVar("depth of no_grad blocks", default=0)
_watcher: ContextVar[Watcher | None] = ContextVar("the watcher of this thread", default=None)
_open = 0  # blocks in the whole process: 0 spares every node the look-up of its own block
_lock = Lock()


def is_paused() -> bool:
    """Whether this code runs in a no_grad block."""
    return _open > 0 and _depth.get() > 0


def watcher() -> Watcher | None:
    """Who watches the operations of this thread or task, if anybody does."""
    return _watcher.get() if _open > 0 else None


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
    with _opened():
        # A depth and not a token: blocks may be left in another order or context than entered.
        _depth.set(_depth.get() + 1)
        try:
            yield
        finally:
            _depth.set(max(0, _depth.get() - 1))


@contextmanager
def resumed() -> Iterator[None]:
    """Within the block operations are recorded, whatever no_grad block is around it."""
    depth = _depth.get()
    _depth.set(0)
    try:
        yield
    finally:
        _depth.set(depth)


@contextmanager
def watched(by: Watcher) -> Iterator[None]:
    """Within the block, the watcher is told of the operations of this thread or task."""
    with _opened():
        before = _watcher.get()
        _watcher.set(by)
        try:
            yield
        finally:
            _watcher.set(before)


@contextmanager
def _opened() -> Iterator[None]:
    """A block that sends every operation the long way round."""
    global _open
    with _lock:
        _open += 1
    try:
        yield
    finally:
        with _lock:
            _open -= 1
