"""`explore`: writes the page. What the page holds, put together with its template."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from microgradnet.engine import Value
from microgradnet.exploring.equations import is_cut, lifted_equations, network_equations
from microgradnet.exploring.numbers import Passes, plain, run
from microgradnet.exploring.pictures import Picture, boxes_picture, scalars_picture
from microgradnet.exploring.structure import (
    Roles,
    layers,
    neurons,
    owners,
    roles,
    variables,
)
from microgradnet.lifting import Structure, lift, recognise
from microgradnet.nn import ForwardPass
from microgradnet.notation import counted
from microgradnet.operation import Operation

__all__ = ["explore", "page"]

_SCALARS = 3_000
"""From so many nodes on they are not drawn one by one."""

_NEURONS = 150
"""Above so many boxes the neurons are not drawn one by one."""

_READABLE = 24

_MOST = 50_000
"""More nodes than this make a page that no browser opens gladly."""

_SCRIPTS = (
    "dom", "numbers", "operations", "graph", "playback", "words", "camera", "picture",
    "equations", "panels", "main",
)  # fmt: skip
"""The page's modules, each behind those that it imports."""


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
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    if not isinstance(cost, Value):
        raise TypeError(f"explore takes the cost, a Value, not {cost!r}")
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
    names = [_name(node) for node in passes.order]
    notes: list[str] = []
    network = None
    if forward_pass is not None:
        try:
            sections = network_equations(forward_pass, place)
            network = _network(forward_pass, place)
        except ValueError as error:
            notes.append(f"Not the equations of the whole network: {error}.")
    closed = None
    coarse = [] if forward_pass is None else layers(passes, forward_pass, kinds)
    if network is None:
        structure, closed = _lifted(passes, kinds)
        sections = lifted_equations(structure, place)
        coarse = coarse or variables(passes, structure)
    zooms = {"layers": coarse}
    if forward_pass is not None:
        zooms["neurons"] = neurons(passes, forward_pass)
    if len(zooms.get("neurons", ())) > _NEURONS:
        notes.append(
            f"{counted(len(zooms.pop('neurons')), 'neuron')}: too many to draw one by one."
        )
    owner = {zoom: owners(passes, boxes) for zoom, boxes in zooms.items()}
    pictures = [
        boxes_picture(zoom, passes, boxes, owner[zoom], _carriers(passes, owner[zoom], kinds.of))
        for zoom, boxes in zooms.items()
    ]
    if len(passes.order) < _SCALARS:
        pictures.append(scalars_picture(passes, names, kinds.of))
    else:
        notes.append(
            f"{counted(len(passes.order), 'node')}: too many to draw one by one; "
            "the player goes through them all the same."
        )
    if any(is_cut(section) for section in sections):
        notes.append("Of larger matrices the first rows and columns are shown.")
    data = {
        "nodes": _nodes(passes, names, kinds.of),
        "network": network,
        "parameters": kinds.parameters,
        "closed": closed,
        "owners": owner,
        "zoom": _first_zoom(pictures),
    }
    environment = Environment(
        loader=PackageLoader("microgradnet.exploring", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _source("style.css"), _bundle()
    return environment.get_template("page.html").render(
        title=title or _title(forward_pass, names[-1]),
        pictures=pictures,
        first=data["zoom"],
        sections=sections,
        notes=notes,
        names=names,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(_json(data)),
    )


def _lifted(passes: Passes, kinds: Roles) -> tuple[Structure, list[Any] | None]:
    """What lift finds in the graph, and the gradient by its program, if the numbers are floats."""
    order, cost = passes.order, passes.order[-1]
    x = [node for node, role in zip(order, kinds.of, strict=True) if role == "input"]
    y = [node for node, role in zip(order, kinds.of, strict=True) if role == "target"]
    parameters = [order[k] for k in kinds.parameters]
    structure = recognise(cost, x, y, parameters)
    if not parameters or not all(isinstance(node.data, float) for node in order):
        return structure, None
    Y = [[node.data for node in y]] if y else None
    _, gradient = lift(cost, x, y, parameters).value_and_grad([[node.data for node in x]], Y)
    return structure, [plain(float(g)) for g in gradient]


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


def _name(node: Value) -> str:
    """A name for pictures: the label, else the number of a constant, else the formula."""
    if node.label:
        return node.label
    return str(node.data) if node.op is None else "".join(map(str, _formula(node, text=True)))


_PRIVATE = 0xF0000
"""Characters that no label holds: one stands for each operand while a formula is written."""


def _formula(node: Value, text: bool = False) -> list[Any]:
    """The operation's notation, with a number k where operand k goes.

    As text, operands stand by their labels or by a dot.
    """
    op: Any = node.op
    marks = [chr(_PRIVATE + k) for k in range(len(node.parents))]
    written = op.write(*marks)
    if text:
        for mark, parent in zip(marks, node.parents, strict=True):
            short = parent.label or (f"{float(parent.data):.4g}" if _is_constant(parent) else "·")
            written = written.replace(mark, short)
        return [written]
    parts = re.split(f"([{chr(_PRIVATE)}-{chr(_PRIVATE + 0xFFFD)}])", written)
    return [ord(p) - _PRIVATE if len(p) == 1 and ord(p) >= _PRIVATE else p for p in parts if p]


def _is_constant(node: Value) -> bool:
    return node.op is None and not node.label and isinstance(node.data, (int, float))


def _wants_brackets(op: Operation, operands: int) -> bool:
    """Whether the notation puts brackets around an operand that is no single word."""
    marks = [f"-{chr(_PRIVATE + k)}" for k in range(operands)]
    return f"({marks[0]})" in op.write(*marks) and f"({marks[0][1:]})" not in op.write(
        *(mark[1:] for mark in marks)
    )


def _nodes(passes: Passes, names: list[str], kinds: list[str]) -> list[dict[str, Any]]:
    """Every node as the page needs it; index in the list is the node's number."""
    found = []
    for k, node in enumerate(passes.order):
        entry: dict[str, Any] = {
            "name": names[k],
            "label": node.label,
            "role": kinds[k],
            "data": plain(node.data),
            "grad": plain(passes.adjoints[k]),
        }
        if node.op is not None:
            entry |= {
                "op": node.op.name,
                "symbol": node.op.symbol,
                "constants": {key: plain(_real(x)) for key, x in node.op.parameters.items()},
                "parents": passes.parents[k],
                "formula": _formula(node),
                "brackets": _wants_brackets(node.op, len(node.parents)),
                "slopes": [plain(x) for x in passes.slopes[k]],
                "products": [plain(x) for x in passes.products[k]],
            }
        elif not node.label:
            entry["text"] = str(node.data)
        found.append(entry)
    return found


def _real(x: Any) -> Any:
    try:
        return float(x)
    except (TypeError, ValueError, OverflowError):
        return x


def _network(forward_pass: ForwardPass, place: dict[Value, int]) -> dict[str, Any]:
    """The numbers of the nodes by the letters of the equations, for what the page explains."""
    layers = []
    for l, layer in enumerate(forward_pass.model.layers, 1):
        layers.append(
            {
                "W": [[place[w] for w in neuron.w] for neuron in layer.neurons],
                "b": [place[neuron.b] for neuron in layer.neurons],
                "z": [place[z] for z in forward_pass.z[l]],
                "a": [place[a] for a in forward_pass.a[l]],
                "softmax": layer.activation == "softmax",
            }
        )
    return {"x": [place[x] for x in forward_pass.a[0]], "layers": layers}


def _carriers(
    passes: Passes, owner: list[int], kinds: list[str]
) -> dict[tuple[int, int], list[int]]:
    """For arrows between neurons the weights on them: multiplied, in one, with the other."""
    found: dict[tuple[int, int], list[int]] = {}
    for k, parents in enumerate(passes.parents):
        if passes.order[k].op is None:
            continue
        name = passes.order[k].op.name  # type: ignore[union-attr]
        if name == "multiply":
            pairs = [(parents[0], parents[1]), (parents[1], parents[0])]
        elif name == "weighted_sum":
            n = len(parents) // 2
            pairs = list(zip(parents[:n], parents[n:-1], strict=True))
        else:
            continue
        for weight, source in pairs:
            if kinds[weight] == "parameter" and owner[source] != owner[k]:
                found.setdefault((owner[source], owner[k]), []).append(weight)
    return found


def _source(name: str) -> str:
    return (files("microgradnet.exploring") / "page" / name).read_text(encoding="utf-8")


def _bundle() -> str:
    """The modules as one: their imports of each other and the word export are left out."""
    whole = "\n".join(_source(f"{name}.js") for name in _SCRIPTS)
    whole = re.sub(r"^import\b[^;]*;\n", "", whole, flags=re.MULTILINE)
    return re.sub(r"^export ", "", whole, flags=re.MULTILINE)


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _json(data: object) -> str:
    """JSON that can stand within a script element, whatever the labels in it say."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
