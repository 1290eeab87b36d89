"""Parameters, inputs and gradients as views of flat vectors and of columns; else as copies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from microgradnet.lifting.numpy_functions import number_source
from microgradnet.lifting.numpy_writer import Array, Writer, shape_code, stem
from microgradnet.lifting.strides import Strides, contiguous
from microgradnet.lifting.terms import Axis, Constant, Extent, Leaf, Term

__all__ = [
    "add_decay",
    "copy_gradient",
    "emit_constant",
    "emit_extent",
    "emit_leaf",
    "is_dense",
    "leaf_strides",
    "leaf_view",
    "runs",
]


def emit_leaf(w: Writer, term: Leaf) -> None:
    """Bind a leaf to a view; to a copy in a better order where windows are read of it."""
    found = leaf_view(w, term)
    order = w.layouts.order(term)
    if term in w.reading.windowed and order != found.axes:
        made = w.permanent(f"{stem(found.code)}_copy", order)
        w.line(f"np.copyto({made.code}, {w.oriented(found, order)})")
        found = made
    w.bind(term, found)


def emit_extent(w: Writer, term: Extent) -> None:
    """Bind the number of examples."""
    w.bind(term, Array("m", (), {}))


def emit_constant(w: Writer, term: Constant) -> None:
    """Bind an array of numbers of the right kind, which is there already."""
    w.bind(term, constant_array(w, term))


def constant_array(w: Writer, term: Constant) -> Array:
    """The array of a constant: as it is written, or filled."""
    if term.number is not None:
        return Array(w.number(float(term.number)), (), {}, True)
    strides = contiguous(term.axes)
    if term.values.dtype.kind == "i":
        return Array(w.table(term.values), term.axes, strides, True)
    same = np.unique(term.values)
    if len(same) == 1:
        code = f"np.full({shape_code(term.axes)}, {number_source(float(same[0]))}, kind)"
        return Array(w.hoist(code, "ones" if same[0] == 1 else "k"), term.axes, strides, True)
    name = w.constant_array(term.values, "K")
    return Array(w.hoist(f"{name}.astype(kind)", name.lower()), term.axes, strides, True)


def leaf_view(w: Writer, leaf: Leaf, of: str = "") -> Array:
    """A leaf as a view of the flat vector, or of the columns of X; else a copy."""
    vector = of or {"parameter": "p", "input": "X", "target": "Y", "seed": "V"}[leaf.role]
    name = f"d_{leaf.name}" if of else leaf.name
    strides = leaf_strides(leaf, w.reading.widths.get(leaf.role, 0))
    examples = [axis for axis in leaf.axes if axis.size is None]
    lead = ":, " if vector in "XYV" else ""
    if strides is None:
        code = f"{vector}[{lead}{w.table(np.maximum(leaf.places, 0))}]"
        if (leaf.places < 0).any():
            code = f"np.where({w.table((leaf.places >= 0).astype(np.intp))}, {code}, 0)"
        rest = [axis for axis in leaf.axes if axis.size is not None]
        order = [*examples, *rest] if lead else rest
        target = w.fresh(name)
        w.line(f"{target} = {code}")
        return Array(target, tuple(order), contiguous(order))
    sized = sorted((a for a in leaf.axes if a.size is not None), key=lambda a: -abs(strides[a]))
    steps = {axis: abs(strides[axis]) for axis in sized}
    first, last = int(leaf.places.min()), int(leaf.places.max()) + 1
    code = f"{vector}[{lead}{first}:{last}]"
    shape = ", ".join(["m"] * bool(lead) + [str(axis.size) for axis in sized])
    if not sized:
        code = f"{vector}[{lead}{first}]" if lead else f"{code}.reshape(())"
    elif last - first == leaf.places.size and is_dense(sized, steps):
        code += f".reshape({shape})" if len(sized) > 1 else ""
    elif len(sized) == 1:
        code = f"{vector}[{lead}{first}:{last}:{steps[sized[0]]}]"
    else:
        apart = [f"{step} * {vector}.strides[{int(bool(lead))}]" for step in steps.values()]
        apart = [f"{vector}.strides[0]"] * bool(lead) + apart
        code = f"as_strided({code}, ({shape},), ({', '.join(apart)},))"
    if any(strides[axis] < 0 for axis in sized):
        code += f"[{lead}{', '.join('::-1' if strides[a] < 0 else ':' for a in sized)}]"
    order = [*examples, *sized]
    if lead:
        code = w.local(code, name)
        return Array(code, tuple(order), strides)
    return Array(w.hoist(code, name), tuple(order), strides, True)


def copy_gradient(w: Writer, leaf: Leaf, array: Array) -> None:
    """Copy a gradient to its places in g."""
    strides = leaf_strides(leaf)
    if strides is not None:
        view = leaf_view(w, leaf, "g")
        w.line(f"{view.code}[...] = {w.oriented(array, view.axes)}")
        return
    there = leaf.places >= 0
    full = w.oriented(array, leaf.axes)
    if set(array.axes) != set(leaf.axes):
        full = f"np.broadcast_to({full}, {shape_code(leaf.axes)})"
    if there.all():
        w.line(f"g[{w.table(leaf.places)}] = {full}")
    else:
        cells = tuple(w.table(x) for x in np.nonzero(there))
        w.line(f"g[{w.table(leaf.places[there])}] = {full}[{', '.join(cells)}]")


def add_decay(w: Writer, factor: Term, leaves: Sequence[Leaf]) -> None:
    """Add a multiple of parameters to their gradient, of neighbours at once."""
    for start, stop in runs(np.concatenate([leaf.places.ravel() for leaf in leaves])):
        axis = Axis("w", stop - start)
        whole = Leaf("weights", "parameter", (axis,), range(start, stop))
        p, g = leaf_view(w, whole), leaf_view(w, whole, "g")
        scaled = w.permanent("decay", (axis,))
        w.line(f"np.multiply({p.code}, {w.array(factor).code}, out={scaled.code})")
        w.line(f"np.add({g.code}, {scaled.code}, out={g.code})")


@lru_cache(maxsize=64)
def leaf_strides(leaf: Leaf, width: int = 0) -> dict[Axis, int] | None:
    """The strides of a leaf in its vector, or matrix of so many columns; None if it has none."""
    sized = [axis for axis in leaf.axes if axis.size is not None]
    places = leaf.places
    first = places[(0,) * places.ndim]
    grid, strides = first, {}
    for k, axis in enumerate(sized):
        along = np.moveaxis(places, k, -1).reshape(-1, places.shape[k])[0]
        strides[axis] = int(along[1] - first) if len(along) > 1 else 1
        grid = np.add.outer(grid, strides[axis] * np.arange(len(along)))
    if 0 in strides.values() or not (grid == places).all() or (places < 0).any():
        return None
    if len(sized) < len(leaf.axes):
        (examples,) = (axis for axis in leaf.axes if axis.size is None)
        reach = max((abs(strides[axis]) * cast(int, axis.size) for axis in sized), default=1)
        strides[examples] = reach if reach == width else _FAR
    return strides


def runs(places: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Where runs of neighbours start and stop."""
    places = np.sort(places)
    breaks = np.flatnonzero(np.diff(places) > 1)
    starts = places[np.concatenate([[0], breaks + 1])]
    stops = places[np.concatenate([breaks, [len(places) - 1]])] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def is_dense(order: Sequence[Axis], strides: Strides) -> bool:
    """Whether an array lies in this order without gaps."""
    return all(
        strides[axis] == extent or axis.size == 1 for axis, extent in contiguous(order).items()
    )


_FAR = 10**9 + 7
"""Stands for how far apart rows are that do not lie side by side."""
