"""The reader of expressions: what it computes, what it refuses, and that nothing ever runs."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.expressions import names_in

from microgradnet import Value, operation, ops, read_expression
from microgradnet.expression import ExpressionError
from microgradnet.graph import topological_order


def symbols(node):
    return [n.label or (n.op.symbol if n.op else n.data) for n in topological_order([node])]


def test_a_neuron_is_the_graph_that_python_would_build():
    w, x, b = 0.5, 2.0, -1.5
    node = read_expression("tanh(w*x + b)", {"w": w, "x": x, "b": b})
    assert node.data == math.tanh(w * x + b)
    assert symbols(node) == ["w", "x", "*", "b", "+", "tanh"]


def test_a_name_is_one_node_however_often_it_is_used():
    node = read_expression("x*x - x", {"x": 3.0})
    node.backward()
    (x,) = (n for n in topological_order([node]) if n.label == "x")
    assert x.grad == 5.0


def test_operators_bind_and_group_as_in_python():
    numbers = {"a": 5.0, "b": 2.0, "c": 3.0}
    for text in ("a-b-c", "a/b/c", "a**b**c", "-a**b", "a - -b", "(a+b)*c", "a*b+c", "+a/-b"):
        used = {name: numbers[name] for name in names_in(text)}
        assert read_expression(text, used).data == eval(text, dict(numbers)), text


def test_parts_without_names_are_computed_beforehand_and_exactly():
    node = read_expression("x**(1 + 1)", {"x": 3.0})
    assert node.op is ops.power_constant
    assert read_expression("x * (1/3)", {"x": 3}).data == 1
    assert read_expression("x / 3", {"x": 1}).data == Fraction(1, 3)
    assert read_expression("2 ** x", {"x": 3.0}).op is ops.exponential.variant(base=2)
    assert read_expression("1 + 2", {}).data == 3
    assert read_expression("2**9999", {}).data.bit_length() == 10_000


def test_every_function_of_the_table_can_be_called(own_table):
    @operation(lambda m, g, y, x: (g * 2,), "double($x)")
    def double(m, x):
        return x + x

    assert read_expression("double(x)", {"x": 4.0}).data == 8.0
    assert read_expression("power(x, 2) + maximum(x, 1)", {"x": 3.0}).data == 12.0
    assert read_expression("log_sum_exp(x, x, x)", {"x": 0.0}).data == pytest.approx(math.log(3))


def test_names_in_the_order_of_their_first_use():
    for text, names in (("b + a*b - tanh(c)", "b, a, c"), ("1 + 2", "no names")):
        with pytest.raises(ExpressionError, match=names):
            read_expression(text, {"a": 1, "b": 1, "c": 1, "d": 1} if "b" in text else {"d": 1})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("x.real", "'x.real' is no arithmetic"),
        ("x.__class__.__mro__", "no arithmetic"),
        ("__import__('os').system('true')", "no arithmetic"),
        ("__import__(x)", "there is no function __import__"),
        ("system(x)", "there is no function system: there are abs, acos, "),
        ("arctan2(x, 1)", "there is no function arctan2: is it atan2?"),
        ("ln(x)", "there is no function ln: is it log?"),
        ("σ(x)", "there is no function σ: is it sigmoid?"),
        ("Tanh(x)", "there is no function Tanh: is it tanh?"),
        ("sigmod(x)", "there is no function sigmod: is it sigmoid?"),
        ("x[0]", "'x[0]' is no arithmetic"),
        ("lambda: x", "no arithmetic"),
        ("[x for x in x]", "no arithmetic"),
        ("[x]", "no arithmetic"),
        ("{x}", "no arithmetic"),
        ("(x, x)", "no arithmetic"),
        ("x if x else x", "no arithmetic"),
        ("x and x", "no arithmetic"),
        ("not x", "no arithmetic"),
        ("~x", "no arithmetic"),
        ("x < x", "no arithmetic"),
        ("x % x", "no arithmetic"),
        ("x // x", "no arithmetic"),
        ("x @ x", "no arithmetic"),
        ("x << x", "no arithmetic"),
        ("(x := 1)", "no arithmetic"),
        ("tanh(*x)", "no arithmetic"),
        ("tanh(x=x)", "no arithmetic"),
        ("tanh(x)(x)", "no arithmetic"),
        ("'x'", "no arithmetic"),
        ("f'{x}'", "no arithmetic"),
        ("True", "'True' is no arithmetic"),
        ("None", "no arithmetic"),
        ("...", "no arithmetic"),
        ("2j", "'2j' is no arithmetic"),
        ("await x", "no arithmetic"),
        ("x = 1", "'x = 1' is no expression: it must have no ="),
        ("2x", "as in 2*x or tanh(x)"),
        ("tanh x", "a bracket is missing"),
        ("tanh(w x)", "an operator or"),
        ("(x)x", "an operator or"),
        ("tanh(x=1", "'(' was never closed"),
        ("x y)", "unmatched ')'"),
        ("x +* 2", "no expression: invalid syntax"),
        ("w·x", "'w·x': · is written *"),
        ("x − 1", "'x − 1': − is written -"),
        ("x²", "'x²': ² is written **2"),
        ("x +", "no expression"),
        ("", "no expression"),
        ("x; x", "no expression"),
        ("import os", "no expression"),
        ("a\0b", "no expression"),
        ("tanh", "write tanh(...)"),
        ("tanh(x, x)", "tanh takes 1 operand, not 2"),
        ("power(x)", "cannot be computed"),
        ("y", "give y=..."),
        ("1/0*x", "'1/0' divides by zero"),
        ("1e999*x", "'1e999' is not finite"),
        ("1e308*10*x", "'1e308*10' is not finite"),
        ("exp(1000)*x", "'exp(1000)' is not finite"),
        ("9**9**9*x", "more than 10,000 bits"),
        ("(-2)**99999*x", "more than 10,000 bits"),
        ("(1/2)**99999*x", "more than 10,000 bits"),
        ("2**9999*2*x", "2**9999*2 needs more than 10,000 bits"),
        ("99**9999*x", "more than 10,000 bits"),
        ("x**2**40", "more than 10,000 bits"),
        ("power(x, x)**x**x**x", "more than 10,000 bits"),
        ("-" * 1500 + "x", "deep"),
        ("(" * 500 + "x" + ")" * 500, "no expression"),
        ("x" * 2001, "2,000 characters"),
    ],
)
def test_what_is_refused_and_how(text, named):
    with pytest.raises(ExpressionError) as refusal:
        read_expression(text, {"x": 33})
    assert named in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_number_too_many_is_a_mistake_too():
    with pytest.raises(ExpressionError, match="y"):
        read_expression("x", {"x": 1.0, "y": 2.0})


def test_names_are_compared_as_python_writes_them():
    # The parser turns the ligature ﬁ into fi, wherever it comes from.
    assert read_expression("ﬁ*2", {"ﬁ": 3.0}).data == 6.0
    assert read_expression("fi*2", {"ﬁ": 3.0}).data == 6.0


def test_warnings_of_the_parser_are_nobodys_business():
    with pytest.raises(ExpressionError):
        read_expression(r"'\d'", {})
    with pytest.raises(ExpressionError, match="1if 2else 3"):
        read_expression("1if 2else 3", {})


@given(st.text(max_size=40))
def test_any_text_gives_a_value_or_one_line(text):
    try:
        assert isinstance(read_expression(text, {}), Value)
    except ExpressionError as refusal:
        assert len(str(refusal).splitlines()) == 1


PIECES = st.sampled_from(
    ["x", "y", "2", "0.5", "1e300", "99", "+", "-", "*", "/", "**", "(", ")", ",", " ", "tanh(",
     "power(", "log(", "exp(", ".", "[", "]", ":", "=", "lambda ", "__", "'", "if", "\n"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=16).map("".join))
def test_texts_close_to_arithmetic_give_a_value_or_one_line(text):
    try:
        node = read_expression(text, {name: 7 for name in names_in(text)})
    except ExpressionError as refusal:
        assert len(str(refusal).splitlines()) == 1
    else:
        node.backward()


@st.composite
def arithmetic(draw, depth=4):
    """An expression as Python and we both read it, on floats."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["x", "y", "2.0", "0.5"]))
    inner = arithmetic(depth=depth - 1)
    form = draw(st.sampled_from(["({} + {})", "{} - {}", "{} * {}", "({} * {})", "-{}"]))
    return form.format(*(draw(inner) for _ in range(form.count("{}"))))


@given(arithmetic(), st.floats(-8, 8), st.floats(-8, 8))
def test_the_value_is_pythons(text, x, y):
    got = read_expression(text, {name: {"x": x, "y": y}[name] for name in names_in(text)})
    assert got.data == eval(text, {"x": x, "y": y})


@pytest.mark.parametrize("raised", [RecursionError, MemoryError])
def test_what_pythons_parser_gives_up_is_nested_too_deep(
    raised: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(*arguments: object, **options: object) -> None:
        raise raised

    monkeypatch.setattr("ast.parse", give_up)
    with pytest.raises(ExpressionError):
        read_expression("x", {"x": 1})


def test_a_null_character_is_no_expression(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExpressionError):
        read_expression("x\0", {"x": 1})

    def refuse(*arguments: object, **options: object) -> None:
        raise ValueError("source code string cannot contain null bytes")  # until Python 3.11.4

    monkeypatch.setattr("ast.parse", refuse)
    with pytest.raises(ExpressionError, match=r"'x\\x00' is no expression: .* null bytes"):
        read_expression("x\0", {"x": 1})


@pytest.mark.parametrize(
    ("text", "numbers", "value"),
    [
        ("cos(pi*x) + log(e) + π", {"x": 1.0}, math.pi),
        ("clip(x, -inf, inf)", {"x": 3.0}, 3.0),
        ("e*x + pi", {"e": 2.0, "x": 3.0, "pi": 0.5}, 6.5),
        ("square(x) + reciprocal(x) + exp2(x) + max(1, x, 3)", {"x": 2.0}, 11.5),
        ("where(greater(x, 0), remainder(x, 3), sign(x))", {"x": 5.0}, 2.0),
    ],
)
def test_constants_that_need_not_be_given(
    text: str, numbers: dict[str, float], value: float
) -> None:
    assert read_expression(text, numbers).data == value
