"""A derivation as Python that needs NumPy alone, one line an equation, for reading and for running.

All names in it are made here or in `derivation`, and all numbers are written by `repr`: nothing of
a graph's own text, such as a label, can come into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from microgradnet.lifting.entries import Index
from microgradnet.lifting.forms import ATOM
from microgradnet.lifting.formulas import Name, Variable
from microgradnet.lifting.functions import Functions, helpers, words
from microgradnet.lifting.layout import INDENT, array, brackets, line, names, wrapped
from microgradnet.lifting.lines import Lines
from microgradnet.lifting.statements import Derivation, Statement, View

__all__ = ["Source", "write_source"]


class Source(NamedTuple):
    """The text, and the parts of the flat vector that its function `views` gives, in its order."""

    text: str
    named: list[View]


def write_source(derivation: Derivation, title: str, scalar_cost: bool, size: int) -> Source:
    """The source of value and value_and_grad; of several outputs, value and vjp."""
    writer = _Writer(derivation, scalar_cost, size)
    return Source(writer.write(title), writer.named)


class _Writer:
    def __init__(self, derivation: Derivation, scalar_cost: bool, size: int) -> None:
        self.derivation, self.scalar_cost, self.size = derivation, scalar_cost, size
        self.lines = Lines(derivation, size)
        self.named = [
            view
            for view in derivation.views
            if view.cells is None and brackets(view.index, size) not in (None, "")
        ]

    def write(self, title: str) -> str:
        """The whole text."""
        statements = self.derivation.statements
        made = Functions()
        functions = [text for s in statements for text in made.of(s.formula)]
        value = [*self._value([s for s in statements if s.part == "forward"])]
        both = [*self._both(statements)]  # now it is known what it works in
        body = "\n".join([*self._views(), *value, "", "", *both, ""])
        used = words(body)
        arrays = [
            f"{name} = {array(values)}"
            for name, values in self.derivation.constants.items()
            if name in used
        ]
        functions = [text for text in functions if text.split("(")[0].split()[1] in used]
        called = helpers("\n".join([body, *functions])) + functions
        math = ["import math\n"] if any("math." in text for text in called) else []
        head = [f'"""{title}"""\n', *math, "import numpy as np\n"]
        return "\n\n".join(["\n".join([*head, *arrays]).rstrip() + "\n", *called, body])

    # Functions

    def _views(self) -> Iterator[str]:
        if not self.named:
            return
        yield "def views(p):"
        yield f'{INDENT}"""A flat vector in parts, which share its memory."""'
        for view in self.named:
            code = f"{view.variable.code} = p{brackets(view.index, self.size)}"
            yield line(view.variable, code)
        yield wrapped(f"{INDENT}return {self._listed('variable')}")
        yield from ("", "")

    def _listed(self, what: str) -> str:
        return names([getattr(view, what).code for view in self.named])

    def _value(self, forward: Sequence[Statement]) -> Iterator[str]:
        yield '@np.errstate(all="ignore")'
        yield "def value(p, X, Y=None):"
        what = "costs of the examples" if self.scalar_cost else "outputs for each example"
        yield f'{INDENT}"""The {what}: rows of X, targets in Y, parameters p."""'
        lines = []
        for statement in forward:
            variable = statement.variable
            lines.append(line(variable, f"{variable.code} = {statement.formula.write('code')}"))
        lines.append(f"{INDENT}return {self._returned()}")
        yield from self._given(forward)
        for size in _rows_of_ones(lines):
            yield f"{INDENT}ones{size} = np.ones({size}, p.dtype)"
        yield from lines

    def _both(self, statements: Sequence[Statement]) -> Iterator[str]:
        workspace = self.lines.workspace
        computed = []
        part = ""
        for statement in [s for s in statements if s.part != "gradient"]:
            if statement.part != part:
                part = statement.part
                computed.append(f"{INDENT}# {part}")
            computed.append(self.lines.assignment(statement))
        computed += self.lines.gradients()
        computed.append(f"{INDENT}return {self._returned(kept=True)}, g")
        for size in _rows_of_ones(computed):
            workspace.ones(size)
        yield from workspace.definition()
        yield '@np.errstate(all="ignore")'
        name, what = "value_and_grad", "costs, and g, the gradient by p summed over the examples"
        given = "p, X, Y=None, g=None"
        if not self.scalar_cost:
            name, what = "vjp", "outputs, and g, the gradient by p of the sum of V × outputs"
            given = "p, X, V, Y=None, g=None"
        kept = [", work=None"] if workspace else []
        kept += [", of_p=None, of_g=None"] if self.named else []
        yield f"def {name}({given}{''.join(kept)}):"
        yield f'{INDENT}"""The {what}."""'
        yield f"{INDENT}g = np.zeros_like(p) if g is None else g"
        yield from self._given(statements, kept=True)
        yield from workspace.unpacking()
        yield from computed

    # What they begin and end with

    def _given(self, statements: Sequence[Statement], kept: bool = False) -> Iterator[str]:
        """The lines that give names to the arguments, views of the parameters, and constants."""
        used = {v for s in statements for v in s.formula.names()}
        used |= {v for e in self.derivation.outputs for v in e.names()}
        codes = {v.kind: v.code for v in used}
        arguments = [("input", "X"), ("target", "Y")]
        heads = {codes[kind]: argument for kind, argument in arguments if kind in codes}
        heads["m"] = "len(X)"
        yield f"{INDENT}{', '.join(heads)} = {', '.join(heads.values())}"
        for name in self.derivation.constants:
            if any(v.code == name.lower() for v in used):
                yield f"{INDENT}{name.lower()} = {name}.astype(p.dtype, copy=False)"
        if any(view.variable in used for view in self.named):
            known = "of_p or " if kept else ""
            yield wrapped(f"{INDENT}{self._listed('variable')} = {known}views(p)")
        for view in self.derivation.views:
            if view not in self.named and view.variable in used and view.variable.code != "p":
                yield line(view.variable, f"{view.variable.code} = {self._read(view)}")
        targets = {s.variable for s in statements}
        if kept and any(view.gradient in targets for view in self.named):
            yield wrapped(f"{INDENT}{self._listed('gradient')} = of_g or views(g)")

    def _read(self, view: View) -> str:
        """The code that gathers shared parameters."""
        gathered = f"p[{self.derivation.array('I', view.index)}]"
        if view.cells is None:
            return gathered
        rows, columns, factors = view.cells
        shape = view.variable.shape
        cells = self.derivation.array("I", rows * shape[1] + columns)
        if not (factors == 1).all():
            gathered += f" * {self.derivation.array('K', factors)}.astype(p.dtype)"
        return f"scattered({shape}, {cells}, {gathered})"

    def _returned(self, kept: bool = False) -> str:
        """The costs or outputs; where the arrays they are in are kept, copies."""
        outputs = self.derivation.outputs
        if self.scalar_cost:
            (cost,) = outputs
            if not cost.batch:
                return f"np.full(m, {cost.write('code')}, p.dtype)"
            own = kept and any(self._is_kept(v) for v in cost.names())
            return f"{cost.within('code', ATOM)}[:, 0]{'.copy()' if own else ''}"
        columns = [e.write("code") if e.batch else f"np.full((m, 1), {e.write('code')}, p.dtype)"
                   for e in outputs]  # fmt: skip
        return f"np.concatenate([{', '.join(columns)}], axis=1)"

    def _is_kept(self, variable: Variable) -> bool:
        """Whether its array is an argument's, or is computed in at the next call too."""
        leaf = variable.formula
        if isinstance(leaf, (Name, Index)):
            return any(self._is_kept(v) for v in leaf.names())
        return variable.kind in ("input", "target") or variable.code in self.lines.workspace


def _rows_of_ones(lines: Sequence[str]) -> list[str]:
    """How long the rows of ones are that these lines take products with."""
    return sorted(set(re.findall(r"\bones(\d+)\b", "\n".join(lines))), key=int)
