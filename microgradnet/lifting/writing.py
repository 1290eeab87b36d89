"""Terms as formulas: with matrices where the axes allow it, else with an index for each axis.

In a formula with matrices an array is named without its axes. Those that both factors of a product
and the result have in common, as the examples or the heads of an attention, are left unsaid, and so
is the sum over the examples: the formula is that of one of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from math import isfinite
from typing import cast

from microgradnet import ops
from microgradnet.lifting.algebra import contributions, expand
from microgradnet.lifting.terms import (
    VJP,
    Affine,
    Axis,
    Concatenate,
    Constant,
    Extent,
    Index,
    Leaf,
    LogSumExp,
    Map,
    Mask,
    Others,
    Put,
    Scan,
    Softmax,
    State,
    Sum,
    Take,
    Term,
    as_coefficient,
    constant,
    multiply,
    topological_terms,
)
from microgradnet.operation import Operation

__all__ = ["Form", "Formulas", "carried", "function_name", "is_renaming"]

SUM, SIGN, PRODUCT, FACTOR, POWER, ATOM = range(6)
"""How tightly what is outermost in a formula binds."""


class Form(ABC):
    """How a kind of text writes what formulas consist of."""

    minus: str
    hadamard: str
    gap: str
    at_most: str
    prime: str
    conjunction: str
    draws_fractions: bool

    @abstractmethod
    def number(self, x: float) -> str:
        """A number."""

    @abstractmethod
    def name(self, name: str, indices: str = "") -> str:
        """The name of an array, and which entry of it is meant."""

    @abstractmethod
    def entry(self, x: str, indices: str) -> str:
        """An entry of an array."""

    @abstractmethod
    def brackets(self, x: str) -> str:
        """A formula in brackets."""

    @abstractmethod
    def total(self, axes: str) -> str:
        """The sign of a sum over axes, or over all."""

    @abstractmethod
    def transposed(self, x: str) -> str:
        """A matrix transposed."""

    @abstractmethod
    def more(self, n: int) -> str:
        """What stands for n parts that are left out."""

    @abstractmethod
    def norm(self, x: str) -> str:
        """The norm of an array."""

    @abstractmethod
    def operation(self, op: Operation, operands: Sequence[str]) -> tuple[str, bool]:
        """An operation in its own notation, and whether that is a sum."""

    @abstractmethod
    def power(self, x: str, exponent: str) -> str:
        """A power."""

    @abstractmethod
    def quotient(self, x: str, y: str) -> str:
        """A quotient."""

    @abstractmethod
    def call(self, name: str, arguments: Sequence[str], prime: bool = False) -> str:
        """A function, or its derivative."""

    @abstractmethod
    def cases(self, x: str, condition: str, other: str) -> str:
        """One where a condition holds, else the other."""


class _Read(str):
    """What stands in place of a letter: an affine function of others, as it is written."""

    affine: Affine

    def __new__(cls, affine: Affine) -> _Read:
        made = super().__new__(cls, repr(affine))
        made.affine = affine
        return made


class Formulas:
    """Writes terms in a form; those that have names by their names."""

    def __init__(
        self,
        form: Form,
        names: Mapping[Term, str] | None = None,
        parameters: Iterable[Term] = (),
        constants: Mapping[Term, str] | None = None,
    ) -> None:
        """Write in a form.

        names       of terms that are written by these
        parameters  the arrays that all parameters make up, if they are known
        constants   what arrays of numbers are called, if not K
        """
        self._constants: Mapping[Term, str] = {} if constants is None else constants
        self.adjoints: set[str] = set()
        self.axes: dict[Term, Sequence[Axis]] = {}  # in which order names of recurrences have them
        self.form = form
        self._parameters = frozenset(parameters)
        self.names: Mapping[Term, str] = {} if names is None else names
        self._indexed = True
        self._letters: dict[Axis, str] = {}
        self._scope: set[str] = set()
        self._orders: dict[Term, list[Axis]] = {}
        self._step: Axis | None = None  # the axis of a recurrence's steps, while it is written
        self._shown: dict[Term, Callable[[], tuple[str, int]]] = {}

    def equation(self, term: Term, name: str, axes: Sequence[Axis] | None = None) -> str:
        """The equation that defines a variable.

        axes    its axes, in the order in which it is shown; those of the term otherwise
        """
        wanted = self.order(term) if axes is None else [a for a in axes if a.size is not None]
        if isinstance(term, Scan):
            return self._recurrence(term, name, wanted)
        left = self._lay_out(term, wanted)
        return f"{self.form.name(name, left)} = {self._part(term, SUM, inside=True)}"

    def _recurrence(self, term: Scan, name: str, wanted: Sequence[Axis]) -> str:
        """The equation of what a recurrence keeps of one step."""
        orders, self._orders = self._orders, {}
        self._step = term.axis
        beside = [init for _, init, _ in term.states]
        left = self._lay_out(term.out, [a for a in wanted if a is not term.axis], beside)
        step = self._letters.get(term.axis, term.axis.name)
        left = self.form.name(name, ",".join(x for x in (step, left) if x))
        written = f"{left} = {self._scan(term)}"
        self._orders, self._step = orders, None
        return written

    def _lay_out(self, term: Term, wanted: Sequence[Axis], beside: Sequence[Term] = ()) -> str:
        """Decide how a formula is written, and which indices its left side has.

        beside  what is written beside it
        """
        self.turn(term, wanted)
        shown = [axis for axis in self._find_order(term) if axis.size != 1]
        agree = shown == [axis for axis in wanted if axis.size != 1]
        self._indexed = not (agree and all(map(self._is_matrix_formula, (term, *beside))))
        self._letters = _letters(term) if self._indexed else {}
        self._scope = {self._letters.get(axis, axis.name) for axis in term.axes}
        return self._indices(wanted) if self._indexed else ""

    def turn(self, term: Term, order: Sequence[Axis]) -> None:
        """Have a term, and what it is a sum or a multiple of, shown with its axes in an order."""
        fixed = isinstance(term, (Leaf, State, Constant)) or term in self._orders
        if {*self._sized(term)} == {*order} and not fixed:
            self._orders[term] = [*order]
            if isinstance(term, Map):
                for x in term.operands:
                    self.turn(x, order)
            elif isinstance(term, Take) and is_renaming(term):
                (new,) = term.index.axes
                self.turn(term.operand, [term.axis if axis is new else axis for axis in order])

    def order(self, term: Term) -> list[Axis]:
        """The sized axes of a term in the order in which they are shown: rows, then columns."""
        found = self._orders.get(term)
        if found is None:
            found = self._orders[term] = [*self._find_order(term)]
        return found

    def _find_order(self, term: Term) -> Iterable[Axis]:
        own = set(self._sized(term))
        if isinstance(term, Sum):
            product = self._product_of(term)
            if product is not None:
                return product[4]
        if isinstance(term, State):
            return self._sized(term)
        if isinstance(term, Take) and is_renaming(term):
            (new,) = term.index.axes
            return [new if axis is term.axis else axis for axis in self.order(term.operand)]
        if isinstance(term, (Map, Softmax, Mask, Sum)):
            widest = max(term.operands, key=lambda x: len(self._sized(x)))
            inside = [axis for axis in self.order(widest) if axis in own]
            return inside if len(inside) == len(own) else self._sized(term)
        return self._sized(term)

    def formula(self, term: Term) -> str:
        """A term as it is, with indices."""
        self._indexed, self._letters = True, _letters(term)
        self._scope = {self._letters[axis] for axis in term.axes}
        return self._part(term, SUM, inside=True)

    # Whether matrices will do

    def _is_matrix_formula(self, root: Term) -> bool:
        for term in self._visible(root):
            named = (term in self.names or term in self._shown) and term is not root
            if named or isinstance(term, (Leaf, Constant, State)):
                continue
            if isinstance(term, Scan) and term.out in [state for state, *_ in term.states]:
                continue
            if isinstance(term, (Put, Mask, Concatenate)) or (
                isinstance(term, Scan) and term is not root
            ):
                return False
            if isinstance(term, Take) and (
                self._step in term.index.axes
                or not (is_renaming(term) or _slice(term) or self._is_one_step(term))
            ):
                return False
            if isinstance(term, Sum) and self._product_of(term) is None and not _is_total(term):
                return False
            if isinstance(term, (Softmax, LogSumExp)) and len(term.over) != 1:
                return False
            if isinstance(term, Map) and not self._is_aligned(term):
                return False
        return True

    def _is_one_step(self, term: Take) -> bool:
        """Whether a term is what a recurrence that is written has at one of its steps."""
        named = isinstance(term.operand, (Leaf, State)) or term.operand in self.names
        return named and term.axis is self._step and not term.index.axes and term.fill is None

    def _is_aligned(self, term: Map) -> bool:
        """Whether operands meet entry by entry: each has all axes, or the last, or is a number."""
        full, *own = ([a for a in self.order(x) if a.size != 1] for x in (term, *term.arguments))
        if all(axes == full[len(full) - len(axes) :] for axes in own):
            return True
        return self._is_outer(term)

    def _visible(self, root: Term) -> Iterable[Term]:
        """The terms that are written out in the formula of a term."""
        stack, seen = [root], {root}
        while stack:
            term = stack.pop()
            yield term
            if term is root or term not in self.names:
                product = self._product_of(term) if isinstance(term, Sum) else None
                for x in term.operands if product is None else product[1:3]:
                    if x not in seen:
                        seen.add(x)
                        stack.append(x)

    def _product_of(self, term: Sum) -> tuple[float, Term, Term, str, list[Axis]] | None:
        """A sum of products as a number, two matrices, which is transposed, and the result's order.

        N is a matrix as it is and T one transposed. Data come first where both are matrices.
        """
        number, rest = as_coefficient(term.operand)
        if not (
            isinstance(rest, Map) and rest.function is ops.multiply and len(rest.arguments) == 2
        ):
            return None
        x, y = rest.arguments
        over = {axis for axis in term.over if axis.size is not None}
        shared = {*self._sized(x)} & {*self._sized(y)} - over
        free = [[a for a in self._sized(t) if a not in shared and a not in over] for t in (x, y)]
        if not over <= {*self._sized(x)} & {*self._sized(y)}:
            return None
        matrices = bool(free[0] and free[1])
        wanted = [s for s in self._orders.get(term, ()) if s not in shared]
        if matrices and wanted:
            turned = wanted[-1] in free[0]
        elif matrices:
            before, after = self._transposes(x, y, over), self._transposes(y, x, over)
            turned = after < before or (
                after == before and bool(over) and _is_parameter(x) and not _is_parameter(y)
            )
        else:
            turned = not free[0]
        if turned:
            x, y = y, x
        a, b = ([s for s in self.order(t) if s not in shared] for t in (x, y))
        rows, columns = [s for s in a if s not in over], [s for s in b if s not in over]
        result = [*(s for s in self.order(x) if s in shared), *rows, *columns]
        result = self._orders.get(term, result)
        if not over:
            vectors = len(rows) == len(columns) == 1 and not shared
            return (number, x, y, "NT", result) if vectors else None
        if not rows:
            return None
        if [s for s in a if s in over] != [s for s in b if s in over]:
            return None
        left = "N" if a[-1] in over else "T"
        right = "N" if not columns or b[-1] in columns else "T"
        return number, x, y, left + right, result

    def _transposes(self, x: Term, y: Term, over: set[Axis]) -> int:
        """How many matrices a product would show transposed."""
        return (self.order(x)[-1] not in over) + (self.order(y)[-1] in over)

    # Writing

    def _part(self, term: Term, outside: int, inside: bool = False) -> str:
        """A term, in brackets where what is outside binds as tightly."""
        if term in self.names and term not in self._shown and not inside:
            return self._named(term, self.names[term])
        shown = self._shown.get(term) if not inside else None
        written, binding = self._write(term) if shown is None else shown()
        return written if binding > outside or outside == SUM else self.form.brackets(written)

    def _named(self, term: Term, name: str) -> str:
        indices = self._indices(self.order(term)) if self._indexed else ""
        if self._step in term.axes:
            step = self._letters.get(self._step, self._step.name)
            indices = ",".join(x for x in (step, indices) if x)
        return self.form.name(name, indices)

    def _sized(self, term: Term) -> list[Axis]:
        """The axes that a formula with matrices speaks of: those of one example, and one step."""
        return [axis for axis in term.axes if axis.size is not None and axis is not self._step]

    def _is_outer(self, term: Term) -> bool:
        """Whether a term is a product of two vectors along different axes."""
        if not (isinstance(term, Map) and term.function is ops.multiply):
            return False
        own = [self._sized(x) for x in term.arguments]
        return [*map(len, own)] == [1, 1] and own[0] != own[1]

    def _indices(self, axes: Iterable[Axis]) -> str:
        """Indices; of examples, one of which a formula is for, it does not speak."""
        own = [axis for axis in axes if axis.size is not None]
        return ",".join(self._letters.get(axis, axis.name) for axis in own)

    def _write(self, term: Term) -> tuple[str, int]:
        form = self.form
        match term:
            case State(name) | Leaf(name):
                return self._named(term, name), ATOM
            case Constant():
                return self._constant(term)
            case Extent():
                return form.number(1.0), ATOM  # of the examples, one of which a formula is for
            case Sum():
                return self._sum(term)
            case LogSumExp(x, over):
                name = "log_sum_exp" + self._along(over)
                return form.call(name, [self._part(x, SUM)]), ATOM
            case Others(x, over):
                return form.call("others" + self._along(over), [self._part(x, SUM)]), ATOM
            case Softmax(x, over):
                return self._softmax(x, over), ATOM
            case Take(x, axis, index):
                if not self._indexed and self._is_one_step(term):
                    at = self._index(index)
                    return self.form.name(self.names.get(x) or cast(Leaf, x).name, at), ATOM
                if not self._indexed and not is_renaming(term):
                    return self.form.name(cast(Leaf, x).name, cast(str, _slice(term))), ATOM
                return self._read(x, axis, index)
            case Put():
                return self._put(term), SIGN
            case Mask(x, conditions, fill):
                where = form.conjunction.join(map(self._condition, conditions))
                return form.cases(self._part(x, SUM), where, form.number(fill)), ATOM
            case Concatenate():
                pieces = self._abridged([self._part(piece, SUM) for piece in term.operands])
                return f"[{'; '.join(pieces)}]", ATOM
            case Scan(axis, states, out):
                for state, _, step in states:
                    for scan, name in self.names.items():
                        if state is out and isinstance(scan, Scan) and scan.out is step:
                            before = self._letters.get(axis, axis.name)
                            before += " + 1" if term.reverse else " − 1"
                            own = self._indices(self.order(state)) if self._indexed else ""
                            return form.name(name, ",".join(x for x in (before, own) if x)), ATOM
                return self.form.brackets(self._scan(term)), ATOM
        return self._map(cast(Map, term))

    def _softmax(self, x: Term, over: Sequence[Axis]) -> str:
        """A softmax; where it is read at an index along it, all of it, then the index."""
        old = self._letters
        at = [old.get(axis, axis.name) for axis in over]
        read = self._indexed and not all(letter.rstrip("′").isalpha() for letter in at)
        if read:
            self._letters = {a: letter for a, letter in old.items() if a not in over}
        written = self.form.call("softmax" + self._along(over), [self._part(x, SUM)])
        self._letters = old
        return self.form.entry(written, ",".join(at)) if read else written

    def _put(self, term: Put) -> str:
        """What is added in at an index: Σ x [index = letter]."""
        old, scope = self._letters, self._scope
        letter = old.get(term.axis, term.axis.name)
        self._letters = {**old, **self._fresh(term.over, scope | {letter})}
        self._scope = scope | {self._letters[axis] for axis in term.over}
        total = self.form.total(self._indices(term.over)) if term.over else ""
        x = "" if _is_ones(term.operand) else self._part(term.operand, SIGN) + " "
        written = f"{total}{x}[{self._index(term.index)} = {letter}]"
        self._letters, self._scope = old, scope
        return written

    def _along(self, over: Sequence[Axis]) -> str:
        return f"_{self._indices(over)}" if self._indexed else ""

    def _constant(self, term: Constant) -> tuple[str, int]:
        if term.values.size == 0 or (term.values != term.values.flat[0]).any():
            return self._named(term, self._constants.get(term, "K")), ATOM
        written = self.form.number(float(term.values.flat[0]))
        return written, SIGN if written.startswith(self.form.minus) else ATOM

    def _index(self, index: Index) -> str:
        """An index, counted from 1 as its letters are."""
        if isinstance(index, Affine):
            return self._counted(index, 1)
        return self._part(index, SUM)

    def _counted(self, at: Affine, first: int) -> _Read:
        """An affine function of coordinates that are counted from 1, from its first value on."""
        offset = at.offset + first - sum(c for _, c in at.parts)
        parts: dict[str, int] = {}
        for axis, c in at.parts:
            letter = self._letters.get(axis, axis.name)
            inner = letter.affine if isinstance(letter, _Read) else Affine(0, ((Axis(letter), 1),))
            offset += c * inner.offset
            for a, factor in inner.parts:
                if a.name == "1":
                    offset += c * factor
                else:
                    parts[a.name] = parts.get(a.name, 0) + c * factor
        return _Read(Affine(offset, tuple((Axis(letter), c) for letter, c in parts.items() if c)))

    def _condition(self, condition: Affine) -> str:
        """An affine function that is not negative as small on the left, large on the right."""
        low = tuple((axis, -c) for axis, c in condition.parts if c < 0)
        high = tuple((axis, c) for axis, c in condition.parts if c > 0)
        offset = condition.offset - sum(c for _, c in condition.parts)  # of letters from 1 on
        left = Affine(max(0, -offset) + sum(c for _, c in low), low)
        right = Affine(max(0, offset) + sum(c for _, c in high), high)
        return f"{self._counted(left, 0)} {self.form.at_most} {self._counted(right, 0)}"

    def _read(self, x: Term, axis: Axis, index: Index) -> tuple[str, int]:
        """A term read at an index, which stands in place of the axis."""
        replaced = {axis: self._index(index)}
        while isinstance(x, Take) and x not in self.names:
            inner = self._letters | replaced
            old, self._letters = self._letters, inner
            replaced[x.axis] = self._index(x.index)
            self._letters = old
            x = x.operand
        old, self._letters = self._letters, self._letters | replaced
        named = x in self.names or x in self._shown
        written = (self._part(x, SUM), ATOM) if named else self._write(x)
        self._letters = old
        return written

    def _sum(self, term: Sum) -> tuple[str, int]:
        leaf = _squared(term)
        if leaf is not None:
            return self._norms([leaf]), POWER
        found = None if self._indexed else self._product_of(term)
        if found is not None:
            number, x, y, way, _ = found
            left, right = self._part(x, PRODUCT), self._part(y, PRODUCT)
            left = self.form.transposed(left) if way[0] == "T" else left
            right = self.form.transposed(right) if way[1] == "T" else right
            product = right if _is_one(x) and way[0] == "N" else f"{left}{self.form.gap}{right}"
            return self._scaled(number, product, PRODUCT)
        over = [axis for axis in term.over if axis.size not in (None, 1)]
        number, rest = as_coefficient(term.operand)
        if not over:
            inner = term.operand
            return (self._part(inner, SUM), ATOM) if inner in self.names else self._write(inner)
        old, scope = self._letters, self._scope
        taken = scope | {self._letters.get(axis, axis.name) for axis in term.axes}
        self._letters = {**old, **self._fresh(over, taken)} if self._indexed else old
        self._scope = taken | {self._letters.get(axis, axis.name) for axis in over}
        sign = self.form.total(self._indices(over) if self._indexed else "")
        written = self._scaled(number, sign + self._part(rest, SIGN), SIGN)
        self._letters, self._scope = old, scope
        return written

    def _fresh(self, axes: Iterable[Axis], taken: set[str]) -> dict[Axis, str]:
        """Letters for axes that are summed over, other than those that stand for something."""
        found = {}
        for axis in axes:
            letter = self._letters.get(axis, axis.name)
            while letter in taken:
                letter += "′"
            found[axis] = letter
        return found

    def _scaled(self, number: float, written: str, binding: int) -> tuple[str, int]:
        if number == 1:
            return written, binding
        if number == -1:
            return self.form.minus + written, SIGN
        factor = self.form.number(number)
        return f"{factor}{self.form.gap}{written}", min(binding, PRODUCT)

    def _map(self, term: Map) -> tuple[str, int]:
        function, xs = term.function, term.arguments
        if function is ops.add:
            return self._add(xs)
        if function is ops.multiply:
            return self._multiply(term)
        if isinstance(function, str):
            return self._elementary(function, xs)
        if isinstance(function, VJP):
            return self._vjp(term)
        base = function.base or function
        if base is ops.subtract:
            return f"{self._part(xs[0], SUM)} {self.form.minus} {self._part(xs[1], SUM + 1)}", SUM
        if base is ops.divide:
            within = [SUM, SUM] if self.form.draws_fractions else [SIGN, PRODUCT]
            parts = [self._part(x, outside) for x, outside in zip(xs, within, strict=True)]
            return self.form.quotient(*parts), ATOM if self.form.draws_fractions else PRODUCT
        if base is ops.raise_to:
            return self.form.power(self._part(xs[0], POWER), self._part(xs[1], SUM)), POWER
        if base is ops.power_constant:
            exponent = self.form.number(float(function.parameters["exponent"]))
            return self.form.power(self._part(xs[0], POWER), exponent), POWER
        if base is ops.exponential:
            number = self.form.number(float(function.parameters["base"]))
            return self.form.power(number, self._part(xs[0], SUM)), POWER
        if base is ops.xlogy:
            return self._write(multiply(xs[0], Map(ops.log, (xs[1],))))
        if (isinstance(base.text, str) and "(" in base.text) or base.arity == 1:
            parts = self._abridged([self._part(x, SUM) for x in xs])
            written, is_sum = self.form.operation(function, parts)
            return written, SUM if is_sum else ATOM
        return self._write(expand(function, xs))

    def _add(self, terms: Sequence[Term]) -> tuple[str, int]:
        """A sum: first what is computed, then data, parameters and numbers; minuses last."""
        minus = self.form.minus
        terms = [x for term in terms for x in self._addends(term)]
        squares = [_squared(term) for term in terms]
        norms = [leaf for leaf in squares if leaf is not None]
        rest = terms
        parts: list[tuple[str, int]] = []
        if len(norms) > 1 and self._parameters == {*norms}:
            rest = [term for term, leaf in zip(terms, squares, strict=True) if leaf is None]
            parts = [(self._norms(norms), 2)]
        if not rest:
            return parts[0][0], POWER
        parts = [*((self._part(term, SUM), _rank(term)) for term in rest), *parts]
        ordered = sorted(parts, key=lambda part: (part[0].startswith(minus), part[1]))
        signed = [
            f" {minus} {part.removeprefix(minus)}" if part.startswith(minus) else f" + {part}"
            for part, _ in ordered[1:]
        ]
        return "".join(self._abridged([ordered[0][0], *signed], " + ")), SUM

    def _addends(self, term: Term) -> list[Term]:
        """The terms of a sum, and of unnamed ones among them."""
        if not (isinstance(term, Map) and term.function is ops.add):
            return [term]
        if term in self.names or term in self._shown:
            return [term]
        return [x for inner in term.operands for x in self._addends(inner)]

    def _abridged(self, parts: Sequence[str], sign: str = "") -> list[str]:
        """The first parts and the last, those between only counted where there are many."""
        hidden = len(parts) - _READABLE
        if hidden <= 1:
            return [*parts]
        return [*parts[: _READABLE - 1], sign + self.form.more(hidden), parts[-1]]

    def _norms(self, leaves: Sequence[Leaf]) -> str:
        """The sum of the squares of parameters; of all of them, of θ."""
        whole = len(leaves) > 1
        name = "θ" if whole else leaves[0].name
        return self.form.power(self.form.norm(self.form.name(name)), "2")

    def _multiply(self, term: Map) -> tuple[str, int]:
        """Numbers first, then what is entry by entry."""
        first, rest = as_coefficient(term)
        numbers = [first]
        factors: list[Term] = []
        for x in map(self._seen, self._factors(rest)):
            inner, within = as_coefficient(x.operand if isinstance(x, Sum) else x)
            if isinstance(x, Extent):
                continue  # of the examples, one of which a formula is for
            if isinstance(x, Constant) and x.values.size == 1:
                numbers.append(float(x.values.item()))
            elif isinstance(x, Sum) and inner != 1 and x not in self.names:
                numbers.append(inner)
                factors.append(Sum(within, x.over))
            else:
                factors.append(x)
        number, *apart = _products_within_floats(numbers)
        counts: dict[Term, int] = {}
        for factor in factors:
            counts[factor] = counts.get(factor, 0) + 1
        if apart:
            texts = [self.form.number(x) for x in (number, *apart)]
            texts += [self._part(multiply(*factors), SIGN)] if factors else []
            return self.form.gap.join(texts), PRODUCT
        outer = self._outer(term)
        if outer is not None:
            return self._scaled(number, outer, PRODUCT)
        if not counts:
            return self.form.number(number), ATOM
        ordered = sorted(counts, key=self._place)
        hadamard = f" {self.form.hadamard} "
        parts: list[str] = []
        binding, before = PRODUCT, False
        for factor in ordered:
            wide = self._is_wide(factor)
            sign = hadamard if before and wide and not self._indexed else self.form.gap
            if counts[factor] > 1:
                exponent = self.form.number(float(counts[factor]))
                written = self.form.power(self._part(factor, POWER), exponent)
            elif factor is ordered[-1] and isinstance(factor, Sum) and factor not in self.names:
                written, binding = self._write(factor)  # nothing stands behind it
            else:
                written = self._part(factor, PRODUCT if len(factors) > 1 else SIGN)
            parts.append(sign + written if parts else written)
            before = wide
        return self._scaled(number, "".join(self._abridged(parts, self.form.gap)), binding)

    def _seen(self, term: Term) -> Term:
        """A term without sums over single coordinates, which are not written."""
        while isinstance(term, Sum) and all(axis.size in (None, 1) for axis in term.over):
            if not self._indexed and self._product_of(term) is not None:
                break
            term = term.operand
        return term

    def _place(self, factor: Term) -> tuple[bool, int]:
        """Where a factor stands: numbers before vectors; then weights, data, the rest, slopes.

        Adjoints stand behind the other vectors, and before other numbers.
        """
        wide = self._is_wide(factor)
        while isinstance(factor, Take):
            factor = factor.operand
        if isinstance(factor, Map) and isinstance(factor.function, VJP):
            return wide, 6
        if (isinstance(factor, State) and factor.name in self.adjoints) or (
            isinstance(factor, Leaf) and factor.role == "seed"
        ):
            return wide, 5 if wide and not self._indexed else -1
        kinds = {"parameter": 0, "input": 1, "target": 2}
        if isinstance(factor, Constant):
            return wide, 0
        return wide, kinds[factor.role] if isinstance(factor, Leaf) else 3

    def _is_wide(self, term: Term) -> bool:
        """Whether a term has more than one entry for an example."""
        return any(axis.size not in (None, 1) for axis in term.axes)

    def _factors(self, term: Term) -> list[Term]:
        """The factors of a product, and of unnamed ones among them."""
        if isinstance(term, Map) and isinstance(term.function, VJP) and _is_primed(term):
            g, *others = term.operands
            if isinstance(g, Constant) and g.values.size == 1:
                return [term]
            slope = cast(Term, Map(term.function, (constant(1), *others)))
            return [*self._factors(g), slope]
        if not (isinstance(term, Map) and term.function is ops.multiply):
            return [term]
        if not self._indexed and self._is_outer(term):
            return [term]
        return [
            x
            for t in term.operands
            for x in ([t] if t in self.names or t in self._shown else self._factors(t))
        ]

    def _outer(self, term: Map) -> str | None:
        """A product of vectors along different axes as a matrix."""
        _, rest = as_coefficient(term)
        if self._indexed or not self._is_outer(rest):
            return None
        rows, _ = self.order(rest)
        x, y = sorted(rest.operands, key=lambda factor: rows not in factor.axes)
        row = self.form.transposed(self._part(y, PRODUCT))
        return row if _is_one(x) else f"{self._part(x, PRODUCT)}{self.form.gap}{row}"

    def _elementary(self, name: str, xs: Sequence[Term]) -> tuple[str, int]:
        parts = [self._part(x, SUM) for x in xs]
        if name == "where":
            return self.form.cases(parts[1], parts[0], parts[2]), ATOM
        signs = {"less": "<", "less_equal": self.form.at_most, "equal": "="}
        if name in signs:
            return f" {signs[name]} ".join(parts), SUM
        if name == "both":
            return self.form.conjunction.join(parts), SUM
        if name == "vanishing_product":
            return self._write(multiply(*xs))
        return self.form.call(name, parts), ATOM

    def _vjp(self, term: Map) -> tuple[str, int]:
        """G ⊙ f′(x), or the rule's formula where more than one operand varies."""
        operation, k = cast(VJP, term.function)
        g, y, *operands = term.arguments
        if not _is_primed(term):
            return self._write(contributions(operation, g, y, operands)[k])
        if isinstance(g, Constant) and g.values.size == 1:
            return self._scaled(float(g.values.item()), self._slope(operation, operands), ATOM)
        return self._multiply(term)

    def _slope(self, operation: Operation, operands: Sequence[Term]) -> str:
        name = function_name(operation)
        return self.form.call(name, [self._part(x, SUM) for x in operands], prime=True)

    def _scan(self, term: Scan) -> str:
        """What is kept of a step, in terms of the states before it, and where these begin."""
        t, old = term.axis, self._shown
        before = Affine(1 if term.reverse else -1, ((t, 1),))
        first = Affine(cast(int, t.size) if term.reverse else -1)
        same = {scan: name for scan, name in self.names.items()
                if isinstance(scan, Scan) and carried(scan) == carried(term)}  # fmt: skip
        called = {state: scan for scan in same
                  for state, _, step in scan.states if step is scan.out}  # fmt: skip
        kept = {scan.out: scan for scan in same if not isinstance(scan.out, State)}
        earlier: dict[Term, Callable[[], tuple[str, int]]] = {
            out: partial(self._at, same[scan], before, scan) for out, scan in kept.items()
        }
        shown = {
            out: partial(self._at, same[scan], Affine(0, ((t, 1),)), scan)
            for out, scan in kept.items() if out is not term.out
        }  # fmt: skip
        untold = self.untold(term, [*kept])
        own_steps, starts, first_read = [], [], []
        for state, init, step in term.states:
            if state in called or state in untold:
                name = same[called[state]] if state in called else state.name
                shown[state] = partial(self._at, name, before, called.get(state, state))
                if state not in called and step is not term.out:
                    own_steps.append((name, step))
                if state not in called or step is term.out:
                    starts.append((name, init))
            else:
                shown[state] = partial(self._with_shown, step, old | earlier)
                if state in _reached(term.out, {*kept} - {term.out}):
                    first_read.append((state, init))
        self._shown = old | shown
        parts = [self._part(term.out, SUM, inside=term.out not in shown)]
        for name, step in own_steps:
            left, _ = self._at(name, Affine(0, ((t, 1),)), step)
            parts.append(f"{left} = {self._part(step, SUM)}")
        for name, init in starts:
            parts.append(f"{self.form.name(name, self._index(first))} = {self._part(init, SUM)}")
        last = term.axis.size if term.reverse else 1
        for state, init in first_read:
            left, right = self._part(state, SUM), self._part(init, SUM)
            parts.append(f"{left} = {right} at {self._letters.get(t, t.name)} = {last}")
        self._shown = old
        return ",   ".join(parts)

    def untold(self, term: Scan, kept: Sequence[Term]) -> list[State]:
        """The states of a recurrence that need an equation beside those of what is kept of it."""
        steps = [(state, step) for state, _, step in term.states if step not in kept]
        return [state for state, step in steps if not _follows(step, {*kept}, term.axis)]

    def _at(self, name: str, step: Affine, term: Term) -> tuple[str, int]:
        """The name of what a recurrence carries, or keeps, at a step."""
        own = [a for a in self.axes.get(term) or self.order(term) if a not in step.axes]
        indices = self._indices(own) if self._indexed else ""
        return self.form.name(name, ",".join(x for x in (self._index(step), indices) if x)), ATOM

    def _with_shown(
        self, term: Term, shown: dict[Term, Callable[[], tuple[str, int]]]
    ) -> tuple[str, int]:
        """A term, with others shown in their own way."""
        old, self._shown = self._shown, shown
        written = self._write(term)
        self._shown = old
        return written


def _reached(term: Term, ends: Set[Term]) -> Set[Term]:
    """What a term is made of, down to some terms."""
    found, stack = {term}, [term]
    while stack:
        for x in stack.pop().operands:
            if x not in found and x not in ends:
                found.add(x)
                stack.append(x)
    return found


def _follows(step: Term, kept: Set[Term], t: Axis) -> bool:
    """Whether a step is made of what is kept of it, and of nothing else that the steps change."""
    stack, reached = [step], False
    while stack:
        term = stack.pop()
        if term in kept:
            reached = True
        elif (t in term.axes and not term.operands) or isinstance(term, (State, Scan)):
            return False
        else:
            stack += term.operands
    return reached


def carried(scan: Scan) -> frozenset[Term]:
    """The states of a recurrence."""
    return frozenset(state for state, *_ in scan.states)


def _products_within_floats(numbers: Iterable[float]) -> list[float]:
    """Multiply numbers with each other as long as that is a float: 1e200 · 1e200 is not ∞.

    >>> _products_within_floats([2.0, 1e200, 3.0, 1e200])
    [6e+200, 1e+200]
    """
    product = 1.0
    apart = []
    for x in numbers:
        both = product * x
        plain = all(isfinite(number) and number != 0 for number in (product, x))
        if plain and (both == 0 or not isfinite(both)):
            apart.append(x)
        else:
            product = both
    return [product, *apart]


def _rank(term: Term) -> int:
    """Where a term stands in a sum: what is computed, then data, parameters, numbers."""
    _, rest = as_coefficient(term)
    if _squared(rest) is not None:
        return 3
    factors = rest.operands if isinstance(rest, Map) and rest.function is ops.multiply else (rest,)
    leaves = [_leaf_of(x) for x in factors if not isinstance(x, Extent)]
    if all(isinstance(x, Constant) for x in leaves):
        return 4
    if not all(isinstance(x, Leaf) for x in leaves):
        return 0
    if all(cast(Leaf, x).role == "parameter" for x in leaves):
        return 3
    return 1 if len(leaves) == 1 else 2


def _leaf_of(term: Term) -> Term:
    """What a term is read or summed from."""
    while isinstance(term, (Take, Sum)):
        term = term.operand
    return term


def function_name(op: Operation) -> str:
    """What an operation is called where it is written as a function."""
    return op.symbol if op in (ops.maximum, ops.minimum) else op.name


def _is_primed(term: Term) -> bool:
    """Whether a derivative is read as G ⊙ f′(x): of a function of one operand that varies."""
    return len([x for x in term.operands[2:] if not isinstance(x, Constant)]) == 1


def _squared(term: Term) -> Leaf | None:
    """The array of parameters whose squares a term sums up."""
    product = term.operand if isinstance(term, Sum) else term
    if not (isinstance(product, Map) and product.function is ops.multiply):
        return None
    leaf = product.arguments[0]
    if not (isinstance(leaf, Leaf) and leaf.role == "parameter"):
        return None
    over = term.over if isinstance(term, Sum) else ()
    return leaf if product.arguments == (leaf, leaf) and {*over} == {*leaf.axes} else None


def is_renaming(term: Take) -> bool:
    """Whether a term is another one with one axis under another name."""
    index = term.index
    return isinstance(index, Affine) and index.renames(term.axis) not in (None, *term.operand.axes)


_READABLE = 8
"""Of more parts of a formula all but these are only counted."""

_LISTED = 4
"""Of more places only the first and the last are written."""


def _slice(term: Take) -> str | None:
    """Which entries of a vector a term is, counted from 1; None where that is not so simple."""
    x, index = term.operand, term.index
    vector = isinstance(x, (Leaf, State)) and [a for a in x.axes if a.size is not None] == [
        term.axis
    ]
    if not vector or not isinstance(index, Affine) or len(index.parts) > 1 or term.fill is not None:
        return None
    places = [index.offset + 1]
    for axis, step in index.parts:
        places = [places[0] + step * k for k in range(cast(int, axis.size))]
        if step == 1 and len(places) > 1:
            return f"{places[0]}…{places[-1]}"
    return ",".join(map(str, places)) if len(places) <= _LISTED else None


def _is_one(term: Term) -> bool:
    """Whether a term is the vector (1)."""
    return isinstance(term, Constant) and term.values.tolist() == [1.0]


def _is_ones(term: Term) -> bool:
    """Whether all numbers of a term are 1."""
    return isinstance(term, Constant) and bool((term.values == 1).all())


def _is_parameter(term: Term) -> bool:
    """Whether a term is an array of parameters, under whatever axes."""
    leaf = _leaf_of(term)
    return isinstance(leaf, Leaf) and leaf.role == "parameter"


def _is_total(term: Sum) -> bool:
    """Whether a sum goes over all that a formula speaks of."""
    over = [axis for axis in term.over if axis.size not in (None, 1)]
    return not over or all(axis.size in (None, 1) for axis in term.axes)


def _letters(root: Term) -> dict[Axis, str]:
    """A letter for each axis in a formula, no two alike."""
    letters: dict[Axis, str] = {}
    taken: set[str] = set()
    for term in topological_terms([root]):
        own = [*term.axes]
        if isinstance(term, (Sum, LogSumExp, Softmax, Others, Put)):
            own += term.over
        for axis in own:
            if axis.size == 1:
                letters[axis] = "1"
            elif axis not in letters:
                name = axis.name
                while name in taken:
                    name += "′"
                letters[axis] = name
                taken.add(name)
    return letters
