"""How many units in the last place a float operation is off: where to look, and what is promised.

The true number is the same rule's at 60 digits, which the oracles hold against difference quotients
at hundreds. The operand is an exact float, so where a function is steep is no excuse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any, NamedTuple

from mpmath import mp, mpf

from microgradnet import grad
from microgradnet.operation import Operation, operations

__all__ = ["EXCEPTIONS", "PROMISED", "Exempt", "error", "hard_points", "unary"]

TINY, HUGE = 2.0**-1000, 2.0**1000
"""What is smaller or larger, beyond which floats have fewer digits or none, is left out."""


PROMISED = 4.0
"""Units in the last place that a value or a derivative is off at most."""


class Exempt(NamedTuple):
    """Say where an operation keeps less than is promised, and why."""

    point: float
    """The worst that was found, or the zero about which terms cancel."""
    reason: str
    limit: float = PROMISED
    scale: Callable[[Any], Any] | None = None
    """The larger of two terms that cancel: of that the units are counted, where it is larger."""


def _sigma(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _mish_term(x: Any) -> Any:
    """sech² z σ(x), of which mish″ has several multiples, where z = ln(1 + eˣ)."""
    return 2 * (1 + abs(x)) * mp.sech(mp.log1p(mp.exp(x))) ** 2 * _sigma(x)


_CANCELS = "two terms cancel about this zero, which is no float"
EXCEPTIONS: dict[tuple[str, int], Exempt] = {
    ("silu", 1): Exempt(-1.2784645427610738, _CANCELS, 6.0, _sigma),
    ("silu", 2): Exempt(2.399357280515468, _CANCELS, 9.0, lambda x: 2 * _sigma(x) * _sigma(-x)),
    ("gelu", 1): Exempt(-0.7517915246935645, _CANCELS, 7.0, mp.ncdf),
    ("gelu", 2): Exempt(math.sqrt(2), _CANCELS, 9.0, lambda x: 2 * mp.npdf(x)),
    ("mish", 1): Exempt(-1.1924453127564146, _CANCELS, 7.0, lambda x: mp.tanh(mp.log1p(mp.exp(x)))),
    ("mish", 2): Exempt(1.4902259, _CANCELS, 10.0, _mish_term),
    ("tanh", 2): Exempt(6.0000000055879354, "sech x is rounded, and is in it three times", 6.0),
    ("sigmoid", 2): Exempt(0.49999999999999956, "sech x/2 is rounded, and three times in it", 6.0),
    ("atan", 2): Exempt(1.2265668490944849e-05, "√(1 + x²) is rounded, and four times in it", 5.0),
    ("softsign", 2): Exempt(3.0029999999999997, "1 + |x| is rounded, and three times in it", 5.0),
    ("cbrt", 2): Exempt(0.4168362099008549, "the root is rounded, and five times in it", 10.0),
}


def unary() -> list[Operation]:
    """The operations of one operand that have a derivative to speak of."""
    return [op for op in operations() if op.is_built_in and op.arity == 1]


def hard_points() -> Iterator[float]:
    """Every magnitude; near whole numbers, halves and where functions turn or saturate."""
    rng = Random(20)
    for exponent in (*range(-1000, -60, 67), *range(-60, 12), *range(12, 1000, 67)):
        yield math.ldexp(rng.uniform(1, 2), exponent)
    for middle in (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 6.0, 18.0, 37.0, 700.0, math.pi / 2, math.pi):
        for away in (2.0**-50, 2.0**-30, 1e-5, 1e-3, 0.03):
            yield middle * (1 + away)
            yield middle * (1 - away)
    for _ in range(60):
        yield rng.uniform(0, 4)
        yield rng.uniform(4, 40)


@cache
def _derivative(op: Operation, order: int) -> Any:
    return op if order == 0 else grad(_derivative(op, order - 1))


def error(op: Operation, x: float, order: int) -> float:
    """Units in the last place of the true number; 0 where there is none, or not of full length."""
    function = _derivative(op, order)
    with mp.workdps(60 + abs(7 * math.frexp(x)[1]) // 10):  # 1 − x² has to know x
        true = mpf(function(mpf(x)))
        if mp.isnan(op(mpf(x))) or not (mp.isfinite(true) and TINY < abs(true) < HUGE):
            return 0.0
        got = function(x)
        if not math.isfinite(got):
            return math.inf
        scale = EXCEPTIONS[op.name, order].scale if (op.name, order) in EXCEPTIONS else None
        size = max(abs(true), scale(mpf(x))) if scale else abs(true)
        return float(abs(mpf(got) - true) / math.ulp(float(size)))
