"""Engines, `backprop`s and steps of the kinds that courses and ports teach, in words of our own.

Each is written down from what is documented of its kind: how it is called, how its arrays lie, what
it divides by, in what order it updates. None is a copy, and none is planted: what the judge says of
them is what is so.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

__all__ = ["COURSES", "Course"]


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


class ColumnsOneByOne:
    """A book's Network: examples one by one as columns, gradients of a mini-batch summed."""

    def __init__(self, sizes: list[int]) -> None:
        rng = np.random.default_rng(0)
        self.biases = [rng.normal(size=(n, 1)) for n in sizes[1:]]
        self.weights = [rng.normal(size=(n, m)) for m, n in pairwise(sizes)]

    def backprop(self, x: Any, y: Any) -> Any:
        activations, slopes = [x], []
        for b, w in zip(self.biases, self.weights, strict=True):
            activations.append(sigmoid(np.dot(w, activations[-1]) + b))
            slopes.append(activations[-1] * (1 - activations[-1]))
        delta = (activations[-1] - y) * slopes[-1]
        nabla_b, nabla_w = [delta], [np.dot(delta, activations[-2].T)]
        for l in range(2, len(self.weights) + 1):
            delta = np.dot(self.weights[-l + 1].T, delta) * slopes[-l]
            nabla_b.insert(0, delta)
            nabla_w.insert(0, np.dot(delta, activations[-l - 1].T))
        return nabla_b, nabla_w

    def update_mini_batch(self, mini_batch: Any, eta: float) -> None:
        sums: Any = None
        for x, y in mini_batch:
            new = self.backprop(x, y)
            sums = new if sums is None else [
                [a + b for a, b in zip(*each, strict=True)] for each in zip(sums, new, strict=True)
            ]  # fmt: skip
        rate = eta / len(mini_batch)
        self.biases = [b - rate * g for b, g in zip(self.biases, sums[0], strict=True)]
        self.weights = [w - rate * g for w, g in zip(self.weights, sums[1], strict=True)]


def two_layer_softmax(params: dict[str, Any], X: Any, y: Any) -> Any:
    """A vision course's two layers: rows, relu, softmax, means over the batch, loss and grads."""
    hidden = np.maximum(0, X @ params["W1"] + params["b1"])
    scores = hidden @ params["W2"] + params["b2"]
    scores = scores - scores.max(axis=1, keepdims=True)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    loss = -np.mean(np.sum(y * np.log(probabilities), axis=1))
    d_scores = (probabilities - y) / len(X)
    d_hidden = (d_scores @ params["W2"].T) * (hidden > 0)
    grads = {
        "W2": hidden.T @ d_scores, "b2": d_scores.sum(axis=0),
        "W1": X.T @ d_hidden, "b1": d_hidden.sum(axis=0),
    }  # fmt: skip
    return loss, grads


def binary_columns(parameters: dict[str, Any], X: Any, Y: Any) -> dict[str, Any]:
    """An online course's two layers: columns, tanh, a sigmoid at the end, cross-entropy, means."""
    m = 1 if X.ndim == 1 else X.shape[1]
    a1 = np.tanh(parameters["W1"] @ X + parameters["b1"])
    a2 = sigmoid(parameters["W2"] @ a1 + parameters["b2"])
    dz2 = a2 - Y
    dz1 = (parameters["W2"].T @ dz2) * (1 - a1**2)
    return {
        "dW1": dz1 @ X.T / m, "db1": dz1.sum(axis=1, keepdims=True) / m,
        "dW2": dz2 @ a1.T / m, "db2": dz2.sum(axis=1, keepdims=True) / m,
    }  # fmt: skip


def a_few_lines(weights: Any, biases: Any, x: Any, y: Any, eta: float) -> None:
    """A network in a few lines: sigmoids, no biases to learn, no rate: += a·(y − a)·a(1 − a)."""
    a = [x]
    for w, b in zip(weights, biases, strict=True):
        a.append(sigmoid(a[-1] @ w + b))
    delta = (y - a[-1]) * a[-1] * (1 - a[-1])
    steps = []
    for l in range(len(weights), 0, -1):
        steps.insert(0, a[l - 1].T @ delta)
        delta = (delta @ weights[l - 1].T) * a[l - 1] * (1 - a[l - 1])
    for w, step in zip(weights, steps, strict=True):
        w += step


def row_by_row(parameters: Any, batch: list[Any], learning_rate: float) -> None:
    """A tutorial from scratch: each row of the data set takes a step of its own, on lists."""
    weights, biases = parameters
    for x, y in batch:
        outputs = [list(x)]
        for w, b in zip(weights, biases, strict=True):
            outputs.append([
                1 / (1 + np.exp(-(sum(p * q for p, q in zip(row, outputs[-1], strict=True)) + c)))
                for row, c in zip(w, b, strict=True)
            ])  # fmt: skip
        deltas = [[(a - t) * a * (1 - a) for a, t in zip(outputs[-1], y, strict=True)]]
        for l in range(len(weights) - 1, 0, -1):
            deltas.insert(0, [
                sum(weights[l][k][j] * d for k, d in enumerate(deltas[0])) * a * (1 - a)
                for j, a in enumerate(outputs[l])
            ])  # fmt: skip
        for w, b, d, a in zip(weights, biases, deltas, outputs, strict=False):
            for j, each in enumerate(d):
                w[j] -= learning_rate * each * np.array(a)
                b[j] -= learning_rate * each


class LectureValue:
    """A lecture's engine: closures, a set of operands, topological order by recursion."""

    def __init__(self, data: Any, children: tuple[Any, ...] = (), op: str = "") -> None:
        self.data, self.grad, self.op = data, 0.0, op
        self.children = set(children)
        self.pull = lambda: None

    def _made(self, data: float, pairs: list[tuple[Any, float]]) -> LectureValue:
        out = LectureValue(data, tuple(each for each, _ in pairs))

        def pull() -> None:
            for each, slope in pairs:
                each.grad += slope * out.grad

        out.pull = pull
        return out

    def __add__(self, other: Any) -> Any:
        other = other if isinstance(other, LectureValue) else LectureValue(other)
        return self._made(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other: Any) -> Any:
        other = other if isinstance(other, LectureValue) else LectureValue(other)
        return self._made(self.data * other.data, [(self, other.data), (other, self.data)])

    def __pow__(self, n: Any) -> Any:
        return self._made(self.data**n, [(self, n * self.data ** (n - 1))])

    def exp(self) -> Any:
        e = math.exp(self.data)
        return self._made(e, [(self, e)])

    def tanh(self) -> Any:
        e = math.exp(2 * self.data)
        t = (e - 1) / (e + 1)
        return self._made(t, [(self, 1 - t**2)])

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        return self + (-other)

    def __truediv__(self, other: Any) -> Any:
        return self * other**-1

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def backward(self) -> None:
        order: list[Any] = []
        seen = set()

        def visit(node: Any) -> None:
            if node not in seen:
                seen.add(node)
                for each in node.children:
                    visit(each)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            node.pull()


class ScalarGPTValue:
    """The engine of a GPT on scalars: a node keeps its children and the local gradients."""

    __slots__ = ("children", "data", "grad", "local_grads")

    def __init__(self, data: Any, children: Any = (), local_grads: Any = ()) -> None:
        self.data, self.grad = data, 0
        self.children, self.local_grads = children, local_grads

    def __add__(self, other: Any) -> Any:
        other = other if isinstance(other, ScalarGPTValue) else ScalarGPTValue(other)
        return ScalarGPTValue(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other: Any) -> Any:
        other = other if isinstance(other, ScalarGPTValue) else ScalarGPTValue(other)
        return ScalarGPTValue(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, n: Any) -> Any:
        return ScalarGPTValue(self.data**n, (self,), (n * self.data ** (n - 1),))

    def log(self) -> Any:
        return ScalarGPTValue(math.log(self.data), (self,), (1 / self.data,))

    def exp(self) -> Any:
        return ScalarGPTValue(math.exp(self.data), (self,), (math.exp(self.data),))

    def relu(self) -> Any:
        return ScalarGPTValue(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self) -> Any:
        return self * -1

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __sub__(self, other: Any) -> Any:
        return self + (-other)

    def __rsub__(self, other: Any) -> Any:
        return other + (-self)

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def __truediv__(self, other: Any) -> Any:
        return self * other**-1

    def __rtruediv__(self, other: Any) -> Any:
        return other * self**-1

    def backward(self) -> None:
        order, seen = [], set()

        def visit(node: Any) -> None:
            if node not in seen:
                seen.add(node)
                for each in node.children:
                    visit(each)
                order.append(node)

        visit(self)
        self.grad = 1
        for node in reversed(order):
            for each, slope in zip(node.children, node.local_grads, strict=True):
                each.grad += slope * node.grad


class PathsValue:
    """A port that calls backward down every path, with the gradient as its argument."""

    def __init__(self, data: Any, parents: Any = ()) -> None:
        self.data, self.grad, self.parents = data, 0.0, parents

    def __add__(self, other: Any) -> Any:
        other = other if isinstance(other, PathsValue) else PathsValue(other)
        return PathsValue(self.data + other.data, ((self, 1.0), (other, 1.0)))

    __radd__ = __add__

    def __mul__(self, other: Any) -> Any:
        other = other if isinstance(other, PathsValue) else PathsValue(other)
        return PathsValue(self.data * other.data, ((self, other.data), (other, self.data)))

    __rmul__ = __mul__

    def sigmoid(self) -> Any:
        s = 1 / (1 + math.exp(-self.data))
        return PathsValue(s, ((self, s * (1 - s)),))

    def backward(self, gradient: float = 1.0) -> None:
        self.grad += gradient
        for parent, slope in self.parents:
            parent.backward(slope * gradient)


class QuickGeluValue(ScalarGPTValue):
    """A course's engine with a GELU by its tanh formula, and the slope of x·σ(1.702 x)."""

    __slots__ = ()

    def gelu(self) -> Any:
        x = self.data
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        s = 1 / (1 + math.exp(-1.702 * x))
        slope = s + 1.702 * x * s * (1 - s)
        return QuickGeluValue(0.5 * x * (1 + math.tanh(inner)), (self,), (slope,))


class Tensor:
    """A book's Tensor of one number: parents in a list, a function that gives their shares."""

    def __init__(self, data: Any, parents: Any = (), shares: Any = None) -> None:
        self.data, self.grad, self.parents, self.shares = data, self.unset(), [*parents], shares

    @staticmethod
    def unset() -> Any:
        return 0.0

    def _made(self, data: Any, parents: Any, shares: Any) -> Any:
        return type(self)(data, parents, shares)

    def _other(self, other: Any) -> Any:
        return other if isinstance(other, Tensor) else type(self)(other)

    def __add__(self, other: Any) -> Any:
        other = self._other(other)
        return self._made(self.data + other.data, (self, other), lambda g: (g, g))

    def __mul__(self, other: Any) -> Any:
        other = self._other(other)
        shares = lambda g: (g * other.data, g * self.data)  # noqa: E731
        return self._made(self.data * other.data, (self, other), shares)

    __radd__, __rmul__ = __add__, __mul__

    def order(self) -> list[Any]:
        found, stack, seen = [], [(self, False)], set()
        while stack:
            node, done = stack.pop()
            if done:
                found.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack += [(node, True), *((parent, False) for parent in node.parents)]
        return found[::-1]

    def backward(self) -> None:
        nodes = self.order()
        for node in nodes:
            if node.parents:
                node.grad = 0.0
        self.grad = 1.0
        for node in nodes:
            if node.parents:
                for parent, share in zip(node.parents, node.shares(node.grad), strict=True):
                    parent.grad = parent.grad + share


class SigmoidTensor(Tensor):
    def sigmoid(self) -> Any:
        s = 1 / (1 + math.exp(-self.data))
        return self._made(s, (self,), lambda g: (g * s * (1 - s),))


class SingleTensor(Tensor):
    """Its numbers are NumPy's in single precision."""

    def __init__(self, data: Any, *others: Any) -> None:
        super().__init__(np.float32(data), *others)

    def exp(self) -> Any:
        e = np.exp(self.data)
        return self._made(e, (self,), lambda g: (g * e,))


class SecondOrderTensor(Tensor):
    """A gradient is a node, too, and None before backward."""

    unset = staticmethod(lambda: None)

    def backward(self) -> None:
        nodes = self.order()
        for node in nodes:
            if node.parents:
                node.grad = None
        self.grad = type(self)(1.0)
        for node in nodes:
            if node.parents:
                for parent, share in zip(node.parents, node.shares(node.grad), strict=True):
                    parent.grad = share if parent.grad is None else parent.grad + share


class LazyTensor(Tensor):
    """Numbers are computed when they are asked for."""

    @property
    def data(self) -> Any:
        if callable(self._data):
            self._data = self._data()
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        self._data = data

    def __add__(self, other: Any) -> Any:
        other = self._other(other)
        return self._made(lambda: self.data + other.data, (self, other), lambda g: (g, g))

    def __mul__(self, other: Any) -> Any:
        other = self._other(other)
        shares = lambda g: (g * other.data, g * self.data)  # noqa: E731
        return self._made(lambda: self.data * other.data, (self, other), shares)

    __radd__, __rmul__ = __add__, __mul__


class IntegerTensor(Tensor):
    def __init__(self, data: Any, *others: Any) -> None:
        super().__init__(int(data), *others)


class OneSidedTensor(Tensor):
    """Numbers stand on the right only."""

    __radd__ = __rmul__ = None  # type: ignore[assignment]


class Course(NamedTuple):
    """A subject, which judge it goes to, and what is said of it."""

    subject: Any
    judge: str
    contract: dict[str, Any]
    mistakes: tuple[str, ...]
    """What it is found to be, by the names of the mistakes; none if it is right."""


COURSES: dict[str, Course] = {
    "a lecture's engine, closures in a set": Course(
        LectureValue,
        "judge",
        {},
        ("reflected_operand_missing", "overflow", "interior_gradients_kept", "recursion"),
    ),
    "the engine of a GPT on scalars": Course(
        ScalarGPTValue, "judge", {}, ("overflow", "interior_gradients_kept", "recursion")
    ),
    "a port that walks every path": Course(
        PathsValue, "judge", {"steps": 300_000}, ("overflow", "recursion", "paths_one_by_one")
    ),
    "a course's GELU with another's slope": Course(
        QuickGeluValue,
        "judge",
        {},
        ("overflow", "forms_mixed", "interior_gradients_kept", "recursion"),
    ),
    "a book's Tensor of one number": Course(SigmoidTensor, "judge", {}, ("overflow",)),
    "a port to single precision": Course(SingleTensor, "judge", {}, ()),
    "a port with gradients as nodes": Course(SecondOrderTensor, "judge", {}, ()),
    "a port that computes when asked": Course(LazyTensor, "judge", {}, ("recursion",)),
    "a port for whole numbers": Course(IntegerTensor, "judge", {}, ("data_converted",)),
    "a port with numbers on the right": Course(
        OneSidedTensor, "judge", {}, ("reflected_operand_missing",)
    ),
    "a book's backprop, column by column": Course(ColumnsOneByOne, "judge_delta", {}, ()),
    "a book's mini-batches": Course(ColumnsOneByOne, "judge_step", {}, ()),
    "a vision course's two layers, rows": Course(two_layer_softmax, "judge_delta", {}, ()),
    "an online course's two layers, columns": Course(binary_columns, "judge_delta", {}, ()),
    "a network in a few lines": Course(
        a_few_lines, "judge_step", {"cost": "quadratic"}, ("rate_forgotten", "biases_not_updated")
    ),
    "a tutorial's rows, one step each": Course(
        row_by_row, "judge_step", {"cost": "quadratic"}, ("online_full_rate",)
    ),
}
