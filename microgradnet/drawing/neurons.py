"""The middle zoom: a box a neuron, with z, a and δ, and a line for each weight."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from microgradnet import ops
from microgradnet.arithmetic import is_finite
from microgradnet.drawing.boxes import DIM, WRONG, box, gradient, key
from microgradnet.drawing.dot import SIZE, attributes, clean, document, label, lines_box, tooltip
from microgradnet.drawing.highlight import downstream, sum_of_paths
from microgradnet.drawing.layers import structure_of
from microgradnet.drawing.roles import roles
from microgradnet.engine import Value
from microgradnet.graph import topological_order
from microgradnet.notation import counted, indexed, indices, is_weighted_input
from microgradnet.numerals import numeral, whole

__all__ = ["Network", "network", "neuron"]

_LABELLED = 24
"""Of more weights the lines bear no numbers."""
_SIDES = {"LR": ("e", "w"), "RL": ("w", "e"), "TB": ("s", "n"), "BT": ("n", "s")}
"""Where lines leave a box and where they come in."""
_POSITIVE, _NEGATIVE = '"#0072B2"', '"#D55E00"'


@dataclass
class Neuron:
    """A neuron of a graph: the nodes of its weighted input and its activation, one if linear."""

    l: int
    j: int
    z: Value
    a: Value
    bias: Value | None = None
    weights: list[tuple[Value, Value]] = field(default_factory=list)
    """The weights, each with the node that it multiplies."""


Network = list[Neuron]


def network(
    roots: Sequence[Value],
    order: Sequence[Value],
    inputs: Iterable[Any] = (),
    targets: Iterable[Any] = (),
    parameters: Iterable[Any] = (),
) -> Network:
    """The neurons in a graph: by the labels of `nn`, or else those that lifting recognises.

    Raises ValueError where there are none, and where the graph holds several examples.

    >>> from microgradnet import MLP
    >>> forward = MLP(2, [3, 1]).forward([1.0, 2.0])
    >>> found = network([forward.output], topological_order([forward.output]))
    >>> [(each.l, each.j, len(each.weights)) for each in found]
    [(1, 1, 2), (1, 2, 2), (1, 3, 2), (2, 1, 3)]
    """
    found = _labelled(order)
    if not found:
        found = _recognised(roots, order, inputs, targets, parameters)
    if not found:
        raise ValueError(
            "no neurons were found in this graph: say which leaves are inputs=... and "
            "parameters=..., or draw it with zoom='scalar' or zoom='layer'"
        )
    return sorted(found, key=lambda each: (each.l, each.j))


def _labelled(order: Sequence[Value]) -> Network:
    nodes: dict[tuple[str, int, tuple[int, ...]], Value] = {}
    for node in order:
        read = indices(node.label) if node.label else None
        if read in nodes:
            raise ValueError(
                f"{node.label} is in this graph more than once, as when it holds several "
                "examples: draw the cost of one example"
            )
        if read is not None:
            nodes[read] = node
    found = {
        (l, below[0]): Neuron(l, below[0], node, nodes.get(("a", l, below), node))
        for (letter, l, below), node in nodes.items()
        if letter == "z"
    }
    homes = {node: key for key, node in nodes.items() if key[0] in "wb"}
    for node in order:
        for weight, source in _products(node):
            if weight in homes:
                _, l, (j, *_) = homes[weight]
                if (l, j) in found:
                    found[l, j].weights.append((weight, source))
    for bias, (letter, l, below) in homes.items():
        if letter == "b" and (l, below[0]) in found:
            found[l, below[0]].bias = bias
    return list(found.values())


def _products(node: Value) -> Iterator[tuple[Value, Value]]:
    """The products that a node is, or is the sum of: both factors, either first."""
    parents = node.parents
    if node.op is ops.multiply:
        yield parents[0], parents[1]
        yield parents[1], parents[0]
    elif node.op is ops.weighted_sum:
        n = len(parents) // 2
        yield from zip(parents[:n], parents[n:-1], strict=True)
        yield from zip(parents[n:-1], parents[:n], strict=True)


def _recognised(
    roots: Sequence[Value],
    order: Sequence[Value],
    inputs: Iterable[Any],
    targets: Iterable[Any],
    parameters: Iterable[Any],
) -> Network:
    """The neurons in a graph by anyone: rows of the matrix products that lifting finds in it."""
    structure = structure_of(roots, order, inputs, targets, parameters)
    variables = structure.variables
    layer_of: dict[Value, int] = {}
    found: Network = []
    for equation in structure.equations:
        z = variables.get(equation.left)
        if equation.part != "forward" or z is None:
            continue
        used = [variables[name] for name in equation.uses if name in variables]
        for matrix, source in pairwise(used):  # as in W1 a0 + b1
            if matrix.kind != "parameter" or len(matrix.shape) != 2 or source.kind == "parameter":
                continue
            rows, columns = matrix.shape
            if (rows, columns) != (len(z.nodes), len(source.nodes)):
                continue
            l = 1 + max((layer_of.get(node, 0) for node in source.nodes if node), default=0)
            biases = [v for v in used if v.kind == "parameter" and v.shape == z.shape]
            for j, node in enumerate(filter(None, z.nodes)):  # a sum is a node of the graph
                row = matrix.nodes[j * columns : (j + 1) * columns]
                each = Neuron(l, j + 1, node, _activation(node, order), None)
                each.weights = [(w, x) for w, x in zip(row, source.nodes, strict=True) if w and x]
                each.bias = biases[0].nodes[j] if biases else None
                layer_of[each.z] = layer_of[each.a] = l
                found.append(each)
    return found


def _activation(z: Value, order: Sequence[Value]) -> Value:
    """What one operation makes of a weighted input; itself, where it is used otherwise."""
    consumers = [node for node in order if any(parent is z for parent in node.parents)]
    if len(consumers) == 1 and len(consumers[0].parents) == 1:
        return consumers[0]
    return z


def neuron(
    values: Iterable[Value],
    *,
    inputs: Iterable[Any] = (),
    targets: Iterable[Any] = (),
    parameters: Iterable[Any] = (),
    highlight: Value | None = None,
    wrong: Value | None = None,
    edges: str = "weight",
    rankdir: str = "LR",
    caption: Sequence[str] = (),
) -> str:
    """The neurons below the values as DOT; the options are those of `draw`.

    Raises ValueError as `network` does.
    """
    roots = list(values)
    order = topological_order(roots)
    places = {node: k for k, node in enumerate(order)}
    what = roles(order, inputs, targets, parameters)
    lit, told = [True] * len(order), list[str]()
    if highlight is not None:
        lit = downstream(order, highlight)
        told = sum_of_paths(roots, highlight)
    neurons = network(roots, order, inputs, targets, parameters)
    owner = {node: each for each in neurons for node in (each.a, each.z)}

    def plain(node: Value) -> str:
        k = places[node]
        return box(
            node,
            k,
            what[k],
            is_root=node in roots,
            is_lit=lit[k],
            is_start=node is highlight,
            is_wrong=node is wrong,
        )

    sources = [source for each in neurons for _, source in each.weights if source not in owner]
    sources = sorted(dict.fromkeys(sources), key=places.__getitem__)
    for source in sources:
        if source.op is None:  # whatever its label says
            what[places[source]] = "input"
    lines = _column("input", map(plain, sources)) if sources else []
    for l in sorted({each.l for each in neurons}):
        layer = [each for each in neurons if each.l == l]
        boxes = [_box(each, places, lit[places[each.a]], highlight, wrong) for each in layer]
        lines += _column(f"layer {l}", boxes)
    lines += _synapses(neurons, places, owner, edges, rankdir, None if highlight is None else lit)
    used = {source for each in neurons for _, source in each.weights}
    ends = [each for each in neurons if each.a not in used and each.z not in used]
    for root in roots:
        if root in owner:
            continue
        lines.append(plain(root))
        marks = [node for node, role in zip(order, what, strict=True) if role == "target"]
        for node in marks:
            lines += [plain(node), f"n{places[node]} -> n{places[root]}"]
        lines += [f"n{places[each.z]} -> n{places[root]}" for each in ends]
    shown = [*sources, *(root for root in roots if root not in owner)]
    many = sum(len(each.weights) for each in neurons) > _LABELLED
    title = f"A network of {counted(len(neurons), 'neuron')}"
    said = f"lines: {edges}s, blue above 0, dashed orange below it, the thicker the larger"
    shapes = key([what[places[node]] for node in shown], order, computed="neuron", wrong=wrong)
    return document(
        lines,
        rankdir,
        title,
        [*told, said, *shapes, *caption],
        settings="ranksep=1.8 splines=line" if many else "ranksep=0.9",
    )


def _column(title: str, boxes: Iterable[str]) -> list[str]:
    """The boxes of a layer in their order, below its title.

    Not in a frame: there Graphviz gives up the order of nodes in a rank.
    """
    boxes = list(boxes)
    head = title.replace(" ", "_")
    names = [head, *(each.split(maxsplit=1)[0] for each in boxes)]
    given = {"label": label(title), "shape": "plaintext", "fillcolor": "none"}
    given |= {
        "fontcolor": '"#555555"',
        "width": "0.75",
        "height": "0.22",
        "tooltip": tooltip(title),
    }
    chain = f"{{ rank=same {' -> '.join(names)} [style=invis] }}"
    return [f"{head}{attributes(given)}", *boxes, chain]


def _box(
    each: Neuron,
    places: dict[Value, int],
    is_lit: bool,
    start: Value | None,
    anomaly: Value | None,
) -> str:
    """A neuron as a statement, named after its weighted input."""
    k = places[each.z]
    named = each.z.label or indexed("z", each.l, each.j)
    letters = named[1:] if is_weighted_input(named) else f"({named})"
    error = f"δ{letters}"
    own = [each.z, each.a, each.bias, *(w for w, _ in each.weights)]
    wrong = not all(map(is_finite, (each.z.data, each.a.data, each.z.grad)))
    wrong = wrong or (anomaly is not None and anomaly in own)
    lines = [f"{'‼ ' if wrong else ''}{clean(named, 24)} = {numeral(each.z.data)}"]
    if each.a is not each.z:
        active = each.a.label or f"a{letters}"
        lines.append(f"{clean(active, 24)} = {numeral(each.a.data)}")
    lines.append(f"{clean(error, 24)} = {gradient(each.z.grad)}")
    width, height = lines_box(tuple(lines), SIZE)
    given = {"id": f"n{k}", "class": "neuron", "label": label(*lines)}
    given |= WRONG if wrong else {}
    given |= {} if is_lit else DIM
    given |= {"penwidth": "2.5"} if start is each.z or start is each.a else {}
    hover = [f"{named}: neuron {each.j} of layer {each.l}"]
    if each.a.op is not None and each.a is not each.z:
        hover.append(f"activation {each.a.op.symbol}")
    hover += [f"z {whole(each.z.data)}", f"a {whole(each.a.data)}"]
    hover.append(f"δ {gradient(each.z.grad, whole)}")
    if each.bias is not None:
        hover.append(f"bias {whole(each.bias.data)}")
    given |= {"width": width, "height": height, "tooltip": tooltip(*hover)}
    return f"n{k}{attributes(given)}"


def _synapses(
    neurons: Network,
    places: dict[Value, int],
    owner: dict[Value, Neuron],
    edges: str,
    rankdir: str,
    lit: list[bool] | None,
) -> Iterator[str]:
    """A line for each weight, its hue, dashes and thickness by the size and sign shown."""
    synapses = [(each, w, source) for each in neurons for w, source in each.weights]
    shown = [_size(w.grad if edges == "gradient" else w.data) for _, w, _ in synapses]
    many = len(synapses) > _LABELLED
    thinnest, span = (0.3, 1.7) if many else (0.4, 3.1)
    tail, head = _SIDES[rankdir]
    largest = max((abs(size) for size in shown), default=0) or 1.0
    for (each, w, source), size in zip(synapses, shown, strict=True):
        start, end = places[owner[source].z if source in owner else source], places[each.z]
        given = {"id": f"e{places[w]}", "class": "weight"}
        color = _NEGATIVE if size < 0 else _POSITIVE
        if lit is not None and not (lit[places[w]] or lit[places[source]]):
            color = DIM["color"]
        given |= {"color": color, "penwidth": f"{thinnest + span * abs(size) / largest:.2f}"}
        if size < 0:
            given["style"] = "dashed"
        if not many:
            number = gradient(w.grad) if edges == "gradient" else numeral(w.data)
            given |= {"label": label(number), "fontcolor": color}
        numbers = [f"data {whole(w.data)}", f"grad {gradient(w.grad, whole)}"]
        given["tooltip"] = tooltip(f"{w.label or 'weight'}: parameter", *numbers)
        ends = f"n{start}:{tail} -> n{end}:{head}" if many else f"n{start} -> n{end}"
        yield f"{ends}{attributes(given)}"


def _size(x: Any) -> float:
    """A number's size for the thickness of a line; 0 for what has none, as NaN or a formula."""
    try:
        size = float(x)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return size if math.isfinite(size) else 0.0
