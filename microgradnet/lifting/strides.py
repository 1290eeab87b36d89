"""How arrays lie in memory, and how a product summed over axes becomes a product of matrices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TypeAlias

from microgradnet.lifting.terms import Axis

__all__ = [
    "MANY",
    "Plan",
    "Strides",
    "collapses",
    "contiguous",
    "copy_cost",
    "extent_of",
    "plan_product",
    "run_length",
]

MANY = 1_000_003
"""Stands for the number of examples in strides, so that no product of sizes is equal to it."""

Strides: TypeAlias = "Mapping[Axis, int]"
"""How far apart the entries along each axis are, in entries."""


def extent_of(axes: Iterable[Axis], many: int = MANY) -> int:
    """How many entries there are over axes."""
    count = 1
    for axis in axes:
        count *= axis.size or many
    return count


def contiguous(order: Sequence[Axis]) -> dict[Axis, int]:
    """The strides of an array whose axes lie in this order, the last one closest together.

    >>> i, j = Axis("i", 2), Axis("j", 3)
    >>> contiguous([i, j])
    {i: 3, j: 1}
    """
    return {axis: extent_of(order[k + 1 :]) for k, axis in enumerate(order)}


def collapses(strides: Strides, group: Sequence[Axis]) -> bool:
    """Whether several axes can be read as one."""
    kept = [axis for axis in group if axis.size != 1]
    return all(strides[a] == strides[b] * (b.size or MANY) for a, b in pairwise(kept))


@dataclass
class Plan:
    """A product of matrices a[batch, rows, inner] b[batch, inner, columns].

    copied  the order of the copies that are made of "a" or "b", so that their matrices lie together
    cost    an estimate in nanoseconds
    """

    batch: tuple[Axis, ...]
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    inner: tuple[Axis, ...]
    copied: Mapping[str, tuple[Axis, ...]]
    via_copy: bool
    cost: float


_FEW = 32  # examples, where costs are estimated


def plan_product(a: Strides, b: Strides, out: Strides) -> Plan:
    """The cheapest way of Σ a b, of arrays that lie in memory like this.

    >>> i, j, k = Axis("i", 2), Axis("j", 3), Axis("k", 4)
    >>> plan = plan_product(contiguous([i, k]), contiguous([j, k]), contiguous([i, j]))
    >>> plan.rows, plan.columns, plan.inner, plan.copied
    ((i,), (j,), (k,), {})
    """

    def by(strides: Strides, axes: Iterable[Axis]) -> list[Axis]:
        return sorted(axes, key=lambda axis: -abs(strides[axis]))

    summed = [axis for axis in a if axis in b and axis not in out]
    shared = by(out, [axis for axis in out if axis in a and axis in b])
    best: Plan | None = None
    for copied in _CHOICES:
        if best is not None and (len(best.batch) <= len(shared) or best.cost < _CHEAP):
            break  # copies could only make it dearer
        lies_a, lies_b = (None if name in copied else x for name, x in (("a", a), ("b", b)))
        rows_apart, rows = _split(by(out, [x for x in out if x not in b]), lies_a, out)
        columns_apart, columns = _split(by(out, [x for x in out if x not in a]), lies_b, out)
        batch = (*shared, *rows_apart, *columns_apart)
        for inner in dict.fromkeys((tuple(by(a, summed)), tuple(by(b, summed)))):
            orders = {}
            cost = 0.0
            fits = True
            for name, strides, own in (("a", a, rows), ("b", b, columns)):
                if name in copied:
                    there = [axis for axis in batch if axis in strides]
                    either = ([*there, *own, *inner], [*there, *inner, *own])
                    order = min(either, key=lambda order: copy_cost(strides, order))
                    orders[name] = tuple(order)
                    cost += copy_cost(strides, order)
                elif not (collapses(strides, inner) and _is_matrix(strides, own, inner)):
                    fits = False
            if not fits:
                continue
            via_copy = not _is_matrix(out, rows, columns)
            if via_copy:
                cost += copy_cost(out, [*batch, *rows, *columns])
            flops = 2 * extent_of({*a, *b}, _FEW)
            cost += 250 * extent_of(batch, _FEW) + flops / 8
            if best is None or cost < best.cost:
                best = Plan(batch, (*rows,), (*columns,), inner, orders, via_copy, cost)
    assert best is not None
    return best


_CHEAP = 2000
_CHOICES = ("", "a", "b", "ab")


def run_length(order: Sequence[Axis], together: Iterable[Axis]) -> int:
    """How many entries in a row lie along axes of a set, in an array of this order."""
    those = set(together)
    length = 1
    for axis in reversed(order):
        if axis not in those:
            break
        length *= extent_of([axis], _FEW)
    return length


def copy_cost(strides: Strides, order: Sequence[Axis]) -> float:
    """An estimate of the nanoseconds that a copy into an array of this order takes."""
    count = extent_of(order, _FEW)
    steps = [axis for axis in order if axis.size != 1]
    if not steps or strides[steps[-1]] != 1:
        return 1000 + 2.0 * count
    run = [steps[-1]]
    for axis in reversed(steps[:-1]):
        if strides[axis] != strides[run[-1]] * extent_of([run[-1]]):
            break
        run.append(axis)
    return 1000 + count * (0.4 + 8 / extent_of(run, _FEW))


def _split(axes: list[Axis], one: Strides | None, two: Strides) -> tuple[list[Axis], list[Axis]]:
    """The axes to go over one by one, and those that can be read as one."""
    candidates = chain(
        (axes[k:] for k in range(len(axes))),
        (axes[:k] for k in range(len(axes) - 1, 0, -1)),
    )
    inner: list[Axis] = []
    best = 1
    for candidate in candidates:
        size = extent_of(candidate, _FEW)
        larger = size > best or (not inner and size == best)
        if larger and (one is None or collapses(one, candidate)) and collapses(two, candidate):
            inner, best = candidate, size
    return [axis for axis in axes if axis not in inner], inner


def _is_matrix(strides: Strides, rows: Sequence[Axis], columns: Sequence[Axis]) -> bool:
    """Whether BLAS reads it as it is: entries lie side by side along one of the two."""
    ends = [[axis for axis in group if axis.size != 1][-1:] for group in (rows, columns)]
    steps = [strides[axis] for end in ends for axis in end]
    return not steps or 1 in steps
