"""From a graph to everything that is said of it: terms, their names, adjoints, equations, nodes."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.engine import Value
from microgradnet.lifting.absence import hides_steepness
from microgradnet.lifting.arguments import check_leaves, listed, listed_roots, read_arguments
from microgradnet.lifting.assembly import Assembled, assemble_classes
from microgradnet.lifting.canonicalise import (
    INPUT,
    PARAMETER,
    ROLES,
    TARGET,
    Atoms,
    canonicalise,
)
from microgradnet.lifting.derivatives import adjoints
from microgradnet.lifting.equations import (
    Equation,
    by_layer,
    equations_of,
    name_terms,
    new_name,
    whole_parameters,
    write_equations,
)
from microgradnet.lifting.latex import LATEX
from microgradnet.lifting.nesting import LONGEST_NAME, ParameterArray, flatten
from microgradnet.lifting.numpy_functions import check_operation
from microgradnet.lifting.presentation import ROW, columns_read, present, without_row
from microgradnet.lifting.recurrences import join_steps
from microgradnet.lifting.rewriting import (
    COMPLEMENTS,
    DIFFERENTIATED,
    GRADIENTS,
    LOGARITHMS,
    SHARES,
    STABLE,
    VALUES,
    Rule,
    rewrite,
)
from microgradnet.lifting.terms import (
    Axis,
    Constant,
    Leaf,
    Map,
    Scan,
    State,
    Sum,
    Take,
    Term,
    as_coefficient,
    constant,
    rebuild,
    topological_terms,
)
from microgradnet.lifting.vectorise import vectorise
from microgradnet.lifting.writing import Form
from microgradnet.notation import indices
from microgradnet.operation import Operation

__all__ = ["Analysis", "Equation", "Structure", "Terms", "Variable", "analyse", "recognise"]

Indices: TypeAlias = "NDArray[np.intp]"
Array: TypeAlias = "tuple[Term, tuple[Axis, ...], Indices]"


@dataclass(frozen=True)
class Variable:
    """An array of a structure, and the scalar nodes that its entries are.

    kind    "input", "target", "parameter" or "value"
    nodes   row by row; None where an entry is no node of the graph, as the 0 off a mask
    axes    those that its shape is of
    """

    name: str
    latex: str
    shape: tuple[int, ...]
    kind: str
    nodes: tuple[Value | None, ...]
    axes: tuple[Axis, ...] = ()

    def turned(self, axes: Sequence[Axis]) -> Variable:
        """The same with its axes in another order."""
        order = [self.axes.index(axis) for axis in axes]
        nodes = np.array(self.nodes, dtype=object).reshape(self.shape).transpose(order)
        return replace(self, shape=nodes.shape, nodes=tuple(nodes.ravel()), axes=tuple(axes))


@dataclass(frozen=True)
class Structure:
    """The arrays inside a scalar graph.

    variables   by name, in the order of the program
    equations   those of the program that `lift` would make of the graph
    parameters  the arrays that all parameters make up, if all are in the equations
    """

    variables: dict[str, Variable]
    equations: tuple[Equation, ...]
    parameters: tuple[Leaf, ...] = field(default=(), repr=False, compare=False)

    def write(self, form: Form) -> dict[str, str]:
        """The equations in another form, by what they define.

        >>> from microgradnet.lifting.text import LAYERED
        >>> w, x = Value(0.5, label="w"), Value(2.0, label="x")
        >>> recognise((w * x).tanh()).write(LAYERED)["C"]
        'C = tanh(z¹)'
        """
        return write_equations(self.equations, form, self.parameters)


@dataclass(frozen=True)
class Seeded:
    """Outputs, and what their adjoints begin with.

    outputs  the cost, or each of the outputs
    seeds    pairs of an array of outputs and its adjoint
    arrays   the terms of all classes, each with its axes and its numbers' places in the graph
    names    what terms are called
    """

    outputs: list[Term]
    seeds: list[tuple[Term, Term]]
    arrays: list[Array]
    names: dict[Term, str]

    def gradients(self, examples: Axis) -> dict[Leaf, Term]:
        """Of each array of parameters its gradient, summed over the examples."""
        weights = [t for t in topological_terms(self.outputs) if isinstance(t, Leaf)]
        weights = [leaf for leaf in weights if leaf.role == "parameter"]
        found = adjoints(self.seeds, weights, [examples], running=True)
        reached = [leaf for leaf in weights if leaf in found]
        exact = rewrite([found[leaf] for leaf in reached], COMPLEMENTS, GRADIENTS)
        return dict(zip(reached, exact, strict=True))


@dataclass(frozen=True)
class Presented:
    """The terms of a program, without the graph: as it runs, or as it is written.

    outputs  the cost, or each of the outputs
    arrays   as in `Seeded`
    names    what terms are called, and `leaves` what leaves are
    roots    which numbers the outputs are
    """

    outputs: list[Term]
    arrays: list[Array]
    names: dict[Term, str]
    leaves: dict[Leaf, str]
    roots: list[int]
    examples: Axis
    is_cost: bool
    n_parameters: int

    def seeded(self, rules: Sequence[Rule], seeds_read: bool = False) -> Seeded:
        """The outputs and their seeds, with the leaves under the names that fit.

        seeds_read  whether V is one array, of which each array of outputs reads its columns
        """
        renamed = {leaf: _renamed(leaf, name) for leaf, name in self.leaves.items()}
        given = [*self.outputs, *[term for term, _, _ in self.arrays], *self.names]
        terms = iter(rebuild(given, lambda term: renamed.get(cast(Leaf, term), term)))
        outputs = [next(terms) for _ in self.outputs]
        arrays = [(next(terms), axes, grid) for _, axes, grid in self.arrays]
        names = {next(terms): name for name in self.names.values()}
        if self.is_cost:
            (cost,) = outputs
            outputs, seeds = _cost(cost, names, rules)
        else:
            seeds = _seeds(outputs, arrays, self.roots, self.examples, seeds_read)
        return Seeded(outputs, seeds, arrays, names)

    def equations(self) -> tuple[Equation, ...]:
        """The equations, written."""
        return self.written(self.seeded(DIFFERENTIATED, seeds_read=True))

    def written(self, found: Seeded) -> tuple[Equation, ...]:
        """The equations of outputs with their seeds."""
        return equations_of(
            found.outputs,
            found.seeds,
            found.names,
            examples=self.examples,
            is_cost=self.is_cost,
            n_parameters=self.n_parameters,
        )


def _renamed(leaf: Leaf, name: str) -> Term:
    return cast(Term, Leaf(name, leaf.role, leaf.axes, leaf.places))


@dataclass(frozen=True)
class Terms:
    """A graph as terms.

    outputs    the cost, or each of the outputs, as they run
    gradients  by each array of parameters, and `names` of these terms
    presented  the same as they are written
    weights    the arrays of parameters that are reached, as they are written
    """

    outputs: list[Term]
    gradients: dict[Leaf, Term]
    names: dict[Term, str]
    presented: Presented
    weights: list[Leaf]


class Analysis:
    """What was found in a graph: its atoms and their classes, and when they are asked for, terms.

    leaves      the parameters, flat, and `held`, the arrays in which they were given
    is_cost     whether it has one root, and not a list of outputs
    labels      of each role the labels that are names, by places
    """

    def __init__(
        self,
        atoms: Atoms,
        leaves: list[Value],
        held: list[ParameterArray],
        is_cost: bool,
        labels: Mapping[str, Mapping[int, str]],
    ) -> None:
        self.atoms, self.leaves, self.held, self.is_cost = atoms, leaves, held, is_cost
        self._labels = labels
        self._classes, self._runs = join_steps(vectorise(atoms))

    @property
    def has_arrays(self) -> bool:
        """Whether there are few arrays, or arrays of several numbers: else it is a scalar graph."""
        sizes = [len(members) for members in self._classes.classes]
        return len(sizes) <= _FEW or sum(sizes) >= _SEVERAL * len(sizes)

    def check(self) -> None:
        """Raise TypeError for an operation that cannot be lifted, before anything is written."""
        atoms = self.atoms
        if all(op is None or op.is_built_in for op in {*atoms.operation}):
            return
        active: list[bool] = (atoms.role == PARAMETER).tolist()
        starts, operands = atoms.starts.tolist(), atoms.operands.tolist()
        first, factors = atoms.first_term.tolist(), atoms.factors.tolist()
        known: set[tuple[object, int, bool]] = {(None, 0, False), (None, 0, True)}
        for k, op in enumerate(atoms.operation):
            xs = operands[starts[k] : starts[k + 1]]
            terms = [j for row in factors[first[k] : first[k + 1]] for j in row if j >= 0]
            active[k] |= any([active[j] for j in (*xs, *terms)])
            if (op, len(xs), active[k]) not in known:
                known.add((op, len(xs), active[k]))
                check_operation(cast(Operation, op), len(xs), differentiated=active[k])

    @cached_property
    def is_table(self) -> bool:
        """Whether it runs as a table: a scalar graph, without infinite slopes behind branches."""
        return not self.has_arrays and not hides_steepness(self.atoms)

    def forget_nodes(self) -> None:
        """Let go of the graph, of which nothing but its numbers is needed from here on."""
        self.atoms = replace(self.atoms, nodes=[])

    @cached_property
    def terms(self) -> Terms:
        """The graph as terms, with their adjoints."""
        with _collector_paused():
            found = assemble_classes(self.atoms, self._classes, self._runs, self.held)
            return _terms(found, self.held, self.is_cost, self._labels)

    def equations(self) -> tuple[Equation, ...]:
        """The equations, written."""
        return self.terms.presented.equations()

    def parameter_arrays(self) -> dict[str, Indices]:
        """The places of all parameters, each once, by names: as given, or else as found."""
        arrays: dict[str, Indices] = {}
        seen = np.zeros(len(self.leaves), dtype=bool)
        named = [(array.name, array.places) for array in self.held]
        found = {leaf.places.tobytes(): leaf.name for leaf in self.terms.weights}
        for name, places in named:
            name = name or found.get(np.ascontiguousarray(places).tobytes(), "θ")
            arrays[_free(name, arrays)] = places
            seen[places] = True
        for leaf in self.terms.weights:
            places = leaf.places
            if not seen[places[places >= 0]].any():
                full = places if (places >= 0).all() else np.sort(places[places >= 0])
                arrays[_free(leaf.name, arrays)] = full
                seen[full] = True
        rest = np.flatnonzero(~seen)
        if len(rest):
            arrays[_free("θ", arrays)] = rest
        return arrays


_FEW, _SEVERAL = 12, 1.5
"""More arrays than so few, and of less than so many numbers on the average, do not pay."""


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
        lists = {"parameter": leaves, "input": inputs, "target": targets}
        labels = {role: _labels(own) for role, own in lists.items()}
        return Analysis(atoms, leaves, held, isinstance(cost, Value), labels)


def _labels(leaves: Sequence[Value]) -> dict[int, str]:
    """The labels that are names, by places; those with indices tell of arrays."""
    return {
        k: leaf.label
        for k, leaf in enumerate(leaves)
        if len(leaf.label) <= LONGEST_NAME
        and leaf.label.isidentifier()
        and indices(leaf.label) is None
    }


def _terms(
    found: Assembled,
    held: Sequence[ParameterArray],
    is_cost: bool,
    labels: Mapping[str, Mapping[int, str]],
) -> Terms:
    """Stable terms under the names that fit them, as they run and as they are written."""
    n = len(found.roots)
    terms = rewrite([*found.roots, *[term for term, _, _ in found.arrays]], STABLE)
    lengths = found.atoms.lengths
    widths = {ROLES[role]: lengths[role] for role in (INPUT, TARGET)}
    view = present(terms, held, widths, labels)
    arrays = [
        (term, axes, grid) for term, (_, axes, grid) in zip(terms[n:], found.arrays, strict=True)
    ]
    outputs = [view[term] for term in terms[:n]]
    names = _names(outputs, is_cost)
    held_leaves = {view[leaf] for leaf in found.held}
    leaves = _leaf_names(outputs, names, held_leaves, lengths[PARAMETER], labels)
    own = {t: names[view[t]] for t in topological_terms(terms) if view.get(t) in names}
    kept = _running_leaves(terms[:n], view, leaves)
    common = (found.atoms.roots.tolist(), found.examples, is_cost, lengths[PARAMETER])
    exact = rewrite([*terms, *own], LOGARITHMS)
    run = [
        (t, axes, grid) for t, (_, axes, grid) in zip(exact[n : len(terms)], arrays, strict=True)
    ]
    own = dict(zip(exact[len(terms) :], own.values(), strict=True))
    running = Presented(exact[:n], run, own, kept, *common).seeded(SHARES)
    shown = [_shown(view[term], axes, grid) for term, axes, grid in arrays]
    presented = Presented(outputs, shown, names, leaves, *common)
    renamed = [cast(Leaf, _renamed(leaf, name)) for leaf, name in leaves.items()]
    weights = [leaf for leaf in renamed if leaf.role == "parameter"]
    weights.sort(key=by_layer)
    gradients = running.gradients(found.examples)
    values = rewrite(running.outputs, COMPLEMENTS, *VALUES)
    return Terms(values, gradients, running.names, presented, weights)


def _shown(term: Term, axes: tuple[Axis, ...], grid: Indices) -> Array:
    """A class as it is shown: with the axes of its term."""
    if ROW not in term.axes:
        return term, axes, grid
    return term, (*axes, ROW), grid[..., None]


def _cost(
    cost: Term, names: dict[Term, str], rules: Sequence[Rule]
) -> tuple[list[Term], list[tuple[Term, Term]]]:
    """A cost, and what its adjoint begins with; a weighted input may be the cost itself."""
    if ROW in cost.axes and names.get(cost, "").startswith("z"):
        return [cost], [(cost, constant([1.0], ROW))]
    names.pop(cost, None)
    cost = without_row(cost)
    return [cost], [(rewrite([cost], rules)[0], constant(1))]


def _seeds(
    outputs: Sequence[Term],
    arrays: Sequence[Array],
    roots: Sequence[int],
    examples: Axis,
    read: bool,
) -> list[tuple[Term, Term]]:
    """The adjoint V of several outputs, array by array."""
    at = {
        int(atom): (array, axes, place)
        for array, axes, grid in arrays
        for place, atom in np.ndenumerate(grid)
    }
    groups: list[tuple[Term, tuple[Axis, ...], Indices]] = []
    latest: dict[Term, Indices] = {}
    for number, (output, atom) in enumerate(zip(outputs, roots, strict=True)):
        array, axes, place = at.get(atom, (without_row(output), (), ()))
        if array not in latest or latest[array][place] >= 0:  # or one and the same output again
            latest[array] = np.full([cast(int, axis.size) for axis in axes], -1)
            groups.append((array, axes, latest[array]))
        latest[array][place] = number
    whole = Leaf("V", "seed", (examples, Axis("k", len(outputs))), range(len(outputs)))
    seeds: list[tuple[Term, Term]] = []
    for k, (array, axes, places) in enumerate(groups, 1):
        name = "V" if len(groups) == 1 else f"V{k}"
        leaf = Leaf(name, "seed", (examples, *axes), places)
        part = columns_read(leaf, whole) if read and len(groups) > 1 else None
        seeds.append((array, cast(Term, leaf) if part is None else part))
    return seeds


def _names(outputs: Sequence[Term], is_cost: bool) -> dict[Term, str]:
    """What the terms of a program are called; outputs are called v if nothing else."""
    names = name_terms(outputs, attention="SAOQKV" if is_cost else "SAOQK")
    if not is_cost:
        for term in outputs:
            while isinstance(term, Take) or (isinstance(term, Sum) and term.over == (ROW,)):
                term = term.operand
            if term not in names and not isinstance(term, (Leaf, Constant)):
                names[term] = new_name("v", names.values())
    return names


def _leaf_names(
    outputs: Sequence[Term],
    names: dict[Term, str],
    held: set[Term],
    n_parameters: int,
    labels: Mapping[str, Mapping[int, str]],
) -> dict[Leaf, str]:
    """What the leaves are called that are shown: W1 in z1, and so on."""
    leaves = [t for t in topological_terms(outputs) if isinstance(t, Leaf)]
    called: dict[Leaf, str] = {}
    for leaf in leaves:
        if leaf.places.size == 1 and leaf.places.item() in labels[leaf.role]:
            called[leaf] = labels[leaf.role][leaf.places.item()]
    for term, name in names.items():
        number = name[1:] if name[0] == "z" else name if name[0] in "QKV" else ""
        layer = term.out if isinstance(term, Scan) else term
        for leaf, letter in _roles_in(layer) if number else ():
            name = _free(f"{letter}{number}", dict.fromkeys(called.values()))
            called.setdefault(leaf, name)
    inputs = [leaf for leaf in leaves if leaf.role == "input"]
    targets = [leaf for leaf in leaves if leaf.role == "target"]
    if len(inputs) == 1:
        called.setdefault(inputs[0], "a0")
    for those, letter in ((inputs, "x"), (targets, "y")):
        for k, leaf in enumerate(those, 1):
            called.setdefault(leaf, letter if len(those) == 1 else f"{letter}{k}")
    found: dict[Leaf, str] = {}
    taken = {*names.values(), "C"}
    rest = 0
    for leaf in leaves:
        name = leaf.name if leaf in held else called.get(leaf, "")
        if not name and leaf.places.size == n_parameters:
            name = "θ"
        if not name:
            rest += 1
            name = f"θ{rest}"
        while name in taken:
            name += "′"
        taken.add(name)
        found[leaf] = name
    return found


def _running_leaves(
    outputs: Sequence[Term], view: Mapping[Term, Term], shown: Mapping[Leaf, str]
) -> dict[Leaf, str]:
    """What the leaves are called in what runs: as they are shown, if they are."""
    found: dict[Leaf, str] = {}
    taken = dict.fromkeys(shown.values())
    for leaf in topological_terms(outputs):
        if isinstance(leaf, Leaf):
            found[leaf] = shown.get(cast(Leaf, view.get(leaf))) or _free(leaf.name, taken)
            taken[found[leaf]] = None
    return found


def _roles_in(layer: Term) -> Iterator[tuple[Leaf, str]]:
    """The parameters of a layer: W, U … before what they are multiplied with, b alone."""
    adds = isinstance(layer, Map) and layer.function is ops.add
    letters = iter("WUMN")
    for part in layer.operands if adds else (layer,):
        _, rest = as_coefficient(part)
        leaves = [t for t in topological_terms([rest]) if isinstance(t, (Leaf, Constant, State))]
        weights = [t for t in leaves if isinstance(t, Leaf) and t.role == "parameter"]
        if isinstance(rest, (Leaf, Take)):
            yield from ((leaf, "b") for leaf in weights)
        elif len(leaves) > len(weights):
            yield from ((leaf, next(letters, "W")) for leaf in weights[:1])


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
    lists = {"parameter": analysis.leaves, "target": targets, "input": inputs}
    terms, graph = analysis.terms, analysis.atoms.nodes
    analysis.check()
    presented = terms.presented
    found = presented.seeded(DIFFERENTIATED, seeds_read=True)
    equations = presented.written(found)
    leaves = {x.name: x for x in topological_terms(found.outputs) if isinstance(x, Leaf)}
    used = [leaves[name] for each in equations for name in each.uses if name in leaves]
    variables: dict[str, Variable] = {}
    for role, nodes in lists.items():
        own = [*nodes, None]
        for leaf in used:
            if leaf.role == role and leaf.name not in variables:
                entries = tuple(own[k] for k in leaf.places.ravel())
                axes = tuple(axis for axis in leaf.axes if axis.size is not None)
                shape, latex = leaf.places.shape, LATEX.name(leaf.name)
                variables[leaf.name] = Variable(leaf.name, latex, shape, role, entries, axes)
    grids = {term: (axes, grid) for term, axes, grid in found.arrays}
    for each in equations:
        if each.part == "forward" and each.term in grids:
            axes, grid = grids[each.term]
            entries = tuple(graph[k] if k >= 0 else None for k in grid.ravel().tolist())
            latex = LATEX.name(each.left)
            lying = Variable(each.left, latex, grid.shape, "value", entries, axes)
            variables[each.left] = lying.turned(each.axes)
        elif each.left == "C":
            variables["C"] = Variable("C", "C", (), "value", (roots[0],))
    everything = whole_parameters(topological_terms(found.outputs), len(analysis.leaves))
    return Structure(variables, equations, tuple(everything))


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
