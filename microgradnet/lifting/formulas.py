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
from fractions import Fraction
from typing import Any, ClassVar, NoReturn

__all__ = [
    "ATOM", "ONE", "POWER", "PRODUCT", "READABLE", "SIGN", "SUM", "Comparison", "Expr", "Form",
    "Function", "Name", "Num", "Power", "Product", "Sum", "Variable", "add", "divide", "expr",
    "joint", "latex_function", "more", "multiply", "power",
]  # fmt: skip

Form = str
"""How a formula is written: "code", "text" or "latex"."""

SUM, PRODUCT, SIGN, POWER, ATOM = range(5)  # how tightly what is outermost binds


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
        if e.binding >= least:
            return text
        return rf"\left({text}\right)" if form == "latex" else f"({text})"

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
        return add(self, expr(other))

    def __radd__(self, other: Any) -> Expr:
        return add(expr(other), self)

    def __sub__(self, other: Any) -> Expr:
        return add(self, multiply(Num(-1.0), expr(other)))

    def __rsub__(self, other: Any) -> Expr:
        return add(expr(other), multiply(Num(-1.0), self))

    def __mul__(self, other: Any) -> Expr:
        return multiply(self, expr(other))

    def __rmul__(self, other: Any) -> Expr:
        return multiply(expr(other), self)

    def __truediv__(self, other: Any) -> Expr:
        return divide(self, expr(other))

    def __rtruediv__(self, other: Any) -> Expr:
        return divide(expr(other), self)

    def __pow__(self, other: Any) -> Expr:
        return power(self, expr(other))

    def __rpow__(self, other: Any) -> Expr:
        return power(expr(other), self)

    def __neg__(self) -> Expr:
        return multiply(Num(-1.0), self)

    def __abs__(self) -> Expr:
        return Function("abs", (self,))

    def __lt__(self, other: Any) -> Expr:
        return Comparison("<", self, expr(other))

    def __le__(self, other: Any) -> Expr:
        return Comparison("<=", self, expr(other))

    def __gt__(self, other: Any) -> Expr:
        return Comparison(">", self, expr(other))

    def __ge__(self, other: Any) -> Expr:
        return Comparison(">=", self, expr(other))

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a rule that branches on a number in Python has no formula: write m.where(condition, "
            "x, y) in place of if, min and max"
        )

    __float__ = __int__ = __bool__


def expr(x: Any) -> Expr:
    """A formula, or the formula of a number."""
    return x if isinstance(x, Expr) else Num(float(x))


def joint(parts: Sequence[Expr]) -> tuple[bool, int]:
    """Whether any part differs between examples, and the size of the longest."""
    return any(part.batch for part in parts), max((part.size for part in parts), default=1)


class Num(Expr):
    """A number."""

    batch, size = False, 1

    def __init__(self, value: float) -> None:
        self.value = value
        self.binding = SIGN if value < 0 or str(value).startswith("-") else ATOM

    def split(self) -> tuple[float, Expr]:
        """The number, and 1."""
        return self.value, ONE

    def _write(self, form: Form) -> str:
        """A short decimal where the formula is for reading, every digit where it runs."""
        if form == "code":
            return _python_float(self.value)
        if self.value == 0.5:
            return "½" if form == "text" else r"\tfrac{1}{2}"
        written = f"{self.value:.6g}"
        return written.replace("-", "−") if form == "text" else written


def _python_float(x: float) -> str:
    """A float as Python source; whole numbers without a point, which meet floats as floats."""
    if x != x or x in (float("inf"), float("-inf")):
        return {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}[str(x)]
    whole = x.is_integer() and abs(x) < 1e6 and str(x) != "-0.0"
    return str(int(x)) if whole else repr(x)


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
READABLE = 8
"""Of more terms or operands all but these are only counted where a formula is to be read."""


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
        left_out = len(self.terms) - READABLE if form != "code" else 0
        first, *terms = (
            self.terms if left_out <= 1 else (*self.terms[: READABLE - 1], self.terms[-1])
        )
        written = [first.write(form)]
        minus = "−" if form == "text" else "-"
        for term in terms:
            sign, rest = _sign(term.opened(form))
            written.append(f" {minus if sign < 0 else '+'} {rest.within(form, PRODUCT)}")
        if left_out > 1:
            written.insert(-1, f" + {more(left_out, form)}")
        return "".join(written)


def more(n: int, form: Form) -> str:
    """What stands for n parts that are left out where a formula is to be read."""
    return f"… ({n} more)" if form == "text" else rf"\cdots\;(\text{{{n} more}})"


def _sign(term: Expr) -> tuple[int, Expr]:
    """A term's sign, and the term without it."""
    factor, rest = term.split()
    return (-1, multiply(Num(-factor), rest)) if factor < 0 else (1, term)


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
        if self.factor == -1.0:
            written = "−" if form == "text" else "-"
        elif self.factor != 1.0:
            written = Num(self.factor).write(form)
            written += {"code": " * ", "text": " ", "latex": r"\,"}[form]
        for k, factor in enumerate(self.factors):
            if k:
                vectors = factor.size > 1 and self.factors[k - 1].size > 1
                written += {
                    "code": " * ",
                    "text": " ⊙ " if vectors else " ",
                    "latex": r" \odot " if vectors else r"\,",
                }[form]
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
        return (self.x, self.y)

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
            base = rf"\left({base}\right)"
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
        flat.insert(0 if _sign(flat[0])[0] < 0 else len(flat), Num(constant))
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
    return flat[0] if number == 1.0 and len(flat) == 1 else Product(number, flat)


def divide(x: Expr, y: Expr) -> Expr:
    """The quotient; by a power of two, which is exact, as a product."""
    if isinstance(y, Num) and y.value and not isinstance(x, Num):
        inverse = 1.0 / y.value
        if Fraction(inverse) * Fraction(y.value) == 1:
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

    def parts(self) -> Sequence[Expr]:
        """The arguments."""
        return self.arguments

    def _write(self, form: Form) -> str:
        """The call; in a formula σ for sigmoid, brackets of cases for where."""
        inner = [argument.write(form) for argument in self.arguments]
        if form == "code":
            written = f"{self.code.get(self.name, self.name)}({', '.join(inner)})"
            if self.name == "where" and not any(
                True for x in self.arguments[1:] for _ in x.names()
            ):
                # Of numbers alone it would be of float64, or whole.
                for variable in self.arguments[0].names():
                    return f"{written}.astype({variable.code}.dtype)"
            return written
        if self.name == "where":
            return _cases(inner[0], inner[1], inner[2], form)
        if self.name in ("both", "equal"):
            return (" and " if self.name == "both" else " = ").join(inner)
        if self.name == "abs":
            return f"|{inner[0]}|"
        name = "σ" if self.name == "sigmoid" else self.name
        if form == "text":
            return f"{name}({', '.join(inner)})"
        return rf"{latex_function(self.name)}\left({', '.join(inner)}\right)"


def _cases(condition: str, x: str, y: str, form: Form) -> str:
    if form == "text":
        return f"({x} if {condition}, else {y})"
    return rf"\begin{{cases}} {x} & {condition} \\ {y} & \text{{else}} \end{{cases}}"


def latex_function(name: str) -> str:
    """A function's name in LaTeX."""
    known = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"}
    if name == "sigmoid":
        return r"\sigma"
    return "\\" + name if name in known else rf"\operatorname{{{name.replace('_', ' ')}}}"


class Comparison(Expr):
    """A condition."""

    binding = SUM - 1

    def __init__(self, sign: str, x: Expr, y: Expr) -> None:
        self.sign, self.x, self.y = sign, x, y
        self.batch, self.size = joint((x, y))

    def parts(self) -> Sequence[Expr]:
        """The two sides."""
        return (self.x, self.y)

    def _write(self, form: Form) -> str:
        """X < y."""
        sign = self.sign
        if form != "code":
            sign = {"<=": "≤" if form == "text" else r"\le",
                    ">=": "≥" if form == "text" else r"\ge"}.get(sign, sign)  # fmt: skip
        return f"{self.x.within(form, SUM)} {sign} {self.y.within(form, SUM)}"
