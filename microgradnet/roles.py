"""What each node of a graph is there for.

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
from microgradnet.notation import INDEX_DIGITS

__all__ = ["ROLES", "roles", "values_in"]

ROLES = ("input", "target", "parameter", "constant", "leaf", "computed")

_LETTERS = {"a⁰": "input", "x": "input", "y": "target", "t": "target", "w": "parameter",
            "W": "parameter", "θ": "parameter", "b": "bias"}  # fmt: skip
_LETTER = re.compile(rf"(a⁰|[xytwWθb])[\W\d_{INDEX_DIGITS}]*")


def roles(
    order: Sequence[Value],
    inputs: Iterable[Any] = (),
    targets: Iterable[Any] = (),
    parameters: Iterable[Any] = (),
    unknown: str = "leaf",
) -> list[str]:
    """Find the role of each node; `unknown` is that of a leaf whose label tells nothing.

    >>> w, x = Value(0.5, label="w₁"), Value(2.0, label="x")
    >>> roles([w, x, Value(1.0), Value(1.0, label="bias")])
    ['parameter', 'input', 'constant', 'leaf']
    >>> roles([w, x], inputs=[w])
    ['input', 'input']
    """
    named: dict[Value, str] = {}
    for role, nodes in (("parameter", parameters), ("target", targets), ("input", inputs)):
        named.update(dict.fromkeys(values_in(nodes, role + "s"), role))
    by_node = [named.get(node) or _role(node) for node in order]
    known = {"bias": "parameter" if "parameter" in by_node else unknown, "leaf": unknown}
    return [known.get(role, role) for role in by_node]


def _role(node: Value) -> str:
    if node.op is not None:
        return "computed"
    if not node.label:
        return "constant"
    letter = _LETTER.fullmatch(node.label)
    return _LETTERS[letter[1]] if letter else "leaf"


def values_in(nested: Any, what: str) -> list[Value]:
    """List the Values in a Value, a sequence, or sequences of sequences, without plain numbers.

    Raises TypeError for what cannot hold Values.
    """
    if isinstance(nested, Value):
        return [nested]
    if isinstance(nested, (str, bytes)) or not isinstance(nested, Iterable):
        raise TypeError(f"{what} is a Value or a sequence of them, not {nested!r}")
    values: list[Value] = []
    for entry in nested:
        if isinstance(entry, Value):
            values.append(entry)
        elif isinstance(entry, Iterable) and not isinstance(entry, (str, bytes)):
            values += values_in(entry, what)
    return values
