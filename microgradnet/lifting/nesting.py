"""Parameters as people keep them: lists, lists of lists, dicts of names; what nesting says.

    lift(cost, x, parameters={"wq": [[Value(...), ...], ...], "bias": [...]})

A walk through the nesting gives the flat order. Lists of equal lengths are one array, with an axis
a level; the keys of the dicts on the way, joined by dots, are its name. In flat lists the labels
tell: leaves with the labels wq[0][0], wq[0][1] … are the array wq, and nn's w¹₁₁ … are W1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from microgradnet.engine import Value
from microgradnet.notation import indices

__all__ = ["LONGEST_NAME", "ParameterArray", "flatten"]

Indices: TypeAlias = "NDArray[np.intp]"


@dataclass(frozen=True, eq=False)
class ParameterArray:
    """Parameters that their keeper holds as one array.

    name    its key, or what its labels have in common; empty where neither is there
    places  of each entry its place in the flat list, an array of the caller's shape
    """

    name: str
    places: Indices


def flatten(parameters: Any) -> tuple[list[Value], list[ParameterArray]]:
    """The parameters in the order of a walk, and the arrays that they make up.

    Parameters in no array are alone.

    >>> w, b = [[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]], [Value(5.0), Value(6.0)]
    >>> leaves, arrays = flatten({"w": w, "b": b})
    >>> [leaf.data for leaf in leaves], [(a.name, a.places.shape) for a in arrays]
    ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [('w', (2, 2)), ('b', (2,))])

    Raises TypeError for what is neither a Value nor a list or dict of such, ValueError for an empty
    list, a Value that is no leaf and one that stands there twice; each names the place.
    """
    if isinstance(parameters, Value) or not isinstance(parameters, Iterable):
        way_out = ": write model.parameters()" if hasattr(parameters, "parameters") else ""
        raise TypeError(
            f"parameters is {parameters!r:.60}: give a list of Values, lists of lists, or a dict "
            f"of names{way_out}"
        )
    top = _listed(parameters)
    leaves: list[Value] = []
    arrays: list[ParameterArray] = []
    seen: dict[Value, str] = {}
    nested = isinstance(top, dict) or any(not isinstance(entry, Value) for entry in top)
    for path, name, block in _blocks(top, "", "") if nested else [("", "", top)]:
        start = len(leaves)
        for where, leaf in _walk(block, path):
            if not isinstance(leaf, Value):
                raise TypeError(f"parameters{where} is {leaf!r:.60}, no Value: write Value(...)")
            if leaf.op is not None:
                raise ValueError(
                    f"parameters{where}, {leaf!r:.60}, is computed from other nodes; list the "
                    "leaves that it is computed from"
                )
            if leaf in seen:
                raise ValueError(
                    f"parameters{where} and parameters{seen[leaf]} are the same node, {leaf!r:.60}"
                )
            seen[leaf] = where
            leaves.append(leaf)
        if nested:
            places = np.arange(start, len(leaves)).reshape(_shape(block) or ())
            arrays.append(ParameterArray(name, places))
    return leaves, arrays if nested else _labelled(leaves)


def _listed(block: Any) -> Any:
    """The same with lists for all that can be walked, but for dicts."""
    if isinstance(block, (Value, str, bytes)):
        return block
    if isinstance(block, Mapping):
        return {key: _listed(entry) for key, entry in block.items()}
    if isinstance(block, Iterable):
        return [_listed(entry) for entry in block]
    return block


def _shape(block: Any) -> tuple[int, ...] | None:
    """The lengths of nested lists; None where they differ, or a dict is among them."""
    if not isinstance(block, list):
        return None if isinstance(block, dict) else ()
    shapes = {_shape(entry) for entry in block}
    if len(shapes) != 1 or None in shapes:
        return None
    (shape,) = shapes
    return (len(block), *(shape or ()))


def _blocks(block: Any, path: str, name: str) -> Iterator[tuple[str, str, Any]]:
    """The largest parts that are arrays, each with where it is and its name."""
    if isinstance(block, dict):
        for key, entry in block.items():
            yield from _blocks(entry, f"{path}[{key!r}]", f"{name}.{key}" if name else str(key))
    elif block == []:
        raise ValueError(f"parameters{path} is an empty list: leave it out")
    elif _shape(block) is not None:
        yield path, name, block
    else:
        for k, entry in enumerate(block):
            yield from _blocks(entry, f"{path}[{k}]", f"{name}[{k}]" if name else "")


def _walk(block: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(block, list):
        for k, entry in enumerate(block):
            yield from _walk(entry, f"{path}[{k}]")
    else:
        yield path, block


LONGEST_NAME = 30
"""A longer label is no name: it is told of a number, and would not be read in a formula."""

_LABEL = re.compile(r"([^\W\d][\w.]{0,29})((?:\[\d+\])+)")


def _labelled(leaves: list[Value]) -> list[ParameterArray]:
    """The arrays whose entries are all there, each once, by the leaves' labels."""
    entries: dict[str, dict[tuple[int, ...], int]] = {}
    for place, leaf in enumerate(leaves):
        label = leaf.label
        found = _LABEL.fullmatch(label) if label.endswith("]") else None
        if found is not None:
            name, at = found[1], tuple(map(int, re.findall(r"\d+", found[2])))
        elif (own := indices(label)) is not None:
            letter, l, subscript = own
            name = f"{letter.upper() if letter == 'w' else letter}{l}"
            at = tuple(k - 1 for k in subscript)
        else:
            continue
        entries.setdefault(name, {}).setdefault(at, place)
    arrays = []
    for name, those in entries.items():
        ranks = {len(at) for at in those}
        shape = [max(column) + 1 for column in zip(*those, strict=len(ranks) == 1)]
        if len(ranks) == 1 and len(those) == np.prod(shape):
            places = np.empty(shape, dtype=np.intp)
            for at, place in those.items():
                places[at] = place
            arrays.append(ParameterArray(name, places))
    return arrays
