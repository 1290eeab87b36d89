"""What sums up several numbers in one: the largest, the product, the variance."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial, reduce
from itertools import accumulate
from typing import Any

from microgradnet.operation import operation
from microgradnet.ops.basic import add, maximum, minimum, multiply
from microgradnet.ops.elementary import norm
from microgradnet.ops.signature import Contributions, M, N

__all__ = ["cumprod", "cumsum", "max", "min", "prod", "std", "var"]


def _shared(m: M, g: N, out: N, xs: Sequence[N]) -> Contributions:
    """Share g in equal parts among the operands that are the result."""
    ties = [m.equal(x, out) for x in xs]
    share = m.divide(g, reduce(operator.add, [m.where(tie, 1, 0) for tie in ties]))
    nan = m.where(m.equal(out, out), m.no_part, out)
    return tuple(m.where(tie, share, nan) for tie in ties)


def max_vjp(m: M, g: N, out: N, *xs: N) -> Contributions:
    return _shared(m, g, out, xs)


@operation(max_vjp, "max($xs)", r"\max\left($xs\right)", symbol="max of")
def max(m: M, *xs: N) -> N:
    """Return the largest of several; those that tie share its derivative in equal parts.

    >>> max([3.0, 5.0, 5.0]), max.vjp(1.0, 3.0, 5.0, 5.0)
    (5.0, (0.0, 0.5, 0.5))
    """
    return reduce(partial(maximum.forward, m), xs)


def min_vjp(m: M, g: N, out: N, *xs: N) -> Contributions:
    return _shared(m, g, out, xs)


@operation(min_vjp, "min($xs)", r"\min\left($xs\right)", symbol="min of")
def min(m: M, *xs: N) -> N:
    """Return the smallest of several; those that tie share its derivative in equal parts."""
    return reduce(partial(minimum.forward, m), xs)


def prod_vjp(m: M, g: N, out: N, *xs: N) -> Contributions:
    before = [g, *accumulate(xs[:-1], operator.mul, initial=g)][1:]
    after = [*accumulate(reversed(xs[1:]), operator.mul, initial=m.convert(1))][::-1]
    return tuple(map(operator.mul, before, after))


@operation(prod_vjp, "prod($xs)", r"\prod\left($xs\right)")
def prod(m: M, *xs: N) -> N:
    """Compute the product of several; its derivatives are products too, right at 0.

    >>> prod.vjp(1.0, 0.0, 5.0, 7.0)
    (35.0, 0.0, 0.0)
    """
    return reduce(operator.mul, xs)


def _deviations(m: M, xs: Sequence[N]) -> tuple[N, ...]:
    # From the first, so that of equal numbers they are 0.
    apart = [x - xs[0] for x in xs]
    mean = m.divide(reduce(operator.add, apart), len(xs))
    return tuple(x - mean for x in apart)


def var_vjp(m: M, g: N, out: N, *xs: N, ddof: N) -> Contributions:
    weight = m.divide(2 * g, m.convert(len(xs) - ddof))
    return tuple(weight * deviation for deviation in _deviations(m, xs))


@operation(var_vjp, "var($xs)")
def var(m: M, *xs: N, ddof: N = 0) -> N:
    """Compute the variance Σ (xₖ − mean)² / (n − ddof), as NumPy does.

    >>> var([1.0, 2.0, 6.0]), var([1.0, 2.0, 6.0], ddof=1)
    (4.666666666666667, 7.0)
    """
    squares = [deviation * deviation for deviation in _deviations(m, xs)]
    return m.divide(reduce(operator.add, squares), m.convert(len(xs) - ddof))


def std_vjp(m: M, g: N, out: N, *xs: N, ddof: N) -> Contributions:
    deviations = _deviations(m, xs)
    length = norm.forward(m, *deviations)
    root = m.sqrt(m.convert(len(xs) - ddof))
    return norm.rule(m, m.divide(g, root), length, *deviations)


@operation(std_vjp, "std($xs)")
def std(m: M, *xs: N, ddof: N = 0) -> N:
    """Compute the standard deviation, the root of `var`; where all are equal its derivative is 0.

    >>> std([1.0, 2.0, 6.0], ddof=1)
    2.6457513110645907
    """
    deviations = _deviations(m, xs)
    sum_ = reduce(operator.add, deviations)  # NaN where one is infinite
    length = m.where(m.equal(sum_, sum_), norm.forward(m, *deviations), sum_)
    return m.divide(length, m.sqrt(m.convert(len(xs) - ddof)))


def cumsum(xs: Sequence[Any]) -> list[Any]:
    """Compute the sums of the first, of the first two … and of all.

    >>> cumsum([1.0, 2.0, 4.0])
    [1.0, 3.0, 7.0]
    """
    return [*accumulate(xs, add)]


def cumprod(xs: Sequence[Any]) -> list[Any]:
    """Compute the products of the first, of the first two … and of all.

    >>> cumprod([1.0, 2.0, 4.0])
    [1.0, 2.0, 8.0]
    """
    return [*accumulate(xs, multiply)]
