"""Draws small graphs that explain the equations, each where a mistake is often made."""

from __future__ import annotations

from microgradnet import costs
from microgradnet.drawing import Picture, draw
from microgradnet.engine import Value
from microgradnet.nn import MLP
from microgradnet.ops import sigmoid
from microgradnet.ops import softmax as softmax_of

__all__ = ["bias", "hidden_error", "layers", "output_error", "slope", "softmax", "step", "weight"]


def output_error() -> Picture:
    """BP1: from the cost through aᴸ and σ to zᴸ, two local derivatives to multiply."""
    z, y = Value(0.8, label="z"), Value(0.0, label="y")
    a = _named(sigmoid(z), "a")
    return _differentiated(_named((a - y) ** 2 / 2, "C"), z)


def hidden_error() -> Picture:
    """BP2: the error of one hidden neuron comes from all neurons that it went to."""
    model = MLP(2, [2, 2], activation="sigmoid", seed=1)
    forward = model.forward([1.0, -1.0])
    cost = costs.quadratic(forward.output, [1, 0])
    return _differentiated(cost, forward.z[1][0], zoom="neuron")


def slope() -> Picture:
    """σ′ is the local derivative of the edge from z to a, and is taken at z."""
    z = Value(0.8, label="z")
    return _differentiated(_named(sigmoid(z), "a"), z)


def bias() -> Picture:
    """BP3: one bias goes into the weighted inputs of all examples, so its gradients add up."""
    w, b = Value(0.5, label="w"), Value(0.5, label="b")
    a = [_named(sigmoid(w * x + b), f"a of example {n}") for n, x in enumerate((1.0, -2.0), 1)]
    return _differentiated(_named(a[0] + a[1], "C"), b)


def weight() -> Picture:
    """BP4: a weight multiplies the activation that comes in, which is its local derivative."""
    w, a = Value(0.5, label="w"), Value(0.9, label="a of the layer before")
    z = _named(w * a, "z")
    return _differentiated(_named(sigmoid(z), "a"), w)


def softmax() -> Picture:
    """Each output of softmax depends on every z."""
    z = [Value(1.0, label="z₁"), Value(-1.0, label="z₂")]
    first, _ = softmax_of(z)
    return _differentiated(_named(first, "a₁"), z[1])


def layers() -> Picture:
    """Every layer has its δ, its ∂C/∂W and its ∂C/∂b, found from the last to the first."""
    model = MLP(2, [3, 3, 2], activation="sigmoid", output_activation="sigmoid", seed=1)
    cost = costs.quadratic(model([1.0, -1.0]), [Value(1.0, label="y₁"), Value(0.0, label="y₂")])
    cost.backward()
    return draw(cost, zoom="layer")


def step() -> Picture:
    """A step of gradient descent as a graph: the old w, less η/m times the summed gradient."""
    w, eta, m = Value(0.5, label="w"), Value(0.75, label="η"), Value(3.0, label="m")
    total = _named(Value(0.25, label="∂C₁/∂w") + Value(0.5, label="∂C₂/∂w"), "Σ ∂C/∂w")
    return draw(_named(w - eta / m * total, "the new w"), zoom="scalar")


def _named(value: Value, label: str) -> Value:
    value.label = label
    return value


def _differentiated(cost: Value, node: Value, zoom: str = "scalar") -> Picture:
    cost.backward()
    return draw(cost, zoom=zoom, highlight=node)
