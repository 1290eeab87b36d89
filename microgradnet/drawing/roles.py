"""What each node of a graph is there for, and where it belongs in a network.

The roles:

    input       what an example brings
    target      what the output should have been
    parameter   what is learned
    constant    a number that somebody wrote down
    leaf        none of these that one could tell
    computed    everything else

A leaf is what the caller says it is. Otherwise its label tells: a⁰₁, w¹₁₁, b¹₁ as `nn` writes them,
and for graphs by anyone the letters of the books, alone or with indices: x is an input, y and t are
targets, w, W and θ parameters, and b too where there is one of these. A leaf without a label is a
constant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from microgradnet.engine import Value
from microgradnet.notation import indices

__all__ = ["ROLES", "homes", "leaves", "roles", "values_in"]

ROLES = ("input", "target", "parameter", "constant", "leaf", "computed")

_LETTERS = {"a⁰": "input", "x": "input", "y": "target", "t": "target", "w": "parameter",
            "W": "parameter", "θ": "parameter", "b": "bias"}  # fmt: skip
_LETTER = re.compile(r"(a⁰|[xytwWθb])[\W\d_⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉]*")


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
    found = [said.get(node) or _role(node) for node in order]
    bias = "parameter" if "parameter" in found else "leaf"
    return [bias if role == "bias" else role for role in found]


def _role(node: Value) -> str:
    if node.op is not None:
        return "computed"
    if not node.label:
        return "constant"
    letter = _LETTER.fullmatch(node.label)
    return _LETTERS[letter[1]] if letter else "leaf"


def leaves(
    order: Sequence[Value],
    inputs: Iterable[Any] = (),
    targets: Iterable[Any] = (),
    parameters: Iterable[Any] = (),
) -> dict[str, list[Value]]:
    """The inputs, targets and parameters among the leaves: those that were named, then the others.

    A leaf with a label that tells nothing counts as an input.

    >>> w, x = Value(0.5, label="w"), Value(2.0, label="x")
    >>> leaves([w, x])["parameters"] == [w]
    True
    """
    found_roles = roles(order, inputs, targets, parameters)
    what = {
        node: "input" if role == "leaf" else role
        for node, role in zip(order, found_roles, strict=True)
    }
    found: dict[str, list[Value]] = {}
    for name, given in (("inputs", inputs), ("targets", targets), ("parameters", parameters)):
        named = [*values_in(given, name), *order]
        found[name] = [
            node
            for node in dict.fromkeys(named)
            if node.op is None and what.get(node, "") + "s" == name
        ]
    return found


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
