"""A number does not leave a graph silently: `float(v)`, `int(v)` and `math.exp(v)` are seen.

What is computed from such a number has no derivative by v. Where v is an input of what is being
differentiated, or computed from one, the conversion is an error; elsewhere it is a warning, once a
line, if v was computed. `v.data`, `v.item()`, `v.detach()` and a no_grad block say that the number
is meant as a constant.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextvars import ContextVar
from numbers import Number
from typing import Any

from microgradnet import recording
from microgradnet.frames import users_frame
from microgradnet.graph import topological_order

__all__ = ["check_conversion", "check_equality", "differentiated"]

_inputs: ContextVar[tuple[Any, ...]] = ContextVar("what is being differentiated by", default=())


def differentiated(inputs: Iterable[Any]) -> recording.Setting[tuple[Any, ...]]:
    """Make it an error, within the block, to convert what is computed from these nodes.

    >>> from microgradnet import Value
    >>> x = Value(2.0)
    >>> with differentiated([x]):
    ...     y = x * x.data
    ...     float(y)
    Traceback (most recent call last):
        ...
    TypeError: <doctest ...>, line 3: float() takes the number of a node that is being \
differentiated, ...
    """
    return recording.Setting(_inputs, (*_inputs.get(), *inputs))


def check_equality(node: Any, other: object) -> None:
    """Refuse `node == number` where one differentiates: it is False whatever the node's number.

    A node is equal only to itself. Raises TypeError, which names the line of the caller.
    """
    inputs = _inputs.get()
    if inputs and isinstance(other, Number) and _depends(node, inputs):
        frame, _ = users_frame()
        raise TypeError(
            f"{frame.f_code.co_filename}, line {frame.f_lineno}: a node is equal only to itself, "
            f"so == {other} is False whatever its number is: compare v.data, or use where, "
            "maximum, minimum, relu or abs, which choose for every number"
        )


def _depends(node: Any, inputs: Iterable[Any]) -> bool:
    """Tell whether a node was computed from one of the inputs, or is one."""
    return not {*inputs}.isdisjoint(topological_order([node]))


def check_conversion(node: Any, conversion: str) -> None:
    """Refuse the conversion of a node's number, or warn of it, where a derivative is lost.

    Raises TypeError where the node depends on what is being differentiated by. The error and the
    warning name the line of the caller that converts.
    """
    inputs = _inputs.get()
    if recording.is_paused() or not (node.parents or inputs):
        return
    frame, _ = users_frame()
    file, line = frame.f_code.co_filename, frame.f_lineno
    way_out = (
        "use the functions of microgradnet (exp, tanh, ...) in place of math's and NumPy's, or "
        "v.data for a number that is meant as a constant"
    )
    if inputs and _depends(node, inputs):
        raise TypeError(
            f"{file}, line {line}: {conversion}() takes the number of a node that is being "
            f"differentiated, and what is computed from it has no derivative: {way_out}"
        )
    if node.parents:
        warnings.warn_explicit(
            f"{conversion}() takes the number of a node that was computed, and no gradient flows "
            f"through it: {way_out}",
            UserWarning,
            file,
            line,
            module=frame.f_globals.get("__name__"),
            registry=frame.f_globals.setdefault("__warningregistry__", {}),
        )
