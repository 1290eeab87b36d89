"""Equations as lines of Python: each computes into an array of its own where NumPy can."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.lifting.forms import ATOM
from microgradnet.lifting.formulas import Expr, Name, Sum, Variable
from microgradnet.lifting.layout import INDENT, brackets, line
from microgradnet.lifting.matrices import BatchTotal, MatVec, Outer, TransposedMatVec
from microgradnet.lifting.rules import Apply, Pull
from microgradnet.lifting.statements import Derivation, Statement, View
from microgradnet.lifting.workspace import Workspace

__all__ = ["Lines", "walk"]

_SLOPES = {
    ops.sigmoid: ("sigmoid_and_slope", ("one", "top")),
    ops.tanh: ("tanh_and_slope", ("two",)),
}
"""Activations whose derivative comes cheaply along with the value; the numbers that it takes."""


class Lines:
    """The lines of one program's function for value and gradient."""

    def __init__(self, derivation: Derivation, size: int) -> None:
        self.derivation, self.size = derivation, size
        self.workspace = Workspace()
        self._slopes: dict[Variable, Variable] = {}
        if any(_sums_examples(e) for s in derivation.statements for e in walk(s.formula)):
            self.workspace.ones()
        self._find_slopes()

    def _find_slopes(self) -> None:
        """See which derivatives of activations are wanted, so that the forward pass gives them."""
        statements = self.derivation.statements
        activated = {
            (s.formula.op, s.formula.operands[0].variable): s.variable
            for s in statements
            if s.part == "forward" and isinstance(s.formula, Apply) and s.formula.op in _SLOPES
            and isinstance(s.formula.operands[0], Name)
        }  # fmt: skip
        for statement in statements:
            for pull in walk(statement.formula):
                if not isinstance(pull, Pull):
                    continue
                x = pull.operands[0]
                if not (isinstance(x, Name) and (pull.op, x.variable) in activated):
                    continue
                a = activated[pull.op, x.variable]
                if a.inlined or not a.batch:
                    continue
                digits = a.code[1:] if a.code[0] == "a" else f"_{a.code}"
                pull.slope = self._slopes.setdefault(
                    a, Variable(f"slope{digits}", f"slope{digits}", "", a.size, a.batch, "value")
                )

    # Equations

    def assignment(self, statement: Statement) -> str:
        """The line that computes a variable."""
        variable, formula = statement.variable, statement.formula.in_place()
        return line(variable, self._assigned(variable, formula))

    def _assigned(self, variable: Variable, formula: Expr) -> str:
        name = variable.code
        if isinstance(formula, Apply) and variable in self._slopes:
            slope = self._slopes[variable]
            function, numbers = _SLOPES[formula.op]
            given = [formula.operands[0].write("code"), *map(self.workspace.number, numbers)]
            given += [self._work(variable), self._work(slope)]
            return f"{name}, {slope.code} = {function}({', '.join(given)})"
        if isinstance(formula, Apply) and formula.op is ops.relu and variable.batch:
            x, zero = formula.operands[0].write("code"), self.workspace.number("zero")
            return f"{name} = np.maximum({x}, {zero}, out={self._work(variable)})"
        affine = _affine(formula)
        if affine is not None:
            product, bias = affine
            matrix, vector = product.matrix, product.vector.write("code")
            if bias is None:
                function = _product(matrix)
                return f"{name} = {function}({vector}, {matrix.code}.T, out={self._work(variable)})"
            given = [matrix.code, vector, bias.write("code"), self._work(variable)]
            return f"{name} = affine({', '.join(given)})"
        if isinstance(formula, Pull):
            passed_on = formula.g.in_place()
            if isinstance(passed_on, TransposedMatVec) and passed_on.batch:
                back = self._back(passed_on, variable)
                if formula.op is ops.relu:
                    z, zero = formula.operands[0].write("code"), self.workspace.number("zero")
                    return f"{name} = times({back}, {z} > {zero})"
                if formula.slope is not None:
                    return f"{name} = times({back}, {formula.slope.code})"
        return f"{name} = {formula.write('code')}"

    def _back(self, product: TransposedMatVec, variable: Variable) -> str:
        vector, matrix = product.vector.write("code"), product.matrix
        return f"{_product(matrix)}({vector}, {matrix.code}, out={self._work(variable)})"

    def _work(self, variable: Variable) -> str:
        return self.workspace.vector(variable.code, variable.size)

    # Gradients

    def gradients(self) -> Iterator[str]:
        """The lines that fill g: each entry is assigned the first time and added to thereafter."""
        views = {view.gradient: view for view in self.derivation.views}
        statements = [s for s in self.derivation.statements if s.part == "gradient"]
        assigned = np.zeros(self.size, dtype=bool)
        zero = np.zeros(self.size, dtype=bool)
        plan = []
        for statement in statements:
            view = views[statement.variable]
            places = np.unique(view.index)
            known = assigned[places]
            zero[places] |= known.any() and ~known  # some are there, to which these are added
            assigned[places] = True
            plan.append((statement, view, places, not known.any()))
        zero |= ~assigned
        if self.size:
            yield f"{INDENT}# gradients"
        if zero.any():
            yield f"{INDENT}g{self._brackets(np.flatnonzero(zero))} = 0"
        for statement, view, places, fresh in plan:
            yield line(statement.variable, self._gradient(statement, view, places, fresh))

    def _gradient(
        self, statement: Statement, view: View, places: NDArray[np.intp], fresh: bool
    ) -> str:
        variable, formula = statement.variable, statement.formula
        sign = "=" if fresh else "+="
        written = formula.write("code")
        if view.cells is not None or len(places) < view.index.size:  # parameters that are shared
            flat = view.index.ndim == 1 and view.cells is None
            entries = written if flat else f"({written}).ravel()"
            if view.cells is not None:
                rows, columns, factors = view.cells
                entries += f"[{self.derivation.array('I', rows * variable.size + columns)}]"
                if not (factors == 1).all():
                    entries += f" * {self.derivation.array('K', factors)}"
            which = self.derivation.array("I", np.searchsorted(places, view.index.ravel()))
            summed = f"np.bincount({which}, {entries}, {len(places)})"
            return f"g{self._brackets(places)} {sign} {summed}"
        if brackets(view.index, self.size) is None:
            return f"g[{self.derivation.array('I', view.index)}] {sign} {written}"
        name = variable.code
        if fresh and isinstance(formula, Outer) and formula.u.batch and formula.v.batch:
            u, v = formula.u.within("code", ATOM), formula.v.write("code")
            if 1 not in formula.shape:
                return f"np.matmul({u}.T, {v}, out={name})"
            written = f"{u}.T.dot({v})"
        target = f"{name}[...]" if fresh else name
        return f"{target} {sign} {written}"

    def _brackets(self, places: NDArray[np.intp]) -> str:
        """Places in g, in their order, as what stands behind it."""
        found = brackets(places, self.size)
        return f"[{self.derivation.array('I', places)}]" if found is None else found or "[...]"


def _product(matrix: Variable) -> str:
    """NumPy's function for products with a matrix, into an array.

    Of a matrix of one row `dot` is the quicker one; of one whose rows are apart it makes a copy.
    """
    return "np.dot" if matrix.rows == 1 else "np.matmul"


def _sums_examples(e: Expr) -> bool:
    """Whether its code takes a sum over the examples."""
    if isinstance(e, Outer):
        return e.u.batch != e.v.batch
    return isinstance(e, BatchTotal) and e.vector.batch


def _affine(e: Expr) -> tuple[MatVec, Expr | None] | None:
    """W a + b in parts, where it is just that and differs between examples."""
    terms: tuple[Expr, ...] = e.terms if isinstance(e, Sum) else (e,)
    if not isinstance(terms[0], MatVec) or not terms[0].batch or len(terms) > 2:
        return None
    bias = terms[1] if len(terms) == 2 else None
    return None if bias is not None and bias.batch else (terms[0], bias)


def walk(e: Expr) -> Iterator[Expr]:
    """A formula and all its parts, those of inlined variables too."""
    yield e
    parts = list(e.parts())
    if isinstance(e, Pull):
        parts = [e.g, e.out, *e.operands]
    elif isinstance(e, Apply):
        parts = list(e.operands)
    elif isinstance(e, Name) and e.in_place() is not e:
        parts = [e.in_place()]
    for part in parts:
        yield from walk(part)
