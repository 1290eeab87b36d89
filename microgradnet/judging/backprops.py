"""Judges a `backprop` on arrays: which equation is wrong, in which layer and entry, and why.

A function is called with networks drawn for it and held against `microgradnet.delta`. Each
equation is judged on its own inputs, taken from the function's own gradients: BP2 of layer l is
held against the function's δˡ⁺¹. So the red row is the wrong equation, as in `verify`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from microgradnet.judging.arrays import ArrayJudge
from microgradnet.judging.backprop_mistakes import BACKPROP_MISTAKES
from microgradnet.judging.equations import Compared, compare, equations, worst
from microgradnet.judging.findings import Finding
from microgradnet.judging.limits import Limit
from microgradnet.judging.prediction import Observation
from microgradnet.judging.reading import Contract, Reading
from microgradnet.judging.report import Judgement
from microgradnet.judging.simulation import Convention

__all__ = ["judge_delta"]


def judge_delta(
    backprop: Any,
    *,
    activation: str | None = None,
    output_activation: str | None = None,
    cost: str | None = None,
    batch: str | None = None,
    seed: int = 0,
    hints: bool = True,
    steps: int = 300_000,
) -> Judgement:
    """Judge a function that computes ∂C/∂b and ∂C/∂W of a network by hand.

    backprop    f(weights, biases, x, y) → (nabla_b, nabla_w), or a class with backprop(x, y): all
                forms that are read are in `judging.forms`
    activation, output_activation, cost
                what the function is to compute, by the names in `delta.ACTIVATIONS` and in
                `judging.simulation.COSTS`; what is not said is found out, and said in the report
    batch       "sum" or "mean": what the gradients of several examples are to be
    seed        of the networks and examples: the same seed gives the same report
    hints       whether mistakes are named
    steps       the calls that one call of the function may make

    Raises TypeError for what is no such function, and ValueError for unknown names.

    >>> from microgradnet import delta
    >>> def backprop(weights, biases, x, y):
    ...     right = delta.backprop(weights, biases, ["tanh"] * len(biases), "quadratic", x, y)
    ...     return [0 * nabla_b for nabla_b in right.nabla_b], right.nabla_w
    >>> judgement = judge_delta(backprop)
    >>> [finding.of for finding in judgement.failed], judgement.diagnoses[0].mistake.title
    (['∂C/∂bˡ = δˡ'], "the biases' gradients stay 0")
    """
    contract = Contract(activation, output_activation, cost, batch)
    judge = ArrayJudge("backprop", BACKPROP_MISTAKES, _equations, _findings)
    return judge(backprop, contract, seed, hints, steps)


def _findings(
    reading: Reading, contract: Contract, convention: Convention, limit: Limit
) -> list[Finding]:
    compared = [*_equations(reading, convention)]
    for o in reading.observed:
        if not o.case.single and not o.outcome.error:
            compared += _batch(o, reading, convention, limit)
    return [_open(each, contract, convention) for each in worst(compared)]


def _equations(reading: Reading, convention: Convention) -> Iterator[Compared]:
    for o in reading.observed:
        if o.case.single and not o.outcome.error:
            yield from equations(o.case, o.outcome, convention)


def _batch(
    observation: Observation, reading: Reading, convention: Convention, limit: Limit
) -> Iterator[Compared]:
    """Hold a batch's gradients against the function's own of each example, summed or averaged."""
    case, outcome = observation.case, observation.outcome
    each = [reading.call(example, limit) for example in case.examples()]
    shapes = {tuple(array.shape for array in (*one.biases, *one.weights)) for one in each}
    if len(shapes) > 1 or not all(shapes):  # some examples alone raise
        return
    share = 1 / len(case.X) if convention.mean else 1.0
    for l in range(1, case.depth + 1):
        for of, got, parts in (
            ("Σ ∂C/∂b over a batch", outcome.biases, [one.biases[l - 1] for one in each]),
            ("Σ ∂C/∂W over a batch", outcome.weights, [one.weights[l - 1] for one in each]),
        ):
            want = share * np.sum(parts, axis=0)
            yield compare("batch", of, case, l, got[l - 1], want, outcome.single_precision)


def _open(finding: Finding, contract: Contract, convention: Convention) -> Finding:
    """Call a convention what is right, but only by a convention that nobody has named."""
    if finding.verdict != "right":
        return finding
    if finding.part == "batch" and convention.mean and contract.batch is None:
        note = "The gradients are means over the examples. Say batch='sum' if sums are meant."
        return replace(finding, verdict="convention", note=note)
    if finding.part == "BP1" and contract.cost is None and convention.cost in _OPEN:
        return replace(finding, verdict="convention", note=_OPEN[convention.cost])
    return finding


_OPEN = {
    "squared_error": "The cost is Σ (a − y)². Say cost='quadratic' if it is to be ½ Σ (a − y)².",
    "mean_squared_error": "The cost is the mean of (a − y)² over the outputs. Say cost='quadratic' "
    "if it is to be ½ Σ (a − y)².",
    "cross_entropy": "δᴸ = a − y is right for the cross-entropy. Say cost='quadratic' if that is "
    "the cost: then σ′(zᴸ) is missing.",
}
