"""Classical mistakes of a training step, each a model that predicts its wrong parameters.

A step computes gradients too, so the mistakes of a `backprop` are looked for beside these.
"""

from __future__ import annotations

from typing import Any

from microgradnet.judging import pictures
from microgradnet.judging.backprop_mistakes import model
from microgradnet.judging.simulation import Array, Simulation

__all__ = ["STEP_MISTAKES"]


def _rates(rate: Any) -> dict[str, Any]:
    return {"weight_rate": rate, "bias_rate": rate}


def _moved_weights(s: Simulation, l: int) -> Array:
    """The weights of the next layer, which already have taken the step."""
    return s.moved_weights(l + 1, s.nabla_w[l + 1])


STEP_MISTAKES = (
    model(
        "uphill", "the step goes uphill: + where − belongs",
        "The gradient points to where the cost grows; a step goes the other way.",
        "w = w + eta / m * gradient", "w = w - eta / m * gradient", pictures.step,
        direction=lambda s, l: 1,
    ),
    model(
        "m_forgotten", "η is not divided by m",
        "The gradients are summed over the m examples, so a step of η would grow with the batch.",
        "w = w - eta * gradient", "w = w - eta / m * gradient", pictures.step,
        **_rates(lambda s, l: s.case.eta),
    ),
    model(
        "eta_forgotten", "η is forgotten",
        "Without the learning rate each step is as long as the gradient.",
        "w = w - gradient / m", "w = w - eta / m * gradient", pictures.step,
        **_rates(lambda s, l: 1 / len(s.x)),
    ),
    model(
        "rate_forgotten", "η/m is forgotten",
        "The sum of all gradients is no step: the learning rate says how far to go.",
        "w = w - gradient", "w = w - eta / m * gradient", pictures.step,
        **_rates(lambda s, l: 1.0),
    ),
    model(
        "m_twice", "divided by m twice",
        "Gradients that are means already must not be divided by m again.",
        "w = w - eta / m * (gradient / m)", "w = w - eta / m * gradient", pictures.step,
        **_rates(lambda s, l: s.case.eta / len(s.x) ** 2),
    ),
    model(
        "eta_twice", "η is applied twice",
        "The learning rate is in the gradient already, and in the step again.",
        "w = w - eta / m * (eta * gradient)", "w = w - eta / m * gradient", pictures.step,
        **_rates(lambda s, l: s.case.eta**2 / len(s.x)),
    ),
    model(
        "m_is_features", "divided by the number of features, not of examples",
        "The shape of a batch is (examples, features) or the other way round: m is the examples.",
        "m = X.shape[1]", "m = X.shape[0]", pictures.step,
        **_rates(lambda s, l: s.case.eta / s.x.shape[1]),
    ),
    model(
        "m_is_layers", "divided by the number of layers, not of examples",
        "len(weights) counts layers; m is the number of examples.",
        "m = len(weights)", "m = len(batch)", pictures.step,
        **_rates(lambda s, l: s.case.eta / s.L),
    ),
    model(
        "bias_rate_not_divided", "the biases' step is not divided by m",
        "Weights and biases take the same step η/m.",
        "b = b - eta * nabla_b", "b = b - eta / m * nabla_b", pictures.step,
        bias_rate=lambda s, l: s.case.eta,
    ),
    model(
        "weight_rate_not_divided", "the weights' step is not divided by m",
        "Weights and biases take the same step η/m.",
        "w = w - eta * nabla_w", "w = w - eta / m * nabla_w", pictures.step,
        weight_rate=lambda s, l: s.case.eta,
    ),
    model(
        "biases_not_updated", "the biases stay as they are",
        "A bias is a parameter like any weight.",
        "return new_weights, biases", "return new_weights, new_biases", pictures.step,
        biases_move=False,
    ),
    model(
        "weights_not_updated", "the weights stay as they are",
        "Only the biases learn.",
        "return weights, new_biases", "return new_weights, new_biases", pictures.step,
        weights_move=False,
    ),
    model(
        "nothing_updated", "nothing is stored: the loop's own variable is assigned",
        "w = w - ... gives the name w to a new array and leaves the list as it was.",
        "for w, g in zip(W, nabla_w): w = w - eta / m * g",
        "W = [w - eta / m * g for w, g in zip(W, nabla_w)]", pictures.step,
        biases_move=False, weights_move=False,
    ),
    model(
        "step_returned", "the step is returned, not the parameters after it",
        "−η/m times the gradient is what is added to the old parameters.",
        "return -eta / m * gradient", "return w - eta / m * gradient", pictures.step,
        old_share=lambda s, l: 0,
    ),
    model(
        "new_weights_in_bp2", "weights are updated before all errors are known",
        "BP2 needs the weights of the forward pass. Find every δ first, and take the step after.",
        "W[l] -= eta / m * nabla_w; delta = W[l].T @ delta * ...",
        "delta = W[l].T @ delta * ...; then, after the loop, the step", pictures.hidden_error,
        next_weights=_moved_weights,
    ),
    model(
        "online", "each example takes its own step, with the parameters of the one before",
        "The gradients of a batch all belong to the same parameters; they are summed, and one step "
        "is taken.",
        "for x, y in batch: w -= eta / m * gradient(w, x, y)",
        "w -= eta / m * sum(gradient(w, x, y) for x, y in batch)", pictures.step,
        online=lambda s, l: s.case.eta / len(s.x),
    ),
    model(
        "online_full_rate", "each example takes a whole step of its own",
        "That is a batch size of 1, whatever the batch: the gradients are summed, and one step of "
        "η/m is taken.",
        "for x, y in batch: w -= eta * gradient(w, x, y)",
        "w -= eta / m * sum(gradient(w, x, y) for x, y in batch)", pictures.step,
        online=lambda s, l: s.case.eta,
    ),
    model(
        "weights_decay", "the old weights are scaled down as well: w(1 − η)",
        "A step subtracts η/m times the gradient from w itself.",
        "w = (1 - eta) * w - eta / m * gradient", "w = w - eta / m * gradient", pictures.step,
        old_share=lambda s, l: 1 - s.case.eta,
    ),
)  # fmt: skip
