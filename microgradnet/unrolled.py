"""Sums of products, written out term by term for the number of terms at hand.

In Python a loop costs more than the product in it: of 16 terms `sum(map(mul, ws, xs))` takes 38 ns
each, and the line w₀·x₀ + w₁·x₁ + …, its numbers in local variables, 16. So that line is written
here, once for each n, as `namedtuple` writes a class; its text depends on n alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

__all__ = ["dot", "dot_of_nodes", "linear_combination"]

LONGEST: Final = 128  # terms; more are summed in blocks


@cache
def dot(n: int) -> Callable[[Sequence[Any], Sequence[Any], Any], Any]:
    """Write the function (nodes, xs, start) → start + Σₖ nodes[k].data · xs[k], n terms in order.

    >>> from types import SimpleNamespace as Node
    >>> dot(2)([Node(data=2.0), Node(data=3.0)], [5.0, 7.0], 1.0)
    32.0
    """
    if n > LONGEST:

        def in_blocks(nodes: Sequence[Any], xs: Sequence[Any], total: Any) -> Any:
            for k in range(0, n, LONGEST):
                block = slice(k, k + LONGEST)
                total = dot(min(LONGEST, n - k))(nodes[block], xs[block], total)
            return total

        return in_blocks
    terms = "".join(
        f" + {w}.data * {x}" for w, x in zip(_names("w", n), _names("x", n), strict=True)
    )
    return _function(
        f"(nodes, xs, start):\n"
        f"    [{', '.join(_names('w', n))}] = nodes\n"
        f"    [{', '.join(_names('x', n))}] = xs\n"
        f"    return start{terms}"
    )


@cache
def dot_of_nodes(n: int) -> Callable[[type, Sequence[Any], Sequence[Any], float], Any]:
    """Write the function (kind, us, vs, start) → start + Σₖ us[k].data · vs[k].data, as `dot`.

    It returns None where a node is not of that very kind, or the number of one of the vs no float.

    >>> from types import SimpleNamespace as Node
    >>> dot_of_nodes(1)(Node, [Node(data=2.0)], [Node(data=5.0)], 1.0)
    11.0
    >>> dot_of_nodes(1)(Node, [Node(data=2.0)], [Node(data=5)], 1.0)
    """
    if n > LONGEST:

        def in_blocks(kind: type, us: Sequence[Any], vs: Sequence[Any], total: Any) -> Any:
            for k in range(0, n, LONGEST):
                block = slice(k, k + LONGEST)
                total = dot_of_nodes(min(LONGEST, n - k))(kind, us[block], vs[block], total)
                if type(total) is not float:
                    return None
            return total

        return in_blocks
    us, vs, xs = _names("u", n), _names("v", n), _names("x", n)
    kinds = "".join(f"type({node}) is " for node in (*us, *vs))
    numbers = "".join(f"type({x}) is " for x in xs)
    return _function(
        f"(kind, us, vs, start):\n"
        f"    [{', '.join(us)}] = us\n"
        f"    [{', '.join(vs)}] = vs\n"
        f"    if not ({kinds}kind):\n"
        f"        return None\n"
        + "".join(f"    {x} = {v}.data\n" for x, v in zip(xs, vs, strict=True))
        + f"    if not ({numbers}float):\n"
        f"        return None\n"
        f"    return start" + "".join(f" + {u}.data * {x}" for u, x in zip(us, xs, strict=True))
    )


@cache
def linear_combination(
    n: int,
) -> Callable[[Sequence[float], Sequence[Sequence[float]]], list[float]]:
    """Write the function (gs, rows) → Σᵢ gs[i] · rows[i], entry by entry of rows of n entries.

    >>> linear_combination(2)([10.0, 1.0], [[1.0, 2.0], [3.0, 4.0]])
    [13.0, 24.0]
    """
    # The sums begin at −0.0, which changes none; from 0 on, a sum −0.0 would lose its sign.
    if not 0 < n <= LONGEST:

        def in_blocks(gs: Sequence[float], rows: Sequence[Sequence[float]]) -> list[float]:
            sums: list[float] = []
            for k in range(0, n, LONGEST):
                block = [row[k : k + LONGEST] for row in rows]
                sums += linear_combination(min(LONGEST, n - k))(gs, block)
            return sums

        return in_blocks
    sums, entries = _names("s", n), _names("x", n)
    added = "; ".join(f"{s} += g * {x}" for s, x in zip(sums, entries, strict=True))
    return _function(
        f"(gs, rows):\n"
        f"    {' = '.join(sums)} = -0.0\n"
        f"    for g, [{', '.join(entries)}] in zip(gs, rows):\n"
        f"        {added}\n"
        f"    return [{', '.join(sums)}]"
    )


def _names(letter: str, n: int) -> list[str]:
    return [f"{letter}{k}" for k in range(n)]


def _function(text: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec(f"def unrolled{text}", scope)
    function: Callable[..., Any] = scope["unrolled"]
    return function
