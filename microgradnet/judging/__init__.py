"""The oracles turned outward: whether an engine, a `backprop` or a training step is right."""

from microgradnet.judging.assertion import assert_right
from microgradnet.judging.backprops import judge_delta
from microgradnet.judging.findings import Diagnosis, Finding, Mistake
from microgradnet.judging.report import Judgement
from microgradnet.judging.steps import judge_step
from microgradnet.judging.subjects import judge

__all__ = [
    "Diagnosis",
    "Finding",
    "Judgement",
    "Mistake",
    "assert_right",
    "judge",
    "judge_delta",
    "judge_step",
]
