"""microgradnet verify: autodiff beside the δ equations."""

from __future__ import annotations

import argparse
from fractions import Fraction
from typing import Any

from microgradnet.cli.options import (
    COSTS,
    HIDDEN,
    OUTPUT,
    Progress,
    Refused,
    count,
    network,
    rate,
    seed,
    sizes,
)

__all__ = ["add"]


def add(verbs: Any) -> None:
    """Declare the verb."""
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
    add("--sizes", type=sizes, metavar="N,N,...",
        help="layer sizes from input to output (default: 64,16,10 for digits)")  # fmt: skip
    add("--activation", metavar="NAME", help=HIDDEN)
    add("--output-activation", metavar="NAME", help=OUTPUT)
    add("--cost", default="quadratic", metavar="NAME", help=COSTS)
    add("--examples", type=count(1), metavar="M", help="default: 32; with --exact 4")
    add("--steps", type=count(0), metavar="N",
        help="steps of gradient descent (default: 3; with --exact 1, at most 2)")  # fmt: skip
    add("--eta", type=rate, default=Fraction(1), metavar="η", help="learning rate (default: 1)")
    add("--seed", type=seed, default=0, metavar="N", help="of weights and data (default: 0)")
    add("--exact", action="store_true",
        help="compute in rationals, where nothing rounds and both sides must be equal")  # fmt: skip
    add("--json", action="store_true", help="print the report as JSON")
    verify.set_defaults(run=_run, verb="verify")


def _run(options: argparse.Namespace) -> int:
    from microgradnet.verification import verify

    model, X, Y = network(options)
    eta = options.eta if options.exact else float(options.eta)
    steps = options.steps if options.steps is not None else 1 if options.exact else 3
    with Progress("verifying") as progress:
        try:
            report = verify(model, X, Y, options.cost, steps=steps, eta=eta, progress=progress)
        except ValueError as error:
            raise Refused(error) from None
    if options.json:
        print(report.to_json())
    else:
        from rich.console import Console

        Console().print(report)
    return 0 if report.ok else 1
