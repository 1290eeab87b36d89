"""Terms as text and LaTeX, with indices and with matrices; which terms have an equation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_terms import sample
from support.term_examples import EXAMPLES, attention, network, recurrence

from microgradnet import ops
from microgradnet.lifting.derivatives import adjoints
from microgradnet.lifting.equations import equations, name_terms
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
        (multiply(add(B, constant(1)), B), "(b[i] + 1) b[i]"),
        (Map(ops.divide, (B, add(B, constant(1)))), "b[i] / (b[i] + 1)"),
        (Map(ops.subtract, (B, add(B, constant(1)))), "b[i] − (b[i] + 1)"),
        (Map(ops.sigmoid, (B,)), "σ(b[i])"),
        (Map(ops.maximum, (B, constant(0.25))), "maximum(b[i], 0.25)"),
        (Map(ops.xlogy, (B, B)), "b[i] log(b[i])"),
        (Map(ops.raise_to, (B, B)), "b[i]^(b[i])"),
        (Map(ops.power_constant.variant(exponent=3), (B,)), "b[i]³"),
        (Map(ops.power_constant.variant(exponent=0.5), (B,)), "b[i]^½"),
        (Map(ops.power_constant.variant(exponent=-1.5), (B,)), "b[i]^(−1.5)"),
        (Map("where", (Map("less", (B, constant(0))), B, constant(0))), "(b[i] if b[i] < 0, else 0)"),
        (Map("both", (Map("less_equal", (B, B)), Map("equal", (B, B)))), "b[i] ≤ b[i] and b[i] = b[i]"),
        (Map(ops.hypot, (B, B)), "hypot(b[i], b[i])"),
        (Map("vanishing_product", (B, constant(2))), "2 b[i]"),
        (Map(VJP(ops.tanh, 0), (B, B, B)), "b[i] tanh′(b[i])"),
        (Map(VJP(ops.tanh, 0), (constant(1), B, B)), "tanh′(b[i])"),
        (Map(VJP(ops.tanh, 0), (constant(-1), B, B)), "−tanh′(b[i])"),
        (Map(VJP(ops.tanh, 0), (negative(B), B, B)), "−b[i] tanh′(b[i])"),
        (Map(VJP(ops.tanh, 0), (constant([1.0, 2.0], I), B, B)), "K[i] tanh′(b[i])"),
        (Map(VJP(ops.divide, 0), (B, B, B, B)), "b[i] / b[i]"),
        (Map(VJP(ops.maximum, 0), (B, B, B, constant(2))), "b[i] maximum′(b[i], 2)"),
        (LogSumExp(W, (J,)), "log_sum_exp_j(W[i,j])"),
        (Softmax(W, (I, J)), "softmax_i,j(W[i,j])"),
        (rename(B, I, K), "b[k]"),
        (read_at(W, J, 1), "W[i,1]"),
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
    assert term_text(scan) == "(s[j − 1] + x[j],   s[j − 1] = 0 at j = −1)"
    back = Scan(J, ((T, constant(0), step),), T, True)
    assert term_text(back) == "(s[j + 1],   s[j + 1] = 0 at j = 3)"


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
        (multiply(leaf("W1", I), leaf("W1", I)), r"\left(W^{1}_{i}\right)^{2}"),
        (multiply(B, B), "b_{i}^{2}"),
        (leaf("λ", I), r"\lambda_{i}"),
        (leaf("δ", I), r"\delta_{i}"),
        (leaf("w_q", I), r"\mathrm{w\_q}_{i}"),
        (leaf("∂C/∂b1", I), r"\frac{\partial C}{\partial b^{1}}_{i}"),
        (multiply(add(B, B, constant(1)), B), r"\left(2\,b_{i} + 1\right)\,b_{i}"),
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
    found = adjoints([(example.cost, constant(1))], example.parameters)
    gradients = {leaf: found[leaf] for leaf in example.parameters}
    return [e.text for e in equations(example.cost, gradients, found, names)]


def test_a_network():
    assert printed(network([3, 4, 2], ops.sigmoid)) == [
        "z1 = W1 x + b1",
        "a1 = σ(z1)",
        "z2 = W2 a1 + b2 − y",
        "C = ½ Σ z2²",
        "δ1 = (W2ᵀ z2) ⊙ σ′(z1)",
        "∂C/∂W1 = δ1 xᵀ",
        "∂C/∂b1 = δ1",
        "∂C/∂W2 = z2 a1ᵀ",
        "∂C/∂b2 = z2",
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
        "∂C/∂O = 2 z4 Wo",
        "∂C/∂A = ∂C/∂O Vᵀ",
        "∂C/∂S[h,i,j] = A[h,i,j] (∂C/∂A[h,i,j] − Σ_j ∂C/∂A[h,i,j] A[h,i,j])",
        "∂C/∂Q = 0.707107 ∂C/∂S K",
        "∂C/∂K = 0.707107 (∂C/∂S)ᵀ Q",
        "∂C/∂V = Aᵀ ∂C/∂O",
        "∂C/∂Wq = (∂C/∂Q)ᵀ x",
        "∂C/∂Wk = (∂C/∂K)ᵀ x",
        "∂C/∂Wv = (∂C/∂V)ᵀ x",
        "∂C/∂Wo = 2 z4ᵀ O",
    ]


def test_a_recurrence():
    assert printed(recurrence(4, 3, 2)) == [
        "h = tanh(W h[t − 1] + x Uᵀ + b),   h[−1] = 0",
        "C = Σ_i h[3,i]²",
        "v1 = W h[t − 1] + x Uᵀ + b,   h[−1] = 0",
        "δ1[t,i] = (Σ_i′ δ1[t + 1] W[i′,i]) tanh′(v1[t,i]),   (Σ_i′ δ1[t + 1] W[i′,i]) = 2 h[3,i] at t = 4",
        "∂C/∂W = δ1ᵀ h[t − 1]",
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
    assert name_terms(example.cost).keys() & example.names.keys()
