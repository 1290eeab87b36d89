"""`verify` is green for right code, and red for every wrong rule and every wrong equation."""

from __future__ import annotations

import ast
import json
import math
import types
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from io import StringIO
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mpmath import mpf
from rich.console import Console
from support.golden import Golden

import microgradnet
from microgradnet import delta
from microgradnet.arithmetic import NO_PART
from microgradnet.costs import COSTS, quadratic
from microgradnet.graph import topological_order
from microgradnet.nn import ACTIVATIONS, MLP
from microgradnet.operation import Operation, operation
from microgradnet.optim import GradientDescent
from microgradnet.verification import Report, Row, bounds, comparison, verify

ELEMENTWISE = [name for name in ACTIVATIONS if name != "softmax"]
RATIONAL = ["linear", "relu", "leaky_relu", "softsign", "hard_tanh", "hard_sigmoid"]


# --- A fixed set of runs that reaches every line --------------------------------------------------


class Run(NamedTuple):
    """One call of verify: a network with all its numbers, examples, targets, cost."""

    activation: str
    output: str
    cost: str
    W: list[Any]
    b: list[Any]
    X: Any
    Y: Any
    steps: int = 0

    def model(self) -> MLP:
        widths = [len(self.W[0][0]), *map(len, self.b)]
        model = MLP(
            widths[0], widths[1:], activation=self.activation, output_activation=self.output
        )
        for l, (W, b) in enumerate(zip(self.W, self.b, strict=True), 1):
            model.weights[l], model.biases[l] = W, b
        return model

    def report(self) -> Report:
        return verify(self.model(), self.X, self.Y, self.cost, steps=self.steps, lr=1)


EDGES = [0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.5, 3.0, -3.0, 5.5, 20.0, -20.0, 45.0, -45.0]
FAR = [800.0, -800.0, 2000.0, -2000.0]


def dense(number: Callable[[], Any], *widths: int) -> dict[str, Any]:
    return {
        "W": [[[number() for _ in range(n)] for _ in range(m)] for n, m in pairwise(widths)],
        "b": [[number() for _ in range(m)] for m in widths[1:]],
    }


def one_by_one(depth: int) -> dict[str, Any]:
    """Weights 1 and biases 0: z¹ is the input."""
    return {"W": [[[1.0]]] * depth, "b": [[0.0]] * depth}


def identity(n: int) -> dict[str, Any]:
    return {"W": [np.eye(n).tolist()], "b": [[0.0] * n]}


def runs() -> Iterator[Run]:
    rng = Random(1)

    def rational() -> Fraction:
        return Fraction(rng.randint(-12, 12), rng.randint(5, 7))

    def floating() -> float:
        return rng.uniform(-2, 2)

    for name, output in zip(RATIONAL, reversed(RATIONAL), strict=True):
        for cost in ("quadratic", "hinge"):
            X, Y = [[rational() for _ in range(2)] for _ in range(3)], [[1, -1], [-1, 1], [1, 1]]
            yield Run(name, output, cost, **dense(rational, 2, 3, 2), X=X, Y=Y, steps=2)
    for name in RATIONAL:
        X = [[Fraction(k, 2)] for k in range(-8, 9)]
        exact = {"W": [[[1]]], "b": [[0]]}
        yield Run(name, name, "quadratic", **exact, X=X, Y=[[Fraction(1, 3)]] * len(X))
        yield Run(name, name, "hinge", **exact, X=X, Y=[[-1]] * len(X))
    X = [[floating(), floating()] for _ in range(3)]
    classes = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    for cost, outputs in {
        "cross_entropy": ["sigmoid"],
        "log_likelihood": ["softmax", "sigmoid"],
        "quadratic": ["softmax", "tanh", "linear"],
        "hinge": ["linear", "softmax"],
        "cross_entropy_from_z": ["linear"],
        "log_likelihood_from_z": ["linear"],
    }.items():
        for output in outputs:
            soft = [[0.25, 0.5], [0.75, 0.0], [1.0, 0.5]]
            Y = classes
            if cost == "hinge":  # −1 for 0
                Y, soft = ([[y or -1.0 for y in row] for row in rows] for rows in (classes, soft))
            yield Run("tanh", output, cost, **dense(floating, 2, 3, 2), X=X, Y=Y, steps=1)
            yield Run("tanh", output, cost, **dense(floating, 2, 3, 2), X=X, Y=soft)
    for name in ELEMENTWISE:
        for X in ([[x] for x in EDGES], [[x] for x in FAR]):
            yield Run(name, name, "quadratic", **one_by_one(1), X=X, Y=[[0.25]] * len(X))
        for w in (math.inf, -math.inf):
            yield Run(name, name, "quadratic", [[[w]]], [[0.0]], X=[[1.0]], Y=[[0.25]])
        yield Run(
            name, "linear", "quadratic", **dense(floating, 2, 2, 3, 1), X=[[1.0, -3.0]], Y=[[1.0]]
        )
    for name, cost in [("softmax", "quadratic"), ("linear", "log_likelihood_from_z")]:
        for X in ([[0.5, -1.0, 0.25]], [[800.0, 790.0, 795.0]]):
            yield Run("relu", name, cost, **identity(3), X=X, Y=[[1.0, 0.0, 0.5]])
    for a, y in [(0.0, 1.0), (0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]:  # costs and slopes of inf
        for cost in ("cross_entropy", "log_likelihood"):
            yield Run("relu", "linear", cost, [[[a]]], [[0.0]], X=[[1.0]], Y=[[y]])
    for a, b in [(0.0, 0.0), (1.5, -0.5), (30.0, -12.0), (400.0, -400.0), (-700.0, -690.0)]:
        for y in ([1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.25, 0.5]):
            for cost in ("cross_entropy_from_z", "log_likelihood_from_z"):
                yield Run("relu", "linear", cost, **identity(2), X=[[a, b]], Y=[y])
            if abs(a - b) < 700 or y[1] == 0:  # else a = 0 where y is not: an honest inf·0
                yield Run("relu", "softmax", "log_likelihood", **identity(2), X=[[a, b]], Y=[y])
            yield Run("relu", "softmax", "quadratic", **identity(2), X=[[a, b]], Y=[y])
    for z, y in [(-800.0, 0.0), (800.0, 1.0), (-30.0, 0.0), (30.0, 1.0), (2.0, 0.5), (-40.0, 0.5)]:
        for cost in ("cross_entropy", "log_likelihood"):
            yield Run("relu", "sigmoid", cost, **one_by_one(1), X=[[z]], Y=[[y]])

    for y in ([0.0, 1.0], [0.0, 0.5]):  # a logit of −inf whose target is 0 costs nothing
        for cost in ("cross_entropy_from_z", "log_likelihood_from_z"):
            yield Run(
                "relu", "linear", cost, **identity(2) | {"b": [[-math.inf, 0.0]]}, X=[[1, 2]], Y=[y]
            )


RUNS = list(runs())


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.activation}-{run.output}-{run.cost}")
def test_right_code_is_green(run: Run) -> None:
    report = run.report()
    assert report.ok, str(report)


# --- Every rule, made a little wrong --------------------------------------------------------------


def recorded(runs: list[Run]) -> dict[tuple[str, int], set[Operation]]:
    """The operations of all graphs of the runs, by name and by an operand that is differentiated.

    An operand that depends on no parameter, as the target of a cost, has a derivative that no
    network asks for.
    """
    found: dict[tuple[str, int], set[Operation]] = {}
    for run in runs:
        model = run.model()
        root = COSTS[run.cost](model(run.X[0]), run.Y[0])
        depends = set(map(id, model.parameters()))
        for node in topological_order([root]):
            for k, parent in enumerate(node.parents):
                if id(parent) in depends:
                    depends.add(id(node))
                    found.setdefault((node.op.name, k), set()).add(node.op)
    return found


EXACT = [run for run in RUNS if type(run.W[0][0][0]) is not float]
FLOATS = [run for run in RUNS if type(run.W[0][0][0]) is float]
RECORDED = recorded(RUNS)


@pytest.fixture
def with_rule(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], None]:
    """Replace the rule of every variant of an operation that the runs record."""

    def change(name: str, changed: Callable[[Any], Any]) -> None:
        for op in {op for (n, _), ops in RECORDED.items() for op in ops if n == name}:
            before = op.rule
            undo.append((op, before))
            object.__setattr__(op, "rule", changed(before))

    undo: list[tuple[Operation, Any]] = []
    yield change
    for op, before in undo:
        object.__setattr__(op, "rule", before)


def scaled(k: int, exponent: int) -> Callable[[Any], Any]:
    """The rule whose product for operand k is too large by one part in 2^exponent."""

    def change(rule: Any) -> Any:
        def wrong(m: Any, g: Any, y: Any, *xs: Any) -> Any:
            products = list(rule(m, g, y, *xs))
            # softmax may have fewer operands elsewhere, and what has no part stays without
            if k < len(products) and products[k] is not NO_PART:
                products[k] = products[k] * (1 + m.convert(Fraction(1, 2**exponent)))
            return tuple(products)

        return wrong

    return change


@pytest.mark.parametrize("name", sorted({name for name, _ in RECORDED}))
def test_the_rules_are_reached_and_as_they_are_green(
    name: str, with_rule: Callable[[str, Any], None]
) -> None:
    asked = []

    def watched(rule: Any) -> Any:
        return lambda m, *numbers: asked.append(name) or rule(m, *numbers)

    with_rule(name, watched)
    assert all(run.report().ok for run in RUNS if name in names(run))
    assert asked


def names(run: Run) -> set[str]:
    graph = topological_order([COSTS[run.cost](run.model()(run.X[0]), run.Y[0])])
    return {node.op.name for node in graph if node.op is not None}


@pytest.mark.parametrize("exponent", [20, 46])
@pytest.mark.parametrize(("name", "operand"), sorted(recorded(FLOATS)))
def test_a_wrong_rule_is_red(
    name: str, operand: int, exponent: int, with_rule: Callable[[str, Any], None]
) -> None:
    # 2⁻⁴⁶ is 64 units in the last place: as little as is above the bounds of every rule.
    with_rule(name, scaled(operand, exponent))
    assert any(not run.report().ok for run in FLOATS)


@pytest.mark.parametrize(("name", "operand"), sorted(recorded(EXACT)))
def test_in_rationals_a_rule_wrong_by_however_little_is_red(
    name: str, operand: int, with_rule: Callable[[str, Any], None]
) -> None:
    with_rule(name, scaled(operand, 2000))
    assert any(not run.report().ok for run in EXACT)


def test_every_activation_and_cost_is_run() -> None:
    assert {run.output for run in RUNS} | {run.activation for run in RUNS} == {*ACTIVATIONS}
    assert {run.cost for run in RUNS} == {*COSTS}


# --- Every line of the equations, made wrong ------------------------------------------------------

SOURCE = Path(str(delta.__file__)).read_text(encoding="utf-8")
LINES = SOURCE.splitlines()
DOORS = {"_numbers", "_check", "_look_up"}  # they refuse and convert, and equate nothing
SWAPS: dict[type, list[Any]] = {
    ast.Add: [ast.Sub()],
    ast.Sub: [ast.Add()],
    ast.Mult: [ast.Div(), ast.Add()],
    ast.Div: [ast.Mult()],
    ast.Pow: [ast.Mult()],
    ast.MatMult: [ast.Mult()],
    ast.Gt: [ast.GtE(), ast.Lt()],
    ast.GtE: [ast.Gt(), ast.Lt()],
    ast.Eq: [ast.NotEq()],
    ast.BitAnd: [ast.BitOr()],
}
OTHERS = {
    "maximum": "minimum", "minimum": "maximum", "exp": "expm1", "expm1": "exp", "log": "log1p",
    "log1p": "log", "sum": "max", "max": "sum", "cosh": "sinh", "tanh": "sin", "sqrt": "exp",
    "erfc": "erf", "ones_like": "zeros_like", "_sigmoid": "_softmax",
}  # fmt: skip


class Mutant(NamedTuple):
    line: str
    change: str
    code: types.CodeType


def mutants() -> Iterator[Mutant]:
    """delta.py with one expression or statement changed, for each that computes something.

    Left out are docstrings, annotations, lists of names, and the doors: the functions above and
    the statements that call `_check` or raise.
    """
    tree = ast.parse(SOURCE)
    for parent, node in list(inside(tree)):
        for new in changes(node):
            before = ast.unparse(node)
            graft(parent, node, new)
            code = compile(ast.fix_missing_locations(tree), "mutant", "exec")
            graft(parent, new, node)
            after = "dropped" if isinstance(new, ast.Pass) else ast.unparse(new)
            yield Mutant(LINES[node.lineno - 1].strip(), f"{before} → {after}", code)


def inside(parent: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """The nodes that compute something, with their parents."""
    skipped = {"annotation", "returns", "decorator_list", "targets", "args", "func", "op", "ctx"}
    if isinstance(parent, ast.Call):
        skipped -= {"args", "func"}
    for field, value in ast.iter_fields(parent):
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST) and field not in skipped and computes(parent, node):
                yield parent, node
                yield from inside(node)


def computes(parent: ast.AST, node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name not in DOORS
    if isinstance(node, (ast.ClassDef, ast.Import, ast.ImportFrom)):
        return False
    if isinstance(node, ast.stmt):
        words = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        top = isinstance(parent, ast.Module)
        return not (
            words & {"_check", "fit", "TypeVar", "TypeAlias"}
            or any(isinstance(n, ast.Raise) for n in ast.walk(node))
            or (top and words & {"__all__", "_fraction", "tuple"})
        )
    return True


def changes(node: ast.AST) -> list[ast.AST]:
    """What to put in the node's place."""
    new: list[ast.AST] = []
    if isinstance(node, ast.BinOp):
        for op in SWAPS.get(type(node.op), []):
            new.append(ast.BinOp(node.left, op, node.right))
        new += [node.left, node.right]
    elif isinstance(node, ast.Compare):
        for op in SWAPS.get(type(node.ops[0]), []):
            new.append(ast.Compare(node.left, [op], node.comparators))
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        new.append(node.operand)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        new += [ast.Constant(node.value + 1), ast.Constant(node.value - 1)]
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        new.append(node.value)
    elif isinstance(node, ast.Call):
        name = ast.unparse(node.func).rpartition(".")[2]
        if name == "swapaxes":
            new.append(node.func.value)
        elif name in ("abs", "sign", "clip", "maximum", "minimum", "expm1", "exp", "_step"):
            new += node.args[:2]
        elif name == "where":
            new += node.args[1:]
    elif isinstance(node, (ast.Lambda, ast.Return)):
        body = node.body if isinstance(node, ast.Lambda) else node.value
        if not isinstance(body, (ast.Tuple, ast.Call)) or ast.unparse(body)[:2] in ("np", "_s"):
            zero = ast.BinOp(ast.Constant(0), ast.Mult(), body)
            new.append(
                ast.Lambda(node.args, zero) if isinstance(node, ast.Lambda) else ast.Return(zero)
            )
    elif isinstance(node, ast.Assign) and "= _numbers(" in ast.unparse(node):
        pass  # the way through a door
    elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ast.unparse(node.value):
        new.append(ast.Pass())  # x = f(x); any other name would be missed at once
    if isinstance(node, ast.Attribute) and node.attr in OTHERS:
        new.append(ast.Attribute(node.value, OTHERS[node.attr], node.ctx))
    elif isinstance(node, ast.Name) and node.id in OTHERS and isinstance(node.ctx, ast.Load):
        new.append(ast.Name(OTHERS[node.id], node.ctx))
    return new


def graft(parent: ast.AST, node: ast.AST, new: ast.AST) -> None:
    for field, value in ast.iter_fields(parent):
        if value is node:
            setattr(parent, field, new)
        elif isinstance(value, list):
            value[:] = [new if item is node else item for item in value]


def survives(mutant: Mutant, monkeypatch: pytest.MonkeyPatch, order: list[Run]) -> bool:
    module = types.ModuleType("mutant")
    try:
        exec(mutant.code, module.__dict__)
    except Exception:
        return False  # it cannot even be imported
    monkeypatch.setattr(comparison, "delta", module)
    for run in order:
        try:
            red = not run.report().ok
        except Exception:
            red = True
        if red:
            order.remove(run)  # the killer of one is a likely killer of its neighbour
            order.insert(0, run)
            return False
    return True


@pytest.mark.filterwarnings("ignore")  # a wrong line may well overflow on its way
def test_a_wrong_line_of_the_equations_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    order = list(RUNS)
    everything = list(mutants())
    assert len(everything) > 300
    survivors = [(m.line, m.change) for m in everything if survives(m, monkeypatch, order)]
    missed = [f"{line}: {change}" for line, change in survivors if not excused(line, change)]
    assert not missed, "\n".join(missed)
    assert len(survivors) == sum(len(list_) for _, list_, _ in EQUIVALENT)  # none in reserve


def excused(line: str, change: str) -> bool:
    return any(begin in line and change in list_ for begin, list_, _ in EQUIVALENT)


# Changes that change nothing: a piece of the line, the changes, the reason.
EQUIVALENT = [
    (
        "jacobian.swapaxes(-1, -2) @",
        ["jacobian.swapaxes(-1, -2) → jacobian", "1 → 2", "2 → 1"],
        "the Jacobian of softmax is symmetric; the equation has the ᵀ for what is not",
    ),
    ("jacobian.swapaxes(-1, -2) @", ["0 → -1"], "that axis has one entry: 0 is −1"),
    ("np.where(a > 0.5", ["a > 0.5 → a >= 0.5"], "at ½ both forms are right"),
    ("products.sum(axis=-1", ["1 → 2"], "the products aⱼaₖ are symmetric in j and k"),
    ("z, a = [np.empty(0)]", ["0 → 1"], "z⁰ is in no equation"),
    ("delta = [np.empty(0)]", ["0 → 1"], "δ⁰ is in no equation"),
    ("np.where(x >= 0, 1, e)", ["x >= 0 → x > 0"], "at 0 e is 1"),
    ("_FAR = 1000.0", ["1000.0 → 1001.0", "1000.0 → 999.0"], "from 746 on any number will do"),
    (
        "(log == -math.inf), 0, y * log)",
        ["(y == 0) & (log == -math.inf) → y == 0"],
        "0·ln a is 0 for every other a too",
    ),
    ("(a == 0), 0, y / a)", ["(y == 0) & (a == 0) → y == 0"], "0/a is 0 for every other a too"),
]


# --- Random networks ------------------------------------------------------------------------------

tame = st.floats(-3, 3)
wild = st.one_of(
    tame,
    st.floats(-50, 50),
    st.floats(-800, 800),
    st.floats(-1e150, 1e150),
    st.floats(-1e-300, 1e-300),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 5e-324, 1e150, -1e150]),
)


@st.composite
def random_runs(draw: Any, numbers: Any) -> Run:
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    cost = draw(st.sampled_from(sorted(COSTS)))
    output = draw(
        st.just("linear")
        if cost.endswith("from_z")
        else st.just("sigmoid")
        if cost == "cross_entropy"
        else st.sampled_from(["sigmoid", "softmax"])
        if cost == "log_likelihood"
        else st.sampled_from(ACTIVATIONS)
    )
    targets = {"quadratic": numbers, "hinge": st.sampled_from([-1.0, 1.0])}
    target = targets.get(cost, st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)))
    rows = draw(st.integers(1, 3))
    return Run(
        draw(st.sampled_from(ELEMENTWISE)),
        output,
        cost,
        **dense(lambda: draw(numbers), *widths),
        X=[[draw(numbers) for _ in range(widths[0])] for _ in range(rows)],
        Y=[[draw(target) for _ in range(widths[-1])] for _ in range(rows)],
        steps=draw(st.integers(0, 2)),
    )


def numbers_of(run: Run) -> list[float]:
    """Every number of the run's graphs, forward and backward, at all its steps."""
    model = run.model()
    found = []
    for _ in range(max(run.steps, 1)):
        model.zero_grad()
        for x, y in zip(run.X, run.Y, strict=True):
            root = COSTS[run.cost](model(x), y)
            root.backward()
            for node in topological_order([root]):
                found += [float(node.data), float(node.grad)]
        GradientDescent(model.parameters(), 1).step(len(run.X))
    return found


@given(random_runs(tame))
def test_random_networks_are_green(run: Run) -> None:
    # Where σ(z) rounds to 1, cross_entropy is an honest inf·0.
    assume(np.all(np.isfinite(numbers_of(run))))
    report = run.report()
    assert report.ok, str(report)


@given(random_runs(wild))
def test_wild_networks_are_green_as_long_as_they_are_finite(run: Run) -> None:
    run = run._replace(steps=0)  # a step of theirs is not finite any more
    finite = np.all(np.isfinite(numbers_of(run)))
    report = run.report()
    assert report.ok or not finite, str(report)


@given(random_runs(tame), st.data())
def test_a_nan_anywhere_is_never_green(run: Run, data: Any) -> None:
    W = data.draw(st.sampled_from(run.W))
    row = data.draw(st.sampled_from(W))
    row[data.draw(st.integers(0, len(row) - 1))] = math.nan
    assert not run.report().ok


# --- The report -----------------------------------------------------------------------------------


def model_of(**options: Any) -> MLP:
    return MLP(2, [3, 1], activation="tanh", rng=Random(0), **options)


X, Y = [[0.5, -1.0], [2.0, 0.25]], [[1.0], [-1.0]]


def test_there_is_a_row_for_each_equation_of_each_layer(golden: Golden) -> None:
    report = verify(model_of(), X, Y, steps=2)
    rows = [f"{r.equation:7} {r.layer} {r.formula:30} {r.shape}\n" for r in report.rows]
    golden("equations.txt", "".join(rows))
    assert all(row.holds and row.difference <= row.bound < 1e-12 for row in report.rows)
    assert all(row.ulps >= 0 and (row.end_to_end or 0) < 1e-12 for row in report.rows)
    assert [row.equation for row in report.rows if row.end_to_end is None] == ["chain"]
    assert (report.network, report.examples, report.steps, report.parameters) == ("2-3-1", 2, 2, 13)
    assert report.ok and not report.exact
    assert "all 16 equations hold" in report.verdict


def test_without_steps_nothing_is_updated() -> None:
    assert "update" not in {row.equation for row in verify(model_of(), X, Y, steps=0).rows}


def test_the_wrong_row_is_the_wrong_equation(monkeypatch: pytest.MonkeyPatch) -> None:
    right = delta.hidden_error
    monkeypatch.setattr(delta, "hidden_error", lambda *inputs: right(*inputs) * (1 + 1e-13))
    report = verify(model_of(), X, Y)
    (wrong,) = (row for row in report.rows if not row.holds)
    assert (wrong.equation, wrong.layer) == ("BP2", 1)
    assert wrong.bound < wrong.difference
    assert report.verdict == "NOT the same: δ¹ = ((W²)ᵀ δ²) ⊙ σ′(z¹)"
    assert "✗ no" in str(report) and "✗ no" in report._repr_html_()


def exact_run() -> Run:
    return next(run for run in EXACT if run.steps)


def test_in_rationals_the_bound_is_nothing() -> None:
    report = exact_run().report()
    assert report.ok and report.exact
    assert {(r.difference, r.bound, r.ulps, r.end_to_end or 0) for r in report.rows} == {
        (0, 0, 0, 0)
    }
    assert "exactly" in report.verdict


@pytest.mark.parametrize("little", [Fraction(1, 10**400), 10**400], ids=["tiny", "huge"])
def test_in_rationals_any_difference_is_one(monkeypatch: pytest.MonkeyPatch, little: Any) -> None:
    right = delta.bias_gradient
    monkeypatch.setattr(delta, "bias_gradient", lambda error: right(error) + little)
    report = exact_run().report()
    wrong = [row for row in report.rows if not row.holds]
    assert {row.equation for row in wrong} == {"BP3"}
    assert all(row.difference > 0 for row in wrong)


def test_in_rationals_the_program_as_a_whole_must_be_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = delta.backprop

    def wrong(*inputs: Any) -> delta.Backpropagation:
        found = right(*inputs)
        return found._replace(nabla_b=[2 * g for g in found.nabla_b])

    monkeypatch.setattr(delta, "backprop", wrong)
    report = exact_run()._replace(steps=0).report()
    assert all(row.holds for row in report.rows) and not report.ok
    assert {row.equation for row in report.rows if row.end_to_end} == {"BP3"}
    assert "from end to end" in report.verdict


def test_a_rational_network_with_a_transcendental_layer_is_judged_as_floats() -> None:
    third = Fraction(1, 3)
    for output, cost in [("sigmoid", "cross_entropy"), ("softmax", "log_likelihood")]:
        run = Run("relu", output, cost, **dense(lambda: third, 2, 3, 2), X=[[1, third]], Y=[[1, 0]])
        report = run._replace(steps=2).report()
        assert report.ok and not report.exact, str(report)
    assert not verify(exact_run().model(), [[1, 2]], [[1, 1]], lr=0.5).exact


def test_text_fits_its_width() -> None:
    run = RUNS[0]._replace(steps=1)
    text = str(run.report())
    assert max(map(len, text.splitlines())) <= 110
    for row in run.report().rows:
        assert row.formula in text


def test_narrow_text_keeps_every_formula() -> None:
    report = verify(model_of(), X, Y)
    out = StringIO()
    Console(file=out, width=60).print(report)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    assert all(any(row.formula in line for line in lines) for row in report.rows)


ODD = Report(
    (
        Row("BP1", 1, "δ < & > δ", (1,), math.nan, math.inf, math.nan, -math.inf, False),
        Row("BP2", 1, "[bold]x[/]", (), 0.0, 0.5, 1.0, 0.0, True),
    ),
    "1-1", ("<b>",), "c", 1, 1, 2, False,
)  # fmt: skip


def test_html_has_every_row_and_escapes() -> None:
    page = ODD._repr_html_()
    assert page.count("<tr") == 1 + len(ODD.rows)
    assert "δ &lt; &amp; &gt; δ" in page and "&lt;b&gt;, c" in page and "<b>," not in page


def test_markup_in_a_formula_is_text() -> None:
    assert "[bold]x[/]" in str(ODD)


def test_json_has_everything_and_is_json() -> None:
    found = json.loads(ODD.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["ok"] is False and found["cost"] == "c" and found["activations"] == ["<b>"]
    first, second = found["rows"]
    assert [float(first[k]) for k in ("bound", "end_to_end")] == [math.inf, -math.inf]
    assert math.isnan(float(first["difference"])) and first["formula"] == "δ < & > δ"
    assert Row(**{**second, "shape": tuple(second["shape"])}) == ODD.rows[1]


# --- What verify does besides ---------------------------------------------------------------------


def test_progress_counts_the_examples_of_all_steps() -> None:
    calls: list[tuple[int, int]] = []
    verify(model_of(), X, Y, steps=2, progress=lambda *call: calls.append(call))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_rate_by_its_old_name() -> None:
    with pytest.warns(DeprecationWarning, match=r"verify\(lr="):
        assert verify(model_of(), X, Y, eta=0.5).rows == verify(model_of(), X, Y, lr=0.5).rows


def test_the_model_and_its_gradients_are_left_as_they_were() -> None:
    model = model_of()
    quadratic(model(X[0]), Y[0]).backward()
    before = [(p.data, p.grad) for p in model.parameters()]
    verify(model, X, Y)
    assert [(p.data, p.grad) for p in model.parameters()] == before
    assert any(grad for _, grad in before)


def test_also_after_an_error_in_the_middle() -> None:
    model = model_of()
    before = [(p.data, p.grad) for p in model.parameters()]

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(model, X, Y, progress=stop)
    assert [(p.data, p.grad) for p in model.parameters()] == before


def test_nan_is_never_green() -> None:
    assert not verify(model_of(), [[math.nan, 1.0]], [[1.0]]).ok
    model = model_of()
    model.parameters()[0].data = math.nan
    assert not verify(model, X, Y).ok
    assert not verify(
        MLP(1, [1], output_activation="sigmoid"), [[1e9]], [[0.5]], "cross_entropy"
    ).ok


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(TypeError):
        verify(None, [[1.0]], [[1.0]])


def test_a_cost_may_be_given_itself_but_a_namesake_is_refused() -> None:
    assert verify(model_of(), X, Y, quadratic).cost == "quadratic"

    def namesake(outputs: Any, targets: Any) -> Any:
        return outputs

    namesake.__name__ = "quadratic"
    with pytest.raises(ValueError, match="cost"):
        verify(model_of(), X, Y, namesake)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cost": "cubic"}, "no closed form of the cost 'cubic': there are quadratic"),
        ({"X": [[1.0]]}, r"X must have shape \(examples, 2\).* not \(1, 1\)"),
        ({"X": [1.0, 2.0]}, r"X must have shape \(examples, 2\).* not \(2,\)"),
        ({"Y": [[1.0, 2.0]]}, r"Y must have shape \(examples, 1\).* not \(1, 2\)"),
        ({"Y": [[1.0]] * 3}, "X has 2 rows and Y 3"),
        ({"X": np.empty((0, 2)), "Y": np.empty((0, 1))}, "X has 0 rows and Y 0"),
        ({"steps": -1}, "steps must be at least 0, not -1"),
    ],
)
def test_refusals(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verify(model_of(), **{"X": X, "Y": Y, **arguments})


@pytest.mark.parametrize("number", [mpf(1), Decimal(1)])
def test_numbers_that_are_neither_floats_nor_rationals_are_refused(number: Any) -> None:
    with pytest.raises(TypeError, match=type(number).__name__):
        verify(model_of(), [[number, 1]], [[1]])
    model = model_of()
    model.parameters()[0].data = number
    with pytest.raises(TypeError):
        verify(model, X, Y)


def test_an_activation_without_closed_form_is_refused_by_name() -> None:
    def bent_vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (g,)

    @operation(bent_vjp)
    def bent(m: Any, x: Any) -> Any:
        return x + 1

    with pytest.raises(ValueError, match="<operation bent>"):
        verify(MLP(2, [1], output_activation=bent), X, Y)


# --- Doors of verify ------------------------------------------------------------------------------


def test_a_cost_out_of_its_domain_is_refused_and_says_what_fits() -> None:
    model = MLP(2, [1], activation="tanh", init="zeros")
    model.biases[1] = [-0.5]
    for cost in ("cross_entropy", "log_likelihood"):
        with pytest.raises(ValueError, match=f"{cost}_from_z"):
            verify(model, [[1.0, 2.0]], [[1.0]], cost)
    assert model.biases[1].tolist() == [-0.5]


def test_nan_on_both_sides_is_called_undefined() -> None:
    report = verify(MLP(1, [1], init="zeros"), [[math.nan]], [[1.0]], steps=0)
    assert not report.ok and report.verdict.startswith("Undefined, not a number: ")


@pytest.mark.parametrize(
    ("cost", "output"),
    [
        ("cross_entropy", "sigmoid"),
        ("log_likelihood", "softmax"),
        ("cross_entropy", "hard_sigmoid"),
    ],
)
@given(st.floats(760, 1e6), st.sampled_from([0.0, 0.5]))
def test_where_the_cost_is_infinite_no_equation_is_blamed(cost: str, output: str, far: float,
                                                          x: float) -> None:  # fmt: skip
    model = MLP(1, [2], init="zeros", output_activation=output)
    model.biases[1] = [-far, far]
    sides = [[0.0, 1.0], [1.0, 0.0]]
    fine = verify(model, [[x]], sides[:1], cost, steps=0)
    assert (fine.ok, fine.infinite) == (True, ())
    for Y, named in ((sides, "example 1"), ([*sides, sides[1]], "example 1 and 1 more")):
        report = verify(model, [[x]] * len(Y), Y, cost, steps=1)
        assert not report.ok
        assert report.infinite == tuple(range(1, len(Y)))
        assert report.verdict.startswith(f"Undefined, as the cost of {named} is infinite: ")
        assert "δ¹ = " in report.verdict and "NOT" not in report.verdict
        # What a alone says is ∞; where z says more, the graph has it.
        assert next(row for row in report.rows if row.equation == "cost").holds == (
            output == "hard_sigmoid"
        )


def test_an_infinite_cost_with_finite_gradients_is_no_excuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = MLP(1, [1], init="zeros")
    model.biases[1] = [1e200]
    report = verify(model, X1 := [[1.0]], [[0.0]], steps=0)
    assert (report.ok, report.infinite) == (True, (0,))
    monkeypatch.setattr(delta, "bias_gradient", lambda error: 2 * error.sum(axis=0))
    assert verify(model, X1, [[0.0]], steps=0).verdict == "NOT the same: ∂C/∂b¹ = δ¹"


def test_nan_on_one_side_is_wrong_and_not_undefined(monkeypatch: pytest.MonkeyPatch) -> None:
    right = delta.bias_gradient
    monkeypatch.setattr(delta, "bias_gradient", lambda error: right(error) * math.nan)
    report = verify(model_of(), X, Y, steps=0)
    assert report.verdict == "NOT the same: ∂C/∂b¹ = δ¹; ∂C/∂b² = δ²"
    assert {row.difference for row in report.rows if not row.holds} == {math.inf}


def test_a_verdict_tells_the_wrong_from_the_undefined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "bias_gradient", lambda error: np.ones(error.shape[1]))
    report = verify(MLP(1, [1], init="zeros"), [[math.nan]], [[1.0]], steps=0)
    wrong, undefined = report.verdict.split(". ")
    assert wrong == "NOT the same: ∂C/∂b¹ = δ¹"
    assert undefined.startswith("Undefined, not a number: z¹ = ") and "∂C/∂b" not in undefined


# --- The worst entry ------------------------------------------------------------------------------


def spoil_b1(monkeypatch: pytest.MonkeyPatch, *spoils: Any) -> None:
    """Make the equation of ∂C/∂b¹, of three entries, wrong by another function at each step."""
    # It is asked twice a step: by the matrix program by itself, and for the row.
    right, turns = delta.bias_gradient, iter([spoil for spoil in spoils for _ in range(2)])

    def wrong(error: Any) -> Any:
        found = right(error)
        return next(turns)(found) if error.shape[1] == 3 else found

    monkeypatch.setattr(delta, "bias_gradient", wrong)


def row_b1(report: Report) -> Row:
    return next(row for row in report.rows if row.formula == "∂C/∂b¹ = δ¹")


@pytest.mark.parametrize("entry", range(3))
def test_the_worst_of_wrong_entries_is_by_its_bound(
    entry: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    factors = np.full(3, 1 + 1e-14)
    factors[entry] = 1 + 1e-3
    spoil_b1(monkeypatch, lambda right: right * factors)
    row = row_b1(verify(model_of(), X, Y, steps=0))
    assert not row.holds and row.difference > 1e10 * row.bound > 0


@pytest.mark.parametrize("order", [(1e-3, 1e-14), (1e-14, 1e-3)])
def test_the_worst_of_all_steps_is_kept(
    order: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_b1(monkeypatch, *[lambda right, by=by: right * (1 + by) for by in order])
    row = row_b1(verify(model_of(), X, Y, steps=2))
    assert not row.holds and row.difference > 1e10 * row.bound


def test_a_wrong_entry_comes_before_an_undefined_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MLP(1, [2], init="zeros")
    model.biases[1] = [math.nan, 1.0]
    monkeypatch.setattr(delta, "bias_gradient", lambda error: error.sum(axis=0) + 1)
    row = row_b1(verify(model, [[1.0]], [[0.0, 0.0]], steps=0))
    assert not row.holds and row.difference == 1


def test_in_rationals_the_worst_is_the_largest_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MLP(2, [3, 1], activation="linear", init="zeros")
    for parameter in model.parameters():
        parameter.data = Fraction(1)
    spoil_b1(monkeypatch, lambda right: right + np.array([1, 3, 2], dtype=object))
    report = verify(model, [[1, 2]], [[1]], steps=0)
    row = row_b1(report)
    assert report.exact and (row.difference, row.bound, row.holds) == (3, 0, False)


def test_where_nothing_differs_the_largest_bound_is_shown() -> None:
    # One δ is tiny: its gradient's bound would be too, and says nothing of the others'.
    model = MLP(1, [2], init="zeros")
    row = row_b1(verify(model, [[1.0]] * 2, [[1e-200, 3.0]] * 2, steps=0))
    assert row.difference == 0 and row.bound > 1e-17


# --- The bounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 10, 40])
def test_sums_over_many_outputs_are_within_their_bounds(n: int) -> None:
    rng = Random(n)
    X = [[rng.gauss(0, 3) for _ in range(n)] for _ in range(5)]
    Y = [[float(k == j % n) for k in range(n)] for j in range(5)]
    for output, cost in [
        ("softmax", "log_likelihood"),
        ("softmax", "quadratic"),
        ("linear", "log_likelihood_from_z"),
        ("linear", "cross_entropy_from_z"),
        ("sigmoid", "cross_entropy"),
    ]:
        run = Run("tanh", output, cost, **dense(lambda: rng.gauss(0, 1), n, n), X=X, Y=Y)
        assert run.report().ok


def test_a_sum_of_one_product_is_the_product() -> None:
    assert bounds.chain([[3.0]]).tolist() == [0]
    assert bounds.chain([[1.0, -1.0]]).tolist() == [pytest.approx(2 * 2 * 2.0**-53, rel=1e-5)]
    assert bounds.chain([[3.0]], [4]).tolist() == [pytest.approx(3 * 4 * 2.0**-53, rel=1e-5)]


def test_rationals_that_meet_floats_are_floats_on_both_sides() -> None:
    model = MLP(1, [2], init="zeros")
    for parameter, x in zip(
        model.parameters(), (Fraction(1, 3), Fraction(0), 0.5, 0.0), strict=True
    ):
        parameter.data = x
    report = verify(model, [[Fraction(1)]], [[Fraction(1, 3) + Fraction(1, 10**17), 0]], steps=0)
    assert report.ok and not report.exact
    assert type(model.parameters()[0].data) is Fraction


def test_an_operation_of_the_table_is_known_by_its_name() -> None:
    model = MLP(2, [2, 1], activation=microgradnet.tanh, rng=Random(0))
    assert verify(model, [[0.5, 1.0]], [[1.0]], lr=np.float64(0.5)).activations[0] == "tanh"


def test_a_result_of_another_shape_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "bias_gradient", lambda error: error)
    report = verify(model_of(), X[:1], Y[:1], steps=0)
    assert {row.equation for row in report.rows if not row.holds} == {"BP3"}


def test_a_cost_without_a_bound_is_not_judged_by_anothers() -> None:
    a = np.array([[0.5]])
    with pytest.raises(KeyError):
        bounds.output_error("absolute", "tanh", a, a, a)
    with pytest.raises(KeyError):
        bounds.cost("absolute", "tanh", a, a, a)


# --- Far from 1 -----------------------------------------------------------------------------------

FAR_FROM_1 = st.one_of(st.integers(-300, -150), st.integers(150, 300), st.integers(-1, 1))


@given(
    st.lists(FAR_FROM_1, min_size=2, max_size=5),
    st.integers(-100, 100),
    st.sampled_from(["linear", "relu", "leaky_relu"]),
    st.randoms(use_true_random=False),
)
def test_weights_and_activations_far_from_1(
    sizes: list[int], last: int, activation: str, rng: Random
) -> None:
    """The gradients are those of Fractions, where these are floats; and verify agrees."""
    sizes = [*sizes, last]  # of the input and of each layer's activations, as powers of ten
    W = []
    for before, after in pairwise(sizes):
        size = min(max(after - before, -300), 300)
        W.append([[rng.randint(1, 9) * 10.0**size for _ in range(2)] for _ in range(2)])
    x = [rng.randint(1, 9) * 10.0 ** sizes[0] for _ in range(2)]
    model = MLP(2, [2] * len(W), init="zeros", activation=activation, output_activation="linear")
    for l, w in enumerate(W, 1):
        model.weights[l] = w
    forward = model.forward(x)
    a = np.array([[v.data for v in layer] for layer in forward.a])
    assume(np.isfinite(a).all() and (np.abs(a[-1]) < 1e150).all())
    y = [-v.data for v in forward.output]
    quadratic(forward.output, y).backward()
    exact = delta.backprop(
        [np.array([[Fraction(v) for v in row] for row in w]) for w in W],
        [np.array([Fraction(0)] * 2) for _ in W],
        [activation] * (len(W) - 1) + ["linear"],
        "quadratic",
        np.array([Fraction(v) for v in x]),
        np.array([Fraction(v) for v in y]),
    )
    for layer, nabla in zip(model.layers, exact.nabla_w, strict=True):
        for neuron, row in zip(layer.neurons, nabla, strict=True):
            for w, right in zip(neuron.w, row, strict=True):
                if 2.0**-1000 < abs(right) < 2.0**1000:
                    assert math.isclose(w.grad, right, rel_tol=1e-14)
    largest = max(abs(v) for v in np.concatenate([*exact.delta[1:], *map(np.ravel, exact.nabla_w)]))
    report = verify(model, [x], [y], steps=0)
    assert report.ok or largest > 10**300, report.verdict


def test_a_wrong_equation_far_from_1_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MLP(1, [1, 1], init="zeros", activation="linear", output_activation="linear")
    model.weights[1], model.weights[2] = [[1e-300]], [[1e-200]]
    assert verify(model, [[1e300]], [[1.0]], steps=0).ok
    monkeypatch.setattr(delta, "weight_gradient", lambda error, a: error.T @ a * (1 + 1e-9))
    report = verify(model, [[1e300]], [[1.0]], steps=0)
    assert report.verdict == "NOT the same: ∂C/∂W¹ = δ¹ (a⁰)ᵀ; ∂C/∂W² = δ² (a¹)ᵀ"


def test_a_forward_pass_beyond_the_floats_is_undefined() -> None:
    model = MLP(1, [1, 1], init="zeros", activation="linear", output_activation="linear")
    model.weights[1], model.weights[2] = [[1e200]], [[1e-200]]
    report = verify(model, [[1e200]], [[2.0]], steps=0)
    assert report.infinite == (0,)
    assert report.verdict.startswith("Undefined, as the cost of example 0 is infinite: ")
