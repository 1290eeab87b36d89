"""Networks of neurons, z = Σₖ wₖaₖ + b and a = σ(z), and the forward pass that keeps z and a."""

from microgradnet.deprecation import moved_module as _moved_module
from microgradnet.nn.forward import Deltas, ForwardPass
from microgradnet.nn.initialisers import INITIALISERS
from microgradnet.nn.layers import ACTIVATIONS, Activation, Layer, Neuron, checked_activation
from microgradnet.nn.matrices import Matrices
from microgradnet.nn.mlp import MLP
from microgradnet.nn.module import Keys, Module
from microgradnet.nn.predicting import Answers, Predictor

__all__ = [
    "ACTIVATIONS", "INITIALISERS", "MLP", "Activation", "Answers", "Deltas", "ForwardPass", "Keys",
    "Layer", "Matrices", "Module", "Neuron", "Predictor",
    "checked_activation",
]  # fmt: skip

_moved_module("microgradnet.nn.modules", __name__, "MLP", "Layer", "Module", "Neuron")
