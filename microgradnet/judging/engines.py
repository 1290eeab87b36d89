"""Engines of others behind one interface, and the operations that each of them has.

Two kinds: a class of nodes with micrograd's interface, which `backward()` gives their gradients;
and a function `grad` that makes of a function its derivative, as those of autograd and JAX.
"""

from __future__ import annotations

import inspect
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from microgradnet.judging.limits import Failure, Limit

__all__ = ["Engine", "NodeEngine", "TorchEngine", "TransformEngine", "Trial", "engine_of"]

Array: TypeAlias = NDArray[np.float64]
Function: TypeAlias = Callable[..., Any]


class Trial(NamedTuple):
    """What an operation gave at a point: numbers, or the failure in place of each; None unasked."""

    value: Any = None
    firsts: Any = None
    """The first derivative by each operand."""
    seconds: Any = None
    """The second ones, (0, 0), (0, 1), (1, 1)."""


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
        self,
        function: Function,
        points: Sequence[Sequence[float]],
        constant: int | None = None,
        twice: Collection[int] = (),
    ) -> list[Trial]:
        """Apply an operation at each point, and differentiate it.

        constant is the operand that is a number and no node, if any; twice are the points where it
        is differentiated again, for that takes most of the time.
        """

    @abstractmethod
    def run(self, program: Function, xs: Sequence[float]) -> tuple[float, list[float]] | Failure:
        """Run a program of operations on fresh leaves; return its value and their gradients."""

    @abstractmethod
    def probe(self, function: Function, xs: Sequence[float]) -> float | Failure | None:
        """Return an operation's value; None if it gives no node."""

    def values(self, function: Function, points: Array) -> Array:
        """Evaluate an operation at each row; NaN where it gives no number."""
        found = (self.probe(function, xs) for xs in points.tolist())
        return np.array([x if isinstance(x, float) else math.nan for x in found])

    @cached_property
    def tape_grows(self) -> bool:
        """Whether the same pass takes more steps each time: a tape is never cleared."""
        return False

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
        self.seed = "one"
        """Or missing, or value: what backward takes for the root's own gradient."""
        self._seed = 1.0
        places = (module, root, *_BESIDE.get(root, ()))
        self.namespaces = (kind, *(sys.modules[name] for name in places if name in sys.modules))

    def leaf(self, x: Any) -> Any:
        """Make a leaf."""
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
        """Set a node's gradient to what it is of a new leaf."""
        node.grad = self.kind(0.0).grad

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
        try:
            return "create_graph" in inspect.signature(self.kind.backward).parameters
        except (TypeError, ValueError):
            return False

    @cached_property
    def tape_grows(self) -> bool:
        """Whether the same pass takes more steps each time: a tape is never cleared."""
        taken = []
        for _ in range(20):
            self.run(lambda x, y: x * y, (1.75, 2.5))
            taken.append(self.limit.taken)
        return all(x < y for x, y in pairwise(taken))

    def try_out(
        self,
        function: Function,
        points: Sequence[Sequence[float]],
        constant: int | None = None,
        twice: Collection[int] = (),
    ) -> list[Trial]:
        """Point by point; where one has no end the others are not tried.

        The steps of the first alone are counted, for that takes longer than what is judged.
        """
        rows = twice if constant is None and self.records_gradients else ()
        trials: list[Trial] = []

        def work(most: int) -> None:
            for k in range(len(trials), min(len(points), len(trials) + most)):
                trials.append(self._trial(function, points[k], constant, k in rows))

        while len(trials) < len(points):
            failure = self.limit.uncounted(work, 64) if trials else self.limit(work, 1)
            if failure is not None:
                trials.append(Trial(failure, failure))
                if failure.stopped:
                    break
        return trials + [Trial()] * (len(points) - len(trials))

    def _trial(
        self, function: Function, xs: Sequence[float], constant: int | None, twice: bool
    ) -> Trial:
        firsts: Any
        seconds: Any = None
        try:
            leaves = [self.leaf(x) for k, x in enumerate(xs) if k != constant]
            if constant is not None:
                node = function(xs[0], *leaves) if constant == 0 else function(*leaves, xs[1])
            else:
                node = function(*leaves)
            value = self.value(node)
        except Exception as error:
            failure = Failure(error)
            return Trial(failure, failure, failure if twice else None)
        try:
            self.backward(node)
            firsts = [self.gradient(leaf) for leaf in leaves]
        except Exception as error:
            firsts = Failure(error)
        if twice:
            try:
                seconds = self._seconds(function, xs)
            except Exception as error:
                seconds = Failure(error)
        return Trial(value, firsts, seconds)

    def _seconds(self, function: Function, xs: Sequence[Any]) -> Any:
        leaves = [self.leaf(x) for x in xs]
        firsts = self._recorded(function(*leaves), leaves)
        found = []
        for j, first in enumerate(firsts):
            seconds = [None] * len(xs) if first is None else self._recorded(first, leaves)
            found += [0.0 if x is None else self.number(x) for x in seconds[j:]]
        return found

    def _recorded(self, node: Any, leaves: Sequence[Any]) -> Sequence[Any]:
        """The gradients as nodes; None where nothing leads there."""
        gradients = node.backward(create_graph=True)
        return [gradients.get(leaf) for leaf in leaves]


class TorchEngine(NodeEngine):
    """PyTorch's tensors: the first points as tensors without dimensions, the others as one."""

    records_gradients = True

    def __init__(self, kind: Any, limit: Limit) -> None:
        super().__init__(kind, limit)
        self.torch = sys.modules["torch"]

    def leaf(self, x: Any) -> Any:
        """Make a leaf in double precision."""
        return self.torch.tensor(x, dtype=self.torch.float64, requires_grad=True)

    def clear(self, node: Any) -> None:
        """Unset its gradient."""
        node.grad = None

    def number(self, x: Any) -> Any:
        """Return a value or a gradient, or an array of them."""
        return x if x is None else float(x) if x.dim() == 0 else x.detach().numpy()

    def try_out(
        self,
        function: Function,
        points: Sequence[Sequence[float]],
        constant: int | None = None,
        twice: Collection[int] = (),
    ) -> list[Trial]:
        """Differentiate the sum of an operation's values over most points."""
        trials = super().try_out(function, points[:_SINGLY], constant, twice)
        if len(points) <= _SINGLY:
            return trials
        columns = [self.leaf(column) for column in zip(*points[_SINGLY:], strict=True)]
        whole = function
        if constant is not None:
            whole = _fix(function, columns.pop(constant).detach(), constant)

        def evaluate() -> tuple[Any, Any, Any]:
            node = whole(*columns)
            node.sum().backward()
            seconds = self._seconds(whole, columns) if constant is None else None
            return self.number(node), [*map(self.gradient, columns)], seconds

        found = self.limit(evaluate)
        if isinstance(found, Failure):  # it may be written for single numbers
            return trials + super().try_out(function, points[_SINGLY:], constant)
        return trials + [
            Trial(*(_entry(each, row) for each in found)) for row in range(len(points) - _SINGLY)
        ]

    def values(self, function: Function, points: Array) -> Array:
        """All points at once."""
        columns = [self.leaf(column) for column in points.T.tolist()]
        found = self.limit(lambda: self.number(function(*columns)))
        return super().values(function, points) if isinstance(found, Failure) else np.array(found)

    def _recorded(self, node: Any, leaves: Sequence[Any]) -> Sequence[Any]:
        """The gradients as nodes; None where nothing leads there."""
        node = node.sum()
        if not node.requires_grad:
            return [None] * len(leaves)
        found: Sequence[Any] = self.torch.autograd.grad(
            node, leaves, create_graph=True, allow_unused=True
        )
        return found


_SINGLY = 160
"""The kinks, edges and some more."""


class TransformEngine(Engine):
    """A function that makes of a function its derivative: grad(f, k) is that by operand k.

    Operations are applied to arrays of all points at once, and their sum is differentiated.
    """

    def __init__(self, grad: Any, namespaces: Sequence[Any], limit: Limit) -> None:
        self.grad, self.limit = grad, limit
        root = grad.__module__.partition(".")[0]
        self.name = f"{root}.grad"
        self.namespaces = tuple(namespaces)
        self.array = namespaces[0].array
        self.compiled = getattr(sys.modules[root], "jit", lambda f: f)

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
        self,
        function: Function,
        points: Sequence[Sequence[float]],
        constant: int | None = None,
        twice: Collection[int] = (),
    ) -> list[Trial]:
        """All points at once."""
        columns = [self.array(column) for column in zip(*points, strict=True)]
        if constant is not None:
            function = _fix(function, columns.pop(constant), constant)
        n = range(len(columns))

        def derivative(f: Function, k: int) -> Function:
            slope: Function = self.grad(lambda *xs: f(*xs).sum(), k)
            return slope

        firsts = [derivative(function, k) for k in n]
        seconds = [derivative(firsts[j], k) for j in n for k in n if j <= k and constant is None]

        def everything(*xs: Any) -> list[Any]:
            return [function(*xs), *(f(*xs) for f in (*firsts, *seconds))]

        def evaluate(f: Function) -> Any:
            return self.limit(lambda: np.broadcast_to(np.asarray(f(*columns), float), len(points)))

        whole = self.limit(lambda: [*map(np.asarray, self.compiled(everything)(*columns))])
        if isinstance(whole, Failure):  # of one part at least, or of the compiler
            whole = [evaluate(f) for f in (function, *firsts, *seconds)]
        found = whole[0], whole[1 : 1 + len(columns)], whole[1 + len(columns) :] or None
        return [Trial(*(_entry(each, row) for each in found)) for row in range(len(points))]

    def values(self, function: Function, points: Array) -> Array:
        """All points at once."""
        columns = [self.array(column) for column in points.T]
        found = self.limit(lambda: np.asarray(function(*columns), float))
        return np.full(len(points), math.nan) if isinstance(found, Failure) else found

    def run(self, program: Function, xs: Sequence[float]) -> tuple[float, list[float]] | Failure:
        """Run it, and differentiate it by each leaf."""

        def derive() -> tuple[float, list[float]]:
            arrays = [self.array(x) for x in xs]
            slopes = self.grad(program, tuple(range(len(xs))))(*arrays)
            return float(program(*arrays)), [*map(float, slopes)]

        return self.limit(derive)


def _entry(found: Any, row: int) -> Any:
    """One row of a column, or of a list of columns; a failure in one of them is that of all."""
    if isinstance(found, list):
        entries = [_entry(each, row) for each in found]
        failed = [each for each in entries if isinstance(each, Failure)]
        return failed[0] if failed else entries
    if found is None or isinstance(found, Failure):
        return found
    return float(found if np.ndim(found) == 0 else found[row])


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
    nodes = all(hasattr(subject, name) for name in ("backward", "__add__", "__mul__"))
    if nodes and callable(subject):
        return (TorchEngine if root == "torch" else NodeEngine)(subject, limit)
    return None
