"""An atlas of structures: for each small graph, the program that is found in it.

Which text is right was read off the graph; that the program computes what the graph does is tested
for each, too. Where the text is left out only the numbers are held against the engine.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from inspect import cleandoc
from random import Random
from typing import Any

import pytest
from support.lifting import agrees
from support.printed import check_printed

from microgradnet import Value, costs, lift, operation, ops, trace
from microgradnet.lifting import recognise
from microgradnet.operation import find


def mean_power_vjp(m: Any, g: Any, out: Any, *xs: Any) -> tuple[Any, ...]:
    return tuple(m.divide(g * 2 * x, len(xs)) for x in xs)


@pytest.fixture
def mean_power(own_table: None) -> Any:
    @operation(mean_power_vjp)
    def mean_power(m: Any, *xs: Any) -> Any:
        return m.divide(sum(x * x for x in xs), len(xs))

    return mean_power


def dot(w: Any, a: Any, b: Any = None) -> Any:
    z = w[0] * a[0]
    for u, v in zip(w[1:], a[1:], strict=True):
        z = z + u * v
    return z if b is None else z + b


def layer(p: Any, x: Any, n: int) -> list[Any]:
    """The n weighted inputs W x + b, of the first n·(k + 1) parameters."""
    k = len(x)
    return [dot(p[j * k : j * k + k], x, p[n * k + j]) for j in range(n)]


def squares(v: Any) -> Any:
    return sum((a * a for a in v), Value(0.0))


ATLAS: dict[str, tuple[Any, str]] = {
    "log-sum-exp of a layer": (
        lambda x, y, p: ops.log_sum_exp(*layer(p, x, 2)),
        """
        z1 = W1 a0 + b1       (2)
        C = log_sum_exp(z1)

        δ1 = softmax(z1)      (2)

        ∂C/∂b1 = δ1           (2)
        ∂C/∂W1 = δ1 a0ᵀ       (2 × 2)
        """,
    ),
    "log-sum-exps in rows": (
        lambda x, y, p: [ops.log_sum_exp(x[0], p[0] * x[1]), ops.log_sum_exp(x[1], p[0] * x[0])],
        "",
    ),
    "softmax of a layer": (
        lambda x, y, p: ops.softmax(layer(p, x, 3)),
        """
        z1 = W1 a0 + b1            (3)
        a1 = softmax(z1)           (3)

        δ1 = a1 ⊙ (V − Σ a1 ⊙ V)   (3)

        ∂C/∂b1 = δ1                (3)
        ∂C/∂W1 = δ1 a0ᵀ            (3 × 2)
        """,
    ),
    "two softmaxes of halves": (
        lambda x, y, p: ops.softmax(layer(p, x, 4)[:2]) + ops.softmax(layer(p, x, 4)[2:]),
        "",
    ),
    "one share": (
        lambda x, y, p: ops.softmax_component(*layer(p, x, 2), index=1),
        "",
    ),
    "softmax of strangers": (
        lambda x, y, p: ops.softmax([x[0], p[0], ops.tanh(x[1])]),
        "",
    ),
    "own of a vector": (
        lambda x, y, p: [find("mean_power")(*z) for z in (layer(p, x, 2), layer(p, x, 2)[::-1])],
        """
        z1 = W1 a0 + b1                                    (2)
        v1[i] = mean_power(z1[i], z1[−i + 3])              (2)

        δ1[i] = 2 V[i] z1[i] / 2 + 2 V[−i + 3] z1[i] / 2   (2)

        ∂C/∂b1 = δ1                                        (2)
        ∂C/∂W1 = δ1 a0ᵀ                                    (2 × 2)
        """,
    ),
    "own of three strangers": (
        lambda x, y, p: find("mean_power")(x[0], p[0], ops.tanh(x[1])),
        """
        C = mean_power(a0[1], θ1, tanh(a0[2]))

        ∂C/∂θ1 = 2 θ1 / 3
        """,
    ),
    "log-likelihood": (
        lambda x, y, p: costs.log_likelihood(ops.softmax(layer(p, x, 2)), y),
        """
        z1 = W1 a0 + b1      (2)
        a1 = softmax(z1)     (2)
        C = −Σ y ⊙ log(a1)

        δ1 = (Σ y) a1 − y    (2)

        ∂C/∂b1 = δ1          (2)
        ∂C/∂W1 = δ1 a0ᵀ      (2 × 2)
        """,
    ),
    "cross entropy": (
        lambda x, y, p: costs.cross_entropy([ops.sigmoid(z) for z in layer(p, x, 2)], y),
        """
        z1 = W1 a0 + b1                                (2)
        a1 = σ(z1)                                     (2)
        C = −Σ y ⊙ log(a1) − Σ (1 − y) ⊙ log(1 − a1)

        δ1 = a1 − y                                    (2)

        ∂C/∂b1 = δ1                                    (2)
        ∂C/∂W1 = δ1 a0ᵀ                                (2 × 2)
        """,
    ),
    "quadratic": (
        lambda x, y, p: costs.quadratic([ops.tanh(z) for z in layer(p, x, 2)], y),
        """
        z1 = W1 a0 + b1             (2)
        a1 = tanh(z1)               (2)
        C = ½ Σ (a1 − y)²

        δ1 = (a1 − y) ⊙ tanh′(z1)   (2)

        ∂C/∂b1 = δ1                 (2)
        ∂C/∂W1 = δ1 a0ᵀ             (2 × 2)
        """,
    ),
    "hinge": (
        lambda x, y, p: costs.hinge(layer(p, x, 2), y),
        """
        z1 = W1 a0 + b1                 (2)
        C = Σ max(0, 1 − y ⊙ z1)

        δ1 = −y ⊙ max′(0, 1 − y ⊙ z1)   (2)

        ∂C/∂b1 = δ1                     (2)
        ∂C/∂W1 = δ1 a0ᵀ                 (2 × 2)
        """,
    ),
    "inner product": (
        lambda x, y, p: dot(x, y) * p[0],
        """
        C = W1 Σ a0 ⊙ y

        ∂C/∂W1 = Σ a0 ⊙ y
        """,
    ),
    "inner products in rows": (
        lambda x, y, p: [dot(x, y), dot(x, y[::-1])],
        "",
    ),
    "scaled inner products": (
        lambda x, y, p: [2 * x[0] * y[0] + 3 * x[1] * y[1], 4 * x[0] * y[1] + 5 * x[1] * y[0]],
        "",
    ),
    "constant matrix": (
        lambda x, y, p: [x[0] + 2 * x[1], 3 * x[0] + 4 * x[1]],
        """
        v1 = a0[1] + 2 a0[2]
        v2 = 3 a0[1] + 4 a0[2]
        """,
    ),
    "uniform sums": (
        lambda x, y, p: (x[0] + x[1]) * p[0] + 3 * (y[0] + y[1]),
        """
        C = 3 Σ y + W1 Σ a0

        ∂C/∂W1 = Σ a0
        """,
    ),
    "sparse rows": (
        lambda x, y, p: [ops.tanh(x[0] + x[1]), ops.tanh(y[0] - 2 * y[1])],
        """
        v1 = tanh(Σ a0)
        v2 = tanh(y[1] − 2 y[2])
        """,
    ),
    "convolution": (
        lambda x, y, p: [ops.tanh(p[0] * x[0] + p[1] * x[1]), ops.tanh(p[0] * x[1] + p[1] * y[0])],
        """
        z1 = W1 a0[1] + U1 a0[2]
        a1 = tanh(z1)
        z2 = U1 y[1] + W1 a0[2]
        a2 = tanh(z2)

        δ2 = V[2] tanh′(z2)
        δ1 = V[1] tanh′(z1)

        ∂C/∂U1 = δ2 y[1] + δ1 a0[2]
        ∂C/∂W1 = δ2 a0[2] + δ1 a0[1]
        """,
    ),
    "diagonal": (
        lambda x, y, p: [ops.tanh(p[0] * x[0]), ops.tanh(p[1] * x[1])],
        """
        v1 = tanh(θ1 ⊙ a0)                 (2)

        ∂C/∂θ1 = a0 ⊙ V ⊙ tanh′(θ1 ⊙ a0)   (2)
        """,
    ),
    "one weight for all": (
        lambda x, y, p: [ops.tanh(p[0] * x[0] + p[1]), ops.tanh(p[0] * x[1] + p[1])],
        """
        v1 = θ1 a0 + θ2          (2)
        v2 = tanh(v1)            (2)

        ∂C/∂v1 = V ⊙ tanh′(v1)   (2)

        ∂C/∂θ1 = Σ a0 ⊙ ∂C/∂v1
        ∂C/∂θ2 = Σ ∂C/∂v1
        """,
    ),
    "signs": (
        lambda x, y, p: [p[0] - p[1] * x[0] - p[2] * x[1], p[3] - p[4] * x[0] - p[5] * x[1]],
        """
        z1 = b1 − W1 a0    (2)

        δ1 = V             (2)

        ∂C/∂b1 = δ1        (2)
        ∂C/∂W1 = −δ1 a0ᵀ   (2 × 2)
        """,
    ),
    "minus a layer": (
        lambda x, y, p: [-ops.tanh(-z) for z in layer(p, x, 2)],
        """
        z1 = −W1 a0 − b1      (2)
        a1 = tanh(z1)         (2)
        v1 = −a1              (2)

        δ1 = −V ⊙ tanh′(z1)   (2)

        ∂C/∂b1 = −δ1          (2)
        ∂C/∂W1 = −δ1 a0ᵀ      (2 × 2)
        """,
    ),
    "scaled layer": (
        lambda x, y, p: [ops.tanh(z / 4) for z in layer(p, x, 2)],
        """
        z1 = W1 a0 + b1                (2)
        v1 = tanh(0.25 z1)             (2)

        δ1 = 0.25 V ⊙ tanh′(0.25 z1)   (2)

        ∂C/∂b1 = δ1                    (2)
        ∂C/∂W1 = δ1 a0ᵀ                (2 × 2)
        """,
    ),
    "doubled matrix": (
        lambda x, y, p: [2 * p[0] * x[0] + 2 * p[1] * x[1], 2 * p[2] * x[0] + 2 * p[3] * x[1]],
        """
        z1 = 2 W1 a0        (2)

        δ1 = V              (2)

        ∂C/∂W1 = 2 δ1 a0ᵀ   (2 × 2)
        """,
    ),
    "squares of parameters": (
        lambda x, y, p: dot(p[:2], x) + squares(p) * 0.5,
        """
        C = Σ θ[1…2] ⊙ a0 + ½ ‖θ‖²

        ∂C/∂θ[i] = Σ_j a0[j] [j = i] + θ[i]   (12)
        """,
    ),
    "squares of a matrix": (
        lambda x, y, p: costs.quadratic(layer(p, x, 2), y) + squares(p[:4]),
        "",
    ),
    "squares of some": (
        lambda x, y, p: dot(p[:2], x) + p[0] * p[0] + 3 * p[5] * p[5],
        """
        z1[1] = Σ_i W1[1,i] a0[i] + W1[1,1]² + 3 θ1²   (1)

        ∂C/∂W1[1,i] = a0[i] + 2 W1[1,1] [1 = i]        (1 × 2)
        ∂C/∂θ1 = 6 θ1
        """,
    ),
    "squares of inputs": (
        lambda x, y, p: p[0] * (x[0] * x[0] + x[1] * x[1]) + 1,
        """
        C = W1 Σ a0² + 1

        ∂C/∂W1 = Σ a0²
        """,
    ),
    "entries squared": (
        lambda x, y, p: [(x[0] - y[0]) ** 2, (x[1] - y[1]) ** 2],
        """
        v1 = (a0 − y)²   (2)
        """,
    ),
    "products of entries": (
        lambda x, y, p: [x[0] * y[0], 3 * x[1] * y[1]],
        """
        v1 = a0[1] y[1]
        v2 = 3 a0[2] y[2]
        """,
    ),
    "quotients": (
        lambda x, y, p: [x[0] / y[0], 1 / x[1], p[0] / (1 + x[0] * x[0])],
        """
        v1 = a0[1] / y[1]
        v2 = 1 / a0[2]
        v3 = θ1 / (a0[1]² + 1)

        ∂C/∂θ1 = V[3] / (a0[1]² + 1)
        """,
    ),
    "powers": (
        lambda x, y, p: [x[0] ** 3, 2 ** x[1], (1 + x[0] * x[0]) ** y[0], x[1] ** -1],
        """
        v1 = a0[1]³
        v2 = 2^a0[2]
        v3 = (a0[1]² + 1)^y[1]
        v4 = a0[2]^(−1)
        """,
    ),
    "branches": (
        lambda x, y, p: [
            ops.maximum(0, x[0] * p[0]),
            ops.minimum(x[1], y[1]),
            ops.relu(p[1] * y[0]),
            abs(x[0]),
        ],
        """
        z1 = W1 a0[1]
        a1 = max(0, z1)
        v1 = min(a0[2], y[2])
        z2 = W2 y[1]
        a2 = relu(z2)
        v2 = |a0[1]|

        δ2 = V[3] relu′(z2)
        δ1 = V[1] max′(0, z1)

        ∂C/∂W2 = δ2 y[1]
        ∂C/∂W1 = δ1 a0[1]
        """,
    ),
    "a function of a function": (
        lambda x, y, p: ops.exp(
            ops.tanh(ops.sin(ops.exp(ops.tanh(ops.sin(ops.exp(ops.tanh(p[0] * x[0])))))))
        ),
        """
        z1 = W1 a0[1]
        a1 = tanh(z1)
        C = exp(tanh(sin(exp(tanh(sin(exp(a1)))))))

        v2 = C tanh′(sin(exp(tanh(sin(exp(a1))))))
        v1 = v2 cos(exp(tanh(sin(exp(a1))))) exp(tanh(sin(exp(a1)))) tanh′(sin(exp(a1)))
        δ1 = v1 cos(exp(a1)) exp(a1) tanh′(z1)

        ∂C/∂W1 = δ1 a0[1]
        """,
    ),
    "a constant": (
        lambda x, y, p: [p[0] * x[0] + 2, Value(3.0) * 1],
        """
        z1 = W1 a0[1] + 2

        δ1 = V[1]

        ∂C/∂W1 = δ1 a0[1]
        """,
    ),
    "two layers": (
        lambda x, y, p: dot(p[9:11], [ops.relu(z) for z in layer(p, x, 2)], p[11]),
        """
        z1 = W1 a0 + b1            (2)
        a1 = relu(z1)              (2)
        z2 = W2 a1 + b2            (1)

        δ1 = (W2ᵀ 1) ⊙ relu′(z1)   (2)

        ∂C/∂b2 = 1                 (1)
        ∂C/∂W2 = a1ᵀ               (1 × 2)
        ∂C/∂b1 = δ1                (2)
        ∂C/∂W1 = δ1 a0ᵀ            (2 × 2)
        """,
    ),
    "a skip": (
        lambda x, y, p: [ops.tanh(z) + a for z, a in zip(layer(p, x, 2), x, strict=True)],
        """
        z1 = W1 a0 + b1      (2)
        a1 = tanh(z1)        (2)
        v1 = a1 + a0         (2)

        δ1 = V ⊙ tanh′(z1)   (2)

        ∂C/∂b1 = δ1          (2)
        ∂C/∂W1 = δ1 a0ᵀ      (2 × 2)
        """,
    ),
    "a layer used twice": (
        lambda x, y, p: dot(layer(p, x, 2), [ops.sigmoid(z) for z in layer(p, x, 2)]),
        """
        z1 = W1 a0 + b1         (2)
        a1 = σ(z1)              (2)
        C = Σ z1 ⊙ a1

        δ1 = a1 + z1 ⊙ σ′(z1)   (2)

        ∂C/∂b1 = δ1             (2)
        ∂C/∂W1 = δ1 a0ᵀ         (2 × 2)
        """,
    ),
    "places of a vector": (
        lambda x, y, p: [ops.tanh(z) for z in layer(p, x, 3)][1:],
        """
        z1 = W1 a0 + b1      (2)
        a1 = tanh(z1)        (2)

        δ1 = V ⊙ tanh′(z1)   (2)

        ∂C/∂b1 = δ1          (2)
        ∂C/∂W1 = δ1 a0ᵀ      (2 × 2)
        """,
    ),
    "every other place": (
        lambda x, y, p: (lambda a: dot(a[::2], y))([ops.tanh(z) for z in layer(p, x, 3)]),
        """
        z1 = W1 a0 + b1      (2)
        a1 = tanh(z1)        (2)
        C = Σ y ⊙ a1

        δ1 = y ⊙ tanh′(z1)   (2)

        ∂C/∂b1 = δ1          (2)
        ∂C/∂W1 = δ1 a0ᵀ      (2 × 2)
        """,
    ),
    "two parameters": (
        lambda x, y, p: p[0] * p[1] + p[2],
        """
        C = θ1 θ2 + θ3

        ∂C/∂θ1 = θ2
        ∂C/∂θ2 = θ1
        ∂C/∂θ3 = 1
        """,
    ),
    "a layer added to what has none": (
        lambda x, y, p: [(a + v * a) + z for a, v, z in zip(x, y, layer(p, x, 2), strict=True)],
        """
        z1 = W1 a0 + b1         (2)
        v1 = z1 + a0 + a0 ⊙ y   (2)

        δ1 = V                  (2)

        ∂C/∂b1 = δ1             (2)
        ∂C/∂W1 = δ1 a0ᵀ         (2 × 2)
        """,
    ),
    "a product used twice": (
        lambda x, y, p: [x[0] * y[0] * p[0] + p[1], (x[0] * y[0]).tanh()],
        """
        z1 = W1 a0[1] y[1] + b1
        v1 = tanh(a0[1] y[1])

        δ1 = V[1]

        ∂C/∂b1 = δ1
        ∂C/∂W1 = δ1 a0[1] y[1]
        """,
    ),
    "a skip that comes first": (
        lambda x, y, p: [a + v * a - z for a, v, z in zip(x, y, layer(p, x, 2), strict=True)],
        """
        z1 = W1 a0 + b1         (2)
        v1 = a0 + a0 ⊙ y − z1   (2)

        δ1 = −V                 (2)

        ∂C/∂b1 = δ1             (2)
        ∂C/∂W1 = δ1 a0ᵀ         (2 × 2)
        """,
    ),
    "squares of shared weights": (
        lambda x, y, p: squares(p[:2]) + sum(ops.tanh(dot(p[:2], v)) for v in (x, y)),
        """
        z1 = W1 a0                       (1)
        a1 = tanh(z1)                    (1)
        z2 = W1 y                        (1)
        a2 = tanh(z2)                    (1)
        C = a1 + a2 + ‖W1‖²

        δ2 = tanh′(z2)                   (1)
        δ1 = tanh′(z1)                   (1)

        ∂C/∂W1 = δ2 yᵀ + δ1 a0ᵀ + 2 W1   (1 × 2)
        """,
    ),
    "unequal factors": (
        lambda x, y, p: [
            p[0] * x[0] + 2 * p[1] * x[1],
            3 * p[2] * x[0] + p[3] * x[1],
        ],
        """
        v1[i] = k1[i] θ2[i] a0[−i + 3] + θ1[i] a0[i]   (2)

        ∂C/∂θ1 = a0 ⊙ V                                (2)
        ∂C/∂θ2[i] = V[i] k1[i] a0[−i + 3]              (2)
        """,
    ),
}


def entropy(a: Any, y: Any, rest_a: Any = 1, rest_y: Any = 1, c: float = 1.0) -> Any:
    """Σ y ln a + c (1 − y) ln(1 − a); where the ones are others, or c is, no cross-entropy."""
    logs = [ops.xlogy(y_k, a_k) for a_k, y_k in zip(a, y, strict=True)]
    rests = [c * ops.xlogy(rest_y - v, rest_a - u) for u, v in zip(a, y, strict=True)]
    return sum(logs + rests, Value(0.0))


def sigmoids(p: Any, x: Any, n: int = 2) -> list[Any]:
    return [ops.sigmoid(z) for z in layer(p, x, n)]


# Graphs one step away from those that are known as a whole: a cross-entropy of σ, a log-likelihood
# of softmax, a softmax, 1 − a. Taken for them, they would have another gradient.
ALMOST: dict[str, Any] = {
    "ln(2 − a)": lambda x, y, p: entropy(sigmoids(p, x), y, rest_a=2),
    "2 − y": lambda x, y, p: entropy(sigmoids(p, x), y, rest_y=2),
    "ln(1 − a/2)": lambda x, y, p: (
        entropy(sigmoids(p, x), y) + ops.xlogy(1 - y[0], 1 - sigmoids(p, x)[0] / 2)
    ),
    "another factor": lambda x, y, p: entropy(sigmoids(p, x), y, c=2.0),
    "of tanh": lambda x, y, p: entropy([0.5 + ops.tanh(z) / 4 for z in layer(p, x, 2)], y),
    "crossed": lambda x, y, p: entropy(sigmoids(p, x), y[::-1]),
    "half of it": lambda x, y, p: entropy(sigmoids(p, x, 3)[:2], y),
    "of one target": lambda x, y, p: entropy(sigmoids(p, x), [y[0], y[0]]),
    "used twice": lambda x, y, p: entropy(sigmoids(p, x), y) * entropy(sigmoids(p, x), y),
    "its terms apart": lambda x, y, p: [
        ops.xlogy(v, a) + ops.xlogy(1 - v, 1 - a) for a, v in zip(sigmoids(p, x), y, strict=True)
    ],
    "of learnt targets": lambda x, y, p: entropy(sigmoids(p, x), p[10:12]),
    "of two softmaxes": lambda x, y, p: sum(
        [
            ops.xlogy(v, a)
            for z in (layer(p, x, 4)[:2], layer(p, x, 4)[2:])
            for a, v in zip(ops.softmax(z), y, strict=True)
        ],
        Value(0.0),
    ),
    "of a part of a softmax": lambda x, y, p: sum(
        (ops.xlogy(v, a) for a, v in zip(ops.softmax(layer(p, x, 3)), y, strict=False)), Value(0.0)
    ),
    "of a softmax in another order": lambda x, y, p: sum(
        map(ops.xlogy, y, ops.softmax(layer(p, x, 2))[::-1]), Value(0.0)
    ),
    "logarithms of a softmax": lambda x, y, p: [ops.log(a) for a in ops.softmax(layer(p, x, 3))],
    "softmax backwards": lambda x, y, p: ops.softmax(layer(p, x, 3))[::-1],
    "softmax of the same twice": lambda x, y, p: ops.softmax([*layer(p, x, 2), layer(p, x, 2)[0]]),
    "softmax of parameters": lambda x, y, p: dot(ops.softmax(p[:2]), x),
    "log-sum-exp of a part": lambda x, y, p: ops.log_sum_exp(*layer(p, x, 3)[:2]),
    "log-sum-exp of parameters": lambda x, y, p: ops.log_sum_exp(*p[:3]) * x[0],
    "a matrix times another's entries": lambda x, y, p: [
        dot(p[:2], x) + dot(p[2:4], x[::-1]),
        dot(p[4:6], x) + dot(p[6:8], x[::-1]),
    ],
    "one entry twice": lambda x, y, p: [
        p[0] * x[0] + p[1] * x[0] + p[2] * x[1],
        p[3] * x[0] + p[4] * x[0] + p[5] * x[1],
    ],
    "squares with another factor": lambda x, y, p: dot(p[:2], x) + p[0] * p[0] + 2 * p[1] * p[1],
    "products of neighbours": lambda x, y, p: dot(p[:2], x) + p[0] * p[1] + p[1] * p[2],
}


def build(graph: Any, x: Any, y: Any) -> tuple[list[Value], list[Value]]:
    parameters = [Value(0.1 * (k + 1) * (-1) ** k) for k in range(12)]
    found = graph(x, y, parameters)
    return ([found] if isinstance(found, Value) else found), parameters


@pytest.mark.parametrize("name", ATLAS)
def test_the_program_is_the_one_to_be_read_off_the_graph(name: str, mean_power: Any) -> None:
    graph, wanted = ATLAS[name]
    x, y = [Value(0.5), Value(-0.25)], [Value(0.75), Value(0.25)]
    outputs, parameters = build(graph, x, y)
    single = isinstance(graph(x, y, parameters), Value)
    program = lift(outputs[0] if single else outputs, x, y, parameters)
    assert not wanted or str(program) == cleandoc(wanted)
    r = Random(1)
    X, Y = ([[r.uniform(0.1, 1) for _ in x] for _ in range(3)] for _ in "XY")
    V = None if single else [[r.uniform(-1, 1) for _ in outputs] for _ in X]
    agrees(lambda x, y: build(graph, x, y), X, Y, V)
    check_printed(outputs[0] if single else outputs, x, y, parameters)


@pytest.mark.parametrize("name", ALMOST)
def test_what_is_almost_a_pattern_is_not_taken_for_it(name: str) -> None:
    r = Random(2)
    graph = ALMOST[name]
    X, Y = ([[r.uniform(0.1, 0.9) for _ in range(2)] for _ in range(3)] for _ in "XY")
    outputs, _ = build(graph, [Value(v) for v in X[0]], [Value(v) for v in Y[0]])
    V = None if len(outputs) == 1 else [[r.uniform(-1, 1) for _ in outputs] for _ in X]
    agrees(lambda x, y: build(graph, x, y), X, Y, V)


def test_at_a_tie_of_a_maximum_half_of_the_gradient_is_passed_on() -> None:
    w = Value(1.0)
    for graph in (lambda z: ops.maximum(0, z), lambda z: ops.maximum(z, 0)):
        x = Value(2.0)
        program = lift(graph(w * x - 3), [x], parameters=[w])
        assert program.value_and_grad([[3.0]])[1].tolist() == [1.5]


def test_functions_of_many_can_be_traced() -> None:
    program = trace(lambda x: [*ops.softmax(x), ops.log_sum_exp(*x)], 2)
    assert program.value([[0.5, 1.5]])[0] == pytest.approx(
        [*ops.softmax([0.5, 1.5]), ops.log_sum_exp(0.5, 1.5)], rel=1e-15
    )


def test_the_nodes_of_a_convolution() -> None:
    x, p = [Value(float(k)) for k in range(6)], [Value(0.5), Value(0.25)]
    z = [dot(p, x[k : k + 2]) for k in range(5)]
    found = recognise([ops.tanh(v) for v in z], x, parameters=p)
    w = found.variables["W1"]
    assert (w.shape, w.kind, w.nodes) == ((2,), "parameter", tuple(p))
    kinds = {name: v.kind for name, v in found.variables.items()}
    assert kinds == {"W1": "parameter", "a0": "input", "z1": "value", "a1": "value"}
    assert found.variables["z1"].nodes == tuple(z)
    for record in (w, found, found.equations[0]):
        with pytest.raises(FrozenInstanceError):
            record.shape = ()  # type: ignore[misc, union-attr]
