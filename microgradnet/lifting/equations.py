"""Which terms of a program have an equation of their own, and what they are called."""

from __future__ import annotations

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
    >>> cost = sum_over(multiply(z, z), i)
    >>> found = adjoints([(cost, constant(1))], [W])
    >>> for equation in equations(cost, {W: found[W]}, found):
    ...     print(equation.text)
    z1 = W1 a0
    C = Σ z1²
    δ1 = 2 z1
    ∂C/∂W1 = δ1 a0ᵀ
    """
    forward = dict(name_terms(cost) if names is None else names)
    forward.pop(cost, None)
    known = dict(forward)
    backward: dict[Term, str] = {}
    for term, name in forward.items():
        g = adjoints.get(term)
        activation = name[0] == "a" and name[1:].isdigit()
        if g is None or g in known or isinstance(g, (Leaf, Constant, Extent)) or activation:
            continue
        layer = name[0] == "z" and name[1:].isdigit()
        known[g] = backward[g] = f"δ{name[1:]}" if layer else f"∂C/∂{name}"
    scans = [t for t in topological_terms(gradients.values()) if isinstance(t, Scan)]
    for scan in scans:
        if scan not in known and scan.out not in [state for state, *_ in scan.states]:
            stem = "δ" if scan.reverse else "v"
            taken = sum(name.startswith(stem) for name in known.values())
            known[scan] = backward[scan] = f"{stem}{taken + 1}"
    while True:
        found = _written(cost, gradients, adjoints, forward, backward)
        long = next((e for e in found if len(e.text) > _LONGEST), None)
        part = None if long is None else _part_to_name(long, {**forward, **backward})
        if part is None:
            return found
        own = forward if part in topological_terms([cost]) else backward
        own[part] = (
            f"v{1 + sum(name[0] == 'v' for name in (*forward.values(), *backward.values()))}"
        )


_LONGEST = 100
"""Of a longer equation a part gets one of its own."""


def _part_to_name(equation: Equation, known: Mapping[Term, str]) -> Term | None:
    """The largest part of an equation that is not nearly all of it."""
    sizes: dict[Term, int] = {}
    stack: list[Term] = [equation.term]
    while stack:
        term = stack.pop()
        plain = isinstance(term, (Leaf, Constant, Extent, State, Take, Scan))
        if term is not equation.term and not plain and term.axes and not _bound(term):
            sizes[term] = len(Formulas(TEXT, known).equation(term, "v"))
        for x in term.operands:
            if x not in known and x not in sizes:
                stack.append(x)
    fitting = {x: n for x, n in sizes.items() if 20 < n <= 0.8 * len(equation.text)}
    return max(fitting, key=lambda x: fitting[x], default=None)


def _written(
    cost: Term,
    gradients: Mapping[Leaf, Term],
    adjoints: Mapping[Term, Term],
    forward: Mapping[Term, str],
    backward: Mapping[Term, str],
) -> list[Equation]:
    known = {**forward, **backward}
    writers = Formulas(TEXT, known), Formulas(LATEX, known)
    for term in forward:
        if isinstance(adjoints.get(term), (Map, Sum)):
            for writer in writers:
                writer.turn(adjoints[term], writer.order(term))

    def equation(name: str, term: Term, part: str) -> Equation:
        text, latex = (writer.equation(term, name) for writer in writers)
        shape = tuple(cast(int, axis.size) for axis in writers[0].order(term))
        return Equation(name, term, part, text, latex, shape)

    found = [equation(forward[t], t, "forward") for t in topological_terms([cost]) if t in forward]
    found.append(equation("C", cost, "forward"))
    needed = topological_terms(gradients.values())
    found += [equation(backward[t], t, "backward") for t in needed if t in backward]
    for leaf, g in gradients.items():
        text, latex = (_gradient(writer, leaf, g, known) for writer in writers)
        shape = tuple(axis.size for axis in leaf.axes if axis.size is not None)
        found.append(Equation(f"∂C/∂{leaf.name}", g, "gradient", text, latex, shape))
    return found


def _gradient(writer: Formulas, leaf: Leaf, g: Term, known: Mapping[Term, str]) -> str:
    """The equation of a gradient, which may be no more than the name of an adjoint."""
    name = writer.form.name(f"∂C/∂{leaf.name}")
    if g in known:
        return f"{name} = {writer.form.name(known[g])}"
    writer.turn(g, leaf.axes)
    return writer.equation(g, f"∂C/∂{leaf.name}")


def name_terms(cost: Term) -> dict[Term, str]:
    """Name forward terms: z and a of layers, S and A around a softmax, v of what is used twice.

    A layer's z is a sum with a product of parameters and what depends on inputs; its a is the one
    function of it.
    """
    order = topological_terms([cost])
    uses = where_used(order)
    names: dict[Term, str] = {}
    layer = 0
    for term in order:
        if (
            _is_layer(term)
            and not _bound(term)
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
            and not _bound(term)
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


def _bound(term: Term) -> bool:
    stack: list[Term] = [term]
    while stack:
        x = stack.pop()
        if isinstance(x, State):
            return True
        if not isinstance(x, Scan):
            stack.extend(x.operands)
    return False


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
