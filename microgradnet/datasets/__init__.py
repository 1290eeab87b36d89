"""Four classification problems behind one signature, and `from_csv` and `from_table` for one's own.

    digits    1,797 handwritten digits of 8×8 pixels, 10 classes     inside the package
    iris      150 flowers, 4 measures of each, 3 species             inside the package
    moons     two half circles, each reaching into the other         computed
    xor       the four corners of a square, no line divides them     computed

Each gives a `Dataset`: examples to train on and examples held back, features scaled to [0, 1].
The same arguments give the same data and the same split on every version of Python, so only
`random.Random.random` is drawn from: it alone is promised never to change.

Sources, both under CC BY 4.0 (`SOURCES.txt` beside this file says what was changed):

- E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning
  Repository (1998), doi:10.24432/C50P49: the test set, as scikit-learn carries it;
- R. A. Fisher, *Iris*, UCI Machine Learning Repository (1936), doi:10.24432/C56C76, as
  scikit-learn carries it, with the printed values where the repository's file errs.

>>> data = iris()
>>> data
<Dataset iris: 4 features, 3 classes, 114 examples to train on, 36 held back>
>>> X, Y, labels = data.train
>>> X.shape, Y.shape, labels.shape
((114, 4), (114, 3), (114,))
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from importlib.resources import files
from operator import index
from random import Random
from typing import TYPE_CHECKING

from microgradnet.datasets.preparation import Column, Preparation
from microgradnet.datasets.splitting import Dataset, Examples, split
from microgradnet.datasets.tables import from_csv, from_table
from microgradnet.randomness import generator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Column", "Dataset", "Examples", "Preparation", "digits", "from_csv", "from_table", "iris",
    "load", "moons", "xor",
]  # fmt: skip


def digits(*, seed: int = 0, rng: Random | None = None, test_fraction: float = 0.25) -> Dataset:
    """Load handwritten digits: the ink in each cell of an 8×8 grid, row by row, 64 features.

    ⌊test_fraction · count⌋ examples of each class are held back. The digits are by 13 writers, who
    are on both sides of the split: the held-back accuracy speaks of new digits, not of new hands.

    The order and the split are drawn from seed, or from rng, a random.Random in its place.
    Raises `ValueError` unless 0 ≤ test_fraction < 1 and for both seed and rng, `TypeError` unless
    the seed is an integer.

    >>> digits()
    <Dataset digits: 64 features, 10 classes, 1352 examples to train on, 445 held back>
    """
    X, labels, names = _read("digits")
    return split("digits", X / 16, labels, _rng(seed, rng), test_fraction, names, "0123456789")


def iris(*, seed: int = 0, rng: Random | None = None, test_fraction: float = 0.25) -> Dataset:
    """Load Fisher's irises: length, width of sepal and petal, each scaled by its range of all 150.

    One species stands apart; the other two overlap a little. Split and errors as in `digits`.

    >>> iris(test_fraction=0.5).class_names
    ('setosa', 'versicolor', 'virginica')
    """
    X, labels, names = _read("iris")
    species = ("setosa", "versicolor", "virginica")
    return split("iris", _min_max(X), labels, _rng(seed, rng), test_fraction, names, species)


def moons(
    *,
    seed: int = 0,
    rng: Random | None = None,
    test_fraction: float = 0.25,
    n: int = 200,
    noise: float = 0.1,
) -> Dataset:
    """Make two half circles of radius 1, ⌊n/2⌋ points on the upper and the rest on the lower.

        upper: (cos t, sin t)        lower: (1 − cos t, ½ − sin t)        t evenly over [0, π]

    Every coordinate gets Gaussian noise of standard deviation `noise`; then each column is scaled
    to [0, 1]. Split and errors as in `digits`; `ValueError` also for n < 2 and for a noise that is
    negative or not finite. The curves are those of scikit-learn's `make_moons`.

    >>> moons(n=100, noise=0.0)
    <Dataset moons: 2 features, 2 classes, 76 examples to train on, 24 held back>
    """
    if n < 2:
        raise ValueError(f"n must be at least 2, a point on each moon, not {n}")
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise must be finite and not negative, not {noise}")
    rng = _rng(seed, rng)
    upper = [(math.cos(t), math.sin(t)) for t in _half_turn(n // 2)]
    lower = [(1 - math.cos(t), 0.5 - math.sin(t)) for t in _half_turn(n - n // 2)]
    points = [[c + noise * _gauss(rng) for c in point] for point in upper + lower]
    labels = [0] * len(upper) + [1] * len(lower)
    X = _min_max(points)
    return split("moons", X, labels, rng, test_fraction, ("x1", "x2"), ("upper", "lower"))


def xor(*, seed: int = 0, rng: Random | None = None, test_fraction: float = 0.0) -> Dataset:
    """Make the exclusive or: class x₁ ⊕ x₂ on the four corners of the unit square.

    The four examples are the whole of the problem, so none is held back unless it is asked for.
    Split and errors as in `digits`.

    >>> xor()
    <Dataset xor: 2 features, 2 classes, 4 examples to train on, 0 held back>
    >>> sorted(zip(xor().train.X.tolist(), xor().train.labels.tolist(), strict=True))
    [([0.0, 0.0], 0), ([0.0, 1.0], 1), ([1.0, 0.0], 1), ([1.0, 1.0], 0)]
    """
    X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    labels = [0, 1, 1, 0]
    return split("xor", X, labels, _rng(seed, rng), test_fraction, ("x1", "x2"), "01")


def load(
    name: str, *, seed: int = 0, rng: Random | None = None, test_fraction: float | None = None
) -> Dataset:
    """Return the data set of that name; test_fraction=None stands for its own default.

    Raises `ValueError` for a name that is not there, and the errors of `digits`.

    >>> load("xor", test_fraction=0.5)
    <Dataset xor: 2 features, 2 classes, 2 examples to train on, 2 held back>
    >>> load("mnist")
    Traceback (most recent call last):
    ValueError: no data set 'mnist': there are digits, iris, moons, xor
    """
    sets: dict[str, Callable[..., Dataset]] = {f.__name__: f for f in (digits, iris, moons, xor)}
    if name not in sets:
        raise ValueError(f"no data set {name!r}: there are {', '.join(sets)}")
    split = {} if test_fraction is None else {"test_fraction": test_fraction}
    return sets[name](seed=seed, rng=rng, **split)


def _rng(seed: int, rng: Random | None) -> Random:
    source: Random = generator(index(seed), rng, default=0)
    return source


def _read(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, ...]]:
    """Read features, classes (the last column) and feature names of a table of the package."""
    import numpy as np

    packed = (files(__name__) / f"{name}.csv.gz").read_bytes()
    header, *rows = gzip.decompress(packed).decode("ascii").splitlines()
    table = np.loadtxt(rows, delimiter=",")
    return table[:, :-1], table[:, -1], tuple(header.split(",")[:-1])


def _min_max(X: ArrayLike) -> NDArray[np.float64]:
    """Scale every column to [0, 1] by its own range."""
    import numpy as np

    columns = np.asarray(X, dtype=np.float64)
    low, high = columns.min(axis=0), columns.max(axis=0)
    scaled: NDArray[np.float64] = (columns - low) / (high - low)
    return scaled


def _half_turn(count: int) -> list[float]:
    """Space `count` angles evenly over [0, π], both ends included; a single one is 0."""
    return [math.pi * k / max(count - 1, 1) for k in range(count)]


def _gauss(rng: Random) -> float:
    """Draw from the standard normal distribution (Box and Muller 1958); `rng.gauss` may change."""
    radius = math.sqrt(-2 * math.log(1 - rng.random()))  # 1 − u lies in (0, 1]: never log 0
    return radius * math.cos(2 * math.pi * rng.random())
