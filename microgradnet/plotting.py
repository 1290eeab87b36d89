"""Plots, by matplotlib: curves of a training, and the decision boundary between classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgradnet.numerals import numeral

__all__ = ["boundary", "caption", "curve", "figure"]

INK = "#33475b"
TRAIN, TEST = "#3b6fb6", "#d9822b"
CLASSES = ("#3b6fb6", "#d9822b", "#3d9a6b", "#b0437c", "#7a62b8", "#8a6d3b", "#4aa3a8", "#c23b3b",
           "#6b7785", "#a3a12f")  # fmt: skip
"""Colours of classes, distinct in grey too, and to most of those who see colours differently."""

_GRID = 120


def figure(panels: int, width: float = 4.2, height: float = 3.4) -> tuple[Any, list[Any]]:
    """Make a matplotlib figure with panels side by side, which shows itself in a notebook.

    Raises ImportError that says what to install where matplotlib is missing. No window is opened
    and no state of pyplot is touched.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("a plot needs matplotlib: pip install 'microgradnet[plot]'") from None

    class Picture(Figure):
        def _repr_png_(self) -> bytes:
            content = BytesIO()
            self.savefig(content, format="png", dpi=110)
            return content.getvalue()

    picture = Picture(figsize=(width * panels, height), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.subplots(1, panels, squeeze=False)[0]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(colors=INK, labelsize=8)
    return picture, list(axes)


def curve(axes: Any, name: str, colour: str, epochs: Sequence[Any], values: Sequence[Any]) -> None:
    """Draw the values of the epochs as a line; of a single epoch as a dot."""
    mark = "o-" if len(epochs) == 1 else "-"
    numbers = [epoch.number for epoch in epochs]
    axes.plot(numbers, list(map(float, values)), mark, color=colour, label=name)


def caption(axes: Any, title: str) -> None:
    """Set the title, "cost" or "accuracy", and label the axes."""
    axes.set_title(title, color=INK, fontsize=10)
    axes.set_xlabel("epoch", color=INK, fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if title == "accuracy":
        axes.yaxis.set_major_formatter(lambda share, _: f"{numeral(100 * share, 3)} %")


def boundary(
    axes: Any,
    outputs: Callable[[NDArray[Any]], NDArray[Any]],
    X: ArrayLike,
    labels: ArrayLike,
    names: Sequence[str] = (),
) -> None:
    """Draw examples with two features over the outputs of the network between them.

    Each region is tinted as the class it is called, the less the nearer the two largest outputs
    are; the white line is where they are equal.
    """
    from matplotlib.colors import to_rgb

    points, classes = np.asarray(X, dtype=float), np.asarray(labels, dtype=int)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.08 * np.where(high > low, high - low, 1.0)
    low, high = low - margin, high + margin
    x, y = (np.linspace(low[k], high[k], _GRID) for k in (0, 1))
    values = outputs(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))
    if values.shape[1] == 1:  # one output above ½ or not, as two
        values = np.hstack([1 - values, values])
    largest, order = values.argmax(axis=1), np.sort(values, axis=1)
    lead = order[:, -1] - order[:, -2]
    scale = float(np.quantile(lead, 0.9)) or 1.0
    strength = 0.12 + 0.33 * np.clip(lead / scale, 0, 1)[:, None]
    colours = np.array([to_rgb(CLASSES[k % len(CLASSES)]) for k in range(values.shape[1])])
    tint = 1 - strength * (1 - colours[largest])
    axes.imshow(
        tint.reshape(_GRID, _GRID, 3),
        origin="lower",
        extent=(low[0], high[0], low[1], high[1]),
        aspect="auto",
        interpolation="bilinear",
    )
    for k in np.unique(largest):
        others = np.delete(values, k, axis=1).max(axis=1)
        ahead = (values[:, k] - others).reshape(_GRID, _GRID)
        if ahead.min() < 0 < ahead.max():
            axes.contour(x, y, ahead, levels=[0.0], colors="white", linewidths=1.5)
    for k in np.unique(classes):
        mine = points[classes == k]
        axes.scatter(
            mine[:, 0], mine[:, 1], s=16, color=CLASSES[k % len(CLASSES)], edgecolor="white",
            linewidth=0.5, label=names[k] if k < len(names) else str(k),
        )  # fmt: skip
    axes.set_title("decision boundary", color=INK, fontsize=10)
    axes.legend(frameon=True, framealpha=0.8, edgecolor="none", fontsize=8, loc="best")
