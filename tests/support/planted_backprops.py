"""Backpropagation and training steps as students write them, with classical mistakes written in.

Sources in which a slot holds the right text or that of a mistake. Nothing here knows how a judge
models mistakes: what is written is what students write. Two mistakes go together where they concern
different slots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from microgradnet.judging.simulation import Case, cases

__all__ = [
    "BACKPROPS", "CONTRACTS", "STEPS", "Made", "backprop_with", "pairs", "same_numbers",
    "step_with",
]  # fmt: skip

_RIGHT = {
    "squash": "1 / (1 + np.exp(-z))",
    "prime": "sigma(z) * (1 - sigma(z))",
    "z": "a[-1] @ w.T + b",
    "last": "sigma(z[-1])",
    "difference": "a[L] - y",
    "output_slope": " * sigma_prime(z[L])",
    "error": "delta",
    "back": "weights[l]",
    "hidden_slope": " * sigma_prime(z[l])",
    "hidden": "({error} @ {back}){hidden_slope}",
    "nabla_b": "delta.sum(axis=0)",
    "nabla_w": "delta.T @ a[l - 1]",
    "stop": "0",
    "result": "nabla_b, nabla_w",
}

_BACKPROP = """
import numpy as np

def sigma(z):
    return {squash}

def sigma_prime(z):
    return {prime}

def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

def backprop(weights, biases, x, y):
    L, m = len(weights), len(x)
    a, z = [x], [None]
    for l, (w, b) in enumerate(zip(weights, biases), 1):
        z.append({z})
        a.append({last} if l == L else sigma(z[-1]))
    nabla_b = [np.zeros(b.shape) for b in biases]
    nabla_w = [np.zeros(w.shape) for w in weights]
    delta_L = delta = ({difference}){output_slope}
    l = L
    nabla_b[l - 1] = {nabla_b}
    nabla_w[l - 1] = {nabla_w}
    for l in range(L - 1, {stop}, -1):
        delta = {hidden}
        nabla_b[l - 1] = {nabla_b}
        nabla_w[l - 1] = {nabla_w}
    return {result}
"""

_STEP = """
def step(weights, biases, x, y, eta):
    global moved
    m = len(x)
    moved = lambda w, g: {w_new}
    nabla_b, nabla_w = backprop(weights, biases, x, y)
    new_weights = [{w_new} for w, g in zip(weights, nabla_w)]
    new_biases = [{b_new} for b, g in zip(biases, nabla_b)]
    return {returned}
"""
_RIGHT_STEP = {
    "sign": "-", "w_rate": "eta / m", "b_rate": "eta / m",
    "w_old": "w", "b_old": "b",
    "w_new": "{w_old} {sign} {w_rate} * g", "b_new": "{b_old} {sign} {b_rate} * g",
    "returned": "new_weights, new_biases",
}  # fmt: skip

_MEAN_B, _MEAN_W = "delta.mean(axis=0)", "delta.T @ a[l - 1] / m"

CONVENTIONS: dict[str, dict[str, str]] = {
    "quadratic": {},
    "cross_entropy": {"output_slope": ""},
    "log_likelihood": {"output_slope": "", "last": "softmax(z[-1])"},
    "tanh": {"squash": "np.tanh(z)", "prime": "1 - np.tanh(z) ** 2"},
    "mean": {"nabla_b": _MEAN_B, "nabla_w": _MEAN_W},
}
"""What the slots hold in right functions of other costs and activations."""

CONTRACTS: dict[str, dict[str, str]] = {
    "quadratic": {"cost": "quadratic", "batch": "sum"},
    "cross_entropy": {"cost": "cross_entropy", "batch": "sum"},
    "log_likelihood": {"cost": "log_likelihood", "batch": "sum"},
    "tanh": {"activation": "tanh", "cost": "quadratic", "batch": "sum"},
    "mean": {"cost": "quadratic", "batch": "mean"},
}
"""What is said of them to the judge."""

BACKPROPS: dict[str, tuple[str, dict[str, str]]] = {
    "output_slope_missing": ("quadratic", {"output_slope": ""}),
    "error_counted_twice": ("cross_entropy", {"output_slope": " * sigma_prime(z[L])"}),
    "softmax_diagonal_only": (
        "log_likelihood", {"difference": "-y * (1 - a[L])"},
    ),
    "softmax_twice": ("log_likelihood", {"last": "softmax(softmax(z[-1]))"}),
    "wrong_sign": ("quadratic", {"difference": "y - a[L]"}),
    "half_lost": ("quadratic", {"difference": "2 * (a[L] - y)"}),
    "two_lost": ("quadratic", {"difference": "0.5 * (a[L] - y)"}),
    "mean_over_outputs": ("quadratic", {"difference": "(a[L] - y) / y.shape[1]"}),
    "broadcast_to_a_matrix": ("quadratic", {"difference": "a[L] - y.reshape(-1)"}),
    "transpose_forgotten": ("quadratic", {"back": "weights[l].T"}),
    "weights_off_by_one": ("quadratic", {"back": "weights[l - 1]"}),
    "weights_missing": ("quadratic", {"hidden": "{error}{hidden_slope}"}),
    "output_error_everywhere": ("quadratic", {"error": "delta_L"}),
    "hidden_slope_missing": ("quadratic", {"hidden_slope": ""}),
    "slope_of_activation": (
        "quadratic",
        {"hidden_slope": " * sigma_prime(a[l])", "output_slope": " * sigma_prime(a[L])"},
    ),
    "formula_of_z": ("quadratic", {"prime": "z * (1 - z)"}),
    "value_for_slope": ("quadratic", {"prime": "sigma(z)"}),
    "slope_off_by_one": ("quadratic", {"hidden_slope": " * sigma_prime(z[l + 1])"}),
    "bias_gradient_zero": ("quadratic", {"nabla_b": "nabla_b[l - 1]"}),
    "bias_not_summed": ("quadratic", {"nabla_b": "delta[0] if m == 1 else delta"}),
    "bias_wrong_axis": ("quadratic", {"nabla_b": "delta.sum(axis=1)"}),
    "bias_all_summed": ("quadratic", {"nabla_b": "np.full(len(biases[l - 1]), np.sum(delta))"}),
    "bias_averaged": ("quadratic", {"nabla_b": _MEAN_B}),
    "bias_summed": ("mean", {"nabla_b": "delta.sum(axis=0)"}),
    "bias_forgotten": ("quadratic", {"z": "a[-1] @ w.T"}),
    "outer_transposed": ("quadratic", {"nabla_w": "a[l - 1].T @ delta"}),
    "activation_off_by_one": ("quadratic", {"nabla_w": "delta.T @ a[l]"}),
    "weighted_input_in_bp4": ("quadratic", {"nabla_w": "delta.T @ (z[l - 1] if l > 1 else x)"}),
    "input_everywhere": ("quadratic", {"nabla_w": "delta.T @ x"}),
    "weights_averaged": ("quadratic", {"nabla_w": _MEAN_W}),
    "weights_summed": ("mean", {"nabla_w": "delta.T @ a[l - 1]"}),
    "averaged": ("quadratic", {"nabla_b": _MEAN_B, "nabla_w": _MEAN_W}),
    "summed": ("mean", {"nabla_b": "delta.sum(axis=0)", "nabla_w": "delta.T @ a[l - 1]"}),
    "last_example_only": (
        "quadratic", {"nabla_b": "delta[-1]", "nabla_w": "np.outer(delta[-1], a[l - 1][-1])"},
    ),
    "gradients_zero": ("quadratic", {"nabla_b": "nabla_b[l - 1]", "nabla_w": "nabla_w[l - 1]"}),
    "last_layer_only": ("quadratic", {"stop": "L"}),
    "first_layer_missing": ("quadratic", {"stop": "1"}),
    "layers_reversed": ("quadratic", {"result": "nabla_b[::-1], nabla_w[::-1]"}),
}  # fmt: skip
"""Mistakes by the names that the judge has for them: what they are mistakes in, and their slots."""


STEPS: dict[str, tuple[str, dict[str, str]]] = {
    "uphill": ("quadratic", {"sign": "+"}),
    "m_forgotten": ("quadratic", {"w_rate": "eta", "b_rate": "eta"}),
    "eta_forgotten": ("quadratic", {"w_rate": "1 / m", "b_rate": "1 / m"}),
    "rate_forgotten": ("quadratic", {"w_rate": "1", "b_rate": "1"}),
    "m_twice": ("quadratic", {"w_rate": "eta / m / m", "b_rate": "eta / m / m"}),
    "eta_twice": ("quadratic", {"w_rate": "eta / m * eta", "b_rate": "eta / m * eta"}),
    "m_is_features": (
        "quadratic", {"w_rate": "eta / x.shape[1]", "b_rate": "eta / x.shape[1]"},
    ),
    "m_is_layers": (
        "quadratic", {"w_rate": "eta / len(weights)", "b_rate": "eta / len(weights)"},
    ),
    "bias_rate_not_divided": ("quadratic", {"b_rate": "eta"}),
    "weight_rate_not_divided": ("quadratic", {"w_rate": "eta"}),
    "biases_not_updated": ("quadratic", {"b_new": "b"}),
    "weights_not_updated": ("quadratic", {"w_new": "w"}),
    "nothing_updated": ("quadratic", {"returned": "weights, biases"}),
    "step_returned": ("quadratic", {"w_old": "", "b_old": ""}),
    "weights_decay": ("quadratic", {"w_old": "(1 - eta) * w", "b_old": "(1 - eta) * b"}),
    "new_weights_in_bp2": ("quadratic", {"back": "moved(weights[l], nabla_w[l])"}),
    "online": ("quadratic", {"online": "eta / m"}),
    "online_full_rate": ("quadratic", {"online": "eta"}),
}  # fmt: skip
"""Mistakes of a step."""


def pairs(mistakes: dict[str, tuple[str, dict[str, str]]]) -> list[tuple[str, str]]:
    """Two mistakes in the same convention and in different slots."""
    return [
        (one, two)
        for one, two in combinations(mistakes, 2)
        if mistakes[one][0] == mistakes[two][0] and not mistakes[one][1].keys() & mistakes[two][1]
    ]


class Made(NamedTuple):
    """A function with its source, what is said of it, and the convention that it is written in."""

    function: Callable[..., Any]
    contract: dict[str, str]
    convention: str


def backprop_with(*mistakes: str, convention: str = "") -> Made:
    """A backprop with these mistakes in it."""
    convention = convention or BACKPROPS[mistakes[0]][0]
    slots = _slots(mistakes, convention)
    return Made(_run(_BACKPROP.format(**slots), "backprop"), CONTRACTS[convention], convention)


def step_with(*mistakes: str, convention: str = "quadratic") -> Made:
    """A step with these mistakes in it, of either list."""
    slots = _slots(mistakes, convention)
    source = (_BACKPROP + _STEP).format(**slots)
    if "online" in slots:
        source += _ONLINE.format(**slots)
    contract = {key: name for key, name in CONTRACTS[convention].items() if key != "batch"}
    return Made(_run(source, "step"), contract, convention)


def same_numbers(one: Made, two: Made) -> bool:
    """Whether two functions give the same numbers, or raise alike, for the networks of a judge."""
    return all(_called(one, case, eta) == _called(two, case, eta)
               for case in cases(1) for eta in (0.75,))  # fmt: skip


def _called(made: Made, case: Case, eta: float) -> list[Any]:
    rest = [eta] if "eta" in made.function.__code__.co_varnames else []
    try:
        with np.errstate(all="ignore"):
            found = made.function([*case.weights], [*case.biases], case.X, case.Y, *rest)
    except ValueError:
        return []
    return [np.round(np.float64(array), 12).tolist() for side in found for array in side]


def _slots(mistakes: Iterable[str], convention: str) -> dict[str, str]:
    known = {**BACKPROPS, **STEPS}
    slots = {**_RIGHT, **_RIGHT_STEP, **CONVENTIONS[convention]}
    for name in mistakes:
        slots |= known[name][1]
    for outer in ("hidden", "w_new", "b_new"):
        slots[outer] = slots[outer].format(**slots)
    return slots


def _run(source: str, name: str) -> Callable[..., Any]:
    names: dict[str, Any] = {}
    exec(source, names)
    function: Callable[..., Any] = names[name]
    return function


_ONLINE = """
step_of_one = step

def step(weights, biases, x, y, eta):
    m = len(x)
    for n in range(m):
        weights, biases = step_of_one(weights, biases, x[n:n + 1], y[n:n + 1], {online})
    return weights, biases
"""
