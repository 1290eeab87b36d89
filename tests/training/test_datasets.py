"""The data sets: what is in them, how they split, and that they are the same everywhere."""

from __future__ import annotations

import hashlib
import inspect
import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from importlib.resources import files
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradnet.datasets import Dataset, Examples, _gauss, digits, iris, load, moons, xor

ALL = [digits, iris, moons, xor]
#            rows, features, examples of each class
SIZES = {
    "digits": (1797, 64, (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)),
    "iris": (150, 4, (50, 50, 50)),
    "moons": (200, 2, (100, 100)),
    "xor": (4, 2, (2, 2)),
}

each_set = pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
fractions = st.floats(0, 1, exclude_max=True)


def rows(*parts: Examples) -> list[list[float]]:
    """Inputs, targets and label of every example, in an order that no shuffling changes."""
    return sorted(np.concatenate([np.column_stack(part) for part in parts]).tolist())


def examples(X: np.ndarray, labels: np.ndarray) -> Examples:
    return Examples(X, np.eye(labels.max() + 1)[labels], labels)


def fingerprint(data: Dataset) -> str:
    arrays = [*data.train, *data.test]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


@each_set
def test_sizes_ranges_and_classes(make: Callable[..., Dataset]) -> None:
    data = make(test_fraction=0)
    m, n, balance = SIZES[make.__name__]
    X, Y, labels = data.train
    assert X.shape == (m, n) and Y.shape == (m, len(balance)) and labels.shape == (m,)
    assert X.dtype == Y.dtype == np.float64 and labels.dtype == np.int64
    assert X.min() == 0 and X.max() == 1
    assert tuple(np.bincount(labels)) == balance
    assert (Y == np.eye(len(balance))[labels]).all()
    assert [part.shape for part in data.test] == [(0, n), (0, len(balance)), (0,)]
    assert data.name == make.__name__
    assert len(set(data.feature_names)) == n and len(set(data.class_names)) == len(balance)


@pytest.mark.parametrize("make", [iris, moons], ids=lambda make: make.__name__)
def test_every_column_fills_the_unit_interval(make: Callable[..., Dataset]) -> None:
    X = make(test_fraction=0).train.X
    assert (X.min(axis=0) == 0).all() and (X.max(axis=0) == 1).all()


@each_set
@pytest.mark.parametrize("test_fraction", [0.25, 0.5, 0.9999])
def test_both_parts_together_are_the_whole(
    make: Callable[..., Dataset], test_fraction: float
) -> None:
    data = make(seed=3, test_fraction=test_fraction)
    assert rows(data.train, data.test) == rows(make(seed=3, test_fraction=0).train)


@given(seed=st.integers(), test_fraction=fractions, n=st.integers(2, 60))
def test_split_is_disjoint_exhaustive_and_balanced(seed: int, test_fraction: float, n: int) -> None:
    data = moons(seed=seed, test_fraction=test_fraction, n=n)  # noise makes every row unlike
    train, test = ({tuple(x) for x in part.X} for part in (data.train, data.test))
    assert train.isdisjoint(test)
    assert len(train) + len(test) == n
    held_back = Counter(data.test.labels.tolist())
    for c, count in enumerate([n // 2, n - n // 2]):
        assert held_back[c] == math.floor(test_fraction * count) < count


@given(seed=st.integers(), test_fraction=fractions)
def test_split_of_a_shipped_set(seed: int, test_fraction: float) -> None:
    data = iris(seed=seed, test_fraction=test_fraction)
    assert rows(data.train, data.test) == rows(iris(test_fraction=0).train)
    assert set(Counter(data.test.labels.tolist()).values()) <= {math.floor(50 * test_fraction)}


@each_set
def test_seed_decides_and_nothing_else(make: Callable[..., Dataset]) -> None:
    assert fingerprint(make(seed=7)) == fingerprint(make(seed=7))
    assert fingerprint(make(seed=7)) != fingerprint(make(seed=8))


def test_split_is_the_same_on_every_python() -> None:
    assert iris().test.labels[:12].tolist() == [0, 0, 1, 1, 2, 0, 0, 1, 0, 1, 1, 1]
    assert digits().train.labels[:12].tolist() == [5, 1, 2, 8, 6, 3, 3, 4, 5, 8, 7, 2]
    np.testing.assert_allclose(
        moons().train.X[0], [0.5099035128571068, 0.25729416260788096], rtol=1e-12
    )


def test_same_in_another_process() -> None:
    program = f"""
from __future__ import annotations
import hashlib
from microgradnet.datasets import *
{inspect.getsource(fingerprint)}
print(*[fingerprint(make(seed=5)) for make in (digits, iris, moons, xor)])
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [fingerprint(make(seed=5)) for make in ALL]


def test_training_part_comes_in_no_order_of_classes() -> None:
    labels = iris().train.labels
    assert all(set(block.tolist()) == {0, 1, 2} for block in np.array_split(labels, 6))


def test_digits_are_those_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.datasets").load_digits()
    assert rows(digits(test_fraction=0).train) == rows(examples(sklearn.data / 16, sklearn.target))
    assert list(digits().feature_names) == sklearn.feature_names


def test_irises_are_those_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.datasets").load_iris()
    data = iris(test_fraction=0)
    scaled = (sklearn.data - sklearn.data.min(axis=0)) / np.ptp(sklearn.data, axis=0)
    assert rows(data.train) == rows(examples(scaled, sklearn.target))
    assert list(data.feature_names) == sklearn.feature_names
    assert list(data.class_names) == sklearn.target_names.tolist()


@pytest.mark.parametrize("n", [2, 3, 50, 51])
def test_moons_without_noise_are_those_of_scikit_learn(n: int) -> None:
    X, labels = pytest.importorskip("sklearn.datasets").make_moons(n, shuffle=False)
    scaled = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    got = moons(n=n, noise=0, test_fraction=0).train
    for c in (0, 1):  # along a moon the first coordinate alone orders the points
        want, have = (
            sorted(a[b == c].tolist()) for a, b in ((scaled, labels), (got.X, got.labels))
        )
        np.testing.assert_allclose(have, want, rtol=0, atol=1e-15)


def test_noise_of_the_moons_is_gaussian() -> None:
    """Mean, deviation and kurtosis of 20,000 draws, each within five standard errors."""
    rng = Random(0)
    draws = np.array([_gauss(rng) for _ in range(20_000)])
    assert abs(draws.mean()) < 5 / math.sqrt(draws.size)
    assert abs((draws**2).mean() - 1) < 5 * math.sqrt(2 / draws.size)
    assert abs((draws**4).mean() - 3) < 5 * math.sqrt(96 / draws.size)


def test_xor_is_exclusive_or() -> None:
    X, _, labels = xor().train
    assert (np.logical_xor(X[:, 0], X[:, 1]) == labels).all()


def test_callers_own_their_arrays() -> None:
    iris().train.X[:] = -1
    assert iris().train.X.min() == 0


@each_set
def test_load_by_name(make: Callable[..., Dataset]) -> None:
    name = make.__name__
    assert fingerprint(load(name, seed=2)) == fingerprint(make(seed=2))
    assert fingerprint(load(name, test_fraction=0.5)) == fingerprint(make(test_fraction=0.5))


def test_load_refuses_an_unknown_name_and_lists_the_known() -> None:
    with pytest.raises(ValueError, match="digits, iris, moons, xor"):
        load("mnist")


@each_set
@pytest.mark.parametrize("test_fraction", [-0.1, 1, 1.5, math.nan, math.inf])
def test_refuses_a_fraction_outside(make: Callable[..., Dataset], test_fraction: float) -> None:
    with pytest.raises(ValueError, match="test_fraction"):
        make(test_fraction=test_fraction)


@each_set
@pytest.mark.parametrize("seed", [None, 0.5, "0"])
def test_refuses_a_seed_that_is_no_integer(make: Callable[..., Dataset], seed: object) -> None:
    with pytest.raises(TypeError):
        make(seed=seed)


@pytest.mark.parametrize("n", [-1, 0, 1])
def test_moons_refuse_fewer_than_two_points(n: int) -> None:
    with pytest.raises(ValueError):
        moons(n=n)


@pytest.mark.parametrize("noise", [-0.1, math.inf, math.nan])
def test_moons_refuse_impossible_noise(noise: float) -> None:
    with pytest.raises(ValueError, match="noise"):
        moons(noise=noise)


def test_dataset_is_frozen_and_prints_in_one_line() -> None:
    data: Any = xor()
    with pytest.raises(FrozenInstanceError):
        data.name = "and"
    assert re.fullmatch("<Dataset xor: 2 features, 2 classes, 4 .*, 0 .*>", repr(data))


@pytest.mark.parametrize("file", ["digits.csv.gz", "iris.csv.gz", "SOURCES.txt"])
def test_files_are_inside_the_package(file: str) -> None:
    assert (files("microgradnet.datasets") / file).is_file()


@each_set
def test_a_generator_stands_for_its_seed(make: Callable[..., Dataset]) -> None:
    assert fingerprint(make(rng=Random(5))) == fingerprint(make(seed=5))
    assert fingerprint(load(make.__name__, rng=Random(5))) == fingerprint(make(seed=5))
    with pytest.raises(ValueError, match="seed=5 or rng"):
        make(seed=5, rng=Random(5))
