"""The matrix inside: bare loops over scalars, the δ equations found in them, and digits learned.

Run it:  python demos/the_matrix_inside.py

The network below is three nested loops over Values. There is no layer in it, no matrix and no
formula of backpropagation. `lift` is given nothing but the graph that the loops leave behind.
"""

# %% A network written with bare loops
import os
import random
import time
from itertools import pairwise

import numpy as np

from microgradnet import Value, datasets, lift, sigmoid

SIZES = (64, 30, 10)
EPOCHS = int(os.environ.get("MICROGRADNET_DEMO_EPOCHS", "30"))
rng = random.Random(1)
layers = []
for n_in, n_out in pairwise(SIZES):
    neurons = []
    for _ in range(n_out):
        w = [Value(rng.gauss(0, n_in**-0.5)) for _ in range(n_in)]
        neurons.append((w, Value(0.0)))
    layers.append(neurons)


def network(a):
    """The activations of the last layer."""
    for neurons in layers:
        following = []
        for w, b in neurons:
            z = b
            for k in range(len(a)):
                z = z + w[k] * a[k]
            following.append(sigmoid(z))
        a = following
    return a


# %% One example through it, and its cost: the graph
data = datasets.digits()
x = [Value(v) for v in data.train.X[0].tolist()]
y = [Value(v) for v in data.train.Y[0].tolist()]
cost = Value(0.0)
for a_j, y_j in zip(network(x), y, strict=True):
    cost = cost + (a_j - y_j) ** 2
cost = cost / 2
parameters = [p for neurons in layers for w, b in neurons for p in (*w, b)]

# %% The matrices found in it
start = time.perf_counter()
program = lift(cost, inputs=x, targets=y, parameters=parameters)
lifted = time.perf_counter() - start
print(f"Found in the graph of one digit, {len(parameters):,} parameters in {lifted:.2f} s:\n")
print(program)

# %% The same numbers as the graph's
cost.backward()
_, gradient = program.value_and_grad(data.train.X[:1], data.train.Y[:1])
difference = max(abs(p.grad - g) for p, g in zip(parameters, gradient, strict=True))
print(f"\nThe graph's gradients and the program's differ by at most {difference:.1e}.")


# %% Trained on the digits, by the program found
def accuracy(part):
    """The share of digits whose largest output is the right one."""
    return float((outputs.value(part.X).argmax(axis=1) == part.labels).mean())


outputs = lift(network(x), inputs=x, parameters=parameters)
eta, m = 3.0, 10
order = np.random.default_rng(0)
print(f"\nGradient descent, w → w − (η/m) Σ ∂C/∂w, with η = {eta} and batches of {m}:")
start = time.perf_counter()
for epoch in range(1, EPOCHS + 1):
    shuffled = order.permutation(len(data.train.X))
    for k in range(0, len(shuffled) - m + 1, m):
        batch = shuffled[k : k + m]
        _, gradient = program.value_and_grad(data.train.X[batch], data.train.Y[batch])
        program.parameters -= eta / m * gradient
    if epoch in (1, 2, 5, 10, 20, EPOCHS):
        outputs.parameters[:] = program.parameters
        mean = program.value(data.train.X, data.train.Y).mean()
        held_back = f"{accuracy(data.test):.1%} of {len(data.test.X)} held-back digits known"
        print(f"  epoch {epoch:2}: mean cost {mean:.4f}, {held_back}")
print(f"In {time.perf_counter() - start:.1f} s.")

# %% And back into the scalars
program.write_parameters()
known = sum(
    max(range(10), key=lambda j: a[j].data) == label
    for a, label in ((network(row), label) for row, label in zip(
        data.test.X[:100].tolist(), data.test.labels[:100], strict=True))
)  # fmt: skip
print(f"\nThe loops themselves, with the parameters learned, know {known} of 100 digits.")
