"""What chooses, and what jumps: clipping, selection, comparison, rounding.

Where a function is flat between its jumps, its operand has no part in the derivative.
"""

from __future__ import annotations

from collections.abc import Callable

from microgradnet.arithmetic import NO_PART
from microgradnet.operation import Operation, operation
from microgradnet.ops.signature import Contributions, M, N

__all__ = [
    "ceil", "clip", "equal", "floor", "greater", "greater_equal", "less", "less_equal",
    "not_equal", "remainder", "round", "sign", "where",
]  # fmt: skip


def where_vjp(m: M, g: N, out: N, c: N, x: N, y: N) -> Contributions:
    positive = c > 0
    return (
        _no_part(m),
        m.where(positive, g, m.no_part),
        m.where(positive, m.no_part, g),
    )


def _no_part(m: M) -> N:
    return m.no_part if m.no_part is NO_PART else m.convert(m.no_part)


@operation(
    where_vjp,
    "where($x > 0, $y, $z)",
    r"\begin{cases} {$y} & {$x} > 0 \\ {$z} & \text{else} \end{cases}",
)
def where(m: M, c: N, x: N, y: N) -> N:
    """Choose x where c > 0, else y: so does a NaN. The condition c has no part in derivatives.

    With `greater` and its kin it records the choice, and not the branch taken:

    >>> where(greater(3.0, 2.0), 10.0, 20.0)
    10.0
    """
    return m.where(c > 0, x, y)


def clip_vjp(m: M, g: N, out: N, x: N, low: N, high: N) -> Contributions:
    # As PyTorch's clamp: at a bound x has derivative 1. Where the bounds cross, high is chosen.
    ordered = low < high
    within = m.both(m.both(x >= low, x <= high), ordered)
    above = m.where(low > high, low, x) > high
    return (
        m.where(within, g, m.no_part),
        m.where(m.both(x < low, ordered), g, m.no_part),
        m.where(above, g, m.no_part),
    )


@operation(clip_vjp)
def clip(m: M, x: N, low: N, high: N) -> N:
    """Clip x, at least low and at most high; at a bound x has derivative 1.

    >>> clip(7.0, 0.0, 6.0)
    6.0
    """
    above = m.where(x < low, low, m.where(x >= low, x, x + low))  # x + low where one is NaN
    return m.where(above > high, high, m.where(above <= high, above, above + high))


def flat_vjp(m: M, g: N, y: N, x: N) -> Contributions:
    return (_no_part(m),)


@operation(flat_vjp, latex=r"\operatorname{sgn}\left($x\right)")
def sign(m: M, x: N) -> N:
    """Return the sign of x: −1, 0 or 1. Its derivative is 0."""
    return m.where(x > 0, 1, m.where(x < 0, -1, x))


@operation(flat_vjp, latex=r"\left\lfloor $x\right\rfloor")
def floor(m: M, x: N) -> N:
    """Return the largest whole number ≤ x. Its derivative is 0."""
    return m.floor(x)


@operation(flat_vjp, latex=r"\left\lceil $x\right\rceil")
def ceil(m: M, x: N) -> N:
    """Return the smallest whole number ≥ x. Its derivative is 0."""
    return -m.floor(-x)


@operation(flat_vjp)
def round(m: M, x: N) -> N:
    """Round to the nearest whole number, halves to the even one. Its derivative is 0."""
    below = m.floor(x)
    rest = 2 * (x - below)
    even = m.equal(below, 2 * m.floor(m.divide(below, 2)))
    nearest = m.where(m.both(m.equal(rest, 1), even), below, below + 1)
    return m.where(rest < 1, below, nearest)


def remainder_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    floor = round.forward(m, m.divide(x - out, y))  # x/y itself may round to the next whole number
    return g, -g * m.where(m.is_infinite(out), -1, floor)


@operation(remainder_vjp, "$x % $y", r"$x \bmod $y", symbol="%")
def remainder(m: M, x: N, y: N) -> N:
    """Compute x − y⌊x/y⌋, which has the sign of y; its derivative by y is −⌊x/y⌋.

    >>> remainder(-7.0, 3.0)
    2.0
    """
    return m.remainder(x, y)


# Comparisons


def comparison_vjp(m: M, g: N, out: N, x: N, y: N) -> Contributions:
    return _no_part(m), _no_part(m)


def _comparison(name: str, sign: str, latex: str, truth: Callable[[M, N, N], N]) -> Operation:
    def forward(m: M, x: N, y: N) -> N:
        return truth(m, x, y)

    forward.__name__ = name
    forward.__doc__ = f"Return 1 where x {sign} y, else 0; without a part in derivatives."
    return operation(comparison_vjp, f"$x {sign} $y", f"$x {latex} $y", symbol=sign)(forward)


greater = _comparison("greater", ">", ">", lambda m, x, y: m.where(x > y, 1, 0))
greater_equal = _comparison("greater_equal", ">=", r"\geq", lambda m, x, y: m.where(x >= y, 1, 0))
less = _comparison("less", "<", "<", lambda m, x, y: m.where(x < y, 1, 0))
less_equal = _comparison("less_equal", "<=", r"\leq", lambda m, x, y: m.where(x <= y, 1, 0))
equal = _comparison("equal", "==", "=", lambda m, x, y: m.where(m.equal(x, y), 1, 0))
not_equal = _comparison("not_equal", "!=", r"\neq", lambda m, x, y: m.where(m.equal(x, y), 0, 1))
