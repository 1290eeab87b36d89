"""The coarsest zoom: a box a matrix or vector, with its equation and that of its gradient.

What is a matrix in a graph of scalars, lifting finds, in graphs by anyone. A box tells the shape
and, where there are few, the numbers; equations are those of the lifted program.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from microgradnet.drawing.boxes import STYLES, WRONG, gradient, statement
from microgradnet.drawing.dot import SIZE, attributes, clean, text_width
from microgradnet.drawing.scene import Scene
from microgradnet.engine import Value
from microgradnet.lifting import Equation, Structure, Variable
from microgradnet.notation import counted, superscript
from microgradnet.numerals import numeral
from microgradnet.views import role_of

__all__ = ["layer"]

_NUMBERS, _IN_A_ROW = 12, 5
"""A box of no more entries, and no more of them in a row, shows them."""


def layer(scene: Scene) -> str:
    """Write the matrices in a graph as DOT; ValueError where there are none."""
    view = scene.view
    if not (view.leaves["inputs"] or view.leaves["parameters"]):
        raise ValueError(
            "without inputs and parameters there are no matrices in this graph: say which leaves "
            "are inputs=... and parameters=..., or draw it with zoom='scalar'"
        )
    structure = view.matrices
    named = {name for e in structure.equations for name in (e.left, *e.uses)}
    variables = {name: v for name, v in structure.variables.items() if name in named}
    lines = [_box(variable, scene) for variable in variables.values()]
    for equation in structure.equations:
        if equation.part != "forward" or equation.left not in variables:
            continue
        for name in dict.fromkeys(equation.uses):
            if name in variables:
                style = {"id": f'"{name}-{equation.left}"'} | scene.mark(_nodes(variables[name]))
                lines.append(f'"{name}" -> "{equation.left}"{attributes(style)}')
    title = f"The matrices in a graph of {counted(len(view.order), 'value')}"
    return scene.document(lines, title, map(role_of, variables.values()))


def _nodes(variable: Variable) -> list[Value]:
    return [node for node in variable.nodes if node is not None]


def _box(variable: Variable, scene: Scene) -> str:
    structure = scene.view.matrices
    names = [*structure.variables, *(equation.left for equation in structure.equations)]
    forward = _equation(structure, variable.name, "forward")
    nodes = _nodes(variable)
    wrong = scene.is_wrong(nodes)
    shape = "×".join(map(str, variable.shape))
    head = written(forward.text if forward else variable.name, names)
    lines = [f"{'‼ ' if wrong else ''}{head}{f'    {shape}' if shape else ''}"]
    few = len(variable.nodes) <= _NUMBERS and (variable.shape or (1,))[-1] <= _IN_A_ROW
    is_root = any(root in nodes for root in scene.view.roots)
    has_gradient = variable.kind != "target" and not is_root
    if few:
        lines += _rows(variable, [numeral(node.data) if node else "0" for node in variable.nodes])
    backward = _gradient_equation(structure, variable)
    if backward is not None or (few and has_gradient):
        text = backward.text if backward else f"∂C/∂{variable.name}"
        lines.append(written(text, names))
    if few and has_gradient:
        lines += _rows(variable, [gradient(node.grad) if node else "0" for node in variable.nodes])
    role = role_of(variable)
    style = STYLES[role] | (WRONG if wrong else {}) | scene.mark(nodes)
    if is_root:
        style["peripheries"] = "2"
    lines = [clean(line, 70) for line in lines]
    hover = [f"{variable.name}: {role}, {shape or 'a number'}", *lines]
    return statement(f'"{variable.name}"', role, lines, hover, style)


def _equation(structure: Structure, left: str, part: str) -> Equation | None:
    return next((e for e in structure.equations if e.left == left and e.part == part), None)


def _gradient_equation(structure: Structure, variable: Variable) -> Equation | None:
    """Find the equation of the variable's gradient: δ1 for z1, ∂C/∂W1 for W1."""
    lefts = {f"δ{variable.name[1:]}"} if variable.name.startswith("z") else set()
    lefts.add(f"∂C/∂{variable.name}")
    return next((e for e in structure.equations if e.part != "forward" and e.left in lefts), None)


def written(text: str, names: Iterable[str]) -> str:
    """Raise the layers in an equation, as it is printed.

    >>> written("δ1 = (W2ᵀ δ2) ⊙ tanh′(z1)", ["δ1", "W2", "δ2", "z1"])
    'δ¹ = ((W²)ᵀ δ²) ⊙ tanh′(z¹)'
    """
    known = set(names)

    def raised(match: re.Match[str]) -> str:
        letter, number, after = match.groups()
        if f"{letter}{number}" not in known and letter not in "kK":
            return match[0]
        name = f"{letter}{superscript(int(number))}"
        return f"({name}){after}" if after else name

    return re.sub(r"(?<![A-Za-zα-ω\d])([A-Za-zα-ω])(\d+)([ᵀ⁰¹²³⁴⁵⁶⁷⁸⁹]?)", raised, text)


def _rows(variable: Variable, entries: list[str]) -> list[str]:
    """Write the numbers in brackets, a row a line, flush to the right."""
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
