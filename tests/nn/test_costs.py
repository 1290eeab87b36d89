"""The costs, held against mpmath and against exact arithmetic.

u = 2⁻⁵³ is the largest relative error of one rounding. A bound is k·u·Σ|terms|, with k counting
roundings: 1 for an operation, 4 for a function of the mathematical library.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

from microgradnet import delta
from microgradnet.costs import (
    COSTS,
    UNIT_INTERVAL,
    cross_entropy,
    cross_entropy_from_z,
    entry,
    hinge,
    log_likelihood,
    log_likelihood_from_z,
    quadratic,
)
from microgradnet.engine import Value
from microgradnet.nn import ACTIVATIONS, MLP
from microgradnet.ops import sigmoid, softmax

U = mpf(2) ** -53

reals = st.floats(-50, 50).map(lambda x: x if abs(x) > 1e-200 else 0.0)
shares = st.floats(1e-6, 1 - 1e-6)
soft_targets = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(2**-10, 1))


def columns(*elements: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.lists(st.tuples(*elements), min_size=1, max_size=5)


def split(pairs: list[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    return [a for a, _ in pairs], [y for _, y in pairs]


def values(numbers: list[Any]) -> list[Value]:
    return [Value(x) for x in numbers]


def assert_within(got: float, want: Any, bound: Any) -> None:
    assert abs(mpf(got) - want) <= bound, (got, mp.nstr(want, 20))


# --- Values ---------------------------------------------------------------------------------------


@given(columns(reals, reals))
def test_quadratic_is_half_the_squared_distance(pairs: list[tuple[float, float]]) -> None:
    with mp.workdps(50):
        want = sum((mpf(a) - mpf(y)) ** 2 for a, y in pairs) / 2
        # a − y rounds and so does its square (thrice in all), then the sum
        assert_within(quadratic(*split(pairs)).data, want, (len(pairs) + 4) * U * want + 1e-300)


@given(columns(shares, soft_targets))
def test_cross_entropy(pairs: list[tuple[float, float]]) -> None:
    with mp.workdps(50):
        terms = [
            term
            for a, y in pairs
            for term in (-mpf(y) * mp.log(a), -(1 - mpf(y)) * mp.log(1 - mpf(a)))
        ]
        # the logarithm 4, the product 1, 1 − y 1, the sums; and 1 − a, absolutely
        bound = (2 * len(pairs) + 6) * U * sum(terms) + 2 * U * len(pairs)
        assert_within(cross_entropy(*split(pairs)).data, sum(terms), bound)


@given(columns(shares, soft_targets))
def test_log_likelihood(pairs: list[tuple[float, float]]) -> None:
    with mp.workdps(50):
        want = -sum(mpf(y) * mp.log(a) for a, y in pairs)
        assert_within(log_likelihood(*split(pairs)).data, want, (len(pairs) + 5) * U * want)


@given(columns(reals, st.sampled_from([-1, 1])))
def test_hinge(pairs: list[tuple[float, int]]) -> None:
    with mp.workdps(50):
        want = sum(max(mpf(0), 1 - y * mpf(a)) for a, y in pairs)
        assert_within(hinge(*split(pairs)).data, want, (len(pairs) + 2) * U * want)


@given(columns(st.floats(-800, 800), soft_targets))
def test_cross_entropy_from_z_is_that_of_sigmoid(pairs: list[tuple[float, float]]) -> None:
    with mp.workdps(400):
        terms = [
            term
            for z, y in pairs
            for term in (
                mpf(y) * mp.log1p(mp.exp(-mpf(z))),
                (1 - mpf(y)) * mp.log1p(mp.exp(mpf(z))),
            )
        ]
        bound = (2 * len(pairs) + 14) * U * sum(terms) + mpf(2) ** -1070
        assert_within(cross_entropy_from_z(*split(pairs)).data, sum(terms), bound)


@given(columns(st.floats(-800, 800), soft_targets))
def test_log_likelihood_from_z_is_that_of_softmax(pairs: list[tuple[float, float]]) -> None:
    with mp.workdps(400):
        z, y = split(pairs)
        normaliser = mp.log(sum(mp.exp(mpf(x)) for x in z))
        want = sum(mpf(t) * (normaliser - mpf(x)) for x, t in pairs)
        largest = max(map(abs, z))
        size = sum(t * (largest + 2 * abs(x) + 2) for x, t in pairs)
        assert_within(log_likelihood_from_z(z, y).data, want, (3 * len(z) + 16) * U * size)


@pytest.mark.parametrize("cost", [cross_entropy, log_likelihood])
def test_confidently_wrong_is_infinite(cost: Any) -> None:
    assert cost([0.0], [1]).data == math.inf
    if cost is cross_entropy:
        assert cost([1.0], [0]).data == math.inf


@pytest.mark.parametrize(("a", "y"), [(0.0, 0), (1.0, 1)])
def test_confidently_right_is_nothing(a: float, y: int) -> None:
    assert cross_entropy([a], [y]).data == 0
    assert log_likelihood([a], [y]).data == 0


@pytest.mark.parametrize(("z", "y"), [(-800.0, 1), (800.0, 0), (-1e300, 1)])
def test_from_z_it_is_finite_and_so_is_its_gradient(z: float, y: int) -> None:
    node = Value(z)
    cost = cross_entropy_from_z(node, y)
    cost.backward()
    assert (cost.data, node.grad) == (abs(z), 1.0 - 2 * y)
    assert cross_entropy(sigmoid(Value(z)), y).data == abs(z)  # from z as well: the graph is there
    other, node = Value(0.0), Value(-abs(z))
    cost = log_likelihood_from_z([node, other], [1, 0])
    cost.backward()
    assert (cost.data, node.grad, other.grad) == (abs(z), -1.0, 1.0)
    assert log_likelihood(softmax([Value(-abs(z)), Value(0.0)]), [1, 0]).data == abs(z)


def test_from_z_the_tail_keeps_its_digits() -> None:
    # e⁻⁸⁰ is far below the last place of 1 − e⁻⁸⁰, which σ(80) rounds to 1
    assert cross_entropy_from_z([80.0], [1]).data == pytest.approx(math.exp(-80), rel=1e-14)
    assert log_likelihood_from_z([80.0, 0.0], [1, 0]).data == pytest.approx(0, abs=160 * 2**-53)


# --- Derivatives ----------------------------------------------------------------------------------


@given(columns(st.floats(-30, 30), soft_targets))
def test_with_sigmoid_and_cross_entropy_delta_is_a_minus_y(pairs: list[Any]) -> None:
    z = values(split(pairs)[0])
    a = [sigmoid(v) for v in z]
    cross_entropy(a, split(pairs)[1]).backward()
    for node, output, (_, y) in zip(z, a, pairs, strict=True):
        with mp.workdps(50):
            exact = 1 / (1 + mp.exp(-mpf(node.data)))
            # y/a · σ(z)σ(−z) and (1−y)/(1−a) · σ(z)σ(−z): 20 roundings each; and 1 − a has lost
            # u/(1 − a) of its digits
            terms = mpf(y) * (1 - exact) + (1 - mpf(y)) * exact
            bound = (20 + 8 / (1 - exact)) * U * terms
            assert_within(node.grad, exact - mpf(y), bound)
        assert node.grad == pytest.approx(output.data - y, abs=float(bound) + 1e-15)


@given(st.lists(st.floats(-15, 15), min_size=2, max_size=5), st.data())
def test_with_softmax_and_log_likelihood_delta_is_a_minus_y(z: list[float], data: Any) -> None:
    nodes, right = values(z), data.draw(st.integers(0, len(z) - 1))
    y = [float(k == right) for k in range(len(z))]
    a = softmax(nodes)
    log_likelihood(a, y).backward()
    with mp.workdps(50):
        powers = [mp.exp(mpf(x)) for x in z]
        for node, power, target in zip(nodes, powers, y, strict=True):
            want = power / sum(powers) - target
            # exp of the shifted z: its rounding counts by its size, at most 30; twice
            assert_within(node.grad, want, (2 * len(z) + 100) * U * abs(want))


@given(columns(reals, reals))
def test_quadratic_has_the_derivative_a_minus_y(pairs: list[tuple[float, float]]) -> None:
    a = values(split(pairs)[0])
    quadratic(a, split(pairs)[1]).backward()
    assert [v.grad for v in a] == [a - y for a, y in pairs]


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
def test_targets_have_gradients_too(cost: Any) -> None:
    a, y = values([0.25, 0.5]), values([0.75, 0.125])
    cost(a, y).backward()
    step = 2.0**-20
    for k, target in enumerate(y):
        high, low = ([v.data + s * step * (j == k) for j, v in enumerate(y)] for s in (1, -1))
        numbers = [v.data for v in a]
        slope = (cost(numbers, high).data - cost(numbers, low).data) / (2 * step)
        # Every cost is at most quadratic in y; so the quotient is exact but for rounding.
        assert target.grad == pytest.approx(slope, abs=8 * 2**-53 / step)


fractions = st.fractions(-5, 5, max_denominator=9)


@given(columns(fractions, fractions))
def test_quadratic_is_exact_on_rationals(pairs: list[tuple[Fraction, Fraction]]) -> None:
    a = values(split(pairs)[0])
    cost = quadratic(a, split(pairs)[1])
    cost.backward()
    assert cost.data == sum((a - y) ** 2 for a, y in pairs) / 2
    assert type(cost.data) is Fraction
    assert [v.grad for v in a] == [a - y for a, y in pairs]


@given(columns(st.one_of(fractions, st.sampled_from([-1, 1])), st.sampled_from([-1, 1])))
def test_hinge_is_exact_on_rationals(pairs: list[tuple[Fraction, int]]) -> None:
    a = values(split(pairs)[0])
    cost = hinge(a, split(pairs)[1])
    cost.backward()
    assert cost.data == sum(max(0, 1 - a * y) for a, y in pairs)
    half = Fraction(1, 2)
    assert [v.grad for v in a] == [
        -y if a * y < 1 else -y * half if a * y == 1 else 0 for a, y in pairs
    ]


@given(columns(reals, st.floats(-1, 1).filter(bool)))
def test_plain_numbers_cost_what_values_cost(pairs: list[tuple[float, float]]) -> None:
    a, y = split(pairs)
    for cost in (quadratic, hinge, cross_entropy_from_z, log_likelihood_from_z):
        assert cost(a, y).data == cost(values(a), values(y)).data


@pytest.mark.parametrize("name", COSTS)
@given(st.lists(shares, min_size=2, max_size=5), st.data())
def test_the_number_of_a_class_stands_for_its_row_of_targets(
    name: str, a: list[float], data: st.DataObject
) -> None:
    k = data.draw(st.integers(0, len(a) - 1))
    no, yes = entry(name).targets
    row = [no] * len(a)
    row[k] = yes
    assert COSTS[name](a, k).data == COSTS[name](a, np.int64(k)).data == COSTS[name](a, row).data


@pytest.mark.parametrize("number", [-1, 3])
def test_a_class_beyond_the_outputs_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"class {number} of 3 outputs: they are 0 to 2"):
        quadratic([0.1, 0.2, 0.3], number)


def test_what_is_no_row_of_targets_gets_the_ways_out() -> None:
    with pytest.raises(ValueError, match="1 at the right one and 0 elsewhere, or the class's"):
        log_likelihood([0.1, 0.2, 0.3], [1])


def test_hinge_refuses_targets_of_0() -> None:
    with pytest.raises(ValueError, match="the targets of hinge are -1 and 1"):
        hinge([0.5, 0.5], [0, 1])


# --- Shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
def test_a_single_output_may_stand_by_itself(cost: Any) -> None:
    whole = cost([Value(0.25)], [1.0]).data
    assert cost(Value(0.25), 1.0).data == whole
    assert cost(Value(0.25), [1.0]).data == whole
    assert cost([Value(0.25)], Value(1.0)).data == whole


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
@pytest.mark.parametrize(
    ("outputs", "targets", "message"),
    [
        ([0.5, 0.5], [1], "2 outputs and 1 targets"),
        ([0.5], [1, 0], "1 outputs and 2 targets"),
        (0.5, [1, 0], "1 outputs and 2 targets"),
        ([], [], "0 outputs and 0 targets"),
    ],
)
def test_lengths_that_differ(cost: Any, outputs: Any, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cost(outputs, targets)


def test_they_are_found_by_name() -> None:
    assert all(cost.__name__ == name for name, cost in COSTS.items())
    with pytest.raises(TypeError):
        COSTS["quadratic"] = hinge


@pytest.mark.parametrize("name", COSTS)
def test_an_entry_is_found_by_name_and_by_function(name: str) -> None:
    found = entry(name)
    assert found is entry(COSTS[name])
    assert (found.function, found.name) == (COSTS[name], name)
    assert name in delta.COSTS
    assert found.output in (None, *ACTIVATIONS)
    assert found.from_z == name.endswith("_from_z")


def test_a_function_of_ones_own_has_no_demands_and_no_name() -> None:
    def hinge(outputs: Any, targets: Any) -> Value:  # a namesake
        return outputs

    found = entry(hinge)
    assert (found.function, found.name, found.output, found.targets) == (hinge, "", None, (0, 1))
    assert not found.unit_interval and not found.from_z


@pytest.mark.parametrize("wrong", ["hing", "", None, 3])
def test_what_is_no_cost_is_refused_with_the_names(wrong: Any) -> None:
    with pytest.raises(ValueError, match=repr(wrong)):
        entry(wrong)


@pytest.mark.parametrize("name", [n for n in COSTS if entry(n).output])
@given(st.floats(-30, 30), st.sampled_from([0, 1]))
def test_the_output_is_the_one_with_which_a_right_answer_costs_less_and_less(
    name: str, z: float, which: int
) -> None:
    """At the output a cost was made for, it goes to 0 as z goes far to the right side."""
    found = entry(name)
    targets = [found.targets[which == k] for k in range(2)]
    costs = []
    for far in (0.0, 5.0, 40.0):
        zs = [z + (far if which == k else -far) for k in range(2)]
        model = MLP(2, [2], init="zeros", output_activation=found.output)
        model.weights[1] = [[1.0, 0.0], [0.0, 1.0]]
        costs.append(found.function(model(zs), targets).data)
    assert costs[0] >= costs[1] >= costs[2]
    assert costs[2] < 1e-3 or z < -10 or z > 10


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_these_activations_are_between_0_and_1_and_no_others(x: float, y: float) -> None:
    within = set()
    for name in ACTIVATIONS:
        model = MLP(2, [2], init="zeros", output_activation=name)
        model.biases[1] = [0.0, 0.0]
        model.weights[1] = [[1.0, 0.0], [0.0, 1.0]]
        outputs = [*model([x, y]), *model([-51.0, 51.0])]
        if all(0 <= a.data <= 1 for a in outputs):
            within.add(name)
    assert within == set(UNIT_INTERVAL)


def test_an_infinite_logit_whose_target_is_0_costs_what_the_others_cost() -> None:
    z = [Value(-math.inf), Value(0.0), Value(1.0)]
    for targets in ([0, 1, 0], [Value(0.0), Value(1.0), Value(0.0)]):
        cost = log_likelihood_from_z(z, targets)
        assert cost.data == pytest.approx(math.log(1 + math.e), rel=1e-15)
        cost.backward()
    share = 1 / (1 + math.e)
    assert [v.grad / 2 for v in z] == pytest.approx([0, share - 1, 1 - share], rel=1e-15)
    for infinite, target in ((-math.inf, 0), (math.inf, 1), (-math.inf, 0.0)):
        node = Value(infinite)
        cost = cross_entropy_from_z([node], [target])
        cost.backward()
        assert (cost.data, node.grad) == (0, 0)
    assert cross_entropy_from_z([-math.inf], [1]).data == math.inf
