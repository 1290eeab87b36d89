"""The operations that an engine has, found by looking, each with the name of its right values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from microgradnet.judging.engines import Engine, Function
from microgradnet.judging.limits import Failure

__all__ = ["Offered", "offered"]


@dataclass(frozen=True)
class Offered:
    """An operation of an engine."""

    name: str
    """As a report writes it: x + y, x ** 3, tanh."""
    right: str
    """The name of its right values."""
    function: Function
    """Applied to nodes."""
    constant: int | None = None
    """Which operand is a number and no node: 2.5 − x; None if none is."""
    scale: float = 1.0
    """What the right numbers left of 0 are multiplied by: a slope, an α that is not the usual."""


_BINARY: dict[str, tuple[str, Function]] = {
    "x + y": ("add", operator.add),
    "x - y": ("subtract", operator.sub),
    "x * y": ("multiply", operator.mul),
    "x / y": ("divide", operator.truediv),
}
_POWERS = (2, 3, -1, 4, 0.5, -2, 1, 0, 1.5, 2.5, -3, -0.5)
_OPERATORS: dict[str, tuple[str, Function]] = {
    "-x": ("negative", operator.neg),
    "abs(x)": ("abs", operator.abs),
    **{f"x ** {c}": (f"power {c}", lambda x, c=c: x**c) for c in _POWERS},
    "x ** y": ("raise_to", operator.pow),
    "2 ** x": ("exponential 2", lambda x: 2**x),
}

_NAMES: dict[str, str] = {
    "exp": "exp", "expm1": "expm1", "exp2": "exponential 2", "log": "log ln", "log2": "log2",
    "log10": "log10", "log1p": "log1p", "sqrt": "sqrt", "square": "square", "sin": "sin",
    "cos": "cos", "tan": "tan", "asin": "asin arcsin", "acos": "acos arccos",
    "atan": "atan arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "asinh": "asinh arcsinh", "acosh": "acosh arccosh", "atanh": "atanh arctanh", "erf": "erf",
    "erfc": "erfc", "sigmoid": "sigmoid sigma logistic expit", "relu": "relu",
    "leaky_relu": "leakyrelu lrelu", "elu": "elu", "softplus": "softplus",
    "log_sigmoid": "logsigmoid", "silu": "silu swish", "gelu": "gelu", "softsign": "softsign",
    "hard_tanh": "hardtanh", "hard_sigmoid": "hardsigmoid", "abs": "abs absolute",
    "reciprocal": "reciprocal inverse inv", "negative": "neg negative",
    "maximum": "maximum max", "minimum": "minimum min", "hypot": "hypot",
    "softmax": "softmax", "log_sum_exp": "logsumexp",
}  # fmt: skip
"""The names of functions and methods, without capitals and underscores, in order of preference."""
_ELSEWHERE = {"square": "power 2", "reciprocal": "power -1", "exp2": "exponential 2"}
_TWO = ("maximum", "minimum", "hypot")
_LISTS = ("softmax", "log_sum_exp")
_FORMS = {
    "gelu": ("gelu", "gelu_tanh", "gelu_sigmoid"),
    "hard_sigmoid": ("hard_sigmoid", "hard_sigmoid_fifth"),
}
"""Functions of one name of which there are several, told apart by their values."""
_AT = {
    "gelu": {"gelu": -0.15865525393145707, "gelu_tanh": -0.15880800939172324,
             "gelu_sigmoid": -0.15420423612171308},
    "hard_sigmoid": {"hard_sigmoid": 1 / 3, "hard_sigmoid_fifth": 0.3},
}  # fmt: skip
"""The values of these forms at −1."""
_SCALES = {"leaky_relu": (-1.0, Fraction(1, 100)), "elu": (-60.0, Fraction(1))}
"""A point where the function is −slope or −α, and the number that the table was made with."""


def offered(engine: Engine) -> list[Offered]:
    """List what an engine has, operators first.

    What gives no node, or is refused by a TypeError, an AttributeError, an AssertionError or a
    NotImplementedError, is not there.
    """
    found: list[Offered] = []
    for name, (right, function) in _BINARY.items():
        if _works(engine, function, 2):
            found.append(Offered(name, right, function))
            found += _with_number(engine, name, right, function)
    for name, (right, operator_) in _OPERATORS.items():
        if _works(engine, operator_, 1 + (right == "raise_to")):
            found.append(Offered(name, right, operator_))
    taken = {each.right for each in found}
    for name, spellings in _NAMES.items():
        right = _ELSEWHERE.get(name, name)
        named = _function(engine, name, spellings.split())
        if named is not None and not (right in taken and right in ("abs", "negative")):
            found.append(_variant(engine, name, right, named))
    return found


def _with_number(engine: Engine, name: str, right: str, function: Function) -> list[Offered]:
    """List the forms in which one of two operands is a number."""
    if not _works(engine, lambda x: function(x, 2.5), 1):
        return []
    sign = name[2]
    return [
        Offered(f"x {sign} number", right, function, constant=1),
        Offered(f"number {sign} x", right, function, constant=0),
    ]


_REFUSALS = (TypeError, AttributeError, AssertionError, NotImplementedError)


def _works(engine: Engine, function: Function, operands: int) -> bool:
    value = engine.probe(function, [1.5, 0.75][:operands])
    if isinstance(value, Failure):
        return not issubclass(value.kind, _REFUSALS)
    return value is not None


def _function(engine: Engine, name: str, spellings: Sequence[str]) -> Function | None:
    """Find a method or a function by its names."""
    for spelling in spellings:
        for place in engine.namespaces:
            for attribute in dir(place):
                if attribute.replace("_", "").lower() != spelling or attribute.endswith("_"):
                    continue  # the latter write into their operand
                function = _caller(getattr(place, attribute), name)
                if function is not None and _works(engine, function, _operands(name)):
                    return function
    return None


def _operands(name: str) -> int:
    return 3 if name in _LISTS else 2 if name in _TWO else 1


def _caller(function: Any, name: str) -> Callable[..., Any] | None:
    """A function of several operands may take them as a list, and softmax gives one."""
    if not callable(function):
        return None
    if name == "softmax":
        return lambda *xs: _first_of_list(function(list(xs)))
    if name in _LISTS:
        return lambda *xs: function(list(xs))
    return lambda *xs: function(*xs)


def _first_of_list(found: Any) -> Any:
    if not isinstance(found, list | tuple):
        raise TypeError("softmax of nodes that is no list of nodes")
    return found[0]


def _variant(engine: Engine, name: str, right: str, function: Function) -> Offered:
    """Tell apart the functions of one name; find the slope or α of those that have one."""
    value: Any = engine.probe(function, [_SCALES[name][0] if name in _SCALES else -1.0])
    if isinstance(value, float) and value == value:
        if name in _FORMS:
            at = _AT[name]
            right = min(_FORMS[name], key=lambda form: abs(at[form] - value))
        elif name in _SCALES and value < 0:
            scale = -value / float(_SCALES[name][1])
            return Offered(name, right, function, scale=1.0 if abs(scale - 1) < 1e-6 else scale)
    return Offered(name, right, function)
