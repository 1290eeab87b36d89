"""microgradnet draw: the graph of an expression, or of a network, as a picture."""

from __future__ import annotations

import argparse
import re
from random import Random
from typing import TYPE_CHECKING, Any

from microgradnet.cli.options import (
    UsageError,
    add_expression,
    add_verb,
    expression,
    seed,
    sizes,
    using_file,
)

if TYPE_CHECKING:
    from microgradnet.engine import Value

__all__ = ["add"]

_AS_OPTIONS = (
    (r"(zoom|renderer)='(\w+)'", r"--\1 \2"),
    (r"draw a part of the graph, take (.*), or ask for more with max_nodes", r"take \1"),
    ("draw a part of the graph, or ask for more with max_nodes", "give smaller --sizes"),
    (r"say which leaves are inputs=\.\.\. and parameters=\.\.\., or ", ""),
)
"""What `drawing` advises, as the command line has it."""


def add(verbs: Any) -> None:
    """Declare the verb."""
    draw = add_verb(
        verbs,
        "draw",
        _run,
        help="draw the graph of an expression or of a network",
        description="Draw the computation graph of an expression, with every number and gradient\n"
        "in it, or with --sizes that of a small network on one random example.",
        epilog="examples:\n"
        '  microgradnet draw "tanh(w*x + b)" w=0.5 x=2 b=-1 -o neuron.svg\n'
        '  microgradnet draw "x*x + x/3" x=1/2 --highlight x -o paths.png\n'
        "  microgradnet draw --sizes 2,3,1 --zoom neuron -o net.png",
    )
    add = draw.add_argument
    add_expression(draw, 'as in "tanh(w*x + b)"')
    add("--sizes", type=sizes, metavar="N,N,...",
        help="a network with these layer sizes, from input to output")  # fmt: skip
    add("--activation", default="tanh", metavar="NAME",
        help="of the network's hidden layers and output (default: tanh)")  # fmt: skip
    add("--seed", type=seed, default=0, metavar="N",
        help="of the network's weights and example (default: 0)")  # fmt: skip
    add("--zoom", default="auto", choices=("auto", "scalar", "neuron", "layer"),
        help="every node, a box a neuron, a box a matrix (default: what can be read)")  # fmt: skip
    add("--edges", default="weight", choices=("weight", "gradient"),
        help="what the lines of the neuron zoom show (default: weight)")  # fmt: skip
    add("--highlight", metavar="NAME", help="show the paths of this node's gradient")
    add("--rankdir", default="LR", choices=("LR", "RL", "TB", "BT"),
        help="from where to where, left, right, top, bottom (default: LR)")  # fmt: skip
    add("--renderer", default="auto", choices=("auto", "embedded", "dot"),
        help="the embedded one, or the system's dot (default: embedded where it can)")  # fmt: skip
    add("-o", "--output", metavar="FILE",
        help="a file in .svg, .png, .pdf ... (default: the DOT text, printed)")  # fmt: skip


def _run(options: argparse.Namespace) -> int:
    from microgradnet.drawing import RenderError, draw
    from microgradnet.graph import topological_order

    if options.sizes is not None and options.expression is not None:
        raise UsageError("give an expression or --sizes, not both")
    if options.sizes is None and options.expression is None:
        raise UsageError('give an expression, as in "tanh(w*x)" w=0.5 x=2, or --sizes 2,3,1')
    value = _network(options) if options.sizes else expression(options)
    value.backward()
    highlight = None
    if options.highlight is not None:
        named = {node.label: node for node in topological_order([value]) if node.label}
        if options.highlight not in named:
            raise UsageError(f"--highlight {options.highlight}: there are {', '.join(named)}")
        highlight = named[options.highlight]
    try:
        picture = draw(
            value,
            zoom=options.zoom,
            highlight=highlight,
            edges=options.edges,
            rankdir=options.rankdir,
            renderer=options.renderer,
        )
        if options.output is None:
            print(picture.source, end="")
        else:
            with using_file(options.output):
                picture.save(options.output)
            print(f"{options.output}: the {picture.zoom} zoom")
    except (ValueError, RenderError) as error:
        message = str(error)
        for advice, with_options in _AS_OPTIONS:
            message = re.sub(advice, with_options, message)
        raise UsageError(message) from None
    return 0


def _network(options: argparse.Namespace) -> Value:
    """Build the cost of a random network on a random example."""
    from microgradnet import costs
    from microgradnet.engine import Value
    from microgradnet.nn import MLP

    n_in, *layers = options.sizes
    rng = Random(options.seed)
    try:
        model = MLP(
            n_in,
            layers,
            activation=options.activation,
            output_activation=options.activation,
            init="xavier",
            rng=rng,
        )
    except ValueError as error:
        advice = "output_activation='softmax'"
        raise UsageError(str(error).replace(advice, "take another, or one layer")) from None
    forward = model.forward([round(rng.uniform(-1, 1), 2) for _ in range(n_in)])
    y = [Value(float(j == 1), label=f"y{j}") for j, _ in enumerate(forward.a[-1], 1)]
    cost = costs.quadratic(forward.a[-1], y)
    cost.label = "C"
    return cost
