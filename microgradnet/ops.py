"""The table of operations: value, vector-Jacobian rule and notation of each, and nothing else.

The letters: m is the arithmetic of the numbers at hand, x, y, z are operands in order, g = ∂C/∂y
is the adjoint of the result. In a rule of one operand the result is y; in rules of two or more
it is called out. A rule returns g·∂/∂operand, one contribution for each operand.

Where a choice leaves an operand without a part in the result, whatever the other numbers, the
rule says m.no_part instead of 0: nothing is passed on there.

Edge cases are decided here, in the line concerned, as PyTorch's float64 decides them; where
that is less accurate than the mathematical value or its one-sided limit, by the latter.
Constants are exact; they become floats where they meet floats.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache, partial, reduce
from typing import Any, TypeAlias, TypeVar, overload

from microgradnet.arithmetic import NO_PART, Arithmetic, Number, operand
from microgradnet.operation import Operation, Recorder, operation, recorder

__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atanh", "cos", "cosh", "divide",
    "elu", "erf", "erfc", "exp", "expm1", "exponential", "gelu", "hard_sigmoid", "hard_tanh",
    "hypot", "leaky_relu", "log", "log1p", "log_sum_exp", "maximum", "minimum", "multiply",
    "negative", "norm", "power", "power_constant", "raise_to", "relu", "sigmoid", "silu", "sin",
    "sinh", "softmax", "softmax_component", "softplus", "softsign", "split_weighted_sum", "sqrt",
    "subtract", "tan", "tanh", "weighted_input", "weighted_sum", "xlogy",
]  # fmt: skip

M: TypeAlias = Arithmetic
N: TypeAlias = Number
R = TypeVar("R", bound=Recorder)
T = TypeVar("T")
Contributions: TypeAlias = "tuple[N, ...]"


# Arithmetic


def add_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    return g, g


@operation(add_vjp, "$x + $y", "$x + $y", symbol="+")
def add(m: M, x: N, y: N) -> N:
    """Compute the sum x + y."""
    return x + y


def subtract_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    return g, -g


@operation(subtract_vjp, "$x - $y", "$x - $y", symbol="-")
def subtract(m: M, x: N, y: N) -> N:
    """Compute the difference x − y."""
    return x - y


def multiply_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    return g * y, g * x


@operation(multiply_vjp, "$x * $y", r"$x \cdot $y", symbol="*")
def multiply(m: M, x: N, y: N) -> N:
    """Compute x·y."""
    return x * y


def divide_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    return m.divide(g, y), m.scaled(-g, m.divide(out, y), out, y)


@operation(divide_vjp, "$x / $y", r"\frac{$x}{$y}", symbol="/")
def divide(m: M, x: N, y: N) -> N:
    """Compute x/y. Floats: 1/0 is inf and 0/0 is NaN; rationals raise ZeroDivisionError."""
    return m.divide(x, y)


def negative_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (-g,)


@operation(negative_vjp, "-$x", "-$x", symbol="neg")
def negative(m: M, x: N) -> N:
    """Compute −x."""
    return -x


def power_constant_vjp(m: M, g: N, y: N, x: N, *, exponent: N) -> Contributions:
    if exponent == 0:  # x⁰ is 1 everywhere, also at 0 where x⁻¹ is infinite
        return (m.no_part if m.no_part is NO_PART else m.convert(m.no_part),)
    exponent = m.convert(exponent)
    return (m.scaled(g * exponent, m.power(x, exponent - 1), y, x),)


@operation(power_constant_vjp, "$x**$exponent", "{$x}^{$exponent}", symbol="**$exponent")
def power_constant(m: M, x: N, *, exponent: N = 2) -> N:
    """Compute a power of x with a constant exponent."""
    return m.power(x, exponent)


def exponential_vjp(m: M, g: N, y: N, x: N, *, base: N) -> Contributions:
    # base 0, x ≥ 0: y is 0 (or 1) on the right, whatever ln 0 is; as in raise_to.
    base = m.convert(base)
    by_x = m.power_log(g, base, x, y)
    return (m.where(m.both(m.equal(base, 0), x >= 0), m.no_part, by_x),)


@operation(exponential_vjp, "$base**$x", "{$base}^{$x}", symbol="$base**")
def exponential(m: M, x: N, *, base: N = 2) -> N:
    """Raise a constant to the power x."""
    return m.power(m.convert(base), x)


def raise_to_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    # y = 0: x⁰ is 1 everywhere, also where x⁻¹ is infinite or NaN; elsewhere y·x^(y − 1) is 0 by
    # itself, and its own derivative by y is not. x = 0, y ≥ 0: out is 0 (or 1) on the right,
    # whatever ln 0 is.
    flat = m.equal(m.where(m.abs(x) > 0, m.convert(1), y), 0)
    by_x = m.where(flat, m.no_part, m.power_slope(g, x, y, out))
    by_y = m.where(m.both(m.equal(x, 0), y >= 0), m.no_part, m.power_log(g, x, y, out))
    return by_x, by_y


@operation(raise_to_vjp, "$x**$y", "{$x}^{$y}", symbol="**")
def raise_to(m: M, x: N, y: N) -> N:
    """Compute the power xʸ, both variable."""
    return m.power(x, y)


@overload
def power(x: R, y: R | N) -> R: ...
@overload
def power(x: N, y: R) -> R: ...
@overload
def power(x: N, y: N) -> N: ...
def power(x: Any, y: Any) -> Any:
    """Compute the power xʸ, each a Value or a number.

    Three operations stand behind it, with a rule each: xᶜ (c constant), cʸ, and xʸ.

    >>> power(2.0, 3.0)
    8.0
    """
    variable_x, variable_y = recorder((x,)) is not None, recorder((y,)) is not None
    x = x if variable_x else operand(x, constant=True)
    y = y if variable_y else operand(y, constant=True)
    if isinstance(y, Decimal) and y.is_finite() and y == y.to_integral_value():
        y = int(y)
    if variable_x and not variable_y and isinstance(y, (int, float, Fraction)):
        return power_constant(x, exponent=y)
    if variable_y and not variable_x and isinstance(x, (int, float, Fraction)):
        return exponential(y, base=x)
    return raise_to(x, y)


def abs_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.where(x > 0, g, m.where(x < 0, -g, m.no_part)),)  # |x|′(0) = 0


@operation(abs_vjp, "|$x|", r"\left|$x\right|")
def abs(m: M, x: N) -> N:
    """Compute |x|; its derivative at 0 is 0."""
    return m.abs(x)


def maximum_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    tie = m.where(m.equal(x, y), m.divide(g, 2), g)  # half to each at a tie
    return m.where(x < y, m.no_part, tie), m.where(x > y, m.no_part, tie)


@operation(maximum_vjp, "max($x, $y)", r"\max\left($x, $y\right)", symbol="max")
def maximum(m: M, x: N, y: N) -> N:
    """Return the larger of two; at a tie each has derivative ½.

    np.maximum compares the Values of an array by itself and returns one of the two operands as it
    is: NumPy asks nothing of them. So a tie has slope 1 there; `maximum`, entry by entry, has not.
    """
    return m.where(x > y, x, m.where(y >= x, y, x + y))  # x + y where one is NaN


def minimum_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    tie = m.where(m.equal(x, y), m.divide(g, 2), g)
    return m.where(x > y, m.no_part, tie), m.where(x < y, m.no_part, tie)


@operation(minimum_vjp, "min($x, $y)", r"\min\left($x, $y\right)", symbol="min")
def minimum(m: M, x: N, y: N) -> N:
    """Return the smaller of two; at a tie each has derivative ½. Of np.minimum see `maximum`."""
    return m.where(x < y, x, m.where(y <= x, y, x + y))


# Elementary functions


def exp_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * y,)


@operation(exp_vjp, latex="e^{$x}")
def exp(m: M, x: N) -> N:
    """Compute eˣ."""
    return m.exp(x)


def expm1_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * m.exp(x),)  # y + 1 would have no digits left where eˣ is small


@operation(expm1_vjp, latex="e^{$x} - 1")
def expm1(m: M, x: N) -> N:
    """Compute eˣ − 1, accurate near 0."""
    return m.expm1(x)


def log_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.divide(g, x),)


@operation(log_vjp, latex=r"\ln\left($x\right)")
def log(m: M, x: N) -> N:
    """Compute the natural logarithm; −inf at 0."""
    return m.log(x)


def log1p_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.log1p_slope(g, x, y),)


@operation(log1p_vjp, latex=r"\ln\left(1 + $x\right)")
def log1p(m: M, x: N) -> N:
    """Compute ln(1 + x), accurate near 0."""
    return m.log1p(x)


def sqrt_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.divide(g, 2 * y),)


@operation(sqrt_vjp, latex=r"\sqrt{$x}")
def sqrt(m: M, x: N) -> N:
    """Compute √x; its derivative at 0 is inf.

    For √(x² + y²) use `hypot` or `norm`, which are right where x² is beyond the floats, too.
    """
    return m.sqrt(x)


def hypot_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    return _along(m, g, out, (x, y))


def _along(m: M, g: N, norm: N, xs: Sequence[N]) -> Contributions:
    """Return the contributions of a norm, g·x/norm; none at 0, as of |x|."""
    zero = m.equal(norm, 0)
    others = [(*xs[:k], *xs[k + 1 :]) for k in range(len(xs))]
    cosines = [m.cosine(x, rest, norm) for x, rest in zip(xs, others, strict=True)]
    return tuple(m.where(zero, m.no_part, g * cosine) for cosine in cosines)


@operation(hypot_vjp, latex=r"\sqrt{{$x}^2 + {$y}^2}")
def hypot(m: M, x: N, y: N) -> N:
    """Compute √(x² + y²); the squares may be beyond the floats. At 0 its derivatives are 0."""
    return m.hypot(x, y)


def norm_vjp(m: M, g: N, out: N, *xs: N) -> Contributions:
    return _along(m, g, out, xs)


@operation(norm_vjp, "norm($xs)", r"\left\|$xs\right\|")
def norm(m: M, *xs: N) -> N:
    """Compute the Euclidean norm √(Σ xₖ²), where the squares may be beyond the floats."""
    length = m.abs(xs[0])
    for x in xs[1:]:
        length = m.hypot(length, x)
    return length


def sin_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * m.cos(x),)


@operation(sin_vjp, latex=r"\sin\left($x\right)")
def sin(m: M, x: N) -> N:
    """Compute the sine, of radians."""
    return m.sin(x)


def cos_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (-g * m.sin(x),)


@operation(cos_vjp, latex=r"\cos\left($x\right)")
def cos(m: M, x: N) -> N:
    """Compute the cosine, of radians."""
    return m.cos(x)


def tan_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * (1 + y * y),)


@operation(tan_vjp, latex=r"\tan\left($x\right)")
def tan(m: M, x: N) -> N:
    """Compute the tangent, of radians."""
    return m.tan(x)


def asin_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.divide(g, m.sqrt(m.one_minus_square(x))),)


@operation(asin_vjp, latex=r"\arcsin\left($x\right)")
def asin(m: M, x: N) -> N:
    """Compute the inverse sine, in radians."""
    return m.asin(x)


def acos_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.divide(-g, m.sqrt(m.one_minus_square(x))),)


@operation(acos_vjp, latex=r"\arccos\left($x\right)")
def acos(m: M, x: N) -> N:
    """Compute the inverse cosine, in radians."""
    return m.acos(x)


def atan_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    hypotenuse = m.hypot(x, m.convert(1))  # 1 + x² would overflow where 1/(1 + x²) is not yet 0
    return (m.divide(m.divide(g, hypotenuse), hypotenuse),)


@operation(atan_vjp, latex=r"\arctan\left($x\right)")
def atan(m: M, x: N) -> N:
    """Compute the inverse tangent, in radians."""
    return m.atan(x)


def sinh_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * m.cosh(x),)


@operation(sinh_vjp, latex=r"\sinh\left($x\right)")
def sinh(m: M, x: N) -> N:
    """Compute the hyperbolic sine."""
    return m.sinh(x)


def cosh_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * m.sinh(x),)


@operation(cosh_vjp, latex=r"\cosh\left($x\right)")
def cosh(m: M, x: N) -> N:
    """Compute the hyperbolic cosine."""
    return m.cosh(x)


def tanh_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    sech = m.sech(x)
    return (g * sech * sech,)  # the usual 1 − tanh² x has no digits left beyond |x| = 19


def tanh_complement(m: M, x: N) -> N:
    return 2 * m.sigmoid(-2 * x)


@operation(tanh_vjp, complement=tanh_complement, odd=True, latex=r"\tanh\left($x\right)")
def tanh(m: M, x: N) -> N:
    """Compute the hyperbolic tangent."""
    return m.tanh(x)


def asinh_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.divide(g, m.hypot(x, m.convert(1))),)


@operation(asinh_vjp, latex=r"\operatorname{arsinh}\left($x\right)")
def asinh(m: M, x: N) -> N:
    """Compute the inverse hyperbolic sine."""
    return m.asinh(x)


def acosh_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    # √(x² − 1) without overflow; |x|, so that below −1 it is PyTorch's
    return (m.divide(m.divide(g, m.sqrt(m.abs(x) - 1)), m.sqrt(m.abs(x) + 1)),)


@operation(acosh_vjp, latex=r"\operatorname{arcosh}\left($x\right)")
def acosh(m: M, x: N) -> N:
    """Compute the inverse hyperbolic cosine."""
    return m.acosh(x)


def atanh_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    # Of tanh z, y is z with its digits, where x is close to 1 and 1 − x² has lost them.
    sech = m.sech(y)
    known_better = m.abs(y - m.atanh(x)) > 0
    return (m.divide(g, m.where(known_better, sech * sech, m.one_minus_square(x))),)


@operation(atanh_vjp, latex=r"\operatorname{artanh}\left($x\right)")
def atanh(m: M, x: N) -> N:
    """Compute the inverse hyperbolic tangent."""
    return m.atanh(x)


def erf_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * m.divide(2 * m.gaussian(x), m.sqrt(m.pi)),)


def erf_complement(m: M, x: N) -> N:
    return m.erfc(x)


@operation(erf_vjp, complement=erf_complement, odd=True, latex=r"\operatorname{erf}\left($x\right)")
def erf(m: M, x: N) -> N:
    """Compute the error function, 2/√π ∫₀ˣ exp(−t²) dt."""
    return m.erf(x)


def erfc_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (-g * m.divide(2 * m.gaussian(x), m.sqrt(m.pi)),)


def erfc_complement(m: M, x: N) -> N:
    return m.erf(x)


@operation(erfc_vjp, complement=erfc_complement, latex=r"\operatorname{erfc}\left($x\right)")
def erfc(m: M, x: N) -> N:
    """Compute the complement 1 − erf x of the error function, keeping its digits on the right."""
    return m.erfc(x)


def xlogy_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    # x = 0: the function is 0 for all y > 0, up to y = 0.
    by_x = m.where(m.both(m.equal(x, 0), y <= 0), m.no_part, g * m.log(y))
    by_y = m.scaled(g, m.divide(x, y), x, y)
    return by_x, m.where(m.both(m.equal(x, 0), m.equal(y, 0)), m.no_part, by_y)


@operation(xlogy_vjp, "$x*log($y)", r"$x \ln\left($y\right)")
def xlogy(m: M, x: N, y: N) -> N:
    """Compute the product x ln y, where 0 ln 0 = 0: so a cost's y ln a needs no branch."""
    return m.xlogy(x, y)


# Activations


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


# Operations of any number of operands


def log_sum_exp_vjp(m: M, g: N, y: N, *xs: N) -> Contributions:
    shares = m.softmax(xs)
    return tuple(
        m.near_one(g, share, partial(_others, m, shares, k)) for k, share in enumerate(shares)
    )


@operation(log_sum_exp_vjp, "log_sum_exp($xs)", symbol="lse")
def log_sum_exp(m: M, *xs: N) -> N:
    """Compute the logarithm ln Σₖ exp xₖ, without overflow."""
    return m.log_sum_exp(xs)


def softmax_component_vjp(m: M, g: N, y: N, *xs: N, index: int) -> Contributions:
    shares = m.softmax(xs)
    others = _others(m, shares, index)
    return tuple(g * y * others if k == index else -g * y * share for k, share in enumerate(shares))


def softmax_component_complement(m: M, *xs: N, index: int) -> N:
    return _others(m, m.softmax(xs), index)


def _others(m: M, shares: Sequence[N], index: int) -> N:
    """Sum the shares but one, which is 1 − that one: beside 1 the subtraction would lose it."""
    # sum() adds floats otherwise from Python 3.12 on
    return reduce(operator.add, [*shares[:index], *shares[index + 1 :]], m.convert(0))


@operation(
    softmax_component_vjp,
    "softmax($xs)[$index]",
    symbol="softmax[$index]",
    complement=softmax_component_complement,
)
def softmax_component(m: M, *xs: N, index: int = 0) -> N:
    """Compute the share exp xᵢ / Σₖ exp xₖ for one i, the index (counted from 0)."""
    if not 0 <= index < len(xs):
        raise IndexError(f"softmax of {len(xs)} operands has no component {index}")
    return m.softmax(xs)[index]


@overload
def softmax(xs: Sequence[R]) -> list[R]: ...
@overload
def softmax(xs: Sequence[N]) -> list[N]: ...
def softmax(xs: Sequence[Any]) -> list[Any]:
    """Compute the shares exp xᵢ / Σₖ exp xₖ for every i: positive and summing to 1.

    >>> softmax([0.0, 0.0])
    [0.5, 0.5]
    """
    return [component(*xs) for component in _components(len(xs))]


@lru_cache
def _components(n: int) -> list[Operation]:
    """List the operations of all n components: to find them anew takes longer than to run them."""
    return [softmax_component.variant(index=i) for i in range(n)]


def split_weighted_sum(operands: Sequence[T]) -> tuple[Sequence[T], Sequence[T], T]:
    """Return the weights, the activations and the bias among the operands of `weighted_sum`.

    >>> split_weighted_sum(["w₁", "w₂", "a₁", "a₂", "b"])
    (['w₁', 'w₂'], ['a₁', 'a₂'], 'b')
    """
    n = len(operands) // 2
    return operands[:n], operands[n:-1], operands[-1]


def weighted_sum_vjp(m: M, g: N, out: N, *xs: N) -> Contributions:
    weights, activations, _ = split_weighted_sum(xs)
    return (*[g * a for a in activations], *[g * w for w in weights], g)


def _write_weighted_sum(*xs: str) -> str:
    weights, activations, bias = split_weighted_sum(xs)
    products = (f"{w} {a}" for w, a in zip(weights, activations, strict=True))
    return " + ".join([*products, bias])


@operation(weighted_sum_vjp, _write_weighted_sum, _write_weighted_sum, symbol="Σwa+b")
def weighted_sum(m: M, *xs: N) -> N:
    """Compute Σₖ wₖaₖ + b, of the operands w₁ … wₙ, a₁ … aₙ, b."""
    weights, activations, z = split_weighted_sum(xs)
    for w, a in zip(weights, activations, strict=True):  # sum() adds floats otherwise from 3.12 on
        z = z + w * a
    return z


@overload
def weighted_input(weights: Sequence[R], activations: Sequence[R | N], bias: R | N) -> R: ...
@overload
def weighted_input(weights: Sequence[N], activations: Sequence[N], bias: N) -> N: ...
def weighted_input(weights: Sequence[Any], activations: Sequence[Any], bias: Any) -> Any:
    """Compute the weighted input z = Σₖ wₖaₖ + b of a neuron, as one operation.

    weights and activations are equally long (ValueError otherwise); each entry, and the bias, is
    a Value or a number.

    >>> weighted_input([2.0, 3.0], [5.0, 7.0], 1.0)
    32.0
    """
    if len(weights) != len(activations):
        raise ValueError(f"{len(weights)} weights for {len(activations)} activations")
    return weighted_sum(*weights, *activations, bias)
