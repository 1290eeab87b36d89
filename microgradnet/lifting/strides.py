"""How arrays lie in memory, and how a product summed over axes becomes a product of matrices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import TypeAlias

from microgradnet.lifting.terms import Axis

__all__ = ["MANY", "Plan", "Strides", "collapses", "contiguous", "copy_cost", "extent_of", "plan_product", "run_length"]

MANY = 1_000_003
"""Stands for the number of examples in strides, so that no product of sizes is equal to it."""

Strides: TypeAlias = "Mapping[Axis, int]"
"""How far apart the entries along each axis are, in entries."""


def extent_of(axes: Iterable[Axis], many: int = MANY) -> int:
    """How many entries there are over axes."""
    return prod(many if axis.size is None else axis.size for axis in axes)


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
    return all(strides[a] == strides[b] * extent_of([b]) for a, b in zip(kept, kept[1:]))


@dataclass
class Plan:
    """A product of matrices a[batch, rows, inner] b[batch, inner, columns].

    copied  of which operands a copy is made, so that their matrices lie together: "a", "b"
    cost    an estimate in nanoseconds
    """

    batch: tuple[Axis, ...]
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    inner: tuple[Axis, ...]
    copied: frozenset[str]
    via_copy: bool
    cost: float


_FEW = 32  # examples, where costs are estimated


def plan_product(a: Strides, b: Strides, out: Strides) -> Plan:
    """The cheapest way of Σ a b, of arrays that lie in memory like this.

    >>> i, j, k = Axis("i", 2), Axis("j", 3), Axis("k", 4)
    >>> plan = plan_product(contiguous([i, k]), contiguous([j, k]), contiguous([i, j]))
    >>> plan.rows, plan.columns, plan.inner, set(plan.copied)
    ((i,), (j,), (k,), set())
    """

    def by(strides: Strides, axes: Iterable[Axis]) -> list[Axis]:
        return sorted(axes, key=lambda axis: -strides[axis])

    shared = by(out, [axis for axis in out if axis in a and axis in b])
    rows = by(out, [axis for axis in out if axis not in b])
    columns = by(out, [axis for axis in out if axis not in a])
    summed = [axis for axis in a if axis in b and axis not in out]
    rows_apart, rows = _split(rows, a, out)
    columns_apart, columns = _split(columns, b, out)
    batch = (*shared, *rows_apart, *columns_apart)
    best: Plan | None = None
    for order in {tuple(by(a, summed)), tuple(by(b, summed))}:
        copied = set()
        cost = 0.0
        for name, strides, own in (("a", a, rows), ("b", b, columns)):
            fits = collapses(strides, order) and _is_matrix(strides, own, order)
            if not fits:
                copied.add(name)
                lying = [x for x in (*batch, *own, *order) if x in strides]
                cost += copy_cost(strides, lying)
        via_copy = not _is_matrix(out, rows, columns)
        if via_copy:
            cost += copy_cost(out, [*batch, *rows, *columns])
        calls = extent_of(batch, _FEW)
        flops = 2 * extent_of({*a, *b}, _FEW)
        cost += 250 * calls + flops / 8
        if best is None or cost < best.cost:
            names = frozenset(copied)
            best = Plan(batch, (*rows,), (*columns,), order, names, via_copy, cost)
    assert best is not None
    return best


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


def _split(axes: list[Axis], one: Strides, two: Strides) -> tuple[list[Axis], list[Axis]]:
    """The axes to go over one by one, and those that can be read as one."""
    candidates = chain(
        (axes[k:] for k in range(len(axes))),
        (axes[:k] for k in range(len(axes) - 1, 0, -1)),
    )
    fitting = [c for c in candidates if collapses(one, c) and collapses(two, c)]
    inner = max(fitting, key=lambda c: extent_of(c, _FEW), default=[])
    return [axis for axis in axes if axis not in inner], inner


def _is_matrix(strides: Strides, rows: Sequence[Axis], columns: Sequence[Axis]) -> bool:
    """Whether BLAS reads it as it is: entries lie side by side along one of the two."""
    ends = [[axis for axis in group if axis.size != 1][-1:] for group in (rows, columns)]
    steps = [strides[axis] for end in ends for axis in end]
    return not steps or 1 in steps
