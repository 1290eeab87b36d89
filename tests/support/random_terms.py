"""Random terms over named axes, of all kinds, and numbers for their leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from microgradnet import ops
from microgradnet.lifting.terms import (
    Affine,
    Axis,
    Concatenate,
    Constant,
    Leaf,
    LogSumExp,
    Map,
    Mask,
    Put,
    Scan,
    Softmax,
    State,
    add,
    constant,
    multiply,
    read_at,
    rename,
    sum_over,
    topological_terms,
)

__all__ = ["KINKED", "SMOOTH", "Grower", "Sample", "leaves_of", "numbers", "sample"]

SMOOTH = (ops.tanh, ops.sigmoid, ops.sin, ops.softplus, ops.silu, ops.gelu, ops.softsign, ops.atan,
          ops.power_constant, ops.erf, ops.power_constant.variant(exponent=3))  # fmt: skip
KINKED = (ops.relu, ops.leaky_relu, ops.abs, ops.hard_tanh)


@dataclass
class Sample:
    """A cost over the examples, its leaves, and how many numbers of each role there are."""

    cost: Any
    examples: Axis
    parameters: list[Leaf]
    widths: dict[str, int]
    every: list[Any] = field(default_factory=list)


class Grower:
    """Grows terms from leaves on, each of those that are there already."""

    def __init__(self, rng: Random, operations=SMOOTH, rational: bool = False) -> None:
        self.rng, self.operations, self.rational = rng, operations, rational
        self.examples = Axis("n")
        self.sized = [Axis(name, rng.randint(1, 4)) for name in "ijk"]
        self.widths = {"parameter": 0, "input": 0, "target": 0}
        self.parameters: list[Leaf] = []
        self.pool: list[Any] = []
        for _ in range(rng.randint(2, 4)):
            self.pool.append(self.leaf("parameter"))
        self.pool += [self.leaf("input"), self.leaf("target")]

    def leaf(self, role: str) -> Leaf:
        """A leaf over some axes, whose places lie side by side, or turned round, or apart."""
        rng = self.rng
        axes = rng.sample(self.sized, rng.randint(0, 3))
        shape = [axis.size for axis in axes]
        size = int(np.prod(shape, dtype=int))
        start = self.widths[role]
        way = rng.choice(["dense", "dense", "turned", "apart", "holes", "shuffled"])
        places = np.arange(start, start + size).reshape(shape)
        if way == "turned":
            places = np.arange(start, start + size).reshape(shape[::-1]).T
        elif way == "apart":
            places = start + 2 * np.arange(size).reshape(shape)
        elif way == "shuffled":
            places = np.array(rng.sample(range(start, start + size), size)).reshape(shape)
        elif way == "holes" and size > 1:
            places = np.where(np.arange(size).reshape(shape) % 2, -1, places)
        self.widths[role] = max(start, int(places.max()) + 1)
        if role != "parameter":
            axes = [self.examples, *axes]
        leaf = Leaf(f"{role[0]}{start}", role, axes, places)
        if role == "parameter":
            self.parameters.append(leaf)
        return leaf

    def sized_axes(self, term) -> list[Axis]:
        """The term's axes that have a size."""
        return [axis for axis in term.axes if axis.size is not None]

    def grow(self) -> None:
        """Add a term to the pool."""
        x, y = self.rng.choice(self.pool), self.rng.choice(self.pool)
        kind = self.rng.choice(_KINDS)
        grown = getattr(self, f"_{kind}")(x, y)
        if grown is not None and np.prod([a.size for a in self.sized_axes(grown)]) <= 200:
            self.pool.append(grown)

    def _map(self, x, y):
        op = self.rng.choice(self.operations)
        if self.rational:
            return multiply(x, x)
        return Map(op, (x,))

    def _add(self, x, y):
        return add(x, multiply(constant(self.rng.choice([-1, 0.5, 2, -3])), y))

    def _multiply(self, x, y):
        return multiply(x, y, *([self.rng.choice(self.pool)] * self.rng.randint(0, 1)))

    def _divide(self, x, y):
        return Map(ops.divide, (x, add(constant(2), multiply(y, y))))

    def _contract(self, x, y):
        product = multiply(x, y, *([self.rng.choice(self.pool)] * self.rng.randint(0, 1)))
        axes = self.sized_axes(product)
        if not axes:
            return None
        return sum_over(product, *self.rng.sample(axes, self.rng.randint(1, len(axes))))

    def _sum(self, x, y):
        axes = self.sized_axes(x)
        return sum_over(x, *self.rng.sample(axes, self.rng.randint(1, len(axes)))) if axes else None

    def _norm(self, x, y):
        leaves = self.rng.sample(self.parameters, self.rng.randint(1, len(self.parameters)))
        return add(*(sum_over(multiply(w, w), *w.axes) for w in leaves))

    def _rename(self, x, y):
        axes = self.sized_axes(x)
        if not axes:
            return None
        axis = self.rng.choice(axes)
        return rename(x, axis, Axis(axis.name + "′", axis.size))

    def _take(self, x, y):
        axes = self.sized_axes(x)
        if not axes:
            return None
        rng, axis = self.rng, self.rng.choice(axes)
        n = axis.size
        way = rng.choice(_WAYS)
        if way == "at":
            return read_at(x, axis, rng.randrange(n))
        if way == "slice":
            size = rng.randint(1, n)
            return read_at(x, axis, Affine(rng.randint(0, n - size), ((Axis("s", size), 1),)))
        if way == "stride":
            return read_at(x, axis, Affine(0, ((Axis("s", (n + 1) // 2), 2),)))
        if way == "flip":
            return read_at(x, axis, Affine(n - 1, ((Axis("f", n), -1),)))
        if way == "window":
            width = rng.randint(1, n)
            places, inside = Axis("p", n - width + 1), Axis("w", width)
            return read_at(x, axis, Affine(0, ((places, 1), (inside, 1))))
        if way == "pad":
            shift = rng.randint(-2, 2)
            parts = [(Axis("p", rng.randint(1, n + 2)), 1)]
            if rng.random() < 0.5:
                parts.append((Axis("w", 2), 1))
            return read_at(x, axis, Affine(shift, tuple(parts)), rng.choice([0.0, 1.5]))
        if way == "split" and n % 2 == 0:
            return read_at(x, axis, Affine(0, ((Axis("a", n // 2), 2), (Axis("b", 2), 1))))
        same = [a for a in axes if a is not axis and a.size == n]
        if way == "diagonal" and same:
            return read_at(x, axis, Affine(0, ((same[0], 1),)))
        wide = Axis("g", rng.randint(1, 5))
        table = [rng.randrange(n) for _ in range(wide.size)]
        return read_at(x, axis, Constant(np.array(table, dtype=int), (wide,)))

    def _put(self, x, y):
        axes = self.sized_axes(x)
        if not axes:
            return None
        rng, axis = self.rng, self.rng.choice(axes)
        n = axis.size
        size = rng.randint(1, 5)
        if rng.random() < 0.3:
            table = [rng.randrange(size) for _ in range(n)]
            return Put(x, Axis("q", size), Constant(np.array(table, dtype=int), (axis,)), (axis,))
        parts = [(axis, rng.choice([1, 1, 2, -1]))]
        over = [axis]
        if len(axes) > 1 and rng.random() < 0.5:
            other = rng.choice([a for a in axes if a is not axis])
            parts.append((other, 1))
            over.append(other)
        return Put(x, Axis("q", size), Affine(rng.randint(-1, 2), tuple(parts)), tuple(over))

    def _mask(self, x, y):
        axes = self.sized_axes(x)
        if not axes:
            return None
        axis = self.rng.choice(axes)
        other = self.rng.choice([*axes, *self.sized])
        parts = ((axis, 1), (other, -1)) if other is not axis else ((axis, 1),)
        return Mask(x, (Affine(self.rng.randint(-1, 1), parts),), self.rng.choice([0.0, 2.5]))

    def _softmax(self, x, y):
        axes = self.sized_axes(x)
        if not axes or self.rational:
            return None
        over = tuple(self.rng.sample(axes, self.rng.randint(1, len(axes))))
        if self.rng.random() < 0.3 and len(axes) > 1:
            a, b = self.rng.sample(axes, 2)
            # The last of the summed axis is always inside, so that no row is empty.
            x = Mask(x, (Affine(max(0, a.size - b.size), ((b, 1), (a, -1))),), -np.inf)
            return Softmax(x, (a,))
        return (Softmax if self.rng.random() < 0.6 else LogSumExp)(x, over)

    def _concatenate(self, x, y):
        axis = self.rng.choice([*self.sized_axes(x), None])
        other = self.rng.choice([*self.sized_axes(y), None])
        size = sum(1 if a is None else a.size for a in (axis, other))
        return Concatenate(Axis("c", size), ((x, axis), (y, other)))

    def _scan(self, x, y):
        axes = self.sized_axes(x)
        if not axes:
            return None
        rng = self.rng
        steps = rng.choice(axes)
        rest = tuple(a for a in x.axes if a is not steps)
        z = rng.choice([t for t in self.pool if set(t.axes) <= {*rest}] or [constant(1)])
        state = State("s", tuple(dict.fromkeys((*rest, *z.axes))))
        step = add(multiply(constant(0.5), state), x)
        if not self.rational:
            step = Map(rng.choice([ops.tanh, ops.sigmoid, ops.sin]), (step,))
        step = add(step, multiply(constant(0.25), state, z)) if rng.random() < 0.5 else step
        init = z if rng.random() < 0.5 else constant(0)
        out = rng.choice([step, state, multiply(step, x)])
        scan = Scan(steps, ((state, init, step),), out, rng.random() < 0.4)
        last = 0 if scan.reverse else steps.size - 1
        return scan if rng.random() < 0.6 else read_at(scan, steps, last)

    def sample(self, size: int) -> Sample:
        """A cost of so many random terms."""
        for _ in range(size):
            self.grow()
        ends = [*self.pool[-3:], self.rng.choice(self.pool)]
        parts = [sum_over(t, *self.sized_axes(t)) for t in ends]
        cost = add(*(multiply(constant(self.rng.choice([1, -1, 0.5])), t) for t in parts))
        return Sample(cost, self.examples, self.parameters, self.widths, self.pool)


_WAYS = ("at", "slice", "stride", "flip", "window", "pad", "split", "diagonal", "wide")
_KINDS = (
    "map", "map", "add", "multiply", "divide", "contract", "contract", "contract", "sum", "norm",
    "rename", "take", "take", "put", "mask", "softmax", "concatenate", "scan",
)  # fmt: skip


def sample(rng: Random, size: int = 8, **how) -> Sample:
    """A random cost over examples."""
    return Grower(rng, **how).sample(size)


def numbers(leaves, p, X, Y, examples):
    """The leaves' numbers out of the flat vector and the rows of X and Y."""
    given = {}
    for leaf in leaves:
        source = p if leaf.role == "parameter" else X if leaf.role == "input" else Y
        values = np.where(leaf.places >= 0, source[..., np.maximum(leaf.places, 0)], 0)
        if leaf.role != "parameter" and examples in leaf.axes:
            values = np.moveaxis(values, 0, leaf.axes.index(examples))
        given[leaf] = values
    return given


def leaves_of(*roots):
    """All leaves in terms."""
    return [t for t in topological_terms(roots) if isinstance(t, Leaf)]
