"""Tables: rows and columns of texts, plain, for a terminal and for a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeAlias
from unicodedata import combining, east_asian_width

__all__ = ["Cell", "Table", "Tabular"]

Cell: TypeAlias = "str | tuple[str, str]"
"""A text, or a text with its mark: good, bad or dim."""

_RICH = {"": "", "good": "green", "bad": "bold red", "dim": "dim"}
_CSS = {
    "": "",
    "good": ";color:#1b7f3b",
    "bad": ";color:#b00020;font-weight:bold",
    "dim": ";opacity:.6",
}


@dataclass(frozen=True)
class Table:
    """Lay out rows of texts under headings. A column without any entry is left out.

    left      the columns that are flush left; numbers are flush right
    optional  the columns to leave out where a terminal has no room for all, the first one first:
              none is cut
    gap       the blanks between columns

    >>> print(Table(["layer", "size"], [["1", "0.25"], ["10", "3"]]))
    layer  size
        1  0.25
       10     3
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    left: Collection[str] = ()
    optional: Sequence[str] = ()
    gap: int = 2

    def __str__(self) -> str:
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self._lines())

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.text import Text

        for k, line in enumerate(self._lines(options.max_width)):
            styled = [(text, _RICH[mark] if k else "bold") for text, mark in line]
            yield Text.assemble(*styled, no_wrap=True, overflow="ellipsis")

    def _repr_html_(self) -> str:
        columns = self._columns()
        body = ["".join(self._td(row[k], k) for k in columns) for row in self.rows]
        head = "".join(f"<th>{escape(self.headings[k])}</th>" for k in columns)
        rows = "".join(f"<tr>{row}</tr>" for row in body)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _td(self, cell: Cell, column: int) -> str:
        text, mark = _parts(cell)
        align = "left" if self.headings[column] in self.left else "right"
        style = f' style="text-align:{align}{_CSS[mark]}"'
        return f"<td{style}>{escape(text)}</td>"

    def _lines(self, room: float = float("inf")) -> Iterator[list[tuple[str, str]]]:
        """Lay out the headings, then the rows: cells with their blanks and marks."""
        lines = [self.headings, *self.rows]
        widths = {k: max(_width(_parts(row[k])[0]) for row in lines) for k in self._columns()}
        for heading in self.optional:
            if sum(widths.values()) + self.gap * (len(widths) - 1) <= room:
                break
            widths.pop(list(self.headings).index(heading), None)
        for row in lines:
            line: list[tuple[str, str]] = []
            for k, width in widths.items():
                text, mark = _parts(row[k])
                blank = " " * (width - _width(text))
                text = text + blank if self.headings[k] in self.left else blank + text
                line.append((" " * self.gap * bool(line) + text, mark))
            yield line

    def _columns(self) -> list[int]:
        return [
            k for k, _ in enumerate(self.headings) if any(_parts(row[k])[0] for row in self.rows)
        ]


class Tabular(ABC):
    """Read as a table, with a title above it and a verdict below."""

    @property
    def title(self) -> str:
        """Write what stands above the table; "" for nothing."""
        return ""

    @property
    @abstractmethod
    def table(self) -> Table:
        """Lay out the result as rows and columns."""

    @property
    def verdict(self) -> str:
        """Write what stands below the table; "" for nothing."""
        return ""

    @property
    def ok(self) -> bool | None:
        """Tell whether the verdict is a good one; None where it is neither."""
        return None

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.title, str(self.table), self.verdict)))

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.text import Text

        style = {None: "", True: "bold green", False: "bold red"}[self.ok]
        yield from [Text(self.title)] * bool(self.title)
        yield self.table
        yield from [Text(self.verdict, style=style)] * bool(self.verdict)

    def _repr_html_(self) -> str:
        title, verdict = (escape(text).replace("\n", "<br>") for text in (self.title, self.verdict))
        above, below = f"<p>{title}</p>" * bool(title), f"<p><b>{verdict}</b></p>" * bool(verdict)
        return above + self.table._repr_html_() + below


def _parts(cell: Cell) -> tuple[str, str]:
    return (cell, "") if isinstance(cell, str) else cell


def _width(text: str) -> int:
    """Count the columns that a text takes in a terminal."""
    return sum((1 + (east_asian_width(c) in "WF")) * (not combining(c)) for c in text)
