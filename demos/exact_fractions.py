"""Backpropagation in fractions: where nothing rounds, the two sides must be equal, and are.

Run it:  python demos/exact_fractions.py

A comparison of floats always leaves a doubt: are the numbers equal, or only close? With weights and
inputs that are fractions, and activations that only add, multiply and divide, every δ is a fraction
as well. Then `==` decides, and there is no tolerance to choose.
"""

# %% A network of fractions
import random
from fractions import Fraction

import numpy as np

from microgradnet import MLP, costs, datasets, delta, verify

ACTIVATIONS = ["softsign", "hard_sigmoid"]


def eighths(number):
    """The nearest multiple of ⅛."""
    return Fraction(round(8 * number), 8)


def network():
    """A 4-3-3 network whose parameters are eighths."""
    model = MLP(4, [3, 3], activation=ACTIVATIONS[0], output_activation=ACTIVATIONS[1],
                rng=random.Random(0))  # fmt: skip
    for parameter in model.parameters():
        parameter.data = eighths(parameter.data)
    return model


def listed(numbers):
    """Fractions in a row."""
    return "  ".join(str(number) for number in np.ravel(numbers))


data = datasets.iris()
x, y = [eighths(v) for v in data.train.X[0]], [int(v) for v in data.train.Y[0]]
model = network()
print(f"An iris, its four measures to the nearest eighth: {listed(x)}")
print(f"The first neuron's weights: {listed(model.weights[1][0])}, its bias {model.biases[1][0]}")

# %% The graph: forward and backward
forward = model.forward(x)
cost = costs.quadratic(forward.output, y)
cost.backward()
print(f"\nThe scalar graph: z¹ = {listed([v.data for v in forward.z[1]])}")
print(f"with softsign    a¹ = {listed([v.data for v in forward.a[1]])}")
print(f"with hard_sigmoid a² = {listed([v.data for v in forward.a[2]])}")
print(f"and the cost     C = {cost.data}")

# %% The δ equations, on matrices of fractions
matrices = delta.backprop(
    list(model.weights.values()), list(model.biases.values()), ACTIVATIONS, "quadratic",
    np.array(x, dtype=object), np.array(y, dtype=object),
)  # fmt: skip
print("\nδ, from the graph node by node and from BP1 and BP2 on matrices:\n")
for l, up in ((2, "²"), (1, "¹")):
    print(f"  δ{up} graph    {listed(forward.delta[l])}")
    print(f"  δ{up} formula  {listed(matrices.delta[l])}")
    print(f"     equal    {forward.delta[l] == matrices.delta[l].tolist()}\n")
if any(forward.delta[l] != matrices.delta[l].tolist() for l in (1, 2)):
    raise SystemExit("The two sides differ: this should never be seen.")

# %% All the equations, for several examples and a step of gradient descent
X = [[eighths(v) for v in row] for row in data.train.X[:4]]
Y = [[int(v) for v in row] for row in data.train.Y[:4]]
print(
    "All equations, for four irises and one step of gradient descent. Not a digit of difference:\n"
)
print(verify(model, X, Y, "quadratic", steps=1, lr=Fraction(1, 2)))

# %% And how good are floats? Now there is an exact answer to hold them against
floats = network()
for parameter in floats.parameters():
    parameter.data = float(parameter.data)
costs.quadratic(floats([float(v) for v in x]), y).backward()
errors = [
    abs(Fraction(found.grad) - exact.grad) / Fraction(float(np.spacing(abs(found.grad))))
    for found, exact in zip(floats.parameters(), model.parameters(), strict=True)
    if exact.grad != 0
]
worst, n = float(max(errors)), len(errors)
nearest = sum(error <= Fraction(1, 2) for error in errors)
print(
    f"""
The same gradients in floats, against the exact ones: of {n} that are not 0, {nearest} are the float
nearest to the exact value, and the worst is off by {worst:.2f} ulps, units in the last place."""
)

# %% The price: fractions grow
print("\nWhy not always so? The digits of the longest denominator of a parameter, as it learns:\n")
model = network()
for step in range(5):
    longest = max(len(str(p.data.denominator)) for p in model.parameters())
    print(f"   after {step} steps  {longest:6,}")
    model.zero_grad()
    costs.quadratic(model(x), y).backward()
    for parameter in model.parameters():
        parameter.data -= parameter.grad / 2
