"""Classical mistakes of a hand-written `backprop`, each a model that predicts its wrong numbers.

A model exchanges parts of the equations (`simulation.Rules`). Where a student's numbers are those
of a model, on every network and example tried, that is the mistake. Nothing of the source is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from microgradnet import delta
from microgradnet.drawing import Picture
from microgradnet.judging import pictures
from microgradnet.judging.findings import Mistake
from microgradnet.judging.prediction import Model
from microgradnet.judging.simulation import RIGHT, Array, Simulation

__all__ = ["BACKPROP_MISTAKES", "model"]


# What stands where the right part does, of layer l of the simulation s.


def _slope_of_activation(s: Simulation, l: int) -> Array:
    return _array(s.rules.prime(s, l, s.a[l]))


def _slope_of_next_layer(s: Simulation, l: int) -> Array:
    return _array(s.rules.prime(s, l, s.z[l + 1]))


def _formula_of_z(s: Simulation, l: int, z: Array) -> Array:
    """σ′ as it is written in terms of a, with z put in."""
    sigma = s.sigma(l)
    if sigma == "sigmoid":
        return _array(z * (1 - z))
    return 1 - z * z if sigma == "tanh" else RIGHT.prime(s, l, z)


def _value(s: Simulation, l: int, z: Array) -> Array:
    return delta.activation(s.sigma(l), z)


def _no_slope(s: Simulation, l: int) -> Array:
    return np.ones(1)


def _error_by_slope_twice(s: Simulation, l: int) -> Array:
    """The right δᴸ, which has σ′ or the Jacobian within, multiplied by it once more."""
    error = RIGHT.output_error(s, l)
    if s.sigma(l) == "softmax":
        return delta.output_error_softmax(error, delta.softmax_jacobian(s.z[l]))
    return _array(error * RIGHT.output_slope(s, l))


def _diagonal_of_softmax(s: Simulation, l: int) -> Array:
    if s.sigma(l) != "softmax":
        return _array(RIGHT.output_error(s, l))
    return _array(RIGHT.cost_prime(s, l) * s.a[l] * (1 - s.a[l]))


def _softmax_twice(s: Simulation, l: int) -> Array:
    once = RIGHT.activation(s, l)
    return delta.activation("softmax", once) if s.sigma(l) == "softmax" else once


def _minus_flat(s: Simulation, l: int) -> Array:
    """Rows of outputs minus all targets in one vector."""
    return _array(s.a[l] - s.y.reshape(-1))


def _column_minus_flat(s: Simulation, l: int) -> Array:
    """Columns of outputs minus all targets in one vector."""
    return _array((s.a[l].T - s.y.reshape(-1)).T)


def _no_product(s: Simulation, l: int) -> Array:
    return _array(s.rules.next_error(s, l) * s.rules.hidden_slope(s, l))


def _last_example(s: Simulation, l: int) -> Array:
    return np.arange(1, len(s.x) + 1) // len(s.x)


def _mean(s: Simulation, l: int) -> Array:
    return np.full(len(s.x), 1 / len(s.x))


def _sum(s: Simulation, l: int) -> Array:
    return np.ones(len(s.x))


def _array(x: Any) -> Array:
    return np.asarray(x)


def model(
    name: str,
    title: str,
    why: str,
    wrong: str,
    right: str,
    picture: Callable[[], Picture],
    **changes: Any,
) -> Model:
    """Declare a mistake with its two lines, its picture, and what it exchanges."""
    return Model(Mistake(name, title, why, (wrong, right), picture), changes)


BACKPROP_MISTAKES = (
    # BP1
    model(
        "output_slope_missing", "σ′(zᴸ) is missing in BP1",
        "The cost depends on aᴸ, and aᴸ on zᴸ: the error is the product of both slopes. Without "
        "σ′ it is the error of the cross-entropy, not of this cost.",
        "delta = a[-1] - y", "delta = (a[-1] - y) * sigma_prime(z[-1])", pictures.output_error,
        output_slope=_no_slope,
    ),
    model(
        "error_counted_twice", "σ′ or softmax's Jacobian is counted twice in BP1",
        "a − y is already δᴸ where the cost was made for the output: the slope of the last "
        "activation has cancelled against the cost's.",
        "delta = (a[-1] - y) * sigma_prime(z[-1])", "delta = a[-1] - y", pictures.output_error,
        output_error=_error_by_slope_twice,
    ),
    model(
        "softmax_diagonal_only", "softmax's Jacobian has only its diagonal",
        "Each output of softmax depends on every z: ∂aⱼ/∂zₖ = aⱼ([j = k] − aₖ), and the entries "
        "beside the diagonal are not 0.",
        "delta = C_prime * a * (1 - a)",
        "delta = a * (C_prime - (C_prime * a).sum(axis=-1, keepdims=True))",
        pictures.softmax, output_error=_diagonal_of_softmax,
    ),
    model(
        "softmax_twice", "softmax is applied twice",
        "The network's output already is a softmax, and the cost applies one to it again.",
        "a = softmax(z); loss = cross_entropy(softmax(a), y)",
        "a = softmax(z); loss = cross_entropy(a, y)", pictures.softmax,
        activation=_softmax_twice,
    ),
    model(
        "wrong_sign", "the sign: y − a where a − y belongs",
        "The gradient points uphill, and the step subtracts it. With y − a every gradient has the "
        "opposite sign, and training climbs.",
        "delta = y - a[-1]", "delta = a[-1] - y", pictures.output_error,
        sign=lambda s, l: -1,
    ),
    model(
        "half_lost", "twice too large: the ½ of the cost is lost",
        "With C = ½ Σ (a − y)² the 2 of the square cancels against the ½.",
        "delta = 2 * (a[-1] - y)", "delta = a[-1] - y", pictures.output_error,
        scale=lambda s, l: 2 * RIGHT.scale(s, l),
    ),
    model(
        "two_lost", "half as large as it must be: the 2 of the square is lost",
        "The derivative of (a − y)² is 2 (a − y); a ½ that has cancelled already is not to be "
        "applied again.",
        "delta = 0.5 * (a[-1] - y)", "delta = a[-1] - y", pictures.output_error,
        scale=lambda s, l: RIGHT.scale(s, l) / 2,
    ),
    model(
        "mean_over_outputs", "a mean over the outputs where the cost is their sum",
        "np.mean divides by the number of outputs, which this cost does not.",
        "delta = (a[-1] - y) / a[-1].size", "delta = a[-1] - y", pictures.output_error,
        scale=lambda s, l: RIGHT.scale(s, l) / len(s.b[l]),
    ),
    *(
        model(
            "broadcast_to_a_matrix", "shape (n,) against (n, 1): the difference is a matrix",
            "NumPy broadcasts a column minus a row to every output minus every target. Give both "
            "the same shape.",
            "delta = a[-1] - y               # (n, 1) - (n,) is (n, n)",
            "delta = a[-1] - y.reshape(a[-1].shape)", pictures.output_error,
            difference=difference,
        )
        for difference in (_minus_flat, _column_minus_flat)
    ),
    # BP2
    model(
        "transpose_forgotten", "Wᵀ is forgotten in BP2",
        "What leaves neuron k is column k of W, so the errors come back by the transpose. Where "
        "layers differ in width the product does not fit; where they are equal it is wrong.",
        "delta = np.dot(W[l + 1], delta) * sigma_prime(z[l])",
        "delta = np.dot(W[l + 1].T, delta) * sigma_prime(z[l])", pictures.hidden_error,
        next_weights=lambda s, l: s.W[l + 1].T,
    ),
    model(
        "weights_off_by_one", "the weights of the wrong layer in BP2",
        "The error of layer l comes back through the weights that leave it, those of layer l + 1.",
        "delta = np.dot(W[l].T, delta) * sigma_prime(z[l])",
        "delta = np.dot(W[l + 1].T, delta) * sigma_prime(z[l])", pictures.hidden_error,
        next_weights=lambda s, l: s.W[l],
    ),
    model(
        "weights_missing", "W is missing in BP2",
        "An error comes back in proportion to the weight by which the neuron went forward.",
        "delta = delta * sigma_prime(z[l])",
        "delta = np.dot(W[l + 1].T, delta) * sigma_prime(z[l])", pictures.hidden_error,
        hidden_error=_no_product,
    ),
    model(
        "output_error_everywhere", "δᴸ is used in every layer",
        "Each layer's error comes from that of the layer after it, so delta must be overwritten as "
        "the loop goes back.",
        "delta_l = np.dot(W[l + 1].T, delta_L) * sigma_prime(z[l])",
        "delta = np.dot(W[l + 1].T, delta) * sigma_prime(z[l])", pictures.hidden_error,
        next_error=lambda s, l: s.delta[s.L],
    ),
    model(
        "hidden_slope_missing", "σ′(zˡ) is missing in BP2",
        "The error of a hidden neuron is ∂C/∂z, not ∂C/∂a: what came back must still pass through "
        "its activation.",
        "delta = np.dot(W[l + 1].T, delta)",
        "delta = np.dot(W[l + 1].T, delta) * sigma_prime(z[l])", pictures.slope,
        hidden_slope=_no_slope,
    ),
    # σ′
    model(
        "slope_of_activation", "σ′ is taken of a, not of z",
        "σ′ is the slope at z. A function that starts by computing σ(z) must not get a = σ(z): "
        "it would apply σ twice.",
        "delta = ... * sigma_prime(a[l])", "delta = ... * sigma_prime(z[l])", pictures.slope,
        hidden_slope=_slope_of_activation, output_slope=_slope_of_activation,
    ),
    model(
        "formula_of_z", "the formula a(1 − a), or 1 − a², with z put in for a",
        "σ′(z) = a(1 − a) with a = σ(z): the formula is one of a, and so is tanh's 1 − a².",
        "sigma_prime = z * (1 - z)", "sigma_prime = sigma(z) * (1 - sigma(z))", pictures.slope,
        prime=_formula_of_z,
    ),
    model(
        "value_for_slope", "σ(z) where σ′(z) belongs",
        "The chain rule multiplies by the slope of the activation, not by its value.",
        "delta = ... * sigma(z[l])", "delta = ... * sigma_prime(z[l])", pictures.slope,
        prime=_value,
    ),
    model(
        "slope_off_by_one", "σ′ of the next layer's z in BP2",
        "The slope belongs to the neuron whose error it is: that of layer l.",
        "delta = np.dot(W[l + 1].T, delta) * sigma_prime(z[l + 1])",
        "delta = np.dot(W[l + 1].T, delta) * sigma_prime(z[l])", pictures.slope,
        hidden_slope=_slope_of_next_layer,
    ),
    # BP3
    model(
        "bias_gradient_zero", "the biases' gradients stay 0",
        "z = Wa + b, so ∂z/∂b is 1 and the bias's gradient is δ itself.",
        "nabla_b[l] = np.zeros(b[l].shape)", "nabla_b[l] = delta", pictures.bias,
        bias_gradient=lambda s, l: np.zeros(s.b[l].shape),
    ),
    model(
        "bias_not_summed", "the biases' gradients are not summed over the batch",
        "Every example uses the same bias, so its gradient is the sum over the examples. NumPy "
        "broadcasts a matrix of them without a word when the step is taken.",
        "nabla_b[l] = delta", "nabla_b[l] = delta.sum(axis=0)", pictures.bias,
        bias_gradient=lambda s, l: s.delta[l] if len(s.x) > 1 else RIGHT.bias_gradient(s, l),
    ),
    model(
        "bias_wrong_axis", "the biases' gradients are summed over the neurons",
        "The sum runs over the examples, and one number for each neuron remains.",
        "nabla_b[l] = delta.sum(axis=1)", "nabla_b[l] = delta.sum(axis=0)", pictures.bias,
        bias_gradient=lambda s, l: s.delta[l].sum(axis=1),
    ),
    model(
        "bias_all_summed", "all errors of a layer are added up in its biases' gradients",
        "np.sum without an axis adds neurons too, and leaves one number for the whole layer.",
        "nabla_b[l] = np.sum(delta)", "nabla_b[l] = np.sum(delta, axis=0)", pictures.bias,
        bias_gradient=lambda s, l: np.full(s.b[l].shape, s.delta[l].sum()),
    ),
    model(
        "bias_averaged", "the biases' gradients are averaged, those of the weights are not",
        "Both are sums over the same examples, or both are means.",
        "nabla_b[l] = delta.mean(axis=0)", "nabla_b[l] = delta.sum(axis=0)", pictures.bias,
        bias_shares=_mean,
    ),
    model(
        "bias_summed", "the biases' gradients are summed, those of the weights averaged",
        "Both are sums over the same examples, or both are means.",
        "nabla_b[l] = delta.sum(axis=0)", "nabla_b[l] = delta.mean(axis=0)", pictures.bias,
        bias_shares=_sum,
    ),
    model(
        "bias_forgotten", "the bias is left out of z = Wa + b",
        "The gradients are those of another network, one whose biases are 0.",
        "z = np.dot(W, a)", "z = np.dot(W, a) + b", pictures.bias,
        weighted_input=lambda s, l: s.a[l - 1] @ s.W[l].T,
    ),
    # BP4
    model(
        "outer_transposed", "the outer product is transposed",
        "∂C/∂wⱼₖ = δⱼ aₖ: rows belong to the neurons of layer l, columns to what comes in. Where "
        "layers differ in width the shape says so; where they are equal only the numbers do.",
        "nabla_w[l] = np.dot(a[l - 1], delta.T)", "nabla_w[l] = np.dot(delta, a[l - 1].T)",
        pictures.weight, weight_gradient=lambda s, l: RIGHT.weight_gradient(s, l).T,
    ),
    model(
        "activation_off_by_one", "aˡ where aˡ⁻¹ belongs in BP4",
        "A weight of layer l multiplies what comes in, the activation of the layer before.",
        "nabla_w[l] = np.dot(delta, a[l].T)", "nabla_w[l] = np.dot(delta, a[l - 1].T)",
        pictures.weight, previous=lambda s, l: s.a[l],
    ),
    model(
        "weighted_input_in_bp4", "zˡ⁻¹ where aˡ⁻¹ belongs in BP4",
        "A weight multiplies what its neuron got: the activation, after σ.",
        "nabla_w[l] = np.dot(delta, z[l - 1].T)", "nabla_w[l] = np.dot(delta, a[l - 1].T)",
        pictures.weight, previous=lambda s, l: s.z[l - 1] if l > 1 else s.x,
    ),
    model(
        "input_everywhere", "the input x in place of aˡ⁻¹ in every layer",
        "Only the first layer gets x; each other one gets the activation of the layer before.",
        "nabla_w[l] = np.dot(delta, x.T)", "nabla_w[l] = np.dot(delta, a[l - 1].T)",
        pictures.weight, previous=lambda s, l: s.x,
    ),
    model(
        "weights_averaged", "the weights' gradients are averaged, those of the biases are not",
        "Both are sums over the same examples, or both are means.",
        "nabla_w[l] = np.dot(delta.T, a[l - 1]) / m", "nabla_w[l] = np.dot(delta.T, a[l - 1])",
        pictures.bias, weight_shares=_mean,
    ),
    model(
        "weights_summed", "the weights' gradients are summed, those of the biases averaged",
        "Both are sums over the same examples, or both are means.",
        "nabla_w[l] = np.dot(delta.T, a[l - 1])", "nabla_w[l] = np.dot(delta.T, a[l - 1]) / m",
        pictures.bias, weight_shares=_sum,
    ),
    # Layers and batches
    model(
        "averaged", "a mean over the batch where the sum was asked for",
        "The sum is divided by m once, when the step is taken; a mean here divides twice.",
        "nabla_w[l] = np.dot(delta.T, a[l - 1]) / m", "nabla_w[l] = np.dot(delta.T, a[l - 1])",
        pictures.bias, bias_shares=_mean, weight_shares=_mean,
    ),
    model(
        "summed", "a sum over the batch where the mean was asked for",
        "A larger batch then takes larger steps.",
        "nabla_w[l] = np.dot(delta.T, a[l - 1])", "nabla_w[l] = np.dot(delta.T, a[l - 1]) / m",
        pictures.bias, bias_shares=_sum, weight_shares=_sum,
    ),
    model(
        "last_example_only", "only the last example counts: = where += belongs",
        "The gradient of a batch is the sum over its examples; an assignment forgets all but one.",
        "nabla_w[l] = np.outer(delta, a[l - 1])", "nabla_w[l] += np.outer(delta, a[l - 1])",
        pictures.bias, bias_shares=_last_example, weight_shares=_last_example,
    ),
    model(
        "gradients_zero", "every gradient is 0",
        "The arrays are made and never filled, or the gradients go to other names.",
        "nabla_w = [np.zeros(w.shape) for w in weights]; return nabla_b, nabla_w",
        "nabla_b[l], nabla_w[l] = delta, np.outer(delta, a[l - 1])", pictures.layers,
        bias_gradient=lambda s, l: np.zeros(s.b[l].shape),
        weight_gradient=lambda s, l: np.zeros(s.W[l].shape),
    ),
    model(
        "last_layer_only", "only the last layer has gradients",
        "Without the loop of BP2 the hidden layers do not learn.",
        "nabla_w[-1] = np.outer(delta, a[-2])", "for l in range(L - 1, 0, -1): ...",
        pictures.layers, first=lambda s, l: s.L,
    ),
    model(
        "first_layer_missing", "the loop stops before the first layer",
        "With L layers BP2 runs L − 1 times, from layer L − 1 to layer 1.",
        "for l in range(L - 1, 1, -1):", "for l in range(L - 1, 0, -1):",
        pictures.layers, first=lambda s, l: min(2, s.L),
    ),
    model(
        "layers_reversed", "the gradients are in the order in which they were found",
        "They are found from the last layer to the first, and wanted from the first to the last.",
        "nabla_w.append(np.outer(delta, a[l - 1]))", "nabla_w.insert(0, np.outer(delta, a[l - 1]))",
        pictures.layers, position=lambda s, l: s.L + 1 - l,
    ),
)  # fmt: skip
