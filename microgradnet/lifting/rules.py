"""Operations and their derivative rules as formulas.

`algebra` is one more arithmetic: run in it, an operation's forward function or derivative rule
gives the formula that it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from microgradnet import ops
from microgradnet.arithmetic import PRIMITIVES, Arithmetic, Number, ieee
from microgradnet.lifting.entries import Share, Stack
from microgradnet.lifting.forms import Form, latex_function
from microgradnet.lifting.formulas import (
    Expr,
    Function,
    Name,
    Num,
    Variable,
    divide,
    expr,
    formula,
    joint,
    multiply,
    power,
)
from microgradnet.notation import function_name
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

    @property
    def _has_own_notation(self) -> bool:
        if isinstance(self.formula, Share):  # there components are counted from 1
            return False
        return isinstance(self.op.text, str) and "(" in self.op.text and len(self.operands) < 3

    def parts(self) -> Sequence[Expr]:
        """The formula that the forward function has in the algebra."""
        return (self.formula,)

    def opened(self, form: Form) -> Expr:
        """The formula, where code calls no function for it, and reading has no notation for it."""
        if form == "code":
            return self if self.called is not None else self.formula.opened(form)
        if self.op.name == "xlogy":
            return multiply(self.operands[0], Function("log", self.operands[1:])).opened(form)
        return self if self._has_own_notation else self.formula.opened(form)

    def _write(self, form: Form) -> str:
        inner = [operand.write(form) for operand in self.operands]
        if form == "code":
            return f"{self.called}({inner[0]})"
        if form == "text" and len(inner) == 1:
            name = function_name(self.op.name)
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
        products = trace(op, op.rule, (g, out, *operands))
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

    def parts(self) -> Sequence[Expr]:
        """The formula."""
        return (self.formula,)

    def opened(self, form: Form) -> Expr:
        """The formula, or g ⊙ f′(x)."""
        if form == "code" and self.slope is not None:
            return multiply(self.g, Name(self.slope))
        if form == "code" and self.called is not None:
            return self
        if form == "code" or not self.primed:
            return self.formula.opened(form)
        return multiply(self.g, _Prime(self.op, self.operands)).opened(form)

    def _write(self, form: Form) -> str:
        assert self.called is not None
        name, letters = self.called
        given = {"g": self.g, "y": self.out, "x": self.operands[0]}
        return f"{name}({', '.join(given[x].write(form) for x in letters)})"


_NUMPY = {ops.maximum, ops.minimum}
"""Operations that NumPy has, while their forward functions are written with `where`."""

_READ_AS_FORMULA = {"power_constant", "exp", "log", "log1p", "sqrt", "sin", "cos", "exponential"}


class _Prime(Expr):
    """f′(x), for reading; x may stand among numbers."""

    def __init__(self, op: Operation, operands: Sequence[Expr]) -> None:
        self.op, self.operands = op, operands
        self.batch, self.size = joint(operands)

    def _write(self, form: Form) -> str:
        inner = ", ".join(x.write(form) for x in self.operands)
        name = self.op.symbol.replace("ReLU", "relu")
        if form == "text":
            return f"{function_name(name)}′({inner})"
        return rf"{latex_function(name)}'\left({inner}\right)"


def _function(name: str) -> Callable[..., Expr]:
    def call(*arguments: Number) -> Expr:
        formulas = [expr(x) for x in arguments]
        if all(isinstance(x, Num) for x in formulas):
            return Num(float(getattr(ieee, name)(*(x.split()[0] for x in formulas))))
        return Function(name, formulas)

    return call


_CALLED = (
    *PRIMITIVES, "is_infinite", "vanishing_product", "abs", "hypot", "expm1", "log1p", "sigmoid",
    "softplus", "xlogy",
)  # fmt: skip
"""The functions that programs call by name; what else follows from others is written out."""


class _Algebra(Arithmetic, functions={name: _function(name) for name in _CALLED}):
    name = "formulas"
    pi = Num(3.141592653589793)

    def convert(self, x: Number) -> Expr:
        return expr(x)

    def where(self, condition: Any, x: Number, y: Number) -> Expr:
        return Function("where", (formula(condition), expr(x), expr(y)))

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


algebra = _Algebra()


def trace(op: Operation, rule: Any, operands: Sequence[Expr]) -> Any:
    """What the rule gives on formulas; TypeError names an operation that has none."""
    try:
        return rule(algebra, *operands)
    except TypeError as error:
        raise TypeError(f"{op.name} cannot be lifted: {error}") from error
