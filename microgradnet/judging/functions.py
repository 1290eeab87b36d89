"""A function and its gradient: by hand, or as a custom rule of PyTorch, JAX or autograd.

A function whose values are those of an operation of the table is held against the table. Any other
is differentiated: by this package's engine where it takes Values, else by differences of its own
values at several steps, extrapolated to step 0 (C. Ridders, Advances in Engineering Software 4,
1982), which say how far they may be off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from random import Random
from typing import Any

import numpy as np

from microgradnet.judging.engines import Engine, Function, NodeEngine, Trial, engine_of
from microgradnet.judging.findings import Finding, Verdict
from microgradnet.judging.limits import Failure, Limit
from microgradnet.judging.operations import Offered
from microgradnet.judging.right_values import right_values, table_names
from microgradnet.judging.rules import Symptom, measure, symptoms
from microgradnet.transforms import vjp

__all__ = ["PairEngine", "judge_function", "rule_of"]

_POINTS = 100
_ROUNDINGS = 2.0**-42
"""What honest roundings of a formula stay below, relative to the largest slope."""


class PairEngine(Engine):
    """A function of numbers and its gradient, each evaluated by itself."""

    def __init__(self, df: Function, limit: Limit) -> None:
        self.df, self.limit, self.namespaces = df, limit, ()
        self.name = getattr(df, "__name__", "df")

    def is_node(self, result: Any) -> bool:
        """Take any number."""
        return True

    def probe(self, function: Function, xs: Sequence[float]) -> float | Failure | None:
        """Evaluate the function."""
        return self.limit(lambda: float(function(*xs)))

    def run(self, program: Function, xs: Sequence[float]) -> tuple[float, list[float]] | Failure:
        """Evaluate both."""
        return self.limit(lambda: (float(program(*xs)), self._gradient(xs)))

    def try_out(
        self, function: Function, points: Sequence[Sequence[float]], constant: int | None = None
    ) -> list[Trial]:
        """Evaluate both, point by point."""
        return [
            Trial(self.probe(function, xs), self.limit(self._gradient, xs), None) for xs in points
        ]

    def _gradient(self, xs: Sequence[float]) -> list[float]:
        found = self.df(*xs)
        entries = found if isinstance(found, list | tuple) else np.ravel(found)
        return [float(x) for x in entries]


def rule_of(subject: Any, limit: Limit) -> tuple[Engine, Function] | None:
    """Return the engine and the function of a custom rule; None for what is none.

    That is a torch.autograd.Function, a JAX function with a custom rule, an autograd primitive.
    """
    if all(hasattr(subject, name) for name in ("apply", "forward", "backward")):
        return NodeEngine(import_module("torch").Tensor, limit), subject.apply
    if hasattr(subject, "fun"):
        module = type(subject).__module__ + str(getattr(subject, "__globals__", {}).get("__name__"))
        for library in ("jax", "autograd"):
            if library in module:
                engine = engine_of(import_module(library), limit)
                return None if engine is None else (engine, subject)
    return None


def judge_function(
    engine: Engine, function: Function, domain: Any, rng: Random
) -> tuple[list[Finding], list[Symptom], str]:
    """Judge one function of an engine; the last string says by what."""
    box = _box(domain)
    name = _recognised(engine, function, len(box)) if domain is None else None
    if name is not None:
        measured, findings = measure(engine, Offered(name, name, function))
        return findings, symptoms(measured), f"read as {name}, by the table of right values"
    points = [tuple(rng.uniform(*side) for side in box) for _ in range(_POINTS)]
    trials = engine.try_out(function, points)
    right = [_right(engine, function, xs) for xs in points]
    scale = max((abs(d) for row in right for d, _ in row if math.isfinite(d)), default=1.0)
    findings, found = [], []
    for k in range(len(box)):
        of = "df" if len(box) == 1 else f"df, argument {k + 1}"
        worst: tuple[float, Finding] | None = None
        pairs = []
        for xs, trial, row in zip(points, trials, right, strict=True):
            want, error = row[k]
            if not math.isfinite(want):
                continue
            got = trial.firsts if isinstance(trial.firsts, Failure) else trial.firsts[k]
            unit = _ROUNDINGS * (2.0**29 if engine.single else 1)
            bound = unit * max(abs(want), scale) + error + 2.0**-1000
            if isinstance(got, Failure):
                verdict: Verdict = "stopped" if got.stopped else "raises"
                off = math.inf
            else:
                verdict, off = "wrong", abs(got - want) / bound
                pairs.append((got, want, bound))
            if not off <= 1 and (worst is None or off > worst[0]):
                at = ", ".join(f"{x:.9g}" for x in xs)
                worst = off, Finding("derivatives", of, verdict, at, str(got), repr(want),
                                     note=f"the slope is sure to ±{bound:.2g}")  # fmt: skip
        findings.append(worst[1] if worst else Finding("derivatives", of, "right"))
        found += _explained(of, pairs) if worst else []
    differences = isinstance(_by_engine(engine, function, points[0]), Failure)
    by = "by differences of its values" if differences else "by this package's engine"
    return findings, found, f"held against the slopes {by}"


def _box(domain: Any) -> list[tuple[float, float]]:
    """One interval for each argument: (low, high), or a list of such."""
    if domain is None:
        return [(-3.0, 3.0)]
    pairs = [domain] if isinstance(domain[0], int | float) else domain
    for low, high in pairs:
        if not low < high:
            raise ValueError(f"the domain from {low!r} to {high!r} is empty: give (low, high)")
    return [(float(low), float(high)) for low, high in pairs]


def _recognised(engine: Engine, function: Function, arity: int) -> str | None:
    """The operation of the table that has the function's values, if any."""
    for name in table_names(arity):
        right = right_values(name, engine.single)
        rows = np.flatnonzero(np.isfinite(right.bounds[:, 0]))
        sure = rows[np.abs(right.points[rows]).max(axis=1) < 50]
        if all(_fits(engine, function, right, row) for row in sure[:: max(1, len(sure) // 40)]):
            return name
    return None


def _fits(engine: Engine, function: Function, right: Any, row: int) -> bool:
    got = engine.probe(lambda *xs: function(*xs), right.points[row].tolist())
    return isinstance(got, float) and abs(got - right.numbers[row, 0]) <= right.bounds[row, 0]


def _by_engine(engine: Engine, function: Function, xs: Sequence[float]) -> list[float] | Failure:
    """The derivatives by this package's engine; a failure where the function takes no Values."""
    if not isinstance(engine, PairEngine):
        return Failure(TypeError("its nodes are of another library"))
    found = engine.limit(lambda: vjp(function, *xs)[1](1.0))
    return found if isinstance(found, Failure) else [float(g) for g in found]


def _right(engine: Engine, function: Function, xs: Sequence[float]) -> list[tuple[float, float]]:
    """The derivative by each argument, and how far it may be off."""
    found = _by_engine(engine, function, xs)
    if not isinstance(found, Failure):
        return [(g, 0.0) for g in found]
    return [_ridders(partial(_along, engine, function, xs, k)) for k in range(len(xs))]


def _along(engine: Engine, function: Function, xs: Sequence[float], k: int, h: float) -> float:
    moved = [x + h if j == k else x for j, x in enumerate(xs)]
    value = engine.probe(function, moved)
    return value if isinstance(value, float) else math.nan


def _ridders(f: Callable[[float], float], h: float = 0.25, rows: int = 10) -> tuple[float, float]:
    """The derivative at 0 by central differences extrapolated to step 0, and its error."""
    ratio = 1.4
    before: list[float] = []
    best, error = math.nan, math.inf
    noise = 2.0**-52 * (abs(f(0.0)) + 2.0**-1000)
    for row in range(rows):
        step = h / ratio**row
        now = [(f(step) - f(-step)) / (2 * step)]
        power = ratio**2
        for older in before:
            now.append((now[-1] * power - older) / (power - 1))
            power *= ratio**2
            off = max(abs(now[-1] - now[-2]), abs(now[-1] - older)) + 8 * noise / step
            if off < error:
                best, error = now[-1], off
        before = now
    return best, 4 * error


def _explained(of: str, pairs: Sequence[tuple[float, float, float]]) -> list[Symptom]:
    """A factor explains a derivative that is one everywhere; so does 0."""
    sure = [(got, want, bound) for got, want, bound in pairs if abs(want) > 100 * bound]
    if len(sure) < 5:
        return []
    ratios = sorted(got / want for got, want, _ in sure)
    factor = ratios[len(ratios) // 2]
    if not all(abs(got - factor * want) <= 4 * bound for got, want, bound in pairs):
        return []
    name = "operand_forgotten" if factor == 0 else "constant_factor"
    if abs(factor + 1) < 1e-9:
        name = "wrong_sign"
    got, want, _ = max(sure, key=lambda each: abs(each[1]))
    return [Symptom(name, of, f"the slope is {got:.12g}, right is {want:.12g}: {factor:.12g} times "
                    "that, at every point")]  # fmt: skip
