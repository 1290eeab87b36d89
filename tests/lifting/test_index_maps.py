"""How numbers depend on coordinates: affine maps, tables, conditions."""

import numpy as np
from hypothesis import given, strategies

from microgradnet.lifting.assembly import _Leaves
from microgradnet.lifting.axes import (
    Coordinates,
    Dimension,
    _codes,
    choose,
    components,
    running_number,
    separate,
)
from microgradnet.lifting.index_maps import (
    AffineMap,
    affine_map,
    conditions,
    needed_columns,
    table_over,
)

SIZES = strategies.lists(strategies.integers(1, 4), min_size=1, max_size=4)


def grid(sizes):
    return [g.ravel() for g in np.indices(sizes)]


@given(SIZES, strategies.data())
def test_affine_maps_are_found_and_are_right(sizes, data):
    columns = grid(sizes)
    chosen = data.draw(strategies.sets(strategies.sampled_from(range(len(sizes))), max_size=3))
    parts = [(k, data.draw(strategies.integers(-3, 3).filter(bool))) for k in sorted(chosen)]
    values = AffineMap(data.draw(strategies.integers(-5, 5)), tuple(parts)).at(columns)
    values = np.broadcast_to(values, columns[0].shape)
    found = affine_map(columns, values)
    assert found is not None
    assert (found.at(columns) == values).all()
    assert len(found.parts) <= len(parts)


@given(SIZES, strategies.data())
def test_tables_need_no_more_columns_than_there_are_and_hold_the_values(sizes, data):
    columns = grid(sizes)
    kept = data.draw(strategies.sets(strategies.sampled_from(range(len(sizes)))))
    code = sum((7**k * columns[k] for k in kept), np.zeros_like(columns[0]))
    table = table_over(columns, sizes, code.astype(float))
    assert set(table.columns) <= kept
    assert (table.values[tuple(columns[k] for k in table.columns)] == code).all()
    assert table.present.all()


def test_what_is_no_function_has_no_map():
    i = np.array([0, 0, 1, 1])
    assert affine_map([i], np.array([0, 1, 0, 1])) is None
    assert affine_map([np.arange(4)], np.arange(4) ** 2) is None
    assert affine_map([2 * i], i) is None  # halves are no whole numbers
    assert affine_map(grid([2, 2, 2, 2]), sum(grid([2, 2, 2, 2]))) is None  # of four
    assert affine_map([i, i, np.arange(4)], i + np.arange(4)) is not None
    late = np.zeros(2000, dtype=int)
    late[-2] = 1  # beyond the sample
    assert affine_map([np.arange(2000), np.zeros(2000, dtype=int)], late) is None
    assert AffineMap(3, ()).at([]).tolist() == [3]
    large = np.array([0, 999_999, 5]), np.array([3, 999_998, 1])
    assert needed_columns(large, [1_000_000] * 2, np.array([1, 2, 2])) == (1,)


@given(strategies.integers(1, 5), strategies.integers(1, 5), strategies.data())
def test_conditions_hold_where_they_should(n, m, data):
    i, j = grid([n, m])
    offset = data.draw(strategies.integers(-n, m))
    present = (j - i <= offset) & (i >= data.draw(strategies.integers(0, n - 1)))
    if present.any() and not present.all():
        found = conditions([i, j], present)
        assert found is not None
        assert (np.all([half.at([i, j]) >= 0 for half in found], axis=0) == present).all()


def test_no_conditions_describe_a_checkerboard():
    i, j = grid([3, 3])
    assert conditions([i, j], (i + j) % 2 == 0) is None


def test_windows_groups_and_choices():
    entry, t = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
    origin, step = separate(entry, t, 2 * entry - t, 4)
    assert (origin[entry] + step[t] == 2 * entry - t).all()
    assert separate(entry, t, entry * t, 4) is None
    assert components(np.array([0, 0, 1, 1]), np.array([3, 0, 1, 2]), 2, 5).tolist() == [
        0,
        1,
        1,
        0,
        -1,
    ]
    assert running_number(np.array([5, 2, 5, 5, 2])).tolist() == [0, 0, 1, 2, 1]
    assert choose([], 2) is None
    assert choose([], 1) is None


def test_many_combinations_have_codes():
    column = np.array([0, 2**21 - 1, 5, 5])
    codes = _codes([column, column, column, np.array([0, 1, 2, 2])], 4)
    assert len(set(codes.tolist())) == 3
    assert codes[2] == codes[3]


def test_an_axis_stands_only_once_in_an_array():
    rows = np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3)
    axis, array = Dimension(3), Coordinates([Dimension(9)], [np.arange(9)], 9, 1, np.arange(9))

    class Read:
        def read(self, atoms):
            return array, atoms

    order = np.arange(9)
    reads = [(order, [(axis, rows[0])]), (order, [(axis, rows[1])])]
    _Leaves(Read(), reads).number()
    first, second = array.dimensions
    assert first is not second
    assert axis in (first, second)
