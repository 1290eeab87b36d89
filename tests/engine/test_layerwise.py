"""Operations on lists of Values: what they compute, what they are made of, and how they share."""

from __future__ import annotations

import copy
import gc
import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

from microgradnet import (  # isort: skip
    Value, dot, layer_norm, lift, linear, log_softmax, mean, no_grad, operation, ops, rms_norm,
    softmax, total, weighted_input,
)  # fmt: skip
from microgradnet.chain_rule import reverse_mode
from microgradnet.costs import log_likelihood
from microgradnet.graph import topological_order
from microgradnet.rows import rows_of

small = st.integers(-8, 8).map(float)


def leaves(numbers: Any) -> list[Value]:
    return [Value(x) for x in numbers]


def rows(draw: Any, m: int, n: int) -> list[list[float]]:
    return draw(st.lists(st.lists(small, min_size=n, max_size=n), min_size=m, max_size=m))


# What they compute: small whole floats round nowhere, so that NumPy is an exact oracle


@given(st.data(), st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_linear_is_the_matrix_product(data: Any, m: int, n: int, biased: bool) -> None:
    W, (x, *_), (b, *_) = rows(data.draw, m, n), rows(data.draw, 1, n), rows(data.draw, 1, m)
    bias = b if biased else None
    want = np.array(W) @ np.array(x) + (np.array(b) if biased else 0)
    assert linear(x, W, bias) == want.tolist()
    Ws, xs, bs = [leaves(row) for row in W], leaves(x), leaves(b) if biased else None
    z = linear(xs, Ws, bs)
    assert [v.data for v in z] == want.tolist()
    assert all(v.op is (ops.weighted_sum if biased else ops.dot_product) for v in z)
    g = np.arange(1.0, m + 1)
    total(*[v * k for v, k in zip(z, g, strict=True)]).backward()
    assert [v.grad for v in xs] == (g @ np.array(W)).tolist()
    assert [[w.grad for w in row] for row in Ws] == np.outer(g, x).tolist()
    assert [v.grad for v in bs or []] == (g.tolist() if biased else [])


@given(st.data(), st.integers(1, 5))
def test_dot_and_weighted_input_are_their_operations(data: Any, n: int) -> None:
    u, v = rows(data.draw, 2, n)
    us, vs, b = leaves(u), leaves(v), Value(0.5)
    for node, op in ((dot(us, vs), ops.dot_product), (weighted_input(us, v, b), ops.weighted_sum)):
        assert node.op is op
        assert node.data == op(*[p.data for p in node.parents])
        node.backward()
    assert [x.grad for x in us] == [2 * x for x in v]
    assert [x.grad for x in vs] == u
    assert dot(u, v) == float(np.dot(u, v))


@pytest.mark.parametrize("n", [1, 129, 300])
def test_long_sums_of_products(n: int) -> None:
    us, vs = leaves(float(k) for k in range(n)), leaves(float(k % 7) for k in range(n))
    node = dot(us, vs)
    assert node.data == sum(k * (k % 7) for k in range(n))
    vs[-1].data = 2
    assert dot(us, vs).data == node.data + us[-1].data * (2 - (n - 1) % 7)


def test_operands_of_any_kind_go_by_the_rule() -> None:
    third, u = Fraction(1, 3), leaves([Fraction(1, 3), 2])
    assert dot(u, [third, third]).data == Fraction(7, 9)
    assert dot(u, [0.5, 2]).data == ops.dot_product(third, 2, 0.5, 2)
    assert dot(leaves([10**400]), leaves([0.5])).data == math.inf
    assert linear(leaves([third]), [leaves([3])])[0].data == 1
    assert mean(leaves([third, third, 1])).data == Fraction(5, 9)


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=6))
def test_norms_and_logarithms_are_their_formulas(numbers: list[float]) -> None:
    with mp.workdps(50):
        xs = [mpf(x) for x in numbers]
        n, eps = len(xs), mpf(1e-5)
        middle = mp.fsum(xs) / n
        centred = [x - middle for x in xs]

        def rms(ys: list[Any]) -> list[Any]:
            scale = 1 / mp.sqrt(mp.fsum(y * y for y in ys) / n + eps)
            return [y * scale for y in ys]

        normaliser = mp.log(mp.fsum(map(mp.exp, xs)))
        cases: list[tuple[Callable[..., Any], list[Any], float]] = [
            (rms_norm, rms(xs), 1e-14),
            # x - mean is rounded at |x|, and divided by √ε at least
            (layer_norm, rms(centred), 1e-13 + 1e-13 * max(map(abs, numbers))),
            (log_softmax, [x - normaliser for x in xs], 1e-14 * (1 + max(map(abs, numbers)))),
        ]
        for function, want, bound in cases:
            of_numbers = function(numbers)
            of_values = [v.data for v in function(leaves(numbers))]
            for got in (of_numbers, of_values):
                assert all(
                    abs(a - b) <= bound * (1 + abs(b)) for a, b in zip(got, want, strict=True)
                ), (function, got, want)


def test_weight_and_bias_of_norms() -> None:
    xs, w, b = leaves([1.0, 3.0]), leaves([2.0, 3.0]), leaves([10.0, 20.0])
    assert [v.data for v in layer_norm(xs, w, b, eps=0)] == [8.0, 23.0]
    assert [v.data for v in rms_norm(leaves([3.0, -3.0]), w, eps=0)] == [2.0, -3.0]


def test_logarithms_of_shares_keep_their_digits() -> None:
    assert log_softmax([0.0, 40.0])[1] == log_softmax(leaves([0.0, 40.0]))[1].data
    assert log_softmax([0.0, 40.0])[1] == -4.248354255291589e-18


# What does not fit is named


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: linear([1.0], [[1.0, 2.0]]), r"row 1 of W has 2 entries, and x has 1"),
        (lambda: linear([1.0], [[1.0]], [1.0, 2.0]), r"2 biases for 1 rows"),
        (lambda: dot([1.0], [1.0, 2.0]), r"1 and 2 entries"),
        (lambda: dot([], []), r"at least 1"),
        (lambda: weighted_input([1.0], [], 0.0), r"1 weights for 0 activations"),
        (lambda: rms_norm([1.0], [1.0, 2.0]), r"weight has 2 entries, and there are 1"),
        (lambda: layer_norm([1.0], None, [1.0, 2.0]), r"bias has 2 entries, and there are 1"),
        (lambda: ops.dot_product(1.0, 2.0, 3.0), r"3 operands"),
        (lambda: mean([]), r"at least 1 operand"),
    ],
)
def test_lengths_that_do_not_fit(call: Callable[[], Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        call()


def test_no_rows_and_no_shares() -> None:
    assert linear(leaves([1.0]), []) == [] == softmax([])


# Softmax


@given(
    st.lists(st.floats(-40, 40) | st.sampled_from([0.0, 700.0]), min_size=1, max_size=6),
    st.data(),
)
def test_the_gradient_of_all_components_is_that_of_each(zs: list[float], data: Any) -> None:
    gs = data.draw(st.lists(st.floats(-5, 5), min_size=len(zs), max_size=len(zs)))
    z = leaves(zs)
    cost = total(*[a * g for a, g in zip(softmax(z), gs, strict=True)])
    cost.backward()
    shares = ops.softmax(zs)
    for k, v in enumerate(z):
        others = math.fsum([*shares[:k], *shares[k + 1 :]])
        terms = [shares[k] * gs[k] * others]
        terms += [-g * s * shares[k] for i, (g, s) in enumerate(zip(gs, shares)) if i != k]  # noqa: B905
        # a rounding for each product and sum, and those of the shares, which are the same
        bound = (len(zs) + 8) * 2.0**-53 * math.fsum(map(abs, terms)) + 1e-320
        assert abs(v.grad - math.fsum(terms)) <= bound
    want = reverse_mode({cost: 1.0})
    assert [v.grad for v in z] == pytest.approx([want[v] for v in z], rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("gap", [1.0, 40.0, 300.0, 700.0])
def test_the_error_at_a_saturated_softmax_keeps_its_digits(gap: float) -> None:
    z = leaves([gap, 0.0, -1.0])
    log_likelihood(softmax(z), [1, 0, 0]).backward()
    with mp.workdps(700):
        powers = [mp.exp(v.data) for v in z]
        want = [-(powers[1] + powers[2]), *powers[1:]]
        for v, delta in zip(z, want, strict=True):
            assert v.grad == pytest.approx(float(delta / mp.fsum(powers)), rel=1e-14)


def test_infinities_reach_each_component_as_by_its_rule() -> None:
    for gs in ([math.inf, 1.0], [math.inf, -math.inf], [1e308, 1e308]):
        z = leaves([0.5, 1.5])
        cost = total(*[a * g for a, g in zip(softmax(z), gs, strict=True)])
        cost.backward()
        want = reverse_mode({cost: 1.0})
        assert repr([v.grad for v in z]) == repr([want[v] for v in z])


def test_a_component_alone_and_numbers_of_other_kinds() -> None:
    z = leaves([0.5, 1.5, 2.5])
    a = softmax(z)
    assert a[1].parents == tuple(z)
    a[1].backward()
    assert [v.grad for v in z] == pytest.approx([*a[1].op.vjp(1.0, 0.5, 1.5, 2.5)], rel=1e-15)
    exact = leaves([mpf(1), mpf(2)])
    softmax(exact)[0].backward()
    assert exact[0].grad == -exact[1].grad > 0
    mixed = leaves([0.5, 1.5])
    (softmax(mixed)[0] * Value(mpf(2))).backward()
    assert float(mixed[0].grad) == pytest.approx(-float(mixed[1].grad))


def test_a_leaf_changed_after_the_forward_pass_counts_as_it_is_in_backward() -> None:
    z = leaves([0.5, 1.5])
    a = softmax(z)
    z[0].data = 1.5
    a[0].backward()
    assert [v.grad for v in z] == pytest.approx([*a[0].op.vjp(1.0, 1.5, 1.5)])
    assert z[0].grad == 0.25


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_a_copy_shares_the_operands_of_a_softmax(copied: Callable[[Any], Any]) -> None:
    cost = total(*[a * a for a in softmax(leaves([0.5, 1.5, -1.0]))])
    other = copied(cost)
    assert (
        len({id(v._left) for v in topological_order([other]) if v.op and "softmax" in v.op.name})
        == 1
    )
    for each in (cost, other):
        each.backward()
    both = [[v.grad for v in topological_order([c]) if v.op is None] for c in (cost, other)]
    assert both[0] == both[1]


def test_an_error_in_softmax_names_it() -> None:
    from decimal import Decimal

    with pytest.raises(TypeError) as caught:
        softmax(leaves([Decimal(1), Decimal(2)]))
    assert "softmax" in "".join(getattr(caught.value, "__notes__", [str(caught.value)]))


def test_in_a_no_grad_block_they_make_leaves() -> None:
    x, W = leaves([40.0, 0.0]), [leaves([1.0, 0.0]), leaves([0.0, 1.0])]
    with no_grad():
        made = [*linear(x, W), dot(x, x), *softmax(x), *log_softmax(x), *layer_norm(x), mean(x)]
        rest = 1 - softmax(x)[0]
    assert all(v.parents == () for v in made)
    assert rest.data == 4.248354255291589e-18


# Sharing


def test_rows_are_shared_as_long_as_they_are_in_use() -> None:
    x, W, b = leaves([1.0, 2.0]), [leaves([1.0, 2.0]), leaves([3.0, 4.0])], leaves([0.5, 0.5])
    first = linear(x, W, b)
    assert first[0]._left is linear(x, W, b)[0]._left
    assert linear(x, W)[0]._left is not first[0]._left
    held = linear(x, W, b)
    W[1][0] = Value(5.0)
    assert [v.data for v in linear(x, W, b)] == [5.5, 13.5]
    W[1][0] = 7.0  # a number is no node that could be shared
    assert [v.data for v in linear(x, W, b)] == [5.5, 15.5]
    assert linear(x, W, b)[0]._left is not linear(x, W, b)[0]._left
    assert held[1].data == 11.5
    gc.collect()


def test_what_may_not_be_compared_is_not_shared() -> None:
    class Odd(Value):
        def __eq__(self, other: object) -> bool:
            raise TypeError

        __hash__ = Value.__hash__

    W = [[Odd(1.0), Value(2.0)]]
    kept = rows_of(W)
    assert kept is rows_of(W)
    W[0][0] = Odd(1.0)
    assert rows_of(W) is not kept


def test_rows_are_freed_with_the_graph() -> None:
    from weakref import ref

    x, W = leaves([1.0]), [leaves([1.0])]
    z = linear(x, W)
    kept = ref(rows_of(W))
    assert kept() is not None
    del z
    assert kept() is None


# As data: lifted, and differentiated to any order


def test_lift_finds_the_arrays_of_layers() -> None:
    x, t = leaves([0.5, -1.0, 2.0]), leaves([1.0, 0.0])
    W, V, b = (
        [leaves([0.1, 0.2, 0.3]) for _ in range(4)],
        [leaves([0.5, -0.5, 0.25, 1.0])] * 2,
        leaves([0.1] * 4),
    )
    for row in W:
        for w in row:
            w.data += 0.01
    hidden = [v.tanh() for v in layer_norm(rms_norm(linear(x, W, b)))]
    out = linear(hidden, V)
    cost = total(*[(o - s) * (o - s) for o, s in zip(out, t, strict=True)]) / 2 - mean(
        log_softmax(out)
    )
    parameters = [*(w for row in W for w in row), *b, *V[0]]
    program = lift(cost, inputs=x, targets=t, parameters=parameters)
    value, gradient = program.value_and_grad([[v.data for v in x]], [[v.data for v in t]])
    cost.backward()
    assert float(value[0]) == pytest.approx(cost.data, rel=1e-12)
    assert gradient.tolist() == pytest.approx([p.grad for p in parameters], rel=1e-9, abs=1e-12)


def test_second_derivatives_of_lists() -> None:
    x = leaves([0.3, -0.7, 1.1])
    W = [leaves([1.0, 2.0, -1.0]), leaves([0.5, -1.0, 0.25])]
    y = dot(softmax(linear(x, W)), log_softmax(linear(layer_norm(x), W))) * mean(rms_norm(x))
    slopes = y.backward(create_graph=True)
    y.backward()
    for v in (*x, *W[0], *W[1]):
        assert slopes[v].data == pytest.approx(v.grad, rel=1e-12)
    second = slopes[x[0]].backward(create_graph=True)[x[1]].data
    mirrored = slopes[x[1]].backward(create_graph=True)[x[0]].data
    assert second == pytest.approx(mirrored, rel=1e-10) != 0


@pytest.mark.parametrize("f", [lambda x, y: x / y, lambda x, y: x.exp(), lambda x, y: x - y])
def test_an_operation_in_a_no_grad_block_is_the_one_outside(f: Any) -> None:
    x, y = Value(0.5), Value(4.0)
    with no_grad():
        leaf, of_a_node = f(x, y), f(x * y, y * y)
        mixed = f(Value(Fraction(1, 2)), y)
    assert leaf.parents == of_a_node.parents == mixed.parents == ()
    assert (leaf.data, of_a_node.data, mixed.data) == (
        f(x, y).data, f(x * y, y * y).data, f(Value(Fraction(1, 2)), y).data,
    )  # fmt: skip
    leaf.grad = 2.0
    leaf.label = "leaf"


def test_an_error_in_a_no_grad_block_says_where(own_table: None) -> None:
    @operation(lambda m, g, y, x: (g,))
    def failing(m: Any, x: Any) -> Any:
        raise ArithmeticError

    with no_grad(), pytest.raises(ArithmeticError) as caught:
        failing(Value(0.5))
    assert "failing(0.5)" in "".join(getattr(caught.value, "__notes__", caught.value.args))
