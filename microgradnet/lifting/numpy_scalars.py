"""Graphs without arrays as Python that needs NumPy alone: a table of instructions, one a number.

Where nothing is like anything, nothing can be said of many numbers at once. A line of a table has a
function of NumPy, or one that the program brings along, the names of what it reads, and the name of
what it fills: a number for each example, or one that is the same for all. A table is read in a
tenth of the time that the same statements would take to be compiled, and runs as fast.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias, cast

from microgradnet import ops
from microgradnet.complements import SENSITIVE, may_have_complement
from microgradnet.lifting.algebra import contributions, expand
from microgradnet.lifting.canonicalise import (
    CONSTANT,
    INPUT,
    OPERATION,
    PARAMETER,
    SUM,
    TARGET,
    Atoms,
)
from microgradnet.lifting.numpy_functions import (
    called_helpers,
    expression,
    is_native,
    number_source,
    ufunc,
)
from microgradnet.lifting.numpy_printer import WHOLE
from microgradnet.lifting.rewriting import COMPLEMENTS, LOGARITHMS, rewrite
from microgradnet.lifting.terms import (
    Constant,
    LogSumExp,
    Map,
    Softmax,
    State,
    Term,
    constant,
    multiply,
    rebuild,
    topological_terms,
)
from microgradnet.operation import Operation

__all__ = ["write_scalars"]


def write_scalars(atoms: Atoms, *, columns: bool = False, title: str = "A scalar graph.") -> str:
    """The source of a program of a graph's atoms. It defines what that of `write_numpy` does.

    columns     whether there are several outputs, which are the columns of what is returned, and
                whose adjoints are the columns of V

    >>> from microgradnet import Value, tanh
    >>> from microgradnet.lifting.canonicalise import canonicalise
    >>> w, x = Value(0.5), Value(2.0)
    >>> source = write_scalars(canonicalise([tanh(w * x)], [x], [], [w]))
    >>> print(source[source.index("VALUE") : source.index("GRADIENT")].strip())
    VALUE = '''
    multiply p0 x0 a0
    tanh a0 a1
    '''

    Raises TypeError for an operation that branches in Python on its operands.
    """
    tables = _Tables(atoms, columns)
    tables.write_forward()
    tables.write_backward()
    return tables.text(title)


Step: TypeAlias = "tuple[str, Sequence[str]]"
"""A function, and the names of what it reads and fills."""

_LEAVES = {PARAMETER: "p", TARGET: "y", INPUT: "x"}
_BY_KEYWORD = "maximum", "minimum"
"""NumPy's functions whose third argument is not what they fill."""
_HELPERS = ("sigmoid_and_slope", "tanh_slope")


class _Tables:
    """The tables so far.

    Numbers for each example have names that begin so: inputs x, targets y, adjoints of outputs v,
    results a, adjoints d, what is read at once t, and ones. Parameters p, constants k and gradients
    g are the same for all examples.

    names       what the number of each atom is called
    active      whether it depends on parameters
    adjoints    what its adjoint so far is called: a row of its own, or one that holds the same
    rows        the rows of their own; those that are `shared` stay, others are `free` in the end
    recipes     the instructions of each operation, and of its rule
    """

    def __init__(self, atoms: Atoms, columns: bool) -> None:
        self.atoms, self.columns = atoms, columns
        self.roles, self.places = atoms.role.tolist(), atoms.place.tolist()
        self.starts, self.operands = atoms.starts.tolist(), atoms.operands.tolist()
        self.first_term, self.coefficients = atoms.first_term.tolist(), atoms.coefficient.tolist()
        self.factors = [[k for k in row if k >= 0] for row in atoms.factors.tolist()]
        self.roots = atoms.roots.tolist()
        self.value: list[str] = []
        self.gradient: list[str] = []
        self.lines = self.value
        self.names: list[str] = []
        self.active: list[bool] = []
        self.constants: dict[str, str] = {}
        self.functions: dict[str, None] = {}
        self.sources: dict[str, str] = {}
        self.recipes: dict[object, list[Step]] = {}
        self.letters: list[State] = []
        self.counts: Counter[str] = Counter()
        self.slopes: dict[int, str] = {}
        self.adjoints: dict[int, str] = {}
        self.rows: dict[int, str] = {}
        self.shared: set[str] = set()
        self.free: list[str] = []
        self.reached: set[int] = set()

    # Names

    def constant(self, x: float) -> str:
        """The name of a number."""
        return self.constants.setdefault(number_source(x), f"k{len(self.constants)}")

    def new(self, letter: str) -> str:
        """A new name for a number of each example."""
        self.counts[letter] += 1
        return f"{letter}{self.counts[letter] - 1}"

    def scratch(self, number: int = 0) -> str:
        """A row that is read by the next instructions."""
        self.counts["t"] = max(self.counts["t"], number + 1)
        return f"t{number}"

    def line(self, function: str, *names: str) -> None:
        """Write an instruction."""
        self.functions[function] = None
        self.lines.append(f"{function} {' '.join(names)}")

    def follow(self, recipe: Sequence[Step], names: dict[str, str]) -> None:
        """Write the instructions of a recipe with names in place of its letters."""
        for function, letters in recipe:
            self.line(function, *[names.get(x, x) for x in letters])

    # Forward

    def write_forward(self) -> None:
        """Write instructions for all atoms."""
        values = self.atoms.value.tolist()
        for k, role in enumerate(self.roles):
            if role == OPERATION:
                self.operation(k)
            elif role == SUM:
                self.sum(k, values[k])
            else:
                self.active.append(role == PARAMETER)
                leaf = role != CONSTANT
                name = f"{_LEAVES[role]}{self.places[k]}" if leaf else self.constant(values[k])
                self.names.append(name)

    def result(self, parts: Sequence[int]) -> str:
        """The name of the next atom, which is computed from others."""
        self.active.append(any([self.active[j] for j in parts]))
        self.names.append(self.new("a"))
        return self.names[-1]

    def parts(self, k: int) -> tuple[Operation, list[int]]:
        """The operation of an atom, and its operands."""
        op = self.atoms.operation[k]
        assert op is not None
        return op, self.operands[self.starts[k] : self.starts[k + 1]]

    def operation(self, k: int) -> None:
        """Write the instruction of an operation."""
        op, xs = self.parts(k)
        out, given = self.result(xs), [self.names[j] for j in xs]
        if op is ops.sigmoid and self.active[k]:
            self.slopes[k] = slope = self.new("a")
            self.line("sigmoid_and_slope", *given, self.constant(1.0), "top", out, slope)
            return
        exact = self.exact(op, xs)
        if exact is not None:
            term, below = exact
            if term not in self.recipes:
                own = [self.letters[j] for j in range(len(below))]
                direct = self.direct(term, "out0")
                self.recipes[term] = direct or [self.function(op, "", own, {"out0": term})]
            names = _lettered("x", [self.names[j] for j in below])
            self.follow(self.recipes[term], {**names, "out0": out})
            return
        key = op, len(xs)
        if key not in self.recipes:
            letters = [State(f"x{j}", ()) for j in range(len(xs))]
            direct = self.direct(Map(op, tuple(letters)), "out0")
            self.recipes[key] = direct or [
                self.function(op, "", letters, {"out0": expand(op, letters)})
            ]
        self.follow(self.recipes[key], {**_lettered("x", given), "out0": out})

    def exact(self, op: Operation, xs: Sequence[int]) -> tuple[Term, list[int]] | None:
        """An operation as a term of what is below its operands, if its number has more digits so.

        And the atoms that the letters x0, x1 … in it stand for.
        """
        if op not in SENSITIVE:
            return None
        below: list[int] = []
        term = Map(op, tuple([self.opened(j, below, 2) for j in xs]))
        (found,) = rewrite([term], LOGARITHMS, COMPLEMENTS)
        return None if found is term else (rebuild([found], _expanded)[0], below)

    def opened(self, k: int, below: list[int], depth: int) -> Term:
        """An atom as a term of others, if it may be close to 1."""
        if self.roles[k] == CONSTANT:
            return constant(self.atoms.value[k])
        if self.roles[k] == OPERATION and depth:
            op, xs = self.parts(k)
            if may_have_complement(op):
                return cast(Term, Map(op, tuple([self.opened(j, below, depth - 1) for j in xs])))
        t = self.first_term[k]
        if self.roles[k] == SUM and depth and self.first_term[k + 1] == t + 1:
            factors = self.factors[t]
            plain = self.coefficients[t] == 1 and self.atoms.value[k] == 0
            if plain and len(factors) == 2 and factors[0] == factors[1]:
                return multiply(*[self.opened(j, below, depth - 1) for j in factors])
        if k not in below:
            below.append(k)
        if len(below) > len(self.letters):
            self.letters.append(State(f"x{len(self.letters)}", ()))
        return self.letters[below.index(k)]

    def sum(self, k: int, number: float) -> None:
        """Write c₀ + Σ c·u·v, added up in the order of writing."""
        terms = range(self.first_term[k], self.first_term[k + 1])
        out = self.result([j for t in terms for j in self.factors[t]])
        total = self.constant(number) if number or not terms else ""
        for t in terms:
            c = self.coefficients[t]
            product, *rest = [self.names[j] for j in self.factors[t]]
            scaled = c != 1 and (c != -1 or not total)
            target = self.scratch() if total and (scaled or rest) else out
            if scaled:
                self.line("multiply", product, self.constant(c), target)
                product, c = target, 1.0
            for factor in rest:
                self.line("multiply", product, factor, target)
                product = target
            if total:
                self.line("add" if c == 1 else "subtract", total, product, out)
            total = out if total else product
        if total != out:
            self.line("positive", total, out)

    # Functions

    def direct(self, term: Term, out: str) -> list[Step]:
        """The instructions of a term that is one of NumPy's functions of letters and numbers."""
        template = ufunc(term.function, number_source) if isinstance(term, Map) else None
        given = [name for x in term.operands if (name := self.letter(x))]
        if template is None or template.startswith(_BY_KEYWORD) or len(given) < len(term.operands):
            return []
        function, _, rest = template.removesuffix(")").partition("(")
        letters = iter(given)
        filled = [next(letters) if x == "{}" else self.constant(float(x)) for x in rest.split(", ")]
        more = [(function, [out, x, out]) for x in letters]  # of a product of more than two
        return [(function, [*filled, out]), *more]

    def letter(self, x: Term) -> str | None:
        """What an instruction calls a letter or a number; None if a term is neither."""
        if isinstance(x, State):
            return x.name
        number = x.number if isinstance(x, Constant) else None
        return None if number is None else self.constant(number)

    def function(
        self, op: Operation, suffix: str, given: Sequence[State], filled: dict[str, Term]
    ) -> Step:
        """A function that is brought along. It fills its last arguments with terms."""
        stem = f"{op.name if op.is_built_in else 'own'}_{suffix}into"
        self.counts[stem] += 1
        name = stem if self.counts[stem] == 1 else f"{stem}_{self.counts[stem]}"
        called: dict[Term, str] = {}
        lines = []
        for term in topological_terms(filled.values()):
            if isinstance(term, (Softmax, LogSumExp)):
                rows = ", ".join(expression(x, called) for x in term.operand.operands)
                stacked = f"np.stack(np.broadcast_arrays({rows}))"
                called[term] = name_of_row = f"s{len(called)}"
                row = "softmax({}, 0)" if isinstance(term, Softmax) else "log_sum_exp({}, (0,))"
                lines.append(f"{name_of_row} = {row.format(stacked)}")
        lines += [f"{out}[...] = {expression(term, called)}" for out, term in filled.items()]
        letters = [*[x.name for x in given], *filled]
        shown = op.name if op.name.isidentifier() else "an operation"
        doc = f"The contributions of {shown}, whose adjoint is g," if suffix else f"{shown}(...)"
        body = "\n    ".join([f'"""{doc} into the last arguments."""', *lines])
        self.sources[name] = f"def {name}({', '.join(letters)}):\n    {body}\n"
        return name, letters

    # Backward

    def write_backward(self) -> None:
        """Write instructions for the adjoints of all atoms that depend on parameters."""
        self.lines = self.gradient
        for number, root in enumerate(self.roots):
            self.contribute(root, f"v{number}" if self.columns else "ones")
        for k in range(len(self.roles) - 1, -1, -1):
            g = self.adjoints.get(k)
            if g is None:
                continue
            if self.roles[k] == PARAMETER:
                self.reached.add(self.places[k])
                self.line("dot", g, "ones", f"g{self.places[k]}")
            elif self.roles[k] == SUM:
                self.sum_vjp(k, g)
            else:
                self.operation_vjp(k, g)
            if g == self.rows.get(k) and g not in self.shared:
                self.free.append(g)

    def row_for(self, k: int, number: int = 0) -> str:
        """Where a contribution to an atom is computed: in its own row, if nothing is there yet."""
        if k not in self.rows:
            self.rows[k] = self.free.pop() if self.free else self.new("d")
        own = self.rows[k]
        return self.scratch(number) if self.adjoints.get(k) == own else own

    def contribute(self, k: int, product: str, *factors: str, sign: int = 1) -> None:
        """Add a product, with a sign, to an atom's adjoint."""
        if not self.active[k]:
            return
        before = self.adjoints.get(k)
        target = self.row_for(k) if before or factors or sign < 0 else ""
        for factor in factors:
            self.line("multiply", product, factor, target)
            product = target
        if before:
            self.line("add" if sign > 0 else "subtract", before, product, self.rows[k])
        elif sign < 0:
            self.line("negative", product, self.rows[k])
        self.adjoints[k] = self.rows[k] if before or sign < 0 else product
        if self.adjoints[k] != self.rows.get(k):
            self.shared.add(product)

    def sum_vjp(self, k: int, g: str) -> None:
        """Write the contributions g·c·v of a sum to the u of its terms c·u·v."""
        for t in range(self.first_term[k], self.first_term[k + 1]):
            c, factors = self.coefficients[t], self.factors[t]
            number = [self.constant(c)] if abs(c) != 1 else []
            for place, j in enumerate(factors):
                others = [self.names[i] for i in (*factors[:place], *factors[place + 1 :])]
                self.contribute(j, g, *others, *number, sign=-1 if c == -1 else 1)

    def operation_vjp(self, k: int, g: str) -> None:
        """Write the contributions of an operation by its rule."""
        op, xs = self.parts(k)
        if k in self.slopes:
            self.contribute(xs[0], g, self.slopes[k])
            return
        if op is ops.tanh:
            slope = self.scratch(1)
            self.line("tanh_slope", self.names[xs[0]], self.constant(1.0), slope)
            self.contribute(xs[0], g, slope)
            return
        wanted = tuple([self.active[j] for j in xs])
        key = op, wanted
        if key not in self.recipes:
            self.recipes[key] = self.rule(op, wanted)
        recipe = self.recipes[key]
        outs = {x for _, letters in recipe for x in letters if x.startswith("out")}
        rows = {}
        for j, x in enumerate(xs):
            if f"out{j}" in outs:
                repeated = x in xs[:j]
                rows[f"out{j}"] = self.scratch(j + 1) if repeated else self.row_for(x, j + 1)
        given = _lettered("x", [self.names[j] for j in xs])
        self.follow(recipe, {"g": g, "y": self.names[k], **given, **rows})
        for j, x in enumerate(xs):
            if f"out{j}" in rows:
                self.contribute(x, rows[f"out{j}"])

    def rule(self, op: Operation, wanted: Sequence[bool]) -> list[Step]:
        """The instructions of a rule, for the operands that depend on parameters."""
        letters = [State(x, ()) for x in ("g", "y", *[f"x{j}" for j in range(len(wanted))])]
        found = contributions(op, letters[0], letters[1], letters[2:], running=True)
        steps: list[Step] = []
        rest: dict[str, Term] = {}
        for j, term in enumerate(found):
            if wanted[j] and not (isinstance(term, Constant) and term.number == 0):
                direct = self.direct(term, f"out{j}")
                steps += direct
                if not direct:
                    rest[f"out{j}"] = term
        return [*steps, self.function(op, "vjp_", letters, rest)] if rest else steps

    # Text

    def text(self, title: str) -> str:
        """The whole source."""
        own = {name: name for name in (*self.sources, *_HELPERS)}
        functions = "".join([f'    "{x}": {own.get(x, f"np.{x}")},\n' for x in self.functions])
        sources = list(self.sources.values())
        helpers = called_helpers("".join([*sources, *[f"{x}(" for x in self.functions]]))
        math = "import math\n\n" if any("math." in x for x in helpers) else ""
        tables = (("VALUE", self.value), ("GRADIENT", self.gradient))
        return "\n\n".join([
            f'"""{title}\n\n{_LEGEND}"""\n\n{math}import numpy as np\n',
            *helpers,
            *sources,
            f"CONSTANTS = [{', '.join(self.constants)}]\n\nFUNCTIONS = {{\n{functions}}}\n",
            *["\n".join([f"{name} = '''", *lines, "'''\n"]) for name, lines in tables],
            _PREPARED.format(arrays=self.arrays()),
            self.computed(False),
            self.computed(True),
            WHOLE[self.columns],
        ])  # fmt: skip

    def lengths(self) -> dict[str, int]:
        """How many numbers have names that begin with a letter."""
        given = {_LEAVES[role]: n for role, n in self.atoms.lengths.items() if role != PARAMETER}
        outputs = len(self.roots) if self.columns else 0
        return {**given, "v": outputs, **{letter: self.counts[letter] for letter in "adt"}}

    def arrays(self) -> str:
        """The code of the arrays of numbers."""
        lengths = self.lengths().items()
        return "\n".join([f'        "{x}": np.empty(({n}, m), kind),' for x, n in lengths])

    def computed(self, with_gradient: bool) -> str:
        """The definition of what prepares, and within it of what computes."""
        lengths = self.lengths()
        copies = {"x": "X", "y": "Y", **({"v": "V"} if with_gradient else {})}
        lines = [f'arrays["{x}"][...] = {X}.T' for x, X in copies.items() if lengths[x]]
        if with_gradient and len(self.reached) < self.atoms.lengths[PARAMETER]:
            lines.append("g.fill(0)")
        lines += ["for function, given in steps:", "    function(*given)"]
        outputs = [self.names[k] for k in self.roots]
        found = f'np.array(np.broadcast_to(names["{outputs[0]}"], m))'
        if self.columns:
            found = f"np.stack([np.broadcast_to(names[x], m) for x in {outputs}], axis=1)"
        if with_gradient:
            head, given = "prepare(p, g, m)", "VALUE + GRADIENT, p, g, m"
            doc = "The function of X and Y for m examples; g becomes the gradient by p."
            name = "vjp(X, V, Y=None)" if self.columns else "value_and_grad(X, Y=None)"
            found += ", g"
        else:
            head, given, name = "prepare_value(p, m)", "VALUE, p, p, m", "value(X, Y=None)"
            doc = "The function of X and Y for m examples."
        return _COMPUTED.format(
            head=head, given=given, name=name, doc=doc, body="\n        ".join(lines), found=found,
            function=name.partition("(")[0],
        )  # fmt: skip


def _expanded(term: Term) -> Term:
    """An operation that NumPy lacks as a term of others."""
    if isinstance(term, Map) and isinstance(term.function, Operation):
        return term if is_native(term.function) else expand(term.function, term.arguments)
    return term


def _lettered(letter: str, names: Iterable[str]) -> dict[str, str]:
    return {f"{letter}{k}": name for k, name in enumerate(names)}


_LEGEND = """\
A line of a table is a function, what it reads and what it fills: numbers x, y and v of the columns
of X, Y and V, results a, their adjoints d, and others t that are read at once; parameters p,
gradients g and constants k that are the same for all examples.
"""

_PREPARED = '''\
def prepared(table, p, g, m):
    """Arrays for m examples, their parts by name, and the instructions of a table with these."""
    kind = p.dtype
    arrays = {{
        "k": np.array(CONSTANTS).astype(kind),
        "p": p,
        "g": g,
{arrays}
    }}
    names = {{"ones": np.ones(m, kind), "top": np.floor(np.log(np.finfo(kind).max)).astype(kind)}}
    for letter, array in arrays.items():
        names.update((f"{{letter}}{{k}}", array[k, ...]) for k in range(len(array)))
    lines = map(str.split, table.split("\\n"))
    steps = [(FUNCTIONS[line[0]], [names[x] for x in line[1:]]) for line in lines if line]
    return arrays, names, steps
'''

_COMPUTED = '''\
def {head}:
    """{doc}"""
    arrays, names, steps = prepared({given})

    @np.errstate(all="ignore")
    def {name}:
        {body}
        return {found}

    return {function}
'''
