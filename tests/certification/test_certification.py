"""What `certify` calls the nearest float is the nearest; what it leaves open it explains."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from support.oracles import EDGES, operands, variants

from microgradnet import Value, certify
from microgradnet.arithmetic import FUNCTIONS, PRIMITIVES, Arithmetic
from microgradnet.certification import Certificate
from microgradnet.certification.balls import balls
from microgradnet.certification.intervals import intervals
from microgradnet.certification.passes import FAST_PATHS, Graph, Passes

LIBRARIES = ["python-flint", "mpmath"]
ARITHMETICS = [balls, intervals]


def rounded(x: Any) -> float:
    """The float nearest to an mpmath number, by a quotient of ints: mpmath itself rounds twice."""
    if not mp.isfinite(x):
        return float(x)
    sign, mantissa, exponent, bits = mpf(x)._mpf_
    if abs(exponent + bits) > 1100:
        size = math.inf if mantissa and exponent + bits > 0 else 0.0
    else:
        try:
            size = float(Fraction(int(mantissa)) * Fraction(2) ** exponent)
        except OverflowError:
            size = math.inf
    return -size if sign else size


def check(certificate: Certificate, nodes: list[Value], twins: list[Value]) -> None:
    """Hold what is certified against twins of the nodes, made of mpmath's numbers."""
    for node, twin in zip(nodes, twins, strict=True):
        if node in certificate.values:
            for got, true in (
                (certificate.values[node], twin.data),
                (certificate.gradients[node], twin.grad),
            ):
                assert got is None or got == rounded(mpf(true)), (node, got, true)


# The table


@pytest.mark.parametrize("m", ARITHMETICS, ids=lambda m: m.name)
def test_the_arithmetics_have_every_function_of_the_table(m: Any) -> None:
    missing = [name for name in FUNCTIONS if getattr(type(m), name) is getattr(Arithmetic, name)]
    assert not set(missing) & {*PRIMITIVES, "floor"}


FLOATS = st.floats() | st.sampled_from(EDGES) | st.floats(-50, 50)


@pytest.mark.parametrize("op", variants(), ids=repr)
@settings(max_examples=6)
@given(st.data())
def test_each_operation_is_enclosed(op: Any, data: st.DataObject) -> None:
    xs = data.draw(st.tuples(*[FLOATS] * operands(op)))
    library = data.draw(st.sampled_from(LIBRARIES))
    leaves = [Value(x) for x in xs]
    certificate = certify(op(*leaves), library=library)
    with mp.workprec(2200):
        twins = [Value(mpf(x)) for x in xs]
        root = op(*twins)
        root.backward()
        check(certificate, [*leaves, certificate.nodes[-1]], [*twins, root])


def test_fast_paths_enclose_what_the_rules_do() -> None:
    for op in FAST_PATHS:
        leaves = [Value(x / 7) for x in range(1, 1 + operands(op))]
        graph = Graph(op(*leaves))
        with balls.precision(106):
            fast = Passes(graph, balls)
            numbers = [balls.convert(x.data) for x in leaves]
            assert op.forward(balls, *numbers).ball.overlaps(fast.values[-1])
            terms = op.rule(balls, balls.convert(1), None, *numbers)
            for ball, term in zip(fast.adjoints, terms, strict=False):
                assert balls.ball(term).overlaps(ball)


# Graphs


def random_graph(rng: Random, leaves: list[Value]) -> Callable[[list[Any]], list[Any]]:
    """A function that makes the same graph of all operations of leaves of any kind."""
    table = variants()
    steps: list[tuple[Any, list[int]]] = []
    for size in range(len(leaves), len(leaves) + rng.randint(2, 7)):
        op = rng.choice(table)
        steps.append((op, [rng.randrange(size) for _ in range(operands(op))]))

    def build(nodes: list[Any]) -> list[Any]:
        nodes = [*nodes]
        for op, places in steps:
            nodes.append(op(*[nodes[k] for k in places]))
        return nodes

    return build


NUMBERS = FLOATS | st.sampled_from([Fraction(1, 3), Fraction(-2, 7), 0, 1, -1, 2])


@given(st.lists(NUMBERS, min_size=1, max_size=3), st.randoms(), st.sampled_from(LIBRARIES))
def test_random_graphs_of_all_operations_at_edges(
    numbers: list[Any], rng: Random, library: str
) -> None:
    leaves = [Value(x) for x in numbers]
    build = random_graph(rng, leaves)
    try:
        nodes = build(leaves)
        certificate = certify(nodes[-1], library=library)
    except (ZeroDivisionError, OverflowError):  # of rationals, and of ints
        return
    with mp.workprec(2200):
        twins = build([Value(_exactly(x)) for x in numbers])
        twins[-1].backward()
        check(certificate, nodes, twins)


def _exactly(x: Any) -> Any:
    return mpf(x.numerator) / x.denominator if isinstance(x, Fraction) else mpf(x)
