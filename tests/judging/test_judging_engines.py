"""Engines are judged: right ones without a false alarm, planted mistakes by their names."""

from __future__ import annotations

import json
from itertools import combinations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.planted_engines import OWN, PLANTS, closures, conflict, local_grads, own

from microgradnet import Value, judge
from microgradnet.engine import COMPILED
from microgradnet.judging import Judgement
from microgradnet.judging.engine_mistakes import ENGINE_MISTAKES, engine_mistake

FORMS = {"micrograd's": closures, "the GPT of scalars'": local_grads}
CONSEQUENCES = {"recursion", "paths_one_by_one"}
"""What a walk without order, or one that recurses, does besides."""
STEPS = 300_000
"""Fewer than the judge allows: what walks every path uses them up."""
PAIRS = [pair for pair in combinations(PLANTS, 2) if not conflict(*pair)]


pytestmark = pytest.mark.usefixtures("fewer_points")


def named(report: Judgement) -> set[str]:
    return {each.mistake.name for each in report.diagnoses}


@pytest.mark.parametrize("form", FORMS)
def test_engines_without_mistakes_are_right(form):
    report = judge(FORMS[form]())
    assert report.ok, report
    assert not report.diagnoses


def test_our_own_is_right():
    report = judge(Value)
    assert report.ok, report
    assert "second derivatives" in report.points


def test_micrograds_true_faults_and_no_others_are_reported():
    engine = pytest.importorskip("micrograd.engine")
    report = judge(engine.Value)
    assert named(report) == {"interior_gradients_kept", "recursion"}
    assert {each.part for each in report.failed} == {"graphs"}


@pytest.mark.parametrize("plant", PLANTS)
def test_each_mistake_is_caught_and_named(plant):
    form = [*FORMS][PLANTS.index(plant) % 2]
    report = judge(FORMS[form](plant), steps=STEPS)
    assert not report.ok
    assert plant in named(report) <= {plant} | CONSEQUENCES


@settings(max_examples=2)
@given(st.sampled_from(sorted(FORMS)), st.sampled_from(PAIRS))
@example("the GPT of scalars'", ("assigned_gradient", "paths_one_by_one"))
@example("the GPT of scalars'", ("set_of_parents", "softmax_diagonal"))
@example("the GPT of scalars'", ("set_of_parents", "operand_forgotten"))
@example("the GPT of scalars'", ("tape_never_cleared", "overflow"))
@example("the GPT of scalars'", ("operands_swapped", "gate_on_gradient"))
@example("micrograd's", ("order_not_reversed", "gate_on_gradient"))
@example("micrograd's", ("seed_is_value", "relu_slope_at_zero"))
@example("micrograd's", ("seed_is_value", "upstream_gradient_added"))
@example("micrograd's", ("no_topological_order", "recursion"))
def test_two_mistakes_are_caught_and_named(form, pair):
    report = judge(FORMS[form](*pair), steps=STEPS)
    both = named(report)
    if not {*pair} <= both:  # one hides the other, then: all numbers are as without it
        assert {*pair} & both
        alone = judge(FORMS[form](*({*pair} & both)), steps=STEPS)
        assert alone.findings == report.findings, report


@pytest.mark.skipif(COMPILED, reason="what is compiled cannot be replaced")
@settings(max_examples=1)
@given(st.sampled_from([pair for pair in combinations(OWN, 2) if not conflict(*pair)]))
def test_two_mistakes_in_our_own_are_caught_and_named(pair):
    with own(*pair) as engine:
        report = judge(engine)
    assert {*pair} <= named(report), report


def test_every_mistake_has_two_lines_and_a_picture():
    names = [each.name for each in ENGINE_MISTAKES]
    assert len(names) == len({*names}) >= 30
    for each in ENGINE_MISTAKES:
        wrong, right = each.mending
        assert wrong != right
        assert "graph" in each.picture().source
    assert engine_mistake("recursion").title == "recursion over the graph"


def test_what_is_no_engine_is_refused():
    for subject, name in (
        (3, "3"), (json.dumps, "json.dumps"), (json, "json"), (object(), "an instance of object")
    ):  # fmt: skip
        with pytest.raises(TypeError, match=rf"^{name} is no engine: a class .*, judge\(f, df\)"):
            judge(subject)
