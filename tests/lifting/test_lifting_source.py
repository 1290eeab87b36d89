"""What the source of a lifted program defines, calls, copies and says."""

from __future__ import annotations

import re

import numpy as np
import pytest
from support.lifting import UNARY, agrees, network

from microgradnet import Value, lift, operation, ops
from microgradnet.lifting.functions import helpers

OF_THEIR_OWN = {
    "relu": {"relu_vjp"},
    "tanh": {"tanh_vjp"},
    **{
        name: {name, f"{name}_vjp"}
        for name in ("erf", "erfc", "gelu", "sigmoid", "silu", "softplus")
    },
}


def definitions(source):
    return re.findall(r"^def (\w+)\(", source, re.MULTILINE)


# Functions


@pytest.mark.parametrize("op", UNARY, ids=lambda op: op.name)
def test_operations_that_are_no_short_formula_have_functions_of_their_own(op):
    """For value and derivative; of relu and tanh, which NumPy has, for the derivative alone."""
    w, x = Value(0.5), Value(2.0)
    program = lift(op(w) * x, [x], parameters=[w])
    found = [name for name in definitions(program.source) if name in (op.name, f"{op.name}_vjp")]
    assert set(found) == OF_THEIR_OWN.get(op.name, set())
    assert len(found) == len(set(found))
    for name in found:
        assert len(re.findall(rf"\b{name}\(", program.source)) > 1  # it is called too


@pytest.mark.parametrize(
    ("build", "code"),
    [
        (lambda x: ops.silu(x) + ops.maximum(x, 0.5), "np.maximum(a0, 0.5) + silu(a0)"),
        (lambda x: ops.silu(x) + ops.sin(x), "np.sin(a0) + silu(a0)"),
        (lambda x: 2.0 - 3.0 * ops.gelu(x), "2 - 3 * gelu(a0)"),
    ],
)
def test_functions_are_called_wherever_in_a_formula(build, code):
    x = Value(0.5)
    program = lift(build(x), [x])
    assert f"    C = {code}  # (m, 1)\n" in program.source
    assert program.value([[0.25]]) == pytest.approx(build(Value(0.25)).data, rel=1e-14)


def test_own_operations_are_numbered_whatever_they_are_called(own_table):
    def doubled(m, g, y, x):
        return (g * (2 * x + m.cos(x)),)

    def halved(m, g, y, x):
        return (g * (x - m.sin(x)),)

    def third(m, g, y, x):
        return (g * (1 - m.exp(-x)),)

    @operation(doubled)
    def gelu2(m, x):
        return x * x + m.sin(x)

    @operation(halved)
    def value(m, x):
        return x * x / 2 + m.cos(x)

    @operation(third)
    def hyphen(m, x):
        return x + m.exp(-x)

    def build(xs, ys):
        w = Value(0.5)
        z = w * xs[0]
        return [ops.gelu(z) + gelu2(z) * value(z) + hyphen(z) * ops.silu(z)], [w]

    def form(program):
        found = {name.removesuffix("_vjp") for name in definitions(program.source)}
        assert {name for name in found if "own" in name} == {"own", "own_2", "own_3"}
        assert found >= {"gelu", "silu"}

    agrees(build, [[1.0], [-2.0]], [[], []], form=form)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("softmax_vjp(x, g)", ["softmax", "softmax_vjp"]),
        ("erf(erfc(x))", ["erf", "erfc"]),
        ("np.times(x)", []),
    ],
)
def test_helpers_bring_those_that_they_call_and_come_before_them(text, names):
    assert [definitions(helper) for helper in helpers(text)] == [[name] for name in names]


# What is written around the equations


def layered(cost="quadratic", output="sigmoid"):
    model, forward, y, c = network((3, 4, 1), "tanh", output, cost)
    return model, forward, y, c


def parts(program):
    """The text of `value`, and of `value_and_grad` or `vjp`."""
    value, pull = re.split(r"^def (?:value_and_grad|vjp)\(", program.source, flags=re.MULTILINE)
    return value[value.index("def value(") :], pull


def test_docstrings_say_whether_costs_or_outputs_are_computed():
    model, forward, y, c = layered()
    value, pull = parts(lift(c, forward.a[0], y, model.parameters()))
    assert '"""The costs of the examples: rows of X' in value
    assert '"""The costs, and g, the gradient by p summed over the examples."""' in pull
    outputs = lift([forward.a[-1][0], forward.z[-1][0]], forward.a[0], (), model.parameters())
    value, pull = parts(outputs)
    assert '"""The outputs for each example: rows of X' in value
    assert '"""The outputs, and g, the gradient by p of the sum of V × outputs."""' in pull


def test_the_three_parts_are_said_once_each_and_in_their_order():
    model, forward, y, c = layered()
    value, pull = parts(lift(c, forward.a[0], y, model.parameters()))
    assert re.findall(r"^ +# (.*)", pull, re.MULTILINE) == ["forward", "backward", "gradients"]
    assert "    #" not in value


@pytest.mark.parametrize(
    ("cost", "own"),
    [
        (lambda w, x: ops.tanh(w * x) ** 2, True),
        (lambda w, x: ops.tanh(w * x), False),  # is computed in an array that is kept
        (lambda w, x: x, False),  # is an array of the caller's
    ],
)
def test_costs_are_copied_only_out_of_arrays_that_are_not_their_own(cost, own):
    """By value_and_grad; what `value` gives is copied by who calls it."""
    x, w = Value(0.5), Value(2.0)
    value, pull = parts(lift(cost(w, x), [x], (), [w]))
    assert "    return C[:, 0]\n" in value
    assert f"    return C[:, 0]{'' if own else '.copy()'}, g\n" in pull


@pytest.mark.parametrize(
    ("inputs", "targets", "line"),
    [
        ("x", "y", "a0, y, m = X, Y, len(X)"),
        ("x", "", "a0, m = X, len(X)"),
        ("", "y", "y, m = Y, len(X)"),
        ("", "", "m = len(X)"),
    ],
)
def test_only_arguments_that_are_used_get_their_names(inputs, targets, line):
    x, y, w = Value(0.5), Value(0.25), Value(2.0)
    cost = w * w
    cost = cost * x if inputs else cost
    cost = cost + y if targets else cost
    program = lift(cost, [x], [y] if targets else [], [w])
    for part in parts(program):
        assert f"    {line}\n" in part
    (found,) = program.value([[3.0]], [[10.0]] if targets else None)
    assert found == 4.0 * (3.0 if inputs else 1.0) + (10.0 if targets else 0.0)


# Constants, and parameters that are gathered


@pytest.mark.parametrize(
    ("factors", "arrays"), [((1.0, 1.0), 0), ((2.0, 2.0), 1), ((2.0, 3.0), 1), ((1.0, 3.0), 1)]
)
def test_shared_weights_are_multiplied_by_their_factors_unless_all_are_1(factors, arrays):
    """The factors stand in the gathering of the matrix alone: no equation knows their array."""
    kernel = [Value(0.5), Value(-0.25)]

    def build(xs, ys):
        one, two = (c * w if c != 1 else w for c, w in zip(factors, kernel, strict=True))
        return [sum((ops.tanh(one * xs[k] + two * xs[k - 1]) for k in range(3)), Value(0.0))], (
            kernel
        )

    def form(program):
        assert len(set(re.findall(r"^K\d+ = ", program.source, re.MULTILINE))) == arrays
        assert "k1" not in program.source

    agrees(build, [[0.3, -0.7, 1.1], [-1.2, 0.4, 0.9]], [[], []], form=form)


def test_constants_of_equations_have_the_examples_kind():
    x = [Value(0.5), Value(0.25), Value(-1.0)]
    w = [Value(2.0), Value(0.5), Value(1.5)]
    z = [ops.tanh(c * (v * u)) for c, v, u in zip((0.5, 0.25, 3.0), w, x, strict=True)]
    program = lift(z, x, parameters=w)
    for part in parts(program):
        assert part.count("k1 = K1.astype(p.dtype, copy=False)\n") == 1
    single = program.value(np.array([[1.0, 2.0, 3.0]], dtype=np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, np.tanh([[1.0, 0.25, 13.5]]), rtol=1e-6)


# Functions of many operands, as text


FUNCTIONS = (
    ops.tanh, ops.sin, ops.cos, ops.exp, ops.sigmoid, ops.gelu, ops.sinh, ops.softplus, ops.atan,
    ops.silu,
)  # fmt: skip


@pytest.mark.parametrize(
    ("n", "text", "latex"),
    [
        (2, "v1, v2", "v^{1}, v^{2}"),
        (8, "v1, v2, v3, v4, v5, v6, v7, v8", "v^{6}, v^{7}, v^{8}"),
        (9, "v1, v2, v3, v4, v5, v6, v7, v8, v9", "v^{7}, v^{8}, v^{9}"),
        (10, "v1, v2, v3, v4, v5, v6, v7, … (2 more), v10",
         r"v^{7}, \cdots\;(\text{2 more}), v^{10}"),
    ],
)  # fmt: skip
def test_components_of_a_softmax_are_counted_from_1_and_long_rows_cut(n, text, latex):
    xs = [Value(0.1 * k) for k in range(n)]
    outputs = ops.softmax([f(x) for f, x in zip(FUNCTIONS, xs, strict=False)])
    for k in (0, 1, n - 1):
        program = lift(outputs[k], xs)
        (equation,) = (e for e in program.equations if e.left == "C")
        assert equation.text == f"C = softmax({text})[{k + 1}]"
        assert latex + rf"\right)_{{{k + 1}}}" in equation.latex
        assert r"= \operatorname{softmax}\left(v^{1}, v^{2}" in equation.latex
        (found,) = program.value([[x.data for x in xs]])
        assert found == pytest.approx(outputs[k].data, rel=1e-14)
