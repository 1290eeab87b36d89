"""Multilayer perceptrons.

Layers are numbered 1 … L as in the equations, the input is layer 0. The matrices are read off the
scalars (`model.weights[l]`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any

from microgradnet.nn.forward import ForwardPass
from microgradnet.nn.initialisers import Initialiser
from microgradnet.nn.layers import Activation, Layer, Layered, checked_activation
from microgradnet.notation import indexed
from microgradnet.randomness import generator

__all__ = ["MLP"]


class MLP(Layered):
    """Stack layers of neurons: zˡ = Wˡ aˡ⁻¹ + bˡ and aˡ = σ(zˡ), layer by layer from a⁰ = x.

    n_in               the number of inputs
    sizes              the numbers of neurons, layer by layer
    activation         of the hidden layers: a name of ACTIVATIONS or of an operation of one's own,
                       or the operation; or a list, with one for each hidden layer
    output_activation  of the last layer; linear by default
    init               a name of INITIALISERS, or a function (rng, n_in, n_out) → number
    seed, rng          what the weights are drawn from: a whole number, or a random.Random; Python's
                       own generator by default, whose weights are, for the same random.seed, those
                       that micrograd draws
    granularity        "atomic": every + and × is a node, and the δ equations emerge from these
                       alone; "neuron": a weighted input is one node (`weighted_input`), so that
                       the graph is smaller and quicker. Both have the same z, a and δ.

    Raises ValueError for unknown names and for sizes below 1.

    >>> model = MLP(2, [3, 1], activation="sigmoid", seed=0)
    >>> forward = model.forward([0.5, -1.0])
    >>> cost = (forward.output - 1) ** 2 / 2
    >>> cost.backward()
    >>> forward.delta[2][0] == forward.output.data - 1
    True
    >>> model.weights[1].shape
    (3, 2)
    """

    def __init__(
        self,
        n_in: int,
        sizes: Sequence[int] = (),
        *,
        activation: Activation | Sequence[Activation] = "relu",
        output_activation: Activation = "linear",
        init: str | Initialiser = "uniform",
        seed: int | None = None,
        rng: Random | None = None,
        granularity: str = "atomic",
    ) -> None:
        if isinstance(n_in, Sequence) and len(n_in) > 1 and not sizes:
            first, *others = n_in
            raise ValueError(f"the inputs stand before the layers: MLP({first}, {others})")
        if not isinstance(sizes, Sequence) or not sizes:
            raise ValueError(f"the sizes are those of the layers, as in [3, 1], not {sizes!r}")
        if isinstance(activation, str) or not isinstance(activation, Sequence):
            activation = [checked_activation(activation)] * (len(sizes) - 1)
        if len(activation) != len(sizes) - 1:
            raise ValueError(
                f"there are {len(sizes) - 1} hidden layers and {len(activation)} activations: one "
                "for each, and output_activation for the last"
            )
        if "softmax" in activation:
            raise ValueError("softmax stands at the output: output_activation='softmax'")
        rng = generator(seed, rng)
        self.layers = [
            Layer(
                before,
                after,
                activation=each,
                init=init,
                rng=rng,
                granularity=granularity,
            )
            for (before, after), each in zip(
                pairwise([n_in, *sizes]), [*activation, output_activation], strict=True
            )
        ]
        for l, layer in enumerate(self.layers, 1):
            for j, neuron in enumerate(layer.neurons, 1):
                neuron.b.label = indexed("b", l, j)
                for k, w in enumerate(neuron.w, 1):
                    w.label = indexed("w", l, j, k)

    def forward(self, x: Sequence[Any]) -> ForwardPass:
        """Run the example x forward, and keep every z and a."""
        return ForwardPass(self, x)

    def __call__(self, x: Sequence[Any]) -> Any:
        """Compute the output: a list of Values, or the bare Value of a single output."""
        return self.forward(x).output

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
