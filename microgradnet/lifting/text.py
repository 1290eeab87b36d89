"""Terms as plain text: z1 = W1 a0 + b1, or z[i] = Σ_k W[i,k] x[k] + b[i]."""

from __future__ import annotations

from collections.abc import Sequence

from microgradnet.lifting.terms import Term, show_by
from microgradnet.lifting.writing import Form, Formulas

__all__ = ["TEXT", "term_text"]


class _Text(Form):
    draws_fractions = False
    minus, hadamard, gap, at_most, prime, conjunction = "−", "⊙", " ", "≤", "′", " and "

    def number(self, x: float) -> str:
        if abs(x) == 0.5:
            return "½" if x > 0 else "−½"
        return f"{x:.6g}".replace("-", "−").replace("inf", "∞")

    def name(self, name: str, indices: str = "") -> str:
        return f"{name}[{indices}]" if indices else name

    def brackets(self, x: str) -> str:
        return f"({x})"

    def total(self, axes: str) -> str:
        return f"Σ_{axes} " if axes else "Σ "

    def transposed(self, x: str) -> str:
        return f"({x})ᵀ" if x.startswith("∂") else f"{x}ᵀ"

    def power(self, x: str, exponent: str) -> str:
        if exponent.isdigit():
            return x + exponent.translate(_RAISED)
        return f"{x}^{exponent}" if exponent.isalnum() else f"{x}^({exponent})"

    def quotient(self, x: str, y: str) -> str:
        return f"{x} / {y}"

    def call(self, name: str, arguments: Sequence[str], prime: bool = False) -> str:
        shown = "σ" if name == "sigmoid" else name
        return f"{shown}{'′' * prime}({', '.join(arguments)})"

    def cases(self, x: str, condition: str, other: str) -> str:
        return f"({x} if {condition}, else {other})"


_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

TEXT = _Text()
"""The form of plain text."""


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
