"""The report of a judge: a table, the mistakes behind it, points, and JSON for graders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from textwrap import fill
from typing import Any

from microgradnet.judging.findings import Diagnosis, Finding
from microgradnet.notation import counted, printable
from microgradnet.numerals import numeral
from microgradnet.tables import Cell, Table, Tabular

__all__ = ["SCHEMA", "Judgement"]

SCHEMA = "microgradnet.judgement/1"
"""The schema of the JSON: keys may be added; the number grows when one goes or changes meaning."""


@dataclass(frozen=True)
class Judgement(Tabular):
    """What was judged, every finding, and the mistakes that explain those that failed.

    >>> finding = Finding("BP3", "∂C/∂b = δ", "wrong", "layer 1", "0.5", "0.25", 4.5e15)
    >>> print(Judgement("mine", "backprop", (finding,), (), hints=False))
    mine, judged as a backprop
    judged     part  verdict  at       got  right    ulps
    ∂C/∂b = δ  BP3   ✗ wrong  layer 1  0.5   0.25  4.5e15
    1 of 1 is not right: ∂C/∂b = δ.
    Points: BP3 0 of 1.
    """

    subject: str
    kind: str
    """engine, function, backprop or step."""
    findings: tuple[Finding, ...]
    diagnoses: tuple[Diagnosis, ...]
    hints: bool = True
    """Whether the report names mistakes, how to mend them and their pictures."""
    seed: int = 0
    reading: str = ""
    """How the subject was read: its form, and the convention that it was judged by."""

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that cost points."""
        return tuple(finding for finding in self.findings if finding.failed)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failed

    @property
    def points(self) -> dict[str, tuple[int, int]]:
        """For each part how many of its findings are right, and how many there are.

        A convention is right. What a subject does not have counts neither way.
        """
        points: dict[str, tuple[int, int]] = {}
        for finding in self.findings:
            if finding.verdict != "absent":
                right, tried = points.get(finding.part, (0, 0))
                points[finding.part] = right + (not finding.failed), tried + 1
        return points

    @property
    def score(self) -> float:
        """The mean over the parts of the share that is right; 0 where nothing was judged."""
        shares = [right / tried for right, tried in self.points.values()]
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def pictures(self) -> dict[str, Any]:
        """The pictures that explain the mistakes, by the mistakes' names; none without hints."""
        return {each.mistake.name: each.mistake.picture() for each in self._named}

    def to_json(self) -> str:
        """Write the report as JSON, by the schema that it names: see the guide for teachers.

        Numbers are texts, as Python writes them, for JSON has neither NaN nor infinities.
        """
        points = {part: {"right": n, "of": m} for part, (n, m) in self.points.items()}
        report = {
            "schema": SCHEMA,
            "subject": self.subject,
            "kind": self.kind,
            "reading": self.reading,
            "seed": self.seed,
            "ok": self.ok,
            "score": round(self.score, 6),
            "points": points,
            "findings": [
                {**asdict(each), "ulps": None if each.ulps is None else str(each.ulps)}
                for each in self.findings
            ],
            "diagnoses": [
                {
                    "mistake": each.mistake.name,
                    "title": each.mistake.title,
                    "why": each.mistake.why,
                    "wrong": each.mistake.mending[0],
                    "right": each.mistake.mending[1],
                    "where": each.where,
                    "evidence": each.evidence,
                }
                for each in self._named
            ],
        }
        return json.dumps(report, ensure_ascii=False, indent=2)

    def __str__(self) -> str:
        verdict = "\n".join(map(_wrapped, self.verdict.split("\n")))
        return f"{self.title}\n{self.table}\n{verdict}"

    @property
    def title(self) -> str:
        """Say what was judged, and how it was read."""
        article = "an" if self.kind[0] in "aeiou" else "a"
        read = f"\n{self.reading}" if self.reading else ""
        return f"{printable(self.subject)}, judged as {article} {self.kind}{read}"

    @property
    def table(self) -> Table:
        """A row a finding; one for an operation's parts that are right, one after the other.

        What the subject does not have is left to the verdict.
        """
        judged = [each for each in self.findings if each.verdict != "absent"]
        alike = groupby(judged, key=lambda each: (each.of, each.verdict == "right" or id(each)))
        rows = [_cells([*group]) for _, group in alike]
        return Table(_HEADINGS, rows, left=_LEFT, optional=_OPTIONAL)

    @property
    def verdict(self) -> str:
        """Say the outcome, then each mistake with the two lines that mend it."""
        return "\n".join([self._summary, *self._notes, *self._explanations])

    @property
    def _named(self) -> tuple[Diagnosis, ...]:
        return self.diagnoses if self.hints else ()

    @property
    def _summary(self) -> str:
        judged = [each for each in self.findings if each.verdict != "absent"]
        if not judged:
            return "Nothing was judged."
        points = ", ".join(f"{part} {n} of {m}" for part, (n, m) in self.points.items())
        names = ", ".join(dict.fromkeys(each.of for each in self.failed))
        are = "is" if len(self.failed) == 1 else "are"
        said = f"{len(self.failed)} of {len(judged)} {are} not right: {names}."
        if self.ok:
            said = f"Right: all {counted(len(judged), 'finding')}."
        return f"{said}\nPoints: {points}."

    @property
    def _notes(self) -> Iterator[str]:
        absent = [each.of for each in self.findings if each.verdict == "absent"]
        if absent:
            yield f"Not there, so not judged: {', '.join(absent)}."
        notes: dict[str, str] = {}
        for each in self.findings:
            if each.note:
                notes.setdefault(each.note, each.of)
            if each.failed and len(each.got) > _ROOM:
                notes.setdefault(" ".join(each.got.split()), each.of)
        yield from (printable(f"{of}: {note}") for note, of in notes.items())

    @property
    def _explanations(self) -> Iterator[str]:
        for each in self._named:
            wrong, right = each.mistake.mending
            where = f" ({each.where})" if each.where else ""
            yield f"\n✗ {each.mistake.title}{where}"
            yield f"  {each.mistake.why} {each.evidence}".rstrip()
            for sign, lines in ("−", wrong), ("+", right):
                yield f"    {sign} " + lines.replace("\n", "\n      ")
        if self.hints and self._unexplained:
            names = ", ".join(self._unexplained) if self.diagnoses else "these numbers"
            yield f"\nNone of the known mistakes predicts {names}."

    @property
    def _unexplained(self) -> list[str]:
        """What is wrong and no mistake explains: an operation, where the others are explained."""
        wrong = [each for each in self.findings if each.verdict == "wrong"]
        if self.diagnoses:
            places = {place for each in self.diagnoses for place in each.where.split(", ")}
            wrong = [each for each in wrong if each.part in _PARTS and each.of not in places]
        return list(dict.fromkeys(each.of for each in wrong))


_HEADINGS = ("judged", "part", "verdict", "at", "got", "right", "ulps")
_LEFT = ("judged", "part", "verdict", "at")
_OPTIONAL = ("ulps", "at", "right", "got", "part")
_SIGNS = {"right": ("✓", "good"), "convention": ("✓ convention", "good")}
_PARTS = {"values": "value", "derivatives": "f′", "second derivatives": "f″"}
"""What a row calls these parts."""


def _cells(alike: Sequence[Finding]) -> list[Cell]:
    """Write findings that differ in their parts alone."""
    finding = alike[0]
    part = ", ".join(_PARTS.get(each.part, each.part) for each in alike)
    ulps = "" if finding.ulps is None else numeral(finding.ulps, 2)
    texts = [_short(each) for each in (finding.at, finding.got, finding.want)]
    if not finding.failed:
        return [finding.of, part, _SIGNS[finding.verdict], *texts, ulps]
    return [(text, "bad") for text in (finding.of, part, f"✗ {finding.verdict}", *texts, ulps)]


def _short(text: str) -> str:
    line = printable(text).replace("\n", " ")
    return line if len(line) <= _ROOM else f"{line[: _ROOM - 1]}…"


_ROOM = 44


def _wrapped(line: str) -> str:
    """Break a line, every part of it as far from the left."""
    indent = line[: len(line) - len(line.lstrip())]
    return fill(line, 96, subsequent_indent=indent)
