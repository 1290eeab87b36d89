"""In words and numbers: where a node's gradient came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

from microgradnet.arithmetic import NO_PART, Number, parts
from microgradnet.chain_rule import edges
from microgradnet.deprecation import renamed_attribute, warn_renamed
from microgradnet.engine import Value, is_unset
from microgradnet.graph import topological_order
from microgradnet.notation import is_weighted_input
from microgradnet.numerals import full_numeral, numeral
from microgradnet.ops import add, multiply

__all__ = ["Path", "adjoint", "definition", "explain", "paths"]


def explain(cost: Value, node: Value) -> str:
    """Explain where the gradient of a node came from, a line for each of its uses.

    Each use contributes (adjoint of the result) × (local derivative), and the contributions add
    up. The cost must be given because a node knows what it was made from, not what was made from
    it. The numbers are those that the last backward pass left, and the data as they are now.

    Raises RuntimeError before cost.backward(), and ValueError for a node that the cost was not
    computed from.

    >>> from microgradnet import Value
    >>> x = Value(3.0, label="x")
    >>> y = x * x + 2 * x
    >>> y.backward()
    >>> print(explain(y, x))
    ∂C/∂x = 8 = 3 + 3 + 2
      3 = 1 × 3 through x * x
      3 = 1 × 3 through x * x
      2 = 1 × 2 through 2 * x
    """
    _require(cost, node)
    order = topological_order([cost])
    if node not in {*order}:
        order = topological_order([node])
        if cost not in {*order}:
            raise _unrelated(cost, node)
        warn_renamed("explain(node, cost)", "explain(cost, node)")
        cost, node = node, cost
    if is_unset(cost.grad):
        raise RuntimeError("there are no gradients yet: call cost.backward() first")
    if node is cost:
        return f"{adjoint(node)} = {numeral(node.grad)}: it is the cost itself"
    adjoints = {cost: cost.grad}
    contributions: dict[tuple[Value, int], Number] = {}  # in the order of the backward pass
    for consumer, k, x, term in edges(order, adjoints):
        if term is not NO_PART:
            adjoints[x] = x.grad
            if x is node:
                contributions[consumer, k] = reduce(add, parts(term))
    total = reduce(add, contributions.values()) if contributions else 0
    uses = [
        (consumer, k, contributions.get((consumer, k), 0))
        for consumer in order
        for k, x in enumerate(consumer.parents)
        if x is node
    ]
    terms = [term for *_, term in uses]
    sums = [numeral(total)] + [" + ".join(map(numeral, terms))] * (len(terms) > 1)
    lines = [" = ".join([adjoint(node), *sums])]
    consumers = dict.fromkeys(consumer for consumer, *_ in uses)
    once = {consumer: (consumer.partials(), definition(consumer)) for consumer in consumers}
    for consumer, k, term in uses:
        partials, through = once[consumer]
        factors = f"{numeral(consumer.grad)} × {numeral(partials[k])}"
        lines.append(f"  {numeral(term)} = {factors} through {through}")
    if node.op is None and _differs(node.grad, total, terms):
        lines.append(f"  (in all its grad is {numeral(node.grad)}: other passes have added to it)")
    return "\n".join(lines)


def _differs(grad: Number, total: Number, terms: Sequence[Number]) -> bool:
    """Tell whether a gradient is more than these terms, which may be added up in any order."""
    if grad == total or any(isinstance(x, (int, Fraction)) for x in (grad, total)):
        return bool(grad != total)
    try:
        # Each order has len(terms) − 1 roundings of sums that do not exceed Σ|terms|.
        bound = 2 * len(terms) * 2**-53 * math.fsum(abs(float(term)) for term in terms)
        return abs(float(grad) - float(total)) > bound
    except (TypeError, ValueError, OverflowError):  # formulas, or numbers beyond the floats
        return True


def _require(cost: Any, node: Any) -> None:
    for what, x in (("cost", cost), ("node", node)):
        if not isinstance(x, Value):
            raise TypeError(f"the {what} is a Value, not {x!r:.60}")


def _unrelated(cost: Value, node: Value) -> ValueError:
    above, below = _name(cost), _name(node)
    return ValueError(f"{above} was not computed from {below}, nor {below} from {above}")


@dataclass(frozen=True, eq=False)
class Path:
    """Hold one way from a node to the cost, and its contribution to the node's gradient.

    nodes         the node, what was made from it, and so on up to the cost
    partials      the partial derivatives ∂(next)/∂(this) on the way, one fewer than nodes
    contribution  their product
    """

    nodes: tuple[Value, ...]
    partials: tuple[Number, ...]
    contribution: Number

    slopes = renamed_attribute("slopes", "partials")
    product = renamed_attribute("product", "contribution")


def paths(cost: Value, node: Value, *, limit: int = 1_000) -> list[Path]:
    """List the paths from a node to the cost: ∂C/∂(node) is the sum of their contributions.

    That is the chain rule written out. `backward` never does it so, because the paths can be many
    more than the nodes: with each x = x + x there are twice as many. The derivatives are those of
    the data as they are now; no backward pass is needed. x·x counts as two paths.

    Raises ValueError for a node that the cost was not computed from, and for more paths than the
    limit, or steps on them than a thousand times that.

    >>> x = Value(3.0, label="x")
    >>> y = x * x + 2 * x
    >>> [path.contribution for path in paths(y, x)]
    [3.0, 3.0, 2.0]
    """
    _require(cost, node)
    order = topological_order([cost])
    consumers: dict[Value, list[tuple[Value, int]]] = {node: []}
    count, steps = {node: 1}, {node: 0}  # of the paths from the node to each
    for consumer in order:
        for index, parent in enumerate(consumer.parents):
            if parent not in consumers:
                continue
            consumers.setdefault(consumer, [])
            consumers[parent].append((consumer, index))
            count[consumer] = min(count.get(consumer, 0) + count[parent], _MANY)
            added = steps[parent] + count[parent]
            steps[consumer] = min(steps.get(consumer, 0) + added, _MANY)
    if cost not in consumers:
        if cost in {*topological_order([node])}:
            raise ValueError(
                f"{_name(cost)} was not computed from {_name(node)}: write paths(cost, node)"
            )
        raise _unrelated(cost, node)
    if count[cost] > limit or steps[cost] > 1_000 * limit:
        number = f"{count[cost]:,}" if count[cost] < _MANY else "more than 10¹⁸"
        raise ValueError(
            f"{number} paths lead from {_name(node)} to {_name(cost)}, in all too long to be "
            f"listed: take a node nearer to the cost, or a limit above {limit:,}"
        )
    partials = {consumer: consumer.partials() for consumer in consumers if consumer is not node}
    return [_path(node, steps, partials) for steps in _routes(consumers, node, cost)]


_MANY = 10**18


def _routes(
    consumers: dict[Value, list[tuple[Value, int]]], node: Value, cost: Value
) -> list[list[tuple[Value, int]]]:
    """List the ways from the node to the cost, as steps: to a consumer, by operand number."""
    routes, route = [], list[tuple[Value, int]]()
    stack = [(0, (node, 0))]
    while stack:
        depth, step = stack.pop()
        route[depth:] = [step]
        if step[0] is cost:
            routes.append(route[1:])
        else:
            stack += [(depth + 1, onward) for onward in reversed(consumers[step[0]])]
    return routes


def _path(
    node: Value, route: Sequence[tuple[Value, int]], partials: dict[Value, tuple[Number, ...]]
) -> Path:
    factors = tuple(partials[consumer][index] for consumer, index in route)
    end = route[-1][0] if route else node
    one: Number = 1.0 if type(end.data) is float else 1
    product = reduce(multiply, reversed(factors), one)  # from the cost on, as the backward pass
    return Path((node, *(consumer for consumer, _ in route)), factors, product)


def adjoint(node: Value) -> str:
    """Name a gradient: δ²₁ for the weighted input z²₁, else ∂C/∂….

    >>> adjoint(Value(1.0, label="z²₁")), adjoint(Value(1.0, label="x"))
    ('δ²₁', '∂C/∂x')
    """
    if is_weighted_input(node.label):
        return f"δ{node.label[1:]}"
    return f"∂C/∂{_name(node)}"


def _name(node: Value) -> str:
    if node.label:
        return node.label
    return f"({_formula(node)})" if node.op is not None else full_numeral(node.data)


def definition(node: Value) -> str:
    """Write how a node that is no leaf was made: a²₁ = sigmoid(z²₁)."""
    return f"{node.label} = {_formula(node)}" if node.label else _formula(node)


def _formula(node: Value) -> str:
    """Write the operation on its operands' names; operands without one by their numbers."""
    op: Any = node.op
    written: str = op.write(*(parent.label or numeral(parent.data) for parent in node.parents))
    return written
