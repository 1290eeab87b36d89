"""Random loop nests: arrays of scalars by their coordinates, and what loops make of them.

An array is a dictionary from coordinates to Values; of a ragged one some coordinates are not there.
Factors stand in any order, terms are added in any order, loops run in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from math import prod
from random import Random
from typing import Any

from microgradnet import Value, ops

__all__ = ["Nest", "random_nest"]

Array = dict[tuple[int, ...], Any]


@dataclass
class Nest:
    """A cost by random loops, its leaves, and what the loops were."""

    cost: Any
    inputs: list[Value] = field(default_factory=list)
    parameters: list[Value] = field(default_factory=list)
    story: list[str] = field(default_factory=list)


class _Maker:
    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.inputs: list[Value] = []
        self.parameters: list[Value] = []
        self.arrays: list[Array] = []
        self.story: list[str] = []

    def leaves(self, *sizes: int) -> Array:
        """A new array of parameters, inputs or constants; sometimes one that is there."""
        rng = self.rng
        same = [
            a
            for a in self.arrays
            if _sizes(a) == sizes
            and len(a) == prod(sizes)
            and all(v.op is None for v in a.values())
        ]
        if same and rng.random() < 0.3:
            self.story.append(f"shared {sizes}")
            return rng.choice(same)
        made = {at: Value(rng.uniform(-1, 1)) for at in product(*map(range, sizes))}
        role = rng.choice(("parameter", "parameter", "input", "constant"))
        if role == "parameter":
            self.parameters += made.values()
        elif role == "input":
            self.inputs += made.values()
        self.arrays.append(made)
        self.story.append(f"{role} {sizes}")
        return made

    def total(self, terms: list[Any]) -> Any:
        """Their sum in a random way of adding up."""
        how = self.rng.random()
        if how < 0.15:
            terms = terms[::-1]
        elif how < 0.25:
            self.rng.shuffle(terms)
        if how > 0.8:
            return sum(terms)
        if how > 0.7 and len(terms) > 2:
            half = len(terms) // 2
            return self.total(terms[:half]) + self.total(terms[half:])
        result = terms[0]
        for term in terms[1:]:
            result = result + term
        return result

    def times(self, *factors: Any) -> Any:
        """Their product in a random order."""
        order = list(factors)
        if self.rng.random() < 0.2:
            self.rng.shuffle(order)
        result = order[0]
        for factor in order[1:]:
            result = result * factor
        return result

    def fill(self, where: list[tuple[int, ...]], entry: Any) -> Array:
        """entry(at) for each of the coordinates, by loops in a random order of axes."""
        if where and self.rng.random() < 0.3:
            axes = list(range(len(where[0])))
            self.rng.shuffle(axes)
            where = sorted(where, key=lambda at: [at[k] for k in axes])
        return {at: entry(at) for at in where}

    def grow(self) -> None:
        """One more array of those that are there."""
        rng = self.rng
        a = rng.choice(self.arrays[-3:])
        where, sizes = list(a), _sizes(a)
        kind = rng.choice(
            ("map", "map", "weights", "weights", "shift", "window", "ragged", "share", "transpose",
             "outer", "add", "scale", "pair", "pool", "loop")
        )  # fmt: skip
        self.story.append(f"{kind} of {sizes}, {len(where)} entries")
        if kind == "map":
            op = rng.choice([ops.tanh, ops.relu, ops.sigmoid, ops.sin, ops.softplus])
            made = self.fill(where, lambda at: op(a[at]))
        elif kind == "weights" and sizes:  # W[j,k] a[..,k]
            k = rng.randrange(len(sizes))
            n = rng.randint(1, 4)
            W = self.leaves(n, sizes[k]) if rng.random() < 0.8 else self.leaves(sizes[k], n)
            turned = _sizes(W) != (n, sizes[k])
            b = self.leaves(n) if rng.random() < 0.5 else None
            rest = sorted({at[:k] + at[k + 1 :] for at in where})

            def entry(at: tuple[int, ...]) -> Any:
                *outer, j = at
                terms = [
                    self.times(W[(c, j) if turned else (j, c)], a[(*outer[:k], c, *outer[k:])])
                    for c in range(sizes[k])
                    if (*outer[:k], c, *outer[k:]) in a
                ]
                z = self.total(terms)
                return z if b is None else z + b[(j,)]

            made = self.fill([(*at, j) for at in rest for j in range(n)], entry)
        elif kind in ("shift", "window") and sizes and max(sizes) > 1:
            k = max(range(len(sizes)), key=lambda c: sizes[c])
            n = rng.randint(2, min(3, sizes[k]))
            w = self.leaves(n) if kind == "window" else None
            flip, pad = rng.random() < 0.3, rng.random() < 0.3
            low = 1 - n if pad else 0

            def windowed(at: tuple[int, ...]) -> Any:
                terms = []
                for t in range(n):
                    place = (*at[:k], at[k] + low + (n - 1 - t if flip else t), *at[k + 1 :])
                    if place in a:
                        terms.append(a[place] if w is None else self.times(w[(t,)], a[place]))
                return self.total(terms) if terms else None

            span = range(sizes[k] + n - 1) if pad else range(sizes[k] - n + 1)
            spots = sorted({(*at[:k], i, *at[k + 1 :]) for at in where for i in span})
            made = {at: v for at, v in self.fill(spots, windowed).items() if v is not None}
        elif kind == "ragged" and len(sizes) >= 2:
            made = {at: a[at] for at in where if at[0] >= at[1]}
        elif kind == "share" and sizes:  # exp a / Σ exp a along the last axis
            e = self.fill(where, lambda at: ops.exp(a[at] * 0.5))
            rows = {at[:-1]: self.total([e[s] for s in where if s[:-1] == at[:-1]]) for at in where}
            made = {at: e[at] / rows[at[:-1]] for at in where}
        elif kind == "transpose" and len(sizes) >= 2:
            made = {at[::-1]: a[at] for at in where}
        elif kind == "outer" and len(where) <= 12:
            b = rng.choice(self.arrays) if rng.random() < 0.5 else self.leaves(rng.randint(1, 3))
            if len(b) * len(where) > 60:
                return
            made = self.fill(
                [(*s, *t) for s in where for t in b],
                lambda at: self.times(a[at[: len(sizes)]], b[at[len(sizes) :]]),
            )
        elif kind == "add":
            b = self.leaves(*(sizes[-1:] if rng.random() < 0.5 else sizes))
            made = self.fill(where, lambda at: a[at] + b.get(at, b.get(at[-1:], 0.5)))
        elif kind == "scale":
            c = rng.uniform(-1, 1)
            made = self.fill(where, lambda at: c - a[at] if c < 0 else a[at] * c)
        elif kind == "pair" and len(sizes) == 2:  # Σ_k a[i,k] a[j,k]
            rows = sorted({at[0] for at in where})
            made = {}
            for i, j in product(rows, rows):
                both = [k for k in range(sizes[1]) if (i, k) in a and (j, k) in a]
                terms = [self.times(a[i, k], a[j, k]) for k in both]
                if terms:
                    made[i, j] = self.total(terms)
        elif kind == "pool" and sizes and sizes[-1] % 2 == 0 and sizes[-1] > 2:
            made = {}
            for at in where:
                pair = [s for s in where if s[:-1] == at[:-1] and s[-1] // 2 == at[-1] // 2]
                if pair[0] == at:
                    made[(*at[:-1], at[-1] // 2)] = self.total([a[s] for s in pair]) / len(pair)
        elif kind == "loop" and len(sizes) == 2 and len(where) == sizes[0] * sizes[1]:
            made = self.loop(a, *sizes)
        else:
            return
        if 0 < len(made) <= 80:
            if max(abs(v.data) for v in made.values()) > 20:
                made = {at: ops.tanh(v) for at, v in made.items()}
            self.arrays.append(made)

    def loop(self, a: Array, rows: int, n: int) -> Array:
        """A state of n numbers carried from row to row, several times, or what it was in each."""
        rng = self.rng
        rounds, keep = rng.randint(1, 3), rng.random() < 0.5
        how = rng.choice(("weights", "sum", "max", "two", "decay"))
        W = self.leaves(n, n) if how in ("weights", "two") else {}
        b = self.leaves(n) if rng.random() < 0.5 else None
        h: list[Any] = [0.0] * n if rng.random() < 0.5 else [a[0, j] * 0.3 for j in range(n)]
        c: list[Any] = [v * 1.0 for v in h]
        kept: Array = {}
        for t in range(rows * rounds):
            x = [a[t % rows, j] for j in range(n)]
            if how in ("weights", "two"):
                z = [self.total([self.times(W[j, k], h[k]) for k in range(n)]) + x[j]
                     for j in range(n)]  # fmt: skip
                if how == "two":
                    c = [0.5 * u + ops.sigmoid(v) for u, v in zip(c, z, strict=True)]
                h = [ops.tanh(u if b is None else u + b[(j,)]) for j, u in enumerate(z)]
                if how == "two":
                    h = [u * v for u, v in zip(h, c, strict=True)]
            elif how == "sum":
                h = [u + v for u, v in zip(h, x, strict=True)]
            elif how == "max":
                h = [ops.maximum(u, v) for u, v in zip(h, x, strict=True)]
            else:
                h = [0.5 * u + v * v for u, v in zip(h, x, strict=True)]
            kept |= {(t, j): u for j, u in enumerate(h) if isinstance(u, Value)}
        last = {(j,): u for j, u in enumerate(h)}
        return kept if keep and len(kept) == n * rows * rounds else last


def _sizes(a: Array) -> tuple[int, ...]:
    return tuple(max(column) + 1 for column in zip(*a, strict=True))


def random_nest(rng: Random, steps: int) -> Nest:
    """A cost of about so many loops over random arrays."""
    maker = _Maker(rng)
    maker.leaves(*(rng.randint(2, 4) for _ in range(rng.randint(1, 2))))
    if not maker.parameters:
        maker.leaves(rng.randint(1, 3))
    for _ in range(steps):
        maker.grow()
    last = maker.arrays[-1]
    terms = [maker.times(v, v) if rng.random() < 0.9 else v * 0.5 for v in last.values()]
    if rng.random() < 0.4:
        terms.append(0.01 * sum((p * p for p in maker.parameters), Value(0.0)))
    parameters = maker.parameters[:]
    if rng.random() < 0.2:
        rng.shuffle(parameters)
    return Nest(maker.total(terms) + 0.0, maker.inputs, parameters, maker.story)
