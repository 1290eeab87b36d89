"""Judges a training step: which parameter went where, and which mistake sent it there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from microgradnet.judging.arrays import ArrayJudge
from microgradnet.judging.backprop_mistakes import BACKPROP_MISTAKES
from microgradnet.judging.equations import Compared, compare, worst
from microgradnet.judging.findings import Finding
from microgradnet.judging.limits import Limit
from microgradnet.judging.reading import Contract, Reading
from microgradnet.judging.report import Judgement
from microgradnet.judging.simulation import RIGHT, Convention, Simulation
from microgradnet.judging.step_mistakes import STEP_MISTAKES

__all__ = ["judge_step"]


def judge_step(
    step: Any,
    *,
    activation: str | None = None,
    output_activation: str | None = None,
    cost: str | None = None,
    seed: int = 0,
    hints: bool = True,
    steps: int = 300_000,
) -> Judgement:
    """Judge a step of gradient descent: w → w − (η/m) Σ ∂C/∂w, over the m examples of a batch.

    step   f(parameters, batch, eta) or f(weights, biases, x, y, eta) → the new parameters, or a
           class with update_mini_batch(mini_batch, eta); one that returns None has changed the
           parameters that it was given. All forms that are read are in `judging.forms`
    activation, output_activation, cost, seed, hints, steps
           as of `judge_delta`

    Raises TypeError for what is no such function, and ValueError for unknown names.

    >>> from microgradnet import delta
    >>> def step(weights, biases, x, y, eta):
    ...     right = delta.backprop(weights, biases, ["tanh"] * len(biases), "quadratic", x, y)
    ...     return ([W - eta * g for W, g in zip(weights, right.nabla_w)],
    ...             [b - eta * g for b, g in zip(biases, right.nabla_b)])
    >>> [diagnosis.mistake.title for diagnosis in judge_step(step).diagnoses]
    ['η is not divided by m']
    """
    contract = Contract(activation, output_activation, cost, "sum")
    judge = ArrayJudge("step", (*STEP_MISTAKES, *BACKPROP_MISTAKES), _updates, _findings)
    return judge(step, contract, seed, hints, steps)


def _findings(
    reading: Reading, contract: Contract, convention: Convention, limit: Limit
) -> list[Finding]:
    return worst([*_updates(reading, convention)])


def _updates(reading: Reading, convention: Convention) -> Iterator[Compared]:
    for o in reading.observed:
        if o.outcome.error:
            continue
        biases, weights = Simulation(o.case, convention, RIGHT).step()
        single = o.outcome.single_precision
        for l, (b, W) in enumerate(zip(o.outcome.biases, o.outcome.weights, strict=True), 1):
            for of, got, want in (
                ("b → b − (η/m) Σ ∂C/∂b", b, biases[l - 1]),
                ("W → W − (η/m) Σ ∂C/∂W", W, weights[l - 1]),
            ):
                yield compare("update", of, o.case, l, got, want, single)
