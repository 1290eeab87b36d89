"""Where boxes and arrows go: a small graph in, positions out, computed by Graphviz."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from microgradnet.drawing import render

__all__ = ["Layout", "lay_out"]

_POINTS = 72
"""Graphviz measures in inches; the page in points."""


@dataclass(frozen=True)
class Layout:
    """Hold the centres of the boxes, the arrows as SVG paths, and the size of all, in points."""

    width: float
    height: float
    centres: list[tuple[float, float]]
    paths: list[str]


def lay_out(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    gap: float = 44,
    columns: Iterable[Sequence[int]] = (),
) -> Layout:
    """Place boxes of these sizes from left to right along the edges; columns keep their order.

    >>> layout = lay_out([(90, 40), (90, 40)], [(0, 1)])
    >>> layout.centres[0][0] < layout.centres[1][0], layout.paths[0][:1]
    (True, 'M')
    """
    lines = [f"digraph {{ rankdir=LR; nodesep=0.22; ranksep={gap / _POINTS:.3f};"]
    lines.append('node [shape=box, fixedsize=true, label=""]; edge [arrowhead=none];')
    for k, (width, height) in enumerate(sizes):
        lines.append(f"n{k} [width={width / _POINTS:.4f}, height={height / _POINTS:.4f}];")
    lines += [f"n{a} -> n{b};" for a, b in edges]
    for column in columns:
        chain = " -> ".join(f"n{k}" for k in column)
        lines.append(f"{{ rank=same; {chain} [style=invis]; }}" if len(column) > 1 else "")
    plain = render("\n".join([*lines, "}"]), "plain").decode()

    width = height = 0.0
    centres = [(0.0, 0.0)] * len(sizes)
    splines: dict[tuple[int, int], list[str]] = {}
    for line in plain.splitlines():
        words = line.split()
        if words[0] == "graph":
            width, height = (float(word) * _POINTS for word in words[2:4])
        elif words[0] == "node":
            x, y = (float(word) * _POINTS for word in words[2:4])
            centres[int(words[1][1:])] = (round(x, 1), round(height - y, 1))
        elif words[0] == "edge":
            numbers = [float(word) * _POINTS for word in words[4 : 4 + 2 * int(words[3])]]
            points = [
                f"{x:.1f},{height - y:.1f}"
                for x, y in zip(numbers[::2], numbers[1::2], strict=True)
            ]
            path = f"M{points[0]}C{' '.join(points[1:])}"
            splines.setdefault((int(words[1][1:]), int(words[2][1:])), []).append(path)
    paths = [splines[edge].pop() for edge in edges]
    return Layout(round(width, 1), round(height, 1), centres, paths)
