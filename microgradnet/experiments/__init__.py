"""What people try by hand, each in a line.

nudge           change a number a little: does the cost change by gradient × step?
gradient_flow   how large δ is in each layer: vanishing, exploding, or neither
compare         the same training with another activation, cost, rate ...
planted         a derivative rule made wrong on purpose, for as long as a with block lasts
caught          whether check_grad finds such a rule, and how small an error it still finds
"""

from microgradnet.experiments.comparing import Comparison, compare
from microgradnet.experiments.flow import Flow, LayerFlow, gradient_flow
from microgradnet.experiments.nudging import Nudge, Nudges, nudge
from microgradnet.experiments.planting import caught, planted

__all__ = [
    "Comparison", "Flow", "LayerFlow", "Nudge", "Nudges", "caught", "compare", "gradient_flow",
    "nudge", "planted",
]  # fmt: skip
