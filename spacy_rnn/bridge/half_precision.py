"""Weights in half precision on disk, of which `spacy-rnn shrink` makes use. In memory they are
float32 at all times."""

from typing import Any, Dict

import srsly
from safetensors.torch import load, save
from thinc.api import Model

from .shim import RNNShim


def halve(model: Model, data: bytes, *, thincs: bool = True) -> bytes:
    """Saved data of a model, with its weights rounded to half precision.

    thincs: Also those of thinc's own layers, which spaCy's components would not load in float32.
    """
    msg = srsly.msgpack_loads(data)
    for params in msg["params"] if thincs else ():
        params.update({n: v.astype("float16") for n, v in params.items() if v is not None})
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
