"""What a classifier divides its logits by, so that its probabilities can be trusted, and how that
is fitted."""

import math
from typing import Any

import numpy
import srsly
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr

from ..errors import Errors

# Logits divided by less are too large for float32. Fitted ones are far above.
LEAST = 1e-6
# How strong the prior of a temperature is: a fit to a handful of texts does no harm, and one to a
# thousand is what it would be without (`benchmarks.calibration`).
PRIOR = 10.0
# Where a temperature is looked for. With the prior, the best one is mostly far from both ends.
LOWEST, HIGHEST = 0.01, 100.0
# Halvings of that range, and digits of what is found.
STEPS, DIGITS = 30, 6


class Temperature:
    """Fitted after training (Guo et al. 2017, "On Calibration of Modern Neural Networks"). It is
    learned, not set, and saved with the model; pipelines that were saved without have 1.

    value: Above 1, a classifier is less certain than its logits say; below, more.
    RAISES: ValueError unless it is a number of at least `LEAST`.
    """

    def __init__(self, value: float = 1.0):
        if not is_temperature(value):
            expected = f"a number of at least {LEAST}"
            raise ValueError(Errors.R002.format(name="temperature", value=value, expected=expected))
        self.value = float(value)

    def cool(self, logits: Any) -> Any:
        """RETURNS: Logits divided by the temperature. Those given, where that is 1."""
        return logits if self.value == 1.0 else logits / self.value


def is_temperature(value: Any) -> bool:
    """Whether logits can be divided by a value."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return bool(is_number and LEAST <= value < math.inf)


def can_be_calibrated(model: Model) -> bool:
    """Whether a model divides its logits by a temperature, and shows them."""
    return bool(model.has_ref("logits") and model.has_ref("probabilities"))


def get_temperature(model: Model) -> float:
    """The temperature of a classifier; 1 for a model of another architecture."""
    if not can_be_calibrated(model):
        return 1.0
    return model.get_ref("probabilities").attrs["temperature"].value


def set_temperature(model: Model, value: float) -> None:
    """Set the temperature of a classifier. A model of another architecture has none.

    RAISES: ValueError unless it is a number of at least `LEAST`.
    """
    if can_be_calibrated(model):
        model.get_ref("probabilities").attrs["temperature"] = Temperature(value)


def fit_temperature(
    logits: Any, truths: Any, known: Any, exclusive: bool, offset: Any = 0.0
) -> float:
    """The temperature with the lowest log-loss (Guo et al. 2017, section 4.2), the same for all
    labels.

    In 1 / temperature the loss is convex, so that there is one best value. A prior draws it
    towards 1: with nothing wrong, the best temperature would be 0, with nothing right infinite,
    and a few texts say little of it. It is a Gamma distribution of 1 / temperature with its mode
    at 1, which keeps the loss convex.

    logits: Of shape (texts, labels). truths: 1 for the true label, else 0; or the probability of
        each. Of the same shape. known: 1 where a truth is known, else 0; or how much each counts.
        Of the same shape.
    exclusive: Whether the labels exclude each other. A text then counts as much as what is true
        of it, and one of which nothing is true does not count.
    offset: What is added to the logits after the division.
    RETURNS: A temperature from `LOWEST` to `HIGHEST`.
    """
    logits, truths, known = (numpy.asarray(x, dtype="float64") for x in (logits, truths, known))
    total: Any = 1.0
    if exclusive:
        # The gradient of a softmax reaches all labels of a text, whichever of them is known.
        truths, total = truths * known, (truths * known).sum(axis=1, keepdims=True)
        known = 1.0

    def slope(scale: float) -> float:
        """Of the loss and the prior, by 1 / temperature. It grows with that."""
        wrong = (probabilities(scale * logits + offset, exclusive) * total - truths) * known
        return float((wrong * logits).sum()) + PRIOR * (1.0 - 1.0 / scale)

    low, high = -math.log(HIGHEST), -math.log(LOWEST)
    for _ in range(STEPS):
        middle = (low + high) / 2.0
        if slope(math.exp(middle)) < 0.0:
            low = middle
        else:
            high = middle
    return round(math.exp(-(low + high) / 2.0), DIGITS)


def probabilities(logits: numpy.ndarray, exclusive: bool) -> numpy.ndarray:
    """What logits of shape (texts, labels) say: by softmax, or by the sigmoid of each."""
    if not exclusive:
        return 0.5 * (1.0 + numpy.tanh(0.5 * logits))
    exps = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)


@serialize_attr.register(Temperature)
def _serialize(_: Temperature, value: Temperature, name: str, model: Model) -> bytes:
    return srsly.msgpack_dumps(value.value)


@deserialize_attr.register(Temperature)
def _deserialize(_: Temperature, data: bytes, name: str, model: Model) -> Temperature:
    value = srsly.msgpack_loads(data)
    if not is_temperature(value):
        problem = f"its temperature is {value!r}, expected a number of at least {LEAST}"
        raise ValueError(Errors.R102.format(name=model.name, problem=problem))
    return Temperature(value)
