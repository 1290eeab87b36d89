"""From a graph to everything that is said of it: terms, their names, adjoints, equations, nodes."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.engine import Value
from microgradnet.lifting import equations as written
from microgradnet.lifting.arguments import check_leaves, listed, listed_roots, read_arguments
from microgradnet.lifting.assembly import Assembled, assemble_classes
from microgradnet.lifting.canonicalise import Atoms, canonicalise
from microgradnet.lifting.derivatives import adjoints
from microgradnet.lifting.nesting import ParameterArray, flatten
from microgradnet.lifting.recurrences import join_steps
from microgradnet.lifting.rewriting import DIFFERENTIATED, STABLE, rewrite
from microgradnet.lifting.terms import (
    VJP,
    Axis,
    Leaf,
    Map,
    Take,
    Term,
    add,
    constant,
    multiply,
    rebuild,
    sum_over,
    topological_terms,
)
from microgradnet.lifting.vectorise import vectorise

__all__ = ["Analysis", "Equation", "Structure", "Terms", "Variable", "analyse", "recognise"]

Indices: TypeAlias = "NDArray[np.intp]"


@dataclass(frozen=True)
class Equation:
    """One equation of a program.

    left    the variable that it defines: "z1", "δ1", "∂C/∂W1"
    text    the equation: "z1 = W1 a0 + b1"
    latex   the same
    shape   of what it defines, for one example: () for a number, (n,) for a vector
    part    "forward", "backward" or "gradient"
    uses    the variables on its right side
    term    its right side
    """

    left: str
    text: str
    latex: str
    shape: tuple[int, ...]
    part: str
    uses: tuple[str, ...]
    term: Term | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Variable:
    """An array of a structure, and the scalar nodes that its entries are.

    kind    "input", "target", "parameter" or "value"
    nodes   row by row; None where an entry is no node of the graph, as the 0 off a mask
    """

    name: str
    latex: str
    shape: tuple[int, ...]
    kind: str
    nodes: tuple[Value | None, ...]


@dataclass(frozen=True)
class Structure:
    """The arrays inside a scalar graph.

    variables   by name, in the order of the program
    equations   those of the program that `lift` would make of the graph
    """

    variables: dict[str, Variable]
    equations: tuple[Equation, ...]


@dataclass(frozen=True)
class Terms:
    """A graph as terms.

    found       what assembly has made of it
    arrays      the terms of `found.arrays` as they are in the outputs
    outputs     the cost, or each of the outputs, as stable terms
    whole       the cost; of several outputs the sum of their products with V
    gradients   of each array of parameters its gradient, and `adjoints` of all terms
    names       what terms are called
    """

    found: Assembled
    arrays: list[Term]
    outputs: list[Term]
    whole: Term
    gradients: dict[Leaf, Term]
    adjoints: dict[Term, Term]
    names: dict[Term, str]


class Analysis:
    """What was found in a graph: its atoms and their classes, and when they are asked for, terms.

    leaves      the parameters, flat, and `held`, the arrays in which they were given
    is_cost     whether it has one root, and not a list of outputs
    """

    def __init__(
        self, atoms: Atoms, leaves: list[Value], held: list[ParameterArray], is_cost: bool
    ) -> None:
        self.atoms, self.leaves, self.held, self.is_cost = atoms, leaves, held, is_cost
        self._classes, self._runs = join_steps(vectorise(atoms))

    @property
    def has_arrays(self) -> bool:
        """Whether there are few arrays, or arrays of many nodes each: else it is a scalar graph."""
        count = len(self._classes.classes)
        return count <= _FEW or self.atoms.size >= _MANY * count

    def forget_nodes(self) -> None:
        """Let go of the graph, of which nothing but its numbers is needed from here on."""
        self.atoms = replace(self.atoms, nodes=[])

    @cached_property
    def terms(self) -> Terms:
        """The graph as terms, with their adjoints."""
        with _collector_paused():
            found = assemble_classes(self.atoms, self._classes, self._runs, self.held)
            return _terms(found, self.is_cost)

    def equations(self) -> tuple[Equation, ...]:
        """The equations, written."""
        terms = self.terms
        found = written.equations(terms.whole, terms.gradients, terms.adjoints, terms.names)
        known = {equation.term: equation.name for equation in found}
        result = []
        for each in found:
            if each.name == "C" and not self.is_cost:
                continue
            uses = tuple(_uses(each.term, known))
            result.append(
                Equation(each.name, each.text, each.latex, each.shape, each.part, uses, each.term)
            )
        return tuple(result)

    def parameter_arrays(self) -> dict[str, Indices]:
        """The places of all parameters, each once, by names: as given, or else as found."""
        arrays: dict[str, Indices] = {}
        seen = np.zeros(len(self.leaves), dtype=bool)
        gradients = self.terms.gradients
        named = [(array.name, array.places) for array in self.held]
        found = {leaf.places.tobytes(): leaf.name for leaf in gradients}
        for name, places in named:
            name = name or found.get(np.ascontiguousarray(places).tobytes(), "θ")
            arrays[_free(name, arrays)] = places
            seen[places] = True
        for leaf in gradients:
            places = leaf.places
            if not seen[places[places >= 0]].any():
                full = places if (places >= 0).all() else np.sort(places[places >= 0])
                arrays[_free(leaf.name, arrays)] = full
                seen[full] = True
        rest = np.flatnonzero(~seen)
        if len(rest):
            arrays[_free("θ", arrays)] = rest
        return arrays


_FEW, _MANY = 24, 4
"""More arrays than so few, and of less than so many nodes on the average, do not pay."""


def _free(name: str, taken: dict[str, Any]) -> str:
    """A name that is not taken."""
    if name not in taken:
        return name
    return next(f"{name}{k}" for k in count(1) if f"{name}{k}" not in taken)


def analyse(
    cost: Value | Sequence[Value],
    inputs: Sequence[Value] = (),
    targets: Sequence[Value] = (),
    parameters: Any = (),
) -> Analysis:
    """What is inside a graph.

    Raises TypeError for what is no Value, and ValueError for a listed node that is no leaf or
    stands in the lists twice; only an input may be a target too.
    """
    roots = listed_roots(cost)
    inputs, targets = listed("inputs", inputs), listed("targets", targets)
    leaves, held = flatten(parameters)
    if not roots:
        raise ValueError("there is nothing to lift: give a cost, or a list of outputs")
    check_leaves(inputs, targets, leaves)
    with _collector_paused():
        atoms = canonicalise(roots, inputs, targets, leaves)
        return Analysis(atoms, leaves, held, isinstance(cost, Value))


def _terms(found: Assembled, is_cost: bool) -> Terms:
    """Stable terms under the names that fit them, and their adjoints."""
    n = len(found.roots)
    terms = rewrite([*found.roots, *[term for term, _, _ in found.arrays]], STABLE)
    names, renamed = _named(terms[:n], found, is_cost)
    every = rebuild([*terms, *names], lambda term: renamed.get(term, term))
    outputs, arrays = every[:n], every[n : len(terms)]
    names = dict(zip(every[len(terms) :], names.values(), strict=True))
    seeds, whole = _seeds(outputs, arrays, found, is_cost)
    own = [t for t in topological_terms(outputs) if isinstance(t, Leaf)]
    weights = [leaf for leaf in own if leaf.role == "parameter"]
    slopes = adjoints(seeds, weights, [found.examples], running=True)
    weights.sort(key=_by_layer)
    gradients = {leaf: slopes[leaf] for leaf in weights if leaf in slopes}
    return Terms(found, arrays, outputs, whole, gradients, slopes, names)


def _seeds(
    outputs: Sequence[Term], arrays: Sequence[Term], found: Assembled, is_cost: bool
) -> tuple[list[tuple[Term, Term]], Term]:
    """What adjoints begin with: 1 for a cost, else V for the outputs; and the cost in all."""
    if is_cost:
        (cost,) = rewrite(outputs, DIFFERENTIATED)
        return [(cost, constant(1))], outputs[0]
    at = {
        int(atom): (array, axes, place)
        for array, (_, axes, grid) in zip(arrays, found.arrays, strict=True)
        for place, atom in np.ndenumerate(grid)
    }
    groups: list[tuple[Term, tuple[Axis, ...], Indices]] = []
    latest: dict[Term, Indices] = {}
    for number, (output, atom) in enumerate(zip(outputs, found.atoms.roots.tolist(), strict=True)):
        array, axes, place = at.get(atom, (output, (), ()))
        if array not in latest or latest[array][place] >= 0:  # or one and the same output again
            latest[array] = np.full([cast(int, axis.size) for axis in axes], -1)
            groups.append((array, axes, latest[array]))
        latest[array][place] = number
    seeds: list[tuple[Term, Term]] = []
    for k, (array, axes, places) in enumerate(groups, 1):
        name = "V" if len(groups) == 1 else f"V{k}"
        seeds.append((array, cast(Term, Leaf(name, "seed", (found.examples, *axes), places))))
    return seeds, add(*[sum_over(multiply(V, array), *V.axes[1:]) for array, V in seeds])


def _named(
    outputs: Sequence[Term], found: Assembled, is_cost: bool
) -> tuple[dict[Term, str], dict[Term, Term]]:
    """What terms are called, and the leaves under the names that fit these: W1 in z1."""
    whole = outputs[0] if is_cost else add(*outputs)
    names = written.name_terms(whole)
    leaves = [t for t in topological_terms(outputs) if isinstance(t, Leaf)]
    called: dict[Leaf, str] = {}
    for term, name in names.items():
        number = name[1:] if name[0] == "z" else name if name[0] in "QKV" else ""
        for leaf, letter in _roles_in(term) if number else ():
            name = _free(f"{letter}{number}", dict.fromkeys(called.values()))
            called.setdefault(leaf, name)
    inputs = [leaf for leaf in leaves if leaf.role == "input"]
    targets = [leaf for leaf in leaves if leaf.role == "target"]
    if len(inputs) == 1:
        called[inputs[0]] = "a0"
    for those, letter in ((inputs, "x"), (targets, "y")):
        for k, leaf in enumerate(those, 1):
            called.setdefault(leaf, letter if len(those) == 1 else f"{letter}{k}")
    renamed: dict[Term, Term] = {}
    taken = set(names.values())
    rest = 0
    for leaf in leaves:
        name = leaf.name if leaf in found.held else called.get(leaf, "")
        if not name:
            rest += 1
            name = f"θ{rest}"
        while name in taken:
            name += "′"
        taken.add(name)
        renamed[leaf] = cast(Term, Leaf(name, leaf.role, leaf.axes, leaf.places))
    return names, renamed


def _by_layer(leaf: Leaf) -> tuple[int, bool]:
    """The last layer first, in each its bias first, as one meets them going backwards."""
    found = re.fullmatch(r"([WUMNb])(\d+)", leaf.name)
    return (-int(found[2]), found[1] != "b") if found else (1, False)


def _roles_in(layer: Term) -> Iterator[tuple[Leaf, str]]:
    """The parameters of a layer: W, U … before what they are multiplied with, b alone."""
    adds = isinstance(layer, Map) and layer.function is ops.add
    letters = iter("WUMN")
    for part in layer.operands if adds else (layer,):
        leaves = [t for t in topological_terms([part]) if isinstance(t, Leaf)]
        weights = [leaf for leaf in leaves if leaf.role == "parameter"]
        bare = isinstance(part, (Leaf, Take))
        for leaf in weights[:1]:
            yield leaf, "b" if bare else next(letters, "W")


def _uses(term: Term, known: dict[Term, str]) -> Iterator[str]:
    """The names on the right side of an equation, each once."""
    found: dict[str, None] = {}
    stack = [term]
    while stack:
        x = stack.pop()
        if x in known and x is not term:
            found[known[x]] = None
        elif isinstance(x, Leaf):
            found[x.name] = None
        elif isinstance(x, Map) and isinstance(x.function, VJP):  # f′(x) is written without f(x)
            stack += [*x.operands[:1:-1], x.operands[0]]
        else:
            stack.extend(reversed(x.operands))
    yield from found


def recognise(
    cost: Value | Sequence[Value],
    inputs: Sequence[Value] | None = None,
    targets: Sequence[Value] | None = None,
    parameters: Any = None,
) -> Structure:
    """What `lift` finds in a graph; its arguments and errors are those of `lift`.

    >>> from microgradnet import MLP
    >>> model = MLP(2, [3, 1], activation="tanh")
    >>> forward = model.forward([0.5, -1.0])
    >>> found = recognise([forward.output], forward.a[0], parameters=model.parameters())
    >>> found.equations[0].text, found.variables["z1"].nodes[2] is forward.z[1][2]
    ('z1 = W1 a0 + b1', True)
    """
    roots, inputs, targets, parameters = read_arguments(cost, inputs, targets, parameters)
    analysis = analyse(cost if isinstance(cost, Value) else roots, inputs, targets, parameters)
    lists = {"parameter": analysis.leaves, "input": inputs, "target": targets}
    variables: dict[str, Variable] = {}
    terms, graph = analysis.terms, analysis.atoms.nodes
    for term in topological_terms(terms.outputs):
        if isinstance(term, Leaf) and term.role in lists:
            nodes = [lists[term.role][k] if k >= 0 else None for k in term.places.ravel()]
            kind = term.role
            variables[term.name] = Variable(
                term.name, term.name, term.places.shape, kind, tuple(nodes)
            )
    for term, (_, _, grid) in zip(terms.arrays, terms.found.arrays, strict=True):
        name = "C" if term is terms.whole and analysis.is_cost else terms.names.get(term)
        if name is not None and name not in variables:
            entries = tuple(graph[k] if k >= 0 else None for k in grid.ravel().tolist())
            variables[name] = Variable(name, name, grid.shape, "value", entries)
    return Structure(variables, analysis.equations())


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
