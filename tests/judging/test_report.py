"""The report of a judge: table, points, notes, mistakes, JSON, with hints and without."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from microgradnet import Value
from microgradnet.drawing import draw
from microgradnet.judging import Diagnosis, Finding, Judgement, Mistake, assert_right


def picture() -> object:
    return draw(Value(1.0, label="w") * 2)


MISTAKE = Mistake(
    "transposed", "Wᵀ is forgotten", "Column k leaves neuron k.", ("W @ d", "W.T @ d"), picture
)
FINDINGS = (
    Finding("BP1", "δᴸ", "right"),
    Finding("BP1", "softmax", "convention", note="PyTorch has it too"),
    Finding("BP2", "δˡ", "wrong", "4-3-2\nnetwork", "0.5", "0.25", 4.5e15, note="in [every] layer"),
    Finding("BP2", "a long one", "raises", "x" * 60, "ValueError: \x1b[2J"),
    Finding("habits", "saturation", "absent", note="is not said"),
)
DIAGNOSIS = Diagnosis(MISTAKE, "layer 1", "∂C/∂W is 0.5 and should be 0.25.")
WRONG = Judgement("mine", "backprop", FINDINGS, (DIAGNOSIS,), seed=3, reading="as vectors")


def test_points_count_conventions_as_right_and_leave_out_what_is_absent() -> None:
    assert WRONG.points == {"BP1": (2, 2), "BP2": (0, 2)}
    assert WRONG.score == 0.5
    assert not WRONG.ok
    assert [each.of for each in WRONG.failed] == ["δˡ", "a long one"]


def test_nothing_judged_is_said_and_has_no_points() -> None:
    empty = Judgement("mine", "engine", (FINDINGS[-1],), ())
    assert (empty.ok, empty.points, empty.score) == (True, {}, 0.0)
    assert empty.verdict == (
        "Nothing was judged.\nNot there, so not judged: saturation.\nsaturation: is not said"
    )
    assert empty.title == "mine, judged as an engine"


def test_what_is_right_is_one_line() -> None:
    right = Judgement("mine", "step", FINDINGS[:1], ())
    assert right.verdict == "Right: all 1 finding.\nPoints: BP1 1 of 1."


def test_text_names_the_mistake_its_two_lines_and_its_notes() -> None:
    text = str(WRONG)
    for line in (
        "mine, judged as a backprop",
        "as vectors",
        "2 of 4 are not right: δˡ, a long one.",
        "Points: BP1 2 of 2, BP2 0 of 2.",
        "softmax: PyTorch has it too",
        "✗ Wᵀ is forgotten (layer 1)",
        "  Column k leaves neuron k. ∂C/∂W is 0.5 and should be 0.25.",
        "    − W @ d",
        "    + W.T @ d",
    ):
        assert line in text.splitlines()
    assert "\x1b" not in text and f"{'x' * 43}…" in text
    assert "4-3-2 network" in text
    assert "None of the known" not in text


def test_without_hints_no_mistake_is_named_anywhere() -> None:
    bare = Judgement("mine", "backprop", FINDINGS, (DIAGNOSIS,), hints=False)
    assert "forgotten" not in str(bare) + bare.to_json() + bare._repr_html_()
    assert bare.pictures == {}
    assert json.loads(bare.to_json())["diagnoses"] == []
    unknown = Judgement("mine", "backprop", FINDINGS, ())
    assert "None of the known mistakes predicts these numbers." in unknown.verdict


def test_an_assertion_is_the_report_or_nothing() -> None:
    assert_right(Judgement("mine", "step", FINDINGS[:1], ()))
    with pytest.raises(AssertionError) as error:
        assert_right(WRONG)
    assert str(error.value) == str(WRONG)
    with pytest.raises(TypeError, match="3 is no engine"):
        assert_right(3)


def test_a_mistake_has_its_picture() -> None:
    assert "w = 1" in WRONG.pictures["transposed"].source


def test_json_has_a_schema_and_survives_what_json_has_not() -> None:
    nan = Finding("BP3", "∂C/∂b", "wrong", "", "nan", "0.0", float("inf"))
    report = json.loads(Judgement("mine", "step", (*FINDINGS, nan), (DIAGNOSIS,)).to_json())
    assert report["schema"] == "microgradnet.judgement/1"
    assert report["points"]["BP2"] == {"right": 0, "of": 2}
    assert [each["verdict"] for each in report["findings"]][:2] == ["right", "convention"]
    assert report["findings"][-1]["ulps"] == "inf" and report["findings"][0]["ulps"] is None
    assert report["diagnoses"][0] == {
        "mistake": "transposed", "title": "Wᵀ is forgotten", "why": "Column k leaves neuron k.",
        "wrong": "W @ d", "right": "W.T @ d", "where": "layer 1",
        "evidence": "∂C/∂W is 0.5 and should be 0.25.",
    }  # fmt: skip
    assert (report["ok"], report["score"], report["seed"]) == (False, 0.333333, 0)


def test_an_operation_that_is_right_has_one_row_and_the_part_that_is_not_its_own() -> None:
    parts = ("values", "derivatives", "second derivatives")
    right = [Finding(part, "tanh", "right") for part in parts]
    wrong = [Finding("values", "exp", "right"), Finding("derivatives", "exp", "wrong", "x = 1")]
    report = Judgement("mine", "engine", (*right, *wrong), ())
    assert [line.split() for line in str(report.table).splitlines()[1:]] == [
        ["tanh", "value,", "f′,", "f″", "✓"],
        ["exp", "value", "✓"],
        ["exp", "f′", "✗", "wrong", "x", "=", "1"],
    ]


OPTIONAL = {"part", "at", "got", "right", "ulps"}


@pytest.mark.parametrize(("width", "headings"), [(200, OPTIONAL), (24, set())])
def test_a_narrow_terminal_gets_fewer_columns(width: int, headings: set[str]) -> None:
    console = Console(width=width, record=True, file=StringIO())
    console.print(WRONG)
    head = next(line for line in console.export_text().splitlines() if line.startswith("judged"))
    assert {"judged", "verdict"} <= {*head.split()}
    assert {*head.split()} & OPTIONAL == headings


def test_an_operation_that_no_mistake_explains_is_named_beside_those_explained() -> None:
    findings = (
        Finding("derivatives", "tanh", "wrong", "x = 1", "1.0", "0.5"),
        Finding("derivatives", "exp", "wrong", "x = 1", "1.0", "0.5"),
        Finding("derivatives", "log", "raises", "x = 1", "ValueError: " + "long " * 20),
    )
    explained = Diagnosis(MISTAKE, "tanh, sin", "")
    report = Judgement("a\x1bb", "engine", findings, (explained,))
    assert "None of the known mistakes predicts exp." in report.verdict
    assert "log: ValueError: long long" in report.verdict
    assert report.title == "a\ufffdb, judged as an engine"
    assert "None of" not in Judgement("a", "engine", findings, (explained,), hints=False).verdict
    everything = Diagnosis(MISTAKE, "tanh, exp", "")
    assert "None of" not in Judgement("a", "engine", findings, (everything,)).verdict


def test_lines_stand_below_each_other() -> None:
    mistake = Mistake("m", "title", "why", ("a", "b\nc"), picture)
    text = str(Judgement("a", "engine", FINDINGS, (Diagnosis(mistake, "", ""),)))
    assert "    − a\n    + b\n      c" in text
