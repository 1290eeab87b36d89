"""What a derivation consists of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from microgradnet.lifting.formulas import Expr, Variable
from microgradnet.lifting.grouping import Indices, Vector

__all__ = ["Derivation", "Statement", "View"]


class Statement(NamedTuple):
    """variable = formula, in one part of the program: forward, backward or gradient.

    added   of a gradient by parameters some of which are others' too, whether it comes on top of
            what these gave
    """

    variable: Variable
    formula: Expr
    part: str
    added: bool = False


@dataclass(frozen=True, eq=False)
class View:
    """Parameters as a vector or matrix: the places of its entries in the flat vector.

    cells      None where the entries are the matrix itself; of a matrix of shared weights the
               rows and columns that the parameters, times the factors, are added to
    """

    variable: Variable
    gradient: Variable
    index: Indices
    cells: tuple[Indices, Indices, NDArray[np.float64]] | None = None


@dataclass
class Derivation:
    """The equations of a program, and what they speak of."""

    statements: list[Statement] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    """Arrays by their names in the code: K1 … are numbers, I1 … are places."""
    outputs: list[Expr] = field(default_factory=list)
    vectors: dict[Variable, Vector] = field(default_factory=dict)
    """The vector behind each forward variable."""
    adjoints: dict[Variable, Variable] = field(default_factory=dict)
    """Of each ∂C/∂v the v."""
    _known: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)
    _numbers: Counter[str] = field(default_factory=Counter)

    def array(self, letter: str, values: NDArray[Any]) -> str:
        """The name of an array of constants in the code."""
        key = letter, values.shape, values.tobytes()
        if key not in self._known:
            self._numbers[letter] += 1
            self._known[key] = f"{letter}{self._numbers[letter]}"
            self.constants[self._known[key]] = values
        return self._known[key]
