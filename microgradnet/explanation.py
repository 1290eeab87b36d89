"""In words and numbers: where a node's gradient came from."""

from __future__ import annotations

from microgradnet.arithmetic import Number, evaluate
from microgradnet.engine import Value, is_untouched
from microgradnet.graph import topological_order
from microgradnet.notation import is_weighted_input
from microgradnet.ops import add

__all__ = ["adjoint", "explain", "made"]


def explain(node: Value, cost: Value) -> str:
    """Where the gradient of a node came from: a line for each use of it on the way to the cost.

    Each use contributes (adjoint of the result) × (local derivative), and the contributions add
    up. The cost must be given because a node knows what it was made from, not what was made from
    it. The numbers are those that the last backward pass left, and the data as they are now.

    Raises RuntimeError before cost.backward(), and ValueError for a node that the cost was not
    computed from.

    >>> from microgradnet import Value
    >>> x = Value(3.0, label="x")
    >>> y = x * x + 2 * x
    >>> y.backward()
    >>> print(explain(x, y))
    ∂C/∂x = 8 = 3 + 3 + 2
      3 = 1 × 3 through x * x
      3 = 1 × 3 through x * x
      2 = 1 × 2 through 2 * x
    """
    order = topological_order([cost])
    if is_untouched(cost.grad):
        raise RuntimeError("there are no gradients yet: call cost.backward() first")
    if node is cost:
        return f"{adjoint(node)} = {_short(node.grad)}: it is the cost itself"
    uses = [
        (consumer, product, slope)
        for consumer in order
        if any(parent is node for parent in consumer.parents)
        for parent, product, slope in zip(
            consumer.parents, _products(consumer), consumer.partials(), strict=True
        )
        if parent is node
    ]
    if not uses:
        raise ValueError(f"{_name(cost)} was not computed from {_name(node)}")
    products = [product for _, product, _ in uses]
    total = products[0]
    for product in products[1:]:
        total = evaluate(add.forward, total, product)
    sums = [_short(total)] + [" + ".join(map(_short, products))] * (len(products) > 1)
    lines = [" = ".join([adjoint(node), *sums])]
    for consumer, product, slope in uses:
        factors = f"{_short(consumer.grad)} × {_short(slope)}"
        lines.append(f"  {_short(product)} = {factors} through {made(consumer)}")
    if node.op is None and node.grad != total:
        lines.append(f"  (in all its grad is {_short(node.grad)}: other passes have added to it)")
    return "\n".join(lines)


def _products(node: Value) -> tuple[Number, ...]:
    """What the node passed on to each of its parents."""
    if node.op is None:
        return ()
    return node.op.pull_back(node.grad, node.data, [parent.data for parent in node.parents])


def adjoint(node: Value) -> str:
    """The name of a gradient: δ²₁ for the weighted input z²₁, which is what δ is; else ∂C/∂….

    >>> adjoint(Value(1.0, label="z²₁")), adjoint(Value(1.0, label="x"))
    ('δ²₁', '∂C/∂x')
    """
    if is_weighted_input(node.label):
        return f"δ{node.label[1:]}"
    return f"∂C/∂{_name(node)}"


def _name(node: Value) -> str:
    if node.label:
        return node.label
    return f"({_formula(node)})" if node.op is not None else str(node.data)


def made(node: Value) -> str:
    """How a node was made: a²₁ = sigmoid(z²₁)."""
    return f"{node.label} = {_formula(node)}" if node.label else _formula(node)


def _formula(node: Value) -> str:
    """The operation on its operands' names; operands without one by their numbers."""
    if node.op is None:
        return _name(node)
    return node.op.write(*(parent.label or _short(parent.data) for parent in node.parents))


def _short(x: Number) -> str:
    return f"{x:.4g}" if isinstance(x, float) else str(x)
