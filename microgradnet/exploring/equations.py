"""The six equations of a network as matrices whose entries know their nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from microgradnet.engine import Value
from microgradnet.lifting import Structure, Variable
from microgradnet.nn import ForwardPass
from microgradnet.notation import indexed, superscript
from microgradnet.operation import Operation

__all__ = [
    "Equation",
    "Matrix",
    "Name",
    "Section",
    "Slot",
    "is_cut",
    "lifted_equations",
    "network_equations",
]

_MOST = 8
"""Of a larger matrix so many rows and columns are shown; the page says how many there are."""


@dataclass(frozen=True)
class Slot:
    """A place for one number of the page.

    kind is "data", "grad", "new" (the parameter after the update) or "slope" (∂node/∂wrt).
    """

    kind: str
    node: int
    name: str
    wrt: int | None = None


@dataclass(frozen=True)
class Matrix:
    """Slots by rows, as shown; `shape` is what there is."""

    name: str
    rows: list[list[Slot | None]]
    """None where an entry is 0 because there is no node, as in a sparse matrix."""
    shape: tuple[int, int]
    transposed: bool = False


@dataclass(frozen=True)
class Name:
    """A letter with its layer: W², (W²)ᵀ, ∂C/∂W², σ(z²) with before="σ"."""

    letter: str
    up: str = ""
    transposed: bool = False
    partial: bool = False
    before: str = ""


Part: TypeAlias = "Name | Matrix | str"


@dataclass(frozen=True)
class Equation:
    """One line in symbols, and the same line in numbers."""

    symbols: list[Part]
    numbers: list[Part]


@dataclass(frozen=True)
class Section:
    """Equations under a heading."""

    key: str
    heading: str
    equations: list[Equation]


def network_equations(forward_pass: ForwardPass, place: dict[Value, int]) -> list[Section]:
    """Forward, BP1 to BP4 and the update, of this very network.

    Raises ValueError where a part of the network has no part in the cost, so that its numbers are
    not in the graph.
    """
    try:
        return list(_Writer(forward_pass, place).sections())
    except KeyError:
        raise ValueError("the cost does not depend on every part of the network") from None


_PARTS = {"forward": "Forward", "backward": "The errors", "gradient": "The gradients"}


def lifted_equations(structure: Structure, place: dict[Value, int]) -> list[Section]:
    """The equations that lift finds in any graph, each with the numbers that it speaks of."""
    sections = []
    for part, heading in _PARTS.items():
        equations = []
        for equation in structure.equations:
            if equation.part != part:
                continue
            numbers: list[Part] = []
            for name in dict.fromkeys((equation.left, *equation.uses)):
                matrix = _lifted_matrix(name, structure.variables, place)
                if matrix is not None:
                    numbers += [f"{name} =", matrix]
            equations.append(Equation([f" {equation.text} "], numbers))
        if equations:
            sections.append(Section(part, heading, equations))
    return sections


def _lifted_matrix(
    name: str, variables: dict[str, Variable], place: dict[Value, int]
) -> Matrix | None:
    """The numbers of a variable, or with ∂C/∂ or δ before its name those of its gradient."""
    kind, before, variable = "data", "", variables.get(name)
    if name.startswith("∂C/∂"):
        kind, before, variable = "grad", "∂C/∂", variables.get(name[4:])
    elif name.startswith("δ"):
        kind, before, variable = "grad", "δ of ", variables.get(f"z{name[1:]}")
    if variable is None:
        return None
    slots = [
        None if node is None else Slot(kind, place[node], before + (node.label or variable.name))
        for node in variable.nodes
    ]
    columns = variable.shape[1] if len(variable.shape) == 2 else 1
    return _matrix(name, [slots[k : k + columns] for k in range(0, len(slots), columns)])


class _Writer:
    """Writes the sections; `place` says which node of the page a Value is."""

    def __init__(self, forward_pass: ForwardPass, place: dict[Value, int]) -> None:
        self.model, self.z, self.a = forward_pass.model, forward_pass.z, forward_pass.a
        self.place = place
        self.last = len(self.model.layers)

    def sections(self) -> Iterator[Section]:
        ls = range(1, self.last + 1)
        backwards = range(self.last, 0, -1)
        yield Section("forward", "Forward", [*self.forward(), self.cost()])
        yield Section("BP1", "BP1: the error of the output", [self.output_error()])
        if self.last > 1:
            hidden = [self.hidden_error(l) for l in range(self.last - 1, 0, -1)]
            yield Section("BP2", "BP2: the error of a hidden layer", hidden)
        yield Section("BP3", "BP3: the gradient of the biases", [self.biases(l) for l in backwards])
        weights = [self.weights(l) for l in backwards]
        yield Section("BP4", "BP4: the gradient of the weights", weights)
        yield Section("update", "The update", [u for l in ls for u in self.update(l)])

    def forward(self) -> Iterator[Equation]:
        for l in range(1, self.last + 1):
            up, below = str(l), str(l - 1)
            yield Equation(
                [Name("z", up), "=", Name("W", up), Name("a", below), "+", Name("b", up)],
                [self.vector("z", l), "=", self.W(l), self.vector("a", l - 1), "+", self.b(l)],
            )
            if self.z[l][0] is not self.a[l][0]:
                sigma = self.sigma(l)
                yield Equation(
                    [Name("a", up), "=", Name("z", up, before=sigma)],
                    [self.vector("a", l), "=", sigma, self.vector("z", l)],
                )
            else:
                yield Equation([Name("a", up), "=", Name("z", up)], [])

    def cost(self) -> Equation:
        cost = len(self.place) - 1
        entry = Matrix("C", [[Slot("data", cost, "C")]], (1, 1))
        return Equation(
            [Name("C"), "=", Name("a", str(self.last), before="C"), "with target", Name("y")],
            [entry],
        )

    def output_error(self) -> Equation:
        l, up = self.last, str(self.last)
        left: list[Part] = [Name("δ", up), "="]
        if self.model.layers[-1].activation == "softmax":
            n = len(self.z[l])
            jacobian = [
                [
                    Slot("slope", self.place[self.a[l][j]], f"∂{self.a[l][j].label}/∂{z.label}",
                         self.place[z])
                    for j in range(n)
                ]
                for z in self.z[l]
            ]  # fmt: skip
            transposed = _matrix("Jᵀ", jacobian, transposed=True)
            return Equation(
                [*left, Name("J", transposed=True), Name("a", up, before="C′")],
                [self.delta(l), "=", transposed, self.cost_prime()],
            )
        return Equation(
            [*left, Name("a", up, before="C′"), "⊙", Name("z", up, before=self.sigma(l) + "′")],
            [self.delta(l), "=", self.cost_prime(), "⊙", self.sigma_prime(l)],
        )

    def hidden_error(self, l: int) -> Equation:
        up, above = str(l), str(l + 1)
        sigma = self.sigma(l) + "′"
        return Equation(
            [Name("δ", up), "=", "(", Name("W", above, transposed=True), Name("δ", above), ")",
             "⊙", Name("z", up, before=sigma)],
            [self.delta(l), "=", "(", self.W(l + 1, transposed=True), self.delta(l + 1), ")", "⊙",
             self.sigma_prime(l)],
        )  # fmt: skip

    def biases(self, l: int) -> Equation:
        up = str(l)
        return Equation(
            [Name("b", up, partial=True), "=", Name("δ", up)],
            [self.b(l, "grad", "∂C/∂"), "=", self.delta(l)],
        )

    def weights(self, l: int) -> Equation:
        up, below = str(l), str(l - 1)
        return Equation(
            [Name("W", up, partial=True), "=", Name("δ", up), Name("a", below, transposed=True)],
            [self.W(l, "grad", "∂C/∂"), "=", self.delta(l), self.vector("a", l - 1, across=True)],
        )

    def update(self, l: int) -> Iterator[Equation]:
        up = str(l)
        for letter, matrix in (("W", self.W), ("b", self.b)):
            yield Equation(
                [Name(letter, up), "→", Name(letter, up), "−", "η", Name(letter, up, partial=True)],
                [matrix(l, "new", "new "), "=", matrix(l), "−", "η", matrix(l, "grad", "∂C/∂")],
            )

    def sigma(self, l: int) -> str:
        activation = self.model.layers[l - 1].activation
        if isinstance(activation, Operation):
            return activation.symbol
        return (
            {"sigmoid": "σ", "linear": "σ"}.get(str(activation), str(activation))
            if isinstance(activation, str)
            else "σ"
        )

    def vector(self, letter: str, l: int, across: bool = False) -> Matrix:
        nodes = (self.a if letter == "a" else self.z)[l]
        slots = [
            Slot("data", self.place[node], indexed(letter, l, j)) for j, node in enumerate(nodes, 1)
        ]
        name = f"{letter}{superscript(l)}"
        if across:
            return _matrix(f"({name})ᵀ", [slots], transposed=True)
        return _matrix(name, [[slot] for slot in slots])

    def delta(self, l: int) -> Matrix:
        return _matrix(f"δ{superscript(l)}", [
            [Slot("grad", self.place[z], indexed("δ", l, j))] for j, z in enumerate(self.z[l], 1)
        ])  # fmt: skip

    def cost_prime(self) -> Matrix:
        return _matrix("C′", [
            [Slot("grad", self.place[a], f"∂C/∂{indexed('a', self.last, j)}")]
            for j, a in enumerate(self.a[self.last], 1)
        ])  # fmt: skip

    def sigma_prime(self, l: int) -> Matrix:
        pairs = zip(self.z[l], self.a[l], strict=True)
        return _matrix(f"{self.sigma(l)}′", [
            [Slot("slope", self.place[a], f"{self.sigma(l)}′({indexed('z', l, j)})", self.place[z])]
            for j, (z, a) in enumerate(pairs, 1)
        ])  # fmt: skip

    def W(self, l: int, kind: str = "data", before: str = "", transposed: bool = False) -> Matrix:
        rows = [
            [Slot(kind, self.place[w], before + indexed("w", l, j, k))
             for k, w in enumerate(neuron.w, 1)]
            for j, neuron in enumerate(self.model.layers[l - 1].neurons, 1)
        ]  # fmt: skip
        name = f"{before}W{superscript(l)}"
        if transposed:
            rows = [list(column) for column in zip(*rows, strict=True)]
            return _matrix(f"({name})ᵀ", rows, transposed=True)
        return _matrix(name, rows)

    def b(self, l: int, kind: str = "data", before: str = "") -> Matrix:
        return _matrix(f"{before}b{superscript(l)}", [
            [Slot(kind, self.place[neuron.b], before + indexed("b", l, j))]
            for j, neuron in enumerate(self.model.layers[l - 1].neurons, 1)
        ])  # fmt: skip


def is_cut(section: Section) -> bool:
    """Whether a matrix in it is too large to be shown whole."""
    parts = [part for equation in section.equations for part in equation.numbers]
    return any(isinstance(part, Matrix) and max(part.shape) > _MOST for part in parts)


def _matrix(name: str, rows: Sequence[Sequence[Slot | None]], transposed: bool = False) -> Matrix:
    shape = (len(rows), len(rows[0]))
    return Matrix(name, [list(row[:_MOST]) for row in rows[:_MOST]], shape, transposed)
