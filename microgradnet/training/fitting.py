"""Fitting a network to examples, batch by batch."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from random import Random
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from microgradnet.arithmetic import Number, is_finite
from microgradnet.costs import RANGES, Cost, entry
from microgradnet.datasets import Dataset
from microgradnet.nn import Module, Predictor
from microgradnet.notation import counted
from microgradnet.numerals import full_numeral, numeral, percent
from microgradnet.ops import add, divide
from microgradnet.optim import GradientDescent, Optimizer
from microgradnet.progress import Advance, Progress, progress_bar
from microgradnet.randomness import generator
from microgradnet.training.diagnosis import diagnose
from microgradnet.training.engines import Batch, Eager, Engine, Lifted, Network
from microgradnet.training.examples import gathered
from microgradnet.training.history import DivergenceError, Epoch, History
from microgradnet.training.metrics import Array, Correct, correctness

__all__ = ["fit"]

ENGINES = ("auto", "lifted", "eager")


def fit(
    model: Module,
    X: ArrayLike | Dataset,
    Y: ArrayLike | None = None,
    cost: str | Cost = "quadratic",
    *,
    lr: Number | None = None,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    batch_size: int | None = 10,
    test: Sequence[Any] | None = None,
    engine: str = "auto",
    seed: int | None = 0,
    rng: Random | None = None,
    patience: int | None = None,
    callback: Callable[[Epoch], object] | None = None,
    progress: Progress = True,
) -> History:
    """Train a network: for each batch of m examples, w → w − (η/m) Σₙ ∂C_{xₙ}/∂w.

    model       an `MLP`, or any `Module` that can be called on an example
    X, Y        examples and targets, one a row; a single target an example may be a plain number.
                For classes Y may name them, one a row, by words, bools or, where there is an output
                for each, whole numbers; `model.predict` then answers with these names
                X may also be a `Dataset` and stand for both, and for `test`
    cost        a name of `costs.COSTS`, or a function (outputs, targets) → Value
    lr          the learning rate η of gradient descent (default: 0.1)
    optimizer   instead of lr: a `GradientDescent`, `Momentum`, `Adam` ... of the parameters that
                are to be trained
    epochs      how often to go through all the examples
    batch_size  the number m of examples a step; None for all of them
    test        (X, Y) of examples held back, to measure after each epoch
    engine      "lifted": the matrix program that `lift` finds in one example's graph, in NumPy;
                "eager": the scalar graph of each example, in whatever kind of number; "auto":
                lifted if all numbers are floats and the program does what the model does
    seed, rng   the order of the examples, drawn anew each epoch: a whole number, or a
                random.Random in its place; seed=None keeps them as they stand
    patience    stop when the cost (on `test`, if there is one) has not been lower for so many
                epochs, and go back to the parameters of the epoch where it was lowest
    callback    called with each `Epoch`; if it returns True, training stops
    progress    True for a bar on standard error where that is a terminal; or a function, called
                after each batch as progress(done, total) with numbers of examples

    Returns the `History`. Warns of targets that the last activation cannot reach. With Ctrl-C
    training ends, and the model keeps what it has learned. Raises DivergenceError where a cost, a
    gradient or a parameter is not finite any more: it names the epoch, the example and the node,
    and the parameters are those before the step. Raises TypeError for what is no model and no
    number, and ValueError for shapes and options that make no sense.

    >>> from microgradnet import MLP, datasets
    >>> X, Y, labels = datasets.xor().train
    >>> model = MLP(2, [4, 2], activation="tanh", output_activation="softmax", seed=1)
    >>> history = fit(model, X, Y, "log_likelihood", lr=2.0, epochs=100, batch_size=4)
    >>> history[-1].accuracy
    1.0
    """
    if not (isinstance(model, Module) and callable(model)):
        raise TypeError(f"a model is a Module that is called on an example, not {model!r}")
    optimizer = _optimizer(model, lr, optimizer)
    if engine not in ENGINES:
        raise ValueError(f"no engine {engine!r}: there are {', '.join(ENGINES)}")
    for name, n in (("epochs", epochs), ("batch_size", batch_size), ("patience", patience)):
        if n is not None and not (hasattr(n, "__index__") and n >= 1):
            raise ValueError(f"{name} must be a whole number, at least 1, not {n!r}")
    known = entry(cost)
    rng = generator(seed, rng, default=0)
    exact = any(type(p.data) is not float for p in model.parameters())
    examples = gathered(model, X, Y, known, test, exact)
    x, y, held_back = examples.x, examples.y, examples.held_back
    _warn_of_targets_out_of_reach(model, y)
    network = Network(model, known.function, examples.single, tuple(model.parameters()))
    if isinstance(model, Predictor):
        model.answers, model.preparation = examples.answers, examples.preparation
    runner, fallback_reason = _engine(engine, network, optimizer, x, y)
    history = History(engine=runner.name, fallback_reason=fallback_reason)
    fitting = _Fitting(network, runner, history, correctness(y, known), optimizer, epochs)
    size = len(x) if batch_size is None else min(batch_size, len(x))
    try:
        with progress_bar(progress, epochs * len(x), "training") as advance:
            for _ in range(epochs):
                order = list(range(len(x)))
                if rng is not None:  # by random keys: rng.shuffle may change between versions
                    order.sort(key=lambda _: rng.random())
                fitting.epoch(x, y, [order[k : k + size] for k in range(0, len(x), size)], advance)
                epoch = fitting.finish(held_back)
                if callback is not None:
                    runner.write()
                    enough = callback(epoch)
                    runner.read()
                    if enough is True:
                        history.stopped = f"stopped by the callback after epoch {epoch.number}"
                        break
                if patience is not None and fitting.waited(epoch) >= patience:
                    history.stopped = (
                        f"stopped after epoch {epoch.number}: the cost had not been lower for "
                        f"{counted(patience, 'epoch')}"
                    )
                    break
    except KeyboardInterrupt:
        history.stopped = (
            f"interrupted in epoch {len(history) + 1}; the model keeps what it has learned"
        )
        print(history.stopped, file=sys.stderr)
    finally:
        runner.write()
        model.zero_grad()
    if patience is not None:
        fitting.go_back()
    return history


def _warn_of_targets_out_of_reach(model: Module, y: Array) -> None:
    """Warn where the last activation cannot reach the targets: training would go on in silence."""
    layers = getattr(model, "layers", None)
    activation = getattr(layers[-1], "activation", None) if layers else None
    if not isinstance(activation, str) or activation not in RANGES:
        return
    low, high = RANGES[activation]
    if activation == "softmax" and y.shape[1] == 1:
        problem = "softmax of one output is 1 whatever comes in, so nothing is learned: put sigmoid"
    else:
        try:
            least, most = y.min(), y.max()
            beyond = bool(least < low or most > high)
        except TypeError:  # formulas have no order
            return
        if not beyond:
            return
        problem = (
            f"the targets go from {numeral(least)} to {numeral(most)}, but outputs of {activation} "
            f"are between {low} and {high}: put other targets, or linear"
        )
    warnings.warn(f"{problem} at the output", stacklevel=3)


@dataclass
class _Fitting:
    """Follow the course of a training: epochs, and the best of them."""

    network: Network
    engine: Engine
    history: History
    correct: Correct | None
    optimizer: Optimizer
    epochs: int
    best: tuple[Number, int, list[Number]] | None = None

    def __post_init__(self) -> None:
        self._steps_before = self.optimizer.steps

    def epoch(self, x: Array, y: Array, batches: list[list[int]], advance: Advance) -> None:
        """Take one step a batch."""
        self._begun = perf_counter()
        self._costs: list[Number] = []
        self._total: Number = 0
        self._right = 0
        for rows in batches:
            batch = self.engine.differentiate(x[rows], y[rows])
            if not batch.finite or not self.engine.step(len(rows)):
                raise DivergenceError(self._diagnosis(x, y, rows, batch), self.history)
            costs = batch.costs.tolist()
            self._costs += costs
            self._total = add(self._total, _sum(costs))
            self._right += self._count_right(batch, y[rows])
            advance(len(rows), self._description)

    def _description(self) -> str:
        n = len(self._costs)
        epoch = f"epoch {len(self.history) + 1}/{self.epochs}"
        accuracy = "" if self.correct is None else f"  accuracy {percent(self._right / n)}"
        return f"{epoch}  cost {numeral(divide(self._total, n))}{accuracy}"

    def finish(self, held_back: tuple[Array, Array] | None) -> Epoch:
        """Measure on the examples held back, and enter the epoch into the history."""
        test_cost = test_accuracy = None
        if held_back is not None:
            batch = self.engine.measure(*held_back)
            test_cost = _mean(batch.costs.tolist())
            if self.correct is not None:
                test_accuracy = self._count_right(batch, held_back[1]) / len(held_back[0])
        epoch = Epoch(
            len(self.history) + 1,
            _mean(self._costs),
            None if self.correct is None else self._right / len(self._costs),
            test_cost,
            test_accuracy,
            perf_counter() - self._begun,
        )
        self.history.append(epoch)
        return epoch

    def _count_right(self, batch: Batch, targets: Array) -> int:
        if self.correct is None:
            return 0
        try:
            return int(self.correct(batch.outputs, targets).sum())
        except TypeError:  # formulas, which are neither larger nor smaller
            self.correct = None
            return 0

    def waited(self, epoch: Epoch) -> int:
        """Count the epochs in which the cost has not been lower; keep the best parameters."""
        cost = epoch.cost if epoch.test_cost is None else epoch.test_cost
        if self.best is None or cost < self.best[0]:
            self.engine.write()
            self.best = cost, epoch.number, [p.data for p in self.optimizer.parameters]
        return epoch.number - self.best[1]

    def go_back(self) -> None:
        """Give the model the parameters of the best epoch."""
        if self.best is not None:
            _, self.history.best, data = self.best
            for parameter, x in zip(self.optimizer.parameters, data, strict=True):
                parameter.data = x

    def _diagnosis(self, x: Array, y: Array, rows: list[int], batch: Batch) -> str:
        self.engine.write()
        where = f"epoch {len(self.history) + 1}"
        culprit = diagnose(self.network, x[rows], y[rows])
        if culprit is not None:
            n, node = culprit
            what = f"{where}, example {rows[n]}: {node}"
        elif not batch.finite:
            n = [is_finite(cost) for cost in batch.costs.tolist()].index(False)
            what = (
                f"{where}, example {rows[n]}: its cost is {full_numeral(batch.costs.tolist()[n])}"
            )
        else:
            what = f"{where}: the step would make a parameter infinite"
        if self.optimizer.steps == self._steps_before:
            return (
                f"{what}. It is so before the first step, whatever the learning rate: do the "
                "outputs suit the cost, and are the examples not too large?"
            )
        return f"{what}. The parameters are those before the step; try a smaller learning rate"


def _optimizer(model: Module, lr: Number | None, optimizer: Optimizer | None) -> Optimizer:
    if optimizer is None:
        optimizer = GradientDescent(model.parameters(), 0.1 if lr is None else lr)
    elif lr is not None:
        raise ValueError("give either lr or an optimizer, which has its own")
    elif not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"an optimizer is made of the parameters, as in Adam(model.parameters()), "
            f"not {optimizer!r}"
        )
    own = set(model.parameters())
    if not optimizer.parameters or not own.issuperset(optimizer.parameters):
        raise ValueError("the optimizer must hold parameters of this model, and only such")
    return optimizer


def _engine(
    wanted: str, network: Network, optimizer: Optimizer, x: Array, y: Array
) -> tuple[Engine, str]:
    """Choose the engine; with it comes the reason where "auto" falls back to the eager one."""
    if wanted == "eager":
        return Eager(network, optimizer), ""
    reason, cause = "not all numbers are floats", None
    if x.dtype == y.dtype == np.float64:
        try:
            return Lifted(network, optimizer, x, y), ""
        except Exception as error:  # the model's own too, on numbers that are not known yet
            reason, cause = str(error).partition("\n")[0], error
    if wanted == "lifted":
        raise ValueError(f"no lifted engine for this: {reason}") from cause
    return Eager(network, optimizer), reason


def _mean(costs: list[Number]) -> Number:
    return add(divide(_sum(costs), len(costs)), 0)  # −0, of a perfect cross-entropy, is 0


def _sum(costs: list[Number]) -> Number:
    if all(type(cost) is float for cost in costs):
        return math.fsum(costs)
    return reduce(add, costs)
