"""What a subject is called in an error: by its name, and never by its address."""

from __future__ import annotations

from types import ModuleType
from typing import Any

__all__ = ["called"]


def called(subject: Any) -> str:
    """Name a module, a function or a class; of anything else say its value, or its class.

    >>> called(called), called(max), called(3), called(object())
    ('microgradnet.judging.naming.called', 'max', '3', 'an instance of object')
    """
    if isinstance(subject, ModuleType):
        return subject.__name__
    name = getattr(subject, "__qualname__", None)
    if name is None:
        text = repr(subject)
        return text[:60] if " at 0x" not in text else f"an instance of {called(type(subject))}"
    module = getattr(subject, "__module__", None)
    return f"{name}" if module in (None, "builtins") else f"{module}.{name}"
