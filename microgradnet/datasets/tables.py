"""Tables of one's own: a CSV file, a DataFrame, arrays or lists, as a `Dataset`."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from microgradnet.datasets.splitting import Dataset, Examples, divided
from microgradnet.randomness import generator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Column", "Preparation", "from_csv", "from_table"]

_MISSING = {"", "?", "-", "na", "n/a", "nan", "null", "none"}
"""What stands in a cell for a number that is not there, in small letters."""

_MANY = 20
"""A column of more words than these, most of them seen once, is a name and not a feature."""


@dataclass(frozen=True)
class Column:
    """Hold how one column becomes inputs: a number as (x − low)/(high − low), a word as 0s and a 1.

    >>> Column("size", low=2.0, high=4.0).inputs(3.0), Column("kind", ("a", "b")).inputs("b")
    ([0.5], [0.0, 1.0])
    """

    name: str
    words: tuple[str, ...] = ()
    """The words that occur, an input each; none for numbers."""
    low: float = 0.0
    high: float = 1.0

    @property
    def features(self) -> list[str]:
        """Name the inputs."""
        return [f"{self.name}={word}" for word in self.words] or [self.name]

    def inputs(self, cell: Any) -> list[float]:
        """Return the inputs that a cell becomes."""
        if self.words:
            return [float(cell == word) for word in self.words]
        return [(cell - self.low) / ((self.high - self.low) or 1.0)]


@dataclass(frozen=True)
class Preparation:
    """Hold how rows of a table become inputs; a model that was trained on them keeps it.

    Called on new rows it returns their inputs, of shape (rows, inputs). Rows are lists in the order
    of `columns`; or a DataFrame, a dict of columns or the path of a CSV file, of which it takes the
    columns that it knows by name. Raises ValueError for columns and for cells that are missing, and
    for words that are new: it names the row.

    >>> data = from_table({"size": [1.0, 2.0, 3.0], "kind": ["a", "b", "b"]}, target="kind")
    >>> data.preparation({"size": [2.0, 5.0]}).tolist()
    [[0.5], [2.0]]
    """

    columns: tuple[Column, ...]
    target: str = ""

    @property
    def features(self) -> tuple[str, ...]:
        """Name the inputs, in their order."""
        return tuple(name for column in self.columns for name in column.features)

    def __call__(self, rows: Any) -> NDArray[np.float64]:
        """Return the inputs of new rows."""
        table = _Table.read(rows)
        names = [column.name for column in self.columns]
        if table.names == _numbered(len(names)):  # by place
            table = _Table(names, table.columns, table.place)
        absent = [name for name in names if name not in table.names]
        if absent:
            raise ValueError(
                f"there is no column {absent[0]!r} among {', '.join(map(repr, table.names))}"
            )
        cells = []
        for column in self.columns:
            known = table.cells(column.name)
            kind = _words if column.words else _numbers
            cells.append(kind(column.name, known, table.place))
            _refuse_missing(_missing({column.name: cells[-1]}, table.place))
            strangers = [x for x in cells[-1] if column.words and x not in column.words]
            if strangers:
                where = table.place(cells[-1].index(strangers[0]))
                raise ValueError(
                    f"{where}: {column.name} is {strangers[0]!r}, which was not among the words "
                    f"learned, {', '.join(map(repr, column.words))}"
                )
        return self.matrix(cells)

    def matrix(self, cells: Sequence[Sequence[Any]]) -> NDArray[np.float64]:
        """Return the inputs of columns of cells that are read and complete."""
        import numpy as np

        rows = [
            [x for column, cell in zip(self.columns, row, strict=True) for x in column.inputs(cell)]
            for row in zip(*cells, strict=True)
        ]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.features))


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
    table = _read_csv(Path(path), delimiter, header, decimal, encoding)
    return _dataset(Path(path).stem, table, target, options)


def _read_csv(
    place: Path,
    delimiter: str | None = None,
    header: bool | None = None,
    decimal: str = ".",
    encoding: str = "utf-8-sig",
) -> _Table:
    try:
        text = place.read_text(encoding=encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{place}: byte {error.start} is no {encoding}: say encoding=, as 'latin-1'"
        ) from None
    first = next((line for line in text.splitlines() if line.strip()), "")
    mark = delimiter or max(",;\t|", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=mark, skipinitialspace=True)
    lines: list[int] = []
    rows: list[list[Any]] = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                lines.append(reader.line_num)
                rows.append([_plain(cell, decimal) for cell in row])
    except csv.Error as error:
        raise ValueError(f"{place}, line {reader.line_num}: {error}") from None
    if not rows:
        raise ValueError(f"{place} holds no rows")
    if header is None:
        header = not all(_number(cell) is not None for cell in rows[0] if cell is not None)
    names = [str(cell) for cell in rows[0]] if header else _numbered(len(rows[0]))
    body, lines = (rows[1:], lines[1:]) if header else (rows, lines)
    for row, line in zip(body, lines, strict=True):
        if len(row) != len(names):
            raise ValueError(
                f"{place}, line {line}: {len(row)} cells, where the first line has {len(names)}, "
                f"with {mark!r} between them: say delimiter= if it is another"
            )
    columns = [list(column) for column in zip(*body, strict=True)] or [[] for _ in names]
    return _Table(names, columns, lambda n: f"line {lines[n]}")


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
    read = _Table.read(table)
    if target is not None and not isinstance(target, (str, int)):
        targets = list(target)
        if len(targets) != len(read):
            raise ValueError(
                f"the table has {len(read)} rows, and there are {len(targets)} targets"
            )
        own = "target" if "target" not in read.names else "target*"
        read = _Table([*read.names, own], [*read.columns, targets], read.place)
        target = own
    return _dataset(name, read, target, options)


def _dataset(
    name: str, table: _Table, target: str | int | None, options: dict[str, Any]
) -> Dataset:
    return _made(name, table, table.names[-1] if target is None else table.name(target), **options)


def _made(
    name: str,
    table: _Table,
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
    lacking = _missing({**cells, target: goals}, table.place)
    if missing == "error":
        _refuse_missing(lacking, ", or leave these rows out with missing='drop'")
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


@dataclass(frozen=True)
class _Table:
    """Hold columns by name, as they came, and how a row is called in a message."""

    names: list[str]
    columns: list[list[Any]]
    place: Any

    @staticmethod
    def read(table: Any) -> _Table:
        """Take a DataFrame, a dict of columns, the path of a CSV file, or rows."""
        if isinstance(table, (str, os.PathLike)):
            return _read_csv(Path(table))
        names = getattr(table, "columns", table if isinstance(table, Mapping) else None)
        if names is not None:
            names = list(names)
            columns = [list(table[name]) for name in names]
        else:
            rows = [list(row) for row in table]
            widths = {len(row) for row in rows}
            if len(widths) > 1:
                raise ValueError(f"the rows have {min(widths)} to {max(widths)} cells: all as many")
            names = _numbered(widths.pop() if widths else 0)
            columns = [list(column) for column in zip(*rows, strict=True)]
        if len({len(column) for column in columns}) > 1:
            raise ValueError("the columns are not of one length")
        return _Table([str(name) for name in names], columns, lambda n: f"row {n}")

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def name(self, which: str | int) -> str:
        """Return the name of a column that is given by its name or its place."""
        if isinstance(which, int) and -len(self.names) <= which < len(self.names):
            return self.names[which]
        if which not in self.names:
            raise ValueError(
                f"there is no column {which!r} among {', '.join(map(repr, self.names))}"
            )
        if self.names.count(str(which)) > 1:
            raise ValueError(f"two columns are called {which!r}: give the place of one, as -1")
        return str(which)

    def cells(self, name: str) -> list[Any]:
        """Return a column: numbers as floats, bools and words as they are, None where it lacks."""
        return [_plain(cell) for cell in self.columns[self.names.index(name)]]


def _numbered(count: int) -> list[str]:
    return [f"x{k}" for k in range(1, count + 1)]


def _plain(cell: Any, decimal: str = ".") -> Any:
    """Return a cell as a bool, a number or a word; None for one that is missing."""
    if hasattr(cell, "item"):  # NumPy's
        cell = cell.item()
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in _MISSING:
            return None
        return text.replace(decimal, ".") if decimal != "." and _is_decimal(text, decimal) else text
    if cell is None or cell != cell:  # NaN
        return None
    return cell


def _is_decimal(text: str, decimal: str) -> bool:
    return "." not in text and _number(text.replace(decimal, ".")) is not None


def _number(cell: Any) -> float | None:
    """Return the cell as a number; None where it is none."""
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def _cells(name: str, column: list[Any], place: Any) -> list[Any]:
    """Read a column as numbers if most of its cells are, else as words."""
    known = [cell for cell in column if cell is not None]
    numbers = sum(_number(cell) is not None for cell in known)
    read = _numbers if 2 * numbers > len(known) or not known else _words
    return read(name, column, place)


def _numbers(name: str, column: list[Any], place: Any) -> list[Any]:
    numbers = [None if cell is None else _number(cell) for cell in column]
    for n, (x, cell) in enumerate(zip(numbers, column, strict=True)):
        if cell is not None and (x is None or not math.isfinite(x)):
            raise ValueError(f"{place(n)}: {name} is {cell!r}, which is no finite number")
    return numbers


def _words(name: str, column: list[Any], place: Any) -> list[Any]:
    return [None if cell is None else str(cell) for cell in column]


def _goals(name: str, column: list[Any], place: Any, task: str | None) -> list[Any]:
    """Read the column of the targets: classes as words, bools or whole numbers, else floats."""
    known = [cell for cell in column if cell is not None]
    named = any(isinstance(cell, bool) or _number(cell) is None for cell in known)
    if task == "regression" or (task is None and not named):
        return _numbers(name, column, place)
    if all(isinstance(cell, bool) for cell in known):
        return column
    numbers = [_number(cell) for cell in known]
    if all(x is not None and x == int(x) for x in numbers):
        return [None if cell is None else int(float(cell)) for cell in column]
    return [None if cell is None else str(cell) for cell in column]


def _missing(cells: Mapping[str, list[Any]], place: Any) -> dict[int, str]:
    """List the rows that lack a cell, each with the reason."""
    rows = zip(*cells.values(), strict=True)
    return {
        n: f"{place(n)}: {name} is missing"
        for n, row in enumerate(rows)
        for name, cell in zip(cells, row, strict=True)
        if cell is None
    }


def _refuse_missing(lacking: Mapping[int, str], or_else: str = "") -> None:
    if lacking:
        reasons = list(lacking.values())
        more = f" and {len(reasons) - 4} more" if len(reasons) > 4 else ""
        raise ValueError(f"{'; '.join(reasons[:4])}{more}: fill in what is missing{or_else}")
