"""`Module`: something with parameters, and their numbers as arrays by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from microgradnet.arithmetic import Number, coerce
from microgradnet.engine import UNSET, Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Keys", "Module", "entries", "numbers"]


class Keys(NamedTuple):
    """Hold the names in which a state and the parameters differ."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __str__(self) -> str:
        """Write both lists in words, a long one cut short."""
        kinds = (("missing", self.missing_keys), ("unexpected", self.unexpected_keys))
        return "; ".join(f"{kind} {_some(names)}" for kind, names in kinds if names)


class Module:
    """Hold parameters: its Values, also those in its lists and its modules.

    >>> from microgradnet import Neuron, Value
    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Value(2.0)
    ...         self.inner = [Neuron(1, init="zeros")]
    >>> [name for name, _ in Scale().named_parameters()]
    ['factor', 'inner.0.weight[1]', 'inner.0.bias']
    """

    def named_parameters(self) -> Iterator[tuple[str, Value]]:
        """Yield name and parameter, in the order of the attributes."""
        for name, attribute in vars(self).items():
            yield from _named(name, attribute)

    def parameters(self) -> list[Value]:
        """List the parameters in the order of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return the parameters' numbers by name, those of one matrix or vector together.

        Copies, as from `MLP.weights`. In an `MLP` they are layers.1.weight, of shape (n_out, n_in),
        layers.1.bias and so on, numbered as in the equations.

        >>> from microgradnet import MLP
        >>> {name: array.shape for name, array in MLP(2, [3]).state_dict().items()}
        {'layers.1.weight': (3, 2), 'layers.1.bias': (3,)}
        """
        return {name: numbers(nodes) for name, nodes in _by_name(self.named_parameters()).items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Keys:
        """Write the numbers of a `state_dict` into the parameters, all of them or none.

        Raises ValueError, and leaves the parameters as they were, where shapes differ, and with
        `strict` where names are missing or unexpected; without, these are what is returned.

        >>> from microgradnet import Layer
        >>> layer = Layer(2, 1)
        >>> layer.load_state_dict({"weight": [[3.0, 4.0]], "bias": [0.0]})
        Keys(missing_keys=[], unexpected_keys=[])
        >>> layer([1.0, 1.0]).data
        7.0
        >>> layer.load_state_dict({"weight": [[3.0, 4.0]], "bais": [0.0]})
        Traceback (most recent call last):
            ...
        ValueError: the names are not those of the parameters: missing 'bias'; unexpected 'bais'
        """
        own = _by_name(self.named_parameters())
        keys = Keys([k for k in own if k not in state], [k for k in state if k not in own])
        if strict and (keys.missing_keys or keys.unexpected_keys):
            raise ValueError(f"the names are not those of the parameters: {keys}")
        new = [
            (node, x)
            for name, nodes in own.items()
            if name in state
            for node, x in zip(nodes.flat, entries(name, nodes.shape, state[name]), strict=True)
        ]  # every one of them, before the first is written
        for node, x in new:
            node.data = x
        return keys

    def zero_grad(self) -> None:
        """Forget the gradients that have accumulated in the parameters."""
        for parameter in self.parameters():
            parameter.grad = UNSET


def _named(name: str, attribute: object) -> Iterator[tuple[str, Value]]:
    if isinstance(attribute, Value):
        yield name, attribute
    elif isinstance(attribute, Module):
        for inner, parameter in attribute.named_parameters():
            yield f"{name}.{inner}", parameter
    elif isinstance(attribute, (list, tuple)):
        for k, item in enumerate(attribute):
            yield from _named(f"{name}.{k}", item)


def _by_name(named: Iterable[tuple[str, Value]]) -> dict[str, NDArray[Any]]:
    """Gather arrays of nodes by name: weight[1,1], weight[1,2] ... are entries of weight."""
    import numpy as np

    gathered: dict[str, list[Value]] = {}
    shapes: dict[str, list[int]] = {}
    for title, node in named:
        name, _, indices = title.partition("[")
        gathered.setdefault(name, []).append(node)
        # The order is that of the entries, so the last one's indices are what stays.
        shapes[name] = [int(k) for k in indices.rstrip("]").split(",") if k]
    return {k: np.array(nodes, dtype=object).reshape(shapes[k]) for k, nodes in gathered.items()}


def numbers(nodes: NDArray[Any]) -> NDArray[Any]:
    """Copy the nodes' numbers: float64 where all of them are floats, objects otherwise."""
    import numpy as np

    data = [node.data for node in nodes.flat]
    kind = float if all(type(x) is float for x in data) else object
    return np.array(data, dtype=kind).reshape(nodes.shape)


def entries(name: str, shape: tuple[int, ...], values: Any) -> list[Number]:
    """Return the numbers of an array, row by row, for parameters of that shape.

    NumPy's numbers, its integers too, become floats; lists and object arrays keep what they hold.
    Raises ValueError for another shape, and TypeError for what is no number.
    """
    import numpy as np

    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} has shape {shape}, and its rows one length") from None
    if array.shape != shape:
        raise ValueError(f"{name} has shape {shape}, not {array.shape}")
    if not isinstance(values, np.ndarray):
        array = np.asarray(values, dtype=object)
    try:
        return [coerce(x) for x in array.flat]
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def _some(names: list[str]) -> str:
    first = ", ".join(map(repr, names[:4]))
    return f"{first} and {len(names) - 4} more" if len(names) > 4 else first
