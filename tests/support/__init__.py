"""What the tests share: oracles, judges, networks, hostile input, and where the tree lies."""

from pathlib import Path

__all__ = ["ROOT"]

ROOT = Path(__file__).parents[2]
"""The top of the tree."""
