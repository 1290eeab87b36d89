"""The table of operations: value, vector-Jacobian rule and notation of each, and nothing else.

The letters: m is the arithmetic of the numbers at hand, x, y, z are operands in order, g = ∂C/∂y
is the adjoint of the result. In a rule of one operand the result is y; in rules of two or more
it is called out. A rule returns g·∂/∂operand, one contribution for each operand.

Where a choice leaves an operand without a part in the result, whatever the other numbers, the
rule says m.no_part instead of 0: nothing is passed on there.

Edge cases are decided here, in the line concerned, as PyTorch's float64 decides them; where
that is less accurate than the mathematical value or its one-sided limit, by the latter.
Constants are exact; they become floats where they meet floats.
"""

from __future__ import annotations

# In the order of the table.
from microgradnet.ops.basic import (  # isort: skip
    abs, add, divide, exponential, maximum, minimum, multiply, negative, power, power_constant,
    raise_to, subtract,
)  # fmt: skip
from microgradnet.ops.elementary import (  # isort: skip
    acos, acosh, asin, asinh, atan, atanh, cos, cosh, erf, erfc, exp, expm1, hypot, log, log1p,
    norm, sin, sinh, sqrt, tan, tanh, xlogy,
)  # fmt: skip
from microgradnet.ops.activations import (  # isort: skip
    elu, gelu, hard_sigmoid, hard_tanh, leaky_relu, relu, sigmoid, silu, softplus, softsign,
)  # fmt: skip
from microgradnet.ops.several import (  # isort: skip
    dot_product, log_sum_exp, softmax, softmax_component, split_weighted_sum, total,
    weighted_sum,
)  # fmt: skip

__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atanh", "cos", "cosh", "divide",
    "dot_product",
    "elu", "erf", "erfc", "exp", "expm1", "exponential", "gelu", "hard_sigmoid", "hard_tanh",
    "hypot", "leaky_relu", "log", "log1p", "log_sum_exp", "maximum", "minimum", "multiply",
    "negative", "norm", "power", "power_constant", "raise_to", "relu", "sigmoid", "silu", "sin",
    "sinh", "softmax", "softmax_component", "softplus", "softsign", "split_weighted_sum", "sqrt",
    "subtract", "tan", "tanh", "total", "weighted_sum", "xlogy",
]  # fmt: skip
