"""From logits to probabilities, with the gradient convention of thinc's softmax layer."""

from typing import Callable, Tuple

from thinc.api import Model
from thinc.types import Floats2d


def probabilities(*, exclusive: bool) -> Model[Floats2d, Floats2d]:
    """Turn logits into probabilities: of labels that exclude each other (softmax), or of
    each label on its own (sigmoid).

    As with thinc's `Softmax`, the gradient given to the backward pass is that of the
    logits: `probability - truth` is the gradient of cross-entropy. thinc's `Logistic`
    would multiply it by p (1 - p), which makes it that of squared error.
    """
    return Model("probabilities", forward, attrs={"exclusive": exclusive})


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable]:
    activate = model.ops.softmax if model.attrs["exclusive"] else model.ops.sigmoid
    return activate(X), lambda dY: dY
