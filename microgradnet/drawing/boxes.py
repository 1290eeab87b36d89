"""The box of a node: its shape and colour by role, its number and gradient, its hover title."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from microgradnet.arithmetic import Number
from microgradnet.drawing.dot import SIZE, attributes, clean, label, lines_box, tooltip
from microgradnet.engine import Value, is_unset
from microgradnet.explanation import adjoint, made
from microgradnet.notation import is_weighted_input, superscript
from microgradnet.numerals import numeral, whole
from microgradnet.operation import Operation
from microgradnet.roles import ROLES

__all__ = [
    "DIM",
    "LIT",
    "ROUND",
    "STYLES",
    "WRONG",
    "box",
    "frame",
    "gradient",
    "gradient_line",
    "hover",
    "name_of",
    "shapes",
    "symbol",
    "value_line",
]

# The colours of Okabe and Ito, the fills lightened; a shape of its own for each role besides.
STYLES: dict[str, dict[str, str]] = {
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
ROUND = ("ellipse", "hexagon")
WRONG = {"color": '"#D55E00"', "fillcolor": '"#FBDCCB"', "penwidth": "2.5"}
LIT = {"color": '"#0072B2"', "fontcolor": '"#0072B2"', "penwidth": "2.5"}
DIM = {"color": '"#C8C8C8"', "fontcolor": '"#A0A0A0"'}
_FRAME = {"style": '"rounded,filled"', "color": '"#DDDDDD"', "fillcolor": '"#FAFAFA"'}
_PRINTED = {"*": "×", "-": "−"}


def box(
    node: Value,
    k: int,
    role: str,
    *,
    is_root: bool,
    is_lit: bool,
    is_start: bool,
    is_wrong: bool,
) -> str:
    """A node as a statement; it is called n{k}.

    is_root   whether it is what the graph computes
    is_lit    whether it lies on the paths shown, or none are shown
    is_start  whether it is where the paths shown begin
    is_wrong  whether an error names it, or it is not finite
    """
    style = dict(STYLES[role])
    lines = (value_line(node, is_wrong), gradient_line(node))
    if is_wrong:
        style |= WRONG
    if not is_lit:
        style |= DIM
    if is_start:
        style["penwidth"] = "2.5"
    if is_root:
        style["peripheries"] = "2"
    width, height = lines_box(lines, SIZE, round_shape=style.get("shape") in ROUND)
    given = {"id": f"n{k}", "class": role, "label": label(*lines)} | style
    given |= {"width": width, "height": height, "tooltip": tooltip(*hover(node, k, role))}
    return f"n{k}{attributes(given)}"


def symbol(op: Operation) -> str:
    """The operation's symbol as it is printed: ×, −, x²."""
    exponent = op.parameters.get("exponent")
    if op.name == "power_constant" and type(exponent) is int and 0 <= exponent < 100:
        return f"x{superscript(exponent)}"
    return _PRINTED.get(op.symbol, op.symbol)


def value_line(node: Value, wrong: bool) -> str:
    """W = 0.5, with a sign where something about it is not finite."""
    name = f"{clean(node.label, 24)} = " if node.label else ""
    return f"{'‼ ' if wrong else ''}{name}{numeral(node.data)}"


def gradient_line(node: Value) -> str:
    """Grad 2, or δ¹₁ = 2: not yet, where no backward pass has been."""
    name = f"{adjoint(node)} =" if is_weighted_input(node.label) else "grad"
    return f"{name} {gradient(node.grad)}"


def gradient(x: Number, write: Callable[[Number], str] = numeral) -> str:
    """A gradient; "not yet" where no backward pass has been.

    >>> gradient(Value(1.0).grad), gradient(0.0)
    ('not yet', '0')
    """
    return "not yet" if is_unset(x) else write(x)


def name_of(node: Value, k: int) -> str:
    """A node's label, or what it is called in the text."""
    return clean(node.label, 40) or f"n{k}"


def hover(node: Value, k: int, role: str) -> list[str]:
    """The lines of a node's hover title, with all digits."""
    how = [] if node.op is None else [clean(made(node), 300)]
    numbers = [f"data {whole(node.data)}", f"grad {gradient(node.grad, whole)}"]
    return [f"{name_of(node, k)}: {role}", *how, *numbers]


def frame(name: str, title: str, boxes: Iterable[str]) -> Iterator[str]:
    """Boxes with a frame around them."""
    given = {"label": label(title), "tooltip": tooltip(title)} | _FRAME
    yield f"subgraph cluster_{name} {{"
    yield f"\tgraph{attributes(given)}"
    yield from (f"\t{box}" for box in boxes)
    yield "}"


def shapes(roles: Iterable[str], computed: str = "computed") -> str:
    """Say what the shapes mean, of the roles that are there; `computed` is what else is drawn.

    >>> shapes(["input"])
    'ellipse: input, rounded: computed, double line: the result'
    """
    there = {*roles, "computed"}
    named = [f"{_SHAPES[role]}: {role}" for role in ROLES if role in there and role != "computed"]
    return ", ".join([*named, f"{_SHAPES['computed']}: {computed}", "double line: the result"])
