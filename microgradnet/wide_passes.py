"""Both modes of the chain rule, made again in wide floats where floats lost a number on the way.

A gradient may be a float though an adjoint or a number between it and the cost is none: that of
1/(1/x) is 1 wherever x is, and at x = 10⁻²⁰⁰ the adjoint of 1/x is −10⁻⁴⁰⁰. In floats that is 0,
and so is all behind it. Whether anything was lost is seen by the numbers once a pass is over. If
so, it is made again from the leaves, in `arithmetic.wide`. What it gives is rounded to floats.

The numbers of nodes stay those of floats: ln ab is −∞ where ab is below the floats, though its
derivatives are found. And `backward` looks only where a factor is beyond 2¹²⁸, or a gradient is no
number. Many smaller factors that lose a gradient and bring it back may go unnoticed there.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import reduce
from typing import Any

from microgradnet import chain_rule, ops
from microgradnet.arithmetic import NO_PART, TwoTerms, WideFloat, evaluate, is_normal, wide
from microgradnet.complements import evaluation, excess
from microgradnet.graph import topological_order
from microgradnet.node import Node, number_of
from microgradnet.node_arithmetic import recorded_vjp

__all__ = ["forward_mode", "left_the_floats", "reverse_mode", "wide_adjoints"]

_LARGE = 2.0**128
"""From here on numbers are far enough from 1 to bring a lost number back among the floats."""


def reverse_mode(
    seeds: Mapping[Any, Any],
    order: Sequence[Any] | None = None,
    within: Container[Any] | None = None,
) -> dict[Any, Any]:
    """Return the adjoints, as `chain_rule.reverse_mode` does.

    >>> from microgradnet import Value
    >>> x = Value(2.0**-600)
    >>> y = 1 / (1 / x)
    >>> chain_rule.reverse_mode({y: 1.0})[x], reverse_mode({y: 1.0})[x]
    (0.0, 1.0)
    """
    adjoints = chain_rule.reverse_mode(seeds, order, within)
    if left_the_floats(topological_order(seeds), adjoints.values()):
        _replace(adjoints, wide_adjoints(seeds, order, within))
    return adjoints


def wide_adjoints(
    seeds: Mapping[Any, Any],
    order: Sequence[Any] | None = None,
    within: Container[Any] | None = None,
) -> dict[Any, Any]:
    """Return the adjoints in wide floats; none where an operation does not know such numbers."""
    below = topological_order(seeds)
    try:
        terms_of = _Terms(below)
        wide_seeds = {x: _widened(g) for x, g in seeds.items()}
        return chain_rule.reverse_mode(wide_seeds, order or below, within, terms_of=terms_of)
    except Exception:  # an operation of one's own that takes Python's numbers alone
        return {}


def forward_mode(
    seeds: Mapping[Any, Any],
    order: Sequence[Any],
    partials_of: Callable[[Any], Sequence[Any]],
) -> dict[Any, Any]:
    """Return the tangents, as `chain_rule.forward_mode` does.

    >>> from microgradnet import Value
    >>> from microgradnet.chain_rule import partials
    >>> a, b = Value(1e-100), Value(1e150)
    >>> quotient = a / b
    >>> logarithm = quotient.log()
    >>> tangents = forward_mode({b: 1.0}, [quotient, logarithm], partials)
    >>> tangents[quotient], tangents[logarithm]
    (-0.0, -1e-150)
    """
    tangents = _forward(seeds, order, partials_of)
    below = topological_order(order)
    if left_the_floats(below, tangents.values()):
        _replace(tangents, _wide_tangents(seeds, order, below))
    return tangents


def _wide_tangents(
    seeds: Mapping[Any, Any], order: Sequence[Any], below: Sequence[Any]
) -> dict[Any, Any]:
    try:
        terms_of = _Terms(below, any(isinstance(t, Node) for t in seeds.values()))
        wide_seeds = {x: _widened(t) for x, t in seeds.items()}
        return _forward(wide_seeds, order, terms_of.partials)
    except Exception:  # as above
        return {}


def _forward(
    seeds: Mapping[Any, Any],
    order: Sequence[Any],
    partials_of: Callable[[Any], Sequence[Any]],
) -> dict[Any, Any]:
    """Sum up the terms of ẏ = Σₖ ∂y/∂xₖ · ẋₖ; of ln Σ exp zₖ − zⱼ they are Σₖ sₖ (żₖ − żⱼ)."""
    tangents = dict(seeds)
    for y in order:
        terms = [*_terms(y, tangents, partials_of)]
        if terms:
            tangents[y] = reduce(ops.add, terms)
    return tangents


def _terms(
    y: Any, tangents: Mapping[Any, Any], partials_of: Callable[[Any], Sequence[Any]]
) -> Iterator[Any]:
    over = excess(y.op, y.parents) if y.op is ops.subtract else None
    if over is None or over.part not in tangents:
        if any(x in tangents for x in y.parents):
            for x, p in zip(y.parents, partials_of(y), strict=True):
                if x in tangents and p is not NO_PART:
                    yield ops.multiply(p, tangents[x])
        return
    # Beside a share sⱼ of nearly 1 the others would be lost in the sum.
    for z, share in zip(over.total.parents, partials_of(over.total), strict=True):
        for x, sign in ((z, over.sign), (over.part, -over.sign)):
            if z is not over.part and x in tangents:
                yield ops.multiply(sign, ops.multiply(share, tangents[x]))


def left_the_floats(nodes: Iterable[Any], derivatives: Iterable[Any]) -> bool:
    """Tell whether a pass may have lost a number that makes a difference.

    Something has not all its digits, or is 0; and something is so large or small that it may bring
    back what was lost.
    """
    numbers = [node.data for node in nodes]
    numbers += map(number_of, derivatives)
    sizes = [abs(x) for x in numbers if type(x) is float and x != 0]
    if not sizes or (sum(sizes) <= _LARGE and min(sizes) >= 1 / _LARGE):  # NaN is not ≤
        return False
    far = any(not 1 / _LARGE <= size <= _LARGE for size in sizes)
    return far and not all(is_normal(x) for x in numbers if type(x) is float)


class _Terms:
    """Compute a node's contributions in wide floats.

    A node whose number was lost has a copy with the number that it should be. One that says of
    itself what it was computed from says so of its copy, too, so that all can be recorded.
    """

    def __init__(self, order: Iterable[Any], recorded: bool = False) -> None:
        self._recorded = recorded
        self._copies: dict[Any, Any] = {}
        for y in order:
            if y.op is None or type(y.data) is not float:
                continue
            forward, nodes = evaluation(y.op, y.parents)
            if is_normal(y.data) and not any(x in self._copies for x in nodes):
                continue
            number = evaluate(forward, *[wide.convert(self._of(x).data) for x in nodes])
            again = (float(number), evaluate(forward, *[x.data for x in nodes]))
            if number != y.data and any(_same(x, y.data) for x in again):
                self._copies[y] = copy(y)
                self._copies[y].data = number

    def _of(self, x: Any) -> Any:
        return self._copies.get(x, x)

    def _widened(self, x: Any) -> Any:
        """Return a node of the same number in wide floats, so that all computed from it are."""
        if x not in self._copies:
            self._copies[x] = _widened(x)
        return self._copies[x]

    def __call__(self, y: Any, g: Any) -> tuple[Any, ...]:
        if isinstance(g, Node):
            return recorded_vjp(y.op, g, self._widened(y), [*map(self._widened, y.parents)])
        own, xs = self._of(y), [*map(self._of, y.parents)]
        terms: tuple[Any, ...] = y.op.contributions(g, own.data, [x.data for x in xs])
        return terms

    def partials(self, y: Any) -> tuple[Any, ...]:
        """Return the partial derivatives ∂y/∂xₖ."""
        one: Any = WideFloat(1.0)
        terms = self(y, type(y)(one) if self._recorded else one)
        return tuple([ops.add(*term) if type(term) is TwoTerms else term for term in terms])


def _same(x: Any, y: Any) -> bool:
    """Tell whether a number is what was computed, and none that was assigned since."""
    return bool(x == y or x != x != y != y)


def _widened(x: Any) -> Any:
    if isinstance(x, Node):
        kind: Any = type(x)
        return ops.multiply(x, kind(WideFloat(1.0)))
    return wide.convert(x)


def _replace(derivatives: dict[Any, Any], again: Mapping[Any, Any]) -> None:
    """Put what was computed again, rounded to floats, in the place of what was, but for NaN."""
    for node in topological_order([g for g in again.values() if isinstance(g, Node)]):
        if type(node.data) is WideFloat:
            node.data = float(node.data)
    for x, derivative in again.items():
        number = float(number_of(derivative))
        if isinstance(derivative, Node) and number == number:
            derivatives[x] = derivative
        elif number == number != derivatives.get(x):  # 0 keeps its sign
            derivatives[x] = number
