"""What an operation is: a forward function, its derivative rule, its notation.

An operation is declared once, by decorating its forward function with its vector-Jacobian rule
and its notation. What the decorator returns is the entry of the table, the public function and
the `op` that a node records, all in one::

    def cube_vjp(m, g, y, x):
        return (g * 3 * x * x,)

    @operation(cube_vjp, "$x³")
    def cube(m, x):
        return x * x * x

From there on `cube(v)` and `v.cube()` work like the built-in ones. The arithmetic m is explained
in `microgradnet.arithmetic`. This file knows nothing of nodes: a class whose objects can be
operands has a static method `__operation__(op, operands)`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial, update_wrapper
from numbers import Integral
from string import Template
from types import CodeType, FunctionType
from typing import Any, Protocol, TypeAlias, TypeVar, overload
from weakref import WeakValueDictionary

from microgradnet.arithmetic import (
    NO_PART,
    Arithmetic,
    Number,
    TwoTerms,
    coerce,
    common,
    evaluate,
    operand,
)
from microgradnet.deprecation import renamed_attribute, warn_renamed
from microgradnet.notation import counted

__all__ = [
    "Operation",
    "Recorder",
    "find",
    "find_by_symbol",
    "method",
    "methods_on",
    "operation",
    "operations",
    "recorder",
]


class Recorder(Protocol):
    """Stand for an operand that remembers the operations applied to it."""

    @staticmethod
    def __operation__(op: Operation, operands: Sequence[Any]) -> Any: ...


R = TypeVar("R", bound=Recorder)
Notation: TypeAlias = "str | Callable[..., str]"
_TABLE: dict[str, Operation] = {}
_KINDS: list[type] = []
_VARIANTS: WeakValueDictionary[object, Operation] = WeakValueDictionary()


@dataclass(frozen=True, eq=False, repr=False)
class Operation:
    """Hold an entry of the table together with its parameters. Immutable; one instance of each.

    Called on numbers it gives a number; if any operand is a Value, a Value:

    >>> from microgradnet import Value, leaky_relu
    >>> leaky_relu(-2.0)
    -0.02
    >>> leaky_relu(Value(-2.0), slope=0.5)
    Value(data=-1.0, grad=0)
    >>> leaky_relu.vjp(1.0, -2.0)
    (0.01,)
    """

    name: str
    notation: str
    """The symbol as declared, with parameters yet to be put in: **$exponent."""
    text: Notation
    """Notation in text: $x, $y, $z are the operands, $xs all of them; or a function of them."""
    latex: Notation
    """Notation in LaTeX, in the same way."""
    arity: int | None
    """The number of operands; None where any number will do."""
    forward: Callable[..., Number]
    """forward(m, *xs): the value y, in the arithmetic m."""
    rule: Callable[..., tuple[Number, ...]]
    """rule(m, g, y, *xs): the vector-Jacobian product, g·∂y/∂xₖ for each operand, in m."""
    parameters: dict[str, Number] = field(default_factory=dict)
    """The constants that tell variants apart: the exponent of x³, a slope."""
    base: Operation | None = None
    """The entry that this is a variant of; None for the entry itself."""
    complement: Callable[..., Number] | None = None
    """complement(m, *xs): 1 − y with the digits that a subtraction loses; None if undeclared."""
    odd: bool = False
    """Whether y changes its sign with the operands, so that 1 + y is the complement at −x."""

    @property
    def symbol(self) -> str:
        """Return the shortest name, for small boxes: +, tanh, **2."""
        return Template(self.notation).safe_substitute(self.parameters)

    @property
    def forward_module(self) -> str:
        """Name the module that declared the operation."""
        function = self.forward.func if isinstance(self.forward, partial) else self.forward
        return function.__module__

    @property
    def is_built_in(self) -> bool:
        """Tell whether the operation is the package's own, and not declared by a program."""
        return str(self.forward_module).startswith(f"{__package__}.ops.")  # None: of exec's

    def __repr__(self) -> str:
        parameters = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"<operation {self.name}{f'({parameters})' if parameters else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return find, (self.name, self.parameters)

    def __deepcopy__(self, memo: object) -> Operation:
        return self

    @overload
    def __call__(self, x: R, /, *others: R | Number, **parameters: Number) -> R: ...
    @overload
    def __call__(self, /, *operands: Number, **parameters: Number) -> Number: ...
    def __call__(self, /, *operands: Any, **parameters: Any) -> Any:
        """Compute the value, recorded if an operand is a Value; parameters make another variant."""
        op = self.variant(**parameters) if parameters else self
        if self.arity is None and len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = tuple(operands[0])  # log_sum_exp([a, b]) is log_sum_exp(a, b)
        if len(operands) != self.arity and (self.arity is not None or not operands):
            wanted = "at least 1 operand" if self.arity is None else counted(self.arity, "operand")
            raise TypeError(f"{self.name} takes {wanted}, not {len(operands)}")
        kind = recorder(operands)
        if kind is not None:
            return kind.__operation__(op, operands)
        return evaluate(op.forward, *map(operand, operands))

    def vjp(self, g: Number, /, *xs: Number, out: Number = None) -> tuple[Number, ...]:
        """Return the contributions g·∂y/∂xₖ to the operands' gradients at the numbers xs.

        g    the adjoint ∂C/∂y of the result
        out  the result y, where it is known already

        Raises TypeError where the rule does not return one contribution for each operand.

        >>> from microgradnet import multiply
        >>> multiply.vjp(1.0, 3.0, 5.0)
        (5.0, 3.0)
        """
        if isinstance(g, Arithmetic):
            warn_renamed("op.vjp(m, g, y, *xs)", "op.rule(m, g, y, *xs)")
            return self.rule(g, *xs)
        y = evaluate(self.forward, *xs) if out is None else out
        terms = self.contributions(g, y, xs)
        if any(term is NO_PART for term in terms):
            zero = common(g, y, *xs).convert(0)
            terms = tuple([zero if term is NO_PART else term for term in terms])
        return tuple([sum(term) if type(term) is TwoTerms else term for term in terms])

    def contributions(self, g: Number, y: Number, xs: Sequence[Number]) -> tuple[Number, ...]:
        """Return the contributions as in `vjp`, but NO_PART for an operand that has none.

        And TwoTerms where an adjoint is to add them one after the other.

        >>> from microgradnet import maximum
        >>> maximum.contributions(1.0, 5.0, (3.0, 5.0)), maximum.vjp(1.0, 3.0, 5.0)
        ((NO_PART, 1.0), (0.0, 1.0))
        """
        terms: tuple[Number, ...] = evaluate(self.rule, g, y, *xs)
        self.check(terms, len(xs))
        return terms

    vjp_at = renamed_attribute("vjp_at", "vjp")

    def pull_back(self, g: Number, y: Number, xs: Sequence[Number]) -> tuple[Number, ...]:
        """Return vjp(g, *xs, out=y), as it was called."""
        warn_renamed("op.pull_back(g, y, xs)", "op.vjp(g, *xs, out=y)")
        return self.vjp(g, *xs, out=y)

    def check(self, contributions: Any, count: int) -> None:
        """Raise TypeError where a rule did not return one contribution for each operand.

        >>> from microgradnet import tanh
        >>> tanh.check((1.0, 2.0), 1)
        Traceback (most recent call last):
            ...
        TypeError: the rule of tanh returned 2 contributions for 1 operand
        """
        if type(contributions) is not tuple:
            raise TypeError(
                f"the rule of {self.name} returned {contributions!r}, not a tuple of "
                "contributions: write (g * ..., ) with its comma"
            )
        if len(contributions) != count:
            raise TypeError(
                f"the rule of {self.name} returned {counted(len(contributions), 'contribution')} "
                f"for {counted(count, 'operand')}"
            )
        if type(None) in map(type, contributions):
            raise TypeError(
                f"the rule of {self.name} returned None for operand {contributions.index(None) + 1}"
                ": return a number, or m.no_part where the operand has no part in the result"
            )

    def variant(self, **parameters: Number) -> Operation:
        """Return the operation with other parameters: the same instance every time.

        >>> from microgradnet import leaky_relu
        >>> leaky_relu.variant(slope=0.5) is leaky_relu.variant(slope=0.5)
        True
        """
        base = self.base or self
        unknown = parameters.keys() - base.parameters.keys()
        if unknown:
            raise TypeError(
                f"{self.name} has no parameter {', '.join(sorted(unknown))}: "
                f"it has {', '.join(base.parameters) or 'none'}"
            )
        new = {key: _constant(self.name, key, x) for key, x in parameters.items()}
        merged = self.parameters | new
        if _identity(merged) == _identity(base.parameters):
            return base
        key = (base, _identity(merged))
        variant = _VARIANTS.get(key)
        if variant is None:
            functions: dict[str, Any] = {
                name: _with_defaults(getattr(base, name), merged)
                for name in ("forward", "rule", "complement")
                if getattr(base, name) is not None
            }
            variant = replace(base, parameters=merged, base=base, **functions)
            _describe(variant, base.__doc__, getattr(base, "__signature__", None))
            variant = _VARIANTS.setdefault(key, variant)  # another thread may have come first
        return variant

    @property
    def parenthesises(self) -> bool:
        """Tell whether the notation puts brackets around an operand of several words."""
        return isinstance(self.text, str) and _BRACKETED.search(self.text) is None

    def write(self, *operands: str, latex: bool = False) -> str:
        r"""Put the operands' notation into the operation's, in brackets where they need it.

        >>> from microgradnet import divide
        >>> divide.write("a", "b"), divide.write("a", "b", latex=True)
        ('a / b', '\\frac{a}{b}')
        >>> divide.write("a + b", "-2")
        '(a + b) / (-2)'
        """
        notation = self.latex if latex else self.text
        if not isinstance(notation, str):
            return notation(*operands)
        open_ended = self.parenthesises or not isinstance(self.text, str)
        if open_ended and not latex:
            operands = tuple(x if _is_atom(x) else f"({x})" for x in operands)
        elif open_ended:
            operands = tuple(x if _is_atom(x) else rf"\left({x}\right)" for x in operands)
        names = dict(zip("xyz", operands, strict=False))
        constants = {key: str(value) for key, value in self.parameters.items()}
        return Template(notation).safe_substitute(constants, xs=", ".join(operands), **names)


def _check_rule(name: str, rule: Callable[..., Any], operands: int, variadic: bool) -> None:
    """See before the first backward that the rule can be called as rules are."""
    try:
        inspect.signature(rule).bind_partial(*range(3 + (1 if variadic else operands)))
    except TypeError:
        raise TypeError(
            f"the rule of {name} takes (m, g, y) and then the operands of {name}, not "
            f"{inspect.signature(rule)}"
        ) from None


def _identity(parameters: dict[str, Number]) -> tuple[object, ...]:
    """Tell variants apart: 2, 2.0 and Fraction(2) are equal, but not of one kind."""
    return tuple((type(x), x, repr(x)) for x in parameters.values())


def _constant(name: str, parameter: str, x: Any) -> Number:
    """Convert a parameter's value to a kind that can meet operands of any kind."""
    if isinstance(x, Integral) and not isinstance(x, bool):
        return int(x)
    x = coerce(x)
    if not isinstance(x, (float, Fraction)):
        raise TypeError(f"{name}'s {parameter} must be an int, float or Fraction, not {x!r}")
    return x


def _with_defaults(
    function: Callable[..., Any], parameters: dict[str, Number]
) -> Callable[..., Any]:
    """Return the function with these parameters.

    A copy whose keywords have other defaults, which is called in half the time that a partial
    takes; a partial, in which later keywords win over earlier ones, where it has no such keywords.
    """
    if not parameters:
        return function
    if not inspect.isfunction(function) or not parameters.keys() <= _keywords(function.__code__):
        return partial(function, **parameters)
    copy = FunctionType(
        function.__code__, function.__globals__, None, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = {**(function.__kwdefaults__ or {}), **parameters}
    return update_wrapper(copy, function)


def _keywords(code: CodeType) -> set[str]:
    """Name the arguments that can be given by keyword only."""
    first = code.co_argcount
    return set(code.co_varnames[first : first + code.co_kwonlyargcount])


def _describe(op: Operation, doc: str | None, signature: inspect.Signature | None) -> None:
    """Let help(op) speak of the operation rather than of operations."""
    for name, value in (("__doc__", doc), ("__name__", op.name), ("__signature__", signature)):
        object.__setattr__(op, name, value)


def _is_atom(notation: str) -> bool:
    """Tell whether notation has no operator outside its brackets."""
    depth = 0
    for character in notation:
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and character in " +-−*/^":
            return False
    return True


# Notation that has brackets of its own around its operands.
_BRACKETED = re.compile(r"[(|]\$x")


def operation(
    rule: Callable[..., tuple[Number, ...]],
    text: Notation = "",
    latex: Notation = "",
    *,
    symbol: str = "",
    complement: Callable[..., Number] | None = None,
    odd: bool = False,
) -> Callable[[Callable[..., Number]], Operation]:
    r"""Enter the decorated forward function into the table, with its derivative rule.

    The forward function's operands follow the arithmetic m; its keyword-only arguments are the
    operation's parameters, with their defaults. A second entry of the same name replaces the
    first, for graphs built from then on.

    complement  where y saturates at 1, a function like the forward one that gives 1 − y: with it
                `1 - y` and its logarithm keep their digits
    odd         whether y at −x is −y

    >>> from microgradnet import Value
    >>> def cube_vjp(m, g, y, x):
    ...     return (g * 3 * x * x,)
    >>> @operation(cube_vjp, "$x³", "{$x}^3")
    ... def cube(m, x):
    ...     '''x³'''
    ...     return x * x * x
    >>> x = Value(2.0)
    >>> y = x.cube()
    >>> y.backward()
    >>> y.data, x.grad, y.op is cube
    (8.0, 12.0, True)
    """
    if not callable(rule):
        raise TypeError(f"@operation takes the derivative rule, a function, not {rule!r}")

    def enter(forward: Callable[..., Number]) -> Operation:
        if not inspect.isfunction(forward):
            raise TypeError("write @operation(rule), with the derivative rule, above the function")
        name = forward.__name__
        if name in _TABLE and _TABLE[name].is_built_in:
            raise ValueError(f"{name} is an operation of the package: choose another name")
        _, *arguments = inspect.signature(forward).parameters.values()
        operands = [a for a in arguments if a.kind is not a.KEYWORD_ONLY]
        variadic = any(a.kind is a.VAR_POSITIONAL for a in operands)
        parameters = {a.name: a.default for a in arguments if a.kind is a.KEYWORD_ONLY}
        for parameter, default in parameters.items():
            if default is inspect.Parameter.empty:
                raise ValueError(
                    f"{name} needs a default for {parameter}: an entry works by itself"
                )
        letters = (
            "$xs" if variadic else ", ".join(f"${letter}" for letter in "xyz"[: len(operands)])
        )
        entry = Operation(
            name=name,
            notation=symbol or name,
            text=text or f"{name}({letters})",
            latex=latex
            or rf"\operatorname{{{name.replace('_', chr(92) + '_')}}}\left({letters}\right)",
            arity=None if variadic else len(operands),
            forward=_with_defaults(forward, parameters),
            rule=_with_defaults(rule, parameters),
            parameters=parameters,
            complement=complement and _with_defaults(complement, parameters),
            odd=odd,
        )
        if not entry.is_built_in:  # those the tests hold, and the import takes a tenth less
            _check_rule(name, rule, len(operands), variadic)
        _describe(entry, forward.__doc__, inspect.Signature(arguments))
        for kind in _KINDS:
            if hasattr(kind, name) and name not in _TABLE:
                raise ValueError(f"{kind.__name__} has a {name!r} of its own: choose another name")
            setattr(kind, name, method(entry))
        _TABLE[name] = entry
        return entry

    return enter


def method(op: Operation) -> Callable[..., Any]:
    """Make the operation a method of its first operand: v.tanh() is tanh(v)."""

    def alone(self: Any) -> Any:  # in nine tenths of the time
        return self.__operation__(op, (self,))

    def applied(self: Any, *others: Any, **parameters: Number) -> Any:
        return op(self, *others, **parameters)

    if op.arity == 1 and not op.parameters:
        applied = alone
    applied.__name__ = applied.__qualname__ = op.name
    applied.__doc__ = op.__doc__
    return applied


def methods_on(kind: type) -> None:
    """Make operations declared from now on methods of a class; it lists the present ones itself."""
    _KINDS.append(kind)


def operations() -> Iterator[Operation]:
    """Go through the table's operations, the user's own ones last.

    >>> next(operations())
    <operation add>
    """
    return iter(tuple(_TABLE.values()))


def find(name: str, parameters: dict[str, Number] | None = None) -> Operation:
    """Find the operation of that name, with these parameters.

    Raises LookupError where the table has none, as when a pickled graph comes from a program
    that had declared an operation of its own.

    >>> find("leaky_relu", {"slope": 0.5})
    <operation leaky_relu(slope=0.5)>
    """
    try:
        entry = _TABLE[name]
    except KeyError:
        raise LookupError(
            f"no operation is named {name!r}: declare it with @microgradnet.operation first"
        ) from None
    return entry.variant(**parameters) if parameters else entry


def find_by_symbol(symbol: str, arity: int) -> Operation:
    """Find the operation that is written so, as micrograd's nodes name theirs.

    Raises ValueError where there is none.

    >>> find_by_symbol("*", 2)
    <operation multiply>
    """
    if symbol.startswith("**") and arity == 1:
        for kind in (int, float):
            with suppress(ValueError):
                return find("power_constant", {"exponent": kind(symbol[2:])})
    for op in operations():
        if symbol and symbol in (op.symbol, op.name) and op.arity in (arity, None):
            return op
    raise ValueError(
        f"no operation of {arity} operands is written {symbol!r}: "
        "declare it with @microgradnet.operation"
    )


def recorder(operands: Sequence[Any]) -> type[Recorder] | None:
    """Return the class that records an operation on these operands; None if all are numbers."""
    for x in operands:
        if hasattr(type(x), "__operation__"):
            return type(x)
    return None
