"""Instructions for recurrences: a loop over the steps, through views that are made once."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from microgradnet.lifting.numpy_functions import number_source
from microgradnet.lifting.numpy_reads import group_of, is_renaming
from microgradnet.lifting.numpy_writer import INDENT, Array, Frame, Writer, stem, steps_of
from microgradnet.lifting.terms import Affine, Axis, Constant, Extent, Leaf, Scan, State, Take, Term

__all__ = ["emit_scan"]


def emit_scan(w: Writer, term: Scan) -> None:
    """A loop over the steps, for all scans of one recurrence."""
    scans = [scan for scan in w.reading.groups[group_of(term)] if scan in w.frame.needed]
    axis, reverse = term.axis, term.reverse
    n = cast(int, axis.size)
    longer = Axis(axis.name, n + 1)
    loop = Frame(w.frame.indent + INDENT, w.frame, axis)
    before: dict[Term, Array] = {}
    after: dict[Term, Array] = {}
    for state, init, step in term.states:
        order = (longer, *w.order(state))
        name = w.names.get(step, state.name)
        whole = w.permanent(f"{name}_all", order)
        strides = {**whole.strides, axis: whole.strides[longer]}
        del strides[longer]
        axes = (axis, *order[1:])
        early, late = f"{whole.code}[:-1]", f"{whole.code}[1:]"
        if reverse:
            early, late = late, early
        before[state] = Array(w.hoist(early, name), axes, strides, True)
        after[state] = Array(w.hoist(late, name), axes, strides, True)
        start = f"{whole.code}[{n if reverse else 0}, ...]"
        number = init.number if isinstance(init, Constant) else None
        if number is not None:
            first = w.hoist(start, name)
            w.prepared.append(f"{first}[...] = {number_source(number)}")
        else:
            first = w.hoist(start, name)
            w.line(f"{first}[...] = {w.oriented(w.array(init), order[1:])}")
    # Where the states and what is kept of each step are found and put
    for carried, array in before.items():
        loop.arrays[carried] = step_view(w, loop, array)
    copies: list[tuple[Term, Array]] = []
    outs = {scan.out for scan in scans} - {step for *_, step in term.states}
    landed: set[Term] = set()
    for state, _, last in term.states:
        into, step = after[state], last
        while isinstance(step, Take) and is_renaming(step) and step not in outs:
            (new,) = step.index.axes
            old = {new: step.axis}
            into = replace(
                into,
                axes=tuple(old.get(a, a) for a in into.axes),
                strides={old.get(a, a): n for a, n in into.strides.items()},
            )
            step = step.operand
        own = set(step.axes) - {axis} == set(into.axes) - {axis}
        outside = w.reading.states[step].isdisjoint(before)
        if outside or step in loop.targets or not own or is_view(w, step):
            copies.append((step, step_view(w, loop, into)))
        else:
            loop.targets[step] = step_view(w, loop, into)
            landed.add(state)
    steps = [step for *_, step in term.states]
    for scan in scans:
        out = scan.out
        if out in before:
            w.bind(scan, before[out])
            continue
        known = [s for s, _, step in term.states if step is out and s in landed]
        if known:
            w.bind(scan, after[known[0]])
            continue
        inner = [a for a in w.layouts.order(out) if a is not axis and a in w.order(scan)]
        kept = w.permanent(w.names.get(scan, w.name_for(scan)), (axis, *inner))
        if out in loop.targets or w.reading.states[out].isdisjoint(before) or is_view(w, out):
            copies.append((out, step_view(w, loop, kept)))
        else:
            loop.targets[out] = step_view(w, loop, kept)
        w.bind(scan, kept)
    roots = list(dict.fromkeys([*steps, *(scan.out for scan in scans)]))
    w.run(loop, [r for r in roots if r not in before], before)
    outer, w.frame = w.frame, loop
    for out, view in copies:
        w.line(f"{view.code}[...] = {w.oriented(w.array(out), view.axes)}")
    w.frame = outer
    names = ", ".join(loop.steps)
    those = ", ".join(loop.steps.values())
    steps_code = w.hoist(f"[*zip({those})]" + "[::-1]" * reverse, "steps")
    w.line(f"for {names}{',' * (len(loop.steps) == 1)} in {steps_code}:")
    w.frame.lines += loop.lines or [f"{loop.indent}pass"]


def is_view(w: Writer, term: Term) -> bool:
    """Whether a term has no instruction of its own."""
    return isinstance(term, (State, Leaf, Constant, Extent)) or (
        isinstance(term, Take) and isinstance(term.index, Affine) and term.fill is None
    )


def step_view(w: Writer, loop: Frame, array: Array) -> Array:
    name = w.fresh(f"{stem(array.code)}_{cast(Axis, loop.axis).name}")
    rest = array.axes[1:]
    loop.steps[name] = steps_of(array.code, rest)
    return Array(name, rest, {a: array.strides[a] for a in rest})
