"""Autodiff beside the δ equations, equation by equation: `verify` and its `Report`.

In rationals the two are equal. In floats each equation holds within a bound that is derived
(`verification.bounds`). How far gradients are from the true ones, rounding having gone through the
whole network, can be measured against the same graph at 50 digits. Of 1,000 random networks of each
activation and cost half are within 2.3 units in the last place, and 99 % within 171
(`python tests/benchmarks/ulps.py --networks 1000`). The large errors belong to gradients in which
large terms have cancelled: a last place of the terms is many of what is left.
"""

from microgradnet.verification.comparison import verify
from microgradnet.verification.report import Report, Row

__all__ = ["Report", "Row", "verify"]
