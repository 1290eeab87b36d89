"""The chapter for teachers names every mistake that the judge knows."""

from __future__ import annotations

from support import ROOT

from microgradnet.judging.backprop_mistakes import BACKPROP_MISTAKES
from microgradnet.judging.engine_mistakes import ENGINE_MISTAKES
from microgradnet.judging.habits import HABITS
from microgradnet.judging.step_mistakes import STEP_MISTAKES

GUIDE = ROOT / "demos" / "guide" / "for_teachers.md"


def test_it_lists_every_mistake_by_its_key() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    models = (*BACKPROP_MISTAKES, *STEP_MISTAKES)
    of_arrays = [each.mistake for each in models]
    for mistake in (*ENGINE_MISTAKES, *of_arrays, *HABITS.values()):
        assert f" | {mistake.title} | `{mistake.name}` |" in text
