"""Cross-entropies over labels, with the gradient of the logits."""

from typing import Any, Tuple

from thinc.types import Floats2d

# Probabilities below this are taken as this in the printed loss. The gradient is exact.
TINY = 1e-12


def softmax_cross_entropy(
    probs: Any, truths: Any, weights: Any, label_smoothing: float, *, xp: Any
) -> Tuple[float, Floats2d]:
    """Cross-entropy where one label is true of each text, as
    `torch.nn.CrossEntropyLoss`.

    probs: Predicted probabilities, of shape (texts, labels).
    truths: 1 for the true label, else 0; or the probability of each, so that rows sum to 1. Of
        the same shape. Texts whose row is all 0 are left out.
    weights: Weight of each label, of shape (1, labels). A text weighs as its true label, or as
        the mean of the labels by their probability.
    label_smoothing: Share of the truth that is spread over all labels.
    xp: numpy or cupy.
    RETURNS: The mean over texts, and the gradient of the sum with respect to the
        logits, of shape (texts, labels).
    """
    known = truths.sum(axis=1, keepdims=True)
    weight = (truths * weights).sum(axis=1, keepdims=True)
    target = truths * (1.0 - label_smoothing) + known * label_smoothing / truths.shape[1]
    entropy = -(target * xp.log(xp.maximum(probs, TINY))) * weight
    mean = float(entropy.sum() / xp.maximum(known.sum(), 1.0))
    return mean, (probs * known - target) * weight


def token_cross_entropy(
    probs: Any, truths: Any, negative: Any, label_smoothing: float, *, xp: Any
) -> Tuple[float, Floats2d]:
    """Cross-entropy of one label per token, where some tokens are annotated with the
    label that they do not have.

    probs: Predicted probabilities, of shape (tokens, labels).
    truths: 1 for the annotated label, else 0, of the same shape. Tokens without one are
        left out.
    negative: Whether the annotated label is the wrong one, of shape (tokens,). The loss
        of such a token is -log(1 - p), and only that label's logit has a gradient.
    label_smoothing: Share of the truth that is spread over the other labels, as in spaCy.
    xp: numpy or cupy.
    RETURNS: The mean over tokens, and the gradient of the sum with respect to the
        logits, of shape (tokens, labels).
    """
    wrong = truths * negative[:, None]
    ones = xp.ones((1, truths.shape[1]), dtype=truths.dtype)
    labels = truths.shape[1]
    # Of the share spread over all labels, the true one gets a part back.
    smoothing = label_smoothing * labels / max(labels - 1, 1)
    mean, gradient = softmax_cross_entropy(probs, truths - wrong, ones, smoothing, xp=xp)
    right_count, wrong_count = float((truths - wrong).sum()), float(wrong.sum())
    if not wrong_count:
        return mean, gradient
    miss = -xp.log(xp.maximum(1.0 - (probs * wrong).sum(axis=1), TINY))
    total = mean * right_count + float(miss.sum())
    return total / (right_count + wrong_count), gradient + probs * wrong


def binary_cross_entropy(
    probs: Any,
    truths: Any,
    known: Any,
    weights: Any,
    label_smoothing: float,
    *,
    xp: Any,
) -> Tuple[float, Floats2d]:
    """Cross-entropy where each label is true or not on its own, as
    `torch.nn.BCEWithLogitsLoss` with `pos_weight`.

    probs: Predicted probabilities, of shape (texts, labels).
    truths: 1 where a label is true, else 0; or the probability that it is. Of the same shape.
    known: 1 where a label was annotated, else 0, of the same shape.
    weights: Weight of a label where it is true, of shape (1, labels); where it is not, it
        weighs 1. In between, the mean of both by the probability.
    label_smoothing: Share of the truth that is spread over true and false.
    xp: numpy or cupy.
    RETURNS: The mean over annotated labels, and the gradient of the sum with respect
        to the logits, of shape (texts, labels).
    """
    weight = (truths * weights + (1.0 - truths)) * known
    target = truths * (1.0 - label_smoothing) + label_smoothing / 2
    hit, miss = xp.log(xp.maximum(probs, TINY)), xp.log(xp.maximum(1.0 - probs, TINY))
    entropy = -(target * hit + (1.0 - target) * miss) * weight
    mean = float(entropy.sum() / xp.maximum(known.sum(), 1.0))
    return mean, ((probs - target) * weight).astype(probs.dtype)


def divergence(target: Any, probs: Any, *, exclusive: bool, xp: Any) -> Tuple[float, Floats2d]:
    """How far probabilities are from those of a target, which is constant: the Kullback-Leibler
    divergence of the labels' distribution, or the sum of each label's where any number of them
    may be true.

    target, probs: Of shape (texts, labels). exclusive: Whether labels exclude each other.
    xp: numpy or cupy.
    RETURNS: The mean over texts, and the gradient of the sum with respect to the logits of
        `probs`, of shape (texts, labels).
    """
    ours, theirs = (_outcomes(values, exclusive, xp) for values in (probs, target))
    total = float((theirs * (_log(theirs, xp) - _log(ours, xp))).sum())
    return total / max(len(probs), 1), probs - target


def entropy(probs: Any, *, exclusive: bool, xp: Any) -> Tuple[float, Floats2d]:
    """How undecided probabilities are: the entropy of the labels' distribution, or the sum of
    each label's. For the arguments and what is returned, see `divergence`.
    """
    outcomes = _outcomes(probs, exclusive, xp)
    terms = -outcomes * _log(outcomes, xp)
    if exclusive:
        gradient = terms - probs * terms.sum(axis=1, keepdims=True)
    else:
        gradient = probs * (1.0 - probs) * (_log(1.0 - probs, xp) - _log(probs, xp))
    return float(terms.sum()) / max(len(probs), 1), gradient


def _outcomes(probs: Any, exclusive: bool, xp: Any) -> Any:
    """The probabilities of all that can be: of each label, or that it is true and that it is
    not, of shape (2, texts, labels)."""
    return probs if exclusive else xp.stack([probs, 1.0 - probs])


def _log(probs: Any, xp: Any) -> Any:
    return xp.log(xp.maximum(probs, TINY))
