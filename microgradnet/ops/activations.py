"""Activations of neurons."""

from __future__ import annotations

from fractions import Fraction

from microgradnet.operation import operation
from microgradnet.ops.signature import Contributions, M, N

__all__ = [
    "celu", "elu", "gelu", "hard_sigmoid", "hard_tanh", "leaky_relu", "log_sigmoid", "mish",
    "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign",
]  # fmt: skip


def sigmoid_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.sigmoid_slope(g, x),)  # y(1 − y) has no digits left beyond x = 37


def sigmoid_complement(m: M, x: N) -> N:
    return m.sigmoid(-x)


@operation(sigmoid_vjp, complement=sigmoid_complement, latex=r"\sigma\left($x\right)")
def sigmoid(m: M, x: N) -> N:
    """Compute σ(x) = 1/(1 + e⁻ˣ); σ′(x) = σ(x) σ(−x)."""
    return m.sigmoid(x)


def relu_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.where(x <= 0, m.no_part, g),)  # relu′(0) = 0


@operation(relu_vjp, symbol="ReLU", latex=r"\operatorname{relu}\left($x\right)")
def relu(m: M, x: N) -> N:
    """Compute max(0, x); its derivative at 0 is 0."""
    return m.where(x <= 0, 0, x)


def leaky_relu_vjp(m: M, g: N, y: N, x: N, *, slope: N) -> Contributions:
    left = g * m.convert(slope) if slope else m.no_part
    return (m.where(x > 0, g, left),)  # leaky_relu′(0) = slope


@operation(leaky_relu_vjp)
def leaky_relu(m: M, x: N, *, slope: N = Fraction(1, 100)) -> N:
    """Return x where x > 0, else slope·x; its derivative at 0 is the slope."""
    return m.where(x > 0, x, x * m.convert(slope))


def elu_vjp(m: M, g: N, y: N, x: N, *, alpha: N) -> Contributions:
    return (m.where(x <= 0, g * m.convert(alpha) * m.exp(x) if alpha else m.no_part, g),)


@operation(elu_vjp)
def elu(m: M, x: N, *, alpha: N = 1) -> N:
    """Return x where x > 0, else α(eˣ − 1)."""
    return m.where(x <= 0, m.convert(alpha) * m.expm1(x), x)


def softplus_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * m.sigmoid(x),)


@operation(softplus_vjp)
def softplus(m: M, x: N) -> N:
    """Compute ln(1 + eˣ); softplus′ = σ."""
    return m.softplus(x)


def silu_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * (m.sigmoid(x) + m.vanishing_product(x, m.sigmoid(x) * m.sigmoid(-x))),)


@operation(silu_vjp)
def silu(m: M, x: N) -> N:
    """Compute the product x σ(x), also called swish."""
    return m.vanishing_product(x, m.sigmoid(x))


def gelu_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    density = m.divide(m.gaussian(x, 2), m.sqrt(2 * m.pi))
    return (g * (m.normal_cdf(x) + m.vanishing_product(x, density)),)


@operation(gelu_vjp)
def gelu(m: M, x: N) -> N:
    """Compute the product x Φ(x), where Φ is the normal distribution function (the erf form)."""
    return m.vanishing_product(x, m.normal_cdf(x))


def softsign_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    scale = 1 + m.abs(x)
    return (m.divide(m.divide(g, scale), scale),)


@operation(softsign_vjp)
def softsign(m: M, x: N) -> N:
    """Compute the quotient x / (1 + |x|)."""
    limit = m.where(x > 0, 1, -1)  # at ±inf, where the quotient is inf/inf
    return m.where(m.is_infinite(x), limit, m.divide(x, 1 + m.abs(x)))


def hard_tanh_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.where(x <= -1, m.no_part, m.where(x >= 1, m.no_part, g)),)  # hard_tanh′(±1) = 0


@operation(hard_tanh_vjp)
def hard_tanh(m: M, x: N) -> N:
    """Clip x, at least −1 and at most 1; its derivative at ±1 is 0."""
    return m.where(x <= -1, -1, m.where(x >= 1, 1, x))


def hard_sigmoid_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.where(m.both(x > -3, x < 3), m.divide(g, 6), m.no_part),)  # hard_sigmoid′(±3) = 0


@operation(hard_sigmoid_vjp)
def hard_sigmoid(m: M, x: N) -> N:
    """Clip x/6 + ½, at least 0 and at most 1; its derivative at ±3 is 0."""
    return m.where(x <= -3, 0, m.where(x >= 3, 1, m.divide(x + 3, 6)))


def log_sigmoid_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * m.sigmoid(-x),)


@operation(log_sigmoid_vjp, latex=r"\ln \sigma\left($x\right)")
def log_sigmoid(m: M, x: N) -> N:
    """Compute ln σ(x) = −ln(1 + e⁻ˣ), without underflow."""
    return -m.softplus(-x)


def relu6_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.where(x <= 0, m.no_part, m.where(x >= 6, m.no_part, g)),)  # relu6′(6) = 0


@operation(relu6_vjp)
def relu6(m: M, x: N) -> N:
    """Clip x, at least 0 and at most 6; its derivative at 0 and 6 is 0."""
    return m.where(x <= 0, 0, m.where(x >= 6, 6, x))


def celu_vjp(m: M, g: N, y: N, x: N, *, alpha: N) -> Contributions:
    return (m.where(x <= 0, g * m.exp(m.divide(x, m.convert(alpha))), g),)


@operation(celu_vjp)
def celu(m: M, x: N, *, alpha: N = 1) -> N:
    """Return x where x > 0, else α(eˣᐟᵅ − 1), whose derivative at 0 is 1."""
    alpha = m.convert(alpha)
    return m.where(x <= 0, alpha * m.expm1(m.divide(x, alpha)), x)


# G. Klambauer et al., Self-Normalizing Neural Networks, 2017
_SELU_SCALE = Fraction("1.0507009873554804934193349852946")
_SELU_ALPHA = Fraction("1.6732632423543772848170429916717")


def selu_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    left = m.convert(_SELU_SCALE * _SELU_ALPHA)
    return (m.where(x <= 0, g * left * m.exp(x), g * m.convert(_SELU_SCALE)),)


@operation(selu_vjp)
def selu(m: M, x: N) -> N:
    """Return λx where x > 0, else λα(eˣ − 1): the elu that keeps mean 0 and variance 1."""
    left = m.convert(_SELU_SCALE * _SELU_ALPHA)
    return m.where(x <= 0, left * m.expm1(x), m.convert(_SELU_SCALE) * x)


def mish_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    # 1/cosh ln(1 + eˣ) by n = e^−|x|, as the logarithm's rounding would be amplified by its size
    right = x > 0
    n = m.exp(m.where(right, -x, x))
    one, other = 1 + n, m.where(right, n, 1)
    sech = m.divide(2 * one * other, one * one + other * other)
    slope = m.vanishing_product(x, sech * sech * m.sigmoid(x))
    return (g * (m.tanh(m.softplus(x)) + slope),)


@operation(mish_vjp)
def mish(m: M, x: N) -> N:
    """Compute the product x tanh(ln(1 + eˣ))."""
    return m.vanishing_product(x, m.tanh(m.softplus(x)))
