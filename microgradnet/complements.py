"""Numbers that keep their digits where an activation saturates.

From z = 37 on σ(z) rounds to 1 and 1 − σ(z) to 0, while σ(−z), the same number, has all its digits.
So an operation can declare its complement 1 − y. Where a node is computed from one that saturates,
its number comes from what lies below that one: of `1 - sigmoid(z)` it is σ(−z). The node's parents
and its derivative rule are those of the operation as written.

So it is of ln Σ exp zₖ − zⱼ, the cost of class j, which is ln Σ exp(zₖ − zⱼ).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from microgradnet import ops
from microgradnet.arithmetic import Arithmetic, Number, common, evaluate, is_normal
from microgradnet.operation import Operation

__all__ = [
    "SENSITIVE", "Evaluation", "Excess", "Source", "evaluation", "excess", "may_have_complement",
    "remembered", "sharpened", "source_of",
]  # fmt: skip

Evaluation: TypeAlias = "tuple[Callable[..., Number], tuple[Any, ...]]"
"""forward(m, *numbers), and the nodes whose numbers it takes."""

SENSITIVE = frozenset({ops.add, ops.subtract, ops.log, ops.log1p, ops.xlogy, ops.atanh})
"""The operations that lose digits beside a number that is close to 1 or −1."""


def evaluation(op: Operation, parents: tuple[Any, ...]) -> Evaluation:
    """Say how the number of an operation's node is computed from other nodes' numbers.

    That is op.forward from the parents, but for 1 ∓ a, ln a, ln(1 − a), x ln a and artanh a where
    the operation of a knows 1 ∓ a better than its number does.

    >>> from microgradnet import Value, sigmoid
    >>> one, a = Value(1.0), sigmoid(Value(40.0))
    >>> forward, nodes = evaluation(ops.subtract, (one, a))
    >>> [node.data for node in nodes], (1 - a).data, 1 - a.data
    ([1.0, 1.0, 40.0], 4.248354255291589e-18, 0.0)
    """
    return (_sharper(op, parents) if op in SENSITIVE else None) or (op.forward, parents)


def _sharper(op: Operation, parents: tuple[Any, ...]) -> Evaluation | None:
    if op is ops.atanh and parents[0].op is ops.tanh:
        return _identity, parents[0].parents
    over = excess(op, parents)
    if over is not None:
        return over.evaluation
    for k, a in enumerate(parents):
        sharper = _SHARPER.get((op, k))
        beside_1 = op not in (ops.add, ops.subtract) or _is_one(parents[1 - k])
        if sharper is not None and beside_1:
            known = _complement(a, -1 if op in (ops.add, ops.log1p) else 1)
            forward, nodes = op.forward, parents
            if known is not None:
                forward, nodes = sharper(known[0]), (*parents, *known[1])
            far = _far_logarithm(op, a)
            if far is not None:
                return _either(forward, nodes, far, op is ops.xlogy)
            if known is not None:
                return forward, nodes
    return None


def _far_logarithm(op: Operation, a: Any) -> Evaluation | None:
    """Say how ln a, or ln(1 + a), is computed where that is of no float."""
    if op is ops.log1p:
        return _log_complement(a.parents[0]) if a.op is ops.negative else _log_complement(a, -1)
    return _logarithm_of(a) if op in (ops.log, ops.xlogy) else None


def _either(
    forward: Callable[..., Number], nodes: tuple[Any, ...], far: Evaluation, weighted: bool
) -> Evaluation:
    """Compute a logarithm from what it is of, but where that is too small or large for a float."""
    n = len(nodes)

    def either(m: Arithmetic, *xs: Number) -> Number:
        y, logarithm = forward(m, *xs[:n]), far[0](m, *xs[n:])
        # e^690 is 10^300
        return m.where(m.abs(logarithm) > 690, xs[0] * logarithm if weighted else logarithm, y)

    return either, (*nodes, *far[1])


def _logarithm_of(a: Any) -> Evaluation | None:
    """Say how ln a is computed where a is σ, a share, 1 ∓ y, or a product or quotient with one."""
    op, parents = a.op, a.parents
    if op is ops.multiply or op is ops.divide:
        return _logarithm_of_two(op, *parents)
    if op is ops.sigmoid:
        return (lambda m, x: -m.softplus(-x)), parents
    if (op is not None and op.base is ops.softmax_component) or op is ops.softmax_component:
        index = op.parameters["index"]
        return (lambda m, *xs: xs[index] - m.log_sum_exp(xs)), parents
    if op is ops.subtract and _is_one(parents[0]):
        return _log_complement(parents[1])
    if op is ops.add and any(map(_is_one, parents)):
        return _log_complement(parents[1 if _is_one(parents[0]) else 0], -1)
    return None


def _logarithm_of_two(op: Operation, x: Any, y: Any) -> Evaluation | None:
    """Say how ln xy, or ln x/y, is computed as a sum, where one of the two is known so."""
    known = [_logarithm_of(v) if v.op not in (ops.multiply, ops.divide) else None for v in (x, y)]
    if known == [None, None]:
        return None
    of_x, xs = known[0] or (ops.log.forward, (x,))
    of_y, ys = known[1] or (ops.log.forward, (y,))
    n, sign = len(xs), -1 if op is ops.divide else 1
    return (lambda m, *vs: of_x(m, *vs[:n]) + sign * of_y(m, *vs[n:])), (*xs, *ys)


def _log_complement(y: Any, sign: int = 1) -> Evaluation | None:
    """Say how ln(1 − sign·y) is computed where y is σ, tanh or a share, or the square of one."""
    base = _squared(y)
    inner = (base or y).op
    if inner is None:
        return None
    logarithm = _LOG_COMPLEMENTS.get(inner.base or inner)
    if inner.arity is None and len((base or y).parents) == 1:
        return None  # a softmax of one is 1
    if logarithm is None or (sign < 0 and (base is not None or not inner.odd)):
        return None
    below = partial(logarithm, **inner.parameters)
    if base is None:
        return (below if sign > 0 else _at_minus(below)), y.parents
    return (lambda m, *xs: below(m, *xs) + _log_of_more(inner, below, m, xs)), base.parents


def _log_of_more(
    op: Operation, below: Callable[..., Number], m: Arithmetic, xs: Sequence[Number]
) -> Number:
    """Compute ln(1 + y)."""
    if op.odd:
        return _at_minus(below)(m, *xs)
    complement: Any = op.complement
    return m.log(2 - complement(m, *xs))


_LOG_COMPLEMENTS: dict[Operation, Callable[..., Number]] = {
    ops.sigmoid: lambda m, x: -m.softplus(x),
    ops.tanh: lambda m, x: m.log(m.convert(2)) - m.softplus(2 * x),
    ops.softmax_component: lambda m, *xs, index: (
        m.log_sum_exp([*xs[:index], *xs[index + 1 :]]) - m.log_sum_exp(xs)
    ),
}
"""ln(1 − y) of operations whose complement 1 − y may be below the floats."""


class Excess(NamedTuple):
    """Hold the difference ln Σ exp zₖ − z, or its negative."""

    total: Any
    """The node ln Σ exp zₖ."""
    part: Any
    """The node z, mostly one of the zₖ."""
    sign: int
    """1, or −1 for z − ln Σ exp zₖ."""

    @property
    def evaluation(self) -> Evaluation:
        """Return the difference as ln Σ exp(zₖ − z), and what it takes."""
        return _above if self.sign > 0 else _below, (self.part, *self.total.parents)

    @property
    def cancels(self) -> bool:
        """Tell whether the two numbers are so close that their difference loses digits."""
        x, y = self.total.data, self.part.data
        return bool(4 * abs(x - y) < abs(x))


def _above(m: Arithmetic, z: Number, *zs: Number) -> Number:
    return m.log_sum_exp([x - z for x in zs])


def _below(m: Arithmetic, z: Number, *zs: Number) -> Number:
    return -m.log_sum_exp([x - z for x in zs])


def excess(op: Operation | None, parents: Sequence[Any]) -> Excess | None:
    """Tell whether an operation's node is such a difference.

    >>> from microgradnet import Value, log_sum_exp
    >>> z = Value(40.0)
    >>> total = log_sum_exp(z, Value(0.0))
    >>> excess(ops.subtract, (total, z)).sign, (total - z).data
    (1, 4.248354255291589e-18)
    """
    if op is not ops.subtract:
        return None
    left, right = parents
    if left.op is ops.log_sum_exp:
        return Excess(left, right, 1)
    return Excess(right, left, -1) if right.op is ops.log_sum_exp else None


def may_have_complement(op: Operation | None) -> bool:
    """Tell by its operation alone whether a node y may have a known 1 − y or 1 + y.

    >>> may_have_complement(ops.sigmoid), may_have_complement(ops.exp)
    (True, False)
    """
    return op is not None and (op.complement is not None or (op.base or op) in _PASSING_ON)


_PASSING_ON = (ops.negative, ops.subtract, ops.multiply, ops.power_constant)
"""−a, 1 − a, a·a and a² have a complement where a does."""


def sharpened(op: Operation, parents: tuple[Any, ...], data: Number) -> Number:
    """Return the number of a node, where it was data: the same, or one with more digits."""
    if not common(data).rounds or (op is ops.xlogy and parents[0].data == 0):
        return data  # 0 ln a is 0 whatever a is
    over = excess(op, parents)
    if over is not None and not over.cancels:
        return data
    forward, nodes = evaluation(op, parents)
    if nodes is parents:
        return data
    return evaluate(forward, *[node.data for node in nodes])


class Source(NamedTuple):
    """Say how a number was computed, without a graph: as much as its complement needs."""

    data: Number
    op: Operation | None = None
    parents: tuple[Source, ...] = ()


def source_of(x: Any) -> Any:
    """Return a node that was computed, or what a leaf was computed from unless it was changed."""
    source = getattr(x, "source", None)
    return x if source is None or source.data is not x.data else source


def remembered(
    data: Number, op: Operation, operands: Sequence[Any], depth: int = 3
) -> Source | None:
    """Return what is to be known of a number whose node is not recorded; None if nothing is.

    Of what it was computed from the numbers are held, and no node.

    >>> from microgradnet import Value
    >>> remembered(1.0, ops.sigmoid, [Value(40.0)])
    Source(data=1.0, op=<operation sigmoid>, parents=(Source(data=40.0, op=None, parents=()),))
    >>> remembered(1.0, ops.exp, [Value(0.0)])
    """
    if op is ops.log_sum_exp or op.complement is not None:
        return Source(data, op, tuple([Source(x.data) for x in operands]))
    beyond = (op is ops.add or op is ops.divide) and type(data) is float and not is_normal(data)
    if depth == 0 or not (beyond or may_have_complement(op)):
        return None
    known = {x: _remembered(source_of(x), depth - 1) for x in operands}
    source = Source(data, op, tuple([known[x] for x in operands]))
    is_of_use = _complement(source) or _complement(source, -1) or _logarithm_of(source)
    return source if is_of_use else None


def _remembered(x: Any, depth: int) -> Source:
    if isinstance(x, Source):
        return x
    known = x.op and remembered(x.data, x.op, x.parents, depth)
    return known or Source(x.data)


def _complement(node: Any, sign: int = 1) -> Evaluation | None:
    """Say how 1 − sign·node is computed with its digits; None where nothing is known."""
    op = node.op
    if op is ops.negative:
        return _complement(node.parents[0], -sign)
    if sign > 0 and op is ops.subtract and _is_one(node.parents[0]):
        return (_identity, node.parents[1:]) if _declared(node.parents[1]) else None
    if sign > 0:
        return _declared(node)
    return (_at_minus(op.complement), node.parents) if op is not None and op.odd else None


def _declared(node: Any) -> Evaluation | None:
    """Find 1 − node where its operation declares it, or it is the square of a node whose does."""
    op, parents = node.op, node.parents
    if op is None:
        return None
    if op.complement is not None:
        return op.complement, parents
    base = _squared(node)
    if base is not None and base.op is not None and base.op.complement is not None:
        return _of_square(base.op), base.parents
    return None


def _squared(node: Any) -> Any:
    """Return the node x where this one is x·x or x²; None where it is something else."""
    op, parents = node.op, node.parents
    if (op is ops.multiply and _alike(*parents)) or (
        op is not None and (op.base or op) is ops.power_constant and op.parameters["exponent"] == 2
    ):
        return parents[0]
    return None


def _alike(x: Any, y: Any) -> bool:
    """Tell whether two nodes are one, or were computed by one operation from the same nodes."""
    return x is y or (x.op is not None and x.op is y.op and x.parents == y.parents)


def _is_one(node: Any) -> bool:
    """Tell whether a node is the number 1, if only because a variable happens to be.

    While tracing a variable's number is not known, and what compares with it is no bool.
    """
    return node.op is None and (node.data == 1) is True


def _identity(m: Arithmetic, x: Number) -> Number:
    return x


def _at_minus(complement: Callable[..., Number]) -> Callable[..., Number]:
    """Compute 1 + y of an odd function y, whose complement is at −x what this is at x."""
    return lambda m, *xs: complement(m, *(-x for x in xs))


def _of_square(op: Operation) -> Callable[..., Number]:
    """Compute 1 − y² as (1 − y)(1 + y)."""

    def complement(m: Arithmetic, *xs: Number) -> Number:
        below: Any = op.complement
        one_minus = below(m, *xs)
        return one_minus * (_at_minus(below)(m, *xs) if op.odd else 2 - one_minus)

    return complement


def _beside_1(op: Operation, k: int) -> Callable[[Callable[..., Number]], Callable[..., Number]]:
    """Compute 1 ∓ a as long as the operand beside a, which is the k-th, is 1."""

    def sharper(complement: Callable[..., Number]) -> Callable[..., Number]:
        def forward(m: Arithmetic, x: Number, y: Number, *below: Number) -> Number:
            one = m.equal((x, y)[1 - k], 1)
            return m.where(one, complement(m, *below), op.forward(m, x, y))

        return forward

    return sharper


def _logarithm(complement: Callable[..., Number]) -> Callable[..., Number]:
    """Compute ln a, as ln(1 − (1 − a)) where a is close to 1."""
    return lambda m, a, *below: m.where(a > 0.5, m.log1p(-complement(m, *below)), m.log(a))


def _logarithm_of_one_plus(complement: Callable[..., Number]) -> Callable[..., Number]:
    """Compute ln(1 + a) from 1 + a where a is close to −1."""
    return lambda m, a, *below: m.where(a < -0.5, m.log(complement(m, *below)), m.log1p(a))


def _times_logarithm(complement: Callable[..., Number]) -> Callable[..., Number]:
    """Compute x ln a in the same way."""
    return lambda m, x, a, *below: m.where(
        a > 0.5, x * m.log1p(-complement(m, *below)), m.xlogy(x, a)
    )


_SHARPER = {
    (ops.subtract, 1): _beside_1(ops.subtract, 1),
    (ops.add, 0): _beside_1(ops.add, 0),
    (ops.add, 1): _beside_1(ops.add, 1),
    (ops.log, 0): _logarithm,
    (ops.log1p, 0): _logarithm_of_one_plus,
    (ops.xlogy, 1): _times_logarithm,
}
"""By an operation and its operand a, the number computed from what is known of a."""
