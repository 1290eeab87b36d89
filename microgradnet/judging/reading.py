"""How a student's function is to be read: its form, what it computes, and what it gave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from microgradnet import delta
from microgradnet.judging.forms import Form, Outcome, forms
from microgradnet.judging.limits import Limit
from microgradnet.judging.memory import memory_of, without_memory
from microgradnet.judging.prediction import Explanation, Model, Observation, explanations
from microgradnet.judging.simulation import COSTS, Case, Convention

__all__ = ["Contract", "Reading", "read"]


@dataclass(frozen=True)
class Contract:
    """What the student says that the function computes; None is for the judge to find out.

    Raises ValueError for names that are not known.
    """

    activation: str | None = None
    output_activation: str | None = None
    cost: str | None = None
    batch: str | None = None

    def __post_init__(self) -> None:
        for what, name, known in (
            ("activation", self.activation, _HIDDEN),
            ("output_activation", self.output_activation, delta.ACTIVATIONS),
            ("cost", self.cost, COSTS),
            ("batch", self.batch, ("sum", "mean")),
        ):
            if name is not None and name not in known:
                raise ValueError(f"no {what} {name!r}: there are {', '.join(known)}")

    def conventions(self, common: bool = False) -> Iterator[Convention]:
        """List what the function may compute of an example, the commonest first, or those alone."""
        for hidden in [self.activation] if self.activation else _HIDDEN[: 3 if common else None]:
            outputs = ["sigmoid", "softmax", "linear", hidden] + ["tanh"] * (not common)
            named = self.output_activation
            for output in [named] if named else dict.fromkeys(outputs):
                fitting = _FITTING.get(output, ["quadratic"])
                costs = fitting if common else dict.fromkeys((*fitting, *_SQUARES))
                for cost in [self.cost] if self.cost else costs:
                    yield Convention(hidden, output, cost, self.batch == "mean")

    @property
    def means(self) -> tuple[bool, ...]:
        """Whether the gradients of a batch are means: what may be the case."""
        return (self.batch == "mean",) if self.batch else (False, True)


_HIDDEN = tuple(
    dict.fromkeys(
        name for name in ("sigmoid", "tanh", "relu", *delta.ACTIVATIONS) if name != "softmax"
    )
)
_FITTING = {"sigmoid": ["quadratic", "cross_entropy"], "softmax": ["log_likelihood"]}
_SQUARES = ("quadratic", "squared_error", "mean_squared_error")


@dataclass(frozen=True)
class Reading:
    """A form, what the function gave in it, and what predicts that."""

    form: Form
    observed: tuple[Observation, ...]
    explained: tuple[Explanation, ...]
    """The explanations by the fewest mistakes; none where no two mistakes explain it."""
    depth: int | None
    """The only number of layers that the function takes; None where it takes any."""
    batches: bool
    """Whether it takes several examples at once."""
    step: bool
    memory: float = 0.0
    """The share μ of the call before that each call adds; NaN where calls differ otherwise."""

    @property
    def works(self) -> bool:
        """Whether any call gave arrays that fit."""
        return any(_fits(self.form, each) for each in self.observed)

    def call(self, case: Case, limit: Limit) -> Outcome:
        """Call the function, and take off what it remembers of the calls before."""
        if self.memory:
            return without_memory(self.form, case, limit, self.memory, step=self.step)
        return self.form(case, limit)


def read(
    subject: Any,
    trial: Sequence[Case],
    contract: Contract,
    models: Sequence[Model],
    limit: Limit,
    *,
    step: bool,
) -> Reading:
    """Call a function in every form that it may have, and find what predicts what it gives.

    Raises TypeError for what is no function or class of a form that can be read.
    """
    candidates = _candidates(subject, trial, contract, limit, step)
    if not candidates[0].works:
        return candidates[0]
    for mistakes, common in ((0, False), (1, True), (2, True), (1, False)):
        conventions = [*contract.conventions(common)]
        for reading in candidates:
            found = explanations(
                reading.observed, conventions, contract.means, models, mistakes, step
            )
            if found:
                return replace(reading, explained=tuple(found))
    return candidates[0]


_FORMS = 3
"""So many forms are considered, those in which most arrays have the shapes of their parameters."""


def _candidates(
    subject: Any, trial: Sequence[Case], contract: Contract, limit: Limit, step: bool
) -> list[Reading]:
    scored = []
    for form in forms(subject, step):
        observed = []
        for case in trial:
            observed.append(Observation(case, form(case, limit)))
            if observed[-1].outcome.stopped:
                break
        scored.append((sum(_fits(form, each) for each in observed), form, observed))
        if observed[-1].outcome.stopped:
            break
    scored.sort(key=lambda each: -each[0])
    best = scored[0][0]
    batches = step or contract.batch is not None
    return [
        _reminded(_restricted(form, observed, batches, step), limit)
        for score, form, observed in scored[:_FORMS]
        if 2 * score >= best
    ]


def _fits(form: Form, observation: Observation) -> int:
    """Count the arrays that have the shapes of their parameters."""
    outcome, case = observation.outcome, observation.case
    if outcome.error:
        return 0
    live = outcome.live[: len(case.biases)]
    biases = zip(live, case.biases, strict=True)
    weights = zip(outcome.weights, case.weights, strict=True)
    return sum(a.shape == form.layout.biases(b).shape for a, b in biases) + sum(
        a.shape == b.shape for a, b in weights
    )


def _restricted(form: Form, observed: list[Observation], all_batches: bool, step: bool) -> Reading:
    """Leave out what the function does not claim to do: other depths, several examples."""
    works = {o.case.depth for o in observed if not o.outcome.error}
    fails = {o.case.depth for o in observed if o.outcome.error and o.case.single}
    depth = None
    if len(works) == 1 and works != {1} and not works & fails:
        (depth,) = works
        observed = [o for o in observed if o.case.depth == depth]
    several = [o for o in observed if not o.case.single and not o.outcome.error]
    summed = any(
        all(got.size == len(b) for got, b in zip(o.outcome.biases, o.case.biases, strict=True))
        for o in several
    )
    batches = all_batches or form.layout.single == "row" or summed
    if not batches:
        observed = [o for o in observed if o.case.single]
    return Reading(form, tuple(observed), (), depth, batches, step)


def _reminded(reading: Reading, limit: Limit) -> Reading:
    """Find what the function remembers of earlier calls, and observe it without."""
    working = [o.case for o in reading.observed if not o.outcome.error]
    memory = memory_of(reading.form, working[0], limit, step=reading.step) if working else 0.0
    if not memory:
        return reading
    reading = replace(reading, memory=memory)
    observed = [Observation(o.case, reading.call(o.case, limit)) for o in reading.observed]
    return replace(reading, observed=tuple(observed))
