"""Networks of neurons, z = Σₖ wₖaₖ + b and a = σ(z), and the forward pass that keeps z and a.

Layers are numbered 1 … L as in the equations, the input is layer 0. Everything is a scalar: a layer
is a list of neurons, and the matrices are read off it (`model.weights[l]`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import sqrt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from microgradnet import ops
from microgradnet.arithmetic import Number, number
from microgradnet.engine import UNTOUCHED, Value, pack, unpack
from microgradnet.operation import Operation, find

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "ACTIVATIONS",
    "INITIALISERS",
    "MLP",
    "Deltas",
    "ForwardPass",
    "Layer",
    "Matrices",
    "Module",
    "Neuron",
]

Activation: TypeAlias = "str | Callable[[Value], Value]"
Initialiser: TypeAlias = Callable[[Any, int, int], Number]

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


def _uniform(rng: Any, n_in: int, n_out: int) -> float:
    return float(rng.uniform(-1, 1))


def _xavier(rng: Any, n_in: int, n_out: int) -> float:
    bound = sqrt(6 / (n_in + n_out))
    return float(rng.uniform(-bound, bound))


def _he(rng: Any, n_in: int, n_out: int) -> float:
    return float(rng.gauss(0, sqrt(2 / n_in)))


def _zeros(rng: Any, n_in: int, n_out: int) -> float:
    return 0.0


INITIALISERS: Mapping[str, Initialiser] = MappingProxyType(
    {"uniform": _uniform, "xavier": _xavier, "he": _he, "zeros": _zeros}
)
"""How weights begin (biases begin at 0): uniform on [−1, 1] as in micrograd; uniform within
±√(6/(n_in + n_out)) after Glorot and Bengio (2010); normal with variance 2/n_in after He et al.
(2015); all 0, to see why one doesn't."""


class Module:
    """Something with parameters."""

    def parameters(self) -> list[Value]:
        """The parameters in a fixed order: neuron by neuron, weights, then bias."""
        return []

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Name and parameter, in the order of `parameters`."""
        for k, parameter in enumerate(self.parameters()):
            yield parameter.label or f"parameter[{k}]", parameter

    def zero_grad(self) -> None:
        """Forget the gradients that have accumulated in the parameters."""
        for parameter in self.parameters():
            parameter.grad = UNTOUCHED


class Neuron(Module):
    """One neuron, a = σ(z), z = Σₖ wₖaₖ + b, with n_in inputs.

    w and b are its weights and its bias. nonlin is micrograd's way to ask for relu (True) or
    linear (False).

    >>> neuron = Neuron(2, activation="tanh", init="zeros")
    >>> neuron([1.0, 2.0]).data
    0.0
    >>> neuron([1.0])
    Traceback (most recent call last):
        ...
    ValueError: a neuron with 2 inputs was given 1
    """

    def __init__(
        self,
        n_in: int,
        nonlin: bool = True,
        *,
        activation: Activation | None = None,
        init: str | Initialiser = "uniform",
        rng: random.Random | None = None,
        n_out: int = 1,
    ) -> None:
        if n_in < 1:
            raise ValueError(f"a neuron needs at least 1 input, not {n_in}")
        begin = _initialiser(init)
        self.activation = _activation(activation or ("relu" if nonlin else "linear"))
        if self.activation == "softmax":
            raise ValueError("softmax mixes the neurons of a layer: it cannot be one neuron's")
        self.w = [Value(begin(rng or random, n_in, n_out)) for _ in range(n_in)]
        self.b = Value(0.0)

    def weighted_input(self, x: Sequence[Any]) -> Value:
        """Z = Σₖ wₖxₖ + b, summed from the bias on."""
        if len(x) != len(self.w):
            raise ValueError(f"a neuron with {len(self.w)} inputs was given {len(x)}")
        z = self.b
        for w, a in zip(self.w, x, strict=True):
            z = z + w * a
        return z

    def __call__(self, x: Sequence[Any]) -> Value:
        """A = σ(z)."""
        return _activate(self.activation, [self.weighted_input(x)])[0]

    def parameters(self) -> list[Value]:
        """The weights, then the bias."""
        return [*self.w, self.b]

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """weight[k], k from 1, then bias."""
        for k, w in enumerate(self.w, 1):
            yield f"weight[{k}]", w
        yield "bias", self.b

    def __repr__(self) -> str:
        return f"{_title(self.activation)}Neuron({len(self.w)})"


class Layer(Module):
    """n_out neurons with the same n_in inputs; called, it gives its activations.

    A layer of one neuron gives the bare Value, as micrograd's does.

    >>> Layer(2, 3, activation="sigmoid", init="zeros")([1.0, 1.0])[2].data
    0.5
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        nonlin: bool = True,
        *,
        activation: Activation | None = None,
        init: str | Initialiser = "uniform",
        rng: random.Random | None = None,
    ) -> None:
        if n_out < 1:
            raise ValueError(f"a layer needs at least 1 neuron, not {n_out}")
        self.activation = _activation(activation or ("relu" if nonlin else "linear"))
        inner = "linear" if self.activation == "softmax" else self.activation
        self.neurons = [
            Neuron(n_in, activation=inner, init=init, rng=rng, n_out=n_out) for _ in range(n_out)
        ]

    def forward(self, x: Sequence[Any]) -> tuple[list[Value], list[Value]]:
        """The weighted inputs z and the activations a."""
        if len(x) != len(self.neurons[0].w):
            raise ValueError(f"a layer with {len(self.neurons[0].w)} inputs was given {len(x)}")
        z = [neuron.weighted_input(x) for neuron in self.neurons]
        return z, _activate(self.activation, z)

    def __call__(self, x: Sequence[Any]) -> Any:
        """The activations; one neuron's as a bare Value."""
        return _bare(self.forward(x)[1])

    def parameters(self) -> list[Value]:
        """Neuron by neuron: weights, then bias."""
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """weight[j,k] and bias[j], numbered from 1 as in the equations."""
        for j, neuron in enumerate(self.neurons, 1):
            for k, w in enumerate(neuron.w, 1):
                yield f"weight[{j},{k}]", w
            yield f"bias[{j}]", neuron.b

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """A multilayer perceptron: n_in inputs, layers of the given sizes.

    activation         of the hidden layers: a name of ACTIVATIONS, or an operation
    output_activation  of the last layer; linear by default
    init               a name of INITIALISERS, or a function (rng, n_in, n_out) → number
    rng                a random.Random; Python's own generator by default, whose weights are, for
                       the same random.seed, those that micrograd draws

    >>> model = MLP(2, [3, 1], activation="sigmoid", rng=random.Random(0))
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
        sizes: Sequence[int],
        *,
        activation: Activation = "relu",
        output_activation: Activation = "linear",
        init: str | Initialiser = "uniform",
        rng: random.Random | None = None,
    ) -> None:
        if not sizes:
            raise ValueError("a network needs at least one layer: give the sizes, as in [3, 1]")
        if _activation(activation) == "softmax" and len(sizes) > 1:
            raise ValueError("softmax stands at the output: output_activation='softmax'")
        widths = [n_in, *sizes]
        self.layers = [
            Layer(
                before,
                after,
                activation=activation if l < len(sizes) else output_activation,
                init=init,
                rng=rng,
            )
            for l, (before, after) in enumerate(pairwise(widths), 1)
        ]
        for l, layer in enumerate(self.layers, 1):
            for j, neuron in enumerate(layer.neurons, 1):
                neuron.b.label = _indexed("b", l, j)
                for k, w in enumerate(neuron.w, 1):
                    w.label = _indexed("w", l, j, k)

    def forward(self, x: Sequence[Any]) -> ForwardPass:
        """The forward pass of the example x, which keeps every z and a."""
        return ForwardPass(self, x)

    def __call__(self, x: Sequence[Any]) -> Any:
        """The network's output: a list of Values, or the bare Value of a single output."""
        return self.forward(x).output

    @property
    def weights(self) -> Matrices:
        """The weight matrices by layer: weights[l] is Wˡ, of shape (n_out, n_in)."""
        return Matrices(self, "weights")

    @property
    def biases(self) -> Matrices:
        """The bias vectors by layer: biases[l] is bˡ, of shape (n_out,)."""
        return Matrices(self, "biases")

    def parameters(self) -> list[Value]:
        """Layer by layer, neuron by neuron: weights, then bias."""
        return [p for layer in self.layers for p in layer.parameters()]

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """layers.l.weight[j,k] and layers.l.bias[j], numbered from 1 as in the equations."""
        for l, layer in enumerate(self.layers, 1):
            for name, parameter in layer.named_parameters():
                yield f"layers.{l}.{name}", parameter

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"


class ForwardPass:
    """One example's way through a network; index l is the layer in the equations.

    a[0]      the input, as Values
    z[l][j]   the weighted inputs of layer l (z[0] is empty), neurons counted from 0
    a[l][j]   the activations of layer l
    delta[l]  after cost.backward(), the errors δˡⱼ = ∂C/∂zˡⱼ: the grad of z[l][j]
    output    the last activations; of a single output neuron the bare Value

    Raises ValueError where x has not as many entries as the network has inputs.
    """

    def __init__(self, model: MLP, x: Sequence[Any]) -> None:
        n_in = len(model.layers[0].neurons[0].w)
        x = list(x)
        if len(x) != n_in:
            raise ValueError(f"the network has {n_in} inputs, but x has {len(x)} entries")
        self.model = model
        self.z: list[list[Value]] = [[]]
        self.a = [[v if isinstance(v, Value) else Value(v) for v in x]]
        _label("a", 0, self.a[0])
        for l, layer in enumerate(model.layers, 1):
            z, a = layer.forward(self.a[-1])
            _label("z", l, z)
            _label("a", l, a)
            self.z.append(z)
            self.a.append(a)

    @property
    def output(self) -> Any:
        """The activations of the last layer; of a single neuron the bare Value."""
        return _bare(self.a[-1])

    @property
    def delta(self) -> Deltas:
        """The errors δˡⱼ, by layer, after cost.backward()."""
        return Deltas(self)

    def __reduce__(self) -> tuple[Any, ...]:
        nodes = [v for layer in (*self.z, *self.a) for v in layer]
        shape = [[len(layer) for layer in layers] for layers in (self.z, self.a)]
        return _restore_forward_pass, (self.model, shape, pack(nodes))


class Deltas(Sequence[list[Number]]):
    """The errors of a forward pass: delta[l][j] = ∂C/∂zˡⱼ, delta[0] empty as z[0] is."""

    def __init__(self, forward: ForwardPass) -> None:
        self._z = forward.z

    def __len__(self) -> int:
        return len(self._z)

    def __getitem__(self, l: Any) -> Any:
        if all(z.grad is UNTOUCHED for layer in self._z for z in layer):
            raise RuntimeError(
                "no gradient has reached this forward pass yet: make a cost of its output and "
                "call cost.backward(), then read delta"
            )
        if isinstance(l, slice):
            return [self[k] for k in range(len(self))[l]]
        return [z.grad for z in self._z[l]]


class Matrices(Mapping[int, "NDArray[Any]"]):
    """The weights or biases of a network, by layer 1 … L: NumPy out, assignment in.

    Floats come as float64, other numbers as an object array. What is read is a copy; assigning
    writes into the parameters. A wrong shape raises ValueError naming both.

    >>> model = MLP(2, [1], init="zeros")
    >>> model.weights[1] = [[3.0, 4.0]]
    >>> model.weights[1]
    array([[3., 4.]])
    >>> model([1.0, 1.0]).data
    7.0
    """

    def __init__(self, model: MLP, kind: str) -> None:
        self._layers = model.layers
        self._kind = kind

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, len(self) + 1))

    def _values(self, l: int) -> list[list[Value]] | list[Value]:
        if l not in range(1, len(self) + 1):
            raise KeyError(f"layer {l}: the layers are numbered 1 to {len(self)}")
        neurons = self._layers[l - 1].neurons
        if self._kind == "weights":
            return [neuron.w for neuron in neurons]
        return [neuron.b for neuron in neurons]

    def __getitem__(self, l: int) -> NDArray[Any]:
        import numpy as np

        values = np.array(self._values(l), dtype=object)
        data = [v.data for v in values.flat]
        kind = float if all(type(x) is float for x in data) else object
        return np.array(data, dtype=kind).reshape(values.shape)

    def __setitem__(self, l: int, matrix: Any) -> None:
        import numpy as np

        values = np.array(self._values(l), dtype=object)
        given = np.asarray(matrix, dtype=object)
        if given.shape != values.shape:
            raise ValueError(f"{self._kind}[{l}] has shape {values.shape}, not {given.shape}")
        checked = [number(x) for x in given.flat]  # all of them before the first is written
        for value, x in zip(values.flat, checked, strict=True):
            value.data = x

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{l}: {matrix!r}' for l, matrix in self.items())}}}"


def _activation(activation: Activation) -> Activation:
    if isinstance(activation, str) and activation not in ACTIVATIONS:
        raise ValueError(f"no activation {activation!r}: there are {', '.join(ACTIVATIONS)}")
    return activation


def _activate(activation: Activation, z: list[Value]) -> list[Value]:
    if activation == "linear":
        return z
    if activation == "softmax":
        return ops.softmax(z)
    function = find(activation) if isinstance(activation, str) else activation
    return [function(v) for v in z]


def _initialiser(init: str | Initialiser) -> Initialiser:
    if not isinstance(init, str):
        return init
    if init not in INITIALISERS:
        raise ValueError(f"no initialiser {init!r}: there are {', '.join(INITIALISERS)}")
    return INITIALISERS[init]


def _bare(values: list[Value]) -> Any:
    return values[0] if len(values) == 1 else values


def _title(activation: Activation) -> str:
    if isinstance(activation, Operation):
        return activation.symbol
    named = {"relu": "ReLU", "linear": "Linear"}
    name = activation if isinstance(activation, str) else activation.__name__
    return named.get(name, name)


_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def _indexed(letter: str, l: int, *indices: int) -> str:
    """zˡⱼ or wˡⱼₖ; a comma stands between indices where one of them has two digits."""
    separator = "," if len(indices) > 1 and max(indices) > 9 else ""
    below = separator.join(str(index).translate(_SUBSCRIPTS) for index in indices)
    return f"{letter}{str(l).translate(_SUPERSCRIPTS)}{below}"


def _label(letter: str, l: int, nodes: list[Value]) -> None:
    for j, node in enumerate(nodes, 1):
        if not node.label:  # a linear neuron's a is its z; an input may bear the user's name
            node.label = _indexed(letter, l, j)


def _restore_forward_pass(
    model: MLP, shape: list[list[int]], packed: tuple[Any, ...]
) -> ForwardPass:
    nodes = iter(unpack(*packed))
    forward = ForwardPass.__new__(ForwardPass)
    forward.model = model
    forward.z, forward.a = ([[next(nodes) for _ in range(n)] for n in layer] for layer in shape)
    return forward
