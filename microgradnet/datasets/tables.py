"""Tables of one's own: a CSV file, a DataFrame, arrays or lists, as a `Dataset`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from microgradnet.datasets.preparation import Column, Preparation
from microgradnet.datasets.reading import (
    Place,
    Table,
    as_number,
    as_numbers,
    as_words,
    gaps,
    read_csv,
    refuse_gaps,
)
from microgradnet.datasets.splitting import Dataset, Examples, divided
from microgradnet.randomness import generator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["from_csv", "from_table"]

_MANY = 20
"""A column of more words than these, most of them seen once, is a name and not a feature."""


def from_csv(
    path: str | os.PathLike[str],
    target: str | int | None = None,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    decimal: str = ".",
    encoding: str = "utf-8-sig",
    **options: Any,
) -> Dataset:
    r"""Read a data set from a file of comma-separated values, an example a line.

    target     the name or the place of the column to learn; the last by default
    delimiter  what stands between cells; by default that of , ; tab | which the first line has most
    header     whether the first line names the columns; by default it does unless it is of numbers
    decimal    the decimal mark, "," in many countries
    options    those of `from_table`: task, drop, missing, test_fraction, seed, rng

    Missing cells are named by their lines. Raises ValueError for what cannot be read so, OSError
    where the file cannot be opened.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "fruit.csv")
    ...     _ = path.write_text("width,colour,fruit\n7,red,apple\n3,red,cherry\n8,green,apple\n")
    ...     from_csv(path, target="fruit", test_fraction=0)
    <Dataset fruit: 3 features, 2 classes, 3 examples to train on, 0 held back>
    """
    table = read_csv(Path(path), delimiter, header, decimal, encoding)
    return _dataset(Path(path).stem, table, target, options)


def from_table(table: Any, target: Any = None, *, name: str = "table", **options: Any) -> Dataset:
    """Make a data set of a DataFrame, a dict of columns, an array or a list of rows.

    target         the name or the place of the column to learn, the last by default; or the targets
                   themselves, one a row
    task           "classification" or "regression"; by default words and bools are classes, and
                   numbers, whole ones too, are numbers
    drop           columns to leave out, by name or place, as a name or a number of each row
    missing        "error", or "drop" to leave out rows that lack a cell: `left_out` names them
    test_fraction  the share of the rows to hold back, as in `digits`
    seed, rng      what the division into both parts is drawn from

    Columns of numbers are scaled to [0, 1] by their range in the part to train on; of a column of
    words each word becomes an input that is 0 or 1. Targets that are numbers are scaled likewise.
    Raises ValueError for columns and rows of which this cannot be made.

    >>> from_table([[1.0, 2.0, "a"], [3.0, 4.0, "b"], [5.0, 6.0, "b"]], test_fraction=0)
    <Dataset table: 2 features, 2 classes, 3 examples to train on, 0 held back>
    >>> from_table([[1.0, 2.0], [3.0, 4.0]], target=[10.5, 20.5], test_fraction=0)
    <Dataset table: 2 features, numbers as targets, 2 examples to train on, 0 held back>
    """
    read = Table.read(table)
    if target is not None and not isinstance(target, (str, int)):
        targets = list(target)
        if len(targets) != len(read):
            raise ValueError(
                f"the table has {len(read)} rows, and there are {len(targets)} targets"
            )
        own = "target" if "target" not in read.names else "target*"
        read = Table([*read.names, own], [*read.columns, targets], read.place)
        target = own
    return _dataset(name, read, target, options)


def _dataset(name: str, table: Table, target: str | int | None, options: dict[str, Any]) -> Dataset:
    return _made(name, table, table.names[-1] if target is None else table.name(target), **options)


def _made(
    name: str,
    table: Table,
    target: str,
    *,
    task: str | None = None,
    drop: Iterable[str | int] = (),
    missing: str = "error",
    test_fraction: float = 0.25,
    seed: int = 0,
    rng: Random | None = None,
) -> Dataset:
    import numpy as np

    if task not in (None, "classification", "regression"):
        raise ValueError(f"a task is 'classification' or 'regression', not {task!r}")
    if missing not in ("error", "drop"):
        raise ValueError(f"missing is 'error' or 'drop', not {missing!r}")
    dropped = {table.name(each) for each in ([drop] if isinstance(drop, (str, int)) else drop)}
    learned = [each for each in table.names if each != target and each not in dropped]
    if not learned:
        raise ValueError(f"there is no column beside the target {target!r} to learn it from")
    cells = {each: _cells(each, table.cells(each), table.place) for each in learned}
    goals = _goals(target, table.cells(target), table.place, task)
    lacking = gaps({**cells, target: goals}, table.place)
    if missing == "error":
        refuse_gaps(lacking, ", or leave these rows out with missing='drop'")
    kept = [n for n in range(len(table)) if n not in lacking]
    if not kept:
        raise ValueError(f"{name} holds no complete row")
    cells = {each: [column[n] for n in kept] for each, column in cells.items()}
    goals = [goals[n] for n in kept]
    is_classes = not all(type(each) is float for each in goals)
    classes = tuple(sorted(set(goals))) if is_classes else ()
    if is_classes and len(classes) < 2:
        raise ValueError(f"all rows have the {target} {classes[0]!r}: there is nothing to learn")
    places = {each: k for k, each in enumerate(classes)}
    labels = np.array([places[each] if is_classes else each for each in goals])
    train, test = divided(
        _comparable(cells.values()),
        labels if is_classes else np.zeros(len(goals), dtype=np.int64),
        generator(seed, rng, default=0),
        test_fraction,
    )
    columns = tuple(
        _column(each, [column[n] for n in train], column) for each, column in cells.items()
    )
    preparation = Preparation(columns, target)
    X = preparation.matrix(list(cells.values()))
    if is_classes:
        Y, ends = np.eye(len(classes))[labels], (0.0, 1.0)
    else:
        ends = float(labels[train].min()), float(labels[train].max())
        Y = ((labels - ends[0]) / ((ends[1] - ends[0]) or 1.0))[:, None]
    part, held_back = (Examples(X[rows], Y[rows], labels[rows]) for rows in (train, test))
    reasons = tuple(lacking[n] for n in sorted(lacking))
    features = preparation.features
    return Dataset(name, part, held_back, features, classes, preparation, ends, reasons)


def _comparable(columns: Iterable[list[Any]]) -> NDArray[np.float64]:
    """Return a matrix in which rows are alike where they are so in the table."""
    import numpy as np

    numbers = []
    for column in columns:
        places = {cell: k for k, cell in enumerate(dict.fromkeys(column))}
        numbers.append([float(places[cell]) for cell in column])
    return np.array(numbers).T


def _column(name: str, train: list[Any], cells: list[Any]) -> Column:
    if type(cells[0]) is str:
        words = tuple(sorted(set(cells)))
        if len(words) > max(_MANY, len(cells) / 2):
            raise ValueError(
                f"column {name!r} holds {len(words)} words in {len(cells)} rows, a name and no "
                f"feature: leave it out with drop=[{name!r}]"
            )
        return Column(name, words)
    return Column(name, (), min(train), max(train))


def _cells(name: str, column: list[Any], place: Place) -> list[Any]:
    """Read a column as numbers if most of its cells are, else as words."""
    known = [cell for cell in column if cell is not None]
    numbers = sum(as_number(cell) is not None for cell in known)
    read = as_numbers if 2 * numbers > len(known) or not known else as_words
    return read(name, column, place)


def _goals(name: str, column: list[Any], place: Place, task: str | None) -> list[Any]:
    """Read the column of the targets: classes as words, bools or whole numbers, else floats."""
    known = [cell for cell in column if cell is not None]
    named = any(isinstance(cell, bool) or as_number(cell) is None for cell in known)
    if task == "regression" or (task is None and not named):
        return as_numbers(name, column, place)
    if all(isinstance(cell, bool) for cell in known):
        return column
    numbers = [as_number(cell) for cell in known]
    if all(x is not None and x == int(x) for x in numbers):
        return [None if cell is None else int(float(cell)) for cell in column]
    return [None if cell is None else str(cell) for cell in column]
