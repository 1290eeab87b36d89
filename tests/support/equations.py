"""The equations of backpropagation in mpmath, for `certify`: nothing of the package is in them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from mpmath import mp, mpf

__all__ = ["rounded", "true_gradients"]


def rounded(x: Any) -> float:
    """The float nearest to an mpmath number, by a quotient of ints: mpmath itself rounds twice."""
    if not mp.isfinite(x):
        return float(x)
    sign, mantissa, exponent, bits = mpf(x)._mpf_
    if abs(exponent + bits) > 1100:
        size = math.inf if mantissa and exponent + bits > 0 else 0.0
    else:
        try:
            size = float(Fraction(int(mantissa)) * Fraction(2) ** exponent)
        except OverflowError:
            size = math.inf
    return -size if sign else size


def _activation(name: str, z: Any) -> tuple[Any, Any]:
    """σ(z) and σ′(z) by the textbook."""
    e = mp.exp(-z)
    sigma = 1 / (1 + e)
    phi, density = mp.ncdf(z), mp.npdf(z)
    table = {
        "sigmoid": (sigma, e * sigma * sigma),
        "tanh": (mp.tanh(z), 1 / mp.cosh(z) ** 2),
        "softplus": (mp.log(1 + mp.exp(z)), sigma),
        "silu": (z * sigma, sigma + z * e * sigma * sigma),
        "gelu": (z * phi, phi + z * density),
        "softsign": (z / (1 + abs(z)), 1 / (1 + abs(z)) ** 2),
        "relu": (max(z, mpf(0)), mpf(z > 0)),
        "linear": (z, mpf(1)),
    }
    return table[name]


def true_gradients(model: Any, names: list[str], x: list[float], y: list[float]) -> list[Any]:
    """∂C/∂b and ∂C/∂w of every neuron, in the order of `parameters`, by BP1 to BP4."""
    W = [[[mpf(w.data) for w in n.w] for n in layer.neurons] for layer in model.layers]
    b = [[mpf(n.b.data) for n in layer.neurons] for layer in model.layers]
    a, slopes = [[mpf(each) for each in x]], []
    for rows, biases, name in zip(W, b, names, strict=True):
        z = [mp.fdot(row, a[-1]) + bias for row, bias in zip(rows, biases, strict=True)]
        pairs = [_activation(name, each) for each in z]
        a.append([value for value, _ in pairs])
        slopes.append([slope for _, slope in pairs])
    error = [(p - t) * s for p, t, s in zip(a[-1], map(mpf, y), slopes[-1], strict=True)]
    found: list[list[Any]] = []
    for l in reversed(range(len(W))):
        found.insert(0, [[d * each for each in a[l]] + [d] for d in error])
        if l:
            back = [mp.fsum(W[l][j][k] * d for j, d in enumerate(error)) for k in range(len(a[l]))]
            error = [g * s for g, s in zip(back, slopes[l - 1], strict=True)]
    return [number for layer in found for row in layer for number in row]
