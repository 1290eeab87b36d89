"""microgradnet verify: autodiff beside the δ equations."""

from __future__ import annotations

import argparse
import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from microgradnet.cli.options import (
    add_data,
    add_network,
    add_verb,
    count,
    known_cost,
    network,
    rate,
    usage_errors,
)

if TYPE_CHECKING:
    from microgradnet.certification import Certificate

__all__ = ["add"]


def add(verbs: Any) -> None:
    """Declare the verb."""
    verify = add_verb(
        verbs,
        "verify",
        _run,
        help="hold the gradients of a scalar graph against the δ equations",
        description="Run a network as a scalar graph and hold every z, a, δ and gradient in it\n"
        "against the matrix formulas of backpropagation. Without options: 32 handwritten\n"
        "digits through a sigmoid 64-16-10 network with the quadratic cost.",
        epilog="examples:\n"
        "  microgradnet verify --sizes 64,30,20,10 --activation tanh\n"
        "  microgradnet verify --data iris --cost log_likelihood\n"
        "  microgradnet verify --exact --activation softsign\n"
        "  microgradnet verify --certify\n\n"
        "in the table:\n"
        "  bound       how far apart right sides may be by rounding alone; 0 in rationals\n"
        "  ulps        the difference in units in the last place\n"
        "  end to end  the difference when the formulas run by themselves from the start",
    )
    add_data(verify, "digits")
    add_network(verify, "64,16,10 for digits", "sigmoid; with --exact hard_sigmoid")
    add = verify.add_argument
    add("--examples", type=count(1), metavar="M", help="default: 32; with --exact 4")
    add("--steps", type=count(0), metavar="N",
        help="steps of gradient descent (default: 3; with --exact 1, at most 2)")  # fmt: skip
    add("--eta", type=rate, default=Fraction(1), metavar="η", help="learning rate (default: 1)")
    add("--exact", action="store_true",
        help="compute in rationals, where nothing rounds and both sides must be equal")  # fmt: skip
    add("--certify", action="store_true",
        help="prove for the first example which float is nearest to each true number")  # fmt: skip
    add("--json", action="store_true", help="print the report as JSON")


def _run(options: argparse.Namespace) -> int:
    from microgradnet.verification import verify

    model, X, Y = network(options)
    lr = options.eta if options.exact else float(options.eta)
    steps = options.steps if options.steps is not None else 1 if options.exact else 3
    with usage_errors(ValueError):
        report = verify(model, X, Y, options.cost, steps=steps, lr=lr, progress=True)
    certificate = _certificate(options, model, X, Y) if options.certify else None
    if options.json and certificate is None:
        print(report.to_json())
    elif options.json and certificate is not None:
        both = json.loads(report.to_json()) | {"certificate": certificate.to_dict()}
        print(json.dumps(both, ensure_ascii=False, indent=2))
    else:
        from rich.console import Console

        Console().print(report, *[part for part in ("", certificate) if certificate], sep="\n")
    return 0 if report.ok and (certificate is None or certificate.ok) else 1


def _certificate(options: argparse.Namespace, model: Any, X: Any, Y: Any) -> Certificate:
    from microgradnet.certification import certify

    cost = known_cost(options).function(model.forward(X[0].tolist()).output, Y[0].tolist())
    with usage_errors(ImportError):
        return certify(cost)
