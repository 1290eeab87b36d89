"""What is inside a scalar graph: vectors, matrices and equations, with the nodes still attached."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from microgradnet.engine import Value
from microgradnet.lifting.derivation import derive
from microgradnet.lifting.grouping import group
from microgradnet.lifting.reading import Reading, read
from microgradnet.lifting.statements import Derivation

__all__ = [
    "Equation",
    "Structure",
    "Variable",
    "analyse",
    "equations",
    "listed",
    "listed_roots",
    "recognise",
]


@dataclass(frozen=True)
class Equation:
    """One equation of a program.

    left    the variable that it defines: "z1", "δ1", "∂C/∂W1"
    text    the equation: "z1 = W1 a0 + b1"; with += where parameters are some of another's too
    latex   the same
    shape   of what it defines: () for a number, (n,) for a vector, (rows, columns) for a matrix
    part    "forward", "backward" or "gradient"
    uses    the variables on its right side
    """

    left: str
    text: str
    latex: str
    shape: tuple[int, ...]
    part: str
    uses: tuple[str, ...]


@dataclass(frozen=True)
class Variable:
    """A number, vector or matrix of a structure, and the scalar nodes that its entries are.

    kind    "input", "target", "parameter" or "value"
    nodes   row by row; None where an entry is no node of the graph, as the 0 of a sparse matrix
    """

    name: str
    latex: str
    shape: tuple[int, ...]
    kind: str
    nodes: tuple[Value | None, ...]


@dataclass(frozen=True)
class Structure:
    """The matrices inside a scalar graph.

    variables   by name, in the order of the program
    equations   those of the program that `lift` would make of the graph
    """

    variables: dict[str, Variable]
    equations: tuple[Equation, ...]


def recognise(
    cost: Value | Sequence[Value],
    inputs: Sequence[Value] = (),
    targets: Sequence[Value] = (),
    parameters: Sequence[Value] = (),
) -> Structure:
    """What `lift` finds in a graph; its arguments and errors are those of `lift`.

    >>> from microgradnet import MLP
    >>> model = MLP(2, [3, 1], activation="tanh")
    >>> forward = model.forward([0.5, -1.0])
    >>> found = recognise([forward.output], forward.a[0], parameters=model.parameters())
    >>> found.equations[0].text, found.variables["z1"].nodes[2] is forward.z[1][2]
    ('z1 = W1 a0 + b1', True)
    """
    leaves = listed("parameters", parameters)
    reading, derivation = analyse(cost, inputs, targets, leaves)
    variables: dict[str, Variable] = {}
    for view in derivation.views:
        v = view.variable
        nodes: list[Value | None] = [leaves[k] for k in view.index.ravel()]
        if view.cells is not None:
            rows, columns, _ = view.cells
            cells: list[Value | None] = [None] * (v.shape[0] * v.shape[1])
            for cell, node in zip((rows * v.size + columns).tolist(), nodes, strict=True):
                cells[cell] = node
            nodes = cells
        variables[v.name] = Variable(v.name, v.latex, v.shape, "parameter", tuple(nodes))
    for v, vector in derivation.vectors.items():
        kind = v.kind if v.kind in ("input", "target") else "value"
        atoms = tuple(reading.atoms[k].node for k in vector.atoms)
        variables[v.name] = Variable(v.name, v.latex, v.shape, kind, atoms)
    return Structure(variables, equations(derivation))


def analyse(
    cost: Value | Sequence[Value],
    inputs: Iterable[Value],
    targets: Iterable[Value],
    parameters: Iterable[Value],
) -> tuple[Reading, Derivation]:
    """The atoms of a graph, and the equations over its vectors.

    Raises TypeError for what is no Value, and ValueError for a listed node that is no leaf or
    stands in the lists twice; only an input may be a target too.
    """
    roots = listed_roots(cost)
    lists = {
        "inputs": listed("inputs", inputs),
        "targets": listed("targets", targets),
        "parameters": listed("parameters", parameters),
    }
    if not roots:
        raise ValueError("there is nothing to lift: give a cost, or a list of outputs")
    for name, nodes in lists.items():
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
    parameter_set = set(lists["parameters"])
    for name in ("inputs", "targets"):
        for k, node in enumerate(lists[name]):
            if node in parameter_set:
                raise ValueError(
                    f"{name}: entry {k}, {node!r:.60}, is one of the parameters too: is it the "
                    "example's or the network's?"
                )
    with _collector_paused():
        reading = read(roots, lists["inputs"], lists["targets"], lists["parameters"])
        vectors, places = group(reading)
        return reading, derive(vectors, places, isinstance(cost, Value))


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


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without Python's garbage collector, which would walk graph and atoms again and again.

    There are no cycles in them to be found, and lifting takes half the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def equations(derivation: Derivation) -> tuple[Equation, ...]:
    """The equations, written."""
    written = []
    for s in derivation.statements:
        signs = ("+=", r"\mathrel{+}=") if s.added else ("=", "=")
        written.append(
            Equation(
                s.variable.name,
                f"{s.variable.name} {signs[0]} {s.formula.write('text')}",
                f"{s.variable.latex} {signs[1]} {s.formula.write('latex')}",
                s.variable.shape,
                s.part,
                tuple(dict.fromkeys(v.name for v in s.formula.names())),
            )
        )
    return tuple(written)
