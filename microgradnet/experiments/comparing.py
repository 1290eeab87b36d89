"""The same training, with one thing changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from numpy.typing import ArrayLike

from microgradnet import plotting
from microgradnet.costs import entry
from microgradnet.nn import MLP
from microgradnet.numerals import numeral, percent
from microgradnet.randomness import generator
from microgradnet.tables import Table, Tabular
from microgradnet.training import History, fit

__all__ = ["Comparison", "compare"]

_MODEL_OPTIONS = ("activation", "output_activation", "init", "granularity")


@dataclass(frozen=True)
class Comparison(Tabular):
    """Hold histories of trainings by what was changed; indexed by its name."""

    changed: str
    histories: dict[str, History]

    def __getitem__(self, name: str) -> History:
        return self.histories[name]

    @property
    def table(self) -> Table:
        """Tabulate each training: its cost at first, and what it came to."""
        headings = [self.changed, "cost at first", "at last", "accuracy", "test accuracy"]
        rows = []
        for name, history in self.histories.items():
            last = history[-1]
            costs = [numeral(history[0].cost), numeral(last.cost)]
            rows.append([name, *costs, percent(last.accuracy), percent(last.test_accuracy)])
        return Table(headings, rows, left=[self.changed])

    def plot(self) -> Any:
        """Plot cost and accuracy by epoch, a line for each training, as a matplotlib figure."""
        histories = list(self.histories.items())
        titles = ["cost"] + ["accuracy"] * (histories[0][1][0].accuracy is not None)
        figure, axes = plotting.figure(len(titles))
        for panel, title in zip(axes, titles, strict=True):
            for k, (name, history) in enumerate(histories):
                colour = plotting.CLASSES[k % len(plotting.CLASSES)]
                plotting.curve(panel, name, colour, history, getattr(history, title))
            plotting.caption(panel, title)
        axes[0].legend(frameon=False, fontsize=8, title=self.changed, title_fontsize=8)
        return figure


def compare(
    sizes: Sequence[int],
    X: ArrayLike,
    Y: ArrayLike,
    *,
    seed: int = 0,
    rng: Random | None = None,
    **options: Any,
) -> Comparison:
    """Train the same network several times, with one option changed from time to time.

    sizes      of the layers, from input to output
    X, Y       examples and targets, as in `fit`
    seed, rng  the weights, which all begin alike, and the order of the examples: a whole number, or
               a random.Random in its place
    options    those of `MLP` and of `fit`, one of them as a list: activation=["sigmoid", "relu"],
               or cost=[...], lr=[...], init=[...], batch_size=[...]. Unless it is an option, the
               output activation is the one that the cost was made for, and for the quadratic cost
               sigmoid: the same, whatever the hidden layers have.

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
    if rng is not None:
        seed = int(generator(seed, rng, default=0).random() * 2**32)
    histories = {}
    for choice in options[changed]:
        chosen = {"cost": "quadratic", "activation": "sigmoid", **options, changed: choice}
        chosen.setdefault("output_activation", entry(chosen["cost"]).output or "sigmoid")
        model_options = {name: chosen.pop(name) for name in _MODEL_OPTIONS if name in chosen}
        model_options.setdefault("init", "xavier")
        model = MLP(sizes[0], sizes[1:], seed=seed, **model_options)
        name = choice if isinstance(choice, str) else getattr(choice, "__name__", str(choice))
        histories[name] = fit(model, X, Y, seed=seed, **chosen)
    return Comparison(changed, histories)
