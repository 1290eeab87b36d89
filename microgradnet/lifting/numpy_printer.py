"""Terms as Python that needs NumPy alone: one instruction a term, into arrays that are kept.

The text defines `prepare(p, g, m)`. It makes the arrays that m examples are computed in and views
of the parameters p and of the gradient g, once, and returns the function of X and Y that computes.
An array that is no longer read is given to a later result of the same size. `value(p, X, Y)` and
`value_and_grad(p, X, Y, g)` prepare and compute in one go; of several outputs it is
`vjp(p, X, V, Y, g)`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from microgradnet import ops
from microgradnet.lifting.algebra import contributions, expand
from microgradnet.lifting.layouts import Layouts
from microgradnet.lifting.lowering import SLOPED, SPREAD, lower
from microgradnet.lifting.numpy_functions import is_native
from microgradnet.lifting.numpy_leaves import (
    add_decay,
    copy_gradient,
    emit_constant,
    emit_extent,
    emit_leaf,
    leaf_strides,
    leaf_view,
    runs,
)
from microgradnet.lifting.numpy_maps import (
    emit_log_sum_exp,
    emit_map,
    emit_mask,
    emit_others,
    emit_softmax,
)
from microgradnet.lifting.numpy_places import emit_concatenate, emit_put, emit_take
from microgradnet.lifting.numpy_reads import Reading
from microgradnet.lifting.numpy_scans import emit_scan
from microgradnet.lifting.numpy_sums import emit_sum
from microgradnet.lifting.numpy_writer import INDENT, Module, Writer
from microgradnet.lifting.strides import Strides
from microgradnet.lifting.terms import (
    VJP,
    Axis,
    Concatenate,
    Constant,
    Extent,
    Leaf,
    LogSumExp,
    Map,
    Mask,
    Others,
    Put,
    Scan,
    Softmax,
    Sum,
    Take,
    Term,
    add,
    is_map,
    multiply,
    rebuild,
    topological_terms,
)
from microgradnet.operation import Operation

__all__ = ["WHOLE", "write_numpy"]


def write_numpy(
    outputs: Sequence[Term],
    gradients: Mapping[Leaf, Term],
    names: Mapping[Term, str] | None = None,
    *,
    size: int | None = None,
    columns: bool = False,
    title: str = "Found in a scalar graph.",
) -> str:
    """The source of a program.

    outputs     what is returned: the cost, over the examples or over nothing
    gradients   what each parameter's part of g is set to
    names       identifiers for some of the terms
    size        how many parameters there are; those without a gradient have gradient 0
    columns     whether there are several outputs, which are the columns of what is returned, and
                whose adjoints are the columns of V
    """
    named = names or {}
    parts, decays = _without_decays(gradients)
    lowered = iter(lower(_natively([*outputs, *parts, *decays, *named])))
    roots = [next(lowered) for _ in outputs]
    slopes = {leaf: next(lowered) for leaf in gradients}
    decayed = {next(lowered): leaves for leaves in decays.values()}
    own = {next(lowered): name for name in named.values()}
    most = [int(leaf.places.max(initial=-1)) + 1 for leaf in gradients]
    count = max(most, default=0) if size is None else size
    module = Module()
    both = _Block(module, roots, slopes, decayed, own, columns)
    forward = _Block(module, roots, None, {}, own, columns, both.writer.layouts)
    blocks = [forward.text(count), both.text(count)]
    return module.text(title, [*blocks, WHOLE[columns]])


WHOLE = {
    False: '''\
def value(p, X, Y=None):
    """The costs of the examples: rows of X, targets in Y, parameters p."""
    return prepare_value(p, len(X))(X, Y)


def value_and_grad(p, X, Y=None, g=None):
    """The costs, and g, the gradient by p summed over the examples."""
    g = np.zeros_like(p) if g is None else g
    return prepare(p, g, len(X))(X, Y)
''',
    True: '''\
def value(p, X, Y=None):
    """The outputs for each example: rows of X, targets in Y, parameters p."""
    return prepare_value(p, len(X))(X, Y)


def vjp(p, X, V, Y=None, g=None):
    """The outputs, and g, the gradient by p of the sum of V × outputs."""
    g = np.zeros_like(p) if g is None else g
    return prepare(p, g, len(X))(X, V, Y)
''',
}
"""What is called with all at once, of a cost and of several outputs."""


def _without_decays(gradients: Mapping[Leaf, Term]) -> tuple[list[Term], dict[Term, list[Leaf]]]:
    """The gradients but for a number times the parameter itself, and by these numbers the leaves.

    Of parameters side by side such parts are added in one go.
    """
    parts = []
    decays: dict[Term, list[Leaf]] = defaultdict(list)
    for leaf, g in gradients.items():
        terms = g.operands if is_map(g, ops.add) and leaf_strides(leaf) is not None else (g,)
        for term in terms if len(terms) > 1 else ():
            factors = [*term.operands] if is_map(term, ops.multiply) else [term]
            if leaf not in factors:
                continue
            factors.remove(leaf)
            if not any(x.axes for x in factors):
                decays[multiply(*factors)].append(leaf)
                g = add(*(x for x in terms if x is not term))
                break
        parts.append(g)
    return parts, decays


def _natively(roots: Sequence[Term]) -> list[Term]:
    """The roots in functions that NumPy has: rules written out, choices of 0 as products."""

    def change(term: Term) -> Term:
        if not isinstance(term, Map):
            return term
        function, xs = term.function, term.arguments
        if isinstance(function, VJP) and function.operation is ops.relu:
            return _kept(Map("different", (xs[1], _ZERO)), xs[0])  # it is 0 where relu is
        if isinstance(function, VJP) and function.operation is ops.maximum:
            own, other = xs[2 + function.operand], xs[3 - function.operand]
            if _is_zero(other) and _is_finite(xs[0]):
                return multiply(xs[0], Map("step", (own,)))
        if isinstance(function, VJP) and function.operation not in SLOPED:
            rule = contributions(function.operation, xs[0], xs[1], xs[2:])[function.operand]
            return _over_all(_natively([rule])[0], term)
        if isinstance(function, Operation) and not is_native(function):
            return _over_all(_natively([expand(function, xs)])[0], term)
        if function == "where" and isinstance(xs[1], Constant) and isinstance(xs[2], Constant):
            return term  # 1 where it holds is no product: sums of truth values are truth values
        if function == "where" and _is_zero(xs[1]):
            return _kept(Map("no", (xs[0],)), xs[2])
        if function == "where" and _is_zero(xs[2]):
            return _kept(xs[0], xs[1])
        return term

    return rebuild(roots, change)


def _over_all(new: Term, term: Term) -> Term:
    """What a rule says of a term, over all axes of that, where it leaves some out."""
    lacking = [x for x in term.operands if not set(x.axes) <= set(new.axes)]
    return Map(SPREAD, (new, *lacking)) if lacking else new


def _kept(condition: Term, x: Term) -> Term:
    """A term where a condition holds, else 0."""
    return Map(ops.multiply if _is_finite(x) else "keep", (condition, x))


def _is_zero(term: Term) -> bool:
    return isinstance(term, Constant) and term.number == 0


def _is_finite(term: Term) -> bool:
    """Whether a term is chosen from finite numbers."""
    if isinstance(term, Map) and term.function == "where":
        return all(map(_is_finite, term.arguments[1:]))
    return isinstance(term, Constant) and bool(np.isfinite(term.values).all())


_ZERO = Constant(0.0)


class _Block:
    """A function that prepares, and within it the one that computes.

    gradients   None: only the outputs are computed
    decays      numbers of which multiples of parameters are added to their gradients
    like        layouts of more terms, which are taken over
    """

    def __init__(
        self,
        module: Module,
        outputs: Sequence[Term],
        gradients: Mapping[Leaf, Term] | None,
        decays: Mapping[Term, list[Leaf]],
        names: Mapping[Term, str],
        columns: bool,
        like: Layouts | None = None,
    ) -> None:
        self.outputs, self.columns, self.is_value = outputs, columns, gradients is None
        self.gradients = gradients or {}
        roots = [*outputs, *self.gradients.values(), *decays]
        terms = topological_terms(roots)
        self.forward = topological_terms(outputs)
        self.reading = Reading(terms)
        fixed = self.fixed_strides(terms)
        owners = self.owners(fixed)
        layouts = Layouts(terms, fixed, self.stepped(), like)
        self.writer = Writer(module, layouts, self.reading, names, _emit)
        for term, leaf in owners.items():
            self.writer.frame.targets[term] = leaf_view(self.writer, leaf, "g")
        self.writer.run(self.writer.frame, roots)
        for leaf, term in self.gradients.items():
            if owners.get(term) is not leaf:
                copy_gradient(self.writer, leaf, self.writer.array(term))
        for factor, leaves in decays.items():
            add_decay(self.writer, factor, leaves)

    def fixed_strides(self, terms: Sequence[Term]) -> dict[Term, Strides]:
        """How the leaves lie in memory that are views."""
        fixed: dict[Term, Strides] = {}
        for term in terms:
            if isinstance(term, Leaf) and term not in self.reading.windowed:
                strides = leaf_strides(term, self.reading.widths.get(term.role, 0))
                if strides is not None:
                    fixed[term] = strides
        return fixed

    def owners(self, fixed: dict[Term, Strides]) -> dict[Term, Leaf]:
        """The gradients that are computed where they belong, which lie like their parameters."""
        owners = {}
        for leaf, term in self.gradients.items():
            strides = leaf_strides(leaf)
            owned = type(term) in _COMPUTED and term not in fixed
            if strides is not None and owned and set(term.axes) == set(leaf.axes):
                fixed[term] = strides
                owners[term] = leaf
        return owners

    def stepped(self) -> dict[Term, Axis]:
        """The axis of the steps for all that is read step by step."""
        return {
            x: scans[0].axis
            for scans in self.reading.groups.values()
            for x in self.reading.group_reads(scans)
            if scans[0].axis in x.axes
        }

    def text(self, size: int) -> str:
        """The definition, where there are so many parameters."""
        w = self.writer
        returned = self.returned()
        if self.is_value:
            head, doc = "prepare_value(p, m)", "The function of X and Y for m examples."
            name = "value"
        else:
            head = "prepare(p, g, m)"
            doc = "The function of X and Y for m examples; g becomes the gradient by p."
            name = "vjp" if self.columns else "value_and_grad"
            self.clear(size)
        given = ["X", *["V"] * (self.columns and not self.is_value), "Y"]
        if any("choose(" in x for x in w.frame.lines):
            given.append("choose")
            returned = self.again(name, given, returned)
        defaults = {"Y": "Y=None", "choose": "choose=np.multiply"}
        # What is computed once is chosen with care at once.
        prepared = [x.replace("choose(", "keep(") for x in w.prepared]
        kind = ["kind = p.dtype"] if any("kind" in x for x in (*prepared, *w.frame.lines)) else []
        outside = {x.split()[0] for x in prepared}
        changed = {x.split()[0] for x in w.frame.lines if re.match(r" *\w+ .= ", x)} & outside
        shared = [f"{INDENT * 2}nonlocal {', '.join(sorted(changed))}"] if changed else []
        lines = [
            '@np.errstate(all="ignore")',
            f"def {head}:",
            f'{INDENT}"""{doc}"""',
            *(INDENT + x for x in (*kind, *prepared)),
            "",
            f'{INDENT}@np.errstate(all="ignore")',
            f"{INDENT}def {name}({', '.join(defaults.get(x, x) for x in given)}):",
            *shared,
            *w.frame.lines,
            f"{INDENT * 2}return {returned}{'' if self.is_value else ', g'}",
            "",
            f"{INDENT}return {name}",
            "",
        ]
        return "\n".join(lines)

    def again(self, name: str, given: Sequence[str], returned: str) -> str:
        """Write that all is computed again where 0 times NaN or infinity may have been chosen."""
        forward = any(isinstance(t, Map) and t.function == "keep" for t in self.forward)
        found = self.writer.local(returned, "found")
        checked = [*["g"] * (not self.is_value), *[found] * forward]
        numbers = " and ".join(f"np.vdot({x}, {x}) >= 0" for x in checked)
        self.writer.line(f"if choose is np.multiply and not ({numbers}):")
        self.writer.line(f"{INDENT}return {name}({', '.join(given[:-1])}, keep)")
        return found

    def clear(self, size: int) -> None:
        """Set the gradient by what the cost does not reach to 0."""
        reached = [leaf.places.ravel() for leaf in self.gradients]
        missing = np.setdiff1d(np.arange(size), np.concatenate([np.zeros(0, np.intp), *reached]))
        for start, stop in runs(missing) if len(missing) else ():
            part = self.writer.hoist(f"g[{start}:{stop}]", "unreached")
            self.writer.line(f"{part}.fill(0)")

    def returned(self) -> str:
        """The code of the outputs, which are the caller's own."""
        if not self.columns:
            (cost,) = self.outputs
            return self.returned_one(cost)
        return f"np.stack([{', '.join(map(self.returned_one, self.outputs))}], axis=1)"

    def returned_one(self, term: Term) -> str:
        """The code of an output for all examples; where its array is kept or given, of a copy."""
        array = self.writer.array(term)
        if not term.axes:
            cost = self.writer.local("np.empty(m, kind)", "costs")
            self.writer.line(f"{cost}.fill({array.code})")  # np.full takes three times as long
            return cost
        own = isinstance(term, Map) and array.slot is None and not array.kept
        return array.code if own or self.columns else f"{array.code}.copy()"


_INSTRUCTIONS: Mapping[type[Term], Any] = {
    Leaf: emit_leaf,
    Constant: emit_constant,
    Extent: emit_extent,
    Map: emit_map,
    Sum: emit_sum,
    LogSumExp: emit_log_sum_exp,
    Softmax: emit_softmax,
    Others: emit_others,
    Take: emit_take,
    Put: emit_put,
    Mask: emit_mask,
    Concatenate: emit_concatenate,
    Scan: emit_scan,
}
_COMPUTED = (Map, Sum, LogSumExp, Softmax, Others, Put, Mask, Concatenate)
"""Terms that can be computed right into a given array."""


def _emit(w: Writer, term: Term) -> None:
    _INSTRUCTIONS[type(term)](w, term)
