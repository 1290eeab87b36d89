"""Indices as the equations write them, zˡⱼ and wˡⱼₖ, and numbers of things in words."""

import re
from functools import lru_cache

__all__ = ["counted", "indexed", "is_weighted_input", "superscript"]

_UP = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_DOWN = "₀₁₂₃₄₅₆₇₈₉"
_RAISE = str.maketrans("0123456789", _UP)
_LOWER = str.maketrans("0123456789", _DOWN)


def counted(n: int, noun: str) -> str:
    """A number of things, the noun in the plural but for one.

    >>> counted(1, "example"), counted(3, "example")
    ('1 example', '3 examples')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"


def superscript(n: int) -> str:
    """A layer's number as a superscript.

    >>> superscript(12)
    '¹²'
    """
    return str(n).translate(_RAISE)


@lru_cache(maxsize=10_000)  # every forward pass labels its nodes anew
def indexed(letter: str, l: int, *indices: int) -> str:
    """A letter with its layer above and its indices below, all counted from 1.

    A comma stands between indices where one of them has two digits.

    >>> indexed("z", 2, 1), indexed("w", 1, 2, 3), indexed("w", 1, 10, 3)
    ('z²₁', 'w¹₂₃', 'w¹₁₀,₃')
    """
    separator = "," if len(indices) > 1 and max(indices) > 9 else ""
    below = separator.join(str(index).translate(_LOWER) for index in indices)
    return f"{letter}{superscript(l)}{below}"


def is_weighted_input(label: str) -> bool:
    """Whether a label is that of a weighted input zˡⱼ, whose adjoint is the error δˡⱼ.

    >>> is_weighted_input("z²₁"), is_weighted_input("zeta")
    (True, False)
    """
    return re.fullmatch(f"z[{_UP}]+[{_DOWN}]+", label) is not None
