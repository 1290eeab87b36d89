"""What differs at kinks and edges: value and slopes of ours beside those of other libraries.

At a kink, at the end of a domain, where a branch is not taken or a function is flat to the last
digit, mathematics leaves the derivative open or floats do not reach it. Each library has decided
for itself. `conventions()` is the table of what each was found to give, by the spelling in its own
words and in the version named: it is data, for the tests hold ours to it and
`python tests/benchmarks/peers.py --conventions` asks the libraries again.

>>> [row] = [row for row in conventions().rows if (row.of, row.at) == ("abs(x)", (0.0,))]
>>> {library: numbers["∂x"] for library, numbers in row.numbers.items()}["JAX"]
'1.0'
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from microgradnet.tables import Table, Tabular

__all__ = ["LIBRARIES", "Convention", "Conventions", "conventions"]

LIBRARIES = ("microgradnet", "PyTorch", "JAX", "autograd", "MyGrad", "CasADi")


@dataclass(frozen=True)
class Convention:
    """Hold what each library gives for one expression at one point."""

    of: str
    at: tuple[float, ...]
    """x, or x and y."""
    asked: tuple[str, ...]
    """The quantities: value, ∂x, ∂y, ∂²x."""
    spelled: Mapping[str, str]
    """The expression in the words of each library that has it."""
    numbers: Mapping[str, Mapping[str, str]]
    """Each library's numbers by quantity, as `repr` writes floats.

    "0.0, forward nan" where reverse mode and forward mode of one library differ.
    """


@dataclass(frozen=True)
class Conventions(Tabular):
    """Hold the table; `print` shows it."""

    versions: Mapping[str, str]
    rows: tuple[Convention, ...]

    @property
    def title(self) -> str:
        """Name the libraries' versions."""
        return ", ".join(f"{library} {version}" for library, version in self.versions.items())

    @property
    def table(self) -> Table:
        """Tabulate each quantity; – where a library has no such function or derivative."""
        lines = [
            [
                row.of,
                ", ".join(f"{x:g}" for x in row.at),
                quantity,
                *(_short(row.numbers.get(library, {}).get(quantity)) for library in LIBRARIES),
            ]
            for row in self.rows
            for quantity in row.asked
        ]
        headings = ("expression", "at", "of it")
        return Table([*headings, *LIBRARIES], lines, left=headings)

    def markdown(self) -> str:
        """Write the same as a page: `table.md` beside this file."""
        table = self.table
        lines = [table.headings, ["---"] * len(table.headings), *table.rows]
        rows = (
            "| " + " | ".join(str(x).replace("|", r"\|") for x in line) + " |" for line in lines
        )
        return "\n".join(
            ["# What differs at kinks and edges", "", _LEGEND, "", self.title, "", *rows]
        )


def conventions() -> Conventions:
    """Return the table of conventions at kinks and edges, as stored in the package.

    >>> len(conventions().rows) > 40
    True
    """
    text = (files(__package__) / "table.json").read_text(encoding="utf-8")
    stored: dict[str, Any] = json.loads(text)
    rows = (
        Convention(
            row["of"],
            tuple(map(float, row["at"].split())),
            tuple(row["asked"]),
            row["spelled"],
            row["numbers"],
        )
        for row in stored["rows"]
    )
    return Conventions(stored["versions"], tuple(rows))


_LEGEND = """\
What each library gives for the value, the first derivatives ∂x and ∂y, and the second one ∂²x, as
found by `python tests/benchmarks/peers.py --conventions`; `table.json` has the spelling of each
expression in each library. "nan, forward 0": reverse mode gives NaN and forward mode 0. –: the
library has no such function or derivative."""


def _short(number: str | None) -> str:
    if number is None:
        return "–"
    return ", forward ".join(f"{float(x):.6g}" for x in number.split(", forward "))
