"""What judges of functions on arrays have in common: read, compare, diagnose, try the habits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from microgradnet.judging.diagnosing import diagnoses
from microgradnet.judging.equations import Compared
from microgradnet.judging.findings import Finding, Verdict
from microgradnet.judging.forms import wanted
from microgradnet.judging.habits import habits
from microgradnet.judging.limits import Limit
from microgradnet.judging.prediction import Model
from microgradnet.judging.reading import Contract, Reading, read
from microgradnet.judging.report import Judgement
from microgradnet.judging.simulation import Convention, cases
from microgradnet.notation import counted

__all__ = ["ArrayJudge"]


@dataclass(frozen=True)
class ArrayJudge:
    """A judge of a `backprop` or of a step.

    kind      backprop or step
    models    the mistakes that it knows
    compared  what of each case is held against a convention
    findings  the rows of the report, by the convention that fits
    """

    kind: str
    models: Sequence[Model]
    compared: Callable[[Reading, Convention], Iterable[Compared]]
    findings: Callable[[Reading, Contract, Convention, Limit], list[Finding]]

    def __call__(
        self, subject: Any, contract: Contract, seed: int, hints: bool, steps: int
    ) -> Judgement:
        """Judge a function or a class."""
        step = self.kind == "step"
        with Limit(steps=steps, seconds=2.0) as limit, np.errstate(all="ignore"):
            reading = read(subject, cases(seed), contract, self.models, limit, step=step)
            convention = self._convention(reading, contract)
            findings = _runs(reading) + self.findings(reading, contract, convention, limit)
            habitual, bad = habits(reading, limit)
        named = diagnoses(reading.explained, reading.observed, step=step)
        return Judgement(
            subject=getattr(subject, "__qualname__", type(subject).__qualname__),
            kind=self.kind,
            findings=(*findings, *habitual),
            diagnoses=(*named, *bad),
            hints=hints,
            seed=seed,
            reading=f"{reading.form}; {convention}",
        )

    def _convention(self, reading: Reading, contract: Contract) -> Convention:
        """Choose the convention that explains the numbers, or else that of fewest wrong ones."""
        if reading.explained:
            return reading.explained[0].convention

        def wrong(convention: Convention) -> int:
            return sum(each.excess > 1 for each in self.compared(reading, convention))

        return min(contract.conventions(common=True), key=wrong)


def _runs(reading: Reading) -> list[Finding]:
    """Say whether the function runs for every network, and what it does not claim to take."""
    failed = [o for o in reading.observed if o.outcome.error]
    findings = [Finding("runs", "every network", "right")]
    if failed:
        first = min(failed, key=lambda o: not o.outcome.stopped)
        examples = counted(len(first.case.X), "example")
        at = f"{first.case.name} network, {examples}"
        verdict: Verdict = "stopped" if first.outcome.stopped else "raises"
        findings = [Finding("runs", "every network", verdict, at, first.outcome.error)]
    if not reading.works:
        return [replace(each, note=wanted(reading.step)) for each in findings]
    if reading.depth is not None:
        note = f"It takes networks of {counted(reading.depth, 'layer')} alone."
        findings.append(Finding("runs", "other depths", "absent", note=note))
    if not reading.batches:
        note = "It takes one example at a time. Say batch='sum' if it is to take several."
        findings.append(Finding("batch", "several examples at once", "absent", note=note))
    return findings
