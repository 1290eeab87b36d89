"""microgradnet judge: a process of its own, exit status, one line for what makes no sense."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from microgradnet import cli
from microgradnet.cli.judge import in_a_child

RIGHT = """
import numpy as np

print("heard by nobody")

def backprop(weights, biases, x, y):
    a = [x]
    for w, b in zip(weights, biases):
        a.append(np.tanh(a[-1] @ w.T + b))
    delta = (a[-1] - y) * (1 - a[-1] ** 2)
    nabla_b, nabla_w = [], []
    for l in range(len(weights), 0, -1):
        nabla_b.insert(0, delta.sum(axis=0))
        nabla_w.insert(0, delta.T @ a[l - 1])
        delta = (delta @ weights[l - 1]) * (1 - a[l - 1] ** 2)
    return nabla_b, nabla_w

def step(weights, biases, x, y, eta):
    nabla_b, nabla_w = backprop(weights, biases, x, y)
    m = len(x)
    return ([w - eta / m * g for w, g in zip(weights, nabla_w)],
            [b - eta / m * g for b, g in zip(biases, nabla_b)])

class Other:
    pass
"""
SOURCES = {
    "mine.py": RIGHT,
    "wrong.py": RIGHT.replace(
        "nabla_b.insert(0, delta.sum(axis=0))", "nabla_b.insert(0, 0 * delta[0])"
    ),
    "dies.py": "import os\nos._exit(3)\n",
    "waits.py": "import time\ntime.sleep(99)\n",
    "broken.py": "import nothing_of_this_name\n",
    "leaves.py": "raise SystemExit('bye')\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, source in SOURCES.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in SOURCES:
        sys.modules.pop(name.removesuffix(".py"), None)


def child(folder: Path, target: str, kind: str = "delta", **more: Any) -> dict[str, Any]:
    """What the process of its own answers, in this one."""
    place, _, name = target.rpartition(":")
    request = {
        "place": place, "name": name, "kind": kind, "options": {}, "seed": 0, "json": True,
        "hints": True, "pictures": None, "target": target, "width": 100, "colour": False,
        "result": str(folder / "answer.json"), **more,
    }  # fmt: skip
    in_a_child(json.dumps(request))
    answer: dict[str, Any] = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    return answer


def test_what_is_right_exits_0_and_what_is_wrong_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["judge", "mine.py:backprop", "--delta", "--cost", "quadratic"]) == 0
    out = capsys.readouterr().out
    assert "Right: all" in out and "tanh, quadratic cost" in out and "heard" not in out
    assert cli.main(["judge", "wrong:backprop", "--delta", "--json", "--seed", "5"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [each["mistake"] for each in report["diagnoses"]] == ["bias_gradient_zero"]
    assert (report["seed"], report["schema"]) == (5, "microgradnet.judgement/1")


@pytest.mark.parametrize(
    ("target", "seconds", "says"),
    [
        ("dies.py:backprop", "60", "status 3"),
        ("waits.py:backprop", "2", "not done after 2 seconds"),
    ],
)
def test_what_takes_the_process_with_it_is_a_finding(
    target: str, seconds: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["judge", target, "--delta", "--json", "--seconds", seconds]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["findings"][0]["verdict"] == "stopped"
    assert says in report["findings"][0]["got"] and report["kind"] == "backprop"


def test_a_step_is_judged_and_hints_can_be_switched_off(folder: Path) -> None:
    assert child(folder, "mine.py:step", "step")["ok"]
    answer = child(folder, "wrong.py:backprop", hints=False)
    assert not answer["ok"]
    assert json.loads(answer["text"])["diagnoses"] == []


def test_on_a_terminal_it_is_a_table_as_wide_as_it(folder: Path) -> None:
    answer = child(folder, "wrong.py:backprop", json=False, width=40, colour=True)
    assert "\x1b[" in answer["text"] and "the biases' gradients stay 0" in answer["text"]
    assert max(map(len, child(folder, "mine:backprop", json=False)["text"].splitlines())) <= 100


def test_pictures_are_written(folder: Path) -> None:
    child(folder, "wrong.py:backprop", pictures=str(folder / "pictures"))
    assert [path.name for path in (folder / "pictures").iterdir()] == ["bias_gradient_zero.svg"]


@pytest.mark.parametrize(
    ("target", "more", "says"),
    [
        ("mine.py:backpro", {}, "mine.py has no backpro: is it backprop?"),
        ("mine.py:Value", {}, "mine.py has no Value; it has np, backprop, step, Other"),
        ("mine.py:Other", {}, "judge_delta takes a function (weights, biases, x, y)"),
        ("mine.py:np", {"kind": "step"}, "judge_step takes a function (parameters, batch, eta)"),
        ("mine.py:Other", {"kind": "engine"}, "for a backprop add --delta, for a step --step"),
        ("mine.py:backprop", {"options": {"cost": "mse"}}, "no cost 'mse': there are quadratic"),
        ("broken.py:f", {}, "broken.py cannot be imported: ModuleNotFoundError: No module named"),
        ("leaves.py:f", {}, "leaves.py cannot be imported: SystemExit: bye"),
        ("wrong.py:backprop", {"pictures": "mine.py"}, "'mine.py' cannot be written"),
    ],
)
def test_what_cannot_be_judged_is_an_error_that_names_the_way_out(
    target: str, more: dict[str, Any], says: str, folder: Path
) -> None:
    assert says in child(folder, target, **more)["error"]


def test_an_error_of_the_child_is_one_line_and_exits_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["judge", "mine.py:Value", "--delta"]) == 2
    assert capsys.readouterr().err == (
        "microgradnet judge: error: mine.py has no Value; it has np, backprop, step, Other\n"
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--step", "--batch", "sum"], "--batch goes with --delta"),
        (["--cost", "quadratic"], "--cost goes with --delta or --step"),
        (["--output-activation", "tanh"], "--output-activation goes with --delta or --step"),
    ],
)
def test_what_goes_with_another_kind_is_one_line(
    options: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["judge", "mine.py:step", *options]) == 2
    assert says in capsys.readouterr().err


def test_an_engine_is_judged_without_an_option(folder: Path) -> None:
    answer = child(folder, "support.course_engines:ScalarGPTValue", "engine")
    assert not answer["ok"] and json.loads(answer["text"])["kind"] == "engine"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mine.py"], "'mine.py': say where it is and what, as in my_engine.py:Value"),
        ([":Value"], "say where it is"),
        (["mine.py:"], "say where it is"),
        (["mine.py:a b"], "say where it is"),
        (["absent.py:f"], "there is no file 'absent.py'"),
        (["absent_module:f"], "there is no module 'absent_module' here"),
        (["a b:f"], "'a b' is neither a module nor a file that ends in .py"),
    ],
)
def test_arguments_that_make_no_sense_are_one_line(
    arguments: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["judge", "--delta", *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1
