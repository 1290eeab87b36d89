"""Formulas over vectors: what a program computes, to be written as Python, as text or as LaTeX.

An expression stands for the vector of one example, or for a vector that no example changes
(`batch` False). As Python it is an array whose rows are examples, so that W a is written a @ W.T;
as text and LaTeX it is the formula of one example, as the equations have it. A formula simplifies
while it is built: 1·u is u, and ½·2·u too.

`algebra` is one more arithmetic: run in it, an operation's forward function or derivative rule
gives the formula that it computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, NoReturn

from microgradnet import ops
from microgradnet.arithmetic import Arithmetic, Number, ieee
from microgradnet.operation import Operation

__all__ = [
    "ONE", "Apply", "BatchTotal", "Expr", "Form", "Function", "Index", "MatVec", "Name", "Num",
    "Outer", "Place", "Power", "Product", "Pull", "RowFunction", "Rows", "Spread", "SquaredNorm",
    "Sum", "Total", "TransposedMatVec", "Variable", "add", "multiply", "power", "trace",
]  # fmt: skip

Form = str
"""How a formula is written: "code", "text" or "latex"."""

_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(5)  # how tightly what is outermost binds


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


class Expr:
    """A formula. batch: whether it differs between examples; size: how many entries it has."""

    batch: bool
    size: int
    binding: int = _ATOM

    def write(self, form: Form) -> str:
        """The formula."""
        raise AssertionError(f"{type(self).__name__} is a formula that cannot be written")

    def parts(self) -> Sequence[Expr]:
        """The formulas that it is made of, as they are written in Python."""
        return ()

    def split(self) -> tuple[float, Expr]:
        """The number it is multiplied by, and the rest."""
        return 1.0, self

    def resolved(self) -> Expr:
        """The formula that is written in its place in code."""
        return self

    @property
    def negated(self) -> bool:
        """Whether a minus stands before it."""
        return self.split()[0] < 0

    def within(self, form: Form, least: int) -> str:
        """The formula, in brackets where it binds less tightly."""
        text = self.write(form)
        if self.binding >= least:
            return text
        return rf"\left({text}\right)" if form == "latex" else f"({text})"

    def names(self) -> Iterator[Variable]:
        """Every variable in it, as often as it stands there."""
        for part in self.parts():
            yield from part.names()

    def __add__(self, other: Any) -> Expr:
        return add(self, _expr(other))

    def __radd__(self, other: Any) -> Expr:
        return add(_expr(other), self)

    def __sub__(self, other: Any) -> Expr:
        return add(self, multiply(Num(-1.0), _expr(other)))

    def __rsub__(self, other: Any) -> Expr:
        return add(_expr(other), multiply(Num(-1.0), self))

    def __mul__(self, other: Any) -> Expr:
        return multiply(self, _expr(other))

    def __rmul__(self, other: Any) -> Expr:
        return multiply(_expr(other), self)

    def __truediv__(self, other: Any) -> Expr:
        return divide(self, _expr(other))

    def __rtruediv__(self, other: Any) -> Expr:
        return divide(_expr(other), self)

    def __pow__(self, other: Any) -> Expr:
        return power(self, _expr(other))

    def __rpow__(self, other: Any) -> Expr:
        return power(_expr(other), self)

    def __neg__(self) -> Expr:
        return multiply(Num(-1.0), self)

    def __abs__(self) -> Expr:
        return Function("abs", (self,))

    def __lt__(self, other: Any) -> Expr:
        return Comparison("<", self, _expr(other))

    def __le__(self, other: Any) -> Expr:
        return Comparison("<=", self, _expr(other))

    def __gt__(self, other: Any) -> Expr:
        return Comparison(">", self, _expr(other))

    def __ge__(self, other: Any) -> Expr:
        return Comparison(">=", self, _expr(other))

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a rule that branches on a number in Python has no formula: write m.where(condition, "
            "x, y) in place of if, min and max"
        )

    __float__ = __int__ = __bool__


def _expr(x: Any) -> Expr:
    return x if isinstance(x, Expr) else Num(float(x))


def _joint(parts: Sequence[Expr]) -> tuple[bool, int]:
    return any(part.batch for part in parts), max((part.size for part in parts), default=1)


class Num(Expr):
    """A number."""

    batch, size = False, 1

    def __init__(self, value: float) -> None:
        self.value = value
        self.binding = _SIGN if value < 0 or str(value).startswith("-") else _ATOM

    def split(self) -> tuple[float, Expr]:
        """The number, and 1."""
        return self.value, ONE

    def write(self, form: Form) -> str:
        """A short decimal where the formula is for reading, every digit where it runs."""
        if form == "code":
            return python_float(self.value)
        if self.value == 0.5:
            return "½" if form == "text" else r"\tfrac{1}{2}"
        return f"{self.value:.6g}"


def python_float(x: float) -> str:
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

    @property
    def _formula(self) -> Expr | None:
        return self.variable.formula if self.variable.inlined else None

    def resolved(self) -> Expr:
        """Of an inlined variable, its formula's."""
        return self if self._formula is None else self._formula.resolved()

    def within(self, form: Form, least: int) -> str:
        """What binds is the formula where it is inlined."""
        formula = self._formula
        return super().within(form, least) if formula is None else formula.within(form, least)

    def write(self, form: Form) -> str:
        """Its name, or its formula."""
        if self._formula is not None:
            return self._formula.write(form)
        v = self.variable
        return v.code if form == "code" else v.name if form == "text" else v.latex

    def names(self) -> Iterator[Variable]:
        """The variable, or those of its formula."""
        if self._formula is not None:
            yield from self._formula.names()
        else:
            yield self.variable


class Index(Expr):
    """Entries of a vector: a slice, or a constant vector of places, which code has by its name."""

    def __init__(self, vector: Expr, index: slice | str, size: int, shown: str) -> None:
        self.vector, self.index, self.shown = vector, index, shown
        self.batch, self.size = vector.batch, size

    def parts(self) -> Sequence[Expr]:
        """The vector."""
        return (self.vector,)

    def write(self, form: Form) -> str:
        """Python's brackets, counted from 0; in a formula the entries' numbers from 1."""
        inner = self.vector.within(form, _ATOM)
        if form == "code":
            where = self.index if isinstance(self.index, str) else _slice(self.index)
            return f"{inner}[:, {where}]" if self.batch else f"{inner}[{where}]"
        return f"{inner}[{self.shown}]" if form == "text" else rf"{inner}_{{{self.shown}}}"


def _slice(index: slice) -> str:
    return f"{index.start}:{index.stop}"


class Spread(Expr):
    """The same single entry n times, where as many are needed."""

    def __init__(self, single: Expr, size: int) -> None:
        self.single, self.batch, self.size = single, single.batch, size

    def parts(self) -> Sequence[Expr]:
        """The single entry."""
        return (self.single,)

    def write(self, form: Form) -> str:
        """As it is, for addition and the like spread it by themselves; in code, repeated."""
        inner = self.single.write(form)
        if form != "code":
            return inner
        if isinstance(self.single, Num):
            return f"np.full({self.size}, {inner}, p.dtype)"
        return f"np.repeat({inner}, {self.size}, axis=-1)"

    def within(self, form: Form, least: int) -> str:
        """In a formula what binds is the entry."""
        return self.write(form) if form == "code" else self.single.within(form, least)


_MANY = 50
"""So many terms make a sum a call of `sum`."""


class Sum(Expr):
    """Terms added up, entry by entry."""

    binding = _SUM

    def __init__(self, terms: Sequence[Expr]) -> None:
        self.terms = tuple(terms)
        self.batch, self.size = _joint(self.terms)

    def parts(self) -> Sequence[Expr]:
        """The terms."""
        return self.terms

    def write(self, form: Form) -> str:
        """The terms with their signs between them."""
        if form == "code" and len(self.terms) > _MANY:  # deeper than Python's compiler goes
            return f"sum([{', '.join(term.write(form) for term in self.terms)}])"
        written = self.terms[0].write(form)
        minus = "-" if form != "text" else "−"
        for term in self.terms[1:]:
            sign, rest = _sign(term)
            inner = rest.within(form, _PRODUCT)
            written += f" {minus if sign < 0 else '+'} {inner}"
        return written


def _sign(term: Expr) -> tuple[int, Expr]:
    """A term's sign, and the term without it."""
    factor, rest = term.split()
    return (-1, multiply(Num(-factor), rest)) if factor < 0 else (1, term)


class Product(Expr):
    """A number times factors, entry by entry."""

    binding = _PRODUCT

    def __init__(self, factor: float, factors: Sequence[Expr]) -> None:
        self.factor, self.factors = factor, tuple(factors)
        self.batch, self.size = _joint(self.factors)
        if factor == -1.0:
            self.binding = _SIGN if len(self.factors) == 1 else _PRODUCT

    def parts(self) -> Sequence[Expr]:
        """The factors."""
        return self.factors

    def split(self) -> tuple[float, Expr]:
        """The number, and the product of the factors."""
        return self.factor, multiply(*self.factors)

    def write(self, form: Form) -> str:
        """The number, and ⊙ between vectors."""
        # A product of vectors is taken entry by entry, which ⊙ says where both are longer than 1.
        written = ""
        if self.factor == -1.0:
            written = "-" if form != "text" else "−"
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
            last = k == len(self.factors) - 1
            written += factor.within(form, _SIGN if last else _POWER)
        return written


class _Quotient(Expr):
    binding = _PRODUCT

    def __init__(self, x: Expr, y: Expr) -> None:
        self.x, self.y = x, y
        self.batch, self.size = _joint((x, y))

    def parts(self) -> Sequence[Expr]:
        return (self.x, self.y)

    def write(self, form: Form) -> str:
        if form == "latex":
            return rf"\frac{{{self.x.write(form)}}}{{{self.y.write(form)}}}"
        return f"{self.x.within(form, _PRODUCT)} / {self.y.within(form, _SIGN)}"


class Power(Expr):
    """A power."""

    binding = _POWER

    def __init__(self, x: Expr, exponent: Expr) -> None:
        self.x, self.exponent = x, exponent
        self.batch, self.size = _joint((x, exponent))

    def parts(self) -> Sequence[Expr]:
        """Base and exponent."""
        return (self.x, self.exponent)

    def write(self, form: Form) -> str:
        """xⁿ."""
        if form == "code":
            if isinstance(self.x, Num):  # an int to a negative power would be refused
                return f"np.power({self.x.value!r}, {self.exponent.write(form)})"
            return f"{self.x.within(form, _ATOM)} ** {self.exponent.within(form, _ATOM)}"
        base = self.x.within(form, _ATOM)
        exponent = self.exponent.write(form)
        if form == "latex":
            return rf"{{{base}}}^{{{exponent}}}"
        if isinstance(self.exponent, Num) and exponent in ("2", "3"):
            return base + {"2": "²", "3": "³"}[exponent]
        return f"{base}^{self.exponent.within(form, _ATOM)}"


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
    return _Quotient(x, y)


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
        self.batch, self.size = _joint(self.arguments)

    def parts(self) -> Sequence[Expr]:
        """The arguments."""
        return self.arguments

    def write(self, form: Form) -> str:
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
        return rf"{_latex_function(self.name)}\left({', '.join(inner)}\right)"


def _cases(condition: str, x: str, y: str, form: Form) -> str:
    if form == "text":
        return f"({x} if {condition}, else {y})"
    return rf"\begin{{cases}} {x} & {condition} \\ {y} & \text{{else}} \end{{cases}}"


def _latex_function(name: str) -> str:
    known = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"}
    if name == "sigmoid":
        return r"\sigma"
    return "\\" + name if name in known else rf"\operatorname{{{name.replace('_', ' ')}}}"


class Comparison(Expr):
    """A condition."""

    binding = _SUM - 1

    def __init__(self, sign: str, x: Expr, y: Expr) -> None:
        self.sign, self.x, self.y = sign, x, y
        self.batch, self.size = _joint((x, y))

    def parts(self) -> Sequence[Expr]:
        """The two sides."""
        return (self.x, self.y)

    def write(self, form: Form) -> str:
        """X < y."""
        sign = self.sign
        if form != "code":
            sign = {"<=": "≤" if form == "text" else r"\le",
                    ">=": "≥" if form == "text" else r"\ge"}.get(sign, sign)  # fmt: skip
        return f"{self.x.within(form, _SUM)} {sign} {self.y.within(form, _SUM)}"


class Apply(Expr):
    """An operation of the table, entry by entry."""

    def __init__(self, op: Operation, operands: Sequence[Expr]) -> None:
        self.op, self.operands = op, tuple(operands)
        self.formula: Expr = trace(op, op.forward, self.operands)
        if op in _NUMPY:
            self.formula = Function(op.name, self.operands)
        self.batch, self.size = self.formula.batch, self.formula.size
        self.called: str | None = None
        """The function that code calls for it, if it has one."""
        if not (self._has_own_notation or isinstance(self.formula, Num)):
            self.binding = self.formula.binding

    @property
    def _has_own_notation(self) -> bool:
        return isinstance(self.op.text, str) and "(" in self.op.text and len(self.operands) < 3

    def parts(self) -> Sequence[Expr]:
        """The formula that the forward function has in the algebra."""
        return (self.formula,)

    def resolved(self) -> Expr:
        """The formula, where code calls no function for it."""
        return self if self.called is not None else self.formula.resolved()

    def within(self, form: Form, least: int) -> str:
        """In code what binds is the formula."""
        if form == "code" and self.called is None:
            return self.formula.within(form, least)
        return self.write(form) if form == "code" else super().within(form, least)

    def write(self, form: Form) -> str:
        """In code the formula; else the operation's own notation, where it is a function's."""
        if form == "code" and self.called is not None:
            return f"{self.called}({self.operands[0].write(form)})"
        if form == "code" or not self._has_own_notation:
            return self.formula.write(form)
        if self.op.name == "xlogy":
            return multiply(self.operands[0], Function("log", self.operands[1:])).write(form)
        inner = [operand.write(form) for operand in self.operands]
        if form == "text" and len(inner) == 1:
            name = "σ" if self.op.name == "sigmoid" else self.op.name
            return f"{name}({inner[0]})"
        written: str = self.op.write(*inner, latex=form == "latex")
        return written


class Pull(Expr):
    """What an operation's rule passes on to its k-th operand: g·∂y/∂xₖ.

    In code it is the formula that the rule has in the algebra. As text, of a function of one
    variable operand, g ⊙ f′(x).
    """

    def __init__(self, op: Operation, k: int, g: Expr, out: Expr, operands: Sequence[Expr]) -> None:
        self.op, self.k, self.g, self.operands = op, k, g, tuple(operands)
        products = trace(op, op.vjp, (g, out, *operands))
        self.formula: Expr = _expr(products[k])
        if op is ops.maximum and isinstance(g, Num) and isinstance(operands[1 - k], Num):
            # max(c, x) at a tie has slope ½, as a step has height ½ where it rises.
            step = Function("heaviside", (operands[k] - operands[1 - k], Num(0.5)))
            self.formula = multiply(g, step)
        self.slope: Variable | None = None
        """f′(x) where the forward pass has computed it along with f(x)."""
        self.called: tuple[str, str] | None = None
        """The function that code calls for it, and for which of g, y and x: "gx"."""
        self.out = out
        self.batch, self.size = self.formula.batch, self.formula.size  # it may leave some out
        variable = [x for x in operands if not isinstance(x, Num)]
        self.primed = len(variable) == 1 and op.name not in _READ_AS_FORMULA
        self.binding = self._written("text").binding

    def parts(self) -> Sequence[Expr]:
        """The formula."""
        return (self.formula,)

    def split(self) -> tuple[float, Expr]:
        """Of a formula written out, the number it is multiplied by."""
        return (1.0, self) if self.primed else self.formula.split()

    def _written(self, form: Form) -> Expr:
        if form == "code" and self.slope is not None:
            return multiply(self.g, Name(self.slope))
        if form == "code" or not self.primed:
            return self.formula
        return multiply(self.g, _Prime(self.op, self.operands))

    def within(self, form: Form, least: int) -> str:
        """What binds is what is written."""
        if form == "code" and self.called is not None and self.slope is None:
            return self.write(form)
        return self._written(form).within(form, least)

    def write(self, form: Form) -> str:
        """The formula, or g ⊙ f′(x)."""
        if form == "code" and self.called is not None and self.slope is None:
            name, letters = self.called
            given = {"g": self.g, "y": self.out, "x": self.operands[0]}
            return f"{name}({', '.join(given[x].write(form) for x in letters)})"
        return self._written(form).write(form)


_NUMPY = {ops.maximum, ops.minimum}
"""Operations that NumPy has, while their forward functions are written with `where`."""

_READ_AS_FORMULA = {"power_constant", "exp", "log", "log1p", "sqrt", "sin", "cos", "exponential"}


class _Prime(Expr):
    """f′(x), for reading; x may stand among numbers."""

    def __init__(self, op: Operation, operands: Sequence[Expr]) -> None:
        self.op, self.operands = op, operands
        self.batch, self.size = _joint(operands)

    def write(self, form: Form) -> str:
        inner = ", ".join(x.write(form) for x in self.operands)
        name = "σ" if self.op.name == "sigmoid" else self.op.symbol.replace("ReLU", "relu")
        if form == "text":
            return f"{name}′({inner})"
        return rf"{_latex_function(name.replace('σ', 'sigmoid'))}'\left({inner}\right)"


class MatVec(Expr):
    """The product W v."""

    binding = _PRODUCT

    def __init__(self, matrix: Variable, vector: Expr) -> None:
        self.matrix, self.vector = matrix, vector
        self.batch, self.size = vector.batch, matrix.rows or 1

    def parts(self) -> Sequence[Expr]:
        """The matrix and the vector."""
        return (Name(self.matrix), self.vector)

    def write(self, form: Form) -> str:
        """W v, with rows for examples v @ W.T."""
        matrix = Name(self.matrix).write(form)
        if form == "code":
            return f"{self.vector.within(form, _POWER)} @ {matrix}.T"
        return f"{matrix}{_gap(form)}{self.vector.within(form, _ATOM)}"


def _gap(form: Form) -> str:
    return " " if form == "text" else r"\,"


class TransposedMatVec(Expr):
    """The product Wᵀ v."""

    binding = _PRODUCT

    def __init__(self, matrix: Variable, vector: Expr) -> None:
        self.matrix, self.vector = matrix, vector
        self.batch, self.size = vector.batch, matrix.size

    def parts(self) -> Sequence[Expr]:
        """The matrix and the vector."""
        return (Name(self.matrix), self.vector)

    def write(self, form: Form) -> str:
        """Wᵀ v, with rows for examples v @ W."""
        matrix = Name(self.matrix).write(form)
        if form == "code":
            return f"{self.vector.within(form, _POWER)} @ {matrix}"
        transposed = f"{matrix}ᵀ" if form == "text" else rf"({matrix})^{{\mathsf T}}"
        return f"{transposed}{_gap(form)}{self.vector.within(form, _ATOM)}"


class Outer(Expr):
    """The matrix u vᵀ, summed over the examples."""

    binding = _PRODUCT
    batch = False

    def __init__(self, u: Expr, v: Expr, rows: int, columns: int) -> None:
        self.u, self.v, self.size, self.rows = u, v, columns, rows

    def parts(self) -> Sequence[Expr]:
        """The two vectors."""
        return (self.u, self.v)

    def write(self, form: Form) -> str:
        """U vᵀ, with rows for examples u.T @ v."""
        if form == "code":
            if self.u.batch and self.v.batch:
                return f"{self.u.within(form, _ATOM)}.T @ {self.v.within(form, _POWER)}"
            u, v = (
                f"{x.within(form, _ATOM)}.sum(axis=0)" if x.batch else x.write(form)
                for x in (self.u, self.v)
            )
            count = "" if self.u.batch or self.v.batch else "m * "
            return f"{count}np.outer({u}, {v})"
        v = self.v.within(form, _ATOM)
        transposed = f"{v}ᵀ" if form == "text" else rf"({v})^{{\mathsf T}}"
        return f"{self.u.within(form, _ATOM)}{_gap(form)}{transposed}"


class Total(Expr):
    """The sum Σ over the entries."""

    size = 1
    binding = _SIGN

    def __init__(self, vector: Expr) -> None:
        self.vector, self.batch = vector, vector.batch

    def within(self, form: Form, least: int) -> str:
        """In code it is a call."""
        return self.write(form) if form == "code" else super().within(form, least)

    def parts(self) -> Sequence[Expr]:
        """The vector."""
        return (self.vector,)

    def write(self, form: Form) -> str:
        """Σ v."""
        if form == "code":
            v = self.vector.resolved()
            if isinstance(v, Power) and v.batch and v.exponent.split()[0] == 2.0:
                return f"squares({v.x.write(form)})"
            axis = "axis=1, " if self.batch else ""
            return f"{self.vector.within(form, _ATOM)}.sum({axis}keepdims=True)"
        sign = "Σ " if form == "text" else r"\sum "
        return sign + self.vector.within(form, _PRODUCT)


class BatchTotal(Expr):
    """The sum over the examples; a formula, being for one example, does not speak of it."""

    batch = False

    def __init__(self, vector: Expr) -> None:
        self.vector, self.size = vector, vector.size
        self.binding = vector.binding if vector.batch else _PRODUCT

    def parts(self) -> Sequence[Expr]:
        """The vector."""
        return (self.vector,)

    def within(self, form: Form, least: int) -> str:
        """In a formula what binds is the vector."""
        return super().within(form, least) if form == "code" else self.vector.within(form, least)

    def write(self, form: Form) -> str:
        """In code the sum of the rows, or m times what all examples have in common."""
        if form != "code":
            return self.vector.write(form)
        if self.vector.batch:
            return f"{self.vector.within(form, _ATOM)}.sum(axis=0)"
        if isinstance(self.vector, Num) and self.vector.value == 1.0:
            return "m"
        return f"m * {self.vector.within(form, _POWER)}"


class SquaredNorm(Expr):
    """The sum of the squares of a parameter's entries."""

    size = 1
    batch = False

    def __init__(self, variable: Variable) -> None:
        self.variable = variable

    def parts(self) -> Sequence[Expr]:
        """The parameter."""
        return (Name(self.variable),)

    def write(self, form: Form) -> str:
        """‖W‖²."""
        name = Name(self.variable).write(form)
        if form == "code":
            return f"np.square({name}).sum()"
        return f"‖{name}‖²" if form == "text" else rf"\left\|{name}\right\|^2"


class Rows(Expr):
    """Entries of a vector in R rows of K; each row will be reduced, or made a softmax of its own.

    As Python an array whose last axis runs along the rows.
    """

    def __init__(self, vector: Expr, index: str | None, rows: int, columns: int) -> None:
        self.vector, self.index, self.rows, self.columns = vector, index, rows, columns
        self.batch, self.size = vector.batch, rows * columns

    def parts(self) -> Sequence[Expr]:
        """The vector."""
        return (self.vector,)

    def write(self, form: Form) -> str:
        """In code indexed; in a formula the vector."""
        if form != "code":
            return self.vector.write(form)
        inner = self.vector.within(form, _ATOM)
        lead = ":, " if self.batch else ""
        return f"{inner}[{lead}{'None' if self.index is None else self.index}]"


class RowFunction(Expr):
    """A function along rows: `softmax` keeps their entries, `log_sum_exp` and `dot` reduce them.

    pick: of a softmax of several rows the code's name of the places of the entries wanted.
    """

    def __init__(self, name: str, rows: Sequence[Expr], size: int, pick: str | None = None) -> None:
        self.name, self.rows, self.size, self.pick = name, tuple(rows), size, pick
        self.batch = any(row.batch for row in rows)

    def parts(self) -> Sequence[Expr]:
        """The rows."""
        return self.rows

    def write(self, form: Form) -> str:
        """The call."""
        inner = ", ".join(row.write(form) for row in self.rows)
        if form == "latex":
            return rf"{_latex_function(self.name)}\left({inner}\right)"
        written = f"{self.name}({inner})"
        if form == "code" and self.pick is not None:
            lead = "m, " if self.batch else ""
            pick = f"[:, {self.pick}]" if self.batch else f"[{self.pick}]"
            return f"{written}.reshape({lead}-1){pick}"
        return written


class Stack(Expr):
    """Operands side by side, along a last axis of their own."""

    def __init__(self, operands: Sequence[Expr]) -> None:
        self.operands = tuple(operands)
        self.batch, self.size = _joint(self.operands)

    def parts(self) -> Sequence[Expr]:
        """The operands."""
        return self.operands

    def write(self, form: Form) -> str:
        """In code stacked; in a formula one behind the other."""
        inner = ", ".join(operand.write(form) for operand in self.operands)
        return f"stacked({inner})" if form == "code" else inner


class Share(Expr):
    """One component of the softmax of operands."""

    def __init__(self, stack: Stack, k: int) -> None:
        self.stack, self.k, self.batch, self.size = stack, k, stack.batch, stack.size

    def parts(self) -> Sequence[Expr]:
        """The operands."""
        return (self.stack,)

    def write(self, form: Form) -> str:
        """In code counted from 0, in a formula from 1."""
        inner = self.stack.write(form)
        if form == "code":
            return f"softmax({inner})[..., {self.k}]"
        if form == "text":
            return f"softmax({inner})[{self.k + 1}]"
        return rf"\operatorname{{softmax}}\left({inner}\right)_{{{self.k + 1}}}"


class Place(Expr):
    """A vector of n entries put together from pieces, each added in at its places; else 0."""

    def __init__(self, size: int, pieces: Sequence[tuple[slice | str, str, Expr]]) -> None:
        self.pieces, self.size = tuple(pieces), size
        self.batch = any(piece.batch for _, _, piece in pieces)

    def parts(self) -> Sequence[Expr]:
        """The pieces."""
        return tuple(piece for _, _, piece in self.pieces)

    def write(self, form: Form) -> str:
        """In code a helper that adds the pieces in; in a formula the pieces with their places."""
        if form == "code":
            lead = "m, " if self.batch else ""
            pieces = ", ".join(
                f"({_slice_code(index)}, {piece.write(form)})" for index, _, piece in self.pieces
            )
            return f"placed(({lead}{self.size},), p.dtype, {pieces})"
        return " + ".join(
            f"[{piece.write(form)} at {shown}]" if form == "text"
            else rf"\left[{piece.write(form)}\right]_{{{shown}}}"
            for _, shown, piece in self.pieces
        )  # fmt: skip


def _slice_code(index: slice | str) -> str:
    return index if isinstance(index, str) else f"slice({index.start}, {index.stop})"


class _Algebra(Arithmetic):
    name = "formulas"
    pi = Num(3.141592653589793)

    def convert(self, x: Number) -> Expr:
        return _expr(x)

    def where(self, condition: Any, x: Number, y: Number) -> Expr:
        return Function("where", (_expr(condition), _expr(x), _expr(y)))

    def both(self, p: Any, q: Any) -> Any:
        return Function("both", (p, q))

    def equal(self, x: Number, y: Number) -> Any:
        return Function("equal", (_expr(x), _expr(y)))

    def log_sum_exp(self, xs: Sequence[Number]) -> Expr:
        return Function("log_sum_exp", (Stack(list(map(_expr, xs))),))

    def softmax(self, xs: Sequence[Number]) -> tuple[Expr, ...]:
        stack = Stack(list(map(_expr, xs)))
        return tuple(Share(stack, k) for k in range(len(xs)))

    def divide(self, x: Number, y: Number) -> Expr:
        return divide(_expr(x), _expr(y))

    def power(self, x: Number, y: Number) -> Expr:
        return power(_expr(x), _expr(y))


def _function(name: str) -> Any:
    def call(self: _Algebra, *arguments: Number) -> Expr:
        formulas = [_expr(x) for x in arguments]
        if all(isinstance(x, Num) for x in formulas):
            return Num(float(getattr(ieee, name)(*(x.split()[0] for x in formulas))))
        return Function(name, formulas)

    return call


for _name in (
    "is_infinite", "damped", "abs", "hypot", "exp", "log", "expm1", "log1p", "sqrt", "sin", "cos",
    "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc",
    "sigmoid", "softplus", "xlogy",
):  # fmt: skip
    setattr(_Algebra, _name, _function(_name))
_Algebra.__abstractmethods__ = frozenset()

algebra = _Algebra()  # type: ignore[abstract]


def trace(op: Operation, rule: Any, operands: Sequence[Expr]) -> Any:
    """What the rule gives on formulas; TypeError names an operation that has none."""
    try:
        return rule(algebra, *operands)
    except TypeError as error:
        raise TypeError(f"{op.name} cannot be lifted: {error}") from error
