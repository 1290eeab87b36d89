"""Operations of any number of operands."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache, partial, reduce
from typing import Any, TypeVar, overload

from microgradnet.operation import Operation, Recorder, operation
from microgradnet.ops.signature import Contributions, M, N

__all__ = [
    "log_sum_exp", "softmax", "softmax_component", "split_weighted_sum", "weighted_input",
    "weighted_sum",
]  # fmt: skip


R = TypeVar("R", bound=Recorder)
T = TypeVar("T")


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
