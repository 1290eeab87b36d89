"""Backpropagation and a training step in parts that can be exchanged, so that mistakes predict.

`Rules` names each part of the six equations. A mistake is other functions for one or two of them,
so that two mistakes can be made at once where they concern different parts. With no mistake the
parts are the equations of `microgradnet.delta`, whose activations, costs and derivatives these are.

Rows of X and Y are examples, and layers count from 1: index 0 of W and b is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from microgradnet import delta

__all__ = ["COSTS", "RIGHT", "Array", "Case", "Convention", "Rules", "Simulation", "cases"]

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Case:
    """A network with examples, and what a step is taken with."""

    name: str
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    X: Array
    Y: Array
    eta: float = 0.75
    single: bool = False
    """Whether X is one example, which a function may take as a vector."""
    memory: dict[Any, Any] = field(default_factory=dict, repr=False)
    """What simulations have computed forward, which many of them share."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The widths of the layers, from the input to the output."""
        return (self.weights[0].shape[1], *(len(b) for b in self.biases))

    @property
    def depth(self) -> int:
        """The number of layers, L."""
        return len(self.weights)

    def examples(self) -> Iterator[Case]:
        """Each example as a case of its own."""
        for n in range(len(self.X)):
            one = slice(n, n + 1)
            yield replace(self, X=self.X[one], Y=self.Y[one], single=True, memory={})


def cases(seed: int) -> list[Case]:
    """Draw the networks and examples, the same ones for the same seed.

    Where all widths differ a wrong product does not even fit. Where they are equal it fits, and is
    wrong in its numbers alone. Depths from 1 to 3 tell the last layer from the others.
    """
    rng = np.random.default_rng(seed)
    shapes = [
        ((3, 2), 1), ((4, 3, 2), 1), ((3, 3, 3), 1), ((2, 4, 3, 2), 1), ((3, 3, 3, 3), 1),
        ((4, 3, 2), 5), ((3, 3, 3), 4), ((2, 3, 1), 4), ((3, 3, 3, 3), 2), ((2, 2), 3),
        ((2, 1), 4),
    ]  # fmt: skip
    return [_case(rng, sizes, m) for sizes, m in shapes]


def _case(rng: np.random.Generator, sizes: tuple[int, ...], m: int) -> Case:
    pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
    classes = rng.integers(max(sizes[-1], 2), size=m)
    return Case(
        "-".join(map(str, sizes)),
        tuple(rng.uniform(-1.5, 1.5, pair) for pair in pairs),
        tuple(rng.uniform(-1, 1, n) for n, _ in pairs),
        rng.uniform(-2, 2, (m, sizes[0])),
        np.eye(max(sizes[-1], 2))[classes][:, -sizes[-1] :],
        single=m == 1,
    )


COSTS = {
    "quadratic": ("quadratic", 1, False),
    "squared_error": ("quadratic", 2, False),
    "mean_squared_error": ("quadratic", 2, True),
    "cross_entropy": ("cross_entropy", 1, False),
    "log_likelihood": ("log_likelihood", 1, False),
}
"""Costs by name: that of `delta.COSTS`, its factor, and whether it is a mean over the outputs."""


@dataclass(frozen=True)
class Convention:
    """What a function computes the gradient of: activations, a cost, sums or means over batches.

    >>> str(Convention("tanh", "softmax", "log_likelihood"))
    'tanh, softmax at the output, log_likelihood cost'
    """

    hidden: str = "sigmoid"
    output: str = "sigmoid"
    cost: str = "quadratic"
    mean: bool = False
    """Whether a batch's gradient is the mean over its examples, not the sum."""

    def __str__(self) -> str:
        output = "" if self.output == self.hidden else f", {self.output} at the output"
        mean = ", means over a batch" if self.mean else ""
        return f"{self.hidden}{output}, {self.cost} cost{mean}"

    @property
    def fitted(self) -> bool:
        """Whether the cost was made for the output: δᴸ = a − y then."""
        return (self.output, self.cost) in {
            ("sigmoid", "cross_entropy"), ("softmax", "log_likelihood"),
        }  # fmt: skip


Rule: TypeAlias = Callable[["Simulation", int], Any]


# The parts of the equations as they are right, of layer l; s holds what is known so far.


def _weighted_input(s: Simulation, l: int) -> Array:
    return _array(s.a[l - 1] @ s.W[l].T + s.b[l])


def _activation(s: Simulation, l: int) -> Array:
    return delta.activation(s.sigma(l), s.z[l])


def _prime(s: Simulation, l: int, z: Array) -> Array:
    """σ′ of what it is given: z, if nothing is wrong."""
    if z is not s.z[l]:
        return delta.activation_prime(s.sigma(l), z)
    if l not in s.slopes:
        s.slopes[l] = delta.activation_prime(s.sigma(l), z)
    return s.slopes[l]


def _slope(s: Simulation, l: int) -> Array:
    return _array(s.rules.prime(s, l, s.z[l]))


def _difference(s: Simulation, l: int) -> Array:
    return _array(s.a[l] - s.y)


def _cost_prime(s: Simulation, l: int) -> Array:
    if s.cost == "quadratic":
        return _array(s.rules.difference(s, l))
    return delta.cost_prime(s.cost, s.a[l], s.y)


def _output_error(s: Simulation, l: int) -> Array:
    if s.convention.fitted:  # BP1 comes to this there
        return _array(s.rules.difference(s, l))
    C_prime = s.rules.cost_prime(s, l)
    if s.convention.output == "softmax":
        return _array(delta.output_error_softmax(C_prime, delta.softmax_jacobian(s.z[l])))
    return _array(C_prime * s.rules.output_slope(s, l))


def _scale(s: Simulation, l: int) -> float:
    _, factor, mean = COSTS[s.convention.cost]
    return factor / len(s.b[l]) if mean else factor


def _hidden_error(s: Simulation, l: int) -> Array:
    return _array(s.carried(l) * s.rules.hidden_slope(s, l))


def _shares(s: Simulation, l: int) -> Array:
    """How much each example counts."""
    m = len(s.x)
    return np.full(m, 1 / m if s.convention.mean else 1.0)


def _bias_gradient(s: Simulation, l: int) -> Array:
    return _array(s.rules.bias_shares(s, l) @ s.delta[l])


def _weight_gradient(s: Simulation, l: int) -> Array:
    weighted = s.delta[l] * s.rules.weight_shares(s, l)[:, np.newaxis]
    return _array(weighted.T @ s.rules.previous(s, l))


@dataclass(frozen=True)
class Rules:
    """The parts of backpropagation, each a function of the simulation and the layer."""

    weighted_input: Rule = _weighted_input
    activation: Rule = _activation
    difference: Rule = _difference
    cost_prime: Rule = _cost_prime
    prime: Callable[[Simulation, int, Array], Array] = _prime
    output_slope: Rule = _slope
    output_error: Rule = _output_error
    sign: Rule = lambda s, l: 1
    scale: Rule = _scale
    next_error: Rule = lambda s, l: s.delta[l + 1]
    next_weights: Rule = lambda s, l: s.W[l + 1]
    hidden_slope: Rule = _slope
    hidden_error: Rule = _hidden_error
    previous: Rule = lambda s, l: s.a[l - 1]
    bias_shares: Rule = _shares
    weight_shares: Rule = _shares
    bias_gradient: Rule = _bias_gradient
    weight_gradient: Rule = _weight_gradient
    first: Rule = lambda s, l: 1
    """The layer at which the loop from layer L back ends; what it does not reach stays 0."""
    position: Rule = lambda s, l: l
    """From which layer come the gradients that are returned as this one's."""
    weight_rate: Rule = lambda s, l: s.case.eta / len(s.x)
    bias_rate: Rule = lambda s, l: s.case.eta / len(s.x)
    direction: Rule = lambda s, l: -1
    old_share: Rule = lambda s, l: 1
    """How much of the old parameters is in the new ones."""
    biases_move: bool = True
    weights_move: bool = True
    online: Rule | None = None
    """The rate of a step for each example in turn; None for one step for all of them."""


RIGHT = Rules()


class Simulation:
    """The gradients of a case by these rules.

    >>> case = cases(0)[1]
    >>> s = Simulation(case, Convention(), Rules())
    >>> nabla_b, nabla_w = s.gradients()
    >>> network = case.weights, case.biases, ["sigmoid"] * 2, "quadratic"
    >>> right = delta.backprop(*network, case.X, case.Y)
    >>> all(np.allclose(got, want) for got, want in zip(nabla_w, right.nabla_w))
    True
    """

    case: Case
    W: list[Array]
    b: list[Array]
    x: Array
    y: Array
    L: int
    z: list[Array]
    a: list[Array]
    delta: list[Array]

    def __init__(self, case: Case, convention: Convention, rules: Rules) -> None:
        self.case, self.convention, self.rules = case, convention, rules
        self.cost, _, _ = COSTS[convention.cost]
        self.W, self.b = [np.empty(0), *case.weights], [np.empty(0), *case.biases]
        self.x, self.y = case.X, case.Y
        self.L = case.depth
        self.z, self.a, self.slopes = self._forward()
        self.delta = [np.empty(0)] * (self.L + 1)
        self.nabla_b = [np.zeros(b.shape) for b in self.b]
        self.nabla_w = [np.zeros(W.shape) for W in self.W]

    def sigma(self, l: int) -> str:
        """Name the activation of a layer."""
        return self.convention.output if l == self.L else self.convention.hidden

    def gradients(self) -> tuple[list[Array], list[Array]]:
        """∂C/∂b and ∂C/∂W of layers 1 to L. Raises ValueError where the shapes do not fit."""
        rules, L = self.rules, self.L
        for l in range(L, rules.first(self, L) - 1, -1):
            error = rules.output_error if l == L else rules.hidden_error
            scale = rules.sign(self, l) * rules.scale(self, l) if l == L else 1
            self.delta[l] = scale * error(self, l)
            self.nabla_b[l] = rules.bias_gradient(self, l)
            self.nabla_w[l] = rules.weight_gradient(self, l)
        order = [rules.position(self, l) for l in range(1, L + 1)]
        return [self.nabla_b[l] for l in order], [self.nabla_w[l] for l in order]

    def carried(self, l: int) -> Array:
        """Return what comes back to layer l: (Wˡ⁺¹)ᵀ δˡ⁺¹."""
        return _array(self.rules.next_error(self, l) @ self.rules.next_weights(self, l))

    def step(self) -> tuple[list[Array], list[Array]]:
        """Biases and weights after a step. Raises ValueError where the shapes do not fit."""
        if self.rules.online is not None:
            return self._online(self.rules.online(self, 0))
        nabla_b, nabla_w = self.gradients()
        layers = range(1, self.L + 1)
        return (
            [self.moved_bias(l, nabla_b[l - 1]) for l in layers],
            [self.moved_weights(l, nabla_w[l - 1]) for l in layers],
        )

    def moved_bias(self, l: int, gradient: Array) -> Array:
        """Return bˡ after the step."""
        rules = self.rules
        rate = rules.direction(self, l) * rules.bias_rate(self, l)
        moved = rules.old_share(self, l) * self.b[l] + rate * gradient
        return _array(moved if rules.biases_move else self.b[l])

    def moved_weights(self, l: int, gradient: Array) -> Array:
        """Return Wˡ after the step."""
        rules = self.rules
        rate = rules.direction(self, l) * rules.weight_rate(self, l)
        moved = rules.old_share(self, l) * self.W[l] + rate * gradient
        return _array(moved if rules.weights_move else self.W[l])

    def _online(self, rate: float) -> tuple[list[Array], list[Array]]:
        case, rules = self.case, replace(self.rules, online=None)
        for example in case.examples():
            one = replace(example, weights=case.weights, biases=case.biases, eta=rate, memory={})
            biases, weights = Simulation(one, self.convention, rules).step()
            case = replace(case, weights=tuple(weights), biases=tuple(biases))
        return list(case.biases), list(case.weights)

    def _forward(self) -> tuple[list[Array], list[Array], dict[int, Array]]:
        """Run forward, or remember having done so: simulations of one case share what they can."""
        rules, convention = self.rules, self.convention
        key = convention.hidden, convention.output, rules.weighted_input, rules.activation
        if key not in self.case.memory:
            self.z, self.a = [np.empty(0)], [self.x]
            for l in range(1, self.L + 1):
                self.z.append(rules.weighted_input(self, l))
                self.a.append(rules.activation(self, l))
            self.case.memory[key] = self.z, self.a, {}
        z, a, slopes = self.case.memory[key]
        return z, a, slopes


def _array(x: Any) -> Array:
    return np.asarray(x)
