"""What a leaf is: what the lists say, then what its label says."""

import pytest

from microgradnet import Value
from microgradnet.lifting.inputs import leaf_roles, role_of_label


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
