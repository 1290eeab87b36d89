"""lift: the chain rule a vector at a time, and the formulas with matrices that it leads to."""

from __future__ import annotations

import pytest
from support.lifting import agrees

from microgradnet import Value, lift, ops, softmax

X = [[0.3, -0.7, 1.1], [-1.2, 0.4, 0.9]]
WIDE = [[*row, *reversed(row)] for row in X]
NO_TARGETS = [[], []]
V = [[0.3, 2.0], [-1.0, 0.5]]


def texts(program, part):
    return [e.text for e in program.equations if e.part == part]


def parameters(n):
    return [Value(0.25 * k - 0.5) for k in range(n)]


def total(xs):
    return sum(xs[1:], xs[0])


def entrywise(function, ps, xs):
    return [function(p * x) for p, x in zip(ps, xs, strict=True)]


# Sums of groups, and of products


def test_of_a_sum_of_groups_every_entry_gets_its_groups_adjoint():
    def build(xs, ys):
        ps = parameters(6)
        a = entrywise(ops.tanh, ps, xs)
        return [ops.sin(total(a[:3])), ops.sin(total(a[3:]))], ps

    agrees(build, WIDE, NO_TARGETS, V)


@pytest.mark.parametrize("factors", [(1, 1), (2, 2), (2, 3)])
def test_of_sums_of_products_every_entry_gets_its_adjoint_times_the_other(factors):
    def build(xs, ys):
        ps = parameters(6)
        a, b = entrywise(ops.tanh, ps, xs), entrywise(ops.sin, ps, xs)
        products = [factors[k % 2] * (a[k] * b[k]) for k in range(6)]
        return [ops.sin(total(products[:3])), ops.sin(total(products[3:]))], ps

    agrees(build, WIDE, NO_TARGETS, V)


def test_a_product_of_sums_of_groups():
    def build(xs, ys):
        ps = parameters(6)
        a = entrywise(ops.tanh, ps, xs)
        s = [ops.sin(total(a[:3])), ops.sin(total(a[3:]))]
        return [s[0] * s[1]], ps

    agrees(build, WIDE, NO_TARGETS)


def test_matrices_come_first_in_a_sum_and_what_is_taken_away_last():
    def build(xs, ys):
        p, q, b, w = (parameters(n) for n in (2, 2, 2, 4))
        u = entrywise(ops.tanh, p, xs)
        z = [
            ops.cos(u[k]) + q[k] * u[k] + w[2 * k] * xs[0] + w[2 * k + 1] * xs[1] + b[k]
            for k in range(2)
        ]
        return [total([ops.sin(x - ops.tanh(v)) for x, v in zip(xs, z, strict=True)])], [
            *w, *p, *b, *q
        ]  # fmt: skip

    def form(program):
        z, v = (e for e in texts(program, "forward") if e.startswith(("z", "C")))
        assert z.startswith("z1 = W1 a0 + ")
        assert z.endswith(" + b1")
        assert v == "C = Σ sin(a0 − a1)"

    agrees(build, [row[:2] for row in X], NO_TARGETS, form=form)


def test_a_matrix_of_constants():
    def build(xs, ys):
        ps = parameters(3)
        a = entrywise(ops.tanh, ps, xs)
        rows = [[0.1, 0.2, 0.3], [0.5, -1.0, 2.0]]
        return [total([c * v for c, v in zip(row, a, strict=True)]) for row in rows], ps

    def form(program):
        latex = {e.part: e.latex for e in program.equations}
        assert r"K^{1}\," in latex["forward"]
        assert r"(K^{1})^{\mathsf T}\,V" in latex["gradient"] + latex.get("backward", "")

    agrees(build, X, NO_TARGETS, V, form)


# Squares of parameters


def test_a_penalty_on_the_weights_leaves_the_biases_alone():
    def build(xs, ys):
        ps = parameters(4)
        w, b = ps[:3], ps[3]
        z = total([p * x for p, x in zip(w, xs, strict=True)]) + b
        return [ops.tanh(z) + 3 * total([p * p for p in w])], ps

    def form(program):
        assert texts(program, "forward")[-1] == "C = a1 + 3 ‖W1‖²"
        assert texts(program, "gradient") == ["∂C/∂b1 = δ1", "∂C/∂W1 = δ1 a0ᵀ + 6 W1"]

    agrees(build, X, NO_TARGETS, form=form)


def test_a_cost_of_parameters_alone_is_the_same_for_every_example():
    w, v, x = Value(2.0), Value(3.0), Value(1.0)
    program = lift(x**0 + w * w + v * v, [x], parameters=[w, v])
    assert texts(program, "forward") == ["C = a0⁰ + ‖θ‖²"]
    assert texts(program, "gradient") == ["∂C/∂θ = 2 θ"]
    costs, gradient = program.value_and_grad([[1.0], [2.0]])
    assert costs.tolist() == [14.0, 14.0]
    assert gradient.tolist() == [8.0, 12.0]


# Log-sum-exp and softmax


def test_a_log_sum_exp_that_takes_an_entry_twice():
    def build(xs, ys):
        ps = parameters(3)
        a = entrywise(ops.tanh, ps, xs)
        return [ops.log_sum_exp(*a), ops.log_sum_exp(a[0], a[1], a[1])], ps

    agrees(build, X, NO_TARGETS, V)

    def once(xs, ys):
        ps = parameters(3)
        a = entrywise(ops.tanh, ps, xs)
        return [ops.log_sum_exp(a[0], a[0], a[1]) + ops.log_sum_exp(a[2], a[2])], ps

    agrees(once, X, NO_TARGETS)


def test_a_log_sum_exp_of_all_parameters_passes_on_their_softmax():
    def build(xs, ys):
        ps = parameters(3)
        return [ops.log_sum_exp(*ps) * xs[0]], ps

    def form(program):
        assert texts(program, "gradient") == ["∂C/∂θ = a0[1] softmax(θ)"]

    agrees(build, X, NO_TARGETS, form=form)


def test_the_softmax_of_one_number_is_one_and_passes_nothing_on():
    def build(xs, ys):
        (w,) = parameters(1)
        z = w * xs[0]
        return [*softmax([z]), z], [w]

    agrees(build, [[0.3], [-0.7]], NO_TARGETS, V)


# Cross-entropies, and logarithms that are none


def logarithms(ps, xs, ys):
    """The two logarithms of cross-entropy, for each target."""
    a = entrywise(ops.sigmoid, ps, xs)
    pairs = list(zip(ys, a, strict=True))
    return [ops.xlogy(y, v) for y, v in pairs], [ops.xlogy(1 - y, 1 - v) for y, v in pairs]


TARGETS = [[1.0, 0.25, 0.5], [0.0, 0.75, 1.0]]


def test_a_cross_entropy_behind_another_logarithm_is_found():
    def build(xs, ys):
        ps = parameters(3)
        other = ops.xlogy(ys[0], ops.exp(xs[0]))
        first, second = logarithms(ps, xs, ys)
        return [ops.sin(other) - total(first) - total(second)], ps

    def form(program):
        assert texts(program, "gradient") == ["∂C/∂θ = a0 ⊙ v1 − a0 ⊙ y"], str(program)

    agrees(build, X, TARGETS, form=form)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("of_parameters", [False, True])
def test_a_logarithm_in_a_later_product_too_is_not_joined_with_the_other(which, of_parameters):
    def build(xs, ys):
        ps = parameters(4)
        both = logarithms(ps[:3], xs, ys)
        cost = -total(both[0]) - total(both[1])
        factor = ps[3] if of_parameters else ops.sin(cost)
        return [ops.sin(cost) + total([factor * v for v in both[which]])], ps

    agrees(build, X, TARGETS)


@pytest.mark.parametrize("which", [0, 1])
def test_a_logarithm_that_has_a_factor_is_not_joined_with_one_that_has_none(which):
    def build(xs, ys):
        ps = parameters(4)
        both = logarithms(ps[:1], xs[:1], ys)
        cost = both[which][0] * ps[3] + both[1 - which][0]
        return [ops.sin(cost) + ps[1] * xs[1]], ps

    agrees(build, X, [row[:1] for row in TARGETS])


def test_logarithms_added_crosswise_are_not_joined():
    def build(xs, ys):
        ps = parameters(3)
        first, second = logarithms(ps, xs, ys)
        crossed = [first[k] + second[k - 1] for k in range(3)]
        return [total([ops.sin(v) for v in crossed])], ps

    agrees(build, X, TARGETS)
