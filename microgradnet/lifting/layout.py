"""How a found program's text is laid out: lines, lists of names, arrays, and brackets of places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgradnet.lifting.formulas import Variable

__all__ = ["INDENT", "array", "brackets", "line", "names", "wrapped"]

INDENT = "    "
_LONG = 90
"""So long are lines that run on."""


def line(variable: Variable, code: str) -> str:
    """A line of a function, and behind it the shape of what it is about."""
    shown = f"(m, {variable.size})" if variable.batch else str(variable.shape or (1,))
    return f"{INDENT}{code}  # {shown}"


def names(those: Sequence[str]) -> str:
    """Names that are given or returned together: in brackets where they need more than a line."""
    text = ", ".join(those) + "," * (len(those) == 1)
    return f"({text})" if len(text) > 60 or len(those) == 1 else text


def array(values: NDArray[Any]) -> str:
    """The array, written; the text evaluates to the same numbers."""

    def number(x: Any) -> str:
        if isinstance(x, list):
            return f"[{', '.join(map(number, x))}]"
        if isinstance(x, int):
            return str(x)
        return {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}.get(str(x), repr(x))

    return wrapped(f"np.array({number(values.tolist())})")


def wrapped(code: str) -> str:
    """Code whose long lists, which stand in brackets, run over several lines."""
    indent = code[: len(code) - len(code.lstrip())] + INDENT
    lines = [""]
    for part in code.split(", "):
        if len(lines[-1]) + len(part) > _LONG:
            lines.append(indent)
        lines[-1] += f"{part}, "
    return "\n".join(line.rstrip() for line in lines).removesuffix(",")


def brackets(index: NDArray[np.intp], size: int) -> str | None:
    """Brackets that give these places of a flat vector as a view of it; None if there are none."""
    if len(index) > 1 and (np.diff(index, axis=0) < 0).all():
        found = brackets(index[::-1], size)
        return found if found is None else f"{found}[::-1]"
    if index.ndim == 2 and index.shape[1] > 1 and (np.diff(index, axis=1) < 0).all():
        found = brackets(index[:, ::-1], size)
        return found if found is None else f"{found}[:, ::-1]"
    if index.ndim == 1:
        first, count = int(index[0]), len(index)
        step = int(index[1]) - first if count > 1 else 1
        if step < 1 or not (index == first + step * np.arange(count)).all():
            return None
        if step == 1:
            return "" if count == size else f"[{first}:{first + count}]"
        return f"[{first}:{first + step * (count - 1) + 1}:{step}]"
    rows, columns = index.shape
    first = int(index[0, 0])
    step = int(index[1, 0]) - first if rows > 1 else columns
    grid = first + step * np.arange(rows)[:, None] + np.arange(columns)
    if step < columns or not (index == grid).all():
        return None
    base = min(first, size - rows * step)
    if base < 0:
        return None
    found = f"[{base}:{base + rows * step}].reshape({rows}, {step})"
    lead = first - base
    return found if columns == step else f"{found}[:, {lead}:{lead + columns}]"
