"""What a picture of a graph shows, at any zoom: the graph, and what in it is marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from microgradnet.arithmetic import is_finite
from microgradnet.drawing.boxes import DIM, STYLES, WRONG, gradient, name_of, shapes, statement
from microgradnet.drawing.dot import clean, document
from microgradnet.drawing.highlight import downstream, sum_of_paths
from microgradnet.engine import Value, is_unset
from microgradnet.explanation import adjoint, definition
from microgradnet.notation import is_weighted_input
from microgradnet.numerals import full_numeral, numeral
from microgradnet.views import GraphView

__all__ = ["Scene"]


@dataclass
class Scene:
    """Hold a graph to be drawn, and what is marked in it.

    highlight  the node whose paths to the result are shown
    wrong      the node that an error names
    edges      what the lines of the neuron zoom show, as of `draw`
    rankdir    the direction, as of `draw`
    caption    what else is said below the picture
    """

    view: GraphView
    highlight: Value | None = None
    wrong: Value | None = None
    edges: str = "weight"
    rankdir: str = "LR"
    caption: Sequence[str] = field(default_factory=list)

    @cached_property
    def lit(self) -> set[Value]:
        """Find the nodes on the highlighted paths; all, if there are none."""
        if self.highlight is None:
            return set(self.view.order)
        return downstream(self.view.order, self.highlight)

    def is_wrong(self, nodes: Iterable[Value]) -> bool:
        """Tell whether an error names one of the nodes, or what is not finite is in one."""
        return any(
            node is self.wrong or not (is_finite(node.data) and is_finite(node.grad))
            for node in nodes
        )

    def box(self, node: Value, role: str = "") -> str:
        """Write a node as a statement; it is called n and its place in the order."""
        k, is_wrong = self.view.place[node], self.is_wrong([node])
        role = role or self.view.role(node)
        style = STYLES[role] | (WRONG if is_wrong else {}) | self.mark([node])
        if node is self.highlight:
            style["penwidth"] = "2.5"
        if node in self.view.roots:
            style["peripheries"] = "2"
        name = f"{clean(node.label, 24)} = " if node.label else ""
        error = f"{adjoint(node)} =" if is_weighted_input(node.label) else "grad"
        lines = [f"{'‼ ' * is_wrong}{name}{numeral(node.data)}", f"{error} {gradient(node.grad)}"]
        how = [] if node.op is None else [clean(definition(node), 300)]
        numbers = [f"data {full_numeral(node.data)}", f"grad {gradient(node.grad, full_numeral)}"]
        hover = [f"{name_of(node, k)}: {role}", *how, *numbers]
        return statement(f"n{k}", role, lines, hover, style)

    def mark(self, nodes: Iterable[Value], lit: dict[str, str] | None = None) -> dict[str, str]:
        """Style what stands for these nodes, where paths are shown: `lit` on them, or dim."""
        if self.highlight is None:
            return {}
        return DIM if self.lit.isdisjoint(nodes) else lit or {}

    def document(
        self,
        lines: Iterable[str],
        title: str,
        roles: Iterable[str],
        *,
        said: str = "",
        computed: str = "computed",
        settings: str = "ranksep=0.3",
    ) -> str:
        """Write the whole text: the statements, and what the picture's shapes and marks mean."""
        paths = [] if self.highlight is None else sum_of_paths(self.view.roots, self.highlight)
        caption = [*paths, *[said] * bool(said), shapes(roles, computed)]
        if self.wrong is not None or self.is_wrong(self.view.order):
            caption.append("‼ and thick orange: not a finite number, or its gradient is not")
        if self.wrong is None and all(is_unset(node.grad) for node in self.view.order):
            caption.append("not differentiated yet: call backward(), then draw")
        return document(lines, self.rankdir, title, [*caption, *self.caption], settings=settings)
