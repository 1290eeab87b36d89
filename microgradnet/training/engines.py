"""Engines compute costs and gradients: the scalar graph of each example, or the matrix program.

Both run batches, whose rows are examples, and move the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from microgradnet.arithmetic import is_finite
from microgradnet.collector import collector_paused
from microgradnet.engine import Value
from microgradnet.escapes import differentiated
from microgradnet.lifting import trace
from microgradnet.nn import Module
from microgradnet.optim import Optimizer
from microgradnet.training.metrics import Array, output_list

__all__ = ["Batch", "Eager", "Engine", "Lifted", "Network"]


class Network(NamedTuple):
    """Hold a model and the cost of one example."""

    model: Module
    cost: Callable[..., Value]
    single: bool
    """Whether the targets came as plain numbers, one an example, and go to the cost as such."""
    parameters: tuple[Value, ...]
    """Those of the model: all of it is differentiated by them."""

    def run(self, x: Any, y: Any) -> tuple[Value, list[Value]]:
        """Compute the cost of the example and the outputs."""
        with differentiated(self.parameters):
            output = self.model(x)  # type: ignore[operator]  # fit has seen to it
            cost = self.cost(output, y[0] if self.single else y)
        if not isinstance(cost, Value):
            raise TypeError(f"a cost is a Value, made of the outputs, not {cost!r:.60}")
        return cost, output_list(output)

    def outputs(self, x: Any) -> list[Value]:
        """Compute the outputs, without a cost."""
        return output_list(self.model(x))  # type: ignore[operator]  # fit has seen to it


class Batch(NamedTuple):
    """Hold costs, shape (examples,), and outputs, shape (examples, outputs), of a batch."""

    costs: Array
    outputs: Array

    @property
    def finite(self) -> bool:
        """Tell whether all costs are finite."""
        return all(map(is_finite, self.costs.tolist()))


class Eager:
    """Builds and differentiates each example's graph, in whatever kind of number."""

    name = "eager"

    def __init__(self, network: Network, optimizer: Optimizer) -> None:
        self._network = network
        self._optimizer = optimizer

    def measure(self, X: Array, Y: Array) -> Batch:
        """Compute costs and outputs by the graphs."""
        return self._run(X, Y, backward=False)

    def differentiate(self, X: Array, Y: Array) -> Batch:
        """Differentiate each graph too: the gradients add up in the parameters."""
        self._network.model.zero_grad()
        return self._run(X, Y, backward=True)

    def _run(self, X: Array, Y: Array, *, backward: bool) -> Batch:
        costs, outputs = [], []
        with collector_paused():  # a batch: cycles of the user's own wait no longer
            for x, y in zip(X.tolist(), Y.tolist(), strict=True):
                cost, output = self._network.run(x, y)
                if backward:
                    cost.backward()
                costs.append(cost.data)
                outputs.append([v.data for v in output])
        return Batch(np.array(costs), np.array(outputs))

    def step(self, m: int) -> bool:
        """Move the parameters by the gradients of m examples, and return True.

        Where gradients or new parameters are not finite, all stays as it was. Returns False then.
        """
        optimizer = self._optimizer
        parameters = optimizer.parameters
        if not all(is_finite(p.grad) for p in parameters):
            return False
        before = [p.data for p in parameters]
        memory = dict(vars(optimizer))  # steps replace what is in it, and change nothing within
        optimizer.step(m)
        if all(is_finite(p.data) for p in parameters):
            return True
        for parameter, data in zip(parameters, before, strict=True):
            parameter.data = data
        vars(optimizer).update(memory)
        return False

    def write(self) -> None:
        """Write the present parameters into the model: they are its own."""

    def read(self) -> None:
        """Read the parameters from the model, where a callback may have changed them."""


class Lifted:
    """Runs the matrix programs lifted from the graph of one example on whole batches.

    Raises what `trace` raises: where there is no program, or where it differs from the network on
    some examples, as with dropout.
    """

    name = "lifted"

    def __init__(self, network: Network, optimizer: Optimizer, X: Array, Y: Array) -> None:
        # All of the parameters, so that none is frozen into the program; the optimizer may hold
        # some of them only.
        parameters = list(dict.fromkeys(network.parameters))
        (_, n_in), (_, n_out) = X.shape, Y.shape
        x, y = X[:_CHECKED], Y[:_CHECKED]
        self._optimizer = optimizer
        self._program = trace(
            lambda x, y: network.run(x, y)[0], n_in, n_out, parameters, check=(x, y)
        )
        self._outputs = trace(network.outputs, n_in, 0, parameters, check=(x,))
        places = {parameter: k for k, parameter in enumerate(parameters)}
        self._own = np.array([places[parameter] for parameter in optimizer.parameters])
        self._gradient = np.empty(len(parameters))

    def measure(self, X: Array, Y: Array) -> Batch:
        """Compute costs and outputs by the programs."""
        self._outputs.parameters = self._program.parameters
        return Batch(self._program.value(X, Y), self._outputs.value(X))

    def differentiate(self, X: Array, Y: Array) -> Batch:
        """Compute the gradient too, summed over the examples."""
        costs, _ = self._program.value_and_grad(X, Y, out=self._gradient)
        self._outputs.parameters = self._program.parameters
        return Batch(costs, self._outputs.value(X))

    def step(self, m: int) -> bool:
        """Take the optimizer's step on the program's own vector."""
        w, gradient = self._program.parameters[self._own], self._gradient[self._own]
        if not np.isfinite(gradient).all():
            return False
        memory = dict(vars(self._optimizer))
        self._optimizer.step_arrays(w, gradient, m)
        if not np.isfinite(w).all():
            vars(self._optimizer).update(memory)
            return False
        self._program.parameters[self._own] = w
        return True

    def write(self) -> None:
        """Write the program's parameters into the model."""
        self._program.write_parameters()

    def read(self) -> None:
        """Read the model's parameters into the program."""
        self._program.read_parameters()


Engine: TypeAlias = Eager | Lifted

_CHECKED = 4
"""Examples on which a program must do what the network does."""
