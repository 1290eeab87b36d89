"""Old spellings: each still works for one release, and warns with the new one."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

__all__ = ["moved_module", "renamed_attribute", "renamed_keywords", "warn_renamed"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def warn_renamed(old: str, new: str, stacklevel: int = 3) -> None:
    """Warn whoever called the caller that `old` is now spelled `new`."""
    warnings.warn(
        f"{old} is now {new}; the old spelling goes with the next release",
        DeprecationWarning,
        stacklevel=stacklevel,
    )


def renamed_keywords(**names: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorate a function whose keywords were renamed, old="new", so that it takes both.

    The old keyword and the new one in the same call are a TypeError.

    >>> @renamed_keywords(eta="lr")
    ... def step(lr):
    ...     return lr
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     step(eta=0.5)
    0.5
    >>> print(caught[0].message)
    step(eta=...) is now step(lr=...); the old spelling goes with the next release
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            name = function.__qualname__.removesuffix(".__init__")
            for old in names.keys() & kwargs.keys():
                new = names[old]
                if new in kwargs:
                    raise TypeError(f"{name} takes {new}, or {old} as it was called, not both")
                warn_renamed(f"{name}({old}=...)", f"{name}({new}=...)")
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapper

    return decorate


def renamed_attribute(old: str, new: str) -> Any:
    """Return the property that reads the attribute `new` by its old name."""

    def read(self: Any) -> Any:
        warn_renamed(f"{type(self).__name__}.{old}", new)
        return getattr(self, new)

    return property(read, doc=f"`{new}`, as it was called.")


def moved_module(old: str, new: str, *names: str, **renamed: str) -> None:
    """Let pickles of the last release find, under a module's old name, what is in the new one.

    >>> moved_module("microgradnet.counting", "builtins", "sum", count="len")
    >>> from microgradnet.counting import count
    >>> count("abba")
    4
    >>> from importlib.util import find_spec
    >>> find_spec("microgradnet.counting").name
    'microgradnet.counting'
    """
    renamed |= {name: name for name in names}

    def find(name: str) -> Any:
        if name not in renamed:
            raise AttributeError(name)
        return getattr(import_module(new), renamed[name])

    module = ModuleType(
        old, f"Gone: pickles of the last release look here for {', '.join(renamed)}."
    )
    vars(module).update(__getattr__=find, __spec__=ModuleSpec(old, None))
    sys.modules[old] = module
