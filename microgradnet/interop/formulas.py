"""SymPy: a network whose numbers are symbols, so that the engine finds formulas.

A node's number may be a SymPy expression, so a graph of symbols is differentiated like any other;
but written out in parameters and inputs alone, the formula of a hidden δ fills a page. Here every
z, a and δ gets a symbol as soon as its formula is known, and what comes after is in terms of it.
What the engine then finds is BP1 to BP4, neuron by neuron. `Formulas.unroll` puts the formulas
into one another again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import sympy
from sympy import Expr, Symbol

from microgradnet.arithmetic import evaluate
from microgradnet.costs import Cost, entry
from microgradnet.engine import Value
from microgradnet.graph import topological_order
from microgradnet.nn import MLP
from microgradnet.notation import indexed, latex_name

__all__ = ["Formulas", "symbolic"]

_POSITIVE = ("sigmoid", "softmax")
"""The activations above 0, where a cost with logarithms is at home."""


def symbolic(model: MLP, cost: str | Cost = "quadratic") -> Formulas:
    """Find the formulas of z, a, C, δ and the gradients of a network like this one.

    Only the model's sizes and activations count: its parameters become the symbols w¹₁₁, b¹₁ and so
    on, the example and its target a⁰₁ and y₁, all of them real. The cost is a name of `costs.COSTS`
    or a function. The model is left as it was. Raises TypeError for anything but an MLP,
    ValueError for an unknown cost.

    >>> net = symbolic(MLP(1, [1, 1], activation="tanh"))
    >>> print(net)
    z¹₁ = a⁰₁*w¹₁₁ + b¹₁
    a¹₁ = tanh(z¹₁)
    z²₁ = a¹₁*w²₁₁ + b²₁
    C = (-y₁ + z²₁)**2/2
    δ²₁ = -y₁ + z²₁
    ∂C/∂w²₁₁ = a¹₁*δ²₁
    ∂C/∂b²₁ = δ²₁
    δ¹₁ = w²₁₁*δ²₁/cosh(z¹₁)**2
    ∂C/∂w¹₁₁ = a⁰₁*δ¹₁
    ∂C/∂b¹₁ = δ¹₁
    """
    if not isinstance(model, MLP):
        raise TypeError(f"symbolic takes an MLP, not {model!r:.80}")
    return Formulas(model, entry(cost).function)


class Formulas(Mapping[Symbol, Expr]):
    """Hold the formulas of a network by symbol, in the order in which they are computed.

    model        an MLP whose parameters are symbols: model.weights[1][0, 0] is w¹₁₁
    x, y         the symbols of the example and of its target
    z, a, delta  the symbols by layer, as in `ForwardPass`; z[0] and delta[0] are empty, and of a
                 linear layer a[l] is z[l]
    C            the symbol of the cost

    What it is indexed with is one of those symbols, and the result its formula; `gradient` has
    those of the parameters. `symbolic` makes it.

    >>> net = symbolic(MLP(1, [1, 1], activation="softsign"))
    >>> net[net.delta[1][0]]
    w²₁₁*δ²₁/(Abs(z¹₁) + 1)**2
    >>> w = net.model.weights[2][0, 0]
    >>> net.gradient(w)
    a¹₁*δ²₁
    >>> sympy.simplify(net.unroll(net.gradient(w)) - sympy.diff(net.unroll(net.C), w))
    0
    """

    def __init__(self, model: MLP, cost: Cost) -> None:
        self._formulas: dict[Symbol, Expr] = {}
        self.model = deepcopy(model)
        self.model.zero_grad()
        for l, layer in enumerate(self.model.layers, 1):
            for j, neuron in enumerate(layer.neurons, 1):
                for k, w in enumerate(neuron.w, 1):
                    w.data = _symbol(indexed("w", l, j, k))
                neuron.b.data = _symbol(indexed("b", l, j))
        n_in, *_, n_out = self.model.sizes
        self.x = [_symbol(indexed("a", 0, k)) for k in range(1, n_in + 1)]
        self.y = [_symbol(indexed("y", 0, j).replace("⁰", "")) for j in range(1, n_out + 1)]
        self.C = _symbol("C")
        self.z: list[list[Symbol]] = [[]]
        self.a: list[list[Symbol]] = [self.x]
        self.delta: list[list[Symbol]] = [[]]
        z, a = self._forward()
        self._backward(z, cost(a[-1], [Value(y) for y in self.y]))

    def _forward(self) -> tuple[list[list[Value]], list[list[Value]]]:
        """Return the nodes of z and a by layer, each holding its symbol."""
        nodes_z: list[list[Value]] = [[]]
        nodes_a = [[Value(x) for x in self.x]]
        for l, layer in enumerate(self.model.layers, 1):
            z, a = layer.forward(nodes_a[-1])
            self.z.append(self._define("z", l, z))
            above = set(z)
            for node in topological_order(a):  # once more from z on, which is now a symbol
                if node not in above and not above.isdisjoint(node.parents):
                    op: Any = node.op  # no leaf: it has parents
                    node.data = evaluate(op.forward, *(parent.data for parent in node.parents))
                    above.add(node)
            positive = True if layer.activation in _POSITIVE else None
            self.a.append(self.z[l] if a == z else self._define("a", l, a, positive))
            nodes_z.append(z)
            nodes_a.append(a)
        return nodes_z, nodes_a

    def _backward(self, z: list[list[Value]], cost: Value) -> None:
        """Let the engine find δᴸ from C, and then layer by layer what δˡ stands for in C."""
        self._formulas[self.C] = sympy.sympify(cost.data)
        cost.backward()
        # Where a = y = 1 the cross-entropy's C′ is decided apart; σ(z) is never 1.
        sigmoid = self.model.layers[-1].activation == "sigmoid"
        never = {sympy.Eq(a, 1): sympy.false for a in self.a[-1] if sigmoid}
        for l in range(len(z) - 1, 0, -1):
            names = [_symbol(indexed("δ", l, j)) for j in range(1, len(z[l]) + 1)]
            for name, node in zip(names, z[l], strict=True):
                self._formulas[name] = sympy.sympify(node.grad).subs(never)
            self.delta.insert(1, names)
            # Of all that is below zˡ the gradients are those of this sum, for δˡ is ∂C/∂zˡ.
            first, *others = (Value(d) * node for d, node in zip(names, z[l], strict=True))
            self.model.zero_grad()
            sum(others, first).backward()
            for parameter in self.model.layers[l - 1].parameters():
                self._formulas[_gradient(parameter.data)] = sympy.sympify(parameter.grad)

    def _define(
        self, letter: str, l: int, nodes: list[Value], positive: bool | None = None
    ) -> list[Symbol]:
        """Let each node hold a symbol of its own, and keep what it held as the symbol's formula."""
        symbols = []
        for j, node in enumerate(nodes, 1):
            symbol = _symbol(indexed(letter, l, j), positive)
            self._formulas[symbol] = sympy.sympify(node.data)
            node.data = symbol
            symbols.append(symbol)
        return symbols

    def __getitem__(self, symbol: Symbol) -> Expr:
        return self._formulas[symbol]

    def __iter__(self) -> Iterator[Symbol]:
        return iter(self._formulas)

    def __len__(self) -> int:
        return len(self._formulas)

    def gradient(self, parameter: Symbol) -> Expr:
        """Return the formula of ∂C/∂w, of a parameter of the model."""
        return self._formulas[_gradient(parameter)]

    def unroll(self, formula: Expr) -> Expr:
        """Write a formula in parameters, x and y: each z, a, δ and C is replaced by its own.

        >>> net = symbolic(MLP(1, [1]))
        >>> net.unroll(net.delta[1][0])
        a⁰₁*w¹₁₁ + b¹₁ - y₁
        """
        for symbol in reversed(self._formulas):
            formula = formula.subs(symbol, self._formulas[symbol])
        return formula

    def __str__(self) -> str:
        return "\n".join(f"{symbol} = {formula}" for symbol, formula in self.items())

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.model.sizes))
        return f"<Formulas of a {sizes} network, {len(self)} in all>"

    def _repr_latex_(self) -> str:
        symbols = [*self, *self.x, *self.y, *(p.data for p in self.model.parameters())]
        names = {symbol: latex_name(symbol.name) for symbol in symbols}
        lines = (
            rf"{names[symbol]} &= {sympy.latex(formula, symbol_names=names)}"
            for symbol, formula in self.items()
        )
        return "$$\n\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}\n$$"


def _symbol(name: str, positive: bool | None = None) -> Symbol:
    return Symbol(name, real=True, positive=positive)


def _gradient(parameter: Symbol) -> Symbol:
    return _symbol(f"∂C/∂{parameter.name}")
