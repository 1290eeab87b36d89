"""The identity of the project: the scalar graph's gradients are what the δ equations say.

In rationals from end to end with ==. In floats each equation on its own inputs, taken from the
graph, within a bound derived here, apart from those of `verify`: both sides evaluate a sum of n
products, so they lie within 2γ(n + 1) Σ|terms|, where γ(k) = ku/(1 − ku) and u = 2⁻⁵³ (Higham,
§3.1); what multiplies the sum adds its roundings.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from microgradnet import delta
from microgradnet.costs import COSTS
from microgradnet.nn import MLP, ForwardPass

RATIONAL = ["linear", "relu", "leaky_relu", "softsign", "hard_tanh", "hard_sigmoid"]
ELEMENTWISE = [name for name in delta.ACTIVATIONS if name != "softmax"]
U = 2.0**-53


class Network(NamedTuple):
    """A network with its numbers, and a batch: rows of X are examples, rows of Y their targets."""

    model: MLP
    activations: list[str]
    cost: str
    X: list[list[Any]]
    Y: list[list[Any]]

    def differentiate(self) -> tuple[list[ForwardPass], list[Any]]:
        """The forward passes and the costs, after the backward passes of all examples."""
        self.model.zero_grad()
        passes, costs = [], []
        for x, y in zip(self.X, self.Y, strict=True):
            passes.append(self.model.forward(x))
            costs.append(COSTS[self.cost](passes[-1].output, y))
            costs[-1].backward()
        return passes, [cost.data for cost in costs]

    def backprop(self) -> delta.Backpropagation:
        model = self.model
        W, b = [*model.weights.values()], [*model.biases.values()]
        return delta.backprop(W, b, self.activations, self.cost, array(self.X), array(self.Y))

    def nabla(self) -> tuple[list[Any], list[Any]]:
        layers = self.model.layers
        nabla_b = [array([n.b.grad for n in layer.neurons]) for layer in layers]
        nabla_w = [array([[w.grad for w in n.w] for n in layer.neurons]) for layer in layers]
        return nabla_b, nabla_w


def array(rows: Any) -> np.ndarray:
    """Objects if all are rational, else float64."""
    found = np.array(rows, dtype=object)
    return found.astype(float) if any(isinstance(x, float) for x in found.flat) else found


@st.composite
def networks(
    draw: Callable[..., Any],
    numbers: st.SearchStrategy[Any],
    hidden: list[str],
    outputs: dict[str, list[str]],
) -> Network:
    """Depth 1 to 4, widths 1 to 4, batches of 1 to 3; each cost with the outputs it is for."""
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    cost = draw(st.sampled_from(sorted(outputs)))
    activation, output = draw(st.sampled_from(hidden)), draw(st.sampled_from(outputs[cost]))
    model = MLP(
        widths[0], widths[1:], activation=activation, output_activation=output, init="zeros"
    )
    for parameter in model.parameters():
        parameter.data = draw(numbers)
    target = {"quadratic": numbers, "hinge": st.sampled_from([-1, 1])}.get(cost)
    if target is None:
        target = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.125, 0.875))
    m = draw(st.integers(1, 3))
    X = [[draw(numbers) for _ in range(widths[0])] for _ in range(m)]
    Y = [[draw(target) for _ in range(widths[-1])] for _ in range(m)]
    depth = len(widths) - 1
    return Network(model, [activation] * (depth - 1) + [output], cost, X, Y)


halves = st.integers(-6, 6).map(lambda n: Fraction(n, 2))  # they hit kinks often
rationals = st.one_of(st.fractions(-3, 3, max_denominator=7), halves)
exact = networks(rationals, RATIONAL, {"quadratic": RATIONAL, "hinge": RATIONAL})
floating = networks(
    st.floats(-3, 3).map(lambda x: x if abs(x) > 1e-9 else 0.0),
    ELEMENTWISE,
    {
        "quadratic": [*delta.ACTIVATIONS],
        "hinge": [*delta.ACTIVATIONS],
        "cross_entropy": ["sigmoid"],
        "log_likelihood": ["softmax"],
        "cross_entropy_from_z": ["linear"],
        "log_likelihood_from_z": ["linear"],
    },
)


@given(exact)
def test_from_end_to_end_they_are_equal(network: Network) -> None:
    passes, costs = network.differentiate()
    want = network.backprop()
    L = len(network.activations)
    for n, forward in enumerate(passes):
        for l in range(1, L + 1):
            assert [v.data for v in forward.z[l]] == want.z[l][n].tolist()
            assert [v.data for v in forward.a[l]] == want.a[l][n].tolist()
            assert forward.delta[l] == want.delta[l][n].tolist()
    assert costs == delta.cost(network.cost, want.a[L], array(network.Y)).tolist()
    nabla_b, nabla_w = network.nabla()
    for l in range(L):
        assert nabla_b[l].tolist() == want.nabla_b[l].tolist()
        assert nabla_w[l].tolist() == want.nabla_w[l].tolist()
    everything = [*costs, *(x for g in (*nabla_b, *nabla_w) for x in g.flat)]
    assert all(isinstance(x, (int, Fraction)) for x in everything)


def gamma(k: float) -> float:
    return k * U / (1 - k * U)


def assert_within(got: np.ndarray, want: np.ndarray, bound: np.ndarray) -> None:
    # 2⁻¹⁰⁰⁰ for the products that fall below the normal range
    assert np.all(np.abs(got - want) <= bound + 2.0**-1000), (got, want, bound)


@given(floating)
def test_in_floats_each_equation_holds_within_rounding(network: Network) -> None:
    passes, _ = network.differentiate()
    nabla_b, nabla_w = network.nabla()
    L, m = len(network.activations), len(passes)
    W = [np.empty(0), *network.model.weights.values()]
    b = [np.empty(0), *network.model.biases.values()]
    z = [array([[v.data for v in f.z[l]] for f in passes]) for l in range(L + 1)]
    a = [array([[v.data for v in f.a[l]] for f in passes]) for l in range(L + 1)]
    error = [array([f.delta[l] for f in passes]) for l in range(L + 1)]
    assume(np.all(np.isfinite(error[L])))  # cross_entropy where σ(z) rounds to 1 is inf·0
    for l in range(1, L + 1):
        n = W[l].shape[1]
        terms = np.abs(a[l - 1]) @ np.abs(W[l]).T + np.abs(b[l])
        assert_within(z[l], delta.weighted_input(W[l], a[l - 1], b[l]), 2 * gamma(n + 1) * terms)
        assert_within(nabla_b[l - 1], error[l].sum(axis=0), 2 * gamma(m) * np.abs(error[l]).sum(0))
        terms = np.abs(error[l]).T @ np.abs(a[l - 1])
        want = delta.weight_gradient(error[l], a[l - 1])
        assert_within(nabla_w[l - 1], want, 2 * gamma(m + 1) * terms)
    for l in range(L - 1, 0, -1):
        n = W[l + 1].shape[0]
        slope = delta.activation_prime(network.activations[l - 1], z[l])
        terms = np.abs(error[l + 1]) @ np.abs(W[l + 1])
        # σ′ has at most four library functions and ten operations on either side: 2·(4·4 + 10).
        # silu′ and gelu′ are sums that cancel, of terms at most 1 and 1.1; and gelu's arguments,
        # rounded four times, count by x².
        size = np.abs(slope) + (network.activations[l - 1] in ("silu", "gelu"))
        wide = 1 + (z[l] ** 2 if network.activations[l - 1] == "gelu" else 0 * z[l])
        wide = np.minimum(wide, 1600)  # beyond x = 40 nothing is left of the tail
        bound = (2 * gamma(n + 3) + 8 * gamma(52) * wide) * terms * size
        assert_within(error[l], delta.hidden_error(W[l + 1], error[l + 1], slope), bound)


@given(floating)
def test_the_output_error_is_the_equations(network: Network) -> None:
    passes, _ = network.differentiate()
    L, sigma = len(network.activations), network.activations[-1]
    z = array([[v.data for v in f.z[L]] for f in passes])
    a = array([[v.data for v in f.a[L]] for f in passes])
    got = array([f.delta[L] for f in passes])
    assume(np.all(np.isfinite(got)))
    slope = delta.cost_prime(network.cost, a, array(network.Y))
    if sigma == "softmax":
        jacobian = delta.softmax_jacobian(z)
        want = delta.output_error_softmax(slope, jacobian)
        terms = (np.abs(jacobian) * np.abs(slope[..., np.newaxis])).sum(axis=-2)
        spread = z.max(axis=-1, keepdims=True) - z.min(axis=-1, keepdims=True)
        roundings = 100 + 4 * np.minimum(spread, 750)
    else:
        sigma_prime = delta.activation_prime(sigma, z)
        want = delta.output_error(slope, sigma_prime)
        tail = np.minimum(1 + z**2, 1600) if sigma == "gelu" else 1
        terms = np.abs(slope) * (np.abs(sigma_prime) + (sigma in ("silu", "gelu")) * tail)
        roundings = 500.0 * np.ones_like(z)
        if network.cost == "cross_entropy":  # −y/a and (1 − y)/(1 − a) cancel
            y = array(network.Y)
            terms = (quotient(y, a) + quotient(1 - y, 1 - a)) * sigma_prime
        if network.cost.endswith("from_z"):  # a − y cancels
            terms = 1 + np.abs(array(network.Y)).sum(axis=-1, keepdims=True)
            roundings = 100 + 4 * np.minimum(z.max() - z.min(), 750) + 0 * z
    assert_within(got, want, roundings * U * terms)


def quotient(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """y/a, where 0/0 is 0."""
    return np.divide(y, a, out=np.zeros_like(a), where=y != 0)
