"""Autodiff beside the δ equations, equation by equation: `verify` and its `Report`."""

from microgradnet.verification.comparison import verify
from microgradnet.verification.report import Report, Row

__all__ = ["Report", "Row", "verify"]
