"""The benchmarks run; what they measure is nobody's assertion."""

import os
import subprocess
import sys

import pytest
from support import ROOT

SAID = {"engines": "microgradnet, atomic", "lifting": "8-4-10", "ulps": "softmax_component"}
BENCHMARKS = sorted((ROOT / "tests" / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_benchmarks_run_on_tiny_sizes(path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(path), "--tiny"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert SAID.get(path.stem, "\n") in done.stdout
