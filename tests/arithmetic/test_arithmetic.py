"""The kinds of numbers: what is let in, and that each kind keeps its promise.

Rationals are exact, formulas are formulas, mpmath has the domains and infinities of floats.
"""

from __future__ import annotations

import enum
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from support.oracles import EDGES, operands, variants

from microgradnet import Value, ops
from microgradnet.arithmetic import (
    FUNCTIONS,
    PRIMITIVES,
    Arithmetic,
    coerce,
    common,
    evaluate,
    ieee,
    is_finite,
    operand,
)
from microgradnet.arithmetic.exact import IrrationalError, exact
from microgradnet.operation import Operation, find, operations

# Coercion


class Colour(enum.IntEnum):
    RED = 3


class Own(Decimal):
    pass


class Share(Fraction):
    pass


@pytest.mark.parametrize(
    ("x", "as_number"),
    [
        (3, 3),
        (0.5, 0.5),
        (Fraction(1, 3), Fraction(1, 3)),
        (Decimal("0.1"), Decimal("0.1")),
        (Own("0.1"), Decimal("0.1")),
        (Share(1, 3), Fraction(1, 3)),
        (mpf(2), mpf(2)),
        (sympy.Symbol("x"), sympy.Symbol("x")),
        (sympy.Integer(2), sympy.Integer(2)),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.uint8(3), 3.0),
        (Colour.RED, 3),
        (10**400, 10**400),
    ],
)
def test_what_is_let_in(x: object, as_number: object) -> None:
    found = coerce(x)
    assert found == as_number
    assert type(found) is type(as_number)
    assert type(Value(x).data) is type(as_number)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (None, "None is not a number: did a function forget"),
        ("3", r"'3' is a str.*float\('3'\)"),
        (2 + 1j, r"\(2\+1j\) is complex.*\.real"),
        (np.complex128(1j), "complex"),
        ([1.0], r"a list .*\[Value\(x\) for x in"),
        ((1.0,), "a tuple holds many numbers"),
        (np.zeros(2), "a ndarray holds many numbers"),
        ({1.0}, r"\{1\.0\} is a set.*use a float"),
        (object(), "<object object at .* is a object.*use a float"),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_what_is_refused(x: object, message: str) -> None:
    """Everywhere by the same message: as a leaf, as an operand, as a parameter."""
    for attempt in (coerce, Value, ops.exp, lambda x: ops.elu(1.0, alpha=x)):
        with pytest.raises(TypeError, match=message):
            attempt(x)


@pytest.mark.parametrize("truth", [True, np.True_, np.array(True)], ids=repr)
def test_a_truth_value_is_refused_but_as_an_operand(truth: object) -> None:
    for attempt in (coerce, Value, lambda x: ops.elu(1.0, alpha=x)):
        with pytest.raises(TypeError, match=r"True is a bool.*float\(True\)"):
            attempt(truth)
    assert ops.exp(truth) == ops.exp(1)


def test_an_operand_is_one_also_where_numpy_was_not_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "numpy")
    for x, want in ((True, 1), (3, 3), (2.5, 2.5), (Fraction(1, 3), Fraction(1, 3))):
        assert operand(x) == operand(x, constant=True) == want


def test_a_tensor_is_refused(require_oracle: Callable[[str], Any]) -> None:
    torch = require_oracle("torch")
    with pytest.raises(TypeError, match=r"Tensor.*\.item\(\)"):
        coerce(torch.tensor(1.0))
    with pytest.raises(TypeError):
        coerce(torch.tensor([1.0]))


# Several kinds meeting

x_ = sympy.Symbol("x", real=True)
BY_WIDTH = [(Fraction(1, 2), "rational"), (0.5, "float"), (mpf(0.5), "mpmath"), (x_, "SymPy")]


@pytest.mark.parametrize(("p", "q"), list(product(range(4), repeat=2)))
def test_the_wider_kind_wins(p: int, q: int) -> None:
    (x, _), (y, _) = BY_WIDTH[p], BY_WIDTH[q]
    assert common(x, y).name == BY_WIDTH[max(p, q)][1]
    total = evaluate(lambda m, x, y: x + y, x, y)
    assert common(total).name == BY_WIDTH[max(p, q)][1] or total == 2 * x


@pytest.mark.parametrize("unsupported", [0.5, np.float64(0.5), mpf(1), x_])
def test_a_decimal_meets_rationals_only(unsupported: object) -> None:
    assert evaluate(lambda m, x, y: m.divide(x, y), Decimal(1), 4) == Decimal("0.25")
    assert evaluate(lambda m, x, y: x * y, Fraction(1, 4), Decimal(3)) == Decimal("0.75")
    with pytest.raises(TypeError, match="Decimal"):
        common(Decimal(1), unsupported)


def test_an_integer_beyond_the_floats_is_infinite_among_them() -> None:
    assert evaluate(lambda m, x, y: x + y, 10**400, 1.0) == math.inf
    assert evaluate(lambda m, x, y: x + y, -(10**400), 1.0) == -math.inf
    assert ops.exp(10**400) == math.inf


# Rationals


def is_rational(op: Operation) -> bool:
    """Whether the operation stays within the rationals, found out by asking it."""
    try:
        op.forward(exact, *_operands(op))
    except IrrationalError:
        return False
    return True


def _operands(op: Operation) -> list[Fraction]:
    return [Fraction(k, 7) for k in (3, 2, -5, 11, 4)][: operands(op)]


_RATIONAL = {
    *("add", "subtract", "multiply", "divide", "negative", "abs", "maximum", "minimum", "relu"),
    *("leaky_relu", "softsign", "hard_tanh", "hard_sigmoid", "weighted_sum", "power_constant"),
    *("total", "dot_product"),
    *("relu6", "clip", "where", "sign", "floor", "ceil", "round", "remainder", "greater", "less"),
    *("greater_equal", "less_equal", "equal", "not_equal", "max", "min", "prod", "var"),
}
RATIONAL = [
    op
    for op in variants(_RATIONAL)
    if not any(isinstance(x, float) for x in op.parameters.values())
]
each_rational = pytest.mark.parametrize("op", RATIONAL, ids=repr)
rationals = st.fractions(-5, 5, max_denominator=50)


def test_which_operations_are_rational() -> None:
    assert {op.name for op in operations() if op.is_built_in and is_rational(op)} == _RATIONAL


class Dual:
    """x + ẋε with ε² = 0, over the rationals: forward differentiation, sharing no rule."""

    def __init__(self, x: Any, dot: Any = 0) -> None:
        self.x, self.dot = Fraction(x), Fraction(dot)

    def __add__(self, other: Any) -> Dual:
        return Dual(self.x + _dual(other).x, self.dot + _dual(other).dot)

    def __mul__(self, other: Any) -> Dual:
        other = _dual(other)
        return Dual(self.x * other.x, self.dot * other.x + self.x * other.dot)

    def __neg__(self) -> Dual:
        return Dual(-self.x, -self.dot)

    def __sub__(self, other: Any) -> Dual:
        return self + -_dual(other)

    def inverse(self) -> Dual:
        return Dual(1 / self.x, -self.dot / self.x**2)

    __radd__, __rmul__ = __add__, __mul__


def _dual(x: Any) -> Dual:
    return x if isinstance(x, Dual) else Dual(x)


def _power(x: Dual, n: int) -> Dual:
    result = Dual(1)
    for _ in range(abs(n)):
        result = result * x
    return result if n >= 0 else result.inverse()


def _real(x: Dual) -> Fraction:
    return x.x


def _by_sign(x: Dual, negative: Dual, positive: Dual) -> Dual:
    return negative if x.x < 0 else positive


# The rational operations in dual numbers, written independently.
DUALS: dict[str, Callable[..., Dual]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x * y.inverse(),
    "negative": lambda x: -x,
    "abs": lambda x: _by_sign(x, -x, x),
    "maximum": lambda x, y: _by_sign(x - y, y, x),
    "minimum": lambda x, y: _by_sign(x - y, x, y),
    "relu": lambda x: _by_sign(x, Dual(0), x),
    "leaky_relu": lambda x, slope: _by_sign(x, x * Fraction(slope), x),
    "softsign": lambda x: x * (_by_sign(x, -x, x) + 1).inverse(),
    "hard_tanh": lambda x: _by_sign(x + 1, Dual(-1), _by_sign(x - 1, x, Dual(1))),
    "hard_sigmoid": lambda x: _by_sign(
        x + 3, Dual(0), _by_sign(x - 3, (x + 3) * Fraction(1, 6), Dual(1))
    ),
    "power_constant": lambda x, exponent: _power(x, int(exponent)),
    "total": lambda x, y, z: x + y + z,
    "dot_product": lambda u, v, x, y: u * x + v * y,
    "weighted_sum": lambda w, v, a, c, b: w * a + v * c + b,
    "relu6": lambda x: _by_sign(x, Dual(0), _by_sign(x - 6, x, Dual(6))),
    "clip": lambda x, low, high: min(max(x, low, key=_real), high, key=_real),
    "where": lambda c, x, y: x if c.x > 0 else y,
    "sign": lambda x: Dual((x.x > 0) - (x.x < 0)),
    "floor": lambda x: Dual(math.floor(x.x)),
    "ceil": lambda x: Dual(math.ceil(x.x)),
    "round": lambda x: Dual(round(x.x)),
    "remainder": lambda x, y: x - y * (x.x // y.x),
    "greater": lambda x, y: Dual(x.x > y.x),
    "greater_equal": lambda x, y: Dual(x.x >= y.x),
    "less": lambda x, y: Dual(x.x < y.x),
    "less_equal": lambda x, y: Dual(x.x <= y.x),
    "equal": lambda x, y: Dual(x.x == y.x),
    "not_equal": lambda x, y: Dual(x.x != y.x),
    "max": lambda *xs: max(xs, key=_real),
    "min": lambda *xs: min(xs, key=_real),
    "prod": lambda x, y, z: x * y * z,
    "var": lambda x, y, z, ddof: (
        sum((_power(a - b, 2) for a, b in ((x, y), (y, z), (z, x))), Dual(0))
        * Fraction(1, 3 * (3 - ddof))
    ),
}

KINKS = {
    "relu6": {0, 6},
    "abs": {0},
    "relu": {0},
    "leaky_relu": {0},
    "hard_tanh": {-1, 1},
    "hard_sigmoid": {-3, 3},
}


@each_rational
@given(data=st.data())
def test_rational_operations_are_exact(op: Operation, data: st.DataObject) -> None:
    """Value and derivatives equal those of dual numbers, without any tolerance."""
    xs = data.draw(st.tuples(*[rationals] * operands(op)))
    tie = op.name in ("maximum", "minimum", "max", "min", "clip") and len({*xs}) < len(xs)
    if xs[0] in KINKS.get(op.name, ()) or tie:
        return  # decided in the table, and tested there
    if (op.name in ("divide", "remainder") and xs[1] == 0) or (
        op.parameters.get("exponent", 0) < 0 == xs[0]
    ):
        with pytest.raises(ZeroDivisionError):
            op(*xs)
        return
    leaves = [Value(x) for x in xs]
    node = op(*leaves)
    node.backward()
    duals = [
        DUALS[op.name](*(Dual(x, k == j) for j, x in enumerate(xs)), **op.parameters)
        for k in range(len(xs))
    ]
    assert node.data == duals[0].x
    assert [leaf.grad for leaf in leaves] == [dual.dot for dual in duals]
    assert isinstance(node.data, (int, Fraction))
    assert all(isinstance(leaf.grad, (int, Fraction)) for leaf in leaves)


@each_rational
def test_decimals_stay_decimal(op: Operation) -> None:
    """Under the caller's context, and near what the rationals give."""
    xs = [Decimal(k) / 8 for k in (3, 2, -5, 11, 4)][: operands(op)]
    exactly = [Fraction(x) for x in xs]
    results = (op(*xs), *op.vjp(Decimal(1), *xs))
    wanted = (op(*exactly), *op.vjp(Fraction(1), *exactly))
    for found, want in zip(results, wanted, strict=True):
        assert isinstance(found, Decimal)
        assert abs(Fraction(found) - Fraction(want)) <= abs(Fraction(want)) / 10**25


@pytest.mark.parametrize("op", [*operations()], ids=lambda op: op.name)
def test_leaving_the_rationals(op: Operation) -> None:
    """A float, which is that of the float operands; on a Decimal a TypeError that names mpmath."""
    if is_rational(op):
        return
    xs = _operands(op)
    found, by = op(*xs), op.vjp(1, *xs)
    floats = [float(x) for x in xs]
    assert all(type(x) is float for x in (found, *by))
    assert str((found, *by)) == str((op(*floats), *op.vjp(1.0, *floats)))
    decimals = [Decimal(x.numerator) / x.denominator for x in xs]
    with pytest.raises(TypeError, match=r"on a Decimal: use mpmath\.mpf"):
        op(*decimals)


@pytest.mark.parametrize("kind", [int, Fraction])
def test_dividing_rationals_by_zero(kind: Callable[[int], Any]) -> None:
    for attempt in (
        lambda: Value(kind(1)) / kind(0),
        lambda: Value(kind(0)) ** -1,
        lambda: kind(1) / Value(kind(0)),
    ):
        with pytest.raises(ZeroDivisionError):
            attempt()


def test_whole_powers_of_rationals() -> None:
    assert [ops.power(Fraction(2, 3), n) for n in (3, -3, 0, Fraction(2), Fraction(4, 2))] == [
        Fraction(8, 27),
        Fraction(27, 8),
        1,
        Fraction(4, 9),
        Fraction(4, 9),
    ]
    assert ops.power(3, 200) == 3**200
    assert type(ops.power(Fraction(1, 4), Fraction(1, 2))) is float


# mpmath


@pytest.mark.parametrize("op", variants(), ids=repr)
def test_mpmath_has_the_domains_and_infinities_of_floats(op: Operation) -> None:
    """NaN for NaN, inf for inf. mpmath has a single zero, so −0.0 is left out."""
    few = [0.0, -2.5, 800.0, math.inf, -math.inf, math.nan]
    edges = [x for x in EDGES if math.copysign(1, x) > 0 or x != 0]
    n = operands(op)
    for xs in product(edges if n < 3 else few if n == 3 else few[:1] + few[3:], repeat=n):
        ms = tuple(map(mpf, xs))
        results = (op(*xs), *op.vjp(1.0, *xs))
        for found, want in zip((op(*ms), *op.vjp(mpf(1), *ms)), results, strict=True):
            assert isinstance(found, mpf), f"{op!r} at {xs}: {found!r}"
            wide = float(found)
            if math.isfinite(want) and math.isfinite(wide):
                assert math.isclose(wide, want, rel_tol=1e-7, abs_tol=1e-300)
            else:
                assert str(wide) == str(want), f"{op!r} at {xs}: {found!r}, not {want!r}"


def test_mpmath_precision_is_the_caller_s() -> None:
    with mp.workdps(60):
        assert abs(ops.exp(mpf(1)) - mp.e) < mpf(10) ** -58
        assert abs(ops.gelu(mpf(-30)) / (-30 * mp.ncdf(-30)) - 1) < mpf(10) ** -55


# SymPy

symbols = [sympy.Symbol(letter, real=True) for letter in "uvwxy"]
PLACES = [
    [sympy.Rational(k, 10) for k in numerators]
    for numerators in ((3, 7, 2, -6, 5), (8, 3, -4, 9, 1), (-4, 6, 5, 5, -2), (24, 11, 7, 3, 30))
]


# SymPy has no derivative of 0**x.
@pytest.mark.parametrize("op", [op for op in variants() if op.parameters != {"base": 0}], ids=repr)
def test_symbolic_rule_is_the_derivative_of_the_formula(op: Operation) -> None:
    """∂/∂xₖ by sympy.diff, compared at several points to thirty digits."""
    names = symbols[: operands(op)]
    formula = op(*names)
    slopes = op.vjp(sympy.Integer(1), *names)
    assert isinstance(formula, sympy.Expr)
    judged = 0
    for place in PLACES:
        point = dict(zip(names, place, strict=False))
        with mp.workdps(60):
            numbers = [mpf(x.p) / x.q for x in point.values()]
            want = op(*numbers)
            if not mp.isfinite(want):
                continue
        judged += 1
        assert _near(formula.subs(point), want), f"{op!r} at {point}"
        for name, slope in zip(names, slopes, strict=True):
            derivative = sympy.diff(formula, name).subs(point)
            assert _near(slope.subs(point), _digits(derivative)), f"∂{name} of {op!r} at {point}"
    assert judged, "no point in the domain"


def _digits(expression: Any) -> Any:
    with mp.workdps(60):
        return mpf(str(sympy.re(expression.doit().evalf(50))))


def _near(expression: Any, want: Any) -> bool:
    with mp.workdps(60):
        # A parameter that is a float is one in SymPy too, with a float's digits.
        digits = -14 if expression.has(sympy.Float) else -30
        return bool(abs(_digits(expression) - want) <= mpf(10) ** digits * max(1, abs(want)))


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "abs", "hard_tanh", "hard_sigmoid", "elu"])
def test_branches_become_piecewise(name: str) -> None:
    op = find(name)
    (slope,) = op.vjp(sympy.Integer(1), symbols[0])
    assert slope.has(sympy.Piecewise)


def test_formulas_stay_formulas() -> None:
    """What a reader would write: no floats, no Piecewise that is none."""
    x, y = symbols[:2]
    assert ops.tanh.vjp(sympy.Integer(1), x) == (1 / sympy.cosh(x) ** 2,)
    assert ops.power_constant.variant(exponent=3).vjp(sympy.Integer(1), x) == (3 * x**2,)
    assert ops.exponential.vjp(sympy.Integer(1), x) == (2**x * sympy.log(2),)
    assert ops.divide.vjp(sympy.Integer(1), x, y) == (1 / y, -x / y**2)
    assert ops.leaky_relu(sympy.Integer(-3)) == sympy.Rational(-3, 100)


@pytest.mark.parametrize(
    ("x", "finite"),
    [
        (10**400, True), (Fraction(1, 3), True), (-1e308, True), (None, True), (Decimal(1), True),
        (mpf(1), True), (sympy.Symbol("x"), True), (1 / sympy.Symbol("x"), True),
        (math.inf, False), (math.nan, False), (Decimal("-Infinity"), False),
        (Decimal("NaN"), False), (Decimal("sNaN"), False),
        (mpf("-inf"), False), (mpf("nan"), False), (sympy.nan, False),
        (-sympy.oo, False), (sympy.zoo, False), (sympy.oo * sympy.Symbol("x"), False),
    ],
    ids=repr,
)  # fmt: skip
def test_which_numbers_are_finite(x: Any, finite: bool) -> None:
    assert is_finite(x) is finite


@pytest.mark.parametrize(
    ("x", "y", "power"),
    [
        (2.0, 10**400, math.inf), (0.5, 10**400, 0.0), (2.0, -(10**400), 0.0), (0.0, 10**400, 0.0),
        (0.0, -(10**400), math.inf), (-2.0, 1025, -math.inf), (-2.0, 1026, math.inf),
        (-0.0, -3, -math.inf), (-0.0, -2, math.inf),
    ],
)  # fmt: skip
def test_powers_beyond_the_floats(x: float, y: int, power: float) -> None:
    assert ieee.power(x, y) == power


# The table of elementary functions


COUNTS = {"divide": 2, "power": 2, "atan2": 2}


@pytest.mark.parametrize("name", [*PRIMITIVES, "convert", "divide", "power"])
def test_what_a_kind_of_number_lacks_is_refused_by_name(name: str) -> None:
    class Bare(Arithmetic):
        name = "bare"

    with pytest.raises(TypeError, match=f"^bare numbers have no {name}$"):
        getattr(Bare(), name)(*COUNTS.get(name, 1) * [1.0])


def test_what_follows_from_others_need_not_be_filled_in() -> None:
    class Textbook(Arithmetic, functions={name: getattr(ieee, name) for name in PRIMITIVES}):
        name = "textbook"
        convert, divide = staticmethod(ieee.convert), staticmethod(ieee.divide)
        power, where = staticmethod(ieee.power), staticmethod(ieee.where)

    m = Textbook()
    arguments: dict[str, tuple[Any, ...]] = {
        "hypot": (3.0, 4.0), "xlogy": (2.0, 3.0), "vanishing_product": (2.0, 3.0),
        "log_sum_exp": ([0.5, 1.0],), "softmax": ([0.5, 1.0],), "both": (True, False),
        "equal": (1.0, 1.0), "scaled": (2.0, 3.0, 3.0, 1.0), "power_log": (2.0, 2.0, 3.0, 8.0),
        "power_slope": (2.0, 2.0, 3.0, 8.0), "near_one": (2.0, 0.25, lambda: 0.75),
        "sigmoid_slope": (2.0, 0.75), "cosine": (3.0, (4.0,), 5.0),
        "log1p_slope": (2.0, 3.0, math.log(4)), "remainder": (7.5, -2.0),
    }  # fmt: skip
    for name in set(FUNCTIONS) - {*PRIMITIVES, "convert", "where", "divide", "power"}:
        got, want = (getattr(kind, name)(*arguments.get(name, (0.75,))) for kind in (m, ieee))
        assert got == pytest.approx(want, rel=1e-15), name
        assert getattr(Arithmetic, name).__doc__


def test_the_former_name_of_a_product_warns() -> None:
    with pytest.warns(DeprecationWarning, match="vanishing_product"):
        assert ieee.damped(math.inf, 0.0) == 0
