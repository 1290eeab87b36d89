"""Programs for micrograd run here with only the import changed, and give the same numbers.

Each program is source text, executed twice: as it is, and with the name of the package replaced.
micrograd adds contributions to a gradient in the order of a set, which changes from run to run, so
floats can only be compared within rounding; on Fractions, of which micrograd is innocently
capable, everything must be equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

EXPRESSION = """
from micrograd.engine import Value

a = Value(number('-4'))
b = Value(number('2'))
c = a + b
d = a * b + b**3
c += c + 1
c += 1 + c + (-a)
d += d * 2 + (b + a).relu()
d += 3 * d + (b - a).relu()
e = c - d
f = e**2
g = f / number('2')
g += number('10') / f
h = 2 - g * b
nodes = [a, b, c, d, e, f, g, h]
h.backward()
"""

FIT = """
import random
from micrograd.engine import Value
from micrograd.nn import MLP, Layer, Module, Neuron

random.seed(1337)
model = MLP(2, [16, 16, 1])
parameters = model.parameters()
for p in parameters:
    p.data = number(p.data)
start = [p.data for p in parameters]

points = [(0.5, 0.25), (-0.75, 1.0), (1.5, -0.5), (0.0, 0.875), (2.0, 0.25), (-1.0, 0.0)]
signs = [1, -1, 1, -1, 1, -1]
costs = []
for step in range(STEPS):
    inputs = [[Value(number(x)) for x in point] for point in points]
    scores = [model(x) for x in inputs]
    hinges = [(1 + -sign * score).relu() for sign, score in zip(signs, scores)]
    cost = sum(hinges) * number(1 / 8) + number(1 / 1024) * sum(p * p for p in parameters)
    right = [(sign > 0) == (score.data > 0) for sign, score in zip(signs, scores)]
    model.zero_grad()
    cost.backward()
    for p in parameters:
        p.data -= number(1 / 16) * p.grad
    costs.append(cost.data)
nodes = [cost] + hinges + scores + parameters
"""

BY_HAND = """
from micrograd.engine import Value

w = [[Value(number(x)) for x in row] for row in ((0.5, -1.25), (1.5, 0.75), (-0.25, 2.0))]
b = [Value(number(x)) for x in (0.125, -0.5, 0.25)]
v = [Value(number(x)) for x in (1.0, -1.5, 0.375)]
cost = Value(0)
for x, y in (((1.0, 2.0), 1.0), ((-0.5, 0.25), -1.0), ((3.0, -0.75), 1.0)):
    hidden = []
    for j in range(3):
        z = b[j]
        for k in range(2):
            z = z + w[j][k] * number(x[k])
        hidden.append(z.relu())
    output = Value(0)
    for j in range(3):
        output += v[j] * hidden[j]
    cost = cost + (number(1) - number(y) * output).relu()
cost.backward()
nodes = [cost, *b, *v, *(weight for row in w for weight in row)]
"""

DRAWING = """
from micrograd.engine import Value
from micrograd import nn

def collect(node, nodes, edges):
    if node not in nodes:
        nodes.add(node)
        for parent in node._prev:
            edges.add((parent, node))
            collect(parent, nodes, edges)

def picture(root):
    nodes, edges = set(), set()
    collect(root, nodes, edges)
    boxes, arrows = {}, []
    for n in nodes:
        uid = str(id(n))
        boxes[uid] = "{ data %.4f | grad %.4f }" % (n.data, n.grad)
        if n._op:
            boxes[uid + n._op] = n._op
            arrows.append((uid + n._op, uid))
    for parent, node in edges:
        arrows.append((str(id(parent)), str(id(node)) + node._op))
    return boxes, arrows

x = Value(1.5, label='x') if LABELS else Value(1.5)
y = ((x * 2 + 1).relu() ** 2 + x * x) * -0.5
y.backward()
boxes, arrows = picture(y)

import random
random.seed(7)
neuron = nn.Neuron(2)
inputs = [Value(1.0), Value(-2.0)]
z = neuron(inputs)
z.backward()
neuron_boxes, neuron_arrows = picture(z)
"""


@pytest.fixture(scope="module", autouse=True)
def micrograd(require_oracle: Callable[[str], Any]) -> None:
    require_oracle("micrograd")


def translated(program: str) -> str:
    return re.sub(r"\bmicrograd\b", "microgradnet", program)


def run_both(program: str, **names: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The names that the program has defined, run with micrograd and with microgradnet."""
    theirs, ours = dict(names), dict(names)
    exec(program, theirs)
    exec(translated(program), ours)
    return theirs, ours


def numbers(run: dict[str, Any]) -> list[tuple[Any, Any]]:
    return [(node.data, node.grad) for node in run["nodes"]]


@pytest.mark.parametrize("program", [EXPRESSION, BY_HAND, FIT], ids=["expression", "hand", "fit"])
def test_rationals_are_equal(program):
    theirs, ours = run_both(program, number=Fraction, STEPS=1)
    assert numbers(ours) == numbers(theirs)
    assert any(grad not in (0, 1) for _, grad in numbers(ours))


@pytest.mark.parametrize("program", [EXPRESSION, BY_HAND, FIT], ids=["expression", "hand", "fit"])
def test_floats_are_the_same_to_nine_digits(program):
    # More than any program prints; that the difference is rounding is what the rationals show.
    theirs, ours = run_both(program, number=float, STEPS=3)
    for got, want in zip(numbers(ours), numbers(theirs), strict=True):
        assert got == pytest.approx(want, rel=1e-9, abs=1e-9)


def test_the_same_seed_gives_the_same_network():
    theirs, ours = run_both(FIT, number=float, STEPS=1)
    assert ours["start"] == theirs["start"]
    assert len(ours["start"]) == 3 * 16 + 17 * 16 + 17
    assert ours["right"] == theirs["right"]


def test_numpy_rows_and_labels_as_scikit_learn_gives_them():
    import numpy as np

    program = """
from micrograd.engine import Value
xs, ys = data
w = [Value(0.5), Value(-0.25)]
losses = [(1 + -y * sum(a * b for a, b in zip(w, map(Value, x)))).relu() for x, y in zip(xs, ys)]
cost = sum(losses) * (1.0 / len(losses))
cost.backward()
nodes = [cost, *w]
"""
    data = np.array([[0.5, 1.0], [-2.0, 0.25], [1.5, -3.0]]), np.array([1, -1, 1])
    theirs, ours = run_both(program, data=data)
    assert [f"{float(x):.4f}" for pair in numbers(ours) for x in pair] == [
        f"{float(x):.4f}" for pair in numbers(theirs) for x in pair
    ]
    assert all(type(node.data) is float for node in ours["nodes"])


def test_drawing_code_gives_the_same_picture():
    theirs, ours = run_both(DRAWING, LABELS=False)
    for part in ("boxes", "neuron_boxes"):
        assert sorted(ours[part].values()) == sorted(theirs[part].values())
    for part in ("arrows", "neuron_arrows"):
        boxes = part.replace("arrows", "boxes")
        pictures = [
            sorted((run[boxes][tail], run[boxes][head]) for tail, head in run[part])
            for run in (ours, theirs)
        ]
        assert pictures[0] == pictures[1]


def test_labels_change_nothing_in_the_picture():
    _, plain = run_both(DRAWING, LABELS=False)
    labelled: dict[str, Any] = {"LABELS": True}
    exec(translated(DRAWING), labelled)
    assert sorted(labelled["boxes"].values()) == sorted(plain["boxes"].values())


def test_op_and_prev():
    theirs, ours = run_both(
        """
from micrograd.engine import Value
x, y = Value(3.0), Value(5.0)
made = [x, x + y, x * y, x.relu(), x**2, x**-1, x**0.5, x + x]
ops = [v._op for v in made]
prevs = [[p.data for p in sorted(v._prev, key=lambda p: p.data)] for v in made]
by_hand = Value(9.0, (x,), '**2')
hand = by_hand.data, by_hand._op, by_hand._prev == {x}
summed = Value(8.0, (x, y), '+')
hand_sum = summed.data, summed._op, summed._prev == {x, y}
"""
    )
    assert ours["ops"] == ["", "+", "*", "ReLU", "**2", "**-1", "**0.5", "+"]
    for name in ("ops", "prevs", "hand", "hand_sum"):
        assert ours[name] == theirs[name]


def test_a_reversed_pass_written_by_hand_is_told_the_way():
    # The one thing that cannot run: rules assigned to a node, as in the lecture's first version.
    from microgradnet import Value

    with pytest.raises(AttributeError, match=r"@microgradnet\.operation"):
        Value(1.0)._backward = lambda: None
