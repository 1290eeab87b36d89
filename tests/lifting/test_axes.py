"""Axes found in graphs by bare loops: the terms are the graph's, and as many at every size."""

from random import Random

import pytest
from hypothesis import given, strategies
from support.loop_nests import random_nest
from support.loops import SIZES, fdtd, flat, gpt, jacobi, jacobi_line, total
from support.random_graphs import random_graph
from support.term_oracle import agree

from microgradnet import Value, exp, ops, relu, tanh
from microgradnet.lifting.assembly import assemble
from microgradnet.lifting.terms import Constant, Map, Scan, Take, Term, topological_terms

SEEDS = strategies.integers(0, 2**32)


@given(SEEDS, strategies.integers(0, 30))
def test_random_graphs(seed, size):
    roots, inputs, parameters = random_graph(Random(seed), size)
    agree(roots, inputs, [], parameters)


@given(SEEDS, strategies.integers(1, 8))
def test_random_loop_nests(seed, steps):
    nest = random_nest(Random(seed), steps)
    agree([nest.cost], nest.inputs, [], nest.parameters)


@pytest.mark.parametrize("name", SIZES)
def test_the_atlas_agrees_with_the_engine(name):
    graph = SIZES[name][0]()
    agree([graph.cost], graph.inputs, graph.targets, graph.parameters)


def tables(roots: list[Term]) -> list[Term]:
    """What is read at computed places."""
    return [
        term
        for term in topological_terms(roots)
        if isinstance(term, Take) and isinstance(term.index, Term)
    ]


def kinds(roots: list[Term]) -> list[str]:
    return sorted(type(term).__name__ for term in topological_terms(roots))


def test_as_many_terms_for_two_texts_and_no_tables_but_of_tokens():
    small, large = (
        assemble([g.cost], g.inputs, g.targets, g.parameters).roots
        for g in (build() for build in SIZES["gpt"])
    )
    assert kinds(small) == kinds(large)
    assert len(tables(large)) == 2
    assert all(isinstance(term.index, Constant) for term in tables(large))


def test_arrays_say_which_nodes_their_entries_are():
    graph = SIZES["causal attention"][0]()
    found = agree([graph.cost], graph.inputs, [], graph.parameters)
    exponentials = next(
        (term, grid) for term, _, grid in found.arrays
        if grid.max() >= 0 and found.atoms.nodes[grid.max()].op is ops.exp
    )  # fmt: skip
    term, grid = exponentials
    assert {axis.size for axis in term.axes} == {None, 2, 4}
    assert (grid >= 0).sum() == 2 * (4 * 5) // 2
    assert all(found.atoms.nodes[k].op is ops.exp for k in grid[grid >= 0].tolist())


def test_names_and_shapes_come_from_how_parameters_are_nested():
    graph = gpt(3)
    walk = iter(graph.parameters)

    def take(*sizes):
        return [take(*sizes[1:]) for _ in range(sizes[0])] if sizes else next(walk)

    shapes = {"wte": (27, 16), "wpe": (16, 16), "head": (27, 16), "wq": (16, 16), "wk": (16, 16),
              "wv": (16, 16), "wo": (16, 16), "up": (64, 16), "down": (16, 64)}  # fmt: skip
    found = agree([graph.cost], parameters={name: take(*shape) for name, shape in shapes.items()})
    leaves = {t.name: t.places for t in topological_terms(found.roots) if hasattr(t, "places")}
    assert {name: places.size for name, places in leaves.items()} == {
        name: shape[0] * shape[1] for name, shape in shapes.items()
    }
    assert leaves["wte"].shape == (27, 16)
    assert leaves["wq"].shape == (4, 4, 16)  # the heads
    assert (leaves["wte"] == [[*range(16 * k, 16 * k + 16)] for k in range(27)]).all()


def values(*numbers: float) -> list[Value]:
    return [Value(x) for x in numbers]


def test_shared_biases_are_summed_over_their_uses():
    b, x = values(0.1, 0.2), values(0.3, 0.4, 0.5, 0.6)
    cost = sum(3 * tanh(x[i] + b[i % 2]) for i in range(4))
    agree([cost], x, [], b)


@pytest.mark.parametrize("shuffle", range(4))
def test_parameters_in_any_order_and_loops_in_any_order(shuffle):
    rng = Random(shuffle)
    W = [[Value(rng.gauss(0, 1)) for _ in range(3)] for _ in range(4)]
    x = [[Value(rng.gauss(0, 1)) for _ in range(3)] for _ in range(5)]
    order = [(n, j) for n in range(5) for j in range(4)]
    rng.shuffle(order)
    cost = 0.0
    for n, j in order:
        terms = [W[j][k] * x[n][k] if rng.random() < 0.5 else x[n][k] * W[j][k] for k in range(3)]
        rng.shuffle(terms)
        cost = cost + tanh(sum(terms)) ** 2
    parameters = flat(W)
    rng.shuffle(parameters)
    found = agree([cost], flat(x), [], parameters)
    assert tables(found.roots) == []
    assert len(found.arrays) == 4


def test_outputs_leaves_and_constants_as_roots():
    w, x = values(0.5, 2.0)
    agree([w * x, tanh(w * x), w, x, Value(3.0), Value(2.0) * 3.0], [x], [], [w])
    a = values(0.1, 0.2, 0.3)
    agree([tanh(v) for v in a], a)


def test_sparse_sums_are_right():
    rng = Random(0)
    x = values(*[rng.gauss(0, 1) for _ in range(40)])
    w = values(*[rng.gauss(0, 1) for _ in range(300)])
    rows, k = [], iter(w)
    for i in range(80):
        chosen = rng.sample(x, 20 if i in (0, 7, 14) else 2)
        rows.append(tanh(sum(u * next(k) for u in chosen)) if i < 75 else x[0])
    agree([sum(r * r for r in rows)], x, [], w, gradients=False)
    one = sum(rng.choice(x) * rng.choice(w) for _ in range(100))
    agree([one], x, [], w, gradients=False)


def test_softmaxes_and_log_sum_exps_of_unequal_lengths():
    rng = Random(1)
    x = [values(*[rng.gauss(0, 1) for _ in range(n)]) for n in (1, 2, 4, 3)]
    z = [[tanh(v) for v in row] for row in x]
    agree([sum(ops.log_sum_exp(*row) ** 2 for row in z)], [], [], flat(x))
    agree([sum(p * p for row in z for p in ops.softmax(row))], [], [], flat(x))
    agree([ops.softmax([x[0][0], x[0][0]])[0] * x[0][0]], [], [], flat(x))
    agree([ops.log_sum_exp(x[0][0])], [], [], flat(x))
    agree([ops.softmax([x[0][0]])[0]], [], [], flat(x))


def test_masks_that_no_conditions_describe():
    a = [values(0.1 * i, 0.2, 0.3 - i, 0.4) for i in range(4)]
    spots = [(0, 0), (0, 3), (1, 1), (2, 0), (2, 2), (3, 3), (3, 0), (1, 2)]
    e = {at: exp(a[at[0]][at[1]]) for at in spots}
    norm = [sum(v for at, v in e.items() if at[0] == i) for i in range(4)]
    cost = sum(relu(v / norm[at[0]] - 0.1) + ops.log(v + norm[at[0]]) for at, v in e.items())
    agree([cost], [], [], flat(a))


@pytest.mark.parametrize("seed", [8, 9, 27, 54, 75, 221, 249, 578])
def test_loop_nests_with_every_kind_of_surprise(seed):
    rng = Random(seed)
    nest = random_nest(rng, rng.randint(1, 8))
    agree([nest.cost], nest.inputs, [], nest.parameters)


def test_a_softmax_beside_what_it_is_not_of():
    rng = Random(260)
    roots, inputs, parameters = random_graph(rng, rng.randint(0, 30))
    agree(roots, inputs, [], parameters)
    x = [values(0.1 * i, 0.2, 0.7 - i) for i in range(4)]
    shares = [
        ops.softmax([tanh(v) for v in row])[k] for row, k in zip(x, (0, 2, 1, 1), strict=True)
    ]
    agree([sum(p * p for p in shares)], [], [], flat(x))


def test_loops_with_a_readout_at_each_step():
    rng = Random(2)
    W, V = ([[Value(rng.gauss(0, 0.5)) for _ in range(3)] for _ in range(3)] for _ in range(2))
    x = [values(*[rng.gauss(0, 1) for _ in range(3)]) for _ in range(7)]
    h, cost = values(0.1, 0.2, 0.3), 0.0
    for row in x:
        h = [
            tanh(sum(w * a for w, a in zip(ws, h, strict=True)) + u)
            for ws, u in zip(W, row, strict=True)
        ]
        y = [relu(sum(v * a for v, a in zip(vs, h, strict=True))) for vs in V]
        cost = cost + sum(v * v for v in y)
    found = agree([cost], flat(x), [], flat([W, V]))
    scans = {term for term in topological_terms(found.roots) if isinstance(term, Scan)}
    assert {(scan.axis.size, len(scan.states)) for scan in scans} == {(6, 1)}
    assert not any(isinstance(t, Map) and t.function is ops.relu for s in scans for t in s.operands)


def test_loops_without_anything_new_at_each_step():
    w, s = Value(0.3), [Value(0.5), Value(0.7)]
    for _ in range(6):
        s = [tanh(w * s[0] + s[1]), tanh(s[0] - w * s[1])]
    agree([s[0] * s[1]], [], [], [w])
    layers = [values(0.1, 0.2) for _ in range(6)]
    for u, v in layers:
        s = [tanh(u * s[0] + s[1]), tanh(s[0] - v * s[1])]
    roots = agree([s[0] * s[1]], [], [], [w, *flat(layers)]).roots
    scans = {term for term in topological_terms(roots) if isinstance(term, Scan)}
    assert len({scan.states for scan in scans}) == 1  # none of layers with weights of their own


def test_sums_of_very_unequal_lengths_are_scattered():
    rng = Random(0)
    x = values(*[rng.gauss(0, 1) for _ in range(60)])
    w = iter(all_w := values(*[rng.gauss(0, 0.1) for _ in range(3000)]))
    rows = [tanh(sum(next(w) * rng.choice(x) for _ in range(n))) for n in [1500, *[2] * 300]]
    agree([sum(r * r for r in rows)], x, [], all_w, gradients=False)


def test_named_arrays_beside_what_has_no_name():
    a, b, rest = values(0.1, 0.2), [values(0.3, 0.4), values(0.5, 0.6)], values(*[0.1] * 9)
    z = [tanh(b[i][0] * a[0] + b[i][1] * a[1] + rest[2 + 3 * i]) for i in range(2)]
    cost = sum(v * v for v in z) + sum(p * p for p in [*a, *flat(b)])
    for k, leaf in enumerate(a):
        leaf.label = f"a[{k}]"
    for i, k in ((0, 0), (0, 1), (1, 0), (1, 1)):
        b[i][k].label = f"b[{i}][{k}]"
    found = agree([cost], [], [], [*rest[:4], *a, *rest[4:], *flat(b)])
    names = {t.name for t in topological_terms(found.roots) if hasattr(t, "places")}
    assert {"a", "b"} <= names
    mixed = [relu(p) for p in (*a, *flat(b))]  # one operation on entries of both
    agree([sum(v * v for v in mixed)], parameters={"a": a, "b": b})


def test_many_candidates_and_long_windows():
    rng = Random(4)
    arrays = {f"p{m}": values(*[rng.gauss(0, 1) for _ in range(4)]) for m in range(10)}
    walks = [[rng.randrange(4) for _ in range(12)] for _ in arrays]
    rows = [
        tanh(sum(p[k[e]] for p, k in zip(arrays.values(), walks, strict=True))) for e in range(12)
    ]
    agree([sum(r * r for r in rows)], parameters=arrays)
    x, w = values(*[rng.gauss(0, 1) for _ in range(80)]), values(*[0.01 * k for k in range(70)])
    out = [tanh(sum(w[t] * x[i + t] for t in range(70))) for i in range(11)]
    found = agree([sum(v * v for v in out)], x, [], w)
    assert tables(found.roots) == []


def test_taps_of_which_not_all_combinations_are_there():
    rng = Random(5)
    x = [values(*[rng.gauss(0, 1) for _ in range(6)]) for _ in range(6)]
    diagonal = values(0.1, -0.4, 0.3, 0.8)  # the taps (0, 0), (1, 1), (2, 2), (3, 3)
    out = [
        tanh(sum(diagonal[t] * x[i + t][j + t] for t in range(4)))
        for i in range(3)
        for j in range(3)
    ]
    agree([sum(v * v for v in out)], flat(x), [], diagonal)
    less = [
        tanh(sum(diagonal[t] * x[i + t][j] for t in range(3))) for i in range(3) for j in range(6)
    ]
    agree([sum(v * v for v in less) + diagonal[3] * less[0]], flat(x), [], diagonal)


def test_an_array_read_both_ways():
    rng = Random(6)
    A = [values(*[rng.gauss(0, 1) for _ in range(4)]) for _ in range(4)]
    x = values(*[rng.gauss(0, 1) for _ in range(4)])
    t = [x[i] + sum(A[i][j] * x[j] for j in range(4)) for i in range(4)]
    y = [t[j] + sum(A[i][j] * tanh(t[i]) for i in range(4)) for j in range(4)]
    found = agree([sum(v * v for v in y)], x, [], flat(A))
    assert tables(found.roots) == []


def test_ragged_operations_with_numbers_and_with_what_is_there_once():
    u, w = values(0.1, -0.3, 0.5, 0.7), values(0.2, 0.9, -0.4, 0.3)
    a = [[tanh(p * q) for q in w] for p in u]
    top = tanh(u[0] + w[2])
    rows = [[ops.maximum(exp(a[i][j]), 0.9) - ops.maximum(a[i][j], top) for j in range(i + 1)]
            for i in range(4)]  # fmt: skip
    agree([sum(v * v for v in flat(rows))], [], [], [*u, *w])


def test_taps_in_the_form_of_a_cross():
    rng = Random(7)
    x = [values(*[rng.gauss(0, 1) for _ in range(8)]) for _ in range(8)]
    taps = [*[(k, 2) for k in range(5)], *[(2, k) for k in (0, 1, 3, 4)]]
    w = values(*[rng.gauss(0, 1) for _ in taps])
    out = [
        tanh(sum(w[t] * x[i + u][j + v] for t, (u, v) in enumerate(taps)))
        for i in range(4)
        for j in range(4)
    ]
    agree([sum(v * v for v in out)], flat(x), [], w)


def test_a_tap_that_no_window_reads():
    rng = Random(8)
    x, w = (
        [values(*[rng.gauss(0, 1) for _ in range(6)]) for _ in range(6)],
        values(0.1, 0.2, 0.3, 0.4),
    )
    out = [tanh(sum(w[t] * x[i + t][j + t] for t in range(3))) for i in range(4) for j in range(4)]
    agree([sum(v * v for v in out)], flat(x), [], {"w": w[:3] + w[3:]})


def test_zeros_that_pad_are_no_terms_and_zeros_among_data_are_numbers():
    rng = Random(9)
    w = [values(*[rng.gauss(0, 1) for _ in range(3)]) for _ in range(2)]
    x = values(*[rng.gauss(0, 1) for _ in range(6)])
    padded = [0.0, *x, 0.0]
    out = [tanh(sum(f[t] * padded[i + t] for t in range(3))) for f in w for i in range(6)]
    found = agree([sum(v * v for v in out)], x, [], flat(w))
    assert len(found.arrays) == 3
    assert tables(found.roots) == []
    data = [[0.0, 0.0], [0.0, 1.0], [2.0, 0.0]]
    u = [values(*[rng.gauss(0, 1) for _ in range(2)]) for _ in range(4)]
    out = [tanh(sum(p * v for p, v in zip(row, x, strict=True))) for x in data for row in u]
    assert len(agree([sum(v * v for v in out)], [], [], flat(u)).arrays) == 3


def test_sparse_sums_beside_products_with_axes():
    rng = Random(10)
    u, v = ([tanh(p) for p in values(*[0.1 * k for k in range(8)])] for _ in range(2))
    x = values(*[rng.gauss(0, 1) for _ in range(30)])
    w = iter(all_w := values(*[rng.gauss(0, 0.1) for _ in range(800)]))
    rows = [
        tanh(p * q + sum(next(w) * rng.choice(x) for _ in range(600 if i == j == 3 else 2)))
        for i, p in enumerate(u)
        for j, q in enumerate(v)
    ]
    leaves = [t.parents[0] for t in (*u, *v)]
    agree([sum(r * r for r in rows)], x, [], [*leaves, *all_w], gradients=False)


GRIDS = {"jacobi": jacobi, "jacobi_line": jacobi_line, "fdtd": fdtd}


@pytest.mark.parametrize("name", GRIDS)
def test_borders_that_stay_belong_to_the_grid(name):
    grid = GRIDS[name]
    for steps in (1, 2):
        graph = grid(5, steps)
        agree([graph.cost], [], [], graph.parameters)
    small, large, long = (
        assemble([g.cost], [], [], g.parameters).roots for g in (grid(6, 5), grid(9, 5), grid(6, 8))
    )
    assert kinds(small) == kinds(large) == kinds(long)
    assert tables(long) == []
    assert "Scan" in kinds(long)
    graph = grid(6, 5)
    agree([graph.cost], [], [], graph.parameters, gradients=name != "jacobi")


def test_the_border_may_be_an_array_of_its_own():
    edge, a = values(0.3, -0.7), values(*[0.1 * k * k for k in range(6)])
    leaves = [*edge, *a]
    for _ in range(4):
        row = [edge[0], *a, edge[1]]
        a = [tanh(0.5 * (row[i - 1] - row[i] + row[i + 1])) for i in range(1, 7)]
    agree([sum(v * v for v in a)], parameters={"edge": edge, "a": leaves[2:]})
    agree([sum(v * v for v in a)], edge, [], leaves[2:])


def test_leaves_beside_what_is_computed_that_are_no_border():
    u, b = values(*[0.1 * k for k in range(1, 7)]), values(0.2, -0.5, 0.9)
    a = [tanh(v) for v in u]
    uneven = [a[0] + b[0], a[1] + a[2] + b[1] + b[2], a[3] + a[4], a[5] + b[0]]
    agree([sum(exp(v) for v in uneven)], [], [], [*u, *b])
    apart = [a[0] + b[0], a[5] + a[2], a[3] + b[2], a[1] + a[0]]
    agree([sum(exp(v) for v in apart)], [], [], [*u, *b])
    grid = [[tanh(p * q) for q in u] for p in b]
    mixed = [grid[i][j] + (grid[i][j + 1] if j < 5 else b[i]) for i in range(3) for j in range(6)]
    agree([sum(exp(v) for v in mixed)], [], [], [*u, *b])
    two = [a[k] + (exp(u[k]) if k < 5 else b[0]) for k in range(6)]
    agree([total([exp(v) for v in two])], [], [], [*u, *b])
    sparse = [grid[k % 3][k % 6] + (b[k % 3] if k % 2 else grid[0][k % 6]) for k in range(6)]
    agree([sum(exp(v) for v in sparse)], [], [], [*u, *b])
    g, w = values(*[0.1 * k * k for k in range(8)]), values(0.4, -0.3)
    row = [g[0], *[tanh(0.5 * (g[k] + g[k + 1] + g[k - 1])) for k in range(1, 7)], g[7]]
    twice = [row[k] + row[k + 2] + c * row[k + 1] for c in w for k in range(6)]
    agree([sum(exp(v) for v in twice)], [], [], [*g, *w])
