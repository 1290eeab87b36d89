"""What a graph of scalars is to a network: the roles of its nodes, its neurons, its matrices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import permutations
from typing import TYPE_CHECKING, Any, TypeAlias

from microgradnet import ops
from microgradnet.engine import Value
from microgradnet.graph import topological_order
from microgradnet.lifting import leaf_roles
from microgradnet.nn import ForwardPass
from microgradnet.notation import indices

if TYPE_CHECKING:
    from microgradnet.lifting import Structure, Term, Variable

__all__ = ["GraphView", "NeuronView", "factor_pairs", "neurons_of_pass", "role_of", "values_in"]


@dataclass
class NeuronView:
    """Hold a neuron in a graph: the nodes of its weighted input and activation, one if linear."""

    l: int
    j: int
    z: Value
    a: Value
    bias: Value | None = None
    weights: list[tuple[Value, Value]] = field(default_factory=list)
    """The weights, each with the node that it multiplies."""

    @property
    def nodes(self) -> list[Value]:
        """List its weights, its bias, z and a."""
        bias = [] if self.bias is None else [self.bias]
        return list(dict.fromkeys([*(w for w, _ in self.weights), *bias, self.z, self.a]))


class GraphView:
    """View a graph as a network: roles, and, found when asked for, neurons and matrices.

    roots   what the graph computes
    order   its nodes, each behind all its parents
    place   where in the order each node stands
    roles   the role of each, in the order: computed, or what `microgradnet.lifting.inputs` says of
            a leaf: input, target, parameter or constant
    leaves  the inputs, targets and parameters among the leaves: as they were listed, then as they
            stand in the graph

    >>> from microgradnet import MLP
    >>> view = GraphView([MLP(2, [3, 1]).forward([1.0, 2.0]).output])
    >>> [(each.l, each.j, len(each.weights)) for each in view.neurons]
    [(1, 1, 2), (1, 2, 2), (1, 3, 2), (2, 1, 3)]
    >>> view.matrices.equations[0].text
    'z1 = W1 a0 + b1'
    """

    def __init__(
        self,
        roots: Iterable[Value],
        inputs: Iterable[Any] | None = None,
        targets: Iterable[Any] | None = None,
        parameters: Iterable[Any] | None = None,
    ) -> None:
        named = {"inputs": inputs, "targets": targets, "parameters": parameters}
        lists = {
            what: None if nodes is None else values_in(nodes, what) for what, nodes in named.items()
        }
        self.roots = list(roots)
        self.order = topological_order(self.roots)
        self.place = {node: k for k, node in enumerate(self.order)}
        leaves = vars(leaf_roles(self.order, **lists))
        role_of = {node: what[:-1] for what, nodes in leaves.items() for node in nodes}
        self.roles = [role_of.get(node, "computed") for node in self.order]
        self.leaves: dict[str, list[Value]] = {
            what: [node for node in leaves[what] if node.op is None and node in self.place]
            for what in named
        }

    def role(self, node: Value) -> str:
        """Return the role of a node."""
        return self.roles[self.place[node]]

    @cached_property
    def matrices(self) -> Structure:
        """Return what lifting finds in the graph; ValueError where it finds no way, or no NumPy."""
        try:
            from microgradnet.lifting import recognise

            return recognise(self.roots[0] if len(self.roots) == 1 else self.roots, **self.leaves)
        except (ArithmeticError, ImportError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(
                f"no matrices were found in this graph ({error}): draw it with zoom='scalar'"
            ) from error

    @cached_property
    def neurons(self) -> list[NeuronView]:
        """List the neurons, layer by layer: by the labels of `nn`, or else as lifting finds them.

        The list may be empty. Raises ValueError where the graph holds several examples, and where
        it has no such labels and lifting finds no way.
        """
        neurons = self._labelled() or self._recognised()
        return sorted(neurons, key=lambda neuron: (neuron.l, neuron.j))

    def _labelled(self) -> list[NeuronView]:
        nodes: dict[tuple[str, int, tuple[int, ...]], Value] = {}
        for node in self.order:
            read = indices(node.label) if node.label else None
            if read in nodes:
                raise ValueError(
                    f"{node.label} is in this graph more than once, as when it holds several "
                    "examples: draw the cost of one example"
                )
            if read is not None:
                nodes[read] = node
        neurons = {
            (l, below[0]): NeuronView(l, below[0], node, nodes.get(("a", l, below), node))
            for (letter, l, below), node in nodes.items()
            if letter == "z"
        }
        neuron_of = {
            node: neurons[l, below[0]]
            for (letter, l, below), node in nodes.items()
            if letter in "wb" and (l, below[0]) in neurons
        }
        for node in self.order:
            for weight, source in factor_pairs(node):
                if weight in neuron_of and weight.label.startswith("w"):
                    neuron_of[weight].weights.append((weight, source))
        for node, neuron in neuron_of.items():
            if node.label.startswith("b"):
                neuron.bias = node
        return list(neurons.values())

    def _recognised(self) -> list[NeuronView]:
        """Find the neurons in a graph by anyone: in the sums Σ W a + b that lifting finds."""
        layer_of: dict[Value, int] = {}
        neurons: list[NeuronView] = []
        for z, products, bias in _weighted_inputs(self.matrices):
            for W, source in products:
                l = 1 + max((layer_of.get(node, 0) for node in source if node), default=0)
                for j, (node, row) in enumerate(zip(z, W, strict=True)):
                    if node is None:  # a sum that is no node of the graph
                        continue
                    a = self._activation(node)
                    weights = [(w, x) for w, x in zip(row, source, strict=True) if w and x]
                    own = None if bias is None else bias[j]
                    neurons.append(NeuronView(l, j + 1, node, a, own, weights))
                    layer_of[node] = layer_of[a] = l
        return neurons

    def _activation(self, z: Value) -> Value:
        """Find what one operation makes of a weighted input; itself, where it is used otherwise."""
        consumers = [node for node in self.order if any(parent is z for parent in node.parents)]
        if len(consumers) == 1 and len(consumers[0].parents) == 1:
            return consumers[0]
        return z

    def homes(self) -> list[tuple[int, int] | None]:
        """Find the neuron (l, j) of each node; (0, k) for an input a⁰ₖ, None outside.

        Labels tell it, as `nn` writes them. A node without such a label belongs where all that
        was made from it belongs.
        """
        homes: list[tuple[int, int] | None] = [None] * len(self.order)
        claims: list[set[tuple[int, int] | None]] = [set() for _ in self.order]
        for k in range(len(self.order) - 1, -1, -1):
            node = self.order[k]
            read = indices(node.label) if node.label else None
            if read is not None:
                homes[k] = (read[1], read[2][0])
            elif len(claims[k]) == 1:
                (homes[k],) = claims[k]
            for parent in node.parents:
                claims[self.place[parent]].add(homes[k])
        return homes


Nodes: TypeAlias = "Sequence[Value | None]"


def _weighted_inputs(
    structure: Structure,
) -> Iterator[tuple[Nodes, list[tuple[Sequence[Nodes], Nodes]], Nodes | None]]:
    """List the sums z = Σ W a + b as nodes: z, each W by rows beside its a, and b, if there is one.

    A number z is a layer of one neuron.
    """
    from microgradnet.lifting import Map, Sum

    variables = structure.variables
    for equation in structure.equations:
        z = variables.get(equation.left)
        if equation.part != "forward" or z is None or len(z.axes) > 1:
            continue
        term = equation.body
        products: list[tuple[Sequence[Nodes], Nodes]] = []
        bias = None
        for part in term.operands if isinstance(term, Map) and term.function is ops.add else [term]:
            b = _read(part, variables)
            if b is not None and b.kind == "parameter" and b.axes == z.axes:
                bias = b.nodes
            product = part.operand if isinstance(part, Sum) else part
            factors = product.operands if isinstance(product, Map) else ()
            operands = [_read(x, variables) for x in factors]
            for W, a in permutations(operands) if len(operands) == 2 else ():
                if W is None or a is None or W.kind != "parameter" or a.kind == "parameter":
                    continue
                columns = [axis for axis in W.axes if axis not in z.axes]
                width = len(a.nodes)
                if len(a.axes) == len(columns) < 2 and width * len(z.nodes) == len(W.nodes):
                    rows = W.turned((*z.axes, *columns)).nodes
                    split = [rows[k : k + width] for k in range(0, len(rows), width)]
                    products.append((split, a.nodes))
        yield z.nodes, products, bias


def _read(term: Term, variables: Mapping[str, Variable]) -> Variable | None:
    """Find the variable that a term is, under other axes or one entry of it."""
    from microgradnet.lifting import Affine, Leaf, State, Take, is_renaming

    entry = None
    while isinstance(term, Take):
        if not is_renaming(term):
            if entry is not None or not isinstance(term.index, Affine) or term.index.parts:
                return None
            entry = term.index.offset
        term = term.operand
    variable = variables.get(term.name) if isinstance(term, (Leaf, State)) else None
    if variable is None or entry is None:
        return variable
    if len(variable.axes) > 1:
        return None
    return replace(variable, shape=(), axes=(), nodes=variable.nodes[entry : entry + 1])


def neurons_of_pass(forward_pass: ForwardPass) -> list[list[NeuronView]]:
    """List the neurons of a forward pass, layer by layer."""
    a, z = forward_pass.a, forward_pass.z
    layers = []
    for l, layer in enumerate(forward_pass.model.layers, 1):
        weights = [list(zip(neuron.w, a[l - 1], strict=True)) for neuron in layer.neurons]
        parts = zip(z[l], a[l], [neuron.b for neuron in layer.neurons], weights, strict=True)
        layers.append([NeuronView(l, j, *each) for j, each in enumerate(parts, 1)])
    return layers


def role_of(variable: Variable) -> str:
    """Name the role of a variable that lifting found, as that of a node is named."""
    return "computed" if variable.kind == "value" else variable.kind


def factor_pairs(node: Value) -> Iterator[tuple[Value, Value]]:
    """List the products that a node is, or is the sum of: both factors, either first."""
    parents = node.parents
    if node.op is ops.multiply:
        yield parents[0], parents[1]
        yield parents[1], parents[0]
    elif node.op in (ops.weighted_sum, ops.dot_product):
        weights, activations, _ = ops.split_weighted_sum(parents)
        yield from zip(weights, activations, strict=True)
        yield from zip(activations, weights, strict=True)


def values_in(nested: Any, what: str) -> list[Value]:
    """List the Values in a Value, a sequence, or sequences of sequences, without plain numbers.

    Raises TypeError for what cannot hold Values.
    """
    if isinstance(nested, Value):
        return [nested]
    if isinstance(nested, (str, bytes)) or not isinstance(nested, Iterable):
        raise TypeError(f"{what} is a Value or a sequence of them, not {nested!r}")
    values: list[Value] = []
    for entry in nested:
        if isinstance(entry, Iterable) and not isinstance(entry, (str, bytes)):
            values += values_in(entry, what)
        elif isinstance(entry, Value):
            values.append(entry)
    return values
