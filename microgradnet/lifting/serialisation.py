"""Terms as data of JSON's kinds: lists, dictionaries, texts and numbers."""

from __future__ import annotations

import copyreg
import math
from collections.abc import Sequence
from dataclasses import fields
from fractions import Fraction
from typing import Any, cast

import numpy as np

from microgradnet.lifting import terms
from microgradnet.lifting.terms import (
    VJP,
    Affine,
    Axis,
    Constant,
    Function,
    LogSumExp,
    Others,
    Softmax,
    Sum,
    Term,
    topological_terms,
)
from microgradnet.operation import find

__all__ = ["from_json", "to_json"]


def to_json(roots: Sequence[Term]) -> dict[str, Any]:
    """The terms in a list behind their operands, which are numbers in it, and the axes in another.

    >>> from microgradnet.lifting.terms import Leaf
    >>> x = Leaf("x", "input", (Axis("i", 2),), [0, 1])
    >>> to_json([x])["terms"]
    [{'kind': 'Leaf', 'name': 'x', 'role': 'input', 'given': [0], 'places': [0, 1]}]
    >>> from_json(to_json([x]))
    [x[i]]
    """
    writer = _Writer()
    order = topological_terms(roots)
    for number, term in enumerate(order):
        writer.numbers[term] = number
    written = [
        {"kind": type(term).__name__}
        | {f.name: writer.attribute(f.name, getattr(term, f.name)) for f in fields(term) if f.init}
        for term in order
    ]
    return {
        "axes": [{"name": axis.name, "size": axis.size} for axis in writer.axes],
        "terms": written,
        "roots": [writer.numbers[root] for root in roots],
    }


def _from_one(data: dict[str, Any]) -> Term:
    (term,) = from_json(data)
    return term


def _reduce(term: Term) -> tuple[Any, ...]:
    """How `pickle` stores a term: as data, without a recursion."""
    return _from_one, (to_json([term]),)


class _Writer:
    def __init__(self) -> None:
        self.numbers: dict[Term, int] = {}
        self.axes: dict[Axis, int] = {}

    def axis(self, axis: Axis) -> int:
        return self.axes.setdefault(axis, len(self.axes))

    def attribute(self, name: str, x: Any) -> Any:
        """An attribute of a term, by its name in the class."""
        match name:
            case "given" | "over":
                return [self.axis(axis) for axis in x]
            case "axis":
                return self.axis(x)
            case "function":
                return _function_to_json(x)
            case "index":
                return self.numbers[x] if isinstance(x, Term) else self.affine(x)
            case "conditions":
                return [self.affine(condition) for condition in x]
            case "operand" | "out":
                return self.numbers[x]
            case "arguments":
                return [self.numbers[term] for term in x]
            case "states":
                return [[self.numbers[term] for term in triple] for triple in x]
            case "pieces":
                return [
                    [self.numbers[piece], None if own is None else self.axis(own)]
                    for piece, own in x
                ]
            case "places" | "values":
                return _number_to_json(x.tolist())
            case _:  # name, role, fill, reverse
                return _number_to_json(x)

    def affine(self, index: Affine) -> dict[str, Any]:
        parts = [[self.axis(axis), coefficient] for axis, coefficient in index.parts]
        return {"offset": index.offset, "parts": parts}


def from_json(data: dict[str, Any]) -> list[Term]:
    """The terms that `to_json` has written, over axes of their own.

    Operations are looked up by name: LookupError where the table lacks one.
    """
    axes = [Axis(axis["name"], axis["size"]) for axis in data["axes"]]
    reader = _Reader(axes)
    for written in data["terms"]:
        kind = getattr(terms, written["kind"])
        given = {name: reader.attribute(name, x) for name, x in written.items() if name != "kind"}
        if "places" in given:
            given["axes"] = given.pop("given")
        if kind is Constant:
            given["axes"] = given.pop("given")
            given["values"] = np.array(given["values"])
        reader.terms.append(cast(Term, kind(**given)))
    return [reader.terms[root] for root in data["roots"]]


class _Reader:
    def __init__(self, axes: Sequence[Axis]) -> None:
        self.axes, self.terms = axes, list[Term]()

    def attribute(self, name: str, x: Any) -> Any:
        match name:
            case "given" | "over":
                return tuple(self.axes[axis] for axis in x)
            case "axis":
                return self.axes[x]
            case "function":
                return _function_from_json(x)
            case "index":
                return self.terms[x] if isinstance(x, int) else self.affine(x)
            case "conditions":
                return tuple(self.affine(condition) for condition in x)
            case "operand" | "out":
                return self.terms[x]
            case "arguments":
                return tuple(self.terms[term] for term in x)
            case "states":
                return tuple(tuple(self.terms[term] for term in triple) for triple in x)
            case "pieces":
                return tuple(
                    (self.terms[piece], None if own is None else self.axes[own]) for piece, own in x
                )
            case "values" | "fill":
                return _number_from_json(x)
            case _:  # name, role, places, reverse
                return x

    def affine(self, data: dict[str, Any]) -> Affine:
        parts = tuple((self.axes[axis], coefficient) for axis, coefficient in data["parts"])
        return Affine(data["offset"], parts)


def _function_to_json(function: Function) -> Any:
    if isinstance(function, str):
        return function
    operation, operand = function if isinstance(function, VJP) else (function, None)
    parameters = {
        name: str(x) if isinstance(x, Fraction) else _number_to_json(x)
        for name, x in operation.parameters.items()
    }
    written = {"operation": operation.name, "parameters": parameters}
    return written if operand is None else written | {"operand": operand}


def _function_from_json(data: Any) -> Function:
    if isinstance(data, str):
        return data
    parameters = {
        name: Fraction(x) if isinstance(x, str) and "/" in x else _number_from_json(x)
        for name, x in data["parameters"].items()
    }
    operation = find(data["operation"], parameters)
    return VJP(operation, data["operand"]) if "operand" in data else operation


def _number_to_json(x: Any) -> Any:
    """Numbers, or lists of them, without what JSON has not: inf and NaN are texts."""
    if isinstance(x, list):
        return [_number_to_json(y) for y in x]
    return str(x) if isinstance(x, float) and not math.isfinite(x) else x


def _number_from_json(x: Any) -> Any:
    if isinstance(x, list):
        return [_number_from_json(y) for y in x]
    return float(x) if isinstance(x, str) else x


_kinds: list[type[Term]] = [*Term.__subclasses__(), Sum, LogSumExp, Softmax, Others]
for _kind in _kinds:
    copyreg.pickle(_kind, _reduce)
