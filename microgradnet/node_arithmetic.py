"""The arithmetic of nodes: run in it, a derivative rule records what it computes.

So a gradient is a graph of its own, which can be drawn, lifted and differentiated again, and one
table of rules gives derivatives of every order.

Branches are chosen by the numbers: `where` gives back the chosen node itself, so that the other
one, however infinite its slope, has no part in any further derivative. (A mask, 0·∞, would be NaN.)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import cache, reduce
from math import inf
from typing import Any

from microgradnet import ops
from microgradnet.arithmetic import (
    NO_PART,
    PRIMITIVES,
    Arithmetic,
    Function,
    IrrationalError,
    Number,
    TwoTerms,
    common,
    ieee,
    is_finite,
    product_in_order,
    wide,
)
from microgradnet.node import Node, number_of
from microgradnet.operation import Operation

__all__ = ["recorded_vjp"]


def recorded_vjp(op: Operation, g: Any, y: Any, xs: Sequence[Any]) -> tuple[Any, ...]:
    """Return the contributions g·∂y/∂xₖ by the operation's rule, as nodes."""
    numbers = common(g.data, y.data, *[x.data for x in xs])
    try:
        terms = op.rule(_arithmetic(numbers), g, y, *xs)
    except IrrationalError:  # a constant that is no rational
        terms = op.rule(_arithmetic(ieee), g, y, *xs)
    op.check(terms, len(xs))
    node = type(y)
    known = (Node, TwoTerms)
    return tuple([t if t is NO_PART or isinstance(t, known) else node(t) for t in terms])


_DERIVED = (
    "cbrt", "expm1", "log1p", "log2", "log10", "remainder", "sigmoid", "softplus", "xlogy",
)  # fmt: skip
"""The functions that follow from others but are operations of their own."""


class _NodeArithmetic(
    Arithmetic, functions={name: getattr(ops, name) for name in (*PRIMITIVES, *_DERIVED)}
):
    """Compute with nodes, and beside them plain numbers for a rule's constants."""

    no_part = NO_PART

    def __init__(self, inner: Arithmetic) -> None:
        self.inner = inner  # the arithmetic of the nodes' numbers
        self._of_floats = inner in (ieee, wide)
        self.name = f"nodes of {inner.name}"

    @property
    def pi(self) -> Number:
        return self.inner.pi

    def convert(self, x: Number) -> Number:
        return x if isinstance(x, Node) else self.inner.convert(x)

    def where(self, condition: Any, x: Number, y: Number) -> Number:
        try:
            chosen = x if condition else y
        except TypeError:  # SymPy's comparisons of formulas
            raise TypeError(
                f"which branch to differentiate depends on whether {condition}: a graph of Values "
                "has the one or the other; differentiate the formula, value.data.diff(symbol)"
            ) from None
        return chosen if chosen is NO_PART else self.convert(chosen)

    def both(self, p: Any, q: Any) -> Any:
        return self.inner.both(p, q)

    def equal(self, x: Number, y: Number) -> Any:
        return self.inner.equal(*map(self.inner.convert, (number_of(x), number_of(y))))

    def is_infinite(self, x: Number) -> Any:
        return self.inner.is_infinite(self.inner.convert(number_of(x)))

    def near_one(self, g: Number, share: Number, rest: Function) -> Number:
        if not (self.inner.rounds and number_of(share) > 0.5 and is_finite(number_of(g))):
            return g * share
        return TwoTerms(g, -g * rest())

    def vanishing_product(self, x: Number, y: Number) -> Number:
        return 0 if self.is_infinite(x) and self.equal(y, 0) else x * y

    def _product(self, factor: Number, product: Function, *orders: Function) -> Number:
        if self.inner is not ieee:
            return product()
        return product_in_order(factor, product, *orders, number_of=number_of)

    def power_slope(self, g: Number, x: Number, y: Number, out: Number) -> Number:
        if self.equal(x, 0):
            y = number_of(y)  # beside it the power is 0 whatever y is, which so has no part
        slope = y * self.power(x, y - 1)
        if self._of_floats:
            # y·out/x has all digits, but its derivatives cancel near y = 1 and end in ∞ − ∞. So
            # what y − 1 rounds away makes a factor of its own, e^lost = 1 + lost, a constant.
            exponent = number_of(y)
            lost = (exponent - (exponent - 1 + 1)) * ieee.log(number_of(x))
            if 1e-15 < abs(lost) < 1:
                slope = slope * (1 + lost)
        return self.scaled(g, slope, y * out, x)

    def log1p_slope(self, g: Number, x: Number, out: Number) -> Number:
        number = number_of(x)
        if self._of_floats and -1 <= number < -0.5 and number_of(out) != self.inner.log1p(number):
            return g * self.exp(-out)
        return super().log1p_slope(g, x, out)

    def sech(self, x: Number) -> Number:
        if not self._of_floats or not abs(number_of(x)) > 40:
            return super().sech(x)
        # The slopes of 1/cosh have 1/cosh³, which soon is 0, and end in ∞·0. From here on the half
        # of the cosine beside e^|x| is below any rounding.
        return 2 * self.exp(self.where(x > 0, -x, x))

    def sigmoid_slope(self, g: Number, x: Number) -> Number:
        if not self._of_floats:
            return super().sigmoid_slope(g, x)
        # The two slopes of the product σ(x) σ(−x) cancel near 0.
        half = self.sech(x / 2)
        return g * (half * half / 4)

    def gaussian(self, x: Number, d: int = 1) -> Number:
        textbook = super().gaussian(x, d)
        return self._corrected(textbook, lambda: self.inner.gaussian(number_of(x), d))

    def normal_cdf(self, x: Number) -> Number:
        if self._of_floats and number_of(x) > 0:  # whose slope would lack digits on the right
            return 1 - self.normal_cdf(-x)
        textbook = super().normal_cdf(x)
        return self._corrected(textbook, lambda: self.inner.normal_cdf(number_of(x)))

    def _corrected(self, textbook: Number, number: Callable[[], float]) -> Number:
        """Multiply a function by what it lacks to be its number: a constant of nearly 1."""
        if not self._of_floats:
            return textbook
        factor = self.inner.divide(number(), number_of(textbook))
        return textbook * factor if 0.5 < factor < 2 else textbook

    def one_minus_square(self, x: Number) -> Number:
        if not self._of_floats or 0.5 < abs(number_of(x)) != 1:
            return super().one_minus_square(x)
        # The product's two slopes cancel near 0, and at ±1 an infinite adjoint meets its factor 0.
        return 1 - x * x

    def hypot(self, x: Number, y: Number, /) -> Number:
        if not self._of_floats:
            return super().hypot(x, y)
        # Scaled by a power of two, which rounds nothing and on which the result does not depend.
        _, exponent = math.frexp(max(abs(number_of(x)), abs(number_of(y))))
        if -64 < exponent < 64:  # so it is of 0, ∞ and NaN
            return super().hypot(x, y)
        scale = math.ldexp(1.0, exponent - 1)
        return scale * super().hypot(self.divide(x, scale), self.divide(y, scale))

    def cosine(self, x: Number, others: Sequence[Number], norm: Number) -> Number:
        length = abs(number_of(x))
        if not self._of_floats or not max(abs(number_of(y)) for y in (*others, 0)) < length < inf:
            return super().cosine(x, others, norm)
        # The slope of x/norm by x, 1/norm − x²/norm³, would cancel: of the largest only.
        ratios = [self.divide(y, x) for y in others]
        squares = reduce(operator.add, [t * t for t in ratios], 0)
        return self.divide(math.copysign(1.0, number_of(x)), self.sqrt(1 + squares))

    def abs(self, x: Number) -> Number:
        # What a rule computes from |NaN| is NaN, and so is its derivative: |x|′ must not end it.
        return ops.abs(x) if self.equal(x, x) else x

    def log_sum_exp(self, xs: Sequence[Number]) -> Number:
        return ops.log_sum_exp(*xs)

    def softmax(self, xs: Sequence[Number]) -> tuple[Number, ...]:
        return tuple(ops.softmax(xs))

    divide = staticmethod(ops.divide)
    power = staticmethod(ops.power)


@cache
def _arithmetic(inner: Arithmetic) -> _NodeArithmetic:
    return _NodeArithmetic(inner)
