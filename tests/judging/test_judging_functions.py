"""A function and its gradient, by hand or as a custom rule."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import dual_arrays

from microgradnet import judge


def wave(x):
    return x * math.sin(x)


def wave_prime(x):
    return math.sin(x) + x * math.cos(x)


def names(report):
    return [each.mistake.name for each in report.diagnoses]


@settings(max_examples=5)
@given(st.floats(-2, -0.1), st.floats(0.1, 2))
def test_a_right_gradient_is_right_on_any_domain(low, high):
    assert judge(wave, wave_prime, (low, high)).ok
    assert judge(wave, wave_prime).ok  # from −3 to 3
    assert judge(lambda x: x * x.sin(), wave_prime, (low, high)).reading.endswith("engine")


@settings(max_examples=5)
@given(st.sampled_from([1e-9, -1e-6, 1.0]))
def test_a_factor_is_caught_and_named(share):
    report = judge(wave, lambda x: (1 + share) * wave_prime(x), (-2, 2))
    assert names(report) == ["gradient_lost" if share == -1 else "constant_factor"]
    assert report.reading == "held against the slopes by differences of its values"


def test_ten_digits_are_seen_where_the_function_takes_values():
    report = judge(lambda x: x * x.sin(), lambda x: (1 + 1e-10) * wave_prime(x), (-2, 2))
    assert names(report) == ["constant_factor"]


def test_a_function_of_the_table_is_held_against_it():
    assert judge(math.tanh, lambda x: 1 - math.tanh(x) ** 2).ok
    report = judge(math.tanh, lambda x: 1 - math.tanh(x))
    assert report.reading == "read as tanh, by the table of right values"
    assert names(report) == ["square_lost"]
    assert judge(math.hypot, lambda x, y: (x / math.hypot(x, y), y / math.hypot(x, y)),
                 [(1, 2), (1, 2)]).ok  # fmt: skip


def test_each_argument_is_judged():
    report = judge(lambda x, y: x * x * y, lambda x, y: (2 * x * y, -x * x), [(-2, 2), (1, 3)])
    assert [(each.of, each.verdict) for each in report.findings] == [
        ("df, argument 1", "right"),
        ("df, argument 2", "wrong"),
    ]
    assert names(report) == ["wrong_sign"]
    assert names(judge(wave, lambda x: 0.0, (-2, 2))) == ["gradient_lost"]


def test_what_no_factor_explains_is_wrong_without_a_name():
    report = judge(wave, lambda x: math.sin(x), (-2, 2))
    assert not report.ok
    assert not report.diagnoses
    assert not judge(lambda x: 0.0 * x, lambda x: 1.0, (-2, 2)).diagnoses


def test_what_raises_is_a_finding():
    report = judge(wave, lambda x: 1 / 0, (-2, 2))
    assert report.findings[0].verdict == "raises"

    def endless(x):
        return endless(x)

    assert judge(wave, endless, (-2, 2)).findings[0].verdict == "stopped"
    [finding] = judge(math.sqrt, lambda x: 0.5 / math.sqrt(x), (-2, -1)).findings
    assert (finding.of, finding.verdict) == ("f", "raises")  # nowhere defined, so nothing is judged


def test_where_a_function_is_not_defined_it_is_not_judged():
    assert judge(math.log, lambda x: 1 / x, (-1, 2)).ok


def test_an_empty_domain_is_refused():
    with pytest.raises(ValueError, match="from 2 to 1 is empty"):
        judge(wave, wave_prime, (2, 1))


@pytest.mark.parametrize("factor, found", [(1.0, []), (1.001, ["constant_factor"])])
def test_a_rule_of_pytorch_is_judged(factor, found):
    torch = pytest.importorskip("torch")

    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.tanh()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * (1 - y * y) * factor

    report = judge(Tanh)
    assert names(report) == found
    assert report.subject == "Tanh"


def test_a_rule_of_pytorch_for_single_numbers_is_judged():
    torch = pytest.importorskip("torch")

    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.slope = 1.0 if x > 0 else 0.25
            return x * ctx.slope

        @staticmethod
        def backward(ctx, g):
            return g * ctx.slope

    assert judge(Gate, domain=(-2, 2)).ok


class Primitive:
    """What autograd's primitives look like: a function that has the undecorated one."""

    __name__ = "soft"

    def __init__(self, slope):
        self.slope = slope
        self.fun = dual_arrays.tanh

    def __call__(self, x):
        if isinstance(x, dual_arrays.Dual):
            return dual_arrays.Dual(self(x.x), x.slope * self.slope(x.x))
        return dual_arrays.tanh(x)


Primitive.__module__ = "autograd.tracer"


def test_a_primitive_is_judged(monkeypatch):
    dual_arrays.install(monkeypatch)
    report = judge(Primitive(lambda x: 1 - x * x), domain=(-2, 2))
    assert not report.ok
    slope = Primitive(lambda x: 1 - dual_arrays.tanh(x) * dual_arrays.tanh(x))
    assert judge(slope, domain=(-2, 2)).ok
    slope.fun = None
    Primitive.__module__ = "elsewhere"
    try:
        with pytest.raises(TypeError, match="is no engine"):
            judge(slope)
    finally:
        Primitive.__module__ = "autograd.tracer"
