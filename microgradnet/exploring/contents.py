"""What the script of the page is told: every node with its names and numbers."""

from __future__ import annotations

import re
from typing import Any

from microgradnet import ops
from microgradnet.engine import Value
from microgradnet.exploring.javascript import Rules
from microgradnet.exploring.numbers import Passes, plain
from microgradnet.exploring.structure import Roles
from microgradnet.lifting import Structure, lift, recognise
from microgradnet.nn import ForwardPass
from microgradnet.numerals import numeral, whole
from microgradnet.operation import Operation

__all__ = ["lifted", "names_of", "network_of", "nodes_of"]


def names_of(passes: Passes) -> list[str]:
    """A name for each node: the label, else the number of a constant, else the formula."""
    return [_name(node) for node in passes.order]


def network_of(forward_pass: ForwardPass, place: dict[Value, int]) -> dict[str, Any]:
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


def lifted(passes: Passes, kinds: Roles) -> tuple[Structure, list[Any] | None]:
    """What lift finds in the graph, and the gradient by its program, where there can be one.

    Raises TypeError for an operation that cannot be lifted, and OverflowError for a constant beyond
    the floats, in which programs compute.
    """
    order, cost = passes.order, passes.order[-1]
    x = [node for node, role in zip(order, kinds.of, strict=True) if role == "input"]
    y = [node for node, role in zip(order, kinds.of, strict=True) if role == "target"]
    parameters = [order[k] for k in kinds.parameters]
    structure = recognise(cost, x, y, parameters)
    # An operation of one's own may know numbers only, not arrays of them.
    ours = all(node.op is None or node.op.forward_module == ops.__name__ for node in order)
    if not (ours and parameters and all(isinstance(node.data, float) for node in order)):
        return structure, None
    Y = [[node.data for node in y]] if y else None
    _, gradient = lift(cost, x, y, parameters).value_and_grad([[node.data for node in x]], Y)
    return structure, [plain(float(g)) for g in gradient]


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


def nodes_of(passes: Passes, names: list[str], kinds: Roles, rules: Rules) -> list[dict[str, Any]]:
    """Every node as the page needs it; index in the list is the node's number."""
    found = []
    for k, node in enumerate(passes.order):
        entry: dict[str, Any] = {
            "name": names[k],
            "label": node.label,
            "role": kinds.of[k],
            "data": plain(node.data),
            "grad": plain(passes.adjoints[k]),
        }
        if node.op is not None:
            entry |= {
                "op": node.op.name,
                "symbol": node.op.symbol,
                "rule": rules.place(node.op, len(node.parents)),
                "parents": passes.parents[k],
                "formula": _formula(node),
                "brackets": _wants_brackets(node.op, len(node.parents)),
                "slopes": [plain(x) for x in passes.slopes[k]],
                "products": [plain(x) for x in passes.products[k]],
            }
        elif not node.label:
            entry["text"] = whole(node.data)
        found.append(entry)
    return found
