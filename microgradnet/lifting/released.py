"""Programs that release 0.1 pickled, read as programs of this one."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["converted", "is_of_release_0_1"]

_PREPARED = '''

def prepare_value(p, m):
    """The function of the examples, as release 0.1 wrote it."""
    return lambda X, Y=None: value(p, X, Y)
'''
_OF_A_COST = '''

def prepare(p, g, m):
    """The function of the examples that fills g, as release 0.1 wrote it."""

    def run(X, Y=None):
        g[...] = 0
        return value_and_grad(p, X, Y, g)

    return run
'''
_OF_OUTPUTS = '''

def prepare(p, g, m):
    """The function of the examples that fills g, as release 0.1 wrote it."""

    def run(X, V, Y=None):
        g[...] = 0
        return vjp(p, X, V, Y, g)

    return run
'''


def is_of_release_0_1(state: dict[str, Any]) -> bool:
    """Tell whether the state of a pickled program is one that release 0.1 wrote."""
    return "_scattered" in state


def converted(state: dict[str, Any]) -> dict[str, Any]:
    """Return that state as this release has it: the same source, called as sources are today.

    Its equations have no terms.
    """
    rest = {name: x for name, x in state.items() if name not in ("_named", "_scattered")}
    written: dict[str, Any] = {}
    exec(state["source"], written)  # as unpickling a program has always done
    size = len(state["_parameters"])
    places = written["views"](np.arange(size)) if state["_named"] else ()
    arrays = {**dict(zip(state["_named"], places, strict=True)), **state["_scattered"]}
    prepared = _PREPARED + (_OF_A_COST if state["_scalar_cost"] else _OF_OUTPUTS)
    return {**rest, "source": state["source"] + prepared, "_arrays": arrays}
