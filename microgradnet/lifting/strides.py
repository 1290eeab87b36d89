"""How arrays lie in memory, and how a product summed over axes becomes a product of matrices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import NamedTuple, TypeAlias

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


class Plan(NamedTuple):
    """A product of matrices a[batch, rows, inner] b[batch, inner, columns].

    copies      the orders of the copies that are made of a and b; () where one is read as it lies
    via_copy    whether the result is computed elsewhere and copied
    cost        an estimate in nanoseconds
    """

    batch: tuple[Axis, ...]
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    inner: tuple[Axis, ...]
    copies: tuple[tuple[Axis, ...], tuple[Axis, ...]]
    via_copy: bool
    cost: float


_FEW = 32  # examples, where costs are estimated


def plan_product(a: Strides, b: Strides, out: Strides) -> Plan:
    """The cheapest way of Σ a b, of arrays that lie in memory like this.

    >>> i, j, k = Axis("i", 2), Axis("j", 3), Axis("k", 4)
    >>> plan = plan_product(contiguous([i, k]), contiguous([j, k]), contiguous([i, j]))
    >>> plan.rows, plan.columns, plan.inner, plan.copies
    ((i,), (j,), (k,), ((), ()))
    """
    by_out = sorted(out, key=lambda axis: -abs(out[axis]))
    shared = [axis for axis in by_out if axis in a and axis in b]
    rows = [axis for axis in by_out if axis not in b]
    columns = [axis for axis in by_out if axis not in a]
    summed = [axis for axis in a if axis in b and axis not in out]
    flops = 2 * extent_of({*a, *b}, _FEW)
    plans = []
    for inner in {tuple(sorted(summed, key=lambda axis: -abs(x[axis]))): 0 for x in (a, b)}:
        lefts = list(_sides(a, rows, shared, inner, out))
        for left, right in product(lefts, _sides(b, columns, shared, inner, out)):
            batch = (*shared, *left.apart, *right.apart)
            via_copy = not _is_matrix(out, left.group, right.group)
            cost = left.cost + right.cost + 250 * extent_of(batch, _FEW) + flops / 8
            if via_copy:
                cost += copy_cost(out, [*batch, *left.group, *right.group])
            copies = left.copy, right.copy
            plans.append(Plan(batch, left.group, right.group, inner, copies, via_copy, cost))
    return min(plans, key=lambda plan: plan.cost)


class _Side(NamedTuple):
    """How one factor is read: its own axes one by one or as a group, and of a copy the order."""

    apart: tuple[Axis, ...]
    group: tuple[Axis, ...]
    copy: tuple[Axis, ...]
    cost: float


def _sides(
    x: Strides, own: Sequence[Axis], shared: Sequence[Axis], inner: Sequence[Axis], out: Strides
) -> Iterator[_Side]:
    """The ways to read a factor: as it lies, and if that takes several products, as a copy."""
    apart, group = _split(own, (x, out))
    if collapses(x, inner) and (not out or _is_matrix(x, group, inner)):  # dot takes any step
        yield _Side(apart, group, (), 0)
        if not apart:
            return
    apart, group = _split(own, (out,))
    either = ((*shared, *apart, *group, *inner), (*shared, *apart, *inner, *group))
    copy = min(either, key=lambda order: copy_cost(x, order))
    yield _Side(apart, group, copy, copy_cost(x, copy))


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


def _split(axes: Sequence[Axis], lie: Sequence[Strides]) -> tuple[tuple[Axis, ...], ...]:
    """The axes to go over one by one, and most of those that can be read as one."""
    n = len(axes)
    groups = [axes[k:] for k in range(n)] + [axes[:k] for k in range(n - 1, 0, -1)]
    whole = [g for g in groups if all(collapses(strides, g) for strides in lie)]
    best = max(whole, key=lambda group: extent_of(group, _FEW), default=())
    return tuple(axis for axis in axes if axis not in best), tuple(best)


def _is_matrix(strides: Strides, rows: Sequence[Axis], columns: Sequence[Axis]) -> bool:
    """Whether BLAS reads it as it is: entries lie side by side along one of the two."""
    ends = [[axis for axis in group if axis.size != 1][-1:] for group in (rows, columns)]
    steps = [strides[axis] for end in ends for axis in end]
    return not steps or 1 in steps
