"""What a network says of new examples: classes, probabilities, numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from microgradnet import ops
from microgradnet.engine import Value
from microgradnet.nn.module import Module
from microgradnet.operation import Operation, find
from microgradnet.recording import no_grad

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from microgradnet.datasets import Preparation

    Array: TypeAlias = NDArray[Any]

__all__ = ["Answers", "Predictor"]


@dataclass(frozen=True)
class Answers:
    """Say how the outputs of a network are read: as classes, or as numbers.

    >>> Answers(("no", "yes"), "outputs").classes
    ('no', 'yes')
    """

    classes: tuple[Any, ...] = ()
    """The classes in the order of the outputs; of a single output, that of a low and of a high one.
    Without classes the outputs are numbers."""
    probabilities: str = ""
    """What makes probabilities of the outputs: "outputs" if they are such, "softmax", "sigmoid"."""
    threshold: float = 0.5
    """Above it a single output stands for the second class."""
    shift: float = 0.0
    """A number is shift + scale · output, for targets that were scaled."""
    scale: float = 1.0


class Predictor(Module):
    """Answer for many examples at once, without a graph: the part of an `MLP` that is asked.

    `answers` says what the outputs stand for; `fit` sets it from the targets.
    """

    answers: Answers = Answers()
    preparation: Preparation | None = None
    """How rows of the table that it was trained on became inputs, to do the same to new ones."""
    layers: list[Any]

    @property
    def sizes(self) -> list[int]:
        """Count the inputs, then the neurons of each layer."""
        return [len(self.layers[0].neurons[0].w), *(len(layer.neurons) for layer in self.layers)]

    def outputs(self, X: ArrayLike) -> Array:
        """Compute the outputs as numbers, of shape (examples, outputs), for X (examples, inputs).

        Equal to those of `model(x)` within rounding. Raises ValueError for another shape.
        """
        import numpy as np

        a: Array = np.asarray(X)
        n_in = self.sizes[0]
        if a.ndim != 2 or a.shape[1] != n_in:
            raise ValueError(
                f"X must have shape (examples, {n_in}), one example a row, not {a.shape}"
            )
        for layer in self.layers:
            W = np.array([[w.data for w in neuron.w] for neuron in layer.neurons])
            a = _activated(layer.activation, a @ W.T + np.array([n.b.data for n in layer.neurons]))
        return a

    def predict(self, X: ArrayLike) -> Array:
        """Predict for each row of X its class, or its number where the targets were numbers.

        The class is that of the largest output. Raises ValueError for rows of another length.

        >>> from microgradnet import MLP
        >>> from microgradnet.training import fit
        >>> model = MLP(1, [2], output_activation="softmax", init="zeros")
        >>> history = fit(model, [[-1.0], [1.0]], ["cold", "warm"], "log_likelihood", epochs=20)
        >>> model.predict([[-2.0], [3.0]]).tolist()
        ['cold', 'warm']
        """
        import numpy as np

        outputs, answers = self.outputs(X), self.answers
        if not answers.classes:
            numbers: Array = answers.shift + answers.scale * outputs
            return numbers[:, 0] if numbers.shape[1] == 1 else numbers
        single = outputs.shape[1] == 1
        places = outputs[:, 0] > answers.threshold if single else outputs.argmax(axis=1)
        classes: Array = np.array(answers.classes)[places.astype(int)]
        return classes

    def predict_proba(self, X: ArrayLike) -> Array:
        """Compute the probability of each class, of shape (examples, classes); rows add up to 1.

        Outputs of σ, a class each, are divided by their sum. Raises ValueError where the outputs
        are no probabilities, as those that the hinge cost was made for.
        """
        import numpy as np

        answers, a = self.answers, self.outputs(X)
        if not answers.probabilities:
            raise ValueError(
                "the outputs are no probabilities of classes: train with log_likelihood or "
                "cross_entropy, on classes"
            )
        if answers.probabilities != "outputs":
            a = _activated(answers.probabilities, a)
        if a.shape[1] == 1:
            return np.hstack([1 - a, a])
        shares: Array = a / a.sum(axis=1, keepdims=True)
        return shares

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Measure the share of right classes; of numbers R² = 1 − Σ (y − a)² / Σ (y − ȳ)².

        R² is NaN where all y are the same.
        """
        import numpy as np

        predicted, wanted = self.predict(X), np.asarray(y)
        if len(predicted) != len(wanted):
            raise ValueError(f"X has {len(predicted)} rows and y {len(wanted)}")
        if self.answers.classes:
            if wanted.ndim == 2:  # one-hot
                wanted = np.array(self.answers.classes)[wanted.argmax(axis=1)]
            strangers = set(wanted.tolist()) - set(self.answers.classes)
            if strangers:
                raise ValueError(
                    f"y holds {strangers.pop()!r}, which is none of the classes "
                    f"{', '.join(map(repr, self.answers.classes))}"
                )
            return float((predicted == wanted).mean())
        wanted = wanted.reshape(predicted.shape)
        spread = float(((wanted - wanted.mean(axis=0)) ** 2).sum())
        return 1 - float(((wanted - predicted) ** 2).sum()) / spread if spread else math.nan


def _activated(activation: Any, z: Array) -> Array:
    """Apply an activation to weighted inputs of shape (examples, neurons)."""
    import numpy as np

    if activation == "linear":
        return z
    if activation == "softmax":
        return np.array([ops.softmax(row) for row in z.tolist()])
    function: Callable[[Any], Any] = find(activation) if isinstance(activation, str) else activation
    if not isinstance(function, Operation):  # of one's own, made for Values
        own, function = function, lambda x: own(Value(x)).data
    with no_grad():
        return np.array([function(x) for x in z.ravel().tolist()]).reshape(z.shape)
