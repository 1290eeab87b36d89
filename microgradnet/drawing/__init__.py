"""The computation graph as a picture, at three zooms, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from microgradnet.drawing.picture import Picture
from microgradnet.drawing.rendering import FORMATS, RENDERERS, RenderError, inline, render, svg
from microgradnet.drawing.roles import values_in
from microgradnet.drawing.scalar import scalar
from microgradnet.engine import Value

__all__ = ["Picture", "RenderError", "draw", "inline", "render", "scalar", "svg"]

ZOOMS = ("auto", "scalar", "neuron", "layer")
RANKDIRS = ("LR", "RL", "TB", "BT")


def draw(
    values: Value | Iterable[Any],
    *,
    zoom: str = "auto",
    inputs: Iterable[Any] = (),
    targets: Iterable[Any] = (),
    parameters: Iterable[Any] = (),
    highlight: Value | None = None,
    rankdir: str = "LR",
    format: str = "svg",
    renderer: str = "auto",
    max_nodes: int = 2_000,
) -> Picture:
    """The graph that the values were computed from, as a picture.

    values     a Value, or a sequence of them (also of sequences)
    zoom       scalar: every node; auto: the finest that can be read
    inputs, targets, parameters
               which leaves are what; without them the labels tell, see `drawing.roles`
    highlight  a node: shows the paths by which its gradient came from the one value given
    rankdir    LR, RL, TB or BT: where the picture goes, left, right, top, bottom
    format     what `.render()` and `.pipe()` give: svg, png, jpg, pdf ...
    renderer   auto: the embedded one that pip installs, where it can; embedded; dot, the system's
    max_nodes  no picture of more nodes is tried

    The picture shows itself in a notebook; `.save("graph.svg")` writes it to a file. Raises
    ValueError for an unknown option, for no values and for too many nodes, and TypeError for what
    is no Value.

    >>> w, x = Value(0.5, label="w"), Value(2.0, label="x")
    >>> draw((w * x).tanh())
    <Picture, scalar zoom: .save('graph.svg') writes it, .source is its DOT>
    """
    for what, given, known in (
        ("zoom", zoom, ZOOMS),
        ("rankdir", rankdir, RANKDIRS),
        ("format", format, FORMATS),
        ("renderer", renderer, RENDERERS),
    ):
        if given not in known:
            raise ValueError(f"no {what} {given!r}: there are {', '.join(known)}")
    roots = _roots(values)
    nodes = _count(roots, max_nodes)
    if nodes > max_nodes:
        raise ValueError(
            f"more than {max_nodes:,} nodes cannot be read in a picture: draw a part of the graph, "
            "zoom='neuron' or zoom='layer', or ask for more with max_nodes"
        )
    source = scalar(
        roots,
        inputs=inputs,
        targets=targets,
        parameters=parameters,
        highlight=highlight,
        rankdir=rankdir,
    )
    return Picture(source, zoom="scalar", format=format, renderer=renderer)


def _roots(values: Value | Iterable[Any]) -> list[Value]:
    if not isinstance(values, (Value, Iterable)) or isinstance(values, (str, bytes)):
        raise TypeError(f"draw takes a Value or a sequence of them, not {values!r:.60}")
    roots = values_in(values, "what is drawn")
    if not roots:
        raise ValueError("there is nothing to draw: give a Value that was computed from others")
    return list(dict.fromkeys(roots))


def _count(roots: Sequence[Value], limit: int) -> int:
    """The number of nodes below the roots; of a graph beyond the limit, some number beyond it."""
    seen = set(roots)
    stack = list(seen)
    while stack and len(seen) <= limit:
        for parent in stack.pop().parents:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return len(seen)
