"""How weights begin. Biases begin at 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from types import MappingProxyType
from typing import Any, TypeAlias

from microgradnet.arithmetic import Number

__all__ = ["INITIALISERS", "Initialiser", "initialiser"]

Initialiser: TypeAlias = Callable[[Any, int, int], Number]
"""(rng, n_in, n_out) → a weight of a layer of n_out neurons with n_in inputs each."""


def uniform(rng: Any, n_in: int, n_out: int) -> float:
    """Draw uniformly from [−1, 1], as micrograd does."""
    return float(rng.uniform(-1, 1))


def xavier(rng: Any, n_in: int, n_out: int) -> float:
    """Draw uniformly within ±√(6/(n_in + n_out)): X. Glorot and Y. Bengio (2010)."""
    bound = sqrt(6 / (n_in + n_out))
    return float(rng.uniform(-bound, bound))


def he(rng: Any, n_in: int, n_out: int) -> float:
    """Draw normally with variance 2/n_in, for relu: K. He et al. (2015)."""
    return float(rng.gauss(0, sqrt(2 / n_in)))


def zeros(rng: Any, n_in: int, n_out: int) -> float:
    """Begin at 0, to see why one doesn't: the neurons of a layer can never become different."""
    return 0.0


INITIALISERS: Mapping[str, Initialiser] = MappingProxyType(
    {begin.__name__: begin for begin in (uniform, xavier, he, zeros)}
)
"""The initialisers by name."""


def initialiser(init: str | Initialiser) -> Initialiser:
    """Find the initialiser of that name, or the function itself; ValueError lists the names."""
    if callable(init):
        return init
    if init not in INITIALISERS:
        raise ValueError(f"no initialiser {init!r}: there are {', '.join(INITIALISERS)}")
    return INITIALISERS[init]
