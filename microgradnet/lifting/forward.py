"""The forward formulas of vectors: matrix products, sums, operations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.lifting.entries import Repeated
from microgradnet.lifting.formulas import Expr, Name, Num, Variable, add, multiply, power
from microgradnet.lifting.grouping import Operand, Product, Vector
from microgradnet.lifting.matrices import MatVec, RowFunction, SquaredNorm
from microgradnet.lifting.naming import Naming, components_shown, full, latex, total
from microgradnet.lifting.patterns import (
    are_same,
    columns,
    is_matrix,
    is_rows,
    is_whole,
    is_whole_softmax,
    once,
    rows_alike,
    softmax_rows,
)
from microgradnet.lifting.rules import Apply
from microgradnet.lifting.statements import Statement, View

__all__ = ["Forward"]


class Forward(Naming):
    """The forward half of a derivation."""

    def __init__(
        self, vectors: Sequence[Vector], roots: Sequence[tuple[Vector, int]], scalar_cost: bool
    ) -> None:
        super().__init__(vectors)
        self.roots, self.scalar_cost = roots, scalar_cost
        self.matrices: dict[tuple[int, int], View] = {}  # by vector number and product's place
        self.layer: dict[Vector, int] = {}

    def forward(self) -> None:
        """Name every vector, and give the formula of each that is computed."""
        self._find_layers()
        for vector in self.vectors:
            if vector.role in ("parameter", "constant"):
                continue
            if vector.role == "input":
                self._enter(vector, "a0", "a0", None)
            elif vector.role == "target":
                self._enter(vector, "y", "y", None)
            else:
                formula = self._sum(vector) if vector.role == "sum" else self._operation(vector)
                name = self._forward_name(vector)
                self._enter(vector, name, name, formula)
        for vector, places in _runs(self.roots):
            self.result.outputs.append(self.use(Operand(vector, np.array(places))))
        if self.scalar_cost and self.roots[0][0].role not in ("operation", "sum"):
            (leaf,) = self.result.outputs
            variable = Variable("C", "C", "C", 1, leaf.batch, "cost", formula=leaf)
            self.result.statements.append(Statement(variable, leaf, "forward"))
            self.result.outputs = [Name(variable)]

    def _enter(self, vector: Vector, name: str, code: str, formula: Expr | None) -> None:
        kind = {"input": "input", "target": "target"}.get(vector.role, "value")
        if name == "C":
            kind = "cost"
        variable = Variable(name, code, latex(name), len(vector), vector.batch, kind)
        self.variables[vector] = variable
        self.result.vectors[variable] = vector
        if formula is not None:
            formula = full(formula, len(vector))
            if vector.batch and not formula.batch:
                formula = Repeated(formula, len(vector))
            variable.formula = formula
            self.result.statements.append(Statement(variable, formula, "forward"))

    def _find_layers(self) -> None:
        """Number the sums that hold a matrix product, and name their matrices and biases."""
        l = 0
        for vector in self.vectors:
            if vector.role != "sum":
                continue
            matrices = [k for k, product in enumerate(vector.products)
                        if vector.batch and is_matrix(product)]  # fmt: skip
            if not matrices:
                continue
            l += 1
            self.layer[vector] = l
            for k in matrices:
                product = vector.products[k]
                right = product.right
                assert right is not None
                columns = right.index[0]
                full = rows_alike(right.index) and len(np.unique(columns)) == len(columns)
                if full and (product.factors == product.factors[0, 0]).all():
                    view = self.view(product.left.index, "WUVM", l)
                else:
                    rows = np.repeat(np.arange(len(vector)), product.factors.shape[1])
                    view = self.shared(
                        product.left.index.ravel(), rows, right.index.ravel(),
                        product.factors.ravel(), (len(vector), len(right.vector)), l,
                    )  # fmt: skip
                self.matrices[vector.number, k] = view
            for product in vector.products:
                if (
                    product.right is None
                    and product.left.vector.role == "parameter"
                    and (product.factors.shape[1] == 1)
                ):
                    self.view(once(product.left.index[:, 0]), "bcdefh", l)

    def _forward_name(self, vector: Vector) -> str:
        if vector in self.layer:
            return self.claim(f"z{self.layer[vector]}")
        if self.scalar_cost and len(vector) == 1 and self.roots[0][0] is vector:
            return self.claim("C")
        if len(vector.operands) == 1:
            source, index = vector.operands[0].vector, vector.operands[0].index.ravel()
            entry_by_entry = not is_rows(vector) and is_whole(index, len(source))
            if source in self.layer and (entry_by_entry or is_whole_softmax(vector)):
                name = f"a{self.layer[source]}"
                if name not in self.taken:
                    return self.claim(name)
        return self.name("v", self.free_number("v"))

    def _operation(self, vector: Vector) -> Expr:
        op = vector.op
        assert op is not None
        if is_rows(vector):
            (operand,) = vector.operands
            if (op.base or op) is ops.log_sum_exp:
                return RowFunction("log_sum_exp", [self.rows(operand)], len(vector))
            if is_whole_softmax(vector):
                return RowFunction("softmax", [self.use(operand, operand.index[0])], len(vector))
            rows, components = softmax_rows(vector)
            pick = self.result.array("I", components), components_shown(rows, components)
            return RowFunction("softmax", [self.rows(Operand(operand.vector, rows))],
                               len(vector), pick)  # fmt: skip
        return Apply(op, [self.use(operand) for operand in columns(vector)])

    def _sum(self, vector: Vector) -> Expr:
        # As the equations have it: matrices first, what comes late in the network before what comes
        # early, and no minus in front where there is another term.
        products = sorted(
            enumerate(vector.products),
            key=lambda item: -max(x.vector.number for x in (item[1].left, item[1].right) if x),
        )
        terms = [self.product(vector, k, product) for k, product in products]
        terms.sort(key=lambda term: (not isinstance(term, MatVec), term.negated))
        assert vector.constants is not None
        if vector.constants.any():
            terms.append(self.numbers(vector.constants))
        return add(*terms)

    def product(self, vector: Vector, k: int, product: Product) -> Expr:
        """Σ c·u·v for each of the sums."""
        left, right, factors = product.left, product.right, product.factors
        count, terms = factors.shape
        if (vector.number, k) in self.matrices:
            view = self.matrices[vector.number, k]
            assert right is not None
            if view.cells is None:
                applied = MatVec(view.variable, self.use(right, right.index[0]))
                return multiply(Num(float(factors[0, 0])), applied)
            return MatVec(view.variable, Name(self.variables[right.vector]))
        if right is None:
            if terms == 1:
                return multiply(self.numbers(factors[:, 0]), self.use(left))
            if count == 1:
                return self.scaled_total(factors, self.use(left))
            if self.is_dense(product):
                return MatVec(self.constant_matrix(product), self.all_of(left.vector))
            return RowFunction("dot", [self.rows(left), self.numbers(factors)], count)
        if terms == 1:
            return multiply(self.numbers(factors[:, 0]), self.entrywise(left, right))
        if count == 1:
            norms = self.norms(product)
            if norms is not None:
                return multiply(self.numbers(factors[0]), add(*map(SquaredNorm, norms)))
            return self.scaled_total(factors, self.entrywise(left, right))
        rows: list[Expr] = [self.rows(left), self.rows(right)]
        if not (factors == 1).all():
            rows.append(self.numbers(factors))
        return RowFunction("dot", rows, count)

    def entrywise(self, left: Operand, right: Operand) -> Expr:
        """The products of entries; the square where they are the same."""
        if are_same(left, right):
            return power(self.use(left), Num(2.0))
        return multiply(self.use(left), self.use(right))

    def scaled_total(self, factors: NDArray[np.float64], e: Expr) -> Expr:
        """Σ c·e."""
        scale = self.numbers(factors[0])
        if isinstance(scale, Num):
            return multiply(scale, total(e, factors.shape[1]))
        return total(multiply(scale, e), factors.shape[1])

    def is_dense(self, product: Product) -> bool:
        """Whether every sum takes in every entry, parameters or not, once."""
        size = len(product.left.vector)
        terms = product.factors.shape[1]
        return terms == size and bool((product.left.index == np.arange(size)).all())

    def all_of(self, vector: Vector) -> Expr:
        """The vector as a whole."""
        return self.use(Operand(vector, np.arange(len(vector))))

    def constant_matrix(self, product: Product) -> Variable:
        """The factors of a product as a matrix."""
        count, terms = product.factors.shape
        name = self.result.array("K", product.factors)
        latex = f"K^{{{name[1:]}}}"
        return Variable(name, name.lower(), latex, terms, False, "constant", count)

    def norms(self, product: Product) -> list[Variable] | None:
        """The parameters whose squares a product adds up, where they are whole known ones."""
        if product.left.vector.role != "parameter" or product.right is None:
            return None
        if product.right.vector is not product.left.vector:
            return None
        places = product.left.index[0]
        if not (np.ptp(product.factors) == 0 and (places == product.right.index[0]).all()):
            return None
        if len(np.unique(places)) != len(places):
            return None
        if is_whole(np.sort(places), len(self.vectors[0])):
            return [self.view(np.arange(len(places)), "θ").variable]
        left = set(places.tolist())
        found = []
        for view in self.result.views:
            mine = set(view.index.ravel().tolist())
            if view.cells is None and len(mine) == view.index.size and mine <= left:
                found.append(view.variable)
                left -= mine
        return None if left else found


def _runs(roots: Sequence[tuple[Vector, int]]) -> list[tuple[Vector, list[int]]]:
    """The roots, those together that stand side by side in one vector."""
    runs: list[tuple[Vector, list[int]]] = []
    for vector, place in roots:
        if runs and vector.batch and runs[-1][0] is vector and runs[-1][1][-1] == place - 1:
            runs[-1][1].append(place)
        else:
            runs.append((vector, [place]))
    return runs
