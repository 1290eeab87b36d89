"""microgradnet explore: the page that plays a backward pass."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from microgradnet.cli.options import (
    add_data,
    add_expression,
    add_network,
    add_verb,
    count,
    expression,
    known_cost,
    network,
    usage_errors,
    using_file,
)
from microgradnet.notation import subscript

__all__ = ["add"]

_SIZES = {"moons": [2, 3, 2], "xor": [2, 3, 2], "iris": [4, 3, 3]}
"""Small enough to be seen whole."""


def add(verbs: Any) -> None:
    """Declare the verb."""
    explore = add_verb(
        verbs,
        "explore",
        _run,
        help="write a page that plays the backward pass, node by node",
        description="Write one HTML file that needs no network: the scalar graph, beside it the\n"
        "equations with their numbers, and a player that goes through both node by node.\n"
        "Without arguments: a 2-3-2 network on one of two moons' points. With an\n"
        "expression and its numbers: that expression.",
        epilog="examples:\n"
        '  microgradnet explore "tanh(w*x + b)" w=0.5 x=2 b=-1\n'
        "  microgradnet explore --data iris --cost cross_entropy\n"
        "  microgradnet explore --data xor --sizes 2,4,2 --activation tanh\n\n"
        "In an expression x, x1, x2 ... are inputs, y and t, y1 ... are targets; gradient\n"
        "descent moves the others.",
    )
    add = explore.add_argument
    add_expression(explore, "in place of a network")
    add("-o", "--output", type=Path, default=Path("explore.html"), metavar="FILE",
        help="the file to write (default: explore.html)")  # fmt: skip
    add_data(explore, "moons")
    add_network(explore, "2,3,2 for moons", "sigmoid")
    add("--example", type=count(1), default=1, metavar="N", help="which example (default: 1)")


def _run(options: argparse.Namespace) -> int:
    from microgradnet.drawing import RenderError
    from microgradnet.exploring import explore

    if options.expression is None:
        cost, arguments = _network(options)
    else:
        cost = expression(options)
        arguments = {"title": f"Backpropagation through {options.expression}"}
    with using_file(options.output), usage_errors(ValueError, RenderError):
        path = explore(cost, **arguments).save(options.output)
    print(f"Wrote {path} ({path.stat().st_size / 1000:.0f} kB): open it in a browser.")
    return 0


def _network(options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Build the cost of one example, and its forward pass."""
    from microgradnet.engine import Value

    options.sizes = options.sizes or _SIZES.get(options.data)
    options.examples, options.exact = options.example, False
    model, X, Y = network(options)
    forward_pass = model.forward([float(x) for x in X[-1]])
    targets = [Value(float(y), label=f"y{subscript(j)}") for j, y in enumerate(Y[-1], 1)]
    cost = known_cost(options).function(forward_pass.output, targets)
    cost.label = "C"
    return cost, {"forward_pass": forward_pass}
