"""Whole networks of an engine's nodes, held against the δ equations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

from microgradnet import delta
from microgradnet.judging.engines import Engine, Function, NodeEngine
from microgradnet.judging.findings import Finding
from microgradnet.judging.limits import Failure

__all__ = ["judge_networks"]

_ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "softplus", "silu", "gelu", "elu", "softsign")
_SIZES = (3, 4, 2)
_BOUND = 2.0**-38
"""Relative to the largest gradient: what honest roundings of a network this small stay below."""


def judge_networks(
    engine: Engine, functions: Mapping[str, Function], rng: Random
) -> Iterator[Finding]:
    """Compare every ∂C/∂w and ∂C/∂b of a 3-4-2 network, in floats and, where it can, fractions."""
    for activation in _ACTIVATIONS:
        if activation == "linear" or activation in functions:
            yield _judge(engine, functions, activation, rng, float)
    if isinstance(engine, NodeEngine):
        for activation in ("linear", "relu"):
            if activation == "linear" or activation in functions:
                yield _judge(engine, functions, activation, rng, _fraction)


def _judge(
    engine: Engine, functions: Mapping[str, Function], activation: str, rng: Random, kind: Any
) -> Finding:
    exact = kind is not float
    of = f"a {activation} network{' in fractions' if exact else ''}"
    weights, biases = _parameters(rng, kind)
    x = [kind(rng.uniform(-1, 1)) for _ in range(_SIZES[0])]
    y = [kind(rng.uniform(-1, 1)) for _ in range(_SIZES[-1])]
    flat = [w for matrix in weights for row in matrix for w in row]
    flat += [b for vector in biases for b in vector]

    number = engine.leaf if isinstance(engine, NodeEngine) else lambda x: x

    def cost(*nodes: Any) -> Any:
        each = iter(nodes)
        matrices = [[[next(each) for _ in row] for row in matrix] for matrix in weights]
        vectors = [[next(each) for _ in vector] for vector in biases]
        a: list[Any] = [number(entry) for entry in x]
        for l, (matrix, vector) in enumerate(zip(matrices, vectors, strict=True)):
            z = []
            for row, b in zip(matrix, vector, strict=True):
                total = b
                for w, entry in zip(row, a, strict=True):
                    total = total + w * entry
                z.append(total)
            a = z if activation == "linear" or l else [functions[activation](each) for each in z]
        total = None
        for output, target in zip(a, y, strict=True):
            error = output + number(-target)
            square = error * error
            total = square if total is None else total + square
        return total * number(kind(0.5))

    if exact and isinstance(engine, NodeEngine):
        found = engine.run_exactly(cost, flat)
    else:
        found = engine.run(cost, flat)
    if isinstance(found, Failure):
        if exact:
            return Finding("networks", of, "absent", note=f"no fractions: {found}")
        return Finding("networks", of, "stopped" if found.stopped else "raises", got=str(found))
    right = _right(weights, biases, x, y, activation, exact)
    got = found[1]
    if exact and not all(isinstance(g, Fraction | int) for g in got):
        return Finding("networks", of, "absent", note="fractions become floats")
    unit = 0.0 if exact else _BOUND * (2.0**29 if engine.single else 1)
    bound = unit * max(abs(g) for g in right)
    wrong = [k for k, g in enumerate(right) if not abs(got[k] - g) <= bound]
    if not wrong:
        return Finding("networks", of, "right")
    worst = max(wrong, key=lambda k: abs(got[k] - right[k]))
    return Finding("networks", of, "wrong", _names()[worst], str(got[worst]), str(right[worst]))


def _fraction(x: float) -> Fraction:
    return Fraction(x).limit_denominator(16)


def _parameters(rng: Random, kind: Any) -> tuple[list[Any], list[Any]]:
    pairs = [*zip(_SIZES[1:], _SIZES[:-1], strict=True)]
    weights = [[[kind(rng.uniform(-1, 1)) for _ in range(m)] for _ in range(n)] for n, m in pairs]
    return weights, [[kind(rng.uniform(-1, 1)) for _ in range(n)] for n, _ in pairs]


def _right(weights: Any, biases: Any, x: Any, y: Any, activation: str, exact: bool) -> list[Any]:
    dtype = object if exact else float
    W = [np.array(w, dtype) for w in weights]
    b = [np.array(v, dtype) for v in biases]
    found = delta.backprop(
        W, b, [activation, "linear"], "quadratic", np.array(x, dtype), np.array(y, dtype)
    )
    flat = [g for matrix in found.nabla_w for g in np.ravel(matrix)]
    return flat + [g for vector in found.nabla_b for g in np.ravel(vector)]


def _names() -> list[str]:
    """Name the parameters in their order: w¹₁₂ as w[1][1][2]."""
    pairs = [*zip(_SIZES[1:], _SIZES[:-1], strict=True)]
    weights = [f"∂C/∂w, layer {l}, entry {j + 1}, {k + 1}" for l, (n, m) in enumerate(pairs, 1)
               for j in range(n) for k in range(m)]  # fmt: skip
    return weights + [
        f"∂C/∂b, layer {l}, entry {j + 1}" for l, (n, _) in enumerate(pairs, 1) for j in range(n)
    ]
