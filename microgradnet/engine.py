"""`Value`: a number that remembers how it was computed, and can say how it matters.

A node is plain data: its number, the operation that made it, the parents it was made from. There
are no closures, hence no reference cycles: a graph is freed the moment its last node is let go.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import count
from typing import Any, Literal, NoReturn, overload

from microgradnet import ops, recording
from microgradnet.arithmetic import Number, common, evaluate, ieee, number
from microgradnet.differentiable import Gradients, adjoints
from microgradnet.graph import topological_order
from microgradnet.notation import annotate, described
from microgradnet.operation import Operation, find, methods_on, operations

__all__ = ["UNTOUCHED", "Value", "is_untouched", "pack", "unpack"]


class _Untouched(int):
    """The gradient 0 of a node that no backward pass has reached.

    It counts as 0, but can be told from a 0 that was computed; and a fresh one, being an object
    of its own, serves a backward pass as the mark of the nodes it has seen.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _untouched, ()

    def __deepcopy__(self, memo: object) -> _Untouched:
        return UNTOUCHED


UNTOUCHED = _Untouched()


def _untouched() -> _Untouched:
    return UNTOUCHED


def is_untouched(grad: Number) -> bool:
    """Whether a gradient is the 0 of a node that no backward pass has finished with."""
    return grad is None or type(grad) is _Untouched  # None: as PyTorch's programs reset it


def _method(op: Operation) -> Callable[..., Value]:
    """The operation as a method of its first operand: v.tanh() is tanh(v)."""

    def method(self: Value, *others: Any, **parameters: Number) -> Value:
        if op.arity == 1 and not others and not parameters:
            return _unary(op, self)
        node: Value = op(self, *others, **parameters)
        return node

    method.__name__, method.__doc__ = op.name, op.__doc__
    method.__qualname__ = f"Value.{op.name}"
    return method


class Value:
    """A node of a computation graph.

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

    __slots__ = ("_left", "_right", "data", "grad", "label", "op")

    data: Number
    grad: Number
    op: Operation | None
    label: str
    # The parents: one, two, or a tuple of any number of them on the left. As most nodes have two,
    # a tuple of its own for each would be half of the memory, and of the collector's work.
    _left: Any
    _right: Any

    def __init__(
        self, data: Number, _children: Iterable[Value] = (), _op: str = "", label: str = ""
    ) -> None:
        self.data = data if type(data) is float else number(data)
        self.grad = UNTOUCHED
        self.op = None
        self.label = label
        self._left = self._right = None
        if _op or _children:
            parents = tuple(_children)
            self.op = _find_by_symbol(_op, len(parents))
            self._left, self._right = _sides(parents)

    @property
    def parents(self) -> tuple[Value, ...]:
        """The nodes it was made from, in order; x twice in x·x."""
        left, right = self._left, self._right
        if right is not None:
            return (left, right)
        if type(left) is tuple:
            return left
        return () if left is None else (left,)

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.data}, grad={self.grad}{label})"

    # Operations. + and × on floats, most of any network, take the short way: the same node, made
    # on the spot, since a call to make it would cost as much again. (So it is below, too.)

    def __add__(self, other: Any) -> Value:
        if type(other) is not Value:
            other = _operand(other, self)
            if other is NotImplemented:
                return NotImplemented
        x, y = self.data, other.data
        if type(x) is not float or type(y) is not float or recording._open:
            return _record(ops.add, (self, other))
        node: Value = _new(Value)
        node.data = x + y
        node.grad = UNTOUCHED
        node.op = _ADD
        node.label = ""
        node._left = self
        node._right = other
        return node

    def __mul__(self, other: Any) -> Value:
        if type(other) is not Value:
            other = _operand(other, self)
            if other is NotImplemented:
                return NotImplemented
        x, y = self.data, other.data
        if type(x) is not float or type(y) is not float or recording._open:
            return _record(ops.multiply, (self, other))
        node: Value = _new(Value)
        node.data = x * y
        node.grad = UNTOUCHED
        node.op = _MULTIPLY
        node.label = ""
        node._left = self
        node._right = other
        return node

    def __sub__(self, other: Any) -> Value:
        other = _operand(other, self)
        return other if other is NotImplemented else _binary(ops.subtract, self, other)

    def __truediv__(self, other: Any) -> Value:
        other = _operand(other, self)
        return other if other is NotImplemented else _binary(ops.divide, self, other)

    def __pow__(self, other: Any) -> Value:
        if type(other) is int or type(other) is float:
            return _unary(_power(other), self)
        return NotImplemented if _is_array(other) else ops.power(self, other)

    def __radd__(self, other: Any) -> Value:
        other = _operand(other, self)
        return other if other is NotImplemented else other + self

    def __rmul__(self, other: Any) -> Value:
        other = _operand(other, self)
        return other if other is NotImplemented else other * self

    def __rsub__(self, other: Any) -> Value:
        other = _operand(other, self)
        return other if other is NotImplemented else _binary(ops.subtract, other, self)

    def __rtruediv__(self, other: Any) -> Value:
        other = _operand(other, self)
        return other if other is NotImplemented else _binary(ops.divide, other, self)

    def __rpow__(self, other: Any) -> Value:
        return NotImplemented if _is_array(other) else ops.power(other, self)

    def __neg__(self) -> Value:
        return _unary(ops.negative, self)

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Value:
        return ops.abs(self)

    abs = _method(ops.abs)
    exp = _method(ops.exp)
    expm1 = _method(ops.expm1)
    log = _method(ops.log)
    log1p = _method(ops.log1p)
    sqrt = _method(ops.sqrt)
    erf = _method(ops.erf)
    erfc = _method(ops.erfc)
    sin = _method(ops.sin)
    cos = _method(ops.cos)
    tan = _method(ops.tan)
    asin = _method(ops.asin)
    acos = _method(ops.acos)
    atan = _method(ops.atan)
    sinh = _method(ops.sinh)
    cosh = _method(ops.cosh)
    tanh = _method(ops.tanh)
    asinh = _method(ops.asinh)
    acosh = _method(ops.acosh)
    atanh = _method(ops.atanh)
    sigmoid = _method(ops.sigmoid)
    relu = _method(ops.relu)
    leaky_relu = _method(ops.leaky_relu)
    elu = _method(ops.elu)
    softplus = _method(ops.softplus)
    silu = _method(ops.silu)
    gelu = _method(ops.gelu)
    softsign = _method(ops.softsign)
    hard_tanh = _method(ops.hard_tanh)
    hard_sigmoid = _method(ops.hard_sigmoid)
    # NumPy's names, under which its functions look for them in object arrays: np.arctan(array)
    arcsin, arccos, arctan = asin, acos, atan
    arcsinh, arccosh, arctanh = asinh, acosh, atanh

    maximum = _method(ops.maximum)
    minimum = _method(ops.minimum)
    xlogy = _method(ops.xlogy)

    # The number

    def item(self) -> Number:
        """The number as it is: data."""
        return self.data

    def __float__(self) -> float:
        return float(self.data)

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def _sympy_(self) -> NoReturn:
        """Keep SymPy from taking a Value for its number: Symbol("x") * v is a Value."""
        raise sys.modules["sympy"].SympifyError(self)

    def __lt__(self, other: Any) -> Any:
        return _compare(operator.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return _compare(operator.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return _compare(operator.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return _compare(operator.ge, self, other)

    def detach(self) -> Value:
        """A leaf with the same number, through which no gradient flows.

        >>> x = Value(3.0)
        >>> y = x * x.detach()
        >>> y.backward()
        >>> x.grad
        3.0
        """
        return Value(self.data, label=self.label)

    # Gradients

    def partials(self) -> tuple[Number, ...]:
        """The local derivatives ∂(this)/∂(parent), one for each parent.

        >>> (Value(3.0) * Value(5.0)).partials()
        (5.0, 3.0)
        """
        if self.op is None:
            return ()
        one = 1.0 if type(self.data) is float else 1
        return self.op.pull_back(one, self.data, [parent.data for parent in self.parents])

    @overload
    def backward(self) -> None: ...
    @overload
    def backward(self, *, create_graph: Literal[True]) -> Gradients: ...
    def backward(self, *, create_graph: bool = False) -> Gradients | None:
        """Give every node that this one was computed from its adjoint, ∂(this)/∂(node).

        The chain rule, node by node from the last to the first: each passes its own adjoint g on
        as g·∂(node)/∂(parent), by its operation's rule. Interior nodes get their adjoints afresh
        and keep them to be read; leaves *add* theirs to what they have, as in PyTorch, until
        `zero_grad` (or `leaf.grad = 0`).

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
        watcher = recording.watcher() if recording._open else None
        if watcher is not None:
            watcher.differentiating(self)
        if create_graph:
            return Gradients(adjoints({self: Value(one)}))
        if self.op is None:
            self.grad = one if is_untouched(self.grad) else _sum(self.grad, one)
            return None
        fresh = _Untouched()
        at: Value | None = None
        order: list[Value] = []
        leaves: list[tuple[Value, Number]] = []
        try:
            _order_afresh(self, fresh, order, leaves)
            self.grad = one
            for node in reversed(order):
                at = node
                g = node.grad
                op: Any = node.op
                left, right = node._left, node._right
                if op is _ADD:
                    to_left = to_right = g
                elif right is not None:
                    x, y = left.data, right.data
                    if not (type(x) is type(y) is type(g) is float):
                        to_left, to_right = op.pull_back(g, node.data, (x, y))
                    elif op is _MULTIPLY:
                        to_left, to_right = g * y, g * x
                    else:
                        products = op.vjp(ieee, g, node.data, x, y)
                        if type(products) is not tuple or len(products) != 2:
                            op.refuse(products, 2)
                        to_left, to_right = products
                elif type(left) is not tuple and type(left.data) is type(g) is float:
                    products = op.vjp(ieee, g, node.data, left.data)
                    if type(products) is not tuple or len(products) != 1:
                        op.refuse(products, 1)
                    h = left.grad
                    left.grad = products[0] if h is fresh else _sum(h, products[0])
                    continue
                else:
                    parents = left if type(left) is tuple else (left,)
                    products = op.pull_back(g, node.data, [parent.data for parent in parents])
                    for parent, product in zip(parents, products, strict=True):
                        h = parent.grad
                        if h is fresh:
                            parent.grad = product
                        elif type(h) is type(product) is float:
                            parent.grad = h + product
                        else:
                            parent.grad = _sum(h, product)
                    continue
                h = left.grad
                if h is fresh:
                    left.grad = to_left
                elif type(h) is type(to_left) is float:
                    left.grad = h + to_left
                else:
                    left.grad = _sum(h, to_left)
                h = right.grad
                if h is fresh:
                    right.grad = to_right
                elif type(h) is type(to_right) is float:
                    right.grad = h + to_right
                else:
                    right.grad = _sum(h, to_right)
            at = None
            sums = [
                leaf.grad if is_untouched(before) else _sum(before, leaf.grad)
                for leaf, before in leaves
            ]
        except BaseException as error:
            if at is not None and at.op is not None:
                annotate(
                    error, f"in the backward pass, at {described(at.op, at.parents, at.label)}"
                )
            for node in order:
                node.grad = UNTOUCHED
            for leaf, before in leaves:
                leaf.grad = before
            raise
        for (leaf, _), total in zip(leaves, sums, strict=True):
            leaf.grad = total
        return None

    # Copies. Deep graphs must not recurse, and nodes shared within must stay shared.

    def __copy__(self) -> Value:
        return _node(self.data, self.op, self.parents, self.grad, self.label)

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        for node in topological_order([self]):
            if id(node) not in memo:
                parents = tuple(memo[id(parent)] for parent in node.parents)
                memo[id(node)] = _node(node.data, node.op, parents, node.grad, node.label)
        copy: Value = memo[id(self)]
        return copy

    def __reduce__(self) -> tuple[Any, ...]:
        if self.op is None:
            return _node, (self.data, None, (), self.grad, self.label)
        return _unpack_one, pack([self])

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
            "nodes keep no _backward: the derivative is the rule of the operation, v.op.vjp"
        )

    @_backward.setter
    def _backward(self, rule: object) -> NoReturn:
        raise AttributeError(
            "_backward cannot be assigned: declare the operation with its derivative rule, "
            "@microgradnet.operation(rule) above its forward function, and call that"
        )

    @staticmethod
    def _record(op: Operation, operands: Sequence[Any]) -> Value:
        """The node of op applied to the operands: what `Operation` calls."""
        if len(operands) == 1:
            return _unary(op, operands[0])
        return _record(op, tuple([x if isinstance(x, Value) else Value(x) for x in operands]))


methods_on(Value, _method)
_new = object.__new__
_ADD, _MULTIPLY = ops.add, ops.multiply


def _sides(parents: tuple[Value, ...]) -> tuple[Any, Value | None]:
    if len(parents) == 2:
        return parents
    return (parents[0] if len(parents) == 1 else parents), None


def _node(
    data: Number,
    op: Operation | None,
    parents: tuple[Value, ...],
    grad: Number = UNTOUCHED,
    label: str = "",
) -> Value:
    node: Value = _new(Value)
    node.data = data
    node.grad = grad
    node.op = op
    node.label = label
    node._left, node._right = _sides(parents) if parents else (None, None)
    return node


def _record(op: Operation, operands: tuple[Value, ...]) -> Value:
    """The node of an operation on Values."""
    try:
        data = evaluate(op.forward, *[operand.data for operand in operands])
    except Exception as error:
        annotate(error, f"in {described(op, operands)}")
        raise
    if not recording._open:
        return _node(data, op, operands)
    node = Value(data) if recording.is_paused() else _node(data, op, operands)
    watcher = recording.watcher()
    if watcher is not None:
        watcher.made(node, op, operands)
    return node


def _unary(op: Operation, operand: Value) -> Value:
    x = operand.data
    if type(x) is not float or recording._open:
        return _record(op, (operand,))
    node: Value = _new(Value)
    try:
        node.data = op.forward(ieee, x)
    except Exception as error:
        annotate(error, f"in {described(op, (operand,))}")
        raise
    node.grad = UNTOUCHED
    node.op = op
    node.label = ""
    node._left = operand
    node._right = None
    return node


def _binary(op: Operation, left: Value, right: Value) -> Value:
    x, y = left.data, right.data
    if type(x) is not float or type(y) is not float or recording._open:
        return _record(op, (left, right))
    node: Value = _new(Value)
    try:
        node.data = op.forward(ieee, x, y)
    except Exception as error:
        annotate(error, f"in {described(op, (left, right))}")
        raise
    node.grad = UNTOUCHED
    node.op = op
    node.label = ""
    node._left = left
    node._right = right
    return node


def _operand(x: Any, beside: Value) -> Any:
    """A Value of an operator's other operand; NotImplemented lets an array go through its entries.

    A whole number beside a float becomes a float, where that loses nothing.
    """
    if isinstance(x, Value):
        return x
    if type(x) is int and type(beside.data) is float and -_EXACT <= x <= _EXACT:
        x = float(x)
    elif type(x) is not float:
        return NotImplemented if _is_array(x) else Value(x)
    leaf: Value = _new(Value)
    leaf.data = x
    leaf.grad = UNTOUCHED
    leaf.op = leaf._left = leaf._right = None
    leaf.label = ""
    return leaf


_EXACT = 2**53  # up to here every int is a float


@lru_cache(typed=True)  # 2 and 2.0 lead to numbers of different kinds
def _power(exponent: Number) -> Operation:
    return ops.power_constant.variant(exponent=exponent)


def _compare(order: Callable[[Any, Any], Any], node: Value, other: Any) -> Any:
    x, y = node.data, other.data if isinstance(other, Value) else other
    try:
        return order(x, y)
    except TypeError:  # kinds that know nothing of each other, as mpf and Fraction
        kind = common(x, y)
        return order(kind.convert(x), kind.convert(y))


def _is_array(x: object) -> bool:
    if isinstance(x, (Value, float, int)) or not hasattr(type(x), "__array_ufunc__"):
        return False
    return not isinstance(x, sys.modules["numpy"].generic)


def _find_by_symbol(symbol: str, arity: int) -> Operation:
    """The operation behind micrograd's _op."""
    if symbol.startswith("**") and arity == 1:
        for kind in (int, float):
            with suppress(ValueError):
                return find("power_constant", {"exponent": kind(symbol[2:])})
    for op in operations():
        if symbol and symbol in (op.symbol, op.name) and op.arity in (arity, None):
            return op
    raise ValueError(
        f"no operation of {arity} operands is written {symbol!r}: "
        "declare it with @microgradnet.operation"
    )


def _sum(x: Number, y: Number) -> Number:
    return x + y if type(x) is type(y) is float else evaluate(ops.add.forward, x, y)


def _order_afresh(
    root: Value, fresh: _Untouched, order: list[Value], leaves: list[tuple[Value, Number]]
) -> None:
    """Fill in the interior nodes below the root, parents first, and the leaves with their grads.

    A node may pass its gradient on only when every consumer of it has contributed; hence the
    order (as in `graph.topological_order`, but without the leaves, which pass nothing on). Every
    node seen gets the fresh 0 as its adjoint, which is also the mark that it has been seen: no
    set is needed, and marks that an interrupted pass left behind, being other objects, mean
    nothing. Leaves begin afresh too, so that what they had before is added to in one sum, and a
    second pass adds exactly what the first did.
    """
    stack: list[Value] = []  # nodes that wait for a parent, each below what it waits for
    push = stack.append
    node = root
    while True:
        left, right = node._left, node._right
        if right is not None:
            if left.grad is not fresh:
                push(node)
                node = left
                continue
            if right.grad is not fresh:
                push(node)
                node = right
                continue
            order.append(node)
        elif left is None:
            leaves.append((node, node.grad))
        elif type(left) is not tuple:
            if left.grad is not fresh:
                push(node)
                node = left
                continue
            order.append(node)
        else:
            waiting = [parent for parent in left if parent.grad is not fresh]
            if waiting:
                push(node)
                stack += reversed(waiting)
                node = stack.pop()
                continue
            order.append(node)
        node.grad = fresh
        while node.grad is fresh:  # a node may wait twice, and be done at the first time
            if not stack:
                return
            node = stack.pop()


# Graphs as flat lists, to be pickled


def pack(roots: Sequence[Value]) -> tuple[list[Value], list[tuple[Any, ...]], list[int]]:
    """The graph below the roots as its leaves, a row for each interior node, the roots' places.

    Pickling it takes no recursion, however deep the graph; `unpack` is the way back.
    """
    order = topological_order(roots)
    leaves = [node for node in order if node.op is None]
    interior = [node for node in order if node.op is not None]
    place = dict(zip(leaves + interior, count()))
    rows = [
        (node.data, node.op, tuple(place[p] for p in node.parents), node.grad, node.label)
        for node in interior
    ]
    return leaves, rows, [place[root] for root in roots]


def unpack(leaves: list[Value], rows: list[tuple[Any, ...]], places: Sequence[int]) -> list[Value]:
    """The roots of a graph that `pack` laid flat."""
    nodes = list(leaves)
    for data, op, parents, grad, label in rows:
        nodes.append(_node(data, op, tuple(nodes[k] for k in parents), grad, label))
    return [nodes[k] for k in places]


def _unpack_one(leaves: list[Value], rows: list[tuple[Any, ...]], places: Sequence[int]) -> Value:
    return unpack(leaves, rows, places)[0]
