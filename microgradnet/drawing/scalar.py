"""The finest zoom: every node of the graph with its number and gradient, every operation between.

A box is a Value, a dark dot the operation that made it; the number on an edge is the local
derivative. So a gradient is the sum, over the node's outgoing edges, of (number on the edge) ×
(gradient at its end). The text depends on the graph alone: nodes are named by their topological
index, n0, n1 …, the operations that made them op0, op1 …, and the edge from the first operand of
n3 is e3_0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from microgradnet import ops
from microgradnet.arithmetic import Number, evaluate
from microgradnet.drawing.dot import (
    SIZE,
    attributes,
    clean,
    document,
    label,
    lines_box,
    text_width,
    tooltip,
)
from microgradnet.drawing.numerals import gradient, is_finite, short, whole
from microgradnet.drawing.roles import ROLES, homes, roles
from microgradnet.engine import Value, is_untouched
from microgradnet.explanation import adjoint, made, paths
from microgradnet.graph import topological_order
from microgradnet.notation import counted, is_weighted_input, superscript
from microgradnet.operation import Operation

__all__ = ["scalar"]

# The colours of Okabe and Ito, the fills lightened; a shape of its own for each role besides.
_STYLES: dict[str, dict[str, str]] = {
    "input": {"shape": "ellipse", "color": '"#0072B2"', "fillcolor": '"#DCEBF7"'},
    "target": {"shape": "hexagon", "color": '"#009E73"', "fillcolor": '"#D6EFE6"'},
    "parameter": {"style": "filled", "color": '"#E69F00"', "fillcolor": '"#FCEBC8"'},
    "constant": {"style": '"filled,dashed"', "color": '"#777777"', "fillcolor": '"#F4F4F4"'},
    "leaf": {"shape": "note", "style": "filled", "fillcolor": '"#F4F4F4"'},
    "computed": {},
}
_SHAPES = {
    "input": "ellipse",
    "target": "hexagon",
    "parameter": "box",
    "constant": "dashed",
    "leaf": "folded corner",
    "computed": "rounded",
}
_ROUND = ("ellipse", "hexagon")
_WRONG = {"color": '"#D55E00"', "fillcolor": '"#FBDCCB"', "penwidth": "2.5"}
_LIT = {"color": '"#0072B2"', "fontcolor": '"#0072B2"', "penwidth": "2.5"}
_DIM = {"color": '"#C8C8C8"', "fontcolor": '"#A0A0A0"'}
_DARK = {"style": "filled", "fillcolor": '"#444444"', "fontcolor": "white"}
_LAYER = {"style": '"rounded,filled"', "color": '"#DDDDDD"', "fillcolor": '"#FAFAFA"'}
_NEURON = {"style": '"rounded,filled"', "color": '"#BBBBBB"', "fillcolor": "white"}
_LABELLED = 150
"""In graphs of more nodes the edges bear no numbers: nobody could read them, and laying them out
would take ten times as long."""
_TOLD = 6
_PRINTED = {"*": "×", "-": "−"}
_SYMMETRIC = (ops.add, ops.multiply, ops.maximum, ops.minimum)
# Elsewhere, as in a − b, a/b and aᵇ, the first operand comes in above (before) the second.
_PORTS = {
    "LR": (":nw", ":sw"), "RL": (":ne", ":se"), "TB": (":nw", ":ne"), "BT": (":sw", ":se"),
}  # fmt: skip


def scalar(
    values: Iterable[Value],
    *,
    inputs: Iterable[Any] = (),
    targets: Iterable[Any] = (),
    parameters: Iterable[Any] = (),
    highlight: Value | None = None,
    rankdir: str = "LR",
    caption: Sequence[str] = (),
) -> str:
    """The graph below the values as DOT; the options are those of `draw`.

    >>> print(scalar([Value(2.0, label="x").exp()]).splitlines()[-3].strip())
    n0 -> op1 [id=e1_0 label="7.389" tooltip="∂(n1)/∂(x) = 7.38905609893065"]
    """
    roots = list(values)
    order = topological_order(roots)
    places = {node: k for k, node in enumerate(order)}
    what = roles(order, inputs, targets, parameters)
    lit = [True] * len(order)
    if highlight is not None:
        lit = _downstream(order, highlight)
        caption = [*caption, *_sum_of_paths(roots, highlight)]
    labelled = len(order) <= _LABELLED
    boxes = [
        [_box(node, k, what[k], node in roots, lit[k]), *_dot(node, k, lit[k])]
        for k, node in enumerate(order)
    ]
    lines = [*_clustered(homes(order), boxes)]
    for k, node in enumerate(order):
        if node.op is not None:
            lit_edges = None if highlight is None else [lit[places[p]] for p in node.parents]
            operands = [places[p] for p in node.parents]
            lines += _edges(node, k, operands, rankdir, labelled, lit_edges)
    names = ", ".join(_name(root, places[root]) for root in roots)
    title = f"The graph that computes {clean(names, 60)}: {counted(len(order), 'value')}"
    return document(lines, rankdir, title, [*caption, *_key(order, what, labelled)])


def _downstream(order: Sequence[Value], start: Value) -> list[bool]:
    """Which nodes were made from this one, itself included: its gradient came through them."""
    found = {start}
    for node in order:
        if any(parent in found for parent in node.parents):
            found.add(node)
    return [node in found for node in order]


def _sum_of_paths(roots: Sequence[Value], node: Value) -> list[str]:
    """The gradient as the sum, over the paths to the cost, of the products of their slopes."""
    if len(roots) > 1:
        raise ValueError("highlight needs one value to be drawn, the cost: its gradients are shown")
    (cost,) = roots
    name = adjoint(node) if node.label else "the gradient"
    try:
        found = paths(cost, node)
    except ValueError as error:
        if "paths" not in str(error):
            raise
        return [f"{name} came along the thick edges, on more paths than can be listed"]
    total = found[0].product
    for path in found[1:]:
        total = evaluate(ops.add.forward, total, path.product)
    over = "on one path" if len(found) == 1 else f"the sum over {counted(len(found), 'path')}"
    lines = [f"{name} = {short(total)}, {over}:"]
    for path in found[:_TOLD]:
        names = [_stop(node) for node in path.nodes]
        factors = [short(slope) for slope in reversed(path.slopes)] or ["1"]
        lines.append(
            f"    {short(path.product)} = {' × '.join(_elided(factors))} "
            f"along {' → '.join(_elided(names))}"
        )
    return lines + [f"    and {len(found) - _TOLD} more"] * (len(found) > _TOLD)


def _stop(node: Value) -> str:
    return clean(node.label, 12) or ("·" if node.op is None else clean(_symbol(node.op), 12))


def _elided(parts: list[str]) -> list[str]:
    return parts if len(parts) <= 10 else [*parts[:5], "…", *parts[-4:]]


def _box(node: Value, k: int, role: str, is_root: bool, is_lit: bool) -> str:
    style = dict(_STYLES[role])
    wrong = not (is_finite(node.data) and is_finite(node.grad))
    lines = (_value_line(node, wrong), _gradient_line(node))
    if wrong:
        style |= _WRONG
    if not is_lit:
        style |= _DIM
    if is_root:
        style["peripheries"] = "2"
    width, height = lines_box(lines, SIZE, round_shape=style.get("shape") in _ROUND)
    given = {"id": f"n{k}", "class": role, "label": label(*lines)} | style
    given |= {"width": width, "height": height, "tooltip": tooltip(*_hover(node, k, role))}
    return f"n{k}{attributes(given)}"


def _dot(node: Value, k: int, is_lit: bool) -> Iterator[str]:
    """The operation that made a node; nothing for a leaf."""
    if node.op is None:
        return
    symbol = clean(_symbol(node.op), 16)
    width = max(20.0, 1.2 * text_width(symbol, SIZE) + 8) / 72
    given = {"id": f"op{k}", "class": "operation", "label": label(symbol), "shape": "ellipse"}
    given |= _DARK if is_lit else _DARK | _DIM | {"fillcolor": '"#C8C8C8"'}
    given |= {"width": f"{width:.2f}", "height": "0.28", "tooltip": tooltip(made(node))}
    yield f"op{k}{attributes(given)}"


def _symbol(op: Operation) -> str:
    """The operation's symbol as it is printed: ×, −, x²."""
    exponent = op.parameters.get("exponent")
    if op.name == "power_constant" and type(exponent) is int and 0 <= exponent < 100:
        return f"x{superscript(exponent)}"
    return _PRINTED.get(op.symbol, op.symbol)


def _value_line(node: Value, wrong: bool) -> str:
    name = f"{clean(node.label, 24)} = " if node.label else ""
    return f"{'‼ ' if wrong else ''}{name}{short(node.data)}"


def _gradient_line(node: Value) -> str:
    name = f"{adjoint(node)} =" if is_weighted_input(node.label) else "grad"
    return f"{name} {gradient(node.grad)}"


def _name(node: Value, k: int) -> str:
    return clean(node.label, 40) or f"n{k}"


def _hover(node: Value, k: int, role: str) -> list[str]:
    how = [] if node.op is None else [clean(made(node), 300)]
    numbers = [f"data {whole(node.data)}", f"grad {gradient(node.grad, whole)}"]
    return [f"{_name(node, k)}: {role}", *how, *numbers]


def _edges(
    node: Value,
    k: int,
    operands: list[int],
    rankdir: str,
    labelled: bool,
    lit: list[bool] | None,
) -> list[str]:
    """From the operands to the operation, each with its local derivative, and on to the result."""
    lines = []
    slopes = _slopes(node)
    for index, (parent, where) in enumerate(zip(node.parents, operands, strict=True)):
        given = {"id": f"e{k}_{index}"}
        if slopes is not None:
            fraction = f"∂({_name(node, k)})/∂({_name(parent, where)})"
            if labelled:
                given["label"] = label(short(slopes[index]))
            given["tooltip"] = tooltip(f"{fraction} = {whole(slopes[index])}")
        if lit is not None:
            given |= _LIT if lit[index] else _DIM
        port = _PORTS[rankdir][index] if len(operands) == 2 and node.op not in _SYMMETRIC else ""
        lines.append(f"n{where} -> op{k}{port}{attributes(given)}")
    given = {"id": f"e{k}"}
    if lit is not None:
        given |= _LIT if any(lit) else _DIM
    return [*lines, f"op{k} -> n{k}{attributes(given)}"]


def _slopes(node: Value) -> tuple[Number, ...] | None:
    """The local derivatives; None where the rule fails: a picture may well show why."""
    try:
        return node.partials()
    except Exception:
        return None


def _clustered(where: list[tuple[int, int] | None], boxes: list[list[str]]) -> Iterator[str]:
    """The boxes, those of a neuron in a frame, the neurons of a layer in another."""
    layers: dict[int, dict[int, list[str]]] = {}
    for home, box in zip(where, boxes, strict=True):
        if home is None:
            yield from box
        else:
            layers.setdefault(home[0], {}).setdefault(home[1], []).extend(box)
    for l in sorted(layers):
        name = "input" if l == 0 else f"layer {l}"
        yield f"subgraph cluster_{l} {{"
        yield f"\tgraph{attributes({'label': label(name), 'tooltip': tooltip(name)} | _LAYER)}"
        for j in sorted(layers[l]):
            if l == 0:
                yield from (f"\t{box}" for box in layers[l][j])
                continue
            name = f"neuron {j}"
            given = {"label": label(name), "tooltip": tooltip(f"{name} of layer {l}")} | _NEURON
            yield f"\tsubgraph cluster_{l}_{j} {{"
            yield f"\t\tgraph{attributes(given)}"
            yield from (f"\t\t{box}" for box in layers[l][j])
            yield "\t}"
        yield "}"


def _key(order: Sequence[Value], what: Sequence[str], labelled: bool) -> list[str]:
    """What the shapes and numbers mean."""
    found = [f"{role} {_SHAPES[role]}" for role in ROLES if role in what]
    lines = [", ".join(found) + "; the result has a double line"]
    if all(is_untouched(node.grad) for node in order):
        return [*lines, "not differentiated yet: call backward(), then draw"]
    where = "on the edges" if labelled else "where the pointer rests on an edge"
    return [*lines, f"{where}: the local derivative"]
