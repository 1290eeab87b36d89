"""What the text of a NumPy program is made of: names, memory, arrays and views of them."""

from __future__ import annotations

import keyword
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from textwrap import fill
from typing import Any, TypeAlias, cast

from numpy.typing import NDArray

from microgradnet.lifting.layouts import Layouts
from microgradnet.lifting.numpy_functions import HELPERS, called_helpers, number_source
from microgradnet.lifting.numpy_reads import Reading, group_of
from microgradnet.lifting.strides import Strides, collapses, contiguous
from microgradnet.lifting.terms import Affine, Axis, Map, Scan, Term

__all__ = [
    "INDENT",
    "Array",
    "Frame",
    "Module",
    "Slot",
    "Writer",
    "shape_code",
    "size_code",
    "stem",
    "steps_of",
]


INDENT = "    "


@dataclass(eq=False)
class Slot:
    """Memory for an array: so many numbers, for each example or in all, first called so."""

    code: str
    size: int
    of_examples: bool
    pending: int = 0


@dataclass(frozen=True, eq=False)
class Array:
    """What stands for a term in the text.

    axes    of its dimensions, in their order
    kept    whether it is there before X is, so that views of it can be made once
    slot    the memory that it is the whole of, or a view of
    """

    code: str
    axes: tuple[Axis, ...]
    strides: Strides
    kept: bool = False
    slot: Slot | None = None
    whole: bool = False


@dataclass
class Frame:
    """A block of the text: the function, or within it the loop of a scan."""

    indent: str
    outer: Frame | None = None
    axis: Axis | None = None
    lines: list[str] = field(default_factory=list)
    arrays: dict[Term, Array] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    """Of a loop, by what they are called within it, the arrays that it goes through."""
    targets: dict[Term, Array] = field(default_factory=dict)
    needed: list[Term] = field(default_factory=list)
    views: dict[str, str] = field(default_factory=dict)
    """What views of arrays are called that are new at each call."""
    uses: dict[Term, int] = field(default_factory=dict)


class Module:
    """What stands before the functions of a text, which several of them may need.

    constants   arrays by their code, and what they are called
    """

    def __init__(self) -> None:
        self.constants: dict[str, str] = {}
        self.taken: set[str] = {
            "X", "Y", "V", "as_strided", "choose", "g", "k", "kind", "m", "math", "np", "p",
            "prepare", "prepare_value", "value", "value_and_grad", "vjp", *HELPERS, *keyword.kwlist,
        }  # fmt: skip

    def text(self, title: str, blocks: Sequence[str]) -> str:
        """The whole text: what the blocks need, and the blocks."""
        body = "\n\n".join(blocks)
        used = called_helpers(body)
        head = [f'"""{title}"""\n\n']
        if any("math." in x for x in used):
            head.append("import math\n\n")
        head.append("import numpy as np\n")
        if "as_strided(" in body:
            head.append("from numpy.lib.stride_tricks import as_strided\n")
        if self.constants:
            lines = [f"{name} = {code}" for code, name in self.constants.items()]
            head.append("\n" + "\n".join(lines) + "\n")
        return "\n\n".join(["".join(head), *used, body])


Emit: TypeAlias = "Callable[[Writer, Term], None]"


class Writer:
    """A function so far: what is prepared, and the frame that is written."""

    def __init__(
        self,
        module: Module,
        layouts: Layouts,
        reading: Reading,
        names: Mapping[Term, str],
        emit: Emit,
    ) -> None:
        self.module, self.layouts, self.reading = module, layouts, reading
        self.names, self.emit = names, emit
        self.frame = Frame(INDENT * 2)
        self.prepared: list[str] = []
        self._free: dict[tuple[int, bool], list[Slot]] = defaultdict(list)
        self._taken = set(module.taken)
        self._counts: Counter[str] = Counter()
        self._hoisted: dict[str, str] = {}
        self._copies: dict[tuple[str, tuple[int, ...]], Array] = {}
        self._readers: dict[Term, list[Term]] = {}
        self._preparing = False

    def run(self, frame: Frame, roots: Sequence[Term], inside: Iterable[Term] = ()) -> None:
        """Write the instructions of a frame."""
        outer, self.frame = self.frame, frame
        own = frozenset(inside)
        frame.needed = [t for t in self.reading.schedule(roots, own) if t not in own]
        emitted: set[Any] = set()
        items = []
        for term in frame.needed:
            key = group_of(term) if isinstance(term, Scan) else term
            if key not in emitted:
                emitted.add(key)
                items.append(term)
        readers: dict[Term, list[Term]] = defaultdict(list)
        for term in items:
            for x in dict.fromkeys(self.reading.reads(term)):
                readers[x].append(term)
        for term, those in readers.items():
            frame.uses[term] = len(those)
        for root in roots:
            frame.uses[root] = frame.uses.get(root, 0) + 1
        self._readers |= readers
        for term in items:
            if term in frame.arrays:
                continue
            if self.reading.is_fixed(term) and term not in frame.targets:
                self.prepare(term)
            else:
                self.emit(self, term)
            for x in dict.fromkeys(self.reading.reads(term)):
                self.release(x)
        self.frame = outer

    def prepare(self, term: Term) -> None:
        """Compute a term, which is the same at each call, before X is there."""
        self._preparing = True
        self.emit(self, term)
        self._preparing = False
        self.frame.arrays[term] = replace(self.frame.arrays[term], kept=True)

    def release(self, term: Term) -> None:
        """Count a use of an array; after the last its memory is free."""
        array = self.frame.arrays.get(term)
        if array is not None and array.slot is not None:
            array.slot.pending -= 1
            if array.slot.pending == 0:
                slot = array.slot
                self._free[slot.size, slot.of_examples].append(slot)

    def bind(self, term: Term, array: Array) -> None:
        """Let an array stand for a term from now on."""
        self.frame.arrays[term] = array
        if array.slot is not None:
            array.slot.pending += self.frame.uses.get(term, 0)

    def readers(self, term: Term) -> Sequence[Term]:
        """The terms whose instructions read the array of a term."""
        return self._readers.get(term, ())

    def array(self, term: Term) -> Array:
        """What stands for a term here."""
        return self.look_up(term, self.frame)

    def look_up(self, term: Term, frame: Frame) -> Array:
        """What stands for a term in a frame; in a loop, the part of the present step."""
        if term in frame.arrays:
            return frame.arrays[term]
        assert frame.outer is not None and frame.axis is not None
        found = self.look_up(term, frame.outer)
        if frame.axis not in found.axes:
            return found
        rest = tuple(axis for axis in found.axes if axis is not frame.axis)
        if not found.kept:
            found = self.kept_copy(term, found, frame)
        inner, self.frame = self.frame, frame.outer
        code = self.oriented(found, (frame.axis, *rest))
        self.frame = inner
        name = self.fresh(f"{stem(found.code)}_{frame.axis.name}")
        frame.steps[name] = steps_of(code, rest)
        strides = {axis: found.strides[axis] for axis in rest}
        frame.arrays[term] = Array(name, rest, strides)
        return frame.arrays[term]

    def kept_copy(self, term: Term, found: Array, frame: Frame) -> Array:
        """A copy, made before a loop, of an array that is new at each call."""
        assert frame.outer is not None
        inner, self.frame = self.frame, frame.outer
        order = (cast(Axis, frame.axis), *(a for a in found.axes if a is not frame.axis))
        kept = self.permanent(f"{stem(found.code)}_kept", order)
        self.line(f"{kept.code}[...] = {self.oriented(found, order)}")
        self.frame.arrays[term] = kept
        self.frame = inner
        return kept

    def line(self, code: str) -> None:
        """Write a line of the present frame."""
        if self._preparing:
            self.prepared.append(code)
        else:
            self.frame.lines.append(self.frame.indent + code)

    def fresh(self, name: str) -> str:
        """A name that is not taken yet."""
        base = re.sub(r"\W", "_", name)
        if not base.isidentifier():  # as "1x" is none
            base = f"t_{base}"
        found, n = base, self._counts[base] or 1
        while found in self._taken:
            n += 1
            found = f"{base}_{n}"
        self._counts[base] = max(n, 1)
        self._taken.add(found)
        return found

    def hoist(self, code: str, stem: str = "v") -> str:
        """A name for what an expression is before X is there."""
        if code.isidentifier():
            return code
        if code not in self._hoisted:
            self._hoisted[code] = name = self.fresh(stem)
            self.prepared.append(f"{name} = {code}")
        return self._hoisted[code]

    def number(self, x: float) -> str:
        """A number, as an array of the right kind that is there already."""
        stems = {0.0: "zero", 1.0: "one", 2.0: "two", 0.5: "half", -1.0: "minus_one"}
        return self.hoist(f"np.array({number_source(x)}, kind)", stems.get(x, "c"))

    def table(self, values: NDArray[Any]) -> str:
        """The name of an array of whole numbers."""
        return self.constant_array(values, "I")

    def constant_array(self, values: NDArray[Any], letter: str) -> str:
        """The name of an array of constants."""
        constants = self.module.constants
        code = _array_source(values)
        if code not in constants:
            constants[code] = self.global_name(f"{letter}{len(constants) + 1}")
        return constants[code]

    def global_name(self, name: str) -> str:
        """A name that no function of the module has."""
        found = self.fresh(name)
        self.module.taken.add(found)
        return found

    def name_for(self, term: Term) -> str:
        """The name of a term, or of the one that is made of it at once."""
        for _ in range(9):
            if term in self.names:
                return self.names[term]
            readers = self.readers(term)
            if len(readers) != 1 or not isinstance(readers[0], Map):
                break
            if set(readers[0].axes) != set(term.axes):
                break
            term = readers[0]
        return "t"

    def allocate(self, name: str, order: Sequence[Axis]) -> Array:
        """An array for a result."""
        if self._preparing:
            return self.permanent(name, order)
        of_examples = any(axis.size is None for axis in order)
        size = prod(axis.size for axis in order if axis.size is not None)
        idle = self._free[size, of_examples]
        if idle:
            slot = idle.pop()
            return self.again(slot, name, order)
        made = self.permanent(name, order)
        return replace(made, slot=Slot(made.code, size, of_examples), whole=True)

    def again(self, slot: Slot, name: str, order: Sequence[Axis]) -> Array:
        """An array in memory that another was computed in."""
        code = self.fresh(name)
        self.prepared.append(f"{code} = {slot.code}.reshape({shape_code(order)})")
        return Array(code, tuple(order), contiguous(order), True, slot, True)

    def permanent(self, name: str, order: Sequence[Axis], fill: str = "") -> Array:
        """An array that nothing else is computed in."""
        made = (
            f"np.full({shape_code(order)}, {fill}, kind)"
            if fill
            else f"np.empty({shape_code(order)}, kind)"
        )
        code = self.fresh(name)
        self.prepared.append(f"{code} = {made}")
        return Array(code, tuple(order), contiguous(order), True)

    def store(self, term: Term, order: Sequence[Axis] | None = None) -> Array:
        """The array that a term is computed into."""
        target = self.frame.targets.get(term)
        if target is not None:
            return target
        return self.allocate(self.name_for(term), self.order(term) if order is None else order)

    def order(self, term: Term) -> tuple[Axis, ...]:
        """The order of a term's axes in the present frame."""
        bound = set()
        frame: Frame | None = self.frame
        while frame is not None:
            bound.add(frame.axis)
            frame = frame.outer
        return tuple(axis for axis in self.layouts.order(term) if axis not in bound)

    def oriented(self, array: Array, order: Sequence[Axis]) -> str:
        """The array with its dimensions in this order, so that it meets others of this order."""
        own = [axis for axis in order if axis in array.axes]
        if not own:
            return array.code
        code = transposed(array, own)
        behind = order[order.index(own[0]) :]
        if len(behind) > len(own):
            code += f"[{', '.join(':' if axis in own else 'None' for axis in behind)}]"
        return self.hoist(code, stem(array.code)) if array.kept else self.once(code)

    def grouped(self, array: Array, groups: Sequence[Sequence[Axis]]) -> str:
        """The array with each group of axes as one dimension; one that it lacks has one place."""
        inside = [[axis for axis in group if axis in array.axes] for group in groups]
        own = [axis for group in inside for axis in group]
        code = transposed(array, own)
        if [[axis] for axis in own] != [list(group) for group in groups]:
            code += f".reshape({', '.join(map(size_code, inside))})"
            if not all(collapses(array.strides, group) for group in inside):
                return self.local(code, stem(array.code))  # that is a copy
        return self.hoist(code, stem(array.code)) if array.kept else self.once(code)

    def once(self, code: str) -> str:
        """The name of a view that is made at each call, once."""
        if code.isidentifier() or self.frame.axis is not None:
            return code
        if code not in self.frame.views:
            self.frame.views[code] = self.fresh(stem(code))
            self.line(f"{self.frame.views[code]} = {code}")
        return self.frame.views[code]

    def local(self, code: str, name: str) -> str:
        """A name for an expression that is evaluated at each call, first of all."""
        target = self.fresh(name)
        self.line(f"{target} = {code}")
        return target

    def view(self, x: Array, axis: Axis, index: Affine, shift: int = 0) -> Array:
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
            code = f"as_strided({lead}, {shape_code(axes)}, ({steps},))"
        if x.kept:
            code = self.hoist(code, stem(x.code))
        else:
            name = self.fresh(stem(x.code))
            self.line(f"{name} = {code}")
            code = name
        return Array(code, tuple(axes), strides, x.kept, x.slot)

    def discard(self, array: Array) -> None:
        """Let the memory of an array be given to others."""
        slot = cast(Slot, array.slot)
        self._free[slot.size, slot.of_examples].append(slot)

    def copied(self, array: Array, order: Sequence[Axis], scratch: list[Array]) -> Array:
        """A copy in an order; one that is not made for good goes on the list of scratch."""
        own = tuple(axis for axis in order if axis in array.axes)
        lasting = array.slot is None and self.frame.axis is None  # an input's copy may serve again
        key = array.code, tuple(map(array.axes.index, own))
        if lasting and key in self._copies:
            return replace(self._copies[key], axes=own, strides=contiguous(own))
        name = f"{stem(array.code)}_copy"
        made = self.permanent(name, own) if lasting else self.allocate(name, own)
        if lasting:
            self._copies[key] = made
        else:
            scratch.append(made)
        self.line(f"np.copyto({made.code}, {self.oriented(array, own)})")
        return made

    def as_row(self, out: Array, order: Sequence[Axis]) -> str | None:
        """The array as one row, if that is a view."""
        if not collapses(out.strides, order) or set(out.axes) != set(order):
            return None
        return self.grouped(out, [order]) if order else out.code

    def coordinates(self, axis: Axis, order: Sequence[Axis]) -> str:
        """The coordinates along an axis, so that they meet arrays of an order."""
        code = f"np.arange({size_code([axis])})"
        return self.oriented(Array(self.hoist(code, axis.name), (axis,), {axis: 1}, True), order)

    def ones(self, axes: Sequence[Axis], square: bool = False) -> str:
        """A row of ones as long as the axes, or a square."""
        size = size_code(axes)
        shape = f"({size}, {size})" if square else size
        return self.hoist(f"np.ones({shape}, kind)", f"ones_{size}" if size.isalnum() else "ones")


def transposed(array: Array, order: Sequence[Axis]) -> str:
    """The code of an array with its dimensions in another order."""
    if tuple(order) == array.axes:
        return array.code
    places = [array.axes.index(axis) for axis in order]
    turned = places == [*reversed(range(len(places)))]
    return array.code + (".T" if turned else f".transpose{(*places,)}")


def steps_of(code: str, axes: Sequence[Axis]) -> str:
    """An iterable of an array's parts along its first axis, views all of them."""
    return code if axes else f"[{code}[k, ...] for k in range(len({code}))]"


def size_code(axes: Sequence[Axis]) -> str:
    """The code of how many entries there are over axes."""
    number = prod(axis.size for axis in axes if axis.size is not None)
    if any(axis.size is None for axis in axes):
        return "m" if number == 1 else f"{number} * m"
    return str(number)


def shape_code(axes: Sequence[Axis]) -> str:
    """The code of a shape."""
    sizes = [size_code([axis]) for axis in axes]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"


def stem(code: str) -> str:
    """The name that code begins with, without its number."""
    found = re.match(r"[A-Za-z]\w*", code)
    stem = found.group() if found else "v"
    return re.sub(r"_\d+$", "", stem)


def _array_source(values: NDArray[Any]) -> str:
    def number(x: Any) -> str:
        if isinstance(x, list):
            return f"[{', '.join(map(number, x))}]"
        return str(x) if isinstance(x, int) else number_source(x)

    code = f"np.array({number(values.tolist())})"
    return fill(code, 92, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False)
