"""Formulas over vectors: what a program computes, to be written as Python, as text or as LaTeX.

An expression stands for the vector of one example, or for a vector that no example changes
(`batch` False). As Python it is an array whose rows are examples, so that W a is written a @ W.T;
as text and LaTeX it is the formula of one example, as the equations have it. A formula simplifies
while it is built: 1·u is u, and ½·2·u too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import frexp
from typing import Any, ClassVar, NoReturn

from microgradnet.lifting.forms import (
    ATOM,
    POWER,
    PRODUCT,
    SIGN,
    SUM,
    Form,
    abridged,
    both,
    bracketed,
    call,
    cases,
    gap,
    is_signed,
    minus,
    more,
    number,
    relation,
)

__all__ = [
    "ONE", "Comparison", "Expr", "Function", "Name", "Num", "Power", "Product", "Sum", "Variable",
    "add", "divide", "expr", "formula", "joint", "multiply", "power",
]  # fmt: skip


@dataclass(eq=False)
class Variable:
    """Something with a name: name in text, code and LaTeX, and of what shape.

    size is the number of entries (of a matrix, the columns), rows those of a matrix.
    """

    name: str
    code: str
    latex: str
    size: int
    batch: bool
    kind: str
    rows: int | None = None
    formula: Expr | None = None
    """What it is computed by; None for what is given."""
    inlined: bool = False
    """Whether its formula is written in its place."""

    @property
    def shape(self) -> tuple[int, ...]:
        """() for a single number, (n,) for a vector, (rows, columns) for a matrix."""
        if self.rows is not None:
            return (self.rows, self.size)
        return () if self.size == 1 and self.kind == "cost" else (self.size,)


class Expr(ABC):
    """A formula. batch: whether it differs between examples; size: how many entries it has."""

    batch: bool
    size: int
    binding: int = ATOM
    is_condition: bool = False
    """Whether it is true or false, which is 1 or 0 in arithmetic."""

    @abstractmethod
    def _write(self, form: Form) -> str:
        """The formula, where nothing else is written in its place."""

    def write(self, form: Form) -> str:
        """The formula."""
        return self.opened(form)._write(form)

    def within(self, form: Form, least: int) -> str:
        """The formula, in brackets where it binds less tightly."""
        e = self.opened(form)
        text = e._write(form)
        return text if e.binds(form) >= least else bracketed(text, form)

    def binds(self, form: Form) -> int:
        """How tightly what is outermost binds."""
        return self.binding

    def in_place(self) -> Expr:
        """The formula, of an inlined variable its own."""
        return self

    def opened(self, form: Form) -> Expr:
        """What is written where it stands, which may be another formula.

        So is that of an inlined variable, and that of an operation without a notation of its own.
        For reading, numbers are gathered then, sums within sums are opened, and no minus comes
        first where there is a plus.
        """
        return self

    def parts(self) -> Sequence[Expr]:
        """The formulas that it is made of, as they are written in Python."""
        return ()

    def split(self) -> tuple[float, Expr]:
        """The number it is multiplied by, and the rest."""
        return 1.0, self

    @property
    def negated(self) -> bool:
        """Whether a minus stands before it."""
        return self.split()[0] < 0

    def names(self) -> Iterator[Variable]:
        """Every variable in it, as often as it stands there."""
        for part in self.parts():
            yield from part.names()

    def __add__(self, other: Any) -> Expr:
        return add(expr(self), expr(other))

    def __radd__(self, other: Any) -> Expr:
        return add(expr(other), expr(self))

    def __sub__(self, other: Any) -> Expr:
        return add(expr(self), multiply(Num(-1.0), expr(other)))

    def __rsub__(self, other: Any) -> Expr:
        return add(expr(other), multiply(Num(-1.0), expr(self)))

    def __mul__(self, other: Any) -> Expr:
        return multiply(expr(self), expr(other))

    def __rmul__(self, other: Any) -> Expr:
        return multiply(expr(other), expr(self))

    def __truediv__(self, other: Any) -> Expr:
        return divide(expr(self), expr(other))

    def __rtruediv__(self, other: Any) -> Expr:
        return divide(expr(other), expr(self))

    def __pow__(self, other: Any) -> Expr:
        return power(expr(self), expr(other))

    def __rpow__(self, other: Any) -> Expr:
        return power(expr(other), expr(self))

    def __neg__(self) -> Expr:
        return multiply(Num(-1.0), expr(self))

    def __abs__(self) -> Expr:
        return Function("abs", (expr(self),))

    def __lt__(self, other: Any) -> Expr:
        return Comparison("<", expr(self), expr(other))

    def __le__(self, other: Any) -> Expr:
        return Comparison("<=", expr(self), expr(other))

    def __gt__(self, other: Any) -> Expr:
        return Comparison(">", expr(self), expr(other))

    def __ge__(self, other: Any) -> Expr:
        return Comparison(">=", expr(self), expr(other))

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a rule that branches on a number in Python has no formula: write m.where(condition, "
            "x, y) in place of if, min and max"
        )

    __float__ = __int__ = __bool__


def expr(x: Any) -> Expr:
    """A formula, or the formula of a number; a condition, as in Python's arithmetic, is 1 or 0."""
    e = formula(x)
    return Function("where", (e, ONE, Num(0.0))) if e.is_condition else e


def formula(x: Any) -> Expr:
    """A formula, of a condition too, or that of a number."""
    return x if isinstance(x, Expr) else Num(float(x))


def joint(parts: Sequence[Expr]) -> tuple[bool, int]:
    """Whether any part differs between examples, and the size of the longest."""
    return any(part.batch for part in parts), max(part.size for part in parts)


class Num(Expr):
    """A number."""

    batch, size = False, 1

    def __init__(self, value: float) -> None:
        self.value = value
        self.binding = SIGN if is_signed(value) else ATOM

    def split(self) -> tuple[float, Expr]:
        """The number, and 1."""
        return self.value, ONE

    def _write(self, form: Form) -> str:
        return number(self.value, form)


ONE = Num(1.0)


class Name(Expr):
    """A variable as a whole; where it is inlined, its formula."""

    def __init__(self, variable: Variable) -> None:
        self.variable = variable
        self.batch, self.size = variable.batch, variable.size

    def in_place(self) -> Expr:
        """Where it is inlined its formula, as it is."""
        v = self.variable
        return v.formula.in_place() if v.inlined and v.formula is not None else self

    def opened(self, form: Form) -> Expr:
        """Where it is inlined, its formula's."""
        e = self.in_place()
        return self if e is self else e.opened(form)

    def _write(self, form: Form) -> str:
        v = self.variable
        return v.code if form == "code" else v.name if form == "text" else v.latex

    def names(self) -> Iterator[Variable]:
        """The variable, or those of its formula."""
        e = self.in_place()
        if e is self:
            yield self.variable
        else:
            yield from e.names()


_DEEPEST = 50
"""More terms are a call of `sum` in code, lest they be deeper than Python's compiler goes."""


class Sum(Expr):
    """Terms added up, entry by entry."""

    binding = SUM

    def __init__(self, terms: Sequence[Expr]) -> None:
        self.terms = tuple(terms)
        self.batch, self.size = joint(self.terms)

    def parts(self) -> Sequence[Expr]:
        """The terms."""
        return self.terms

    def opened(self, form: Form) -> Expr:
        """For reading, in one row, and what has a plus first."""
        if form == "code":
            return self
        terms: list[Expr] = []
        for term in self.terms:
            e = term.opened(form)
            terms += e.terms if isinstance(e, Sum) else [e]
        return Sum(sorted(terms, key=lambda term: term.negated))

    def _write(self, form: Form) -> str:
        if form == "code" and len(self.terms) > _DEEPEST:
            return f"sum([{', '.join(term.write(form) for term in self.terms)}])"
        (first, *terms), hidden = abridged(self.terms, form)
        written = [first.write(form)]
        for term in terms:
            e = term.opened(form)
            sign, rest = (minus(form), -e) if e.negated else ("+", e)
            written.append(f" {sign} {rest.within(form, PRODUCT)}")
        if hidden:
            written.insert(-1, f" + {more(hidden, form)}")
        return "".join(written)


class Product(Expr):
    """A number times factors, entry by entry."""

    binding = PRODUCT

    def __init__(self, factor: float, factors: Sequence[Expr]) -> None:
        self.factor, self.factors = factor, tuple(factors)
        self.batch, self.size = joint(self.factors)

    def parts(self) -> Sequence[Expr]:
        """The factors."""
        return self.factors

    def split(self) -> tuple[float, Expr]:
        """The number, and the product of the factors."""
        return self.factor, multiply(*self.factors)

    def opened(self, form: Form) -> Expr:
        """For reading, with all its numbers gathered."""
        if form == "code":
            return self
        return multiply(Num(self.factor), *(factor.opened(form) for factor in self.factors))

    def _write(self, form: Form) -> str:
        # A product of vectors is taken entry by entry, which ⊙ says where both are longer than 1.
        written = ""
        times = entrywise = " * " if form == "code" else gap(form)
        if form != "code":
            entrywise = " ⊙ " if form == "text" else r" \odot "
        if self.factor == -1.0:
            written = minus(form)
        elif self.factor != 1.0:
            written = number(self.factor, form) + times
        for k, factor in enumerate(self.factors):
            if k:
                vectors = factor.size > 1 and self.factors[k - 1].size > 1
                written += entrywise if vectors else times
            # Of c (W a) a formula needs no brackets, being (c W) a as well.
            alone = form != "code" and len(self.factors) == 1
            last = k == len(self.factors) - 1
            written += factor.within(form, PRODUCT if alone else SIGN if last else POWER)
        return written


class Quotient(Expr):
    """A quotient, entry by entry."""

    binding = PRODUCT

    def __init__(self, x: Expr, y: Expr) -> None:
        self.x, self.y = x, y
        self.batch, self.size = joint((x, y))

    def parts(self) -> Sequence[Expr]:
        """Numerator and denominator."""
        return (self.x, self.y)

    def split(self) -> tuple[float, Expr]:
        """A number that is the numerator, and the inverse."""
        return (self.x.value, Quotient(ONE, self.y)) if isinstance(self.x, Num) else (1.0, self)

    def _write(self, form: Form) -> str:
        if form == "latex":
            return rf"\frac{{{self.x.write(form)}}}{{{self.y.write(form)}}}"
        return f"{self.x.within(form, PRODUCT)} / {self.y.within(form, SIGN)}"


class Power(Expr):
    """A power."""

    binding = POWER

    def __init__(self, x: Expr, exponent: Expr) -> None:
        self.x, self.exponent = x, exponent
        self.batch, self.size = joint((x, exponent))

    def parts(self) -> Sequence[Expr]:
        """Base and exponent."""
        return (self.x, self.exponent)

    def _write(self, form: Form) -> str:
        """xⁿ."""
        if form == "code":
            if isinstance(self.x, Num):  # an int to a negative power would be refused
                return f"np.power({self.x.value!r}, {self.exponent.write(form)})"
            return f"{self.x.within(form, ATOM)} ** {self.exponent.within(form, ATOM)}"
        base = self.x.within(form, ATOM)
        if form == "latex" and base.endswith("}"):  # z² squared would read as z²²
            base = bracketed(base, form)
        exponent = self.exponent.write(form)
        if form == "latex":
            return rf"{{{base}}}^{{{exponent}}}"
        if isinstance(self.exponent, Num) and exponent in ("2", "3"):
            return base + {"2": "²", "3": "³"}[exponent]
        return f"{base}^{self.exponent.within(form, ATOM)}"


def add(*terms: Expr) -> Expr:
    """The sum: numbers gathered at the end, sums within sums opened."""
    flat: list[Expr] = []
    constant = 0.0
    for term in terms:
        for part in term.terms if isinstance(term, Sum) else (term,):
            if isinstance(part, Num):
                constant += part.value
            else:
                flat.append(part)
    if not flat:
        return Num(constant)
    if constant:
        # A positive number first, so that 1 − y does not read −y + 1.
        flat.insert(0 if flat[0].negated else len(flat), Num(constant))
    return flat[0] if len(flat) == 1 else Sum(flat)


def multiply(*factors: Expr) -> Expr:
    """The product: numbers gathered at the front, products within products opened."""
    number = 1.0
    flat: list[Expr] = []
    for factor in factors:
        if isinstance(factor, Num):
            number *= factor.value
        elif isinstance(factor, Product):
            number *= factor.factor
            flat += factor.factors
        else:
            flat.append(factor)
    if not flat:
        return Num(number)
    if len(flat) == 1 and isinstance(flat[0], Quotient) and isinstance(flat[0].x, Num):
        return Quotient(Num(number * flat[0].x.value), flat[0].y)  # −(2 / x) reads as −2 / x
    return flat[0] if number == 1.0 and len(flat) == 1 else Product(number, flat)


def divide(x: Expr, y: Expr) -> Expr:
    """The quotient; by a power of two, which is exact, as a product."""
    if isinstance(y, Num) and y.value and not isinstance(x, Num):
        inverse = 1.0 / y.value
        if inverse * y.value == 1.0 and abs(frexp(y.value)[0]) == 0.5:
            return multiply(Num(inverse), x)
    if isinstance(x, Num) and isinstance(y, Num) and y.value:
        return Num(x.value / y.value)
    if isinstance(x, Product) and x.factor != 1.0:
        return multiply(Num(x.factor), divide(multiply(*x.factors), y))
    return Quotient(x, y)


def power(x: Expr, exponent: Expr) -> Expr:
    """The power; x¹ is x."""
    if isinstance(exponent, Num) and exponent.value == 1.0:
        return x
    if isinstance(exponent, Num) and exponent.value == 0.0:
        return ONE
    return Power(x, exponent)


class Function(Expr):
    """One of the arithmetic's functions. code: how Python calls it; what NumPy lacks, a helper."""

    code: ClassVar[dict[str, str]] = {
        **{name: f"np.{name}" for name in ("exp", "log", "expm1", "log1p", "sqrt", "sin", "cos",
           "tan", "sinh", "cosh", "tanh", "hypot", "abs", "where", "heaviside",
           "maximum", "minimum")},
        "asin": "np.arcsin", "acos": "np.arccos", "atan": "np.arctan", "asinh": "np.arcsinh",
        "acosh": "np.arccosh", "atanh": "np.arctanh", "is_infinite": "np.isinf",
        "both": "np.logical_and", "equal": "np.equal",
    }  # fmt: skip

    def __init__(self, name: str, arguments: Sequence[Expr]) -> None:
        self.name, self.arguments = name, tuple(arguments)
        self.batch, self.size = joint(self.arguments)
        self.is_condition = name in ("both", "equal", "is_infinite")

    def parts(self) -> Sequence[Expr]:
        """The arguments."""
        return self.arguments

    def _write(self, form: Form) -> str:
        """The call; in a formula brackets of cases for where, and signs for some others."""
        inner = [argument.write(form) for argument in self.arguments]
        if form == "code":
            written = f"{self.code.get(self.name, self.name)}({', '.join(inner)})"
            if self.name == "where" and not any([*x.names()] for x in self.arguments[1:]):
                # Of numbers alone it would be of float64, or whole.
                for variable in self.names():
                    return f"{written}.astype({variable.code}.dtype)"
            return written
        if self.name == "where":
            return cases(inner[0], inner[1], inner[2], form)
        if self.name == "both":
            return both(inner, form)
        if self.name == "equal":
            return " = ".join(inner)
        if self.name == "abs":
            return f"|{inner[0]}|"
        return call(self.name, ", ".join(inner), form)


class Comparison(Expr):
    """A condition."""

    is_condition = True

    def __init__(self, sign: str, x: Expr, y: Expr) -> None:
        self.sign, self.x, self.y = sign, x, y
        self.batch, self.size = joint((x, y))

    def parts(self) -> Sequence[Expr]:
        """The two sides."""
        return (self.x, self.y)

    def _write(self, form: Form) -> str:
        """X < y."""
        sides = self.x.within(form, SUM), self.y.within(form, SUM)
        return f" {relation(self.sign, form)} ".join(sides)
