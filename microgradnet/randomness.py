"""Where random numbers come from: a seed, or a generator, in every signature that takes them."""

from __future__ import annotations

from operator import index
from random import Random
from typing import Any

__all__ = ["generator"]


def generator(seed: int | None, rng: Any, default: int | None = None) -> Any:
    """Return the generator that a caller asked for: rng, or a new one from the seed.

    seed     a whole number; None for no generator of its own
    rng      a random.Random, or what has its methods; None where the seed speaks
    default  the seed of a caller who says nothing

    Raises ValueError where both are given, and TypeError for what is no seed and no generator.

    >>> generator(7, None).random() == Random(7).random()
    True
    """
    if rng is None:
        return None if seed is None else Random(index(seed))
    if seed != default:
        raise ValueError(f"give seed={seed!r} or rng, which has its own, not both")
    if not hasattr(rng, "uniform"):
        raise TypeError(f"rng is a generator, as in rng=random.Random(42), not {rng!r}")
    return rng
