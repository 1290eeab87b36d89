"""The finest zoom: every node of the graph with its number and gradient, every operation between.

A box is a Value, a dark dot the operation that made it; the number on an edge is the local
derivative. So a gradient is the sum, over the node's outgoing edges, of (number on the edge) ×
(gradient at its end). The text depends on the graph alone: nodes are named by their topological
index, n0, n1 …, the operations that made them op0, op1 …, and the edge from the first operand of
n3 is e3_0.
"""

from __future__ import annotations

from collections.abc import Iterator

from microgradnet import ops
from microgradnet.arithmetic import Number
from microgradnet.drawing.boxes import DIM, LIT, frame, name_of
from microgradnet.drawing.dot import SIZE, attributes, clean, label, text_width, tooltip
from microgradnet.drawing.scene import Scene
from microgradnet.engine import Value
from microgradnet.explanation import definition
from microgradnet.notation import counted, symbol
from microgradnet.numerals import full_numeral, numeral

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


def scalar(scene: Scene) -> str:
    """Write every node of a graph as DOT."""
    view = scene.view
    labelled = len(view.order) <= _LABELLED
    boxes = [[scene.box(node), *_dot(node, k, scene)] for k, node in enumerate(view.order)]
    lines = [*_clustered(view.homes(), boxes)]
    for node in view.order:
        if node.op is not None:
            lines += _edges(node, scene, labelled)
    said = "on an edge: the local derivative"
    if not labelled:
        said = "the local derivatives show when the pointer rests on an edge"
    names = ", ".join(name_of(root, view.place[root]) for root in view.roots)
    title = f"The graph that computes {clean(names, 60)}: {counted(len(view.order), 'value')}"
    settings = "ranksep=0.3" if labelled else "ranksep=0.3 nslimit=1 nslimit1=1 mclimit=0.5"
    return scene.document(lines, title, view.roles, said=said, settings=settings)


def _dot(node: Value, k: int, scene: Scene) -> Iterator[str]:
    """Write the operation that made a node; nothing for a leaf."""
    if node.op is None:
        return
    sign = clean(symbol(node.op), 16)
    width = max(20.0, 1.2 * text_width(sign, SIZE) + 8) / 72
    style = {"id": f"op{k}", "class": "operation", "label": label(sign), "shape": "ellipse"}
    style |= _DARK if node in scene.lit else _DARK | DIM | {"fillcolor": '"#C8C8C8"'}
    style |= {"width": f"{width:.2f}", "height": "0.28", "tooltip": tooltip(definition(node))}
    yield f"op{k}{attributes(style)}"


def _edges(node: Value, scene: Scene, labelled: bool) -> Iterator[str]:
    """Draw the edges to the operation, each with its local derivative, and on to the result."""
    place = scene.view.place
    k, partials = place[node], _partials(node)
    is_ordered = len(node.parents) == 2 and node.op not in _SYMMETRIC
    for index, parent in enumerate(node.parents):
        where = place[parent]
        style = {"id": f"e{k}_{index}"}
        if partials is not None:
            fraction = f"∂({name_of(node, k)})/∂({name_of(parent, where)})"
            if labelled:
                style["label"] = label(numeral(partials[index]))
            style["tooltip"] = tooltip(f"{fraction} = {full_numeral(partials[index])}")
        port = _PORTS[scene.rankdir][index] if is_ordered else ""
        yield f"n{where} -> op{k}{port}{attributes(style | scene.mark([parent], LIT))}"
    yield f"op{k} -> n{k}{attributes({'id': f'e{k}'} | scene.mark(node.parents, LIT))}"


def _partials(node: Value) -> tuple[Number, ...] | None:
    """Return the local derivatives; None where the rule fails: a picture may well show why."""
    try:
        return node.partials()
    except Exception:
        return None


def _clustered(where: list[tuple[int, int] | None], boxes: list[list[str]]) -> Iterator[str]:
    """Frame the boxes of each neuron, and the neurons of each layer."""
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
