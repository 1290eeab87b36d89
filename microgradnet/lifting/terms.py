"""Terms over named axes: the language in which lifting says what it has found.

A term is an array whose entries are numbered by named axes: y[n, i] has the axes n and i. Examples,
positions, channels, rows and columns are all axes. A term that lacks an axis does not depend on it,
so nothing has to be broadcast: the sum of b[i] and x[n] has the axes i and n. A product of matrices
is no kind of term. It is a product summed over an axis:

>>> i, k = Axis("i", 2), Axis("k", 3)
>>> W, x = Leaf("W", "parameter", (i, k), range(6)), Leaf("x", "input", (k,), range(3))
>>> sum_over(multiply(W, x), k)
Σ_k W[i,k] x[k]

In the equations below c stands for coordinates, one an axis, and [a := f] for reading at f on a.

Terms are immutable and interned: two terms built alike are one object, so `is` compares them and
common subexpressions are common by themselves. `check_term` says what is wrong with a term.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from functools import cache
from importlib import import_module
from math import prod
from typing import Any, NamedTuple, TypeAlias, cast
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgradnet import ops
from microgradnet.operation import Operation

__all__ = [
    "NO_PART", "VJP", "Affine", "Axis", "Concatenate", "Constant", "Extent", "Function", "Index",
    "Leaf", "LogSumExp", "Map", "Mask", "Others", "Put", "Scan", "Softmax", "State", "Sum", "Take",
    "Term", "add", "as_coefficient", "axes_of", "check_term", "constant", "extent", "free_states",
    "is_map", "multiply",
    "negative", "read_at", "rebuild", "rename", "show_by", "sum_over", "topological_terms",
    "where_used",
]  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Axis:
    """An axis: itself alone is equal to it.

    name    how it is called in print, if no other axis there has that name
    size    how many coordinates it has; None where that is known only when a program is called,
            as of the examples
    """

    name: str
    size: int | None = None

    def __repr__(self) -> str:
        return self.name


class Affine(NamedTuple):
    """The whole number offset + Σ coefficient · coordinate.

    >>> i, u = Axis("i", 4), Axis("u", 3)
    >>> Affine(-1, ((i, 2), (u, 1)))
    2i + u − 1
    """

    offset: int = 0
    parts: tuple[tuple[Axis, int], ...] = ()

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes whose coordinates it needs."""
        return tuple(axis for axis, _ in self.parts)

    def renames(self, axis: Axis) -> Axis | None:
        """The axis whose coordinate it is, if that is another name for the given axis."""
        if self.offset == 0 and [c for _, c in self.parts] == [1]:
            ((new, _),) = self.parts
            return new if new.size == axis.size else None
        return None

    def bounds(self) -> tuple[int, int] | None:
        """The smallest and the largest value; None if an axis has no size yet."""
        low = high = self.offset
        for axis, coefficient in self.parts:
            if axis.size is None:
                return None
            reach = coefficient * (axis.size - 1)
            low, high = low + min(reach, 0), high + max(reach, 0)
        return low, high

    def __repr__(self) -> str:
        written = ""
        for axis, coefficient in self.parts:
            size = "" if abs(coefficient) == 1 else str(abs(coefficient))
            written += (" − " if coefficient < 0 else " + ") + size + axis.name
        if self.offset or not written:
            written += (" − " if self.offset < 0 else " + ") + str(abs(self.offset))
        return written.removeprefix(" + ") if written[1] == "+" else "−" + written[3:]


class VJP(NamedTuple):
    """The function g·∂y/∂xₖ of g, y, x₁, x₂ … by the rule of an operation y of x₁, x₂ and so on.

    operand     k, counted from 0
    """

    operation: Operation
    operand: int


Function: TypeAlias = "Operation | VJP | str"
"""What a `Map` applies.

An operation of the table, where `add` and `multiply` take any number of operands, a derivative
rule, or, by its name in `Arithmetic`, an elementary function that is no operation: `where`, `both`,
`equal`, `less`, `less_equal`, `is_infinite`, `vanishing_product`, `scaled`, `power_slope` or
`power_log`.
"""

_KNOWN: WeakValueDictionary[tuple[Any, ...], Term] = WeakValueDictionary()


class _Interned(type):
    """Calling a class of terms gives the term that is there already, if there is one."""

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        attributes = cast("type[Term]", cls).attributes_of(*arguments, **named)
        key = (cls, *map(_hashable, attributes))
        found = _KNOWN.get(key)
        if found is None or cls is State:
            found = _KNOWN[key] = super().__call__(*attributes)
        return found


def _hashable(x: Any) -> Any:
    return (x.dtype.char, x.shape, x.tobytes()) if isinstance(x, np.ndarray) else x


@dataclass(frozen=True, eq=False, repr=False)
class Term(metaclass=_Interned):
    """An array over named axes. Its kinds are the classes below."""

    operands: tuple[Term, ...] = field(init=False)
    """The terms it is made of."""
    axes: tuple[Axis, ...] = field(init=False)
    """The axes it depends on, each once."""

    @classmethod
    def attributes_of(cls, *arguments: Any, **named: Any) -> tuple[Any, ...]:
        """All its attributes, those that are left out as they are then."""
        rest = attribute_fields(cls)[len(arguments) :]
        return (*arguments, *[named.get(f.name, f.default) for f in rest])

    @property
    def attributes(self) -> tuple[Any, ...]:
        """What it is made of, in the order of the class's fields."""
        return tuple([getattr(self, f.name) for f in attribute_fields(type(self))])

    def __post_init__(self) -> None:
        self.__dict__["operands"] = self._operands()
        self.__dict__["axes"] = self._axes()

    def _operands(self) -> tuple[Term, ...]:
        return tuple(_terms_in(self.attributes))

    def _axes(self) -> tuple[Axis, ...]:
        raise NotImplementedError

    def with_operands(self, operands: Sequence[Term]) -> Term:
        """The same made of other terms, given in the order of `operands`."""
        if self.operands == (*operands,):
            return self
        made: Term = type(self)(*_with_terms(self.attributes, iter(operands)))
        return made

    def __repr__(self) -> str:
        import_module("microgradnet.lifting.text")  # says by `show_by` how, wherever this is asked
        return _WRITERS[-1](self)


@cache
def attribute_fields(kind: type[Term]) -> tuple[Field[Any], ...]:
    """The fields of the attributes that a kind of term is made of."""
    return tuple(f for f in fields(kind) if f.init)


def _terms_in(attributes: tuple[Any, ...]) -> Iterator[Term]:
    for x in attributes:
        if isinstance(x, Term):
            yield x
        elif type(x) is tuple:
            yield from _terms_in(x)


def _with_terms(attributes: tuple[Any, ...], new: Iterator[Term]) -> tuple[Any, ...]:
    """Attributes with their terms replaced one after the other."""
    return tuple(
        next(new) if isinstance(x, Term) else _with_terms(x, new) if type(x) is tuple else x
        for x in attributes
    )


_WRITERS: list[Callable[[Term], str]] = [object.__repr__]


def show_by(write: Callable[[Term], str]) -> None:
    """Have terms shown by a function from now on."""
    _WRITERS.append(write)


@dataclass(frozen=True, eq=False, repr=False)
class Leaf(Term):
    """Numbers that a program is given.

    role    "parameter", of the flat vector; "input", "target" and "seed", of the columns of X, Y
            and V, which holds the adjoints of several outputs
    places  where in these each entry stands, an array over those of its axes that have a size (the
            examples are rows); −1 where there is none, and the entry is 0

    >>> Leaf("b", "parameter", (Axis("i", 2),), [4, 5]).places
    array([4, 5])
    """

    name: str
    role: str
    given: tuple[Axis, ...]
    places: NDArray[np.intp]

    @classmethod
    def attributes_of(cls, name: str, role: str, axes: Sequence[Axis], places: Any) -> Any:
        """Its places as an array of the shape of its axes, if there are as many."""
        shape = [axis.size for axis in axes if axis.size is not None]
        array = np.array(places, dtype=np.intp)
        frozen = array.reshape(shape) if array.size == prod(shape) else array
        frozen.flags.writeable = False
        return name, role, tuple(axes), frozen

    def __init__(self, name: str, role: str, axes: Sequence[Axis], places: ArrayLike) -> None:
        self.__dict__.update(name=name, role=role, given=axes, places=places)
        self.__post_init__()

    def _axes(self) -> tuple[Axis, ...]:
        return self.given


@dataclass(frozen=True, eq=False, repr=False)
class Constant(Term):
    """Numbers that are always the same: an array over its axes, all of which have a size."""

    values: NDArray[Any]
    given: tuple[Axis, ...] = ()

    @classmethod
    def attributes_of(cls, values: ArrayLike, axes: Sequence[Axis] = ()) -> Any:
        """Its values as whole numbers, or as floats."""
        array = np.array(values)
        array = array.astype(np.intp if array.dtype.kind in "iub" else np.float64)
        array.flags.writeable = False
        return array, tuple(axes)

    def __init__(self, values: ArrayLike, axes: Sequence[Axis] = ()) -> None:
        self.__dict__.update(values=values, given=axes)
        self.__post_init__()

    def _axes(self) -> tuple[Axis, ...]:
        return self.given

    @property
    def number(self) -> float | None:
        """Its one number; None where it has axes."""
        return None if self.given else self.values.item()


@dataclass(frozen=True, eq=False, repr=False)
class Extent(Term):
    """The size of an axis as a number: how many examples there are."""

    axis: Axis

    def _axes(self) -> tuple[Axis, ...]:
        return ()


@dataclass(frozen=True, eq=False, repr=False)
class Map(Term):
    """A function, entry by entry: f(x₁[c], x₂[c] …)."""

    function: Function
    arguments: tuple[Term, ...]

    def _axes(self) -> tuple[Axis, ...]:
        return axes_of(self.arguments)


@dataclass(frozen=True, eq=False, repr=False)
class _Along(Term):
    """A function of what stands along some axes of one operand."""

    operand: Term
    over: tuple[Axis, ...]

    def _axes(self) -> tuple[Axis, ...]:
        return tuple(axis for axis in self.operand.axes if axis not in self.over)


class Sum(_Along):
    """The sum over axes: Σ x[c]. Of a product it is what is called a contraction."""


class LogSumExp(_Along):
    """The logarithm of the sum over axes of the exponentials: ln Σ exp x[c], without overflow."""


class Softmax(_Along):
    """The share of each entry in the sum along axes: exp x[c] / Σ exp x[c], without overflow."""

    def _axes(self) -> tuple[Axis, ...]:
        return self.operand.axes


class Others(_Along):
    """The sum of all the other entries along axes: Σ x − x[c], with its digits where x[c] is most.

    Of shares it is one less the share.
    """

    def _axes(self) -> tuple[Axis, ...]:
        return self.operand.axes


Index: TypeAlias = "Affine | Term"
"""Where to read along an axis: an affine function of coordinates, or a term of whole numbers."""


@dataclass(frozen=True, eq=False, repr=False)
class Take(Term):
    """An operand read at an index along one of its axes: x[axis := index].

    The index may depend on any axes, the one read included. With an affine index this is another
    name for an axis, a slice, a flip, a window i + u or a diagonal; with a term of whole numbers it
    is a gather.

    fill    what is read beyond the axis's ends, as in padding; None: nothing is
    """

    operand: Term
    axis: Axis
    index: Index
    fill: float | None = None

    def _axes(self) -> tuple[Axis, ...]:
        kept = tuple(axis for axis in self.operand.axes if axis is not self.axis)
        return _once((*kept, *self.index.axes))


@dataclass(frozen=True, eq=False, repr=False)
class Put(Term):
    """The adjoint of `Take`: an entry is added in where the index says, Σ_over x[c] [index = axis].

    axis    the axis that the index counts; what lies beyond its ends is left out
    over    the axes that are summed over
    """

    operand: Term
    axis: Axis
    index: Index
    over: tuple[Axis, ...]

    def _axes(self) -> tuple[Axis, ...]:
        free = _once((*self.operand.axes, *self.index.axes))
        return (*(axis for axis in free if axis not in self.over), self.axis)


@dataclass(frozen=True, eq=False, repr=False)
class Mask(Term):
    """An operand where all conditions hold, and a number elsewhere.

    conditions  affine functions of coordinates, each of which must not be negative: i ≤ d is d − i
    """

    operand: Term
    conditions: tuple[Affine, ...]
    fill: float = 0.0

    def _axes(self) -> tuple[Axis, ...]:
        own = [axis for condition in self.conditions for axis in condition.axes]
        return _once((*self.operand.axes, *own))


@dataclass(frozen=True, eq=False, repr=False)
class Concatenate(Term):
    """Pieces one behind the other along a new axis.

    pieces  terms, each with that axis of its own that becomes a part of the new one; None: it is
            a single entry there
    """

    axis: Axis
    pieces: tuple[tuple[Term, Axis | None], ...]

    def _axes(self) -> tuple[Axis, ...]:
        rest = [axis for piece, own in self.pieces for axis in piece.axes if axis is not own]
        return (*_once(rest), self.axis)


@dataclass(frozen=True, eq=False, repr=False)
class State(Term):
    """What a `Scan` carries from step to step: a name, which no other has, for its value then."""

    name: str
    given: tuple[Axis, ...]

    def _axes(self) -> tuple[Axis, ...]:
        return self.given


@dataclass(frozen=True, eq=False, repr=False)
class Scan(Term):
    """A recurrence along an axis: out[t] of states s₀ = init, s₍ₜ₊₁₎ = step(sₜ, t).

    axis    the axis of the steps t
    states  (state, init, step) for each of them; step and out are terms in the states, and what in
            them depends on the axis is read at the present step
    out     what is kept of each step: the step itself gives the states after, the state before
    reverse whether the steps run from the last to the first

    >>> t = Axis("t", 3)
    >>> x, s = Leaf("x", "input", (t,), range(3)), State("s", ())
    >>> Scan(t, ((s, constant(0), add(s, x)),), add(s, x)).axes
    (t,)
    """

    axis: Axis
    states: tuple[tuple[State, Term, Term], ...]
    out: Term
    reverse: bool = False

    def _axes(self) -> tuple[Axis, ...]:
        return (self.axis, *(axis for axis in self.out.axes if axis is not self.axis))

    def _operands(self) -> tuple[Term, ...]:
        """The initial states, then the steps, then what is kept."""
        inits, steps = [init for _, init, _ in self.states], [step for *_, step in self.states]
        return (*inits, *steps, self.out)

    def with_operands(self, operands: Sequence[Term]) -> Term:
        """The same states with other terms."""
        n = len(self.states)
        own = [state for state, *_ in self.states]
        states = tuple(zip(own, operands[:n], operands[n : 2 * n], strict=True))
        return Scan(self.axis, states, operands[2 * n], self.reverse)


# Building


def _once(axes: Iterable[Axis]) -> tuple[Axis, ...]:
    return tuple(dict.fromkeys(axes))


def axes_of(terms: Iterable[Term]) -> tuple[Axis, ...]:
    """The axes on which any of the terms depends, in the order of appearance."""
    return _once(axis for term in terms for axis in term.axes)


def constant(x: ArrayLike, *axes: Axis) -> Constant:
    """A number, or an array over axes."""
    return Constant(np.asarray(x, dtype=float), axes)


def add(*terms: Term, flat: bool = True) -> Term:
    """The sum x₁ + x₂ + …, with multiples of one term collected.

    flat    whether sums among the terms are written out

    >>> x = Leaf("x", "input", (), [0])
    >>> add(x, constant(0), x)
    2 x
    """
    given = [
        t for term in terms for t in (term.operands if flat and is_map(term, ops.add) else (term,))
    ]
    kept: dict[Term, list[float]] = {}
    for t in given:
        number, rest = as_coefficient(t)
        if number or rest is not _ONE:
            kept.setdefault(rest, []).append(number)
    collected: list[Term] = []
    for rest, numbers in kept.items():
        total = sum(numbers)
        moderate = _MODERATE[0] <= abs(total) <= _MODERATE[1]
        collected += [multiply(constant(x), rest) for x in ([total] if moderate else numbers)]
    if len(collected) < 2:
        return collected[0] if collected else constant(0)
    return Map(ops.add, tuple(collected))


def as_coefficient(term: Term) -> tuple[float, Term]:
    """A number and the rest, whose product a term is.

    >>> as_coefficient(multiply(constant(2), Leaf("x", "input", (), [0])))
    (2.0, x)
    """
    if isinstance(term, Constant) and term.number is not None:
        return float(term.number), _ONE
    if is_map(term, ops.negative):
        number, rest = as_coefficient(term.operands[0])
        return -number, rest
    factors = term.operands if is_map(term, ops.multiply) else ()
    for k, x in enumerate(factors):
        if isinstance(x, Constant) and x.number is not None:
            others = (*factors[:k], *factors[k + 1 :])
            return float(x.number), others[0] if len(others) == 1 else Map(ops.multiply, others)
    return 1.0, term


def multiply(*terms: Term) -> Term:
    """The product x₁ · x₂ · …, with products among them written out and the numbers in front.

    Numbers are multiplied with each other while their product stays moderate, since (c·w)·(d·x)
    may be finite where c·d is not.

    >>> x = Leaf("x", "input", (), [0])
    >>> multiply(x, constant(2), multiply(x, constant(0.5)))
    x²
    """
    flat = [t for term in terms for t in (term.operands if is_map(term, ops.multiply) else (term,))]
    product, kept, rest = 1.0, [], []
    for t in flat:
        number = t.number if isinstance(t, Constant) else None
        if number is None:
            rest.append(t)
        elif _MODERATE[0] <= abs(product * number) <= _MODERATE[1]:
            product *= number
        else:
            kept.append(t)
    if product != 1 or not kept + rest:
        kept.insert(0, constant(product))
    both = (*kept, *rest)
    return both[0] if len(both) == 1 else Map(ops.multiply, both)


_MODERATE = 2.0**-100, 2.0**100
_ONE: Term = Constant(1.0)

NO_PART: Term = Constant(-0.0)
"""The contribution to what has no part in a result, where terms are computed and not written.

It is the number that changes no other when it is added.
"""


def negative(term: Term) -> Term:
    """−x, as a product with −1."""
    return multiply(constant(-1), term)


def sum_over(term: Term, *axes: Axis) -> Term:
    """The sum over axes; over one that the term lacks, its size times the term.

    >>> i, j = Axis("i", 3), Axis("j", 2)
    >>> sum_over(Leaf("x", "input", (j,), [0, 1]), i, j)
    3 Σ_j x[j]
    """
    own = tuple(axis for axis in axes if axis in term.axes)
    sizes = [extent(axis) for axis in axes if axis not in term.axes]
    if own and isinstance(term, Sum):
        return multiply(*sizes, Sum(term.operand, (*term.over, *own)))
    return multiply(*sizes, Sum(term, own) if own else term)


def extent(axis: Axis) -> Term:
    """How many coordinates an axis has, as a term."""
    return Extent(axis) if axis.size is None else constant(axis.size)


def read_at(term: Term, axis: Axis, index: Index | int, fill: float | None = None) -> Term:
    """The term read at an index along an axis; as it is if it lacks the axis."""
    if axis not in term.axes:
        return term
    at = Affine(index) if isinstance(index, int) else index
    if isinstance(at, Affine) and at.renames(axis) is axis:
        return term
    if isinstance(at, Affine) and at.renames(axis) is not None:
        number, rest = as_coefficient(term)
        return multiply(constant(number), Take(rest, axis, at, fill))
    return Take(term, axis, at, fill)


def rename(term: Term, old: Axis, new: Axis) -> Term:
    """The term with one axis under another name: x[old := new]."""
    return read_at(term, old, Affine(0, ((new, 1),)))


def is_map(term: Term, function: Function) -> bool:
    """Whether a term applies a function."""
    return isinstance(term, Map) and term.function is function


# Walking


def topological_terms(roots: Iterable[Term]) -> list[Term]:
    """All terms that the roots are made of, each once and behind its operands.

    Steps of scans are among them: what depends on a state has a value only within its scan.
    """
    found: dict[Term, None] = {}
    stack: list[tuple[Term, bool]] = [(root, False) for root in reversed([*roots])]
    while stack:
        term, ready = stack.pop()
        if ready:
            found[term] = None
        elif term not in found:
            stack.append((term, True))
            stack.extend((x, False) for x in reversed(term.operands) if x not in found)
            if isinstance(term, Scan):
                stack.extend((state, False) for state, *_ in term.states)
    return list(found)


def free_states(order: Iterable[Term]) -> dict[Term, frozenset[Term]]:
    """For each of the terms, given behind their operands, the states bound by no scan in it."""
    free: dict[Term, frozenset[Term]] = {}
    for term in order:
        inside = frozenset[Term]().union(*(free[x] for x in term.operands))
        if isinstance(term, Scan):
            inside -= {state for state, *_ in term.states}
        free[term] = inside | {term} if isinstance(term, State) else inside
    return free


def where_used(terms: Iterable[Term]) -> dict[Term, list[Term]]:
    """For each term those of the given ones that it is an operand of."""
    uses: dict[Term, list[Term]] = {}
    for term in terms:
        for operand in dict.fromkeys(term.operands):
            uses.setdefault(operand, []).append(term)
    return uses


def rebuild(roots: Sequence[Term], change: Callable[[Term], Term]) -> list[Term]:
    """The roots with change applied to every term, from the leaves on upwards."""
    new: dict[Term, Term] = {}
    for term in topological_terms(roots):
        new[term] = change(term.with_operands([new[x] for x in term.operands]))
    return [new[root] for root in roots]


# Checking


def check_term(*roots: Term) -> None:
    """Raise ValueError saying what is wrong with the terms, if anything is.

    Places, constants and masks must have the shapes of their axes, sums go over axes that are
    there, indices stay within an axis unless there is a fill, states within their scan.

    >>> i, j = Axis("i", 2), Axis("j", 3)
    >>> check_term(Take(Leaf("x", "input", (j,), range(3)), j, Affine(2, ((i, 1),))))
    Traceback (most recent call last):
        ...
    ValueError: x[i + 2]: i + 2 is 2 … 3, and axis j has 3 coordinates: give a fill
    """
    order = topological_terms(roots)
    free = free_states(order)
    for term in order:
        for problem in _problems(term):
            shown = f"a map of {term.function!r}" if isinstance(term, Map) else repr(term)
            raise ValueError(f"{shown}: {problem}")
        if isinstance(term, Scan):
            for state, init, _ in term.states:
                if not free[init].isdisjoint(own for own, *_ in term.states):
                    raise ValueError(
                        f"{term!r}: the initial {state!r} depends on its scan's states"
                    )
    for root in roots:
        for loose in free[root]:
            raise ValueError(f"{root!r}: the state {loose!r} is read outside its scan")


def _problems(term: Term) -> Iterator[str]:
    if len(set(term.axes)) < len(term.axes):
        yield f"an axis stands twice among {term.axes}"
    for axis in term.axes:
        if axis.size is not None and axis.size < 1:
            yield f"axis {axis} has {axis.size} coordinates"
    yield from _CHECKS.get(type(term), lambda _: ())(term)


def _leaf_problems(term: Leaf) -> Iterator[str]:
    shape = tuple(axis.size for axis in term.axes if axis.size is not None)
    if term.role not in _ROLES:
        yield f"{term.role!r} is no role: {', '.join(_ROLES)}"
    if term.places.shape != shape:
        yield f"places have shape {term.places.shape} and the axes {shape}"
    if (term.places < -1).any():
        yield "a place is below −1"
    if term.role == "parameter":
        places = term.places[term.places >= 0]
        if len(np.unique(places)) < len(places):
            yield "a parameter stands in it twice"
        if len(shape) < len(term.axes):
            yield "parameters are the same for all examples"


def _constant_problems(term: Constant) -> Iterator[str]:
    if term.values.shape != tuple(axis.size for axis in term.axes):
        yield f"values have shape {term.values.shape}, not that of {term.axes}"


def _map_problems(term: Map) -> Iterator[str]:
    function, n = term.function, len(term.arguments)
    if isinstance(function, str):
        arity = _ELEMENTARY.get(function)
        if arity is None:
            yield f"{function!r} is neither an operation nor one of {', '.join(_ELEMENTARY)}"
    elif isinstance(function, VJP):
        own = function.operation.arity
        arity = n if own is None else own + 2
        if not 0 <= function.operand < n - 2:
            yield f"there is no operand {function.operand}"
    else:
        arity = n if function in (ops.add, ops.multiply) else function.arity
    if arity not in (None, n) or not n:
        yield f"a function of {arity} operands is given {n}"


def _along_problems(term: _Along) -> Iterator[str]:
    missing = [axis for axis in term.over if axis not in term.operand.axes]
    if missing or not term.over:
        yield f"it goes over {missing or 'no axis'}, and the operand has {term.operand.axes}"


def _index_problems(index: Index) -> Iterator[str]:
    if isinstance(index, Constant) and index.values.dtype.kind != "i":
        yield "the index holds numbers that are not whole"


def _take_problems(term: Take) -> Iterator[str]:
    axis, index = term.axis, term.index
    yield from _index_problems(index)
    if axis not in term.operand.axes:
        yield f"the operand has no axis {axis}"
    if isinstance(index, Affine) and term.fill is None and index.renames(axis) is None:
        bounds = index.bounds()
        if bounds is None or axis.size is None:
            yield f"{index} may lie beyond the ends of axis {axis}: give a fill"
        elif bounds[0] < 0 or bounds[1] >= axis.size:
            yield (
                f"{index} is {bounds[0]} … {bounds[1]}, and axis {axis} has {axis.size} "
                "coordinates: give a fill"
            )
    if isinstance(index, Constant) and term.fill is None and axis.size is not None:
        wrong = (index.values < 0) | (index.values >= axis.size)
        if wrong.any():
            yield f"an index is {index.values[wrong][0]}, and axis {axis} has {axis.size}"


def _put_problems(term: Put) -> Iterator[str]:
    yield from _index_problems(term.index)
    free = {*term.operand.axes, *term.index.axes}
    if not free.issuperset(term.over):
        yield f"it sums over {term.over}, and there are {tuple(free)}"


def _mask_problems(term: Mask) -> Iterator[str]:
    if not term.conditions:
        yield "a mask without a condition"


def _concatenate_problems(term: Concatenate) -> Iterator[str]:
    sizes = [1 if own is None else own.size for _, own in term.pieces]
    if None in sizes or sum(cast("list[int]", sizes)) != term.axis.size:
        yield f"pieces of {sizes} do not make up axis {term.axis} of {term.axis.size}"
    for piece, own in term.pieces:
        if own is not None and own not in piece.axes:
            yield f"the piece {piece!r} has no axis {own}"


def _scan_problems(term: Scan) -> Iterator[str]:
    for state, init, step in term.states:
        wanted = {*init.axes, *step.axes} - {term.axis}
        if term.axis in (*state.axes, *init.axes):
            yield f"the state {state!r} has the axis of the steps"
        if not wanted <= set(state.axes):
            yield f"the state {state!r} has axes {state.axes}, and its step {step.axes}"


_CHECKS: Mapping[type[Term], Callable[[Any], Iterable[str]]] = {
    Leaf: _leaf_problems,
    Constant: _constant_problems,
    Map: _map_problems,
    Sum: _along_problems,
    LogSumExp: _along_problems,
    Softmax: _along_problems,
    Others: _along_problems,
    Take: _take_problems,
    Put: _put_problems,
    Mask: _mask_problems,
    Concatenate: _concatenate_problems,
    Scan: _scan_problems,
}
_ROLES = ("parameter", "input", "target", "seed")
_ELEMENTARY = {
    "where": 3, "both": 2, "equal": 2, "less": 2, "less_equal": 2, "is_infinite": 1,
    "vanishing_product": 2, "scaled": 4, "power_slope": 4, "power_log": 4,
}  # fmt: skip
