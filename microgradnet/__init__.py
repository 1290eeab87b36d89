"""A scalar autograd engine in which the matrix formulas of backpropagation can be seen at work.

    Value, no_grad                a number that remembers how it was computed; remembering off
    collector_paused              Python's garbage collector off, where large graphs are made
    tanh, relu, softmax, ...      the operations, on Values and on plain numbers
    linear, dot, rms_norm, ...    operations on lists, of which layers are made
    operation, Operation          an operation of your own, with its derivative rule
    MLP, Layer, Neuron, Module    networks; forward(x) keeps every z and a, and then every δ
    costs                         quadratic, cross_entropy, log_likelihood, hinge
    GradientDescent, Momentum, Adam   w → w − (η/m) Σ ∂C/∂w, and the like
    fit, History                  training, with any of these
    save, load                    the parameters in a file
    grad, jacobian, hessian, ...  derivatives of functions, of any order; check_grad tries them
    detect_anomaly                the first NaN or infinity, and the line it came from
    explain, paths                where a node's gradient came from, in words and as data
    draw                          the graph as a picture
    explore                       a page that plays the backward pass, graph and equations in one
    read_expression               tanh(w*x + b) as a text, read safely
    lift, trace, Program          the matrix program inside a scalar graph, with its δ equations
    verify, Report                autodiff beside the δ equations, equation by equation
    certify, Certificate          every number and gradient, with a proof of its last digit
    delta                         the δ equations themselves, on matrices
    experiments                   nudge, gradient_flow, compare, planted: what people try by hand
    judge                         somebody's engine: is it right, and which mistake is in it
    judge_delta, judge_step       somebody's `backprop` or training step
    Judgement, assert_right       what a judge says, and a test of it in one line
    datasets                      digits, iris, moons, xor
    interop                       to_torch, MicrogradClassifier, symbolic: where others take over

What can go wrong has errors of its own: AnomalyError (from detect_anomaly), DivergenceError (fit),
ExpressionError (read_expression), GradientError (check_grad), RenderError (pictures and pages) and
TracingError (lift, trace).

>>> w, x, b = Value(0.5), Value(2.0), Value(-1.0)
>>> a = (w * x + b).tanh()
>>> a.backward()
>>> w.grad, x.grad, b.grad
(2.0, 0.5, 1.0)
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

from microgradnet.deprecation import moved_module as _moved_module
from microgradnet.engine import Value
from microgradnet.operation import Operation, operation

from microgradnet.ops import (  # isort: skip
    abs as abs, max as max, min as min, round as round,  # which a star import must not hide
    acos, acosh, add, asin, asinh, atan, atan2, atanh, cbrt, ceil, celu, clip, cos, cosh,
    cumprod, cumsum, degrees, divide, elu, equal, erf, erfc, exp, exp2, expm1, floor, gelu,
    greater, greater_equal, hard_sigmoid, hard_tanh, hypot, leaky_relu, less, less_equal, log,
    log10, log1p, log2, log_sigmoid, log_sum_exp, logaddexp, logit, maximum, minimum, mish,
    multiply, negative, norm, not_equal, power, prod, radians, reciprocal, relu, relu6,
    remainder, selu, sigmoid, sign, silu, sin, sinh, softmax, softplus, softsign, sqrt, square,
    std, subtract, tan, tanh, total, var, where, xlogy,
)  # fmt: skip
from microgradnet.recording import no_grad

if TYPE_CHECKING:
    from microgradnet import costs, datasets, delta, experiments, interop
    from microgradnet.anomaly import AnomalyError, detect_anomaly
    from microgradnet.certification import Certificate, certify
    from microgradnet.collector import collector_paused
    from microgradnet.drawing import RenderError, draw
    from microgradnet.explanation import explain, paths
    from microgradnet.exploring import explore
    from microgradnet.expression import ExpressionError, read_expression
    from microgradnet.files import load, save
    from microgradnet.judging import Judgement, assert_right, judge, judge_delta, judge_step
    from microgradnet.layerwise import (  # isort: skip
        dot, layer_norm, linear, log_softmax, mean, rms_norm, weighted_input,
    )  # fmt: skip
    from microgradnet.lifting import Program, TracingError, lift, trace
    from microgradnet.nn import MLP, ForwardPass, Layer, Module, Neuron
    from microgradnet.optim import Adam, GradientDescent, Momentum, Optimizer
    from microgradnet.training import DivergenceError, History, fit
    from microgradnet.transforms import (  # isort: skip
        GradientError, check_grad, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp,
    )  # fmt: skip
    from microgradnet.verification import Report, verify

__version__ = "0.1.0"

__all__ = [
    "MLP", "Adam", "AnomalyError", "Certificate", "DivergenceError", "ExpressionError",
    "ForwardPass", "GradientDescent", "GradientError", "History", "Judgement", "Layer",
    "Module", "Momentum", "Neuron", "Operation", "Optimizer", "Program", "RenderError",
    "Report", "TracingError", "Value", "acos", "acosh", "add", "asin", "asinh", "assert_right",
    "atan", "atan2", "atanh", "cbrt", "ceil", "celu", "certify", "check_grad", "clip",
    "collector_paused", "cos", "cosh", "costs", "cumprod", "cumsum", "datasets", "degrees",
    "delta", "detect_anomaly", "divide", "dot", "draw", "elu", "equal", "erf", "erfc", "exp",
    "exp2", "experiments", "explain", "explore", "expm1", "fit", "floor", "gelu", "grad",
    "greater", "greater_equal", "hard_sigmoid", "hard_tanh", "hessian", "hvp", "hypot",
    "interop", "jacobian", "judge", "judge_delta", "judge_step", "jvp", "layer_norm",
    "leaky_relu", "less", "less_equal", "lift", "linear", "load", "log", "log1p", "log2",
    "log10", "log_sigmoid", "log_softmax", "log_sum_exp", "logaddexp", "logit", "maximum",
    "mean", "minimum", "mish", "multiply", "negative", "no_grad", "norm", "not_equal",
    "operation", "paths", "power", "prod", "radians", "read_expression", "reciprocal", "relu",
    "relu6", "remainder", "rms_norm", "save", "selu", "sigmoid", "sign", "silu", "sin", "sinh",
    "softmax", "softplus", "softsign", "sqrt", "square", "std", "subtract", "tan", "tanh",
    "total", "trace", "value_and_grad", "var", "verify", "vjp", "weighted_input", "where",
    "xlogy",
]  # fmt: skip

_MODULES = ("costs", "datasets", "delta", "experiments", "interop", "nn", "optim")
_LAZY = {
    "anomaly": ("AnomalyError", "detect_anomaly"),
    "certification": ("Certificate", "certify"),
    "collector": ("collector_paused",),
    "drawing": ("RenderError", "draw"),
    "explanation": ("explain", "paths"),
    "exploring": ("explore",),
    "expression": ("ExpressionError", "read_expression"),
    "files": ("load", "save"),
    "judging": ("Judgement", "assert_right", "judge", "judge_delta", "judge_step"),
    "layerwise": (
        "dot", "layer_norm", "linear", "log_softmax", "mean", "rms_norm", "weighted_input",
    ),
    "lifting": ("Program", "TracingError", "lift", "trace"),
    "nn": ("MLP", "ForwardPass", "Layer", "Module", "Neuron"),
    "optim": ("Adam", "GradientDescent", "Momentum", "Optimizer"),
    "training": ("DivergenceError", "History", "fit"),
    "transforms": (
        "GradientError", "check_grad", "grad", "hessian", "hvp", "jacobian", "jvp",
        "value_and_grad", "vjp",
    ),
    "verification": ("Report", "verify"),
}  # fmt: skip
"""Names by module, imported when they are asked for, as the modules above are: the engine is to be
there at once."""

_moved_module("microgradnet.untouched", "microgradnet.unset", _untouched="unset")
_moved_module("microgradnet.differentiable", "microgradnet.chain_rule", "Gradients")


if not TYPE_CHECKING:  # which knows every name, and should say so of any other

    def __getattr__(name: str) -> _Any:
        if name in _MODULES:
            return _import_module(f"microgradnet.{name}")
        for module, names in _LAZY.items():
            if name in names:
                return getattr(_import_module(f"microgradnet.{module}"), name)
        raise AttributeError(f"module 'microgradnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "abs", "max", "min", "round", "__version__"]
