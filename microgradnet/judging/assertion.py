"""A test in one line: `assert_right`, for pytest, nbgrader and Otter."""

from __future__ import annotations

from typing import Any

from microgradnet.judging.report import Judgement
from microgradnet.judging.subjects import judge

__all__ = ["assert_right"]


def assert_right(subject: Any, **options: Any) -> None:
    """Raise AssertionError, whose text is the report, unless all that is judged is right.

    subject  what `judge` takes, an engine above all, which is judged with the options; or the
             judgement that `judge_delta` or `judge_step` has returned

    Raises TypeError for what cannot be judged.

    >>> from microgradnet import judge_delta
    >>> def backprop(weights, biases, x, y):
    ...     return biases, weights
    >>> assert_right(judge_delta(backprop, cost="quadratic"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    AssertionError: backprop, judged as a backprop
    ...
    """
    judgement = subject if isinstance(subject, Judgement) else judge(subject, **options)
    if not judgement.ok:
        raise AssertionError(str(judgement))
