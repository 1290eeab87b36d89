"""What the package says of itself, and how it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from support import ROOT

BUILD = """\
import sys
from setuptools import build_meta
print(build_meta.build_editable(sys.argv[1]))
"""


def test_an_editable_installation_is_one_that_type_checkers_follow(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", "77")  # as pyproject.toml wants it
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "microgradnet", tree / "microgradnet")
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    build = [sys.executable, "-c", BUILD, str(tmp_path)]
    done = subprocess.run(build, cwd=tree, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    wheel = ZipFile(tmp_path / done.stdout.split()[-1])
    hooks = [name for name in wheel.namelist() if name.startswith("__editable__")]
    assert [name.rpartition(".")[2] for name in hooks] == ["pth"], (
        f"{hooks} hides the package from mypy and pyright"
    )
