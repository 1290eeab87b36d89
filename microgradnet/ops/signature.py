"""The letters in the signatures of forward functions and derivative rules."""

from __future__ import annotations

from typing import TypeAlias

from microgradnet.arithmetic import Arithmetic, Number

__all__ = ["Contributions", "M", "N"]


M: TypeAlias = Arithmetic
"""The arithmetic of the numbers at hand."""
N: TypeAlias = Number
"""Operands x, y, z, the result and its adjoint g."""
Contributions: TypeAlias = "tuple[N, ...]"
"""g·∂/∂operand, one for each operand."""
