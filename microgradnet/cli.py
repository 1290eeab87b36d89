"""The command line: microgradnet verify."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from io import TextIOWrapper
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn

from microgradnet import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from microgradnet.nn import MLP

__all__ = ["main"]

_DENOMINATOR = 64
"""With --exact, weights and features are rounded to fractions of this denominator, for a start
from which the numbers do not grow too long."""

_EXACT_STEPS = 2

_OUTPUTS = {
    "cross_entropy": "sigmoid",
    "log_likelihood": "softmax",
    "cross_entropy_from_z": "linear",
    "log_likelihood_from_z": "linear",
}
"""What stands at the output unless it is said: what the cost was made for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status.

    0 when all is well, 1 when a verification failed, 2 for arguments that make no sense.

    >>> main(["verify", "--data", "xor", "--sizes", "2,3,2", "--examples", "-1"])
    Traceback (most recent call last):
        ...
    SystemExit: 2
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without δ gets a ? instead
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except _Refused as refusal:
        print(f"microgradnet {options.verb}: error: {refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("microgradnet: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        return 0


class _Refused(Exception):
    """Arguments that make no sense, said in one line."""


class _Parser(argparse.ArgumentParser):
    """argparse, with one line for an error instead of the usage and a line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="microgradnet",
        description="A scalar autograd engine, and the formulas of backpropagation beside it.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"microgradnet {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_verify(verbs)
    return parser


def _add_verify(verbs: Any) -> None:
    verify = verbs.add_parser(
        "verify",
        help="hold the gradients of a scalar graph against the δ equations",
        description="Run a network as a scalar graph and hold every z, a, δ and gradient in it\n"
        "against the matrix formulas of backpropagation. Without options: 32 handwritten\n"
        "digits through a sigmoid 64-16-10 network with the quadratic cost.",
        epilog="examples:\n"
        "  microgradnet verify --sizes 64,30,20,10 --activation tanh\n"
        "  microgradnet verify --data iris --cost log_likelihood\n"
        "  microgradnet verify --exact --activation softsign\n\n"
        "in the table:\n"
        "  bound       how far apart right sides may be by rounding alone; 0 in rationals\n"
        "  ulps        the difference in units in the last place\n"
        "  end to end  the difference when the formulas run by themselves from the start",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = verify.add_argument
    add("--data", default="digits", metavar="NAME", help="digits (default), iris, moons or xor")
    add("--sizes", type=_sizes, metavar="N,N,...",
        help="layer sizes from input to output (default: 64,16,10 for digits)")  # fmt: skip
    add("--activation", metavar="NAME", help=_HIDDEN)
    add("--output-activation", metavar="NAME", help=_OUTPUT)
    add("--cost", default="quadratic", metavar="NAME", help=_COSTS)
    add("--examples", type=_count(1), metavar="M", help="default: 32; with --exact 4")
    add("--steps", type=_count(0), metavar="N",
        help="steps of gradient descent (default: 3; with --exact 1, at most 2)")  # fmt: skip
    add("--eta", type=_rate, default=Fraction(1), metavar="η", help="learning rate (default: 1)")
    add("--seed", type=int, default=0, metavar="N", help="of weights and data (default: 0)")
    add("--exact", action="store_true",
        help="compute in rationals, where nothing rounds and both sides must be equal")  # fmt: skip
    add("--json", action="store_true", help="print the report as JSON")
    verify.set_defaults(run=_verify, verb="verify")


# Written out, not read off the tables: those would load NumPy to print a help text.
_HIDDEN = (
    "of the hidden layers: linear, sigmoid, tanh, relu, leaky_relu, elu, softplus, silu, gelu, "
    "softsign, hard_tanh, hard_sigmoid (default: sigmoid; with --exact hard_sigmoid)"
)
_OUTPUT = "of the last layer: one of these, or softmax (default: what fits the cost)"
_COSTS = (
    "quadratic (default), cross_entropy, log_likelihood, hinge, cross_entropy_from_z, "
    "log_likelihood_from_z"
)


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: sizes are whole numbers with commas between them, as in 64,16,10"
        ) from None
    if len(sizes) < 2 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r}: give at least the inputs and the outputs, each 1 or more"
        )
    return sizes


def _count(least: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        try:
            n = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if n < least:
            raise argparse.ArgumentTypeError(f"{n} is too small: at least {least}")
        return n

    return count


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a learning rate: give a number, as in 0.5 or 1/3"
        ) from None
    if abs(rate) > sys.float_info.max:
        raise argparse.ArgumentTypeError(f"{text} is beyond the largest float")
    return rate


def _verify(options: argparse.Namespace) -> int:
    from microgradnet.verification import verify

    model, X, Y = _network(options)
    eta = options.eta if options.exact else float(options.eta)
    steps = options.steps if options.steps is not None else 1 if options.exact else 3
    with _Progress("verifying") as progress:
        try:
            report = verify(model, X, Y, options.cost, steps=steps, eta=eta, progress=progress)
        except ValueError as error:
            raise _Refused(error) from None
    if options.json:
        print(report.to_json())
    else:
        from rich.console import Console

        Console().print(report)
    return 0 if report.ok else 1


def _network(options: argparse.Namespace) -> tuple[MLP, NDArray[Any], NDArray[Any]]:
    """The network and the examples that the options describe."""
    import numpy as np

    from microgradnet import datasets, delta
    from microgradnet.nn import MLP

    try:
        data = datasets.load(options.data, seed=options.seed)
    except ValueError as error:
        raise _Refused(error) from None
    inputs, outputs = len(data.feature_names), len(data.class_names)
    sizes = options.sizes or [inputs, 16 if options.data == "digits" else 8, outputs]
    if (sizes[0], sizes[-1]) != (inputs, outputs):
        raise _Refused(
            f"{options.data} has {inputs} inputs and {outputs} classes: --sizes must begin with "
            f"{inputs} and end with {outputs}, not {','.join(map(str, sizes))}"
        )
    count = options.examples or min(4 if options.exact else 32, len(data.train.X))
    if count > len(data.train.X):
        raise _Refused(f"{options.data} has {len(data.train.X)} examples, not {count}")
    X, Y = data.train.X[:count], data.train.Y[:count]
    if options.cost == "hinge":
        Y = 2 * Y - 1  # hinge's targets are ±1
    activation, output_activation = options.activation, options.output_activation
    if activation is None:
        activation = "hard_sigmoid" if options.exact else "sigmoid"
    if output_activation is None:
        output_activation = _OUTPUTS.get(options.cost, activation)
    if options.cost.endswith("_from_z") and output_activation != "linear":
        raise _Refused(f"{options.cost} has its activation within: --output-activation linear")
    if options.exact:
        if (options.steps or 0) > _EXACT_STEPS:
            raise _Refused(
                f"in rationals the numbers grow many times longer with each step: --steps "
                f"{_EXACT_STEPS} at most with --exact"
            )
        for name, known in (
            (options.cost, delta.COSTS),
            (activation, delta.ACTIVATIONS),
            (output_activation, delta.ACTIVATIONS),
        ):
            rational = [each for each in known if each in delta.RATIONAL]
            if name in known and name not in rational:
                raise _Refused(f"{name} is not rational: --exact takes {', '.join(rational)}")
    try:
        model = MLP(
            sizes[0],
            sizes[1:],
            activation=activation,
            output_activation=output_activation,
            init="xavier",
            rng=Random(options.seed),
        )
    except ValueError as error:
        raise _Refused(error) from None
    if options.exact:
        rounded = np.frompyfunc(lambda x: Fraction(round(x * _DENOMINATOR), _DENOMINATOR), 1, 1)
        X, Y = rounded(X), rounded(Y)
        for parameter in model.parameters():
            parameter.data = rounded(parameter.data)
    return model, X, Y


class _Progress:
    """A progress bar on standard error, where that is a terminal; it goes when the work is done."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(what, total=None)

    def __enter__(self) -> _Progress:
        if self._bar.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)
