"""Graphs as atoms: each atom's number is the node's, however the sums and products were written."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, strategies
from support.random_graphs import evaluate_atoms, random_graph

from microgradnet import Value, ops
from microgradnet.lifting.canonicalise import OPERATION, SUM, Atoms, canonicalise, number


def canonical(root: Value, parameters: list[Value] | None = None) -> Atoms:
    atoms = canonicalise([root], parameters=parameters or [])
    got, want = evaluate_atoms(atoms)[atoms.roots[0]], float(root.data)
    assert math.isclose(got, want, rel_tol=1e-12) or (got != got and want != want)
    return atoms


@given(strategies.integers(0, 2**32), strategies.integers(0, 30))
def test_every_atom_has_its_nodes_number(seed, size):
    roots, inputs, parameters = random_graph(Random(seed), size)
    atoms = canonicalise(roots, inputs, [], parameters)
    numbers = evaluate_atoms(atoms)
    for got, node in zip(numbers, atoms.nodes, strict=True):
        assert math.isclose(got, float(node.data), rel_tol=1e-9, abs_tol=1e-9)
    for k, root in zip(atoms.roots, roots, strict=True):
        assert math.isclose(numbers[k], float(root.data), rel_tol=1e-9, abs_tol=1e-9)


def leaves(n: int) -> list[Value]:
    return [Value(0.5 + k) for k in range(n)]


@pytest.mark.parametrize(
    "write",
    [
        lambda w, x, b: b + w[0] * x[0] + w[1] * x[1],
        lambda w, x, b: sum((u * v for u, v in zip(w, x, strict=True)), b),
        lambda w, x, b: (w[0] * x[0] + w[1] * x[1]) + b,
        lambda w, x, b: b - (-(w[0] * x[0]) - x[1] * w[1]),
        lambda w, x, b: -(-b - w[0] * x[0]) + 2.0 * (0.5 * w[1]) * x[1],
        lambda w, x, b: ops.weighted_sum(*w, *x, b),
        lambda w, x, b: (w[0] * 2.0) * (x[0] / 2.0) + (w[1] * x[1] + (b + 0.0)),
    ],
)
def test_a_weighted_input_has_one_form(write):
    w, x, (b,) = leaves(2), leaves(2), leaves(1)
    root = write(w, x, b)
    atoms = canonicalise([root], inputs=x, parameters=[*w, b])
    assert math.isclose(evaluate_atoms(atoms)[atoms.roots[0]], float(root.data))
    assert (atoms.role == SUM).sum() == 1
    assert len(atoms.coefficient) == 3
    assert (atoms.coefficient == 1).all()
    assert {tuple(sorted(row)) for row in atoms.factors.tolist()} == {(-1, 2), (0, 3), (1, 4)}


@pytest.mark.parametrize(
    ("write", "want"),
    [
        (lambda w, x: (1e200 * w) * (1e200 * x), 5e99),
        (lambda w, x: w * 1e100 * 1e-200 * 1e-200 * 1e300, 0.5),
        (lambda w, x: 1e200 * (1e200 * (w - 0.5)), 0.0),
        (lambda w, x: w / 0, math.inf),
        (lambda w, x: w / math.inf, 0.0),
        (lambda w, x: w * math.nan, math.nan),
        (lambda w, x: w * math.inf - math.inf, math.nan),
        (lambda w, x: w * 0.0 + 1, 1.0),
    ],
)
def test_no_constants_overflow_that_did_not_in_the_graph(write, want):
    root = write(Value(0.5), Value(1e-300))
    assert root.data == want or want != want
    parameters = [leaf for leaf in (root, *root.parents) if leaf.op is None]
    canonical(root, [Value(0.0), *parameters])
    w, x = Value(0.5), Value(1e-300)
    atoms = canonicalise([write(w, x)], [x], [], [w])
    assert evaluate_atoms(atoms)[atoms.roots[0]] == pytest.approx(want, nan_ok=True)


def test_what_is_used_twice_is_one_atom():
    w, x = leaves(2)
    z = w * x + 1
    atoms = canonicalise([z * z.tanh()], [x], [], [w])
    assert (atoms.role == SUM).sum() == 2
    assert (atoms.role == OPERATION).sum() == 1


def test_a_product_of_many_factors_is_one_of_products():
    w = leaves(6)
    root = w[0] * w[1] * w[2] * w[3] * w[4] * w[5]
    assert canonical(root, w).factors.shape[1] == 2
    assert canonical(w[0] * w[1] * w[2], w).factors.shape[1] == 3


def test_weighted_inputs_beside_what_has_no_parameters_keep_their_name():
    w, x, y = leaves(2), leaves(2), Value(0.25)
    z = w[0] * x[0] + w[1] * x[1]
    for root in (z - y, y - z, z + (y - 1), -y + z):
        atoms = canonicalise([root], x, [y], w)
        assert (atoms.role == SUM).sum() == 2
    atoms = canonicalise([z + w[0] * x[1]], x, [], w)
    assert (atoms.role == SUM).sum() == 1
    atoms = canonicalise([w[0] * x[0] + y], x, [y], w)  # a single product has none
    assert (atoms.role == SUM).sum() == 1
    atoms = canonicalise([(y + w[0] * x[0]) + w[1] * x[1] + y], x, [y], w)
    assert (atoms.role == SUM).sum() == 1


def test_constants_are_folded_and_must_be_numbers():
    w = Value(0.5)
    atoms = canonicalise([w * (Value(2.0) * Value(3.0) + 1)], parameters=[w])
    assert atoms.coefficient.tolist() == [7.0]
    assert len(canonicalise([Value(2.0) * 3.0])) == 1
    assert canonicalise([Value(2.0)]).value.tolist() == [2.0]
    constant = ops.weighted_sum(Value(2.0), Value(3.0), w)
    atoms = canonicalise([constant], parameters=[w])
    assert atoms.value[atoms.roots[0]] == 6.0
    assert canonicalise([ops.weighted_sum(Value(2.0), Value(3.0), Value(1.0)) * w]).value[0] == 3.5
    sympy = pytest.importorskip("sympy")
    with pytest.raises(TypeError, match="is no number, and a program computes with floats"):
        number(Value(sympy.Symbol("s")))


def test_long_chains_are_no_recursion():
    x = Value(1.0)
    total, product, nested = x, x, x
    for _ in range(20_000):
        total, product, nested = total + x, product * 1.0, (nested * 0.5).tanh()
    atoms = canonicalise([total, product], [x])
    assert len(atoms.coefficient) == 20_002
    assert atoms.role.tolist().count(SUM) == 2
    assert len(canonicalise([nested], [x])) == 40_001
    assert np.isclose(evaluate_atoms(canonicalise([total], [x]))[-1], 20_001)
