"""Terms as NumPy computes them best: the same values by other terms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_terms import leaves_of, numbers, sample

from microgradnet import ops
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.lowering import lower
from microgradnet.lifting.terms import (
    NO_PART,
    Axis,
    Leaf,
    Map,
    Sum,
    constant,
    multiply,
    sum_over,
    topological_terms,
)

I, J, K = Axis("i", 2), Axis("j", 3), Axis("k", 2)


def leaf(name, *axes):
    shape = [axis.size for axis in axes]
    return Leaf(name, "input", axes, np.arange(np.prod(shape, dtype=int)))


@given(st.randoms(use_true_random=False))
def test_random_terms_keep_their_values(rng):
    found = sample(rng, 6)
    (new,) = lower([found.cost])
    p = np.linspace(-1, 1, found.widths["parameter"])
    X, Y = np.ones((2, found.widths["input"])), np.full((2, found.widths["target"]), 0.5)
    results = [
        interpret([term], numbers(leaves_of(term), p, X, Y, found.examples), {found.examples: 2})[
            0
        ].astype(float)
        for term in (found.cost, new)
    ]
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9, atol=1e-12)


@given(st.randoms(use_true_random=False))
def test_sums_and_products_are_binary(rng):
    for term in topological_terms(lower([sample(rng, 6).cost])):
        if isinstance(term, Map) and term.function in (ops.add, ops.multiply):
            assert len(term.operands) == 2


def test_sums_of_products_are_taken_pair_by_pair():
    a, b, c = leaf("a", I, J), leaf("b", J, K), leaf("c", K)
    (term,) = lower([sum_over(multiply(a, b, c), J, K)])
    sums = [t for t in topological_terms([term]) if isinstance(t, Sum)]
    assert [len(t.over) for t in sums] == [1, 1]  # (b c) first, and a (b c)


def test_numbers_are_put_where_they_cost_least():
    a, b = leaf("a", I, J), leaf("b", J)
    (term,) = lower([multiply(constant(3), sum_over(multiply(a, b), J))])
    assert term.function is ops.multiply
    (big,) = lower([sum_over(multiply(constant(3), leaf("x", I, J), leaf("y", J)), J)])
    assert repr(big) == "3 Σ_j y[j] x[i,j]"


@pytest.mark.parametrize("count", [3, 40])
def test_long_products_stay_together(count):
    factors = [leaf(f"x{k}", I) for k in range(count)]
    (term,) = lower([sum_over(multiply(*factors), I)])
    assert len(leaves_of(term)) == count


def test_a_negative_power_is_made_of_the_next_one():
    x = sum_over(multiply(leaf("a", I), leaf("a", I)), I)
    powers = [Map(ops.power_constant.variant(exponent=e), (x,)) for e in (-0.5, -1.5)]
    root, slope = lower(powers)
    assert root.function is slope.function is ops.divide
    assert slope.operands[0] is root
    assert root.operands[1].function is ops.sqrt
    (alone,) = lower(powers[1:])
    assert alone.function is powers[1].function


def test_what_has_no_part_is_0():
    assert lower([NO_PART]) == [constant(0)]


def test_a_product_that_is_there_is_a_factor_of_others():
    """Scaled once, where several are scaled alike."""
    a, b, c, d = (leaf(name, I) for name in "abcd")
    common = multiply(a, b)
    first, one, other = lower(
        [common, multiply(constant(3), a, c, b), multiply(b, d, constant(3), a)]
    )
    (scaled,) = {*one.operands} & {*other.operands}
    assert {*scaled.operands} == {first, constant(3)}
