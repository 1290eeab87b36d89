"""The coarsest zoom: a box a matrix or vector, with its equation and that of its gradient.

What is a matrix in a graph of scalars, lifting finds, in graphs by anyone. A box tells the shape
and, where there are few, the numbers; equations are those of the lifted program.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from microgradnet.arithmetic import is_finite
from microgradnet.drawing.boxes import DIM, ROUND, STYLES, WRONG, gradient, key
from microgradnet.drawing.dot import (
    SIZE,
    attributes,
    clean,
    document,
    label,
    lines_box,
    text_width,
    tooltip,
)
from microgradnet.drawing.highlight import downstream, sum_of_paths
from microgradnet.drawing.roles import leaves
from microgradnet.engine import Value
from microgradnet.graph import topological_order
from microgradnet.lifting import Equation, Structure, Variable, recognise
from microgradnet.notation import counted, superscript
from microgradnet.numerals import numeral

__all__ = ["layer", "structure_of"]

_NUMBERS, _IN_A_ROW = 12, 5
"""A box of no more entries, and no more of them in a row, shows them."""
_ROLES = {"value": "computed"}


def structure_of(
    roots: Sequence[Value],
    order: Sequence[Value],
    inputs: Iterable[Any] = (),
    targets: Iterable[Any] = (),
    parameters: Iterable[Any] = (),
) -> Structure:
    """What lifting finds in a graph; ValueError where it finds no way."""
    known = leaves(order, inputs, targets, parameters)
    if not (known["inputs"] or known["parameters"]):
        raise ValueError(
            "without inputs and parameters there are no matrices in this graph: say which leaves "
            "are inputs=... and parameters=..., or draw it with zoom='scalar'"
        )
    try:
        return recognise(roots[0] if len(roots) == 1 else list(roots), **known)
    except (ArithmeticError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"no matrices were found in this graph ({error}): draw it with zoom='scalar'"
        ) from None


def layer(
    values: Iterable[Value],
    *,
    inputs: Iterable[Any] = (),
    targets: Iterable[Any] = (),
    parameters: Iterable[Any] = (),
    highlight: Value | None = None,
    wrong: Value | None = None,
    rankdir: str = "LR",
    caption: Sequence[str] = (),
) -> str:
    """The matrices in the graph below the values as DOT; the options are those of `draw`."""
    roots = list(values)
    order = topological_order(roots)
    lit, told = None, list[str]()
    if highlight is not None:
        marked = downstream(order, highlight)
        lit = {node for node, is_lit in zip(order, marked, strict=True) if is_lit}
        told = sum_of_paths(roots, highlight)
    structure = structure_of(roots, order, inputs, targets, parameters)
    used = {name for equation in structure.equations for name in equation.uses}
    made = {equation.left for equation in structure.equations}
    shown = {
        name: variable
        for name, variable in structure.variables.items()
        if name in used or name in made
    }
    lines = [_box(variable, structure, roots, lit, wrong) for variable in shown.values()]
    for equation in structure.equations:
        if equation.part != "forward" or equation.left not in shown:
            continue
        for name in dict.fromkeys(equation.uses):
            if name in shown:
                given = {"id": f'"{name}-{equation.left}"'}
                if lit is not None and not lit.intersection(shown[name].nodes):
                    given |= DIM
                lines.append(f'"{name}" -> "{equation.left}"{attributes(given)}')
    title = f"The matrices in a graph of {counted(len(order), 'value')}"
    shapes = key([_ROLES.get(v.kind, v.kind) for v in shown.values()], order, wrong=wrong)
    return document(lines, rankdir, title, [*told, *shapes, *caption])


def _box(
    variable: Variable,
    structure: Structure,
    roots: Sequence[Value],
    lit: set[Value] | None,
    anomaly: Value | None,
) -> str:
    names = [*structure.variables, *(equation.left for equation in structure.equations)]
    forward = _equation(structure, variable.name, "forward")
    nodes = [node for node in variable.nodes if node is not None]
    wrong = not all(is_finite(node.data) and is_finite(node.grad) for node in nodes)
    wrong = wrong or anomaly in nodes
    shape = "×".join(map(str, variable.shape))
    head = written(forward.text if forward else variable.name, names)
    lines = [f"{'‼ ' if wrong else ''}{head}{f'    {shape}' if shape else ''}"]
    few = len(variable.nodes) <= _NUMBERS and (variable.shape or (1,))[-1] <= _IN_A_ROW
    is_root = any(root in variable.nodes for root in roots)
    has_gradient = variable.kind != "target" and not is_root
    if few:
        lines += _rows(variable, [numeral(node.data) if node else "0" for node in variable.nodes])
    backward = _gradient_equation(structure, variable)
    if backward is not None or (few and has_gradient):
        text = backward.text if backward else f"∂C/∂{variable.name}"
        lines.append(written(text, names))
    if few and has_gradient:
        lines += _rows(variable, [gradient(node.grad) if node else "0" for node in variable.nodes])
    role = _ROLES.get(variable.kind, variable.kind)
    style = dict(STYLES[role])
    style |= WRONG if wrong else {}
    style |= DIM if lit is not None and not lit.intersection(nodes) else {}
    if is_root:
        style["peripheries"] = "2"
    lines = [clean(line, 70) for line in lines]
    width, height = lines_box(tuple(lines), SIZE, round_shape=style.get("shape") in ROUND)
    given = {"id": variable.name, "class": role, "label": label(*lines)} | style
    given |= {"width": width, "height": height}
    given["tooltip"] = tooltip(f"{variable.name}: {role}, {shape or 'a number'}", *lines)
    return f'"{variable.name}"{attributes(given)}'


def _equation(structure: Structure, left: str, part: str) -> Equation | None:
    found = (e for e in structure.equations if e.left == left and e.part == part)
    return next(found, None)


def _gradient_equation(structure: Structure, variable: Variable) -> Equation | None:
    """The equation of the variable's gradient: δ1 for z1, ∂C/∂W1 for W1."""
    lefts = {f"δ{variable.name[1:]}"} if variable.name.startswith("z") else set()
    lefts.add(f"∂C/∂{variable.name}")
    found = (e for e in structure.equations if e.part != "forward" and e.left in lefts)
    return next(found, None)


def written(text: str, names: Iterable[str]) -> str:
    """An equation with its layers raised, as it is printed.

    >>> written("δ1 = (W2ᵀ δ2) ⊙ tanh′(z1)", ["δ1", "W2", "δ2", "z1"])
    'δ¹ = ((W²)ᵀ δ²) ⊙ tanh′(z¹)'
    """
    known = set(names)

    def raised(found: re.Match[str]) -> str:
        letter, number, after = found.groups()
        if f"{letter}{number}" not in known and letter not in "kK":
            return found[0]
        name = f"{letter}{superscript(int(number))}"
        return f"({name}){after}" if after else name

    return re.sub(r"(?<![A-Za-zα-ω\d])([A-Za-zα-ω])(\d+)([ᵀ⁰¹²³⁴⁵⁶⁷⁸⁹]?)", raised, text)


def _rows(variable: Variable, entries: list[str]) -> list[str]:
    """The numbers in brackets, a row a line, flush to the right."""
    columns = variable.shape[1] if len(variable.shape) == 2 else max(1, len(entries))
    widest = max(text_width(entry, SIZE) for entry in entries)
    blank = text_width(" ", SIZE)
    padded = [" " * round((widest - text_width(entry, SIZE)) / blank) + entry for entry in entries]
    rows = [padded[k : k + columns] for k in range(0, len(padded), columns)]
    if not variable.shape:
        return entries
    if len(variable.shape) == 1:
        rows = [entries]
    return [f"[ {'   '.join(row)} ]" for row in rows]
