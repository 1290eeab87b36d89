"""Reverse mode over terms.

Each kind of term has a line that says what an adjoint contributes to an operand. To these comes one
line for all: what an operand does not depend on is summed over. Of the product Σₖ W[i,k] x[k] that
makes δ[i] x[k] for W and Σᵢ W[i,k] δ[i] for x. So the equations BP2 and BP4 are found here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, cast

from microgradnet import ops
from microgradnet.lifting.absence import Absences
from microgradnet.lifting.algebra import contributions
from microgradnet.lifting.terms import (
    NO_PART,
    VJP,
    Affine,
    Axis,
    Concatenate,
    Constant,
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
    add,
    as_coefficient,
    constant,
    free_states,
    multiply,
    negative,
    read_at,
    rename,
    sum_over,
    topological_terms,
)

__all__ = ["adjoints", "substitute"]


def adjoints(
    seeds: Iterable[tuple[Term, Term]],
    by: Iterable[Term],
    axes: Sequence[Axis] = (),
    *,
    running: bool = False,
) -> dict[Term, Term]:
    """The adjoints ∂C/∂t of all terms t between given terms and those that C is made of.

    seeds   pairs of a term and its adjoint: of costs, 1; several are summed over
    by      the terms to differentiate by; one that is not reached has no adjoint
    axes    the axes that the seeds are summed over, where their terms lack them
    running
            as terms that are computed and not written: what has no part in a result makes no NaN
            behind an infinite slope, and products keep their digits in whatever order

    >>> from microgradnet.lifting.terms import Leaf
    >>> n, i, k = Axis("n", 4), Axis("i", 2), Axis("k", 3)
    >>> W, x = Leaf("W", "parameter", (i, k), range(6)), Leaf("x", "input", (n, k), range(12))
    >>> z = sum_over(multiply(W, x), k)
    >>> delta = Leaf("δ", "seed", (n, i), range(8))
    >>> adjoints([(z, delta)], [W])[W]
    Σ_n δ[n,i] x[n,k]
    """
    seeds = [*seeds]
    order = topological_terms(term for term, _ in seeds)
    wanted = set(by)
    active: set[Term] = set()
    for term in order:
        if term in wanted or not active.isdisjoint(term.operands):
            active.add(term)
    pending: dict[Term, list[Term]] = {}
    absent = Absences() if running else None
    saturating = {*_subtracted_from_one(active)} if running else set()

    def contribute(
        operand: Term, g: Term, reached: Iterable[Axis], by: Callable[[Term], Term] | None = None
    ) -> None:
        if operand in active:
            lacking = [axis for axis in reached if axis not in operand.axes]

            def moved(term: Term) -> Term:
                return sum_over(term if by is None else by(term), *lacking)

            total = moved(g)
            if absent is not None and (by or lacking):
                absent.move(g, moved)
            pending.setdefault(operand, []).append(total)

    for term, seed in seeds:
        contribute(term, seed, (*term.axes, *axes))
    found: dict[Term, Term] = {}
    for term in reversed(order):
        if term in pending:
            parts = pending.pop(term)
            found[term] = g = add(*parts, flat=False)
            if absent is not None:
                absent.add(parts, g)
            if term in wanted:
                continue
            if isinstance(term, Map):
                products = _products(term, g, contribute, absent)
                for x, product in zip(term.arguments, products, strict=False):
                    contribute(x, product, term.axes)
            elif term in saturating:
                _exact_softmax(cast(Softmax, term), g, contribute)
            else:
                _RULES[type(term)](term, g, contribute)
    return found


class Contribute(Protocol):
    """Adds to the adjoint of an operand what a function that only moves entries makes of g."""

    def __call__(
        self,
        operand: Term,
        g: Term,
        reached: Iterable[Axis],
        by: Callable[[Term], Term] | None = None,
        /,
    ) -> None: ...


def _products(
    term: Map, g: Term, contribute: Contribute, absent: Absences | None
) -> Sequence[Term]:
    """What a map's adjoint contributes to its operands."""
    function, xs = term.function, term.arguments
    if function is ops.add:
        products: Sequence[Term] = [g] * len(xs)
    elif function is ops.multiply:
        products = [_times(g, (*xs[:k], *xs[k + 1 :])) for k in range(len(xs))]
    elif isinstance(function, str):
        products = _ELEMENTARY[function](g, *xs)
    elif isinstance(function, VJP):
        rule = contributions(function.operation, xs[0], xs[1], xs[2:])[function.operand]
        contribute_through(rule, g, xs, contribute, term.axes)
        return ()
    elif _is_primed(term):
        products = [_primed(term, k, g) for k in range(len(xs))]
    else:
        products = contributions(function, g, term, xs, running=absent is not None)
    if absent is None:
        return products
    return [absent.guard(term, k, g, product) for k, product in enumerate(products)]


def _times(g: Term, others: Sequence[Term]) -> Term:
    """The product of an adjoint and others; the adjoint stays whole, so that it is seen in it."""
    number, rest = as_coefficient(g)
    factor, product = as_coefficient(multiply(constant(number), *others))
    if not _is_product(rest):
        return multiply(constant(factor), rest, product)
    factors = product.operands if _is_product(product) else (product,)
    parts = [x for x in (constant(factor), rest, *factors) if x is not constant(1)]
    return Map(ops.multiply, tuple(parts)) if len(parts) > 1 else rest


def _is_product(term: Term) -> bool:
    return isinstance(term, Map) and term.function is ops.multiply


def contribute_through(
    formula: Term, g: Term, xs: Sequence[Term], contribute: Contribute, axes: Sequence[Axis]
) -> None:
    """Contribute to operands what a formula in them does."""
    found = adjoints([(formula, g)], xs, axes)
    for x in dict.fromkeys(xs):
        if x in found:
            contribute(x, found[x], x.axes)


def _is_primed(term: Map) -> bool:
    """Whether the derivative is read as f′(x): of a function of one operand that varies."""
    varying = [x for x in term.arguments if not isinstance(x, Constant)]
    function = cast(Any, term.function)
    return len(varying) == 1 and (function.base or function) not in _READ_AS_FORMULAS


_READ_AS_FORMULAS = {
    ops.subtract, ops.divide, ops.negative, ops.power_constant, ops.exponential, ops.exp, ops.log,
    ops.log1p, ops.sqrt, ops.sin, ops.cos, ops.softplus, ops.xlogy, ops.raise_to,
    ops.log_sum_exp, ops.softmax_component, ops.weighted_sum, ops.dot_product, ops.total,
}  # fmt: skip


def _primed(term: Map, k: int, g: Term) -> Term:
    if isinstance(term.arguments[k], Constant):
        return constant(0)
    return Map(VJP(cast(Any, term.function), k), (g, term, *term.arguments))


def _where(g: Term, condition: Term, x: Term, y: Term) -> Sequence[Term]:
    zero = constant(0)
    return zero, Map("where", (condition, g, NO_PART)), Map("where", (condition, NO_PART, g))


def _vanishing_product(g: Term, x: Term, y: Term) -> Sequence[Term]:
    return multiply(g, y), multiply(g, x)


def _none(g: Term, *operands: Term) -> Sequence[Term]:
    return [constant(0)] * len(operands)


_ELEMENTARY: Mapping[str, Callable[..., Sequence[Term]]] = {
    "where": _where,
    "vanishing_product": _vanishing_product,
    **{name: _none for name in ("both", "equal", "less", "less_equal", "is_infinite")},
}


def _sum(term: Sum, g: Term, contribute: Contribute) -> None:
    contribute(term.operand, g, ())


def _log_sum_exp(term: LogSumExp, g: Term, contribute: Contribute) -> None:
    shares = Softmax(term.operand, term.over)
    contribute(term.operand, multiply(g, shares), ())


def _softmax(term: Softmax, g: Term, contribute: Contribute) -> None:
    mean = sum_over(multiply(g, term), *term.over)
    contribute(term.operand, multiply(term, add(g, negative(mean))), ())


def _subtracted_from_one(terms: Iterable[Term]) -> Iterator[Term]:
    """The softmaxes of shares that are subtracted from 1: the digits of the rest matter."""
    for term in terms:
        if isinstance(term, Map) and term.function is ops.subtract:
            one, share = term.arguments
            whole = share.operand if isinstance(share, Take) else share
            if isinstance(whole, Softmax) and isinstance(one, Constant) and one.number == 1:
                yield whole


def _exact_softmax(term: Softmax, g: Term, contribute: Contribute) -> None:
    """The same, with the digits that the mean loses where one share is close to 1."""
    own = multiply(g, Others(term, term.over))
    rest = Others(multiply(g, term), term.over)
    contribute(term.operand, multiply(term, add(own, negative(rest))), ())


def _others(term: Others, g: Term, contribute: Contribute) -> None:
    lacking = [axis for axis in term.over if axis not in g.axes]
    ones = [constant([1.0] * cast(int, axis.size), axis) for axis in lacking]
    contribute(term.operand, Others(multiply(g, *ones), term.over), ())


def _take(term: Take, g: Term, contribute: Contribute) -> None:
    x, axis, index = term.operand, term.axis, term.index
    over = tuple(a for a in index.axes if a is axis or a not in x.axes)
    new = index.renames(axis) if isinstance(index, Affine) else None
    if new is not None and new in over:
        contribute(x, g, (), lambda t: rename(t, new, axis))
    elif (flipped := _flipped(term)) is not None:
        contribute(x, g, (), lambda t: read_at(t, *flipped))
    else:
        contribute(x, g, (), lambda t: Put(t, axis, index, over))


def _flipped(term: Take) -> tuple[Axis, Affine] | None:
    """Where the adjoint is read of what is read from the last entry to the first."""
    axis, index = term.axis, term.index
    if not isinstance(index, Affine) or [c for _, c in index.parts] != [-1]:
        return None
    ((own, _),) = index.parts
    whole = own.size == axis.size and index.bounds() == (0, cast(int, axis.size) - 1)
    free = own is axis or (own not in term.operand.axes and axis not in term.axes)
    return (own, Affine(index.offset, ((axis, -1),))) if whole and free else None


def _put(term: Put, g: Term, contribute: Contribute) -> None:
    x, axis, index = term.operand, term.axis, term.index
    ones = constant([1.0] * cast(int, axis.size), axis)

    def read(t: Term) -> Term:
        return read_at(t if axis in t.axes else multiply(t, ones), axis, index, 0.0)

    contribute(x, g, (*x.axes, *index.axes), read)


def _mask(term: Mask, g: Term, contribute: Contribute) -> None:
    contribute(term.operand, g, term.axes, lambda t: Mask(t, term.conditions))


def _concatenate(term: Concatenate, g: Term, contribute: Contribute) -> None:
    offset = 0
    reached = [axis for axis in term.axes if axis is not term.axis]
    for piece, own in term.pieces:
        index = Affine(offset, () if own is None else ((own, 1),))
        contribute(piece, g, reached, partial(_piece, own, reached, term.axis, index))
        offset += 1 if own is None else cast(int, own.size)


def _piece(own: Axis | None, reached: Sequence[Axis], axis: Axis, index: Affine, t: Term) -> Term:
    """What a piece has of an adjoint of the whole."""
    # An axis of the result may have the name of the piece's own: it is another one.
    rest = sum_over(t, own) if own is not None and own in reached else t
    return read_at(rest, axis, index)


def _scan(term: Scan, g: Term, contribute: Contribute) -> None:
    """Run the steps backwards for the states' adjoints; the rest is done for all steps at once.

    With λ the adjoint of the state after a step, that of the state before is λ ∂step/∂state
    + g ∂out/∂state. What else the steps are made of has contributions from all of them.
    """
    t = term.axis
    states = [state for state, *_ in term.states]
    roots = [term.out, *(step for *_, step in term.states)]
    outer = [x for x in _outermost(roots, states) if not isinstance(x, Constant)]
    after = [State(f"λ{state.name}", state.axes) for state in states]
    last = Affine(0 if term.reverse else cast(int, t.size) - 1)
    zero: Term = constant(0)
    start: list[Term] = [zero] * len(after)
    if isinstance(g, Put) and g.axis is t and g.index == last and term.out in roots[1:]:
        start[roots.index(term.out, 1) - 1] = (
            g.operand
        )  # only the last step's counts: begin with it
        g = zero
    # With an axis of steps, states are like anything else: nothing is summed over the steps unseen.
    held: dict[Term, Term] = {s: State(s.name, (*s.axes, t)) for s in (*states, *after)}
    seeds = [*zip(substitute(roots, held), (g, *(held[l] for l in after)), strict=True)]
    found = adjoints(
        seeds if g is not zero else seeds[1:], [*(held[s] for s in states), *outer], (t,)
    )
    # What the loops compute at each step is kept, and not computed again for all steps.
    kept = {
        spread: Scan(t, term.states, x, term.reverse) for x, spread in _spread(roots, states, held)
    }
    back = substitute([found.get(held[s], zero) for s in states], kept)
    loose: dict[Term, Term] = {held[l]: l for l in after}
    reverse = tuple(zip(after, start, substitute(back, loose), strict=True))
    kept_back = {
        x: Scan(t, reverse, own, not term.reverse)
        for own, x in _spread(back, [*loose], loose, keys=True)
    }
    kept_back |= {held[l]: Scan(t, reverse, l, not term.reverse) for l in after}
    first = cast(int, t.size) - 1 if term.reverse else 0
    for (state, init, _), x in zip(term.states, back, strict=True):
        (x,) = substitute([x], kept_back)
        contribute(init, read_at(x, t, first), state.axes)
    reached = [x for x in outer if x in found]
    products = substitute(substitute([found[x] for x in reached], kept), kept_back)
    for x, product in zip(reached, products, strict=True):
        contribute(x, product, ())


def _outermost(roots: Sequence[Term], states: Sequence[State]) -> list[Term]:
    """The largest terms within the roots that depend on none of the states."""
    free = free_states(topological_terms(roots))
    own = frozenset[Term](states)
    found: dict[Term, None] = {}
    stack, seen = [*roots], set()
    while stack:
        term = stack.pop()
        if free[term].isdisjoint(own):
            found[term] = None
        elif term not in seen:
            seen.add(term)
            stack.extend(term.operands)
    return list(found)


def _spread(
    roots: Sequence[Term], states: Sequence[Term], new: Mapping[Term, Term], keys: bool = False
) -> Iterator[tuple[Term, Term]]:
    """The terms within the roots that depend on states, each with what substitution makes of it.

    Those that are only read elsewhere, such as a state under another name, are left out.

    keys    give the pairs the other way round
    """
    order = topological_terms(roots)
    bound = set(states)
    for term in order:
        if not bound.isdisjoint(term.operands):
            bound.add(term)
    inside = [term for term in order if term in bound and not isinstance(term, Take)]
    pairs = zip(inside, substitute(inside, new), strict=True)
    return ((y, x) for x, y in pairs) if keys else pairs


def substitute(roots: Sequence[Term], new: Mapping[Any, Term]) -> list[Term]:
    """The roots with some of their terms replaced, those that contain others first."""
    made: dict[Term, Term] = {}
    for term in topological_terms(roots):
        whole = new.get(term)
        made[term] = whole or term.with_operands([made[x] for x in term.operands])
    return [made[root] for root in roots]


_RULES: Mapping[type[Term], Callable[[Any, Term, Contribute], None]] = {
    Sum: _sum,
    LogSumExp: _log_sum_exp,
    Softmax: _softmax,
    Others: _others,
    Take: _take,
    Put: _put,
    Mask: _mask,
    Concatenate: _concatenate,
    Scan: _scan,
}
