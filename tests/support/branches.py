"""What chooses beside what is infinite where it is not chosen, pair by pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from microgradnet import ops

__all__ = ["CHOOSING", "INNER", "PAIRS"]

F = Callable[[Any], Any]

INNER: dict[str, tuple[F, str]] = {
    "1/x": (lambda x: 1 / x, "+"),
    "1/x²": (lambda x: 1 / (x * x), "+"),
    "−1/x²": (lambda x: -1 / (x * x), "−"),
    "1 − 1/x²": (lambda x: 1 - 1 / x**2, "−"),
    "x**-2": (lambda x: x**-2, "+"),
    "x**-½": (lambda x: x**-0.5, "+"),
    "−x**-1.2": (lambda x: -(x**-1.2), "−"),
    "log x": (lambda x: ops.log(x), "−"),
    "−log x": (lambda x: -ops.log(x), "+"),
    "log₂ √x": (lambda x: ops.log2(ops.sqrt(x)), "−"),
    "logit x": (lambda x: ops.logit(x), "−"),
    "√x − 9": (lambda x: ops.sqrt(x) - 9, "−"),
    "9 − √x": (lambda x: 9 - ops.sqrt(x), "+"),
    "x**0.3 − 9": (lambda x: x**0.3 - 9, "−"),
    "9 − ∛x": (lambda x: 9 - ops.cbrt(x), "+"),
    "9 + 1/log x": (lambda x: 9 + 1 / ops.log(x), "+"),
    "xˣ − 9": (lambda x: x**x - 9, "−"),
    "9 + arcosh(1 + x)": (lambda x: 9 + ops.acosh(1 + x), "+"),
    "exp(1/x)": (lambda x: ops.exp(1 / x), "+"),
    "‖√x, x, x‖ + 9": (lambda x: ops.norm(ops.sqrt(x), x, x) + 9, "+"),
}
"""At x = 0 each is infinite, or its derivative is, or both. There it is above 8, or below −8."""

CHOOSING: dict[str, tuple[F, str]] = {
    "relu": (ops.relu, "−"),
    "leaky_relu, slope 0": (lambda u: ops.leaky_relu(u, slope=0), "−"),
    "elu, α 0": (lambda u: ops.elu(u, alpha=0), "−"),
    "relu6": (ops.relu6, "+−"),
    "hard_tanh": (ops.hard_tanh, "+−"),
    "hard_sigmoid": (ops.hard_sigmoid, "+−"),
    "maximum": (lambda u: ops.maximum(u, -3.0), "−"),
    "maximum, second": (lambda u: ops.maximum(-3.0, u), "−"),
    "minimum": (lambda u: ops.minimum(u, 3.0), "+"),
    "minimum, second": (lambda u: ops.minimum(3.0, u), "+"),
    "the largest": (lambda u: ops.max(-4.0, u, -3.0), "−"),
    "the smallest": (lambda u: ops.min(u, 3.0, 3.0), "+"),
    "minimum and maximum": (lambda u: ops.maximum(ops.minimum(u, 3.0), -3.0), "+−"),
    "clip": (lambda u: ops.clip(u, -3.0, 3.0), "+−"),
    "clip, low": (lambda u: ops.clip(2.0, u, 3.0), "−"),
    "clip, high": (lambda u: ops.clip(2.0, -3.0, u), "+"),
    "where, condition": (lambda u: ops.where(u, 2.0, 3.0), "+−"),
    "where, first": (lambda u: ops.where(-1.0, u, 3.0), "+−"),
    "where, second": (lambda u: ops.where(1.0, 2.0, u), "+−"),
    "where, both": (lambda u: ops.where(u, u, 2.0) + ops.where(-u, 0.0, u), "−"),
    "greater": (lambda u: ops.greater(u, 1.0), "+−"),
    "less_equal, second": (lambda u: ops.less_equal(1.0, u), "+−"),
    "equal": (lambda u: ops.equal(u, 1.0), "+−"),
    "sign": (ops.sign, "+−"),
    "floor": (ops.floor, "+−"),
    "ceil": (ops.ceil, "+−"),
    "round": (ops.round, "+−"),
    "u⁰": (lambda u: u**0, "+−"),
}
"""What has no part of an operand above 8, or below −8, or both."""

PAIRS: dict[str, F] = {
    f"{choice} of {name}": (lambda x, f=f, u=u: f(u(x)))  # type: ignore[misc]
    for choice, (f, sides) in CHOOSING.items()
    for name, (u, side) in INNER.items()
    if side in sides
}
PAIRS |= {
    "|√x|": lambda x: ops.abs(ops.sqrt(x)),
    "relu of √x": lambda x: ops.relu(ops.sqrt(x)),
    "relu of −x**0.3": lambda x: ops.relu(-(x**0.3)),
    "0 ln √x": lambda x: ops.xlogy(0.0, ops.sqrt(x)),
    "(1/x²)⁰, both variable": lambda x: ops.raise_to(ops.sqrt(x), 0.0 * x),
    "0^(√x)": lambda x: 0.0 ** ops.sqrt(x),
}
