"""How far values and derivatives in floats are from the exact ones, in units in the last place.

For every operation of the table, at points drawn at random (of every magnitude from 1e-8 to 50),
what the float arithmetic gives is held against the same rule at 60 digits, which the tests hold
against difference quotients at hundreds. Where terms of both signs cancel, near the zeros of a
derivative, many units may be lost: so the median and the largest are given. `--points` says how
many points, `--seed` which ones.
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
from oracles import operands

from microgradnet import grad
from microgradnet.arithmetic import evaluate
from microgradnet.operation import Operation, operations


def ulps(got: float, exact: Any) -> float:
    """The distance in units in the last place of the exact number; NaN where there is none."""
    if not (math.isfinite(got) and mp.isfinite(exact)) or abs(exact) < mpf("1e-300"):
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
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="a few points, to see that it runs")
    chosen = parser.parse_args()
    points = 3 if chosen.tiny else chosen.points
    print(f"{'ulps':18}  {'value':>16}  {'derivative':>16}  {'second':>16}")
    print(f"{'':18}" + f"  {'median':>7}{'largest':>9}" * 3)
    for op in operations():
        print(row(op.name, errors(op, points, Random(chosen.seed))), flush=True)


if __name__ == "__main__":
    main()
