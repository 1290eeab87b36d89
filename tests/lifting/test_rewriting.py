"""Each rewrite by itself: where it applies, and that the values are the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_terms import leaves_of, numbers, sample

from microgradnet import ops
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.rewriting import (
    COMPLEMENTS,
    DIFFERENTIATED,
    GRADIENTS,
    LOGARITHMS,
    STABLE,
    VALUES,
    rewrite,
)
from microgradnet.lifting.terms import (
    Affine,
    Axis,
    Concatenate,
    Constant,
    Leaf,
    LogSumExp,
    Map,
    Mask,
    Others,
    Put,
    Softmax,
    Take,
    add,
    constant,
    multiply,
    negative,
    read_at,
    rename,
    sum_over,
)

I, J, K = Axis("i", 3), Axis("j", 3), Axis("k", 3)
BELOW = (Affine(0, ((I, 1), (J, -1))),)


def leaf(name, *axes):
    shape = [axis.size for axis in axes]
    return Leaf(name, "input", axes, np.arange(np.prod(shape, dtype=int)))


X, Y, S, Z = leaf("x", I, J), leaf("y", I, J), leaf("s", I), leaf("z", J)
W = leaf("w", I)


def exp(x):
    return Map(ops.exp, (x,))


def over_sum(x, *axes):
    return Map(ops.divide, (x, sum_over(x, *axes)))


def logistic(x):
    return Map(ops.divide, (constant(1), add(constant(1), exp(negative(x)))))


MASKED = Mask(exp(X), BELOW)
RENAMED = rename(exp(X), J, K)
APPLIES = {
    "softmax": (over_sum(exp(X), J), Softmax(X, (J,))),
    "softmax along two axes": (over_sum(exp(X), I, J), Softmax(X, (I, J))),
    "a shift that is constant along the row": (
        over_sum(exp(add(X, negative(S))), J),
        Softmax(X, (J,)),
    ),
    "a constant shift": (over_sum(exp(add(X, constant([1.0, 2.0, 3.0], I))), J), Softmax(X, (J,))),
    "a shift that is not": (over_sum(exp(add(X, Z)), J), Softmax(add(X, Z), (J,))),
    "a multiple of a softmax": (
        Map(ops.divide, (multiply(constant(2), exp(X)), sum_over(exp(X), J))),
        multiply(constant(2), Softmax(X, (J,))),
    ),
    "a masked softmax": (over_sum(MASKED, J), Softmax(Mask(X, BELOW, -np.inf), (J,))),
    "a softmax of scores that are masked, too": (
        over_sum(Mask(exp(multiply(constant(0.5), Mask(X, BELOW))), BELOW), J),
        Softmax(Mask(multiply(constant(0.5), X), BELOW, -np.inf), (J,)),
    ),
    "a renamed softmax": (over_sum(RENAMED, K), Softmax(rename(X, J, K), (K,))),
    "the logarithm of a sum": (Map(ops.log, (sum_over(exp(X), J),)), LogSumExp(X, (J,))),
    "sigmoid": (logistic(X), Map(ops.sigmoid, (X,))),
    "sigmoid by exp x": (
        Map(ops.divide, (exp(X), add(exp(X), constant(1)))),
        Map(ops.sigmoid, (X,)),
    ),
    "a multiple of a sigmoid": (
        Map(ops.divide, (multiply(constant(3), exp(X)), add(exp(X), constant(1)))),
        multiply(constant(3), Map(ops.sigmoid, (X,))),
    ),
    "masks within masks": (Mask(Map(ops.tanh, (Mask(X, BELOW),)), BELOW, 2.0), None),
}
REMAINS = {
    "a quotient of other things": Map(ops.divide, (X, Y)),
    "another sum": Map(ops.divide, (exp(X), sum_over(exp(Y), J))),
    "no exponential": over_sum(X, J),
    "a product of exponentials": over_sum(multiply(exp(X), exp(Y)), J),
    "a constant along the row": over_sum(exp(S), J),
    "the exponential of what does not vary": Map(
        ops.divide, (exp(S), sum_over(exp(S), I))
    ).with_operands([exp(S), sum_over(exp(S), J)]),
    "the logarithm of something": Map(ops.log, (sum_over(X, J),)),
    "a sum of three": Map(ops.divide, (exp(X), add(exp(X), constant(1), Y))),
    "a sum without a 1": Map(ops.divide, (exp(X), add(exp(X), constant(2)))),
    "a sum without an exponential": Map(ops.divide, (constant(1), add(X, constant(1)))),
    "another quotient": Map(ops.divide, (X, add(exp(X), constant(1)))),
    "a mask by itself": Mask(X, BELOW),
    "a masked factor": over_sum(Mask(X, BELOW), J),
    "a slice": over_sum(read_at(exp(X), J, Affine(1, ((Axis("t", 2), 1),))), I),
}


def values(term):
    given_numbers = {
        x: np.random.default_rng(ord(x.name)).normal(size=[a.size for a in x.axes])
        for x in leaves_of(term)
    }
    (found,) = interpret([term], given_numbers)
    return found.astype(float)


@pytest.mark.parametrize("name", APPLIES)
def test_rules_apply_and_keep_the_values(name):
    term, want = APPLIES[name]
    (got,) = rewrite([term], STABLE)
    assert got is not term
    if want is not None:
        assert got is want
    order = [term.axes.index(axis) for axis in got.axes]
    np.testing.assert_allclose(values(got), values(term).transpose(order), rtol=1e-12)


@pytest.mark.parametrize("name", REMAINS)
def test_rules_leave_the_rest(name):
    assert rewrite([REMAINS[name]], STABLE) == [REMAINS[name]]


SHARES = Softmax(X, (J,))
ACTIVATION = Map(ops.sigmoid, (X,))
OF_SHARES = {
    "softmax": Map(ops.log, (SHARES,)),
    "cross-entropy": Map(ops.xlogy, (Y, SHARES)),
    "one share": Map(ops.log, (read_at(SHARES, J, 1),)),
    "sigmoid": Map(ops.log, (ACTIVATION,)),
    "weighted sigmoid": Map(ops.xlogy, (Y, ACTIVATION)),
    "one minus sigmoid": Map(ops.xlogy, (Y, add(constant(1), negative(ACTIVATION)))),
    "sigmoid from one": Map(ops.log, (add(negative(ACTIVATION), constant(1)),)),
}


@pytest.mark.parametrize("name", OF_SHARES)
def test_logarithms_of_shares_keep_the_values(name):
    term = OF_SHARES[name]
    (got,) = rewrite([term], DIFFERENTIATED)
    assert "log(" not in repr(got)
    order = [term.axes.index(axis) for axis in got.axes]
    np.testing.assert_allclose(values(got), values(term).transpose(order), rtol=1e-12)


@pytest.mark.parametrize(
    "term",
    [
        Map(ops.log, (X,)),
        Map(ops.log, (add(X, constant(1)),)),
        Map(ops.log, (add(ACTIVATION, constant(1)),)),
        Map(ops.log, (add(X, Y, constant(1)),)),
        Map(ops.log, (read_at(exp(X), J, 1),)),
        Map(ops.log, (Take(SHARES, J, Affine(1, ((J, 1),)), 1.0),)),
        Map(ops.tanh, (SHARES,)),
    ],
)
def test_other_logarithms_stay(term):
    assert rewrite([term], DIFFERENTIATED) == [term]


@given(st.randoms(use_true_random=False))
def test_random_terms_keep_their_values(rng):
    found = sample(rng, 5)
    (new,) = rewrite([found.cost], (*STABLE, *DIFFERENTIATED))
    p = np.linspace(0.5, 1.5, found.widths["parameter"])
    X_, Y_ = np.ones((2, found.widths["input"])), np.full((2, found.widths["target"]), 0.5)
    results = []
    for term in (found.cost, new):
        given_numbers = numbers(leaves_of(term), p, X_, Y_, found.examples)
        results.append(interpret([term], given_numbers, {found.examples: 2})[0].astype(float))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


def test_every_rule_says_what_it_does():
    assert all("=" in rule.equation for rule in (*STABLE, *DIFFERENTIATED))
    assert Constant(1) is not None


def cross(y, a, *over):
    one = sum_over(Map(ops.xlogy, (y, a)), *over)
    rest = add(constant(1), negative(y)), add(constant(1), negative(a))
    return add(negative(one), negative(sum_over(Map(ops.xlogy, rest), *over)))


@pytest.mark.parametrize("over", [(), (J,), (I, J)])
def test_cross_entropies_are_joined(over):
    term = cross(Y, ACTIVATION, *over)
    (got,) = rewrite([term], DIFFERENTIATED)
    assert repr(got).count("softplus") == 1
    order = [term.axes.index(axis) for axis in got.axes]
    np.testing.assert_allclose(values(got), values(term).transpose(order), rtol=1e-12)


def test_cross_entropies_apart_are_not():
    half = add(constant(1), negative(Y)), add(constant(1), negative(Map(ops.sigmoid, (Y,))))
    rest = half[0], add(constant(1), negative(ACTIVATION))
    for term in (
        add(Map(ops.xlogy, (Y, ACTIVATION)), Map(ops.xlogy, half)),
        add(Map(ops.xlogy, (X, ACTIVATION)), Map(ops.xlogy, rest)),
        add(Map(ops.xlogy, (Y, ACTIVATION)), multiply(constant(2), Map(ops.xlogy, half)), Z),
        add(X, Map(ops.softplus, (X,)), multiply(X, Y, Z)),
    ):
        (got,) = rewrite([term], DIFFERENTIATED)
        order = [term.axes.index(axis) for axis in got.axes]
        np.testing.assert_allclose(values(got), values(term).transpose(order), rtol=1e-12)


def test_the_logarithm_of_a_softmax_of_a_sum_stays_a_difference_of_two():
    total = add(X, S)
    found = rewrite([Map(ops.log, (Softmax(total, (J,)),))], STABLE + DIFFERENTIATED)
    assert found == [add(total, negative(LogSumExp(total, (J,))), flat=False)]


def entropies(number, weight):
    """A number times Σ y softplus(−z), and Σ w softplus(z)."""
    one = sum_over(multiply(S, Map(ops.softplus, (negative(W),))), I)
    other = sum_over(multiply(weight, Map(ops.softplus, (W,))), I)
    return add(multiply(constant(number), one), other)


def test_cross_entropies_in_any_order_are_joined_and_others_are_not():
    joined = sum_over(add(Map(ops.softplus, (W,)), negative(multiply(S, W)), flat=False), I)
    for weight in (add(constant(1), negative(S)), add(negative(S), constant(1))):
        assert rewrite([entropies(1, weight)], DIFFERENTIATED) == [joined]
    for apart in (entropies(2, add(constant(1), negative(S))), entropies(1, add(constant(1), S))):
        assert rewrite([apart], DIFFERENTIATED) == [apart]


@pytest.mark.parametrize(
    "inside",
    [
        add(constant(1), negative(Map(ops.tanh, (W,)))),
        add(constant(1), negative(Map(ops.sigmoid, (W,))), S),
        add(constant(1), Map(ops.sigmoid, (W,))),
    ],
)
def test_other_logarithms_are_no_cross_entropies(inside):
    term = Map(ops.log, (inside,))
    assert rewrite([term], DIFFERENTIATED) == [term]


def test_a_cross_entropy_beside_others_stays_together():
    z, y, rest = leaf("z"), leaf("y"), leaf("r")
    one = multiply(y, Map(ops.softplus, (negative(z),)))
    other = multiply(add(constant(1), negative(y)), Map(ops.softplus, (z,)))
    joined = add(Map(ops.softplus, (z,)), negative(multiply(y, z)), flat=False)
    assert rewrite([add(rest, one, other)], DIFFERENTIATED) == [add(rest, joined, flat=False)]


def minus(x, y):
    return Map(ops.subtract, (x, y))


ONE = constant(1)
TANH = Map(ops.tanh, (X,))
TOTAL = LogSumExp(X, (J,))
T = leaf("t")
PIECES = Concatenate(Axis("k", 4), ((Z, J), (T, None)))
COMPONENTS = Map(ops.log_sum_exp, (S, rename(S, I, K), constant(0.5)))
SHARPER = {
    "1 − σ": (minus(ONE, ACTIVATION), Map(ops.sigmoid, (negative(X),))),
    "1 − σ as a sum": (add(ONE, negative(ACTIVATION)), Map(ops.sigmoid, (negative(X),))),
    "1 − tanh": (minus(ONE, TANH), None),
    "1 − tanh²": (minus(ONE, Map(ops.power_constant, (TANH,))), None),
    "1 − tanh tanh": (minus(ONE, multiply(TANH, TANH)), None),
    "1 − σ²": (minus(ONE, Map(ops.power_constant, (ACTIVATION,))), None),
    "1 − erf": (minus(ONE, Map(ops.erf, (X,))), Map(ops.erfc, (X,))),
    "1 − softmax": (minus(ONE, SHARES), Others(SHARES, (J,))),
    "1 − one share": (minus(ONE, read_at(SHARES, J, 1)), read_at(Others(SHARES, (J,)), J, 1)),
    "log σ": (
        Map(ops.log, (ACTIVATION,)),
        negative(Map(ops.softplus, (negative(X),))),
    ),
    "log(1 − σ)": (Map(ops.log, (minus(ONE, ACTIVATION),)), negative(Map(ops.softplus, (X,)))),
    "y log(1 − σ)": (Map(ops.xlogy, (Y, minus(ONE, ACTIVATION))), None),
    "log erf": (Map(ops.log, (Map(ops.erfc, (X,)),)), None),
    "log(1 − softmax)": (Map(ops.log, (minus(ONE, SHARES),)), None),
    "y log(1 − softmax)": (Map(ops.xlogy, (Y, minus(ONE, SHARES))), None),
    "artanh tanh": (Map(ops.atanh, (TANH,)), X),
}
OF_VALUES = {
    "y softplus": multiply(Y, Map(ops.softplus, (X,))),
    "2 y z softplus": multiply(constant(2), Y, Z, Map(ops.softplus, (X,))),
    "log share": Map(ops.log, (SHARES,)),
    "y log share": Map(ops.xlogy, (Y, read_at(SHARES, J, 1))),
    "ln Σ − x": minus(TOTAL, X),
    "x − ln Σ": minus(X, TOTAL),
    "y (ln Σ − x)": multiply(Y, minus(TOTAL, X)),
    "ln Σ − one x": add(multiply(constant(2), TOTAL), multiply(constant(-2), read_at(X, J, 1)), S),
    "ln Σ − a piece": minus(LogSumExp(PIECES, (PIECES.axis,)), T),
    "ln Σ of operands": minus(COMPONENTS, S),
}
ONE_HOT = Put(S, J, Affine(1), ())
OF_GRADIENTS = {
    "a Σ y − y": add(multiply(SHARES, sum_over(Y, J)), negative(Y)),
    "multiples": add(multiply(constant(2), SHARES, sum_over(Y, J)), multiply(constant(-2), Y), Z),
    "a multiple within": add(
        multiply(constant(-1), SHARES, sum_over(multiply(constant(-3), Y), J)),
        multiply(constant(-3), Y),
    ),
    "a one-hot": add(multiply(SHARES, S), negative(ONE_HOT)),
    "one share": add(multiply(read_at(SHARES, J, 1), S), negative(S)),
}


def assert_same_values(got, term):
    order = [term.axes.index(axis) for axis in got.axes]
    with np.errstate(all="ignore"):
        want, found = values(term).transpose(order), values(got)
    np.testing.assert_allclose(found, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", SHARPER)
def test_numbers_close_to_one(name):
    term, want = SHARPER[name]
    (got,) = rewrite([term], LOGARITHMS, COMPLEMENTS)
    assert got is not term
    assert want is None or got is want
    assert_same_values(got, term)


@pytest.mark.parametrize("name", OF_VALUES)
def test_values_of_logarithms(name):
    (got,) = rewrite([OF_VALUES[name]], *VALUES)
    assert got is not OF_VALUES[name]
    assert_same_values(got, OF_VALUES[name])


@pytest.mark.parametrize("name", OF_GRADIENTS)
def test_errors_of_shares(name):
    (got,) = rewrite([OF_GRADIENTS[name]], GRADIENTS)
    assert "others" in repr(got)
    assert_same_values(got, OF_GRADIENTS[name])


@pytest.mark.parametrize(
    "term",
    [
        minus(ONE, X),
        minus(X, ACTIVATION),
        minus(ONE, Map(ops.power_constant, (X,))),
        minus(ONE, Map(ops.power_constant.variant(exponent=3), (TANH,))),
        minus(ONE, Map(ops.exp, (X,))),
        Map(ops.log, (minus(ONE, X),)),
        Map(ops.log, (X,)),
        Map(ops.atanh, (X,)),
        minus(TOTAL, Y),
        add(TOTAL, negative(Z)),
        minus(COMPONENTS, Z),
        minus(LogSumExp(PIECES, (PIECES.axis,)), Z),
        multiply(constant(2), Map(ops.softplus, (X,))),
        add(multiply(SHARES, sum_over(X, J)), negative(Y)),
        add(multiply(SHARES, sum_over(Y, J)), Y),
        add(multiply(read_at(SHARES, J, 1), S), negative(Z)),
        add(multiply(X, sum_over(Y, J)), negative(Y)),
    ],
)
def test_other_numbers_stay(term):
    assert rewrite([term], LOGARITHMS, COMPLEMENTS, *VALUES, GRADIENTS) == [term]
