"""Networks of neurons, z = Σₖ wₖaₖ + b and a = σ(z), and the forward pass that keeps z and a."""

from microgradnet.nn.forward import Deltas, ForwardPass
from microgradnet.nn.initialisers import INITIALISERS
from microgradnet.nn.layers import ACTIVATIONS, Activation, Layer, Module, Neuron
from microgradnet.nn.matrices import Matrices
from microgradnet.nn.modules import MLP
from microgradnet.nn.state import Keys

__all__ = [
    "ACTIVATIONS", "INITIALISERS", "MLP", "Activation", "Deltas", "ForwardPass", "Keys", "Layer",
    "Matrices", "Module", "Neuron",
]  # fmt: skip
