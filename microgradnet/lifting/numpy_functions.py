"""How NumPy says the functions of maps: its own, helpers that a program brings along, and rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from microgradnet import ops
from microgradnet.lifting.algebra import contributions, expand
from microgradnet.lifting.terms import (
    Constant,
    Function,
    Map,
    State,
    Take,
    Term,
)
from microgradnet.operation import Operation

__all__ = [
    "HELPERS",
    "call",
    "called_helpers",
    "check_operation",
    "expression",
    "is_native",
    "number_source",
    "ufunc",
]

_UFUNCS: Mapping[Function, str] = {
    ops.add: "add", ops.subtract: "subtract", ops.multiply: "multiply", ops.divide: "divide",
    ops.negative: "negative", ops.abs: "absolute", ops.maximum: "maximum", ops.minimum: "minimum",
    ops.exp: "exp", ops.expm1: "expm1", ops.log: "log", ops.log1p: "log1p", ops.sqrt: "sqrt",
    ops.sin: "sin", ops.cos: "cos", ops.tan: "tan", ops.asin: "arcsin", ops.acos: "arccos",
    ops.atan: "arctan", ops.sinh: "sinh", ops.cosh: "cosh", ops.tanh: "tanh",
    ops.asinh: "arcsinh", ops.acosh: "arccosh", ops.atanh: "arctanh", ops.raise_to: "power",
    ops.hypot: "hypot", ops.log2: "log2", ops.log10: "log10", ops.cbrt: "cbrt",
    ops.atan2: "arctan2", ops.floor: "floor", ops.remainder: "remainder",
}  # fmt: skip
_CALLS: Mapping[Function, str] = {
    "where": "np.where({}, {}, {})",
    "less": "{} < {}",
    "less_equal": "{} <= {}",
    "equal": "{} == {}",
    "different": "{} != {}",
    "no": "np.logical_not({})",
    "step": "np.fmin(np.heaviside({}, 0.5), 1)",
    "both": "np.logical_and({}, {})",
    "is_infinite": "np.isinf({})",
    "vanishing_product": "vanishing_product({}, {})",
    "scaled": "scaled({}, {}, {}, {})",
    "power_slope": "power_slope({}, {}, {}, {})",
    "power_log": "power_log({}, {}, {}, {})",
    ops.xlogy: "xlogy({}, {})",
    ops.erf: "erf({})",
    ops.erfc: "erfc({})",
    ops.sigmoid: "sigmoid({})",
    "sigmoid_slope": "sigmoid({0}) * sigmoid(-{0})",
    ops.softplus: "softplus({})",
}
_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


def ufunc(function: Function, number: Callable[[float], str]) -> str | None:
    """The name of NumPy's function, and operands that it takes besides, with a gap for the others.

    >>> from microgradnet import relu, tanh
    >>> ufunc(tanh, repr), ufunc(relu, repr), ufunc("where", repr)
    ('tanh({})', 'maximum({}, 0.0)', None)
    """
    name = _UFUNCS.get(function)
    if name is not None:
        return name + ("({}, {})" if _arity(function) == 2 else "({})")
    if function is ops.relu:
        return f"maximum({{}}, {number(0.0)})"
    if function == "keep":
        return "choose({}, {})"
    if function == "spread":
        return "spread({})"
    if isinstance(function, Operation) and (function.base or function) is ops.power_constant:
        exponent = float(function.parameters["exponent"])
        if not exponent.is_integer():
            return None
        return "square({})" if exponent == 2 else f"power({{}}, {number(exponent)})"
    if isinstance(function, Operation) and (function.base or function) is ops.exponential:
        return f"power({number(float(function.parameters['base']))}, {{}})"
    return None


def _arity(function: Function) -> int | None:
    return cast(Operation, function).arity


def call(function: Function) -> str | None:
    """An expression with gaps for the operands, which gives a new array."""
    if isinstance(function, Operation) and (function.base or function) is ops.power_constant:
        exponent = float(function.parameters["exponent"])
        return None if exponent.is_integer() else f"fractional_power({{}}, {exponent!r})"
    return _CALLS.get(function)


def is_native(function: Function) -> bool:
    """Whether NumPy or a helper has the function."""
    return call(function) is not None or ufunc(function, repr) is not None


def check_operation(operation: Operation, count: int, *, differentiated: bool) -> None:
    """Raise TypeError for an operation that cannot be computed on arrays, or not differentiated.

    The table's own can: what is asked is whether a user's function branches in Python on a number.

    count   of how many operands
    """
    if operation.is_built_in:
        return
    g, y, *xs = [State(f"x{k}", ()) for k in range(count + 2)]
    expand(operation, xs)
    if differentiated:
        contributions(operation, g, y, xs)


def _leaves(term: Term) -> list[Term]:
    return [term] if not term.operands else [x for t in term.operands for x in _leaves(t)]


def expression(term: Term, names: Mapping[Term, str] | None = None) -> str:
    """An expression of letters and numbers, with names for some parts; operators in brackets."""
    known = names or {}
    if isinstance(term, State):
        return term.name
    if term in known:
        return known[term]
    if isinstance(term, Take) and term.operand in known:
        return f"{known[term.operand]}[{term.index}]"
    if isinstance(term, Constant) and term.number is not None:
        return number_source(term.number)
    written = [expression(x, known) for x in term.operands]
    assert isinstance(term, Map), term
    if term.function == "where" and all(isinstance(x, Constant) for x in term.arguments[1:]):
        first = next(x for x in _leaves(term) if isinstance(x, State))  # for the kind of float
        return f"np.where({', '.join(written)}).astype({first.name}.dtype)"
    return _joined(term.function, written)


def _joined(function: Function, written: Sequence[str]) -> str:
    template = call(function)
    if template is not None:
        filled = template.format(*written)
        return filled if "(" in template else f"({filled})"
    name = ufunc(function, number_source)
    assert name is not None, function
    sign = _INFIX.get(name.split("(")[0])
    if sign is not None:
        return f"({f' {sign} '.join(written)})"
    return "np." + name.format(*written)


def number_source(x: float) -> str:
    """A number as Python source; whole ones without a point, so that they do not widen float32."""
    if x != x or x in (float("inf"), float("-inf")):
        return {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}[str(x)]
    return repr(x) if str(x) == "-0.0" else repr(float(x)).removesuffix(".0")


HELPERS: dict[str, str] = {
    "sigmoid": '''\
def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow and with all its digits on the left."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)
''',
    "sigmoid_and_slope": '''\
def sigmoid_and_slope(z, one, top, a, slope):
    """With e = exp(z): the sigmoid e / (1 + e) into a, its derivative e / (1 + e)**2 into slope."""
    np.minimum(z, top, out=a)  # beyond, e would be infinite
    np.exp(a, out=a)
    np.add(a, one, out=slope)
    a /= slope
    np.divide(a, slope, out=slope)
''',
    "tanh_slope": '''\
def tanh_slope(z, one, out):
    """The derivative of tanh(z) into out: 1 / cosh(z)**2, as 1 - tanh(z)**2 loses its digits."""
    np.cosh(z, out=out)
    np.divide(one, out, out=out)
    np.square(out, out=out)
''',
    "product_for": '''\
def product_for(count):
    """The product of two matrices by so many multiplications, into out.

    From 2**18 on BLAS may wake threads for it. Where others compute too, that takes milliseconds;
    where few multiplications are to be done it saves less than they take in parts.
    """
    if not 2**18 < count < 2**22:
        return np.matmul

    def in_parts(a, b, out):
        step = max(1, len(a) * 2**18 // count)
        for k in range(0, len(a), step):
            np.matmul(a[k : k + step], b, out=out[k : k + step])

    return in_parts
''',
    "keep": '''\
def keep(kept, x, out):
    """x into out where it is kept, else 0, whatever x is there."""
    np.copyto(out, np.where(kept, x, 0))
''',
    "softplus": '''\
def softplus(x):
    """log(1 + exp(x)), without overflow and with all its digits on the left."""
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)
''',
    "xlogy": '''\
def xlogy(x, y):
    """x log y, where 0 log 0 = 0."""
    return np.where((x == 0) & ~np.isnan(y), 0, x * np.log(y))
''',
    "vanishing_product": '''\
def vanishing_product(x, y):
    """x y, where inf 0 = 0."""
    return np.where((y == 0) & np.isinf(x), 0, x * y)
''',
    "is_normal": '''\
def is_normal(x):
    """Whether a number has all its digits: neither 0 nor subnormal, neither infinite nor nan."""
    size = np.abs(x)
    return (size >= np.finfo(size.dtype).tiny) & (size < np.inf)
''',
    "in_order": '''\
def in_order(far, product, *others):
    """The product, but where it is far from the floats the first of the same that is not."""
    found = product
    for other in (*others, product):
        found = np.where(far & ~np.isnan(other), other, found)
        far = far & ~is_normal(other)
    return found
''',
    "scaled": '''\
def scaled(g, slope, x, y):
    """g slope, of a slope x / y that may be beyond the floats where g x / y is not."""
    size = np.abs(slope)
    if size.max(initial=0) < 2.0**100 and size.min(initial=1) > 2.0**-100:
        return g * slope
    far = ~is_normal(slope) & (x != 0)
    return in_order(far, g * slope, g * x / y, g / y * x) if far.any() else g * slope
''',
    "power_slope": '''\
def power_slope(g, x, y, out):
    """g y x**(y - 1), where out is x**y, with the digits that y - 1 rounds away."""
    slope = np.where(x > 0, y * out / x, np.nan)
    far = ~(is_normal(slope) & is_normal(out))
    return np.where(far, scaled(g, y * np.power(x, y - 1), y * out, x), g * slope)
''',
    "power_log": '''\
def power_log(g, x, y, out):
    """g x**y log x, where out is x**y, which may be beyond the floats where g x**y is not."""
    log = np.log(x)
    slope = out * log
    far = ~is_normal(slope)
    if not far.any():
        return g * slope
    root = np.power(x, y / 2)
    return in_order(far, g * slope, g * out * log, g * log * root * root)
''',
    "fractional_power": '''\
def fractional_power(x, exponent):
    """x**exponent, an exponent that is not whole; at -inf and -0 as at inf and 0."""
    return np.power(np.where((x == -np.inf) | (x == 0), np.abs(x), x), exponent)
''',
    "erf": '''\
def erf(x):
    """The error function, which NumPy lacks."""
    return np.vectorize(math.erf, otypes=[x.dtype])(x)
''',
    "erfc": '''\
def erfc(x):
    """The complement of the error function, which NumPy lacks."""
    return np.vectorize(math.erfc, otypes=[x.dtype])(x)
''',
    "softmax_rows": '''\
def softmax_rows(x, ones, sums, out):
    """exp(x) over its sum along the last axis, into out; sums gets the sums, at every entry.

    While no sum overflows or underflows the largest x need not be taken from the others first.
    """
    np.exp(x, out=out)
    np.matmul(out, ones, out=sums)
    if sums.max(initial=0) < np.inf and sums.min(initial=1) > 1e-8:
        out /= sums
    else:
        out[...] = softmax(x, -1)
''',
    "masked_softmax_rows": '''\
def masked_softmax_rows(x, mask, ones, sums, out):
    """The softmax along the last axis of what x is where mask is 1; 0 where mask is 0."""
    np.exp(x, out=out)
    out *= mask
    np.matmul(out, ones, out=sums)
    if sums.max(initial=0) < np.inf and sums.min(initial=1) > 1e-8:
        out /= sums
    else:
        out[...] = softmax(np.where(mask, x, -np.inf), -1)
''',
    "softmax": '''\
def softmax(x, axis):
    """exp(x) over its sum along axes; an infinite x, if it is the only one, takes all."""
    top = x.max(axis=axis, keepdims=True)
    e = np.exp(x - top)
    s = e / e.sum(axis=axis, keepdims=True)
    if not np.isposinf(top).any():
        return s
    first = x == np.inf
    winner = np.where(first.sum(axis=axis, keepdims=True) == 1, 1, np.nan)
    return np.where(top == np.inf, np.where(first, winner, 0), s)
''',
    "others": '''\
def others(x, axis):
    """The sum of the other entries along axes; what is most of it is left out of the sum."""
    total = x.sum(axis=axis, keepdims=True)
    rest = total - x
    whole, size = total, x
    if x.min(initial=0) < 0:
        size = np.abs(x)
        whole = size.sum(axis=axis, keepdims=True)
    most = size > whole / 2
    if most.any():
        rest = np.where(most, np.where(most, 0, x).sum(axis=axis, keepdims=True), rest)
    return rest
''',
    "log_sum_exp": '''\
def log_sum_exp(x, axis):
    """log of the sum of exp(x) along axes; the largest x is kept out of the sum."""
    top = x.max(axis=axis, keepdims=True)
    e = np.exp(x - top)
    e[x == top] = 0
    ties = (x == top).sum(axis=axis, keepdims=True) - 1
    found = np.where(np.isinf(top), top, top + np.log1p(e.sum(axis=axis, keepdims=True) + ties))
    return found.reshape([n for k, n in enumerate(x.shape) if k not in axis])
''',
}
"""The source of each by its name."""


def called_helpers(text: str) -> list[str]:
    """The helpers that a text calls, and those that these call."""
    wanted: set[str] = set()
    texts = [text]
    while texts:
        called = set(re.findall(r"(?<![.\w])(\w+)[()]", texts.pop()))
        for name in HELPERS.keys() & called - wanted:
            wanted.add(name)
            texts.append(HELPERS[name])
    return [HELPERS[name] for name in HELPERS if name in wanted]
