"""Engines of others behind one interface, and the operations that each of them has.

Two kinds: a class of nodes with micrograd's interface, which `backward()` gives their gradients;
and a function `grad` that makes of a function its derivative, as those of autograd and JAX.
"""

from __future__ import annotations

import inspect
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from microgradnet.judging.limits import Failure, Limit

__all__ = ["Engine", "NodeEngine", "TransformEngine", "Trial", "engine_of"]

Function: TypeAlias = Callable[..., Any]


class Trial(NamedTuple):
    """What an operation gave at a point: numbers, or the failure in place of each."""

    value: Any
    firsts: Any
    """The first derivative by each operand."""
    seconds: Any
    """The second ones, (0, 0), (0, 1), (1, 1); None where it was not asked for them."""


class Engine(ABC):
    """What is judged."""

    name: str
    limit: Limit
    namespaces: tuple[Any, ...]
    """Where functions are looked for, the class or the modules."""

    @abstractmethod
    def is_node(self, result: Any) -> bool:
        """Whether an operation gave what can be differentiated."""

    @abstractmethod
    def try_out(
        self, function: Function, points: Sequence[Sequence[float]], constant: int | None = None
    ) -> list[Trial]:
        """Apply an operation at each point, and differentiate it.

        constant is the operand that is a number and no node, if any.
        """

    @abstractmethod
    def run(self, program: Function, xs: Sequence[float]) -> tuple[float, list[float]] | Failure:
        """Run a program of operations on fresh leaves; return its value and their gradients."""

    @abstractmethod
    def probe(self, function: Function, xs: Sequence[float]) -> float | Failure | None:
        """Return an operation's value; None if it gives no node."""

    @cached_property
    def single(self) -> bool:
        """Whether it computes in float32."""
        third = self.probe(lambda x: x * 1.0, [1 / 3])
        return isinstance(third, float) and third == float(np.float32(1 / 3))


class NodeEngine(Engine):
    """A class of nodes: made of a number, with `data`, `grad` and `backward()`."""

    def __init__(self, kind: Any, limit: Limit) -> None:
        self.kind, self.limit = kind, limit
        module = getattr(kind, "__module__", "")
        root = module.partition(".")[0]
        self.name = f"{module}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)
        self.torch = sys.modules["torch"] if root == "torch" else None
        self.seed = "one"
        """Or missing, or value: what backward takes for the root's own gradient."""
        self._seed = 1.0
        places = (module, root, *_BESIDE.get(root, ()))
        self.namespaces = (kind, *(sys.modules[name] for name in places if name in sys.modules))

    def leaf(self, x: Any) -> Any:
        """Make a leaf."""
        if self.torch is not None:
            return self.torch.tensor(x, dtype=self.torch.float64, requires_grad=True)
        return self.kind(x)

    def is_node(self, result: Any) -> bool:
        """Ask whether it has data and a backward."""
        return hasattr(result, "data") and hasattr(result, "backward")

    def number(self, x: Any) -> Any:
        """Return a value or a gradient as a float; None and complex numbers stay what they are."""
        if isinstance(x, self.kind):  # a gradient may be a node
            x = x.data
        return x if x is None or isinstance(x, complex) else float(x)

    def value(self, node: Any) -> Any:
        """Return a node's number."""
        return self.number(node.data)

    def gradient(self, node: Any) -> Any:
        """Return a node's gradient; unset is 0."""
        found = self.number(node.grad)
        if found is None:
            return 0.0
        return found / self._seed if self._seed else math.nan

    def clear(self, node: Any) -> None:
        """Set a node's gradient to 0, or to None where that is how it began."""
        node.grad = None if self.torch is not None else self.kind(0.0).grad

    def backward(self, node: Any) -> None:
        """Differentiate a node; where backward does not begin with 1, see to it that it does."""
        if self.seed == "missing":
            node.grad = 1.0
        node.backward()
        self._seed = self.value(node) if self.seed == "value" else 1.0

    def probe(self, function: Function, xs: Sequence[float]) -> float | Failure | None:
        """Apply it to leaves."""

        def run() -> float | None:
            result = function(*map(self.leaf, xs))
            return self.value(result) if self.is_node(result) else None

        return self.limit(run)

    def run(self, program: Function, xs: Sequence[Any]) -> tuple[Any, list[Any]] | Failure:
        """Run it, and backward from its result."""

        def derive() -> tuple[Any, list[Any]]:
            leaves = [self.leaf(x) for x in xs]
            node = program(*leaves)
            self.backward(node)
            return self.value(node), [self.gradient(leaf) for leaf in leaves]

        return self.limit(derive)

    def run_exactly(self, program: Function, xs: Sequence[Any]) -> tuple[Any, list[Any]] | Failure:
        """Run a program on numbers that are no floats, and convert nothing."""

        def derive() -> tuple[Any, list[Any]]:
            leaves = [self.leaf(x) for x in xs]
            node = program(*leaves)
            self.backward(node)
            return node.data, [leaf.grad for leaf in leaves]

        return self.limit(derive)

    @cached_property
    def records_gradients(self) -> bool:
        """Whether `backward(create_graph=True)` returns gradients as nodes."""
        if self.torch is not None:
            return True
        try:
            return "create_graph" in inspect.signature(self.kind.backward).parameters
        except (TypeError, ValueError):
            return False

    def try_out(
        self, function: Function, points: Sequence[Sequence[float]], constant: int | None = None
    ) -> list[Trial]:
        """Point by point."""
        if constant is None:
            twice = self.records_gradients  # at every fourth point: it takes most of the time
            return [self._trial(function, xs, twice and k % 4 == 0) for k, xs in enumerate(points)]
        fixed = [_fix(function, xs[constant], constant) for xs in points]
        return [self._trial(f, [xs[1 - constant]]) for f, xs in zip(fixed, points, strict=True)]

    def _trial(self, function: Function, xs: Sequence[float], twice: bool = False) -> Trial:
        def forward() -> tuple[list[Any], Any, Any]:
            leaves = [self.leaf(x) for x in xs]
            node = function(*leaves)
            return leaves, node, self.value(node)

        made = self.limit(forward)
        if isinstance(made, Failure):
            return Trial(made, made, made if twice else None)
        leaves, node, value = made

        def backward() -> list[Any]:
            self.backward(node)
            return [self.gradient(leaf) for leaf in leaves]

        firsts = self.limit(backward)
        seconds = self.limit(self._seconds, function, xs) if twice else None
        return Trial(value, firsts, seconds)

    def _seconds(self, function: Function, xs: Sequence[float]) -> list[float]:
        leaves = [self.leaf(x) for x in xs]
        firsts = self._recorded(function(*leaves), leaves)
        found = []
        for j, first in enumerate(firsts):
            seconds = [None] * len(xs) if first is None else self._recorded(first, leaves)
            found += [0.0 if x is None else self.number(x) for x in seconds[j:]]
        return found

    def _recorded(self, node: Any, leaves: Sequence[Any]) -> Sequence[Any]:
        """The gradients as nodes; None where nothing leads there."""
        if self.torch is None:
            gradients = node.backward(create_graph=True)
            return [gradients.get(leaf) for leaf in leaves]
        if not node.requires_grad:
            return [None] * len(leaves)
        found: Sequence[Any] = self.torch.autograd.grad(
            node, leaves, create_graph=True, allow_unused=True
        )
        return found


class TransformEngine(Engine):
    """A function that makes of a function its derivative: grad(f, k) is that by operand k.

    Operations are applied to arrays of all points at once, and their sum is differentiated.
    """

    def __init__(self, grad: Any, namespaces: Sequence[Any], limit: Limit) -> None:
        self.grad, self.limit = grad, limit
        self.name = f"{grad.__module__.partition('.')[0]}.grad"
        self.namespaces = tuple(namespaces)
        self.array = namespaces[0].array

    def is_node(self, result: Any) -> bool:
        """Ask whether it is an array."""
        return hasattr(result, "shape")

    def probe(self, function: Function, xs: Sequence[float]) -> float | Failure | None:
        """Apply it to arrays of one number."""

        def run() -> float | None:
            result = function(*(self.array([x]) for x in xs))
            return float(result[0]) if self.is_node(result) and len(result.shape) == 1 else None

        return self.limit(run)

    def try_out(
        self, function: Function, points: Sequence[Sequence[float]], constant: int | None = None
    ) -> list[Trial]:
        """All points at once."""
        columns = [self.array(column) for column in zip(*points, strict=True)]
        if constant is not None:
            function = _fix(function, columns.pop(constant), constant)
        n = range(len(columns))

        def derivative(f: Function, k: int) -> Function:
            slope: Function = self.grad(lambda *xs: f(*xs).sum(), k)
            return slope

        def evaluate(f: Function) -> Any:
            found = self.limit(lambda: np.asarray(f(*columns), float))
            return found if isinstance(found, Failure) else np.broadcast_to(found, len(points))

        firsts = [derivative(function, k) for k in n]
        seconds = [derivative(firsts[j], k) for j in n for k in n if j <= k]
        found = (evaluate(function), [*map(evaluate, firsts)],
                 [*map(evaluate, seconds)] if constant is None else None)  # fmt: skip
        return [Trial(*(_entry(each, row) for each in found)) for row in range(len(points))]

    def run(self, program: Function, xs: Sequence[float]) -> tuple[float, list[float]] | Failure:
        """Run it, and differentiate it by each leaf."""

        def derive() -> tuple[float, list[float]]:
            arrays = [self.array(x) for x in xs]
            slopes = [float(self.grad(program, k)(*arrays)) for k in range(len(xs))]
            return float(program(*arrays)), slopes

        return self.limit(derive)


def _entry(found: Any, row: int) -> Any:
    """One row of a column, or of a list of columns; a failure in one of them is that of all."""
    if isinstance(found, list):
        entries = [_entry(each, row) for each in found]
        failed = [each for each in entries if isinstance(each, Failure)]
        return failed[0] if failed else entries
    return found if found is None or isinstance(found, Failure) else float(found[row])


def _fix(function: Function, number: Any, k: int) -> Function:
    """Fix one operand of an operation of two."""
    return (lambda x: function(number, x)) if k == 0 else lambda x: function(x, number)


_LIBRARIES = {
    "autograd": ("autograd.numpy", "autograd.scipy.special"),
    "jax": ("jax.numpy", "jax.nn", "jax.scipy.special"),
}
"""Where the functions are that their `grad` differentiates."""
_BESIDE = {"torch": ("torch.nn.functional",), "mygrad": ("mygrad.nnet.activations",)}


def engine_of(subject: Any, limit: Limit) -> Engine | None:
    """Return the engine that a class, a function `grad` or a module with one is; None if none."""
    if isinstance(subject, ModuleType) and hasattr(subject, "grad"):
        subject = subject.grad
    root = str(getattr(subject, "__module__", "")).partition(".")[0]
    if root in _LIBRARIES and getattr(subject, "__name__", "") == "grad":
        return TransformEngine(subject, [*map(import_module, _LIBRARIES[root])], limit)
    if all(hasattr(subject, name) for name in ("backward", "__add__", "__mul__")):
        return NodeEngine(subject, limit)
    return None
