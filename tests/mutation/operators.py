"""Mutation operators that cosmic-ray lacks, for what this package is full of, and one it has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import parso
from cosmic_ray.operators.number_replacer import NumberReplacer
from cosmic_ray.operators.operator import Operator

Position = tuple[tuple[int, int], tuple[int, int]]


class MatMulToMul(Operator):
    """A matrix product becomes an elementwise one: W @ a, W * a."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if node.type == "operator" and node.value == "@" and node.parent.type == "term":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.value = "*"
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class NegateIn(Operator):
    """Membership becomes its contrary: x in s, x not in s."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if node.type == "comparison":
            operator = node.children[1]
            if operator.get_code().split() in (["in"], ["not", "in"]):
                yield operator.start_pos, operator.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        to = " in" if "not" in node.children[1].get_code() else " not in"
        node.children[1] = parso.parse(to)
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class RemoveCall(Operator):
    """A statement that is nothing but a call, for its effect, is left out."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if node.type == "simple_stmt":
            call = node.children[0]
            trailer = call.children[-1] if call.type == "atom_expr" else None
            if trailer is not None and trailer.type == "trailer" and trailer.children[0] == "(":
                yield call.start_pos, call.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.children[0] = parso.parse(node.children[0].get_first_leaf().prefix + "pass")
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class NumberPlusOne(NumberReplacer):
    """A number becomes the next one; cosmic-ray's own operator makes two mutants, 3 of 2 and 1."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        yield from islice(super().mutation_positions(node), 1)


OPERATORS = {kind.__name__: kind for kind in (MatMulToMul, NegateIn, RemoveCall, NumberPlusOne)}
