"""Parameters as people keep them: the flat order, the arrays, the errors."""

import numpy as np
import pytest
from hypothesis import given, strategies

from microgradnet import MLP, Value
from microgradnet.lifting.nesting import flatten

SHAPES = strategies.lists(
    strategies.lists(strategies.integers(1, 3), min_size=0, max_size=3).map(tuple), min_size=1
)


def nested(shape):
    return [nested(shape[1:]) for _ in range(shape[0])] if shape else Value(0.0)


@given(SHAPES)
def test_a_walk_gives_the_order_and_names_and_shapes_are_kept(shapes):
    given_arrays = {f"p{k}": nested(shape) for k, shape in enumerate(shapes)}
    leaves, arrays = flatten(given_arrays)
    assert [(a.name, a.places.shape) for a in arrays] == [
        (f"p{k}", shape) for k, shape in enumerate(shapes)
    ]
    assert np.concatenate([a.places.ravel() for a in arrays]).tolist() == [*range(len(leaves))]
    for array, own in zip(arrays, given_arrays.values(), strict=True):
        for at in np.ndindex(array.places.shape):
            entry = own
            for k in at:
                entry = entry[k]
            assert leaves[array.places[at]] is entry


def test_dicts_in_dicts_and_lists_of_unequal_lengths():
    a, b, c, d = (Value(float(k)) for k in range(4))
    leaves, arrays = flatten({"layer": {"w": [a, b], "g": c}, "r": [[d], []][:1]})
    assert [leaf.data for leaf in leaves] == [0, 1, 2, 3]
    assert [(x.name, x.places.shape) for x in arrays] == [
        ("layer.w", (2,)), ("layer.g", ()), ("r", (1, 1)),
    ]  # fmt: skip
    _, arrays = flatten({"r": [[a, b], [c]]})
    assert [(x.name, x.places.tolist()) for x in arrays] == [("r[0]", [0, 1]), ("r[1]", [2])]
    _, arrays = flatten([[[a], [b]], (c,)])
    assert [(x.name, x.places.shape) for x in arrays] == [("", (2, 1)), ("", (1,))]


def test_flat_lists_go_by_their_labels():
    w = [[Value(0.0, label=f"wq[{i}][{j}]") for j in range(2)] for i in range(3)]
    odd = Value(0.0, label="wq[0]")
    flat = [leaf for row in w[::-1] for leaf in row]
    _, (array,) = flatten(iter(flat))
    assert array.name == "wq"
    assert array.places.tolist() == [[4, 5], [2, 3], [0, 1]]
    assert flatten([*flat[1:], Value(1.0)])[1] == []  # not all are there
    assert flatten([*flat, odd])[1] == []  # one and two indices
    names = [(a.name, a.places.shape) for a in flatten(MLP(2, [3, 1]).parameters())[1]]
    assert names == [("W1", (3, 2)), ("b1", (3,)), ("W2", (1, 3)), ("b2", (1,))]


def test_errors_say_where_and_what_to_do():
    w = Value(0.5)
    with pytest.raises(ValueError, match=r"parameters\['b'\]\[1\] and parameters\['a'\]"):
        flatten({"a": w, "b": [Value(1.0), w]})
    with pytest.raises(TypeError, match=r"parameters\['b'\]\[0\] is 0.5, no Value: write Value"):
        flatten({"b": [0.5]})
    with pytest.raises(ValueError, match=r"parameters\['b'\]\[1\] is an empty list: leave it out"):
        flatten({"b": [[w], []]})
    with pytest.raises(ValueError, match=r"parameters\[0\], Value.* is computed from other nodes"):
        flatten([w * 2])
    with pytest.raises(TypeError, match=r"parameters is Value.*give a list"):
        flatten(w)
    with pytest.raises(TypeError, match=r"write model.parameters\(\)"):
        flatten(MLP(1, [1]))
    assert flatten([]) == ([], [])
