"""The collector is paused within the block alone, however it ends; graphs are freed without it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any
from weakref import ref

import pytest

from microgradnet import (  # isort: skip
    MLP, GradientDescent, Value, collector_paused, costs, fit, linear, log_softmax, rms_norm,
    softmax,
)  # fmt: skip


@pytest.fixture(params=[True, False], ids=["running", "off"])
def running(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the collector runs before the block."""
    before = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("end", [None, ValueError, KeyboardInterrupt, GeneratorExit])
def test_it_is_put_back_however_the_block_ends(
    running: bool, end: type[BaseException] | None
) -> None:
    try:
        with collector_paused():
            with collector_paused():
                assert not gc.isenabled()
            assert not gc.isenabled()
            if end is not None:
                raise end
    except BaseException as error:
        assert type(error) is end
    assert gc.isenabled() is running


def test_blocks_that_overlap_leave_it_as_before_the_first(running: bool) -> None:
    first, second = collector_paused(), collector_paused()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert gc.isenabled() is running


@pytest.mark.parametrize("interrupted", [False, True])
def test_fit_pauses_it_while_graphs_are_made(running: bool, interrupted: bool) -> None:
    seen = []

    def cost(outputs: Any, targets: Any) -> Value:
        seen.append(gc.isenabled())
        if interrupted:
            raise KeyboardInterrupt
        return costs.quadratic(outputs, targets)

    model = MLP(2, [2, 1])
    optimizer = GradientDescent(model.parameters(), lr=0.1)
    try:
        fit(model, [[0.0, 1.0]], [[1.0]], cost=cost, optimizer=optimizer, epochs=1, engine="eager")
    except KeyboardInterrupt:
        assert interrupted
    assert seen
    assert not any(seen)
    assert gc.isenabled() is running


def test_graphs_of_lists_are_freed_without_it() -> None:
    class Witness(str):
        __slots__ = ("__weakref__",)

    with collector_paused():
        x, W = [Value(0.5), Value(1.5)], [[Value(1.0), Value(2.0)], [Value(0.0), Value(1.0)]]
        hidden = linear(rms_norm(x), W)
        witness = Witness("witness")
        alive = ref(witness)
        hidden[0].label = witness
        del witness
        cost = sum(log_softmax(softmax(hidden)), Value(0.0))
        cost.backward()
        assert alive() is not None
        del hidden, cost
        assert alive() is None


@pytest.mark.parametrize("unary", [False, True])
def test_long_chains_are_freed_again_and_again(unary: bool) -> None:
    """The benchmark `endurance.py` does so a hundred times with a million nodes."""
    with collector_paused():
        for _ in range(4):
            x = node = Value(1.0)
            for _ in range(60_000):
                node = -node if unary else node + x
            node.backward()
            assert abs(x.grad) == (1.0 if unary else 60_001.0)
            del node
