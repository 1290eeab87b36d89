"""Loops that carry something on: classes that repeat at a distance become one class with steps.

In h ← tanh(W h + U x + b) every step's classes are others than those before, being made of them.
But they are so in the same way: the k-th class of a step reads what the k-th of the step before
read, one step further on. Such steps with the same parameters are joined: their classes become one
with a dimension for the steps, which reads the *state* left by the step before.

Layers of a network are alike too, but have weights of their own, and stay apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from microgradnet.lifting.beginnings import Loop, find_beginning
from microgradnet.lifting.canonicalise import PARAMETER
from microgradnet.lifting.vectorise import Kind, VectorClass, Vectors

__all__ = ["Run", "join_steps"]

Indices: TypeAlias = "NDArray[np.intp]"

_NO_ATOMS, _NO_FLOATS = np.zeros(0, dtype=np.intp), np.zeros(0)
_FEWEST, _FEWEST_OF_NUMBERS = 2, 3
_LONGEST = 64
"""How many steps are joined at least, and of how many classes a step may consist."""


@dataclass(eq=False)
class Run:
    """Steps that were joined: numbers of classes.

    states  of each state its own number, and that of the class which is what a step makes of it
    count   how many steps
    classes those that a step consists of
    """

    states: list[tuple[int, int]]
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
    (10, [1, 10, 10])
    """
    deep, runs = _Joiner(*_deepest_first(vectors)).result()
    return (deep, runs) if runs else (vectors, [])


def _read_by(members: VectorClass) -> Iterator[Indices]:
    """What a class reads: the atoms of each operand and each factor."""
    yield from members.operands
    for kind in members.kinds:
        yield from kind.factors


def _deepest_first(vectors: Vectors) -> tuple[Vectors, list[list[int]]]:
    """The classes in an order in which nothing stands between the steps of a loop, and their reads.

    The class that has most below it comes as early as it can, and what only reads a loop, as the
    outputs at its steps, behind the loop. Of each class follow the classes that it reads.
    """
    firsts = [[atoms.item(0) for atoms in _read_by(members)] for members in vectors.classes]
    class_of = vectors.class_of.tolist()
    numbers = [[class_of[atom] for atom in those] for those in firsts]
    reads = [sorted(set(those)) for those in numbers]
    depth: list[int] = []
    for below in reads:
        depth.append(1 + max((depth[k] for k in below if k >= 0), default=0))
    order: list[int] = []
    placed = [False] * len(reads)
    for top in sorted(range(len(reads)), key=lambda k: -depth[k]):
        stack = [top]
        while stack:
            k = stack[-1]
            missing = [j for j in reads[k] if j >= 0 and not placed[j]]
            if placed[k] or not missing:
                stack.pop()
                if not placed[k]:
                    placed[k] = True
                    order.append(k)
            else:
                stack += missing[::-1]
    number = np.empty(len(order), dtype=np.intp)
    number[order] = np.arange(len(order))
    found = vectors.class_of >= 0
    moved = vectors.class_of.copy()
    moved[found] = number[moved[found]]
    classes = [vectors.classes[k] for k in order]
    new = number.tolist()
    numbers = [[new[j] if j >= 0 else j for j in numbers[k]] for k in order]
    return replace(vectors, classes=classes, class_of=moved), numbers


def _merged(kinds: list[Kind], classes: list[VectorClass], class_of: Indices) -> list[Kind]:
    """Kinds of terms that were of several steps' classes and are of one now, as one kind."""
    if len(kinds) < 2:
        return kinds
    found: dict[object, list[Kind]] = {}
    for kind in kinds:
        numbers = [int(class_of[factor[0]]) for factor in kind.factors]
        joined = any(number >= 0 and classes[number].steps > 1 for number in numbers)
        sign = kind.scaled or kind.coefficient[0]
        key = (kind.scaled, sign, *numbers) if joined else (kind, len(found))
        found.setdefault(key, []).append(kind)
    merged = []
    for same in found.values():
        if len(same) == 1:
            merged += same
            continue
        entry = np.concatenate([kind.entry for kind in same])
        order = np.argsort(entry, kind="stable")
        factors = zip(*[kind.factors for kind in same], strict=True)
        merged.append(
            Kind(
                entry[order],
                np.concatenate([kind.coefficient for kind in same])[order],
                same[0].scaled,
                [np.concatenate(parts)[order] for parts in factors],
            )
        )
    return merged


class _Joiner:
    def __init__(self, vectors: Vectors, numbers: list[list[int]]) -> None:
        self.vectors, self.numbers = vectors, numbers
        self.classes = vectors.classes
        self.class_of, self.index = vectors.class_of, vectors.index

    def result(self) -> tuple[Vectors, list[Run]]:
        loops = [Loop(*found, sorted(self._carried(*found[:2]))) for found in self._runs()]
        if not loops:
            return self.vectors, []
        inside = {k for loop in loops for k in loop.classes}
        for loop in loops:
            find_beginning(loop, self.vectors, self.numbers, inside)
            inside.update(loop.zeroth)
        number = np.arange(len(self.classes))  # of each class its new number
        classes: list[VectorClass] = []
        runs = []
        more_atoms = len(self.class_of)  # those of states are behind all others
        for k in _in_order(loops, inside, len(self.classes)):
            if not isinstance(k, Loop):
                number[k] = len(classes)
                classes.append(self.classes[k])
                continue
            own = len(classes) + len(k.carried)
            for at in range(k.period):
                number[k.first + at : k.classes.stop : k.period] = own + at
            number[k.zeroth] = own + np.arange(len(k.zeroth))
            count = k.count + bool(k.zeroth)
            run = Run([], count, range(own, own + k.period))
            states: dict[int, Indices] = {}
            for before in k.carried:
                run.states.append((len(classes), own + before + k.period - k.first))
                members = self.classes[before]
                states[before] = more_atoms + np.arange(len(members))
                more_atoms += len(members)
                initial = _NO_ATOMS if k.zeroth else members.atoms
                start = k.starts.get(before, _NO_FLOATS)
                classes.append(VectorClass(states[before], initial=initial, start=start))
            classes += [self._joined(k, at, states) for at in range(k.period)]
            runs.append(run)
        return self._renumbered(number, classes), runs

    def _runs(self) -> Iterator[tuple[int, int, int]]:
        """Where steps begin, how many classes a step has, and how many steps there are."""
        described = [self._described(k) for k in range(len(self.classes))]
        numbers: dict[object, int] = {}
        self.rough = [numbers.setdefault(rough, len(numbers)) for rough, _ in described]
        self.reads = [reads for _, reads in described]
        following: dict[int, int] = {}
        after = [-1] * len(described)
        for k in range(len(described) - 1, -1, -1):
            weights = [which for number, which in self.reads[k] if number == -1 - PARAMETER]
            same = numbers.setdefault((self.rough[k], *weights), len(numbers))
            after[k] = following.get(same, -1)
            following[same] = k
        k = end = 0
        while k < len(described):
            best = self._run_from(k, after)
            if best is None:
                k += 1
                continue
            start, period, _ = best
            # Of the places in a step where it may be cut, the one that leaves least behind.
            places = range(max(end, start - period + 1), start + period)
            shifted = [self._run_from(place, after, period) for place in places]
            start, period, count = best = max([best, *shifted], key=self._quality) or best
            yield best
            k = end = start + period * count

    def _run_from(self, k: int, after: list[int], known: int = 0) -> tuple[int, int, int] | None:
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
            if count >= _FEWEST and self._begins(k, period) and count >= self._fewest(k, period):
                return k, period, count
        return None

    def _quality(self, run: tuple[int, int, int] | None) -> tuple[int, ...]:
        """By how many steps; how few states there are, and who reads them; where they end."""
        if run is None:
            return (0,)
        start, period, count = run
        carried = self._carried(start, period)
        reads = [number for k in range(start, start + period) for number, _ in self.reads[k]]
        readers = sum(number in carried for number in reads)
        return count, -len(carried), -readers, start + period * count

    def _described(self, k: int) -> tuple[object, list[tuple[int, bytes]]]:
        """What the steps of a class have in common; of what it reads the class and the entries."""
        members = self.classes[k]
        rough = (
            members.operation,
            len(members),
            len(members.operands),
            b"" if members.component is None else members.component.tobytes(),
            *[
                (kind.scaled, kind.scaled or kind.coefficient[0], kind.entry.tobytes())
                for kind in members.kinds
            ],
        )
        reads = []
        for number, atoms in zip(self.numbers[k], _read_by(members), strict=True):
            which = b""
            if number == -1 - PARAMETER:  # the same in all steps
                which = atoms.tobytes()
            elif number >= 0:
                which = self.index[atoms].tobytes()
            reads.append((number, which))
        return rough, reads

    def _repeats(self, k: int, period: int, start: int) -> bool:
        """Whether the class a period behind k does the same as k, one step further."""
        if self.rough[k] != self.rough[k + period]:
            return False
        one, other = self.reads[k], self.reads[k + period]
        if len(one) != len(other):
            return False
        for (before, which), (now, same) in zip(one, other, strict=True):
            if before >= 0 and now == before + period:
                if before < start - period or which != same:
                    return False
            elif before != now or before >= start or (before < 0 and which != same):
                return False
        return True

    def _carried(self, start: int, period: int) -> set[int]:
        """The classes before the first step whose counterparts each step leaves to the next."""
        found = set()
        for k in range(start, start + period):
            for (before, _), (now, _) in zip(self.reads[k], self.reads[k + period], strict=True):
                if 0 <= before < start and before != now:
                    found.add(before)
        return found

    def _begins(self, start: int, period: int) -> bool:
        """Whether there are states, made of states, and as many of each at first as later."""
        carried = self._carried(start, period)
        moved = set(carried)
        for k in range(start, start + period):
            if any(number in moved for number, _ in self.reads[k]):
                moved.add(k)
        return bool(carried) and all(
            before + period in moved
            and len(self.classes[before]) == len(self.classes[before + period])
            for before in carried
        )

    def _fewest(self, start: int, period: int) -> int:
        """How many steps make a loop: of single numbers, which are functions of functions, more."""
        single = all(len(self.classes[before]) == 1 for before in self._carried(start, period))
        return _FEWEST_OF_NUMBERS if single else _FEWEST

    def _joined(self, loop: Loop, at: int, states: dict[int, Indices]) -> VectorClass:
        """One class of the same one of all steps, which reads states."""
        first = self.classes[loop.first + at]
        steps = [self.classes[loop.first + at + loop.period * r] for r in range(loop.count)]
        steps = loop.beginning[at : at + 1] + steps
        n = len(first)

        def joined(read: Indices, parts: Sequence[Indices]) -> Indices:
            atoms = np.concatenate(parts)
            state = states.get(int(self.class_of[read[0]]))
            return atoms if state is None else state[self.index[atoms]]

        kinds = []
        for own, *same in zip(first.kinds, *[step.kinds for step in steps], strict=True):
            factors = zip(own.factors, *[kind.factors for kind in same], strict=True)
            kinds.append(
                Kind(
                    np.concatenate([kind.entry + r * n for r, kind in enumerate(same)]),
                    np.concatenate([kind.coefficient for kind in same]),
                    own.scaled,
                    [joined(read, parts) for read, *parts in factors],
                )
            )
        operands = zip(first.operands, *[step.operands for step in steps], strict=True)
        return VectorClass(
            np.concatenate([step.atoms for step in steps]),
            first.operation,
            [joined(read, parts) for read, *parts in operands],
            kinds,
            np.concatenate([step.constants for step in steps]),
            None if first.component is None else np.tile(first.component, len(steps)),
            steps=len(steps),
        )

    def _renumbered(self, number: Indices, classes: list[VectorClass]) -> Vectors:
        """The classes under their new numbers, with the atoms of states."""
        class_of = np.where(self.class_of >= 0, number[self.class_of], self.class_of)
        states = [(k, members) for k, members in enumerate(classes) if members.is_state]
        class_of = np.concatenate((class_of, *[np.full(len(c), k) for k, c in states]))
        index = np.concatenate((self.index, *[np.arange(len(c)) for _, c in states]))
        for members in classes:
            if members.steps > 1:
                index[members.atoms] = np.arange(len(members))
        for members in classes:
            members.kinds = _merged(members.kinds, classes, class_of)
        same_as = np.concatenate(
            (self.vectors.same_as, np.arange(len(self.class_of), len(class_of)))
        )
        return replace(
            self.vectors, classes=classes, class_of=class_of, index=index, same_as=same_as
        )


def _in_order(loops: Sequence[Loop], inside: set[int], count: int) -> Iterator[int | Loop]:
    """The classes and loops, each behind what it reads."""
    first = {loop.first: loop for loop in loops}
    for k in range(count):
        if k in first:
            yield first[k]
        elif k not in inside:
            yield k
