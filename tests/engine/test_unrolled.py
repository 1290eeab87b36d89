"""The sums written out are the sums of a plain loop, bit by bit and in its order."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradnet.unrolled import LONGEST, dot, linear_combination

numbers = st.floats(allow_nan=False)
lengths = st.integers(0, 6) | st.sampled_from([LONGEST, LONGEST + 1])


def the_same(x, y):
    return (math.isnan(x) and math.isnan(y)) or (x, math.copysign(1, x)) == (y, math.copysign(1, y))


@given(st.data(), lengths, numbers)
def test_weighted_adds_product_after_product(data, n, start):
    ws, xs = (data.draw(st.lists(numbers, min_size=n, max_size=n)) for _ in range(2))
    total = start
    for w, x in zip(ws, xs, strict=True):
        total += w * x
    assert the_same(dot(n)([SimpleNamespace(data=w) for w in ws], xs, start), total)


@pytest.mark.parametrize("n", [LONGEST, LONGEST + 1, 2 * LONGEST + 1])
def test_each_of_many_products_is_added_once(n):
    xs = [float(k + 1) for k in range(n)]
    total = sum(k * k for k in range(1, n + 1))
    assert dot(n)([SimpleNamespace(data=x) for x in xs], xs, 0.5) == total + 0.5
    assert linear_combination(n)([2.0, 1.0], [xs, xs]) == [3 * x for x in xs]


@given(st.data(), lengths, st.integers(1, 4))
def test_combination_adds_row_after_row(data, n, m):
    gs = data.draw(st.lists(numbers, min_size=m, max_size=m))
    rows = [data.draw(st.lists(numbers, min_size=n, max_size=n)) for _ in range(m)]
    totals = [-0.0] * n
    for g, row in zip(gs, rows, strict=True):
        for k, x in enumerate(row):
            totals[k] += g * x
    found = linear_combination(n)(gs, rows)
    assert len(found) == n
    assert all(map(the_same, found, totals))


def test_a_sum_of_negative_zeros_keeps_its_sign():
    for n in (1, LONGEST, LONGEST + 1):
        assert all(map(the_same, linear_combination(n)([1.0], [[-0.0] * n]), [-0.0] * n))


@pytest.mark.parametrize("written", [dot, linear_combination])
def test_a_function_is_written_once_and_not_for_many_terms(written):
    assert written(LONGEST) is written(LONGEST)
    assert written(LONGEST).__code__.co_nlocals > LONGEST
    assert written(LONGEST + 1).__code__.co_nlocals < 10


@pytest.mark.parametrize("n", [2, LONGEST, LONGEST + 1])
def test_rows_of_another_length_are_refused(n):
    with pytest.raises(ValueError, match=r"unpack|zip"):
        linear_combination(n)([1.0, 1.0], [[1.0] * n, [1.0] * (n - 1)])
