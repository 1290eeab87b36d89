"""The oracles of the table of operations behind one interface, value, first and second derivative.

Each knows the operation by its forward function or by its name alone, and says a number and how far
that may be from the true one, or nothing where it has no say. What is judged, the engine on floats
or the lifted program, has a bound of its own; the two numbers may lie as far apart as both.

    mpmath       difference quotients of the forward function, at hundreds of digits
    SymPy        sympy.diff of the forward function's formula, put into numbers at 50 digits
    PyTorch      float64, where it has such a function
    complex step Im f(x + ih) / h, of the forward function; of the gradient for the second
    differences  central ones of the value, by `check_grad`; of the gradient for the second
    lifted       the NumPy program of the operation's graph, and of its gradient's graph
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import combinations_with_replacement
from typing import Any, NamedTuple, TypeAlias

from mpmath import mp, mpf

from microgradnet import GradientError, Value, check_grad, grad, lift
from microgradnet.operation import Operation
from microgradnet.transforms.checking import GradientCheck
from support.oracles import (
    ACCURACY,
    UNKNOWN,
    U,
    _bound,
    _rule,
    _sensitivity,
    _slope,
    _value,
    operands,
    running_error,
    second_slope,
)

__all__ = [
    "ORACLES",
    "Estimate",
    "Oracle",
    "engine",
    "judge",
    "lifted",
    "lifted_program",
    "orders",
    "points",
]

Point: TypeAlias = "tuple[float, ...]"
Order: TypeAlias = "tuple[int, ...]"
"""() for the value, (k,) for ∂/∂xₖ, (j, k) for ∂²/∂xⱼ∂xₖ."""


class Estimate(NamedTuple):
    """A number, and how far it may be from the true one."""

    number: Any
    error: Any


class Oracle(NamedTuple):
    """What it says of an operation at a point; and the relative error it is promised to notice."""

    says: Callable[[Operation, Point, Order], Estimate | None]
    finest: float


def orders(op: Operation, most: int = 2) -> list[Order]:
    """Value, first and second derivatives."""
    n = range(operands(op))
    found: list[Order] = [()]
    for order in range(1, most + 1):
        found += combinations_with_replacement(n, order)
    return found


_ALONE = (-18.5, -1.3, -0.7, -1e-8, 0.25, 1.3, 2.6, 30.0)
_TOGETHER = (-1.3, 0.7, 0.25, 2.6, -0.7, 1e-3, 1.5, 19.0)


def points(op: Operation) -> list[Point]:
    """A few points: in the tails, near 0 and between, off all kinks."""
    n = operands(op)
    if n == 1:
        return [(x,) for x in _ALONE]
    found = [tuple(_TOGETHER[(i + k * (i + 2)) % 8] for k in range(n)) for i in (0, 1, 3, 5)]
    # below what `clip` lets through, and the third the least
    return [*found, (-0.7, 0.25, 1.5), (1.5, 0.75, -0.7)] if n == 3 else found


def judge(
    says: Callable[[Operation, Point, Order], Estimate | None],
    oracle: str,
    op: Operation,
    xs: Point,
    order: Order,
    right: Operation | None = None,
) -> bool:
    """Raise AssertionError where both have a number, and these lie too far apart.

    Where there is no derivative, at kinks and beyond the domain, no one is asked: False. The oracle
    is asked about `right`, where that is another operation.
    """
    right = right or op
    if mpmath(right, xs, order) is None:
        return False
    want, got = ORACLES[oracle].says(right, xs, order), says(op, xs, order)
    if want is None or got is None or not (mp.isfinite(want.number) and mp.isfinite(want.error)):
        return False
    with mp.workdps(60):
        apart, bound = abs(mpf(got.number) - mpf(want.number)), mpf(got.error) + mpf(want.error)
    assert apart <= bound, (
        f"{order} of {op!r} at {xs}: {got.number!r}, but by {oracle} {mp.nstr(want.number, 20)}, "
        f"{mp.nstr(apart, 3)} apart and not {mp.nstr(bound, 3)}"
    )
    return True


# What is judged


def engine(op: Operation, xs: Point, order: Order) -> Estimate | None:
    """The scalar engine, by recording and `backward`."""
    leaves = [Value(x) for x in xs]
    node = op(*leaves)
    if not order:
        counts, size = ACCURACY.get(op.name, UNKNOWN).value, mpf(0)
        if counts[1]:
            size = mpf(sum(abs(x * g) for x, g in zip(xs, op.vjp(1.0, *xs), strict=True)))
        return Estimate(node.data, _bound(counts, xs, mpf(node.data), size))
    if len(order) == 1:
        node.backward()
        found, counts = leaves[order[0]].grad, ACCURACY.get(op.name, UNKNOWN).slope
        slope = _rule(op, xs, _value(op.forward, xs))[order[0]]
        size = _sensitivity(op, xs, order[0], slope) if counts[1] else 0
        return Estimate(found, _bound(counts, xs, mpf(found), size))
    return _second(op, xs, *order)


def _second(op: Operation, xs: Point, j: int, k: int) -> Estimate:
    leaves = [Value(x) for x in xs]
    first = op(*leaves).backward(create_graph=True)[leaves[j]]
    second = first.backward(create_graph=True)[leaves[k]]
    return Estimate(second.data, running_error(second, leaves))


# The oracles


@cache
def mpmath(op: Operation, xs: Point, order: Order) -> Estimate | None:
    """To twenty digits and more, whatever the point."""
    if not order:
        found = _value(op.forward, xs)
    elif len(order) == 1:
        found = _slope(op.forward, xs, order[0])
    else:
        found = second_slope(op, xs, *order)
    if found is None or not mp.isfinite(found) or abs(found) > mpf("1e290"):
        return None
    return Estimate(found, mpf("1e-19") * abs(found) + mpf("1e-25"))


def lifted(op: Operation, xs: Point, order: Order) -> Estimate | None:
    """The program of the operation, or of its first derivative, where these are no constants."""
    if len(order) < 2:
        program = lifted_program(op)
        found = program.value_and_grad([xs])[1][order[0]] if order else program.value([xs])[0]
    else:
        program = _first(op, xs, order[0])
        found = 0.0 if program is None else program.value_and_grad([xs])[1][order[1]]
    x, size = float(found), _condition(op, xs, order)
    # The programs' softmax has 1 − s as a difference, so to u absolutely.
    whole = 1 if op.name in ("softmax_component", "log_sum_exp") else 0
    error = U * 128 * (abs(x) + size + whole)
    if len(order) == 2:  # terms that cancel, as those of σ″ at 0, do so in the engine's graph too
        error += 2 * mpf(_second(op, xs, *order).error)
    return Estimate(x, error)


@cache
def lifted_program(op: Operation) -> Any:
    """The program of y = op(x + w): its gradients by w at w = 0 are those by x."""
    y, inputs, shifts = _shifted(op, (0.5, 0.75, 0.25, 0.375, 0.625)[: operands(op)])
    return lift(y, inputs, parameters=shifts)


def _first(op: Operation, xs: Point, j: int) -> Any:
    """The program of ∂y/∂wⱼ; its branches are those taken at the point."""
    y, inputs, shifts = _shifted(op, xs)
    first = y.backward(create_graph=True)[shifts[j]]
    if not first.parents:
        return None
    return lift(first, inputs, parameters=shifts)


def _shifted(op: Operation, xs: Point) -> tuple[Value, list[Value], list[Value]]:
    inputs, shifts = [Value(x) for x in xs], [Value(0.0) for _ in xs]
    return op(*(x + w for x, w in zip(inputs, shifts, strict=True))), inputs, shifts


@cache
def _condition(op: Operation, xs: Point, order: Order) -> float:
    """Σⱼ |xⱼ ∂/∂xⱼ| of the value or derivative: what a rounded operand makes of it."""

    def along(*points: Any) -> Any:
        f: Any = op
        for k in order:
            f = grad(f, k)
        return f(*points)

    with mp.workdps(60):
        here = along(*map(mpf, xs))
        total = mpf(0)
        for j, x in enumerate(xs):
            nudge = mpf("1e-20")
            there = along(*map(mpf, xs[:j]), x * (1 + nudge), *map(mpf, xs[j + 1 :]))
            total += abs(there - here) / nudge
        return float(total)


@cache
def pytorch(op: Operation, xs: Point, order: Order) -> Estimate | None:
    """With an absolute error: its formulas pass through numbers of size 1, as tanh′ = 1 − y²."""
    import torch

    function = torch_functions(torch).get(op.name)
    beyond = op.name == "softplus" and xs[0] >= 20  # the identity there
    if function is None or beyond or (op.name == "hard_sigmoid" and len(order) == 2):
        return None
    columns = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in xs]
    found = function(*columns, **op.parameters)
    for k in order:
        if not found.requires_grad:
            return Estimate(0.0, 0.0)
        slopes = torch.autograd.grad(found, columns, create_graph=True, allow_unused=True)
        found = torch.zeros(()) if slopes[k] is None else slopes[k]
    single = op.name == "hard_sigmoid"  # whose ⅙ is in single precision
    x = found.item()
    error = 1e-13 * (1 + abs(x) + _condition(op, xs, order))
    return Estimate(x, 1e-8 if single and order else error)


def torch_functions(torch: Any) -> dict[str, Callable[..., Any]]:
    """PyTorch's functions by the names of the table."""
    functions = torch.nn.functional
    same_name = (
        "abs exp expm1 log log1p sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh "
        "erf erfc sigmoid relu maximum minimum xlogy add subtract multiply divide negative "
        "log2 log10 atan2 logit sign floor ceil round remainder clip"
    )
    return {
        **{name: getattr(torch, name) for name in same_name.split()},
        "raise_to": torch.pow,
        # As a tensor: pow by a number 0.5 is a square root there, NaN at −inf, where IEEE has inf.
        "power_constant": lambda x, exponent=2: torch.pow(x, torch.full_like(x, exponent)),
        "exponential": lambda x, base=2: base**x,
        "leaky_relu": lambda x, slope=0.01: functions.leaky_relu(x, float(slope)),
        "elu": lambda x, alpha=1: functions.elu(x, alpha),
        "softplus": functions.softplus,
        "silu": functions.silu,
        "gelu": functions.gelu,
        "softsign": functions.softsign,
        "log_sigmoid": functions.logsigmoid,
        "relu6": functions.relu6,
        "celu": functions.celu,
        "selu": functions.selu,
        "mish": functions.mish,
        "degrees": torch.rad2deg,
        "radians": torch.deg2rad,
        "max": lambda *xs: torch.amax(torch.stack(xs), 0),
        "min": lambda *xs: torch.amin(torch.stack(xs), 0),
        "prod": lambda *xs: torch.prod(torch.stack(xs), 0),
        "var": lambda *xs, ddof=0: torch.var(torch.stack(xs), 0, correction=ddof),
        "std": lambda *xs, ddof=0: torch.std(torch.stack(xs), 0, correction=ddof),
        "hard_tanh": functions.hardtanh,
        "hard_sigmoid": functions.hardsigmoid,
        "log_sum_exp": lambda *xs: torch.logsumexp(torch.stack(xs), 0),
        "softmax_component": lambda *xs, index=0: torch.softmax(torch.stack(xs), 0)[index],
        "total": lambda x, y, z: x + y + z,
        "dot_product": lambda u, v, x, y: u * x + v * y,
        "weighted_sum": lambda w, v, a, c, b: w * a + v * c + b,
    }


def symbolic(op: Operation, xs: Point, order: Order) -> Estimate | None:
    """The formula is what the forward function gives on symbols; a parameter may be a float."""
    if op.parameters.get("base") == 0:
        return None  # SymPy has no derivative of 0 to the power x
    with mp.workdps(50):
        x = mpf(_formula(op, order)(*map(mpf, xs)))
        float_parameter = any(isinstance(p, float) for p in op.parameters.values())
        return Estimate(x, mpf("1e-14" if float_parameter else "1e-25") * (1 + abs(x)))


@cache
def _formula(op: Operation, order: Order) -> Callable[..., Any]:
    import sympy

    names = sympy.symbols(f"x:{operands(op)}", real=True)
    formula = op(*names)
    for k in order:
        formula = sympy.diff(formula, names[k])
    # What stands at a kink alone, where no one is asked.
    formula = formula.replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))
    return sympy.lambdify(names, formula, "mpmath")


@cache
def _checks(op: Operation, xs: Point, j: int | None) -> tuple[GradientCheck, ...]:
    try:
        return check_grad(op if j is None else grad(op, j), xs)
    except GradientError as error:  # who is wrong is for `judge` to say
        return error.checks


def complex_step(op: Operation, xs: Point, order: Order) -> Estimate | None:
    """Nothing cancels: within the roundings of all paths."""
    if not order:
        return None
    check = _checks(op, xs, order[0] if len(order) == 2 else None)[order[-1]]
    if math.isnan(check.complex_step):
        return None
    return Estimate(check.complex_step, check.complex_bound)


def differences(op: Operation, xs: Point, order: Order) -> Estimate | None:
    """Within truncation and rounding, which the quotients of several steps tell."""
    if not order:
        return None
    check = _checks(op, xs, order[0] if len(order) == 2 else None)[order[-1]]
    if math.isnan(check.difference) or check.sides is not None:
        return None
    return Estimate(check.difference, check.difference_bound)


ORACLES = {
    "mpmath": Oracle(mpmath, 2.0**-42),
    "SymPy": Oracle(symbolic, 2.0**-42),
    "PyTorch": Oracle(pytorch, 2.0**-22),
    "complex step": Oracle(complex_step, 2.0**-36),
    "differences": Oracle(differences, 2.0**-20),
    "lifted": Oracle(lifted, 2.0**-40),
}
