"""Engines that lack something, raise, do nothing or never end."""

from __future__ import annotations

import pytest
from support.planted_engines import closures, local_grads

from microgradnet import judge
from microgradnet.judging.engines import NodeEngine
from microgradnet.judging.functions import PairEngine
from microgradnet.judging.limits import Count, Failure, Limit, Stopped

pytestmark = pytest.mark.usefixtures("fewer_points")


def test_steps_are_counted():
    count = Count(1)
    count(None, "call", None)
    with pytest.raises(Stopped, match="1 steps"):
        count(None, "call", None)


def test_a_loop_that_calls_nothing_is_ended_by_time():
    def endless():
        while True:
            pass

    with Limit(seconds=0.2) as limit:
        found = limit(endless)
        assert isinstance(found, Failure)
        assert str(found) == "Stopped: no call and no end for seconds"
        with pytest.raises(KeyboardInterrupt):
            limit(interrupt)


def interrupt():
    raise KeyboardInterrupt


def test_a_pair_runs():
    with Limit() as limit:
        pair = PairEngine(lambda x: 2 * x, limit)
        assert pair.is_node(1.0)
        assert pair.run(lambda x: x * x, (3.0,)) == (9.0, [6.0])


def test_a_backward_without_a_signature_records_nothing():
    class Builtin:
        backward = max

    with Limit() as limit:
        assert not NodeEngine(Builtin, limit).records_gradients


class Minimal:
    """Sums and products of nodes, and no more."""

    exp = 3

    def __init__(self, data, children=(), slopes=()):
        self.data, self.grad, self.children, self.slopes = data, 0.0, children, slopes

    def __add__(self, other):
        return type(self)(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return type(self)(self.data * other.data, (self, other), (other.data, self.data))

    def hypot(self, other):
        size = (self.data**2 + other.data**2) ** 0.5
        return type(self)(size, (self, other), (other.data / size, self.data / size))

    @staticmethod
    def softmax(xs):
        return xs[0]

    def backward(self):
        def walk(node, g):
            node.grad += g
            for child, slope in zip(node.children, node.slopes, strict=True):
                walk(child, g * slope)

        walk(self, 1.0)


def test_an_engine_of_sums_and_products_is_judged():
    report = judge(Minimal, steps=300_000)
    assert [each.mistake.name for each in report.diagnoses] == [
        "operands_swapped",
        "recursion",
        "paths_one_by_one",
    ]


def test_graphs_that_no_mistake_explains_are_wrong_without_a_name():
    class Off(closures()):
        def backward(self):
            super().backward()
            for parent in self._prev:
                for leaf in parent._prev:
                    leaf.grad += 0.375

    report = judge(Off)
    assert "graphs" in {each.part for each in report.failed}
    assert not report.diagnoses


def test_a_backward_that_raises_or_does_nothing_is_wrong():
    class Raising(Minimal):
        def backward(self):
            raise RuntimeError("not today")

    class Idle(Minimal):
        def backward(self):
            pass

    for engine in (Raising, Idle):
        report = judge(engine)
        assert not report.ok


def test_another_slope_of_leaky_relu_is_no_mistake():
    class Leaky(local_grads()):
        def leaky_relu(self):
            x = self.data
            return type(self)(x if x > 0 else 0.2 * x, (self,), (1.0 if x > 0 else 0.2,))

    assert judge(Leaky).ok


def test_a_reflected_operator_that_is_wrong_in_an_unknown_way_has_no_name():
    class Off(closures()):
        def __rsub__(self, other):
            return self._wrap(other + 1.0) - self

    report = judge(Off)
    assert not report.ok
    assert not report.diagnoses
