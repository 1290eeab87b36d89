"""The zooms of one graph, as boxes with places for numbers, laid out and ready to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from microgradnet.exploring.boxes import Box
from microgradnet.exploring.layout import lay_out
from microgradnet.exploring.tape import Tape
from microgradnet.notation import symbol
from microgradnet.views import GraphView

__all__ = ["Zoom", "boxes_zoom", "scalar_zoom"]

Arrow: TypeAlias = "tuple[int, int, str, list[int]]"
"""From one box to another: its path, and the weights that it stands for."""

_GRID = 4
"""A matrix with more rows or columns is drawn by its shape alone."""


@dataclass(frozen=True)
class Zoom:
    """Hold one zoom: its boxes and arrows."""

    name: str
    width: float
    height: float
    boxes: Sequence[Box]
    arrows: list[Arrow]


def scalar_zoom(view: GraphView, tape: Tape, names: Sequence[str], roles: Sequence[str]) -> Zoom:
    """Draw every node as a box: its name, the operation, data and gradient."""
    width, height = 136.0, 58.0
    edges = [(p, k) for k, parents in enumerate(tape.parents) for p in parents]
    layout = lay_out([(width, height)] * len(names), edges)
    drawn = []
    for k, node in enumerate(view.order):
        numbers = [("data", k, "data", -35.0, 9.0), ("grad", k, "gradient", 34.0, 9.0)]
        detail = "" if node.op is None else symbol(node.op)
        if roles[k] == "constant":
            numbers = [("data", k, "data", 0.0, 9.0)]
            detail = "constant"
        x, y = layout.centres[k]
        box = Box(names[k], roles[k], [k], detail=detail, numbers=numbers)
        box.x, box.y, box.width, box.height = x, y, width, height
        drawn.append(box)
    arrows: list[Arrow] = [
        (a, b, path, []) for (a, b), path in zip(edges, layout.paths, strict=True)
    ]
    return Zoom("scalar", layout.width, layout.height, drawn, arrows)


def boxes_zoom(
    name: str,
    tape: Tape,
    boxes: Sequence[Box],
    box_of: Sequence[int],
    weights: Mapping[tuple[int, int], list[int]],
) -> Zoom:
    """Draw the boxes, and an arrow wherever a node in one is made from a node in another."""
    sizes, places = zip(*[_inside(box) for box in boxes], strict=True)
    edges = sorted(
        {
            (box_of[p], box_of[k])
            for k, parents in enumerate(tape.parents)
            for p in parents
            if box_of[p] != box_of[k]
        }
    )
    columns: dict[int, list[int]] = {}
    for number, box in enumerate(boxes):
        if box.column >= 0:
            columns.setdefault(box.column, []).append(number)
    gap = 78 if name == "neuron" else 40
    layout = lay_out(sizes, edges, gap, columns.values())
    for box, size, numbers, centre in zip(boxes, sizes, places, layout.centres, strict=True):
        (box.width, box.height), (box.x, box.y), box.numbers = size, centre, numbers
        if not numbers and box.kind != "neuron":
            box.detail = f"{box.rows}×{len(box.entries) // box.rows}"
    arrows = [
        (*edge, path, weights.get(edge, [])) for edge, path in zip(edges, layout.paths, strict=True)
    ]
    return Zoom(name, layout.width, layout.height, boxes, arrows)


def _inside(box: Box) -> tuple[tuple[float, float], list[tuple[str, int, str, float, float]]]:
    """Measure a box and place its numbers."""
    if box.slots:
        pitch = 19.0
        height = 32 + pitch * len(box.slots)
        slots: list[Any] = [
            (kind, node, name, 12.0, 36 + pitch * k - height / 2)
            for k, (name, kind, node) in enumerate(box.slots)
        ]
        return (132.0, height), slots
    columns = len(box.entries) // box.rows
    if box.rows > _GRID or columns > _GRID:
        return (86.0, 56.0), []
    wide, pitch = 62.0, 18.0
    kinds = ["data"] if box.kind in ("input", "target", "cost") else ["data", "grad"]
    width = max(74.0, 18 + wide * columns)
    height = 34 + pitch * box.rows * len(kinds) + 4 * (len(kinds) - 1)
    slots = [
        (kind, node, "", wide * (k % columns - (columns - 1) / 2),
         36 + (pitch * box.rows + 4) * below + pitch * (k // columns) - height / 2)
        for below, kind in enumerate(kinds)
        for k, node in enumerate(box.entries)
    ]  # fmt: skip
    return (width, height), slots
