"""The examples of a training: as matrices of numbers, and what the network's outputs then say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from microgradnet.arithmetic import coerce, is_finite
from microgradnet.costs import CostEntry
from microgradnet.datasets import Dataset, Examples, Preparation
from microgradnet.nn import Answers, Module, Predictor
from microgradnet.notation import counted
from microgradnet.training.metrics import Array, correctness

__all__ = ["Gathered", "gathered"]


class Gathered(NamedTuple):
    """Hold examples and targets, a row each, and how outputs are read that were trained on them."""

    x: Array
    y: Array
    single: bool
    """Whether the targets came as plain numbers, one an example."""
    held_back: tuple[Array, Array] | None
    answers: Answers
    preparation: Preparation | None


def gathered(
    model: Module, X: Any, Y: ArrayLike | None, cost: CostEntry, test: Any, exact: bool
) -> Gathered:
    """Read the examples to train on and those held back, from arrays, lists or a `Dataset`.

    Raises ValueError for shapes that are not the model's, for numbers that are not finite, and for
    classes for which there is not an output each.
    """
    preparation, (low, high) = None, (0.0, 1.0)
    if isinstance(X, Dataset):
        preparation, (low, high) = X.preparation, X.target_range
        if test is None:
            test = X.test.X, _targets(X, X.test)
        X, Y = X.train.X, _targets(X, X.train)
    elif Y is None:
        raise TypeError("fit takes examples X and their targets Y, or a Dataset in place of both")
    Y, classes = _numbers(model, Y, cost)
    x, y, single = _matrices(model, X, Y, exact)
    held_back = None
    if test is not None and len(test[0]):
        test_Y, test_classes = _numbers(model, test[1], cost, classes)
        if test_classes != classes:
            raise ValueError(
                f"Y has the classes {_listed(classes)}, test Y has {_listed(test_classes)}"
            )
        held_back = _matrices(model, test[0], test_Y, exact, prefix="test ")[:2]
    if -1 in cost.targets and (y == 0).any():
        raise ValueError(f"the targets of {cost.name} are -1 and 1, and Y holds a 0")
    answers = _answers(model, cost, classes or _classes_of(y, cost), y)
    if not answers.classes:
        answers = replace(answers, shift=low, scale=(high - low) or 1.0)
    return Gathered(x, y, single, held_back, answers, preparation)


def _targets(data: Dataset, part: Examples) -> ArrayLike:
    """Return the targets of a part: the names of classes, whose numbers are the cost's affair."""
    return [data.class_names[k] for k in part.labels] if data.class_names else part.Y


def _numbers(
    model: Module, Y: ArrayLike, cost: CostEntry, classes: tuple[Any, ...] = ()
) -> tuple[ArrayLike, tuple[Any, ...]]:
    """Turn the names of classes into rows of numbers, and list the classes; numbers stay."""
    if not isinstance(model, Predictor) or not _is_labels(Y, model.sizes[-1]):
        return Y, ()
    return _encoded(Y, model.sizes[-1], cost, classes or model.answers.classes)


def _is_labels(Y: ArrayLike, outputs: int | None) -> bool:
    """Tell whether targets name classes: words and bools do, whole numbers if there are outputs.

    A row of whole numbers for a network of several outputs names the place of each example's
    class; for a single output they are numbers like any other.

    >>> _is_labels(["red", "green"], 2), _is_labels([0, 2, 1], 3), _is_labels([0, 2, 1], 1)
    (True, True, False)
    """
    try:
        array = np.asarray(Y)
    except ValueError:  # rows of several lengths: said where they are read
        return False
    if array.ndim != 1 or not array.size:
        return False
    if array.dtype == object:
        return all(isinstance(y, (str, bool, np.bool_)) for y in array)
    return array.dtype.kind in "USb" or (array.dtype.kind in "iu" and (outputs or 1) > 1)


def _encoded(
    labels: ArrayLike, outputs: int, cost: CostEntry, known: Sequence[Any] = ()
) -> tuple[Array, tuple[Any, ...]]:
    """Turn labels into targets, a row an example, and list the classes in the order of the outputs.

    The class of an example has the cost's target of a yes in its column, the others that of a no. A
    single output says no to the first of two classes and yes to the second. Classes are sorted;
    known are those of an earlier training, which stay if they are enough. Raises ValueError where
    there is not an output for each class.
    """
    values = np.asarray(labels).tolist()
    classes = _classes(values, outputs, known)
    places = {each: k for k, each in enumerate(classes)}
    no, yes = cost.targets
    wanted = [places[each] for each in values]
    if outputs == 1:
        return np.array([[float(yes if k else no)] for k in wanted]), classes
    return no + (yes - no) * np.eye(outputs)[wanted], classes


def _classes(values: list[Any], outputs: int, known: Sequence[Any]) -> tuple[Any, ...]:
    found = set(values)
    if found <= set(known):
        return tuple(known)
    if all(type(each) is int for each in found) and found <= set(range(outputs)):
        return tuple(range(outputs))
    if len(found) != max(outputs, 2):
        raise ValueError(
            f"the targets name {len(found)} classes, {_listed(sorted(found, key=repr))}, "
            f"but the network has {counted(outputs, 'output')}: "
            "it takes an output for each class, or a single one for two"
        )
    return tuple(sorted(found))


def _listed(classes: Sequence[Any]) -> str:
    names = [repr(each) for each in classes] or ["none"]
    return ", ".join(names if len(names) <= 6 else [*names[:5], f"... {names[-1]}"])


def _answers(model: Module, cost: CostEntry, classes: tuple[Any, ...], y: Array) -> Answers:
    """Say how outputs are read of a network that was trained on targets y, of these classes."""
    if not classes or not isinstance(model, Predictor):
        return Answers()
    activation = model.layers[-1].activation
    if cost.from_z:
        probabilities = "softmax" if cost.name == "log_likelihood_from_z" else "sigmoid"
    else:
        probabilities = str(activation) if activation in ("softmax", "sigmoid") else ""
    threshold = 0.0 if cost.from_z or y.min() < 0 else 0.5
    return Answers(classes, "outputs" if probabilities == activation else probabilities, threshold)


def _classes_of(y: Array, cost: CostEntry) -> tuple[Any, ...]:
    """List the classes that rows of numbers tell apart, by their numbers; none of other numbers."""
    if correctness(y, cost) is None:
        return ()
    if y.shape[1] > 1:
        return tuple(range(y.shape[1]))
    return (-1, 1) if y.min() < 0 or -1 in cost.targets else (0, 1)


def _matrices(
    model: Module, X: ArrayLike, Y: ArrayLike, exact: bool, prefix: str = ""
) -> tuple[Array, Array, bool]:
    """Make X and Y matrices, floats unless something is exact; tell if Y was plain numbers."""
    x, y = _array(f"{prefix}X", X), _array(f"{prefix}Y", Y)
    single = y.ndim == 1
    shapes = x.shape, y.shape
    if single:
        y = y[:, None]
    widths = getattr(model, "sizes", None) or (None, None)
    for name, matrix, width, shape in (
        ("X", x, widths[0], shapes[0]),
        ("Y", y, widths[-1], shapes[1]),
    ):
        if matrix.ndim != 2 or width not in (None, matrix.shape[1]):
            one_hot = "; of classes, 1 in the column of the class, else 0"
            raise ValueError(
                f"{prefix}{name} must have shape (examples, {width or 'n'}), one example a row, "
                f"not {shape}{one_hot if single and name == 'Y' else ''}"
            )
    if len(x) != len(y) or not len(x):
        raise ValueError(
            f"{prefix}X has {len(x)} rows and {prefix}Y {len(y)}: one target for each example"
        )
    if not exact and object not in (x.dtype, y.dtype):
        x, y = x.astype(np.float64), y.astype(np.float64)
    for name, matrix in (("X", x), ("Y", y)):
        for n, row in enumerate(matrix.tolist()):
            if not all(is_finite(coerce(v)) for v in row):
                raise ValueError(f"{prefix}{name}[{n}] holds a number that is not finite")
    return x, y, single


def _array(name: str, rows: ArrayLike) -> Array:
    try:
        array = np.asarray(rows)
    except ValueError:
        raise ValueError(f"the rows of {name} are not of one length") from None
    if array.dtype.kind not in "biufO":
        coerce(array.flat[0].item() if array.size else rows)  # says what it is, and the way out
    return array
