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
    truths: 1 for the true label, else 0, of the same shape. Texts without a true
        label are left out.
    weights: Weight of each label, of shape (1, labels).
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
    truths: 1 where a label is true, else 0, of the same shape.
    known: 1 where a label was annotated, else 0, of the same shape.
    weights: Weight of a label where it is true, of shape (1, labels).
    label_smoothing: Share of the truth that is spread over true and false.
    xp: numpy or cupy.
    RETURNS: The mean over annotated labels, and the gradient of the sum with respect
        to the logits, of shape (texts, labels).
    """
    weight = xp.where(truths > 0, weights, 1.0) * known
    target = truths * (1.0 - label_smoothing) + label_smoothing / 2
    hit, miss = xp.log(xp.maximum(probs, TINY)), xp.log(xp.maximum(1.0 - probs, TINY))
    entropy = -(target * hit + (1.0 - target) * miss) * weight
    mean = float(entropy.sum() / xp.maximum(known.sum(), 1.0))
    return mean, ((probs - target) * weight).astype(probs.dtype)
