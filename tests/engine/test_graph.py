"""The topological order, on graphs of plain objects that only have parents."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from microgradnet.graph import topological_order


class Node:
    """A node that is nothing but its parents, and may not be asked whether it equals another."""

    def __init__(self, *parents: Node) -> None:
        self.parents = parents

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        raise AssertionError("nodes are told apart by identity")


@st.composite
def shapes(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    """The parents of each node, by number and with repetitions, and some roots."""
    size = draw(st.integers(1, 12))
    parents = [draw(st.lists(st.integers(0, k - 1), max_size=4)) if k else [] for k in range(size)]
    return parents, draw(st.lists(st.integers(0, size - 1), max_size=4))


def build(parents: list[list[int]]) -> list[Node]:
    nodes: list[Node] = []
    for numbers in parents:
        nodes.append(Node(*(nodes[k] for k in numbers)))
    return nodes


def order_by_number(shape: tuple[list[list[int]], list[int]]) -> list[int]:
    nodes = build(shape[0])
    number = {id(node): k for k, node in enumerate(nodes)}
    return [number[id(node)] for node in topological_order(nodes[k] for k in shape[1])]


@given(shapes())
def test_each_node_below_the_roots_stands_once_and_behind_all_its_parents(shape):
    parents, roots = shape
    order = order_by_number(shape)

    below: set[int] = set()
    for k in range(len(parents) - 1, -1, -1):
        if k in roots or any(k in parents[child] for child in below):
            below.add(k)
    assert sorted(order) == sorted(below)
    place = {k: position for position, k in enumerate(order)}
    assert all(place[parent] < place[k] for k in order for parent in parents[k])


@given(shapes())
def test_the_order_is_that_of_the_textbook_recursion(shape):
    # Parents in their order, first visit first: hence also the same in every run.
    parents, roots = shape
    order: list[int] = []

    def visit(k: int) -> None:
        if k not in order:
            for parent in parents[k]:
                visit(parent)
            order.append(k)

    for root in roots:
        visit(root)
    assert order_by_number(shape) == order


def test_no_roots_no_nodes():
    assert topological_order([]) == []


def test_a_diamond_with_a_long_and_a_short_arm():
    #  a ── b ── c
    #        \    \
    #         ───── d
    a = Node()
    b = Node(a)
    c = Node(b)
    d = Node(b, c)
    assert [id(node) for node in topological_order([d])] == [id(node) for node in (a, b, c, d)]


def test_depth_takes_no_recursion_and_width_no_time():
    chain = [Node()]
    for _ in range(200_000):
        chain.append(Node(chain[-1], chain[-1]))
    order = topological_order([chain[-1]])
    assert len(order) == len(chain)
    assert all(node.parents[0] is parent for parent, node in pairwise(order))
    while chain:  # from the far end: objects with a dict are not freed iteratively everywhere
        chain.pop()
        order.pop()
