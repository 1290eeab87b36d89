"""The chain rule in its plainest form, and the fast path of it, equal to the last bit.

Numbers are compared by their repr, so that signs of zero count, in the kind common to both: through
a sum the fast path hands on an int 1 where the rule makes an mpf of it. Where a `Vector` sums its
own contributions first, the fast path adds in another order than the plain one. There the numbers
are small, whole or halves, so that no sum rounds; in a network, where a vector's entries are used
nowhere else, the order is the same, so the numbers may be any.
"""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import pytest
import sympy
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from mpmath import mpf

from microgradnet import MLP, Value, backpropagation, costs, no_grad, operation, ops, wide_passes
from microgradnet.arithmetic import NO_PART, common
from microgradnet.chain_rule import contributions, edges, forward_mode, partials, reverse_mode
from microgradnet.engine import COMPILED, UNSET, is_unset
from microgradnet.graph import topological_order
from microgradnet.layerwise import sum_of_products, vector, weighted_inputs
from microgradnet.operation import Operation, operations
from microgradnet.recording import hooked

PICKS = st.integers(0, 2) | st.integers(0, 20)  # mostly the young, so that graphs grow deep
STEPS = st.lists(st.tuples(st.integers(0, 10**6), st.lists(PICKS, min_size=7, max_size=7)),
                 min_size=1, max_size=14)  # fmt: skip
ANY_NUMBER = st.one_of(
    st.floats(-3, 3) | st.sampled_from([0.0, -0.0, 700.0, 1e300, float("inf"), float("nan")]),
    st.fractions(-3, 3, max_denominator=9),
    st.integers(-3, 3),
    st.integers(-9, 9).map(lambda n: mpf(n) / 7),
    st.integers(-2, 2).map(lambda n: n + sympy.Symbol("s", positive=True)),
)
EXACT = st.integers(-4, 4).map(float) | st.sampled_from([0.5, -0.5, -0.0]) | st.integers(-2, 2)
BEFORE = st.sampled_from([UNSET, None, 0, 0.0, -0.0, 0.5, Fraction(1, 2)])
"""What a leaf's gradient may have been."""

ALL = [op for op in operations() if op is not ops.weighted_sum]
KEEPING_EXACT = [ops.add, ops.subtract, ops.multiply, ops.negative, ops.relu, ops.abs, ops.maximum]


def grown(leaves: list[Value], steps: Any, table: list[Operation], vectors: bool) -> Value:
    """The last node of a graph that the steps make of the leaves; each step takes some nodes."""
    nodes = list(leaves)
    for choice, places in steps:
        xs: list[Any] = [nodes[~(k % len(nodes))] for k in places]
        kind = choice % 8
        try:
            if kind == 0:
                with no_grad():
                    made = [xs[0] * 1]
            elif kind < 3 and vectors:
                rows = [vector(xs[1:3], xs[3]), vector(xs[3:5], xs[5])]
                made = weighted_inputs(rows, vector([xs[6], 0.5]))
            elif kind == 3:
                made = [sum_of_products(xs[0], xs[1:3], xs[3:5])]
            else:
                op = table[choice // 8 % len(table)]
                made = [op(*xs[: op.arity or 3])]
        except (ArithmeticError, TypeError, ValueError):
            continue  # kinds that do not meet, or a number that no operation takes
        small = (not isinstance(y.data, float) or abs(y.data) < 2**12 for y in made)
        if not vectors or all(small):
            nodes += made
    root = nodes[-1]
    for node in nodes[-3:-1]:
        root = root + node
    return root


def the_same(x: Any, y: Any) -> bool:
    x, y = map(common(x, y).convert, (x, y))
    if isinstance(x, sympy.Basic):  # 1 and 1.0 beside a formula: which one depends on the path
        x, y = map(sympy.N, (x, y))
    return repr(x) == repr(y)


class Watching:
    """A hook that does nothing; with one, all nodes come from `engine.record`."""

    def on_op(self, node: Any, op: Any, operands: Any) -> None: ...

    def on_vjp(self, seeds: Any, order: Any, within: Any) -> None: ...

    on_backward = on_jvp = lambda *_: None


def numbers_apart(*how: Any) -> list[tuple[Any, Any]]:
    """Where nodes of a grown graph have other numbers than `record` gives them."""
    fast = topological_order([grown(*how)])
    with hooked(Watching()):
        plain = topological_order([grown(*how)])
    pairs = [(x.data, y.data) for x, y in zip(fast, plain, strict=True)]
    return [(x, y) for x, y in pairs if repr(x) != repr(y)]


def outcome(pass_: Any) -> Any:
    try:
        return pass_()
    except Exception as error:
        return type(error), str(error)


def differences(root: Value, before: Any = UNSET) -> list[str]:
    """Where `backward` leaves other gradients than the plain chain rule gives, or another error."""
    order = topological_order([root])
    leaves = [node for node in order if node.op is None]
    for leaf in leaves:
        leaf.grad = before
    adjoints = outcome(lambda: reverse_mode({root: 1.0 if type(root.data) is float else 1}))
    failed = outcome(root.backward)
    # Whether SymPy is asked to compare NaN hangs on the adjoint 1 being an int or SymPy's.
    if adjoints == (TypeError, "Invalid NaN comparison"):
        return []
    if failed is not None or not isinstance(adjoints, dict):
        return [] if failed == adjoints else [f"{failed} and {adjoints}"]
    want = {
        node: ops.add(before, g) if node.op is None and not is_unset(before) else g
        for node, g in adjoints.items()
    }
    apart = [v for v in order if not the_same(v.grad, want[v])]
    # Where floats lost a number, a second pass is made: at once, if a factor is large.
    again = wide_passes.reverse_mode({root: 1.0}) if apart and type(root.data) is float else want
    for v in apart:
        if v.op is None and not is_unset(before):
            again[v] = ops.add(before, again[v])
    return [f"{v}: {want[v]!r}" for v in apart if not the_same(v.grad, again[v])]


LOSING_DIGITS = [
    ops.sigmoid, ops.tanh, ops.subtract, ops.log, ops.atanh, ops.xlogy, ops.multiply,
    ops.power_constant.variant(exponent=2),
]  # fmt: skip


@given(
    st.lists(ANY_NUMBER | st.sampled_from([1.0, 40.0]), min_size=1, max_size=4),
    STEPS,
    st.sampled_from([ALL, LOSING_DIGITS]),
    st.booleans(),
)
def test_fast_makers_give_the_same_numbers(
    numbers: Any, steps: Any, table: list[Operation], vectors: bool
) -> None:
    assert numbers_apart([Value(x) for x in numbers], steps, table, vectors) == []


@pytest.mark.parametrize("square", [lambda a: a * a, lambda a: a**2])
def test_a_logarithm_of_what_saturates_has_its_digits_with_a_hook_and_without(square: Any) -> None:
    def logarithm() -> Any:
        return square(ops.sigmoid(Value(40.0))).log().data

    with hooked(Watching()):
        watched = logarithm()
    assert logarithm() == watched < 0


@given(st.lists(ANY_NUMBER, min_size=1, max_size=4), STEPS, BEFORE)
def test_fast_and_plain_are_equal_to_the_last_bit(numbers: Any, steps: Any, before: Any) -> None:
    root = grown([Value(x) for x in numbers], steps, ALL, vectors=False)
    assert differences(root, before) == []


@given(st.lists(EXACT, min_size=1, max_size=4), STEPS, BEFORE)
def test_vectors_and_plain_are_equal_to_the_last_bit(numbers: Any, steps: Any, before: Any) -> None:
    root = grown([Value(x) for x in numbers], steps, KEEPING_EXACT, vectors=True)
    assert differences(root, before) == []


@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.sampled_from(["atomic", "neuron"]),
    st.sampled_from(["relu", "tanh", "sigmoid", "softplus"]),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_networks_of_any_numbers_are_equal_to_the_last_bit(
    sizes: list[int], granularity: str, activation: str, examples: int, rng: Random
) -> None:
    model = MLP(sizes[0], sizes[1:], activation=activation, granularity=granularity, rng=rng)
    total = Value(0.0)
    for _ in range(examples):
        a = model.forward([rng.gauss(0, 1) for _ in range(sizes[0])]).a[-1]
        total = total + costs.quadratic(a, [rng.gauss(0, 1) for _ in a])
    assert differences(total) == []


@pytest.mark.skipif(COMPILED, reason="what is compiled cannot be replaced")
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("_ADD", ops.subtract),
        ("_SUBTRACT", ops.divide),
        ("_MULTIPLY", ops.divide),
        ("_RELU", ops.abs),
        ("_sum", lambda x, y: ops.add(y, ops.multiply(x, 2))),
    ],
)
def test_a_fast_path_that_is_wrong_is_seen(name: str, wrong: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(backpropagation, name, wrong)
    cases = st.tuples(st.lists(st.floats(-3, 3), min_size=1, max_size=3), STEPS)
    table = [ops.divide, ops.abs, *KEEPING_EXACT]

    def differs(case: Any) -> bool:
        numbers, steps = case
        return bool(differences(grown([Value(x) for x in numbers], steps, table, False), 0.5))

    find(
        cases, differs, settings=settings(max_examples=2000, database=None, phases=[Phase.generate])
    )


@pytest.mark.skipif(COMPILED, reason="what is compiled cannot be replaced")
@pytest.mark.parametrize("wrong", ["unsorted", "one missing"])
def test_a_wrong_order_is_seen(wrong: str, monkeypatch: Any) -> None:
    sort = backpropagation._sort

    def sorted_wrongly(root: Any, fresh: Any, order: list[Any], *leaves: Any) -> None:
        sort(root, fresh, order, *leaves)
        order.pop(0) if wrong == "one missing" else order.insert(0, order.pop(-1))

    monkeypatch.setattr(backpropagation, "_sort", sorted_wrongly)
    x = Value(3.0)
    assert differences((x * 2).tanh() * x)


@pytest.mark.skipif(COMPILED, reason="what is compiled cannot be replaced")
def test_a_vector_that_sums_wrongly_is_seen(monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "microgradnet.node.linear_combination", lambda n: lambda gs, rows: [0.0] * n
    )
    (z,) = weighted_inputs([vector([Value(2.0)], Value(1.0))], vector([Value(3.0)]))
    assert differences(z)


# The plain form itself


def test_a_path_through_two_uses_counts_twice() -> None:
    """In b = 2a, c = 3b, d = b + c: passed on too early, ∂d/∂a would be 16."""
    a = Value(1.0)
    b = 2 * a
    d = b + 3 * b
    assert reverse_mode({d: 1.0})[a] == 8.0
    assert forward_mode({a: 1.0}, topological_order([d]))[d] == 8.0


def test_contributions_and_partial_derivatives_of_one_node() -> None:
    x, y = Value(3.0), Value(5.0)
    assert contributions(x * y, 2.0) == (10.0, 6.0)
    assert partials(x * y) == (5.0, 3.0)
    recorded = partials(x * y, recorded=True)
    assert [p.data for p in recorded] == [5.0, 3.0]
    assert reverse_mode({recorded[0]: Value(1.0)})[y].data == 1.0


def test_a_mistake_of_a_rule_is_noted_with_the_node(own_table: None) -> None:
    @operation(lambda m, g, y, x: 1 / 0)
    def failing(m: Any, x: Any) -> Any:
        return x

    node = failing(Value(3.0))
    for seed in (1.0, Value(1.0)):
        with pytest.raises(ZeroDivisionError) as error:
            reverse_mode({node: seed})
        said = [str(error.value), *getattr(error.value, "__notes__", [])]
        assert "in the backward pass, at failing(3.0)" in "\n".join(said)


def test_each_contribution_is_visited_after_it_was_added() -> None:
    x = Value(3.0)
    y = x * x
    seen: list[Any] = []
    reverse_mode({y: 1.0}, visit=lambda *of, seen=seen: seen.append((*of[:4], of[4][x])))
    assert seen == [(y, 0, x, 3.0, 3.0), (y, 1, x, 3.0, 6.0)]


def test_what_has_no_adjoint_is_passed_by() -> None:
    x = Value(3.0)
    y = x * x
    assert [*edges([x, y], {})] == []
    assert reverse_mode({x: 1.0}, [x, y]) == {x: 1.0}


def test_only_what_is_within_takes_part() -> None:
    x, w = Value(3.0), Value(5.0)
    y = w * x
    assert reverse_mode({y: 1.0}, [y], {x}) == {y: 1.0, x: 5.0}


def test_forward_mode_leaves_out_what_has_no_part() -> None:
    x, w = Value(3.0), Value(5.0)
    y = w * x
    z = y + x
    partials_of = {y: (3.0, NO_PART), z: (1.0, 1.0)}
    assert forward_mode({x: 2.0}, [y, z], partials_of.__getitem__) == {x: 2.0, z: 2.0}


def test_exact_from_end_to_end_by_either_mode() -> None:
    x = Value(Fraction(1, 3))
    y = x * x / (x + 1)
    want = (x.data**2 + 2 * x.data) / (x.data + 1) ** 2
    assert reverse_mode({y: Fraction(1)})[x] == want
    assert forward_mode({x: Fraction(1)}, topological_order([y]))[y] == want


def test_nodes_as_seeds_are_recorded_to_any_order() -> None:
    x = Value(3.0)
    y = x**4
    for want in (108.0, 108.0, 72.0, 24.0):
        y = reverse_mode({y: Value(1.0)})[x]
        assert y.data == want
    x = Value(3.0)
    y = x**4
    for want in (108.0, 108.0, 72.0, 24.0):
        y = forward_mode({x: Value(1.0)}, topological_order([y]), lambda v: partials(v, True))[y]
        assert y.data == want
