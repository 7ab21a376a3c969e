"""Whether a component learns more than how frequent labels are."""

import warnings
from typing import Any, Dict, Set

import numpy
from spacy.language import Language

from ..errors import Warnings

# Steps that a component is given at least: the learning rate may have to warm up.
FIRST_STEPS = 200
# The loss may be so much lower by chance, as a share.
MARGIN = 0.01


def chance_of_exclusive(counts: Any, weights: Any, label_smoothing: float) -> float:
    """The lowest mean of `softmax_cross_entropy` that scores can have which are the same for all
    texts.

    counts: How often each label is true, of shape (labels,). weights: Of the labels, of the same
        shape. label_smoothing: As for that function.
    """
    shares = numpy.asarray(counts, dtype="float64") / numpy.sum(counts) * weights
    return _entropy((1.0 - label_smoothing) * shares + label_smoothing * shares.mean())


def chance_of_binary(positive: Any, negative: Any, weights: Any, label_smoothing: float) -> float:
    """As `chance_of_exclusive`, of `binary_cross_entropy`.

    positive, negative: How often each label is true, and is not, of shape (labels,).
    """
    true = numpy.asarray(positive, dtype="float64") * weights
    false = numpy.asarray(negative, dtype="float64")
    half = label_smoothing / 2
    both = zip((1.0 - half) * true + half * false, half * true + (1.0 - half) * false)
    total = sum(_entropy(numpy.asarray(pair)) for pair in both)
    return total / float(numpy.sum(positive) + numpy.sum(negative))


def _entropy(shares: numpy.ndarray) -> float:
    """The sum of -share * log(share / sum of all)."""
    shares = shares[shares > 0]
    return float(-(shares * numpy.log(shares / shares.sum())).sum())


class ChanceWatch:
    """Warns of components whose loss stays at that of guessing for an epoch, each once.

    nlp: The pipeline in training. Components say their loss of guessing by `chance_loss`.
    settings: The block `[training]` of the config.
    """

    def __init__(self, nlp: Language, settings: Dict[str, Any]):
        # A stream is initialized from its first texts, which do not say how frequent labels are.
        pipes = nlp.pipeline if settings["max_epochs"] >= 0 else []
        found = {name: getattr(pipe, "chance_loss", None) for name, pipe in pipes}
        self.chances: Dict[str, float] = {name: v for name, v in found.items() if v is not None}
        self.warned: Set[str] = set()
        # The last step at which a component was better, and the first epoch after that.
        self.better = dict.fromkeys(self.chances, (0, 0))

    def note(self, step: int, epoch: int, losses: Dict[str, float]) -> None:
        """Note an evaluation. losses: The mean of a batch since the last one, by component."""
        for name, chance in self.chances.items():
            if losses[name] < chance * (1.0 - MARGIN):
                # That an untrained component is better is luck.
                self.better[name] = (step, epoch + 1) if step else (0, 0)
            last_step, first_epoch = self.better[name]
            if epoch > first_epoch and step - last_step >= FIRST_STEPS and name not in self.warned:
                self.warned.add(name)
                facts = {"name": name, "loss": f"{losses[name]:.4f}", "chance": f"{chance:.4f}"}
                warnings.warn(Warnings.W011.format(**facts), stacklevel=2)
