"""lift on graphs by anyone, structured and not, held against the scalar engine."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import re
import subprocess
import sys
import weakref
from fractions import Fraction
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lifting import UNARY, agrees, network

from microgradnet import MLP, Value, costs, lift, operation, ops, trace, weighted_input
from microgradnet.costs import COSTS
from microgradnet.lifting import TracingError, recognise

# Random graphs


def grow(r, xs, ys, ps, size):
    """Nodes on the given leaves: layers, softmaxes, sums, functions, as r will have it."""
    pool = [*xs, *ys, *ps]

    def pick():
        return r.choice(pool[-30:] + xs)

    for _ in range(size):
        kind = r.randrange(14)
        if kind == 0:
            pool.append(pick() + pick())
        elif kind == 1:
            pool.append(pick() * pick())
        elif kind == 2:
            pool.append(pick() - pick() * r.choice([2, -1, 0.5, Fraction(1, 3)]))
        elif kind == 3:
            pool.append(r.choice([1, 0.25]) - pick() / r.choice([2, 3.0]))
        elif kind <= 6:
            source = r.choice([xs, pool[-r.randint(1, 5) :]])
            activation = r.choice([ops.tanh, ops.sigmoid, ops.relu, ops.gelu, lambda z: z])
            layer = []
            for _ in range(r.randint(1, 4)):
                weights = [r.choice(ps) for _ in source]
                if r.random() < 0.3:
                    z = weighted_input(weights, source, r.choice(ps))
                else:
                    z = r.choice(ps)
                    for w, a in zip(weights, source, strict=True):
                        z = z + w * a if r.random() < 0.5 else w * a + z
                layer.append(activation(z))
            pool += layer
        elif kind == 7:
            pool += ops.softmax([pick() for _ in range(r.randint(1, 4))])
        elif kind == 8:
            pool.append(ops.log_sum_exp(*[pick() for _ in range(r.randint(1, 4))]))
        elif kind == 9:
            squares = [a * a for a in (pick() for _ in range(r.randint(1, 5)))]
            pool.append(sum(squares, Value(0.0)))
        elif kind == 10:
            pool.append(r.choice([ops.maximum(pick(), pick()), ops.minimum(0.0, pick())]))
        elif kind == 11:
            pool.append(ops.tanh(pick()) ** r.choice([2, 3]) / (2 + ops.sigmoid(pick())))
        elif kind == 12:
            pool.append(ops.xlogy(ops.sigmoid(pick()), ops.sigmoid(pick())))
        else:
            op = r.choice(UNARY)
            pool.append(
                op(0.9 * ops.hard_tanh(pick()) if op.name != "acosh" else 2 + ops.relu(pick()))
            )
    return pool


@given(
    seed=st.integers(0, 2**32),
    sizes=st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(1, 12), st.integers(1, 40)),
    n_outputs=st.sampled_from([1, 1, 2, 3]),
    m=st.integers(1, 4),
)
def test_every_graph_lifts_and_gives_the_engines_numbers(seed, sizes, n_outputs, m):
    n_inputs, n_targets, n_parameters, size = sizes
    r = Random(seed)
    numbers = [r.uniform(-1, 1) for _ in range(n_parameters)]

    def build(xs, ys):
        ps = [Value(number) for number in numbers]
        choose = Random(seed + 1)
        pool = grow(choose, xs, ys, ps, size)
        return [pool[-1], *choose.choices(pool, k=n_outputs - 1)], ps

    X = [[r.uniform(-1, 1) for _ in range(n_inputs)] for _ in range(m)]
    Y = [[r.choice([0.0, 1.0, 0.5]) for _ in range(n_targets)] for _ in range(m)]
    V = None if n_outputs == 1 else [[r.uniform(-1, 1) for _ in range(n_outputs)] for _ in range(m)]
    agrees(build, X, Y, V)


@pytest.mark.parametrize("op", UNARY, ids=lambda op: op.name)
def test_every_function_of_the_table_over_its_edges(op):
    """Also where it saturates: program and engine have the same derivative to the last digits."""
    points = [-700.0, -40.0, -3.0, -1.0, -0.5, -1e-9, 0.0, 1e-9, 0.5, 1.0, 3.0, 40.0, 700.0]
    x, w = Value(0.5), Value(1.0)
    program = lift(op(w * x), [x], parameters=[w])
    for point in points:
        wanted = op(Value(point)).data
        (found,), (gradient,) = program.value_and_grad([[point]])
        v = Value(point)
        op(v).backward()
        slope = v.grad * point
        assert found == wanted or abs(found - wanted) <= 1e-14 * abs(wanted) or wanted != wanted
        if math.isfinite(slope):
            assert abs(gradient - slope) <= 1e-13 * abs(slope) + 1e-300


# The equations of a layered network


SIGN = {"sigmoid": "σ"}
BP1 = {
    ("quadratic", "sigmoid"): "δ{L} = (a{L} − y) ⊙ σ′(z{L})",
    ("quadratic", "tanh"): "δ{L} = (a{L} − y) ⊙ tanh′(z{L})",
    ("quadratic", "linear"): "δ{L} = z{L} − y",
    ("cross_entropy", "sigmoid"): "δ{L} = a{L} − y",
    ("log_likelihood", "softmax"): "δ{L} = (Σ y) a{L} − y",
}


@pytest.mark.parametrize("granularity", ["atomic", "neuron"])
@pytest.mark.parametrize(("cost", "output"), BP1)
@pytest.mark.parametrize("hidden", ["sigmoid", "tanh", "relu", "gelu"])
@pytest.mark.parametrize("sizes", [(3, 2), (3, 4, 2), (2, 3, 4, 2)])
def test_a_network_is_found_to_obey_the_four_equations(sizes, hidden, cost, output, granularity):
    model, forward, y, c = network(sizes, hidden, output, cost, granularity)
    program = lift(c, forward.a[0], y, model.parameters())
    L = len(sizes) - 1
    activations = [None, *[hidden] * (L - 1), output]
    wanted = []
    for l in range(1, L + 1):
        wanted.append(f"z{l} = W{l} a{l - 1} + b{l}")
        if activations[l] != "linear":
            wanted.append(f"a{l} = {SIGN.get(activations[l], activations[l])}(z{l})")
    backward = [BP1[cost, output].format(L=L)]
    for l in range(L - 1, 0, -1):
        prime = SIGN.get(hidden, hidden)
        backward.append(f"δ{l} = (W{l + 1}ᵀ δ{l + 1}) ⊙ {prime}′(z{l})")
    gradients = []
    for l in range(L, 0, -1):
        gradients += [f"∂C/∂b{l} = δ{l}", f"∂C/∂W{l} = δ{l} a{l - 1}ᵀ"]
    texts = {part: [e.text for e in program.equations if e.part == part]
             for part in ("forward", "backward", "gradient")}  # fmt: skip
    assert texts["forward"][:-1] == wanted
    assert texts["forward"][-1].startswith("C = ")
    assert texts["backward"] == backward
    assert texts["gradient"] == gradients
    shapes = {e.left: e.shape for e in program.equations}
    for l, (n_in, n_out) in enumerate(pairwise(sizes), 1):
        assert shapes[f"z{l}"] == shapes[f"δ{l}"] == shapes[f"∂C/∂b{l}"] == (n_out,)
        assert shapes[f"∂C/∂W{l}"] == (n_out, n_in)


def loops(weights, biases, x, order, bias_first, tree):
    """A layered network in bare loops: in this order of summation, and as a tree if asked."""
    a = list(x)
    for W, b in zip(weights, biases, strict=True):
        z = []
        for row, bias in zip(W, b, strict=True):
            terms = [w * v for w, v in zip(row, a, strict=True)]
            terms = terms[::-1] if order == "backwards" else terms
            terms = [bias, *terms] if bias_first else [*terms, bias]
            while tree and len(terms) > 1:
                pairs = [terms[k] + terms[k + 1] for k in range(0, len(terms) - 1, 2)]
                terms = pairs + ([terms[-1]] if len(terms) % 2 else [])
            z.append(terms[0] if tree else sum(terms[1:], terms[0]))
        a = [ops.tanh(v) for v in z]
    return a


@pytest.mark.parametrize("tree", [False, True])
@pytest.mark.parametrize("bias_first", [False, True])
@pytest.mark.parametrize("order", ["forwards", "backwards"])
def test_loops_by_hand_in_any_order_are_the_same_equations(order, bias_first, tree):
    r = Random(0)
    sizes = (3, 5, 4, 2)
    weights = [[[Value(r.uniform(-1, 1)) for _ in range(i)] for _ in range(o)]
               for i, o in pairwise(sizes)]  # fmt: skip
    biases = [[Value(r.uniform(-1, 1)) for _ in range(o)] for o in sizes[1:]]
    x, y = [Value(0.1) for _ in range(3)], [Value(0.0), Value(1.0)]
    outputs = loops(weights, biases, x, order, bias_first, tree)
    cost = sum(((a - t) ** 2 for a, t in zip(outputs, y, strict=True)), Value(0.0)) / 2
    # All weights first, then all biases: an order in which nothing lies side by side.
    parameters = [w for W in weights for row in W for w in row] + [b for bs in biases for b in bs]
    program = lift(cost, x, y, parameters)
    assert [e.text for e in program.equations] == [
        "z1 = W1 a0 + b1",
        "a1 = tanh(z1)",
        "z2 = W2 a1 + b2",
        "a2 = tanh(z2)",
        "z3 = W3 a2 + b3",
        "a3 = tanh(z3)",
        "C = ½ Σ (a3 − y)²",
        "δ3 = (a3 − y) ⊙ tanh′(z3)",
        "δ2 = (W3ᵀ δ3) ⊙ tanh′(z2)",
        "δ1 = (W2ᵀ δ2) ⊙ tanh′(z1)",
        "∂C/∂b3 = δ3",
        "∂C/∂W3 = δ3 a2ᵀ",
        "∂C/∂b2 = δ2",
        "∂C/∂W2 = δ2 a1ᵀ",
        "∂C/∂b1 = δ1",
        "∂C/∂W1 = δ1 a0ᵀ",
    ]
    cost.backward()
    gradient = program.value_and_grad([[0.1] * 3], [[0.0, 1.0]])[1]
    np.testing.assert_allclose(gradient, [p.grad for p in parameters], rtol=1e-12)
    assert program.gradients["W2"].shape == (4, 5)
    np.testing.assert_array_equal(program.gradients["W2"].ravel(), gradient[15:35])


def test_the_text_has_sizes_and_latex_has_every_equation():
    model, forward, y, cost = network((3, 4, 2), "sigmoid", "softmax", "log_likelihood")
    program = lift(cost, forward.a[0], y, model.parameters())
    assert "∂C/∂W1 = δ1 a0ᵀ" in str(program)
    assert "(4 × 3)" in str(program)
    latex = program._repr_latex_()
    assert latex.count("&=") == len(program.equations)
    assert r"\delta^{1} &= (W^{2})^{\mathsf T}\,\delta^{2}" in latex.replace(r"\left(", "").replace(
        r"\right)", ""
    )


def test_latex_keeps_a_power_apart_from_the_number_of_a_layer():
    w, x = Value(0.5), Value(2.0)
    z = w * x + Value(1.0)
    program = lift((ops.tanh(z)) ** 2 + z * z, [x], parameters=[w])
    assert r"\left(z^{1}\right)}^{2}" in program._repr_latex_()
    assert "}}^{2}" not in program._repr_latex_()


# Structures by hand


def test_a_convolution_has_as_many_weights_as_it_has():
    r = Random(1)
    kernel, bias = [r.uniform(-1, 1) for _ in range(3)], 0.2

    def build(xs, ys):
        w, b = [Value(k) for k in kernel], Value(bias)
        z = [sum((w[k] * xs[j + k] for k in range(3)), b) for j in range(6)]
        return [sum((ops.relu(v) for v in z), Value(0.0))], [*w, b]

    def form(program):
        texts = [e.text for e in program.equations]
        assert texts[0] == "z1[k] = Σ_i W1[i] a0[k + i − 1] + b1"
        assert "∂C/∂W1[i] = Σ_k δ1[k] a0[k + i − 1]" in texts

    agrees(build, [[r.gauss(0, 1) for _ in range(8)] for _ in range(3)], [[]] * 3, form=form)


def test_attention_over_scalars():
    r = Random(2)
    numbers = [r.uniform(-1, 1) for _ in range(12)]

    def build(xs, ys):
        ps = [Value(n) for n in numbers]
        tokens = [xs[0:2], xs[2:4], xs[4:6]]

        def project(W, token):
            return [W[0] * token[0] + W[1] * token[1], W[2] * token[0] + W[3] * token[1]]

        q, k, v = ([project(ps[s : s + 4], t) for t in tokens] for s in (0, 4, 8))
        out = []
        for query in q:
            shares = ops.softmax([query[0] * key[0] + query[1] * key[1] for key in k])
            out += [sum((s * value[d] for s, value in zip(shares, v, strict=True)), Value(0.0))
                    for d in range(2)]  # fmt: skip
        return out, ps

    X = [[r.gauss(0, 1) for _ in range(6)] for _ in range(3)]
    agrees(build, X, [[]] * 3, [[r.gauss(0, 1) for _ in range(6)] for _ in range(3)])


def test_a_recurrence_uses_its_matrix_at_every_step():
    r = Random(3)
    numbers = [r.uniform(-1, 1) for _ in range(3 * 3 + 3 + 3)]

    def build(xs, ys):
        ps = [Value(n) for n in numbers]
        W, u, b = [ps[3 * j : 3 * j + 3] for j in range(3)], ps[9:12], ps[12:]
        h = [Value(0.0)] * 3
        for x in xs:
            h = [ops.tanh(sum((w * a for w, a in zip(W[j], h, strict=True)), b[j]) + u[j] * x)
                 for j in range(3)]  # fmt: skip
        return [h[0] * h[1] + h[2]], ps

    agrees(build, [[r.gauss(0, 1) for _ in range(4)] for _ in range(3)], [[]] * 3)


def test_two_identical_heads_on_one_trunk():
    r = Random(4)
    numbers = [r.uniform(-1, 1) for _ in range(2 * 3 + 2 * (3 * 4 + 4))]

    def build(xs, ys):
        stock = [Value(n) for n in numbers]
        ps = iter(stock)

        def layer(source, n):
            return [ops.tanh(sum((next(ps) * a for a in source), Value(0.0))) for _ in range(n)]

        trunk = layer(xs, 3)
        return [layer(layer(trunk, 4), 1)[0] for _ in range(2)], stock

    X = [[r.gauss(0, 1) for _ in range(2)] for _ in range(3)]
    agrees(build, X, [[]] * 3, [[r.gauss(0, 1) for _ in range(2)] for _ in range(3)])


def test_skip_connections_and_an_l2_term_counted_once_an_example():
    model = MLP(3, [3, 3], activation="tanh", rng=Random(5))
    parameters = model.parameters()
    numbers = [p.data for p in parameters]

    def build(xs, ys):
        for p, number in zip(parameters, numbers, strict=True):
            p.data = number
        forward = model.forward(xs)
        out = [a + x for a, x in zip(forward.a[2], xs, strict=True)]
        penalty = sum((p * p for p in parameters), Value(0.0))
        return [costs.quadratic(out, ys) + 0.01 * penalty], parameters

    def form(program):
        texts = [e.text for e in program.equations]
        assert texts[3:5] == ["C = ½ Σ (z2 + a0 − y)² + 0.01 ‖θ‖²", "δ2 = z2 + a0 − y"]

    r = Random(6)
    X, Y = ([[r.gauss(0, 1) for _ in range(3)] for _ in range(4)] for _ in range(2))
    agrees(build, X, Y, form=form)


def test_an_l2_term_of_the_weights_alone():
    model = MLP(2, [3, 2], activation="sigmoid", rng=Random(7))
    weights = [w for layer in model.layers for neuron in layer.neurons for w in neuron.w]

    def build(xs, ys):
        return [costs.quadratic(model(xs), ys) + sum((w * w for w in weights), Value(0.0)) / 2], (
            model.parameters()
        )

    def form(program):
        assert any("½ (‖W1‖² + ‖W2‖²)" in e.text for e in program.equations)

    agrees(build, [[0.3, -0.2], [1.0, 0.5]], [[0.0, 1.0], [1.0, 0.0]], form=form)


def test_a_softmax_saturated_to_0_keeps_its_gradient():
    """One after the other, softmax and logarithm would divide by 0; together they give a − y."""
    model = MLP(1, [2], activation="softmax", output_activation="softmax", init="zeros")
    model.weights[1] = [[800.0], [0.0]]
    forward, y = model.forward([1.0]), [Value(0.0), Value(1.0)]
    program = lift(costs.log_likelihood(forward.output, y), forward.a[0], y, model.parameters())
    gradient = program.value_and_grad([[1.0]], [[0.0, 1.0]])[1]
    np.testing.assert_array_equal(gradient, [1.0, 1.0, -1.0, -1.0])


def test_a_sigmoid_saturated_to_1_keeps_its_gradient():
    model = MLP(1, [1], output_activation="sigmoid", init="zeros")
    model.weights[1] = [[60.0]]
    forward, y = model.forward([1.0]), [Value(0.0)]
    program = lift(costs.cross_entropy(forward.output, y), forward.a[0], y, model.parameters())
    np.testing.assert_array_equal(program.value_and_grad([[1.0]], [[0.0]])[1], [1.0, 1.0])


# Adversarial leaves and roots


def test_a_parameter_that_is_weight_and_bias_at_once():
    def build(xs, ys):
        p = Value(0.7)
        return [ops.tanh(p * xs[0] + p * xs[1] + p)], [p]

    agrees(build, [[0.5, -1.0], [2.0, 0.1]], [[], []])


def test_an_unused_parameter_has_gradient_0():
    w, unused, x = Value(2.0), Value(5.0), Value(3.0)
    program = lift(w * x, [x], parameters=[unused, w])
    costs_, gradient = program.value_and_grad([[3.0], [4.0]])
    assert costs_.tolist() == [6.0, 8.0]
    assert gradient.tolist() == [0.0, 7.0]


def test_an_input_that_is_a_target_too_as_of_an_autoencoder():
    model = MLP(3, [2, 3], activation="tanh", rng=Random(8))
    x = [Value(0.1 * k) for k in range(3)]
    program = lift(costs.quadratic(model(x), x), x, x, model.parameters())
    X = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_array_equal(program.value(X), program.value(X, X))
    with pytest.raises(ValueError, match="inputs too"):
        program.value(X, X + 1)


def test_costs_without_examples_or_parameters():
    x, w = Value(1.0), Value(3.0)
    constant = lift(Value(2.5), [x], parameters=[w])
    found, gradient = constant.value_and_grad([[1.0], [2.0], [3.0]])
    assert found.tolist() == [2.5] * 3
    assert gradient.tolist() == [0.0]
    itself = lift(w, [x], parameters=[w])
    found, gradient = itself.value_and_grad([[1.0], [2.0]])
    assert found.tolist() == [3.0, 3.0]
    assert gradient.tolist() == [2.0]  # once an example
    one_node = lift(x, [x])
    assert one_node.value([[4.0], [5.0]]).tolist() == [4.0, 5.0]
    assert one_node.value_and_grad([[4.0]])[1].shape == (0,)
    assert lift(w * w, parameters=[w]).value(np.zeros((2, 0))).tolist() == [9.0, 9.0]


def test_a_leaf_in_no_list_is_a_constant_of_any_kind():
    x = Value(2.0)
    program = lift(x * Value(Fraction(1, 4)) + Value(3), [x])
    assert program.value([[2.0]]).tolist() == [3.5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda w, x: ([w * x], [x * 1.0], []), "computed from other nodes"),
        (lambda w, x: ([w * x], [x, x], []), "entries 0 and 1 are the same node"),
        (lambda w, x: ([w * x], [x], [x]), "parameters too"),
        (lambda w, x: ([], [x], []), "nothing to lift"),
    ],
)
def test_wrong_lists_are_refused_by_name(arguments, message):
    cost, inputs, parameters = arguments(Value(1.0), Value(2.0))
    with pytest.raises(ValueError, match=message):
        lift(cost, inputs, parameters=parameters)


def test_what_is_no_value_is_refused_by_name():
    with pytest.raises(TypeError, match=r"inputs: entry 0 is 1\.0, not a Value"):
        lift(Value(1.0), [1.0])


def test_wrong_shapes_name_both():
    model, forward, y, cost = network((3, 4, 2), "sigmoid", "sigmoid", "quadratic")
    program = lift(cost, forward.a[0], y, model.parameters())
    X, Y = np.zeros((5, 3)), np.zeros((5, 2))
    for call, message in [
        (lambda: program.value(np.zeros(3), Y), r"\(3,\), not \(m, 3\)"),
        (lambda: program.value(np.zeros((5, 4)), Y), r"\(5, 4\), not \(m, 3\)"),
        (lambda: program.value(X, np.zeros((4, 2))), r"\(4, 2\), not \(5, 2\)"),
        (lambda: program.value(X), "Y is missing"),
        (lambda: program.value_and_grad(X, Y, np.zeros(3)), "out is"),
        (lambda: setattr(program, "parameters", np.zeros(3)), r"not \(3,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="value_and_grad"):
        program.vjp(X, np.zeros((5, 1)), Y)
    with pytest.raises(RuntimeError, match="value_and_grad"):
        _ = program.gradients


# Parameters, memory, numbers


def test_parameters_flow_both_ways_and_a_step_is_taken_in_place():
    model, forward, y, cost = network((3, 4, 2), "sigmoid", "sigmoid", "quadratic")
    program = lift(cost, forward.a[0], y, model.parameters())
    X, Y = np.random.default_rng(1).normal(size=(6, 3)), np.eye(2)[[0, 1, 0, 1, 1, 0]]
    vector = program.parameters
    before = program.value(X, Y).sum()
    _, gradient = program.value_and_grad(X, Y)
    program.parameters -= 0.1 * gradient
    assert program.parameters is vector
    assert program.value(X, Y).sum() < before
    program.write_parameters()
    assert [p.data for p in model.parameters()] == vector.tolist()
    np.testing.assert_allclose(model.weights[1], vector[: 4 * 4].reshape(4, 4)[:, :3])
    model.parameters()[0].data = Fraction(1, 2)
    program.read_parameters()
    assert program.parameters[0] == 0.5


def test_results_are_the_callers_own_unless_out_is_given():
    model, forward, y, cost = network((3, 4, 2), "relu", "linear", "quadratic")
    program = lift(cost, forward.a[0], y, model.parameters())
    X, Y = np.ones((2, 3)), np.zeros((2, 2))
    first, gradient = program.value_and_grad(X, Y)
    kept, kept_gradient = first.copy(), gradient.copy()
    out = np.empty_like(gradient)
    assert program.value_and_grad(2 * X, Y, out)[1] is out
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(gradient, kept_gradient)
    outputs = lift(forward.a[2], forward.a[0], parameters=model.parameters())
    first = outputs.vjp(X, np.ones((2, 2)))[0]
    kept = first.copy()
    outputs.vjp(3 * X, np.ones((2, 2)))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    "cost", [lambda z: z, ops.relu, ops.sigmoid, ops.tanh], ids=["z", "relu", "sigmoid", "tanh"]
)
def test_costs_that_are_a_layer_are_the_callers_own_too(cost):
    x, w = Value(1.0), Value(2.0)
    program = lift(cost(w * x), [x], parameters=[w])
    first, _ = program.value_and_grad([[1.0], [2.0]])
    kept = first.copy()
    program.value_and_grad([[-5.0], [-6.0]])
    np.testing.assert_array_equal(first, kept)
    X = np.array([[1.0], [2.0]])
    costs, _ = lift(x, [x]).value_and_grad(X)
    costs[0] = 7.0
    assert X[0, 0] == 1.0


@given(
    calls=st.lists(
        st.tuples(
            st.sampled_from([1, 3, 3, 7]),
            st.sampled_from(["float64", "float64", "float32"]),
            st.sampled_from(["new", "kept", "strided"]),
            st.booleans(),
            st.booleans(),
        ),
        min_size=2,
        max_size=8,
    )
)
def test_what_is_kept_from_call_to_call_is_seen_in_no_result(calls):
    """Batches of other sizes and kinds, other arrays for the gradient, other parameters."""
    model, forward, y, cost = network((3, 4, 1), "tanh", "sigmoid", "quadratic")
    program = lift(cost, forward.a[0], y, model.parameters())
    outs = {}
    rng = np.random.default_rng(0)
    for m, kind, where, assigned, valued in calls:
        X, Y = rng.normal(size=(m, 3)).astype(kind), rng.normal(size=(m, 1)).astype(kind)
        if assigned:
            program.parameters = program.parameters + 0.1
        else:
            program.parameters += 0.1
        size = len(program.parameters)
        out = None
        if where == "kept":
            out = outs.setdefault(kind, np.empty(size, kind))
        elif where == "strided":
            out = np.full(2 * size, np.nan, kind)[::2]
        if valued:
            program.value(X[:1], Y[:1])
        given = program.parameters.astype(kind)
        found, gradient = program.value_and_grad(X, Y, out)
        assert out is None or gradient is out
        fresh = lift(cost, forward.a[0], y, model.parameters())
        fresh.parameters = given
        wanted, wanted_gradient = fresh.value_and_grad(X.copy(), Y.copy())
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_allclose(
            gradient, wanted_gradient, rtol=1e-5 if kind == "float32" else 1e-12, atol=1e-7
        )
        assert found.dtype == gradient.dtype == kind


def test_a_program_keeps_the_parameters_and_lets_the_graph_go():
    model, forward, y, cost = network((3, 4, 2), "relu", "softmax", "log_likelihood")
    program = lift(cost, forward.a[0], y, model.parameters())
    forward.z[1][0].label = "watched"

    class Watch:
        pass

    alive = sum(type(o) is Value and o.label == "watched" for o in gc.get_objects())
    assert alive == 1
    del forward, cost, y
    alive = sum(type(o) is Value and o.label == "watched" for o in gc.get_objects())
    assert alive == 0
    assert program.parameters.shape == (26,)
    source = weakref.ref(program)
    del program
    assert source() is None


@pytest.mark.parametrize("sizes", [(3, 4, 2), (3, 4, 1), (1, 1, 3, 1)])
@pytest.mark.parametrize("cost", COSTS)
def test_float32_examples_are_computed_in_float32(cost, sizes):
    output = {"log_likelihood": "softmax", "cross_entropy": "sigmoid"}.get(cost, "linear")
    for hidden in ("sigmoid", "tanh", "relu", "gelu", "softsign", "elu", "softplus", "hard_tanh"):
        model, forward, y, c = network(sizes, hidden, output, cost)
        program = lift(c, forward.a[0], y, model.parameters())
        X = np.random.default_rng(2).normal(size=(5, sizes[0]))
        Y = np.eye(2)[[0, 1, 0, 1, 1], : sizes[-1]]
        double = program.value_and_grad(X, Y)
        single = program.value_and_grad(X.astype(np.float32), Y.astype(np.float32))
        for one, other in zip(double, single, strict=True):
            assert other.dtype == np.float32
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


# The source


@pytest.mark.parametrize("hidden", ["sigmoid", "relu", "gelu", "softsign"])
def test_the_source_runs_in_a_bare_interpreter_with_numpy_alone(tmp_path, hidden):
    model, forward, y, cost = network((3, 4, 2), hidden, "softmax", "log_likelihood")
    program = lift(cost, forward.a[0], y, model.parameters())
    X, Y = np.random.default_rng(3).normal(size=(5, 3)), np.eye(2)[[0, 1, 0, 1, 1]]
    costs_, gradient = program.value_and_grad(X, Y)
    assert "microgradnet" not in program.source
    np.savez(tmp_path / "data.npz", p=program.parameters, X=X, Y=Y, c=costs_, g=gradient)
    script = tmp_path / "pasted.py"
    script.write_text(
        program.source + "\nimport sys\ndata = np.load('data.npz')\n"
        "c, g = value_and_grad(data['p'], data['X'], data['Y'])\n"
        "np.testing.assert_allclose(c, data['c'], rtol=1e-13)\n"
        "np.testing.assert_allclose(g, data['g'], rtol=1e-13, atol=1e-15)\n"
        "np.testing.assert_allclose(value(data['p'], data['X'], data['Y']), c, rtol=1e-13)\n"
        "assert 'microgradnet' not in sys.modules\n",
        encoding="utf-8",
    )
    subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=tmp_path, check=True, timeout=60
    )


@given(
    label=st.text(max_size=30)
    | st.sampled_from(["np", "p", "g", "m", "X", "V", "C", "one", "a0", "z1", "δ1", "θ", "compute"])
)
def test_labels_reach_the_source_as_names_that_collide_with_nothing(label):
    x, w = [Value(0.5, label=label), Value(0.25)], [Value(2.0, label=label), Value(3.0)]
    c = ops.tanh(w[0] * x[0] + w[1]) * x[1]
    c.label = label
    program = lift(c, x, [], w)
    assert label.isidentifier() or len(label) < 3 or label not in program.source
    (value,), gradient = program.value_and_grad([[0.5, 0.25]])
    assert math.isclose(value, c.data, rel_tol=1e-14)
    c.backward()
    np.testing.assert_allclose(gradient, [v.grad for v in w], rtol=1e-12)
    lefts = [equation.left for equation in program.equations]
    assert len({*lefts}) == len(lefts)


def test_an_own_operation_lifts_under_a_name_made_for_it(own_table):
    def rule(m, g, y, x):
        return (g * m.where(x > 0, 2 * x, m.cos(x)),)

    @operation(rule)
    def bump(m, x):
        return m.where(x > 0, x * x, m.sin(x))

    def build(xs, ys):
        w = Value(0.5)
        return [bump(w * xs[0]) + bump(xs[1])], [w]

    def form(program):
        words = {*re.findall(r"\w+", re.sub('""".*?"""', "", program.source))}
        assert "bump" not in words
        assert program.equations[0].text == "z1 = W1 a0[1]"

    agrees(build, [[1.0, 2.0], [-1.0, -2.0]], [[], []], form=form)


def test_a_rule_that_branches_in_python_is_refused_by_name(own_table):
    def rule(m, g, y, x):
        return (g if x > 0 else 0 * g,)

    @operation(rule)
    def hinged(m, x):
        return x if x > 0 else 0 * x

    x = Value(1.0)
    with pytest.raises(TypeError, match=r"hinged cannot be lifted: .* m\.where"):
        lift(hinged(x), [x])


# Structure


def test_recognise_has_the_nodes_of_every_entry():
    model, forward, y, cost = network((3, 4, 2), "sigmoid", "sigmoid", "quadratic")
    found = recognise(cost, forward.a[0], y, model.parameters())
    for l in (1, 2):
        assert found.variables[f"z{l}"].nodes == tuple(forward.z[l])
        assert found.variables[f"a{l}"].nodes == tuple(forward.a[l])
        weights = [w for neuron in model.layers[l - 1].neurons for w in neuron.w]
        assert found.variables[f"W{l}"].nodes == tuple(weights)
    assert found.variables["a0"].kind == "input"
    assert found.variables["y"].kind == "target"
    assert found.variables["C"].nodes == (cost,)
    assert found.variables["C"].shape == ()
    uses = {e.left: e.uses for e in found.equations}
    assert {*uses["δ1"]} == {"W2", "δ2", "z1"}


# Branches


def test_check_holds_the_program_against_the_graph_computed_anew():
    x, w = Value(1.0), Value(2.0)
    cost = ops.tanh(w * x)
    assert lift(cost, [x], parameters=[w], check=([[0.5], [-3.0]],)) is not None
    w.data = 2.5  # the program would be made of the new number, the graph's nodes are computed anew
    assert lift(cost, [x], parameters=[w], check=([[0.5]],)) is not None


def test_check_of_a_traced_function_calls_it_on_the_examples():
    calls = []

    def crooked(x):
        calls.append(1)
        return x[0] * x[0] if len(calls) == 1 else x[0]

    with pytest.raises(
        ValueError, match=r"example 0: the program gives 9\.0, the scalar graph 3\.0"
    ):
        trace(crooked, 1, check=([[3.0]],))
    w = Value(0.5)
    program = trace(lambda x, y: (w * x[0] - y[0]) ** 2, 1, 1, [w], check=([[3.0]], [[1.0]]))
    assert program.value([[2.0]], [[1.0]]).tolist() == [0.0]
    assert w.data == 0.5


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x[0] if x[0] > 0 else -x[0], "maximum"),
        (lambda x: max(x), "maximum"),
        (lambda x: x[0] if x[0] == 0 else x[1], "maximum"),
        (lambda x: x[0] if 0 != x[0] * 2 else x[1], "maximum"),
        (lambda x: x[0] if x[1].tanh() in (0, 1) else x[1], "maximum"),
        (lambda x: x[0] + math.exp(x[1]), "exp"),
        (lambda x: x[0] if x[1].data > 1 else x[1], "maximum"),
        (lambda x: x[0] if 2 * x[0] == x[1].data and x[1].data == 1 else x[1], "maximum"),
        (lambda x: Value(float(f"{x[0]:.3f}")), "exp"),
    ],
)
def test_tracing_names_the_line_that_asks_a_node_for_its_number(function, message):
    line = function.__code__.co_firstlineno
    with pytest.raises(TracingError, match=message) as caught:
        trace(function, 2)
    assert f"{__file__}:{line}" in str(caught.value)


def test_tracing_gives_parameters_their_numbers_back_even_after_an_error():
    w = Value(0.25)

    def branching(x):
        return x[0] if w > 0 else -x[0]

    with pytest.raises(TracingError):
        trace(branching, 1, parameters=[w])
    assert w.data == 0.25


@pytest.mark.parametrize("kind", ["float64", "float32"])
@pytest.mark.parametrize("op", [ops.sigmoid, ops.tanh], ids=lambda op: op.name)
def test_slopes_keep_their_digits_where_the_function_has_none_left(op, kind):
    """Down to the smallest normal number of the kind; beyond, no larger than that."""
    x, w = Value(0.5), Value(1.0)
    program = lift(op(w * x), [x], parameters=[w])
    tiny, unit = float(np.finfo(kind).tiny), float(np.finfo(kind).eps)
    for point in (-1e4, -800, -340, -80, -40, -12, -1, 1, 12, 40, 80, 340, 800, 1e4):
        v = Value(float(point))
        op(v).backward()
        _, (gradient,) = program.value_and_grad(np.array([[point]], dtype=kind))
        assert abs(gradient / point - v.grad) <= 20 * unit * v.grad + tiny


@pytest.mark.parametrize("op", UNARY, ids=lambda op: op.name)
def test_every_function_can_be_traced(op):
    program = trace(lambda x: op(x[0]), 1)
    point = 1.5 if op.name == "acosh" else 0.5
    (found,) = program.value([[point]])
    assert abs(found - op(Value(point)).data) <= 1e-14


@pytest.mark.parametrize(
    "step",
    [lambda v, w: ops.tanh(v), lambda v, w: v * v * 0.99, lambda v, w: ops.softmax([v, w])[0]],
    ids=["tanh", "square", "softmax"],
)
def test_a_chain_is_written_without_ever_deeper_brackets(step):
    x, w = Value(0.1), Value(0.5)
    v = x + w
    for _ in range(1500):
        v = step(v, w)
    program = lift(v, [x], parameters=[w])
    assert max(len(e.text) for e in program.equations if e.part != "gradient") < 200
    (found,), (gradient,) = program.value_and_grad([[0.1]])
    v.backward()
    assert math.isclose(found, v.data, rel_tol=1e-9)
    assert math.isclose(gradient, w.grad, rel_tol=1e-9, abs_tol=1e-300)


def test_a_chain_that_repeats_is_a_recurrence():
    x, w = Value(0.1), [Value(0.5), Value(0.25)]
    v = x
    for _ in range(300):
        v = ops.tanh(w[0] * v + w[1])
    program = lift(v, [x], parameters=w)
    assert len(program.equations) < 15
    lines = [equation.text for equation in program.equations]
    assert "z2[i] = W1 a2[i − 1] + b1" in lines and "a2[i] = tanh(z2[i]),   a2[0] = a1" in lines
    (_,), gradient = program.value_and_grad([[0.1]])
    v.backward()
    np.testing.assert_allclose(gradient, [p.grad for p in w], rtol=1e-12)


def test_of_many_factors_those_left_out_are_counted():
    x = [Value(0.1 * k) for k in range(1, 41)]
    w = Value(0.5)
    functions = [ops.tanh, ops.sin, ops.exp, ops.sigmoid, ops.erf]
    factors = [functions[k * k % 7 % 5](w * v) for k, v in enumerate(x)]
    program = lift(math.prod(factors, start=ops.sin(w)), x, parameters=[w])
    (cost,) = (e.text for e in program.equations if e.left == "C")
    assert "more) " in cost
    assert max(len(line) for line in str(program).splitlines()) <= 100 + len("   (40)")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"inputs": Value(1.0)}, r"inputs is one Value, .*: write it as a list"),
        ({"targets": 3}, "targets is 3, not a list of Values"),
        ({"parameters": MLP(2, [1])}, r"write model.parameters\(\)"),
        ({"parameters": [[1.0]]}, r"parameters\[0\]\[0\] is 1.0, no Value"),
        ({"parameters": {"w": [[Value(1.0)], [2.0]]}}, r"parameters\['w'\]\[1\]\[0\] is 2.0"),
        ({"cost": 3.0}, "cost is 3.0: give the Value that is the cost of one example, or a list"),
        ({"cost": MLP(2, [1])}, "cost is MLP.* which is what it gives when it is called"),
        ({"cost": [3.0]}, "cost: entry 0 is 3.0, not a Value$"),
        ({"check": np.zeros((1, 1))}, r"check is the examples \(X, Y\)"),
        ({"check": ()}, r"check is the examples \(X, Y\)"),
    ],
)
@pytest.mark.parametrize("function", [lift, recognise])
def test_what_is_no_list_of_values_is_refused_with_the_way_out(function, given, message):
    if function is recognise and "check" in given:
        return
    x = Value(2.0)
    with pytest.raises(TypeError, match=message):
        function(**{"cost": x * x, "inputs": [x], **given})


def test_iterators_of_values_are_lists_of_them():
    x, y, w = Value(2.0), Value(3.0), Value(5.0)
    program = lift(x * w - y, iter([x]), iter([y]), (v for v in [w]), check=([[2.0]], [[3.0]]))
    costs, gradient = program.value_and_grad([[2.0]], [[3.0]])
    assert (costs.tolist(), gradient.tolist()) == ([7.0], [2.0])
    found = recognise(x * w, iter([x]), parameters=iter([w]))
    assert found.variables["W1"].nodes == (w,)


def test_symbols_among_constants_and_parameters_are_refused_by_name():
    sympy = pytest.importorskip("sympy")
    x, s = Value(2.0), Value(sympy.Symbol("s"))
    for lists in ({}, {"parameters": [s]}):
        with pytest.raises(TypeError, match=r"Value\(data=s.* is no number.*floats"):
            lift(x * s, [x], **lists)
    with pytest.raises(TypeError, match="is no number"):
        lift([s, x], [x])
    assert lift(x * s, [x, s]).value([[2.0, 3.0]]) == [6.0]


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda program: pickle.loads(pickle.dumps(program))]
)
def test_a_copy_of_a_program_has_parameters_of_its_own(copied):
    model, forward, y, cost = network((3, 4, 2), "tanh", "softmax", "log_likelihood")
    program = lift(cost, forward.a[0], y, model.parameters())
    examples = [[0.5, 1.0, -1.0]], [[0.0, 1.0]]
    before = program.value_and_grad(*examples)
    twin = copied(program)
    assert str(twin) == str(program)
    for one, other in zip(before, twin.value_and_grad(*examples), strict=True):
        np.testing.assert_array_equal(one, other)
    twin.parameters -= 1.0
    np.testing.assert_array_equal(program.value(*examples), before[0])
    assert (twin.value(*examples) != before[0]).all()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: Value(np.tanh(x[0].data)),
        lambda x: Value(np.float64(2) * x[0].data),
        lambda x: Value(np.sum([v.data for v in x])),
        lambda x: Value(np.array([v.data for v in x], dtype=float)[0]),
        lambda x: Value(np.array([v.data for v in x]).max()),
        lambda x: (x[0] > 0) * x[1],
        lambda x: (x[0].data > 0) * x[1],
        lambda x: Value(1.0 * (x[0].data >= 1)),
        lambda x: x[1] * int(x[0].data < 0),
        lambda x: Value(x[0].data // 2),
        lambda x: Value(x[0].data % 2),
        lambda x: {x[0].data: x[0]}[0.0],
    ],
)
def test_tracing_sees_masks_remainders_look_ups_and_numpy(function):
    with pytest.raises(TracingError, match=f"{__file__}:{function.__code__.co_firstlineno}"):
        trace(function, 2)


def test_tracing_refuses_parameters_that_are_no_list_of_values():
    w = Value(1.0)
    for parameters in (w, [1.0], MLP(1, [1])):
        with pytest.raises(TypeError, match="parameters"):
            trace(lambda x: x[0] * w, 1, parameters=parameters)
    assert w.data == 1.0


def test_a_formula_has_neither_factors_of_one_nor_needless_brackets():
    x, w = Value(1.0), Value(2.0)
    assert [e.text for e in lift(6 * w, [x], parameters=[w]).equations] == ["C = 6 θ", "∂C/∂θ = 6"]
    assert lift(x * w * 0.25, [x], parameters=[w]).equations[0].text == "C = 0.25 W1 a0"
    costs, gradient = lift(6 * w, [x], parameters=[w]).value_and_grad([[1.0], [2.0]])
    assert (costs.tolist(), gradient.tolist()) == ([12.0, 12.0], [12.0])


def test_signs_stand_between_terms_and_no_minus_comes_first():
    x, w = Value(1.0), Value(2.0)
    z = w * x + Value(1.0)
    program = lift(ops.tanh(z) * (ops.sigmoid(z) - 1) - ops.tanh(z) ** 2 - 2 * z * z, [x], [], [w])
    texts = [e.text for e in program.equations]
    assert texts[2:4] == [
        "C = a1 (σ(z1) − 1) − a1² − 2 z1²",
        "δ1 = a1 σ′(z1) + (σ(z1) − 2 a1 − 1) tanh′(z1) − 4 z1",
    ]
    v = z - ops.sin(z)
    program = lift((1 - z) ** 2 - v**2, [x], parameters=[w])
    texts = [e.text for e in program.equations]
    assert texts[2:-1] == [
        "C = (1 − z1)² − (z1 − a1)²",
        "δ1 = 2 (z1 − a1) cos(z1) − 2 (z1 − a1) − 2 (1 − z1)",
    ]
    for part in ("− −", "+ −", "(−", "-"):
        assert part not in str(program)
    assert lift(-(w * x), [x], parameters=[w]).equations[-1].text == "∂C/∂W1 = −a0"
    assert lift(-2 * ops.tanh(x), [x]).equations[-1].text == "C = −2 tanh(a0)"


def test_a_weighted_input_that_is_the_cost_passes_on_its_input():
    x, w = [Value(1.0), Value(2.0)], [Value(2.0), Value(3.0)]
    z = w[0] * x[0] + w[1] * x[1]
    program = lift(z, x, parameters=w)
    assert [e.text for e in program.equations] == ["z1 = W1 a0", "∂C/∂W1 = a0ᵀ"]
    assert program.value_and_grad([[1.0, 2.0], [3.0, 4.0]])[1].tolist() == [4.0, 6.0]
    assert r"= (a^{0})^{\mathsf T}" in program.equations[1].latex


@pytest.mark.parametrize(
    ("cost", "output"),
    [("quadratic", "sigmoid"), ("cross_entropy", "sigmoid"), ("log_likelihood", "softmax")],
)
def test_parameters_in_reverse_give_the_same_equations(cost, output):
    model, forward, y, c = network((2, 3, 2, 2), "tanh", output, cost)
    as_they_are = lift(c, forward.a[0], y, model.parameters())
    reverse = lift(c, forward.a[0], y, model.parameters()[::-1])
    assert str(reverse) == str(as_they_are)
    assert "p[I" not in reverse.source  # views, and no copy entry by entry
    X, Y = np.random.default_rng(0).normal(size=(4, 2)), np.eye(2)[[0, 1, 1, 0]]
    one, other = as_they_are.value_and_grad(X, Y), reverse.value_and_grad(X, Y)
    np.testing.assert_allclose(other[0], one[0], rtol=1e-14)
    np.testing.assert_allclose(other[1][::-1], one[1], rtol=1e-12, atol=1e-16)
    found = recognise(c, forward.a[0], y, model.parameters()[::-1])
    assert found.variables["z3"].nodes == tuple(forward.z[3])
    outputs = lift(forward.output, forward.a[0], parameters=model.parameters()[::-1])
    assert "[2,1]" not in str(outputs)


def test_of_many_operands_those_left_out_are_counted():
    x, w = [Value(0.1 * k) for k in range(20)], Value(0.5)
    cost = ops.log_sum_exp(*[ops.tanh(w * v) for v in x], *[ops.sin(w * v) for v in x])
    program = lift(cost, x, parameters=[w])
    (text,) = (e.text for e in program.equations if e.left == "C")
    assert text.startswith("C = log_sum_exp(")
    assert "… (32 more), " in text
    assert max(len(e.text) for e in program.equations) <= 100
    (found,), (gradient,) = program.value_and_grad([[v.data for v in x]])
    cost.backward()
    assert math.isclose(found, cost.data, rel_tol=1e-12)
    assert math.isclose(gradient, w.grad, rel_tol=1e-12)


def test_parameters_in_any_order_give_the_same_numbers():
    model, forward, y, c = network((2, 3, 2, 2), "tanh", "sigmoid", "cross_entropy")
    order = model.parameters()
    Random(5).shuffle(order)
    X, Y = np.random.default_rng(0).normal(size=(4, 2)), np.eye(2)[[0, 1, 1, 0]]
    wanted = lift(c, forward.a[0], y, model.parameters()).value_and_grad(X, Y)[1]
    places = {p: k for k, p in enumerate(model.parameters())}
    found = lift(c, forward.a[0], y, order).value_and_grad(X, Y)[1]
    np.testing.assert_allclose(found, wanted[[places[p] for p in order]], rtol=1e-12, atol=1e-16)


def test_a_penalty_on_all_parameters_is_part_of_each_gradient():
    model, forward, y, c = network((2, 3, 2), "tanh", "sigmoid", "quadratic")
    penalty = sum((p * p for p in model.parameters()), Value(0.0))
    program = lift(c + 0.05 * penalty, forward.a[0], y, model.parameters())
    texts = [e.text for e in program.equations if e.part == "gradient"]
    assert "∂C/∂W1 = δ1 a0ᵀ + 0.1 W1" in texts
    assert len(texts) == 4


def test_products_of_parameters_with_what_is_made_of_others_are_no_squares():
    """Whose places in their vectors are the same: Σ θ ⊙ sin(…) and ‖θ‖² look alike."""

    def build(xs, ys):
        ps = [Value(0.3), Value(0.7)]
        inner = [ops.sin(p) for p in (ops.tanh(ps[0]), ops.tanh(ps[1]))]
        return [ops.sigmoid(ps[0] * inner[0] + ps[1] * inner[1]) * xs[0]], ps

    agrees(build, [[0.5], [-1.0]], [[], []])


def test_a_parameter_of_a_row_that_is_used_elsewhere_too_stands_in_one_array():
    x, ps = [Value(0.5), Value(-1.0)], [Value(0.3), Value(0.7), Value(0.2)]
    z = ps[0] * x[0] + ps[1] * x[1]
    program = lift(ops.tanh(z) + ops.sin(ps[1]) + ops.sin(ps[2]), x, parameters=ps)
    assert sum(math.prod(e.shape) for e in program.equations if e.part == "gradient") == 3
    X = [[0.5, -1.0], [0.25, 2.0]]
    total = np.zeros(3)
    for row in X:
        z = 0.3 * row[0] + 0.7 * row[1]
        slope = 1 - math.tanh(z) ** 2
        total += [slope * row[0], slope * row[1] + math.cos(0.7), math.cos(0.2)]
    np.testing.assert_allclose(program.value_and_grad(X)[1], total, rtol=1e-12)


def test_a_layer_on_a_convolution():
    r = Random(1)
    kernel, rest = [Value(r.uniform(-1, 1)) for _ in range(3)], MLP(6, [2], rng=r)
    x = [Value(r.uniform(-1, 1)) for _ in range(8)]
    a = [ops.tanh(sum((kernel[k] * x[j + k] for k in range(3)), Value(0.0))) for j in range(6)]
    cost = sum((v * v for v in rest(a)), Value(0.0))
    program = lift(cost, x, parameters=[*kernel, *rest.parameters()])
    cost.backward()
    _, gradient = program.value_and_grad([[v.data for v in x]])
    np.testing.assert_allclose(gradient, [p.grad for p in [*kernel, *rest.parameters()]], rtol=1e-9)


def test_a_cost_that_is_a_leaf_has_its_equation():
    x, w = Value(1.0), Value(2.0)
    assert str(lift(Value(2.5))) == "C = 2.5"
    assert str(lift(w * x)) == "C = 2"
    assert str(lift(x, [Value(0.0), x])) == "C = a0[2]"
    assert str(lift(w, parameters=[w])) == "C = θ\n\n∂C/∂θ = 1"
    assert "the outputs are inputs, parameters and constants" in str(lift([x, w], [x]))
    assert lift([x, w], [x]).value([[3.0]]).tolist() == [[3.0, 2.0]]


def test_what_is_no_function_is_not_traced():
    x = Value(1.0)
    with pytest.raises(TypeError, match="a graph that is there already: lift it"):
        trace(x * x, 1)
    with pytest.raises(TypeError, match="function is 3, no function"):
        trace(3, 1)


def test_outputs_that_stand_side_by_side_are_returned_together():
    model = MLP(2, [3, 3], rng=Random(0))
    forward = model.forward([0.5, -1.0])
    outputs = [*forward.output, *forward.output[1:], forward.a[0][1], model.parameters()[0]]
    program = lift(outputs, forward.a[0], parameters=model.parameters())
    np.testing.assert_allclose(program.value([[0.5, -1.0]]), [[v.data for v in outputs]])


def test_an_own_rule_may_use_every_sign_there_is(own_table):
    def rule(m, g, y, x):
        low = m.where(x <= 0, -abs(x), x)
        high = m.where(x >= 0.5, 2 / (3 + x), x / 4)
        return (g * (1 - low) * high * 2**x,)

    @operation(rule)
    def odd(m, x):
        return (1 + x) * (2 - x) / (3 + x**2) - x

    def build(xs, ys):
        w = Value(0.5)
        return [odd(w * xs[0])], [w]

    agrees(build, [[0.25], [-0.75], [2.0]], [[]] * 3)


def test_long_lists_of_constants_run_over_several_lines():
    r = Random(4)
    xs = [Value(r.uniform(-1, 1)) for _ in range(200)]
    numbers = [r.uniform(-1, 1) for _ in xs]
    program = lift(sum((c * ops.tanh(x) for c, x in zip(numbers, xs, strict=True)), Value(0.0)), xs)
    assert max(map(len, program.source.splitlines())) <= 100
    x = np.random.default_rng(1).normal(size=(3, 200))
    np.testing.assert_allclose(program.value(x), np.tanh(x) @ numbers)


def test_the_name_of_an_operation_cannot_reach_the_source_as_code(own_table):
    def rule(m, g, y, x):
        return (g * (2 * x + m.cos(x)),)

    def own(m, x):
        return x * x + m.sin(x)

    own.__name__ = 'x"""\n    raise SystemExit("reached")\n    """'
    op = operation(rule)(own)
    x, w = Value(2.0), Value(3.0)
    program = lift(op(w * x) + op(w), [x], parameters=[w])
    (found,), _ = program.value_and_grad([[2.0]])
    assert math.isclose(found, 45 + math.sin(6) + math.sin(3))
    assert "reached" not in program.source
