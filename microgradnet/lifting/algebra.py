"""The arithmetic whose numbers are terms.

Run in it, an operation's forward function or derivative rule gives the term that it computes. So
the table's rules serve lifted programs too, those of a user's own operations among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from microgradnet import ops
from microgradnet.arithmetic import Arithmetic, Number, ieee
from microgradnet.lifting.terms import (
    NO_PART,
    Affine,
    Axis,
    Concatenate,
    Constant,
    LogSumExp,
    Map,
    Softmax,
    Take,
    Term,
    add,
    constant,
    multiply,
    negative,
)
from microgradnet.operation import Operation, find

__all__ = ["contributions", "expand"]


def expand(
    operation: Operation, operands: Sequence[Term], function: Callable[..., Any] | None = None
) -> Term:
    """The term that an operation's forward function computes, or another function of its operands.

    Raises TypeError for an operation that branches in Python on its operands.

    >>> from microgradnet import relu
    >>> from microgradnet.lifting.terms import Leaf
    >>> expand(relu, [Leaf("x", "input", (), [0])])
    (0 if x ≤ 0, else x)
    """
    (term,) = _traced(operation, function or operation.forward, operands, _ALGEBRA)
    return term


def contributions(
    operation: Operation, g: Term, y: Term, operands: Sequence[Term], *, running: bool = False
) -> tuple[Term, ...]:
    """The products g·∂y/∂xₖ by an operation's rule, as terms.

    running     as they are computed: what has no part is `NO_PART`, and products whose factors may
                be beyond the floats are left to functions that choose their order. Else as they
                are written: 0, and products.

    >>> from microgradnet import divide
    >>> from microgradnet.lifting.terms import Leaf, constant
    >>> g, x, z = (Leaf(name, "input", (), [0]) for name in "gxz")
    >>> contributions(divide, g, Map(divide, (x, z)), [x, z])[0]
    g / z
    """
    return _traced(operation, operation.rule, (g, y, *operands), _RUNNING if running else _ALGEBRA)


def _traced(
    operation: Operation, rule: Callable[..., Any], operands: Sequence[Term], m: _Algebra
) -> tuple[Term, ...]:
    try:
        result = rule(m, *map(_Number, operands))
    except TypeError as error:
        raise TypeError(f"{operation.name} cannot be lifted: {error}") from error
    results = result if isinstance(result, tuple) else (result,)
    return tuple(map(_term, results))


class _Number:
    """A term with the operators of numbers."""

    def __init__(self, term: Term) -> None:
        self.term = term

    def __add__(self, other: Number) -> _Number:
        return _Number(add(self.term, _term(other)))

    def __radd__(self, other: Number) -> _Number:
        return _Number(add(_term(other), self.term))

    def __sub__(self, other: Number) -> _Number:
        return _Number(add(self.term, negative(_term(other))))

    def __rsub__(self, other: Number) -> _Number:
        return _Number(add(_term(other), negative(self.term)))

    def __mul__(self, other: Number) -> _Number:
        return _Number(multiply(self.term, _term(other)))

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Any:
        return _function(ops.divide, self, other)

    def __rtruediv__(self, other: Number) -> Any:
        return _function(ops.divide, other, self)

    def __pow__(self, other: Number) -> Any:
        return _ALGEBRA.power(self, other)

    def __rpow__(self, other: Number) -> Any:
        return _ALGEBRA.power(other, self)

    def __abs__(self) -> Any:
        return _function(ops.abs, self)

    def __pos__(self) -> _Number:
        return self

    def __neg__(self) -> _Number:
        return _Number(negative(self.term))

    def __lt__(self, other: Number) -> Any:
        return _function("less", self, other)

    def __gt__(self, other: Number) -> Any:
        return _function("less", other, self)

    def __le__(self, other: Number) -> Any:
        return _function("less_equal", self, other)

    def __ge__(self, other: Number) -> Any:
        return _function("less_equal", other, self)

    def __bool__(self) -> bool:
        raise TypeError("it branches in Python on a number: choose by m.where")


def _term(x: Number) -> Term:
    return x.term if isinstance(x, _Number) else constant(ieee.convert(x))


def _function(function: Operation | str, *arguments: Number) -> _Number:
    """A function's term; of numbers its value."""
    terms = tuple(_term(x) for x in arguments)
    if all(isinstance(t, Constant) and t.number is not None for t in terms):
        numbers = [cast(Constant, t).number for t in terms]
        if not isinstance(function, str):
            return _Number(constant(function.forward(ieee, *numbers)))
        return _Number(constant(_NUMBERS[function](*numbers)))
    return _Number(Map(function, terms))


_NUMBERS: dict[str, Callable[..., Any]] = {
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "equal": ieee.equal,
    "both": lambda p, q: p and q,
    "where": lambda condition, x, y: x if condition else y,
    "is_infinite": ieee.is_infinite,
    "vanishing_product": ieee.vanishing_product,
    "scaled": ieee.scaled,
    "power_slope": ieee.power_slope,
    "power_log": ieee.power_log,
}


def _named(function: Operation | str) -> Callable[..., _Number]:
    return lambda *arguments: _function(function, *arguments)


_OPERATIONS = (
    "divide", "abs", "exp", "log", "expm1", "log1p", "sqrt", "hypot", "sin", "cos", "tan", "asin",
    "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "sigmoid",
    "softplus", "xlogy", "log2", "log10", "cbrt", "atan2", "floor", "remainder",
)  # fmt: skip
_ELEMENTARY = ("both", "equal", "is_infinite", "vanishing_product")
"""Functions that are no operations; what else there is follows from others and is written out."""


class _Algebra(
    Arithmetic,
    functions={
        **{name: _named(find(name)) for name in _OPERATIONS},
        **{name: _named(name) for name in _ELEMENTARY},
    },
):
    name = "terms"
    pi = 3.141592653589793

    def convert(self, x: Number) -> Any:
        return x if isinstance(x, _Number) else _Number(_term(x))

    def where(self, condition: Any, x: Number, y: Number) -> Any:
        chosen = _term(condition)
        if isinstance(chosen, Constant) and chosen.number is not None:
            return x if chosen.number else y
        return _function("where", condition, x, y)

    def power(self, x: Number, y: Number) -> Any:
        exponent = _term(y)
        if not isinstance(exponent, Constant) or exponent.number is None:
            base = _term(x)
            if isinstance(base, Constant) and base.number is not None:
                return _function(ops.exponential.variant(base=base.number), y)
            return _Number(Map(ops.raise_to, (base, exponent)))
        number = exponent.number
        if number == 0 or number == 1:
            return x if number else 1
        if number == -1:
            return self.divide(1, x)
        short = int(number) if number == int(number) else number
        return _function(ops.power_constant.variant(exponent=short), x)

    def log_sum_exp(self, xs: Sequence[Number]) -> Any:
        axis = Axis("k", len(xs))
        return _Number(LogSumExp(_stacked(xs, axis), (axis,)))

    def softmax(self, xs: Sequence[Number]) -> tuple[Any, ...]:
        axis = Axis("k", len(xs))
        shares = Softmax(_stacked(xs, axis), (axis,))
        return tuple(_Number(Take(shares, axis, Affine(k))) for k in range(len(xs)))


def _stacked(xs: Sequence[Number], axis: Axis) -> Term:
    return Concatenate(axis, tuple((_term(x), None) for x in xs))


class _Running(_Algebra, functions={name: _named(name) for name in ("power_slope", "power_log")}):
    """Terms that are computed with all digits, and not written."""

    no_part = _Number(NO_PART)

    def scaled(self, g: Number, slope: Number, x: Number, y: Number) -> Any:
        """Leave the order open, unless the slope is as good as an operand."""
        terms = [_term(t) for t in (slope, x, y)]
        plain = isinstance(terms[0], Constant) or terms[0] in terms[1:]
        broadcast = not {*terms[1].axes, *terms[0].axes} <= {*terms[2].axes}
        return g * slope if plain or broadcast else _function("scaled", g, slope, x, y)


_ALGEBRA, _RUNNING = _Algebra(), _Running()
