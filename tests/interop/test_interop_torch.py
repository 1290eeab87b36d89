"""PyTorch: the network of to_torch has the same outputs and gradients; from_torch is the way back.

The bounds follow rounding through the network on both sides, to first order. With u = 2⁻⁵³, a sum
of n products is off by (n + 1)u Σ|terms|, an activation or its slope by ROUNDINGS·u of the largest
term it is made of; what came in wrong is passed on by |W| and by a slope of at most SLOPE, and it
moves a slope by at most CURVATURE times itself. PyTorch has the slope ⅙ of hard_sigmoid in single
precision, so that one is off by SINGLE.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from microgradnet import MLP, Value, elu, leaky_relu, operation, ops, save
from microgradnet.nn import ACTIVATIONS

U = 2.0**-53
ROUNDINGS = 40  # PyTorch's and ours: a library function each (8), σ′ as y(1 − y), x e^(−x²/2)
SLOPE = 1.13  # gelu's, at √2; silu's is 1.1, the others' 1 or 2 (a softmax's, over all operands)
CURVATURE = 1.0  # tanh's is 0.77, gelu's 0.8, softmax's at most 1
SINGLE = 5.1e-9
HIDDEN = [name for name in ACTIVATIONS if name != "softmax"]
KINKS = {"relu": [0], "leaky_relu": [0], "elu": [0], "softsign": [0], "hard_tanh": [-1, 1],
         "hard_sigmoid": [-3, 3]}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def torch(require_oracle: Callable[[str], Any]) -> Any:
    return require_oracle("torch")


def to_torch(model: Any, **options: Any) -> Any:
    from microgradnet.interop import to_torch

    return to_torch(model, **options)


def from_torch(network: Any) -> MLP:
    from microgradnet.interop import from_torch

    return from_torch(network)


# --- The same numbers -----------------------------------------------------------------------------


def here(model: MLP, x: list[float], shares: list[float]) -> list[Any]:
    """The outputs, and the gradients of C = Σⱼ sharesⱼ aⱼ: ∂C/∂x, ∂C/∂W¹, ∂C/∂b¹ and so on."""
    model.zero_grad()
    forward = model.forward(x)
    cost = sum((a * share for a, share in zip(forward.a[-1], shares, strict=True)), Value(0.0))
    cost.backward()
    found: list[Any] = [[a.data for a in forward.a[-1]], [v.grad for v in forward.a[0]]]
    for layer in model.layers:
        found.append([[w.grad for w in neuron.w] for neuron in layer.neurons])
        found.append([neuron.b.grad for neuron in layer.neurons])
    return [np.array(numbers) for numbers in found]


def there(torch: Any, network: Any, x: list[float], shares: list[float]) -> list[Any]:
    inputs = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    outputs = network(inputs)
    network.zero_grad()
    (outputs * torch.tensor(shares, dtype=torch.float64)).sum().backward()
    parameters = [p.grad for p in network.parameters()]
    return [tensor.detach().numpy() for tensor in (outputs, inputs.grad, *parameters)]


def slope_error(activation: Any) -> float:
    return SINGLE if activation == "hard_sigmoid" else ROUNDINGS * U


def bounds(model: MLP, x: list[float], shares: list[float]) -> list[Any]:
    """How far `here` and `there` may be apart, number by number: twice what each may be off."""
    forward = model.forward(x)
    cost = sum((a * share for a, share in zip(forward.a[-1], shares, strict=True)), Value(0.0))
    cost.backward()
    W, L = model.weights, len(model.layers)
    a = [np.abs([v.data for v in layer]) for layer in forward.a]
    d = [np.abs(delta) for delta in forward.delta]
    mixes = model.layers[-1].activation == "softmax"
    off_z, off_a = [np.empty(0)], [np.zeros(len(x))]
    for l in range(1, L + 1):
        M, n = np.abs(W[l]), W[l].shape[1]
        off_z.append(M @ off_a[-1] + (n + 1) * U * (M @ a[l - 1] + np.abs(model.biases[l])))
        came = 2 * off_z[l].max() if mixes and l == L else SLOPE * off_z[l]
        off_a.append(came + ROUNDINGS * U * (1 + a[l]))
    off_d = [np.empty(0)] * (L + 1)
    below, off_below = np.abs(shares), np.zeros(len(shares))  # |∂C/∂a|, and how far it may be off
    for l in range(L, 0, -1):
        off_slope = CURVATURE * off_z[l] + slope_error(model.layers[l - 1].activation)
        if mixes and l == L:
            off_d[l] = np.full(len(below), below.sum() * off_slope.max())
        else:
            off_d[l] = SLOPE * off_below + below * off_slope
        M, n = np.abs(W[l]), len(W[l])
        below, off_below = M.T @ d[l], M.T @ off_d[l] + (n + 1) * U * (M.T @ d[l])
    allowed = [off_a[L], off_below]
    for l in range(1, L + 1):
        allowed.append(np.outer(off_d[l], a[l - 1]) + np.outer(d[l], off_a[l - 1] + U * a[l - 1]))
        allowed.append(off_d[l])
    return [2 * np.asarray(numbers) for numbers in allowed]


numbers = st.floats(-3, 3).map(lambda x: round(x, 6))


@st.composite
def networks(draw: st.DrawFn) -> tuple[MLP, list[float], list[float]]:
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    hidden, output = draw(st.sampled_from(HIDDEN)), draw(st.sampled_from(ACTIVATIONS))
    model = MLP(sizes[0], sizes[1:], activation=hidden, output_activation=output, init="zeros")
    for parameter in model.parameters():
        parameter.data = draw(numbers)
    x, shares = (draw(st.lists(numbers, min_size=n, max_size=n)) for n in (sizes[0], sizes[-1]))
    forward = model.forward(x)
    for l, layer in enumerate(model.layers, 1):  # on a kink rounding may choose either side
        kinks = KINKS.get(str(layer.activation), [])
        assume(all(abs(z.data - kink) > 1e-9 for z in forward.z[l] for kink in kinks))
    return model, x, shares


@given(networks())
def test_outputs_and_gradients_agree(
    torch: Any, network: tuple[MLP, list[float], list[float]]
) -> None:
    model, x, shares = network
    allowed = bounds(model, x, shares)
    for got, want, bound in zip(
        there(torch, to_torch(model), x, shares), here(model, x, shares), allowed, strict=True
    ):
        assert got.shape == want.shape == bound.shape
        assert (np.abs(got - want) <= bound).all(), (got, want, bound)


def test_the_bounds_are_narrow() -> None:
    """A bound that lets everything through would judge nothing."""
    model = MLP(3, [4, 2], activation="tanh", output_activation="sigmoid", rng=Random(0))
    worst = max(bound.max() for bound in bounds(model, [0.5, -1.0, 2.0], [1.0, -1.0]))
    assert 1e-16 < worst < 1e-12


MAGNITUDES = (0.0, 1e-9, 0.5, 1.0, 3.0, 15.0, 19.5, 20.5, 35.0, 39.5, 41.0, 800.0)


@pytest.mark.parametrize("z", [s * x for x in MAGNITUDES for s in (1, -1)])
@pytest.mark.parametrize("activation", HIDDEN)
def test_a_neuron_agrees_where_activations_turn(torch: Any, activation: str, z: float) -> None:
    model = MLP(1, [1], output_activation=activation, init="zeros")
    model.weights[1] = [[1.0]]
    ours, theirs = here(model, [z], [1.0]), there(torch, to_torch(model), [z], [1.0])
    for k, (got, want) in enumerate(zip(theirs, ours, strict=True)):
        error = slope_error(activation) if k else ROUNDINGS * U
        assert np.abs(got - want).max() <= error * max(1, abs(z)), k


def test_a_batch_goes_through_row_by_row(torch: Any) -> None:
    model = MLP(2, [3, 4], activation="tanh", output_activation="softmax", rng=Random(2))
    X = [[0.5, -1.0], [2.0, 0.25], [-3.0, 1.0]]
    outputs = to_torch(model)(torch.tensor(X, dtype=torch.float64))
    assert outputs.shape == (3, 4)
    for x, row in zip(X, outputs.tolist(), strict=True):
        assert row == pytest.approx([a.data for a in model(x)], rel=ROUNDINGS * U * 10)


# --- The network that is made ---------------------------------------------------------------------


def test_keys_are_numbered_as_in_the_equations(torch: Any) -> None:
    model = MLP(2, [3, 1], activation="relu", output_activation="sigmoid", rng=Random(1))
    state = to_torch(model).state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == {
        "layers.1.weight": (3, 2), "layers.1.bias": (3,),
        "layers.2.weight": (1, 3), "layers.2.bias": (1,),
    }  # fmt: skip
    for l in (1, 2):
        assert (state[f"layers.{l}.weight"].numpy() == model.weights[l]).all()
        assert (state[f"layers.{l}.bias"].numpy() == model.biases[l]).all()


def test_a_state_dict_goes_across_as_it_is(torch: Any) -> None:
    network, model, x = to_torch(MLP(2, [3, 1])), MLP(2, [3, 1], rng=Random(5)), [0.5, 2.0]
    state = {name: torch.from_numpy(array) for name, array in model.state_dict().items()}
    network.load_state_dict(state)
    outputs = network(torch.tensor(x, dtype=torch.float64)).tolist()
    assert outputs == pytest.approx([model(x).data], rel=1e-14)
    back = MLP(2, [3, 1])
    back.load_state_dict({name: tensor.numpy() for name, tensor in network.state_dict().items()})
    assert [p.data for p in back.parameters()] == [p.data for p in model.parameters()]


def test_a_saved_file_opens_in_pytorch(
    torch: Any, require_oracle: Callable[[str], Any], tmp_path: Path
) -> None:
    files = require_oracle("safetensors.torch")
    model = MLP(2, [3, 1], rng=Random(6))
    save(model, tmp_path / "model.safetensors")
    network = to_torch(MLP(2, [3, 1]))
    network.load_state_dict(files.load_file(tmp_path / "model.safetensors"))
    assert [p.data for p in from_torch(network).parameters()] == [
        p.data for p in model.parameters()
    ]


def test_modules_are_named_for_what_they_compute(torch: Any) -> None:
    network = to_torch(MLP(2, [3, 3, 1], activation="tanh", rng=Random(1)))
    assert isinstance(network, torch.nn.Sequential)
    assert [name for name, _ in network.layers.named_children()] == ["1", "a1", "2", "a2", "3"]


def test_double_precision_unless_it_is_said(torch: Any) -> None:
    model = MLP(2, [1], rng=Random(1))
    assert {p.dtype for p in to_torch(model).parameters()} == {torch.float64}
    assert {p.dtype for p in to_torch(model, dtype=torch.float32).parameters()} == {torch.float32}


def test_copies_not_views(torch: Any) -> None:
    model = MLP(2, [1], rng=Random(1))
    before = model.weights[1].copy()
    network = to_torch(model)
    with torch.no_grad():
        for p in network.parameters():
            p.zero_()
    assert (model.weights[1] == before).all()


def test_pytorchs_generator_is_left_alone(torch: Any) -> None:
    before = torch.get_rng_state()
    to_torch(MLP(20, [20, 1], rng=Random(1)))
    assert torch.equal(torch.get_rng_state(), before)


def test_fractions_become_floats(torch: Any) -> None:
    model = MLP(1, [1])
    model.weights[1], model.biases[1] = [[Fraction(1, 3)]], [2]
    state = to_torch(model).state_dict()
    assert (state["layers.1.weight"].item(), state["layers.1.bias"].item()) == (1 / 3, 2.0)


def test_slopes_come_along(torch: Any) -> None:
    for activation in (leaky_relu.variant(slope=0.3), elu.variant(alpha=2), ops.tanh):
        model = MLP(1, [1], output_activation=activation, rng=Random(3))
        model.biases[1] = [-2.0]
        got = to_torch(model)(torch.tensor([0.25], dtype=torch.float64)).item()
        assert got == pytest.approx(model([0.25]).data, rel=1e-14)


def test_what_cannot_be_said_in_pytorch(own_table: None) -> None:
    import sympy

    with pytest.raises(ValueError, match="<operation sin>"):
        to_torch(MLP(1, [1], output_activation=ops.sin))
    with pytest.raises(ValueError, match="lambda"):
        to_torch(MLP(1, [1], output_activation=lambda z: z * z))
    with pytest.raises(TypeError):
        to_torch(MLP(1, [1]).layers[0])
    model = MLP(1, [1])
    model.layers[0].neurons[0].b.data = sympy.Symbol("b")
    with pytest.raises(TypeError, match=r"layers\.1\.bias holds formulas"):
        to_torch(model)

    @operation(lambda m, g, y, x: (g,))
    def sigmoid_of_ones_own(m, x):
        return x

    with pytest.raises(ValueError, match="sigmoid_of_ones_own"):
        to_torch(MLP(1, [1], output_activation=sigmoid_of_ones_own))


# --- The way back ---------------------------------------------------------------------------------


@given(networks())
def test_there_and_back_is_the_same_model(network: tuple[MLP, list[float], list[float]]) -> None:
    model, x, _ = network
    back = from_torch(to_torch(model))
    for layer, original in zip(back.layers, model.layers, strict=True):
        assert layer.activation == original.activation
        assert [n.activation for n in layer.neurons] == [n.activation for n in original.neurons]
    assert [p.data for p in back.parameters()] == [p.data for p in model.parameters()]
    assert [p.label for p in back.parameters()] == [p.label for p in model.parameters()]
    assert [a.data for a in back.forward(x).a[-1]] == [a.data for a in model.forward(x).a[-1]]


def test_a_network_as_pytorchs_users_write_it(torch: Any) -> None:
    nn = torch.nn
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Identity())
    network = nn.Sequential(
        body, nn.Linear(4, 5, bias=False), nn.LeakyReLU(0.5), nn.Linear(5, 2), nn.Softmax(1)
    )
    model = from_torch(network)
    assert model.sizes == [3, 4, 5, 2]
    assert [layer.activation for layer in model.layers] == [
        "relu", leaky_relu.variant(slope=0.5), "softmax",
    ]  # fmt: skip
    assert not model.biases[2].any()
    x = [0.5, -1.0, 2.0]
    got = network.double()(torch.tensor([x], dtype=torch.float64))[0].tolist()
    assert [a.data for a in model(x)] == pytest.approx(got, rel=1e-13)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("nn.Sequential()", "nothing to make a network of"),
        ("nn.Tanh()", "does not follow a Linear"),
        ("nn.Sequential(nn.Linear(1, 1), nn.Tanh(), nn.Tanh())", "does not follow a Linear"),
        ("nn.Sequential(nn.Linear(1, 2), nn.Linear(3, 1))", "cannot take what"),
        ("nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.5))", "Dropout.* has no counterpart"),
        ("nn.Sequential(nn.Linear(1, 1), nn.GELU('tanh'))", "GELU.* has no counterpart"),
        ("nn.Sequential(nn.Linear(1, 1), nn.Softplus(beta=2))", "Softplus.* has no counterpart"),
        ("nn.Sequential(nn.Linear(1, 1), nn.ReLU6())", "ReLU6.* has no counterpart"),
        ("nn.Sequential(nn.Linear(1, 1), nn.Softmax(0))", "Softmax.* has no counterpart"),
        ("nn.Sequential(nn.Linear(1, 2), nn.Softmax(1), nn.Linear(2, 1))", "stands at the output"),
        ("nn.LSTM(1, 1)", "LSTM.* does not follow"),
    ],
)
def test_what_has_no_counterpart_here(torch: Any, written: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_torch(eval(written, {"nn": torch.nn}))


def test_what_is_no_module_is_refused(torch: Any) -> None:
    with pytest.raises(TypeError):
        from_torch(torch.nn.Linear(1, 1).state_dict())


def test_missing_pytorch_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from microgradnet import interop

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "microgradnet.interop.pytorch", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"to_torch needs torch.*microgradnet\[torch\]"):
        _ = interop.to_torch


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_there_and_back(torch: Any, name: str) -> None:
    model = MLP(2, [2], output_activation=name)
    (layer,) = from_torch(to_torch(model)).layers
    variants = {"leaky_relu": leaky_relu, "elu": elu}
    assert layer.activation in (name, variants.get(name))
