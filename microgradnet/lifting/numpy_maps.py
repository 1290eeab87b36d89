"""Instructions for what is computed entry by entry, or along rows: functions, masks, softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from microgradnet import ops
from microgradnet.lifting.lowering import ACCUMULATE, SPREAD
from microgradnet.lifting.numpy_functions import HELPERS, call, ufunc
from microgradnet.lifting.numpy_places import emit_accumulate, finish
from microgradnet.lifting.numpy_reads import is_masked
from microgradnet.lifting.numpy_writer import Array, Writer, shape_code, stem
from microgradnet.lifting.strides import contiguous, extent_of
from microgradnet.lifting.terms import (
    Affine,
    Axis,
    LogSumExp,
    Map,
    Mask,
    Others,
    Softmax,
    Term,
)

__all__ = ["emit_log_sum_exp", "emit_map", "emit_mask", "emit_others", "emit_softmax"]


def emit_map(w: Writer, term: Map) -> None:
    """A function, in place of an operand that nothing else reads."""
    function, xs = term.function, term.arguments
    if function == ACCUMULATE:
        emit_accumulate(w, term)
        return
    if function is ops.sigmoid:
        slope = Map("sigmoid_slope", (term,))
        if slope in w.frame.needed:
            emit_with_slope(w, term, slope)
            return
    name = ufunc(function, w.number)
    order = w.order(term)
    arrays = [w.array(x) for x in xs]
    if name is None:
        code = cast(str, call(function)).format(*[w.oriented(a, order) for a in arrays])
        fresh = w.local(code, w.name_for(term))
        finish(w, term, Array(fresh, order, contiguous(order)))
        return
    out = in_place(w, term, order, xs, arrays) or w.store(term)
    operands = [w.oriented(a, out.axes) for a in arrays]
    infix = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}.get(name.split("(")[0])
    if infix and operands[0] == out.code:
        w.line(f"{out.code} {infix}= {operands[1]}")
    elif infix in ("+", "*") and operands[1] == out.code:
        w.line(f"{out.code} {infix}= {operands[0]}")
    elif function == SPREAD:
        w.line(f"{out.code}[...] = {operands[0]}")
    else:
        own = "" if name.split("(")[0] in (*HELPERS, "choose") else "np."
        w.line(f"{own}{name.format(*operands)[:-1]}, out={out.code})")
    w.bind(term, out)


def in_place(
    w: Writer, term: Term, order: Sequence[Axis], xs: Sequence[Term], arrays: Sequence[Array]
) -> Array | None:
    """The array of an operand that nothing else reads, for the result."""
    if term in w.frame.targets:
        return None
    for x, array in zip(xs, arrays, strict=True):
        slot = array.slot
        if (
            slot is not None
            and array.whole
            and x in w.frame.arrays
            and slot.pending == 1
            and array.axes == tuple(order)
        ):
            name = w.name_for(term)
            if name in ("t", stem(array.code)) or not w.names.get(term):
                return array
            return w.again(slot, name, array.axes)
    return None


def emit_with_slope(w: Writer, term: Map, slope: Term) -> None:
    """The sigmoid along with its slope."""
    (x,) = term.arguments
    out = w.store(term)
    own = w.frame.targets.get(slope) or w.allocate("slope", out.axes)
    z = w.oriented(w.array(x), out.axes)
    top = w.hoist("np.array(np.floor(np.log(np.finfo(kind).max)))", "top")
    given = [z, w.number(1.0), top, out.code, own.code]
    w.line(f"sigmoid_and_slope({', '.join(given)})")
    w.bind(term, out)
    w.bind(slope, own)


def inside_code(w: Writer, term: Mask, order: Sequence[Axis]) -> str:
    """An array of truth values, which meets arrays of this order."""
    parts = []
    own = [a for a in order if any(a in c.axes for c in term.conditions)]
    for condition in term.conditions:
        written = _coordinates(condition, own)
        parts.append(f"({written} >= 0)")
    code = w.hoist(" & ".join(parts), "inside")
    return w.oriented(Array(code, tuple(own), contiguous(own), True), order)


def mask_array(w: Writer, term: Mask, order: Sequence[Axis]) -> Array:
    """1 where the conditions hold, 0 elsewhere, at every entry."""
    code = f"np.broadcast_to({inside_code(w, term, order)}, {shape_code(order)}).astype(kind)"
    return Array(w.hoist(code, "mask"), tuple(order), contiguous(order), True)


def emit_mask(w: Writer, term: Mask) -> None:
    """A copy, with a number where a condition does not hold."""
    order = w.order(term)
    x = w.array(term.operand)
    out = in_place(w, term, order, [term.operand], [x]) or w.store(term)
    if x.code != out.code:
        w.line(f"np.copyto({out.code}, {w.oriented(x, out.axes)})")
    outside = w.hoist(f"~{inside_code(w, term, out.axes)}", "outside")
    w.line(f"np.copyto({out.code}, {w.number(term.fill)}, where={outside})")
    w.bind(term, out)


def emit_softmax(w: Writer, term: Softmax) -> None:
    """Along short rows that lie side by side by products with ones; else by `softmax`."""
    masked = term.operand if is_masked(term.operand) else None
    x = w.array(masked.operands[0] if masked else term.operand)
    order = w.order(term)
    last = order[-len(term.over) :]
    if set(last) == set(term.over) and extent_of(last) <= _SHORT and order == x.axes:
        out = w.store(term)
        rest = order[: -len(last)]
        sums = w.allocate("sums", order)
        flat = [w.grouped(a, [rest, last]) for a in (x, sums, out)]
        ones = w.ones(last, square=True)
        mask = []
        if masked is not None:
            mask = [w.grouped(mask_array(w, cast(Mask, masked), order), [rest, last])]
        name = "masked_softmax_rows" if mask else "softmax_rows"
        given = [flat[0], *mask, ones, *flat[1:]]
        w.line(f"{name}({', '.join(given)})")
        w.discard(sums)
        w.bind(term, out)
        return
    out = w.store(term)
    code = w.oriented(x, out.axes)
    if masked is not None:
        inside = inside_code(w, cast(Mask, masked), out.axes)
        code = f"np.where({inside}, {code}, -np.inf)"
    places = tuple(out.axes.index(axis) for axis in term.over)
    w.line(f"{out.code}[...] = softmax({code}, {places})")
    w.bind(term, out)


def emit_others(w: Writer, term: Others) -> None:
    """By `others`, along axes."""
    out = w.store(term)
    places = tuple(out.axes.index(axis) for axis in term.over)
    w.line(f"{out.code}[...] = others({w.oriented(w.array(term.operand), out.axes)}, {places})")
    w.bind(term, out)


def emit_log_sum_exp(w: Writer, term: LogSumExp) -> None:
    """By `log_sum_exp`, along the last axes."""
    x = w.array(term.operand)
    out = w.store(term)
    order = [*out.axes, *term.over]
    places = tuple(range(len(out.axes), len(order)))
    w.line(f"{out.code}[...] = log_sum_exp({w.oriented(x, order)}, {places})")
    w.bind(term, out)


def _coordinates(index: Affine, own: Sequence[Axis]) -> str:
    """An affine function of coordinates as code, over axes."""
    written = str(index.offset)
    for axis, factor in index.parts:
        places = [":" if a is axis else "None" for a in own[own.index(axis) :]]
        code = f"np.arange({axis.size})" + (f"[{', '.join(places)}]" if len(places) > 1 else "")
        written += f" + {factor} * {code}"
    return written


_SHORT = 64
"""Of rows this short the sums are taken by a product with a square of ones."""
