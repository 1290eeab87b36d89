"""Elementary functions: exponentials, roots, circular and hyperbolic functions, erf."""

from __future__ import annotations

from collections.abc import Sequence

from microgradnet.operation import operation
from microgradnet.ops.signature import Contributions, M, N

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "degrees",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "hypot",
    "log",
    "log1p",
    "log2",
    "log10",
    "logit",
    "norm",
    "radians",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "xlogy",
]  # fmt: skip


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


def log2_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.divide(m.divide(g, m.log(m.convert(2))), x),)  # x ln 2 could overflow, or have less


@operation(log2_vjp, latex=r"\log_2\left($x\right)")
def log2(m: M, x: N) -> N:
    """Compute the logarithm to base 2; −inf at 0."""
    return m.log2(x)


def log10_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.divide(m.divide(g, m.log(m.convert(10))), x),)


@operation(log10_vjp, latex=r"\log_{10}\left($x\right)")
def log10(m: M, x: N) -> N:
    """Compute the logarithm to base 10; −inf at 0."""
    return m.log10(x)


def cbrt_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (m.divide(g, 3 * y * y),)


@operation(cbrt_vjp, latex=r"\sqrt[3]{$x}")
def cbrt(m: M, x: N) -> N:
    """Compute the real cube root, which has the sign of x; its derivative at 0 is inf."""
    return m.cbrt(x)


def atan2_vjp(m: M, g: N, out: N, y: N, x: N) -> Contributions:
    length = m.hypot(y, x)
    zero = m.equal(length, 0)  # there the angle jumps
    by_y, by_x = m.cosine(x, (y,), length), -m.cosine(y, (x,), length)
    return tuple(m.where(zero, m.no_part, m.divide(g * c, length)) for c in (by_y, by_x))


@operation(atan2_vjp, "atan2($x, $y)", r"\operatorname{atan2}\left($x, $y\right)")
def atan2(m: M, y: N, x: N) -> N:
    """Compute the angle of the point (x, y) in radians, from −π to π.

    y comes first, as in y/x.

    >>> atan2(1.0, -1.0)
    2.356194490192345
    """
    return m.atan2(y, x)


def degrees_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * m.divide(m.convert(180), m.pi),)


@operation(degrees_vjp)
def degrees(m: M, x: N) -> N:
    """Convert an angle from radians to degrees."""
    return x * m.divide(m.convert(180), m.pi)


def radians_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (g * m.divide(m.pi, 180),)


@operation(radians_vjp)
def radians(m: M, x: N) -> N:
    """Convert an angle from degrees to radians."""
    return x * m.divide(m.pi, 180)


def logit_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    middle = m.divide(4 * g, m.one_minus_square(2 * x - 1))  # symmetric about ½, as its own slope
    slope = m.where(_near_half(m, x), middle, m.divide(m.divide(g, x), 1 - x))
    return (m.where(m.equal(y, y), slope, y),)  # NaN outside the domain, where x(1 − x) is a number


def _near_half(m: M, x: N) -> N:
    return m.both(16 * x > 5, 16 * x < 11)


@operation(logit_vjp, latex=r"\operatorname{logit}\left($x\right)")
def logit(m: M, x: N) -> N:
    """Compute ln(x/(1 − x)), the inverse of σ; ±inf at 1 and 0."""
    # Near ½ the logarithm is that of nearly 1, and 2x − 1 is exact.
    return m.where(_near_half(m, x), 2 * m.atanh(2 * x - 1), m.log(m.divide(x, 1 - x)))
