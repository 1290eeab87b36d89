"""A function and its gradient: by hand, or as a custom rule of PyTorch, JAX or autograd.

A function whose values are those of an operation of the table is held against the table. Any other
is differentiated: by this package's engine where it takes Values, else by differences of its own
values at several steps, extrapolated to step 0 (C. Ridders, Advances in Engineering Software 4,
1982), which say how far they may be off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from functools import partial
from importlib import import_module
from random import Random
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from microgradnet.judging.engines import Engine, Function, TorchEngine, Trial, engine_of
from microgradnet.judging.findings import Finding, Verdict
from microgradnet.judging.limits import Failure, Limit
from microgradnet.judging.operations import Offered
from microgradnet.judging.right_values import right_values, table_names
from microgradnet.judging.rules import Symptom, measure, symptoms
from microgradnet.transforms import vjp

__all__ = ["PairEngine", "judge_function", "rule_of"]

Array: TypeAlias = NDArray[np.float64]

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
        self,
        function: Function,
        points: Sequence[Sequence[float]],
        constant: int | None = None,
        twice: Collection[int] = (),
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
        return TorchEngine(import_module("torch").Tensor, limit), subject.apply
    if hasattr(subject, "fun"):
        module = type(subject).__module__ + str(getattr(subject, "__globals__", {}).get("__name__"))
        for library in ("jax", "autograd"):
            if library in module:
                module_ = import_module(library)
                engine = engine_of(module_, limit)
                vectorise = getattr(module_, "vmap", lambda f: f)
                return None if engine is None else (engine, vectorise(subject))
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
    points = np.array([[rng.uniform(*side) for side in box] for _ in range(_POINTS)])
    right, errors, by = _right(engine, function, points)
    if not np.isfinite(right).any():
        value = engine.probe(function, points[0].tolist())
        note = (
            "at no point of the domain has f a slope to judge by; for several arguments give "
            "domain=[(low, high), (low, high)]"
        )
        nowhere = Finding(
            "values", "f", "raises", _at(points[0]), str(value), "a number", note=note
        )
        return [nowhere], [], ""
    trials = engine.try_out(function, points.tolist())
    scale = float(np.nanmax(np.where(np.isfinite(right), np.abs(right), np.nan)))
    unit = _ROUNDINGS * (2.0**29 if engine.single else 1)
    bounds = unit * np.maximum(np.abs(right), scale) + errors + 2.0**-1000
    findings, found = [], []
    for k in range(len(box)):
        of = "df" if len(box) == 1 else f"df, argument {k + 1}"
        findings.append(_worst(of, k, points, trials, right[:, k], bounds[:, k]))
        pairs = [
            (trial.firsts[k], want, bound)
            for trial, want, bound in zip(trials, right[:, k], bounds[:, k], strict=True)
            if isinstance(trial.firsts, list) and math.isfinite(want)
        ]
        found += _explained(of, pairs) if findings[-1].failed else []
    return findings, found, f"held against the slopes by {by}"


def _worst(
    of: str, k: int, points: Array, trials: Sequence[Trial], right: Array, bounds: Array
) -> Finding:
    """What is furthest from right, in bounds."""
    worst = 1.0
    finding = Finding("derivatives", of, "right")
    for xs, trial, want, bound in zip(points, trials, right, bounds, strict=True):
        if trial.firsts is None or not math.isfinite(want):
            continue
        got: Any = trial.firsts
        verdict: Verdict = "wrong"
        if isinstance(got, Failure):
            verdict = "stopped" if got.stopped else "raises"
            off = math.inf
        else:
            got = got[k]
            off = abs(got - want) / bound if math.isfinite(got) else math.inf
        if off > worst:
            worst = off
            finding = Finding("derivatives", of, verdict, _at(xs), str(got), repr(float(want)),
                              note=f"the slope is sure to ±{bound:.2g}")  # fmt: skip
    return finding


def _at(xs: Array) -> str:
    return ", ".join(f"{x:.9g}" for x in xs)


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
    sure = {}
    for name in table_names(arity):
        right = right_values(name, engine.single)
        rows = np.flatnonzero(np.isfinite(right.bounds[:, 0]))
        rows = rows[np.abs(right.points[rows]).max(axis=1) < 50]
        sure[name] = right, rows[:: max(1, len(rows) // 40)]
    tried: dict[bytes, Array] = {}  # most operations have the same points
    for name, (right, rows) in sure.items():
        points = right.points[rows]
        key = points.tobytes()
        if key not in tried:
            tried[key] = engine.values(function, points)
        if (np.abs(tried[key] - right.numbers[rows, 0]) <= right.bounds[rows, 0]).all():
            return name
    return None


def _right(engine: Engine, function: Function, points: Array) -> tuple[Array, Array, str]:
    """The derivatives by each argument, how far they may be off, and by what they were found.

    By this package's engine where the function takes Values.
    """
    if isinstance(engine, PairEngine):
        found = [engine.limit(_by_engine, function, xs) for xs in points.tolist()]
        if not isinstance(found[0], Failure):
            n = points.shape[1]
            slopes = [[math.nan] * n if isinstance(row, Failure) else row for row in found]
            return np.array(slopes), np.zeros_like(points), "this package's engine"
    columns = [
        _ridders(partial(_along, engine, function, points, k)) for k in range(points.shape[1])
    ]
    right, errors = (np.stack(each, axis=1) for each in zip(*columns, strict=True))
    return right, errors, "differences of its values"


def _by_engine(function: Function, xs: Sequence[float]) -> list[float]:
    return [float(g) for g in vjp(function, *xs)[1](1.0)]


def _along(engine: Engine, function: Function, points: Array, k: int, h: float) -> Array:
    moved = points.copy()
    moved[:, k] += h
    return engine.values(function, moved)


def _ridders(f: Callable[[float], Array], h: float = 0.25, rows: int = 10) -> tuple[Array, Array]:
    """The derivatives at 0 by central differences extrapolated to step 0, and their errors."""
    ratio = 1.4
    before: list[Array] = []
    noise = 2.0**-52 * (np.abs(f(0.0)) + 2.0**-1000)
    best, error = np.full_like(noise, math.nan), np.full_like(noise, math.inf)
    for row in range(rows):
        step = h / ratio**row
        now = [(f(step) - f(-step)) / (2 * step)]
        power = ratio**2
        for older in before:
            now.append((now[-1] * power - older) / (power - 1))
            power *= ratio**2
            off = np.maximum(np.abs(now[-1] - now[-2]), np.abs(now[-1] - older)) + 8 * noise / step
            better = off < error
            best, error = np.where(better, now[-1], best), np.where(better, off, error)
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
    name = "gradient_lost" if factor == 0 else "constant_factor"
    if abs(factor + 1) < 1e-9:
        name = "wrong_sign"
    got, want, _ = max(sure, key=lambda each: abs(each[1]))
    return [Symptom(name, of, f"the slope is {got:.12g}, right is {want:.12g}: {factor:.12g} times "
                    "that, at every point")]  # fmt: skip
