"""Where numbers ceased to be finite."""

from __future__ import annotations

import math
from decimal import Decimal

from microgradnet.arithmetic import Number
from microgradnet.engine import Value
from microgradnet.graph import topological_order

__all__ = ["first_gradient", "first_value", "is_finite"]


def is_finite(x: Number) -> bool:
    """Whether a number of any kind is neither infinite nor NaN."""
    if isinstance(x, float):
        return math.isfinite(x)
    return x.is_finite() if isinstance(x, Decimal) else bool(x - x == 0)


def first_value(cost: Value) -> str | None:
    """The first node, in topological order, whose number is not finite; None where all are.

    >>> print(first_value(1.0 + Value(0.0, label="x").log()))
    log(x) = -inf, where x = 0.0
    """
    for node in topological_order([cost]):
        if not is_finite(node.data):
            operands = {p.label: p.data for p in node.parents if p.label}
            where = ", ".join(f"{label} = {data}" for label, data in operands.items())
            return f"{_name(node)} = {node.data}{f', where {where}' if where else ''}"
    return None


def first_gradient(cost: Value) -> str | None:
    """The first node on the way back from a differentiated cost with a gradient not finite."""
    for node in reversed(topological_order([cost])):
        if not is_finite(node.grad):
            return f"∂C/∂{node.label or f'({_name(node)})'} = {node.grad}"
    return None


def _name(node: Value) -> str:
    """How the node was made, after its name if it has one: a²₁ = exp(z²₁)."""
    if node.op is None:
        return node.label or "a number"
    made = node.op.write(*(parent.label or _short(parent.data) for parent in node.parents))
    return f"{node.label} = {made}" if node.label else made


def _short(x: Number) -> str:
    return f"{x:.4g}" if isinstance(x, float) else str(x)
