"""Operations on lists of Values, of which layers are made: sums of products, softmax, norms.

`linear`, `dot`, `weighted_input` and `mean` make a node a row, whatever the number of products in
it; `log_softmax`, `rms_norm` and `layer_norm` one an entry and a few beside. All are made of
operations of the table, so they are drawn, lifted and differentiated as these are.

What `linear` makes shares its operands: its rows the inputs, and all inputs of the same W the rows.
In a backward pass the products are then summed entry by entry, as a matrix product does, in a fifth
of the time of a training step with products one by one (as in `backpropagation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar, overload

from microgradnet import ops, recording
from microgradnet.arithmetic import Number
from microgradnet.engine import Value, new_node, record
from microgradnet.node import Vector
from microgradnet.operation import Operation, recorder
from microgradnet.rows import rows_of, vector
from microgradnet.unrolled import dot as dot_with_numbers
from microgradnet.unrolled import dot_of_nodes
from microgradnet.unset import UNSET

__all__ = [
    "dot", "layer_norm", "linear", "log_softmax", "mean", "rms_norm", "sum_of_products",
    "weighted_input", "weighted_inputs",
]  # fmt: skip

N = TypeVar("N", Value, Number)

# Final, so that compiled they are variables of C
_ADD: Final = ops.add
_MULTIPLY: Final = ops.multiply
_WEIGHTED_SUM: Final = ops.weighted_sum
_DOT_PRODUCT: Final = ops.dot_product
_UNSET: Final = UNSET


def linear(x: Sequence[Any], W: Sequence[Sequence[Any]], b: Sequence[Any] | None = None) -> Any:
    """Compute the matrix product W x, plus b where it is given: one node a row.

    x  n entries
    W  a sequence of rows of n entries
    b  as many entries as W has rows

    Each entry is a Value or a number; the results are Values if one is. The rows are summed from
    the bias on. Raises ValueError where the lengths do not fit.

    >>> x, W = [Value(2.0), Value(3.0)], [[Value(1.0), Value(10.0)], [Value(0.0), Value(-1.0)]]
    >>> z = linear(x, W, [0.5, 0.5])
    >>> z[0].backward()
    >>> [v.data for v in z], [v.grad for v in x]
    ([32.5, -2.5], [1.0, 10.0])
    """
    if b is not None and len(b) != len(W):
        raise ValueError(f"{len(b)} biases for {len(W)} rows")
    for j, row in enumerate(W, 1):
        if len(row) != len(x):
            raise ValueError(f"row {j} of W has {len(row)} entries, and x has {len(x)}")
    if not (_recorded(x) or any(map(_recorded, W)) or (b is not None and _recorded(b))):
        biases = [()] * len(W) if b is None else [(bias,) for bias in b]
        op = _DOT_PRODUCT if b is None else _WEIGHTED_SUM
        return [op(*row, *x, *bias) for row, bias in zip(W, biases, strict=True)]
    if not len(W):
        return []
    activations = vector(x)
    activations.rows = rows_of(W, b)
    return weighted_inputs(activations.rows.vectors, activations)


@overload
def dot(u: Sequence[Value], v: Sequence[Value | Number]) -> Value: ...
@overload
def dot(u: Sequence[Number], v: Sequence[Value]) -> Value: ...
@overload
def dot(u: Sequence[Number], v: Sequence[Number]) -> Number: ...
def dot(u: Sequence[Any], v: Sequence[Any]) -> Any:
    """Compute Σₖ uₖvₖ, as one node.

    The entries are Values or numbers. Raises ValueError unless u and v are equally long, with at
    least one entry.

    >>> u, v = [Value(2.0), Value(3.0)], [Value(5.0), Value(7.0)]
    >>> dot(u, v).data, dot([2.0, 3.0], [5.0, 7.0])
    (31.0, 31.0)
    """
    if len(u) != len(v) or not len(u):
        raise ValueError(f"no products of {len(u)} and {len(v)} entries: write as many, at least 1")
    return _sum_of_products(_DOT_PRODUCT, u, v, -0.0, ())  # −0.0 + x is x, of a −0.0 too


@overload
def weighted_input(
    weights: Sequence[Value], activations: Sequence[Value | Number], bias: Value | Number
) -> Value: ...
@overload
def weighted_input(
    weights: Sequence[Number], activations: Sequence[Number], bias: Number
) -> Number: ...
def weighted_input(weights: Sequence[Any], activations: Sequence[Any], bias: Any) -> Any:
    """Compute the weighted input z = Σₖ wₖaₖ + b of a neuron, as one node.

    weights and activations are equally long (ValueError otherwise); each entry, and the bias, is
    a Value or a number. For several neurons of the same activations `linear` is faster.

    >>> weighted_input([2.0, 3.0], [5.0, 7.0], 1.0)
    32.0
    """
    if len(weights) != len(activations):
        raise ValueError(f"{len(weights)} weights for {len(activations)} activations")
    start = bias.data if type(bias) is Value else None
    return _sum_of_products(_WEIGHTED_SUM, weights, activations, start, (bias,))


def log_softmax(xs: Sequence[N]) -> list[N]:
    """Compute the logarithms xᵢ − ln Σₖ exp xₖ of softmax's shares, with all their digits.

    >>> log_softmax([0.0, 40.0])
    [-40.0, -4.248354255291589e-18]
    """
    if not _recorded(xs):
        return [v.data for v in log_softmax(_values(xs))]
    total = ops.log_sum_exp(*xs)
    return [x - total for x in xs]


def mean(xs: Sequence[N]) -> N:
    """Compute the mean Σₖ xₖ / n.

    >>> mean([1.0, 2.0, 6.0])
    3.0
    """
    return ops.divide(ops.total(*xs), len(xs))


def rms_norm(
    xs: Sequence[Any], weight: Sequence[Any] | None = None, *, eps: Number = 1e-5
) -> list[Any]:
    """Divide by the root mean square: xᵢ / √(mean of x² + ε), times weightᵢ where it is given.

    Raises ValueError where the lengths do not fit.

    >>> rms_norm([3.0, -3.0], eps=0)
    [1.0, -1.0]
    """
    if not _recorded(xs) and not _recorded(weight or ()):
        return [v.data for v in rms_norm(_values(xs), weight, eps=eps)]
    values = _values(xs)
    scale = (dot(values, values) / len(values) + eps) ** -0.5
    normed = [x * scale for x in values]
    if weight is None:
        return normed
    _check_lengths("weight", weight, xs)
    return [x * w for x, w in zip(normed, weight, strict=True)]


def layer_norm(
    xs: Sequence[Any],
    weight: Sequence[Any] | None = None,
    bias: Sequence[Any] | None = None,
    *,
    eps: Number = 1e-5,
) -> list[Any]:
    """Normalise to mean 0 and variance 1, then scale and shift where weight and bias are given.

    yᵢ = (xᵢ − mean) / √(variance + ε) · weightᵢ + biasᵢ, where the variance is the mean of
    (xᵢ − mean)². Raises ValueError where the lengths do not fit.

    >>> layer_norm([1.0, 3.0], eps=0)
    [-1.0, 1.0]
    """
    if not any(_recorded(each or ()) for each in (xs, weight, bias)):
        return [v.data for v in layer_norm(_values(xs), weight, bias, eps=eps)]
    values = _values(xs)
    middle = mean(values)
    normed = rms_norm([x - middle for x in values], weight, eps=eps)
    if bias is None:
        return normed
    _check_lengths("bias", bias, xs)
    return [x + b for x, b in zip(normed, bias, strict=True)]


def _check_lengths(name: str, entries: Sequence[Any], xs: Sequence[Any]) -> None:
    if len(entries) != len(xs):
        raise ValueError(f"{name} has {len(entries)} entries, and there are {len(xs)} to norm")


def _recorded(xs: Sequence[Any]) -> bool:
    return recorder(xs) is not None


def _values(xs: Sequence[Any]) -> list[Value]:
    return [x if isinstance(x, Value) else Value(x) for x in xs]


# Fast paths: the nodes that the operations make, without a call for each


def _sum_of_products(
    op: Operation, us: Sequence[Any], vs: Sequence[Any], start: Any, bias: tuple[Any, ...]
) -> Any:
    if type(start) is float:
        try:
            z = dot_of_nodes(len(us))(Value, us, vs, start)
        except (ArithmeticError, TypeError):
            z = None  # the rule knows what to do, or to say
        # The vs are floats, so z is one only where the us are, or are rationals: those Python's
        # own arithmetic converts as the rule would.
        if type(z) is float and not recording.open_hooks:
            return _node(z, op, (*us, *vs, *bias), None)
    return op(*us, *vs, *bias)


def _node(z: float, op: Operation, left: Any, right: Any) -> Value:
    node: Value = new_node(Value)
    node.data = z
    node.grad = _UNSET
    node.label = ""
    if recording.open_blocks and recording.is_paused():
        node.op = node._left = node._right = None
        return node
    node.op = op
    node._left = left
    node._right = right
    return node


def sum_of_products(z: Value, weights: Sequence[Value], activations: Sequence[Any]) -> Value:
    """Add up z + w₁a₁ + w₂a₂ + …, every + and × a node."""
    # The caller has counted them: a strict zip takes 0.3 µs, as long as a node.
    for w, a in zip(weights, activations):  # noqa: B905  # as said above
        if type(a) is not Value or recording.open_blocks:
            z = z + w * a
            continue
        x, y, start = w.data, a.data, z.data
        if not (type(x) is type(y) is type(start) is float):
            z = z + w * a
            continue
        product: Value = new_node(Value)
        product.data = y = x * y
        product.grad = _UNSET
        product.op = _MULTIPLY
        product.label = ""
        product._left = w
        product._right = a
        total: Value = new_node(Value)
        total.data = start + y
        total.grad = _UNSET
        total.op = _ADD
        total.label = ""
        total._left = z
        total._right = product
        z = total
    return z


def weighted_inputs(rows: Sequence[Vector], activations: Vector) -> list[Value]:
    """Make the nodes Σₖ wₖaₖ + b of rows of weights, each with its bias if it has one."""
    xs = activations.data
    op = _DOT_PRODUCT if rows[0].bias is None else _WEIGHTED_SUM
    if xs is None or recording.open_hooks:
        return [record(op, row.operands(activations)) for row in rows]
    dot_n = dot_with_numbers(len(activations.entries))
    nodes = []
    for row in rows:
        bias: Any = row.bias
        try:
            z = dot_n(row.entries, xs, -0.0 if bias is None else bias.data)
        except (ArithmeticError, TypeError):
            z = None  # the rule knows what to do, or to say
        # As above, the bias being a float or a rational, too.
        if type(z) is not float:
            nodes.append(record(op, row.operands(activations)))
        else:
            nodes.append(_node(z, op, row, activations))
    return nodes
