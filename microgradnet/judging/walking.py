"""An engine with known mistakes, in a hundred lines: what it would have given.

`predict` runs the backward passes of a small graph as an engine with certain habits would, and
returns every outcome that these allow: where the order in which parents are visited decides, and
an engine keeps them in a set, there are several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

__all__ = ["Habits", "Outcome", "Script", "predict"]

Outcome: TypeAlias = tuple[tuple[float, ...], ...]
"""The gradients of the leaves, after each backward pass."""


@dataclass(frozen=True)
class Script:
    """A graph, and the backward passes through it."""

    of: str
    """What it shows, as a report names it."""
    leaves: tuple[float, ...]
    steps: tuple[tuple[str, tuple[int, ...]], ...]
    """Operations and the numbers of their operands; leaves are numbered first."""
    passes: tuple[int | None, ...] = ()
    """Each the node that backward starts from, or None where the leaves' gradients become 0."""

    @property
    def actions(self) -> tuple[int | None, ...]:
        """The passes; one from the last node where none are named."""
        return self.passes or (len(self.leaves) + len(self.steps) - 1,)


@dataclass(frozen=True)
class Habits:
    """How an engine walks a graph and adds up gradients; as here, when it has no mistakes."""

    order: str = "topological"
    """Or forward, recursive, recursive once, breadth first, breadth first again, path by path."""
    interior_kept: bool = False
    """Gradients of interior nodes from one pass to the next."""
    leaves_reset: bool = False
    """Gradients of leaves are set to 0 before each pass: a convention."""
    parents: str = "ordered"
    """Or unique: a second mention is lost; or a set: the order too."""
    by_value: bool = False
    """A node equal to one seen is taken for it."""
    tape_kept: bool = False
    """All nodes that ever were are walked through in each pass."""
    seed_adds: bool = False
    """The root's gradient is increased by 1, not set to 1."""
    seed_is_value: bool = False
    """The root's gradient is set to its value, not to 1."""
    assigns: frozenset[str] = frozenset()
    """Operations whose rules set a parent's gradient and do not add to it."""
    loses: frozenset[str] = frozenset()
    """Operations whose rules do not multiply by the node's own gradient."""
    adds: frozenset[str] = frozenset()
    """Operations whose rules add the node's own gradient where they should multiply by it."""
    gates: frozenset[str] = frozenset()
    """Operations whose rules ask the sign of the gradient and not that of the operand."""


Partials: TypeAlias = Callable[[str, tuple[float, ...]], Sequence[float]]
"""The derivatives of an operation by each operand."""


def predict(
    script: Script, habits: Habits, values: Sequence[float], partials: Partials
) -> set[Outcome]:
    """Return the outcomes that an engine of these habits may give.

    values are those of all nodes.

    >>> script = Script("x·x", (3.0,), (("x * y", (0, 0)),))
    >>> product_rule = lambda name, xs: (xs[1], xs[0])
    >>> predict(script, Habits(), [3.0, 9.0], product_rule)
    {((6.0,),)}
    >>> predict(script, Habits(parents="unique"), [3.0, 9.0], product_rule)
    {((3.0,),)}
    """
    n = len(script.leaves)
    parents = [()] * n + [operands for _, operands in script.steps]
    names = [""] * n + [name for name, _ in script.steps]
    slopes = [partials(name, tuple(values[k] for k in p)) if p else () for name, p in
              zip(names, parents, strict=True)]  # fmt: skip
    branching = [v for v, p in enumerate(parents) if len(set(p)) > 1]
    free = habits.order != "topological" or habits.assigns or habits.by_value
    choices = 4 if habits.parents == "set" else 2 if free else 1
    again = habits.order in ("recursive", "breadth first again")
    outcomes = set()
    for once, choice in product({False, again}, product(range(choices), repeat=len(branching))):
        turned = {v for v, c in zip(branching, choice, strict=True) if c % 2}
        swapped = {v for v, c in zip(branching, choice, strict=True) if c > 1}
        simulation = _Simulation(habits, n, parents, names, values, slopes, turned, swapped, once)
        outcomes.add(tuple(simulation.run(script.actions)))
    return outcomes


@dataclass
class _Simulation:
    habits: Habits
    leaves: int
    parents: Sequence[tuple[int, ...]]
    names: Sequence[str]
    values: Sequence[float]
    slopes: Sequence[Sequence[float]]
    turned: set[int]
    """Nodes whose parents are visited last one first."""
    swapped: set[int]
    """Nodes whose parents have lost their order, and so their derivatives."""
    once: bool
    """Whether the two operands of x·x are one parent to visit, though both get their share."""

    def run(self, actions: Sequence[int | None]) -> Iterator[tuple[float, ...]]:
        self.grads = [0.0] * len(self.parents)
        for root in actions:
            if root is None:
                self.grads[: self.leaves] = [0.0] * self.leaves
                continue
            self._prepare(root)
            if self.habits.order == "path by path":
                self._walk(root, self.grads[root])
            else:
                for node in self._order(root):
                    [*self._pass_on(node, self.grads[node])]
            yield tuple(self.grads[: self.leaves])

    def _prepare(self, root: int) -> None:
        habits, grads = self.habits, self.grads
        before = grads[root]
        for node in self._below(root):
            leaf = node < self.leaves
            if habits.leaves_reset if leaf else not (habits.interior_kept or habits.tape_kept):
                grads[node] = 0.0
        seed = self.values[root] if habits.seed_is_value else 1.0
        grads[root] = before + seed if habits.seed_adds else seed

    def _visited(self, node: int) -> Sequence[int]:
        found = self.parents[node]
        if self.once or self.habits.parents != "ordered":
            found = tuple(dict.fromkeys(found))
        return found[::-1] if node in self.turned else found

    def _below(self, root: int) -> list[int]:
        """All nodes, parents before children."""
        found: list[int] = []

        def visit(node: int) -> None:
            if node not in found:
                for parent in self.parents[node]:
                    visit(parent)
                found.append(node)

        visit(root)
        return found

    def _order(self, root: int) -> list[int]:
        order: list[int] = []
        habits = self.habits

        def seen(node: int) -> bool:
            if habits.by_value:
                return any(self.values[node] == self.values[other] for other in reached)
            return node in reached

        reached: list[int] = []

        def postorder(node: int) -> None:
            if not seen(node):
                reached.append(node)
                for parent in self._visited(node):
                    postorder(parent)
                order.append(node)

        def preorder(node: int, again: bool) -> None:
            if again or not seen(node):
                reached.append(node)
                order.append(node)
                for parent in self._visited(node):
                    preorder(parent, again)

        if habits.tape_kept:
            return [*range(len(self.parents) - 1, -1, -1)]
        if habits.order.startswith("recursive"):
            preorder(root, habits.order == "recursive")
        elif habits.order.startswith("breadth"):
            queue = [root]
            for node in queue:
                for parent in self._visited(node):
                    if habits.order == "breadth first again" or parent not in queue:
                        queue.append(parent)
            return queue
        else:
            postorder(root)
            if habits.order == "topological":
                order.reverse()
        return order

    def _walk(self, node: int, g: float) -> None:
        for parent, contribution in self._pass_on(node, g):
            self._walk(parent, contribution)

    def _pass_on(self, node: int, g: float) -> Iterator[tuple[int, float]]:
        """Give each parent its contribution, and say which."""
        habits, name = self.habits, self.names[node]
        parents = self.parents[node]
        if habits.parents != "ordered":
            parents = tuple(dict.fromkeys(parents))
            parents = parents[::-1] if node in self.swapped else parents
        for parent, slope in zip(parents, self.slopes[node], strict=False):
            if name in habits.loses:
                contribution = slope
            elif name in habits.adds:
                contribution = slope + g - 1  # the slope was found at the root, where g is 1
            elif name in habits.gates:
                contribution = slope * g if g > 0 else 0.0
            else:
                contribution = slope * g
            if name in habits.assigns:
                self.grads[parent] = contribution
            else:
                self.grads[parent] += contribution
            yield parent, contribution
