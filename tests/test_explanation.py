"""explain: the lines it gives add up to the gradient."""

import random
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradnet import MLP, Value, costs, explain


def test_an_error_comes_through_its_activation():
    model = MLP(2, [2, 1], activation="sigmoid", rng=random.Random(0))
    forward = model.forward([0.5, -1.0])
    cost = costs.quadratic(forward.output, 1)
    cost.backward()
    first, second = explain(forward.z[1][0], cost).splitlines()
    assert first.startswith("δ¹₁ = ")
    assert second.endswith("through a¹₁ = sigmoid(z¹₁)")
    numbers = [float(x) for x in re.findall(r"-?[\d.]+(?:e-?\d+)?", second.split(" through ")[0])]
    product, adjoint, slope = numbers
    assert product == pytest.approx(adjoint * slope, rel=1e-3)
    assert product == pytest.approx(forward.delta[1][0], rel=1e-3)


@given(st.lists(st.fractions(-3, 3, max_denominator=9), min_size=1, max_size=5), st.integers(0, 3))
def test_the_lines_add_up_to_the_gradient(factors, squares):
    x = Value(Fraction(2, 3), label="x")
    total = Value(0)
    for factor in factors:
        total = total + factor * x
    for _ in range(squares):
        total = total + x * x
    total.backward()
    head, *lines = explain(x, total).splitlines()
    assert len(lines) == len(factors) + 2 * squares
    products = [Fraction(line.split(" = ")[0].strip()) for line in lines]
    assert sum(products) == x.grad
    assert head.split(" = ")[1] == str(x.grad)


def test_names_of_nodes_without_a_label():
    x = Value(3.0)
    y = (x * 2).exp()
    z = y + 1
    z.backward()
    assert explain(y, z) == "∂C/∂(exp(6)) = 1\n  1 = 1 × 1 through 403.4 + 1"
    assert "the cost itself" in explain(z, z)


def test_what_cannot_be_explained():
    x, stranger = Value(3.0, label="x"), Value(1.0, label="stranger")
    y = x * x
    with pytest.raises(RuntimeError, match=r"call cost\.backward\(\) first"):
        explain(x, y)
    y.backward()
    with pytest.raises(ValueError, match="not computed from stranger"):
        explain(stranger, y)
