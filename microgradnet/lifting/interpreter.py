"""What terms mean: an interpreter so plain that programs are held against it.

Each entry of each term is computed by itself, in Python's numbers and by the forward functions and
rules of the table. Fractions stay exact, mpmath's numbers keep their digits.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import accumulate
from operator import add, mul
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgradnet import ops
from microgradnet.arithmetic import Number, evaluate
from microgradnet.lifting.terms import (
    VJP,
    Affine,
    Axis,
    Concatenate,
    Constant,
    Extent,
    Function,
    Index,
    Leaf,
    LogSumExp,
    Map,
    Mask,
    Others,
    Put,
    Scan,
    Softmax,
    Sum,
    Take,
    Term,
    free_states,
    topological_terms,
)

__all__ = ["interpret"]


def interpret(
    roots: Sequence[Term],
    given: Mapping[Leaf, ArrayLike],
    sizes: Mapping[Axis, int] | None = None,
    number: Callable[[float], Number] = float,
) -> list[NDArray[Any]]:
    """The values of terms, as arrays of Python's numbers whose axes are in the order of `axes`.

    given   the leaves' numbers, over their axes
    sizes   of axes that have none of their own
    number  makes the constants' numbers of floats: Fraction, so that all stays rational

    >>> from microgradnet.lifting.terms import Axis, Leaf, multiply, sum_over
    >>> k = Axis("k", 2)
    >>> w, x = (Leaf(name, "input", (k,), [0, 1]) for name in "wx")
    >>> interpret([sum_over(multiply(w, x), k)], {w: [1, 2], x: [3, 4]})
    [array(11, dtype=object)]
    """
    order = topological_terms(roots)
    leaves = {leaf: np.array(values, dtype=object) for leaf, values in given.items()}
    machine = _Interpreter(leaves, sizes or {}, number, free_states(order))
    frame = _Frame(None, None, {}, frozenset(), {})
    for term in order:
        if not machine.free[term]:
            frame.values[term] = machine.value(term, frame)
    return [_spread(frame.values[root], root.axes, machine.shape(root.axes)) for root in roots]


class _Value(NamedTuple):
    axes: tuple[Axis, ...]
    array: NDArray[Any]


class _Frame(NamedTuple):
    """What is known within a step of a scan, and the frame around it.

    steps   the coordinates of this and the outer scans
    states  theirs
    """

    outer: _Frame | None
    axis: Axis | None
    steps: dict[Axis, int]
    states: frozenset[Term]
    values: dict[Term, _Value]

    def look_up(self, term: Term) -> _Value:
        if term in self.values:
            return self.values[term]
        assert self.outer is not None
        axes, array = self.outer.look_up(term)
        if self.axis not in axes:
            return _Value(axes, array)
        place = axes.index(self.axis)
        rest = (*axes[:place], *axes[place + 1 :])
        return _Value(rest, array[(slice(None),) * place + (self.steps[self.axis], ...)])


class _Interpreter:
    def __init__(
        self,
        given: Mapping[Leaf, NDArray[Any]],
        sizes: Mapping[Axis, int],
        number: Callable[[float], Number],
        free: Mapping[Term, frozenset[Term]],
    ) -> None:
        self.given, self.sizes, self.number, self.free = given, sizes, number, free

    def size(self, axis: Axis) -> int:
        return self.sizes[axis] if axis.size is None else axis.size

    def shape(self, axes: Sequence[Axis]) -> tuple[int, ...]:
        return tuple(map(self.size, axes))

    def converted(self, x: Any) -> Number:
        whole = isinstance(x, int)
        return x if whole or (isinstance(x, float) and not math.isfinite(x)) else self.number(x)

    def value(self, term: Term, frame: _Frame) -> _Value:
        """A term's value, whose operands' values are known."""
        if isinstance(term, Scan):
            return self.scan(term, frame)
        known = [frame.look_up(operand) for operand in term.operands]
        axes = tuple(axis for axis in term.axes if axis not in frame.steps)
        shape = self.shape(axes)
        out = np.empty(shape, dtype=object)
        for place in np.ndindex(shape):
            at = {**frame.steps, **dict(zip(axes, place, strict=True))}
            out[place] = self.entry(term, known, at)
        return _Value(axes, out)

    def entry(self, term: Term, known: Sequence[_Value], at: dict[Axis, int]) -> Any:
        """The entry of a term at coordinates."""
        match term:
            case Leaf():
                return self.given[term][tuple(at.values())]
            case Constant():
                return self.converted(term.values[tuple(at.values())].item())
            case Extent(axis):
                return self.size(axis)
            case Map(function):
                return _apply(function, [_read(x, at) for x in known])
            case Sum(_, over):
                return sum(_read(known[0], c) for c in self.along(over, at))
            case LogSumExp(_, over):
                xs = [_read(known[0], c) for c in self.along(over, at)]
                return evaluate(ops.log_sum_exp.forward, *xs)
            case Softmax(_, over):
                xs = [_read(known[0], c) for c in self.along(over, at)]
                own = [*self.along(over, at)].index(at)
                return evaluate(lambda m, *xs: m.softmax(xs), *xs)[own]
            case Others(_, over):
                rest = [_read(known[0], c) for c in self.along(over, at) if c != at]
                return sum(rest, self.number(0.0))
            case Take(_, axis, index, fill):
                place = _index(index, known, at)
                if 0 <= place < self.size(axis):
                    return _read(known[0], {**at, axis: place})
                assert fill is not None
                return self.converted(fill)
            case Put(_, axis, index, over):
                outside = {a: k for a, k in at.items() if a is not axis or a in over}
                return sum(
                    (
                        _read(known[0], c)
                        for c in self.along(over, outside)
                        if _index(index, known, c) == at[axis]
                    ),
                    self.number(0.0),
                )
            case Mask(_, conditions, fill):
                holds = all(_affine(condition, at) >= 0 for condition in conditions)
                return _read(known[0], at) if holds else self.converted(fill)
        assert isinstance(term, Concatenate)
        sizes = [1 if part is None else self.size(part) for _, part in term.pieces]
        ends = list(accumulate(sizes))
        k = bisect_right(ends, at[term.axis])
        part, local = term.pieces[k][1], at[term.axis] - ends[k] + sizes[k]
        return _read(known[k], at if part is None else {**at, part: local})

    def along(self, over: Sequence[Axis], at: dict[Axis, int]) -> Iterator[dict[Axis, int]]:
        """All coordinates that go over the axes and are elsewhere as they are."""
        for place in np.ndindex(self.shape(over)):
            yield {**at, **dict(zip(over, place, strict=True))}

    def scan(self, scan: Scan, frame: _Frame) -> _Value:
        """Step after step."""
        states: dict[Term, _Value] = {s: frame.look_up(init) for s, init, _ in scan.states}
        own = frozenset(states)
        inside = frame.states | own
        body = [
            term
            for term in topological_terms([*(step for *_, step in scan.states), scan.out])
            if self.free[term] & own and self.free[term] <= inside
        ]
        n = self.size(scan.axis)
        kept: list[_Value] = []
        steps = range(n)
        for step in reversed(steps) if scan.reverse else steps:
            inner = _Frame(frame, scan.axis, {**frame.steps, scan.axis: step}, inside, {**states})
            for term in body:
                if term not in states:
                    inner.values[term] = self.value(term, inner)
            kept.append(inner.look_up(scan.out))
            states = {state: inner.look_up(after) for state, _, after in scan.states}
        if scan.reverse:
            kept.reverse()
        axes = max((value.axes for value in kept), key=len)
        arrays = [_spread(value, axes, self.shape(axes)) for value in kept]
        out = np.empty((n, *self.shape(axes)), dtype=object)
        for step, array in enumerate(arrays):
            out[step, ...] = array
        return _Value((scan.axis, *axes), out)


def _spread(value: _Value, axes: Sequence[Axis], shape: Sequence[int]) -> NDArray[Any]:
    """The value over more axes, or the same in another order."""
    own = [value.axes.index(axis) for axis in axes if axis in value.axes]
    lacking = tuple(k for k, axis in enumerate(axes) if axis not in value.axes)
    return np.broadcast_to(np.expand_dims(value.array.transpose(own), lacking), shape)


def _read(value: _Value, at: Mapping[Axis, int]) -> Any:
    return value.array[tuple(at[axis] for axis in value.axes)]


def _affine(index: Affine, at: Mapping[Axis, int]) -> int:
    return index.offset + sum(coefficient * at[axis] for axis, coefficient in index.parts)


def _index(index: Index, known: Sequence[_Value], at: Mapping[Axis, int]) -> int:
    return _affine(index, at) if isinstance(index, Affine) else int(_read(known[1], at))


def _apply(function: Function, xs: Sequence[Any]) -> Any:
    if function is ops.add:
        return reduce(add, xs)
    if function is ops.multiply:
        return _product(xs)
    if isinstance(function, VJP):
        g, y, *operands = xs
        return function.operation.vjp(g, *operands, out=y)[function.operand]
    if isinstance(function, str):
        return _ELEMENTARY[function](*xs)
    return evaluate(function.forward, *xs)


def _product(xs: Sequence[Any]) -> Any:
    """A product in an order that stays within the floats where one does."""
    if all(isinstance(x, (int, float)) and _SMALL <= abs(x) <= _LARGE for x in xs):
        return reduce(mul, xs)
    factors = sorted(xs, key=abs)
    product = factors.pop()
    while factors:
        product = product * factors.pop(0 if abs(product) >= 1 else -1)
    return product


_SMALL, _LARGE = 2.0**-64, 2.0**64


def _elementary(name: str) -> Callable[..., Any]:
    return lambda *xs: evaluate(lambda m, *xs: getattr(m, name)(*xs), *xs)


_ELEMENTARY: dict[str, Callable[..., Any]] = {
    "where": lambda condition, x, y: x if condition else y,
    "both": lambda p, q: bool(p and q),
    "less": lambda x, y: cast(bool, x < y),
    "less_equal": lambda x, y: cast(bool, x <= y),
    **{name: _elementary(name) for name in ("equal", "is_infinite", "vanishing_product")},
    **{name: _elementary(name) for name in ("scaled", "power_slope", "power_log")},
}
