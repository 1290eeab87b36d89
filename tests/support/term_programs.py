"""Programs printed from terms, run, and held against the plain interpreter."""

from __future__ import annotations

import numpy as np

from microgradnet.lifting.derivatives import adjoints
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.numpy_printer import write_numpy
from microgradnet.lifting.terms import constant
from support.random_terms import leaves_of, numbers


class Printed:
    """The NumPy program of a cost, with the terms that it was printed from."""

    def __init__(self, cost, parameters, examples, names=None, size=None) -> None:
        self.cost, self.examples = cost, examples
        found = adjoints([(cost, constant(1))], parameters)
        self.gradients = {leaf: found[leaf] for leaf in parameters if leaf in found}
        places = [leaf.places.max(initial=-1) for leaf in parameters]
        self.size = max(places, default=-1) + 1 if size is None else size
        self.source = write_numpy([cost], self.gradients, names, size=self.size)
        self.space: dict = {}
        exec(compile(self.source, "<printed>", "exec"), self.space)

    @property
    def body(self) -> str:
        """The lines that run at each call."""
        return self.source.split("def prepare(p, g, m)")[1].split("def value_and_grad")[1]

    def __call__(self, p, X, Y):
        """The costs and the gradient; NaN where nothing was written."""
        g = np.full(len(p), np.nan, p.dtype)
        run = self.space["prepare"](p, g, len(X))
        run(X + 1, Y - 1)  # what is kept of one call must not be seen in the next
        g[:] = np.nan
        costs, g = run(X, Y)
        close = 1e-12 if p.dtype == np.float64 else 1e-5
        np.testing.assert_allclose(self.space["value"](p, X, Y), costs, rtol=close, atol=close)
        return costs, g

    def want(self, p, X, Y):
        """What the interpreter says of both."""
        roots = [self.cost, *self.gradients.values()]
        leaves = leaves_of(*roots, *self.gradients)
        given = numbers(leaves, p, X, Y, self.examples)
        m = len(X)
        cost, *values = interpret(roots, given, {self.examples: m})
        gradient = np.zeros(len(p))
        for (leaf, g), value in zip(self.gradients.items(), values, strict=True):
            own = [axis for axis in leaf.axes if axis in g.axes]
            there = value.astype(float).transpose([g.axes.index(axis) for axis in own])
            full = there[tuple(slice(None) if a in g.axes else None for a in leaf.axes)]
            filled = leaf.places >= 0
            gradient[leaf.places[filled]] = np.broadcast_to(full, leaf.places.shape)[filled]
        return np.broadcast_to(cost.astype(float), (m,)), gradient


def random_numbers(size, inputs, targets, m=2, seed=0):
    """Numbers for p, X and Y."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=size), rng.normal(size=(m, inputs)), rng.normal(size=(m, targets))


def assert_prints(printed, inputs, targets, m=2):
    """The program and the interpreter agree."""
    p, X, Y = random_numbers(printed.size, inputs, targets, m)
    costs, gradient = printed(p, X, Y)
    want_costs, want = printed.want(p, X, Y)
    np.testing.assert_allclose(costs, want_costs, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gradient, want, rtol=1e-8, atol=1e-9)
