"""CONTRIBUTING draws the house that stands: its floors are those that the imports are held to."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support import ROOT
from support.house import FLOORS

from microgradnet import check_grad, operation
from microgradnet.arithmetic import Arithmetic, Number

PAGE = ROOT / ".github" / "CONTRIBUTING.md"
BETWEEN = re.compile(r"(?<=-->\n).*?(?=<!-- end of floors)", re.S)


def floors() -> str:
    """The floors as a table: each room with the first line that it says of itself."""
    rows = ["", "| floor | room | what it is |", "|---|---|---|"]
    for number, rooms in enumerate(FLOORS):
        for name in rooms:
            path = ROOT / "microgradnet" / name
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
            assert said is not None, f"{file} has no docstring"
            shown = f"{name}/" if path.is_dir() else file.name
            rows.append(
                f"| {number} | [`{shown}`](../microgradnet/{shown}) | {said.splitlines()[0]} |"
            )
    return "\n".join([*rows, "", ""])


def test_it_draws_the_floors_that_the_imports_are_held_to(pytestconfig: pytest.Config) -> None:
    page = PAGE.read_text(encoding="utf-8")
    if pytestconfig.getoption("--renew-golden"):
        page = BETWEEN.sub(lambda _: floors(), page)
        PAGE.write_text(page, encoding="utf-8", newline="\n")
    (drawn,) = BETWEEN.findall(page)
    assert drawn == floors(), f"pytest --renew-golden {Path(__file__).name} draws them anew"


def test_every_room_has_a_floor() -> None:
    package = ROOT / "microgradnet"
    files = {path.stem for path in package.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    drawn = [name for rooms in FLOORS for name in rooms]
    assert sorted(drawn) == sorted(files | folders)


def test_the_operation_that_it_adds_is_right(own_table: None) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    types = {"M": Arithmetic, "N": Number, "Contributions": tuple[Number, ...]}
    names = {"operation": operation, **types}
    exec(example, names)
    check_grad(names["fourth"], [1.5])
