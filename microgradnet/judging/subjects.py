"""Judging an engine: its rules, its graphs, whole networks of it, and what explains the faults."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from random import Random
from typing import Any

import numpy as np

from microgradnet.judging.engine_mistakes import engine_mistake
from microgradnet.judging.engines import Engine, NodeEngine, engine_of
from microgradnet.judging.findings import Diagnosis, Finding, Verdict
from microgradnet.judging.functions import PairEngine, judge_function, rule_of
from microgradnet.judging.graphs import (
    PRODUCT,
    SUM,
    judge_graphs,
    judge_lives,
    judge_sizes,
    judge_within_graphs,
)
from microgradnet.judging.limits import Failure, Limit
from microgradnet.judging.naming import called
from microgradnet.judging.networks import judge_networks
from microgradnet.judging.operations import Offered, offered
from microgradnet.judging.report import Judgement
from microgradnet.judging.rules import Measured, Symptom, measure, symptoms
from microgradnet.judging.walking import Habits

__all__ = ["judge"]


def judge(
    subject: Any,
    df: Any = None,
    domain: Any = None,
    *,
    seed: int = 0,
    hints: bool = True,
    steps: int = 3_000_000,
) -> Judgement:
    """Judge whether an engine is right, in every operation and in every habit.

    The subject is a class with micrograd's interface, made of a number, with `data`, `grad`,
    `backward()` and operators. Its operations are found by looking, and tried at the points of a
    table of right values. Then come small graphs, deep and wide ones, and networks held against
    the δ equations. What is wrong is explained by the classical mistakes whose numbers it shows.

    It may also be a function f with its gradient df, a torch.autograd.Function, a JAX function with
    a custom rule, an autograd primitive, or the function `grad` of such a library. domain is the
    interval (low, high) of f's argument, or a list of one for each argument; without it f is taken
    for one of the table's functions if it has its values, else it is tried from −3 to 3.

    Raises TypeError for anything else. Whatever the subject raises is a finding, and so is what
    takes more than `steps` calls. With hints=False the report names no mistake. The same seed
    gives the same report.

    >>> import math
    >>> print(judge(math.tanh, lambda x: 1 - x * x).diagnoses[0].mistake.title)
    the derivative of the wrong variable
    """
    with (
        Limit(steps) as limit,
        warnings.catch_warnings(),
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        rng = Random(seed)
        rule = (PairEngine(df, limit), subject) if df is not None else rule_of(subject, limit)
        if rule is not None:
            engine, function = rule
            findings, found, reading = judge_function(engine, function, domain, rng)
            name = getattr(subject, "__name__", type(subject).__name__)
            return Judgement(name, "function", tuple(findings), _diagnoses(found), hints, seed,
                             reading)  # fmt: skip
        judged = engine_of(subject, limit)
        if judged is None:
            raise TypeError(
                f"{called(subject)} is no engine: a class is judged that has data, grad, "
                "backward(), + and *, such as microgradnet.Value; or a function "
                "with its gradient, judge(f, df)"
            )
        return _judge(judged, rng, seed, hints)


def _judge(engine: Engine, rng: Random, seed: int, hints: bool) -> Judgement:
    findings: list[Finding] = []
    found: list[Symptom] = [*_seed(engine)]
    if found:
        findings.append(Finding("graphs", "the root's gradient", "wrong", note=found[0].evidence))
    operations = {each.name: each for each in offered(engine)}
    unfit = _unfit(engine, operations)
    if unfit is not None:
        return Judgement(engine.name, "engine", (unfit[0],), _diagnoses(unfit[1]), hints, seed)
    part = "derivatives" if engine.tape_grows else ""
    measured: dict[str, Measured] = {}
    for name in (SUM, PRODUCT):
        measured[name], said = measure(engine, operations[name], part)
        findings += said
    structural, walked, habits = judge_graphs(engine, measured)
    for name, operation in operations.items():
        if name not in measured:
            measured[name], said = measure(engine, operation, part)
            findings += said
    for each in _not_inherited(engine, measured, habits):
        found += symptoms(each)
    if isinstance(engine, NodeEngine):
        within, more = judge_within_graphs(engine, measured, habits or Habits())
        structural += within
        walked += more
        functions = (measured[SUM].offered.function, measured[PRODUCT].offered.function)
        lived = [*judge_sizes(engine, *functions), *judge_lives(engine, functions[1])]
        structural += [finding for finding, _ in lived]
        walked += [
            Symptom(mistake, finding.of, f"{finding.of}: {finding.got}")
            for finding, mistake in lived
            if mistake
        ]
    if habits is not None and habits.order == "forward":
        why = "no negative gradient arrives in this order: a gate on the gradient gives the same"
        walked += [
            Symptom("gate_on_gradient", each.where, f"{each.evidence}; {why}")
            for each in found
            if (each.mistake, each.where) == ("gate_forgotten", "relu")
        ]
    gated = {each.where for each in walked if each.mistake == "gate_on_gradient"}
    found = [each for each in found if each.where not in gated] + walked
    if any((each.mistake, each.where) == ("gradient_lost", "backward") for each in found):
        found = [found[0], *(each for each in found if each.mistake in _OF_VALUES)]
    findings += structural
    usable = {
        name: each.offered.function for name, each in measured.items()
        if each.offered.right == name and each.offered.scale == 1
    }  # fmt: skip
    findings += judge_networks(engine, usable, rng)
    if part:
        for operation in operations.values():
            valued, said = measure(engine, operation, "values")
            findings += said
            found += symptoms(valued)
    reading = "in float32, by float32's bounds" if engine.single else ""
    return Judgement(
        engine.name, "engine", tuple(findings), _diagnoses(found), hints, seed, reading
    )


def _unfit(
    engine: Engine, operations: Mapping[str, Offered]
) -> tuple[Finding, list[Symptom]] | None:
    """Find out why nothing can be judged.

    No nodes of one number, no sums, no products, no end of them, or data that are other numbers.
    """
    kept = None
    if isinstance(engine, NodeEngine):
        kept = engine.limit(lambda: engine.value(engine.leaf(1.5)))
        if isinstance(kept, Failure):
            note = f"the judge makes a node of one number, {engine.name}(1.5), and reads its data"
            return _finding_of("a node", kept, "of 1.5", note), []
    for name, function in (SUM, operator.add), (PRODUCT, operator.mul):
        if name not in operations:
            got = engine.probe(function, [1.5, 0.75])
            note = "" if isinstance(got, Failure) else "it has no data and no backward"
            return _finding_of(name, got, "x = 1.5, y = 0.75", note), []
        found = engine.run(function, (1.75, 2.5))
        if isinstance(found, Failure) and found.stopped:
            return _finding_of(name, found, "x = 1.75, y = 2.5"), []
    if kept is None or (isinstance(kept, float) and kept == 1.5):
        return None
    finding = Finding("values", "data", "wrong", "of a node made of 1.5", repr(kept), "1.5")
    evidence = f"made of 1.5 a node's data are {kept!r}"
    return finding, [Symptom("data_converted", "data", evidence)]


def _finding_of(of: str, got: Any, at: str, note: str = "") -> Finding:
    verdict: Verdict = "stopped" if isinstance(got, Failure) and got.stopped else "raises"
    return Finding("values", of, verdict, at, str(got), note=note)


def _seed(engine: Engine) -> list[Symptom]:
    """Find out what backward begins with, so that all else can be judged beside it."""
    if not isinstance(engine, NodeEngine):
        return []

    def gradients() -> Any:
        found = engine.run(lambda x, y: x + y, (1.75, 2.5))
        return None if isinstance(found, Failure) else found[1]

    got = gradients()
    if got == [0.0, 0.0]:
        engine.seed = "missing"
        if gradients() != [0.0, 0.0]:
            return [Symptom("seed_missing", "backward", "after z = x + y; z.backward() both "
                            "gradients are 0; with z.grad = 1 before it they are not")]  # fmt: skip
        engine.seed = "one"
        return [Symptom("gradient_lost", "backward", "after z = x + y; z.backward() both gradients "
                        "are 0, and they are so with z.grad = 1 before it")]  # fmt: skip
    if got == [4.25, 4.25]:
        engine.seed = "value"
        return [Symptom("seed_is_value", "backward", "of z = x + y at 1.75 and 2.5 both gradients "
                        "are 4.25, the value of z, and not 1")]  # fmt: skip
    return []


def _not_inherited(
    engine: Engine, measured: dict[str, Measured], habits: Habits | None
) -> list[Measured]:
    """Leave out the operations that give what those give of which they are composed.

    Where x − y is written as x + (−y), a mistake of the sum is no second one of the difference.
    """
    faulty = {name for name, each in measured.items() if each.failed}
    clean = habits is not None and habits == Habits(
        leaves_reset=habits.leaves_reset,
        interior_kept=habits.interior_kept,
        seed_is_value=habits.seed_is_value,
    )
    found = []
    for name, each in measured.items():
        parts = _COMPOSED.get(name)
        if parts and each.failed and (not clean or faulty & set(parts[0])):
            again = engine.try_out(parts[1], each.right.points.tolist(), each.offered.constant)
            other = Measured(each.offered, each.right, each.single, again)
            same = np.array_equal(each.values, other.values, equal_nan=True)
            if same and np.array_equal(each.firsts, other.firsts, equal_nan=True):
                continue
        if each.failed:
            found.append(each)
    return found


_OF_VALUES = ("overflow", "reflected_operands_swapped", "reflected_operand_missing")
"""The mistakes that show in values."""

_COMPOSED: dict[str, tuple[tuple[str, ...], Any]] = {
    "-x": (("x * number", "x * y"), lambda x: x * -1),
    "x - y": (("x + y", "-x", "x * y"), lambda x, y: x + (-y)),
    "x - number": (("x + y", "x + number", "-x"), lambda x, y: x + (-y)),
    "number - x": (("x + y", "-x", "x * y"), lambda x, y: x + (-y)),
    "x / y": (("x * y", "x ** -1"), lambda x, y: x * y**-1),
    "x / number": (("x * y", "x * number"), lambda x, y: x * y**-1),
    "number / x": (("x * y", "x ** -1"), lambda x, y: x * y**-1),
    "x + number": (("x + y",), lambda x, y: x + y),
}
"""What operations are composed of in many engines, and the composition."""


def _diagnoses(found: list[Symptom]) -> tuple[Diagnosis, ...]:
    """One diagnosis a mistake, with all the places that show it and the first one's numbers."""
    by_name: dict[str, list[Symptom]] = {}
    for each in found:
        by_name.setdefault(each.mistake, []).append(each)
    return tuple(
        Diagnosis(
            engine_mistake(name, group[0].where),
            ", ".join(dict.fromkeys(each.where for each in group)),
            group[0].evidence,
        )
        for name, group in by_name.items()
    )
