"""How hard hypothesis tries, and what happens where an oracle's library is missing.

Tests lie in folders by subject, under names that are unique. What several of them need is in
`support`, which setup.cfg puts on the path; no test module imports from another.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from microgradnet import Value
from microgradnet.operation import _TABLE

pytest.register_assert_rewrite("support")  # hence what is there is imported further down only

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=False, print_blob=True)
settings.register_profile("thorough", max_examples=2000, deadline=None, print_blob=True)
# For .ci/run, which counts the lines reached: the same examples every time, so the same lines.
settings.register_profile(
    "gate", max_examples=15, deadline=None, derandomize=True, database=None, print_blob=True
)
# For .ci/mutation: the same few examples every time, a failure is enough and need not be small.
settings.register_profile(
    "mutation", max_examples=12, deadline=None, derandomize=True, database=None,
    phases=(Phase.explicit, Phase.generate), suppress_health_check=tuple(HealthCheck),
)  # fmt: skip

_fallback = "ci" if os.environ.get("CI") == "true" else "dev"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or _fallback)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option by which golden texts are renewed."""
    parser.addoption(
        "--renew-golden", action="store_true", help="write what the tests get to the golden files"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file of that name in `golden/` beside the test."""
    from support.golden import Golden

    return Golden(request.path.parent / "golden", request.config.getoption("--renew-golden"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many hostile inputs were tried, if any were."""
    hostile = sys.modules.get("support.hostile")
    if hostile is not None and hostile.TRIED:
        each = ", ".join(f"{reader} {n:,}" for reader, n in sorted(hostile.TRIED.items()))
        terminalreporter.write_line(f"hostile inputs: {hostile.TRIED.total():,} ({each})")


@pytest.fixture(scope="session")
def require_oracle() -> Callable[[str], Any]:
    """Import a library that only judges: without it the test is skipped.

    With MICROGRADNET_REQUIRE_ORACLES set it fails instead, lest all oracles be missing and nobody
    notice.
    """

    def oracle(name: str) -> Any:
        if os.environ.get("MICROGRADNET_REQUIRE_ORACLES"):
            return importlib.import_module(name)
        return pytest.importorskip(name)

    return oracle


@pytest.fixture(autouse=True)
def own_table() -> Iterator[None]:
    """Operations declared in the test are forgotten after it, lest other tests find them."""
    before = dict(_TABLE)
    yield
    for name in _TABLE.keys() - before.keys():
        del _TABLE[name]
        if name in vars(Value):
            delattr(Value, name)


def _missing(what: str) -> None:
    """Skip the test for want of a tool, or fail where MICROGRADNET_REQUIRE_BROWSER is set."""
    if os.environ.get("MICROGRADNET_REQUIRE_BROWSER"):
        pytest.fail(what)
    pytest.skip(what)


_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium, driven by Playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("no Playwright: pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        _missing("no Chromium on the path: apt-get install chromium, or another's package of it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, which finds what in a page is not accessible; from npm."""
    npm = shutil.which("npm")
    if npm is None:
        _missing("no npm to get axe-core by")
    folder = tmp_path_factory.mktemp("axe")
    command = [str(npm), "pack", "--silent", "axe-core@4", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    packed = next(Path(folder).glob("*.tgz"), None)
    if packed is None:
        _missing(f"npm cannot get axe-core: {done.stderr.strip()[-300:]}")
    with tarfile.open(packed) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()
