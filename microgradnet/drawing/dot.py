"""DOT as text: quoting, attributes, and how wide a text will be.

Whatever a label holds is shown as it is: nothing in it can end a string, begin an escape of
Graphviz's or an HTML entity, or break the XML of an SVG.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from microgradnet.notation import printable

__all__ = [
    "SIZE",
    "SMALL",
    "attributes",
    "clean",
    "document",
    "label",
    "lines_box",
    "text_width",
    "tooltip",
]

SIZE, SMALL = 11, 9
"""The sizes of type, in points."""

_HEAD = """\
graph [rankdir={rankdir} bgcolor=white nodesep=0.18 {settings} pad=0.15 fontname=Helvetica
\t\tfontsize=9 fontcolor="#555555" labelloc=b labeljust=l label={caption} tooltip={tooltip}]
node [shape=box style="filled,rounded" fillcolor=white color="#444444" fontname=Helvetica
\t\tfontsize=11 fixedsize=true]
edge [color="#444444" fontcolor="#444444" fontname=Helvetica fontsize=9 arrowsize=0.6]"""


def clean(text: str, limit: int = 10_000) -> str:
    r"""Put a text on one line, at most so long, of characters that XML can hold.

    >>> clean("a\nb\x00"), clean("x" * 9, limit=4)
    ('a b�', 'xxx…')
    """
    short = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return short if short.isprintable() else printable(short.translate(_SPACES))


_SPACES = dict.fromkeys(map(ord, "\t\n\r\x85\u2028\u2029"), " ")


def label(*lines: str) -> str:
    r"""Quote a label of these lines, each shown as it is.

    >>> print(label('say "\\N"', "a < b & c"))
    "say \"\\N\"\na < b &amp; c"
    """
    return f'"{_NEW_LINE.join(_escaped(line, _BACKSLASH) for line in lines)}"'


def tooltip(*lines: str) -> str:
    """Quote a hover title. Graphviz looks for escapes in it twice, hence backslashes by four."""
    return f'"{_NEW_LINE.join(_escaped(line, 2 * _BACKSLASH) for line in lines)}"'


_NEW_LINE, _BACKSLASH = "\\n", "\\\\"


def _escaped(line: str, backslash: str) -> str:
    return clean(line).replace("&", "&amp;").replace("\\", backslash).replace('"', '\\"')


def attributes(values: Mapping[str, str]) -> str:
    """Put attributes in brackets, in their order; "" for none. Values are quoted already.

    >>> attributes({"shape": "box", "color": '"#000000"'})
    ' [shape=box color="#000000"]'
    """
    written = " ".join(f"{key}={value}" for key, value in values.items())
    return f" [{written}]" if written else ""


def document(
    lines: Iterable[str],
    rankdir: str,
    title: str,
    caption: Sequence[str],
    *,
    settings: str = "ranksep=0.3",
) -> str:
    """Write the text of a picture that reads in this direction, with its caption below it."""
    texts = {"caption": _left(caption), "tooltip": tooltip(title, *caption)}
    head = _HEAD.format(rankdir=rankdir, settings=settings, **texts).split("\n")
    return "\n".join(["digraph {", *(f"\t{line}" for line in (*head, *lines)), "}", ""])


def _left(lines: Sequence[str]) -> str:
    """Quote a label whose lines begin at the left."""
    return '"' + "".join(label(line)[1:-1] + "\\l" for line in lines) + '"'


_WIDTHS = {
    character: width
    for width, characters in {
        191: "'",
        222: "ijl",
        260: "|",
        278: " !,./:;I[\\]ft·",
        333: "-()r`{}⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉ₖⱼˡᵀ′",
        355: '"',
        389: "*",
        500: "Jckxyzsv",
        556: "0123456789#$?_Labdeghnopqu^",
        584: "+<=>~−×÷±",
        611: "FTZ",
        667: "&ABEKPSVXY",
        722: "CDHNRUw",
        778: "GOQ",
        833: "Mm",
        889: "%",
        944: "W",
        1015: "@",
    }.items()
    for character in characters
}
"""The advance widths of Helvetica, in thousandths of its size."""


def text_width(text: str, size: float) -> float:
    """Measure a text in Helvetica, in points; what is not in the table is taken as usual.

    A renderer that measures no fonts counts bytes, and gives a label of sub- and superscripts
    twice the room it needs: so the boxes come with their widths.

    >>> text_width("w = 0.5", 10)
    32.52
    """
    return round(sum(_advances(text)) * size / 1000, 2)


def _advances(text: str) -> Iterator[int]:
    for character in text:
        if unicodedata.combining(character):
            yield 0
        elif unicodedata.east_asian_width(character) in "WF":
            yield 1000
        else:
            yield _WIDTHS.get(character, 600)


def lines_box(lines: Sequence[str], size: float, *, round_shape: bool = False) -> tuple[str, str]:
    """Measure a shape around lines of text: its width and height in inches, in hundredths."""
    width = 1.06 * max(text_width(line, size) for line in lines) + 12
    height = 1.2 * size * len(lines) + 8
    if round_shape:  # an ellipse through the corners of the text
        width, height = 1.3 * width, 1.3 * height
    return f"{max(width, height) / 72:.2f}", f"{height / 72:.2f}"
