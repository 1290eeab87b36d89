"""The fast path of reverse mode: `chain_rule.reverse_mode` written out, on the nodes' own `grad`.

The numbers are the same to the last bit, which tests hold. On the graph of a training step of a
2-16-16-1 network it takes a seventeenth of the plain form's time, of neurons as nodes a
twenty-seventh. What each part buys, as the time of the whole step (forward and backward, 60
examples, CPython 3.11) without it:

- each operand's gradient added to where it is, in place of one loop for all operations: ×1.5
- the sort with its marks in `grad` and its detours left out, in place of `topological_order`: ×1.7
"""

from __future__ import annotations

from typing import Any, Final

from microgradnet import ops
from microgradnet.arithmetic import Number, common, evaluate, ieee
from microgradnet.node import Node, Vector
from microgradnet.notation import annotate, described
from microgradnet.unset import UNSET, Unset

__all__ = ["backpropagate"]

# Final, so that compiled they are variables of C
_ADD: Final = ops.add
_SUBTRACT: Final = ops.subtract
_MULTIPLY: Final = ops.multiply
_RELU: Final = ops.relu
_WEIGHTED_SUM: Final = ops.weighted_sum


def backpropagate(root: Node, one: Number) -> None:
    """Give every node below the root its adjoint, where the root's own is `one`.

    Leaves add theirs to what they have. A pass that fails leaves them as they were, and interior
    nodes without a gradient.
    """
    fresh = Unset()
    order: list[Node] = []
    leaves: list[Node] = []
    earlier: list[Number | None] = []  # what the leaves had
    try:
        _sort(root, fresh, order, leaves, earlier)
        root.grad = one
        _propagate(order, fresh)
        # No comprehension: on Python 3.13 an interruption within one passes the handler by.
        sums: list[tuple[Node, Number]] = []
        for leaf, before in zip(leaves, earlier):  # noqa: B905  # strict would take 0.3 µs
            if leaf.grad is None:
                leaf.grad = _zero(leaf)
            if type(before) is not Unset and before is not None:  # None: PyTorch's reset
                sums.append((leaf, _sum(before, leaf.grad)))
        for leaf, total in sums:
            leaf.grad = total
    except BaseException:
        for node in order:
            node.grad = UNSET
        for leaf, before in zip(leaves, earlier):  # noqa: B905  # one may be short: interrupted
            leaf.grad = before
        raise


def _sort(
    root: Node,
    fresh: Unset,
    order: list[Node],
    leaves: list[Node],
    earlier: list[Number | None],
) -> None:
    """Fill in the interior nodes below the root, parents first, and the leaves beside them.

    The order is that of `graph.topological_order`, without the leaves, which pass nothing on. Every
    node seen gets the fresh 0 as its adjoint, which is also the mark that it has been seen: no
    set is needed, and marks that an interrupted pass left behind, being other objects, mean
    nothing. Leaves begin afresh too; what they had earlier is kept beside them, to be added to in
    one sum, so that a second pass adds exactly what the first did.
    """
    stack: list[Node] = []  # nodes that wait for a parent, each below what it waits for
    node = root
    while True:
        many = node._left
        right: Node | None = node._right
        if right is not None:
            left: Node = many
            if left.grad is not fresh:
                if left._left is not None:
                    stack.append(node)
                    node = left
                    continue
                leaves.append(left)  # it is done without a detour, as below
                earlier.append(left.grad)
                left.grad = fresh
            if right.grad is not fresh:
                # A product of two that are done, as w·a mostly is, is done without a detour.
                second: Node | None = right._right
                if second is None:
                    if right._left is not None:
                        stack.append(node)
                        node = right
                        continue
                    leaves.append(right)
                    earlier.append(right.grad)
                else:
                    if second.grad is not fresh or right._left.grad is not fresh:
                        stack.append(node)
                        node = right
                        continue
                    order.append(right)
                right.grad = fresh
            order.append(node)
        elif many is None:
            leaves.append(node)
            earlier.append(node.grad)
        elif type(many) is tuple:
            waiting: list[Node] = []
            entry: Node
            for entry in many:
                if entry.grad is not fresh:
                    waiting.append(entry)
            if waiting:
                stack.append(node)
                stack += reversed(waiting)
                node = stack.pop()
                continue
            if isinstance(node, Vector):
                node.begin()
            order.append(node)
        else:
            parent: Node = many
            if parent.grad is not fresh:
                # Likewise a z below its activation.
                second = parent._right
                if second is None or second.grad is not fresh or parent._left.grad is not fresh:
                    stack.append(node)
                    node = parent
                    continue
                parent.grad = fresh
                order.append(parent)
            order.append(node)
        node.grad = fresh
        while node.grad is fresh:  # a node may wait twice, and be done at the first time
            if not stack:
                return
            node = stack.pop()


def _propagate(order: list[Node], fresh: Unset) -> None:
    """Add each node's contributions g·∂(node)/∂(parent) to the adjoints of its parents.

    An adjoint is None while all that has come is that the node has no part.
    """
    node: Node | None = None  # the one at fault, if one is
    try:
        for node in reversed(order):
            g = node.grad
            op: Any = node.op
            right: Node | None = node._right
            if g is None:  # it has no part in the root, nor has by it any parent
                node.grad = 0.0 if type(node.data) is float else _zero(node)
                _leave_out(node, fresh)
                continue
            if right is not None and op is not _WEIGHTED_SUM:
                left: Node = node._left
                if op is _ADD:
                    to_left = to_right = g
                else:
                    x, y = left.data, right.data
                    if not (type(x) is type(y) is type(g) is float):
                        to_left, to_right = op.contributions(g, node.data, (x, y))
                    elif op is _MULTIPLY:
                        to_left, to_right = g * y, g * x
                    elif op is _SUBTRACT:
                        to_left, to_right = g, -g
                    else:
                        products = op.rule(ieee, g, node.data, x, y)
                        if type(products) is not tuple or len(products) != 2:
                            op.refuse(products, 2)
                        to_left, to_right = products
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
                continue
            parents: Any = node._left
            if right is not None:
                weights: Vector = node._left
                activations: Vector = node._right
                ws, xs = weights.data, activations.data
                if type(g) is float and ws is not None and xs is not None:
                    weights.adjoints.append(g)
                    weights.others.append(xs)
                    activations.adjoints.append(g)
                    activations.others.append(ws)
                    continue
                parents = node.parents
            elif type(parents) is not tuple:
                parent: Node = node._left
                x = parent.data
                if not (type(x) is type(g) is float):
                    (product,) = op.contributions(g, node.data, (x,))
                elif op is _RELU:
                    product = None if x <= 0.0 else g
                else:
                    products = op.rule(ieee, g, node.data, x)
                    if type(products) is not tuple or len(products) != 1:
                        op.refuse(products, 1)
                    product = products[0]
                h = parent.grad
                if h is fresh:
                    parent.grad = product
                elif type(h) is type(product) is float:
                    parent.grad = h + product
                else:
                    parent.grad = _sum(h, product)
                continue
            if isinstance(node, Vector):
                products = node.products()
                if not products:
                    products = [None] * len(parents)
            else:
                products = op.contributions(g, node.data, [parent.data for parent in parents])
            for k, product in enumerate(products):
                parent = parents[k]
                h = parent.grad
                if h is fresh:
                    parent.grad = product
                elif type(h) is type(product) is float:
                    parent.grad = h + product
                else:
                    parent.grad = _sum(h, product)
    except BaseException as error:
        if node is not None and node.op is not None:
            note = described(node.op, node.parents, node.label)
            annotate(error, f"in the backward pass, at {note}")
        raise


def _leave_out(node: Node, fresh: Unset) -> None:
    """Let the parents of a node without a part know, but where something else has come already."""
    left, right = node._left, node._right
    if type(left) is Vector:
        return  # its turn comes, with the contributions of the other nodes or with none
    if type(left) is tuple:
        for entry in left:
            if entry.grad is fresh:
                entry.grad = None
        return
    if left.grad is fresh:
        left.grad = None
    if right is not None and right.grad is fresh:
        right.grad = None


def _zero(node: Node) -> Number:
    return 0.0 if type(node.data) is float else common(node.data).convert(0)


def _sum(x: Number, y: Number) -> Number:
    if x is None or y is None:  # from where there is no part
        return y if x is None else x
    # A 0 is what programs written for micrograd reset a gradient to, leaf by leaf.
    if type(y) is float and (type(x) is float or (type(x) is int and x == 0)):
        return x + y
    return evaluate(ops.add.forward, x, y)
