"""How a coordinate depends on others: the same one, an affine function, or a table.

Rows of coordinates, a column for each axis, and a number for each row; what is asked is the
simplest function of the fewest columns that gives the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["AffineMap", "Table", "affine_map", "conditions", "needed_columns", "table_over"]

Indices: TypeAlias = "NDArray[np.intp]"


class AffineMap(NamedTuple):
    """offset + Σ coefficient · column, as (column, coefficient) pairs."""

    offset: int
    parts: tuple[tuple[int, int], ...]

    def at(self, columns: Sequence[Indices]) -> Indices:
        """Its values on rows."""
        total = np.zeros(len(columns[0]) if columns else 1, dtype=np.intp)
        for column, coefficient in self.parts:
            total = total + coefficient * columns[column]
        return total + self.offset


class Table(NamedTuple):
    """Numbers by the coordinates of some columns; `present` says which combinations occur."""

    columns: tuple[int, ...]
    values: NDArray[np.generic]
    present: NDArray[np.bool_]


_SAMPLE = 48


def affine_map(columns: Sequence[Indices], values: Indices) -> AffineMap | None:
    """The affine function of at most three columns that gives the values; None if there is none.

    >>> i, u = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    >>> affine_map([i, u], 2 * i + u - 1)
    AffineMap(offset=-1, parts=((0, 2), (1, 1)))
    """
    first = int(values[0])
    if (values == first).all():
        return AffineMap(first, ())
    for k, column in enumerate(columns):
        if values is column or np.array_equal(values, column):
            return AffineMap(0, ((k, 1),))
    rows = _sampled(len(values))
    sample = [np.ones(len(rows)), *[column[rows].astype(float) for column in columns]]
    varying = [k for k, column in enumerate(sample[1:]) if np.ptp(column)]
    wanted = values[rows].astype(float)
    found, rank, is_solved = _solved(sample, varying, wanted)
    if not is_solved:
        return None  # if not all columns give the values, neither do some of them
    subsets = [subset for count in (1, 2, 3) for subset in combinations(varying, count)]
    if rank == len(varying) + 1:  # there is no other solution
        subsets = [tuple([k for k, c in zip(varying, np.rint(found[1:]), strict=True) if c])]
    for subset in subsets:
        found, _, is_solved = _solved(sample, subset, wanted)
        offset, *whole = [int(x) for x in np.rint(found).tolist()]
        if is_solved and len(subset) <= _MOST_PARTS:
            affine = AffineMap(offset, tuple(zip(subset, whole, strict=True)))
            if np.array_equal(affine.at(columns), values):
                return affine
    return None


_MOST_PARTS = 3


@lru_cache(maxsize=256)
def _sampled(n: int) -> Indices:
    """Some of n rows: the first, and others that are spread evenly."""
    spread = np.linspace(0, n - 1, _SAMPLE).astype(np.intp)
    return np.union1d(spread, np.arange(min(_SAMPLE, n)))


def _solved(
    sample: Sequence[NDArray[np.float64]], which: Sequence[int], wanted: NDArray[np.float64]
) -> tuple[NDArray[Any], int, bool]:
    """By what ones and some columns give what is wanted, their rank, and whether they do."""
    matrix = np.stack([sample[0], *[sample[k + 1] for k in which]], axis=1)
    found, _, rank, _ = np.linalg.lstsq(matrix, wanted, rcond=None)
    close = np.abs(matrix @ found - wanted).max() <= _CLOSE * (1 + np.abs(wanted).max())
    return found, int(rank), bool(close)


_CLOSE = 1e-6


def _codes(columns: Sequence[Indices], sizes: Sequence[int], n: int) -> Indices:
    code = np.zeros(n, dtype=np.int64)
    for column, size in zip(columns, sizes, strict=True):
        code = code * size + column
    return code


def needed_columns(
    columns: Sequence[Indices], sizes: Sequence[int], values: NDArray[np.generic]
) -> tuple[int, ...]:
    """The columns without which the values are not determined."""
    kept = list(range(len(columns)))
    for k in range(len(columns)):
        fewer = [j for j in kept if j != k]
        code = _codes([columns[j] for j in fewer], [sizes[j] for j in fewer], len(values))
        if _determines(code, values):
            kept = fewer
    return tuple(kept)


def _determines(code: Indices, values: NDArray[np.generic]) -> bool:
    size = int(code.max()) + 1
    if size > 4 * len(code) + 1024:
        code = np.unique(code, return_inverse=True)[1]
        size = int(code.max()) + 1
    found = np.zeros(size, dtype=values.dtype)
    found[code] = values
    same = found[code] == values
    return bool(same.all()) or bool((same | (values != values)).all() and values.dtype.kind == "f")


def table_over(
    columns: Sequence[Indices], sizes: Sequence[int], values: NDArray[np.generic]
) -> Table:
    """The values as a table over the columns that they need, 0 where no row is."""
    kept = needed_columns(columns, sizes, values)
    code = _codes([columns[k] for k in kept], [sizes[k] for k in kept], len(values))
    shape = [sizes[k] for k in kept]
    table = np.zeros(int(np.prod(shape, dtype=np.int64)), dtype=values.dtype)
    present = np.zeros(len(table), dtype=bool)
    table[code] = values
    present[code] = True
    return Table(kept, table.reshape(shape), present.reshape(shape))


def conditions(grid: Sequence[Indices], present: NDArray[np.bool_]) -> list[AffineMap] | None:
    """Affine functions none of which is negative just where `present`; None if there are none.

    >>> i, d = np.divmod(np.arange(9), 3)
    >>> conditions([i, d], i <= d)
    [AffineMap(offset=0, parts=((0, -1), (1, 1)))]
    """
    halves = []
    for count in (1, 2):
        for subset in combinations(range(len(grid)), count):
            for signs in np.ndindex(*(2,) * count):
                parts = tuple((k, 1 - 2 * s) for k, s in zip(subset, signs, strict=True))
                free = AffineMap(0, parts).at(grid)
                found = AffineMap(-int(free[present].min()), parts)
                if ((free + found.offset) < 0).any():
                    halves.append(found)
    kept: list[AffineMap] = []
    held = np.ones(len(present), dtype=bool)
    # Those that part most come first; one that parts nothing more is left out.
    halves.sort(key=lambda half: -int((half.at(grid) < 0).sum()))
    for half in halves:
        new = held & (half.at(grid) >= 0)
        if (new != held).any():
            kept.append(half)
            held = new
    return kept if np.array_equal(held, present) else None
