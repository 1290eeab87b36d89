"""Networks: parameters, initialisers, the forward pass and its δ, matrices in and out."""

from __future__ import annotations

import copy
import pickle
import random
import statistics
from collections.abc import Callable
from fractions import Fraction
from math import sqrt
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradnet import ops
from microgradnet.costs import hinge, quadratic
from microgradnet.engine import Value
from microgradnet.graph import topological_order
from microgradnet.nn import ACTIVATIONS, INITIALISERS, MLP, Layer, Module, Neuron
from microgradnet.operation import operation

ELEMENTWISE = [name for name in ACTIVATIONS if name != "softmax"]


def model_of(*sizes: int, seed: int = 0, **options: Any) -> MLP:
    return MLP(sizes[0], sizes[1:], rng=Random(seed), **options)


# --- Parameters -----------------------------------------------------------------------------------


def test_parameters_run_neuron_by_neuron_weights_then_bias() -> None:
    model = model_of(2, 2, 1)
    labels = [p.label for p in model.parameters()]
    assert labels == ["w¹₁₁", "w¹₁₂", "b¹₁", "w¹₂₁", "w¹₂₂", "b¹₂", "w²₁₁", "w²₁₂", "b²₁"]
    neuron = model.layers[0].neurons[1]
    assert neuron.parameters() == [*neuron.w, neuron.b] == model.parameters()[3:6]
    assert model.layers[0].parameters() == model.parameters()[:6]


def test_named_parameters_are_the_parameters_in_their_order() -> None:
    model = model_of(2, 2, 1)
    names = dict(model.named_parameters())
    assert list(names.values()) == model.parameters()
    assert list(names) == [
        "layers.1.weight[1,1]", "layers.1.weight[1,2]", "layers.1.bias[1]",
        "layers.1.weight[2,1]", "layers.1.weight[2,2]", "layers.1.bias[2]",
        "layers.2.weight[1,1]", "layers.2.weight[1,2]", "layers.2.bias[1]",
    ]  # fmt: skip
    neuron = Neuron(2)
    assert list(neuron.named_parameters()) == list(
        zip(["weight[1]", "weight[2]", "bias"], neuron.parameters(), strict=True)
    )


def test_zero_grad_forgets_them_all() -> None:
    model = model_of(2, 2, 1)
    quadratic(model([1.0, 2.0]), 1.0).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert [p.grad for p in model.parameters()] == [0] * 9


def test_a_module_of_ones_own() -> None:
    class Scale(Module):
        def __init__(self) -> None:
            self.factor = Value(2.0, label="factor")
            self.shift = Value(1.0)

            self.inner = (Neuron(1), {"not": "a parameter"})

    scale = Scale()
    (scale.factor * 3).backward()
    scale.zero_grad()
    assert scale.factor.grad == 0
    assert [name for name, _ in scale.named_parameters()] == [
        "factor", "shift", "inner.0.weight[1]", "inner.0.bias",
    ]  # fmt: skip
    assert Module().parameters() == []


# --- Activations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_activation_by_name(name: str) -> None:
    for z in (-4.0, -0.5, 0.0, 2.0):
        want = z if name == "linear" else getattr(ops, name)(z)
        neuron = Neuron(1, activation=name, init="zeros")
        neuron.b.data = z
        assert neuron([1.0]).data == want
        assert neuron.weighted_input([1.0]).data == z
        model = MLP(1, [1, 1], activation=name, init="zeros")
        model.biases[1] = [z]
        forward = model.forward([1.0])
        assert (forward.a[1][0].data, forward.z[2][0].data) == (want, 0.0)
        output = MLP(1, [1], output_activation=name, init="zeros")
        output.biases[1] = [z]
        assert output([1.0]).data == want


def test_softmax_stands_at_the_output() -> None:
    model = model_of(2, 3, output_activation="softmax")
    forward = model.forward([1.0, -1.0])
    assert [v.data for v in forward.a[1]] == ops.softmax([v.data for v in forward.z[1]])
    for wrong in (
        lambda: MLP(2, [3, 1], activation="softmax"),
        lambda: Neuron(2, activation="softmax"),
    ):
        with pytest.raises(ValueError, match="softmax"):
            wrong()


def test_hidden_layers_are_relu_and_the_output_linear() -> None:
    model = model_of(2, 2, 2, 1)
    assert [layer.activation for layer in model.layers] == ["relu", "relu", "linear"]
    assert repr(Neuron(2)) == "ReLUNeuron(2)" and repr(Neuron(2, False)) == "LinearNeuron(2)"
    assert repr(MLP(1, [1])) == "MLP of [Layer of [LinearNeuron(1)]]"


@pytest.mark.parametrize("declared", [True, False])
def test_an_activation_of_ones_own(declared: bool, own_table: None) -> None:
    @operation(lambda m, g, y, x: (g * 2 * x,), "$x²")
    def squared(m: Any, x: Any) -> Any:
        """x²."""
        return x * x

    model = model_of(2, 2, 1, activation=squared if declared else lambda v: v * v)
    forward = model.forward([1.0, -2.0])
    assert [a.data for a in forward.a[1]] == [z.data**2 for z in forward.z[1]]
    hinge(forward.output, 1).backward()
    outgoing = model.layers[1].neurons[0].w
    for z, error, w in zip(forward.z[1], forward.delta[1], outgoing, strict=True):
        assert error == forward.delta[2][0] * w.data * 2 * z.data


# --- Initialisers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("init", "bound", "variance"),
    [
        ("uniform", 1, 1 / 3),
        ("xavier", sqrt(6 / 50), 2 / 50),
        ("he", None, 2 / 40),
        ("zeros", 0, 0),
    ],
)
def test_initialisers(init: str, bound: float | None, variance: float) -> None:
    layer = Layer(40, 10, init=init, rng=Random(1))
    weights = [w.data for neuron in layer.neurons for w in neuron.w]
    n = len(weights)
    if bound is not None:
        assert max(map(abs, weights)) <= bound
        assert max(map(abs, weights)) >= 0.97 * bound
    # Five standard deviations of a mean, and of a variance of (at most) normal numbers.
    assert abs(statistics.fmean(weights)) <= 5 * sqrt(variance / n)
    assert abs(statistics.pvariance(weights) - variance) <= 5 * variance * sqrt(2 / n)
    assert [neuron.b.data for neuron in layer.neurons] == [0] * 10


@pytest.mark.parametrize("init", INITIALISERS)
def test_a_seed_gives_the_same_network(init: str) -> None:
    first, again, other = (model_of(3, 4, 2, seed=s, init=init) for s in (7, 7, 8))
    data = [[p.data for p in model.parameters()] for model in (first, again, other)]
    assert data[0] == data[1]
    assert (data[0] == data[2]) == (init == "zeros")
    random.seed(7)
    assert [p.data for p in MLP(3, [4, 2], init=init).parameters()] == data[0]


def test_an_initialiser_of_ones_own() -> None:
    seen = []

    def init(rng: Any, n_in: int, n_out: int) -> Fraction:
        seen.append((n_in, n_out))
        return Fraction(1, n_in)

    model = MLP(2, [3, 1], init=init)
    assert seen == [(2, 3)] * 6 + [(3, 1)] * 3
    assert model.weights[2].tolist() == [[Fraction(1, 3)] * 3]


def test_the_generator_passed_in_is_the_only_one_asked() -> None:
    random.seed(3)
    before = random.getstate()
    model_of(2, 2)
    assert random.getstate() == before


@pytest.mark.parametrize("seed", range(5))
def test_it_draws_and_computes_what_micrograd_does(
    seed: int, require_oracle: Callable[[str], Any]
) -> None:
    theirs_nn = require_oracle("micrograd.nn")
    random.seed(seed)
    theirs = theirs_nn.MLP(2, [16, 16, 1])
    random.seed(seed)
    ours = MLP(2, [16, 16, 1])
    assert [p.data for p in ours.parameters()] == [p.data for p in theirs.parameters()]
    x = [0.5, -1.25]
    got, want = ours(x), theirs(x)
    # They begin the sum with 0 and end it with the bias, which is still 0: the same additions.
    assert got.data == pytest.approx(want.data, rel=1e-12)
    got.backward()
    want.backward()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert p.grad == pytest.approx(q.grad, rel=1e-9, abs=1e-12)
    assert repr(ours) == repr(theirs)


# --- The forward pass -----------------------------------------------------------------------------


def test_the_forward_pass_is_indexed_as_the_equations_are() -> None:
    model = model_of(2, 3, 1, activation="tanh")
    forward = model.forward([1.0, -2.0])
    assert [len(layer) for layer in forward.z] == [0, 3, 1]
    assert [len(layer) for layer in forward.a] == [2, 3, 1]
    assert [v.data for v in forward.a[0]] == [1.0, -2.0]
    for l in (1, 2):
        W, b = model.weights[l], model.biases[l]
        for j, z in enumerate(forward.z[l]):
            total = b[j]
            for w, a in zip(W[j], forward.a[l - 1], strict=True):
                total = total + w * a.data
            assert z.data == total
    assert [a.data for a in forward.a[1]] == [ops.tanh(z.data) for z in forward.z[1]]
    assert forward.output is forward.a[2][0] is forward.z[2][0]
    quadratic(forward.output, 0.5).backward()
    assert [len(layer) for layer in forward.delta] == [0, 3, 1]
    assert forward.delta[2] == [forward.output.data - 0.5]
    assert forward.delta[1] == [z.grad for z in forward.z[1]]
    assert forward.delta[-1] == forward.delta[2] and forward.delta[1:] == list(forward.delta)[1:]
    with pytest.raises(IndexError):
        forward.delta[3]


def test_nodes_bear_the_names_of_the_equations() -> None:
    forward = model_of(2, 2, 2, activation="tanh", output_activation="tanh").forward([1.0, 2.0])
    assert [[v.label for v in layer] for layer in forward.z] == [[], ["z¹₁", "z¹₂"], ["z²₁", "z²₂"]]
    assert [v.label for layer in forward.a for v in layer] == [
        "a⁰₁", "a⁰₂", "a¹₁", "a¹₂", "a²₁", "a²₂"
    ]  # fmt: skip
    assert model_of(2, 1).forward([1.0, 2.0]).output.label == "z¹₁"


def test_a_comma_stands_where_an_index_has_two_digits() -> None:
    model = MLP(11, [12], init="zeros")
    labels = {p.label for p in model.parameters()}
    assert {"w¹₁₁", "w¹₁,₁₁", "w¹₁₁,₁", "w¹₁₂,₁₁", "w¹₉₉", "b¹₁₂"} - {"w¹₁,₁₁"} <= labels
    assert len(labels) == len(model.parameters())
    assert model.forward([0.0] * 11).z[1][11].label == "z¹₁₂"


def test_an_input_that_is_a_value_keeps_its_name_and_gets_a_gradient() -> None:
    x = [Value(1.0, label="age"), Value(2.0)]
    forward = model_of(2, 1).forward(x)
    assert forward.a[0] == x and [v.label for v in x] == ["age", ""]
    forward.output.backward()
    assert [v.grad for v in x] == forward.model.weights[1][0].tolist()


def test_delta_before_backward_says_what_to_do() -> None:
    forward = model_of(2, 2, 1).forward([1.0, 2.0])
    with pytest.raises(RuntimeError):
        forward.delta[1]
    assert len(forward.delta) == 3


def test_delta_may_be_zero_after_backward() -> None:
    model = MLP(2, [2, 1], init="zeros")
    forward = model.forward([1.0, 2.0])
    quadratic(forward.output, 0.0).backward()
    assert list(forward.delta) == [[], [0, 0], [0]]


def test_one_layer_of_one_neuron_gives_the_bare_value() -> None:
    assert isinstance(model_of(2, 1)([1.0, 2.0]), Value)
    assert isinstance(Layer(2, 1)([1.0, 2.0]), Value)
    assert [type(v) for v in model_of(2, 2)([1.0, 2.0])] == [Value, Value]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: MLP(2, [3, 1])([1.0]), "2 inputs, but x has 1"),
        (lambda: MLP(2, [3, 1]).forward(range(3)), "2 inputs, but x has 3"),
        (lambda: Layer(2, 3)([1.0] * 4), "2 inputs was given 4"),
        (lambda: Neuron(2)([]), "2 inputs was given 0"),
        (lambda: MLP(2, []), "sizes are those of the layers"),
        (lambda: MLP(0, [1]), "at least 1 input, not 0"),
        (lambda: MLP(2, [0]), "at least 1 neuron, not 0"),
        (lambda: MLP(2, [1], activation="cubic"), "no activation 'cubic': there are linear"),
        (lambda: MLP(2, [1], output_activation="cubic"), "no activation 'cubic'"),
        (lambda: MLP(2, [1], init="ones"), "no initialiser 'ones': there are uniform"),
    ],
)
def test_refusals(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


# --- Matrices in and out --------------------------------------------------------------------------


def test_weights_and_biases_are_numpy_out_and_assignment_in() -> None:
    model = model_of(2, 3, 1)
    assert (model.weights[1].shape, model.biases[1].shape) == ((3, 2), (3,))
    assert model.weights[1].dtype == model.biases[2].dtype == np.float64
    assert list(model.weights) == [1, 2] and len(model.biases) == 2
    W, b = np.arange(6.0).reshape(3, 2), [7.0, 8.0, 9.0]
    model.weights[1], model.biases[1] = W, b
    neurons = model.layers[0].neurons
    assert [[w.data for w in neuron.w] for neuron in neurons] == W.tolist()
    assert all(type(w.data) is float for neuron in neurons for w in neuron.w)
    assert [neuron.b.data for neuron in neurons] == b
    W[0, 0] = 99  # not a view
    assert neurons[0].w[0].data == 0.0 and neurons[0].w[1].data == 1.0
    model.weights[1] *= 2
    assert neurons[2].w[1].data == 10.0
    model.weights[2] = [[Fraction(1, 3), 1, 2]]
    assert model.weights[2].tolist() == [[Fraction(1, 3), 1, 2]]
    assert model.weights[2].dtype == object


def test_what_is_written_into_a_copy_of_the_weights_is_not_lost_in_silence() -> None:
    model = model_of(2, 3, 1)
    before = [p.data for p in model.parameters()]
    with pytest.raises(ValueError, match=r"model\.weights\[1\]\.copy\(\)"):
        model.weights[1][0, 0] += 1
    with pytest.raises(ValueError):
        model.biases[1][1:][0] = 2.0
    assert [p.data for p in model.parameters()] == before
    # As a number in a computation it is an array as any other.
    W = model.weights[1]
    plain = np.asarray(W)
    assert repr(W) == repr(plain)
    for compute in (lambda W: W - 1, lambda W: W @ np.ones(2), np.tanh, lambda W: np.maximum(0, W)):
        result = compute(W)
        assert type(result) is np.ndarray and (result == compute(plain)).all()
    into = np.empty_like(plain)
    assert np.add(W, W, out=into) is into and (into == 2 * plain).all()
    W -= 1  # a new array; the parameters are as they were
    assert (W == plain - 1).all() and (model.weights[1] == plain).all()
    changed = model.weights[1].copy()
    changed[0, 0] = 99
    model.weights[1] = changed
    assert model.layers[0].neurons[0].w[0].data == 99


@pytest.mark.parametrize(
    ("matrix", "error", "message"),
    [
        ([[1.0, 2.0, 3.0]], ValueError, r"weights\[1\] has shape \(2, 2\), not \(1, 3\)"),
        ([1.0, 2.0], ValueError, r"shape \(2, 2\), not \(2,\)"),
        ([[1.0, 2.0], [3.0, "four"]], TypeError, "is a str"),
        ([[1.0, 2.0], [3.0, None]], TypeError, "None is not a number"),
        ([[1.0, 2.0], [3.0, 4j]], TypeError, "complex"),
    ],
)
def test_a_rejected_assignment_writes_nothing(
    matrix: Any, error: type[Exception], message: str
) -> None:
    model = model_of(2, 2)
    before = model.weights[1].tolist()
    with pytest.raises(error, match=message):
        model.weights[1] = matrix
    assert model.weights[1].tolist() == before


@pytest.mark.parametrize("l", [0, 2, -1, "1"])
def test_there_are_layers_one_to_L(l: Any) -> None:
    model = model_of(2, 2)
    with pytest.raises(KeyError):
        model.weights[l]
    with pytest.raises(KeyError):
        model.biases[l] = [0.0, 0.0]


@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(0, 99))
def test_a_network_is_its_matrices(widths: list[int], seed: int) -> None:
    model, copied = model_of(*widths, seed=seed), model_of(*widths, init="zeros")
    for l in model.weights:
        copied.weights[l], copied.biases[l] = model.weights[l], model.biases[l]
    assert [p.data for p in copied.parameters()] == [p.data for p in model.parameters()]


# --- Copies ---------------------------------------------------------------------------------------


def by_pickle(x: Any) -> Any:
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("copied", [by_pickle, copy.deepcopy])
def test_a_forward_pass_is_copied_with_its_model_as_one_graph(copied: Callable[..., Any]) -> None:
    model = model_of(2, 3, 2, activation="tanh", output_activation="softmax")
    forward = model.forward([1.0, -0.5])
    cost = quadratic(forward.output, [1.0, 0.0])
    cost.backward()
    new = copied(forward)
    assert list(new.delta) == list(forward.delta)
    parameters = {id(p) for p in new.model.parameters()}
    leaves = [v for v in topological_order(new.output) if v.op is None]
    assert {id(v) for v in leaves} == parameters | {id(v) for v in new.a[0]}
    assert not parameters & {id(p) for p in model.parameters()}
    reached = {id(v) for v in topological_order(new.output)}
    assert {id(v) for layer in (*new.z, *new.a) for v in layer} <= reached
    labels = [v.label for layer in new.z for v in layer]
    assert labels == [v.label for layer in forward.z for v in layer]
    new.model.zero_grad()
    quadratic(new.output, [1.0, 0.0]).backward()
    assert [p.grad for p in new.model.parameters()] == [p.grad for p in model.parameters()]


@pytest.mark.parametrize("copied", [by_pickle, copy.deepcopy])
def test_a_model_and_its_forward_pass_stay_one(copied: Callable[..., Any]) -> None:
    model = model_of(2, 2, 1)
    new_model, new_forward = copied((model, model.forward([1.0, 2.0])))
    assert new_forward.model is new_model
    leaves = {id(v) for v in topological_order([new_forward.output])}
    assert {id(p) for p in new_model.parameters()} <= leaves


@pytest.mark.parametrize("copied", [by_pickle, copy.deepcopy])
def test_before_backward_a_copy_has_no_delta_either(copied: Callable[..., Any]) -> None:
    forward = copied(model_of(2, 1).forward([1.0, 2.0]))
    with pytest.raises(RuntimeError):
        forward.delta[1]


@pytest.mark.parametrize("copied", [by_pickle, copy.deepcopy])
def test_depth_is_no_obstacle(copied: Callable[..., Any]) -> None:
    model = MLP(1, [1] * 2000, activation="tanh", rng=Random(0))
    forward = copied(model.forward([1.0]))
    assert len(forward.z) == 2001


def test_a_pass_and_its_cost_copied_together_stay_together() -> None:
    forward = model_of(2, 3, 1).forward([1.0, -1.0])
    cost = quadratic(forward.output, 1)
    for part in ((forward, cost), (cost, forward)):
        copies = copy.deepcopy(part)
        other, other_cost = (copies[part.index(x)] for x in (forward, cost))
        other_cost.backward()
        assert other.delta[2][0] == forward.output.data - 1
        assert other.a[2][0] is not forward.a[2][0]
    assert copy.copy(forward).z is forward.z


def test_wrong_kinds_of_arguments_are_named() -> None:
    for wrong, message in (
        (lambda: MLP(2, 3), r"as in \[3, 1\], not 3"),
        (lambda: MLP(2), r"as in \[3, 1\], not \(\)"),
        (lambda: MLP([2, 3, 1]), r"MLP\(2, \[3, 1\]\)"),
        (lambda: MLP(2, [1], rng=42), r"random\.Random\(42\)"),
        (lambda: MLP(2, [1], activation=3), "a name or an operation, not 3"),
        (lambda: MLP(2, [1])(1.0), r"a sequence of numbers, not 1\.0"),
        (lambda: MLP(2, [1], granularity="layer"), "no granularity 'layer'"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            wrong()


@pytest.mark.parametrize("activation", ELEMENTWISE)
def test_both_granularities_have_the_same_numbers(activation: str) -> None:
    atomic, whole = (
        model_of(3, 4, 2, activation=activation, granularity=g) for g in ("atomic", "neuron")
    )
    passes = [model.forward([0.5, -1.0, 2.0]) for model in (atomic, whole)]
    for forward in passes:
        quadratic(forward.output, [1, 0]).backward()
    for l in (1, 2):
        terms = np.abs(atomic.weights[l]) @ [abs(v.data) for v in passes[0].a[l - 1]]
        for j, (z, other) in enumerate(zip(passes[0].z[l], passes[1].z[l], strict=True)):
            assert abs(z.data - other.data) <= 1e-14 * (terms[j] + 1)
        assert np.allclose(passes[0].delta[l], passes[1].delta[l], rtol=1e-12, atol=1e-14)
    assert [len(z.parents) for z in passes[1].z[1]] == [7] * 4
    assert [p.label for p in whole.parameters()] == [p.label for p in atomic.parameters()]


def test_what_they_say_of_themselves() -> None:
    model = MLP(2, [2, 1], activation="tanh", init="zeros")
    forward = model.forward([1.0, 2.0])
    assert repr(forward) == "<ForwardPass 2-2-1, output [0.0]>"
    assert "cost.backward()" in repr(forward.delta)
    forward.output.backward()
    assert repr(forward.delta) == "[[], [0.0, 0.0], [1.0]]"
    assert repr(model.biases) == "{1: array([0., 0.]), 2: array([0.])}"
    assert repr(Neuron(3, activation=ops.tanh)) == "tanhNeuron(3)"
    assert Neuron(1).nonlin and not Neuron(1, nonlin=False).nonlin


@pytest.mark.parametrize("granularity", ["atomic", "neuron"])
def test_a_wrong_number_of_inputs_is_named_at_either_granularity(granularity: str) -> None:
    with pytest.raises(ValueError):
        Neuron(2, granularity=granularity)([1.0])


@given(seed=st.integers(0, 2**40))
def test_a_seed_is_a_generator_of_its_own(seed: int) -> None:
    for make in (
        lambda **given: MLP(2, [3, 1], **given),
        lambda **given: Layer(2, 3, **given),
        lambda **given: Neuron(2, **given),
    ):
        by_seed, by_rng = make(seed=seed), make(rng=random.Random(seed))
        assert [p.data for p in by_seed.parameters()] == [p.data for p in by_rng.parameters()]


@pytest.mark.parametrize("make", [lambda **g: MLP(2, [1], **g), lambda **g: Layer(2, 1, **g),
                                  lambda **g: Neuron(2, **g)])  # fmt: skip
def test_seed_and_rng_together_are_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="seed=0 or rng"):
        make(seed=0, rng=random.Random(0))
    with pytest.raises(TypeError):
        make(seed=0.5)
    with pytest.raises(TypeError, match="not 3"):
        make(rng=3)
