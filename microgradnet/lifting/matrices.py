"""Formulas with matrices, with sums over entries or examples, and with functions of rows."""

from __future__ import annotations

from collections.abc import Sequence

from microgradnet.lifting.forms import (
    ATOM,
    POWER,
    PRODUCT,
    SIGN,
    Form,
    call,
    gap,
)
from microgradnet.lifting.formulas import ONE, Expr, Name, Num, Power, Variable, multiply

__all__ = [
    "BatchTotal", "MatVec", "Outer", "RowFunction", "SquaredNorm", "Total", "TransposedMatVec",
]  # fmt: skip


class MatVec(Expr):
    """The product W v."""

    binding = PRODUCT

    def __init__(self, matrix: Variable, vector: Expr) -> None:
        self.matrix, self.vector = matrix, vector
        self.batch, self.size = vector.batch, matrix.shape[0]

    def parts(self) -> Sequence[Expr]:
        """The matrix and the vector."""
        return (Name(self.matrix), self.vector)

    def _write(self, form: Form) -> str:
        """W v, with rows for examples v @ W.T."""
        matrix = Name(self.matrix).write(form)
        if form == "code":
            return f"{self.vector.within(form, POWER)} @ {matrix}.T"
        return f"{matrix}{gap(form)}{self.vector.within(form, ATOM)}"


class TransposedMatVec(Expr):
    """The product Wᵀ v."""

    binding = PRODUCT

    def __init__(self, matrix: Variable, vector: Expr) -> None:
        self.matrix, self.vector = matrix, vector
        self.batch, self.size = vector.batch, matrix.size

    def parts(self) -> Sequence[Expr]:
        """The matrix and the vector."""
        return (Name(self.matrix), self.vector)

    def _write(self, form: Form) -> str:
        """Wᵀ v, with rows for examples v @ W."""
        matrix = Name(self.matrix).write(form)
        if form == "code":
            return f"{self.vector.within(form, POWER)} @ {matrix}"
        transposed = f"{matrix}ᵀ" if form == "text" else rf"({matrix})^{{\mathsf T}}"
        return f"{transposed}{gap(form)}{self.vector.within(form, ATOM)}"


class Outer(Expr):
    """The matrix u vᵀ, summed over the examples, which differ in v, and mostly in u."""

    binding = PRODUCT
    batch = False

    def __init__(self, u: Expr, v: Expr, rows: int, columns: int) -> None:
        self.u, self.v, self.size, self.shape = u, v, columns, (rows, columns)

    def parts(self) -> Sequence[Expr]:
        """The two vectors."""
        return (self.u, self.v)

    def opened(self, form: Form) -> Expr:
        """For reading, a u that is one number is a factor."""
        u = self.u.opened(form)
        if form == "code" or not isinstance(u, Num):
            return self
        return multiply(u, Outer(ONE, self.v, *self.shape))

    def _write(self, form: Form) -> str:
        """U vᵀ, with rows for examples u.T @ v."""
        if form == "code":
            if self.u.batch:
                return f"{self.u.within(form, ATOM)}.T @ {self.v.within(form, POWER)}"
            return f"np.outer({self.u.write(form)}, ones.dot({self.v.write(form)}))"
        v = self.v.within(form, ATOM)
        transposed = f"{v}ᵀ" if form == "text" else rf"({v})^{{\mathsf T}}"
        if self.shape[0] == 1 and isinstance(self.u.opened(form), Num):
            return transposed
        return f"{self.u.within(form, ATOM)}{gap(form)}{transposed}"


class Total(Expr):
    """The sum Σ over the entries."""

    size = 1

    def __init__(self, vector: Expr) -> None:
        self.vector, self.batch = vector, vector.batch

    def binds(self, form: Form) -> int:
        """In code it is a call, in a formula a sign."""
        return ATOM if form == "code" else SIGN

    def parts(self) -> Sequence[Expr]:
        """The vector."""
        return (self.vector,)

    def _write(self, form: Form) -> str:
        """Σ v."""
        if form == "code":
            v = self.vector.opened(form)
            if isinstance(v, Power) and v.batch and v.exponent.split()[0] == 2.0:
                return f"squares({v.x.write(form)}, ones{v.size})"
            if v.batch:  # a fraction of the time of NumPy's sum of rows
                return f"{v.within(form, ATOM)}.dot(ones{v.size})[:, None]"
            return f"{v.within(form, ATOM)}.sum(keepdims=True)"
        sign = "Σ " if form == "text" else r"\sum "
        return sign + self.vector.within(form, PRODUCT)


class BatchTotal(Expr):
    """The sum over the examples; a formula, being for one example, does not speak of it."""

    batch = False

    def __init__(self, vector: Expr) -> None:
        self.vector, self.size = vector, vector.size
        self.binding = ATOM if vector.batch or _is_one(vector) else PRODUCT

    def parts(self) -> Sequence[Expr]:
        """The vector."""
        return (self.vector,)

    def opened(self, form: Form) -> Expr:
        """For reading the vector."""
        return self if form == "code" else self.vector.opened(form)

    def _write(self, form: Form) -> str:
        """The sum of the rows, or m times what all examples have in common."""
        if self.vector.batch:  # a fraction of the time of NumPy's sum of columns
            return f"ones.dot({self.vector.write(form)})"
        if _is_one(self.vector):
            return "m"
        return f"m * {self.vector.within(form, POWER)}"


def _is_one(e: Expr) -> bool:
    return isinstance(e, Num) and e.value == 1.0


class SquaredNorm(Expr):
    """The sum of the squares of a parameter's entries."""

    size = 1
    batch = False

    def __init__(self, variable: Variable) -> None:
        self.variable = variable

    def parts(self) -> Sequence[Expr]:
        """The parameter."""
        return (Name(self.variable),)

    def _write(self, form: Form) -> str:
        """‖W‖²."""
        name = Name(self.variable).write(form)
        if form == "code":
            return f"np.square({name}).sum()"
        return f"‖{name}‖²" if form == "text" else rf"\left\|{name}\right\|^2"


class RowFunction(Expr):
    """A function along rows: `softmax` keeps their entries, `log_sum_exp` and `dot` reduce them.

    pick: of a softmax of several rows the code's name of the places of the entries wanted, and how
          a formula shows them, if they are not all there are.
    """

    def __init__(
        self, name: str, rows: Sequence[Expr], size: int, pick: tuple[str, str] | None = None
    ) -> None:
        self.name, self.rows, self.size, self.pick = name, tuple(rows), size, pick
        self.batch = any(row.batch for row in rows)

    def parts(self) -> Sequence[Expr]:
        """The rows."""
        return self.rows

    def _write(self, form: Form) -> str:
        """The call."""
        inner = ", ".join(row.write(form) for row in self.rows)
        code, shown = self.pick or ("", "")
        if form == "latex":
            written = call(self.name, inner, form)
            return rf"{written}_{{{shown}}}" if shown else written
        written = f"{self.name}({inner})"
        if form == "text":
            return f"{written}[{shown}]" if shown else written
        if code:
            lead = "m, " if self.batch else ""
            pick = f"[:, {code}]" if self.batch else f"[{code}]"
            return f"{written}.reshape({lead}-1){pick}"
        return written
