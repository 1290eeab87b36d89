"""The command line, as a person types it: output, exit status, and one line for a mistake."""

import io
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys

import pytest

from microgradnet import cli, delta
from microgradnet.drawing import _LIMITS

SMALL = ["verify", "--data", "xor", "--sizes", "2,3,2", "--steps", "1"]


def run(*arguments, **environment):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "microgradnet", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        timeout=120,
    )


def test_without_options_it_verifies_digits_and_exits_0():
    done = run("verify")
    assert done.returncode == 0
    assert "64-16-10" in done.stdout
    assert "32 examples" in done.stdout
    assert "✗" not in done.stdout
    assert "The same numbers, within rounding" in done.stdout
    assert done.stderr == ""


def test_exact_is_exact(capsys):
    assert cli.main([*SMALL, "--exact", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["exact"] is True
    assert report["ok"] is True
    for row in report["rows"]:
        assert row["bound"] == row["difference"] == (row["end_to_end"] or 0) == 0


@pytest.mark.parametrize("data", ["digits", "iris", "moons", "xor"])
def test_every_data_set_by_its_defaults(data, capsys):
    assert cli.main(["verify", "--data", data, "--examples", "2", "--steps", "1"]) == 0
    assert "hold" in capsys.readouterr().out


@pytest.mark.parametrize("cost", delta.COSTS)
def test_every_cost_by_its_own_output_activation(cost, capsys):
    assert cli.main([*SMALL, "--cost", cost]) == 0
    assert cost in capsys.readouterr().out


def test_a_wrong_equation_exits_1_and_its_row_says_so(monkeypatch, capsys):
    right = delta.hidden_error
    monkeypatch.setattr(delta, "hidden_error", lambda *inputs: right(*inputs) * (1 + 1e-9))
    assert cli.main(SMALL) == 1
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if "✗" in line and "δ¹ = " in line]
    assert "NOT the same" in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "VERB"),
        (["frobnicate"], "frobnicate"),
        (["verify", "--data", "mnist"], "mnist"),
        (["verify", "--sizes", "64,ten"], "64,ten"),
        (["verify", "--sizes", "64"], "64"),
        (["verify", "--sizes", "64,99999999,10"], "a network of more than"),
        (["verify", "--data=--"], "--data=--: -- is no value"),
        (["verify", "--sizes", "64,0,10"], "64,0,10"),
        (["verify", "--sizes", "32,16,10"], "must begin with 64"),
        (["verify", "--activation", "tan"], "'tan'"),
        (["verify", "--activation", "softmax"], "softmax"),
        (["verify", "--cost", "mean"], "'mean'"),
        (["verify", "--examples", "0"], "at least 1"),
        (["verify", "--examples", "99999"], "99999"),
        (["verify", "--examples", "two"], "two"),
        (["verify", "--steps", "-1"], "at least 0"),
        (["verify", "--eta", "fast"], "fast"),
        (["verify", "--eta", "1/0"], "1/0"),
        (["verify", "--eta", "nan"], "nan"),
        (["verify", "--eta", "1e400"], "largest float"),
        (["verify", "--exact", "--steps", "3"], "2 at most"),
        (["verify", "--exact", "--activation", "sigmod"], "no activation 'sigmod'"),
        (["verify", "--activation", ""], "no activation ''"),
        (
            ["verify", "--cost", "cross_entropy_from_z", "--output-activation", "sigmoid"],
            "--output-activation linear",
        ),
        (["verify", "--cost", "cross_entropy", "--output-activation", "tanh"], "between 0 and 1"),
        *(
            ([verb, "--seed", "x"], "'x' is no seed: give a whole number, as in 7")
            for verb in ("verify", "train", "draw", "explore")
        ),
        (["verify", "--exact", "--activation", "sigmoid"], "sigmoid is not rational"),
        (["verify", "--exact", "--cost", "cross_entropy"], "cross_entropy is not rational"),
        (
            ["verify", "--no-such-option"],
            "microgradnet verify: error: there is no option --no-such",
        ),
        (
            ["verify", "--step", "2"],
            "no option --step: is it --steps? (see microgradnet verify --help",
        ),
        (["verify", "more"], "unrecognized arguments: more"),
        (["explore", "--otput=a.html"], "no option --otput: is it --output?"),
        (["train", "--activation", "softmax"], "the output: --output-activation softmax"),
        (["lift", "--activation", "softmax"], "the output: --output-activation softmax"),
        (["draw", "--sizes", "2,2,1", "--activation", "softmax"], "take another, or one layer"),
        (["train", "--lr", "0.1"], "no option --lr: is it --eta?"),
        (["train", "--loss=hinge"], "no option --loss: is it --cost?"),
        (["explore", "--samples=2"], "no option --samples: is it --example?"),
        (["explore", "--lr", "0.1"], "no option --lr (see microgradnet explore --help)"),
        (["draw", "-w*x", "w=1", "x=2"], "an expression that begins with - in brackets"),
        (["draw"], "give an expression"),
        (["draw", "x", "x=1", "--sizes", "2,1"], "not both"),
        (["draw", "x^2", "x=1"], "'x^2': a power is written **"),
        (["lift", "x", "x=1"], "'x' has no operation on a name"),
        (["lift", "2*3"], "'2*3' has no operation on a name"),
        (["draw", "tanh(w*x"], "no expression"),
        (["draw", "x.real", "x=1"], "'x.real' is no arithmetic"),
        (["draw", "tanh(w*x)", "w=1"], "x has no number: give x=..."),
        (["draw", "x", "x=one"], "'x=one': give a number"),
        (["draw", "x", "x=1/0"], "'x=1/0': give a number"),
        (["draw", "x", "x"], "numbers are given as in w=0.5"),
        (["draw", "x", "x=1", "x=2"], "x is given twice"),
        (["draw", "x", "x=1", "--highlight", "y"], "there are x"),
        (["draw", "x", "x=1", "-o", "x.odf"], "ends in no format"),
        (["draw", "x", "x=1", "-o", "nowhere/x.svg"], "nowhere/x.svg: No such file"),
        (["draw", "--sizes", "2"], "'2'"),
        (["draw", "--sizes", "2,1", "--activation", "tan"], "'tan'"),
        (["draw", "--sizes", "64,100,10", "--zoom", "scalar"], "more than 2,000 nodes"),
    ],
)
def test_arguments_that_make_no_sense_are_one_line_and_exit_2(arguments, named, capsys):
    try:
        status = cli.main(arguments)
    except SystemExit as stop:
        status = stop.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert named in err
    assert "error" in err


def test_the_command_and_the_module_are_one(monkeypatch, capsys):
    mistake = run("verify", "--data", "mnist")
    monkeypatch.setattr(sys, "argv", ["microgradnet", "verify", "--data", "mnist"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("microgradnet", run_name="__main__")
    assert stop.value.code == mistake.returncode == 2
    assert capsys.readouterr().err == mistake.stderr != ""
    assert runpy.run_module("microgradnet", run_name="microgradnet.__main__")["main"] is cli.main


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "microgradnet: interrupted\n"),
        (OSError(28, "No space left"), 2, "microgradnet draw: error: [Errno 28] No space left\n"),
    ],
)
def test_what_may_happen_at_any_time(raised, status, said, monkeypatch, capsys):
    def happen(*arguments, **options):
        raise raised

    monkeypatch.setattr("microgradnet.drawing.draw", happen)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert cli.main(["draw", "x", "x=1"]) == status
    assert capsys.readouterr().err == said


def test_a_reader_that_has_left_is_no_mistake(monkeypatch):
    def leave(*arguments, **options):
        raise BrokenPipeError

    monkeypatch.setattr("microgradnet.drawing.draw", leave)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert cli.main(["draw", "x", "x=1"]) == 0
    assert sys.stderr.closed  # nothing is said at exit either


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_sees_how_far_it_is(monkeypatch, capsys):
    from rich.progress import Progress

    done = []
    real = Progress.update

    def update(self, task, **given):
        real(self, task, **given)
        done.append((self.tasks[0].completed, self.tasks[0].total))

    monkeypatch.setattr(Progress, "update", update)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert cli.main(SMALL) == 0
    assert done and done[-1][0] == done[-1][1] > 0
    assert "verifying" in terminal.getvalue()


def test_what_drawing_advises_is_said_in_options(capsys, monkeypatch):
    cases = [
        (["--sizes", "64,16,10", "--zoom", "scalar"], "scalar zoom: take --zoom neuron or --zoom"),
        (["x*y", "x=1", "y=2", "--zoom", "neuron"], "in this graph: draw it with --zoom scalar"),
        (["x", "x=1", "--renderer", "dot", "-o", "a.svg"], "or leave --renderer dot out"),
    ]
    monkeypatch.setattr("shutil.which", lambda program: None)
    for arguments, advice in cases:
        assert cli.main(["draw", *arguments]) == 2
        err = capsys.readouterr().err
        assert advice in err
        assert "='" not in err and "=..." not in err and "max_nodes" not in err
    monkeypatch.setattr("microgradnet.drawing._LIMITS", dict.fromkeys(_LIMITS, 20))
    assert cli.main(["draw", "--sizes", "2,3,1", "--zoom", "layer"]) == 2
    assert capsys.readouterr().err.endswith("too many for the layer zoom: give smaller --sizes\n")


def test_json_has_every_row_and_nothing_else_on_standard_output():
    done = run(*SMALL, "--json")
    report = json.loads(done.stdout)
    assert {row["equation"] for row in report["rows"]} == {
        "forward", "cost", "BP1", "BP2", "BP3", "BP4", "chain", "update",
    }  # fmt: skip
    assert done.returncode == 0


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_the_table_fits_the_terminal(columns):
    done = run(*SMALL, COLUMNS=str(columns))
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= columns
    assert "δ¹ = ((W²)ᵀ δ²) ⊙ σ′(z¹)" in done.stdout
    assert "…" not in done.stdout


def test_piped_output_is_plain():
    assert "\x1b" not in run(*SMALL).stdout


def test_the_same_seed_gives_the_same_report():
    assert run(*SMALL, "--seed", "7").stdout == run(*SMALL, "--seed", "7").stdout
    assert run(*SMALL, "--seed", "7").stdout != run(*SMALL, "--seed", "8").stdout


def test_help_names_every_activation_and_cost():
    words = set(re.findall(r"\w+", run("verify", "--help").stdout))
    assert {*delta.ACTIVATIONS, *delta.COSTS} <= words


def test_draw_writes_a_picture_of_an_expression(tmp_path):
    target = tmp_path / "neuron.svg"
    done = run("draw", "tanh(w*x + b)", "w=0.5", "x=2", "b=-1", "-o", str(target))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{target}: the scalar zoom\n"
    assert "grad 2" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize("before", [0, 1, 2])
def test_numbers_may_stand_on_both_sides_of_an_option(before, tmp_path):
    target, numbers = tmp_path / "product.gv", ["w=2", "x=3"]
    arguments = ["draw", "w*x", *numbers[:before], "-o", str(target), *numbers[before:]]
    assert cli.main(arguments) == 0
    assert "w = 2" in target.read_text(encoding="utf-8")


def test_draw_without_a_file_prints_the_text(capsys):
    assert cli.main(["draw", "x/3", "x=1/2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("digraph {\n")
    assert 'label="x = 1/2\\ngrad 1/3"' in out


def test_draw_highlights_the_paths_of_a_name(capsys):
    assert cli.main(["draw", "x*x + w", "x=2", "w=1", "--highlight", "x"]) == 0
    assert "∂C/∂x" in capsys.readouterr().out


def test_the_network_that_is_drawn_has_a_class_for_its_target(capsys):
    assert cli.main(["draw", "--sizes", "2,3,2", "--zoom", "neuron"]) == 0
    drawn = capsys.readouterr().out
    assert "y1 = 1\\n" in drawn
    assert "y2 = 0\\n" in drawn


@pytest.mark.parametrize("zoom", ["scalar", "neuron", "layer"])
def test_draw_writes_a_picture_of_a_network(zoom, tmp_path, capsys):
    target = tmp_path / "net.png"
    assert cli.main(["draw", "--sizes", "2,3,1", "--zoom", zoom, "-o", str(target)]) == 0
    assert target.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == f"{target}: the {zoom} zoom\n"


def test_help_and_version():
    for arguments in (["--help"], ["verify", "--help"]):
        done = run(*arguments)
        assert done.returncode == 0
        assert "verify" in done.stdout
    assert run("--version").stdout.startswith("microgradnet 0.")


@pytest.mark.parametrize("verb", ["verify", "train", "draw", "explore", "lift", "judge"])
def test_the_help_fits_80_columns(verb):
    done = run(verb, "--help", COLUMNS="80")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_help_has_an_example_of_every_verb_which_its_parser_takes():
    parser = cli._parser()
    verbs = next(a for a in parser._actions if a.dest == "==SUPPRESS==" or a.choices).choices
    examples = parser.format_help().partition("examples:\n")[2].splitlines()
    assert [line.split()[:2] for line in examples] == [["microgradnet", verb] for verb in verbs]
    for line in examples:
        parser.parse_args(shlex.split(line)[1:])


def test_a_terminal_that_knows_no_unicode_still_gets_a_report():
    done = run(*SMALL, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("head") is None, reason="a program of Unix")
def test_a_reader_that_stops_early_sees_no_traceback():
    done = subprocess.run(
        f"{sys.executable} -m microgradnet verify --data xor --json | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize(
    "arguments", [SMALL, [*SMALL, "--json"], ["draw", "w*x", "w=1", "x=2"], ["lift"]]
)
def test_standard_output_on_a_full_disk_is_one_line_and_exit_2(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "microgradnet", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert f"microgradnet {arguments[0]}: error: [Errno 28] No space left" in done.stderr


def test_a_network_of_too_many_parameters_is_refused(capsys):
    with pytest.raises(SystemExit):
        cli.main(["verify", "--sizes", "2,99999999999,2"])
    assert "a network of more than 1,000,000 parameters" in capsys.readouterr().err
