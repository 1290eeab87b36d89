"""scikit-learn: a network of scalars as a classifier among its estimators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from microgradnet import delta
from microgradnet.nn import MLP
from microgradnet.optim import Adam
from microgradnet.training import fit

__all__ = ["MicrogradClassifier"]


class MicrogradClassifier(ClassifierMixin, BaseEstimator):
    """Classify by an `MLP` with softmax and the log-likelihood cost, fitted by Adam.

    hidden_layer_sizes  the numbers of hidden neurons, layer by layer; () for none
    activation          of the hidden layers: a name of `nn.ACTIVATIONS` but softmax
    lr                  Adam's learning rate
    epochs              how often to go through all the examples
    batch_size          the number of examples a step; None for all of them
    engine              as in `training.fit`
    random_state        of the weights at the start and of the order of the examples
    verbose             show `fit`'s progress bar

    After fit: `model_` is the network, whose output are the weighted inputs of softmax, `history_`
    the `History`, `classes_` the classes in the order of its outputs, `n_features_in_` the number
    of features. Features should be of a size near 1, as after a StandardScaler. Raises ValueError
    for data and parameters that make no sense, when it is fitted.

    >>> from microgradnet import datasets
    >>> iris = datasets.iris()
    >>> classifier = MicrogradClassifier(epochs=20, random_state=0)
    >>> classifier.fit(iris.train.X, iris.train.labels).score(iris.test.X, iris.test.labels) > 0.9
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (16,),
        activation: str = "tanh",
        *,
        lr: float = 0.01,
        epochs: int = 50,
        batch_size: int | None = 10,
        engine: str = "auto",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> MicrogradClassifier:
        """Learn the classes y of the rows of X, from new weights on; the estimator itself."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, places = np.unique(y, return_inverse=True)
        seed = int(check_random_state(self.random_state).randint(2**31))
        sizes = [int(n) for n in self.hidden_layer_sizes] + [len(self.classes_)]
        model = MLP(
            self.n_features_in_,
            sizes,
            activation=self.activation,
            init="xavier",
            seed=seed,
            granularity="neuron",
        )
        self.history_ = fit(
            model,
            X,
            np.eye(len(self.classes_))[places],
            "log_likelihood_from_z",
            optimizer=Adam(model.parameters(), lr=self.lr),
            epochs=self.epochs,
            batch_size=self.batch_size,
            engine=self.engine,
            seed=seed,
            progress=self.verbose,
        )
        self.model_ = model
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compute the probability of each class, a row an example: the softmax of the output."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        weights, biases = self.model_.weights.values(), self.model_.biases.values()
        activations = [self.activation] * len(self.hidden_layer_sizes) + ["softmax"]
        return delta.forward(list(weights), list(biases), activations, X)[1][-1]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the likeliest class of each row."""
        probabilities = self.predict_proba(X)
        classes: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return classes
