"""The report of `verify`: a row an equation, as a table, as JSON and in a sentence."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from microgradnet.notation import counted
from microgradnet.numerals import numeral
from microgradnet.tables import Cell, Table, Tabular

__all__ = ["Report", "Row"]


@dataclass(frozen=True)
class Row:
    """Hold one equation of one layer, over all examples and steps.

    difference, bound and ulps belong to the worst entry. It has the largest ratio of difference to
    bound; of equal ratios, the largest difference, then the largest bound. Wrong entries are worse
    than undefined ones, and these worse than entries that hold. In rationals the bound is 0.
    """

    equation: str
    """forward, cost, BP1 to BP4, update, or chain: the chain rule, at every node of one graph."""
    layer: int
    """1 to L; 0 for the chain rule."""
    formula: str
    shape: tuple[int, ...]
    difference: float
    """NaN where both sides are: undefined. inf where one side alone is NaN: wrong."""
    bound: float
    """0 where the terms overflow: then only equal numbers are the same."""
    ulps: float
    """The difference in units in the last place of what the equation says (of 0: of 2⁻¹⁰⁷⁴)."""
    end_to_end: float | None
    """The largest difference from the matrix program run by itself; None where it has no such."""
    holds: bool
    """Whether every entry is within its bound."""


@dataclass(frozen=True)
class Report(Tabular):
    """Hold the rows, and what was verified."""

    rows: tuple[Row, ...]
    network: str
    activations: tuple[str, ...]
    cost: str
    examples: int
    steps: int
    parameters: int
    exact: bool
    infinite: tuple[int, ...] = ()
    """The examples whose cost is infinite at some step: their δ may be undefined."""

    @property
    def ok(self) -> bool:
        """Tell whether every row holds, and in rationals also every end-to-end difference is 0."""
        return all(row.holds for row in self.rows) and not (self.exact and self._apart)

    @property
    def _apart(self) -> list[Row]:
        return [row for row in self.rows if row.end_to_end]

    @property
    def title(self) -> str:
        """Describe in two lines what was verified."""
        steps = f"{counted(self.steps, 'step')} of gradient descent"
        return (
            f"{self.network} network of {self.parameters:,} parameters, "
            f"{'-'.join(self.activations)}, {self.cost}\n"
            f"{counted(self.examples, 'example')}, {steps}, "
            f"in {'rationals' if self.exact else 'floats'}"
        )

    @property
    def verdict(self) -> str:
        """Say the outcome in a line."""
        red = [row for row in self.rows if not row.holds]
        undefined = [
            row
            for row in red
            if math.isnan(row.difference) or (self.infinite and math.isinf(row.difference))
        ]
        wrong = [row for row in red if row not in undefined]
        parts = []
        if wrong:
            parts.append(f"NOT the same: {_formulas(wrong)}")
        if undefined:
            parts.append(f"{self._undefined}: {_formulas(undefined)}")
        if parts:
            return ". ".join(parts)
        if self.exact and self._apart:
            names = _formulas(self._apart)
            return f"NOT the same from end to end, though each equation holds: {names}"
        if self.exact:
            return f"The same numbers, exactly: all {len(self.rows)} equations hold."
        return f"The same numbers, within rounding: all {len(self.rows)} equations hold."

    @property
    def _undefined(self) -> str:
        if not self.infinite:
            return "Undefined, not a number"
        first, *others = self.infinite
        more = f" and {len(others)} more" if others else ""
        return f"Undefined, as the cost of example {first}{more} is infinite"

    def to_json(self) -> str:
        """Write the report as JSON; numbers that are not finite become strings ("nan", "inf")."""
        return json.dumps(_finite({**asdict(self), "ok": self.ok}), ensure_ascii=False, indent=2)

    @property
    def table(self) -> Table:
        """Tabulate the report, an equation a row."""
        return Table(_HEADINGS, list(map(_cells, self.rows)), left=_LEFT, optional=_OPTIONAL)


_HEADINGS = (
    "equation", "formula", "shape", "|difference|", "bound", "ulps", "end to end", "holds",
)  # fmt: skip
_LEFT = ("equation", "formula", "holds")
_OPTIONAL = ("end to end", "ulps", "shape", "bound", "equation", "|difference|")


def _cells(row: Row) -> list[Cell]:
    texts = [
        row.equation,
        row.formula,
        "×".join(map(str, row.shape)) or "1",
        numeral(row.difference, 2),
        numeral(row.bound, 2),
        numeral(row.ulps, 3),
        "" if row.end_to_end is None else numeral(row.end_to_end, 2),
    ]
    if row.holds:
        return [*texts, ("✓", "good")]
    return [(text, "bad") for text in (*texts, "✗ no")]


def _formulas(rows: list[Row]) -> str:
    return "; ".join(row.formula for row in rows)


def _finite(x: Any) -> Any:
    """Replace NaN and infinities, which JSON does not have."""
    if isinstance(x, dict):
        return {key: _finite(item) for key, item in x.items()}
    if isinstance(x, (list, tuple)):
        return [_finite(item) for item in x]
    if isinstance(x, float) and x - x != 0:
        return str(x)
    return x
