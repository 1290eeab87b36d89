"""Code as courses and ports teach it, written down anew: what the judge says of each."""

from __future__ import annotations

import pytest
from support.course_engines import COURSES

from microgradnet import judging


@pytest.mark.parametrize("name", COURSES)
def test_what_courses_teach_gets_its_verdict(name: str) -> None:
    course = COURSES[name]
    judgement = getattr(judging, course.judge)(course.subject, **course.contract)
    assert tuple(each.mistake.name for each in judgement.diagnoses) == course.mistakes
    assert judgement.ok == (not course.mistakes)
