"""The lists of .ci/mutation: what they name is there; a place outlives the layout of the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mutation.places import Place, exists, place
from support import ROOT

tomllib = pytest.importorskip("tomllib", reason="from Python 3.11 on")

HERE = ROOT / "tests" / "mutation"


def listed() -> list[dict[str, str]]:
    entries: list[dict[str, str]] = tomllib.loads(
        (HERE / "equivalent.toml").read_text(encoding="utf-8")
    )["equivalent"]
    return entries


def modules() -> dict[str, Any]:
    text = (HERE / "modules.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text)["modules"]
    return found


def source(module: str) -> str:
    return (ROOT / "microgradnet" / f"{module}.py").read_text(encoding="utf-8")


def test_every_equivalent_mutant_is_one_of_code_that_is_there() -> None:
    entries = listed()
    stale = [
        f"{entry['module']}, {entry['function']}: {entry['before']}"
        for entry in entries
        if not exists(source(entry["module"]), entry["function"], entry["before"])
    ]
    assert not stale, "no such code: mend the entries, or remove them\n" + "\n".join(stale)
    known = {
        tuple(entry[n] for n in ("module", "function", "before", "after")) for entry in entries
    }
    assert len(known) == len(entries)
    assert all(entry["before"] != entry["after"] and entry["reason"] for entry in entries)


def test_every_module_and_every_test_of_the_lists_is_there() -> None:
    for pattern, tests in modules().items():
        assert list(Path(ROOT / "microgradnet").glob(f"{pattern}.py")), pattern
        for test in tests:
            assert list(ROOT.glob(test)), test


BEFORE = '''
class Sum:
    @property
    def total(self, x):
        """Adds."""
        if x > 0:  # a comment
            return [
                a_function(y, "of more than", "one argument") for y in self.terms if y > 0
            ] + [x + 1, "and a text beside it"]
        return x
'''


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        ("if x > 0:", "if x >= 0:", "if x > 0:", "if x >= 0:"),
        ("return x\n", "pass\n", "return x", "pass"),
        ("@property\n    def", "def", "@property def total(self, x):", "def total(self, x):"),
        (
            "x + 1",
            "x + 2",
            "[x + 1, 'and a text beside it']",
            "[x + 2, 'and a text beside it']",
        ),
    ],
)
def test_a_place_is_the_code_around_a_change_whatever_its_layout(
    old: str, new: str, before: str, after: str
) -> None:
    changed = BEFORE.replace(old, new)
    assert place(BEFORE, changed) == Place("Sum.total", before, after)
    laid_out = BEFORE.replace('"', "'").replace("# a comment", "# another").replace("y, ", "y,\n  ")
    for text in (BEFORE, laid_out):
        assert exists(text, "Sum.total", before) and not exists(text, "Sum.total", after)
        assert exists(text, "Sum", before) and not exists(text, "Product.total", before)
