"""Judge your engine: a backprop, a training step and an engine, whose mistakes get their names.

Run it:  python demos/judge_your_engine.py

A student has derived backpropagation by hand. It runs, the cost falls, and it is wrong. We let the
judge say which equation is wrong, in which layer and entry, and which classical mistake predicts
exactly these numbers; then a training step, an autograd engine, and what a grader gets.
"""

# %% A backprop by hand, on NumPy arrays. There are two mistakes in it: can you see them?
import numpy as np

from microgradnet import judge, judge_delta, judge_step


def sigma(z):
    """The sigmoid."""
    return 1 / (1 + np.exp(-z))


def sigma_prime(z):
    """The sigmoid's slope at z."""
    return sigma(z) * (1 - sigma(z))


def backprop(weights, biases, x, y):
    """Gradients of ½ Σ (a − y)², summed over the rows of x: (nabla_b, nabla_w)."""
    z, a = [], [x]
    for W, b in zip(weights, biases, strict=True):
        z.append(a[-1] @ W.T + b)
        a.append(sigma(z[-1]))
    delta = (a[-1] - y) * sigma_prime(a[-1])
    nabla_b, nabla_w = [delta.mean(axis=0)], [delta.T @ a[-2]]
    for l in range(len(weights) - 1, 0, -1):
        delta = (delta @ weights[l]) * sigma_prime(a[l])
        nabla_b.insert(0, delta.mean(axis=0))
        nabla_w.insert(0, delta.T @ a[l - 1])
    return nabla_b, nabla_w


judgement = judge_delta(backprop, activation="sigmoid", cost="quadratic", batch="sum")
print(judgement)

# %% The picture that explains the first: σ′ is the local derivative of the edge from z to a
picture = judgement.pictures["slope_of_activation"]
print(f"\nThe picture of it is {picture.zoom} zoom; picture.save('slope.svg') keeps it.")

# %% Mended, line by line as the judge says, it is right


def mended(weights, biases, x, y):
    """The same with σ′ taken of z, and sums over the batch."""
    z, a = [], [x]
    for W, b in zip(weights, biases, strict=True):
        z.append(a[-1] @ W.T + b)
        a.append(sigma(z[-1]))
    delta = (a[-1] - y) * sigma_prime(z[-1])
    nabla_b, nabla_w = [delta.sum(axis=0)], [delta.T @ a[-2]]
    for l in range(len(weights) - 1, 0, -1):
        delta = (delta @ weights[l]) * sigma_prime(z[l - 1])
        nabla_b.insert(0, delta.sum(axis=0))
        nabla_w.insert(0, delta.T @ a[l - 1])
    return nabla_b, nabla_w


print(f"\nMended: {judge_delta(mended).verdict}")

# %% A training step around it, which updates each layer before the errors below it are known


def step(weights, biases, x, y, eta):
    """A step of η/m, layer by layer from the last to the first."""
    a = [x]
    for W, b in zip(weights, biases, strict=True):
        a.append(sigma(a[-1] @ W.T + b))
    delta = (a[-1] - y) * a[-1] * (1 - a[-1])
    weights, biases = [W.copy() for W in weights], [b.copy() for b in biases]
    for l in range(len(weights), 0, -1):
        weights[l - 1] -= eta / len(x) * delta.T @ a[l - 1]
        biases[l - 1] -= eta / len(x) * delta.sum(axis=0)
        delta = (delta @ weights[l - 1]) * a[l - 1] * (1 - a[l - 1])
    return weights, biases


print()
print(judge_step(step, cost="quadratic"))

# %% An autograd engine in a few lines, which assigns a gradient that it should add to


class Value:
    """A number with +, * and a backward pass in reverse order of what was made."""

    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = data, 0.0, parents

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def backward(self):
        """Pass the gradient on to the parents, and theirs to their own."""
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for parent, _ in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            for parent, slope in node.parents:
                parent.grad = slope * node.grad


of_engine = judge(Value)
print(f"\nThe engine, of {len(of_engine.findings)} findings:")
for diagnosis in of_engine.diagnoses:
    print(f"  ✗ {diagnosis.mistake.title}: {diagnosis.evidence}")

# %% For a grader: JSON with points for each part, and no hints
graded = judge_delta(backprop, activation="sigmoid", cost="quadratic", batch="sum", hints=False)
print(f"\nPoints, for a grader: {graded.points}; as JSON {len(graded.to_json()):,} characters.")
