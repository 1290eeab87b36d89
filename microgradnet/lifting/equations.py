"""Which terms of a program have an equation of their own, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import cast

import numpy as np

from microgradnet import ops
from microgradnet.lifting.derivatives import adjoints, substitute
from microgradnet.lifting.latex import LATEX
from microgradnet.lifting.terms import (
    VJP,
    Axis,
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
    add,
    as_coefficient,
    free_states,
    topological_terms,
    where_used,
)
from microgradnet.lifting.text import TEXT
from microgradnet.lifting.writing import Form, Formulas, carried, is_renaming

__all__ = [
    "Equation",
    "by_layer",
    "equations_of",
    "name_terms",
    "new_name",
    "whole_parameters",
    "write_equations",
]


@dataclass(frozen=True)
class Equation:
    """One equation of a program.

    left    the variable that it defines: "z1", "δ1", "∂C/∂W1"
    text    the equation: "z1 = W1 a0 + b1"
    latex   the same
    shape   of what it defines, for one example: () for a number, (n,) for a vector
    part    "forward", "backward" or "gradient"
    uses    the variables on its right side
    term    its right side, down to the leaves; `body` is the same over leaves and variables
    axes    the axes of what it defines, in the order of `shape`
    gradient_of
            the variable whose gradient it defines: of δ1 it is z1; none in the forward pass
    """

    left: str
    text: str
    latex: str
    shape: tuple[int, ...]
    part: str
    uses: tuple[str, ...]
    term: Term = field(repr=False, compare=False)
    body: Term = field(repr=False, compare=False)
    axes: tuple[Axis, ...] = field(repr=False, compare=False)
    gradient_of: str | None = None


def write_equations(
    equations: Sequence[Equation], form: Form, parameters: Iterable[Term] = ()
) -> dict[str, str]:
    """Write the equations in a form, by what they define.

    parameters  the arrays that all parameters make up, if they are known
    """
    scans: dict[Term, str] = {e.body: e.left for e in equations if isinstance(e.body, Scan)}
    formulas = Formulas(form, scans, parameters, _constants(equations))
    formulas.axes |= {each.body: each.axes for each in equations if isinstance(each.body, Scan)}
    formulas.adjoints |= {each.left for each in equations if each.part == "backward"}
    return {each.left: formulas.equation(each.body, each.left, each.axes) for each in equations}


def _constants(equations: Sequence[Equation]) -> dict[Term, str]:
    """Names for arrays of numbers: K1 for a matrix, k2 for a vector."""
    taken = {name for each in equations for name in (each.left, *each.uses)}
    found: dict[Term, str] = {}
    for term in topological_terms(each.body for each in equations):
        if isinstance(term, Constant) and term.axes and np.ptp(term.values):
            letter = "K" if len(term.axes) > 1 else "k"
            numbers = (k for k in count(len(found) + 1) if f"{letter}{k}" not in taken)
            found[term] = f"{letter}{next(numbers)}"
    return found


def equations_of(
    outputs: Sequence[Term],
    seeds: Sequence[tuple[Term, Term]],
    names: Mapping[Term, str] | None = None,
    *,
    examples: Axis | None = None,
    is_cost: bool = True,
    n_parameters: int = 0,
) -> tuple[Equation, ...]:
    """The equations of a program: forward, then those of adjoints, then those of the gradients.

    outputs   the cost, called C where it has no other name, or several outputs
    seeds     what adjoints begin with: pairs of an output, or of what is differentiated in its
              place, and its adjoint
    names     of forward terms; `name_terms` gives what they are called otherwise
    examples  the axis of the examples
    n_parameters  how many there are, reached or not

    The chain rule goes from equation to equation: each contributes to the adjoints of the variables
    on its right side.

    >>> from microgradnet.lifting.terms import constant, multiply, sum_over
    >>> i, k = Axis("i", 2), Axis("k", 3)
    >>> W, x = Leaf("W1", "parameter", (i, k), range(6)), Leaf("a0", "input", (k,), range(3))
    >>> z = sum_over(multiply(W, x), k)
    >>> cost = sum_over(Map(ops.tanh, (z,)), i)
    >>> for equation in equations_of([cost], [(cost, constant(1))]):
    ...     print(equation.text)
    z1 = W1 a0
    a1 = tanh(z1)
    C = Σ a1
    δ1 = tanh′(z1)
    ∂C/∂W1 = δ1 a0ᵀ
    """
    names = name_terms(outputs) if names is None else names
    program = _Equations(outputs, names, is_cost, n_parameters)
    program.write_forward()
    program.write_backward(seeds, [] if examples is None else [examples])
    found = [equation for part in program.found.values() for equation in part]
    whole = whole_parameters(program.order, n_parameters)
    texts, latex = (write_equations(found, form, whole) for form in (TEXT, LATEX))
    return tuple(replace(each, text=texts[each.left], latex=latex[each.left]) for each in found)


_LONGEST, _DEEPEST = 100, 6
"""Of longer equations, and of deeper ones, a part gets an equation of its own."""


class _Equations:
    """The equations of a program, in the order in which they are found.

    variables  of each named term a variable, its axes in the order in which they are shown
    bodies     of each variable its term, over leaves and variables
    whole      of each variable and of each adjoint its term over leaves alone
    """

    def __init__(
        self, outputs: Sequence[Term], names: Mapping[Term, str], is_cost: bool, n_parameters: int
    ) -> None:
        self.names = dict(names)
        self.order = topological_terms(outputs)
        self.bound = {x for x, states in free_states(self.order).items() if states}
        self.cost = outputs[0] if is_cost and outputs[0] not in names else None
        self.scans: dict[Term, str] = {}
        self.writer = Formulas(TEXT, self.scans, whole_parameters(self.order, n_parameters))
        self.variables: dict[Term, Term] = {}
        self.bodies: dict[Term, Term] = {}
        self.of_bodies: dict[Term, Term] = {}
        self.whole: dict[Term, Term] = {}
        self.found: dict[str, list[Equation]] = {"forward": [], "backward": [], "gradient": []}
        leaves = [x for x in self.order if isinstance(x, Leaf)]
        self.taken = {"C", *names.values(), *(leaf.name for leaf in leaves)}
        self.stand_ins: dict[Term, Term] = {}
        self.active: set[Term] = set()  # variables that depend on parameters

    # Forward

    def write_forward(self) -> None:
        """The equations of named terms, and of what would be too deep without a name."""
        depths: dict[Term, int] = {}
        of_steps: dict[frozenset[Term], list[Term]] = {}  # what is named of a recurrence
        for term in self.names:
            if isinstance(term, Scan):
                of_steps.setdefault(carried(term), []).append(term)
        for term in self.order:
            inner = [depths[x] for x in term.operands if x not in self.names]
            depths[term] = depth = 1 if isinstance(term, Scan) else 1 + max(inner, default=0)
            bound = term in self.bound
            if depth > _DEEPEST and not (bound or self.is_plain(term) or term is self.cost):
                self.names.setdefault(term, self.new_name("v"))
            if isinstance(term, Scan) and not bound:
                self.define(of_steps.pop(carried(term), []))
            elif term in self.names:
                self.define([term])
        if self.cost is not None:
            self.names[self.cost] = "C"
            self.define([self.cost])

    def is_plain(self, term: Term) -> bool:
        """Whether a term needs no equation."""
        return isinstance(term, (Leaf, Constant, Extent, State, Take, Scan)) or _is_product(term)

    def define(self, terms: Sequence[Term]) -> None:
        """Write the equations of named forward terms, those of one recurrence together.

        Parts that make one too long get equations before.
        """
        shown = {term: term for term in terms}  # each as it is written, in parts
        while True:
            bodies = {term: self.body(x) for term, x in shown.items()}
            self.scans |= {x: self.names[k] for k, x in bodies.items() if isinstance(x, Scan)}
            found = None
            for term, body in bodies.items():
                length = len(self.writer.equation(body, self.names[term]))
                if length > _LONGEST and found is None:
                    found = self.shorter(shown[term], length)
            if found is None:
                break
            old, new, part = found
            self.names[part] = self.new_name("v")
            if old is not new:
                new_terms = substitute([*shown.values()], {old: new})
                shown = dict(zip(shown, new_terms, strict=True))
            if isinstance(part, Scan):
                (part_shown,) = substitute([part], {old: new})
                shown[part] = part_shown
            else:
                self.define([part])
        place = {x: k for k, x in enumerate(topological_terms(shown.values()))}
        for term in sorted(shown, key=lambda x: place[_kept(shown[x])]):
            self.add_forward(term, bodies[term])

    def body(self, term: Term) -> Term:
        """A term over variables, itself excepted."""
        return term.with_operands(substitute(term.operands, self.variables))

    def add_forward(self, term: Term, body: Term) -> None:
        """Keep the equation of a forward term."""
        name = self.names[term]
        variable = cast(Term, State(name, tuple(self.shown_axes(body))))
        self.variables[term], self.bodies[variable], self.whole[variable] = variable, body, term
        if body.operands:
            self.of_bodies[body] = variable
        self.add(name, body, term, "forward", self.writer.order(body))

    def shown_axes(self, body: Term) -> list[Axis]:
        """The axes of a term, those of the examples among them, in the order of its equation."""
        order = self.writer.order(body)
        return [*(axis for axis in body.axes if axis.size is None), *order]

    def shorter(self, whole: Term, length: int) -> tuple[Term, Term, Term] | None:
        """How to make a formula shorter: a part that gets a name; a sum, and it in two parts.

        The part is the largest one that is not nearly all of it, or half of a long sum.
        """
        inside = self.unnamed(whole)
        sizes = {x: len(self.writer.equation(self.body(x), "v")) for x in inside}
        fitting = {
            x: n
            for x, n in sizes.items()
            if 20 < n <= 0.8 * length and not self.is_plain(x) and x is not _kept(whole)
        }
        part = max(fitting, key=lambda x: fitting[x], default=None)
        old = new = whole
        if part is None:
            sums = [x for x in (whole, *inside) if _adds(x) and len(x.operands) > 2]
            if not sums:
                return None
            old = max(sums, key=lambda x: len(x.operands))
            half = (len(old.operands) + 1) // 2
            part = cast(Term, Map(ops.add, old.operands[:half]))
            new = cast(Term, Map(ops.add, (part, *old.operands[half:])))
        if isinstance(whole, Scan) and not carried(whole).isdisjoint(topological_terms([part])):
            part = cast(Term, Scan(whole.axis, whole.states, part, whole.reverse))
        return old, new, part

    def unnamed(self, whole: Term) -> list[Term]:
        """What a formula consists of, down to what has a name; of a recurrence, what it keeps."""
        found: dict[Term, None] = {}
        stack = [*whole.operands]
        if isinstance(whole, Scan):
            stack = [whole.out, *(init for _, init, _ in whole.states)]
        of_steps = {
            scan.out
            for scan in self.scans
            if isinstance(scan, Scan) and isinstance(whole, Scan)
            and carried(scan) == carried(whole)
        }  # fmt: skip
        while stack:
            term = stack.pop()
            named = term in self.variables or self.body(term) in of_steps
            if term not in found and not isinstance(term, Scan) and (
                not named or term is _kept(whole)
            ):  # fmt: skip
                found[term] = None
                stack.extend(term.operands)
        return [*found]

    # Backward

    def write_backward(self, seeds: Sequence[tuple[Term, Term]], examples: Sequence[Axis]) -> None:
        """The equations of adjoints, from the outputs on, and of the gradients."""
        for variable, body in self.bodies.items():
            inside = topological_terms([body])
            if any(x in self.active or _is_weight(x) for x in inside):
                self.active.add(variable)
        pending: dict[Term, list[Term]] = {}
        for term, g in seeds:
            named = self.variables.get(term)
            if named is not None and g.axes:
                if named in self.active:
                    pending.setdefault(named, []).append(g)
            else:
                (body,) = substitute([term], self.inner_variables(term))
                self.contribute(body, g, pending, examples)
        for variable in reversed([*self.bodies]):
            if variable in pending:
                g = self.named_adjoint(variable, pending.pop(variable))
                self.contribute(self.bodies[variable], g, pending, ())
        leaves = sorted((x for x in pending if isinstance(x, Leaf)), key=by_layer)
        for leaf in leaves:
            self.write_gradient(leaf, add(*pending[leaf], flat=False))

    def inner_variables(self, term: Term) -> dict[Term, Term]:
        """The variables that a term consists of, itself excepted."""
        return {x: variable for x, variable in self.variables.items() if x is not term}

    def contribute(
        self,
        body: Term,
        g: Term,
        pending: dict[Term, list[Term]],
        axes: Sequence[Axis],
    ) -> None:
        """Add what a term with an adjoint contributes to the adjoints of its variables."""
        inside = topological_terms([body])
        by = [x for x in inside if x in self.active or _is_weight(x)]
        found = adjoints([(body, g)], by, axes)
        for x in [x for x in by if x in found]:
            (product,) = substitute([found[x]], self.of_bodies)
            pending.setdefault(x, []).append(product)

    def named_adjoint(self, variable: Term, contributions: Sequence[Term]) -> Term:
        """The adjoint of a variable: δ of layers, without a name for activations and multiples."""
        g = add(*contributions, flat=False)
        name = cast(State, variable).name
        is_layer, is_activation = (_NUMBERED[x].fullmatch(name) is not None for x in "za")
        factor = as_coefficient(g)[1]
        while isinstance(factor, Take):
            factor = factor.operand
        plain = name[0] == "v" and isinstance(factor, (State, Leaf, Extent))
        if is_activation or isinstance(as_coefficient(g)[1], Constant) or plain:
            return g
        called = self.unique(f"δ{name[1:]}") if is_layer else f"∂C/∂{name}"
        return self.define_backward(g, called, variable.axes, name)

    def define_backward(
        self, g: Term, name: str, axes: Sequence[Axis], gradient_of: str | None = None
    ) -> Term:
        """Write the equation of an adjoint, or of a part; the variable that stands for it."""
        g = self.shortened(g, name, axes)
        found = cast(Term, State(name, (*axes, *(a for a in g.axes if a not in axes))))
        (self.whole[found],) = substitute([g], self.whole)
        if isinstance(g, Scan):
            self.stand_ins[g] = found
        if isinstance(g, Scan) and not g.reverse:  # what the forward pass kept of its steps
            self.add(name, g, self.whole[found], "forward", axes)
        else:
            self.writer.adjoints.add(name)
            self.add(name, g, self.whole[found], "backward", axes, gradient_of)
        return found

    def shortened(self, g: Term, name: str, axes: Sequence[Axis]) -> Term:
        """A term with variables for parts without which its equation is short enough."""
        while True:
            (known,) = substitute([g], self.stand_ins)
            if known is not g:
                g = known
                continue
            if isinstance(g, Scan):
                self.scans[g] = name
            part: Term | None = self.scan_to_name(g)
            stem = "δ" if isinstance(part, Scan) and part.reverse else "v"
            if part is None:
                length = len(self.writer.equation(g, name, axes))
                found = self.shorter(g, length) if length > _LONGEST else None
                if found is None:
                    return g
                old, new, part = found
                if old is not new:
                    self.stand_ins[old] = new
            self.stand_ins[part] = self.define_backward(part, self.new_name(stem), part.axes)

    def scan_to_name(self, g: Term) -> Scan | None:
        """A recurrence within a term that has no name, but for one of what states are before.

        Within a recurrence itself, one of its states, unless others tell what it is.
        """
        for x in topological_terms(g.operands):
            if not isinstance(x, Scan) or x in self.scans:
                continue
            if x.out not in [state for state, *_ in x.states]:
                return x
        if isinstance(g, Scan):
            same = [x for x in self.scans if isinstance(x, Scan) and carried(x) == carried(g)]
            for state in self.writer.untold(g, [x.out for x in same]):
                step = next(step for own, _, step in g.states if own is state)
                return cast(Scan, _of_each_step(step, [g]))
        return None

    def write_gradient(self, leaf: Leaf, g: Term) -> None:
        """The equation of the gradient by an array of parameters."""
        name = f"∂C/∂{leaf.name}"
        g = self.shortened(g, name, leaf.axes)
        (whole,) = substitute([g], self.whole)
        self.add(name, g, whole, "gradient", leaf.axes, leaf.name)

    # Both

    def new_name(self, stem: str) -> str:
        """The stem with the next number."""
        self.taken.add(name := new_name(stem, self.taken))
        return name

    def unique(self, name: str) -> str:
        """The name, primed until nothing else has it."""
        while name in self.taken:
            name += "′"
        self.taken.add(name)
        return name

    def add(
        self,
        name: str,
        body: Term,
        term: Term,
        part: str,
        axes: Sequence[Axis],
        gradient_of: str | None = None,
    ) -> None:
        """Keep an equation, to be written when all are there."""
        sized = tuple(axis for axis in axes if axis.size is not None)
        shape = tuple(cast(int, axis.size) for axis in sized)
        uses = tuple(_uses(body))
        found = Equation(name, "", "", shape, part, uses, term, body, sized, gradient_of)
        self.found[part].insert(self.place(body, part), found)

    def place(self, body: Term, part: str) -> int:
        """Where an equation stands: last; of what a recurrence keeps, before what is made of it."""
        there = self.found[part]
        for k, each in enumerate(there if isinstance(body, Scan) else ()):
            same = isinstance(each.body, Scan) and carried(each.body) == carried(cast(Scan, body))
            if same and _kept(body) in topological_terms([_kept(each.body)]):
                return k
        return len(there)


_NUMBERED = {stem: re.compile(rf"{stem}\d+") for stem in "za"}


def by_layer(leaf: Leaf) -> tuple[int, bool]:
    """The last layer first, in each its bias first, as one meets them going backwards."""
    found = re.fullmatch(r"([WUMNb])(\d+)", leaf.name)
    return (-int(found[2]), found[1] != "b") if found else (1, False)


def whole_parameters(order: Iterable[Term], n_parameters: int) -> list[Leaf]:
    """The arrays of parameters among terms, if they are all that there are."""
    weights = [x for x in order if isinstance(x, Leaf) and x.role == "parameter"]
    complete = sum(int((x.places >= 0).sum()) for x in weights) == n_parameters
    return weights if complete else []


def _is_weight(term: Term) -> bool:
    return isinstance(term, Leaf) and term.role == "parameter"


def _uses(term: Term) -> Iterator[str]:
    """The names on the right side of an equation, each once."""
    found: dict[str, None] = {}
    stack = [term]
    own: set[Term] = set()
    while stack:
        x = stack.pop()
        if isinstance(x, Scan):
            own |= {state for state, *_ in x.states}
        if isinstance(x, (Leaf, State)):
            if x not in own:
                found[x.name] = None
        elif isinstance(x, Map) and isinstance(x.function, VJP):  # f′(x) is written without f(x)
            stack += [*x.operands[:1:-1], x.operands[0]]
        else:
            stack.extend(reversed(x.operands))
    yield from found


def new_name(stem: str, names: Iterable[str]) -> str:
    """The stem with the number after those that are there."""
    taken = [int(x[1:]) for x in names if x[0] == stem and x[1:].isdigit()]
    return f"{stem}{max(taken, default=0) + 1}"


def name_terms(outputs: Sequence[Term], attention: str = "SAOQKV") -> dict[Term, str]:
    """Name forward terms: z and a of layers, S and A around a softmax, v of what is used twice.

    A layer's z is a sum with a product of parameters and what depends on inputs; its a is the one
    function of it.

    attention  the letters that may be used for an attention's arrays
    """
    order = topological_terms(outputs)
    free = free_states(order)
    bound = {x for x, states in free.items() if states}
    uses = where_used(order)
    names: dict[Term, str] = {}
    of_state: dict[Term, Scan] = {
        state: x for x in order if isinstance(x, Scan) for state, *_ in x.states
    }
    layer = 0
    for term in order:
        scans = {of_state[state] for state in free.get(term, ())}
        if (
            _is_layer(term)
            and len(scans) < 2
            and not any(_is_layer(x) and _adds(x) for x in _users(term, uses))
        ):
            layer += 1
            names[_of_each_step(term, scans)] = f"z{layer}"
            for user in uses.get(term, []):
                if _is_function_of(user, term) and f"a{layer}" not in names.values():
                    names[_of_each_step(user, scans)] = f"a{layer}"
    names |= {x: y for x, y in _attention_names(order, names).items() if y[0] in attention}
    for scan in {*of_state.values()} - bound:
        for state, _, step in scan.states:
            names.setdefault(_of_each_step(step, [scan]), state.name)
    number = 0
    for term in order:
        plain = isinstance(term, (Leaf, Constant, Extent, State, Take)) or term in names
        plain |= _is_product(term) and all(isinstance(x, Sum) for x in uses.get(term, []))
        readers = [x for x in uses.get(term, []) if not (isinstance(x, Take) and is_renaming(x))]
        if (
            not plain
            and (len(readers) > 1 or isinstance(term, Scan) or _has_parameters(term))
            and term not in bound
        ):
            number += 1
            names[term] = f"v{number}"
    return names


def _of_each_step(term: Term, scans: Iterable[Scan]) -> Term:
    """A term, or what a recurrence keeps of it."""
    for scan in scans:
        return cast(Term, Scan(scan.axis, scan.states, term, scan.reverse))
    return term


def _attention_names(order: Sequence[Term], layers: Mapping[Term, str]) -> dict[Term, str]:
    """S, A and O around a softmax over products of Q and K, and V; numbered if several."""
    found: list[tuple[Softmax, Term, Sum, tuple[Term, Term]]] = []
    sums = [t for t in order if isinstance(t, Sum)]
    outputs = {_without_renaming(x): t for t in sums for x in t.operand.operands}
    for term in order:
        if not isinstance(term, Softmax):
            continue
        inner: Term = term.operand
        while isinstance(inner, (Mask, Map)) and not isinstance(inner, Sum):
            varying = [x for x in inner.operands if not isinstance(x, Constant)]
            if len(varying) != 1:
                break
            (inner,) = varying
        out = outputs.get(term)
        if isinstance(inner, Sum) and len(inner.operand.operands) == 2 and isinstance(out, Sum):
            q, k = (_without_renaming(x) for x in inner.operand.operands)
            found.append((term, term.operand, out, (q, k)))
    names: dict[Term, str] = {}
    for number, (shares, scores, out, (q, k)) in enumerate(found, 1):
        suffix = str(number) if len(found) > 1 else ""
        names |= {shares: f"A{suffix}", scores: f"S{suffix}", out: f"O{suffix}"}
        factors = [_without_renaming(x) for x in out.operand.operands]
        others = [x for x in factors if x is not shares]
        for letter, term in zip("QKV", (q, k, *others), strict=False):
            if term in layers:
                names[term] = f"{letter}{suffix}"
    return names


def _kept(term: Term) -> Term:
    """What a recurrence keeps of each step; what is none, is that itself."""
    return term.out if isinstance(term, Scan) else term


def _without_renaming(term: Term) -> Term:
    while isinstance(term, Take) and is_renaming(term):
        term = term.operand
    return term


def _has_parameters(term: Term) -> bool:
    """Whether a sum has several parameters, to each of which its adjoint contributes."""
    parts = [as_coefficient(x)[1] for x in term.operands] if _adds(term) else []
    weights = [x for part in parts for x in (part, *part.operands) if _is_weight(x)]
    return len(weights) > 1


def _users(term: Term, uses: Mapping[Term, Sequence[Term]]) -> Iterator[Term]:
    """The terms that use a term, or a multiple of it."""
    for user in uses.get(term, ()):
        if as_coefficient(user)[1] is term:
            yield from uses.get(user, ())
        else:
            yield user


def _is_product(term: Term) -> bool:
    return isinstance(term, Map) and term.function is ops.multiply


def _adds(term: Term) -> bool:
    return isinstance(term, Map) and term.function is ops.add


def _is_layer(term: Term) -> bool:
    """Whether a term is a product of parameters with something else, or a sum with one."""
    parts: Iterable[Term] = term.operands if _adds(term) else (term,)
    return any(_has_weights(as_coefficient(part)[1]) for part in parts)


def _has_weights(term: Term) -> bool:
    """Whether a term is a sum of products of parameters with something else, or one of numbers."""
    if not isinstance(term, Sum) and any(axis.size is not None for axis in term.axes):
        return False
    _, product = as_coefficient(term.operand if isinstance(term, Sum) else term)
    if not (isinstance(product, Map) and product.function is ops.multiply):
        return False
    weights = [x for x in product.operands if _is_weight(x)]
    return len(weights) == 1 and len(product.operands) > 1


def _is_function_of(user: Term, term: Term) -> bool:
    varying = [x for x in user.operands if not isinstance(x, Constant)]
    elementwise = isinstance(user, Map) and user.function not in (ops.add, ops.multiply)
    return varying == [term] and (elementwise or isinstance(user, Softmax))
