"""Terms as text and LaTeX, with indices and with matrices; which terms have an equation."""

from __future__ import annotations

import operator
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.random_terms import sample
from support.term_examples import EXAMPLES, attention, network, recurrence

from microgradnet import ops
from microgradnet.lifting.equations import equations_of, name_terms, write_equations
from microgradnet.lifting.latex import term_latex
from microgradnet.lifting.terms import (
    VJP,
    Affine,
    Axis,
    Concatenate,
    Constant,
    Extent,
    Leaf,
    LogSumExp,
    Map,
    Mask,
    Put,
    Scan,
    Softmax,
    State,
    Take,
    add,
    constant,
    multiply,
    negative,
    read_at,
    rename,
    sum_over,
)
from microgradnet.lifting.text import TEXT, term_text
from microgradnet.lifting.writing import Formulas

N, I, J, K = Axis("n"), Axis("i", 2), Axis("j", 3), Axis("k", 2)


def leaf(name, *axes, role="parameter"):
    shape = [axis.size for axis in axes if axis.size is not None]
    return Leaf(name, role, axes, np.arange(np.prod(shape, dtype=int)))


W, B, X = leaf("W", I, J), leaf("b", I), leaf("x", N, J, role="input")
T = State("s", ())


@pytest.mark.parametrize(
    ("term", "text"),
    [
        (sum_over(multiply(W, X), J), "Σ_j W[i,j] x[j]"),
        (add(sum_over(multiply(W, X), J), B), "Σ_j W[i,j] x[j] + b[i]"),
        (add(B, negative(B), constant(-2)), "b[i] − b[i] − 2"),
        (add(negative(B), constant(1)), "1 − b[i]"),
        (add(B, multiply(constant(-0.5), B, B)), "b[i] − ½ b[i]²"),
        (multiply(constant(3), B), "3 b[i]"),
        (negative(B), "−b[i]"),
        (multiply(constant(1e-5), B), "1e−05 b[i]"),
        (constant(0.5), "½"),
        (constant(-np.inf), "−∞"),
        (constant([1.0, 2.0], I), "K[i]"),
        (Extent(N), "1"),
        (multiply(Extent(N), B), "b[i]"),
        (multiply(add(B, constant(1)), B), "b[i] (b[i] + 1)"),
        (Map(ops.divide, (B, add(B, constant(1)))), "b[i] / (b[i] + 1)"),
        (Map(ops.subtract, (B, add(B, constant(1)))), "b[i] − (b[i] + 1)"),
        (Map(ops.sigmoid, (B,)), "σ(b[i])"),
        (Map(ops.maximum, (B, constant(0.25))), "max(b[i], 0.25)"),
        (Map(ops.xlogy, (B, B)), "b[i] log(b[i])"),
        (Map(ops.raise_to, (B, B)), "b[i]^b[i]"),
        (Map(ops.power_constant.variant(exponent=3), (B,)), "b[i]³"),
        (Map(ops.power_constant.variant(exponent=0.5), (B,)), "b[i]^½"),
        (Map(ops.power_constant.variant(exponent=-1.5), (B,)), "b[i]^(−1.5)"),
        (Map("where", (Map("less", (B, constant(0))), B, constant(0))),
         "(b[i] if b[i] < 0, else 0)"),
        (Map("both", (Map("less_equal", (B, B)), Map("equal", (B, B)))),
         "b[i] ≤ b[i] and b[i] = b[i]"),
        (Map(ops.hypot, (B, B)), "hypot(b[i], b[i])"),
        (Map("vanishing_product", (B, constant(2))), "2 b[i]"),
        (Map(VJP(ops.tanh, 0), (B, B, B)), "b[i] tanh′(b[i])"),
        (Map(VJP(ops.tanh, 0), (constant(1), B, B)), "tanh′(b[i])"),
        (Map(VJP(ops.tanh, 0), (constant(-1), B, B)), "−tanh′(b[i])"),
        (Map(VJP(ops.tanh, 0), (negative(B), B, B)), "−b[i] tanh′(b[i])"),
        (Map(VJP(ops.tanh, 0), (constant([1.0, 2.0], I), B, B)), "K[i] tanh′(b[i])"),
        (Map(VJP(ops.divide, 0), (B, B, B, B)), "b[i] / b[i]"),
        (Map(VJP(ops.maximum, 0), (B, B, B, constant(2))), "b[i] max′(b[i], 2)"),
        (Map("is_infinite", (B,)), "is_infinite(b[i])"),
        (Map(ops.multiply, (B, Map(ops.multiply, (constant(3), B)))), "3 b[i]²"),
        (LogSumExp(W, (J,)), "log_sum_exp_j(W[i,j])"),
        (Softmax(W, (I, J)), "softmax_i,j(W[i,j])"),
        (rename(B, I, K), "b[k]"),
        (read_at(W, J, 1), "W[i,2]"),
        (read_at(rename(W, I, K), J, Affine(0, ((Axis("u", 2), 1),))), "W[k,u]"),
        (Take(B, I, Constant([1, 0], (K,))), "b[K[k]]"),
        (Put(B, J, Affine(1, ((I, 1),)), (I,)), "Σ_i b[i] [i + 1 = j]"),
        (Mask(B, (Affine(-1, ((I, 1), (K, -1))),), -np.inf), "(b[i] if k + 1 ≤ i, else −∞)"),
        (Concatenate(Axis("c", 3), ((B, I), (constant(1), None))), "[b[i]; 1]"),
        (sum_over(negative(add(B, B, constant(1))), I), "−Σ_i (2 b[i] + 1)"),
        (rename(sum_over(multiply(W, rename(B, I, K)), I), K, I), "Σ_i′ W[i′,j] b[i]"),
    ],
)  # fmt: skip
def test_index_notation(term, text):
    assert term_text(term) == text
    assert repr(term) == text


def test_two_axes_of_one_name_have_two_letters():
    other = Axis("i", 2)
    assert term_text(multiply(B, leaf("c", other))) == "b[i] c[i′]"


def test_a_recurrence_is_told_with_where_it_begins():
    x = leaf("x", J)
    step = add(T, x)
    scan = Scan(J, ((T, constant(0), step),), step)
    assert term_text(scan) == "(s[j − 1] + x[j],   s[0] = 0)"
    back = Scan(J, ((T, constant(0), step),), T, True)
    assert term_text(back) == "(s[j + 1],   s[j] = s[j + 1] + x[j],   s[4] = 0)"


@pytest.mark.parametrize(
    ("term", "latex"),
    [
        (sum_over(multiply(W, X), J), r"\sum_{j} W_{i,j}\,x_{j}"),
        (Map(ops.divide, (B, add(B, constant(1)))), r"\frac{b_{i}}{b_{i} + 1}"),
        (Map(ops.sigmoid, (B,)), r"\sigma\left(b_{i}\right)"),
        (Map(ops.tanh, (B,)), r"\tanh\left(b_{i}\right)"),
        (Map(ops.leaky_relu, (B,)), r"\operatorname{leaky\_relu}\left(b_{i}\right)"),
        (Map(VJP(ops.tanh, 0), (B, B, B)), r"b_{i}\,\tanh'\left(b_{i}\right)"),
        (Softmax(W, (J,)), r"\operatorname{softmax}_{j}\left(W_{i,j}\right)"),
        (constant(0.5), r"\tfrac{1}{2}"),
        (constant(-0.5), r"-\tfrac{1}{2}"),
        (constant(1e-5), "10^{-5}"),
        (constant(-1e-5), "-10^{-5}"),
        (constant(2.5e20), r"2.5\cdot 10^{20}"),
        (constant(np.inf), r"\infty"),
        (multiply(leaf("W1", I), leaf("W1", I)), r"{\left(W^{1}_{i}\right)}^{2}"),
        (multiply(B, B), "b_{i}^{2}"),
        (leaf("λ", I), r"\lambda_{i}"),
        (leaf("δ", I), r"\delta_{i}"),
        (leaf("w_q", I), r"\mathrm{w\_q}_{i}"),
        (leaf("∂C/∂b1", I), r"\frac{\partial C}{\partial b^{1}}_{i}"),
        (multiply(add(B, B, constant(1)), B), r"b_{i}\,\left(2\,b_{i} + 1\right)"),
        (Mask(B, (Affine(0, ((I, 1), (K, -1))),)),
         r"\begin{cases} b_{i} & k \le i \\ 0 & \text{else} \end{cases}"),
    ],
)  # fmt: skip
def test_latex(term, latex):
    assert term_latex(term) == latex


@given(st.randoms(use_true_random=False))
def test_random_terms_can_be_written(rng):
    for term in sample(rng).every:
        assert term_text(term)
        assert term_latex(term).count("{") == term_latex(term).count("}")
        assert Formulas(TEXT).equation(term, "v").startswith("v")


# With matrices


def printed(example, names=None):
    return bare(example.cost, names=names, examples=example.examples)


def test_a_network():
    assert printed(network([3, 4, 2], ops.sigmoid)) == [
        "z1 = W1 x + b1",
        "a1 = σ(z1)",
        "z2 = W2 a1 + b2 − y",
        "C = ½ Σ z2²",
        "δ2 = z2",
        "δ1 = (W2ᵀ δ2) ⊙ σ′(z1)",
        "∂C/∂b2 = δ2",
        "∂C/∂W2 = δ2 a1ᵀ",
        "∂C/∂b1 = δ1",
        "∂C/∂W1 = δ1 xᵀ",
    ]


def test_an_attention():
    assert printed(attention(3, 4)) == [
        "Q = x Wqᵀ",
        "K = x Wkᵀ",
        "S = 0.707107 Q Kᵀ",
        "A = softmax(S)",
        "V = x Wvᵀ",
        "O = A V",
        "z4 = O Woᵀ",
        "C = Σ z4²",
        "δ4 = 2 z4",
        "∂C/∂O = δ4 Wo",
        "∂C/∂V = Aᵀ ∂C/∂O",
        "∂C/∂A = ∂C/∂O Vᵀ",
        "∂C/∂S[h,i,j] = A[h,i,j] (∂C/∂A[h,i,j] − Σ_j′ ∂C/∂A[h,i,j′] A[h,i,j′])",
        "∂C/∂K = 0.707107 (∂C/∂S)ᵀ Q",
        "∂C/∂Q = 0.707107 ∂C/∂S K",
        "∂C/∂Wo = δ4ᵀ O",
        "∂C/∂Wv = (∂C/∂V)ᵀ x",
        "∂C/∂Wk = (∂C/∂K)ᵀ x",
        "∂C/∂Wq = (∂C/∂Q)ᵀ x",
    ]


def test_a_recurrence():
    assert printed(recurrence(4, 3, 2)) == [
        "z1[t] = W a1[t − 1] + U x[t] + b",
        "a1[t] = tanh(z1[t]),   a1[0] = 0",
        "C = Σ_i a1[4,i]²",
        "δ1[t] = (Wᵀ δ1[t + 1]) ⊙ tanh′(z1[t]),   Wᵀ δ1[t + 1] = 2 a1[4] at t = 4",
        "∂C/∂W = δ1ᵀ a1[t − 1]",
        "∂C/∂U = δ1ᵀ x",
        "∂C/∂b[i] = Σ_t δ1[t,i]",
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_equation_is_longer_than_a_line(name):
    example = EXAMPLES[name]()
    for names in (None, example.names):
        assert all(len(text) <= 100 for text in printed(example, names))


def test_given_names_are_kept():
    example = attention(3, 4)
    assert "out = O Woᵀ" in printed(example, example.names)
    assert name_terms([example.cost]).keys() & example.names.keys()


# What is rare


def bare(cost, names=None, examples=N):
    found = equations_of([cost], [(cost, constant(1))], names, examples=examples)
    return [e.text for e in found]


def test_outer_products_and_products_without_rows():
    v, w = leaf("v", J), leaf("w", J)
    outer = multiply(B, v)
    assert "C = Σ sin(b vᵀ)" in bare(sum_over(Map(ops.sin, (outer,)), I, J))
    assert bare(multiply(sum_over(multiply(v, w), J), constant(2)))[0] == "C = 2 Σ v ⊙ w"
    turned = leaf("U", J, I)
    assert bare(sum_over(Map(ops.sin, (sum_over(multiply(W, turned), I, J),))))[0]


def test_products_whose_axes_are_in_another_order_have_indices():
    a, b = leaf("a", I, J, K), leaf("b", J, I, K)
    crossed = sum_over(multiply(a, rename(b, K, Axis("m", 2))), I, J)
    texts = bare(sum_over(Map(ops.sin, (crossed,)), *crossed.axes))
    assert texts[0] == "z1[k,m] = Σ_i,j a[i,j,k] b[j,i,m]"


def test_softmax_along_two_axes_has_indices():
    assert bare(sum_over(multiply(Softmax(W, (I, J)), W), I, J))[0].startswith("z1 = Σ_")


def test_operations_without_notation_are_written_out():
    rows = [Map(ops.softmax_component.variant(index=1), (B, B, B)), Map(ops.log_sum_exp, (B, B))]
    for term in rows:
        assert "softmax" in term_text(term) or "log_sum_exp" in term_text(term)
    assert "b[i]" in term_text(Map(ops.weighted_sum, (B, B, B)))


def test_a_long_sum_is_written_in_parts():
    cost = sum_over(add(*[leaf(f"parameter_{k}_of_a_hundred", I) for k in range(6)]), I)
    texts = bare(cost)
    assert texts[1:3] == [
        "v1 = v2 + parameter_3_of_a_hundred + parameter_4_of_a_hundred + parameter_5_of_a_hundred",
        "C = Σ v1",
    ]
    assert max(map(len, texts)) <= 100


def test_an_equation_that_cannot_be_shortened_stays_long():
    factors = [leaf(f"parameter_{k}_of_a_hundred", I) for k in range(6)]
    (text, *_) = bare(sum_over(multiply(*factors), I))
    assert len(text) > 100


def test_terms_with_one_name_twice_are_written_by_it():
    z = Map(ops.sin, (sum_over(multiply(W, X), J),))
    shared = add(z, multiply(z, z))
    texts = bare(sum_over(shared, I))
    assert texts[0] == "z1 = W x"
    assert texts[1] == "a1 = sin(z1)"


def test_two_attentions_are_numbered():
    q = attention(3, 4)
    r = attention(3, 4)
    both = add(q.cost, r.cost)
    names = set(name_terms([both]).values())
    assert {"A1", "S1", "O1", "Q1", "K1", "V1", "A2", "O2"} <= names


def test_a_softmax_of_other_things_is_no_attention():
    scores = multiply(W, W)
    A = Softmax(Map(ops.tanh, (add(scores, W),)), (J,))
    assert "A" not in name_terms([sum_over(multiply(A, W), I, J)]).values()
    alone = Softmax(sum_over(multiply(W, leaf("U", J, K)), J), (K,))
    assert "A" not in name_terms([sum_over(alone, I, K)]).values()


def test_a_renamed_key_is_a_key():
    example = attention(3, 4)
    assert {"Q", "K", "V"} <= set(name_terms([example.cost]).values())


def test_what_a_state_passes_on_is_shown_by_its_steps():
    x, s = leaf("x", J), State("s", ())
    total = Scan(J, ((s, constant(0), add(s, x)),), multiply(s, x))
    texts = bare(sum_over(total, J))
    assert texts[:2] == ["s[j] = s[j − 1] + x[j],   s[0] = 0", "v1[j] = s[j − 1] x[j]"]


def test_a_minus_within_a_sum_over_axes():
    assert term_text(sum_over(Map(ops.negative, (B,)), I)) == "−Σ_i b[i]"
    assert term_text(multiply(B, sum_over(negative(W), J))) == "−b[i] Σ_j W[i,j]"
    assert term_text(Map(ops.multiply, (B, constant(2)))) == "2 b[i]"


def test_gradients_are_turned_as_their_parameters_are():
    turned = leaf("U", J, I)
    cost = sum_over(Map(ops.sin, (sum_over(multiply(turned, X), J),)), I)
    assert "∂C/∂U = x δ1ᵀ" in bare(cost)
    bias = leaf("b1", I)
    z = add(sum_over(multiply(W, X), J), bias)
    assert "∂C/∂b1 = δ1" in bare(sum_over(Map(ops.sin, (z,)), I))


def test_a_gradient_that_is_an_adjoint_is_its_name():
    x, bias = leaf("x", J, role="input"), leaf("b1", I)
    z = add(sum_over(multiply(W, x), J), bias)
    texts = bare(sum_over(Map(ops.sin, (z,)), I))
    assert texts[-2:] == ["∂C/∂b1 = δ1", "∂C/∂W = δ1 xᵀ"]


def test_an_attention_to_what_is_given():
    i, j, k = Axis("i", 3), Axis("j", 3), Axis("k", 2)
    q = sum_over(multiply(leaf("Wq", k, J), leaf("x", i, J, role="input")), J)
    scores = sum_over(multiply(q, rename(q, i, j)), k)
    out = sum_over(multiply(Softmax(scores, (j,)), leaf("v", j, k, role="input")), j)
    names = name_terms([sum_over(multiply(out, out), i, k)])
    assert sorted(names.values()) == ["A", "K", "O", "S"]  # q is both Q and K


def test_what_is_read_twice_has_a_name():
    norm = Softmax(B, (I,))
    cost = sum_over(add(Map(ops.sin, (norm,)), Map(ops.cos, (norm,))), I)
    assert bare(cost)[0] == "v1 = softmax(b)"


def test_many_parts_are_counted_between_the_first_and_the_last():
    leaves = [leaf(f"v{k}", I) for k in range(12)]
    assert term_text(add(*leaves)).endswith("+ v6[i] + … (4 more) + v11[i]")
    assert term_text(multiply(*leaves)).endswith("v6[i] … (4 more) v11[i]")
    assert r"\cdots\;(\text{4 more})" in term_latex(Map(ops.log_sum_exp, tuple(leaves)))


def test_squares_of_all_parameters_are_those_of_theta():
    bias = leaf("b", I)
    penalty = add(sum_over(multiply(W, W), I, J), sum_over(multiply(bias, bias), I))
    cost = add(sum_over(Map(ops.sin, (bias,)), I), multiply(constant(3), penalty))
    found = equations_of([cost], [(cost, constant(1))], n_parameters=8)
    assert found[0].text == "C = Σ sin(b) + 3 ‖θ‖²"
    assert found[0].latex.endswith(r"+ 3\,\left\|\theta\right\|^{2}")
    assert write_equations(found, TEXT)["C"] == "C = Σ sin(b) + 3 (‖W‖² + ‖b‖²)"
    assert bare(sum_over(multiply(W, W), I, J)) == ["C = ‖W‖²", "∂C/∂W = 2 W"]


def test_sums_over_what_is_free_outside_have_another_letter():
    shares = Softmax(B, (I,))
    assert term_text(multiply(B, sum_over(multiply(shares, B), I))).count("i′") == 4


def test_a_share_of_a_softmax_is_counted_from_1():
    assert term_text(read_at(Softmax(W, (J,)), J, 1)) == "softmax_j(W[i,j])[2]"
    assert (
        term_text(Map(ops.softmax_component.variant(index=1), (B, B))) == "softmax(b[i], b[i])[2]"
    )
    assert term_latex(read_at(Softmax(W, (J,)), J, 1)).endswith("_{2}")
    assert term_latex(Map(ops.softmax_component.variant(index=1), (B, B))).endswith("_{2}")


def test_what_is_read_of_what_is_read_is_composed():
    reversed_twice = read_at(read_at(W, J, Affine(2, ((J, -1),))), J, Affine(2, ((J, -1),)))
    assert term_text(reversed_twice) == "W[i,j]"
    assert term_text(read_at(read_at(W, J, Affine(0, ((K, 2),))), K, 1)) == "W[i,3]"


def test_slices_of_vectors_stand_in_brackets():
    long = leaf("x", Axis("k", 9), role="input")
    (axis,) = long.axes
    for at, shown in ((Affine(2, ((J, 1),)), "3…5"), (Affine(8, ((J, -2),)), "9,7,5")):
        cost = sum_over(Map(ops.sin, (multiply(leaf("w", J), read_at(long, axis, at)),)), J)
        assert bare(cost)[0] == f"C = Σ sin(w ⊙ x[{shown}])"


# What is written, read back


LETTERS = "xyz"
LEAVES = {letter: leaf(letter, role="input") for letter in LETTERS}


def applied(e):
    """An operation on two formulas, or on one and a number."""
    letters = st.sampled_from(LETTERS)
    return (
        st.tuples(st.sampled_from((operator.add, operator.sub, operator.mul)), e, e)
        | st.tuples(st.just(operator.truediv), e, st.tuples(st.just(operator.mul), letters, e))
        | st.tuples(st.just(operator.pow), e, st.integers(2, 3))
    )


TREES = st.recursive(st.sampled_from(LETTERS) | st.integers(-3, 3), applied, max_leaves=6)


def value_of(tree, values):
    if isinstance(tree, tuple):
        op, x, y = tree
        return op(value_of(x, values), value_of(y, values))
    return values[tree] if isinstance(tree, str) else Fraction(tree)


def term_of(tree):
    if not isinstance(tree, tuple):
        return LEAVES[tree] if isinstance(tree, str) else constant(tree)
    op, x, y = tree
    left = term_of(x)
    if op is operator.pow:
        return Map(ops.power_constant.variant(exponent=y), (left,))
    right = term_of(y)
    if op is operator.truediv:
        return Map(ops.divide, (left, right))
    if op is operator.mul:
        return multiply(left, right)
    return add(left, right if op is operator.add else negative(right))


def python_of_text(text):
    """A space between two operands multiplies."""
    signs = {"²": "**2", "³": "**3", "½": "0.5", "−": "-", "^": "**"}
    for power in range(4, 10):
        signs["⁰¹²³⁴⁵⁶⁷⁸⁹"[power]] = f"**{power}"
    for sign, python in signs.items():
        text = text.replace(sign, python)
    return re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", text)


def python_of_latex(latex):
    for sign, python in {
        r"\tfrac{1}{2}": "0.5", r"\frac": "frac", r"\left(": "(", r"\right)": ")", r"\,": "*",
        "^": "**", "{": "(", "}": ")",
    }.items():  # fmt: skip
        latex = latex.replace(sign, python)
    return latex


@given(TREES, st.tuples(*[st.integers(-3, 3).filter(bool).map(Fraction)] * 3))
def test_formulas_read_as_what_was_written(tree, numbers):
    values = dict(zip(LETTERS, numbers, strict=True))
    try:
        wanted = value_of(tree, values)
    except ZeroDivisionError:
        assume(False)
    term = term_of(tree)
    for code in (python_of_text(term_text(term)), python_of_latex(term_latex(term))):
        exact = re.sub(r"(?<![\w.])\d+(\.\d+)?", r'F("\g<0>")', code)
        names = {"F": Fraction, "frac": lambda x: lambda y: x / y, **values}
        assert eval(exact, names) == wanted, code


def test_names_that_are_taken_get_a_prime():
    z = sum_over(multiply(W, leaf("x", J, role="input")), J)
    cost = sum_over(Map(ops.sin, (add(z, leaf("δ1", I)),)), I)
    assert [text for text in bare(cost) if text.startswith("δ1′ = ")]


def test_a_long_forward_equation_gives_parts_their_own():
    xs = [leaf(f"a_name_that_is_very_much_longer_{k}", I, role="input") for k in range(3)]
    cost = sum_over(multiply(*[Map(ops.sin, (multiply(x, x, x),)) for x in xs]), I)
    assert max(map(len, bare(cost))) <= 100


def test_sums_within_sums_that_have_names_stay():
    inner = add(B, constant(1))
    outer = Map(ops.add, (inner, Map(ops.sin, (B,))))
    assert Formulas(TEXT, {inner: "v"}).formula(outer) == "v[i] + sin(b[i])"
    assert Formulas(TEXT, {inner: "v"}).equation(outer, "z") == "z = v + sin(b)"


def test_numbers_are_written_apart_where_their_product_is_no_float():
    w, x = leaf("w"), leaf("x", role="input")
    assert (
        term_text(Map(ops.multiply, (constant(1e200), w, constant(1e200), x)))
        == "1e+200 1e+200 w x"
    )
    assert (
        term_text(Map(ops.multiply, (constant(1e-200), constant(1e-200), w))) == "1e−200 1e−200 w"
    )
    assert term_text(Map(ops.multiply, (constant(1e200), constant(1e200)))) == "1e+200 1e+200"
    assert term_text(Map(ops.multiply, (constant(float("inf")), constant(2.0), w))) == "∞ w"
    assert term_text(Map(ops.multiply, (constant(0.0), constant(2.0), w))) == "0 w"
