"""What a naive engine knows of operations: their values and derivatives, as in a textbook."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import microgradnet

__all__ = ["BINARY", "FORMULAS", "Formula", "logistic"]


@dataclass(frozen=True)
class Formula:
    """What the naive engine knows of an operation: its value, its slopes, where it is tame."""

    apply: Callable[..., Any]
    value: Callable[..., Any]
    slopes: Callable[..., tuple[Any, ...]]
    tame: Callable[..., bool] = lambda *xs: True
    rational: bool = True


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


FORMULAS: dict[str, Formula] = {
    "add": Formula(operator.add, operator.add, lambda x, y: (1, 1)),
    "subtract": Formula(operator.sub, operator.sub, lambda x, y: (1, -1)),
    "multiply": Formula(operator.mul, operator.mul, lambda x, y: (y, x)),
    "divide": Formula(
        operator.truediv,
        operator.truediv,
        lambda x, y: (1 / y, -x / y**2),
        lambda x, y: abs(y) > 0.01,
    ),
    "maximum": Formula(
        lambda x, y: x.maximum(y),
        lambda x, y: x if x >= y else y,
        lambda x, y: ((x > y) + Fraction(x == y, 2), (x < y) + Fraction(x == y, 2)),
    ),
    "negative": Formula(operator.neg, operator.neg, lambda x: (-1,)),
    "square": Formula(lambda x: x**2, lambda x: x * x, lambda x: (x + x,)),
    "cube": Formula(lambda x: x**3, lambda x: x * x * x, lambda x: (3 * (x * x),)),
    "reciprocal": Formula(
        lambda x: x**-1, lambda x: 1 / x, lambda x: (-1 / (x * x),), lambda x: abs(x) > 0.01
    ),
    "abs": Formula(abs, abs, lambda x: ((x > 0) - (x < 0),)),
    "relu": Formula(lambda x: x.relu(), lambda x: max(x, 0), lambda x: (int(x > 0),)),
    "leaky_relu": Formula(
        lambda x: microgradnet.leaky_relu(x, slope=Fraction(1, 8)),
        lambda x: x if x > 0 else x / 8,
        lambda x: (1 if x > 0 else Fraction(1, 8),),
    ),
    "softsign": Formula(
        lambda x: x.softsign(),
        lambda x: x / (1 + abs(x)),
        lambda x: (1 / ((1 + abs(x)) * (1 + abs(x))),),
    ),
    "tanh": Formula(
        lambda x: x.tanh(),
        math.tanh,
        lambda x: (4 / (math.exp(x) + math.exp(-x)) ** 2,),
        lambda x: abs(x) < 5,
        rational=False,
    ),
    "sigmoid": Formula(
        lambda x: x.sigmoid(),
        logistic,
        lambda x: (logistic(x) * logistic(-x),),
        lambda x: abs(x) < 10,
        rational=False,
    ),
    "exp": Formula(
        lambda x: x.exp(),
        math.exp,
        lambda x: (math.exp(x),),
        lambda x: abs(x) < 10,
        rational=False,
    ),
    "log": Formula(
        lambda x: x.log(), math.log, lambda x: (1 / x,), lambda x: x > 0.01, rational=False
    ),
    "sin": Formula(
        lambda x: x.sin(),
        math.sin,
        lambda x: (math.cos(x),),
        lambda x: abs(x) < 100,
        rational=False,
    ),
    "sqrt": Formula(
        lambda x: x.sqrt(), math.sqrt, lambda x: (0.5 / math.sqrt(x),), lambda x: x > 0.01,
        rational=False,
    ),
}  # fmt: skip
BINARY = ["add", "subtract", "multiply", "divide", "maximum"]
