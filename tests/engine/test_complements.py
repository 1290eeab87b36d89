"""Where an activation saturates, numbers and gradients keep their digits, as people write them.

The right values are mpmath's, computed from z with so many digits that nothing is lost.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

from microgradnet import (
    Value,
    atanh,
    check_grad,
    delta,
    erf,
    erfc,
    explain,
    grad,
    hessian,
    jvp,
    lift,
    log,
    log1p,
    log_sum_exp,
    no_grad,
    operation,
    ops,
    sigmoid,
    softmax,
    tanh,
    verify,
)  # fmt: skip
from microgradnet.arithmetic import parts
from microgradnet.complements import evaluation
from microgradnet.costs import cross_entropy, log_likelihood, log_likelihood_from_z
from microgradnet.exploring import explore
from microgradnet.nn import MLP
from microgradnet.operation import operations

U = 2.0**-53
DIGITS = 700  # e⁻⁷⁰⁰ beside 1 has 304 zeros

saturated = st.one_of(
    st.floats(10, 700), st.floats(-700, -10), st.sampled_from([36.7, 36.8, 37.0, -37.0, 40.0])
)


def sigma(z: Any) -> Any:
    return 1 / (1 + mp.exp(-z))


def close(got: float, want: Any, roundings: float = 16, terms: Any = 0) -> bool:
    size = max(abs(want), terms)
    return bool(abs(got - want) <= roundings * U * size + mpf(2) ** -1070)


@given(saturated | st.floats(-10, 10), st.sampled_from([0, 1, 0.5]))
def test_the_error_of_a_sigmoid_with_cross_entropy_is_a_minus_y(z: float, y: float) -> None:
    node = Value(z)
    cost = cross_entropy([sigmoid(node)], [y])
    cost.backward()
    with mp.workdps(DIGITS):
        a, rest = sigma(mpf(z)), sigma(-mpf(z))
        assert close(node.grad, {0: a, 1: -rest, 0.5: a - 0.5}[y], terms=y * (1 - y))
        assert close(cost.data, -y * mp.log(a) - (1 - y) * mp.log(rest))
    found = delta.backprop([[[1]]], [[0]], ["sigmoid"], "cross_entropy", [z], [y]).delta[1][0]
    assert abs(found - node.grad) <= 32 * U * max(abs(node.grad), y * (1 - y))


@given(saturated, st.sampled_from([0, 1, 0.5]))
def test_verify_agrees_where_the_output_is_saturated(z: float, y: float) -> None:
    model = MLP(1, [1], activation="sigmoid", output_activation="sigmoid")
    model.weights[1] = [[1.0]]
    model.biases[1] = [0.0]
    assert verify(model, [[z]], [[y]], cost="cross_entropy", steps=0).ok


WRITTEN: dict[
    str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any], float]
] = {
    # what is written, its value, its derivative, up to which |z| floats have them
    "1 - σ": (lambda z: 1 - sigmoid(z), lambda z: sigma(-z), lambda z: -sigma(z) * sigma(-z), 700),
    "σ(1 - σ)": (
        lambda z: sigmoid(z) * (1 - sigmoid(z)),
        lambda z: sigma(z) * sigma(-z),
        lambda z: sigma(z) * sigma(-z) * (sigma(-z) - sigma(z)),
        700,
    ),
    "log(1 - σ)": (
        lambda z: log(1 - sigmoid(z)),
        lambda z: mp.log(sigma(-z)),
        lambda z: -sigma(z),
        700,
    ),
    "log σ": (lambda z: log(sigmoid(z)), lambda z: mp.log(sigma(z)), lambda z: sigma(-z), 700),
    "logit": (
        lambda z: log(sigmoid(z) / (1 - sigmoid(z))),
        lambda z: z,
        lambda z: mpf(1),
        340,
    ),
    "log(1 - tanh²)": (
        lambda z: log(1 - tanh(z) ** 2),
        lambda z: -2 * mp.log(mp.cosh(z)),
        lambda z: -2 * mp.tanh(z),
        340,
    ),
    "1 - t·t": (
        lambda z: (lambda t: 1 - t * t)(tanh(z)),
        lambda z: mp.sech(z) ** 2,
        lambda z: -2 * mp.tanh(z) * mp.sech(z) ** 2,
        340,
    ),
    "atanh tanh": (lambda z: atanh(tanh(z)), lambda z: z, lambda z: mpf(1), 340),
    "-a + 1": (
        lambda z: -sigmoid(z) + 1,
        lambda z: sigma(-z),
        lambda z: -sigma(z) * sigma(-z),
        700,
    ),
    "log1p(-a)": (
        lambda z: log1p(-sigmoid(z)),
        lambda z: mp.log(sigma(-z)),
        lambda z: -sigma(z),
        700,
    ),
    "1 + tanh": (
        lambda z: 1 + tanh(z),
        lambda z: 1 + mp.tanh(z),
        lambda z: mp.sech(z) ** 2,
        340,
    ),
    "(1 - t)(t + 1)": (
        lambda z: (lambda t: (1 - t) * (t + 1))(tanh(z)),
        lambda z: mp.sech(z) ** 2,
        lambda z: -2 * mp.tanh(z) * mp.sech(z) ** 2,
        340,
    ),
    "log1p tanh": (
        lambda z: log1p(tanh(z)),
        lambda z: mp.log(1 + mp.tanh(z)),
        lambda z: 1 - mp.tanh(z),
        340,
    ),
    "1 + erf": (
        lambda z: 1 + erf(z / 32),
        lambda z: mp.erfc(-z / 32),
        lambda z: mp.exp(-((z / 32) ** 2)) / mp.sqrt(mp.pi) / 16,
        700,
    ),
    "1 - erf": (
        lambda z: 1 - erf(z / 32),
        lambda z: mp.erfc(z / 32),
        lambda z: -mp.exp(-((z / 32) ** 2)) / mp.sqrt(mp.pi) / 16,
        700,
    ),
    "1 - erfc": (
        lambda z: 1 - erfc(z / 32),
        lambda z: mp.erf(z / 32),
        lambda z: mp.exp(-((z / 32) ** 2)) / mp.sqrt(mp.pi) / 16,
        700,
    ),
    "1 - softmax": (
        lambda z: 1 - softmax([z, Value(0.0)])[0],
        lambda z: sigma(-z),
        lambda z: -sigma(z) * sigma(-z),
        700,
    ),
    "log softmax": (
        lambda z: log(softmax([z, Value(0.0)])[0]),
        lambda z: mp.log(sigma(z)),
        lambda z: sigma(-z),
        700,
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
@given(z=saturated)
def test_what_people_write_keeps_its_digits(name: str, z: float) -> None:
    written, value, slope, end = WRITTEN[name]
    z *= end / 700
    node = Value(z)
    result = written(node)
    result.backward()
    with mp.workdps(DIGITS):
        roundings = 32 + 8 * abs(z) * ("log1p" in name)  # e^−y, where y is ln(1 + x)
        assert close(result.data, value(mpf(z)), roundings)
        assert close(node.grad, slope(mpf(z)), roundings)
    with no_grad():
        assert written(Value(z)).data == result.data
    # In every mode the same numbers.
    assert grad(lambda x: written(x))(z) == pytest.approx(node.grad, rel=1e-13)
    assert jvp(lambda x: written(x), (z,), (1.0,))[1] == pytest.approx(node.grad, rel=1e-13)
    recorded = written(Value(z))
    for copy in (deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert copy.data == result.data == recorded.data


@given(saturated, st.sampled_from([0, 1, 0.5]))
def test_softmax_with_a_binary_cross_entropy(z: float, y: float) -> None:
    nodes = [Value(z), Value(0.0)]
    cost = cross_entropy(softmax(nodes), [y, 1 - y])
    cost.backward()
    with mp.workdps(DIGITS):
        a, rest = sigma(mpf(z)), sigma(-mpf(z))
        want = {0: 2 * a, 1: -2 * rest, 0.5: 2 * a - 1}[y]
        assert close(nodes[0].grad, want, 32, terms=4 * y * (1 - y))
        assert close(nodes[1].grad, -want, 32, terms=4 * y * (1 - y))


logits = st.lists(saturated | st.floats(-10, 10), min_size=2, max_size=5)


@given(logits, st.sampled_from(["one", "half", "two", "soft", "none"]))
def test_the_error_of_a_softmax_from_z_is_a_minus_y(z: list[float], kind: str) -> None:
    """Costs, all modes and δ: the gradient is aₖ Σ y over the others − yₖ (1 − aₖ)."""
    targets = {"one": [1], "half": [0.5], "two": [1, 1], "soft": [0.75, 0.25], "none": [0]}[kind]
    y = [*map(float, targets), *[0.0] * (len(z) - len(targets))]

    def cost(z: list[Any]) -> Any:
        return log_likelihood_from_z(z, y)

    nodes = list(map(Value, z))
    result = cost(nodes)
    result.backward()
    recorded = cost(nodes).backward(create_graph=True)
    with mp.workdps(DIGITS):
        zs = list(map(mpf, z))
        total = mp.log(mp.fsum(map(mp.exp, zs)))
        shares = [mp.exp(v - total) for v in zs]
        costs = mp.fsum(t * (total - v) for t, v in zip(y, zs, strict=True))
        gradient = [share * sum(y) - t for share, t in zip(shares, y, strict=True)]
    # Each shift zₖ − max z is rounded once, of |z| up to 700, before exp takes it; of several
    # targets the sum is rounded.
    roundings, terms = 1500, max(y) * (len(targets) > 1)
    assert close(result.data, costs, roundings)
    with no_grad():
        assert cost(list(map(Value, z))).data == result.data
    assert close(float(delta.cost("log_likelihood_from_z", z, y)), costs, roundings)
    by_hand = delta.cost_prime("log_likelihood_from_z", z, y)
    for k, want in enumerate(gradient):
        along = [float(j == k) for j in range(len(z))]
        for got in (
            nodes[k].grad,
            recorded[nodes[k]].data,
            grad(cost)(z)[k],
            jvp(cost, (z,), (along,))[1],
            float(by_hand[k]),
        ):
            assert close(got, want, roundings, terms)
    curvature = hessian(cost)(z)
    with mp.workdps(DIGITS):
        for j, row in enumerate(curvature):
            for k, got in enumerate(row):
                own = shares[j] * mp.fsum(s for i, s in enumerate(shares) if i != j)
                want = sum(y) * (own if j == k else -shares[j] * shares[k])
                assert close(got, want, 2 * roundings)


@given(saturated, saturated)
def test_a_logarithm_of_a_sum_less_one_of_its_terms(z: float, w: float) -> None:
    """As people write it, with the sign the other way round, and of another number."""
    for written, sign in ((lambda z, w: log_sum_exp(z, w) - z, 1),
                          (lambda z, w: z - log_sum_exp([z, w]), -1)):  # fmt: skip
        nodes = Value(z), Value(w)
        result = written(*nodes)
        result.backward()
        with mp.workdps(DIGITS):
            over = sign * mp.log1p(mp.exp(mpf(w) - mpf(z)))
            share = sign * sigma(mpf(w) - mpf(z))
        assert close(result.data, over, 1500)
        assert close(nodes[0].grad, -share, 1500)
        assert close(nodes[1].grad, share, 1500)
        for along, want in (((1.0, 0.0), -share), ((0.0, 1.0), share)):
            assert close(jvp(written, (z, w), along)[1], want, 1500)
        assert jvp(written, (z, w), (1.0, 1.0))[1] == 0  # the difference does not move
    assert (log_sum_exp(Value(z), w) - z).data >= 0


def test_digits_of_mpmath_are_kept_in_the_same_way() -> None:
    with mp.workdps(20):
        z, w = Value(mpf(60)), Value(mpf(0))
        cost = log_sum_exp(z, w) - z
        cost.backward()
        want = mp.exp(-60)
        assert mp.almosteq(cost.data, want, 1e-15)
        assert mp.almosteq(z.grad, -want, 1e-15)
        assert mp.almosteq(w.grad, want, 1e-15)
        recorded = (log_sum_exp(z, w) - z).backward(create_graph=True)
        assert mp.almosteq(recorded[z].data, -want, 1e-15)


def test_a_contribution_of_two_terms_is_a_number_to_whoever_asks_for_one() -> None:
    first, second = ops.log_sum_exp.contributions(1.0, 40.0, (40.0, 0.0))
    assert parts(first) == (1.0, -second) and parts(second) == (second,)
    assert repr(first) == f"TwoTerms(1.0, {-second})"
    assert parts(first * 2) == parts(2 * first) == (2.0, -2 * second)
    assert parts(first + 1) == parts(1 + first) == (1.0, 1.0)
    assert ops.log_sum_exp.vjp(1.0, 40.0, 0.0) == (1.0, second)
    assert ops.log_sum_exp.vjp(math.inf, 40.0, 0.0) == (math.inf, math.inf)
    x, y = Value(40.0), Value(0.0)
    total = log_sum_exp(x, y)
    assert total.partials() == (1.0, second)
    total.backward()
    assert explain(total, x).startswith("∂C/∂") and x.grad == 1.0


def test_a_leaf_of_no_grad_knows_what_it_was_computed_from_until_it_is_changed() -> None:
    outside = tanh(Value(30.0))
    with no_grad():
        a = sigmoid(Value(40.0))
        assert (1 - a).data == sigmoid(-40.0)
        assert (1 - outside * outside).data == (1 - tanh(30.0 * Value(1.0)) ** 2).data > 0
        assert pickle.loads(pickle.dumps(a)).data == deepcopy(a).data == 1
        a.data = 0.25
        assert (1 - a).data == 0.75
        x = Value(0.5)
        for _ in range(100):
            x = x * x
    assert type(x) is Value and x.parents == a.parents == ()


def test_the_graph_is_as_it_was_written() -> None:
    a = sigmoid(Value(40.0))
    rest = 1 - a
    one, parent = rest.parents
    assert (one.data, parent, rest.op) == (1.0, a, ops.subtract)
    assert rest.partials() == (1.0, -1.0)
    rest.log().backward()
    assert a.grad == -1 / rest.data


@pytest.mark.parametrize("kind", [int, float, mpf])
def test_one_is_one_of_any_kind(kind: Callable[[int], Any]) -> None:
    with mp.workdps(30):
        z = Value(mpf(100) if kind is mpf else 100.0)
        for rest in (
            Value(kind(1)) - sigmoid(z),
            ops.subtract(kind(1), sigmoid(z)),
            kind(1) - sigmoid(z),
        ):
            assert mp.almosteq(rest.data, mp.exp(-100), 1e-15)


def test_nothing_else_changes() -> None:
    x, z = Value(0.1), Value(40.0)
    assert (1 - x).data == 1 - 0.1
    assert (2 - sigmoid(z)).data == 1.0
    assert (1 + sigmoid(z)).data == (1 + -x + x).data + 1
    assert (1 + x * x).data == 1 + 0.1 * 0.1
    assert (log_sum_exp(x, z) - x).data == 40.0 - 0.1
    assert (1 - x * x).data == 1 - 0.1 * 0.1
    assert (1 - x**2).data == 1 - 0.1**2
    assert log(1 - x).data == math.log(1 - 0.1)
    assert (1 - tanh(z) ** 3).data == 0.0
    assert (1 - tanh(z) * sigmoid(z)).data == 0.0
    assert log(sigmoid(-z)).data == math.log(sigmoid(-40.0))
    assert (x - x - sigmoid(z)).data == -1.0
    assert ((x / x) - sigmoid(z)).data == 0.0  # a 1 that was computed


def test_formulas_are_the_textbooks(require_oracle: Callable[[str], Any]) -> None:
    sympy = require_oracle("sympy")
    z = sympy.Symbol("z")
    assert (1 - sigmoid(Value(z))).data == 1 - 1 / (1 + sympy.exp(-z))


def test_a_program_and_check_grad_compute_it_anew() -> None:
    z, y = Value(0.5, label="z"), Value(1.0, label="y")
    cost = cross_entropy([sigmoid(z)], [y])
    lift(cost, [z], [y], check=([[40.0], [-3.0]], [[1.0], [0.25]]))
    check_grad(lambda x: cross_entropy([sigmoid(x)], [0]), (40.0,))
    check_grad(lambda x: log(1 - tanh(x) ** 2), (25.0,))
    check_grad(lambda x: 1 - sigmoid(x), (40.0,))


def test_an_operation_of_ones_own_declares_it(own_table: None) -> None:
    def arc_vjp(m: Any, g: Any, y: Any, x: Any, *, scale: Any) -> Any:
        return (m.divide(g, 1 + x),)

    def arc_complement(m: Any, x: Any, *, scale: Any) -> Any:
        return m.divide(m.convert(scale), 1 + x)

    @operation(arc_vjp, complement=arc_complement)
    def arc(m: Any, x: Any, *, scale: Any = 1) -> Any:
        return m.divide(x + 1 - scale, 1 + x)

    assert (1 - arc(Value(1e20))).data == 1e-20
    assert (1 - arc(Value(1e20), scale=2)).data == 2e-20
    square = 1 - arc(Value(1e20)) ** 2
    assert square.data == 2e-20
    assert log(arc(Value(1e20))).data == -1e-20


def test_the_page_computes_it_anew(tmp_path: Any) -> None:
    z, y = Value(40.0, label="z"), Value(0.5, label="y")
    text = explore(cross_entropy([sigmoid(z)], [y]), tmp_path / "page.html").path.read_text("utf-8")
    assert "m.log1p(t1)" in text and '"from":' in text


def test_the_cost_of_a_confident_softmax() -> None:
    nodes = [Value(40.0), Value(0.0)]
    cost = log_likelihood(softmax(nodes), [1, 0])
    assert cost.data == pytest.approx(4.248354255291589e-18, rel=1e-14)


def test_evaluation_takes_the_parents_where_nothing_is_known() -> None:
    x = Value(2.0)
    assert evaluation(ops.log, (x,)) == (ops.log.forward, (x,))


@pytest.mark.parametrize("inner", [op for op in operations() if op.complement], ids=repr)
def test_every_sensitive_operation_takes_every_operand(inner: Any) -> None:
    """As from artanh(tanh z) so from artanh(erf z): where nothing sharper is known, the parents."""
    x = Value(0.5)
    a = inner(*[x] * (inner.arity or 2))
    for outer in (1 - a, a.log(), ops.xlogy(0.5, a), a.atanh()):
        assert math.isfinite(outer.data)
        outer.backward()
