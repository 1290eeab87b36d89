"""At most four units in the last place: every operation of one operand, and two derivatives."""

from __future__ import annotations

import pytest
from support.ulps import EXCEPTIONS, PROMISED, error, hard_points, unary

from microgradnet.operation import Operation

POINTS = [*hard_points()][::17]


@pytest.mark.parametrize("op", unary(), ids=lambda op: op.name)
def test_what_is_promised_at_hard_points(op: Operation) -> None:
    """Some of those that `tests/benchmarks/ulps.py` searches, and where the worst was found."""
    for order in (0, 1, 2):
        exempt = EXCEPTIONS.get((op.name, order))
        limit = exempt.limit if exempt else PROMISED
        for x in [*POINTS, *([exempt.point] if exempt else [])]:
            worst = max(error(op, x, order), error(op, -x, order))
            assert worst <= limit, f"derivative {order} of {op.name} at ±{x!r}: {worst:.3g} ulps"


def test_exceptions_are_of_operations_that_there_are() -> None:
    assert {name for name, _ in EXCEPTIONS} <= {op.name for op in unary()}
    assert all(exempt.limit > PROMISED or exempt.scale for exempt in EXCEPTIONS.values())
