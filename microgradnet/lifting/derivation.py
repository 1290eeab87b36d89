"""From vectors to equations: the forward formulas, and by the chain rule the backward ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from microgradnet.lifting.backward import Backward
from microgradnet.lifting.formulas import Name, Product, Sum, Variable
from microgradnet.lifting.grouping import Vector
from microgradnet.lifting.statements import Derivation

__all__ = ["derive"]


def derive(
    vectors: Sequence[Vector], roots: Sequence[tuple[Vector, int]], scalar_cost: bool
) -> Derivation:
    """The equations of the vectors: forward to the roots, and back to parameters."""
    builder = Backward(vectors, roots, scalar_cost)
    builder.forward()
    builder.backward()
    _inline(builder.result)
    return builder.result


_DEEP = 6
"""How many formulas may stand within one another."""


def _inline(derivation: Derivation) -> None:
    """Write in place what is used once, and short sums; layers and costs keep their names."""
    named = [(statement, list(statement.formula.names())) for statement in derivation.statements]
    uses = Counter(variable for _, names in named for variable in names)
    roots = {v for e in derivation.outputs for v in e.names()}
    depth: dict[Variable, int] = {}
    for statement, names in named:
        variable = statement.variable
        level = 1 + max([0, *(depth.get(v, 0) for v in names)])
        kept = variable.name[0] in ("zaC" if statement.part == "forward" else "δ")
        if statement.part == "gradient" or variable in roots or kept or level > _DEEP:
            continue
        plain = isinstance(variable.formula, (Sum, Product, Name))
        short = len(names) <= 2 and level == 1 and plain
        if uses[variable] <= 1 or short:
            variable.inlined = True
            depth[variable] = level
    for adjoint, variable in derivation.adjoints.items():
        if not adjoint.inlined:
            variable.inlined = False  # lest ∂C/∂v be read without a v
    derivation.statements[:] = [s for s in derivation.statements if not s.variable.inlined]
