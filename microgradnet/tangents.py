"""Forward mode that keeps its digits: `chain_rule.forward_mode`, where a tangent may be no float.

Where floats do, the numbers are those of the plain form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from microgradnet import ops
from microgradnet.arithmetic import NO_PART, is_normal, parts
from microgradnet.chain_rule import contributions, forward_mode
from microgradnet.complements import excess
from microgradnet.node import number_of

__all__ = ["tangents_along"]


def tangents_along(
    seeds: Mapping[Any, Any],
    order: Sequence[Any],
    partials_of: Callable[[Any], Sequence[Any]],
) -> dict[Any, Any]:
    """Return the tangents of all nodes that the seeds lead to, as `chain_rule.forward_mode` does.

    >>> from microgradnet import Value
    >>> from microgradnet.chain_rule import partials
    >>> a, b = Value(1e-100), Value(1e150)
    >>> quotient = a / b
    >>> logarithm = quotient.log()
    >>> tangents = tangents_along({b: 1.0}, [quotient, logarithm], partials)
    >>> tangents[quotient], tangents[logarithm]
    (-0.0, -1e-150)
    """
    plain = forward_mode(seeds, order, partials_of)
    if _have_all_digits(*plain.values()) and all(
        _have_all_digits(*partials_of(y)) and excess(y.op, y.parents) is None
        for y in order
        if y in plain
    ):
        return plain
    tangents = _Tangents(seeds, partials_of)
    for y in order:
        if any(x in tangents.mantissas for x in y.parents):
            tangents.compute(y)
    return tangents.numbers()


class _Tangents:
    """Hold tangents as mantissa · 2^exponent: one may be beyond the floats, the next a float.

    The tangent of a/b may be too small for a float where that of ln(a/b) is none. The exponent is
    0 wherever a float will do.
    """

    def __init__(
        self, seeds: Mapping[Any, Any], partials_of: Callable[[Any], Sequence[Any]]
    ) -> None:
        self.mantissas = dict(seeds)
        self._exponents: dict[Any, int] = {}
        self._partials_of = partials_of

    def compute(self, y: Any) -> None:
        """Sum up the terms of ẏ = Σₖ ∂y/∂xₖ · ẋₖ."""
        terms = list(self._terms(y))
        if any(exponent for _, exponent in terms):
            terms = [_normalised(*term) for term in terms]
            largest = max(exponent for _, exponent in terms)
            tangent = reduce(ops.add, [_scaled(t, e - largest) for t, e in terms])
            self._keep(y, tangent, largest)
        elif terms:
            self.mantissas[y] = reduce(ops.add, [t for t, _ in terms])

    def numbers(self) -> dict[Any, Any]:
        """Return the tangents, 0 or infinite where one is beyond the floats."""
        return {x: _scaled(t, self._exponents.get(x, 0)) for x, t in self.mantissas.items()}

    def _keep(self, y: Any, tangent: Any, exponent: int) -> None:
        number = _scaled(tangent, exponent)
        self.mantissas[y] = number if _have_all_digits(number) else tangent
        if self.mantissas[y] is tangent:
            self._exponents[y] = exponent

    def _terms(self, y: Any) -> Iterator[tuple[Any, int]]:
        over = excess(y.op, y.parents)
        if over is None or over.part not in self.mantissas:
            for k, (x, p) in enumerate(zip(y.parents, self._partials_of(y), strict=True)):
                if x in self.mantissas and p is not NO_PART:
                    yield self._term(y, k, p, x)
            return
        # Σₖ sₖ (żₖ − żⱼ): beside a share sⱼ of nearly 1 the others would be lost in the sum.
        shares = self._partials_of(over.total)
        for k, (z, share) in enumerate(zip(over.total.parents, shares, strict=True)):
            for x, sign in ((z, over.sign), (over.part, -over.sign)):
                if z is not over.part and x in self.mantissas:
                    term, exponent = self._term(over.total, k, share, x)
                    yield ops.multiply(sign, term), exponent

    def _term(self, y: Any, k: int, p: Any, x: Any) -> tuple[Any, int]:
        """Multiply y's k-th partial derivative p by ẋ; if need be, by the rule for a part of ẋ."""
        tangent, exponent = self.mantissas[x], self._exponents.get(x, 0)
        term = ops.multiply(p, tangent)
        if _have_all_digits(p, term) or not _have_all_digits(tangent):
            return term, exponent
        if y.op in _LINEAR and number_of(p) == 0:
            return term, exponent
        mantissa, shift = _normalised(tangent, exponent)
        for power in (0, 500, -500, 1000, -1000):
            product = reduce(ops.add, parts(contributions(y, _scaled(mantissa, power))[k]))
            if _have_all_digits(product):
                return product, shift - power
        return term, exponent


_LINEAR = (
    ops.add, ops.subtract, ops.negative, ops.multiply, ops.total, ops.weighted_sum, ops.dot_product,
)  # fmt: skip
"""Operations whose partial derivatives are numbers as they stand: a 0 is no product too small."""


def _have_all_digits(*xs: Any) -> bool:
    """Tell whether none of the numbers is a float with fewer digits; a loop, for the time."""
    for x in xs:
        number = number_of(x)
        if type(number) is float and not is_normal(number):
            return False
    return True


def _normalised(x: Any, exponent: int) -> tuple[Any, int]:
    """Return the same number, its mantissa from ½ to 1."""
    _, shift = math.frexp(number_of(x))
    return _scaled(x, -shift), exponent + shift


def _scaled(x: Any, exponent: int) -> Any:
    """Return x · 2^exponent."""
    while exponent:
        step = max(-1000, min(1000, exponent))
        x, exponent = ops.multiply(x, 2.0**step), exponent - step
    return x
