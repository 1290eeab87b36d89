"""The δ equations, held against high precision, exact arithmetic and naive loops.

u = 2⁻⁵³ is the largest relative error of one rounding, η = 2⁻¹⁰⁷⁴ the last place of an underflow.
Bounds are k·u·Σ|terms|, where k counts roundings: 1 for an operation, 4 for a function of the
mathematical library (two units in the last place).
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from mpmath import mp, mpf

from microgradnet import delta as d

U = mpf(2) ** -53
ETA = mpf(2) ** -1074
ROUNDINGS = 16  # no σ, σ′, C, C′ has more than three library functions and four operations in a row

RATIONAL = ["linear", "relu", "leaky_relu", "softsign", "hard_tanh", "hard_sigmoid"]
ELEMENTWISE = [name for name in d.ACTIVATIONS if name != "softmax"]

# Multiples of 1/1024: no product or sum of a few of them overflows, underflows or is denormal.
dyadics = st.integers(-(2**20), 2**20).map(lambda n: n / 1024)
rationals = st.fractions(-4, 4, max_denominator=12)
sizes = st.integers(1, 4)
tails = [sign * x for x in (38.5, 356.0, 709.0, 745.0, 1e155, 1e160) for sign in (1, -1)]
kinks = [sign * x for x in (0.0, 1.0, 3.0) for sign in (1, -1)]
reals = st.one_of(
    st.floats(-8, 8),
    st.floats(-50, 50),
    st.floats(-800, 800),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(tails),  # where a factor overflows or underflows and the whole does not
    st.sampled_from([math.nextafter(x, to) for x in kinks for to in (-9, x, 9)]),
)


@pytest.fixture(autouse=True, scope="module")
def fifty_digits() -> Iterator[None]:
    with mp.workdps(50):
        yield


def rows_of(elements: st.SearchStrategy[Any], rows: int, columns: int) -> Any:
    row = st.lists(elements, min_size=columns, max_size=columns)
    return st.lists(row, min_size=rows, max_size=rows)


def row_of(elements: st.SearchStrategy[Any], n: int) -> Any:
    return st.lists(elements, min_size=n, max_size=n)


def exactly(rows: Any) -> np.ndarray:
    return np.array(rows, dtype=object)


def assert_close(got: Any, want: Any, bound: Any) -> None:
    error = abs(mpf(float(got)) - mp.convert(want))
    assert error <= bound, f"{got!r} for {mp.nstr(want, 20)}: {mp.nstr(error / bound, 5)} bounds"


def test_it_shares_no_code_with_what_it_judges() -> None:
    imports = [
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(ast.parse(Path(str(d.__file__)).read_text(encoding="utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    ]
    allowed = {"math", "collections.abc", "fractions", "typing", "numpy", "numpy.typing"}
    assert set(imports) == allowed


# --- Activations ----------------------------------------------------------------------------------


def piece(*cases: tuple[bool, Any], otherwise: Any) -> Any:
    return next((value for holds, value in cases if holds), otherwise)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x)) if x >= 0 else mp.exp(x) / (1 + mp.exp(x))


def normal_cdf(x: Any) -> Any:
    x = min(max(x, -(10**6)), 10**6)  # mpmath's erfc goes no further, nor need it
    return mp.erfc(-x / mp.sqrt(2)) / 2


def normal_density(x: Any) -> Any:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


HALF = Fraction(1, 2)
SIGMA: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: x,
    "sigmoid": sigmoid,
    "tanh": lambda x: mp.tanh(x),
    "relu": lambda x: piece((x > 0, x), otherwise=0),
    "leaky_relu": lambda x: piece((x > 0, x), otherwise=x / 100),
    "elu": lambda x: x if x > 0 else mp.expm1(x),
    "softplus": lambda x: x + mp.log1p(mp.exp(-x)) if x > 0 else mp.log1p(mp.exp(x)),
    "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: x * normal_cdf(x),
    "softsign": lambda x: x / (1 + abs(x)),
    "hard_tanh": lambda x: piece((x < -1, -1), (x > 1, 1), otherwise=x),
    "hard_sigmoid": lambda x: piece((x < -3, 0), (x > 3, 1), otherwise=x / 6 + HALF),
}
# The terms whose sum is σ′: where they cancel, they are the measure of the error.
SIGMA_PRIME: dict[str, Callable[[Any], list[Any]]] = {
    "linear": lambda x: [1],
    "sigmoid": lambda x: [mp.exp(-abs(x)) / (1 + mp.exp(-abs(x))) ** 2],
    "tanh": lambda x: [mp.sech(x) ** 2],
    "relu": lambda x: [piece((x > 0, 1), otherwise=0)],
    "leaky_relu": lambda x: [piece((x > 0, 1), otherwise=Fraction(1, 100))],
    "elu": lambda x: [1 if x >= 0 else mp.exp(x)],
    "softplus": lambda x: [sigmoid(x)],
    "silu": lambda x: [sigmoid(x), x * sigmoid(x) * sigmoid(-x)],
    "gelu": lambda x: [normal_cdf(x), x * normal_density(x)],
    "softsign": lambda x: [1 / (1 + abs(x)) ** 2],
    "hard_tanh": lambda x: [piece((abs(x) < 1, 1), otherwise=0)],
    "hard_sigmoid": lambda x: [piece((abs(x) < 3, Fraction(1, 6)), otherwise=0)],
}


def test_every_elementwise_activation_has_an_oracle() -> None:
    assert list(SIGMA) == list(SIGMA_PRIME) == ELEMENTWISE


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(x=st.floats(-30, 30).filter(lambda x: min(abs(abs(x) - kink) for kink in (0, 1, 3)) > 1e-3))
def test_the_derivative_of_the_oracle_is_its_derivative(name: str, x: float) -> None:
    want = mp.diff(SIGMA[name], mpf(x))
    assert abs(sum(map(mp.convert, SIGMA_PRIME[name](mpf(x)))) - want) < 1e-20


def roundings(name: str, x: float) -> Any:
    """Count k for σ and σ′ at x.

    Φ(x) is erfc(t)/2 with two roundings in t = −x/√2, which the condition number of erfc, at most
    2t² + 1 = x² + 1 for t > 0, makes 2(x² + 1); the rounded x² of φ is less.
    """
    return ROUNDINGS + 2 * (mpf(x) ** 2 + 1) if name == "gelu" and x < 0 else ROUNDINGS


def last_places(name: str, x: float) -> Any:
    """Count the η: gelu multiplies an underflow of Φ or φ by x, which is then no less than −40."""
    return 64 if name == "gelu" else 4


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(xs=st.lists(reals, min_size=1, max_size=9))
def test_activation(name: str, xs: list[float]) -> None:
    with np.errstate(all="raise"):
        got = d.activation(name, np.array(xs))
    assert got.dtype == np.float64 and got.shape == (len(xs),)
    for x, value in zip(xs, got, strict=True):
        want = mp.convert(SIGMA[name](mpf(x)))
        assert_close(value, want, roundings(name, x) * U * abs(want) + last_places(name, x) * ETA)


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(xs=st.lists(reals, min_size=1, max_size=9))
def test_activation_prime(name: str, xs: list[float]) -> None:
    with np.errstate(all="raise"):
        got = d.activation_prime(name, np.array(xs))
    assert got.dtype == np.float64 and got.shape == (len(xs),)
    for x, value in zip(xs, got, strict=True):
        terms = [mp.convert(term) for term in SIGMA_PRIME[name](mpf(x))]
        bound = roundings(name, x) * U * sum(map(abs, terms)) + last_places(name, x) * ETA
        assert_close(value, sum(terms), bound)


#       σ(−∞), σ(∞), σ′(−∞), σ′(∞)
LIMITS = {
    "linear": (-math.inf, math.inf, 1, 1),
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "relu": (0, math.inf, 0, 1),
    "leaky_relu": (-math.inf, math.inf, 0.01, 1),
    "elu": (-1, math.inf, 0, 1),
    "softplus": (0, math.inf, 0, 1),
    "silu": (0, math.inf, 0, 1),
    "gelu": (0, math.inf, 0, 1),
    "softsign": (-1, 1, 0, 0),
    "hard_tanh": (-1, 1, 0, 0),
    "hard_sigmoid": (0, 1, 0, 0),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_limits_and_nan(name: str) -> None:
    with np.errstate(all="raise"):
        at_infinity = d.activation(name, [-math.inf, math.inf])
        prime_at_infinity = d.activation_prime(name, [-math.inf, math.inf])
        nan, nan_prime = d.activation(name, [math.nan]), d.activation_prime(name, [math.nan])
    assert (*at_infinity, *prime_at_infinity) == LIMITS[name]
    assert np.isnan(nan).all()
    assert np.isnan(nan_prime).all() or (name == "linear" and nan_prime == 1)


@pytest.mark.parametrize(
    ("name", "z", "want"),
    [
        ("relu", 0, 0),
        ("leaky_relu", 0, Fraction(1, 100)),
        ("elu", 0, 1),
        ("hard_tanh", 1, 0),
        ("hard_tanh", -1, 0),
        ("hard_sigmoid", 3, 0),
        ("hard_sigmoid", -3, 0),
    ],
)
def test_kinks(name: str, z: int, want: Fraction) -> None:
    assert d.activation_prime(name, [float(z)]) == float(want)
    if name in RATIONAL:
        assert d.activation_prime(name, exactly([Fraction(z)]))[0] == want


def is_exact(array: np.ndarray) -> bool:
    return array.dtype == object and all(isinstance(v, (int, Fraction)) for v in array.flat)


@pytest.mark.parametrize("name", RATIONAL)
@given(zs=st.lists(st.fractions() | rationals | st.integers(-4, 4), min_size=1, max_size=5))
@example(zs=[Fraction(0), 1, -1, 3, Fraction(-3)])
def test_rational_activations_are_exact(name: str, zs: list[Fraction]) -> None:
    a, prime = d.activation(name, exactly(zs)), d.activation_prime(name, exactly(zs))
    assert is_exact(a) and is_exact(prime)
    assert a.tolist() == [SIGMA[name](Fraction(z)) for z in zs]
    assert prime.tolist() == [sum(SIGMA_PRIME[name](Fraction(z))) for z in zs]


@pytest.mark.parametrize("name", sorted(set(d.ACTIVATIONS) - set(RATIONAL)))
def test_the_other_activations_of_fractions_are_floats(name: str) -> None:
    z = [Fraction(1, 2), Fraction(-3, 4)]
    assert d.activation(name, exactly(z)).tolist() == d.activation(name, [0.5, -0.75]).tolist()


def softmax(zs: list[Any]) -> list[Any]:
    e = [mp.exp(mpf(z)) for z in zs]
    return [x / sum(e) for x in e]


def softmax_roundings(zs: list[float]) -> Any:
    """Count k: the rounding of z − max z is one of an exponent, so it is multiplied by it."""
    return ROUNDINGS + len(zs) + 2 * (mpf(max(zs)) - mpf(min(zs)))


logits = st.lists(st.floats(-800, 800) | st.floats(-9, 9), min_size=1, max_size=5)


@given(zs=logits)
def test_softmax(zs: list[float]) -> None:
    with np.errstate(all="raise"):
        got = d.activation("softmax", zs)
    for value, want in zip(got, softmax(zs), strict=True):
        assert_close(value, want, softmax_roundings(zs) * U * want + ETA)


@given(zs=logits)
def test_softmax_jacobian(zs: list[float]) -> None:
    with np.errstate(all="raise"):
        J = d.softmax_jacobian(zs)
    a = softmax(zs)
    for j, k in np.ndindex(J.shape):
        with mp.workdps(800):  # 1 − aⱼ may be as small as exp(−1600)
            others = 1 - softmax(zs)[j]
        want = a[j] * others if j == k else -a[j] * a[k]
        assert_close(J[j, k], want, 2 * softmax_roundings(zs) * U * abs(want) + len(zs) * ETA)
    assert (J == J.T).all() or np.allclose(J, J.T, rtol=2**-50, atol=2.0**-1070)
    assert (abs(J.sum(axis=0)) <= 2**-50 * abs(J).sum(axis=0)).all()


@given(data=st.data(), batch=sizes, n=sizes)
def test_softmax_of_a_batch_is_that_of_its_rows(data: Any, batch: int, n: int) -> None:
    z = np.array(data.draw(rows_of(st.floats(-50, 50), batch, n)))
    C_prime = np.array(data.draw(rows_of(dyadics, batch, n)))
    a, J = d.activation("softmax", z), d.softmax_jacobian(z)
    batched = d.output_error_softmax(C_prime, J)
    for i in range(batch):
        np.testing.assert_allclose(a[i], d.activation("softmax", z[i]), rtol=2**-45)
        np.testing.assert_allclose(J[i], d.softmax_jacobian(z[i]), rtol=2**-45)
        # δₖ = Σⱼ Jⱼₖ C′ⱼ
        want = [sum(J[i, j, k] * C_prime[i, j] for j in range(n)) for k in range(n)]
        bound = 2 * n * 2**-53 * (abs(J[i]).T @ abs(C_prime[i]))
        for delta in batched[i], d.output_error_softmax(C_prime[i], J[i]):
            assert (abs(delta - want) <= bound).all()


@given(data=st.data(), n=sizes)
def test_the_output_error_takes_the_transposed_jacobian(data: Any, n: int) -> None:
    J = exactly(data.draw(rows_of(rationals, n, n)))  # of any σ, not symmetric as softmax's is
    C_prime = exactly(data.draw(row_of(rationals, n)))
    want = [sum(J[j, k] * C_prime[j] for j in range(n)) for k in range(n)]
    assert d.output_error_softmax(C_prime, J).tolist() == want
    batch = d.output_error_softmax(np.array([C_prime, 0 * C_prime]), np.array([J, J]))
    assert batch.tolist() == [want, [0] * n]


# --- Costs ----------------------------------------------------------------------------------------


def xlogy(y: Any, a: Any) -> Any:
    return y * mp.log(a) if y != 0 else mpf(0)


# Of one output: the terms whose sum is C.
COST: dict[str, Callable[[Any, Any], list[Any]]] = {
    "quadratic": lambda a, y: [(a - y) ** 2 / 2],
    "cross_entropy": lambda a, y: [-xlogy(y, a), -xlogy(1 - y, 1 - a)],
    "log_likelihood": lambda a, y: [-xlogy(y, a)],
    "hinge": lambda a, y: [piece((1 - y * a > 0, 1 - y * a), otherwise=0)],
    "cross_entropy_from_z": lambda z, y: [SIGMA["softplus"](z), -y * z],
}
COST_PRIME: dict[str, Callable[[Any, Any], list[Any]]] = {
    "quadratic": lambda a, y: [a - y],
    "cross_entropy": lambda a, y: [-y / a, (1 - y) / (1 - a)],
    "log_likelihood": lambda a, y: [-y / a],
    "hinge": lambda a, y: [piece((y * a < 1, -y), (y * a == 1, -y / 2), otherwise=0)],
    "cross_entropy_from_z": lambda z, y: [sigmoid(z), -y],
}
inside = st.floats(2**-60, 1 - 2**-53)
targets = st.sampled_from([0.0, 1.0]) | st.integers(0, 1024).map(lambda n: n / 1024)
COST_INPUTS = {
    "quadratic": st.tuples(dyadics, dyadics),
    "cross_entropy": st.tuples(inside, targets),
    "log_likelihood": st.tuples(inside, targets),
    "hinge": st.tuples(dyadics, st.sampled_from([-1.0, 1.0])),
    "cross_entropy_from_z": st.tuples(st.floats(-800, 800) | st.floats(-9, 9), targets),
}


def test_every_cost_has_an_oracle() -> None:
    assert (*COST, "log_likelihood_from_z") == (*COST_PRIME, "log_likelihood_from_z") == d.COSTS


@pytest.mark.parametrize("name", COST)
@given(data=st.data())
def test_cost_and_its_derivative(name: str, data: Any) -> None:
    pairs = data.draw(st.lists(COST_INPUTS[name], min_size=1, max_size=4))
    a, y = np.array(pairs).T
    with np.errstate(all="raise"):
        C, C_prime = d.cost(name, a, y), d.cost_prime(name, a, y)
    exact = [(mpf(p), mpf(q)) for p, q in pairs]
    terms = [term for p, q in exact for term in COST[name](p, q)]
    k = ROUNDINGS + len(pairs)
    assert_close(C, sum(terms), k * U * sum(map(abs, terms)) + 4 * len(pairs) * ETA)
    for got, (p, q) in zip(C_prime, exact, strict=True):
        terms = COST_PRIME[name](p, q)
        assert_close(got, sum(terms), k * U * sum(map(abs, terms)) + ETA)


@pytest.mark.parametrize("name", COST)
@given(data=st.data())
def test_the_derivative_of_the_cost_oracle_is_its_derivative(name: str, data: Any) -> None:
    p, q = map(mpf, data.draw(COST_INPUTS[name]))
    assume(name != "hinge" or q * p != 1)
    assume("from_z" in name or name in ("quadratic", "hinge") or 0.01 < p < 0.99)
    assume(name != "cross_entropy_from_z" or abs(p) > 0.01)  # its oracle branches at 0
    want = mp.diff(lambda p: sum(COST[name](p, q)), p)
    assert abs(sum(COST_PRIME[name](p, q)) - want) < 1e-20


@given(pairs=st.lists(st.tuples(st.floats(-400, 400), targets), min_size=1, max_size=5))
def test_log_likelihood_from_z(pairs: list[tuple[float, float]]) -> None:
    z, y = np.array(pairs).T
    with np.errstate(all="raise"):
        C = d.cost("log_likelihood_from_z", z, y)
        C_prime = d.cost_prime("log_likelihood_from_z", z, y)
    zs, ys = [mpf(p) for p, _ in pairs], [mpf(q) for _, q in pairs]
    with mp.workdps(700):  # the difference may be as small as exp(−800), or 0
        log_sum = mp.log(sum(map(mp.exp, zs)))
        want = sum(q * (log_sum - p) for p, q in zip(zs, ys, strict=True))
    k = 2 * (ROUNDINGS + len(pairs))
    # Computed as y (ln Σ exp(z − max z) − (z − max z)).
    size = sum(q * (mp.log(len(zs)) + max(zs) - p) for p, q in zip(zs, ys, strict=True))
    assert_close(C, want, k * U * size + ETA)
    k = 2 * softmax_roundings([p for p, _ in pairs])
    for got, a, q in zip(C_prime, softmax(zs), ys, strict=True):
        bound = k * U * (a * sum(ys) + q) + (1 + sum(ys)) * ETA  # a may underflow before Σy
        assert_close(got, a * sum(ys) - q, bound)


@pytest.mark.parametrize("gap", [20.0, 30.0, 36.7, 37.0, 40.0, 300.0, 700.0])
def test_from_z_the_tails_keep_their_digits(gap: float) -> None:
    with mp.workdps(400):
        small = float(1 / (1 + mp.exp(mpf(gap))))
        little = float(mp.log1p(mp.exp(-mpf(gap))))
    cost, prime = d.cost, d.cost_prime
    for z, y in ([gap, 0], [1, 0]), ([0, gap], [0, 1]), ([gap - 5, -5], [1, 0]):
        rest = np.array([-small, small]) * (1 if y[0] else -1)
        assert cost("log_likelihood_from_z", z, y) == pytest.approx(little, rel=1e-13)
        assert prime("log_likelihood_from_z", z, y) == pytest.approx(rest, rel=1e-13)
    for z, y, slope in ([gap], [1], -small), ([-gap], [0], small):
        assert cost("cross_entropy_from_z", z, y) == pytest.approx(little, rel=1e-13)
        assert prime("cross_entropy_from_z", z, y) == pytest.approx([slope], rel=1e-13)


def test_an_infinite_logit_whose_target_is_0_is_left_out() -> None:
    cost, prime = d.cost, d.cost_prime
    z, y = [-math.inf, 0, 1], [0, 1, 0]
    assert cost("log_likelihood_from_z", z, y) == cost("log_likelihood_from_z", [0, 1], [1, 0])
    assert list(prime("log_likelihood_from_z", z, y)) == [
        0, *prime("log_likelihood_from_z", [0, 1], [1, 0])
    ]  # fmt: skip
    for z, y in (-math.inf, 0), (math.inf, 1):
        assert cost("cross_entropy_from_z", [z], [y]) == 0
        assert prime("cross_entropy_from_z", [z], [y]) == 0
    assert cost("log_likelihood_from_z", [-math.inf, 0], [1, 0]) == math.inf


def test_entropies_at_their_ends() -> None:
    inf = math.inf
    with np.errstate(all="raise"):
        for a, y, C, C_prime in [(0, 0, 0, 1), (1, 1, 0, -1), (0, 1, inf, -inf), (1, 0, inf, inf)]:
            assert d.cost("cross_entropy", [a], [y]) == C
            assert d.cost_prime("cross_entropy", [a], [y]) == C_prime
        for a, y, C, C_prime in [(0, 0, 0, 0), (1, 1, 0, -1), (0, 1, inf, -inf), (1, 0, 0, 0)]:
            assert d.cost("log_likelihood", [a], [y]) == C
            assert d.cost_prime("log_likelihood", [a], [y]) == C_prime
        assert np.isnan(d.cost("cross_entropy", [math.nan], [0]))
        assert np.isnan(d.cost("log_likelihood", [-1], [0]))  # outside the domain


def test_hinge_at_its_tie_has_half_the_slope() -> None:
    assert d.cost_prime("hinge", [1.0, -1.0], [1.0, -1.0]).tolist() == [-0.5, 0.5]
    assert d.cost_prime("hinge", exactly([1]), exactly([1])).tolist() == [Fraction(-1, 2)]


@pytest.mark.parametrize("name", ["quadratic", "hinge"])
@given(data=st.data(), n=sizes)
def test_rational_costs_are_exact(name: str, data: Any, n: int) -> None:
    a = data.draw(row_of(rationals | st.integers(-3, 3), n))
    y = data.draw(row_of(st.sampled_from([-1, 1]), n))  # plain ints beside Fractions
    C, C_prime = d.cost(name, exactly(a), y), d.cost_prime(name, exactly(a), y)
    pairs = [(Fraction(p), Fraction(q)) for p, q in zip(a, y, strict=True)]
    assert isinstance(C, (int, Fraction)) and is_exact(C_prime)
    assert sum(sum(COST[name](p, q)) for p, q in pairs) == C
    assert C_prime.tolist() == [sum(COST_PRIME[name](p, q)) for p, q in pairs]


@pytest.mark.parametrize("name", d.COSTS)
@given(data=st.data(), batch=sizes, n=sizes)
def test_a_batch_has_one_cost_a_row(name: str, data: Any, batch: int, n: int) -> None:
    a = np.array(data.draw(rows_of(st.floats(0.01, 0.99), batch, n)))
    y = np.array(data.draw(rows_of(targets, batch, n)))
    C, C_prime = d.cost(name, a, y), d.cost_prime(name, a, y)
    assert C.shape == (batch,) and C_prime.shape == (batch, n)
    singly = [d.cost(name, *pair) for pair in zip(a, y, strict=True)]
    np.testing.assert_allclose(C, singly, rtol=2**-45, atol=2**-45)
    singly = [d.cost_prime(name, *pair) for pair in zip(a, y, strict=True)]
    np.testing.assert_allclose(C_prime, singly, rtol=2**-45, atol=2**-45)


# --- The equations against loops ------------------------------------------------------------------


def fractions_of(array: Any) -> Any:
    return np.vectorize(Fraction, otypes=[object])(array)


def equation_cases(data: Any, numbers: Any) -> list[tuple[Any, Any, Any, int]]:
    """Every equation: its value on arrays, by loops over the same numbers, and over their moduli.

    The last is Σ|terms|; the integer counts the roundings of an entry.
    """
    batch, n_out, n_in = data.draw(sizes), data.draw(sizes), data.draw(sizes)
    kind = exactly if numbers is rationals else np.array
    W, b = data.draw(rows_of(numbers, n_out, n_in)), data.draw(row_of(numbers, n_out))
    A, D = data.draw(rows_of(numbers, batch, n_in)), data.draw(rows_of(numbers, batch, n_out))
    S, T = data.draw(rows_of(numbers, batch, n_in)), data.draw(rows_of(numbers, batch, n_out))
    o, i, e = range(n_out), range(n_in), range(batch)

    def loops(W: Any, b: Any, A: Any, D: Any, S: Any, T: Any) -> list[Any]:
        return [
            [[sum(W[j][k] * A[x][k] for k in i) + b[j] for j in o] for x in e],
            [[D[x][j] * T[x][j] for j in o] for x in e],
            [[sum(W[j][k] * D[x][j] for j in o) * S[x][k] for k in i] for x in e],
            [sum(D[x][j] for x in e) for j in o],
            [[sum(D[x][j] * A[x][k] for x in e) for k in i] for j in o],
        ]

    operands = [fractions_of(operand) for operand in (W, b, A, D, S, T)]
    W, b, A, D, S, T = (kind(operand) for operand in (W, b, A, D, S, T))
    got = [
        (d.weighted_input(W, A, b), [d.weighted_input(W, a, b) for a in A]),
        (d.output_error(D, T), [d.output_error(*pair) for pair in zip(D, T, strict=True)]),
        (d.hidden_error(W, D, S), [d.hidden_error(W, *pair) for pair in zip(D, S, strict=True)]),
        (d.bias_gradient(D), sum(map(d.bias_gradient, D))),
        (d.weight_gradient(D, A), sum(map(d.weight_gradient, D, A))),
    ]
    wanted, moduli = loops(*operands), loops(*map(abs, operands))
    counts = [n_in + 1, 1, n_out + 1, batch, batch]
    return [
        (value, exactly(want), exactly(size), count)
        for both, want, size, count in zip(got, wanted, moduli, counts, strict=True)
        for value in (both[0], np.array(both[1], dtype=both[0].dtype))
    ]


@given(data=st.data())
def test_equations_on_fractions_are_exact_for_examples_and_batches(data: Any) -> None:
    for got, want, _, _ in equation_cases(data, rationals):
        assert is_exact(got) and got.tolist() == want.tolist()


@given(data=st.data())
def test_equations_on_floats_are_within_rounding(data: Any) -> None:
    for got, want, size, count in equation_cases(data, dyadics):
        assert got.dtype == np.float64 and got.shape == want.shape
        assert (abs(fractions_of(got) - want) <= count * Fraction(2) ** -52 * size).all()


@given(w=rationals, g=rationals, eta=rationals | st.integers(1, 9), m=st.integers(1, 9))
def test_update(w: Fraction, g: Fraction, eta: Fraction, m: int) -> None:
    want = w - Fraction(eta) / m * g
    assert d.update(exactly([w]), exactly([g]), eta, m).tolist() == [want]
    floats = d.update(np.array([float(w)]), np.array([float(g)]), eta, m)
    assert floats.dtype == np.float64
    # roundings of w, g and η among them
    assert abs(Fraction(floats[0]) - want) <= 6 * Fraction(2) ** -53 * (abs(w) + abs(eta * g / m))


def test_where_a_float_meets_a_fraction_the_result_is_float() -> None:
    assert d.weighted_input(exactly([[Fraction(1, 2)]]), [0.5], [1]).dtype == np.float64
    assert d.output_error([0.5], exactly([Fraction(1, 2)])).dtype == np.float64
    assert d.cost_prime("quadratic", [0.5], exactly([Fraction(1, 2)])).dtype == np.float64


@pytest.mark.parametrize(
    "equation",
    [
        lambda x: d.weighted_input([[x]], [x], [0.0]),
        lambda x: d.output_error([x], [x]),
        lambda x: d.output_error_softmax([x], [[x]]),
        lambda x: d.hidden_error([[x]], [x], [1.0]),
        lambda x: d.bias_gradient([[x], [x]]),
        lambda x: d.weight_gradient([x], [x])[0],
        lambda x: d.update([0.0], [x], -x, 1),
    ],
)
def test_an_equation_overflows_in_silence(equation: Any) -> None:
    with np.errstate(all="raise"):
        assert equation(1.5e308).tolist() == [math.inf]


def test_results_are_new_arrays() -> None:
    z = np.array([1.0, 2.0])
    d.activation("linear", z)[0] = 9
    assert z[0] == 1


# --- Networks -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dual:
    """A number and its derivative: forward-mode differentiation, one parameter at a time."""

    x: Fraction
    dx: Fraction = Fraction(0)

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.x + other.x, self.dx + other.dx)

    def __mul__(self, other: Dual) -> Dual:
        return Dual(self.x * other.x, self.x * other.dx + self.dx * other.x)

    def through(self, value: Any, derivative: Any) -> Dual:
        return Dual(Fraction(value), self.dx * derivative)


def dual_sigma(name: str, z: Dual) -> Dual:
    if name == "softsign":  # by the quotient rule
        sign = 1 if z.x >= 0 else -1
        low = 1 + sign * z.x
        return Dual(z.x / low, (z.dx * low - z.x * sign * z.dx) / low**2)
    return z.through(SIGMA[name](z.x), sum(SIGMA_PRIME[name](z.x)))


def dual_cost(name: str, a: Dual, y: Fraction) -> Dual:
    if name == "quadratic":
        difference = a + Dual(-y)
        return difference * difference * Dual(HALF)
    return a.through(sum(COST[name](a.x, y)), sum(COST_PRIME[name](a.x, y)))


def loops(number: Any, W: Any, b: Any, sigma: Any, cost: Any, names: Any, x: Any, y: Any) -> Any:
    """The cost of one example through a network, neuron by neuron."""
    a = [number(v) for v in x]
    for W_l, b_l, name in zip(W, b, names, strict=True):
        z = []
        for row, z_j in zip(W_l, b_l, strict=True):
            for w, a_k in zip(row, a, strict=True):
                z_j = z_j + w * a_k
            z.append(z_j)
        a = sigma(name, z)
    total = number(0)
    for term in cost(a, y):
        total = total + term
    return total


@st.composite
def networks(draw: Any, numbers: Any, names: Any, most_layers: int = 3) -> Any:
    """Weights, biases, activations and the width of the input."""
    widths = draw(st.lists(st.integers(1, 3), min_size=2, max_size=most_layers + 1))
    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    weights = [draw(rows_of(numbers, *shape)) for shape in shapes]
    biases = [draw(row_of(numbers, n)) for n, _ in shapes]
    return weights, biases, [draw(names) for _ in shapes], widths


@given(
    data=st.data(),
    network=networks(rationals, st.sampled_from(RATIONAL)),
    cost=st.sampled_from(["quadratic", "hinge"]),
)
def test_backprop_is_exactly_the_derivative(data: Any, network: Any, cost: str) -> None:
    weights, biases, names, widths = network
    x = data.draw(row_of(rationals, widths[0]))
    y = data.draw(row_of(st.sampled_from([Fraction(-1), Fraction(1)]), widths[-1]))
    W, b = [exactly(w) for w in weights], [exactly(v) for v in biases]
    got = d.backprop(W, b, names, cost, exactly(x), exactly(y))

    duals_W = [[[Dual(w) for w in row] for row in layer] for layer in weights]
    duals_b = [[Dual(v) for v in layer] for layer in biases]

    def derivative(row: list[Dual], k: int) -> Fraction:
        kept, row[k] = row[k], Dual(row[k].x, Fraction(1))
        total = loops(
            lambda v: Dual(Fraction(v)), duals_W, duals_b,
            lambda name, z: [dual_sigma(name, z_j) for z_j in z],
            lambda a, y: [dual_cost(cost, *pair) for pair in zip(a, y, strict=True)],
            names, x, y,
        )  # fmt: skip
        row[k] = kept
        assert total.x == d.cost(cost, got.a[-1], exactly(y))
        return total.dx

    L = len(weights)
    assert len(got.z) == len(got.a) == len(got.delta) == L + 1
    assert got.z[0].size == got.delta[0].size == 0 and got.a[0].tolist() == x
    for l in range(L):
        by_b = [derivative(duals_b[l], j) for j in range(len(duals_b[l]))]
        by_w = [[derivative(row, k) for k in range(len(row))] for row in duals_W[l]]
        assert got.nabla_b[l].tolist() == got.delta[l + 1].tolist() == by_b
        assert got.nabla_w[l].tolist() == by_w
        assert is_exact(got.nabla_b[l]) and is_exact(got.nabla_w[l])


@given(
    data=st.data(),
    network=networks(rationals, st.sampled_from(RATIONAL)),
    cost=st.sampled_from(["quadratic", "hinge"]),
    batch=sizes,
)
def test_backprop_of_a_batch_sums_its_examples(
    data: Any, network: Any, cost: str, batch: int
) -> None:
    weights, biases, names, widths = network
    W, b = [exactly(w) for w in weights], [exactly(v) for v in biases]
    X = exactly(data.draw(rows_of(rationals, batch, widths[0])))
    Y = data.draw(rows_of(st.sampled_from([-1, 1]), batch, widths[-1]))
    whole = d.backprop(W, b, names, cost, X, Y)
    single = [d.backprop(W, b, names, cost, *pair) for pair in zip(X, Y, strict=True)]
    for l in range(len(W)):
        for field in ("z", "a", "delta"):
            rows = [getattr(one, field)[l + 1].tolist() for one in single]
            assert getattr(whole, field)[l + 1].tolist() == rows
        assert whole.nabla_b[l].tolist() == sum(one.nabla_b[l] for one in single).tolist()
        assert whole.nabla_w[l].tolist() == sum(one.nabla_w[l] for one in single).tolist()


@given(data=st.data(), n_in=sizes, n_out=sizes, h=rationals.filter(bool))
def test_a_quadratic_is_differentiated_by_its_differences(
    data: Any, n_in: int, n_out: int, h: Fraction
) -> None:
    W, b = data.draw(rows_of(rationals, n_out, n_in)), data.draw(row_of(rationals, n_out))
    x, y = data.draw(row_of(rationals, n_in)), data.draw(row_of(rationals, n_out))
    W, b, x, y = map(exactly, (W, b, x, y))
    gradient = d.backprop([W], [b], ["linear"], "quadratic", x, y).nabla_w[0]
    for j, k in np.ndindex(W.shape):
        step = exactly([[h * ((j, k) == (r, c)) for c in range(n_in)] for r in range(n_out)])
        ahead, behind = (
            d.cost("quadratic", d.forward([V], [b], ["linear"], x)[1][1], y)
            for V in (W + step, W - step)
        )
        assert (ahead - behind) / (2 * h) == gradient[j, k]


SMOOTH = ["linear", "sigmoid", "tanh", "softplus", "silu", "gelu"]
OUTPUTS = [
    *[(name, "quadratic") for name in SMOOTH],
    ("sigmoid", "cross_entropy"),
    ("linear", "cross_entropy_from_z"),
    ("softmax", "log_likelihood"),
    ("softmax", "quadratic"),
    ("linear", "log_likelihood_from_z"),
]


def smooth_sigma(name: str, z: list[Any]) -> list[Any]:
    return softmax(z) if name == "softmax" else [SIGMA[name](v) for v in z]


def smooth_cost(cost: str, a: list[Any], y: list[Any]) -> list[Any]:
    if cost == "log_likelihood_from_z":
        a, cost = softmax(a), "log_likelihood"
    return [term for pair in zip(a, y, strict=True) for term in COST[cost](*pair)]


@pytest.mark.parametrize(("output", "cost"), OUTPUTS)
@given(data=st.data(), network=networks(st.floats(-1, 1), st.sampled_from(SMOOTH), 2))
def test_backprop_is_the_derivative_in_high_precision(
    output: str, cost: str, data: Any, network: Any
) -> None:
    W, b, names, widths = network
    names[-1] = output
    x = data.draw(row_of(st.floats(-1, 1), widths[0]))
    y = data.draw(row_of(targets, widths[-1]))
    got = d.backprop(W, b, names, cost, x, y)
    h = mpf(10) ** -15
    exact_W = [[[mpf(w) for w in row] for row in layer] for layer in W]
    exact_b = [[mpf(v) for v in layer] for layer in b]

    def total() -> Any:
        return loops(
            mpf, exact_W, exact_b, smooth_sigma, lambda a, y: smooth_cost(cost, a, y),
            names, x, [mpf(v) for v in y],
        )  # fmt: skip

    def derivative(row: list[Any], k: int) -> Any:
        kept = row[k]
        row[k] = kept + h
        ahead = total()
        row[k] = kept - h
        behind = total()
        row[k] = kept
        return (ahead - behind) / (2 * h)  # within h² of the derivative

    # Everything is below 20 and every path has fewer than 500 roundings; an entropy's C′ is 1/a
    # or 1/(1 − a), so that a and 1 − a, as they come near 0, multiply what they were rounded by.
    a = got.a[-1]
    margin = min(a.min(), (1 - a).min()) if cost in ("cross_entropy", "log_likelihood") else 1.0
    assume(margin > 1e-9)
    bound = 500 * 20 * U / margin
    for l in range(len(W)):
        for j, row in enumerate(exact_W[l]):
            assert_close(got.nabla_b[l][j], derivative(exact_b[l], j), bound)
            for k in range(len(row)):
                assert_close(got.nabla_w[l][j, k], derivative(row, k), bound)


@given(
    data=st.data(),
    network=networks(st.floats(-1, 1), st.just("tanh")),
    pair=st.sampled_from([("softmax", "log_likelihood"), ("sigmoid", "cross_entropy")]),
)
def test_an_entropy_takes_sigma_prime_away(data: Any, network: Any, pair: Any) -> None:
    W, b, names, widths = network
    output, cost = pair
    x = data.draw(row_of(st.floats(-1, 1), widths[0]))
    y = np.zeros(widths[-1])
    y[data.draw(st.integers(0, widths[-1] - 1))] = 1
    direct = d.backprop(W, b, [*names[:-1], output], cost, x, y)
    from_z = d.backprop(W, b, [*names[:-1], "linear"], f"{cost}_from_z", x, y)
    # |z| ≤ 4, so that no a or 1 − a is below exp(−9).
    np.testing.assert_allclose(direct.delta[-1], direct.a[-1] - y, atol=1e-11)
    for one, other in zip(direct.nabla_w, from_z.nabla_w, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11)


# --- Errors ---------------------------------------------------------------------------------------

V, M = np.zeros, np.zeros


@pytest.mark.parametrize(
    ("call", "shapes"),
    [
        (lambda: d.weighted_input(M((2, 3)), V(2), V(2)), ["(2, 3)", "(2,)"]),
        (lambda: d.weighted_input(M((2, 3)), V(3), V((2, 1))), ["(2, 3)", "(2, 1)"]),
        (lambda: d.weighted_input(V(3), V(3), V(3)), ["W (3,)", "a (3,)"]),
        (lambda: d.output_error(V(2), V((2, 1))), ["(2,)", "(2, 1)"]),
        (lambda: d.output_error_softmax(V(2), M((3, 3))), ["(2,)", "(3, 3)"]),
        (lambda: d.output_error_softmax(V(()), V(())), ["C_prime ()", "jacobian ()"]),
        (lambda: d.hidden_error(M((2, 3)), V(3), V(3)), ["(2, 3)", "delta_next (3,)"]),
        (lambda: d.hidden_error(M((2, 3)), V(2), V(2)), ["(2, 3)", "sigma_prime (2,)"]),
        (lambda: d.hidden_error(V(3), V(3), V(())), ["W_next (3,)", "sigma_prime ()"]),
        (lambda: d.weight_gradient(M((4, 2)), M((5, 3))), ["(4, 2)", "(5, 3)"]),
        (lambda: d.weight_gradient(M((1, 2)), V(3)), ["(1, 2)", "(3,)"]),
        (lambda: d.update(M((2, 3)), V(3), 1, 1), ["(2, 3)", "(3,)"]),
        (lambda: d.cost("quadratic", V(2), V((2, 1))), ["(2,)", "(2, 1)"]),
        (lambda: d.cost_prime("hinge", V(2), V(3)), ["(2,)", "(3,)"]),
    ],
)
def test_shapes_that_do_not_fit(call: Any, shapes: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        call()
    assert all(shape in str(error.value) for shape in shapes)


@pytest.mark.parametrize("function", [d.activation, d.activation_prime, d.cost, d.cost_prime])
def test_unknown_names_list_the_known(function: Any) -> None:
    operands = [[1.0]] if "activation" in function.__name__ else [[1.0], [1.0]]
    names = d.ACTIVATIONS if "activation" in function.__name__ else d.COSTS
    with pytest.raises(ValueError) as error:
        function("nosuch", *operands)
    assert all(name in str(error.value) for name in ("'nosuch'", *names))


def test_softmax_has_no_elementwise_derivative() -> None:
    with pytest.raises(ValueError, match="softmax_jacobian"):
        d.activation_prime("softmax", [1.0, 2.0])


def test_every_layer_needs_its_weights_biases_and_activation() -> None:
    with pytest.raises(ValueError, match="argument"):
        d.forward([[[1]], [[1]]], [[0], [0]], ["linear"], [1])
