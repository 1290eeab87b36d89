"""scikit-learn: its own checks of an estimator, and what they do not ask."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from microgradnet import costs, datasets, interop
from microgradnet.interop import MicrogradClassifier

# scikit-learn up to 1.7, the last for Python 3.10, gives a generator, of which pytest 9 warns.
_checks = parametrize_with_checks([MicrogradClassifier(epochs=20)])


@pytest.mark.parametrize("estimator, check", list(_checks.args[1]), ids=_checks.kwargs["ids"])
def test_scikit_learns_own_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def test_probabilities_are_those_of_the_scalar_network() -> None:
    iris = datasets.iris()
    classifier = MicrogradClassifier((3, 4), "gelu", epochs=2, random_state=1)
    classifier.fit(iris.train.X, iris.train.labels)
    rows = classifier.predict_proba(iris.test.X)
    assert rows.shape == (36, 3)
    for x, y, row in zip(iris.test.X[:9], iris.test.Y, rows, strict=False):
        z = classifier.model_(x)
        likelihood = np.exp(-costs.log_likelihood_from_z(z, y).data)
        assert likelihood == pytest.approx(row @ y, rel=1e-14)
    assert (classifier.predict(iris.test.X) == rows.argmax(axis=1)).all()


def test_it_learns_and_says_how() -> None:
    data = datasets.moons(n=120)
    names, scale = np.array(data.class_names), StandardScaler().fit(data.train.X)
    classifier = MicrogradClassifier(lr=0.05, epochs=30, random_state=0)
    classifier.fit(scale.transform(data.train.X), names[data.train.labels])
    assert classifier.classes_.tolist() == sorted(names)
    assert classifier.score(scale.transform(data.test.X), names[data.test.labels]) > 0.9
    assert len(classifier.history_) == 30
    assert classifier.history_.cost[-1] < classifier.history_.cost[0] / 2
    assert classifier.model_.sizes == [2, 16, 2]


def test_the_same_random_state_gives_the_same_network() -> None:
    X, _, labels = datasets.xor().train
    first, same, other = (
        MicrogradClassifier(epochs=2, random_state=seed).fit(X, labels).predict_proba(X)
        for seed in (1, 1, 2)
    )
    assert (first == same).all()
    assert (first != other).any()


def test_its_parameters_reach_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    from microgradnet.interop import scikit_learn

    given: dict[str, Any] = {}

    def spy(*arguments: Any, **options: Any) -> Any:
        given.update(options)
        return fit(*arguments, **options)

    fit = scikit_learn.fit
    monkeypatch.setattr(scikit_learn, "fit", spy)
    X, _, labels = datasets.xor().train
    for seed, engine in ((1, "auto"), (2, "eager")):
        MicrogradClassifier(
            lr=0.5, epochs=2, batch_size=3, engine=engine, random_state=seed, verbose=True
        ).fit(X, labels)
        wanted = {"epochs": 2, "batch_size": 3, "engine": engine, "progress": True}
        assert wanted.items() <= given.items()
        assert given["optimizer"].lr == 0.5
        assert given["seed"] == np.random.RandomState(seed).randint(2**31)


def test_without_hidden_layers_it_is_logistic_regression() -> None:
    iris = datasets.iris()
    classifier = MicrogradClassifier((), epochs=20, random_state=0)
    assert classifier.fit(iris.train.X, iris.train.labels).model_.sizes == [4, 3]
    assert classifier.predict_proba(iris.test.X).sum(axis=1) == pytest.approx(1)


def test_in_a_pipeline_searched_cloned_and_pickled() -> None:
    iris = datasets.iris()
    estimator = make_pipeline(StandardScaler(), MicrogradClassifier(epochs=2, random_state=0))
    search = GridSearchCV(estimator, {"microgradclassifier__lr": [1e-9, 0.05]}, cv=2)
    search.fit(iris.train.X, iris.train.labels)
    assert search.best_params_ == {"microgradclassifier__lr": 0.05}
    copy = pickle.loads(pickle.dumps(search.best_estimator_))
    expected = search.predict_proba(iris.test.X)
    assert (copy.predict_proba(iris.test.X) == expected).all()
    with pytest.raises(NotFittedError):
        clone(copy).predict(iris.test.X)


def test_what_it_refuses() -> None:
    X, _, labels = datasets.xor().train
    with pytest.raises(ValueError, match="'step'"):
        MicrogradClassifier(activation="step").fit(X, labels)
    with pytest.raises(ValueError, match="softmax"):
        MicrogradClassifier(activation="softmax").fit(X, labels)
    with pytest.raises(ValueError, match="epochs"):
        MicrogradClassifier(epochs=0).fit(X, labels)


def test_missing_scikit_learn_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "sklearn.base", raising=False)
    monkeypatch.delitem(sys.modules, "microgradnet.interop.scikit_learn", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"needs sklearn.*microgradnet\[sklearn\]"):
        _ = interop.MicrogradClassifier
    with pytest.raises(AttributeError, match="to_tensorflow"):
        _ = interop.to_tensorflow
    assert dir(interop) == sorted(interop.__all__)


def test_what_a_library_lacks_itself_is_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy")

    monkeypatch.setattr(interop, "_import_module", fail)
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'scipy'$"):
        _ = interop.MicrogradClassifier
