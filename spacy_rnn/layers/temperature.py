"""What a classifier divides its logits by, so that its probabilities can be trusted."""

import math
from typing import Any

import srsly
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr

from ..errors import Errors

# Logits divided by less are too large for float32. Fitted ones are far above.
LEAST = 1e-6


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
