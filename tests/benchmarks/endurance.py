"""Whether training grows: millions of steps, with the memory that Python and the process hold.

One neuron learns a line, first by the matrix program that `lift` finds, then node by node. Blocks
are what Python's own allocator has given out, exactly; RSS what the system has given the process.
After the first hundredth of the steps neither should grow, but for the blocks of this table itself,
one a row. `--steps` says how many.

Then a chain of a million nodes is made, differentiated and freed a hundred times: freeing must
not recurse, whatever the chain is made of, nor wait for the collector, which is off.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

from microgradnet import GradientDescent, Value, collector_paused, lift, linear, total

STATM = Path("/proc/self/statm")


def rss() -> float:
    """Megabytes of the process now; where the system does not say, the most it ever had, or NaN."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20
    try:
        import resource
    except ImportError:  # on Windows
        return math.nan
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def lifted() -> Callable[[int], float]:
    """Steps by the lifted program, an example each; what they return is the last cost."""
    w, b, x, y = (Value(n) for n in (0.5, 0.0, 1.0, 1.0))
    program = lift(((w * x + b).tanh() - y) ** 2, inputs=[x], targets=[y], parameters=[w, b])
    X, Y, gradient = np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(2)
    rng = Random(0)

    def train(steps: int) -> float:
        for _ in range(steps):
            X[0, 0] = rng.random()
            Y[0, 0] = X[0, 0] / 2
            costs, _ = program.value_and_grad(X, Y, out=gradient)
            program.parameters -= 0.125 * gradient
        return float(costs[0])

    return train


def eager() -> Callable[[int], float]:
    """The same steps node by node."""
    w, b = Value(0.5), Value(0.0)
    descent = GradientDescent([w, b], lr=0.125)
    rng = Random(0)

    def train(steps: int) -> float:
        for _ in range(steps):
            x = rng.random()
            w.grad = b.grad = 0
            cost = ((w * x + b).tanh() - x / 2) ** 2
            cost.backward()
            descent.step(m=1)
        return float(cost.data)

    return train


def chains(nodes: int, times: int) -> None:
    """Make chains of nodes and free them, and say what is held then."""
    kinds: dict[str, Callable[[Value, Value], Value]] = {
        "one parent": lambda node, x: -node,
        "two parents": lambda node, x: node + x,
        "a list of parents": lambda node, x: total(node, x, x),
        "a row of a matrix": lambda node, x: linear([node], [[x]])[0],
    }
    gc.collect()
    with collector_paused():
        for name, link in kinds.items():
            began, blocks = time.perf_counter(), 0
            for turn in range(times):
                x = node = Value(1.0)
                for _ in range(nodes):
                    node = link(node, x)
                node.backward()
                del node, x
                if turn == 0:
                    blocks = sys.getallocatedblocks()
            more, taken = sys.getallocatedblocks() - blocks, time.perf_counter() - began
            print(f"{times} chains of {nodes:,} nodes of {name}: {more:+,} blocks, {taken:.0f} s")


def run(name: str, train: Callable[[int], float], steps: int) -> None:
    """Train, and say at the start and ten times after it what is held."""
    began, done, first = time.perf_counter(), 0, 0
    print(f"{name}\n{'steps':>12}  {'blocks':>8}  {'RSS, MB':>8}  {'seconds':>8}  {'cost':>8}")
    for part in (steps // 100, *[steps * k // 10 for k in range(1, 11)]):
        cost = train(max(part - done, 1))
        done = max(part, 1)
        gc.collect()
        blocks = sys.getallocatedblocks()
        first = first or blocks
        taken = time.perf_counter() - began
        print(f"{done:12,}  {blocks:8,}  {rss():8.2f}  {taken:8.0f}  {cost:8.1e}", flush=True)
    print(f"{blocks - first:+,} blocks since the first hundredth\n")


def main() -> None:
    """Both ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000_000, help="default: ten million")
    parser.add_argument("--tiny", action="store_true", help="a thousand, to see that it runs")
    options = parser.parse_args()
    steps = 1_000 if options.tiny else options.steps
    run("lifted program", lifted(), steps)
    run("node by node", eager(), steps)
    chains(*((1000, 3) if options.tiny else (1_000_000, 100)))


if __name__ == "__main__":
    main()
