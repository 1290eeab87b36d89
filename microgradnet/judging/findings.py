"""What a judge says: findings of what was tried, and the known mistakes that explain them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["FAILED", "Diagnosis", "Finding", "Mistake", "Verdict"]

Verdict: TypeAlias = Literal["right", "convention", "wrong", "raises", "stopped", "absent"]
"""convention: mathematics leaves it open, or no float formula reaches it. absent: there is no such
operation or behaviour to judge. stopped: it took more steps, time or depth than allowed."""

FAILED: tuple[Verdict, ...] = ("wrong", "raises", "stopped")


@dataclass(frozen=True)
class Finding:
    """One operation, behaviour or equation, and what was found at its worst input."""

    part: str
    """What points are given for: values, derivatives, second derivatives, graphs, networks, BP1."""
    of: str
    verdict: Verdict
    at: str = ""
    got: str = ""
    want: str = ""
    ulps: float | None = None
    """The difference in units in the last place of what is right."""
    note: str = ""

    @property
    def failed(self) -> bool:
        """Whether it costs points."""
        return self.verdict in FAILED


@dataclass(frozen=True)
class Mistake:
    """A classical mistake."""

    name: str
    """The key in JSON: it stays when a title is written anew."""
    title: str
    why: str
    """What goes wrong, in a sentence or two."""
    mending: tuple[str, str]
    """The line as it is often written, and the line that is right."""
    picture: Callable[[], Any]
    """Makes the picture that explains it, when it is asked for."""


@dataclass(frozen=True)
class Diagnosis:
    """A mistake that predicts the numbers found."""

    mistake: Mistake
    where: str
    """The operations, the behaviour or the layer that show it."""
    evidence: str
    """The numbers, in a sentence: what was got, what is right, what the mistake predicts."""
