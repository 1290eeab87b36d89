"""microgradnet train, as a person types it."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from microgradnet import MLP, cli, load, save
from microgradnet.cli import train

XOR = ["train", "--data", "xor", "--epochs", "2"]


def numbers(model: MLP) -> list[Any]:
    return [p.data for p in model.parameters()]


def test_it_tells_what_it_trains_how_it_went_and_how_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["train", "--data", "iris", "--epochs", "30"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    for said in ("4-8-3", "67 parameters", "tanh-softmax", "log_likelihood"):
        assert said in lines[0]
    for said in ("iris", "114 examples", "batches of 10", "36 held back", "η = 0.3"):
        assert said in lines[1]
    table = [line.split() for line in lines if line.split()[:1] in (["1"], ["30"])]
    assert float(table[1][1]) < float(table[0][1])  # the cost
    rows = [line.split()[1:] for line in lines[-4:-1]]
    matrix = [[0 if n == "·" else int(n) for n in row] for row in rows]
    assert [sum(row) for row in matrix] == [12, 12, 12]
    right = sum(matrix[k][k] for k in range(3))
    assert lines[-1].startswith(f"{right} of 36 held-back examples right, {100 * right / 36:.1f} %")
    assert right > 24  # more than any that has not seen the difference between two of the species


def test_what_is_saved_can_be_loaded_and_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "model.npz"
    assert cli.main([*XOR, "--save", str(place)]) == 0
    first = load(place)
    assert [layer.activation for layer in first.layers] == ["tanh", "softmax"]
    again = [*XOR, "--load", str(place), "--save", str(place), "--eta", "0"]
    assert cli.main(again) == 0
    assert numbers(load(place)) == numbers(first)
    assert f"model written to {place}" in capsys.readouterr().out


@pytest.mark.parametrize("data", ["xor", "iris"])
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_is_written(data: str, ending: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    place = tmp_path / f"picture.{ending}"
    assert cli.main(["train", "--data", data, "--epochs", "2", "--plot", str(place)]) == 0
    content = place.read_bytes()
    assert content.startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    if ending == "svg":  # titles are drawn as paths, each after a comment that says its text
        titles = set(re.findall(rb"<!-- (cost|accuracy|decision boundary) -->", content))
        assert (b"decision boundary" in titles) == (data == "xor")
        assert {b"cost", b"accuracy"} <= titles


@pytest.mark.parametrize("optimizer", ["descent", "momentum", "adam"])
@pytest.mark.parametrize("cost", ["quadratic", "hinge", "cross_entropy", "log_likelihood_from_z"])
def test_every_optimizer_with_costs_of_every_kind(optimizer: str, cost: str) -> None:
    assert cli.main([*XOR, "--optimizer", optimizer, "--cost", cost]) == 0


def test_hinge_has_the_targets_that_it_is_made_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--data", "xor", "--cost", "hinge"]) == 0
    out = capsys.readouterr().out
    assert "tanh-linear, hinge" in out
    assert "4 of 4 training examples right, 100.0 %" in out
    cost = float(next(line for line in out.splitlines() if line.split()[:1] == ["300"]).split()[1])
    assert cost < 0.5  # with targets of 0 and 1 it could not be below 1


def test_patience_goes_back_to_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", "iris", "--epochs", "99", "--patience", "1", "--eta", "3"]
    assert cli.main(["train", *options]) == 0
    assert re.search(r"stopped after epoch \d+: the cost had not been", capsys.readouterr().out)


def test_a_rate_too_large_is_one_line_that_names_epoch_and_node(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [*XOR, "--eta", "1e200", "--cost", "quadratic", "--activation", "softplus",
                 "--output-activation", "linear"]  # fmt: skip
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 1
    epoch = re.match(r"microgradnet train: error: epoch (\d), example \d: .* is the result of", err)
    assert epoch is not None
    rows = [line for line in out.splitlines() if line.split()[:1] in (["1"], ["2"])]
    assert len(rows) == int(epoch[1]) - 1  # the epochs before it are shown
    assert "smaller learning rate" in err


def test_ctrl_c_keeps_what_was_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from microgradnet.training.engines import Eager

    steps = []

    def step(self: Eager, m: int) -> bool:
        steps.append(m)
        if len(steps) == 2:
            raise KeyboardInterrupt
        return right(self, m)

    right = Eager.step
    monkeypatch.setattr(Eager, "step", step)
    place = tmp_path / "model.npz"
    assert cli.main([*XOR, "--engine", "eager", "--save", str(place)]) == 130
    assert capsys.readouterr().err.startswith("interrupted in epoch 2")
    assert load(place).sizes == [2, 8, 2]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--data", "mnist"], "mnist"),
        (["--cost", "mean"], "no cost 'mean': there are quadratic"),
        (["--activation", ""], "no activation ''"),
        (["--activation", "tan"], "no activation 'tan'"),
        (["--sizes", "4,2"], "must begin with 2"),
        (["--optimizer", "sgd"], "sgd"),
        (["--engine", "fast"], "fast"),
        (["--epochs", "0"], "at least 1"),
        (["--batch-size", "0"], "at least 1"),
        (["--patience", "0"], "at least 1"),
        (["--eta", "fast"], "fast"),
        (["--save", "model.pt"], "ends in .npz or .safetensors"),
        (["--save", "absent/model.npz"], "no folder absent"),
        (["--plot", "picture.xyz"], "picture.xyz"),
        (["--plot", "picture"], "the name ends in"),
        (["--plot", "absent/picture.png"], "no folder absent"),
        (["--load", "absent.npz"], "absent.npz: No such file"),
        (["--load", "setup.cfg"], "ends in .npz or .safetensors"),
        (["--load", "."], "'.': the name of a file ends in"),
        (["--save", "folder.npz"], "folder.npz: Is a directory"),
        (["--save", f"{'n' * 300}.npz"], "name too long"),
        (["--plot", "folder.png"], "folder.png: Is a directory"),
        (["--eta", "-1"], "-1 is negative: a learning rate is at least 0"),
        (["--output-activation", "relu"], "--output-activation sigmoid"),
        (["--cost", "cross_entropy", "--output-activation", "tanh"], "--cost cross_entropy_from_z"),
    ],
)
def test_what_makes_no_sense_is_one_line_before_anything_is_trained(
    arguments: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("folder.npz", "folder.png"):
        (tmp_path / folder).mkdir()
    if "--plot" in arguments:
        pytest.importorskip("matplotlib")
    try:
        status = cli.main([*XOR, *arguments])
    except SystemExit as stop:
        status = int(stop.code or 0)
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert named in err


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of Unix")
def test_where_one_may_not_write_it_is_said_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (kept := tmp_path / "kept.npz").write_bytes(b"kept")
    (link := tmp_path / "link.npz").symlink_to(tmp_path / "absent.npz")
    os.mkfifo(pipe := tmp_path / "pipe.npz")  # opening it would wait for a reader
    for place in (kept, link, pipe, tmp_path / "new.npz"):
        train._look_ahead(Namespace(save=place, plot=None))  # leaves all as it was
    assert kept.read_bytes() == b"kept"
    assert link.is_symlink()
    assert not (tmp_path / "new.npz").exists()

    def forbidden(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)  # root may write anywhere
    for place in (kept, tmp_path / "new.npz"):
        assert cli.main([*XOR, "--save", str(place)]) == 2
        out, err = capsys.readouterr()
        assert (out, err) == ("", f"microgradnet train: error: {place}: Permission denied\n")


def test_another_networks_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "model.npz"
    save(MLP(2, [4, 2]), place)
    assert cli.main([*XOR, "--load", str(place)]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert re.search(r"layers\.1\.weight .*\(8, 2\).* not \(4, 2\)", err)


def test_without_matplotlib_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert cli.main([*XOR, "--plot", str(tmp_path / "picture.png")]) == 2
    assert "pip install 'microgradnet[plot]'" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("data", ["iris", "xor"])
def test_the_tables_fit_the_terminal(
    data: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert cli.main(["train", "--data", data, "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= columns
    assert "…" not in out


def test_the_same_seed_trains_the_same_network(tmp_path: Path) -> None:
    models = []
    for seed in ("0", "0", "1"):
        assert cli.main([*XOR, "--seed", seed, "--save", str(tmp_path / "model.npz")]) == 0
        models.append(load(tmp_path / "model.npz"))
    assert numbers(models[0]) == numbers(models[1]) != numbers(models[2])


def test_every_data_set_has_a_course() -> None:
    assert set(train._COURSE) == {"digits", "iris", "moons", "xor"}


def test_a_training_that_fails_at_once_has_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*XOR, "--cost", "quadratic", "--output-activation", "linear", "--eta", "1e308",
                 "--batch-size", "1"]  # fmt: skip
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2  # what is trained, and how
    assert "error: epoch 1, example" in err


def test_what_cannot_be_lifted_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object) -> None:
        raise ValueError("it does not do what the model does\nat all")

    monkeypatch.setattr("microgradnet.training.fitting.Lifted", refuse)
    assert cli.main([*XOR, "--engine", "lifted"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "it does not do what the model does" in err


def test_interrupted_at_once_it_exits_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("microgradnet.training.fitting._Fitting.epoch", interrupt)
    assert cli.main([*XOR, "--save", str(place := tmp_path / "model.npz")]) == 130
    out, err = capsys.readouterr()
    assert "interrupted in epoch 1" in err
    assert "of 4 training examples right" not in out
    assert place.exists()


def test_without_safetensors_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main([*XOR, "--save", str(tmp_path / "model.safetensors")]) == 2
    assert "model.safetensors needs safetensors: pip install" in capsys.readouterr().err
