"""Independent probabilities, with the gradient convention of thinc's softmax."""

from typing import Callable, Tuple

from thinc.api import Model
from thinc.types import Floats2d


def sigmoid_of_logits() -> Model[Floats2d, Floats2d]:
    """Turn logits into probabilities, each on its own.

    As with thinc's `Softmax`, the gradient given to the backward pass is that of the
    logits: `probability - truth` is the gradient of binary cross-entropy. thinc's
    `Logistic` would multiply it by p (1 - p), which makes it that of squared error.
    """
    return Model("sigmoid_of_logits", forward)


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable]:
    return model.ops.sigmoid(X), lambda dY: dY
