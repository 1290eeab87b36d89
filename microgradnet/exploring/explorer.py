"""`explore`: what the page holds, found and put together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from microgradnet.engine import Value
from microgradnet.exploring.boxes import (
    box_of_node,
    edge_weights,
    layer_boxes,
    matrix_boxes,
    neuron_boxes,
)
from microgradnet.exploring.contents import names_of, network_of, nodes_of, program_gradient
from microgradnet.exploring.document import Page
from microgradnet.exploring.equations import is_cut, lifted_equations, network_equations
from microgradnet.exploring.inlining import render
from microgradnet.exploring.javascript import Rules
from microgradnet.exploring.tape import play
from microgradnet.exploring.zooms import Zoom, boxes_zoom, scalar_zoom
from microgradnet.nn import ForwardPass
from microgradnet.notation import counted
from microgradnet.views import GraphView, neurons_of_pass

__all__ = ["explore"]

_SCALARS = 3_000
"""From so many nodes on they are not drawn one by one."""

_NEURONS = 150
"""Above so many boxes the neurons are not drawn one by one."""

_READABLE = 24

_MOST = 50_000
"""More nodes than this make a page that no browser opens gladly."""


def explore(
    cost: Value,
    path: str | Path | None = None,
    forward_pass: ForwardPass | None = None,
    *,
    inputs: Iterable[Value] | None = None,
    parameters: Iterable[Value] | None = None,
    title: str = "",
) -> Page:
    """Make the page that plays the forward and the backward pass of a graph.

    One HTML document that needs neither network nor server: the graph, beside it the equations of
    the network with their numbers, and a player that goes through both node by node. It shows
    itself in a notebook; `.save("page.html")` writes it to a file.

    cost          the node that the backward pass begins from
    path          where to write it at once
    forward_pass  model.forward(x), if the graph is a network's: the page then has the six
                  equations and a zoom for neurons; else what `lift` finds
    inputs        leaves that are inputs, besides those of a forward pass
    parameters    leaves that gradient descent moves; of a forward pass the model's
    title         the heading

    A list that is given is complete, and what it leaves open goes by its label: x, alone or with
    indices, is an input, as is nn's a⁰ₖ; y or t is a target; any other label is a parameter's; what
    has no label is a constant.

    The graph stays as it is: no `grad` is touched, and `backward` need not have been called.
    Raises ValueError for a graph of more than 50,000 nodes, TypeError for a cost that is no
    Value, and OSError where the file cannot be written.

    >>> w, x, b = Value(0.5, label="w"), Value(2.0, label="x"), Value(-1.0, label="b")
    >>> explore((w * x + b).tanh())
    <Page 'Backpropagation through tanh(·)': .save('page.html') writes it>
    """
    if not isinstance(cost, Value):
        raise TypeError(f"explore takes the cost, a Value, not {cost!r}")
    if forward_pass is not None and not isinstance(forward_pass, ForwardPass):
        raise TypeError(f"the forward pass is what model.forward(x) gave, not {forward_pass!r:.60}")
    view = _view(cost, forward_pass, inputs, parameters)
    if len(view.order) > _MOST:
        raise ValueError(
            f"the graph has {len(view.order):,} nodes, and a page holds {_MOST:,} at most: "
            "explore one example of a smaller network"
        )
    if forward_pass is not None and not any(node in view.place for node in forward_pass.z[-1]):
        raise ValueError("the cost was not computed from this forward pass")
    tape, names, notes = play(view), names_of(view), list[str]()
    network = gradient = None
    sections, boxes = [], {}
    if forward_pass is not None:
        try:
            sections = network_equations(forward_pass, view.place)
            network = network_of(forward_pass, view.place)
        except ValueError as error:
            notes.append(f"Not the equations of the whole network: {error}.")
        layers = neurons_of_pass(forward_pass)
        boxes = {
            "layer": layer_boxes(view, forward_pass),
            "neuron": neuron_boxes(view, forward_pass.a[0], layers),
        }
        if len(boxes["neuron"]) > _NEURONS:
            del boxes["neuron"]
            count = sum(map(len, layers))
            notes.append(f"{counted(count, 'neuron')}: too many to draw one by one.")
    if network is None:
        try:
            sections = lifted_equations(view.matrices, view.place)
            gradient = program_gradient(view)
            boxes.setdefault("layer", matrix_boxes(view))
        except ValueError as error:  # no floats, or an operation without a formula
            notes.append(f"No equations: {error.__cause__}.")
    if any(is_cut(section) for section in sections):
        notes.append("Of larger matrices the first rows and columns are shown.")
    roles = [*view.roles[:-1], view.roles[-1].replace("computed", "cost")]
    box_of = {name: box_of_node(tape, each) for name, each in boxes.items()}
    zooms = [
        boxes_zoom(name, tape, each, box_of[name], edge_weights(view, box_of[name]))
        for name, each in boxes.items()
    ]
    if len(view.order) < _SCALARS:
        zooms.append(scalar_zoom(view, tape, names, roles))
    else:
        notes.append(
            f"{counted(len(view.order), 'node')}: too many to draw one by one; "
            "the player goes through them all the same."
        )
    rules = Rules()
    data = {
        "nodes": nodes_of(view, tape, names, roles, rules),
        "network": network,
        "parameters": [view.place[node] for node in view.leaves["parameters"]],
        "program_gradient": gradient,
        "box_of": box_of,
        "zoom": _first_zoom(zooms),
    }
    if not title and forward_pass is not None:
        sizes = "-".join(map(str, forward_pass.model.sizes))
        title = f"Backpropagation in a {sizes} network"
    title = title or f"Backpropagation through {names[-1]}"
    html = render(
        data,
        rules.script(),
        title=title,
        zooms=zooms,
        first=data["zoom"],
        sections=sections,
        notes=notes,
        names=names,
    )
    return Page(html, title, path)


def _view(
    cost: Value,
    forward_pass: ForwardPass | None,
    inputs: Iterable[Value] | None,
    parameters: Iterable[Value] | None,
) -> GraphView:
    """View the graph; of a forward pass it is known what its inputs and parameters are."""
    if forward_pass is not None:
        inputs = [*(inputs or ()), *forward_pass.a[0]]
        parameters = forward_pass.model.parameters() if parameters is None else parameters
    return GraphView([cost], inputs, None, parameters)


def _first_zoom(zooms: list[Zoom]) -> str:
    """Choose the finest zoom that can be read at once; of a network the neurons, if they can."""
    few = [zoom.name for zoom in zooms if len(zoom.boxes) <= _READABLE]
    if "neuron" in few:
        return "neuron"
    return (few[-1:] or [zoom.name for zoom in zooms[:1]] or [""])[0]
