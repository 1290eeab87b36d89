"""Data of one's own: tables of every kind, what is read in them, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradnet.datasets import Dataset, Preparation, from_csv, from_table, iris

FRUIT = """width,colour,fruit
7,red,apple
3.5,red,cherry
8,green,apple
4,red,cherry
"""


@pytest.fixture
def csv(tmp_path: Path) -> Any:
    """Write a text to a file and read it as a data set."""

    def read(text: str, *arguments: Any, encoding: str = "utf-8", **options: Any) -> Dataset:
        path = tmp_path / "fruit.csv"
        path.write_bytes(text.encode(encoding))
        options.setdefault("test_fraction", 0)
        return from_csv(path, *arguments, **options)

    return read


def rows(data: Dataset) -> list[tuple[Any, ...]]:
    """List inputs and label of all examples, sorted."""
    parts = (data.train, data.test)
    return sorted(
        (*x, y) for p in parts for x, y in zip(p.X.tolist(), p.labels.tolist(), strict=True)
    )


def test_words_become_inputs_and_classes(csv: Any) -> None:
    data = csv(FRUIT, "fruit")
    assert data.feature_names == ("width", "colour=green", "colour=red")
    assert data.class_names == ("apple", "cherry")
    span = 8 - 3.5
    wanted = [
        ((7 - 3.5) / span, 0.0, 1.0, 0),
        (0.0, 0.0, 1.0, 1),
        (1.0, 1.0, 0.0, 0),
        ((4 - 3.5) / span, 0.0, 1.0, 1),
    ]
    assert rows(data) == sorted(wanted)
    assert (data.train.Y == np.eye(2)[data.train.labels]).all()


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_what_stands_between_cells_is_seen(csv: Any, mark: str) -> None:
    assert rows(csv(FRUIT.replace(",", mark), "fruit")) == rows(csv(FRUIT, "fruit"))


def test_a_comma_may_be_the_decimal_mark(csv: Any) -> None:
    text = FRUIT.replace(",", ";").replace("3.5", '"3,5"')
    assert rows(csv(text, "fruit", decimal=",")) == rows(csv(FRUIT, "fruit"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_encodings(csv: Any, encoding: str) -> None:
    text = FRUIT.replace("green", "grün")
    options = {} if encoding.startswith("utf") else {"encoding": encoding}
    path_options = {"encoding": encoding}
    if options:
        with pytest.raises(ValueError, match="is no utf-8-sig: say encoding="):
            csv(text, "fruit", **path_options)
    else:
        assert "colour=grün" in csv(text, "fruit", **path_options).feature_names


def test_a_table_of_numbers_alone_has_no_header(csv: Any) -> None:
    data = csv("1,2,3\n4,5,6\n7,8,10\n")
    assert data.feature_names == ("x1", "x2")
    assert data.target_range == (3.0, 10.0)
    assert sorted(data.train.labels) == [3.0, 6.0, 10.0]
    assert csv("1,2,3\n4,5,6\n7,8,10\n", header=True).feature_names == ("1", "2")


def test_whole_numbers_are_classes_where_it_is_said(csv: Any) -> None:
    text = "x,y\n1,3\n2,5\n3,3\n"
    assert repr(csv(text)) == (
        "<Dataset fruit: 1 features, numbers as targets, 3 examples to train on, 0 held back>"
    )
    assert csv(text, task="classification").class_names == (3, 5)
    assert csv("x,y\n1,True\n2,False\n", "y").class_names == ("False", "True")
    assert from_table([[1.0, True], [2.0, False]], test_fraction=0).class_names == (False, True)
    with pytest.raises(ValueError, match="line 2: fruit is 'apple', which is no finite number"):
        csv(FRUIT, task="regression")


def test_rows_that_lack_a_cell_are_named_or_left_out(csv: Any) -> None:
    text = FRUIT + "NA,red,cherry\n\n2,?,apple\n"
    with pytest.raises(ValueError, match=r"line 6: width is missing; line 8: colour is missing:"):
        csv(text)
    data = csv(text, missing="drop")
    assert data.left_out == ("line 6: width is missing", "line 8: colour is missing")
    assert rows(data) == rows(csv(FRUIT))
    assert repr(data).endswith("4 examples to train on, 0 held back, 2 left out>")
    with pytest.raises(ValueError, match="holds no complete row"):
        csv("x,y\n,a\nNA,b\n", missing="drop")


def test_many_missing_cells_are_named_in_part(csv: Any) -> None:
    with pytest.raises(ValueError, match="line 5: x is missing and 2 more: fill in what is"):
        csv("x,y\n" + ",a\n" * 6)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (FRUIT, {"target": "frut"}, "no column 'frut' among 'width', 'colour', 'fruit'"),
        (FRUIT, {"target": 7}, "no column 7 among"),
        (FRUIT, {"task": "clustering"}, "'classification' or 'regression', not 'clustering'"),
        (FRUIT, {"missing": "guess"}, "'error' or 'drop', not 'guess'"),
        (FRUIT, {"test_fraction": 1}, "at least 0 and below 1, not 1"),
        (FRUIT, {"drop": ["width", "colour"]}, "no column beside the target 'fruit'"),
        ("a,b\n1\n", {}, "line 2: 1 cells, where the first line has 2, with ',' between them"),
        ("a,a,b\n1,2,x\n1,2,y\n", {"target": "a"}, "two columns are called 'a'"),
        ("", {}, "holds no rows"),
        ("x,y\n1,a\n2,a\n", {}, "all rows have the y 'a': there is nothing to learn"),
        ("x,y\n1,a\n2,b\nx,a\n", {}, "line 4: x is 'x', which is no finite number"),
        ("x,y\n1," + "a" * 200_000 + "\n", {}, r"fruit\.csv, line 2: field larger than"),
        ("x,y\n1,a\ninf,b\n3,a\n", {}, "line 3: x is 'inf', which is no finite number"),
    ],
)
def test_what_cannot_be_read(csv: Any, text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        csv(text, **options)


def test_a_column_of_names_is_no_feature() -> None:
    table = [[f"person {k}", k, k % 2 == 0] for k in range(50)]
    with pytest.raises(ValueError, match=r"holds 50 words in 50 rows.*drop=\['x1'\]"):
        from_table(table)
    assert from_table(table, drop="x1").feature_names == ("x2",)
    assert from_table(table, drop=[0]).feature_names == ("x2",)


class Frame:
    """What a DataFrame shows of itself: names, and a column for each."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.columns = list(columns)
        self._columns = columns

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]


def test_every_kind_of_table_is_read_alike() -> None:
    columns = {"x": np.array([1.0, 2.0, 3.0]), "k": ["a", "b", "b"]}
    lists = [[1.0, "a"], [2.0, "b"], [3.0, "b"]]
    arrays = np.array(lists, dtype=object)
    kinds = [from_table(t, test_fraction=0) for t in (columns, Frame(columns), lists, arrays)]
    apart = from_table(np.array([[1.0], [2.0], [3.0]]), columns["k"], test_fraction=0)
    assert all(rows(data) == rows(kinds[0]) for data in [*kinds, apart])
    assert apart.preparation is not None
    assert apart.preparation.target == "target"


def test_tables_that_are_none() -> None:
    with pytest.raises(ValueError, match="the rows have 1 to 2 cells"):
        from_table([[1.0, 2.0], [3.0]])
    with pytest.raises(ValueError, match="the columns are not of one length"):
        from_table({"x": [1.0], "y": [1.0, 2.0]})
    with pytest.raises(ValueError, match="the table has 1 rows, and there are 2 targets"):
        from_table([[1.0]], [1.0, 2.0])


def test_new_rows_are_prepared_as_those_trained_on() -> None:
    table = {"x": [1.0, 3.0, 2.0, 5.0], "c": ["r", "g", "r", "g"], "y": ["a", "b", "a", "b"]}
    data = from_table(table, "y", test_fraction=0)
    prepare = data.preparation
    assert isinstance(prepare, Preparation)
    expected = [[0.0, 0.0, 1.0], [2.0, 1.0, 0.0]]
    assert prepare([[1.0, "r"], [9.0, "g"]]).tolist() == expected
    assert prepare({"c": ["r", "g"], "more": [0, 0], "x": [1, 9]}).tolist() == expected
    for new, message in (
        ({"x": [1.0]}, "no column 'c' among 'x'"),
        ([[1.0, "blue"]], "row 0: c is 'blue', which was not among the words learned, 'g', 'r'"),
        ([[None, "r"]], "row 0: x is missing: fill in what is missing$"),
        ([["wide", "r"]], "row 0: x is 'wide', which is no finite number"),
    ):
        with pytest.raises(ValueError, match=message):
            prepare(new)


def test_the_scale_is_learned_from_the_part_to_train_on() -> None:
    data = from_table([[float(k), k > 20] for k in range(40)], test_fraction=0.5, seed=3)
    assert data.preparation is not None
    (column,) = data.preparation.columns
    span = column.high - column.low
    assert data.train.X.min() == 0.0
    assert data.train.X.max() == 1.0
    whole = np.concatenate([data.train.X, data.test.X])
    np.testing.assert_allclose(sorted(whole[:, 0] * span + column.low), range(40), atol=1e-12)


@given(st.lists(st.sampled_from("abcdef"), min_size=4, max_size=40), st.integers(0, 100))
def test_rows_that_are_alike_are_on_one_side(words: list[str], seed: int) -> None:
    table = [[float(ord(word)), word < "d"] for word in [*words, "a", "f"]]
    data = from_table(table, seed=seed, test_fraction=0.5)
    sides = [{tuple(x) for x in part.X.tolist()} for part in (data.train, data.test)]
    assert not sides[0] & sides[1]
    assert sum(len(part.X) for part in (data.train, data.test)) == len(table)


@pytest.mark.parametrize("seed", range(20))
def test_the_twin_irises_are_on_one_side(seed: int) -> None:
    data = iris(seed=seed)
    sides = [{tuple(x) for x in part.X.tolist()} for part in (data.train, data.test)]
    assert not sides[0] & sides[1]
