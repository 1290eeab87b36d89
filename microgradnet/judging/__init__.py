"""The oracles turned outward: whether an engine, a `backprop` or a training step is right."""

from microgradnet.judging.findings import Diagnosis, Finding, Mistake
from microgradnet.judging.report import Judgement

__all__ = ["Diagnosis", "Finding", "Judgement", "Mistake"]
