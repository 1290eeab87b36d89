"""The coarsest zoom: a box a matrix or vector, with its equation and that of its gradient.

What is a matrix in a graph of scalars, lifting finds, in graphs by anyone. A box tells the shape
and, where there are few, the numbers; equations are those of the lifted program.
"""

from __future__ import annotations

from collections.abc import Mapping

from microgradnet.drawing.boxes import STYLES, WRONG, gradient, statement
from microgradnet.drawing.dot import SIZE, attributes, clean, text_width
from microgradnet.drawing.scene import Scene
from microgradnet.engine import Value
from microgradnet.lifting import LAYERED, Variable
from microgradnet.notation import counted
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
    written = structure.write(LAYERED)
    lines = [_box(variable, scene, written) for variable in variables.values()]
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


def _box(variable: Variable, scene: Scene, written: Mapping[str, str]) -> str:
    nodes = _nodes(variable)
    wrong = scene.is_wrong(nodes)
    shape = "×".join(map(str, variable.shape))
    head = written.get(variable.name, LAYERED.name(variable.name))
    lines = [f"{'‼ ' if wrong else ''}{head}{f'    {shape}' if shape else ''}"]
    few = len(variable.nodes) <= _NUMBERS and (variable.shape or (1,))[-1] <= _IN_A_ROW
    is_root = any(root in nodes for root in scene.view.roots)
    has_gradient = variable.kind != "target" and not is_root
    if few:
        lines += _rows(variable, [numeral(node.data) if node else "0" for node in variable.nodes])
    gradients = scene.view.matrices.equations
    left = next((e.left for e in gradients if variable.name == e.gradient_of), None)
    if left is not None:
        lines.append(written[left])
    elif few and has_gradient:
        lines.append(LAYERED.name(f"∂C/∂{variable.name}"))
    if few and has_gradient:
        lines += _rows(variable, [gradient(node.grad) if node else "0" for node in variable.nodes])
    role = role_of(variable)
    style = STYLES[role] | (WRONG if wrong else {}) | scene.mark(nodes)
    if is_root:
        style["peripheries"] = "2"
    lines = [clean(line, 70) for line in lines]
    hover = [f"{variable.name}: {role}, {shape or 'a number'}", *lines]
    return statement(f'"{variable.name}"', role, lines, hover, style)


def _rows(variable: Variable, entries: list[str]) -> list[str]:
    """Write the numbers in brackets, a row a line, flush to the right."""
    columns = variable.shape[-1] if len(variable.shape) > 1 else max(1, len(entries))
    widest = max(text_width(entry, SIZE) for entry in entries)
    blank = text_width(" ", SIZE)
    padded = [" " * round((widest - text_width(entry, SIZE)) / blank) + entry for entry in entries]
    rows = [padded[k : k + columns] for k in range(0, len(padded), columns)]
    if not variable.shape:
        return entries
    if len(variable.shape) == 1:
        rows = [entries]
    return [f"[ {'   '.join(row)} ]" for row in rows]
