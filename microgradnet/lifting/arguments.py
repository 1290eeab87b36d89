"""What is lifted: the lists of Values that a caller gives, checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from microgradnet.engine import Value
from microgradnet.lifting.inputs import leaf_roles
from microgradnet.lifting.nesting import flatten

__all__ = ["Arguments", "check_leaves", "listed", "listed_roots", "read_arguments"]


class Arguments(NamedTuple):
    """What is lifted, as lists; parameters as they are nested."""

    roots: list[Value]
    inputs: list[Value]
    targets: list[Value]
    parameters: Any


def read_arguments(
    cost: Value | Sequence[Value],
    inputs: Iterable[Value] | None,
    targets: Iterable[Value] | None,
    parameters: Any,
) -> Arguments:
    """The arguments of `lift` as lists, checked; those that are None by the leaves' labels.

    >>> w, x, b = Value(0.5, label="w"), Value(2.0, label="x1"), Value(1.0, label="b")
    >>> found = read_arguments((w * x + b).tanh(), None, None, None)
    >>> found.inputs == [x], found.targets, found.parameters == [w, b]
    (True, [], True)
    """
    roots = listed_roots(cost)
    x = None if inputs is None else listed("inputs", inputs)
    y = None if targets is None else listed("targets", targets)
    if isinstance(parameters, Iterator):  # to be walked more than once
        parameters = list(parameters)
    if x is None or y is None or parameters is None:
        own = None if parameters is None else flatten(parameters)[0]
        found = leaf_roles(_leaves_below(roots), x, y, own)
        x = found.inputs if x is None else x
        y = found.targets if y is None else y
        parameters = found.parameters if parameters is None else parameters
    return Arguments(roots, x, y, parameters)


def _leaves_below(roots: Sequence[Value]) -> list[Value]:
    """The leaves of a graph, in the order of `topological_order` and in a third of its time."""
    leaves: list[Value] = []
    seen: set[Value] = set()
    stack = [*reversed(roots)]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if node.op is None:
                leaves.append(node)
            else:
                stack += [parent for parent in reversed(node.parents) if parent not in seen]
    return leaves


def listed_roots(cost: Value | Sequence[Value]) -> list[Value]:
    """A cost or the outputs as a list; TypeError for what is neither."""
    if isinstance(cost, Value):
        return [cost]
    if not isinstance(cost, Iterable):
        called = ", which is what it gives when it is called" if callable(cost) else ""
        raise TypeError(
            f"cost is {cost!r:.60}: give the Value that is the cost of one example{called}, or a "
            "list of output Values"
        )
    return listed("cost", cost)


def listed(name: str, given: Iterable[Value]) -> list[Value]:
    """The Values given as an argument; TypeError, with the way out, for what is no list of them."""
    if isinstance(given, Value):
        raise TypeError(f"{name} is one Value, {given!r:.60}: write it as a list, [...]")
    if not isinstance(given, Iterable):
        way_out = ": write model.parameters()" if hasattr(given, "parameters") else ""
        raise TypeError(f"{name} is {given!r:.60}, not a list of Values{way_out}")
    nodes = list(given)
    for k, node in enumerate(nodes):
        if not isinstance(node, Value):
            rows = isinstance(node, Iterable) and not isinstance(node, str)
            way_out = ": list row after row in one list" if rows else ""
            raise TypeError(f"{name}: entry {k} is {node!r:.60}, not a Value{way_out}")
    return nodes


def check_leaves(
    inputs: Sequence[Value], targets: Sequence[Value], parameters: Sequence[Value]
) -> None:
    """ValueError for a node that is no leaf or stands in the lists twice.

    Only an input may be a target too.
    """
    own = set(parameters)
    for name, nodes in (("inputs", inputs), ("targets", targets)):
        seen: dict[Value, int] = {}
        for k, node in enumerate(nodes):
            if node.op is not None:
                raise ValueError(
                    f"{name}: entry {k}, {node!r:.60}, is computed from other nodes; list the "
                    "leaves that it is computed from"
                )
            if node in seen:
                raise ValueError(
                    f"{name}: entries {seen[node]} and {k} are the same node, {node!r:.60}"
                )
            seen[node] = k
            if node in own:
                raise ValueError(
                    f"{name}: entry {k}, {node!r:.60}, is one of the parameters too: is it the "
                    "example's or the network's?"
                )
