"""Whether operations are recorded, and which hook is called as they and their derivatives run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, Protocol, TypeVar

__all__ = [
    "Hook", "active_hook", "enable_grad", "hooked", "is_paused", "no_grad", "open_blocks",
    "setting",
]  # fmt: skip

T = TypeVar("T")


class Hook(Protocol):
    """What is called at every operation and derivative of a thread or task, and may raise."""

    def on_op(self, node: Any, op: Any, operands: Any) -> None:
        """An operation on nodes gave a node."""

    def on_backward(self, root: Any) -> None:
        """A backward pass from the root is about to begin."""

    def on_vjp(self, seeds: Any, order: Any, within: Any) -> None:
        """A backward pass from several roots, along some nodes alone, is about to begin."""

    def on_jvp(self, node: Any, tangent: Any) -> None:
        """In forward mode a node got its tangent, a number."""


_depth: ContextVar[int] = ContextVar("depth of no_grad blocks", default=0)
_hook: ContextVar[Hook | None] = ContextVar("the hook of this thread", default=None)
open_blocks = 0
"""Blocks in the whole process: while there is none, no operation looks for one of its own."""
_lock = Lock()


def is_paused() -> bool:
    """Whether this code runs in a no_grad block."""
    return open_blocks > 0 and _depth.get() > 0


def active_hook() -> Hook | None:
    """The hook of this thread or task, if it has one."""
    return _hook.get() if open_blocks > 0 else None


@contextmanager
def no_grad() -> Iterator[None]:
    """Within the block, operations give leaves: nothing is recorded, in this thread or task alone.

    Without a graph 1 − σ(z) is computed from the number σ(z), so it is 0 from z = 37 on.
    In a generator the block lasts while the generator is suspended, as in PyTorch.

    >>> from microgradnet import Value
    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y.data, y.parents
    (9.0, ())
    """
    with _block():
        # A depth and not a token: blocks may be left in another order or context than entered.
        _depth.set(_depth.get() + 1)
        try:
            yield
        finally:
            _depth.set(max(0, _depth.get() - 1))


@contextmanager
def setting(variable: ContextVar[T], value: T) -> Iterator[None]:
    """Within the block, the variable has this value."""
    before = variable.get()
    variable.set(value)  # no token: blocks may be left in another context than entered
    try:
        yield
    finally:
        variable.set(before)


def enable_grad() -> AbstractContextManager[None]:
    """Within the block operations are recorded, whatever no_grad block is around it."""
    return setting(_depth, 0)


@contextmanager
def hooked(hook: Hook) -> Iterator[None]:
    """Within the block, the hook is called at the operations of this thread or task."""
    with _block(), setting(_hook, hook):
        yield


@contextmanager
def _block() -> Iterator[None]:
    """A block in which no operation takes a fast path."""
    global open_blocks
    with _lock:
        open_blocks += 1
    try:
        yield
    finally:
        with _lock:
            open_blocks -= 1
