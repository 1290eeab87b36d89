"""`trace`: build the graph of a function from inputs that have no numbers yet.

A graph is built for one example; a branch that its builder takes on that example's numbers is
taken for good, and nothing in the graph tells. So here the inputs, targets and parameters hold
something that computes like a number but will not be compared, converted or printed as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from numpy.typing import ArrayLike

from microgradnet.arithmetic import FUNCTIONS, Arithmetic, Number, register
from microgradnet.engine import Value
from microgradnet.frames import users_frame
from microgradnet.lifting.arguments import listed
from microgradnet.lifting.lifted import Program, check_against, lift

__all__ = ["TracingError", "trace"]


class TracingError(TypeError):
    """A function that is traced asked a node for its number."""


def trace(
    function: Callable[..., Any],
    n_inputs: int,
    n_targets: int = 0,
    parameters: Sequence[Value] = (),
    *,
    check: tuple[ArrayLike, ArrayLike] | tuple[ArrayLike] | None = None,
) -> Program:
    """Lift what a function computes: function(x, y), or function(x) where there are no targets.

    function    takes lists of n_inputs and n_targets Values; returns a cost, or a list of outputs
    parameters  as in `lift`
    check       examples (X, Y) for which the function is called as usual, and must agree

    Comparing an input, a target, a parameter or what was computed from them, or taking its number
    (`if v > 0`, `math.exp(v)`, `v.data + 1`), raises TracingError, which names the line.

    >>> from microgradnet import relu
    >>> w = Value(2.0)
    >>> program = trace(lambda x: relu(w * x[0]) + x[1], 2, parameters=[w])
    >>> program.value([[1.0, 5.0], [-1.0, 5.0]])
    array([7., 5.])
    >>> trace(lambda x: x[0] if x[0] > 0 else -x[0], 1)
    Traceback (most recent call last):
        ...
    microgradnet.lifting.tracing.TracingError: ...
    """
    if not callable(function):
        given = (
            "a graph that is there already: lift it"
            if isinstance(function, Value)
            else ("no function")
        )
        raise TypeError(f"function is {function!r:.60}, {given}")
    x = [Value(0.0, label=f"x[{k}]") for k in range(n_inputs)]
    y = [Value(0.0, label=f"y[{k}]") for k in range(n_targets)]
    parameters = listed("parameters", parameters)
    leaves = [*x, *y, *parameters]
    numbers = [leaf.data for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.data = UNKNOWN
        result = function(x, y) if n_targets else function(x)
    finally:
        for leaf, number in zip(leaves, numbers, strict=True):
            leaf.data = number
    if not isinstance(result, (Value, list, tuple)):
        raise TypeError(f"the function returned {result!r:.60}: a cost is a Value, outputs a list")
    program = lift(result, x, y, parameters)
    if check is not None:

        def called(x: list[float], y: list[float]) -> list[Value]:
            values = [[Value(v) for v in numbers] for numbers in (x, y)]
            result = function(*values) if n_targets else function(values[0])
            return [result] if isinstance(result, Value) else list(result)

        check_against(program, lambda x, y: [v.data for v in called(x, y)], check)
    return program


class _Unknown:
    """A number that is not known yet: arithmetic with it gives what is not known either."""

    __slots__ = ()
    is_unknown = True

    def _operate(self, *others: object) -> _Unknown:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _operate
    __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __neg__ = __pos__ = __abs__ = _operate

    def _compare(self, other: object) -> _Condition:
        return _Condition()

    __lt__ = __le__ = __gt__ = __ge__ = _compare

    def __eq__(self, other: object) -> Any:
        return _Condition()

    def _convert(self, *_: object, **__: object) -> NoReturn:
        raise TracingError(
            f"{_where()}: a node was asked for its number, which is not known while tracing: use "
            "the functions of microgradnet (exp, tanh, ...) in place of math's and NumPy's"
        )

    __float__ = __int__ = __complex__ = __index__ = __round__ = __trunc__ = _convert
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = _convert
    __format__ = __str__ = __hash__ = __bool__ = _convert
    __array__ = __array_ufunc__ = __array_function__ = _convert

    def __repr__(self) -> str:
        return "<unknown>"


class _Condition:
    """How a comparison of unknown numbers ends."""

    __slots__ = ()

    def __bool__(self) -> NoReturn:
        raise TracingError(
            f"{_where()}: a branch on a node's number would be taken for every example alike: use "
            "where, maximum, minimum, relu or abs, which decide for each"
        )

    def __and__(self, other: object) -> _Condition:
        return self

    def _count(self, *_: object) -> NoReturn:
        self.__bool__()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _count
    __float__ = __int__ = __index__ = __invert__ = _count


def _where() -> str:
    """Name the line of the user's program that is being run."""
    frame, _ = users_frame()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _unknown(*_: object) -> _Unknown:
    return UNKNOWN


UNKNOWN = _Unknown()


class _Unknowns(Arithmetic, functions=dict.fromkeys(FUNCTIONS, _unknown)):
    """All that can be known of the functions of unknown numbers."""

    name = "unknown"
    pi = UNKNOWN

    def softmax(self, xs: Sequence[Number]) -> tuple[Number, ...]:
        return (UNKNOWN,) * len(xs)


register(_Unknown, _Unknowns())
