"""Targets that name classes, what a trained network then answers, and how well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradnet import MLP, Adam, datasets, fit
from microgradnet.costs import COSTS, entry
from microgradnet.nn import Answers

WORDS = ("apple", "cherry", "pear")
X = [[0.0, 0.1], [0.1, 0.0], [0.9, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 0.9]]
PLACES = [0, 0, 1, 1, 2, 2]


def network(outputs: int = 3, output: str = "softmax") -> MLP:
    return MLP(2, [6, outputs], activation="tanh", output_activation=output, seed=1)


def trained(Y: Any, cost: str = "log_likelihood", **options: Any) -> MLP:
    model = network(len(set(PLACES)), entry(cost).output or "linear")
    adam = Adam(model.parameters(), lr=0.05)
    fit(model, X, Y, cost, optimizer=adam, epochs=60, progress=False, **options)
    return model


@pytest.mark.parametrize("cost", COSTS)
def test_names_of_classes_train_as_the_rows_of_the_cost(cost: str) -> None:
    no, yes = entry(cost).targets
    rows = [[yes if k == j else no for j in range(3)] for k in PLACES]
    words = [WORDS[k] for k in PLACES]
    models = [trained(rows, cost), trained(words, cost), trained(PLACES, cost)]
    weights = [[p.data for p in model.parameters()] for model in models]
    assert weights[0] == weights[1] == weights[2]
    assert models[1].predict(X).tolist() == words
    assert models[0].predict(X).tolist() == models[2].predict(X).tolist() == PLACES
    assert models[1].score(X, words) == models[0].score(X, rows) == 1.0


@pytest.mark.parametrize("cost", ["log_likelihood", "log_likelihood_from_z", "cross_entropy"])
def test_probabilities_are_those_of_the_outputs(cost: str) -> None:
    model = trained(PLACES, cost)
    shares = model.predict_proba(X)
    assert shares.shape == (6, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-14)
    assert shares.argmax(axis=1).tolist() == PLACES


@pytest.mark.parametrize("cost", ["hinge", "quadratic"])
def test_outputs_that_are_no_probabilities_are_not_given_out_as_such(cost: str) -> None:
    model = trained(PLACES, cost)
    if model.layers[-1].activation == "linear":
        with pytest.raises(ValueError, match="no probabilities of classes"):
            model.predict_proba(X)


@pytest.mark.parametrize(
    ("cost", "output", "classes"),
    [
        ("cross_entropy", "sigmoid", (False, True)),
        ("cross_entropy_from_z", "linear", ("no", "yes")),
        ("hinge", "linear", ("no", "yes")),
        ("quadratic", "sigmoid", ("no", "yes")),
    ],
)
def test_a_single_output_tells_two_classes_apart(
    cost: str, output: str, classes: tuple[Any, Any]
) -> None:
    model = network(1, output)
    Y = [classes[k == 1] for k in PLACES]
    adam = Adam(model.parameters(), lr=0.05)
    history = fit(model, X, Y, cost, optimizer=adam, epochs=100, progress=False)
    assert history[-1].accuracy == 1.0
    assert model.predict(X).tolist() == Y
    assert model.score(X, Y) == 1.0
    if cost.startswith("cross_entropy"):
        assert ((model.predict_proba(X)[:, 1] > 0.5) == [y == classes[1] for y in Y]).all()


def test_numbers_are_answered_by_numbers() -> None:
    model = MLP(1, [1], init="zeros")
    fit(model, [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0], lr=0.3, epochs=300, progress=False)
    assert model.answers == Answers()
    np.testing.assert_allclose(model.predict([[3.0]]), [7.0], rtol=1e-6)
    assert model.score([[0.0], [1.0]], [1.0, 3.0]) == pytest.approx(1.0)


def test_classes_of_an_earlier_training_keep_their_places() -> None:
    model = trained([WORDS[k] for k in PLACES])
    fit(model, X[:4], [WORDS[k] for k in PLACES[:4]], "log_likelihood", epochs=1, progress=False)
    assert model.answers.classes == WORDS


@pytest.mark.parametrize(
    ("Y", "message"),
    [
        (["a", "b", "a", "b", "a", "b"], "name 2 classes, 'a', 'b', but the network has 3 outputs"),
        (list("abcdef"), "6 classes, 'a', 'b', 'c', 'd', 'e', 'f', but"),
        ([0, 1, 2, 3, 4, 5], "6 classes"),
    ],
)
def test_there_is_an_output_for_each_class(Y: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(network(), X, Y, "log_likelihood")


@pytest.mark.parametrize("strange", [["melon", "apple", "pear"], [[1, 0, 0]] * 3])
def test_classes_held_back_are_those_trained_on(strange: list[Any]) -> None:
    words = [WORDS[k] for k in PLACES]
    with pytest.raises(ValueError, match="Y has the classes 'apple', 'cherry', 'pear', test Y has"):
        fit(network(), X, words, "log_likelihood", test=(X[:3], strange), progress=False)


def test_many_classes_are_listed_in_part() -> None:
    with pytest.raises(ValueError, match=r"'a', 'b', 'c', 'd', 'e', \.\.\. 'h', but"):
        fit(network(), [X[0]] * 8, list("abcdefgh"), "log_likelihood")


def test_a_score_of_what_is_no_class_is_refused() -> None:
    model = trained([WORDS[k] for k in PLACES])
    with pytest.raises(ValueError, match="y holds 1, which is none of the classes 'apple'"):
        model.score(X, [1] * 6)
    with pytest.raises(ValueError, match="X has 6 rows and y 5"):
        model.score(X, ["apple"] * 5)


def test_targets_of_0_are_none_of_the_hinge_cost() -> None:
    with pytest.raises(ValueError, match="the targets of hinge are -1 and 1, and Y holds a 0"):
        fit(network(1, "linear"), X, [0, 1] * 3, "hinge")


def test_a_batch_is_no_example() -> None:
    with pytest.raises(ValueError, match=r"\[model\(x\) for x in X\], or model\.predict\(X\)"):
        network()(X)
    with pytest.raises(ValueError, match=r"X must have shape \(examples, 2\)"):
        network().predict(X[0])


@given(
    st.sampled_from(["tanh", "relu", "softsign", "gelu"]), st.sampled_from(["linear", "softmax"])
)
def test_outputs_are_those_of_the_graph(activation: str, output: str) -> None:
    model = MLP(2, [5, 3], activation=activation, output_activation=output, seed=3)
    graph = [[v.data for v in model(x)] for x in X]
    np.testing.assert_allclose(model.outputs(X), graph, rtol=1e-13, atol=1e-13)


def test_a_function_of_ones_own_is_an_activation_too() -> None:
    model = MLP(2, [3, 1], activation=lambda v: v * v, seed=3)
    np.testing.assert_allclose(model.outputs(X)[:, 0], [model(x).data for x in X], rtol=1e-13)


def test_each_hidden_layer_may_have_an_activation_of_its_own() -> None:
    model = MLP(2, [4, 3, 1], activation=["relu", "tanh"], seed=0)
    assert [layer.activation for layer in model.layers] == ["relu", "tanh", "linear"]
    with pytest.raises(ValueError, match="2 hidden layers and 1 activations"):
        MLP(2, [4, 3, 1], activation=["relu"])


def test_a_data_set_stands_for_examples_targets_and_those_held_back() -> None:
    data = datasets.iris()
    models = [MLP(4, [8, 3], output_activation="softmax", seed=0) for _ in range(2)]
    names = [data.class_names[k] for k in data.train.labels]
    held_back = data.test.X, [data.class_names[k] for k in data.test.labels]
    one = fit(models[0], data, cost="log_likelihood", epochs=3, progress=False)
    other = fit(
        models[1], data.train.X, names, "log_likelihood", test=held_back, epochs=3, progress=False
    )
    assert one.test_cost == other.test_cost
    assert models[0].answers.classes == data.class_names
    with pytest.raises(TypeError, match="or a Dataset in place of both"):
        fit(models[0], data.train.X)


def test_examples_held_back_may_be_others_than_the_data_sets() -> None:
    data = datasets.iris()
    model = MLP(4, [3], output_activation="softmax", seed=0)
    held_back = data.train.X[:5], [data.class_names[k] for k in data.train.labels[:5]]
    history = fit(model, data, cost="log_likelihood", test=held_back, epochs=1, progress=False)
    assert history[-1].test_accuracy in {k / 5 for k in range(6)}


def test_labels_in_an_object_array_are_labels() -> None:
    words = np.array([WORDS[k] for k in PLACES], dtype=object)
    assert trained(words).predict(X).tolist() == words.tolist()


def test_rows_of_several_lengths_are_no_labels() -> None:
    with pytest.raises(ValueError, match="the rows of Y are not of one length"):
        fit(network(), X, [[1, 0, 0], [0, 1]] * 3)
