"""Which terms of a program have an equation of their own, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from microgradnet import ops
from microgradnet.lifting.latex import LATEX
from microgradnet.lifting.terms import (
    Constant,
    Extent,
    Leaf,
    Map,
    Mask,
    Scan,
    Softmax,
    State,
    Sum,
    Take,
    Term,
    as_coefficient,
    free_states,
    topological_terms,
    where_used,
)
from microgradnet.lifting.text import TEXT
from microgradnet.lifting.writing import Formulas, is_renaming

__all__ = ["Equation", "equations", "name_terms"]


@dataclass(frozen=True, eq=False)
class Equation:
    """name = term, in one part of a program: forward, backward or gradient.

    shape   the sizes of what it defines, for one example
    """

    name: str
    term: Term
    part: str
    text: str
    latex: str
    shape: tuple[int, ...]


def equations(
    cost: Term,
    gradients: Mapping[Leaf, Term],
    adjoints: Mapping[Term, Term],
    names: Mapping[Term, str] | None = None,
) -> list[Equation]:
    """The equations of a program: forward, then those of adjoints, then those of the gradients.

    names   of forward terms; `name_terms` gives what they are called otherwise

    >>> from microgradnet.lifting.derivatives import adjoints
    >>> from microgradnet.lifting.terms import Axis, constant, multiply, sum_over
    >>> i, k = Axis("i", 2), Axis("k", 3)
    >>> W, x = Leaf("W1", "parameter", (i, k), range(6)), Leaf("a0", "input", (k,), range(3))
    >>> z = sum_over(multiply(W, x), k)
    >>> cost = sum_over(Map(ops.tanh, (z,)), i)
    >>> found = adjoints([(cost, constant(1))], [W])
    >>> for equation in equations(cost, {W: found[W]}, found):
    ...     print(equation.text)
    z1 = W1 a0
    a1 = tanh(z1)
    C = Σ a1
    δ1 = tanh′(z1)
    ∂C/∂W1 = δ1 a0ᵀ
    """
    return _Equations(cost, gradients, adjoints, names).written()


_LONGEST, _DEEPEST = 100, 6
"""Of longer equations, and of deeper ones, a part gets an equation of its own."""
_ONE_OF = re.compile(r"[az]\d+")


class _Equations:
    def __init__(
        self,
        cost: Term,
        gradients: Mapping[Leaf, Term],
        adjoints: Mapping[Term, Term],
        names: Mapping[Term, str] | None,
    ) -> None:
        self.cost, self.gradients, self.adjoints = cost, gradients, adjoints
        self.forward = topological_terms([cost])
        self.order = topological_terms([cost, *gradients.values()])
        self.bound = {x for x, states in free_states(self.order).items() if states}
        self.names = dict(name_terms(cost) if names is None else names)
        self.names.pop(cost, None)
        self.known = dict(self.names)
        self.writers = Formulas(TEXT, self.known), Formulas(LATEX, self.known)
        self.name_adjoints()
        self.name_scans()
        self.name_deep()
        self.parts = {x: "forward" for x in self.forward}
        self.found: dict[str, list[Equation]] = {"forward": [], "backward": [], "gradient": []}

    def new_name(self, stem: str) -> str:
        """The stem with the next number."""
        taken = [int(x[1:]) for x in self.known.values() if x[0] == stem and x[1:].isdigit()]
        return f"{stem}{max(taken, default=0) + 1}"

    def is_plain(self, term: Term) -> bool:
        """Whether a term needs no equation."""
        kinds = (Leaf, Constant, Extent, State, Take, Scan)
        return isinstance(term, kinds) or term in self.bound or not term.axes

    def name_adjoints(self) -> None:
        """Call the adjoints of named terms after them; of layers they are δ."""
        for term, name in self.names.items():
            g = self.adjoints.get(term)
            numbered = _ONE_OF.fullmatch(name) is not None
            if g is None or g in self.known or isinstance(g, (Leaf, Constant, Extent)):
                continue
            if not (numbered and name[0] == "a"):
                self.known[g] = f"δ{name[1:]}" if numbered else f"∂C/∂{name}"
                if isinstance(g, (Map, Sum)):
                    for writer in self.writers:
                        writer.turn(g, writer.order(term))

    def name_scans(self) -> None:
        """Give each recurrence a name, but for what is a state before a step."""
        for scan in self.order:
            if not isinstance(scan, Scan) or scan in self.known:
                continue
            if scan.out not in [state for state, *_ in scan.states]:
                self.known[scan] = self.new_name("δ" if scan.reverse else "v")

    def name_deep(self) -> None:
        """Name what would make a formula too deep, and what is written twice, going back."""
        uses = where_used(self.order)
        before = set(self.forward)
        depths: dict[Term, int] = {}
        number = int(self.new_name("v")[1:])
        for term in self.order:
            inner = [depths[x] for x in term.operands if x not in self.known]
            depths[term] = depth = 1 if isinstance(term, Scan) else 1 + max(inner, default=0)
            twice = depth > 3 and term not in before and len(uses.get(term, ())) > 1
            named = term in self.known or term is self.cost
            if (depth > _DEEPEST or twice) and not named and not self.is_plain(term):
                self.known[term] = f"v{number}"
                number += 1

    def written(self) -> list[Equation]:
        """All equations."""
        for term in self.order:
            if term is self.cost:
                self.write(term, "C")
            elif term in self.known:
                self.write(term, self.known[term])
        for leaf, g in self.gradients.items():
            name = f"∂C/∂{leaf.name}"
            if g not in self.known:
                for writer in self.writers:
                    writer.turn(g, leaf.axes)
                self.shorten(g, name)
            text, latex = (self.gradient(writer, name, g) for writer in self.writers)
            shape = tuple(axis.size for axis in leaf.axes if axis.size is not None)
            self.found["gradient"].append(Equation(name, g, "gradient", text, latex, shape))
        return [equation for part in self.found.values() for equation in part]

    def write(self, term: Term, name: str) -> None:
        """Write the equation of a term, after those of parts that it is too long without."""
        self.shorten(term, name)
        text, latex = (writer.equation(term, name) for writer in self.writers)
        shape = tuple(cast(int, axis.size) for axis in self.writers[0].order(term))
        part = self.parts.get(term, "backward")
        self.found[part].append(Equation(name, term, part, text, latex, shape))

    def shorten(self, term: Term, name: str) -> None:
        """Give parts of an equation their own, until it is short."""
        while len(text := self.writers[0].equation(term, name)) > _LONGEST:
            part = self.part_to_name(term, len(text))
            if part is None:
                return
            self.known[part] = self.new_name("v")
            self.write(part, self.known[part])

    def part_to_name(self, whole: Term, length: int) -> Term | None:
        """The largest part of a formula that is not nearly all of it."""
        sizes: dict[Term, int] = {}
        stack: list[Term] = [*whole.operands]
        while stack:
            term = stack.pop()
            if term in self.known or term in sizes:
                continue
            plain = self.is_plain(term)
            sizes[term] = 0 if plain else len(Formulas(TEXT, self.known).equation(term, "v"))
            stack.extend(term.operands)
        fitting = {x: n for x, n in sizes.items() if 20 < n <= 0.8 * length}
        return max(fitting, key=lambda x: fitting[x], default=None)

    def gradient(self, writer: Formulas, name: str, g: Term) -> str:
        """The equation of a gradient, which may be no more than the name of an adjoint."""
        if g in self.known:
            return f"{writer.form.name(name)} = {writer.form.name(self.known[g])}"
        return writer.equation(g, name)


def name_terms(cost: Term) -> dict[Term, str]:
    """Name forward terms: z and a of layers, S and A around a softmax, v of what is used twice.

    A layer's z is a sum with a product of parameters and what depends on inputs; its a is the one
    function of it.
    """
    order = topological_terms([cost])
    bound = {x for x, states in free_states(order).items() if states}
    uses = where_used(order)
    names: dict[Term, str] = {}
    layer = 0
    for term in order:
        if (
            _is_layer(term)
            and term not in bound
            and not any(_is_layer(x) and _adds(x) for x in uses.get(term, []))
        ):
            layer += 1
            names[term] = f"z{layer}"
            for user in uses.get(term, []):
                if _is_function_of(user, term):
                    names[user] = f"a{layer}"
    names |= _attention_names(order, names)
    number = 0
    for term in order:
        plain = isinstance(term, (Leaf, Constant, Extent, State, Take)) or term in names
        readers = [x for x in uses.get(term, []) if not (isinstance(x, Take) and is_renaming(x))]
        if (
            not plain
            and term.axes
            and (len(readers) > 1 or isinstance(term, Scan))
            and term not in bound
        ):
            state = _state_of(term)
            number += state is None
            names[term] = f"v{number}" if state is None else state.name
    return names


def _attention_names(order: Sequence[Term], layers: Mapping[Term, str]) -> dict[Term, str]:
    """S, A and O around a softmax over products of Q and K, and V; numbered if several."""
    found: list[tuple[Softmax, Term, Sum, tuple[Term, Term]]] = []
    outputs = {x: t for t in order if isinstance(t, Sum) for x in t.operand.operands}
    for term in order:
        if not isinstance(term, Softmax):
            continue
        inner: Term = term.operand
        while isinstance(inner, (Mask, Map)) and not isinstance(inner, Sum):
            sums = [x for x in inner.operands if not isinstance(x, Constant)]
            if len(sums) != 1:
                break
            (inner,) = sums
        out = outputs.get(term)
        if isinstance(inner, Sum) and len(inner.operand.operands) == 2 and isinstance(out, Sum):
            q, k = (_without_renaming(x) for x in inner.operand.operands)
            found.append((term, term.operand, out, (q, k)))
    names: dict[Term, str] = {}
    for number, (shares, scores, out, (q, k)) in enumerate(found, 1):
        suffix = str(number) if len(found) > 1 else ""
        names |= {shares: f"A{suffix}", scores: f"S{suffix}", out: f"O{suffix}"}
        others = [_without_renaming(x) for x in out.operand.operands if x is not shares]
        for letter, term in zip("QKV", (q, k, *others), strict=False):
            if term in layers:
                names[term] = f"{letter}{suffix}"
    return names


def _without_renaming(term: Term) -> Term:
    while isinstance(term, Take) and is_renaming(term):
        term = term.operand
    return term


def _state_of(term: Term) -> State | None:
    """The state whose values after each step a term keeps."""
    if isinstance(term, Scan):
        for state, _, step in term.states:
            if step is term.out:
                return state
    return None


def _adds(term: Term) -> bool:
    return isinstance(term, Map) and term.function is ops.add


def _is_layer(term: Term) -> bool:
    """Whether a term is a product of parameters with something else, or a sum with one."""
    parts: Iterable[Term] = term.operands if _adds(term) else (term,)
    return any(isinstance(part, Sum) and _has_weights(part) for part in parts)


def _has_weights(term: Sum) -> bool:
    _, product = as_coefficient(term.operand)
    if not (isinstance(product, Map) and product.function is ops.multiply):
        return False
    weights = [x for x in product.operands if isinstance(x, Leaf) and x.role == "parameter"]
    return len(weights) == 1 and len(product.operands) == 2


def _is_function_of(user: Term, term: Term) -> bool:
    varying = [x for x in user.operands if not isinstance(x, Constant)]
    elementwise = isinstance(user, Map) and user.function not in (ops.add, ops.multiply)
    return varying == [term] and (elementwise or isinstance(user, Softmax))
