"""Signs that are evident, and what is computed more simply for them."""

from __future__ import annotations

import numpy as np
import pytest

from microgradnet import ops
from microgradnet.lifting.derivatives import adjoints
from microgradnet.lifting.signs import is_nonnegative, is_positive
from microgradnet.lifting.terms import (
    Axis,
    Constant,
    Leaf,
    Map,
    add,
    constant,
    multiply,
    negative,
    sum_over,
    topological_terms,
)

I = Axis("i", 3)
X = Leaf("x", "parameter", (I,), range(3))
Y = Leaf("y", "parameter", (I,), range(3, 6))
SQUARE = Map(ops.power_constant.variant(exponent=2), (X,))
MEAN = multiply(constant(0.5), sum_over(multiply(X, X), I))


def deep(term, n):
    for _ in range(n):
        term = Map(ops.add, (term, term))
    return term


@pytest.mark.parametrize(
    ("term", "nonnegative", "positive"),
    [
        (X, False, False),
        (constant(0), True, False),
        (constant(-0.0), False, False),
        (constant(1e-5), True, True),
        (constant(1e-30), True, False),
        (Constant([1.0, -1.0, 2.0], (I,)), False, False),
        (SQUARE, True, False),
        (Map(ops.power_constant.variant(exponent=3), (X,)), False, False),
        (multiply(X, X, Y), False, False),
        (multiply(X, X, Y, Y), True, False),
        (Map(ops.exp, (X,)), True, False),
        (MEAN, True, False),
        (negative(MEAN), False, False),
        (add(MEAN, constant(1e-5)), True, True),
        (add(MEAN, X, constant(1e-5)), False, False),
        (deep(add(MEAN, constant(1)), 20), False, False),
    ],
)
def test_signs(term, nonnegative, positive):
    assert (is_nonnegative(term), is_positive(term)) == (nonnegative, positive)


@pytest.mark.parametrize(
    ("inside", "exponent", "guarded"),
    [(add(MEAN, constant(1e-5)), -0.5, False), (MEAN, -0.5, True),
     (add(MEAN, constant(1e-5)), -20.0, True)],
)  # fmt: skip
def test_slopes_that_are_finite_are_not_guarded_behind_a_branch(inside, exponent, guarded):
    """Of relu(x · (Σ x² / 2 + ε)ᵉ)."""
    root = Map(ops.power_constant.variant(exponent=exponent), (inside,))
    cost = sum_over(Map(ops.relu, (multiply(X, root),)), I)
    found = adjoints([(cost, constant(1))], [X], running=True)[X]
    functions = {t.function for t in topological_terms([found]) if isinstance(t, Map)}
    assert ("where" in functions) == guarded


def test_scaled_products_within_and_beyond_the_floats():
    from microgradnet.lifting.numpy_functions import HELPERS

    space = {"np": np}
    for name in ("is_normal", "in_order", "scaled"):
        exec(HELPERS[name], space)
    g, x, y = np.array([2.0, 1e-200]), np.array([3.0, 1e200]), np.array([4.0, 1e-200])
    with np.errstate(all="ignore"):
        found = space["scaled"](g, x / y, x, y)
        moderate = space["scaled"](g[:1], (x / y)[:1], x[:1], y[:1])
    np.testing.assert_allclose(found, [1.5, 1e200])
    np.testing.assert_allclose(moderate, [1.5])
