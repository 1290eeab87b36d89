"""Instructions for sums: products of matrices, and sums as products with ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, product
from typing import cast

from microgradnet.lifting.layouts import factors
from microgradnet.lifting.numpy_leaves import is_dense
from microgradnet.lifting.numpy_writer import Array, Writer, size_code
from microgradnet.lifting.strides import Plan, collapses, extent_of, plan_product
from microgradnet.lifting.terms import Affine, Axis, Map, Sum, Term

__all__ = ["emit_sum"]


def emit_sum(w: Writer, term: Sum) -> None:
    """A product of matrices, or a sum of one array."""
    pair = factors(term)
    if pair is not None:
        emit_product(w, term, *pair)
        return
    x = w.array(term.operand)
    order = w.order(term)
    if is_spread(w, term, x):
        (last,) = term.over
        full = w.allocate("sums", x.axes)
        rows = [[a for a in x.axes if a is not last], [last]]
        ones = w.ones([last], square=True)
        w.line(f"np.matmul({w.grouped(x, rows)}, {ones}, out={w.grouped(full, rows)})")
        w.bind(term, full)
        return
    emit_reduction(w, term, x, [a for a in x.axes if a in term.over], order)


def is_spread(w: Writer, term: Sum, x: Array) -> bool:
    """Whether the sum of a row is wanted beside each of its entries.

    Along short rows it is quicker to compute it there than to read it there.
    """
    readers = w.readers(term)
    return (
        len(readers) == 1
        and isinstance(readers[0], Map)
        and set(readers[0].axes) == set(term.operand.axes)
        and len(term.over) == 1
        and len(x.axes) > 1
        and extent_of(term.over) <= _SHORT
        and is_dense(x.axes, x.strides)
        and x.axes[-1] is term.over[0]
    )


def emit_reduction(
    w: Writer, term: Term, x: Array, over: Sequence[Axis], order: Sequence[Axis]
) -> None:
    """A sum as a product with ones, which takes a fraction of the time of NumPy's sum."""
    rest = [axis for axis in order if axis in x.axes and axis not in over]
    out = w.store(term)
    by = sorted(over, key=lambda axis: -abs(x.strides[axis]))
    target = w.as_row(out, rest)
    if target is not None and collapses(x.strides, by) and collapses(x.strides, rest):
        ones = w.ones(by)
        dense = is_dense(out.axes, out.strides)
        function = "dot" if dense and is_dense(x.axes, x.strides) else "matmul"
        if not rest:
            given = [ones, w.grouped(x, [by])]
        elif x.strides[rest[-1]] == 1:
            given = [ones, w.grouped(x, [by, rest])]
        else:
            given = [w.grouped(x, [rest, by]), ones]
        w.line(f"np.{function}({', '.join(given)}, out={target})")
    elif (
        extent_of(over) <= _FEW
        and x.strides[min(x.axes, key=lambda a: x.strides[a])] == 1
        and (min(x.axes, key=lambda a: x.strides[a]) not in over)
    ):
        parts = []
        for place in product(*(range(cast(int, a.size)) for a in over)):
            part = x
            for axis, k in zip(over, place, strict=True):
                part = w.view(part, axis, Affine(k))
            parts.append(w.oriented(part, out.axes))
        if len(parts) == 1:
            w.line(f"{out.code}[...] = {parts[0]}")
        else:
            w.line(f"np.add({parts[0]}, {parts[1]}, out={out.code})")
        for code in parts[2:]:
            w.line(f"np.add({out.code}, {code}, out={out.code})")
    else:
        places = tuple(x.axes.index(axis) for axis in over)
        left = [axis for axis in x.axes if axis not in over]
        w.line(f"np.add.reduce({x.code}, {places}, out={w.oriented(out, left)})")
    w.bind(term, out)


def emit_product(w: Writer, term: Sum, x: Term, y: Term) -> None:
    """A sum of products as a product of matrices."""
    out = w.store(term)
    if out.axes and out.axes[-1] in x.axes:  # so that the columns are those of the result
        x, y = y, x
    a, b = w.array(x), w.array(y)
    plan = plan_product(a.strides, b.strides, out.strides)
    scratch: list[Array] = []
    a, b = (
        w.copied(x, order, scratch) if order else x
        for x, order in zip((a, b), plan.copies, strict=True)
    )
    result = out
    if plan.via_copy:
        result = w.allocate("t", (*plan.batch, *plan.rows, *plan.columns))
        scratch.append(result)
    batch = [[axis] for axis in plan.batch]
    rows = [plan.rows] if batch or extent_of(plan.rows) > 1 or len(plan.rows) == 1 else []
    columns = [plan.columns] if batch or plan.columns else []
    rows = [plan.rows] if batch or plan.rows else []
    left = w.grouped(a, [*batch, *rows, plan.inner])
    right = w.grouped(b, [*batch, plan.inner, *columns])
    into = w.grouped(result, [*batch, *rows, *columns])
    one = not batch and (not rows or not columns or 1 in map(extent_of, (rows[0], columns[0])))
    dense = is_dense(result.axes, result.strides)
    function = product_function(w, plan, one and dense)
    w.line(f"{function}({left}, {right}, out={into})")
    if plan.via_copy:
        w.line(f"{out.code}[...] = {w.oriented(result, out.axes)}")
    for array in scratch:
        w.discard(array)
    w.bind(term, out)


def product_function(w: Writer, plan: Plan, is_row: bool) -> str:
    """What computes a product: of matrices that may be large what `product_for` chooses."""
    if is_row:
        return "np.dot"
    sizes = plan.rows, plan.inner, plan.columns
    if plan.batch or not plan.rows or not plan.columns or extent_of(chain(*sizes)) <= _SMALL:
        return "np.matmul"
    count = " * ".join(map(size_code, sizes))
    return w.hoist(f"product_for({count})", "matmul")


_SMALL = 2**18
"""Products of so many multiplications are never computed by several threads of BLAS."""
_FEW = 12
"""So few arrays are added one by one, rather than along short axes."""
_SHORT = 32
"""Of rows this short the sums are computed beside each entry."""
