"""Neurons, and layers of them. Everything is a scalar: a layer is a list of neurons."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from microgradnet import ops
from microgradnet.engine import Value, record_unary
from microgradnet.escapes import differentiated
from microgradnet.layerwise import linear, sum_of_products
from microgradnet.nn.initialisers import Initialiser, initialiser
from microgradnet.nn.matrices import Matrices
from microgradnet.nn.module import Module
from microgradnet.nn.predicting import Predictor
from microgradnet.operation import Operation, find, operations
from microgradnet.randomness import generator
from microgradnet.rows import Rows, rows_of

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Layer",
    "Layered",
    "Neuron",
    "checked_activation",
]

Activation: TypeAlias = "str | Callable[[Value], Value]"
"""A name of ACTIVATIONS, or an operation (any function of one Value)."""

ACTIVATIONS: tuple[str, ...] = (
    "linear",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "softplus",
    "silu",
    "gelu",
    "softsign",
    "hard_tanh",
    "hard_sigmoid",
    "softmax",
)
"""The activations by name; softmax, which mixes a whole layer, at the output only."""

GRANULARITIES = ("atomic", "neuron")


class Neuron(Module):
    """Compute one neuron, a = σ(z) with z = Σₖ wₖxₖ + b.

    n_in         the number of inputs
    nonlin       micrograd's way to ask for relu (True) or linear (False)
    activation   a name of ACTIVATIONS but softmax, or an operation; it goes before nonlin
    init, seed, rng, granularity
                 how weights begin and whether z is one node, as in `MLP`

    w and b are its weights and its bias. Raises ValueError for an unknown name, for fewer than one
    input, and when it is called on a wrong number of inputs.

    >>> neuron = Neuron(2, activation="tanh", init="zeros")
    >>> neuron([1.0, 2.0]).data
    0.0
    >>> neuron([1.0])
    Traceback (most recent call last):
        ...
    ValueError: a neuron with 2 inputs was given 1
    """

    _rows: Rows  # kept, so that the next example's graph shares them

    def __init__(
        self,
        n_in: int,
        nonlin: bool = True,
        *,
        activation: Activation | None = None,
        init: str | Initialiser = "uniform",
        seed: int | None = None,
        rng: random.Random | None = None,
        granularity: str = "atomic",
    ) -> None:
        if n_in < 1:
            raise ValueError(f"a neuron needs at least 1 input, not {n_in}")
        if granularity not in GRANULARITIES:
            raise ValueError(
                f"no granularity {granularity!r}: there are {', '.join(GRANULARITIES)}"
            )
        begin, source = initialiser(init), generator(seed, rng) or random
        self.activation = checked_activation(activation or ("relu" if nonlin else "linear"))
        if self.activation == "softmax":
            raise ValueError("softmax mixes the neurons of a layer: it cannot be one neuron's")
        self.granularity = granularity
        self.w = [Value(begin(source, n_in, 1)) for _ in range(n_in)]
        self.b = Value(0.0)

    @property
    def nonlin(self) -> bool:
        """Tell whether the neuron is not linear: micrograd's name."""
        return self.activation != "linear"

    def weighted_input(self, x: Sequence[Any]) -> Value:
        """Compute the weighted input z = Σₖ wₖxₖ + b, summed from the bias on."""
        self.check(x)
        if self.granularity == "neuron":
            W, b = [self.w], [self.b]
            self._rows = rows_of(W, b)
            z: Value = linear(x, W, b)[0]
            return z
        return sum_of_products(self.b, self.w, x)

    def check(self, x: Sequence[Any]) -> None:
        """Raise ValueError where there are not as many inputs as weights."""
        if len(x) != len(self.w):
            raise ValueError(f"a neuron with {len(self.w)} inputs was given {len(x)}")

    def __call__(self, x: Sequence[Any]) -> Value:
        """Compute the activation a = σ(z)."""
        return _activate(self.activation, [self.weighted_input(x)])[0]

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Yield the weights, weight[k] with k from 1, then the bias."""
        for k, w in enumerate(self.w, 1):
            yield f"weight[{k}]", w
        yield "bias", self.b

    def __repr__(self) -> str:
        return f"{_title(self.activation)}Neuron({len(self.w)})"


class Layer(Module):
    """Apply n_out neurons to the same n_in inputs: a = σ(z) with z = W x + b, W (n_out, n_in).

    The other arguments are those of `Neuron`; here the activation may be softmax too. A layer of
    one neuron gives the bare Value, as micrograd's does.

    >>> Layer(2, 3, activation="sigmoid", init="zeros")([1.0, 1.0])[2].data
    0.5
    """

    _rows: Rows  # as a neuron's

    def __init__(
        self,
        n_in: int,
        n_out: int,
        nonlin: bool = True,
        *,
        activation: Activation | None = None,
        init: str | Initialiser = "uniform",
        seed: int | None = None,
        rng: random.Random | None = None,
        granularity: str = "atomic",
    ) -> None:
        if n_out < 1:
            raise ValueError(f"a layer needs at least 1 neuron, not {n_out}")
        rng, begin = generator(seed, rng), initialiser(init)
        self.granularity = granularity
        self.activation = checked_activation(activation or ("relu" if nonlin else "linear"))
        inner = "linear" if self.activation == "softmax" else self.activation
        self.neurons = [
            Neuron(
                n_in,
                activation=inner,
                init=lambda rng, n_in, _: begin(rng, n_in, n_out),
                rng=rng,
                granularity=granularity,
            )
            for _ in range(n_out)
        ]

    def forward(self, x: Sequence[Any]) -> tuple[list[Value], list[Value]]:
        """Compute the weighted inputs z and the activations a."""
        if self.granularity == "neuron":
            self.neurons[0].check(x)
            W, b = [neuron.w for neuron in self.neurons], [neuron.b for neuron in self.neurons]
            self._rows = rows_of(W, b)
            z = linear(x, W, b)
        else:
            z = [neuron.weighted_input(x) for neuron in self.neurons]
        return z, _activate(self.activation, z)

    def __call__(self, x: Sequence[Any]) -> Any:
        """Compute the activations; a single neuron's is a bare Value."""
        a = self.forward(x)[1]
        return a[0] if len(a) == 1 else a

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Yield neuron by neuron weight[j,k], then bias[j], numbered from 1 as in the equations."""
        for j, neuron in enumerate(self.neurons, 1):
            for k, w in enumerate(neuron.w, 1):
                yield f"weight[{j},{k}]", w
            yield f"bias[{j}]", neuron.b

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class Layered(Predictor):
    """Hold layers, one after the other: those of an `MLP`, numbered from 1."""

    @property
    def weights(self) -> Matrices:
        """Return the weight matrices by layer: weights[l] is Wˡ, of shape (n_out, n_in)."""
        layers = self.layers
        return Matrices("weights", len(layers), lambda l: [n.w for n in layers[l - 1].neurons])

    @property
    def biases(self) -> Matrices:
        """Return the bias vectors by layer: biases[l] is bˡ, of shape (n_out,)."""
        layers = self.layers
        return Matrices("biases", len(layers), lambda l: [n.b for n in layers[l - 1].neurons])

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Yield layers.l.weight[j,k] and layers.l.bias[j], numbered from 1 as in the equations."""
        for l, layer in enumerate(self.layers, 1):
            for name, parameter in layer.named_parameters():
                yield f"layers.{l}.{name}", parameter


def checked_activation(activation: Activation) -> Activation:
    """Return the activation; ValueError lists the names, TypeError is for what cannot be called."""
    if isinstance(activation, str):
        own = [op for op in operations() if op.name == activation and not op.is_built_in]
        if activation not in ACTIVATIONS and not own:
            raise ValueError(f"no activation {activation!r}: there are {', '.join(ACTIVATIONS)}")
    elif not callable(activation):
        raise TypeError(f"an activation is a name or an operation, not {activation!r}")
    return activation


def _activate(activation: Activation, z: list[Value]) -> list[Value]:
    if activation == "linear":
        return list(z)
    if activation == "softmax":
        return ops.softmax(z)
    function = find(activation) if isinstance(activation, str) else activation
    if isinstance(function, Operation) and function.arity == 1:
        return [record_unary(function, v) for v in z]  # not function(v): a call less for each
    with differentiated(z):
        return [function(v) for v in z]


def _title(activation: Activation) -> str:
    if isinstance(activation, Operation):
        return activation.symbol
    name = activation if isinstance(activation, str) else activation.__name__
    return {"relu": "ReLU", "linear": "Linear"}.get(name, name)
