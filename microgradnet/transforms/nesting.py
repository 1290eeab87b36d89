"""Numbers in nested lists and tuples: flattened, and put back in their places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["flat", "nested", "places"]


def flat(tree: Any) -> list[Any]:
    """List what is in nested lists and tuples, in order.

    >>> flat([1, (2, [3]), []])
    [1, 2, 3]
    """
    return [x for _, x in places(tree)]


def places(tree: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Go through nested lists and tuples: each entry with its place.

    >>> list(places([1, (2,)]))
    [('[0]', 1), ('[1][0]', 2)]
    """
    if isinstance(tree, (list, tuple)):
        for k, branch in enumerate(tree):
            yield from places(branch, f"{place}[{k}]")
    else:
        yield place, tree


def nested(entries: Iterable[Any], like: Any) -> Any:
    """Nest entries in lists and tuples as others are.

    >>> nested([10, 20, 30], like=[1, (2, [3])])
    [10, (20, [30])]
    """
    return _build(iter(entries), like)


def _build(left: Iterator[Any], tree: Any) -> Any:
    if not isinstance(tree, (list, tuple)):
        return next(left)
    branches = [_build(left, branch) for branch in tree]
    if isinstance(tree, list):
        return branches
    return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)
