"""The path onward: the same network in PyTorch, in scikit-learn, and as SymPy's formulas.

    to_torch, from_torch     an MLP as a torch.nn.Sequential, and back
    MicrogradClassifier      an MLP that trains as scikit-learn's estimators do
    symbolic, Formulas       an MLP whose numbers are symbols: δ and the gradients as formulas

Each has a module of its own, which imports its library and is itself imported when it is asked
for. Where the library is missing that is a ModuleNotFoundError, and it says what to install.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

if TYPE_CHECKING:
    from microgradnet.interop.formulas import Formulas, symbolic
    from microgradnet.interop.pytorch import from_torch, to_torch
    from microgradnet.interop.scikit_learn import MicrogradClassifier

__all__ = ["Formulas", "MicrogradClassifier", "from_torch", "symbolic", "to_torch"]

_HOMES = {
    "Formulas": ("formulas", "sympy"),
    "MicrogradClassifier": ("scikit_learn", "sklearn"),
    "from_torch": ("pytorch", "torch"),
    "symbolic": ("formulas", "sympy"),
    "to_torch": ("pytorch", "torch"),
}
"""The module of each, and what it imports, which is also the extra that installs it."""


def __getattr__(name: str) -> _Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'microgradnet.interop' has no attribute {name!r}")
    home, library = _HOMES[name]
    try:
        module = _import_module(f"microgradnet.interop.{home}")
    except ModuleNotFoundError as missing:
        if str(missing.name).split(".")[0] != library:
            raise
        raise ModuleNotFoundError(
            f"{name} needs {library}, which is not installed here: "
            f"pip install 'microgradnet[{library}]'",
            name=library,
        ) from None
    return getattr(module, name)


def __dir__() -> list[str]:
    return list(__all__)
