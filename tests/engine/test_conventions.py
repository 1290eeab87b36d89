"""The table of conventions at kinks and edges: well-formed, and ours and PyTorch's as it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.conventions import PACKAGES, ask, same

import microgradnet
from microgradnet import Value, ops
from microgradnet.conventions import LIBRARIES, Convention, conventions
from microgradnet.operation import Operation

TABLE = conventions()
OURS = [row for row in TABLE.rows if "microgradnet" in row.spelled]
each = pytest.mark.parametrize("row", OURS, ids=lambda row: f"{row.of} at {row.at}")


def test_the_table_is_well_formed() -> None:
    assert len(TABLE.rows) > 85
    assert len({(row.of, row.at) for row in TABLE.rows}) == len(TABLE.rows)
    assert list(TABLE.versions) == list(PACKAGES)[1:] == list(LIBRARIES[1:])
    for row in TABLE.rows:
        assert set(row.numbers) <= set(row.spelled) <= set(LIBRARIES)
        assert len(row.spelled) > 1
        assert set(row.asked) <= {"value", "∂x", "∂y", "∂²x"}
        for library, numbers in row.numbers.items():
            assert set(numbers) <= set(row.asked)
            assert all(same(x, x) for x in numbers.values())
            if library == "microgradnet":
                assert set(numbers) == set(row.asked)


def test_the_page_is_the_tables() -> None:
    page = Path(microgradnet.conventions.__file__).with_name("table.md")
    assert page.read_text(encoding="utf-8") == TABLE.markdown() + "\n"
    assert str(TABLE).startswith("PyTorch ")
    assert "abs(x)" in str(TABLE)


@each
def test_ours_is_as_stored_in_both_modes(row: Convention) -> None:
    for quantity, stored in row.numbers["microgradnet"].items():
        found = ask("microgradnet", row.spelled["microgradnet"], row.at, quantity)
        assert found is not None
        assert same(found, stored), f"{quantity}: {found}, not {stored}"


@each
def test_backward_and_the_table_of_operations_say_the_same(row: Convention) -> None:
    leaves = [Value(x) for x in row.at]
    names = dict(zip("xy", leaves, strict=False))
    node = eval(row.spelled["microgradnet"], {**vars(ops), **names})
    node.backward()
    found = [leaf.grad for leaf in leaves]
    stored = row.numbers["microgradnet"]
    for name, slope in zip("xy", found, strict=False):
        if f"∂{name}" in stored:
            assert same(repr(float(slope)), stored[f"∂{name}"].partition(",")[0])
    if node.parents == tuple(leaves):
        assert isinstance(node.op, Operation)
        for slope, contribution in zip(found, node.op.vjp(1.0, *row.at), strict=True):
            assert same(repr(float(slope)), repr(float(contribution or 0.0)))


def test_pytorchs_numbers_are_as_stored(require_oracle: Callable[[str], Any]) -> None:
    torch = require_oracle("torch")
    if torch.__version__.partition("+")[0] != TABLE.versions["PyTorch"]:
        pytest.skip(f"the table is of {TABLE.versions['PyTorch']}")
    for row in TABLE.rows:
        for quantity, stored in row.numbers.get("PyTorch", {}).items():
            found = ask("PyTorch", row.spelled["PyTorch"], row.at, quantity)
            assert found is not None
            assert same(found, stored), f"{row.of} at {row.at}, {quantity}: {found}, not {stored}"


def test_numbers_are_compared_mode_by_mode() -> None:
    assert same("nan, forward 0.0", "nan, forward -0.0")
    assert not same("nan, forward 0.0", "nan")
    assert not same("1.0", "1.0001")
