"""A lifted program as an object: what it prints, takes, keeps and checks."""

from __future__ import annotations

import gc
import json
import linecache
import math
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from support import loops
from support.lifting import network
from support.random_terms import leaves_of, numbers

from microgradnet import Value, lift, operation, ops, trace
from microgradnet.lifting import from_json, to_json
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.lifted import check_against
from microgradnet.lifting.terms import Extent, axes_of, topological_terms
from microgradnet.lifting.vectorise import vectorise

INF, NAN = math.inf, math.nan


def identity():
    """The program of x."""
    x = Value(0.5)
    return lift(x, [x])


# What it prints


@pytest.mark.parametrize(("longest", "column"), [(99, 99), (100, 100), (101, 7), (150, 7)])
def test_equations_of_up_to_100_characters_have_their_sizes_in_one_column(longest, column):
    program = identity()
    (made,) = lift(1 * Value(0.5, label="x")).equations
    program.equations = tuple(
        replace(made, text="v".ljust(n, "+"), shape=(2,)) for n in (7, longest)
    )
    short, long = str(program).splitlines()
    assert short.index("   (2)") == column
    assert long.index("   (2)") == longest


def test_latex_is_aligned_once_a_row_whatever_equals_signs_a_formula_has(own_table):
    def rule(m, g, out, x, y, z):
        same = m.equal(x, y)
        return m.where(same, 0, g * m.cos(x)), m.convert(0), m.where(same, g, 0)

    @operation(rule)
    def bent(m, x, y, z):
        return m.where(m.equal(x, y), z, m.sin(x))

    x, w = Value(0.5), Value(2.0)
    rows = lift(bent(w * x, w, x), [x], parameters=[w])._repr_latex_().splitlines()[2:-1]
    assert any(" = " in row.replace(" &= ", "") for row in rows)
    assert [row.count(" &= ") for row in rows] == [1] * len(rows)


# What it takes


def test_whole_numbers_are_taken_for_floats():
    x, w = Value(0.5), Value(0.5)
    program = lift(ops.exp(w * x), [x], parameters=[w])
    costs, gradient = program.value_and_grad([[1], [3]])
    assert costs.dtype == gradient.dtype == np.float64
    np.testing.assert_allclose(costs, np.exp([0.5, 1.5]), rtol=1e-15)
    program.parameters = [2]
    assert program.parameters.dtype == np.float64
    np.testing.assert_allclose(program.value(np.array([[1]], dtype=np.int8)), math.exp(2))


def test_float32_is_known_whoever_made_the_array():
    """Pickled arrays bring a dtype of their own, equal to NumPy's and another object."""
    x = pickle.loads(pickle.dumps(np.array([[1.0], [2.0]], dtype=np.float32)))
    found = identity().value(x)
    assert found.dtype == np.float32
    assert found.tolist() == [1.0, 2.0]


def test_targets_that_are_inputs_need_not_be_given_in_whatever_order():
    xs = [Value(v) for v in (0.5, -1.0, 2.0)]
    w = Value(0.75)
    targets = [xs[2], xs[0]]
    cost = (w * xs[0] - targets[0]) ** 2 + 3.0 * (w * xs[1] - targets[1]) ** 2
    program = lift(cost, xs, targets, [w], check=([[0.3, 1.0, -2.0]],))
    X = np.array([[1.0, 2.0, 3.0], [0.5, 0.25, -1.0]])
    wanted = (0.75 * X[:, 0] - X[:, 2]) ** 2 + 3 * (0.75 * X[:, 1] - X[:, 0]) ** 2
    np.testing.assert_allclose(program.value(X), wanted, rtol=1e-14)
    np.testing.assert_array_equal(program.value(X), program.value(X, X[:, [2, 0]]))
    with pytest.raises(ValueError, match=r"columns \[0, 1\] of Y .* columns \[2, 0\] of X"):
        program.value(X, X[:, [0, 2]])


def test_targets_that_are_inputs_may_be_unknown_in_both():
    x = [Value(0.5), Value(0.25)]
    program = lift(x[0] * x[1], x, [x[1]])
    found = program.value([[2.0, NAN], [2.0, 3.0]], [[NAN], [3.0]])
    np.testing.assert_array_equal(found, [NAN, 6.0])
    with pytest.raises(ValueError, match="columns"):
        program.value([[2.0, NAN]], [[3.0]])


# What it keeps


def test_the_same_call_with_other_parameters_or_other_containers_computes_anew():
    model, forward, y, cost = network((3, 4, 1), "tanh", "sigmoid", "quadratic")
    program = lift(cost, forward.a[0], y, model.parameters())
    X, Y = np.array([[0.3, -0.7, 1.1], [-1.2, 0.4, 0.9]]), np.array([[1.0], [0.0]])
    out = np.empty(21)
    before, _ = program.value_and_grad(X, Y, out)
    for x, t in ((X.tolist(), Y), (X, Y.tolist()), (X.tolist(), Y.tolist())):
        again, gradient = program.value_and_grad(x, t, out)
        np.testing.assert_array_equal(again, before)
        assert gradient is out
    program.parameters = program.parameters / 2  # another array
    after, _ = program.value_and_grad(X, Y, out)
    np.testing.assert_array_equal(after, program.value(X, Y))
    assert (after != before).all()


def test_the_lines_of_the_source_are_there_for_as_long_as_the_program():
    """For tracebacks, profilers and debuggers, which ask `linecache` for them."""
    before = set(linecache.cache)
    program = identity()
    program.value([[0.5]])
    (name,) = (name for name in set(linecache.cache) - before if "lifted program" in name)
    assert "".join(linecache.getlines(name)) == program.source
    del program
    gc.collect()
    assert name not in linecache.cache


def test_no_collection_of_garbage_is_begun_inside_an_analysis(monkeypatch):
    enabled = []

    def watched(atoms):
        enabled.append(gc.isenabled())
        return vectorise(atoms)

    monkeypatch.setattr("microgradnet.lifting.analysis.vectorise", watched)
    x = Value(0.5)
    lift(ops.sin(x), [x])
    assert enabled == [False]
    assert gc.isenabled()


# What a check finds


@pytest.mark.parametrize(
    ("got", "want", "agree"),
    [
        (3.0, 3.0, True),
        (3.0, -3.0, False),
        (0.0, 0.5, False),
        # To 1e-9 of the larger, or 1e-9
        (1e-9, 0.0, True),
        (0.0, -1.1e-9, False),
        (3.0 + 2.9e-9, 3.0, True),
        (-3.0 - 2.9e-9, -3.0, True),
        (3.0 + 3.1e-9, 3.0, False),
        (1e3 - 9e-7, 1e3, True),
        (1e3 - 1.1e-6, 1e3, False),
        # What is infinite or undefined in the one must be so in the other
        (INF, INF, True),
        (-INF, INF, False),
        (INF, 2.0, False),
        (2.0, INF, False),
        (NAN, NAN, True),
        (NAN, 1.0, False),
        (1.0, NAN, False),
        (INF, NAN, False),
    ],
)
def test_a_check_allows_for_rounding_alone(got, want, agree):
    program = identity()
    if agree:
        check_against(program, lambda x, y: [want], ([[got]],))
    else:
        with pytest.raises(ValueError, match=f"the program gives {got!r}, the scalar .* {want!r};"):
            check_against(program, lambda x, y: [want], ([[got]],))


def test_a_check_names_the_example():
    with pytest.raises(ValueError, match=r"^example 2: the program gives 3\.0"):
        check_against(identity(), lambda x, y: [min(x[0], 2.0)], ([[1.0], [2.0], [3.0]],))


def test_a_check_looks_at_every_output_and_every_target():
    x, y, w = [Value(0.5), Value(0.25)], [Value(1.0)], Value(2.0)
    outputs = [w * x[0] - y[0], ops.tanh(x[1]) * y[0]]
    examples = [[1.0, 2.0], [-1.0, 3.0], [0.0, 0.0]], [[0.5], [-2.0], [4.0]]
    assert lift(outputs, x, y, [w], check=examples).value(*examples).shape == (3, 2)
    assert lift(outputs[0], x, y, [w], check=examples).value(*examples).shape == (3,)
    calls = []

    def second_differs(x):
        calls.append(x)
        return [x[0], x[0] if len(calls) == 1 else 2.0 * x[0]]

    with pytest.raises(ValueError, match=r"example 0: the program gives 1\.0, .* 2\.0"):
        trace(second_differs, 1, check=([[1.0]],))


def test_a_check_of_a_function_with_now_more_now_fewer_outputs_fails():
    calls = []

    def growing(x):
        calls.append(x)
        return x * len(calls)

    with pytest.raises(ValueError, match="longer"):
        trace(growing, 1, check=([[1.0]],))


def test_a_check_is_made_in_double_precision():
    x, w = [Value(0.5), Value(-0.25)], Value(2.0)
    cost = ops.tanh(w * x[0]) * ops.exp(x[1])
    single = np.array([[0.1, 0.2], [0.3, -0.4]], dtype=np.float32)
    assert lift(cost, x, parameters=[w], check=(single,)) is not None


def test_a_check_on_no_example_finds_nothing():
    x, y = [Value(0.5)], [Value(0.25)]
    assert lift(x[0] - y[0], x, y, check=(np.empty((0, 1)), np.empty((0, 1)))) is not None


SMALL = {
    "batch": lambda: loops.demo_batch(3, hidden=2),
    "listed batch": lambda: loops.demo_batch(2, listed=True, hidden=2),
    "positions": lambda: loops.positions(2, 3),
    "attention": lambda: loops.attention(3, 4),
    "causal attention": lambda: loops.attention(3, 4, causal=True),
    "convolution": lambda: loops.convolution(6, 2, 2),
    "padded convolution": lambda: loops.convolution(4, 2, 2, padded=True),
    "recurrence": lambda: loops.recurrence(3, 2, 2),
    **{kind: partial(loops.gemm, 3, kind=kind) for kind in ("plain", "transposed", "chain")},
    "covariance": lambda: loops.covariance(3, 2),
    "jacobi": lambda: loops.jacobi(5),
    "jacobi_line": lambda: loops.jacobi_line(5),
    "fdtd": lambda: loops.fdtd(4),
    "gpt": lambda: loops.gpt(2, 4, 2, 5),
}


@pytest.mark.parametrize("kind", SMALL)
def test_terms_are_read_back_from_json_and_interpreted(kind):
    graph = SMALL[kind]()
    program = lift(graph.cost, graph.inputs, graph.targets, graph.parameters)
    data = json.loads(json.dumps(to_json([*program.terms.values()]), allow_nan=False))
    terms = dict(zip(program.terms, from_json(data), strict=True))
    order = topological_terms(terms.values())
    extents = [t.axis for t in order if isinstance(t, Extent)]
    examples = next(axis for axis in (*extents, *axes_of(order)) if axis.size is None)
    X = np.random.default_rng(0).normal(size=(2, len(graph.inputs)))
    costs, _ = program.value_and_grad(X)
    gradients = {f"∂C/∂{name}": g for name, g in program.gradients.items()}
    names = [name for name in terms if name in gradients]
    given = numbers(leaves_of(*terms.values()), program.parameters, X, None, examples)
    found = interpret([terms[name] for name in ("C", *names)], given, {examples: 2})
    cost, *slopes = [value.astype(float) for value in found]
    np.testing.assert_allclose(np.broadcast_to(cost, 2), costs, rtol=1e-12)
    for name, slope in zip(names, slopes, strict=True):
        want = np.sort(gradients[name].ravel())
        np.testing.assert_allclose(np.sort(slope.ravel()), want, rtol=1e-9, atol=1e-12)
