"""microgradnet lift: the matrix program inside the scalar graph of a network or an expression."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from microgradnet.cli.options import (
    UsageError,
    add_expression,
    add_network,
    add_verb,
    build,
    expression,
    expression_leaves,
    known_cost,
)
from microgradnet.engine import Value

if TYPE_CHECKING:
    from microgradnet.lifting import Program

__all__ = ["add"]


def add(verbs: Any) -> None:
    """Declare the verb."""
    lift = add_verb(
        verbs,
        "lift",
        _run,
        help="find the matrix equations inside a scalar graph",
        description="Build the scalar graph of a network on one example, find the matrices in it,\n"
        "and print the program they make: forward, δ, and the gradients. Without options:\n"
        "a sigmoid 64-16-10 network with the quadratic cost.",
        epilog="examples:\n"
        "  microgradnet lift --sizes 784,30,10 --activation sigmoid --cost quadratic\n"
        "  microgradnet lift --sizes 2,16,16,1 --activation relu --cost hinge --source\n"
        '  microgradnet lift "log(1 + exp(-y*(w*x + b)))" w=0.5 x=2 b=-1 y=1 --inputs x,y',
    )
    add_expression(lift, "in place of a network")
    lift.add_argument("--inputs", metavar="NAME,NAME",
        help="which names of the expression are an example's (default: x, alone or with "
        "digits); of the others y and t are targets, and the rest parameters")  # fmt: skip
    add_network(lift, "64,16,10", "sigmoid")
    output = lift.add_mutually_exclusive_group()
    output.add_argument("--source", action="store_true", help="print the Python that runs")
    output.add_argument("--latex", action="store_true", help="print the equations as LaTeX")


def _run(options: argparse.Namespace) -> int:
    if options.expression is not None and options.sizes is not None:
        raise UsageError("give an expression or --sizes, not both")
    program = _of_network(options) if options.expression is None else _of_expression(options)
    if options.source:
        print(program.source, end="")
    else:
        print(program._repr_latex_() if options.latex else program)
    return 0


def _of_network(options: argparse.Namespace) -> Program:
    from microgradnet.lifting import lift

    if options.inputs is not None:
        raise UsageError("--inputs goes with an expression: a network's inputs are known")
    options.activation = options.activation or "sigmoid"
    layers, cost = options.sizes or [64, 16, 10], known_cost(options).function
    model = build(options, layers, seed=0)
    forward, y = model.forward([0.5] * layers[0]), [Value(0.5) for _ in range(layers[-1])]
    return lift(cost(forward.output, y), forward.a[0], y, model.parameters())


def _of_expression(options: argparse.Namespace) -> Program:
    from microgradnet.lifting import leaf_roles, lift

    value = expression(options)
    if not value.op:
        raise UsageError(
            f"{options.expression!r} has no operation on a name: there is nothing to lift"
        )
    leaves = expression_leaves(value)
    inputs = None
    if options.inputs is not None:
        names = dict.fromkeys(options.inputs.split(","))
        for name in names:
            if name not in leaves:
                raise UsageError(f"--inputs {name}: the names are {', '.join(leaves) or 'none'}")
        inputs = [leaves[name] for name in names]
    roles = leaf_roles(leaves.values(), inputs)
    return lift(value, roles.inputs, roles.targets, roles.parameters)
