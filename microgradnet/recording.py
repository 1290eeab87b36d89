"""Whether operations are recorded, and which hook is called as they and their derivatives run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

__all__ = [
    "Hook", "Setting", "active_hook", "depth", "enable_grad", "hooked", "is_paused", "no_grad",
    "open_blocks", "open_hooks",
]  # fmt: skip

T = TypeVar("T")


class Hook(Protocol):
    """Watch every operation and derivative of a thread or task. A method may raise."""

    def on_op(self, node: Any, op: Any, operands: Any) -> None:
        """See the node that an operation on nodes gave."""

    def on_backward(self, root: Any) -> None:
        """See the root of a backward pass that is about to begin."""

    def on_vjp(self, seeds: Any, order: Any, within: Any) -> None:
        """See the roots of a pass that is about to begin, along some nodes alone."""

    def on_jvp(self, node: Any, tangent: Any) -> None:
        """See the tangent that forward mode gave a node, a number."""


depth: ContextVar[int] = ContextVar("depth of no_grad blocks", default=0)
_hook: ContextVar[Hook | None] = ContextVar("the hook of this thread", default=None)
open_blocks = 0
"""Blocks in the whole process: while there is none, no operation looks for one of its own."""
open_hooks = 0
"""Those of them that have a hook."""
_lock = Lock()


def is_paused() -> bool:
    """Tell whether this code runs in a no_grad block."""
    return open_blocks > 0 and depth.get() > 0


def active_hook() -> Hook | None:
    """Return the hook of this thread or task, if it has one."""
    return _hook.get() if open_hooks > 0 else None


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing within the block, in this thread or task alone: operations give leaves.

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
        depth.set(depth.get() + 1)
        try:
            yield
        finally:
            depth.set(max(0, depth.get() - 1))


class Setting(Generic[T]):
    """Give a variable this value within the block.

    >>> depth = ContextVar("depth", default=0)
    >>> with Setting(depth, 1):
    ...     depth.get()
    1
    """

    # In half the time of a generator: a gradient enters four of these.

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable, self._value = variable, value

    def __enter__(self) -> None:
        self._before = self._variable.get()
        self._variable.set(self._value)  # no token: blocks may be left in another context

    def __exit__(self, *raised: object) -> None:
        self._variable.set(self._before)


def enable_grad() -> Setting[int]:
    """Record operations within the block, whatever no_grad block is around it.

    >>> from microgradnet import Value
    >>> x = Value(3.0)
    >>> with no_grad(), enable_grad():
    ...     y = x * x
    >>> len(y.parents)
    2
    """
    return Setting(depth, 0)


@contextmanager
def hooked(hook: Hook) -> Iterator[None]:
    """Call the hook, within the block, at the operations of this thread or task.

    >>> from microgradnet import Value
    >>> class Printer:
    ...     def on_op(self, node, op, operands):
    ...         print(op.name, node.data)
    >>> with hooked(Printer()):
    ...     y = Value(3.0) * 2
    multiply 6.0
    """
    with _block(hooks=1), Setting(_hook, hook):
        yield


@contextmanager
def _block(hooks: int = 0) -> Iterator[None]:
    """Keep operations off the fast paths within a block."""
    global open_blocks, open_hooks
    with _lock:
        open_blocks += 1
        open_hooks += hooks
    try:
        yield
    finally:
        with _lock:
            open_blocks -= 1
            open_hooks -= hooks
