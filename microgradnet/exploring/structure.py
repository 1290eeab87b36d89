"""What the nodes are to a network: inputs, weights, neurons, layers; and the boxes of a zoom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from microgradnet import ops
from microgradnet.engine import Value
from microgradnet.exploring.numbers import Passes
from microgradnet.lifting import Structure
from microgradnet.nn import ForwardPass
from microgradnet.notation import superscript

__all__ = ["Box", "Roles", "carriers", "layers", "neurons", "owners", "roles", "variables"]


@dataclass
class Box:
    """What one zoom draws as one: a layer's vector, a matrix, a neuron.

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


@dataclass(frozen=True)
class Roles:
    """Of every node its role, in words that the page shows; the parameters in their own order."""

    of: list[str]
    parameters: list[int]


def roles(
    passes: Passes,
    forward_pass: ForwardPass | None,
    inputs: Iterable[Value],
    parameters: Iterable[Value] | None,
) -> Roles:
    """Input, parameter, target, constant, value or cost, for each node.

    Leaves with a label are parameters where nobody says which are; leaves without are constants.
    """
    place = passes.place()
    parameters = None if parameters is None else list(parameters)
    if forward_pass is not None:
        inputs = [*inputs, *forward_pass.a[0]]
        parameters = forward_pass.model.parameters() if parameters is None else parameters
    given = {place[node] for node in inputs if node in place}
    learnt = (
        {place[node] for node in parameters if node in place} if parameters is not None else None
    )
    found = []
    for k, node in enumerate(passes.order):
        if k in given:
            role = "input"
        elif learnt is not None and k in learnt:
            role = "parameter"
        elif node.op is not None:
            role = "cost" if k == len(passes.order) - 1 else "value"
        elif not node.label:
            role = "constant"
        else:
            role = "parameter" if learnt is None else "target"
        found.append(role)
    listed = [place[node] for node in parameters or () if node in place]
    return Roles(found, listed or [k for k, role in enumerate(found) if role == "parameter"])


def neurons(passes: Passes, forward_pass: ForwardPass) -> list[Box]:
    """A box for each input, each neuron, and the cost; the cost last."""
    place = passes.place()
    boxes = []
    for k, node in enumerate(forward_pass.a[0], 1):
        name = node.label or f"input {k}"
        slots = [(name, "data", place[node])]
        boxes.append(Box(name, "input", [place[node]], column=0, slots=slots))
    for l, layer in enumerate(forward_pass.model.layers, 1):
        pairs = zip(layer.neurons, forward_pass.z[l], forward_pass.a[l], strict=True)
        for j, (neuron, z, a) in enumerate(pairs, 1):
            if z not in place:
                continue
            slots = [("z", "data", place[z])]
            slots += [("a", "data", place[a])] * (a is not z and a in place)
            slots += [("δ", "grad", place[z])]
            members = [*neuron.w, neuron.b, z, a]
            entries = [place[node] for node in dict.fromkeys(members) if node in place]
            boxes.append(Box(f"neuron {j}, layer {l}", "neuron", entries, column=l, slots=slots))
    last = len(passes.order) - 1
    boxes.append(Box("cost", "cost", [last], slots=[("C", "data", last)]))
    return boxes


def layers(passes: Passes, forward_pass: ForwardPass, roles: Roles) -> list[Box]:
    """A box for each vector and each matrix of the equations; the cost last."""
    boxes: list[Box] = []
    taken: set[int] = set()
    place = passes.place()

    def add(title: str, kind: str, nodes: Sequence[Value], rows: int) -> None:
        entries = [place[node] for node in nodes if node in place and place[node] not in taken]
        if entries:
            taken.update(entries)
            boxes.append(Box(title, kind, entries, rows if len(entries) == len(nodes) else 1))

    add("a⁰", "input", forward_pass.a[0], len(forward_pass.a[0]))
    for l, layer in enumerate(forward_pass.model.layers, 1):
        n, up = len(layer.neurons), superscript(l)
        add(f"W{up}", "parameter", [w for neuron in layer.neurons for w in neuron.w], n)
        add(f"b{up}", "parameter", [neuron.b for neuron in layer.neurons], n)
        linear = forward_pass.z[l][0] is forward_pass.a[l][0]
        add(f"z{up} = a{up}" if linear else f"z{up}", "value", forward_pass.z[l], n)
        add(f"a{up}", "value", forward_pass.a[l], n)
    targets = [node for node, role in zip(passes.order, roles.of, strict=True) if role == "target"]
    add("y", "target", targets, len(targets))
    last = len(passes.order) - 1
    if last not in taken:
        boxes.append(Box("C", "cost", [last]))
    return boxes


def variables(passes: Passes, structure: Structure) -> list[Box]:
    """A box for each variable that lift finds; the cost last."""
    place = passes.place()
    boxes: list[Box] = []
    taken: set[int] = set()
    last = len(passes.order) - 1
    for variable in structure.variables.values():
        nodes = [place[node] for node in variable.nodes if node is not None and node in place]
        entries = [k for k in dict.fromkeys(nodes) if k not in taken and k != last]
        if entries:
            taken.update(entries)
            whole = len(entries) == len(variable.nodes)
            rows = variable.shape[0] if variable.shape and whole else 1
            boxes.append(Box(variable.name, variable.kind, entries, rows))
    boxes.append(Box("C", "cost", [last]))
    return boxes


def owners(passes: Passes, boxes: Sequence[Box]) -> list[int]:
    """The box that each node belongs to: its own, else that of its first consumer."""
    owner = [-1] * len(passes.order)
    for number, box in enumerate(boxes):
        for k in box.entries:
            owner[k] = number
    for k in range(len(owner) - 1, -1, -1):
        for p in passes.parents[k]:
            if owner[p] < 0:
                owner[p] = owner[k]
    return owner


def carriers(
    passes: Passes, owner: Sequence[int], roles: Roles
) -> dict[tuple[int, int], list[int]]:
    """For arrows between neurons the weights on them: multiplied, in one, with the other."""
    found: dict[tuple[int, int], list[int]] = {}
    for k, parents in enumerate(passes.parents):
        op = passes.order[k].op
        if op is ops.multiply:
            pairs = [(parents[0], parents[1]), (parents[1], parents[0])]
        elif op is ops.weighted_sum:
            weights, sources, _ = ops.split_weighted_sum(parents)
            pairs = list(zip(weights, sources, strict=True))
        else:
            continue
        for weight, source in pairs:
            if roles.of[weight] == "parameter" and owner[source] != owner[k]:
                found.setdefault((owner[source], owner[k]), []).append(weight)
    return found
