"""Right values of the operations that engines have, and how far honest rounding may be from them.

The table beside this file has, of each operation, some 2,100 points: kinks, ties, ±0, tiny, huge
and infinite numbers, and random ones between. At each stand the value and the first derivatives, at
some 300 the second ones, each the float nearest to the mathematical number;
`tests/benchmarks/right_values.py` makes and confirms it.

An engine need not use the best formula. With u = 2⁻⁵³ (2⁻²⁴ in float32) a number is right within

    128 u (|right| + size)

where size is that of the terms which cancel in the worst formula of the textbooks: 1 for tanh′ by
1 − y², e²ˣ for eˣ − 1. Second derivatives have 16 times that. So a rule that is off by 1 part in
10¹⁰ is off by ten thousand bounds where nothing cancels. No number is promised at kinks, beyond
the domain, at infinite operands, and where a square or a cube of an operand is no normal float.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["RightValues", "right_values", "spacing", "table_names"]

Array: TypeAlias = NDArray[np.float64]

_ROUNDINGS = 128.0


@dataclass(frozen=True)
class RightValues:
    """Of one operation, a row for each point."""

    points: Array
    """(n, operands)."""
    numbers: Array
    """(n, 1 + first derivatives + second derivatives)."""
    """NaN where there is none, and of the second derivatives at most points."""
    bounds: Array
    """How far each number of an engine may be from it; inf where none is promised."""
    kinks: NDArray[np.bool_]
    """The points where a derivative is a convention."""


@cache
def _table() -> Mapping[str, tuple[Array, Array]]:
    """By the operation: the points of its domain, and its numbers there."""
    packed = files(__package__).joinpath("right_values.xz").read_bytes()
    stored = dict(np.load(BytesIO(lzma.decompress(packed))))
    keys = [key.split("/") for key in stored if "/" in key]
    return {name: (stored[domain], stored[f"{domain}/{name}"]) for domain, name in keys}


@cache
def right_values(name: str, single: bool = False) -> RightValues:
    """Look an operation up; with `single`, for an engine in float32.

    Raises KeyError for a name that is not in the table.

    >>> found = right_values("tanh")
    >>> found.points.shape[1], found.numbers.shape[1]
    (1, 3)
    """
    x, numbers = _table()[name]
    arity = x.shape[1]
    unit, least, most = (2.0**-24, 1e-30, 1e30) if single else (2.0**-53, 1e-290, 1e290)
    with np.errstate(all="ignore"):
        sizes = np.abs(numbers) + _sizes(name, x, numbers)
        bounds = _ROUNDINGS * unit * sizes
        bounds[:, 1 + arity :] = 16 * (
            bounds[:, 1 + arity :] + _ROUNDINGS * unit * _second(name, x, sizes)
        )
        bounds += least
        low, high = (1e-9, 1e9) if single else (1e-18, 1e18)
        usual = ((np.abs(x) >= low) & (np.abs(x) <= high)) | (x == 0)
        if name == "softplus":  # from 20 on the identity: PyTorch's threshold
            bounds += np.where(x >= 20, 1.01 * np.exp(-x), 0)
        if (
            name == "raise_to"
        ):  # at exponent 0 libraries have slopes of their own, not differentiable
            bounds[x[:, 1] == 0, 1 + arity :] = np.inf
        promised = np.isfinite(numbers) & (np.abs(numbers) <= most)
        promised &= (usual.all(axis=1) & np.isfinite(numbers[:, 0]))[:, None]
        kinks = _kinks(name, x)
        promised[:, 1:] &= ~kinks[:, None]
        bounds[~promised | ~np.isfinite(bounds)] = np.inf
    keep = (np.abs(x) <= 3e38).all(axis=1) & ((np.abs(x) >= 1e-37) | (x == 0)).all(axis=1)
    rows_kept = keep | ~np.isfinite(x).all(axis=1) if single else np.ones(len(x), bool)
    return RightValues(x[rows_kept], numbers[rows_kept], bounds[rows_kept], kinks[rows_kept])


def table_names(arity: int) -> list[str]:
    """List the operations of the table that have so many operands.

    >>> table_names(3)
    ['log_sum_exp', 'softmax']
    """
    return sorted(name for name, (x, _) in _table().items() if x.shape[1] == arity)


def spacing(x: float, single: bool) -> float:
    """Return the unit in the last place of a number."""
    return float(np.spacing(np.float32(abs(x)))) if single else float(np.spacing(abs(x)))


def _second(name: str, x: Array, sizes: Array) -> Array:
    """Terms of a second derivative are a first one's, by x or by 1."""
    largest = 1 + np.abs(x).max(axis=1)
    if name in ("abs", "hypot"):  # the slope x/|x| differentiated as a quotient
        largest = 1 / np.abs(x).max(axis=1)
    first = sizes[:, 1 : 1 + x.shape[1]].max(axis=1)
    return np.asarray(np.where(np.isfinite(first), first * largest, np.inf))[:, None]


_Size: TypeAlias = Callable[[Any, Any], Any]
"""The size of cancelling terms, from the operands and the right number."""


def _one(x: Any, right: Any) -> Any:
    return np.ones_like(x)


def _magnitude(x: Any, right: Any) -> Any:
    return 1 + np.abs(x)


def _logarithm(x: Any, right: Any) -> Any:
    """Powers by exp(c ln x), where c ln x has been rounded."""
    return np.abs(right) * (1 + np.abs(np.log(np.abs(x)))) * 8


def _unit_interval(x: Any, right: Any) -> Any:
    return 1 + np.abs(right) / np.abs(1 - x * x)


def _above_one(x: Any, right: Any) -> Any:
    return 1 + np.abs(right) * x * x / np.abs(x * x - 1)


def _gauss(x: Any, right: Any) -> Any:
    return 1 + np.abs(right) * (1 + x * x)


def _exponent(x: Any, right: Any) -> Any:
    return np.abs(right) * (1 + 3 * np.abs(x))


_SIZES: dict[str, tuple[_Size, _Size]] = {
    **dict.fromkeys(
        ["tanh", "sigmoid", "log1p", "softplus", "log_sigmoid", "elu", "hard_sigmoid",
         "hard_sigmoid_fifth", "atan"],
        (_one, _one),
    ),
    **dict.fromkeys(["silu", "gelu", "gelu_sigmoid", "sin", "cos"], (_magnitude, _magnitude)),
    **dict.fromkeys(["asin", "acos", "atanh"], (_unit_interval, _unit_interval)),
    **dict.fromkeys(["erf", "erfc"], (_one, _gauss)),
    **dict.fromkeys(["exp", "exponential 2"], (_exponent, _exponent)),
    **dict.fromkeys(
        [f"power {c}" for c in ("-3", "-2", "-1", "3", "4", "-0.5", "0.5", "1.5", "2.5")],
        (_logarithm, _logarithm),
    ),
    # 1/(1 + |x|) − |x|/(1 + |x|)²
    "softsign": (lambda x, right: 0 * x, lambda x, right: np.abs(right) * (1 + np.abs(x))),
    "gelu_tanh": (_magnitude, lambda x, right: (1 + np.abs(x)) * (1 + x * x)),
    "expm1": (lambda x, right: 1 + np.exp(x), lambda x, right: 1 + np.exp(x)),
    "tan": (lambda x, right: (1 + np.abs(x)) * (1 + np.tan(x) ** 2),
            lambda x, right: (1 + np.abs(x)) * (1 + np.tan(x) ** 2) ** 2),
    "sinh": (lambda x, right: np.cosh(x), lambda x, right: np.cosh(x)),
    "cosh": (lambda x, right: np.cosh(x), lambda x, right: np.cosh(x)),
    # ln(x + √(x² + 1)) has no digits on the left
    "asinh": (lambda x, right: np.where(x < 0, 1 + 2 * x * x, 1), _one),
    "acosh": (_above_one, _above_one),
}  # fmt: skip


def _sizes(name: str, x: Array, numbers: Array) -> Array:
    """Of the value and of each first derivative; 0 for the second ones."""
    found = np.zeros_like(numbers)
    arity = x.shape[1]
    if name == "raise_to":
        along = 1 + np.abs(x[:, 1] * np.log(np.abs(x[:, 0])))
        found[:, :3] = np.abs(numbers[:, :3]) * along[:, None] * 4
    elif arity == 3:
        found[:, : 1 + arity] = 1 + np.abs(x).max(axis=1)[:, None]
    elif name in _SIZES:
        value, first = _SIZES[name]
        found[:, 0] = value(x[:, 0], numbers[:, 0])
        found[:, 1] = first(x[:, 0], numbers[:, 1])
    return found


_KINKS = {
    **dict.fromkeys(["abs", "relu", "leaky_relu", "elu", "softsign"], (0.0,)),
    "hard_tanh": (-1.0, 1.0),
    "hard_sigmoid": (-3.0, 3.0),
    "hard_sigmoid_fifth": (-2.5, 2.5),
}


def _kinks(name: str, x: Array) -> NDArray[np.bool_]:
    """Where the slopes of the two sides differ, or the domain ends."""
    if name in ("maximum", "minimum"):
        return np.asarray(x[:, 0] == x[:, 1])
    if name == "hypot":
        return np.asarray((x == 0).all(axis=1))
    if name == "raise_to":
        return x[:, 0] <= 0
    if name.startswith(("power", "sqrt")):
        return np.asarray(x[:, 0] == 0)  # 0·0⁻¹ of x⁰; the ends of the domains of the others
    return np.asarray(np.isin(x[:, 0], _KINKS.get(name, ())))
