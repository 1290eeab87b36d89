"""What a found program's text is made of: names, places, the layout and the lines of Python."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lifting import agrees, network

from microgradnet import Value, lift, ops
from microgradnet.lifting import Program
from microgradnet.lifting.layout import array, brackets, names, wrapped
from microgradnet.lifting.naming import numbered

X = [[0.3, -0.7, 1.1], [-1.2, 0.4, 0.9]]


def body(program: Program, function: str = "value_and_grad") -> str:
    """The lines of a function of the source, behind those that give names to its arguments."""
    text = program.source.partition(f"def {function}(")[2].partition("    # forward\n")[2]
    return cleandoc(text.partition("    return")[0])


def learnt(*numbers: float) -> list[Value]:
    return [Value(x) for x in numbers]


# Layout


@pytest.mark.parametrize(
    ("those", "written"),
    [
        (["W1"], "(W1,)"),
        (["W1", "b1"], "W1, b1"),
        (["x" * 29, "y" * 29], f"{'x' * 29}, {'y' * 29}"),
        (["x" * 29, "y" * 30], f"({'x' * 29}, {'y' * 30})"),
    ],
)
def test_names_given_together_stand_in_brackets_where_one_line_may_not_do(
    those: list[str], written: str
) -> None:
    assert names(those) == written


def test_a_line_runs_on_where_90_letters_are_full() -> None:
    first = "a" * 44
    assert wrapped(f"{first}, {'b' * 44}") == f"{first}, {'b' * 44}"
    assert wrapped(f"{first}, {'b' * 45}") == f"{first},\n    {'b' * 45}"
    assert wrapped(f"    {'a' * 60}, {'b' * 60}") == f"    {'a' * 60},\n        {'b' * 60}"


@given(st.lists(st.floats(), min_size=1))
def test_the_text_of_an_array_evaluates_to_its_numbers(numbers: list[float]) -> None:
    text = array(np.array(numbers))
    np.testing.assert_array_equal(eval(text, {"np": np}), numbers)
    assert max(map(len, text.splitlines())) <= 91  # a comma stands behind the 90th


@pytest.mark.parametrize(
    ("index", "size", "found"),
    [
        ([0, 1, 2], 3, ""),
        ([0, 1, 2], 4, "[0:3]"),
        ([3], 4, "[3:4]"),
        ([0, 2], 3, "[0:3:2]"),
        ([1, 4, 7], 9, "[1:8:3]"),
        ([4, 1], 6, "[1:5:3][::-1]"),
        ([1, 1], 3, None),
        ([0, 1, 3], 4, None),
        ([2, 1, 5], 6, None),
        ([[0, 1], [2, 3]], 4, "[0:4].reshape(2, 2)"),
        ([[1, 0], [3, 2]], 4, "[0:4].reshape(2, 2)[:, ::-1]"),
        ([[4, 5, 6]], 8, "[4:7].reshape(1, 3)"),
        ([[0], [3]], 6, "[0:6].reshape(2, 3)[:, 0:1]"),
        ([[1], [4]], 5, None),  # two rows of three would be more than there are
    ],
)
def test_places_that_are_a_view_are_written_as_one(
    index: list[Any], size: int, found: str | None
) -> None:
    assert brackets(np.array(index), size) == found


@given(st.data())
def test_whatever_the_view_its_brackets_give_its_places(data: st.DataObject) -> None:
    def part(n: int) -> slice:
        first = data.draw(st.integers(0, n - 1))
        step = data.draw(st.sampled_from([1, 1, 2, 3]))
        return slice(first, data.draw(st.integers(first + 1, n)), step)

    size = data.draw(st.integers(1, 24))
    places = np.arange(size)[part(size)]
    if data.draw(st.booleans()):
        rows = data.draw(st.sampled_from([n for n in range(1, 25) if len(places) % n == 0]))
        places = places.reshape(rows, -1)
        places = places[:, part(places.shape[1])]
    if data.draw(st.booleans()):
        places = places[::-1]
    found = brackets(places, size)
    flat = np.arange(size)
    if found is not None:
        view = eval(f"vector{found}", {"vector": flat})
        np.testing.assert_array_equal(view, places)
        assert np.shares_memory(view, flat)
    elif places.ndim == 1:
        raise AssertionError("every slice is a view")


# Names and places


@pytest.mark.parametrize(
    ("rows", "written"),
    [
        ([[0, 1, 2]], "1…3"),
        ([[1, 3, 5]], "2,4,6"),
        ([[4]], "5"),
        ([[0, 2, 4, 6, 8, 10]], "1,3,5,7,9,11"),
        ([[0, 2, 4, 6, 8, 10, 12]], "1,3,5,7,9,11,…"),
        ([[0, 1], [3, 2]], "1…2; 4,3"),
        ([[0], [1], [2], [3]], "1; 2; 3; 4"),
        ([[0], [1], [2], [3], [4]], "1; 2; 3; 4; …"),
    ],
)
def test_places_are_counted_from_1_and_many_are_cut_short(rows: Any, written: str) -> None:
    assert numbered(np.array(rows)) == written


def test_one_entry_that_is_used_for_all_is_named_once() -> None:
    p = learnt(0.5, 0.25)

    def build(xs: Any, ys: Any) -> Any:
        u = [ops.tanh(p[0] * xs[0]), ops.tanh(p[1] * xs[1])]
        return [ops.sin(u[0] * xs[0]), ops.sin(u[0] * xs[1]), u[1] + u[0]], p

    x = learnt(*X[0])
    forward = [e.text for e in lift(build(x, [])[0], x, parameters=p).equations]
    assert "v4 = sin(a0[1…2] v2[1])" in forward, forward
    agrees(build, X, [[]] * 2, [[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]])


def test_softmaxes_of_parameters_say_of_which() -> None:
    x, p = learnt(*X[0]), learnt(0.5, 0.25, -0.5, 2.0)
    whole = lift([a * v for a, v in zip(ops.softmax(p[:3]), x, strict=True)], x, parameters=p)
    assert "softmax(θ1)" in str(whole)
    a = [*ops.softmax(p[:2]), *ops.softmax(p[2:])]
    halves = lift([a[0] * x[0], a[1] * x[1], a[2] * x[2], a[3] * x[0]], x, parameters=p)
    assert "softmax(θ[1…2; 3…4])" in str(halves)


def test_constants_that_differ_have_a_name_with_a_number_in_latex_above() -> None:
    x = learnt(*X[0])
    outputs = [ops.tanh(c * v) for c, v in zip((1.5, 2.5, 3.5), x, strict=True)]
    program = lift(outputs, x)
    assert program.equations[0].text == "v2 = tanh(k1 ⊙ a0)"
    assert r"k^{1} \odot a^{0}" in program.equations[0].latex


# Lines


def test_of_tanh_and_sigmoid_the_slope_is_computed_along_and_all_in_place() -> None:
    model, forward, y, cost = network((3, 4, 2), "tanh", "sigmoid", "quadratic")
    program = lift(cost, forward.a[0], y, model.parameters())
    assert body(program) == cleandoc("""
        z1 = affine(W1, a0, b1, z1)  # (m, 4)
        a1, slope1 = tanh_and_slope(z1, two, a1, slope1)  # (m, 4)
        z2 = affine(W2, a1, b2, z2)  # (m, 2)
        a2, slope2 = sigmoid_and_slope(z2, one, top, a2, slope2)  # (m, 2)
        C = 0.5 * squares(a2 - y, ones2)  # (m, 1)
        # backward
        delta2 = (a2 - y) * slope2  # (m, 2)
        delta1 = times(np.matmul(delta2, W2, out=delta1), slope1)  # (m, 4)
        # gradients
        gb2[...] = ones.dot(delta2)  # (2,)
        np.matmul(delta2.T, a1, out=gW2)  # (2, 4)
        gb1[...] = ones.dot(delta1)  # (4,)
        np.matmul(delta1.T, a0, out=gW1)  # (4, 3)
    """)


def test_of_relu_no_slope_is_kept_and_of_one_row_dot_is_the_product() -> None:
    model, forward, y, cost = network((3, 4, 1), "relu", "linear", "quadratic")
    program = lift(cost, forward.a[0], y, model.parameters())
    assert body(program) == cleandoc("""
        z1 = affine(W1, a0, b1, z1)  # (m, 4)
        a1 = np.maximum(z1, zero, out=a1)  # (m, 4)
        z2 = affine(W2, a1, b2, z2)  # (m, 1)
        C = 0.5 * (z2 - y) ** 2  # (m, 1)
        # backward
        delta2 = z2 - y  # (m, 1)
        delta1 = times(np.dot(delta2, W2, out=delta1), z1 > zero)  # (m, 4)
        # gradients
        gb2[...] = ones.dot(delta2)  # (1,)
        gW2[...] = delta2.T.dot(a1)  # (1, 4)
        gb1[...] = ones.dot(delta1)  # (4,)
        np.matmul(delta1.T, a0, out=gW1)  # (4, 3)
    """)


def test_without_biases_a_product_goes_straight_into_its_array() -> None:
    x, p = learnt(*X[0]), learnt(*(0.1 * k for k in range(8)))
    z = [p[3 * j] * x[0] + p[3 * j + 1] * x[1] + p[3 * j + 2] * x[2] for j in range(2)]
    program = lift([ops.sin(v) for v in z], x, parameters=p)
    assert body(program, "vjp") == cleandoc("""
        z1 = np.matmul(a0, W1.T, out=z1)  # (m, 2)
        a1 = np.sin(z1)  # (m, 2)
        # backward
        delta1 = V * np.cos(z1)  # (m, 2)
        # gradients
        g[6:8] = 0
        np.matmul(delta1.T, a0, out=gW1)  # (2, 3)
    """)


def test_what_is_the_same_in_every_example_has_no_m_in_its_shape() -> None:
    x, p = learnt(1.0), learnt(0.5, 2.0)
    cost = ops.exp(p[0] * p[0]) * ops.exp(p[0])
    source = lift(cost, x, parameters=p).source
    assert "theta1 = p[0:1]  # (1,)" in source
    assert "v2 = np.exp(theta1 ** 2)  # (1,)" in source
    assert "C = v2 * v3  # (1,)" in source
    assert "C = a0 * v4  # (m, 1)" in lift(cost * x[0], x, parameters=p).source


def test_without_parameters_there_are_no_gradients() -> None:
    x = learnt(1.0)
    assert "# gradients" not in lift(ops.sin(x[0]) * x[0], x).source
    assert "# gradients" in lift(ops.sin(x[0]), x, parameters=learnt(1.0)).source


def test_slopes_are_kept_of_what_stands_behind_other_functions() -> None:
    p = learnt(0.5, -0.25, 0.75, 1.5)

    def relu_and_tanh(xs: Any, ys: Any) -> Any:
        z = [p[0] * xs[0] + p[1] * xs[1], p[2] * xs[0] + p[3] * xs[1]]
        return [sum((ops.relu(v) + ops.tanh(v) * (1 + ops.tanh(v)) for v in z), Value(0.0))], p

    def tanh_of_a_parameter(xs: Any, ys: Any) -> Any:
        a = ops.tanh(ops.sin(ops.tanh(p[0])) * xs[0])
        return [a * a + ops.sin(a)], p

    x = learnt(*X[0])
    lines = body(lift(relu_and_tanh(x, [])[0][0], x, parameters=p))
    assert "delta1 = (v1 + 1 + v1) * slope_v1 + relu_vjp(1, z1)  # (m, 2)" in lines
    lines = body(lift(tanh_of_a_parameter(x, [])[0][0], x, parameters=p))
    assert "(2 * v4 + np.cos(v4)) * slope_v4" in lines
    assert lines.count("tanh_and_slope") == 1
    agrees(relu_and_tanh, X, [[]] * 2)
    agrees(tanh_of_a_parameter, X, [[]] * 2)


def test_a_convolution_has_no_factors_where_all_are_1() -> None:
    x, p = learnt(*X[0]), learnt(0.5, -0.25)

    def lifted(c: float) -> str:
        z = [p[0] * x[k] + c * (p[1] * x[k - 1]) for k in range(3)]
        return lift([ops.tanh(v) for v in z], x, parameters=p).source

    assert "K1" not in lifted(1.0)
    assert "K1.astype(p.dtype)" in lifted(2.0)
    assert "* K1" in lifted(2.0).partition("# gradients")[2]
