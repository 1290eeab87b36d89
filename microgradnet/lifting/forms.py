"""The three forms of a formula, and how each writes numbers, functions and what it leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from microgradnet.notation import function_name

__all__ = [
    "ATOM", "POWER", "PRODUCT", "SIGN", "SUM", "Form", "abridged", "both", "bracketed", "call",
    "cases", "gap", "is_signed", "latex_function", "minus", "more", "number", "relation",
]  # fmt: skip

Part = TypeVar("Part")

Form = str
"""How a formula is written: "code", "text" or "latex"."""

SUM, PRODUCT, SIGN, POWER, ATOM = range(5)  # how tightly what is outermost binds


def bracketed(written: str, form: Form) -> str:
    """A formula in brackets."""
    return rf"\left({written}\right)" if form == "latex" else f"({written})"


def minus(form: Form) -> str:
    """The sign, which text has as long as a plus."""
    return "−" if form == "text" else "-"


def gap(form: Form) -> str:
    """What stands between factors where it is for reading."""
    return " " if form == "text" else r"\,"


def is_signed(x: float) -> bool:
    """Whether a number is written with a minus, as −0.0 is."""
    return str(x).startswith("-")


def number(x: float, form: Form) -> str:
    """A short decimal where the formula is for reading, every digit where it runs.

    >>> number(1e-5, "text"), number(1e-5, "latex"), number(-2.0, "code"), number(0.5, "text")
    ('1e−05', '10^{-5}', '-2', '½')
    """
    if form == "code":
        return _python(x)
    if x == 0.5:
        return "½" if form == "text" else r"\tfrac{1}{2}"
    written = f"{x:.6g}"
    if form == "text":
        return written.replace("-", "−").replace("inf", "∞")
    digits, e, exponent = written.partition("e")
    if not e:
        return written.replace("inf", r"\infty")
    lead = {"1": "", "-1": "-"}.get(digits, rf"{digits}\cdot ")
    return f"{lead}10^{{{int(exponent)}}}"


def _python(x: float) -> str:
    """A float as Python source; whole numbers without a point, which meet floats as floats."""
    if x != x or x in (float("inf"), float("-inf")):
        return {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}[str(x)]
    return repr(x) if str(x) == "-0.0" else repr(x).removesuffix(".0")


_READABLE = 8
"""Of more parts all but these are only counted where a formula is to be read."""


def abridged(parts: Sequence[Part], form: Form) -> tuple[Sequence[Part], int]:
    """The parts that are written, and how many are only counted, before the last.

    That is none in code; and where there is room for a count there is room for one part more.
    """
    hidden = len(parts) - _READABLE
    if form == "code" or hidden <= 1:
        return parts, 0
    return [*parts[: _READABLE - 1], parts[-1]], hidden


def more(n: int, form: Form) -> str:
    """What stands for n parts that are left out where a formula is to be read."""
    return f"… ({n} more)" if form == "text" else rf"\cdots\;(\text{{{n} more}})"


def relation(sign: str, form: Form) -> str:
    """The sign between the sides of a comparison, as Python has it, in another form."""
    signs = {"<=": ("≤", r"\le"), ">=": ("≥", r"\ge")}
    return sign if form == "code" or sign not in signs else signs[sign][form == "latex"]


def cases(condition: str, x: str, y: str, form: Form) -> str:
    """One or the other."""
    if form == "text":
        return f"({x} if {condition}, else {y})"
    return rf"\begin{{cases}} {x} & {condition} \\ {y} & \text{{else}} \end{{cases}}"


def both(conditions: Sequence[str], form: Form) -> str:
    """Conditions that hold together."""
    return (" and " if form == "text" else r" \text{ and } ").join(conditions)


def call(name: str, arguments: str, form: Form) -> str:
    """A function of arguments; σ for sigmoid."""
    if form == "text":
        return f"{function_name(name)}({arguments})"
    return rf"{latex_function(name)}\left({arguments}\right)"


def latex_function(name: str) -> str:
    r"""A function's name in LaTeX.

    >>> latex_function("tanh"), latex_function("log_sum_exp")
    ('\\tanh', '\\operatorname{log\\_sum\\_exp}')
    """
    known = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"}
    if name == "sigmoid":
        return r"\sigma"
    return "\\" + name if name in known else rf"\operatorname{{{name.replace('_', chr(92) + '_')}}}"
