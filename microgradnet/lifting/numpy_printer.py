"""Terms as Python that needs NumPy alone: one instruction a term, into arrays that are kept.

The text defines `prepare(p, g, m)`. It makes the arrays that m examples are computed in and views
of the parameters p and of the gradient g, once, and returns the function of X and Y that computes.
An array that is no longer read is given to a later result of the same size.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from microgradnet import ops
from microgradnet.lifting.algebra import contributions, expand
from microgradnet.lifting.layouts import Layouts
from microgradnet.lifting.lowering import lower
from microgradnet.lifting.numpy_functions import HELPERS, is_native
from microgradnet.lifting.numpy_leaves import (
    add_decay,
    copy_gradient,
    emit_constant,
    emit_extent,
    emit_leaf,
    leaf_strides,
    leaf_view,
)
from microgradnet.lifting.numpy_maps import emit_log_sum_exp, emit_map, emit_mask, emit_softmax
from microgradnet.lifting.numpy_places import emit_concatenate, emit_put, emit_take
from microgradnet.lifting.numpy_reads import Reading, is_map
from microgradnet.lifting.numpy_scans import emit_scan
from microgradnet.lifting.numpy_sums import emit_sum
from microgradnet.lifting.numpy_writer import INDENT, Writer, shape_code
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
    Put,
    Scan,
    Softmax,
    Sum,
    Take,
    Term,
    rebuild,
    topological_terms,
)
from microgradnet.operation import Operation

__all__ = ["write_numpy"]


def write_numpy(
    outputs: Sequence[Term],
    gradients: Mapping[Leaf, Term],
    names: Mapping[Term, str] | None = None,
    title: str = "Found in a scalar graph.",
) -> str:
    """The source of `prepare`.

    outputs     what is returned: the cost, over the examples or over nothing
    gradients   what each parameter's part of g is set to
    names       identifiers for some of the terms
    """
    named = names or {}
    roots = [*outputs, *gradients.values()]
    lowered = lower(_natively([*roots, *named]))
    n = len(roots)
    program = _Program(
        lowered[: len(outputs)],
        dict(zip(gradients, lowered[len(outputs) : n], strict=True)),
        dict(zip(lowered[n:], named.values(), strict=True)),
    )
    return program.text(title)


def _natively(roots: Sequence[Term]) -> list[Term]:
    """The roots with operations of several operands that NumPy lacks written out."""

    def change(term: Term) -> Term:
        if not isinstance(term, Map):
            return term
        function, xs = term.function, term.arguments
        if isinstance(function, VJP) and len(xs) > 3:
            rule = contributions(function.operation, xs[0], xs[1], xs[2:])[function.operand]
            return _natively([rule])[0]
        if isinstance(function, Operation) and len(xs) > 1 and not is_native(function):
            return _natively([expand(function, xs)])[0]
        return term

    return rebuild(roots, change)


class _Program:
    def __init__(
        self, outputs: Sequence[Term], gradients: Mapping[Leaf, Term], names: Mapping[Term, str]
    ) -> None:
        self.outputs = outputs
        self.decays: dict[Term, list[Leaf]] = defaultdict(list)
        self.gradients = {leaf: self.without_decay(leaf, g) for leaf, g in gradients.items()}
        roots = [*outputs, *self.gradients.values(), *self.decays]
        terms = topological_terms(roots)
        self.reading = Reading(terms)
        fixed = self.fixed_strides(terms)
        owners = self.owners(fixed)
        layouts = Layouts(terms, fixed, self.stepped())
        self.writer = Writer(layouts, self.reading, names, _emit)
        for term, leaf in owners.items():
            self.writer.frame.targets[term] = leaf_view(self.writer, leaf, "g")
        self.writer.run(self.writer.frame, roots)
        for leaf, term in self.gradients.items():
            if owners.get(term) is not leaf:
                copy_gradient(self.writer, leaf, self.writer.array(term))
        for factor, leaves in self.decays.items():
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

    def without_decay(self, leaf: Leaf, g: Term) -> Term:
        """A gradient without a multiple of the parameter itself, which is added to g in one go."""
        parts = g.operands if is_map(g, ops.add) else (g,)
        for part in parts:
            factors_ = part.operands if is_map(part, ops.multiply) else ()
            if leaf in factors_ and len(parts) > 1 and leaf_strides(leaf) is not None:
                rest = [x for x in factors_ if x is not leaf]
                if len(rest) == 1 and not rest[0].axes:
                    self.decays[rest[0]].append(leaf)
                    (other,) = (x for x in parts if x is not part)
                    return other
        return g

    def text(self, title: str) -> str:
        """The whole text."""
        w = self.writer
        returned = ", ".join(map(self.returned, self.outputs))
        body = [*w.frame.lines, f"{INDENT * 2}return {returned}, g"]
        lines = ["def prepare(p, g, m):"]
        lines.append(
            f'{INDENT}"""The function of X and Y for m examples; g becomes the gradient by p."""'
        )
        if any("kind" in x for x in (*w.prepared, *self.memory())):
            lines.append(f"{INDENT}kind = p.dtype")
        lines += [INDENT + x for x in (*self.memory(), *w.prepared)]
        lines += ["", f'{INDENT}@np.errstate(all="ignore")']
        lines.append(f"{INDENT}def value_and_grad(X, Y=None):")
        changed = sorted({x.split()[0] for x in w.frame.lines if re.match(r" *\w+ .= ", x)})
        if changed:
            lines.append(f"{INDENT * 2}nonlocal {', '.join(changed)}")
        lines += [*body, "", f"{INDENT}return value_and_grad", ""]
        text = "\n".join(lines)
        used = _helpers("\n".join([text, *w.sources]))
        head = [f'"""{title}"""\n\n']
        if any("math." in x for x in used):
            head.append("import math\n\n")
        head.append("import numpy as np\n")
        if "as_strided" in text:
            head.append("from numpy.lib.stride_tricks import as_strided\n")
        if w.constants:
            head.append("\n" + "\n".join(f"{n} = {c}" for c, n in w.constants.items()) + "\n")
        return "\n\n".join(["".join(head), *used, *w.sources, text])

    def memory(self) -> list[str]:
        """The lines that make the arrays."""
        lines = []
        for slot in self.writer.slots:
            size = f"{slot.size} * m" if slot.of_examples else str(slot.size)
            if len(slot.names) == 1:
                name, axes = slot.names[0]
                lines.append(f"{name} = np.empty({shape_code(axes)}, kind)")
                continue
            memory = f"memory_{slot.number}"
            lines.append(f"{memory} = np.empty({size}, kind)")
            for name, axes in slot.names:
                lines.append(f"{name} = {memory}.reshape({shape_code(axes)})")
        return lines

    def returned(self, term: Term) -> str:
        """The code of an output; where its array is kept, of a copy."""
        array = self.writer.array(term)
        if not term.axes:
            return f"np.full(m, {array.code})"
        return f"{array.code}.copy()" if array.slot is not None or array.kept else array.code


_INSTRUCTIONS: Mapping[type[Term], Any] = {
    Leaf: emit_leaf,
    Constant: emit_constant,
    Extent: emit_extent,
    Map: emit_map,
    Sum: emit_sum,
    LogSumExp: emit_log_sum_exp,
    Softmax: emit_softmax,
    Take: emit_take,
    Put: emit_put,
    Mask: emit_mask,
    Concatenate: emit_concatenate,
    Scan: emit_scan,
}
_COMPUTED = (Map, Sum, LogSumExp, Softmax, Put, Mask, Concatenate)
"""Terms that can be computed right into a given array."""


def _emit(w: Writer, term: Term) -> None:
    _INSTRUCTIONS[type(term)](w, term)


def _helpers(text: str) -> list[str]:
    """The helpers that a text calls, and those that these call."""
    wanted: set[str] = set()
    texts = [text]
    while texts:
        called = set(re.findall(r"(?<![.\w])(\w+)\(", texts.pop()))
        for name in HELPERS.keys() & called - wanted:
            wanted.add(name)
            texts.append(HELPERS[name])
    return [HELPERS[name] for name in HELPERS if name in wanted]
