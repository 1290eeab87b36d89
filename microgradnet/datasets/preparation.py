"""How rows of a table become inputs: what a model that was trained on them keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from microgradnet.datasets.reading import Table, as_numbers, as_words, gaps, refuse_gaps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Column", "Preparation"]


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

    >>> from microgradnet.datasets import from_table
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
        table = Table.read(rows)
        names = [column.name for column in self.columns]
        if table.by_place and len(table.names) == len(names):
            table = Table(names, table.columns, table.place)
        absent = [name for name in names if name not in table.names]
        if absent:
            raise ValueError(
                f"there is no column {absent[0]!r} among {', '.join(map(repr, table.names))}"
            )
        cells = []
        for column in self.columns:
            known = table.cells(column.name)
            kind = as_words if column.words else as_numbers
            cells.append(kind(column.name, known, table.place))
            refuse_gaps(gaps({column.name: cells[-1]}, table.place))
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
