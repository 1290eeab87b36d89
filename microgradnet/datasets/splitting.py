"""A data set: examples to train on and examples held back, and how they are divided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from microgradnet.datasets.preparation import Preparation

__all__ = ["Dataset", "Examples", "divided", "split"]


class Examples(NamedTuple):
    """Hold m examples with n features in K classes, one example a row.

    A network with one output a class trains on the rows of `Y`; one with a single output, for two
    classes, on `labels[:, None]`.

    >>> from microgradnet.datasets import xor
    >>> X, Y, labels = xor().train
    >>> bool((Y.argmax(axis=1) == labels).all())
    True
    """

    X: NDArray[np.float64]  #: inputs in [0, 1], shape (m, n)
    Y: NDArray[np.float64]  #: targets, shape (m, K): 1 in the column of the class, else 0
    labels: NDArray[
        Any
    ]  #: classes 0 .. K−1, shape (m,); where there are none, the targets' numbers


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Hold a problem, of classes or of numbers: examples to train on, and examples held back.

    >>> from microgradnet.datasets import moons
    >>> data = moons(n=40)
    >>> data.name, data.feature_names, data.class_names
    ('moons', ('x1', 'x2'), ('upper', 'lower'))
    >>> len(data.train.X), len(data.test.X)
    (30, 10)
    """

    name: str
    train: Examples
    test: Examples
    feature_names: tuple[str, ...]
    class_names: tuple[Any, ...]
    """The classes in the order of their numbers; none where the targets are numbers."""
    preparation: Preparation | None = None
    """How rows of a table of one's own became inputs, to do the same to new ones."""
    target_range: tuple[float, float] = (0.0, 1.0)
    """Between which numbers the targets to train on are; in Y they go from 0 to 1."""
    left_out: tuple[str, ...] = ()
    """The rows that were left out of a table, each with the reason."""

    @property
    def targets(self) -> str:
        """Say what is learned, in words: how many classes, or that it is numbers."""
        return f"{len(self.class_names)} classes" if self.class_names else "numbers as targets"

    def __repr__(self) -> str:
        """Write the sizes in one line; the arrays would fill pages."""
        left_out = f", {len(self.left_out)} left out" if self.left_out else ""
        return (
            f"<Dataset {self.name}: {len(self.feature_names)} features, {self.targets}, "
            f"{len(self.train.X)} examples to train on, {len(self.test.X)} held back{left_out}>"
        )


def split(
    name: str,
    X: ArrayLike,
    labels: ArrayLike,
    rng: Random,
    test_fraction: float,
    feature_names: Sequence[str],
    class_names: Sequence[str],
) -> Dataset:
    """Make a data set of classes from inputs and the classes' numbers, divided by `divided`."""
    import numpy as np

    inputs, classes = np.asarray(X, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    one_hot = np.eye(len(class_names))[classes]
    train, test = (
        Examples(inputs[rows], one_hot[rows], classes[rows])
        for rows in divided(inputs, classes, rng, test_fraction)
    )
    return Dataset(name, train, test, tuple(feature_names), tuple(class_names))


def divided(
    X: NDArray[Any], classes: NDArray[np.int64], rng: Random, test_fraction: float
) -> tuple[list[int], list[int]]:
    """Hold back ⌊test_fraction · count⌋ rows of each class, drawn by chance; shuffle both parts.

    Class by class, since a quarter of 150 flowers drawn blindly may well be short of a species;
    rounded down, so that no class ever vanishes from the training part. Rows that are alike are on
    one side: an example held back that was trained on would tell nothing.
    """
    import numpy as np

    if not 0 <= test_fraction < 1:
        raise ValueError(f"test_fraction must be at least 0 and below 1, not {test_fraction}")
    train: list[int] = []
    test: list[int] = []
    for c in range(int(classes.max(initial=-1)) + 1):
        rows = _shuffled(np.flatnonzero(classes == c).tolist(), rng)
        left = int(test_fraction * len(rows))
        for group in _alike(rows, X):
            fits = len(group) <= left
            (test if fits else train).extend(group)
            left -= len(group) * fits
    return _shuffled(train, rng), _shuffled(test, rng)


def _shuffled(rows: list[int], rng: Random) -> list[int]:
    """Sort rows by random keys: a shuffle from rng.random() only; `rng.shuffle` may change."""
    return sorted(rows, key=lambda _: rng.random())


def _alike(rows: list[int], X: NDArray[Any]) -> Iterable[list[int]]:
    """Group rows whose inputs are the same, in the order of the first of each group."""
    groups: dict[bytes, list[int]] = {}
    for row in rows:
        groups.setdefault((X[row] + 0.0).tobytes(), []).append(row)  # −0 is like 0
    return groups.values()
