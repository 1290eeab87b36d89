"""The middle zoom: a box a neuron, with z, a and δ, and a line for each weight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from microgradnet.drawing.boxes import DIM, WRONG, gradient, statement
from microgradnet.drawing.dot import attributes, clean, label, tooltip
from microgradnet.drawing.scene import Scene
from microgradnet.engine import Value
from microgradnet.notation import counted, indexed, is_weighted_input, symbol
from microgradnet.numerals import full_numeral, numeral
from microgradnet.views import NeuronView

__all__ = ["neuron"]

_LABELLED = 24
"""Of more weights the lines bear no numbers."""
_SIDES = {"LR": ("e", "w"), "RL": ("w", "e"), "TB": ("s", "n"), "BT": ("n", "s")}
"""Where lines leave a box and where they come in."""
_HEADING = {"shape": "plaintext", "fillcolor": "none", "fontcolor": '"#555555"', "width": "0.75",
            "height": "0.22"}  # fmt: skip
_POSITIVE, _NEGATIVE = '"#0072B2"', '"#D55E00"'


def neuron(scene: Scene) -> str:
    """Write the neurons of a graph as DOT, with a line for each weight.

    Raises ValueError where there are none, and where the graph holds several examples.
    """
    view = scene.view
    neurons = view.neurons
    if not neurons:
        raise ValueError(
            "no neurons were found in this graph: say which leaves are inputs=... and "
            "parameters=..., or draw it with zoom='scalar' or zoom='layer'"
        )
    neuron_of = {node: each for each in neurons for node in (each.a, each.z)}
    used = {source for each in neurons for _, source in each.weights}
    sources = sorted(used - neuron_of.keys(), key=view.place.__getitem__)
    # A leaf that feeds neurons is an input, whatever its label says.
    role = {node: view.role(node) if node.op is not None else "input" for node in sources}
    lines = _column("input", [scene.box(node, role[node]) for node in sources]) if sources else []
    for l, layer in groupby(neurons, key=lambda each: each.l):
        lines += _column(f"layer {l}", [_box(each, scene) for each in layer])
    lines += _synapses(neurons, neuron_of, scene)
    ends = [each.z for each in neurons if each.a not in used and each.z not in used]
    targets = [node for node in view.order if role.get(node, view.role(node)) == "target"]
    results = [root for root in view.roots if root not in neuron_of]
    for root in results:
        lines.append(scene.box(root))
        for node in targets:
            lines += [scene.box(node), f"n{view.place[node]} -> n{view.place[root]}"]
        lines += [f"n{view.place[z]} -> n{view.place[root]}" for z in ends]
    title = f"A network of {counted(len(neurons), 'neuron')}"
    said = f"lines: {scene.edges}s, blue above 0, dashed orange below it, the thicker the larger"
    many = sum(len(each.weights) for each in neurons) > _LABELLED
    return scene.document(
        lines,
        title,
        [*role.values(), *map(view.role, results)],
        said=said,
        computed="neuron",
        settings="ranksep=1.8 splines=line" if many else "ranksep=0.9",
    )


def _column(title: str, boxes: Sequence[str]) -> list[str]:
    """Put the boxes of a layer in their order, below its title.

    Not in a frame: there Graphviz gives up the order of nodes in a rank.
    """
    head = title.replace(" ", "_")
    names = [head, *(each.split(maxsplit=1)[0] for each in boxes)]
    style = {"label": label(title), **_HEADING, "tooltip": tooltip(title)}
    chain = f"{{ rank=same {' -> '.join(names)} [style=invis] }}"
    return [f"{head}{attributes(style)}", *boxes, chain]


def _box(each: NeuronView, scene: Scene) -> str:
    """Write a neuron as a statement, named after its weighted input."""
    named = each.z.label or indexed("z", each.l, each.j)
    letters = named[1:] if is_weighted_input(named) else f"({named})"
    wrong = scene.is_wrong([each.z, each.a]) or scene.wrong in each.nodes
    lines = [f"{'‼ ' if wrong else ''}{clean(named, 24)} = {numeral(each.z.data)}"]
    if each.a is not each.z:
        active = each.a.label or f"a{letters}"
        lines.append(f"{clean(active, 24)} = {numeral(each.a.data)}")
    lines.append(f"{clean(f'δ{letters}', 24)} = {gradient(each.z.grad)}")
    style = (WRONG if wrong else {}) | scene.mark([each.a])
    if scene.highlight in (each.z, each.a):
        style["penwidth"] = "2.5"
    hover = [f"{named}: neuron {each.j} of layer {each.l}"]
    if each.a.op is not None and each.a is not each.z:
        hover.append(f"activation {symbol(each.a.op)}")
    hover += [f"z {full_numeral(each.z.data)}", f"a {full_numeral(each.a.data)}"]
    hover.append(f"δ {gradient(each.z.grad, full_numeral)}")
    if each.bias is not None:
        hover.append(f"bias {full_numeral(each.bias.data)}")
    return statement(f"n{scene.view.place[each.z]}", "neuron", lines, hover, style)


def _synapses(
    neurons: Sequence[NeuronView], neuron_of: Mapping[Value, NeuronView], scene: Scene
) -> Iterator[str]:
    """Draw a line for each weight, its hue, dashes and thickness by the size and sign shown."""
    place = scene.view.place
    synapses = [(each, w, source) for each in neurons for w, source in each.weights]
    sizes = [_size(w.grad if scene.edges == "gradient" else w.data) for _, w, _ in synapses]
    many = len(synapses) > _LABELLED
    thinnest, span = (0.3, 1.7) if many else (0.4, 3.1)
    tail, head = _SIDES[scene.rankdir]
    largest = max((abs(size) for size in sizes), default=0) or 1.0
    for (each, w, source), size in zip(synapses, sizes, strict=True):
        start, end = place[neuron_of[source].z if source in neuron_of else source], place[each.z]
        color = DIM["color"] if scene.mark([w, source]) else _NEGATIVE if size < 0 else _POSITIVE
        style = {"id": f"e{place[w]}", "class": "weight", "color": color}
        style["penwidth"] = f"{thinnest + span * abs(size) / largest:.2f}"
        if size < 0:
            style["style"] = "dashed"
        if not many:
            number = gradient(w.grad) if scene.edges == "gradient" else numeral(w.data)
            style |= {"label": label(number), "fontcolor": color}
        numbers = [f"data {full_numeral(w.data)}", f"grad {gradient(w.grad, full_numeral)}"]
        style["tooltip"] = tooltip(f"{w.label or 'weight'}: parameter", *numbers)
        ends = f"n{start}:{tail} -> n{end}:{head}" if many else f"n{start} -> n{end}"
        yield f"{ends}{attributes(style)}"


def _size(x: Any) -> float:
    """Size a number for the thickness of a line; 0 for what has none, as NaN or a formula."""
    try:
        size = float(x)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return size if math.isfinite(size) else 0.0
