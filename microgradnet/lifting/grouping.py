"""From atoms to vectors: atoms that are computed alike from the same vectors form one vector.

Alike are, bottom-up, all inputs; all targets; applications of one operation to entries of the
same vectors; sums with as many terms of each kind, the kind of a term being the vectors that its
factors are entries of. So the weighted inputs of a layer, whose parameters are its own but whose
activations are entries of one vector, fall together without anyone having said what a layer is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.lifting.reading import NONE, Atom, Reading
from microgradnet.operation import Operation

__all__ = ["Operand", "Product", "Vector", "group"]

Indices: TypeAlias = "NDArray[np.intp]"


@dataclass(eq=False)
class Vector:
    """Atoms that are computed alike, in an order of their own.

    role       "input", "target", "parameter", "constant", "operation" or "sum"
    atoms      their numbers
    op         the operation, of the operands, each of them an entry of one vector for each atom
    products   what a sum adds up, besides the constants
    """

    number: int
    role: str
    atoms: list[int]
    batch: bool
    op: Operation | None = None
    operands: list[Operand] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    constants: NDArray[np.float64] | None = None
    components: Indices | None = None
    """Of a softmax: which component of its operands each atom is."""

    def __len__(self) -> int:
        return len(self.atoms)


@dataclass(frozen=True, eq=False)
class Operand:
    """Entries of a vector: one for each atom that has the operand (or T for each, in a row)."""

    vector: Vector
    index: Indices


@dataclass(frozen=True, eq=False)
class Product:
    """T terms c·u·v of each of J sums: factors (J, T), entries of u and, where there is one, v."""

    factors: NDArray[np.float64]
    left: Operand
    right: Operand | None


def group(reading: Reading) -> tuple[list[Vector], list[tuple[Vector, int]]]:
    """The vectors, each behind those it is made of, and of every root its vector and place."""
    return _Grouping(reading).result()


class _Grouping:
    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.atoms: Sequence[Atom] = reading.atoms

    def result(self) -> tuple[list[Vector], list[tuple[Vector, int]]]:
        self._sign()
        self.ranks = _ranks(self.reading)
        self._build()
        return self.vectors, [(self.vectors[v], int(self.place[a]))
                              for a in self.reading.roots for v in [self.vector_of[a]]]  # fmt: skip

    # Signatures

    def _sign(self) -> None:
        """Give every atom the number of its signature; equal numbers will be one vector."""
        signatures: dict[object, int] = {"parameter": 0, "constant": 1, "input": 2, "target": 3}
        signature: list[int] = []
        # Of each sum, its terms by kind: {(signature of u, signature of v): [(c, u, v), ...]}
        self.kinds: dict[int, dict[tuple[int, int], list[tuple[float, int, int]]]] = {}
        for number, atom in enumerate(self.atoms):
            key: object
            if atom.role == "operation":
                key = _key(atom, [signature[k] for k in atom.operands])
            elif atom.role == "sum":
                kinds: dict[tuple[int, int], list[tuple[float, int, int]]] = defaultdict(list)
                for term in atom.terms:
                    c, u, v = term
                    s, t = signature[u], NONE if v == NONE else signature[v]
                    if t != NONE and t < s:
                        kinds[t, s].append((c, v, u))
                    else:
                        kinds[s, t].append(term)
                self.kinds[number] = kinds
                counts = sorted((kind, len(terms)) for kind, terms in kinds.items())
                key = ("sum", *counts)
            else:
                key = atom.role
            signature.append(signatures.setdefault(key, len(signatures)))
        self.signature = signature

    # Vectors

    def _build(self) -> None:
        members: dict[int, list[int]] = defaultdict(list)
        for number, sign in enumerate(self.signature):
            members[sign].append(number)
        self.vectors: list[Vector] = []
        self.vector_of = [NONE] * len(self.atoms)
        self.place = np.zeros(len(self.atoms), dtype=np.intp)
        # Signatures are numbered in the order of their first atoms, which need not put a vector
        # behind all that its later atoms are made of: but these are entries of the same vectors as
        # the first atom's, so the order of the first atoms will do.
        for _, numbers in sorted(members.items(), key=lambda item: item[1][0]):
            vector = self._vector(numbers)
            for place, number in enumerate(vector.atoms):
                self.vector_of[number] = vector.number
                self.place[number] = place
            self.vectors.append(vector)

    def _vector(self, numbers: list[int]) -> Vector:
        first = self.atoms[numbers[0]]
        vector = Vector(len(self.vectors), first.role, numbers, first.role in ("input", "target"))
        if first.role == "constant":
            vector.constants = np.array([self.atoms[k].value for k in numbers])
        elif first.role == "operation":
            vector.op = first.op
            rows = np.array([self.atoms[k].operands for k in numbers], dtype=np.intp)
            places = self.place[rows]
            keys = list(places.T[::-1])
            if vector.op is not None and _is_softmax(vector.op):
                components: list[Any] = [self.atoms[k].op for k in numbers]
                index = np.array([op.parameters["index"] for op in components])
                keys.insert(0, index)
            order = np.lexsort(keys)
            vector.atoms = [numbers[k] for k in order]
            if vector.op is not None and _is_softmax(vector.op):
                vector.components = index[order]
            if (
                first.op is not None
                and first.op.arity is None
                and _one_vector([self.vector_of[k] for k in first.operands])
            ):
                whole = self.vectors[self.vector_of[first.operands[0]]]
                vector.operands = [Operand(whole, places[order])]
            else:
                vector.operands = [
                    Operand(self.vectors[self.vector_of[first.operands[k]]], places[order, k])
                    for k in range(rows.shape[1])
                ]
            vector.batch = any(operand.vector.batch for operand in vector.operands)
        elif first.role == "sum":
            self._fill_sum(vector)
        return vector

    def _fill_sum(self, vector: Vector) -> None:
        kinds = sorted(self.kinds[vector.atoms[0]])
        tables = []
        for kind in kinds:
            rows = [self.kinds[number][kind] for number in vector.atoms]
            table = np.array(rows, dtype=np.float64)  # J × T × (c, u, v); atoms are below 2⁵³
            u = table[:, :, 1].astype(np.intp)
            v = table[:, :, 2].astype(np.intp)
            iu = self.place[u]
            iv = self.place[v] if kind[1] != NONE else np.zeros_like(iu)
            # Within a sum by the second factor, then the first: so the columns of a matrix line up.
            row = np.arange(len(rows))[:, None]
            order = np.lexsort((iu, iv), axis=1) if iu.shape[1] > 1 else np.zeros_like(iu)
            tables.append((kind, table[row, order, 0], iu[row, order], iv[row, order],
                           int(u[0, 0]), int(v[0, 0])))  # fmt: skip
        # Among the sums by the first parameter of each, as the caller has ordered them; or else by
        # the first entry.
        keys = [iu.min(axis=1) for _, _, iu, _, _, _ in tables] + [
            iv.min(axis=1) for kind, _, _, iv, _, _ in tables if kind[1] != NONE
        ]
        order = np.lexsort(keys[::-1]) if keys else np.arange(len(vector))
        ranks = [self.ranks.get(vector.atoms[k], NONE) for k in order]
        if all(r > s > NONE for r, s in pairwise(ranks)):  # the outputs, last parameters first
            order = order[::-1]
        vector.constants = np.array([self.atoms[k].value for k in vector.atoms])[order]
        vector.atoms = [vector.atoms[k] for k in order]
        for kind, factors, iu, iv, u0, v0 in tables:
            left = Operand(self.vectors[self.vector_of[u0]], iu[order])
            right = None
            if kind[1] != NONE:
                right = Operand(self.vectors[self.vector_of[v0]], iv[order])
            vector.products.append(Product(factors[order], left, right))
            vector.batch |= left.vector.batch or (right is not None and right.vector.batch)


def _ranks(reading: Reading) -> dict[int, int]:
    """Of each atom that belongs to one target or output, entry by entry, the number of that."""
    atoms = reading.atoms
    ranks = {root: k for k, root in reversed([*enumerate(reading.roots)])}
    alone = {k: atom.place for k, atom in enumerate(atoms) if atom.role == "target"}
    for number, atom in enumerate(atoms):
        single = [u for _, u, v in atom.terms if v == NONE]
        together = [[u, v] for _, u, v in atom.terms if v != NONE] + [single, [*atom.operands]]
        for those in together:
            places = {alone[u] for u in those if u in alone}
            if len(places) == 1:
                (place,) = places
                ranks.update((u, place) for u in those)
        if single and all(u in alone for u in single) and len(single) == len(atom.terms) == 1:
            alone[number] = alone[single[0]]  # as 1 − y is the target's
    for number in reversed(range(len(atoms))):
        atom = atoms[number]
        if number in ranks and atom.op is not None:
            op: Any = atom.op
            softmax = op.arity is None and _is_softmax(op)
            below = [atom.operands[op.parameters["index"]]] if softmax else atom.operands
            for u in below:
                ranks.setdefault(u, ranks[number])
    return ranks


def _key(atom: Atom, operands: list[int]) -> object:
    """The signature of an operation from those of its operands."""
    op: Any = atom.op
    if op.arity is None and _one_vector(operands):
        # The components of a softmax differ by their index alone.
        return op.base if _is_softmax(op) and op.base else op, (len(operands), operands[0])
    return op, *operands


def _is_softmax(op: Operation) -> bool:
    return (op.base or op) is ops.softmax_component


def _one_vector(numbers: Sequence[int]) -> bool:
    return len(set(numbers)) == 1
