"""How far two right evaluations of one equation may lie apart in floating point.

Both sides of a comparison evaluate the same formula from the same inputs, in another order and
with other library functions. With u = 2⁻⁵³, a sum whose terms pass through k roundings each is off
by at most γₖ Σ|terms|, γₖ = ku/(1 − ku), in whatever order it is summed (N. Higham, Accuracy and
Stability of Numerical Algorithms, §3.1). Two sides, hence twice that. A library function adds its
own error: libm's, which Python uses, at most 2 ulps, NumPy's vector forms at most 4, and an ulp is
at most 2u: so 12u for the two sides together, for each library function on the way.

Every function here returns the bound entry by entry, of the shape of the result. Magnitudes are
taken from what the graph holds, so that a wrong closed form cannot widen the bound it must meet.
Where the terms overflow there is no bound: it is inf or NaN, and only equal numbers are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "activation",
    "bias_gradient",
    "chain_rule",
    "cost",
    "hidden_error",
    "output_error",
    "update",
    "weight_gradient",
    "weighted_input",
]

Array = NDArray[Any]

_U = 2.0**-53
_LIBRARY = 12  # roundings u: one library function, both sides together
# An absolute allowance for what falls below the normal range, whose steps are 2⁻¹⁰⁷⁴: silu
# multiplies such a rest by up to 745, and whatever a rest is a factor of multiplies it again.
_TINY = 2.0**-1060

# How many u the two sides may differ in σ and in σ′, relative to the sums of |terms| below: the
# library functions, plus the other roundings of both formulas, ops.py's and delta.py's.
_SIGMOID = _LIBRARY + 8  # exp; 1 + e (its error u, and e's), the quotient: 2 on each side, doubled
_ROUNDINGS = {
    "linear": (0, 0),
    "relu": (0, 0),
    "hard_tanh": (0, 0),
    "leaky_relu": (6, 2),  # x·0.01 and 0.01 itself, x/100: 3, doubled; σ′: 0.01 and 1/100
    "hard_sigmoid": (8, 4),  # x + 3, the quotient: 2 on each side, doubled for x + 3 near 0; g/6
    "softsign": (6, 10),  # 1 + |x|, the quotient, and a rest; σ′: twice that
    "sigmoid": (_SIGMOID, 2 * _SIGMOID + 2),  # σ′ = σ(x)σ(−x)
    "tanh": (_LIBRARY, 2 * _LIBRARY + 8),  # σ′: cosh twice, two quotients or a quotient squared
    "elu": (_LIBRARY + 2, _LIBRARY + 4),  # expm1; exp; products with α
    "softplus": (2 * _LIBRARY + 6, _SIGMOID),  # exp within log1p, and a sum; σ′ = σ
    # x σ(x), delta's exponential being the square of another (twice its error, on one side);
    # σ′: σ(x) + x σ(x) σ(−x), a silu times a σ, plus a sum
    "silu": (_SIGMOID + _LIBRARY + 8, 2 * _SIGMOID + 2 * _LIBRARY + 24),
    "gelu": (_LIBRARY + 8, _LIBRARY + 12),  # erfc, /2, ·x; σ′: Φ, and exp, /√2π, ·x, and a sum
}
_ARGUMENT = 8  # gelu: roundings of x/√2 and x²/2, the arguments of erfc and exp


def _gamma(k: Any) -> Any:
    return k * _U / (1 - k * _U)


def weighted_input(W: Array, a: Array, b: Array) -> Array:
    """The bound for z = W a + b: n products and n additions."""
    n = W.shape[1]
    terms: Array = np.abs(a) @ np.abs(W).T + np.abs(b)
    return _array(2 * _gamma(n + 1) * terms + (n + 1) * _TINY)


def activation(name: str, z: Array, a: Array) -> Array:
    """The bound for a = σ(z), relative to |a|."""
    if name == "softmax":
        return _array(_softmax(z) * np.abs(a) + _TINY)
    roundings = _ROUNDINGS[name][0]
    error = _gamma(roundings) * np.abs(a) + (_TINY if roundings else 0)
    if name == "gelu":  # Φ(x) moves by |x| φ(x) times the relative error of x
        x = np.clip(z, -_FAR, _FAR)
        error = error + _gamma(_ARGUMENT) * x**2 * _density(x)
    return _array(error)


def _softmax(z: Array) -> Array:
    """Relative bound of exp(z − max z) / Σ: an error of z − max z counts by its own size.

    Beyond 2¹⁰ the power is 0 whatever its error. In the sum each power has its size t e⁻ᵗ ≤ 1/e
    to contribute, together less than n.
    """
    shift = np.minimum(np.abs(z - z.max(axis=-1, keepdims=True)), 2.0**10)
    return _array(_gamma(2 * _LIBRARY + 3 * z.shape[-1] + 8 + 2 * shift))


def _sigma_prime(name: str, z: Array) -> tuple[Array, Array]:
    """Σ|terms| of σ′(z), evaluated here once more by itself, and the bound for σ′(z)."""
    x = np.clip(z, -_FAR, _FAR)
    e = np.exp(-np.abs(x))
    sigmoid = np.where(x > 0, 1, e) / (1 + e)
    terms = np.ones_like(x)
    argument = 0 * x
    if name == "sigmoid":
        terms = e / (1 + e) ** 2
    elif name == "tanh":
        terms = 4 * e**2 / (1 + e**2) ** 2
    elif name == "elu":
        terms = np.exp(np.minimum(x, 0))
    elif name == "softplus":
        terms = sigmoid
    elif name == "silu":
        terms = sigmoid + np.abs(x) * e / (1 + e) ** 2
    elif name == "gelu":
        # Φ(x) is at most φ(x)/|x| and at most ½ on the left of 0 (Mills), and at most 1.
        density = _density(x)
        tail = np.minimum(0.5, density / np.maximum(np.abs(x), 1e-3))
        terms = np.where(x > 0, 1, tail) + np.abs(x) * density
        argument = _gamma(_ARGUMENT) * (1 + x**2) * np.abs(x) * density
    elif name == "softsign":
        terms = (1 / (1 + np.abs(z))) ** 2
    return terms, _gamma(_ROUNDINGS[name][1]) * terms + argument + _TINY


_FAR = 700.0  # where e⁻ˣ is not yet 0, and so what stands for the tails beyond is too much


def _density(x: Array) -> Array:
    return _array(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


def _cost_prime(name: str, a: Array, y: Array) -> tuple[Array, Array]:
    """Σ|terms| of C′(a), and its relative rounding."""
    n = a.shape[-1]
    if name == "quadratic":
        return np.abs(a - y), _gamma(6 + 0 * y)
    if name == "hinge":
        return np.abs(y), _gamma(4 + 0 * y)
    if name == "cross_entropy":
        return _quotient(y, a) + _quotient(1 - y, 1 - a), _gamma(10 + 0 * y)
    if name == "log_likelihood":
        return _quotient(y, a), _gamma(8 + 0 * y)
    if name == "cross_entropy_from_z":
        terms, _ = _sigma_prime("softplus", a)
        return terms + np.abs(y), _gamma(_LIBRARY + 12 + 0 * y)
    if name == "log_likelihood_from_z":
        power = np.exp(a - a.max(axis=-1, keepdims=True))
        share = power / power.sum(axis=-1, keepdims=True)
        total = np.abs(y).sum(axis=-1, keepdims=True)
        return share * total + np.abs(y), _gamma(2 * n + 4) + _softmax(a)
    raise ValueError(f"no bound for the cost {name!r}")


def _quotient(y: Array, a: Array) -> Array:
    return np.where(y == 0, 0, np.abs(y / a))


def output_error(cost: str, activation: str, z: Array, a: Array, y: Array) -> Array:
    """The bound for BP1, δᴸ = C′(aᴸ) ⊙ σ′(zᴸ), or Jᵀ C′ for softmax."""
    terms, rounding = _cost_prime(cost, a, y)
    if activation == "softmax":
        return _output_error_softmax(terms, rounding, z, a)
    slope, error = _sigma_prime(activation, z)
    return _array((rounding + _gamma(4)) * terms * slope + terms * error + _TINY * (1 + slope))


def _output_error_softmax(terms: Array, rounding: Array, z: Array, a: Array) -> Array:
    """δⱼ = aⱼ Σₖ aₖ (C′ⱼ − C′ₖ) over the k other than j: so 1 − aⱼ has its digits."""
    n = a.shape[-1]
    relative = _softmax(z)
    own, other = np.s_[..., :, np.newaxis], np.s_[..., np.newaxis, :]
    pairs = (1 - np.eye(n)) * np.abs(a[own] * a[other])
    share = relative[own] + relative[other] + 2 * _gamma(n + 5)
    errors = (share + rounding[own]) * terms[own] + (share + rounding[other]) * terms[other]
    rest = n * _TINY * (1 + terms + terms.max(axis=-1, keepdims=True))
    return _array((pairs * errors).sum(axis=-1) + rest)


def hidden_error(W_next: Array, delta_next: Array, activation: str, z: Array) -> Array:
    """The bound for BP2, δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ): a sum over the neurons of layer l + 1."""
    slope, error = _sigma_prime(activation, z)
    n = W_next.shape[0]
    terms = np.abs(delta_next) @ np.abs(W_next)
    return _array(2 * _gamma(n + 3) * terms * slope + terms * error + (n + 1) * _TINY * (1 + slope))


def bias_gradient(delta: Array) -> Array:
    """The bound for BP3, ∂C/∂b = δ, summed over the m examples."""
    m = len(delta)
    return _array(2 * _gamma(m - 1) * np.abs(delta).sum(axis=0))


def weight_gradient(delta: Array, a_prev: Array) -> Array:
    """The bound for BP4, ∂C/∂W = δ aᵀ, summed over the m examples."""
    m = len(delta)
    terms: Array = np.abs(delta).T @ np.abs(a_prev)
    return _array(2 * _gamma(m) * terms + m * _TINY)


def update(w: Array, gradient: Array, eta: Any, m: int) -> Array:
    """The bound for w − (η/m)·gradient: a quotient, a product, a difference."""
    terms = np.abs(w) + abs(float(eta)) / m * np.abs(gradient)
    return _array(2 * _gamma(3) * terms + _TINY * (1 + np.abs(gradient)))


def cost(name: str, a: Array, y: Array) -> Array:
    """The bound for C of each example."""
    n = a.shape[-1]
    size = np.abs(a)
    if name == "quadratic":
        terms = (a - y) ** 2
    elif name == "hinge":
        terms = 1 + np.abs(y * a)
    elif name == "cross_entropy":
        # 1 − a rounds once: so much for its logarithm, absolutely.
        terms = _entropy(y, a) + _entropy(1 - y, 1 - a) + np.abs(1 - y)
    elif name == "log_likelihood":
        terms = _entropy(y, a)
    elif name == "cross_entropy_from_z":
        terms = (1 + np.abs(y)) * (1 + size)
    else:
        terms = np.abs(y) * (1 + np.log(n) + size + size.max(axis=-1, keepdims=True))
    total: Array = terms.sum(axis=-1)
    # Sums of n on both sides; at most exp within log1p or log, and one more; products, sums, signs.
    return _array(_gamma(2 * n + 3 * _LIBRARY + 12) * total + n * _TINY)


def chain_rule(products: Sequence[Sequence[float]]) -> Array:
    """The bound for a node's gradient, the sum of what its uses pass on: each a product or two."""
    terms = np.array([sum(map(abs, passed)) for passed in products])
    uses = np.array([len(passed) for passed in products])
    return _array(2 * _gamma(uses + 2) * terms + uses * _TINY)


def _entropy(y: Array, a: Array) -> Array:
    return np.where(y == 0, 0, np.abs(y * np.log(a)))


def _array(x: Any) -> Array:
    return np.asarray(x, dtype=float)
