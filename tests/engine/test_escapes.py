"""A number does not leave a graph silently: converting a node is an error or a warning."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradnet import (
    MLP,
    Module,
    Value,
    check_grad,
    costs,
    exp,
    experiments,
    fit,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    trace,
    value_and_grad,
    vjp,
)
from microgradnet.lifting import TracingError

CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "int": int,
    "math.exp": math.exp,
    "math.fabs": math.fabs,
    "complex": complex,
    "np.float64": np.float64,
    "np.exp of floats": lambda v: np.exp(np.asarray([v], dtype=float))[0],
    "np.vectorize": lambda v: np.vectorize(math.exp)(v),
}
each_conversion = pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=CONVERSIONS)
LOST = rf"^{re.escape(__file__)}, line \d+: \w+\(\) takes the number .*\(exp, .*v\.data"

DERIVATIVES: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: grad(f)(2.0),
    "value_and_grad": lambda f: value_and_grad(f)(2.0),
    "jacobian": lambda f: jacobian(lambda x: [f(x), x])(2.0),
    "hessian": lambda f: hessian(f)(2.0),
    "jvp": lambda f: jvp(f, (2.0,), (1.0,)),
    "vjp": lambda f: vjp(f, 2.0),
    "hvp": lambda f: hvp(f, (2.0,), (1.0,)),
    "check_grad": lambda f: check_grad(f, [2.0]),
}


@each_conversion
@pytest.mark.parametrize("derivative", DERIVATIVES.values(), ids=DERIVATIVES)
def test_in_what_is_differentiated_it_is_an_error(derivative: Any, convert: Any) -> None:
    for f in (lambda x: x * convert(x), lambda x: x + convert(x * x)):
        with pytest.raises(TypeError, match=LOST):
            derivative(f)


def test_the_error_names_the_line() -> None:
    def f(x: Any) -> Any:
        return x * math.exp(x)

    with pytest.raises(TypeError, match=f"line {f.__code__.co_firstlineno + 1}: float"):
        grad(f)(2.0)
    assert grad(lambda x: x * exp(x))(2.0) == pytest.approx(3 * math.exp(2))


@given(st.floats(-5, 5))
def test_what_is_meant_as_a_constant_says_so(number: float) -> None:
    def paused(x: Any) -> float:
        with no_grad():
            return float(x * 1)

    for constant in (
        lambda x: x.data,
        lambda x: x.item(),
        lambda x: float(x.detach()),
        lambda x: int(number) + float(Value(number)) + 0 * x.data,
        paused,
    ):
        want = constant(Value(number))
        assert grad(lambda x: x * constant(x))(number) == want  # noqa: B023  # called at once


EQUAL: dict[str, Callable[[Any], Any]] = {
    "==": lambda v: v == 0,
    "0.0 ==": lambda v: 0.0 == v,  # on the other side
    "!=": lambda v: v != Fraction(1, 2),
    "in": lambda v: v in [2.0],
}
LINE = rf"^{re.escape(__file__)}, line \d+: a node is equal only to itself, so == .* v\.data"


@pytest.mark.parametrize("equal", EQUAL.values(), ids=EQUAL)
@pytest.mark.parametrize("derivative", DERIVATIVES.values(), ids=DERIVATIVES)
def test_a_comparison_that_is_false_whatever_the_number_is_an_error(
    derivative: Any, equal: Any
) -> None:
    for f in (lambda x: x * equal(x), lambda x: x if equal(x * x) else -x):
        with pytest.raises(TypeError, match=LINE):
            derivative(f)


@pytest.mark.parametrize("equal", EQUAL.values(), ids=EQUAL)
def test_so_it_is_while_tracing(equal: Any) -> None:
    with pytest.raises(TracingError, match=re.escape(__file__)):
        trace(lambda x: x[0] if equal(x[0]) else x[0] * 2, 1)


def test_nodes_are_equal_only_to_themselves() -> None:
    x, y = Value(2.0), Value(2.0)
    assert x == x and x != y and x != 2.0 and x not in [2.0, y] and x in [y, x]
    assert {x: 1, y: 2}[x] == 1
    constant = Value(0.0)
    assert grad(lambda x: x * (1 if constant == 0 else 3))(2.0) == 3
    assert grad(lambda x: x * 2 if x == x and x != y else x)(2.0) == 2
    assert grad(lambda x: x * 2 if x.data == 2 else x)(2.0) == 2


def test_an_inner_function_sees_the_inputs_of_the_outer() -> None:
    def inner(x: Any) -> Any:
        return grad(lambda y: y * float(x * 2))(3.0)

    with pytest.raises(TypeError, match=LOST):
        grad(inner)(2.0)
    with pytest.warns(UserWarning, match=r"float\(\)"):
        assert inner(Value(2.0)) == 4.0


@each_conversion
def test_elsewhere_it_is_a_warning_for_what_was_computed(convert: Any) -> None:
    x = Value(2.0)
    convert(x)
    convert((x * x).detach())
    with no_grad():
        convert(x * x)
    with pytest.warns(UserWarning, match="no gradient") as said:
        convert(x * x)
    assert said[0].filename == __file__


def test_it_is_said_once_a_line() -> None:
    x = Value(2.0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        for _ in range(3):
            float(x * x)
        float(x * x)
    assert [warning.lineno for warning in said] == sorted({warning.lineno for warning in said})
    assert len(said) == 2


def test_numbers_are_printed_as_one_likes() -> None:
    x = Value(2.0) * 2
    assert f"{x:.2f} {x.data}" == "4.00 4.0"
    grad(lambda x: x * len(f"{x:.3f}"))(1.0)


def test_a_whole_number_is_what_python_makes_of_the_data() -> None:
    for number in (2.75, -2.75, Fraction(-7, 2), 10**30):
        assert int(Value(number)) == int(number)
    with pytest.raises(OverflowError):
        int(Value(math.inf))


def test_tracing_has_its_own_error() -> None:
    with pytest.raises(TracingError, match="asked for its number"):
        trace(lambda x: x[0] * math.exp(x[0] * 1), 1)


@pytest.mark.parametrize("granularity", ["atomic", "neuron"])
def test_in_an_activation_it_is_an_error(granularity: str) -> None:
    def bent(z: Any) -> Any:
        return z * math.exp(z)

    model = MLP(2, [2, 1], activation=bent, granularity=granularity, seed=0)
    with pytest.raises(TypeError, match=LOST):
        model([0.5, 1.0])


X, Y = [[0.5, 1.0], [1.0, 2.0]], [1.0, 0.0]


@pytest.mark.parametrize("engine", ["auto", "eager"])
def test_in_a_cost_it_is_an_error(engine: str) -> None:
    def cost(output: Any, target: Any) -> Any:
        return (output - target) ** 2 * math.exp(output)

    model = MLP(2, [1], seed=0)
    with pytest.raises(TypeError, match=LOST):
        fit(model, X, Y, cost, engine=engine, progress=False)
    with pytest.raises(TypeError, match=LOST):
        experiments.gradient_flow(model, X, Y, cost)


def test_in_a_model_that_is_trained_it_is_an_error() -> None:
    class Scaled(Module):
        def __init__(self) -> None:
            self.w = Value(1.0)

        def __call__(self, x: Any) -> Any:
            return self.w * x[0] * float(self.w)

    with pytest.raises(TypeError, match=LOST):
        fit(Scaled(), X, Y, costs.quadratic, progress=False)


def test_other_threads_are_not_asked() -> None:
    warned: list[Any] = []

    def convert() -> None:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            float(Value(3.0))
        warned.extend(said)

    def f(x: Any) -> Any:
        thread = threading.Thread(target=convert)
        thread.start()
        thread.join()
        return x * x

    assert grad(f)(2.0) == 4.0
    assert warned == []


def test_where_nothing_is_differentiated_the_graph_is_not_walked(monkeypatch: Any) -> None:
    monkeypatch.setattr("microgradnet.escapes.topological_order", None)
    with pytest.warns(UserWarning, match="float"):
        assert float(Value(2.0) * 3) == 6.0


def test_it_warns_also_where_numpy_is_not_loaded() -> None:
    code = "from microgradnet import Value; float(Value(2.0) * 3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "float() takes the number of a node" in done.stderr
