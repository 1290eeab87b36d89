"""The floors of the house, floor 0, the ground, first: who may import whom."""

from __future__ import annotations

__all__ = ["FLOORS"]

_PLAN = """
collector deprecation frames numerals progress randomness
arithmetic graph delta datasets notation recording tables unrolled unset
complex_step conventions escapes operation plotting serialisation
ops
node
complements node_arithmetic
chain_rule
wide_passes
backpropagation
engine
rows
layerwise
nn costs optim explanation transforms anomaly expression
lifting
views
verification certification training files drawing
exploring experiments interop
judging
cli
__main__
"""

FLOORS = [line.split() for line in _PLAN.strip().splitlines()]
"""A module imports only from floors of a smaller number, that is, from rows above its own."""
