"""Nodes and gradients: what a Value promises, whatever its insides are."""

from __future__ import annotations

import contextvars
import copy
import gc
import math
import operator
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import example, given
from hypothesis import strategies as st
from mpmath import mpf
from support.memory import alive

import microgradnet
from microgradnet import (
    MLP,
    Value,
    engine,
    leaky_relu,
    log_sum_exp,
    no_grad,
    operation,
    ops,
    recording,
)
from microgradnet.arithmetic import ieee
from microgradnet.operation import find
from microgradnet.unset import UNSET

MILLION = 1_000_000
DEEP = 200_000

rationals = st.fractions(-4, 4, max_denominator=12)


def chain(x: Value, length: int) -> Value:
    """A sum x + x + … + x; its derivative is length + 1."""
    y = x
    for _ in range(length):
        y = y + x
    return y


def below(root: Value) -> list[Value]:
    """The root and every node beneath it, by a walk of the tests' own."""
    seen: dict[int, Value] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            stack.extend(node.parents)
    return list(seen.values())


# Nodes are plain data


def test_a_leaf_is_its_number():
    x = Value(3.0, label="x")
    assert (x.data, x.grad, x.op, x.parents, x.label) == (3.0, 0, None, (), "x")
    assert Value(3.0).label == ""


def test_a_node_has_no_dictionary_and_takes_no_other_attribute():
    y = Value(3.0) * Value(5.0)
    assert not hasattr(y, "__dict__")
    with pytest.raises(AttributeError):
        y.colour = "red"


def test_parents_are_in_order_and_kept_twice():
    x, y = Value(3.0), Value(5.0)
    for node, parents in [(x - y, (x, y)), (y - x, (y, x)), (x * x, (x, x)), (-x, (x,))]:
        assert type(node.parents) is tuple
        assert list(map(id, node.parents)) == list(map(id, parents))
    assert log_sum_exp(y, x, y, x).parents == (y, x, y, x)


@pytest.mark.parametrize(
    ("make", "name", "symbol"),
    [
        (operator.add, "add", "+"),
        (operator.sub, "subtract", "-"),
        (operator.mul, "multiply", "*"),
        (operator.truediv, "divide", "/"),
    ],
)
def test_what_was_written_is_recorded(make, name, symbol):
    x, y = Value(3.0), Value(5.0)
    node = make(x, y)
    assert (node.op, node._op, node.parents) == (getattr(microgradnet, name), symbol, (x, y))
    assert node.data == make(3.0, 5.0)
    left, right = make(2, y), make(x, 2)  # a number becomes a leaf on its own side
    assert (left.op, left.parents[1], left.parents[0].data) == (node.op, y, 2)
    assert (right.op, right.parents[0], right.parents[1].data) == (node.op, x, 2)


def test_unary_minus_is_an_operation_of_its_own_and_plus_is_none():
    x = Value(3.0)
    assert ((-x).op, (-x).data, +x) == (microgradnet.negative, -3.0, x)
    assert (abs(x).op, abs(-x).data) == (microgradnet.abs, 3.0)


def test_powers_are_three_operations():
    x, y = Value(3.0), Value(2.0)
    assert [(v.data, v._op, v.parents) for v in (x**2, 2**x, x**y)] == [
        (9.0, "**2", (x,)),
        (8.0, "2**", (x,)),
        (9.0, "**", (x, y)),
    ]


def test_a_variant_of_an_operation_is_one_instance():
    x = Value(3.0)
    assert (x**3).op is (x**3).op
    assert (x**3).op is not (x**2).op
    assert leaky_relu(x, slope=0.5).op is leaky_relu(x, slope=0.5).op
    assert leaky_relu(x, slope=0.5).op is not leaky_relu(x, slope=0.25).op


def test_equal_parameters_of_different_kinds_are_different_variants():
    x = Value(3)
    inexact, exact = x**2.0, x**2
    assert inexact.op is not exact.op
    assert (type(inexact.data), type(exact.data)) == (float, int)
    exact.backward()
    assert (x.grad, type(x.grad)) == (6, int)


def test_repr_is_one_line_at_any_depth():
    x = Value(2.0)
    assert repr(x) == "Value(data=2.0, grad=0)"
    x.label = "two\nlines"
    assert repr(x) == r"Value(data=2.0, grad=0, label='two\nlines')"
    assert repr(chain(x, DEEP)) == "Value(data=400002.0, grad=0)"


def test_equality_is_identity():
    x, y = Value(1.0), Value(1.0)
    assert x == x
    assert x != y
    assert x != 1.0
    assert len({x, y, x}) == 2
    assert [y, x].index(x) == 1


def test_order_is_that_of_the_numbers():
    x, y = Value(1.0), Value(2.0)
    for less in (operator.lt, operator.le, operator.gt, operator.ge):
        for a, b in [(x, y), (y, x), (x, Value(1.0)), (x, 2), (2, x), (Fraction(1), x), (x, 1.0)]:
            assert less(a, b) == less(getattr(a, "data", a), getattr(b, "data", b))
    assert sorted([y, x]) == [x, y]
    assert max(x, y) is y
    with pytest.raises(TypeError):
        _ = x < None


def test_float_and_item():
    assert float(Value(Fraction(1, 2))) == 0.5
    number = Fraction(1, 3)
    assert Value(number).item() is number


def test_detach_is_a_leaf_that_stops_gradients():
    x = Value(3.0, label="x")
    y = x * x
    y.label = "y"
    cut = y.detach()
    assert (cut.data, cut.parents, cut.op, cut.grad, cut.label) == (9.0, (), None, 0, "y")
    (cut * x).backward()
    assert (x.grad, y.grad, cut.grad) == (9.0, 0, 3.0)


# Gradients


def test_a_node_waits_for_all_its_consumers():
    #  a ── b ── c
    #        \    \
    #         ───── d     plain recursion passes b's adjoint on twice and gets 16
    a = Value(1.0)
    b = 2 * a
    c = 3 * b
    d = b + c
    d.backward()
    assert [v.grad for v in (a, b, c, d)] == [8.0, 4.0, 1.0, 1.0]


STEPS = st.lists(
    st.tuples(st.sampled_from(["+", "*", "-", "Σ"]), st.integers(0, 5), st.integers(0, 5)),
    min_size=1,
    max_size=16,
)


# A sum with a product of two nodes already seen on its left, and an unseen node on its right.
@example([("*", 0, 1), ("*", 1, 2), ("-", 3, 0), ("+", 1, 0), ("+", 3, 0)])
@given(STEPS)
def test_any_graph_passes_gradients_on_in_an_order_that_works(steps: list[Any]):
    # The order in which nodes were made is such an order, and adds up in an exact arithmetic.
    nodes = [Value(2), Value(3)]
    for step, i, j in steps:
        x, y = nodes[-1 - i % len(nodes)], nodes[-1 - j % len(nodes)]
        whole = microgradnet.weighted_input
        made = {"+": x + y, "*": x * y, "-": -x, "Σ": whole([x, y], [y, x], x)}
        nodes.append(made[step])
    want = {id(node): 0 for node in nodes}
    want[id(nodes[-1])] = 1
    for node in reversed(nodes):
        for parent, slope in zip(node.parents, node.partials(), strict=True):
            want[id(parent)] += want[id(node)] * slope
    nodes[-1].backward()
    assert [node.grad for node in nodes] == list(want.values())


def test_interior_adjoints_are_fresh_and_leaves_accumulate():
    x = Value(3.0)
    y = x * x
    z = y * y
    for times in (1, 2, 3):
        z.backward()
        assert (x.grad, y.grad, z.grad) == (108.0 * times, 18.0, 1.0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3))
def test_a_second_pass_adds_exactly_the_same(numbers):
    # Not a rounding differs: the pass's gradient is summed on its own, then added.
    x, y, z = leaves = [Value(number) for number in numbers]
    cost = ((x * y + z).tanh() - x / (1 + y * y)) * z + x.sigmoid()
    cost.backward()
    once = [leaf.grad for leaf in leaves]
    cost.backward()
    assert [leaf.grad for leaf in leaves] == [2 * grad for grad in once]


def test_untouched_is_zero_and_assigning_zero_forgets():
    x, y = Value(3.0), Value(5.0)
    assert x.grad == 0
    (x * y).backward()
    x.grad = 0
    (x * y).backward()
    assert (x.grad, y.grad) == (5.0, 6.0)


def test_a_leaf_is_its_own_root():
    x = Value(3.0)
    x.backward()
    x.backward()
    assert x.grad == 2.0
    assert type(x.grad) is float


def test_several_roots_over_one_subgraph():
    #  x ── s ── p
    #        \── q
    x = Value(3.0)
    s = x * x
    p, q = s * 2, s**2
    p.backward()
    assert (s.grad, x.grad, q.grad) == (2.0, 12.0, 0)
    q.backward()
    assert (s.grad, x.grad, p.grad) == (18.0, 12.0 + 108.0, 1.0)
    s.backward()
    assert (s.grad, x.grad, p.grad, q.grad) == (1.0, 12.0 + 108.0 + 6.0, 1.0, 1.0)


def test_a_root_within_another_graph_is_no_longer_one():
    x = Value(3.0)
    s = x * x
    s.backward()
    (5 * s).backward()
    assert (s.grad, x.grad) == (5.0, 6.0 + 30.0)


def test_a_million_nodes_deep():
    x = Value(1.0)
    y = chain(x, MILLION)
    y.backward()
    assert (y.data, x.grad) == (MILLION + 1.0, MILLION + 1.0)
    gc.disable()  # reference counting has to free it, all at once
    try:
        del y
    finally:
        gc.enable()


def test_deep_chains_of_every_width():
    # one parent, two of which not both floats, and many: none of them a short cut
    x = Value(Fraction(1, 2))
    y = x
    for _ in range(20_000):
        y = -y
        y = y + x
        y = microgradnet.maximum(y, x)
    y.backward()
    assert y.data == Fraction(1, 2)
    z = Value(1.0)
    for _ in range(20_000):
        z = log_sum_exp(z, -math.inf, -math.inf)
    z.backward()
    assert (z.data, z.grad) == (1.0, 1.0)


def test_partials_are_the_local_derivatives():
    x, y = Value(3.0), Value(5.0)
    assert (x * y).partials() == (5.0, 3.0)
    assert (x - y).partials() == (1.0, -1.0)
    assert (x * x).partials() == (3.0, 3.0)
    assert (2 * (x * x) ** 2).partials() == (81.0, 2.0)
    assert (Value(1) / Value(3)).partials() == (Fraction(1, 3), Fraction(-1, 9))
    assert x.partials() == ()
    assert (x.grad, y.grad) == (0, 0)


@given(st.floats(), st.floats())
def test_the_short_way_of_floats_is_the_rule(a, b):
    for op in (microgradnet.add, microgradnet.multiply):
        x, y = Value(a), Value(b)
        node = x + y if op is microgradnet.add else x * y
        node.backward()
        assert repr(node.data) == repr(op(a, b))
        assert repr((x.grad, y.grad)) == repr(op.vjp(1.0, a, b)) == repr(node.partials())


@given(rationals, rationals, rationals)
def test_the_chain_rule_through_a_quotient(x, y, z):
    a, b, c = Value(x), Value(y), Value(z)
    quotient = (a * b - c) / (1 + c * c)
    quotient.backward()
    scale = 1 + z * z
    assert quotient.data == (x * y - z) / scale
    assert (a.grad, b.grad) == (y / scale, x / scale)
    assert c.grad == -1 / scale - (x * y - z) * 2 * z / scale**2


@pytest.fixture
def interrupted(own_table: None) -> tuple[Value, Value, Value]:
    """w, x and a cost whose first backward was stopped halfway."""
    stops = [KeyboardInterrupt]

    def fragile_vjp(m: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
        if stops:
            raise stops.pop()
        return (2 * g,)

    @operation(fragile_vjp)
    def fragile(m: Any, x: Any) -> Any:
        return 2 * x

    w, x = Value(3.0, label="w"), Value(5.0, label="x")
    inner = w * x
    cost = (w * inner) + fragile(inner * x) + (x * inner)
    with pytest.raises(KeyboardInterrupt):
        cost.backward()
    return w, x, cost


def test_after_an_interruption_a_new_pass_is_right(interrupted):
    w, x, cost = interrupted
    w.grad = x.grad = 0
    cost.backward()
    # w²x + 2wx² + wx²: the gradient is 2wx + 3x², w² + 6wx
    assert (w.grad, x.grad) == (30.0 + 75.0, 9.0 + 90.0)
    assert [v.grad for v in below(cost) if v._op == "+"] == [1.0, 1.0]


def test_after_an_interruption_a_graph_can_be_copied(interrupted):
    for duplicate in (copy.deepcopy, repickled):
        twin = duplicate(interrupted[2])
        w, x = (next(v for v in below(twin) if v.label == name) for name in "wx")
        w.grad = x.grad = 0
        twin.backward()
        assert (w.grad, x.grad) == (105.0, 99.0)


def test_a_rule_with_too_few_products_is_named(own_table):
    @operation(lambda m, g, out, x, y: (g,))
    def stingy(m: Any, x: Any, y: Any) -> Any:
        return x + y

    with pytest.raises(TypeError, match=r"stingy.* 1 .* 2 "):
        stingy(Value(1.0), 2.0).backward()


# Memory: no cycles, so that reference counting alone frees a graph


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_graph_is_freed_with_its_last_node(no_collector):
    before = alive()
    x = Value(0.5)
    y = x
    for _ in range(50):
        y = log_sum_exp((y * x).tanh(), leaky_relu(y, slope=0.5), x) + y**2 / 8 - 1
    y.backward()
    y.partials()
    y.backward()
    assert alive() - before > 300
    del y
    assert alive() - before == 1
    del x
    assert alive() == before


def test_a_copied_and_pickled_graph_is_freed_too(no_collector):
    before = alive()
    for duplicate in (copy.copy, copy.deepcopy, repickled):
        twin = duplicate(chain(Value(0.5), 100))
        assert alive() - before == 101
        twin.backward()
        del twin
        assert alive() == before


def test_an_error_on_the_way_leaves_nothing_behind(no_collector):
    before = alive()
    with pytest.raises(ZeroDivisionError):
        chain(Value(1), 10) / Value(0)
    assert alive() == before


# Switching the recording off


def test_within_no_grad_nothing_is_recorded():
    x = Value(3.0)
    with no_grad():
        made = [x + x, x * x, x - 1, x / 2, -x, x**2, x.tanh(), log_sum_exp(x, x)]
    assert all(v.op is None and v.parents == () for v in made)
    assert [v.data for v in made[:6]] == [6.0, 9.0, 2.0, 1.5, -3.0, 9.0]
    assert (x * x).parents == (x, x)


def test_no_grad_nests_and_survives_errors():
    x = Value(3.0)
    with no_grad():
        with no_grad():
            pass
        assert (x * x).op is None
        with pytest.raises(RuntimeError), no_grad():
            raise RuntimeError
        assert (x * x).op is None
    assert (x * x).op is microgradnet.multiply
    with pytest.raises(RuntimeError), no_grad():
        raise RuntimeError
    assert (x * x).op is microgradnet.multiply


def test_no_grad_decorates():
    @no_grad()
    def square(x: Value) -> Value:
        return x * x

    x = Value(3.0)
    assert [square(x).op, square(x).op, (x * x).op] == [None, None, microgradnet.multiply]


def test_no_grad_leaves_backward_alone():
    x = Value(3.0)
    y = x * x
    with no_grad():
        y.backward()
    assert x.grad == 6.0


def test_another_thread_records_meanwhile():
    x = Value(3.0)
    with ThreadPoolExecutor(1) as other, no_grad():
        elsewhere = other.submit(lambda: [x * x, x + x, x.tanh()]).result()
        assert (x * x).op is None
    assert [v._op for v in elsewhere] == ["*", "+", "tanh"]


def test_a_pause_in_another_thread_does_not_pause_this_one():
    x = Value(3.0)
    paused, done = threading.Event(), threading.Event()

    def pause() -> Any:
        with no_grad():
            paused.set()
            done.wait(10)
            return (x * x).op

    with ThreadPoolExecutor(1) as other:
        outcome = other.submit(pause)
        assert paused.wait(10)
        y = x * x + x
        done.set()
        assert outcome.result() is None
    y.backward()
    assert x.grad == 7.0


def test_threads_differentiate_their_own_graphs():
    def work(seed: int) -> list[Any]:
        x, y = Value(Fraction(seed, 7)), Value(seed / 8)
        results = []
        for _ in range(40):
            z, w = x, y
            for k in range(1, 6):
                z = (z * x - k).relu() + x / k
                w = w * y + leaky_relu(w - k, slope=1 / k)
                if k == 3:
                    with no_grad():
                        assert (z * z).op is None
            z.backward()
            w.backward()
            results += [z.data, w.data, x.grad, y.grad]
        return results

    want = [work(seed) for seed in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))) == want
    finally:
        sys.setswitchinterval(interval)


# Copies


def repickled(thing: Any, protocol: int = pickle.HIGHEST_PROTOCOL) -> Any:
    return pickle.loads(pickle.dumps(thing, protocol))


duplicates = pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy]
    + [lambda thing, p=p: repickled(thing, p) for p in range(2, pickle.HIGHEST_PROTOCOL + 1)],
    ids=["deepcopy"] + [f"pickle{p}" for p in range(2, pickle.HIGHEST_PROTOCOL + 1)],
)


@duplicates
def test_a_copy_of_a_graph_is_the_same_graph(duplicate):
    x, y = Value(3.0, label="x"), Value(Fraction(1, 2), label="y")
    s = x * x
    s.label = "s"
    root = log_sum_exp(s, leaky_relu(y, slope=0.5), s**3, 2**x) + s - y
    root.backward()
    root.backward()

    def describe(top: Value) -> list[Any]:
        nodes = below(top)
        place = {id(node): k for k, node in enumerate(nodes)}
        return [
            (v.data, type(v.data), v.grad, v.label, v.op, [place[id(p)] for p in v.parents])
            for v in nodes
        ]

    twin = duplicate(root)
    assert describe(twin) == describe(root)  # by the op's identity, places telling what is shared
    assert not {id(v) for v in below(root)} & {id(v) for v in below(twin)}

    twin.backward()
    root.backward()
    assert describe(twin) == describe(root)
    with_nothing_touched = duplicate(x * y)
    assert [v.grad for v in below(with_nothing_touched)] == [0, y.grad, x.grad]


@duplicates
def test_an_untouched_gradient_stays_untouched(duplicate):
    # A 0 that no pass has computed: pictures tell it from one that was.
    x, y = Value(3.0), Value(0)
    product = x * y
    twin = duplicate(product)
    assert [(v.grad, type(v.grad)) for v in below(twin)] == [
        (0, type(x.grad)) for _ in below(product)
    ]
    product.backward()
    twin = duplicate(product)
    left, right = twin.parents
    assert (left.grad, right.grad) == (0, 3.0)
    assert type(left.grad) is type(x.grad) is not type(Value(1.0).grad)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, repickled])
def test_depth_is_no_obstacle(duplicate):
    x = Value(1.0)
    y = chain(x, DEEP)
    twin = duplicate(y)
    twin.backward()
    assert len(below(twin)) == DEEP + 1
    (leaf,) = (v for v in below(twin) if v.op is None)
    assert (leaf.grad, x.grad) == (DEEP + 1.0, 0)


@duplicates
def test_leaves_shared_between_a_list_and_a_root_stay_shared(duplicate):
    model = [Value(3.0, label="w"), Value(1.0, label="b")]
    cost = (model[0] * 2 + model[1]).tanh() * model[0]
    for model_twin, cost_twin in (
        duplicate((model, cost)),
        reversed(duplicate((cost, model))),
    ):
        assert {id(v) for v in model_twin} <= {id(v) for v in below(cost_twin)}
        cost_twin.backward()
        cost.backward()
        assert [w.grad for w in model_twin] == [w.grad for w in model]
        model[0].grad = model[1].grad = 0


def test_copy_is_one_node_with_the_same_parents():
    x = Value(3.0)
    y = x * x
    y.label = "y"
    y.backward()
    twin = copy.copy(y)
    assert twin is not y
    assert (twin.data, twin.grad, twin.op, twin.parents, twin.label) == (
        (9.0, 1.0, y.op, (x, x), "y")
    )
    twin.backward()
    assert x.grad == 12.0
    leaf = copy.copy(x)
    leaf.grad = 0
    assert (leaf.data, x.grad) == (3.0, 12.0)


def test_the_users_own_operation_must_be_there_to_unpickle(own_table):
    def doubled_vjp(m: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
        return (2 * g,)

    @operation(doubled_vjp)
    def doubled(m: Any, x: Any) -> Any:
        return 2 * x

    stored = pickle.dumps(doubled(Value(3.0)))
    assert pickle.loads(stored).op is doubled
    # the same file, from a program that had an operation that this one lacks
    with pytest.raises(LookupError, match=r"'dOubled'.*@microgradnet\.operation"):
        pickle.loads(stored.replace(b"doubled", b"dOubled"))


# NumPy


@pytest.mark.parametrize(
    "combine", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
)
def test_arrays_on_either_side_go_entry_by_entry(combine):
    x = Value(3.0)
    array = np.array([[1.0, 2.0], [0.5, 4.0]])
    for made, wanted in [
        (combine(x, array), combine(3.0, array)),
        (combine(array, x), combine(array, 3.0)),
        (combine(array.astype(int), x), combine(array.astype(int), 3.0)),
    ]:
        assert made.dtype == object
        assert made.shape == (2, 2)
        for node, want in zip(made.flat, wanted.flat, strict=True):
            assert type(node) is Value
            assert x in node.parents
            assert node.data == pytest.approx(want, rel=4 * 2.0**-53)
            assert type(node.data) is float


def test_a_layer_in_numpy_notation():
    weights = np.array([[0.5, -0.25], [1.0, 0.125]])
    w = np.array([[Value(x) for x in row] for row in weights])
    b = np.array([Value(0.5), Value(-1.0)])
    x = np.array([2.0, 3.0])
    a = np.tanh(w @ x + b)
    assert a.shape == (2,)
    cost = a.sum()
    cost.backward()
    z = weights @ x + np.array([0.5, -1.0])
    delta = 1 / np.cosh(z) ** 2
    got = np.array([[v.grad for v in row] for row in w])
    np.testing.assert_allclose(got, np.outer(delta, x), rtol=1e-14)
    np.testing.assert_allclose([v.grad for v in b], delta, rtol=1e-14)


@pytest.mark.parametrize("name", ["exp", "sqrt", "log", "sin", "tanh"])
def test_numpys_functions_call_the_operations(name):
    array = np.array([Value(0.25), Value(2.0)])
    made = getattr(np, name)(array)
    assert [v._op for v in made] == [name, name]
    assert [v.data for v in made] == [getattr(math, name)(x) for x in (0.25, 2.0)]
    assert [v.parents[0] for v in made] == list(array)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.uint8])
@pytest.mark.parametrize(
    "combine", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
)
def test_numpy_scalars_are_plain_floats_inside(kind, combine):
    x = Value(3.0)
    for node, want in [
        (combine(x, kind(2)), combine(3.0, 2.0)),
        (combine(kind(2), x), combine(2.0, 3.0)),
    ]:
        assert type(node) is Value
        assert node.data == want
        assert {type(v.data) for v in below(node)} <= {float, int}
        assert type(node.data) is float
    assert type(Value(kind(2)).data) is float


def test_sums_of_object_arrays_and_python_lists():
    values = [Value(1.0), Value(2.0), Value(3.0)]
    assert np.array(values).sum().data == sum(values).data == 6.0
    assert (np.array(values) @ np.array(values)).data == 14.0


# Numbers


def test_ints_stay_exact():
    x, y = Value(3), Value(7)
    for made, want in [
        (x + y, 10), (x * y, 21), (x - y, -4), (-x, -3), (x / y, Fraction(3, 7)), (x**2, 9),
        (x**-1, Fraction(1, 3)), (2**x, 8), (y / 7, 1), (x * 10**30, 3 * 10**30), (x.relu(), 3),
    ]:  # fmt: skip
        assert made.data == want
        assert isinstance(made.data, (int, Fraction))
    assert type((x * y).data) is int
    assert type((x / y).data) is Fraction
    (x / y).backward()
    assert (x.grad, y.grad) == (Fraction(1, 7), Fraction(-3, 49))


def test_rationals_and_floats_meet_in_floats():
    x, y = Value(Fraction(1, 3)), Value(0.5)
    product = x * y
    product.backward()
    assert (product.data, x.grad, y.grad) == (1 / 6, 0.5, 1 / 3)
    assert {type(n) for n in (product.data, x.grad, y.grad)} == {float}
    assert Value(Fraction(0)).exp().data == 1.0  # a transcendental function leaves the rationals


def test_decimals_are_exact_and_stay_decimal():
    x, y = Value(Decimal("0.1")), Value(Decimal("0.3"))
    cost = (x * y - 2) * x + x / 4
    cost.backward()
    # x²y − 2x + x/4
    assert (cost.data, x.grad, y.grad) == tuple(map(Decimal, ("-0.172", "-1.69", "0.01")))
    assert {type(n) for n in (cost.data, x.grad, y.grad)} == {Decimal}
    with pytest.raises(TypeError, match=r"exp.*Decimal.*mpmath"):
        x.exp()
    with pytest.raises(TypeError, match=r"Decimal.*0\.5.*float"):
        x * 0.5
    with pytest.raises(TypeError, match=r"Decimal.*0\.5.*float"):
        x + Value(0.5)


def test_mpmath_numbers_keep_their_precision(require_oracle):
    mpmath = require_oracle("mpmath")
    with mpmath.workdps(60):
        x = Value(mpmath.mpf(1) / 3)
        y = (x * x + 2).tanh() / x
        y.backward()
        want = mpmath.diff(lambda t: mpmath.tanh(t * t + 2) / t, mpmath.mpf(1) / 3)
        assert abs(x.grad - want) < mpmath.mpf(10) ** -50
        assert isinstance(x.grad, mpmath.mpf)
        assert isinstance((x * 0.5 + Fraction(1, 3)).data, mpmath.mpf)


def test_sympy_gives_formulas(require_oracle):
    sympy = require_oracle("sympy")
    s, t = sympy.symbols("s t", real=True)
    x, y = Value(s), Value(t)
    cost = (x * y + x**2 / 3).tanh() - y.exp() / x
    cost.backward()
    formula = sympy.tanh(s * t + s**2 / 3) - sympy.exp(t) / s
    assert sympy.simplify(cost.data - formula) == 0
    for leaf, symbol in ((x, s), (y, t)):
        difference = leaf.grad - sympy.diff(formula, symbol)
        assert sympy.simplify(difference.rewrite(sympy.exp)) == 0
    hinge = (1 - x).relu()
    x.grad = 0
    hinge.backward()
    assert [x.grad.subs(s, at) for at in (-1, 1, 3)] == [-1, 0, 0]


@given(rationals, rationals)
def test_ints_fractions_and_floats_agree_where_exact(p, q):
    assert (Value(p) * q + p).data == p * q + p
    assert (p - Value(q)).data == p - q
    assert (Value(float(p)) * float(q)).data == float(p) * float(q)


# Refusals: what came, and what to do instead


ENTRY = r"\[Value\(x\) for x in"
STRANGERS = [
    (None, "None", "forget to return"),
    ("3", "'3' is a str", r"float\('3'\)"),
    (1j, "1j is complex", r"\.real.*\.imag"),
    (np.complex128(1j), "1j is complex", r"\.real.*\.imag"),
    ([1.0], "list", ENTRY),
    ((1.0,), "tuple", ENTRY),
    ({}, r"\{\} is a dict", "float, int, Fraction"),
]
OPERANDS = [
    (True, "True is a bool", r"float\(True\)"),
    (np.True_, "True is a bool", r"float\(True\)"),
    (np.array(True), "True is a bool", r"float\(True\)"),
    (np.array([1.0, 2.0]), "ndarray", ENTRY),
    (Value(1.0), "is a Value", r"\.detach\(\)"),
]


@pytest.mark.parametrize(("stranger", "named", "way_out"), STRANGERS + OPERANDS)
def test_what_is_no_number_is_refused_by_name(stranger, named, way_out):
    with pytest.raises(TypeError, match=f"{named}.*{way_out}"):
        Value(stranger)


@pytest.mark.parametrize(("stranger", "named", "way_out"), STRANGERS)
def test_operations_refuse_the_same(stranger, named, way_out):
    x = Value(2.0)
    for combine in (operator.add, operator.mul, operator.sub, operator.truediv, operator.pow):
        with pytest.raises(TypeError, match=f"{named}.*{way_out}"):
            combine(x, stranger)
    for combine in (operator.add, operator.sub, operator.truediv):
        with pytest.raises(TypeError):
            combine(stranger, x)


def test_backward_closures_are_refused_with_the_way_out():
    x = Value(2.0)
    with pytest.raises(AttributeError, match=r"@microgradnet\.operation"):
        x._backward = lambda: None
    with pytest.raises(AttributeError, match=r"op\.rule"):
        _ = x._backward


def test_the_gradient_that_is_none_is_one_object():
    assert copy.deepcopy(UNSET) is copy.copy(UNSET) is UNSET


def test_nodes_made_by_hand_need_a_known_operation():
    x, y = Value(2.0), Value(5.0)
    node = Value(10.0, (x, y), "*", label="product")
    assert (node.op, node.parents, node.label) == (microgradnet.multiply, (x, y), "product")
    node.backward()
    assert (x.grad, y.grad) == (5.0, 2.0)
    assert Value(4.0, (x,), "**2").op is (x**2).op
    for children, symbol in [((x,), "frobnicate"), ((x,), "*"), ((x, y), ""), ((x,), "**two")]:
        with pytest.raises(ValueError, match=r"@microgradnet\.operation"):
            Value(1.0, children, symbol)


def test_an_unknown_method_is_named():
    with pytest.raises(AttributeError, match="'tahn'"):
        Value(1.0).tahn()
    assert not hasattr(Value(1.0), "__array__")
    assert not hasattr(Value(1.0), "_private")


@pytest.mark.parametrize("n", [0, 3])
def test_a_wrong_number_of_operands_is_named(n):
    with pytest.raises(TypeError):
        microgradnet.multiply(*[Value(1.0)] * n)


def test_an_unknown_parameter_is_named():
    with pytest.raises(TypeError, match="slope"):
        leaky_relu(Value(1.0), slop=0.5)


# The user's own operations


@pytest.fixture
def cube(own_table: None) -> Callable[..., Any]:
    def cube_vjp(m: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
        return (g * 3 * x * x,)

    @operation(cube_vjp, "$x³")
    def cube(m: Any, x: Any) -> Any:
        return x * x * x

    return cube


def test_an_own_operation_is_a_function_and_a_method(cube):
    x = Value(2.0)
    for y in (cube(x), x.cube()):
        x.grad = 0
        (2 * y).backward()
        assert (y.data, y.op, y._op, y.parents, x.grad) == (8.0, cube, "cube", (x,), 24.0)
    assert cube(Fraction(1, 2)) == Fraction(1, 8)
    with no_grad():
        assert x.cube().op is None
    assert [v.data for v in np.array([x, x]) + x.cube()] == [10.0, 10.0]


def test_an_own_operation_may_not_hide_what_a_value_has(own_table):
    for name in ("backward", "data", "item", "_prev"):

        def forward(m: Any, x: Any) -> Any:
            return x

        forward.__name__ = name
        with pytest.raises(ValueError, match=name):
            operation(lambda m, g, y, x: (g,))(forward)
    x = Value(2.0)
    (x * x).backward()
    assert (x.item(), x.grad) == (2.0, 4.0)


def test_a_second_declaration_replaces_the_first_for_new_graphs(own_table):
    def declare(sign: int) -> Any:
        def scaled_vjp(m: Any, g: Any, y: Any, x: Any, *, factor: Any) -> tuple[Any]:
            return (sign * g * factor,)

        @operation(scaled_vjp)
        def scaled(m: Any, x: Any, *, factor: Any = 2) -> Any:
            return sign * factor * x

        return scaled

    x = Value(5.0)
    first = declare(1)
    old = [first(x), first(x, factor=3)]
    second = declare(-1)
    new = [second(x), second(x, factor=3)]
    assert [v.data for v in old + new] == [10.0, 15.0, -10.0, -15.0]
    for node, slope in zip(old + new, [2.0, 3.0, -2.0, -3.0], strict=True):
        assert node.partials() == (slope,)
    assert x.scaled().op is second


def test_an_own_operation_with_a_parameter_and_any_number_of_operands(own_table):
    def mean_power_vjp(m: Any, g: Any, out: Any, *xs: Any, exponent: Any) -> tuple[Any, ...]:
        return tuple(m.divide(g * exponent * m.power(x, exponent - 1), len(xs)) for x in xs)

    @operation(mean_power_vjp)
    def mean_power(m: Any, *xs: Any, exponent: Any = 2) -> Any:
        return m.divide(sum(m.power(x, exponent) for x in xs), len(xs))

    x, y = Value(Fraction(1, 2)), Value(3)
    for z, power in ((mean_power(x, y), 2), (mean_power(x, y, exponent=3), 3)):
        x.grad = y.grad = 0
        z.backward()
        assert z.data == (Fraction(1, 2) ** power + 3**power) / 2
        assert x.grad == power * Fraction(1, 2) ** (power - 1) / 2
        assert y.grad == Fraction(power * 3 ** (power - 1), 2)


# Declaring an operation: mistakes are named at once


def double_vjp(m: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
    return (2 * g,)


def test_the_packages_own_operations_cannot_be_replaced(own_table):
    def tanh(m: Any, x: Any) -> Any:
        return x

    with pytest.raises(ValueError, match="tanh"):
        operation(double_vjp)(tanh)
    assert Value(1.0).tanh().data == math.tanh(1.0)


def test_a_bare_decorator_and_a_wrong_rule_are_refused(own_table):
    def double(m: Any, x: Any) -> Any:
        return 2 * x

    def deaf_vjp(g: Any) -> tuple[Any]:
        return (g,)

    with pytest.raises(TypeError, match=r"write @operation\(rule\)"):
        operation(double)(Value(1.0))
    with pytest.raises(TypeError):
        operation(1)
    with pytest.raises(TypeError, match="double"):
        operation(deaf_vjp)(double)

    def scaled(m: Any, x: Any, *, factor: Any) -> Any:
        return factor * x

    with pytest.raises(ValueError, match="factor"):
        operation(double_vjp)(scaled)


@pytest.mark.parametrize("partner", [1.0, None])
def test_a_rule_that_returns_no_tuple_is_named(own_table, partner):
    @operation(lambda m, g, y, *xs: g)
    def lonely(m: Any, *xs: Any) -> Any:
        return sum(xs)

    root = lonely(Value(1.0)) if partner is None else lonely(Value(1.0), Value(partner))
    with pytest.raises(TypeError, match="lonely"):
        root.backward()


def test_parameters_are_plain_numbers():
    with pytest.raises(TypeError, match="slope"):
        Value(1.0).leaky_relu(slope=Decimal("0.5"))
    assert Value(-2.0).leaky_relu(slope=np.int64(3)).data == -6.0


# Gradients of several kinds, and lost ones


def test_gradients_of_different_kinds_add_up():
    x = Value(1)
    (x * Decimal(2) + x / 2).backward()
    assert x.grad == Decimal("2.5")
    y = Value(1)
    (y * 10**400).backward()
    (y * 0.5).backward()
    assert y.grad == math.inf


def test_a_pass_that_fails_at_the_last_sum_loses_nothing():
    x, y = Value(Decimal(1)), Value(Decimal(2))
    (x * y).backward()
    x.data = y.data = 0.5  # another kind, which no Decimal can be added to
    with pytest.raises(TypeError, match="Decimal"):
        (x * y).backward()
    assert (x.grad, y.grad) == (Decimal(2), Decimal(1))


def test_none_is_a_gradient_forgotten():
    x = Value(3.0)
    (x * x).backward()
    x.grad = None
    (x * x).backward()
    assert x.grad == 6.0


def test_after_an_interruption_a_forward_pass_is_not_yet_differentiated(own_table):
    def failing_vjp(m: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
        raise KeyboardInterrupt

    @operation(failing_vjp)
    def failing(m: Any, x: Any) -> Any:
        return x

    forward = MLP(2, [2, 1], activation="tanh").forward([1.0, failing(Value(2.0)) * 1.0])
    with pytest.raises(KeyboardInterrupt):
        forward.output.backward()
    with pytest.raises(RuntimeError):
        forward.delta[1]


# no_grad in every order


def test_no_grad_blocks_may_end_in_another_order_or_thread():
    def generator():
        with no_grad():
            yield

    def program():
        first, second = generator(), generator()
        next(first)
        next(second)
        first.close()
        thread = threading.Thread(target=second.close)
        thread.start()
        thread.join()
        x = Value(3.0)
        with no_grad():  # this thread has one block too many open: it must still end
            assert (x * x).parents == ()
        assert recording.open_blocks == 0
        assert (x * x).parents == (x, x)

    contextvars.copy_context().run(program)  # lest other tests find that block


# Numbers out


def test_format_and_sympys_symbols():
    assert f"{Value(1.5):.2f} {Value(1.5)}" == "1.50 Value(data=1.5, grad=0)"
    x = Value(2.0)
    y = sympy.Symbol("t") * x
    assert isinstance(y, Value)
    y.backward()
    assert x.grad == sympy.Symbol("t")


def test_numbers_that_do_not_know_each_other_compare_and_raise():
    third = Value(Fraction(1, 3))
    assert Value(mpf(1)) > third and not third >= mpf(1) and third <= Value(mpf(1))
    with pytest.raises(TypeError, match="str"):
        _ = third < "1"
    x = Value(Decimal(2))
    (x ** Decimal(3)).backward()
    assert x.grad == Decimal(12)


def test_numpys_names_of_the_inverse_functions():
    array = np.array([Value(0.5)], dtype=object)
    for name in ("arcsin", "arccos", "arctan", "arcsinh", "arctanh"):
        assert getattr(np, name)(array)[0].data == pytest.approx(getattr(np, name)(0.5))


def test_a_sequence_of_operands_is_the_operands():
    a, b = Value(0.0), Value(1.0)
    assert microgradnet.log_sum_exp([a, b]).parents == (a, b)
    for index in (-1, 2):
        with pytest.raises(IndexError):
            ops.softmax_component(a, b, index=index)


@pytest.mark.parametrize(
    ("op", "operands", "text", "latex"),
    [
        ("multiply", ("a + b", "c"), "(a + b) * c", r"\left(a + b\right) \cdot c"),
        ("subtract", ("a", "b - c"), "a - (b - c)", r"a - \left(b - c\right)"),
        (
            "multiply",
            ("f(a) + g(b)", "c"),
            "(f(a) + g(b)) * c",
            r"\left(f(a) + g(b)\right) \cdot c",
        ),
        ("multiply", ("(a) + (b)", "c"), "((a) + (b)) * c", r"\left((a) + (b)\right) \cdot c"),
        ("power_constant", ("-2",), "(-2)**2", r"{\left(-2\right)}^{2}"),
        ("power_constant", ("z²₁",), "z²₁**2", "{z²₁}^{2}"),
        ("tanh", ("a + b",), "tanh(a + b)", r"\tanh\left(a + b\right)"),
        ("abs", ("a - b",), "|a - b|", r"\left|a - b\right|"),
        ("negative", ("tanh(x)",), "-tanh(x)", "-tanh(x)"),
        ("hard_tanh", ("x",), "hard_tanh(x)", r"\operatorname{hard\_tanh}\left(x\right)"),
    ],
)
def test_notation_puts_brackets_where_they_are_needed(op, operands, text, latex):
    entry = find(op)
    assert (entry.write(*operands), entry.write(*operands, latex=True)) == (text, latex)


def test_an_error_of_the_arithmetic_names_the_node_that_was_being_made(monkeypatch):
    def fail(self, x, y):
        raise FloatingPointError("the divider is broken")

    monkeypatch.setattr(type(ieee), "divide", fail)
    w = Value(1.0, label="w")
    with pytest.raises(FloatingPointError) as caught:
        w / 0.0  # the fast path knows no other quotient that Python would refuse
    notes = getattr(caught.value, "__notes__", caught.value.args)  # notes from Python 3.11 on
    assert "in w / 0.0" in "".join(notes)


@pytest.mark.skipif(engine.COMPILED, reason="of a compiled Value there are no subclasses")
def test_nodes_of_a_subclass_are_operands_as_they_are():
    class Named(Value):
        pass

    w = Named(3.0, label="w")
    for y in (Value(2.0) * w, Value(2.0) + w, Value(2.0) - w, Value(2.0) / w):
        assert y.parents[1] is w
    (Value(2.0) * w).backward()
    assert w.grad == 2.0


def test_it_is_compiled_where_it_is_no_python_file():
    assert (engine.COMPILED, engine.__file__.endswith(".py")) in [(False, True), (True, False)]


@pytest.mark.parametrize("n", [1000, -1000, 2**53, -(2**53)])
def test_a_whole_number_beside_a_float_becomes_one_where_that_loses_nothing(n):
    assert [type(p.data) for p in (Value(0.5) + n).parents] == [float, float]
    beyond = n + (n > 0) - (n < 0)
    kind = float if abs(beyond) <= 2**53 else int
    assert type((Value(0.5) + beyond).parents[1].data) is kind


@pytest.mark.parametrize("x, y", [(10**400, 0.5), (0.5, 10**400)])
def test_differences_and_quotients_of_other_kinds_go_by_the_rule(x, y):
    u, v = Value(x), Value(y)
    assert (u - v).data == (math.inf if x == 10**400 else -math.inf)
    assert (u / v).data == (math.inf if x == 10**400 else 0.0)


@pytest.mark.parametrize("numbers", [(0.5,), (0.5, 0.25), (0.5, 0.25, 0.125)])
def test_an_operation_that_fails_says_on_what(numbers, own_table):
    def fails(m, *xs):
        raise ArithmeticError("too hard")

    forward = {
        1: lambda m, x: fails(m, x),
        2: lambda m, x, y: fails(m, x, y),
        3: lambda m, x, y, z: fails(m, x, y, z),
    }[len(numbers)]
    forward.__name__ = "hardship"
    hardship = operation(lambda m, g, y, *xs: xs)(forward)
    with pytest.raises(ArithmeticError) as error:
        hardship(*map(Value, numbers))
    said = "\n".join([str(error.value), *getattr(error.value, "__notes__", [])])
    assert said == f"too hard\nin hardship({', '.join(map(str, numbers))})"


def test_a_power_keeps_the_kind_of_its_exponent():
    assert [type((Value(3) ** n).data) for n in (2, 2.0, 2)] == [int, float, int]
