"""`Value`: a number that remembers how it was computed, and can say how it matters.

A node is plain data: its number, the operation that made it, the parents it was made from. There
are no closures, hence no reference cycles: a graph is freed the moment its last node is let go.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NoReturn, TypeAlias, overload

from microgradnet import ops, recording, serialisation
from microgradnet.arithmetic import Number, coerce, compare, evaluate, ieee, is_array, operand
from microgradnet.backpropagation import backpropagate
from microgradnet.complements import (
    SENSITIVE,
    Source,
    may_have_complement,
    remembered,
    sharpened,
    source_of,
)
from microgradnet.escapes import check_conversion, check_equality
from microgradnet.node import Node, Shares, Vector, number_of
from microgradnet.notation import annotate, described
from microgradnet.operation import Operation, find_by_symbol, method, methods_on
from microgradnet.serialisation import flatten
from microgradnet.unset import UNSET, is_unset

if TYPE_CHECKING:
    from microgradnet.chain_rule import Gradients

__all__ = [
    "COMPILED",
    "UNSET",
    "Value",
    "flatten",
    "is_unset",
    "new_node",
    "record",
    "record_unary",
    "unflatten",
]


COMPILED = not __file__.endswith(".py")  # by mypyc, from this very file: see setup.py
if not COMPILED:
    Result: TypeAlias = "Value"
else:  # there an operator may return NotImplemented only if it may return anything
    Result: TypeAlias = Any
Method: TypeAlias = Callable[..., "Value"]


class Value(Node):
    """Hold a number, and how it was computed: a node of a computation graph.

    data     the number: float, int, Fraction, Decimal, mpmath.mpf or sympy.Expr
    grad     the adjoint ∂C/∂(this) for the C whose `backward` was called; 0 before that
    op       the operation that made it; None for a leaf
    parents  the nodes it was made from, in order, x twice in x·x; () for a leaf
    label    a name, for pictures

    Nodes compare by their numbers (<, ≤, >, ≥), but are equal only to themselves. Raises
    TypeError for what is no number, and says what to use instead.

    >>> w, x, b = Value(0.5, label="w"), Value(2.0, label="x"), Value(-1.0, label="b")
    >>> a = (w * x + b).tanh()
    >>> a.backward()
    >>> a.data, w.grad, x.grad, b.grad
    (0.0, 2.0, 0.5, 1.0)
    """

    __slots__ = ()

    def __init__(
        self, data: Number, _children: Iterable[Value] = (), _op: str = "", label: str = ""
    ) -> None:
        self.data = data if type(data) is float else coerce(data)
        self.grad = _UNSET
        self.op = None
        self.label = label
        self._left = self._right = None
        if _op or _children:
            parents = tuple(_children)
            self.op = find_by_symbol(_op, len(parents))
            self._left, self._right = _sides(self.op, parents)

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.data}, grad={self.grad}{label})"

    # Operations. + and × on floats, most of any network, take a fast path: the same node, made
    # on the spot. With one maker called for all, a training step takes 1.2 times as long.

    def __add__(self, other: Any) -> Result:
        if type(other) is not Value:
            other = _operand(other, self)
            if other is NotImplemented:
                return NotImplemented
        x, y = self.data, other.data
        if type(x) is not float or type(y) is not float:
            return record(_ADD, (self, other))
        node: Value = new_node(Value)
        node.data = x + y
        node.grad = _UNSET
        node.label = ""
        if recording.open_blocks:
            if recording.open_hooks or not _depth() or x == 1.0 or y == 1.0:
                return record(_ADD, (self, other))
            node.op = node._left = node._right = None
            return node
        if x == 1.0 or y == 1.0:
            below: Any = self.op if y == 1.0 else other.op
            if below is not None and (below.odd or below is _NEGATIVE):
                node.data = sharpened(_ADD, (self, other), node.data)
        node.op = _ADD
        node._left = self
        node._right = other
        return node

    def __mul__(self, other: Any) -> Result:
        if type(other) is not Value:
            other = _operand(other, self)
            if other is NotImplemented:
                return NotImplemented
        x, y = self.data, other.data
        if type(x) is not float or type(y) is not float:
            return record(_MULTIPLY, (self, other))
        node: Value = new_node(Value)
        node.data = x * y
        node.grad = _UNSET
        node.label = ""
        if recording.open_blocks:
            if recording.open_hooks or not _depth() or self is other:  # 1 − a² may be known better
                return record(_MULTIPLY, (self, other))
            node.op = node._left = node._right = None
            return node
        node.op = _MULTIPLY
        node._left = self
        node._right = other
        return node

    def __sub__(self, other: Any) -> Result:
        if type(other) is not Value:
            other = _operand(other, self)
            if other is NotImplemented:
                return NotImplemented
        return _record_binary(_SUBTRACT, self, other)

    def __truediv__(self, other: Any) -> Result:
        if type(other) is not Value:
            other = _operand(other, self)
            if other is NotImplemented:
                return NotImplemented
        return _record_binary(_DIVIDE, self, other)

    def __pow__(self, other: Any) -> Result:
        if type(other) is int or type(other) is float:
            return record_unary(_power(other), self)
        return NotImplemented if is_array(other) else ops.power(self, other)

    def __radd__(self, other: Any) -> Result:
        other = _operand(other, self)
        return other if other is NotImplemented else other.__add__(self)

    def __rmul__(self, other: Any) -> Result:
        other = _operand(other, self)
        return other if other is NotImplemented else other.__mul__(self)

    def __rsub__(self, other: Any) -> Result:
        other = _operand(other, self)
        return other if other is NotImplemented else _record_binary(_SUBTRACT, other, self)

    def __rtruediv__(self, other: Any) -> Result:
        other = _operand(other, self)
        return other if other is NotImplemented else _record_binary(_DIVIDE, other, self)

    def __rpow__(self, other: Any) -> Result:
        return NotImplemented if is_array(other) else ops.power(other, self)

    def __mod__(self, other: Any) -> Result:
        return NotImplemented if is_array(other) else ops.remainder(self, other)

    def __rmod__(self, other: Any) -> Result:
        return NotImplemented if is_array(other) else ops.remainder(other, self)

    def __floor__(self) -> Value:
        return ops.floor(self)

    def __ceil__(self) -> Value:
        return ops.ceil(self)

    def __round__(self, digits: int | None = None) -> Value:
        """Round to the nearest whole number, or to so many digits after the point."""
        if digits is None:
            return ops.round(self)
        scale = 10**digits if digits >= 0 else Fraction(1, 10**-digits)
        return ops.round(self * scale) / scale

    def __neg__(self) -> Value:
        return record_unary(ops.negative, self)

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Value:
        return ops.abs(self)

    def relu(self) -> Value:
        """Apply max(0, x); its derivative at 0 is 0."""
        return record_unary(_RELU, self)

    abs: ClassVar[Method] = method(ops.abs)
    exp: ClassVar[Method] = method(ops.exp)
    expm1: ClassVar[Method] = method(ops.expm1)
    log: ClassVar[Method] = method(ops.log)
    log1p: ClassVar[Method] = method(ops.log1p)
    sqrt: ClassVar[Method] = method(ops.sqrt)
    erf: ClassVar[Method] = method(ops.erf)
    erfc: ClassVar[Method] = method(ops.erfc)
    sin: ClassVar[Method] = method(ops.sin)
    cos: ClassVar[Method] = method(ops.cos)
    tan: ClassVar[Method] = method(ops.tan)
    asin: ClassVar[Method] = method(ops.asin)
    acos: ClassVar[Method] = method(ops.acos)
    atan: ClassVar[Method] = method(ops.atan)
    sinh: ClassVar[Method] = method(ops.sinh)
    cosh: ClassVar[Method] = method(ops.cosh)
    tanh: ClassVar[Method] = method(ops.tanh)
    asinh: ClassVar[Method] = method(ops.asinh)
    acosh: ClassVar[Method] = method(ops.acosh)
    atanh: ClassVar[Method] = method(ops.atanh)
    sigmoid: ClassVar[Method] = method(ops.sigmoid)
    leaky_relu: ClassVar[Method] = method(ops.leaky_relu)
    elu: ClassVar[Method] = method(ops.elu)
    softplus: ClassVar[Method] = method(ops.softplus)
    silu: ClassVar[Method] = method(ops.silu)
    gelu: ClassVar[Method] = method(ops.gelu)
    softsign: ClassVar[Method] = method(ops.softsign)
    hard_tanh: ClassVar[Method] = method(ops.hard_tanh)
    hard_sigmoid: ClassVar[Method] = method(ops.hard_sigmoid)
    log2: ClassVar[Method] = method(ops.log2)
    log10: ClassVar[Method] = method(ops.log10)
    cbrt: ClassVar[Method] = method(ops.cbrt)
    sign: ClassVar[Method] = method(ops.sign)
    floor: ClassVar[Method] = method(ops.floor)
    ceil: ClassVar[Method] = method(ops.ceil)
    round: ClassVar[Method] = method(ops.round)
    degrees: ClassVar[Method] = method(ops.degrees)
    radians: ClassVar[Method] = method(ops.radians)
    logit: ClassVar[Method] = method(ops.logit)
    log_sigmoid: ClassVar[Method] = method(ops.log_sigmoid)
    relu6: ClassVar[Method] = method(ops.relu6)
    celu: ClassVar[Method] = method(ops.celu)
    selu: ClassVar[Method] = method(ops.selu)
    mish: ClassVar[Method] = method(ops.mish)
    # NumPy's names, under which its functions look for them in object arrays: np.arctan(array)
    arcsin: ClassVar[Method] = method(ops.asin)
    arccos: ClassVar[Method] = method(ops.acos)
    arctan: ClassVar[Method] = method(ops.atan)
    arcsinh: ClassVar[Method] = method(ops.asinh)
    arccosh: ClassVar[Method] = method(ops.acosh)
    arctanh: ClassVar[Method] = method(ops.atanh)
    exp2: ClassVar[Method] = method(ops.exp2)
    fabs: ClassVar[Method] = method(ops.abs)
    rint: ClassVar[Method] = method(ops.round)
    deg2rad: ClassVar[Method] = method(ops.radians)
    rad2deg: ClassVar[Method] = method(ops.degrees)
    arctan2: ClassVar[Method] = method(ops.atan2)

    maximum: ClassVar[Method] = method(ops.maximum)
    minimum: ClassVar[Method] = method(ops.minimum)
    hypot: ClassVar[Method] = method(ops.hypot)
    xlogy: ClassVar[Method] = method(ops.xlogy)
    atan2: ClassVar[Method] = method(ops.atan2)
    clip: ClassVar[Method] = method(ops.clip)
    where: ClassVar[Method] = method(ops.where)

    def conjugate(self) -> Value:
        """Return itself, for it is real: what np.var and np.std ask."""
        return self

    # The number

    def item(self) -> Number:
        """Return the number as it is: data."""
        return self.data

    def __float__(self) -> float:
        number = float(self.data)
        check_conversion(self, "float")
        return number

    def __int__(self) -> int:
        number = int(self.data)
        check_conversion(self, "int")
        return number

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def _sympy_(self) -> NoReturn:
        """Keep SymPy from taking a Value for its number: Symbol("x") * v is a Value."""
        raise sys.modules["sympy"].SympifyError(self)

    __hash__: ClassVar[Any] = object.__hash__  # comparisons would take it away

    def __eq__(self, other: Any) -> Any:
        # Nodes are equal if they are the same; but whether one is 0 is no answer while its number
        # is not known yet, nor while it is being differentiated.
        if self is other or isinstance(other, Node):
            return self is other
        if hasattr(self.data, "is_unknown"):
            return self.data == other
        check_equality(self, other)
        return NotImplemented

    def __lt__(self, other: Any) -> Any:
        return compare(operator.lt, self.data, number_of(other))

    def __le__(self, other: Any) -> Any:
        return compare(operator.le, self.data, number_of(other))

    def __gt__(self, other: Any) -> Any:
        return compare(operator.gt, self.data, number_of(other))

    def __ge__(self, other: Any) -> Any:
        return compare(operator.ge, self.data, number_of(other))

    def detach(self) -> Value:
        """Return a leaf with the same number, through which no gradient flows.

        >>> x = Value(3.0)
        >>> y = x * x.detach()
        >>> y.backward()
        >>> x.grad
        3.0
        """
        return Value(self.data, label=self.label)

    # Gradients

    def partials(self) -> tuple[Number, ...]:
        """Compute the partial derivatives ∂(this)/∂(parent), one for each parent.

        >>> (Value(3.0) * Value(5.0)).partials()
        (5.0, 3.0)
        """
        if self.op is None:
            return ()
        one = 1.0 if type(self.data) is float else 1
        return self.op.vjp(one, *[parent.data for parent in self.parents], out=self.data)

    @overload
    def backward(self) -> None: ...
    @overload
    def backward(self, *, create_graph: Literal[True]) -> Gradients: ...
    def backward(self, *, create_graph: bool = False) -> Gradients | None:
        """Give every node that this one was computed from its adjoint, ∂(this)/∂(node).

        The chain rule, node by node from the last to the first: a node with the adjoint g
        contributes g·∂(node)/∂(parent) to each parent, by its operation's rule. Interior nodes get
        their adjoints afresh and keep them to be read. Leaves *add* theirs to what they have, as in
        PyTorch, until `zero_grad` (or `leaf.grad = 0`). Two threads must not do so at once on
        graphs that share nodes.

        >>> x = Value(3.0)
        >>> y = x * x
        >>> y.backward()
        >>> y.backward()
        >>> x.grad
        12.0

        With create_graph=True the adjoints are recorded as a graph and *returned*, a mapping from
        node to gradient, each a Value to differentiate further; every .grad stays as it is.

        >>> slope = y.backward(create_graph=True)[x]
        >>> slope.data, slope.backward(create_graph=True)[x].data, x.grad
        (6.0, 2.0, 12.0)
        """
        one = 1.0 if type(self.data) is float else 1
        hook = recording.active_hook() if recording.open_blocks else None
        if hook is not None:
            hook.on_backward(self)
        if create_graph:
            from microgradnet.chain_rule import Gradients
            from microgradnet.wide_passes import reverse_mode

            return Gradients(reverse_mode({self: Value(one)}))
        backpropagate(self, one)
        return None

    # Copies. Deep graphs must not recurse, and nodes shared within must stay shared.

    def __copy__(self) -> Value:
        return _node(self.data, self.op, self.parents, self.grad, self.label)

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        copy: Value = serialisation.deep_copy(self, memo, partial(_node, shared={}))
        return copy

    def __reduce__(self) -> tuple[Any, ...]:
        if self.op is None:
            return _node, (self.data, None, (), self.grad, self.label)
        return _unpack_one, flatten([self])

    # micrograd's names

    @property
    def _prev(self) -> set[Value]:
        return set(self.parents)

    @property
    def _op(self) -> str:
        return self.op.symbol if self.op is not None else ""

    @property
    def _backward(self) -> NoReturn:
        raise AttributeError(
            "nodes keep no _backward: the derivative is the rule of the operation, v.op.rule"
        )

    @_backward.setter
    def _backward(self, rule: object) -> NoReturn:
        raise AttributeError(
            "_backward cannot be assigned: declare the operation with its derivative rule, "
            "@microgradnet.operation(rule) above its forward function, and call that"
        )

    @staticmethod
    def __operation__(op: Operation, operands: Sequence[Any]) -> Value:
        """Apply op to the operands, and return the node: what `Operation` calls."""
        if len(operands) == 1:
            return record_unary(op, operands[0])
        return record(op, _values(operands))

    @staticmethod
    def __softmax__(
        components: Sequence[Operation], softmax: Callable[..., Any], operands: Sequence[Any]
    ) -> list[Value]:
        """Make the nodes of all components of a softmax, which share their operands."""
        values = _values(operands)
        try:
            shares = evaluate(softmax, *[x.data for x in values])
        except Exception as error:
            annotate(error, f"in {described(components[0], values)}")
            raise
        nodes: list[Value] = []
        if recording.open_blocks and recording.is_paused():
            sources = tuple([Source(x.data) for x in values])
            for k, op in enumerate(components):
                nodes.append(_leaf_of(Source(shares[k], op, sources)))
        else:
            below = Shares(values, shares)
            for k, op in enumerate(components):
                node: Value = new_node(Value)
                node.data = shares[k]
                node.grad = _UNSET
                node.op = op
                node.label = ""
                node._left = below
                node._right = None
                nodes.append(node)
        hook = recording.active_hook() if recording.open_blocks else None
        if hook is not None:
            for op, node in zip(components, nodes, strict=True):
                hook.on_op(node, op, values)
        return nodes


methods_on(Value)
# Final, so that compiled they are variables of C
_ADD: Final = ops.add
_NEGATIVE: Final = ops.negative
_SUBTRACT: Final = ops.subtract
_MULTIPLY: Final = ops.multiply
_DIVIDE: Final = ops.divide
_RELU: Final = ops.relu
_LOG: Final = ops.log
_LOG1P: Final = ops.log1p
_LSE: Final = ops.log_sum_exp
_ATANH: Final = ops.atanh
_SOFTMAX: Final = ops.softmax_component
_PRODUCT_SUMS: Final = (ops.weighted_sum, ops.dot_product)
_UNSET: Final = UNSET
_depth: Final = recording.depth.get  # of no_grad blocks
_LEAST: Final = 2.0**-1022


def new_node(kind: type[Value]) -> Value:
    """Make a node yet to be filled in."""
    return Value(0.0)


if not COMPILED:  # of all ways to make an object this takes least time
    globals()["new_node"] = object.__new__


def _sides(
    op: Operation, parents: tuple[Value, ...], shared: dict[Any, Any] | None = None
) -> tuple[Any, Any]:
    """Return the parents as a node holds them; shared keeps what nodes share, made so far."""
    if shared is not None and op in _PRODUCT_SUMS:
        weights, operands, bias = ops.split_weighted_sum(parents)
        row, activations = (weights, *bias), (operands,)
        if row not in shared:
            shared[row] = Vector(list(weights), *bias)
        if activations not in shared:
            shared[activations] = Vector(list(operands))
        return shared[row], shared[activations]
    if shared is not None and (op.base or op) is _SOFTMAX:
        if parents not in shared:
            numbers = [parent.data for parent in parents]
            shared[parents] = Shares(parents, ops.softmax(numbers))
        return shared[parents], None
    if len(parents) == 2:
        return parents
    return (parents[0] if len(parents) == 1 else parents), None


def _node(
    data: Number,
    op: Operation | None,
    parents: tuple[Value, ...],
    grad: Number = UNSET,
    label: str = "",
    shared: dict[Any, Any] | None = None,
) -> Value:
    node: Value = new_node(Value)
    node.data = data
    node.grad = grad
    node.op = op
    node.label = label
    node._left, node._right = (None, None) if op is None else _sides(op, parents, shared)
    return node


def record(op: Operation, operands: tuple[Value, ...]) -> Value:
    """Make the node of an operation on Values."""
    try:
        data = evaluate(op.forward, *[operand.data for operand in operands])
        paused = recording.is_paused()
        if op in SENSITIVE:
            data = sharpened(op, tuple(map(source_of, operands)) if paused else operands, data)
    except Exception as error:
        annotate(error, f"in {described(op, operands)}")
        raise
    if not recording.open_blocks:
        return _node(data, op, operands)
    node = _unrecorded(data, op, operands) if paused else _node(data, op, operands)
    hook = recording.active_hook()
    if hook is not None:
        hook.on_op(node, op, operands)
    return node


class Unrecorded(Value):
    """Be a leaf of a no_grad block that knows what 1 − it would be computed from."""

    __slots__ = ("source",)

    source: Source


def _unrecorded(data: Number, op: Operation, operands: Sequence[Value]) -> Value:
    source = remembered(data, op, operands)
    return Value(data) if source is None else _leaf_of(source)


def _leaf_of(source: Source) -> Value:
    node = Unrecorded(source.data)
    node.source = source
    return node


def _values(operands: Sequence[Any]) -> tuple[Value, ...]:
    return tuple([x if isinstance(x, Value) else Value(operand(x)) for x in operands])


def record_unary(op: Operation, operand: Value) -> Value:
    """Make the node of an operation of one operand."""
    x = operand.data
    if type(x) is not float or recording.open_blocks:
        return _leaf(op, (operand,)) or record(op, (operand,))
    node: Value = new_node(Value)
    try:
        if op is _RELU:
            node.data = 0.0 if x <= 0.0 else x
        elif op is _NEGATIVE:
            node.data = -x
        else:
            node.data = op.forward(ieee, x)
            if (op is _LOG or op is _LOG1P or op is _ATANH) and (
                may_have_complement(operand.op) or not _LEAST <= x < inf
            ):
                node.data = sharpened(op, (operand,), node.data)
    except Exception as error:
        annotate(error, f"in {described(op, (operand,))}")
        raise
    node.grad = _UNSET
    node.op = op
    node.label = ""
    node._left = operand
    node._right = None
    return node


def _record_binary(op: Operation, left: Value, right: Value) -> Value:
    x, y = left.data, right.data
    if type(x) is not float or type(y) is not float or recording.open_blocks:
        return _leaf(op, (left, right)) or record(op, (left, right))
    node: Value = new_node(Value)
    try:
        if op is _SUBTRACT:
            node.data = x - y
            if left.op is _LSE or right.op is _LSE or (x == 1.0 and may_have_complement(right.op)):
                node.data = sharpened(op, (left, right), node.data)
        elif y:
            node.data = x / y
        else:
            node.data = op.forward(ieee, x, y)
    except Exception as error:
        annotate(error, f"in {described(op, (left, right))}")
        raise
    node.grad = _UNSET
    node.op = op
    node.label = ""
    node._left = left
    node._right = right
    return node


def _leaf(op: Operation, operands: tuple[Value, ...]) -> Value | None:
    """Make the leaf of an operation on floats in a no_grad block, where its number is all.

    None where there is more: a hook, or operands of which better is known than their numbers.
    """
    if recording.open_hooks or not _depth():
        return None
    numbers = []
    for x in operands:
        if type(x) is not Value or x.op is not None or type(x.data) is not float:
            return None
        numbers.append(x.data)
    try:
        data = op.forward(ieee, *numbers)
    except Exception:
        return None  # `record` says where
    if op.complement is not None:
        return _leaf_of(Source(data, op, tuple([Source(x) for x in numbers])))
    leaf: Value = new_node(Value)
    leaf.data = data
    leaf.grad = _UNSET
    leaf.op = leaf._left = leaf._right = None
    leaf.label = ""
    return leaf


def _operand(x: Any, beside: Value) -> Any:
    """Return an operator's other operand as a Value; NotImplemented for an array, whose turn it is.

    A whole number beside a float becomes a float, where that loses nothing.
    """
    if type(x) is int and type(beside.data) is float and -(2**53) <= x <= 2**53:
        x = float(x)  # up to here every int is a float
    elif type(x) is not float:
        if isinstance(x, Value):
            return x
        if is_array(x):
            return NotImplemented
        number = operand(x)  # of True 1, as if it had been written
        return Value(number) if number is x else _operand(number, beside)
    leaf: Value = new_node(Value)
    leaf.data = x
    leaf.grad = _UNSET
    leaf.op = leaf._left = leaf._right = None
    leaf.label = ""
    return leaf


@lru_cache(typed=True)  # 2 and 2.0 lead to numbers of different kinds
def _power(exponent: Number) -> Operation:
    return ops.power_constant.variant(exponent=exponent)


# Graphs as flat lists, to be pickled


def unflatten(
    leaves: list[Value], rows: list[tuple[Any, ...]], places: Sequence[int]
) -> list[Value]:
    """Restore the roots of a graph that `flatten` gave."""
    return serialisation.unflatten(leaves, rows, places, partial(_node, shared={}))


def _unpack_one(leaves: list[Value], rows: list[tuple[Any, ...]], places: Sequence[int]) -> Value:
    return unflatten(leaves, rows, places)[0]  # pickles of every release name this function
