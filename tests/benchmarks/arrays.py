"""Programs found in bare loops beside NumPy by hand: `python tests/benchmarks/arrays.py`.

Each graph is built from scalars by loops: attention, a convolution, a recurrence. By hand is what
one writes who knows the arrays, plain, and with work arrays and einsum; the faster counts. tanh′ by
hand is 1 − a², which has lost half of its digits at 9; the program's keeps them. Calls take turns
within one run, each on new numbers in X, and the figure is the median of the ratios of neighbours.
Set OPENBLAS_NUM_THREADS=1, as the products are small.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))

from support import loops  # found beside this folder

from microgradnet.lifting.lifted import lift


def attention(p: Any, m: int, T: int, D: int, H: int, causal: bool) -> list[Callable[[Any], Any]]:
    """Queries, keys and values in one product, or three; sums by einsum, or by NumPy's sum."""
    k, N = D // H, D * D
    Wq, Wk, Wv, Wo = (p[q * N : (q + 1) * N].reshape(D, D) for q in range(4))
    W3, scale = p[: 3 * N].reshape(3 * D, D), k**-0.5
    bias = np.where(np.tri(T, dtype=bool), 0.0, -np.inf)

    def heads(y: Any) -> Any:
        return y.reshape(m, T, H, k).transpose(0, 2, 1, 3)

    def flat(y: Any) -> Any:
        return y.transpose(0, 2, 1, 3).reshape(m * T, D)

    def plain(X: Any) -> Any:
        x = X.reshape(m * T, D)
        Q, K, V = (heads(x @ W.T) for W in (Wq, Wk, Wv))
        S = Q @ K.swapaxes(2, 3) * scale
        S = S + bias if causal else S
        E = np.exp(S - S.max(-1, keepdims=True))
        A = E / E.sum(-1, keepdims=True)
        O = flat(A @ V)
        Y = O @ Wo.T
        C = (Y.reshape(m, -1) ** 2).sum(1)
        dY = 2 * Y
        dO = heads(dY @ Wo)
        dA = dO @ V.swapaxes(2, 3)
        dS = A * (dA - (dA * A).sum(-1, keepdims=True)) * scale
        pieces = dS @ K, dS.swapaxes(2, 3) @ Q, A.swapaxes(2, 3) @ dO
        return C, [*(flat(d).T @ x for d in pieces), dY.T @ O]

    qkv, dqkv = np.empty((m * T, 3 * D)), np.empty((m, T, 3, H, k))
    s, ds, r = np.empty((m, H, T, T)), np.empty((m, H, T, T)), np.empty((m, H, T))
    o, y, dy = np.empty((m, T, H, k)), np.empty((m * T, D)), np.empty((m * T, D))

    def work(X: Any) -> Any:
        x = X.reshape(m * T, D)
        np.matmul(x, W3.T, out=qkv)
        Q, K, V = qkv.reshape(m, T, 3, H, k).transpose(2, 0, 3, 1, 4)
        A = np.matmul(Q, K.swapaxes(2, 3), out=s)
        A *= scale
        if causal:
            A += bias
        np.exp(A, out=A)
        np.einsum("nhij->nhi", A, out=r)
        A /= r[..., None]
        np.matmul(A, V, out=o.transpose(0, 2, 1, 3))
        O = o.reshape(m * T, D)
        Y = np.matmul(O, Wo.T, out=y)
        C = np.einsum("nd,nd->n", Y.reshape(m, -1), Y.reshape(m, -1))
        Y *= 2
        dO = heads(np.matmul(Y, Wo, out=dy))
        d = dqkv.transpose(2, 0, 3, 1, 4)
        np.matmul(A.swapaxes(2, 3), dO, out=d[2])
        dS = np.matmul(dO, V.swapaxes(2, 3), out=ds)
        np.einsum("nhij,nhij->nhi", dS, A, out=r)
        dS -= r[..., None]
        dS *= A
        dS *= scale
        np.matmul(dS, K, out=d[0])
        np.matmul(dS.swapaxes(2, 3), Q, out=d[1])
        return C, [dqkv.reshape(m * T, 3 * D).T @ x, Y.T @ O]

    return [plain, work]


def convolution(p: Any, m: int, N: int, F: int, classes: int) -> list[Callable[[Any], Any]]:
    """Windows as a matrix, with the examples first or last."""
    U, M = 3, N - 2
    h, ends = M // 2, np.cumsum([F * 9, F, classes * F * (M // 2) ** 2, classes])
    W, b, D, d = np.split(p, ends[:3])
    W, D = W.reshape(F, 9), D.reshape(classes, -1)

    def plain(X: Any) -> Any:
        w = sliding_window_view(X.reshape(m, N, N), (U, U), axis=(1, 2)).reshape(m * M * M, 9)
        a = np.tanh(w @ W.T + b)
        P = a.reshape(m, h, 2, h, 2, F).mean((2, 4)).transpose(0, 3, 1, 2).reshape(m, -1)
        O = P @ D.T + d
        dP = (O @ D).reshape(m, F, h, h).transpose(0, 2, 3, 1)[:, :, None, :, None] * 0.25
        dz = (dP * np.ones((1, 1, 2, 1, 2, 1))).reshape(m * M * M, F) * (1 - a * a)
        return 0.5 * (O * O).sum(1), [dz.T @ w, dz.sum(0), O.T @ P, O.sum(0)]

    xt, w5 = np.empty((N, N, m)), np.empty((U, U, M, M, m))
    z, s = np.empty((F, M * M * m)), np.empty((F, M * M * m))
    p4, dp = np.empty((F, h, h, m)), np.empty((F * h * h, m))
    ones, rows = np.ones(M * M * m), np.ones(m)

    def work(X: Any) -> Any:
        np.copyto(xt, X.reshape(m, N, N).transpose(1, 2, 0))
        for u in range(U):
            for v in range(U):
                w5[u, v] = xt[u : u + M, v : v + M]
        w = w5.reshape(9, -1)
        a = np.matmul(W, w, out=z)
        a += b[:, None]
        np.tanh(a, out=a)
        a6 = a.reshape(F, h, 2, h, 2, m)
        P = np.add(a6[:, :, 0, :, 0], a6[:, :, 0, :, 1], out=p4)
        P += a6[:, :, 1, :, 0]
        P += a6[:, :, 1, :, 1]
        P *= 0.25
        P = P.reshape(F * h * h, m)
        O = D @ P
        O += d[:, None]
        dP = np.matmul(D.T, O, out=dp)
        dP *= 0.25
        dz = np.multiply(a, a, out=s)
        np.subtract(1, dz, out=dz)
        six = dz.reshape(F, h, 2, h, 2, m)
        six *= dP.reshape(F, h, 1, h, 1, m)
        C = 0.5 * np.einsum("om,om->m", O, O)
        return C, [dz @ w.T, dz @ ones, O @ P.T, O @ rows]

    return [plain, work]


def recurrence(p: Any, m: int, T: int, H: int, I: int) -> list[Callable[[Any], Any]]:
    """Step by step, with what the steps have in common in one product."""
    W, U, b = np.split(p, [H * H, H * H + H * I])
    W, U = W.reshape(H, H), U.reshape(H, I)

    def plain(X: Any) -> Any:
        x, h = X.reshape(m, T, I), np.zeros((m, H))
        states = [h]
        for t in range(T):
            h = np.tanh(h @ W.T + x[:, t] @ U.T + b)
            states.append(h)
        dW, dU, db, dh = np.zeros_like(W), np.zeros_like(U), np.zeros(H), h
        for t in reversed(range(T)):
            dz = dh * (1 - states[t + 1] ** 2)
            dW += dz.T @ states[t]
            dU += dz.T @ x[:, t]
            db += dz.sum(0)
            dh = dz @ W
        return 0.5 * (h * h).sum(1), [dW, dU, db]

    hs, zx, dz = np.zeros((T + 1, m, H)), np.empty((T, m, H)), np.empty((T, m, H))
    ones, spare = np.ones(T * m), np.empty((m, H))

    def work(X: Any) -> Any:
        x = np.ascontiguousarray(X.reshape(m, T, I).transpose(1, 0, 2)).reshape(T * m, I)
        inputs = np.matmul(x, U.T, out=zx.reshape(T * m, H))
        inputs += b
        for t in range(T):
            z = np.matmul(hs[t], W.T, out=hs[t + 1])
            z += zx[t]
            np.tanh(z, out=z)
        s = np.multiply(hs[1:], hs[1:], out=zx)
        np.subtract(1, s, out=s)
        dh = hs[T]
        for t in reversed(range(T)):
            np.multiply(dh, s[t], out=dz[t])
            dh = np.matmul(dz[t], W, out=spare)
        D = dz.reshape(T * m, H)
        C = 0.5 * np.einsum("ni,ni->n", hs[T], hs[T])
        return C, [D.T @ hs[:-1].reshape(T * m, H), D.T @ x, ones @ D]

    return [plain, work]


def rows(tiny: bool) -> dict[str, tuple[Any, int, Callable[..., Any]]]:
    """The graphs, how many examples are computed at once, and the same by hand."""
    n, N, T, m = (3, 6, 4, 2) if tiny else (8, 12, 12, 32)
    return {
        "attention": (loops.attention(n), m, lambda p, m: attention(p, m, n, 16, 2, False)),
        "causal": (
            loops.attention(n, causal=True), m, lambda p, m: attention(p, m, n, 16, 2, True)
        ),
        "convolution": (loops.convolution(N), m, lambda p, m: convolution(p, m, N, 4, 10)),
        "recurrence": (loops.recurrence(T), m, lambda p, m: recurrence(p, m, T, 16, 4)),
    }  # fmt: skip


def ratios(ours: Callable[[Any], Any], theirs: Callable[[Any], Any], Xs: Any, n: int) -> Any:
    """The median of the ratios of neighbouring calls, and of our times in seconds."""
    found = []
    for k in range(n):
        X = Xs[k % len(Xs)]
        start = time.perf_counter()
        ours(X)
        middle = time.perf_counter()
        theirs(X)
        found.append((middle - start, time.perf_counter() - middle))
    return median(a / b for a, b in found), median(a for a, _ in found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="small sizes: does it run at all?")
    tiny = parser.parse_args().tiny
    table = Table(title="value_and_grad of what loops have built", box=None)
    for heading in ("graph", "examples", "equations", "µs", "by hand, the fastest", "plain"):
        table.add_column(heading, justify="left" if heading == "graph" else "right")
    for name, (graph, m, hand) in rows(tiny).items():
        program = lift(graph.cost, graph.inputs, graph.targets, graph.parameters)
        rng = np.random.default_rng(0)
        Xs = [rng.normal(size=(m, len(graph.inputs))) for _ in range(3)]
        forms = hand(program.parameters, m)
        costs, gradient = program.value_and_grad(Xs[0])
        for form in forms:
            by_hand, pieces = form(Xs[0])
            np.testing.assert_allclose(by_hand, costs, rtol=1e-9)
            flat = np.concatenate([np.ravel(piece) for piece in pieces])
            np.testing.assert_allclose(flat, gradient, rtol=1e-6, atol=1e-9)
        out = np.empty_like(gradient)
        found = [
            ratios(lambda X, p=program, out=out: p.value_and_grad(X, out=out), form, Xs, n)
            for form, n in zip(forms, [3, 3] if tiny else [400, 400], strict=True)
        ]
        fastest = max(ratio for ratio, _ in found)
        row = [name, str(m), str(len(program.equations)), f"{found[-1][1] * 1e6:.0f}"]
        table.add_row(*row, f"{fastest:.2f}", f"{found[0][0]:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
