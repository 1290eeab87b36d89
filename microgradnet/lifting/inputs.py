"""What the leaves of a graph are: one rule, for lifting, pictures, the page and the command line.

The rule: *a list that is given is complete, and what it leaves open goes by its label: x, alone or
with indices, is an input, as is nn's a⁰ₖ; y or t is a target; any other label is a parameter's;
what has no label is a constant.*
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from microgradnet.engine import Value
from microgradnet.notation import INDEX_DIGITS

__all__ = ["LeafRoles", "leaf_roles", "role_of_label"]

_INDEX = rf"[\W\d_{INDEX_DIGITS}]*"
_INPUT, _TARGET = re.compile(rf"(x|a⁰){_INDEX}"), re.compile(rf"[yt]{_INDEX}")


@dataclass(frozen=True)
class LeafRoles:
    """The leaves of a graph by what they are: as they were listed, then as they stand in it."""

    inputs: list[Value]
    targets: list[Value]
    parameters: list[Value]
    constants: list[Value]


def role_of_label(label: str) -> str:
    """What a leaf is that stands in no list.

    >>> [role_of_label(label) for label in ("x", "x₁", "x[2][0]", "a⁰₁", "y2", "wte[3][1]", "")]
    ['input', 'input', 'input', 'input', 'target', 'parameter', 'constant']
    """
    if not label:
        return "constant"
    if _INPUT.fullmatch(label):
        return "input"
    return "target" if _TARGET.fullmatch(label) else "parameter"


def leaf_roles(
    order: Iterable[Value],
    inputs: Sequence[Value] | None = None,
    targets: Sequence[Value] | None = None,
    parameters: Sequence[Value] | None = None,
) -> LeafRoles:
    """What the leaves among some nodes are, by the rule above; None is a list that is not given.

    A leaf that stands in several lists is an input rather than a target, and a target rather than a
    parameter. What is listed need not be among the nodes.

    >>> w, x, b = Value(0.5, label="w"), Value(2.0, label="x1"), Value(1.0, label="b")
    >>> found = leaf_roles([w, x, b, Value(3.0)])
    >>> found.inputs == [x], found.parameters == [w, b], len(found.constants)
    (True, True, 1)
    >>> leaf_roles([w, x, b], parameters=[w]).constants == [b]
    True
    """
    given = {"input": inputs, "target": targets, "parameter": parameters}
    said: dict[Value, str] = {}
    for role in ("parameter", "target", "input"):
        said.update(dict.fromkeys(given[role] or (), role))
    found: dict[str, list[Value]] = {
        role: [leaf for leaf in dict.fromkeys(given[role] or ()) if said[leaf] == role]
        for role in given
    }
    found["constant"] = []
    for node in order:
        if node.op is None and node not in said:
            role = role_of_label(node.label)
            found["constant" if given.get(role) is not None else role].append(node)
    return LeafRoles(found["input"], found["target"], found["parameter"], found["constant"])
