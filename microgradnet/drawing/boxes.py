"""What stands for nodes in a picture: shapes and colours by role, numbers, hover titles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from microgradnet.arithmetic import Number
from microgradnet.drawing.dot import SIZE, attributes, clean, label, lines_box, tooltip
from microgradnet.engine import Value, is_unset
from microgradnet.numerals import numeral

__all__ = [
    "DIM",
    "LIT",
    "STYLES",
    "WRONG",
    "frame",
    "gradient",
    "name_of",
    "shapes",
    "statement",
]

# The colours of Okabe and Ito, the fills lightened; a shape of its own for each role besides.
STYLES: dict[str, dict[str, str]] = {
    "input": {"shape": "ellipse", "color": '"#0072B2"', "fillcolor": '"#DCEBF7"'},
    "target": {"shape": "hexagon", "color": '"#009E73"', "fillcolor": '"#D6EFE6"'},
    "parameter": {"style": "filled", "color": '"#E69F00"', "fillcolor": '"#FCEBC8"'},
    "constant": {"style": '"filled,dashed"', "color": '"#777777"', "fillcolor": '"#F4F4F4"'},
    "computed": {},
}
_SHAPES = {
    "input": "ellipse",
    "target": "hexagon",
    "parameter": "box",
    "constant": "dashed",
    "computed": "rounded",
}
_ROUND = ("ellipse", "hexagon")
WRONG = {"color": '"#D55E00"', "fillcolor": '"#FBDCCB"', "penwidth": "2.5"}
LIT = {"color": '"#0072B2"', "fontcolor": '"#0072B2"', "penwidth": "2.5"}
DIM = {"color": '"#C8C8C8"', "fontcolor": '"#A0A0A0"'}
_FRAME = {"style": '"rounded,filled"', "color": '"#DDDDDD"', "fillcolor": '"#FAFAFA"'}


def statement(
    name: str, kind: str, lines: Sequence[str], hover: Sequence[str], style: Mapping[str, str]
) -> str:
    """Write what stands for one or more nodes: lines of text in a shape, with a hover title."""
    width, height = lines_box(lines, SIZE, round_shape=style.get("shape") in _ROUND)
    own = {"id": name.strip('"'), "class": kind, "label": label(*lines)}
    size = {"width": width, "height": height, "tooltip": tooltip(*hover)}
    return f"{name}{attributes({**own, **style, **size})}"


def gradient(x: Number, write: Callable[[Number], str] = numeral) -> str:
    """Write a gradient; "not yet" where no backward pass has been.

    >>> gradient(Value(1.0).grad), gradient(0.0)
    ('not yet', '0')
    """
    return "not yet" if is_unset(x) else write(x)


def name_of(node: Value, k: int) -> str:
    """Return a node's label, or what it is called in the text."""
    return clean(node.label, 40) or f"n{k}"


def frame(name: str, title: str, boxes: Iterable[str]) -> Iterator[str]:
    """Put a frame around boxes."""
    own = {"label": label(title), "tooltip": tooltip(title)}
    yield f"subgraph cluster_{name} {{"
    yield f"\tgraph{attributes(own | _FRAME)}"
    yield from (f"\t{box}" for box in boxes)
    yield "}"


def shapes(roles: Iterable[str], computed: str = "computed") -> str:
    """Say what the shapes mean, of the roles that are there; `computed` is what else is drawn.

    >>> shapes(["input"])
    'ellipse: input, rounded: computed, double line: the result'
    """
    there = {*roles, "computed"}
    named = [f"{_SHAPES[role]}: {role}" for role in _SHAPES if role in there and role != "computed"]
    return ", ".join([*named, f"{_SHAPES['computed']}: {computed}", "double line: the result"])
