"""Printed equations, read and evaluated as they stand.

A formula without indices speaks of numbers, columns and matrices: a space between two of them is a
product, ⊙ goes entry by entry, a column meets a matrix along its last axis. One with indices speaks
of entries, its letters counted from 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from microgradnet import Value
from microgradnet.arithmetic import NO_PART, ieee
from microgradnet.lifting import Leaf, recognise
from microgradnet.lifting.analysis import analyse
from microgradnet.lifting.interpreter import interpret
from microgradnet.lifting.rewriting import DIFFERENTIATED
from microgradnet.lifting.terms import Scan, topological_terms
from microgradnet.operation import find
from support.term_oracle import numbers_of

__all__ = ["Unreadable", "check_printed", "evaluate_equation"]


class Unreadable(Exception):
    """A formula that is not for this reader: a constant table, an abridged one."""


@dataclass
class Number:
    """A number, a column or a matrix: all as matrices.

    rank    how many axes it is written with
    """

    array: Any
    rank: int


_LETTER = "[^\\Wᵀ⁰¹²³⁴⁵⁶⁷⁸⁹]"
_TOKEN = re.compile(
    rf"\s*(?:(?P<sum>Σ(?:_(?:{_LETTER}|[′,])+)?)|(?P<number>\d+(?:\.\d+)?(?:e[−+]?\d+)?|½|∞)"
    rf"|(?P<name>(?:∂C/∂)?(?![\d_]){_LETTER}+)|(?P<sign>.))"
)
_POWERS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", range(10), strict=True))


def evaluate_equation(
    text: str,
    shape: tuple[int, ...],
    values: Mapping[str, Any],
    starts: Mapping[str, Any] | None = None,
) -> Any:
    """The numbers of the left side of an equation, by those of the variables on its right.

    starts  of what a recurrence carries on, what it is before the first step
    """
    text, *beside = text.split(",   ")
    constants = [name for name in re.findall(r"\b[Kk]\d+", text) if name not in values]
    if constants or re.search(r"… \(|softmax_|\)\[|\[\d+[,…]", text):
        raise Unreadable(text)
    left, _, right = text.partition(" = ")
    indices = re.fullmatch(r".*\[(.*)\]", left)
    letters = [] if indices is None else indices[1].split(",")
    if len(letters) == 1 < len(shape):
        return np.stack([
            np.reshape(
                _Reader(right_at, values, {letters[0]: k}, {}, starts).read().array, shape[1:]
            )
            for k, right_at in _steps(right, beside, shape[0])
        ])  # fmt: skip
    if indices is None and any(np.ndim(v) > 2 for v in values.values()):
        raise Unreadable(text)
    if indices is None and "[" not in right.replace("…", ""):
        found = _Reader(right, values, {}, {}).read()
        return np.reshape(found.array, shape)
    sizes = dict(zip(letters, shape, strict=True)) if indices else {}
    out = np.empty(shape)
    at = dict(_steps(right, beside, shape[0])) if shape else {}
    for place in np.ndindex(*shape):
        own = {letter: k + 1 for letter, k in zip(letters, place, strict=False)}
        if indices is None and shape:
            raise Unreadable(text)
        now = at[place[0] + 1] if place else right
        out[place] = _Reader(now, values, own, sizes, starts).read().array.item()
    return out


def _steps(right: str, beside: Sequence[str], n: int) -> Iterator[tuple[int, str]]:
    """The formula at each step: something in it may be told apart for the first one."""
    for k in range(1, n + 1):
        now = right
        for told in beside:
            at = re.fullmatch(rf"(.*) = (.*) at \w+′* = {k}", told)
            if at is not None:
                assert at[1] in now
                now = now.replace(at[1], f"({at[2]})")
        yield k, now


def starts_of(
    text: str, shape: tuple[int, ...], values: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """What an equation says of what stands before its first step: h[0] = 0."""
    main, *beside = text.split(",   ")
    letters = main.partition("] = ")[0].partition("[")[2].split(",")[1:]
    for told in beside:
        found = re.fullmatch(r"((?:∂C/∂)?\w+′*)\[\d+\] = (.*)", told)
        if found is None:
            continue
        start = np.empty(shape[1:])
        if letters or len(shape) == 1:
            for place in np.ndindex(*shape[1:]):
                own = {letter: k + 1 for letter, k in zip(letters, place, strict=True)}
                start[place] = _Reader(found[2], values, own, {}).read().array.item()
        else:
            array = _Reader(found[2], values, {}, {}).read().array
            start[...] = array.item() if array.size == 1 else np.reshape(array, shape[1:])
        yield found[1], start


class _Reader:
    """A parser that evaluates what it reads."""

    def __init__(
        self,
        text: str,
        values: Mapping[str, Any],
        letters: dict[str, int],
        sizes: dict[str, int],
        starts: Mapping[str, Any] | None = None,
    ) -> None:
        self.starts = starts or {}
        self.text, self.values, self.letters, self.sizes = text, values, letters, sizes
        self.tokens = [
            (kind, m[kind]) for m in _TOKEN.finditer(text) for kind in [str(m.lastgroup)]
        ]
        self.at = 0
        self.within = ""  # the bars of a norm that is being read

    def read(self) -> Number:
        """The whole formula."""
        found = self.sum()
        if self.at != len(self.tokens):
            raise Unreadable(self.text)
        return found

    @property
    def next(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.next
        if wanted and token != wanted:
            raise Unreadable(self.text)
        self.at += 1
        return token

    def sum(self) -> Number:
        """Terms and their signs."""
        negative = self.next == "−"
        if negative:
            self.take()
        found = self.product()
        found = Number(-found.array, found.rank) if negative else found
        while self.next in ("+", "−"):
            sign = -1 if self.take() == "−" else 1
            found = _entrywise(np.add, found, _scaled(self.product(), sign))
        return found

    def product(self) -> Number:
        """Factors, by ⊙ and / after what stands side by side."""
        found = self.row()
        while self.next in ("⊙", "/"):
            function = np.multiply if self.take() == "⊙" else np.divide
            found = _entrywise(function, found, self.row())
        return found

    def row(self) -> Number:
        """Factors side by side."""
        found = self.power()
        while self.begins_factor():
            found = _matrix_product(found, self.power())
        return found

    def begins_factor(self) -> bool:
        if self.at >= len(self.tokens):
            return False
        kind, token = self.tokens[self.at]
        return (
            kind in ("sum", "number")
            or (token in "([‖|" and token != self.within)
            or (kind == "name" and token not in ("if", "else", "and"))
        )

    def power(self) -> Number:
        """A factor, transposed or to a power."""
        found = self.atom()
        while True:
            if self.next == "ᵀ":
                self.take()
                found = Number(found.array.T, 2)
            elif self.next and self.next in _POWERS:
                exponent = 0
                while self.next and self.next in _POWERS:
                    exponent = 10 * exponent + _POWERS[self.take()]
                found = Number(found.array**exponent, found.rank)
            elif self.next == "^":
                self.take()
                found = _entrywise(np.power, found, self.atom())
            else:
                return found

    def atom(self) -> Number:
        kind, token = self.tokens[self.at]
        if kind == "sum":
            return self.total()
        self.take()
        if kind == "number":
            x = {"½": 0.5, "∞": np.inf}.get(token)
            return _number(float(token.replace("−", "-")) if x is None else x)
        if token == "(":
            return self.brackets()
        if token == "[":
            return self.iverson()
        if token in "‖|":
            outside, self.within = self.within, token
            inner = self.sum()
            self.take(token)
            self.within = outside
            return (
                _number(np.linalg.norm(inner.array))
                if token == "‖"
                else _entrywise(lambda a, b: np.abs(a), inner, inner)
            )
        if kind != "name":
            raise Unreadable(self.text)
        return self.named(token)

    def brackets(self) -> Number:
        found = self.sum()
        if self.next == "if":
            self.take()
            holds = self.conditions()
            self.take(",")
            self.take("else")
            other = self.sum()
            found = found if holds else other
        self.take(")")
        return found

    def conditions(self) -> bool:
        holds = True
        while True:
            left = self.sum().array.item()
            sign = self.take()
            right = self.sum().array.item()
            holds &= (
                left <= right if sign == "≤" else left < right if sign == "<" else left == right
            )
            if self.next != "and":
                return holds
            self.take()

    def iverson(self) -> Number:
        holds = self.conditions()
        self.take("]")
        return _number(float(holds))

    def named(self, name: str) -> Number:
        while self.next == "′" and (f"{name}′" in self.letters or f"{name}′" in self.values):
            name += self.take()
        if name in self.letters:
            return _number(self.letters[name])
        prime = self.next == "′" and name not in self.values
        calls = self.next == "(" and name not in self.values
        if calls or (prime and self.tokens[self.at + 1][1] == "("):
            return self.call(name, prime)
        array = np.asarray(self.values[name], dtype=float)
        if self.next == "[":
            entry = self.entry(name, array)
            return _number(entry) if np.ndim(entry) == 0 else Number(entry.reshape(-1, 1), 1)
        if array.ndim > 2:
            raise Unreadable(self.text)
        return Number(array.reshape(-1, 1) if array.ndim < 2 else array, array.ndim)

    def entry(self, name: str, array: Any) -> Any:
        """What stands at indices; at one step, of a vector for each of them."""
        self.take("[")
        found = []
        while True:
            found.append(round(self.sum().array.item()) - 1)
            if self.next == "…":
                raise Unreadable(self.text)
            if self.take() == "]":
                break
        if len(found) != array.ndim and not (len(found) == 1 and array.ndim == 2):
            raise Unreadable(self.text)
        if name in self.starts and found[0] in (-1, len(array)):
            array, found = self.starts[name], found[1:]
        if any(not 0 <= at < size for at, size in zip(found, array.shape, strict=False)):
            raise Unreadable(self.text)
        return array[tuple(found)]

    def call(self, name: str, prime: bool) -> Number:
        if prime:
            self.take("′")
        self.take("(")
        arguments = [self.sum()]
        while self.next == ",":
            self.take()
            arguments.append(self.sum())
        self.take(")")
        if name == "softmax" and len(arguments) == 1 and not self.letters:
            (x,) = arguments
            axis = 1 if x.rank == 2 else 0
            e = np.exp(x.array - x.array.max(axis=axis, keepdims=True))
            return Number(e / e.sum(axis=axis, keepdims=True), x.rank)
        if name == "log_sum_exp" and len(arguments) == 1 and not self.letters:
            return _number(np.log(np.exp(arguments[0].array).sum()))
        op = find({"σ": "sigmoid", "max": "maximum", "min": "minimum"}.get(name, name))
        if not prime:
            return _mapped(lambda *xs: op.forward(ieee, *xs), arguments)
        varying = [k for k, x in enumerate(arguments) if x.rank or len(arguments) == 1]
        k = varying[0] if varying else len(arguments) - 1

        def slope(*xs: float) -> float:
            partial = op.rule(ieee, 1.0, op.forward(ieee, *xs), *xs)
            return 0.0 if partial[k] is NO_PART else float(partial[k])

        return _mapped(slope, arguments)

    def total(self) -> Number:
        """A sum over letters, or of all entries."""
        letters = self.take()[1:].removeprefix("_")
        start = self.at
        if not letters:
            found = self.product()
            return _number(found.array.sum())
        names = [name for name in letters.split(",") if name]
        result, end, saved = 0.0, start, self.letters
        for own in self.ranges(names):
            self.at, self.letters = start, {**saved, **own}
            with suppress(IndexError):  # as far as there are entries
                result += self.product().array.item()
                end = self.at
        self.at, self.letters = end, saved
        return _number(result)

    def ranges(self, names: list[str]) -> Iterator[dict[str, int]]:
        """The values of letters that are summed over: as far as arrays have entries for them."""
        sizes = [self.size_of(name) for name in names]
        for place in np.ndindex(*sizes):
            yield {name: k + 1 for name, k in zip(names, place, strict=True)}

    def size_of(self, letter: str) -> int:
        for m in re.finditer(r"(∂C/∂\w+′*|\w+′*)\[([^\[\]]*)\]", self.text):
            if letter in m[2].split(",") and m[1] in self.values:
                return int(np.shape(self.values[m[1]])[m[2].split(",").index(letter)])
        raise Unreadable(self.text)


def _number(x: Any) -> Number:
    return Number(np.array([[x]], dtype=float), 0)


def _scaled(x: Number, factor: float) -> Number:
    return Number(factor * x.array, x.rank)


def _mapped(function: Callable[..., float], xs: list[Number]) -> Number:
    rank = max(x.rank for x in xs)
    arrays = np.broadcast_arrays(*[x.array for x in xs])
    return Number(np.vectorize(function, otypes=[float])(*arrays), rank)


def _entrywise(function: Any, x: Number, y: Number) -> Number:
    """Entry by entry: a column meets a matrix along its last axis."""
    a, b = x.array, y.array
    if a.shape != b.shape and {x.rank, y.rank} == {1, 2}:
        a, b = (a.T, b) if x.rank == 1 else (a, b.T)
    return Number(function(a, b), max(x.rank, y.rank))


def _matrix_product(x: Number, y: Number) -> Number:
    if 0 in (x.rank, y.rank):
        return Number(x.array * y.array, max(x.rank, y.rank))
    product = x.array @ y.array
    return Number(product, 2 if product.shape[1] > 1 or y.rank == 2 else x.rank and 1)


# What is printed of a graph


def _entries(term, value, axes):
    """A term's numbers for one example, over axes."""
    own = [axis for axis in term.axes if axis.size is not None]
    array = np.asarray(value, dtype=float).reshape([axis.size for axis in own])
    kept = [axis for axis in axes if axis in own]
    array = array.transpose([own.index(axis) for axis in kept])
    shape = [axis.size if axis in own else 1 for axis in axes]
    return np.broadcast_to(array.reshape(shape), [axis.size for axis in axes])


def _is_recurrent(equation):
    """Whether an equation tells of steps: those of one recurrence read each other."""
    return isinstance(equation.body, Scan)


def check_printed(cost, inputs=(), targets=(), parameters=(), readable=0.0):
    """Read all equations of a graph; `readable` is the least share of those that can be read."""
    analysis = analyse(cost, inputs, targets, parameters)
    presented = analysis.terms.presented
    found = presented.seeded(DIFFERENTIATED, seeds_read=True)
    equations = presented.written(found)
    assert max(len(each.text) for each in equations) <= 100
    lists = {"input": inputs, "target": targets, "parameter": analysis.leaves}
    outputs = [cost] if isinstance(cost, Value) else cost
    lists["seed"] = [Value(0.5 - 0.25 * k) for k in range(len(outputs))]
    leaves = [
        x for x in topological_terms([each.term for each in equations]) if isinstance(x, Leaf)
    ]
    given = {leaf: numbers_of(leaf, lists) for leaf in leaves}
    terms = [each.term for each in equations]
    numbers = interpret(terms, given, {presented.examples: 1})
    values = {leaf.name: x[0] if leaf.role != "parameter" else x for leaf, x in given.items()}
    values.setdefault("θ", np.array([float(p.data) for p in analysis.leaves]))
    read = 0
    wanted_of = {
        each.left: _entries(each.term, number, each.axes)
        for each, number in zip(equations, numbers, strict=True)
    }
    recurrent = {each.left: wanted_of[each.left] for each in equations if _is_recurrent(each)}
    starts = {
        name: start
        for each in equations
        for name, start in starts_of(each.text, each.shape, {**values, **wanted_of})
    }
    for each in equations:
        wanted = wanted_of[each.left]
        known = recurrent | {name: values[name] for name in (*each.uses, "θ") if name in values}
        try:
            got = evaluate_equation(each.text, each.shape, known, starts)
        except Unreadable:
            got = wanted
        else:
            read += 1
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-7, err_msg=each.text)
        values[each.left] = wanted
    assert read >= readable * len(equations), [each.text for each in equations]
    structure = recognise(cost, inputs, targets, parameters)
    for name, variable in structure.variables.items():
        if variable.kind == "value":
            held = [np.nan if node is None else node.data for node in variable.nodes]
            shown = np.where(np.isnan(held), np.nan, np.ravel(values[name]))
            np.testing.assert_allclose(shown, held, rtol=1e-9, atol=1e-12, err_msg=name)
    for p in analysis.leaves:
        p.grad = 0.0
    seeds = [Value(1.0)] if isinstance(cost, Value) else lists["seed"]
    total = sum((v.data * root for v, root in zip(seeds, outputs, strict=True)), Value(0.0))
    total.backward()
    by_name = {leaf.name: leaf for leaf in leaves}
    for each in equations:
        if each.part == "gradient":
            leaf = by_name[each.gradient_of]
            wanted = np.array([*(float(p.grad) for p in analysis.leaves), 0.0])[leaf.places]
            there = leaf.places >= 0
            got = values[each.left]
            np.testing.assert_allclose(got[there], wanted[there], rtol=1e-8, atol=1e-10)
