"""What an operation tells of itself, and what a declaration refuses."""

from __future__ import annotations

import functools
import inspect
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from microgradnet import Value, arithmetic, leaky_relu, log_sum_exp, operation, ops, tanh
from microgradnet.arithmetic import ieee
from microgradnet.operation import Operation, find, find_by_symbol, operations


def test_an_operation_is_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        tanh.name = "tan"
    assert tanh.name == "tanh"


def test_its_repr_tells_its_parameters() -> None:
    assert repr(tanh) == "<operation tanh>"
    assert repr(leaky_relu.variant(slope=0.5)) == "<operation leaky_relu(slope=0.5)>"


@pytest.mark.parametrize("op", [tanh, leaky_relu, leaky_relu.variant(slope=0.5), log_sum_exp])
def test_help_speaks_of_the_operation(op: Any) -> None:
    """Also of one with other parameters: of its own name and operands, not of operations."""
    assert op.__name__ == op.name
    assert inspect.getdoc(op) == inspect.getdoc(find(op.name)) != inspect.getdoc(type(op))
    names = [*inspect.signature(op).parameters]
    assert names == {"leaky_relu": ["x", "slope"], "log_sum_exp": ["xs"]}.get(op.name, ["x"])


def test_a_rule_that_cannot_take_the_operands_is_refused_when_declared(own_table: None) -> None:
    def sum_of(m: Any, *xs: Any) -> Any:
        return sum(xs)

    def product(m: Any, x: Any, y: Any) -> Any:
        return x * y

    for forward, rule in (
        (sum_of, lambda m, g, y: ()),
        (product, lambda m, g, y, x: (g,)),
        (product, lambda m, g, y: ()),
    ):
        with pytest.raises(TypeError, match=f"the rule of {forward.__name__} takes"):
            operation(rule)(forward)
    # Of any number of operands one will do, and a rule may name it.
    alone = operation(lambda m, g, y, x: (g,))(sum_of)
    assert (alone(2.0), alone.vjp(3.0, 2.0)) == (2.0, (3.0,))
    assert operation(lambda m, g, out, x, y: (g * y, g * x))(product)(2.0, 3.0) == 6.0


def by_keyword(m: Any, g: Any, y: Any, x: Any, *, slope: Any) -> Any:
    return (g * slope,)


def by_position(m: Any, g: Any, y: Any, x: Any, slope: Any) -> Any:
    return (g * slope,)


def by_any(*operands: Any, **parameters: Any) -> Any:
    return (operands[1] * parameters["slope"],)


@pytest.mark.parametrize("rule", [by_keyword, by_position, by_any, functools.partial(by_keyword)])
def test_a_rule_gets_the_parameters_however_it_takes_them(rule: Any, own_table: None) -> None:
    def line(m: Any, x: Any, *, slope: Any = 2.0) -> Any:
        """A line through 0."""
        return slope * x

    steep = operation(rule)(line)
    x = Value(3.0)
    y = steep(x) + steep(x, slope=5.0) + steep.variant(slope=5.0).variant(slope=7.0)(x)
    y.backward()
    assert (y.data, x.grad) == (3.0 * 14.0, 14.0)
    assert steep(1.0) == 2.0
    assert line(None, 1.0) == 2.0  # what was declared is not touched
    assert steep.forward_module == steep.variant(slope=5.0).forward_module == __name__


def test_the_rules_of_the_table_are_functions_with_parameters_and_without() -> None:
    """A partial would take twice the time."""
    for op in operations():
        for variant in (op, op.variant(**{key: 0.75 for key in op.parameters})):
            assert inspect.isfunction(variant.forward)
            assert inspect.isfunction(variant.rule)


def test_a_method_takes_the_operands_that_the_operation_takes() -> None:
    v = Value(0.5)
    with pytest.raises(TypeError, match="tanh"):
        v.tanh(1.0)
    with pytest.raises(TypeError, match="maximum"):
        v.maximum()


def test_an_operation_is_found_by_its_symbol() -> None:
    found = {("**3", 1): "**3", ("**0.5", 1): "**0.5", ("**", 2): "**", ("ReLU", 1): "ReLU",
             ("tanh", 1): "tanh", ("lse", 4): "lse"}  # fmt: skip
    assert {key: find_by_symbol(*key).symbol for key in found} == found
    for symbol, arity in (("**3", 2), ("xx3", 1), ("", 1), ("*", 3), ("tanh", 2)):
        with pytest.raises(ValueError):
            find_by_symbol(symbol, arity)


def test_former_spellings_work_and_warn() -> None:
    with pytest.warns(DeprecationWarning, match=r"vjp_at.*vjp"):
        assert ops.multiply.vjp_at(1.0, 3.0, 5.0) == (5.0, 3.0)
    with pytest.warns(DeprecationWarning, match=r"pull_back\(.*vjp\(g, \*xs, out=y\)"):
        assert ops.multiply.pull_back(1.0, 15.0, (3.0, 5.0)) == (5.0, 3.0)
    with pytest.warns(DeprecationWarning, match=r"op\.rule\(m, g, y, \*xs\)"):
        assert ops.multiply.vjp(ieee, 1.0, 15.0, 3.0, 5.0) == (5.0, 3.0)
    with pytest.warns(DeprecationWarning, match="coerce"):
        assert arithmetic.number(0.5) == 0.5


def test_a_softmax_of_ones_own_nodes_records_each_component() -> None:
    class Term:
        """Whatever can be an operand: it says what is to be recorded."""

        @staticmethod
        def __operation__(op: Operation, operands: Any) -> str:
            return f"{op.name}[{op.parameters['index']}] of {len(operands)}"

    recorded: Any = ops.softmax([Term(), Term()])
    assert recorded == ["softmax_component[0] of 2", "softmax_component[1] of 2"]
