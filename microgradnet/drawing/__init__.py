"""The computation graph as a picture, at three zooms, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from microgradnet.anomaly import AnomalyError
from microgradnet.deprecation import warn_renamed
from microgradnet.drawing.dot import clean
from microgradnet.drawing.neurons import neuron as _neuron
from microgradnet.drawing.picture import Picture
from microgradnet.drawing.rendering import FORMATS, RENDERERS, RenderError, inline, render, svg
from microgradnet.drawing.scalars import scalar as _scalar
from microgradnet.drawing.scene import Scene
from microgradnet.engine import Value
from microgradnet.views import GraphView, values_in

__all__ = ["Picture", "RenderError", "draw", "inline", "render", "svg"]


def _layer(scene: Scene) -> str:
    from microgradnet.drawing.layers import layer  # by lifting, which needs NumPy

    return layer(scene)


_ZOOMS = {"scalar": _scalar, "neuron": _neuron, "layer": _layer}
ZOOMS = ("auto", *_ZOOMS)
EDGES = ("weight", "gradient")
RANKDIRS = ("LR", "RL", "TB", "BT")

_LIMITS = {"scalar": 2_000, "neuron": 200_000, "layer": 200_000}
"""The nodes of a graph that is drawn at all."""
_READABLE = {"scalar": 80, "neuron": 40, "layer": 60}
"""The nodes, neurons and inputs, matrices and vectors in a picture that can be read."""


def draw(
    values: Value | Iterable[Any] | AnomalyError,
    *,
    zoom: str = "auto",
    inputs: Iterable[Any] | None = None,
    targets: Iterable[Any] | None = None,
    parameters: Iterable[Any] | None = None,
    highlight: Value | None = None,
    edges: str = "weight",
    rankdir: str = "LR",
    format: str = "svg",
    renderer: str = "auto",
    max_nodes: int | None = None,
) -> Picture:
    """Draw the graph that the values were computed from.

    values     a Value, or a sequence of them (also of sequences); or the error of
               `detect_anomaly`: its graph, in which the node that it names is marked
    zoom       scalar, a box a number; neuron, a box a neuron; layer, a box a matrix or vector;
               auto, the finest of these that can be read
    inputs, targets, parameters
               which leaves are what. A list that is given is complete, and what it leaves open
               goes by its label: x, alone or with indices, is an input, as is nn's a⁰ₖ; y or t is a
               target; any other label is a parameter's; what has no label is a constant
    highlight  a node: shows the paths by which its gradient came from the one value given
    edges      what the lines of the neuron zoom show, weight or gradient
    rankdir    LR, RL, TB or BT: where the picture goes, left, right, top, bottom
    format     what `.render()` and `.pipe()` give: svg, png, jpg, pdf ...
    renderer   auto, the embedded one that pip installs, where it can; embedded; dot, the system's
    max_nodes  no picture of more nodes is tried; by default 2,000 at the scalar zoom, a hundred
               times as many at the others

    The picture shows itself in a notebook; `.save("graph.svg")` writes it to a file. Raises
    ValueError for an unknown option, for no values, for too many nodes and for a zoom at which
    there is nothing to see, and TypeError for what is no Value.

    >>> w, x = Value(0.5, label="w"), Value(2.0, label="x")
    >>> draw((w * x).tanh())
    <Picture, scalar zoom: .save('graph.svg') writes it, .source is its DOT>
    """
    for what, choice, known in (
        ("zoom", zoom, ZOOMS),
        ("edges", edges, EDGES),
        ("rankdir", rankdir, RANKDIRS),
        ("format", format, FORMATS),
        ("renderer", renderer, RENDERERS),
    ):
        if choice not in known:
            raise ValueError(f"no {what} {choice!r}: there are {', '.join(known)}")
    anomaly = None
    if isinstance(values, AnomalyError):
        anomaly, values = values, values.roots
        if zoom == "auto":  # here alone is every node
            zoom = "scalar"
    roots = _roots(values)
    if highlight is not None and not isinstance(highlight, Value):
        raise TypeError(f"highlight is one Value of those drawn, not {highlight!r:.60}")
    limits = {name: max_nodes or limit for name, limit in _LIMITS.items()}
    limits["auto"] = max(limits.values())
    nodes = _count(roots, limits[zoom])
    _refuse_too_many(nodes, limits, zoom)
    view = GraphView(roots, inputs, targets, parameters)
    caption = [] if anomaly is None else [clean(f"{anomaly}".split(",\n")[0], 80)]
    if zoom == "auto":
        zoom = _readable(view)
        others = [
            f"zoom='{other}'"
            for other in _LIMITS
            if other != zoom and nodes <= limits[other]
            if other != "neuron" or _has_neurons(view)
        ]
        are = "are" if len(others) > 1 else "is"
        too = f"; there {are} {' and '.join(others)} too" if others else ""
        caption = [f"the {zoom} zoom{too}"]
        _refuse_too_many(nodes, limits, zoom)
    wrong = None if anomaly is None else anomaly.node
    scene = Scene(view, highlight, wrong, edges, rankdir, caption)
    return Picture(_ZOOMS[zoom](scene), zoom=zoom, format=format, renderer=renderer)


def _refuse_too_many(nodes: int, limits: Mapping[str, int], zoom: str) -> None:
    if nodes > limits[zoom]:
        zoom = zoom.replace("auto", "scalar")
        coarser = "take zoom='neuron' or zoom='layer', " if zoom == "scalar" else ""
        raise ValueError(
            f"more than {limits[zoom]:,} nodes are too many for the {zoom} zoom: draw a part of "
            f"the graph, {coarser}or ask for more with max_nodes"
        )


def _has_neurons(view: GraphView) -> bool:
    with suppress(ValueError):
        return bool(view.neurons)
    return False


def _readable(view: GraphView) -> str:
    """Choose the finest zoom at which a person can still read the picture."""
    if len(view.order) <= _READABLE["scalar"]:
        return "scalar"
    if _has_neurons(view):
        sources = {source for each in view.neurons for _, source in each.weights}
        if len(sources.union(each.a for each in view.neurons)) <= _READABLE["neuron"]:
            return "neuron"
    with suppress(ValueError):
        variables = view.matrices.variables.values()
        if len(variables) <= _READABLE["layer"] and any(each.shape for each in variables):
            return "layer"
    return "scalar"


def _roots(values: Value | Iterable[Any]) -> list[Value]:
    if not isinstance(values, (Value, Iterable)) or isinstance(values, (str, bytes)):
        raise TypeError(f"draw takes a Value or a sequence of them, not {values!r:.60}")
    roots = values_in(values, "what is drawn")
    if not roots:
        raise ValueError("there is nothing to draw: give a Value that was computed from others")
    return list(dict.fromkeys(roots))


def _count(roots: Sequence[Value], limit: int) -> int:
    """Count the nodes below the roots; of a graph beyond the limit, some number beyond it."""
    seen = set(roots)
    stack = list(seen)
    while stack and len(seen) <= limit:
        for parent in stack.pop().parents:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return len(seen)


def _source_of(zoom: str) -> Callable[..., str]:
    def source(values: Iterable[Value], **options: Any) -> str:
        """Return the DOT of a graph, as it was called."""
        warn_renamed(f"drawing.{zoom}(...)", f"draw(..., zoom={zoom!r}).source")
        return str(draw(values, zoom=zoom, **options).source)

    return source


scalar, neuron, layer = map(_source_of, ("scalar", "neuron", "layer"))
