"""The result of `certify`: the nearest floats, and how far from them the floats are."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from microgradnet.notation import counted, symbol
from microgradnet.numerals import full_numeral, numeral, percent
from microgradnet.tables import Cell, Table, Tabular

__all__ = ["Certificate", "Numbers", "Uncertain"]

_ROWS = 10
"""So many nodes are in the table, the worst ones."""


class Uncertain(NamedTuple):
    """Hold what is known of a number whose nearest float is not certain."""

    lower: float
    upper: float
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class Numbers(Mapping[Any, "float | None"]):
    """Map each node to the float nearest to its true number; to None where that is not certain."""

    nodes: Sequence[Any]
    floats: Sequence[float]
    """What the floats have, node by node; a number of another kind is rounded to one."""
    nearest: Sequence[float | None]
    uncertain: Mapping[int, Uncertain]
    """What is not certain, by the node's place in `nodes`."""
    places: Mapping[Any, int]
    """Where each node is in `nodes`."""

    def __repr__(self) -> str:
        return f"<numbers: {self.summary}>"

    def __getitem__(self, node: Any) -> float | None:
        return self.nearest[self.places[node]]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def ulps(self, node: Any) -> float | None:
        """Count the units in the last place from a node's float to the nearest.

        0 says that the float is the nearest, inf that one of the two is infinite or NaN, None that
        the nearest is not certain.
        """
        return self.ulps_at(self.places[node])

    def ulps_at(self, place: int) -> float | None:
        """Return `ulps` of the node in that place."""
        got, want = self.floats[place], self.nearest[place]
        if want is None:
            return None
        if got == want:
            return 0.0
        apart = abs(got - want)
        return apart / math.ulp(want) if apart < math.inf else math.inf

    @property
    def certified(self) -> int:
        """Count the numbers whose nearest float is proven."""
        return len(self.nodes) - len(self.uncertain)

    @property
    def right(self) -> int:
        """Count the floats that are the nearest."""
        return sum(map(operator.eq, self.floats, self.nearest))

    @property
    def worst(self) -> float:
        """Return the most units in the last place that a float is off, of those certified."""
        return max(filter(None, map(self.ulps_at, range(len(self.nodes)))), default=0.0)

    @property
    def summary(self) -> str:
        """Say in a sentence how the floats did."""
        beyond = sum(number is not None and abs(number) == math.inf for number in self.nearest)
        share = percent(self.right / self.certified if self.certified else None)
        return (
            f"{self.certified:,} of {len(self):,} proven"
            + f", {beyond:,} beyond the largest float" * bool(beyond)
            + f"; {self.right:,} floats are the nearest" * bool(share)
            + f" ({share}), the worst {_counted_ulps(self.worst)} ulps off" * bool(share)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `summary` says as data."""
        return {
            "certified": self.certified,
            "nearest": self.right,
            "worst_ulps": _json(self.worst),
        }


def _counted_ulps(ulps: float | None) -> str:
    return "?" if ulps is None else f"{ulps:,.0f}" if ulps < 1e6 else numeral(ulps, 3)


@dataclass(frozen=True, repr=False)
class Certificate(Tabular):
    """Hold the nearest float of every number and gradient below a cost.

    `values[node]` and `gradients[node]` are the floats, None where none is certain.
    """

    nodes: Sequence[Any]
    """The nodes below the cost, parents first."""
    values: Numbers
    gradients: Numbers
    bits: int
    """The precision at which the last of the numbers were certain, or given up."""
    library: str

    def __repr__(self) -> str:
        done = self.values.certified + self.gradients.certified
        return f"<certificate of {done:,} of {2 * len(self.nodes):,} numbers, {self.bits} bits>"

    @property
    def ok(self) -> bool:
        """Tell whether every number is certified. It says nothing of the floats."""
        return not (self.values.uncertain or self.gradients.uncertain)

    @property
    def title(self) -> str:
        """Describe what was certified, and how the floats did."""
        return (
            f"{counted(len(self.nodes), 'node')}, at {self.bits} bits of {self.library}\n"
            f"values: {self.values.summary}\ngradients: {self.gradients.summary}"
        )

    @property
    def verdict(self) -> str:
        """Say the outcome in a line."""
        total = 2 * len(self.nodes)
        if self.ok:
            return f"All {total:,} numbers are proven: no float is nearer to the true ones."
        open_ = [*self.values.uncertain.values(), *self.gradients.uncertain.values()]
        reasons = list(dict.fromkeys(each.reason for each in open_))
        more = f" and {counted(len(reasons) - 1, 'more reason')}" if len(reasons) > 1 else ""
        return f"NOT proven: {len(open_):,} of {total:,} numbers. {reasons[0]}{more}"

    @property
    def table(self) -> Table:
        """Tabulate the worst nodes: what is not proven, then the floats that are furthest off."""
        wrong = [place for place in range(len(self.nodes)) if any(self._badness(place))]
        worst = sorted(wrong, key=self._badness, reverse=True)[:_ROWS]
        return Table(_HEADINGS, list(map(self._cells, worst)), left=_LEFT, optional=_OPTIONAL)

    def _badness(self, place: int) -> tuple[int, float]:
        both = [self.values.ulps_at(place), self.gradients.ulps_at(place)]
        return both.count(None), max((x for x in both if x is not None), default=0.0)

    def _cells(self, place: int) -> list[Cell]:
        cells: list[Cell] = [str(place + 1), self._name(place)]
        reason = ""
        for numbers in (self.values, self.gradients):
            nearest, ulps = numbers.nearest[place], numbers.ulps_at(place)
            if nearest is not None:
                cells += [full_numeral(nearest), _counted_ulps(ulps)]
                continue
            open_ = numbers.uncertain[place]
            reason = reason or open_.reason
            cells += [(f"{numeral(open_.lower)} to {numeral(open_.upper)}", "bad"), ("?", "bad")]
        return [*cells, (reason, "bad")]

    def _name(self, place: int) -> str:
        node = self.nodes[place]
        return node.label or ("leaf" if node.op is None else symbol(node.op))

    def to_json(self) -> str:
        """Write everything as JSON; numbers that are not finite become strings ("nan", "inf")."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, as `to_json` writes it."""
        return {
            "ok": self.ok,
            "bits": self.bits,
            "library": self.library,
            "values": self.values.to_dict(),
            "gradients": self.gradients.to_dict(),
            "nodes": [self._node(place) for place in range(len(self.nodes))],
        }

    def _node(self, place: int) -> dict[str, Any]:
        row: dict[str, Any] = {"name": self._name(place)}
        for name, numbers in (("value", self.values), ("gradient", self.gradients)):
            row[name] = {
                "float": _json(numbers.floats[place]),
                "nearest": _json(numbers.nearest[place]),
                "ulps": _json(numbers.ulps_at(place)),
            }
            if place in numbers.uncertain:
                lower, upper, reason = numbers.uncertain[place]
                row[name] |= {"lower": _json(lower), "upper": _json(upper), "reason": reason}
        return row


_HEADINGS = ("node", "name", "value", "ulps", "gradient", "its ulps", "why not")
_LEFT = ("name", "why not")
_OPTIONAL = ("why not", "node", "value", "gradient")


def _json(x: float | None) -> float | str | None:
    return x if x is None or x - x == 0 else str(x)
