"""SymPy expressions: derivatives become formulas, branches become Piecewise."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Expr

from microgradnet.arithmetic.base import PRIMITIVES, Arithmetic, Number

__all__ = ["Expr", "symbolic"]


class floor(sympy.floor):  # type: ignore[misc]  # printers go by the name
    """Round down, with derivative 0 between the jumps."""

    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.Integer(0)


class _Symbolic(Arithmetic, functions={name: getattr(sympy, name) for name in PRIMITIVES}):
    name = "SymPy"
    pi = sympy.pi

    def convert(self, x: Number) -> Number:
        return sympy.sympify(x)

    def where(self, condition: Any, x: Number, y: Number) -> Number:
        return sympy.Piecewise((x, condition), (y, True))

    def both(self, p: Any, q: Any) -> Any:
        return sympy.And(p, q)

    def equal(self, x: Number, y: Number) -> Any:
        return sympy.Eq(x, y)

    def floor(self, x: Number) -> Number:
        return floor(x)

    def divide(self, x: Number, y: Number) -> Number:
        return x / y

    def power(self, x: Number, y: Number) -> Number:
        return sympy.Pow(x, y)

    def xlogy(self, x: Number, y: Number) -> Number:
        return sympy.Integer(0) if x == 0 else x * sympy.log(y)


symbolic = _Symbolic()
