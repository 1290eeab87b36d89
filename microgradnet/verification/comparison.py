"""Runs a network both ways and compares each equation with its graph.

Every equation is compared on its *own inputs, taken from the graph*: BP2 of layer l computes the
error from the graph's δˡ⁺¹ and zˡ. So the rounding of one equation does not become the next one's,
and a red row is the equation that is wrong. By induction the network is right where all rows hold.

Beside each row stands the end-to-end difference, that from the matrix program run by itself from
the same start. In floats it has no bound, for it grows with the network's condition; in rationals
it must be 0 as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgradnet import delta, ops
from microgradnet.arithmetic import NO_PART, coerce, ieee, parts
from microgradnet.chain_rule import edges
from microgradnet.costs import UNIT_INTERVAL, Cost, CostEntry, entry
from microgradnet.deprecation import renamed_keywords
from microgradnet.engine import Value
from microgradnet.graph import topological_order
from microgradnet.nn import MLP
from microgradnet.notation import function_name
from microgradnet.notation import superscript as up
from microgradnet.operation import find
from microgradnet.optim import GradientDescent
from microgradnet.progress import Advance, Progress, progress_bar
from microgradnet.verification import bounds
from microgradnet.verification.report import Report, Row
from microgradnet.wide_passes import left_the_floats, wide_adjoints

__all__ = ["verify"]

Array = NDArray[Any]


@renamed_keywords(eta="lr")
@np.errstate(all="ignore")  # what overflows or is NaN shows in the report
def verify(
    model: MLP,
    X: ArrayLike,
    Y: ArrayLike,
    cost: str | Cost = "quadratic",
    *,
    steps: int = 3,
    lr: Any = 1,
    progress: Progress = False,
) -> Report:
    """Hold the gradients of the scalar graph against the δ equations.

    model     an `MLP` with activations of `delta.ACTIVATIONS`
    X, Y      examples and targets, one a row: (m, n_inputs) and (m, n_outputs)
    cost      a name of `costs.COSTS`, or the function itself
    steps     how many steps w − (η/m) Σ ∂C/∂w both sides take, every one verified
    lr        the learning rate η
    progress  True for a bar on standard error where that is a terminal; or a function, called
              after each example as progress(done, total)

    With Fractions in the model and in X and Y, rational activations and a rational η everything is
    exact and the bound is 0. The model is left as it was. Raises ValueError for shapes that do not
    fit, for an activation or cost without a closed form in `delta`, and for outputs outside the
    cost's domain.

    >>> report = verify(MLP(2, [3, 1], activation="tanh", seed=1), [[0.5, -1.0]], [[1.0]])
    >>> report.ok, report.rows[0].formula, report.rows[0].shape
    (True, 'z¹ = W¹ a⁰ + b¹', (1, 3))
    """
    if not isinstance(model, MLP):
        raise TypeError(f"verify takes an MLP, and then X and Y, not {model!r:.60}")
    known = _closed_form(cost)
    name, activations = known.name, _activation_names(model)
    widths = model.sizes
    x, y = _matrix("X", X, widths[0]), _matrix("Y", Y, widths[-1])
    if len(x) != len(y) or not len(x):
        raise ValueError(f"X has {len(x)} rows and Y {len(y)}: one target for each example")
    if steps < 0:
        raise ValueError(f"steps must be at least 0, not {steps}")
    lr = coerce(lr)
    parameters = model.parameters()
    before = [(p.data, p.grad) for p in parameters]
    rows: dict[str, Row] = {}
    infinite: set[int] = set()
    rounds = max(steps, 1)
    try:
        own = _parameters(model)
        inputs = (x, y, *own.W, *own.b, _array([lr if steps else 0]))
        exact = all(array.dtype == object for array in inputs)
        exact = exact and {name, *activations} <= delta.RATIONAL
        if not exact:  # one kind of number throughout, so that both sides round the same inputs
            for parameter in parameters:
                parameter.data = ieee.convert(parameter.data)
            own, x, y, lr = _parameters(model), _floats(x), _floats(y), ieee.convert(lr)
        with progress_bar(progress, rounds * len(x), "verifying") as advance:
            for _ in range(rounds):
                graph = _differentiate(model, known.function, x, y, advance)
                _check_domain(known, graph.a[-1])
                program = delta.backprop(*own, activations, name, x, y)
                rest = delta.complement(activations[-1], program.z[-1])
                program_cost = delta.cost(name, program.a[-1], y, rest)
                for each in (graph.cost, program_cost):
                    infinite |= {*np.flatnonzero(np.abs(each) == math.inf).tolist()}
                claims = [*_gradient_claims(graph, program, program_cost, activations, name, y)]
                claims.append(graph.chain)
                if steps:
                    GradientDescent(parameters, lr).step(len(x))
                    own = _Parameters(
                        *(
                            [delta.update(w, g, lr, len(x)) for w, g in zip(*pair, strict=True)]
                            for pair in ((own.W, program.nabla_w), (own.b, program.nabla_b))
                        )
                    )
                    claims += _update_claims(graph, _parameters(model), own, lr, len(x))
                for claim in claims:
                    rows[claim.formula] = _worse(rows.get(claim.formula), _compare(claim, exact))
    finally:
        for parameter, (data, grad) in zip(parameters, before, strict=True):
            parameter.data, parameter.grad = data, grad
    return Report(
        tuple(rows.values()),
        network="-".join(map(str, widths)),
        activations=tuple(activations),
        cost=name,
        examples=len(x),
        steps=steps,
        parameters=len(parameters),
        exact=exact,
        infinite=tuple(sorted(infinite)),
    )


# What is compared


class _Parameters(NamedTuple):
    W: list[Array]
    b: list[Array]


class _Graph(NamedTuple):
    """Hold the numbers in the scalar graphs, as matrices whose rows are examples."""

    W: list[Array]
    b: list[Array]
    z: list[Array]
    a: list[Array]
    delta: list[Array]
    cost: Array
    nabla_w: list[Array]
    nabla_b: list[Array]
    chain: _Claim


def _differentiate(model: MLP, cost: Cost, x: Array, y: Array, advance: Advance) -> _Graph:
    """Run forward and backward, example by example; the parameters' gradients add up."""
    W, b = _parameters(model)
    model.zero_grad()
    passes = []
    for n, (inputs, targets) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        forward = model.forward(inputs)
        total = cost(forward.output, targets)
        total.backward()
        z = [[v.data for v in layer] for layer in forward.z]
        a = [[v.data for v in layer] for layer in forward.a]
        passes.append((z, a, list(forward.delta), total.data))
        if n == 0:  # now the parameters' gradients are those of this example alone
            chain = _chain_rule(total)
        advance(1)
    z_rows, a_rows, delta_rows, costs = zip(*passes, strict=True)
    layers = range(len(model.layers) + 1)
    return _Graph(
        W,
        b,
        [_array([row[l] for row in z_rows]) for l in layers],
        [_array([row[l] for row in a_rows]) for l in layers],
        [_array([row[l] for row in delta_rows]) for l in layers],
        _array(costs),
        [_array([[w.grad for w in n.w] for n in layer.neurons]) for layer in model.layers],
        [_array([n.b.grad for n in layer.neurons]) for layer in model.layers],
        chain,
    )


def _chain_rule(cost: Value) -> _Claim:
    """Hold every node's gradient against its uses' contributions, by the operations' rules.

    The engine has fast paths for + and ×, which do not ask the table; here they are held to it.
    """
    order = topological_order([cost])
    passed: dict[Value, list[Any]] = {node: [] for node in order}
    passed[cost].append(1)
    roundings = dict.fromkeys(order, 0)
    adjoints = {cost: cost.grad}
    for y, _, x, term in edges(order, adjoints):
        if term is not NO_PART:
            adjoints[x] = x.grad
            passed[x] += parts(term)
            if (y.op.base or y.op) is ops.softmax_component:
                roundings[x] = 2 * (len(y.parents) + 4)  # n sums and four products on each side
    got, want = _array([node.grad for node in order]), _array([sum(passed[v]) for v in order])
    if left_the_floats(order, [node.grad for node in order]):
        # Where a pass in wide floats was made, its adjoints were not rounded on the way.
        wide = wide_adjoints({cost: 1.0})
        want = np.where([float(wide.get(v, 0)) == v.grad for v in order], got, want)
    # What no parameter hangs on, the slope of a target say, may be undefined on both sides.
    got, want = (np.where((got != got) & (want != want), 0, side) for side in (got, want))
    return _Claim(
        "chain", 0, "∂C/∂x = Σ ∂C/∂y · ∂y/∂x", got, want,
        lambda: bounds.chain([*passed.values()], [*roundings.values()]), None,
    )  # fmt: skip


class _Claim(NamedTuple):
    """Hold one equation of one layer: the graph's numbers, the equation's, and the bound."""

    equation: str
    layer: int
    formula: str
    got: Array
    want: Array
    bound: Callable[[], Array]
    program: Array | None
    """The numbers of the matrix program run by itself from the start; None where it has none."""


def _gradient_claims(
    graph: _Graph,
    program: delta.Backpropagation,
    program_cost: Array,
    activations: list[str],
    cost: str,
    y: Array,
) -> Iterator[_Claim]:
    """Claim the forward pass, the cost, and BP1 to BP4."""
    W, b, z, a, error = graph.W, graph.b, graph.z, graph.a, graph.delta
    L = len(W)
    for l, sigma in enumerate(activations, 1):
        yield _Claim(
            "forward", l, f"z{up(l)} = W{up(l)} a{up(l - 1)} + b{up(l)}",
            z[l], delta.weighted_input(W[l - 1], a[l - 1], b[l - 1]),
            partial(bounds.weighted_input, W[l - 1], a[l - 1], b[l - 1]), program.z[l],
        )  # fmt: skip
        yield _Claim(
            "forward", l, f"a{up(l)} = {function_name(sigma)}(z{up(l)})",
            a[l], delta.activation(sigma, z[l]),
            partial(bounds.activation, sigma, z[l], a[l]), program.a[l],
        )  # fmt: skip
    sigma = activations[-1]
    rest = delta.complement(sigma, z[L])
    yield _Claim(
        "cost", L, f"C = {cost}(a{up(L)}, y)",
        graph.cost, delta.cost(cost, a[L], y, rest),
        partial(bounds.cost, cost, sigma, z[L], a[L], y), program_cost,
    )  # fmt: skip
    C_prime = delta.cost_prime(cost, a[L], y, rest)
    if sigma == "softmax":
        formula = f"δ{up(L)} = Jᵀ C′(a{up(L)})"
        want = delta.output_error_softmax(C_prime, delta.softmax_jacobian(z[L]))
    else:
        formula = f"δ{up(L)} = C′(a{up(L)}) ⊙ σ′(z{up(L)})"
        want = delta.output_error(C_prime, delta.activation_prime(sigma, z[L]))
    # ∞·0 is undefined, also where the graph has 0: a branch that is not taken has no part in it.
    got, diverged = error[L], (C_prime - C_prime != 0).any(axis=-1, keepdims=True)
    if diverged.any() and want.shape == got.shape:
        got = np.where(diverged & (want != want), np.nan, got)
    yield _Claim(
        "BP1", L, formula, got, want,
        partial(bounds.output_error, cost, sigma, z[L], a[L], y), program.delta[L],
    )  # fmt: skip
    for l in range(L - 1, 0, -1):
        sigma_prime = delta.activation_prime(activations[l - 1], z[l])
        yield _Claim(
            "BP2", l, f"δ{up(l)} = ((W{up(l + 1)})ᵀ δ{up(l + 1)}) ⊙ σ′(z{up(l)})",
            error[l], delta.hidden_error(W[l], error[l + 1], sigma_prime),
            partial(bounds.hidden_error, W[l], error[l + 1], activations[l - 1], z[l]),
            program.delta[l],
        )  # fmt: skip
    for l in range(1, L + 1):
        yield _Claim(
            "BP3", l, f"∂C/∂b{up(l)} = δ{up(l)}",
            graph.nabla_b[l - 1], delta.bias_gradient(error[l]),
            partial(bounds.bias_gradient, error[l]), program.nabla_b[l - 1],
        )  # fmt: skip
    for l in range(1, L + 1):
        yield _Claim(
            "BP4", l, f"∂C/∂W{up(l)} = δ{up(l)} (a{up(l - 1)})ᵀ",
            graph.nabla_w[l - 1], delta.weight_gradient(error[l], a[l - 1]),
            partial(bounds.weight_gradient, error[l], a[l - 1]), program.nabla_w[l - 1],
        )  # fmt: skip


def _update_claims(
    graph: _Graph, after_step: _Parameters, program: _Parameters, lr: Any, m: int
) -> Iterator[_Claim]:
    """Claim the update rule, from the graph's parameters and gradients."""
    for letter, before, after, gradients, own in (
        ("W", graph.W, after_step.W, graph.nabla_w, program.W),
        ("b", graph.b, after_step.b, graph.nabla_b, program.b),
    ):
        for l, (w, gradient) in enumerate(zip(before, gradients, strict=True), 1):
            name = f"{letter}{up(l)}"
            yield _Claim(
                "update", l, f"{name} → {name} − (η/m) Σ ∂C/∂{name}",
                after[l - 1], delta.update(w, gradient, lr, m),
                partial(bounds.update, w, gradient, lr, m), own[l - 1],
            )  # fmt: skip


def _compare(claim: _Claim, exact: bool) -> Row:
    got, want = claim.got, claim.want
    if got.shape != want.shape:  # not even the same shape: nothing holds
        want = np.full(got.shape, np.nan)
    difference = _distance(got, want)
    bound = np.zeros(got.shape) if exact else claim.bound()
    bound = np.where(np.isfinite(bound), bound, 0)  # one that is no number allows nothing
    keys = [key.ravel() for key in _badness(difference, bound)]
    worst = np.unravel_index(np.lexsort(keys[::-1])[-1], got.shape)
    wrong = float(difference[worst])
    end_to_end = None if claim.program is None else float(np.max(_distance(got, claim.program)))
    return Row(
        equation=claim.equation,
        layer=claim.layer,
        formula=claim.formula,
        shape=got.shape,
        difference=wrong,
        bound=float(bound[worst]),
        ulps=wrong and wrong / float(np.spacing(_nearest(abs(want[worst])))),
        end_to_end=end_to_end,
        holds=bool(np.all(difference <= bound)),
    )


def _badness(difference: Any, bound: Any) -> tuple[Any, ...]:
    """Return the keys by which one entry is worse than another, in the order that `Row` states."""
    undefined = np.isnan(difference)
    wrong = np.where(undefined, 0, difference)
    outcome = np.where(undefined, 1, np.where(wrong <= bound, 0, 2))
    return outcome, np.where(wrong == 0, 0, wrong / bound), wrong, bound


def _distance(got: Array, want: Array) -> Array:
    """Compute |got − want| as floats, 0 only where they are equal, be it as the same infinity.

    It is NaN where both are NaN, and inf where only one is.
    """
    apart = np.abs(got - want)
    if apart.dtype == object:  # a rational may lie below or beyond all floats
        apart = np.vectorize(_nearest, otypes=[float])(apart)
    apart = np.where((got != got) ^ (want != want), np.inf, apart)
    return np.where(got == want, 0, apart)


def _nearest(x: Any) -> float:
    """Round x ≥ 0 to a float, which is 0 for 0 only."""
    try:
        return float(x) or (math.ulp(0) if x else 0.0)
    except OverflowError:
        return math.inf


def _worse(old: Row | None, new: Row) -> Row:
    """Return the worse of one equation's two rows, with the larger of their end-to-end ones."""
    if old is None:
        return new
    rank_old, rank_new = (_badness(row.difference, row.bound) for row in (old, new))
    keep = old if rank_old >= rank_new else new
    if old.end_to_end is None or new.end_to_end is None:
        return keep
    return replace(keep, end_to_end=float(np.maximum(old.end_to_end, new.end_to_end)))


# The numbers of a network


def _parameters(model: MLP) -> _Parameters:
    return _Parameters(
        [_array(matrix.tolist()) for matrix in model.weights.values()],
        [_array(vector.tolist()) for vector in model.biases.values()],
    )


def _array(numbers: Any) -> Array:
    """Make an array of float64, or of Fractions where all are rational (so no quotient rounds)."""
    array = np.array(numbers, dtype=object)
    kinds = {type(x) for x in array.flat}
    if kinds == {float}:  # as almost always
        return array.astype(float)
    if all(issubclass(kind, (int, Fraction)) for kind in kinds):
        array[...] = np.reshape([Fraction(x) for x in array.flat], array.shape)
        return array
    for x in array.flat:
        if not isinstance(x, (int, float, Fraction)):
            raise TypeError(f"verify takes floats and rationals, not {x!r}, a {type(x).__name__}")
    return _floats(array)


def _floats(array: Array) -> Array:
    return np.asarray(np.vectorize(ieee.convert, otypes=[float])(array))


def _check_domain(cost: CostEntry, a: Array) -> None:
    outside = a[(a < 0) | (a > 1)]
    if len(outside) and cost.unit_interval:
        *others, last = UNIT_INTERVAL
        raise ValueError(
            f"{cost.name} takes outputs between 0 and 1, not {outside[0]}: put {', '.join(others)} "
            f"or {last} at the output, or use {cost.name}_from_z with a linear one"
        )


def _matrix(name: str, rows: ArrayLike, width: int) -> Array:
    matrix = np.asarray(rows)
    if matrix.ndim != 2 or matrix.shape[1] != width:
        raise ValueError(
            f"{name} must have shape (examples, {width}), one example a row, not {matrix.shape}"
        )
    return _array(matrix.tolist())


def _closed_form(cost: str | Cost) -> CostEntry:
    with suppress(ValueError):
        known = entry(cost)
        if known.name in delta.COSTS:
            return known
    raise ValueError(f"no closed form of the cost {cost!r}: there are {', '.join(delta.COSTS)}")


def _activation_names(model: MLP) -> list[str]:
    names = []
    for layer in model.layers:
        name = layer.activation
        if not isinstance(name, str):
            own = name
            name = next((n for n in _ELEMENTWISE if find(n) is own), repr(own))
        if name not in delta.ACTIVATIONS:
            raise ValueError(
                f"no closed form of the activation {name}: there are {', '.join(delta.ACTIVATIONS)}"
            )
        names.append(name)
    return names


_ELEMENTWISE = [name for name in delta.ACTIVATIONS if name not in ("linear", "softmax")]
