"""What a branch leaves out makes no NaN in lifted programs."""

from __future__ import annotations

import numpy as np
import pytest
from support.branches import CHOOSING, INNER, PAIRS

from microgradnet import Value, lift


@pytest.mark.parametrize("choice", [*CHOOSING, "others"])
def test_as_the_engine_at_the_branch_and_beside_it(choice: str) -> None:
    functions = [f for name, f in PAIRS.items() if name.startswith(f"{choice} of ")]
    functions = functions or [f for name, f in PAIRS.items() if not name.endswith((*INNER,))]
    points = (0.0, 0.25, -0.0)
    leaves = [Value(0.3 + 0.1 * k) for _ in functions for k in range(len(points))]
    inner = iter(leaves)
    program = lift(sum(f(next(inner)) for f in functions for _ in points), [], [], leaves)
    program.parameters[:] = [x for _ in functions for x in points]
    _, gradient = program.value_and_grad(np.zeros((1, 0)))
    for f, found in zip(functions, gradient.reshape(-1, len(points)), strict=True):
        assert found[0] == 0
        for x, slope in zip(points, found, strict=True):
            leaf = Value(x)
            f(leaf).backward()
            assert slope == pytest.approx(leaf.grad, rel=1e-13, nan_ok=True)
