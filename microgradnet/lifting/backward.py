"""The chain rule, a vector at a time.

Behind all its consumers, each vector's adjoint is the sum of what they passed on, and it passes on
what its own rule says. That for a layered network the result reads δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ) is
nobody's doing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from microgradnet import ops
from microgradnet.lifting.entries import Index, Place
from microgradnet.lifting.formulas import ONE, Expr, Name, Num, Variable, add, multiply
from microgradnet.lifting.forward import Forward
from microgradnet.lifting.grouping import Operand, Product, Vector
from microgradnet.lifting.matrices import BatchTotal, Outer, RowFunction, TransposedMatVec
from microgradnet.lifting.naming import components_shown, full, total
from microgradnet.lifting.patterns import (
    are_same,
    columns,
    is_one_minus,
    is_rows,
    is_whole,
    is_whole_softmax,
    once,
    softmax_rows,
)
from microgradnet.lifting.rules import Pull
from microgradnet.lifting.statements import Statement, View

__all__ = ["Backward"]


class Backward(Forward):
    """Both halves of a derivation."""

    def __init__(
        self, vectors: Sequence[Vector], roots: Sequence[tuple[Vector, int]], scalar_cost: bool
    ) -> None:
        super().__init__(vectors, roots, scalar_cost)
        self.pieces: dict[Vector, list[tuple[slice | str | None, str, Expr]]] = {}
        self.gradients: dict[View, list[Expr]] = {}
        self.decays: dict[View, list[Expr]] = {}  # what squares of parameters add to these
        # Of a logarithm that another completes to a cross-entropy, what both pass on, and to whom.
        self.combined: dict[Vector, tuple[Vector, Expr | None]] = {}

    def backward(self) -> None:
        """From the roots' adjoints to the gradients by the parameters."""
        self._seed()
        self._pair_cross_entropies()
        for vector in reversed(self.vectors):
            if vector.role not in ("operation", "sum"):
                continue
            g = self._adjoint(vector)
            if g is None:
                continue
            if vector.role == "sum":
                for k, product in enumerate(vector.products):
                    self._pull_product(vector, k, product, g)
            else:
                self._pull_operation(vector, g)
        for view, terms in self.decays.items():
            self.gradients.setdefault(view, []).extend(terms)
        known: set[int] = set()
        for view, terms in self.gradients.items():
            places = set(view.index.ravel().tolist())
            added = not known.isdisjoint(places)
            known |= places
            self.result.statements.append(Statement(view.gradient, add(*terms), "gradient", added))

    def _seed(self) -> None:
        """The adjoints of the roots: 1 of a cost; of outputs what the caller gives, V."""
        if self.scalar_cost:
            ((vector, place),) = self.roots
            self._contribute(Operand(vector, np.array([place])), ONE, from_batch=True)
            return
        size = len(self.roots)
        seeds = Name(Variable("V", "V", "V", size, True, "seed"))
        groups: dict[Vector, list[tuple[int, int]]] = {}
        for k, (vector, place) in enumerate(self.roots):
            groups.setdefault(vector, []).append((k, place))
        for vector, pairs in groups.items():
            numbers, places = np.array(pairs).T
            selection, count, shown = self.selection(numbers, size)
            part: Expr = seeds
            if selection is not None:
                part = Index(seeds, selection, count, shown)
            self._contribute(Operand(vector, places), part, from_batch=True)

    def _adjoint(self, vector: Vector) -> Expr | None:
        """The sum of what the consumers have passed on; as a variable of its own."""
        pieces = self.pieces.get(vector)
        if not pieces:
            return None
        size = len(vector)
        if all(selection is None for selection, _, _ in pieces):
            formula = add(*(e for _, _, e in pieces))
        else:
            formula = Place(size, [
                (slice(0, size) if selection is None else selection, shown or f"1…{size}", e)
                for selection, shown, e in pieces
            ])  # fmt: skip
        if isinstance(formula, Num):
            return formula
        forward = self.variables[vector]
        if vector in self.layer:
            l = self.layer[vector]
            name, code, latex = f"δ{l}", f"delta{l}", rf"\delta^{{{l}}}"
        else:
            name, code = f"∂C/∂{forward.name}", f"d_{forward.code}"
            latex = rf"\frac{{\partial C}}{{\partial {forward.latex}}}"
        variable = Variable(name, code, latex, size, formula.batch, "adjoint")
        variable.formula = full(formula, size)
        self.result.adjoints[variable] = forward
        self.result.statements.append(Statement(variable, variable.formula, "backward"))
        return Name(variable)

    def _contribute(self, operand: Operand, e: Expr, from_batch: bool) -> None:
        """Pass e on to the operand's entries, one for each of e (of which there may be one)."""
        vector, index = operand.vector, operand.index.ravel()
        if vector.role in ("constant", "input", "target"):
            return
        if not vector.batch and from_batch:
            e = BatchTotal(e)
        if vector.role == "parameter":
            places = once(index)
            if len(places) < len(index):
                e = total(e, len(index))
            view = self.view(places, "θ")
            self.gradients.setdefault(view, []).append(full(e, len(places)))
            return
        selection, size, shown = self.selection(index, len(vector))
        if size == 1 and len(index) > 1:
            e = total(e, len(index))
        self.pieces.setdefault(vector, []).append((selection, shown, e))

    def _pull_product(self, vector: Vector, k: int, product: Product, g: Expr) -> None:
        left, right, factors = product.left, product.right, product.factors
        count, terms = factors.shape
        batch = vector.batch
        scale: Expr
        rows: list[Expr]
        e: Expr
        if (vector.number, k) in self.matrices:
            view = self.matrices[vector.number, k]
            assert right is not None
            delta = full(g, count)
            scale = Num(float(factors[0, 0])) if view.cells is None else ONE
            index = right.index[0] if view.cells is None else np.arange(len(right.vector))
            source = self.use(right, index)
            outer = multiply(scale, Outer(delta, source, count, len(index)))
            self.gradients.setdefault(view, []).append(outer)
            self._contribute(
                Operand(right.vector, index),
                multiply(scale, TransposedMatVec(view.variable, delta)),
                batch,
            )
            return
        if right is None:
            if terms == 1:
                self._contribute(left, multiply(self.numbers(factors[:, 0]), g), batch)
            elif count == 1:
                self._contribute(left, multiply(self.numbers(factors[0]), g), batch)
            elif self.is_dense(product):
                matrix = self.constant_matrix(product)
                e = TransposedMatVec(matrix, full(g, count))
                self._contribute(Operand(left.vector, np.arange(matrix.size)), e, batch)
            else:
                rows = [full(g, count), Num(float(terms))]
                repeated = RowFunction("repeated", rows, count * terms)
                e = multiply(self.numbers(factors.ravel()), repeated)
                self._contribute(left, e, batch)
            return
        if count == 1 or terms == 1:
            norms = self.norms(product) if count == 1 else None
            if norms is not None:
                g = BatchTotal(g) if batch else g
                slope = multiply(Num(2.0), self.numbers(factors[0]), g)
                views = [view for view in self.result.views if view.variable in norms]
                for view in self._apart(views):
                    self.decays.setdefault(view, []).append(multiply(slope, Name(view.variable)))
                return
            scale = self.numbers(factors[:, 0] if terms == 1 else factors[0])
            if are_same(left, right):
                self._contribute(left, multiply(Num(2.0), scale, g, self.use(left)), batch)
                return
            self._contribute(left, multiply(scale, self.use(right), g), batch)
            self._contribute(right, multiply(scale, self.use(left), g), batch)
            return
        for this, other in ((left, right), (right, left)):
            rows = [full(g, count), self.rows(other)]
            if not (factors == 1).all():
                rows.append(self.numbers(factors))
            self._contribute(this, RowFunction("spread", rows, count * terms), batch)

    def _apart(self, views: list[View]) -> list[View]:
        """In place of one view of all parameters those that together are as much, if there are."""
        size = len(self.vectors[0])
        parts = [v for v in self.result.views if v.cells is None and v.index.size < size]
        places = np.concatenate([np.zeros(0, np.intp), *(v.index.ravel() for v in parts)])
        whole = len(views) == 1 and views[0].index.size == size
        return parts if whole and is_whole(np.sort(places), size) else views

    def _pull_operation(self, vector: Vector, g: Expr) -> None:
        op = vector.op
        assert op is not None
        if vector in self.combined:
            z, e = self.combined[vector]
            if e is not None:
                self._contribute(Operand(z, np.arange(len(z))), multiply(g, e), vector.batch)
            return
        out = Name(self.variables[vector])
        if is_rows(vector):
            (operand,) = vector.operands
            if (op.base or op) is ops.log_sum_exp:
                self._pull_log_sum_exp(vector, operand, g)
            else:
                self._pull_softmax(vector, operand, g, out)
            return
        given = columns(vector)
        inner = self._stable(vector)
        operands = [self.use(operand) for operand in given]
        for k, operand in enumerate(given):
            if operand.vector.role in ("constant", "input", "target"):
                continue
            if inner is not None and k == len(given) - 1:
                source, softmax = inner
                v = multiply(g, operands[0]) if len(given) == 2 else g
                e = v - total(v, len(vector)) * Name(self.variables[softmax])
                self._contribute(source, e, vector.batch)
            else:
                self._contribute(operand, Pull(op, k, g, out, operands), vector.batch)

    def _pull_log_sum_exp(self, vector: Vector, operand: Operand, g: Expr) -> None:
        size = operand.index.size
        e: Expr
        if len(vector) == 1 and is_whole(operand.index[0], len(operand.vector)):
            e = multiply(g, RowFunction("softmax", [self.use(operand)], size))
        else:
            shares = RowFunction("softmax", [self.rows(operand)], size)
            e = RowFunction("spread", [full(g, len(vector)), shares], size)
        self._contribute(operand, e, vector.batch)

    def _pull_softmax(self, vector: Vector, operand: Operand, g: Expr, out: Expr) -> None:
        """Pass on a ⊙ (g − Σ g a)."""
        size = len(vector)
        if is_whole_softmax(vector):
            e = multiply(out, add(g, multiply(Num(-1.0), total(multiply(out, g), size))))
            self._contribute(Operand(operand.vector, operand.index[0]), e, vector.batch)
            return
        index, components = softmax_rows(vector)
        rows = self.rows(Operand(operand.vector, index))
        shown = components_shown(index, components)
        placed = Place(index.size, [(self.result.array("I", components), shown, full(g, size))])
        e = RowFunction("softmax_vjp", [rows, placed], index.size)
        self._contribute(Operand(operand.vector, index), e, vector.batch)

    def _stable(self, vector: Vector) -> tuple[Operand, Vector] | None:
        """Where a logarithm is taken of a whole softmax: the softmax's operand, and the softmax.

        Together they pass on V − a ΣV, with V = g·y of y ln a and V = g of ln a: for the
        log-likelihood a Σy − y. One after the other they would divide by an a that may be 0.
        """
        if vector.op not in (ops.xlogy, ops.log):
            return None
        softmax = vector.operands[-1].vector
        whole = is_whole(vector.operands[-1].index.ravel(), len(softmax))
        if not (whole and softmax.role == "operation" and is_whole_softmax(softmax)):
            return None
        (operand,) = softmax.operands
        return Operand(operand.vector, operand.index[0]), softmax

    def _pair_cross_entropies(self) -> None:
        """Find y ln a + (1 − y) ln(1 − a) with a = σ(z): together they pass on y − a.

        One after the other they would divide by an a or 1 − a that may be 0.
        """
        logs = [v for v in self.vectors if v.op is ops.xlogy]
        uses: dict[Vector, list[tuple[Vector, Product | None]]] = defaultdict(list)
        for root, _ in self.roots:
            uses[root].append((root, None))
        for vector in self.vectors:
            for operand in vector.operands:
                uses[operand.vector].append((vector, None))
            for product in vector.products:
                if product.right is None:
                    uses[product.left.vector].append((vector, product))
                else:
                    uses[product.left.vector].append((vector, None))
                    uses[product.right.vector].append((vector, None))
        for first in logs:
            a, y = first.operands[1].vector, first.operands[0].vector
            if a.op is not ops.sigmoid or y.role not in ("target", "input"):
                continue
            for second in logs:
                if not (
                    len(first) == len(second)
                    and is_one_minus(second.operands[1].vector, a)
                    and is_one_minus(second.operands[0].vector, y)
                ):
                    continue
                operands = (*first.operands, *second.operands, *a.operands)
                if all(is_whole(x.index.ravel(), len(x.vector)) for x in operands) and (
                    _are_added_alike(uses[first], uses[second])
                ):
                    e = Name(self.variables[a]) - Name(self.variables[y])
                    self.combined[first] = (a.operands[0].vector, multiply(Num(-1.0), e))
                    self.combined[second] = (a.operands[0].vector, None)


def _are_added_alike(
    one: list[tuple[Vector, Product | None]], two: list[tuple[Vector, Product | None]]
) -> bool:
    """Whether two vectors are used once, in a sum of all their entries, with one factor."""
    if len(one) != 1 or len(two) != 1:
        return False
    (consumer, first), (other, second) = one[0], two[0]
    if consumer is not other or len(consumer) != 1 or first is None or second is None:
        return False
    factors = np.concatenate([first.factors.ravel(), second.factors.ravel()])
    alike = len(first.factors[0]) == len(second.factors[0])
    return alike and len(np.unique(factors)) == 1
