"""The README and the guide: what can be run gives what they say, and nothing leads nowhere."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from support import ROOT

README = ROOT / "README.md"
GUIDE = ROOT / "demos" / "guide"
CHAPTERS = sorted(path for path in GUIDE.glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_line_of_a_chapter_that_can_be_run_gives_what_it_says(chapter: Path) -> None:
    assert doctest.testfile(str(chapter), module_relative=False, encoding="utf-8").failed == 0


@pytest.mark.parametrize("page", [README, GUIDE / "README.md"], ids=["README", "guide"])
def test_a_page_of_contents_leads_to_every_chapter(page: Path) -> None:
    links = re.findall(r"\]\(([\w./]+\.md)\)", page.read_text(encoding="utf-8"))
    assert {(page.parent / link).resolve() for link in links} >= set(CHAPTERS)


def test_the_readme_is_short() -> None:
    text = re.sub(r"```.*?```", "", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(text.split()) <= 1200
