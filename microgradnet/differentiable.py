"""The arithmetic of nodes: run in it, a derivative rule records what it computes.

So a gradient is a graph of its own, which can be drawn, lifted and differentiated again, and one
table of rules gives derivatives of every order. This file stands below the nodes' own: all it
asks of them is `data`, `op`, `parents`, the operators, and a constructor that takes a number.

Branches are chosen by the numbers: `where` gives back the chosen node itself, so that the other
one, however infinite its slope, has no part in any further derivative. (A mask, 0·∞, would be NaN.)
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from microgradnet import ops
from microgradnet.arithmetic import PRIMITIVES, Arithmetic, Number, common, ieee
from microgradnet.arithmetic.exact import IrrationalError
from microgradnet.graph import topological_order
from microgradnet.notation import annotate, described
from microgradnet.operation import Operation

__all__ = ["Gradients", "adjoints", "products", "tangent"]


class Gradients(dict[Any, Any]):
    """∂C/∂node for every node that C was computed from, each a node itself; 0 for any other.

    >>> from microgradnet import Value
    >>> x, other = Value(3.0), Value(5.0)
    >>> y = x**3
    >>> slope = y.backward(create_graph=True)[x]
    >>> slope.data, slope.backward(create_graph=True)[x].data
    (27.0, 18.0)
    >>> slope.backward(create_graph=True)[other].data
    0.0
    """

    def __missing__(self, node: Any) -> Any:
        if not _is_node(node):
            raise KeyError(node)
        return type(node)(common(node.data).convert(0))


def adjoints(
    seeds: Mapping[Any, Any], order: Sequence[Any] | None = None, within: Container[Any] = ()
) -> dict[Any, Any]:
    """The adjoint of every node below some roots, where those of the roots are the seeds.

    Where the seeds are nodes, so are the adjoints, and how they are computed is recorded. The sums
    are those of `Value.backward`, but no node is changed. Given an order, parents first, these
    nodes alone pass gradients on, and only to nodes `within`.
    """
    found = dict(seeds)
    for node in reversed(topological_order(found) if order is None else order):
        if node.op is None or node not in found:
            continue
        for parent, product in zip(node.parents, products(node, found[node]), strict=True):
            if order is None or parent in within:
                found[parent] = ops.add(found[parent], product) if parent in found else product
    return found


def products(node: Any, g: Any) -> tuple[Any, ...]:
    """The products g·∂(node)/∂(parent), by the rule of its operation: nodes where g is one.

    What the rule raises is told where it was.
    """
    op, parents = node.op, node.parents
    try:
        if _is_node(g):
            return _recorded(op, g, node, parents)
        numbers: tuple[Any, ...] = op.vjp(g, *[x.data for x in parents], out=node.data)
        return numbers
    except Exception as error:
        annotate(error, f"in the backward pass, at {described(op, parents, node.label)}")
        raise


def tangent(slopes: Iterable[Any], tangents: Iterable[Any]) -> Any:
    """Σ slope·tangent over a node's operands, where neither is None; None if there is no such."""
    total = None
    for slope, moved in zip(slopes, tangents, strict=True):
        if slope is not None and moved is not None:
            term = ops.multiply(slope, moved)
            total = term if total is None else ops.add(total, term)
    return total


def _recorded(op: Operation, g: Any, y: Any, xs: Sequence[Any]) -> tuple[Any, ...]:
    kind = common(g.data, y.data, *[x.data for x in xs])
    try:
        found = op.rule(_differentiable(kind), g, y, *xs)
    except IrrationalError:  # a constant that is no rational
        found = op.rule(_differentiable(ieee), g, y, *xs)
    if type(found) is not tuple or len(found) != len(xs):
        op.refuse(found, len(xs))
    node = type(y)
    return tuple([p if _is_node(p) else node(p) for p in found])


def _is_node(x: Any) -> bool:
    return hasattr(type(x), "_record")


def _data(x: Any) -> Number:
    return x.data if _is_node(x) else x


_DERIVED = ("expm1", "log1p", "sigmoid", "softplus", "xlogy")
"""The functions that follow from others but are operations of their own."""


class _Differentiable(
    Arithmetic, functions={name: getattr(ops, name) for name in (*PRIMITIVES, *_DERIVED)}
):
    """Nodes, and beside them plain numbers for a rule's constants."""

    def __init__(self, inner: Arithmetic) -> None:
        self.inner = inner  # the arithmetic of the nodes' numbers
        self.name = f"nodes of {inner.name}"

    @property
    def pi(self) -> Number:
        return self.inner.pi

    def convert(self, x: Number) -> Number:
        return x if _is_node(x) else self.inner.convert(x)

    def where(self, condition: Any, x: Number, y: Number) -> Number:
        try:
            chosen = x if condition else y
        except TypeError:  # SymPy's comparisons of formulas
            raise TypeError(
                f"which branch to differentiate depends on whether {condition}: a graph of Values "
                "has the one or the other; differentiate the formula, value.data.diff(symbol)"
            ) from None
        return self.convert(chosen)

    def both(self, p: Any, q: Any) -> Any:
        return self.inner.both(p, q)

    def equal(self, x: Number, y: Number) -> Any:
        return self.inner.equal(*map(self.inner.convert, (_data(x), _data(y))))

    def is_infinite(self, x: Number) -> Any:
        return self.inner.is_infinite(self.inner.convert(_data(x)))

    def vanishing_product(self, x: Number, y: Number) -> Number:
        return 0 if self.is_infinite(x) and self.equal(y, 0) else x * y

    def sech(self, x: Number) -> Number:
        if self.inner is not ieee or not abs(_data(x)) > 40:
            return super().sech(x)
        # The slopes of 1/cosh have 1/cosh³, which soon is 0, and end in ∞·0. From here on the half
        # of the cosine beside e^|x| is below any rounding.
        return 2 * self.exp(self.where(x > 0, -x, x))

    def one_minus_square(self, x: Number) -> Number:
        if self.inner is not ieee or 0.5 < abs(_data(x)) != 1:
            return super().one_minus_square(x)
        # The product's two slopes cancel near 0, and at ±1 an infinite adjoint meets its factor 0.
        return 1 - x * x

    def hypot(self, x: Number, y: Number, /) -> Number:
        if self.inner is not ieee:
            return super().hypot(x, y)
        # Scaled by a power of two, which rounds nothing and on which the result does not depend.
        _, exponent = math.frexp(max(abs(_data(x)), abs(_data(y))))
        if -400 < exponent < 400:  # so it is of 0, ∞ and NaN
            return super().hypot(x, y)
        scale = math.ldexp(1.0, exponent - 1)
        return scale * super().hypot(self.divide(x, scale), self.divide(y, scale))

    def log_sum_exp(self, xs: Sequence[Number]) -> Number:
        return ops.log_sum_exp(*xs)

    def softmax(self, xs: Sequence[Number]) -> tuple[Number, ...]:
        return tuple(ops.softmax(xs))

    divide = staticmethod(ops.divide)
    power = staticmethod(ops.power)
    abs = staticmethod(ops.abs)


@cache
def _differentiable(inner: Arithmetic) -> _Differentiable:
    return _Differentiable(inner)
