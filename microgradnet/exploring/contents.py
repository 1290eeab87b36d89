"""What the script of the page is told: every node with its names and numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from microgradnet import ops
from microgradnet.engine import Value
from microgradnet.exploring.javascript import Rules
from microgradnet.exploring.tape import Tape, to_json
from microgradnet.lifting import lift
from microgradnet.nn import ForwardPass
from microgradnet.numerals import numeral, whole
from microgradnet.operation import Operation
from microgradnet.views import GraphView

__all__ = ["names_of", "network_of", "nodes_of", "program_gradient"]


def names_of(view: GraphView) -> list[str]:
    """A name for each node: the label, else the number of a constant, else the formula."""
    return [_name(node) for node in view.order]


def network_of(forward_pass: ForwardPass, place: Mapping[Value, int]) -> dict[str, Any]:
    """The numbers of the nodes by the letters of the equations, for what the page explains."""
    layers = []
    for l, layer in enumerate(forward_pass.model.layers, 1):
        layers.append(
            {
                "W": [[place[w] for w in neuron.w] for neuron in layer.neurons],
                "b": [place[neuron.b] for neuron in layer.neurons],
                "z": [place[z] for z in forward_pass.z[l]],
                "a": [place[a] for a in forward_pass.a[l]],
                "softmax": layer.activation == "softmax",
            }
        )
    return {"x": [place[x] for x in forward_pass.a[0]], "layers": layers}


def program_gradient(view: GraphView) -> list[float | str] | None:
    """The gradient by the program that lift finds in the graph; None where it may have none."""
    # An operation of one's own may know numbers only, not arrays of them.
    ours = all(node.op is None or node.op.forward_module == ops.__name__ for node in view.order)
    x, y, parameters = view.leaves.values()
    if not (ours and parameters and all(isinstance(node.data, float) for node in view.order)):
        return None
    Y = [[node.data for node in y]] if y else None
    program = lift(view.roots[0], x, y, parameters)
    _, gradient = program.value_and_grad([[node.data for node in x]], Y)
    return [to_json(float(g)) for g in gradient]


def _name(node: Value) -> str:
    if node.label:
        return node.label
    return whole(node.data) if node.op is None else "".join(map(str, _formula(node, text=True)))


_PRIVATE = 0xF0000
"""Characters that no label holds: one stands for each operand while a formula is written."""


def _formula(node: Value, text: bool = False) -> list[Any]:
    """The operation's notation, with a number k where operand k goes.

    As text, operands stand by their labels or by a dot.
    """
    op: Any = node.op
    marks = [chr(_PRIVATE + k) for k in range(len(node.parents))]
    written = op.write(*marks)
    if text:
        for mark, parent in zip(marks, node.parents, strict=True):
            short = parent.label or (numeral(parent.data) if _is_constant(parent) else "·")
            written = written.replace(mark, short)
        return [written]
    parts = re.split(f"([{chr(_PRIVATE)}-{chr(_PRIVATE + 0xFFFD)}])", written)
    return [ord(p) - _PRIVATE if len(p) == 1 and ord(p) >= _PRIVATE else p for p in parts if p]


def _is_constant(node: Value) -> bool:
    return node.op is None and not node.label and isinstance(node.data, (int, float))


def _wants_brackets(op: Operation, operands: int) -> bool:
    """Whether the notation puts brackets around an operand that is no single word."""
    marks = [f"-{chr(_PRIVATE + k)}" for k in range(operands)]
    return f"({marks[0]})" in op.write(*marks) and f"({marks[0][1:]})" not in op.write(
        *(mark[1:] for mark in marks)
    )


def nodes_of(
    view: GraphView, tape: Tape, names: Sequence[str], roles: Sequence[str], rules: Rules
) -> list[dict[str, Any]]:
    """Every node as the page needs it; index in the list is the node's number."""
    found = []
    for k, node in enumerate(view.order):
        entry: dict[str, Any] = {
            "name": names[k],
            "label": node.label,
            "role": roles[k],
            "data": to_json(node.data),
            "grad": to_json(tape.adjoints[k]),
        }
        if node.op is not None:
            entry |= {
                "op": node.op.name,
                "symbol": node.op.symbol,
                "rule": rules.place(node.op, len(node.parents)),
                "parents": tape.parents[k],
                "formula": _formula(node),
                "brackets": _wants_brackets(node.op, len(node.parents)),
                "slopes": [to_json(x) for x in tape.slopes[k]],
                "products": [to_json(x) for x in tape.contributions[k]],
            }
        elif not node.label:
            entry["text"] = whole(node.data)
        found.append(entry)
    return found
