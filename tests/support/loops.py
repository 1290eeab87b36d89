"""Graphs as people build them from scalars, by bare loops: the atlas that lifting is held against.

Each function gives a `Graph` of one example: its cost, or a list of outputs, and the leaves that
are inputs, targets and parameters. Numbers come from a generator of one's own, `seed` chooses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from microgradnet import Value, exp, log, maximum, relu, sigmoid, tanh

__all__ = [
    "SIZES", "Graph", "attention", "convolution", "covariance", "demo_batch", "fdtd", "gated",
    "gemm", "gpt", "jacobi", "jacobi_line", "layer_norm", "max_pool", "outer", "positions",
    "recurrence", "triangular",
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


def gated(
    steps: int = 4, units: int = 3, width: int = 2, *, kind: str = "gru", seed: int = 0
) -> Graph:
    """Repeat a gated step from 0; C = ½ Σ h² at the end.

    kind    "gru" or "lstm"
    """
    rng = Random(seed)
    gates = 3 if kind == "gru" else 4
    W = [_array(rng, units, width) for _ in range(gates)]
    U = [_array(rng, units, units) for _ in range(gates)]
    b = [_array(rng, units) for _ in range(gates)]
    x = _array(rng, steps, width)

    def affine(gate: int, now: list[Any], state: list[Any]) -> list[Any]:
        return [
            total([w * v for w, v in zip(W[gate][j], now, strict=True)])
            + total([u * v for u, v in zip(U[gate][j], state, strict=True)])
            + b[gate][j]
            for j in range(units)
        ]

    h: list[Any] = [0.0] * units
    c: list[Any] = [0.0] * units
    for now in x:
        if kind == "gru":
            z = [sigmoid(v) for v in affine(0, now, h)]
            r = [sigmoid(v) for v in affine(1, now, h)]
            reset = [u * v for u, v in zip(r, h, strict=True)]
            new = [tanh(v) for v in affine(2, now, reset)]
            h = [(1 - z[j]) * h[j] + z[j] * new[j] for j in range(units)]
        else:
            i, f, o = ([sigmoid(v) for v in affine(gate, now, h)] for gate in range(3))
            g = [tanh(v) for v in affine(3, now, h)]
            c = [f[j] * c[j] + i[j] * g[j] for j in range(units)]
            h = [o[j] * tanh(c[j]) for j in range(units)]
    return Graph(0.5 * total([v * v for v in h]), flat(x), [], flat([W, U, b]))


def triangular(n: int = 5, m: int = 4, *, kind: str = "product", seed: int = 0) -> Graph:
    """Σ out² of a product with a triangle, or of the lower triangle of an update, from flat lists.

    kind    "vector", tanh(A x); "product", A B; "transposed", Aᵀ B with a diagonal of ones;
            "rank k", A Aᵀ + C; "rank 2k", A Bᵀ + B Aᵀ + C
    """
    rng = Random(seed)
    square, A, B = _array(rng, n, n), _array(rng, n, m), _array(rng, n, m)
    out: list[Any] = []
    for i in range(n):
        if kind == "vector":
            out.append(tanh(total([square[i][k] * A[k][0] for k in range(i + 1)])))
        for j in range(m):
            if kind == "product":
                out.append(total([square[i][k] * A[k][j] for k in range(i + 1)]))
            elif kind == "transposed":
                below = [square[k][i] * A[k][j] for k in range(i + 1, n)]
                out.append(total([A[i][j], *below]))
        for j in range(i + 1 if kind.startswith("rank") else 0):
            terms = [1.2 * square[i][j]]
            for k in range(m):
                terms.append(1.5 * A[i][k] * (B if kind == "rank 2k" else A)[j][k])
                if kind == "rank 2k":
                    terms.append(1.5 * B[i][k] * A[j][k])
            out.append(total(terms))
    second = {"vector": [row[:1] for row in A], "rank 2k": [A, B]}.get(kind, A)
    return Graph(total([v * v for v in out]), [], [], flat([square, second]))


def layer_norm(n: int = 4, width: int = 3, *, seed: int = 0) -> Graph:
    """Σ v tanh(v) of rows with mean 0 and variance 1, times a gain and with a bias."""
    rng = Random(seed)
    x, gain, bias = _array(rng, n, width), _array(rng, width), _array(rng, width)
    out: list[Any] = []
    for row in x:
        mean = total(row) / width
        variance = total([(v - mean) * (v - mean) for v in row]) / width
        scale = (variance + 1e-5) ** 0.5
        out += [(v - mean) / scale * g + b for v, g, b in zip(row, gain, bias, strict=True)]
    return Graph(total([tanh(v) * v for v in out]), flat(x), [], flat([gain, bias]))


def max_pool(n: int = 6, *, seed: int = 0) -> Graph:
    """The largest of each 2 × 2 numbers of an image, and one neuron."""
    rng = Random(seed)
    x = _array(rng, n, n)
    pooled = [
        maximum(
            maximum(maximum(x[i][j], x[i][j + 1]), x[i + 1][j]), x[i + 1][j + 1]
        )
        for i in range(0, n, 2)
        for j in range(0, n, 2)
    ]  # fmt: skip
    w = _array(rng, len(pooled))
    return Graph(tanh(total([a * b for a, b in zip(w, pooled, strict=True)])), flat(x), [], w)


def outer(n: int = 4, *, seed: int = 0) -> Graph:
    """Σ (A + u vᵀ)²."""
    rng = Random(seed)
    A, u, v = _array(rng, n, n), _array(rng, n), _array(rng, n)
    out = [A[i][j] + u[i] * v[j] for i in range(n) for j in range(n)]
    return Graph(total([c * c for c in out]), [], [], flat([A, u, v]))


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
    "demo, constants": (lambda: demo_batch(9, hidden=5), lambda: demo_batch(25, hidden=5)),
    "demo, listed": (
        lambda: demo_batch(9, listed=True, hidden=5),
        lambda: demo_batch(25, listed=True, hidden=5),
    ),
    "positions": (lambda: positions(4, 5), lambda: positions(9, 7)),
    "attention": (lambda: attention(4, 4), lambda: attention(6, 8)),
    "causal attention": (
        lambda: attention(4, 4, causal=True),
        lambda: attention(6, 8, causal=True),
    ),
    "convolution": (lambda: convolution(6), lambda: convolution(8, 3, 5)),
    "padded convolution": (
        lambda: convolution(6, padded=True),
        lambda: convolution(8, 3, 5, padded=True),
    ),
    "recurrence": (lambda: recurrence(5, 4, 3), lambda: recurrence(7, 5)),
    "gemm": (lambda: gemm(5), lambda: gemm(9)),
    "gemm, transposed": (lambda: gemm(5, kind="transposed"), lambda: gemm(9, kind="transposed")),
    "chain of three": (lambda: gemm(5, kind="chain"), lambda: gemm(9, kind="chain")),
    "covariance": (lambda: covariance(4, 6), lambda: covariance(7, 5)),
    "jacobi": (lambda: jacobi(6), lambda: jacobi(9)),
    "jacobi, 2 steps": (lambda: jacobi(6, 2), lambda: jacobi(8, 2)),
    "jacobi, steps": (lambda: jacobi(6, 3), lambda: jacobi(8, 5)),
    "jacobi in a line": (lambda: jacobi_line(6, 3), lambda: jacobi_line(9, 5)),
    "fdtd": (lambda: fdtd(5), lambda: fdtd(8)),
    "fdtd, steps": (lambda: fdtd(5, 3), lambda: fdtd(8, 6)),
    "gru": (lambda: gated(), lambda: gated(6, 4, 3)),
    "lstm": (lambda: gated(kind="lstm"), lambda: gated(6, 4, 3, kind="lstm")),
    "triangle, vector": (
        lambda: triangular(kind="vector"),
        lambda: triangular(9, kind="vector"),
    ),
    "triangle, product": (lambda: triangular(), lambda: triangular(9, 6)),
    "triangle, transposed": (
        lambda: triangular(kind="transposed"),
        lambda: triangular(9, 6, kind="transposed"),
    ),
    "update of rank k": (
        lambda: triangular(kind="rank k"),
        lambda: triangular(9, 6, kind="rank k"),
    ),
    "update of rank 2k": (
        lambda: triangular(kind="rank 2k"),
        lambda: triangular(9, 6, kind="rank 2k"),
    ),
    "layer norm": (lambda: layer_norm(), lambda: layer_norm(6, 5)),
    "max pool": (lambda: max_pool(), lambda: max_pool(12)),
    "outer product": (lambda: outer(), lambda: outer(6)),
    "gpt": (lambda: gpt(4), lambda: gpt(8)),
}
"""Graphs by the same loops at two sizes: their equations must be as many."""
