"""How many numbers of the operations the oracles have confirmed: operations × points × oracles.

Of every operation of the table, and some variants, value, first and second derivatives by all
operands are held against every oracle, at the fixed points of the tests and at random ones; and so
are those of the lifted programs against mpmath. A number that none confirms ends the run with an
AssertionError. Where an oracle has no say (the complex step of a value, PyTorch of what it has not)
nothing is counted. `--points` says how many random points each, `--seed` which ones.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections import Counter
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.judges import ORACLES, engine, judge, lifted, orders, points
from support.oracles import operands, variants

from microgradnet.operation import Operation

COLUMNS = ("operations", "points", "values", "first", "second")


def draw(op: Operation, rng: Random) -> tuple[float, ...]:
    """From 1e-8 to 50, half of them below 3."""
    widths = rng.choices([3, 50], k=operands(op))
    return tuple(rng.choice([-1, 1]) * rng.uniform(1e-8, width) for width in widths)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--tiny", action="store_true", help="few operations at one point: does it run?"
    )
    chosen = parser.parse_args()
    rows = {oracle: (engine, oracle) for oracle in ORACLES} | {
        "lifted, by mpmath": (lifted, "mpmath")
    }
    if importlib.util.find_spec("torch") is None:
        del rows["PyTorch"]
    everything = variants()[:: 12 if chosen.tiny else 1]
    print(f"{'':18}" + "".join(f"{name:>12}" for name in COLUMNS))
    total: Counter[str] = Counter()
    for name, (judged, oracle) in rows.items():
        found: Counter[str] = Counter()
        for op in everything:
            rng, counted = Random(f"{chosen.seed} {op!r}"), Counter[str]()
            fixed = points(op)[: 1 if chosen.tiny else None]
            for xs in [
                *fixed,
                *(draw(op, rng) for _ in range(0 if chosen.tiny else chosen.points)),
            ]:
                heard = [
                    COLUMNS[2 + len(o)] for o in orders(op) if judge(judged, oracle, op, xs, o)
                ]
                counted += Counter(heard) + Counter(points=bool(heard))
            found += counted + Counter(operations=bool(counted))
        print(f"{name:18}" + "".join(f"{found[column]:12,}" for column in COLUMNS), flush=True)
        total += found
    print(f"{sum(total[name] for name in COLUMNS[2:]):,} numbers confirmed")


if __name__ == "__main__":
    main()
