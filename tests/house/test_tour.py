"""The notebook: it runs, leaves nothing behind, and the outputs kept in it are those it gives."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

NEEDED = ("nbclient", "nbformat", "ipykernel", "matplotlib", "sympy")
pytestmark = [
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, NEEDED)), reason=f"needs {', '.join(NEEDED)}"
    ),
    pytest.mark.filterwarnings("default"),  # of Jupyter's own
]


def kinds(cell: Any) -> list[Any]:
    """What a cell put out: the names of streams, the formats of results."""
    return [
        output.name if output.output_type == "stream" else sorted(output.data)
        for output in cell.outputs
    ]


def text(cell: Any) -> str:
    """What a cell put out in words, numbers that a machine may round otherwise left out."""
    words = "".join(
        output.text if output.output_type == "stream" else output.data.get("text/latex", "")
        for output in cell.outputs
    )
    return re.sub(r"\d\S*e-\d+", "#", words)


def test_the_tour_gives_what_it_keeps(tmp_path: Path) -> None:
    from support.tour import cleaned, executed, kept

    before = kept()
    after = executed(kept(), tmp_path)
    assert not list(tmp_path.iterdir())
    for old, new in zip(before.cells, after.cells, strict=True):
        if old.cell_type == "code":
            assert old.outputs, f"no outputs are kept: python tests/support/tour.py; {old.source}"
            assert kinds(old) == kinds(new), old.source
            assert text(old) == text(new), (
                f"not what it gives now: python tests/support/tour.py; {old.source}"
            )
    assert cleaned(kept()) == before


def test_the_tour_shows_what_there_is_to_show() -> None:
    from support.tour import kept

    cells = [cell for cell in kept().cells if cell.cell_type == "code"]
    shown = "".join(
        output.get("text", "") + "".join(output.get("data", {}).values())
        for cell in cells
        for output in cell.outputs
    )
    for part in (
        "<svg", "iframe srcdoc", "all 16 equations hold", "def value_and_grad", "begin{aligned}",
        "test accuracy", "lifted",
    ):  # fmt: skip
        assert part in shown, part
    assert "stderr" not in [output.get("name") for cell in cells for output in cell.outputs]
