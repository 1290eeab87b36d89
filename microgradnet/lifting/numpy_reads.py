"""Which arrays the instruction of a term reads, and in which order terms are computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from microgradnet.lifting.layouts import factors
from microgradnet.lifting.lowering import ACCUMULATE, is_put
from microgradnet.lifting.terms import (
    Affine,
    Leaf,
    Map,
    Mask,
    Scan,
    Softmax,
    State,
    Take,
    Term,
    free_states,
)

__all__ = [
    "Reading",
    "group_of",
    "is_masked",
    "is_renaming",
    "is_window",
    "root_of",
]


class Reading:
    """What the instructions of some terms read.

    states      of each term, those of scans around it that it depends on
    groups      the scans of each recurrence
    widths      how many columns X and Y have, by the role of their leaves
    windowed    inputs of which windows are read
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        self.states = free_states(terms)
        self.groups: dict[Any, list[Scan]] = defaultdict(list)
        self.widths: dict[str, int] = {}
        self.windowed: set[Term] = set()
        self._fixed: set[Term] = set()
        for term in terms:
            given = isinstance(term, (Leaf, State, Scan))
            if not given and self._fixed.issuperset(term.operands):
                self._fixed.add(term)
            if isinstance(term, Scan):
                self.groups[group_of(term)].append(term)
            elif isinstance(term, Leaf) and term.places.size:
                most = int(term.places.max()) + 1
                self.widths[term.role] = max(most, self.widths.get(term.role, 0))
            elif isinstance(term, Take) and is_window(term):
                x = root_of(term)
                if isinstance(x, Leaf) and x.role != "parameter":
                    self.windowed.add(x)

    def reads(self, term: Term) -> Sequence[Term]:
        """The terms whose arrays the instruction of a term reads."""
        pair = factors(term)
        if pair is not None:
            return pair
        if isinstance(term, Softmax) and is_masked(term.operand):
            return term.operand.operands
        if isinstance(term, Scan):
            return self.group_reads(self.groups[group_of(term)])
        if isinstance(term, Map) and term.function == ACCUMULATE:
            return [x.operands[0] if is_put(x) else x for x in term.operands]
        return term.operands

    def is_fixed(self, term: Term) -> bool:
        """Whether a term depends on nothing that changes from call to call."""
        return term in self._fixed

    def group_reads(self, scans: Sequence[Scan]) -> list[Term]:
        """What the scans of one recurrence read from outside."""
        own = {state for state, *_ in scans[0].states}
        roots = [*(step for *_, step in scans[0].states), *(scan.out for scan in scans)]
        found: dict[Term, None] = dict.fromkeys(init for _, init, _ in scans[0].states)
        stack, seen = roots[::-1], set(roots)
        while stack:
            term = stack.pop()
            if self.states[term].isdisjoint(own):
                found[term] = None
                continue
            for x in self.reads(term):
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
        return list(found)

    def schedule(self, roots: Sequence[Term], inside: frozenset[Term]) -> list[Term]:
        """What has to be computed in a frame, in an order."""
        done: dict[Term, None] = {}
        stack = [(root, False) for root in reversed(roots)]
        while stack:
            term, ready = stack.pop()
            if ready:
                done[term] = None
            elif term not in done and (self.states[term] & inside or not inside):
                stack.append((term, True))
                stack.extend((x, False) for x in reversed(self.reads(term)) if x not in done)
        return list(done)


def group_of(scan: Scan) -> tuple[Any, ...]:
    """What the scans of one recurrence have in common."""
    return scan.axis, scan.states, scan.reverse


def is_masked(term: Term) -> bool:
    """Whether a term is −∞ where its conditions do not hold."""
    return isinstance(term, Mask) and term.fill == -np.inf


def is_window(term: Term) -> bool:
    """Whether a term reads an axis at a function of several."""
    return isinstance(term, Take) and isinstance(term.index, Affine) and len(term.index.parts) > 1


def root_of(term: Term) -> Term:
    """The term that a term reads in the end."""
    while isinstance(term, Take):
        term = term.operand
    return term


def is_renaming(term: Term) -> bool:
    """Whether a term is another with an axis under another name."""
    return (
        isinstance(term, Take)
        and isinstance(term.index, Affine)
        and term.index.renames(term.axis) not in (None, *term.operand.axes)
    )
