"""Instructions for reading at places and for putting into place: views, where there is a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import cast

import numpy as np

from microgradnet import ops
from microgradnet.lifting.numpy_functions import number_source
from microgradnet.lifting.numpy_reads import chain_of, is_map
from microgradnet.lifting.numpy_writer import Array, Writer, shape_code, size_code, stem
from microgradnet.lifting.strides import collapses, contiguous
from microgradnet.lifting.terms import Affine, Axis, Concatenate, Constant, Put, Take, Term

__all__ = ["emit_concatenate", "emit_put", "emit_take"]


def emit_take(w: Writer, term: Take) -> None:
    """A view, of a longer array if it reaches beyond the ends; by a table a gather."""
    links = chain_of(term)
    x = w.array(links[-1].operand)
    if isinstance(term.index, Term):
        emit_gather(w, term, x)
        return
    array = padded(w, x, links) if term.fill is not None else x
    view = array
    for link in reversed(links):
        offset = 0 if term.fill is None else _padding(link)[0]
        view = w.view(view, link.axis, cast(Affine, link.index), offset)
    target = w.frame.targets.get(term)
    if target is not None:
        w.line(f"{target.code}[...] = {w.oriented(view, target.axes)}")
        view = target
    w.bind(term, view)


def padded(w: Writer, x: Array, links: Sequence[Take]) -> Array:
    """A copy of an array within a margin of what is read beyond its ends."""
    margins = {link.axis: _padding(link) for link in links}
    wide = {
        axis: Axis(axis.name, cast(int, axis.size) + sum(margins[axis]))
        for axis in x.axes
        if axis in margins and margins[axis] != (0, 0)
    }
    if not wide:
        return x
    order = tuple(wide.get(axis, axis) for axis in x.axes)
    fill = number_source(cast(float, links[0].fill))
    made = w.permanent(f"{stem(x.code)}_padded", order, fill)
    places = [
        f"{margins[a][0]}:{margins[a][0] + cast(int, a.size)}" if a in wide else ":" for a in x.axes
    ]
    middle = w.hoist(f"{made.code}[{', '.join(places)}]", f"{made.code}_middle")
    w.line(f"np.copyto({middle}, {x.code})")
    strides = dict(zip(x.axes, contiguous(order).values(), strict=True))
    return Array(made.code, x.axes, strides, True)


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
    """Bind a new array, or copy it to where the term belongs."""
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
        emit_gathered(w, term)


def emit_gathered(w: Writer, term: Term) -> None:
    """The sum of what is put into place, and of others."""
    parts = w.reading.parts(term) if is_map(term, ops.add) else [term]
    puts = [chain_of(cast(Put, part)) for part in parts if w.reading.is_put_here(part, term)]
    others = [part for part in parts if not w.reading.is_put_here(part, term)]
    out = w.store(term)
    margins = {axis: (0, 0) for axis in out.axes}
    for link in (link for links in puts for link in links):
        low, high = margins.get(link.axis, (0, 0))
        more = _padding(link)
        margins[link.axis] = max(low, more[0]), max(high, more[1])
    whole = with_margins(w, out, margins)
    covered = not others and len(puts) == 1 and _covers(puts[0])
    if others:
        middle = out if whole is out else middle_of(w, whole, margins)
        w.line(f"{middle.code}[...] = {w.oriented(w.array(others[0]), out.axes)}")
        for x in others[1:]:
            code = w.oriented(w.array(x), out.axes)
            w.line(f"np.add({middle.code}, {code}, out={middle.code})")
    elif not covered:
        w.line(f"{whole.code}.fill(0)")
    for links in puts:
        apart, array = _apart(links, w.array(links[-1].operand))
        indexed = {link.axis for link in links}
        beside = {a: (0, 0) if a in indexed else margin for a, margin in margins.items()}
        view = middle_of(w, whole, beside) if any(map(sum, beside.values())) else whole
        for link in apart:
            view = w.view(view, link.axis, cast(Affine, link.index), margins[link.axis][0])
        over = [a for link in apart for a in link.over]
        if covered:
            w.line(f"{view.code}[...] = {w.oriented(array, view.axes)}")
        else:
            scatter_view(w, view, array, [a for a in _overlapping(apart) if a in over])
    if whole is not out:
        w.line(f"np.copyto({out.code}, {middle_of(w, whole, margins).code})")
    w.bind(term, out)


def with_margins(w: Writer, out: Array, margins: Mapping[Axis, tuple[int, int]]) -> Array:
    """An array that is longer at the ends, if it has to be."""
    if not any(sum(margins[axis]) for axis in out.axes):
        return out
    order = [
        Axis(a.name, cast(int, a.size) + sum(margins[a])) if sum(margins[a]) else a
        for a in out.axes
    ]
    made = w.permanent(f"{stem(out.code)}_padded", order)
    strides = dict(zip(out.axes, contiguous(order).values(), strict=True))
    return Array(made.code, out.axes, strides, True)


def middle_of(w: Writer, whole: Array, margins: Mapping[Axis, tuple[int, int]]) -> Array:
    """The part of a longer array between its margins."""
    places = [
        f"{margins[a][0]}:{margins[a][0] + cast(int, a.size)}" if sum(margins[a]) else ":"
        for a in whole.axes
    ]
    code = w.hoist(f"{whole.code}[{', '.join(places)}]", f"{whole.code}_middle")
    return replace(whole, code=code)


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
    """An array with each piece copied to its part."""
    out = w.store(term)
    place = out.axes.index(term.axis)
    start = 0
    for piece, own in term.pieces:
        size = 1 if own is None else cast(int, own.size)
        at = str(start) if own is None else f"{start}:{start + size}"
        dots = ", ..." if len(out.axes) == 1 else ""
        part = w.hoist(f"{out.code}[{':, ' * place}{at}{dots}]", stem(out.code))
        array = w.array(piece)
        renamed = tuple(term.axis if a is own else a for a in array.axes)
        order = [a for a in out.axes if own is not None or a is not term.axis]
        code = w.oriented(replace(array, axes=renamed), order)
        w.line(f"{part}[...] = {code}")
        start += size
    w.bind(term, out)


def _covers(links: Sequence[Put]) -> bool:
    """Whether each place is written once."""
    return all(
        _reaches_all(cast(Affine, link.index), link.axis)
        and set(link.index.axes) <= set(link.over)
        and not _overlapping([link])
        for link in links
    )


def _reaches_all(index: Affine, axis: Axis) -> bool:
    count = prod(cast(int, a.size) for a in index.axes)
    return index.bounds() == (0, cast(int, axis.size) - 1) and count == axis.size


def _apart(links: Sequence[Put], x: Array) -> tuple[list[Put], Array]:
    """Puts and what they put, whose summed axes are not those of other terms of the same name."""
    other = {axis: Axis(axis.name, axis.size) for link in links for axis in link.over}
    renamed = [
        Put(
            link.operand,
            link.axis,
            Affine(link.index.offset, tuple((other.get(a, a), c) for a, c in link.index.parts)),
            tuple(other[a] for a in link.over),
        )
        for link in links
        if isinstance(link.index, Affine)
    ]
    axes = tuple(other.get(axis, axis) for axis in x.axes)
    strides = {other.get(axis, axis): step for axis, step in x.strides.items()}
    return renamed, replace(x, axes=axes, strides=strides)


def _padding(link: Take | Put) -> tuple[int, int]:
    """How far an affine index reaches beyond the ends of its axis."""
    bounds = cast(Affine, link.index).bounds()
    assert bounds is not None and link.axis.size is not None
    return max(0, -bounds[0]), max(0, bounds[1] - link.axis.size + 1)


def _overlapping(links: Sequence[Put]) -> list[Axis]:
    """Axes to go along one by one, so that else no two entries fall on one place."""
    apart: list[Axis] = []
    for link in links:
        parts = [p for p in cast(Affine, link.index).parts if p[0].size != 1]
        while True:
            reach, clash = 0, False
            for axis, factor in sorted(parts, key=lambda part: abs(part[1])):
                clash |= abs(factor) <= reach
                reach += abs(factor) * (cast(int, axis.size) - 1)
            if not clash:
                break
            smallest = min(parts, key=lambda part: cast(int, part[0].size))
            parts.remove(smallest)
            apart.append(smallest[0])
    return apart


def _is_inside(index: Constant, axis: Axis) -> bool:
    return bool(((index.values >= 0) & (index.values < cast(int, axis.size))).all())
