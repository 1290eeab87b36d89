"""Each rewrite by itself: where it applies, and that the values are the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_terms import leaves_of, numbers, sample

from microgradnet import ops
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.rewriting import DIFFERENTIATED, STABLE, rewrite
from microgradnet.lifting.terms import (
    Affine,
    Axis,
    Constant,
    Leaf,
    LogSumExp,
    Map,
    Mask,
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
LOGARITHMS = {
    "softmax": Map(ops.log, (SHARES,)),
    "cross-entropy": Map(ops.xlogy, (Y, SHARES)),
    "one share": Map(ops.log, (read_at(SHARES, J, 1),)),
    "sigmoid": Map(ops.log, (ACTIVATION,)),
    "weighted sigmoid": Map(ops.xlogy, (Y, ACTIVATION)),
    "one minus sigmoid": Map(ops.xlogy, (Y, add(constant(1), negative(ACTIVATION)))),
    "sigmoid from one": Map(ops.log, (add(negative(ACTIVATION), constant(1)),)),
}


@pytest.mark.parametrize("name", LOGARITHMS)
def test_logarithms_of_shares_keep_the_values(name):
    term = LOGARITHMS[name]
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
