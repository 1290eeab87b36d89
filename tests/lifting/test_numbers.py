"""Numbers of lifted programs where floats are at their ends: the engine's, to the last digits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.term_oracle import leaves_of, numbers_of

from microgradnet import Value, atanh, exp, log, ops, sqrt
from microgradnet.lifting.analysis import analyse
from microgradnet.lifting.derivatives import adjoints
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.lifted import lift
from microgradnet.lifting.terms import constant

U = 2.0**-53


def same(got: float, want: float, roundings: float = 16) -> bool:
    if math.isnan(want) or math.isinf(want):
        return got == want or (got != got and want != want)
    return abs(got - want) <= roundings * U * abs(want) + 2.0**-1070


def engine(cost: Value, leaves: Sequence[Value]) -> list[float]:
    for leaf in leaves:
        leaf.grad = 0
    cost.backward()
    return [float(leaf.grad) for leaf in leaves]


def interpreted(cost: Value, leaves: Sequence[Value]) -> tuple[float, list[float]]:
    """The value and the gradient by the terms that run, entry by entry."""
    found = analyse(cost, [], [], leaves).terms
    root, weights = found.outputs[0], leaves_of(found.outputs)
    slopes = adjoints([(root, constant(1))], weights, running=True)
    given = {leaf: numbers_of(leaf, {"parameter": leaves}) for leaf in weights}
    reached = [leaf for leaf in weights if leaf in slopes]
    given = {leaf: np.array(values, dtype=object) for leaf, values in given.items()}
    with np.errstate(all="ignore"):
        value, *gradients = interpret([root, *[slopes[leaf] for leaf in reached]], given)
    flat = np.zeros(len(leaves))
    for leaf, gradient in zip(reached, gradients, strict=True):
        order = [slopes[leaf].axes.index(axis) for axis in leaf.axes]
        flat[leaf.places] = gradient.astype(float).transpose(order)
    return float(value), flat.tolist()


def agree(make: Callable[..., Value], xs: Sequence[float], roundings: float = 16) -> None:
    leaves = [Value(x) for x in xs]
    cost = make(*leaves)
    want = engine(cost, leaves)
    costs, gradient = lift(cost, [], [], leaves).value_and_grad(np.empty((1, 0)))
    for value, found in ((costs.item(), gradient.tolist()), interpreted(cost, leaves)):
        assert same(value, float(cost.data), roundings), (value, cost.data)
        assert all(same(g, w, roundings) for g, w in zip(found, want, strict=True)), (found, want)


BRANCHES: dict[str, Callable[[Value], Value]] = {
    "min": lambda v: ops.minimum(v, 5.0),
    "max": lambda v: ops.maximum(-100.0, v),
    "relu": ops.relu,
    "relu of relu": lambda v: ops.relu(ops.relu(v) - 1),
    "relu(−v)": lambda v: ops.relu(-v),
    "leaky_relu": lambda v: ops.leaky_relu(v, slope=0),
    "elu": lambda v: ops.elu(v, alpha=0),
    "hard_tanh": ops.hard_tanh,
    "hard_sigmoid": lambda v: ops.hard_sigmoid(v) * 2,
    "abs": ops.abs,
    "power 0": lambda v: v**0,
}
STEEP: dict[str, tuple[Callable[[Value], Value], float]] = {
    "1/x²": (lambda x: 1 / (x * x), 0.0),
    "1 − 1/x²": (lambda x: 1 - 1 / (x * x), 0.0),
    "−1/x": (lambda x: -1 / x, 0.0),
    "x^−½": (lambda x: x**-0.5, 0.0),
    "log": (log, 0.0),
    "sqrt": (sqrt, 0.0),
    "exp": (exp, 1000.0),
    "atanh": (atanh, -1.0),
    "x log x": (lambda x: x * log(x), 0.0),
}


@pytest.mark.parametrize("outer", BRANCHES)
@pytest.mark.parametrize("inner", STEEP)
def test_a_branch_that_is_not_taken_has_no_part(outer: str, inner: str) -> None:
    branch, (steep, at) = BRANCHES[outer], STEEP[inner]
    agree(lambda x: branch(steep(x)), [at])


def windows(*xs: Value) -> Value:
    return sum((ops.relu(log(x) + log(y)) for x, y in pairwise(xs)), Value(0.0))


def pairs(*xs: Value) -> Value:
    return sum((ops.minimum(1 / (x * y), 3.0) * x for x in xs for y in xs), Value(0.0))


def of_a_sum(*xs: Value) -> Value:
    return ops.relu(sum(map(log, xs), Value(0.0))) + sum((x * x for x in xs), Value(0.0))


def next_one(*xs: Value) -> Value:
    return sum((ops.maximum(log(x), y) for x, y in pairwise(xs)), Value(0.0))


def alike(*xs: Value) -> Value:
    return sum((ops.hard_tanh(1 / x) * k for k, x in enumerate(xs, 1)), Value(0.0))


@pytest.mark.parametrize("make", [alike, windows, pairs, of_a_sum, next_one])
@settings(max_examples=10)
@given(st.lists(st.sampled_from([0.0, 0.25, 2.0, 3.0]), min_size=5, max_size=5))
@example([0.0, 2.0, 3.0, 0.0, 2.0])
def test_no_part_in_arrays_that_are_read_and_summed(
    make: Callable[..., Value], xs: list[float]
) -> None:
    agree(make, xs, 64)


def test_a_product_of_the_mathematics_stays() -> None:
    agree(lambda x, y: x * sqrt(y), [0.0, 0.0])
    leaves = [Value(0.0), Value(0.0)]
    _, gradient = lift(leaves[0] * sqrt(leaves[1]), [], [], leaves).value_and_grad([[]])
    assert math.isnan(gradient[1])


PRODUCTS: dict[str, Callable[[Any, Any], Any]] = {
    "log(a/b)": lambda a, b: log(a / b),
    "log(1/b)": lambda a, b: log(1 / b),
    "1e200 a/b": lambda a, b: a / b * 1e200,
    "log(a³)": lambda a, b: log(a**3),
    "log(a⁻²)": lambda a, b: log(a**-2),
    "sqrt(ab)": lambda a, b: sqrt(a * b),
    "hypot": ops.hypot,
    "log norm": lambda a, b: log(ops.norm(a, b, a)),
    "xlogy": ops.xlogy,
}
wide = st.one_of(st.floats(-300, 300), st.sampled_from([-300.0, -150.0, 150.0, 300.0])).map(
    lambda x: 10.0**x
)


@pytest.mark.parametrize("name", PRODUCTS)
@given(wide, wide)
@example(1e-100, 1e150)
@example(1e-200, 1e200)
def test_the_order_of_products_loses_nothing(name: str, a: float, b: float) -> None:
    agree(PRODUCTS[name], [a, b])


@given(st.floats(-300, 300).map(lambda x: 10.0**x), st.floats(-3, 3))
@example(0.0, 2.0)
@example(1e200, 1.5)
def test_powers_of_two_variables(a: float, b: float) -> None:
    agree(lambda x, y: log(x**y), [a, b], 2000)
    agree(lambda x, y: log(2**y), [a, 300 * b])
