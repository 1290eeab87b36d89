"""Values and derivative rules of an engine's operations, held against the right ones.

What is wrong is explained, operand by operand, by the known mistake whose numbers it shows at every
point of the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from microgradnet.conventions import conventions
from microgradnet.judging.engines import Engine, NodeEngine, Trial
from microgradnet.judging.findings import Finding, Verdict
from microgradnet.judging.limits import Failure
from microgradnet.judging.operations import Offered
from microgradnet.judging.right_values import RightValues, right_values, spacing

__all__ = ["Measured", "Symptom", "measure", "symptoms"]

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Symptom:
    """A mistake's name, where it shows, and the numbers that say so."""

    mistake: str
    where: str
    evidence: str


@dataclass
class Measured:
    """An operation, the right numbers, and those of the engine at the same points."""

    offered: Offered
    right: RightValues
    single: bool
    trials: list[Trial]
    seed_is_value: bool = False
    failed: dict[str, Finding] = field(default_factory=dict)
    """By part: values, derivatives, second derivatives."""

    @cached_property
    def operands(self) -> list[int]:
        """The operands that are nodes."""
        n = range(self.right.points.shape[1])
        return [k for k in n if k != self.offered.constant]

    @cached_property
    def values(self) -> Array:
        """NaN in place of what is no number."""
        return np.array([_real(trial.value) for trial in self.trials])

    @cached_property
    def firsts(self) -> Array:
        """(points, operands that are nodes); NaN in place of what is no number.

        Where a set of parents gives two operands each other's derivatives, in their order again.
        """
        found = self._firsts
        if not self.shuffled:
            return found
        n = len(self.operands)
        best = self._fits.max(axis=1)
        turned = np.array([*permutations(range(n))])[self._fits.argmax(axis=1)]
        found = np.take_along_axis(found, turned, axis=1)
        for j, order in enumerate(permutations(range(n))):
            as_good = (self._fits[:, j] == best) & (best < n)
            found[as_good & (self._firsts[:, order] != found).any(axis=1)] = np.nan  # unclear
        return found

    @cached_property
    def _firsts(self) -> Array:
        n = len(self.operands)
        rows = [
            [*map(_real, trial.firsts)] if isinstance(trial.firsts, list) else [math.nan] * n
            for trial in self.trials
        ]
        return np.array(rows).reshape(len(rows), n)

    @cached_property
    def shuffled(self) -> bool:
        """Whether operands have each other's derivatives, at some points and not at others.

        A set of parents does so, where derivatives are paired with its entries. Some of them may
        be wrong besides.
        """
        n = len(self.operands)
        if n == 1:
            return False
        rows: Any = np.isfinite(self.right.bounds[:, 1 : 1 + n]).all(axis=1)
        straight, turned = self._fits[:, 0], self._fits[:, 1:].max(axis=1)
        mixed = bool(((turned > straight) & rows).any())
        if n == 2:  # a rule may have its two swapped everywhere
            mixed = mixed and bool(((straight > turned) & rows).any())
        return bool(mixed and (self._fits.any(axis=1) | ~rows).all())

    @cached_property
    @np.errstate(all="ignore")
    def _fits(self) -> Any:
        """How many derivatives are right in each order of the operands, their own first."""
        n = len(self.operands)
        want, bounds = self.right.numbers[:, 1 : 1 + n], self.right.bounds[:, 1 : 1 + n]
        fits = [np.abs(self._firsts[:, p] - want) <= bounds for p in permutations(range(n))]
        return np.stack([each.sum(axis=1) for each in fits], axis=1)

    @property
    def rule_is_right(self) -> bool:
        """Whether the first derivatives are."""
        return all(map(self.operand_is_right, range(len(self.operands))))

    def operand_is_right(self, j: int) -> bool:
        """Whether those by one operand that is a node are."""
        column = 1 + self.operands[j]
        bounds = self.right.bounds[:, column]
        off = np.abs(self.firsts[:, j] - self.right.numbers[:, column])
        return bool((off <= bounds)[np.isfinite(bounds) & ~np.isnan(self.firsts[:, j])].all())


def measure(engine: Engine, offered: Offered, part: str = "") -> tuple[Measured, list[Finding]]:
    """Try an operation at the points of the table, and say what is right.

    An engine that never clears its tape differentiates all that it has ever computed, each time.
    So its "derivatives" are asked for at few points where nothing raises, and when all else is done
    its "values" at all points.
    """
    right = _scaled(right_values(offered.right, engine.single), offered)
    if part == "derivatives":
        right = _some(right, offered)
    if part == "values":
        found = engine.values(offered.function, right.points)
        trials = [Trial(value) for value in found.tolist()]
    else:
        rows = np.flatnonzero(np.isfinite(right.bounds[:, 1 + right.points.shape[1] :]).any(axis=1))
        twice = {*rows[:: max(1, len(rows) // _TWICE)].tolist()}
        trials = engine.try_out(offered.function, right.points.tolist(), offered.constant, twice)
    bounds = right.bounds.copy()
    bounds[[trial.value is None for trial in trials]] = np.inf
    bounds[[trial.firsts is None for trial in trials], 1:] = np.inf
    by_value = False
    if isinstance(engine, NodeEngine) and engine.seed == "value":
        by_value = True  # nothing can be told where the value is 0 or huge
        values = np.array([_real(trial.value) for trial in trials])
        usual = (np.abs(values) > 1e-100) & (np.abs(values) < 1e100)
        _shift(engine, offered, right, trials, right.kinks & (values == 0))
        bounds[~usual, 1:] = np.inf
        right = replace(right, kinks=right.kinks & (usual | (values == 0)))
    measured = Measured(offered, replace(right, bounds=bounds), engine.single, trials, by_value)
    return measured, [each for each in _findings(measured) if part in ("", each.part)]


def _shift(
    engine: NodeEngine, offered: Offered, right: RightValues, trials: list[Trial], rows: Any
) -> None:
    """Ask for the slopes at these points again, with a root that is not 0."""

    def shifted(*xs: Any) -> Any:
        return offered.function(*xs) + engine.leaf(1.0)

    again = engine.try_out(shifted, right.points[rows].tolist(), offered.constant)
    for row, trial in zip(np.flatnonzero(rows), again, strict=True):
        trials[row] = Trial(trials[row].value, trial.firsts, trials[row].seconds)


def _some(right: RightValues, offered: Offered) -> RightValues:
    """Kinks and a few points of middle size."""
    sizes = np.abs(right.points)
    usual = ((sizes >= 0.05) & (sizes <= 1000)).all(axis=1)
    usual &= np.isfinite(right.numbers).all(axis=1) & ~right.kinks
    rows = np.flatnonzero(usual)
    rows = rows[:: max(1, len(rows) // _FEW)]
    if offered.right in _SUBGRADIENTS:
        kinks = np.flatnonzero(right.kinks & (sizes <= 1000).all(axis=1))
        rows = np.concatenate([rows, kinks[:_FEW]])
    return RightValues(*(column[rows] for column in vars(right).values()))


_FEW, _TWICE = 12, 128


def _scaled(right: RightValues, offered: Offered) -> RightValues:
    if offered.scale == 1:
        return right
    left = (right.points[:, 0] <= 0) & ~(right.kinks & (offered.right == "elu"))
    numbers, bounds = right.numbers.copy(), right.bounds.copy()
    numbers[left] *= offered.scale
    bounds[left] *= max(1.0, abs(offered.scale))
    kinks = right.kinks | (right.points[:, 0] == 0)
    bounds[kinks, 1:] = np.inf
    return RightValues(right.points, numbers, bounds, kinks)


def _real(x: Any) -> float:
    return x if isinstance(x, float) else math.nan


# Findings


def _findings(measured: Measured) -> Iterator[Finding]:
    n = measured.right.points.shape[1]
    firsts = [(k, 1 + k) for k in measured.operands]
    seconds = [(k, c) for k, c in enumerate(range(1 + n, measured.right.numbers.shape[1]))]
    yield _finding(measured, "values", [(0, 0)], lambda trial, _: trial.value)
    yield _finding(measured, "derivatives", firsts, _first(measured))
    if any(trial.seconds is not None for trial in measured.trials):
        yield _finding(
            measured, "second derivatives", seconds, lambda trial, k: _of(trial.seconds, k)
        )


def _first(measured: Measured) -> Callable[[Trial, int], Any]:
    place = {k: j for j, k in enumerate(measured.operands)}
    return lambda trial, k: _of(trial.firsts, place[k])


def _of(numbers: Any, k: int) -> Any:
    return numbers if numbers is None or isinstance(numbers, Failure) else numbers[k]


def _finding(
    measured: Measured,
    part: str,
    columns: Sequence[tuple[int, int]],
    read: Callable[[Trial, int], Any],
) -> Finding:
    right = measured.right
    worst: Any = None
    open_: Any = None
    for row, trial in enumerate(measured.trials):
        for k, column in columns:
            got, want = read(trial, k), float(right.numbers[row, column])
            if got is None:  # not asked
                continue
            off = _off(got, want, float(right.bounds[row, column]))
            kink = bool(right.kinks[row]) and part == "derivatives"
            if off <= 1 and kink and _no_subgradient(measured, row, k, trial):
                off = 2.0
            if off > 1 and (worst is None or off > worst[0]):
                worst = (off, row, k, got, want)
            elif open_ is None and kink and not (_same(got, want) or _negative_zero(measured, row)):
                open_ = (row, got, want)
    of = measured.offered.name
    if worst is not None:
        _, row, k, got, want = worst
        verdict: Verdict = "wrong"
        if isinstance(got, Failure):
            if part == "second derivatives" and "not implemented" in str(got):
                return Finding(part, of, "absent", note=str(got))
            verdict = "stopped" if got.stopped else "raises"
        which = "" if len(columns) == 1 else f", by {'xyz'[k]}" if part == "derivatives" else ""
        ulps = None
        if isinstance(got, float) and math.isfinite(got):
            ulps = abs(got - want) / spacing(want, measured.single)
        finding = Finding(part, of, verdict, _at(measured, row) + which, _written(got), repr(want),
                          ulps, _kink_note(measured, row) if right.kinks[row] else "")  # fmt: skip
        measured.failed[part] = finding
        return finding
    if open_ is not None:
        row, got, want = open_
        return Finding(part, of, "convention", _at(measured, row), _written(got), repr(want),
                       note=_convention(measured, row))  # fmt: skip
    return Finding(part, of, "right")


def _off(got: Any, want: float, bound: float) -> float:
    """How many bounds a number is off; inf for what is no number, 0 where none is promised."""
    if math.isinf(bound):
        return 0.0
    if not isinstance(got, float) or not math.isfinite(got):
        return math.inf
    return abs(got - want) / bound


def _same(got: Any, want: float) -> bool:
    return isinstance(got, float) and (got == want or (got != got and want != want))


def _negative_zero(measured: Measured, row: int) -> bool:
    """Whether a slope has the sign of −0, which is no matter of convention."""
    return any(x == 0 and math.copysign(1, x) < 0 for x in measured.right.points[row])


def _written(got: Any) -> str:
    return str(got) if isinstance(got, Failure) else repr(got)


def _at(measured: Measured, row: int) -> str:
    xs = measured.right.points[row]
    names = _OPERANDS[measured.offered.constant]
    return ", ".join(f"{name} = {x:.9g}" for name, x in zip(names, xs, strict=False))


_OPERANDS: dict[int | None, Sequence[str]] = {None: "xyz", 0: ("number", "x"), 1: ("x", "number")}
"""What the operands are called, by which of them is a number."""


# Kinks

_SUBGRADIENTS = {
    "abs": (-1.0, 1.0),
    "relu": (0.0, 0.5),  # which libraries take: 0, and ½ as the maximum of x and 0
    "hard_tanh": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1 / 6),
    "hard_sigmoid_fifth": (0.0, 0.2),
    "maximum": (0.0, 1.0),
    "minimum": (0.0, 1.0),
}
"""The slopes at a kink that are conventions."""


def _no_subgradient(measured: Measured, row: int, k: int, trial: Trial) -> bool:
    """Whether a slope at a kink is none that anybody takes, nor any between those of both sides."""
    name = measured.offered.right
    if name not in _SUBGRADIENTS or not np.isfinite(measured.right.points[row]).all():
        return False
    if isinstance(trial.firsts, Failure):
        return True
    low, high = _SUBGRADIENTS[name]
    slopes = [_real(x) for x in trial.firsts]
    margin = 1e-6
    if name in ("maximum", "minimum") and not sum(slopes) <= 1 + margin:
        return True
    return not all(low - margin <= slope <= high + margin for slope in slopes)


_SPELLED = {
    "abs": "abs(x)", "relu": "relu(x)", "maximum": "max(x, y)", "minimum": "min(x, y)",
    "leaky_relu": "leaky_relu(x)", "elu": "elu(x)", "hard_tanh": "hard_tanh(x)",
    "hard_sigmoid": "hard_sigmoid(x)", "sqrt": "√x", "power 0.5": "√x",
    "power 0": "x⁰, a constant exponent", "raise_to": "xʸ",
}  # fmt: skip
"""What the table of conventions calls an operation."""


def _convention(measured: Measured, row: int) -> str:
    """Say in a sentence which slopes an engine takes at a kink, and which the libraries take."""
    firsts = measured.trials[row].firsts
    if isinstance(firsts, Failure):
        return f"the slope there raises {firsts.kind.__name__}; mathematics leaves it open"
    yours = tuple(_real(x) for x in firsts)
    at = (
        "at a tie"
        if measured.offered.right in ("maximum", "minimum")
        else f"at {_at(measured, row)}"
    )
    sentences = [f"{at} your slope is {_listed(yours)}"]
    takers: dict[tuple[float, ...], list[str]] = {}
    for library, slopes in _libraries(measured.offered.right, len(yours)):
        takers.setdefault(slopes, []).append("we" if library == "microgradnet" else library)
    for slopes, names in takers.items():
        names = sorted(names, key=lambda name: name == "we")
        names_written = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
        alike = all(_same(a, b) for a, b in zip(yours, slopes, strict=True))
        verb = "take" if names[1:] or names == ["we"] else "takes"
        sentences.append(
            f"so it is in {names_written}" if alike else f"{names_written} {verb} {_listed(slopes)}"
        )
    return "; ".join(sentences)


def _kink_note(measured: Measured, row: int) -> str:
    note = _convention(measured, row)
    return f"{note}; no library takes yours" if measured.offered.right in _SPELLED else note


def _listed(slopes: Sequence[float]) -> str:
    texts = ["½" if slope == 0.5 else f"{slope:g}" for slope in slopes]
    return texts[0] if len({*texts}) == 1 and len(texts) == 1 else " and ".join(texts)


def _libraries(name: str, operands: int) -> Iterator[tuple[str, tuple[float, ...]]]:
    """What the libraries take at the operation's first kink."""
    rows = [row for row in conventions().rows if row.of == _SPELLED.get(name)]
    for row in rows[:1]:
        for library, numbers in row.numbers.items():
            yield library, tuple(float(numbers[f"∂{'xy'[k]}"]) for k in range(operands))


# Known mistakes of a rule

_Prediction: TypeAlias = Callable[[Array, Array, Array], Any]
"""From the points (a column for each operand), the value and the right derivative."""


def _x(points: Array) -> Array:
    return np.asarray(points[:, 0])


def _sech2(z: Any) -> Any:
    return 1 - np.tanh(z) ** 2


def _sigma(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _sigma_prime(z: Any) -> Any:
    return _sigma(z) * (1 - _sigma(z))


def _gelu_tanh_prime(x: Any) -> Any:
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * (x + 0.044715 * x**3))
    return (1 + t) / 2 + x * (1 - t * t) / 2 * c * (1 + 3 * 0.044715 * x * x)


def _phi(x: Any) -> Any:
    return np.array([0.5 * math.erfc(-float(z) / math.sqrt(2)) for z in np.ravel(x)])


def _gelu_prime(x: Any) -> Any:
    return _phi(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


_KNOWN: dict[str, list[tuple[str, int, _Prediction]]] = {
    "tanh": [
        ("wrong_variable", 0, lambda p, y, d: 1 - _x(p) ** 2),
        ("wrong_variable", 0, lambda p, y, d: _sech2(y)),
        ("square_lost", 0, lambda p, y, d: 1 - y),
        ("half_a_rule", 0, lambda p, y, d: -(y**2)),
    ],
    "sigmoid": [
        ("wrong_variable", 0, lambda p, y, d: _x(p) * (1 - _x(p))),
        ("wrong_variable", 0, lambda p, y, d: _sigma_prime(y)),
        ("half_a_rule", 0, lambda p, y, d: y),
        ("half_a_rule", 0, lambda p, y, d: 1 - y),
    ],
    "exp": [
        ("wrong_variable", 0, lambda p, y, d: _x(p)),
        ("wrong_variable", 0, lambda p, y, d: np.exp(y)),
        ("power_rule_on_exponential", 0, lambda p, y, d: _x(p) * np.exp(_x(p) - 1)),
    ],
    "exponential 2": [
        ("half_a_rule", 0, lambda p, y, d: y),
        ("power_rule_on_exponential", 0, lambda p, y, d: _x(p) * 2.0 ** (_x(p) - 1)),
    ],
    "log": [
        ("wrong_variable", 0, lambda p, y, d: 1 / y),
        ("wrong_variable", 0, lambda p, y, d: np.exp(-y) / _x(p)),
    ],
    "sqrt": [
        ("wrong_variable", 0, lambda p, y, d: 0.5 / _x(p)),
        ("wrong_variable", 0, lambda p, y, d: 0.5 / np.sqrt(y)),
    ],
    "relu": [
        ("gate_forgotten", 0, lambda p, y, d: np.ones_like(y)),
        ("gate_reversed", 0, lambda p, y, d: 1 - d),
    ],
    "leaky_relu": [
        ("gate_forgotten", 0, lambda p, y, d: np.ones_like(y)),
        ("half_a_rule", 0, lambda p, y, d: np.where(_x(p) > 0, 1.0, 0.0)),
        ("gate_reversed", 0, lambda p, y, d: d.min() + d.max() - d),
    ],
    "elu": [("wrong_variable", 0, lambda p, y, d: np.where(_x(p) > 0, 1.0, y))],
    "abs": [("gate_forgotten", 0, lambda p, y, d: np.ones_like(y))],
    "sin": [("wrong_variable", 0, lambda p, y, d: np.cos(y)),
            ("other_function", 0, lambda p, y, d: y)],
    "cos": [("wrong_variable", 0, lambda p, y, d: -np.sin(y)),
            ("other_function", 0, lambda p, y, d: y)],
    "silu": [
        ("half_a_rule", 0, lambda p, y, d: _sigma(_x(p))),
        ("half_a_rule", 0, lambda p, y, d: _x(p) * _sigma_prime(_x(p))),
        ("other_function", 0, lambda p, y, d: _sigma_prime(_x(p))),
    ],
    "softplus": [("other_function", 0, lambda p, y, d: _sigma_prime(_x(p)))],
    "multiply": [
        ("operands_swapped", 0, lambda p, y, d: p[:, 0]),
        ("operands_swapped", 1, lambda p, y, d: p[:, 1]),
    ],
    "divide": [
        ("square_lost", 1, lambda p, y, d: -p[:, 0] / p[:, 1]),
        ("half_a_rule", 1, lambda p, y, d: -1 / p[:, 1] ** 2),
        ("operands_swapped", 0, lambda p, y, d: -p[:, 0] / p[:, 1] ** 2),
        ("operands_swapped", 1, lambda p, y, d: 1 / p[:, 1]),
    ],
    "raise_to": [
        ("half_a_rule", 1, lambda p, y, d: y),
        ("exponent_lost", 0, lambda p, y, d: p[:, 0] ** (p[:, 1] - 1)),
        ("power_not_lowered", 0, lambda p, y, d: p[:, 1] * y),
        ("operands_swapped", 0, lambda p, y, d: y * np.log(p[:, 0])),
        ("operands_swapped", 1, lambda p, y, d: p[:, 1] * p[:, 0] ** (p[:, 1] - 1)),
    ],
    **{
        form: [
            ("half_a_rule", 0, lambda p, y, d: y / _x(p)),
            ("forms_mixed", 0, lambda p, y, d: _gelu_prime(_x(p))),
            ("forms_mixed", 0, lambda p, y, d: _gelu_tanh_prime(_x(p))),
            ("forms_mixed", 0, lambda p, y, d: _sigma(1.702 * _x(p))
             + 1.702 * _x(p) * _sigma_prime(1.702 * _x(p))),
        ]
        for form in ("gelu", "gelu_tanh", "gelu_sigmoid")
    },
    **{
        name: [
            ("gradient_to_both", 0, lambda p, y, d: np.ones_like(y)),
            ("gradient_to_both", 1, lambda p, y, d: np.ones_like(y)),
            ("gate_reversed", 0, lambda p, y, d: 1 - d),
            ("gate_reversed", 1, lambda p, y, d: 1 - d),
        ]
        for name in ("maximum", "minimum")
    },
    "softmax": [
        ("softmax_diagonal", 1, lambda p, y, d: np.zeros_like(y)),
        ("softmax_diagonal", 2, lambda p, y, d: np.zeros_like(y)),
        ("half_a_rule", 0, lambda p, y, d: y),
    ],
}  # fmt: skip
"""By the operation: a mistake's name, the operand, and the derivatives that it gives."""


def _known(measured: Measured, k: int) -> Iterator[tuple[str, _Prediction]]:
    name = measured.offered.right
    for mistake, operand, predict in _KNOWN.get(name, ()):
        if operand == k:
            yield mistake, predict
    if name.startswith("power"):
        c = float(name.split()[1])
        yield "power_not_lowered", lambda p, y, d: c * y
        yield "exponent_lost", lambda p, y, d: _x(p) ** (c - 1)
        yield "wrong_variable", lambda p, y, d: c * y ** (c - 1)
    lost = "gradient_lost" if len(measured.operands) == 1 else "operand_forgotten"
    yield lost, lambda p, y, d: np.zeros_like(d)
    yield "wrong_sign", lambda p, y, d: -d
    if measured.seed_is_value:  # what was found has been divided by the value
        yield "upstream_gradient_lost", lambda p, y, d: d / y
        yield "upstream_gradient_added", lambda p, y, d: d / y + 1


_PLAIN = ("operand_forgotten", "gradient_lost", "wrong_sign", "gate_forgotten", "gradient_to_both",
          "upstream_gradient_lost", "upstream_gradient_added")  # fmt: skip
"""What a factor makes nothing else of."""


def symptoms(measured: Measured) -> list[Symptom]:
    """Explain what is wrong with an operation by known mistakes."""
    overflow = _overflow(measured) if measured.failed.keys() - {"second derivatives"} else []
    found: list[Symptom] = []
    if "values" in measured.failed and not overflow:
        found += _value_mistakes(measured)
    if "derivatives" in measured.failed and not found:
        for j, k in enumerate(measured.operands):
            found += _rule_mistakes(measured, j, k)
        if found and "values" not in measured.failed:
            return found  # a wrong rule's own numbers overflow
        if not found and not overflow:
            found += _at_kinks(measured)
    return overflow + found


def _promised(measured: Measured, column: int) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(measured.right.bounds[:, column]))


def _agree(got: Array, want: Any, measured: Measured, column: int, rows: Any) -> bool:
    """Whether a mistake's numbers are those found, and explain at least one that is not right."""
    want = np.broadcast_to(np.asarray(want, float), got.shape)
    right, bounds = measured.right.numbers[:, column], measured.right.bounds[:, column]
    relative = bounds / np.maximum(np.abs(right), bounds)
    near = np.maximum(1e-4 if measured.single else 1e-11, 8 * np.minimum(relative, 1e-3))
    use = rows & np.isfinite(want) & (np.abs(want) < 1e200) & np.isfinite(got)
    fits = np.abs(got - want) <= 8 * bounds + near * np.abs(want)
    explained = use & ~(np.abs(got - right) <= bounds) & (np.abs(want - right) > bounds)
    return bool(use.sum() >= 5 and fits[use].all() and explained.any())


@np.errstate(all="ignore")
def _rule_mistakes(measured: Measured, j: int, k: int) -> list[Symptom]:
    """Name what explains the derivative by operand k, which is the j-th node."""
    right, column = measured.right, 1 + k
    rows = _promised(measured, column)
    got, want = measured.firsts[:, j], right.numbers[:, column]
    off = rows & ~(np.abs(got - want) <= right.bounds[:, column])
    if not off.any():
        return []
    y = right.numbers[:, 0]
    usual = rows & (np.abs(right.points) < 1e4).all(axis=1)
    for mistake, predict in _known(measured, k):
        predicted = predict(right.points, y, want)
        if _agree(got, predicted, measured, column, usual):
            return [_symptom(measured, mistake, j, k, np.asarray(predicted, float))]
    if len(measured.operands) == 2:
        other = right.numbers[:, 1 + (1 - k)]
        if _agree(got, other, measured, column, usual):
            return [_symptom(measured, "operands_swapped", j, k, other)]
    scaled = [each for each in _known(measured, k) if each[0] not in _PLAIN]
    right_one: tuple[str, _Prediction] = ("", lambda p, y, d: d)
    for mistake, predict in [right_one, *scaled]:
        predicted = np.asarray(predict(right.points, y, want), float)
        use = usual & (np.abs(predicted) > 1e-6) & np.isfinite(predicted) & np.isfinite(got)
        if use.sum() < 5:
            continue
        factor = float(np.median(got[use] / predicted[use]))
        if factor and _agree(got, factor * predicted, measured, column, usual):
            extra = "wrong_sign" if abs(factor + 1) < 1e-9 else "constant_factor"
            return [_symptom(measured, name, j, k, factor * predicted)
                    for name in (mistake, extra) if name]  # fmt: skip
    return []


def _symptom(measured: Measured, mistake: str, j: int, k: int, predicted: Array) -> Symptom:
    """Choose the point that shows a mistake best: where it is furthest off, near the middle."""
    right = measured.right
    want, got = right.numbers[:, 1 + k], measured.firsts[:, j]
    use = _promised(measured, 1 + k) & np.isfinite(predicted) & np.isfinite(got)
    use &= (np.abs(right.points) < 10).all(axis=1)
    apart = np.where(use, np.abs(got - want) / (1 + np.abs(want)), -1)
    row = int(np.argmax(apart))
    by = f" by {'xyz'[k]}" if right.points.shape[1] > 1 else ""
    return Symptom(
        mistake,
        measured.offered.name,
        f"At {_at(measured, row)} the slope of {measured.offered.name}{by} is "
        f"{got[row]:.12g}, right is {want[row]:.12g}, and this mistake gives {predicted[row]:.12g}",
    )


def _at_kinks(measured: Measured) -> Iterator[Symptom]:
    """Name the slopes at kinks that no one takes."""
    name, finding = measured.offered.right, measured.failed["derivatives"]
    mistakes = {"relu": "relu_slope_at_zero", "maximum": "tie_counted_twice",
                "minimum": "tie_counted_twice"}  # fmt: skip
    if name in mistakes and finding.note:
        yield Symptom(mistakes[name], measured.offered.name, finding.note)


@np.errstate(all="ignore")
def _overflow(measured: Measured) -> list[Symptom]:
    """Where numbers fail at large operands alone, by an overflow between."""
    right = measured.right
    large = (np.abs(right.points) > 80 if measured.single else np.abs(right.points) > 300).any(
        axis=1
    )
    columns = [(measured.values, 0)]
    columns += [(measured.firsts[:, j], 1 + k) for j, k in enumerate(measured.operands)]
    broken = np.zeros(len(right.points), bool)
    for got, column in columns:
        broken |= _promised(measured, column) & ~np.isfinite(got)
    if not broken.any() or (broken & ~large).any():
        return []
    row = int(np.argmax(broken))
    trial = measured.trials[row]
    shown = (
        trial.value
        if isinstance(trial.value, Failure) or not isinstance(trial.firsts, Failure)
        else trial.firsts
    )
    return [
        Symptom(
            "overflow",
            measured.offered.name,
            f"At {_at(measured, row)} {measured.offered.name} gives {_written(shown)}; right is "
            f"{right.numbers[row, 0]:.12g}",
        )
    ]


@np.errstate(all="ignore")
def _value_mistakes(measured: Measured) -> list[Symptom]:
    """Name what explains wrong values: the operands of a reflected operator taken as they stand."""
    name, right = measured.offered.right, measured.right
    if measured.offered.constant == 0:
        failures = [trial.value for trial in measured.trials if isinstance(trial.value, Failure)]
        if len(failures) == len(measured.trials):
            return [Symptom("reflected_operand_missing", measured.offered.name,
                            f"{measured.offered.name} raises {failures[0]}")]  # fmt: skip
        points = right.points
        reflected: Mapping[str, Any] = {
            "subtract": points[:, 1] - points[:, 0],
            "divide": points[:, 1] / points[:, 0],
        }
        usual = _promised(measured, 0) & (np.abs(points) < 1e4).all(axis=1)
        if name in reflected and _agree(measured.values, reflected[name], measured, 0, usual):
            row = int(np.argmax(usual & (measured.values != right.numbers[:, 0])))
            return [Symptom("reflected_operands_swapped", measured.offered.name,
                            f"At {_at(measured, row)} it is {measured.values[row]:.12g}, right is "
                            f"{right.numbers[row, 0]:.12g}")]  # fmt: skip
    return []
