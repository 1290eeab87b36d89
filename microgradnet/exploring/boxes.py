"""What a zoom of the page draws as one, a vector, matrix or neuron; where each node belongs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from microgradnet.engine import Value
from microgradnet.exploring.tape import Tape
from microgradnet.nn import ForwardPass
from microgradnet.notation import superscript
from microgradnet.views import GraphView, NeuronView, factor_pairs, role_of

__all__ = ["Box", "box_of_node", "edge_weights", "layer_boxes", "matrix_boxes", "neuron_boxes"]


@dataclass
class Box:
    """Hold what one zoom draws as one, and where.

    `entries` are the nodes it is named after, row by row; `rows` how many rows those make.
    """

    title: str
    kind: str
    entries: list[int]
    rows: int = 1
    column: int = -1
    """Boxes of one column stand one below the other, in their order; −1 for none."""
    slots: list[tuple[str, str, int]] = field(default_factory=list)
    """The quantities shown in it: (name, "data" or "grad", node)."""
    detail: str = ""
    """What else is written in it: an operation, or a shape in place of numbers."""
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    numbers: list[tuple[str, int, str, float, float]] = field(default_factory=list)
    """The numbers in it: (kind, node, name, x, y) with x, y from the box's middle."""


def neuron_boxes(
    view: GraphView, inputs: Sequence[Value], layers: Sequence[Sequence[NeuronView]]
) -> list[Box]:
    """Make a box for each input, each neuron, and the cost; the cost last."""
    place = view.place
    boxes = []
    for k, node in enumerate(inputs, 1):
        name = node.label or f"input {k}"
        slots = [(name, "data", place[node])]
        boxes.append(Box(name, "input", [place[node]], column=0, slots=slots))
    for neuron in (neuron for layer in layers for neuron in layer if neuron.z in place):
        z, a = neuron.z, neuron.a
        slots = [("z", "data", place[z])]
        slots += [("a", "data", place[a])] * (a is not z and a in place)
        slots += [("δ", "grad", place[z])]
        entries = [place[node] for node in neuron.nodes if node in place]
        title = f"neuron {neuron.j}, layer {neuron.l}"
        boxes.append(Box(title, "neuron", entries, column=neuron.l, slots=slots))
    cost = len(view.order) - 1
    boxes.append(Box("cost", "cost", [cost], slots=[("C", "data", cost)]))
    return boxes


def layer_boxes(view: GraphView, forward_pass: ForwardPass) -> list[Box]:
    """Make a box for each vector and each matrix of the equations; the cost last."""
    a, z = forward_pass.a, forward_pass.z
    named = [("a⁰", "input", a[0], len(a[0]))]
    for l, layer in enumerate(forward_pass.model.layers, 1):
        n, up = len(layer.neurons), superscript(l)
        named.append((f"W{up}", "parameter", [w for neuron in layer.neurons for w in neuron.w], n))
        named.append((f"b{up}", "parameter", [neuron.b for neuron in layer.neurons], n))
        linear = z[l][0] is a[l][0]
        named.append((f"z{up} = a{up}" if linear else f"z{up}", "computed", z[l], n))
        named.append((f"a{up}", "computed", a[l], n))
    targets = view.leaves["targets"]
    return _boxes(view, [*named, ("y", "target", targets, len(targets))])


def matrix_boxes(view: GraphView) -> list[Box]:
    """Make a box for each variable that lift finds; the cost last."""
    named = []
    for v in view.matrices.variables.values():
        nodes = [None if node in view.roots else node for node in v.nodes]
        rows = v.shape[0] if v.shape else 1
        named.append((v.name, role_of(v), nodes, rows))
    return _boxes(view, named)


def _boxes(
    view: GraphView, named: Sequence[tuple[str, str, Sequence[Value | None], int]]
) -> list[Box]:
    """Make boxes of (title, kind, nodes, rows): a node is in the first that names it."""
    boxes: list[Box] = []
    taken: set[int] = set()
    for title, kind, nodes, rows in named:
        there = [view.place[node] for node in nodes if node is not None and node in view.place]
        entries = [k for k in dict.fromkeys(there) if k not in taken]
        if entries:
            taken.update(entries)
            boxes.append(Box(title, kind, entries, rows if len(entries) == len(nodes) else 1))
    cost = len(view.order) - 1
    return boxes if cost in taken else [*boxes, Box("C", "cost", [cost])]


def box_of_node(tape: Tape, boxes: Sequence[Box]) -> list[int]:
    """Find the box that each node belongs to: its own, else that of its first consumer."""
    box_of = [-1] * len(tape.parents)
    for number, box in enumerate(boxes):
        for k in box.entries:
            box_of[k] = number
    for k in range(len(box_of) - 1, -1, -1):
        for p in tape.parents[k]:
            if box_of[p] < 0:
                box_of[p] = box_of[k]
    return box_of


def edge_weights(view: GraphView, box_of: Sequence[int]) -> dict[tuple[int, int], list[int]]:
    """Find the weights on the edges between boxes: they multiply what comes along."""
    weights: dict[tuple[int, int], list[int]] = {}
    for k, node in enumerate(view.order):
        for weight, source in factor_pairs(node):
            edge = (box_of[view.place[source]], box_of[k])
            if view.role(weight) == "parameter" and edge[0] != edge[1]:
                weights.setdefault(edge, []).append(view.place[weight])
    return weights
