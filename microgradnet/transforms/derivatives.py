"""Gradients, Jacobians, Hessians, and their products with vectors, as functions of functions.

f is any function of numbers, nested in lists, tuples, dicts and NumPy's arrays or not, written with
operators, the operations of this package and plain Python. It is called with Values in the place of
the arguments it is differentiated by; the graph it leaves behind is read backwards (reverse mode:
gradients of one output by all inputs) or forwards (forward mode: derivatives of all outputs along
one direction), by the one table of rules.

Given numbers, the results are numbers, exact where the numbers are: ints and fractions stay so.
Given Values anywhere, or called within a function that is being differentiated itself, they are
Values, recorded in turn; so `grad(grad(f))` is the second derivative, and so on without end. No
`.grad` is read or written.

`grad`, `value_and_grad`, `jvp`, `vjp` and `hessian` are called as in JAX. To f an array is one of
Values, an object array; the gradient by an array of floats is an array of floats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from functools import wraps
from itertools import compress
from typing import Any

from microgradnet import recording
from microgradnet.arithmetic import coerce, common
from microgradnet.chain_rule import partials
from microgradnet.engine import Value
from microgradnet.escapes import differentiated
from microgradnet.graph import topological_order
from microgradnet.node import number_of
from microgradnet.notation import counted
from microgradnet.ops import add, weighted_sum
from microgradnet.transforms.nesting import flat, is_nested, nested, places
from microgradnet.wide_passes import forward_mode, reverse_mode

__all__ = [
    "Function",
    "Trace",
    "arguments",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
]

Function = Callable[..., Any]


def grad(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Function:
    """Return the gradient of f: a function whose result is nested like the argument.

    argnums  by which argument, or by which several (then the gradients are a tuple)
    has_aux  whether f gives a pair, its number and something beside it; then so is the result,
             the gradient and what was beside, in which numbers take the place of Values

    f must give one number: TypeError otherwise. A plain bool made from its arguments, as in
    `if x > 0`, freezes the branch taken: the derivative is that of this branch.

    >>> grad(lambda x: x**3)(2)
    12
    >>> grad(grad(grad(lambda x: x**3)))(2)
    6
    >>> grad(lambda w, x: w[0] * x + w[1], argnums=(0, 1))([0.5, 1.0], 3.0)
    ([3.0, 1.0], 0.5)
    >>> grad(lambda p: p["w"] * p["b"])({"w": 2.0, "b": 5.0})
    {'w': 5.0, 'b': 2.0}
    >>> grad(lambda w: (w * w, [w]), has_aux=True)(3.0)
    (6.0, [3.0])
    """
    both = value_and_grad(f, argnums, has_aux=has_aux)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def value_and_grad(
    f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Function:
    """Return the function that gives f's value and its gradient, as `grad` does.

    With has_aux the value is the pair that f gives.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (9.0, 6.0)
    """
    _require_function(f)

    @wraps(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        trace = Trace(f, args, kwargs, argnums, has_aux=has_aux)
        if is_nested(trace.result):
            raise TypeError(
                f"the function gave {counted(len(trace.outputs), 'number')} in a "
                f"{type(trace.result).__name__}: grad is for one; jacobian takes all"
            )
        return trace.with_aux(trace.value()), trace.like_inputs(trace.vjp([1]))

    return value_and_gradient


def jacobian(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Function:
    """Return the function that gives all derivatives of all numbers that f gives.

    The result is nested like f's, and in the place of each number stands its gradient, nested like
    the argument; of two arrays it is one. Forward mode where f gives at least as many numbers as it
    takes, else reverse. With has_aux, see `grad`, it is a pair.

    >>> jacobian(lambda x: [x[0] * x[1], x[0] + x[1], x[0]])([2, 5])
    [[5, 2], [1, 1], [1, 0]]
    """
    _require_function(f)

    @wraps(f)
    def derivatives(*args: Any, **kwargs: Any) -> Any:
        trace = Trace(f, args, kwargs, argnums, has_aux=has_aux)
        n, m = len(trace.inputs), len(trace.outputs)
        if n <= m:
            columns = [trace.jvp([int(k == i) for k in range(n)]) for i in range(n)]
            rows = [[column[j] for column in columns] for j in range(m)]
        else:
            rows = [trace.vjp([int(k == j) for k in range(m)]) for j in range(m)]
        return trace.with_aux(nested(map(trace.like_inputs, rows), like=trace.result))

    return derivatives


def hessian(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Function:
    """Return the function of all second derivatives of f: forward mode over reverse mode.

    >>> hessian(lambda x: x[0] ** 2 * x[1])([3, 5])
    [[10, 6], [6, 0]]
    """
    return jacobian(grad(f, argnums, has_aux=has_aux), argnums, has_aux=has_aux)


def jvp(f: Function, args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Compute f(*args), and its derivative along tangents nested like the arguments.

    The Jacobian times a vector, by one pass in forward mode.

    >>> jvp(lambda x, y: [x * y, x + y], (2.0, 5.0), (1.0, 10.0))
    ([10.0, 7.0], [25.0, 11.0])
    """
    args, tangents = arguments(args), arguments(tangents)
    trace = Trace(f, args, {}, range(len(args)), beside=tangents)
    along = trace.jvp(_alike(tangents, args, "tangents", "arguments"))
    return trace.value(), nested(along, like=trace.result)


def vjp(f: Function, *args: Any) -> tuple[Any, Function]:
    """Compute f(*args), and the function from adjoints of its result to those of the arguments.

    The latter takes numbers nested like f's result, and gives a tuple, an entry for each argument:
    a vector times the Jacobian, by one pass in reverse mode.

    >>> value, transposed = vjp(lambda x, y: [x * y, x + y], 2.0, 5.0)
    >>> value, transposed([1.0, 10.0])
    ([10.0, 7.0], (15.0, 12.0))
    """
    trace = Trace(f, args, {}, range(len(args)))

    def transposed(cotangents: Any) -> Any:
        g = _alike(cotangents, trace.result, "adjoints", "function's result")
        return nested(trace.vjp(g), like=tuple(args))

    return trace.value(), transposed


def hvp(f: Function, args: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Multiply the Hessian of f by the tangents: a tuple, an entry for each argument.

    Forward mode over reverse mode: a fixed multiple of f's own work, however many numbers f takes.

    >>> hvp(lambda x: x[0] ** 2 * x[1], ([3, 5],), ([1, 0],))
    ([10, 6],)
    """
    args = arguments(args)
    return jvp(grad(f, range(len(args))), args, tangents)[1]


class Trace:
    """Hold a function's graph between its arguments and its result.

    inputs   a node for each number in the arguments by which it is differentiated
    result   what the function gave, nested as it was
    aux      what it gave beside, if it has_aux
    outputs  a node for each number in the result
    path     the nodes from inputs to outputs, parents first, without the inputs
    """

    def __init__(
        self,
        f: Function,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        argnums: int | Sequence[int],
        beside: Any = (),
        *,
        has_aux: bool = False,
    ) -> None:
        _require_function(f)
        chosen = [*argnums] if isinstance(argnums, Iterable) else [argnums]
        for k in chosen:
            if not isinstance(k, int) or isinstance(k, bool):
                raise TypeError(f"argnums are places of arguments, from 0 on, not {argnums!r}")
            if not -len(args) <= k < len(args):
                raise IndexError(f"there is no argument {k} among {len(args)}")
        if len({k % len(args) for k in chosen}) < len(chosen):
            raise ValueError(f"argnums names an argument twice: {argnums}")
        self._single = isinstance(argnums, int)
        self._like = [args[k] for k in chosen]
        operands = flat([list(args), list(kwargs.values()), beside])
        self._recorded = _nested.get() or any(isinstance(x, Value) for x in operands)
        with recording.enable_grad(), recording.Setting(_nested, True):
            self.inputs = [_input(x) for x in flat(self._like)]
            args = list(args)
            for k, arg in zip(chosen, nested(self.inputs, like=self._like), strict=True):
                args[k] = arg
            with differentiated(self.inputs):
                self.result = f(*args, **kwargs)
            self._has_aux, self.aux = has_aux, None
            if has_aux:
                self.result, self.aux = _pair(self.result)
            self.outputs = [x if isinstance(x, Value) else Value(x) for x in flat(self.result)]
            self._reached = set(self.inputs)
            self._partials_of: dict[Value, Sequence[Any]] = {}
            self.path: list[Value] = []
            for node in topological_order(self.outputs):
                if node not in self._reached and not self._reached.isdisjoint(node.parents):
                    self._reached.add(node)
                    self.path.append(node)

    def vjp(self, cotangents: Sequence[Any]) -> list[Any]:
        """Run reverse mode: from the adjoints of the outputs those of the inputs."""
        recorded = self._recorded or any(isinstance(g, Value) for g in cotangents)
        with recording.enable_grad():
            seeds: dict[Value, Any] = {}
            for node, g in _numbers(*_nonzero(self.outputs, cotangents), recorded):
                seeds[node] = add(seeds[node], g) if node in seeds else g
            hook = recording.active_hook()
            if hook is not None:
                numbers = {node: number_of(g) for node, g in seeds.items()}
                hook.on_vjp(numbers, self.path, self._reached)
            adjoints = reverse_mode(seeds, self.path, self._reached)
            gradients = [adjoints.get(node, 0) for node in self.inputs]
            gradients = [g for _, g in _numbers(self.inputs, gradients, recorded)]
        return _results(gradients, recorded)

    def jvp(self, tangents: Sequence[Any]) -> list[Any]:
        """Run forward mode: from the tangents of the inputs those of the outputs."""
        hook = recording.active_hook()
        with recording.enable_grad():
            seeds = dict(_numbers(*_nonzero(self.inputs, tangents), self._recorded))
            along = forward_mode(seeds, self.path, self._partials)
            if hook is not None:
                for node in filter(along.__contains__, self.path):
                    hook.on_jvp(node, number_of(along[node]))
            results = [along.get(node, 0) for node in self.outputs]
            results = [t for _, t in _numbers(self.outputs, results, self._recorded)]
        return _results(results, self._recorded)

    def value(self) -> Any:
        """Return the result, as Values or as numbers."""
        return nested(_results(self.outputs, self._recorded), like=self.result)

    def with_aux(self, result: Any) -> Any:
        """Pair a result with what the function gave beside its own, if it does."""
        if not self._has_aux:
            return result
        return result, nested(_results(flat(self.aux), self._recorded), like=self.aux)

    def like_inputs(self, gradients: Sequence[Any]) -> Any:
        """Nest numbers like the arguments differentiated by."""
        gradients = nested(gradients, like=self._like)
        return gradients[0] if self._single else tuple(gradients)

    def _partials(self, node: Value) -> Sequence[Any]:
        """Compute the partial derivatives of a node, once for all directions."""
        if node not in self._partials_of:
            self._partials_of[node] = partials(node, self._recorded)
        return self._partials_of[node]


def _numbers(
    nodes: Sequence[Value], numbers: Sequence[Any], recorded: bool
) -> Iterator[tuple[Value, Any]]:
    """Pair each node with its number, in the node's own kind; as a node, if to be recorded."""
    for node, x in zip(nodes, numbers, strict=True):
        if type(x) is int:
            x = common(node.data).convert(x)
        yield node, Value(x) if recorded and not isinstance(x, Value) else x


def _nonzero(
    nodes: Sequence[Value], numbers: Sequence[Any]
) -> tuple[Sequence[Value], Sequence[Any]]:
    """Keep the nodes whose number is not a constant 0, with these numbers.

    What is not moved, or not asked for, has no part in the sums, however infinite its slope.
    """
    kept = [isinstance(x, Value) or coerce(x) != 0 for x in numbers]
    return [*compress(nodes, kept)], [*compress(numbers, kept)]


def _results(nodes: Sequence[Any], recorded: bool) -> list[Any]:
    """Return Values if they are to be differentiated further, as none is in a no_grad block."""
    if not recorded:
        return [number_of(x) for x in nodes]
    paused = recording.is_paused()
    return [x.detach() if paused and isinstance(x, Value) else x for x in nodes]


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            "with has_aux the function gives a pair, its number and what is beside it, not "
            f"{result!r:.60}"
        )
    return result


def _require_function(f: Any) -> None:
    """Raise TypeError for what is no function, such as the node that torch.autograd.grad takes."""
    if not callable(f):
        raise TypeError(
            f"a function is differentiated, as lambda x: x**2, not {f!r:.60}: what is computed "
            "already has backward()"
        )


def _input(x: Any) -> Value:
    if getattr(x, "ndim", 0):
        raise TypeError(
            "numbers come in nested lists, tuples, dicts and NumPy's arrays: give the .tolist() "
            f"of the {type(x).__name__}"
        )
    # A node of its own for each: by what else is known of a given Value is not differentiated.
    return weighted_sum(x) if isinstance(x, Value) else Value(x)


_nested: ContextVar[bool] = ContextVar("within a function being differentiated", default=False)


def arguments(args: Any) -> Sequence[Any]:
    """Return a function's arguments: TypeError where they are in no tuple or list."""
    if not isinstance(args, (list, tuple)):
        raise TypeError(
            f"the arguments come in a tuple, one by one: write (x,), not a {type(args).__name__}"
        )
    return args


def _alike(tree: Any, like: Any, name: str, pattern: str) -> list[Any]:
    """Return the numbers in a tree: ValueError where it is nested otherwise."""
    entries, wanted = [*places(tree)], [*places(like)]
    if [place for place, _ in entries] != [place for place, _ in wanted]:
        raise ValueError(
            f"the {name} must be nested like the {pattern}: here they are "
            f"{counted(len(entries), 'number')} for {len(wanted)}"
        )
    return [x for _, x in entries]
