"""What may stand beside a node: truth values as 1 and 0, NumPy's scalars, arrays of one number."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from microgradnet import Value, detect_anomaly, grad, ops

OPERATORS = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "**": operator.pow, "maximum": ops.maximum, "minimum": ops.minimum, "xlogy": ops.xlogy,
}  # fmt: skip
each_operator = pytest.mark.parametrize("combine", OPERATORS.values(), ids=OPERATORS)
data = st.one_of(st.floats(0.25, 8), st.integers(1, 9), st.fractions(1, 9, max_denominator=9))


def same(x: Any, y: Any) -> bool:
    return type(x) is type(y) and x == y


@each_operator
@given(data=data, truth=st.booleans(), kind=st.sampled_from([bool, np.bool_, np.array]))
def test_true_and_false_are_1_and_0(combine: Any, data: Any, truth: bool, kind: Any) -> None:
    for pair in (lambda x, y: (x, y), lambda x, y: (y, x)):
        x, number = Value(data), Value(data)
        try:
            want = combine(*pair(number, int(truth)))
        except ZeroDivisionError:
            assume(False)
        got = combine(*pair(x, kind(truth)))
        assert same(got.data, want.data)
        assert got.op is want.op
        got.backward()
        want.backward()
        assert same(x.grad, number.grad)


@given(st.lists(st.floats(-3, 3), min_size=1))
def test_a_mask_is_a_relu(numbers: list[float]) -> None:
    for number in numbers:
        x = Value(number)
        (masked := (x.data > 0) * x).backward()
        assert masked.data == max(number, 0)
        assert x.grad == (number > 0)
    masks = np.array(numbers) > 0
    values = np.array([Value(x) for x in numbers])
    assert [v.data for v in masks * values] == [v.data for v in values * masks]
    assert [v.data for v in masks * values] == (masks * np.array(numbers)).tolist()


def test_on_numbers_alone_too() -> None:
    assert same(ops.add(True, 2), 3)
    assert same(ops.maximum(np.False_, 0.5), 0.5)
    assert same(ops.power(True, 2), 1)


WHOLE = [np.int8, np.uint8, np.int64, np.uint64, np.array, lambda n: np.array(n, dtype=np.int8)]


@given(data=st.integers(-9, 9), n=st.integers(0, 9), kind=st.sampled_from(WHOLE))
def test_a_whole_exponent_of_numpys_is_a_constant_and_whole(
    data: int, n: int, kind: Callable[[int], Any]
) -> None:
    for number in (data, float(data), Fraction(data, 7)):
        x, y = Value(number), Value(number)
        with detect_anomaly():  # the power of two variables has log x in its rule
            got, want = x ** kind(n), y**n
            assume(data or n > 0)
            got.backward()
            want.backward()
        assert same(got.data, want.data) and got.op is want.op
        assert same(x.grad, y.grad)
    base, exponent = Value(2.0), Value(2.0)
    (kind(abs(data) + 1) ** base).backward()
    ((abs(data) + 1) ** exponent).backward()
    assert base.grad == exponent.grad
    assert same(ops.power(data, kind(n)), data**n)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.array])
def test_a_float_exponent_of_numpys_is_a_constant(kind: Any) -> None:
    x = Value(4.0)
    y = x ** kind(0.5)
    assert (y.op.name, y.data, grad(lambda x: x ** kind(1.5))(4.0)) == ("power_constant", 2.0, 3.0)


@pytest.mark.parametrize("number", [3.0, 3, Fraction(1, 3)])
def test_an_array_without_dimensions_is_its_entry(number: Any) -> None:
    array = np.array(number)
    want = float(number) if array.dtype != object else number
    assert same(Value(array).data, want)
    x = Value(2.0)
    assert (x * array).data == (array * x).data == (x * number).data
    assert ops.maximum(x, array).data == ops.maximum(x, number).data


def test_another_librarys_number_is_refused_with_its_item() -> None:
    class Tensor:
        ndim = 0

        def item(self) -> float:
            raise AssertionError

    with pytest.raises(TypeError, match=r"Tensor.*\.item\(\)"):
        Value(Tensor())
    with pytest.raises(TypeError, match=r"take its \.item\(\)"):
        _ = Value(2.0) * Tensor()
