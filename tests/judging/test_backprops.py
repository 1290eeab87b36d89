"""A `backprop` is judged: right ones in every form, each classical mistake, two of them at a time.

The planted mistakes are sources (`support.planted_backprops`) that know nothing of the judge's
models. Two mistakes can hide each other, as a wrong BP2 in a loop that is not run. So a diagnosis
is right if the mistakes that it names, written into the source, give the same numbers.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from itertools import pairwise as pairwise_of
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.planted_backprops import (
    BACKPROPS,
    CONTRACTS,
    Made,
    backprop_with,
    pairs,
    same_numbers,
)

from microgradnet import delta
from microgradnet.judging import pictures
from microgradnet.judging.backprop_mistakes import BACKPROP_MISTAKES
from microgradnet.judging.backprops import judge_delta
from microgradnet.judging.habits import HABITS
from microgradnet.judging.report import Judgement
from microgradnet.judging.simulation import COSTS

few = settings(max_examples=settings.default.max_examples // 3)


def named(judgement: Judgement) -> list[str]:
    return [diagnosis.mistake.name for diagnosis in judgement.diagnoses]


def test_every_mistake_of_the_zoo_is_planted() -> None:
    assert {each.mistake.name for each in BACKPROP_MISTAKES} == BACKPROPS.keys()
    assert len(BACKPROPS) >= 25


@pytest.mark.parametrize("name", BACKPROPS)
def test_a_mistake_is_named_from_its_numbers(name: str) -> None:
    made = backprop_with(name)
    judgement = judge_delta(made.function, **made.contract)
    assert not judgement.ok
    assert named(judgement) == [name]


@settings(few, phases=[Phase.explicit, Phase.generate])  # a pair is as small as any
@given(st.sampled_from(pairs(BACKPROPS)), st.integers(0, 10**6))
def test_two_mistakes_at_a_time_are_named(pair: tuple[str, str], seed: int) -> None:
    made = backprop_with(*pair)
    judgement = judge_delta(made.function, **made.contract, seed=seed)
    found = named(judgement)
    if set(found) != set(pair):
        assert same_numbers(made, backprop_with(*found, convention=made.convention))
    assert judgement.ok == (not found)


@given(st.sampled_from([*CONTRACTS]), st.integers(0, 10**6), st.booleans())
def test_a_right_function_is_right_whether_its_convention_is_said_or_found(
    convention: str, seed: int, said: bool
) -> None:
    made = backprop_with(convention=convention)
    judgement = judge_delta(made.function, seed=seed, **(made.contract if said else {}))
    assert judgement.ok and not judgement.diagnoses
    assert made.contract.get("activation", "sigmoid") in judgement.reading
    assert judgement.score == 1


@few
@given(
    st.sampled_from([name for name in delta.ACTIVATIONS if name != "softmax"]),
    st.sampled_from(["sigmoid", "softmax", "linear", "tanh"]),
    st.sampled_from(["quadratic", "squared_error", "mean_squared_error"]),
    st.integers(0, 10**6),
)
def test_every_activation_and_cost_is_found(hidden: str, output: str, cost: str, seed: int) -> None:
    _, factor, mean = COSTS[cost]

    def backprop(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        names = [hidden] * (len(weights) - 1) + [output]
        found = delta.backprop(weights, biases, names, "quadratic", x, y)
        scale = factor / y.shape[-1] if mean else factor
        return [scale * b for b in found.nabla_b], [scale * w for w in found.nabla_w]

    judgement = judge_delta(backprop, seed=seed)
    assert judgement.ok
    assert f"{cost} cost" in judgement.reading
    assert output in judgement.reading


@pytest.mark.parametrize("part", ["b", "w"])
@pytest.mark.parametrize("layer", [0, 1])
def test_a_fault_of_1e_10_in_one_entry_is_found_in_its_equation(part: str, layer: int) -> None:
    right = backprop_with(convention="tanh")

    def backprop(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        nabla_b, nabla_w = right.function(weights, biases, x, y)
        array = (nabla_b if part == "b" else nabla_w)[min(layer, len(weights) - 1)]
        array.flat[np.argmax(np.abs(array))] *= 1 + 1e-10
        return nabla_b, nabla_w

    judgement = judge_delta(backprop, **right.contract)
    wrong = [finding for finding in judgement.failed if finding.part != "batch"]
    assert [finding.part for finding in wrong] == ["BP3" if part == "b" else "BP4"]
    assert "entry" in wrong[0].at and not judgement.diagnoses


def nielsen(weights: Any, biases: Any, x: Any, y: Any) -> tuple[list[Any], list[Any]]:
    """As in Nielsen's book: one example as a column, gradients of biases first."""
    activation, activations, zs = x, [x], []
    for b, w in zip(biases, weights, strict=True):
        zs.append(np.dot(w, activation) + b)
        activation = 1.0 / (1.0 + np.exp(-zs[-1]))
        activations.append(activation)
    prime = [a * (1 - a) for a in activations[1:]]
    error = (activations[-1] - y) * prime[-1]
    nabla_b, nabla_w = [error], [np.dot(error, activations[-2].T)]
    for l in range(2, len(biases) + 1):
        error = np.dot(weights[-l + 1].T, error) * prime[-l]
        nabla_b.insert(0, error)
        nabla_w.insert(0, np.dot(error, activations[-l - 1].T))
    return nabla_b, nabla_w


def rows(weights: Any, biases: Any, x: Any, y: Any) -> tuple[list[Any], list[Any]]:
    """As in most courses: examples as rows, W (n_in, n_out), gradients of weights first."""
    found = delta.backprop(
        [w.T for w in weights], [np.ravel(b) for b in biases], ["tanh"] * len(weights),
        "quadratic", np.atleast_2d(x), np.atleast_2d(y),
    )  # fmt: skip
    shaped = [np.reshape(g, b.shape) for g, b in zip(found.nabla_b, biases, strict=True)]
    return [w.T for w in found.nabla_w], shaped


def keyed(parameters: dict[str, Any], x: Any, y: Any) -> dict[str, Any]:
    L = len(parameters) // 2
    W, b = ([parameters[f"{k}{l + 1}"] for l in range(L)] for k in "Wb")
    dW, db = rows(W, b, x, y)
    return {"loss": 0.5} | {
        f"d{k}{l + 1}": g[l] for k, g in (("W", dW), ("b", db)) for l in range(L)
    }


def pairwise(params: list[tuple[Any, Any]], batch: tuple[Any, Any]) -> tuple[float, list[Any]]:
    dW, db = rows([w for w, _ in params], [b for _, b in params], *batch)
    return 0.5, [*zip(dW, db, strict=True)]


def in_another_order(y: Any, x: Any, b: Any, W: Any) -> list[Any]:
    dW, db = rows(W, b, x, y)
    return [g for pair in zip(dW, db, strict=True) for g in pair]


def listed(batch: list[tuple[Any, Any]], theta: Any) -> Any:
    sums = None
    for x, y in batch:
        nabla_b, nabla_w = nielsen(*theta, x, y)
        sums = (
            [nabla_b, nabla_w]
            if sums is None
            else [[a + b for a, b in zip(*each, strict=True)]
                  for each in zip(sums, (nabla_b, nabla_w), strict=True)]
        )  # fmt: skip
    return {"nabla_b": sums[0], "nabla_w": sums[1]}


Gradients = namedtuple("Gradients", "z a delta nabla_b nabla_w")


def as_named_tuple(*arguments: Any) -> Any:
    return Gradients(None, None, None, *rows(*arguments)[::-1])


def two_layers(weights: Any, biases: Any, x: Any, y: Any) -> Any:
    (W1, W2), (b1, b2) = weights, biases
    return rows((W1, W2), (b1, b2), x, y)


class Network:
    """As Nielsen's: sizes, weights, biases, backprop."""

    def __init__(self, sizes: list[int]) -> None:
        self.biases = [np.zeros((n, 1)) for n in sizes[1:]]
        self.weights = [np.zeros((n, m)) for m, n in pairwise_of(sizes)]

    def backprop(self, x: Any, y: Any) -> Any:
        return nielsen(self.weights, self.biases, x, y)


@pytest.mark.parametrize(
    ("function", "form"),
    [
        (nielsen, "f(weights, biases, x, y), columns, W (n_out, n_in), b (n, 1)"),
        (rows, "f(weights, biases, x, y), rows, W (n_in, n_out)"),
        (keyed, 'f({"W1": W, "b1": b, ...}, x, y), rows, W (n_in, n_out)'),
        (pairwise, "f([(W, b), ...], (X, Y)), rows, W (n_in, n_out)"),
        (in_another_order, "f(y, x, biases, weights), rows, W (n_in, n_out)"),
        (listed, "f([(x, y), ...], (weights, biases)), columns, W (n_out, n_in), b (n, 1)"),
        (as_named_tuple, "f(weights, biases, x, y), rows, W (n_in, n_out)"),
        (two_layers, "f(weights, biases, x, y), rows, W (n_in, n_out)"),
        (Network, "backprop(x, y), columns, W (n_out, n_in), b (n, 1)"),
        (Network([2, 2]), "backprop(x, y), columns, W (n_out, n_in), b (n, 1)"),
    ],
)
def test_forms_that_are_read(function: Any, form: str) -> None:
    judgement = judge_delta(function)
    assert judgement.ok, judgement
    assert judgement.reading.startswith(f"called as {form};")
    absent = [finding.of for finding in judgement.findings if finding.verdict == "absent"]
    assert absent == (["other depths"] if function is two_layers else
                      ["several examples at once"] if "columns" in form and function is not listed
                      else [])  # fmt: skip


def test_a_column_against_a_flat_target_is_a_matrix_in_columns_too() -> None:
    made = backprop_with(convention="quadratic")

    def backprop(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        def error(a: Any) -> Any:
            return a - y.ravel()  # (n, 1) - (n,)

        a, zs = [x], []
        for w, b in zip(weights, biases, strict=True):
            zs.append(w @ a[-1] + b)
            a.append(1 / (1 + np.exp(-zs[-1])))
        d = error(a[-1]) * a[-1] * (1 - a[-1])
        nabla_b, nabla_w = [d.sum(axis=1, keepdims=True)], [d @ a[-2].T]
        for l in range(len(weights) - 1, 0, -1):
            d = (weights[l].T @ d) * a[l] * (1 - a[l])
            nabla_b.insert(0, d.sum(axis=1, keepdims=True))
            nabla_w.insert(0, d @ a[l - 1].T)
        return nabla_b, nabla_w

    assert named(judge_delta(backprop, **made.contract)) == ["broadcast_to_a_matrix"]


def test_a_loop_that_goes_on_to_the_input_is_recognised_by_where_it_raises() -> None:
    def backprop(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        a = [x]
        for w, b in zip(weights, biases, strict=True):
            a.append(np.tanh(a[-1] @ w.T + b))
        d = (a[-1] - y) * (1 - a[-1] ** 2)
        nabla_b, nabla_w = [], []
        for l in range(len(weights), 0, -1):
            nabla_b.insert(0, d.sum(axis=0))
            nabla_w.insert(0, d.T @ a[l - 1])
            d = (d @ weights[l - 1].T) * (1 - a[l - 1] ** 2)  # at l = 1 it is the input's
        return nabla_b, nabla_w

    judgement = judge_delta(backprop)
    assert named(judgement) == ["transpose_forgotten"]
    assert "tanh, quadratic" in judgement.reading


def test_unsaid_what_another_cost_explains_is_a_convention_and_said_to_be_one() -> None:
    made = backprop_with("output_slope_missing")
    judgement = judge_delta(made.function)
    (finding,) = (each for each in judgement.findings if each.part == "BP1")
    assert judgement.ok and finding.verdict == "convention"
    assert "σ′(zᴸ) is missing" in finding.note
    averaged = judge_delta(backprop_with("averaged").function)
    assert [each.verdict for each in averaged.findings if each.part == "batch"] == [
        "convention"
    ] * 2
    assert "batch='sum'" in str(averaged)


def test_the_same_seed_gives_the_same_report_and_another_one_another() -> None:
    made = backprop_with("transpose_forgotten")
    one, two, other = (judge_delta(made.function, seed=seed).to_json() for seed in (1, 1, 2))
    assert one == two != other


def test_single_precision_is_judged_by_its_own_bounds() -> None:
    made = backprop_with(convention="quadratic")

    def single(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        arrays = [[np.float32(a) for a in side] for side in (weights, biases)]
        return made.function(*arrays, np.float32(x), np.float32(y))

    assert judge_delta(single, **made.contract).ok


# What misbehaves is a finding.


def loops(weights: Any, biases: Any, x: Any, y: Any) -> Any:
    while True:
        len(x)


def recurses(weights: Any, biases: Any, x: Any, y: Any) -> Any:
    return recurses(weights, biases, x, y)


def raises(weights: Any, biases: Any, x: Any, y: Any) -> Any:
    print("it is not heard")
    raise KeyError("W1")


def exits(weights: Any, biases: Any, x: Any, y: Any) -> Any:
    raise SystemExit(0)


def returns_none(weights: Any, biases: Any, x: Any, y: Any) -> Any:
    return None


def returns_text(weights: Any, biases: Any, x: Any, y: Any) -> Any:
    return [["b"] * len(biases), ["w"] * len(weights)]


@pytest.mark.parametrize(
    ("function", "verdict", "says"),
    [
        (loops, "stopped", "steps"),
        (recurses, "stopped", "RecursionError"),
        (raises, "raises", "KeyError: 'W1'"),
        (exits, "raises", "SystemExit"),
        (returns_none, "raises", "it returned None"),
        (returns_text, "raises", "it returned [['b'"),
    ],
)
def test_what_misbehaves_is_a_finding_and_no_crash(
    function: Callable[..., Any], verdict: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    judgement = judge_delta(function, steps=20_000)
    (finding,) = judgement.findings
    assert (finding.part, finding.verdict) == ("runs", verdict)
    assert says in finding.got
    assert not judgement.diagnoses and judgement.score == 0
    assert not capsys.readouterr().out


def accumulating() -> Callable[..., Any]:
    sums: dict[Any, Any] = {}

    def backprop(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        new = nielsen(weights, biases, x, y)
        old = sums.get(key := str([w.shape for w in (*weights, x)]))
        if old:
            new = tuple([a + b for a, b in zip(*each, strict=True)]
                        for each in zip(old, new, strict=True))  # fmt: skip
        sums[key] = new
        return new

    return backprop


def random(weights: Any, biases: Any, x: Any, y: Any) -> Any:
    nabla_b, nabla_w = nielsen(weights, biases, x, y)
    return [b * np.random.default_rng().random() for b in nabla_b], nabla_w


def in_place(weights: Any, biases: Any, x: Any, y: Any) -> Any:
    gradients = nielsen(weights, biases, x, y)
    for w, g in zip(weights, gradients[1], strict=True):
        w -= 0.1 * g
    return gradients


def buffered() -> Callable[..., Any]:
    kept: dict[Any, Any] = {}

    def backprop(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        key = str([w.shape for w in (*weights, x)])
        new = nielsen(weights, biases, x, y)
        old = kept.setdefault(key, new)
        for a, b in zip((*old[0], *old[1]), (*new[0], *new[1]), strict=True):
            a[...] = b
        return old

    return backprop


def flat_biases(weights: Any, biases: Any, x: Any, y: Any) -> Any:
    nabla_b, nabla_w = nielsen(weights, biases, x, y)
    return [b.ravel() for b in nabla_b], nabla_w


def quotient(weights: Any, biases: Any, x: Any, y: Any) -> Any:
    """The cross-entropy's derivative as a quotient: 0/0 where σ saturates."""
    a = [x]
    for w, b in zip(weights, biases, strict=True):
        a.append(1 / (1 + np.exp(-(w @ a[-1] + b))))
    d = (a[-1] - y) / (a[-1] * (1 - a[-1])) * a[-1] * (1 - a[-1])
    nabla_b, nabla_w = [d], [d @ a[-2].T]
    for l in range(len(weights) - 1, 0, -1):
        d = (weights[l].T @ d) * a[l] * (1 - a[l])
        nabla_b.insert(0, d)
        nabla_w.insert(0, d @ a[l - 1].T)
    return nabla_b, nabla_w


HABITUAL = {
    "accumulated_over_calls": accumulating,
    "changes_its_arguments": lambda: in_place,
    "returns_its_buffer": buffered,
    "bias_of_another_shape": lambda: flat_biases,
    "saturates_to_nan": lambda: quotient,
}


@pytest.mark.parametrize("name", HABITUAL)
def test_a_bad_habit_is_named_and_nothing_else(name: str) -> None:
    judgement = judge_delta(HABITUAL[name]())
    assert named(judgement) == [name]
    assert [finding.part for finding in judgement.failed] == ["habits"]
    assert HABITS[name].picture() is not None


def test_other_numbers_each_time_are_a_finding() -> None:
    said = {"activation": "sigmoid", "output_activation": "sigmoid", "cost": "quadratic"}
    judgement = judge_delta(random, **said)
    assert "other numbers" in next(f.note for f in judgement.failed if f.of == "the same again")


@pytest.mark.parametrize("factor", [np.nan, np.inf])
def test_what_is_no_number_is_wrong(factor: float) -> None:
    def backprop(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        return [[factor * g for g in side] for side in nielsen(weights, biases, x, y)]

    judgement = judge_delta(backprop, cost="quadratic", activation="sigmoid")
    assert not judgement.ok and not judgement.diagnoses
    assert {"nan", "inf", "-inf"} & {finding.got for finding in judgement.failed}


def test_what_no_mistake_predicts_is_judged_and_not_explained() -> None:
    def backprop(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        nabla_b, nabla_w = nielsen(weights, biases, x, y)
        return [np.cos(b) for b in nabla_b], nabla_w

    said = {"activation": "sigmoid", "output_activation": "sigmoid", "cost": "quadratic"}
    judgement = judge_delta(backprop, **said)
    assert not judgement.diagnoses
    assert [finding.part for finding in judgement.failed] == ["BP3"]
    assert "None of the known mistakes" in str(judgement)


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        (3, "3 is none"),
        (int, ": int is none"),
        (lambda a: a, "<lambda> takes a"),
        (lambda: 0, "takes nothing"),
        (lambda a, b, c, d, e: 0, "takes a, b, c, d, e"),
    ],
)
def test_what_is_no_backprop_is_an_error_that_says_what_is(subject: Any, says: str) -> None:
    with pytest.raises(
        TypeError, match=r"judge_delta takes a function \(weights, biases, x, y\)"
    ) as e:
        judge_delta(subject)
    assert says in str(e.value)


def test_an_object_without_parameters_says_which() -> None:
    class Bare:
        biases: tuple[int, ...] = ()

        def backprop(self, x: Any, y: Any) -> Any: ...

    with pytest.raises(TypeError, match=r"has no weights: it needs \.weights and \.biases"):
        judge_delta(Bare())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"activation": "sigmod"}, "no activation 'sigmod': there are sigmoid"),
        ({"activation": "softmax"}, "no activation 'softmax'"),
        ({"output_activation": "x"}, "no output_activation 'x'"),
        ({"cost": "mse"}, "no cost 'mse': there are quadratic, squared_error, mean_squared_error"),
        ({"batch": "average"}, "no batch 'average': there are sum, mean"),
    ],
)
def test_unknown_names_are_errors_that_list_the_known(options: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        judge_delta(nielsen, **options)  # type: ignore[arg-type]  # each is a name


def test_unknown_names_of_parameters_are_read_in_the_usual_order() -> None:
    assert judge_delta(lambda p1, p2, p3, p4: nielsen(p1, p2, p3, p4)).ok


def test_a_dict_without_the_names_has_no_gradients_in_it() -> None:
    def backprop(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        return {"gradient": weights}

    assert "no arrays for b and W" in judge_delta(backprop).findings[0].got


def test_a_function_that_takes_batches_alone_is_judged_by_them() -> None:
    made = backprop_with("averaged", convention="tanh")

    def backprop(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        if np.ndim(x) < 2 or len(x) < 2:
            raise ArithmeticError("give a batch")
        return made.function(weights, biases, x, y)

    judgement = judge_delta(backprop, **made.contract)
    assert judgement.failed[0].got == "ArithmeticError: give a batch"


@pytest.mark.parametrize("name", pictures.__all__)
def test_every_picture_is_drawn(name: str) -> None:
    assert getattr(pictures, name)().source.startswith("digraph")


def test_builtin_and_starred_functions_are_called_in_the_usual_order() -> None:
    assert judge_delta(lambda *arguments: nielsen(*arguments)).ok
    assert judge_delta(max).findings[0].verdict == "raises"


@pytest.mark.parametrize("each", [*BACKPROP_MISTAKES], ids=lambda model: model.mistake.name)
def test_every_mistake_says_how_to_mend_it(each: Any) -> None:
    wrong, right = each.mistake.mending
    assert wrong != right and each.mistake.why.endswith(".")


def test_planted_sources_differ_only_where_they_say() -> None:
    assert isinstance(backprop_with("half_lost"), Made)
    assert not same_numbers(backprop_with("half_lost"), backprop_with(convention="quadratic"))
