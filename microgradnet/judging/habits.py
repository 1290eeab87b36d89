"""Habits that gradients do not show: what a function remembers, changes, shares or overflows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np

from microgradnet.judging import pictures
from microgradnet.judging.findings import Diagnosis, Finding, Mistake
from microgradnet.judging.forms import Outcome
from microgradnet.judging.limits import Limit
from microgradnet.judging.reading import Reading
from microgradnet.judging.simulation import Array, Case

__all__ = ["HABITS", "habits"]

HABITS = {
    each.name: each
    for each in (
        Mistake(
            "accumulated_over_calls", "gradients of earlier calls are still in the sum",
            "Sums that outlive a call begin the next one with old gradients: set them to 0 first.",
            ("nabla_w[l] += ...                    # lists made once, outside",
             "nabla_w = [np.zeros(w.shape) for w in weights]    # in every call"),
            pictures.step,
        ),
        Mistake(
            "momentum", "the step has momentum",
            "It adds a share of the step before. That is an update rule of its own, not gradient "
            "descent.",
            ("v = mu * v + eta * gradient; w = w - v", "w = w - eta * gradient"), pictures.step,
        ),
        Mistake(
            "changes_its_arguments", "arrays that were passed in are changed",
            "An array is passed by reference: -= and += write into the caller's array.",
            ("w -= eta * gradient", "w = w - eta * gradient"), pictures.step,
        ),
        Mistake(
            "returns_its_buffer", "the arrays returned are changed by the next call",
            "They are the function's own working arrays. Return new ones, or copies.",
            ("return buffer", "return buffer.copy()"), pictures.step,
        ),
        Mistake(
            "bias_of_another_shape", "∂C/∂b has another shape than b",
            "(n,) and (n, 1) hold the same numbers, but b − η ∂C/∂b is broadcast to a matrix.",
            ("nabla_b[l] = delta.sum(axis=1)", "nabla_b[l] = delta.sum(axis=1, keepdims=True)"),
            pictures.bias,
        ),
        Mistake(
            "saturates_to_nan", "large weighted inputs give NaN",
            "exp overflows, or a quotient such as (a − y)/(a(1 − a)) becomes 0/0 where σ rounds to "
            "0 or 1. The right gradient is finite there.",
            ("s = np.exp(z) / (1 + np.exp(z))", "s = np.exp(-np.logaddexp(0, -z))"), pictures.slope,
        ),
    )
}  # fmt: skip
"""Mistakes that show in how a function behaves."""


def habits(reading: Reading, limit: Limit) -> tuple[list[Finding], list[Diagnosis]]:
    """Try the habits of a function that works; of one that does not, nothing can be said."""
    if not reading.works:
        return [], []
    working = next(o for o in reading.observed if not o.outcome.error)
    tried = [_remembers(reading), *_shares(reading, working.case, limit)]
    if _finite(working.outcome):
        tried.append(_saturates(reading, working.case, limit))
    if not reading.step:
        tried.append(_shapes(reading))
    bad = [Diagnosis(HABITS[name], f.of, "") for f, name in tried if f.failed and name]
    return [finding for finding, _ in tried], bad


def _habit(of: str, right: bool, at: str, note: str, got: str = "", want: str = "") -> Finding:
    if right:
        return Finding("habits", of, "right")
    return Finding("habits", of, "wrong", at, got, want, note=note)


def _remembers(reading: Reading) -> tuple[Finding, str]:
    mu = reading.memory
    name = "" if math.isnan(mu) else "momentum" if mu < 0.999 else "accumulated_over_calls"
    note = f"A call adds {mu:.4g} times what the call before gave."
    if math.isnan(mu):
        note = "Called again with the same arguments it gives other numbers."
    return _habit("the same again", mu == 0, "calls in a row", note), name


def _shares(reading: Reading, case: Case, limit: Limit) -> Iterator[tuple[Finding, str]]:
    at = f"{case.name} network"
    first = reading.form(case, limit)
    kept = deepcopy(first.live)
    reading.form(replace(case, X=-case.X, memory={}), limit)
    note = "After the call arrays that were passed in hold other numbers."
    yield _habit("arguments left alone", not first.changed, at, note), "changes_its_arguments"
    own = all(map(partial(np.array_equal, equal_nan=True), kept, first.live))
    note = "The arrays that one call returned hold other numbers after the next call."
    yield _habit("results of its own", own, at, note), "returns_its_buffer"


def _saturates(reading: Reading, case: Case, limit: Limit) -> tuple[Finding, str]:
    weights = tuple(_LARGE * W for W in case.weights)
    outcome = reading.form(replace(case, weights=weights, memory={}), limit)
    at, note = f"{case.name} network, weights × {_LARGE}", "The right gradient is finite there."
    got = outcome.error or "NaN or infinite"
    right = _finite(outcome) and not outcome.error
    return _habit("saturated neurons", right, at, note, got, "finite"), "saturates_to_nan"


_LARGE = 1000


def _finite(outcome: Outcome) -> bool:
    return all(np.isfinite(array).all() for array in (*outcome.biases, *outcome.weights))


def _shapes(reading: Reading) -> tuple[Finding, str]:
    """∂C/∂b in another form than b: subtracted from it, it would make a matrix of it."""
    for observation in reading.observed:
        case = observation.case
        for b, got in zip(case.biases, observation.outcome.live, strict=False):
            want = reading.form.layout.biases(b).shape
            if got.size == len(b) and np.broadcast_shapes(got.shape, want) != want:
                at, note = f"{case.name} network", f"b − η ∂C/∂b has the shape {_both(got, want)}."
                finding = _habit("shape of ∂C/∂b", False, at, note, str(got.shape), str(want))
                return finding, "bias_of_another_shape"
    return _habit("shape of ∂C/∂b", True, "", ""), ""


def _both(array: Array, shape: tuple[int, ...]) -> tuple[int, ...]:
    return np.broadcast_shapes(array.shape, shape)
