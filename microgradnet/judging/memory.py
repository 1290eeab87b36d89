"""Tells whether a function gives the same for the same, or remembers the calls before.

From the same start every call should move the parameters alike. With the memory of momentum or of
gradients that nobody sets to 0, the k-th call moves them by vₖ = μvₖ₋₁ + g. Differences of calls
tell μ, and two calls tell g, what the function computes apart from its memory.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np

from microgradnet.judging.forms import Form, Outcome
from microgradnet.judging.limits import Limit
from microgradnet.judging.simulation import Array, Case

__all__ = ["memory_of", "without_memory"]


def memory_of(form: Form, case: Case, limit: Limit, *, step: bool) -> float:
    """Find μ by four calls: 0 where each gives the same, NaN where no μ explains them."""
    v = [_moved(form(case, limit), case, step) for _ in range(4)]
    if not v[0].size or len({each.shape for each in v}) > 1 or not np.isfinite(v).all():
        return 0.0
    first, *others = [b - a for a, b in pairwise(v)]
    if not any(each.any() for each in (first, *others)):
        return 0.0
    mu = float(first @ others[0] / (first @ first)) if first.any() else math.nan
    fits = np.allclose(others, [mu * first, mu * mu * first], rtol=1e-6, atol=1e-9)
    return mu if fits and mu > 0 else math.nan


def without_memory(form: Form, case: Case, limit: Limit, mu: float, *, step: bool) -> Outcome:
    """Call a function twice, and take from the second what it remembers of the first."""
    first, second = form(case, limit), form(case, limit)
    if first.error or second.error or math.isnan(mu):
        return second
    starts = (*case.biases, *case.weights) if step else (0.0,) * (2 * case.depth)
    pairs = zip(
        starts, (*first.biases, *first.weights), (*second.biases, *second.weights), strict=True
    )
    arrays = [start + (b - start) - mu * (a - start) for start, a, b in pairs]
    return replace(second, biases=tuple(arrays[: case.depth]), weights=tuple(arrays[case.depth :]))


def _moved(outcome: Outcome, case: Case, step: bool) -> Array:
    """All numbers of an outcome in one vector, of a step how far they have moved; empty if none."""
    arrays, start = (*outcome.biases, *outcome.weights), (*case.biases, *case.weights)
    if outcome.error or any(a.shape != b.shape for a, b in zip(arrays, start, strict=True)):
        return np.empty(0)
    moved = [a - b * step for a, b in zip(arrays, start, strict=True)]
    return np.concatenate([each.ravel() for each in moved])
