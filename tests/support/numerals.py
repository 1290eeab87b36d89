"""Numerals read back: what Python's own readers of numbers take."""

__all__ = ["plain_ascii"]


def plain_ascii(text: str) -> str:
    """The text with numerals as Python writes numbers."""
    return text.replace("−", "-").replace("∞", "inf").replace("NaN", "nan")
