"""Which mistakes predict the numbers that a function gave: alone, then two at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from microgradnet.judging.findings import Mistake
from microgradnet.judging.forms import Outcome
from microgradnet.judging.simulation import RIGHT, Array, Case, Convention, Rules, Simulation

__all__ = [
    "Explanation",
    "Model",
    "Observation",
    "Prediction",
    "combined",
    "explanations",
    "predict",
]

_CLOSE = 1e-9
"""How close to a prediction numbers must be, relative to the largest of their array: far beyond
roundings, and far below the difference that a mistake makes."""


@dataclass(frozen=True, eq=False)
class Model:
    """A mistake, and what it puts in the place of parts of the equations."""

    mistake: Mistake
    changes: dict[str, Any]


@dataclass(frozen=True)
class Observation:
    """A case, and what the function gave for it."""

    case: Case
    outcome: Outcome


@dataclass(frozen=True)
class Explanation:
    """A convention and mistakes, few or none, that predict every number."""

    convention: Convention
    models: tuple[Model, ...] = ()

    @property
    def rules(self) -> Rules:
        """The rules with these mistakes in them."""
        return _rules(self.models)


@lru_cache(maxsize=4096)
def _rules(models: tuple[Model, ...]) -> Rules:
    return replace(RIGHT, **{k: v for each in models for k, v in each.changes.items()})


@cache
def combined(models: tuple[Model, ...], mistakes: int) -> list[tuple[Model, ...]]:
    """List the sets of so many mistakes that concern different parts of the equations."""
    return [
        chosen
        for chosen in combinations(models, mistakes)
        if len({part for each in chosen for part in each.changes})
        == sum(len(each.changes) for each in chosen)
        and len({each.mistake.name for each in chosen}) == mistakes
    ]


Prediction: TypeAlias = tuple[list[Array], list[Array]]
"""Of biases and of weights, for each layer."""


def predict(
    case: Case, explanation: Explanation, step: bool, *, beyond: bool = False
) -> Prediction | None:
    """Biases' and weights' numbers; None where shapes do not fit, so that NumPy raises.

    Many loops go on to the error of the input, which nobody needs and which may not fit: beyond.
    A case remembers its predictions, for a function is read in several forms.
    """
    key = explanation.convention, explanation.models, step, beyond
    if key not in case.memory:
        case.memory[key] = _predicted(case, explanation, step, beyond)
    found: Prediction | None = case.memory[key]
    return found


def _predicted(case: Case, explanation: Explanation, step: bool, beyond: bool) -> Prediction | None:
    try:
        with np.errstate(all="ignore"):
            simulation = Simulation(case, explanation.convention, explanation.rules)
            predicted = simulation.step() if step else simulation.gradients()
            if beyond:
                simulation.carried(0)
            return predicted
    except ValueError:
        return None


def explanations(
    observed: Sequence[Observation],
    conventions: Iterable[Convention],
    means: Sequence[bool],
    models: Sequence[Model],
    mistakes: int,
    step: bool,
) -> list[Explanation]:
    """Find so many mistakes whose prediction is each number, by the first convention that has such.

    Of a batch the convention may be a sum or a mean, which single examples do not tell.
    """
    sets = combined(tuple(models), mistakes)
    one = [o for o in observed if o.case.single]
    several = [o for o in observed if not o.case.single]
    for convention in conventions:
        found = []
        for chosen in sets:
            explanation = Explanation(convention, chosen)
            if _explains(explanation, one, step):
                both = (replace(convention, mean=mean) for mean in means[: 2 if several else 1])
                found += [
                    each
                    for each in (Explanation(choice, chosen) for choice in both)
                    if _explains(each, several, step)
                ]
        if found:
            return found
    return []


def _explains(explanation: Explanation, observed: Sequence[Observation], step: bool) -> bool:
    return all(_fits(o, explanation, step) for o in observed)


def _fits(observation: Observation, explanation: Explanation, step: bool) -> bool:
    outcome = observation.outcome
    if outcome.error:
        return outcome.misfit and predict(observation.case, explanation, step, beyond=True) is None
    predicted = predict(observation.case, explanation, step)
    if predicted is None:
        return False
    close = 1e5 * _CLOSE if outcome.single_precision else _CLOSE
    pairs = zip((*outcome.biases, *outcome.weights), (*predicted[0], *predicted[1]), strict=True)
    return all(_close(got, want, close) for got, want in pairs)


def _close(got: Array, want: Array, close: float) -> bool:
    if got.shape != want.shape:
        return False
    return bool(np.max(np.abs(got - want), initial=0) <= close * np.max(np.abs(want), initial=0))
