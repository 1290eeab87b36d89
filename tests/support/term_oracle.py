"""Terms held against the engine: values and gradients by the plain interpreter of terms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from microgradnet import Value
from microgradnet.lifting.assembly import Assembled, assemble
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.terms import Leaf, Term, check_term, topological_terms

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
    parameters: Sequence[Value] = (),
    *,
    tolerance: float = 1e-9,
) -> Assembled:
    """Assert that the terms of a graph have the engine's values."""
    found = assemble(roots, inputs, targets, parameters)
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
    return found
