"""explain and paths: the lines and the products they give add up to the gradient."""

from __future__ import annotations

import math
import random
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.numerals import plain_ascii

from microgradnet import MLP, Value, costs, explain, paths
from microgradnet.graph import topological_order
from microgradnet.numerals import numeral


def test_an_error_comes_through_its_activation():
    model = MLP(2, [2, 1], activation="sigmoid", rng=random.Random(0))
    forward = model.forward([0.5, -1.0])
    cost = costs.quadratic(forward.output, 1)
    cost.backward()
    first, second = explain(cost, forward.z[1][0]).splitlines()
    assert first.startswith("δ¹₁ = ")
    assert second.endswith("through a¹₁ = sigmoid(z¹₁)")
    numbers = re.findall(r"-?[\d.]+(?:e-?\d+)?", plain_ascii(second).split(" through ")[0])
    product, adjoint, slope = map(float, numbers)
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
    head, *lines = explain(total, x).splitlines()
    assert len(lines) == len(factors) + 2 * squares
    products = [Fraction(plain_ascii(line).split(" = ")[0].strip()) for line in lines]
    assert sum(products) == x.grad
    assert head.split(" = ")[1] == numeral(x.grad)


def test_names_of_nodes_without_a_label():
    x = Value(3.0)
    y = (x * 2).exp()
    z = y + 1
    z.backward()
    assert explain(z, y) == "∂C/∂(exp(6)) = 1\n  1 = 1 × 1 through 403.4 + 1"
    assert "the cost itself" in explain(z, z)


def test_what_cannot_be_explained():
    x, stranger = Value(3.0, label="x"), Value(1.0, label="stranger")
    y = x * x
    with pytest.raises(RuntimeError):
        explain(y, x)
    y.backward()
    for both in ((y, stranger), (stranger, y)):
        with pytest.raises(ValueError, match=r"\(x \* x\).* stranger|stranger.* \(x \* x\)"):
            explain(*both)
    with pytest.raises(TypeError):
        explain(y, "x")
    with pytest.raises(TypeError):
        explain([y], x)


def test_the_order_of_the_last_release_is_understood():
    x = Value(3.0, label="x")
    y = x * x
    y.backward()
    with pytest.warns(DeprecationWarning, match=r"explain\(cost, node\)") as warned:
        assert explain(x, y) == explain(y, x)
    assert warned[0].filename == __file__


# Paths


@st.composite
def exact_graphs(draw: st.DrawFn) -> tuple[Value, Value]:
    """A cost in rationals, and one of the nodes that it was computed from."""
    nodes = [Value(Fraction(draw(st.integers(-3, 3)), 2)) for _ in range(2)]
    for _ in range(draw(st.integers(1, 7))):
        x, y = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        nodes.append(draw(st.sampled_from([x + y, x * y, x - y, -x, x.relu()])))
    return nodes[-1], draw(st.sampled_from(topological_order([nodes[-1]])))


@given(exact_graphs())
def test_the_gradient_is_the_sum_over_paths_of_the_products_of_their_slopes(graph):
    cost, node = graph
    cost.backward()
    found = paths(cost, node)
    assert sum(path.contribution for path in found) == node.grad
    for path in found:
        assert path.nodes[0] is node
        assert path.nodes[-1] is cost
        assert path.contribution == math.prod(path.partials)
        for here, there, slope in zip(path.nodes[:-1], path.nodes[1:], path.partials, strict=True):
            assert (here, slope) in list(zip(there.parents, there.partials(), strict=True))


def test_paths_come_in_the_order_of_the_graph():
    x = Value(2.0, label="x")
    y = x * x + x
    assert [[node.op and node.op.symbol for node in path.nodes] for path in paths(y, x)] == [
        [None, "*", "+"],
        [None, "*", "+"],
        [None, "+"],
    ]


def test_too_many_paths_or_steps_are_counted_not_listed():
    x = Value(1.0, label="x")
    y = x
    for _ in range(10):
        y = y + y
    assert len(paths(y, x, limit=1024)) == 1024
    with pytest.raises(ValueError, match="1,024"):
        paths(y, x)
    for _ in range(10_000):
        y = y + y
    with pytest.raises(ValueError, match="more than 10¹⁸ paths"):
        paths(y, x)


def test_a_long_path_takes_no_recursion():
    x = Value(1.0)
    y = x
    for _ in range(10_000):
        y = -y
    (path,) = paths(y, x)
    assert path.contribution == 1.0
    with pytest.raises(ValueError):
        paths(y, x, limit=5)


def test_paths_to_a_stranger():
    with pytest.raises(
        ValueError,
        match=r"\(1 \* 2\).* stranger",
    ):
        paths(Value(1.0) * 2, Value(1.0, label="stranger"))
    x = Value(1.0, label="x")
    with pytest.raises(ValueError, match=r"x was not .*: write paths\(cost, node\)"):
        paths(x, x * 2)
    with pytest.raises(TypeError):
        paths(x * 2, "x")


def test_what_other_passes_added_is_said():
    x = Value(3.0, label="x")
    y = x * x
    y.backward()
    assert "other passes" not in explain(y, x)
    y.backward()
    assert explain(y, x).endswith("(in all its grad is 12: other passes have added to it)")


# What one pass leaves, and what more of them do


@given(st.integers(0, 10**6), st.sampled_from(["tanh", "sigmoid", "relu"]))
def test_only_where_there_was_another_pass_it_says_so(seed, activation):
    rng = random.Random(seed)
    model = MLP(4, [8, 3], activation=activation, rng=rng)
    forward = model.forward([rng.uniform(-2, 2) for _ in range(4)])
    cost = costs.quadratic(forward.output, [1, 0, 0])
    cost.backward()
    leaves = [leaf for leaf in (*forward.a[0], *model.parameters()) if leaf.grad]
    leaves = rng.sample(leaves, min(8, len(leaves)))
    assert not any("other passes" in explain(cost, leaf) for leaf in leaves)
    cost.backward()
    assert all("other passes" in explain(cost, leaf) for leaf in leaves)


@pytest.mark.parametrize("little", [Fraction(1, 10**30), Fraction(3)])
def test_in_rationals_any_other_pass_is_told(little):
    x = Value(Fraction(1, 3), label="x")
    y = x * x + x
    y.backward()
    assert "other passes" not in explain(y, x)
    x.grad += little
    assert "other passes" in explain(y, x)


def test_formulas_that_differ_are_told_from_each_other(require_oracle):
    sympy = require_oracle("sympy")
    t = sympy.Symbol("t")
    x = Value(t, label="x")
    y = x * x
    y.backward()
    assert "other passes" not in explain(y, x)
    x.grad += t
    assert "other passes" in explain(y, x)


def test_the_old_names_of_a_path_warn() -> None:
    x = Value(3.0)
    (path,) = paths(2 * x, x)
    with pytest.warns(DeprecationWarning, match="partials"):
        assert path.slopes == (2.0,)
    with pytest.warns(DeprecationWarning, match="contribution"):
        assert path.product == 2.0
