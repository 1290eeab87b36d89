"""What each node of a graph is there for, and where it belongs in a network.

The roles:

    input       what an example brings
    target      what the output should have been
    parameter   what is learned
    constant    a number that somebody wrote down
    leaf        none of these that one could tell
    computed    everything else

A leaf is what the caller says it is. Otherwise a label tells: aᵏ⁼⁰, w and b with the indices that
`nn` writes, and for graphs by anyone the books' letters, alone or with indices: x and a are inputs,
y and t targets, w, W, b, θ parameters. A leaf without a label is a constant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from microgradnet.engine import Value
from microgradnet.notation import indices

__all__ = ["ROLES", "homes", "roles", "values_in"]

ROLES = ("input", "target", "parameter", "constant", "leaf", "computed")

_LETTERS = {"x": "input", "a": "input", "y": "target", "t": "target", "w": "parameter",
            "W": "parameter", "b": "parameter", "θ": "parameter"}  # fmt: skip
_LETTER = re.compile(r"([xaytwWbθ])[\W\d_⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉]*")


def roles(
    order: Sequence[Value],
    inputs: Iterable[Any] = (),
    targets: Iterable[Any] = (),
    parameters: Iterable[Any] = (),
) -> list[str]:
    """The role of each node.

    >>> w, x = Value(0.5, label="w₁"), Value(2.0, label="x")
    >>> roles([w, x, Value(1.0), Value(1.0, label="bias")])
    ['parameter', 'input', 'constant', 'leaf']
    >>> roles([w, x], inputs=[w])
    ['input', 'input']
    """
    said: dict[Value, str] = {}
    for role, given in (("parameter", parameters), ("target", targets), ("input", inputs)):
        said.update(dict.fromkeys(values_in(given, role + "s"), role))
    return [said.get(node) or _role(node) for node in order]


def _role(node: Value) -> str:
    if node.op is not None:
        return "computed"
    if not node.label:
        return "constant"
    letter = _LETTER.fullmatch(node.label)
    return _LETTERS[letter[1]] if letter else "leaf"


def values_in(given: Any, what: str) -> list[Value]:
    """The Values in a Value, a sequence, or sequences of sequences; plain numbers are passed over.

    Raises TypeError for what cannot hold Values.
    """
    if isinstance(given, Value):
        return [given]
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise TypeError(f"{what} is a Value or a sequence of them, not {given!r}")
    found: list[Value] = []
    for entry in given:
        if isinstance(entry, Value):
            found.append(entry)
        elif isinstance(entry, Iterable) and not isinstance(entry, (str, bytes)):
            found += values_in(entry, what)
    return found


def homes(order: Sequence[Value]) -> list[tuple[int, int] | None]:
    """The neuron (l, j) that each node belongs to; (0, k) for an input aᵏ of `nn`, None outside.

    A node without indices in its label belongs where all that was made from it belongs.

    >>> from microgradnet import Neuron, MLP
    >>> forward = MLP(1, [1], init="zeros").forward([2.0])
    >>> from microgradnet.graph import topological_order
    >>> order = topological_order([forward.output * 3])
    >>> [(node.label or node.op, home) for node, home in zip(order, homes(order)) if node.label]
    [('b¹₁', (1, 1)), ('w¹₁₁', (1, 1)), ('a⁰₁', (0, 1)), ('z¹₁', (1, 1))]
    """
    place = {node: k for k, node in enumerate(order)}
    found: list[tuple[int, int] | None] = [None] * len(order)
    claims: list[set[tuple[int, int] | None]] = [set() for _ in order]
    for k in range(len(order) - 1, -1, -1):
        node = order[k]
        read = indices(node.label) if node.label else None
        if read is not None:
            found[k] = (read[1], read[2][0])
        elif len(claims[k]) == 1:
            (found[k],) = claims[k]
        for parent in node.parents:
            claims[place[parent]].add(found[k])
    return found
