"""Files of parameters: whole or not at all, and an error for what is no such file."""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from microgradnet import MLP, Module, Value, fit, load, save, sin
from microgradnet.costs import quadratic
from microgradnet.datasets import Column, Preparation, from_table
from microgradnet.nn import Layer, Neuron
from microgradnet.optim import Adam, GradientDescent, Momentum, Optimizer

KINDS = ["npz", "safetensors"]
# A folder is of no account to hypothesis: each example writes its files anew.
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, require_oracle: Callable[[str], Any]) -> str:
    if request.param == "safetensors":
        require_oracle("safetensors")
    return str(request.param)


def model_of(*sizes: int, seed: int = 0) -> MLP:
    return MLP(sizes[0], sizes[1:], rng=Random(seed))


def numbers(model: Module) -> list[Any]:
    return [p.data for p in model.parameters()]


# --- state_dict -----------------------------------------------------------------------------------


def test_the_state_is_the_matrices_by_layer() -> None:
    model = model_of(3, 4, 2)
    state = model.state_dict()
    assert list(state) == ["layers.1.weight", "layers.1.bias", "layers.2.weight", "layers.2.bias"]
    for l in (1, 2):
        assert np.array_equal(state[f"layers.{l}.weight"], model.weights[l])
        assert np.array_equal(state[f"layers.{l}.bias"], model.biases[l])
    assert state["layers.1.weight"].dtype == np.float64
    state["layers.1.weight"][0, 0] = 99.0
    assert model.layers[0].neurons[0].w[0].data != 99.0


def test_modules_of_every_kind_have_a_state() -> None:
    class Own(Module):
        def __init__(self) -> None:
            self.factor = Value(2.0)
            self.inner = [Neuron(2), Layer(2, 1)]
            self.values = (Value(1.0), Value(Fraction(1, 3)))

    own = Own()
    state = own.state_dict()
    assert {name: array.shape for name, array in state.items()} == {
        "factor": (), "inner.0.weight": (2,), "inner.0.bias": (), "inner.1.weight": (1, 2),
        "inner.1.bias": (1,), "values.0": (), "values.1": (),
    }  # fmt: skip
    assert state["values.1"].item() == Fraction(1, 3)
    other = Own()
    other.load_state_dict(state)
    assert numbers(other) == numbers(own)
    assert Module().state_dict() == {}


def test_a_state_keeps_numbers_of_every_kind() -> None:
    model = model_of(1, 2)
    model.weights[1] = [[Fraction(1, 3)], [2]]
    other = model_of(1, 2, seed=1)
    other.load_state_dict(model.state_dict())
    assert [type(x) for x in numbers(other)] == [type(x) for x in numbers(model)]
    assert numbers(other) == numbers(model)
    other.load_state_dict({"layers.1.weight": [[1], [2]], "layers.1.bias": [0.0, Fraction(1, 2)]})
    assert [type(x) for x in numbers(other)] == [int, float, int, Fraction]


def test_names_that_differ_are_named() -> None:
    model = model_of(2, 3, 1)
    before = numbers(model)
    state = model_of(2, 3, 1, seed=1).state_dict()
    del state["layers.2.bias"]
    state["layers.2.bais"] = np.zeros(1)
    with pytest.raises(ValueError, match=r"missing 'layers.2.bias'; unexpected 'layers.2.bais'"):
        model.load_state_dict(state)
    assert numbers(model) == before
    keys = model.load_state_dict(state, strict=False)
    assert keys == (["layers.2.bias"], ["layers.2.bais"])
    assert np.array_equal(model.weights[2], state["layers.2.weight"])
    assert model.biases[2][0] == before[-1]


@pytest.mark.parametrize(
    ("wrong", "error", "named"),
    [
        (np.zeros((2, 3)), ValueError, r"layers.2.weight .*\(1, 3\).* not \(2, 3\)"),
        (np.zeros(3), ValueError, r"not \(3,\)"),
        ([[1.0, 2.0], [3.0]], ValueError, "layers.2.weight"),
        (np.zeros((1, 3), complex), TypeError, "layers.2.weight: 0j is complex"),
        ([[True, 1.0, 2.0]], TypeError, "bool"),
        ([["1", "2", "3"]], TypeError, "layers.2.weight: '1' is a str"),
        (None, ValueError, "layers.2.weight"),
    ],
)
def test_a_wrong_array_changes_nothing(wrong: Any, error: type, named: str) -> None:
    model = model_of(2, 3, 1)
    before = numbers(model)
    state = model_of(2, 3, 1, seed=1).state_dict() | {"layers.2.weight": wrong}
    for strict in (True, False):
        with pytest.raises(error, match=named):
            model.load_state_dict(state, strict=strict)
        assert numbers(model) == before


# --- There and back -------------------------------------------------------------------------------

floats = st.floats(allow_nan=False, allow_infinity=False)


@given(arrays(float, (3, 2), elements=floats), arrays(float, 3, elements=floats))
@same_folder
def test_what_is_loaded_is_what_was_saved(kind: str, tmp_path: Path, W: Any, b: Any) -> None:
    model, other = model_of(2, 3), model_of(2, 3, seed=1)
    model.weights[1], model.biases[1] = W, b
    save(model, tmp_path / f"model.{kind}")
    load(other, str(tmp_path / f"model.{kind}"))
    assert [x.hex() for x in numbers(other)] == [x.hex() for x in numbers(model)]
    assert os.listdir(tmp_path) == [f"model.{kind}"]


def test_not_a_number_is_a_number_here(kind: str, tmp_path: Path) -> None:
    model, other = model_of(1, 2), model_of(1, 2)
    model.weights[1] = [[float("nan")], [float("inf")]]
    save(model, tmp_path / f"model.{kind}")
    load(other, tmp_path / f"model.{kind}")
    assert np.array_equal(other.weights[1], model.weights[1], equal_nan=True)


def test_numbers_that_a_float_equals_are_saved_as_such(kind: str, tmp_path: Path) -> None:
    place = tmp_path / f"model.{kind}"
    model, other = model_of(1, 2), model_of(1, 2)
    model.weights[1] = [[Fraction(1, 2)], [3]]
    save(model, place)
    load(other, place)
    assert numbers(other) == [0.5, 0.0, 3.0, 0.0]
    content = place.read_bytes()
    for unfit in (Fraction(1, 3), 2**53 + 1, 10**400):
        model.weights[1] = [[unfit], [3]]
        with pytest.raises(ValueError, match=r"layers\.1\.weight"):
            save(model, place)
        assert place.read_bytes() == content


def test_numpy_reads_what_is_saved(tmp_path: Path) -> None:
    model = model_of(2, 3, 1)
    save(model, tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as file:
        assert list(file) == list(model.state_dict())
        for name, array in model.state_dict().items():
            assert np.array_equal(file[name], array)


@pytest.mark.parametrize("compress", [np.savez, np.savez_compressed])
def test_what_numpy_saves_is_read(tmp_path: Path, compress: Callable[..., None]) -> None:
    place, model, other = tmp_path / "model.npz", model_of(2, 3), model_of(2, 3, seed=1)
    state = model.state_dict()
    transposed = {"layers.1.weight": np.asfortranarray(state["layers.1.weight"])}
    compress(place, **(state | transposed))
    load(other, place)
    assert numbers(other) == numbers(model)
    half = {name: array.astype(">f2") for name, array in state.items()}
    compress(place, **half)
    load(other, place)
    assert np.array_equal(other.weights[1], half["layers.1.weight"].astype(float))


def test_safetensors_reads_and_writes_the_same(
    tmp_path: Path, require_oracle: Callable[[str], Any]
) -> None:
    library = require_oracle("safetensors.numpy")
    place, model, other = tmp_path / "model.safetensors", model_of(2, 3), model_of(2, 3, seed=1)
    save(model, place)
    for name, array in library.load_file(place).items():
        assert np.array_equal(array, model.state_dict()[name])
    state = {name: array.astype(np.float32) for name, array in model.state_dict().items()}
    library.save_file(state, place)
    load(other, place)
    assert np.array_equal(other.weights[1], state["layers.1.weight"].astype(float))


# --- Atomic ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_a_save_that_fails_leaves_the_old_file_and_no_other(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "model.npz"
    save(model_of(2, 3), place)
    content = place.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="disk full"):
        save(model_of(2, 3, seed=1), place)
    assert place.read_bytes() == content
    assert os.listdir(tmp_path) == ["model.npz"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "real.npz", tmp_path / "link.npz"
    save(model_of(2, 3), target)
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("no links here")
    save(model_of(2, 3, seed=1), link)
    assert link.is_symlink()
    load(other := model_of(2, 3), target)
    assert numbers(other) == numbers(model_of(2, 3, seed=1))


# --- Files that are not what they should be -------------------------------------------------------


def refused(model: MLP, place: Path, named: str | None = None) -> None:
    """One line that names the file, and the model as it was."""
    before = numbers(model)
    with pytest.raises(ValueError, match=named) as caught:
        load(model, place)
    assert str(place) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert numbers(model) == before


@given(data=st.data())
@same_folder
def test_a_truncated_file_is_refused(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    place = tmp_path / f"model.{kind}"
    save(model_of(2, 3, 1), place)
    content = place.read_bytes()
    place.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    refused(model_of(2, 3, 1, seed=1), place)


@given(data=st.data())
@same_folder
def test_a_damaged_file_is_refused_or_read_as_it_stands(
    kind: str, tmp_path: Path, data: st.DataObject
) -> None:
    """No byte, however changed, leads to anything but numbers or a ValueError."""
    place = tmp_path / f"model.{kind}"
    save(model_of(2, 3, 1), place)
    content = bytearray(place.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    place.write_bytes(content)
    model = model_of(2, 3, 1, seed=1)
    before = numbers(model)
    try:
        load(model, place)
    except ValueError as error:
        assert "\n" not in str(error)
        assert numbers(model) == before
    else:
        assert all(type(x) is float for x in numbers(model))


@given(st.binary(max_size=200))
@same_folder
def test_any_other_bytes_are_refused(kind: str, tmp_path: Path, content: bytes) -> None:
    place = tmp_path / f"model.{kind}"
    place.write_bytes(content)
    refused(model_of(2, 3), place, "damaged, or no .*file|names are not those")


def test_another_models_file_is_refused(kind: str, tmp_path: Path) -> None:
    place = tmp_path / f"model.{kind}"
    save(model_of(2, 4, 1), place)
    refused(model_of(2, 3, 1), place, r"layers.1.weight .*\(3, 2\).* not \(4")
    refused(model_of(2, 4), place, "unexpected 'layers.2.(weight|bias)', 'layers.2")
    refused(model_of(2, 4, 1, 1), place, "missing 'layers.3.weight'")


def write_npz(place: Path, **members: bytes) -> None:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"layers.1.{name}.npy", content)


def npy(array: Any) -> bytes:
    content = BytesIO()
    np.lib.format.write_array(content, np.asarray(array))
    return content.getvalue()


class Exploit:
    def __reduce__(self) -> Any:
        return os.abort, ()


def test_no_pickle_is_ever_opened(tmp_path: Path) -> None:
    place, bias = tmp_path / "model.npz", npy(np.zeros(3))
    hostile = BytesIO()
    np.lib.format.write_array(hostile, np.array([[Exploit()] * 2] * 3), allow_pickle=True)
    write_npz(place, weight=hostile.getvalue(), bias=bias)
    refused(model_of(2, 3), place, "layers.1.weight holds no real numbers")
    write_npz(place, weight=pickle.dumps(Exploit()), bias=bias)
    refused(model_of(2, 3), place, "damaged")


@pytest.mark.parametrize(
    "array", [np.zeros((3, 2), complex), np.zeros((3, 2), bool), np.full((3, 2), "1.0")]
)
def test_what_are_no_real_numbers_is_refused(array: Any, tmp_path: Path) -> None:
    write_npz(tmp_path / "model.npz", weight=npy(array), bias=npy(np.zeros(3)))
    refused(model_of(2, 3), tmp_path / "model.npz", "layers.1.weight holds no real numbers")


def test_a_file_that_would_unpack_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    place, bias = tmp_path / "model.npz", npy(np.zeros(3))
    honest = npy(np.zeros((3, 2)))
    zeros = bytes(2**26)
    write_npz(place, weight=honest + zeros, bias=bias)  # the header is right, what follows is not
    tracemalloc.start()
    refused(model_of(2, 3), place, "layers.1.weight .*bytes")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(zeros) / 4
    header = honest.replace(b"(3, 2)", b"(3, 2" + b"0" * 12 + b")")
    write_npz(place, weight=header, bias=bias)
    refused(model_of(2, 3), place)
    write_npz(place, weight=honest, bias=bias, more=zeros)
    refused(model_of(2, 3), place, "unexpected 'layers.1.more'")


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    place, content = tmp_path / "model.npz", npy(np.zeros((3, 2)))
    write_npz(place, weight=content, bias=npy(np.zeros(3)))
    with zipfile.ZipFile(place, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("layers.1.weight.npy", content)
    refused(model_of(2, 3), place, "two arrays of one name")


def test_a_safetensors_file_of_other_kinds_is_refused(
    tmp_path: Path, require_oracle: Callable[[str], Any]
) -> None:
    library = require_oracle("safetensors.numpy")
    place = tmp_path / "model.safetensors"
    for kind in (bool, np.complex64):
        state = {"layers.1.weight": np.zeros((3, 2), kind), "layers.1.bias": np.zeros(3)}
        library.save_file(state, place)
        refused(model_of(2, 3), place, "layers.1.weight holds no real numbers")
    header = json.dumps({"layers.1.weight": {"dtype": "F64", "shape": [3, 2],
                                             "data_offsets": [0, 2**60]}}).encode()  # fmt: skip
    place.write_bytes(struct.pack("<Q", len(header)) + header)
    refused(model_of(2, 3), place, "damaged")
    place.write_bytes(struct.pack("<Q", 2**62))
    refused(model_of(2, 3), place, "damaged")


# --- Places ---------------------------------------------------------------------------------------


def test_places_where_there_is_nothing_to_read_or_write(kind: str, tmp_path: Path) -> None:
    model = model_of(2, 3)
    with pytest.raises(FileNotFoundError, match="absent"):
        load(model, tmp_path / f"absent.{kind}")
    with pytest.raises(FileNotFoundError) as missing:
        save(model, tmp_path / "absent" / f"model.{kind}")
    assert missing.value.filename == str(tmp_path / "absent" / f"model.{kind}")
    (tmp_path / f"folder.{kind}").mkdir()
    with pytest.raises(OSError):  # Windows forbids what elsewhere is a folder
        load(model, tmp_path / f"folder.{kind}")
    with pytest.raises(OSError):
        save(model, tmp_path / f"folder.{kind}")
    assert os.listdir(tmp_path) == [f"folder.{kind}"]


@pytest.mark.parametrize("name", ["model", "model.pt", "model.npy", "npz", ".npz"])
def test_the_ending_says_the_format(name: str, tmp_path: Path) -> None:
    for use in (save, load):
        with pytest.raises(ValueError, match=r"ends in \.npz or \.safetensors"):
            use(model_of(2, 3), tmp_path / name)


def test_without_safetensors_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for use in (save, load):
        with pytest.raises(ImportError, match="pip install safetensors"):
            use(model_of(2, 3), tmp_path / "model.safetensors")


@pytest.mark.parametrize("function", [save, load])
def test_arguments_the_wrong_way_round(function: Callable[..., None], tmp_path: Path) -> None:
    name = function.__name__
    with pytest.raises(TypeError, match=rf"as in {name}\(model, 'model.npz'\), not 'a.npz'"):
        function("a.npz", MLP(2, [1]))


def test_without_safetensors_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for function in (save, load):
        with pytest.raises(ImportError, match="pip install safetensors"):
            function(MLP(2, [1]), tmp_path / "model.safetensors")


@pytest.mark.parametrize("rule", [GradientDescent, Momentum, Adam])
def test_a_training_goes_on_as_if_it_had_never_stopped(
    rule: type[Optimizer], kind: str, tmp_path: Path
) -> None:
    def steps(model: MLP, optimizer: Optimizer, n: int) -> None:
        for _ in range(n):
            model.zero_grad()
            quadratic([model([0.5, -1.0])], [1.0]).backward()
            optimizer.step()

    whole = model_of(2, 3, 1)
    steps(whole, rule(whole.parameters(), lr=0.1), 5)
    first = model_of(2, 3, 1)
    steps(first, optimizer := rule(first.parameters(), lr=0.1), 2)
    save(first, tmp_path / f"model.{kind}")
    save(optimizer, tmp_path / f"optimizer.{kind}")
    then = model_of(2, 3, 1, seed=9)
    load(then, tmp_path / f"model.{kind}")
    load(resumed := rule(then.parameters(), lr=0.1), tmp_path / f"optimizer.{kind}")
    assert resumed.steps == 2
    steps(then, resumed, 3)
    assert [p.data for p in then.parameters()] == [p.data for p in whole.parameters()]


def test_the_memory_of_other_parameters_is_refused(tmp_path: Path) -> None:
    save(Adam(model_of(2, 3, 1).parameters()), tmp_path / "adam.npz")
    for other in (Adam(model_of(2, 2, 1).parameters()), Momentum(model_of(2, 3, 1).parameters())):
        with pytest.raises(ValueError, match=r"\(3, 13\)"):
            load(other, tmp_path / "adam.npz")
    with pytest.raises(ValueError, match="unexpected 'memory'"):
        load(GradientDescent(model_of(2, 3, 1).parameters(), 0.1), tmp_path / "adam.npz")


def test_every_version_of_numpys_format_that_may_hold_the_arrays(tmp_path: Path) -> None:
    model, place = model_of(2, 1), tmp_path / "model.npz"
    for version in ((1, 0), (2, 0), (3, 0)):
        with zipfile.ZipFile(place, "w") as archive:
            for name, array in model.state_dict().items():
                with archive.open(f"{name}.npy", "w") as entry:
                    np.lib.format.write_array(entry, array, version=version)
        if version < (3, 0):
            load(other := model_of(2, 1, seed=1), place)
            assert numbers(other) == numbers(model)
        else:
            with pytest.raises(ValueError, match=r"\(3, 0\)"):
                load(model, place)


def described(kind: str, tmp_path: Path, description: str) -> Path:
    """Write a small network's arrays with that description."""
    path = tmp_path / f"model.{kind}"
    model = MLP(2, [3, 1])
    save(model, path)
    if kind == "npz":
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = description.encode()
    else:
        numpy = pytest.importorskip("safetensors.numpy")
        numpy.save_file(model.state_dict(), path, {"microgradnet": description})
    return path


def test_a_file_holds_the_model_and_what_it_says(kind: str, tmp_path: Path) -> None:
    table = {"x": [1.0, 2.0, 3.0, 4.0], "c": ["r", "g", "r", "g"], "y": [True, False, True, False]}
    data = from_table(table, test_fraction=0)
    model = MLP(3, [4, 2, 2], activation=["relu", "tanh"], output_activation="softmax", seed=0)
    fit(model, data, cost="log_likelihood", epochs=5, progress=False)
    save(model, tmp_path / f"model.{kind}")
    again = load(tmp_path / f"model.{kind}")
    assert repr(again) == repr(model)
    assert (again.answers, again.preparation) == (model.answers, model.preparation)
    assert again.predict(data.train.X).tolist() == model.predict(data.train.X).tolist()
    assert [p.data for p in again.parameters()] == [p.data for p in model.parameters()]


def test_another_network_is_named_and_changes_nothing(kind: str, tmp_path: Path) -> None:
    save(MLP(2, [3, 1], activation="tanh"), tmp_path / f"model.{kind}")
    model = MLP(2, [3, 1], activation="relu", seed=0)
    before = [p.data for p in model.parameters()]
    with pytest.raises(ValueError, match="its layers are tanh-linear, those of the model relu-lin"):
        load(model, tmp_path / f"model.{kind}")
    assert [p.data for p in model.parameters()] == before


@pytest.mark.parametrize("activation", [lambda v: v * v, sin])
def test_a_file_that_does_not_say_what_it_holds_is_read_into_a_model(
    kind: str, tmp_path: Path, activation: Any
) -> None:
    own = MLP(2, [3, 1], activation=activation)
    save(own, tmp_path / f"model.{kind}")
    with pytest.raises(ValueError, match="it does not say what its model is: make the model"):
        load(tmp_path / f"model.{kind}")
    load(own, tmp_path / f"model.{kind}")
    load(MLP(2, [3, 1], activation="tanh"), tmp_path / f"model.{kind}")


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": [2, 100_000, 100_000, 1]},
        {"sizes": [2, 3, -1]},
        {"sizes": "2,3,1"},
        {"sizes": [2.5, 3, 1]},
        {"activations": ["relu", "no such"]},
        {"activations": ["relu"]},
        {"granularity": 7},
    ],
)
def test_a_description_that_is_not_true_is_refused(
    kind: str, tmp_path: Path, change: dict[str, Any]
) -> None:
    network = {"sizes": [2, 3, 1], "activations": ["relu", "linear"], "granularity": "atomic"}
    rest = {"microgradnet": 1, "answers": {"classes": []}, "preparation": None}
    good = described(kind, tmp_path, json.dumps({"network": network, **rest}))
    assert load(good).sizes == [2, 3, 1]
    path = described(kind, tmp_path, json.dumps({"network": {**network, **change}, **rest}))
    with pytest.raises(ValueError, match=f"is damaged, or no .{kind} file"):
        load(path)


@pytest.mark.parametrize("description", ["{", "[]", '{"network": {}}', "null"])
def test_a_damaged_description_is_refused(kind: str, tmp_path: Path, description: str) -> None:
    path = described(kind, tmp_path, description)
    for arguments in ((path,), (MLP(2, [3, 1]), path)):
        with pytest.raises(ValueError, match=f"is damaged, or no .{kind} file"):
            load(*arguments)


def test_a_description_too_long_for_npz_is_refused(tmp_path: Path) -> None:
    model = MLP(1, [1])
    model.preparation = Preparation((Column("c", tuple(f"word {k}" for k in range(9000))),), "y")
    with pytest.raises(ValueError, match=r"save it as \.safetensors"):
        save(model, tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())
