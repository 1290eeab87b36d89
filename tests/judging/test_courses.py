"""Code as courses and ports teach it, written down anew: what the judge says of each."""

from __future__ import annotations

import pytest
from support.course_engines import COURSES

from microgradnet import judging

pytestmark = pytest.mark.usefixtures("fewer_points")


@pytest.mark.parametrize("name", COURSES)
def test_what_courses_teach_gets_its_verdict(name: str) -> None:
    course = COURSES[name]
    judgement = getattr(judging, course.judge)(course.subject, **course.contract)
    assert {each.mistake.name for each in judgement.diagnoses} == {*course.mistakes}
    assert judgement.ok == (not course.mistakes)


def test_a_gelu_with_the_slope_of_another_is_red_in_its_derivative() -> None:
    course = COURSES["a course's GELU with another's slope"]
    judgement = judging.judge(course.subject)
    assert ("derivatives", "gelu") in [(each.part, each.of) for each in judgement.failed]


def test_there_are_ten_engines() -> None:
    assert len([course for course in COURSES.values() if course.judge == "judge"]) == 10
