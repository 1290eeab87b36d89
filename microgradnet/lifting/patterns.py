"""What can be asked of vectors and of places in them."""

from __future__ import annotations

import numpy as np

from microgradnet import ops
from microgradnet.lifting.grouping import Indices, Operand, Product, Vector

__all__ = [
    "are_same",
    "columns",
    "is_matrix",
    "is_one_minus",
    "is_rows",
    "is_whole",
    "is_whole_softmax",
    "once",
    "rows_alike",
    "softmax_rows",
]


def columns(vector: Vector) -> list[Operand]:
    """The operands one by one, also of an operation of any number of them."""
    if len(vector.operands) == 1 and vector.operands[0].index.ndim == 2:
        (rows,) = vector.operands
        return [Operand(rows.vector, rows.index[:, k]) for k in range(rows.index.shape[1])]
    return vector.operands


def is_rows(vector: Vector) -> bool:
    """Whether it is a softmax or log-sum-exp of entries of one vector."""
    op = vector.op
    return (
        op is not None
        and (op.base or op) in (ops.softmax_component, ops.log_sum_exp)
        and (len(vector.operands) == 1 and vector.operands[0].index.ndim == 2)
    )


def is_whole_softmax(vector: Vector) -> bool:
    """Whether it is the softmax of a whole vector, entry for entry."""
    if not is_rows(vector) or vector.components is None:
        return False
    (operand,) = vector.operands
    return (
        rows_alike(operand.index)
        and is_whole(operand.index[0], len(operand.vector))
        and (is_whole(vector.components, len(operand.vector)))
    )


def softmax_rows(vector: Vector) -> tuple[Indices, Indices]:
    """The different rows of operands, and of each atom its place among all their components."""
    (operand,) = vector.operands
    rows, which = np.unique(operand.index, axis=0, return_inverse=True)
    assert vector.components is not None
    return rows, which.ravel() * rows.shape[1] + vector.components


def is_whole(index: Indices, size: int) -> bool:
    """Whether the places are all there are, in their order."""
    return len(index) == size and bool((index == np.arange(size)).all())


def once(index: Indices) -> Indices:
    """The places, or the one place where all are the same."""
    return index[:1] if (index == index[0]).all() else index


def rows_alike(index: Indices) -> bool:
    """Whether every row has the same places."""
    return bool((index == index[0]).all())


def is_matrix(product: Product) -> bool:
    """Whether Σ c·w·a, w a parameter, is the product of a matrix and a vector."""
    if product.right is None or product.left.vector.role != "parameter":
        return False
    if not product.right.vector.batch:
        return False
    return product.factors.shape[1] > 1 or rows_alike(product.right.index)


def are_same(left: Operand, right: Operand) -> bool:
    """Whether two operands are the same entries."""
    return left.vector is right.vector and bool((left.index == right.index).all())


def is_one_minus(vector: Vector, x: Vector) -> bool:
    """Whether it is 1 − x, entry for entry."""
    if vector.constants is None or len(vector.products) != 1:
        return False
    (product,) = vector.products
    return (
        product.right is None
        and product.left.vector is x
        and product.factors.shape[1] == 1
        and bool((product.factors == -1).all() and (vector.constants == 1).all())
        and is_whole(product.left.index.ravel(), len(x))
    )
