"""A library with a function `grad`, of the form of autograd's and JAX's: arrays of dual numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["Dual", "grad", "install"]


class Dual:
    """x + x′ε; either may be an array or a Dual."""

    __array_ufunc__ = None  # array + Dual is this class's

    def __init__(self, x: Any, slope: Any) -> None:
        self.x, self.slope = x, slope

    @property
    def shape(self) -> Any:
        return self.x.shape

    def sum(self) -> Any:
        return self  # each point by itself: the derivative of the sum by each is its own

    def __getitem__(self, k: Any) -> Any:
        return self.x[k]

    def __add__(self, other: Any) -> Any:
        x, slope = parts(other)
        return Dual(self.x + x, self.slope + slope)

    def __mul__(self, other: Any) -> Any:
        x, slope = parts(other)
        return Dual(self.x * x, self.slope * x + self.x * slope)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        return self + other * -1

    def __rsub__(self, other: Any) -> Any:
        return other + (-self)


def parts(x: Any) -> tuple[Any, Any]:
    return (x.x, x.slope) if isinstance(x, Dual) else (x, 0.0)


def tanh(x: Any) -> Any:
    if isinstance(x, Dual):
        y = tanh(x.x)
        return Dual(y, x.slope * (1 - y * y))
    return np.tanh(x)


def grad(f: Callable[..., Any], k: Any = 0) -> Callable[..., Any]:
    """The derivative by argument k, or those by several."""
    if isinstance(k, tuple):
        return lambda *xs: tuple(grad(f, each)(*xs) for each in k)

    def derivative(*xs: Any) -> Any:
        seeded = [Dual(x, 1.0 if j == k else 0.0) for j, x in enumerate(xs)]
        found = f(*seeded)
        return found.slope if isinstance(found, Dual) else 0.0 * xs[0]

    return derivative


def install(monkeypatch: Any, rules: bool = True) -> ModuleType:
    """Put the library in autograd's place."""
    library, numbers, special = map(
        ModuleType, ("autograd", "autograd.numpy", "autograd.scipy.special")
    )
    vars(library)["grad"] = grad
    grad.__module__ = "autograd.differential_operators"
    vars(numbers).update(array=np.array, tanh=tanh)
    for module in (library, numbers, special):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return library
