"""Every operation of the table before every oracle; and every oracle before errors planted for it.

Value, first and second derivatives, of the scalar engine and of the lifted programs. Over the table
itself, so that a new entry is judged by being there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from support.judges import ORACLES, engine, judge, lifted, lifted_program, orders, points
from support.oracles import EDGES, is_flat, operands, running_error, variants

from microgradnet import Value, lift, ops
from microgradnet.arithmetic import NO_PART
from microgradnet.operation import Operation, operation, operations

TRIES = settings.default.max_examples
each_variant = pytest.mark.parametrize("op", variants(), ids=repr)
each_entry = pytest.mark.parametrize("op", [*operations()], ids=lambda op: op.name)
each_oracle = pytest.mark.parametrize("oracle", ORACLES)
LIBRARIES = {"PyTorch": "torch", "SymPy": "sympy"}
PRESENT = [name for name in ORACLES if find_spec(LIBRARIES.get(name, "mpmath")) is not None]


@pytest.fixture
def present(oracle: str, require_oracle: Callable[[str], Any]) -> str:
    """The oracle; skipped where its library is missing."""
    if oracle in LIBRARIES:
        require_oracle(LIBRARIES[oracle])
    return oracle


@each_oracle
@each_variant
def test_every_oracle_confirms_the_engine(op: Operation, present: str) -> None:
    heard = [judge(engine, present, op, xs, order) for xs in points(op) for order in orders(op)]
    if not any(heard):
        # Of what PyTorch lacks, and of SymPy's 0 to the power x, which it cannot differentiate.
        assert present in LIBRARIES
        pytest.skip(f"{present} has no say of {op!r}")


@each_variant
def test_the_lifted_programs_are_confirmed(op: Operation) -> None:
    heard = [judge(lifted, "mpmath", op, xs, order) for xs in points(op) for order in orders(op)]
    assert any(heard)


magnitudes = st.one_of(st.floats(-3, 3), st.floats(-50, 50)).map(
    lambda x: x + 0.0 if abs(x) > 1e-8 else 0.5
)


@each_entry
@settings(max_examples=max(3, TRIES // 15))
@given(data=st.data())
def test_at_any_point(op: Operation, data: st.DataObject) -> None:
    xs = data.draw(st.tuples(*[magnitudes] * operands(op)))
    assume(op is not ops.clip or len({*xs}) == 3)  # between equal bounds SymPy has a slope
    for oracle in PRESENT:
        for order in orders(op):
            judge(engine, oracle, op, xs, order)


def test_an_own_operation_comes_before_all_of_them(own_table: None) -> None:
    """PyTorch alone has no say; a wrong rule is noticed by every other."""

    def cubed_vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (g * 3 * m.tanh(x) * m.tanh(x) * m.sech(x) * m.sech(x),)

    @operation(cubed_vjp)
    def tanh_cubed(m: Any, x: Any) -> Any:
        return m.tanh(x) * m.tanh(x) * m.tanh(x)

    assert tanh_cubed in variants()
    wrong = wrong_product(tanh_cubed, 0, 2.0**-10)
    for oracle in set(PRESENT) - {"PyTorch"}:
        assert judge(engine, oracle, tanh_cubed, (0.7,), (0,))
        assert judge(engine, oracle, tanh_cubed, (0.7,), (0, 0))
        with pytest.raises(AssertionError):
            judge(engine, oracle, wrong, (0.7,), (0,), right=tanh_cubed)


# The lifted programs: at edges, and of graphs that have vectors

EXCEPT: dict[str, Callable[..., bool]] = {
    "power_constant": lambda x: x == -math.inf,  # √−inf is NaN in NumPy; to the power ½ it is inf
}


@each_variant
def test_at_edges_the_lifted_program_has_the_engines_numbers(op: Operation) -> None:
    """Value and gradients, infinities and NaN included."""
    program, n = lifted_program(op), operands(op)
    few = [0.0, 1.0, -2.5, 800.0, -math.inf, math.inf, math.nan]
    edges = list(product(EDGES if n == 1 else few[: 7 if n < 4 else 3], repeat=n))
    # The program's softmax has 1 − s as a difference, so it is right to u absolutely.
    floor = 1e-15 if op.name == "softmax_component" else 1e-300
    for xs, value in zip(edges, program.value(edges).tolist(), strict=True):
        if op.name in EXCEPT and EXCEPT[op.name](*xs):
            continue
        found = [value, *program.value_and_grad([xs])[1].tolist()]
        for got, want in zip(found, (op(*xs), *op.vjp(1.0, *xs)), strict=True):
            same = got == want or (math.isnan(got) and math.isnan(want))
            assert same or abs(got - want) <= 1e-13 * abs(want) + floor, f"{xs}: {got}, not {want}"


def vectors(op: Operation, size: int, x: list[Any], w: list[Any]) -> Value:
    """C = Σⱼ vⱼ f(z¹ⱼ, z²ⱼ, …) of the vectors zⁱ = Wⁱ x + bⁱ, one for each operand of f."""
    start = 1 if op.name == "acosh" else 0  # where its domain begins; others' end at 1 or beyond
    entries, terms = iter(w), []
    for _ in range(size):
        z = [next(entries) * x[0] + next(entries) * x[1] + start for _ in range(operands(op))]
        terms.append(next(entries) * op(*z))
    return sum(terms[1:], terms[0])


@each_entry
@settings(max_examples=max(3, TRIES // 20))
@given(st.integers(1, 3), st.integers(1, 4), st.randoms(use_true_random=False))
def test_within_vectors(op: Operation, size: int, rows: int, rng: Random) -> None:
    """Costs of a batch and the summed gradient, beside the engine's at fifty digits."""
    numbers = [rng.uniform(0.125, 0.5) for _ in range((2 * operands(op) + 1) * size)]
    X = [[rng.uniform(0.125, 0.75) for _ in range(2)] for _ in range(rows)]
    inputs, w = [Value(0.5), Value(0.25)], [Value(x) for x in numbers]
    costs, gradient = lift(vectors(op, size, inputs, w), inputs, parameters=w).value_and_grad(X)
    k = rng.randrange(len(w))
    bound, exact = 0.0, mpf(0)
    for x, cost in zip(X, costs.tolist(), strict=True):
        leaves, twins = [Value(x) for x in numbers], [Value(mpf(x)) for x in numbers]
        root = vectors(op, size, [Value(v) for v in x], leaves)
        with mp.workdps(50):
            true = vectors(op, size, [Value(mpf(v)) for v in x], twins)
            exact += true.backward(create_graph=True)[twins[k]].data
            assert abs(cost - true.data) <= 4 * running_error(root, leaves)
        bound += 4 * running_error(root.backward(create_graph=True)[leaves[k]], leaves)
    assert abs(gradient[k] - exact) <= bound


# The oracles, judged


def wrong_value(op: Operation, error: float) -> Operation:
    return replace(op, forward=lambda m, *xs: op.forward(m, *xs) * (1 + m.convert(error)))


def wrong_product(op: Operation, k: int, error: float) -> Operation:
    flat = is_flat(op, k)

    def vjp(m: Any, g: Any, y: Any, *xs: Any) -> Any:
        products = list(op.rule(m, g, y, *xs))
        if flat:
            products[k] = g * m.convert(error)
        elif products[k] is not NO_PART:  # what has no part stays without
            products[k] = products[k] * (1 + m.convert(error))
        return tuple(products)

    return replace(op, rule=vjp)


def wrong_when_differentiated(op: Operation, k: int, error: float) -> Operation:
    """The rule gives the right numbers; but as a function of xₖ it has another slope."""
    flat = is_flat(op, k)

    def vjp(m: Any, g: Any, y: Any, *xs: Any) -> Any:
        products = list(op.rule(m, g, y, *xs))
        rest = xs[k] - (xs[k].data if isinstance(xs[k], Value) else xs[k])  # 0
        if flat:
            products[k] = g * error * rest
        elif products[k] is not NO_PART:
            products[k] = products[k] * (1 + error * rest)
        return tuple(products)

    return replace(op, rule=vjp)


def is_noticed(wrong: Operation, op: Operation, oracle: str, order: tuple[int, ...]) -> bool:
    """At one point at least; or that the oracle has no say."""
    heard = False
    for xs in points(op):
        try:
            heard |= judge(engine, oracle, wrong, xs, order, right=op)
        except AssertionError:
            return True
    return not heard


@each_oracle
@each_entry
def test_every_oracle_notices(op: Operation, present: str) -> None:
    finest = ORACLES[present].finest
    if op is not ops.equal:  # which is 0 at all points, whatever the factor
        assert is_noticed(wrong_value(op, finest), op, present, ())
    for k in range(operands(op)):
        assert is_noticed(wrong_product(op, k, finest), op, present, (k,))
        assert is_noticed(wrong_when_differentiated(op, k, 2**8 * finest), op, present, (k, k))


@each_entry
def test_a_wrong_rule_is_noticed_when_lifted(op: Operation) -> None:
    for k in range(operands(op)):
        wrong = wrong_product(op, k, 2.0**-40)
        with pytest.raises(AssertionError):
            for xs in points(op):
                judge(lifted, "mpmath", wrong, xs, (k,), right=op)
