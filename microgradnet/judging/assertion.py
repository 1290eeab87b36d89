"""A test in one line: `assert_right`, for pytest, nbgrader and Otter."""

from __future__ import annotations

from typing import Any

from microgradnet.judging.report import Judgement

__all__ = ["assert_right"]


def assert_right(judgement: Any) -> None:
    """Raise AssertionError, whose text is the report, unless all that was judged is right.

    Raises TypeError for what is no judgement.

    >>> from microgradnet import judge_delta
    >>> def backprop(weights, biases, x, y):
    ...     return biases, weights
    >>> assert_right(judge_delta(backprop, cost="quadratic"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    AssertionError: backprop, judged as a backprop
    ...
    """
    if not isinstance(judgement, Judgement):
        raise TypeError(
            f"{judgement!r:.60} is no judgement: judge first, as in "
            "assert_right(judge_delta(backprop))"
        )
    if not judgement.ok:
        raise AssertionError(str(judgement))
