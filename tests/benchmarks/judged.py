"""The mistakes that the judges name, alone and two at a time, and what they say of courses' code.

Every mistake of a `backprop` and of a step is written into a source, every two that concern other
lines too. Named: the judge says exactly these. The same numbers: they hide each other or amount to
another mistake, and the one named gives the same numbers. Prints tables in Markdown, as they stand
in the chapter for teachers; `--tiny` tries some pairs only.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.course_engines import COURSES
from support.planted_backprops import (
    BACKPROPS,
    STEPS,
    Made,
    backprop_with,
    pairs,
    same_numbers,
    step_with,
)  # fmt: skip

from microgradnet import judging
from microgradnet.judging.backprop_mistakes import BACKPROP_MISTAKES
from microgradnet.judging.engine_mistakes import ENGINE_MISTAKES
from microgradnet.judging.habits import HABITS
from microgradnet.judging.step_mistakes import STEP_MISTAKES

LISTS = {
    "an engine": ENGINE_MISTAKES,
    "a `backprop`": {each.mistake.name: each.mistake for each in BACKPROP_MISTAKES}.values(),
    "a step": [each.mistake for each in STEP_MISTAKES],
    "both": HABITS.values(),
}
TITLES = {each.mistake.name: each.mistake.title for each in (*BACKPROP_MISTAKES, *STEP_MISTAKES)}


def outcome(
    judge: Callable[..., Any], make: Callable[..., Made], chosen: tuple[str, ...], convention: str
) -> str:
    """What the judge makes of some planted mistakes: named, the same numbers, or missed."""
    made = make(*chosen, convention=convention)
    judgement = judge(made.function, **made.contract)
    found = [each.mistake.name for each in judgement.diagnoses if each.mistake.name in TITLES]
    if set(found) == set(chosen):
        return "named"
    same = same_numbers(made, make(*found, convention=convention))
    return "the same numbers" if same and judgement.ok == (not found) else "missed"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="some pairs, to see that it runs")
    tiny = parser.parse_args().tiny
    print("| in a | alone: named | the same numbers | two at a time: named | the same numbers |"
          " missed | CPU s each |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for kind, mistakes, judge, make in (
        ("`backprop`", BACKPROPS, judging.judge_delta, backprop_with),
        ("step", STEPS, judging.judge_step, step_with),
    ):
        began = time.process_time()
        tried = [(name,) for name in mistakes], pairs(mistakes)
        if tiny:
            tried = tuple(random.Random(0).sample(each, 5) for each in tried)
        said = [[outcome(judge, make, p, mistakes[p[0]][0]) for p in each] for each in tried]
        counts = [each.count(what) for each in said for what in ("named", "the same numbers")]
        missed = sum(each.count("missed") for each in said)
        share = (time.process_time() - began) / sum(map(len, tried))
        print(f"| {kind} | {' | '.join(map(str, counts))} | {missed} | {share:.2f} |")
    print("\n| in | mistake | key |\n|---|---|---|")
    for where, mistakes in LISTS.items():
        for each in mistakes:
            print(f"| {where} | {each.title} | `{each.name}` |")
    print("\n| written down from what is documented of | judged by | verdict |\n|---|---|---|")
    for name, course in COURSES.items():
        judgement = getattr(judging, course.judge)(course.subject, **course.contract)
        titles = dict.fromkeys(each.mistake.title for each in judgement.diagnoses)
        wrong = dict.fromkeys(each.of for each in judgement.failed if each.part == "derivatives")
        said = ["; ".join(titles), *([f"derivatives of {', '.join(wrong)}"] if wrong else [])]
        print(f"| {name} | `{course.judge}` | {'right' if judgement.ok else '; '.join(said)} |")


if __name__ == "__main__":
    main()
