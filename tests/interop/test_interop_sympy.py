"""SymPy: the formulas that the scalar engine finds are the δ equations, and SymPy's derivatives.

Equation by equation: BP1 to BP4 of `delta` run on object arrays of symbols, with σ′ and C′ by
SymPy's own differentiation of formulas written here. And from end to end: what the engine finds,
unrolled into parameters and inputs, is the derivative of the unrolled cost. Proved means that the
difference simplifies to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from sympy import Abs, Function, Piecewise, Rational, Symbol, erf, exp, log, sqrt, symbols, tanh

from microgradnet import MLP, Value, costs, delta, operation
from microgradnet.interop import Formulas, symbolic

SIGMA: dict[str, Any] = {
    "linear": lambda z: z,
    "sigmoid": lambda z: exp(z) / (1 + exp(z)),
    "tanh": lambda z: (exp(2 * z) - 1) / (exp(2 * z) + 1),
    "relu": lambda z: Piecewise((z, z > 0), (0, True)),
    "leaky_relu": lambda z: Piecewise((z, z > 0), (z / 100, True)),
    "elu": lambda z: Piecewise((z, z > 0), (exp(z) - 1, True)),
    "softplus": lambda z: log(1 + exp(z)),
    "silu": lambda z: z / (1 + exp(-z)),
    "gelu": lambda z: z * (1 + erf(z / sqrt(2))) / 2,
    "softsign": lambda z: z / (1 + Abs(z)),
    "hard_tanh": lambda z: Piecewise((-1, z <= -1), (1, z >= 1), (z, True)),
    "hard_sigmoid": lambda z: Piecewise((0, z <= -3), (1, z >= 3), (z / 6 + Rational(1, 2), True)),
}
COST: dict[str, Any] = {
    "quadratic": lambda a, y: (a - y) ** 2 / 2,
    "cross_entropy": lambda a, y: -y * log(a) - (1 - y) * log(1 - a),
    "log_likelihood": lambda a, y: -y * log(a),
    "hinge": lambda a, y: Piecewise((1 - y * a, y * a < 1), (0, True)),
}


def proved(difference: Any) -> bool:
    """Whether an expression is 0, by simplification; of pieces, on every piece that there is."""
    difference = sympy.piecewise_fold(sympy.sympify(difference).rewrite(exp))
    if not isinstance(difference, Piecewise):
        return bool(sympy.simplify(difference.rewrite(erf)) == 0)
    before = sympy.false
    for piece, condition in difference.args:
        here = sympy.And(condition, sympy.Not(before))
        before = sympy.Or(before, condition)
        if sympy.simplify(piece) != 0 and here.as_set() != sympy.EmptySet:
            return False
    return True


def assert_proved(got: Any, want: Any) -> None:
    got, want = np.asarray(got, dtype=object), np.asarray(want, dtype=object)
    assert got.shape == want.shape
    for formula, other in zip(got.flat, want.flat, strict=True):
        assert proved(formula - other), f"{formula} is not {other}"


def slopes(sigma: Any, points: list[Symbol]) -> Any:
    return np.array([sympy.diff(sigma(z), z) for z in points], dtype=object)


def formulas(net: Formulas, names: list[Symbol]) -> list[Any]:
    return [net[name] for name in names]


def gradients(net: Formulas, l: int) -> tuple[Any, Any]:
    W, b = net.model.weights[l], net.model.biases[l]
    return np.vectorize(net.gradient, otypes=[object])(W), [net.gradient(x) for x in b]


# --- Equation by equation -------------------------------------------------------------------------


@pytest.mark.parametrize("activation", SIGMA)
@pytest.mark.parametrize("sizes", [(2, 2, 2), (1, 1, 1, 1)], ids=str)
def test_the_engine_finds_the_equations(sizes: tuple[int, ...], activation: str) -> None:
    net = symbolic(MLP(sizes[0], sizes[1:], activation=activation, output_activation=activation))
    W, b, sigma = net.model.weights, net.model.biases, SIGMA[activation]
    a = [np.array(layer, dtype=object) for layer in net.a]
    d = [np.array(layer, dtype=object) for layer in net.delta]
    L = len(sizes) - 1
    for l in range(1, L + 1):
        assert_proved(formulas(net, net.z[l]), delta.weighted_input(W[l], a[l - 1], b[l]))
        if activation != "linear":
            assert_proved(formulas(net, net.a[l]), [sigma(z) for z in net.z[l]])
        assert_proved(gradients(net, l)[0], delta.weight_gradient(d[l], a[l - 1]))
        assert_proved(gradients(net, l)[1], delta.bias_gradient(d[l]))
    C_prime = delta.cost_prime("quadratic", a[L], np.array(net.y, dtype=object))
    assert_proved(formulas(net, net.delta[L]), delta.output_error(C_prime, slopes(sigma, net.z[L])))
    for l in range(L - 1, 0, -1):
        hidden = delta.hidden_error(W[l + 1], d[l + 1], slopes(sigma, net.z[l]))
        assert_proved(formulas(net, net.delta[l]), hidden)


def test_for_every_activation_at_once(own_table: None) -> None:
    """With a σ of which nothing is known, the equations hold whatever it is."""
    sigma = Function("σ", real=True)

    @operation(lambda m, g, y, x: (g * sigma(x).diff(x),))
    def unknown(m: Any, x: Any) -> Any:
        return sigma(x)

    net = symbolic(MLP(2, [3, 2, 1], activation=unknown, output_activation=unknown))
    W = net.model.weights
    for l in (1, 2):
        d = np.array(net.delta[l + 1], dtype=object)
        want = delta.hidden_error(W[l + 1], d, slopes(sigma, net.z[l]))
        assert formulas(net, net.delta[l]) == want.tolist()
    (a,), (y,), (z,) = net.a[3], net.y, net.z[3]
    assert net[net.delta[3][0]] == (a - y) * sigma(z).diff(z)


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_with_cross_entropy_the_slope_cancels(output: str) -> None:
    cost = "cross_entropy" + "_from_z" * (output == "linear")
    net = symbolic(MLP(1, [2], output_activation=output), cost)
    z, d = net.z[1], formulas(net, net.delta[1])
    for j in range(2):
        sigma = SIGMA["sigmoid"](z[j])
        assert not d[j].has(Piecewise)  # σ(z) is never 1, so nothing is left to decide
        if output == "sigmoid":
            d[j] = d[j].subs(net.a[1][j], sigma)
        assert proved(d[j] - (sigma - net.y[j]))


@pytest.mark.parametrize("output", ["softmax", "linear"])
def test_with_softmax_and_log_likelihood_too(output: str) -> None:
    cost = "log_likelihood" + "_from_z" * (output == "linear")
    net = symbolic(MLP(1, [3], output_activation=output), cost)
    one_hot = {net.y[0]: 1, net.y[1]: 0, net.y[2]: 0}
    total = sum(map(exp, net.z[1]))
    for j in range(3):
        d = net[net.delta[1][j]]
        assert not d.has(Piecewise)  # nor is a share ever 0
        d = d.subs(one_hot)
        assert proved(d - (exp(net.z[1][j]) / total - net.y[j].subs(one_hot)))


@pytest.mark.parametrize(
    ("cost", "output"),
    [
        ("quadratic", "softmax"),
        ("cross_entropy", "sigmoid"),
        ("cross_entropy", "softmax"),
        ("log_likelihood", "softmax"),
        ("log_likelihood", "sigmoid"),
        ("cross_entropy_from_z", "linear"),
        ("log_likelihood_from_z", "linear"),
    ],
)
def test_every_cost_has_its_output_error(cost: str, output: str) -> None:
    """The formula of C is the book's, of σ(z) where it is from z; and δ is its derivative."""
    net = symbolic(MLP(1, [2], output_activation=output), cost)
    z, total = net.z[1], sum(map(exp, net.z[1]))
    sigma = {"cross_entropy_from_z": "sigmoid", "log_likelihood_from_z": "softmax"}.get(
        cost, output
    )
    a = [exp(z_j) / total if sigma == "softmax" else SIGMA[sigma](z_j) for z_j in z]
    named = dict(zip(net.a[1], a, strict=True)) if output != "linear" else {}
    book = COST[cost.removesuffix("_from_z")]
    whole = sum(book(a_j, y_j) for a_j, y_j in zip(a, net.y, strict=True))
    point = dict(
        zip([*z, *net.y], (Rational(2, 3), Rational(-5, 4), Rational(1, 5), 1), strict=True)
    )
    assert abs((net[net.C].subs(named) - whole).subs(point).evalf(40)) < 1e-35
    for z_j, d_j in zip(z, formulas(net, net.delta[1]), strict=True):
        assert proved(d_j.subs(named) - sympy.diff(whole, z_j))


@pytest.mark.parametrize("y", [1, -1])
def test_hinge_is_linear_on_either_side_of_its_kink(y: int) -> None:
    net = symbolic(MLP(1, [1]), "hinge")
    (a,), (d,) = net.a[1], formulas(net, net.delta[1])
    for at in (Rational(9, 10), Rational(11, 10), Rational(-9, 10), Rational(-11, 10), 0, 5, -5, y):
        point, book = {net.y[0]: y, a: at}, COST["hinge"](a, y)
        assert net[net.C].subs(point) == book.subs(a, at)
        slope = Rational(-y, 2) if at == y else sympy.diff(book, a).subs(a, at)
        assert d.subs(point) == slope


def test_granularity_makes_no_difference() -> None:
    atomic, neuron = (symbolic(MLP(2, [2, 1], granularity=g)) for g in ("atomic", "neuron"))
    assert list(atomic) == list(neuron)
    assert all(proved(atomic[name] - neuron[name]) for name in atomic)


# --- From end to end ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "activation", "cost"),
    [
        *product(
            [(1, 1, 1), (2, 1)], ["sigmoid", "softplus", "tanh"], ["quadratic", "cross_entropy"]
        ),
        *(((1, 1, 1), name, "quadratic") for name in ("linear", "silu", "gelu")),
        ((1, 1, 1, 1), "sigmoid", "quadratic"),
    ],
)
def test_unrolled_it_is_the_derivative(sizes: tuple[int, ...], activation: str, cost: str) -> None:
    output = "sigmoid" if cost == "cross_entropy" else "linear"
    net = symbolic(MLP(sizes[0], sizes[1:], activation=activation, output_activation=output), cost)
    whole = net.unroll(net.C)
    parameters = [p.data for p in net.model.parameters()]
    assert whole.free_symbols == {*parameters, *net.x, *net.y}
    for w in parameters:
        found = net.unroll(net.gradient(w))
        assert found.free_symbols <= whole.free_symbols
        assert sympy.simplify((found - sympy.diff(whole, w)).rewrite(exp).rewrite(erf)) == 0


@pytest.mark.parametrize("sizes", [(1, 2, 2), (2, 1, 2, 1)], ids=str)
def test_unrolled_for_every_activation_and_cost_at_once(
    sizes: tuple[int, ...], own_table: None
) -> None:
    """From end to end, with a σ and a C of which nothing is known but the names of their slopes."""
    slope = {name: Function(f"{name}′", real=True) for name in "σC"}

    class σ(Function):
        def fdiff(self, argindex: int = 1) -> Any:
            return slope["σ"](*self.args)

    class C(Function):
        def fdiff(self, argindex: int = 1) -> Any:
            return slope["C"](*self.args)  # by a alone: y is no parameter

    @operation(lambda m, g, y, x: (g * slope["σ"](x),))
    def unknown(m: Any, x: Any) -> Any:
        return σ(x)

    @operation(lambda m, g, c, a, y: (g * slope["C"](a, y), m.convert(0)))
    def unknown_cost(m: Any, a: Any, y: Any) -> Any:
        return C(a, y)

    def cost(outputs: Any, targets: Any) -> Any:
        terms = [unknown_cost(a, y) for a, y in zip(outputs, targets, strict=True)]
        return sum(terms[1:], terms[0])

    net = symbolic(MLP(sizes[0], sizes[1:], activation=unknown, output_activation=unknown), cost)
    whole = net.unroll(net.C)
    for parameter in net.model.parameters():
        found = net.unroll(net.gradient(parameter.data))
        assert found != 0
        assert sympy.expand(found - sympy.diff(whole, parameter.data)) == 0


@cache
def compiled(activation: str) -> Callable[..., list[float]]:
    """δ¹₁, δ¹₂ and δ²₁ as one function of numbers."""
    net = symbolic(MLP(2, [2, 1], activation=activation, output_activation="sigmoid"))
    names = [*(p.data for p in net.model.parameters()), *net.x, *net.y]
    unrolled = [net.unroll(name) for name in (*net.delta[1], *net.delta[2])]
    return sympy.lambdify(names, unrolled, "math")


@given(st.integers(0, 10_000), st.sampled_from(["tanh", "silu", "gelu", "elu", "hard_tanh"]))
def test_at_numbers_it_is_the_engine_on_floats(seed: int, activation: str) -> None:
    model = MLP(2, [2, 1], activation=activation, output_activation="sigmoid", init=by(seed))
    x, y = [0.75, -0.5], 0.25
    forward = model.forward(x)
    costs.quadratic(forward.output, y).backward()
    found = compiled(activation)(*(p.data for p in model.parameters()), *x, y)
    assert found == pytest.approx([*forward.delta[1], *forward.delta[2]], abs=1e-14)


def by(seed: int) -> Callable[..., float]:
    rng = Random(seed)
    return lambda *_: rng.uniform(-2, 2)


# --- What it is -----------------------------------------------------------------------------------


def test_the_model_is_left_as_it_was() -> None:
    model = MLP(2, [1], rng=Random(0))
    before = [(p.data, p.label) for p in model.parameters()]
    net = symbolic(model)
    assert [(p.data, p.label) for p in model.parameters()] == before
    assert [str(p.data) for p in net.model.parameters()] == [label for _, label in before]


def test_a_network_of_symbols_runs_like_any_other() -> None:
    net = symbolic(MLP(1, [1], activation="relu"))
    w, b, x = *(p.data for p in net.model.parameters()), Symbol("x")
    out = net.model([x])
    assert isinstance(out, Value)
    assert out.data == b + w * x


def test_it_is_a_mapping_in_the_order_of_computing() -> None:
    net = symbolic(MLP(1, [1, 1], activation="sigmoid", output_activation="sigmoid"))
    last, hidden = ["C", "δ²₁", "∂C/∂w²₁₁", "∂C/∂b²₁"], ["δ¹₁", "∂C/∂w¹₁₁", "∂C/∂b¹₁"]
    names = ["z¹₁", "a¹₁", "z²₁", "a²₁", *last, *hidden]
    assert [str(name) for name in net] == names
    assert str(net).splitlines()[0] == "z¹₁ = a⁰₁*w¹₁₁ + b¹₁"
    assert repr(net) == "<Formulas of a 1-1-1 network, 11 in all>"
    with pytest.raises(KeyError):
        net[symbols("z")]


def test_latex_has_the_indices_where_they_belong() -> None:
    latex = symbolic(MLP(1, [1, 1], activation="tanh"))._repr_latex_()
    assert latex.startswith(
        "$$\n\\begin{aligned}\nz^{1}_{1} &= a^{0}_{1} w^{1}_{11} + b^{1}_{1} \\\\\n"
    )
    error = (
        r"\delta^{1}_{1} &= \frac{w^{2}_{11} \delta^{2}_{1}}{\cosh^{2}{\left(z^{1}_{1} \right)}}"
    )
    assert error in latex
    assert r"\frac{\partial C}{\partial w^{1}_{11}} &= a^{0}_{1} \delta^{1}_{1}" in latex
    wide = symbolic(MLP(1, [10]))._repr_latex_()
    assert "w^{1}_{10,1}" in wide


def test_a_cost_and_an_activation_of_ones_own() -> None:
    net = symbolic(
        MLP(1, [1], output_activation=lambda z: z.tanh() * 2), lambda a, y: (a[0] - y[0]) ** 4
    )
    (z,), (a,), (y,) = net.z[1], net.a[1], net.y
    assert net[a] == 2 * tanh(z)
    assert proved(net[net.delta[1][0]] - 4 * (a - y) ** 3 * 2 / sympy.cosh(z) ** 2)


def test_what_it_refuses() -> None:
    with pytest.raises(TypeError):
        symbolic(Value(1.0))
    with pytest.raises(ValueError, match="no cost 'absolute': there are quadratic"):
        symbolic(MLP(1, [1]), "absolute")
