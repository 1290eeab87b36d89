"""What each library says at a point of the table of conventions, asked now.

An expression is spelled in the words of its library, over x (and y); a quantity is "value", a first
derivative or a second one. A number is found by reverse mode and, where the library has it, by
forward mode too, over reverse mode for a second one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import microgradnet
from microgradnet import Value
from microgradnet.conventions import LIBRARIES

__all__ = ["PACKAGES", "ask", "present", "same"]


class Library(NamedTuple):
    """How a library differentiates: grad(f, k) is a function, and jvp(f, x) a number along 1."""

    names: dict[str, Any]
    grad: Callable[..., Any]
    jvp: Callable[..., Any] | None = None
    number: Callable[[float], Any] = float
    read: Callable[[Any], float] = float
    second: bool = True
    """Whether it has second derivatives."""


PACKAGES = {name: name.lower() for name in LIBRARIES} | {"PyTorch": "torch"}


def present() -> list[str]:
    """The libraries that are installed."""
    return [name for name in LIBRARIES if find_spec(PACKAGES[name]) is not None]


def ask(library: str, spelling: str, at: Sequence[float], quantity: str) -> str | None:
    """One number as the table writes it, or both modes' where they differ.

    None where the library has no such derivative.
    """
    names, grad, jvp, number, read, second = _library(library)
    arguments = ", ".join("xy"[: len(at)])
    f: Any = eval(f"lambda {arguments}: {spelling}", {"math": math, **names})
    k = "xy".find(quantity[-1])  # which operand; −1 for the value
    if "²" in quantity:
        if not second:
            return None
        f = grad(f, k)
    xs = [number(x) for x in at]

    def along(x: Any) -> Any:
        return f(*xs[:k], x, *xs[k + 1 :])

    with warnings.catch_warnings(), suppress(ZeroDivisionError, OverflowError):
        warnings.simplefilter("ignore")  # at such points NumPy warns of every division
        if k < 0:
            return repr(read(f(*xs)) + 0.0)
        first = repr(read(grad(f, k)(*xs)) + 0.0)
        forward = first if jvp is None else repr(read(jvp(along, xs[k])) + 0.0)
        return first if same(first, forward) else f"{first}, forward {forward}"
    return None


def same(x: str, y: str) -> bool:
    """Equal to nine digits in each mode; NaN to NaN, and 0 to −0."""
    xs, ys = ([float(number) for number in z.split(", forward ")] for z in (x, y))
    return len(xs) == len(ys) and all(
        math.isclose(a, b, rel_tol=1e-9) or (math.isnan(a) and math.isnan(b))
        for a, b in zip(xs, ys, strict=True)
    )


def _microgradnet() -> Library:
    def jvp(f: Callable[..., Any], x: Any) -> Any:
        return microgradnet.jvp(f, (x,), (1.0,))[1]

    def read(x: Any) -> float:
        return float(x.data if isinstance(x, Value) else x)

    return Library(vars(microgradnet.ops), microgradnet.grad, jvp, Value, read)


def _pytorch() -> Library:
    import torch
    from torch.autograd import forward_ad

    def number(x: float) -> Any:
        return torch.tensor(x, dtype=torch.float64, requires_grad=True)

    def grad(f: Callable[..., Any], k: int) -> Callable[..., Any]:
        def gradient(*xs: Any) -> Any:
            y = f(*xs)
            if not y.requires_grad:
                return torch.zeros_like(y)
            return torch.autograd.grad(
                y, [xs[k]], create_graph=True, allow_unused=True, materialize_grads=True
            )[0]

        return gradient

    def jvp(f: Callable[..., Any], x: Any) -> Any:
        with forward_ad.dual_level():
            y = f(forward_ad.make_dual(x, torch.ones_like(x)))
            tangent = forward_ad.unpack_dual(y).tangent
            return torch.zeros_like(x) if tangent is None else tangent

    return Library({"torch": torch, "F": torch.nn.functional}, grad, jvp, number)


def _jax() -> Library:
    import jax

    jax.config.update("jax_enable_x64", True)

    def jvp(f: Callable[..., Any], x: Any) -> Any:
        return jax.jvp(f, (x,), (jax.numpy.ones_like(x),))[1]

    return Library({"jax": jax, "jnp": jax.numpy}, jax.grad, jvp, jax.numpy.float64)


def _autograd() -> Library:
    import autograd
    import numpy

    return Library({"np": autograd.numpy}, autograd.grad, number=numpy.float64)


def _mygrad() -> Library:
    import mygrad

    def grad(f: Callable[..., Any], k: int) -> Callable[..., Any]:
        def gradient(*xs: Any) -> Any:
            f(*xs).backward()
            return 0.0 if xs[k].grad is None else xs[k].grad

        return gradient

    names = {"mg": mygrad, "mygrad": mygrad}
    return Library(names, grad, number=mygrad.tensor, second=False)


def _casadi() -> Library:
    import casadi

    def grad(f: Callable[..., Any], k: int) -> Callable[..., Any]:
        def gradient(*at: Any) -> Any:
            xs = [casadi.SX.sym(name) for name in "xy"[: len(at)]]
            return casadi.Function("gradient", xs, [casadi.gradient(f(*xs), xs[k])])(*at)

        return gradient

    return Library({"ca": casadi}, grad, number=casadi.SX)


@cache
def _library(name: str) -> Library:
    found: Library = globals()[f"_{name.lower()}"]()
    return found
