"""How hard hypothesis tries, and what happens where an oracle's library is missing."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings

from microgradnet import Value
from microgradnet.operation import _TABLE

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=False, print_blob=True)
settings.register_profile("thorough", max_examples=2000, deadline=None, print_blob=True)

_fallback = "ci" if os.environ.get("CI") == "true" else "dev"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or _fallback)


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


@pytest.fixture
def own_table() -> Iterator[None]:
    """Operations declared in the test are forgotten after it, lest other tests find them."""
    before = dict(_TABLE)
    yield
    for name in _TABLE.keys() - before.keys():
        del _TABLE[name]
        if name in vars(Value):
            delattr(Value, name)
