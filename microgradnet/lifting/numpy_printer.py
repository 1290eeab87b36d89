"""Terms as Python that needs NumPy alone: one instruction a term, into arrays that are kept.

The text defines `prepare(p, g, m)`. It makes the arrays that m examples are computed in and views of
the parameters p and of the gradient g, once, and returns the function of X and Y that computes. An
array that is no longer read is given to a later result of the same size.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.lifting.algebra import contributions, expand
from microgradnet.lifting.layouts import Layouts, factors
from microgradnet.lifting.lowering import FACTORED, lower
from microgradnet.lifting.numpy_functions import (
    HELPERS,
    call,
    function_source,
    is_native,
    number_source,
    ufunc,
    vjp_source,
)
from microgradnet.lifting.strides import (
    MANY,
    Strides,
    collapses,
    contiguous,
    extent_of,
    plan_product,
)
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
    free_states,
    rebuild,
    topological_terms,
)
from microgradnet.operation import Operation

__all__ = ["NumpySource", "write_numpy"]

INDENT = "    "


class NumpySource(NamedTuple):
    """The text, and what its function is called."""

    text: str


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
    writer = _Writer(
        lowered[: len(outputs)],
        dict(zip(gradients, lowered[len(outputs) : n], strict=True)),
        dict(zip(lowered[n:], named.values(), strict=True)),
    )
    return writer.write(title)


def _natively(roots: Sequence[Term]) -> list[Term]:
    """The roots with operations of several operands that NumPy lacks written out."""

    def change(term: Term) -> Term:
        if not isinstance(term, Map):
            return term
        function, xs = term.function, term.arguments
        if isinstance(function, VJP) and len(xs) > 3:
            rule = contributions(function.operation, *xs[:2], xs[2:])[function.operand]
            return _natively([rule])[0]
        if isinstance(function, Operation) and len(xs) > 1 and not is_native(function):
            return _natively([expand(function, xs)])[0]
        return term

    return rebuild(roots, change)


@dataclass(eq=False)
class _Slot:
    """Memory for an array: so many numbers, for each example or in all."""

    number: int
    size: int
    of_examples: bool
    pending: int = 0
    names: list[tuple[str, tuple[Axis, ...]]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Array:
    """What stands for a term in the text.

    axes    of its dimensions, in their order
    kept    whether it is there before X is, so that views of it can be made once
    slot    the memory that it is the whole of, or a view of
    """

    code: str
    axes: tuple[Axis, ...]
    strides: Strides
    kept: bool = False
    slot: _Slot | None = None
    whole: bool = False


@dataclass
class _Frame:
    """A block of the text: the function, or within it the loop of a scan."""

    indent: str
    outer: _Frame | None = None
    axis: Axis | None = None
    lines: list[str] = field(default_factory=list)
    arrays: dict[Term, _Array] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    """Of a loop, by what they are called within it, the arrays that it goes through."""
    targets: dict[Term, _Array] = field(default_factory=dict)
    needed: list[Term] = field(default_factory=list)
    views: dict[str, str] = field(default_factory=dict)
    """What views of arrays are called that are new at each call."""
    uses: dict[Term, int] = field(default_factory=dict)


class _Writer:
    def __init__(
        self, outputs: Sequence[Term], gradients: Mapping[Leaf, Term], names: Mapping[Term, str]
    ) -> None:
        self.outputs, self.names = outputs, names
        self.decays: dict[Term, list[Leaf]] = defaultdict(list)
        self.gradients = {leaf: self.without_decay(leaf, g) for leaf, g in gradients.items()}
        gradients = self.gradients
        self.everything = topological_terms([*outputs, *gradients.values(), *self.decays])
        self.states = free_states(self.everything)
        self.slots: list[_Slot] = []
        self.free: dict[tuple[int, bool], list[_Slot]] = defaultdict(list)
        self.taken: set[str] = {"np", "p", "g", "m", "X", "Y", "V", "kind", "math"}
        self.hoisted: dict[str, str] = {}
        self.prepared: list[str] = []
        self.constants: dict[str, str] = {}
        self.functions: dict[tuple[object, str], str] = {}
        self.sources: list[str] = []
        self.copies: dict[tuple[str, tuple[int, ...]], _Array] = {}
        self.groups: dict[Any, list[Scan]] = defaultdict(list)
        for term in self.everything:
            if isinstance(term, Scan):
                self.groups[_group(term)].append(term)
        self.widths: dict[str, int] = {}
        for term in self.everything:
            if isinstance(term, Leaf) and term.places.size:
                most = int(term.places.max()) + 1
                self.widths[term.role] = max(most, self.widths.get(term.role, 0))
        self.windowed = {
            x for term in self.everything if _is_window(term)
            for x in (_chain(term)[-1].operand, _root(term)) if isinstance(x, Leaf) and x.role != "parameter"
        }
        self.frame = _Frame(INDENT * 2)
        self.single: dict[Term, list[Term]] = defaultdict(list)

    # The whole

    def write(self, title: str) -> str:
        fixed: dict[Term, Strides] = {}
        for term in self.everything:
            if isinstance(term, Leaf) and term not in self.windowed:
                strides = _leaf_strides(term, self.widths.get(term.role, 0))
                if strides is not None:
                    fixed[term] = strides
        views = {}
        for leaf, term in self.gradients.items():
            strides = fixed.get(leaf) or _leaf_strides(leaf)
            owned = type(term) in _COMPUTED and term not in fixed
            if strides is not None and owned and set(term.axes) == set(leaf.axes):
                fixed[term] = strides
                views[term] = leaf
        first = {
            x: scans[0].axis
            for scans in self.groups.values()
            for x in self.group_reads(scans)
            if scans[0].axis in x.axes
        }
        self.layouts = Layouts(self.everything, fixed, first)
        for term, leaf in views.items():
            self.frame.targets[term] = self.leaf_view(leaf, "g")
        roots = [*self.outputs, *self.gradients.values(), *self.decays]
        self.run(self.frame, roots)
        for leaf, term in self.gradients.items():
            if views.get(term) is not leaf:
                self.copy_gradient(leaf, self.array(term))
        for factor, leaves in self.decays.items():
            self.add_decay(factor, leaves)
        covered = [leaf.places[leaf.places >= 0].ravel() for leaf in self.gradients]
        self.covered = np.unique(np.concatenate([np.zeros(0, np.intp), *covered]))
        returned = ", ".join(map(self.returned, self.outputs))
        return self.text(title, returned)

    def text(self, title: str, returned: str) -> str:
        body = [*self.frame.lines, f"{INDENT * 2}return {returned}, g"]
        lines = ["def prepare(p, g, m):"]
        lines.append(
            f'{INDENT}"""The function of X and Y for m examples; g becomes the gradient by p."""'
        )
        if any("kind" in x for x in (*self.prepared, *self.memory())):
            lines.append(f"{INDENT}kind = p.dtype")
        lines += [INDENT + x for x in (*self.memory(), *self.prepared)]
        lines += ["", f'{INDENT}@np.errstate(all="ignore")']
        lines.append(f"{INDENT}def value_and_grad(X, Y=None):")
        changed = sorted({x.split()[0] for x in self.frame.lines if re.match(r" *\w+ .= ", x)})
        if changed:
            lines.append(f"{INDENT * 2}nonlocal {', '.join(changed)}")
        lines += [*body, "", f"{INDENT}return value_and_grad", ""]
        text = "\n".join(lines)
        used = _helpers("\n".join([text, *self.sources]))
        head = [f'"""{title}"""\n\n']
        if any("math." in x for x in used):
            head.append("import math\n\n")
        head.append("import numpy as np\n")
        if "as_strided" in text:
            head.append("from numpy.lib.stride_tricks import as_strided\n")
        if self.constants:
            head.append("\n" + "\n".join(f"{n} = {c}" for c, n in self.constants.items()) + "\n")
        return "\n\n".join(["".join(head), *used, *self.sources, text])

    def memory(self) -> list[str]:
        """The lines that make the arrays."""
        lines = []
        for slot in self.slots:
            size = f"{slot.size} * m" if slot.of_examples else str(slot.size)
            if len(slot.names) == 1:
                name, axes = slot.names[0]
                lines.append(f"{name} = np.empty({_shape(axes)}, kind)")
                continue
            memory = f"memory_{slot.number}"
            lines.append(f"{memory} = np.empty({size}, kind)")
            for name, axes in slot.names:
                lines.append(f"{name} = {memory}.reshape({_shape(axes)})")
        return lines

    def returned(self, term: Term) -> str:
        array = self.array(term)
        if not term.axes:
            return f"np.full(m, {array.code})"
        return f"{array.code}.copy()" if array.slot is not None or array.kept else array.code

    def without_decay(self, leaf: Leaf, g: Term) -> Term:
        """A gradient without a multiple of the parameter itself, which is added to g in one go."""
        parts = g.operands if _is(g, ops.add) else (g,)
        for part in parts:
            factors_ = part.operands if _is(part, ops.multiply) else ()
            if leaf in factors_ and len(parts) > 1 and _leaf_strides(leaf) is not None:
                rest = [x for x in factors_ if x is not leaf]
                if len(rest) == 1 and not rest[0].axes:
                    self.decays[rest[0]].append(leaf)
                    (other,) = (x for x in parts if x is not part)
                    return other
        return g

    def add_decay(self, factor: Term, leaves: Sequence[Leaf]) -> None:
        """Add a multiple of parameters to their gradient, of neighbours at once."""
        for start, stop in _runs(np.concatenate([leaf.places.ravel() for leaf in leaves])):
            axis = Axis("w", stop - start)
            whole = cast(Leaf, Leaf("weights", "parameter", (axis,), range(start, stop)))
            p, g = self.leaf_view(whole), self.leaf_view(whole, "g")
            scaled = self.permanent("decay", (axis,))
            self.line(f"np.multiply({p.code}, {self.array(factor).code}, out={scaled.code})")
            self.line(f"np.add({g.code}, {scaled.code}, out={g.code})")

    def copy_gradient(self, leaf: Leaf, array: _Array) -> None:
        strides = _leaf_strides(leaf)
        if strides is not None:
            view = self.leaf_view(leaf, "g")
            self.line(f"{view.code}[...] = {self.oriented(array, view.axes)}")
            return
        there = leaf.places >= 0
        full = self.oriented(array, leaf.axes)
        if set(array.axes) != set(leaf.axes):
            full = f"np.broadcast_to({full}, {_shape(leaf.axes)})"
        if there.all():
            self.line(f"g[{self.table(leaf.places)}] = {full}")
        else:
            cells = tuple(self.table(x) for x in np.nonzero(there))
            self.line(f"g[{self.table(leaf.places[there])}] = {full}[{', '.join(cells)}]")

    # What there is to do

    def reads(self, term: Term) -> Sequence[Term]:
        """The terms whose arrays the instruction of a term reads."""
        pair = factors(term)
        if pair is not None:
            return pair
        if isinstance(term, Softmax) and _is_masked(term.operand):
            return term.operand.operands
        if isinstance(term, (Take, Put)):
            links = _chain(term)
            return (links[-1].operand, *(x for l in links for x in l.operands[1:]))
        if isinstance(term, Scan):
            return self.group_reads(self.groups[_group(term)])
        if _is_slope(term):
            _, y, x = term.operands
            return (y,) if _is_of(y, x) and _is(y, ops.sigmoid) else (x, y)
        if isinstance(term, Sum) and self.is_norm(term):
            return term.operand.operands
        if isinstance(term, Map) and self.is_gathering(term):
            parts = self.parts(term)
            return [x for t in parts for x in (self.reads(t) if self.is_put_here(t, term) else (t,))]
        return term.operands

    def is_norm(self, term: Sum) -> bool:
        """Whether a term is the sum of all squares of one that lies densely in memory."""
        x = term.operand
        return not term.axes and isinstance(x, Map) and ufunc(x.function, repr) == "square({})"

    def is_gathering(self, term: Term) -> bool:
        """Whether a sum has parts that are put into place, so that it is computed there."""
        return _is(term, ops.add) and any(self.is_put_here(x, term) for x in self.parts(term))

    def is_put_here(self, part: Term, term: Term) -> bool:
        """Whether a part of a term is put into place, and changes where the term does."""
        return _is_put(part) and bool(self.states[part]) == bool(self.states[term])

    def parts(self, term: Term) -> list[Term]:
        """The terms of a sum of sums that is gathered."""
        found = []
        stack = [*term.operands]
        while stack:
            x = stack.pop()
            nested = _is(x, ops.add) and any(self.is_put_here(y, term) for y in x.operands)
            if nested and set(x.axes) == set(term.axes):
                stack.extend(x.operands)
            else:
                found.append(x)
        return found

    def group_reads(self, scans: Sequence[Scan]) -> list[Term]:
        """What the scans of one recurrence read from outside."""
        own = {state for state, *_ in scans[0].states}
        roots = [*(step for *_, step in scans[0].states), *(scan.out for scan in scans)]
        found: dict[Term, None] = dict.fromkeys(init for _, init, _ in scans[0].states)
        stack, seen = roots[::-1], set(roots)
        while stack:
            term = stack.pop()
            if self.states[term].isdisjoint(own):
                found[term] = None
                continue
            for x in self.reads(term):
                if x not in seen:
                    seen.add(x)
                    stack.append(x)
        return list(found)

    def schedule(self, roots: Sequence[Term], inside: frozenset[Term]) -> list[Term]:
        """What has to be computed in a frame, in an order."""
        done: dict[Term, None] = {}
        stack = [(root, False) for root in reversed(roots)]
        while stack:
            term, ready = stack.pop()
            if ready:
                done[term] = None
            elif term not in done and (self.states[term] & inside or not inside):
                stack.append((term, True))
                stack.extend((x, False) for x in reversed(self.reads(term)) if x not in done)
        return list(done)

    def run(self, frame: _Frame, roots: Sequence[Term], inside: Iterable[Term] = ()) -> None:
        """Write the instructions of a frame."""
        outer, self.frame = self.frame, frame
        own = frozenset(inside)
        frame.needed = [t for t in self.schedule(roots, own) if t not in own]
        emitted: set[Any] = set()
        items = []
        for term in frame.needed:
            key = _group(term) if isinstance(term, Scan) else term
            if key not in emitted:
                emitted.add(key)
                items.append(term)
        readers: dict[Term, list[Term]] = defaultdict(list)
        for term in items:
            for x in dict.fromkeys(self.reads(term)):
                readers[x].append(term)
        for term, those in readers.items():
            frame.uses[term] = len(those)
        for root in roots:
            frame.uses[root] = frame.uses.get(root, 0) + 1
        self.single = {**self.single, **readers}
        for term in items:
            if term in frame.arrays:
                continue
            self.emit(term)
            for x in dict.fromkeys(self.reads(term)):
                self.release(x)
        self.frame = outer

    def release(self, term: Term) -> None:
        array = self.frame.arrays.get(term)
        if array is not None and array.slot is not None:
            array.slot.pending -= 1
            if array.slot.pending == 0:
                slot = array.slot
                self.free[slot.size, slot.of_examples].append(slot)

    def bind(self, term: Term, array: _Array) -> None:
        """Let an array stand for a term from now on."""
        self.frame.arrays[term] = array
        if array.slot is not None:
            array.slot.pending += self.frame.uses.get(term, 0)

    def array(self, term: Term) -> _Array:
        """What stands for a term here."""
        found = self.look_up(term, self.frame)
        if found is None:
            found = self.given(term)
            self.bottom().arrays[term] = found
            found = self.look_up(term, self.frame)
        assert found is not None
        return found

    def bottom(self) -> _Frame:
        """The frame of the function itself."""
        frame = self.frame
        while frame.outer is not None:
            frame = frame.outer
        return frame

    def look_up(self, term: Term, frame: _Frame) -> _Array | None:
        if term in frame.arrays:
            return frame.arrays[term]
        if frame.outer is None:
            return None
        found = self.look_up(term, frame.outer)
        if found is None or frame.axis not in found.axes:
            return found
        rest = tuple(axis for axis in found.axes if axis is not frame.axis)
        if not found.kept:
            found = self.kept_copy(term, found, frame)
        inner, self.frame = self.frame, frame.outer
        code = self.oriented(found, (frame.axis, *rest))
        self.frame = inner
        name = self.fresh(f"{_stem(found.code)}_{frame.axis.name}")
        frame.steps[name] = _steps(code, rest)
        strides = {axis: found.strides[axis] for axis in rest}
        frame.arrays[term] = _Array(name, rest, strides)
        return frame.arrays[term]

    def kept_copy(self, term: Term, found: _Array, frame: _Frame) -> _Array:
        """A copy, made before a loop, of an array that is new at each call."""
        assert frame.outer is not None
        inner, self.frame = self.frame, frame.outer
        order = (cast(Axis, frame.axis), *(a for a in found.axes if a is not frame.axis))
        kept = self.permanent(f"{_stem(found.code)}_kept", order)
        self.line(f"{kept.code}[...] = {self.oriented(found, order)}")
        self.frame.arrays[term] = kept
        self.frame = inner
        return kept

    # Names, memory, lines

    def line(self, code: str) -> None:
        self.frame.lines.append(self.frame.indent + code)

    def fresh(self, name: str) -> str:
        base = re.sub(r"\W", "_", name) or "t"
        found, n = base, 1
        while found in self.taken:
            n += 1
            found = f"{base}_{n}"
        self.taken.add(found)
        return found

    def hoist(self, code: str, stem: str = "v") -> str:
        """A name for what an expression is before X is there."""
        if code.isidentifier():
            return code
        if code not in self.hoisted:
            self.hoisted[code] = name = self.fresh(stem)
            self.prepared.append(f"{name} = {code}")
        return self.hoisted[code]

    def number(self, x: float) -> str:
        """A number, as an array of the right kind that is there already."""
        stems = {0.0: "zero", 1.0: "one", 2.0: "two", 0.5: "half", -1.0: "minus_one"}
        return self.hoist(f"np.array({number_source(x)}, kind)", stems.get(x, "c"))

    def table(self, values: NDArray[Any]) -> str:
        """The name of an array of whole numbers."""
        return self.constant_array(values, "I")

    def constant_array(self, values: NDArray[Any], letter: str) -> str:
        """The name of an array of constants."""
        code = _array_source(values)
        if code not in self.constants:
            self.constants[code] = self.fresh(f"{letter}{len(self.constants) + 1}")
        return self.constants[code]

    def name_for(self, term: Term) -> str:
        """The name of a term, or of the one that is made of it at once."""
        for _ in range(9):
            if term in self.names:
                return self.names[term]
            readers = self.single.get(term, [])
            if len(readers) != 1 or not isinstance(readers[0], Map):
                break
            if set(readers[0].axes) != set(term.axes):
                break
            term = readers[0]
        return "t"

    def allocate(self, name: str, order: Sequence[Axis]) -> _Array:
        """An array for a result."""
        of_examples = any(axis.size is None for axis in order)
        size = prod(axis.size for axis in order if axis.size is not None)
        idle = self.free[size, of_examples]
        if idle:
            slot = idle.pop()
        else:
            slot = _Slot(len(self.slots) + 1, size, of_examples)
            self.slots.append(slot)
        code = self.fresh(name)
        slot.names.append((code, tuple(order)))
        return _Array(code, tuple(order), contiguous(order), True, slot, True)

    def permanent(self, name: str, order: Sequence[Axis], fill: str = "") -> _Array:
        """An array that nothing else is computed in."""
        made = f"np.full({_shape(order)}, {fill}, kind)" if fill else f"np.empty({_shape(order)}, kind)"
        code = self.fresh(name)
        self.prepared.append(f"{code} = {made}")
        return _Array(code, tuple(order), contiguous(order), True)

    def store(self, term: Term, order: Sequence[Axis] | None = None) -> _Array:
        """The array that a term is computed into."""
        target = self.frame.targets.get(term)
        if target is not None:
            return target
        return self.allocate(self.name_for(term), self.order(term) if order is None else order)

    def order(self, term: Term) -> tuple[Axis, ...]:
        """The order of a term's axes in the present frame."""
        bound = set()
        frame: _Frame | None = self.frame
        while frame is not None:
            bound.add(frame.axis)
            frame = frame.outer
        return tuple(axis for axis in self.layouts.order(term) if axis not in bound)

    # Views

    def oriented(self, array: _Array, order: Sequence[Axis]) -> str:
        """The array with its dimensions in this order, so that it meets others of this order."""
        own = [axis for axis in order if axis in array.axes]
        code = array.code
        if not own:
            return code
        if tuple(own) != array.axes:
            places = [array.axes.index(axis) for axis in own]
            code += ".T" if places == [*reversed(range(len(own)))] else f".transpose{(*places,)}"
        behind = order[order.index(own[0]) :]
        if len(behind) > len(own):
            code += f"[{', '.join(':' if axis in own else 'None' for axis in behind)}]"
        return self.hoist(code, _stem(array.code)) if array.kept else self.once(code)

    def grouped(self, array: _Array, groups: Sequence[Sequence[Axis]]) -> str:
        """The array with each group of axes as one dimension; one that it lacks has one place."""
        own = [axis for group in groups for axis in group if axis in array.axes]
        code = array.code
        if tuple(own) != array.axes:
            places = [array.axes.index(axis) for axis in own]
            code += ".T" if places == [*reversed(range(len(own)))] else f".transpose{(*places,)}"
        if [[axis] for axis in own] != [list(group) for group in groups]:
            sizes = [_size([a for a in group if a in array.axes]) for group in groups]
            code += f".reshape({', '.join(sizes)})"
        return self.hoist(code, _stem(array.code)) if array.kept else self.once(code)

    def once(self, code: str) -> str:
        """The name of a view that is made at each call, once."""
        if code.isidentifier() or self.frame.axis is not None:
            return code
        if code not in self.frame.views:
            self.frame.views[code] = self.fresh(_stem(code))
            self.line(f"{self.frame.views[code]} = {code}")
        return self.frame.views[code]

    # Given arrays

    def given(self, term: Term) -> _Array:
        if isinstance(term, Leaf):
            found = self.leaf_view(term)
            order = self.layouts.order(term)
            if term not in self.windowed or order == found.axes:
                return found
            made = self.permanent(f"{_stem(found.code)}_copy", order)
            bottom = self.bottom()
            bottom.lines.append(f"{bottom.indent}np.copyto({made.code}, {self.oriented(found, order)})")
            return made
        if isinstance(term, Extent):
            return _Array("m", (), {})
        assert isinstance(term, Constant), term
        if term.number is not None:
            return _Array(self.number(float(term.number)), (), {}, True)
        if term.values.dtype.kind == "i":
            return _Array(self.table(term.values), term.axes, contiguous(term.axes), True)
        same = np.unique(term.values)
        if len(same) == 1:
            code = f"np.full({_shape(term.axes)}, {number_source(float(same[0]))}, kind)"
            return _Array(self.hoist(code, "ones" if same[0] == 1 else "k"), term.axes,
                          contiguous(term.axes), True)  # fmt: skip
        name = self.constant_array(term.values, "K")
        code = self.hoist(f"{name}.astype(kind)", name.lower())
        return _Array(code, term.axes, contiguous(term.axes), True)

    def leaf_view(self, leaf: Leaf, of: str = "") -> _Array:
        """A leaf as a view of the flat vector, or of the columns of X; else a copy."""
        vector = of or {"parameter": "p", "input": "X", "target": "Y", "seed": "V"}[leaf.role]
        name = f"d_{leaf.name}" if of else leaf.name
        strides = _leaf_strides(leaf, self.widths.get(leaf.role, 0))
        examples = [axis for axis in leaf.axes if axis.size is None]
        lead = ":, " if vector in "XYV" else ""
        if strides is None:
            code = f"{vector}[{lead}{self.table(np.maximum(leaf.places, 0))}]"
            if (leaf.places < 0).any():
                code = f"np.where({self.table((leaf.places >= 0).astype(np.intp))}, {code}, 0)"
            rest = [axis for axis in leaf.axes if axis.size is not None]
            order = [*examples, *rest] if lead else rest
            target = self.fresh(name)
            bottom = self.bottom()
            bottom.lines.append(f"{bottom.indent}{target} = {code}")
            return _Array(target, tuple(order), contiguous(order))
        sized = sorted(
            [axis for axis in leaf.axes if axis.size is not None], key=lambda a: -strides[a]
        )
        first = int(leaf.places.min())
        count = leaf.places.size
        if not sized:
            code = f"{vector}[{lead}{first}]"
            if not lead:
                code = f"{vector}[{first}:{first + 1}].reshape(())"
        else:
            last = int(leaf.places.max()) + 1
            outer, inner = sized[0], extent_of(sized[1:])
            apart = strides[outer]
            code = f"{vector}[{lead}{first}:{last}]"
            if last - first == count and _is_dense(sized, strides):
                if len(sized) > 1:
                    shape = ", ".join(["m"] * bool(lead) + [str(a.size) for a in sized])
                    code += f".reshape({shape})"
            elif len(sized) == 1:
                code = f"{vector}[{lead}{first}:{last}:{apart}]"
            else:
                steps = ", ".join(f"{strides[axis]} * {vector}.itemsize" for axis in sized)
                shape = ", ".join(str(axis.size) for axis in sized)
                if lead:
                    shape, steps = f"m, {shape}", f"{vector}.strides[0], {steps}"
                code = f"as_strided({code}, ({shape},), ({steps},))"
            del inner
        order = [*examples, *sized]
        if lead:
            code = self.local(code, name)
            return _Array(code, tuple(order), strides)
        return _Array(self.hoist(code, name), tuple(order), strides, True)

    def local(self, code: str, name: str) -> str:
        """A name for an expression that is evaluated at each call, first of all."""
        if code.isidentifier():
            return code
        bottom = self.bottom()
        target = self.fresh(name)
        bottom.lines.append(f"{bottom.indent}{target} = {code}")
        return target

    # Instructions

    def emit(self, term: Term) -> None:
        """Write what computes a term."""
        if isinstance(term, (Constant, Leaf, Extent)):
            if isinstance(term, Leaf):
                self.array(term)
            return
        _INSTRUCTIONS[type(term)](self, term)

    def emit_map(self, term: Map) -> None:
        function, xs = term.function, term.arguments
        if _is_slope(term):
            self.emit_slope(term)
            return
        if self.is_gathering(term):
            self.emit_gathered(term)
            return
        if function is ops.sigmoid:
            slope = Map(VJP(cast(Operation, function), 0), (_ONE, term, *xs))
            if slope in self.frame.needed:
                self.emit_with_slope(term, slope)
                return
        name = ufunc(function, self.number)
        order = self.order(term)
        if name is None:
            code = self.new_array(term, order)
            target = self.frame.targets.get(term)
            if target is not None:
                self.line(f"{target.code}[...] = {code}")
                self.bind(term, target)
                return
            fresh = self.fresh(self.name_for(term))
            self.line(f"{fresh} = {code}")
            shape = tuple(a for a in order if any(a in self.array(x).axes for x in xs))
            self.bind(term, _Array(fresh, shape, contiguous(shape)))
            return
        arrays = [self.array(x) for x in xs]
        out = self.in_place(term, order, xs, arrays) or self.store(term)
        operands = [self.oriented(a, out.axes) for a in arrays]
        infix = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}.get(
            name.split("(")[0]
        )
        if infix and operands[0] == out.code:
            self.line(f"{out.code} {infix}= {operands[1]}")
        elif infix in ("+", "*") and operands[1] == out.code:
            self.line(f"{out.code} {infix}= {operands[0]}")
        else:
            self.line(f"np.{name.format(*operands)[:-1]}, out={out.code})")
        self.bind(term, out)

    def new_array(self, term: Map, order: Sequence[Axis]) -> str:
        """The call of a function that gives a new array."""
        function = term.function
        operands = [self.oriented(self.array(x), order) for x in term.arguments]
        template = call(function)
        if template is not None:
            return template.format(*operands)
        if isinstance(function, VJP) and function.operation is ops.relu:
            zero = self.number(0.0)
            return f"np.where({operands[2]} <= {zero}, {zero}, {operands[0]})"
        if isinstance(function, VJP):
            key = function.operation, "vjp"
            name = self.functions.get(key)
            if name is None:
                name = self.functions[key] = self.fresh(_identifier(function.operation) + "_vjp")
                self.sources.append(vjp_source(function.operation, name)[0])
            letters = vjp_source(function.operation, name)[1]
            given = dict(zip("gyx", operands, strict=True))
            return f"{name}({', '.join(given[c] for c in letters)})"
        assert isinstance(function, Operation), function
        key = function, "forward"
        if key not in self.functions:
            self.functions[key] = name = self.fresh(_identifier(function))
            self.sources.append(function_source(function, name))
        return f"{self.functions[key]}({', '.join(operands)})"

    def in_place(
        self, term: Term, order: Sequence[Axis], xs: Sequence[Term], arrays: Sequence[_Array]
    ) -> _Array | None:
        """The array of an operand that nothing else reads, for the result."""
        if term in self.frame.targets:
            return None
        for x, array in zip(xs, arrays, strict=True):
            slot = array.slot
            if (
                slot is not None
                and array.whole
                and x in self.frame.arrays
                and slot.pending == 1
                and array.axes == tuple(order)
            ):
                name = self.name_for(term)
                if name in ("t", _stem(array.code)) or not self.names.get(term):
                    return array
                code = self.fresh(name)
                slot.names.append((code, array.axes))
                return replace(array, code=code)
        return None

    def emit_with_slope(self, term: Map, slope: Term) -> None:
        (x,) = term.arguments
        out = self.store(term)
        own = self.frame.targets.get(slope) or self.allocate("slope", out.axes)
        z = self.oriented(self.array(x), out.axes)
        top = self.hoist("np.array(np.floor(np.log(np.finfo(kind).max)))", "top")
        given = [z, self.number(1.0), top, out.code, own.code]
        self.line(f"sigmoid_and_slope({', '.join(given)})")
        self.bind(term, out)
        self.bind(slope, own)

    def emit_slope(self, term: Map) -> None:
        """f′(x) where f(x) is computed elsewhere."""
        if term in self.frame.arrays:
            return
        _, y, x = term.arguments
        operation = cast(VJP, term.function).operation
        out = self.store(term)
        z = self.oriented(self.array(x), out.axes)
        if operation is ops.tanh:
            a = self.oriented(self.array(y), out.axes)
            self.line(f"tanh_slope({z}, {a}, {self.number(1.0)}, {out.code})")
        else:
            self.line(f"np.multiply(sigmoid({z}), sigmoid(-{z}), out={out.code})")
        self.bind(term, out)

    def emit_sum(self, term: Sum) -> None:
        pair = factors(term)
        if pair is not None:
            self.emit_product(term, *pair)
            return
        if self.is_norm(term):
            x = self.array(term.operand.operands[0])
            by = sorted(x.axes, key=lambda axis: -x.strides[axis])
            if collapses(x.strides, by):
                out = self.store(term)
                row = self.grouped(x, [by])
                self.line(f"np.dot({row}, {row}, out={out.code})")
                self.bind(term, out)
                return
            square = self.allocate("t", x.axes)
            self.line(f"np.square({x.code}, out={square.code})")
            self.emit_reduction(term, square, x.axes, ())
            self.discard(square)
            return
        x = self.array(term.operand)
        order = self.order(term)
        if self.is_spread(term, x):
            (last,) = term.over
            full = self.allocate("sums", x.axes)
            rows = [[a for a in x.axes if a is not last], [last]]
            ones = self.ones([last], square=True)
            self.line(f"np.matmul({self.grouped(x, rows)}, {ones}, out={self.grouped(full, rows)})")
            self.bind(term, full)
            return
        self.emit_reduction(term, x, [a for a in x.axes if a in term.over], order)

    def is_spread(self, term: Sum, x: _Array) -> bool:
        """Whether the sum of a row is wanted beside each of its entries.

        Along short rows it is quicker to compute it there than to read it there.
        """
        readers = self.single.get(term, [])
        return (
            len(readers) == 1
            and isinstance(readers[0], Map)
            and set(readers[0].axes) == set(term.operand.axes)
            and len(term.over) == 1
            and len(x.axes) > 1
            and extent_of(term.over) <= _SHORT // 2
            and _is_dense(x.axes, x.strides)
            and x.axes[-1] is term.over[0]
        )

    def emit_reduction(
        self, term: Term, x: _Array, over: Sequence[Axis], order: Sequence[Axis]
    ) -> None:
        """A sum as a product with ones, which takes a fraction of the time of NumPy's sum."""
        rest = [axis for axis in order if axis in x.axes and axis not in over]
        out = self.store(term)
        by = sorted(over, key=lambda axis: -x.strides[axis])
        target = self.as_row(out, rest)
        if target is not None and collapses(x.strides, by) and collapses(x.strides, rest):
            ones = self.ones(by)
            dense = _is_dense(out.axes, out.strides)
            function = "dot" if dense and _is_dense(x.axes, x.strides) else "matmul"
            if not rest:
                given = [ones, self.grouped(x, [by])]
            elif x.strides[rest[-1]] == 1:
                given = [ones, self.grouped(x, [by, rest])]
            else:
                given = [self.grouped(x, [rest, by]), ones]
            self.line(f"np.{function}({', '.join(given)}, out={target})")
        elif extent_of(over) <= _FEW and x.strides[min(x.axes, key=lambda a: x.strides[a])] == 1 and (
            min(x.axes, key=lambda a: x.strides[a]) not in over
        ):
            parts = []
            for place in product(*(range(cast(int, a.size)) for a in over)):
                part = x
                for axis, k in zip(over, place, strict=True):
                    part = self.view(part, axis, Affine(k))
                parts.append(self.oriented(part, out.axes))
            if len(parts) == 1:
                self.line(f"{out.code}[...] = {parts[0]}")
            else:
                self.line(f"np.add({parts[0]}, {parts[1]}, out={out.code})")
            for code in parts[2:]:
                self.line(f"np.add({out.code}, {code}, out={out.code})")
        else:
            places = tuple(x.axes.index(axis) for axis in over)
            left = [axis for axis in x.axes if axis not in over]
            self.line(f"np.add.reduce({x.code}, {places}, out={self.oriented(out, left)})")
        self.bind(term, out)

    def discard(self, array: _Array) -> None:
        """Let the memory of an array be given to others."""
        slot = cast(_Slot, array.slot)
        self.free[slot.size, slot.of_examples].append(slot)

    def as_row(self, out: _Array, order: Sequence[Axis]) -> str | None:
        """The array as one row, if that is a view."""
        if not collapses(out.strides, order) or set(out.axes) != set(order):
            return None
        return self.grouped(out, [order]) if order else out.code

    def ones(self, axes: Sequence[Axis], square: bool = False) -> str:
        size = _size(axes)
        shape = f"({size}, {size})" if square else size
        return self.hoist(f"np.ones({shape}, kind)", f"ones_{size}" if size.isalnum() else "ones")

    def emit_product(self, term: Sum, x: Term, y: Term) -> None:
        """A sum of products as a product of matrices."""
        out = self.store(term)
        if out.axes and out.axes[-1] in x.axes:  # so that the columns are those of the result
            x, y = y, x
        a, b = self.array(x), self.array(y)
        plan = plan_product(a.strides, b.strides, out.strides)
        scratch: list[_Array] = []
        if "a" in plan.copied:
            a = self.copied(a, plan.copied["a"], scratch)
        if "b" in plan.copied:
            b = self.copied(b, plan.copied["b"], scratch)
        result = out
        if plan.via_copy:
            result = self.allocate("t", (*plan.batch, *plan.rows, *plan.columns))
            scratch.append(result)
        batch = [[axis] for axis in plan.batch]
        rows = [plan.rows] if batch or extent_of(plan.rows) > 1 or len(plan.rows) == 1 else []
        columns = [plan.columns] if batch or plan.columns else []
        rows = [plan.rows] if batch or plan.rows else []
        left = self.grouped(a, [*batch, *rows, plan.inner])
        right = self.grouped(b, [*batch, plan.inner, *columns])
        into = self.grouped(result, [*batch, *rows, *columns])
        one = not batch and (not rows or not columns or 1 in map(extent_of, (rows[0], columns[0])))
        function = "dot" if one and result.whole else "matmul"
        self.line(f"np.{function}({left}, {right}, out={into})")
        if plan.via_copy:
            self.line(f"{out.code}[...] = {self.oriented(result, out.axes)}")
        for array in scratch:
            self.discard(array)
        self.bind(term, out)

    def copied(self, array: _Array, order: Sequence[Axis], scratch: list[_Array]) -> _Array:
        own = tuple(axis for axis in order if axis in array.axes)
        lasting = array.slot is None and self.frame.axis is None  # an input's copy may serve again
        key = array.code, tuple(map(array.axes.index, own))
        if lasting and key in self.copies:
            return replace(self.copies[key], axes=own, strides=contiguous(own))
        name = f"{_stem(array.code)}_copy"
        made = self.permanent(name, own) if lasting else self.allocate(name, own)
        if lasting:
            self.copies[key] = made
        else:
            scratch.append(made)
        self.line(f"np.copyto({made.code}, {self.oriented(array, own)})")
        return made

    def emit_softmax(self, term: Softmax) -> None:
        masked = term.operand if _is_masked(term.operand) else None
        x = self.array(masked.operands[0] if masked else term.operand)
        order = self.order(term)
        last = order[-len(term.over) :]
        if set(last) == set(term.over) and extent_of(last) <= _SHORT and order == x.axes:
            out = self.store(term)
            rest = order[: -len(last)]
            sums = self.allocate("sums", order)
            flat = [self.grouped(a, [rest, last]) for a in (x, sums, out)]
            ones = self.ones(last, square=True)
            mask = []
            if masked is not None:
                mask = [self.grouped(self.mask(cast(Mask, masked), order), [rest, last])]
            name = "masked_softmax_rows" if mask else "softmax_rows"
            given = [flat[0], *mask, ones, *flat[1:]]
            self.line(f"{name}({', '.join(given)})")
            self.discard(sums)
            self.bind(term, out)
            return
        out = self.store(term)
        code = self.oriented(x, out.axes)
        if masked is not None:
            inside = self.inside(cast(Mask, masked), out.axes)
            code = f"np.where({inside}, {code}, -np.inf)"
        places = tuple(out.axes.index(axis) for axis in term.over)
        self.line(f"{out.code}[...] = softmax({code}, {places})")
        self.bind(term, out)

    def emit_log_sum_exp(self, term: LogSumExp) -> None:
        x = self.array(term.operand)
        out = self.store(term)
        order = [*out.axes, *term.over]
        places = tuple(range(len(out.axes), len(order)))
        self.line(f"{out.code}[...] = log_sum_exp({self.oriented(x, order)}, {places})")
        self.bind(term, out)

    # Masks

    def inside(self, term: Mask, order: Sequence[Axis]) -> str:
        """An array of truth values, which meets arrays of this order."""
        parts = []
        own = [a for a in order if any(a in c.axes for c in term.conditions)]
        for condition in term.conditions:
            written = _coordinates(condition, own)
            parts.append(f"({written} >= 0)")
        code = self.hoist(" & ".join(parts), "inside")
        return self.oriented(_Array(code, tuple(own), contiguous(own), True), order)

    def mask(self, term: Mask, order: Sequence[Axis]) -> _Array:
        """1 where the conditions hold, 0 elsewhere, at every entry."""
        code = f"np.broadcast_to({self.inside(term, order)}, {_shape(order)}).astype(kind)"
        return _Array(self.hoist(code, "mask"), tuple(order), contiguous(order), True)

    def emit_mask(self, term: Mask) -> None:
        order = self.order(term)
        x = self.array(term.operand)
        out = self.in_place(term, order, [term.operand], [x]) or self.store(term)
        if x.code != out.code:
            self.line(f"np.copyto({out.code}, {self.oriented(x, out.axes)})")
        outside = self.hoist(f"~{self.inside(term, out.axes)}", "outside")
        self.line(f"np.copyto({out.code}, {self.number(term.fill)}, where={outside})")
        self.bind(term, out)

    # Indices

    def emit_take(self, term: Take) -> None:
        links = _chain(term)
        x = self.array(links[-1].operand)
        if isinstance(term.index, Term):
            self.emit_gather(term, x)
            return
        array = self.padded(x, links) if term.fill is not None else x
        view = array
        for link in reversed(links):
            offset = 0 if term.fill is None else _padding(link)[0]
            view = self.view(view, link.axis, cast(Affine, link.index), offset)
        target = self.frame.targets.get(term)
        if target is not None:
            self.line(f"{target.code}[...] = {self.oriented(view, target.axes)}")
            view = target
        self.bind(term, view)

    def padded(self, x: _Array, links: Sequence[Take]) -> _Array:
        """A copy of an array within a margin of what is read beyond its ends."""
        margins = {link.axis: _padding(link) for link in links}
        wide = {
            axis: Axis(axis.name, cast(int, axis.size) + sum(margins[axis]))
            for axis in x.axes
            if axis in margins and sum(margins[axis])
        }
        if not wide:
            return x
        order = tuple(wide.get(axis, axis) for axis in x.axes)
        fill = number_source(cast(float, links[0].fill))
        made = self.permanent(f"{_stem(x.code)}_padded", order, fill)
        places = [
            f"{margins[a][0]}:{margins[a][0] + cast(int, a.size)}" if a in wide else ":"
            for a in x.axes
        ]
        middle = self.hoist(f"{made.code}[{', '.join(places)}]", f"{made.code}_middle")
        self.line(f"np.copyto({middle}, {x.code})")
        strides = dict(zip(x.axes, contiguous(order).values(), strict=True))
        return _Array(made.code, x.axes, strides, True)

    def view(self, x: _Array, axis: Axis, index: Affine, shift: int = 0) -> _Array:
        """An array read at an affine index along an axis, without a copy."""
        place = x.axes.index(axis)
        step = x.strides[axis]
        start = index.offset + shift
        axes = list(x.axes)
        strides = {a: s for a, s in x.strides.items() if a is not axis}
        new = index.renames(axis)
        if new is not None and not shift and new not in strides:
            axes[place] = new
            return replace(x, axes=tuple(axes), strides={**strides, new: step}, whole=False)
        colons = ":, " * place
        if not index.parts:
            dots = ", ..." if len(axes) == 1 else ""  # a view also of a single number
            code = f"{x.code}[{colons}{start}{dots}]"
            del axes[place]
        elif len(index.parts) == 1 and index.axes[0] not in strides:
            (new, factor) = index.parts[0]
            stop = start + factor * (cast(int, new.size) - 1) + (1 if factor > 0 else -1)
            end = "" if stop < 0 else str(stop)
            by = "" if factor == 1 else f":{factor}"
            code = f"{x.code}[{colons}{start}:{end}{by}]"
            axes[place] = new
            strides[new] = step * factor
        else:
            lead = f"{x.code}[{colons}{start}:]" if start else x.code
            dims: dict[Axis, list[str]] = {
                a: [f"{x.code}.strides[{k}]"] for k, a in enumerate(axes) if a is not axis
            }
            for new, factor in index.parts:
                written = f"{x.code}.strides[{place}]"
                dims.setdefault(new, []).append(written if factor == 1 else f"{factor} * {written}")
                strides[new] = strides.get(new, 0) + step * factor
            order = [a for a in axes if a is not axis]
            order[place:place] = [a for a in index.axes if a not in order]
            axes = order
            steps = ", ".join(" + ".join(dims[a]) for a in axes)
            code = f"as_strided({lead}, {_shape(axes)}, ({steps},))"
        if x.kept:
            code = self.hoist(code, _stem(x.code))
        else:
            name = self.fresh(_stem(x.code))
            self.line(f"{name} = {code}")
            code = name
        return _Array(code, tuple(axes), strides, x.kept, x.slot)

    def emit_gather(self, term: Take, x: _Array) -> None:
        """Read at places from a table."""
        index = self.places_of(term)
        fill = term.fill
        clipped = index.code if fill is None else f"np.clip({index.code}, 0, {_size([term.axis])} - 1)"
        joint = [a for a in index.axes if a in x.axes and a is not term.axis]
        place = x.axes.index(term.axis)
        if not joint:
            code = f"np.take({x.code}, {clipped}, {place})"
            axes = (*x.axes[:place], *index.axes, *x.axes[place + 1 :])
        else:
            axes = tuple(dict.fromkeys((*(a for a in x.axes if a is not term.axis), *index.axes)))
            at = self.oriented(replace(index, code=clipped, kept=False), axes)
            places = [
                at if a is term.axis else f"np.arange({_size([a])})" + _behind(axes, [a])
                for a in x.axes
            ]
            code = f"{x.code}[{', '.join(places)}]"
        if fill is not None:
            own = self.oriented(index, axes)
            code = f"np.where(({own} >= 0) & ({own} < {_size([term.axis])}), {code}, {number_source(fill)})"
        name = self.fresh(self.name_for(term))
        self.line(f"{name} = {code}")
        self.finish(term, _Array(name, axes, contiguous(axes)))

    def places_of(self, term: Take | Put) -> _Array:
        """The index of a term, as whole numbers."""
        array = self.array(cast(Term, term.index))
        if isinstance(term.index, Constant):
            return array
        return replace(array, code=f"{array.code}.astype(np.intp)", kept=False)

    def finish(self, term: Term, made: _Array) -> None:
        """Bind a new array, or copy it to where the term belongs."""
        target = self.frame.targets.get(term)
        if target is not None:
            self.line(f"{target.code}[...] = {self.oriented(made, target.axes)}")
            made = target
        self.bind(term, made)

    def emit_put(self, term: Put) -> None:
        if isinstance(term.index, Term):
            self.emit_scatter(term, self.array(term.operand))
        else:
            self.emit_gathered(term)

    def emit_gathered(self, term: Term) -> None:
        """The sum of what is put into place, and of others."""
        parts = self.parts(term) if _is(term, ops.add) else [term]
        puts = [_chain(cast(Put, part)) for part in parts if self.is_put_here(part, term)]
        others = [part for part in parts if not self.is_put_here(part, term)]
        out = self.store(term)
        margins = {axis: (0, 0) for axis in out.axes}
        for link in (link for links in puts for link in links):
            low, high = margins.get(link.axis, (0, 0))
            more = _padding(link)
            margins[link.axis] = max(low, more[0]), max(high, more[1])
        whole = self.with_margins(out, margins)
        covered = not others and len(puts) == 1 and _covers(puts[0])
        if others:
            middle = out if whole is out else self.middle(whole, margins)
            self.line(f"{middle.code}[...] = {self.oriented(self.array(others[0]), out.axes)}")
            for x in others[1:]:
                code = self.oriented(self.array(x), out.axes)
                self.line(f"np.add({middle.code}, {code}, out={middle.code})")
        elif not covered:
            self.line(f"{whole.code}.fill(0)")
        for links in puts:
            links, x = _apart(links, self.array(links[-1].operand))
            view = whole
            for link in links:
                view = self.view(view, link.axis, cast(Affine, link.index), margins[link.axis][0])
            over = [a for link in links for a in link.over]
            if covered:
                self.line(f"{view.code}[...] = {self.oriented(x, view.axes)}")
            else:
                self.scatter_view(view, x, [a for a in _overlapping(links) if a in over])
        if whole is not out:
            self.line(f"np.copyto({out.code}, {self.middle(whole, margins).code})")
        self.bind(term, out)

    def with_margins(self, out: _Array, margins: Mapping[Axis, tuple[int, int]]) -> _Array:
        """An array that is longer at the ends, if it has to be."""
        if not any(sum(margins[axis]) for axis in out.axes):
            return out
        order = [
            Axis(a.name, cast(int, a.size) + sum(margins[a])) if sum(margins[a]) else a
            for a in out.axes
        ]
        made = self.permanent(f"{_stem(out.code)}_padded", order)
        strides = dict(zip(out.axes, contiguous(order).values(), strict=True))
        return _Array(made.code, out.axes, strides, True)

    def middle(self, whole: _Array, margins: Mapping[Axis, tuple[int, int]]) -> _Array:
        """The part of a longer array between its margins."""
        places = [
            f"{margins[a][0]}:{margins[a][0] + cast(int, a.size)}" if sum(margins[a]) else ":"
            for a in whole.axes
        ]
        code = self.hoist(f"{whole.code}[{', '.join(places)}]", f"{whole.code}_middle")
        return replace(whole, code=code)

    def scatter_view(self, view: _Array, x: _Array, apart: Sequence[Axis]) -> None:
        """Add an array into a view, one by one along axes along which its places overlap."""
        for place in product(*(range(cast(int, a.size)) for a in apart)):
            into, part = view, x
            for axis, k in zip(apart, place, strict=True):
                into = self.view(into, axis, Affine(k))
                if axis in part.axes:
                    part = self.view(part, axis, Affine(k))
            code = self.oriented(part, into.axes)
            if into.code.isidentifier():
                self.line(f"{into.code} += {code}")
            else:
                self.line(f"np.add({into.code}, {code}, out={into.code})")

    def emit_scatter(self, term: Put, x: _Array) -> None:
        """Add in at places from a table."""
        out = self.store(term)
        other = {axis: Axis(axis.name, axis.size) for axis in term.over}
        x, index = (
            replace(array, axes=tuple(other.get(a, a) for a in array.axes))
            for array in (x, self.places_of(term))
        )
        rest = [axis for axis in out.axes if axis is not term.axis]
        full = [*rest, *other.values()]
        where = [f"np.arange({_size([axis])})" + _behind(full, [axis]) for axis in rest]
        own, last = self.oriented(index, full), _size([term.axis])
        values = self.oriented(x, full)
        if isinstance(term.index, Constant) and not _is_inside(term.index, term.axis):
            values = f"np.where(({own} >= 0) & ({own} < {last}), {values}, 0)"
            own = f"np.clip({own}, 0, {last} - 1)"
        where.append(own)
        values = f"np.broadcast_to({values}, {_shape(full)})"  # add.at wants them in full
        moved = self.oriented(out, (*rest, term.axis))
        self.line(f"{out.code}.fill(0)")
        self.line(f"np.add.at({moved}, ({', '.join(where)},), {values})")
        self.bind(term, out)

    def emit_concatenate(self, term: Concatenate) -> None:
        out = self.store(term)
        place = out.axes.index(term.axis)
        start = 0
        for piece, own in term.pieces:
            size = 1 if own is None else cast(int, own.size)
            at = str(start) if own is None else f"{start}:{start + size}"
            dots = ", ..." if len(out.axes) == 1 else ""
            part = self.hoist(f"{out.code}[{':, ' * place}{at}{dots}]", _stem(out.code))
            array = self.array(piece)
            renamed = tuple(term.axis if a is own else a for a in array.axes)
            order = [a for a in out.axes if own is not None or a is not term.axis]
            code = self.oriented(replace(array, axes=renamed), order)
            self.line(f"{part}[...] = {code}")
            start += size
        self.bind(term, out)

    # Recurrences

    def emit_scan(self, term: Scan) -> None:
        """A loop over the steps, for all scans of one recurrence."""
        scans = [scan for scan in self.groups[_group(term)] if scan in self.frame.needed]
        axis, reverse = term.axis, term.reverse
        n = cast(int, axis.size)
        longer = Axis(axis.name, n + 1)
        loop = _Frame(self.frame.indent + INDENT, self.frame, axis)
        before: dict[Term, _Array] = {}
        after: dict[Term, _Array] = {}
        for state, init, step in term.states:
            order = (longer, *self.order(state))
            name = self.names.get(step, state.name)
            whole = self.permanent(f"{name}_all", order)
            strides = {**whole.strides, axis: whole.strides[longer]}
            del strides[longer]
            axes = (axis, *order[1:])
            early, late = f"{whole.code}[:-1]", f"{whole.code}[1:]"
            if reverse:
                early, late = late, early
            before[state] = _Array(self.hoist(early, name), axes, strides, True)
            after[state] = _Array(self.hoist(late, name), axes, strides, True)
            start = f"{whole.code}[{n if reverse else 0}, ...]"
            number = init.number if isinstance(init, Constant) else None
            if number is not None:
                first = self.hoist(start, name)
                self.prepared.append(f"{first}[...] = {number_source(number)}")
            else:
                first = self.hoist(start, name)
                self.line(f"{first}[...] = {self.oriented(self.array(init), order[1:])}")
        # Where the states and what is kept of each step are found and put
        for state, array in before.items():
            self.step_array(loop, state, array)
        copies: list[tuple[Term, _Array]] = []
        outs = {scan.out for scan in scans} - {step for *_, step in term.states}
        landed: set[State] = set()
        for state, _, step in term.states:
            into = after[state]
            while _is_renaming(step) and step not in outs:
                ((new, _),) = step.index.parts
                old = {new: step.axis}
                into = replace(
                    into,
                    axes=tuple(old.get(a, a) for a in into.axes),
                    strides={old.get(a, a): n for a, n in into.strides.items()},
                )
                step = step.operand
            own = set(step.axes) - {axis} == set(into.axes) - {axis}
            if step in loop.targets or step in loop.arrays or not own or self.is_view(step):
                copies.append((step, self.step_view(loop, into)))
            else:
                loop.targets[step] = self.step_view(loop, into)
                landed.add(state)
        steps = [step for *_, step in term.states]
        for scan in scans:
            out = scan.out
            if out in before:
                self.bind(scan, before[out])
                continue
            known = [s for s, _, step in term.states if step is out and s in landed]
            if known:
                self.bind(scan, after[known[0]])
                continue
            inner = [a for a in self.layouts.order(out) if a is not axis and a in self.order(scan)]
            kept = self.permanent(self.names.get(scan, self.name_for(scan)), (axis, *inner))
            if out in loop.targets or self.states[out].isdisjoint(before) or self.is_view(out):
                copies.append((out, self.step_view(loop, kept)))
            else:
                loop.targets[out] = self.step_view(loop, kept)
            self.bind(scan, kept)
        roots = list(dict.fromkeys([*steps, *(scan.out for scan in scans)]))
        self.run(loop, [r for r in roots if r not in before], before)
        outer, self.frame = self.frame, loop
        for out, view in copies:
            self.line(f"{view.code}[...] = {self.oriented(self.array(out), view.axes)}")
        self.frame = outer
        names = ", ".join(loop.steps)
        those = ", ".join(loop.steps.values())
        steps_code = self.hoist(f"[*zip({those})]" + "[::-1]" * reverse, "steps")
        self.line(f"for {names}{',' * (len(loop.steps) == 1)} in {steps_code}:")
        self.frame.lines += loop.lines

    def is_view(self, term: Term) -> bool:
        """Whether a term has no instruction of its own."""
        return isinstance(term, (State, Leaf, Constant, Extent)) or (
            isinstance(term, Take) and isinstance(term.index, Affine) and term.fill is None
        )

    def step_array(self, loop: _Frame, term: Term, array: _Array) -> None:
        loop.arrays[term] = self.step_view(loop, array)

    def step_view(self, loop: _Frame, array: _Array) -> _Array:
        name = self.fresh(f"{_stem(array.code)}_{cast(Axis, loop.axis).name}")
        rest = array.axes[1:]
        loop.steps[name] = _steps(array.code, rest)
        return _Array(name, rest, {a: array.strides[a] for a in rest})


_FAR = 10**9 + 7
"""Stands for how far apart rows are that do not lie side by side."""
_FEW = 12
"""So few arrays are added one by one, rather than along short axes."""
_SHORT = 64
"""Of rows this short the sums are taken by a product with a square of ones."""
_ONE = Constant(1.0)
_COMPUTED = (Map, Sum, LogSumExp, Softmax, Put, Mask, Concatenate)
"""Terms that can be computed right into a given array."""

_INSTRUCTIONS: Mapping[type[Term], Any] = {
    Map: _Writer.emit_map,
    Sum: _Writer.emit_sum,
    LogSumExp: _Writer.emit_log_sum_exp,
    Softmax: _Writer.emit_softmax,
    Take: _Writer.emit_take,
    Put: _Writer.emit_put,
    Mask: _Writer.emit_mask,
    Concatenate: _Writer.emit_concatenate,
    Scan: _Writer.emit_scan,
}


def _steps(code: str, axes: Sequence[Axis]) -> str:
    """An iterable of an array's parts along its first axis, views all of them."""
    return code if axes else f"[{code}[k, ...] for k in range(len({code}))]"


def _group(scan: Scan) -> tuple[Any, ...]:
    return scan.axis, scan.states, scan.reverse


def _is(term: Term, op: object) -> bool:
    return isinstance(term, Map) and term.function is op


def _is_put(term: Term) -> bool:
    return isinstance(term, Put) and isinstance(term.index, Affine)


def _covers(links: Sequence[Put]) -> bool:
    """Whether each place is written once."""
    return all(
        _reaches_all(cast(Affine, link.index), link.axis)
        and set(link.index.axes) <= set(link.over)
        and not _overlapping([link])
        for link in links
    )


def _reaches_all(index: Affine, axis: Axis) -> bool:
    count = prod(cast(int, a.size) for a in index.axes)
    return index.bounds() == (0, cast(int, axis.size) - 1) and count == axis.size


def _is_masked(term: Term) -> bool:
    return isinstance(term, Mask) and term.fill == -np.inf


def _is_slope(term: Term) -> bool:
    return (
        isinstance(term, Map)
        and isinstance(term.function, VJP)
        and term.function.operation in FACTORED
    )


def _is_of(y: Term, x: Term) -> bool:
    """Whether y is computed of x, so that its slope can be computed along with it."""
    return isinstance(y, Map) and y.function in FACTORED and y.arguments == (x,)


def _is_inside(index: Constant, axis: Axis) -> bool:
    return bool(((index.values >= 0) & (index.values < cast(int, axis.size))).all())


def _chain(term: Take | Put) -> list[Any]:
    """Takes of takes, or puts of puts, along different axes: outermost first."""
    links: list[Any] = [term]
    if isinstance(term.index, Term) or (isinstance(term, Take) and term.fill is None):
        return links
    while True:
        last, inner = links[-1], links[-1].operand
        if type(inner) is not type(term) or isinstance(inner.index, Term):
            return links
        if isinstance(term, Take) and inner.fill != term.fill:
            return links
        own = {a for link in links for a in (link.axis, *link.index.axes)}
        if own & {inner.axis, *inner.index.axes}:
            return links
        del last
        links.append(inner)


def _is_renaming(term: Term) -> bool:
    """Whether a term is another with an axis under another name."""
    return (
        isinstance(term, Take)
        and isinstance(term.index, Affine)
        and term.index.renames(term.axis) not in (None, *term.operand.axes)
    )


def _is_window(term: Term) -> bool:
    """Whether a term reads an axis at a function of several."""
    return isinstance(term, Take) and isinstance(term.index, Affine) and len(term.index.parts) > 1


def _root(term: Term) -> Term:
    while isinstance(term, Take):
        term = term.operand
    return term


def _apart(links: Sequence[Put], x: _Array) -> tuple[list[Put], _Array]:
    """Puts and what they put, whose summed axes are not those of other terms of the same name."""
    other = {axis: Axis(axis.name, axis.size) for link in links for axis in link.over}
    renamed = [
        Put(
            link.operand,
            link.axis,
            Affine(link.index.offset, tuple((other.get(a, a), c) for a, c in link.index.parts)),
            tuple(other[a] for a in link.over),
        )
        for link in links
        if isinstance(link.index, Affine)
    ]
    axes = tuple(other.get(axis, axis) for axis in x.axes)
    strides = {other.get(axis, axis): step for axis, step in x.strides.items()}
    return renamed, replace(x, axes=axes, strides=strides)


def _padding(link: Take | Put) -> tuple[int, int]:
    """How far an affine index reaches beyond the ends of its axis."""
    bounds = cast(Affine, link.index).bounds()
    assert bounds is not None and link.axis.size is not None
    return max(0, -bounds[0]), max(0, bounds[1] - link.axis.size + 1)


def _overlapping(links: Sequence[Put]) -> list[Axis]:
    """Axes to go along one by one, so that else no two entries fall on one place."""
    apart: list[Axis] = []
    for link in links:
        parts = [p for p in cast(Affine, link.index).parts if p[0].size != 1]
        while True:
            reach = 0
            clash = None
            for axis, factor in sorted(parts, key=lambda part: abs(part[1])):
                if abs(factor) <= reach:
                    clash = axis
                reach += abs(factor) * (cast(int, axis.size) - 1)
            if clash is None:
                break
            smallest = min(parts, key=lambda part: cast(int, part[0].size))
            parts.remove(smallest)
            apart.append(smallest[0])
    return apart


def _leaf_strides(leaf: Leaf, width: int = 0) -> dict[Axis, int] | None:
    """The strides of a leaf in its vector, or matrix of so many columns; None if it has none."""
    sized = [axis for axis in leaf.axes if axis.size is not None]
    places = leaf.places
    strides = {}
    grid = np.full(places.shape, places[(0,) * places.ndim])
    for k, axis in enumerate(sized):
        one = [0] * places.ndim
        one[k] = 1 if places.shape[k] > 1 else 0
        step = int(places[tuple(one)] - places[(0,) * places.ndim])
        if places.shape[k] == 1:
            step = 1
        elif step <= 0:
            return None
        strides[axis] = step
        shape = [1] * places.ndim
        shape[k] = -1
        grid = grid + step * np.arange(places.shape[k]).reshape(shape)
        if places.shape[k] == 1:
            strides[axis] = 1
    if not (grid == places).all() or (places < 0).any():
        return None
    if len(sized) < len(leaf.axes):
        (examples,) = (axis for axis in leaf.axes if axis.size is None)
        last = sized and max(strides[a] * cast(int, a.size) for a in sized)
        strides[examples] = last if last == width else _FAR
    return strides


def _runs(places: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Where runs of neighbours start and stop."""
    places = np.sort(places)
    breaks = np.flatnonzero(np.diff(places) > 1)
    starts = places[np.concatenate([[0], breaks + 1])]
    stops = places[np.concatenate([breaks, [len(places) - 1]])] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _is_dense(order: Sequence[Axis], strides: Strides) -> bool:
    return all(
        strides[axis] == extent or axis.size == 1 for axis, extent in contiguous(order).items()
    )


def _size(axes: Sequence[Axis]) -> str:
    """The code of how many entries there are over axes."""
    number = prod(axis.size for axis in axes if axis.size is not None)
    if any(axis.size is None for axis in axes):
        return "m" if number == 1 else f"{number} * m"
    return str(number)


def _shape(axes: Sequence[Axis]) -> str:
    sizes = [_size([axis]) for axis in axes]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"


def _stem(code: str) -> str:
    found = re.match(r"[A-Za-z]\w*", code)
    stem = found.group() if found else "v"
    return re.sub(r"_\d+$", "", stem)


def _identifier(operation: Operation) -> str:
    own = operation.forward_module == ops.__name__
    return operation.name if own else "own"


def _behind(order: Sequence[Axis], axes: Sequence[Axis]) -> str:
    """Brackets that let an array over axes meet arrays of an order."""
    rest = order[min(order.index(axis) for axis in axes) :]
    if len(rest) == len(axes):
        return ""
    return f"[{', '.join(':' if axis in axes else 'None' for axis in rest)}]"


def _coordinates(index: Affine, own: Sequence[Axis]) -> str:
    """An affine function of coordinates as code, over axes."""
    written = str(index.offset)
    for axis, factor in index.parts:
        places = [":" if a is axis else "None" for a in own[own.index(axis) :]]
        code = f"np.arange({axis.size})" + (f"[{', '.join(places)}]" if len(places) > 1 else "")
        written += f" + {factor} * {code}"
    return written


def _array_source(values: NDArray[Any]) -> str:
    def number(x: Any) -> str:
        if isinstance(x, list):
            return f"[{', '.join(map(number, x))}]"
        return str(x) if isinstance(x, int) else number_source(x)

    return f"np.array({number(values.tolist())})"


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
