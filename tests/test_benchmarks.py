"""The benchmarks run; what they measure is nobody's assertion."""

import runpy
import sys
from pathlib import Path

import pytest

SAID = {"engines": "microgradnet, atomic", "lifting": "784-30-10", "ulps": "softmax_component"}
BENCHMARKS = sorted((Path(__file__).parent / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")  # peers may warn
def test_benchmarks_run_on_tiny_sizes(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(path), "--tiny"])
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    assert SAID.get(path.stem, "\n") in printed
