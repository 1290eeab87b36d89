"""`check_grad`: what it confirms, what it notices, and where it has no verdict."""

from __future__ import annotations

import math
import operator
import random
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction
from functools import partial
from itertools import accumulate, chain, cycle, repeat
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from support.oracles import operands

from microgradnet import (
    MLP,
    GradientError,
    Value,
    check_grad,
    costs,
    grad,
    log_sum_exp,
    maximum,
    operation,
    ops,
    sigmoid,
    tanh,
)
from microgradnet.arithmetic import NO_PART
from microgradnet.node import number_of
from microgradnet.operation import Operation, operations

each_entry = pytest.mark.parametrize("op", [*operations()], ids=lambda op: op.name)


def tame(op: Operation) -> tuple[float, ...]:
    """Operands within every domain, no two of them equal."""
    return (1.25, 1.5, 1.75, 2.25, 2.5)[: operands(op)] if op.name == "acosh" else (
        0.25, 0.5, 0.75, 0.375, 0.625)[: operands(op)]  # fmt: skip


@each_entry
def test_every_rule_is_confirmed_and_every_wrong_one_noticed(op: Operation) -> None:
    """An error of a part in 10¹¹, in any product; and a rule that is NaN."""
    xs = tame(op)
    assert all(check.holds for check in check_grad(op, xs))
    for k, slope in enumerate(op.vjp(1.0, *xs)):
        for error in (1e-11, -2.0, -0.5, math.nan):

            def vjp(
                m: Any, g: Any, y: Any, *xs: Any, k: int = k, slope: Any = slope, error: Any = error
            ) -> Any:
                products = list(op.rule(m, g, y, *xs))
                right = products[k] if slope else g
                products[k] = (0 if products[k] is NO_PART else products[k]) + error * right
                return tuple(products)

            with pytest.raises(GradientError) as caught:
                check_grad(replace(op, rule=vjp), xs)
            failed = [check for check in caught.value.checks if not check.holds]
            assert [check.input for check in failed] == [f"args[{k}]"]


def test_it_names_input_numbers_step_and_bound():
    with pytest.raises(GradientError) as caught:
        check_grad(lambda v, w: v[1] * w.detach(), [[1.0, 2.0], Fraction(3)])
    said = str(caught.value)
    assert isinstance(caught.value, AssertionError)
    assert said.startswith(
        "the gradient is wrong at 1 of 3 inputs\n  args[1] = 3.0: gradient 0.0, "
    )
    assert "central difference 2.0" in said.replace("1.99999999999", "2.0")
    for word in ("±", "step", "complex step"):
        assert word in said
    first, second, third = caught.value.checks
    assert (first.holds, second.holds, third.holds) == (True, True, False)
    assert (first.input, second.input) == ("args[0][0]", "args[0][1]")
    assert third.difference == pytest.approx(2.0, abs=third.difference_bound)
    assert 0 < third.difference_bound < 1e-6


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.detach() * x,
        lambda x: x * x.data,
        lambda x: x * float(x.detach()),
        lambda x: Value(x.data**2) + 0 * x,
        lambda x: x * math.sin(x.data),
    ],
)
def test_what_the_graph_does_not_see_the_differences_do(f: Any) -> None:
    with pytest.raises(GradientError) as caught:
        check_grad(f, [3.0])
    [check] = caught.value.checks
    assert check.complex_step == check.gradient  # of what was recorded, it is the derivative


def test_a_rule_right_once_and_wrong_twice_is_noticed(own_table):
    def vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (g * math.cos(number_of(x)),)  # a plain number: no derivative of it is known

    @operation(vjp)
    def sine(m: Any, x: Any) -> Any:
        return m.sin(x)

    check_grad(sine, [0.5])
    with pytest.raises(GradientError):
        check_grad(grad(sine), [0.5])
    check_grad(grad(ops.sin), [0.5])


def test_without_a_complex_step_the_differences_judge(own_table):
    def vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (g * 2 * m.cos(x),)

    @operation(vjp)
    def sine(m: Any, x: Any) -> Any:
        return math.sin(x)  # which knows nothing of complex numbers

    with pytest.raises(GradientError) as caught:
        check_grad(sine, [0.5])
    assert math.isnan(caught.value.checks[0].complex_step)


@pytest.mark.parametrize("unsteady", [random.random, partial(next, cycle([0.25, 0.75, math.nan]))])
def test_a_function_that_gives_another_value_each_time_is_named(unsteady: Any) -> None:
    with pytest.raises(
        ValueError, match=r"another value each time: .* both at 2\.0, 3\.0\. .* seed"
    ):
        check_grad(lambda x, y: x * y + unsteady(), [2.0, 3.0])


def test_it_is_named_also_where_only_a_later_value_is_another():
    values = chain.from_iterable([repeat(0.0, 1 + 1 + 20), repeat(1.0)])
    with pytest.raises(ValueError):
        check_grad(lambda x: x + next(values), [2.0])


def test_cancellation_within_an_operation_is_no_error_of_its_rule(own_table):
    """(eˣ − e⁻ˣ)/(eˣ + e⁻ˣ) and 1 − tanh², whose values lose the digits that their rules have."""

    def vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (g * m.sech(x) ** 2,)

    @operation(vjp)
    def naive_tanh(m: Any, x: Any) -> Any:
        return (m.exp(x) - m.exp(-x)) / (m.exp(x) + m.exp(-x))

    def squared_vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (-2 * g * m.tanh(x),)

    @operation(squared_vjp)
    def log_slope(m: Any, x: Any) -> Any:
        return m.log(1 - m.tanh(x) ** 2)

    for x in (-30.0, -12.5, -0.5, 1e-9, 3.0, 17.0, 18.3, 40.0):
        assert all(check.holds for op in (naive_tanh, log_slope) for check in check_grad(op, [x]))
    for op in (naive_tanh, log_slope):
        with pytest.raises(GradientError):
            check_grad(wrong_by(op, 0, 1e-9), [3.0])


# Kinks, poles, ends of domains, jumps


def test_a_stationary_point_within_a_root_is_no_constant(own_table):
    """√(x²) at 0: x² has the tangent 0 there, but the root no slope to multiply it by."""

    @operation(lambda m, g, y, x: (g,))
    def root(m: Any, x: Any) -> Any:
        return m.sqrt(x * x)

    [check] = check_grad(root, [0.0])
    assert (check.sides, check.holds) == ((-1.0, 1.0), True)
    assert math.isnan(check.complex_step)


def test_at_a_kink_that_the_graph_does_not_have_the_complex_step_judges():
    """Next to a pole tan bends so fast that its sides look like two slopes."""
    with pytest.raises(GradientError, match="kink"):
        check_grad(wrong_by(ops.tan, 0, 1e-9), [36.1875])
    check_grad(ops.tan, [36.1875])


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.25, 1.0, 1.5])
def test_at_a_kink_all_between_the_sides_is_right(own_table, slope: float) -> None:
    def vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (g * m.where(m.equal(x, 0), slope, m.where(x > 0, 1, 0)),)

    @operation(vjp)
    def ramp(m: Any, x: Any) -> Any:
        return m.where(x > 0, x, 0)

    if 0 <= slope <= 1:
        [check] = check_grad(ramp, [0.0])
        assert check.sides == (0.0, 1.0)
        assert "a kink of slopes 0 and 1" in str(check)
    else:
        with pytest.raises(GradientError):
            check_grad(ramp, [0.0])
    check_grad(lambda x: ramp(x - 1), [1 + 1e-9])  # near by there is none
    check_grad(lambda x: ramp(x - 1), [1 - 1e-5])


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (ops.sqrt, 0.0),
        (ops.sqrt, -1.0),
        (ops.log, 0.0),
        (ops.log, 1e-200),
        (ops.acosh, 1.0),
        (ops.asin, 1.0),
        (ops.xlogy, 0.0),
        (ops.exp, 709.7),
        (ops.exp, 800.0),
        (ops.tanh, math.inf),
        (ops.tanh, math.nan),
        (lambda x: 1 / x, 0.0),
        (lambda x: x / x, 0.0),
        (lambda x: (x * x).sqrt(), 0.0),  # the gradient is NaN, at a kink
        (grad(lambda x: maximum(x, 1.0)), 1.0),  # a jump
        (grad(ops.log1p), -1 + 2.0**-53),  # a pole within the step
        (lambda x: 3, 2.0),
        (lambda x: 1e10 + x, 1.0),
        (lambda x: (x * 1e4).sin(), 1.0),
        (ops.sin, 1e8),  # whole periods within every step
        (ops.cos, 3e32),
    ],
)
def test_where_there_is_nothing_to_compare_with_nothing_is_wrong(f: Any, x: float) -> None:
    xs = [x] * (2 if f is ops.xlogy else 1)
    assert all(check.holds for check in check_grad(f, xs))


@example([0.0, 0.0, 1.2409215109567574e-09])  # a kink that rounding hides
@example([-18.0, 0.0, 6.103515625e-05])  # and one that curvature hides
@example([3.0, 3.0, -11.0])
@given(st.lists(st.floats(-30, 30), min_size=3, max_size=3))
def test_no_right_gradient_is_called_wrong(xs: list[float]) -> None:
    def f(v: Any) -> Any:
        x, y, z = v
        h = tanh(x * y - z) * sigmoid(z) + maximum(x, y * z).relu()
        return log_sum_exp(h, x.sin(), z * h) + abs(h - y) ** 3 / (1 + x * x) + (y * h).gelu()

    check_grad(f, [xs])


def test_a_network():
    model = MLP(2, [3, 2], activation="tanh", output_activation="sigmoid")

    def cost(*numbers: Any) -> Any:
        forward = model.forward(numbers)
        return costs.cross_entropy(forward.output, [1, 0])

    assert len(check_grad(cost, [0.5, -1.5])) == 2
    check_grad(grad(cost), [0.5, -1.5])
    assert all(parameter.grad == 0 for parameter in model.parameters())


def test_a_gradient_that_ends_at_a_function_of_math_is_told_from_a_wrong_rule() -> None:
    with pytest.raises(GradientError, match=r"math\.exp"):
        check_grad(lambda x: math.sin(x.data), [1.0])
    with pytest.raises(GradientError) as wrong:
        check_grad(lambda x: x.detach() * x, [1.0])
    assert "math" not in str(wrong.value)


def test_mistakes_are_named():
    with pytest.raises(TypeError):
        check_grad(lambda x: [x, x], [1.0])
    with pytest.raises(TypeError, match=r"\(x,\)"):
        check_grad(lambda x: x, 1.0)
    with pytest.raises(TypeError):
        check_grad(lambda x: x, ["1"])


# The bounds, where they can be had by hand

U, TINY = 2.0**-53, 2.0**-1022


@pytest.mark.parametrize("x", [0.75, 1.5, -3.0])
def test_of_the_identity_only_roundings_are_to_be_feared(x: float) -> None:
    """No operation: those of f and of its argument over the step, thrice as a kink may hide."""
    [check] = check_grad(lambda x: x, [x])
    assert check.step == 2.0**-9 * 2 ** math.frexp(x)[1]
    assert check.difference == check.gradient == check.complex_step == 1
    of_a_step = (2 + 4) * abs(x) * U / check.step
    assert check.difference_bound == pytest.approx((1 + 2 * 8) * of_a_step, rel=1e-12, abs=0)
    assert check.complex_bound == 0


def test_at_zero_the_steps_are_those_of_one_and_nothing_is_rounded():
    [check] = check_grad(lambda x: x, [0.0])
    assert (check.step, check.difference_bound, check.sides) == (2.0**-9, 0, None)
    [check] = check_grad(lambda x: x, [2.0**-1000])
    assert check.step == 2.0**-909


def test_each_step_is_an_eighth_of_the_one_before():
    asked: list[float] = []

    def f(x: Any) -> Any:
        asked.append(x.data)
        return x

    check_grad(f, [0.75])
    steps = [2.0**-k for k in (9, 12, 15, 18, 21)]
    wanted = [0.75, *(0.75 + k * h for h in steps for k in (-1, 1, 2, -2)), 0.75]
    assert asked[-len(wanted) :] == wanted


def test_an_operation_has_sixty_four_roundings_and_one_where_its_product_is_added():
    x = 0.75
    [check] = check_grad(lambda x: x * 3, [x])
    # The slope 3 is |∂y/∂x|, and once more what it owes to the operand 3.
    rounding = (65 * 3 + 64 * 3) * U
    assert check.complex_bound == rounding
    noise = (64 + 1) * U * 3 * x

    def of_a_step(h: float) -> float:
        return 2 * noise / h + 4 * rounding + 3 * x * 4 * U / h

    wanted = of_a_step(2.0**-9) + 2 * of_a_step(2.0**-12)
    assert (check.step, check.difference_bound) == (
        2.0**-9,
        pytest.approx(wanted, rel=1e-12, abs=0),
    )
    [check] = check_grad(lambda x: x * 3 * 5, [x])
    assert check.complex_bound == 2 * (65 + 64) * 15 * U  # each of the two products, carried on


def test_a_slope_that_owes_to_a_difference_of_operands_is_the_less_sure():
    """Of ln(eˣ + eʸ) at x = y the slope is ½, and x times its derivative ¼, y times as much."""
    [check] = check_grad(lambda x: log_sum_exp(x, 1.0), [1.0])
    rounding = (65 * 0.5 + 64 * (0.25 + 0.25)) * U
    assert rounding <= check.complex_bound <= 1.3 * rounding  # and those of exp and log
    x = 1 - 2.0**-22  # where the next number to ask is beyond the domain
    [check] = check_grad(ops.asin, [x])
    assert check.complex_bound == pytest.approx((65 + 8) * U * check.gradient, rel=1e-12, abs=0)


def test_what_could_be_a_hidden_kink_counts_half():
    """Of 1 + cx⁴ at 0: the slopes of the sides are ∓ch³, so that 144ch³ is left at step 0."""
    c = 2.0**20
    [check] = check_grad(lambda x: x**4 * c + 1, [0.0])
    noise = (1 + 64) * U
    wanted = 144 * c * 2.0**-54 / 2 + 2 * 2 * noise * 2**18 + 2 * noise * 2**15
    assert (check.step, check.sides) == (2.0**-15, None)
    assert check.difference_bound == pytest.approx(wanted, rel=1e-9, abs=0)


def test_at_a_kink_the_bound_is_how_far_its_sides_move():
    [check] = check_grad(abs, [0.0])
    assert (check.sides, check.difference_bound < 1e-12) == ((-1.0, 1.0), True)
    check = replace(check, difference_bound=0.5)
    held = [replace(check, gradient=g).holds for g in (-1.75, -1.5, 0.0, 1.5, 1.75)]
    assert held == [False, True, True, True, False]
    with pytest.raises(FrozenInstanceError):
        check.gradient = 0.0  # type: ignore[misc]


def test_below_the_smallest_normal_number_rounding_is_absolute():
    """x² is 0 at 2⁻⁶⁰⁰, but its gradient 2⁻⁵⁹⁹ is right."""
    x = 2.0**-600
    [check] = check_grad(lambda x: x * x, [x])
    assert (check.gradient, check.difference, check.step) == (2 * x, 0, 2.0**-608)
    of_a_step = 2 * 64 * U * TINY / check.step
    of_the_slope = 4 * (65 + 64) * U * 2 * x
    wanted = (1 + 2 * 8) * of_a_step + 3 * of_the_slope
    assert check.difference_bound == pytest.approx(wanted, rel=1e-6, abs=0)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        *((lambda x: x * x, x) for x in (1e-160, 1e-170, 1e-200, 1e-310)),
        *((lambda x: tanh(x) ** 2, x) for x in (1e-160, 1e-170, 1e-200, 1e-310)),
        (lambda x: x**3, 1e-160),
        (ops.exp, -744.5),
        (lambda x: x * 1e-320, 0.3),
    ],
)
def test_what_underflows_is_not_called_wrong(f: Any, x: float) -> None:
    assert all(check.holds for check in check_grad(f, [x]))


def test_a_kink_is_what_four_times_the_rounding_does_not_explain():
    """The slopes of 1 + s|x| at 0 differ by 2s; one side's is rounded by 2·65u over the step."""
    rounding = 2 * (1 + 64) * U / 2.0**-21
    for size, told in ((3.5, False), (4.5, True)):
        s = size * rounding / 2
        [check] = check_grad(lambda x, s=s: abs(x) * s + 1, [0.0])
        assert (check.sides is not None) is told


def test_a_cusp_is_no_jump(own_table):
    @operation(lambda m, g, y, x: (m.convert(0) * g,))
    def cusp(m: Any, x: Any) -> Any:
        return m.sqrt(m.abs(x))

    [check] = check_grad(cusp, [0.0])
    assert check.sides == (-(2.0**10.5), 2.0**10.5)


# Functions of functions: right gradients at every magnitude, and rules wrong by a part in 10⁹

KINKED = {"abs", "hard_sigmoid", "hard_tanh", "leaky_relu", "maximum", "minimum", "relu"}
SMOOTH = [op for op in operations() if op.name not in KINKED]

magnitudes = st.one_of(
    st.floats(-3, 3),
    st.floats(-60, 60),
    st.floats(-1000, 1000),
    st.builds(lambda x, sign: sign * 10.0**x, st.floats(-308, 308), st.sampled_from([1, -1])),
)


@st.composite
def links(draw: st.DrawFn) -> list[tuple[Operation, int, list[float]]]:
    """Smooth operations one after another: which operand goes on, and the others, constants."""
    steps = []
    for op in draw(st.lists(st.sampled_from(SMOOTH), min_size=1, max_size=3)):
        n = operands(op)
        k = draw(st.integers(0, n - 1))
        steps.append((op, k, [draw(magnitudes) for _ in range(n - 1)]))
    return steps


def composed(steps: list[tuple[Operation, int, list[float]]]) -> Any:
    def f(x: Any) -> Any:
        for op, k, others in steps:
            x = op(*others[:k], x, *others[k:])
        return x

    return f


def slopes_of(
    steps: list[tuple[Operation, int, list[float]]], x: float
) -> list[tuple[Any, Any]] | None:
    """Of each link its slope by mpmath, where the floats stand, and |x·slope′|; None past them."""
    found = []
    for op, k, others in steps:
        xs = (*others[:k], x, *others[k:])
        # Where two branches meet, or subnormal numbers have lost digits, only differences judge.
        if (op in (ops.elu, ops.softsign) and x == 0) or 0 < abs(x) < TINY:
            return None
        x = op(*xs)
        if not math.isfinite(x):
            return None
        with mp.workdps(60):

            def slope(x: Any, op: Operation = op, k: int = k, xs: Any = xs) -> Any:
                return op.vjp(mpf(1), *map(mpf, xs[:k]), x, *map(mpf, xs[k + 1 :]))[k]

            here, nudge = slope(mpf(xs[k])), mpf("1e-20")
            if not (mp.isfinite(here) and 1e-250 < abs(here) < 1e250):
                return None
            found.append((here, abs(slope(xs[k] * (1 + nudge)) - here) / nudge))
    return found


@settings(max_examples=4 * settings.default.max_examples)
@example([(ops.power_constant, 0, []), (ops.softsign, 0, [])], 44.67)
@example([(ops.exp, 0, []), (ops.softsign, 0, [])], 30.0)
@example([(ops.sigmoid, 0, []), (ops.log, 0, [])], -513.0)
@example([(ops.negative, 0, []), (ops.erfc, 0, []), (ops.log, 0, [])], -22.8)
@example([(ops.divide, 1, [1.0]), (ops.log, 0, [])], 1e111)
@example([(ops.sin, 0, []), (ops.power_constant, 0, [])], -2.0912446793474938e225)
@given(links(), magnitudes)
def test_right_rules_pass_and_wrong_ones_do_not_however_composed(steps: Any, x: float) -> None:
    assume(x != 0)  # where the two pieces of an elu meet
    slopes = slopes_of(steps, x)
    assume(slopes is not None)
    with mp.workdps(60):
        *beyond, want = accumulate((slope for slope, _ in reversed(slopes)), operator.mul)
        # Each link owes 65 roundings of its slope, 64 of what a rounded operand makes of it, and
        # 8 of each to the complex step; all in proportion to the whole.
        owed = sum(73 + 72 * change / abs(slope) for slope, change in slopes) * U
    assume(all(1e-250 < abs(adjoint) < 1e250 for adjoint in (*beyond, want)))
    gradient = grad(composed(steps))(x)
    assume(abs(gradient - want) <= owed * abs(want))  # else the engine is wrong
    assert check_grad(composed(steps), [x])[0].holds

    assume(owed < 2.0**-32)
    [(first, k, others), *rest] = steps
    wrong = [(wrong_by(first, k, 1e-9), k, others), *rest]
    with pytest.raises(GradientError):
        check_grad(composed(wrong), [x])


def wrong_by(op: Operation, k: int, error: float) -> Operation:
    def vjp(m: Any, g: Any, y: Any, *xs: Any) -> Any:
        return tuple(p * (1 + error) if i == k else p for i, p in enumerate(op.rule(m, g, y, *xs)))

    return replace(op, rule=vjp)


@pytest.mark.parametrize("x", [-3.0, 0.25, 1.5])
def test_an_operation_may_be_a_gaussian(own_table: None, x: float) -> None:
    def bell_vjp(m: Any, g: Any, y: Any, x: Any) -> Any:
        return (-x * y * g,)

    @operation(bell_vjp)
    def bell(m: Any, x: Any) -> Any:
        return m.gaussian(x, 2)

    (check,) = check_grad(bell, [x])
    assert check.complex_step == pytest.approx(-x * math.exp(-x * x / 2), rel=1e-14)
