"""The table of right values that `microgradnet.judging` ships: made here, and confirmed by oracles.

`python tests/benchmarks/right_values.py --renew` writes it, the same bytes each time; without
options every number of the table at hand is computed again and compared.

Each number is the float nearest to the mathematical value, first or second derivative at a point
that float32 has too, for single engines are judged by the same table. The numbers are those of the
operations' rules at sixty digits. Difference quotients at hundreds of digits confirm each of them,
and at some points SymPy, PyTorch, complex steps, central differences and lifted programs do. Three
functions are no operations of ours: those are difference quotients themselves, and the derivatives
of another formula, by mpmath, confirm them. At
kinks they are our own conventions, at ends of domains the limits; `judging` knows which points
these are and does not judge by them.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import lzma
import math
import sys
from collections.abc import Callable
from itertools import combinations_with_replacement
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from mpmath import mp, mpf

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.judges import ORACLES, Estimate, judge

import microgradnet
from microgradnet import Value, ops
from microgradnet.arithmetic import evaluate
from microgradnet.operation import Operation

TABLE = Path(microgradnet.__file__).parent / "judging" / "right_values.xz"

EXTRA: dict[str, Callable[..., Any]] = {
    "gelu_tanh": lambda m, x: _gelu(2 * mp.sqrt(2 / mp.pi) * (x + mpf("0.044715") * x**3), x),
    "gelu_sigmoid": lambda m, x: _gelu(mpf("1.702") * x, x),
    "hard_sigmoid_fifth": lambda m, x: max(min(x / 5 + mpf(1) / 2, mpf(1)), mpf(0)),
}
"""Functions that other engines have and our table of operations has not."""
TEXTBOOK: dict[str, Callable[[Any], Any]] = {
    "gelu_tanh": lambda x: x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mpf("0.044715") * x**3))),
    "gelu_sigmoid": lambda x: x * (1 + mp.tanh(mpf("0.851") * x)) / 2,
    "hard_sigmoid_fifth": lambda x: (abs(x / 5 + mpf(1) / 2) - abs(x / 5 - mpf(1) / 2) + 1) / 2,
}
"""The same by other formulas, which mpmath differentiates to confirm them."""


def _gelu(z: Any, x: Any) -> Any:
    if mp.isinf(x):
        return x if x > 0 else mpf(0)
    return x / (1 + mp.exp(-z))


NAMES = """
    add subtract multiply divide negative raise_to abs maximum minimum exp expm1 log log1p sqrt sin
    cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc log2 log10 log_sigmoid sigmoid
    relu leaky_relu elu softplus silu gelu softsign hard_tanh hard_sigmoid hypot"""
EXPONENTS = (-3, -2, -1, 0, 1, 2, 3, 4, -0.5, 0.5, 1.5, 2.5)

OPERATIONS: dict[str, Operation] = {
    **{name: getattr(ops, name) for name in NAMES.split()},
    **{f"power {c:g}": ops.power_constant.variant(exponent=c) for c in EXPONENTS},
    "exponential 2": ops.exponential.variant(base=2),
    "softmax": ops.softmax_component.variant(index=0),
    "log_sum_exp": ops.log_sum_exp,
}

UNIT = ("asin", "acos", "atanh")
"""Functions at home between −1 and 1."""
POSITIVE = ("log", "log2", "log10", "sqrt", "raise_to", "acosh",
            "power 0.5", "power -0.5", "power 1.5", "power 2.5")  # fmt: skip

EDGES = [0.0, 1e-30, 1e-8, 1e-3, 1.0, 3.0, 1e10, 1e30, math.inf]
DOUBLE = [1e-300, 1e155, 1e300]
"""Beyond float32, whose engines are not asked."""
MIDDLE = [0.25, 0.5, 2.0, 2.5, 5.0, 8.0, 12.0, 20.0, 30.0, 50.0, 88.0, 120.0, 300.0, 709.0, 800.0]
POINTS = 2048
"""Random ones for each domain."""
EVERY = 8
"""Of the random points one in so many has second derivatives."""


def single(x: float) -> float:
    """The nearest float32, as a float; beyond its range x itself."""
    return x if abs(x) > 1e38 or 0 < abs(x) < 1e-37 else float(np.float32(x))


def domain(name: str, arity: int) -> str:
    """The points that an operation is tried at: those of its domain, at which it is to be right."""
    if arity == 3:
        return "triples"
    if arity == 2:
        return "powers" if name == "raise_to" else "pairs"
    return {
        "acosh": "above one",
        **dict.fromkeys(UNIT, "unit"),
        **dict.fromkeys(POSITIVE, "positive"),
    }.get(name, "line")


def points(of: str) -> tuple[list[tuple[float, ...]], int]:
    """Kinks, edges and tails, then random points; and how many the former are."""
    rng = Random(of)

    def anywhere() -> float:
        if of == "unit":
            return single(rng.choice([rng.uniform(-1, 1), 1 - 10 ** rng.uniform(-7, 0)]))
        if rng.random() < 0.7:
            x = rng.uniform(-6, 6)
        else:
            x = rng.choice([-1, 1]) * 10 ** rng.uniform(-6, 2.5)
        x = single(abs(x) if of in ("positive", "powers", "above one") else x)
        return single(x + 1) if of == "above one" else x

    if of == "triples":
        fixed = [(1000.0, 0.0, -1000.0), (1000.0, 1000.0, 999.0), (-1000.0, -1001.0, -1002.0)]
        fixed += [(0.0, 0.0, 0.0), (800.0, 1.0, 2.0), (30.0, -30.0, 0.0), (1e10, 0.0, 1.0)]
        others = [[single(rng.uniform(-4, 4)) for _ in range(3)] for _ in range(POINTS)]
    elif of in ("pairs", "powers"):
        few = [0.0, 1.0, -1.0, 3.0, -2.5, 1e-8, 1e10, -1e10, math.inf, 1e-300, 1e300]
        if of == "powers":
            few = [0.0, 1.0, 2.0, 0.5, 3.0, 1e-8, 10.0]
        fixed = [(x, y) for x in few for y in few]
        fixed += [(x, x) for x in (anywhere() for _ in range(10))]
        others = [[anywhere(), single(rng.uniform(-4, 4))] for _ in range(POINTS)]
    else:
        edges = [s * x for x in [*EDGES, *DOUBLE] for s in (1, -1)]
        near_one = [single(1 - 2**-k) for k in (5, 12, 20)] + [single(1 + 2**-k) for k in (5, 12)]
        middle = [s * single(x) for x in [*MIDDLE, *near_one] for s in (1, -1)]
        fixed = [(x,) for x in [*edges, math.nan, *middle]]
        mirrored = of in ("line", "unit")  # odd and even functions take half the room
        others = [[x] for x in (anywhere() for _ in range(POINTS // (1 + mirrored)))]
        others = [[s * x] for (x,) in others for s in (1, -1)[: 1 + mirrored]]
    return [*fixed, *map(tuple, others)], len(fixed)


def right(name: str, xs: tuple[float, ...]) -> list[float]:
    """The value, the first derivatives, the second ones, each rounded once."""
    with mp.workdps(60):
        exact = [mpf(x) for x in xs]
        if name in EXTRA:
            return [_nearest(x) for x in _quotients(EXTRA[name], exact[0])]
        op = OPERATIONS[name]
        leaves = [Value(x) for x in exact]
        y = op(*leaves)
        firsts = y.backward(create_graph=True)
        numbers = [y.data, *(_data(firsts, leaf) for leaf in leaves)]
        seconds = []
        for leaf in leaves:
            first = firsts.get(leaf)
            if isinstance(first, Value) and first.parents:
                rows = first.backward(create_graph=True)
            else:
                rows = {}
            seconds.append([_data(rows, other) for other in leaves])
        n = range(len(leaves))
        numbers += [seconds[j][k] for j, k in combinations_with_replacement(n, 2)]
        return [_nearest(x) for x in numbers]


def _data(gradients: Any, leaf: Value) -> Any:
    found = gradients.get(leaf, 0.0)
    return found.data if isinstance(found, Value) else found


def _nearest(x: Any) -> float:
    if not isinstance(x, mpf):
        return float(x)  # an int or a Fraction, rounded once
    if mp.isnan(x) or not mp.isfinite(x):
        return float(x)
    if abs(x) >= (2 - mpf(2) ** -53) * mpf(2) ** 1023:
        return math.copysign(math.inf, x)
    return float(x)


def _quotients(f: Callable[..., Any], x: Any) -> list[Any]:
    """Value, first and second derivative of what is no operation of ours, tails of 1e-308 too."""
    with mp.workdps(800):  # 1e300 ± h, and what cancels
        h = mpf(10) ** -40
        before, here, after = (evaluate(f, x + s * h) for s in (-1, 0, 1))
        return [here, (after - before) / (2 * h), (after - 2 * here + before) / h**2]


def table() -> dict[str, Any]:
    """All of it: the points of each domain, and each operation's numbers at those of its own."""
    arity = dict.fromkeys(EXTRA, 1) | {name: op.arity or 3 for name, op in OPERATIONS.items()}
    domains = {name: domain(name, n) for name, n in arity.items()}
    found: dict[str, Any] = {}
    for of in sorted({*domains.values()}):
        xs, fixed = points(of)
        found[of] = np.asfortranarray(xs)
        for name in sorted(name for name in arity if domains[name] == of):
            numbers = np.asfortranarray([right(name, x) for x in xs])
            rows = np.arange(len(xs))
            numbers[(rows >= fixed) & (rows % EVERY > 0), 1 + arity[name] :] = np.nan
            found[f"{of}/{name}"] = numbers
    return found


def packed(made: dict[str, Any]) -> bytes:
    """The bytes of the table: columns one after the other, many of which are alike."""
    stream = io.BytesIO()
    np.savez(stream, **made)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 0, "lp": 3, "pb": 3}]
    return lzma.compress(stream.getvalue(), filters=filters)


def confirm(name: str, rows: Any, numbers: Any, every: int) -> int:
    """Ask mpmath of one row in `every`, all oracles of a tenth of these; count the answers."""
    if name in EXTRA:
        return _confirm_extra(name, rows[::every], numbers[::every])
    op = OPERATIONS[name]
    n = op.arity or 3
    orders = [(), *((k,) for k in range(n)), *combinations_with_replacement(range(n), 2)]
    oracles = [o for o in ORACLES if o != "PyTorch" or importlib.util.find_spec("torch")]
    count = 0
    for index in range(0, len(rows), every):
        xs = tuple(map(float, rows[index]))
        if not all(1e-8 <= abs(x) <= 100 for x in xs):
            continue
        known = dict(zip(orders, map(float, numbers[index]), strict=True))
        known = {order: x for order, x in known.items() if len(order) < 2 or not math.isnan(x)}

        def says(op: Operation, xs: Any, order: Any, known: Any = known) -> Estimate:
            return Estimate(known[order], 2.0**-53 * abs(known[order]))

        for oracle in oracles if index % (10 * every) == 0 else ["mpmath"]:
            count += sum(judge(says, oracle, op, xs, order) for order in known)
    return count


def _confirm_extra(name: str, rows: Any, numbers: Any) -> int:
    count = 0
    for (x,), known in zip(rows.tolist(), numbers.tolist(), strict=True):
        kink = name == "hard_sigmoid_fifth" and abs(x) == 2.5
        if not 1e-8 <= abs(x) <= 100 or kink:
            continue
        for order, number in enumerate(known):
            if not math.isnan(number):
                with mp.workdps(700):  # 1 + tanh cancels
                    apart = abs(mp.diff(TEXTBOOK[name], mpf(x), order) - mpf(number))
                least = 5e-324  # the tails are smaller than any float
                assert apart <= 2.0**-53 * abs(number) + least, (name, x, order)
                count += 1
    return count


def main() -> None:
    """Compare the table with a new one, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--renew", action="store_true", help="write the table")
    parser.add_argument("--every", type=int, default=4, help="confirm one number in so many")
    parser.add_argument("--tiny", action="store_true", help="some rows, to see that it runs")
    chosen = parser.parse_args()
    if chosen.tiny:
        stored = stored_table()
        rows, numbers = stored["line"][::400], stored["line/tanh"][::400]
        again = [right("tanh", (float(x),)) for (x,) in rows]
        assert np.array_equal(numbers, again, equal_nan=True)
        print(f"tanh: {confirm('tanh', rows, numbers, 3)} numbers confirmed")
        numbers = stored["line/gelu_tanh"][::400]
        print(f"gelu_tanh: {confirm('gelu_tanh', rows, numbers, 1)} numbers confirmed")
        return
    made = table()
    for key, numbers in made.items():
        of, _, name = key.partition("/")
        if name:
            found = confirm(name, made[of], numbers, chosen.every)
            print(f"{name:20} {len(numbers):5} points {found:6} numbers confirmed", flush=True)
    print(f"{sum(len(each) for key, each in made.items() if '/' in key):,} points")
    if chosen.renew:
        TABLE.write_bytes(packed(made))
    else:
        stored = stored_table()
        assert sorted(stored) == sorted(made)
        assert all(np.array_equal(stored[key], made[key], equal_nan=True) for key in made)


def stored_table() -> dict[str, Any]:
    """The table as it ships."""
    return dict(np.load(io.BytesIO(lzma.decompress(TABLE.read_bytes()))))


if __name__ == "__main__":
    main()
