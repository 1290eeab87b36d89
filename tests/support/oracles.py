"""Oracles of the table of operations: mpmath, and difference quotients at hundreds of digits.

`check_operation` judges any entry of the table, known here or not: its forward function is run in
mpmath's arithmetic, differentiated there by difference quotients at hundreds of digits, and both
its rule in mpmath and its rule in floats are held against that. For the entries it knows, value
formulas written independently are held against the forward function as well.

u = 2⁻⁵³ is the largest relative error of one rounding. The bound of a float result r is

    u·(a·|r| + b·Σₖ |xₖ ∂r/∂xₖ|) + 2⁻¹⁰²²

a counts roundings: 1 for an operation, LIBRARY for a function of the mathematical library. b
counts the roundings of an argument, which the function then amplifies by its condition number,
and those of terms that cancel. The last summand is underflow, which is not promised to be gradual.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any, TypeAlias

from mpmath import mp, mpf

from microgradnet import Value, ops
from microgradnet.arithmetic import NO_PART, evaluate
from microgradnet.graph import topological_order
from microgradnet.operation import Operation, operations

__all__ = [
    "EDGES",
    "VALUES",
    "check_operation",
    "check_point",
    "grid",
    "is_flat",
    "limit",
    "operands",
    "running_error",
    "second_slope",
    "variants",
]

U = mpf(2) ** -53
TINY = mpf(2) ** -1022
HUGE = (2 - mpf(2) ** -53) * mpf(2) ** 1023  # from here on floats round to infinity
LIBRARY = 8  # four units in the last place, which no libm in use exceeds

EDGES = [
    *(s * x for x in (0.0, 1e-300, 1e-8, 1.0, 2.5, 3.0, 20.0, 50.0, 800.0) for s in (1, -1)),
    *(s * x for x in (1e10, 1e300, math.inf) for s in (1, -1)),
    709.0,
    math.nan,
]


# What is tested

_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "power_constant": [{"exponent": c} for c in (-3, -1, 0, 1, 3, 0.5, 1 / 3, -1.5)],
    "exponential": [{"base": c} for c in (0, 0.5, 1, 10.0)],
    "leaky_relu": [{"slope": 0.5}],
    "elu": [{"alpha": 1.5}],
    "softmax_component": [{"index": 1}, {"index": 2}],
    "celu": [{"alpha": 0.5}],
    "var": [{"ddof": 1}],
}


def variants(names: Iterable[str] | None = None) -> list[Operation]:
    """Every entry of the table, and further parameters of those that have some."""
    chosen = [op for op in operations() if names is None or op.name in names]
    return chosen + [
        op.variant(**parameters) for op in chosen for parameters in _PARAMETERS.get(op.name, ())
    ]


def operands(op: Operation) -> int:
    """How many operands to test with: of sums of products two k, of others of any number three."""
    if op.arity is not None:
        return op.arity
    return {"weighted_sum": 5, "dot_product": 4}.get(op.name, 3)


_POINTS = (
    *(-800.0, -300.0, -40.5, -25.0, -7.5, -2.6, -1.3, -0.7, -0.1, -1e-8, -1e-100),
    *(0.0, 1e-300, 1e-16, 1e-3, 0.25, 0.7, 1.3, 2.6, 5.5, 19.0, 30.0, 300.0, 709.0, 1e10),
    *(math.nextafter(-1, 0), math.nextafter(1, 0), math.nextafter(1, 2), -1.0, 1.0, 1e155),
)


def grid(op: Operation) -> list[tuple[float, ...]]:
    """Fixed points: in the tails, near the ends of the domains, and where nothing is special."""
    n = operands(op)
    if n == 1:
        return [(x,) for x in _POINTS]
    if n == 2:
        return list(product((-40.5, -1.3, -0.25, 0.0, 1e-8, 0.7, 2.6, 30.0), repeat=2))
    return list(product((-1.3, 0.7, 30.0), repeat=n))[:: 3 ** (n - 3)]


def is_flat(op: Operation, k: int) -> bool:
    """Whether the operand has no part in the result, wherever it is: of ⌊x⌋ and of x > y."""
    return all(op.contributions(1.0, op(*xs), xs)[k] is NO_PART for xs in grid(op))


# Values, written independently

VALUES: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y if y else (x * mp.inf if x else mp.nan),
    "negative": lambda x: -x,
    "power_constant": lambda x, exponent=2: _power(x, mpf(exponent)),
    "exponential": lambda x, base=2: _power(mpf(base), x),
    "raise_to": lambda x, y: _power(x, y),
    "abs": lambda x: max(x, -x),
    "maximum": lambda x, y: sorted([x, y])[1],
    "minimum": lambda x, y: sorted([x, y])[0],
    "exp": mp.exp,
    "expm1": lambda x: mp.exp(x) - 1,
    "log": lambda x: _real(mp.log(x)) if x else -mp.inf,
    "log1p": lambda x: _real(mp.log(1 + x)) if x != -1 else -mp.inf,
    "sqrt": lambda x: _real(mp.root(x, 2)),
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": lambda x: mp.sin(x) / mp.cos(x),
    "asin": lambda x: _real(mp.asin(x)),
    "acos": lambda x: _real(mp.acos(x)),
    "atan": mp.atan,
    "sinh": lambda x: (mp.exp(x) - mp.exp(-x)) / 2,
    "cosh": lambda x: (mp.exp(x) + mp.exp(-x)) / 2,
    "tanh": lambda x: mp.expm1(2 * x) / (mp.exp(2 * x) + 1),
    "asinh": lambda x: mp.sign(x) * mp.log(abs(x) + mp.sqrt(x * x + 1)),
    "acosh": lambda x: mp.log(x + mp.sqrt(x * x - 1)) if x >= 1 else mp.nan,
    "atanh": lambda x: mp.log((1 + x) / (1 - x)) / 2 if abs(x) < 1 else _real(mp.atanh(x), x),
    "erf": lambda x: 2 * mp.ncdf(x * mp.sqrt(2)) - 1,
    "erfc": lambda x: 2 * mp.ncdf(-x * mp.sqrt(2)) if x < mpf("1e100") else mpf(0),
    "xlogy": lambda x, y: mpf(0) if x == 0 else x * VALUES["log"](y),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "relu": lambda x: max(x, mpf(0)),
    "leaky_relu": lambda x, slope=Fraction(1, 100): (
        max(x, x * slope.numerator / slope.denominator)
        if isinstance(slope, Fraction)
        else max(x, x * slope)
    ),
    "elu": lambda x, alpha=1: x if x > 0 else alpha * (mp.exp(x) - 1),
    "softplus": lambda x: mp.log(1 + mp.exp(x)),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "gelu": lambda x: x * mp.ncdf(x),
    "softsign": lambda x: x / (1 + abs(x)),
    "hard_tanh": lambda x: max(min(x, mpf(1)), mpf(-1)),
    "hard_sigmoid": lambda x: max(min(x / 6 + mpf(1) / 2, mpf(1)), mpf(0)),
    "hypot": lambda x, y: mp.sqrt(x * x + y * y),
    "norm": lambda *xs: mp.sqrt(mp.fsum(x * x for x in xs)),
    "log_sum_exp": lambda *xs: mp.log(mp.fsum(map(mp.exp, xs))),
    "softmax_component": lambda *xs, index=0: mp.exp(xs[index]) / mp.fsum(map(mp.exp, xs)),
    "total": lambda *xs: mp.fsum(xs),
    "dot_product": lambda u, v, x, y: u * x + v * y,
    "weighted_sum": lambda *xs: (
        mp.fdot(zip(xs[: len(xs) // 2], xs[len(xs) // 2 : -1], strict=True)) + xs[-1]
    ),
}


VALUES |= {
    "log2": lambda x: VALUES["log"](x) / mp.log(2),
    "log10": lambda x: VALUES["log"](x) / mp.log(10),
    "cbrt": lambda x: mp.sign(x) * mp.root(abs(x), 3),
    "atan2": lambda y, x: mp.arg(mp.mpc(x, y)) if x or y else mpf(0),
    "degrees": mp.degrees,
    "radians": mp.radians,
    "logit": lambda x: (
        VALUES["log"](x / (1 - x)) if x not in (1, mp.inf) else mp.inf if x == 1 else mp.nan
    ),
    "log_sigmoid": lambda x: -mp.log(1 + mp.exp(-x)),
    "relu6": lambda x: max(min(x, mpf(6)), mpf(0)),
    "celu": lambda x, alpha=1: max(x, mpf(0)) + min(mpf(0), alpha * (mp.exp(x / alpha) - 1)),
    "selu": lambda x: (
        mpf("1.0507009873554804934193349852946")
        * (x if x > 0 else mpf("1.6732632423543772848170429916717") * (mp.exp(x) - 1))
    ),
    "mish": lambda x: x * (1 - 2 / ((1 + mp.exp(x)) ** 2 + 1)),
    "where": lambda c, x, y: x if c > 0 else y,
    "clip": lambda x, low, high: min(max(x, low), high),
    "sign": mp.sign,
    "floor": lambda x: x - x % 1 if mp.isfinite(x) else x,
    "ceil": lambda x: x + -x % 1 if mp.isfinite(x) else x,
    "round": mp.nint,
    "remainder": lambda x, y: x - y * mp.floor(x / y) if y else mp.nan,
    "greater": lambda x, y: mpf(x > y),
    "greater_equal": lambda x, y: mpf(x >= y),
    "less": lambda x, y: mpf(x < y),
    "less_equal": lambda x, y: mpf(x <= y),
    "equal": lambda x, y: mpf(x == y),
    "not_equal": lambda x, y: mpf(x != y),
    "max": lambda *xs: sorted(xs)[-1],
    "min": lambda *xs: sorted(xs)[0],
    "prod": lambda *xs: mp.fprod(xs),
    "var": lambda *xs, ddof=0: _squares(xs) / (len(xs) - ddof),
    "std": lambda *xs, ddof=0: mp.sqrt(_squares(xs) / (len(xs) - ddof)),
}


def _squares(xs: Sequence[Any]) -> Any:
    return mp.fsum((x - y) ** 2 for x in xs for y in xs) / (2 * len(xs))


def _real(z: Any, x: Any = 0) -> Any:
    """NaN for a complex number; ±inf at the poles ±1 of artanh."""
    if x in (-1, 1):
        return x * mp.inf
    return z if isinstance(z, mpf) else mp.nan


def _power(x: Any, y: Any) -> Any:
    if x == 0:
        return mpf(1) if y == 0 else mpf(0) if y > 0 else mp.inf
    return _real(mp.power(x, y))


# Bounds

Roundings: TypeAlias = "float | Callable[..., Any]"


@dataclass(frozen=True)
class Accuracy:
    """The counts a and b of the bound above: of the value, and of the derivatives."""

    value: tuple[Roundings, float]
    slope: tuple[Roundings, float]


def _power_roundings(x: Any, y: Any = 0) -> Any:
    """A library call, two products; and the rounding of y − 1, which |ln x| amplifies."""
    return 2 * LIBRARY + 2 + (abs(mp.log(abs(x))) if x else 0)


_L = LIBRARY
UNKNOWN = Accuracy((8 * _L, 8), (8 * _L, 8))  # an entry that this file does not know
ACCURACY: dict[str, Accuracy] = {
    **dict.fromkeys(["add", "subtract"], Accuracy((1, 0), (0, 0))),
    **dict.fromkeys(["negative", "abs", "maximum", "minimum"], Accuracy((0, 0), (0, 0))),
    **dict.fromkeys(["relu", "hard_tanh"], Accuracy((0, 0), (0, 0))),
    "multiply": Accuracy((1, 0), (0, 0)),
    "divide": Accuracy((1, 0), (2, 0)),
    "power_constant": Accuracy((_L, 0), (_power_roundings, 0)),
    "exponential": Accuracy((_L, 0), (2 * _L + 1, 0)),
    "raise_to": Accuracy((_L, 0), (_power_roundings, 1)),
    **dict.fromkeys(["exp", "expm1", "sin", "cos", "sinh", "cosh"], Accuracy((_L, 0), (_L, 0))),
    "log": Accuracy((_L, 0), (1, 0)),
    "log1p": Accuracy((_L, 0), (2, 0)),
    "sqrt": Accuracy((1, 0), (2, 0)),
    "tan": Accuracy((_L, 0), (2 * _L + 2, 0)),
    "asin": Accuracy((_L, 0), (4, 0)),  # ½·3 under the root, the root, the quotient
    "acos": Accuracy((_L, 0), (4, 0)),
    "atan": Accuracy((_L, 0), (3, 0)),
    "tanh": Accuracy((_L, 0), (2 * _L + 4, 0)),
    "asinh": Accuracy((_L, 0), (_L + 1, 0)),
    "acosh": Accuracy((_L, 0), (5, 0)),
    "atanh": Accuracy((_L, 0), (4, 0)),
    "erf": Accuracy((_L, 0), (_L + 5, 1)),  # x² is rounded before exp
    "erfc": Accuracy((_L, 1), (_L + 5, 1)),  # and may be inside an erfc
    "xlogy": Accuracy((_L + 1, 0), (_L, 0)),
    "sigmoid": Accuracy((_L + 2, 0), (2 * _L + 5, 0)),
    "leaky_relu": Accuracy((2, 0), (1, 0)),
    "elu": Accuracy((_L + 1, 0), (_L + 1, 0)),
    "softplus": Accuracy((2 * _L + 1, 0), (_L + 2, 0)),
    # Two terms cancel where the function is least, and each is less than twice |x ∂/∂x| there.
    "silu": Accuracy((_L + 3, 0), (2 * _L + 8, 4 * _L)),
    # −x/√2 is rounded twice before erfc, and x² inside an erfc may be.
    "gelu": Accuracy((_L + 4, 3), (2 * _L + 8, 4 * _L)),
    "softsign": Accuracy((2, 0), (4, 0)),
    "hard_sigmoid": Accuracy((2, 0), (1, 0)),
    # xₖ − max x is rounded before exp, and the logarithm may cancel max x.
    "log_sum_exp": Accuracy((2 * _L, 2 * _L), (_L + 4, 3)),
    "softmax_component": Accuracy((_L + 4, 3), (2 * _L + 8, 6)),
    "total": Accuracy((1, 2), (0, 0)),
    "dot_product": Accuracy((1, 2), (0, 0)),
    "weighted_sum": Accuracy((1, 3), (0, 0)),
    **dict.fromkeys(["where", "clip", "sign", "floor", "ceil", "round"], Accuracy((0, 0), (0, 0))),
    **dict.fromkeys(["relu6", "max", "min"], Accuracy((0, 0), (0, 0))),
    "remainder": Accuracy((1, 0), (0, 0)),
    **dict.fromkeys(["greater", "greater_equal", "less"], Accuracy((0, 0), (0, 0))),
    **dict.fromkeys(["less_equal", "equal", "not_equal"], Accuracy((0, 0), (0, 0))),
    **dict.fromkeys(["log2", "log10"], Accuracy((_L, 0), (3, 0))),
    "cbrt": Accuracy((_L, 0), (2 * _L + 3, 0)),
    "atan2": Accuracy((_L, 0), (6, 0)),
    **dict.fromkeys(["degrees", "radians"], Accuracy((3, 0), (3, 0))),
    "logit": Accuracy((2 * _L, 0), (5, 0)),
    "log_sigmoid": Accuracy((2 * _L + 1, 0), (_L + 2, 0)),
    **dict.fromkeys(["celu", "selu"], Accuracy((_L + 3, 1), (_L + 3, 1))),
    "mish": Accuracy((3 * _L, 0), (8 * _L, 4 * _L)),
    "prod": Accuracy((4, 0), (4, 0)),
}


# The check


def check_operation(op: Operation, points: Iterable[tuple[float, ...]] | None = None) -> None:
    """Raise AssertionError where the operation's value or rule is wrong at one of the points."""
    for xs in grid(op) if points is None else points:
        check_point(op, xs)


def check_point(op: Operation, xs: tuple[float, ...]) -> None:
    """Raise AssertionError where the operation's value or rule is wrong at the floats xs."""
    what = f"{op!r} at {xs}"
    # A sum of products of floats, from 1e-648 to 1e617, may cancel down to the smallest of them.
    digits = 1400 if op.name in ("weighted_sum", "dot_product", "total") else 100
    y, exact = evaluate(op.forward, *xs), _value(op.forward, xs, digits)
    assert type(y) is float, f"{what} is {y!r}"
    if op.name in VALUES:
        with mp.workdps(max(400, digits)):  # digits enough for any textbook formula
            reference = VALUES[op.name](*map(mpf, xs), **op.parameters)
        assert _agree(exact, reference), f"{what}: {mp.nstr(exact, 30)}, not {reference}"
    if not mp.isfinite(exact):
        assert y == exact or (math.isnan(y) and mp.isnan(exact)), f"{what}: {y!r}, not {exact}"
        return
    accuracy = ACCURACY.get(op.name, UNKNOWN)
    slopes = [_slope(op.forward, xs, k, digits) for k in range(len(xs))]
    mixed = sum(abs(x * slope) for x, slope in zip(xs, slopes, strict=True) if slope is not None)
    _assert_near(y, exact, _bound(accuracy.value, xs, exact, mixed), f"the value of {what}")

    products = op.vjp(1.0, *xs, out=y)
    doubled = op.vjp(-2.0, *xs, out=y)
    rule = _rule(op, xs, exact)
    assert len(products) == len(xs), f"{what}: {len(products)} products"
    for k, slope in enumerate(slopes):
        which = f"∂/∂x{k} of {what}"
        assert type(products[k]) is float, f"{which} is {products[k]!r}"
        if 1e-290 < abs(products[k]) < 1e290:
            assert doubled[k] == -2 * products[k], f"{which} is not linear in g"
        if slope is None:  # a kink, or the end of the domain
            continue
        floor = 0 if xs[k] else mpf("1e-50")  # what the step leaves of f‴ at 0
        assert _agree(rule[k], slope, floor), f"{which} in mpmath: {rule[k]}, not {slope}"
        # The rule in mpmath, being right to twenty digits, is so to all.
        counts, exact_slope = accuracy.slope, rule[k]
        mixed = _sensitivity(op, xs, k, exact_slope) if counts[1] else 0
        _assert_near(products[k], exact_slope, _bound(counts, xs, exact_slope, mixed), which)


def _agree(x: Any, y: Any, floor: Any = 0) -> bool:
    """Equal to twenty digits, or alike beyond the smallest or the largest float."""
    if not (mp.isfinite(x) and mp.isfinite(y)):
        return bool(x == y or (mp.isnan(x) and mp.isnan(y)))
    if min(abs(x), abs(y)) > mpf("1e330"):
        return bool(x * y > 0)
    return bool(abs(x - y) <= mpf("1e-20") * abs(y) + mpf("1e-330") + floor)


def _bound(counts: tuple[Roundings, float], xs: Sequence[float], r: Any, mixed: Any) -> Any:
    a, b = counts
    return U * ((a(*xs) if callable(a) else a) * abs(r) + b * mixed) + TINY


def _assert_near(got: float, exact: Any, bound: Any, what: str) -> None:
    message = f"{what}: {got!r}, not {mp.nstr(exact, 20)} ± {mp.nstr(bound, 3)}"
    assert not math.isnan(got), message
    if math.isinf(got):
        assert got * exact > 0, message
        assert abs(exact) + bound >= HUGE, message
    else:
        assert abs(got - exact) <= bound, message


@cache
def _value(forward: Callable[..., Any], xs: tuple[float, ...], digits: int = 100) -> Any:
    with mp.workdps(digits):
        return evaluate(forward, *map(mpf, xs))


@cache
def _slope(forward: Callable[..., Any], xs: tuple[float, ...], k: int, least: int = 100) -> Any:
    """∂/∂xₖ by the central difference quotient, to at least 25 digits; None where there is none."""
    x = xs[k]
    for digits in (100, 300, 950) if least == 100 else (least,):
        with mp.workdps(digits + max(0, math.frexp(x)[1])):
            h = mpf(10) ** -30 * (min(1, abs(mpf(x))) or 1)
            before, y, after = (
                evaluate(forward, *map(mpf, xs[:k]), mpf(x) + step, *map(mpf, xs[k + 1 :]))
                for step in (-h, 0, h)
            )
            if not (mp.isfinite(before) and mp.isfinite(y) and mp.isfinite(after)):
                return None
            left, right = (y - before) / h, (after - y) / h
            slope = (left + right) / 2
            if abs(after - before) >= mpf(10) ** (30 - digits) * abs(y):
                break  # thirty digits have survived the subtraction
    if x == 0:  # at a jump, or where the slope is infinite, a shorter quotient is larger
        with mp.workdps(digits):
            low, high = (
                evaluate(forward, *map(mpf, xs[:k]), step, *map(mpf, xs[k + 1 :]))
                for step in (-h / 1000, h / 1000)
            )
            right = max(right, (high - low) * 500 / h, key=lambda s: abs(s - left))
    kink = abs(left - right) > mpf("1e-10") * max(abs(left), abs(right)) + mpf("1e-20")
    return None if kink else slope


def _rule(op: Operation, xs: Sequence[Any], y: Any) -> tuple[Any, ...]:
    with mp.workdps(60):
        return op.vjp(mpf(1), *map(mpf, xs), out=y)


def _sensitivity(op: Operation, xs: tuple[float, ...], k: int, slope: Any) -> Any:
    """Σⱼ |xⱼ ∂slope/∂xⱼ|, the rule in mpmath being trusted by now."""
    total = mpf(0)
    for j, x in enumerate(xs):
        with mp.workdps(60):
            nudge = mpf("1e-20")
            nudged = [*map(mpf, xs[:j]), x * (1 + nudge), *map(mpf, xs[j + 1 :])]
            y = evaluate(op.forward, *nudged)
            changed = op.vjp(mpf(1), *nudged, out=y)[k]
            total += abs(changed - slope) / nudge if mp.isfinite(changed) else 0
    return total


# Limits


def limit(op: Operation, xs: Sequence[float], output: int | None) -> float:
    """The value (None) or a derivative, or its limit: ±inf and 0 are neared from within.

    Only where an independent formula is known.
    """
    with mp.workdps(1200):
        far = mpf("1e400") if op.name == "softsign" else mpf(10**4)  # where exponentials are 0
        points = [mp.sign(x) * far if math.isinf(x) else mpf(x) for x in xs]

        def value(*points: Any) -> Any:
            return VALUES[op.name](*points, **op.parameters)

        if output is None:
            return float(value(*points))
        x = points[output] if points[output] != 0 else mpf("1e-400")
        h = mpf(10) ** -30 * min(1, abs(x))
        before, after = (
            value(*points[:output], x + step, *points[output + 1 :]) for step in (-h, h)
        )
        return float((after - before) / (2 * h))


# Second derivatives


def second_slope(op: Operation, xs: tuple[float, ...], j: int, k: int) -> Any:
    """∂²/∂xⱼ∂xₖ by the second difference of the forward function; None where there is none."""
    found = []
    for digits in (120, 400, 1000):
        with mp.workdps(digits + 2 * max(0, *(math.frexp(x)[1] for x in xs))):
            found = [
                _second_difference(op.forward, xs, j, k, scale, shift)
                for scale, shift in ((1, 0), (2, 0), (1, 3), (1, -3))
            ]
            if not all(map(mp.isfinite, (d for d, _ in found))):
                return None
            if all(abs(d) >= mpf(10) ** (30 - digits) * size for d, size in found):
                break  # thirty digits have survived the subtraction
    near, *others = (d for d, _ in found)
    # Where there is a second derivative the quotients, of a longer step and beside the point,
    # differ by some h; at a kink by as much as they are themselves.
    tolerance = mpf("1e-10") * abs(near) + mpf("1e-25")
    return None if any(abs(near - other) > tolerance for other in others) else near


def _second_difference(
    forward: Callable[..., Any], xs: tuple[float, ...], j: int, k: int, scale: int, shift: int
) -> tuple[Any, Any]:
    """The quotient, and the size of what was subtracted over the same denominator."""
    steps = [mpf(10) ** -30 * scale * (min(1, abs(mpf(x))) or 1) for x in xs]

    def at(a: int, b: int) -> Any:
        points = [mpf(x) for x in xs]
        points[j] += shift * steps[j]
        points[j] += a * steps[j]
        points[k] += b * steps[k]
        return evaluate(forward, *points)

    if j == k:
        terms = [at(1, 0), -2 * at(0, 0), at(-1, 0)]
        area = steps[j] ** 2
    else:
        terms = [at(1, 1), -at(1, -1), -at(-1, 1), at(-1, -1)]
        area = 4 * steps[j] * steps[k]
    return mp.fsum(terms) / area, max(map(abs, terms)) / area


def running_error(result: Value, inputs: Sequence[Value]) -> float:
    """How far a recorded result may be from its formula's value, to first order in u.

    Each operation's result v is off by some roundings, c·u·|v|, and what is off there shows in the
    result multiplied by its adjoint; and so is what is below the smallest normal float. Inputs are
    exact, constants rounded once. (An adjoint that is NaN belongs to a whole exponent of a negative
    base, which is exact.)
    """
    result.backward()
    total = 0.0
    for node in topological_order([result]):
        if not (any(node is x for x in inputs) or math.isnan(node.grad)):
            roundings: Any = 1 if node.op is None else 2 * LIBRARY
            if node.op is not None and node.op.base is ops.power_constant:
                # Its exponent, c − 1 or so, is rounded; the power moves by |ln x| times as much.
                x = abs(node.parents[0].data)
                roundings += abs(math.log(x)) if 0 < x < math.inf else 0
            total += abs(node.grad) * (roundings * float(U) * abs(node.data) + float(TINY))
    return total
