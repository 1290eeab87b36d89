"""Numbers that keep their digits where an activation saturates.

From z = 37 on σ(z) rounds to 1 and 1 − σ(z) to 0, while σ(−z), the same number, has all its digits.
So an operation can declare its complement 1 − y. Where a node is computed from one that saturates,
its number comes from what lies below that one: of `1 - sigmoid(z)` it is σ(−z). The node's parents
and its derivative rule are those of the operation as written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from microgradnet import ops
from microgradnet.arithmetic import Arithmetic, Number, common, evaluate
from microgradnet.operation import Operation

__all__ = ["SENSITIVE", "Evaluation", "evaluation", "may_have_complement", "sharpened"]

Evaluation: TypeAlias = "tuple[Callable[..., Number], tuple[Any, ...]]"
"""forward(m, *numbers), and the nodes whose numbers it takes."""

SENSITIVE = frozenset({ops.subtract, ops.log, ops.xlogy, ops.atanh})
"""The operations that lose digits beside a number that is close to 1."""


def evaluation(op: Operation, parents: tuple[Any, ...]) -> Evaluation:
    """How the number of an operation's node is computed from other nodes' numbers.

    That is op.forward from the parents, but for 1 − a, ln a, x ln a and artanh a where the
    operation of a knows 1 − a better than its number does.

    >>> from microgradnet import Value, sigmoid
    >>> one, a = Value(1.0), sigmoid(Value(40.0))
    >>> forward, nodes = evaluation(ops.subtract, (one, a))
    >>> [node.data for node in nodes], (1 - a).data, 1 - a.data
    ([1.0, 1.0, 40.0], 4.248354255291589e-18, 0.0)
    """
    if op in SENSITIVE:
        *others, last = parents
        if op is ops.atanh and last.op is ops.tanh:
            return _identity, last.parents
        known = _complement(last)
        if known and op in _SHARPER and (op is not ops.subtract or _is_one(*others)):
            complement, nodes = known
            return _SHARPER[op](complement), (*parents, *nodes)
    return op.forward, parents


def may_have_complement(op: Operation) -> bool:
    """Tell by its operation alone whether a node y may have a known 1 − y.

    >>> may_have_complement(ops.sigmoid), may_have_complement(ops.exp)
    (True, False)
    """
    return op.complement is not None or (op.base or op) in _PASSING_ON


_PASSING_ON = (ops.subtract, ops.multiply, ops.power_constant)
"""1 − a, a·a and a² have a complement where a does."""


def sharpened(op: Operation, parents: tuple[Any, ...], data: Number) -> Number:
    """The number of a node, where it was data: the same, or one with more digits."""
    forward, nodes = evaluation(op, parents)
    if nodes is parents or not common(data).rounds:
        return data
    return evaluate(forward, *[node.data for node in nodes])


def _complement(node: Any) -> Evaluation | None:
    """How 1 − node is computed with its digits; None where nothing is known."""
    if node.op is ops.subtract and _is_one(node.parents[0]):
        return (_identity, node.parents[1:]) if _declared(node.parents[1]) else None
    return _declared(node)


def _declared(node: Any) -> Evaluation | None:
    """1 − node where its operation declares it, or it is the square of a node whose does."""
    op, parents = node.op, node.parents
    if op is None:
        return None
    if op.complement is not None:
        return op.complement, parents
    if (op is ops.multiply and parents[0] is parents[1]) or (
        (op.base or op) is ops.power_constant and op.parameters["exponent"] == 2
    ):
        inner: Operation | None = parents[0].op
        if inner is not None and inner.complement is not None:
            return _of_square(inner), parents[0].parents
    return None


def _is_one(node: Any) -> bool:
    """Whether a node is the number 1, if only because a variable happens to be.

    While tracing a variable's number is not known, and what compares with it is no bool.
    """
    return node.op is None and (node.data == 1) is True


def _identity(m: Arithmetic, x: Number) -> Number:
    return x


def _of_square(op: Operation) -> Callable[..., Number]:
    """Compute 1 − y² as (1 − y)(1 + y): of an odd function 1 + y is the complement at −x."""

    def complement(m: Arithmetic, *xs: Number) -> Number:
        below: Any = op.complement
        one_minus = below(m, *xs)
        one_plus = below(m, *(-x for x in xs)) if op.odd else 2 - one_minus
        return one_minus * one_plus

    return complement


def _difference(complement: Callable[..., Number]) -> Callable[..., Number]:
    """Compute x − a, which is 1 − a as long as x is 1."""
    return lambda m, x, a, *below: m.where(m.equal(x, 1), complement(m, *below), x - a)


def _logarithm(complement: Callable[..., Number]) -> Callable[..., Number]:
    """Compute ln a, as ln(1 − (1 − a)) where a is close to 1."""
    return lambda m, a, *below: m.where(a > 0.5, m.log1p(-complement(m, *below)), m.log(a))


def _times_logarithm(complement: Callable[..., Number]) -> Callable[..., Number]:
    """Compute x ln a in the same way."""
    return lambda m, x, a, *below: m.where(
        a > 0.5, x * m.log1p(-complement(m, *below)), m.xlogy(x, a)
    )


_SHARPER = {ops.subtract: _difference, ops.log: _logarithm, ops.xlogy: _times_logarithm}
