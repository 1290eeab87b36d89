"""The matrix inside: bare loops over scalars, the equations found in them, and digits learned.

Run it:  python demos/the_matrix_inside.py

The network below is three nested loops over Values. There is no layer in it, no matrix and no
formula of backpropagation. `lift` is given nothing but the graph that the loops leave behind.
Then a batch of examples in one graph, a convolution and attention, by bare loops as well: whatever
the loops run over is an axis of an array.
"""

# %% A network written with bare loops
import os
import random
import time
from itertools import pairwise

import numpy as np

from microgradnet import Value, datasets, exp, lift, sigmoid, tanh

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


# %% Further loops: arrays of leaves, sums of products
def array(*sizes):
    """Nested lists of leaves."""
    if not sizes:
        return Value(rng.gauss(0, 0.5))
    return [array(*sizes[1:]) for _ in range(sizes[0])]


def dot(u, v):
    """Σ u v."""
    return sum((a * b for a, b in zip(u, v, strict=True)), Value(0.0))


def flat(rows):
    """Rows one behind the other."""
    return [entry for row in rows for entry in row]


# %% A batch: the loss of five examples in one graph
W, v, points = array(3, 2), array(3), array(5, 2)
batch = Value(0.0)
for n, point in enumerate(points):
    margin = dot(v, [tanh(dot(w, point)) for w in W])
    batch = batch + (margin - (-1) ** n) ** 2
found = lift(batch / 5, inputs=flat(points), parameters={"W": W, "v": v})
print(f"\nThe mean cost of five examples. The arrays hold each parameter once:\n\n{found}")

# %% A convolution: one filter of 3 × 3 moved over an image
image, kernel = array(6, 6), array(3, 3)
cost = Value(0.0)
for i in range(4):
    for j in range(4):
        window = [image[i + u][j + t] for u in range(3) for t in range(3)]
        cost = cost + tanh(dot(flat(kernel), window)) ** 2
found = lift(cost / 2, inputs=flat(image), parameters={"K": kernel})
print(f"\nA convolution. Its kernel has nine weights, at whatever size of the image:\n\n{found}")

# %% Attention: four positions look at each other
Wq, Wk, Wv, tokens = array(3, 3), array(3, 3), array(3, 3), array(4, 3)
q, k, v = ([[dot(w, token) for w in W] for token in tokens] for W in (Wq, Wk, Wv))
cost = Value(0.0)
for query in q:
    shares = [exp(dot(query, key)) for key in k]
    total = sum(shares, Value(0.0))
    for h in range(3):
        cost = cost + dot([share / total for share in shares], [value[h] for value in v]) ** 2
found = lift(cost / 2, inputs=flat(tokens), parameters={"Wq": Wq, "Wk": Wk, "Wv": Wv})
print(f"\nAttention, with a softmax that is found in exp and Σ exp:\n\n{found}")
