"""From a scalar graph to atoms: every tree of +, −, × and constant factors becomes one flat sum.

A network's z is written in many ways: a loop that adds product after product, `sum(...)`, a tree,
one n-ary node. `read` brings them to the same form: a constant and terms c·u or c·u·v, whose u and
v are *atoms*: leaves, applications of the table's other operations, and sums that are used more
than once. What no sum can take in stays what it was, an operation on atoms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from microgradnet import ops
from microgradnet.arithmetic import ieee
from microgradnet.engine import Value
from microgradnet.operation import Operation

__all__ = ["NONE", "Atom", "Reading", "Term", "number", "read"]

NONE = -1
"""The second factor of a term that has none."""

Term: TypeAlias = "tuple[float, int, int]"
"""c·u·v: the factor c, the atom u, and the atom v or NONE."""

Form: TypeAlias = Any
"""What a node is a sum of: a constant, a term, or [constant, was it scaled, kind, *terms]."""

_OTHER, _BIAS, _AFFINE, _MIXED = range(4)
"""The kind of a sum: no term has a parameter; each is one; each has one and some are w·a, as in
W a + b; or there are such and such."""


@dataclass(eq=False, slots=True)
class Atom:
    """A leaf, an operation on atoms, or a sum of terms.

    role      "input", "target", "parameter", "constant", "operation" or "sum"
    place     of an input, target or parameter its place in the list, counted from 0
    value     of a constant its number, of a sum its constant
    op        the operation, of its operands, which are atoms by their numbers
    node      the scalar that it is; None for a constant that is none of the graph's
    """

    role: str
    node: Value | None
    place: int = 0
    value: float = 0.0
    op: Operation | None = None
    operands: tuple[int, ...] = ()
    terms: Sequence[Term] = ()


@dataclass(frozen=True)
class Reading:
    """The atoms, each behind those it is made of, and the roots among them."""

    atoms: list[Atom]
    roots: list[int]
    size: int
    """How many nodes the graph has."""


def read(
    roots: Sequence[Value],
    inputs: Sequence[Value],
    targets: Sequence[Value],
    parameters: Sequence[Value],
) -> Reading:
    """The atoms of the graph below the roots.

    A leaf in none of the lists is a constant.
    """
    reader = _Reader(len(parameters))
    forms = reader.forms
    lists = {"parameter": parameters, "target": targets, "input": inputs}
    for role, leaves in lists.items():  # an input that is a target too is read as the input
        for place, leaf in enumerate(leaves):
            forms[leaf] = (1.0, reader.enter(Atom(role, leaf, place)), NONE)
    order, uses = _interior(roots)
    get = forms.get
    for node, parents in order:
        operands = []
        for parent in parents:
            form = get(parent)
            if form is None:  # a leaf in none of the lists
                form = forms[parent] = number(parent)
            operands.append(form)
        form = reader.quickly(node.op, operands)
        if form is None:
            form = reader.combine(node, operands, parents)
        # What is used more than once is computed once: an atom, unless it is one times a number.
        if (type(form) is list or (type(form) is tuple and form[2] != NONE)) and uses[node] > 1:
            form = (1.0, reader.atom(form, node), NONE)
        forms[node] = form
    places = []
    for root in roots:
        if root not in forms:
            forms[root] = number(root)
        places.append(reader.atom(forms[root], root))
    return Reading(reader.atoms, places, len(forms))


def number(leaf: Value) -> float:
    """A leaf's number as a float; TypeError where it is none, as a symbol."""
    try:
        return ieee.convert(leaf.data)
    except TypeError as error:
        raise TypeError(
            f"{leaf!r:.60} is no number, and a program computes with floats: list it among the "
            "inputs, or give it a number"
        ) from error


def _interior(
    roots: Sequence[Value],
) -> tuple[list[tuple[Value, tuple[Value, ...]]], dict[Value, int]]:
    """The interior nodes, each behind those it is made of, with their parents; how often used.

    `graph.topological_order` without the leaves, which are most of a network's nodes and of which
    no order is asked.
    """
    order = []
    uses: dict[Value, int] = {}
    opened: list[tuple[Value, tuple[Value, ...]]] = []
    stack: list[Value | None] = []
    for root in reversed(roots):
        if root.op is not None:
            uses[root] = uses.get(root, 0) + 1
            stack.append(root)
    seen = set()
    while stack:
        node = stack.pop()
        if node is None:  # all that the last one opened is made of is in order
            order.append(opened.pop())
        elif node not in seen:
            seen.add(node)
            parents = node.parents
            opened.append((node, parents))
            stack.append(None)
            for parent in reversed(parents):
                if parent.op is not None:
                    uses[parent] = uses.get(parent, 0) + 1
                    stack.append(parent)
    return order, uses


class _Reader:
    """The atoms so far, and the form of every node so far."""

    def __init__(self, n_parameters: int) -> None:
        self.atoms: list[Atom] = []
        self.forms: dict[Value, Form] = {}
        self._known: dict[object, int] = {}
        self._n = n_parameters  # these are the first atoms

    def enter(self, atom: Atom) -> int:
        self.atoms.append(atom)
        return len(self.atoms) - 1

    def atom(self, form: Form, node: Value | None) -> int:
        """The atom of a form; the same one for the same operation on the same atoms."""
        if type(form) is float:
            # By its digits: 0 and −0 are two, though they are equal.
            return self._unique(("constant", str(form)), Atom("constant", node, value=form))
        if type(form) is tuple:
            if form[0] == 1.0 and form[2] == NONE:
                return int(form[1])
            return self._unique(form, Atom("sum", node, terms=[form]))
        constant, terms = form[0], form[3:]
        atom = Atom("sum", node, value=constant, terms=terms)
        # Long sums are rarely written twice, and long to compare.
        return self.enter(atom) if len(terms) > 4 else self._unique((constant, *terms), atom)

    def _unique(self, key: object, atom: Atom) -> int:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self.enter(atom)
        return found

    def quickly(self, op: Any, operands: list[Form]) -> Form | None:
        """The form of w·a, and of W a + b and one more w·a: most of any network's nodes."""
        if op is ops.multiply:
            left, right = operands
            if type(left) is type(right) is tuple and left[2] == right[2] == NONE:
                return left[0] * right[0], left[1], right[1]
        elif op is ops.add:
            left, right = operands
            affine = type(left) is list and type(right) is tuple and left[2] == _AFFINE
            if affine and right[2] != NONE and (right[1] < self._n) != (right[2] < self._n):
                left.append(right)
                return left
        return None

    def combine(self, node: Value, operands: list[Form], parents: Sequence[Value]) -> Form:
        """The form of a node from those of its parents."""
        op: Any = node.op
        if op is ops.add:
            return self._sum(operands[0], parents[0], operands[1], parents[1], 1.0)
        if op is ops.multiply:
            return self._multiply(operands[0], parents[0], operands[1], parents[1])
        if op is ops.subtract:
            return self._sum(operands[0], parents[0], operands[1], parents[1], -1.0)
        if op is ops.negative:
            return self._times(operands[0], parents[0], -1.0)
        if op is ops.weighted_sum:
            pairs = list(zip(operands, parents, strict=True))
            weights, activations, (total, _) = ops.split_weighted_sum(pairs)
            for w, a in zip(weights, activations, strict=True):
                total = self._add(total, self._multiply(*w, *a))
            return total
        if op is ops.divide and type(operands[1]) is float and _has_inverse(operands[1]):
            return self._times(operands[0], parents[0], 1.0 / operands[1])
        if all(type(form) is float for form in operands):
            return ieee.convert(node.data)
        atoms = tuple(self.atom(form, p) for form, p in zip(operands, parents, strict=True))
        made = self._unique((op, atoms), Atom("operation", node, op=op, operands=atoms))
        return (1.0, made, NONE)

    def _multiply(self, left: Form, left_node: Value, right: Form, right_node: Value) -> Form:
        if type(left) is float:
            return self._times(right, right_node, left)
        if type(right) is float:
            return self._times(left, left_node, right)
        c, u = self._factor(left, left_node)
        d, v = self._factor(right, right_node)
        return (c * d, u, v)

    def _factor(self, form: Form, node: Value) -> tuple[float, int]:
        """A form as a constant times an atom."""
        if type(form) is tuple and form[2] == NONE:
            return form[0], form[1]
        return 1.0, self.atom(form, node)

    def _times(self, form: Form, node: Value, c: float) -> Form:
        # W a + b keeps its own name, also where only −(W a + b) is used. And a long sum takes in
        # one factor and no more: in a chain each would go through all that stands before it.
        if type(form) is list and (form[2] == _AFFINE or (form[1] and len(form) > _LONG)):
            form = (1.0, self.atom(form, node), NONE)
        return _scale(form, c)

    def _sum(self, left: Form, left_node: Value, right: Form, right_node: Value, c: float) -> Form:
        """The sum of left and c·right. Beside what has no parameters, W a + b keeps its name."""
        kinds = self._kind(left), self._kind(right)
        if kinds == (_AFFINE, _OTHER) and type(left) is list:
            left = (1.0, self.atom(left, left_node), NONE)
        elif kinds == (_OTHER, _AFFINE) and type(right) is list:
            right = (1.0, self.atom(right, right_node), NONE)
        if c != 1.0 and type(right) is list and right[2] == _AFFINE and kinds[0] is not None:
            right = _scale(right, c)  # b − W a is as good a z as b + W a
        elif c != 1.0:
            right = self._times(right, right_node, c)
        return self._add(left, right)

    def _kind(self, form: Form) -> int | None:
        """The kind of a form; None of a constant, which is of either."""
        if type(form) is list:
            return int(form[2])
        if type(form) is float:
            return None
        _, u, v = form
        if v == NONE:
            return _BIAS if u < self._n else _OTHER
        return _AFFINE if (u < self._n) != (v < self._n) else _OTHER

    def _add(self, left: Form, right: Form) -> Form:
        """The sum. A list has one user, else it would be an atom: the longer one is added to."""
        if type(left) is float and type(right) is float:
            return left + right
        if left == 0.0 and type(left) is float:
            return right
        if right == 0.0 and type(right) is float:
            return left
        kinds = {self._kind(left), self._kind(right)} - {None}
        if len(kinds) > 1:
            kinds = {_AFFINE if kinds == {_AFFINE, _BIAS} else _MIXED}
        if type(right) is list and (type(left) is not list or len(right) > len(left)):
            left, right = right, left
        if type(left) is not list:
            left = [0.0, False, _OTHER, left] if type(left) is tuple else [left, False, _OTHER]
        if type(right) is list:
            left[0] += right[0]
            left[1] = left[1] or right[1]
            left += right[3:]
        elif type(right) is float:
            left[0] += right
        else:
            left.append(right)
        (left[2],) = kinds
        return left


_LONG = 64


def _has_inverse(c: float) -> bool:
    return 1e-300 < abs(c) < 1e300


def _scale(form: Form, c: float) -> Form:
    if type(form) is float:
        return form * c
    if type(form) is tuple:
        return (form[0] * c, form[1], form[2])
    return [form[0] * c, True, form[2], *[(d * c, u, v) for d, u, v in form[3:]]]
