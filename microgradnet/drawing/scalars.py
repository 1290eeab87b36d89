"""The finest zoom: every node of the graph with its number and gradient, every operation between.

A box is a Value, a dark dot the operation that made it; the number on an edge is the local
derivative. So a gradient is the sum, over the node's outgoing edges, of (number on the edge) ×
(gradient at its end). The text depends on the graph alone: nodes are named by their topological
index, n0, n1 …, the operations that made them op0, op1 …, and the edge from the first operand of
n3 is e3_0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from microgradnet import ops
from microgradnet.arithmetic import Number
from microgradnet.drawing.boxes import DIM, LIT, box, frame, key, name_of, symbol
from microgradnet.drawing.dot import SIZE, attributes, clean, document, label, text_width, tooltip
from microgradnet.drawing.highlight import downstream, sum_of_paths
from microgradnet.drawing.roles import homes, roles
from microgradnet.engine import Value
from microgradnet.explanation import made
from microgradnet.graph import topological_order
from microgradnet.notation import counted
from microgradnet.numerals import numeral, whole

__all__ = ["scalar"]

_LABELLED = 150
"""In graphs of more nodes the edges bear no numbers: nobody could read them, and laying them out
would take ten times as long. The layout then stops its search for a better one sooner, too."""
_DARK = {"style": "filled", "fillcolor": '"#444444"', "fontcolor": "white"}
_SYMMETRIC = (ops.add, ops.multiply, ops.maximum, ops.minimum)
# Elsewhere, as in a − b, a/b and aᵇ, the first operand comes in above (before) the second.
_PORTS = {
    "LR": (":nw", ":sw"), "RL": (":ne", ":se"), "TB": (":nw", ":ne"), "BT": (":sw", ":se"),
}  # fmt: skip


def scalar(
    values: Iterable[Value],
    *,
    inputs: Iterable[Any] = (),
    targets: Iterable[Any] = (),
    parameters: Iterable[Any] = (),
    highlight: Value | None = None,
    wrong: Value | None = None,
    rankdir: str = "LR",
    caption: Sequence[str] = (),
) -> str:
    """The graph below the values as DOT; the options are those of `draw`.

    >>> print(scalar([Value(2.0, label="x").exp()]).splitlines()[-3].strip())
    n0 -> op1 [id=e1_0 label="7.389" tooltip="∂(n1)/∂(x) = 7.38905609893065"]
    """
    roots = list(values)
    order = topological_order(roots)
    places = {node: k for k, node in enumerate(order)}
    what = roles(order, inputs, targets, parameters)
    lit, told = [True] * len(order), list[str]()
    if highlight is not None:
        lit = downstream(order, highlight)
        told = sum_of_paths(roots, highlight)
    labelled = len(order) <= _LABELLED
    boxes = [
        [
            box(
                node,
                k,
                what[k],
                is_root=node in roots,
                is_lit=lit[k],
                is_start=node is highlight,
                is_wrong=node is wrong,
            ),
            *_dot(node, k, lit[k]),
        ]
        for k, node in enumerate(order)
    ]
    lines = [*_clustered(homes(order), boxes)]
    for k, node in enumerate(order):
        if node.op is not None:
            lit_edges = None if highlight is None else [lit[places[p]] for p in node.parents]
            operands = [places[p] for p in node.parents]
            lines += _edges(node, k, operands, rankdir, labelled, lit_edges)
    said = "on an edge: the local derivative"
    if not labelled:
        said = "the local derivatives show when the pointer rests on an edge"
    names = ", ".join(name_of(root, places[root]) for root in roots)
    title = f"The graph that computes {clean(names, 60)}: {counted(len(order), 'value')}"
    settings = "ranksep=0.3" if labelled else "ranksep=0.3 nslimit=1 nslimit1=1 mclimit=0.5"
    shown = [*told, said, *key(what, order, wrong=wrong), *caption]
    return document(lines, rankdir, title, shown, settings=settings)


def _dot(node: Value, k: int, is_lit: bool) -> Iterator[str]:
    """The operation that made a node; nothing for a leaf."""
    if node.op is None:
        return
    sign = clean(symbol(node.op), 16)
    width = max(20.0, 1.2 * text_width(sign, SIZE) + 8) / 72
    given = {"id": f"op{k}", "class": "operation", "label": label(sign), "shape": "ellipse"}
    given |= _DARK if is_lit else _DARK | DIM | {"fillcolor": '"#C8C8C8"'}
    given |= {"width": f"{width:.2f}", "height": "0.28", "tooltip": tooltip(made(node))}
    yield f"op{k}{attributes(given)}"


def _edges(
    node: Value,
    k: int,
    operands: list[int],
    rankdir: str,
    labelled: bool,
    lit: list[bool] | None,
) -> list[str]:
    """From the operands to the operation, each with its local derivative, and on to the result."""
    lines = []
    slopes = _slopes(node)
    for index, (parent, where) in enumerate(zip(node.parents, operands, strict=True)):
        given = {"id": f"e{k}_{index}"}
        if slopes is not None:
            fraction = f"∂({name_of(node, k)})/∂({name_of(parent, where)})"
            if labelled:
                given["label"] = label(numeral(slopes[index]))
            given["tooltip"] = tooltip(f"{fraction} = {whole(slopes[index])}")
        if lit is not None:
            given |= LIT if lit[index] else DIM
        port = _PORTS[rankdir][index] if len(operands) == 2 and node.op not in _SYMMETRIC else ""
        lines.append(f"n{where} -> op{k}{port}{attributes(given)}")
    given = {"id": f"e{k}"}
    if lit is not None:
        given |= LIT if any(lit) else DIM
    return [*lines, f"op{k} -> n{k}{attributes(given)}"]


def _slopes(node: Value) -> tuple[Number, ...] | None:
    """The local derivatives; None where the rule fails: a picture may well show why."""
    try:
        return node.partials()
    except Exception:
        return None


def _clustered(where: list[tuple[int, int] | None], boxes: list[list[str]]) -> Iterator[str]:
    """The boxes, those of a neuron in a frame, the neurons of a layer in another."""
    layers: dict[int, dict[int, list[str]]] = {}
    for home, lines in zip(where, boxes, strict=True):
        if home is None:
            yield from lines
        else:
            layers.setdefault(home[0], {}).setdefault(home[1], []).extend(lines)
    for l, neurons in sorted(layers.items()):
        if l == 0:
            yield from frame("0", "input", [line for j in sorted(neurons) for line in neurons[j]])
            continue
        inner = [frame(f"{l}_{j}", f"neuron {j}", lines) for j, lines in sorted(neurons.items())]
        yield from frame(str(l), f"layer {l}", [line for lines in inner for line in lines])
