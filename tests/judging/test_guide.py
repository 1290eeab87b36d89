"""The chapter for teachers: every line of it that can be run gives what it says."""

from __future__ import annotations

import doctest

from support import ROOT

GUIDE = ROOT / "demos" / "guide" / "for_teachers.md"


def test_the_chapter_for_teachers_gives_what_it_says() -> None:
    done = doctest.testfile(str(GUIDE), module_relative=False)
    assert done.attempted > 15
    assert done.failed == 0
