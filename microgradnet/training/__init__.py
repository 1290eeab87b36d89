"""Training: `fit`, what it gives back, and what can be drawn of it."""

from microgradnet.training.fitting import fit
from microgradnet.training.history import DivergenceError, Epoch, History
from microgradnet.training.metrics import confusion, predictions

__all__ = ["DivergenceError", "Epoch", "History", "confusion", "fit", "predictions"]
