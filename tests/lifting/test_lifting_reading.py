"""From the graph to vectors: what is one sum, what has a name of its own, what stands where."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError
from functools import reduce
from typing import Any

import numpy as np
import pytest
from support.lifting import agrees, scalar

from microgradnet import Value, lift, ops
from microgradnet.lifting.grouping import Vector, group
from microgradnet.lifting.reading import NONE, Atom, read

X = [[0.3, -0.7, 1.1], [-1.2, 0.4, 0.9]]

w = [Value(0.1 * k + 0.5) for k in range(80)]
x = [Value(0.2 * k - 0.3) for k in range(80)]
y = [Value(0.25), Value(0.75)]
LETTERS = {"parameter": "w", "input": "x", "target": "y"}


def atoms(*roots: Value) -> list[str]:
    """What is computed on the way to the roots: sums and operations, each of those before."""
    names: list[str] = []
    lines: list[str] = []
    for atom in read(roots, x, y, w).atoms:
        if atom.role in LETTERS:
            names.append(f"{LETTERS[atom.role]}{atom.place}")
            continue
        if atom.role == "constant":
            names.append(f"{atom.value:g}")
            continue
        names.append(f"s{len(lines) + 1}")
        if atom.op is not None:
            text = f"{atom.op.name}({', '.join(names[u] for u in atom.operands)})"
        else:
            terms = [
                ("" if c == 1 else f"{c:g} ") + names[u] + ("" if v == NONE else f" {names[v]}")
                for c, u, v in atom.terms
            ]
            text = " + ".join(terms + [f"{atom.value:g}"] * (atom.value != 0))
        lines.append(text)
    return lines


def total(terms: Sequence[Value]) -> Value:
    return reduce(operator.add, terms)


def z(*k: int) -> Value:
    """A weighted input: Σ w x of these places."""
    return total([w[j] * x[j] for j in k])


# Sums


@pytest.mark.parametrize(
    ("root", "sums"),
    [
        ((3 * w[0]) * (2 * x[0]), ["6 w0 x0"]),
        ((x[0] + x[1]) * (3 * x[2]), ["x0 + x1", "3 s1 x2"]),
        ((w[0] * x[0]) * (w[1] * x[0]), ["w0 x0", "w1 x0", "s1 s2"]),
        (w[0] * x[0] + w[1] * x[1] + 3.0, ["w0 x0 + w1 x1 + 3"]),
        ((x[0] + 1) + (x[1] + 2), ["x0 + x1 + 3"]),
        (2 * (x[0] + x[1] + 3), ["2 x0 + 2 x1 + 6"]),
        (3 * (2 * (x[0] + x[1])), ["6 x0 + 6 x1"]),
        (x[0] / 0.5 + x[1] / -4.0, ["2 x0 + -0.25 x1"]),
        (x[0] / 0.0, ["divide(x0, 0)"]),
        (ops.tanh(x[0] + 0.0) + ops.tanh(0.0 + x[0]), ["tanh(x0)", "s1 + s1"]),
        (x[0] + (x[1] + x[2]), ["x1 + x2 + x0"]),
        (x[0] + x[1] + x[2], ["x0 + x1 + x2"]),
        ((x[0] + x[1]) + (x[2] + x[3]), ["x0 + x1 + x2 + x3"]),
        ((x[0] + x[1]) + (x[2] + x[3] + x[4]), ["x2 + x3 + x4 + x0 + x1"]),
        ((x[0] + x[1] + x[2]) + (x[3] + x[4]), ["x0 + x1 + x2 + x3 + x4"]),
        (x[0] - (x[1] - x[2]), ["-1 x1 + x2 + x0"]),
        (ops.tanh(x[0]) * 0.0 + ops.tanh(x[0]) * -0.0, ["tanh(x0)", "0 s1 + -0 s1"]),
        (ops.minimum(x[0], 0.0) + ops.minimum(x[0], -0.0),
         ["minimum(x0, 0)", "minimum(x0, -0)", "s1 + s2"]),
    ],
)  # fmt: skip
def test_a_tree_of_sums_is_one_sum_the_shorter_added_to_the_longer(
    root: Value, sums: list[str]
) -> None:
    assert atoms(root) == sums


def test_a_product_used_more_than_once_is_computed_once() -> None:
    square = ops.tanh(x[0]) * ops.sin(x[0])
    assert atoms(square + x[1], square + x[2]) == [
        "tanh(x0)", "sin(x0)", "s1 s2", "s3 + x1", "s3 + x2"
    ]  # fmt: skip
    double = 2 * x[0]
    assert atoms(double + x[1], double + x[2]) == ["2 x0 + x1", "2 x0 + x2"]


@pytest.mark.parametrize(("terms", "count"), [(2, 1), (4, 1), (5, 2)])
def test_a_short_sum_written_twice_is_one(terms: int, count: int) -> None:
    first, second = (ops.tanh(total(x[:terms])) for _ in "12")
    sums = [line for line in atoms(first + second) if "x0" in line]
    assert len(sums) == count


# Which sums keep a name of their own


@pytest.mark.parametrize(
    ("root", "sums"),
    [
        (z(0, 1) + y[0] * x[1], ["w0 x0 + w1 x1", "s1 + y0 x1"]),
        (z(0, 1) + x[1] * y[0], ["w0 x0 + w1 x1", "s1 + x1 y0"]),
        (x[0] * x[1] + z(0, 1), ["w0 x0 + w1 x1", "x0 x1 + s1"]),
        (z(0, 1) - x[2], ["w0 x0 + w1 x1", "s1 + -1 x2"]),
        (-z(0, 1), ["w0 x0 + w1 x1", "-1 s1"]),
        (1 - z(0, 1), ["w0 x0 + w1 x1", "-1 s1 + 1"]),
        (z(0, 1) / 2, ["w0 x0 + w1 x1", "0.5 s1"]),
        (w[3] - z(0, 1), ["-1 w0 x0 + -1 w1 x1 + w3"]),
        (z(0, 1) + w[3] + w[2] * x[2], ["w0 x0 + w1 x1 + w3 + w2 x2"]),
        # beside what is neither the one nor the other it has none
        ((x[0] * x[1] + x[1] * x[2] + w[0] * x[0]) + (w[1] * x[1] + w[2]),
         ["x0 x1 + x1 x2 + w0 x0 + w1 x1 + w2"]),
    ],
)  # fmt: skip
def test_a_weighted_input_keeps_its_name_beside_what_has_no_parameters(
    root: Value, sums: list[str]
) -> None:
    assert atoms(root) == sums


@pytest.mark.parametrize(
    "use",
    [
        lambda z: z + ops.sin(x[0]),
        lambda z: z - ops.sin(x[0]),
        lambda z: ops.sin(x[0]) - z,
        lambda z: z * x[5],
        lambda z: x[5] * z,
        lambda z: z / 3,
        lambda z: ops.weighted_sum(z, x[4], x[5], x[6], w[0]),
        lambda z: ops.weighted_sum(x[4], x[5], z, x[6], w[0]),
        lambda z: ops.weighted_sum(x[4], x[5], x[6], z, w[0]),
        lambda z: ops.tanh(z),
    ],
)  # fmt: skip
def test_a_name_belongs_to_the_scalar_that_it_is(use: Callable[[Value], Value]) -> None:
    node = z(0, 1)
    (found,) = (atom for atom in read([use(node)], x, y, w).atoms if len(atom.terms) == 2
                and atom.role == "sum" and atom.terms[0][1] == 0)  # fmt: skip
    assert found.node is node


# Long sums: in a chain of sums and factors each factor would go through all that stands before it,
# which takes a time like the square of the length


def long(leaves: Sequence[Value], count: int = 62) -> Value:
    return total(leaves[:count])


def pair(leaves: Sequence[Value]) -> Value:
    return leaves[70] + leaves[71]


MIXED = x[0] * x[1] + w[0] * x[0]


@pytest.mark.parametrize(
    ("root", "count"),
    [
        (lambda: 2 * long(x), 1),
        (lambda: 2 * (1 + long(x)), 1),
        (lambda: 2 * total([1 + x[0], *x[1:62]]), 1),
        (lambda: 3 * (2 * long(x, 61)), 1),
        (lambda: 3 * (2 * long(x, 62)), 2),
        (lambda: x[71] * x[72] - 2 * long(x), 2),
        (lambda: 3 * (2 * long(x) + pair(x)), 2),
        (lambda: 3 * (pair(x) + 2 * long(x)), 2),
        (lambda: 3 * (long(x) + 2 * pair(x)), 2),
        (lambda: 3 * (long(w) + pair(w)), 1),
        (lambda: 3 * (pair(w) + long(w)), 1),
        (lambda: 3 * (MIXED + z(*range(2, 66))), 1),
    ],
)
def test_a_long_sum_takes_in_one_factor_and_no_more(root: Callable[[], Value], count: int) -> None:
    assert len(atoms(root())) == count


def test_atoms_are_themselves_alone_and_many() -> None:
    one, two = Atom("sum", None), Atom("sum", None)
    assert one != two
    assert not hasattr(one, "__dict__")  # a large graph has millions
    with pytest.raises(FrozenInstanceError):
        read([x[0]], x, y, w).size = 0  # type: ignore[misc]


# From atoms to vectors


def vectors(roots: Sequence[Value]) -> list[Vector]:
    return group(read(roots, x, y, w))[0]


def places(vector: Vector) -> list[tuple[Any, ...]]:
    """Of each product of a sum the places of its left and right factors, sum by sum."""
    return [
        tuple(None if o is None else o.index.tolist() for o in (product.left, product.right))
        for product in vector.products
    ]


def sums(roots: Sequence[Value]) -> Vector:
    (found,) = (v for v in vectors(roots) if v.role == "sum")
    return found


def test_factors_stand_as_they_were_written() -> None:
    assert places(sums([x[0] * x[1]])) == [([[0]], [[1]])]
    assert places(sums([x[1] * x[0]])) == [([[1]], [[0]])]


def test_sums_are_ordered_by_their_first_factors_and_then_by_the_second() -> None:
    assert places(sums([ops.sin(x[0] * x[k]) for k in (2, 3, 1)])) == [
        ([[0], [0], [0]], [[1], [2], [3]])
    ]
    crossed = [ops.sin(w[j] * x[k]) for j, k in ((1, 0), (2, 1), (0, 2))]
    assert places(sums(crossed)) == [([[0], [1], [2]], [[2], [0], [1]])]


@pytest.mark.parametrize("bias", [[60, 62, 61], [60, 60, 60]])
def test_a_layer_is_ordered_by_its_biases_and_then_by_its_weights(bias: list[int]) -> None:
    rows = [4, 0, 2]
    roots = [ops.sin(w[j] * x[0] + w[j + 1] * x[1] + w[b]) for j, b in zip(rows, bias, strict=True)]
    biases, weights = places(sums(roots))
    wanted = [4, 2, 0] if bias[1] > bias[0] else [0, 2, 4]
    assert biases[0] == [[b] for b in sorted(bias)]
    assert weights[0] == [[j, j + 1] for j in wanted]


def test_rows_of_a_matrix_stand_in_the_order_of_the_parameters() -> None:
    roots = [ops.sin(w[j] * x[0] + w[j + 1] * x[1]) for j in (4, 0, 2)]
    assert places(sums(roots))[0][0] == [[0, 1], [2, 3], [4, 5]]


def test_rows_are_reversed_where_all_belong_to_outputs_the_other_way_round() -> None:
    first, second = (w[j] * x[0] + w[j + 1] * x[1] for j in (2, 0))
    both = [ops.sin(first), ops.sin(second)]
    assert places(sums(both))[0][0] == [[2, 3], [0, 1]]
    # and not where one of them belongs to no output alone
    mixed = [ops.sin(second), ops.cos(first) * x[0]]
    (layer,) = (v for v in vectors(mixed) if v.role == "sum" and len(v) == 2)
    assert places(layer)[0][0] == [[0, 1], [2, 3]]


@pytest.mark.parametrize("backwards", [False, True])
def test_components_of_a_softmax_stand_in_their_order(backwards: bool) -> None:
    shares = ops.softmax([w[0] * x[0], w[1] * x[1], w[2] * x[2]])
    found = vectors(shares[::-1] if backwards else shares)[-1]
    assert found.components is not None
    assert found.components.tolist() == [0, 1, 2]


def test_of_several_softmaxes_the_components_stand_together() -> None:
    v = [w[k] * x[k] for k in range(3)]
    found = vectors([*ops.softmax([v[0], v[2]]), *ops.softmax([v[0], v[1]])])[-1]
    (operand,) = found.operands
    assert found.components is not None
    assert found.components.tolist() == [0, 1, 0, 1]
    assert operand.index.tolist() == [[0, 1], [0, 1], [0, 2], [0, 2]]


@pytest.mark.parametrize(
    ("cost", "equation"),
    [
        (lambda y, z: ops.relu(1 - y * z), "C = Σ relu(1 − y ⊙ z1)"),
        (lambda y, z: (1 - y) * ops.exp(z), "C = Σ a1 ⊙ (1 − y)"),
        (lambda y, z: (2 * y) * ops.exp(z), "C = 2 Σ y ⊙ a1"),
    ],
)
def test_a_layer_stands_in_the_order_of_the_targets(cost: Any, equation: str) -> None:
    # of parameters that were given in the contrary order
    rows = [w[2:4], w[0:2]]
    layer = [v[0] * x[0] + v[1] * x[1] for v in rows]
    root = total([cost(b, a) for b, a in zip(y, layer, strict=True)])
    program = lift(root, x[:2], y, w[:4])
    assert equation in [e.text for e in program.equations]
    assert "W1 = p[0:4].reshape(2, 2)[::-1]" in program.source


# Patterns and rules


def test_logarithms_of_more_than_1_minus_a_are_no_cross_entropy() -> None:
    parameters = w[:2]

    def build(xs: Any, ys: Any) -> Any:
        a = ops.sigmoid(parameters[0] * xs[0] + parameters[1] * xs[1])
        rest = 1 - a - 0.25 * a * a
        return [-ops.xlogy(ys[0], a) - ops.xlogy(1 - ys[0], rest)], parameters

    agrees(build, [row[:2] for row in X], [[0.25], [0.5]])


@pytest.mark.parametrize("number", [-1.5, 0.5])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_slope_of_a_maximum_with_a_number_is_half_at_the_tie(
    number: float, swapped: bool
) -> None:
    weight = Value(1.0)

    def build(xs: Any, ys: Any) -> Any:
        z = weight * xs[0]
        return [ops.maximum(z, number) if swapped else ops.maximum(number, z)], [weight]

    numbers = [number - 0.25, number, number + 0.25]
    agrees(build, [[v] for v in numbers], [[]] * 3)
    _, gradient, *_ = scalar(build, [number], [])
    assert gradient.tolist() == [0.5 * number]


def test_a_product_that_meets_another_of_the_same_factor_keeps_both() -> None:
    parameters = w[:2]

    def build(xs: Any, ys: Any) -> Any:
        return [(parameters[0] * xs[0]) * (parameters[1] * xs[0])], parameters

    agrees(build, [row[:1] for row in X], [[]] * 2)
    program = lift(build(x[:1], [])[0][0], x[:1], parameters=parameters)
    np.testing.assert_allclose(program.value([[3.0]]), [9 * 0.5 * 0.6])
