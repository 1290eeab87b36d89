"""Between parameters, which are Values, and arrays of their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from microgradnet.arithmetic import Number, coerce
from microgradnet.engine import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Keys", "by_name", "entries", "numbers"]


class Keys(NamedTuple):
    """The names in which a state and the parameters differ."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __str__(self) -> str:
        """Both lists in words, a long one cut short."""
        kinds = (("missing", self.missing_keys), ("unexpected", self.unexpected_keys))
        return "; ".join(f"{kind} {_some(names)}" for kind, names in kinds if names)


def by_name(named: Iterable[tuple[str, Value]]) -> dict[str, NDArray[Any]]:
    """Arrays of nodes by name: weight[1,1], weight[1,2] ... are the entries of weight."""
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
    """A copy of the nodes' numbers: float64 where all of them are floats, objects otherwise."""
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
