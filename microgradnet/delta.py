"""The equations of backpropagation on matrices, in closed form.

    zˡ = Wˡ aˡ⁻¹ + bˡ,  aˡ = σ(zˡ)           `weighted_input`, `activation`
    δᴸ = C′(aᴸ) ⊙ σ′(zᴸ)               BP1   `output_error`
    δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ)       BP2   `hidden_error`
    ∂C/∂bˡ = δˡ                        BP3   `bias_gradient`
    ∂C/∂Wˡ = δˡ (aˡ⁻¹)ᵀ                BP4   `weight_gradient`
    w → w − (η/m) Σₙ ∂C_{xₙ}/∂w              `update`

`forward` and `backprop` string them together. Nothing here differentiates anything: σ′ and C′ are
written out by hand. That is what makes this file a judge of automatic differentiation, and why it
uses nothing else of the package.

One example is a vector. A batch is a matrix whose *rows* are examples, so a product W a of the
equations is written a @ Wᵀ, which is right for both. Gradients of a batch are sums over its rows.

Object arrays of `Fraction` stay Fractions, exactly, through every equation, through the activations
linear, relu, leaky_relu, softsign, hard_tanh and hard_sigmoid, and through the costs quadratic and
hinge. All else is float64, and where a float meets a Fraction the result is float64.

Source: M. Nielsen, *Neural Networks and Deep Learning*, chapter 2, whose names are kept.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ACTIVATIONS",
    "COSTS",
    "RATIONAL",
    "Backpropagation",
    "activation",
    "activation_prime",
    "backprop",
    "bias_gradient",
    "complement",
    "cost",
    "cost_prime",
    "forward",
    "hidden_error",
    "output_error",
    "output_error_softmax",
    "softmax_jacobian",
    "update",
    "weight_gradient",
    "weighted_input",
]

Array: TypeAlias = NDArray[np.float64]  # or object, of Fractions, which no type of NumPy can tell
_Parameters: TypeAlias = Sequence[ArrayLike]
_CostRule: TypeAlias = Callable[[Array, Array, Array], Array]
_Rule = TypeVar("_Rule")

# --- The equations. Shapes that do not fit are a ValueError that names them. ----------------------


@np.errstate(all="ignore")
def weighted_input(W: ArrayLike, a: ArrayLike, b: ArrayLike) -> Array:
    """Compute z = W a + b, for W (n_out, n_in), a (n_in,) or (batch, n_in), and b (n_out,).

    >>> weighted_input([[1, 2], [3, 4]], [5, 6], [0, 1])
    array([17., 40.])
    """
    W, a, b = _numbers(W, a, b)
    _check(W.ndim == 2 and (a.shape[-1:], b.shape) == (W.shape[1:], W.shape[:1]), W=W, a=a, b=b)
    z: Array = a @ W.T + b
    return z


@np.errstate(all="ignore")
def output_error(C_prime: ArrayLike, sigma_prime: ArrayLike) -> Array:
    """Compute BP1, δᴸ = C′(aᴸ) ⊙ σ′(zᴸ), both factors of the shape of aᴸ.

    >>> output_error([1, 2], [0.25, 0.5])
    array([0.25, 1.  ])
    """
    C_prime, sigma_prime = _numbers(C_prime, sigma_prime)
    _check(C_prime.shape == sigma_prime.shape, C_prime=C_prime, sigma_prime=sigma_prime)
    return C_prime * sigma_prime


@np.errstate(all="ignore")
def output_error_softmax(C_prime: ArrayLike, jacobian: ArrayLike) -> Array:
    """Compute BP1 where σ mixes components, δᴸ = Jᵀ C′(aᴸ), with J from `softmax_jacobian`.

    >>> output_error_softmax([-2, 0], [[0.25, -0.25], [-0.25, 0.25]])
    array([-0.5,  0.5])
    """
    C_prime, jacobian = _numbers(C_prime, jacobian)
    n = C_prime.shape[-1:]
    _check(n != () and jacobian.shape == C_prime.shape + n, C_prime=C_prime, jacobian=jacobian)
    delta: Array = (jacobian.swapaxes(-1, -2) @ C_prime[..., np.newaxis])[..., 0]
    return delta


@np.errstate(all="ignore")
def hidden_error(W_next: ArrayLike, delta_next: ArrayLike, sigma_prime: ArrayLike) -> Array:
    """Compute BP2, δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ): column k of Wˡ⁺¹ leaves neuron k, hence the ᵀ.

    >>> hidden_error([[1, 2], [3, 4]], [1, 10], [1, 0.5])
    array([31., 21.])
    """
    W, delta, sigma_prime = _numbers(W_next, delta_next, sigma_prime)
    fit = W.ndim == 2 and delta.shape[-1:] == W.shape[:1]
    fit = fit and sigma_prime.shape == delta.shape[:-1] + W.shape[1:]
    _check(fit, W_next=W, delta_next=delta, sigma_prime=sigma_prime)
    return (delta @ W) * sigma_prime


@np.errstate(all="ignore")
def bias_gradient(delta: ArrayLike) -> Array:
    """Compute BP3, ∂C/∂bˡ = δˡ of shape (n_out,), summed over the rows of a batch.

    >>> bias_gradient([[1, 2], [10, 20]])
    array([11., 22.])
    """
    (delta,) = _numbers(delta)
    total: Array = np.atleast_2d(delta).sum(axis=0)
    return total


@np.errstate(all="ignore")
def weight_gradient(delta: ArrayLike, a_prev: ArrayLike) -> Array:
    """Compute BP4, ∂C/∂Wˡ = δˡ (aˡ⁻¹)ᵀ of shape (n_out, n_in), summed over the rows of a batch.

    >>> weight_gradient([1, 10], [2, 3])
    array([[ 2.,  3.],
           [20., 30.]])
    """
    delta, a_prev = _numbers(delta, a_prev)
    _check(delta.shape[:-1] == a_prev.shape[:-1], delta=delta, a_prev=a_prev)
    total: Array = np.atleast_2d(delta).T @ np.atleast_2d(a_prev)
    return total


@np.errstate(all="ignore")
def update(w: ArrayLike, gradient: ArrayLike, eta: ArrayLike, m: int) -> Array:
    """Take a step of descent, w − (η/m)·gradient, where gradient is the sum over m examples.

    >>> update([1, 2], [4, 8], eta=0.5, m=2)
    array([0., 0.])
    """
    w, gradient, eta = _numbers(w, gradient, eta)
    _check(w.shape == gradient.shape, w=w, gradient=gradient)
    return w - (eta / m) * gradient


# --- A network. weights[0] is W¹: the sequences of parameters are those of layers 1 to L. ---------


class Backpropagation(NamedTuple):
    """Hold what `backprop` computed, z, a, delta by layer: z[0] and delta[0] are empty."""

    z: list[Array]
    a: list[Array]
    delta: list[Array]
    nabla_b: list[Array]
    nabla_w: list[Array]


def forward(
    weights: _Parameters, biases: _Parameters, activations: Sequence[str], x: ArrayLike
) -> tuple[list[Array], list[Array]]:
    """Compute zˡ = Wˡ aˡ⁻¹ + bˡ and aˡ = σ(zˡ), from a⁰ = x: two lists of L + 1, z[0] empty.

    >>> z, a = forward([[[1, 2]], [[3]]], [[-9], [1]], ["relu", "linear"], [5, 6])
    >>> z[1], a[1], a[2]
    (array([8.]), array([8.]), array([25.]))
    """
    z, a = [np.empty(0)], [np.asarray(x)]
    for W, b, name in zip(weights, biases, activations, strict=True):
        z.append(weighted_input(W, a[-1], b))
        a.append(activation(name, z[-1]))
    return z, a


def backprop(
    weights: _Parameters,
    biases: _Parameters,
    activations: Sequence[str],
    cost: str,
    x: ArrayLike,
    y: ArrayLike,
) -> Backpropagation:
    """Compute gradients of the cost of x, or of the summed costs of its rows, by BP1 to BP4.

    The sequences nabla_b and nabla_w are those of layers 1 to L, like weights and biases. A cost
    "…_from_z" belongs to a "linear" output layer. Softmax is for the output layer only.

    In floats a δ below 10⁻³²⁴ is 0 and one above 10³⁰⁸ is ∞, whatever multiplies it further on. The
    scalar graph's `backward` finds such gradients, and Fractions have none of these limits.

    >>> backprop([[[2]], [[3]]], [[0], [1]], ["relu", "linear"], "quadratic", [1], [5]).nabla_w
    [array([[6.]]), array([[4.]])]
    """
    z, a = forward(weights, biases, activations, x)
    L = len(weights)
    delta = [np.empty(0)] * (L + 1)
    sigma = activations[-1]
    C_prime = cost_prime(cost, a[L], y, complement(sigma, z[L]))
    if sigma == "softmax":
        delta[L] = output_error_softmax(C_prime, softmax_jacobian(z[L]))
    else:
        delta[L] = output_error(C_prime, activation_prime(sigma, z[L]))
    for l in range(L - 1, 0, -1):
        # weights counts from W¹ at 0, so weights[l] is Wˡ⁺¹ and activations[l - 1] is layer l's.
        sigma_prime = activation_prime(activations[l - 1], z[l])
        delta[l] = hidden_error(weights[l], delta[l + 1], sigma_prime)
    nabla_b = [bias_gradient(d) for d in delta[1:]]
    nabla_w = [weight_gradient(d, a_prev) for d, a_prev in zip(delta[1:], a[:-1], strict=True)]
    return Backpropagation(z, a, delta, nabla_b, nabla_w)


# --- Activations. ---------------------------------------------------------------------------------


@np.errstate(all="ignore")
def activation(name: str, z: ArrayLike) -> Array:
    """Compute σ(z), elementwise; softmax over the last axis.

    The names are in ACTIVATIONS. Right to a few units in the last place, tails included; gelu(x)
    far below 0 to the change that a few units in the last place of x make.

    >>> activation("relu", [-1, 2])
    array([0., 2.])
    """
    sigma, _ = _look_up("activation", _SIGMA, name)
    return sigma(*_numbers(z, exact=name in RATIONAL))


@np.errstate(all="ignore")
def activation_prime(name: str, z: ArrayLike) -> Array:
    """Compute σ′(z), elementwise.

    It is as exact as σ, or as its terms where they cancel (silu, gelu). At the kinks relu′(0) = 0,
    leaky_relu′(0) = 1/100, hard_tanh′(±1) = 0, hard_sigmoid′(±3) = 0.

    >>> activation_prime("sigmoid", [0, 800])
    array([0.25, 0.  ])
    """
    _, sigma_prime = _look_up("activation", _SIGMA, name)
    if name == "softmax":
        raise ValueError("softmax mixes components, so σ′ is a matrix: use softmax_jacobian(z)")
    return sigma_prime(*_numbers(z, exact=name in RATIONAL))


@np.errstate(all="ignore")
def complement(name: str, z: ArrayLike) -> Array | None:
    """Compute 1 − σ(z) of sigmoid and softmax; None for the other activations.

    It has the digits that 1 − a loses where a is close to 1.

    >>> complement("sigmoid", [0, 40])
    array([5.00000000e-01, 4.24835426e-18])
    """
    if name == "sigmoid":
        return activation(name, -np.asarray(z))
    if name == "softmax":
        a = activation(name, z)
        return a @ (1 - np.eye(a.shape[-1]))
    return None


@np.errstate(all="ignore")
def softmax_jacobian(z: ArrayLike) -> Array:
    """Compute Jⱼₖ = ∂aⱼ/∂zₖ = aⱼ(δⱼₖ − aₖ) of a = softmax(z): (…, n, n) for z (…, n).

    >>> softmax_jacobian([0, 0])
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    a = activation("softmax", z)
    identity = np.eye(a.shape[-1])
    products = (1 - identity) * a[..., :, np.newaxis] * a[..., np.newaxis, :]
    # 1 − aⱼ as the sum of the other aₖ, which still knows them where aⱼ rounds to 1.
    diagonal: Array = products.sum(axis=-1, keepdims=True)
    return identity * diagonal - products


def _sigmoid(x: Array) -> Array:
    e: Array = np.exp(-np.abs(x))  # the branch that cannot overflow
    return np.where(x >= 0, 1, e) / (1 + e)


def _silu(x: Array) -> Array:
    # σ(x) = exp(min(x, 0)) σ(|x|), the exponential in two factors: it underflows once, at the end.
    root: Array = np.exp(np.minimum(x, 0) / 2)
    return x * root * _sigmoid(np.abs(x)) * root


def _silu_prime(x: Array) -> Array:
    x = np.clip(x, -_FAR, _FAR)
    return _sigmoid(x) + _silu(x) * _sigmoid(-x)


def _normal_cdf(x: Array) -> Array:
    erfc: Array = np.vectorize(math.erfc, otypes=[float])(-x / math.sqrt(2))
    return erfc / 2


def _gelu_prime(x: Array) -> Array:
    x = np.clip(x, -_FAR, _FAR)
    density: Array = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return _normal_cdf(x) + x * density


def _softmax(z: Array) -> Array:
    e: Array = np.exp(z - z.max(axis=-1, keepdims=True))
    total: Array = e.sum(axis=-1, keepdims=True)
    return e / total


def _step(x: Array) -> Array:
    (step,) = _numbers(np.maximum(np.sign(x), 0))  # 1 where x > 0, else 0; NaN stays NaN
    return step


_FAR = 1000.0  # beyond ±1000 silu and gelu are at their limits, and no factor 0 meets an ∞

_SIGMA: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "linear": (lambda x: x, np.ones_like),
    "sigmoid": (_sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x)),
    "tanh": (np.tanh, lambda x: (1 / np.cosh(x)) ** 2),
    "relu": (lambda x: np.maximum(x, 0), _step),
    "leaky_relu": (lambda x: np.maximum(x, x / 100), lambda x: (1 + 99 * _step(x)) / 100),
    "elu": (lambda x: np.where(x > 0, x, np.expm1(x)), lambda x: np.exp(np.minimum(x, 0))),
    "softplus": (lambda x: _softplus(x), _sigmoid),
    "silu": (lambda x: _silu(np.maximum(x, -_FAR)), _silu_prime),
    "gelu": (lambda x: np.maximum(x, -_FAR) * _normal_cdf(x), _gelu_prime),
    "softsign": (
        lambda x: np.where(np.abs(x) == math.inf, np.sign(x), x / (1 + np.abs(x))),
        lambda x: (1 / (1 + np.abs(x))) ** 2,
    ),
    "hard_tanh": (lambda x: np.clip(x, -1, 1), lambda x: _step(1 - np.abs(x))),
    "hard_sigmoid": (lambda x: np.clip((x + 3) / 6, 0, 1), lambda x: _step(3 - np.abs(x)) / 6),
    "softmax": (_softmax, softmax_jacobian),
}
ACTIVATIONS = tuple(_SIGMA)

# --- Costs, each C_x of one example: the sum over its outputs. ------------------------------------


@np.errstate(all="ignore")
def cost(name: str, a: ArrayLike, y: ArrayLike, rest: ArrayLike | None = None) -> Array:
    """Compute C(a, y) of one example, or of each row of a batch.

    A "…_from_z" cost takes z for a. The rest is 1 − a, where it is known with more digits than the
    subtraction leaves: `complement`.

    ============================  ================================================
    quadratic                     ½ Σ (a − y)²
    cross_entropy                 −Σ [y ln a + (1 − y) ln(1 − a)],  with 0 ln 0 = 0
    log_likelihood                −Σ y ln a,  with 0 ln 0 = 0
    hinge                         Σ max(0, 1 − y a),  for y = ±1
    cross_entropy_from_z          Σ [y softplus(−z) + (1 − y) softplus(z)],
                                  which is cross_entropy(σ(z), y)
    log_likelihood_from_z         Σ yⱼ (ln Σₖ exp zₖ − zⱼ),  log_likelihood(softmax(z), y)
    ============================  ================================================

    >>> cost("quadratic", [[1, 2], [3, 4]], [[1, 0], [0, 0]])
    array([ 2. , 12.5])
    """
    C, _ = _look_up("cost", _COST, name)
    a, y, rest = _cost_arguments(name, a, y, rest)
    total: Array = C(a, y, rest).sum(axis=-1)
    return total


@np.errstate(all="ignore")
def cost_prime(name: str, a: ArrayLike, y: ArrayLike, rest: ArrayLike | None = None) -> Array:
    """Compute C′ = ∂C/∂a, of the shape of a.

    0/0 is read as 0, and hinge at its tie y a = 1 as −y/2. The rest is 1 − a, as of `cost`.

    >>> cost_prime("quadratic", [1, 2], [1, 0])
    array([0., 2.])
    """
    _, C_prime = _look_up("cost", _COST, name)
    a, y, rest = _cost_arguments(name, a, y, rest)
    return C_prime(a, y, rest)


def _cost_arguments(name: str, a: ArrayLike, y: ArrayLike, rest: ArrayLike | None) -> list[Array]:
    a, y = _numbers(a, y, exact=name in RATIONAL)
    (rest,) = _numbers(1 - a if rest is None else rest, exact=name in RATIONAL)
    _check(a.shape == y.shape == rest.shape, a=a, y=y, rest=rest)
    return [a, y, rest]


def _times_log(y: Array, log: Array) -> Array:
    return np.where((y == 0) & (log == -math.inf), 0, y * log)  # 0 ln 0 = 0


def _log(a: Array, rest: Array) -> Array:
    return np.where(a > 0.5, np.log1p(-rest), np.log(a))


def _divide(y: Array, a: Array) -> Array:
    return np.where((y == 0) & (a == 0), 0, y / a)  # 0/0 = 0, the derivative of 0 ln a


def _times(y: Array, term: Array) -> Array:
    return np.where(y == 0, 0, y * term)  # a target of 0 leaves out an infinite term


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _from_softmax(z: Array, y: Array) -> Array:
    largest = z.argmax(axis=-1, keepdims=True)
    shifted: Array = z - np.take_along_axis(z, largest, axis=-1)
    powers = np.exp(shifted)
    np.put_along_axis(powers, largest, 0, axis=-1)
    # Beside the largest term's e⁰ = 1 small ones would be lost.
    log_sum: Array = np.log1p(powers.sum(axis=-1, keepdims=True))
    return _times(y, log_sum - shifted)


def _from_softmax_prime(z: Array, y: Array) -> Array:
    # aₖ Σ yⱼ − yₖ Σ aⱼ over the others: of aₖ Σ y − yₖ the terms that cancel are left out.
    a, others = _softmax(z), 1 - np.eye(z.shape[-1])
    prime: Array = a * (y @ others) - y * (a @ others)
    return prime


_COST: dict[str, tuple[_CostRule, _CostRule]] = {
    "quadratic": (lambda a, y, rest: (a - y) ** 2 / 2, lambda a, y, rest: a - y),
    "cross_entropy": (
        lambda a, y, rest: -_times_log(y, _log(a, rest)) - _times_log(1 - y, _log(rest, a)),
        lambda a, y, rest: _divide(1 - y, rest) - _divide(y, a),
    ),
    "log_likelihood": (
        lambda a, y, rest: -_times_log(y, _log(a, rest)),
        lambda a, y, rest: -_divide(y, a),
    ),
    "hinge": (
        lambda a, y, rest: np.maximum(0, 1 - y * a),
        lambda a, y, rest: -y * (1 + np.sign(1 - y * a)) / 2,
    ),
    "cross_entropy_from_z": (
        lambda z, y, rest: _times(y, _softplus(-z)) + _times(1 - y, _softplus(z)),
        lambda z, y, rest: (1 - y) * _sigmoid(z) - y * _sigmoid(-z),  # σ(z) − y
    ),
    "log_likelihood_from_z": (
        lambda z, y, rest: _from_softmax(z, y),
        lambda z, y, rest: _from_softmax_prime(z, y),
    ),
}
COSTS = tuple(_COST)

# --- How numbers, shapes and names are checked. ---------------------------------------------------

RATIONAL = {
    "linear", "relu", "leaky_relu", "softsign", "hard_tanh", "hard_sigmoid", "quadratic", "hinge",
}  # fmt: skip
_fraction = np.frompyfunc(lambda v: Fraction(v) if isinstance(v, int) else v, 1, 1)


def _numbers(*values: ArrayLike, exact: bool = True) -> list[Array]:
    """Make arrays of Fractions if there are object arrays and none of floats; else of float64."""
    arrays = [np.asarray(value) for value in values]
    kinds = {array.dtype.kind for array in arrays}
    if exact and "O" in kinds and "f" not in kinds:
        return [np.asarray(_fraction(array.astype(object))) for array in arrays]
    return [array.astype(np.float64) for array in arrays]


def _check(fit: bool, **arrays: Array) -> None:
    if not fit:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"shapes do not fit: {shapes}")


def _look_up(kind: str, table: Mapping[str, _Rule], name: str) -> _Rule:
    if name not in table:
        raise ValueError(f"unknown {kind} {name!r}; known are {', '.join(table)}")
    return table[name]
