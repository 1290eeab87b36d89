"""Outputs of a network as numbers, and which of them are right."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgradnet.costs import CostEntry
from microgradnet.lifting import trace
from microgradnet.nn import Module

__all__ = ["Array", "Correct", "confusion", "correctness", "output_list", "outputs", "predictions"]

Array: TypeAlias = NDArray[Any]
Correct: TypeAlias = "Callable[[Array, Array], NDArray[np.bool_]]"
"""(outputs, targets) → which of the examples are right; rows are examples."""


def correctness(Y: Array, cost: CostEntry) -> Correct | None:
    """Return how to tell right outputs from wrong, for such targets; None without classes.

    With an output for each class, the largest is the network's answer. A single output tells two
    classes apart: above or below ½ where the targets are 0 and 1, above or below 0 where they are
    ±1 and where the output is a weighted input z.
    """
    try:
        values = sorted(set(Y.flat))
    except TypeError:  # formulas have no order
        return None
    if Y.shape[1] > 1:
        one_hot = len(values) == 2 and all(list(row).count(values[1]) == 1 for row in Y)
        return _largest if one_hot else None
    signs = -1 in (*cost.targets, *values)
    if not set(values) <= {-1, 0, 1} or len(values) > 2 or (signs and 0 in values):
        return None
    between = 0.0 if signs else 0.5
    threshold = 0.0 if cost.from_z else between

    def same_side(outputs: Array, targets: Array) -> NDArray[np.bool_]:
        right: NDArray[np.bool_] = ((outputs > threshold) == (targets > between))[:, 0]
        return right

    return same_side


def _largest(outputs: Array, targets: Array) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = outputs.argmax(axis=1) == targets.argmax(axis=1)
    return right


def outputs(model: Module, X: ArrayLike) -> Array:
    """Compute the outputs of a network as numbers, shape (examples, outputs).

    Many examples go through the lifted program, where there is one.
    """
    x = np.asarray(X)

    def run(x: Any) -> list[Any]:
        return output_list(model(x))  # type: ignore[operator]  # Python refuses what is not

    parameters = list(dict.fromkeys(model.parameters()))
    if len(x) > _FEW and x.dtype != object and all(type(p.data) is float for p in parameters):
        with suppress(Exception):  # where it cannot be lifted, and what the model itself raises
            return trace(run, x.shape[1], 0, parameters, check=(x[:4],)).value(x)
    return np.array([[v.data for v in run(row)] for row in x.tolist()])


_FEW = 200
"""From more examples on, finding the program takes less time than it saves."""


def output_list(output: Any) -> list[Any]:
    """Return the outputs as a list; a single one, too."""
    return list(output) if isinstance(output, (list, tuple)) else [output]


def predictions(model: Module, X: ArrayLike, threshold: float = 0.5) -> NDArray[np.int64]:
    """Return the class of each example, which is the place of the largest output.

    A single output means class 1 where it is above the threshold, else 0.

    >>> from microgradnet import MLP
    >>> model = MLP(1, [2], init="zeros")
    >>> model.weights[1] = [[1.0], [-1.0]]
    >>> predictions(model, [[2.0], [-2.0]])
    array([0, 1])
    """
    values = outputs(model, X)
    if values.shape[1] == 1:
        return (values[:, 0] > threshold).astype(np.int64)
    largest: NDArray[np.int64] = values.argmax(axis=1)
    return largest


def confusion(labels: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Count in row i, column j the examples of class i that were called j, for so many classes.

    >>> confusion([0, 0, 1, 1], [0, 1, 1, 1], 2)
    array([[1, 1],
           [0, 2]])
    """
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (np.asarray(labels), np.asarray(predicted)), 1)
    return matrix
