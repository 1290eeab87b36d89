"""Reverse mode over terms: against the interpreter with fifty digits, and by its equations."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_terms import KINKED, SMOOTH, leaves_of, numbers, sample

from microgradnet import ops
from microgradnet.lifting.derivatives import adjoints
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.terms import (
    NO_PART,
    VJP,
    Affine,
    Axis,
    Concatenate,
    Leaf,
    Map,
    Others,
    Put,
    Scan,
    Softmax,
    State,
    add,
    check_term,
    constant,
    multiply,
    negative,
    read_at,
    rename,
    sum_over,
    topological_terms,
)

N, I, J, K = Axis("n"), Axis("i", 2), Axis("j", 3), Axis("k", 2)
M = 2


def precise(array):
    """The same in numbers of fifty digits."""
    return np.vectorize(mpmath.mpf, otypes=[object])(array)


def slope_along(cost, examples, leaves, p, direction, X, Y):
    """The derivative of the cost, summed over the examples, by central differences."""
    total = []
    for step in (mpmath.mpf(10) ** -18, -(mpmath.mpf(10) ** -18)):
        given_numbers = numbers(leaves, p + step * direction, X, Y, examples)
        (value,) = interpret([cost], given_numbers, {examples: M}, mpmath.mpf)
        total.append(value.sum() if examples in cost.axes else M * value.item())
    return (total[0] - total[1]) / (2 * mpmath.mpf(10) ** -18)


def assert_right(found, cost=None):
    """The adjoints of the parameters give the slope along a direction."""
    cost = found.cost if cost is None else cost
    found_adjoints = adjoints([(cost, constant(1))], found.parameters)
    reached = [leaf for leaf in found.parameters if leaf in found_adjoints]
    check_term(*(found_adjoints[leaf] for leaf in reached))
    rng = np.random.default_rng(found.widths["parameter"])
    with mpmath.workdps(50):
        p, direction = (precise(rng.normal(size=found.widths["parameter"])) for _ in range(2))
        X = precise(rng.normal(size=(M, found.widths["input"] + 1)))
        Y = precise(rng.normal(size=(M, found.widths["target"] + 1)))
        leaves = leaves_of(cost, *(found_adjoints[leaf] for leaf in reached))
        given_numbers = numbers(leaves, p, X, Y, found.examples)
        sizes = {found.examples: M}
        along = mpmath.mpf(0)
        for leaf in reached:
            g = found_adjoints[leaf]
            (values,) = interpret([sum_over_rest(g, leaf, direction)], given_numbers | {
                twin(leaf): numbers([leaf], direction, X, Y, found.examples)[leaf]
            }, sizes, mpmath.mpf)  # fmt: skip
            along += values.item()
        if found.examples not in cost.axes:
            along *= M
        want = slope_along(cost, found.examples, leaves_of(cost), p, direction, X, Y)
        assert abs(along - want) <= mpmath.mpf(10) ** -12 * (1 + abs(want)), (along, want)


def twin(leaf):
    """A leaf for directions."""
    return Leaf(leaf.name + "′", leaf.role, leaf.axes, leaf.places)


def sum_over_rest(g, leaf, direction):
    """Σ g · direction over the leaf's entries."""
    return sum_over(multiply(g, twin(leaf)), *leaf.axes)


@given(st.randoms(use_true_random=False))
def test_random_terms(rng):
    assert_right(sample(rng, operations=SMOOTH))


@given(st.randoms(use_true_random=False))
def test_random_terms_with_kinks(rng):
    assert_right(sample(rng, 5, operations=KINKED))


@given(st.randoms(use_true_random=False))
def test_second_derivatives_of_random_terms(rng):
    """The slope of the squared gradient: every rule's rule."""
    found = sample(rng, 4)
    first = adjoints([(found.cost, constant(1))], found.parameters)
    reached = [w for w in found.parameters if w in first]
    squares = [sum_over(multiply(first[w], first[w]), *w.axes) for w in reached]
    if squares:
        assert_right(found, add(*squares))


# Equation by equation


def leaf(name, *axes, role="seed"):
    shape = [axis.size for axis in axes if axis.size is not None]
    return Leaf(name, role, axes, np.arange(np.prod(shape, dtype=int)))


W, X, DELTA = leaf("W", I, J, role="parameter"), leaf("x", N, J, role="input"), leaf("δ", N, I)


def test_bp2_and_bp4_are_found():
    z = sum_over(multiply(W, X), J)
    found = adjoints([(z, DELTA)], [W, X])
    assert found[W] is sum_over(multiply(DELTA, X), N)
    assert found[X] is sum_over(multiply(DELTA, W), I)


def test_what_is_not_reached_has_no_adjoint():
    assert adjoints([(X, DELTA)], [W]) == {}


def test_a_use_twice_is_added():
    (g,) = (leaf("g", I),)
    b = leaf("b", I, role="parameter")
    assert adjoints([(multiply(b, b), g)], [b])[b] is multiply(constant(2), g, b)


def test_a_cost_without_examples_counts_for_each_of_them():
    b = leaf("b", I, role="parameter")
    found = adjoints([(sum_over(b, I), constant(1))], [b], (N,))
    assert repr(found[b]) == repr(sum_over(constant(1), N))


def test_functions_of_one_varying_operand_are_read_as_primed():
    z = leaf("z", I, role="parameter")
    g = leaf("g", I)
    for y in (Map(ops.tanh, (z,)), Map(ops.maximum, (constant(0.5), z))):
        (product,) = [adjoints([(y, g)], [z])[z]]
        assert product.function == VJP(y.function, len(y.operands) - 1)


@pytest.mark.parametrize("name", ["where", "vanishing_product", "equal", "is_infinite"])
def test_elementary_functions(name):
    x = [leaf(c, role="parameter") for c in "abc"][: {"where": 3, "is_infinite": 1}.get(name, 2)]
    condition = Map("less", (constant(0.1), constant(0.2)))
    operands = (condition, *x[1:]) if name == "where" else tuple(x)
    g = leaf("g")
    found = adjoints([(Map(name, operands), g)], x)
    given_numbers = {t: np.array(v) for t, v in zip((*x, g), (3.0, 4.0, 5.0, 2.0), strict=False)}
    given_numbers[g] = np.array(2.0)
    values = [float(interpret([found[t]], given_numbers)[0]) for t in x if t in found]
    want = {"where": [2.0, 0.0], "vanishing_product": [8.0, 6.0]}.get(name, [0.0] * len(x))
    assert values == pytest.approx(want)


def test_a_softmax_of_its_operand():
    z, g = leaf("z", I, role="parameter"), leaf("g", I)
    a = Softmax(z, (I,))
    want = multiply(a, add(g, negative(sum_over(multiply(g, a), I))))
    assert adjoints([(a, g)], [z])[z] is want


def test_windows_are_put_back():
    z = leaf("z", J, role="parameter")
    u, v = Axis("u", 2), Axis("v", 2)
    window = read_at(z, J, Affine(0, ((u, 1), (v, 1))))
    g = leaf("g", u, v)
    assert adjoints([(window, g)], [z])[z] is Put(g, J, window.index, (u, v))


def test_the_last_state_alone_begins_the_backward_recurrence():
    x, s = leaf("x", J, role="parameter"), State("s", ())
    step = Map(ops.tanh, (add(s, x),))
    after = Scan(J, ((s, constant(0), step),), step)
    g = leaf("g")
    found = adjoints([(read_at(after, J, 2), g)], [x])[x]
    scans = [t for t in [found, *found.operands] if isinstance(t, Scan)]
    assert scans[0].reverse
    ((_, start, _),) = scans[0].states
    assert start is g


def test_an_initial_state_may_have_another_name_for_its_axis():
    b, x, k = leaf("b", I, role="parameter"), leaf("x", J, role="parameter"), Axis("k", 2)
    s = State("s", (k,))
    step = Map(ops.tanh, (add(s, x),))
    after = Scan(J, ((s, rename(b, I, k), step),), step)
    found = adjoints([(sum_over(after, J, k), constant(1))], [b, x])
    check_term(*found.values())
    values = {b: np.array([0.1, 0.2]), x: np.array([0.3, -0.2, 0.5])}
    (g,) = interpret([found[b]], values)

    def cost(first):
        total = 0.0
        for y in first:
            for z in values[x]:
                y = np.tanh(y + z)
                total += y
        return total

    h = 1e-6
    want = [(cost(values[b] + h * e) - cost(values[b] - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(g.astype(float), want, rtol=1e-8)


def test_pieces_have_their_part_of_an_adjoint():
    a, b = leaf("a", I, role="parameter"), leaf("b", role="parameter")
    c = leaf("c", J, role="parameter")
    whole = Axis("w", 6)
    g = leaf("g", whole)
    found = adjoints([(Concatenate(whole, ((a, I), (b, None), (c, J))), g)], [a, b, c])
    given_numbers = {g: np.arange(6)}
    values = [interpret([found[x]], given_numbers)[0].tolist() for x in (a, b, c)]
    assert values == [[0, 1], 2, [3, 4, 5]]


def test_a_piece_beside_one_that_depends_on_its_axis():
    """Along the whole's axis the first piece has i; at the last place, i is another axis."""
    a, b = leaf("a", I, role="parameter"), leaf("b", I, role="parameter")
    whole = Axis("w", 3)
    g = leaf("g", I, whole)
    found = adjoints([(Concatenate(whole, ((a, I), (b, None))), g)], [a, b])
    given_numbers = {g: np.array([[1, 10, 100], [2, 20, 200]])}
    values = [interpret([found[x]], given_numbers)[0].tolist() for x in (a, b)]
    assert values == [[3, 30], [100, 200]]


def test_what_is_read_by_an_axis_of_its_own_is_put_back():
    """x[k := i] of an x that depends on i too is a diagonal, and no renaming."""
    x = leaf("x", I, K, role="parameter")
    g = leaf("g", I)
    found = adjoints([(read_at(x, K, Affine(0, ((I, 1),))), g)], [x])[x]
    (values,) = interpret([found], {g: np.array([3, 5])})
    at = [found.axes.index(axis) for axis in (I, K)]
    assert values.transpose(at).tolist() == [[3, 0], [0, 5]]


@pytest.mark.parametrize("kept", [0, 1])
def test_the_last_of_several_states_begins_the_backward_recurrence(kept):
    """Of s ← s + x t and t ← 2 t the last one's slope by x and by what t began with."""
    x, b = leaf("x", J, role="parameter"), leaf("b", role="parameter")
    s, t = State("s", ()), State("t", ())
    steps = add(s, multiply(x, t)), multiply(constant(2), t)
    after = Scan(J, ((s, constant(0), steps[0]), (t, b, steps[1])), steps[kept])
    found = adjoints([(read_at(after, J, 2), constant(1))], [x, b])
    values = {x: np.array([3, 5, 7]), b: np.array(1)}
    slopes = [interpret([found[leaf]], values)[0].tolist() for leaf in (x, b) if leaf in found]
    assert slopes == ([[1, 2, 4], 3 + 10 + 28] if kept == 0 else [[0, 0, 0], 8])


def test_a_recurrence_from_the_end_begins_backward_at_its_start():
    """Of s ← s + x from the last step to the first, where the first step's is read."""
    x, s = leaf("x", J, role="parameter"), State("s", ())
    after = Scan(J, ((s, constant(0), add(s, x)),), add(s, x), reverse=True)
    g = leaf("g")
    found = adjoints([(read_at(after, J, 0), g)], [x])[x]
    assert not any(isinstance(t, Put) for t in topological_terms([found]))
    (values,) = interpret([found], {g: np.array(2), x: np.zeros(3)})
    assert values.tolist() == [2, 2, 2]
    middle = adjoints([(read_at(after, J, 1), g)], [x])[x]
    (values,) = interpret([middle], {g: np.array(2), x: np.zeros(3)})
    assert values.tolist() == [0, 2, 2]


def test_the_sum_of_the_others():
    i, k = Axis("i", 2), Axis("k", 3)
    x, y = Leaf("x", "parameter", (i, k), range(6)), Leaf("y", "input", (i, k), range(6))
    by = adjoints([(sum_over(multiply(y, Others(x, (k,))), i, k), constant(1))], [x])[x]
    assert by is Others(y, (k,))
    plain = adjoints([(sum_over(Others(x, (k,)), i, k), constant(1))], [x])[x]
    assert interpret([plain], {x: np.ones((2, 3))})[0].tolist() == [2, 2, 2]


def test_a_flip_is_flipped_back_and_no_other_index():
    x, k = leaf("x", J, role="parameter"), Axis("k", 3)
    g = leaf("g", k)
    found = adjoints([(read_at(x, J, Affine(2, ((k, -1),))), g)], [x])[x]
    assert found is read_at(g, k, Affine(2, ((J, -1),)))
    for index, size in ((Affine(1, ((I, -1),)), 2), (Affine(2, ((I, -2),)), 2)):
        h = leaf("h", I)
        found = adjoints([(read_at(x, J, index), h)], [x])[x]
        assert found is Put(h, J, index, (I,))
        (values,) = interpret([found], {h: np.arange(1, size + 1)})
        assert values.sum() == 3
    both = leaf("y", J, k, role="parameter")
    diagonal = adjoints([(read_at(both, J, Affine(2, ((k, -1),))), g)], [both])[both]
    (values,) = interpret([diagonal], {g: np.array([3, 5, 7])})
    at = [diagonal.axes.index(axis) for axis in (J, k)]
    assert values.transpose(at).tolist() == [[0, 0, 7], [0, 5, 0], [3, 0, 0]]


def test_what_is_put_is_read_where_the_adjoint_has_no_axis():
    x, k = leaf("x", I, role="parameter"), Axis("k", 3)
    put = Put(x, k, Affine(2, ((I, 1),)), (I,))
    found = adjoints([(sum_over(put, k), constant(5))], [x])[x]
    (values,) = interpret([found], {})
    assert values.tolist() == [5, 0]


def test_no_part_is_said_of_what_runs_alone():
    x, z = leaf("x", I, role="parameter"), leaf("z", I, role="parameter")
    y = Map(ops.maximum, (x, z))
    for running in (False, True):
        found = adjoints([(y, leaf("g", I))], [x], running=running)[x]
        assert any(t is NO_PART for t in topological_terms([found])) == running
    assert adjoints([(y, leaf("g", I))], [x]) == adjoints([(y, leaf("g", I))], [x], running=False)
