"""Derivatives as functions: from a function, the function that gives its derivatives."""

from microgradnet.transforms.checking import GradientCheck, GradientError, check_grad
from microgradnet.transforms.derivatives import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)

__all__ = [
    "GradientCheck",
    "GradientError",
    "check_grad",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
]
