"""Axes: how the entries of a class are numbered, found from how its members read others.

A member of a class reads entries of other classes. An axis of such a class whose coordinate is the
same throughout each sum is a candidate for an axis of the class itself; of the candidates the
smallest set is taken that tells all members apart. Where sums part the coordinates of an axis into
groups that have nothing in common, as the rows of a matrix part its flat list of weights, or heads
the units of a query, the axis is split wherever it occurs. Sums over windows, v = o + t, give the
axis of the o.

Nothing here can make a program wrong: a poor choice of axes makes index tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations, product
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from microgradnet.lifting.canonicalise import CONSTANT, INPUT, PARAMETER, TARGET, Atoms
from microgradnet.lifting.nesting import ParameterArray
from microgradnet.lifting.recurrences import Run
from microgradnet.lifting.vectorise import Kind, VectorClass, Vectors

__all__ = [
    "Candidate", "Coordinates", "Dimension", "Layout", "all_differ", "choose", "components",
    "distinct", "find_axes", "running_number",
]  # fmt: skip

Indices: TypeAlias = "NDArray[np.intp]"


@dataclass(eq=False)
class Dimension:
    """An axis in the making: a size, and the axes that count the same under another name."""

    size: int
    copies: list[Dimension] = field(default_factory=list)


@dataclass(eq=False)
class Coordinates:
    """The entries of an array by their coordinates: an array of these for each dimension."""

    dimensions: list[Dimension]
    values: list[Indices]
    size: int
    role: int = -1
    """Of an array of leaves their role, and the places of its entries in their list."""
    places: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    name: str = ""

    @property
    def box(self) -> int:
        """How many entries there were if all combinations of coordinates were there."""
        product = 1
        for dimension in self.dimensions:
            product *= dimension.size
        return product


@dataclass(eq=False)
class Candidate:
    """What may become a dimension of a class: a number for each member."""

    values: Indices
    size: int
    weight: float
    source: Dimension | None = None


class Layout:
    """The coordinates of all classes and of the arrays of leaves.

    classes   of each class its coordinates
    leaves    the arrays of leaves
    steps     of classes that are steps of a loop its dimension, by their numbers
    """

    def __init__(self, atoms: Atoms, vectors: Vectors) -> None:
        self.atoms, self.vectors = atoms, vectors
        self.leaves: list[Coordinates] = []
        n = len(vectors.class_of)
        self._array_of = np.full(n, -1)
        self._entry = vectors.index.copy()
        self.classes: list[Coordinates] = []
        self.steps: dict[int, Dimension] = {}

    def read(self, atoms: Indices) -> tuple[Coordinates | None, Indices]:
        """The array that some atoms, which are all of one class, are entries of, and which ones.

        None of constants.
        """
        first = atoms[0]
        number = self.vectors.class_of[first]
        if number >= 0:
            return self.classes[number], self._entry[atoms]
        if number == -1 - CONSTANT:
            return None, atoms
        return self.leaves[self._array_of[first]], self._entry[atoms]

    def arrays_of(self, atoms: Indices) -> Indices:
        """Of leaves the numbers of the arrays that they belong to."""
        return self._array_of[atoms]

    def dimensions_read(self, atoms: Indices) -> Iterator[tuple[Coordinates, Dimension, Indices]]:
        """The dimensions of what is read, with the coordinates read along each."""
        array, entry = self.read(atoms)
        if array is not None:
            for dimension, values in zip(array.dimensions, array.values, strict=True):
                yield array, dimension, values[entry]

    def split(self, dimension: Dimension, parts: Sequence[Indices]) -> None:
        """Replace a dimension, wherever it is, by several: parts[k][c] is its k-th coordinate."""
        new = [Dimension(int(part.max()) + 1) for part in parts]
        for array in [*self.classes, *self.leaves]:
            if dimension in array.dimensions:
                k = array.dimensions.index(dimension)
                old = array.values[k]
                array.dimensions[k : k + 1] = new
                array.values[k : k + 1] = [part[old] for part in parts]
        for copy in dimension.copies:
            self.split(copy, parts)

    def add_leaves(
        self, atoms: Indices, places: Indices, shape: Sequence[int], name: str = ""
    ) -> None:
        """Make an array of some leaves; of some of its places nothing may be read."""
        n = len(places)
        order = np.argsort(places, kind="stable")
        self._array_of[atoms] = len(self.leaves)
        self._entry[atoms] = order[np.searchsorted(places[order], self.atoms.place[atoms])]
        kept = [size > 1 for size in shape]
        values = [v.ravel() for v, long in zip(np.indices(shape), kept, strict=True) if long]
        dimensions = [Dimension(size) for size, long in zip(shape, kept, strict=True) if long]
        role = int(self.atoms.role[atoms[0]])
        self.leaves.append(Coordinates(dimensions, values, n, role, places, name))


def find_axes(
    atoms: Atoms,
    vectors: Vectors,
    arrays: Sequence[ParameterArray] = (),
    runs: Sequence[Run] = (),
) -> Layout:
    """Coordinates for every class, after its kinds were parted so that each reads one array.

    arrays  parameters that the caller holds as arrays
    runs    steps that were joined; each has a dimension in `Layout.steps`
    """
    layout = Layout(atoms, vectors)
    _group_leaves(layout, arrays)
    for run in runs:
        layout.steps.update(dict.fromkeys(run.classes, Dimension(run.count)))
    for number, members in enumerate(vectors.classes):
        if members.is_state:
            layout.classes.append(_state_coordinates(layout, members))
            continue
        _part_kinds(layout, members)
        steps = layout.steps.get(number)
        coordinates = _Grid(layout, members, steps).coordinates()
        if coordinates is None:
            coordinates = _Chooser(layout, members, steps).coordinates()
        layout.classes.append(coordinates)
        _unroll(layout, members)
    for run in runs:
        for number, makes in run.states:
            if len(vectors.classes[number].start) > 1:
                _take_over(layout, layout.classes[number], makes)
    return layout


def _take_over(layout: Layout, state: Coordinates, makes: int) -> None:
    """Number what begins with numbers as what the steps make of it."""
    made, step = layout.classes[makes], layout.steps[makes]
    own = [(d, v[: state.size]) for d, v in zip(made.dimensions, made.values, strict=True)]
    own = [(d, v) for d, v in own if d is not step]
    state.dimensions, state.values = [d for d, _ in own], [v for _, v in own]


def _state_coordinates(layout: Layout, members: VectorClass) -> Coordinates:
    """The axes of what a loop carries on: those of what it is at first, one if it is numbers."""
    n = len(members)
    if not len(members.initial):
        flat = n > 1
        return Coordinates([Dimension(n)] * flat, [np.arange(n)] * flat, n)
    read = layout.dimensions_read(members.initial)
    there = [(dimension, values) for _, dimension, values in read if np.ptp(values)]
    return Coordinates([d for d, _ in there], [v for _, v in there], n)


_TAPS = 16


def _unroll(layout: Layout, members: VectorClass) -> None:
    """Make of sums over few neighbours, without weights, one kind for each neighbour."""
    n = len(members)
    if members.operation is not None or n == 1:
        return
    parted: list[Kind] = []
    for kind in members.kinds:
        count = len(kind.entry) // n
        even = count * n == len(kind.entry) and (kind.entry == np.repeat(np.arange(n), count)).all()
        rank = np.tile(np.arange(count), n) if even else kind.entry
        if not even or not 1 < count <= _TAPS or not all(
            _is_window(layout, kind.entry, factor, rank, n) for factor in kind.factors
        ):  # fmt: skip
            parted.append(kind)
            continue
        for k in range(count):
            factors = [factor[k::count] for factor in kind.factors]
            parted.append(Kind(np.arange(n), kind.coefficient[k::count], kind.scaled, factors))
    members.kinds = parted


def _is_window(layout: Layout, entry: Indices, factor: Indices, rank: Indices, n: int) -> bool:
    """Whether the k-th terms are all at one distance from something that moves with the sums."""
    moves = False
    for _, _, values in layout.dimensions_read(factor):
        if (values != values[np.searchsorted(entry, entry)]).any():
            solved = separate(entry, rank, values, n)
            if solved is None:
                return False
            moves |= bool(np.ptp(solved[0]))
    return moves


class _Grid:
    """Sums over neighbours in a grid, some of which are on its border: leaves that have stayed.

    Neighbours are at the same distances of all sums, if the border is numbered as the inside is.
    """

    def __init__(self, layout: Layout, members: VectorClass, steps: Dimension | None) -> None:
        self.layout, self.members, self.steps = layout, members, steps
        self.n = len(members)
        self.inside: list[Kind] = []
        self.border: list[Kind] = []
        for kind in members.kinds if members.operation is None and self.n > 1 else ():
            if len(kind.factors) == 1 and not kind.scaled:
                is_computed = layout.vectors.class_of[kind.factors[0][0]] >= 0
                (self.inside if is_computed else self.border).append(kind)

    def coordinates(self) -> Coordinates | None:
        """The coordinates of the sums, whose kinds are parted by neighbours; None if it is none."""
        arrays = [self.layout.read(kind.factors[0])[0] for kind in (*self.inside, *self.border)]
        if not self.inside or not self.border or len(set(arrays)) != 2:
            return None
        inside, border = cast("list[Coordinates]", [arrays[0], arrays[-1]])
        own = [d for d in inside.dimensions if d is not self.steps]
        rank = len(own)
        if not rank or len(border.dimensions) != rank:
            return None
        kinds = [*self.inside, *self.border]
        entry = np.concatenate([kind.entry for kind in kinds])
        atoms = np.concatenate([kind.factors[0] for kind in kinds])
        sign = np.concatenate([kind.coefficient for kind in kinds])
        is_inside = np.repeat([True, False], [sum(len(k.entry) for k in self.inside),
                                              sum(len(k.entry) for k in self.border)])  # fmt: skip
        count = len(entry) // self.n
        if (np.bincount(entry, minlength=self.n) != count).any():
            return None
        at_inside = self.read_along(atoms[is_inside], own)
        at_border = self.read_along(atoms[~is_inside], border.dimensions)
        for order in permutations(range(rank)):
            room = [border.dimensions[k].size - d.size for k, d in zip(order, own, strict=True)]
            for shift in product(*(range(max(1, r + 1)) for r in room)):
                at = np.empty((len(entry), rank), dtype=np.intp)
                at[is_inside] = at_inside
                at[~is_inside] = at_border[:, order] - shift
                by = np.lexsort((*at.T[::-1], sign, entry))
                found = self.parted(own, at[by].reshape(self.n, count, rank), sign[by])
                if found is not None:
                    self.part(kinds, by.reshape(self.n, count), sign, atoms, is_inside)
                    return found
        return None

    def read_along(self, atoms: Indices, dimensions: Sequence[Dimension]) -> Indices:
        """A row of coordinates for each atom."""
        array, entry = self.layout.read(atoms)
        assert array is not None
        columns = [array.values[array.dimensions.index(d)][entry] for d in dimensions]
        return np.stack(columns, axis=1)

    def parted(
        self, own: Sequence[Dimension], at: Indices, sign: NDArray[np.float64]
    ) -> Coordinates | None:
        """The coordinates by which all sums have their neighbours at the same distances."""
        signs = sign.reshape(at.shape[:2])
        distance = at - at[:, :1]
        if (distance != distance[0]).any() or (signs != signs[0]).any():
            return None
        first = at[:, 0] - at[:, 0].min(axis=0)
        sizes = (first.max(axis=0) + 1).tolist()
        dimensions = [
            d if d.size == size else Dimension(size) for d, size in zip(own, sizes, strict=True)
        ]
        values = list(first.T)
        if self.steps is not None:
            step = np.repeat(np.arange(self.steps.size), self.n // self.steps.size)
            dimensions, values = [self.steps, *dimensions], [step, *values]
        if int(np.prod(sizes)) > _DENSE * self.n or not all_differ(_codes(values, self.n)):
            return None
        return Coordinates(dimensions, values, self.n)

    def part(
        self, kinds: Sequence[Kind], by: Indices, sign: NDArray[np.float64], atoms: Indices,
        is_inside: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Make a kind of each neighbour inside the grid, and one of it on the border."""
        rest = [kind for kind in self.members.kinds if kind not in kinds]
        for rows in by.T:
            for there in (is_inside[rows], ~is_inside[rows]):
                if there.any():
                    those = rows[there]
                    rest.append(Kind(np.flatnonzero(there), sign[those], False, [atoms[those]]))
        self.members.kinds = rest


# Arrays of leaves


def _group_leaves(layout: Layout, arrays: Sequence[ParameterArray]) -> None:
    """Which leaves make up an array: those that the caller holds so, or that are read together."""
    atoms, vectors = layout.atoms, layout.vectors
    for role in (PARAMETER, TARGET, INPUT):
        everything = np.flatnonzero(atoms.role == role)
        if not len(everything):
            continue
        read = []
        sums: list[tuple[Indices, Indices]] = []
        for members in vectors.classes:
            for operand in members.operands:
                if vectors.class_of[operand[0]] == -1 - role:
                    read.append((np.unique(operand), False))
                    sums.append((np.arange(len(operand)), operand))
            for kind in list(members.kinds):
                _part_pairs(layout, members, kind)
            for kind in members.kinds:
                for factor in kind.factors:
                    if vectors.class_of[factor[0]] == -1 - role:
                        read.append((np.unique(factor), members.operation is None))
                        sums.append((kind.entry, factor))
            border = _border(vectors, members, role)
            if len(border):
                read.append((border, False))
        roots = atoms.roots[atoms.role[atoms.roots] == role]
        read += [(roots[:1], True)] if len(roots) else []
        group = np.full(len(atoms), -1)
        held: dict[int, ParameterArray] = {}
        if role == PARAMETER:
            owner = np.full(atoms.lengths[role], -1)
            for number, array in enumerate(arrays, len(read) + 1):
                owner[array.places] = number
                held[number] = array
            group[everything] = owner[atoms.place[everything]]
        for number, (leaves, divisible) in enumerate(sorted(read, key=lambda r: len(r[0]))):
            there = np.unique(group[leaves])
            if len(there) == 1 and there[0] in held:
                continue
            if divisible and set(there.tolist()) <= held.keys():
                continue
            there = there[there >= 0]
            whole = np.isin(group, there).sum() == (group[leaves] >= 0).sum()
            rest = leaves[group[leaves] < 0]
            if len(there) > 1 and whole and divisible:
                group[rest] = number  # such as the sum of the squares of all parameters
            else:
                group[np.isin(group, there)] = number
                group[leaves] = number
        group[everything[group[everything] < 0]] = len(read)
        if role != TARGET:
            _separate_factors(atoms, vectors, group, role, held)
        if role == INPUT:
            _merge_interleaved(atoms, everything, group)
        for number in np.unique(group[everything]):
            if number in held:
                same, array = everything[group[everything] == number], held[number]
                layout.add_leaves(same, array.places.ravel(), array.places.shape, array.name)
        alone = everything[~np.isin(group[everything], [*held])]
        if len(alone):
            for same, places in _extents(atoms, alone, group, role, held):
                own = group[same[0]]
                places_read = [(e, atoms.place[leaves]) for e, leaves in sums
                               if (group[leaves] == own).all()]  # fmt: skip
                width = row_width(places_read, places)
                shape = (len(places) // width, width) if width else (len(places),)
                layout.add_leaves(same, places, shape)


def _merge_interleaved(atoms: Atoms, leaves: Indices, group: Indices) -> None:
    """Make one array of inputs that are read by steps, and together leave none out."""
    uneven = []
    for number in np.unique(group[leaves]):
        places = np.sort(atoms.place[leaves[group[leaves] == number]])
        if len(places) > 2 and np.ptp(np.diff(places)):
            uneven.append((int(places[0]), int(places[-1]), len(places), number))
    together: list[tuple[int, int, int, int]] = []
    for low, high, count, number in sorted(uneven):
        if together and low <= max(h for _, h, _, _ in together):
            together.append((low, high, count, number))
            span = max(h for _, h, _, _ in together) - together[0][0] + 1
            if span == sum(c for _, _, c, _ in together):
                group[np.isin(group, [n for *_, n in together])] = number
        else:
            together = [(low, high, count, number)]


def _separate_factors(
    atoms: Atoms, vectors: Vectors, group: Indices, role: int, held: Mapping[int, ParameterArray]
) -> None:
    """Part leaves of which always one from the front of their list is multiplied by one behind."""
    for members in vectors.classes:
        for kind in members.kinds:
            if len(kind.factors) == 2 and members.operation is None:
                x, y = kind.factors
                if {*vectors.class_of[[x[0], y[0]]].tolist()} != {-1 - role}:
                    continue
                own = group[x[0]]
                if own in held or (group[x] != own).any() or (group[y] != own).any():
                    continue
                front = np.minimum(atoms.place[x], atoms.place[y]).max()
                behind = np.maximum(atoms.place[x], atoms.place[y]).min()
                if front < behind:
                    new = max(int(group.max()), *held, 0) + 1
                    group[(group == own) & (atoms.place >= behind)] = new


def row_width(reads: Sequence[tuple[Indices, Indices]], places: Indices) -> int:
    """How long the rows are in which leaves stand in their list; 0 where nothing tells.

    Sums of different lengths tell it, as of a triangle, and reads by steps, as of windows.

    reads   pairs of the sum that each read belongs to, ascending, and the place that is read

    >>> i, j = np.tril_indices(4)
    >>> row_width([(i, 4 * i + j)], np.arange(16))
    4
    """
    size = len(places)
    if len(reads) == 0 or np.ptp(places) + 1 != size:
        return 0
    at = [(entry, place - places[0]) for entry, place in reads]
    uneven = [_is_uneven(entry, place) for entry, place in at]
    if not any(uneven):
        return 0
    for width in _widths(at):
        if 1 < width < size and not size % width:
            rows = [(entry, place // width, place % width) for entry, place in at]
            if all(
                _is_grid(row, column)
                if (np.diff(entry) > 0).all()
                else _stays(entry, row) or _stays(entry, column)
                for entry, row, column in rows
            ):
                return width
    return 0


def _is_uneven(entry: Indices, place: Indices) -> bool:
    """Whether sums are of different lengths, or what is read stands at no even distances."""
    counts = np.bincount(entry)
    if np.ptp(counts[counts > 0]):
        return True
    steps = np.diff(np.unique(place))
    return len(steps) > 0 and steps[0] > 1 and bool(np.ptp(steps))


def _widths(reads: Sequence[tuple[Indices, Indices]]) -> list[int]:
    """By how much places differ: within sums, from sum to sum, between reads."""
    found: dict[int, None] = {}
    for entry, place in reads:
        same = np.diff(entry) == 0
        found |= dict.fromkeys(np.unique(np.abs(np.diff(place)[same])).tolist())
        ends = np.concatenate((np.flatnonzero(~same), [len(entry) - 1]))
        starts = np.concatenate(([0], ends[:-1] + 1))
        for those in (place[starts], place[ends]):
            found[int(np.gcd.reduce(np.diff(np.unique(those)), initial=0))] = None
    first = np.unique([place[0] for _, place in reads])
    found |= dict.fromkeys((first[1:] - first[:1]).tolist()[:_MANY])
    return [*found]


def _stays(entry: Indices, values: Indices) -> bool:
    """Whether values are the same throughout each sum."""
    return not (np.diff(values)[np.diff(entry) == 0]).any()


def _is_grid(row: Indices, column: Indices) -> bool:
    """Whether all of some rows' places in some columns are there, both at even distances."""
    rows, columns = np.unique(row), np.unique(column)
    n = len(np.unique(row * (int(column.max()) + 1) + column))
    even = all(len(x) < 3 or not np.ptp(np.diff(x)) for x in (rows, columns))
    return even and n == len(rows) * len(columns)


def _bare(vectors: Vectors, members: VectorClass, role: int) -> list[Indices]:
    """The leaves of a role that sums add as they are, kind by kind."""
    return [
        kind.factors[0]
        for kind in members.kinds
        if members.operation is None and len(kind.factors) == 1 and not kind.scaled
        and vectors.class_of[kind.factors[0][0]] == -1 - role
    ]  # fmt: skip


def _border(vectors: Vectors, members: VectorClass, role: int) -> Indices:
    """The leaves that some sums read in place of what others read, and what that began with."""
    parts: list[Indices] = []
    for leaves in _bare(vectors, members, role):
        if len(leaves) < len(members):
            parts.append(leaves)
    if not parts:
        return np.zeros(0, dtype=np.intp)
    for kind in members.kinds:
        number = int(vectors.class_of[kind.factors[0][0]])
        if number >= 0 and len(kind.factors) == 1 and not kind.scaled:
            parts += _bare(vectors, vectors.classes[number], role)
    return np.unique(np.concatenate(parts))


def _extents(
    atoms: Atoms,
    everything: Indices,
    group: Indices,
    role: int,
    held: dict[int, ParameterArray],
) -> Iterator[tuple[Indices, Indices]]:
    """The leaves of each array and its places.

    Where nobody reads some between, as a grid's corners or the tokens that do not occur, the array
    has all up to the next one.
    """
    owner = np.full(atoms.lengths[role], -1)
    owner[atoms.place[everything]] = group[everything]
    reached = np.flatnonzero(owner >= 0)
    for array in held.values():
        places = array.places.ravel()
        owner[places[owner[places] < 0]] = -2
    before = np.maximum.accumulate(np.where(owner != -1, np.arange(len(owner)), reached[0]))
    filled = owner[before]  # those that nobody reads belong to the one before
    _, firsts = np.unique(owner[reached], return_index=True)
    for first in reached[np.sort(firsts)]:
        read = np.flatnonzero(owner == owner[first])
        places = np.flatnonzero(filled == owner[first])
        whole = np.ptp(read) + 1 == len(read)
        if whole or (np.diff(places) > 1).any():  # or in pieces, as neurons' weights with biases
            places = read
        yield everything[group[everything] == owner[first]], places


_FEW = 4


def _part_pairs(layout: Layout, members: VectorClass, kind: Kind) -> None:
    """Part a kind of bare leaves, as the token's and the position's embedding, by their order."""
    n = len(members)
    count = len(kind.entry) // n
    if (
        len(kind.factors) > 1
        or members.operation is not None
        or kind.scaled
        or layout.vectors.class_of[kind.factors[0][0]] >= 0
        or not 1 < count <= _FEW
        or n < 2
        or len(kind.entry) != n * count
        or (np.bincount(kind.entry, minlength=n) != count).any()
    ):
        return
    columns = kind.factors[0].reshape(n, count)
    sets = [np.unique(column) for column in columns.T]
    if sum(map(len, sets)) > len(np.unique(columns)) or _are_rows(layout.atoms.place[columns]):
        return
    k = members.kinds.index(kind)
    c = kind.coefficient.reshape(n, count)
    members.kinds[k : k + 1] = [
        Kind(np.arange(n), c[:, j], kind.scaled, [columns[:, j]]) for j in range(count)
    ]


def _are_rows(places: Indices) -> bool:
    """Whether sums add up the rows, or the columns, of one list of leaves."""
    low, high = places.min(axis=0), places.max(axis=0)
    order = np.argsort(low)
    if (high[order[:-1]] > low[order[1:]]).any():
        return True
    steps = np.diff(places, axis=1)
    return places.shape[1] > 2 and bool((steps == steps[0, 0]).all())


def _part_kinds(layout: Layout, members: VectorClass) -> None:
    """Part kinds whose factors are entries of several arrays of leaves."""
    parted = []
    for kind in members.kinds:
        if len(kind.entry) == 1:
            parted.append(kind)
            continue
        code = np.zeros(len(kind.entry), dtype=np.intp)
        for factor in kind.factors:
            if -1 - CONSTANT > layout.vectors.class_of[factor[0]]:
                code = code * (len(layout.leaves) + 1) + layout.arrays_of(factor)
        values = np.unique(code)
        for value in values:
            if len(values) == 1:
                parted.append(kind)
                break
            of = code == value
            factors = [factor[of] for factor in kind.factors]
            parted.append(Kind(kind.entry[of], kind.coefficient[of], kind.scaled, factors))
    members.kinds = parted


# The axes of a class


class _Chooser:
    """The coordinates of one class, from those of the classes before it."""

    def __init__(self, layout: Layout, members: VectorClass, steps: Dimension | None) -> None:
        self.layout, self.members = layout, members
        self.n = len(members)
        self.always: list[Candidate] = []
        if steps is not None:
            step = np.repeat(np.arange(steps.size), self.n // steps.size)
            self.always.append(Candidate(step, steps.size, 0.0, steps))

    def coordinates(self) -> Coordinates:
        n = self.n
        if n == 1:
            return Coordinates([], [], 1)
        while True:
            candidates = self._candidates()
            moving = self._moving()
            if self._split(moving):
                continue
            chosen = choose(candidates, n, self.always)
            if chosen is None and moving:
                windows = self._windows(moving)
                if windows is None:
                    continue
                candidates += windows
                chosen = choose(candidates, n, self.always)
            if chosen is not None and self._split_coarser(chosen, candidates):
                continue
            return self._settle(chosen, candidates)

    def _split_coarser(self, chosen: list[Candidate], candidates: list[Candidate]) -> bool:
        """Split a chosen dimension of which another candidate is a function, as heads of units."""
        for fine in chosen:
            for coarse in candidates:
                source, other = fine.source, coarse.source
                if (
                    source is None or other is None or other.size != coarse.size
                    or source.size != fine.size or not 1 < coarse.size < fine.size
                ):  # fmt: skip
                    continue
                group = np.zeros(fine.size, dtype=np.intp)
                group[fine.values] = coarse.values
                rank = running_number(group)
                if (group[fine.values] == coarse.values).all() and (
                    coarse.size * (int(rank.max()) + 1) == fine.size
                ):
                    self.layout.split(source, [group, rank])
                    return True
        return False

    def _candidates(self) -> list[Candidate]:
        """The coordinates that are the same throughout each sum."""
        found = [*self.always]
        for operand in self.members.operands:
            for array, dimension, values in self.layout.dimensions_read(operand):
                found.append(_candidate(array, dimension, values))
        for kind in self.members.kinds:
            first = np.searchsorted(kind.entry, np.arange(self.n))
            here = np.minimum(first, len(kind.entry) - 1)
            if (kind.entry[here] != np.arange(self.n)).any():
                continue  # some sums have no such term
            for factor in kind.factors:
                for array, dimension, values in self.layout.dimensions_read(factor):
                    own = values[here]
                    if len(kind.entry) == self.n or (values == own[kind.entry]).all():
                        found.append(_candidate(array, dimension, own))
        return distinct(found)

    def _moving(self) -> list[tuple[Kind, list[tuple[Dimension, Indices]]]]:
        """Of each kind the dimensions that its sums run over, with their coordinates."""
        found = []
        for kind in self.members.kinds:
            first = np.searchsorted(kind.entry, kind.entry)
            if (first == np.arange(len(first))).all():
                continue
            own: list[tuple[Dimension, Indices]] = []
            for factor in kind.factors:
                for _, dimension, values in self.layout.dimensions_read(factor):
                    if (values != values[first]).any():
                        own.append((dimension, values))
            found.append((kind, own))
        return found

    def _split(self, moving: list[tuple[Kind, list[tuple[Dimension, Indices]]]]) -> bool:
        """Split a dimension whose coordinates the sums part into groups."""
        for kind, dimensions in moving:
            for dimension, values in dimensions:
                group = components(kind.entry, values, self.n, dimension.size)
                count = int(group.max()) + 1
                if (group < 0).any() or not 1 < count < dimension.size:
                    continue
                rank = running_number(group)
                if count * (int(rank.max()) + 1) > 2 * dimension.size:
                    continue
                self.layout.split(dimension, [group, rank])
                return True
        return False

    def _windows(
        self, moving: list[tuple[Kind, list[tuple[Dimension, Indices]]]]
    ) -> list[Candidate] | None:
        """Candidates o from sums over v = o + t. None: a dimension was split on the way."""
        found = []
        for kind, dimensions in moving:
            rank = running_number(kind.entry)
            anchors: list[tuple[Dimension | None, Indices]] = [*dimensions, (None, rank)]
            steps: dict[int, list[Indices]] = {}
            for dimension, values in dimensions:
                for a, (anchor, t) in enumerate(anchors):
                    if anchor is dimension:
                        continue
                    solved = separate(kind.entry, t, values, self.n)
                    if solved is None:
                        continue
                    origin, step = solved
                    order = np.arange(self.n) - (self.n - 1) / 2
                    if float(order @ origin) < 0:  # it is the anchor that runs over windows
                        continue
                    width = self._radix(kind.entry, t, values, dimension, step, origin)
                    if width:
                        c = np.arange(dimension.size)
                        self.layout.split(dimension, [c // width, c % width])
                        return None
                    if len(np.unique(origin)) > 1:
                        values_of, inverse = np.unique(origin, return_inverse=True)
                        found.append(Candidate(inverse, len(values_of), 1.5))
                    steps.setdefault(a, []).append(step)
                    break
            for a, parts in steps.items():
                anchor = anchors[a][0]
                if anchor is not None and len(parts) > 1 and self._split_taps(anchor, parts):
                    return None
        return found

    def _split_taps(self, anchor: Dimension, parts: list[Indices]) -> bool:
        """Split a dimension of taps, which are steps along several others."""
        if len(parts[0]) < anchor.size:
            return False
        ranks = [np.unique(part, return_inverse=True)[1] for part in parts]
        ranks = [rank for rank in ranks if 0 < rank.max()]
        code = _codes(ranks, anchor.size)
        sizes = [int(rank.max()) + 1 for rank in ranks]
        if len(ranks) < 2 or max(sizes) >= anchor.size or len(np.unique(code)) < anchor.size:
            return False
        if int(np.prod(sizes)) > 2 * anchor.size:
            return False
        self.layout.split(anchor, ranks)
        return True

    def _radix(
        self, entry: Indices, t: Indices, values: Indices, dimension: Dimension,
        step: Indices, origin: Indices,
    ) -> int:  # fmt: skip
        """The width of the rows in which a flat dimension is read by windows; 0 if it is not."""
        steps, origins = np.unique(step), np.unique(origin)
        if len(steps) > _MANY:
            return 0
        widths = {int(w) for w in np.abs(np.subtract.outer(steps, steps)).ravel()}
        widths |= {int(w) for w in np.diff(origins)[:_MANY]}
        widths |= {int(w) for w in origins[:_MANY] - origins[0]}
        for width in sorted(widths, reverse=True):
            if width > 1 and dimension.size % width == 0 and width < dimension.size:
                low = separate(entry, t, values % width, self.n)
                high = separate(entry, t, values // width, self.n)
                if low and high and (np.ptp(low[0]) or np.ptp(high[0])):
                    return width
        return 0

    def _settle(self, chosen: list[Candidate] | None, candidates: list[Candidate]) -> Coordinates:
        """The candidates' coordinates as those of the class, or one flat dimension."""
        n = self.n
        if chosen is None:
            best = [*self.always, *[c for c in candidates if 0 < c.weight < _FLAT]]
            while best:
                group = np.unique(_codes([c.values for c in best], n), return_inverse=True)[1]
                rank = running_number(group)
                box = int(np.prod([float(c.size) for c in best])) * (int(rank.max()) + 1)
                if box <= 2 * n:
                    chosen = [*best, Candidate(rank, int(rank.max()) + 1, _FLAT)]
                    break
                best.pop()
        if chosen is None:
            return Coordinates([Dimension(n)], [np.arange(n)], n)
        dimensions: list[Dimension] = []
        values: list[Indices] = []
        for candidate in chosen:
            source = candidate.source
            present, inverse = np.unique(candidate.values, return_inverse=True)
            if source is not None and len(present) == source.size:
                dimension = source
                if source in dimensions:
                    dimension = Dimension(source.size)
                    source.copies.append(dimension)
                dimensions.append(dimension)
                values.append(candidate.values)
            else:
                dimensions.append(Dimension(len(present)))
                values.append(inverse)
        return Coordinates(dimensions, values, n)


_MANY = 64
_FLAT = 3.0
"""The weight of a dimension without structure."""


def _candidate(array: Coordinates, dimension: Dimension, values: Indices) -> Candidate:
    flat = array.role >= 0 and len(array.dimensions) == 1
    weight = _FLAT if flat else 1.0
    if (
        np.count_nonzero(np.bincount(values)) < dimension.size
    ):  # rather one that runs over a whole axis
        weight += 0.25
    if (values[1:] >= values[:-1]).all():  # and in the order of building
        weight -= 0.1
    return Candidate(values, dimension.size, weight, dimension)


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Without those that number the members as another does, or all of them alike."""
    found: dict[bytes, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: c.weight):
        values = candidate.values
        first = np.full(int(values.max()) + 1, len(values))
        first[values[::-1]] = np.arange(len(values) - 1, -1, -1)  # where each comes first
        size = int(np.count_nonzero(first < len(values)))
        if size > 1:
            found.setdefault(first[values].tobytes(), candidate)
            candidate.size = size
    return list(found.values())


def choose(
    candidates: Sequence[Candidate], n: int, always: Sequence[Candidate] = ()
) -> list[Candidate] | None:
    """The set of candidates of least weight that tells n members apart; None if there is none.

    Some are `always` in it. Of two sets of equal weight the one with fewer combinations.
    """
    if len(candidates) > _MOST:
        candidates = sorted(candidates, key=lambda c: (c.weight, -c.size))[:_MOST]
    everything = _codes([c.values for c in candidates], n) if candidates else np.zeros(n, int)
    if not all_differ(everything):
        return None
    best: tuple[tuple[float, float], list[Candidate]] | None = None
    for count in range(1, len(candidates) + 1):
        for subset in combinations(candidates, count):
            if not set(map(id, always)) <= set(map(id, subset)):
                continue
            box = float(np.prod([float(c.size) for c in subset]))
            cost = sum(c.weight for c in subset), box
            if not n <= box <= _DENSE * n + _SMALL or (best is not None and cost >= best[0]):
                continue
            if all_differ(_codes([c.values for c in subset], n)):
                best = cost, list(subset)
    return None if best is None else best[1]


_MOST = 8
_DENSE, _SMALL = 4, 64
"""An array may have so many entries for each that is in the graph, and so many more."""


def _codes(columns: Sequence[Indices], n: int) -> Indices:
    """One number for each combination of coordinates."""
    code = np.zeros(n, dtype=np.int64)
    for column in columns:
        code = code * (int(column.max()) + 1) + column
        if len(columns) > 2 and code.max(initial=0) > 2**40:
            code = np.unique(code, return_inverse=True)[1]
    return code


def all_differ(code: Indices) -> bool:
    """Whether no two numbers, none of them negative, are equal."""
    if int(code.max(initial=0)) > 8 * len(code) + 1024:
        return len(np.unique(code)) == len(code)
    return bool(np.bincount(code).max(initial=0) <= 1)


def running_number(group: Indices) -> Indices:
    """How many of the same group stand before each."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sizes = np.diff(np.concatenate((starts, [len(group)])))
    number = np.empty(len(group), dtype=np.intp)
    number[order] = np.arange(len(group)) - np.repeat(starts, sizes)
    return number


def components(entry: Indices, values: Indices, n: int, size: int) -> Indices:
    """The group of each value: values are together that a sum runs over; −1 of those not read."""
    label = np.arange(size)
    starts = np.flatnonzero(np.concatenate(([True], entry[1:] != entry[:-1])))
    sizes = np.diff(np.concatenate((starts, [len(entry)])))
    while True:
        least = np.minimum.reduceat(label[values], starts)
        new = label.copy()
        np.minimum.at(new, values, np.repeat(least, sizes))
        new = new[new]
        if np.array_equal(new, label):
            break
        label = new
    read = np.zeros(size, dtype=bool)
    read[values] = True
    group = np.full(size, -1)
    group[read] = np.unique(label[read], return_inverse=True)[1]
    return group


def separate(entry: Indices, t: Indices, values: Indices, n: int) -> tuple[Indices, Indices] | None:
    """Find o and d such that values = o[entry] + d[t]; None if there are none."""
    if (
        len(values) > 2 * _FIRST
        and _relaxed(entry[:_FIRST], t[:_FIRST], values[:_FIRST], n) is None
    ):
        return None  # as most are that are asked for
    found = _relaxed(entry, t, values, n)
    if found is None:
        return None
    origin, step, known = found
    read = np.bincount(entry, minlength=n) > 0
    return (origin, step) if (known == read).all() else None


_FIRST = 256


def _relaxed(
    entry: Indices, t: Indices, values: Indices, n: int
) -> tuple[Indices, Indices, NDArray[np.bool_]] | None:
    """O and d from d = 0 in one place, and where o is known; None if values contradict them."""
    size = int(t.max()) + 1
    origin, step = np.zeros(n, dtype=np.intp), np.zeros(size, dtype=np.intp)
    known_o, known_d = np.zeros(n, dtype=bool), np.zeros(size, dtype=bool)
    known_d[np.bincount(t).argmax()] = True
    count = -1
    while count != (count := int(known_o.sum() + known_d.sum())):
        rows = known_d[t]
        origin[entry[rows]] = values[rows] - step[t[rows]]
        known_o[entry[rows]] = True
        rows = known_o[entry]
        step[t[rows]] = values[rows] - origin[entry[rows]]
        known_d[t[rows]] = True
    wrong = (values != origin[entry] + step[t]) & known_o[entry]
    return None if wrong.any() else (origin, step, known_o)
