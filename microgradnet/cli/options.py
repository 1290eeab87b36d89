"""Options that several verbs have, and what they describe: sizes, rates, a network on its data."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from microgradnet.datasets import Dataset
    from microgradnet.engine import Value
    from microgradnet.nn import MLP

__all__ = [
    "COSTS",
    "EXACT_STEPS",
    "HIDDEN",
    "OUTPUT",
    "Progress",
    "Refused",
    "count",
    "dataset",
    "expression",
    "mlp",
    "network",
    "output_activation",
    "rate",
    "seed",
    "sizes",
    "targets",
]

_DENOMINATOR = 64
"""With --exact, weights and features are rounded to fractions of this denominator, for a start
from which the numbers do not grow too long."""

EXACT_STEPS = 2

_PARAMETERS = 1_000_000
"""A network of more would take gigabytes and hours as a scalar graph."""

_OUTPUTS = {
    "cross_entropy": "sigmoid",
    "log_likelihood": "softmax",
    "cross_entropy_from_z": "linear",
    "log_likelihood_from_z": "linear",
}
"""What stands at the output unless it is said: what the cost was made for."""


class Refused(Exception):
    """Arguments that make no sense, said in one line."""


# Written out, not read off the tables: those would load NumPy to print a help text.
HIDDEN = (
    "of the hidden layers: linear, sigmoid, tanh, relu, leaky_relu, elu, softplus, silu, gelu, "
    "softsign, hard_tanh, hard_sigmoid (default: sigmoid; with --exact hard_sigmoid)"
)
OUTPUT = "of the last layer: one of these, or softmax (default: what fits the cost)"
COSTS = (
    "quadratic (default), cross_entropy, log_likelihood, hinge, cross_entropy_from_z, "
    "log_likelihood_from_z"
)


def sizes(text: str) -> list[int]:
    """Layer sizes: whole numbers with commas between them."""
    try:
        numbers = [int(size) for size in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: sizes are whole numbers with commas between them, as in 64,16,10"
        ) from None
    if len(numbers) < 2 or min(numbers) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r}: give at least the inputs and the outputs, each 1 or more"
        )
    parameters = sum((n + 1) * m for n, m in pairwise(numbers))
    if parameters > _PARAMETERS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: a network of more than {_PARAMETERS:,} parameters, each of them a node"
        )
    return numbers


def count(least: int) -> Callable[[str], int]:
    """A whole number, at least so large."""

    def whole_number(text: str) -> int:
        try:
            n = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if n < least:
            raise argparse.ArgumentTypeError(f"{n} is too small: at least {least}")
        return n

    return whole_number


def seed(text: str) -> int:
    """What random numbers begin with."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r:.80} is no seed: give a whole number, as in 7"
        ) from None


def rate(text: str) -> Fraction:
    """A learning rate, exact: 0.5 or 1/3."""
    try:
        # Fraction would write out the billion zeros of 1e1000000000, or of its inverse.
        magnitude = 0 if "/" in text else Decimal(text).adjusted()
        eta = Fraction(text) if abs(magnitude) < 400 else None
    except (ArithmeticError, ValueError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a learning rate: give a number, as in 0.5 or 1/3"
        ) from None
    if eta is not None and eta < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative: a learning rate is at least 0")
    if eta is None or eta > sys.float_info.max:
        which = "beyond the largest" if magnitude >= 0 else "below the smallest"
        raise argparse.ArgumentTypeError(f"{text!r} is {which} float")
    return eta


def dataset(options: argparse.Namespace) -> Dataset:
    """The data set that the options name."""
    from microgradnet import datasets

    try:
        return datasets.load(options.data, seed=options.seed)
    except ValueError as error:
        raise Refused(error) from None


def expression(options: argparse.Namespace) -> Value:
    """The value of `options.expression`, with numbers for its names as in w=0.5."""
    from microgradnet.expression import ExpressionError, read_expression

    numbers = {}
    for given in options.numbers:
        name, equals, number = given.partition("=")
        if not equals or not name.isidentifier():
            raise Refused(f"{given!r}: numbers are given as in w=0.5")
        if name in numbers:
            raise Refused(f"{name} is given twice")
        numbers[name] = _number(given, number)
    try:
        return read_expression(options.expression, numbers)
    except ExpressionError as error:
        raise Refused(error) from None


def _number(given: str, text: str) -> Any:
    """A float, or a fraction if it is written as one."""
    try:
        number = Fraction(text) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError):
        raise Refused(f"{given!r}: give a number, as in 0.5 or 1/3") from None
    return number


def network(options: argparse.Namespace) -> tuple[MLP, NDArray[Any], NDArray[Any]]:
    """The network and the examples that the options describe."""
    import numpy as np

    data = dataset(options)
    m = options.examples or min(4 if options.exact else 32, len(data.train.X))
    if m > len(data.train.X):
        raise Refused(f"{options.data} has {len(data.train.X)} examples, not {m}")
    model = mlp(options, data)
    X, Y = data.train.X[:m], targets(options, data.train.Y[:m])
    if options.exact:
        rounded = np.frompyfunc(lambda x: Fraction(round(x * _DENOMINATOR), _DENOMINATOR), 1, 1)
        X, Y = rounded(X), rounded(Y)
        for parameter in model.parameters():
            parameter.data = rounded(parameter.data)
    return model, X, Y


def targets(options: argparse.Namespace, Y: NDArray[Any]) -> NDArray[Any]:
    """The targets as the cost wants them: hinge's are ±1."""
    return 2 * Y - 1 if options.cost == "hinge" else Y


def output_activation(options: argparse.Namespace, hidden: str) -> str:
    """What stands at the output: as said, or what the cost was made for, or as in the layers."""
    last: str = options.output_activation or _OUTPUTS.get(options.cost, hidden)
    if options.cost.endswith("_from_z") and last != "linear":
        raise Refused(f"{options.cost} has its activation within: --output-activation linear")
    return last


def mlp(options: argparse.Namespace, data: Dataset, granularity: str = "atomic") -> MLP:
    """The network that the options describe, for this data."""
    from microgradnet import delta
    from microgradnet.nn import MLP

    inputs, outputs = len(data.feature_names), len(data.class_names)
    layers = options.sizes or [inputs, 16 if options.data == "digits" else 8, outputs]
    if (layers[0], layers[-1]) != (inputs, outputs):
        raise Refused(
            f"{options.data} has {inputs} inputs and {outputs} classes: --sizes must begin with "
            f"{inputs} and end with {outputs}, not {','.join(map(str, layers))}"
        )
    activation = options.activation
    if activation is None:
        activation = "hard_sigmoid" if options.exact else "sigmoid"
    last = output_activation(options, activation)
    if options.exact:
        if (options.steps or 0) > EXACT_STEPS:
            raise Refused(
                f"in rationals the numbers grow many times longer with each step: --steps "
                f"{EXACT_STEPS} at most with --exact"
            )
        for name, known in (
            (options.cost, delta.COSTS),
            (activation, delta.ACTIVATIONS),
            (last, delta.ACTIVATIONS),
        ):
            rational = [each for each in known if each in delta.RATIONAL]
            if name in known and name not in rational:
                raise Refused(f"{name} is not rational: --exact takes {', '.join(rational)}")
    try:
        return MLP(
            layers[0],
            layers[1:],
            activation=activation,
            output_activation=last,
            init="xavier",
            rng=Random(options.seed),
            granularity=granularity,
        )
    except ValueError as error:
        raise Refused(as_options(error)) from None


def as_options(error: ValueError) -> str:
    """What `nn` says of a network, as the command line has it."""
    return str(error).replace("output_activation='softmax'", "--output-activation softmax")


class Progress:
    """A progress bar on standard error, where that is a terminal; it goes when the work is done."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(what, total=None)

    def __enter__(self) -> Progress:
        if self._bar.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """So much is done, of so much in all."""
        self._bar.update(self._task, completed=done, total=total)
