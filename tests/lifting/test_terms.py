"""Terms: what they are equal to, which axes they have, what is wrong with them, as data."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_terms import leaves_of, numbers, sample

from microgradnet import ops
from microgradnet.lifting import terms
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.serialisation import from_json, to_json
from microgradnet.lifting.terms import (
    NO_PART,
    VJP,
    Affine,
    Axis,
    Concatenate,
    Constant,
    Extent,
    Leaf,
    LogSumExp,
    Map,
    Mask,
    Put,
    Scan,
    Softmax,
    State,
    Sum,
    Take,
    Term,
    add,
    as_coefficient,
    check_term,
    constant,
    extent,
    multiply,
    negative,
    read_at,
    rebuild,
    rename,
    show_by,
    sum_over,
    topological_terms,
)

N, I, J, K = Axis("n"), Axis("i", 2), Axis("j", 3), Axis("k", 2)


def leaf(name, *axes, role="parameter"):
    shape = [axis.size for axis in axes if axis.size is not None]
    return Leaf(name, role, axes, np.arange(np.prod(shape, dtype=int)))


W, B, X = leaf("W", I, J), leaf("b", I), leaf("x", N, J, role="input")


# Interning


def test_terms_built_alike_are_one_object():
    assert sum_over(multiply(W, X), J) is sum_over(multiply(leaf("W", I, J), X), J)
    assert Constant([1.0, 2.0], (I,)) is Constant(np.array([1.0, 2.0]), (I,))
    assert Take(X, J, Affine(1)) is Take(X, J, Affine(1))


def test_terms_that_differ_are_not():
    assert leaf("W", I, J) is not leaf("V", I, J)
    assert Leaf("b", "parameter", (I,), [0, 1]) is not Leaf("b", "parameter", (I,), [1, 0])
    assert Constant(1) is not Constant(1.0)  # a place and a number
    assert Constant([1.0, 2.0], (I,)) is not Constant([1.0, 2.0], (K,))
    assert Sum(W, (I,)) is not LogSumExp(W, (I,))
    assert State("s", ()) is not State("s", ())


def test_constants_and_places_cannot_be_changed():
    for array in (Constant([1.0, 2.0], (I,)).values, B.places):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


# Axes


@pytest.mark.parametrize(
    ("term", "axes"),
    [
        (W, (I, J)),
        (constant(2), ()),
        (Extent(N), ()),
        (multiply(W, X), (I, J, N)),
        (sum_over(multiply(W, X), J), (I, N)),
        (LogSumExp(W, (J,)), (I,)),
        (Softmax(W, (J,)), (I, J)),
        (Take(X, J, Affine(1)), (N,)),
        (rename(W, I, K), (J, K)),
        (Put(W, K, Affine(0, ((I, 1),)), (I,)), (J, K)),
        (Mask(B, (Affine(0, ((K, 1), (I, -1))),)), (I, K)),
        (Concatenate(Axis("c", 4), ((B, I), (leaf("d", K), K))), None),
    ],
)
def test_axes(term, axes):
    assert term.axes == axes or (axes is None and [a.name for a in term.axes] == ["c"])


def test_a_scan_has_the_axis_of_its_steps_first():
    s = State("s", (N,))
    step = add(s, X)
    assert Scan(J, ((s, constant(0), step),), step).axes == (J, N)


def test_affine_functions():
    assert repr(Affine()) == "0"
    assert repr(Affine(-1, ((I, -1), (J, 3)))) == "−i + 3j − 1"
    assert Affine(1, ((I, -1), (J, 3))).bounds() == (0, 7)
    assert Affine(0, ((N, 1),)).bounds() is None
    assert Affine(0, ((I, 1),)).renames(K) is I
    assert Affine(0, ((I, 1),)).renames(J) is None  # a slice
    assert Affine(1, ((I, 1),)).renames(K) is None
    assert Affine(0, ((I, 2),)).renames(K) is None


# Building


def test_sums_collect_multiples():
    assert add() is constant(0)
    assert add(B, constant(0)) is B
    assert add(B, B, multiply(constant(0.5), B)) is multiply(constant(2.5), B)
    assert as_coefficient(add(B, B)) == (2.0, B)
    assert add(constant(2), constant(3)) is constant(5)
    assert [*map(as_coefficient, add(B, negative(B)).operands)] == [(1.0, B), (-1.0, B)]


def test_products_have_their_number_in_front():
    assert multiply() is constant(1)
    assert multiply(B) is B
    assert multiply(B, constant(2), multiply(constant(0.5), W)).operands == (B, W)
    assert multiply(constant(3), B).operands == (constant(3), B)


def test_numbers_are_not_multiplied_where_that_would_overflow():
    product = multiply(constant(1e200), B, multiply(constant(1e200), W))
    assert product.operands == (constant(1e200), constant(1e200), B, W)
    assert multiply(constant(1e-300), B).operands == (constant(1e-300), B)


def test_sums_over_what_is_lacking_are_multiples():
    assert sum_over(B, J) is multiply(constant(3), B)
    assert sum_over(B, N) is multiply(Extent(N), B)
    assert sum_over(B, N, I) is multiply(Extent(N), Sum(B, (I,)))
    assert sum_over(sum_over(W, I), J) is Sum(W, (I, J))
    assert sum_over(W) is W
    assert extent(I) is constant(2)


def test_reading_an_axis_that_is_lacking_or_as_it_is():
    assert read_at(B, J, 1) is B
    assert rename(B, I, I) is B
    assert read_at(B, I, 1) is Take(B, I, Affine(1))


def test_rebuilding_keeps_what_does_not_change():
    z = add(sum_over(multiply(W, X), J), B)
    assert rebuild([z], lambda term: term) == [z]
    (doubled,) = rebuild([z], lambda term: multiply(constant(2), B) if term is B else term)
    assert doubled is add(sum_over(multiply(W, X), J), multiply(constant(2), B))


def test_the_kinds_share_a_class_that_is_none():
    with pytest.raises(NotImplementedError):
        Term()
    assert B.with_operands([]) is B


# Checking

WRONG = [
    (Leaf("w", "weight", (I,), [0, 1]), "'weight' is no role"),
    (Leaf("w", "parameter", (I,), [0, 1, 2]), "places have shape"),
    (Leaf("w", "input", (I,), [0, -2]), "below −1"),
    (Leaf("w", "parameter", (I,), [3, 3]), "stands in it twice"),
    (Leaf("w", "parameter", (N, I), [0, 1]), "the same for all examples"),
    (Constant([1.0, 2.0, 3.0], (I,)), "values have shape"),
    (Constant(np.zeros((2, 2)), (I, I)), "stands twice"),
    (Leaf("w", "input", (Axis("e", 0),), []), "0 coordinates"),
    (Map("sine", (B,)), "neither an operation nor"),
    (Map("where", (B, B)), "3 operands is given 2"),
    (Map(ops.tanh, (B, B)), "1 operands is given 2"),
    (Map(ops.add, ()), "is given 0"),
    (Map(VJP(ops.tanh, 1), (B, B, B)), "no operand 1"),
    (Map(VJP(ops.tanh, 0), (B, B)), "no operand 0"),
    (Sum(B, (J,)), "the operand has"),
    (Sum(B, ()), "no axis"),
    (Take(B, J, Affine()), "no axis j"),
    (Take(B, I, Affine(2)), "i has 2 coordinates: give a fill"),
    (Take(X, N, Affine(0)), "may lie beyond"),
    (Take(B, I, Constant([0.5, 1.0], (K,))), "not whole"),
    (Take(B, I, Constant([2], (Axis("one", 1),))), "an index is 2"),
    (Put(B, K, Affine(0, ((I, 1),)), (J,)), "it sums over"),
    (Put(B, K, Constant([0.5, 1.0], (I,)), (I,)), "not whole"),
    (Mask(B, ()), "without a condition"),
    (Concatenate(J, ((B, I),)), "do not make up axis j"),
    (Concatenate(Axis("c"), ((X, N),)), "do not make up"),
    (Concatenate(K, ((leaf("d", J), I),)), "has no axis i"),
]


@pytest.mark.parametrize(("term", "says"), WRONG)
def test_what_is_wrong_with_a_term_is_said(term, says):
    with pytest.raises(ValueError, match=says):
        check_term(negative(term))


def test_what_is_wrong_with_a_scan_is_said():
    s = State("s", ())
    step = add(s, X)
    for scan, says in [
        (Scan(J, ((s, constant(0), step),), step), "has axes"),
        (Scan(I, ((s, B, s),), s), "the axis of the steps"),
        (Scan(I, ((s, add(s, constant(1)), s),), s), "depends on its scan's states"),
    ]:
        with pytest.raises(ValueError, match=says):
            check_term(scan)
    with pytest.raises(ValueError, match="outside its scan"):
        check_term(add(s, B))


@given(st.randoms(use_true_random=False))
def test_random_terms_are_sound(rng):
    check_term(sample(rng).cost)


# Data


@given(st.randoms(use_true_random=False))
def test_json_gives_terms_of_the_same_values(rng):
    found = sample(rng)
    data = json.loads(json.dumps(to_json([found.cost]), allow_nan=False))
    (again,) = from_json(data)
    assert to_json([again]) == data
    check_term(again)
    sizes = {axis: 2 for axis in (found.examples, *again.axes)}
    examples = next((a for t in topological_terms([again]) for a in t.axes if a.size is None), None)
    X, Y = np.ones((2, found.widths["input"])), np.full((2, found.widths["target"]), 0.5)
    p = np.linspace(-1, 1, found.widths["parameter"])
    values = [
        interpret([root], numbers(leaves_of(root), p, X, Y, n), sizes | {n: 2})[0]
        for root, n in ((found.cost, found.examples), (again, examples))
    ]
    assert values[0].tolist() == values[1].tolist()


def test_json_holds_variants_infinities_and_rules():
    leaky = ops.leaky_relu.variant(slope=0.5)
    terms = [
        Map(ops.leaky_relu, (B,)),
        Map(leaky, (B,)),
        Map(VJP(leaky, 0), (B, B, B)),
        Map("where", (B, B, B)),
        Mask(B, (Affine(0, ((I, 1),)),), -np.inf),
        constant([np.inf, np.nan], I),
        Extent(N),
    ]
    again = from_json(to_json(terms))
    assert again[0].function is ops.leaky_relu
    assert again[2].function == VJP(leaky, 0)
    assert again[4].fill == -np.inf
    assert np.isnan(again[5].values[1])


def test_terms_are_pickled():
    z = add(sum_over(multiply(W, X), J), B)
    again = pickle.loads(pickle.dumps(z))
    assert to_json([again]) == to_json([z])


def test_a_long_chain_of_terms_needs_no_recursion():
    term = B
    for _ in range(30_000):
        term = Map(ops.tanh, (term,))
    check_term(term)
    assert len(from_json(to_json([term]))) == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_of_a_hundred_bits_are_one_and_larger_ones_are_not(sign):
    x = leaf("x", I)
    within = multiply(constant(2.0 ** (60 * sign)), x, constant(2.0 ** (40 * sign)))
    assert within is multiply(constant(2.0 ** (100 * sign)), x)
    beyond = multiply(constant(2.0 ** (60 * sign)), x, constant(2.0 ** (50 * sign)))
    assert sum(isinstance(t, Constant) for t in beyond.operands) == 2


def test_states_that_no_step_reads_are_among_the_terms_of_a_scan():
    s = State("s", ())
    scan = Scan(J, ((s, constant(0), constant(1)),), leaf("x", J))
    assert s in topological_terms([scan])


def test_the_first_parameter_may_not_stand_in_a_leaf_twice():
    with pytest.raises(ValueError, match="a parameter stands in it twice"):
        check_term(Leaf("w", "parameter", (I,), [0, 0]))


def test_the_last_function_registered_shows_terms():
    show_by(lambda term: "shown")
    try:
        assert repr(W) == "shown"
    finally:
        terms._WRITERS.pop()
    assert repr(W) == "W[i,j]"


@pytest.mark.parametrize("bits", [-100, 100])
def test_multiples_whose_sum_has_a_hundred_bits_are_one(bits):
    x = leaf("x", I)
    half = multiply(constant(2.0 ** (bits - 1)), x)
    assert add(half, half) is multiply(constant(2.0**bits), x)


ARITIES = {
    "where": 3, "both": 2, "equal": 2, "less": 2, "less_equal": 2, "is_infinite": 1,
    "vanishing_product": 2,
}  # fmt: skip


@pytest.mark.parametrize("name", ARITIES)
def test_elementary_functions_have_so_many_operands(name):
    n = ARITIES[name]
    check_term(Map(name, (B,) * n))
    for wrong in (n - 1, n + 1):
        with pytest.raises(ValueError, match=f"a function of {n} operands is given {wrong}"):
            check_term(Map(name, (B,) * wrong))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_scan_with_other_operands(n):
    states = [State(f"s{k}", ()) for k in range(n)]
    scan = Scan(J, tuple((s, constant(k), constant(10 + k)) for k, s in enumerate(states)), B)
    given = [constant(x) for x in range(100, 100 + 2 * n)]
    other = scan.with_operands([*given, W])
    wanted = tuple(zip(states, given[:n], given[n:], strict=True))
    assert other is Scan(J, wanted, W)
    assert scan.with_operands(scan.operands) is scan


@pytest.mark.parametrize("index", [Affine(1), Constant(np.array([1, 0]), (K,))])
def test_reading_and_putting_other_operands_at_another_index(index):
    other = Constant(np.array([0, 1]), (K,))
    given = (W, other) if isinstance(index, Constant) else (W,)
    at = given[-1] if isinstance(index, Constant) else index
    x = leaf("x", I, J)
    assert Take(x, I, index).with_operands(given) is Take(W, I, at)
    assert Put(x, I, index, (K,)).with_operands(given) is Put(W, I, at, (K,))


def test_no_part_is_another_zero():
    assert NO_PART.number == 0
    assert np.signbit(NO_PART.values)


def test_the_number_of_a_negative():
    assert as_coefficient(Map(ops.negative, (multiply(constant(3), B),))) == (-3.0, B)
