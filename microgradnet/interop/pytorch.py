"""PyTorch: an MLP as the torch.nn.Sequential that computes the same, and back.

The modules are named as in the equations: `layers.1` is the Linear that computes z¹, `layers.a1`
the activation that makes a¹ of it. So the keys of the state_dict are layers.1.weight (n_out, n_in),
layers.1.bias, layers.2.weight and so on, in the order of the equations.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils import skip_init

from microgradnet.nn import MLP, Activation
from microgradnet.operation import Operation, find

__all__ = ["from_torch", "to_torch"]

_FAR = 40.0
"""Beyond this torch.nn.Softplus may be the identity: e⁻⁴⁰ is less than half a unit in the last
place of 40. From its own default on, 20, its slope is wrong in the ninth digit."""

_MODULES: dict[str, Any] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": lambda slope: nn.LeakyReLU(float(slope)),
    "elu": lambda alpha: nn.ELU(float(alpha)),
    "softplus": lambda: nn.Softplus(threshold=_FAR),
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "softsign": nn.Softsign,
    "hard_tanh": nn.Hardtanh,
    "hard_sigmoid": nn.Hardsigmoid,
    "softmax": lambda: nn.Softmax(dim=-1),
}
"""What makes the module of an activation, from the parameters of the operation."""
_PLAIN = ("sigmoid", "tanh", "relu", "silu", "softsign", "hard_sigmoid")
"""The activations whose modules have no settings."""


def to_torch(model: MLP, *, dtype: Any = None) -> nn.Sequential:
    """Make the torch.nn.Sequential that computes what the model does, on copies of parameters.

    dtype is that of its parameters, by default torch.float64, in which outputs and gradients are
    those of the model within rounding; but PyTorch computes the slope ⅙ of hard_sigmoid in single
    precision, right to eight digits. Inputs are tensors (n_in,) or (batch, n_in); outputs have
    the last layer's size even where that is 1. Raises TypeError for anything but an MLP and for
    parameters that are formulas, ValueError for an activation of which PyTorch has no module.

    >>> from random import Random
    >>> model = MLP(2, [3, 1], activation="tanh", rng=Random(0))
    >>> network = to_torch(model)
    >>> list(network.state_dict())
    ['layers.1.weight', 'layers.1.bias', 'layers.2.weight', 'layers.2.bias']
    >>> x = torch.tensor([0.5, -1.0], dtype=torch.float64)
    >>> round(network(x).item() - model([0.5, -1.0]).data, 12)
    0.0
    """
    if not isinstance(model, MLP):
        raise TypeError(f"to_torch takes an MLP, not {model!r:.80}")
    state = {name: _tensor(name, array) for name, array in model.state_dict().items()}
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    sizes = pairwise(model.sizes)
    for l, (layer, (n_in, n_out)) in enumerate(zip(model.layers, sizes, strict=True), 1):
        # Not drawn first: making a network must not move PyTorch's generator.
        modules[str(l)] = skip_init(nn.Linear, n_in, n_out, dtype=dtype or torch.float64)
        if layer.activation != "linear":  # in the graph, too, a is then z itself
            modules[f"a{l}"] = _module(layer.activation)
    network = nn.Sequential(OrderedDict(layers=nn.Sequential(modules)))
    network.load_state_dict(state)
    return network


def from_torch(network: nn.Module) -> MLP:
    """Make the MLP that computes what a torch.nn.Sequential of Linear and activations does.

    Sequentials within it are gone through, Identity is passed over; a Linear without a bias has
    biases 0 here. Raises TypeError for what is no module, and ValueError for any other module, for
    an activation with settings that have no counterpart, and where nothing is left of a network.

    >>> network = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    >>> from_torch(network).sizes
    [2, 3, 1]
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"from_torch takes a torch.nn.Sequential, not {network!r:.60}")
    linears: list[nn.Linear] = []
    activations: list[Activation] = []
    for module in _flat(network):
        if type(module) is nn.Linear:
            linears.append(module)
            activations.append("linear")
        elif not linears or activations[-1] != "linear":
            raise ValueError(f"{module} does not follow a Linear: an MLP has no place for it")
        else:
            activations[-1] = _activation(module)
    if not linears:
        raise ValueError(f"there is no Linear in {network}: nothing to make a network of")
    for before, after in pairwise(linears):
        if before.out_features != after.in_features:
            raise ValueError(f"{after} cannot take what {before} gives")
    if "softmax" in activations[:-1]:
        raise ValueError("softmax stands at the output of an MLP, not before another layer")
    sizes = [linear.out_features for linear in linears]
    model = MLP(linears[0].in_features, sizes, init="zeros")
    for l, (layer, linear, activation) in enumerate(
        zip(model.layers, linears, activations, strict=True), 1
    ):
        layer.activation = activation
        for neuron in layer.neurons:
            neuron.activation = "linear" if activation == "softmax" else activation
        model.weights[l] = _array(linear.weight)
        if linear.bias is not None:
            model.biases[l] = _array(linear.bias)
    return model


def _tensor(name: str, array: Any) -> torch.Tensor:
    try:
        return torch.from_numpy(array.astype(float))
    except TypeError:
        raise TypeError(f"{name} holds formulas: PyTorch needs numbers") from None


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().double().cpu().numpy()


def _module(activation: Activation) -> nn.Module:
    if activation == "softmax":
        return _MODULES["softmax"]()
    op = find(activation) if isinstance(activation, str) else activation
    if not isinstance(op, Operation) or op.name not in _MODULES:
        raise ValueError(
            f"no module of PyTorch computes the activation {op!r}: "
            f"there are those of linear, {', '.join(_MODULES)}"
        )
    return _MODULES[op.name](**dict(op.parameters))


def _flat(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, nn.Sequential):
        for inner in module:
            yield from _flat(inner)
    elif type(module) is not nn.Identity:
        yield module


def _activation(module: nn.Module) -> Activation:
    """Find the activation that the module is, by its settings as well as its type."""
    for name in _PLAIN:
        if isinstance(module, _MODULES[name]):
            return name
    match module:
        case nn.LeakyReLU(negative_slope=slope):
            return _variant("leaky_relu", slope=slope)
        case nn.ELU(alpha=alpha):
            return _variant("elu", alpha=alpha)
        case nn.Softplus(beta=1):
            return "softplus"
        case nn.GELU(approximate="none"):
            return "gelu"
        case nn.Hardtanh(min_val=-1, max_val=1):
            return "hard_tanh"
        case nn.Softmax(dim=-1 | 1):
            return "softmax"
    raise ValueError(
        f"{module} has no counterpart here: from_torch knows Linear, Identity and the modules "
        f"of {', '.join(_MODULES)}"
    )


def _variant(name: str, **parameters: float) -> Activation:
    """Return the name where the parameters are the operation's own, else the operation."""
    entry = find(name)
    own = all(float(entry.parameters[key]) == x for key, x in parameters.items())
    return name if own else entry.variant(**parameters)
