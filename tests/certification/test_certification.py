"""What `certify` calls the nearest float is the nearest; what it leaves open it explains."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import pytest
import sympy
from flint import ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from rich.console import Console
from support.equations import rounded, true_gradients
from support.oracles import EDGES, operands, variants

from microgradnet import MLP, Value, certify, cli, costs, ops
from microgradnet.arithmetic import FUNCTIONS, PRIMITIVES, Arithmetic
from microgradnet.certification import Certificate
from microgradnet.certification.balls import balls
from microgradnet.certification.enclosures import Enclosed
from microgradnet.certification.intervals import _point as point
from microgradnet.certification.intervals import intervals
from microgradnet.certification.passes import FAST_PATHS, Graph, Passes
from microgradnet.engine import UNSET
from microgradnet.graph import topological_order
from microgradnet.operation import operation

LIBRARIES = ["python-flint", "mpmath"]
ARITHMETICS = [balls, intervals]


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


@pytest.mark.parametrize("m", ARITHMETICS, ids=lambda m: m.name)
def test_the_image_of_an_enclosure_encloses_those_of_its_ends(m: Any) -> None:
    unary = [name for name in PRIMITIVES if name not in ("acosh", "atan2")]
    with m.precision(106), mp.workprec(200):
        for low, high in ((0.25, 0.75), (-0.5, 0.5)):
            x = Enclosed(m, m.hull(m.exact(low), m.exact(high)))
            for name in unary:
                if low > 0 or name not in ("log", "sqrt"):
                    lower, upper = m.bounds(getattr(m, name)(x).ball)
                    for end in (low, high):
                        assert lower <= getattr(mp, name)(mpf(end)) <= upper, name


def test_the_last_bits_that_mpmath_computes_count_for_nothing() -> None:
    with intervals.precision(106):
        ball = point(lambda _: 1 + mpf(2) ** -120, None)  # rounding alone would end at 1
        assert ball.lower < 1 < ball.upper
        assert ball.upper - ball.lower < mpf(2) ** -102
    wide, small = Value(2**120 + 1), Value(16.5)
    difference = (wide - small) - 2.0**120  # mpmath itself takes wide - small for 2¹²⁰
    assert certify(difference, library="mpmath").values[difference] == -15.5


def test_functions_that_jump_are_enclosed() -> None:
    m = intervals
    with m.precision(106), mp.workprec(400):
        for y, x in product((-2.0, -1e-300, 0.0, 0.7, 3.0), repeat=2):
            if x or y:
                (angle,) = m.nearest([m.atan2(m.convert(y), m.convert(x)).ball])
                assert angle == rounded(mp.atan2(y, x))
            assert m.nearest([m.floor(m.convert(x)).ball]) == [math.floor(x)]
        undefined = m.convert(math.nan)
        angles = m.atan2(undefined, 1), m.atan2(0, undefined)
        assert m.nearest([m.floor(undefined).ball, *(x.ball for x in angles)]) == [None] * 3


@pytest.mark.parametrize("m", ARITHMETICS, ids=lambda m: m.name)
def test_each_order_that_is_possible_is_tried(m: Any) -> None:
    with m.precision(106):
        third, zero = m.convert(Fraction(1, 3)), m.convert(0)
        unknown = third - m.convert(Fraction(1, 3))
        assert sorted(m.every_case(lambda: m.order(unknown, 0))) == [-1, 0, 1]
        both = m.every_case(lambda: (unknown < zero, zero > unknown))
        assert {*both} == {(True, True), (False, False)}
        undefined = m.convert(math.nan)
        assert m.every_case(lambda: m.order(undefined, 0)).count(None) == 1
        assert m.every_case(lambda: third != unknown) == [True]


# Graphs


def random_graph(rng: Random, leaves: list[Value]) -> Callable[[list[Any]], list[Any]]:
    """A function that makes the same graph of all operations of leaves of any kind."""
    # mpmath's erfc is 0 far on the right, where the true one is above it, as `where` asks
    table = [op for op in variants() if op.name != "erfc"]
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


TIES = [x * s for x in (1.0, 2.0**-53, 2.0**-54, 1 + 2.0**-52, 3.0, 2.0**-600) for s in (1, -1)]


@given(
    st.lists(st.sampled_from(TIES), min_size=2, max_size=4),
    st.lists(st.tuples(st.sampled_from([ops.add, ops.subtract, ops.multiply]), st.randoms())),
    st.sampled_from(LIBRARIES),
)
def test_ties_round_as_fractions_do(numbers: list[float], steps: list[Any], library: str) -> None:
    nodes, twins = [Value(x) for x in numbers], [Value(Fraction(x)) for x in numbers]
    for op, rng in steps[:6]:
        i, j = rng.randrange(len(nodes)), rng.randrange(len(nodes))
        nodes.append(op(nodes[i], nodes[j]))
        twins.append(op(twins[i], twins[j]))
    certificate = certify(nodes[-1], library=library)
    twins[-1].backward()
    for node, twin in zip(nodes, twins, strict=True):
        if node in certificate.values:
            assert certificate.values[node] == float(twin.data)
            assert certificate.gradients[node] == float(twin.grad)


# Networks


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus", "silu", "gelu", "softsign"])
def test_gradients_of_a_network_are_those_of_the_equations_at_500_bits(name: str) -> None:
    rng = Random(name)
    model = MLP(4, [8, 3], activation=name, output_activation="linear", init="zeros")
    for parameter in model.parameters():
        parameter.data = rng.uniform(-8, 8)
    x, y = [rng.uniform(-1, 1) for _ in range(4)], [rng.uniform(-1, 1) for _ in range(3)]
    certificate = certify(costs.quadratic(model.forward(x).output, y))
    with mp.workprec(500):
        true = true_gradients(model, [name, "linear"], x, y)
        nearest = list(map(rounded, true))
    parameters = [p for layer in model.layers for n in layer.neurons for p in (*n.w, n.b)]
    assert [certificate.gradients[p] for p in parameters] == nearest
    assert certificate.ok
    assert certificate.bits == 106


def test_a_network_of_relu_is_certified_but_for_kinks() -> None:
    model = MLP(2, [4, 4, 1], activation="relu", seed=3)
    assert certify(costs.quadratic(model.forward([0.3, -0.7]).output, [0.5])).ok
    x = Value(0.3)
    zero = x.sin() ** 2 + x.cos() ** 2 - 1  # truly, and never known to be
    y = Value(2.0)
    certificate = certify(zero.relu() * y + y + (-y).relu())
    assert not certificate.ok
    assert certificate.gradients[y] == 1.0
    assert certificate.gradients[x] is None
    (reason,) = {each.reason for each in certificate.gradients.uncertain.values()}
    assert reason.startswith("a kink or a tie within the enclosure: relu(")


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_can_be_written_exactly_ends_too(library: str) -> None:
    tie = Value(1.0) + Value(2.0**-53) + Value(2.0**-1000)
    assert certify(tie, library=library).values[tie] == 1 + 2.0**-52
    third = Value(Fraction(1, 3))
    zero = third + Value(Fraction(1, 6)) - Value(Fraction(1, 2))
    certificate = certify(zero.relu() * 2.0 + zero * third.maximum(Value(Fraction(1, 3))))
    assert certificate.ok
    assert certificate.values[zero] == 0.0
    assert certificate.gradients[third] == 1 / 3  # of relu none, at the tie a half
    tie = third.maximum(Value(Fraction(1, 3))) * 1.5
    assert certify(tie, library=library).gradients[third] == 0.75
    x = Value(0.7)
    cancelled = x.exp() * (-x).exp() - 1
    assert certify(cancelled, library=library).values[cancelled] == 0.0


@pytest.mark.parametrize("z", [30.0, 37.0, 700.0])
def test_what_saturates_needs_no_complement(z: float) -> None:
    leaf = Value(z)
    cost = costs.cross_entropy([leaf.sigmoid()], [0.0])
    certificate = certify(cost)
    with mp.workprec(3000):
        sigma = 1 / (1 + mp.exp(-mpf(z)))
        assert certificate.values[cost] == rounded(-mp.log(1 - sigma))
        assert certificate.gradients[leaf] == rounded(sigma)


def test_overflow_is_said_and_poles_are() -> None:
    x = Value(800.0)
    certificate = certify(x.exp())
    assert certificate.ok
    assert certificate.gradients[x] == math.inf
    assert "1 beyond the largest float" in certificate.title
    zero = Value(0.0, label="z")
    for pole, where in (
        (1 / zero, "no number (a pole, outside the domain, or too large): 1.0 / z, z = 0.0"),
        (Value(-2.0).log() * zero, "too large): log(−2.0)"),
        (zero.sqrt(), "no derivative (a pole, or too large): sqrt(z), z = 0.0"),
        (Value(math.nan, label="w") * zero, "the leaf w is nan"),
        (Value(math.inf) - Value(math.inf) * (1 + zero), "a leaf is inf"),
    ):
        certificate = certify(pole)
        assert not certificate.ok
        assert where in certificate.verdict
        assert certificate.bits == 106  # more digits would not help


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_beyond_the_floats_are_infinite_and_below_are_zero(library: str) -> None:
    x = Value(1.7e308)
    for y, nearest in ((x * 2, math.inf), (-x * x, -math.inf), (1 / x / x, 0.0)):
        assert certify(y, library=library).values[y] == nearest
    far = Value(1e9)
    tail = far.erfc()
    assert certify(tail, library=library).values[tail] == 0.0


# What may be certified


def test_numbers_of_every_kind_are_exact() -> None:
    for x in (3, Fraction(1, 3), Decimal("0.1"), mpf("0.1")):
        leaf = Value(x)
        exact = Fraction(*x.as_integer_ratio()) if not isinstance(x, mpf) else Fraction(float(x))
        cube = leaf * leaf * leaf
        certificate = certify(cube)
        assert certificate.values[cube] == float(exact**3)
        assert certificate.gradients[leaf] == float(3 * exact**2)
    assert "a leaf is Infinity" in certify(Value(Decimal("Infinity"))).verdict
    with mp.workprec(300):
        leaf = Value(1 + mpf(2) ** -53 + mpf(2) ** -290)
        assert certify(leaf).values[leaf] == 1 + 2.0**-52
    with pytest.raises(TypeError, match="formula"):
        certify(Value(sympy.Symbol("x")) * 2)


def test_what_is_no_cost_is_refused() -> None:
    with pytest.raises(TypeError, match=r"takes a Value, not 3\.0: give the node"):
        certify(3.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="certify each, or their sum"):
        certify([Value(1.0)])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 106"):
        certify(Value(1.0), bits=53)
    with pytest.raises(ValueError, match="python-flint or mpmath, not 'gmp'"):
        certify(Value(1.0), library="gmp")


def test_without_a_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Value(0.1)
    monkeypatch.setitem(sys.modules, "microgradnet.certification.balls", None)
    assert "mpmath" in certify(x * x).library
    with pytest.raises(ImportError, match=r"pip install 'microgradnet\[certify\]'"):
        certify(x, library="python-flint")
    monkeypatch.setitem(sys.modules, "microgradnet.certification.intervals", None)
    with pytest.raises(ImportError, match="pip install mpmath"):
        certify(x)


def test_too_few_bits_are_said() -> None:
    x = Value(40.0)
    saturated = 1 - x.sigmoid()
    certificate = certify(saturated, bits=106)
    (open_,) = certificate.values.uncertain.values()
    assert open_.reason == "106 bits do not suffice"
    assert open_.lower < 4.248354255291589e-18 < open_.upper
    assert certify(saturated).bits == 212


@pytest.mark.parametrize("library", LIBRARIES)
def test_operations_of_ones_own(own_table: None, library: str) -> None:
    def cube_vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (g * x**2 * 3 / 1,)

    @operation(cube_vjp)
    def cube(m: Any, x: Any) -> Any:
        return 1 / (1 / (x**3)) + 0 * 2**x if x != 0 and abs(x) > 0 else x

    def leaves_vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (g * math.cos(x),)

    @operation(leaves_vjp)
    def leaves(m: Any, x: Any) -> Any:
        return m.sin(x)

    @operation(lambda m, g, y, x: (g, g))
    def wrong(m: Any, x: Any) -> Any:
        return x

    x = Value(0.1)
    y = cube(x)
    certificate = certify(y, library=library)
    assert certificate.values[y] == float(Fraction(0.1) ** 3)
    assert certificate.gradients[x] == float(3 * Fraction(0.1) ** 2)
    z = leaves(x)
    certificate = certify(z, library=library)
    assert certificate.values[z] is not None
    assert certificate.gradients[x] is None
    assert "leaves does not compute with enclosures" in certificate.verdict
    with pytest.raises(TypeError, match="2 contributions for 1 operand"):
        certify(wrong(x), library=library)

    @operation(lambda m, g, y, x: (g,))
    def escapes(m: Any, x: Any) -> Any:
        return math.sin(x)

    verdict = certify(escapes(x), library=library).verdict
    assert "escapes does not compute with enclosures: must be real number, not Enclosed" in verdict


def test_many_unknown_orders_are_given_up(own_table: None) -> None:
    @operation(lambda m, g, y, *xs: (g,) * len(xs))
    def largest(m: Any, *xs: Any) -> Any:
        return max(xs)

    ones = [Value(x).sqrt() ** 2 - x for x in (2.0, 3.0, 5.0, 6.0, 7.0, 8.0)]
    certificate = certify(largest(*ones), bits=212)
    reasons = [each.reason for each in certificate.values.uncertain.values()]
    assert reasons[-1].startswith("a kink or a tie within the enclosure: largest(")
    two = largest(*ones[:2])
    assert certify(two).values[two] == 0.0


# What it leaves as it was, and what it writes


def test_it_leaves_gradients_alone_unless_asked() -> None:
    x, w = Value(0.1), Value(0.3)
    cost = (x * w).tanh() * x
    cost.backward()
    before = [node.grad for node in topological_order([cost])]
    certificate = certify(cost)
    assert [node.grad for node in certificate.nodes] == before
    x.grad, w.grad = 0, 1.0
    certify(cost, write_grad=True)
    assert (x.grad, w.grad) == (certificate.gradients[x], 1.0 + certificate.gradients[w])
    assert cost.grad == 1.0


def test_where_none_is_certain_backwards_own_gradient_is_written() -> None:
    x = Value(0.3)
    zero = x.sin() ** 2 + x.cos() ** 2 - 1
    cost = zero.relu() * 3.0 + x
    cost.backward()
    own, x.grad = x.grad, UNSET
    certify(cost, write_grad=True)
    assert x.grad == own
    third = Value(Fraction(1, 3))
    certify(third * third, write_grad=True)
    assert third.grad == Fraction(2, 3)


def test_an_interruption_leaves_gradients_and_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Value(0.1)
    cost = x.tanh()
    cost.backward()
    before = x.grad

    def interrupt(self: Any, one: Any, other: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(balls), "divide", interrupt)
    precision = ctx.prec
    with pytest.raises(KeyboardInterrupt):
        certify(cost / 3.0, write_grad=True)
    assert (x.grad, ctx.prec) == (before, precision)


def test_deep_graphs_do_not_recurse() -> None:
    x = y = Value(0.9999)
    for _ in range(3_000):
        y = y * x
    assert certify(y).ok


def test_second_derivatives_are_certified_as_graphs() -> None:
    x = Value(0.7)
    slope = x.tanh().backward(create_graph=True)[x]
    with mp.workprec(500):
        t = mp.tanh(mpf(0.7))
        assert certify(slope).gradients[x] == rounded(-2 * t * (1 - t * t))


# The report


def test_the_report(golden: Callable[[str, str], None]) -> None:
    x, y = Value(0.3, label="x"), Value(-1.0, label="y")
    zero = Value(2.0).sqrt() ** 2 - 2
    cost = zero.relu() * 3.3 * x + (x * 7.1 - 2.13) * x * 0.1 + y.log() * x
    certificate = certify(cost)
    for width in (60, 80, 160):
        screen = io.StringIO()
        Console(file=screen, width=width).print(certificate)
        golden(f"certificate_{width}.txt", screen.getvalue())
    assert repr(certificate) == "<certificate of 35 of 44 numbers, 6784 bits>"
    assert repr(certificate.values).startswith("<numbers: 19 of 22 proven; 10 floats are")
    assert "<b>NOT proven: " in certificate._repr_html_()
    data = json.loads(certificate.to_json())
    assert data["ok"] is False
    assert data["gradients"]["certified"] == certificate.gradients.certified
    assert len(data["nodes"]) == len(certificate.values) == len([*certificate.values])
    assert data["nodes"][-1]["value"]["upper"] == "inf"


def test_ulps_count_from_the_nearest() -> None:
    x = Value(0.1)
    certificate = certify(3 * x * x - x)
    assert certificate.gradients.ulps(x) == 1.0
    x.data = 1.5
    assert certify(x).values.ulps(x) == 0
    power = x**2
    power.data = math.nan
    assert certify(power).values.ulps(power) == math.inf


def test_the_command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["verify", "--data", "xor", "--sizes", "2,2,2", "--steps", "0", "--certify"]
    assert cli.main(arguments) == 0
    written = capsys.readouterr().out
    assert "all " in written
    assert "numbers are proven" in written
    assert cli.main([*arguments, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["ok"], data["certificate"]["ok"]) == (True, True)
    for module in ("balls", "intervals"):
        monkeypatch.setitem(sys.modules, f"microgradnet.certification.{module}", None)
    assert cli.main(arguments) == 2
    assert "pip install" in capsys.readouterr().err
