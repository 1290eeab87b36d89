"""Scalar engines side by side: `python tests/benchmarks/engines.py` prints the tables.

The step is the training step of micrograd's demo: 2-16-16-1, relu, hinge cost over 100 points, an
L2 term; forward and backward, without the update. Every engine computes the same cost from the
same weights; a disagreement is an error. As run: the garbage collector works as it does for a
user. Paused: it is off during the step. Times are the processor's, so that what other processes
take is not counted. All engines take turns within one run, and the figures are medians, the ratios
those of pairs of neighbours in time, for machines are noisy; compare the ratios, not the
milliseconds.

Peers that are not installed are left out: `pip install -e ".[bench]"` brings micrograd, autograd
and CasADi; PyTorch is taken along where it is there. Installed with MICROGRADNET_COMPILE=1, the
rows of microgradnet are those of the compiled engine, and say so.

What was predicted and what came of it, on CPython 3.11, each pair measured in one run:

- No closures, hence no cycles (predicted: the collector's share, nine tenths of micrograd's step,
  falls away): as run the step became 4.7 times faster, paused 2.2 times.
- Parents in two slots rather than in a tuple of their own (predicted: a third of the memory, half
  of what the collector walks): 141 to 99 bytes a node; as run 1.8 times faster, paused no change.
- Marks in `grad` rather than a set of the nodes seen (predicted: a quarter of backward): backward
  1.2 times faster, its passing memory 10 bytes a node instead of 41.
- No `__getattr__` on Value (found, not predicted: a class that has one pays for it at every read
  of an attribute, since the interpreter stops specialising them): backward 1.8 times faster.
- The sums and products of a neuron made in one loop, without a call of an operator for each
  (predicted: a third of forward): forward 1.6 times faster, 27 to 17 ms.
- The products' done-ness seen from the sum above them in the sorting, one list for leaves that
  have no gradient yet (predicted: a fifth of backward): 28 to 23 ms.
- Vectors of operands that a layer shares, their products summed entry by entry once all adjoints
  are there (predicted: neurons as nodes 4 times faster): 49 to 16 ms paused. Adding each product
  as it comes, the other way, took 78 ns a product where the sum of a column takes 36.
- `zip(strict=True)` (found): the keyword costs 0.3 µs a call, as much as a node; hence the loops
  that are not strict where the lengths have been compared.
- Sums of products written out for each length, and a layer's weighted inputs made in one loop
  (predicted: a third of forward): neurons as nodes 8.9 to 6.6 ms forward, 7.7 to 6.5 backward.
- The z below an activation done without a detour in the sorting (predicted: a twentieth of
  backward): 2.35 to 2.02 ms of the sorting of neurons.
- mypyc (predicted: 1.6 to 2 times): the atomic step 2.2 times faster, backward 3.5 times, once the
  parents had static types and the operations on the way were Final; before that backward gained
  nothing. Neurons as nodes gain 1.3 times: the time is in `sum` and `map`, which are C already.
  These last five compare separate runs, each beside micrograd.
- A variant's functions as copies with other defaults rather than partials, leaves sorted without a
  detour (predicted: a twentieth of the expression): 35.3 to 33.8 µs.
- Tried and left: one look at the result's kind instead of two at the operands' (5 %, but rationals
  would be added twice); one branch of backward for each of + and × (7 % of backward, within the
  noise, for twice the lines); rows whose adjoint is 0 left out of a vector's sums (nothing: the
  check that no infinity is lost costs what it saves); all rows of a layer in one written-out sum
  (nothing); nodes of a subclass without `__init__`, made in three quarters of the time (the
  expression 7 % slower: two types at one place undo the interpreter's specialising). A profile by
  lines of the expression is flat: no line has more than 3 %, the making of nodes 12 % in all.
  Reckoned, not tried: a number for each node in the order of making, to sort by.
- How far pure Python could go: an engine of bare slots, thrown away after measuring, without kinds
  of numbers, IEEE, labels or a second backward pass that adds, recursive, took the expression 3.0
  times faster than micrograd; one with neurons as nodes, a tape instead of sorting and no nodes for
  the L2 term, the step 13 times, paused. What is held beyond that costs the rest.

What is left, by a sampling profile of lines (py-spy), the collector paused: of the atomic step 36 %
is the making of nodes (half of that `object.__new__` and six slots), 18 % sorting, 30 % passing on,
9 % freeing. Of the step of neurons: 22 % products, 30 % making nodes, 15 % sorting, 15 % passing
on, 8 % reading the numbers of a layer, 5 % labels. No line of Python has more than a twentieth.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import subprocess
import sys
import time
import timeit
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from microgradnet import MLP, Value, datasets, lift
from microgradnet.engine import COMPILED
from microgradnet.graph import topological_order

SIZES = (2, 16, 16, 1)
BUILD = ", compiled" if COMPILED else ""
ATOMIC, NEURON = OURS = (f"microgradnet, atomic{BUILD}", f"microgradnet, neuron{BUILD}")


@dataclass(frozen=True)
class Problem:
    """Points, labels ±1, and the weights and biases all engines begin with."""

    X: list[list[float]]
    y: list[float]
    layers: list[list[tuple[list[float], float]]]


def problem(examples: int) -> Problem:
    """Moons, and weights uniform on [−1, 1]."""
    data = datasets.moons(n=examples, test_fraction=0.0).train
    rng = random.Random(1)
    layers = [
        [([rng.uniform(-1, 1) for _ in range(n_in)], 0.0) for _ in range(n_out)]
        for n_in, n_out in pairwise(SIZES)
    ]
    return Problem(data.X.tolist(), (2.0 * data.labels - 1).tolist(), layers)


@dataclass
class Engine:
    """How an engine does the step: forward gives the cost, backward its gradients."""

    forward: Callable[[], Any]
    backward: Callable[[Any], None]
    number: Callable[[Any], float]


def total_cost(
    score: Callable[[Sequence[Any]], Any],
    parameters: Sequence[Any],
    relu: Callable[[Any], Any],
    problem: Problem,
) -> Any:
    """Mean hinge cost plus the L2 term, as micrograd's demo writes them."""
    losses = [relu(1 + -y * score(x)) for x, y in zip(problem.X, problem.y, strict=True)]
    return sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in parameters)


def by_loops(
    problem: Problem,
    scalar: Callable[[float], Any],
    relu: Callable[[Any], Any],
    backward: Callable[[Any], None],
    number: Callable[[Any], float],
    zero_grad: Callable[[Any], None],
) -> Engine:
    """An engine of scalars, its network written as loops over + and ×."""
    layers = [[([scalar(w) for w in ws], scalar(b)) for ws, b in layer] for layer in problem.layers]
    parameters = [p for layer in layers for ws, b in layer for p in (*ws, b)]

    def score(x: Sequence[float]) -> Any:
        a: list[Any] = [scalar(v) for v in x]
        for k, layer in enumerate(layers):
            z = [sum((w * v for w, v in zip(ws, a, strict=True)), b) for ws, b in layer]
            a = z if k == len(layers) - 1 else [relu(v) for v in z]
        return a[0]

    def forward() -> Any:
        for parameter in parameters:
            zero_grad(parameter)
        return total_cost(score, parameters, relu, problem)

    return Engine(forward, backward, number)


def network(problem: Problem, granularity: str) -> MLP:
    """Our own MLP, with the problem's weights and biases."""
    model = MLP(SIZES[0], SIZES[1:], granularity=granularity)
    for l, layer in enumerate(problem.layers, 1):
        model.weights[l] = [ws for ws, _ in layer]
        model.biases[l] = [b for _, b in layer]
    return model


def by_network(problem: Problem, granularity: str) -> Engine:
    """Our own MLP."""
    model = network(problem, granularity)
    parameters = model.parameters()

    def forward() -> Value:
        model.zero_grad()
        cost: Value = total_cost(model, parameters, Value.relu, problem)
        return cost

    return Engine(forward, Value.backward, float)


def by_micrograd(problem: Problem) -> Engine:
    """Values of micrograd, in the same loops."""
    from micrograd.engine import Value as Peer

    return by_loops(
        problem, Peer, lambda v: v.relu(), lambda v: v.backward(),
        lambda v: float(v.data), lambda p: setattr(p, "grad", 0),
    )  # fmt: skip


def by_tensors(problem: Problem) -> Engine:
    """PyTorch's tensors of no dimension, in the same loops."""
    import torch

    return by_loops(
        problem, lambda x: torch.tensor(x, dtype=torch.float64, requires_grad=True),
        torch.relu, lambda v: v.backward(), lambda v: v.item(),
        lambda p: setattr(p, "grad", None),
    )  # fmt: skip


def by_tape(problem: Problem) -> Engine:
    """HIPS autograd on Python floats: a gradient is a function, which runs the cost by itself."""
    from autograd import value_and_grad

    flat = [p for layer in problem.layers for ws, b in layer for p in (*ws, b)]

    def cost(flat: Sequence[Any]) -> Any:
        numbers = iter(flat)
        layers = [[([next(numbers) for _ in ws], next(numbers)) for ws, _ in layer]
                  for layer in problem.layers]  # fmt: skip

        def relu(v: Any) -> Any:
            return v * (v > 0)

        def score(x: Sequence[float]) -> Any:
            a: list[Any] = list(x)
            for k, layer in enumerate(layers):
                z = [sum((w * v for w, v in zip(ws, a, strict=True)), b) for ws, b in layer]
                a = z if k == len(layers) - 1 else [relu(v) for v in z]
            return a[0]

        return total_cost(score, list(flat), relu, problem)

    step = value_and_grad(cost)
    return Engine(lambda: step(flat)[0], lambda v: None, float)


def by_casadi(problem: Problem) -> Engine:
    """CasADi SX: building the graph and its gradient, as every step would for a fresh graph."""
    import casadi

    parameters = [p for layer in problem.layers for ws, b in layer for p in (*ws, b)]

    def forward() -> float:
        flat = casadi.SX.sym("p", len(parameters))
        numbers = iter(casadi.vertsplit(flat))
        layers = [[([next(numbers) for _ in ws], next(numbers)) for ws, _ in layer]
                  for layer in problem.layers]  # fmt: skip

        def relu(v: Any) -> Any:
            return casadi.fmax(v, 0)

        def score(x: Sequence[float]) -> Any:
            a: list[Any] = list(x)
            for k, layer in enumerate(layers):
                z = [sum((w * v for w, v in zip(ws, a, strict=True)), b) for ws, b in layer]
                a = z if k == len(layers) - 1 else [relu(v) for v in z]
            return a[0]

        cost = total_cost(score, casadi.vertsplit(flat), relu, problem)
        step = casadi.Function("step", [flat], [cost, casadi.gradient(cost, flat)])
        return float(step(parameters)[0])

    return Engine(forward, lambda v: None, float)


def by_program(problem: Problem) -> Engine:
    """What `lift` finds in the graph of one example, once; then all examples are one call."""
    model = network(problem, "atomic")
    x, y = [Value(0.0), Value(0.0)], Value(1.0)
    parameters = model.parameters()
    loss = (1 + -y * model(x)).relu()
    program = lift(loss, inputs=x, targets=[y], parameters=parameters)
    X, Y = np.array(problem.X), np.array(problem.y)[:, np.newaxis]

    def forward() -> tuple[float, Any]:
        losses, gradient = program.value_and_grad(X, Y)
        p = program.parameters
        return float(losses.mean() + 1e-4 * (p @ p)), gradient / len(X) + 2e-4 * p

    return Engine(forward, lambda v: None, lambda v: v[0])


MICROGRAD = "micrograd"
ENGINES: dict[str, tuple[str, int, Callable[[Problem], Engine]]] = {
    MICROGRAD: ("micrograd", 1, by_micrograd),
    ATOMIC: ("microgradnet", 1, partial(by_network, granularity="atomic")),
    NEURON: ("microgradnet", 1, partial(by_network, granularity="neuron")),
    "microgradnet, lifted": ("microgradnet", 1, by_program),
    "PyTorch, 0-d tensors": ("torch", 3, by_tensors),
    "autograd": ("autograd", 3, by_tape),
    "CasADi SX": ("casadi", 3, by_casadi),
}
"""Each with the package it needs, and of how many rounds it takes part in one: 3 for the slow."""


@contextmanager
def collector(paused: bool) -> Iterator[None]:
    """The collector, paused or as it is for a user, on a heap with nothing left to collect."""
    gc.collect()
    if paused:
        gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass
class Times:
    """Medians in seconds, the step with the freeing of its graph; ratios to the first engine's."""

    forward: float
    backward: float
    step: float
    ratio: float


class Process:
    """An engine in a process of its own: no other's heap, garbage or caches are in its way.

    It does what it is asked and sends back what came of it, so that engines can take turns.
    """

    def __init__(self, name: str, examples: int) -> None:
        self.name = name
        self.rounds = ENGINES[name][1]
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name, examples))

    def __enter__(self) -> Process:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        """The answer of a function of the engine."""
        self._ours.send((question, arguments))
        return self._ours.recv()


def _serve(connection: Connection, name: str, examples: int) -> None:
    engine = ENGINES[name][2](problem(examples))
    while True:
        question, arguments = connection.recv()
        connection.send(question(engine, *arguments))


def cost(engine: Engine) -> float:
    """The cost that the engine computes."""
    return engine.number(engine.forward())


def size(engine: Engine) -> int:
    """The nodes of the graph of one of our own engines."""
    return len(topological_order([engine.forward()]))


def step(engine: Engine, paused: bool) -> tuple[float, float, float]:
    """Seconds of the forward pass, of the backward one, and of all with the freeing."""
    with collector(paused):
        start = time.process_time()
        cost = engine.forward()
        middle = time.process_time()
        engine.backward(cost)
        end = time.process_time()
        del cost
        freed = time.process_time()
    return middle - start, end - middle, freed - start


def time_steps(processes: Sequence[Process], rounds: int) -> dict[tuple[str, bool], Times]:
    """The times of each engine, with the collector as it is (False) and paused (True)."""
    times: dict[tuple[str, bool], dict[int, tuple[float, float, float]]] = {}
    for turn in range(rounds):
        for process in processes:
            if turn % process.rounds == 0:
                for paused in (False, True):
                    measured = process.ask(step, paused)
                    times.setdefault((process.name, paused), {})[turn] = measured
    first = processes[0].name
    return {
        (name, paused): Times(
            *[median(column) for column in zip(*rows.values(), strict=True)],
            median(times[first, paused][turn][2] / row[2] for turn, row in rows.items()),
        )
        for (name, paused), rows in times.items()
    }


def memory(engine: Engine, nodes: int) -> tuple[float, float]:
    """Bytes a node of the graph; and of backward's passing peak, the gradients left out."""
    engine.forward()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    cost = engine.forward()
    built = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    engine.backward(cost)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (built - before) / nodes, (peak - after) / nodes


def expression(scalar: Callable[[float], Any]) -> Any:
    """The expression of micrograd's README, forward and backward."""
    a = scalar(-4.0)
    b = scalar(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    return g


def seconds_of_expression(_: Engine, package: str) -> float:
    """Seconds that the expression takes the scalars of a package, the collector as it is."""
    scalar = import_module(f"{package}.engine").Value
    timer = timeit.Timer(lambda: expression(scalar), "gc.enable()", time.process_time)
    return timer.timeit(200) / 200


def time_expression(processes: Sequence[Process], rounds: int) -> dict[str, tuple[float, float]]:
    """Medians in seconds, as run, and of the ratios to the first engine's."""
    those = [process for process in processes if process.name in (MICROGRAD, ATOMIC)]
    times: dict[str, list[float]] = {process.name: [] for process in those}
    for _ in range(rounds):
        for process in those:
            package = ENGINES[process.name][0]
            times[process.name].append(process.ask(seconds_of_expression, package))
    first = times[those[0].name]
    return {
        name: (median(column), median(a / b for a, b in zip(first, column, strict=True)))
        for name, column in times.items()
    }


def growth(largest: int) -> list[tuple[int, float]]:
    """Microseconds a node, forward and backward, for chains of nodes that share leaves."""
    rows = []
    nodes = 1000
    while nodes <= largest:
        runs = []
        with collector(paused=True):  # for all runs at once: after collecting, caches are cold
            for _ in range(max(3, 100_000 // nodes)):
                x, y = Value(1.0), Value(1e-9)
                start = time.process_time()
                total = x
                for _ in range(nodes // 2):
                    total = total * x + y
                total.backward()
                runs.append((time.process_time() - start) / nodes * 1e6)
        rows.append((nodes, median(runs)))
        nodes *= 10
    return rows


def import_time(rounds: int) -> float:
    """Seconds that `import microgradnet` takes beyond the interpreter's own start.

    From bytecode, which pip's installing writes, wherever this source may lie.
    """
    times: dict[str, list[float]] = {"": [], "import microgradnet; ": []}
    with TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        for turn in range(rounds + 1):
            for code, column in times.items():
                code += "import time; print(time.process_time())"
                seconds = subprocess.check_output([sys.executable, "-c", code], env=environment)
                if turn > 0:  # the first writes the bytecode
                    column.append(float(seconds))
    bare, ours = map(median, times.values())
    return ours - bare


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Scalar engines side by side.")
    parser.add_argument("--tiny", action="store_true", help="small sizes: does it run at all?")
    tiny = parser.parse_args(arguments).tiny
    rounds, examples = (1, 4) if tiny else (21, 100)
    with ExitStack() as running:
        processes = [
            running.enter_context(Process(name, examples))
            for name, (package, _, _) in ENGINES.items()
            if find_spec(package)
        ]
        costs = {process.name: process.ask(cost) for process in processes}
        reference = next(iter(costs.values()))
        for name, found in costs.items():
            if abs(found - reference) > 1e-12:
                raise SystemExit(f"{name} computes the cost {found}, not {reference}")
        nodes = {p.name: p.ask(size) for p in processes if p.name in OURS}
        nodes[MICROGRAD] = nodes[ATOMIC]  # node for node the same graph
        times = time_steps(processes, rounds)
        expressions = time_expression(processes, rounds)
        bytes_of = {p.name: p.ask(memory, nodes[p.name]) for p in processes if p.name in nodes}

    layers = "-".join(map(str, SIZES))
    table = Table(
        title=f"{layers}, {examples} examples: {nodes[ATOMIC]:,} nodes of + and ×",
        title_justify="left",
        box=None,
    )
    for heading in ("engine", "as run, ms", "×", "paused, ms", "×", "forward, µs/node",
                    "backward, µs/node", "bytes/node", "expression, µs", "×"):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    for name in costs:
        run, paused = times[name, False], times[name, True]
        in_one_go, of_nodes = expressions.get(name), bytes_of.get(name)
        table.add_row(
            name,
            f"{run.step * 1e3:.1f}",
            f"{run.ratio:.1f}",
            f"{paused.step * 1e3:.1f}",
            f"{paused.ratio:.1f}",
            f"{paused.forward / nodes[name] * 1e6:.2f}" if of_nodes else "",
            f"{paused.backward / nodes[name] * 1e6:.2f}" if of_nodes else "",
            f"{of_nodes[0]:.0f}" if of_nodes else "",
            f"{in_one_go[0] * 1e6:.1f}" if in_one_go else "",
            f"{in_one_go[1]:.1f}" if in_one_go else "",
        )
    console = Console(width=140)
    console.print(table)
    console.print(f"backward's passing peak: {bytes_of[ATOMIC][1]:.1f} bytes a node")
    steps = ", ".join(f"{n:,}: {cost:.2f}" for n, cost in growth(1000 if tiny else 1_000_000))
    console.print(f"µs a node, forward and backward, by the graph's size: {steps}")
    console.print(f"import microgradnet: {import_time(rounds) * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
