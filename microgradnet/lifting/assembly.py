"""From classes with axes to terms: a class becomes one array, a read an index along each axis.

A sum's terms run over axes of what they read, the fewest that tell the terms of one sum apart. An
array of leaves is numbered by the axes of what reads it: so a weight matrix gets the axes of its
activations and of its weighted inputs. Where an array is ragged, 0 stands off its mask.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.arithmetic import evaluate, is_finite
from microgradnet.engine import Value
from microgradnet.lifting.axes import (
    Candidate,
    Coordinates,
    Dimension,
    Layout,
    all_differ,
    choose,
    components,
    distinct,
    find_axes,
    running_number,
)
from microgradnet.lifting.canonicalise import (
    INPUT,
    PARAMETER,
    ROLES,
    TARGET,
    Atoms,
    canonicalise,
)
from microgradnet.lifting.index_maps import (
    AffineMap,
    affine_map,
    conditions,
    needed_columns,
    table_over,
)
from microgradnet.lifting.nesting import ParameterArray
from microgradnet.lifting.recurrences import Run, join_steps
from microgradnet.lifting.terms import (
    Affine,
    Axis,
    Constant,
    Leaf,
    LogSumExp,
    Map,
    Mask,
    Put,
    Scan,
    Softmax,
    State,
    Sum,
    Term,
    constant,
    read_at,
    rename,
)
from microgradnet.lifting.vectorise import Kind, VectorClass, Vectors, vectorise
from microgradnet.operation import Operation

__all__ = ["Assembled", "assemble", "assemble_classes"]

Indices: TypeAlias = "NDArray[np.intp]"
Columns: TypeAlias = "list[tuple[Dimension, Indices]]"


@dataclass(frozen=True)
class Assembled:
    """A graph as terms.

    roots     of each root a term without axes but the examples' one
    examples  the axis of the examples
    arrays    of each class its term, its axes and, over these, the atoms that its entries are; −1
              where an entry is none
    held      the leaves that are named as the caller holds them
    atoms     what the numbers in arrays stand for
    """

    roots: list[Term]
    examples: Axis
    arrays: list[tuple[Term, tuple[Axis, ...], Indices]]
    held: frozenset[Term]
    atoms: Atoms


def assemble(
    roots: Sequence[Value],
    inputs: Sequence[Value] = (),
    targets: Sequence[Value] = (),
    parameters: Sequence[Value] = (),
    arrays: Sequence[ParameterArray] = (),
) -> Assembled:
    """The terms of a graph of one example; its inputs and targets have an axis of examples.

    arrays  those of parameters that the caller holds so, as `nesting` finds them

    >>> w, x = [[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]], [Value(5.0), Value(6.0)]
    >>> z = [w[0][0] * x[0] + w[0][1] * x[1], w[1][0] * x[0] + w[1][1] * x[1]]
    >>> cost = z[0] * z[0] + z[1] * z[1]
    >>> assemble([cost], x, [], w[0] + w[1]).roots[0].axes
    (n,)
    """
    atoms = canonicalise(roots, inputs, targets, parameters)
    return assemble_classes(atoms, *join_steps(vectorise(atoms)), arrays)


def assemble_classes(
    atoms: Atoms, vectors: Vectors, runs: Sequence[Run], arrays: Sequence[ParameterArray] = ()
) -> Assembled:
    """The terms of a graph whose atoms, classes and loops are known already."""
    layout = find_axes(atoms, vectors, arrays, runs)
    return _Assembler(atoms, vectors, layout, runs).assembled()


class _Assembler:
    def __init__(
        self, atoms: Atoms, vectors: Vectors, layout: Layout, runs: Sequence[Run] = ()
    ) -> None:
        self.atoms, self.vectors, self.layout = atoms, vectors, layout
        self.runs = {run.states[0][0]: run for run in runs}
        self.examples = Axis("n")
        self.axis_of: dict[Dimension, Axis] = {}
        self.over: dict[Kind, Columns] = {}
        self.terms: list[Term] = []
        self.leaf_terms: dict[Coordinates, Term] = {}

    def assembled(self) -> Assembled:
        for members, own in zip(self.vectors.classes, self.layout.classes, strict=True):
            for kind in members.kinds:
                self.over[kind] = self._run_over(own, kind)
        _Leaves(self.layout, _reads(self.vectors, self.layout, self.over)).number()
        for members, own in zip(self.vectors.classes, self.layout.classes, strict=True):
            for kind in members.kinds:  # of leaves alone: they have other axes now
                if all(self.vectors.class_of[factor[0]] < 0 for factor in kind.factors):
                    self.over[kind] = self._run_over(own, kind)
        _unify(self.layout, self.vectors, self.over)
        number = 0
        while number < len(self.vectors.classes):
            if number in self.runs:
                self._loop(self.runs[number])
                number = self.runs[number].classes.stop
            else:
                self.terms.append(self._class_term(number))
                number += 1
        arrays = []
        for term, members, own in zip(
            self.terms, self.vectors.classes, self.layout.classes, strict=True
        ):
            nodes = np.where(members.atoms < len(self.atoms), members.atoms, -1)
            axes = tuple(self.axis(d) for d in own.dimensions)
            arrays.append((term, axes, _placed(own, nodes)))
        roots = [self._root(k) for k in self.atoms.roots]
        held = frozenset(term for array, term in self.leaf_terms.items() if array.name)
        return Assembled(roots, self.examples, arrays, held, self.atoms)

    def axis(self, dimension: Dimension) -> Axis:
        """The axis that a dimension is."""
        found = self.axis_of.get(dimension)
        if found is None:
            k = len(self.axis_of)
            name = _LETTERS[k % len(_LETTERS)] + "′" * (k // len(_LETTERS))
            found = self.axis_of[dimension] = Axis(name, dimension.size)
        return found

    def _root(self, atom: int) -> Term:
        one = np.array([self.vectors.same_as[atom]])
        return self._read(one, [])

    # What the sums run over

    def _run_over(self, own: Coordinates, kind: Kind) -> Columns:
        """The axes along which a kind's terms are summed up, with the terms' coordinates."""
        entry = kind.entry
        if len(entry) < 2 or (entry[1:] > entry[:-1]).all():
            return []
        first = np.searchsorted(entry, entry)
        sets: list[Columns] = []
        # Rather along the axes of what is computed: those of leaves are not settled yet.
        for factor in sorted(kind.factors, key=self._rank_of_factor):
            moving: Columns = []
            for _, dimension, values in self.layout.dimensions_read(factor):
                known = any(np.array_equal(values, v) for _, v in moving)
                if not known and (values != values[first]).any():
                    moving.append((dimension, values))
            if moving:
                sets.append(moving)
        for one, other in combinations(list(sets), 2):
            both = [*one, *[c for c in other if not any(np.array_equal(c[1], v) for _, v in one)]]
            if len(both) > max(len(one), len(other)):
                sets.append(both)
        columns = self._columns(own, entry)
        best: tuple[float, Columns] | None = None
        for candidate in sets:
            found = self._telling(entry, candidate)
            if found is None:
                continue
            found = self._renamed(own, found)
            box = own.box * math.prod(d.size for d, _ in found)
            if box > _DENSE * len(entry) + _SMALL:
                continue
            cost = self._cost([*columns, *found], kind) + box / len(entry)
            if best is None or cost < best[0]:
                best = cost, found
            if cost == 1:
                break
        if best is not None:
            return best[1]
        rank = running_number(entry)
        return [(Dimension(int(rank.max()) + 1), rank)]

    def _rank_of_factor(self, atoms: Indices) -> int:
        number = int(self.vectors.class_of[atoms[0]])
        return number if number < 0 else -9

    def _telling(self, entry: Indices, candidate: Columns) -> Columns | None:
        """The columns without those that are not needed to tell a sum's terms apart."""
        kept = list(candidate)
        if not _tell(entry, kept):
            return None
        for column in candidate:
            fewer = [c for c in kept if c is not column]
            if fewer and _tell(entry, fewer):
                kept = fewer
        return kept

    def _renamed(self, own: Coordinates, columns: Columns) -> Columns:
        """With another name for axes that the sums themselves have."""
        found: Columns = []
        for dimension, values in columns:
            present, inverse = np.unique(values, return_inverse=True)
            if len(present) < dimension.size:
                dimension, values = Dimension(len(present)), inverse
            elif dimension in [*own.dimensions, *[d for d, _ in found]]:
                dimension = Dimension(dimension.size)
            found.append((dimension, values))
        return found

    def _columns(self, own: Coordinates, entry: Indices) -> Columns:
        return [(d, v[entry]) for d, v in zip(own.dimensions, own.values, strict=True)]

    def _cost(self, columns: Columns, kind: Kind) -> float:
        """What it costs to read a kind's factors along the axes: nothing where they have them."""
        values = [v for _, v in columns]
        total = 0.0
        for factor in kind.factors:
            for _, dimension, wanted in self.layout.dimensions_read(factor):
                found = affine_map(values, wanted)
                if found is None:
                    total += 10.0 + dimension.size
                elif len(found.parts) > 1 or found.offset:
                    total += 1.0
        return total

    # Loops

    def _loop(self, run: Run) -> None:
        """The terms of a loop's classes: scans of what depends on the states, then the rest."""
        within = self._within(run)
        examples = self._needs_examples(run, within)
        states: list[State] = []
        for number, _ in run.states:
            axes = [self.axis(d) for d in self.layout.classes[number].dimensions]
            axes = [self.examples, *axes] if examples else axes
            states.append(State(f"s{number}", tuple(axes)))
            self.terms.append(states[-1])
        step = self.layout.steps[run.classes[0]]
        blank = constant(0)
        self.terms += [blank] * len(run.classes)
        for number in within:
            self.terms[number] = self._class_term(number)
        rows = []
        for state, (number, makes) in zip(states, run.states, strict=True):
            own = self.layout.classes[number]
            columns: Columns = list(zip(own.dimensions, own.values, strict=True))
            members = self.vectors.classes[number]
            first = (
                self._read(members.initial, columns)
                if len(members.initial)
                else self._constants(columns, members.start)
            )
            steps = np.repeat(np.arange(run.count), own.size)
            columns = [(d, np.tile(v, run.count)) for d, v in columns]
            after = self._read(self.vectors.classes[makes].atoms, [(step, steps), *columns])
            rows.append((state, first, after))
        for number in within:
            self.terms[number] = cast(Term, Scan(self.axis(step), tuple(rows), self.terms[number]))
        for number in run.classes:
            if number not in within:
                self.terms[number] = self._class_term(number)

    def _reads_of(self, number: int) -> set[int]:
        """The classes that a class reads; leaves by the negatives of their roles, less 1."""
        members = self.vectors.classes[number]
        reads = [*members.operands, *[f for kind in members.kinds for f in kind.factors]]
        return {int(self.vectors.class_of[atoms[0]]) for atoms in reads}

    def _within(self, run: Run) -> list[int]:
        """The classes of a step that read a state, or that what is carried on is made of."""
        states = {number for number, _ in run.states}
        needed = {makes for _, makes in run.states}
        needed |= {k for k in run.classes if self._reads_of(k) & states}
        for number in reversed(run.classes):
            if number in needed:
                needed |= self._reads_of(number) & set(run.classes)
        return sorted(needed)

    def _needs_examples(self, run: Run, within: Sequence[int]) -> bool:
        """Whether what a loop carries on is another for each example."""
        states = [number for number, _ in run.states]
        outside = {k for number in within for k in self._reads_of(number)}
        outside -= {*states, *run.classes}
        for number in states:
            initial = self.vectors.classes[number].initial[:1]
            outside |= {*self.vectors.class_of[initial].tolist()}
        return any(
            k in (-1 - INPUT, -1 - TARGET) if k < 0 else self.examples in self.terms[k].axes
            for k in outside
        )

    # Terms

    def _class_term(self, number: int) -> Term:
        members, own = self.vectors.classes[number], self.layout.classes[number]
        columns: Columns = list(zip(own.dimensions, own.values, strict=True))
        present = _present(columns, len(members))
        if members.operation is not None:
            return self._operation(members, columns, present)
        total, zero = [self._constants(columns, members.constants)], not members.constants.any()
        for kind in members.kinds:
            term, off = self._kind(members, own, kind, present)
            total.append(term)
            zero = zero and off
        term = _sum(total)
        return term if zero or present is None else self._masked(term, columns, present, 0.0)

    def _constants(self, columns: Columns, values: NDArray[np.float64]) -> Term:
        """Numbers over those of the columns that they depend on."""
        if len(values) == 1 or (values == values[0]).all() or np.isnan(values).all():
            return constant(values[0])
        sizes = [d.size for d, _ in columns]
        table = table_over([v for _, v in columns], sizes, values)
        return constant(table.values, *[self.axis(columns[k][0]) for k in table.columns])

    def _kind(
        self, members: VectorClass, own: Coordinates, kind: Kind, present: NDArray[np.bool_] | None
    ) -> tuple[Term, bool]:
        """Σ c·u·v over the kind's axes, and whether it is 0 where the class has no entry."""
        over = self.over[kind]
        entries = self._columns(own, kind.entry)
        columns = [*entries, *over]
        sizes = [d.size for d, _ in columns]
        if math.prod(sizes) > _DENSE * len(kind.entry) + _SMALL:
            return self._scattered(own, kind), True
        factors = [self._read(factor, columns) for factor in kind.factors]
        if kind.scaled:
            factors.insert(0, self._constants(columns, kind.coefficient))
        product = _product(factors)
        there = _present(columns, len(kind.entry))
        off = True
        if there is not None:
            zero = self._vanishing(kind, columns, there)
            off = not (~there & ~zero).any()
            if not off:
                # A sum that is not there at all is masked as a whole, or is not read.
                some = np.asarray(there.any(axis=tuple(range(len(entries), len(columns)))))
                wide = some.reshape(some.shape + (1,) * len(over))
                if (~there & ~zero & wide).any():
                    product = self._masked(product, columns, there, 0.0)
                    off = True
                elif present is None or (present & ~some).any():
                    masked = self._masked(self._summed(product, over), entries, some, 0.0)
                    return (_negative(masked) if self._is_minus(kind) else masked), True
        term = self._summed(product, over)
        return (_negative(term) if self._is_minus(kind) else term), off

    def _is_minus(self, kind: Kind) -> bool:
        return not kind.scaled and kind.coefficient[0] < 0

    def _summed(self, term: Term, over: Columns) -> Term:
        if not over:
            return term
        axes = [self.axis(d) for d, _ in over]
        own = tuple(axis for axis in axes if axis in term.axes)
        summed = cast(Term, Sum(term, own)) if own else term
        count = math.prod(cast(int, axis.size) for axis in axes if axis not in own)
        return _product([constant(count), summed])

    def _scattered(self, own: Coordinates, kind: Kind) -> Term:
        """A kind too sparse for axes: its terms, in a row, are added to where they belong."""
        row = Dimension(len(kind.entry))
        columns: Columns = [(row, np.arange(len(kind.entry)))]
        factors = [self._read(factor, columns) for factor in kind.factors]
        coefficient = constant(kind.coefficient, self.axis(row))
        product = _product([coefficient, *factors])
        flat = np.zeros(len(kind.entry), dtype=np.intp)
        for dimension, values in zip(own.dimensions, own.values, strict=True):
            flat = flat * dimension.size + values[kind.entry]
        all_axes = [self.axis(d) for d in own.dimensions]
        whole = all_axes[0] if len(all_axes) == 1 else Axis("e", own.box)
        put = cast(Term, Put(product, whole, Constant(flat, (self.axis(row),)), (self.axis(row),)))
        if whole is all_axes[0]:
            return put
        parts, stride = [], own.box
        for axis in all_axes:
            stride //= cast(int, axis.size)
            parts.append((axis, stride))
        return read_at(put, whole, Affine(0, tuple(parts)))

    def _operation(
        self, members: VectorClass, columns: Columns, present: NDArray[np.bool_] | None
    ) -> Term:
        op = cast(Operation, members.operation)
        if members.kinds:
            return self._along(members, op, columns, present)
        operands = [self._read(operand, columns) for operand in members.operands]
        if present is None:
            return cast(Term, Map(op, tuple(operands)))
        zeros = [~present & self._zero_at(x, columns, present.shape) for x in members.operands]
        patterns = np.unique(np.stack([zero[~present] for zero in zeros]), axis=1).T
        if not all(_is_safe(op, [0.0 if zero else 1.0 for zero in row]) for row in patterns):
            fill = next((x for x in (1.0, 0.5, 2.0) if _is_safe(op, [x] * len(operands))), 1.0)
            operands = [
                self._masked(x, columns, present, fill) if zero.any() else x
                for x, zero in zip(operands, zeros, strict=True)
            ]
        vanishes = all(
            _value(op, [0.0 if zero else x for zero in row]) == 0
            for row in patterns
            for x in (1.0, -2.0)
        )
        term = cast(Term, Map(op, tuple(operands)))
        return term if vanishes else self._masked(term, columns, present, 0.0)

    def _along(
        self, members: VectorClass, op: Operation, columns: Columns,
        present: NDArray[np.bool_] | None,
    ) -> Term:  # fmt: skip
        """A softmax or log-sum-exp along the axes of its operands."""
        (kind,) = members.kinds
        own = Coordinates([d for d, _ in columns], [v for _, v in columns], len(members))
        over = self.over[kind]
        all_columns = [*self._columns(own, kind.entry), *over]
        operand = self._read(kind.factors[0], all_columns)
        there = _present(all_columns, len(kind.entry))
        if there is not None:
            operand = self._masked(operand, all_columns, there, -math.inf)
            if present is not None:  # nothing but −∞ has no softmax
                operand = self._masked(operand, columns, present, 0.0)
        axes = tuple(self.axis(d) for d, _ in over)
        for axis in axes:
            if axis not in operand.axes:  # one and the same operand several times
                operand = _sum([operand, constant(np.zeros(cast(int, axis.size)), axis)])
        term: Term
        if members.component is None:
            term = cast(Term, LogSumExp(operand, axes)) if axes else operand
        elif not axes:
            return constant(1.0)
        else:
            term = cast(Term, Softmax(operand, axes))
            row = np.searchsorted(kind.entry, np.arange(len(members))) + members.component
            for dimension, values in over:
                term = self._read_along(term, dimension, values[row], columns)
        return term if present is None else self._masked(term, columns, present, 0.0)

    # Reading

    def _read(self, atoms: Indices, columns: Columns) -> Term:
        """The term of what is read, as a function of the columns' axes."""
        array, entry = self.layout.read(atoms)
        if array is None:
            return self._constants(columns, self.atoms.value[atoms])
        term = self._array(array, int(atoms[0]))
        if not array.dimensions:
            return term
        values = [v for _, v in columns]
        sizes = [d.size for d, _ in columns]
        index: dict[Dimension, Any] = {}
        fill: dict[Dimension, float | None] = {}
        for dimension, coordinate in zip(array.dimensions, array.values, strict=True):
            wanted = coordinate[entry]
            found = affine_map(values, wanted)
            if found is None:
                table = table_over(values, sizes, wanted)
                axes = [self.axis(columns[k][0]) for k in table.columns]
                index[dimension] = Constant(table.values, axes)
                fill[dimension] = None
                continue
            index[dimension] = self._affine(found, columns)
            bounds = index[dimension].bounds()
            inside = 0 <= bounds[0] and bounds[1] < dimension.size
            fill[dimension] = None if inside else 0.0
        moved = [d for d, at in index.items() if not self._stays(d, at)]
        # Under a name of its own first, where the axis is one of those that it is read at.
        busy = {axis for at in index.values() for axis in at.axes}
        for dimension in moved:
            axis = self.axis(dimension)
            if axis in busy:
                fresh = Axis(axis.name, axis.size)
                term = rename(term, axis, fresh)
                index[dimension] = index[dimension], fresh
        for dimension in moved:
            at = index[dimension]
            at, axis = at if type(at) is tuple else (at, self.axis(dimension))
            term = read_at(term, axis, at, fill[dimension])
        return term

    def _stays(self, dimension: Dimension, at: Any) -> bool:
        axis = self.axis(dimension)
        return isinstance(at, Affine) and at.renames(axis) is axis

    def _read_along(
        self, term: Term, dimension: Dimension, wanted: Indices, columns: Columns
    ) -> Term:
        values, sizes = [v for _, v in columns], [d.size for d, _ in columns]
        found = affine_map(values, wanted)
        if found is not None:
            return read_at(term, self.axis(dimension), self._affine(found, columns))
        table = table_over(values, sizes, wanted)
        axes = [self.axis(columns[k][0]) for k in table.columns]
        return read_at(term, self.axis(dimension), cast(Term, Constant(table.values, axes)))

    def _affine(self, found: AffineMap, columns: Columns) -> Affine:
        return Affine(found.offset, tuple((self.axis(columns[k][0]), c) for k, c in found.parts))

    def _array(self, array: Coordinates, atom: int) -> Term:
        if array.role < 0:
            return self.terms[int(self.vectors.class_of[atom])]
        if array not in self.leaf_terms:
            self.leaf_terms[array] = self._leaf(array)
        return self.leaf_terms[array]

    def _leaf(self, array: Coordinates) -> Term:
        number = len(self.leaf_terms) + 1
        order = sorted(range(len(array.dimensions)), key=lambda k: -_stride(array, k))
        array.dimensions = [array.dimensions[k] for k in order]
        array.values = [array.values[k] for k in order]
        places = _placed(array, array.places)
        role = ROLES[array.role]
        axes = [self.axis(d) for d in array.dimensions]
        if array.role != PARAMETER:
            axes = [self.examples, *axes]
        name = array.name or f"{_LEAF_NAMES[role]}{number}"
        return cast(Term, Leaf(name, role, axes, places))

    # Masks

    def _masked(
        self, term: Term, columns: Columns, present: NDArray[np.bool_], fill: float
    ) -> Term:
        """The term where the mask says that it is there, and the fill elsewhere."""
        grid = [g.ravel() for g in np.indices(present.shape)]
        flat = present.ravel()
        kept = needed_columns(grid, present.shape, flat)
        halves = conditions([grid[k] for k in kept], flat) if len(kept) <= 3 else None
        axes = [self.axis(columns[k][0]) for k in kept]
        if halves is not None:
            affine = tuple(
                Affine(half.offset, tuple((axes[k], c) for k, c in half.parts)) for half in halves
            )
            return cast(Term, Mask(term, affine, fill))
        table = table_over(grid, present.shape, flat.astype(float))
        chosen = constant(table.values, *[self.axis(columns[k][0]) for k in table.columns])
        return cast(Term, Map("where", (chosen, term, constant(fill))))

    def _vanishing(
        self, kind: Kind, columns: Columns, there: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Where a product is 0 of itself, being read beyond an end or off another's mask."""
        zero = np.zeros(there.shape, dtype=bool)
        for factor in kind.factors:
            zero |= self._zero_at(factor, columns, there.shape)
        return zero

    def _zero_at(
        self, atoms: Indices, columns: Columns, shape: tuple[int, ...]
    ) -> NDArray[np.bool_]:
        """Where in the box of the columns what is read is 0 of itself."""
        array, entry = self.layout.read(atoms)
        zero = np.zeros(math.prod(shape), dtype=bool)
        if array is None:
            return zero.reshape(shape)
        values = [v for _, v in columns]
        grid = [g.ravel() for g in np.indices(shape)]
        at = []
        for dimension, coordinate in zip(array.dimensions, array.values, strict=True):
            found = affine_map(values, coordinate[entry])
            if found is None:
                sizes = [d.size for d, _ in columns]
                table = table_over(values, sizes, coordinate[entry])
                where = table.values[tuple(grid[k] for k in table.columns)].astype(np.intp)
            else:
                where = np.broadcast_to(found.at(grid), zero.shape)
            beyond = (where < 0) | (where >= dimension.size)
            zero |= beyond
            at.append(np.where(beyond, 0, where))
        full = np.zeros([d.size for d in array.dimensions], dtype=bool)
        full[tuple(array.values)] = True
        if at:
            zero |= ~full[tuple(at)]
        return zero.reshape(shape)


_LETTERS = "ijklmpqrstuvwabcdefgh"
_LEAF_NAMES = {"parameter": "W", "input": "x", "target": "y"}
_DENSE, _SMALL = 8, 4096
"""A kind's box of axes may have so many entries for each term, and so many more."""


def _product(factors: Sequence[Term]) -> Term:
    """A product that leaves its factors as they are: they are arrays that have names."""
    kept = [x for x in factors if not (isinstance(x, Constant) and x.number == 1)]
    if len(kept) < 2:
        return kept[0] if kept else constant(1)
    return cast(Term, Map(ops.multiply, tuple(kept)))


def _sum(terms: Sequence[Term]) -> Term:
    """A sum that leaves its terms as they are."""
    kept = [x for x in terms if not (isinstance(x, Constant) and x.number == 0)]
    if len(kept) < 2:
        return kept[0] if kept else constant(0)
    return cast(Term, Map(ops.add, tuple(kept)))


def _negative(term: Term) -> Term:
    return _product([constant(-1), term])


def _placed(array: Coordinates, entries: Indices) -> Indices:
    """What belongs to each entry, over the dimensions; −1 where none is."""
    grid = np.full([d.size for d in array.dimensions], -1)
    grid[tuple(array.values)] = entries if array.dimensions else entries[0]
    return grid


def _present(columns: Columns, n: int) -> NDArray[np.bool_] | None:
    """Which combinations of coordinates occur; None: all."""
    shape = [d.size for d, _ in columns]
    if math.prod(shape) == n:
        return None
    there = np.zeros(shape, dtype=bool)
    there[tuple(v for _, v in columns)] = True
    return None if there.all() else there


def _tell(entry: Indices, columns: Columns) -> bool:
    """Whether the columns tell the terms of each sum apart."""
    code = entry.astype(np.int64)
    for dimension, values in columns:
        code = code * dimension.size + values
    return all_differ(code)


def _stride(array: Coordinates, k: int) -> float:
    """How far apart in their list leaves are that differ by one along a dimension."""
    values, places = array.values[k], array.places
    steps = [
        abs(float(places[values == c].mean() - places[values == 0].mean()))
        for c in (1, array.dimensions[k].size - 1)
        if (values == c).any() and (values == 0).any()
    ]
    return max(steps, default=0.0) / max(1, array.dimensions[k].size - 1)


def _value(op: Operation, xs: Sequence[float]) -> float:
    return float(evaluate(op.forward, *xs))


def _is_safe(op: Operation, xs: Sequence[float]) -> bool:
    """Whether an operation and its derivatives are finite there."""
    value = evaluate(op.forward, *xs)
    return is_finite(value) and all(is_finite(d) for d in op.vjp(1.0, *xs, out=value))


def _reads(
    vectors: Vectors, layout: Layout, over: dict[Kind, Columns]
) -> Iterator[tuple[Indices, Columns]]:
    """Everything that is read: which atoms, and the coordinates of each row."""
    for members, own in zip(vectors.classes, layout.classes, strict=True):
        columns = list(zip(own.dimensions, own.values, strict=True))
        for operand in members.operands:
            yield operand, columns
        for kind in members.kinds:
            rows = [(d, v[kind.entry]) for d, v in columns]
            for factor in kind.factors:
                yield factor, [*rows, *over[kind]]


def _unify(layout: Layout, vectors: Vectors, over: dict[Kind, Columns]) -> None:
    """Give axes of which one is always read at the other's coordinate one name.

    Not where an array or a sum has both, as the positions of a query and of a key.
    """
    together: list[set[Dimension]] = [set(a.dimensions) for a in [*layout.classes, *layout.leaves]]
    pairs: dict[tuple[Dimension, Dimension], None] = {}
    for atoms, columns in _reads(vectors, layout, over):
        if columns:
            together.append({d for d, _ in columns})
            for _, own, values in layout.dimensions_read(atoms):
                for other, coordinate in columns:
                    alike = own is not other and own.size == other.size
                    if alike and np.array_equal(values, coordinate):
                        pairs[own, other] = None
    name: dict[Dimension, Dimension] = {}
    for pair in pairs:
        one, other = (_last(name, d) for d in pair)
        if one is not other and not any(one in those and other in those for those in together):
            name[other] = one
            for those in together:
                if other in those:
                    those.remove(other)
                    those.add(one)
    if name:
        for array in [*layout.classes, *layout.leaves]:
            array.dimensions = [_last(name, d) for d in array.dimensions]
        for kind, columns in over.items():
            over[kind] = [(_last(name, d), v) for d, v in columns]
        layout.steps = {k: _last(name, d) for k, d in layout.steps.items()}


def _last(name: dict[Dimension, Dimension], dimension: Dimension) -> Dimension:
    """What a dimension is called in the end."""
    while dimension in name:
        dimension = name[dimension]
    return dimension


class _Leaves:
    """How arrays of leaves are numbered: by the axes of what reads them."""

    def __init__(self, layout: Layout, reads: Iterable[tuple[Indices, Columns]]) -> None:
        self.layout, self.reads = layout, reads

    def number(self) -> None:
        """Give each array of leaves those of its readers' axes that tell its entries apart."""
        reads: dict[Coordinates, list[tuple[Indices, Columns]]] = {}
        for atoms, columns in self.reads:
            array, entry = self.layout.read(atoms)
            if array is not None and array.role >= 0 and array.size > 1:
                reads.setdefault(array, []).append((entry, columns))
        for array, those in reads.items():
            self._renumber(array, those)

    def _has_rows(self, array: Coordinates, reads: list[tuple[Indices, Columns]]) -> bool:
        """Whether some of it is never read and what is says how long its rows are."""
        if len(array.dimensions) > 1:
            return False
        place = np.arange(array.size)
        for entry, columns in reads:
            for dimension, values in columns:
                width = dimension.size
                if (
                    width < array.size
                    and not array.size % width
                    and (entry % width == values).all()
                ):
                    array.dimensions = [Dimension(array.size // width), dimension]
                    array.values = [place // width, place % width]
                    return True
        return False

    def _share(self, array: Coordinates, reads: list[tuple[Indices, Columns]]) -> None:
        """Take over the readers' names for its own axes."""
        for k, (own, wanted) in enumerate(zip(array.dimensions, array.values, strict=True)):
            for entry, columns in reads:
                same = [d for d, v in columns if d.size == own.size and (v == wanted[entry]).all()]
                if same and same[0] not in array.dimensions:
                    array.dimensions[k] = same[0]
                    break

    def _renumber(self, array: Coordinates, reads: list[tuple[Indices, Columns]]) -> None:
        reads.sort(key=lambda read: -len(read[0]))
        read = np.zeros(array.size, dtype=bool)
        for entry, _ in reads:
            read[entry] = True
        if not read.all():
            if not self._has_rows(array, reads):
                self._share(array, reads)
            return
        flat = np.arange(array.size)
        candidates = [Candidate(flat, array.size, 9.0, Dimension(array.size))]
        for dimension, values in zip(array.dimensions, array.values, strict=True):
            candidates.append(Candidate(values, dimension.size, 3.0, dimension))
        for entry, columns in reads:
            for dimension, values in columns:
                found = _pulled(array, entry, dimension, values)
                if found is not None:
                    candidates.append(found)
        array.dimensions, array.values = [], []
        for candidate in choose(distinct(candidates), array.size) or []:
            present, inverse = np.unique(candidate.values, return_inverse=True)
            source = candidate.source
            if source is not None and len(present) == source.size:
                if source in array.dimensions:
                    source = Dimension(source.size)
                array.dimensions.append(source)
                array.values.append(candidate.values)
            else:
                array.dimensions.append(Dimension(len(present)))
                array.values.append(inverse)


def _pulled(
    array: Coordinates, entry: Indices, dimension: Dimension, values: Indices
) -> Candidate | None:
    """A reader's axis as one of the leaves': the same, or one with equal coordinates made one.

    The second is the token of a position, which several positions may have.
    """
    order = np.argsort(values, kind="stable")
    group = components(values[order], entry[order], dimension.size, array.size)
    count = int(group.max()) + 1
    read = group >= 0
    if count < 2:
        return None
    label = np.zeros(array.size, dtype=np.intp)
    if count == np.count_nonzero(np.bincount(values)):
        label[entry] = values
        weight, source = 0.9, dimension
    else:
        label[read] = group[read]
        weight, source = 1.3, Dimension(count)
    if not read.all():
        return None
    return Candidate(label, int(label.max()) + 1, weight, source)
