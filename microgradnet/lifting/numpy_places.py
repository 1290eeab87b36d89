"""Instructions for reading at places and for putting into place: views, where there is a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import cast

import numpy as np

from microgradnet.lifting.lowering import is_put
from microgradnet.lifting.numpy_functions import number_source
from microgradnet.lifting.numpy_writer import Array, Writer, shape_code, size_code, stem
from microgradnet.lifting.strides import collapses, contiguous
from microgradnet.lifting.terms import Affine, Axis, Concatenate, Constant, Map, Put, Take, Term

__all__ = ["emit_accumulate", "emit_concatenate", "emit_put", "emit_take"]


def emit_take(w: Writer, term: Take) -> None:
    """A view; by a table a gather."""
    x = w.array(term.operand)
    if isinstance(term.index, Term):
        emit_gather(w, term, x)
    else:
        finish(w, term, w.view(x, term.axis, term.index))


def emit_gather(w: Writer, term: Take, x: Array) -> None:
    """Read at places from a table."""
    index = places_of(w, term)
    fill = term.fill
    clipped = (
        index.code if fill is None else f"np.clip({index.code}, 0, {size_code([term.axis])} - 1)"
    )
    joint = [a for a in index.axes if a in x.axes and a is not term.axis]
    place = x.axes.index(term.axis)
    if not joint:
        code = f"{x.code}.take({clipped}, {place})"
        axes = (*x.axes[:place], *index.axes, *x.axes[place + 1 :])
    else:
        axes = tuple(dict.fromkeys((*(a for a in x.axes if a is not term.axis), *index.axes)))
        at = w.oriented(replace(index, code=clipped, kept=False), axes)
        places = [at if a is term.axis else w.coordinates(a, axes) for a in x.axes]
        code = f"{x.code}[{', '.join(places)}]"
    if fill is not None:
        own = w.oriented(index, axes)
        there = f"({own} >= 0) & ({own} < {size_code([term.axis])})"
        code = f"np.where({there}, {code}, {number_source(fill)})"
    name = w.fresh(w.name_for(term))
    w.line(f"{name} = {code}")
    finish(w, term, Array(name, axes, contiguous(axes)))


def places_of(w: Writer, term: Take | Put) -> Array:
    """The index of a term, as whole numbers."""
    array = w.array(cast(Term, term.index))
    if isinstance(term.index, Constant):
        return array
    return replace(array, code=f"{array.code}.astype(np.intp)", kept=False)


def finish(w: Writer, term: Term, made: Array) -> None:
    """Bind an array, or copy it to where the term belongs."""
    target = w.frame.targets.get(term)
    if target is not None:
        w.line(f"{target.code}[...] = {w.oriented(made, target.axes)}")
        made = target
    w.bind(term, made)


def emit_put(w: Writer, term: Put) -> None:
    """An array of zeros with what is added in through views; by a table a scatter."""
    if isinstance(term.index, Term):
        emit_scatter(w, term, w.array(term.operand))
    else:
        accumulate(w, term, [term], ())


def emit_accumulate(w: Writer, term: Map) -> None:
    """The sum of what is put into place, and of another."""
    puts = [x for x in term.operands if isinstance(x, Put) and is_put(x)]
    accumulate(w, term, puts, [x for x in term.operands if x not in puts])


def accumulate(w: Writer, term: Term, puts: Sequence[Put], others: Sequence[Term]) -> None:
    """What another term is, if there is one, with what is put into place."""
    out = w.store(term)
    covered = not others and len(puts) == 1 and _covers(puts[0])
    for x in others:
        w.line(f"{out.code}[...] = {w.oriented(w.array(x), out.axes)}")
    if not others and not covered:
        w.line(f"{out.code}.fill(0)")
    for put in puts:
        apart, array = _apart(put, w.array(put.operand))
        view = w.view(out, apart.axis, cast(Affine, apart.index))
        if covered:
            w.line(f"{view.code}[...] = {w.oriented(array, view.axes)}")
        else:
            scatter_view(w, view, array, [a for a in _overlapping(apart) if a in apart.over])
    w.bind(term, out)


def scatter_view(w: Writer, view: Array, x: Array, apart: Sequence[Axis]) -> None:
    """Add an array into a view, one by one along axes along which its places overlap."""
    for place in product(*(range(cast(int, a.size)) for a in apart)):
        into, part = view, x
        for axis, k in zip(apart, place, strict=True):
            into = w.view(into, axis, Affine(k))
            if axis in part.axes:
                part = w.view(part, axis, Affine(k))
        code = w.oriented(part, into.axes)
        w.line(f"{into.code} += {code}")


def emit_scatter(w: Writer, term: Put, x: Array) -> None:
    """Add in at places from a table."""
    out, index = w.store(term), term.index
    rest = [axis for axis in out.axes if axis is not term.axis]
    w.line(f"{out.code}.fill(0)")
    alone = isinstance(index, Constant) and {*index.axes} == {*term.over}
    over = sorted(term.over, key=lambda axis: -x.strides.get(axis, 0))
    if alone and over and {*x.axes} == {*over, *rest} and collapses(x.strides, over):
        scatter_rows(w, term, x, out, rest, over)
        w.bind(term, out)
        return
    other = {axis: Axis(axis.name, axis.size) for axis in term.over}
    x, places = (
        replace(array, axes=tuple(other.get(a, a) for a in array.axes))
        for array in (x, places_of(w, term))
    )
    full = [*rest, *other.values()]
    where = [w.coordinates(axis, full) for axis in rest]
    own, last = w.oriented(places, full), size_code([term.axis])
    values = w.oriented(x, full)
    if isinstance(index, Constant) and not _is_inside(index, term.axis):
        values = f"np.where(({own} >= 0) & ({own} < {last}), {values}, 0)"
        own = f"np.clip({own}, 0, {last} - 1)"
    cells = f"({', '.join([*where, own])},)"
    moved = w.oriented(out, (*rest, term.axis))
    if term.over:  # add.at wants the values in full
        w.line(f"np.add.at({moved}, {cells}, np.broadcast_to({values}, {shape_code(full)}))")
    else:
        w.line(f"{moved}[{cells}] = {values}")
    w.bind(term, out)


def scatter_rows(
    w: Writer, term: Put, x: Array, out: Array, rest: Sequence[Axis], over: Sequence[Axis]
) -> None:
    """Add rows into those of an array of zeros: sorted, those for one place lie together."""
    index = cast(Constant, term.index)
    flat = index.values.transpose([index.axes.index(axis) for axis in over]).ravel()
    order = flat.argsort(kind="stable")
    order = order[(flat[order] >= 0) & (flat[order] < cast(int, term.axis.size))]
    places, starts = np.unique(flat[order], return_index=True)
    rows = w.grouped(x, [over, *([axis] for axis in rest)])
    code = f"{rows}.take({w.table(order)}, 0)"
    if len(places) < len(order):
        code = f"np.add.reduceat({code}, {w.table(starts)}, 0)"
    w.line(f"{w.oriented(out, (term.axis, *rest))}[{w.table(places)}] = {code}")


def emit_concatenate(w: Writer, term: Concatenate) -> None:
    """An array with each piece copied to its part, constants once for all."""
    lasting = any(isinstance(piece, Constant) for piece in term.operands)
    order = w.order(term)
    lasting = lasting and term not in w.frame.targets
    out = w.permanent(w.name_for(term), order) if lasting else w.store(term)
    place = out.axes.index(term.axis)
    start = 0
    for piece, own in term.pieces:
        size = 1 if own is None else cast(int, own.size)
        at = str(start) if own is None else f"{start}:{start + size}"
        dots = ", ..." if len(out.axes) == 1 else ""
        part = w.hoist(f"{out.code}[{':, ' * place}{at}{dots}]", stem(out.code))
        array = w.array(piece)
        renamed = tuple(term.axis if a is own else a for a in array.axes)
        order = tuple(a for a in out.axes if own is not None or a is not term.axis)
        code = f"{part}[...] = {w.oriented(replace(array, axes=renamed), order)}"
        if lasting and isinstance(piece, Constant):
            w.prepared.append(code)
        else:
            w.line(code)
        start += size
    w.bind(term, out)


def _covers(put: Put) -> bool:
    """Whether each place is written once."""
    index = cast(Affine, put.index)
    count = prod(cast(int, a.size) for a in index.axes)
    reaches_all = index.bounds() == (0, cast(int, put.axis.size) - 1) and count == put.axis.size
    return reaches_all and set(index.axes) <= set(put.over) and not _overlapping(put)


def _apart(put: Put, x: Array) -> tuple[Put, Array]:
    """A put and what it puts, whose summed axes are not those of other terms of the same name."""
    other = {axis: Axis(axis.name, axis.size) for axis in put.over}
    offset, parts = cast(Affine, put.index)
    index = Affine(offset, tuple((other.get(a, a), c) for a, c in parts))
    axes = tuple(other.get(axis, axis) for axis in x.axes)
    strides = {other.get(axis, axis): step for axis, step in x.strides.items()}
    renamed = Put(put.operand, put.axis, index, tuple(other.values()))
    return renamed, replace(x, axes=axes, strides=strides)


def _overlapping(put: Put) -> list[Axis]:
    """Axes to go along one by one, so that else no two entries fall on one place."""
    apart: list[Axis] = []
    parts = [p for p in cast(Affine, put.index).parts if p[0].size != 1]
    while True:
        reach, clash = 0, False
        for axis, factor in sorted(parts, key=lambda part: abs(part[1])):
            clash |= abs(factor) <= reach
            reach += abs(factor) * (cast(int, axis.size) - 1)
        if not clash:
            return apart
        smallest = min(parts, key=lambda part: cast(int, part[0].size))
        parts.remove(smallest)
        apart.append(smallest[0])


def _is_inside(index: Constant, axis: Axis) -> bool:
    return bool(((index.values >= 0) & (index.values < cast(int, axis.size))).all())
