"""How students' functions take and give arrays: the forms that are read, and which one fits.

the call     f(weights, biases, x, y), f(parameters, x, y), f(parameters, batch), in the order
             that the names of the parameters tell, else in this; for a step η comes last. Or a
             class like Nielsen's Network: Network(sizes) with .weights and .biases, and a method
             backprop(x, y), update_mini_batch(mini_batch, eta) or step(...)
parameters   (weights, biases), [(W, b), ...] or {"W1": W, "b1": b, ...}
batch        (X, Y) or [(x, y), ...]
arrays       examples as vectors, as columns or as rows; W of shape (n_out, n_in) or its
             transpose; b as a vector, a column or a row
the result   (nabla_b, nabla_w) or the other way round, [(W, b), ...], [W, b, W, b, ...], a dict
             or a named tuple with names such as dW1, db1, nabla_w; a number beside them, the
             cost, is passed over. A step that returns None has changed what it was given
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from io import StringIO
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from microgradnet.judging.limits import Failure, Limit
from microgradnet.judging.naming import called
from microgradnet.judging.simulation import Case

__all__ = ["Form", "Outcome", "forms", "wanted"]

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """How arrays of examples, weights and biases lie."""

    words: str
    single: str
    """One example: a vector, a column or a row."""
    many: str
    """Several: columns or rows."""
    inputs_first: bool
    """Whether W has the shape (n_in, n_out)."""
    bias: str
    """A vector, a column or a row."""

    def examples(self, X: Array, single: bool) -> Array:
        """Lay out examples that are rows of X."""
        how = self.single if single else self.many
        return np.array({"vector": X[0], "column": X.T, "row": X}[how])

    def weights(self, W: Array) -> Array:
        """Lay out W of shape (n_out, n_in); or read it back, if it is a matrix."""
        return np.array(W.T if self.inputs_first else W)

    def biases(self, b: Array) -> Array:
        """Lay out b of shape (n,)."""
        shape = {"vector": (-1,), "column": (-1, 1), "row": (1, -1)}[self.bias]
        return b.reshape(shape).copy()

    def read_biases(self, b: Array) -> Array:
        """Read ∂C/∂b: (n,) for one row or column, and one row for each of several."""
        rows = b.T if self.bias == "column" else b
        return rows[0] if rows.ndim == 2 and len(rows) == 1 else rows


LAYOUTS = (
    Layout("vectors, W (n_out, n_in)", "vector", "row", False, "vector"),
    Layout("columns, W (n_out, n_in), b (n, 1)", "column", "column", False, "column"),
    Layout("rows, W (n_in, n_out)", "row", "row", True, "vector"),
    Layout("rows, W (n_in, n_out), b (1, n)", "row", "row", True, "row"),
    Layout("rows, W (n_out, n_in)", "row", "row", False, "vector"),
    Layout("vectors, W (n_in, n_out)", "vector", "row", True, "vector"),
)

_ROLES = {
    "weights": "weights weight ws w",
    "biases": "biases bias bs b",
    "parameters": "parameters params theta p",
    "batch": "batch mini_batch minibatch data examples",
    "x": "x xs inputs input",
    "y": "y ys targets target t labels label",
    "eta": "eta lr learning_rate alpha rate step_size η",
}
_ROLE = {name: role for role, names in _ROLES.items() for name in names.split()}
_BACKPROP = (
    ("weights", "biases", "x", "y"), ("parameters", "x", "y"), ("parameters", "batch"),
)  # fmt: skip
_METHODS: dict[bool, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    False: (("backprop",), (("x", "y"), ("batch",))),
    True: (
        ("update_mini_batch", "step", "train_step"),
        (("x", "y", "eta"), ("batch", "eta")),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What a call gave: for each layer what belongs to b and to W, or why there is nothing."""

    biases: tuple[Array, ...] = ()
    weights: tuple[Array, ...] = ()
    error: str = ""
    stopped: bool = False
    misfit: bool = False
    """Whether the error is one of shapes that do not fit, as far as its kind tells."""
    changed: bool = False
    """Whether the function has changed arrays that it was given."""
    live: tuple[Array, ...] = ()
    """The arrays themselves, biases first: what the function may change later."""

    @property
    def single_precision(self) -> bool:
        """Whether the numbers are float32."""
        return any(array.dtype == np.float32 for array in (*self.biases, *self.weights))


@dataclass(frozen=True)
class Form:
    """One way to call a function, and to read what it returns."""

    subject: Any
    roles: tuple[str, ...]
    layout: Layout
    parameters: str = "lists"
    batch: str = "arrays"
    method: str = ""

    def __str__(self) -> str:
        names = {"parameters": _PARAMETERS[self.parameters], "batch": _BATCHES[self.batch]}
        call = ", ".join(names.get(role, role) for role in self.roles)
        return f"called as {self.method or 'f'}({call}), {self.layout.words}"

    def __call__(self, case: Case, limit: Limit) -> Outcome:
        """Call the function with a case. Nothing that it does or prints gets out of here."""
        call = _Call(self, case)
        with warnings.catch_warnings(), np.errstate(all="ignore"), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            outcome = limit(lambda: call.read(call()))
        if isinstance(outcome, Failure):
            misfit = issubclass(outcome.kind, ValueError)
            return Outcome(error=str(outcome), stopped=outcome.stopped, misfit=misfit)
        return outcome


_PARAMETERS = {
    "lists": "(weights, biases)",
    "pairs": "[(W, b), ...]",
    "dict": '{"W1": W, "b1": b, ...}',
}
_BATCHES = {"arrays": "(X, Y)", "pairs": "[(x, y), ...]"}


def forms(subject: Any, step: bool) -> list[Form]:
    """List the ways in which a function or a class may want to be called.

    Raises TypeError for what is neither, and for parameters that are not understood.
    """
    names, signatures = _METHODS[step]
    method = next((name for name in names if hasattr(subject, name)), "")
    if method:
        missing = [each for each in ("weights", "biases") if not hasattr(subject, each)]
        if missing and not isinstance(subject, type):
            raise TypeError(f"{called(subject)} has no {missing[0]}: it needs .weights and .biases")
        function = getattr(subject, method)
    else:
        signatures = tuple((*each, "eta") if step else each for each in _BACKPROP)
        function = subject
    if not callable(function) or (isinstance(subject, type) and not method):
        raise TypeError(f"{wanted(step)}: {called(subject)} is none")
    roles = _roles(
        function, signatures, bound=bool(method) and isinstance(subject, type), step=step
    )
    parameters = _PARAMETERS if "parameters" in roles else ("lists",)
    batches = _BATCHES if "batch" in roles else ("arrays",)
    return [
        Form(subject, roles, layout, p, batch, method)
        for p, batch, layout in product(parameters, batches, LAYOUTS)
    ]


def _roles(
    function: Any, signatures: Sequence[tuple[str, ...]], bound: bool, step: bool
) -> tuple[str, ...]:
    """Find what each parameter is, by the names if they tell, else by the order."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = list(inspect.signature(function).parameters.values())[bound:]
    except (TypeError, ValueError):
        return signatures[0]
    names = [p.name for p in parameters if p.kind in kinds and p.default is p.empty]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) and not names:
        return signatures[0]
    roles = tuple(_ROLE.get(name.lower().strip("_"), "") for name in names)
    if set(roles) in map(set, signatures) and len(roles) == len(set(roles)):
        return roles
    for signature in signatures:
        if len(signature) == len(names) and not all(roles):
            return signature
    taken = ", ".join(names) or "nothing"
    raise TypeError(f"{wanted(step)}: {getattr(function, '__name__', 'it')} takes {taken}")


def wanted(step: bool) -> str:
    """Say what a judge takes."""
    if step:
        return (
            "judge_step takes a function (parameters, batch, eta) or (weights, biases, x, y, eta) "
            "that returns the new parameters, or a class with update_mini_batch"
        )
    return (
        "judge_delta takes a function (weights, biases, x, y) or (parameters, x, y) that returns "
        "the gradients (nabla_b, nabla_w), or a class with backprop(x, y)"
    )


class _Call:
    """One call: its arguments, laid out, which the function may change."""

    def __init__(self, form: Form, case: Case) -> None:
        self.form, self.case, layout = form, case, form.layout
        self.weights = [layout.weights(W) for W in case.weights]
        self.biases = [layout.biases(b) for b in case.biases]
        self.x, self.y = (layout.examples(each, case.single) for each in (case.X, case.Y))
        self.parameters = self._parameters()
        values = {
            "weights": self.weights, "biases": self.biases, "parameters": self.parameters,
            "x": self.x, "y": self.y, "batch": self._batch(), "eta": case.eta,
        }  # fmt: skip
        self.arguments = [values[role] for role in form.roles]
        self.network: Any = None
        self.before = deepcopy(self._arrays())

    def __call__(self) -> Any:
        function, method = self.form.subject, self.form.method
        if method:
            network = function(list(self.case.sizes)) if isinstance(function, type) else function
            network.weights, network.biases = self.weights, self.biases
            self.network, function = network, getattr(network, method)
        return function(*self.arguments)

    def read(self, result: Any) -> Outcome:
        """Read the arrays in what the function returned."""
        changed = not _same(self._arrays(), self.before)
        if result is None and self.form.roles[-1] == "eta":  # a step in place
            result, changed = self._stepped(), False
        if self.network is not None:
            result = self._stepped() if self.form.roles[-1] == "eta" else result
            changed = False
        layout = self.form.layout
        try:
            found = [*_assignments(result, len(self.weights))]
            if self.form.roles[-1] == "eta":  # then in the order in which parameters are given
                found = [(b, W) for W, b in found] + found
            biases, weights = max(found, key=self._fit)
            arrays = [[_numbers(each) for each in side] for side in (biases, weights)]
        except (TypeError, ValueError):
            return Outcome(error=f"it returned {result!r:.80}, in which no arrays for b and W are")
        return Outcome(
            tuple(np.array(layout.read_biases(b)) for b in arrays[0]),
            tuple(layout.weights(W) if W.ndim == 2 else W.copy() for W in arrays[1]),
            changed=changed,
            live=(*arrays[0], *arrays[1]),
        )

    def _fit(self, sides: tuple[Sequence[Any], Sequence[Any]]) -> tuple[int, int]:
        """Count the arrays of the shape of any parameter of their kind, then of their own."""
        layout, case = self.form.layout, self.case
        shapes = [[np.shape(each) for each in side] for side in sides]
        biases = [layout.biases(b).shape for b in case.biases]
        weights = [layout.weights(W).shape for W in case.weights]
        of_kind = sum(each in biases for each in shapes[0])
        of_kind += sum(each in weights for each in shapes[1])
        own = zip((*shapes[0], *shapes[1]), (*biases, *weights), strict=True)
        return of_kind, sum(a == b for a, b in own)

    def _arrays(self) -> list[Any]:
        return [*self.weights, *self.biases, self.x, self.y]

    def _parameters(self) -> Any:
        if self.form.parameters == "pairs":
            return list(zip(self.weights, self.biases, strict=True))
        if self.form.parameters == "dict":
            pairs = enumerate(zip(self.weights, self.biases, strict=True), 1)
            return {
                f"{k}{l}": each for l, pair in pairs for k, each in zip("Wb", pair, strict=True)
            }
        return self.weights, self.biases

    def _batch(self) -> Any:
        if self.form.batch == "arrays":
            return self.x, self.y
        layout = self.form.layout
        return [
            (layout.examples(each.X, True), layout.examples(each.Y, True))
            for each in self.case.examples()
        ]

    def _stepped(self) -> Any:
        if self.network is not None:
            return self.network.biases, self.network.weights
        return self.parameters if "parameters" in self.form.roles else (self.biases, self.weights)


def _assignments(result: Any, L: int) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    """List the ways to read biases' and weights' arrays of L layers in a result."""
    if hasattr(result, "_asdict"):
        result = result._asdict()
    if isinstance(result, Mapping):
        yield from _by_name(result, L)
        return
    items = [each for each in result if isinstance(each, (list, tuple, Mapping, np.ndarray))]
    if len(items) == 1:  # beside the cost
        yield from _assignments(items[0], L)
    if len(items) == 2:
        first, second = ([*each] if isinstance(each, (list, tuple)) else [each] for each in items)
        if len(first) == len(second) == L:
            yield first, second
            yield second, first
    if len(items) == L and all(isinstance(e, (list, tuple)) and len(e) == 2 for e in items):
        yield [b for _, b in items], [W for W, _ in items]
        yield [b for b, _ in items], [W for _, W in items]
    if len(items) == 2 * L:
        yield items[1::2], items[::2]
        yield items[::2], items[1::2]
        yield items[L:], items[:L]
        yield items[:L], items[L:]


def _by_name(result: Mapping[Any, Any], L: int) -> Iterator[tuple[list[Any], list[Any]]]:
    """Read names such as dW1 and db1, or lists such as nabla_w, in a dict."""
    sides: dict[str, list[Any]] = {"b": [], "w": []}
    numbered = sorted(result.items(), key=lambda item: int(re.sub(r"\D", "", str(item[0])) or 0))
    for name, value in numbered:
        match = re.fullmatch(
            r"(?:d|grads?_?|nabla_?)?_?([bw])(?:eights|iases)?s?_?\d*", str(name).lower()
        )
        if match:
            sides[match[1]] += value if isinstance(value, (list, tuple)) else [value]
    if len(sides["b"]) == len(sides["w"]) == L:
        yield sides["b"], sides["w"]


def _numbers(array: Any) -> Array:
    numbers = np.asarray(array)
    return numbers if numbers.dtype in (np.float32, np.float64) else numbers.astype(np.float64)


def _same(after: Sequence[Any], before: Sequence[Any]) -> bool:
    return len(after) == len(before) and all(map(np.array_equal, after, before))
