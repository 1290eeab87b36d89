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

from microgradnet import (
    Value,
    atanh,
    costs,
    exp,
    log,
    operation,
    ops,
    sigmoid,
    softmax,
    sqrt,
    tanh,
)  # fmt: skip
from microgradnet.chain_rule import reverse_mode
from microgradnet.lifting.analysis import Analysis, analyse
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.lifted import lift
from microgradnet.lifting.terms import Extent, topological_terms

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
    root, slopes = found.outputs[0], found.gradients
    given = {leaf: numbers_of(leaf, {"parameter": leaves}) for leaf in leaves_of(found.outputs)}
    reached = [*slopes]
    given = {leaf: np.array(values, dtype=object) for leaf, values in given.items()}
    with np.errstate(all="ignore"):
        terms = [root, *[slopes[leaf] for leaf in reached]]
        extents = {t.axis: 1 for t in topological_terms(terms) if isinstance(t, Extent)}
        value, *gradients = interpret(terms, given, extents)
    flat = np.zeros(len(leaves))
    for leaf, gradient in zip(reached, gradients, strict=True):
        order = [slopes[leaf].axes.index(axis) for axis in leaf.axes]
        flat[leaf.places] = gradient.astype(float).transpose(order)
    return float(value), flat.tolist()


def agree(make: Callable[..., Value], xs: Sequence[float], roundings: float = 16) -> None:
    leaves = [Value(x) for x in xs]
    cost = make(*leaves)
    want, adjoints = engine(cost, leaves), reverse_mode({cost: 1.0})
    in_floats = [float(adjoints.get(leaf, 0)) for leaf in leaves]
    costs, gradient = lift(cost, [], [], leaves).value_and_grad(np.empty((1, 0)))
    for value, found in ((costs.item(), gradient.tolist()), interpreted(cost, leaves)):
        assert same(value, float(cost.data), roundings), (value, cost.data)
        for g, *wanted in zip(found, want, in_floats, strict=True):
            assert any(same(g, w, roundings) for w in wanted), (found, want, in_floats)


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


saturated = st.one_of(
    st.floats(10, 700), st.floats(-700, -10), st.sampled_from([36.7, 37.0, 40.0, -40.0])
)
WRITTEN: dict[str, tuple[Callable[[Any], Any], float]] = {
    # what is written, and up to which |z| floats have its value and its derivative
    "1 − σ": (lambda z: 1 - sigmoid(z), 700),
    "1 − (1 − σ)": (lambda z: 1 - (1 - sigmoid(z)), 700),
    "σ(1 − σ)": (lambda z: sigmoid(z) * (1 - sigmoid(z)), 700),
    "two": (lambda z: (1 - sigmoid(z)) + (1 - sigmoid(z / 2)), 700),
    "log(1 − σ)": (lambda z: log(1 - sigmoid(z)), 700),
    "log σ": (lambda z: log(sigmoid(z)), 700),
    "logit": (lambda z: log(sigmoid(z) / (1 - sigmoid(z))), 340),
    "log(1 − t²)": (lambda z: log(1 - tanh(z) ** 2), 340),
    "1 − t·t": (lambda z: (lambda t: 1 - t * t)(tanh(z)), 340),
    "log t": (lambda z: log(tanh(z * z)), 15),
    "atanh t": (lambda z: atanh(tanh(z)), 340),
    "1 − erf": (lambda z: 1 - ops.erf(z / 32), 100),
    "1 − erfc": (lambda z: 1 - ops.erfc(z / 32), 100),
    "1 − softmax": (lambda z: 1 - softmax([z, z / 2, z * 0])[0], 700),
    "log softmax": (lambda z: log(softmax([z, z / 2, z * 0])[0]), 340),
    "log(1 − softmax)": (lambda z: log(1 - softmax([z, z / 2, z * 0])[1]), 340),
    "ln Σ exp − z": (lambda z: ops.log_sum_exp(z, -z) - z, 340),
}


@pytest.mark.parametrize("name", WRITTEN)
@settings(max_examples=10)
@given(saturated | st.floats(-10, 10))
def test_what_saturates_keeps_its_digits(name: str, z: float) -> None:
    written, most = WRITTEN[name]
    agree(written, [max(-most, min(z, most))], 256)


def list_of_sigmoid(z: Sequence[Value]) -> list[Value]:
    return [sigmoid(v) for v in z]


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(
    ("cost", "outputs"),
    [
        ("cross_entropy", list_of_sigmoid),
        ("cross_entropy", softmax),
        ("cross_entropy_from_z", list),
        ("log_likelihood", softmax),
        ("log_likelihood_from_z", list),
    ],
)
@settings(max_examples=5)
@given(data=st.data())
def test_the_error_is_a_minus_y(n: int, cost: str, outputs: Any, data: st.DataObject) -> None:
    """Of arrays, and with targets: columns of Y."""
    function = getattr(costs, cost)
    saturated = st.floats(-300, 300)
    row = st.lists(saturated, min_size=n, max_size=n)
    X = data.draw(st.lists(row, min_size=2, max_size=2))
    k = data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2))
    Y = [[1.0 if j == own else 0.0 for j in range(n)] for own in k]
    if outputs is not list_of_sigmoid and cost != "cross_entropy_from_z":
        Y = [[1.0 if j == own % n else 0.0 for j in range(n)] for own in k]
    w = [Value(1.0) for _ in range(n)]
    x, y = [Value(0.1) for _ in w], [Value(0.5) for _ in w]
    z = [u * v for u, v in zip(w, x, strict=True)]
    _, gradient = (program := lift(function(outputs(z), y), x, y, w)).value_and_grad(X, Y)
    found = program.value(X, Y).tolist()
    want, total = [], np.zeros(n)
    for row_x, row_y in zip(X, Y, strict=True):
        z = [Value(v) for v in row_x]
        value = function(outputs(z), row_y)
        total += np.multiply(engine(value, z), row_x)
        want.append(float(value.data))
    assert all(same(a, b, 4096) for a, b in zip(found, want, strict=True)), (found, want)
    assert all(same(a, b, 4096) for a, b in zip(gradient.tolist(), total.tolist(), strict=True))


def test_the_likelihood_of_a_class_that_is_nearly_certain() -> None:
    z, y = [Value(0.0), Value(0.0)], [Value(0.5), Value(0.5)]
    program = lift(costs.log_likelihood_from_z(z, y), z, y, [])
    value = program.value([[40.0, 0.0]], [[1.0, 0.0]]).item()
    assert value == pytest.approx(4.248354255291589e-18, rel=1e-15)
    agree(lambda a, b: costs.log_likelihood_from_z([a, b], [1, 0]), [40.0, 0.0])


INFINITE = math.inf


@pytest.mark.parametrize(
    ("cost", "z", "y", "value", "gradient"),
    [
        ("log_likelihood_from_z", [-INFINITE, 0.0, 1.0], [0.0, 1.0, 0.0], 1.3132616875182228,
         [0.0, -0.7310585786300049, 0.7310585786300049]),
        ("cross_entropy_from_z", [-INFINITE], [0.0], 0.0, [0.0]),
        ("cross_entropy_from_z", [INFINITE, 0.0], [1.0, 0.0], math.log(2), [0.0, 0.5]),
    ],
)  # fmt: skip
def test_an_infinite_logit_of_no_class(
    cost: str, z: list[float], y: list[float], value: float, gradient: list[float]
) -> None:
    w, targets = [Value(0.25) for _ in z], [Value(0.5) for _ in z]
    program = lift(getattr(costs, cost)(w, targets), [], targets, w)
    program.parameters = np.array(z)
    found, slopes = program.value_and_grad(np.empty((1, 0)), [y])
    assert found.item() == pytest.approx(value, rel=1e-15)
    assert slopes.tolist() == pytest.approx(gradient, rel=1e-15)


@pytest.mark.parametrize("z", [-80.0, -40.0, -1.0, 0.5, 20.0, 80.0])
@pytest.mark.parametrize("name", ["1 − σ", "σ(1 − σ)", "log(1 − σ)", "log σ"])
def test_single_floats(name: str, z: float) -> None:
    w, x = Value(1.0), Value(0.5)
    program = lift(WRITTEN[name][0](w * x), [x], [], [w])
    exact = program.value_and_grad(np.array([[z]]))
    found = program.value_and_grad(np.array([[z]], dtype=np.float32))
    for got, want in zip(found, exact, strict=True):
        assert got.dtype == np.float32
        assert got.item() == pytest.approx(want.item(), rel=4e-6)


@pytest.mark.parametrize("name", [name for name in WRITTEN if "Σ" not in name])
def test_tables_keep_their_digits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Analysis, "is_table", True)
    written, most = WRITTEN[name]
    for z in (-40.0, -0.75, 0.5, 30.0, 300.0):
        leaves = [Value(max(-most, min(z, most))), Value(0.25)]
        cost = written(leaves[0]) + leaves[1] * leaves[1]
        want = engine(cost, leaves)
        program = lift(cost, [], [], leaves)
        assert "GRADIENT" in program.source
        costs, gradient = program.value_and_grad(np.empty((1, 0)))
        assert same(costs.item(), float(cost.data))
        assert all(same(g, w, 256) for g, w in zip(gradient.tolist(), want, strict=True))


def test_what_hides_infinite_slopes_is_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Analysis, "has_arrays", False)
    w, x = Value(0.0), Value(2.0)
    for cost, table in (
        (log(w) + ops.relu(x), True),
        (log(ops.relu(x)), True),
        (ops.relu(x) + ops.relu(w * 2), True),
        (ops.relu(ops.tanh(w) * x), True),
        (ops.relu(ops.tanh(x * log(w) + 1)), False),
        (ops.maximum(x, log(w * x)) + ops.relu(w), False),
    ):
        assert analyse(cost, [], [], [w, x]).is_table == table


@pytest.mark.parametrize("signs", [(1.0, 1.0), (-1.0, 1.0)])
def test_branches_above_a_matrix_product(signs: tuple[float, float]) -> None:
    """Both rows of W ln x are −∞ where the signs are alike, else one has a part."""

    def of_rows(*leaves: Value) -> Value:
        a = [log(v) for v in leaves[4:]]
        rows = leaves[:2], leaves[2:4]
        z = (u * a[0] + v * a[1] for u, v in rows)
        return sum((ops.relu(v) * (k + 1) for k, v in enumerate(z)), Value(0.0))

    agree(of_rows, [signs[0], 0.5, signs[1], 0.25, 0.0, 2.0])
    agree(lambda *w: ops.relu(sum((log(v) for v in w), Value(0.0))), [0.0, 0.5, 2.0])


def test_a_rule_that_branches_is_not_asked_where_nothing_is_differentiated(
    own_table: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def branching_vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (g if x > 0 else -g,)

    @operation(branching_vjp)
    def branching(m: Any, x: Any) -> Any:
        return x * x

    monkeypatch.setattr(Analysis, "has_arrays", False)
    w, x = Value(0.5), Value(2.0)
    program = lift(w * ops.relu(x * 2 + 3.0) + branching(x + w * 0), [x], [], [])
    assert program.value([[2.0]]).tolist() == [3.5 + 4.0]


BARE: dict[str, tuple[Callable[..., Value], list[float]]] = {
    "δ¹": (lambda w, b, x: (w * tanh(b * x) + b * tanh(w * x)) ** 1, [0.5, 0.25, 0.75]),
    "δ⁰": (lambda w, b, x: (w * tanh(b * x) + b * tanh(w * x)) ** 0, [0.5, 0.25, 0.75]),
    "a component": (lambda w, x: log(ops.softmax_component(w * x)), [0.5, 0.25]),
    "softmax of a constant": (lambda w, x: softmax([w**0, w**0])[0] * x, [0.5, 0.25]),
    "ln Σ exp of constants": (lambda w, x: ops.log_sum_exp(w**0, w**0) * x, [0.5, 0.25]),
    "erf of a constant": (lambda w, x: ops.erf(w**0) * x, [0.5, 0.25]),
    "w/0": (lambda w: w / 0, [0.5]),
    "large constants": (lambda w, x: (1e200 * w) * (1e200 * x), [0.5, 1e-300]),
    "small and large constants": (lambda w, x: w * x * 1e-200 * 1e-200 * 1e300, [0.5, 1e100]),
    "a large constant beside 0": (lambda w: 1e200 * (1e200 * w), [0.0]),
    "(ln 0)^½": (lambda x: log(x) ** 0.5, [0.0]),
}


@pytest.mark.parametrize("name", BARE)
def test_constants_and_bare_numbers(name: str) -> None:
    agree(*BARE[name])


def test_an_own_operation_of_constant_slope_over_a_layer(own_table: None) -> None:
    @operation(lambda m, g, y, x: (-g,))
    def reversed_gradient(m: Any, x: Any) -> Any:
        return x

    W, x = [[Value(0.5), Value(-0.25)], [Value(0.75), Value(0.5)]], [Value(0.5), Value(2.0)]
    weights = [w for row in W for w in row]
    cost = sum((reversed_gradient(tanh(row[0] * x[0] + row[1] * x[1])) for row in W), Value(0.0))
    _, gradient = lift(cost, x, [], weights).value_and_grad([[0.5, 2.0]])
    assert gradient.tolist() == pytest.approx(engine(cost, weights))


def test_zero_beside_infinity_is_nan_in_value_and_vjp() -> None:
    x, w = Value(INFINITE), Value(0.0)
    program = lift([w * x], [x], [], [w])
    outputs, _ = program.vjp([[INFINITE]], [[1.0]])
    assert np.isnan(program.value([[INFINITE]])).all()
    assert np.isnan(outputs).all()


def test_no_examples_and_a_softmax_of_a_repeated_operand() -> None:
    x, w = Value(0.5), Value(1.0)
    a, b = softmax([w * x, w * x])
    found, gradient = lift(a * 2 + b, [x], [], [w]).value_and_grad(np.empty((0, 1)))
    assert found.shape == (0,)
    assert gradient.tolist() == [0.0]


def test_single_floats_of_relu_and_of_a_number() -> None:
    x, w = Value(0.5), Value(2.0)
    for cost in (ops.relu(1 + -(w * x)), ops.xlogy(w * x, 3.0)):
        found, gradient = lift(cost, [x], [], [w]).value_and_grad(np.ones((3, 1), np.float32))
        assert found.dtype == gradient.dtype == np.float32
