"""microgradnet train on a file of one's own, and predict: from a table to answers for new rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from microgradnet.cli import main

FLOWERS = "petal,length,colour,kind\n" + "".join(
    f"{k},{2 * k + k % 5},{'red' if k % 3 else 'blue'},{'small' if k < 20 else 'large'}\n"
    for k in range(40)
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds a table and some new rows of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers.csv").write_text(FLOWERS, encoding="utf-8")
    new = "colour,weight,length,petal\nred,1,6,3\nblue,2,78,38\n"
    (tmp_path / "new.csv").write_text(new, encoding="utf-8")
    return tmp_path


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


def test_from_a_table_of_classes_to_answers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--data", "flowers.csv", "--save", "model.npz"]) == 0
    said = capsys.readouterr().out
    assert "4-8-2 network of 58 parameters, tanh-softmax, log_likelihood" in said
    assert "flowers, 2 classes, 30 examples" in said
    assert main(["predict", "model.npz", "new.csv"]) == 0
    assert rows(capsys.readouterr().out) == [["kind"], ["small"], ["large"]]
    assert main(["predict", "model.npz", "new.csv", "--probabilities", "-o", "said.csv"]) == 0
    header, *answers = rows((folder / "said.csv").read_text(encoding="utf-8"))
    assert header == ["kind", "large", "small"]
    assert [answer[0] for answer in answers] == ["small", "large"]
    assert all(float(p) + float(q) == pytest.approx(1) for _, p, q in answers)


@pytest.mark.usefixtures("folder")
def test_from_a_table_of_numbers_to_answers(capsys: pytest.CaptureFixture[str]) -> None:
    learn = ["--data", "flowers.csv", "--target", "petal", "--epochs", "30"]
    assert main(["train", *learn, "--save", "model.npz"]) == 0
    said = capsys.readouterr().out
    assert "tanh-linear, quadratic" in said
    assert "flowers, numbers as targets, 30 examples" in said
    assert "(root mean square) on 10 held-back examples, R² 0." in said
    assert main(["predict", "model.npz", "flowers.csv"]) == 0
    header, *answers = rows(capsys.readouterr().out)
    assert header == ["petal"]
    assert len(answers) == 40
    assert main(["verify", *learn[:4], "--steps", "1"]) == 0
    assert "all 16 equations hold" in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data", "flowers.csv", "--target", "kid"], "there is no column 'kid' among"),
        (["train", "--data", "flowers.csv", "--sizes", "2,2"], "4 inputs and 2 classes: --sizes"),
        (["train", "--data", "none.csv"], "none.csv: No such file"),
        (["train", "--data", "gaps.csv"], "leave these rows out with --missing drop"),
        (["train", "--data", "xor", "--target", "x"], "--target is for a file of your own"),
        (["train", "--data", "xor", "--task", "regression"], "--task is for a file of your own"),
        (["predict", "none.npz", "new.csv"], "none.npz: No such file"),
        (["predict", "xor.npz", "new.csv"], "xor.npz was not trained on a table"),
        (["predict", "flowers.npz", "none.csv"], "none.csv: No such file"),
        (["predict", "flowers.npz", "gaps.csv"], "there is no column 'petal' among"),
        (["predict", "flowers.npz", "new.csv", "-o", "no/said.csv"], "no/said.csv: No such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (folder / "gaps.csv").write_text("colour,kind\nred,small\n,large\n", encoding="utf-8")
    for data in ("xor", "flowers.csv"):
        save = f"{Path(data).stem}.npz"
        assert main(["train", "--data", data, "--epochs", "1", "--save", save]) == 0
    capsys.readouterr()
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_rows_left_out_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "gaps.csv").write_text(FLOWERS + ",1,red,small\n", encoding="utf-8")
    assert main(["train", "--data", "gaps.csv", "--missing", "drop", "--epochs", "1"]) == 0
    assert capsys.readouterr().out.startswith("left out: line 42: petal is missing\n")
