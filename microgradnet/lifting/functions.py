"""The functions that a found program brings along, as source text.

They are the helpers of `helpers` that it calls, and those made here: the activations that NumPy
lacks and, of any operation of one operand, its derivative rule, for the formulas would be long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from microgradnet import ops
from microgradnet.lifting.formulas import Expr, Function, Name, Num, Power, Product, Variable
from microgradnet.lifting.helpers import HELPERS
from microgradnet.lifting.lines import walk
from microgradnet.lifting.rules import Apply, Pull, trace
from microgradnet.operation import Operation

__all__ = ["Functions", "helpers", "words"]

# What definitions call their arguments. Code asks neither how long they are nor of which examples.
_G, _Y, _X = (Name(Variable(c, c, c, 1, True, "value")) for c in "gyx")


class Functions:
    """The functions made so far, one an operation."""

    def __init__(self) -> None:
        self._names: dict[Operation, str] = {}

    def of(self, e: Expr) -> Iterator[str]:
        """Definitions of the activations in a formula, which calls them from now on."""
        for part in walk(e):
            if not isinstance(part, (Apply, Pull)) or len(part.operands) != 1:
                continue
            if isinstance(part.formula, (Num, Name)) or not _deserves_name(part.op):
                continue
            op = part.op
            new = op not in self._names
            name = self._names.setdefault(op, self._name(op))
            shown = op.name if op.name.isidentifier() else name  # else it could be code
            rule: Expr = trace(op, op.rule, (_G, _Y, _X))[0]
            used = {v.code for v in rule.names()}
            letters = "".join(c for c in "gyx" if c in used)
            simple = _is_simple(part.op)
            if isinstance(part, Apply):
                part.called = None if simple or name in HELPERS else name
            else:
                part.called = f"{name}_vjp", letters
            if new:
                if not simple and name not in HELPERS:
                    forward = trace(op, op.forward, (_X,)).write("code")
                    yield f'def {name}(x):\n    """{shown}(x)."""\n    return {forward}\n'
                yield (
                    f"def {name}_vjp({', '.join(letters)}):\n"
                    f'    """What {shown} passes on of g."""\n'
                    f"    return {rule.write('code')}\n"
                )

    def _name(self, op: Operation) -> str:
        base = op.name if op.forward_module == ops.__name__ else "own"
        count = sum(name.rstrip("_0123456789") == base for name in self._names.values())
        return f"{base}_{count + 1}" if count else base


def _is_simple(op: Operation) -> bool:
    """Whether an operation is so short in NumPy that it needs no function of its own."""
    formula = trace(op, op.forward, (_X,))
    called = isinstance(formula, Function) and formula.name in Function.code
    return called or isinstance(formula, (Product, Power))


def _deserves_name(op: Operation) -> bool:
    """Whether an operation's rule is a function of its own."""
    return op in (ops.relu, ops.tanh) or not _is_simple(op)


def helpers(body: str) -> list[str]:
    """The helpers that a text calls, and those that these call."""
    wanted: set[str] = set()
    texts = [body]
    while texts:
        for name in HELPERS.keys() & words(texts.pop()) - wanted:
            wanted.add(name)
            texts.append(HELPERS[name])
    return [HELPERS[name] for name in HELPERS if name in wanted]


def words(text: str) -> set[str]:
    """The words of a text, without those behind a point."""
    return set(re.findall(r"(?<![.\w])[A-Za-z_]\w*", text))
