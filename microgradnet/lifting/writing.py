"""Terms as formulas: with matrices where the axes allow it, else with an index for each axis.

In a formula with matrices an array is named without its axes. Those that both factors of a product
and the result have in common, as the examples or the heads of an attention, are left unsaid, and so
is the sum over the examples: the formula is that of one of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
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
    Put,
    Scan,
    Softmax,
    State,
    Sum,
    Take,
    Term,
    as_coefficient,
    multiply,
    topological_terms,
)
from microgradnet.operation import Operation

__all__ = ["Form", "Formulas", "is_renaming"]

SUM, SIGN, PRODUCT, FACTOR, ATOM = range(5)
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
    def brackets(self, x: str) -> str:
        """A formula in brackets."""

    @abstractmethod
    def total(self, axes: str) -> str:
        """The sign of a sum over axes, or over all."""

    @abstractmethod
    def transposed(self, x: str) -> str:
        """A matrix transposed."""

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


class Formulas:
    """Writes terms in a form; those that have names by their names."""

    def __init__(self, form: Form, names: Mapping[Term, str] | None = None) -> None:
        self.form = form
        self.names: Mapping[Term, str] = {} if names is None else names
        self._indexed = True
        self._letters: dict[Axis, str] = {}
        self._orders: dict[Term, list[Axis]] = {}
        self._shown: dict[Term, str] = {}

    def equation(self, term: Term, name: str, given: Term | None = None) -> str:
        """The equation that defines a named term."""
        body = term if given is None else given
        self._indexed = not self._is_matrix_formula(body)
        self._letters = _letters(body) if self._indexed else {}
        left = self.form.name(name, self._indices(self.order(term)) if self._indexed else "")
        if isinstance(body, Scan):
            return f"{left} = {self._scan(body)}"
        return f"{left} = {self._part(body, SUM, inside=True)}"

    def turn(self, term: Term, order: Sequence[Axis]) -> None:
        """Have a term, and what it is a sum or a multiple of, shown with its axes in an order."""
        if {*_sized(term)} == {*order} and term not in self._orders:
            self._orders[term] = [*order]
            if isinstance(term, Map):
                for x in term.operands:
                    self.turn(x, order)

    def order(self, term: Term) -> list[Axis]:
        """The sized axes of a term in the order in which they are shown: rows, then columns."""
        found = self._orders.get(term)
        if found is None:
            found = self._orders[term] = [*self._find_order(term)]
        return found

    def _find_order(self, term: Term) -> Iterable[Axis]:
        own = set(_sized(term))
        if isinstance(term, Sum):
            product = self._product_of(term)
            if product is not None:
                return product[4]
        if isinstance(term, Take) and is_renaming(term):
            (new,) = term.index.axes
            return [new if axis is term.axis else axis for axis in self.order(term.operand)]
        if isinstance(term, (Map, Softmax, Mask, Sum)):
            widest = max(term.operands, key=lambda x: len(_sized(x)))
            inside = [axis for axis in self.order(widest) if axis in own]
            return inside if len(inside) == len(own) else _sized(term)
        return _sized(term)

    def formula(self, term: Term) -> str:
        """A term as it is, with indices."""
        self._indexed, self._letters = True, _letters(term)
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
            if isinstance(term, Take) and not is_renaming(term):
                return False
            if isinstance(term, Sum) and self._product_of(term) is None and not _is_total(term):
                return False
            if isinstance(term, (Softmax, LogSumExp)) and len(term.over) != 1:
                return False
            if isinstance(term, Map) and not self._is_aligned(term):
                return False
        return True

    def _is_aligned(self, term: Map) -> bool:
        """Whether operands meet entry by entry: each has all axes, or the last, or is a number."""
        full = self.order(term)
        own = [self.order(x) for x in term.arguments]
        if all(axes == full[len(full) - len(axes) :] for axes in own):
            return True
        return term.function is ops.multiply and len(own) == 2 and not {*own[0]} & {*own[1]}

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
        shared = {*_sized(x)} & {*_sized(y)} - over
        free = [[a for a in _sized(t) if a not in shared and a not in over] for t in (x, y)]
        if not over <= {*_sized(x)} & {*_sized(y)}:
            return None
        matrices = bool(free[0] and free[1])
        wanted = [s for s in self._orders.get(term, ()) if s not in shared]
        if matrices and wanted:
            turned = wanted[-1] in free[0]
        elif matrices:
            turned = bool(over) and not _is_data(x) and _is_data(y)
        else:
            turned = not free[0]
        if turned:
            x, y = y, x
        a, b = ([s for s in self.order(t) if s not in shared] for t in (x, y))
        rows, columns = [s for s in a if s not in over], [s for s in b if s not in over]
        result = [*(s for s in self.order(x) if s in shared), *rows, *columns]
        result = self._orders.get(term, result)
        if not over:
            return (number, x, y, "NT", result) if rows and columns and not shared else None
        if not rows:
            return None
        if [s for s in a if s in over] != [s for s in b if s in over]:
            return None
        left = "N" if a[-1] in over else "T"
        right = "N" if not columns or b[-1] in columns else "T"
        return number, x, y, left + right, result

    # Writing

    def _part(self, term: Term, outside: int, inside: bool = False) -> str:
        """A term, in brackets where what is outside binds as tightly."""
        if term in self._shown and not inside:
            return self._shown[term]
        if term in self.names and not inside:
            return self._named(term, self.names[term])
        written, binding = self._write(term)
        return written if binding > outside or outside == SUM else self.form.brackets(written)

    def _named(self, term: Term, name: str) -> str:
        return self.form.name(name, self._indices(self.order(term)) if self._indexed else "")

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
            case Softmax(x, over):
                return form.call("softmax" + self._along(over), [self._part(x, SUM)]), ATOM
            case Take(x, axis, index):
                return self._read(x, axis, index)
            case Put(x, axis, index, over):
                at = f"{self._index(index)} = {self._letters.get(axis, axis.name)}"
                total = form.total(self._indices(over)) if over else ""
                inner = f"{total}{self._part(x, SIGN)} [{at}]"
                return inner, SIGN
            case Mask(x, conditions, fill):
                where = form.conjunction.join(map(self._condition, conditions))
                return form.cases(self._part(x, SUM), where, form.number(fill)), ATOM
            case Concatenate():
                pieces = [self._part(piece, SUM) for piece in term.operands]
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

    def _along(self, over: Sequence[Axis]) -> str:
        return f"_{self._indices(over)}" if self._indexed else ""

    def _constant(self, term: Constant) -> tuple[str, int]:
        if term.number is None:
            return self.form.name("K", self._indices(term.axes) if self._indexed else ""), ATOM
        written = self.form.number(float(term.number))
        return written, SIGN if written.startswith(self.form.minus) else ATOM

    def _index(self, index: Index) -> str:
        if isinstance(index, Affine):
            renamed = tuple((Axis(self._letters.get(a, a.name), a.size), c) for a, c in index.parts)
            return repr(Affine(index.offset, renamed))
        return self._part(index, SUM)

    def _condition(self, condition: Affine) -> str:
        """An affine function that is not negative as small on the left, large on the right."""
        low = tuple((axis, -c) for axis, c in condition.parts if c < 0)
        high = tuple((axis, c) for axis, c in condition.parts if c > 0)
        offset = condition.offset
        left, right = Affine(max(0, -offset), low), Affine(max(0, offset), high)
        return f"{self._index(left)} {self.form.at_most} {self._index(right)}"

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
        found = None if self._indexed else self._product_of(term)
        if found is not None:
            number, x, y, way, _ = found
            left, right = self._part(x, PRODUCT), self._part(y, PRODUCT)
            left = self.form.transposed(left) if way[0] == "T" else left
            right = self.form.transposed(right) if way[1] == "T" else right
            return self._scaled(number, f"{left}{self.form.gap}{right}", PRODUCT)
        over = [axis for axis in term.over if axis.size is not None]
        number, rest = as_coefficient(term.operand)
        if not over:
            inner = term.operand
            return (self._part(inner, SUM), ATOM) if inner in self.names else self._write(inner)
        old = self._letters
        free = {self._letters.get(axis, axis.name) for axis in term.axes}
        for axis in over:  # a letter that stands for another axis outside
            if self._indexed and self._letters.get(axis, axis.name) in free:
                self._letters = {**self._letters, axis: f"{axis.name}′"}
        sign = self.form.total(self._indices(over) if self._indexed else "")
        written = self._scaled(number, sign + self._part(rest, SIGN), SIGN)
        self._letters = old
        return written

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
            return self._add(xs), SUM
        if function is ops.multiply:
            return self._multiply(term)
        if isinstance(function, str):
            return self._elementary(function, xs)
        if isinstance(function, VJP):
            return self._vjp(function, xs)
        base = function.base or function
        if base is ops.subtract:
            return f"{self._part(xs[0], SUM)} {self.form.minus} {self._part(xs[1], SUM + 1)}", SUM
        if base is ops.divide:
            within = [SUM, SUM] if self.form.draws_fractions else [SIGN, PRODUCT]
            parts = [self._part(x, outside) for x, outside in zip(xs, within, strict=True)]
            return self.form.quotient(*parts), ATOM if self.form.draws_fractions else PRODUCT
        if base is ops.raise_to:
            return self.form.power(self._part(xs[0], FACTOR), self._part(xs[1], SUM)), FACTOR + 1
        if base is ops.power_constant:
            exponent = self.form.number(float(function.parameters["exponent"]))
            return self.form.power(self._part(xs[0], FACTOR), exponent), FACTOR + 1
        if base is ops.xlogy:
            return self._write(multiply(xs[0], Map(ops.log, (xs[1],))))
        if (isinstance(base.text, str) and "(" in base.text) or base.arity == 1:
            return self.form.call(base.name, [self._part(x, SUM) for x in xs]), ATOM
        return self._write(expand(function, xs))

    def _add(self, terms: Sequence[Term]) -> str:
        """A sum, which does not begin with a minus if it need not."""
        minus = self.form.minus
        parts = [self._part(term, SUM) for term in terms]
        begins = next((k for k, part in enumerate(parts) if not part.startswith(minus)), 0)
        parts.insert(0, parts.pop(begins))
        signed = [
            f" {minus} {part.removeprefix(minus)}" if part.startswith(minus) else f" + {part}"
            for part in parts[1:]
        ]
        return parts[0] + "".join(signed)

    def _multiply(self, term: Map) -> tuple[str, int]:
        """Numbers first, then what is entry by entry."""
        number, rest = as_coefficient(term)
        factors: list[Term] = []
        for x in self._factors(rest):
            inner, within = as_coefficient(x.operand if isinstance(x, Sum) else x)
            if isinstance(x, Constant) and x.number is not None:
                number *= float(x.number)
            elif isinstance(x, Sum) and inner != 1 and x not in self.names:
                number *= inner
                factors.append(Sum(within, x.over))
            else:
                factors.append(x)
        counts: dict[Term, int] = {}
        for factor in (x for x in factors if not isinstance(x, Extent)):
            counts[factor] = counts.get(factor, 0) + 1
        outer = self._outer(term) if not self._indexed else None
        if outer is not None:
            return self._scaled(number, outer, PRODUCT)
        ordered = sorted(counts, key=self._is_wide)
        hadamard = f" {self.form.hadamard} "
        text, binding = "", PRODUCT
        before = False
        for factor in ordered:
            wide = self._is_wide(factor)
            if text:
                text += hadamard if before and wide and not self._indexed else self.form.gap
            if counts[factor] > 1:
                exponent = self.form.number(float(counts[factor]))
                text += self.form.power(self._part(factor, FACTOR), exponent)
            elif factor is ordered[-1] and isinstance(factor, Sum) and factor not in self.names:
                written, binding = self._write(factor)  # nothing stands behind it
                text += written
            else:
                text += self._part(factor, PRODUCT if len(factors) > 1 else SIGN)
            before = wide
        return self._scaled(number, text, binding)

    def _is_wide(self, term: Term) -> bool:
        """Whether a term has more than one entry for an example."""
        return any(axis.size not in (None, 1) for axis in term.axes)

    def _factors(self, term: Term) -> list[Term]:
        """The factors of a product, and of unnamed ones among them."""
        if not (isinstance(term, Map) and term.function is ops.multiply):
            return [term]
        return [
            x
            for t in term.operands
            for x in ([t] if t in self.names or t in self._shown else self._factors(t))
        ]

    def _outer(self, term: Map) -> str | None:
        """A product of vectors along different axes as a matrix."""
        _, rest = as_coefficient(term)
        if not (
            isinstance(rest, Map) and rest.function is ops.multiply and len(rest.arguments) == 2
        ):
            return None
        x, y = rest.arguments
        a, b = _sized(x), _sized(y)
        if not a or not b or {*a} & {*b}:
            return None
        return (
            f"{self._part(x, PRODUCT)}{self.form.gap}{self.form.transposed(self._part(y, PRODUCT))}"
        )

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

    def _vjp(self, function: VJP, xs: Sequence[Term]) -> tuple[str, int]:
        """G ⊙ f′(x), or the rule's formula where more than one operand varies."""
        operation, k = function
        g, y, *operands = xs
        varying = [x for x in operands if not isinstance(x, Constant)]
        if len(varying) != 1:
            return self._write(contributions(operation, g, y, operands)[k])
        if isinstance(g, Constant) and g.number == 1:
            return self._slope(operation, operands), ATOM
        wide = any(axis.size not in (None, 1) for axis in varying[0].axes)
        sign = f" {self.form.hadamard} " if wide and not self._indexed else self.form.gap
        number, rest = as_coefficient(g)
        if isinstance(rest, Constant) and rest.number == 1:
            return self._scaled(number, self._slope(operation, operands), ATOM)
        negative = number == -1
        factor = rest if negative else g
        tight = PRODUCT if wide and not self._indexed else SIGN
        written = f"{self._part(factor, tight)}{sign}{self._slope(operation, operands)}"
        return (self.form.minus + written, SIGN) if negative else (written, PRODUCT)

    def _slope(self, operation: Operation, operands: Sequence[Term]) -> str:
        return self.form.call(operation.name, [self._part(x, SUM) for x in operands], prime=True)

    def _scan(self, term: Scan) -> str:
        """What is kept of a step, in terms of the states before it, and where these begin."""
        t = self._letters.get(term.axis, term.axis.name)
        before = f"{t} + 1" if term.reverse else f"{t} − 1"
        first = str(term.axis.size) if term.reverse else f"{self.form.minus}1"
        kept = {scan.out: name for scan, name in self.names.items()
                if isinstance(scan, Scan) and scan.states == term.states}  # fmt: skip
        starts = []
        for state, init, step in term.states:
            own = self._indices(self.order(state)) if self._indexed else ""
            indices = ",".join(x for x in (before, own) if x)
            if step in kept:
                self._shown[state] = self.form.name(kept[step], indices)
                starts.append(f"{self.form.name(kept[step], first)} = {self._part(init, SUM)}")
                continue
            earlier = {out: self.form.name(name, before) for out, name in kept.items()}
            if earlier.keys() & set(topological_terms([step])):
                old, self._shown = self._shown, self._shown | earlier
                written = self._part(step, PRODUCT)
                self._shown = {**old, state: written}
                starts.append(f"{written} = {self._part(init, SUM)} at {t} = {first}")
                continue
            self._shown[state] = self.form.name(state.name, indices)
            starts.append(f"{self._named(state, state.name)} = {self._part(step, SUM)}")
            starts.append(f"{self.form.name(state.name, first)} = {self._part(init, SUM)}")
        written = self._part(term.out, SUM, inside=term.out not in self._shown)
        return f"{written},   {',   '.join(starts)}"


def is_renaming(term: Take) -> bool:
    """Whether a term is another one with one axis under another name."""
    index = term.index
    return isinstance(index, Affine) and index.renames(term.axis) not in (None, *term.operand.axes)


def _sized(term: Term) -> list[Axis]:
    """The axes that a formula with matrices speaks of."""
    return [axis for axis in term.axes if axis.size is not None]


def _is_data(term: Term) -> bool:
    """Whether a term differs between examples."""
    return any(axis.size is None for axis in term.axes)


def _is_total(term: Sum) -> bool:
    """Whether a sum goes over all that a formula speaks of."""
    return not _sized(term) or not any(axis.size is not None for axis in term.over)


def _letters(root: Term) -> dict[Axis, str]:
    """A letter for each axis in a formula, no two alike."""
    letters: dict[Axis, str] = {}
    taken: set[str] = set()
    for term in topological_terms([root]):
        own = [*term.axes]
        if isinstance(term, (Sum, LogSumExp, Softmax, Put)):
            own += term.over
        for axis in own:
            if axis not in letters:
                name = axis.name
                while name in taken:
                    name += "′"
                letters[axis] = name
                taken.add(name)
    return letters
