"""Every printed equation is true as it stands: its text is evaluated, and held to the engine."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from support.loops import SIZES, flat, total
from support.printed import check_printed

from microgradnet import MLP, Value, costs, ops


@pytest.mark.parametrize("name", [name for name in SIZES if name != "gpt"])
def test_loops(name):
    graph = SIZES[name][0]()
    check_printed(graph.cost, graph.inputs, [], graph.parameters)


@pytest.mark.parametrize("sizes", [(2, 3, 2), (2, 3, 1), (1, 1, 1), (3, 1, 2), (1, 2)])
@pytest.mark.parametrize("penalty", [False, True])
def test_networks(sizes, penalty):
    model = MLP(sizes[0], sizes[1:], activation="tanh", output_activation="sigmoid")
    forward = model.forward([0.3 * k - 0.5 for k in range(sizes[0])])
    y = [Value(0.25 * k) for k in range(sizes[-1])]
    cost = costs.quadratic(forward.a[-1], y)
    if penalty:
        cost = cost + 0.01 * sum((p * p for p in model.parameters()), Value(0.0))
    check_printed(cost, forward.a[0], y, model.parameters(), readable=1.0)


def test_an_attention_by_softmax():
    n, d = 3, 2
    numbers = iter(np.random.default_rng(0).normal(size=100).tolist())

    def matrix(rows, columns):
        return [[Value(next(numbers)) for _ in range(columns)] for _ in range(rows)]

    def dot(u, v):
        return sum((a * b for a, b in zip(u, v, strict=True)), Value(0.0))

    x, wq, wk, wv = matrix(n, d), matrix(d, d), matrix(d, d), matrix(d, d)
    q, k, v = ([[dot(row, token) for row in w] for token in x] for w in (wq, wk, wv))
    shares = [ops.softmax([dot(u, w) / 2 for w in k]) for u in q]
    out = [dot(a, column) for a in shares for column in zip(*v, strict=True)]
    inputs = [entry for row in x for entry in row]
    check_printed(
        sum((o * o for o in out), Value(0.0)),
        inputs,
        [],
        {"wq": wq, "wk": wk, "wv": wv},
        readable=1.0,
    )


def test_inputs_at_places_without_a_rule():
    x, w = [Value(0.1 * k) for k in range(5)], Value(0.5)
    cost = (w * x[0]).tanh() + (w * x[1]).tanh() + (w * x[3]).tanh()
    check_printed(cost, x, [], [w])


def leaves(rng, *sizes):
    if len(sizes) == 1:
        return [Value(rng.gauss(0, 0.5)) for _ in range(sizes[0])]
    return [leaves(rng, *sizes[1:]) for _ in range(sizes[0])]


def test_a_convolution_by_steps_of_two():
    rng = Random(4)
    x, w, b = leaves(rng, 11), leaves(rng, 2, 3), leaves(rng, 2)
    z = [
        total([b[f], *(w[f][j] * x[2 * i + j] for j in (2, 0, 1))])
        for i in range(5)
        for f in (0, 1)
    ]
    check_printed(total([ops.tanh(v) for v in z]), x, [], {"w": w, "b": b})


def test_rows_less_their_means():
    rng = Random(4)
    x, gain = leaves(rng, 6, 4), leaves(rng, 4)
    rows = []
    for row in x:
        centred = [v - total(row) * 0.25 for v in row]
        scale = (total([e * e for e in centred]) * 0.25 + 1e-5) ** -0.5
        rows.append([e * scale * g for e, g in zip(centred, gain, strict=True)])
    check_printed(
        total([ops.tanh(v) * v for row in rows for v in row]), flat(x), [], {"gain": gain}
    )


def test_a_recurrence_with_a_gate():
    rng = Random(4)
    x, U, W = leaves(rng, 4, 2), leaves(rng, 3, 3), leaves(rng, 3, 2)
    h = [Value(0.0) for _ in range(3)]
    for now in x:
        gate = [ops.sigmoid(total([w * v for w, v in zip(row, now, strict=True)])) for row in W]
        new = [ops.tanh(total([u * v for u, v in zip(row, h, strict=True)])) for row in U]
        h = [g * n + (1 - g) * old for g, n, old in zip(gate, new, h, strict=True)]
    check_printed(total([v * v for v in h]), flat(x), [], {"U": U, "W": W})
