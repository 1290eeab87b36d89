"""From atoms to classes: what is computed alike and used alike will be one array.

From below, atoms are alike that apply one operation to atoms that are alike, or that are sums whose
terms are of the same kinds. How many terms of a kind does not matter: so the sums of a causal
attention, or of the windows at an image's border, fall together. From above, a class falls apart
into what has no use in common: queries, keys and values are computed alike, but enter different
products, or different sides of one.

Leaves are four classes, one a role: which of them make up an array, their uses decide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from microgradnet import ops
from microgradnet.lifting.canonicalise import OPERATION, SUM, Atoms
from microgradnet.operation import Operation

__all__ = ["Kind", "VectorClass", "Vectors", "is_softmax", "vectorise"]

Indices: TypeAlias = "NDArray[np.intp]"
Floats: TypeAlias = "NDArray[np.float64]"

_PLUS, _MINUS, _SCALED, _ZERO = range(4)
"""How a term's product enters its sum: as it is, negative, times a constant, times 0."""


@dataclass(eq=False)
class Kind:
    """Terms of one kind of a class's sums: Σ c·u·v, each with the place of its sum in the class.

    entry   the place of the sum that the term belongs to; ascending
    factors for each factor the atoms that it is
    scaled  whether the c are constants of the graph; else all are 1, or all −1
    """

    entry: Indices
    coefficient: Floats
    scaled: bool
    factors: list[Indices]


_NO_FLOATS, _NO_ATOMS = np.zeros(0), np.zeros(0, dtype=np.intp)


@dataclass(eq=False)
class VectorClass:
    """Atoms that are computed alike and used alike.

    operation   the operation, of `operands`, one atom a member each; None for sums
    kinds       what the sums add up, besides the constants; of an operation of any number of
                operands that are alike, such as log_sum_exp, these operands
    component   of a softmax, which of its operands each member belongs to
    steps       of how many steps of a loop it consists, step after step
    initial     of what a loop carries on, the atoms that it is at first, or
    start       the numbers that it is at first
    """

    atoms: Indices
    operation: Operation | None = None
    operands: list[Indices] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    constants: Floats = field(default_factory=lambda: _NO_FLOATS)
    component: Indices | None = None
    steps: int = 1
    initial: Indices = field(default_factory=lambda: _NO_ATOMS)
    start: Floats = field(default_factory=lambda: _NO_FLOATS)

    @property
    def is_state(self) -> bool:
        """Whether it is what a loop carries on."""
        return len(self.initial) + len(self.start) > 0

    def __len__(self) -> int:
        return len(self.atoms)


@dataclass(eq=False)
class Vectors:
    """The classes, each behind those it is made of.

    class_of    of each atom the number of its class; leaves have the negative of their role, less 1
    index       of each atom its place in the class
    same_as     of each atom the one that is computed in its stead, mostly itself
    """

    classes: list[VectorClass]
    class_of: Indices
    index: Indices
    same_as: Indices


def vectorise(atoms: Atoms) -> Vectors:
    """The classes of atoms.

    >>> from microgradnet import Value, tanh
    >>> from microgradnet.lifting.canonicalise import canonicalise
    >>> w, x = [Value(0.5), Value(2.0)], [Value(1.0), Value(3.0)]
    >>> cost = tanh(w[0] * x[0]) + tanh(w[1] * x[1])
    >>> [len(c) for c in vectorise(canonicalise([cost], x, [], w)).classes]
    [2, 2, 1]
    """
    return _Classes(atoms).result()


class _Classes:
    def __init__(self, atoms: Atoms) -> None:
        self.atoms = atoms
        self.n = len(atoms)
        self.has_borders = False

    def result(self) -> Vectors:
        self._sign()
        self._references()
        self._part()
        return self._build()

    # From below

    def _sign(self) -> None:
        """The signature of each atom: a number, the same for what is computed alike."""
        atoms, n = self.atoms, self.n
        sign = [0] * n + [-1]  # so that −1, no factor, has the signature −1
        # A sum of nothing but atoms that are alike counts as one of these where it is an operand:
        # the first of the running sums x₀, x₀ + x₁ … is no sum in the graph.
        base = [0] * n + [-1]
        pure: dict[int, int] = {}
        same = list(range(n))
        signs: dict[Any, int] = {role: role for role in range(4)}
        known: dict[Any, int] = {}
        roles, starts, first = atoms.role.tolist(), atoms.starts.tolist(), atoms.first_term.tolist()
        operands = atoms.operands.tolist()
        columns = [column.tolist() for column in atoms.factors.T]
        c = atoms.coefficient
        flag = np.where(atoms.scaled, np.where(c == 0, _ZERO, _SCALED), np.where(c < 0, _MINUS, 0))
        flags, has_constant = flag.tolist(), atoms.shifted.tolist()
        coefficients, values = c.tolist(), atoms.value.tolist()
        merged = False
        for k, role in enumerate(roles):
            key: Any = role
            element = -1
            if role == OPERATION:
                xs = operands[starts[k] : starts[k + 1]]
                if merged:
                    xs = [same[x] for x in xs]
                op: Any = atoms.operation[k]
                twin = known.setdefault((op, *xs), k)
                if twin != k:
                    same[k], sign[k], base[k], merged = twin, sign[twin], base[twin], True
                    continue
                key = (op, *[base[x] for x in xs])
                if op.arity is None and len(set(key[1:])) == 1 and _alike(op):
                    key = (op.base or op, key[1])
            elif role == SUM:
                start, end = first[k], first[k + 1]
                if end - start < 5:
                    own = tuple(
                        (coefficients[t], *[same[column[t]] if column[t] >= 0 else -1
                                            for column in columns])
                        for t in range(start, end)
                    )  # fmt: skip
                    twin = known.setdefault((values[k], own), k)
                    if twin != k:
                        same[k], sign[k], base[k], merged = twin, sign[twin], base[twin], True
                        continue
                kinds = set(
                    zip(
                        flags[start:end],
                        map(sign.__getitem__, columns[0][start:end]),
                        *[map(base.__getitem__, column[start:end]) for column in columns],
                        strict=True,
                    )
                )
                if any(kind[0] == _ZERO for kind in kinds):
                    kinds = _without_padding(kinds)
                if len(kinds) > 1:
                    bordered = _with_borders(kinds)
                    self.has_borders |= bordered is not kinds
                    kinds = bordered
                normal = frozenset(
                    (kind[0], kind[1]) if kind[0] < _SCALED and kind[3] < 0
                    else (kind[0], *sorted(kind[2:]))
                    for kind in kinds
                )  # fmt: skip
                # Whatever constant is added: it may be 0 in one sum and another number elsewhere.
                key = normal
                if len(normal) == 1 and not has_constant[k]:
                    ((how, element, *rest),) = normal
                    if how != _PLUS or rest or element < 4 or element in pure:
                        element = -1
            found = signs.setdefault(key, len(signs))
            sign[k] = found
            if element >= 0:
                pure[found] = element
                base[k] = element
            else:
                base[k] = found
        self.flag = flag
        self.sign, self.base = np.array(sign), np.array(base)
        self.pure = pure
        self.same = np.array(same, dtype=np.intp)
        self.n_signs = len(signs)

    def _references(self) -> None:
        """Every use of an atom by another, and in which role: `use` is equal for equal roles."""
        atoms, n, same = self.atoms, self.n, self.same
        self.own = same == np.arange(n)
        self.own &= atoms.role >= OPERATION
        counts = np.diff(atoms.starts)
        user = np.repeat(np.arange(n), counts)
        slot = np.arange(len(user)) - np.repeat(atoms.starts[:-1], counts)
        for k in np.flatnonzero(self._variadic()).tolist():
            slot[atoms.starts[k] : atoms.starts[k + 1]] = 0
        live = self.own[user]
        self.op_user, self.op_slot = user[live], slot[live]
        self.op_atom = same[atoms.operands[live]]
        # Factors in the order of their signatures, and those alike in the order of writing.
        terms = np.diff(atoms.first_term)
        owner = np.repeat(np.arange(n), terms)
        live = self.own[owner]
        factors = atoms.factors[live]
        self.owner, self.flag = owner[live], self.flag[live]
        self.coefficient = atoms.coefficient[live]
        factors = np.where(factors >= 0, same[factors], -1)
        single = (self.flag < _SCALED) & (factors[:, 1] < 0)
        key = np.where(single[:, None], self.sign[factors], self.base[factors])
        key[factors < 0] = self.n_signs
        by_key = np.argsort(key, axis=1, kind="stable")
        row = np.arange(len(factors))[:, None]
        self.factors, key = factors[row, by_key], key[row, by_key]
        dropped = self._zeros()
        code = self.flag.astype(np.int64)
        for column in key.T:
            code = np.unique(code * (self.n_signs + 1) + column, return_inverse=True)[1]
        self.kind = code
        kept = ~dropped
        self.vanished = self.factors[~kept, 0], self.owner[~kept], self.kind[~kept]
        self.factors, self.owner, self.kind = self.factors[kept], self.owner[kept], self.kind[kept]
        self.flag, self.coefficient = self.flag[kept], self.coefficient[kept]
        self._renumber()

    def _renumber(self) -> None:
        """Number the signatures so that each is behind those of its operands.

        They are so already, numbered as they were met, but for what has wrapped operands.
        """
        if not self.pure:
            return
        term, column = np.nonzero(self.factors >= 0)
        atom = np.concatenate((self.op_atom, self.factors[term, column]))
        user = np.concatenate((self.op_user, self.owner[term]))
        pairs = np.unique(self.sign[user] * self.n_signs + self.sign[atom])
        users: list[list[int]] = [[] for _ in range(self.n_signs)]
        missing = [0] * self.n_signs
        for above, below in zip(
            *(half.tolist() for half in divmod(pairs, self.n_signs)), strict=True
        ):
            users[below].append(above)
            missing[above] += 1
        order = [sign for sign in range(self.n_signs) if not missing[sign]]
        for sign in order:
            for above in users[sign]:
                missing[above] -= 1
                if not missing[above]:
                    order.append(above)
        order.sort(key=lambda sign: sign >= 4)  # leaves first, whether there are any or not
        number = np.empty(self.n_signs, dtype=np.intp)
        number[order] = np.arange(self.n_signs)
        self.sign = number[self.sign]
        self.pure_signs = number[np.array([*self.pure], dtype=np.intp)]

    def _variadic(self) -> NDArray[np.bool_]:
        """Which atoms are operations whose operands are all alike, and of any number."""
        atoms = self.atoms
        found = np.zeros(self.n, dtype=bool)
        for k in np.flatnonzero(atoms.role == OPERATION).tolist():
            op = atoms.operation[k]
            if op is not None and op.arity is None and _alike(op):
                xs = atoms.operands[atoms.starts[k] : atoms.starts[k + 1]]
                found[k] = (self.base[xs] == self.base[xs[0]]).all()
        self.variadic = found
        return found

    def _zeros(self) -> NDArray[np.bool_]:
        """Which terms are padding; what else is 0 times something is scaled by a number."""
        zero = self.flag == _ZERO
        products = np.bincount(self.owner, ~zero & (self.factors[:, 1] >= 0), minlength=self.n)
        padding: NDArray[np.bool_] = zero & (self.factors[:, 1] < 0) & (products[self.owner] > 0)
        self.flag = np.where(zero, _SCALED, self.flag)
        return padding

    # From above

    def _part(self) -> None:
        """Number the classes: parts of signatures whose uses are connected."""
        n, width = self.n, self.factors.shape[1]
        term, column = np.nonzero(self.factors >= 0)
        roots = self.same[self.atoms.roots]
        vanished, vanished_user, vanished_kind = self.vanished
        atom = np.concatenate((self.op_atom, self.factors[term, column], roots, vanished))
        user = np.concatenate(
            (self.op_user, self.owner[term], np.full(len(roots), n), vanished_user)
        )
        most = int(self.op_slot.max(initial=0)) + 1
        code = most + self.kind * width
        vanished_kind = most + vanished_kind * width
        use = np.concatenate(
            (self.op_slot, code[term] + column, np.zeros(len(roots), np.intp), vanished_kind)
        )
        self.uses = int(max(code.max(initial=most), vanished_kind.max(initial=most))) + width
        order = np.argsort(self.sign[atom], kind="stable")
        order = order[self.atoms.role[atom[order]] >= OPERATION]
        self.atom, self.user, self.use = atom[order], user[order], use[order]
        signs = np.arange(self.n_signs + 1)
        self.ends = np.searchsorted(self.sign[self.atom], signs).tolist()
        own = np.flatnonzero(self.own)
        by_sign = own[np.argsort(self.sign[own], kind="stable")]
        limits = np.searchsorted(self.sign[by_sign], signs).tolist()
        # Of atoms, then of the roots' user, then of what is wrapped.
        self.found = np.full(n + 1 + len(self.atom), -1)
        self.found[n] = len(self.found)
        self.extra: list[int] = []  # the atoms that are wrapped
        self.wrapped = np.full(len(atom), -1)
        elements = self._elements(code)
        number = 0
        for sign in range(self.n_signs - 1, 3, -1):
            members = by_sign[limits[sign] : limits[sign + 1]]
            if sign in elements:
                members = np.concatenate((members, self._wrap(sign, *elements[sign], order)))
            if len(members) > 1:
                part = slice(self.ends[sign], self.ends[sign + 1])
                atoms, types = self.atom[part], self._types(part)
                if sign in elements:
                    atoms = np.concatenate((atoms, self.wrapped_atoms))
                    types = np.concatenate((types, self.wrapped_types))
                part_of = _connected(atoms, types, members)
                self.found[members] = number + part_of
                number += int(part_of.max()) + 1
            else:
                self.found[members] = number
                number += 1
        count = n + 1 + len(self.extra)
        found = number - 1 - self.found[:count]  # those at the bottom come first
        self.n_classes = number
        leaf = self.atoms.role < OPERATION
        class_of = np.where(leaf, -1 - self.atoms.role, found[:n])[self.same]
        self.class_of = np.concatenate((class_of, found[n + 1 :]))
        operands = np.flatnonzero(self.wrapped[: len(self.op_atom)] >= 0)
        self.op_atom[operands] = self.wrapped[operands]
        factors = self.wrapped[len(self.op_atom) : len(self.op_atom) + len(term)]
        there = np.flatnonzero(factors >= 0)
        self.factors[term[there], column[there]] = factors[there]

    def _types(self, part: slice) -> Indices:
        """In which role of which class atoms are used."""
        found = self.found[self.user[part]]
        return np.where(found >= 0, found * self.uses + self.use[part], -1)

    def _elements(self, code: Indices) -> dict[int, tuple[int, int]]:
        """Of each signature of bare sums that of its terms, and the terms' role in the sums."""
        if not self.pure:
            return {}
        signs, first = np.unique(self.sign[self.owner], return_index=True)
        first = first[np.isin(signs, self.pure_signs)]
        elements = self.sign[self.factors[first, 0]]
        rows = zip(self.sign[self.owner[first]], elements, code[first], strict=True)
        return {int(sign): (int(element), int(use)) for sign, element, use in rows}

    def _wrap(self, sign: int, element: int, use: int, order: Indices) -> Indices:
        """Make sums of one term of what is used just as sums are, and is no sum itself."""
        sums = slice(self.ends[sign], self.ends[sign + 1])
        terms = slice(self.ends[element], self.ends[element + 1])
        types = self._types(terms)
        wrap = np.flatnonzero(np.isin(types, self._types(sums)) & (types >= 0))
        atoms, which = np.unique(self.atom[terms][wrap], return_inverse=True)
        new = len(self.extra) + np.arange(len(atoms))
        self.extra += atoms.tolist()
        self.wrapped_atoms, self.wrapped_types = self.n + 1 + new[which], types[wrap]
        self.user[terms.start + wrap] = self.wrapped_atoms
        self.use[terms.start + wrap] = use
        self.wrapped[order[terms.start + wrap]] = self.n + new[which]
        return self.n + 1 + new

    def _beginnings(self) -> Indices:
        """The leaf that each atom begins with: so a grid has the same order at all steps."""
        atoms, n = self.atoms, self.n
        first = np.arange(n)
        applies = np.diff(atoms.starts) > 0
        first[applies] = atoms.operands[atoms.starts[:-1][applies]]
        adds = np.diff(atoms.first_term) > 0
        first[adds] = atoms.factors[atoms.first_term[:-1][adds], 0]
        while (further := first[first]).tolist() != first.tolist():
            first = further
        role = atoms.role[first].astype(np.intp)
        place = atoms.place[first] + (1 + role) * (1 + int(atoms.place.max()))
        return np.concatenate((place, place[np.array(self.extra, dtype=np.intp)]))

    def _build(self) -> Vectors:
        atoms, n = self.atoms, self.n
        everything = np.concatenate((np.flatnonzero(self.own), n + np.arange(len(self.extra))))
        class_of = self.class_of
        order = np.argsort(class_of[everything], kind="stable")
        if self.has_borders:
            order = np.lexsort((self._beginnings()[everything], class_of[everything]))
        members = everything[order]
        limits = np.searchsorted(class_of[members], np.arange(self.n_classes + 1))
        index = np.zeros(n + len(self.extra), dtype=np.intp)
        index[members] = np.arange(len(members)) - limits[class_of[members]]
        for role in range(4):
            leaves = np.flatnonzero(atoms.role == role)
            index[leaves] = np.arange(len(leaves))
        index[:n] = index[:n][self.same]
        # The wrapped ones' terms, behind the others.
        owner = np.concatenate((self.owner, n + np.arange(len(self.extra))))
        factors = np.full((len(self.extra), self.factors.shape[1]), -1)
        factors[:, 0] = self.extra
        factors = np.concatenate((self.factors, factors))
        coefficient = np.concatenate((self.coefficient, np.ones(len(self.extra))))
        flag = np.concatenate((self.flag, np.zeros(len(self.extra), dtype=self.flag.dtype)))
        kind = np.concatenate((self.kind, np.full(len(self.extra), -1)))
        by = np.lexsort((index[owner], kind, class_of[owner]))
        owner, factors, kind = owner[by], factors[by], kind[by]
        coefficient, flag = coefficient[by], flag[by]
        term_limits = np.searchsorted(class_of[owner], np.arange(self.n_classes + 1)).tolist()
        by = np.lexsort((self.op_slot, index[self.op_user], class_of[self.op_user]))
        op_atom, op_user = self.op_atom[by], self.op_user[by]
        op_limits = np.searchsorted(class_of[op_user], np.arange(self.n_classes + 1)).tolist()
        constants = np.where(members < n, atoms.value[np.minimum(members, n - 1)], 0.0)
        classes = []
        limits = limits.tolist()
        firsts = members[limits[:-1]].tolist()
        for k, first in enumerate(firsts):
            those = members[limits[k] : limits[k + 1]]
            found = VectorClass(those)
            op = atoms.operation[first] if first < n else None
            found.operation = op
            if op is None:
                found.constants = constants[limits[k] : limits[k + 1]]
                part = slice(term_limits[k], term_limits[k + 1])
                found.kinds = _kinds(
                    index[owner[part]], kind[part], coefficient[part], flag[part], factors[part]
                )
            else:
                part = slice(op_limits[k], op_limits[k + 1])
                if self.variadic[first]:
                    entry = index[op_user[part]]
                    ones = np.ones(len(entry))
                    found.kinds = [Kind(entry, ones, False, [op_atom[part]])]
                    if is_softmax(op):
                        components: list[Any] = [atoms.operation[a] for a in those.tolist()]
                        found.component = np.array([c.parameters["index"] for c in components])
                else:
                    found.operands = list(op_atom[part].reshape(len(those), -1).T)
            classes.append(found)
        return Vectors(classes, class_of, index, self.same)


def _without_padding(kinds: set[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """Without w·0 beside products w·x, as at the border of an image; elsewhere 0 is a number."""
    padded = any(kind[0] != _ZERO and kind[3] >= 0 for kind in kinds)
    return {
        (_SCALED, *kind[1:]) if kind[0] == _ZERO else kind
        for kind in kinds
        if not (padded and kind[0] == _ZERO and kind[3] < 0)
    }


def _with_borders(kinds: set[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """With bare leaves taken for what is beside them: a grid's border stays as it is at first."""
    bare = [kind for kind in kinds if kind[0] < _SCALED and kind[3] < 0]
    inner = {kind[1] for kind in bare if kind[1] >= _LEAVES}
    border = {kind for kind in bare if 0 < kind[1] < _LEAVES}
    if not inner or not border:
        return kinds
    rest = bare[0][3:]
    return (kinds - border) | {(kind[0], s, s, *rest) for kind in border for s in inner}


_LEAVES = 4
"""Leaves have the numbers of their roles as signatures, constants 0."""


def _kinds(
    entry: Indices, kind: Indices, coefficient: Floats, flag: Indices, factors: Indices
) -> list[Kind]:
    """The kinds of a class's terms; those of wrapped sums, −1, belong to the only one there is."""
    if len(kind) and kind[0] < 0:
        order = np.argsort(entry, kind="stable")
        entry, coefficient, flag = entry[order], coefficient[order], flag[order]
        factors, kind = factors[order], np.zeros(len(kind), dtype=np.intp)
    cuts = [0, len(kind)]
    if len(kind) > 1:
        cuts[1:1] = (np.flatnonzero(kind[1:] != kind[:-1]) + 1).tolist()
    found = []
    for start, end in pairwise(cuts):
        part = slice(start, end)
        used = sum([place >= 0 for place in factors[start].tolist()])
        found.append(
            Kind(
                entry[part],
                coefficient[part],
                bool(flag[start] >= _SCALED),
                [factors[part, column] for column in range(used)],
            )
        )
    return found


def _connected(atom: Indices, types: Indices, members: Indices) -> Indices:
    """The number of each member's part: members are together that have a use in common, or none."""
    known = types >= 0
    atom, types = atom[known], types[known]
    values, types = np.unique(types, return_inverse=True)
    order = np.lexsort((types, atom))
    atom, types = atom[order], types[order]
    joined = np.flatnonzero(atom[1:] == atom[:-1])
    up = list(range(len(values)))

    def top(k: int) -> int:
        while up[k] != k:
            up[k] = up[up[k]]
            k = up[k]
        return k

    pairs = np.unique(types[joined] * len(values) + types[joined + 1]).tolist()
    for a, b in (divmod(pair, len(values)) for pair in pairs):
        up[top(a)] = top(b)
    part = np.array([top(k) for k in range(len(values))], dtype=np.intp)
    first = np.searchsorted(atom, members)
    used = np.append(atom, -1)[first] == members
    found = np.where(used, np.append(part[types], -1)[first], -1)
    return np.unique(found, return_inverse=True)[1]


def is_softmax(op: Operation) -> bool:
    """Whether it is a component of a softmax."""
    return (op.base or op) is ops.softmax_component


def _alike(op: Operation) -> bool:
    """Whether it treats its operands alike, but for the component of a softmax."""
    return is_softmax(op) or op is ops.log_sum_exp
