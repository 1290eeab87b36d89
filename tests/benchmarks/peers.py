"""What engines do where engines stumble: `python tests/benchmarks/peers.py` prints the table.

Each entry is a small program run now, on the installed version of the peer: ✓ it gave the right
answer, ✗ it gave a wrong one or an error, – the question does not arise there (a functional engine
has no second call of backward, micrograd has no exp). Peers that are not
installed are left out: `pip install -e ".[bench]"` brings all but PyTorch.

`--conventions` asks them instead for every number of `microgradnet.conventions`, and prints what is
not as stored there; `--renew` stores it.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.conventions import PACKAGES, ask, present, same

from microgradnet import Value, conventions, grad

Check = Callable[[], bool]

TWICE = "a second backward adds the same again"
DEEP = "a chain of 50,000 nodes"
FREED = "a graph is freed without the collector"
EDGES = "x·x has two edges"
EXACT = "fractions stay exact"
SECOND = "second derivatives"
TAIL = "σ′(40) to twelve digits"
POWER = "xʸ with both variable"
QUESTIONS = (TWICE, DEEP, FREED, EDGES, EXACT, SECOND, TAIL, POWER)

SLOPE_AT_40 = math.exp(-40) / (1 + math.exp(-40)) ** 2


def chain(x: Any, links: int) -> Any:
    """X + x + … + x, one addition after the other."""
    total = x
    for _ in range(links):
        total = total + x
    return total


def near(x: Any, y: float) -> bool:
    """Equal to twelve digits."""
    return math.isclose(float(x), y, rel_tol=1e-12)


def graph_engine(
    scalar: Callable[[Any], Any],
    edges: Callable[[Any], int],
    sigmoid: Callable[[Any], Any],
    links: int,
) -> dict[str, Check]:
    """The questions to an engine whose nodes have backward() and grad."""

    def slope(function: Callable[[Any], Any], at: Any, passes: int = 1) -> Any:
        x = scalar(at)
        y = function(x)
        for _ in range(passes):
            y.backward()
        return x.grad

    def power() -> bool:
        x, y = scalar(2.0), scalar(3.0)
        (x**y).backward()
        return near(x.grad, 12.0) and near(y.grad, 8 * math.log(2))

    return {
        TWICE: lambda: near(slope(lambda x: (x * x) * (x * x), 3.0, 2), 216.0),
        DEEP: lambda: near(slope(lambda x: chain(x, links), 1.0), links + 1),
        FREED: lambda: left_behind(lambda: slope(lambda x: chain(x, 100), 1.0)) == 0,
        EDGES: lambda: edges(scalar(3.0)) == 2,
        EXACT: lambda: slope(lambda x: x * x, Fraction(1, 3)) == Fraction(2, 3),
        TAIL: lambda: near(slope(sigmoid, 40.0), SLOPE_AT_40),
        POWER: power,
    }


def gradient_is_a_node(scalar: Callable[[Any], Any]) -> bool:
    """Whether a gradient can be differentiated again."""
    x = scalar(2.0)
    (x * x * x).backward()
    return hasattr(x.grad, "backward")


def left_behind(work: Callable[[], Any]) -> int:
    """How many objects in cycles the collector finds after some work."""
    gc.collect()
    gc.disable()
    try:
        work()
        return gc.collect()
    finally:
        gc.enable()


def engines(links: int) -> dict[str, dict[str, Check]]:
    """The answers of each engine, as programs."""
    found: dict[str, dict[str, Check]] = {}
    found["microgradnet"] = {
        **graph_engine(Value, lambda x: len((x * x).parents), lambda x: x.sigmoid(), links),
        SECOND: lambda: near(grad(grad(lambda x: x**3))(2.0), 12.0),
    }
    if find_spec("micrograd"):
        from micrograd.engine import Value as Peer

        checks = graph_engine(Peer, lambda x: len((x * x)._prev), Peer.relu, links)
        del checks[TAIL]
        found["micrograd"] = {**checks, SECOND: lambda: gradient_is_a_node(Peer)}
    if find_spec("mygrad"):
        import mygrad

        def sigmoid(x: Any) -> Any:
            return 1 / (1 + mygrad.exp(-x))

        found["MyGrad"] = {
            **graph_engine(mygrad.tensor, lambda x: len((x * x).creator.variables), sigmoid, links),
            SECOND: lambda: gradient_is_a_node(mygrad.tensor),
        }
    if find_spec("autograd"):
        found["autograd"] = by_autograd(links)
    if find_spec("torch"):
        found["PyTorch"] = by_torch(links)
    if find_spec("casadi"):
        found["CasADi SX"] = by_casadi(links)
    return found


def by_autograd(links: int) -> dict[str, Check]:
    """HIPS autograd, a functional engine."""
    import autograd
    import autograd.numpy as anp

    def of(function: Callable[[Any], Any], at: Any) -> Any:
        return autograd.grad(function)(at)

    return {
        DEEP: lambda: near(of(lambda x: chain(x, links), 1.0), links + 1),
        FREED: lambda: left_behind(lambda: of(lambda x: chain(x, 100), 1.0)) == 0,
        EXACT: lambda: of(lambda x: x * x, Fraction(1, 3)) == Fraction(2, 3),
        SECOND: lambda: near(autograd.grad(autograd.grad(lambda x: x**3))(2.0), 12.0),
        TAIL: lambda: near(of(lambda x: 1 / (1 + anp.exp(-x)), 40.0), SLOPE_AT_40),
        POWER: lambda: near(autograd.grad(lambda x, y: x**y, 1)(2.0, 3.0), 8 * math.log(2)),
    }


def by_torch(links: int) -> dict[str, Check]:
    """PyTorch's 0-d tensors of float64."""
    import torch

    def scalar(x: Any) -> Any:
        return torch.tensor(x, dtype=torch.float64, requires_grad=True)

    def twice() -> bool:
        x = scalar(3.0)
        y = (x * x) * (x * x)
        y.backward(retain_graph=True)
        y.backward()
        return near(x.grad, 216.0)

    def second() -> bool:
        x = scalar(2.0)
        (slope,) = torch.autograd.grad(x**3, x, create_graph=True)
        return near(torch.autograd.grad(slope, x)[0], 12.0)

    return {
        **graph_engine(scalar, lambda x: len((x * x).grad_fn.next_functions), torch.sigmoid, links),
        TWICE: twice,
        SECOND: second,
    }


def by_casadi(links: int) -> dict[str, Check]:
    """CasADi's scalar expressions."""
    import casadi

    def of(function: Callable[[Any], Any], at: Any, order: int = 1) -> Any:
        x = casadi.SX.sym("x")
        y = function(x)
        for _ in range(order):
            y = casadi.gradient(y, x)
        return casadi.Function("slope", [x], [y])(at)

    return {
        DEEP: lambda: near(of(lambda x: chain(x, links), 1.0), links + 1),
        FREED: lambda: left_behind(lambda: of(lambda x: chain(x, 100), 1.0)) == 0,
        EXACT: lambda: of(lambda x: x * x, Fraction(1, 3)) == Fraction(2, 3),
        SECOND: lambda: near(of(lambda x: x**3, 2.0, 2), 12.0),
        TAIL: lambda: near(of(lambda x: 1 / (1 + casadi.exp(-x)), 40.0), SLOPE_AT_40),
        POWER: lambda: near(of(lambda y: casadi.SX(2.0) ** y, 3.0), 8 * math.log(2)),
    }


def answer(check: Check | None) -> str:
    """✓, ✗ or –."""
    if check is None:
        return "–"
    try:
        return "✓" if check() else "✗"
    except (ArithmeticError, AssertionError, AttributeError, NotImplementedError, RecursionError,
            RuntimeError, TypeError, ValueError):  # fmt: skip
        return "✗"


STORED = Path(conventions.__file__).with_name("table.json")
READABLE = STORED.with_suffix(".md")


def compare_conventions(store: bool) -> None:
    """Ask the libraries that are here for every number; print, or store, what is another now."""
    table = json.loads(STORED.read_text(encoding="utf-8"))
    libraries = present()
    print(f"asked: {', '.join(libraries)}; not installed: {set(PACKAGES) - set(libraries) or '–'}")
    for row in table["rows"]:
        at = [float(x) for x in row["at"].split()]
        for library in [name for name in libraries if name in row["spelled"]]:
            stored = row["numbers"].get(library, {})
            found = {q: ask(library, row["spelled"][library], at, q) for q in row["asked"]}
            row["numbers"][library] = {q: x for q, x in found.items() if x is not None}
            for q, x in row["numbers"][library].items():
                if q not in stored or not same(stored[q], x):
                    print(
                        f"{row['spelled'][library]} at {row['at']}, {q}: {x}, not {stored.get(q)}"
                    )
    if store:
        versions = {name: version(PACKAGES[name]).partition("+")[0] for name in libraries[1:]}
        table["versions"] |= versions
        STORED.write_text(json.dumps(table, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        READABLE.write_text(conventions.conventions().markdown() + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description="What engines do where scalar engines stumble.")
    parser.add_argument("--tiny", action="store_true", help="short chains: does it run at all?")
    parser.add_argument("--conventions", action="store_true", help="at kinks and edges")
    parser.add_argument("--renew", action="store_true", help="the same, and store the numbers")
    chosen = parser.parse_args(arguments)
    if chosen.conventions or chosen.renew:
        compare_conventions(store=chosen.renew)
        return
    tiny = chosen.tiny
    found = engines(5000 if tiny else 50_000)
    table = Table(box=None)
    table.add_column("")
    for name in found:
        table.add_column(name, justify="center")
    for question in QUESTIONS:
        table.add_row(question, *(answer(checks.get(question)) for checks in found.values()))
    console = Console(width=120)
    console.print(table)
    packages = {**PACKAGES, "CasADi SX": "casadi"}
    peers = [name for name in found if name != "microgradnet"]
    console.print(", ".join(f"{name} {version(packages.get(name, name))}" for name in peers))


if __name__ == "__main__":
    main()
