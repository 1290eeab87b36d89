"""Programs of graphs without arrays, held against those on terms and against the engine."""

import re
from random import Random

import numpy as np
import pytest
from hypothesis import given, strategies
from support.random_graphs import random_graph

from microgradnet import Value, operation, ops, tanh
from microgradnet.lifting import analysis
from microgradnet.lifting.canonicalise import canonicalise
from microgradnet.lifting.lifted import lift
from microgradnet.lifting.numpy_scalars import write_scalars

SEEDS = strategies.integers(0, 2**32)


@pytest.fixture(autouse=True)
def nothing_has_arrays(monkeypatch):
    monkeypatch.setattr(analysis.Analysis, "is_table", True)


def by_terms(cost, inputs, targets, parameters):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis.Analysis, "is_table", False)
        program = lift(cost, inputs, targets, parameters)
        assert "GRADIENT" not in program.source
    return program


def close(got, want):
    scale = max(1.0, np.abs(want[np.isfinite(want)]).max(initial=0.0))
    return got.shape == want.shape and np.allclose(got, want, 1e-7, 1e-7 * scale, equal_nan=True)


def agree(cost, inputs, parameters, seed=0, targets=()):
    """Three examples by both programs; the first is that of the graph."""
    rng = np.random.default_rng(seed)
    numbers = [float(x.data) for x in (*inputs, *targets)]
    XY = np.array([numbers] * 3).reshape(3, len(numbers))
    XY[1:] += rng.uniform(-0.05, 0.05, XY[1:].shape)
    X, Y = XY[:, : len(inputs)], XY[:, len(inputs) :] if targets else None
    program = lift(cost, inputs, targets, parameters)
    other = by_terms(cost, inputs, targets, parameters)
    assert "GRADIENT" in program.source
    if isinstance(cost, Value):
        got, want = program.value_and_grad(X, Y), other.value_and_grad(X, Y)
    else:
        V = rng.normal(size=(3, len(cost)))
        got, want = program.vjp(X, V, Y), other.vjp(X, V, Y)
    assert close(program.value(X, Y), want[0])
    assert close(got[0], want[0])
    assert close(got[1], want[1])
    return program


@given(SEEDS, strategies.integers(1, 40))
def test_random_graphs(seed, size):
    roots, inputs, parameters = random_graph(Random(seed), size)
    agree(roots[0] if len(roots) == 1 else roots, inputs, parameters, seed)


@given(SEEDS, strategies.integers(1, 40))
def test_the_engine_agrees(seed, size):
    roots, inputs, parameters = random_graph(Random(seed), size)
    for leaf in parameters:
        leaf.grad = 0.0
    roots[0].backward()
    program = lift(roots[0], inputs, parameters=parameters)
    cost, gradient = program.value_and_grad([[float(x.data) for x in inputs]])
    assert close(cost, np.array([float(roots[0].data)]))
    assert close(gradient, np.array([float(leaf.grad) for leaf in parameters]))


def table(source, name):
    """The lines of a table."""
    return source.split(f"{name} = '''\n")[1].split("'''")[0].splitlines()


def test_sums_are_added_up_in_the_order_of_writing():
    x, w = [Value(v) for v in (0.5, 2.0, 3.0)], Value(4.0)
    cost = 1.5 - x[0] + 2 * x[1] * w - x[2] * x[1] * w
    program = agree(cost, x, [w])
    assert table(program.source, "VALUE") == [
        "subtract k0 x0 a0", "multiply x1 k1 t0", "multiply t0 p0 t0", "add a0 t0 a0",
        "multiply x2 x1 t0", "multiply t0 p0 t0", "subtract a0 t0 a0",
    ]  # fmt: skip


def test_a_target_that_is_the_number_0_stays_a_subtraction():
    x, w = Value(2.0), Value(4.0)
    program = agree(tanh(w * x) - Value(0.0), [x], [w])
    assert table(program.source, "VALUE")[-1] == "positive a1 a2"


def test_a_gradient_is_summed_over_the_examples_once():
    w, x = [Value(0.5), Value(2.0), Value(3.0)], [Value(1.0)]
    program = agree(tanh(w[0] * w[1]) * w[2] * x[0] * x[0], x, w)
    assert sum(line.startswith("dot") for line in table(program.source, "GRADIENT")) == 3
    agree(tanh(w[0]) * w[0] * w[0], x, w)
    agree([w[0], w[0], x[0], Value(3.0), tanh(x[0] * w[0])], x, w)


@pytest.mark.parametrize("sign", [1.0, -1.0, 2.0])
def test_contributions_with_signs(sign):
    w, x = [Value(0.5), Value(2.0)], [Value(1.0), Value(-2.0)]
    u, v = tanh(w[0] * x[0]), ops.exp(w[1])
    agree(sign * u - v, x, w)
    agree(tanh(x[0] - u) - sign * u * 3.0 - u - v * v - w[0] + (x[1] - v) * u, x, w)
    agree(sign * w[0] + u + sign * w[0] * w[0] - w[0], x, w)
    agree(ops.sigmoid(sign * w[0] - u) - ops.sigmoid(x[0]) - w[1] * u, x, w)
    agree(ops.exp(x[0]) - ops.exp(u) + ops.exp(v) * sign, x, w)


def test_rows_of_adjoints_are_used_again_but_for_those_that_others_hold():
    w, x = [Value(0.5), Value(2.0)], [Value(1.0)]
    s = w[0] * x[0]
    for _ in range(9):
        s = tanh(s * w[1]) + s
    source = agree(s, x, w).source
    assert int(re.search(r'"d": np.empty\(\((\d+), m', source).group(1)) < 16


def test_operations_of_all_kinds():
    @operation(lambda m, g, y, x, z: (g * m.softmax([x, z])[0], g * m.softmax([x, z])[1]))
    def pair(m, x, z):
        """The logarithm of the sum of two exponentials."""
        return m.log_sum_exp([x, z])

    @operation(lambda m, g, y, x: (m.convert(0),), symbol="0′")
    def flat(m, x):
        """A function that passes nothing on."""
        return m.exp(x)

    def bent_vjp(m, g, y, x):
        return (g * m.where(x < 0, 2, 3),)

    @operation(bent_vjp)
    def bent(m, x):
        """2 x where x is negative, else 3 x."""
        return x * m.where(x < 0, 2, 3)

    w, x = [Value(0.5), Value(2.0), Value(0.25)], [Value(1.0), Value(-2.0)]
    for op in (ops.divide, ops.maximum, ops.minimum, ops.raise_to, ops.xlogy, ops.hypot, pair):
        agree(op(w[0] * x[0] + 3.0, ops.exp(w[1])), x, w)
        agree(op(ops.exp(w[1] * x[1]), ops.exp(x[0])), x, w)
        agree(op(ops.exp(x[1]), w[1]), x, w)
    for op in (ops.relu, ops.erf, ops.softplus, ops.sqrt, flat, bent, ops.leaky_relu):
        agree(op(w[0] * x[0] + 0.25 * w[2]), x, w)
    agree((w[0] * x[0] + 4.0) ** 3 + (w[1] * x[0] + 4.0) ** 0.5 + 2.0 ** (w[0] * x[1]), x, w)
    agree(ops.softmax([w[0] * x[0], w[1], x[1], w[2]])[2], x, w)
    agree(ops.log_sum_exp(w[0], w[1], w[0]) * ops.log_sum_exp(w[2] * x[0], x[1]), x, w)
    source = agree(
        leaky := ops.leaky_relu(w[0] * x[0], slope=0.5) + ops.leaky_relu(x[1] * w[1]), x, w
    ).source
    assert "leaky_relu_into_2" in source
    assert leaky.data


def test_targets_and_kinds_of_floats():
    w, x, y = [Value(0.5), Value(2.0)], [Value(1.0)], [Value(0.25), Value(4.0)]
    cost = (tanh(w[0] * x[0]) - y[0]) ** 2 + ops.relu(1 + -y[1] * w[1] * x[0])
    program = agree(cost, x, w, targets=y)
    program.parameters = program.parameters.astype(np.float32)
    costs, g = program.value_and_grad(np.float32([[1.0]]), np.float32([[0.25, 4.0]]))
    assert costs.dtype == g.dtype == np.float32


def test_parameters_that_are_not_reached_have_gradient_0():
    w, x = [Value(0.5), Value(2.0), Value(3.0)], [Value(1.0)]
    program = lift(tanh(w[1] * x[0]), x, parameters=w)
    _, g = program.value_and_grad([[1.0]], out=np.ones(3))
    assert g[[0, 2]].tolist() == [0.0, 0.0]
    assert lift(x[0], x, parameters=w).value_and_grad([[2.0]])[1].tolist() == [0.0] * 3


def test_extremes_are_those_of_the_engine():
    w, x = [Value(40.0), Value(-800.0), Value(0.0)], [Value(1.0)]
    cost = ops.sigmoid(w[0] * x[0]) + tanh(w[0]) + ops.sigmoid(w[1]) + ops.log(w[2] * x[0] + 1)
    for leaf in w:
        leaf.grad = 0.0
    cost.backward()
    _, g = lift(cost, x, parameters=w).value_and_grad([[1.0]])
    assert np.allclose(g, [leaf.grad for leaf in w], 1e-12, 0)


def test_a_table_grows_with_the_graph_and_no_faster():
    def lines(n):
        rng, s = Random(0), Value(0.5)
        w = [Value(rng.random()) for _ in range(5)]
        for _ in range(n):
            s = rng.choice([ops.tanh, ops.sin, lambda v: v * rng.choice(w)])(s)
        source = write_scalars(canonicalise([s], [], [], w))
        return len(table(source, "VALUE")) + len(table(source, "GRADIENT")), len(source)

    (one, short), (ten, long) = lines(300), lines(3000)
    assert ten < 10.5 * one
    assert long < 12 * short


def test_a_long_chain_is_written_without_recursion():
    s = Value(0.5)
    for _ in range(20_000):
        s = ops.sin(s)
    program = lift(s, parameters=[])
    assert program.value(np.zeros((1, 0))) == s.data


def test_a_rule_that_branches_is_refused():
    @operation(lambda m, g, y, x: (g if x > 0 else -g,))
    def steep(m, x):
        """Its operand."""
        return x

    w = Value(0.5)
    with pytest.raises(TypeError, match="steep cannot be lifted"):
        lift(steep(w), parameters=[w])
