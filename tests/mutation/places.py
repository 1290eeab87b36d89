"""Where in the code a change is, and what changes, in words that outlive the layout of the text.

A place is a function by its qualified name, "" outside of any, and the code around the change as
`ast` writes it: no comments, no line breaks, one kind of quotes. So an entry in a list of places
goes stale only where its own code changes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import copy
from typing import Any, NamedTuple

__all__ = ["Place", "exists", "place"]

WIDTH = 100
"""Around a change the widest piece of code is taken that has at most so many characters."""

_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Place(NamedTuple):
    """A function, and the code around a change before and after it."""

    function: str
    before: str
    after: str


def place(source: str, changed: str) -> Place:
    r"""Return where a module's source was changed: within one statement, or in the head of one.

    >>> place("def f(x):\n    return x + 1  # more", "def f(x):\n    return x - 1  # more")
    Place(function='f', before='return x + 1', after='return x - 1')
    """
    around = list(_around(ast.parse(source), ast.parse(changed)))
    function = ".".join(node.name for node, _ in around if isinstance(node, _NAMED))
    coded = [pair for pair in around if _is_code(pair[0]) and _is_code(pair[1])]
    innermost = max(k for k, pair in enumerate(coded) if isinstance(pair[0], _STATEMENTS))
    texts = [(_code(node), _code(other)) for node, other in coded[innermost:]]
    fitting = [text for text in texts if max(map(len, text)) <= WIDTH]
    return Place(function, *(fitting or texts[-1:])[0])


def exists(source: str, function: str, code: str) -> bool:
    """Return whether a function of a module, or the module outside of any, has this code."""
    return any(
        _is_code(node) and _code(node) == code
        for room in _rooms(ast.parse(source), function.split(".") if function else [])
        for node in ast.walk(room)
    )


def _around(node: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    """The pairs of nodes that hold the one difference of two trees, the outermost first."""
    while isinstance(node, ast.AST):
        yield node, other
        if type(node) is not type(other):
            return
        below: list[tuple[Any, Any]] = []
        for name in node._fields:
            left, right = getattr(node, name, None), getattr(other, name, None)
            if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
                below += zip(left, right, strict=True)
            else:
                below.append((left, right))
        different = [(left, right) for left, right in below if _dump(left) != _dump(right)]
        if len(different) != 1:
            return
        ((node, other),) = different


def _dump(node: Any) -> str:
    return ast.dump(node) if isinstance(node, ast.AST) else repr(node)


def _is_code(node: Any) -> bool:
    return isinstance(node, (ast.expr, *_STATEMENTS))


def _code(node: Any) -> str:
    """The code in one line; of a statement with a body its head."""
    if isinstance(node, _STATEMENTS) and isinstance(getattr(node, "body", None), list):
        node = copy(node)
        node.body = [ast.Pass()]
        for name in ("orelse", "handlers", "finalbody", "cases"):
            if hasattr(node, name):
                setattr(node, name, [])
    return " ".join(ast.unparse(node).removesuffix("    pass").split())


def _rooms(node: Any, names: list[str]) -> Iterator[Any]:
    """The functions of that qualified name, of which there may be several, as of a property."""
    if not names:
        yield node
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _NAMED):
            if child.name == names[0]:
                yield from _rooms(child, names[1:])
        else:
            yield from _rooms(child, names)
