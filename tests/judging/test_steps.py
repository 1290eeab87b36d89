"""A training step is judged: right ones in every form, each classical mistake, two at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.planted_backprops import BACKPROPS, STEPS, pairs, same_numbers, step_with

from microgradnet.judging.report import Judgement
from microgradnet.judging.step_mistakes import STEP_MISTAKES
from microgradnet.judging.steps import judge_step

BOTH = {**STEPS, **{name: each for name, each in BACKPROPS.items() if each[0] == "quadratic"}}
"""In a step there may be a mistake of either list."""

SAME = {
    "gradients_zero": "nothing_updated",
    "wrong_sign": "uphill",
    "bias_gradient_zero": "biases_not_updated",
    "averaged": "m_twice",
}
"""What gives a step the same numbers."""


few = settings(max_examples=settings.default.max_examples // 4)


def named(judgement: Judgement) -> list[str]:
    return [diagnosis.mistake.name for diagnosis in judgement.diagnoses]


def test_every_mistake_of_the_zoo_is_planted() -> None:
    assert {each.mistake.name for each in STEP_MISTAKES} == STEPS.keys()


@pytest.mark.parametrize("name", BOTH)
def test_a_mistake_is_named_from_its_numbers(name: str) -> None:
    made = step_with(name)
    judgement = judge_step(made.function, **made.contract)
    assert not judgement.ok
    assert named(judgement) == [SAME.get(name, name)]
    if name in SAME:
        assert "The same numbers come from" in judgement.diagnoses[0].evidence


@settings(few, phases=[Phase.explicit, Phase.generate])  # a pair is as small as any
@given(st.sampled_from(pairs(BOTH)), st.integers(0, 10**6))
def test_two_mistakes_at_a_time_are_named(pair: tuple[str, str], seed: int) -> None:
    made = step_with(*pair)
    judgement = judge_step(made.function, **made.contract, seed=seed)
    found = named(judgement)
    if set(found) != set(pair):
        assert same_numbers(made, step_with(*found))
    assert judgement.ok == (not found)


@given(
    st.sampled_from(["quadratic", "cross_entropy", "log_likelihood", "tanh"]),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_a_right_step_is_right_whether_its_convention_is_said_or_found(
    convention: str, seed: int, said: bool
) -> None:
    made = step_with(convention=convention)
    judgement = judge_step(made.function, seed=seed, **(made.contract if said else {}))
    assert judgement.ok and not judgement.diagnoses
    assert set(judgement.points) == {"runs", "update", "habits"}


right = step_with(convention="quadratic").function


def of_parameters(parameters: Any, batch: Any, eta: float) -> Any:
    return right(*parameters, *batch, eta)


def of_pairs(params: list[Any], X: Any, Y: Any, lr: float) -> Any:
    weights, biases = right([w for w, _ in params], [b for _, b in params], X, Y, lr)
    return [*zip(weights, biases, strict=True)]


def of_dict(p: dict[str, Any], mini_batch: list[Any], alpha: float) -> Any:
    L = len(p) // 2
    X, Y = (np.array(each) for each in zip(*mini_batch, strict=True))
    W, b = right(
        [p[f"W{l + 1}"] for l in range(L)], [p[f"b{l + 1}"] for l in range(L)], X, Y, alpha
    )
    return {f"{k}{l + 1}": each[l] for k, each in (("W", W), ("b", b)) for l in range(L)}


def in_place(weights: Any, biases: Any, x: Any, y: Any, eta: float) -> None:
    new = right(weights, biases, x, y, eta)
    weights[:], biases[:] = new


def in_the_arrays(parameters: Any, batch: Any, eta: float) -> None:
    new = right(*parameters, *batch, eta)
    for olds, news in zip(parameters, new, strict=True):
        for old, each in zip(olds, news, strict=True):
            old[...] = each


class Network:
    """As Nielsen's: columns, and parameters that the method assigns."""

    def __init__(self, sizes: list[int]) -> None:
        self.weights, self.biases = [], []

    def update_mini_batch(self, mini_batch: Any, eta: float) -> None:
        X, Y = (np.array([each.ravel() for each in side]) for side in zip(*mini_batch, strict=True))
        flat = [b.ravel() for b in self.biases]
        self.weights, biases = right(self.weights, flat, X, Y, eta)
        self.biases = [b.reshape(-1, 1) for b in biases]


@pytest.mark.parametrize(
    ("function", "call"),
    [
        (of_parameters, "f((weights, biases), (X, Y), eta), rows"),
        (of_pairs, "f([(W, b), ...], x, y, eta), rows"),
        (of_dict, 'f({"W1": W, "b1": b, ...}, [(x, y), ...], eta), vectors'),
        (in_place, "f(weights, biases, x, y, eta), rows"),
        (in_the_arrays, "f((weights, biases), (X, Y), eta), rows"),
        (Network, "update_mini_batch([(x, y), ...], eta), columns"),
    ],
)
def test_forms_that_are_read(function: Any, call: str) -> None:
    judgement = judge_step(function)
    assert judgement.ok, judgement
    assert judgement.reading.startswith(f"called as {call}")


def with_memory(mu: float) -> Any:
    """Momentum: v = mu v + gradient step; with mu = 1 nothing is ever set to 0."""
    velocity: dict[str, Any] = {}

    def step(weights: Any, biases: Any, x: Any, y: Any, eta: float) -> Any:
        new = right(weights, biases, x, y, eta)
        moved = [w - n for old, each in zip((weights, biases), new, strict=True)
                 for w, n in zip(old, each, strict=True)]  # fmt: skip
        key = str([w.shape for w in weights])
        before = velocity.get(key, [0.0] * len(moved))
        velocity[key] = v = [mu * a + b for a, b in zip(before, moved, strict=True)]
        changed = [p - each for p, each in zip((*weights, *biases), v, strict=True)]
        return changed[: len(weights)], changed[len(weights) :]

    return step


@pytest.mark.parametrize(("mu", "name"), [(0.9, "momentum"), (1.0, "accumulated_over_calls")])
def test_memory_of_the_steps_before_is_named(mu: float, name: str) -> None:
    judgement = judge_step(with_memory(mu))
    assert named(judgement) == [name]
    assert f"{mu:g} times" in str(judgement)


def test_momentum_and_another_mistake_are_both_named() -> None:
    global right
    before, right = right, step_with("m_forgotten").function
    try:
        judgement = judge_step(with_memory(0.5), activation="sigmoid", cost="quadratic")
    finally:
        right = before
    assert named(judgement) == ["m_forgotten", "momentum"]


def test_parameters_changed_and_returned_are_a_finding() -> None:
    def aliased(weights: Any, biases: Any, x: Any, y: Any, eta: float) -> Any:
        in_the_arrays((weights, biases), (x, y), eta)
        return weights, biases

    judgement = judge_step(aliased)
    assert named(judgement) == ["changes_its_arguments"]


def test_what_no_mistake_predicts_is_judged_and_not_explained() -> None:
    def step(weights: Any, biases: Any, x: Any, y: Any, eta: float) -> Any:
        W, b = right(weights, biases, x, y, eta)
        return [np.sin(w) for w in W], b

    said = {"activation": "sigmoid", "output_activation": "sigmoid", "cost": "quadratic"}
    judgement = judge_step(step, **said)
    assert not judgement.diagnoses
    assert [finding.of[0] for finding in judgement.failed] == ["W"]


@pytest.mark.parametrize("subject", [3, lambda w: w, lambda params, x, t: params])
def test_what_is_no_step_is_an_error_that_says_what_is(subject: Any) -> None:
    with pytest.raises(TypeError, match=r"judge_step takes a function \(parameters, batch, eta\)"):
        judge_step(subject)
