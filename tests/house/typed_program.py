"""A user's program, for mypy --strict to read: what the package's types promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import microgradnet
from microgradnet import MLP, Value, costs, maximum, softmax, tanh, weighted_input

if TYPE_CHECKING:
    from typing_extensions import assert_type


def neuron(w: list[Value], x: list[float], b: Value) -> Value:
    """Operators, functions and methods give Values."""
    z = b
    for weight, activation in zip(w, x, strict=True):
        z = z + weight * activation
    whole = weighted_input(w, x, b)
    if TYPE_CHECKING:
        assert_type(z - whole, Value)
        assert_type(tanh(z), Value)
        assert_type(z.tanh(), Value)
        assert_type(2**z, Value)
        assert_type(maximum(z, 0.0), Value)
        assert_type(softmax(w), list[Value])
        _ = microgradnet.frobnicate  # type: ignore[attr-defined]  # no such name
    return z.tanh()


def cost(model: MLP, x: list[float], y: list[float]) -> float:
    """A cost of a network, and its number."""
    total = costs.quadratic(model.forward(x).output, y)
    total.backward()
    return float(total)
