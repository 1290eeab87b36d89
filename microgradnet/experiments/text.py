"""Results that read as a small table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["Told", "table"]


class Told:
    """Something whose str is the whole of it, in notebooks too."""

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns flush right, but the first."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = []
    for row in (headings, *rows):
        first, *others = row
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
