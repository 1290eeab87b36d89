"""One gradient and the paths it came by: which nodes lie on them, and the sum in words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from microgradnet import ops
from microgradnet.drawing.dot import clean
from microgradnet.engine import Value
from microgradnet.explanation import adjoint, paths
from microgradnet.notation import symbol
from microgradnet.numerals import numeral

__all__ = ["downstream", "sum_of_paths"]

_LISTED = 6
"""So many paths are written out."""


def downstream(order: Sequence[Value], start: Value) -> set[Value]:
    """Find what was made from a node, itself included: its gradient came through them."""
    descendants = {start}
    for node in order:
        if any(parent in descendants for parent in node.parents):
            descendants.add(node)
    return descendants


def sum_of_paths(roots: Sequence[Value], node: Value) -> list[str]:
    """Write a gradient as the sum, over the paths to the cost, of the products of partials."""
    if len(roots) > 1:
        raise ValueError("highlight needs one value to be drawn, the cost: its gradients are shown")
    (cost,) = roots
    name = adjoint(node) if node.label else "the gradient"
    try:
        ways = paths(cost, node)
    except ValueError as error:
        if "paths" not in str(error):
            raise
        return [f"{name} came along the thick edges, on more paths than can be listed"]
    total = reduce(ops.add, [path.contribution for path in ways])
    over = "on one path" if len(ways) == 1 else f"the sum over {len(ways)} paths"
    lines = [f"{name} = {numeral(total)}, {over}:"]
    for path in ways[:_LISTED]:
        names = [_stop(node) for node in path.nodes]
        factors = [numeral(x) for x in reversed(path.partials)] or ["1"]
        lines.append(
            f"    {numeral(path.contribution)} = {' × '.join(_elided(factors))} "
            f"along {' → '.join(_elided(names))}"
        )
    return lines + [f"    and {len(ways) - _LISTED} more"] * (len(ways) > _LISTED)


def _stop(node: Value) -> str:
    return clean(node.label, 12) or ("·" if node.op is None else clean(symbol(node.op), 12))


def _elided(parts: list[str]) -> list[str]:
    return parts if len(parts) <= 10 else [*parts[:5], "…", *parts[-4:]]
