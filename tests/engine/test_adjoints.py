"""Laws of the adjoint on random graphs: exactly in rationals, within derived bounds in floats.

Two floating-point evaluations of the same sums of products, in any order, differ by at most
2k·u·Σ|terms|, where the terms are the products over all paths, u = 2⁻⁵³, and k is the number of
roundings on the longest path (Higham, Accuracy and Stability of Numerical Algorithms, §3.1).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.formulas import BINARY, FORMULAS

from microgradnet import Value, grad, hvp, jvp, no_grad, vjp
from microgradnet.chain_rule import reverse_mode
from microgradnet.engine import flatten, unflatten
from microgradnet.graph import topological_order

U = 2.0**-53
RATIONAL = [name for name, formula in FORMULAS.items() if formula.rational]
picks = st.integers(0, 3) | st.integers(0, 20)


def steps(names: list[str]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(st.sampled_from(names), picks, picks), min_size=2, max_size=14)


def grown(leaves: list[Any], program: list[tuple[str, int, int]]) -> list[Any]:
    """The nodes that the program makes of the leaves, where each formula is tame."""
    nodes = list(leaves)
    for name, i, j in program:
        formula = FORMULAS[name]
        xs = [nodes[~(k % len(nodes))] for k in ((i, j) if name in BINARY else (i,))]
        data = [x.data if isinstance(x, Value) else x for x in xs]
        if formula.tame(*data):
            y = formula.apply(*xs)
            if 1e-6 < abs(y.data) < 1e6 or y.data == 0:
                nodes.append(y)
    return nodes


def leaves_of(numbers: list[Any]) -> list[Value]:
    return [Value(x) for x in numbers]


def gradients(root: Value) -> dict[Value, Any]:
    """What `backward` leaves in all nodes below the root."""
    order = topological_order([root])
    for node in order:
        node.grad = 0
    root.backward()
    return {node: node.grad for node in order}


def sizes(root: Value) -> dict[Value, tuple[float, int]]:
    """Σ|terms| of each adjoint, and the roundings on the longest path to it."""
    found: dict[Value, tuple[float, int]] = {root: (1.0, 0)}
    for node in reversed(topological_order([root])):
        size, roundings = found[node]
        for parent, slope in zip(node.parents, node.partials(), strict=True):
            before, longest = found.get(parent, (0.0, 0))
            # A rule has at most three library functions, of 8 roundings each, and some products.
            found[parent] = (before + size * abs(float(slope)), max(longest, roundings + 30) + 1)
    return found


def shuffled_order(root: Value, rng: Random) -> list[Value]:
    """A random topological order, parents first, among all there are."""
    order = topological_order([root])
    waits = {node: len(set(node.parents)) for node in order}
    children: dict[Value, list[Value]] = {node: [] for node in order}
    for node in order:
        for parent in set(node.parents):
            children[parent].append(node)
    ready = [node for node in order if waits[node] == 0]
    found = []
    while ready:
        node = ready.pop(rng.randrange(len(ready)))
        found.append(node)
        for child in children[node]:
            waits[child] -= 1
            if waits[child] == 0:
                ready.append(child)
    return found


fractions = st.lists(st.fractions(-3, 3, max_denominator=6), min_size=3, max_size=3)
floats = st.lists(st.integers(-48, 48).map(lambda n: n / 16), min_size=3, max_size=3)


@given(fractions, steps(RATIONAL), st.randoms(use_true_random=False))
def test_any_topological_order_gives_the_same_gradients(
    numbers: list[Any], program: Any, rng: Random
) -> None:
    root = grown(leaves_of(numbers), program)[-1]
    order = shuffled_order(root, rng)
    got = reverse_mode({root: Fraction(1)}, order, set(order))
    assert {x: got.get(x, 0) for x in order} == gradients(root)


@given(floats, steps([*FORMULAS]), st.randoms(use_true_random=False))
def test_any_topological_order_gives_the_same_gradients_within_rounding(
    numbers: list[Any], program: Any, rng: Random
) -> None:
    root = grown(leaves_of(numbers), program)[-1]
    order = shuffled_order(root, rng)
    want, bounds = gradients(root), sizes(root)
    for node, got in reverse_mode({root: 1.0}, order, set(order)).items():
        size, roundings = bounds[node]
        assert abs(got - want[node]) <= 2 * roundings * U * size


@given(fractions, steps(RATIONAL))
def test_the_gradient_is_the_sum_over_all_paths(numbers: list[Any], program: Any) -> None:
    """∂C/∂x = Σ over paths from C to x of the product of the local derivatives on the way."""
    leaves = leaves_of(numbers)
    root = grown(leaves, program)[-1]
    found: dict[Value, Any] = {}
    budget = [3_000]

    def walk(node: Value, product: Any) -> None:
        budget[0] -= 1
        if budget[0] < 0:
            return
        found[node] = found.get(node, 0) + product
        for parent, slope in zip(node.parents, node.partials(), strict=True):
            walk(parent, product * slope)

    walk(root, 1)
    if budget[0] >= 0:  # a few graphs have more paths than anybody would wait for
        assert found == gradients(root)


@given(fractions, steps(RATIONAL), st.fractions(-3, 3), st.fractions(-3, 3), picks, picks)
def test_the_adjoint_is_linear(
    numbers: list[Any], program: Any, a: Any, b: Any, i: int, j: int
) -> None:
    """∇(a f + b g) = a ∇f + b ∇g, on a graph that f and g share."""
    leaves = leaves_of(numbers)
    nodes = grown(leaves, program)
    f, g = (nodes[~(k % len(nodes))] for k in (i, j))
    by_f, by_g, both = gradients(f), gradients(g), gradients(a * f + b * g)
    for leaf in leaves:
        assert both.get(leaf, 0) == a * by_f.get(leaf, 0) + b * by_g.get(leaf, 0)
    seeded = reverse_mode({f: a, g: b}) if f is not g else reverse_mode({f: a + b})
    assert [seeded.get(leaf, 0) for leaf in leaves] == [both.get(leaf, 0) for leaf in leaves]


@given(fractions, steps(RATIONAL), fractions, st.lists(st.fractions(-2, 2), max_size=3))
def test_forward_and_reverse_mode_are_transposes(
    numbers: list[Any], program: Any, tangents: list[Any], cotangents: list[Any]
) -> None:
    """u·(J t) = (uᵀ J)·t."""

    def f(*xs: Any) -> list[Any]:
        return grown(list(xs), program)[-len(cotangents) :] if cotangents else []

    _, along = jvp(f, numbers, tangents)
    _, pull_back = vjp(f, *numbers)
    u = (cotangents * 20)[: len(along)]
    assert sum(a * b for a, b in zip(u, along, strict=True)) == sum(
        a * b for a, b in zip(pull_back(u), tangents, strict=True)
    )


@given(fractions, steps(RATIONAL), fractions, fractions)
def test_second_derivatives_are_symmetric(
    numbers: list[Any], program: Any, s: list[Any], t: list[Any]
) -> None:
    """s·(H t) = t·(H s): of mixed second derivatives by any route."""

    def f(*xs: Any) -> Any:
        return grown(list(xs), program)[-1]

    def product(u: list[Any], v: list[Any]) -> Any:
        return sum(a * b for a, b in zip(u, v, strict=True))

    forward_over_reverse = product(s, hvp(f, numbers, t))
    assert forward_over_reverse == product(t, hvp(f, numbers, s))

    def slope(*xs: Any) -> Any:
        return jvp(f, xs, t)[1]

    assert forward_over_reverse == jvp(slope, numbers, s)[1]  # forward over forward
    assert forward_over_reverse == product(s, grad(slope, (0, 1, 2))(*numbers))  # and the reverse


@given(fractions, steps(RATIONAL))
def test_recorded_gradients_are_those_of_backward(numbers: list[Any], program: Any) -> None:
    root = grown(leaves_of(numbers), program)[-1]
    want = gradients(root)
    recorded = root.backward(create_graph=True)
    assert {node: g.data for node, g in recorded.items()} == want
    assert {node: node.grad for node in want} == want  # untouched


# Islands, detached nodes, and pickling in the middle


def cut_by_no_grad(x: Value) -> Value:
    with no_grad():
        return x + 0


def cut_by_pickling(x: Value) -> Value:
    """A copy: gradients go down its own nodes, and not to the originals."""
    copied: Value = pickle.loads(pickle.dumps(x))
    return copied


@given(
    fractions, steps(RATIONAL), steps(RATIONAL), st.sampled_from(["detach", "no_grad", "pickle"])
)
def test_what_is_cut_gets_nothing(numbers: list[Any], below: Any, above: Any, how: str) -> None:
    """Two factors of the same number, one of them cut: half of the gradient of the square."""
    cut: dict[str, Callable[[Value], Value]] = {
        "detach": Value.detach,
        "no_grad": cut_by_no_grad,
        "pickle": cut_by_pickling,
    }
    leaves = leaves_of(numbers)
    middle = grown(leaves, below)[-1]
    top = grown([middle], above)[-1]
    if top is middle:
        top = middle + 0
    square = gradients(top * top)
    whole = {leaf: square.get(leaf, 0) for leaf in leaves}
    other = cut[how](top)
    assert other.data == top.data
    halved = gradients(top * other)
    assert all(2 * halved.get(leaf, 0) == whole[leaf] for leaf in leaves)


@given(fractions, steps(RATIONAL), steps(RATIONAL))
def test_a_graph_goes_on_after_pickling_as_before(
    numbers: list[Any], below: Any, above: Any
) -> None:
    nodes = grown(leaves_of(numbers), below)
    thawed = unflatten(*pickle.loads(pickle.dumps(flatten(nodes))))
    root, twin = grown(nodes, above)[-1], grown(thawed, above)[-1]
    root.backward()
    twin.backward()
    assert [v.grad for v in topological_order([root])] == [
        v.grad for v in topological_order([twin])
    ]
    second = [[g.data for g in v.backward(create_graph=True).values()] for v in (root, twin)]
    assert second[0] == second[1]
