"""The operations of a graph in JavaScript, so that a page can compute the graph anew.

A rule is run in an arithmetic whose numbers are JavaScript: every step that it takes becomes a
statement, and what it returns is the name of one. So each operation of the table has its forward
function and its rule in the page, and a user's own operation too. The elementary functions are
those of the object m in operations.js, under the names of the table.

No text of a user becomes code: names are x0, x1 … for operands, t0, t1 … for steps, functions come
from the table, constants are written as floats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isfinite
from typing import Any

from microgradnet.arithmetic import FUNCTIONS, NO_PART, Arithmetic, Function, Number, ieee
from microgradnet.operation import Operation

__all__ = ["Rules"]


class Rules:
    """Collect the operations that a page computes, each with its number of operands."""

    def __init__(self) -> None:
        self._places: dict[tuple[object, ...], int | None] = {}
        self._written: list[str] = []

    def place(
        self,
        op: Operation,
        operands: int,
        evaluation: tuple[Callable[..., Number], int] | None = None,
    ) -> int | None:
        """Return the operation's index among the rules; None if JavaScript cannot compute it.

        So it is of an operation that branches on a number or leaves the arithmetic, as by math.exp.
        The evaluation is the forward function and how many numbers it takes, where the node's
        number comes from others than its operands (`complements.evaluation`).
        """
        forward, count = evaluation or (op.forward, operands)
        key = op, operands, forward
        if key not in self._places:
            try:
                self._written.append(_written(op, operands, forward, count))
                self._places[key] = len(self._written) - 1
            except Exception:  # whatever a user's function raises where a number is no float
                self._places[key] = None
        return self._places[key]

    def script(self) -> str:
        """Write the statement that defines RULES, a list of {f, vjp}: f(xs) and vjp(g, y, xs)."""
        return f"const RULES = [\n{''.join(self._written)}];\n"


def _written(op: Operation, operands: int, function: Callable[..., Number], count: int) -> str:
    taken, names = [[f"x{k}" for k in range(n)] for n in (count, operands)]
    xs = ", ".join(names)
    forward, rule = _Block(), _Block()
    result = function(_javascript, *(_Term(x, forward) for x in taken))
    if result is None:
        raise TypeError(f"{op.name} returned None")
    y = forward.write(result)
    contributions = op.rule(_javascript, *(_Term(x, rule) for x in ("g", "y", *names)))
    op.check(contributions, operands)
    passed = rule.write(contributions)
    return (
        f"{{ f: ([{', '.join(taken)}]) => {{ {forward}return {y}; }},\n"
        f"  vjp: (g, y, [{xs}]) => {{ {rule}return {passed}; }} }},\n"
    )


class _Block:
    """Collect statements, one for each step; what is computed twice is one step."""

    def __init__(self) -> None:
        self._steps: dict[str, str] = {}

    def __str__(self) -> str:
        return "".join(f"const {name} = {step}; " for step, name in self._steps.items())

    def step(self, expression: str) -> _Term:
        """Give the value of an expression a name."""
        return _Term(self._steps.setdefault(expression, f"t{len(self._steps)}"), self)

    def write(self, x: Any) -> str:
        """Write a term by its name, a number or truth value as a float, a list by its entries.

        What has no part is null.
        """
        if x is NO_PART:
            return "null"
        if isinstance(x, _Term):
            return x.name
        if isinstance(x, (list, tuple)):
            return f"[{', '.join(map(self.write, x))}]"
        x = ieee.convert(x)
        return repr(x) if isfinite(x) else "NaN" if x != x else "Infinity" if x > 0 else "-Infinity"


def _infix(sign: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Make a sign of JavaScript a method, with the term on its left and on its right."""

    def left(self: _Term, other: Any) -> _Term:
        return self.block.step(f"{self.name} {sign} {self.block.write(other)}")

    def right(self: _Term, other: Any) -> _Term:
        return self.block.step(f"{self.block.write(other)} {sign} {self.name}")

    return left, right


class _Term:
    """Name a number or a condition that JavaScript will compute: a step or an operand."""

    def __init__(self, name: str, block: _Block) -> None:
        self.name, self.block = name, block

    __add__, __radd__ = _infix("+")
    __sub__, __rsub__ = _infix("-")
    __mul__, __rmul__ = _infix("*")
    __truediv__, __rtruediv__ = _infix("/")
    __lt__, __gt__ = _infix("<")
    __le__, __ge__ = _infix("<=")
    __and__, __rand__ = _infix("&&")
    __eq__, _ = _infix("===")
    __ne__, _ = _infix("!==")

    def __neg__(self) -> _Term:
        return self.block.step(f"-{self.name}")

    def __abs__(self) -> _Term:
        return self.block.step(f"m.abs({self.name})")

    def __pow__(self, other: Any) -> Any:
        return _javascript.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return _javascript.power(other, self)

    def __bool__(self) -> bool:
        raise TypeError("a branch in Python, which JavaScript does not see: use m.where")


def _block(*xs: Any) -> _Block | None:
    """Find the block of the first term among arguments, lists of them too."""
    for x in xs:
        if isinstance(x, _Term):
            return x.block
        if isinstance(x, (list, tuple)) and (block := _block(*x)):
            return block
    return None


def _function(name: str) -> Callable[..., Any]:
    def call(*xs: Any) -> Any:
        block = _block(*xs)
        if block is None:  # known beforehand
            return getattr(ieee, name)(*xs)
        return block.step(f"m.{name}({', '.join(map(block.write, xs))})")

    return call


_OWN = [name for name in FUNCTIONS if getattr(type(ieee), name) is not getattr(Arithmetic, name)]
"""What floats do not derive from other functions, JavaScript does not either."""


class _JavaScript(Arithmetic, functions={name: _function(name) for name in _OWN}):
    name = "JavaScript"
    pi = ieee.pi
    no_part = NO_PART

    def convert(self, x: Number) -> Number:
        return x if isinstance(x, _Term) or x is NO_PART else ieee.convert(x)

    def where(self, condition: Any, x: Number, y: Number) -> Number:
        block = _block(condition)
        if block is None:
            return self.convert(x if condition else y)
        return block.step(f"{condition.name} ? {block.write(x)} : {block.write(y)}")

    def both(self, p: Any, q: Any) -> Any:
        return p & q

    def is_infinite(self, x: Number) -> Any:
        return abs(x) == inf

    def divide(self, x: Number, y: Number) -> Number:
        return ieee.divide(x, y) if _block(x, y) is None else x / y

    def _product(self, factor: Number, product: Function, *orders: Function) -> Number:
        written = product()  # as in `product_in_order`, without a branch
        products = [*[order() for order in orders], written]
        chosen = written
        for each in products:
            chosen = self.where(each == each, each, chosen)
        for each in reversed(products):
            chosen = self.where(self.is_normal(each), each, chosen)
        return self.where(self.is_normal(factor), written, chosen)

    def near_one(self, g: Number, share: Number, rest: Function) -> Number:
        beside_1 = self.both(share > 0.5, abs(g) < inf)
        return self.where(beside_1, (g, -g * rest()), g * share)

    def log1p_slope(self, g: Number, x: Number, out: Number) -> Number:
        beside = self.both(x >= -1, x < -0.5)  # as in `ieee`
        better = self.both(beside, out != self.log1p(x))
        return self.where(better, g * self.exp(-out), super().log1p_slope(g, x, out))

    is_normal = staticmethod(_function("is_normal"))
    scaled, power_log = Arithmetic.scaled, Arithmetic.power_log

    def power_slope(self, g: Number, x: Number, y: Number, out: Number) -> Number:
        slope = self.divide(y * out, x)  # as in `ieee`
        sharp = self.both(x > 0, self.both(self.is_normal(slope), self.is_normal(out)))
        rest = self.scaled(g, y * self.power(x, y - 1), y * out, x)
        return self.where(sharp, g * slope, rest)

    def softmax(self, xs: Sequence[Number]) -> tuple[Number, ...]:
        block = _block(xs)
        if block is None:
            return ieee.softmax(xs)
        shares = block.step(f"m.softmax({block.write(xs)})")
        return tuple(_Term(f"{shares.name}[{k}]", block) for k in range(len(xs)))


_javascript = _JavaScript()
