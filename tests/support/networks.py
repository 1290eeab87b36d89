"""Networks drawn at random, with all their numbers: for the tests, and for what is measured.

All is drawn from one `random.Random`: a seeded one, or one of Hypothesis's, which then finds small
examples by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

from microgradnet import MLP, Value, delta
from microgradnet.costs import COSTS
from microgradnet.nn import ACTIVATIONS

__all__ = [
    "ELEMENTWISE",
    "ENDS",
    "FITTING",
    "RATIONAL",
    "RATIONAL_COSTS",
    "Drawn",
    "rational",
    "real",
]

ELEMENTWISE = [name for name in ACTIVATIONS if name != "softmax"]
RATIONAL = [name for name in ACTIVATIONS if name in delta.RATIONAL]
RATIONAL_COSTS = [name for name in delta.COSTS if name in delta.RATIONAL]
FITTING = {
    "quadratic": [*ACTIVATIONS],
    "hinge": [*ACTIVATIONS],
    "cross_entropy": ["sigmoid"],
    "log_likelihood": ["softmax"],
    "cross_entropy_from_z": ["linear"],
    "log_likelihood_from_z": ["linear"],
}
"""The costs, and the activations that may stand at the output before each."""
ENDS = [
    *((name, name, "quadratic") for name in ELEMENTWISE),
    ("tanh", "softmax", "quadratic"),
    *(("tanh", outputs[0], cost) for cost, outputs in FITTING.items() if cost != "quadratic"),
]
"""Activation, output and cost: each of them once at least."""


@dataclass(frozen=True)
class Drawn:
    """A network's numbers, its cost, and a batch: rows of X are examples, rows of Y targets."""

    sizes: list[int]
    activation: str
    output: str
    cost: str
    granularity: str
    parameters: list[Any]
    X: list[list[Any]]
    Y: list[list[Any]]

    def model(self, kind: Callable[[Any], Any] = lambda x: x, granularity: str = "") -> MLP:
        """The network, its numbers converted to one kind."""
        model = MLP(
            self.sizes[0],
            self.sizes[1:],
            activation=self.activation,
            output_activation=self.output,
            init="zeros",
            granularity=granularity or self.granularity,
        )
        for parameter, x in zip(model.parameters(), self.parameters, strict=True):
            parameter.data = kind(x)
        return model

    def graph(
        self, kind: Callable[[Any], Any] = float, granularity: str = ""
    ) -> tuple[Value, list[Value], list[Value]]:
        """The cost of the first example, the parameters, and the other leaves."""
        model = self.model(kind, granularity)
        x, y = ([Value(kind(number)) for number in row] for row in (self.X[0], self.Y[0]))
        return COSTS[self.cost](model.forward(x).output, y), model.parameters(), [*x, *y]


def rational(rng: Random, activation: str, cost: str) -> Drawn:
    """A network of Fractions: one to four layers of one to four neurons, one to three examples.

    The activation stands in every layer but the last, which has any that is rational, and in a
    single layer by itself. Half of the numbers are multiples of ½, which meet the kinks often.
    """

    def number() -> Fraction:
        if rng.randrange(2):
            return Fraction(rng.randint(-6, 6), 2)
        return Fraction(rng.randint(-21, 21), rng.randint(1, 7))

    sizes = [rng.randint(1, 4) for _ in range(rng.randint(2, 5))]
    output = activation if len(sizes) == 2 else rng.choice(RATIONAL)
    target = number if cost == "quadratic" else lambda: Fraction(rng.choice([-1, 1]))
    return _draw(rng, sizes, activation, output, cost, rng.randint(1, 3), number, target)


def real(rng: Random, activation: str, output: str, cost: str) -> Drawn:
    """A network of floats from −2 to 2: one to three layers of one to four neurons, one example."""

    def number() -> float:
        return rng.uniform(-2, 2)

    sizes = [rng.randint(1, 4) for _ in range(rng.randint(2, 4))]
    if output == "softmax":
        sizes[-1] += 1  # a single share is 1
    targets = {"quadratic": number, "hinge": lambda: rng.choice([-1.0, 1.0])}
    target = targets.get(cost, rng.random)
    return _draw(rng, sizes, activation, output, cost, 1, number, target)


def _draw(
    rng: Random,
    sizes: list[int],
    activation: str,
    output: str,
    cost: str,
    examples: int,
    number: Callable[[], Any],
    target: Callable[[], Any],
) -> Drawn:
    count = sum(n * (before + 1) for before, n in pairwise(sizes))
    return Drawn(
        sizes,
        activation,
        output,
        cost,
        granularity=rng.choice(["atomic", "neuron"]),
        parameters=[number() for _ in range(count)],
        X=[[number() for _ in range(sizes[0])] for _ in range(examples)],
        Y=[[target() for _ in range(sizes[-1])] for _ in range(examples)],
    )
