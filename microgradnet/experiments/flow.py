"""The size of the error δ, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from microgradnet import plotting
from microgradnet.costs import Cost, entry
from microgradnet.escapes import differentiated
from microgradnet.nn import MLP
from microgradnet.numerals import numeral, percent
from microgradnet.tables import Table, Tabular

__all__ = ["Flow", "LayerFlow", "gradient_flow"]


@dataclass(frozen=True)
class LayerFlow:
    """Measure one layer, over all examples and neurons. Sizes are root mean squares."""

    layer: int
    activation: str
    delta: float
    """The size of δˡ."""
    ratio: float | None
    """What δ is multiplied by on its way from layer l + 1 to l; None for the last layer."""
    weight_gradient: float
    """The size of ∂C/∂Wˡ, of one example."""
    quiet: float
    """The share of neurons that are saturated: |∂a/∂z| < 1/100."""


@dataclass(frozen=True)
class Flow(Tabular):
    """Hold what `gradient_flow` measured, from the first layer to the last."""

    layers: tuple[LayerFlow, ...]

    @property
    def verdict(self) -> str:
        """Say in a sentence what δ does from the last layer to the first."""
        first, last = self.layers[0], self.layers[-1]
        if len(self.layers) == 1:
            return "There is one layer only: δ comes through none."
        if not first.delta:
            return "δ does not reach layer 1: no weight there will move."
        factor = first.delta / last.delta
        word = (
            "δ vanishes" if factor < 0.01 else "δ explodes" if factor > 100 else "δ comes through"
        )
        return (
            f"{word}: in layer 1 it is {numeral(factor, 2)} times what it is in layer {last.layer}."
        )

    @property
    def table(self) -> Table:
        """Tabulate the layers, a row each."""
        headings = ["layer", "activation", "|δ|", "factor", "|∂C/∂W|", "|∂a/∂z| < 1/100"]
        rows = [
            [
                str(row.layer),
                row.activation,
                numeral(row.delta, 3),
                "" if row.ratio is None else f"× {numeral(row.ratio, 2)}",
                numeral(row.weight_gradient, 3),
                percent(row.quiet),
            ]
            for row in self.layers
        ]
        return Table(headings, rows, left=["layer"])

    def plot(self) -> Any:
        """Plot |δ| and |∂C/∂W| by layer, on a logarithmic scale, as a matplotlib figure."""
        figure, (axes,) = plotting.figure(1, width=5.2)
        layers = [row.layer for row in self.layers]
        for name, colour, sizes in (
            ("δ", plotting.TRAIN, [row.delta for row in self.layers]),
            ("∂C/∂W", plotting.TEST, [row.weight_gradient for row in self.layers]),
        ):
            positive = [(l, size) for l, size in zip(layers, sizes, strict=True) if size > 0]
            x, y = zip(*positive, strict=True) if positive else ((), ())
            axes.plot(x, y, "o-", color=colour, label=name)
        axes.set_yscale("log")
        axes.set_xticks(layers, [f"{row.layer}\n{row.activation}" for row in self.layers])
        axes.set_xlabel("layer", color=plotting.INK, fontsize=9)
        axes.set_title("size of the error δ and of the gradients", color=plotting.INK, fontsize=10)
        axes.legend(frameon=False, fontsize=8)
        return figure


def gradient_flow(model: MLP, X: ArrayLike, Y: ArrayLike, cost: str | Cost = "quadratic") -> Flow:
    """Measure how large δ and the gradients are, layer by layer, over some examples.

    BP2, δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ), multiplies δ on its way back by weights and by derivatives
    of σ. Over many layers it vanishes or explodes unless both are of the right size. X, Y and cost
    are as in `fit`. The gradients that the parameters had are left as they were. Raises ValueError
    for an unknown cost, and where X and Y are not of one length.

    >>> model = MLP(2, [8] * 5 + [1], activation="sigmoid", seed=1)
    >>> flow = gradient_flow(model, [[0.5, -1.0], [1.0, 2.0]], [[1.0], [0.0]])
    >>> print(flow.verdict)
    δ vanishes: in layer 1 it is 0.0015 times what it is in layer 6.
    """
    function = entry(cost).function
    x, y = np.asarray(X).tolist(), np.asarray(Y).tolist()
    if len(x) != len(y) or not x:
        raise ValueError(f"X has {len(x)} rows and Y {len(y)}: one target for each example")
    parameters = model.parameters()
    before = [parameter.grad for parameter in parameters]
    L = len(model.layers)
    delta: list[list[float]] = [[] for _ in range(L)]
    partials: list[list[float]] = [[] for _ in range(L)]
    gradients: list[list[float]] = [[] for _ in range(L)]
    try:
        for inputs, targets in zip(x, y, strict=True):
            model.zero_grad()
            forward = model.forward(inputs)
            with differentiated(parameters):
                total = function(forward.output, targets)
            total.backward()
            for l, layer in enumerate(model.layers, 1):
                delta[l - 1] += map(float, forward.delta[l])
                partials[l - 1] += _activation_partials(forward.z[l], forward.a[l])
                gradients[l - 1] += [float(w.grad) for n in layer.neurons for w in n.w]
    finally:
        for parameter, grad in zip(parameters, before, strict=True):
            parameter.grad = grad
    sizes = [_size(numbers) for numbers in delta]
    return Flow(
        tuple(
            LayerFlow(
                l,
                str(layer.activation) if isinstance(layer.activation, str) else "own",
                sizes[l - 1],
                sizes[l - 1] / sizes[l] if l < L and sizes[l] else None,
                _size(gradients[l - 1]),
                sum(abs(partial) < 0.01 for partial in partials[l - 1]) / len(partials[l - 1]),
            )
            for l, layer in enumerate(model.layers, 1)
        )
    )


def _activation_partials(z: list[Any], a: list[Any]) -> list[float]:
    """Return ∂a/∂z, entry by entry; of a linear layer, where they are one node, 1."""
    partials = []
    for weighted, active in zip(z, a, strict=True):
        uses = zip(active.parents, active.partials(), strict=True)
        partials += [float(p) for x, p in uses if x is weighted] + [1.0] * (active is weighted)
    return partials


def _size(numbers: Iterable[float]) -> float:
    """Compute the root mean square."""
    squares = [x * x for x in numbers]
    return math.sqrt(math.fsum(squares) / len(squares))
