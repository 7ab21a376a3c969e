"""Several classifiers as one: the weighted mean of their log-probabilities, at a temperature."""

from typing import Any, NamedTuple, Sequence

import numpy

# A probability of 0 or 1 in float32 is not taken as one: its logarithm would outvote all others.
TINY = 1e-7
# Steps of the optimizer; it mostly stops after ten or so.
STEPS = 200


class Blend(NamedTuple):
    """How to make one distribution of several.

    weights: Of each classifier; they sum to 1.
    temperature: Above 1, the mean is less certain than the classifiers; below, more.
    """

    weights: Sequence[float]
    temperature: float

    def mix(self, probs: Any) -> numpy.ndarray:
        """Mix distributions.

        probs: Of shape (classifiers, rows, classes).
        RETURNS: The mixed ones, of shape (rows, classes); rows sum to 1.
        """
        logits = numpy.tensordot(self.weights, logarithms(probs), 1) / self.temperature
        exps = numpy.exp(logits - logits.max(axis=1, keepdims=True))
        return exps / exps.sum(axis=1, keepdims=True)


def fit_blend(probs: Any, truths: Any) -> Blend:
    """Find the weights and the temperature with the lowest log-loss.

    A prior, as strong as one row, draws them towards equal weights and a temperature of 1: where
    all rows are right, the best temperature would be 0.

    probs: Of shape (classifiers, rows, classes).
    truths: 1 for the true class, else 0; or the probability of each. Of shape (rows, classes).
    """
    import torch

    logs, target = torch.from_numpy(logarithms(probs)), torch.from_numpy(as_rows(truths))
    # Minus the logarithm of the temperature; then of each weight, up to their sum.
    settings = torch.zeros(1 + len(logs), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([settings], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss_of() -> Any:
        optimizer.zero_grad()
        scale = torch.softmax(settings[1:], 0) * settings[0].exp()
        loss = torch.nn.functional.cross_entropy(torch.tensordot(scale, logs, 1), target)
        loss = loss + 0.5 * settings.square().sum() / len(target)
        loss.backward()
        return loss

    optimizer.step(loss_of)
    found = settings.detach()
    return Blend(torch.softmax(found[1:], 0).tolist(), float(torch.exp(-found[0])))


def logarithms(probs: Any) -> numpy.ndarray:
    """The logarithms of probabilities, none of them infinite."""
    return numpy.log(numpy.clip(numpy.asarray(probs, dtype="float64"), TINY, 1.0))


def as_rows(truths: Any) -> numpy.ndarray:
    return numpy.asarray(truths, dtype="float64")


def log_loss(probs: Any, truths: Any) -> float:
    """The mean cross-entropy. Both of shape (rows, classes)."""
    return float(-(as_rows(truths) * logarithms(probs)).sum(axis=1).mean())


def accuracy(probs: Any, truths: Any) -> float:
    """The share of rows whose likeliest class is the true one. Both of shape (rows, classes)."""
    return float((numpy.argmax(probs, axis=1) == numpy.argmax(truths, axis=1)).mean())
