"""A part of the table of right values: all of its points are too many for each test."""

from __future__ import annotations

import numpy as np
from hypothesis import settings

from microgradnet.judging.right_values import RightValues, right_values

__all__ = ["fewer"]

SHARE = 30 if settings.default.max_examples > 15 else 96


def fewer(name: str, single: bool = False, share: int = SHARE) -> RightValues:
    """Kinks, what may overflow, and one in `share` of the other points, or twenty of them."""
    found = right_values(name, single)
    largest = np.abs(found.points).max(axis=1)
    kept = found.kinks | ((largest >= 300) & (largest <= 1000))
    kept[:: min(share, 1 + len(kept) // 20)] = True
    return RightValues(*(column[kept] for column in vars(found).values()))
