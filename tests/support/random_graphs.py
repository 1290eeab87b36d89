"""Random graphs of scalars, for fuzzers, and an evaluation of atoms that knows nothing else."""

from __future__ import annotations

from random import Random
from typing import Any

from microgradnet import Value, ops
from microgradnet.arithmetic import evaluate
from microgradnet.lifting.canonicalise import CONSTANT, OPERATION, SUM, Atoms

__all__ = ["evaluate_atoms", "random_graph"]

_UNARY = [ops.tanh, ops.exp, ops.sigmoid, ops.relu, ops.sin, ops.negative, ops.softplus]
_BINARY = [ops.add, ops.subtract, ops.multiply, ops.divide, ops.maximum]


def random_graph(rng: Random, size: int) -> tuple[list[Value], list[Value], list[Value]]:
    """Roots, inputs and parameters of a graph of about `size` operations, without poles."""
    inputs = [Value(rng.uniform(-1, 1)) for _ in range(rng.randint(0, 3))]
    parameters = [Value(rng.uniform(-1, 1)) for _ in range(rng.randint(1, 4))]
    constants = [Value(rng.choice((0.0, 1.0, -1.0, 0.5, rng.uniform(-2, 2)))) for _ in range(2)]
    nodes = [*inputs, *parameters, *constants]
    for _ in range(size):
        kind = rng.random()
        recent = nodes[-6:] if rng.random() < 0.6 else nodes
        if kind < 0.25:
            node = rng.choice(_UNARY)(rng.choice(recent) * 0.5)
        elif kind < 0.85:
            op = rng.choice(_BINARY)
            left, right = rng.choice(recent), rng.choice(nodes)
            if op is ops.divide:
                right = (
                    2.0 + right * right if rng.random() < 0.5 else Value(rng.choice((2.0, -0.5)))
                )
            node = op(ops.tanh(left) if op is ops.multiply and abs(left.data) > 5 else left, right)
        elif kind < 0.9:
            node = rng.choice(recent) * rng.uniform(-2, 2) + rng.uniform(-1, 1)
        elif kind < 0.95:
            k = rng.randint(1, 3)
            node = ops.weighted_sum(*(rng.choice(nodes) for _ in range(2 * k + 1)))
        else:
            xs = [rng.choice(nodes) for _ in range(rng.randint(1, 3))]
            node = ops.log_sum_exp(*xs) if rng.random() < 0.5 else ops.softmax(xs)[0]
        if abs(node.data) > 1e3:
            node = ops.tanh(node * 1e-3)
        nodes.append(node)
    roots = [nodes[-1]] if rng.random() < 0.7 else nodes[-3:]
    return roots, inputs, parameters


def evaluate_atoms(atoms: Atoms) -> list[Any]:
    """The number of each atom, computed from those it is made of."""
    numbers: list[Any] = []
    for k, role in enumerate(atoms.role.tolist()):
        if role == OPERATION:
            operands = [numbers[j] for j in atoms.operands[atoms.starts[k] : atoms.starts[k + 1]]]
            op: Any = atoms.operation[k]
            numbers.append(evaluate(op.forward, *operands))
        elif role == SUM:
            total = float(atoms.value[k])
            for t in range(int(atoms.first_term[k]), int(atoms.first_term[k + 1])):
                product = float(atoms.coefficient[t])
                for j in atoms.factors[t]:
                    if j >= 0:
                        assert j < k, "an atom stands behind what it is made of"
                        product *= numbers[j]
                total += product
            numbers.append(total)
        else:
            numbers.append(
                float(atoms.value[k]) if role == CONSTANT else float(atoms.nodes[k].data)
            )
    return numbers
