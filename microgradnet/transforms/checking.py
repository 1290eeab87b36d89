"""Gradients held against numerical differentiation, input by input.

Two numbers are held against the gradient, neither of which knows the derivative rules:

The complex step: f's graph is evaluated once more in dual numbers, whose elementary functions are
differentiated by Im f(x + ih) / h (`microgradnet.complex_step`). They say how far they may be off,
and the gradient lies within the roundings of its rules, each carried along all paths to the input.

The central difference of four points, f itself being called anew: so it sees also what the graph
does not, as a detached node or a number that f computed from another's data. Its bound is how far
it lies from the one of two points, which is far worse, and the roundings of f over the step.

At a kink any number between the slopes of its two sides is right. Where there is no number to
compare with, beyond the end of the domain or at an infinite slope, there is no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from microgradnet.arithmetic import coerce, ieee
from microgradnet.chain_rule import edges
from microgradnet.complements import evaluation
from microgradnet.complex_step import Dual, KinkError, complex_step
from microgradnet.engine import Value
from microgradnet.numerals import full_numeral, numeral
from microgradnet.transforms.derivatives import Function, Trace, arguments
from microgradnet.transforms.nesting import nested, places

__all__ = ["GradientCheck", "GradientError", "check_grad"]

_U = 2.0**-53
_TINY = 2.0**-1022
_LEAST = 2.0**-1074
_ROUNDINGS = 64  # of an operation's value or rule: some library functions, of 8 each, and products


@dataclass(frozen=True)
class GradientCheck:
    """Hold one input's gradient, beside what numerical differentiation says."""

    input: str
    """Which argument, and which entry of it: args[0], args[1][2]."""
    at: float
    gradient: float
    difference: float
    """The central difference quotient; NaN where there is none."""
    step: float
    difference_bound: float
    """How far it may be from the gradient, by truncation and rounding; at a kink, each side."""
    sides: tuple[float, float] | None
    """At a kink, the slopes on its two sides."""
    complex_step: float
    """The derivative by complex steps; NaN where there is none."""
    complex_bound: float
    """How far it may be from the gradient, by rounding."""

    @property
    def holds(self) -> bool:
        """Tell whether each of the two numbers, where there is one, lies within its bound."""
        if self.sides is not None and math.isnan(self.gradient):
            return True
        if self.sides is not None:
            low, high = sorted(self.sides)
            bound = self.difference_bound
            differs = not low - bound <= self.gradient <= high + bound
        else:
            differs = _differs(self.gradient, self.difference, self.difference_bound)
        # at an infinite slope the function goes on nowhere
        return not differs and (
            math.isinf(self.gradient)
            or not _differs(self.gradient, self.complex_step, self.complex_bound)
        )

    def __str__(self) -> str:
        sides = [numeral(slope, 6) for slope in self.sides or ()]
        kink = f", a kink of slopes {' and '.join(sides)}" if sides else ""
        return (
            f"{self.input} = {full_numeral(self.at)}: gradient {full_numeral(self.gradient)}, "
            f"central difference {full_numeral(self.difference)} ± "
            f"{numeral(self.difference_bound, 2)} (step {numeral(self.step, 2)}{kink}), "
            f"complex step {full_numeral(self.complex_step)} ± {numeral(self.complex_bound, 2)}"
        )


class GradientError(AssertionError):
    """Say that a gradient is wrong. Its `checks` are those of all inputs."""

    checks: tuple[GradientCheck, ...]


def check_grad(f: Function, args: Sequence[Any]) -> tuple[GradientCheck, ...]:
    """Hold the gradient of f at args against central differences and the complex step.

    Every number in the arguments is an input; f must give one number. Returns a check for each
    input, or raises GradientError, an AssertionError, that lists those which fail. All is done in
    floats. For a second derivative, check `grad(f)`.

    >>> [check] = check_grad(lambda x: x.tanh(), [0.5])
    >>> check.holds, f"{check.gradient:.12f} {check.difference:.8f} {check.complex_step:.12f}"
    (True, '0.786447732966 0.78644773 0.786447732966')
    >>> from microgradnet import operation
    >>> @operation(lambda m, g, y, x: (g * y,))
    ... def gauss(m, x):
    ...     return m.exp(-x * x)
    >>> check_grad(gauss, [0.5])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    microgradnet.transforms.checking.GradientError: the gradient is wrong at 1 of 1 inputs
      args[0] = 0.5: gradient 0.7788..., central difference −0.7788... complex step −0.7788...
    """
    inputs = [(f"args{place}", _float(x)) for place, x in places(arguments(args))]
    xs = [x for _, x in inputs]

    def value(*xs: float) -> float:
        # Recorded: of 1 − σ(x) without a graph the digits would be lost.
        return _float(f(*nested(map(Value, xs), like=list(args))))

    trace = Trace(f, nested(xs, like=list(args)), {}, range(len(args)))
    if isinstance(trace.result, (list, tuple)):
        raise TypeError("check_grad is for a function with one number, not for a list of them")
    here = _float(trace.outputs[0])
    gradients = [_float(g) for g in trace.vjp([1])]
    terms = _terms(trace)
    checks = []
    for k, (place, x) in enumerate(inputs):
        _same_again(here, value(*xs), xs)
        node = trace.inputs[k]
        rounding = terms.errors.get(node, 0.0)
        stepped, off, noise = _complex_step(trace, node, terms.sizes)
        central = _central(partial(_with, value, xs, k), x, here, terms.noise + noise, node, terms)
        checks.append(GradientCheck(place, x, gradients[k], *central, stepped, rounding + off))
    _same_again(here, value(*xs), xs)
    wrong = [check for check in checks if not check.holds]
    if wrong:
        error = GradientError(
            f"the gradient is wrong at {len(wrong)} of {len(checks)} inputs\n"
            + "\n".join(f"  {check}" for check in wrong)
            + _LOST * (not isinstance(trace.result, Value))
        )
        error.checks = tuple(checks)
        raise error
    return tuple(checks)


_LOST = (
    "\nIt gave a plain number and no Value: math.exp and the like take the number out of a node, "
    "and the gradient ends there; exp and x.exp() of microgradnet keep it"
)


def _with(f: Callable[..., float], xs: Sequence[float], k: int, x: float) -> float:
    """Call f where the k-th number is another one."""
    return f(*xs[:k], x, *xs[k + 1 :])


def _float(x: Any) -> float:
    return ieee.convert(coerce(x.data if isinstance(x, Value) else x))


def _differs(gradient: float, other: float, bound: float) -> bool:
    if not (math.isfinite(other) and math.isfinite(bound)):
        return False  # there is no verdict
    return not abs(gradient - other) <= bound  # nor is a gradient right that is NaN


def _same_again(first: float, again: float, xs: Sequence[float]) -> None:
    """Raise ValueError where f's second value at the same numbers is another one."""
    if first != again and not (math.isnan(first) and math.isnan(again)):
        raise ValueError(
            f"the function gives another value each time: {first!r}, then {again!r}, both at "
            f"{', '.join(map(repr, xs))}. It has no gradient to check: draw its random numbers "
            "before, or seed them within"
        )


class _Terms(NamedTuple):
    """Hold what local derivatives say of each node's adjoint, and of the rounding error of f."""

    sizes: dict[Value, float]
    """Σ|terms|, the products of local derivatives summed over all paths to the output."""
    errors: dict[Value, float]
    """How far rounding may have moved it."""
    changes: dict[Value, float]
    """|x|·|∂/∂x| of it, as far as its own operations go: how fast it changes with its node."""
    noise: float


def _terms(trace: Trace) -> _Terms:
    """Walk the graph backwards once, by absolute values.

    A local derivative is rounded by itself and by what a rounded operand, or terms that cancel in
    it, may bring: |∂y/∂x| + |x ∂²y/∂x²|, the second by a difference. And a product may underflow.
    """
    [output] = trace.outputs
    sizes, errors, noise = {output: 1.0}, {output: 0.0}, abs(_float(output)) * _U
    changes: dict[Value, float] = {}
    for y, _, x, (slope, change) in edges(trace.path, sizes, lambda y, _: _sensitive(y)):
        error = sizes[y] * ((_ROUNDINGS + 1) * slope + _ROUNDINGS * change) * _U
        sizes[x] = sizes.get(x, 0.0) + sizes[y] * slope
        changes[x] = changes.get(x, 0.0) + sizes[y] * change
        errors[x] = errors.get(x, 0.0) + errors[y] * slope + error + _ROUNDINGS * _LEAST
    for node in reversed(trace.path):
        error = _ROUNDINGS * _U * sizes[node] * max(abs(_float(node)), _TINY)
        noise += error if math.isfinite(error) else 0.0
    return _Terms(sizes, errors, changes, noise)


def _sensitive(node: Value) -> list[tuple[float, float]]:
    """Measure each local derivative, and how much more than in proportion it may change."""
    op: Any = node.op
    xs = [_float(x) for x in node.parents]
    nudge = 2.0**-20
    nudged = [
        x + nudge * (-1) ** k * math.copysign(max(abs(x), _TINY), x) if x else x
        for k, x in enumerate(xs)
    ]
    partials = zip(op.vjp(1.0, *xs), op.vjp(1.0, *nudged), strict=True)
    return [(abs(p), abs(q - p) / nudge if math.isfinite(q) else 0.0) for p, q in partials]


def _complex_step(
    trace: Trace, variable: Value, sizes: dict[Value, float]
) -> tuple[float, float, float]:
    """Differentiate by one input, by the complex step; say how far that, and f, may be off."""
    tangents = {variable: 1.0}
    off = noise = 0.0
    for node in trace.path:
        op: Any = node.op
        forward, nodes = evaluation(op, node.parents)
        if not any(other in tangents for other in nodes):
            continue
        operands = [Dual(_float(other), tangents.get(other)) for other in nodes]
        try:
            dual = complex_step.convert(forward(complex_step, *operands))
        except (KinkError, TypeError):  # or an operation not written against the arithmetic
            return math.nan, math.nan, 0.0
        tangents[node] = dual.tangent
        off += sizes[node] * (dual.tangent_error + _LEAST)
        error = sizes[node] * dual.error
        noise += error if math.isfinite(error) or math.isinf(dual.error) else 0.0
    return tangents.get(trace.outputs[0], 0.0), off, noise


_STEPS = (2.0**-9, 2.0**-12, 2.0**-15, 2.0**-18, 2.0**-21)


def _central(
    f: Callable[[float], float], x: float, y: float, noise: float, node: Value, terms: _Terms
) -> tuple[float, float, float, tuple[float, float] | None]:
    """Take the central difference of four points, its step and bound, and at a kink the sides.

    The truncation is at most how far the quotient lies from that of two points and from that of
    the next shorter step, both together; of several steps the one with the smallest bound is taken.
    With the step ought to shrink the differences between the points, else f jumps, or waves faster
    than any step, and there is no verdict; and so ought the difference between the slopes of the
    two sides: what would be left of it at step 0 is a kink. Where the slope says of itself that it
    changes far more within the step than f does, f waves too.
    """
    slope_noise = terms.errors.get(node, 0.0)
    slope_noise = slope_noise if math.isfinite(slope_noise) else 0.0
    quotients: list[_Quotient] = []
    for relative in _STEPS:
        h = relative * math.ldexp(1.0, min(1023, max(-900, math.frexp(x)[1])) if x else 0)
        left, right = f(x - h), f(x + h)
        four = (8 * (right - left) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)
        # The rounding errors of f at x, and what they may differ by over the step; those of x ± h.
        rounding = 2 * noise / h + 4 * slope_noise + abs(four * x) * 4 * _U / h
        quotients.append(_Quotient(h, four, rounding, (y - left) / h, (right - y) / h))
    before, last = quotients[-2:]
    # Where y″ is what the rule says, f moves by y″h² at least, over h, and beyond its roundings.
    curvature = terms.changes.get(node, 0.0) * (last.step / abs(x)) * last.step if x else 0.0
    most = 2**10 * (last.spread + last.rounding * last.step)
    if (
        math.isnan(most)
        or curvature > most
        or any(shorter.spread > q.spread / 2 for q, shorter in pairwise(quotients[1:]))
    ):
        return math.nan, last.step, math.nan, None
    if abs(last.kink(before)) > 4 * last.rounding:
        truncation = max(abs(last.left - before.left), abs(last.right - before.right))
        return last.four, last.step, truncation + last.rounding, (last.left, last.right)
    bounds = []
    for q, shorter in pairwise([*quotients, before]):
        truncation = abs(q.four - (q.left + q.right) / 2) + abs(q.four - shorter.four)
        # A kink within the step moves the quotient by half of it, and rounding may hide one.
        hidden = abs(shorter.kink(q)) / 2 + 2 * shorter.rounding
        bounds.append((truncation + hidden + q.rounding, q))
    bound, best = min(
        (row for row in bounds if not math.isnan(row[0])),
        key=lambda row: row[0],
        default=(math.nan, last),
    )
    return best.four, best.step, bound, None


class _Quotient(NamedTuple):
    """Hold what the points around x say with one step."""

    step: float
    four: float
    rounding: float
    left: float
    right: float

    @property
    def spread(self) -> float:
        return self.step * max(abs(self.left), abs(self.right))

    def kink(self, other: _Quotient) -> float:
        """Extrapolate the right slope less the left one to the step 0, linearly."""
        bend, others = self.right - self.left, other.right - other.left
        return (other.step * bend - self.step * others) / (other.step - self.step)
