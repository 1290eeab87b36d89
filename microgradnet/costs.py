"""Costs C_x of one example, on Values: cost(outputs, targets) is one Value.

A cost belongs to one example. Over a batch, gradients are *summed*, Σₙ ∂C_{xₙ}/∂w, and the update
rule divides by m; no mean is taken here. Outputs and targets are sequences of equal length (one-hot
for classes), of Values or numbers; a single output may stand by itself, as a network with one
output returns it. For several outputs the targets may be the number of the class, counted from 0.
Different lengths raise ValueError.

Those named `..._from_z` take the last layer's weighted inputs z, of a network whose output is
linear, and have the last activation within: cross-entropy σ, log-likelihood softmax. Where the
output a is 0 or 1 as a float, its number alone can only say 0 or inf. Where the graph computed a
from z, the plain forms have the digits of those from z: −z or so, and a derivative a − y.

The factor ½ of the quadratic cost is there so that C′(a) = a − y. Source of the conventions:
M. Nielsen, Neural Networks and Deep Learning, chapters 1 to 3.

What goes with a cost, the activation at the output and the targets, is in its `CostEntry`; `entry`
finds it by name or by function. Their derivatives C′ in closed form are `delta.cost_prime`'s, under
the same names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from numbers import Integral
from operator import add
from types import MappingProxyType
from typing import Any, TypeAlias

from microgradnet.engine import Value
from microgradnet.node import number_of
from microgradnet.ops import log_sum_exp, maximum, softplus, xlogy

__all__ = [
    "COSTS", "RANGES", "UNIT_INTERVAL", "Cost", "CostEntry", "cross_entropy",
    "cross_entropy_from_z", "entry", "hinge", "log_likelihood", "log_likelihood_from_z",
    "quadratic",
]  # fmt: skip

Cost: TypeAlias = Callable[..., Value]


def quadratic(outputs: Any, targets: Any) -> Value:
    """C = ½ Σⱼ (aⱼ − yⱼ)²; C′(a) = a − y.

    >>> quadratic([Value(1.0), Value(0.0)], [0, 0]).data
    0.5
    """
    return _total((a - y) ** 2 for a, y in _pairs("quadratic", outputs, targets)) / 2


def cross_entropy(outputs: Any, targets: Any) -> Value:
    """C = −Σⱼ [yⱼ ln aⱼ + (1 − yⱼ) ln(1 − aⱼ)], for 0 ≤ aⱼ ≤ 1, as σ's.

    C′(a) = −y/a + (1 − y)/(1 − a), and with a = σ(z) it is δ = a − y. It is inf where an
    output is confidently wrong; `cross_entropy_from_z` is finite for every finite z.

    >>> round(cross_entropy([Value(0.5)], [1]).data, 6)
    0.693147
    >>> cross_entropy([Value(0.0)], [1]).data
    inf
    """
    return -_total(
        xlogy(y, a) + xlogy(1 - y, 1 - a) for a, y in _pairs("cross_entropy", outputs, targets)
    )


def log_likelihood(outputs: Any, targets: Any) -> Value:
    """C = −Σⱼ yⱼ ln aⱼ, for softmax's aⱼ; then δ = a − y.

    >>> round(log_likelihood([Value(0.25), Value(0.75)], 1).data, 6)    # the number of the class
    0.287682
    >>> round(log_likelihood([Value(0.25), Value(0.75)], [0, 1]).data, 6)
    0.287682
    """
    return -_total(xlogy(y, a) for a, y in _pairs("log_likelihood", outputs, targets))


def hinge(outputs: Any, targets: Any) -> Value:
    """C = Σⱼ max(0, 1 − yⱼaⱼ), with yⱼ = ±1; ValueError for a target of 0.

    >>> hinge([Value(0.25)], [1]).data
    0.75
    """
    return _total(maximum(0, 1 - y * a) for a, y in _pairs("hinge", outputs, targets))


def cross_entropy_from_z(outputs: Any, targets: Any) -> Value:
    """C = Σⱼ [yⱼ softplus(−zⱼ) + (1 − yⱼ) softplus(zⱼ)]: the cross-entropy of a = σ(z).

    C′(z) = σ(z) − y = a − y. A z of ∓inf whose target is 0 or 1 costs 0.

    >>> cross_entropy_from_z([Value(-800.0)], [1]).data
    800.0
    """
    pairs = _pairs("cross_entropy_from_z", outputs, targets)
    return _total(_times(y, softplus(-z)) + _times(1 - y, softplus(z)) for z, y in pairs)


def log_likelihood_from_z(outputs: Any, targets: Any) -> Value:
    """C = Σⱼ yⱼ (ln Σₖ exp zₖ − zⱼ): the log-likelihood of a = softmax(z).

    C′(z) = softmax(z) Σⱼ yⱼ − y = a − y for a one-hot y.

    >>> log_likelihood_from_z([Value(0.0), Value(800.0)], [1, 0]).data
    800.0
    """
    pairs = _pairs("log_likelihood_from_z", outputs, targets)
    normaliser = log_sum_exp(*(z for z, _ in pairs))
    return _total(_times(y, normaliser - z) for z, y in pairs)


@dataclass(frozen=True)
class CostEntry:
    """Hold a cost and what goes with it.

    >>> entry("hinge").output, entry("hinge").targets
    ('linear', (-1, 1))
    """

    function: Cost
    name: str = ""
    """That of the table, also of the closed form in `delta`; "" for a function of one's own."""
    output: str | None = None
    """The activation at the output that it was made for; None where any will do."""
    targets: tuple[int, int] = (0, 1)
    """The targets of an output that says no and of one that says yes."""
    unit_interval: bool = False
    """Whether outputs must be between 0 and 1, for it takes their logarithms."""

    @property
    def from_z(self) -> bool:
        """Tell whether it takes the weighted inputs and has the last activation within."""
        return self.name.endswith("_from_z")


# Hinge is for a linear output: an example costs nothing from y·a = 1 on, which tanh never reaches.
_TABLE = {
    each.name: each
    for each in (
        CostEntry(quadratic, "quadratic"),
        CostEntry(cross_entropy, "cross_entropy", "sigmoid", unit_interval=True),
        CostEntry(log_likelihood, "log_likelihood", "softmax", unit_interval=True),
        CostEntry(hinge, "hinge", "linear", targets=(-1, 1)),
        CostEntry(cross_entropy_from_z, "cross_entropy_from_z", "linear"),
        CostEntry(log_likelihood_from_z, "log_likelihood_from_z", "linear"),
    )
}

RANGES = {
    **dict.fromkeys(("sigmoid", "hard_sigmoid", "softmax"), (0, 1)),
    **dict.fromkeys(("tanh", "hard_tanh", "softsign"), (-1, 1)),
}
"""Between which numbers the values of an activation are, where there are such."""

UNIT_INTERVAL = tuple(name for name, ends in RANGES.items() if ends == (0, 1))
"""The activations whose values are between 0 and 1."""

COSTS: Mapping[str, Cost] = MappingProxyType({name: each.function for name, each in _TABLE.items()})
"""The costs by name."""


def entry(cost: str | Cost) -> CostEntry:
    """Find the entry of a cost, by its name or the function itself.

    A function that is not in the table gets an entry without demands. Raises ValueError, which
    lists the names, for anything else.

    >>> entry(cross_entropy).output, entry(lambda outputs, targets: outputs[0]).output
    ('sigmoid', None)
    >>> entry("mse")
    Traceback (most recent call last):
        ...
    ValueError: no cost 'mse': there are quadratic, cross_entropy, log_likelihood, hinge, \
cross_entropy_from_z, log_likelihood_from_z
    """
    if callable(cost):
        return next((each for each in _TABLE.values() if each.function is cost), CostEntry(cost))
    if cost not in COSTS:
        raise ValueError(f"no cost {cost!r}: there are {', '.join(COSTS)}")
    return _TABLE[cost]


def _pairs(name: str, outputs: Any, targets: Any) -> list[tuple[Value, Any]]:
    a = _sequence(outputs)
    no, yes = _TABLE[name].targets
    if len(a) > 1 and isinstance(targets, Integral) and not isinstance(targets, bool):
        k = int(targets)
        if not 0 <= k < len(a):
            raise ValueError(f"class {k} of {len(a)} outputs: they are 0 to {len(a) - 1}")
        y: list[Any] = [yes if k == j else no for j in range(len(a))]
    else:
        y = _sequence(targets)
    if len(a) != len(y) or not a:
        way_out = f"; for classes {yes} at the right one and {no} elsewhere, or the class's number"
        raise ValueError(
            f"{len(a)} outputs and {len(y)} targets: there must be one target for each output"
            f"{way_out if len(a) > 1 else ''}"
        )
    if no and any(type(target) in (int, float) and target == 0 for target in y):
        raise ValueError(
            f"the targets of {name} are {no} and {yes}: with 0 an output never matters"
        )
    return [
        (output if isinstance(output, Value) else Value(output), target)
        for output, target in zip(a, y, strict=True)
    ]


def _sequence(x: Any) -> list[Any]:
    try:
        return list(x)
    except TypeError:  # a single output, or its target
        return [x]


def _times(y: Any, term: Value) -> Any:
    """Multiply a term by a target; a target of 0 leaves out an infinite term, as 0 ln 0 = 0."""
    target = number_of(y)
    if type(term.data) is float and math.isinf(term.data) and target == 0:
        return target
    return y * term


def _total(terms: Iterable[Value]) -> Value:
    """Sum from the first term on: no 0 is added that nobody wrote."""
    return reduce(add, terms)
