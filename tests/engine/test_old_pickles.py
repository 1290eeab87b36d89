"""What the last release pickled, this one reads: every name in its pickles still leads somewhere.

The golden file was written by release 0.1. `python tests/engine/test_old_pickles.py FILE` writes
one with whichever microgradnet is installed, which is right after a release and at no other time.
"""

from __future__ import annotations

import gzip
import pickle
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import pytest

from microgradnet import (
    MLP,
    Adam,
    GradientDescent,
    Momentum,
    Value,
    costs,
    datasets,
    fit,
    leaky_relu,
    lift,
    ops,
    verify,
)
from microgradnet.graph import topological_order

GOLDEN = Path(__file__).parent / "golden" / "release_0_1.pickle.gz"


def network(granularity: str) -> MLP:
    return MLP(2, [3, 2], activation="tanh", granularity=granularity, rng=Random(3))


def graph() -> Value:
    w = Value(2.0, label="w")
    y = (w * 3 + w.tanh()) ** 2 / leaky_relu(w, slope=0.25)
    y.backward()
    return y


def deep() -> Value:
    x = Value(1.0)
    for _ in range(2000):
        x = x + 0.25
    return x


def differentiated(granularity: str) -> Value:
    cost = costs.quadratic(network(granularity)([0.5, -0.25]), [1.0, 0.0])
    cost.backward()
    return cost


def trained(kind: Any) -> tuple[MLP, Any]:
    model = network("neuron")
    for parameter in model.parameters():
        parameter.grad = 0.25
    optimizer = kind(model.parameters(), 0.5)
    optimizer.step(1)
    return model, optimizer


def second_derivatives() -> Any:
    w = Value(2.0, label="w")
    return w, (w**3).backward(create_graph=True)


def program() -> Any:
    forward, targets = network("atomic").forward([0.5, -0.25]), [Value(1.0), Value(0.0)]
    cost = costs.quadratic(forward.output, targets)
    return lift(cost, forward.a[0], targets, forward.model.parameters())


def history() -> Any:
    X, Y, _ = datasets.xor().train
    return fit(network("atomic"), X, Y, lr=0.5, epochs=2, progress=False)


def report() -> Any:
    return verify(network("atomic"), [[0.5, -1.0]], [[1.0, 0.0]], steps=1)


def of_graph(root: Value) -> list[str]:
    """Every node; and what a further backward pass leaves in the leaves."""
    order = topological_order([root])
    nodes = [f"{v!r} {v.op!r}" for v in order]
    root.backward()
    return [*nodes, *(repr(v.grad) for v in order if v.op is None)]


def of_model(model: MLP) -> list[str]:
    return [*map(repr, model.parameters()), *of_graph(sum(model([1.0, 2.0]), Value(0.0)))]


def of_pass(forward: Any) -> list[str]:
    return [*of_graph(sum(forward.output, Value(0.0))), repr(forward), *of_model(forward.model)]


def of_training(both: Any) -> list[str]:
    """The next step, which hangs on all that an optimizer remembers."""
    model, optimizer = both
    optimizer.step(1)
    return of_model(model)


def of_gradients(both: Any) -> list[str]:
    w, gradients = both
    return [repr(gradients[w]), repr(gradients[w].backward(create_graph=True)[w])]


def of_program(program: Any) -> list[str]:
    value, gradients = program.value_and_grad([[0.5, -1.0]], [[1.0, 0.0]])
    return [f"{x:.12g}" for array in (value, *gradients) for x in array.ravel()]


def of_history(history: Any) -> list[str]:
    return [repr((epoch.cost, epoch.accuracy)) for epoch in history]


def of_report(report: Any) -> list[str]:
    return [repr((row.formula, row.difference, row.bound)) for row in report.rows]


CASES: dict[str, tuple[Callable[[], Any], Callable[[Any], list[str]]]] = {
    "leaf": (lambda: Value(0.5, label="w"), of_graph),
    "graph": (graph, of_graph),
    "deep graph": (deep, of_graph),
    "rational": (lambda: Value(Fraction(1, 3), label="x") * Value(Fraction(2)), of_graph),
    "decimal": (lambda: Value(Decimal("0.1")) * 3, of_graph),
    "atoms": (lambda: differentiated("atomic"), of_graph),
    "neurons": (lambda: differentiated("neuron"), of_graph),
    "model": (lambda: network("atomic"), of_model),
    "model of neurons": (lambda: network("neuron"), of_model),
    "forward pass": (lambda: network("atomic").forward([0.5, -0.25]), of_pass),
    "forward pass of neurons": (lambda: network("neuron").forward([0.5, -0.25]), of_pass),
    "gradient descent": (lambda: trained(GradientDescent), of_training),
    "momentum": (lambda: trained(Momentum), of_training),
    "Adam": (lambda: trained(Adam), of_training),
    "gradients": (second_derivatives, of_gradients),
    "operation": (lambda: leaky_relu.variant(slope=Fraction(1, 2)), lambda op: [repr(op)]),
    "power": (lambda: ops.power_constant.variant(exponent=3), lambda op: [repr(op)]),
    "program": (program, of_program),
    "history": (history, of_history),
    "report": (report, of_report),
}


@pytest.mark.parametrize("case", CASES)
def test_what_the_last_release_pickled_is_read(case: str) -> None:
    pickled, facts = pickle.loads(gzip.decompress(GOLDEN.read_bytes()))[case]
    if b"numpy._core" in pickled and find_spec("numpy._core") is None:
        pytest.skip("its arrays are those of NumPy 2")
    assert CASES[case][1](pickle.loads(pickled)) == facts


if __name__ == "__main__":
    found = {}
    for case, (make, facts) in CASES.items():
        pickled = pickle.dumps(make(), protocol=4)
        found[case] = pickled, facts(pickle.loads(pickled))
    Path(sys.argv[1]).write_bytes(gzip.compress(pickle.dumps(found, protocol=4), mtime=0))
