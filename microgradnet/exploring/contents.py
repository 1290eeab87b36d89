"""The data that the page's script reads: every node with its names and numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from microgradnet.complements import evaluation
from microgradnet.engine import Value
from microgradnet.exploring.javascript import Rules
from microgradnet.exploring.tape import Tape, to_json
from microgradnet.lifting import lift
from microgradnet.nn import ForwardPass
from microgradnet.numerals import full_numeral, numeral
from microgradnet.operation import Operation
from microgradnet.views import GraphView

__all__ = ["names_of", "network_of", "nodes_of", "program_gradient"]


def names_of(view: GraphView) -> list[str]:
    """Name each node: by its label, else the number of a constant, else the formula."""
    return [_name(node) for node in view.order]


def _name(node: Value) -> str:
    if node.label or node.op is None:
        return node.label or full_numeral(node.data)
    return node.op.write(*(parent.label or _number(parent) for parent in node.parents))


def _number(node: Value) -> str:
    """Write the number that somebody wrote down; a dot for one that was computed."""
    return numeral(node.data) if node.op is None else "·"


def network_of(forward_pass: ForwardPass, place: Mapping[Value, int]) -> dict[str, Any]:
    """Sort the nodes' numbers by the letters of the equations, for what the page explains."""
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
    """Run the program that lift finds in the graph: its gradient; None where it may have none."""
    # An operation of one's own may know numbers only, not arrays of them.
    ours = all(node.op is None or node.op.is_built_in for node in view.order)
    x, y, parameters = view.leaves.values()
    if not (ours and parameters and all(isinstance(node.data, float) for node in view.order)):
        return None
    Y = [[node.data for node in y]] if y else None
    program = lift(view.roots[0], x, y, parameters)
    _, gradient = program.value_and_grad([[node.data for node in x]], Y)
    return [to_json(float(g)) for g in gradient]


_OPERAND = 0xF0000
"""From here on characters that no label holds: each stands for an operand in a formula."""


def _formula(op: Operation, operands: int) -> list[str | int]:
    """Split the operation's notation, with a number k where operand k goes."""
    written = op.write(*(chr(_OPERAND + k) for k in range(operands)))
    parts = filter(None, re.split(f"([{chr(_OPERAND)}-{chr(0x10FFFF)}])", written))
    return [ord(part) - _OPERAND if part >= chr(_OPERAND) else part for part in parts]


def nodes_of(
    view: GraphView, tape: Tape, names: Sequence[str], roles: Sequence[str], rules: Rules
) -> list[dict[str, Any]]:
    """Describe every node as the page needs it; index in the list is the node's number."""
    entries = []
    for k, node in enumerate(view.order):
        entry: dict[str, Any] = {
            "name": names[k],
            "label": node.label,
            "role": roles[k],
            "data": to_json(node.data),
            "grad": to_json(tape.adjoints[k]),
        }
        if node.op is not None:
            forward, nodes = evaluation(node.op, node.parents)
            entry |= {
                "op": node.op.name,
                "rule": rules.place(node.op, len(node.parents), (forward, len(nodes))),
                "from": [view.place[other] for other in nodes],
                "parents": tape.parents[k],
                "formula": _formula(node.op, len(node.parents)),
                "brackets": node.op.parenthesises,
                "partials": [to_json(x) for x in tape.partials[k]],
                "contributions": [to_json(x) for x in tape.contributions[k]],
            }
        elif not node.label:
            entry["text"] = full_numeral(node.data)
        entries.append(entry)
    return entries
