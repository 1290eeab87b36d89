"""microgradnet train: fit a network to a data set."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microgradnet.cli.options import (
    UsageError,
    add_data,
    add_network,
    add_verb,
    count,
    dataset,
    known_cost,
    mlp,
    rate,
    usage_errors,
    using_file,
)
from microgradnet.costs import UNIT_INTERVAL, CostEntry
from microgradnet.notation import counted
from microgradnet.numerals import numeral, percent
from microgradnet.optim import Adam, GradientDescent, Momentum, Optimizer
from microgradnet.tables import Cell, Table

if TYPE_CHECKING:
    from rich.console import Console

    from microgradnet.datasets import Dataset
    from microgradnet.nn import MLP
    from microgradnet.training import History

__all__ = ["add"]

_OWN = (100, 0.3, "tanh")
_COURSE = {
    "digits": (30, 0.5, "tanh"),
    "iris": (100, 0.3, "tanh"),
    "moons": (300, 1.0, "leaky_relu"),
    "xor": (300, 1.0, "tanh"),
}
"""The defaults: epochs, η of plain gradient descent, and the hidden activation; of a file _OWN."""

_OPTIMIZERS: dict[str, tuple[str, type[Momentum | Adam | GradientDescent], float | None]] = {
    "descent": ("gradient descent", GradientDescent, None),
    "momentum": ("momentum", Momentum, 0.1),
    "adam": ("Adam", Adam, 0.01),
}
"""Name in words, class, and default of η where it is not the data set's."""


def add(verbs: Any) -> None:
    """Declare the verb."""
    train = add_verb(
        verbs,
        "train",
        _run,
        help="train a network on a data set, and see how well it does on new examples",
        description="Train a network, batch by batch: w → w − (η/m) Σ ∂C/∂w. Without options:\n"
        "1,352 handwritten digits through a tanh-softmax 64-16-10 network, and how many\n"
        "of the 445 held back it then knows.",
        epilog="examples:\n"
        "  microgradnet train --sizes 64,30,10 --save model.npz\n"
        "  microgradnet train --data moons --plot moons.png\n"
        "  microgradnet train --data my.csv --target species --save model.npz\n"
        "  microgradnet train --load model.npz --sizes 64,30,10 --epochs 5 --eta 0.1",
    )
    add_data(train, "digits")
    add_network(train, "64,16,10 for digits", "tanh; for moons leaky_relu", None)
    add = train.add_argument
    add("--optimizer", choices=_OPTIMIZERS, default="descent", metavar="NAME",
        help="descent (default), momentum or adam")  # fmt: skip
    add("--eta", type=rate, metavar="η",
        help="learning rate (default: 0.5 for digits, 0.3 for iris, else 1; momentum 0.1, adam "
        "0.01)")  # fmt: skip
    add("--epochs", type=count(1), metavar="N",
        help="how often to go through the examples (default: 30 for digits, 100 for iris, else "
        "300)")  # fmt: skip
    add("--batch-size", type=count(1), default=10, metavar="M",
        help="examples a step (default: 10)")  # fmt: skip
    add("--patience", type=count(1), metavar="N",
        help="stop when the cost on held-back examples was not lower for N epochs, and keep the "
        "best")  # fmt: skip
    add("--engine", choices=("auto", "lifted", "eager"), default="auto", metavar="NAME",
        help="lifted: the matrix program found in the graph; eager: node by node; auto (default): "
        "lifted if it can be")  # fmt: skip
    add("--load", type=Path, metavar="FILE", help="begin with the parameters in a file")
    add("--save", type=Path, metavar="FILE", help="write the model: .npz or .safetensors")
    add("--plot", type=Path, metavar="FILE",
        help="draw cost, accuracy and, for two features, the decision boundary: .png, .svg, "
        ".pdf ... (needs matplotlib)")  # fmt: skip
    train.set_defaults(exact=False)


def _run(options: argparse.Namespace) -> int:
    from rich.console import Console

    from microgradnet.files import save
    from microgradnet.training import DivergenceError, fit

    data = dataset(options)
    for reason in data.left_out:
        print(f"left out: {reason}")
    epochs, _, activation = _COURSE.get(options.data, _OWN)
    if options.activation is None:
        options.activation = activation
    if options.cost is None:
        options.cost = "log_likelihood" if data.class_names else "quadratic"
    model = mlp(options, data, granularity="neuron")
    _check_output(known_cost(options), str(model.layers[-1].activation))
    optimizer = _optimizer(options, model)
    _look_ahead(options)
    if options.load is not None:
        _load(model, options.load)
    console = Console(highlight=False)
    console.print(_title(options, model, data, optimizer))
    try:
        history = fit(
            model,
            data,
            cost=options.cost,
            optimizer=optimizer,
            epochs=options.epochs or epochs,
            batch_size=options.batch_size,
            engine=options.engine,
            seed=options.seed,
            patience=options.patience,
        )
    except (DivergenceError, ValueError) as error:
        if isinstance(error, DivergenceError) and error.history:
            console.print(error.history.table)
        raise UsageError(error) from None
    if history:
        console.print(history.table)
        if history.stopped:
            console.print(history.stopped)
        _print_verdict(console, model, data, history)
    if options.save is not None:
        with using_file(options.save), usage_errors(ValueError):
            save(model, options.save)
        console.print(f"model written to {options.save}", soft_wrap=True)
    if options.plot is not None and history:
        flat = len(data.feature_names) == 2
        boundary = (model, data.train, data.class_names) if flat else ()
        with using_file(options.plot), usage_errors(ValueError):
            history.plot(*boundary).savefig(options.plot, dpi=150)
        console.print(f"picture written to {options.plot}", soft_wrap=True)
    return 130 if history.stopped.startswith("interrupted") else 0


def _optimizer(options: argparse.Namespace, model: MLP) -> Optimizer:
    _, kind, default = _OPTIMIZERS[options.optimizer]
    lr = options.eta if options.eta is not None else default or _COURSE.get(options.data, _OWN)[1]
    return kind(model.parameters(), lr=float(lr))


def _check_output(cost: CostEntry, activation: str) -> None:
    """Refuse outputs beyond 0 and 1 for a cost that takes their logarithms."""
    if cost.unit_interval and activation not in UNIT_INTERVAL:
        raise UsageError(
            f"{cost.name} takes outputs between 0 and 1, which {activation} does not keep: "
            f"--output-activation {', '.join(UNIT_INTERVAL)}, or --cost {cost.name}_from_z without "
            "it"
        )


def _look_ahead(options: argparse.Namespace) -> None:
    """Refuse before a long training, not after it, what cannot be written at its end."""
    from importlib.util import find_spec

    for place in (options.save, options.plot):
        if place is not None and not place.parent.is_dir():
            raise UsageError(f"{place}: there is no folder {place.parent}")
        if place is not None:
            with using_file(place):
                _try_to_open(place)
    if options.save is not None:
        if options.save.suffix not in (".npz", ".safetensors"):
            raise UsageError(
                f"--save {options.save}: the name of a file ends in .npz or .safetensors"
            )
        if options.save.suffix == ".safetensors" and find_spec("safetensors") is None:
            raise UsageError(f"--save {options.save} needs safetensors: pip install safetensors")
    if options.plot is not None:
        from microgradnet.plotting import figure

        try:
            plot, _ = figure(1)
        except ImportError as error:
            raise UsageError(f"--plot: {error}") from None
        endings = {**plot.canvas.get_supported_filetypes()}
        endings.pop("pgf", None)  # matplotlib runs LaTeX for it
        if options.plot.suffix[1:].lower() not in endings:
            raise UsageError(f"--plot {options.plot}: the name ends in .{', .'.join(endings)}")


def _try_to_open(place: Path) -> None:
    """Raise OSError where nothing can be written, and leave all as it is."""
    if place.is_fifo():  # which waits for a reader
        return
    is_new = not os.path.lexists(place)
    place.open("ab").close()
    if is_new:
        place.unlink()


def _load(model: MLP, place: Path) -> None:
    from microgradnet.files import load

    with using_file(place), usage_errors(ValueError, ImportError):
        load(model, place)


def _title(options: argparse.Namespace, model: MLP, data: Dataset, optimizer: Optimizer) -> str:
    """Describe what is trained, on what and how, in two lines."""
    activations = "-".join(str(layer.activation) for layer in model.layers)
    held_back = f", {len(data.test.X)} held back" if len(data.test.X) else ""
    own = f", {data.targets}" if data.preparation else ""
    return (
        f"{'-'.join(map(str, model.sizes))} network of {len(model.parameters()):,} parameters, "
        f"{activations}, {options.cost}\n"
        f"{data.name}{own}, {counted(len(data.train.X), 'example')} in batches of "
        f"{min(options.batch_size, len(data.train.X))}{held_back}; "
        f"{_OPTIMIZERS[options.optimizer][0]}, η = {numeral(optimizer.lr, 6)}"
    )


def _print_verdict(console: Console, model: MLP, data: Dataset, history: History) -> None:
    """Print how well the network does now: class by class, or how far its numbers are off."""
    import numpy as np

    from microgradnet.training import confusion, predictions

    X, _, labels = data.test if len(data.test.X) else data.train
    which = "held-back" if len(data.test.X) else "training"
    reason = f" ({history.fallback_reason})" if history.fallback_reason else ""
    run = f"{history.seconds:.1f} s, {history.engine} engine{reason}"
    of = counted(len(X), f"{which} example")
    if not data.class_names:
        off = float(np.sqrt(((model.predict(X) - labels) ** 2).mean()))
        score = f", R² {model.score(X, labels):.3f}" if np.ptp(labels) else ""
        console.print(f"\noff by {numeral(off)} (root mean square) on {of}{score}; {run}")
        return
    matrix = confusion(labels, predictions(model, X), len(data.class_names))
    right = int(matrix.trace())
    console.print("\nclasses by row, what they were called by column")
    console.print(
        _confusion_table(matrix.tolist(), list(map(str, data.class_names)), console.width)
    )
    console.print(f"{right} of {of} right, {percent(right / len(X))}; {run}")


def _confusion_table(matrix: list[list[int]], names: list[str], width: int) -> Table:
    """Lay out the confusion matrix; 0 is a dot, so that errors stand out."""
    longest = max(map(len, names))
    if (longest + 1) * (len(names) + 1) + 1 > width:  # headings cut to what there is room for
        heads = [name[: max(2, (width - longest - 2) // len(names) - 1)] for name in names]
    else:
        heads = names
    rows: list[list[Cell]] = []
    for i, (name, row) in enumerate(zip(names, matrix, strict=True)):
        marks = ["good" if i == j else "bad" if n else "dim" for j, n in enumerate(row)]
        numbers = [str(n) if n else "·" for n in row]
        rows.append([name, *zip(numbers, marks, strict=True)])
    return Table(["", *heads], rows, left=[""], gap=1)
