"""The names in an expression, as Python's parser has them."""

from __future__ import annotations

import ast

__all__ = ["names_in"]


def names_in(text: str) -> list[str]:
    """List the names that an expression needs numbers for; none where it cannot be parsed."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    nodes = [*ast.walk(tree)]
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    names = [node.id for node in nodes if isinstance(node, ast.Name) and node not in called]
    return list(dict.fromkeys(names))
