"""The step of a loop that begins with numbers: some products of the other steps are not there.

In h ← tanh(W h + U x + b) from h = 0 the first step has no W h. It is the same step all the same,
of a state that is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from microgradnet.lifting.canonicalise import PARAMETER
from microgradnet.lifting.vectorise import Kind, VectorClass, Vectors

__all__ = ["Loop", "find_beginning"]

Indices: TypeAlias = "NDArray[np.intp]"
Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(eq=False)
class Loop:
    """Steps that repeat: `count` times the `period` classes from `first` on.

    carried   the classes before these whose counterparts each step leaves to the next
    zeroth    the numbers of the classes of a step before the first, if one of numbers is there
    beginning these classes with the products that they lack
    starts    of each class that is carried on the numbers that it then is at first
    """

    first: int
    period: int
    count: int
    carried: list[int]
    zeroth: list[int] = field(default_factory=list)
    beginning: list[VectorClass] = field(default_factory=list)
    starts: dict[int, Floats] = field(default_factory=dict)

    @property
    def classes(self) -> range:
        """All classes of all steps but the zeroth."""
        return range(self.first, self.first + self.period * self.count)

    @property
    def step(self) -> range:
        """The classes of the first step."""
        return range(self.first, self.first + self.period)


def find_beginning(
    loop: Loop, vectors: Vectors, reads: Sequence[Sequence[int]], taken: set[int]
) -> None:
    """Add to a loop the step before its first, if there is one.

    reads   of each class the numbers of those that it reads
    taken   the classes of all loops
    """
    beginning = _Beginning(loop, vectors, taken)
    found = beginning.classes()
    zeroth = [*beginning.counterpart.values()]
    # What reads that step must come behind the loop.
    others = [reads[k] for k in range(loop.first) if k not in zeroth]
    if found is not None and {*zeroth}.isdisjoint(j for those in others for j in those):
        starts = {k: np.nan_to_num(start) for k, start in beginning.starts.items()}
        loop.zeroth, loop.beginning, loop.starts = zeroth, found, starts


class _Beginning:
    """The search for the counterparts of a first step's classes."""

    def __init__(self, loop: Loop, vectors: Vectors, taken: set[int]) -> None:
        self.loop, self.taken = loop, taken
        self.all, self.class_of, self.index = vectors.classes, vectors.class_of, vectors.index
        self.counterpart: dict[int, int] = {}
        self.starts = {k: np.full(len(self.all[k]), np.nan) for k in loop.carried}

    def classes(self) -> list[VectorClass] | None:
        """The counterparts, with all that the classes of a step have; None if some are missing."""
        found = []
        for k in self.loop.step:
            for j in self.candidates(k):
                made = self.completed(k, j)
                if made is not None:
                    self.counterpart[k] = j
                    found.append(made)
                    break
            else:
                return None
        return found

    def candidates(self, k: int) -> Iterator[int]:
        """The classes that may be the counterpart of one, the nearest first."""
        if k - self.loop.period in self.loop.carried:
            yield k - self.loop.period
            return
        own, used = self.all[k], {*self.counterpart.values(), *self.loop.carried}
        end = self.loop.classes.stop
        for j in (*range(self.loop.first - 1, -1, -1), *range(end, len(self.all))):
            other = self.all[j]
            alike = other.operation == own.operation and len(other) == len(own)
            if alike and j not in self.taken and j not in used:
                yield j

    def completed(self, k: int, j: int) -> VectorClass | None:
        """Class j with the products of a state that k has; None if they do not do the same."""
        own, other = self.all[k], self.all[j]
        if (
            (own.operation, len(own), len(own.operands))
            != (other.operation, len(other), len(other.operands))
            or _tuple(own.component) != _tuple(other.component)
            or not all(map(self.agree, own.operands, other.operands))
        ):
            return None
        rest, kinds = [*other.kinds], []
        for kind in own.kinds:
            numbers = [int(self.class_of[factor[0]]) for factor in kind.factors]
            states = [at for at, number in enumerate(numbers) if number in self.loop.carried]
            found = self.product_of_numbers(kind, states, rest) if states else self.same(kind, rest)
            if found is None:
                return None
            kinds.append(found)
        return None if rest else replace(other, kinds=kinds)

    def agree(self, read: Indices, other: Indices) -> bool:
        """Whether the zeroth step reads in `other` what the first reads in `read`."""
        number, there = int(self.class_of[read[0]]), int(self.class_of[other[0]])
        if number in self.loop.carried or self.counterpart.get(number, number) != there:
            return False
        if number < 0 and number != -1 - PARAMETER:
            return True
        return len(read) == len(other) and np.array_equal(self.index[read], self.index[other])

    def same(self, kind: Kind, rest: list[Kind]) -> Kind | None:
        """The kind of the zeroth step that is this one of the first."""
        for other in rest:
            if (
                other.scaled == kind.scaled
                and (kind.scaled or other.coefficient[0] == kind.coefficient[0])
                and np.array_equal(other.entry, kind.entry)
                and len(other.factors) == len(kind.factors)
                and all(map(self.agree, kind.factors, other.factors))
            ):
                rest.remove(other)
                return other
        return None

    def product_of_numbers(self, kind: Kind, states: list[int], rest: list[Kind]) -> Kind | None:
        """A kind with a state among its factors, of which the zeroth step has a number instead."""
        if len(states) > 1:
            return None
        (at,) = states
        others = [*kind.factors[:at], *kind.factors[at + 1 :]]
        numbers = np.zeros(len(kind.entry))
        factors = [self.moved(factor) for factor in others]
        for other in rest:
            if (
                other.scaled
                and not (kind.scaled and other.coefficient.any())
                and np.array_equal(other.entry, kind.entry)
                and len(other.factors) == len(others) > 0
                and all(map(self.agree, others, other.factors))
            ):
                rest.remove(other)
                factors = [*other.factors]
                numbers = other.coefficient * kind.coefficient
                break
        state = kind.factors[at]
        start, entries = self.starts[int(self.class_of[state[0]])], self.index[state]
        known = start[entries]
        start[entries] = numbers
        moved = [factor for factor in factors if factor is not None]
        # The state is one number everywhere, and what it is multiplied by is known.
        agreed = np.isnan(known) | (known == numbers)
        whole = [*moved[:at], state, *moved[at:]]
        if not agreed.all() or (start[entries] != numbers).any() or len(moved) < len(factors):
            return None
        return Kind(kind.entry, kind.coefficient, kind.scaled, whole)

    def moved(self, read: Indices) -> Indices | None:
        """What the zeroth step would read where the first reads this; None where none can tell."""
        number = int(self.class_of[read[0]])
        if number in self.counterpart:
            return self.all[self.counterpart[number]].atoms[self.index[read]]
        return read if number >= 0 or number == -1 - PARAMETER else None


def _tuple(array: Indices | None) -> tuple[int, ...]:
    return () if array is None else tuple(array.tolist())
