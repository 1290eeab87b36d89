"""Formulas: what they simplify to, and that each of their three forms says what they are."""

from __future__ import annotations

import math
import operator
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from microgradnet import Value, lift, operation
from microgradnet.lifting.entries import Stack
from microgradnet.lifting.forms import call, number, relation
from microgradnet.lifting.formulas import Comparison, Expr, Function, Name, Num, Variable, power
from microgradnet.lifting.matrices import Total
from microgradnet.lifting.naming import total
from microgradnet.lifting.rules import algebra


def name(letter: str, size: int = 1) -> Name:
    """A variable; z has a number above in LaTeX."""
    latex = f"{letter}^{{1}}" if letter == "z" else letter
    return Name(Variable(letter, letter, latex, size, True, "value"))


X, Y, Z = (name(letter) for letter in "xyz")
U, V = name("u", 3), name("v", 3)
LETTERS = "xyzuv"


def forms(e: Expr) -> tuple[str, str, str]:
    return e.write("code"), e.write("text"), e.write("latex")


# The forms, read back. The numbers are exact, so whatever the order of the terms.


NUMBER = re.compile(r"(?<![\w.])\d+(\.\d+)?(e-?\d+)?")


def number_of(source: str, values: dict[str, Fraction]) -> Any:
    """What Python source gives, its numbers taken for fractions."""
    exact = NUMBER.sub(r'F("\g<0>")', source)
    return eval(exact, {"F": Fraction, "frac": lambda x: lambda y: x / y}, dict(values))


def python_of_text(text: str) -> str:
    """A space between two operands multiplies, as ⊙ does."""
    for sign, python in {"²": "**2", "³": "**3", "½": "0.5", "−": "-", "⊙": "*", "^": "**"}.items():
        text = text.replace(sign, python)
    return re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", text)


def python_of_latex(latex: str) -> str:
    for sign, python in {
        r"\tfrac{1}{2}": "0.5", r"\frac": "frac", r"\left(": "(", r"\right)": ")", r"\,": "*",
        r"\odot": "*", "z^{1}": "z", "^": "**", "{": "(", "}": ")",
    }.items():  # fmt: skip
        latex = latex.replace(sign, python)
    return latex


READERS = {"code": lambda source: source.replace("np.power", "pow"),
           "text": python_of_text, "latex": python_of_latex}  # fmt: skip
VALUES = st.integers(-3, 3).filter(bool).map(Fraction)


def applied(e: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An operation on two formulas, or on one and a number; numbers stay sums of powers of two."""
    times_letter = st.tuples(st.just(operator.mul), st.sampled_from(LETTERS), e)
    return (
        st.tuples(st.sampled_from((operator.add, operator.sub, operator.mul)), e, e)
        | st.tuples(st.just(operator.truediv), e, times_letter | st.sampled_from((2, 4)))
        | st.tuples(st.just(operator.pow), e, st.integers(0, 3))
    )


TREES = st.recursive(st.sampled_from(LETTERS) | st.integers(-3, 3), applied, max_leaves=6)


def built(tree: Any, leaves: dict[str, Any], convert: Any) -> Any:
    if isinstance(tree, str):
        return leaves[tree]
    if isinstance(tree, int):
        return convert(tree)
    op, x, y = tree
    return op(built(x, leaves, convert), built(y, leaves, convert))


@given(tree=TREES, values=st.tuples(*[VALUES] * len(LETTERS)))
def test_every_form_reads_as_what_was_written(tree, values):
    """Python's own arithmetic on what was put in is the number that each form has to give."""
    given_values = dict(zip(LETTERS, values, strict=True))
    try:
        wanted = built(tree, given_values, Fraction)
    except ZeroDivisionError:
        assume(False)
    formula = built(tree, {"x": X, "y": Y, "z": Z, "u": U, "v": V}, lambda n: Num(float(n)))
    code = formula.write("code")
    assert number_of(READERS["code"](code), given_values) == wanted, code
    if all(len(found.group()) <= 6 for found in NUMBER.finditer(code)):  # else they are rounded
        for form in ("text", "latex"):
            written = formula.write(form)
            assert number_of(READERS[form](written), given_values) == wanted, written


@pytest.mark.parametrize(
    ("formula", "code", "text", "latex"),
    [
        (2 * X, "2 * x", "2 x", r"2\,x"),
        (-X, "-x", "−x", "-x"),
        (0.5 * X + Y, "0.5 * x + y", "½ x + y", r"\tfrac{1}{2}\,x + y"),
        (-X + Y, "-x + y", "y − x", "y - x"),
        (1 - Y - Z, "1 - y - z", "1 − y − z", "1 - y - z^{1}"),
        (Y + 0 * Z + 1, "y + 0 * z + 1", "y + 0 z + 1", r"y + 0\,z^{1} + 1"),
        (X - 3, "x - 3", "x − 3", "x - 3"),
        (3 - X, "3 - x", "3 − x", "3 - x"),
        (X * Y, "x * y", "x y", r"x\,y"),
        (U * V, "u * v", "u ⊙ v", r"u \odot v"),
        (X * V, "x * v", "x v", r"x\,v"),
        (V * X, "v * x", "v x", r"v\,x"),
        (X * Total(V), "x * v.dot(ones3)[:, None]", "x Σ v", r"x\,\sum v"),
        (Total(V) * X, "v.dot(ones3)[:, None] * x", "(Σ v) x", r"\left(\sum v\right)\,x"),
        ((X + Y) * Z, "(x + y) * z", "(x + y) z", r"\left(x + y\right)\,z^{1}"),
        (-2 / X, "-2 / x", "−2 / x", r"\frac{-2}{x}"),
        (2 * (3 / X), "6 / x", "6 / x", r"\frac{6}{x}"),
        (3 / X * Y, "(3 / x) * y", "(3 / x) y", r"\left(\frac{3}{x}\right)\,y"),
        (total(U / V, 3), "(u / v).dot(ones3)[:, None]", "Σ u / v", r"\sum \frac{u}{v}"),
        (X - 2 / Y, "x - 2 / y", "x − 2 / y", r"x - \frac{2}{y}"),
        (X / Y / 2, "0.5 * (x / y)", "½ x / y", r"\tfrac{1}{2}\,\frac{x}{y}"),
        (X**2, "x ** 2", "x²", "{x}^{2}"),
        (Z**3, "z ** 3", "z³", r"{\left(z^{1}\right)}^{3}"),
        (X**-1, "x ** (-1)", "x^(−1)", "{x}^{-1}"),
        (2**X, "np.power(2.0, x)", "2^x", "{2}^{x}"),
        (X**Y, "x ** y", "x^y", "{x}^{y}"),
        (abs(X), "np.abs(x)", "|x|", "|x|"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_formulas_as_the_equations_have_them(formula, code, text, latex):
    assert forms(formula) == (code, text, latex)


def test_what_a_formula_simplifies_to():
    assert X**0 is power(X, Num(0.0))
    assert (X**0).write("code") == "1"
    assert X**1 is X
    assert 1 * X is X
    assert (0.5 * (2 * X)) is X
    assert (X + 0) is X
    assert (Num(3.0) / 4).write("code") == "0.75"
    assert (X / 4).write("code") == "0.25 * x"
    assert (X / -0.5).write("code") == "-2 * x"
    assert (X / 3).write("code") == "x / 3"
    assert (2 * X / 3).write("code") == "2 * (x / 3)"


@pytest.mark.parametrize("number", [0.0, 5e-324, math.inf, math.nan, 2.0**1023])
def test_a_quotient_by_a_number_at_the_edge_is_still_one(number):
    with np.errstate(all="ignore"):
        divided = eval((X / number).write("code"), {"np": np, "x": np.array([3.0])})
        np.testing.assert_array_equal(divided, np.array([3.0]) / number)


@given(st.floats())
def test_a_number_in_code_is_the_same_number(x):
    found = float(eval(number(x, "code"), {"np": np}))
    assert math.copysign(1, found) == math.copysign(1, x) or x != x
    assert found == x or x != x


def test_numbers_to_be_read_are_short():
    numbers = (0.1 + 0.2, -0.5, 2.0, 1e-5, -1e-5, 2.5e20, math.inf, -math.inf)
    assert [number(x, "text") for x in numbers] == [
        "0.3", "−0.5", "2", "1e−05", "−1e−05", "2.5e+20", "∞", "−∞"
    ]  # fmt: skip
    assert [number(x, "latex") for x in numbers] == [
        "0.3", "-0.5", "2", "10^{-5}", "-10^{-5}", r"2.5\cdot 10^{20}", r"\infty", r"-\infty"
    ]  # fmt: skip


def test_numbers_below_zero_are_in_brackets_where_powers_are_taken():
    powers = [(Num(x) ** Y).write("text") for x in (-2.0, -0.0, 0.0, 0.5, 2.0)]
    assert powers == ["(−2)^y", "(−0)^y", "0^y", "½^y", "2^y"]


def test_of_many_terms_the_first_and_the_last_are_read():
    terms = [name(letter) for letter in "abcdefghij"]
    nine, ten = Num(0.0) + sum(terms[:9]), Num(0.0) + sum(terms)
    assert nine.write("text") == "a + b + c + d + e + f + g + h + i"
    assert ten.write("text") == "a + b + c + d + e + f + g + … (2 more) + j"
    assert ten.write("latex") == r"a + b + c + d + e + f + g + \cdots\;(\text{2 more}) + j"
    assert ten.write("code") == "a + b + c + d + e + f + g + h + i + j"
    assert Stack(terms[:9]).write("text") == "a, b, c, d, e, f, g, h, i"
    assert Stack(terms).write("text") == "a, b, c, d, e, f, g, … (2 more), j"
    assert Stack(terms).write("code") == "stacked(a, b, c, d, e, f, g, h, i, j)"


def test_a_sum_of_more_than_fifty_terms_is_a_call_in_code():
    fifty = sum(range(50), Num(0.0)) + sum([X] * 50)
    assert sum([X] * 49, X).write("code") == " + ".join(["x"] * 50)
    assert sum([X] * 50, X).write("code") == f"sum([{', '.join(['x'] * 51)}])"
    assert fifty.size == 1


# Conditions


@pytest.mark.parametrize(
    ("sign", "text", "latex"), [("<", "<", "<"), (">", ">", ">"), ("<=", "≤", r"\le"),
                                (">=", "≥", r"\ge")]
)  # fmt: skip
def test_a_comparison(sign, text, latex):
    assert forms(Comparison(sign, X, Y + 1)) == tuple(f"x {s} y + 1" for s in (sign, text, latex))
    assert [relation(sign, form) for form in ("code", "text", "latex")] == [sign, text, latex]


def test_cases_and_conditions_that_hold_together():
    chosen = algebra.where(algebra.both(algebra.equal(X, 0), Y >= 1), X, 2 * Y)
    assert chosen.write("text") == "(x if x = 0 and y ≥ 1, else 2 y)"
    assert chosen.write("latex") == (
        r"\begin{cases} x & x = 0 \text{ and } y \ge 1 \\ 2\,y & \text{else} \end{cases}"
    )
    assert chosen.write("code") == "np.where(np.logical_and(np.equal(x, 0), y >= 1), x, 2 * y)"


def test_a_choice_of_numbers_has_the_conditions_kind_of_float():
    assert algebra.where(X > 0, 1, 2).write("code") == "np.where(x > 0, 1, 2).astype(x.dtype)"
    for e in (algebra.where(X > 0, X, 0), algebra.where(X > 0, 0, X)):
        assert "astype" not in e.write("code")


def test_functions_by_their_names():
    assert call("sigmoid", "x", "text") == "σ(x)"
    assert call("erf", "x, y", "text") == "erf(x, y)"
    assert [call(f, "x", "latex") for f in ("sigmoid", "tanh", "erf", "log_sum_exp")] == [
        r"\sigma\left(x\right)", r"\tanh\left(x\right)", r"\operatorname{erf}\left(x\right)",
        r"\operatorname{log\_sum\_exp}\left(x\right)",
    ]  # fmt: skip
    assert Function("erf", (X,)).write("code") == "erf(x)"
    assert Function("asin", (X,)).write("code") == "np.arcsin(x)"


def test_a_condition_counts_one_or_zero_in_arithmetic(own_table):
    """NumPy would add conditions as one or the other, and refuse their difference."""

    @operation(lambda m, g, y, x: (g * ((x >= 1) + (x >= 2)) * (2 ** (x < 0)),))
    def bent(m, x):
        return ((x > 0) - (x < 0)) * x + 3 * m.exp(x > 1) + (x > 1) * m.abs(m.equal(x, 2))

    w, x = Value(1.0), Value(0.5)
    program = lift(bent(w * x), [x], parameters=[w])
    for point in (-2.0, 0.0, 1.0, 1.5, 2.0):
        v = Value(point)
        out = bent(v)
        out.backward()
        for kind in (np.float64, np.float32):
            (found,), (slope,) = program.value_and_grad(np.array([[point]], kind))
            assert found.dtype == slope.dtype == kind
            assert math.isclose(found, out.data, rel_tol=float(4 * np.finfo(kind).eps))
            assert math.isclose(slope, v.grad * point, rel_tol=float(4 * np.finfo(kind).eps))


def test_a_kind_of_formula_says_how_it_is_written():
    class Unwritten(Expr):
        batch, size = False, 1

    with pytest.raises(TypeError, match="_write"):
        Unwritten()
