"""Random graphs, grown step by step in the engine and in a naive second one beside it.

The second engine shares no code and no formula with the first: it keeps dictionaries, recurses,
and *pulls* the adjoint of a node from those that used it, ∂C/∂v = Σ ∂C/∂c·∂c/∂v, where the engine
pushes. Rationals must agree exactly. Floats are judged node by node on the operands that the engine
has, so that one rounding is not counted twice: k·u·Σ|terms|, u = 2⁻⁵³, where k counts the roundings
on the longest way and Σ|terms| is carried along by the naive engine.
"""

from __future__ import annotations

import copy
import math
import operator
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import microgradnet
from microgradnet import Value, no_grad

U = 2.0**-53
ETA = 2.0**-1000  # far above any underflow: data keep within [1e-6, 1e6]
STEP = 24
"""Roundings from an adjoint to a parent's, in both engines together: the derivative has at most
three library functions or quotients, of 4 each, its product among them; sums count apart."""


@dataclass(frozen=True)
class Formula:
    """What the naive engine knows of an operation: its value, its slopes, where it is tame."""

    apply: Callable[..., Any]
    value: Callable[..., Any]
    slopes: Callable[..., tuple[Any, ...]]
    tame: Callable[..., bool] = lambda *xs: True
    rational: bool = True


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


FORMULAS: dict[str, Formula] = {
    "add": Formula(operator.add, operator.add, lambda x, y: (1, 1)),
    "subtract": Formula(operator.sub, operator.sub, lambda x, y: (1, -1)),
    "multiply": Formula(operator.mul, operator.mul, lambda x, y: (y, x)),
    "divide": Formula(
        operator.truediv,
        operator.truediv,
        lambda x, y: (1 / y, -x / y**2),
        lambda x, y: abs(y) > 0.01,
    ),
    "maximum": Formula(
        lambda x, y: x.maximum(y),
        lambda x, y: x if x >= y else y,
        lambda x, y: ((x > y) + Fraction(x == y, 2), (x < y) + Fraction(x == y, 2)),
    ),
    "negative": Formula(operator.neg, operator.neg, lambda x: (-1,)),
    "square": Formula(lambda x: x**2, lambda x: x * x, lambda x: (x + x,)),
    "cube": Formula(lambda x: x**3, lambda x: x * x * x, lambda x: (3 * (x * x),)),
    "reciprocal": Formula(
        lambda x: x**-1, lambda x: 1 / x, lambda x: (-1 / (x * x),), lambda x: abs(x) > 0.01
    ),
    "abs": Formula(abs, abs, lambda x: ((x > 0) - (x < 0),)),
    "relu": Formula(lambda x: x.relu(), lambda x: max(x, 0), lambda x: (int(x > 0),)),
    "leaky_relu": Formula(
        lambda x: microgradnet.leaky_relu(x, slope=Fraction(1, 8)),
        lambda x: x if x > 0 else x / 8,
        lambda x: (1 if x > 0 else Fraction(1, 8),),
    ),
    "softsign": Formula(
        lambda x: x.softsign(),
        lambda x: x / (1 + abs(x)),
        lambda x: (1 / ((1 + abs(x)) * (1 + abs(x))),),
    ),
    "tanh": Formula(
        lambda x: x.tanh(),
        math.tanh,
        lambda x: (4 / (math.exp(x) + math.exp(-x)) ** 2,),
        lambda x: abs(x) < 5,
        rational=False,
    ),
    "sigmoid": Formula(
        lambda x: x.sigmoid(),
        logistic,
        lambda x: (logistic(x) * logistic(-x),),
        lambda x: abs(x) < 10,
        rational=False,
    ),
    "exp": Formula(
        lambda x: x.exp(),
        math.exp,
        lambda x: (math.exp(x),),
        lambda x: abs(x) < 10,
        rational=False,
    ),
    "log": Formula(
        lambda x: x.log(), math.log, lambda x: (1 / x,), lambda x: x > 0.01, rational=False
    ),
    "sin": Formula(
        lambda x: x.sin(),
        math.sin,
        lambda x: (math.cos(x),),
        lambda x: abs(x) < 100,
        rational=False,
    ),
    "sqrt": Formula(
        lambda x: x.sqrt(), math.sqrt, lambda x: (0.5 / math.sqrt(x),), lambda x: x > 0.01,
        rational=False,
    ),
}  # fmt: skip
BINARY = ["add", "subtract", "multiply", "divide", "maximum"]
MULTIPLES = st.integers(-48, 48)
PICKS = st.integers(0, 2) | st.integers(0, 30)  # mostly the young, so that graphs grow deep
STEPS = st.lists(st.tuples(st.sampled_from(list(FORMULAS)), PICKS, PICKS), min_size=3, max_size=12)


@dataclass(eq=False)
class Twin:
    """A node of the naive engine, and the engine's node that should be like it."""

    ours: Value
    data: Any
    parents: tuple[Twin, ...] = ()
    slopes: tuple[Any, ...] = ()
    label: str = ""
    grad: Any = 0
    terms: Any = 0
    """Σ|terms| of the gradient."""
    roundings: int = 0


@dataclass
class Adjoint:
    grad: Any
    terms: Any
    roundings: int


def adjoints(root: Twin) -> dict[Twin, Adjoint]:
    """∂root/∂node for every node below the root, pulled from the nodes that used it."""
    uses: dict[Twin, list[tuple[Twin, Any]]] = {}

    def visit(node: Twin) -> None:
        if node not in uses:
            uses[node] = []
            for parent, slope in zip(node.parents, node.slopes, strict=True):
                visit(parent)
                uses[parent].append((node, slope))

    known = {root: Adjoint(1, 1, 0)}

    def pull(node: Twin) -> Adjoint:
        if node not in known:
            pulled = [(pull(consumer), slope) for consumer, slope in uses[node]]
            known[node] = Adjoint(
                sum(a.grad * slope for a, slope in pulled),
                sum(a.terms * abs(slope) for a, slope in pulled),
                max(a.roundings for a, slope in pulled) + STEP + 2 * len(pulled),
            )
        return known[node]

    visit(root)
    return {node: pull(node) for node in uses}


def repickled(node: Value) -> Value:
    copied: Value = pickle.loads(pickle.dumps(node))
    return copied


class Grower(RuleBasedStateMachine):
    """Graphs growing in both engines at once; what numbers they hold is a subclass's affair."""

    irrational: bool

    def __init__(self) -> None:
        super().__init__()
        self.grown: list[Twin] = []

    def number(self, n: int) -> Any:
        raise NotImplementedError

    def operand(self, data: Any) -> Any:
        """What the naive engine goes on with: the engine's number, which has just been judged."""
        return data

    def is_tame(self, x: Any) -> bool:
        raise NotImplementedError

    def check(self, got: Any, want: Any, terms: Any, roundings: int) -> None:
        raise NotImplementedError

    def pick(self, k: int) -> Twin:
        """The k-th youngest, counted round."""
        return self.grown[~(k % len(self.grown))]

    def grow(self, name: str, *picks: int, recorded: bool = True) -> None:
        """The operation in both engines, where it is tame; what it gives is judged at once."""
        formula = FORMULAS[name]
        parents = tuple(map(self.pick, picks[: 2 if name in BINARY else 1]))
        xs = [parent.data for parent in parents]
        if len(self.grown) > 100 or not (formula.rational or self.irrational):
            return
        want = formula.value(*xs) if formula.tame(*xs) else None
        if want is None or not self.is_tame(want):
            return
        with nullcontext() if recorded else no_grad():
            ours = formula.apply(*(parent.ours for parent in parents))
        self.check(ours.data, want, abs(want), STEP)
        twin = Twin(ours, self.operand(ours.data))
        if recorded:
            twin.parents, twin.slopes = parents, formula.slopes(*xs)
        self.grown.append(twin)

    @initialize(n=MULTIPLES, m=MULTIPLES)
    def first_leaves(self, n: int, m: int) -> None:
        self.leaf(n)
        self.leaf(m)

    @rule(n=MULTIPLES)
    def leaf(self, n: int) -> None:
        x = self.number(n)
        self.grown.append(Twin(Value(x), x))

    # Several at a time and then a pass: steps drawn one by one would leave most graphs trivial.
    @rule(steps=STEPS)
    def branches(self, steps: list[tuple[str, int, int]]) -> None:
        for name, i, j in steps:
            self.grow(name, i, j)
        self.backward(0)

    @rule(name=st.sampled_from(list(FORMULAS)), i=PICKS, j=PICKS)
    def island(self, name: str, i: int, j: int) -> None:
        self.grow(name, i, j, recorded=False)

    @rule(k=PICKS)
    def backward(self, k: int) -> None:
        root = self.pick(k)
        root.ours.backward()
        for node, adjoint in adjoints(root).items():
            if node.parents:
                node.grad, node.terms, node.roundings = 0, 0, 0
            node.grad += adjoint.grad
            node.terms += adjoint.terms
            node.roundings = max(node.roundings, adjoint.roundings) + 2

    @rule(k=PICKS)
    def zero_grad(self, k: int) -> None:
        node = self.pick(k)
        node.ours.grad = 0
        node.grad, node.terms, node.roundings = 0, 0, 0

    @rule(k=PICKS, label=st.text(max_size=3))
    def relabel(self, k: int, label: str) -> None:
        node = self.pick(k)
        node.ours.label = node.label = label

    @rule(k=PICKS)
    def detach(self, k: int) -> None:
        node = self.pick(k)
        self.grown.append(Twin(node.ours.detach(), node.data, label=node.label))

    @rule(k=PICKS, duplicate=st.sampled_from([copy.deepcopy, repickled]))
    def copy_graph(self, k: int, duplicate: Callable[[Value], Value]) -> None:
        """A copy of all that is below the node grows on beside the original."""
        if len(self.grown) > 60:
            return
        node = self.pick(k)
        copies: dict[Twin, Twin] = {}

        def follow(twin: Twin, ours: Value) -> Twin:
            if twin not in copies:
                parents = tuple(map(follow, twin.parents, ours.parents))
                copies[twin] = replace(twin, ours=ours, parents=parents)
            assert copies[twin].ours is ours  # what was shared is shared
            return copies[twin]

        follow(node, duplicate(node.ours))
        self.grown.extend(copies.values())

    @invariant()
    def the_engines_agree(self) -> None:
        for node in self.grown:
            self.check(node.ours.data, node.data, 0, 0)
            self.check(node.ours.grad, node.grad, node.terms, node.roundings)
            assert node.ours.label == node.label
            assert [id(parent) for parent in node.ours.parents] == [
                id(parent.ours) for parent in node.parents
            ]


class FloatGrower(Grower):
    irrational = True

    def number(self, n: int) -> float:
        return n / 16

    def is_tame(self, x: float) -> bool:
        return x == 0 or 1e-6 < abs(x) < 1e6

    def check(self, got: Any, want: Any, terms: Any, roundings: int) -> None:
        assert abs(got - want) <= roundings * U * terms + ETA * bool(roundings)


class RationalGrower(Grower):
    irrational = False

    def number(self, n: int) -> Fraction:
        return Fraction(n, 12)

    def operand(self, data: Any) -> Fraction:
        return Fraction(data)

    def is_tame(self, x: Fraction) -> bool:
        return max(abs(x), Fraction(x).denominator) < 10**60

    def check(self, got: Any, want: Any, terms: Any, roundings: int) -> None:
        assert isinstance(got, (int, Fraction))
        assert got == want


TestFloats = FloatGrower.TestCase
TestRationals = RationalGrower.TestCase
