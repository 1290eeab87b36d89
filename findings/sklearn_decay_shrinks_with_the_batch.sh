#!/usr/bin/env bash
# scikit-learn's networks: the weight decay of a step is alpha divided by the number of examples in it.
#
# Guess     the cost is the mean loss plus ½ alpha Σ w², so a step of plain gradient descent on inputs of
#           0 (no gradient from the data for the first layer) shrinks w by the factor 1 − η alpha,
#           whatever the batch.
# Seen      with η = 0.1 and alpha = 1, (w before − w after)/(η w) is 1 for a batch of one example, 0.1
#           for ten, 0.001 for a thousand. One epoch over 1,000 examples decays w by η alpha / 1000 in one
#           batch and by 10 η alpha in batches of ten, 10,000 times as much; by the guess it is 100 times.
# Version   scikit-learn 1.9.1, MLPRegressor and MLPClassifier alike
# Why       the penalty is ½ alpha Σ w² / n with n the examples of the batch: it is right for the whole
#           set at once (solver lbfgs), where it is a prior beside n likelihoods, and is carried over.
# Matters   batch_size changes what is regularised and by how much; alpha found with one batch size, or
#           with lbfgs, means another strength with the next; PyTorch's weight_decay does not divide.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "scikit-learn==1.9.1" "numpy==2.4.6" 2>/dev/null
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier, MLPRegressor

print("scikit-learn", sklearn.__version__)
rate = 0.1


def decay(kind, n, targets):
    """Return (w before − w after) / (η w) of the first layer after one step on n inputs of 0."""
    network = kind(
        hidden_layer_sizes=(3,),
        activation="tanh",
        solver="sgd",
        alpha=0.0,
        learning_rate_init=rate,
        momentum=0.0,
        batch_size=n,
        random_state=1,
    )
    X = np.zeros((n, 2))
    options = {"classes": [0, 1]} if kind is MLPClassifier else {}
    network.partial_fit(X, targets, **options)
    network.set_params(alpha=1.0)
    before = network.coefs_[0].copy()
    network.partial_fit(X, targets, **options)
    return ((before - network.coefs_[0]) / (rate * before)).ravel()


for kind, target in ((MLPRegressor, 0.5), (MLPClassifier, 1)):
    for n in (1, 10, 1000):
        found = decay(kind, n, np.full(n, target))
        print(f"{kind.__name__:13} batch of {n:4}: {found.min():.6f} to {found.max():.6f}")
        assert np.allclose(found, 1 / n, rtol=1e-6)
PYTHON
