"""`explore`: writes the page. What the page holds, put together with its template."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from microgradnet.engine import Value
from microgradnet.exploring.contents import lifted, names_of, network_of, nodes_of
from microgradnet.exploring.equations import is_cut, lifted_equations, network_equations
from microgradnet.exploring.inlining import render
from microgradnet.exploring.javascript import Rules
from microgradnet.exploring.numbers import Passes, run
from microgradnet.exploring.pictures import Picture, boxes_picture, scalars_picture
from microgradnet.exploring.structure import (
    Box,
    Roles,
    carriers,
    layers,
    neurons,
    owners,
    roles,
    variables,
)
from microgradnet.lifting import Structure
from microgradnet.nn import ForwardPass
from microgradnet.notation import counted

__all__ = ["explore", "page"]

_SCALARS = 3_000
"""From so many nodes on they are not drawn one by one."""

_NEURONS = 150
"""Above so many boxes the neurons are not drawn one by one."""

_READABLE = 24

_MOST = 50_000
"""More nodes than this make a page that no browser opens gladly."""


def explore(
    cost: Value,
    path: str | Path = "explore.html",
    forward_pass: ForwardPass | None = None,
    *,
    inputs: Iterable[Value] = (),
    parameters: Iterable[Value] | None = None,
    title: str = "",
) -> Path:
    """Write a page that plays the forward and the backward pass of a graph; where it was written.

    One HTML file that needs neither network nor server: the graph, beside it the equations of the
    network with their numbers, and a player that goes through both node by node.

    cost          the node that the backward pass begins from
    path          the file to write
    forward_pass  model.forward(x), if the graph is a network's: the page then has the six
                  equations and a zoom for neurons; else what `lift` finds
    inputs        leaves that are inputs, where no forward_pass says so
    parameters    leaves that gradient descent moves; the model's, or else every labelled leaf that
                  is no input
    title         the heading

    The graph stays as it is: no `grad` is touched, and `backward` need not have been called.
    Raises ValueError for a graph of more than 50,000 nodes, and TypeError for a cost that is no
    Value.

    >>> from tempfile import TemporaryDirectory
    >>> w, x, b = Value(0.5, label="w"), Value(2.0, label="x"), Value(-1.0, label="b")
    >>> with TemporaryDirectory() as folder:
    ...     explore((w * x + b).tanh(), Path(folder) / "neuron.html", inputs=[x]).name
    'neuron.html'
    """
    text = page(cost, forward_pass=forward_pass, inputs=inputs, parameters=parameters, title=title)
    path = Path(path)
    path.write_text(text, encoding="utf-8")
    return path


def page(
    cost: Value,
    forward_pass: ForwardPass | None = None,
    *,
    inputs: Iterable[Value] = (),
    parameters: Iterable[Value] | None = None,
    title: str = "",
) -> str:
    """The text of the page that `explore` writes."""
    if not isinstance(cost, Value):
        raise TypeError(f"explore takes the cost, a Value, not {cost!r}")
    if forward_pass is not None and not isinstance(forward_pass, ForwardPass):
        raise TypeError(f"the forward pass is what model.forward(x) gave, not {forward_pass!r:.60}")
    passes = run(cost)
    if len(passes.order) > _MOST:
        raise ValueError(
            f"the graph has {len(passes.order):,} nodes, and a page holds {_MOST:,} at most: "
            "explore one example of a smaller network"
        )
    place = passes.place()
    if forward_pass is not None and not any(node in place for node in forward_pass.z[-1]):
        raise ValueError("the cost was not computed from this forward pass")
    kinds = roles(passes, forward_pass, inputs, parameters)
    names = names_of(passes)
    notes: list[str] = []
    network = closed = structure = None
    if forward_pass is not None:
        try:
            sections = network_equations(forward_pass, place)
            network = network_of(forward_pass, place)
        except ValueError as error:
            notes.append(f"Not the equations of the whole network: {error}.")
    if network is None:
        try:
            structure, closed = lifted(passes, kinds)
            sections = lifted_equations(structure, place)
        except (OverflowError, TypeError) as error:  # no floats, or an operation without a formula
            notes.append(f"No equations: {error}.")
            sections = []
    if any(is_cut(section) for section in sections):
        notes.append("Of larger matrices the first rows and columns are shown.")
    zooms = _zooms(passes, forward_pass, kinds, structure, notes)
    owner = {zoom: owners(passes, boxes) for zoom, boxes in zooms.items()}
    pictures = [
        boxes_picture(zoom, passes, boxes, owner[zoom], carriers(passes, owner[zoom], kinds))
        for zoom, boxes in zooms.items()
    ]
    if len(passes.order) < _SCALARS:
        pictures.append(scalars_picture(passes, names, kinds.of))
    else:
        notes.append(
            f"{counted(len(passes.order), 'node')}: too many to draw one by one; "
            "the player goes through them all the same."
        )
    rules = Rules()
    data = {
        "nodes": nodes_of(passes, names, kinds, rules),
        "network": network,
        "parameters": kinds.parameters,
        "closed": closed,
        "owners": owner,
        "zoom": _first_zoom(pictures),
    }
    return render(
        data,
        rules.script(),
        title=title or _title(forward_pass, names[-1]),
        pictures=pictures,
        first=data["zoom"],
        sections=sections,
        notes=notes,
        names=names,
    )


def _zooms(
    passes: Passes,
    forward_pass: ForwardPass | None,
    kinds: Roles,
    structure: Structure | None,
    notes: list[str],
) -> dict[str, list[Box]]:
    """The boxes of the zooms that are coarser than single nodes."""
    if forward_pass is None:
        return {"layers": variables(passes, structure)} if structure else {}
    zooms = {"layers": layers(passes, forward_pass, kinds)}
    boxes = neurons(passes, forward_pass)
    if len(boxes) <= _NEURONS:
        zooms["neurons"] = boxes
    else:
        count = sum(len(layer.neurons) for layer in forward_pass.model.layers)
        notes.append(f"{counted(count, 'neuron')}: too many to draw one by one.")
    return zooms


def _first_zoom(pictures: list[Picture]) -> str:
    """The finest zoom whose boxes can be read at once; of a network the neurons, if they can."""
    few = [picture.zoom for picture in pictures if len(picture.boxes) <= _READABLE]
    if "neurons" in few:
        return "neurons"
    return few[-1] if few else pictures[0].zoom


def _title(forward_pass: ForwardPass | None, name: str) -> str:
    if forward_pass is None:
        return f"Backpropagation through {name}"
    sizes = "-".join(map(str, forward_pass.model.sizes))
    return f"Backpropagation in a {sizes} network"
