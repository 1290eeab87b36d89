"""A lifted program held against the scalar engine, example by example."""

from __future__ import annotations

from random import Random

import numpy as np

from microgradnet import MLP, Value, lift
from microgradnet.costs import COSTS
from microgradnet.graph import topological_order
from microgradnet.operation import operations

__all__ = ["UNARY", "agrees", "network", "scalar"]

UNARY = [op for op in operations() if op.arity == 1]


def network(sizes, activation, output, cost, granularity="atomic"):
    model = MLP(sizes[0], sizes[1:], activation=activation, output_activation=output,
                rng=Random(3), granularity=granularity)  # fmt: skip
    y = [Value(float(k == 0)) for k in range(sizes[-1])]
    forward = model.forward([0.1 * k for k in range(sizes[0])])
    return model, forward, y, COSTS[cost](forward.output, y)


def scalar(build, x, y, v=None):
    """The outputs, the gradient by the parameters, and bounds for both.

    A bound is 1e-9 times what would be had if every term counted with its absolute value: of a
    gradient the sum over all paths of |∂| · |∂| · …; of an output that times the numbers that the
    paths begin with. Whatever the order of summation, rounding is a small multiple of u = 1.1e-16
    of that.
    """
    xs, ys = [Value(k) for k in x], [Value(k) for k in y]
    outputs, parameters = build(xs, ys)
    seeds = [1.0] * len(outputs) if v is None else v
    adjoint = {}
    absolute = {}
    order = topological_order(outputs)
    for node in order:
        adjoint[node] = absolute[node] = 0.0
    for seed, output in zip(seeds, outputs, strict=True):
        adjoint[output] += seed
        absolute[output] += abs(seed)
    for node in reversed(order):
        if node.op is None:
            continue
        numbers = [parent.data for parent in node.parents]
        products = node.op.vjp(adjoint[node], *numbers, out=node.data)
        slopes = node.partials()
        for parent, product, slope in zip(node.parents, products, slopes, strict=True):
            adjoint[parent] += product
            absolute[parent] += absolute[node] * abs(slope)
    weight = 1 + sum(absolute[node] * abs(node.data) for node in order)
    gradient = np.array([adjoint.get(p, 0.0) for p in parameters], dtype=float)
    bound = np.array([absolute.get(p, 0.0) for p in parameters], dtype=float)
    return np.array([o.data for o in outputs]), gradient, 1e-9 * weight, 1e-9 * (1 + bound)


def agrees(build, X, Y, V=None, form=None):
    """Lift the graph of the first example, and hold the program against all of them."""
    xs, ys = [Value(k) for k in X[0]], [Value(k) for k in Y[0]]
    outputs, parameters = build(xs, ys)
    cost = outputs[0] if V is None else outputs
    program = lift(cost, xs, ys, parameters)
    if form is not None:
        form(program)
    targets = np.array(Y) if len(ys) else None
    if V is None:
        found, gradient = program.value_and_grad(X, targets)
        found = found[:, None]
    else:
        found, gradient = program.vjp(X, V, targets)
    alone = program.value(X, targets).reshape(found.shape)
    total, bounds = np.zeros(len(parameters)), np.zeros(len(parameters))
    for n, (x, y) in enumerate(zip(X, Y, strict=True)):
        seeds = None if V is None else list(V[n])
        wanted, g, cost_bound, bound = scalar(build, x, y, seeds)
        if not all(np.isfinite(x).all() for x in (wanted, g, bound, cost_bound)):
            return  # the zeros of a matrix beside an infinite entry
        assert np.abs(found[n] - wanted).max() <= cost_bound, (found[n], wanted)
        assert np.abs(alone[n] - wanted).max() <= cost_bound
        total += g
        bounds += bound
    assert (np.abs(gradient - total) <= bounds).all(), (gradient, total, str(program))
