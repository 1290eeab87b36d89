"""A transformer of one block that learns names, of scalars, as users of microgpt write it.

Any class of scalars runs it that has + − × / **, `exp`, `log`, `relu`, `data`, `grad` and
`backward()`. `Scalar` is the kind of class that such a program brings: a node with its parents and
its partial derivatives. The 64,000 nodes of a step are mostly the products of `linear`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

__all__ = ["Program", "Scalar", "linear", "rms_norm", "softmax"]

VOCABULARY, WIDTH, HEADS, POSITIONS = 27, 16, 4, 16
NAME = (26, 4, 12, 12, 0, 11, 8, 13, 26)


class Scalar:
    """A number, its parents, and its partial derivatives by them."""

    __slots__ = ("data", "grad", "parents", "partials")

    def __init__(self, data: Any, parents: tuple[Any, ...] = (), partials: tuple[Any, ...] = ()):
        self.data = data
        self.grad = 0
        self.parents = parents
        self.partials = partials

    def __add__(self, other: Any) -> Scalar:
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other: Any) -> Scalar:
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, c: Any) -> Scalar:
        return Scalar(self.data**c, (self,), (c * self.data ** (c - 1),))

    def exp(self) -> Scalar:
        y = math.exp(self.data)
        return Scalar(y, (self,), (y,))

    def log(self) -> Scalar:
        return Scalar(math.log(self.data), (self,), (1 / self.data,))

    def relu(self) -> Scalar:
        return Scalar(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self) -> Scalar:
        return self * -1

    def __sub__(self, other: Any) -> Scalar:
        return self + (-other)

    def __truediv__(self, other: Any) -> Scalar:
        return self * other**-1

    def __radd__(self, other: Any) -> Scalar:
        return self + other

    def __rmul__(self, other: Any) -> Scalar:
        return self * other

    def backward(self) -> None:
        order, seen = [], set()

        def visit(node: Scalar) -> None:
            if node not in seen:
                seen.add(node)
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = 1
        for node in reversed(order):
            for parent, partial in zip(node.parents, node.partials, strict=True):
                parent.grad += partial * node.grad


def linear(x: Sequence[Any], W: Sequence[Sequence[Any]]) -> list[Any]:
    return [sum(w * v for w, v in zip(row, x, strict=True)) for row in W]


def softmax(z: Sequence[Any]) -> list[Any]:
    largest = max(v.data for v in z)
    powers = [(v - largest).exp() for v in z]
    norm = sum(powers)
    return [power / norm for power in powers]


def rms_norm(x: Sequence[Any]) -> list[Any]:
    scale = (sum(v * v for v in x) / len(x) + 1e-5) ** -0.5
    return [v * scale for v in x]


class Program:
    """The model of one block, its loss on a name, and steps of Adam; the lists' functions given."""

    def __init__(
        self,
        scalar: Callable[[float], Any],
        linear: Callable[..., list[Any]] = linear,
        softmax: Callable[..., list[Any]] = softmax,
        rms_norm: Callable[..., list[Any]] = rms_norm,
        name: Sequence[int] = NAME,
    ) -> None:
        rng = Random(42)

        def matrix(rows: int, columns: int) -> list[list[Any]]:
            return [[scalar(rng.gauss(0, 0.08)) for _ in range(columns)] for _ in range(rows)]

        self.linear, self.softmax, self.rms_norm, self.name = linear, softmax, rms_norm, name
        self.tokens, self.positions = matrix(VOCABULARY, WIDTH), matrix(POSITIONS, WIDTH)
        self.query, self.key, self.value, self.out = (matrix(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = matrix(4 * WIDTH, WIDTH), matrix(WIDTH, 4 * WIDTH)
        self.head = matrix(VOCABULARY, WIDTH)
        self.parameters = [
            p
            for W in (
                self.tokens, self.positions, self.query, self.key, self.value, self.out, self.up,
                self.down, self.head,
            )
            for row in W
            for p in row
        ]  # fmt: skip
        self.moments = [[0.0, 0.0] for _ in self.parameters]
        self.steps = 0

    def logits(self, token: int, position: int, keys: list[Any], values: list[Any]) -> list[Any]:
        both = zip(self.tokens[token], self.positions[position], strict=True)
        residual = self.rms_norm([a + b for a, b in both])
        x = self.rms_norm(residual)
        query = self.linear(x, self.query)
        keys.append(self.linear(x, self.key))
        values.append(self.linear(x, self.value))
        size = WIDTH // HEADS
        seen: list[Any] = []
        for first in range(0, WIDTH, size):
            part = slice(first, first + size)
            scores = [
                sum(q * k for q, k in zip(query[part], key[part], strict=True)) / size**0.5
                for key in keys
            ]
            shares = self.softmax(scores)
            for j in range(first, first + size):
                seen.append(sum(a * v[j] for a, v in zip(shares, values, strict=True)))
        x = [a + b for a, b in zip(self.linear(seen, self.out), residual, strict=True)]
        hidden = [v.relu() for v in self.linear(self.rms_norm(x), self.up)]
        x = [a + b for a, b in zip(self.linear(hidden, self.down), x, strict=True)]
        return self.linear(x, self.head)

    def loss(self) -> Any:
        keys: list[Any] = []
        values: list[Any] = []
        losses = []
        for position, (token, following) in enumerate(zip(self.name, self.name[1:])):  # noqa: B905  # pairs
            shares = self.softmax(self.logits(token, position, keys, values))
            losses.append(-shares[following].log())
        return sum(losses) * (1 / len(losses))

    def step(self) -> float:
        loss = self.loss()
        loss.backward()
        self.steps += 1
        scale_1, scale_2 = 1 - 0.85**self.steps, 1 - 0.99**self.steps
        for p, moment in zip(self.parameters, self.moments, strict=True):
            moment[0] = 0.85 * moment[0] + 0.15 * p.grad
            moment[1] = 0.99 * moment[1] + 0.01 * p.grad**2
            p.data -= 0.01 * moment[0] / scale_1 / ((moment[1] / scale_2) ** 0.5 + 1e-8)
            p.grad = 0
        return float(loss.data)
