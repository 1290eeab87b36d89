"""Terms as NumPy: against the plain interpreter, and which instructions are chosen."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_terms import KINKED, SMOOTH, sample
from support.term_examples import (
    EXAMPLES,
    attention,
    batch,
    convolution,
    gemm,
    jacobi,
    network,
    recurrence,
)
from support.term_programs import Printed, assert_prints, random_numbers

from microgradnet import Value, lift, operation, ops
from microgradnet.lifting import analysis
from microgradnet.lifting.derivatives import adjoints
from microgradnet.lifting.numpy_printer import write_numpy
from microgradnet.lifting.numpy_writer import Array, Module, Writer
from microgradnet.lifting.terms import (
    VJP,
    Affine,
    Axis,
    Constant,
    Leaf,
    LogSumExp,
    Map,
    Mask,
    Others,
    Put,
    Scan,
    Softmax,
    State,
    Take,
    add,
    constant,
    multiply,
    read_at,
    rename,
    sum_over,
)


def printed(example):
    return Printed(example.cost, example.parameters, example.examples, example.names)


@given(st.randoms(use_true_random=False), st.integers(2, 9))
def test_random_terms(rng, size):
    found = sample(rng, size, operations=SMOOTH + KINKED)
    size = found.widths["parameter"] + 2  # with some that no leaf has
    program = Printed(found.cost, found.parameters, found.examples, size=size)
    assert_prints(program, found.widths["input"] + 1, found.widths["target"] + 1)


ONCE_WRONG = (2, 6, 9, 12, 23, 28, 42, 46, 50, 56, 63, 71, 77, 83, 90, 91, 93, 98, 103, 104, 119,
              122, 129, 131, 134, 145, 191, 210, 212, 234, 325, 341, 360, 367, 404)  # fmt: skip
"""Seeds of random programs that a printer was wrong about while it was being written."""


@pytest.mark.parametrize("seed", ONCE_WRONG)
def test_programs_that_once_were_wrong(seed):
    rng = Random(seed)
    found = sample(rng, rng.randint(2, 9))
    size = found.widths["parameter"]
    program = Printed(found.cost, found.parameters, found.examples, size=size)
    assert_prints(program, found.widths["input"] + 1, found.widths["target"] + 1)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("m", [1, 3])
def test_examples(name, m):
    example = EXAMPLES[name]()
    assert_prints(printed(example), example.inputs, example.targets, m)


@pytest.mark.parametrize("name", EXAMPLES)
def test_float32_stays_float32(name):
    example = EXAMPLES[name]()
    program = printed(example)
    p, X, Y = random_numbers(program.size, example.inputs, example.targets)
    costs, gradient = program(p, X, Y)
    single = [a.astype(np.float32) for a in (p, X, Y)]
    costs32, gradient32 = program(*single)
    assert costs32.dtype == gradient32.dtype == np.float32
    np.testing.assert_allclose(costs32, costs, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(gradient32, gradient, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_program_needs_einsum_or_tables_of_places(name):
    source = printed(EXAMPLES[name]()).source
    assert "einsum" not in source
    assert not re.search(r"^I\d+ = ", source, re.MULTILINE)


def test_costs_are_the_callers_own():
    example = network([2, 3, 1])
    program = printed(example)
    p, X, Y = random_numbers(program.size, 2, 1)
    run = program.space["prepare"](p, np.zeros_like(p), len(X))
    first = run(X, Y)[0]
    kept = first.copy()
    run(X + 1, Y)
    np.testing.assert_array_equal(first, kept)


def test_a_program_can_be_called_at_once():
    example = network([2, 3, 1])
    program = printed(example)
    p, X, Y = random_numbers(program.size, 2, 1)
    costs, gradient = program(p, X, Y)
    again = program.space["value_and_grad"](p, X, Y)
    np.testing.assert_array_equal(again[0], costs)
    np.testing.assert_array_equal(again[1], gradient)
    out = np.empty_like(p)
    assert program.space["value_and_grad"](p, X, Y, out)[1] is out


def test_no_examples_have_no_costs_and_gradient_0():
    for name in ("network", "attention", "recurrence", "convolution"):
        example = EXAMPLES[name]()
        program = printed(example)
        p = np.ones(program.size)
        nothing = np.zeros((0, example.inputs)), np.zeros((0, example.targets))
        costs, gradient = program.space["value_and_grad"](p, *nothing)
        assert costs.shape == (0,)
        np.testing.assert_array_equal(gradient, 0)


def test_several_outputs_are_columns_and_so_are_their_adjoints():
    n, i, j = Axis("n"), Axis("i", 2), Axis("j", 3)
    W, x = leaf("W", 0, i, j), Leaf("x", "input", (n, j), range(3))
    a = Map(ops.tanh, (sum_over(multiply(W, x), j),))
    outputs = [read_at(a, i, 0), read_at(a, i, 1), constant(2)]
    seeds = [Leaf(f"V{k}", "seed", (n,), k) for k in range(3)]
    g = adjoints(zip(outputs, seeds, strict=True), [W])[W]
    source = write_numpy(outputs, {W: g}, columns=True)
    space = {}
    exec(source, space)
    p, X, _ = random_numbers(6, 3, 0, 4)
    V = np.random.default_rng(1).normal(size=(4, 3))
    found, gradient = space["vjp"](p, X, V)
    want = np.tanh(X @ p.reshape(2, 3).T)
    np.testing.assert_allclose(found, np.column_stack([want, np.full(4, 2.0)]))
    np.testing.assert_allclose(space["value"](p, X), found)
    np.testing.assert_allclose(gradient, ((V[:, :2] * (1 - want**2)).T @ X).ravel())


def test_inputs_need_not_lie_densely():
    for example in (attention(3, 4), convolution(6, 2, 3, 3), recurrence(3, 2, 2)):
        program = printed(example)
        p, X, Y = random_numbers(program.size, example.inputs, 0, 4)
        want = program(p, X, Y)
        wide = np.zeros((8, 3 * example.inputs))
        wide[::2, ::3] = X
        for got, w in zip(program(p, wide[::2, ::3], Y), want, strict=True):
            np.testing.assert_allclose(got, w, rtol=1e-12)


# Which instructions


def test_a_layer_is_a_product_of_matrices_in_place():
    body = printed(network([20, 30, 10], ops.relu)).body
    assert len(re.findall(r"\b(np\.dot|(np\.)?matmul\w*)\(", body)) >= 5
    assert "z1 += b1" in body


def test_attention_is_twelve_products_and_no_sum_of_rows():
    body = printed(attention(causal=True)).body
    assert ".sum(" not in body
    assert "reduce" not in body
    assert "masked_softmax_rows(" in body
    assert "where=" not in body  # what softmax has made 0 needs no mask backwards


def test_windows_are_views():
    source = printed(convolution()).source
    assert "as_strided(" in source.split("def value_and_grad")[0]
    assert "as_strided(" not in source.split("def value_and_grad")[1]


def test_a_recurrence_is_a_loop_each_way():
    body = printed(recurrence()).body
    assert body.count("for ") == 2
    assert body.count("tanh(") == 1


def test_weight_decay_is_added_in_one_go():
    body = printed(batch(5, 4)).body
    assert body.count("np.dot(weights, weights") == 1
    assert body.count("decay") == 2


def test_neighbours_are_added_into_one_array():
    assert printed(jacobi(6)).body.count(".fill(0)") == 3  # along one axis, then along the other
    assert printed(gemm(4)).body.count("np.matmul(") == 3


# What is rare

N, I, J = Axis("n"), Axis("i", 4), Axis("j", 3)


def leaf(name, start, *axes):
    shape = [axis.size for axis in axes]
    count = int(np.prod(shape, dtype=int))
    return Leaf(name, "parameter", axes, np.arange(start, start + count))


def assert_cost_prints(cost, *parameters, inputs=1):
    assert_prints(Printed(cost, list(parameters), N), inputs, 1)


@pytest.mark.parametrize("over", [(J,), (I,), (I, J)])
def test_softmax_and_its_logarithm_along_any_axes(over):
    w = leaf("w", 0, I, J)
    weights = constant(np.arange(12.0).reshape(4, 3), I, J)
    assert_cost_prints(sum_over(multiply(weights, Softmax(w, over)), I, J), w)
    assert_cost_prints(sum_over(LogSumExp(w, over), *(a for a in (I, J) if a not in over)), w)
    mask = Mask(w, (Affine(1, ((I, 1), (J, -1))),), -np.inf)
    assert_cost_prints(sum_over(multiply(weights, Softmax(mask, (J,))), I, J), w)


@pytest.mark.parametrize("scale", [1, 800.0, -800.0, np.inf])
@pytest.mark.parametrize("masked", [False, True])
def test_softmax_of_large_numbers(scale, masked):
    w = leaf("w", 0, I, J)
    x = multiply(constant([1.0, 0.5, 0.25, scale], I), w)
    if masked:
        x = Mask(x, (Affine(1, ((I, 1), (J, -1))),), -np.inf)
    shares = Softmax(x, (J,))
    cost = sum_over(multiply(shares, constant([1.0, 2.0, 3.0], J)), I, J)
    program = Printed(cost, [w], N)
    p = np.linspace(0.5, 1.5, 12)
    costs, _ = program(p, np.zeros((2, 1)), np.zeros((2, 1)))
    want, _ = program.want(p, np.zeros((2, 1)), np.zeros((2, 1)))
    np.testing.assert_allclose(costs, want, rtol=1e-12)


@pytest.mark.parametrize("x", [-400.0, -30.0, -6.0, -3.0, 0.0, 1e-3, 2.5, 7.0, 40.0, 370.0, np.inf])
def test_slopes_of_tanh_and_sigmoid_keep_their_digits(x):
    w = leaf("w", 0, I)
    for op in (ops.tanh, ops.sigmoid):
        program = Printed(sum_over(Map(op, (w,)), I), [w], N)
        _, gradient = program(np.full(4, x), np.zeros((1, 1)), np.zeros((1, 1)))
        lost = 4 * np.finfo(float).eps ** 0.7 if op is ops.tanh else 5e-13
        np.testing.assert_allclose(gradient, op.vjp(1.0, x)[0], rtol=lost, atol=1e-300)


def test_an_operation_of_ones_own_and_its_variants():
    def twice_vjp(m, g, y, x, *, factor):
        return (g * m.convert(factor) + 0 * x,)

    @operation(twice_vjp)
    def twice(m, x, *, factor=2):
        """A multiple."""
        return x * m.convert(factor)

    def mixed_vjp(m, g, out, x, y):
        return g * y * m.exp(x), g * m.exp(x)

    @operation(mixed_vjp)
    def mixed(m, x, y):
        """The product eˣ y."""
        return m.exp(x) * y

    w, v = leaf("w", 0, I), leaf("v", 4, I)
    parts = [Map(twice, (w,)), Map(twice.variant(factor=3), (w,)), Map(mixed, (w, v))]
    assert_cost_prints(sum_over(add(*parts), I), w, v)


def test_an_operation_that_branches_in_python_is_named():
    def steep_vjp(m, g, y, x):
        return (g if x > 0 else -g,)

    @operation(steep_vjp)
    def steep(m, x):
        """|x|."""
        return x if x > 0 else -x

    w = leaf("w", 0, I)
    with pytest.raises(TypeError, match="steep cannot be lifted"):
        Printed(sum_over(Map(steep, (w,)), I), [w], N)


@pytest.mark.parametrize("fill", [None, 0.5])
def test_tables_of_places(fill):
    w, v = leaf("w", 0, I, J), leaf("v", 12, I)
    table = [0, 2, 1, 2] if fill is None else [0, -1, 3, 2]
    along = Take(w, J, Constant(np.array(table), (I,)), fill)  # with the operand's own axis
    k = Axis("k", 4)
    apart = Take(w, J, Constant(np.array(table), (k,)), fill)
    assert_cost_prints(sum_over(multiply(along, v, v), I), w, v)
    assert_cost_prints(sum_over(multiply(apart, apart), I, k), w)


def test_ids_among_the_inputs():
    w = leaf("w", 0, J, I)
    ids = Leaf("ids", "input", (N,), 0)
    row = Take(w, J, ids)
    program = Printed(sum_over(multiply(row, row), I), [w], N)
    p, g, X = np.arange(12.0), np.zeros(12), np.array([[2.0], [0.0], [2.0]])
    costs, _ = program.space["prepare"](p, g, 3)(X)
    want_costs, want = program.want(p, X, X)
    np.testing.assert_array_equal(costs, want_costs)
    np.testing.assert_array_equal(g, want)


def test_a_parameter_without_axes_and_a_number():
    b = Leaf("b", "parameter", (), [0])
    assert_cost_prints(multiply(b, b), b)
    assert_cost_prints(read_at(multiply(constant([1.0, 2.0, 3.0], J), b), J, 1), b)


def test_numbers_of_their_own():
    w, v = leaf("w", 0, I), leaf("v", 4, I)
    powers = [ops.power_constant.variant(exponent=3), ops.exponential.variant(base=2)]
    parts = [Map(op, (w,)) for op in powers]
    negatives = [Map(ops.negative, (w,)), multiply(constant(-2), v)]
    assert_cost_prints(sum_over(Map(ops.add, (*parts,)), I), w)
    assert_cost_prints(sum_over(Map(ops.add, (*negatives,)), I), w, v)
    array = constant([1.0, 2, 3, 4], I)
    assert_cost_prints(sum_over(Map(ops.multiply, (constant(2), array, w)), I), w)
    assert_cost_prints(sum_over(multiply(w, w, w, w, w, w), I), w)


def test_a_gradient_that_is_a_parameter_or_a_view_or_a_new_array():
    w, v = leaf("w", 0, I), leaf("v", 4, I)
    assert_cost_prints(sum_over(multiply(w, v), I), w, v)
    assert_cost_prints(read_at(w, I, 2), w)
    turned = read_at(w, I, Affine(3, ((I, -1),)))
    assert_cost_prints(sum_over(multiply(turned, v), I), w, v)
    assert_cost_prints(sum_over(Map(ops.gelu, (w,)), I), w)
    table = Take(v, I, Constant(np.array([3, 3, 0, 1]), (I,)))
    assert_cost_prints(sum_over(multiply(table, w), I), w, v)


def test_norms_of_what_does_not_lie_densely():
    w = Leaf("w", "parameter", (I, J), 2 * np.arange(12))
    assert_cost_prints(sum_over(multiply(w, w), I, J), w)
    v = leaf("v", 24, I)
    assert_cost_prints(add(sum_over(multiply(w, w), I, J), sum_over(multiply(v, v), I)), w, v)


def test_padding_in_two_dimensions_and_back():
    w, p, q, u, v = leaf("w", 0, I, J), Axis("p", 4), Axis("q", 3), Axis("u", 3), Axis("v", 3)
    rows = read_at(w, I, Affine(-1, ((p, 1), (u, 1))), 0.0)
    windows = read_at(rows, J, Affine(-1, ((q, 1), (v, 1))), 0.0)
    filters = leaf("f", 12, u, v)
    z = sum_over(multiply(filters, windows), u, v)
    assert_cost_prints(sum_over(multiply(z, z), p, q), w, filters)
    other = read_at(rows, J, Affine(-1, ((q, 1), (v, 1))), 1.0)  # not to be padded together
    assert_cost_prints(sum_over(multiply(other, other), p, u, q, v), w)
    same = read_at(rows, p, Affine(1, ((u, 1),)), 0.0)  # a diagonal of a window
    assert_cost_prints(sum_over(multiply(same, same), u, J), w)
    inside = read_at(w, I, Affine(0, ((p, 1),)), 0.0)  # nothing is read beyond
    assert_cost_prints(sum_over(multiply(inside, inside), p, J), w)


def test_states_that_are_passed_on_as_they_are():
    t, s, r = Axis("t", 3), State("s", ()), State("r", ())
    x = leaf("x", 0, t)
    swapped = ((s, constant(1), r), (r, constant(2), Map(ops.tanh, (add(s, x),))))
    for out in (s, r, add(s, r), x, multiply(x, s)):
        assert_cost_prints(sum_over(Scan(t, swapped, out), t), x)
    alike = Map(ops.tanh, (add(s, x),))
    twice = ((s, constant(1), alike), (r, constant(2), alike))
    assert_cost_prints(sum_over(Scan(t, twice, multiply(r, s)), t), x)


def test_a_recurrence_within_a_recurrence():
    t, u = Axis("t", 3), Axis("u", 2)
    x, y = leaf("x", 0, t), leaf("y", 3, u)
    s, r = State("s", ()), State("r", ())
    inner = Scan(u, ((r, s, Map(ops.tanh, (add(r, y),))),), Map(ops.tanh, (add(r, y),)))
    step = add(read_at(inner, u, 1), multiply(constant(0.5), x))
    cost = sum_over(Scan(t, ((s, constant(0.25), step),), step), t)
    assert_prints(Printed(cost, [], N, size=5), 1, 1)


def test_inputs_read_step_by_step():
    n, t = N, Axis("t", 3)
    x = Leaf("x", "input", (n, t), [0, 1, 2])
    w, s = Leaf("w", "parameter", (), [0]), State("s", (n,))
    step = Map(ops.tanh, (add(multiply(w, s), multiply(x, s), x),))
    cost = sum_over(Scan(t, ((s, constant(0.5), step),), step), t)
    assert_cost_prints(cost, w, inputs=3)


@pytest.mark.parametrize("name", ["network", "attention", "causal", "convolution", "positions"])
def test_large_examples(name):
    large = {
        "network": lambda: network([40, 30, 10], ops.sigmoid),
        "attention": attention,
        "causal": lambda: attention(causal=True),
        "convolution": convolution,
        "positions": lambda: attention(70, 4, 1),
    }
    example = large[name]()
    program = printed(example)
    p, X, Y = random_numbers(program.size, example.inputs, example.targets, 3)
    costs, gradient = program(0.1 * p, X, Y)
    direction = np.random.default_rng(1).normal(size=program.size)
    h = 1e-6
    ends = [program.space["value"](0.1 * p + k * h * direction, X, Y).sum() for k in (1, -1)]
    assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(gradient @ direction, rel=1e-5)
    assert costs.shape == (3,)


def test_softmax_of_small_numbers_far_from_the_end():
    w, over = leaf("w", 0, I, J), (I,)
    masked = Mask(w, (Affine(3, ((I, -1), (J, 1))),), -np.inf)
    weights = constant(np.arange(12.0).reshape(4, 3), I, J)
    assert_cost_prints(sum_over(multiply(weights, Softmax(masked, over)), I, J), w)
    partly = Mask(Softmax(w, (J,)), (Affine(0, ((I, 1), (J, -1))),))
    assert_cost_prints(sum_over(multiply(weights, partly), I, J), w)


def test_products_that_are_put_into_place_and_added():
    w, v, q = leaf("w", 0, I), leaf("v", 4, I), Axis("q", 6)
    both = add(Put(w, q, Affine(0, ((I, 1),)), (I,)), Put(v, q, Affine(2, ((I, 1),)), (I,)))
    again = Put(both, I, Affine(-1, ((q, 1),)), (q,))
    assert_cost_prints(sum_over(multiply(again, again), I), w, v)


def test_what_is_put_beside_what_reaches_beyond_the_ends():
    w, v, q, r = leaf("w", 0, I, J), leaf("v", 12, I, J), Axis("q", 6), Axis("r", 4)
    wide = Put(Put(w, q, Affine(-1, ((I, 1),)), (I,)), r, Affine(2, ((J, 1),)), (J,))
    narrow = Put(read_at(v, J, 1), q, Affine(1, ((I, 1),)), (I,))
    both = add(wide, Put(narrow, r, Affine(1), ()))
    assert_cost_prints(sum_over(multiply(both, both), q, r), w, v)
    plain = leaf("u", 24, r, I)
    mixed = add(wide, Put(plain, q, Affine(1, ((I, 1),)), (I,)))
    assert_cost_prints(sum_over(multiply(mixed, mixed), q, r), w, v, plain)


def test_decay_by_a_parameter_is_no_decay():
    w, v = leaf("w", 0, I), Leaf("v", "parameter", (), [4])
    norm = sum_over(multiply(w, w), I)
    assert_cost_prints(add(multiply(v, v, norm), sum_over(w, I), norm), w, v)


def test_rules_with_more_than_one_varying_operand():
    w, v = leaf("w", 0, I), leaf("v", 4, I)
    g = Map(VJP(ops.maximum, 0), (w, Map(ops.maximum, (w, v)), w, v))
    assert_cost_prints(sum_over(g, I), w, v)
    h = Map(VJP(ops.maximum, 1), (w, Map(ops.maximum, (constant(0.1), v)), constant(0.1), v))
    assert_cost_prints(sum_over(h, I), w, v)


def test_gradients_that_lie_apart():
    n = N
    w = Leaf("w", "parameter", (I, J), 2 * np.arange(12).reshape(4, 3))
    x = Leaf("x", "input", (n, I, J), np.arange(12))
    assert_cost_prints(sum_over(multiply(w, x), I, J), w, inputs=12)
    assert_cost_prints(sum_over(Map(ops.sin, (add(w, x),)), I, J), w, inputs=12)


def test_long_chains_keep_their_names():
    w = leaf("w", 0, I)
    term = w
    for _ in range(12):
        term = Map(ops.sin, (term,))
    program = Printed(sum_over(term, I), [w], N, {term: "last"})
    assert "out=last)" in program.source


def test_steps_that_are_read_elsewhere():
    t, k = Axis("t", 3), Axis("k", 4)
    x, s = leaf("x", 0, t), State("s", (I,))
    turned = Take(s, I, Constant(np.array([1, 2, 3, 0]), (I,)))
    moved = read_at(s, I, Affine(1, ((I, 1),)), 0.0)
    for step in (turned, moved, rename(turned, I, k)):
        inner = rename(step, k, I) if k in step.axes else step
        scan = Scan(t, ((s, constant([1.0, 2.0, 3.0, 4.0], I), inner),), multiply(x, s))
        assert_cost_prints(sum_over(scan, t, I), x)


def test_an_operation_that_a_rule_calls_and_numpy_lacks():
    def outer_vjp(m, g, y, x):
        return (g * m.softmax([x, x])[0],)

    @operation(outer_vjp)
    def outer(m, x):
        """X."""
        return x

    w = leaf("w", 0, I)
    assert_cost_prints(sum_over(Map(outer, (w,)), I), w)


def test_functions_whose_names_are_taken():
    def prepare_vjp(m, g, y, x):
        return (g * y,)

    @operation(prepare_vjp)
    def prepare(m, x):
        """eˣ."""
        return m.exp(x)

    w = leaf("w", 0, I)
    assert_cost_prints(sum_over(Map(prepare, (w,)), I), w)
    root = ops.power_constant.variant(exponent=0.5)
    assert_cost_prints(sum_over(Map(root, (Map(ops.exp, (w,)),)), I), w)


def test_what_a_function_and_its_rule_have_in_common_is_computed_once():
    w = leaf("w", 0, I)
    printed = Printed(sum_over(Map(ops.gelu, (w,)), I), [w], N)
    assert_prints(printed, 1, 1)
    assert printed.body.count("erfc(") == 1


def test_a_parameter_times_others_is_no_decay():
    w, v = leaf("w", 0, I), leaf("v", 4, I)
    assert_cost_prints(add(sum_over(multiply(w, w, v), I), sum_over(Map(ops.sin, (w,)), I)), w, v)


def test_a_gradient_whose_rows_lie_apart():
    places = np.arange(4)[:, None] * 5 + np.arange(3)
    w, x = Leaf("w", "parameter", (I, J), places), Leaf("x", "input", (N, I, J), np.arange(12))
    k = constant(np.arange(1.0, 13.0).reshape(4, 3), I, J)
    assert_cost_prints(sum_over(multiply(w, Map(ops.sin, (multiply(x, k),))), I, J), w, inputs=12)


def test_sums_of_long_products_and_masks_of_masks():
    w = leaf("w", 0, I)
    long = w
    for k in range(20):
        long = multiply(Map(ops.cos, (multiply(constant(k + 1), w),)), long)
    nested = Map(ops.multiply, (Map(ops.multiply, (w, w)), Map(ops.multiply, (w, long))))
    assert_cost_prints(sum_over(nested, I), w)
    inside = (Affine(2, ((I, -1),)),)
    assert_cost_prints(sum_over(Mask(multiply(w, Mask(w, inside)), inside), I), w)


@pytest.mark.parametrize("name", ["1x", "def", "p", "X", "kind", "w; import os", "", "λ", "_1"])
def test_names_that_are_no_names_or_taken(name):
    w = Leaf(name, "parameter", (I,), range(4))
    assert_cost_prints(sum_over(Map(ops.gelu, (w,)), I), w)


@pytest.mark.parametrize("op", SMOOTH + KINKED + (ops.elu, ops.hard_sigmoid, ops.softsign))
def test_every_activation_stays_float32(op):
    w = leaf("w", 0, I)
    program = Printed(sum_over(Map(op, (w,)), I), [w], N)
    p, X, Y = np.array([-2.0, -0.5, 0.25, 3.0]), np.zeros((1, 1)), np.zeros((1, 1))
    costs, gradient = program(p, X, Y)
    costs32, gradient32 = program(*(a.astype(np.float32) for a in (p, X, Y)))
    assert costs32.dtype == gradient32.dtype == np.float32
    np.testing.assert_allclose(costs32, costs, rtol=1e-5)
    np.testing.assert_allclose(gradient32, gradient, rtol=1e-4, atol=1e-6)


def test_rules_and_functions_that_do_not_depend_on_their_operand():
    def same_vjp(m, g, y, x):
        return (g * 1,)

    @operation(same_vjp)
    def same(m, x):
        """X."""
        return x * 1

    def two_vjp(m, g, y, x):
        return (g * 0,)

    @operation(two_vjp)
    def two(m, x):
        """2, whatever x is."""
        return m.convert(2)

    w, x = leaf("w", 0, I), Leaf("x", "input", (N, I), range(4))
    for op in (same, two):
        cost = sum_over(add(Map(op, (multiply(w, x),)), w), I)
        assert_cost_prints(cost, w, inputs=4)


@pytest.mark.parametrize("m", [10, 2000, 20_000])
def test_products_in_one_or_in_parts(m):
    i, j = Axis("i", 16), Axis("j", 16)
    w = Leaf("w", "parameter", (i, j), range(256))
    x = Leaf("x", "input", (N, j), range(16))
    z = sum_over(multiply(w, x), j)
    program = Printed(sum_over(Map(ops.sin, (z,)), i), [w], N)
    assert "= product_for(" in program.source
    p, X, _ = random_numbers(256, 16, 1, m)
    costs, gradient = program(p, X, X)
    hidden = X @ p.reshape(16, 16).T
    np.testing.assert_allclose(costs, np.sin(hidden).sum(1), rtol=1e-9, atol=1e-9)
    want = (np.cos(hidden).T @ X).ravel()
    np.testing.assert_allclose(gradient, want, rtol=1e-9, atol=1e-9 * m)


def test_leaves_that_lie_backwards():
    """Views of p, X and g, and no tables of places."""
    w = Leaf("w", "parameter", (I, J), np.arange(12)[::-1].reshape(4, 3))
    b = Leaf("b", "parameter", (I,), np.arange(12, 16)[::-1])
    x = Leaf("x", "input", (N, J), [2, 1, 0])
    y = Leaf("y", "input", (N, I, J), 3 + 2 * np.arange(12).reshape(4, 3)[:, ::-1])
    z = add(sum_over(multiply(w, x, y), J), b)
    cost = sum_over(Map(ops.sin, (z,)), I)
    assert_cost_prints(cost, w, b, inputs=30)
    assert "np.array([" not in Printed(cost, [w, b], N).source


@pytest.mark.parametrize("order", "CF")
def test_inputs_in_any_order_of_memory(order):
    x = Leaf("x", "input", (N, I, J), 2 * np.arange(12).reshape(4, 3))
    w = Leaf("w", "parameter", (I, J), range(12))
    program = Printed(sum_over(multiply(w, x), I, J), [w], N)
    p, X, Y = random_numbers(12, 24, 1)
    costs, gradient = program(p, np.asarray(X, order=order), Y)
    np.testing.assert_allclose(costs, X[:, ::2] @ p)
    np.testing.assert_allclose(gradient, X[:, ::2].sum(0))


def test_rows_that_are_added_at_places_in_another_order():
    w, k = leaf("w", 0, I, J), Axis("k", 5)
    index = Constant(np.arange(12).reshape(3, 4) % 5, (J, I))
    put = Put(Map(ops.sin, (w,)), k, index, (J, I))
    assert_cost_prints(sum_over(multiply(put, put), k), w)


def test_a_step_at_0_has_half():
    w = leaf("w", 0, I)
    for operands in ((constant(0), w), (w, constant(0))):
        program = Printed(sum_over(Map(ops.maximum, operands), I), [w], N)
        assert "np.heaviside(w, 0.5)" in program.source
        _, gradient = program(
            np.array([-1.0, 0.0, 2.0, np.nan]), np.zeros((1, 1)), np.zeros((1, 1))
        )
        np.testing.assert_array_equal(gradient, [0, 0.5, 1, 1])


def test_an_input_that_stands_twice_in_a_leaf():
    x = Leaf("x", "input", (N, I, J), np.repeat(np.arange(4)[:, None], 3, axis=1))
    assert_cost_prints(
        sum_over(multiply(leaf("w", 0, I, J), x), I, J), leaf("w", 0, I, J), inputs=4
    )


def test_a_group_of_axes_that_is_no_view_is_copied_at_each_call():
    writer = Writer(Module(), None, None, {}, None)
    array = Array("w", (I, J), {I: 3, J: 1}, kept=True)
    names = writer.grouped(array, [[I, J]]), writer.grouped(array, [[J, I]])
    assert writer.prepared == [f"{names[0]} = w.reshape(12)"]
    assert [line.strip() for line in writer.frame.lines] == [f"{names[1]} = w.T.reshape(12)"]


def test_a_branch_that_is_not_taken_keeps_an_infinite_adjoint_out():
    w = leaf("w", 0, I)
    inside = Map(ops.relu, (w,))
    cost = sum_over(Map(ops.power_constant.variant(exponent=0.5), (inside,)), I)
    program = Printed(cost, [w], N)
    _, gradient = program(np.array([-1.0, 0.0, 4.0, 1.0]), np.zeros((1, 1)), np.zeros((1, 1)))
    np.testing.assert_array_equal(gradient, [0, 0, 0.25, 0.5])


def test_what_the_others_add_up_to():
    w, k = leaf("w", 0, I, J), constant([1.0, 2.0, 4.0], J)
    for over in ((J,), (I, J)):
        others = Others(Map(ops.sin, (w,)), over)
        assert_cost_prints(sum_over(multiply(others, others, k), I, J), w)


# Of comparisons, which are truth values in NumPy
COUNTED: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda a, b: a + b + a,
    "difference": lambda a, b: a - b,
    "negative": lambda a, b: -a,
    "quotient": lambda a, b: b / (a + 1) + a / b,
    "product": lambda a, b: a * b * a,
    "halves": lambda a, b: (a * 2) * 0.5 + (b * 2) * 0.5,
    "dot product": lambda a, b: ops.dot_product(a, b, b, b),
    "exp": lambda a, b: ops.exp(a) + ops.expm1(b),
    "tanh": lambda a, b: ops.tanh(a),
    "sigmoid": lambda a, b: ops.sigmoid(a) + ops.softplus(b),
    "power": lambda a, b: b**a + b**3 + (a + 1) ** b,
    "standard deviation": lambda a, b: ops.std(a, b, 3.0),
    "choice": lambda a, b: ops.where(a, b, a) + ops.max(a, b, 0.5),
    "comparison": lambda a, b: ops.less(a, b) + ops.equal(a, b),
    "softmax": lambda a, b: ops.softmax([a, b])[0] + ops.log_sum_exp(a, b, b),
}  # fmt: skip


@pytest.mark.parametrize("is_table", [False, True])
@pytest.mark.parametrize("name", COUNTED)
def test_truth_values_are_numbers(
    name: str, is_table: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis.Analysis, "is_table", is_table)
    for n in (1, 3):
        ps = [Value(x, label=f"u{k}") for k, x in enumerate((0.6, 0.5, 0.8)[:n])]
        qs = [Value(x, label=f"v{k}") for k, x in enumerate((0.7, 0.5, 0.4)[:n])]
        cost = Value(0.0)
        for p, q in zip(ps, qs, strict=True):
            cost += COUNTED[name](ops.greater(p, q), ops.greater(p, 0.1)) * p * (q + 1) + p * q
        cost.backward()
        costs, gradient = lift(cost, [], [], ps + qs).value_and_grad(np.zeros((1, 0)))
        assert costs == pytest.approx([cost.data], rel=1e-14)
        assert gradient == pytest.approx([v.grad for v in ps + qs], rel=1e-14, abs=1e-14)


def test_operands_that_tie_share_alike() -> None:
    ps = [Value(x, label=f"w{k}") for k, x in enumerate((2.0, 3.0, 1.0))]
    cost = sum((ops.min(2.0, p, 2.0) * ops.max(p, 3.0) for p in ps), Value(0.0))
    cost.backward()
    _, gradient = lift(cost, [], [], ps).value_and_grad(np.zeros((1, 0)))
    assert gradient.tolist() == [p.grad for p in ps] == [1.0, 1.0, 3.0]
