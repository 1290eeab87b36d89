"""Programs on terms, held against the engine."""

import gc
import pickle
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, strategies
from support.loop_nests import random_nest
from support.loops import SIZES, flat, positions
from support.random_graphs import random_graph

from microgradnet import MLP, Value, costs, operation, ops, tanh
from microgradnet.arithmetic import evaluate
from microgradnet.graph import topological_order
from microgradnet.lifting.analysis import recognise
from microgradnet.lifting.lifted import Program, check_against, lift
from microgradnet.lifting.nesting import flatten

SEEDS = strategies.integers(0, 2**32)


def close(got, want):
    scale = max(1.0, np.abs(want[np.isfinite(want)]).max(initial=0.0))
    return got.shape == want.shape and np.allclose(got, want, 1e-7, 1e-7 * scale, equal_nan=True)


def by_engine(cost, inputs, parameters, X, V):
    """Values and gradients of examples, node by node."""
    roots = [cost] if isinstance(cost, Value) else cost
    order = topological_order(roots)
    given = [x.data for x in inputs]
    values, gradient = [], np.zeros(len(parameters))
    for row, weights in zip(X.tolist(), V.tolist(), strict=True):
        for x, number in zip(inputs, row, strict=True):
            x.data = number
        for node in order:
            if node.op is not None:
                node.data = evaluate(node.op.forward, *[parent.data for parent in node.parents])
        values.append([float(root.data) for root in roots])
        for p in parameters:
            p.grad = 0
        sum((v * root for v, root in zip(weights, roots, strict=True)), Value(0.0)).backward()
        gradient += [float(p.grad) for p in parameters]
    for x, number in zip(inputs, given, strict=True):
        x.data = number
    found = np.array(values)
    return found[:, 0] if isinstance(cost, Value) else found, gradient


def agree(cost, inputs, parameters, seed):
    """Three examples by a program and by the engine; of several outputs with random adjoints."""
    rng = np.random.default_rng(seed)
    X = np.array([[float(x.data) for x in inputs]] * 3).reshape(3, len(inputs))
    X[1:] += rng.uniform(-0.05, 0.05, X[1:].shape)
    new = lift(cost, inputs, parameters=parameters)
    is_cost = isinstance(cost, Value)
    V = np.ones((3, 1)) if is_cost else rng.normal(size=(3, len(cost)))
    with np.errstate(all="ignore"):
        got = new.value_and_grad(X) if is_cost else new.vjp(X, V)
        want = by_engine(cost, inputs, flatten(parameters)[0], X, V)
        assert close(got[0], want[0])
        assert close(got[1], want[1])
        assert close(new.value(X), want[0])
    places = sum(array.size for array in new.gradients.values())
    assert places == len(new.parameters)
    return new


@given(SEEDS, strategies.integers(1, 25))
def test_random_graphs(seed, size):
    roots, inputs, parameters = random_graph(Random(seed), size)
    agree(roots[0] if len(roots) == 1 else roots, inputs, parameters, seed)


@given(SEEDS, strategies.integers(1, 7))
@example(1647482, 6)  # a constant array behind a mask
def test_random_loop_nests(seed, steps):
    nest = random_nest(Random(seed), steps)
    agree(nest.cost, nest.inputs, nest.parameters, 1)


@pytest.mark.parametrize("name", [name for name in SIZES if name != "gpt"])
def test_the_atlas(name):
    graph = SIZES[name][0]()
    program = agree(graph.cost, graph.inputs, graph.parameters, 2)
    assert max(len(equation.text) for equation in program.equations) <= 100


def network():
    model = MLP(2, [3, 2], activation="sigmoid", output_activation="sigmoid")
    forward, y = model.forward([0.5, -1.0]), [Value(1.0), Value(0.0)]
    return model, forward, y, costs.quadratic(forward.output, y)


X, Y = np.array([[0.5, -1.0], [0.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 0.5]])


def test_a_network_has_the_four_equations():
    model, forward, y, cost = network()
    program = lift(cost, forward.a[0], y, model.parameters())
    assert [equation.text for equation in program.equations] == [
        "z1 = W1 a0 + b1", "a1 = σ(z1)", "z2 = W2 a1 + b2", "a2 = σ(z2)", "C = ½ Σ (a2 − y)²",
        "δ2 = (a2 − y) ⊙ σ′(z2)", "δ1 = (W2ᵀ δ2) ⊙ σ′(z1)",
        "∂C/∂b2 = δ2", "∂C/∂W2 = δ2 a1ᵀ", "∂C/∂b1 = δ1", "∂C/∂W1 = δ1 a0ᵀ",
    ]  # fmt: skip
    by_name = {equation.left: equation for equation in program.equations}
    assert set(by_name["δ1"].uses) == {"W2", "δ2", "z1"}
    assert program.terms["δ2"] is by_name["δ2"].term
    assert by_name["∂C/∂W1"].shape == (3, 2)
    assert "z^{1}" in program._repr_latex_()
    assert repr(program) == "<Program of 11 equations, 17 parameters>"
    assert str(program).splitlines()[0] == "z1 = W1 a0 + b1          (3)"
    outputs = lift(forward.output, forward.a[0], parameters=model.parameters())
    assert "C" not in outputs.terms


def test_gradients_have_the_shapes_in_which_parameters_are_held():
    model, forward, y, cost = network()
    program = lift(cost, forward.a[0], y, model.parameters())
    with pytest.raises(RuntimeError, match="no gradient yet"):
        _ = program.gradients
    _, g = program.value_and_grad(X, Y)
    shapes = {name: array.shape for name, array in program.gradients.items()}
    assert shapes == {"W1": (3, 2), "b1": (3,), "W2": (2, 3), "b2": (2,)}
    assert program.gradients["b1"].tolist() == g[[2, 5, 8]].tolist()


def test_parameters_that_are_not_reached_are_there_with_gradient_0():
    graph = positions(3, 4)
    rows = [graph.parameters[k : k + 4] for k in range(0, 16, 4)]
    more = [Value(1.0), Value(2.0)]
    program = lift(graph.cost, graph.inputs, parameters=[rows, more])
    program.value_and_grad([[v.data for v in graph.inputs]])
    assert {name: a.shape for name, a in program.gradients.items()} == {"W1": (4, 4), "θ": (2,)}
    program = lift(graph.cost, graph.inputs, parameters=[*graph.parameters, *more])
    program.value_and_grad([[v.data for v in graph.inputs]])
    assert {name: a.shape for name, a in program.gradients.items()} == {"W1": (4, 4), "θ": (2,)}
    assert program.gradients["θ"].tolist() == [0.0, 0.0]
    program = lift(
        graph.cost, graph.inputs, parameters=[[rows], [[more], [more[:0] or [Value(3.0)]]]]
    )
    assert set(program._arrays) == {"W1", "θ", "θ1"}


def test_a_pickled_program_computes_the_same():
    model, forward, y, cost = network()
    program = lift(cost, forward.a[0], y, model.parameters())
    again = pickle.loads(pickle.dumps(program))
    for a, b in zip(program.value_and_grad(X, Y), again.value_and_grad(X, Y), strict=True):
        assert (a == b).all()
    assert again.terms.keys() == program.terms.keys()


def test_what_is_kept_between_calls_is_not_seen():
    model, forward, y, cost = network()
    program = lift(cost, forward.a[0], y, model.parameters())
    first, g = program.value_and_grad(X, Y)
    kept, kept_g = first.copy(), g.copy()
    second, other = program.value_and_grad(X[::-1].copy(), Y[::-1].copy())
    assert (first == kept).all()
    assert (g == kept_g).all()
    assert np.allclose(second, kept[::-1])
    assert np.allclose(other, g)
    out = np.empty(17)
    for _ in range(3):
        _, given_out = program.value_and_grad(X, Y, out=out)
        assert given_out is out
        assert np.allclose(out, g)
    program.value_and_grad(X.tolist(), Y.tolist(), out=out)
    wide = np.empty(34)
    for _ in range(2):
        assert program.value_and_grad(X, Y, out=wide[::2])[1].base is wide
        assert np.allclose(wide[::2], g)
        assert np.allclose(program.gradients["b1"], g[[2, 5, 8]])
    program.value_and_grad(X[:1], Y[:1], out=out)
    program.parameters -= 0.1 * g
    moved = program.value(X, Y)
    assert not np.allclose(moved, kept)
    program.write_parameters()
    assert model.parameters()[0].data == program.parameters[0]
    program.parameters = np.zeros(17)
    assert not np.allclose(program.value(X, Y), moved)
    program.read_parameters()
    assert np.allclose(program.value(X, Y), moved)
    for wrong, words in ((np.zeros(16), "parameters has shape"), (np.zeros((17, 1)), "not")):
        with pytest.raises(ValueError, match=words):
            program.parameters = wrong


def test_examples_of_wrong_shapes_are_refused():
    model, forward, y, cost = network()
    program = lift(cost, forward.a[0], y, model.parameters())
    for x, t, words in [
        (X[0], Y, "X has shape"), (X[:, :1], Y, "X has shape"), (X, None, "Y is missing"),
        (X, Y[:1], "a row for each example"), (X, Y[:, 0], "a row for each example"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            program.value(x, t)
    with pytest.raises(TypeError, match="has a cost"):
        program.vjp(X, Y, Y)
    with pytest.raises(ValueError, match="out is float64 of shape"):
        program.value_and_grad(X, Y, out=np.empty(3))
    outputs = lift(forward.output, forward.a[0], parameters=model.parameters())
    with pytest.raises(TypeError, match="has outputs and no cost"):
        outputs.value_and_grad(X)
    with pytest.raises(ValueError, match="V has shape"):
        outputs.vjp(X, Y[:1])
    with pytest.raises(ValueError, match="has no targets"):
        outputs.value(X, Y)
    one = lift((forward.output[0] - y[0]) ** 2, forward.a[0], y[:1], model.parameters())
    with pytest.raises(ValueError, match=r"write Y\[:, None\]"):
        one.value(X, Y[:, 0])
    assert one.value(X.astype(np.int64), Y[:, :1]).dtype == np.float64


def test_an_input_may_be_a_target_too():
    x, w = [Value(0.5), Value(0.25)], [Value(2.0), Value(3.0)]
    cost = sum((tanh(u * v) - v) ** 2 for u, v in zip(w, x, strict=True))
    program = lift(cost, x, x, w)
    assert np.allclose(program.value(X), program.value(X, X))
    with pytest.raises(ValueError, match=r"columns \[0, 1\] of Y are inputs too"):
        program.value(X, X + 1)
    part = lift(cost, x, [*x[:1], Value(0.0)], w)
    with pytest.raises(ValueError, match="Y is missing"):
        part.value(X)


def test_check_computes_the_graph_anew():
    w, x = Value(2.0), Value(3.0)
    product = w * x
    program = lift(tanh(product), [x], parameters=[w], check=([[0.5], [1.0]],))
    assert program.value([[0.5]]) == np.tanh(1.0)
    with pytest.raises(TypeError, match="check is the examples"):
        lift(product, [x], parameters=[w], check=[[1.0]])
    with pytest.raises(ValueError, match="example 1: the program gives"):
        check_against(program, lambda x, y: [np.tanh(2 * x[0]) + (x[0] > 0.7)], ([[0.5], [1.0]],))
    nan = lift(ops.log(w * x), [x], parameters=[w], check=([[-1.0]], None))
    with np.errstate(invalid="ignore"):
        assert np.isnan(nan.value([[-1.0]]))


def test_labels_are_no_code():
    w = [Value(0.5, label=f"__import__('os')[{k}]") for k in range(2)]
    x = [Value(0.5), Value(0.25)]
    program = lift(sum(tanh(u * v) for u, v in zip(w, x, strict=True)), x, parameters=w)
    assert "__import__('os')" not in program.source
    keyword = lift(tanh(w[0] * x[0]) ** 2 + x[1], x, parameters={"class": w[0], "1x": w[1]})
    keyword.value_and_grad(X)
    assert set(keyword.gradients) == {"class", "1x"}


@pytest.mark.parametrize("word", ["w" * 30, "w" * 31])
def test_long_labels_are_no_names(word):
    w, x = [Value(0.5, label=f"{word}[{k}]") for k in range(2)], [Value(0.5), Value(0.25)]
    of_two = lift(tanh(w[0] * x[0] + w[1] * x[1]), x, parameters=w)
    of_one = lift(tanh(Value(0.5, label=word) * x[0]), x[:1])
    named = len(word) <= 30
    of_two.value_and_grad([[0.5, 0.25]])
    assert (word in of_two.gradients) == named
    assert (word in str(of_one)) == named


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((3.0,), TypeError, "cost is 3.0"),
        ((MLP(1, [1]),), TypeError, "which is what it gives when it is called"),
        (([],), ValueError, "nothing to lift"),
        ((Value(1.0), Value(2.0)), TypeError, "inputs is one Value"),
        ((Value(1.0), MLP(1, [1])), TypeError, r"write model.parameters\(\)"),
        ((Value(1.0), 3), TypeError, "inputs is 3, not a list of Values$"),
        ((Value(1.0), [[Value(2.0)]]), TypeError, "list row after row"),
        ((Value(1.0), ["x"]), TypeError, "inputs: entry 0 is 'x', not a Value$"),
        ((Value(1.0), [Value(1.0) * 2]), ValueError, "is computed from other nodes"),
        ((Value(1.0), [], [(x := Value(1.0)), x]), ValueError, "entries 0 and 1 are the same"),
        ((Value(1.0), [(w := Value(1.0))], [], [w]), ValueError, "one of the parameters too"),
    ],
)
def test_what_cannot_be_lifted_is_refused_with_the_way_out(arguments, error, words):
    with pytest.raises(error, match=words):
        lift(*arguments)


def test_leaves_and_constants_as_costs():
    w, x = Value(0.5), Value(2.0)
    assert lift(x, [x]).value([[3.0], [4.0]]).tolist() == [3.0, 4.0]
    costs_of, g = lift(w, [x], parameters=[w]).value_and_grad([[3.0], [4.0]])
    assert (costs_of.tolist(), g.tolist()) == ([0.5, 0.5], [2.0])
    empty = lift([x, Value(3.0)], [x])
    assert empty.value([[1.0]]).tolist() == [[1.0, 3.0]]
    assert str(lift([x], [x])).startswith("No equations")


def test_recognise_has_the_nodes_of_every_entry():
    model, forward, y, cost = network()
    found = recognise(cost, iter(forward.a[0]), y, model.parameters())
    for l in (1, 2):
        assert found.variables[f"z{l}"].nodes == tuple(forward.z[l])
        assert found.variables[f"a{l}"].nodes == tuple(forward.a[l])
    assert found.variables["a0"].nodes == tuple(forward.a[0])
    assert found.variables["W1"].kind == "parameter"
    assert found.variables["C"].nodes == (cost,)
    assert [e.left for e in found.equations][:2] == ["z1", "a1"]
    graph = SIZES["causal attention"][0]()
    ragged = recognise(graph.cost, graph.inputs, [], graph.parameters).variables["A"]
    assert ragged.nodes.count(None) == 2 * 6


def test_names_collide_with_nothing():
    V, C = [Value(0.1), Value(0.2)], [[Value(0.3), Value(0.4)], [Value(0.5), Value(0.6)]]
    x = [Value(1.0), Value(2.0)]
    z = [tanh(row[0] * x[0] + row[1] * x[1] + b) for row, b in zip(C, V, strict=True)]
    program = agree(sum(v * v for v in z), x, {"z1": C, "C": V}, 3)
    lefts = [equation.left for equation in program.equations]
    assert len(set(lefts)) == len(lefts)
    assert {a.shape for a in program.gradients.values()} == {(2, 2), (2,)}
    assert list(program.gradients) == ["z1", "C"]
    assert all(a.part <= b.part or a.part == "forward" for a, b in pairwise(program.equations[:3]))
    assert flat(C)[0] is C[0][0]


def test_the_collector_stays_as_it_was():
    w, x = Value(0.5), Value(2.0)
    gc.disable()
    try:
        lift(w * x, [x], parameters=[w])
        assert not gc.isenabled()
    finally:
        gc.enable()
    lift(w * x, [x], parameters=[w])
    assert gc.isenabled()


def test_outputs_are_differentiated_array_by_array():
    model, forward, _, _ = network()
    a = forward.output
    program = agree([a[1], a[0], a[1], a[1]], forward.a[0], model.parameters(), 4)
    assert "δ2" in program.terms
    both = agree([*a, *forward.a[1]], forward.a[0], model.parameters(), 5)
    assert {"δ2 = V[1…2] ⊙ σ′(z2)", "∂C/∂b2 = δ2"} <= {e.text for e in both.equations}


def test_targets_that_are_numbers_leave_the_weighted_inputs_alone():
    model = MLP(2, [3, 2], activation="tanh")
    forward = model.forward([0.5, -1.0])
    program = lift(costs.quadratic(forward.output, [0, 1]), forward.a[0], [], model.parameters())
    texts = [equation.text for equation in program.equations]
    assert texts[2] == "z2 = W2 a1 + b2"
    assert "∂C/∂W2 = δ2 a1ᵀ" in texts
    batch = [([0.0, 0.0], 0.0), ([0.0, 1.0], 1.0), ([1.0, 0.0], 1.0), ([1.0, 1.0], 0.0)]
    model = MLP(2, [2, 1], activation="tanh")
    cost = sum((model(x) - y) ** 2 for x, y in batch)
    program = agree(cost, [], model.parameters(), 6)
    assert 4 in [axis.size for axis in program.terms["z2"].axes]
    assert program.gradients["W1"].shape == (2, 2)


def test_shared_biases_are_summed_over_their_uses():
    b, x = [Value(0.1), Value(0.2)], [Value(v) for v in (0.3, 0.4, 0.5, 0.6)]
    program = agree(sum(3 * tanh(x[i] + b[i % 2]) for i in range(4)), x, b, 7)
    assert program.gradients["θ"].shape == (2,)


def test_what_is_written_is_written_when_it_is_asked_for():
    model, forward, y, cost = network()
    program = lift(cost, forward.a[0], y, model.parameters())
    assert not {"equations", "source", "_functions"} & program.__dict__.keys()
    program.value(X, Y)
    assert "equations" not in program.__dict__
    assert program.source is program.source


@pytest.mark.parametrize("which", ["value", "rule"])
def test_what_cannot_be_written_is_refused_at_once(which):
    def slope_vjp(m, g, y, x):
        return (g if which == "value" or x > 0 else -g,)

    @operation(slope_vjp)
    def steep(m, x):
        """Its operand, but for its sign."""
        return x if which == "rule" or x > 0 else -x

    w, x = Value(0.5), Value(2.0)
    with pytest.raises(TypeError, match="steep cannot be lifted: it branches"):
        lift(steep(w * x) + steep(x), [x], parameters=[w])
    if which == "rule":  # that nothing asks for
        assert lift(steep(w * x), [x], parameters=[]).value([[3.0]]) == 1.5


def unstructured(nodes):
    """A graph in which nothing is like anything: each node on two random ones before it."""
    rng = Random(0)
    x, w = ([Value(rng.uniform(-1, 1)) for _ in range(n)] for n in (5, 10))
    pool = x + w
    for _ in range(nodes):
        u, v = rng.choice(pool), rng.choice(pool)
        pool.append(rng.choice([u * v, tanh(u), ops.sigmoid(v), 0.5 * (u - v), u + 0.1 * v]))
    return tanh(sum(pool[nodes // 2 :])), x, w


def test_graphs_without_arrays_are_tables():
    cost, x, w = unstructured(120)
    program = agree(cost, x, w, 8)
    assert "GRADIENT = " in program.source
    assert sum(a.size for a in program.gradients.values()) == len(w)
    again = pickle.loads(pickle.dumps(program))
    for a, b in zip(
        program.value_and_grad([[0.5] * 5]), again.value_and_grad([[0.5] * 5]), strict=True
    ):
        assert (a == b).all()
    small, x, w = unstructured(12)
    assert "GRADIENT = " not in lift(small, x, parameters=w).source
    deep = [Value(0.1)]
    for _ in range(60):  # many arrays of several numbers each
        deep = [tanh(a + v) for a, v in zip(deep * 5, w[:5], strict=False)][:5]
    assert "GRADIENT = " not in lift(sum(deep), parameters=w).source


def test_inputs_without_order_are_an_array_of_their_own():
    x, w = [Value(0.1 * k) for k in range(6)], [Value(0.5), Value(0.25), Value(-1.0)]
    cost = sum(ops.sin(v * x[k]) for v, k in zip(w, (0, 1, 3), strict=True)) + tanh(x[5])
    program = agree(cost, x, w, 9)
    assert "C = Σ_i sin(θ[i] a0[k1[i]]) + tanh(a0[6])" in str(program)


OUTPUTS_OF_RELEASE_0_1 = '''"""Found in a scalar graph of 4 nodes."""

import numpy as np


@np.errstate(all="ignore")
def value(p, X, Y=None):
    """The outputs for each example: rows of X, targets in Y, parameters p."""
    a0, m = X, len(X)
    return a0 * p[[1, 0]]


@np.errstate(all="ignore")
def vjp(p, X, V, Y=None, g=None):
    """The outputs, and g, the gradient by p of the sum of V × outputs."""
    g = np.zeros_like(p) if g is None else g
    a0, m = X, len(X)
    g[[1, 0]] = (V * a0).sum(axis=0)
    return a0 * p[[1, 0]], g
'''


def test_outputs_that_release_0_1_pickled_are_read():
    # A cost, and arrays that are parts of the flat vector, are in the golden file of pickles.
    x, w = [Value(0.5), Value(-1.0)], [Value(2.0), Value(3.0)]
    now = lift([x[0] * w[1], x[1] * w[0]], x, (), w)
    old = now.__getstate__() | {"source": OUTPUTS_OF_RELEASE_0_1, "equations": ()}
    old |= {"_named": [], "_scattered": {"θ1": np.array([1, 0])}}
    del old["_arrays"]
    read = Program.__new__(Program)
    read.__setstate__(old)
    X, V = [[0.5, -1.0], [2.0, 4.0]], [[1.0, 2.0], [0.0, 1.0]]
    for wanted, got in zip(now.vjp(X, V), read.vjp(X, V), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-15)
    np.testing.assert_array_equal(read.value(X), now.value(X))
    assert read.gradients["θ1"].tolist() == read.vjp(X, V)[1][[1, 0]].tolist()
    again = pickle.loads(pickle.dumps(read))
    assert again.terms == {} and again.value(X).tolist() == now.value(X).tolist()
