"""Terms held against the engine: values and gradients by the plain interpreter of terms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from microgradnet import Value
from microgradnet.lifting.assembly import Assembled, assemble
from microgradnet.lifting.derivatives import adjoints
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.nesting import flatten
from microgradnet.lifting.terms import Leaf, Term, check_term, constant, topological_terms

__all__ = ["agree", "leaves_of", "numbers_of"]


def leaves_of(roots: Sequence[Term]) -> list[Leaf]:
    """The leaves that terms are made of."""
    return [term for term in topological_terms(roots) if isinstance(term, Leaf)]


def numbers_of(leaf: Leaf, lists: dict[str, Sequence[Value]]) -> Any:
    """A leaf's numbers for one example, which are those that the nodes hold."""
    numbers = np.array([*(float(v.data) for v in lists[leaf.role]), 0.0])
    values = numbers[leaf.places]
    return values if leaf.role == "parameter" else values[None]


def agree(
    roots: Sequence[Value],
    inputs: Sequence[Value] = (),
    targets: Sequence[Value] = (),
    parameters: Any = (),
    *,
    tolerance: float = 1e-9,
    gradients: bool = True,
) -> Assembled:
    """Assert that the terms of a graph have the engine's values."""
    parameters, arrays = flatten(parameters)
    found = assemble(roots, inputs, targets, parameters, arrays)
    check_term(*found.roots)
    lists = {"input": inputs, "target": targets, "parameter": parameters}
    given = {leaf: numbers_of(leaf, lists) for leaf in leaves_of(found.roots)}
    with np.errstate(all="ignore"):
        values = interpret(found.roots, given, {found.examples: 1})
    for value, root in zip(values, roots, strict=True):
        got, want = float(np.ravel(value)[0]), float(root.data)
        assert math.isclose(got, want, rel_tol=tolerance, abs_tol=tolerance) or (
            got != got and want != want
        ), (got, want)
    if gradients and len(roots) == 1 and roots[0].op is not None:
        _gradients_agree(found, roots[0], given, parameters, tolerance)
    return found


def _gradients_agree(
    found: Assembled, cost: Value, given: Any, parameters: Sequence[Value], tolerance: float
) -> None:
    leaves = [leaf for leaf in given if leaf.role == "parameter"]
    places = np.concatenate([np.zeros(0, int), *[leaf.places.ravel() for leaf in leaves]])
    places = places[places >= 0]
    assert len(np.unique(places)) == len(places), "a parameter stands in two arrays"
    found_adjoints = adjoints([(found.roots[0], constant(1))], leaves, [found.examples])
    reached = [leaf for leaf in leaves if leaf in found_adjoints]
    terms = [found_adjoints[leaf] for leaf in reached]
    check_term(*terms)
    with np.errstate(all="ignore"):
        values = interpret(terms, given, {found.examples: 1})
    got = np.zeros(len(parameters) + 1)
    for leaf, term, value in zip(reached, terms, values, strict=True):
        order = [term.axes.index(axis) for axis in leaf.axes if axis in term.axes]
        shape = [leaf.places.shape[k] if a in term.axes else 1 for k, a in enumerate(leaf.axes)]
        full = np.asarray(value, dtype=float).transpose(order).reshape(shape)
        got[leaf.places] += np.broadcast_to(full, leaf.places.shape)
    for parameter in parameters:
        parameter.grad = 0.0
    cost.backward()
    want = np.array([float(p.grad) for p in parameters])
    scale = max(1.0, float(np.abs(want[np.isfinite(want)]).max(initial=0.0)))
    close = np.isclose(got[:-1], want, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
    assert close.all(), (got[:-1][~close], want[~close])
