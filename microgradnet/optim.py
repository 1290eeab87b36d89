"""Update rules: gradient descent, with momentum, and Adam.

Each is a rule for one parameter, w and its gradient in, w out, with what it remembers from step to
step. `GradientDescent` divides the sum over the examples by their number m, as the specification
has it; `Momentum` and `Adam` take that mean gradient where PyTorch's take the gradient of a cost
that is a mean over the batch. Their arguments are PyTorch's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from operator import truediv
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from microgradnet.arithmetic import Number, coerce, evaluate, ieee, is_finite
from microgradnet.engine import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Adam", "GradientDescent", "Momentum", "Optimizer"]


class Optimizer(ABC):
    """Move parameters against their gradients, all by one rule.

    parameters  the Values that move
    lr          the learning rate η
    steps       how many steps were taken

    The gradients are the sums over the examples whose costs were differentiated since the last
    zero_grad; `step` takes their number m. A gradient that no backward pass has reached counts as
    0. Raises TypeError for a rate that is no number, and ValueError for one that is negative or
    not finite.

    A subclass gives its `rule`, the `constants` of a step, and in `memory` how many numbers the
    rule keeps for each parameter; they begin at 0:

    >>> class SignDescent(Optimizer):
    ...     def rule(self, arithmetic, w, gradient, lr):
    ...         return (w - arithmetic.where(gradient > 0, lr, -lr),)
    >>> w = Value(1.0)
    >>> (w * 4).backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w.data
    0.5
    """

    memory = 0

    def __init__(self, parameters: Iterable[Value], lr: Number) -> None:
        if not isinstance(parameters, Iterable):
            raise TypeError(f"give the parameters, as in model.parameters(), not {parameters!r}")
        self.parameters = list(parameters)
        self.lr = _not_negative("lr, the learning rate,", lr)
        self.steps = 0
        # One sequence for each number that the rule keeps, in the order of the parameters; steps
        # replace them and never write into them.
        self._kept: tuple[Any, ...] = ([0] * len(self.parameters),) * self.memory

    @abstractmethod
    def rule(self, arithmetic: Any, w: Number, gradient: Number, *numbers: Number) -> Any:
        """Return (w, *kept) after the step, from w, its gradient, the constants, and what was kept.

        It is written as a derivative rule is: against an arithmetic, without a branch on a number.
        So it serves arrays of parameters too.
        """

    def constants(self, m: int) -> tuple[Number, ...]:
        """Return the numbers, the same for all parameters, of a step over m examples.

        `steps` already counts this one.
        """
        return (self.lr,)

    def step(self, m: int = 1) -> None:
        """Move every parameter against its gradient, the sum over m examples."""
        constants = floats = self._begin(m)
        if all(type(x) in (int, float) for x in constants):
            floats = tuple(map(ieee.convert, constants))  # once, instead of at each parameter
        before = [parameter.data for parameter in self.parameters]
        try:
            after = []
            for p, *kept in zip(self.parameters, *map(_listed, self._kept), strict=True):
                numbers = floats if type(p.data) is type(p.grad) is float else constants
                after.append(evaluate(self.rule, p.data, p.grad, *numbers, *kept))
            for parameter, (w, *_) in zip(self.parameters, after, strict=True):
                parameter.data = w  # of one that is here twice, twice the same
        except BaseException:  # a step is taken by all parameters or by none
            self.steps -= 1
            for parameter, data in zip(self.parameters, before, strict=True):
                parameter.data = data
            raise
        _, *kept = zip(*after, strict=True) if after else ((), *self._kept)
        self._kept = tuple(kept)

    def step_arrays(self, w: NDArray[Any], gradient: NDArray[Any], m: int = 1) -> None:
        """Take the same step on flat arrays in the order of the parameters, which stay as they are.

        w is written into. It is for programs that hold the parameters in a vector of their own.
        """
        import numpy as np

        arrays = SimpleNamespace(divide=truediv, power=pow, sqrt=np.sqrt, where=np.where)
        constants = self._begin(m)
        try:
            kept = [np.asarray(column, dtype=np.float64) for column in self._kept]
            with np.errstate(all="ignore"):  # as with floats: infinities and NaN, no warnings
                after, *kept = self.rule(arrays, w, gradient, *map(float, constants), *kept)
        except BaseException:
            self.steps -= 1
            raise
        w[:] = after
        self._kept = tuple(kept)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return what it remembers, as arrays by name, to go on with later; `save` writes it.

        steps   how many steps were taken
        memory  what the rule keeps, a row a number, a column a parameter; if it keeps anything

        The rate and the other arguments are not in it: they are given anew.
        """
        import numpy as np

        state: dict[str, NDArray[Any]] = {"steps": np.array(self.steps, dtype=float)}
        if self.memory:
            kept = [_listed(column) for column in self._kept]
            floats = all(type(x) is float for column in kept for x in column)
            state["memory"] = np.array(kept, dtype=float if floats else object)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what another, of the same rule and as many parameters, had in its state_dict.

        Raises ValueError for other names or shapes, and TypeError for what is no number; nothing is
        changed then.

        >>> first, then = (Momentum([Value(1.0)], lr=0.5) for _ in range(2))
        >>> first.step()
        >>> then.load_state_dict(first.state_dict())
        >>> then.steps
        1
        """
        import numpy as np

        shapes = {name: array.shape for name, array in self.state_dict().items()}
        arrays = {name: np.asarray(array) for name, array in state.items()}
        if {name: array.shape for name, array in arrays.items()} != shapes:
            other = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            own = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ValueError(f"the state of this optimizer is {own}, not {other or 'nothing'}")
        steps = coerce(arrays["steps"].item())
        if not (steps >= 0 and steps == int(steps)):
            raise ValueError(f"steps must be a whole number, at least 0, not {steps}")
        kept = tuple([coerce(x) for x in row] for row in arrays.get("memory", np.empty((0, 0))))
        self.steps, self._kept = int(steps), kept

    def _begin(self, m: int) -> tuple[Number, ...]:
        if m < 1:
            raise ValueError(f"the gradients are sums over at least 1 example, not {m}")
        self.steps += 1
        return self.constants(m)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.parameters)} parameters, lr={self.lr}>"


class GradientDescent(Optimizer):
    """Descend: w → w − (η/m) Σₙ ∂C_{xₙ}/∂w, for every parameter w.

    lr is the learning rate η; the rest is as in `Optimizer`.

    >>> w = Value(1.0)
    >>> (w * 4).backward()
    >>> (w * 8).backward()
    >>> GradientDescent([w], lr=0.5).step(m=2)
    >>> w.data
    -2.0
    """

    def constants(self, m: int) -> tuple[Number, ...]:
        """Return η, m."""
        return self.lr, m

    def rule(self, arithmetic: Any, w: Number, gradient: Number, *numbers: Number) -> Any:
        """Return the new w."""
        lr, m = numbers
        return (w - arithmetic.divide(lr, m) * gradient,)


class Momentum(Optimizer):
    """Descend with a velocity v: v → μv + (1 − τ)ḡ, then w → w − ηv.

    lr            the learning rate η
    momentum      μ, what is left of the velocity from step to step
    dampening     τ, what is left out of the gradient
    weight_decay  λ: the gradient ḡ is the mean one, (1/m) Σₙ ∂C_{xₙ}/∂w, plus λw
    nesterov      move by ḡ + μv instead of v: as if the gradient were that of one step ahead

    The first velocity is ḡ. It is PyTorch's SGD, of a cost that is the mean over m examples.
    Raises ValueError for negative arguments, and for nesterov without momentum or with dampening.

    >>> w = Value(1.0)
    >>> descent = Momentum([w], lr=0.5, momentum=0.5)
    >>> w.grad = 1.0
    >>> descent.step()                  # v = 1
    >>> descent.step()                  # v = ½ + 1
    >>> w.data
    -0.25
    """

    memory = 1

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: Number = 1e-3,
        momentum: Number = 0.9,
        dampening: Number = 0,
        weight_decay: Number = 0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr)
        self.momentum = _not_negative("momentum", momentum)
        self.dampening = coerce(dampening)
        self.weight_decay = _not_negative("weight_decay", weight_decay)
        self.nesterov = nesterov
        if nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("nesterov needs a momentum, and a dampening of 0")

    def constants(self, m: int) -> tuple[Number, ...]:
        """Return η, m, λ, μ, τ; the first velocity is not dampened, nor one that is not kept."""
        dampened = self.steps > 1 and self.momentum != 0
        return self.lr, m, self.weight_decay, self.momentum, self.dampening if dampened else 0

    def rule(self, arithmetic: Any, w: Number, gradient: Number, *numbers: Number) -> Any:
        """Return the new w and velocity."""
        lr, m, decay, momentum, dampening, velocity = numbers
        g = arithmetic.divide(gradient, m) + decay * w
        velocity = momentum * velocity + (1 - dampening) * g
        return w - lr * (g + momentum * velocity if self.nesterov else velocity), velocity


class Adam(Optimizer):
    """Move by η times the mean of the gradients over their root mean square.

    lr            the learning rate η
    betas         β₁, β₂: how much of the two means is kept from step to step
    eps           ε, which keeps the quotient finite
    weight_decay  λ: the gradient ḡ is the mean one, (1/m) Σₙ ∂C_{xₙ}/∂w, plus λw
    amsgrad       divide by the largest v so far

        v₁ → β₁v₁ + (1 − β₁)ḡ,  v₂ → β₂v₂ + (1 − β₂)ḡ²
        w → w − η · v₁/(1 − β₁ᵗ) / (√(v₂/(1 − β₂ᵗ)) + ε)        at step t

    As PyTorch's Adam, of a cost that is the mean over m examples. The root makes floats of exact
    numbers. Raises ValueError for negative arguments and for a β of 1 or more. Source: D. Kingma
    and J. Ba (2015); S. Reddi, S. Kale and S. Kumar (2018) for amsgrad.

    >>> w = Value(1.0)
    >>> w.grad = 1000.0
    >>> Adam([w], lr=0.25).step()       # the first step is η, however steep
    >>> round(w.data, 6)
    0.75
    """

    memory = 3

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: Number = 1e-3,
        betas: tuple[Number, Number] = (0.9, 0.999),
        eps: Number = 1e-8,
        weight_decay: Number = 0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(parameters, lr)
        first, second = betas
        self.betas = (_not_negative("betas", first), _not_negative("betas", second))
        if not max(self.betas) < 1:
            raise ValueError(f"betas must be below 1, not {betas}")
        self.eps = _not_negative("eps", eps)
        self.weight_decay = _not_negative("weight_decay", weight_decay)
        self.amsgrad = amsgrad

    def constants(self, m: int) -> tuple[Number, ...]:
        """Return η, m, λ, β₁, β₂, ε, t."""
        return self.lr, m, self.weight_decay, *self.betas, self.eps, self.steps

    def rule(self, arithmetic: Any, w: Number, gradient: Number, *numbers: Number) -> Any:
        """Return the new w, the two means, and the largest of the second."""
        lr, m, decay, beta1, beta2, eps, t, v1, v2, largest = numbers
        g = arithmetic.divide(gradient, m) + decay * w
        v1 = beta1 * v1 + (1 - beta1) * g
        v2 = beta2 * v2 + (1 - beta2) * g * g
        largest = arithmetic.where(largest > v2, largest, v2) if self.amsgrad else v2
        mean = arithmetic.divide(v1, 1 - arithmetic.power(beta1, t))
        square = arithmetic.divide(largest, 1 - arithmetic.power(beta2, t))
        return w - lr * arithmetic.divide(mean, arithmetic.sqrt(square) + eps), v1, v2, largest


def _listed(column: Any) -> Any:
    """List the numbers as Python's own, whether a step on Values or one on arrays left them."""
    return column.tolist() if hasattr(column, "tolist") else column


def _not_negative(name: str, x: Any) -> Number:
    with suppress(TypeError):  # a formula, of which nobody knows
        if not (is_finite(coerce(x)) and x >= 0):
            raise ValueError(f"{name} must be a finite number, at least 0, not {x}")
    return coerce(x)
