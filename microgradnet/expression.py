"""A safe reader of expressions such as tanh(w*x + b), for the command line and for pages.

Python's own parser reads the text, and nothing of it is ever run: of its tree only names, numbers,
+ − × ÷ ** and calls of the table's operations are let through, and the tree is walked here.
"""

from __future__ import annotations

import ast
import operator
import re
import unicodedata
import warnings
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import e, inf, isfinite, pi
from typing import Any, NoReturn

from microgradnet import ops
from microgradnet.arithmetic import Number
from microgradnet.engine import Value
from microgradnet.operation import operations

__all__ = ["ExpressionError", "read_expression"]

_CHARACTERS, _DEPTH, _BITS = 2_000, 200, 10_000

# On two numbers an operation of the table, which keeps whole numbers exact; on Values the operator.
_BINARY: dict[type, tuple[Callable[..., Any], Callable[..., Any]]] = {
    ast.Add: (ops.add, operator.add),
    ast.Sub: (ops.subtract, operator.sub),
    ast.Mult: (ops.multiply, operator.mul),
    ast.Div: (ops.divide, operator.truediv),
}
_UNARY: dict[type, Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}


class ExpressionError(ValueError):
    """Say in one line why a text is no expression, or none that can be computed."""


def read_expression(text: str, numbers: Mapping[str, Number]) -> Value:
    """Compute the node of an expression, its leaves labelled by their names.

    numbers  what each name stands for; pi, e and inf need not be given

    Numbers without names are computed beforehand, whole ones exactly: in x**(1 + 1) the exponent is
    the constant 2. Raises ExpressionError for anything but arithmetic and the operations of the
    table, a name without a number and a number without its name in the text, for a text that is too
    long or nested too deep, and for a part in exact numbers that is not finite or needs more than
    10⁴ bits.

    >>> read_expression("tanh(w*x + b)", {"w": 0.5, "x": 2.0, "b": -1.0})
    Value(data=0.0, grad=0)
    >>> read_expression("x.__class__", {"x": 1.0})
    Traceback (most recent call last):
        ...
    microgradnet.expression.ExpressionError: 'x.__class__' is no arithmetic: write names, numbers, \
+ - * / ** and functions, as in tanh(w*x + b)
    """
    values = {unicodedata.normalize("NFKC", name): x for name, x in numbers.items()}
    tree = _tree(text)
    names = _names(tree)
    constants = {name: x for name, x in _CONSTANTS.items() if name not in values}
    names = [name for name in names if name not in constants]
    for name in names:
        if name not in values:
            raise ExpressionError(
                f"{name} is a function: write {name}(...)"
                if name in _functions()
                else f"{name} has no number: give {name}=..."
            )
    for name in values:
        if name not in names:
            known = ", ".join(names) or "no names"
            raise ExpressionError(f"{name} is not in the expression: it has {known}")
    leaves = constants | {name: Value(values[name], label=name) for name in names}
    result = _compute(tree, text.strip(), leaves, _functions())
    return result if isinstance(result, Value) else Value(result)


def _tree(text: str) -> ast.expr:
    """Parse the text to Python's tree, small enough to walk by recursion."""
    if len(text) > _CHARACTERS:
        raise ExpressionError(f"an expression has at most {_CHARACTERS:,} characters")
    for sign, written in _SIGNS.items():
        if sign in text:
            raise ExpressionError(f"{text.strip()!r:.80}: {sign} is written {written}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is refused below anyway
            tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        reason = _reason(text.strip(), str(error.msg))
        raise ExpressionError(f"{text.strip()!r:.80} is no expression: {reason}") from None
    except (RecursionError, MemoryError):  # which depth it is differs between Pythons
        raise ExpressionError("the expression is nested too deep") from None
    except ValueError as error:  # a null character
        raise ExpressionError(f"{text!r:.80} is no expression: {error}") from None
    level: list[ast.AST] = [tree]
    for _ in range(_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            _check(tree, text.strip())
            return tree
    raise ExpressionError(f"the expression is nested more than {_DEPTH} deep")


_CONSTANTS = {"pi": pi, "π": pi, "e": e, "inf": inf}
"""Names that stand for numbers unless they are given others."""

_SIGNS = {"·": "*", "×": "*", "÷": "/", "−": "-", "²": "**2", "³": "**3"}
"""How books print, and what is typed here."""

_MISSING = re.compile(r"\d(?=[^\W\d])|[\w)](?=\s+[\w(])|\)(?=\w)")
"""Where a number, a name or a bracket follows another at once."""


def _reason(text: str, message: str) -> str:
    """Say what is wrong with the text: the way out where it is plain, else what Python says."""
    if message.startswith("invalid"):
        if "=" in text:
            return "it must have no ="
        if _MISSING.search(text):
            return "an operator or a bracket is missing, as in 2*x or tanh(x)"
    return message


def _check(tree: ast.expr, text: str) -> None:
    """Let nothing through but names, numbers, operators, and calls of the table's operations."""
    for node in ast.walk(tree):
        match node:
            case ast.Name() | ast.Constant(value=int() | float()) | ast.BinOp() | ast.UnaryOp():
                allowed = not isinstance(getattr(node, "value", 0), bool)
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                allowed = True
                if name not in _functions():
                    raise ExpressionError(_unknown(name))
            case ast.BitXor():
                raise ExpressionError(f"{text!r:.80}: a power is written **, as in x**2")
            case _:
                allowed = isinstance(node, (ast.Load, ast.Pow, *_BINARY, *_UNARY))
        if not allowed:
            part = _written(node if isinstance(node, ast.expr) else tree, text)
            raise ExpressionError(
                f"{part!r} is no arithmetic: write names, numbers, + - * / ** and functions, "
                "as in tanh(w*x + b)"
            )


def _names(tree: ast.expr) -> list[str]:
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [
        node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called
    ]
    names.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(node.id for node in names))


def _functions() -> dict[str, Callable[..., Any]]:
    """List the functions that may be called: the table's, a power being one and not three."""
    powers = (ops.power_constant, ops.exponential, ops.raise_to)
    table = {op.name: op for op in operations() if op not in powers}
    return {
        **table,
        "power": _power,
        "square": ops.square,
        "reciprocal": ops.reciprocal,
        "exp2": ops.exp2,
    }


_ALIASES = {
    "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh", "arctan": "atan",
    "arctan2": "atan2", "arctanh": "atanh", "deg2rad": "radians", "fabs": "abs", "hardtanh":
    "hard_tanh", "ln": "log", "logaddexp": "log_sum_exp", "logistic": "sigmoid", "logsigmoid":
    "log_sigmoid", "logsumexp": "log_sum_exp", "mod": "remainder", "pow": "power", "rad2deg":
    "degrees", "sgn": "sign", "swish": "silu", "σ": "sigmoid",
}  # fmt: skip
"""What functions of the table are called in mathematics and in other libraries."""


def _unknown(name: str) -> str:
    """Say of a function that is not there which was meant, or which there are."""
    from difflib import get_close_matches

    known = sorted(_functions())
    meant = _ALIASES.get(name) or next(iter(get_close_matches(name.lower(), known, 1)), None)
    if meant in known:
        return f"there is no function {name}: is it {meant}?"
    return f"there is no function {name}: there are {', '.join(known)}"


def _compute(
    node: ast.expr, text: str, leaves: Mapping[str, Any], functions: dict[str, Callable[..., Any]]
) -> Any:
    """Compute a part of the tree: a Value, or a number if there is no name in it."""

    def part(inner: ast.expr) -> Any:
        return _compute(inner, text, leaves, functions)

    try:
        match node:
            case ast.Name(id=name):
                return leaves[name]
            case ast.Constant(value=x):
                result = x
            case ast.UnaryOp(op=op, operand=ast.Name(id=name)):
                return _UNARY[type(op)](leaves[name])  # −inf as well: written, and not a result
            case ast.UnaryOp(op=op, operand=operand):
                result = _UNARY[type(op)](part(operand))
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                result = _power(part(left), part(right))
            case ast.BinOp(left=left, op=op, right=right):
                x, y = part(left), part(right)
                on_numbers, on_values = _BINARY[type(op)]
                recorded = isinstance(x, Value) or isinstance(y, Value)
                result = (on_values if recorded else on_numbers)(x, y)
            case _:
                call: Any = node  # of a function by its name: _check let nothing else through
                result = functions[call.func.id](*map(part, call.args))
    except ExpressionError:
        raise
    except ZeroDivisionError:
        raise ExpressionError(f"{_written(node, text)!r} divides by zero") from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ExpressionError(f"{_written(node, text)!r} cannot be computed: {error}") from None
    if isinstance(result, float) and not isfinite(result):
        raise ExpressionError(f"{_written(node, text)!r} is not finite")
    if _bits(result) > _BITS:
        _too_long(_written(node, text))
    return result


def _written(node: ast.expr, text: str) -> str:
    part = ast.get_source_segment(text, node) or text
    return part if len(part) <= 60 else f"{part[:59]}…"


def _power(x: Any, y: Any) -> Any:
    base, exponent = (v.data if isinstance(v, Value) else v for v in (x, y))
    exact = isinstance(exponent, (int, Fraction)) and base not in (0, 1, -1)
    if exact and (_bits(base) - 1) * abs(exponent) > _BITS:  # at least so many, at most twice
        _too_long(f"{base}**{exponent}")
    return ops.power(x, y)


def _bits(x: Any) -> int:
    """Count the bits that an exact number needs; 0 for a float."""
    x = x.data if isinstance(x, Value) else x
    if not isinstance(x, (int, Fraction)):
        return 0
    return max(x.numerator.bit_length(), x.denominator.bit_length())


def _too_long(written: str) -> NoReturn:
    raise ExpressionError(f"{written:.80} needs more than {_BITS:,} bits: write a number as 2.0")
