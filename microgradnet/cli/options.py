"""Options that several verbs have, and what they describe: sizes, rates, a network on its data."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from microgradnet.costs import COSTS, CostEntry, entry
from microgradnet.engine import Value
from microgradnet.graph import topological_order
from microgradnet.nn import ACTIVATIONS, MLP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from microgradnet.datasets import Dataset

__all__ = [
    "EXACT_STEPS", "UsageError", "add_data", "add_expression", "add_network", "add_verb",
    "as_options", "build", "count", "dataset", "expression", "expression_leaves", "known_cost",
    "mlp", "network", "rate", "seed", "sizes", "targets", "usage_errors", "using_file",
]  # fmt: skip

_DENOMINATOR = 64
"""With --exact, weights and features are rounded to fractions of this denominator, for a start
from which the numbers do not grow too long."""

EXACT_STEPS = 2

_PARAMETERS = 1_000_000
"""A network of more would take gigabytes and hours as a scalar graph."""


class UsageError(Exception):
    """Say in one line why arguments make no sense."""


@contextmanager
def usage_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Say errors of these kinds, which the arguments have caused, as errors of usage."""
    try:
        yield
    except kinds as error:
        raise UsageError(error) from None


@contextmanager
def using_file(place: object) -> Iterator[None]:
    """Say as an error of usage that a file cannot be read or written."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{place}: {error.strerror or error}") from None


def add_verb(
    verbs: Any, name: str, run: Callable[[argparse.Namespace], int], **texts: str
) -> argparse.ArgumentParser:
    """Declare a verb: its help, description and examples, and what it runs."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **texts
    )
    parser.set_defaults(run=run, verb=name)
    return parser


def add_data(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare --data, what is said of a file, and --seed."""
    add = parser.add_argument
    names = _names(("digits", "iris", "moons", "xor"), default)
    add("--data", default=default, metavar="NAME",
        help=f"{names}; or a file of your own, as in my.csv")  # fmt: skip
    add("--target", metavar="COLUMN", help="the column of the file to learn (default: the last)")
    add("--task", choices=("classification", "regression"), metavar="TASK",
        help="of the file: classification or regression (default: words are classes, numbers are "
        "numbers)")  # fmt: skip
    add("--missing", choices=("error", "drop"), default="error", metavar="WHAT",
        help="drop: leave out rows of the file that lack a cell")  # fmt: skip
    add("--seed", type=seed, default=0, metavar="N", help="of all that is drawn (default: 0)")


def add_expression(parser: argparse.ArgumentParser, use: str) -> None:
    """Declare an expression and its numbers, which `expression` evaluates."""
    add = parser.add_argument
    add("expression", nargs="?", metavar="EXPRESSION",
        help=f"names, numbers, + - * / ** and functions, {use}")  # fmt: skip
    add("numbers", nargs="*", metavar="NAME=NUMBER",
        help="what each name stands for; 1/3 stays a fraction")  # fmt: skip


def add_network(
    parser: argparse.ArgumentParser,
    sizes_default: str,
    activation: str,
    cost: str | None = "quadratic",
) -> None:
    """Declare --sizes, --activation, --output-activation and --cost, with their defaults."""
    add = parser.add_argument
    hidden = ", ".join(name for name in ACTIVATIONS if name != "softmax")
    add("--sizes", type=sizes, metavar="N,N,...",
        help=f"layer sizes from input to output (default: {sizes_default})")  # fmt: skip
    add("--activation", metavar="NAME",
        help=f"of the hidden layers: {hidden} (default: {activation})")  # fmt: skip
    fitting = "of the last layer: one of these, or softmax (default: what fits the cost)"
    add("--output-activation", metavar="NAME", help=fitting)
    add("--cost", default=cost, metavar="NAME",
        help=_names(COSTS, cost or "log_likelihood"))  # fmt: skip


def _names(names: Iterable[str], default: str) -> str:
    return ", ".join(f"{name} (default)" if name == default else name for name in names)


def sizes(text: str) -> list[int]:
    """Read layer sizes: whole numbers with commas between them."""
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
    """Return what reads a whole number that is at least so large."""

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
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        message = f"{text!r:.80} is no seed: give a whole number, as in 7"
        raise argparse.ArgumentTypeError(message) from None


def rate(text: str) -> Fraction:
    """Read a learning rate exactly: 0.5 or 1/3."""
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
    """Load the data set that the options name, a built-in one or a file."""
    from microgradnet import datasets

    own = {"task": options.task, "missing": options.missing, "seed": options.seed}
    try:
        with using_file(options.data):
            if "." in options.data:
                return datasets.from_csv(options.data, options.target, **own)
        for name in ("target", "task"):
            if getattr(options, name) is not None:
                raise UsageError(f"--{name} is for a file of your own: --data my.csv")
        return datasets.load(options.data, seed=options.seed)
    except ValueError as error:
        raise UsageError(as_options(error)) from None


def expression(options: argparse.Namespace) -> Value:
    """Evaluate `options.expression`, with numbers for its names as in w=0.5."""
    from microgradnet.expression import ExpressionError, read_expression

    numbers = {}
    for text in options.numbers:
        name, equals, number = text.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"{text!r}: numbers are given as in w=0.5")
        if name in numbers:
            raise UsageError(f"{name} is given twice")
        try:  # a fraction if it is written as one
            numbers[name] = Fraction(number) if "/" in number else float(number)
        except (ValueError, ZeroDivisionError):
            raise UsageError(f"{text!r}: give a number, as in 0.5 or 1/3") from None
    with usage_errors(ExpressionError):
        return read_expression(options.expression, numbers)


def expression_leaves(value: Value) -> dict[str, Value]:
    """List the leaves of an expression by their names."""
    return {node.label: node for node in topological_order([value]) if node.label and not node.op}


def network(options: argparse.Namespace) -> tuple[MLP, NDArray[Any], NDArray[Any]]:
    """Build the network and load the examples that the options describe."""
    import numpy as np

    data = dataset(options)
    m = options.examples or min(4 if options.exact else 32, len(data.train.X))
    if m > len(data.train.X):
        raise UsageError(f"{options.data} has {len(data.train.X)} examples, not {m}")
    model = mlp(options, data)
    X, Y = data.train.X[:m], targets(options, data)[:m]
    if options.exact:
        rounded = np.frompyfunc(lambda x: Fraction(round(x * _DENOMINATOR), _DENOMINATOR), 1, 1)
        X, Y = rounded(X), rounded(Y)
        for parameter in model.parameters():
            parameter.data = rounded(parameter.data)
    return model, X, Y


def known_cost(options: argparse.Namespace) -> CostEntry:
    """Find the cost that the options name."""
    with usage_errors(ValueError):
        return entry(options.cost)


def targets(options: argparse.Namespace, data: Dataset) -> NDArray[Any]:
    """Return the targets to train on, classes as those of the cost: hinge's are ±1."""
    no, yes = known_cost(options).targets if data.class_names else (0, 1)
    return (yes - no) * data.train.Y + no


def mlp(options: argparse.Namespace, data: Dataset, granularity: str = "atomic") -> MLP:
    """Build the network that the options describe, for this data."""
    from microgradnet import delta

    inputs, outputs = len(data.feature_names), data.train.Y.shape[1]
    layers = options.sizes or [inputs, 16 if options.data == "digits" else 8, outputs]
    if (layers[0], layers[-1]) != (inputs, outputs):
        raise UsageError(
            f"{options.data} has {inputs} inputs and {data.targets}: --sizes must begin with "
            f"{inputs} and end with {outputs}, not {','.join(map(str, layers))}"
        )
    if not data.class_names and options.output_activation is None:
        options.output_activation = "linear"
    if options.activation is None:
        options.activation = "hard_sigmoid" if options.exact else "sigmoid"
    last = _output_activation(options)
    if options.exact:
        if (options.steps or 0) > EXACT_STEPS:
            raise UsageError(
                f"in rationals the numbers grow many times longer with each step: --steps "
                f"{EXACT_STEPS} at most with --exact"
            )
        for name, known in (
            (options.cost, delta.COSTS),
            (options.activation, delta.ACTIVATIONS),
            (last, delta.ACTIVATIONS),
        ):
            rational = [each for each in known if each in delta.RATIONAL]
            if name in known and name not in rational:
                raise UsageError(f"{name} is not rational: --exact takes {', '.join(rational)}")
    return build(options, layers, init="xavier", seed=options.seed, granularity=granularity)


def build(options: argparse.Namespace, layers: list[int], **arguments: Any) -> MLP:
    """Build a network of these sizes; what `MLP` refuses is an error of usage."""
    last = _output_activation(options)
    try:
        return MLP(
            layers[0],
            layers[1:],
            activation=options.activation,
            output_activation=last,
            **arguments,
        )
    except ValueError as error:
        raise UsageError(as_options(error)) from None


def _output_activation(options: argparse.Namespace) -> str:
    """Choose the last activation: as said, or what the cost was made for, or as in the layers."""
    cost = known_cost(options)
    last: str = options.output_activation or cost.output or options.activation
    if cost.from_z and last != "linear":
        raise UsageError(f"{cost.name} has its activation within: --output-activation linear")
    return last


def as_options(error: ValueError) -> str:
    """Say an error of the package in the options of the command line."""
    says = str(error).replace("output_activation='softmax'", "--output-activation softmax")
    return says.replace("missing='drop'", "--missing drop")
