"""Lifted programs beside NumPy by hand: `python tests/benchmarks/lifting.py` prints the tables.

Each comparison takes turns within one run, call by call, and the figure is the median of the ratios
of neighbours: machines are shared and noisy. A ratio below 1 means that the lifted program is the
faster one. Hand-written NumPy is what one writes down from the book: a new array for each result,
σ(z) = 1/(1 + e⁻ᶻ), σ′ = a(1 − a). The lifted program keeps its work arrays, and its σ′ keeps its
digits on both sides, where 1 − a has none left beyond z = 37.

The first table is of networks of one example. The second is of graphs built by bare loops, as in
`tests/support/loops.py`: a batch, positions, attention, products, stencils. By hand is there what
one writes who knows the arrays, in several forms, of which the fastest counts; each call is on new
numbers in X. Set OPENBLAS_NUM_THREADS=1 for it, as its products are small.

Peers that are not installed are left out: `pip install -e ".[bench]"` brings micrograd and CasADi;
PyTorch is taken along where it is there.

What was predicted and what came of it, on CPython 3.11 and NumPy 2, each pair measured in one run:

- Results into work arrays (predicted: no page faults, a tenth at 5,000 examples): the activation of
  30 × 5,000 neurons in half the time, which beside a product of 784 × 30 is a twentieth.
- δ ⊙ relu′(z) as a product with the mask, not as a masked copy (found in a profile: a masked copy
  branches at each entry): a tenth of the time at 5,000 examples.
- Bias gradients as 1ᵀδ, a product with ones, not as a sum of columns (found in a profile): a ninth
  of the time at 5,000 examples.
- Numbers as arrays, made once (found by timing line after line: of `np.add(e, 1)` for ten examples
  half is spent on the 1): a fifth of a microsecond to half of one each, 2 µs a call.
- `dot` for a matrix of one row, `matmul` for the others, whose rows in the flat vector are apart
  (timed): 3 µs of 60 for 2-16-16-1.
- σ and σ′ of e = exp(z) by two divisions, five passes and not seven: 1 µs a layer.
- What is the same as at the last call asked for in one comparison (predicted: 3 µs a call): 3 µs.
- While lifting, the collector paused, and leaves left out of the walk (predicted: half of the
  time): 2.5 times faster.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import cycle, pairwise
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))

from support import by_hand, loops  # found beside this folder

from microgradnet import MLP, Value, costs, lift, ops
from microgradnet.graph import topological_order
from microgradnet.lifting import Program

DIGITS, MOONS = (784, 30, 10), (2, 16, 16, 1)


def build(sizes: Sequence[int]) -> tuple[Value, list[Value], list[Value], MLP]:
    """The graph of one example: sigmoid and quadratic cost, or relu and hinge with one output."""
    one = sizes[-1] == 1
    model = MLP(
        sizes[0],
        sizes[1:],
        activation="relu" if one else "sigmoid",
        output_activation="linear" if one else "sigmoid",
        init="xavier",
        rng=Random(0),
    )
    x, y = [Value(0.1) for _ in range(sizes[0])], [Value(1.0) for _ in range(sizes[-1])]
    cost = (costs.hinge if one else costs.quadratic)(model(x), y)
    return cost, x, y, model


def program(sizes: Sequence[int]) -> tuple[Program, MLP]:
    """The lifted program and the network it was found in."""
    cost, x, y, model = build(sizes)
    return lift(cost, x, y, model.parameters()), model


def digits_by_hand(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    """Sigmoid network, quadratic cost, as one writes them down."""
    z1 = X @ W1.T + b1
    a1 = 1 / (1 + np.exp(-z1))
    z2 = a1 @ W2.T + b2
    a2 = 1 / (1 + np.exp(-z2))
    cost = 0.5 * ((a2 - Y) ** 2).sum(axis=1)
    delta2 = (a2 - Y) * a2 * (1 - a2)
    delta1 = (delta2 @ W2) * a1 * (1 - a1)
    return cost, delta1.T @ X, delta1.sum(axis=0), delta2.T @ a1, delta2.sum(axis=0)


def moons_by_hand(W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, X: Any, Y: Any) -> Any:
    """Relu network, hinge cost, as one writes them down."""
    z1 = X @ W1.T + b1
    a1 = np.maximum(z1, 0)
    z2 = a1 @ W2.T + b2
    a2 = np.maximum(z2, 0)
    z3 = a2 @ W3.T + b3
    margin = 1 - Y * z3
    cost = np.maximum(margin, 0)[:, 0]
    delta3 = -Y * (margin > 0)
    delta2 = (delta3 @ W3) * (z2 > 0)
    delta1 = (delta2 @ W2) * (z1 > 0)
    return (cost, delta1.T @ X, delta1.sum(axis=0), delta2.T @ a1, delta2.sum(axis=0),
            delta3.T @ a2, delta3.sum(axis=0))  # fmt: skip


def torch_step(model: MLP, X: Any, Y: Any, kind: Any) -> Callable[[], Any]:
    """PyTorch's own layers on the CPU, forward and backward."""
    import torch

    one = model.sizes[-1] == 1
    layers: list[Any] = []
    for l, (n_in, n_out) in enumerate(pairwise(model.sizes), 1):
        layer = torch.nn.Linear(n_in, n_out, dtype=kind)
        layer.weight.data = torch.tensor(model.weights[l], dtype=kind)
        layer.bias.data = torch.tensor(model.biases[l], dtype=kind)
        layers += [layer, torch.nn.ReLU() if one else torch.nn.Sigmoid()]
    network = torch.nn.Sequential(*(layers[:-1] if one else layers))
    x, y = torch.tensor(X, dtype=kind), torch.tensor(Y, dtype=kind)

    def step() -> Any:
        network.zero_grad()
        a = network(x)
        cost = torch.relu(1 - y * a).sum() if one else 0.5 * ((a - y) ** 2).sum()
        cost.backward()
        return cost

    return step


def ratio(
    ours: Callable[[], Any], theirs: Callable[[], Any], seconds: float
) -> tuple[float, float]:
    """The median of the ratios of neighbouring calls, and the median of ours in seconds."""
    ours()
    theirs()
    ratios, times = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(ratios) < 3:
        start = time.perf_counter()
        ours()
        middle = time.perf_counter()
        theirs()
        ratios.append((middle - start) / (time.perf_counter() - middle))
        times.append(middle - start)
    return median(ratios), median(times)


def compare_steps(
    table: Table, seconds: float, digits: Sequence[int], batches: Sequence[int]
) -> None:
    """A row for each network and batch: our time, and ratios to NumPy by hand and to PyTorch."""
    rng = np.random.default_rng(0)
    cases = [(digits, m) for m in batches] + [(MOONS, 100)]
    for sizes, m in cases:
        found, model = program(sizes)
        X = rng.random((m, sizes[0]))
        one = sizes[-1] == 1
        Y = rng.choice([-1.0, 1.0], size=(m, 1)) if one else np.eye(10)[rng.integers(0, 10, m)]
        hand = moons_by_hand if one else digits_by_hand
        matrices = [M for l in model.weights for M in (model.weights[l], model.biases[l])]
        cost, gradient = found.value_and_grad(X, Y)
        by_hand = hand(*matrices, X, Y)
        np.testing.assert_allclose(cost, by_hand[0], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.gradients["W1"], by_hand[1], rtol=1e-9, atol=1e-12)
        out = np.empty_like(gradient)
        to_hand, ours = ratio(
            lambda found=found, X=X, Y=Y, out=out: found.value_and_grad(X, Y, out),
            lambda hand=hand, matrices=matrices, X=X, Y=Y: hand(*matrices, X, Y),
            seconds,
        )
        row = ["-".join(map(str, sizes)), f"{m:,}", f"{ours * 1e6:,.0f}", f"{to_hand:.2f}"]
        X32, Y32 = X.astype(np.float32), Y.astype(np.float32)
        single = program(sizes)[0]
        single.parameters = single.parameters.astype(np.float32)
        to_double, _ = ratio(
            lambda single=single, X=X32, Y=Y32: single.value_and_grad(X, Y),
            lambda found=found, X=X, Y=Y: found.value_and_grad(X, Y),
            seconds,
        )
        row.append(f"{to_double:.2f}")
        if find_spec("torch"):
            import torch

            for kind, ours_again, (x, y) in (
                (torch.float64, found, (X, Y)),
                (torch.float32, single, (X32, Y32)),
            ):
                step = torch_step(model, X, Y, kind)
                to_torch, _ = ratio(
                    lambda p=ours_again, x=x, y=y: p.value_and_grad(x, y), step, seconds
                )
                row.append(f"{to_torch:.2f}")
        table.add_row(*row)


def loop_rows(tiny: bool) -> dict[str, tuple[loops.Graph, int, Callable[..., list[Any]]]]:
    """Graphs built by loops, how many examples are computed at once, and the same by hand."""
    n, N, T, few, many, G, J, m = (
        (3, 6, 4, 3, 5, 3, 5, 2) if tiny else (8, 12, 12, 25, 100, 24, 48, 32)
    )
    rows: dict[str, tuple[loops.Graph, int, Callable[..., list[Any]]]] = {}
    for k in (few, many):
        for listed in (True, False):
            graph = loops.demo_batch(k, listed=listed)
            x, y = (np.array(graph.data[c]) for c in "xy")
            given = (k, 16, y) if listed else (k, 16, y, x)
            how = "listed" if listed else "constant"
            rows[f"batch of {k}, {how}"] = (
                graph,
                1,
                lambda p, m, g=given: by_hand.demo_batch(p, m, *g),
            )
    for k in (2 * n, 8 * n):
        graph = loops.positions(k)
        rows[f"{k} positions"] = graph, m, lambda p, m, k=k: by_hand.positions(p, m, k, 16)
    for name, causal in (("attention", False), ("causal attention", True)):
        graph = loops.attention(n, causal=causal)
        rows[name] = graph, m, lambda p, m, c=causal: by_hand.attention(p, m, n, 16, 2, c)
    rows["convolution"] = loops.convolution(N), m, lambda p, m: by_hand.convolution(p, m, N, 4, 10)
    rows["recurrence"] = loops.recurrence(T), m, lambda p, m: by_hand.recurrence(p, m, T, 16, 4)
    for k in (few,) if tiny else (4, 8, 16):
        graph = loops.gpt(k)
        tokens = graph.data["tokens"]
        rows[f"GPT, {k} tokens"] = (
            graph, 1, lambda p, m, k=k, t=tokens: by_hand.gpt(p, m, k, 16, 4, 27, t)
        )  # fmt: skip
    graph = loops.gemm(G)
    weights = np.array(graph.data["weights"])
    rows[f"gemm {G}"] = graph, 1, lambda p, m: by_hand.gemm(p, m, G, weights)
    rows[f"Jacobi {J}"] = loops.jacobi(J), 1, lambda p, m: by_hand.jacobi(p, m, J)
    return rows


def measure_forms(
    found: Program, n_inputs: int, m: int, hand: Callable[..., list[by_hand.Form]], seconds: float
) -> tuple[list[float], float]:
    """The ratios of a program to forms of the same by hand, and its time in seconds."""
    rng = np.random.default_rng(0)
    Xs = [rng.normal(size=(m, n_inputs)) for _ in range(3)]
    forms = hand(found.parameters, m)
    costs, gradient = found.value_and_grad(Xs[0])
    out = np.empty_like(gradient)
    ratios, times = [], []
    for form in forms:
        by_form, parts = form(Xs[0])
        np.testing.assert_allclose(by_form, costs, rtol=1e-9)
        flat = np.concatenate([np.ravel(part) for part in parts])
        np.testing.assert_allclose(flat, gradient, rtol=1e-6, atol=1e-9)
        ours, theirs = cycle(Xs), cycle(Xs)
        to_form, taken = ratio(
            lambda Xs=ours: found.value_and_grad(next(Xs), out=out),
            lambda Xs=theirs, form=form: form(next(Xs)),
            seconds / len(forms),
        )
        ratios.append(to_form)
        times.append(taken)
    return ratios, min(times)


def compare_loops(console: Console, seconds: float, tiny: bool, only: str) -> None:
    """A row for each graph built by loops: our time, and ratios to the forms written by hand."""
    table = Table(
        title="value_and_grad of graphs built by loops, ratios to NumPy by hand", box=None
    )
    for heading in ("graph", "examples", "equations", "lifted, µs", "the fastest", "plain"):
        table.add_column(heading, justify="left" if heading == "graph" else "right")
    for name, (graph, m, hand) in loop_rows(tiny).items():
        if only in name:
            found = lift(graph.cost, graph.inputs, graph.targets, graph.parameters)
            ratios, taken = measure_forms(found, len(graph.inputs), m, hand, seconds)
            row = [name, str(m), str(len(found.equations)), f"{taken * 1e6:,.0f}"]
            table.add_row(*row, f"{max(ratios):.2f}", f"{ratios[0]:.2f}")
    console.print(table)


def compare_lifting(console: Console, seconds: float, sizes: Sequence[int]) -> None:
    """From the parameters to a program, beside CasADi's way to a function with its gradient."""
    *_, model = build(sizes)
    parameters = model.parameters()

    def graph() -> tuple[Value, list[Value], list[Value]]:
        x, y = [Value(0.1) for _ in range(sizes[0])], [Value(1.0) for _ in range(sizes[-1])]
        return costs.quadratic(model(x), y), x, y

    def ours() -> Program:
        return lift(*graph(), parameters)

    lifted, both = ratio(ours, graph, seconds)
    console.print(f"graph and lift: {both * 1e3:.0f} ms, {lifted:.1f} times the graph alone")
    if not find_spec("casadi"):
        return
    for how, theirs in (("scalar by scalar, as we do", True), ("from its own matrices", False)):
        times, both = ratio(ours, lambda scalars=theirs: casadi_function(sizes, scalars), seconds)
        console.print(f"graph and lift: {both * 1e3:.0f} ms, {times:.2f} of CasADi SX {how}")


def casadi_function(sizes: Sequence[int], scalars: bool) -> Any:
    """The same network with its gradient as an SX function."""
    import casadi

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + casadi.exp(-z))

    x, y = casadi.SX.sym("x", sizes[0]), casadi.SX.sym("y", sizes[-1])
    n = sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))
    p = casadi.SX.sym("p", n)
    if scalars:
        numbers = iter(casadi.vertsplit(p))
        a: Any = casadi.vertsplit(x)
        for _, n_out in pairwise(sizes):
            layer = []
            for _ in range(n_out):
                z = next(numbers)
                for v in a:
                    z = z + next(numbers) * v
                layer.append(sigmoid(z))
            a = layer
        a = casadi.vertcat(*a)
    else:
        a, k = x, 0
        for n_in, n_out in pairwise(sizes):
            W = casadi.reshape(p[k : k + n_in * n_out], n_out, n_in)
            a = sigmoid(W @ a + p[k + n_in * n_out : k + (n_in + 1) * n_out])
            k += (n_in + 1) * n_out
    cost = casadi.sumsqr(a - y) / 2
    return casadi.Function("step", [x, y, p], [cost, casadi.gradient(cost, p)])


def compare_micrograd(console: Console, seconds: float, m: int) -> None:
    """The moons step, m examples, beside micrograd's."""
    from micrograd.engine import Value as Peer
    from micrograd.nn import MLP as PeerMLP

    found, _ = program(MOONS)
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(m, 2)), rng.choice([-1.0, 1.0], size=(m, 1))
    peer = PeerMLP(2, [16, 16, 1])

    def step() -> None:
        outputs = [peer(list(map(Peer, row))) for row in X.tolist()]
        losses = [(1 + -y * a).relu() for a, (y,) in zip(outputs, Y.tolist(), strict=True)]
        total = sum(losses) * (1.0 / len(losses))
        peer.zero_grad()
        total.backward()

    times, _ = ratio(lambda: found.value_and_grad(X, Y), step, seconds)
    console.print(f"the moons step of micrograd's demo: {1 / times:,.0f} times micrograd's speed")


def unstructured(nodes: int) -> tuple[Value, list[Value], list[Value]]:
    """A graph in which nothing is like anything: each node on two random ones before it."""
    rng = Random(0)
    xs, ps = ([Value(rng.uniform(-1, 1)) for _ in range(n)] for n in (20, 50))
    pool = xs + ps
    for _ in range(nodes):
        u, v = rng.choice(pool), rng.choice(pool)
        pool.append(rng.choice([u * v, ops.tanh(u), ops.sigmoid(v), 0.5 * (u - v), u + 0.1 * v]))
    return ops.tanh(sum(pool[nodes // 2 :], Value(0.0))), xs, ps


def chain(nodes: int) -> tuple[Value, list[Value], list[Value]]:
    """A graph of single scalars: each operation, chosen at random, on the result of the last."""
    rng = Random(0)
    xs, ps = ([Value(rng.uniform(-1, 1)) for _ in range(n)] for n in (5, 20))
    s, leaves = xs[0], xs + ps
    for _ in range(nodes):
        w = rng.choice(leaves)
        s = rng.choice([ops.tanh, ops.sin, lambda s, w=w: s * w, lambda s, w=w: 0.5 * (s - w)])(s)
    return s, xs, ps


def measure_lifting(console: Console, tiny: bool) -> None:
    """How long lifting takes a node, and the program's first call; what it takes to run then."""
    table = Table(title="lifting, µs a node of processor time", title_justify="left", box=None)
    for heading in ("graph", "nodes", "lift", "first call", "run, ns a node and example"):
        table.add_column(heading, justify="left" if heading == "graph" else "right")
    few, many = (100, 300) if tiny else (2_000, 100_000)
    demo, gpt = loops.demo_batch(4 if tiny else 100), loops.gpt(2 if tiny else 16)
    graphs = {
        "batch of 100 in one graph": (demo.cost, demo.inputs, demo.parameters),
        "GPT of 16 tokens": (gpt.cost, gpt.inputs, gpt.parameters),
        **{f"chain of {n:,} operations": chain(n) for n in (few, many)},
        **{f"{n:,} operations without structure": unstructured(n) for n in (few, many)},
    }
    for name, (cost, xs, ps) in graphs.items():
        start = time.process_time()
        found = lift(cost, xs, parameters=ps)
        lifted = time.process_time()
        X = np.random.default_rng(0).random((100 if xs else 1, len(xs)))
        out = np.empty(len(ps))
        found.value_and_grad(X, out=out)
        called = time.process_time()
        found.value_and_grad(X, out=out)
        run = time.process_time() - called
        n = len(topological_order([cost]))
        times = [(lifted - start) * 1e6 / n, (called - lifted) * 1e6 / n, run * 1e9 / n / len(X)]
        table.add_row(name, f"{n:,}", *[f"{t:.1f}" for t in times])
    console.print(table)


def measure_memory(console: Console, digits: Sequence[int]) -> None:
    """What a program keeps, beside its parameters."""
    cost, x, y, model = build(digits)
    parameters = model.parameters()
    tracemalloc.start()
    found = lift(cost, x, y, parameters)
    del cost, x, y
    kept = tracemalloc.get_traced_memory()[0]
    found.value_and_grad(np.zeros((10, digits[0])), np.zeros((10, digits[-1])))
    tracemalloc.stop()
    console.print(f"a program of {found.parameters.nbytes:,} bytes of parameters keeps {kept:,}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Lifted programs beside hand-written NumPy.")
    parser.add_argument("--tiny", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument("--only", help="of the graphs built by loops those named like this")
    given = parser.parse_args(arguments)
    tiny, seconds = given.tiny, 0.0 if given.tiny else 4.0
    console = Console(width=120)
    compare_loops(console, seconds, tiny, given.only or "")
    if given.only is not None:
        return
    table = Table(title="value_and_grad, ratios to …", title_justify="left", box=None)
    headings = ["network", "examples", "lifted, µs", "NumPy by hand", "float32 to float64"]
    headings += ["PyTorch float64", "PyTorch float32"] if find_spec("torch") else []
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "network" else "right")
    digits = (8, 4, 10) if tiny else DIGITS
    compare_steps(table, seconds, digits, (10,) if tiny else (10, 500, 5000))
    console.print(table)
    compare_lifting(console, seconds, digits)
    if find_spec("micrograd"):
        compare_micrograd(console, seconds, 2 if tiny else 100)
    measure_memory(console, digits)
    measure_lifting(console, tiny)


if __name__ == "__main__":
    main()
