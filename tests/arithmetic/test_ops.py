"""Every operation of the table, its value and its derivatives, against every oracle there is.

All tests run over the table itself, so that a new entry is tested by being there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mpmath import mp, mpf
from support.judges import torch_functions
from support.oracles import (
    EDGES,
    VALUES,
    check_operation,
    check_point,
    grid,
    is_flat,
    limit,
    operands,
    variants,
)

from microgradnet import Value, hessian, ops, weighted_input
from microgradnet.arithmetic import NO_PART, evaluate, ieee
from microgradnet.operation import _TABLE, Operation, find, operation, operations
from microgradnet.wide_passes import reverse_mode

BUILT_IN = [*operations()]
each_entry = pytest.mark.parametrize("op", BUILT_IN, ids=lambda op: op.name)
each_variant = pytest.mark.parametrize("op", variants(), ids=repr)

inf, nan = math.inf, math.nan


# Value and rule, at high precision


@each_variant
def test_value_and_rule_at_fixed_points(op: Operation) -> None:
    check_operation(op)


magnitudes = st.one_of(
    *(st.floats(-bound, bound, allow_subnormal=False) for bound in (3, 50, 800)),
    st.sampled_from([s * (1 + t * 2.0**-k) for s in (1, -1) for t in (1, -1) for k in (2, 20, 52)]),
    st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100),
).map(lambda x: x + 0.0)  # mpmath has no −0


@each_entry
@given(data=st.data())
def test_value_and_rule_at_any_point(op: Operation, data: st.DataObject) -> None:
    xs = data.draw(st.tuples(*[magnitudes] * operands(op)))
    if op is ops.raise_to:  # beyond 2⁵³ every float is even, also the one nearest to y − 1
        assume(xs[0] >= 0 or abs(xs[1]) < 2**53)
    if op is ops.remainder:  # between two jumps there is room for a step, and x − out is a float
        assume(abs(xs[1]) > 1e-15 * (1 + abs(xs[0])))
    check_point(op, xs)


def test_every_entry_has_an_independent_formula() -> None:
    assert {op.name for op in BUILT_IN} <= VALUES.keys()


@pytest.mark.parametrize(
    ("op", "at", "slopes"),
    [
        (ops.relu, (0.0,), (0,)),
        (ops.leaky_relu, (0.0,), (0.01,)),
        (ops.elu.variant(alpha=1.5), (0.0,), (1.5,)),
        (ops.abs, (0.0,), (0,)),
        (ops.hard_tanh, (1.0,), (0,)),
        (ops.hard_tanh, (-1.0,), (0,)),
        (ops.hard_sigmoid, (3.0,), (0,)),
        (ops.hard_sigmoid, (-3.0,), (0,)),
        (ops.maximum, (2.0, 2.0), (0.5, 0.5)),
        (ops.minimum, (2.0, 2.0), (0.5, 0.5)),
        (ops.sqrt, (0.0,), (inf,)),
        (ops.power_constant.variant(exponent=0), (0.0,), (0,)),
        (ops.power_constant.variant(exponent=1), (0.0,), (1,)),
        (ops.power_constant.variant(exponent=0.5), (0.0,), (inf,)),
        (ops.exponential.variant(base=0), (0.0,), (0,)),
    ],
)
def test_derivative_at_a_kink(
    op: Operation, at: tuple[float, ...], slopes: tuple[float, ...]
) -> None:
    """As decided in the table; in mpmath and in floats alike."""
    assert op.vjp(1.0, *at) == slopes
    assert op.vjp(mpf(1), *map(mpf, at)) == tuple(map(mpf, slopes))


# The edges, against PyTorch


def _has_infinity(*xs: float) -> bool:
    return inf in xs and not any(map(math.isnan, xs))


def _limit_exists(*xs: float) -> bool:
    return max(xs) > -inf and not any(map(math.isnan, xs))


# Where PyTorch 2.13.0 is less accurate than the mathematical value or its one-sided limit: of which
# operation, which results (None: the value; k: the derivative by operand k), at which operands.
# There our result is held against the limit.
LESS_ACCURATE: dict[tuple[str, int | None], Callable[..., bool]] = {
    ("expm1", 0): lambda x: -inf < x < 0,  # y + 1
    ("tanh", 0): lambda x: 1 < abs(x) < inf,  # 1 − y²
    ("sigmoid", 0): lambda x: 0 < x < inf,  # y(1 − y)
    ("asinh", 0): lambda x: 1e155 < abs(x) < inf,  # x² overflows
    ("acosh", 0): lambda x: 1e155 < abs(x) < inf,  # also below −1, where there is no value
    ("raise_to", 0): lambda x, y: 0 < x < inf and abs(y) <= 50,  # y − 1 rounds
    ("xlogy", 1): lambda x, y: x == 0 == y,  # 0/0
    ("silu", None): lambda x: x == -inf,  # inf·0
    ("silu", 0): lambda x: math.isinf(x),
    ("gelu", None): lambda x: -100 < x < 0 or x == -inf,  # 1 + erf
    ("gelu", 0): lambda x: -100 < x < 0 or math.isinf(x),
    ("softsign", None): lambda x: math.isinf(x),  # inf/inf
    ("softsign", 0): lambda x: 1 < abs(x),  # 1/s − |x|/s²
    ("hard_sigmoid", 0): lambda x: abs(x) < 3,  # ⅙ in single precision
    **{
        ("atan2", k): lambda y, x: (
            not 1e-150 < math.hypot(y, x) < 1e150 and not _has_infinity(abs(y), abs(x))
        )
        for k in range(2)
    },  # y²
    ("clip", 0): lambda x, low, high: x == low == high,  # flat
    ("mish", None): lambda x: x == -inf,
    ("mish", 0): math.isinf,
    ("remainder", None): lambda x, y: abs(x) > 1e300 * abs(y),
    ("remainder", 1): lambda x, y: y == 0,
    ("sign", None): math.isnan,
    **{("var", k): lambda *xs: any(map(math.isinf, xs)) for k in range(3)},
    **{("log_sum_exp", k): _limit_exists for k in range(3)},  # exp(x − y), also of inf − inf
    **{("softmax_component", k): _has_infinity for k in (None, 0, 1, 2)},
}


def _edges(op: Operation) -> list[tuple[float, ...]]:
    n = operands(op)
    few = [-0.0, 1.0, -2.5, 800.0, inf, -inf, nan]
    points = product(EDGES if n < 3 else few if n == 3 else [0.0, -2.5, inf], repeat=n)
    # Between two infinities PyTorch's softmax and its logsumexp disagree; see their own test.
    return [xs for xs in points if n != 3 or xs.count(inf) < 2]


def _same(x: float, y: float, tolerance: float = 1e-14) -> bool:
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return x == y or abs(x - y) <= tolerance * abs(y) + 5e-323


@each_variant
def test_edges_are_those_of_pytorch(op: Operation, require_oracle: Callable[[str], Any]) -> None:
    torch = require_oracle("torch")
    function = torch_functions(torch).get(op.name)
    if function is None:
        pytest.skip(f"PyTorch has no {op.name}")
    points = _edges(op)
    columns = [
        torch.tensor(column, dtype=torch.float64, requires_grad=True)
        for column in zip(*points, strict=True)
    ]
    results = function(*columns, **op.parameters)
    results.sum().backward()
    theirs = zip(results.tolist(), *(column.grad.tolist() for column in columns), strict=True)
    for xs, row in zip(points, theirs, strict=True):
        y = op(*xs)
        ours = (y, *op.vjp(1.0, *xs))
        for output, x, want in zip((None, *range(len(xs))), ours, row, strict=True):
            assert type(x) is float
            exception = LESS_ACCURATE.get((op.name, output))
            tolerance = 1e-14
            if exception is not None and exception(*xs):
                if math.isnan(y) and not any(map(math.isnan, xs)):
                    continue  # outside the domain there is no limit
                want, tolerance = limit(op, xs, output), 1e-12  # of erfc at an argument rounded
            assert _same(x, want, tolerance), (
                f"{op!r} at {xs}, {output}: {x!r}, not {want!r} (PyTorch {torch.__version__})"
            )


@each_variant
def test_nodes_agree_with_numbers(op: Operation) -> None:
    """v.tanh(), tanh(v) and tanh(0.5) are one; `backward` gives the rule's products."""
    parameters = {} if op is find(op.name) else op.parameters
    for xs in [*grid(op), *_edges(op)]:
        leaves = [Value(x) for x in xs]
        if op.symbol == op.name and op.arity is not None:
            node = getattr(leaves[0], op.name)(*leaves[1:], **parameters)
        else:  # an operator's, which is no method, or one of many operands
            node = op(*leaves)
        node.backward()
        assert (node.op, node.parents) == (op, tuple(leaves))
        found = (node.data, *(leaf.grad for leaf in leaves))
        expected = (op(*xs), *op.vjp(1.0, *xs))
        assert all(type(x) is float for x in found), f"{op!r} at {xs}: {found}"
        # A leaf's gradient is 0 + product, which turns −0 into 0: _same does not mind. Where floats
        # lose a number on the way, the gradient is that of the wide pass.
        again = reverse_mode({node: 1.0})
        wide = (node.data, *(again[leaf] for leaf in leaves))
        same = [_same(x, y) or _same(x, z) for x, y, z in zip(found, expected, wide, strict=True)]
        assert all(same), f"{op!r} at {xs}: {found}, not {expected}"


# Operations of any number of operands


def test_softmax_sums_to_one() -> None:
    for xs in product([-800.0, -1.0, 0.0, 0.3, 709.0, 1e300], repeat=3):
        shares = ops.softmax(list(xs))
        assert math.isclose(math.fsum(shares), 1, rel_tol=1e-15)
        assert all(share >= 0 for share in shares)


@pytest.mark.parametrize(
    ("xs", "y", "shares"),
    [
        ([1e300, 1e300], 1e300, [0.5, 0.5]),
        ([-1e300, -1e300 / 2], -1e300 / 2, [0, 1]),
        ([1000.0, 0.0], 1000, [1, 0]),
        ([-1000.0, -1000.0], -1000 + math.log(2), [0.5, 0.5]),
        ([inf, 0.0], inf, [1, 0]),
        ([-inf, 0.0], 0, [0, 1]),
        ([inf, inf], inf, [nan, nan]),
        ([inf, 0.0, inf], inf, [nan, 0, nan]),
        ([-inf, -inf], -inf, [nan, nan]),
        ([nan, inf], nan, [nan, nan]),
        ([0.0, nan], nan, [nan, nan]),
        ([3.0], 3, [1]),
    ],
)
@pytest.mark.parametrize("kind", [float, mpf])
def test_log_sum_exp_and_softmax_of_large_operands(
    xs: list[float], y: float, shares: list[float], kind: Callable[[float], Any]
) -> None:
    numbers = [kind(x) for x in xs]
    assert _same(float(ops.log_sum_exp(*numbers)), y)
    assert all(map(_same, map(float, ops.softmax(numbers)), shares))
    assert all(map(_same, map(float, ops.log_sum_exp.vjp(kind(1), *numbers)), shares))


@given(st.lists(st.tuples(st.floats(-1e100, 1e100), st.floats(-1e100, 1e100))), st.floats(-1, 1))
def test_weighted_input(pairs: list[tuple[float, float]], bias: float) -> None:
    """Within u·Σ|terms| a rounding; a neuron without inputs is its bias."""
    weights, activations = [w for w, _ in pairs], [a for _, a in pairs]
    z = weighted_input(weights, activations, bias)
    with mp.workdps(400):
        terms = [mpf(w) * mpf(a) for w, a in pairs]
        bound = mpf(2) ** -53 * 2 * (len(pairs) + 1) * mp.fsum([bias, *terms], absolute=True)
        assert abs(z - mp.fsum([bias, *terms])) <= bound + mpf(2) ** -1022


def test_weighted_input_of_unequal_lengths() -> None:
    with pytest.raises(ValueError):
        weighted_input([1.0, 2.0], [1.0], 0.0)


# The tester tested


def _perturbed_rule(op: Operation, k: int, perturb: Callable[[Any, Any], Any]) -> Operation:
    flat = is_flat(op, k)

    def vjp(m: Any, g: Any, y: Any, *xs: Any) -> tuple[Any, ...]:
        products = list(op.rule(m, g, y, *xs))
        if flat:
            products[k] = g
        elif products[k] is not NO_PART:  # what has no part stays without
            products[k] = perturb(m, products[k])
        return tuple(products)

    return replace(op, rule=vjp)


# The smallest relative errors that the check is promised to notice. An algebraic error shows in
# mpmath's arithmetic, whatever the roundings of floats; one of the float arithmetic alone has to
# exceed the bound: some ten roundings for most operations, one or none for some.
ALGEBRAIC = Fraction(1, 10**18)
ROUNDED = 2.0**-46

PERTURBATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "zero": lambda m, x: m.convert(0),
    "sign": lambda m, x: -x,
    "nan": lambda m, x: x * (m.log(m.convert(-1))),
    "1 + 1e-9": lambda m, x: x * m.convert(1 + Fraction(1, 10**9)),
    "1 + 1e-18": lambda m, x: x * m.convert(1 + ALGEBRAIC),
    "floats 1 + 2**-46": lambda m, x: x * (1 + ROUNDED) if m is ieee else x,
}
each_perturbation = pytest.mark.parametrize(
    "perturb", PERTURBATIONS.values(), ids=PERTURBATIONS.keys()
)


@each_entry
@each_perturbation
def test_a_wrong_rule_is_noticed(op: Operation, perturb: Callable[[Any, Any], Any]) -> None:
    for k in range(operands(op)):
        with pytest.raises(AssertionError):
            check_operation(_perturbed_rule(op, k, perturb))


@each_entry
@each_perturbation
def test_a_wrong_value_is_noticed(op: Operation, perturb: Callable[[Any, Any], Any]) -> None:
    wrong = replace(op, forward=lambda m, *xs: perturb(m, op.forward(m, *xs)))
    with pytest.raises(AssertionError):
        check_operation(wrong)


@each_entry
def test_a_missing_product_is_noticed(op: Operation) -> None:
    short = replace(op, rule=lambda *arguments: op.rule(*arguments)[:-1])
    with pytest.raises(TypeError, match=f"the rule of {op.name} returned"):
        check_operation(short)


# A user's own operation


def tanh_cubed_vjp(m: Any, g: Any, y: Any, x: Any, *, scale: Any) -> tuple[Any, ...]:
    return (g * 3 * m.convert(scale) * m.tanh(x) ** 2 * (1 - m.tanh(x)) * (1 + m.tanh(x)),)


def tanh_cubed(m: Any, x: Any, *, scale: Any = Fraction(1, 3)) -> Any:
    """scale·tanh³ x."""
    return m.convert(scale) * m.tanh(x) ** 3


@pytest.fixture
def own() -> Iterator[Operation]:
    entry = operation(tanh_cubed_vjp)(tanh_cubed)
    yield entry
    del _TABLE[entry.name]
    delattr(Value, entry.name)


def test_own_operation_is_judged_like_the_others(own: Operation) -> None:
    """Without an independent formula: by its own forward function at high precision."""
    near = [(x,) for x in (-2.6, -0.7, 0.0, 1e-8, 0.25, 1.3, 3.0)]
    check_operation(own, near)
    check_operation(own.variant(scale=2.5), near)
    test_nodes_agree_with_numbers(own)
    assert own in variants()
    for perturb in PERTURBATIONS.values():
        with pytest.raises(AssertionError):
            check_operation(_perturbed_rule(own, 0, perturb), near)


def test_own_operation_that_loses_its_digits_is_noticed(own: Operation) -> None:
    """1 − tanh² is right as a formula, and has no digits left at 19."""
    with pytest.raises(AssertionError):
        check_operation(own, [(19.0,)])


# Notation


@each_variant
@pytest.mark.parametrize("latex", [False, True])
def test_notation_names_every_operand(op: Operation, latex: bool) -> None:
    names = [f"operand{k}" for k in range(operands(op))]
    written = op.write(*names, latex=latex)
    assert all(written.count(name) == 1 for name in names), written
    assert "$" not in written
    assert written.count("{") == written.count("}")
    for constant in op.parameters.values():
        assert str(constant) in written or op.name in written.replace("\\", "")


def test_a_weight_without_its_activation_is_not_written() -> None:
    with pytest.raises(ValueError, match="2 operands are not"):
        ops.weighted_sum.write("w", "b")


def test_names_and_symbols_are_unique() -> None:
    for key in ("name", "symbol"):
        found = [getattr(op, key) for op in BUILT_IN]
        assert len(set(found)) == len(found)
    for latex in (False, True):
        written = [op.write(*"abcde"[: operands(op)], latex=latex) for op in BUILT_IN]
        assert len(set(written)) == len(written)


@each_entry
def test_every_entry_is_documented_and_public(op: Operation) -> None:
    assert op.__doc__
    assert getattr(ops, op.name) is op


@each_entry
def test_wrong_number_of_operands(op: Operation) -> None:
    for n in (0,) if op.arity is None else (op.arity - 1, op.arity + 1):
        with pytest.raises(TypeError, match=f"{op.name} takes"):
            op(*[0.5] * n)


def test_power_chooses_its_operation() -> None:
    x = Value(2.0)
    assert [(v.op.name, v.data) for v in (x**3, 3**x, x**x, x ** Fraction(1, 2))] == [
        ("power_constant", 8.0),
        ("exponential", 9.0),
        ("raise_to", 4.0),
        ("power_constant", math.sqrt(2)),
    ]
    assert evaluate(ops.raise_to.forward, 2.0, 3.0) == ops.power(2.0, 3.0) == 8.0
    three, half = Value(Decimal(3)), Decimal("0.5")
    assert [(v.op.name, v.data) for v in (three ** Decimal(2), three**2)] == [
        ("power_constant", 9)
    ] * 2
    # a constant of another kind is an operand like x: an operation's parameters are plain numbers
    y = Value(mpf(2))
    assert [(v.op.name, v.data) for v in (y ** mpf(3), mpf(3) ** y)] == [
        ("raise_to", 8),
        ("raise_to", 9),
    ]
    with pytest.raises(TypeError, match="Decimal"):
        three**half


def test_a_power_to_the_nought_varies_with_its_exponent() -> None:
    """∂x⁰/∂x is 0 everywhere; but ∂²xʸ/∂y∂x = 1/x at y = 0, within the unit interval too."""
    for x in (0.25, 0.5, 1.0, 4.0):
        assert hessian(lambda v: v[0] ** v[1])([x, 0.0])[0] == [0.0, 1 / x]


def test_parameters_have_the_defaults_of_the_field() -> None:
    assert {op.name: op.parameters for op in BUILT_IN if op.parameters} == {
        "power_constant": {"exponent": 2},
        "exponential": {"base": 2},
        "leaky_relu": {"slope": Fraction(1, 100)},
        "elu": {"alpha": 1},
        "softmax_component": {"index": 0},
        "celu": {"alpha": 1},
        "var": {"ddof": 0},
        "std": {"ddof": 0},
    }


@pytest.mark.parametrize("beyond", [2.0**-30, 0.5, 1.0])
def test_what_is_flat_is_flat_from_its_kink_on(beyond: float) -> None:
    for op, kink, low in ((ops.hard_tanh, 1, -1), (ops.hard_sigmoid, 3, 0)):
        assert (op(kink + beyond), op(-kink - beyond)) == (1, low)
        assert op.vjp(1.0, kink + beyond) == op.vjp(1.0, -kink - beyond) == (0,)
        assert op(kink - beyond) < 1 and op(-kink + beyond) > low


@pytest.mark.parametrize("index", [-1, 2])
def test_softmax_has_as_many_components_as_operands(index: int) -> None:
    with pytest.raises(IndexError):
        ops.softmax_component(0.5, 1.5, index=index)
