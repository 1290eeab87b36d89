"""Changing a number by hand: the cost changes by gradient × step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from microgradnet.arithmetic import Number, coerce
from microgradnet.chain_rule import reverse_mode
from microgradnet.engine import Value
from microgradnet.numerals import numeral
from microgradnet.ops import abs as absolute
from microgradnet.ops import add, multiply, subtract
from microgradnet.recording import active_hook
from microgradnet.tables import Table, Tabular

__all__ = ["Nudge", "Nudges", "nudge"]


@dataclass(frozen=True)
class Nudge:
    """Hold one step: the change of the cost, and what the gradient predicted."""

    step: Number
    change: Number
    """The change of the cost."""
    predicted: Number
    """gradient × step."""

    @property
    def difference(self) -> Number:
        """Compute |change − predicted|: ½C″·step² and smaller terms."""
        return absolute(subtract(self.change, self.predicted))


@dataclass(frozen=True)
class Nudges(Tabular):
    """Hold the nudges of one number."""

    name: str
    at: Number
    gradient: Number
    nudges: tuple[Nudge, ...]

    @property
    def title(self) -> str:
        """Write the number, and the gradient there."""
        return f"{self.name} = {numeral(self.at)}, ∂C/∂{self.name} = {numeral(self.gradient)}"

    @property
    def table(self) -> Table:
        """Tabulate the steps, a row each."""
        rows = [
            [numeral(x) for x in (n.step, n.change, n.predicted, n.difference)] for n in self.nudges
        ]
        headings = ["step", "C changes by", "gradient × step", "apart"]
        return Table(headings, rows, left=["step"])


def nudge(
    cost: Callable[[], Value], node: Value, steps: Sequence[Number] = (0.1, 0.01, 0.001)
) -> Nudges:
    """Change a number by a few steps, and compare the change of the cost with gradient × step.

    cost   builds the cost anew each time it is called: lambda: (w * x - y) ** 2
    node   a leaf that the cost is computed from: a parameter, or an input
    steps  how far to go. The two differ by ½C″·step² and smaller terms, so a tenth of the step
           brings them a hundred times closer.

    The node is left as it was, gradients too. Raises ValueError where the cost does not depend on
    the node, and TypeError for a node that is no leaf: it is computed, so a nudge would be lost.

    >>> w, x = Value(3.0, label="w"), Value(2.0)
    >>> print(nudge(lambda: (w * x) ** 2, w))
    w = 3, ∂C/∂w = 24
    step   C changes by  gradient × step   apart
    0.1            2.44              2.4    0.04
    0.01         0.2404             0.24  0.0004
    0.001         0.024            0.024    4e−6
    """
    if not callable(cost) or not isinstance(node, Value):
        raise TypeError("give a function and a Value, as in nudge(lambda: (w * x) ** 2, w)")
    if node.op is not None:
        raise TypeError("only a leaf can be nudged: this node is computed from others")
    at = node.data
    before = cost()
    hook = active_hook()
    if hook is not None:
        hook.on_backward(before)
    adjoints = reverse_mode({before: 1.0 if type(before.data) is float else 1})
    if node not in adjoints:
        raise ValueError(
            "the cost is not computed from this node: does cost() build it anew, from the node "
            "itself?"
        )
    gradient, nudges = adjoints[node], []
    try:
        for step in map(coerce, steps):
            node.data = add(at, step)
            change = subtract(cost().data, before.data)
            nudges.append(Nudge(step, change, multiply(gradient, step)))
    finally:
        node.data = at
    return Nudges(node.label or "x", at, gradient, tuple(nudges))
