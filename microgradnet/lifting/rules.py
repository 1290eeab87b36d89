"""Operations and their derivative rules as formulas.

`algebra` is one more arithmetic: run in it, an operation's forward function or derivative rule
gives the formula that it computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from microgradnet import ops
from microgradnet.arithmetic import Arithmetic, Number, ieee
from microgradnet.lifting.formulas import (
    Expr,
    Form,
    Function,
    Name,
    Num,
    Variable,
    divide,
    expr,
    joint,
    latex_function,
    multiply,
    power,
)
from microgradnet.lifting.matrices import Share, Stack
from microgradnet.operation import Operation

__all__ = ["Apply", "Pull", "algebra", "trace"]


class Apply(Expr):
    """An operation of the table, entry by entry."""

    def __init__(self, op: Operation, operands: Sequence[Expr]) -> None:
        self.op, self.operands = op, tuple(operands)
        self.formula: Expr = trace(op, op.forward, self.operands)
        if op in _NUMPY:
            self.formula = Function(op.name, self.operands)
        elif op is ops.relu:
            self.formula = Function("maximum", (*self.operands, Num(0.0)))
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

    def in_code(self) -> Expr:
        """The formula, where code calls no function for it."""
        return self if self.called is not None else self.formula.in_code()

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
        self.formula: Expr = expr(products[k])
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
        self.batch, self.size = joint(operands)

    def write(self, form: Form) -> str:
        inner = ", ".join(x.write(form) for x in self.operands)
        name = "σ" if self.op.name == "sigmoid" else self.op.symbol.replace("ReLU", "relu")
        if form == "text":
            return f"{name}′({inner})"
        return rf"{latex_function(name.replace('σ', 'sigmoid'))}'\left({inner}\right)"


class _Algebra(Arithmetic):
    name = "formulas"
    pi = Num(3.141592653589793)

    def convert(self, x: Number) -> Expr:
        return expr(x)

    def where(self, condition: Any, x: Number, y: Number) -> Expr:
        return Function("where", (expr(condition), expr(x), expr(y)))

    def both(self, p: Any, q: Any) -> Any:
        return Function("both", (p, q))

    def equal(self, x: Number, y: Number) -> Any:
        return Function("equal", (expr(x), expr(y)))

    def log_sum_exp(self, xs: Sequence[Number]) -> Expr:
        return Function("log_sum_exp", (Stack(list(map(expr, xs))),))

    def softmax(self, xs: Sequence[Number]) -> tuple[Expr, ...]:
        stack = Stack(list(map(expr, xs)))
        return tuple(Share(stack, k) for k in range(len(xs)))

    def divide(self, x: Number, y: Number) -> Expr:
        return divide(expr(x), expr(y))

    def power(self, x: Number, y: Number) -> Expr:
        return power(expr(x), expr(y))


def _function(name: str) -> Any:
    def call(self: _Algebra, *arguments: Number) -> Expr:
        formulas = [expr(x) for x in arguments]
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
