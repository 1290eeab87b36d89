"""lift where few graphs lead: rare structures, rare numbers, rare mistakes; and its verb."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest
from support.lifting import agrees, network

from microgradnet import MLP, Value, cli, costs, lift, operation, ops, softmax, trace
from microgradnet.lifting import TracingError, recognise

X = [[0.3, -0.7, 1.1], [-1.2, 0.4, 0.9]]
NO_TARGETS = [[], []]


def texts(program, part):
    return [e.text for e in program.equations if e.part == part]


# Sums


def test_logarithms_that_are_outputs_are_no_cross_entropy():
    def build(xs, ys):
        ps = [Value(0.5), Value(-0.25)]
        a = ops.sigmoid(ps[0] * xs[0] + ps[1] * xs[1])
        first, second = ops.xlogy(ys[0], a), ops.xlogy(1 - ys[0], 1 - a)
        return [-first - second, second], ps

    agrees(build, X, [[0.25], [0.5]], [[1.0, 2.0], [0.5, -1.0]])


def test_logarithms_in_sums_apart_are_no_cross_entropy():
    def build(xs, ys):
        ps = [Value(0.5), Value(-0.25), Value(0.75)]
        a = [ops.sigmoid(p * x) for p, x in zip(ps, xs, strict=True)]
        first = sum((ops.xlogy(y, v) for y, v in zip(ys, a, strict=True)), Value(0.0))
        second = sum((ops.xlogy(1 - y, 1 - v) for y, v in zip(ys, a, strict=True)), Value(0.0))
        return [ops.tanh(first) * ops.sin(second)], ps

    agrees(build, X, [[0.25, 0.5, 1.0], [0.0, 0.75, 0.5]])


def test_a_weighted_input_may_be_taken_away():
    b, w = Value(0.5), [Value(2.0), Value(-3.0)]

    def build(xs, ys):
        return [ops.tanh(b - (w[0] * xs[0] + w[1] * xs[1]))], [b, *w]

    def form(program):
        assert texts(program, "forward") == ["z1 = b1 − W1 a0", "C = tanh(z1)"]
        assert texts(program, "gradient") == ["∂C/∂b1 = δ1", "∂C/∂W1 = −δ1 a0ᵀ"]

    agrees(build, [row[:2] for row in X], NO_TARGETS, form=form)


def test_constants_times_a_whole_vector_are_a_matrix():
    def build(xs, ys):
        ps = [Value(0.5), Value(-0.25), Value(0.75)]
        a = [ops.tanh(p * x) for p, x in zip(ps, xs, strict=True)]
        rows = [[0.1, 0.2, 0.3], [0.5, -1.0, 2.0]]
        return [sum((c * v for c, v in zip(row, a, strict=True)), Value(0.0)) for row in rows], ps

    def form(program):
        assert any("= K1 " in text for text in texts(program, "forward"))
        assert any("K1ᵀ V" in e.text for e in program.equations)

    agrees(build, X, NO_TARGETS, [[0.3, 2.0], [-1.0, 0.5]], form=form)


def test_constants_times_a_part_of_a_vector_are_not():
    def build(xs, ys):
        ps = [Value(0.5), Value(-0.25), Value(0.75)]
        a = [ops.tanh(p * x) for p, x in zip(ps, xs, strict=True)]
        return [0.5 * a[0] + 2.0 * a[1], 0.25 * a[1] - 3.0 * a[2]], ps

    agrees(build, X, NO_TARGETS, [[0.3, 2.0], [-1.0, 0.5]])


@pytest.mark.parametrize("factors", [(1, 1), (2, 3)])
def test_sums_of_products_of_two_vectors(factors):
    def build(xs, ys):
        ps = [Value(0.5), Value(-0.25), Value(0.75)]
        u = [ops.tanh(p * x) for p, x in zip(ps, xs, strict=True)]
        v = [ops.sin(p * x) for p, x in zip(ps, xs, strict=True)]
        c, d = factors
        return [c * (u[j] * v[j]) + d * (u[k] * v[2]) for j, k in ((0, 1), (1, 0))], ps

    agrees(build, X, NO_TARGETS, [[0.3, 2.0], [-1.0, 0.5]])


def test_a_sum_with_more_matrices_than_there_are_letters():
    def build(xs, ys):
        ps = [Value(0.1 * k - 1.1) for k in range(30)]
        functions = ops.tanh, ops.sin, ops.cos, ops.softplus, ops.gelu
        layer = [f(x) for f in functions for x in xs]
        z = [
            sum((w * a for w, a in zip(row, layer, strict=True)), Value(0.0))
            for row in (ps[:15], ps[15:])
        ]
        return [z[0] * z[1] + ops.tanh(z[0])], ps

    def form(program):
        names = [e.left for e in program.equations]
        assert len({*names}) == len(names)

    agrees(build, X, NO_TARGETS, form=form)


def test_a_convolution_used_twice_is_one_matrix():
    kernel = [Value(0.5), Value(-0.25)]

    def build(xs, ys):
        def convolved(a):
            return [kernel[0] * a[k] + kernel[1] * a[k - 1] for k in range(3)]

        return [sum((ops.tanh(z) for z in convolved([ops.tanh(z) for z in convolved(xs)])),
                    Value(0.0))], kernel  # fmt: skip

    agrees(build, X, NO_TARGETS)


def test_shared_weights_with_factors_of_their_own():
    kernel = [Value(0.5), Value(-0.25)]

    def build(xs, ys):
        z = [kernel[0] * xs[k] + 2.0 * (kernel[1] * xs[k - 1]) for k in range(3)]
        return [sum((ops.tanh(v) for v in z), Value(0.0))], kernel

    agrees(build, X, NO_TARGETS)
    xs = [Value(x) for x in X[0]]
    (cost,), _ = build(xs, [])
    found = recognise(cost, xs, parameters=kernel)
    held = [v.nodes for v in found.variables.values() if v.kind == "parameter"]
    assert sorted(node.data for nodes in held for node in nodes) == [-0.25, 0.5]
    program = lift(cost, xs, parameters=kernel)
    program.value_and_grad(X)
    assert sum(g.size for g in program.gradients.values()) == 2
    single = program.value_and_grad(np.array(X, dtype="float32"))
    assert single[1].dtype == np.float32
    np.testing.assert_allclose(single[1], program.value_and_grad(X)[1], rtol=1e-5)


def test_a_square_counted_twice():
    w, v, x = Value(2.0), Value(3.0), Value(1.0)
    program = lift(w * w + v * v + w * w + ops.tanh(v * x), [x], parameters=[w, v])
    (found,), gradient = program.value_and_grad([[1.0]])
    assert math.isclose(found, 17 + math.tanh(3.0))
    np.testing.assert_allclose(gradient, [8.0, 6.0 + 1 - math.tanh(3.0) ** 2])


def test_a_weighted_input_times_a_number_passes_that_on():
    w, b, x = Value(2.0), Value(3.0), Value(1.0)
    program = lift(3 * (w * x + b), [x], parameters=[w, b])
    assert texts(program, "gradient") == ["∂C/∂b1 = 3", "∂C/∂W1 = 3 a0"]
    assert program.value_and_grad([[1.0], [2.0]])[1].tolist() == [9.0, 6.0]


def test_numbers_alone_are_one_number():
    w, x = Value(2.0), Value(1.0)
    two = Value(1) + Value(1)
    built = ops.tanh(Value(0.5)) * (ops.sin(w * x) + (x + Value(0.0))) + two + two * x
    program = lift(built, [x], parameters=[w])
    (found,), (gradient,) = program.value_and_grad([[3.0]])
    assert math.isclose(found, math.tanh(0.5) * (math.sin(6.0) + 3.0) + 8.0)
    assert math.isclose(gradient, math.tanh(0.5) * math.cos(6.0) * 3.0)


@pytest.mark.parametrize("left", [False, True])
def test_a_weighted_input_keeps_its_name_beside_what_has_no_parameters(left):
    w, b, x = Value(2.0), Value(3.0), Value(1.0)
    z, other = w * x + b, ops.tanh(x)
    program = lift(ops.sin(z + other if left else other + z), [x], parameters=[w, b])
    assert texts(program, "forward")[0] == "z1 = W1 a0 + b1"


@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
def test_constants_beyond_the_numbers(number):
    x, w = Value(1.0), Value(2.0)
    program = lift(ops.minimum(x, Value(float(number))) + w, [x], parameters=[w])
    found = program.value([[3.0]])
    np.testing.assert_array_equal(found, np.minimum(3.0, float(number)) + 2.0)


# Cross-entropies that are none


@pytest.mark.parametrize("weight", [1.0, 3.0])
@pytest.mark.parametrize("again", [False, True])
def test_logarithms_that_only_together_are_a_cross_entropy(weight, again):
    def build(xs, ys):
        ps = [Value(0.5), Value(-0.25), Value(0.75)]
        total = Value(0.0)
        for p, x, y in zip(ps, xs, ys, strict=True):
            a = ops.sigmoid(p * x)
            first, second = ops.xlogy(y, a), ops.xlogy(1 - y, 1 - a)
            total = total - weight * first - second
            if again:
                total = total + ops.tanh(second)
        return [total], ps

    def form(program):
        whole = weight == 1.0 and not again
        assert ("a0 ⊙ v1 − a0 ⊙ y" in str(program)) == whole, str(program)

    agrees(build, X, [[1.0, 0.0, 0.5], [0.0, 0.25, 1.0]], form=form)


# Operations of one's own


def test_an_own_operation_of_any_number_of_operands(own_table):
    def rule(m, g, y, *xs):
        return tuple(2 * g * x for x in xs)

    @operation(rule)
    def squared_length(m, *xs):
        total = m.convert(0)
        for x in xs:
            total = total + x * x
        return total

    def build(xs, ys):
        ps = [Value(0.5), Value(-0.25), Value(0.75)]
        a = [ops.tanh(p * x) for p, x in zip(ps, xs, strict=True)]
        return [squared_length(*a) + squared_length(a[0], ps[1])], ps

    agrees(build, X, NO_TARGETS)


def test_an_own_rule_of_conditions_and_powers_that_are_constant(own_table):
    def rule(m, g, y, x):
        return (g * m.where(m.pi > 3, 1, 2) * x**0,)

    @operation(rule)
    def same(m, x):
        return m.where(m.pi > 3, x, 2 * x)

    agrees(lambda xs, ys: ([same(xs[0] * p[0])], p) if (p := [Value(2.0)]) else None, X, NO_TARGETS)


# Programs


def test_the_repr_of_a_program_counts():
    model, forward, y, cost = network((3, 4, 1), "tanh", "sigmoid", "quadratic")
    program = lift(cost, forward.a[0], y, model.parameters())
    assert repr(program) == f"<Program of {len(program.equations)} equations, 21 parameters>"


def test_what_a_program_is_asked_for_in_vain():
    model, forward, y, cost = network((3, 4, 1), "tanh", "sigmoid", "quadratic")
    program = lift(cost, forward.a[0], y, model.parameters())
    outputs = lift(forward.output if isinstance(forward.output, list) else [forward.output],
                   forward.a[0], parameters=model.parameters())  # fmt: skip
    with pytest.raises(TypeError, match=r"vjp\(X, V\)"):
        outputs.value_and_grad(X)
    with pytest.raises(ValueError, match=r"V has shape \(2, 3\), not \(2, 1\)"):
        outputs.vjp(X, X)
    with pytest.raises(ValueError, match="no targets: call it without Y"):
        outputs.value(X, [[1.0], [2.0]])
    with pytest.raises(ValueError, match=r"write Y\[:, None\]"):
        program.value(X, [1.0, 2.0])


def test_the_same_call_again_computes_anew():
    model, forward, y, cost = network((3, 4, 1), "tanh", "sigmoid", "quadratic")
    program = lift(cost, forward.a[0], y, model.parameters())
    x, t = np.array(X), np.array([[1.0], [0.0]])
    out = np.empty(21)
    first, gradient = program.value_and_grad(x, t, out)
    kept = gradient.copy()
    x += 1.0
    second, gradient = program.value_and_grad(x, t, out)
    assert gradient is out
    assert (first != second).all()
    np.testing.assert_array_equal(second, program.value(x, t))
    third, _ = program.value_and_grad(x - 1.0, t, out)
    np.testing.assert_allclose(third, first, rtol=1e-12)
    np.testing.assert_allclose(out, kept, rtol=1e-9)
    program.parameters *= 2.0
    fourth, _ = program.value_and_grad(x, t, out)
    np.testing.assert_array_equal(fourth, program.value(x, t))
    for wrong in (x[:, :2], x[:1], x.astype(np.float32)):
        with pytest.raises(ValueError, match=r"shape|float"):
            program.value_and_grad(wrong, t, out)


def test_gradients_of_parameters_that_are_no_view():
    x, ps = [Value(v) for v in X[0]], [Value(0.1 * k) for k in range(4)]
    program = lift(ops.tanh(ps[3] * x[0] + ps[0] * x[1] + ps[1] * x[2]), x, parameters=ps)
    _, gradient = program.value_and_grad(X)
    np.testing.assert_array_equal(program.gradients["W1"], gradient[[[3, 0, 1]]])
    assert gradient[2] == 0.0


def test_lifting_leaves_a_collector_that_is_off_as_it_is():
    x = Value(1.0)
    assert gc.isenabled()
    gc.disable()
    try:
        lift(x * x, [x])
        assert not gc.isenabled()
    finally:
        gc.enable()
    lift(x * x, [x])
    assert gc.isenabled()


# Tracing


def test_a_traced_function_must_return_values():
    with pytest.raises(TypeError, match=r"the function returned 3\.0: a cost is a Value"):
        trace(lambda x: 3.0, 1)
    with pytest.raises(TypeError, match="the function returned None"):
        trace(lambda x: None, 1)


def test_what_is_not_known_can_be_shown_and_conditions_be_joined():
    shown = []

    def function(x):
        shown.append(repr(x[0].data))
        return sum(ops.softmax(x)[:2], Value(0.0)) if shown else x[0]

    (found,) = trace(function, 3).value([[1.0, 1.0, 1.0]])
    assert math.isclose(found, 2 / 3)
    assert shown == ["<unknown>"]
    with pytest.raises(TracingError, match="maximum"):
        trace(lambda x: x[0] if (x[0].data > 0) & (x[1].data > 0) else x[1], 2)


# The verb


def lifted(capsys, *arguments):
    status = cli.main(["lift", *arguments])
    done = capsys.readouterr()
    return status, done.out, done.err


def test_the_verb_prints_the_equations_of_a_network(capsys):
    status, out, err = lifted(
        capsys, "--sizes", "4,3,2", "--activation", "tanh", "--cost", "cross_entropy"
    )
    assert (status, err) == (0, "")
    lines = [line.rsplit("   (", 1)[0].strip() for line in out.splitlines()]
    assert lines[:4] == ["z1 = W1 a0 + b1", "a1 = tanh(z1)", "z2 = W2 a1 + b2", "a2 = σ(z2)"]
    assert lines[6:8] == ["δ2 = a2 − y", "δ1 = (W2ᵀ δ2) ⊙ tanh′(z1)"]
    assert "(3 × 4)" in out
    assert "64" in lifted(capsys)[1]


def test_the_verb_prints_source_that_runs(capsys):
    status, out, _ = lifted(capsys, "--sizes", "4,3,1", "--cost", "hinge", "--source")
    assert status == 0
    space = {}
    exec(out, space)
    c, g = space["value_and_grad"](np.zeros(19), np.ones((2, 4)), np.ones((2, 1)))
    assert c.shape == (2,)
    assert g.shape == (19,)
    np.testing.assert_array_equal(c, space["value"](np.zeros(19), np.ones((2, 4)), np.ones((2, 1))))


def test_the_verb_prints_latex_of_an_expression(capsys):
    given = ["log(1 + exp(-y*(w*x + b)))", "w=0.5", "x=2", "b=-1", "y=1", "--inputs", "x,y"]
    status, out, _ = lifted(capsys, *given, "--latex")
    assert status == 0
    assert out.startswith("$$\\begin{aligned}\nz^{1} &= ")
    status, out, _ = lifted(capsys, *given)
    assert "∂C/∂b = δ1" in out
    assert "∂C/∂w = δ1 x" in out


def test_the_verb_takes_x_for_the_input_where_nothing_is_said(capsys):
    assert "z1 = w x" in lifted(capsys, "tanh(w*x)", "w=0.5", "x=2")[1]
    assert "a0" not in lifted(capsys, "tanh(w*v)", "w=0.5", "v=2")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["w*x", "w=1", "x=2", "--sizes", "2,1"], "an expression or --sizes, not both"),
        (["--inputs", "x"], "--inputs goes with an expression"),
        (["--cost", "hing"], "no cost 'hing': there are quadratic"),
        (["--activation", "tan"], "'tan'"),
        (["w*x", "w=1", "x=2", "--inputs", "x,v"], "--inputs v: the names are w, x"),
        (["w*x", "w=1"], "x has no number"),
        (["x", "x=1"], "'x' has no operation on a name"),
    ],
)
def test_the_verb_refuses_in_one_line(capsys, arguments, message):
    status, out, err = lifted(capsys, *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_every_cost_of_the_verb_lifts(capsys):
    for cost in costs.COSTS:
        status, out, _ = lifted(capsys, "--sizes", "3,2,2", "--cost", cost)
        assert status == 0
        assert "∂C/∂W1 = δ1 a0ᵀ" in out


def test_a_network_of_one_neuron_and_one_example():
    model = MLP(1, [1], activation="tanh", output_activation="tanh", init="zeros")
    x = [Value(1.0)]
    program = lift(model(x), x, parameters=model.parameters())
    assert program.value([[1.0]]).tolist() == [0.0]
    assert program.value(np.zeros((0, 1))).shape == (0,)
    costs_, gradient = program.value_and_grad(np.zeros((0, 1)))
    assert costs_.shape == (0,)
    assert gradient.tolist() == [0.0, 0.0]


# What does not depend on the example after all, and what the text says of parts


@pytest.mark.parametrize(
    "cost",
    [
        lambda w, x: (x + w) ** 0,
        lambda w, x: (x * w) ** 0 + 1.0 * w,
        lambda w, x: ((x + w) ** 1).backward(create_graph=True)[w],
        lambda w, x: x * 0.0 + w * w,
    ],
)
def test_costs_that_turn_out_the_same_for_every_example(cost):
    w, x = Value(0.25), Value(0.5)
    program = lift(cost(w, x), [x], parameters=[w])
    costs, gradient = program.value_and_grad([[1.0], [2.0]])
    assert program.value([[1.0], [2.0]]).tolist() == costs.tolist()
    expected, total = [], 0.0
    for number in (1.0, 2.0):
        x.data, w.grad = number, 0
        root = cost(w, x)
        w.grad = 0
        root.backward()
        expected.append(float(root.data))
        total += float(w.grad)
    assert costs.tolist() == expected
    assert gradient.tolist() == [total]


def test_softmaxes_of_parts_say_of_which():
    xs = [Value(0.5), Value(-0.5)]
    weights = [[Value(0.1 * (j + k)) for k in range(2)] for j in range(4)]
    z = [w * xs[0] + v * xs[1] for w, v in weights]
    parameters = [w for row in weights for w in row]
    halves = str(lift([*softmax(z[:2]), *softmax(z[2:])], xs, parameters=parameters))
    assert "a1 = softmax(z1)" in halves
    assert "(2 × 2)" in halves
    share = lift(softmax(z)[1], xs, parameters=parameters)
    assert "C = a1[2]" in str(share)
    assert "a^{1}_{2}" in share._repr_latex_()


@pytest.mark.parametrize(
    "numbers", [(0.0, 0.0, math.inf), (1.0, math.inf, math.inf), (-math.inf, 0.0, 1.0)]
)
def test_shares_of_infinite_operands_are_the_engines(numbers):
    xs, w = [Value(v) for v in numbers], Value(1.0)
    outputs = softmax([v + w for v in xs])
    shares = lift(outputs, xs, parameters=[w]).value([numbers])[0]
    np.testing.assert_allclose(shares, [v.data for v in outputs], rtol=4e-16)
