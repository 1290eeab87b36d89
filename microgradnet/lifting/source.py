"""A derivation as Python that needs NumPy alone, one line an equation, for reading and for running.

All names in it are made here or in `derivation`, and all numbers are written by `repr`: nothing of
a graph's own text, such as a label, can come into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.lifting.formulas import Expr, Function, Name, Num, Power, Product, Sum, Variable
from microgradnet.lifting.helpers import HELPERS
from microgradnet.lifting.matrices import BatchTotal, MatVec, Outer, TransposedMatVec
from microgradnet.lifting.rules import Apply, Pull, trace
from microgradnet.lifting.statements import Derivation, Statement, View
from microgradnet.operation import Operation

__all__ = ["Source", "write_source"]

_INDENT = "    "
_LINE = 90
"""So long are lines of numbers."""
_SLOPES = {ops.sigmoid: "sigmoid_and_slope", ops.tanh: "tanh_and_slope"}
"""Activations whose derivative comes cheaply along with the value."""


@dataclass(frozen=True)
class Source:
    """The text, the work arrays (name: entries for each example) and parts its functions take."""

    text: str
    work: dict[str, int]
    named: list[View]
    """The parts of the flat vector that the function `views` gives, in its order."""


def write_source(derivation: Derivation, title: str, scalar_cost: bool, size: int) -> Source:
    """The source of value and value_and_grad; of several outputs, value and vjp."""
    return _Writer(derivation, scalar_cost, size).write(title)


class _Writer:
    def __init__(self, derivation: Derivation, scalar_cost: bool, size: int) -> None:
        self.derivation, self.scalar_cost, self.size = derivation, scalar_cost, size
        self.helpers: set[str] = set()
        self.work: dict[str, int] = {}
        self.slopes: dict[Variable, Variable] = {}
        self.functions: dict[Operation, str] = {}
        self.named = [
            view
            for view in derivation.views
            if view.cells is None and _place(view.index, size) not in (None, "")
        ]

    def write(self, title: str) -> Source:
        statements = self.derivation.statements
        forward = [s for s in statements if s.part == "forward"]
        functions = [text for s in statements for text in self._functions(s.formula)]
        value = [*self._value(forward)]
        self._find_slopes(statements)
        both = [*self._both(statements)]
        views = [*self._views(), "", ""] if self.named else []
        body = "\n".join([*views, *value, "", "", *both, ""])
        names = self.derivation.constants
        words = set(_words(body))
        arrays = [f"{name} = {_array(values)}" for name, values in names.items() if name in words]
        functions = [text for text in functions if text.split("(")[0].split()[1] in words]
        called = self._all_helpers("\n".join([body, *functions]))
        helpers = [HELPERS[name] for name in HELPERS if name in called] + functions
        math = ["import math\n"] if any("math." in helper for helper in helpers) else []
        head = [f'"""{title}"""\n', *math, "import numpy as np\n"]
        blocks = ["\n".join([*head, *arrays]).rstrip() + "\n", *helpers, body]
        return Source("\n\n".join(blocks), self.work, self.named)

    def _all_helpers(self, body: str) -> set[str]:
        """The helpers that the body calls, and those that these call."""
        wanted: set[str] = set()
        texts = [body]
        while texts:
            words = set(_words(texts.pop()))
            for name in HELPERS.keys() & words - wanted:
                wanted.add(name)
                texts.append(HELPERS[name])
        return wanted

    # Functions

    def _functions(self, e: Expr) -> Iterator[str]:
        """Definitions of the activations in a formula that NumPy lacks, and of their rules."""
        for part in _walk(e):
            if not isinstance(part, (Apply, Pull)) or len(part.operands) != 1:
                continue
            if isinstance(part.formula, (Num, Name)) or not _deserves_name(part.op):
                continue
            op = part.op
            new = op not in self.functions
            name = self.functions.setdefault(op, self._function_name(op))
            shown = op.name if op.name.isidentifier() else name  # else it could be code
            g, y, x = (Name(Variable(c, c, c, 2, True, "value")) for c in "gyx")
            rule: Expr = trace(op, op.vjp, (g, y, x))[0]
            used = {v.code for v in rule.names()}
            letters = "".join(c for c in "gyx" if c in used)
            simple = _is_simple(part.op)
            if isinstance(part, Apply):
                part.called = None if simple or name in HELPERS else name
            else:
                part.called = f"{name}_vjp", letters
            if new:
                if not simple and name not in HELPERS:
                    forward = trace(op, op.forward, (x,)).write("code")
                    yield f'def {name}(x):\n    """{shown}(x)."""\n    return {forward}\n'
                yield (
                    f"def {name}_vjp({', '.join(letters)}):\n"
                    f'    """What {shown} passes on of g."""\n'
                    f"    return {rule.write('code')}\n"
                )

    def _function_name(self, op: Operation) -> str:
        base = op.name if op.forward_module == ops.__name__ else "own"
        count = sum(name.rstrip("_0123456789") == base for name in self.functions.values())
        return f"{base}_{count + 1}" if count else base

    @property
    def _views_argument(self) -> str:
        return ", views=views" if self.named else ""

    def _value(self, forward: list[Statement]) -> Iterator[str]:
        yield '@np.errstate(all="ignore")'
        yield f"def value(p, X, Y=None{self._views_argument}):"
        what = "costs of the examples" if self.scalar_cost else "outputs for each example"
        yield f'{_INDENT}"""The {what}: rows of X, targets in Y, parameters p."""'
        yield from self._names(forward, gradients=False)
        for statement in forward:
            variable = statement.variable
            yield _line(variable, f"{variable.code} = {statement.formula.write('code')}")
        yield f"{_INDENT}return {self._returned()}"

    def _both(self, statements: list[Statement]) -> Iterator[str]:
        yield '@np.errstate(all="ignore")'
        if self.scalar_cost:
            yield f"def value_and_grad(p, X, Y=None, g=None, work={{}}{self._views_argument}):"
            yield f'{_INDENT}"""The costs, and g, the gradient by p summed over the examples."""'
        else:
            yield f"def vjp(p, X, V, Y=None, g=None, work={{}}{self._views_argument}):"
            yield f'{_INDENT}"""The outputs, and g, the gradient by p of the sum of V × outputs."""'
        yield f"{_INDENT}g = np.zeros_like(p) if g is None else g"
        yield from self._names(statements, gradients=True)
        part = ""
        for statement in statements:
            if statement.part == "gradient":
                continue
            if statement.part != part:
                part = statement.part
                yield f"{_INDENT}# {part}"
            yield self._assignment(statement)
        yield from self._gradients([s for s in statements if s.part == "gradient"])
        yield f"{_INDENT}return {self._returned()}, g"

    def _names(self, statements: Iterable[Statement], gradients: bool) -> Iterator[str]:
        """The lines that give names to the arguments, views of the parameters, and constants."""
        statements = list(statements)
        used = {v for s in statements for v in s.formula.names()}
        used |= {v for e in self.derivation.outputs for v in e.names()}
        kinds = {v.kind: v for v in used}
        heads = [(kinds["input"].code, "X")] if "input" in kinds else []
        heads += [(kinds["target"].code, "Y")] if "target" in kinds else []
        left, right = zip(*heads, ("m", "len(X)"), strict=True)
        yield f"{_INDENT}{', '.join(left)} = {', '.join(right)}"
        for name in self.derivation.constants:
            if name[0] == "K" and any(v.code == name.lower() for v in used):
                yield f"{_INDENT}{name.lower()} = {name}.astype(p.dtype, copy=False)"
        if any(view.variable in used for view in self.named):
            yield f"{_INDENT}{self._listed('variable')} = views(p)"
        for view in self.derivation.views:
            if view not in self.named and view.variable in used and view.variable.code != "p":
                yield _line(view.variable, f"{view.variable.code} = {self._read(view)}")
        targets = {s.variable for s in statements}
        if gradients and any(view.gradient in targets for view in self.named):
            yield f"{_INDENT}{self._listed('gradient')} = views(g)"

    def _listed(self, what: str) -> str:
        names = [getattr(view, what).code for view in self.named]
        return ", ".join(names) + "," * (len(names) == 1)

    def _views(self) -> Iterator[str]:
        yield "def views(p):"
        yield f'{_INDENT}"""A flat vector in parts, which share its memory."""'
        for view in self.named:
            code = f"{view.variable.code} = p{_place(view.index, self.size)}"
            yield _line(view.variable, code)
        yield f"{_INDENT}return {self._listed('variable')}"

    def _read(self, view: View) -> str:
        if view.cells is None:
            place = _place(view.index, self.size)
            return f"p[{self._array('I', view.index)}]" if place is None else f"p{place}"
        rows, columns, factors = view.cells
        shape = view.variable.shape
        cells = self._array("I", rows * shape[1] + columns)
        scale = "" if (factors == 1).all() else f" * {self._array('K', factors)}.astype(p.dtype)"
        return f"scattered({shape}, {cells}, p[{self._array('I', view.index)}]{scale})"

    def _array(self, letter: str, values: NDArray[Any]) -> str:
        for name, known in self.derivation.constants.items():
            if name[0] == letter and known.shape == values.shape and (known == values).all():
                return name
        number = 1 + sum(name[0] == letter for name in self.derivation.constants)
        self.derivation.constants[f"{letter}{number}"] = values
        return f"{letter}{number}"

    def _returned(self) -> str:
        outputs = self.derivation.outputs
        if self.scalar_cost:
            written = outputs[0].within("code", 4)
            if outputs[0].batch:
                return f"{written}[:, 0]"
            return f"np.full(m, {outputs[0].write('code')}, p.dtype)"
        columns = [e.write("code") if e.batch else f"np.full((m, 1), {e.write('code')}, p.dtype)"
                   for e in outputs]  # fmt: skip
        return f"np.concatenate([{', '.join(columns)}], axis=1)"

    # Lines

    def _find_slopes(self, statements: list[Statement]) -> None:
        """See which derivatives of activations are wanted, so that the forward pass gives them."""
        activated = {
            (s.formula.op, s.formula.operands[0].variable): s.variable
            for s in statements
            if s.part == "forward" and isinstance(s.formula, Apply) and s.formula.op in _SLOPES
            and isinstance(s.formula.operands[0], Name)
        }  # fmt: skip
        for statement in statements:
            for pull in _walk(statement.formula):
                if not isinstance(pull, Pull):
                    continue
                x = pull.operands[0]
                if not (isinstance(x, Name) and (pull.op, x.variable) in activated):
                    continue
                a = activated[pull.op, x.variable]
                if a.inlined or not a.batch:
                    continue
                digits = a.code[1:] if a.code[0] == "a" else f"_{a.code}"
                pull.slope = self.slopes.setdefault(
                    a, Variable(f"slope{digits}", f"slope{digits}", "", a.size, True, "value")
                )

    def _assignment(self, statement: Statement) -> str:
        variable, formula = statement.variable, _resolved(statement.formula)
        name = variable.code
        if isinstance(formula, Apply) and variable in self.slopes:
            slope = self.slopes[variable]
            z = formula.operands[0].write("code")
            call = f"{_SLOPES[formula.op]}({z}, {self._out(variable)}, {self._out(slope)})"
            return _line(variable, f"{name}, {slope.code} = {call}")
        if isinstance(formula, Apply) and formula.op is ops.relu and variable.batch:
            x = formula.operands[0].write("code")
            return _line(variable, f"{name} = np.maximum({x}, 0, out={self._out(variable)})")
        affine = _affine(formula)
        if affine is not None:
            product, bias = affine
            v, matrix = product.vector.write("code"), product.matrix.code
            if bias is None:
                return _line(
                    variable, f"{name} = np.matmul({v}, {matrix}.T, out={self._out(variable)})"
                )
            return _line(
                variable,
                f"{name} = affine({matrix}, {v}, {bias.write('code')}, {self._out(variable)})",
            )
        passed_on = _resolved(formula.g) if isinstance(formula, Pull) and formula.batch else None
        if isinstance(formula, Pull) and isinstance(passed_on, TransposedMatVec):
            back = self._back(passed_on, variable)
            if formula.op is ops.relu:
                z = formula.operands[0].write("code")
                return _line(variable, f"{name} = times({back}, {z} > 0)")
            if formula.slope is not None:
                return _line(variable, f"{name} = times({back}, {formula.slope.code})")
        return _line(variable, f"{name} = {formula.write('code')}")

    def _back(self, product: TransposedMatVec, variable: Variable) -> str:
        v, matrix = product.vector.write("code"), product.matrix.code
        # NumPy multiplies by a row, entry by entry, three times as fast as by a matrix of one row.
        function = "np.multiply" if product.matrix.rows == 1 else "np.matmul"
        return f"{function}({v}, {matrix}, out={self._out(variable)})"

    def _out(self, variable: Variable) -> str:
        self.work[variable.code] = variable.size
        return f'work.get("{variable.code}")'

    def _gradients(self, statements: list[Statement]) -> Iterator[str]:
        """The lines that fill g: each entry is assigned the first time and added to thereafter."""
        views = {view.gradient: view for view in self.derivation.views}
        assigned = np.zeros(self.size, dtype=bool)
        touched = np.concatenate([views[s.variable].index.ravel() for s in statements] or [
            np.zeros(0, dtype=np.intp)])  # fmt: skip
        plan = []
        clean = True
        for statement in statements:
            view = views[statement.variable]
            index = view.index.ravel()
            simple = view.cells is None and _place(view.index, self.size) is not None
            fresh = simple and not assigned[index].any()
            clean &= fresh or bool(assigned[index].all())
            assigned[index] = True
            plan.append((statement, view, fresh))
        yield f"{_INDENT}# gradients"
        if any(fresh and _is_total(statement.formula) for statement, _, fresh in plan):
            self.work["ones"] = 0
            yield f'{_INDENT}ones = work["ones"] if work else np.ones(m, p.dtype)'
        if not clean or len(np.unique(touched)) < self.size:
            yield f"{_INDENT}g[...] = 0"
        for statement, view, fresh in plan:
            yield self._gradient(statement, view, fresh)

    def _gradient(self, statement: Statement, view: View, fresh: bool) -> str:
        variable, formula = statement.variable, statement.formula
        name = variable.code
        if view.cells is not None:
            rows, columns, factors = view.cells
            cells = self._array("I", rows * variable.size + columns)
            index = self._array("I", view.index)
            scale = "" if (factors == 1).all() else f" * {self._array('K', factors)}"
            summed = f"({formula.write('code')}).ravel()[{cells}]{scale}"
            return _line(variable, f"g += np.bincount({index}, {summed}, len(g))")
        if _place(view.index, self.size) is None:
            index = self._array("I", view.index)
            written = formula.write("code")
            if len(np.unique(view.index)) == view.index.size:
                return _line(variable, f"g[{index}] += {written}")
            return _line(variable, f"np.add.at(g, {index}, {written})")
        if fresh and isinstance(formula, Outer) and formula.u.batch and formula.v.batch:
            u, v = formula.u.within("code", 4), formula.v.write("code")
            return _line(variable, f"np.matmul({u}.T, {v}, out={name})")
        if fresh and _is_total(formula) and isinstance(formula, BatchTotal):
            # A product with ones is many times as fast as NumPy's sum of columns.
            vector = formula.vector.write("code")
            return _line(variable, f"np.matmul(ones, {vector}, out={name})")
        target = name if name == "g" and not fresh else f"{name}[...]" if fresh else name
        return _line(variable, f"{target} {'=' if fresh else '+='} {formula.write('code')}")


def _resolved(e: Expr) -> Expr:
    """The formula that will be written where e stands."""
    while isinstance(e, Name) and e.variable.inlined and e.variable.formula is not None:
        e = e.variable.formula
    return e


def _walk(e: Expr) -> Iterator[Expr]:
    """A formula and all its parts, those of inlined variables too."""
    yield e
    parts = list(e.parts())
    if isinstance(e, Pull):
        parts = [e.g, e.out, *e.operands]
    elif isinstance(e, Apply):
        parts = list(e.operands)
    elif isinstance(e, Name) and e.variable.inlined and e.variable.formula is not None:
        parts = [e.variable.formula]
    for part in parts:
        yield from _walk(part)


def _is_simple(op: Operation) -> bool:
    """Whether an operation is so short in NumPy that it needs no function of its own."""
    x = Name(Variable("x", "x", "x", 2, True, "value"))
    formula = trace(op, op.forward, (x,))
    called = isinstance(formula, Function) and formula.name in Function.code
    return called or isinstance(formula, (Product, Power))


def _deserves_name(op: Operation) -> bool:
    """Whether an operation's rule is a function of its own."""
    return op in (ops.relu, ops.tanh) or not _is_simple(op)


def _is_total(e: Expr) -> bool:
    """Whether it is a sum over examples of what differs between them."""
    return isinstance(e, BatchTotal) and e.vector.batch


def _affine(e: Expr) -> tuple[MatVec, Expr | None] | None:
    """W a + b in parts, where it is just that and differs between examples."""
    terms: tuple[Expr, ...] = e.terms if isinstance(e, Sum) else (e,)
    if not isinstance(terms[0], MatVec) or not terms[0].batch or len(terms) > 2:
        return None
    bias = terms[-1] if len(terms) == 2 else None
    return None if bias is not None and bias.batch else (terms[0], bias)


def _place(index: NDArray[np.intp], size: int) -> str | None:
    """Brackets that give these places of a flat vector as a view of it; None if there are none."""
    if index.ndim == 1:
        first, count = int(index[0]), len(index)
        if (index == np.arange(first, first + count)).all():
            return "" if count == size else f"[{first}:{first + count}]"
        step = int(index[1] - index[0])
        stop = first + step * (count - 1) + 1
        if step > 1 and (index == np.arange(first, stop, step)).all():
            return f"[{first}:{stop}:{step}]"
        return None
    rows, columns = index.shape
    first = int(index[0, 0])
    step = int(index[1, 0]) - first if rows > 1 else columns
    grid = first + step * np.arange(rows)[:, None] + np.arange(columns)
    if step < columns or not (index == grid).all():
        return None
    base = min(first, size - rows * step)
    if base < 0 or first - base + columns > step:
        return None
    brackets = f"[{base}:{base + rows * step}].reshape({rows}, {step})"
    lead = first - base
    return brackets if columns == step else f"{brackets}[:, {lead}:{lead + columns}]"


def _line(variable: Variable, code: str) -> str:
    if variable.kind in ("parameter", "gradient", "constant") or not variable.batch:
        shown = str(variable.shape or (1,))
    else:
        shown = f"(m, {variable.size})"
    return f"{_INDENT}{code}  # {shown}"


def _array(values: NDArray[Any]) -> str:
    def number(x: Any) -> str:
        if isinstance(x, list):
            return f"[{', '.join(map(number, x))}]"
        if isinstance(x, int):
            return str(x)
        return {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}.get(str(x), repr(x))

    return _wrapped(f"np.array({number(values.tolist())})")


def _wrapped(code: str) -> str:
    """Code whose long lists run over several lines."""
    lines = [""]
    for part in code.split(", "):
        if len(lines[-1]) + len(part) > _LINE:
            lines.append(_INDENT)
        lines[-1] += f"{part}, "
    return "\n".join(line.rstrip() for line in lines).rstrip(",")


def _words(text: str) -> list[str]:
    import re

    return re.findall(r"[A-Za-z_][A-Za-z_0-9]*", text)
