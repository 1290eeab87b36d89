"""How many gradients of networks `certify` proves, whether they are right, and how long it takes.

Of 2-16-16-1 and 4-8-8-3 networks with weights from −8 to 8, quadratic cost and every smooth
activation, the gradients by the parameters are certified. Each certified one is held against the
equations of backpropagation in mpmath at 500 bits (`support.equations`). Networks of relu follow;
what is open there has a kink in its enclosure.

The time is that of `certify` over that of forward and backward passes in floats, both in processor
time, measured in turn; the median over the networks. `--gradients` says how many in all, `--seed`
which ones, `--library` by which library.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

from mpmath import mp

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.equations import rounded, true_gradients

from microgradnet import MLP, Value, certify
from microgradnet.costs import quadratic

SMOOTH = ("sigmoid", "tanh", "softplus", "silu", "gelu", "softsign")
SIZES = ((2, [16, 16, 1]), (4, [8, 8, 3]))
BITS = 500


@dataclass
class Row:
    """What was found of the networks of one activation."""

    gradients: int = 0
    certified: int = 0
    wrong: int = 0
    right: int = 0
    worst: float = 0.0
    bits: int = 0
    ratios: list[float] = field(default_factory=list)

    def add(
        self, name: str, sizes: tuple[int, list[int]], rng: Random, library: str | None
    ) -> None:
        model = MLP(*sizes, activation=name, output_activation="linear", init="zeros")
        for parameter in model.parameters():
            parameter.data = rng.uniform(-8, 8)
        x = [rng.uniform(-1, 1) for _ in range(sizes[0])]
        y = [rng.uniform(-1, 1) for _ in range(sizes[1][-1])]

        def graph() -> Value:
            cost: Value = quadratic(model.forward(x).output, y)
            cost.backward()
            return cost

        cost = graph()
        start = time.process_time()
        certificate = certify(cost, library=library)
        middle = time.process_time()
        for _ in range(4):
            graph()
        self.ratios.append((middle - start) / ((time.process_time() - middle) / 4))
        with mp.workprec(BITS):
            names = [name] * (len(model.layers) - 1) + ["linear"]
            true = list(map(rounded, true_gradients(model, names, x, y)))
        parameters = [p for layer in model.layers for n in layer.neurons for p in (*n.w, n.b)]
        self.bits = max(self.bits, certificate.bits)
        for parameter, number in zip(parameters, true, strict=True):
            proven = certificate.gradients[parameter]
            self.gradients += 1
            if proven is not None:
                self.certified += 1
                self.wrong += proven != number
                ulps = certificate.gradients.ulps(parameter)
                self.right += ulps == 0
                self.worst = max(self.worst, ulps)

    def __str__(self) -> str:
        share, right = (100 * n / max(self.certified, 1) for n in (self.certified, self.right))
        share = 100 * self.certified / self.gradients
        worst = f"{self.worst:.4g}" if math.isfinite(self.worst) else "inf"
        return (
            f"{self.gradients:10,}{share:12.3f} %{self.wrong:8}{right:12.1f} %{worst:>14}"
            f"{self.bits:7}{median(self.ratios):8.1f}"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gradients", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--library", choices=["python-flint", "mpmath"])
    parser.add_argument("--tiny", action="store_true", help="a network each, to see that it runs")
    chosen = parser.parse_args()
    most = 1 if chosen.tiny else chosen.gradients / (len(SMOOTH) * len(SIZES))
    print(
        f"{'network':11}{'activation':11}{'gradients':>10}{'certified':>14}{'wrong':>8}"
        f"{'nearest':>14}{'worst ulps':>14}{'bits':>7}{'time':>8}"
    )
    wrong = 0
    for sizes in SIZES:
        title = "-".join(map(str, (sizes[0], *sizes[1])))
        for name in (*SMOOTH, "relu"):
            row, rng = Row(), Random(f"{chosen.seed} {title} {name}")
            while row.gradients < most:
                row.add(name, sizes, rng, chosen.library)
            wrong += row.wrong
            print(f"{title:11}{name:11}{row}", flush=True)
    sys.exit(f"{wrong} certified gradients are wrong" if wrong else 0)


if __name__ == "__main__":
    main()
