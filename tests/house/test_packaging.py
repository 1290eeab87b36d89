"""What the package says of itself, and how it is installed."""

from __future__ import annotations

import json
from importlib.metadata import distributions

import pytest
from support import ROOT


def test_an_editable_installation_is_one_that_type_checkers_follow() -> None:
    wanted = {"dir_info": {"editable": True}, "url": ROOT.as_uri()}
    installed = next(
        (
            found
            for found in distributions(name="microgradnet")
            if json.loads(found.read_text("direct_url.json") or "{}") == wanted
        ),
        None,
    )
    if installed is None:
        pytest.skip("this tree is not installed by pip install -e")
    names = [file.name for file in installed.files or () if file.name.startswith("__editable__")]
    assert [name.rpartition(".")[2] for name in names] == ["pth"], (
        f"{names} hides the package from mypy and pyright: pip install -e . again"
    )
