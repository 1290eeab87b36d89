"""From vectors to equations: the forward formulas, and by the chain rule the backward ones.

The same chain rule as in `Value.backward`, a vector at a time: behind all its consumers, each
vector's adjoint is the sum of what they passed on, and it passes on what its own rule says. That
for a layered network the result reads δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ) is nobody's doing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.lifting import expressions
from microgradnet.lifting.expressions import (
    ONE,
    Apply,
    BatchTotal,
    Expr,
    Index,
    MatVec,
    Name,
    Num,
    Outer,
    Place,
    Pull,
    RowFunction,
    Rows,
    Spread,
    SquaredNorm,
    Sum,
    Total,
    TransposedMatVec,
    Variable,
    add,
    multiply,
    power,
)
from microgradnet.lifting.grouping import Indices, Operand, Product, Vector

__all__ = ["Derivation", "Statement", "View", "derive"]


@dataclass(frozen=True)
class Statement:
    """variable = formula, in one part of the program: forward, backward or gradient."""

    variable: Variable
    formula: Expr
    part: str


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


def derive(
    vectors: Sequence[Vector], roots: Sequence[tuple[Vector, int]], scalar_cost: bool
) -> Derivation:
    """The equations of the vectors: forward to the roots, and back to parameters."""
    builder = _Builder(vectors, roots, scalar_cost)
    builder.forward()
    builder.backward()
    _inline(builder.result)
    return builder.result


class _Builder:
    def __init__(
        self, vectors: Sequence[Vector], roots: Sequence[tuple[Vector, int]], scalar_cost: bool
    ) -> None:
        self.vectors, self.roots, self.scalar_cost = vectors, roots, scalar_cost
        self.result = Derivation()
        self.variables: dict[Vector, Variable] = {}
        self.matrices: dict[tuple[int, int], View] = {}  # by vector number and product's place
        self.known: dict[bytes, View] = {}
        self.array_names: dict[bytes, str] = {}
        self.taken: set[str] = set()
        self.numbered: Counter[str] = Counter()
        self.layer: dict[Vector, int] = {}
        self.pieces: dict[Vector, list[tuple[slice | str | None, str, Expr]]] = {}
        self.gradients: dict[View, list[Expr]] = {}
        # Of a logarithm that another completes to a cross-entropy, what both pass on, and to whom.
        self.combined: dict[Vector, tuple[Vector, Expr | None]] = {}

    # Names

    def array(self, letter: str, values: NDArray[np.generic]) -> str:
        """The name of an array of constants in the code."""
        key = letter.encode() + str(values.shape).encode() + values.tobytes()
        if key not in self.array_names:
            self.array_names[key] = f"{letter}{self._free_number(letter)}"
            self.result.constants[self.array_names[key]] = values
        return self.array_names[key]

    def numbers(self, values: NDArray[np.float64]) -> Expr:
        """Constants: a number where all are one."""
        flat = values.ravel()
        if (flat == flat[0]).all() and not (np.signbit(flat) != np.signbit(flat[0])).any():
            return Num(float(flat[0]))
        name = self.array("K", values)
        latex = rf"k^{{{name[1:]}}}"
        return Name(Variable(f"k{name[1:]}", name.lower(), latex, flat.size, False, "constant"))

    def name(self, letters: str, l: int) -> str:
        """The first of the letters that is free with this number."""
        for letter in letters:
            if f"{letter}{l}" not in self.taken:
                return self._claim(f"{letter}{l}")
        return self._claim(f"{letters[0]}{l}_{self._free_number(f'{letters[0]}{l}_')}")

    def view(self, index: Indices, letters: str, l: int = 0) -> View:
        """The parameters at these places as a vector, or by rows as a matrix."""
        key = str(index.shape).encode() + index.tobytes()
        if key not in self.known:
            size = index.shape[-1]
            rows = index.shape[0] if index.ndim == 2 else None
            whole = index.ndim == 1 and size == len(self.vectors[0]) and _is_whole(index, size)
            name = "θ" if whole else self.name(letters, l or self._free_number(letters))
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
        latex = _latex(name)
        variable = Variable(name, code, latex, size, False, "parameter", rows)
        by = rf"\frac{{\partial C}}{{\partial {latex}}}"
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
        if _is_whole(index, size):
            return None, size, ""
        if size == 1:
            return None, 1, ""
        first, last = int(index[0]), int(index[-1])
        if (index == first).all():
            return slice(first, first + 1), 1, f"{first + 1}"
        if (np.diff(index) == 1).all():
            return slice(first, last + 1), len(index), f"{first + 1}…{last + 1}"
        name = self.array("I", index)
        few = [str(k + 1) for k in index[:6]] + (["…"] if len(index) > 6 else [])
        return name, len(index), ",".join(few)

    def use(self, operand: Operand, index: Indices | None = None) -> Expr:
        """The entries of an operand."""
        vector = operand.vector
        index = operand.index.ravel() if index is None else index
        if vector.role == "constant":
            assert vector.constants is not None
            return self.numbers(vector.constants[index])
        if vector.role == "parameter":
            return Name(self.view(_once(index), "θ").variable)
        selection, size, shown = self.selection(index, len(vector))
        name = Name(self.variables[vector])
        return name if selection is None else Index(name, selection, size, shown)

    def _free_number(self, letter: str) -> int:
        self.numbered[letter] += 1
        return self.numbered[letter]

    # Forward

    def forward(self) -> None:
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
        for vector, place in self.roots:
            place_index = np.array([place])
            self.result.outputs.append(self.use(Operand(vector, place_index)))

    def _enter(self, vector: Vector, name: str, code: str, formula: Expr | None) -> None:
        kind = {"input": "input", "target": "target"}.get(vector.role, "value")
        if name == "C":
            kind = "cost"
        variable = Variable(name, code, _latex(name), len(vector), vector.batch, kind)
        self.variables[vector] = variable
        self.result.vectors[variable] = vector
        if formula is not None:
            variable.formula = _full(formula, len(vector))
            self.result.statements.append(Statement(variable, variable.formula, "forward"))

    def _find_layers(self) -> None:
        """Number the sums that hold a matrix product, and name their matrices and biases."""
        l = 0
        for vector in self.vectors:
            if vector.role != "sum":
                continue
            matrices = [k for k, product in enumerate(vector.products)
                        if vector.batch and _is_matrix(product)]  # fmt: skip
            if not matrices:
                continue
            l += 1
            self.layer[vector] = l
            for k in matrices:
                product = vector.products[k]
                right = product.right
                assert right is not None
                columns = right.index[0]
                full = _rows_alike(right.index) and len(np.unique(columns)) == len(columns)
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
                    self.view(_once(product.left.index[:, 0]), "bcdefh", l)

    def _forward_name(self, vector: Vector) -> str:
        if vector in self.layer:
            return self._claim(f"z{self.layer[vector]}")
        if self.scalar_cost and len(vector) == 1 and self.roots[0][0] is vector:
            return self._claim("C")
        source = vector.operands[0].vector if len(vector.operands) == 1 else None
        index = vector.operands[0].index if vector.operands else np.zeros(0, dtype=np.intp)
        index = index[0] if source is not None and _is_whole_softmax(vector) else index.ravel()
        summed = _is_rows(vector) and not _is_whole_softmax(vector)
        if source in self.layer and not summed and _is_whole(index, len(source)):
            name = f"a{self.layer[source]}"
            if name not in self.taken:
                return self._claim(name)
        return self.name("v", self._free_number("v"))

    def _claim(self, name: str) -> str:
        self.taken.add(name)
        return name

    def _operation(self, vector: Vector) -> Expr:
        op = vector.op
        assert op is not None
        if _is_rows(vector):
            (operand,) = vector.operands
            if (op.base or op) is ops.log_sum_exp:
                return RowFunction("log_sum_exp", [self._rows(operand)], len(vector))
            if _is_whole_softmax(vector):
                return RowFunction("softmax", [self.use(operand, operand.index[0])], len(vector))
            rows, components = _softmax_rows(vector)
            pick = self.array("I", components)
            return RowFunction("softmax", [self._rows(Operand(operand.vector, rows))],
                               len(vector), pick)  # fmt: skip
        return Apply(op, [self.use(operand) for operand in _columns(vector)])

    def _rows(self, operand: Operand) -> Expr:
        """The operand's entries in rows, one row where they are the whole vector."""
        rows, columns = operand.index.shape
        vector = operand.vector
        if vector.role == "parameter":
            name: Expr = Name(self.view(operand.index.ravel(), "θ").variable)
            places = np.arange(rows * columns).reshape(rows, columns)
            return Rows(name, self.array("I", places), rows, columns)
        name = Name(self.variables[vector])
        if rows == 1 and _is_whole(operand.index[0], len(vector)):
            return Rows(name, None, 1, columns)
        return Rows(name, self.array("I", operand.index), rows, columns)

    def _sum(self, vector: Vector) -> Expr:
        # As the equations have it: matrices first, what comes late in the network before what comes
        # early, and no minus in front where there is another term.
        products = sorted(
            enumerate(vector.products),
            key=lambda item: -max(x.vector.number for x in (item[1].left, item[1].right) if x),
        )
        terms = [self._product(vector, k, product) for k, product in products]
        terms.sort(key=lambda term: 0 if isinstance(term, MatVec) else 1 + term.negated)
        assert vector.constants is not None
        if vector.constants.any():
            terms.append(self.numbers(vector.constants))
        return add(*terms) if terms else Num(0.0)

    def _product(self, vector: Vector, k: int, product: Product) -> Expr:
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
                return self._scaled_total(factors, self.use(left))
            if self._is_dense(product):
                return MatVec(self._constant_matrix(product), self._all_of(left.vector))
            return RowFunction("dot", [self._rows(left), self._factor_rows(factors)], count)
        if terms == 1:
            return multiply(self.numbers(factors[:, 0]), self._entrywise(left, right))
        if count == 1:
            norms = self._norms(product)
            if norms is not None:
                return multiply(Num(float(factors[0, 0])), add(*map(SquaredNorm, norms)))
            return self._scaled_total(factors, self._entrywise(left, right))
        rows: list[Expr] = [self._rows(left), self._rows(right)]
        if not (factors == 1).all():
            rows.append(self._factor_rows(factors))
        return RowFunction("dot", rows, count)

    def _entrywise(self, left: Operand, right: Operand) -> Expr:
        """The products of entries; the square where they are the same."""
        if _are_same(left, right):
            return power(self.use(left), Num(2.0))
        return multiply(self.use(left), self.use(right))

    def _factor_rows(self, factors: NDArray[np.float64]) -> Expr:
        uniform = (factors == factors[0, 0]).all()
        return Num(float(factors[0, 0])) if uniform else self.numbers(factors)

    def _scaled_total(self, factors: NDArray[np.float64], e: Expr) -> Expr:
        scale = self.numbers(factors[0])
        if isinstance(scale, Num):
            return multiply(scale, _total(e, factors.shape[1]))
        return _total(multiply(scale, e), factors.shape[1])

    def _is_dense(self, product: Product) -> bool:
        """Whether every sum takes in every entry, parameters or not, once."""
        terms = product.factors.shape[1]
        size = len(product.left.vector)
        return (
            terms == size
            and _rows_alike(product.left.index)
            and (_is_whole(product.left.index[0], size))
        )

    def _all_of(self, vector: Vector) -> Expr:
        return self.use(Operand(vector, np.arange(len(vector))))

    def _constant_matrix(self, product: Product) -> Variable:
        count, terms = product.factors.shape
        name = self.array("K", product.factors)
        latex = f"K^{{{name[1:]}}}"
        return Variable(name, name.lower(), latex, terms, False, "constant", count)

    def _norms(self, product: Product) -> list[Variable] | None:
        """The parameters whose squares a product adds up, where they are whole known ones."""
        if product.left.vector.role != "parameter" or product.right is None:
            return None
        places = product.left.index[0]
        uniform = (product.factors == product.factors[0, 0]).all()
        if not (uniform and (places == product.right.index[0]).all()):
            return None
        if len(np.unique(places)) != len(places):
            return None
        if _is_whole(np.sort(places), len(self.vectors[0])):
            return [self.view(np.arange(len(places)), "θ").variable]
        left = set(places.tolist())
        found = []
        for view in self.result.views:
            mine = set(view.index.ravel().tolist())
            if view.cells is None and len(mine) == view.index.size and mine <= left:
                found.append(view.variable)
                left -= mine
        return None if left else found

    # Backward

    def backward(self) -> None:
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
        for view, terms in self.gradients.items():
            formula = add(*terms)
            self.result.statements.append(Statement(view.gradient, formula, "gradient"))

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
            numbers, places = (np.array(column) for column in zip(*pairs, strict=True))
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
        elif len(pieces) == 1 and size == 1:
            formula = pieces[0][2]
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
        variable.formula = _full(formula, size)
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
            if len(index) > 1 and (index == index[0]).all():
                e, index = _total(e, len(index)), index[:1]
            view = self.view(index, "θ")
            self.gradients.setdefault(view, []).append(_full(e, len(index)))
            return
        selection, size, shown = self.selection(index, len(vector))
        if size == 1 and len(index) > 1:
            e = _total(e, len(index))
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
            delta = _full(g, count)
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
            elif self._is_dense(product):
                matrix = self._constant_matrix(product)
                e = TransposedMatVec(matrix, _full(g, count))
                self._contribute(Operand(left.vector, np.arange(matrix.size)), e, batch)
            else:
                rows = [_full(g, count), Num(float(terms))]
                repeated = RowFunction("repeated", rows, count * terms)
                e = multiply(self.numbers(factors.ravel()), repeated)
                self._contribute(left, e, batch)
            return
        if count == 1 or terms == 1:
            norms = self._norms(product) if count == 1 and terms > 1 else None
            if norms is not None:
                slope = multiply(Num(2.0 * float(factors[0, 0])), BatchTotal(g) if batch else g)
                for view in self.result.views:
                    if view.variable in norms:
                        e = multiply(slope, Name(view.variable))
                        self.gradients.setdefault(view, []).append(e)
                return
            scale = self.numbers(factors[:, 0] if terms == 1 else factors[0])
            if _are_same(left, right):
                self._contribute(left, multiply(Num(2.0), scale, g, self.use(left)), batch)
                return
            self._contribute(left, multiply(scale, self.use(right), g), batch)
            self._contribute(right, multiply(scale, self.use(left), g), batch)
            return
        for this, other in ((left, right), (right, left)):
            rows = [_full(g, count), self._rows(other)]
            if not (factors == 1).all():
                rows.append(self._factor_rows(factors))
            self._contribute(this, RowFunction("spread", rows, count * terms), batch)

    def _pull_operation(self, vector: Vector, g: Expr) -> None:
        op = vector.op
        assert op is not None
        if vector in self.combined:
            z, e = self.combined[vector]
            if e is not None:
                self._contribute(Operand(z, np.arange(len(z))), multiply(g, e), vector.batch)
            return
        out = Name(self.variables[vector])
        if _is_rows(vector):
            (operand,) = vector.operands
            if (op.base or op) is ops.log_sum_exp:
                self._pull_log_sum_exp(vector, operand, g)
            else:
                self._pull_softmax(vector, operand, g, out)
            return
        columns = _columns(vector)
        inner = self._stable(vector)
        operands = [self.use(operand) for operand in columns]
        for k, operand in enumerate(columns):
            if operand.vector.role in ("constant", "input", "target"):
                continue
            if inner is not None and k == len(columns) - 1:
                source, softmax = inner
                v = multiply(g, operands[0]) if len(columns) == 2 else g
                e = add(
                    multiply(Num(-1.0), _total(v, len(vector)), Name(self.variables[softmax])), v
                )
                self._contribute(source, e, vector.batch)
                continue
            self._contribute(operand, Pull(op, k, g, out, operands), vector.batch)

    def _pull_log_sum_exp(self, vector: Vector, operand: Operand, g: Expr) -> None:
        size = operand.index.size
        e: Expr
        if (
            len(vector) == 1
            and operand.vector.role != "parameter"
            and (_is_whole(operand.index[0], len(operand.vector)))
        ):
            e = multiply(g, RowFunction("softmax", [self.use(operand)], size))
        else:
            shares = RowFunction("softmax", [self._rows(operand)], size)
            e = RowFunction("spread", [_full(g, len(vector)), shares], size)
        self._contribute(operand, e, vector.batch)

    def _pull_softmax(self, vector: Vector, operand: Operand, g: Expr, out: Expr) -> None:
        """Pass on a ⊙ (g − Σ g a)."""
        size = len(vector)
        if _is_whole_softmax(vector):
            e = multiply(out, add(g, multiply(Num(-1.0), _total(multiply(out, g), size))))
            self._contribute(Operand(operand.vector, operand.index[0]), e, vector.batch)
            return
        index, components = _softmax_rows(vector)
        rows = self._rows(Operand(operand.vector, index))
        placed = Place(index.size, [(self.array("I", components), "", _full(g, size))])
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
        whole = _is_whole(vector.operands[-1].index.ravel(), len(softmax))
        if not (whole and softmax.role == "operation" and _is_whole_softmax(softmax)):
            return None
        (operand,) = softmax.operands
        return Operand(operand.vector, operand.index[0]), softmax

    def _pair_cross_entropies(self) -> None:
        """Find y ln a + (1 − y) ln(1 − a) with a = σ(z): together they pass on y − a.

        One after the other they would divide by an a or 1 − a that may be 0.
        """
        logs = [v for v in self.vectors if v.op is ops.xlogy]
        consumers: dict[Vector, list[tuple[Vector, Product]]] = {}
        for vector in self.vectors:
            for product in vector.products:
                if product.right is None:
                    consumers.setdefault(product.left.vector, []).append((vector, product))
        for first in logs:
            a, y = first.operands[1].vector, first.operands[0].vector
            if a.op is not ops.sigmoid or y.role not in ("target", "input"):
                continue
            for second in logs:
                if not (
                    len(first) == len(second)
                    and _is_one_minus(second.operands[1].vector, a)
                    and _is_one_minus(second.operands[0].vector, y)
                ):
                    continue
                operands = (*first.operands, *second.operands, *a.operands)
                if all(_is_whole(x.index.ravel(), len(x.vector)) for x in operands) and (
                    _are_added_alike(consumers.get(first, []), consumers.get(second, []))
                ):
                    e = Name(self.variables[a]) - Name(self.variables[y])
                    self.combined[first] = (a.operands[0].vector, multiply(Num(-1.0), e))
                    self.combined[second] = (a.operands[0].vector, None)


def _are_added_alike(one: list[tuple[Vector, Product]], two: list[tuple[Vector, Product]]) -> bool:
    """Whether two vectors are used once, in a sum of all their entries, with one factor."""
    if len(one) != 1 or len(two) != 1 or one[0][0] is not two[0][0] or len(one[0][0]) != 1:
        return False
    factors = np.concatenate([one[0][1].factors.ravel(), two[0][1].factors.ravel()])
    return len(one[0][1].factors[0]) == len(two[0][1].factors[0]) and bool(
        (factors == factors[0]).all()
    )


def _columns(vector: Vector) -> list[Operand]:
    """The operands one by one, also of an operation of any number of them."""
    if len(vector.operands) == 1 and vector.operands[0].index.ndim == 2:
        (rows,) = vector.operands
        return [Operand(rows.vector, rows.index[:, k]) for k in range(rows.index.shape[1])]
    return vector.operands


def _is_rows(vector: Vector) -> bool:
    """Whether it is a softmax or log-sum-exp of entries of one vector."""
    op = vector.op
    return (
        op is not None
        and (op.base or op) in (ops.softmax_component, ops.log_sum_exp)
        and (len(vector.operands) == 1 and vector.operands[0].index.ndim == 2)
    )


def _is_whole_softmax(vector: Vector) -> bool:
    """Whether it is the softmax of a whole vector, entry for entry."""
    if not _is_rows(vector) or vector.components is None:
        return False
    (operand,) = vector.operands
    return (
        _rows_alike(operand.index)
        and _is_whole(operand.index[0], len(operand.vector))
        and (_is_whole(vector.components, len(operand.vector)))
    )


def _softmax_rows(vector: Vector) -> tuple[Indices, Indices]:
    """The different rows of operands, and of each atom its place among all their components."""
    (operand,) = vector.operands
    rows, which = np.unique(operand.index, axis=0, return_inverse=True)
    assert vector.components is not None
    return rows, which.ravel() * rows.shape[1] + vector.components


def _is_whole(index: Indices, size: int) -> bool:
    return len(index) == size and bool((index == np.arange(size)).all())


def _once(index: Indices) -> Indices:
    """The places, or the one place where all are the same."""
    return index[:1] if (index == index[0]).all() else index


def _rows_alike(index: Indices) -> bool:
    return bool((index == index[0]).all())


def _is_matrix(product: Product) -> bool:
    """Whether Σ c·w·a, w a parameter, is the product of a matrix and a vector."""
    if product.right is None or product.left.vector.role != "parameter":
        return False
    if not product.right.vector.batch:
        return False
    return product.factors.shape[1] > 1 or _rows_alike(product.right.index)


def _are_same(left: Operand, right: Operand) -> bool:
    return left.vector is right.vector and bool((left.index == right.index).all())


def _is_one_minus(vector: Vector, x: Vector) -> bool:
    if vector.role != "sum" or len(vector.products) != 1 or vector.constants is None:
        return False
    (product,) = vector.products
    return (
        product.right is None
        and product.left.vector is x
        and product.factors.shape[1] == 1
        and bool((product.factors == -1).all() and (vector.constants == 1).all())
        and _is_whole(product.left.index.ravel(), len(x))
    )


def _full(e: Expr, size: int) -> Expr:
    """The formula with as many entries as there are, not one for all."""
    return e if e.size == size and not isinstance(e, Num) else Spread(e, size)


def _total(e: Expr, size: int) -> Expr:
    """The sum of `size` entries, which may be all one."""
    if e.size != size:
        return multiply(Num(float(size)), e)
    factor, rest = e.split()
    return multiply(Num(factor), Total(rest))


def _latex(name: str) -> str:
    letter, digits = name[0], name[1:]
    letter = {"θ": r"\theta", "δ": r"\delta"}.get(letter, letter)
    return f"{letter}^{{{digits}}}" if digits else letter


_DEEP = 6
"""How many formulas may stand within one another."""


def _inline(derivation: Derivation) -> None:
    """Write in place what is used once, and short sums; layers and costs keep their names."""
    uses: dict[Variable, int] = {}
    roots = {v for e in derivation.outputs for v in e.names()}
    for statement in derivation.statements:
        for variable in statement.formula.names():
            uses[variable] = uses.get(variable, 0) + 1
    depth: dict[Variable, int] = {}
    for statement in derivation.statements:
        variable = statement.variable
        within = [depth.get(v, 0) for v in statement.formula.names()]
        level = 1 + max(within, default=0)
        kept = variable.name[0] in ("zaC" if statement.part == "forward" else "δ")
        if statement.part == "gradient" or variable in roots or kept or level > _DEEP:
            continue
        plain = isinstance(variable.formula, (Sum, expressions.Product, Name))
        short = len(within) <= 2 and level == 1 and plain
        if uses.get(variable, 0) <= 1 or short:
            variable.inlined = True
            depth[variable] = level
    derivation.statements[:] = [s for s in derivation.statements if not s.variable.inlined]
