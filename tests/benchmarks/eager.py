"""The eager engine's promises in figures: `python tests/benchmarks/eager.py` prints them.

Each line is a ratio of processor times in alternation, a median. The program of scalars is that of
`tests/support/scalar_gpt.py`, a process for each engine. Where the engine is compiled, the figures
are of that, and the first line says so.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import microgradnet as mg
from microgradnet import Value, collector_paused, no_grad, total, weighted_input
from microgradnet.engine import COMPILED

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.scalar_gpt import Program, Scalar, softmax  # found by the line above

PROGRAMS: dict[str, Callable[[], Program]] = {
    "its own class": lambda: Program(Scalar),
    "Value": lambda: Program(Value),
    "Value, public linear": lambda: Program(Value, mg.linear),
    "Value, public linear, softmax, rms_norm": lambda: Program(
        Value, mg.linear, mg.softmax, mg.rms_norm
    ),
}


def seconds(function: Callable[[], Any]) -> float:
    """The processor's seconds that a call takes, with the freeing of what it gives."""
    start = time.process_time()
    result = function()
    del result
    return time.process_time() - start


def ratio(slow: Callable[[], Any], fast: Callable[[], Any], rounds: int) -> float:
    """How many times as long the first takes as the second."""
    pairs = []
    for _ in range(rounds):
        pairs.append((seconds(slow), seconds(fast)))
    return median(a / b for a, b in pairs)


def chain(nodes: int) -> Value:
    """A graph of so many sums and products."""
    x, y = Value(1.0), Value(1e-9)
    node = x
    for _ in range(nodes // 2):
        node = node * x + y
    return node


def step(nodes: int) -> None:
    """Make a graph and differentiate it."""
    chain(nodes).backward()


def softmaxes(function: Callable[[list[Value]], list[Value]], n: int) -> Callable[[], None]:
    """Softmaxes of n, forward and backward, as many as make ten thousand components."""
    z = [Value(k % 7 - 3.0) for k in range(n)]

    def run() -> None:
        for _ in range(max(1, 2_000 // n)):
            total(*function(z)).backward()

    return run


def products(function: Callable[..., Value], backward: bool) -> Callable[[], None]:
    """Weighted inputs of 16 terms."""
    w, x, b = [Value(0.1 * k) for k in range(16)], [Value(0.3 * k) for k in range(16)], Value(0.5)
    made = function(w, x, b)

    def run() -> None:
        for _ in range(100):
            made.backward() if backward else function(w, x, b)

    return run


def within(function: Callable[[], Any], block: Callable[[], Any]) -> Callable[[], Any]:
    """The function, called in a block."""

    def run() -> Any:
        with block():
            return function()

    return run


def written_out(w: Sequence[Any], x: Sequence[Any], b: Any) -> Any:
    """The weighted input by operators."""
    return sum((a * c for a, c in zip(w, x, strict=True)), b)


def _serve(connection: Connection, name: str) -> None:
    sys.setrecursionlimit(1_000_000)  # the peer's backward recurses
    program = PROGRAMS[name]()
    while connection.recv():
        connection.send((seconds(program.step), program.loss().data))


def programs(rounds: int) -> dict[str, float]:
    """How many times as fast as with its own class the program is with each other."""
    context = get_context("spawn")
    running = []
    for name in PROGRAMS:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, name), daemon=True)
        process.start()
        running.append((name, process, ours))
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        losses = []
        for name, _, connection in running:
            connection.send(True)
            taken, loss = connection.recv()
            times[name].append(taken)
            losses.append(float(loss))
        if max(losses) - min(losses) > 1e-9:
            raise SystemExit(f"the programs compute the losses {losses}")
    for _, process, connection in running:
        connection.send(False)
        process.join()
    own, *others = times
    return {
        name: median(a / b for a, b in zip(times[own], times[name], strict=True)) for name in others
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="small sizes: does it run at all?")
    tiny = parser.parse_args().tiny
    rounds, nodes = (1, 1_000) if tiny else (15, 100_000)
    print(f"the engine is {'compiled' if COMPILED else 'pure Python'}")
    for name, times in programs(rounds).items():
        print(f"{times:6.2f} × as fast: the scalar GPT with {name}, to its own class")
    gc.collect()
    taken = median(seconds(lambda: step(nodes)) for _ in range(rounds)) / nodes * 1e9
    print(f"{taken:6.0f} ns a node: {nodes:,} nodes, forward and backward, as run")
    paused = within(lambda: step(nodes), collector_paused)
    print(f"{ratio(lambda: step(nodes), paused, rounds):6.2f} × the time: as run, to paused")
    for n in (4, 27, 400):
        found = ratio(softmaxes(softmax, n), softmaxes(mg.softmax, n), rounds)
        print(f"{found:6.2f} × as fast: softmax of {n}, to the one written out")
    in_block = within(lambda: chain(nodes), no_grad)
    print(f"{ratio(lambda: chain(nodes), in_block, rounds):6.2f} × as fast: no_grad, to recording")
    for backward in (False, True):
        found = ratio(products(written_out, backward), products(weighted_input, backward), rounds)
        way = "backward" if backward else "forward"
        print(f"{found:6.2f} × as fast: weighted_input of 16 terms, {way}, to the operators")


if __name__ == "__main__":
    main()
