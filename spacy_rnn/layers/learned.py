"""What a layer has learned, without its settings: for another model to start from."""

from typing import Any, Callable, Dict, Tuple

import srsly
from thinc.api import Model

from ..bridge.loading import is_setting
from ..bridge.shim import RNNShim
from ..vocabulary.word_table import dump_pretrained


class Learned(Model):
    """A layer as one that is saved and loaded without its settings, in what `spacy pretrain`
    writes and `[initialize] init_tok2vec` reads. Rates of dropout, precision and the like are
    then those of the config that training is given.

    layer: The layer.
    """

    def __init__(self, layer: Model):
        super().__init__("learned", forward, layers=[layer])

    def to_bytes(self) -> bytes:
        """Weights and vocabularies, in the form that the layer itself loads."""
        return learned_bytes(self.layers[0])

    def from_bytes(self, bytes_data: bytes) -> "Learned":
        """Load them. RAISES: ValueError for weights that do not fit, or of other words."""
        self.layers[0].from_bytes(bytes_data)
        return self


def forward(model: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
    """The layer's own."""
    return model.layers[0](X, is_train)


def learned_bytes(model: Model) -> bytes:
    """What a model has learned, as `Model.from_bytes` of another one with the same layers
    reads it."""
    msg = model.to_dict()
    for i, node in enumerate(model.walk()):
        msg["attrs"][i] = {
            name: dump_pretrained(node.attrs[name]) if name == "words" else data
            for name, data in msg["attrs"][i].items()
            if not is_setting(node.attrs[name])
        }
        settings = {**node.attrs.get("settings", {}), **node.attrs.get("config", {})}
        msg["shims"][i] = [
            _without(settings, data) if isinstance(shim, RNNShim) else data
            for shim, data in zip(node.shims, msg["shims"][i])
        ]
    return srsly.msgpack_dumps(msg)


def _without(settings: Dict[str, Any], data: bytes) -> bytes:
    """The data of a shim with those sizes alone that the layer's settings do not say."""
    msg = srsly.msgpack_loads(data)
    sizes = {name: value for name, value in msg["config"].items() if name not in settings}
    return srsly.msgpack_dumps({"sizes": sizes, "state": msg["state"]})
