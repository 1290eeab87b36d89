"""What the loops of `support.loops` compute, by NumPy as one writes it who knows the arrays.

Each function is given the parameters p, the number of examples m, and sizes. It makes work arrays
and returns several forms of one computation: of X, whose rows are examples, to the costs and to the
gradient in parts, in the order of p. The first form is plain, with a new array for each result. The
others keep their work arrays. tanh′ is 1 − a² here, which has lost half of its digits at 9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = [
    "Form", "attention", "convolution", "demo_batch", "gemm", "gpt", "jacobi", "positions",
    "recurrence",
]  # fmt: skip

Form: TypeAlias = "Callable[[Any], tuple[Any, list[Any]]]"


def demo_batch(p: Any, m: int, n: int, H: int, targets: Any, constants: Any = None) -> list[Form]:
    """Micrograd's demo: the examples as rows, as columns, or with a column of ones for the biases.

    constants   the examples, where X does not hold them
    """
    N, ends = m * n, [H * 3, H * 3 + H * (H + 1)]
    P1, P2, P3 = (q.reshape(k, -1) for q, k in zip(np.split(p, ends), (H, H, 1), strict=True))
    if constants is not None:
        N = n
    y = np.tile(targets, N // n)
    share, decay = 1 / n, 1e-4 * (m if constants is None else 1)

    def examples(X: Any) -> Any:
        return X.reshape(N, 2) if constants is None else constants

    def costs(losses: Any) -> Any:
        found = losses.reshape(-1, n).sum(1) * share + 1e-4 * (p @ p)
        return found if constants is None else np.full(m, found)

    def plain(X: Any) -> Any:
        x = examples(X)
        z1 = x @ P1[:, :-1].T + P1[:, -1]
        a1 = np.maximum(z1, 0)
        z2 = a1 @ P2[:, :-1].T + P2[:, -1]
        a2 = np.maximum(z2, 0)
        z3 = a2 @ P3[0, :-1] + P3[0, -1]
        margin = 1 - y * z3
        d3 = -share * y * (margin > 0)
        d2 = d3[:, None] * P3[:, :-1] * (z2 > 0)
        d1 = d2 @ P2[:, :-1] * (z1 > 0)
        times = 1 if constants is None else m
        parts = [
            np.c_[d.T @ a, d.sum(0)] * times + 2 * decay * times * P
            for d, a, P in ((d1, x, P1), (d2, a1, P2), (d3[:, None], a2, P3))
        ]
        return costs(np.maximum(margin, 0)), parts

    z1, z2, e2, e1 = np.empty((4, H, N))
    a1, a2, z3 = np.empty((H, N)), np.empty((H, N)), np.empty(N)
    ones, g = np.ones(N), np.empty_like(p)
    G1, G2, G3 = (q.reshape(k, -1) for q, k in zip(np.split(g, ends), (H, H, 1), strict=True))

    def work(X: Any) -> Any:
        x = examples(X)
        np.matmul(P1[:, :-1], x.T, out=z1)
        z1[...] += P1[:, -1:]
        np.maximum(z1, 0, out=a1)
        np.matmul(P2[:, :-1], a1, out=z2)
        z2[...] += P2[:, -1:]
        np.maximum(z2, 0, out=a2)
        np.dot(P3[0, :-1], a2, out=z3)
        z3[...] += P3[0, -1]
        z3[...] *= y
        margin = np.subtract(1, z3, out=z3)
        d3 = y * (margin > 0)
        d3 *= -share if constants is None else -share * m
        d2 = np.multiply(P3[0, :-1, None], d3, out=e2)
        d2 *= z2 > 0
        d1 = np.matmul(P2[:, :-1].T, d2, out=e1)
        d1 *= z1 > 0
        np.dot(a2, d3, out=G3[0, :-1])
        G3[0, -1] = d3.sum()
        np.matmul(d2, a1.T, out=G2[:, :-1])
        G2[:, -1] = d2 @ ones
        np.matmul(d1, x, out=G1[:, :-1])
        G1[:, -1] = d1 @ ones
        np.add(g, 2e-4 * m * p, out=g)
        return costs(np.maximum(margin, 0)), [g]

    x1, h1, h2 = np.ones((N, 3)), np.ones((N, H + 1)), np.ones((N, H + 1))
    if constants is not None:
        x1[:, :2] = constants

    def folded(X: Any) -> Any:
        if constants is None:
            x1[:, :2] = X.reshape(N, 2)
        np.maximum(x1 @ P1.T, 0, out=h1[:, :-1])
        np.maximum(h1 @ P2.T, 0, out=h2[:, :-1])
        margin = 1 - y * (h2 @ P3[0])
        d3 = y * (margin > 0)
        d3 *= -share if constants is None else -share * m
        d2 = d3[:, None] * P3[:, :-1]
        d2 *= h2[:, :-1] > 0
        d1 = d2 @ P2[:, :-1]
        d1 *= h1[:, :-1] > 0
        np.matmul(d1.T, x1, out=G1)
        np.matmul(d2.T, h1, out=G2)
        np.matmul(d3, h2, out=G3[0])
        np.add(g, 2e-4 * m * p, out=g)
        return costs(np.maximum(margin, 0)), [g]

    return [plain, work, folded]


def positions(p: Any, m: int, n: int, width: int) -> list[Form]:
    """One product of all positions of all examples."""
    W, N = p.reshape(width, width), m * n

    def plain(X: Any) -> Any:
        x = X.reshape(N, width)
        a = np.tanh(x @ W.T)
        C = 0.5 * (a.reshape(m, -1) ** 2).sum(1)
        return C, [(a * (1 - a**2)).T @ x]

    a, s = np.empty((N, width)), np.empty((N, width))

    def work(X: Any) -> Any:
        x = X.reshape(N, width)
        np.matmul(x, W.T, out=a)
        np.tanh(a, out=a)
        rows = a.reshape(m, -1)
        C = 0.5 * np.einsum("nk,nk->n", rows, rows)
        np.multiply(a, a, out=s)
        np.subtract(1, s, out=s)
        np.multiply(s, a, out=s)
        return C, [s.T @ x]

    return [plain, work]


def gemm(p: Any, m: int, n: int, weights: Any) -> list[Form]:
    """C ← 1.2 C + 1.5 A B, and its two products backward; no input, so all examples are alike."""
    A, B, C = p.reshape(3, n, n)

    def plain(X: Any) -> Any:
        y = np.tanh(1.5 * (A @ B) + 1.2 * C)
        d = m * weights * (1 - y * y)
        return np.full(m, (weights * y).sum()), [1.5 * (d @ B.T), 1.5 * (A.T @ d), 1.2 * d]

    z, s = np.empty((n, n)), np.empty((n, n))
    g = np.empty((3, n, n))
    flat = weights.ravel()

    def work(X: Any) -> Any:
        np.matmul(A, B, out=z)
        z[...] *= 1.5
        z[...] += np.multiply(C, 1.2, out=s)
        y = np.tanh(z, out=z)
        cost = np.dot(flat, y.ravel())
        d = np.multiply(y, y, out=s)
        np.subtract(1, d, out=d)
        d *= weights
        if m != 1:
            d *= m
        np.multiply(d, 1.2, out=g[2])
        d *= 1.5
        np.matmul(d, B.T, out=g[0])
        np.matmul(A.T, d, out=g[1])
        return np.full(m, cost), [g]

    return [plain, work]


def jacobi(p: Any, m: int, n: int) -> list[Form]:
    """A step by slices, and its gradient by the same slices."""
    a = p.reshape(n, n)

    def plain(X: Any) -> Any:
        s = 0.2 * (a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1])
        d, g = 0.4 * m * s, np.zeros_like(a)
        g[1:-1, 1:-1] += d
        g[1:-1, :-2] += d
        g[1:-1, 2:] += d
        g[2:, 1:-1] += d
        g[:-2, 1:-1] += d
        return np.full(m, (s * s).sum()), [g]

    t, g = np.empty((n - 2, n - 2)), np.empty((n, n))

    def work(X: Any) -> Any:
        s = np.add(a[1:-1, 1:-1], a[1:-1, :-2], out=t)
        s += a[1:-1, 2:]
        s += a[2:, 1:-1]
        s += a[:-2, 1:-1]
        s *= 0.2
        cost = np.dot(s.ravel(), s.ravel())
        s *= 0.4 * m
        g.fill(0)
        for part in (g[1:-1, 1:-1], g[1:-1, :-2], g[1:-1, 2:], g[2:, 1:-1], g[:-2, 1:-1]):
            part += s
        return np.full(m, cost), [g]

    return [plain, work]


def attention(p: Any, m: int, T: int, D: int, H: int, causal: bool) -> list[Form]:
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


def convolution(p: Any, m: int, N: int, F: int, classes: int) -> list[Form]:
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


def recurrence(p: Any, m: int, T: int, H: int, I: int) -> list[Form]:
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


def gpt(p: Any, m: int, n: int, D: int, H: int, vocabulary: int, tokens: list[int]) -> list[Form]:
    """A causal layer with RMSNorm and residuals; the tokens are the same at each call."""
    k, n_words = D // H, vocabulary * D
    sizes = [n_words, 16 * D, n_words, *[D * D] * 4, 4 * D * D]
    shapes = [(vocabulary, D), (16, D), (vocabulary, D), *[(D, D)] * 4, (4 * D, D), (D, 4 * D)]
    cuts = np.cumsum(sizes)
    parts = [q.reshape(shape) for q, shape in zip(np.split(p, cuts), shapes, strict=True)]
    wte, wpe, head, wq, wk, wv, wo, up, down = parts
    wqkv = p[cuts[2] : cuts[5]].reshape(3 * D, D)
    before, after, each = np.array(tokens[:-1]), np.array(tokens[1:]), np.arange(n)
    bias = np.where(np.tri(n, dtype=bool), 0.0, -np.inf)
    g = np.zeros_like(p)
    gte, gpe, ghead, _, _, _, gwo, gup, gdown = (
        q.reshape(shape) for q, shape in zip(np.split(g, cuts), shapes, strict=True)
    )
    gqkv = g[cuts[2] : cuts[5]].reshape(3 * D, D)

    def norm(x: Any) -> Any:
        s = (np.einsum("nd,nd->n", x, x)[:, None] / D + 1e-5) ** -0.5
        return x * s, s

    def back(dy: Any, y: Any, s: Any) -> Any:
        """RMSNorm's rule, by its result."""
        return (dy - y * (np.einsum("nd,nd->n", dy, y)[:, None] / D)) * s

    def step(X: Any, three: bool) -> Any:
        x0, s0 = norm(wte[before] + wpe[:n])
        x1, s1 = norm(x0)
        if three:
            Q, K, V = ((x1 @ W.T).reshape(n, H, k).swapaxes(0, 1) for W in (wq, wk, wv))
        else:
            Q, K, V = (x1 @ wqkv.T).reshape(n, 3, H, k).transpose(1, 2, 0, 3)
        S = Q @ K.swapaxes(1, 2) * k**-0.5
        S += bias
        E = np.exp(S - S.max(-1, keepdims=True))
        A = E / E.sum(-1, keepdims=True)
        O = (A @ V).swapaxes(0, 1).reshape(n, D)
        x2 = O @ wo.T + x0
        x3, s3 = norm(x2)
        r = np.maximum(x3 @ up.T, 0)
        u = r * r
        x4 = u @ down.T + x2
        L = x4 @ head.T
        L -= L.max(-1, keepdims=True)
        e = np.exp(L)
        total = e.sum(-1, keepdims=True)
        cost = (np.log(total)[:, 0] - L[each, after]).sum() / n
        dL = e / total
        dL[each, after] -= 1
        dL *= m / n
        np.matmul(dL.T, x4, out=ghead)
        dx4 = dL @ head
        np.matmul(dx4.T, u, out=gdown)
        du = (dx4 @ down) * 2 * r
        np.matmul(du.T, x3, out=gup)
        dx2 = dx4 + back(du @ up, x3, s3)
        np.matmul(dx2.T, O, out=gwo)
        dO = (dx2 @ wo).reshape(n, H, k).swapaxes(0, 1)
        dA = dO @ V.swapaxes(1, 2)
        dS = A * (dA - (dA * A).sum(-1, keepdims=True)) * k**-0.5
        d = np.stack([dS @ K, dS.swapaxes(1, 2) @ Q, A.swapaxes(1, 2) @ dO])
        d = d.transpose(2, 0, 1, 3).reshape(n, 3 * D)
        np.matmul(d.T, x1, out=gqkv)
        dx0 = dx2 + back(d @ wqkv, x1, s1)
        dw = back(dx0, x0, s0)
        gpe[:n] = dw
        gte[...] = 0
        np.add.at(gte, before, dw)
        return np.full(m, cost), [g]

    return [lambda X: step(X, True), lambda X: step(X, False)]
