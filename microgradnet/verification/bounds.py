"""Bounds of the difference between two right evaluations of one equation in floating point.

Both sides of a comparison evaluate the same formula from the same inputs, in another order and
with other library functions. With u = 2⁻⁵³, a sum whose terms pass through k roundings each is off
by at most γₖ Σ|terms|, γₖ = ku/(1 − ku), in whatever order it is summed (N. Higham, Accuracy and
Stability of Numerical Algorithms, §3.1); two sides of j and k roundings lie at most γⱼ₊ₖ Σ|terms|
apart. So every number below is a count, of the graph's side (`ops`, `costs`) plus the equation's
(`delta`). A library function counts as the roundings its error is worth, an ulp being at most 2u:
libm's, which Python uses, are off by at most 2 ulps, NumPy's vector forms by at most 4. Products
with 0, ±1, ½ and 2 do not round, nor do maxima.

Every function here returns the bound entry by entry, of the shape of the result. Magnitudes are
the graph's, so that a wrong closed form cannot widen the bound it must meet. Where the terms
overflow there is no bound: it is inf or NaN, and only equal numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "activation", "bias_gradient", "chain", "cost", "hidden_error", "output_error", "update",
    "weight_gradient", "weighted_input",
]  # fmt: skip

Array = NDArray[Any]

_U = 2.0**-53
_P = 4  # roundings: one of Python's library functions
_N = 8  # one of NumPy's
# An absolute allowance for what falls below the normal range, whose steps are 2⁻¹⁰⁷⁴: silu
# multiplies such a rest by up to 745, and whatever a rest is a factor of multiplies it again.
_TINY = 2.0**-1060

# Roundings of σ: the graph's, and the equation's, relative to |σ|.
_SIGMA = {
    "linear": (0, 0),
    "relu": (0, 0),
    "hard_tanh": (0, 0),
    "leaky_relu": (2, 1),  # 1/100 rounded, times x;  x/100
    "hard_sigmoid": (2, 2),  # (x + 3)/6, both
    "softsign": (2, 2),  # x/(1 + |x|), both
    "sigmoid": (_P + 2, _N + 2),  # e or 1 over 1 + e, both; e counts once, for it partly cancels
    "tanh": (_P, _N),
    "elu": (_P, _N),  # expm1
    "softplus": (2 * _P + 1, 2 * _N + 1),  # log1p(e) + max(x, 0), both
    "silu": (_P + 3, 3 * _N + 5),  # x σ(x);  x √e σ(|x|) √e with √e = exp(x/2)
    "gelu": (_P + 1, _P + 1),  # x erfc(t)/2, both with Python's erfc; t = −x/√2 see _ARGUMENT
}
# Roundings of σ′, relative to the sums of |terms| below. The product with the adjoint, which on
# the graph's side is the rule's, is counted by whoever multiplies.
_SIGMA_PRIME = {
    "linear": (0, 0),
    "relu": (0, 0),
    "hard_tanh": (0, 0),
    "leaky_relu": (1, 1),  # 1/100 rounded;  1/100 or 100/100
    "hard_sigmoid": (0, 1),  # g/6 is the product;  1/6
    "softsign": (3, 5),  # g/s/s: s = 1 + |x| twice, one quotient;  (1/s)²: 2 roundings twice, 1
    "sigmoid": (2 * _P + 5, 2 * _N + 5),  # σ(x) σ(−x), both: twice σ's, and their product
    # g·sech·sech: cosh twice, a quotient twice, 1;  (1/cosh)²: twice cosh and 1, 1
    "tanh": (2 * _P + 3, 2 * _N + 3),
    "elu": (_P, _N),  # exp
    "softplus": (_P + 2, _N + 2),  # σ
    # The longer term x σ(x) σ(−x), and the sum: twice σ's, 2 products, 1; silu's, σ's, product, 1.
    "silu": (2 * _P + 7, 4 * _N + 9),
    # The longer term x e⁻ᵗ/√(2π), and the sum: e, √(2π) 2 (π's own and √'s), 1 quotient, x, 1.
    "gelu": (_P + 5, _N + 5),
}
# gelu's arguments, x/√2 of erfc (√2 and the quotient, so 2) and x²/2 of exp (the square, so 1).
_ARGUMENT_ERFC = 2 + 2
_ARGUMENT_EXP = 1 + 1


def _gamma(k: Any) -> Any:
    """Compute γₖ and a millionth more, for terms in u² and the roundings of the bound itself."""
    return (1 + 1e-6) * k * _U / (1 - k * _U)


def weighted_input(W: Array, a: Array, b: Array) -> Array:
    """Bound z = W a + b: a product and n additions on each side."""
    n = W.shape[1]
    terms: Array = np.abs(a) @ np.abs(W).T + np.abs(b)
    return _array(_gamma(2 * (n + 1)) * terms + (n + 1) * _TINY)


def activation(name: str, z: Array, a: Array) -> Array:
    """Bound a = σ(z), relative to |a|."""
    if name == "softmax":
        return _array(_softmax(z) * np.abs(a) + _TINY)
    roundings = sum(_SIGMA[name])
    error = _gamma(roundings) * np.abs(a) + (_TINY if roundings else 0)
    if name == "gelu":  # Φ(x) moves by |x| φ(x) times the relative error of x
        x = np.clip(z, -_FAR, _FAR)
        error = error + _gamma(_ARGUMENT_ERFC) * x**2 * _density(x)
    return _array(error)


def _softmax(z: Array) -> Array:
    """Bound e⁻ᵗ / Σ e⁻ᵗ relatively, with t = max z − z; t's rounding counts by t's own size.

    In the sum each power has its size t e⁻ᵗ ≤ 1/e to contribute, together less than n/2.
    Beyond 2¹⁰ the power is 0 whatever its error.
    """
    n = z.shape[-1]
    t = np.minimum(np.abs(z - z.max(axis=-1, keepdims=True)), 2.0**10)
    # A power in the numerator and those in the sum, the sum itself, the quotient.
    graph = t + _P + (_P + n / 2) + 1 + 1  # fsum rounds once
    equation = t + _N + (_N + n / 2) + (n - 1) + 1
    return _array(_gamma(graph + equation))


def _sigma_prime(name: str, z: Array) -> tuple[Array, Array]:
    """Evaluate Σ|terms| of σ′(z) independently, and the bound for σ′(z)."""
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
        argument = (_gamma(_ARGUMENT_ERFC) + _gamma(_ARGUMENT_EXP) * x**2 / 2) * np.abs(x) * density
    elif name == "softsign":
        terms = (1 / (1 + np.abs(z))) ** 2
    return terms, _gamma(sum(_SIGMA_PRIME[name])) * terms + argument + _TINY


_FAR = 700.0  # where e⁻ˣ is not yet 0, and so what stands for the tails beyond is too much


def _density(x: Array) -> Array:
    return _array(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


class _Output(NamedTuple):
    """Hold the numbers of the last layer, and the targets."""

    activation: str
    z: Array
    a: Array
    y: Array

    def complement(self) -> tuple[Array, Array]:
        """Compute 1 − a once more, by itself, and the relative bound of both sides."""
        z, a = self.z, self.a
        if self.activation == "sigmoid":  # σ(−z)
            e = np.exp(-np.abs(z))
            return np.where(z > 0, e, 1) / (1 + e), _gamma(sum(_SIGMA["sigmoid"]) + 0 * z)
        if self.activation == "softmax":  # the sum of the other shares
            n = a.shape[-1]
            error = _softmax(z).max(axis=-1, keepdims=True) + _gamma(2 * n) + 0 * z
            return a @ (1 - np.eye(n)), error
        return 1 - a, 0 * a  # of the same a by the same subtraction


def _cross_entropy(o: _Output) -> tuple[Any, ...]:
    # (1 − y) ln(1 − a), both: 1, the logarithm, the product; and the sum with y ln a. On the
    # graph's side 1 − a rounds, which the logarithm is off by, absolutely; so it is by what
    # 1 − a from z is off by, and ln a, which comes from there, relatively.
    rest, error = o.complement()
    of_a, of_rest = _entropy(o.y, o.a, rest), _entropy(1 - o.y, rest, o.a)
    once = np.abs(1 - o.y)
    return (_P + 3) + (_N + 3), of_a + of_rest, _gamma(1) * once, error * (of_a + once)


def _cross_entropy_prime(o: _Output) -> tuple[Array, Array]:
    # (1 − y)/(1 − a) − y/a, both: the first 3, the difference 1
    rest, error = o.complement()
    return _quotient(o.y, o.a) + _quotient(1 - o.y, rest), _gamma(4 + 4 + 0 * o.y) + error


def _log_likelihood(o: _Output) -> tuple[Any, ...]:
    rest, error = o.complement()  # y ln a, both
    terms = _entropy(o.y, o.a, rest)
    return (_P + 1) + (_N + 1), terms, error * terms


def _cross_entropy_from_z(o: _Output) -> tuple[Any, ...]:
    # (1 − y) softplus(z) + y softplus(−z), both: 1, softplus, the product, the sum
    e = np.log1p(np.exp(-np.abs(o.a)))
    terms = _times(1 - o.y, np.maximum(o.a, 0) + e) + _times(o.y, np.maximum(-o.a, 0) + e)
    return (2 * _P + 4) + (2 * _N + 4), terms


def _cross_entropy_from_z_prime(o: _Output) -> tuple[Array, Array]:
    # (1 − y) σ(z) − y σ(−z), both: 1, σ, 1, 1
    e = np.exp(-np.abs(o.a))
    at_z, at_minus_z = (np.where(z > 0, 1, e) / (1 + e) for z in (o.a, -o.a))
    terms = at_z * np.abs(1 - o.y) + at_minus_z * np.abs(o.y)
    return terms, _gamma((_P + 5) + (_N + 5) + 0 * o.y)


def _log_likelihood_from_z(o: _Output) -> tuple[Any, ...]:
    # y ln Σ exp(zₖ − zⱼ): exp, fsum, log1p, a sum, the product, and four times as much where the
    # graph subtracts zⱼ from a number that is less than four times the difference;
    # exp, n − 1 additions, log1p, the difference, the product. The shifts by their shares.
    n, (share, rest) = o.a.shape[-1], _shares(o.a)
    shifts = o.a[..., np.newaxis, :] - o.a[..., :, np.newaxis]
    shifted = _times(share[..., np.newaxis, :], shifts).sum(axis=-1)
    largest = o.a.max(axis=-1, keepdims=True)
    over = np.where(o.a == largest, -np.log1p(-rest), largest - o.a + np.log(n))
    roundings = 4 * (2 * _P + 4) + (2 * _N + n + 2)
    return roundings, _times(o.y, over), _gamma(2) * _times(o.y, shifted)


def _log_likelihood_from_z_prime(o: _Output) -> tuple[Array, Array]:
    # aₖ Σ y − yₖ (1 − aₖ), the sum over the others; in the graph aₖ Σ y − yₖ up to aₖ = ½.
    # Both: 1 − aₖ n − 2, the product, the difference. And Σ y, where it has several terms.
    n, (share, rest), y = o.a.shape[-1], _shares(o.a), np.abs(o.y)
    others = y @ (1 - np.eye(n))
    several = np.maximum((y != 0).sum(axis=-1, keepdims=True) - 1, 0) * (others + y)
    error, large = _softmax(o.a), share > 0.5
    error = np.where(large, error.max(axis=-1, keepdims=True), error) + _gamma(2 * n)
    terms = np.where(large, share * others + rest * y, share * (others + y) + y)
    return terms + several * _gamma(2) / error, error


# Of C at an output: its roundings on both sides, Σ|terms|, and what else it is off by.
_COST: dict[str, Callable[[_Output], tuple[Any, ...]]] = {
    # pow(a − y, 2), which doubles what a − y is off;  (a − y)²
    "quadratic": lambda o: ((2 + _P) + (2 + 1), (o.a - o.y) ** 2 / 2),
    "cross_entropy": _cross_entropy,
    "log_likelihood": _log_likelihood,
    "hinge": lambda o: (2 + 2, 1 + np.abs(o.y * o.a)),  # 1 − y a, both
    "cross_entropy_from_z": _cross_entropy_from_z,
    "log_likelihood_from_z": _log_likelihood_from_z,
}

# Of C′(a): Σ|terms|, and the relative bound.
_COST_PRIME: dict[str, Callable[[_Output], tuple[Array, Array]]] = {
    # pow(a − y, 1);  a − y
    "quadratic": lambda o: (np.abs(o.a - o.y), _gamma((_P + 1) + 1 + 0 * o.y)),
    "cross_entropy": _cross_entropy_prime,
    # −y/a, both
    "log_likelihood": lambda o: (_quotient(o.y, o.a), _gamma(1 + 1 + 0 * o.y)),
    "hinge": lambda o: (np.abs(o.y), _gamma(0 * o.y)),  # −y, −y/2 or 0, both
    "cross_entropy_from_z": _cross_entropy_from_z_prime,
    "log_likelihood_from_z": _log_likelihood_from_z_prime,
}


def _shares(z: Array) -> tuple[Array, Array]:
    """Evaluate softmax(z) and 1 − softmax(z), each with its digits."""
    power = np.exp(z - z.max(axis=-1, keepdims=True))
    share = power / power.sum(axis=-1, keepdims=True)
    return share, share @ (1 - np.eye(z.shape[-1]))


def _quotient(y: Array, a: Array) -> Array:
    return np.where(y == 0, 0, np.abs(y / a))


def output_error(cost: str, activation: str, z: Array, a: Array, y: Array) -> Array:
    """Bound BP1, δᴸ = C′(aᴸ) ⊙ σ′(zᴸ): a product on each side; for softmax Jᵀ C′."""
    terms, rounding = _COST_PRIME[cost](_Output(activation, z, a, y))
    if activation == "softmax":
        return _output_error_softmax(terms, rounding, z, a)
    sigma_prime, error = _sigma_prime(activation, z)
    relative, rest = rounding + _gamma(1 + 1), _TINY * (1 + sigma_prime)
    return _array(relative * terms * sigma_prime + terms * error + rest)


def _output_error_softmax(terms: Array, rounding: Array, z: Array, a: Array) -> Array:
    """Bound δⱼ = aⱼ Σₖ aₖ (C′ⱼ − C′ₖ) over the k other than j: so 1 − aⱼ has its digits.

    Besides those of C′ and of the two shares, the longest way is the diagonal's: n − 2 additions
    to 1 − aⱼ, two products, n − 1 additions over the components; on both sides.
    """
    n = a.shape[-1]
    relative = _softmax(z)
    own, other = np.s_[..., :, np.newaxis], np.s_[..., np.newaxis, :]
    pairs = (1 - np.eye(n)) * np.abs(a[own] * a[other])
    share = relative[own] + relative[other] + _gamma(2 * (2 * n - 1))
    errors = (share + rounding[own]) * terms[own] + (share + rounding[other]) * terms[other]
    rest = n * _TINY * (1 + terms + terms.max(axis=-1, keepdims=True))
    return _array((pairs * errors).sum(axis=-1) + rest)


def hidden_error(W_next: Array, delta_next: Array, activation: str, z: Array) -> Array:
    """Bound BP2, δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ): a sum over the n of layer l + 1.

    On each side a product and n − 1 additions, and the product with σ′. And a δˡ⁺¹ near 0 was
    rounded before W multiplied it.
    """
    sigma_prime, error = _sigma_prime(activation, z)
    n = W_next.shape[0]
    terms = np.abs(delta_next) @ np.abs(W_next)
    error = _gamma(2 * (n + 1)) * sigma_prime + error
    lost = _TINY * np.abs(W_next).sum(axis=0) * sigma_prime
    return _array(terms * error + (n + 1) * _TINY * (1 + sigma_prime) + lost)


def bias_gradient(delta: Array) -> Array:
    """Bound BP3, ∂C/∂b = δ, summed over the m examples by m − 1 additions."""
    m = len(delta)
    return _array(_gamma(2 * (m - 1)) * np.abs(delta).sum(axis=0))


def weight_gradient(delta: Array, a_prev: Array) -> Array:
    """Bound BP4, ∂C/∂W = δ aᵀ, a product, and m − 1 additions over the examples.

    A factor near 0 was rounded before the other multiplied it.
    """
    m = len(delta)
    terms: Array = np.abs(delta).T @ np.abs(a_prev)
    lost = np.abs(delta).sum(axis=0)[:, np.newaxis] + np.abs(a_prev).sum(axis=0)
    return _array(_gamma(2 * m) * terms + _TINY * (m + lost))


def update(w: Array, gradient: Array, lr: Any, m: int) -> Array:
    """Bound w − (η/m)·gradient: a quotient, a product, a difference."""
    terms = np.abs(w) + abs(float(lr)) / m * np.abs(gradient)
    return _array(_gamma(2 * 3) * terms + _TINY * (1 + np.abs(gradient)))


def cost(name: str, activation: str, z: Array, a: Array, y: Array) -> Array:
    """Bound C of each example, a sum over n outputs: n − 1 additions on each side."""
    n = a.shape[-1]
    roundings, terms, *others = _COST[name](_Output(activation, z, a, y))
    error: Array = sum(others, _gamma(roundings + 2 * (n - 1)) * terms).sum(axis=-1)
    return _array(error + n * _TINY)


def chain(contributions: Sequence[Sequence[float]], roundings: ArrayLike = 0) -> Array:
    """Bound a node's gradient, the sum of the contributions of its k uses.

    Both sides have each contribution by one rule from one adjoint: only the k − 1 additions differ.
    But the engine sums up those of a softmax in another form.

    roundings  of each node how many more there are on both sides together
    """
    terms = np.array([sum(map(abs, each)) for each in contributions])
    additions = np.array([2 * (len(each) - 1) for each in contributions])
    return _array(_gamma(additions + np.asarray(roundings)) * terms)


def _entropy(y: Array, a: Array, rest: Array) -> Array:
    return _times(y, np.where(a > 0.5, np.log1p(-rest), np.log(a)))


def _times(y: Array, term: Array) -> Array:
    return np.where(y == 0, 0, np.abs(y * term))  # what is infinite there is left out


def _array(x: Any) -> Array:
    return np.asarray(x, dtype=float)
