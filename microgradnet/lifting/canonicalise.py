"""From a scalar graph to atoms: every tree of +, −, × and constant factors becomes one flat sum.

A weighted input is written in many ways: a loop that adds product after product, `sum(...)`, a
tree, one n-ary node. Here all of them get one form: a constant and terms c·u, c·u·v … whose
factors are *atoms*: leaves, other operations of the table on atoms, and sums that are used more
than once or by other operations than these. Atoms are rows of arrays; Python sees each node once.

Constants are multiplied with each other only while nothing can overflow or be lost by it:
1e200·(1e200·w) stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.arithmetic import ieee
from microgradnet.complements import evaluation, excess, may_have_complement
from microgradnet.engine import Value
from microgradnet.operation import Operation

__all__ = ["Atoms", "canonicalise", "number"]

Indices: TypeAlias = "NDArray[np.intp]"
Floats: TypeAlias = "NDArray[np.float64]"

ROLES = ("constant", "parameter", "target", "input", "operation", "sum")
"""What an atom is. Leaves' roles come first."""
CONSTANT, PARAMETER, TARGET, INPUT, OPERATION, SUM = range(6)

_MOST_FACTORS = 4
"""Longer products are products of products."""


@dataclass(frozen=True)
class Atoms:
    """The atoms of a graph, each behind those it is made of.

    role        of each atom its role, by number
    place       of an input, target or parameter its place in its list; else −1
    value       of a constant its number, of a sum its constant
    shifted     whether a number is added to a sum; 0 too, if it was subtracted like a target, but
                not the 0 that a sum begins with
    nodes       the scalar that each atom is
    operation   of an atom that is one, its operation; else None
    operands    the operands of all operations, and `starts`, where those of each atom begin
    first_term  where the terms of each atom begin; its terms are in the order of writing
    coefficient of each term its factor c, and `scaled`, whether a constant was multiplied by
    factors     of each term its other factors in the order of writing, then −1
    roots       the atoms of the graph's roots
    lengths     of each role how long its list was
    """

    role: NDArray[np.int8]
    place: Indices
    value: Floats
    shifted: NDArray[np.bool_]
    nodes: list[Value]
    operation: list[Operation | None]
    operands: Indices
    starts: Indices
    first_term: Indices
    coefficient: Floats
    scaled: NDArray[np.bool_]
    factors: Indices
    roots: Indices
    lengths: dict[int, int]
    size: int
    """How many nodes the graph has."""

    def __len__(self) -> int:
        return len(self.role)


def canonicalise(
    roots: Sequence[Value],
    inputs: Sequence[Value] = (),
    targets: Sequence[Value] = (),
    parameters: Sequence[Value] = (),
) -> Atoms:
    """The atoms of the graph below the roots. A leaf in none of the lists is a constant.

    >>> w, x, b = Value(2.0), Value(3.0), Value(0.5)
    >>> atoms = canonicalise([(b + w * x).tanh()], inputs=[x], parameters=[w, b])
    >>> [ROLES[role] for role in atoms.role]
    ['parameter', 'parameter', 'input', 'sum', 'operation']
    >>> atoms.factors
    array([[ 1, -1],
           [ 0,  2]])

    Raises TypeError for a constant that is no number.
    """
    return _Canonical(_walk(roots), roots, inputs, targets, parameters).atoms()


def number(leaf: Value) -> float:
    """A leaf's number as a float; TypeError where it is none, as a symbol."""
    try:
        return ieee.convert(leaf.data)
    except TypeError as error:
        raise TypeError(
            f"{leaf!r:.60} is no number, and a program computes with floats: list it among the "
            "inputs, or give it a number"
        ) from error


def _walk(roots: Sequence[Value]) -> tuple[list[Value], list[tuple[Value, ...]]]:
    """The interior nodes, each behind those it is made of, and the parents of each.

    `graph.topological_order` without the leaves, of which no order is asked.
    """
    order: list[Value] = []
    family: list[tuple[Value, ...]] = []
    opened: list[tuple[Value, tuple[Value, ...]]] = []
    seen: set[Value] = set()
    stack: list[Value | None] = [root for root in reversed(roots) if root.op is not None]
    while stack:
        node = stack.pop()
        if node is None:  # all that the last one opened is made of is in order
            node, parents = opened.pop()
            order.append(node)
            family.append(parents)
        elif node not in seen:
            seen.add(node)
            parents = node.parents
            stack.append(None)
            for parent in reversed(parents):
                if parent.op is not None and parent not in seen:
                    stack.append(parent)
            if stack[-1] is None:  # as of most nodes, all parents are leaves or in order already
                stack.pop()
                order.append(node)
                family.append(parents)
            else:
                opened.append((node, parents))
    return order, family


def _keeps_digits(node: Value) -> bool:
    """Whether a difference of nodes is known better than by their numbers."""
    over = excess(node.op, node.parents)
    if over is not None:
        return over.part in over.total.parents
    return evaluation(cast(Operation, node.op), node.parents)[1] is not node.parents


# What a node does to its parents. An additive one adds them up, a multiplicative one multiplies.
_LEAF, _OTHER, _ADDITIVE, _MULTIPLICATIVE = range(4)


# What a term of a sum is.
_NUMBER, _PLAIN, _BIAS, _AFFINE = range(4)


class _Canonical:
    """The graph as arrays over nodes (leaves first) and over edges from a node to its parents."""

    def __init__(
        self,
        walked: tuple[list[Value], list[tuple[Value, ...]]],
        roots: Sequence[Value],
        inputs: Sequence[Value],
        targets: Sequence[Value],
        parameters: Sequence[Value],
    ) -> None:
        order, family = walked
        edges = list(chain.from_iterable(family))
        listed: dict[Value, tuple[int, int]] = {}
        for role, given in ((PARAMETER, parameters), (TARGET, targets), (INPUT, inputs)):
            for place, leaf in enumerate(given):  # an input that is a target too is the input
                listed[leaf] = role, place
        interior = set(order)
        below = dict.fromkeys(chain(edges, roots))
        leaves = [leaf for leaf in below if leaf not in interior]
        leaves.sort(key=lambda leaf: listed.get(leaf, (0, 0)))
        self.lengths = {PARAMETER: len(parameters), TARGET: len(targets), INPUT: len(inputs)}
        self.nodes = [*leaves, *order]
        index = dict(zip(self.nodes, range(len(self.nodes)), strict=True))
        self.n_leaves = len(leaves)
        self.roots = np.array([index[root] for root in roots], dtype=np.intp)
        self.child = np.fromiter(map(index.__getitem__, edges), np.intp, len(edges))
        counts = np.fromiter(map(len, family), np.intp, len(family))
        self.first = np.concatenate(([0], np.cumsum(counts)))
        self.owner = np.repeat(np.arange(self.n_leaves, len(self.nodes)), counts)
        self.slot = np.arange(len(edges)) - self.first[self.owner - self.n_leaves]
        operations = [node.op for node in order]
        codes = {op: k for k, op in enumerate(dict.fromkeys(operations))}
        self.ops: list[Any] = list(codes)
        self.code = np.full(len(self.nodes), -1)
        self.code[self.n_leaves :] = np.fromiter(
            map(codes.__getitem__, operations), np.intp, len(order)
        )
        self.leaf_role, self.leaf_place = (
            np.array([listed.get(leaf, (CONSTANT, -1)) for leaf in leaves], dtype=np.intp)
            .reshape(-1, 2)
            .T
        )
        self._constants()

    def _constants(self) -> None:
        """Which nodes are constants, and what numbers they are."""
        n = len(self.nodes)
        self.constant = np.zeros(n, dtype=bool)
        self.constant[: self.n_leaves] = self.leaf_role == CONSTANT
        self.value = np.zeros(n)
        for k in np.flatnonzero(self.constant).tolist():
            self.value[k] = number(self.nodes[k])
        if not self.constant.any() or n == self.n_leaves:
            return
        fixed = np.logical_and.reduceat(self.constant[self.child], self.first[:-1])
        if not fixed.any():
            return
        flags = self.constant.tolist()
        children, first = self.child.tolist(), self.first.tolist()
        for k, (start, end) in enumerate(pairwise(first), self.n_leaves):
            if all(map(flags.__getitem__, children[start:end])):
                flags[k] = True
                self.value[k] = ieee.convert(self.nodes[k].data)
        self.constant = np.array(flags)

    def _is(self, op: Operation) -> NDArray[np.bool_]:
        """Of each node whether it is that operation."""
        found: NDArray[np.bool_] = self.code == (self.ops.index(op) if op in self.ops else -2)
        return found

    def atoms(self) -> Atoms:
        self._expand_weighted_sums()
        self._classify()
        self._melt()
        return self._collect()

    def _expand_weighted_sums(self) -> None:
        """Make Σ wₖ aₖ + b, or Σ uₖ vₖ, of n products, which are nodes behind all others."""
        weighted = self._is(ops.weighted_sum) | self._is(ops.dot_product)
        if not weighted.any():
            return
        nodes = np.flatnonzero(weighted)
        within = np.flatnonzero(weighted[self.owner])
        sizes = np.bincount(self.owner[within], minlength=len(self.nodes))[nodes] // 2
        total = len(self.nodes)
        base = total + np.cumsum(sizes) - sizes
        row = np.searchsorted(nodes, self.owner[within])
        last = self.slot[within] == 2 * sizes[row]
        products = within[~last]
        half = sizes[row[~last]]
        new = base[row[~last]] + self.slot[products] % half
        owner = self.owner.copy()
        owner[products] = new
        slot = self.slot.copy()
        slot[products] = self.slot[products] // half
        extra = int(sizes.sum())
        ids = np.arange(total, total + extra)
        self.owner = np.concatenate((owner, np.repeat(nodes, sizes)))
        self.child = np.concatenate((self.child, ids))
        self.slot = np.concatenate((slot, ids - np.repeat(base, sizes)))
        order = np.lexsort((self.slot, self.owner))
        self.owner, self.child, self.slot = self.owner[order], self.child[order], self.slot[order]
        multiply = self.ops.index(ops.multiply) if ops.multiply in self.ops else len(self.ops)
        self.ops += [ops.multiply] * (multiply == len(self.ops))
        self.code = np.concatenate((self.code, np.full(extra, multiply)))
        pair = self.child[np.flatnonzero(self.owner >= total)].reshape(-1, 2)
        self.constant = np.concatenate((self.constant, self.constant[pair].all(axis=1)))
        self.value = np.concatenate((self.value, self.value[pair].prod(axis=1)))

    def _classify(self) -> None:
        """What each node does, how often it is used, and the sign and factor of each edge."""
        n = len(self.code)
        kind = np.full(n, _OTHER)
        kind[: self.n_leaves] = _LEAF
        add, subtract, negative = self._is(ops.add), self._is(ops.subtract), self._is(ops.negative)
        kind[add | subtract | negative] = _ADDITIVE
        for op in (ops.weighted_sum, ops.dot_product, ops.total):
            kind[self._is(op)] = _ADDITIVE
        kind[self._is(ops.multiply)] = _MULTIPLICATIVE
        fixed = self.constant[self.child]
        c = self.value[self.child]
        divides = self._is(ops.divide)[self.owner] & (self.slot == 1) & fixed
        divides &= (1 / _LARGE < np.abs(c)) & (np.abs(c) < _LARGE)
        kind[self.owner[divides]] = _MULTIPLICATIVE
        self.number = c  # of an edge to a constant
        self.number[divides] = 1.0 / c[divides]
        live = ~self.constant[self.owner]  # what makes up a constant is of no interest
        self.owner, self.child, self.slot = self.owner[live], self.child[live], self.slot[live]
        self.number, self.fixed = self.number[live], fixed[live]
        kind[self._complements()] = _OTHER
        self.uses = np.bincount(self.child, minlength=n)
        np.add.at(self.uses, self.roots, 2)  # a root stands for itself
        # −u is a product with −1, but −(u + v) a sum of −u and −v.
        edge = np.flatnonzero(negative[self.owner])
        below = self.child[edge]
        sums = (kind[below] == _ADDITIVE) & (self.uses[below] == 1)
        # Of a chain of such, every one of which depends on the next, −(−u), all are products.
        kind[self.owner[edge[~sums | negative[below]]]] = _MULTIPLICATIVE
        self.sign = np.where(
            (negative[self.owner] | (subtract[self.owner] & (self.slot == 1)))
            & (kind[self.owner] == _ADDITIVE),
            -1.0,
            1.0,
        )
        self.negated = negative & (kind == _MULTIPLICATIVE)
        self.kind = kind

    def _complements(self) -> list[int]:
        """The nodes 1 − a, and ln Σ exp z − zⱼ, whose numbers have more digits than a sum's."""
        saturating = np.array([*map(may_have_complement, self.ops), False])
        from_one = np.zeros(len(self.code), dtype=bool)
        from_one[self.owner[(self.slot == 0) & self.fixed & (self.number == 1)]] = True
        edge = from_one[self.owner] & (self.slot == 1) & saturating[self.code[self.child]]
        edge |= self._is(ops.log_sum_exp)[self.child]
        edge &= self._is(ops.subtract)[self.owner]
        return [k for k in self.owner[edge].tolist() if _keeps_digits(self.nodes[k])]

    def _melt(self) -> None:
        """Into which product, or sum, each node with one use is taken."""
        n = len(self.kind)
        one = (self.uses[self.child] == 1) & ~self.fixed
        above, below = self.kind[self.owner], self.kind[self.child]
        edge = np.flatnonzero(one & (above == below) & (above == _MULTIPLICATIVE))
        self.product_of = np.arange(n)
        self.product_of[self.child[edge]] = self.owner[edge]
        _jump(self.product_of)
        # Not where constants might overflow, nor beyond so many factors.
        within = np.flatnonzero(above == _MULTIPLICATIVE)
        group = self.product_of[self.owner[within]]
        melted = self.product_of[self.child[within]] != self.child[within]
        with np.errstate(divide="ignore"):
            size = np.abs(np.log10(np.abs(self.number[within])))
        digits = np.bincount(group, np.where(self.fixed[within], size, 0.0), minlength=n)
        factors = np.bincount(group, ~self.fixed[within] & ~melted, minlength=n)
        bad = ~(digits < _DIGITS) | (factors > _MOST_FACTORS)
        self.product_of = np.where(bad[self.product_of], np.arange(n), self.product_of)
        term = np.flatnonzero(one & (above == _ADDITIVE) & (below == _MULTIPLICATIVE))
        self.is_term = np.zeros(n, dtype=bool)
        self.is_term[self.child[term]] = True
        edge = np.flatnonzero(one & (above == below) & (above == _ADDITIVE))
        up, sign = np.arange(n), np.ones(n)
        up[self.child[edge]] = self.owner[edge]
        sign[self.child[edge]] = self.sign[edge]
        named = self._named_sums(up)
        up[named], sign[named] = named, 1.0
        _jump(up, sign)
        self.sum_of, self.sign_of = up, sign

    def _named_sums(self, up: Indices) -> Indices:
        """The sums W a + b that are added to what has no parameters: they stay by themselves.

        So a cost of z − y leaves z an array, and a residual x + W a has W a as one. A number that
        is added may be a bias that is not learned, but not if there is a bias already.
        """
        n = len(self.kind)
        kind = self._term_kinds()
        whole = up.copy()
        _jump(whole)
        additive = self.kind[self.owner] == _ADDITIVE
        melted = up[self.child] != self.child
        group = whole[self.owner]
        edge = additive & ~melted
        mixed = np.bincount(group[edge], kind[edge] == _AFFINE, minlength=n) > 0
        mixed &= np.bincount(group[edge], kind[edge] <= _PLAIN, minlength=n) > 0
        edges = np.flatnonzero(additive & mixed[group])
        edges = edges[np.argsort(group[edges], kind="stable")]
        owner, child, melted, kind = (a[edges] for a in (self.owner, self.child, melted, kind))
        # Nodes stand behind all they are made of, so the terms below a node are a stretch of its
        # sum's: from the first of its first part's first part … to its own last.
        position = np.arange(len(edges))
        start, end, down = np.zeros(n, np.intp), np.zeros(n, np.intp), np.arange(n)
        start[owner[::-1]], end[owner] = position[::-1], position
        down[owner[melted][::-1]] = child[melted][::-1]
        _jump(down)

        def below(counted: NDArray[np.bool_]) -> Indices:
            total = np.concatenate(([0], np.cumsum(counted & ~melted)))
            return cast(Indices, total[end + 1] - total[start[down]])

        if not len(edges):
            return edges
        plain = below(kind == _PLAIN)
        numbers, biases = below(kind == _NUMBER), below(kind == _BIAS)
        named = (plain == 0) & (below(kind == _AFFINE) > 0) & (below(kind != _NUMBER) > 1)
        part = child[melted]
        beside = plain[up[part]] > 0
        beside |= (biases[part] > 0) & (numbers[up[part]] > numbers[part])
        return cast(Indices, part[named[part] & beside])

    def _term_kinds(self) -> Indices:
        """Of each edge what its child is as a term: W a, a parameter, without either, a number."""
        n = len(self.kind)
        parameter = np.zeros(n, dtype=bool)
        parameter[: self.n_leaves] = self.leaf_role == PARAMETER
        within = np.flatnonzero((self.kind[self.owner] == _MULTIPLICATIVE) & ~self.fixed)
        within = within[self.product_of[self.child[within]] == self.child[within]]
        group = self.product_of[self.owner[within]]
        factors = np.bincount(group, minlength=n)
        weights = np.bincount(group, parameter[self.child[within]], minlength=n)
        kind = np.full(n, _PLAIN)
        kind[parameter] = _BIAS
        product = self.kind == _MULTIPLICATIVE
        kind[product & (factors == 2) & (weights == 1)] = _AFFINE
        kind[product & (factors == 1) & (weights == 1)] = _BIAS
        return np.where(self.fixed, _NUMBER, kind[self.child])

    def _collect(self) -> Atoms:
        """The atoms, numbered behind those they are made of, with their terms."""
        n = len(self.kind)
        ids = np.arange(n)
        coefficient, scaled, factors = self._products()
        # Terms: of sums, from the edges to what is no sum itself; of products that are no terms.
        edge = np.flatnonzero(
            (self.kind[self.owner] == _ADDITIVE) & (self.sum_of[self.child] == self.child)
        )
        constant = np.zeros(n)
        sign = self.sign[edge] * self.sign_of[self.owner[edge]]
        total = self.sum_of[self.owner[edge]]
        fixed = self.fixed[edge]
        with np.errstate(invalid="ignore"):
            np.add.at(constant, total[fixed], sign[fixed] * self.number[edge[fixed]])
        counts = (self.number[edge] != 0) | self._is(ops.subtract)[self.owner[edge]]
        shifted = np.bincount(total, fixed & counts, minlength=n) > 0
        edge, sign, total = edge[~fixed], sign[~fixed], total[~fixed]
        whole = (self.kind == _MULTIPLICATIVE) & (self.product_of == ids) & ~self.is_term
        whole = np.flatnonzero(whole & ~self.constant)
        owner = np.concatenate((total, whole))
        child = np.concatenate((self.child[edge], whole))
        sign = np.concatenate((sign, np.ones(len(whole))))
        order = np.lexsort((np.concatenate((edge, np.zeros(len(whole), dtype=np.intp))), owner))
        owner, child, sign = owner[order], child[order], sign[order]
        product = self.is_term[child] | (owner == child)
        c = np.where(product, sign * coefficient[child], sign)
        scaled = product & scaled[child]
        rows = np.where(product[:, None], factors[child], -1)
        rows[~product, 0] = child[~product]
        # The atoms among the nodes.
        sums = np.bincount(owner, minlength=n) > 0
        sums |= (self.kind == _ADDITIVE) & (self.sum_of == ids)
        kept = ((self.kind <= _OTHER) | sums) & ~self.constant
        own = self.kind[self.owner] == _OTHER
        kept[self.child[own & self.fixed]] = True
        kept[self.roots] = True
        # A sum of one bare term, as 0 + u, is that.
        same = ids.copy()
        terms = np.bincount(owner, minlength=n)
        bare = (terms[owner] == 1) & (c == 1.0) & ~scaled & ~shifted[owner]
        bare &= rows[:, 1] < 0 if rows.shape[1] > 1 else True
        same[owner[bare]] = rows[bare, 0]
        _jump(same)
        kept &= same == ids
        atom = np.where(kept, np.cumsum(kept) - 1, -1)[same]
        kept_ids = np.flatnonzero(kept)
        mine = np.flatnonzero(kept[owner])
        first = np.concatenate(([0], np.cumsum(np.bincount(owner[mine], minlength=n)[kept_ids])))
        used = np.flatnonzero(own)
        counts = np.bincount(self.owner[used], minlength=n)[kept_ids]
        role = np.full(len(kept_ids), SUM, dtype=np.int8)
        role[self.kind[kept_ids] == _OTHER] = OPERATION
        leaf = kept_ids < self.n_leaves
        role[leaf] = self.leaf_role[kept_ids[leaf]]
        role[self.constant[kept_ids]] = CONSTANT
        place = np.full(len(kept_ids), -1)
        place[leaf] = self.leaf_place[kept_ids[leaf]]
        codes = self.code[kept_ids].tolist()
        operation = [
            self.ops[code] if is_op else None
            for code, is_op in zip(codes, (role == OPERATION).tolist(), strict=True)
        ]
        return Atoms(
            role=role,
            place=place,
            value=np.where(role == SUM, constant[kept_ids], self.value[kept_ids]),
            shifted=shifted[kept_ids],
            nodes=[self.nodes[k] for k in kept_ids.tolist()],
            operation=operation,
            operands=atom[self.child[used]],
            starts=np.concatenate(([0], np.cumsum(counts))),
            first_term=first,
            coefficient=c[mine],
            scaled=scaled[mine],
            factors=np.where(rows[mine] >= 0, atom[rows[mine]], -1),
            roots=atom[self.roots],
            lengths=self.lengths,
            size=len(self.nodes),
        )

    def _products(self) -> tuple[Floats, NDArray[np.bool_], Indices]:
        """Of each product its constant, whether it has one, and its factors in order."""
        n = len(self.kind)
        multiplicative = self.kind[self.owner] == _MULTIPLICATIVE
        melted = (self.product_of[self.child] != self.child) & ~self.fixed
        edge = np.flatnonzero(multiplicative & ~melted)
        group = self.product_of[self.owner[edge]]
        coefficient = np.ones(n)
        scaled = np.zeros(n, dtype=bool)
        fixed = self.fixed[edge]
        with np.errstate(invalid="ignore", over="ignore"):
            np.multiply.at(coefficient, group[fixed], self.number[edge[fixed]])
        scaled[group[fixed]] = True
        minus = np.flatnonzero(self.negated & (self.kind == _MULTIPLICATIVE))
        np.multiply.at(coefficient, self.product_of[minus], -1.0)
        edge, group = edge[~fixed], group[~fixed]
        order = np.argsort(group, kind="stable")
        edge, group = edge[order], group[order]
        counts = np.bincount(group, minlength=n)
        rank = np.arange(len(group)) - (np.cumsum(counts) - counts)[group]
        factors = np.full((n, max(2, int(counts.max(initial=0)))), -1)
        factors[group, rank] = self.child[edge]
        return coefficient, scaled, factors


_LARGE = 1e300
_DIGITS = 100.0
"""Constants are multiplied if the sum of the |log₁₀| is below that."""


def _jump(up: Indices, sign: Floats | None = None) -> None:
    """Point everything at the end of its chain, and multiply the signs along the way."""
    while True:
        further = up[up]
        if sign is not None:
            moved = further != up
            sign[moved] *= sign[up[moved]]
        if np.array_equal(further, up):
            return
        up[:] = further
