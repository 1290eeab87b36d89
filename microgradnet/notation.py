"""Indices as the equations write them, zˡⱼ and wˡⱼₖ; things in words, with their numbers."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from microgradnet.numerals import full_numeral

__all__ = [
    "INDEX_DIGITS",
    "annotate",
    "counted",
    "described",
    "function_name",
    "indexed",
    "indices",
    "is_weighted_input",
    "labels",
    "latex_name",
    "printable",
    "subscript",
    "superscript",
    "symbol",
]

_UP = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_DOWN = "₀₁₂₃₄₅₆₇₈₉"
INDEX_DIGITS = _UP + _DOWN
_RAISE = str.maketrans("0123456789", _UP)
_LOWER = str.maketrans("0123456789", _DOWN)
_SINK = str.maketrans(INDEX_DIGITS, 2 * "0123456789")


def counted(n: int, noun: str) -> str:
    """Write a number of things, the noun in the plural but for one.

    >>> counted(1, "example"), counted(3, "example")
    ('1 example', '3 examples')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"


def function_name(name: str) -> str:
    """Name a function as equations do: σ is short for sigmoid there.

    >>> function_name("sigmoid"), function_name("tanh")
    ('σ', 'tanh')
    """
    return "σ" if name == "sigmoid" else name


def symbol(op: Any) -> str:
    """Write an operation's symbol as it is printed: ×, −, σ, x².

    >>> from microgradnet import Value, multiply, sigmoid
    >>> symbol(multiply), symbol(sigmoid), symbol((Value(3.0) ** 2).op)
    ('×', 'σ', 'x²')
    """
    exponent = op.parameters.get("exponent")
    if op.name == "power_constant" and type(exponent) is int and 0 <= exponent < 100:
        return f"x{superscript(exponent)}"
    return {"*": "×", "-": "−"}.get(op.symbol) or function_name(op.symbol)


def superscript(n: int) -> str:
    """Write a layer's number as a superscript.

    >>> superscript(12)
    '¹²'
    """
    return str(n).translate(_RAISE)


def subscript(n: int) -> str:
    """Write an index as a subscript.

    >>> subscript(10)
    '₁₀'
    """
    return str(n).translate(_LOWER)


def indexed(letter: str, l: int, *indices: int) -> str:
    """Write a letter with its layer above and its indices below, all counted from 1.

    A comma stands between indices where one of them has two digits.

    >>> indexed("z", 2, 1), indexed("w", 1, 2, 3), indexed("w", 1, 10, 3)
    ('z²₁', 'w¹₂₃', 'w¹₁₀,₃')
    """
    separator = "," if len(indices) > 1 and max(indices) > 9 else ""
    below = separator.join(map(subscript, indices))
    return f"{letter}{superscript(l)}{below}"


def indices(label: str) -> tuple[str, int, tuple[int, ...]] | None:
    """Read a label that `indexed` wrote; None for any other.

    >>> indices("w¹₂₃"), indices("z²₁₀"), indices("w¹₁₀,₃"), indices("x₁")
    (('w', 1, (2, 3)), ('z', 2, (10,)), ('w', 1, (10, 3)), None)
    """
    match = _INDEXED.fullmatch(label)
    if match is None:
        return None
    letter, above, below = filter(None, match.groups())
    below = below.translate(_SINK)
    numbers = list(below) if letter == "w" and "," not in below else below.split(",")
    return letter, int(above.translate(_SINK)), tuple(map(int, numbers))


_INDEXED = re.compile(
    f"([azb])([{_UP}]+)([{_DOWN}]+)|(w)([{_UP}]+)([{_DOWN}]+,[{_DOWN}]+|[{_DOWN}]{{2}})"
)


def latex_name(name: str) -> str:
    r"""Write a name with its indices, δ for a gradient or ∂C/∂ before it, in LaTeX.

    >>> latex_name("∂C/∂w²₁₁"), latex_name("δ¹₂"), latex_name("y₁")
    ('\\frac{\\partial C}{\\partial w^{2}_{11}}', '\\delta^{1}_{2}', 'y_{1}')
    """
    if name.startswith("∂C/∂"):
        return rf"\frac{{\partial C}}{{\partial {latex_name(name[4:])}}}"
    name = re.sub(f"[{_UP}]+", lambda digits: f"^{{{digits[0].translate(_SINK)}}}", name)
    name = re.sub(f"[{_DOWN},]+", lambda digits: f"_{{{digits[0].translate(_SINK)}}}", name)
    return name.replace("δ", r"\delta")


@lru_cache(maxsize=1000)  # every forward pass labels its nodes anew
def labels(letter: str, l: int, n: int) -> tuple[str, ...]:
    """Return the labels of the n nodes of a layer.

    >>> labels("z", 2, 3)
    ('z²₁', 'z²₂', 'z²₃')
    """
    return tuple([indexed(letter, l, j) for j in range(1, n + 1)])


def is_weighted_input(label: str) -> bool:
    """Tell whether a label is that of a weighted input zˡⱼ, whose adjoint is the error δˡⱼ.

    >>> is_weighted_input("z²₁"), is_weighted_input("zeta")
    (True, False)
    """
    return re.fullmatch(f"z[{_UP}]+[{_DOWN}]+", label) is not None


def described(op: Any, operands: Sequence[Any], label: str = "") -> str:
    """Write an operation as a formula with its operands' names, and the numbers behind them.

    >>> from microgradnet import Value
    >>> z = Value(3.0, label="z")
    >>> a = (z * 2).tanh()
    >>> described(a.op, a.parents, "a"), described(z.tanh().op, [z])
    ('a = tanh(6.0)', 'tanh(z), z = 3.0')
    """
    few = operands[:_FEW]
    if len(operands) <= _FEW:
        text = op.write(*[x.label or full_numeral(x.data) for x in operands])
    else:
        text = f"{op.name} of {counted(len(operands), 'operand')}"
    numbers = {x.label: x.data for x in few if x.label}  # each name once
    names = [f"{name} = {full_numeral(x)}" for name, x in numbers.items()]
    names += ["..."] * (len(operands) > _FEW)
    return ", ".join([f"{label} = {text}" if label else text, *names])


_FEW = 8


def printable(text: str) -> str:
    r"""Put � for what no page or picture can hold, or show as it is.

    Those are control characters, halves of characters, what Unicode says is no character, and the
    marks that turn the writing around them.

    >>> printable("a\0b\ud800c\u202ed"), printable("δ²₁ א\n")
    ('a�b�c�d', 'δ²₁ א\n')
    """
    return _UNPRINTABLE.sub("�", text)


_UNPRINTABLE = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane + k) for plane in range(0, 0x110000, 0x10000) for k in (0xFFFE, 0xFFFF))
    + "]"
)


def annotate(error: BaseException, note: str) -> None:
    """Add a line to what an error says; before Python 3.11, to its message."""
    if hasattr(error, "add_note"):
        error.add_note(note)
    elif error.args and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]}\n{note}", *error.args[1:])
