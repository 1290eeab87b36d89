"""Weighted inputs as one node, and the other fast paths of the engine: nothing but quicker."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

import microgradnet
from microgradnet import MLP, Neuron, Value, no_grad, operation, ops, verify
from microgradnet.costs import quadratic
from microgradnet.engine import COMPILED, is_unset
from microgradnet.graph import topological_order
from microgradnet.layerwise import sum_of_products, weighted_inputs
from microgradnet.rows import vector

NUMBERS = (
    float,
    int,
    Fraction,
    mpf,
    sympy.Integer,
)


@st.composite
def programs(draw: Any) -> tuple[list[int], list[Any]]:
    """Leaves, and layers of neurons over any nodes made so far.

    A neuron is its weights, its activations and its bias, each the place of a node (so that one
    may stand in several places of one neuron, and a bias be a weight elsewhere) or a constant.
    All neurons of a layer have the same activations.
    """
    leaves = draw(st.lists(st.integers(-2, 2), min_size=1, max_size=5))
    known = len(leaves)
    layers = []
    for _ in range(draw(st.integers(1, 3))):
        operand = st.integers(0, known - 1) | st.sampled_from(["-1", "0", "2"])
        n = draw(st.integers(0, 4))
        layer = st.lists(operand, min_size=n, max_size=n)
        activations = draw(layer)
        neurons = draw(st.lists(st.tuples(layer, operand), min_size=1, max_size=3))
        layers.append((activations, neurons, draw(st.booleans())))
        known += len(neurons)
    return leaves, layers


def run(
    leaves: list[int],
    layers: list[Any],
    kinds: list[Callable[[int], Any]],
    neurons: Callable[[list[Any], list[tuple[list[Any], Any]]], list[Value]],
) -> list[float]:
    """The cost, the gradients of the leaves and of the neurons' outputs."""
    inputs = [Value(kinds[k % len(kinds)](x)) for k, x in enumerate(leaves)]
    nodes = list(inputs)

    def operand(place: int | str) -> Any:
        return nodes[place] if isinstance(place, int) else kinds[0](int(place))

    for activations, rows, rectified in layers:
        made = neurons(
            [operand(a) for a in activations],
            [([operand(w) for w in weights], operand(bias)) for weights, bias in rows],
        )
        nodes += [z.relu() for z in made] if rectified else made
    cost = nodes[-1] * 1
    for node in nodes[:-1]:
        cost = cost + node
    cost.backward()
    return [float(x) for x in (cost.data, *[v.grad for v in nodes])]


def by_products(xs: list[Any], rows: list[tuple[list[Any], Any]]) -> list[Value]:
    return [
        sum((w * x for w, x in zip(weights, xs, strict=True)), Value(0) + bias)
        for weights, bias in rows
    ]


def by_operation(xs: list[Any], rows: list[tuple[list[Any], Any]]) -> list[Any]:
    return [
        microgradnet.weighted_input([Value(0) + w for w in weights], xs, Value(0) + bias)
        for weights, bias in rows
    ]


def by_vectors(xs: list[Any], rows: list[tuple[list[Any], Any]]) -> list[Value]:
    activations = vector(xs)
    return weighted_inputs([vector(weights, Value(0) + b) for weights, b in rows], activations)


# The numbers are small and whole: floats that hold them all do not round, so that sums in another
# order are equal, and every kind of number is the oracle of every other.
@given(programs(), st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3))
def test_whatever_the_operands_it_is_exactly_products_and_sums(
    program: tuple[list[int], list[Any]], kinds: list[Any]
) -> None:
    want = run(*program, [int], by_products)
    for neurons in (by_products, by_operation, by_vectors):
        for mixed in ([float], kinds, [float, *kinds]):
            assert run(*program, mixed, neurons) == want


# Zeros of both signs, which only repr tells apart, come often.
anything = st.sampled_from([0.0, -0.0]) | st.floats()
of_any_kind = st.one_of(
    anything,
    st.integers(-9, 9),
    st.fractions(-9, 9, max_denominator=9),
    st.integers(-9, 9).map(mpf),
    st.just(10**400),
)


@pytest.mark.parametrize("numbers", [anything, of_any_kind], ids=["floats", "any kind"])
@given(data=st.data())
def test_the_fast_path_of_weighted_inputs_is_the_rule(numbers: Any, data: Any) -> None:
    n = data.draw(st.integers(0, 4))
    drawn = data.draw(st.lists(numbers, min_size=2 * n + 1, max_size=2 * n + 1))
    operands = [Value(x) for x in drawn]
    z = weighted_inputs([vector(operands[:n], operands[-1])], vector(operands[n:-1]))[0]
    assert (z.op, z.parents) == (ops.weighted_sum, tuple(operands))
    assert repr(z.data) == repr(ops.weighted_sum(*drawn))
    factor = data.draw(st.sampled_from([1.0, -2.5, mpf(3), sympy.Symbol("t")]))
    (z * factor).backward()
    assert repr([v.grad for v in operands]) == repr([*ops.weighted_sum.vjp(z.grad, *drawn)])


@pytest.mark.parametrize("operands", [(1.0, 2.0), (1.0, 2.0, 3.0, 4.0)])
def test_a_weighted_sum_takes_as_many_weights_as_activations_and_a_bias(operands: Any) -> None:
    for numbers in (operands, [Value(x) for x in operands]):
        with pytest.raises(ValueError):
            ops.weighted_sum(*numbers)


@pytest.mark.parametrize("op", [ops.add, ops.subtract, ops.multiply, ops.relu, ops.negative])
@given(a=anything, b=anything, g=st.sampled_from([1.0, -2.5, 0.0, -0.0, math.inf]))
def test_the_fast_paths_of_operations_are_the_rules(op: Any, a: float, b: float, g: float) -> None:
    numbers = (a, b)[: op.arity]
    operands = [Value(x) for x in numbers]
    node = op(*operands)
    (node * g).backward()
    assert repr(node.data) == repr(op(*numbers))
    assert repr(tuple(v.grad for v in operands)) == repr(op.vjp(g, *numbers))
    assert node.parents == tuple(operands)


@given(st.lists(st.tuples(of_any_kind, of_any_kind), max_size=3), anything)
def test_products_and_sums_made_at_once_are_those_of_the_operators(
    pairs: list[tuple[Any, Any]], bias: float
) -> None:
    ws, b = [Value(w) for w, _ in pairs], Value(bias)
    xs = [Value(x) if k else x for k, (_, x) in enumerate(pairs)]
    at_once = sum_of_products(b, ws, xs)
    one_by_one = b
    for w, x in zip(ws, xs, strict=True):
        one_by_one = one_by_one + w * x
    both = [
        [
            (repr(v.data), type(v.data), v.op, v.label, len(v.parents))
            for v in topological_order([z])
        ]
        for z in (at_once, one_by_one)
    ]
    assert both[0] == both[1]
    assert [p for p in at_once.parents if p is b] == [p for p in one_by_one.parents if p is b]


def test_an_operand_of_another_kind_goes_by_the_rule() -> None:
    tenth = Value(Decimal("0.1"))
    with pytest.raises(TypeError, match=r"a Decimal does not meet 0\.5"):
        weighted_inputs([vector([tenth], Value(1))], vector([0.5]))[0]
    z = weighted_inputs([vector([tenth], Value(1))], vector([2]))[0]
    z.backward()
    assert (z.data, tenth.grad) == (Decimal("1.2"), Decimal(2))
    huge = Value(10**400)  # no float holds it: infinite where it meets one
    for weights, bias in (([huge], Value(1.0)), ([Value(1.0)], huge)):
        assert weighted_inputs([vector(weights, bias)], vector([0.5]))[0].data == math.inf


@pytest.mark.parametrize("place", range(3))
def test_a_product_or_sum_with_a_number_of_another_kind_goes_by_the_rule(place: int) -> None:
    numbers: list[Any] = [0.5, 0.5, 0.5]
    numbers[place] = 10**400  # which no float holds: in plain Python an OverflowError
    z, w, a = map(Value, numbers)
    assert sum_of_products(z, [w], [a]).data == math.inf
    assert sum_of_products(Value(0.5), [Value(3)], [Value(10**400)]).data == math.inf
    ints = [10**400 if k == place else 3 for k in range(3)]
    z, w, a = map(Value, ints)
    assert sum_of_products(z, [w], [a]).data == ints[0] + ints[1] * ints[2]


def test_gradients_of_another_kind_go_by_the_rule() -> None:
    huge, x = Value(10**400), Value(0.5)
    z = weighted_inputs([vector([huge], Value(1.0))], vector([x]))[0]
    z.backward()
    assert (x.grad, huge.grad) == (math.inf, 0.5)


def test_a_gradient_of_zero_keeps_its_sign() -> None:
    w, a, b = Value(2.0), Value(0.5), Value(1.0)
    for z in (w * a + b, weighted_inputs([vector([w], b)], vector([a]))[0]):
        w.grad = a.grad = b.grad = None
        (z * -0.0).backward()
        assert [math.copysign(1, v.grad) for v in (w, a, b)] == [-1, -1, -1]


def test_numbers_are_read_when_they_are_needed() -> None:
    neuron = Neuron(2, nonlin=False, granularity="neuron")
    x = [Value(2.0), Value(3.0)]
    z = neuron(x)
    neuron.w[0].data, x[1].data = 5.0, Fraction(1, 2)
    z.backward()
    assert [v.grad for v in (*neuron.w, *x, neuron.b)] == [2.0, 0.5, 5.0, neuron.w[1].data, 1.0]
    assert neuron(x).data == 10.0 + neuron.w[1].data / 2


def test_a_neurons_weights_can_be_exchanged() -> None:
    neuron = Neuron(2, nonlin=False, granularity="neuron")
    first = neuron([1.0, 2.0])
    neuron.w[1] = Value(7.0)
    second = neuron([1.0, 2.0])
    neuron.b = Value(0.5)
    third = neuron([1.0, 2.0])
    assert first.parents[1] is not second.parents[1] is third.parents[1] is neuron.w[1]
    assert first.parents[4] is second.parents[4] is not third.parents[4] is neuron.b
    assert (second.data, third.data) == (neuron.w[0].data + 14, neuron.w[0].data + 14.5)


@pytest.mark.parametrize("granularity", ["atomic", "neuron"])
def test_within_no_grad_all_of_a_forward_pass_is_leaves(granularity: str) -> None:
    model = MLP(2, [2, 1], granularity=granularity)
    with no_grad():
        forward = model.forward([1.0, 2.0])
    assert all(
        v.op is None and v.parents == () for layer in (*forward.z, *forward.a) for v in layer
    )
    assert [v.data for v in forward.z[1]] == [v.data for v in model.forward([1.0, 2.0]).z[1]]


def networks() -> tuple[MLP, Value]:
    model = MLP(2, [3, 2], activation="tanh", granularity="neuron", rng=Random(7))
    costs = [quadratic(model([x, 1.0 - x]), [x, 0.5]) for x in (0.5, -1.0, 0.25)]
    return model, sum(costs, Value(0.0))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_a_copied_network_shares_what_the_network_shared(copied: Callable[[Any], Any]) -> None:
    model, cost = networks()
    other, other_cost = copied((model, cost))
    cost.backward()
    assert {p.grad for p in other.parameters()} == {0}
    other_cost.backward()
    assert [p.grad for p in other.parameters()] == [p.grad for p in model.parameters()]
    zs = [v for v in topological_order([other_cost]) if v.op is ops.weighted_sum]
    assert len(zs) == 15
    assert len({id(z._left) for z in zs}) == 5  # a vector for each neuron
    assert len({id(z._right) for z in zs}) == 6  # a vector for each layer of each example
    other_cost.backward()
    assert [p.grad for p in other.parameters()] == [2 * p.grad for p in model.parameters()]


@pytest.fixture
def fragile(own_table: None) -> Any:
    """An operation whose rule fails as often as there are entries in its list."""
    stops: list[type[BaseException]] = []

    def fragile_vjp(m: Any, g: Any, y: Any, x: Any) -> tuple[Any]:
        if stops:
            raise stops.pop()
        return (g,)

    @operation(fragile_vjp)
    def fragile(m: Any, x: Any) -> Any:
        return x

    return fragile, stops


def test_after_an_interruption_a_new_pass_is_right(fragile: Any) -> None:
    operation, stops = fragile
    model = MLP(2, [3, 2], granularity="neuron", rng=Random(0))
    x = [Value(0.5), Value(-0.25)]
    hidden, last = model.layers
    a = [operation(v) for v in hidden(x)]
    cost = quadratic(last(a), [1.0, 0.0])
    cost.backward()
    nodes = [*model.parameters(), *x, *a]
    want = [v.grad for v in nodes]
    before = [v.grad for v in model.parameters()]
    stops += [KeyboardInterrupt]
    with pytest.raises(KeyboardInterrupt):
        cost.backward()
    assert [v.grad for v in model.parameters()] == before
    model.zero_grad()
    for v in x:
        v.grad = None
    cost.backward()
    assert [v.grad for v in nodes] == want


def test_weighted_inputs_in_a_deep_chain() -> None:
    w, z = Value(1.0), Value(3.0)
    x = z
    for _ in range(20_000):
        z = weighted_inputs([vector([w], Value(0.0))], vector([z]))[0]
    z.backward()
    assert (z.data, x.grad, w.grad) == (3.0, 1.0, 60_000.0)


def test_the_weights_of_a_layer_get_what_the_equations_say() -> None:
    model, cost = networks()
    cost.backward()
    for l, layer in enumerate(model.layers, 1):
        for j, neuron in enumerate(layer.neurons):
            zs = [v for v in topological_order([cost]) if v._left is layer._rows.vectors[j]]
            assert len(zs) == 3, (l, j)
            terms = [[z.grad * a.data for a in z.parents[len(neuron.w) : -1]] for z in zs]
            for k, w in enumerate(neuron.w):
                column = [row[k] for row in terms]
                # a product and an addition for each example, on either side
                bound = 2 * 2 * len(zs) * 2.0**-53 * math.fsum(map(abs, column))
                assert abs(w.grad - math.fsum(column)) <= bound
            assert neuron.b.grad == pytest.approx(math.fsum(z.grad for z in zs), rel=1e-14)


@pytest.mark.parametrize("activation", ["linear", "sigmoid", "tanh", "relu", "gelu"])
def test_neurons_as_nodes_are_held_against_the_equations(activation: str) -> None:
    model = MLP(3, [4, 2], activation=activation, granularity="neuron", rng=Random(3))
    report = verify(model, [[0.5, -1.0, 2.0], [1.0, 0.25, -0.5]], [[1.0, 0.0], [0.5, -1.0]])
    assert report.ok, str(report)


def test_neurons_as_nodes_are_exact_in_fractions() -> None:
    model = MLP(2, [3, 1], activation="leaky_relu", granularity="neuron", rng=Random(3))
    for l in (1, 2):
        rows = model.weights[l].tolist()
        model.weights[l] = [[Fraction(w).limit_denominator(9) for w in row] for row in rows]
        model.biases[l] = [Fraction(j, 7) for j in range(len(model.biases[l]))]
    half, third = Fraction(1, 2), Fraction(1, 3)
    report = verify(model, [[half, third]], [[third]], lr=half, steps=2)
    assert report.ok, str(report)


@pytest.mark.skipif(COMPILED, reason="what is compiled cannot be replaced")
def test_an_error_that_is_no_operations_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*arguments: object) -> None:
        raise MemoryError

    model = MLP(2, [1], granularity="neuron")
    out = model([1.0, 2.0])
    monkeypatch.setattr("microgradnet.node.linear_combination", exhausted)
    with pytest.raises(MemoryError) as caught:
        out.backward()
    assert not getattr(caught.value, "__notes__", caught.value.args)
    assert all(is_unset(p.grad) for p in model.parameters())
