"""Where numbers ceased to be finite."""

from __future__ import annotations

from microgradnet.arithmetic import is_finite
from microgradnet.engine import Value, is_unset
from microgradnet.graph import topological_order
from microgradnet.notation import described
from microgradnet.numerals import full_numeral
from microgradnet.training.engines import Network
from microgradnet.training.metrics import Array

__all__ = ["diagnose", "first_gradient", "first_value"]


def diagnose(network: Network, X: Array, Y: Array) -> tuple[int, str] | None:
    """Find the first example whose graph holds a number that is not finite, and the first node.

    Values come first, then gradients. Returns None where all are finite.
    """
    for n, (x, y) in enumerate(zip(X.tolist(), Y.tolist(), strict=True)):
        network.model.zero_grad()
        cost, _ = network.run(x, y)
        node = first_value(cost)
        if node is None:
            cost.backward()
            node = None if is_unset(cost.grad) else first_gradient(cost)
        if node is not None:
            return n, node
    return None


def first_value(cost: Value) -> str | None:
    """Name the first node, in topological order, whose number is not finite; None if all are.

    >>> print(first_value(1.0 + Value(0.0, label="x").log()))
    −∞ is the result of log(x), x = 0.0
    """
    for node in topological_order([cost]):
        if not is_finite(node.data):
            if node.op is None:
                return f"{node.label or 'a number'} is {full_numeral(node.data)}"
            made = described(node.op, node.parents, node.label)
            return f"{full_numeral(node.data)} is the result of {made}"
    return None


def first_gradient(cost: Value) -> str | None:
    """Name the first node on the way back from a differentiated cost with a gradient not finite."""
    for node in reversed(topological_order([cost])):
        if not is_finite(node.grad):
            name = node.label
            if not name and node.op is not None:
                name = f"({described(node.op, node.parents)})"
            return f"∂C/∂{name or 'a number'} is {full_numeral(node.grad)}"
    return None
