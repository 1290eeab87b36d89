"""The same training, with one thing changed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from numpy.typing import ArrayLike

from microgradnet.nn import MLP
from microgradnet.numerals import numeral, percent
from microgradnet.tables import Table, Tabular
from microgradnet.training import History, fit, pictures

__all__ = ["Comparison", "compare"]

_OUTPUTS = {
    "log_likelihood": "softmax",
    "hinge": "linear",
    "cross_entropy_from_z": "linear",
    "log_likelihood_from_z": "linear",
}
"""What stands at the output unless it is said; else sigmoid."""

_OF_THE_MODEL = ("activation", "output_activation", "init", "granularity")


class Comparison(Tabular):
    """The histories, by what was changed."""

    def __init__(self, changed: str, histories: dict[str, History]) -> None:
        self.changed = changed
        self.histories = histories

    def __getitem__(self, name: str) -> History:
        return self.histories[name]

    @property
    def table(self) -> Table:
        """A row a training: its cost at first, and what it came to."""
        headings = [self.changed, "cost at first", "at last", "accuracy", "test accuracy"]
        rows = []
        for name, history in self.histories.items():
            last = history[-1]
            costs = [numeral(history[0].cost), numeral(last.cost)]
            rows.append([name, *costs, percent(last.accuracy), percent(last.test_accuracy)])
        return Table(headings, rows, left=[self.changed])

    def plot(self) -> Any:
        """Cost and accuracy by epoch, a line for each, as a matplotlib figure."""
        first = next(iter(self.histories.values()))
        columns = ["cost"] + ["accuracy"] * (first[0].accuracy is not None)
        figure, axes = pictures.figure(len(columns))
        for panel, column in zip(axes, columns, strict=True):
            for k, (name, history) in enumerate(self.histories.items()):
                colour = pictures.CLASSES[k % len(pictures.CLASSES)]
                epochs = [epoch.number for epoch in history]
                panel.plot(epochs, list(map(float, getattr(history, column))), color=colour,
                           label=name)  # fmt: skip
            panel.set_title(column, color=pictures.INK, fontsize=10)
            panel.set_xlabel("epoch", color=pictures.INK, fontsize=9)
        if len(axes) > 1:
            axes[1].yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
        axes[0].legend(frameon=False, fontsize=8, title=self.changed, title_fontsize=8)
        return figure


def compare(
    sizes: Sequence[int], X: ArrayLike, Y: ArrayLike, *, seed: int = 0, **options: Any
) -> Comparison:
    """Train the same network several times, with one option changed from time to time.

    sizes    of the layers, from input to output
    X, Y     examples and targets, as in `fit`
    seed     of the weights, which all begin alike, and of the order of examples
    options  those of `MLP` and of `fit`, one of them as a list: activation=["sigmoid", "relu"],
             or cost=[...], lr=[...], init=[...], batch_size=[...]; the output activation is the
             one that fits the cost unless it is said

    Costs of different kinds are no measure for each other; the accuracies are. Raises ValueError
    unless just one option is a list.

    >>> from microgradnet import datasets
    >>> X, Y, _ = datasets.xor().train
    >>> comparison = compare([2, 8, 2], X, Y, activation=["linear", "tanh"], lr=1.0, epochs=200,
    ...                      cost="log_likelihood", batch_size=4)
    >>> comparison["tanh"][-1].accuracy
    1.0
    """
    lists = [name for name, value in options.items() if isinstance(value, list)]
    if len(lists) != 1 or not options[lists[0]]:
        raise ValueError(
            "give one option as a list of what to compare, as in activation=['sigmoid', 'tanh']"
        )
    (changed,) = lists
    histories = {}
    for choice in options[changed]:
        chosen = {"cost": "quadratic", "activation": "sigmoid", **options, changed: choice}
        chosen.setdefault("output_activation", _OUTPUTS.get(chosen["cost"], "sigmoid"))
        of_the_model = {name: chosen.pop(name) for name in _OF_THE_MODEL if name in chosen}
        of_the_model.setdefault("init", "xavier")
        model = MLP(sizes[0], sizes[1:], rng=Random(seed), **of_the_model)
        name = choice if isinstance(choice, str) else getattr(choice, "__name__", str(choice))
        histories[name] = fit(model, X, Y, seed=seed, **chosen)
    return Comparison(changed, histories)
