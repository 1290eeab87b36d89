"""Graphs as people build them from scalars, by bare loops: the atlas that lifting is held against.

Each function gives a `Graph` of one example: its cost, or a list of outputs, and the leaves that
are inputs, targets and parameters. Numbers come from a generator of one's own, `seed` chooses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from microgradnet import Value, exp, log, relu, tanh

__all__ = [
    "SIZES", "Graph", "attention", "convolution", "covariance", "demo_batch", "fdtd", "gemm", "gpt",
    "jacobi", "jacobi_line", "positions", "recurrence",
]  # fmt: skip


@dataclass
class Graph:
    """A cost, or outputs, and the leaves below.

    data    plain numbers that it is made of, by name
    """

    cost: Any
    inputs: list[Value] = field(default_factory=list)
    targets: list[Value] = field(default_factory=list)
    parameters: list[Value] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


def _array(rng: Random, *sizes: int, scale: float = 0.5) -> Any:
    """Nested lists of leaves."""
    if not sizes:
        return Value(rng.gauss(0.0, scale))
    return [_array(rng, *sizes[1:], scale=scale) for _ in range(sizes[0])]


def flat(nested: Any) -> list[Value]:
    """The leaves of nested lists in the order of a walk."""
    if isinstance(nested, Value):
        return [nested]
    return [leaf for part in nested for leaf in flat(part)]


def total(values: Sequence[Any]) -> Any:
    """Their sum, from the left, without a 0."""
    result = values[0]
    for value in values[1:]:
        result = result + value
    return result


def demo_batch(n: int = 25, *, listed: bool = False, hidden: int = 16, seed: int = 0) -> Graph:
    """Make micrograd's demo: the hinge loss of n examples through 2-h-h-1 with relu, and L2.

    listed  whether the examples' numbers are listed as inputs; else they are constants
    """
    rng = Random(seed)
    sizes = [(2, hidden), (hidden, hidden), (hidden, 1)]
    layers = [[(_array(rng, a), Value(0.1)) for _ in range(b)] for a, b in sizes]
    xs = [[rng.gauss(0.0, 1.0) for _ in range(2)] for _ in range(n)]
    ys = [rng.choice((-1.0, 1.0)) for _ in range(n)]
    leaves = [[Value(v) for v in x] for x in xs]
    losses = []
    for row, y in zip(leaves, ys, strict=True):
        a: list[Any] = list(row)
        for depth, layer in enumerate(layers):
            z = [sum((w * x for w, x in zip(ws, a, strict=True)), b) for ws, b in layer]
            a = z if depth == 2 else [relu(v) for v in z]
        losses.append(relu(1 + -y * a[0]))
    parameters = [p for layer in layers for ws, b in layer for p in (*ws, b)]
    data = sum(losses) * (1.0 / n)
    cost = data + 1e-4 * sum(p * p for p in parameters)
    data = {"x": xs, "y": ys}
    return Graph(cost, flat(leaves) if listed else [], [], parameters, data)


def positions(n: int = 16, width: int = 16, *, seed: int = 0) -> Graph:
    """One W at n positions: ½ Σ tanh(W x[i])²."""
    rng = Random(seed)
    W, x = _array(rng, width, width), _array(rng, n, width)
    cost: Any = 0.0
    for i in range(n):
        for j in range(width):
            a = tanh(total([W[j][k] * x[i][k] for k in range(width)]))
            cost = cost + a * a
    return Graph(0.5 * cost, flat(x), [], flat(W))


def attention(
    n: int = 8, width: int = 16, heads: int = 2, *, causal: bool = False, seed: int = 0
) -> Graph:
    """Attention with matrices q, k, v and o, softmax written out; C = Σ out²."""
    rng = Random(seed)
    Wq, Wk, Wv, Wo = (_array(rng, width, width) for _ in range(4))
    x = _array(rng, n, width)
    q, k, v = (
        [[total([w * c for w, c in zip(row, xi, strict=True)]) for row in W] for xi in x]
        for W in (Wq, Wk, Wv)
    )
    size = width // heads
    cost: Any = 0.0
    for i in range(n):
        seen = range(i + 1) if causal else range(n)
        out: list[Any] = []
        for d in range(heads):
            m = range(d * size, (d + 1) * size)
            scores = [total([q[i][h] * k[j][h] for h in m]) / size**0.5 for j in seen]
            e = [exp(s) for s in scores]
            norm = total(e)
            a = [u / norm for u in e]
            out += [total([a[j] * v[j][h] for j in seen]) for h in m]
        for row in Wo:
            y = total([w * c for w, c in zip(row, out, strict=True)])
            cost = cost + y * y
    return Graph(cost, flat(x), [], flat([Wq, Wk, Wv, Wo]))


def convolution(
    n: int = 12, filters: int = 4, classes: int = 10, *, padded: bool = False, seed: int = 0
) -> Graph:
    """An n × n image, 3×3 filters with bias, tanh, 2×2 means, a dense layer; C = ½ Σ o²."""
    rng = Random(seed)
    x, W, b = _array(rng, n, n), _array(rng, filters, 3, 3), _array(rng, filters)
    low, high = (-1, n - 1) if padded else (0, n - 2)
    pooled = []
    for f in range(filters):
        a = [
            [
                tanh(
                    total([
                        W[f][u][v] * x[i + u][j + v]
                        for u in range(3)
                        for v in range(3)
                        if 0 <= i + u < n and 0 <= j + v < n
                    ])
                    + b[f]
                )
                for j in range(low, high)
            ]
            for i in range(low, high)
        ]  # fmt: skip
        for i in range(0, len(a) - 1, 2):
            for j in range(0, len(a) - 1, 2):
                pooled.append((a[i][j] + a[i][j + 1] + a[i + 1][j] + a[i + 1][j + 1]) / 4)
    D, c = _array(rng, classes, len(pooled)), _array(rng, classes)
    cost: Any = 0.0
    for row, bias in zip(D, c, strict=True):
        o = total([w * p for w, p in zip(row, pooled, strict=True)]) + bias
        cost = cost + o * o
    return Graph(0.5 * cost, flat(x), [], flat([W, b, D, c]))


def recurrence(steps: int = 12, units: int = 16, width: int = 4, *, seed: int = 0) -> Graph:
    """Repeat h ← tanh(W h + U x + b) from h = 0; C = ½ Σ h² at the end."""
    rng = Random(seed)
    W, U, b = _array(rng, units, units), _array(rng, units, width), _array(rng, units)
    x = _array(rng, steps, width)
    h: list[Any] = [0.0] * units
    for t in range(steps):
        h = [
            tanh(
                total([w * a for w, a in zip(W[j], h, strict=True)])
                + total([u * a for u, a in zip(U[j], x[t], strict=True)])
                + b[j]
            )
            for j in range(units)
        ]
    return Graph(0.5 * total([a * a for a in h]), flat(x), [], flat([W, U, b]))


def gemm(n: int = 5, *, kind: str = "plain", seed: int = 0) -> Graph:
    """C ← β C + α A B, n × n, summed with weights; A, B, C are parameters.

    kind    "plain", "transposed" (A Aᵀ-like: A[k][i]), "chain" ((A B) C)
    """
    rng = Random(seed)
    A, B, C = (_array(rng, n, n) for _ in range(3))
    weights = [[rng.gauss(0.0, 1.0) for _ in range(n)] for _ in range(n)]
    cost: Any = 0.0
    if kind == "chain":
        T = [[total([A[i][k] * B[k][j] for k in range(n)]) for j in range(n)] for i in range(n)]
        out = [[total([T[i][k] * C[k][j] for k in range(n)]) for j in range(n)] for i in range(n)]
    else:
        out = [[None] * n for _ in range(n)]
        for i in range(n):
            for j in range(n):
                c = C[i][j] * 1.2
                for k in range(n):
                    a = A[k][i] if kind == "transposed" else A[i][k]
                    c = c + 1.5 * a * B[k][j]
                out[i][j] = c
    for i in range(n):
        for j in range(n):
            cost = cost + weights[i][j] * tanh(out[i][j])
    return Graph(cost, [], [], flat([A, B, C]), {"weights": weights})


def covariance(n: int = 5, m: int = 7, *, seed: int = 0) -> Graph:
    """½ Σ S², S = Xᵀ X / m of centred columns."""
    rng = Random(seed)
    x = _array(rng, m, n)
    means = [total([x[r][j] for r in range(m)]) / m for j in range(n)]
    centred = [[x[r][j] - means[j] for j in range(n)] for r in range(m)]
    cost: Any = 0.0
    for i in range(n):
        for j in range(n):
            s = total([centred[r][i] * centred[r][j] for r in range(m)]) / m
            cost = cost + s * s
    return Graph(0.5 * cost, flat(x), [], [])


def jacobi(n: int = 8, steps: int = 1, *, seed: int = 0) -> Graph:
    """The mean of five neighbours in the inner of an n × n grid; Σ a² at the end."""
    rng = Random(seed)
    grid = _array(rng, n, n)
    a: Any = grid
    for _ in range(steps):
        a = [
            [
                0.2 * (a[i][j] + a[i][j - 1] + a[i][j + 1] + a[i + 1][j] + a[i - 1][j])
                if 0 < i < n - 1 and 0 < j < n - 1
                else a[i][j]
                for j in range(n)
            ]
            for i in range(n)
        ]
    cost = total([a[i][j] * a[i][j] for i in range(1, n - 1) for j in range(1, n - 1)])
    return Graph(cost, [], [], flat(grid))


def jacobi_line(n: int = 8, steps: int = 1, *, seed: int = 0) -> Graph:
    """The mean of three neighbours in the inner of a row of n; Σ a² at the end."""
    grid = _array(Random(seed), n)
    a: Any = grid
    for _ in range(steps):
        a = [(a[i - 1] + a[i] + a[i + 1]) / 3 if 0 < i < n - 1 else a[i] for i in range(n)]
    return Graph(total([v * v for v in a]), [], [], grid)


def fdtd(n: int = 8, steps: int = 1, *, seed: int = 0) -> Graph:
    """A field e of n places and h of those between them, each moved on by the other; Σ e² + h²."""
    rng = Random(seed)
    e, h = _array(rng, n), _array(rng, n - 1)
    leaves = [*e, *h]
    for _ in range(steps):
        e = [e[i] - 0.5 * (h[i] - h[i - 1]) if 0 < i < n - 1 else e[i] for i in range(n)]
        h = [h[i] - 0.7 * (e[i + 1] - e[i]) for i in range(n - 1)]
    return Graph(total([v * v for v in (*e, *h)]), [], [], leaves)


def gpt(
    n: int = 4, width: int = 16, heads: int = 4, vocabulary: int = 27, *, seed: int = 0
) -> Graph:
    """A GPT of one causal layer with RMSNorm: the mean cross-entropy of n tokens.

    Softmax is written with the maximum of the numbers as its shift, as is the custom.
    """
    rng = Random(seed)
    wte, wpe = _array(rng, vocabulary, width), _array(rng, 16, width)
    head = _array(rng, vocabulary, width)
    wq, wk, wv, wo = (_array(rng, width, width) for _ in range(4))
    up, down = _array(rng, 4 * width, width), _array(rng, width, 4 * width)

    def linear(x: list[Any], W: list[list[Value]]) -> list[Any]:
        return [sum(w * c for w, c in zip(row, x, strict=True)) for row in W]

    def norm(x: list[Any]) -> list[Any]:
        scale = (sum(c * c for c in x) / len(x) + 1e-5) ** -0.5
        return [c * scale for c in x]

    def softmax(x: list[Any]) -> list[Any]:
        top = max(c.data for c in x)
        e = [exp(c - top) for c in x]
        norm = sum(e)
        return [c / norm for c in e]

    tokens = [rng.randrange(vocabulary) for _ in range(n + 1)]
    keys: list[list[Any]] = []
    values: list[list[Any]] = []
    losses = []
    size = width // heads
    for i in range(n):
        x: list[Any] = [t + p for t, p in zip(wte[tokens[i]], wpe[i], strict=True)]
        x = norm(x)
        residual = x
        x = norm(x)
        q = linear(x, wq)
        keys.append(linear(x, wk))
        values.append(linear(x, wv))
        out: list[Any] = []
        for h in range(heads):
            m = range(h * size, (h + 1) * size)
            scores = [sum(q[c] * keys[t][c] for c in m) / size**0.5 for t in range(i + 1)]
            a = softmax(scores)
            out += [sum(a[t] * values[t][c] for t in range(i + 1)) for c in m]
        x = [a + b for a, b in zip(linear(out, wo), residual, strict=True)]
        residual = x
        x = norm(x)
        x = [relu(c) ** 2 for c in linear(x, up)]
        x = [a + b for a, b in zip(linear(x, down), residual, strict=True)]
        losses.append(-log(softmax(linear(x, head))[tokens[i + 1]]))
    parameters = flat([wte, wpe, head, wq, wk, wv, wo, up, down])
    return Graph((1 / n) * sum(losses), [], [], parameters, {"tokens": tokens})


SIZES: dict[str, tuple[Callable[[], Graph], Callable[[], Graph]]] = {
    "demo, constants": (lambda: demo_batch(25), lambda: demo_batch(100)),
    "demo, listed": (lambda: demo_batch(25, listed=True), lambda: demo_batch(100, listed=True)),
    "positions": (lambda: positions(4, 5), lambda: positions(9, 7)),
    "attention": (lambda: attention(4, 8), lambda: attention(8, 16)),
    "causal attention": (lambda: attention(4, 8, causal=True), lambda: attention(8, causal=True)),
    "convolution": (lambda: convolution(6), lambda: convolution(12)),
    "padded convolution": (
        lambda: convolution(6, padded=True),
        lambda: convolution(12, padded=True),
    ),
    "recurrence": (lambda: recurrence(5, 4, 3), lambda: recurrence(12)),
    "gemm": (lambda: gemm(5), lambda: gemm(24)),
    "gemm, transposed": (lambda: gemm(5, kind="transposed"), lambda: gemm(9, kind="transposed")),
    "chain of three": (lambda: gemm(5, kind="chain"), lambda: gemm(9, kind="chain")),
    "covariance": (lambda: covariance(4, 6), lambda: covariance(7, 5)),
    "jacobi": (lambda: jacobi(6), lambda: jacobi(12)),
    "gpt": (lambda: gpt(4), lambda: gpt(8)),
}
"""Graphs by the same loops at two sizes: their equations must be as many."""
