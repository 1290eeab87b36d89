"""The notebook: it runs, leaves nothing behind, and the outputs kept in it are those it gives."""

from __future__ import annotations

import importlib.util
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

if not all(map(importlib.util.find_spec, ("ipykernel", "matplotlib", "sympy"))):
    pytest.skip("needs ipykernel, matplotlib and sympy", allow_module_level=True)
nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
pytestmark = pytest.mark.filterwarnings("default")  # of Jupyter's own


TOUR = ROOT / "demos" / "tour.ipynb"


def kept() -> Any:
    """The notebook as it stands."""
    return nbformat.read(TOUR, as_version=4)


def executed(notebook: Any, folder: Path) -> Any:
    """The notebook with new outputs, run by this Python in that folder; an error in it is one.

    What says when, and by which Python, it was run is left out.
    """
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=resources
    )
    client.record_timing = False
    client.execute()
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = {}
    return notebook


def kinds(cell: Any) -> list[Any]:
    """What a cell put out: the names of streams, the formats of results.

    A stream that a slow machine sends in two pieces is one.
    """
    found = [
        output.name if output.output_type == "stream" else sorted(output.data)
        for output in cell.outputs
    ]
    return [kind for kind, _ in groupby(found)]


def text(cell: Any) -> str:
    """What a cell put out in words, numbers that a machine may round otherwise left out."""
    words = "".join(
        output.text if output.output_type == "stream" else output.data.get("text/latex", "")
        for output in cell.outputs
    )
    return re.sub(r"\d\S*e-\d+", "#", words)


def test_the_tour_gives_what_it_keeps(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    after = executed(kept(), tmp_path)
    assert not list(tmp_path.iterdir())
    if pytestconfig.getoption("--renew-golden"):
        nbformat.write(after, TOUR)
    before = kept()
    assert before.metadata == after.metadata
    for old, new in zip(before.cells, after.cells, strict=True):
        assert old.metadata == new.metadata
        if old.cell_type == "code":
            renew = f"pytest --renew-golden {Path(__file__).name} renews it; {old.source}"
            assert old.outputs, f"no outputs are kept: {renew}"
            assert kinds(old) == kinds(new), renew
            assert text(old) == text(new), renew


def test_the_tour_shows_what_there_is_to_show() -> None:
    cells = [cell for cell in kept().cells if cell.cell_type == "code"]
    shown = "".join(
        output.get("text", "") + "".join(output.get("data", {}).values())
        for cell in cells
        for output in cell.outputs
    )
    for part in (
        "<svg", "<iframe", "all 16 equations hold", "def value_and_grad", "begin{aligned}",
        "test accuracy", "lifted",
    ):  # fmt: skip
        assert part in shown, part
    assert "stderr" not in [output.get("name") for cell in cells for output in cell.outputs]
