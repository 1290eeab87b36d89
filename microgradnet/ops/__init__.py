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
    acos, acosh, asin, asinh, atan, atan2, atanh, cbrt, cos, cosh, degrees, erf, erfc, exp,
    expm1, hypot, log, log1p, log2, log10, logit, norm, radians, sin, sinh, sqrt, tan, tanh,
    xlogy,
)  # fmt: skip
from microgradnet.ops.activations import (  # isort: skip
    celu, elu, gelu, hard_sigmoid, hard_tanh, leaky_relu, log_sigmoid, mish, relu, relu6, selu,
    sigmoid, silu, softplus, softsign,
)  # fmt: skip
from microgradnet.ops.choices import (  # isort: skip
    ceil, clip, equal, floor, greater, greater_equal, less, less_equal, not_equal, remainder,
    round, sign, where,
)  # fmt: skip
from microgradnet.ops.several import (  # isort: skip
    dot_product, log_sum_exp, softmax, softmax_component, split_weighted_sum, total,
    weighted_sum,
)  # fmt: skip
from microgradnet.ops.aggregates import (  # isort: skip
    cumprod, cumsum, max, min, prod, std, var,
)  # fmt: skip

square, reciprocal = power_constant, power_constant.variant(exponent=-1)
exp2, logaddexp = exponential, log_sum_exp

__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil",
    "celu", "clip", "cos", "cosh", "cumprod", "cumsum", "degrees", "divide", "dot_product",
    "elu", "equal", "erf", "erfc", "exp", "exp2", "expm1", "exponential", "floor", "gelu",
    "greater", "greater_equal", "hard_sigmoid", "hard_tanh", "hypot", "leaky_relu", "less",
    "less_equal", "log", "log1p", "log2", "log10", "log_sigmoid", "log_sum_exp", "logaddexp",
    "logit", "max", "maximum", "min", "minimum", "mish", "multiply", "negative", "norm",
    "not_equal", "power", "power_constant", "prod", "radians", "raise_to", "reciprocal", "relu",
    "relu6", "remainder", "round", "selu", "sigmoid", "sign", "silu", "sin", "sinh", "softmax",
    "softmax_component", "softplus", "softsign", "split_weighted_sum", "sqrt", "square", "std",
    "subtract", "tan", "tanh", "total", "var", "weighted_sum", "where", "xlogy",
]  # fmt: skip
