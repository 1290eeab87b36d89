"""Numbers in nested lists, tuples, dicts and arrays: flattened, and put back in their places."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["flat", "is_nested", "nested", "places"]


def is_nested(tree: Any) -> bool:
    """Tell whether something holds numbers in places: a list, tuple or dict, or NumPy's array.

    >>> is_nested({"w": 1.0}), is_nested(1.0)
    (True, False)
    """
    return isinstance(tree, (list, tuple, dict)) or _is_array(tree)


def _is_array(tree: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(tree, numpy.ndarray) and tree.ndim > 0


def flat(tree: Any) -> list[Any]:
    """List what is nested, in order.

    >>> flat([1, (2, {"w": 3}), []])
    [1, 2, 3]
    """
    if not is_nested(tree):
        return [tree]
    branches = tree.values() if isinstance(tree, dict) else tree
    return [x for branch in branches for x in flat(branch)]


def places(tree: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Go through what is nested: each entry with its place.

    >>> list(places([1, {"w": 2}]))
    [('[0]', 1), ("[1]['w']", 2)]
    """
    if not is_nested(tree):
        yield place, tree
        return
    branches = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, branch in branches:
        yield from places(branch, f"{place}[{key!r}]")


def nested(entries: Iterable[Any], like: Any) -> Any:
    """Nest entries as others are.

    An array's entries make an array: of floats if all are, of one more dimension for each that they
    have if they are arrays themselves, else of objects.

    >>> nested([10, 20, 30], like=[1, (2, {"w": 3})])
    [10, (20, {'w': 30})]
    """
    return _build(iter(entries), like)


def _build(left: Iterator[Any], tree: Any) -> Any:
    if not is_nested(tree):
        return next(left)
    if _is_array(tree):
        return _array([_build(left, branch) for branch in tree.flat], tree)
    if isinstance(tree, dict):
        return {key: _build(left, branch) for key, branch in tree.items()}
    branches = [_build(left, branch) for branch in tree]
    if isinstance(tree, list):
        return branches
    return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)


def _array(entries: list[Any], like: Any) -> Any:
    import numpy as np

    if all(isinstance(x, float) for x in entries):
        kind = like.dtype if like.dtype.kind == "f" else float
        return np.array(entries, kind).reshape(like.shape)
    if all(map(_is_array, entries)):
        return np.array(entries).reshape(like.shape + entries[0].shape)
    array = np.empty(like.size, object)
    array[:] = entries
    return array.reshape(like.shape)
