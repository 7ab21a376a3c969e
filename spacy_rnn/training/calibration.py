"""How far the probabilities of a classifier can be trusted, and the temperature that makes them fit
how often it is right."""

from typing import Any, List, NamedTuple, Optional

import numpy

from ..layers.temperature import fit_temperature, probabilities

# As many bins as in Guo et al.
BINS = 15


class Calibration(NamedTuple):
    """What a temperature changed on the texts that it was fitted to, where it looks better than on
    others.

    temperature: What logits are divided by. texts: How many were used. log_loss_before,
    log_loss: Mean per text, at a temperature of 1 and at this one. ece_before, ece: The expected
    calibration error, likewise.
    """

    temperature: float
    texts: int
    log_loss_before: float
    log_loss: float
    ece_before: float
    ece: float


def calibrate(logits: Any, truths: Any, known: Any, exclusive: bool) -> Calibration:
    """Fit a temperature, and measure what it changed.

    For the arguments, see `fit_temperature`.
    """
    best = fit_temperature(logits, truths, known, exclusive)
    logits, truths, known = (numpy.asarray(x, dtype="float64") for x in (logits, truths, known))
    losses, errors = [], []
    # Of soft values the highest is true, or all from a half on, as in scoring.
    hard = truths == truths.max(axis=1, keepdims=True) if exclusive else truths >= 0.5
    for temperature in (1.0, best):
        losses.append(log_loss(logits / temperature, truths, known, exclusive))
        probs = probabilities(logits / temperature, exclusive)
        errors.append(calibration_error(probs, hard, known, exclusive))
    return Calibration(best, len(logits), *losses, *(error or 0.0 for error in errors))


def log_loss(logits: numpy.ndarray, truths: Any, known: Any, exclusive: bool) -> float:
    """The cross-entropy, mean per text, of all labels that are known. For the arguments, see
    `fit_temperature`."""
    if exclusive:
        top = logits.max(axis=1, keepdims=True)
        total = top + numpy.log(numpy.exp(logits - top).sum(axis=1, keepdims=True))
        losses = truths * (total - logits)
    else:
        losses = numpy.logaddexp(0.0, logits) - truths * logits
    return float((losses * known).sum() / max(len(logits), 1))


def calibration_error(probs: Any, truths: Any, known: Any, exclusive: bool) -> Optional[float]:
    """The expected calibration error of a classifier.

    Where labels exclude each other, it is about the label with the highest probability of each
    text: how probable it was, and whether it is right (Guo et al. 2017). Where they do not, it is
    about all labels of all texts: how probable each was, and whether it is true, as Naeini et al.
    2015 have it for two classes.

    probs: Of shape (texts, labels). truths: Whether each is true. known: Whether that is known.
        Both of the same shape.
    RETURNS: From 0 to 1; None if nothing is known.
    """
    probs, truths, known = (numpy.asarray(x) for x in (probs, truths, known))
    if exclusive:
        best = probs.argmax(axis=1)[:, None] if probs.size else numpy.zeros((0, 1), dtype="int64")
        used = known.any(axis=1) if known.size else numpy.zeros(0, dtype=bool)
        probs, truths = (numpy.take_along_axis(x, best, 1)[used, 0] for x in (probs, truths))
    else:
        probs, truths = probs[known > 0], truths[known > 0]
    return expected_calibration_error(probs, truths)


def expected_calibration_error(probs: Any, truths: Any, bins: int = BINS) -> Optional[float]:
    """The expected calibration error: the mean distance between the probability of predictions and
    the share of them that came true, of the bins of `find_bins` (Naeini et al. 2015, "Obtaining
    Well Calibrated Probabilities Using Bayesian Binning").

    RETURNS: From 0 to 1; None if there are no predictions.
    """
    found = find_bins(probs, truths, bins)
    total = sum(part.size for part in found)
    return sum(part.size * abs(part.prob - part.true) for part in found) / total if total else None


class Bin(NamedTuple):
    """Predictions whose probabilities lie in one part of the range from 0 to 1: how many, their
    mean probability, and the share that came true."""

    size: int
    prob: float
    true: float


def find_bins(probs: Any, truths: Any, bins: int = BINS) -> List[Bin]:
    """Predictions by probability, in bins of equal width, as Guo et al. 2017 have them: the first
    one is [0, 1 / bins], the others are open below. Empty ones are left out.

    probs: Probabilities from 0 to 1, of shape (predictions,). truths: Whether each came true.
    """
    probs, truths = (numpy.asarray(part, dtype="float64") for part in (probs, truths))
    places = numpy.clip(numpy.ceil(probs * bins).astype("int64") - 1, 0, bins - 1)
    return [
        Bin(int(rows.sum()), float(probs[rows].mean()), float(truths[rows].mean()))
        for rows in (places == place for place in numpy.unique(places))
    ]


def certainty(probs: Any, exclusive: bool, threshold: float) -> numpy.ndarray:
    """How probable it is that what is said of a text is right: the probability of the best label
    or, where labels do not exclude each other, of the least certain decision about any of them.

    probs: Of shape (texts, labels). threshold: From which probability on a label counts as true,
        where labels do not exclude each other.
    RETURNS: Of shape (texts,); 1 where there are no labels.
    """
    probs = numpy.asarray(probs)
    if not exclusive:
        return numpy.where(probs >= threshold, probs, 1.0 - probs).min(axis=1, initial=1.0)
    return probs.max(axis=1) if probs.shape[1] else numpy.ones(len(probs))
