"""How far values and derivatives in floats are from the exact ones, in units in the last place.

First, for every operation of the table, at points drawn at random (of every magnitude from 1e-8
to 50), what the float arithmetic gives is held against the same rule at 60 digits, which the tests
hold against difference quotients at hundreds. Where terms of both signs cancel, near the zeros of a
derivative, many units may be lost: so the median and the largest are given.

With them comes the largest error that a search has found of each operation of one operand: at hard
points, at random ones of every magnitude, and from the worst of these on among its neighbours. At
most four units are promised; what is excepted, `tests/support/ulps.py` lists with its reason.

Then, for every activation and cost, the gradients of whole random networks (of one to three layers
of one to four neurons, numbers from −2 to 2), from end to end, against those of the same graph at
50 digits; as a graph whose every + and × is a node, and as one of neurons. `--points` and
`--networks` say how many, `--seed` which ones.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from mpmath import mp, mpf

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.networks import ENDS, real
from support.oracles import operands
from support.ulps import EXCEPTIONS, error, hard_points, unary

from microgradnet import grad
from microgradnet.arithmetic import evaluate
from microgradnet.operation import Operation, operations


def ulps(got: float, exact: Any, least: str = "1e-300") -> float:
    """The distance in units in the last place of the exact number; NaN where there is none."""
    if not (math.isfinite(got) and mp.isfinite(exact)) or abs(exact) < mpf(least):
        return math.nan
    return float(abs(got - exact) / math.ulp(float(exact)))


def draw(rng: Random) -> float:
    return rng.choice([-1, 1]) * 10 ** rng.uniform(-8, math.log10(50))


def errors(op: Operation, points: int, rng: Random) -> list[list[float]]:
    """Of values, of first and of second derivatives by the first operand."""
    found: list[list[float]] = [[], [], []]
    first, second = grad(op), grad(grad(op))
    for _ in range(points):
        xs = [draw(rng) for _ in range(operands(op))]
        with mp.workdps(60):
            exact = [mpf(x) for x in xs]
            results = [
                (op(*xs), evaluate(op.forward, *exact)),
                (first(*xs), first(*exact)),
                (second(*xs), second(*exact)),
            ]
            for column, (got, want) in zip(found, results, strict=True):
                column.append(ulps(got, mpf(want)))
    return [[x for x in column if not math.isnan(x)] for column in found]


def searched(op: Operation, order: int, points: int, rng: Random) -> tuple[float, float]:
    """The largest error that is found, and where."""
    drawn = [math.ldexp(rng.uniform(1, 2), rng.randrange(-60, 10)) for _ in range(points)]
    hard = [*hard_points()][:: max(1, 600 // points)]
    worst = max((error(op, s * x, order), s * x) for x in (*hard, *drawn) for s in (1, -1))
    for _ in range(points):
        x = worst[1] * (1 + rng.choice([-1, 1]) * 2.0 ** -rng.randrange(4, 53))
        worst = max(worst, (error(op, x, order), x))
    return worst


def searched_row(op: Operation, points: int, rng: Random) -> str:
    cells = [f"{op.name:16}"]
    for order in (0, 1, 2):
        worst, x = searched(op, order, points, rng)
        exempt = EXCEPTIONS.get((op.name, order))
        mark = "" if exempt is None else "*"
        cells.append(
            f"{worst:8.2f}{mark:1} {x if worst else 0:12.6g}" if worst else f"{'exact':>22}"
        )
    return " | ".join(cells)


def network_errors(
    ends: tuple[str, str, str], networks: int, rng: Random
) -> tuple[list[float], list[float]]:
    """Of every gradient by a parameter: of graphs of + and ×, and of graphs of neurons."""
    found: dict[str, list[float]] = {"atomic": [], "neuron": []}
    for _ in range(networks):
        drawn = real(rng, *ends)
        with mp.workdps(50):
            exact, twins, _ = drawn.graph(mpf)
            exact.backward()
        for granularity, column in found.items():
            root, parameters, _ = drawn.graph(float, granularity)
            root.backward()
            # Below 1e-40 the fifty digits themselves have cancelled: it is 0.
            column += [
                ulps(p.grad, q.grad, "1e-40") for p, q in zip(parameters, twins, strict=True)
            ]
    atomic, neuron = ([x for x in column if not math.isnan(x)] for column in found.values())
    return atomic, neuron


def network_row(ends: tuple[str, str, str], columns: Sequence[list[float]]) -> str:
    cells = ["{:13}{:13}{:22}".format(*ends)]
    for column in map(sorted, columns):
        n = len(column)
        cells.append(f"{column[n // 2]:7.2f}{column[99 * n // 100]:7.1f}{column[-1]:9.3g}")
    return "  ".join([*cells, f"{n:10,}"])


def row(name: str, columns: Sequence[list[float]]) -> str:
    cells = [f"{name:18}"]
    for column in columns:
        if not column or not any(column):
            cells.append(f"{'exact' if column else '':>16}")
            continue
        ordered = sorted(column)
        cells.append(f"{ordered[len(ordered) // 2]:7.2f}{ordered[-1]:9.3g}")
    return "  ".join(cells)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="a few points, to see that it runs")
    chosen = parser.parse_args()
    points, networks = (3, 2) if chosen.tiny else (chosen.points, chosen.networks)
    print(f"{'ulps':18}  {'value':>16}  {'derivative':>16}  {'second':>16}")
    print(f"{'':18}" + f"  {'median':>7}{'largest':>9}" * 3)
    for op in operations():
        print(row(op.name, errors(op, points, Random(chosen.seed))), flush=True)
    print(f"\n{'largest found, at':16} | {'value':>22} | {'derivative':>22} | {'second':>22}")
    for op in unary():
        print(searched_row(op, points, Random(chosen.seed)), flush=True)
    for (name, order), exempt in EXCEPTIONS.items():
        print(f"* derivative {order} of {name} at {exempt.point:.6g}: {exempt.reason}")
    print(f"\n{'ulps of gradients, from end to end':48}{'+ and ×':>25}{'neurons':>25}")
    print(
        f"{'hidden':13}{'output':13}{'cost':22}"
        + f"  {'median':>7}{'99 %':>7}{'worst':>9}" * 2
        + f"{'gradients':>12}"
    )
    for ends in ENDS:
        found = network_errors(ends, networks, Random(chosen.seed))
        print(network_row(ends, found), flush=True)


if __name__ == "__main__":
    main()
