"""The demos: told in cells, and what they do where a library is missing or a picture is wanted.

That each runs from anywhere, silently but for its output, is tested with the house.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

DEMOS = sorted((ROOT / "demos").glob("*.py"))


def run(
    name: str, *arguments: str, without: str = "", instead: tuple[str, str] = ("", "")
) -> subprocess.CompletedProcess[str]:
    """Run a demo as a program, with a library hidden from it and a line that reads otherwise."""
    demo = next(path for path in DEMOS if path.stem == name)
    text = demo.read_text(encoding="utf-8")
    assert instead[0] in text  # or nothing would be replaced
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({without.split()!r})); "
        f"sys.argv = {[str(demo), *arguments]!r}; "
        f"exec(compile({text.replace(*instead)!r}, {str(demo)!r}, 'exec'))"
    )
    command = [sys.executable, "-X", "utf8", "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)


@pytest.mark.parametrize("demo", DEMOS, ids=lambda path: path.stem)
def test_a_demo_is_a_story_in_cells_and_says_how_to_run_it(demo: Path) -> None:
    lines = demo.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith('"""')
    assert lines[0].endswith(".")
    assert any(line.startswith(f"Run it:  python demos/{demo.name}") for line in lines)
    assert sum(line.startswith("# %% ") for line in lines) >= 3


def test_moons_draws_a_picture_where_one_is_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture, few = str(tmp_path / "moons.png"), ("STEPS = 30", "STEPS = 2")
    done = run("moons", picture, without="micrograd", instead=few)
    assert done.returncode == 0, done.stderr
    assert "micrograd and" not in done.stdout
    assert (tmp_path / "moons.png").read_bytes().startswith(b"\x89PNG")


def test_without_sympy_its_story_says_what_it_needs() -> None:
    done = run("formula_of_delta", without="sympy")
    assert done.returncode == 1
    assert done.stderr == "This story needs SymPy: pip install 'microgradnet[sympy]'\n"
