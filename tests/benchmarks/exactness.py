"""How many random networks of fractions have been verified, equation by equation, with ==.

Each is run as a scalar graph and by the δ equations: every z, a, δ, C, gradient and updated
parameter of every layer and example must be the same fraction on both sides, equation by equation
and from end to end. One network that is not ends the run, with its report. `--networks` says how
many, over all pairs of a rational activation and a rational cost in turn, `--seed` which ones.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from fractions import Fraction
from itertools import product
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.networks import RATIONAL, RATIONAL_COSTS, rational

from microgradnet import verify
from microgradnet.verification import Report

COLUMNS = ("networks", "equations", "numbers", "end to end")


def counts(report: Report) -> Counter[str]:
    """What one report has compared: equations, their numbers, and those from end to end."""
    rounds = max(report.steps, 1)
    numbers = {row: rounds * math.prod(row.shape) for row in report.rows}
    return Counter(
        {
            "networks": 1,
            "equations": rounds * len(report.rows),
            "numbers": sum(numbers.values()),
            "end to end": sum(n for row, n in numbers.items() if row.end_to_end is not None),
        }
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="a few networks, to see that it runs")
    chosen = parser.parse_args()
    pairs = list(product(RATIONAL, RATIONAL_COSTS))
    networks = len(pairs) if chosen.tiny else chosen.networks
    print(f"{'activation':14}{'cost':12}" + "".join(f"{name:>14}" for name in COLUMNS))
    total: Counter[str] = Counter()
    for k, (activation, cost) in enumerate(pairs):
        rng, found = Random(f"{chosen.seed} {activation} {cost}"), Counter[str]()
        for _ in range(k, networks, len(pairs)):
            drawn = rational(rng, activation, cost)
            steps, eta = rng.randint(0, 1), Fraction(1, rng.randint(1, 9))
            report = verify(drawn.model(), drawn.X, drawn.Y, cost, steps=steps, lr=eta)
            if not (report.exact and report.ok):
                sys.exit(f"NOT exact:\n{report}")
            found += counts(report)
        print(f"{activation:14}{cost:12}" + "".join(f"{found[name]:14,}" for name in COLUMNS))
        total += found
    print(f"{'all':26}" + "".join(f"{total[name]:14,}" for name in COLUMNS))


if __name__ == "__main__":
    main()
