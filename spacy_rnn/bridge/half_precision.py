"""Weights in half precision on disk, of which `spacy-rnn shrink` makes use. In memory they are
float32 at all times."""

from typing import Any, Dict

import srsly
from safetensors.torch import load, save
from thinc.api import Model

from .shim import RNNShim


def halve(model: Model, data: bytes) -> bytes:
    """Saved data of a model, with its weights rounded to half precision."""
    msg = srsly.msgpack_loads(data)
    msg["params"] = [
        {name: None if value is None else value.astype("float16") for name, value in params.items()}
        for params in msg["params"]
    ]
    for node, states in zip(model.walk(), msg["shims"]):
        for i, shim in enumerate(node.shims):
            if isinstance(shim, RNNShim):
                states[i] = _halve_state(states[i])
    return srsly.msgpack_dumps(msg)


def _halve_state(state: bytes) -> bytes:
    msg: Dict[str, Any] = srsly.msgpack_loads(state)
    if msg["state"]:
        msg["state"] = save({name: t.half() for name, t in load(msg["state"]).items()})
    return srsly.msgpack_dumps(msg)
