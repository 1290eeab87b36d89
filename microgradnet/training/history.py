"""The history of a training: an `Epoch` a row, and ways to read and draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, overload

from microgradnet import plotting
from microgradnet.arithmetic import Number
from microgradnet.deprecation import renamed_attribute, renamed_keywords
from microgradnet.nn import Module
from microgradnet.notation import counted
from microgradnet.numerals import numeral, percent
from microgradnet.tables import Table, Tabular
from microgradnet.training.metrics import outputs

__all__ = ["DivergenceError", "Epoch", "History"]


@dataclass(frozen=True)
class Epoch:
    """Hold what one pass through all the examples came to."""

    number: int
    """Counted from 1."""
    cost: Number
    """The mean of the examples' costs, each before the step that learns from it."""
    accuracy: float | None
    """The share of the examples that was right, each before its step; None without classes."""
    test_cost: Number | None
    """The mean cost of the examples held back, after the epoch; None where there are none."""
    test_accuracy: float | None
    """The share of the examples held back that is right after the epoch."""
    seconds: float


class History(Tabular, Sequence[Epoch]):
    """List the epochs of a training, in their order.

    engine           "lifted" or "eager": what computed costs and gradients
    fallback_reason  why the engine "auto" was not the lifted one: "" if it was
    stopped          why training ended before its time: "" if it did not
    best             the number of the epoch whose parameters the model has, with `patience`

    The columns are lists, cost, accuracy, test_cost and test_accuracy; seconds is the time in all.

    >>> history = History([Epoch(1, 0.5, None, None, None, seconds=0.1)])
    >>> history.append(Epoch(2, 0.25, None, None, None, seconds=0.1))
    >>> history.cost, history.seconds
    ([0.5, 0.25], 0.2)
    """

    @renamed_keywords(why="fallback_reason")
    def __init__(
        self, epochs: Sequence[Epoch] = (), engine: str = "eager", fallback_reason: str = ""
    ) -> None:
        self._epochs = list(epochs)
        self.engine = engine
        self.fallback_reason = fallback_reason
        self.stopped = ""
        self.best: int | None = None

    why = renamed_attribute("why", "fallback_reason")

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = {"fallback_reason": state.pop("why", ""), **state}  # of release 0.1

    def append(self, epoch: Epoch) -> None:
        """Add an epoch at the end."""
        self._epochs.append(epoch)

    def __len__(self) -> int:
        return len(self._epochs)

    @overload
    def __getitem__(self, k: int) -> Epoch: ...
    @overload
    def __getitem__(self, k: slice) -> list[Epoch]: ...
    def __getitem__(self, k: int | slice) -> Epoch | list[Epoch]:
        return self._epochs[k]

    @property
    def cost(self) -> list[Number]:
        """List the costs of the epochs."""
        return [epoch.cost for epoch in self]

    @property
    def accuracy(self) -> list[float | None]:
        """List the accuracies of the epochs."""
        return [epoch.accuracy for epoch in self]

    @property
    def test_cost(self) -> list[Number | None]:
        """List the costs of the examples held back."""
        return [epoch.test_cost for epoch in self]

    @property
    def test_accuracy(self) -> list[float | None]:
        """List the accuracies on the examples held back."""
        return [epoch.test_accuracy for epoch in self]

    @property
    def seconds(self) -> float:
        """Add up the time of all epochs."""
        return sum(epoch.seconds for epoch in self)

    def __repr__(self) -> str:
        if not self:
            return f"<History of 0 epochs{f', {self.stopped}' if self.stopped else ''}>"
        first, last = self[0], self[-1]
        parts = [f"cost {numeral(first.cost)} → {numeral(last.cost)}"]
        if first.accuracy is not None and last.accuracy is not None:
            parts.append(f"accuracy {percent(first.accuracy)} → {percent(last.accuracy)}")
        if last.test_accuracy is not None:
            parts.append(f"test accuracy {percent(last.test_accuracy)}")
        parts += [f"{self.seconds:.1f} s", self.engine, *[self.stopped] * bool(self.stopped)]
        return f"<History of {counted(len(self), 'epoch')}: {', '.join(parts)}>"

    @property
    def table(self) -> Table:
        """Tabulate the epochs, at most twelve of them, a row each."""
        return Table(_HEADINGS, list(map(_cells, self._selected())), optional=_OPTIONAL)

    @property
    def verdict(self) -> str:
        """Sum up the training in a line."""
        return repr(self)[1:-1]

    def _selected(self, most: int = 12) -> list[Epoch]:
        """Select all epochs if they are few; else some, evenly, with the first and the last."""
        if len(self) <= most:
            return list(self)
        return [self[round(k * (len(self) - 1) / (most - 1))] for k in range(most)]

    def plot(
        self, model: Module | None = None, examples: Any = None, names: Sequence[str] = ()
    ) -> Any:
        """Plot cost and accuracy by epoch, as a matplotlib figure; `.savefig(path)` writes it.

        A model and examples (X, Y, labels) of two features, as a data set's train or test, add the
        decision boundary; names are those of the classes. Raises ImportError where matplotlib is
        missing, and ValueError for an empty history and for another number of features.
        """
        if not self:
            raise ValueError("there is nothing to plot: the history has no epochs")
        if (model is None) != (examples is None):
            raise ValueError(
                "the decision boundary needs both, a model and examples; a file is written by "
                ".plot().savefig(path)"
            )
        if examples is not None and len(examples[0][0]) != 2:
            raise ValueError(
                f"a decision boundary is drawn for 2 features, not {len(examples[0][0])}"
            )
        with_accuracy = any(x is not None for x in self.accuracy)
        figure, axes = plotting.figure(1 + with_accuracy + (model is not None))
        for panel, title in zip(axes, ("cost", "accuracy")[: 1 + with_accuracy], strict=False):
            train, test = getattr(self, title), getattr(self, f"test_{title}")
            plotting.curve(panel, "training", plotting.TRAIN, self, train)
            if test[-1] is not None:
                plotting.curve(panel, "test", plotting.TEST, self, test)
            plotting.caption(panel, title)
            panel.legend(frameon=False, fontsize=8)
        if model is not None:
            plotting.boundary(axes[-1], partial(outputs, model), examples[0], examples[2], names)
        return figure


class DivergenceError(FloatingPointError):
    """Say that a number of a training ceased to be finite. `history` holds the epochs before."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history


_HEADINGS = ("epoch", "cost", "accuracy", "test cost", "test accuracy", "time")
_OPTIONAL = ("time", "test cost", "accuracy", "test accuracy")


def _cells(epoch: Epoch) -> list[str]:
    return [
        str(epoch.number),
        numeral(epoch.cost),
        percent(epoch.accuracy),
        "" if epoch.test_cost is None else numeral(epoch.test_cost),
        percent(epoch.test_accuracy),
        f"{epoch.seconds:.2f} s",
    ]
