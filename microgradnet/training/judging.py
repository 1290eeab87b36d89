"""What a network says, and whether it is right."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgradnet.lifting import trace

if TYPE_CHECKING:
    from microgradnet.nn import Module

__all__ = ["Judge", "confusion", "judge", "outputs", "predictions"]

Array: TypeAlias = NDArray[Any]
Judge: TypeAlias = "Callable[[Array, Array], NDArray[np.bool_]]"
"""(outputs, targets) → which of the examples are right; rows are examples."""


def judge(Y: Array, cost: str) -> Judge | None:
    """How to tell right from wrong, from the targets and the name of the cost; None for no classes.

    With an output for each class, the largest is what the network says. A single output tells two
    classes apart: above or below ½ where the targets are 0 and 1, above or below 0 where they are
    ±1 and where the output is a weighted input z.
    """
    values = sorted(set(Y.flat))
    if Y.shape[1] > 1:
        one_hot = len(values) == 2 and all(list(row).count(values[1]) == 1 for row in Y)
        return _largest if one_hot else None
    if not set(values) <= {-1, 0, 1} or len(values) > 2:
        return None
    signs = cost == "hinge" or -1 in values
    if signs and 0 in values:
        return None
    between = 0.0 if signs else 0.5
    threshold = 0.0 if cost.endswith("_from_z") else between

    def same_side(outputs: Array, targets: Array) -> NDArray[np.bool_]:
        right: NDArray[np.bool_] = ((outputs > threshold) == (targets > between))[:, 0]
        return right

    return same_side


def _largest(outputs: Array, targets: Array) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = outputs.argmax(axis=1) == targets.argmax(axis=1)
    return right


def outputs(model: Module, X: ArrayLike) -> Array:
    """The outputs of a network as numbers, one example a row; of many examples by its program."""
    x = np.asarray(X)

    def run(x: Any) -> list[Any]:
        return output_row(model(x))  # type: ignore[operator]  # Python refuses what is not

    parameters = list(dict.fromkeys(model.parameters()))
    if len(x) > _FEW and x.dtype != object and all(type(p.data) is float for p in parameters):
        with suppress(Exception):  # where it cannot be lifted, and what the model itself raises
            return trace(run, x.shape[1], 0, parameters, check=(x[:4],)).value(x)
    return np.array([[v.data for v in run(row)] for row in x.tolist()])


_FEW = 200
"""From more examples on, finding the program takes less time than it spares."""


def output_row(output: Any) -> list[Any]:
    """The outputs as a list, of a single one too."""
    return list(output) if isinstance(output, (list, tuple)) else [output]


def predictions(model: Module, X: ArrayLike, threshold: float = 0.5) -> NDArray[np.int64]:
    """The class that the network says for each example: the place of the largest output.

    A single output says class 1 where it is above the threshold, else 0.

    >>> from microgradnet import MLP
    >>> model = MLP(1, [2], init="zeros")
    >>> model.weights[1] = [[1.0], [-1.0]]
    >>> predictions(model, [[2.0], [-2.0]])
    array([0, 1])
    """
    said = outputs(model, X)
    if said.shape[1] == 1:
        return (said[:, 0] > threshold).astype(np.int64)
    largest: NDArray[np.int64] = said.argmax(axis=1)
    return largest


def confusion(labels: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """The confusion matrix: row i, column j counts the examples of class i that were called j.

    >>> confusion([0, 0, 1, 1], [0, 1, 1, 1], 2)
    array([[1, 1],
           [0, 2]])
    """
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (np.asarray(labels), np.asarray(predicted)), 1)
    return matrix
