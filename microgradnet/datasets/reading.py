"""Reading tables of any kind: CSV files, DataFrames, dicts of columns, arrays, rows."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, TypeAlias

__all__ = [
    "Place", "Table", "as_number", "as_numbers", "as_words", "gaps", "read_csv", "refuse_gaps",
]  # fmt: skip

Place: TypeAlias = Callable[[int], str]
"""Of the number of a row, counted from 0: how it is called in a message."""

_MISSING = {"", "?", "-", "na", "n/a", "nan", "null", "none"}
"""What stands in a cell for a number that is not there, in small letters."""


@dataclass(frozen=True)
class Table:
    """Hold columns by name, as they came, and how a row is called in a message."""

    names: list[str]
    columns: list[list[Any]]
    place: Place
    by_place: bool = False
    """Whether the columns have numbers for names."""

    @staticmethod
    def read(table: Any) -> Table:
        """Take a DataFrame, a dict of columns, the path of a CSV file, or rows."""
        if isinstance(table, (str, os.PathLike)):
            return read_csv(Path(table))
        names = getattr(table, "columns", table if isinstance(table, Mapping) else None)
        by_place = names is None
        if names is not None:
            names = list(names)
            columns = [list(table[name]) for name in names]
        else:
            rows = [list(row) for row in table]
            widths = {len(row) for row in rows}
            if len(widths) > 1:
                raise ValueError(f"the rows have {min(widths)} to {max(widths)} cells: all as many")
            names = _numbered(widths.pop() if widths else 0)
            columns = [list(column) for column in zip(*rows, strict=True)]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("the columns are not of one length")
        return Table([str(name) for name in names], columns, lambda n: f"row {n}", by_place)

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def name(self, which: str | int) -> str:
        """Return the name of a column that is given by its name or its place."""
        if isinstance(which, int) and -len(self.names) <= which < len(self.names):
            return self.names[which]
        if which not in self.names:
            raise ValueError(
                f"there is no column {which!r} among {', '.join(map(repr, self.names))}"
            )
        if self.names.count(str(which)) > 1:
            raise ValueError(f"two columns are called {which!r}: give the place of one, as -1")
        return str(which)

    def cells(self, name: str) -> list[Any]:
        """Return a column: numbers as floats, bools and words as they are, None where it lacks."""
        return [_plain(cell) for cell in self.columns[self.names.index(name)]]


def read_csv(
    place: Path,
    delimiter: str | None = None,
    header: bool | None = None,
    decimal: str = ".",
    encoding: str = "utf-8-sig",
) -> Table:
    """Read a file of comma-separated values; the options are those of `from_csv`."""
    try:
        text = place.read_text(encoding=encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{place}: byte {error.start} is no {encoding}: say encoding=, as 'latin-1'"
        ) from None
    first = next((line for line in text.splitlines() if line.strip()), "")
    mark = delimiter or max(",;\t|", key=first.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=mark, skipinitialspace=True)
    lines: list[int] = []
    rows: list[list[Any]] = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                lines.append(reader.line_num)
                rows.append([_plain(cell, decimal) for cell in row])
    except csv.Error as error:
        raise ValueError(f"{place}, line {reader.line_num}: {error}") from None
    if not rows:
        raise ValueError(f"{place} holds no rows")
    if header is None:
        header = not all(as_number(cell) is not None for cell in rows[0] if cell is not None)
    names = [str(cell) for cell in rows[0]] if header else _numbered(len(rows[0]))
    body, lines = (rows[1:], lines[1:]) if header else (rows, lines)
    for row, line in zip(body, lines, strict=True):
        if len(row) != len(names):
            raise ValueError(
                f"{place}, line {line}: {len(row)} cells, where the first line has {len(names)}, "
                f"with {mark!r} between them: say delimiter= if it is another"
            )
    columns = [list(column) for column in zip(*body, strict=True)] or [[] for _ in names]
    return Table(names, columns, lambda n: f"line {lines[n]}", by_place=not header)


def _numbered(count: int) -> list[str]:
    return [f"x{k}" for k in range(1, count + 1)]


def _plain(cell: Any, decimal: str = ".") -> Any:
    """Return a cell as a bool, a number or a word; None for one that is missing."""
    if hasattr(cell, "item"):  # NumPy's
        cell = cell.item()
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in _MISSING:
            return None
        return text.replace(decimal, ".") if decimal != "." and _is_decimal(text, decimal) else text
    if cell is None or cell != cell:  # NaN
        return None
    return cell


def _is_decimal(text: str, decimal: str) -> bool:
    return "." not in text and as_number(text.replace(decimal, ".")) is not None


def as_number(cell: Any) -> float | None:
    """Return the cell as a number; None where it is none."""
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def as_numbers(name: str, column: list[Any], place: Place) -> list[Any]:
    """Read a column as numbers, None where it lacks one; ValueError for what is none."""
    read = [None if cell is None else as_number(cell) for cell in column]
    for n, (x, cell) in enumerate(zip(read, column, strict=True)):
        if cell is not None and (x is None or not math.isfinite(x)):
            raise ValueError(f"{place(n)}: {name} is {cell!r}, which is no finite number")
    return read


def as_words(name: str, column: list[Any], place: Place) -> list[Any]:
    """Read a column as words, None where it lacks one."""
    return [None if cell is None else str(cell) for cell in column]


def gaps(cells: Mapping[str, list[Any]], place: Place) -> dict[int, str]:
    """List the rows that lack a cell, each with the reason."""
    rows = zip(*cells.values(), strict=True)
    return {
        n: f"{place(n)}: {name} is missing"
        for n, row in enumerate(rows)
        for name, cell in zip(cells, row, strict=True)
        if cell is None
    }


def refuse_gaps(lacking: Mapping[int, str], or_else: str = "") -> None:
    """Raise ValueError, which names the first rows, where any lacks a cell."""
    if lacking:
        reasons = list(lacking.values())
        more = f" and {len(reasons) - 4} more" if len(reasons) > 4 else ""
        raise ValueError(f"{'; '.join(reasons[:4])}{more}: fill in what is missing{or_else}")
