"""Making a derivative rule wrong on purpose, to see whether anybody notices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from microgradnet.arithmetic import NO_PART, Number
from microgradnet.backpropagation import FAST_PATHS
from microgradnet.operation import Operation, find
from microgradnet.transforms import GradientError, check_grad

__all__ = ["caught", "planted"]


@contextmanager
def planted(operation: Operation | str, by: float = 0.01) -> Iterator[Operation]:
    """Make an operation's derivative rule wrong within a block: too large by the share `by`.

    The rule is put right again at the end of the block, however it ends. Until then it is wrong
    for the whole program, other threads too. Raises ValueError for an operation with a fast path
    in `backward`, which asks no rule, and LookupError for an unknown name.

    >>> from microgradnet import Value, tanh
    >>> x = Value(0.0)
    >>> with planted(tanh, by=0.5):
    ...     tanh(x).backward()
    >>> x.grad
    1.5
    """
    op = find(operation) if isinstance(operation, str) else operation
    if op in FAST_PATHS:
        raise ValueError(f"backward asks no rule for {op.symbol}: choose another operation")
    right = op.rule

    def wrong(m: Any, g: Number, y: Number, *xs: Number) -> tuple[Number, ...]:
        return tuple(c if c is NO_PART else c * (1 + by) for c in right(m, g, y, *xs))

    # An operation is immutable to everyone else, who may therefore keep it; hence the way round.
    object.__setattr__(op, "rule", wrong)
    try:
        yield op
    finally:
        object.__setattr__(op, "rule", right)


def caught(operation: Operation | str, *xs: Number, by: float = 0.01) -> GradientError | None:
    """Plant an error of the share `by` in an operation's rule, and return what `check_grad` finds.

    Returns None if it notices nothing, as where the derivative is 0 or where the error is below
    that of rounding. Raises GradientError where the rule is wrong before anything is planted.

    >>> print(caught("sin", 0.5, by=1e-6))  # doctest: +ELLIPSIS
    the gradient is wrong at 1 of 1 inputs
      args[0] = 0.5: gradient 0.8775834..., central difference ...
    >>> print(caught("sin", 0.5, by=1e-17))
    None
    """
    op = find(operation) if isinstance(operation, str) else operation
    check_grad(op, xs)
    with planted(op, by):
        try:
            check_grad(op, xs)
        except GradientError as error:
            return error
    return None
