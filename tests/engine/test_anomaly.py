"""`detect_anomaly`: what it names, and what it leaves alone."""

from __future__ import annotations

import copy
import math
import threading
from fractions import Fraction
from typing import Any

import pytest
from mpmath import mpf

from microgradnet import (
    MLP,
    AnomalyError,
    Value,
    costs,
    detect_anomaly,
    draw,
    grad,
    hessian,
    jvp,
    maximum,
    no_grad,
    operation,
    ops,
    recording,
    softmax,
    vjp,
)
from microgradnet.drawing import Picture
from microgradnet.drawing.boxes import WRONG

inf, nan = math.inf, math.nan


def said_of(program: Any) -> str:
    with pytest.raises(AnomalyError) as caught:
        program()
    return str(caught.value)


def test_the_first_infinity_forward_is_named():
    x, w = Value(0.0, label="x"), Value(2.0, label="w")
    with detect_anomaly():
        h = w * x
        h.label = "h"

        def program():
            return (h.log() * w).tanh()  # the line to be named

        said = said_of(program)
    assert "−∞ is the result of log,\n  log(h), h = 0.0\n" in said
    assert "in program: return (h.log() * w).tanh()  # the line to be named" in said
    assert "test_anomaly.py, line" in said
    assert "in program" in said
    assert "leaf" not in said


def test_the_first_nan_backward_is_named_and_nothing_is_changed():
    x, w = Value(0.0, label="x"), Value(3.0, label="w")
    w.grad = 7.0
    with detect_anomaly():
        root = (x * x).sqrt()  # its slope is infinite
        root.label = "r"
        cost = w * root
        with pytest.raises(AnomalyError) as caught:
            cost.backward()
    said = str(caught.value)
    assert "is ∞ after the backward pass through sqrt,\n  r = sqrt(0.0)" in said
    assert "whose own gradient was 3.0" in said
    assert "root = (x * x).sqrt()  # its slope is infinite" in said
    assert caught.value.node is root.parents[0]
    assert (x.grad, w.grad, root.grad) == (0, 7.0, 0)
    cost.backward()  # the block is over
    assert math.isnan(x.grad)


def test_a_sum_of_finite_contributions_may_overflow():
    x = Value(1.0, label="x")
    with detect_anomaly():
        y = 1.5e308 * x - (-1.5e308) * x * 1e-10
        y.backward()
        assert x.grad == pytest.approx(1.5e308)
        x.grad = 0.0
        huge = (x * 1.5e308) * 0.5 + (x * 1.5e308) * 0.5
        huge.backward()
        with pytest.raises(AnomalyError, match=r"∂C/∂x is ∞ \(of which 1.5e308 from there\)"):
            _two_large_slopes(x).backward()


def _two_large_slopes(x: Value) -> Value:
    return x * 1.5e308 + (x - 1.0) * 1.5e308


def test_a_leafs_infinity_is_named_by_who_hands_it_on():
    x = Value(inf, label="x")
    with detect_anomaly():
        said = said_of(lambda: x * 2)
        assert "into which ∞ came as a leaf" in said
        assert Value(-inf).exp().data == 0  # that of −inf is finite
        assert "leaf" not in said_of(Value(1000.0).exp)  # which is finite itself


def test_an_infinity_that_a_rule_computes_and_does_not_choose_is_none():
    x, y = Value(0.0), Value(0.0)
    with detect_anomaly():
        z = x**y  # its slope computes 0⁻¹, and takes 0
        slope = z.backward(create_graph=True)[x]
    assert slope.data == 0


def test_what_was_made_before_is_said_to_be():
    y = Value(0.0, label="x").sqrt()
    with detect_anomaly():
        said = said_of(y.backward)
    assert "∂C/∂x is ∞" in said
    assert "before detect_anomaly began" in said


def test_the_users_line_is_that_outside_the_package():
    with detect_anomaly():
        said = said_of(lambda: costs.log_likelihood([Value(0.0)], [1]))
    assert "said_of(lambda: costs.log_likelihood" in said
    assert "result of xlogy,\n  1*log(0.0)" in said


def test_in_a_graph_of_gradients():
    x = Value(0.0, label="x")
    with detect_anomaly():
        slope = (x ** Fraction(3, 2)).backward(create_graph=True)[x]
        said = said_of(lambda: slope.backward(create_graph=True))
        assert "x**0.5, x = 0.0" in said
        assert "create_graph=True)[x]" in said
        said_of(lambda: grad(lambda t: (t * t).sqrt())(0.0))


def test_within_no_grad_it_looks_on():
    with detect_anomaly(), no_grad():
        said = said_of(lambda: Value(-1.0).log())
    assert "NaN is the result of log,\n  log(−1.0)" in said


@pytest.mark.parametrize("x", [mpf(0), Fraction(0), 0])
def test_other_numbers(x: Any) -> None:
    with detect_anomaly():
        assert (Value(x) * 2 + 1).data == 1
        assert "is the result of" in said_of(lambda: Value(x).log())


def test_it_nests_ends_and_watches_its_own_thread_only():
    x = Value(0.0)
    seen: list[Any] = []
    with detect_anomaly():
        with detect_anomaly():
            pass
        said_of(x.log)
        thread = threading.Thread(target=lambda: seen.append(x.log().data))
        thread.start()
        thread.join()
    assert seen == [-inf]
    assert recording.open_blocks == 0
    assert x.log().data == -inf
    assert (x * x).parents == (x, x)


def test_the_table_of_lines_keeps_no_graph_alive_and_no_wrong_line():
    with detect_anomaly():
        watcher: Any = recording.active_hook()
        for _ in range(1000):
            y = Value(0.0)
            for _ in range(5):
                y = y * 1.0
        assert len(watcher._lines) < 1000  # of 5000 nodes, most of them long gone
        y = Value(0.0).sqrt()
        twin = copy.deepcopy(y)
        assert "∞" in said_of(twin.backward)


def test_a_line_that_another_node_left_behind_is_not_told():
    y = Value(0.0).sqrt()
    with detect_anomaly():
        watcher: Any = recording.active_hook()
        (Value(2.0) * 3).tanh()
        [*_, (op, data, line)] = watcher._lines.values()
        # as if that node had been in this one's place; or one of the same operation, or number
        for known in ((op, data, line), (y.op, data, line), (op, y.data, line)):
            watcher._lines[id(y)] = known
            assert "before detect_anomaly began" in said_of(y.backward)


def test_an_operand_without_a_name_is_counted():
    y = 3 - Value(0.0).sqrt()
    with detect_anomaly():
        assert "∂C/∂(operand 1) is −∞ after the backward pass through sqrt" in said_of(y.backward)
        assert "∂C/∂(operand 2) is −∞" in said_of((Value(1.0) / Value(1e-200)).backward)


def test_a_rule_that_raises_is_left_to_the_pass_itself(own_table):
    @operation(lambda m, g, y, x: 1 / 0)
    def unlucky(m: Any, x: Any) -> Any:
        return x

    with detect_anomaly(), pytest.raises(ZeroDivisionError) as caught:
        unlucky(Value(1.0, label="x")).backward()
    notes = getattr(caught.value, "__notes__", ())  # before Python 3.11 the message has them
    assert any("unlucky(x), x = 1.0" in line for line in (str(caught.value), *notes))


def test_an_own_operation_is_named(own_table):
    @operation(lambda m, g, y, x: (g,))
    def overflow(m: Any, x: Any) -> Any:
        return x * 1e308 * 1e308

    with detect_anomaly():
        assert "overflow(5.0)" in said_of(lambda: overflow(Value(5.0)))
        assert maximum(Value(1.0), 2.0).data == 2.0


def test_anomalies_are_seen_in_forward_mode_too():
    with detect_anomaly(), pytest.raises(AnomalyError) as caught:
        jvp(lambda x, y: y * x.sqrt(), (0.0, 2.0), (3.0, 1.0))
    said = str(caught.value)
    assert said.startswith("in forward mode the derivative of sqrt is ∞,\n  sqrt(0.0)\nit was")
    assert "jvp(lambda x, y: y * x.sqrt()" in said
    assert caught.value.node.op is ops.sqrt
    with detect_anomaly():
        assert jvp(lambda x: x.relu() * x, (2.0,), (1.0,)) == (4, 4)
        assert jvp(lambda x: x.relu().sqrt(), (-1.0,), (1.0,)) == (0, 0)
        with pytest.raises(AnomalyError, match="forward mode"):
            hessian(lambda x: x**1.5)(0.0)


# In a picture


def marked(picture: Picture) -> list[str]:
    """The statements in the colour of what is wrong."""
    lines = picture.source.splitlines()
    return [line.strip() for line in lines if WRONG["color"] in line and "‼" in line]


def caught_by(program: Any) -> AnomalyError:
    with detect_anomaly(), pytest.raises(AnomalyError) as caught:
        program()
    return caught.value


def test_forward_the_node_is_marked_in_its_picture():
    h = Value(0.0, label="h")
    picture = draw(caught_by(lambda: (2 * h).log() + 1))
    [line] = marked(picture)
    assert line.startswith('n3 [id=n3 class=computed label="‼ −∞')
    assert "−∞ is the result of log\\l" in picture.source


def test_backward_the_node_is_marked_from_the_root_on_though_no_gradient_has_changed():
    x, w = Value(0.0, label="x"), Value(3.0, label="w")
    cost = w * x.sqrt()
    cost.label = "C"
    error = caught_by(cost.backward)
    assert error.roots == [cost]
    picture = draw(error)
    [line] = marked(picture)
    assert 'label="‼ x = 0' in line
    assert "grad not yet" in line
    for said in (
        "C = 0",
        "∂C/∂x is ∞ after the backward pass through sqrt\\l",
        "‼ and thick orange",
    ):
        assert said in picture.source
    assert "not differentiated yet" not in picture.source
    assert marked(draw(cost)) == []
    assert "‼" not in draw(cost).source
    pull_back = vjp(lambda x: [x + 1, 2 * x.sqrt()], 0.0)[1]
    error = caught_by(lambda: pull_back([1.0, 1.0]))
    assert len(error.roots) == 2
    assert len(marked(draw(error))) == 1


@pytest.mark.parametrize(("zoom", "name"), [("neuron", "n"), ("layer", '"z2"')])
def test_at_coarser_zooms_what_holds_the_node_is_marked(zoom: str, name: str) -> None:
    model = MLP(1, [1, 1], activation="tanh", output_activation="linear")
    model.weights[1], model.weights[2] = [[0.0]], [[1.0]]
    forward = model.forward([1.0])
    cost = forward.output.sqrt()
    error = caught_by(cost.backward)
    assert error.node is forward.output
    [line] = marked(draw(error, zoom=zoom))
    assert line.startswith(name)
    assert marked(draw(cost, zoom=zoom)) == []
    assert draw(error).zoom == "scalar"


def test_a_softmax_is_seen_component_by_component() -> None:
    with detect_anomaly(), pytest.raises(AnomalyError, match="softmax"):
        softmax([Value(math.nan), Value(0.0)])
    with detect_anomaly():
        shares = softmax([Value(0.0), Value(0.0)])
    assert [share.data for share in shares] == [0.5, 0.5]
