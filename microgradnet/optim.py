"""The update rule."""

from __future__ import annotations

from collections.abc import Iterable

from microgradnet.arithmetic import Arithmetic, Number, evaluate, number
from microgradnet.engine import Value
from microgradnet.ops import divide

__all__ = ["GradientDescent"]


class GradientDescent:
    """w → w − (η/m) Σₙ ∂C_{xₙ}/∂w, for every parameter w.

    lr is the learning rate η. The gradients are the sums over the examples whose costs were
    differentiated since the last zero_grad; `step` is told their number m. Raises TypeError for a
    rate that is no number.

    >>> w = Value(1.0)
    >>> (w * 4).backward()
    >>> (w * 8).backward()
    >>> GradientDescent([w], lr=0.5).step(m=2)
    >>> w.data
    -2.0
    """

    def __init__(self, parameters: Iterable[Value], lr: Number) -> None:
        if not isinstance(parameters, Iterable):
            raise TypeError(f"give the parameters, as in model.parameters(), not {parameters!r}")
        self.parameters = list(parameters)
        self.lr = number(lr)

    def __repr__(self) -> str:
        return f"<GradientDescent of {len(self.parameters)} parameters, lr={self.lr}>"

    def step(self, m: int = 1) -> None:
        """Move every parameter against its gradient, the sum over m examples."""
        if m < 1:
            raise ValueError(f"the gradients are sums over at least 1 example, not {m}")
        rate = divide(self.lr, m)
        for parameter in self.parameters:
            parameter.data = evaluate(_descend, parameter.data, rate, parameter.grad)


def _descend(m: Arithmetic, w: Number, rate: Number, gradient: Number) -> Number:
    return w - rate * gradient
