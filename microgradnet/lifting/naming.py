"""Names for vectors, parameters and constants, and formulas for the entries of operands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microgradnet.lifting.entries import Index, Rows, Spread
from microgradnet.lifting.formulas import Expr, Name, Num, Variable, multiply
from microgradnet.lifting.grouping import Indices, Operand, Vector
from microgradnet.lifting.matrices import Total
from microgradnet.lifting.patterns import is_whole, once
from microgradnet.lifting.statements import Derivation, View

__all__ = ["Naming", "components_shown", "full", "latex", "total"]


class Naming:
    """The names given so far."""

    def __init__(self, vectors: Sequence[Vector]) -> None:
        self.vectors = vectors
        self.result = Derivation()
        self.variables: dict[Vector, Variable] = {}
        self.known: dict[bytes, View] = {}
        self.taken: set[str] = set()
        self.numbered: Counter[str] = Counter()

    def numbers(self, values: NDArray[np.float64]) -> Expr:
        """Constants: a number where all are one."""
        flat = values.ravel()
        if (flat == flat[0]).all() and not (np.signbit(flat) != np.signbit(flat[0])).any():
            return Num(float(flat[0]))
        name = self.result.array("K", values)
        latex = rf"k^{{{name[1:]}}}"
        return Name(Variable(f"k{name[1:]}", name.lower(), latex, flat.size, False, "constant"))

    def name(self, letters: str, l: int) -> str:
        """The first of the letters that is free with this number."""
        for letter in letters:
            if f"{letter}{l}" not in self.taken:
                return self.claim(f"{letter}{l}")
        first = f"{letters[0]}{l}"
        return self.claim(f"{first}_{self.free_number(first)}")

    def view(self, index: Indices, letters: str, l: int = 0) -> View:
        """The parameters at these places as a vector, or by rows as a matrix."""
        key = str(index.shape).encode() + index.tobytes()
        if key not in self.known:
            size = index.shape[-1]
            rows = index.shape[0] if index.ndim == 2 else None
            whole = index.ndim == 1 and size == len(self.vectors[0]) and is_whole(index, size)
            name = "θ" if whole else self.name(letters, l or self.free_number(letters))
            code = "p" if whole else name.replace("θ", "theta")
            self.known[key] = self._enter_view(name, code, size, rows, index, None)
        return self.known[key]

    def _enter_view(
        self,
        name: str,
        code: str,
        size: int,
        rows: int | None,
        index: Indices,
        cells: tuple[Indices, Indices, NDArray[np.float64]] | None,
    ) -> View:
        written = latex(name)
        variable = Variable(name, code, written, size, False, "parameter", rows)
        by = rf"\frac{{\partial C}}{{\partial {written}}}"
        gradient = Variable(f"∂C/∂{name}", f"g{code}" if code != "p" else "g", by, size, False,
                            "gradient", rows)  # fmt: skip
        view = View(variable, gradient, index, cells)
        self.result.views.append(view)
        return view

    def shared(self, index: Indices, rows: Indices, columns: Indices, factors: NDArray[np.float64],
               shape: tuple[int, int], l: int) -> View:  # fmt: skip
        """A matrix some of whose entries are parameters, one of them in several places or none."""
        key = b"".join(x.tobytes() for x in (index, rows, columns, factors)) + str(shape).encode()
        if key not in self.known:
            name = self.name("WUVM", l)
            cells = (rows, columns, factors)
            self.known[key] = self._enter_view(name, name, shape[1], shape[0], index, cells)
        return self.known[key]

    # Operands

    def selection(self, index: Indices, size: int) -> tuple[slice | str | None, int, str]:
        """Places in a vector as None (all of it), a slice, or the name of an array of them.

        Also how many entries that gives, 1 where all places are one, and how a formula shows it.
        """
        index = index.ravel()
        if is_whole(index, size):
            return None, size, ""
        if size == 1:
            return None, 1, ""
        first, last = int(index[0]), int(index[-1])
        if (index == first).all():
            return slice(first, first + 1), 1, f"{first + 1}"
        shown = numbered(index[None])
        if (np.diff(index) == 1).all():
            return slice(first, last + 1), len(index), shown
        return self.result.array("I", index), len(index), shown

    def use(self, operand: Operand, index: Indices | None = None) -> Expr:
        """The entries of an operand."""
        vector = operand.vector
        index = operand.index.ravel() if index is None else index
        if vector.role == "constant":
            assert vector.constants is not None
            return self.numbers(vector.constants[index])
        if vector.role == "parameter":
            return Name(self.view(once(index), "θ").variable)
        selection, size, shown = self.selection(index, len(vector))
        name = Name(self.variables[vector])
        return name if selection is None else Index(name, selection, size, shown)

    def claim(self, name: str) -> str:
        """The name, taken from now on."""
        self.taken.add(name)
        return name

    def free_number(self, letter: str) -> int:
        """The next number of a letter."""
        self.numbered[letter] += 1
        return self.numbered[letter]

    def rows(self, operand: Operand) -> Expr:
        """The operand's entries in rows, one row where they are the whole vector."""
        rows, columns = operand.index.shape
        vector = operand.vector
        if vector.role == "parameter":
            name: Expr = Name(self.view(operand.index.ravel(), "θ").variable)
            places = np.arange(rows * columns).reshape(rows, columns)
            shown = numbered(places) if rows > 1 else ""
            return Rows(name, self.result.array("I", places), rows, columns, shown)
        name = Name(self.variables[vector])
        if rows == 1 and is_whole(operand.index[0], len(vector)):
            return Rows(name, None, rows, columns)
        shown = numbered(operand.index)
        return Rows(name, self.result.array("I", operand.index), rows, columns, shown)


def numbered(rows: Indices) -> str:
    """Places in rows as a formula shows them, counted from 1: 1…3; 2,4,6."""
    shown = []
    for index in rows[:4]:
        if len(index) > 1 and (np.diff(index) == 1).all():
            shown.append(f"{index[0] + 1}…{index[-1] + 1}")
        else:
            shown.append(",".join([str(k + 1) for k in index[:6]] + ["…"] * (len(index) > 6)))
    return "; ".join(shown + ["…"] * (len(rows) > 4))


def components_shown(rows: Indices, components: Indices) -> str:
    """Components of softmaxes of rows as a formula shows them, if they are not all, in order."""
    return "" if is_whole(components, rows.size) else numbered(components[None])


def full(e: Expr, size: int) -> Expr:
    """The formula with as many entries as there are, not one for all."""
    return e if e.size == size and not isinstance(e, Num) else Spread(e, size)


def total(e: Expr, size: int) -> Expr:
    """The sum of `size` entries, which may be all one."""
    if e.size != size:
        return multiply(Num(float(size)), e)
    factor, rest = e.split()
    return multiply(Num(factor), Total(rest))


def latex(name: str) -> str:
    """A name with its number above, in LaTeX."""
    letter, digits = name[0], name[1:]
    letter = {"θ": r"\theta", "δ": r"\delta"}.get(letter, letter)
    return f"{letter}^{{{digits}}}" if digits else letter
