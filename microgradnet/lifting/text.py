"""Terms as plain text: z1 = W1 a0 + b1, or z[i] = Σ_k W[i,k] x[k] + b[i]."""

from __future__ import annotations

import re
from collections.abc import Sequence

from microgradnet import ops
from microgradnet.lifting.terms import Term, show_by
from microgradnet.lifting.writing import Form, Formulas, function_name
from microgradnet.operation import Operation

__all__ = ["LAYERED", "TEXT", "term_text"]


class _Text(Form):
    draws_fractions = False
    minus, hadamard, gap, at_most, prime, conjunction = "−", "⊙", " ", "≤", "′", " and "

    def number(self, x: float) -> str:
        if abs(x) == 0.5:
            return "½" if x > 0 else "−½"
        return f"{x or 0:.6g}".replace("-", "−").replace("inf", "∞")

    def name(self, name: str, indices: str = "") -> str:
        return self.entry(name, indices) if indices else name

    def entry(self, x: str, indices: str) -> str:
        return f"{x}[{indices}]"

    def brackets(self, x: str) -> str:
        return f"({x})"

    def total(self, axes: str) -> str:
        return f"Σ_{axes} " if axes else "Σ "

    def transposed(self, x: str) -> str:
        return f"({x})ᵀ" if x.startswith("∂") else f"{x}ᵀ"

    def more(self, n: int) -> str:
        return f"… ({n} more)"

    def norm(self, x: str) -> str:
        return f"‖{x}‖"

    def operation(self, op: Operation, operands: Sequence[str]) -> tuple[str, bool]:
        if op is ops.abs:
            return f"|{operands[0]}|", False
        if (op.base or op) is ops.softmax_component:
            return self.entry(
                self.call("softmax", operands), f"{op.parameters.get('index', 0) + 1}"
            ), False
        return self.call(function_name(op.base or op), operands), False

    def power(self, x: str, exponent: str) -> str:
        if exponent.isdigit():
            return x + exponent.translate(_RAISED)
        simple = re.fullmatch(r"\w+(\[[\w,]+\])?", exponent)
        return f"{x}^{exponent}" if simple else f"{x}^({exponent})"

    def quotient(self, x: str, y: str) -> str:
        return f"{x} / {y}"

    def call(self, name: str, arguments: Sequence[str], prime: bool = False) -> str:
        shown = "σ" if name == "sigmoid" else name
        return f"{shown}{'′' * prime}({', '.join(arguments)})"

    def cases(self, x: str, condition: str, other: str) -> str:
        return f"({x} if {condition}, else {other})"


_DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_RAISED = str.maketrans("0123456789", _DIGITS)


class _Layered(_Text):
    def name(self, name: str, indices: str = "") -> str:
        numbered = re.fullmatch(r"(∂C/∂)?([^\W\d])(\d+)", name)
        if numbered:
            name = f"{numbered[1] or ''}{numbered[2]}{numbered[3].translate(_RAISED)}"
        return super().name(name, indices)

    def transposed(self, x: str) -> str:
        return f"({x})ᵀ" if x[-1] in _DIGITS else super().transposed(x)

    def power(self, x: str, exponent: str) -> str:
        return super().power(f"({x})" if x[-1] in _DIGITS else x, exponent)


TEXT = _Text()
"""The form of plain text: z1 = W1 a0."""

LAYERED = _Layered()
"""Plain text with the numbers of layers raised: z¹ = W¹ a⁰."""


def term_text(term: Term) -> str:
    """A term in index notation.

    >>> from microgradnet.lifting.terms import Axis, Leaf, multiply, sum_over
    >>> i, k = Axis("i", 2), Axis("k", 3)
    >>> W, x = Leaf("W", "parameter", (i, k), range(6)), Leaf("x", "input", (k,), range(3))
    >>> term_text(sum_over(multiply(W, x), k))
    'Σ_k W[i,k] x[k]'
    """
    return Formulas(TEXT).formula(term)


show_by(term_text)
