"""What training went through: an `Epoch` a row, and ways to read and draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from microgradnet.arithmetic import Number
from microgradnet.notation import counted
from microgradnet.numerals import numeral, percent
from microgradnet.tables import Table, Tabular

if TYPE_CHECKING:
    from microgradnet.nn import Module

__all__ = ["DivergenceError", "Epoch", "History"]


@dataclass(frozen=True)
class Epoch:
    """Once through all the examples."""

    number: int
    """Counted from 1."""
    cost: Number
    """The mean of the examples' costs, each as it was met: before the step that learns from it."""
    accuracy: float | None
    """The share of the examples that was right when met; None where there are no classes."""
    test_cost: Number | None
    """The mean cost of the examples held back, after the epoch; None where there are none."""
    test_accuracy: float | None
    """The share of the examples held back that is right after the epoch."""
    seconds: float


class History(Tabular, Sequence[Epoch]):
    """The epochs of a training, in their order.

    engine   "lifted" or "eager": what did the computing
    why      why not lifted, where that was looked for in vain
    stopped  why it ended before its time: "" if it did not
    best     the number of the epoch whose parameters the model has now, where `patience` was asked

    The columns can be had as lists, cost, accuracy, test_cost, test_accuracy; and seconds, in all.
    """

    def __init__(self, epochs: Sequence[Epoch] = (), engine: str = "eager", why: str = "") -> None:
        self._epochs = list(epochs)
        self.engine = engine
        self.why = why
        self.stopped = ""
        self.best: int | None = None

    def append(self, epoch: Epoch) -> None:
        """One more epoch."""
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
        """The costs of the epochs."""
        return [epoch.cost for epoch in self]

    @property
    def accuracy(self) -> list[float | None]:
        """The accuracies of the epochs."""
        return [epoch.accuracy for epoch in self]

    @property
    def test_cost(self) -> list[Number | None]:
        """The costs of the examples held back."""
        return [epoch.test_cost for epoch in self]

    @property
    def test_accuracy(self) -> list[float | None]:
        """The accuracies on the examples held back."""
        return [epoch.test_accuracy for epoch in self]

    @property
    def seconds(self) -> float:
        """The time of all epochs."""
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
        """A row an epoch: all if they are few; else some, evenly, with the first and the last."""
        return Table(_HEADINGS, list(map(_cells, self._shown())), optional=_OPTIONAL)

    @property
    def verdict(self) -> str:
        """The whole training in a line."""
        return repr(self)[1:-1]

    def _shown(self, most: int = 12) -> list[Epoch]:
        if len(self) <= most:
            return list(self)
        return [self[round(k * (len(self) - 1) / (most - 1))] for k in range(most)]

    def plot(
        self, model: Module | None = None, examples: Any = None, names: Sequence[str] = ()
    ) -> Any:
        """Cost and accuracy by epoch, as a matplotlib figure; `.savefig(path)` writes it.

        With a model and examples (X, Y, labels) of two features, as a data set's train or test,
        the decision boundary beside them, the classes called by their names. Raises ImportError
        where matplotlib is missing, and ValueError for an empty history and for examples with
        another number of features.
        """
        from microgradnet.training import pictures

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
        figure, axes = pictures.figure(1 + with_accuracy + (model is not None))
        pictures.curves(self, axes[0], axes[1] if with_accuracy else None)
        if model is not None:
            pictures.boundary(axes[-1], model, examples[0], examples[2], names)
        return figure


class DivergenceError(FloatingPointError):
    """A number of the training is not finite any more. Its `history` has the epochs before."""

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
