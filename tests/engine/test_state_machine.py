"""Random graphs, grown step by step in the engine and in a naive second one beside it.

The second engine shares no code and no formula with the first: it keeps dictionaries, recurses,
and *pulls* the adjoint of a node from those that used it, ∂C/∂v = Σ ∂C/∂c·∂c/∂v, where the engine
pushes. It differentiates twice by running on dual numbers, where the engine differentiates the
gradient that it has recorded. Rationals must agree exactly. Floats are judged node by node on the
operands that the engine has, so that one rounding is not counted twice: k·u·Σ|terms|, u = 2⁻⁵³,
where k counts the roundings on the longest way and Σ|terms| is carried along by the naive engine.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from support.formulas import BINARY, FORMULAS, Formula

from microgradnet import Value, no_grad
from microgradnet.engine import flatten, unflatten

U = 2.0**-53
ETA = 2.0**-1000  # far above any underflow: data keep within [1e-6, 1e6]
STEP = 24
"""Roundings from an adjoint to a parent's, in both engines together: the derivative has at most
three library functions or quotients, of 4 each, its product among them; sums count apart."""


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
    formula: Formula | None = None
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


@dataclass(frozen=True)
class Dual:
    """x + ẋε with ε² = 0: what the formulas above make of it tells their slope along ẋ."""

    x: Fraction
    dot: Fraction = Fraction(0)

    def __add__(self, other: Any) -> Dual:
        other = dual(other)
        return Dual(self.x + other.x, self.dot + other.dot)

    def __mul__(self, other: Any) -> Dual:
        other = dual(other)
        return Dual(self.x * other.x, self.dot * other.x + self.x * other.dot)

    def __truediv__(self, other: Any) -> Dual:
        other = dual(other)
        return self * Dual(1 / other.x, -other.dot / other.x**2)

    def __pow__(self, n: int) -> Dual:
        return Dual(self.x**n, n * self.x ** (n - 1) * self.dot)

    def __abs__(self) -> Dual:
        return self * ((self.x > 0) - (self.x < 0))

    def __neg__(self) -> Dual:
        return self * -1

    def __sub__(self, other: Any) -> Dual:
        return self + -dual(other)

    def __rtruediv__(self, other: Any) -> Dual:
        return dual(other) / self

    __radd__, __rmul__ = __add__, __mul__

    # Sides of a kink are taken by x alone.

    def __eq__(self, other: object) -> bool:
        return self.x == dual(other).x

    def __lt__(self, other: Any) -> bool:
        return self.x < dual(other).x

    def __gt__(self, other: Any) -> bool:
        return self.x > dual(other).x

    def __ge__(self, other: Any) -> bool:
        return self.x >= dual(other).x


def dual(x: Any) -> Dual:
    return x if isinstance(x, Dual) else Dual(Fraction(x))


def curvature(root: Twin, along: Twin) -> dict[Twin, Fraction]:
    """∂²root/∂along∂leaf for every leaf below the root."""
    copies: dict[Twin, Twin] = {}

    def follow(node: Twin) -> Twin:
        if node not in copies:
            parents = tuple(map(follow, node.parents))
            xs = [parent.data for parent in parents]
            value = node.formula.value(*xs) if node.formula else Dual(node.data, Fraction(0))
            if node is along:
                value = Dual(node.data, Fraction(1))
            slopes = node.formula.slopes(*xs) if node.formula else ()
            copies[node] = replace(node, data=dual(value), parents=parents, slopes=slopes)
        return copies[node]

    follow(root)
    found = adjoints(copies[root])
    return {
        node: dual(found[twin].grad).dot
        for node, twin in copies.items()
        if not node.parents and twin in found
    }


def repickled(nodes: list[Value]) -> list[Value]:
    """Packed together: of nodes pickled one by one only the leaves would stay shared."""
    return unflatten(*pickle.loads(pickle.dumps(flatten(nodes))))


class Grower(RuleBasedStateMachine):
    """Graphs growing in both engines at once; what numbers they hold is a subclass's affair."""

    irrational: bool
    formulas = FORMULAS

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
        formula = self.formulas[name]
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
            twin.parents, twin.slopes, twin.formula = parents, formula.slopes(*xs), formula
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

    @rule(k=PICKS, times=st.integers(1, 3))
    def backward(self, k: int, times: int = 1) -> None:
        root = self.pick(k)
        for _ in range(times):
            root.ours.backward()
            for node, adjoint in adjoints(root).items():
                if node.parents:
                    node.grad, node.terms, node.roundings = 0, 0, 0
                node.grad += adjoint.grad
                node.terms += adjoint.terms
                node.roundings = max(node.roundings, adjoint.roundings) + 2

    @rule(k=PICKS)
    def create_graph(self, k: int) -> None:
        """The recorded gradients are the same numbers, and no .grad changes: see the invariant."""
        root = self.pick(k)
        recorded = root.ours.backward(create_graph=True)
        found = adjoints(root)
        assert {id(node) for node in recorded} == {id(node.ours) for node in found}
        for node, adjoint in found.items():
            got = recorded[node.ours].data
            self.check(got, adjoint.grad, adjoint.terms, adjoint.roundings)

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

    @rule(k=PICKS, j=PICKS, duplicate=st.sampled_from([copy.deepcopy, repickled]))
    def copy_graph(self, k: int, j: int, duplicate: Callable[[Any], Any]) -> None:
        """A copy of all that is below two nodes grows on beside the originals."""
        if len(self.grown) > 60:
            return
        roots = [self.pick(k), self.pick(j)]
        copies: dict[Twin, Twin] = {}

        def follow(twin: Twin, ours: Value) -> Twin:
            if twin not in copies:
                parents = tuple(map(follow, twin.parents, ours.parents))
                copies[twin] = replace(twin, ours=ours, parents=parents)
            assert copies[twin].ours is ours  # what was shared is shared
            return copies[twin]

        for root, ours in zip(roots, duplicate([root.ours for root in roots]), strict=True):
            follow(root, ours)
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

    @rule(k=PICKS, i=PICKS)
    def differentiate_twice(self, k: int, i: int) -> None:
        """The gradient ∂C/∂x of one leaf, squared, and its own gradient by every leaf.

        What it leaves in interior nodes depends on how rules are written, on y or on x: it is
        forgotten.
        """
        root = self.pick(k)
        found = adjoints(root)
        leaves = [node for node in found if not node.parents]
        leaf = leaves[i % len(leaves)]
        slope, second = found[leaf].grad, curvature(root, leaf)
        gradient = root.ours.backward(create_graph=True)[leaf.ours]
        recorded = gradient.backward(create_graph=True)
        for other in leaves:
            self.check(recorded[other.ours].data, second[other], 0, 0)
        (gradient * gradient).backward()
        for node in found:
            if node.parents:
                node.ours.grad = node.grad = 0
            else:
                node.grad += 2 * slope * second[node]


TestFloats = FloatGrower.TestCase
TestRationals = RationalGrower.TestCase


# The tester tested


def spoiled(grower: type[Grower], name: str, error: Any) -> type[Grower]:
    """A machine whose naive engine has one formula's slopes wrong by a relative error."""
    right = FORMULAS[name]

    def slopes(*xs: Any) -> tuple[Any, ...]:
        return tuple(slope * (1 + error) for slope in right.slopes(*xs))

    formulas = {**FORMULAS, name: replace(right, slopes=slopes)}
    return type("Spoiled", (grower,), {"formulas": formulas})


@pytest.mark.parametrize("name", FORMULAS)
def test_a_wrong_slope_is_noticed(name: str) -> None:
    rational = FORMULAS[name].rational
    machine = (
        spoiled(RationalGrower, name, Fraction(1, 10**30))
        if rational
        else spoiled(FloatGrower, name, 1e-9)
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=QUICK)


QUICK = settings(max_examples=300, phases=[Phase.generate], database=None, derandomize=True)
