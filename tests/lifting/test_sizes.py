"""The same loops at two sizes: as many equations, each on a line, and no tables of indices."""

from __future__ import annotations

import re

import numpy as np
import pytest
from support.loops import SIZES

from microgradnet import lift

TABLE = re.compile(r"^I\d+ = |\.at\(|bincount|np\.take", re.MULTILINE)
"""Arrays of places, and what gathers or scatters by them."""


@pytest.mark.parametrize("name", [name for name in SIZES if name != "gpt"])
def test_two_sizes(name):
    small, large = (build() for build in SIZES[name])
    programs = [lift(g.cost, g.inputs, g.targets, g.parameters) for g in (small, large)]
    assert len({len(program.equations) for program in programs}) == 1
    for program in programs:
        assert max(len(equation.text) for equation in program.equations) <= 100
        assert TABLE.search(program.source) is None
    x = np.array([[v.data for v in small.inputs]])
    cost, gradient = programs[0].value_and_grad(x)
    small.cost.backward()
    np.testing.assert_allclose(cost, small.cost.data, rtol=1e-12)
    wanted = np.array([p.grad for p in small.parameters])
    size = np.abs(wanted).max(initial=0.0)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-9, atol=1e-12 * size)
    single = lift(small.cost, small.inputs, small.targets, small.parameters).value_and_grad(
        x.astype(np.float32)
    )
    np.testing.assert_allclose(single[0], cost, rtol=1e-4)
    np.testing.assert_allclose(single[1], gradient, rtol=1e-3, atol=1e-4 * size)
