"""Loops that carry something on: classes that repeat at a distance become one class with steps.

In h ← tanh(W h + U x + b) every step's classes are others than those before, being made of them. But
they are so in the same way: the k-th class of a step reads what the k-th of the step before read, one
step further on. Such steps, from three on and with the same parameters, are joined: their classes
become one with a dimension for the steps, which reads the *state* left by the step before.

Layers of a network are alike too, but have weights of their own, and stay apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from microgradnet.lifting.canonicalise import PARAMETER
from microgradnet.lifting.vectorise import Kind, VectorClass, Vectors

__all__ = ["Run", "join_steps"]

Indices: TypeAlias = "NDArray[np.intp]"

_FEWEST = 3
_LONGEST = 64
"""How many steps are joined at least, and of how many classes a step may consist."""


@dataclass(eq=False)
class Run:
    """Steps that were joined: numbers of classes.

    first   of the classes, the states left by the step before come first, then a step's own classes
    states  of each state (its own number, that of its initial values, that of what a step makes it)
    count   how many steps
    classes those that a step consists of
    """

    states: list[tuple[int, int, int]]
    count: int
    classes: range


def join_steps(vectors: Vectors) -> tuple[Vectors, list[Run]]:
    """The classes with repeating steps joined, and which these are.

    >>> from microgradnet import Value, tanh
    >>> from microgradnet.lifting.canonicalise import canonicalise
    >>> from microgradnet.lifting.vectorise import vectorise
    >>> w, s = Value(0.5), Value(1.0)
    >>> for _ in range(10):
    ...     s = tanh(w * s + 1.0)
    >>> vectors, (run,) = join_steps(vectorise(canonicalise([s], parameters=[w])))
    >>> run.count, [len(c) for c in vectors.classes]
    (9, [1, 1, 1, 9, 9])
    """
    return _Joiner(vectors).result()


def _how_long(run: tuple[int, int, int] | None) -> tuple[int, int]:
    """By how many steps, and by where they end."""
    return (run[2], run[0] + run[1] * run[2]) if run else (0, 0)


class _Joiner:
    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self.classes = vectors.classes
        self.class_of, self.index = vectors.class_of, vectors.index

    def result(self) -> tuple[Vectors, list[Run]]:
        found = list(self._runs())
        if not found:
            return self.vectors, []
        number = np.arange(len(self.classes))  # of each class its new number
        classes: list[VectorClass] = []
        runs = []
        states: list[Indices] = []  # of each of the new ones the atoms that they are before a step
        starts = {start: (period, count) for start, period, count in found}
        k = 0
        while k < len(self.classes):
            if k not in starts:
                number[k] = len(classes)
                classes.append(self.classes[k])
                k += 1
                continue
            period, count = starts[k]
            carried = sorted(self._carried(k, period))
            own = len(classes) + len(carried)
            for at in range(period):
                number[k + at : k + period * count : period] = own + at
            run = Run([], count, range(own, own + period))
            for before in carried:
                run.states.append((len(classes), before, own + before + period - k))
                classes.append(VectorClass(np.zeros(0, np.intp), state_of=before))
                states.append(self.classes[before].atoms)
            for at in range(period):
                classes.append(self._joined(k + at, period, count))
            runs.append(run)
            k += period * count
        return self._renumbered(number, classes, runs, states), runs

    def _runs(self) -> Iterator[tuple[int, int, int]]:
        """Where steps begin, how many classes a step has, and how many steps there are."""
        rough = [self._rough(members) for members in self.classes]
        following: dict[object, int] = {}
        after = [-1] * len(rough)
        for k in range(len(rough) - 1, -1, -1):
            after[k] = following.get(rough[k], -1)
            following[rough[k]] = k
        k = 0
        while k < len(rough):
            best = self._run_from(k, after)
            if best is None:
                k += 1
                continue
            start, period, _ = best
            # Of the places in a step where it may be cut, the one that leaves least behind.
            shifted = [self._run_from(start + shift, after, period) for shift in range(period)]
            start, period, count = best = max([best, *shifted], key=_how_long) or best
            yield best
            k = start + period * count

    def _run_from(
        self, k: int, after: list[int], known: int = 0
    ) -> tuple[int, int, int] | None:
        """The steps that begin at a class; None if there are too few."""
        again = k
        for _ in range(2):
            again = k + known if known else after[again] if 0 <= again < len(after) else -1
            if not k < again < len(after) or again - k > _LONGEST:
                return None
            period = again - k
            length = 0
            while again + length < len(after) and self._repeats(k + length, period, k):
                length += 1
            count = length // period + 1
            if count >= _FEWEST and self._begins(k, period):
                return k, period, count
        return None

    def _rough(self, members: VectorClass) -> object:
        return (
            members.operation,
            len(members),
            len(members.operands),
            *[(kind.scaled, len(kind.factors), len(kind.entry)) for kind in members.kinds],
        )

    def _reads(self, members: VectorClass) -> Iterator[Indices]:
        yield from members.operands
        for kind in members.kinds:
            yield from kind.factors

    def _repeats(self, k: int, period: int, start: int) -> bool:
        """Whether the class a period behind k does the same as k, one step further."""
        one, other = self.classes[k], self.classes[k + period]
        if self._rough(one) != self._rough(other):
            return False
        for a, b in zip(one.kinds, other.kinds, strict=True):
            if not np.array_equal(a.entry, b.entry) or (
                not a.scaled and a.coefficient[0] != b.coefficient[0]
            ):
                return False
        if one.component is not None and not np.array_equal(one.component, other.component):
            return False
        for a, b in zip(self._reads(one), self._reads(other), strict=True):
            before, now = int(self.class_of[a[0]]), int(self.class_of[b[0]])
            if before >= 0 and now == before + period:
                if before < start - period or not np.array_equal(self.index[a], self.index[b]):
                    return False
            elif before != now or before >= start:
                return False
            elif before == -1 - PARAMETER and not np.array_equal(a, b):
                return False
        return True

    def _carried(self, start: int, period: int) -> set[int]:
        """The classes before the first step whose counterparts each step leaves to the next."""
        found = set()
        for k in range(start, start + period):
            for a, b in zip(
                self._reads(self.classes[k]), self._reads(self.classes[k + period]), strict=True
            ):
                before = int(self.class_of[a[0]])
                if 0 <= before < start and before != int(self.class_of[b[0]]):
                    found.add(before)
        return found

    def _begins(self, start: int, period: int) -> bool:
        """Whether there are states, and as many of each at the beginning as later."""
        carried = self._carried(start, period)
        return bool(carried) and all(
            len(self.classes[before]) == len(self.classes[before + period]) for before in carried
        )

    def _joined(self, first: int, period: int, count: int) -> VectorClass:
        """One class of the same one of all steps."""
        steps = [self.classes[first + period * r] for r in range(count)]
        n = len(steps[0])
        kinds = []
        for same in zip(*[step.kinds for step in steps], strict=True):
            kinds.append(
                Kind(
                    np.concatenate([kind.entry + r * n for r, kind in enumerate(same)]),
                    np.concatenate([kind.coefficient for kind in same]),
                    same[0].scaled,
                    [np.concatenate(f) for f in zip(*[k.factors for k in same], strict=True)],
                )
            )
        operands = [np.concatenate(o) for o in zip(*[s.operands for s in steps], strict=True)]
        component = steps[0].component
        return VectorClass(
            np.concatenate([step.atoms for step in steps]),
            steps[0].operation,
            operands,
            kinds,
            np.concatenate([step.constants for step in steps]),
            None if component is None else np.tile(component, count),
            steps=count,
        )

    def _renumbered(
        self, number: Indices, classes: list[VectorClass], runs: list[Run], states: list[Indices]
    ) -> Vectors:
        """The classes under their new numbers; what reads a step before reads a state."""
        n = len(self.class_of)
        state_atoms = n + np.arange(sum(map(len, states)))
        of_state = np.split(state_atoms, np.cumsum([len(atoms) for atoms in states])[:-1])
        class_of = np.where(self.class_of >= 0, number[self.class_of], self.class_of)
        index = self.index.copy()
        for members in classes:
            if members.steps > 1:
                index[members.atoms] = np.arange(len(members))
        more_class, more_index = [], []
        each = iter(of_state)
        for run in runs:
            for k, (state, before, makes) in enumerate(run.states):
                atoms = next(each)
                classes[state].atoms = atoms
                classes[state].state_of = int(number[before])
                run.states[k] = state, int(number[before]), makes
                more_class.append(np.full(len(atoms), state))
                more_index.append(np.arange(len(atoms)))
                for k_own in run.classes:
                    self._read_state(classes[k_own], before, makes, atoms, class_of, run)
        return replace(
            self.vectors,
            classes=classes,
            class_of=np.concatenate((class_of, *more_class)),
            index=np.concatenate((index, *more_index)),
            same_as=np.concatenate((self.vectors.same_as, state_atoms)),
        )

    def _read_state(
        self, members: VectorClass, before: int, makes: int, atoms: Indices,
        class_of: Indices, run: Run,
    ) -> None:  # fmt: skip
        """Let a joined class read the state where its first step reads its initial values."""
        size = len(members) // run.count

        def changed(read: Indices, entry: Indices) -> Indices:
            first, later = read[entry < size], read[entry >= size]
            if first[0] < len(self.class_of) and self.class_of[first[0]] == before and class_of[later[0]] == makes:
                return atoms[self.index[read]]
            return read

        every = np.arange(len(members))
        members.operands = [changed(operand, every) for operand in members.operands]
        for kind in members.kinds:
            kind.factors = [changed(factor, kind.entry) for factor in kind.factors]
