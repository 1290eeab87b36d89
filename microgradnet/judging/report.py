"""The report of a judge."""

from __future__ import annotations

from dataclasses import dataclass

from microgradnet.judging.findings import Diagnosis, Finding

__all__ = ["Judgement"]


@dataclass(frozen=True)
class Judgement:
    """What was judged, every finding, and the mistakes that explain those that failed."""

    subject: str
    kind: str
    """engine, function, backprop or step."""
    findings: tuple[Finding, ...]
    diagnoses: tuple[Diagnosis, ...]
    hints: bool = True
    seed: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not any(finding.failed for finding in self.findings)
