"""Load and faults: size, memory, threads, and interruptions at every point there is."""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory import alive

import microgradnet
from microgradnet import (
    MLP,
    AnomalyError,
    GradientDescent,
    Value,
    backpropagation,
    costs,
    detect_anomaly,
    exp,
    grad,
    hessian,
    lift,
    log_sum_exp,
    no_grad,
    recording,
)
from microgradnet.graph import topological_order

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
MEGABYTE = 2**20
WARM = 2_000
"""Calls after which Python 3.10 has given its functions the memory that speeds them up."""

PACKAGE = os.path.dirname(microgradnet.__file__) + os.sep


# Load


@pytest.fixture
def memory() -> Iterator[Callable[[], float]]:
    """Megabytes that Python has allocated since. The collector is off, and finds nothing."""

    def allocated() -> float:
        assert gc.collect() == 0  # no cycles; and Python's stocks of small objects are emptied
        return (tracemalloc.get_traced_memory()[0] - start) / MEGABYTE

    gc.collect()
    gc.disable()
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    yield allocated
    tracemalloc.stop()
    gc.enable()


def test_a_million_nodes_in_128_megabytes(memory):
    """And no more than a tenth of that for a pass; a node is some hundred bytes with its number."""
    x = Value(1.0)
    y = x
    for _ in range(500_000):
        y = y * x + x
    assert 60 < memory() < 128
    before = memory()
    tracemalloc.reset_peak()
    y.backward()
    after = memory()
    now, peak = tracemalloc.get_traced_memory()
    passing = (peak - now) / MEGABYTE
    assert x.grad == 500_000 * 500_001 / 2 + 500_001  # y is k + 1 after k steps
    assert after - before < 64  # the gradients' numbers, which stay
    assert passing < 12.8  # beside these
    del y
    assert memory() < 1


def test_training_does_not_grow(memory):
    """Ten thousand steps of training; ten million in the thorough profile."""
    rng = Random(0)
    w, b = Value(0.5), Value(0.0)
    descent = GradientDescent([w, b], lr=0.125)

    def train(steps: int) -> None:
        for _ in range(steps):
            x = rng.random()
            w.grad = b.grad = 0
            ((w * x + b).tanh() - x).__pow__(2).backward()
            descent.step(m=1)

    train(WARM)
    before = memory()
    train(10_000_000 if THOROUGH else 10_000)
    assert abs(memory() - before) < 4 / 1024  # four kilobytes


def test_training_a_network_does_not_grow(memory):
    model = MLP(2, [4, 2], activation="tanh", rng=Random(1))
    descent = GradientDescent(model.parameters(), lr=0.1)

    def train(steps: int) -> None:
        for _ in range(steps):
            model.zero_grad()
            forward = model.forward([0.5, -0.5])
            cost = costs.quadratic(forward.output, [1, 0])
            with detect_anomaly():
                cost.backward(create_graph=True)
            cost.backward()
            descent.step(m=1)

    train(WARM // 10)
    gc.collect()  # what was imported late left cycles
    before = memory()
    train(100)
    assert abs(memory() - before) < 8 / 1024


def test_training_by_a_lifted_program_does_not_grow(memory):
    """A thousand steps; ten million by tests/benchmarks/endurance.py."""
    w, b, x, y = (Value(n) for n in (0.5, 0.0, 1.0, 1.0))
    program = lift(((w * x + b).tanh() - y) ** 2, inputs=[x], targets=[y], parameters=[w, b])
    rng = Random(0)

    def train(steps: int) -> None:
        for _ in range(steps):
            _, gradient = program.value_and_grad([[rng.random()]], [[0.5]])
            program.parameters -= 0.125 * gradient

    train(WARM)
    gc.collect()  # what finding the matrices left
    before = memory()
    train(1_000)
    assert abs(memory() - before) < 4 / 1024


def test_higher_derivatives_leave_nothing_behind(memory):
    def f(x: Any) -> Any:
        return exp(x[0] * x[1]) + x[1].tanh() * log_sum_exp(*x)

    hessian(f)([0.5, 0.25])
    before, alive_before = memory(), alive()
    for _ in range(50):
        hessian(f)([0.5, 0.25])
        Value(0.5).tanh().backward(create_graph=True)
    assert alive() == alive_before  # without the collector, which `memory` has paused
    assert abs(memory() - before) < 64 / 1024  # Python keeps some; the graphs would take 500


def test_depth_is_no_obstacle_to_higher_derivatives():
    n = 30_000
    x = Value(Fraction(1))
    y = x
    for _ in range(n):
        y = y + x
    gradients = y.backward(create_graph=True)
    assert gradients[x].data == n + 1
    assert gradients[x].backward(create_graph=True)[x].data == 0
    assert grad(lambda x: sum((x * 0 for _ in range(n)), x))(2) == 1


# Threads


def test_threads_differentiate_watch_and_pause_each_for_itself():
    def work(seed: int) -> list[Any]:
        rng = Random(seed)
        found: list[Any] = []
        for _ in range(15):
            x = Fraction(rng.randint(1, 20), 7)
            found.append(grad(grad(lambda x: x**3 / (1 + x * x)))(x))
            v = Value(float(x))
            y = (v * v).tanh() * v
            with detect_anomaly():
                slope = y.backward(create_graph=True)[v]
                with pytest.raises(AnomalyError):
                    Value(0.0).log()
            with no_grad():
                assert (v * v).op is None
            y.backward()
            slope.backward()
            found += [slope.data, v.grad, len(topological_order([slope]))]
        return found

    want = [work(seed) for seed in range(6)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(work, range(6))) == want
    finally:
        sys.setswitchinterval(interval)
    assert recording.open_blocks == 0


# Interruptions


class Interruption:
    """Raises KeyboardInterrupt before the n-th line that the backward pass itself runs."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __enter__(self) -> Interruption:
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: Any) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: Any, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename != backpropagation.__file__:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self._trace


@pytest.mark.skipif(
    not backpropagation.__file__.endswith(".py"), reason="a compiled engine has no lines"
)
def test_after_an_interruption_anywhere_a_new_pass_is_right():
    """Stopped before each line of it in turn: leaves keep what they had, or all have it added."""
    w, x = Value(Fraction(3)), Value(Fraction(1, 2))
    cost = log_sum_exp(w * x) + (w * x) ** 3 / x - w.relu() * x
    w.data, x.data = 0.75, 0.5
    y = (w * x).tanh() * w + log_sum_exp(w, x, w * x) - (x - w).exp() / w
    for root in (cost, y):
        below = topological_order([root])
        for node in below:
            node.grad = 0
        root.backward()
        want = {node: node.grad for node in below}
        stopped = 0
        for n in range(1, 100_000):
            w.grad = x.grad = 5
            try:
                with Interruption(n):
                    root.backward()
            except KeyboardInterrupt:
                stopped += 1
                assert (w.grad, x.grad) in [(5, 5), (5 + want[w], 5 + want[x])]
            else:
                break
            w.grad = x.grad = 0  # zero_grad
            root.backward()
            assert {node: node.grad for node in below} == want
        assert stopped > 50


INSTRUCTIONS = sys.version_info[:2] != (3, 12)
"""Python 3.12 tells of some instructions at one time and not at another: there lines must do."""


class AnyInstruction(Interruption):
    """Raises KeyboardInterrupt before the n-th instruction that any function of the package runs.

    With n = 0 it only counts: `left` is then minus their number.
    """

    def _trace(self, frame: Any, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = INSTRUCTIONS
        if event == "line" or (event == "opcode" and INSTRUCTIONS):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self._trace


@pytest.mark.skipif(
    not backpropagation.__file__.endswith(".py"), reason="a compiled engine has no instructions"
)
@pytest.mark.parametrize("granularity", ["atomic", "neuron"])
@given(data=st.data())
def test_after_an_interruption_before_any_instruction_a_new_pass_is_right(granularity, data):
    """In whatever function below `backward`, after the gradients of leaves are forgotten."""
    model = MLP(2, [3, 2], activation="tanh", rng=Random(3), granularity=granularity)
    forward = model.forward([0.5, -0.25])
    cost = costs.quadratic(forward.output, [1.0, 0.0])
    below = topological_order([cost])
    cost.backward()
    want = {node: node.grad for node in below}
    with AnyInstruction(0) as counted:
        cost.backward()
    assert counted.left < -300
    n = 1 + data.draw(st.integers(0, 10**6)) * (-counted.left - 1) // 10**6
    with pytest.raises(KeyboardInterrupt), AnyInstruction(n):
        cost.backward()
    for node in below:
        assert node.op is None or node.grad in (0, want[node])
        if node.op is None:
            node.grad = 0  # zero_grad
    cost.backward()
    assert {node: node.grad for node in below} == want


def test_after_an_interruption_recording_goes_on():
    for block in (no_grad, detect_anomaly, recording.enable_grad):
        with pytest.raises(KeyboardInterrupt), block():
            raise KeyboardInterrupt
    assert recording.open_blocks == 0
    assert not recording.is_paused()
    assert recording.active_hook() is None

    def stops(x: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grad(stops)(1.0)
    assert isinstance(grad(lambda x: x * x)(1.0), float)  # no longer within a derivative
