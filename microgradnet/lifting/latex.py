r"""Terms as LaTeX: z^{1} = W^{1}\,a^{0} + b^{1}."""

from __future__ import annotations

import re
from collections.abc import Sequence

from microgradnet import ops
from microgradnet.lifting.terms import Term
from microgradnet.lifting.writing import Form, Formulas
from microgradnet.operation import Operation

__all__ = ["LATEX", "term_latex"]


class _Latex(Form):
    draws_fractions = True
    minus, hadamard, gap = "-", r"\odot", r"\,"
    at_most, prime, conjunction = r"\le", "'", r" \text{ and } "

    def number(self, x: float) -> str:
        if abs(x) == 0.5:
            return r"\tfrac{1}{2}" if x > 0 else r"-\tfrac{1}{2}"
        digits, e, exponent = f"{x or 0:.6g}".partition("e")
        if not e:
            return digits.replace("inf", r"\infty")
        lead = {"1": "", "-1": "-"}.get(digits, rf"{digits}\cdot ")
        return f"{lead}10^{{{int(exponent)}}}"

    def name(self, name: str, indices: str = "") -> str:
        written = _name(name)
        return self.entry(written, indices) if indices else written

    def entry(self, x: str, indices: str) -> str:
        return f"{x}_{{{indices}}}"

    def brackets(self, x: str) -> str:
        return rf"\left({x}\right)"

    def total(self, axes: str) -> str:
        return rf"\sum_{{{axes}}} " if axes else r"\sum "

    def transposed(self, x: str) -> str:
        base = f"({x})" if "^" in x and not x.startswith(r"\left(") else x
        return rf"{base}^{{\mathsf T}}"

    def more(self, n: int) -> str:
        return rf"\cdots\;(\text{{{n} more}})"

    def norm(self, x: str) -> str:
        return rf"\left\|{x}\right\|"

    def operation(self, op: Operation, operands: Sequence[str]) -> tuple[str, bool]:
        base = op.base or op
        if not isinstance(base.latex, str) or base.latex == base.text:
            return self.call(base.name, operands), False
        if base is ops.softmax_component:
            return self.entry(
                self.call("softmax", operands), f"{op.parameters.get('index', 0) + 1}"
            ), False
        return op.write(*operands, latex=True), " - " in base.latex

    def power(self, x: str, exponent: str) -> str:
        base = rf"\left({x}\right)" if "^" in x and not x.startswith(r"\left(") else x
        return f"{{{base}}}^{{{exponent}}}" if "^" in x else f"{base}^{{{exponent}}}"

    def quotient(self, x: str, y: str) -> str:
        return rf"\frac{{{x}}}{{{y}}}"

    def call(self, name: str, arguments: Sequence[str], prime: bool = False) -> str:
        inner = ", ".join(arguments)
        return rf"{_function(name)}{chr(39) * prime}\left({inner}\right)"

    def cases(self, x: str, condition: str, other: str) -> str:
        lines = rf"{x} & {condition} \\ {other} & \text{{else}}"
        return rf"\begin{{cases}} {lines} \end{{cases}}"


_KNOWN = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"}


def _function(name: str) -> str:
    name, _, along = name.partition("_") if name.startswith("softmax_") else (name, "", "")
    if name == "sigmoid":
        return r"\sigma"
    written = "\\" + name if name in _KNOWN else rf"\operatorname{{{_escaped(name)}}}"
    return f"{written}_{{{along}}}" if along else written


def _name(name: str) -> str:
    """A name: layers' numbers are raised, Greek letters and derivatives are written out."""
    if name.startswith("∂C/∂"):
        return rf"\frac{{\partial C}}{{\partial {_name(name[4:])}}}"
    layer = re.fullmatch(r"([A-Za-zδθλ])(\d+)", name)
    if layer:
        return f"{_name(layer[1])}^{{{layer[2]}}}"
    if len(name) == 1:
        return {"δ": r"\delta", "θ": r"\theta", "λ": r"\lambda"}.get(name, _escaped(name))
    return rf"\mathrm{{{_escaped(name)}}}"


def _escaped(text: str) -> str:
    return re.sub(r"([#$%&_{}])", r"\\\1", text.replace("\\", r"\backslash "))


LATEX = _Latex()
"""The form of LaTeX."""


def term_latex(term: Term) -> str:
    r"""A term in index notation.

    >>> from microgradnet.lifting.terms import Axis, Leaf, sum_over
    >>> i = Axis("i", 2)
    >>> term_latex(sum_over(Leaf("x", "input", (i,), range(2)), i))
    '\\sum_{i} x_{i}'
    """
    return Formulas(LATEX).formula(term)
