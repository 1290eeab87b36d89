"""The sort and the propagation, where their fast paths part from the general ones."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from mpmath import mpf

from microgradnet import Value, add, log_sum_exp, operation
from microgradnet.arithmetic import evaluate
from microgradnet.engine import is_unset
from microgradnet.layerwise import weighted_inputs
from microgradnet.rows import vector

HUGE = 10**400  # no float holds it: infinite where it meets one, by the rules


def test_what_stands_below_a_single_parent_is_sorted_before_it():
    x, y = Value(2.0), Value(3.0)
    a = (x + y * y).tanh()  # when a's turn comes x is done, and y·y is not
    (x * a).backward()
    assert y.grad == pytest.approx(2.0 * (1 - math.tanh(11.0) ** 2) * 6.0, rel=1e-6)
    assert x.grad == pytest.approx(math.tanh(11.0) + 2.0 * (1 - math.tanh(11.0) ** 2), rel=1e-12)


def test_a_node_of_many_parents_waits_for_all_of_them():
    x, y = Value(1.0), Value(2.0)
    log_sum_exp(x * y, x + y, y).backward()
    weights = [math.exp(v) for v in (2.0, 3.0, 2.0)]
    p, q, r = (w / sum(weights) for w in weights)
    assert x.grad == pytest.approx(2.0 * p + q, rel=1e-14)
    assert y.grad == pytest.approx(p + q + r, rel=1e-14)


@pytest.mark.parametrize("before", [0, 0.0, -0.0, 3, 2**53 + 1, HUGE, Fraction(1, 3)])
@pytest.mark.parametrize("g", [1.5, -0.0, 7, HUGE, math.inf])
def test_a_gradient_is_added_to_what_a_leaf_has_as_the_table_adds(before: Any, g: Any):
    x = Value(1.0 if isinstance(g, float) else 1)
    x.grad = before
    (x * g).backward()
    sum_of_both = evaluate(add.forward, before, g)
    assert (type(x.grad), repr(x.grad)) == (type(sum_of_both), repr(sum_of_both))


@pytest.mark.parametrize("reset", [None, 0, 2.0])
def test_leaves_on_either_side_of_an_operator_add_to_what_they_have(reset: Any):
    """Where the leaf is met first, it is sorted without a detour."""
    x, y = Value(3.0), Value(5.0)
    for node in (x - 2 * y, (x + 1) - y, y * y - x, y - (-x)):
        x.grad = y.grad = reset
        node.backward()
        node.backward()
        once = {v: node.backward(create_graph=True)[v].data for v in (x, y)}
        for v in (x, y):
            assert v.grad == (reset or 0) + 2 * once[v], node


@pytest.mark.parametrize("expression", ["w * f(x)", "f(x) * w", "f(x) * w.tanh()", "f(x) + w * w"])
def test_a_pass_that_fails_leaves_no_half_gradient(expression: str, own_table: None):
    @operation(lambda m, g, y, x: 1 / 0)
    def failing(m: Any, x: Any) -> Any:
        return x

    w, x = Value(2.0), Value(3.0)
    node = eval(expression, {"w": w, "x": x, "f": failing})
    with pytest.raises(ZeroDivisionError) as error:
        node.backward()  # w has had its gradient by then
    said = [str(error.value), *getattr(error.value, "__notes__", [])]
    assert "in the backward pass, at failing(3.0)" in "\n".join(said)
    assert all(is_unset(v.grad) for v in (w, x, node, *node.parents))


@pytest.mark.parametrize("before", [None, 0, 0.25, Fraction(1, 3)])
def test_a_pass_that_fails_gives_leaves_back_what_they_had(before: Any, own_table: None):
    @operation(lambda m, g, y, x: 1 / 0)
    def failing(m: Any, x: Any) -> Any:
        return x

    v, w, x = Value(1.0), Value(2.0), Value(3.0)
    v.grad = w.grad = x.grad = before
    with pytest.raises(ZeroDivisionError):
        (failing(x) * w.tanh() + v).backward()
    assert v.grad is w.grad is x.grad is before


def test_a_rule_with_too_many_products_is_named(own_table: None):
    @operation(lambda m, g, y, x: (g, g))
    def lavish(m: Any, x: Any) -> Any:
        return x

    with pytest.raises(TypeError, match=r"lavish.* 2 .* 1 "):
        lavish(Value(1.0)).backward()


@pytest.mark.parametrize(
    ("x", "y", "factor", "gradients"),
    [
        (HUGE, 2.0, 1.0, (2.0, math.inf)),
        (2.0, HUGE, 1.0, (math.inf, 2.0)),
        (HUGE, HUGE, 0.5, (math.inf, math.inf)),
        (Fraction(1, 3), 2.0, 1.0, (2.0, 1 / 3)),
    ],
)
def test_a_product_of_other_kinds_goes_by_the_rule(x: Any, y: Any, factor: Any, gradients: Any):
    u, v = Value(x), Value(y)
    (u * v * Value(factor)).backward()
    assert (u.grad, v.grad) == gradients


def test_a_single_operand_of_another_kind_goes_by_the_rule():
    x = Value(HUGE)
    x.log().backward()
    assert x.grad == 0.0


@pytest.mark.parametrize("bias", [mpf(1) / 3, Fraction(1, 3), 0.5])
def test_a_weighted_input_has_the_gradients_of_its_rule_whatever_its_bias(bias: Any):
    w, x, b = Value(0.25), Value(3.0), Value(bias)
    (z,) = weighted_inputs([vector([w], b)], vector([x]))
    (z * 2.0).backward()
    expected = z.op.vjp(2.0, w.data, x.data, b.data, out=z.data)
    assert [(type(v.grad), v.grad) for v in (w, x, b)] == [(type(g), g) for g in expected]


def test_the_gradient_of_a_bias_keeps_the_sign_of_zero():
    w, x, b = Value(1.0), Value(1.0), Value(1.0)
    (z,) = weighted_inputs([vector([w], b)], vector([x]))
    (z * -0.0).backward()
    assert math.copysign(1, b.grad) == -1
