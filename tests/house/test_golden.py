"""Golden texts: a difference is noticed, renewing is asked for, and no file is left over."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import ROOT
from support.golden import Golden

FILES = sorted((ROOT / "tests").glob("*/golden/*"))


def test_a_text_that_differs_or_was_never_kept_fails(tmp_path: Path) -> None:
    golden = Golden(tmp_path / "golden")
    with pytest.raises(pytest.fail.Exception, match=r"--renew-golden"):
        golden("sum.txt", "1 + 1 = 2\n")
    Golden(tmp_path / "golden", renew=True)("sum.txt", "1 + 1 = 2\n")
    golden("sum.txt", "1 + 1 = 2\n")
    for other in ("1 + 1 = 3\n", "1 + 1 = 2", ""):
        with pytest.raises(AssertionError, match=r"sum\.txt differs"):
            golden("sum.txt", other)


def test_a_text_is_renewed_only_where_that_is_asked_for(
    golden: Golden, pytestconfig: pytest.Config
) -> None:
    assert golden.renew is pytestconfig.getoption("--renew-golden")
    assert golden.folder == Path(__file__).parent / "golden"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_is_asked_for_by_a_test_beside_its_folder(path: Path) -> None:
    tests = "".join(p.read_text(encoding="utf-8") for p in path.parents[1].glob("test_*.py"))
    kinds = path.stem.split("_")  # golden(f"network_{zoom}.gv", ...) asks for one of each zoom
    assert path.name in tests or f"{kinds[0]}_{{" in tests, f"no test asks for {path}"
