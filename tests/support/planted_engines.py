"""Engines of three forms in which the classical mistakes can be planted, alone or together.

`closures` is of micrograd's form: a node has a function that passes its gradient on. `local_grads`
is of the GPT of scalars': a node has its parents and the derivatives by them. `own` is this
package's, with another backward pass and other rules for as long as a block lasts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from microgradnet import Value
from microgradnet.arithmetic import NO_PART

__all__ = ["OWN", "PLANTS", "closures", "conflict", "local_grads", "own"]

WALKS = (
    "no_topological_order", "order_not_reversed", "tape_never_cleared", "nodes_compared_by_value",
)  # fmt: skip
SEEDS = ("seed_missing", "seed_is_value", "seed_accumulates")
RULES = (
    "operand_forgotten", "operands_swapped", "wrong_sign", "constant_factor", "power_not_lowered",
    "exponent_lost", "wrong_variable", "square_lost", "half_a_rule", "gate_forgotten",
    "relu_slope_at_zero", "gate_on_gradient", "gradient_to_both", "upstream_gradient_lost",
    "upstream_gradient_added", "other_function", "power_rule_on_exponential",
)  # fmt: skip
PLANTS = (
    "assigned_gradient", *WALKS, "set_of_parents", "interior_gradients_kept", *SEEDS, *RULES,
    "overflow", "softmax_diagonal", "reflected_operands_swapped", "reflected_operand_missing",
    "recursion", "paths_one_by_one",
)  # fmt: skip
OWN = ("assigned_gradient", "no_topological_order", "order_not_reversed",
       "interior_gradients_kept", "nodes_compared_by_value", *SEEDS, *RULES)  # fmt: skip
"""Those that can be planted into our own without writing it anew."""

_EXCLUSIVE = (
    # one of each can be: how nodes are walked, what the root begins with, what one rule says
    {*WALKS, "paths_one_by_one"},
    {*SEEDS},
    {"relu_slope_at_zero", "gate_on_gradient"},
    {"power_not_lowered", "exponent_lost"},
    {"reflected_operands_swapped", "reflected_operand_missing"},
    # what is kept: a tape that is never cleared is kept whole; a seed that adds up is kept too
    {"interior_gradients_kept", "tape_never_cleared", "seed_accumulates", "paths_one_by_one"},
)


def conflict(*plants: str) -> bool:
    """Whether two mistakes are in one line, or one makes the other impossible."""
    return any(len(exclusive & {*plants}) > 1 for exclusive in _EXCLUSIVE)


def slopes(plants: frozenset[str], name: str, xs: Any, y: float) -> list[float]:
    """The partial derivatives, with the mistakes that are planted."""
    x = xs[0]
    right = _SLOPES[name](y, *xs)
    wrong: dict[tuple[str, str], Callable[[], list[float]]] = {
        ("multiply", "operands_swapped"): lambda: [x, right[1]],
        ("subtract", "wrong_sign"): lambda: [1.0, 1.0],
        ("exp", "constant_factor"): lambda: [2 * y],
        ("power", "power_not_lowered"): lambda: [xs[1] * x ** xs[1]],
        ("power", "exponent_lost"): lambda: [x ** (xs[1] - 1)],
        ("tanh", "wrong_variable"): lambda: [1 - x * x],
        ("divide", "square_lost"): lambda: [right[0], -x / xs[1]],
        ("sigmoid", "half_a_rule"): lambda: [y],
        ("abs", "gate_forgotten"): lambda: [1.0],
        ("relu", "relu_slope_at_zero"): lambda: [1.0 if x >= 0 else 0.0],
        ("maximum", "gradient_to_both"): lambda: [1.0, 1.0],
        ("sin", "other_function"): lambda: [math.sin(x)],
        ("exponential", "power_rule_on_exponential"): lambda: [x * 2.0 ** (x - 1)],
        ("softmax", "softmax_diagonal"): lambda: [right[0], 0.0, 0.0],
    }
    for plant in sorted(plants):
        if (name, plant) in wrong:
            right = wrong[name, plant]()
    if name == "multiply" and "operand_forgotten" in plants:
        right = [right[0], 0.0]
    return right


_SLOPES: dict[str, Callable[..., list[float]]] = {
    "add": lambda out, x, y: [1.0, 1.0],
    "subtract": lambda out, x, y: [1.0, -1.0],
    "multiply": lambda out, x, y: [y, x],
    "divide": lambda out, x, y: [1 / y, -x / y**2],
    "negative": lambda out, x: [-1.0],
    "power": lambda out, x, c: [c * x ** (c - 1)],
    "exponential": lambda out, x: [out * math.log(2)],
    "exp": lambda out, x: [out],
    "log": lambda out, x: [1 / x],
    "sqrt": lambda out, x: [0.5 / out],
    "sin": lambda out, x: [math.cos(x)],
    "cos": lambda out, x: [-math.sin(x)],
    "tanh": lambda out, x: [1 - out * out],
    "sigmoid": lambda out, x: [out * (1 - out)],
    "relu": lambda out, x: [1.0 if x > 0 else 0.0],
    "abs": lambda out, x: [1.0 if x > 0 else -1.0 if x < 0 else 0.0],
    "maximum": lambda out, x, y: [float(x > y), float(y >= x)],
    "softmax": lambda out, *xs: [out * ((k == 0) - share) for k, share in enumerate(_shares(xs))],
}


def _shares(xs: Any) -> list[float]:
    powers = [math.exp(x - max(xs)) for x in xs]
    return [power / sum(powers) for power in powers]


def contribution(plants: frozenset[str], name: str, slope: float, g: float) -> float:
    """What a rule adds to a parent's gradient."""
    if name == "cos" and "upstream_gradient_lost" in plants:
        return slope
    if name == "log" and "upstream_gradient_added" in plants:
        return slope + g
    if name == "relu" and "gate_on_gradient" in plants:
        return g if g > 0 else 0.0
    return slope * g


def assigns(plants: frozenset[str], name: str) -> bool:
    """Whether a rule sets a parent's gradient: in products, or everywhere."""
    return "assigned_everywhere" in plants or ("assigned_gradient" in plants and name == "multiply")


def order(plants: frozenset[str], root: Any, parents: Callable[[Any], Any], tape: list[Any]) -> Any:
    """The nodes in the order in which they pass their gradients on."""
    if "tape_never_cleared" in plants:
        return list(reversed(tape))
    found: list[Any] = []
    if "no_topological_order" in plants:
        queue = [root]
        for node in queue:
            queue.extend(parents(node))
        return queue
    seen: list[Any] = []

    def visited(node: Any) -> bool:
        if "nodes_compared_by_value" in plants:
            return any(node.data == other.data for other in seen)
        return id(node) in ids

    ids: set[int] = set()

    def recurse(node: Any) -> None:
        if not visited(node):
            ids.add(id(node))
            seen.append(node)
            for parent in parents(node):
                recurse(parent)
            found.append(node)

    if plants & {"recursion", "nodes_compared_by_value"}:
        recurse(root)
    else:
        stack = [(root, False)]
        while stack:
            node, done = stack.pop()
            if done:
                found.append(node)
            elif id(node) not in ids:
                ids.add(id(node))
                stack.append((node, True))
                stack += [(parent, False) for parent in parents(node)]
    return found if "order_not_reversed" in plants else found[::-1]


def begin(plants: frozenset[str], root: Any, nodes: Any, parents: Callable[[Any], Any]) -> None:
    """Set the gradients with which a pass begins."""
    before = root.grad
    if not plants & {"interior_gradients_kept", "tape_never_cleared"}:
        for node in nodes:
            if parents(node):
                node.grad = 0.0
    if "seed_missing" in plants:
        root.grad = before
    elif "seed_is_value" in plants:
        root.grad = root.data
    else:
        root.grad = before + 1.0 if "seed_accumulates" in plants else 1.0


class _Operators:
    """The operators of both forms, on `_make`."""

    data: float
    _plants: frozenset[str]
    _make: Callable[..., Any]

    def _wrap(self, other: Any) -> Any:
        return other if isinstance(other, type(self)) else type(self)(other)

    def __add__(self, other: Any) -> Any:
        other = self._wrap(other)
        return self._make("add", self.data + other.data, self, other)

    def __mul__(self, other: Any) -> Any:
        other = self._wrap(other)
        return self._make("multiply", self.data * other.data, self, other)

    def __sub__(self, other: Any) -> Any:
        other = self._wrap(other)
        return self._make("subtract", self.data - other.data, self, other)

    def __truediv__(self, other: Any) -> Any:
        other = self._wrap(other)
        return self._make("divide", self.data / other.data, self, other)

    def __neg__(self) -> Any:
        return self._make("negative", -self.data, self)

    def __pow__(self, c: float) -> Any:
        if not isinstance(c, int | float):
            raise TypeError("a number, please")
        return self._make("power", self.data**c, self, constants=(c,))

    def __rpow__(self, base: float) -> Any:
        return self._make("exponential", base**self.data, self)

    def __radd__(self, other: Any) -> Any:
        if "reflected_operand_missing" in self._plants:
            return NotImplemented
        return self + other

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def __rsub__(self, other: Any) -> Any:
        if "reflected_operands_swapped" in self._plants:
            return self - other
        return self._wrap(other) - self

    def __rtruediv__(self, other: Any) -> Any:
        return self._wrap(other) / self

    def __abs__(self) -> Any:
        return self._make("abs", abs(self.data), self)

    def exp(self) -> Any:
        return self._make("exp", math.exp(self.data), self)

    def log(self) -> Any:
        return self._make("log", math.log(self.data), self)

    def sqrt(self) -> Any:
        return self._make("sqrt", math.sqrt(self.data), self)

    def sin(self) -> Any:
        return self._make("sin", math.sin(self.data), self)

    def cos(self) -> Any:
        return self._make("cos", math.cos(self.data), self)

    def tanh(self) -> Any:
        return self._make("tanh", math.tanh(self.data), self)

    def sigmoid(self) -> Any:
        x = self.data
        if "overflow" in self._plants or x >= 0:
            return self._make("sigmoid", 1 / (1 + math.exp(-x)), self)
        return self._make("sigmoid", math.exp(x) / (1 + math.exp(x)), self)

    def relu(self) -> Any:
        return self._make("relu", self.data if self.data > 0 else 0.0, self)

    def maximum(self, other: Any) -> Any:
        other = self._wrap(other)
        return self._make("maximum", max(self.data, other.data), self, other)

    @staticmethod
    def softmax(xs: Any) -> list[Any]:
        found = []
        for k in range(len(xs)):
            turned = [xs[k], *xs[:k], *xs[k + 1 :]]
            share = _shares([x.data for x in turned])[0]
            found.append(xs[0]._make("softmax", share, *turned))
        return found


def closures(*planted: str, number: Callable[[Any], Any] = lambda x: x) -> type:
    """A class of micrograd's form with these mistakes; its data are what `number` makes of them."""
    plants, tape = frozenset(planted), []

    class Value(_Operators):
        _plants = plants

        def __init__(self, data: Any, _children: Any = (), _op: str = "") -> None:
            self.data, self.grad = number(data), 0.0
            self._prev = tuple(dict.fromkeys(_children))
            self._backward: Callable[[], None] = lambda: None
            if "tape_never_cleared" in plants:
                tape.append(self)

        def _make(self, name: str, data: float, *parents: Any, constants: Any = ()) -> Any:
            out = type(self)(data, parents, name)
            xs = [parent.data for parent in parents]

            def _backward() -> None:
                passed = slopes(plants, name, [*xs, *constants], out.data)
                receivers = list(dict.fromkeys(parents)) if "set_of_parents" in plants else parents
                for parent, slope in zip(receivers, passed, strict=False):
                    c = contribution(plants, name, slope, out.grad)
                    parent.grad = c if assigns(plants, name) else parent.grad + c

            out._backward = _backward
            return out

        def backward(self) -> None:
            nodes = order(plants, self, lambda node: node._prev, tape)
            begin(plants, self, nodes, lambda node: node._prev)
            if "paths_one_by_one" in plants:
                _by_paths(self, self.grad)
                return
            for node in nodes:
                node._backward()

    def _by_paths(root: Any, seed: float) -> None:
        def walk(node: Any, g: float) -> None:
            kept, node.grad = node.grad, g
            before = {id(p): p.grad for p in node._prev}
            node._backward()
            node.grad = kept
            passed = [(p, p.grad - before[id(p)]) for p in node._prev]
            for parent, c in passed:
                if parent._prev:
                    parent.grad = 0.0
                    walk(parent, c)

        walk(root, seed)

    return Value


def local_grads(*planted: str) -> type:
    """A class of the form of the GPT of scalars with these mistakes."""
    plants, tape = frozenset(planted), []

    class Value(_Operators):
        _plants = plants

        def __init__(self, data: Any, children: Any = (), local_grads: Any = ()) -> None:
            self.data, self.grad = data, 0.0
            unique = set(children) if "set_of_parents" in plants else children
            self._children, self._local_grads, self._name = tuple(unique), local_grads, ""
            if "tape_never_cleared" in plants:
                tape.append(self)

        def _make(self, name: str, data: float, *parents: Any, constants: Any = ()) -> Any:
            xs = [parent.data for parent in parents]
            try:
                passed = slopes(plants, name, [*xs, *constants], data)
            except ZeroDivisionError:
                passed = [math.nan] * len(parents)
            out = type(self)(data, parents, passed)
            out._name = name
            return out

        def backward(self) -> None:
            nodes = order(plants, self, lambda node: node._children, tape)
            begin(plants, self, nodes, lambda node: node._children)
            if "paths_one_by_one" in plants:
                _walk(self, self.grad)
                return
            for node in nodes:
                for parent, slope in zip(node._children, node._local_grads, strict=False):
                    c = contribution(plants, node._name, slope, node.grad)
                    parent.grad = c if assigns(plants, node._name) else parent.grad + c

    def _walk(node: Any, g: float) -> None:
        for parent, slope in zip(node._children, node._local_grads, strict=False):
            c = contribution(plants, node._name, slope, g)
            parent.grad = c if assigns(plants, node._name) else parent.grad + c
            _walk(parent, c)

    return Value


_OURS = {"power_constant": "power", "exponential": "exponential", "maximum": "maximum"}


@contextmanager
def own(*planted: str) -> Iterator[type]:
    """Our own Value with these mistakes."""
    plants = frozenset(planted)
    right = Value.backward

    def backward(self: Any, *, create_graph: bool = False) -> Any:
        if create_graph:
            return right(self, create_graph=True)

        def parents(node: Any) -> Any:
            return node.parents

        nodes = order(plants, self, parents, [])
        begin(plants, self, nodes, parents)
        for node in nodes:
            if node.op is None:
                continue
            xs = [parent.data for parent in node.parents]
            name = _OURS.get(node.op.name, node.op.name)
            contributions = _ours(plants, name, node, xs)
            for parent, c in zip(node.parents, contributions, strict=True):
                parent.grad = c if assigns(plants, name) else parent.grad + c
        return None

    patched: Any = Value
    patched.backward = backward
    try:
        yield Value
    finally:
        patched.backward = right


def _ours(plants: frozenset[str], name: str, node: Any, xs: Any) -> list[float]:
    """The contributions of a rule of ours, changed where a mistake is planted in it."""
    right = [0.0 if c is NO_PART else c for c in node.op.vjp(1.0, *xs, out=node.data)]
    known = name in _SLOPES and (name != "exponential" or node.op.parameters["base"] == 2)
    if plants and known and all(map(math.isfinite, xs)):
        constants = [node.op.parameters["exponent"]] if name == "power" else []
        with suppress(ArithmeticError, ValueError):
            wrong = slopes(plants, name, [*xs, *constants], node.data)
            if wrong != slopes(frozenset(), name, [*xs, *constants], node.data):
                right = wrong
    return [contribution(plants, name, slope, node.grad) for slope in right]
