"""Engines are judged at a part of the table's points where a module of tests asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fewer_points import fewer

from microgradnet.judging import rules


@pytest.fixture(scope="module")
def fewer_points() -> Iterator[None]:
    """Leave out points for as long as a module's tests take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "right_values", fewer)
        yield
