"""What a leaf is: what the lists say, then what its label says."""

import json
import re

import pytest

from microgradnet import Value, cli, draw, explore
from microgradnet import lift as matrices
from microgradnet.lifting.analysis import recognise
from microgradnet.lifting.inputs import leaf_roles, role_of_label
from microgradnet.lifting.lifted import lift


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("x", "input"), ("x1", "input"), ("x₁₂", "input"), ("x[3][1]", "input"), ("a⁰₁", "input"),
        ("y", "target"), ("t₂", "target"), ("y[0]", "target"), ("w¹₁₁", "parameter"),
        ("wte[3][1]", "parameter"), ("a¹₁", "parameter"), ("xyz", "parameter"), ("", "constant"),
    ],
)  # fmt: skip
def test_labels(label, role):
    assert role_of_label(label) == role
    found = leaf_roles([Value(1.0, label=label)])
    kinds = {"input": found.inputs, "target": found.targets, "parameter": found.parameters,
             "constant": found.constants}  # fmt: skip
    assert [kind for kind, those in kinds.items() if those] == [role]


def test_a_list_is_complete_and_what_it_leaves_goes_by_its_label():
    w, b, x, y = (Value(1.0, label=label) for label in ("w", "b", "x", "y"))
    order = [w, b, x, y, w * x]
    assert leaf_roles(order).parameters == [w, b]
    found = leaf_roles(order, parameters=[b])
    assert (found.parameters, found.inputs, found.targets) == ([b], [x], [y])
    assert found.constants == [w]
    found = leaf_roles(order, inputs=[b], targets=[b, y], parameters=[x])
    assert (found.inputs, found.targets, found.parameters) == ([b], [y], [x])
    unseen = Value(2.0)
    assert leaf_roles(order, inputs=[unseen]).inputs == [unseen]


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (["w", "x1", "b", "y"], ["parameter", "input", "parameter", "target"]),
        (["wte[3][1]", "x", "speed", "t₂"], ["parameter", "input", "parameter", "target"]),
        (["x[0][1]", "a⁰₁", "", "y"], ["input", "input", "constant", "target"]),
    ],
)
def test_lift_draw_and_explore_say_the_same(names, roles):
    w, x, b, y = leaves = [Value(0.5, label=name) for name in names]
    cost = (w * x + b).tanh() - y * y
    said = dict(zip(names, roles, strict=True))
    variables = recognise(cost).variables.values()
    found = {leaf.label: v.kind for v in variables for leaf in v.nodes if leaf in leaves}
    assert found == {name: role for name, role in said.items() if role != "constant"}
    X, Y = ([[0.5] * roles.count(role)] for role in ("input", "target"))
    assert lift(cost).value(X, Y)[0] == pytest.approx(cost.data)
    drawn = re.findall(r'class=(\w+) label="([^"]*?) ?= 0', draw(cost, zoom="scalar").source)
    assert {(role, name) for name, role in said.items() if name} <= set(drawn)
    page = re.search(r'id="model">(.*?)</script>', explore(cost).html, re.DOTALL)[1]
    nodes = [node for node in json.loads(page)["nodes"] if "op" not in node]
    assert {node["label"]: node["role"] for node in nodes} == said


def test_the_command_line_says_the_same(capsys):
    arguments = ["lift", "tanh(w*x1 + b) - y", "w=0.5", "x1=2", "b=1", "y=0.25"]
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    w, x, b, y = (Value(0.5, label=name) for name in ("w", "x1", "b", "y"))
    assert cli.main([*arguments, "--inputs", "x1,b"]) == 0
    assert capsys.readouterr().out != said
    assert said == f"{matrices((w * x + b).tanh() - y, [x], [y], [w, b])}\n"


def test_an_empty_list_is_none_of_them():
    w, x = Value(0.5, label="w"), Value(2.0, label="x")
    program = lift(w * x, inputs=[])
    assert program.value([[]])[0] == 1
    assert len(program.parameters) == 1
    assert len(lift(w * x, [x], parameters=[]).parameters) == 0
