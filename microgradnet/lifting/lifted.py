"""`lift`: the matrix program inside a scalar graph, and what can be done with it."""

from __future__ import annotations

import linecache
import math
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import count
from keyword import iskeyword
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgradnet.arithmetic import evaluate, ieee
from microgradnet.engine import Value
from microgradnet.graph import topological_order
from microgradnet.lifting.analysis import Equation, analyse
from microgradnet.lifting.arguments import listed_roots, read_arguments
from microgradnet.lifting.canonicalise import number
from microgradnet.lifting.numpy_printer import write_numpy
from microgradnet.lifting.numpy_scalars import write_scalars
from microgradnet.lifting.released import converted, is_of_release_0_1
from microgradnet.lifting.terms import Term
from microgradnet.notation import counted

__all__ = ["Program", "check_against", "lift"]

Floats = NDArray[np.floating[Any]]


def lift(
    cost: Value | Sequence[Value],
    inputs: Sequence[Value] | None = None,
    targets: Sequence[Value] | None = None,
    parameters: Any = None,
    *,
    check: tuple[ArrayLike, ArrayLike] | tuple[ArrayLike] | None = None,
) -> Program:
    """Find the matrix program inside the scalar graph of one example.

    cost        the Value at its end, or a list of output Values
    inputs      the leaves that hold the example x: they will be the columns of X
    targets     the leaves that hold the target y, if there are any: the columns of Y
    parameters  the leaves to differentiate by, in the order of the flat gradient: a list, or nested
                lists and dicts of names, whose nesting gives `Program.gradients` its shapes
    check       examples (X, Y) on which the graph is computed anew, node by node, and the program
                must agree

    A list that is given is complete, and what it leaves open goes by its label: x, alone or with
    indices, is an input, as is nn's a⁰ₖ; y or t is a target; any other label is a parameter's; what
    has no label is a constant. Who built the graph, and in which order of summation, does not
    matter. Numbers are floats from here on.

    A branch that the graph's builder took on the number of a node, as in `if v.data > 0`, is not
    in the graph: the program takes the same branch for every example. `trace` sees such branches.

    Raises TypeError for what is no Value, and for an operation whose rule branches in Python on a
    number; ValueError for a listed node that is no leaf or stands in the lists twice, and where
    a check fails.

    >>> from microgradnet import MLP, costs
    >>> model = MLP(2, [3, 2], activation="sigmoid", output_activation="sigmoid")
    >>> forward, y = model.forward([0.5, -1.0]), [Value(1.0), Value(0.0)]
    >>> program = lift(costs.quadratic(forward.output, y), forward.a[0], y, model.parameters())
    >>> print(program)
    z1 = W1 a0 + b1          (3)
    a1 = σ(z1)               (3)
    z2 = W2 a1 + b2          (2)
    a2 = σ(z2)               (2)
    C = ½ Σ (a2 − y)²
    <BLANKLINE>
    δ2 = (a2 − y) ⊙ σ′(z2)   (2)
    δ1 = (W2ᵀ δ2) ⊙ σ′(z1)   (3)
    <BLANKLINE>
    ∂C/∂b2 = δ2              (2)
    ∂C/∂W2 = δ2 a1ᵀ          (2 × 3)
    ∂C/∂b1 = δ1              (3)
    ∂C/∂W1 = δ1 a0ᵀ          (3 × 2)
    >>> costs, gradient = program.value_and_grad([[0.5, -1.0], [0.0, 2.0]], [[1, 0], [0, 1]])
    >>> costs.shape, gradient.shape
    ((2,), (17,))
    """
    roots, inputs, targets, parameters = read_arguments(cost, inputs, targets, parameters)
    whole = cost if isinstance(cost, Value) else roots
    program = Program(whole, inputs, targets, parameters)
    if check is not None:
        check_against(program, _recompute(roots, inputs, targets), check)
    return program


class Program:
    """The matrix program of a scalar graph, by NumPy; made by `lift` and `trace`.

    parameters  the flat vector of the parameters' numbers, in the order given to `lift`; a copy
                of the nodes' numbers, to be updated in place or assigned anew
    equations   its equations, forward, backward and of the gradients: `Equation`s
    source      the Python that runs, which needs NumPy alone

    What it prints, and the functions that it runs, are written when they are first asked for.
    Rows of X and Y are examples. What a call returns is the caller's own. A program keeps work
    arrays from call to call, so two threads must not call one program at once.

    Products of up to 2²² multiplications are computed by one thread, in parts where BLAS would take
    several. Larger ones are left to BLAS. Its threads wait for each other, so where other programs
    keep the processors busy, such a product may take fifty times as long as by one thread: set
    OPENBLAS_NUM_THREADS=1 before NumPy is imported, or limit them by the package threadpoolctl.
    """

    def __init__(
        self,
        cost: Value | Sequence[Value],
        inputs: Sequence[Value],
        targets: Sequence[Value],
        parameters: Any,
    ) -> None:
        self._scalar_cost = isinstance(cost, Value)
        self._widths = {"X": len(inputs), "Y": len(targets)}
        self._n_outputs = len(listed_roots(cost))
        places = {node: k for k, node in enumerate(inputs)}
        shared = [(places[y], k) for k, y in enumerate(targets) if y in places]
        self._shared = np.array(shared, dtype=int).reshape(len(shared), 2)
        self._found = analyse(cost, inputs, targets, parameters)
        self._found.forget_nodes()
        self._found.check()
        self._leaves = self._found.leaves
        self._gradient: Floats | None = None
        self._parameters: Floats = np.empty(len(self._leaves))
        self.read_parameters()
        self._forget_calls()

    def _forget_calls(self) -> None:
        self._last: _Call | None = None
        self._last_value: tuple[Any, ...] = (None, None, 0)

    @cached_property
    def equations(self) -> tuple[Equation, ...]:
        """Its equations: forward, backward and of the gradients."""
        return self._found.equations()

    @cached_property
    def source(self) -> str:
        """The Python that runs. It needs NumPy alone."""
        return self._written()

    def _written(self) -> str:
        columns = not self._scalar_cost
        title = f"Found in a scalar graph of {counted(self._found.atoms.size, 'node')}."
        if self._found.is_table:
            return write_scalars(self._found.atoms, columns=columns, title=title)
        terms = self._found.terms
        return write_numpy(
            terms.outputs,
            terms.gradients,
            _identifiers(terms.names),
            size=len(self._leaves),
            columns=columns,
            title=title,
        )

    @cached_property
    def _arrays(self) -> dict[str, NDArray[np.intp]]:
        return self._found.parameter_arrays()

    @cached_property
    def _functions(self) -> dict[str, Any]:
        """What the source defines."""
        return _compiled(self, self.source)

    @property
    def terms(self) -> dict[str, Term]:
        """Its terms over named axes, by what their equations define: "z1", "C", "∂C/∂W1".

        A program that release 0.1 pickled has none.
        """
        return {each.left: each.term for each in self.equations if hasattr(each, "term")}

    def __getstate__(self) -> dict[str, Any]:
        """For `pickle` and `copy`: what was found, written out, without what was compiled."""
        kept = {"equations": self.equations, "source": self.source, "_arrays": self._arrays}
        left_out = {"_found", "_functions", "_last", "_last_value"}
        return {name: x for name, x in self.__dict__.items() if name not in left_out} | kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(converted(state) if is_of_release_0_1(state) else state)
        self._parameters = self._parameters.copy()  # a copy's own
        self._forget_calls()

    def __repr__(self) -> str:
        parameters = counted(len(self._leaves), "parameter")
        return f"<Program of {counted(len(self.equations), 'equation')}, {parameters}>"

    def __str__(self) -> str:
        """The equations, a line each, with the sizes of what they define."""
        if not self.equations:
            return "No equations: the outputs are inputs, parameters and constants as they are."
        texts = [equation.text for equation in self.equations]
        width = max((len(text) for text in texts if len(text) <= _WIDE), default=0)
        lines = []
        for before, equation in zip((None, *self.equations), self.equations, strict=False):
            if before is not None and before.part != equation.part:
                lines.append("")
            size = " × ".join(map(str, equation.shape))
            lines.append(f"{equation.text:{width}}   ({size})" if size else equation.text)
        return "\n".join(lines)

    def _repr_latex_(self) -> str:
        sign = re.compile(r" (?=(\\mathrel\{\+\})?= )")
        rows = [sign.sub(" &", equation.latex, count=1) for equation in self.equations]
        return "$$\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}$$"

    # Parameters

    @property
    def parameters(self) -> Floats:
        """The flat vector of the parameters' numbers; the program's own, so updates count."""
        return self._parameters

    @parameters.setter
    def parameters(self, vector: ArrayLike) -> None:
        given = _as_floats(vector)
        if given.shape != self._parameters.shape:
            raise ValueError(f"parameters has shape {self._parameters.shape}, not {given.shape}")
        if given is not self._parameters:  # as after program.parameters -= step
            self._parameters = given.copy()

    def read_parameters(self) -> None:
        """Take the parameters' numbers from the nodes."""
        self._parameters[:] = [number(leaf) for leaf in self._leaves]

    def write_parameters(self) -> None:
        """Give the nodes the parameters' numbers."""
        for leaf, x in zip(self._leaves, self._parameters.tolist(), strict=True):
            leaf.data = x

    @property
    def gradients(self) -> dict[str, Floats]:
        """Of the last gradient, its arrays by name: {"W1": ∂C/∂W1, "b1": ...}.

        Copies, of the shapes in which the parameters were given, each parameter once. RuntimeError
        before `value_and_grad` or `vjp`.
        """
        if self._gradient is None:
            raise RuntimeError("there is no gradient yet: call value_and_grad(X, Y) first")
        return {name: self._gradient[places] for name, places in self._arrays.items()}

    # Running

    def value(self, X: ArrayLike, Y: ArrayLike | None = None) -> Floats:
        """The costs, one for each example; of several outputs a row for each example."""
        X, Y = self._examples(X, Y)
        p = self._in_kind(X.dtype)
        last, compute, m = self._last_value
        if last is not p or m != len(X):
            compute = self._functions["prepare_value"](p, len(X))
            self._last_value = p, compute, len(X)
        return np.array(compute(X, Y))

    def value_and_grad(
        self, X: ArrayLike, Y: ArrayLike | None = None, out: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """The costs, one for each example, and the gradient, summed over the examples.

        The gradient is flat, in the order of the parameters; out, where given, is filled with it.
        float32 examples are computed in float32, and NumPy's long doubles in these: on most
        processors of x86 they go from 10⁻⁴⁹³² to 10⁴⁹³². There a float64 gradient is computed in
        them again where it, or a cost, is not finite: what was ∞ or NaN on the way may be none. A
        gradient that underflowed to 0 on the way stays 0, though the engine's may be another.
        """
        if not self._scalar_cost:
            raise TypeError("this program has outputs and no cost: vjp(X, V) is its gradient")
        X, Y, call = self._prepared(X, Y, out)
        costs, g = call.compute(X, Y)
        if not (np.isfinite(g).all() and np.isfinite(costs).all()):
            self._compute_again(g, X, Y)
        return costs, self._given(g, out)

    def vjp(
        self, X: ArrayLike, V: ArrayLike, Y: ArrayLike | None = None, out: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """The outputs, a row for each example, and the gradient of Σ V × outputs.

        V has the outputs' shape. That gradient is the vector-Jacobian product.
        """
        if self._scalar_cost:
            raise TypeError("this program has a cost: value_and_grad(X, Y) is its gradient")
        X, Y, call = self._prepared(X, Y, out)
        given = np.asarray(V, dtype=X.dtype)
        if given.shape != (len(X), self._n_outputs):
            raise ValueError(f"V has shape {given.shape}, not {(len(X), self._n_outputs)}")
        outputs, g = call.compute(X, given, Y)
        if not (np.isfinite(g).all() and np.isfinite(outputs).all()):
            self._compute_again(g, X, given, Y)
        return outputs, self._given(g, out)

    def _compute_again(self, g: Floats, X: Floats, *given: Floats | None) -> None:
        """Put what long doubles have in the place of a float64 gradient that is not finite."""
        if g.dtype != _FLOAT64 or not _IS_WIDER:
            return
        p = self._parameters.astype(_LONG)
        compute = self._functions["prepare"](p, np.empty_like(p), len(X))
        others = [None if x is None else x.astype(_LONG) for x in given]
        _, again = compute(X.astype(_LONG), *others)
        with np.errstate(over="ignore", under="ignore"):
            np.copyto(g, again.astype(_FLOAT64), where=~np.isnan(again))

    def _examples(self, X: ArrayLike, Y: ArrayLike | None) -> tuple[Floats, Floats | None]:
        """X and Y as arrays of one kind of float, of the right shapes."""
        x = _as_floats(X)
        n = self._widths["X"]
        if x.ndim != 2 or x.shape[1] != n:
            raise ValueError(f"X has shape {x.shape}, not (m, {n}): a row for each example")
        if not self._widths["Y"]:
            if Y is not None:
                raise ValueError("the program has no targets: call it without Y")
            return x, None
        wanted = (len(x), self._widths["Y"])
        if Y is None:
            if len(self._shared) == wanted[1]:  # every target is an input, as an autoencoder's
                return x, x[:, self._shared[:, 0]]
            raise ValueError(f"the program has targets: Y is missing, of shape {wanted}")
        y = np.asarray(Y, dtype=x.dtype)
        if y.ndim == 1 and wanted[1] == 1 and len(y) == len(x):
            raise ValueError(f"Y has shape {y.shape}, not {wanted}: write Y[:, None]")
        if y.shape != wanted:
            raise ValueError(f"Y has shape {y.shape}, not {wanted}: a row for each example")
        if len(self._shared):
            of_x, of_y = self._shared.T
            if not np.array_equal(x[:, of_x], y[:, of_y], equal_nan=True):
                raise ValueError(
                    f"columns {of_y.tolist()} of Y are inputs too: they must be columns "
                    f"{of_x.tolist()} of X"
                )
        return x, y

    def _in_kind(self, kind: np.dtype[Any]) -> Floats:
        p = self._parameters
        return p if p.dtype is kind else p.astype(kind)

    def _work(self, out: Floats | None, p: Floats) -> Floats:
        """An array of one piece for the gradient: the caller's if it is, else one that is kept."""
        if out is not None:
            if out.shape != p.shape or out.dtype != p.dtype:
                raise ValueError(
                    f"out is {out.dtype} of shape {out.shape}, not {p.dtype} of shape {p.shape}"
                )
            if out.flags.c_contiguous:
                return out
        last = self._last
        return last.g if last is not None and last.p is p and last.is_own else np.empty_like(p)

    def _given(self, g: Floats, out: Floats | None) -> Floats:
        """The gradient where the caller wants it, and a copy of what is kept where he does not."""
        if out is None:
            out = g.copy()
        elif out is not g:
            out[:] = g
        self._gradient = out
        return out

    def _prepared(
        self, X: ArrayLike, Y: ArrayLike | None, out: Floats | None
    ) -> tuple[Floats, Floats | None, _Call]:
        """X and Y as arrays of one kind of float, and what else the source's function is given."""
        last = self._last
        if (
            last is not None
            and (out is last.g or (out is None and last.is_own))
            and self._parameters is last.p
            and type(X) is np.ndarray
            and (X.shape, X.dtype) == last.of_x
            and (Y is None or type(Y) is np.ndarray)
            and (None if Y is None else (Y.shape, Y.dtype)) == last.of_y
        ):
            return X, Y, last  # all is as it was at the last call, but for the numbers
        x, y = self._examples(X, Y)
        p = self._in_kind(x.dtype)
        g = self._work(out, p)
        if last is None or last.p is not p or last.g is not g or last.m != len(x):
            compute = self._functions["prepare"](p, g, len(x))
            self._last = last = _Call(len(x), p, g, g is not out, compute)
        last.of_x = None if len(self._shared) else (x.shape, x.dtype)
        last.of_y = None if y is None else (y.shape, y.dtype)
        return x, y, last


class _Call:
    """What a call was given, and what was made for it that the next one may need again.

    is_own  whether the gradient's array is the program's own, and not the caller's
    compute the function of the examples, made for as many and for these arrays
    of_x    shape and kind of X, and of_y of Y; None of X where its numbers have to be looked at
    """

    def __init__(
        self, m: int, p: Floats, g: Floats, is_own: bool, compute: Callable[..., Any]
    ) -> None:
        self.m, self.p, self.g, self.is_own, self.compute = m, p, g, is_own, compute
        self.of_x: tuple[Any, ...] | None = None
        self.of_y: tuple[Any, ...] | None = None


_WIDE = 100
"""Longer equations do not push the sizes of the others to the right."""

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_LONG = np.dtype(np.longdouble)
_IS_WIDER = np.finfo(np.longdouble).maxexp > np.finfo(np.float64).maxexp


def _as_floats(x: ArrayLike) -> Floats:
    """An array of float32 or long double if it is of these, else of float64."""
    array = np.asarray(x)
    if array.dtype is _FLOAT64 or array.dtype is _FLOAT32:  # asked first, being quick to ask
        return array
    if array.dtype == _LONG:
        return array
    return array.astype(_FLOAT32 if array.dtype == _FLOAT32 else _FLOAT64)


def _identifiers(names: dict[Term, str]) -> dict[Term, str]:
    """The names as Python may have them."""
    found = {}
    for term, name in names.items():
        plain = re.sub(r"\W", "_", name)
        found[term] = plain if plain.isidentifier() and not iskeyword(plain) else f"v_{plain}"
    return found


_numbers = count()


def _compiled(program: Program, source: str) -> dict[str, Any]:
    """What a source text defines. Tracebacks show its lines for as long as the program lives."""
    name = f"<lifted program {next(_numbers)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    finalize(program, linecache.cache.pop, name, None)
    space: dict[str, Any] = {}
    exec(compile(source, name, "exec"), space)
    return space


def check_against(
    program: Program,
    compute: Callable[[list[float], list[float]], list[Any]],
    check: tuple[ArrayLike, ArrayLike | None] | tuple[ArrayLike],
) -> None:
    """Raise ValueError naming the first example for which compute(x, y) gives other numbers."""
    if not isinstance(check, tuple) or len(check) not in (1, 2):
        raise TypeError("check is the examples (X, Y), or (X,) where there are no targets")
    given, targets = check if len(check) == 2 else (*check, None)
    X, Y = program._examples(np.asarray(given, dtype=float), targets)
    found = program.value(X, Y)
    rows = [[]] * len(X) if Y is None else Y.tolist()
    for n, (x, y) in enumerate(zip(X.tolist(), rows, strict=True)):
        outputs = np.atleast_1d(found[n]).tolist()
        for got, want in zip(outputs, map(ieee.convert, compute(x, y)), strict=True):
            close = math.isclose(got, want, rel_tol=_CLOSE, abs_tol=_CLOSE)
            if not close and not (got != got and want != want):
                raise ValueError(
                    f"example {n}: the program gives {got!r}, the scalar graph {want!r}; has a "
                    "branch been taken on a node's number, or a parameter changed since?"
                )


_CLOSE = 1e-9


def _recompute(
    roots: Sequence[Value], inputs: Sequence[Value], targets: Sequence[Value]
) -> Callable[[list[float], list[float]], list[float]]:
    """The graph as a function of an example, node by node by the table's forward functions."""
    order = topological_order(roots)

    def compute(x: list[float], y: list[float]) -> list[float]:
        data = {node: node.data for node in order if node.op is None}
        data.update(zip(targets, y, strict=True))
        data.update(zip(inputs, x, strict=True))
        for node in order:
            if node.op is not None:
                data[node] = evaluate(node.op.forward, *[data[parent] for parent in node.parents])
        return [data[root] for root in roots]

    return compute
