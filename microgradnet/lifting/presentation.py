"""Terms as they are shown: a neuron alone is a layer of one, a single input is an entry of a0.

What runs needs no axis of one coordinate. What is read does: with it the weights of one neuron are
a matrix of one row, and z2 = W2 a1 + b2 is true of them too. Such axes change no number, so they
are added to what is written alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.lifting.derivatives import substitute
from microgradnet.lifting.nesting import ParameterArray
from microgradnet.lifting.terms import (
    Affine,
    Axis,
    Concatenate,
    Constant,
    Leaf,
    LogSumExp,
    Map,
    Scan,
    Sum,
    Take,
    Term,
    as_coefficient,
    rename,
    sum_over,
    topological_terms,
    where_used,
)

__all__ = ["COLUMN", "ROW", "columns_read", "present", "without_row"]

Indices: TypeAlias = "NDArray[np.intp]"

ROW, COLUMN = Axis("i", 1), Axis("j", 1)
"""The axes of one row, and of one column, of weights."""


def present(
    roots: Sequence[Term],
    held: Sequence[ParameterArray],
    widths: Mapping[str, int],
    labels: Mapping[str, Mapping[int, str]],
) -> dict[Term, Term]:
    """What each term is shown as: with axes of one row or column where weights have these.

    held    arrays of parameters, whose shapes tell
    widths  how many columns "input" and "target" have
    labels  of each role those of single leaves that have names of their own
    """
    given = topological_terms(roots)
    parts = _parts_read(given, held)
    whole = dict(zip(given, substitute(given, parts), strict=True))
    order = topological_terms(whole[root] for root in roots)
    new: dict[Term, Term] = {}
    matrices = _matrices(order, held)
    read = _columns(order, widths, labels, bool(matrices))
    for term in order:
        if isinstance(term, Leaf):
            new[term] = matrices.get(term) or read.get(term, term)
            continue
        operands = [new[x] for x in term.operands]
        if isinstance(term, (Scan, Concatenate, LogSumExp)):
            operands = [without_row(x) for x in operands]
        if isinstance(term, Map):
            new[term] = _map(term, operands)
        elif isinstance(term, Sum):
            new[term] = _sum(term, operands[0])
        else:
            same = all(x is y for x, y in zip(operands, term.operands, strict=True))
            new[term] = term if same else term.with_operands(operands)
    return {term: new[read] for term, read in whole.items() if read in new}


def without_row(term: Term) -> Term:
    """The one row's entry."""
    return sum_over(term, ROW) if ROW in term.axes else term


def _map(term: Map, operands: Sequence[Term]) -> Term:
    """The same of new operands; weights of one column are multiplied with a vector of one."""
    if term.function is ops.multiply and len({*operands}) == 1 and _is_parameter(operands[0]):
        single = [axis for axis in (ROW, COLUMN) if axis in operands[0].axes]
        square = term.with_operands(operands)
        return sum_over(square, *single) if len(single) == len(square.axes) else square
    column = [x for x in operands if COLUMN in x.axes]
    if not column or term.function is not ops.multiply:
        same = all(x is y for x, y in zip(operands, term.operands, strict=True))
        return term if same else term.with_operands(operands)
    row = any(ROW in x.axes for x in column)
    moved = [x if x in column else rename(x, ROW, COLUMN) for x in operands]
    product = sum_over(term.with_operands(moved), COLUMN)
    return product if row or ROW not in product.axes else without_row(product)


def _sum(term: Sum, operand: Term) -> Term:
    """The same of a new operand: over all of it, unless weights of one row are multiplied."""
    single = [axis for axis in (ROW, COLUMN) if axis in operand.axes]
    kept = any(axis.size is not None and axis not in single for axis in term.axes)
    if single and not kept and not _has_row(operand):
        return sum_over(operand, *term.over, *single)
    return term if operand is term.operand else Sum(operand, term.over)


def _has_row(product: Term) -> bool:
    """Whether a product has weights of one row, and something else without."""
    _, rest = as_coefficient(product)
    if not (isinstance(rest, Map) and rest.function is ops.multiply):
        return False
    weights = [x for x in rest.operands if isinstance(x, Leaf) and x.role == "parameter"]
    return any(ROW in x.axes for x in weights) and len({*rest.operands}) > len({*weights})


def _matrices(order: Sequence[Term], held: Iterable[ParameterArray]) -> dict[Term, Term]:
    """The parameters that have one row or column, with axes for these."""
    shapes: dict[tuple[tuple[int, ...], bytes], tuple[int, ...]] = {}
    for array in held:
        places = np.ascontiguousarray(array.places)
        shapes[tuple(size for size in places.shape if size > 1), places.tobytes()] = places.shape
    found: dict[Term, Term] = {}
    for leaf in order:
        if isinstance(leaf, Leaf) and leaf.role == "parameter":
            shape = shapes.get((leaf.places.shape, np.ascontiguousarray(leaf.places).tobytes()))
            if shape is not None and len(shape) > leaf.places.ndim:
                axes = _extended(leaf.axes, shape)
                if axes is not None:
                    found[leaf] = _with_axes(leaf, axes)
    given = {places for _, places in shapes}
    for rows in _single_rows(order):
        for leaf in rows:
            if leaf not in found and np.ascontiguousarray(leaf.places).tobytes() not in given:
                found[leaf] = _with_axes(leaf, (ROW, *leaf.axes))
    return found


def _parts_read(order: Sequence[Term], held: Iterable[ParameterArray]) -> dict[Term, Term]:
    """The reads of parameters of which only a part is ever read, as arrays of that part."""
    whole = {array.places.tobytes() for array in held}
    uses = where_used(order)
    found: dict[Term, Term] = {}
    for leaf in order:
        if not isinstance(leaf, Leaf) or leaf.role != "parameter" or leaf.places.tobytes() in whole:
            continue
        term: Term = leaf
        places, axes = leaf.places, list(leaf.axes)
        while len(readers := uses.get(term, [])) == 1:
            (read,) = readers
            part = _part(places, axes, read)
            if part is None:
                break
            (places, axes), term = part, read
        if term is not leaf:
            found[term] = cast(Term, Leaf(leaf.name, leaf.role, axes, places))
    return found


def _part(places: Indices, axes: list[Axis], read: Term) -> tuple[Indices, list[Axis]] | None:
    """The places, and their axes, of what is read of an array, if nothing is read twice."""
    if not isinstance(read, Take) or read.fill is not None:
        return None
    index, k = read.index, axes.index(read.axis)
    if isinstance(index, Constant):
        reached, own = index.values, [*index.axes]
    elif isinstance(index, Affine) and len(index.parts) == 1:
        ((axis, step),) = index.parts
        reached, own = index.offset + step * np.arange(cast(int, axis.size)), [axis]
    else:
        return None
    rest = [*axes[:k], *axes[k + 1 :]]
    if len(np.unique(reached)) < reached.size or not {*own}.isdisjoint(rest):
        return None
    return np.take(places, reached, axis=k), [*axes[:k], *own, *axes[k + 1 :]]


def _with_axes(leaf: Leaf, axes: Sequence[Axis]) -> Term:
    return cast(Term, Leaf(leaf.name, leaf.role, axes, leaf.places))


def _extended(axes: tuple[Axis, ...], shape: tuple[int, ...]) -> tuple[Axis, ...] | None:
    """The axes with that of a row before or of a column behind; None for other arrays."""
    if shape == (1, 1):
        return ROW, COLUMN
    if len(shape) > len(axes) + 1 or len(shape) > 2:
        return None
    return (ROW, *axes) if shape[0] == 1 else (*axes, COLUMN)


def _single_rows(order: Sequence[Term]) -> Iterator[list[Leaf]]:
    """The weights and biases of single neurons, Σ w x + b."""
    for term in order:
        parts = term.operands if isinstance(term, Map) and term.function is ops.add else (term,)
        weights = [leaf for part in parts for leaf in _row_of(part)]
        biases = [p for p in parts if isinstance(p, Leaf) and p.role == "parameter" and not p.axes]
        if weights:
            yield weights + biases


def _row_of(part: Term) -> Iterator[Leaf]:
    """The weights of a sum of products with data, if these have no further axis."""
    _, part = as_coefficient(part)
    if not isinstance(part, Sum) or any(axis.size is not None for axis in part.axes):
        return
    _, product = as_coefficient(part.operand)
    factors = product.operands if isinstance(product, Map) else ()
    for w, x in (factors, factors[::-1]) if len(factors) == 2 else ():
        if _is_parameter(w) and w.axes == part.over and not _is_parameter(x):
            yield cast(Leaf, w)


def _is_parameter(term: Term) -> bool:
    return isinstance(term, Leaf) and term.role == "parameter"


# Columns of X, Y and V


def _columns(
    order: Sequence[Term],
    widths: Mapping[str, int],
    labels: Mapping[str, Mapping[int, str]],
    vectors: bool,
) -> dict[Term, Term]:
    """The inputs and targets that are not all of them as entries of all.

    vectors  whether a single one is a vector too
    """
    found: dict[Term, Term] = {}
    for role, width in widths.items():
        leaves = [x for x in order if isinstance(x, Leaf) and x.role == role]
        if width == 1:
            found |= {
                x: _with_axes(x, (*x.axes, ROW)) for x in leaves if vectors and not x.places.ndim
            }
            continue
        named = [x for x in leaves if x.places.size == 1 and x.places.item() in labels[role]]
        rest = [x for x in leaves if x not in named]
        whole = next((x for x in rest if _is_whole(x, width)), None)
        if whole is None and rest:
            examples = [axis for axis in rest[0].axes if axis.size is None]
            whole = Leaf(role, role, (*examples, Axis("k", width)), range(width))
        read = {x: columns_read(x, cast(Leaf, whole)) for x in rest if x is not whole}
        if None not in read.values():
            found |= cast("dict[Term, Term]", read)
    return found


def _is_whole(leaf: Leaf, width: int) -> bool:
    places = leaf.places.ravel()
    return places.size == width and bool((places == np.arange(width)).all())


def columns_read(leaf: Leaf, whole: Leaf) -> Term | None:
    """A leaf as what is read of all columns; None where no affine index says which."""
    sized = [axis for axis in leaf.axes if axis.size is not None]
    places = leaf.places
    if len(sized) > 1 or whole.places.ndim > 1 or (places < 0).any():
        return None
    step = int(places[1] - places[0]) if sized and len(places) > 1 else 0
    even = not sized or (step != 0 and bool((np.diff(places) == step).all()))
    parts = ((sized[0], step),) if sized else ()
    axis = next(axis for axis in whole.axes if axis.size is not None)
    return Take(whole, axis, Affine(int(places.flat[0]), parts)) if even else None
