"""The matrices inside a scalar graph: from nodes to vectors, equations, and a NumPy program.

reading      nodes → atoms and sums: every tree of +, − and × in one form
grouping     atoms → vectors: what is computed alike from the same vectors
forms        how Python, text and LaTeX each write numbers and functions
formulas     formulas over vectors, in each of these forms; entries, matrices, and rules: those of
             single entries, with matrices, and of the table's operations
derivation   vectors → equations: forward and, by the chain rule, backward
source       equations → Python that needs NumPy alone: lines, the arrays of its workspace, and
             functions that it brings along
structure    `recognise`: what was found, with the nodes still attached
program      `lift`, and what it returns
tracing      `trace`: graphs of functions, built of nodes without numbers

Beside these grows what will replace them: programs on arrays with axes (examples, positions, heads,
channels), reached by `microgradnet.lifting.lifted.lift` until all callers stand on it.

inputs, nesting, arguments   what is an input; parameters in nested lists and dicts
canonicalise, vectorise      nodes → atoms in arrays → classes of what is computed and used alike
recurrences, index_maps, axes, assembly   classes → terms over named axes
terms, serialisation, interpreter         the language of terms, as JSON, and run entry by entry
algebra, derivatives, absence             rules as terms, adjoints of terms, what has no part
rewriting                                 rewrites as data
writing, text, latex, equations           terms as formulas
lowering, strides, layouts, numpy_*       terms → NumPy; numpy_scalars: graphs without arrays
analysis, lifted                          what was found; `Program` and `lift`
"""

from microgradnet.lifting.inputs import leaf_roles
from microgradnet.lifting.latex import term_latex
from microgradnet.lifting.program import Program, lift
from microgradnet.lifting.serialisation import from_json, to_json
from microgradnet.lifting.structure import Equation, Structure, Variable, recognise
from microgradnet.lifting.text import term_text
from microgradnet.lifting.tracing import TracingError, trace

__all__ = [
    "Equation",
    "Program",
    "Structure",
    "TracingError",
    "Variable",
    "from_json",
    "leaf_roles",
    "lift",
    "recognise",
    "term_latex",
    "term_text",
    "to_json",
    "trace",
]
