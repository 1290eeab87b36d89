"""Operations of any number of operands."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache, partial, reduce
from typing import Any, TypeVar, overload

from microgradnet.arithmetic import evaluate, operand
from microgradnet.operation import Operation, Recorder, operation, recorder
from microgradnet.ops.signature import Contributions, M, N

__all__ = [
    "dot_product", "log_sum_exp", "softmax", "softmax_component",
    "split_weighted_sum", "total", "weighted_sum",
]  # fmt: skip


R = TypeVar("R", bound=Recorder)
T = TypeVar("T")


def total_vjp(m: M, g: N, out: N, *xs: N) -> Contributions:
    return (g,) * len(xs)


def _write_total(*xs: str) -> str:
    return " + ".join(xs)


@operation(total_vjp, _write_total, _write_total, symbol="Σ")
def total(m: M, *xs: N) -> N:
    """Compute the sum Σₖ xₖ, from the left."""
    return reduce(operator.add, xs)  # sum() adds floats otherwise from Python 3.12 on


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
    kind: Any = recorder(xs)
    if kind is None:
        return list(evaluate(_softmax, *map(operand, xs))) if len(xs) else []
    components = _components(len(xs))
    if hasattr(kind, "__softmax__"):
        together: list[Any] = kind.__softmax__(components, _softmax, xs)
        return together
    return [component(*xs) for component in components]


def _softmax(m: M, *xs: N) -> Sequence[N]:
    shares: Sequence[N] = m.softmax(xs)
    return shares


@lru_cache
def _components(n: int) -> list[Operation]:
    """List the operations of all n components: to find them anew takes longer than to run them."""
    return [softmax_component.variant(index=i) for i in range(n)]


def split_weighted_sum(operands: Sequence[T]) -> tuple[Sequence[T], Sequence[T], Sequence[T]]:
    """Return the weights, the activations and the bias, if there is one, among the operands.

    >>> split_weighted_sum(["w₁", "w₂", "a₁", "a₂", "b"])
    (['w₁', 'w₂'], ['a₁', 'a₂'], ['b'])
    """
    n = len(operands) // 2
    return operands[:n], operands[n : 2 * n], operands[2 * n :]


def weighted_sum_vjp(m: M, g: N, out: N, *xs: N) -> Contributions:
    weights, activations, bias = split_weighted_sum(xs)
    return (*[g * a for a in activations], *[g * w for w in weights], *[g for _ in bias])


def _write_products(*xs: str) -> str:
    weights, activations, bias = split_weighted_sum(xs)
    products = (f"{w} {a}" for w, a in zip(weights, activations, strict=True))
    return " + ".join([*products, *bias])


def _write_weighted_sum(*xs: str) -> str:
    _check_bias(xs)
    return _write_products(*xs)


def _check_bias(operands: Sequence[Any]) -> None:
    if len(operands) % 2 == 0:
        raise ValueError(f"{len(operands)} operands are not w₁ … wₙ, a₁ … aₙ and b: an odd number")


@operation(weighted_sum_vjp, _write_weighted_sum, _write_weighted_sum, symbol="Σwa+b")
def weighted_sum(m: M, *xs: N) -> N:
    """Compute Σₖ wₖaₖ + b, of the operands w₁ … wₙ, a₁ … aₙ, b."""
    _check_bias(xs)
    weights, activations, (bias,) = split_weighted_sum(xs)
    return _added(bias, weights, activations)


@operation(weighted_sum_vjp, _write_products, _write_products, symbol="Σuv")
def dot_product(m: M, *xs: N) -> N:
    """Compute Σₖ uₖvₖ, of the operands u₁ … uₙ, v₁ … vₙ."""
    us, vs, more = split_weighted_sum(xs)
    if more:
        raise ValueError(f"{len(xs)} operands are not u₁ … uₙ and v₁ … vₙ: an even number")
    return _added(us[0] * vs[0], us[1:], vs[1:])


def _added(start: N, us: Sequence[N], vs: Sequence[N]) -> N:
    for u, v in zip(us, vs, strict=True):  # sum() adds floats otherwise from Python 3.12 on
        start = start + u * v
    return start
