"""The forward pass of one example, which keeps what the equations speak of: z, a and δ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from microgradnet.arithmetic import Number
from microgradnet.engine import Value, flatten, is_unset, unflatten
from microgradnet.nn.layers import Layered
from microgradnet.notation import labels

__all__ = ["Deltas", "ForwardPass"]


class ForwardPass:
    """Run the example x forward: zˡ = Wˡ aˡ⁻¹ + bˡ, aˡ = σ(zˡ); index l is the layer.

    a[0]      the input, as Values
    z[l][j]   the weighted inputs of layer l (z[0] is empty), neurons counted from 0
    a[l][j]   the activations of layer l; of a linear layer they are the nodes z[l][j] themselves
    delta[l]  after cost.backward(), the errors δˡⱼ = ∂C/∂zˡⱼ: the grad of z[l][j]
    output    the last activations; of a single output neuron the bare Value

    Nodes made here are labelled as in the equations, counting neurons from 1: z[2][0] is z²₁.
    Raises ValueError where x has not as many entries as the network has inputs.

    A copy of a pass, or a pickle, has a model and nodes that belong together. A cost pickled beside
    it would get interior nodes of its own, so pickle the pass without it.

    >>> from microgradnet import MLP
    >>> forward = MLP(2, [1], init="zeros").forward([0.5, -1.0])
    >>> ((forward.output - 1) ** 2 / 2).backward()
    >>> forward.z[1][0].label, forward.delta[1]
    ('z¹₁', [-1.0])
    """

    def __init__(self, model: Layered, x: Sequence[Any]) -> None:
        if not hasattr(x, "__iter__"):
            raise TypeError(f"an example is a sequence of numbers, not {x!r}")
        n_in, entries = len(model.layers[0].neurons[0].w), list(x)
        if any(hasattr(v, "__len__") and not isinstance(v, str) for v in entries):
            raise ValueError(
                "x is one example, a sequence of numbers, and this one holds sequences: for the "
                "rows of X write [model(x) for x in X], or model.predict(X)"
            )
        if len(entries) != n_in:
            raise ValueError(f"the network has {n_in} inputs, but x has {len(entries)} entries")
        self.model = model
        self.z: list[list[Value]] = [[]]
        self.a = [
            [
                v if isinstance(v, Value) else Value(v, label=label)
                for v, label in zip(entries, labels("a", 0, n_in), strict=True)
            ]
        ]
        for l, layer in enumerate(model.layers, 1):
            z, a = layer.forward(self.a[-1])
            for letter, nodes in (("a", a), ("z", z)):  # z has the last word where they are one
                # Not strict: that would take longer than the labelling.
                for node, label in zip(nodes, labels(letter, l, len(nodes))):  # noqa: B905  # as said above
                    node.label = label
            self.z.append(z)
            self.a.append(a)

    @property
    def output(self) -> Any:
        """Return the activations of the last layer; of a single neuron the bare Value."""
        return self.a[-1][0] if len(self.a[-1]) == 1 else self.a[-1]

    @property
    def delta(self) -> Deltas:
        """Return the errors δˡⱼ by layer. Reading one before cost.backward() is a RuntimeError."""
        return Deltas(self.z)

    def __repr__(self) -> str:
        sizes = "-".join(str(len(layer)) for layer in self.a)
        return f"<ForwardPass {sizes}, output {[v.data for v in self.a[-1]]}>"

    def __copy__(self) -> ForwardPass:
        return _assemble(self.model, self.z, self.a)

    def __deepcopy__(self, memo: dict[int, Any]) -> ForwardPass:
        from copy import deepcopy

        # Node by node through the memo, which a cost copied along with the pass shares.
        model = deepcopy(self.model, memo)
        copy = _assemble(model, deepcopy(self.z, memo), deepcopy(self.a, memo))
        memo[id(self)] = copy
        return copy

    def __reduce__(self) -> tuple[Any, ...]:
        nodes = [node for layer in (*self.z, *self.a) for node in layer]
        shape = [[len(layer) for layer in layers] for layers in (self.z, self.a)]
        return _restore, (self.model, shape, flatten(nodes))


class Deltas(Sequence[list[Number]]):
    """Hold the errors of a forward pass: delta[l][j] = ∂C/∂zˡⱼ, delta[0] empty as z[0] is."""

    def __init__(self, z: list[list[Value]]) -> None:
        self._z = z

    def __len__(self) -> int:
        return len(self._z)

    def __getitem__(self, l: Any) -> Any:
        if all(is_unset(z.grad) for layer in self._z for z in layer):
            raise RuntimeError(
                "no gradient has reached this forward pass yet: make a cost of its output and "
                "call cost.backward(), then read delta"
            )
        if isinstance(l, slice):
            return [self[k] for k in range(len(self))[l]]
        return [z.grad for z in self._z[l]]

    def __repr__(self) -> str:
        try:
            return repr(list(self))
        except RuntimeError:
            return "<Deltas, not yet: call cost.backward() first>"


def _assemble(model: Layered, z: list[list[Value]], a: list[list[Value]]) -> ForwardPass:
    forward = ForwardPass.__new__(ForwardPass)
    forward.model, forward.z, forward.a = model, z, a
    return forward


def _restore(model: Layered, shape: list[list[int]], flat: tuple[Any, ...]) -> ForwardPass:
    nodes = iter(unflatten(*flat))
    z, a = ([[next(nodes) for _ in range(n)] for n in layers] for layers in shape)
    return _assemble(model, z, a)
