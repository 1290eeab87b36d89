"""The arrays inside a scalar graph: from nodes to terms over named axes, equations, and NumPy.

inputs, nesting, arguments   what is an input; parameters in nested lists and dicts; what is given
canonicalise, vectorise      nodes → atoms in arrays → classes of what is computed and used alike
recurrences, beginnings       classes that repeat → loops that carry something on
index_maps, axes, assembly    classes → terms over named axes
terms, serialisation, interpreter         the language of terms, as JSON, and run entry by entry
algebra, derivatives, absence, signs, rewriting   rules and adjoints as terms, rewrites as data
presentation, writing, text, latex, equations   terms as formulas, equation by equation
lowering, strides, layouts, numpy_*       terms → NumPy
analysis, lifted             what was found, with the nodes still attached; `Program` and `lift`
released                     programs that release 0.1 pickled
tracing                      `trace`: graphs of functions, built of nodes without numbers
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

from microgradnet.deprecation import moved_module as _moved_module

if TYPE_CHECKING:
    from microgradnet.lifting.analysis import Structure, Variable, recognise
    from microgradnet.lifting.equations import Equation
    from microgradnet.lifting.inputs import leaf_roles, role_of_label
    from microgradnet.lifting.latex import term_latex
    from microgradnet.lifting.lifted import Program, lift
    from microgradnet.lifting.serialisation import from_json, to_json
    from microgradnet.lifting.terms import Affine, Axis, Leaf, Map, State, Sum, Take, Term
    from microgradnet.lifting.text import LAYERED, term_text
    from microgradnet.lifting.tracing import TracingError, trace
    from microgradnet.lifting.writing import is_renaming

__all__ = [
    "LAYERED",
    "Affine",
    "Axis",
    "Equation",
    "Leaf",
    "Map",
    "Program",
    "State",
    "Structure",
    "Sum",
    "Take",
    "Term",
    "TracingError",
    "Variable",
    "from_json",
    "is_renaming",
    "leaf_roles",
    "lift",
    "recognise",
    "role_of_label",
    "term_latex",
    "term_text",
    "to_json",
    "trace",
]

_LAZY = {
    "analysis": (
        "Structure",
        "Variable",
        "recognise",
    ),
    "equations": ("Equation",),
    "inputs": (
        "leaf_roles",
        "role_of_label",
    ),
    "latex": ("term_latex",),
    "lifted": (
        "Program",
        "lift",
    ),
    "serialisation": (
        "from_json",
        "to_json",
    ),
    "terms": (
        "Affine",
        "Axis",
        "Leaf",
        "Map",
        "State",
        "Sum",
        "Take",
        "Term",
    ),
    "text": (
        "LAYERED",
        "term_text",
    ),
    "tracing": (
        "TracingError",
        "trace",
    ),
    "writing": ("is_renaming",),
}
"""Names by module, imported when they are asked for: `leaf_roles` needs no NumPy."""


def __getattr__(name: str) -> _Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(_import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_moved_module("microgradnet.lifting.program", __name__, "Program")
_moved_module("microgradnet.lifting.structure", __name__, "Equation", "Structure", "Variable")
