"""Programs written as terms: a batch through a network, attention, a recurrence and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from microgradnet import ops
from microgradnet.lifting.terms import (
    Affine,
    Axis,
    Leaf,
    Map,
    Mask,
    Scan,
    Softmax,
    State,
    Term,
    add,
    constant,
    multiply,
    negative,
    read_at,
    rename,
    sum_over,
)


@dataclass
class Example:
    """A cost over examples, its parameters, and how many columns X and Y have."""

    examples: Axis
    cost: Any = None
    parameters: list[Leaf] = field(default_factory=list)
    names: dict[Term, str] = field(default_factory=dict)
    inputs: int = 1
    targets: int = 0

    @property
    def size(self) -> int:
        """How many parameters there are."""
        return sum(leaf.places.size for leaf in self.parameters)

    def parameter(self, name: str, *axes: Axis) -> Leaf:
        """The next parameters of the flat vector, as an array."""
        shape = [axis.size for axis in axes]
        count = int(np.prod(shape, dtype=int))
        leaf = Leaf(name, "parameter", axes, np.arange(self.size, self.size + count))
        self.parameters.append(leaf)
        return leaf


def network(sizes: Sequence[int], operation=ops.tanh) -> Example:
    """Layers of an operation, the last one linear; C = ½ Σ (a − y)²."""
    found = Example(Axis("n"), inputs=sizes[0], targets=sizes[-1])
    axes = [Axis("ijkl"[l], size) for l, size in enumerate(sizes)]
    a: Any = Leaf("x", "input", (found.examples, axes[0]), range(sizes[0]))
    for l in range(1, len(sizes)):
        W, b = found.parameter(f"W{l}", axes[l], axes[l - 1]), found.parameter(f"b{l}", axes[l])
        z = add(sum_over(multiply(W, a), axes[l - 1]), b)
        found.names[z] = f"z{l}"
        a = Map(operation, (z,)) if l + 1 < len(sizes) else z
        found.names.setdefault(a, f"a{l}")
    y = Leaf("y", "target", (found.examples, axes[-1]), range(sizes[-1]))
    error = add(a, negative(y))
    found.cost = sum_over(multiply(constant(0.5), error, error), axes[-1])
    return found


def batch(m: int = 100, hidden: int = 16, *, listed: bool = True) -> Example:
    """Micrograd's demo with all examples in one graph: mean hinge loss and an L2 term.

    listed  whether the examples' numbers are inputs; else they are constants
    """
    found = Example(Axis("n"), inputs=2 * m if listed else 1, targets=m if listed else 0)
    e, *axes = Axis("e", m), Axis("i", 2), Axis("j", hidden), Axis("k", hidden), Axis("l", 1)
    rng = np.random.default_rng(1)
    if listed:
        a: Any = Leaf("x", "input", (found.examples, e, axes[0]), range(2 * m))
        y: Any = Leaf("y", "target", (found.examples, e), range(m))
    else:
        a, y = constant(rng.normal(size=(m, 2)), e, axes[0]), constant(rng.choice([-1, 1], m), e)
    norms = []
    for l in range(1, 4):
        W, b = found.parameter(f"W{l}", axes[l], axes[l - 1]), found.parameter(f"b{l}", axes[l])
        norms += [sum_over(multiply(w, w), *w.axes) for w in (W, b)]
        z = add(sum_over(multiply(W, a), axes[l - 1]), b)
        found.names[z] = f"z{l}"
        a = Map(ops.relu, (z,)) if l < 3 else z
        found.names.setdefault(a, f"a{l}")
    margin = add(constant(1), negative(multiply(y, read_at(a, axes[3], 0))))
    hinge = sum_over(Map(ops.relu, (margin,)), e)
    found.cost = add(multiply(constant(1 / m), hinge), multiply(constant(1e-4), add(*norms)))
    return found


def positions(length: int = 16, width: int = 16) -> Example:
    """One W at all positions: C = ½ Σ tanh(W xᵢ)²."""
    found = Example(Axis("n"), inputs=length * width)
    i, k, o = Axis("i", length), Axis("k", width), Axis("o", width)
    x = Leaf("x", "input", (found.examples, i, k), range(length * width))
    a = Map(ops.tanh, (sum_over(multiply(found.parameter("W", o, k), x), k),))
    found.names[a] = "a"
    found.cost = sum_over(multiply(constant(0.5), a, a), i, o)
    return found


def attention(length: int = 8, width: int = 16, heads: int = 2, *, causal: bool = False) -> Example:
    """Attention with matrices for q, k, v and the output; C = Σ out²."""
    found = Example(Axis("n"), inputs=length * width)
    n, size = found.examples, width // heads
    i, j, h, k = Axis("i", length), Axis("j", length), Axis("h", heads), Axis("k", size)
    m, o = Axis("m", width), Axis("o", width)
    x = Leaf("x", "input", (n, i, m), range(length * width))
    Wq, Wk, Wv = (found.parameter(name, h, k, m) for name in ("Wq", "Wk", "Wv"))
    Wo = found.parameter("Wo", o, h, k)
    Q = sum_over(multiply(Wq, x), m)
    K, V = (sum_over(multiply(W, rename(x, i, j)), m) for W in (Wk, Wv))
    S = multiply(constant(size**-0.5), sum_over(multiply(Q, K), k))
    if causal:
        S = Mask(S, (Affine(0, ((i, 1), (j, -1))),), -np.inf)
    A = Softmax(S, (j,))
    O = sum_over(multiply(A, V), j)
    out = sum_over(multiply(Wo, O), h, k)
    found.names |= {Q: "Q", K: "K", V: "V", S: "S", A: "A", O: "O", out: "out"}
    found.cost = sum_over(multiply(out, out), i, o)
    return found


def convolution(size: int = 12, filters: int = 4, width: int = 3, classes: int = 10) -> Example:
    """An image, filters with bias, tanh, 2 × 2 means, a dense layer; C = ½ Σ o²."""
    found = Example(Axis("n"), inputs=size * size)
    n, places, half = found.examples, size - width + 1, (size - width + 1) // 2
    y, x, u, v = Axis("y", size), Axis("x", size), Axis("u", width), Axis("v", width)
    r, c, f, o = Axis("r", places), Axis("c", places), Axis("f", filters), Axis("o", classes)
    image = Leaf("x", "input", (n, y, x), range(size * size))
    window = read_at(image, y, Affine(0, ((r, 1), (u, 1))))
    window = read_at(window, x, Affine(0, ((c, 1), (v, 1))))
    W, b = found.parameter("W", f, u, v), found.parameter("b", f)
    z = add(sum_over(multiply(W, window), u, v), b)
    a = Map(ops.tanh, (z,))
    p, q, s, t = Axis("p", half), Axis("q", half), Axis("s", 2), Axis("t", 2)
    block = read_at(read_at(a, r, Affine(0, ((p, 2), (s, 1)))), c, Affine(0, ((q, 2), (t, 1))))
    means = multiply(constant(0.25), sum_over(block, s, t))
    dense, bias = found.parameter("D", o, f, p, q), found.parameter("d", o)
    out = add(sum_over(multiply(dense, means), f, p, q), bias)
    found.names |= {z: "z", a: "a", means: "means", out: "out"}
    found.cost = sum_over(multiply(constant(0.5), out, out), o)
    return found


def recurrence(steps: int = 12, units: int = 16, inputs: int = 4) -> Example:
    """The recurrence h ← tanh(W h + U x + b) from h = 0; C = Σ h² of the last h."""
    found = Example(Axis("n"), inputs=steps * inputs)
    n, t, k = found.examples, Axis("t", steps), Axis("k", inputs)
    i, j = Axis("i", units), Axis("j", units)
    x = Leaf("x", "input", (n, t, k), range(steps * inputs))
    W, U, b = found.parameter("W", i, j), found.parameter("U", i, k), found.parameter("b", i)
    h = State("h", (n, i))
    z = add(sum_over(multiply(W, rename(h, i, j)), j), sum_over(multiply(U, x), k), b)
    step = Map(ops.tanh, (z,))
    last = read_at(Scan(t, ((h, constant(0), step),), step), t, steps - 1)
    found.names |= {z: "z", step: "h"}
    found.cost = sum_over(multiply(last, last), i)
    return found


def gemm(size: int = 24) -> Example:
    """A product of two matrices of parameters; C = Σ (A B)²."""
    found = Example(Axis("n"))
    i, j, k = (Axis(name, size) for name in "ijk")
    AB = sum_over(multiply(found.parameter("A", i, k), found.parameter("B", k, j)), k)
    found.names[AB] = "AB"
    found.cost = sum_over(multiply(AB, AB), i, j)
    return found


def jacobi(size: int = 48) -> Example:
    """A step of Jacobi's method in two dimensions; C = Σ v²."""
    found = Example(Axis("n"))
    i, j, r, c = Axis("i", size), Axis("j", size), Axis("r", size - 2), Axis("c", size - 2)
    u = found.parameter("u", i, j)

    def at(down: int, right: int) -> Term:
        rows = read_at(u, i, Affine(1 + down, ((r, 1),)))
        return read_at(rows, j, Affine(1 + right, ((c, 1),)))

    v = multiply(constant(0.2), add(at(0, 0), at(0, 1), at(0, -1), at(1, 0), at(-1, 0)))
    found.names[v] = "v"
    found.cost = sum_over(multiply(v, v), r, c)
    return found


EXAMPLES = {
    "network": lambda: network([3, 4, 2]),
    "deep": lambda: network([2, 5, 4, 3], ops.sigmoid),
    "batch": lambda: batch(5, 4),
    "constants": lambda: batch(5, 4, listed=False),
    "positions": lambda: positions(3, 4),
    "attention": lambda: attention(3, 4),
    "causal": lambda: attention(3, 4, causal=True),
    "convolution": lambda: convolution(6, 2, 3, 3),
    "recurrence": lambda: recurrence(4, 3, 2),
    "gemm": lambda: gemm(4),
    "jacobi": lambda: jacobi(6),
}
"""All of them, small."""
