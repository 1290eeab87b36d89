"""The mistakes that the judges name, alone and two at a time, and what they say of courses' code.

Every mistake of a `backprop` and of a step is written into a source, every two that concern other
lines too. Named: the judge says exactly these. The same numbers: they hide each other or amount to
another mistake, and the one named gives the same numbers. Prints tables in Markdown, as they stand
in the chapter for teachers; `--tiny` tries some pairs only.

`--engines LOG` plants every two mistakes of an engine into three forms of one. That takes a quarter
of an hour; LOG has a line for each, and what it has is not tried again.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.course_engines import COURSES
from support.fewer_points import fewer
from support.planted_backprops import (
    BACKPROPS,
    STEPS,
    Made,
    backprop_with,
    pairs,
    same_numbers,
    step_with,
)  # fmt: skip
from support.planted_engines import OWN, PLANTS, closures, conflict, local_grads, own

from microgradnet import judging
from microgradnet.judging import rules
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
FORMS = {"micrograd's": closures, "the GPT of scalars'": local_grads}
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


def of_engine(form: str, planted: tuple[str, ...]) -> Any:
    """Judge an engine of a form with these mistakes, at a part of the table's points."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "right_values", partial(fewer, share=96))
        if form == "our own":
            with own(*planted) as engine:
                return judging.judge(engine)
        return judging.judge(FORMS[form](*planted), steps=300_000)


def outcome_of_engine(form: str, planted: tuple[str, ...]) -> str:
    """What the judge makes of two mistakes in an engine: named, the same numbers, or missed."""
    report = of_engine(form, planted)
    found = {each.mistake.name for each in report.diagnoses} & {*planted}
    if len(found) == len(planted):
        return "named"
    same = found and of_engine(form, tuple(sorted(found))).findings == report.findings
    return "the same numbers" if same else "missed"


def engines(path: Path) -> None:
    """Try what is not in the file yet, write it there, and print a table."""
    lines = path.read_text().splitlines() if path.exists() else []
    done = {line.rpartition(": ")[0] for line in lines}
    with path.open("a") as log:
        for form, plants in (*((form, PLANTS) for form in FORMS), ("our own", OWN)):
            for pair in combinations(plants, 2):
                name = f"{form}: {', '.join(pair)}"
                if not conflict(*pair) and name not in done:
                    log.write(f"{name}: {outcome_of_engine(form, pair)}\n")
                    log.flush()
    print("| two at a time in an engine | named | the same numbers | missed |\n|---|---|---|---|")
    for form in (*FORMS, "our own"):
        said = [line.rpartition(": ")[2] for line in path.read_text().splitlines()
                if line.startswith(form)]  # fmt: skip
        counts = [said.count(what) for what in ("named", "the same numbers", "missed")]
        print(f"| of {form} form | {' | '.join(map(str, counts))} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engines", type=Path, metavar="LOG", help="pairs in engines alone")
    parser.add_argument("--tiny", action="store_true", help="some pairs, to see that it runs")
    chosen = parser.parse_args()
    if chosen.engines:
        return engines(chosen.engines)
    tiny = chosen.tiny
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
