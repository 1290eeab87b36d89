"""microgradnet predict: what a trained network says of new rows."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

from microgradnet.cli.options import UsageError, add_verb, usage_errors, using_file

__all__ = ["add"]


def add(verbs: Any) -> None:
    """Declare the verb."""
    predict = add_verb(
        verbs,
        "predict",
        _run,
        help="say what a saved network makes of the rows of a file",
        description="Read a network that train --save wrote, prepare the rows of a CSV file as\n"
        "those that it was trained on, and print for each its class or its number, as CSV.",
        epilog="examples:\n"
        "  microgradnet predict model.npz new.csv\n"
        "  microgradnet predict model.npz new.csv --probabilities -o said.csv",
    )
    add = predict.add_argument
    add("model", type=Path, metavar="MODEL", help="a file that train --save wrote")
    add("rows", type=Path, metavar="ROWS", help="a CSV file with the columns trained on")
    add("--probabilities", action="store_true", help="also print that of each class")
    add("-o", "--output", type=Path, metavar="FILE", help="write to a file, not to the terminal")


def _run(options: argparse.Namespace) -> int:
    from microgradnet.files import load

    with using_file(options.model), usage_errors(ValueError, ImportError):
        model = load(options.model)
    prepare = model.preparation
    if prepare is None:
        raise UsageError(
            f"{options.model} was not trained on a table: microgradnet train --data my.csv --save "
            f"{options.model}"
        )
    with using_file(options.rows), usage_errors(ValueError):
        X = prepare(options.rows)
        columns = [(prepare.target, model.predict(X).tolist())]
        if options.probabilities:
            shares = model.predict_proba(X).T.tolist()
            columns += [
                (str(each), p) for each, p in zip(model.answers.classes, shares, strict=True)
            ]
    lines = [[name for name, _ in columns], *zip(*(cells for _, cells in columns), strict=True)]
    if options.output is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows(lines)
    else:
        with using_file(options.output), options.output.open("w", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)
    return 0
