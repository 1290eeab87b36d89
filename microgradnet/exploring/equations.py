"""The equations of a network as matrices whose entries know their nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from microgradnet.engine import Value
from microgradnet.lifting import Structure, Variable
from microgradnet.nn import ForwardPass
from microgradnet.notation import function_name, indexed, superscript, symbol
from microgradnet.operation import Operation

__all__ = [
    "Matrix",
    "PageEquation",
    "Section",
    "Slot",
    "Symbol",
    "is_cut",
    "lifted_equations",
    "network_equations",
]

_MOST = 8
"""Of a larger matrix so many rows and columns are shown; the page says how many there are."""


@dataclass(frozen=True)
class Slot:
    """Give one number of the page a place.

    kind is "data", "grad", "new" (the parameter after the update) or "derivative" (∂node/∂wrt).
    """

    kind: str
    node: int
    name: str
    wrt: int | None = None


@dataclass(frozen=True)
class Matrix:
    """Hold slots by rows, the first ones of a large matrix; `shape` counts all."""

    name: str
    rows: list[list[Slot | None]]
    """None where an entry is 0 because there is no node, as in a sparse matrix."""
    shape: tuple[int, int]
    transposed: bool = False


@dataclass(frozen=True)
class Symbol:
    """Write a letter with its layer: W², (W²)ᵀ, ∂C/∂W², σ(z²) with before="σ"."""

    letter: str
    up: str = ""
    transposed: bool = False
    partial: bool = False
    before: str = ""


Part: TypeAlias = "Symbol | Matrix | str"


@dataclass(frozen=True)
class PageEquation:
    """Hold one line in symbols, and the same line in numbers."""

    symbols: list[Part]
    numbers: list[Part]


@dataclass(frozen=True)
class Section:
    """Put equations under a heading."""

    key: str
    heading: str
    equations: list[PageEquation]


def network_equations(forward_pass: ForwardPass, place: Mapping[Value, int]) -> list[Section]:
    """Write forward pass, BP1 to BP4 and the update of this very network.

    Raises ValueError where a part of the network has no part in the cost, so that its numbers are
    not in the graph.
    """
    try:
        return list(_Writer(forward_pass, place).sections())
    except KeyError:
        raise ValueError("the cost does not depend on every part of the network") from None


_PARTS = {"forward": "Forward", "backward": "The errors", "gradient": "The gradients"}


def lifted_equations(structure: Structure, place: Mapping[Value, int]) -> list[Section]:
    """Write the equations that lift finds in any graph, each with the numbers that it speaks of."""
    quantities: dict[str, tuple[str, str, Variable]] = {}
    for name, variable in structure.variables.items():
        quantities[name] = "data", "", variable
    for equation in structure.equations:
        of = structure.variables.get(equation.gradient_of or "")
        if of is not None:
            before = "δ of " if equation.part == "backward" else "∂C/∂"
            quantities[equation.left] = "grad", before, of
    sections = []
    for part, heading in _PARTS.items():
        equations = []
        for equation in structure.equations:
            if equation.part != part:
                continue
            names = dict.fromkeys((equation.left, *equation.uses))
            numbers: list[Part] = [
                part
                for name in names
                if name in quantities
                for part in (f"{name} =", _lifted_matrix(name, *quantities[name], place))
            ]
            equations.append(PageEquation([f" {equation.text} "], numbers))
        if equations:
            sections.append(Section(part, heading, equations))
    return sections


def _lifted_matrix(
    name: str, kind: str, before: str, variable: Variable, place: Mapping[Value, int]
) -> Matrix:
    """Show a variable's numbers, or those of its gradient."""
    slots = [
        None if node is None else Slot(kind, place[node], before + (node.label or variable.name))
        for node in variable.nodes
    ]
    columns = variable.shape[-1] if len(variable.shape) > 1 else 1
    return _matrix(name, [slots[k : k + columns] for k in range(0, len(slots), columns)])


@dataclass(frozen=True)
class _Term:
    """Hold a term of an equation, as a symbol and in numbers."""

    symbol: Part
    numbers: list[Part]


def _equation(*parts: _Term | str) -> PageEquation:
    """Write the parts in symbols, and in numbers; signs are the same in both."""
    terms = [_Term(part, [part]) if isinstance(part, str) else part for part in parts]
    return PageEquation([t.symbol for t in terms], [part for t in terms for part in t.numbers])


class _Writer:
    """Write the sections; `place` says which node of the page a Value is."""

    def __init__(self, forward_pass: ForwardPass, place: Mapping[Value, int]) -> None:
        self.model, self.z, self.a = forward_pass.model, forward_pass.z, forward_pass.a
        self.place = place
        self.last = len(self.model.layers)

    def sections(self) -> Iterator[Section]:
        forwards, backwards = range(1, self.last + 1), range(self.last, 0, -1)
        delta = self.delta
        forward = [equation for l in forwards for equation in self.forward(l)]
        yield Section("forward", "Forward", [*forward, self.cost()])
        yield Section("BP1", "BP1: the error of the output", [self.output_error()])
        if self.last > 1:
            hidden = [
                _equation(delta(l), "=", "(", self.W(l + 1, transposed=True), delta(l + 1), ")",
                          "⊙", self.sigma_prime(l))
                for l in backwards[1:]
            ]  # fmt: skip
            yield Section("BP2", "BP2: the error of a hidden layer", hidden)
        biases = [_equation(self.b(l, "grad"), "=", delta(l)) for l in backwards]
        yield Section("BP3", "BP3: the gradient of the biases", biases)
        weights = [
            _equation(self.W(l, "grad"), "=", delta(l), self.vector("a", l - 1, transposed=True))
            for l in backwards
        ]
        yield Section("BP4", "BP4: the gradient of the weights", weights)
        becomes = _Term("→", ["="])
        updates = [
            _equation(part(l, "new"), becomes, part(l), "−", "η", part(l, "grad"))
            for l in forwards
            for part in (self.W, self.b)
        ]
        yield Section("update", "The update", updates)

    def forward(self, l: int) -> Iterator[PageEquation]:
        z, a = self.vector("z", l), self.vector("a", l)
        yield _equation(z, "=", self.W(l), self.vector("a", l - 1), "+", self.b(l))
        if self.z[l][0] is self.a[l][0]:
            yield PageEquation([a.symbol, "=", z.symbol], [])
        else:
            sigma = self.sigma(l)
            yield _equation(a, "=", _Term(Symbol("z", str(l), before=sigma), [sigma, *z.numbers]))

    def cost(self) -> PageEquation:
        entry = Matrix("C", [[Slot("data", len(self.place) - 1, "C")]], (1, 1))
        output = Symbol("a", str(self.last), before="C")
        return PageEquation([Symbol("C"), "=", output, "with target", Symbol("y")], [entry])

    def output_error(self) -> PageEquation:
        l, nodes = self.last, self.a[self.last]
        prime = _matrix("C′", [
            [Slot("grad", self.place[a], f"∂C/∂{indexed('a', l, j)}")]
            for j, a in enumerate(nodes, 1)
        ])  # fmt: skip
        cost_prime = _Term(Symbol("a", str(l), before="C′"), [prime])
        if self.model.layers[-1].activation != "softmax":
            return _equation(self.delta(l), "=", cost_prime, "⊙", self.sigma_prime(l))
        rows = [
            [
                Slot("derivative", self.place[a], f"∂{a.label}/∂{z.label}", self.place[z])
                for a in nodes
            ]
            for z in self.z[l]
        ]
        jacobian = _Term(Symbol("J", transposed=True), [_matrix("Jᵀ", rows, transposed=True)])
        return _equation(self.delta(l), "=", jacobian, cost_prime)

    def sigma(self, l: int) -> str:
        """Name the activation of a layer as the equations do."""
        activation = self.model.layers[l - 1].activation
        if isinstance(activation, Operation):
            return symbol(activation)
        known = isinstance(activation, str) and activation != "linear"
        return function_name(str(activation)) if known else "σ"

    def sigma_prime(self, l: int) -> _Term:
        name, pairs = f"{self.sigma(l)}′", zip(self.z[l], self.a[l], strict=True)
        rows = [
            [Slot("derivative", self.place[a], f"{name}({indexed('z', l, j)})", self.place[z])]
            for j, (z, a) in enumerate(pairs, 1)
        ]
        return _Term(Symbol("z", str(l), before=name), [_matrix(name, rows)])

    def delta(self, l: int) -> _Term:
        return self.vector("δ", l, "grad")

    def b(self, l: int, kind: str = "data") -> _Term:
        return self.vector("b", l, kind)

    def vector(self, letter: str, l: int, kind: str = "data", transposed: bool = False) -> _Term:
        if letter == "b":
            nodes = [neuron.b for neuron in self.model.layers[l - 1].neurons]
        else:
            nodes = self.a[l] if letter == "a" else self.z[l]
        before = "" if letter == "δ" else _BEFORE[kind]
        names = [before + indexed(letter, l, j) for j, _ in enumerate(nodes, 1)]
        slots = [Slot(kind, self.place[x], name) for x, name in zip(nodes, names, strict=True)]
        rows = [slots] if transposed else [[slot] for slot in slots]
        return _term(letter, l, before, rows, transposed)

    def W(self, l: int, kind: str = "data", transposed: bool = False) -> _Term:
        before = _BEFORE[kind]
        rows = [
            [Slot(kind, self.place[w], before + indexed("w", l, j, k))
             for k, w in enumerate(neuron.w, 1)]
            for j, neuron in enumerate(self.model.layers[l - 1].neurons, 1)
        ]  # fmt: skip
        if transposed:
            rows = [list(column) for column in zip(*rows, strict=True)]
        return _term("W", l, before, rows, transposed)


_BEFORE = {"data": "", "grad": "∂C/∂", "new": "new "}


def _term(letter: str, l: int, before: str, rows: list[list[Slot]], transposed: bool) -> _Term:
    name = f"{before}{letter}{superscript(l)}"
    name = f"({name})ᵀ" if transposed else name
    symbol = Symbol(letter, str(l), transposed, partial=before == "∂C/∂")
    return _Term(symbol, [_matrix(name, rows, transposed)])


def is_cut(section: Section) -> bool:
    """Tell whether a matrix in it is too large to be shown whole."""
    parts = [part for equation in section.equations for part in equation.numbers]
    return any(isinstance(part, Matrix) and max(part.shape) > _MOST for part in parts)


def _matrix(name: str, rows: Sequence[Sequence[Slot | None]], transposed: bool = False) -> Matrix:
    shape = (len(rows), len(rows[0]))
    return Matrix(name, [list(row[:_MOST]) for row in rows[:_MOST]], shape, transposed)
