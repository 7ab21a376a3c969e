"""What a model does to tokens before its head, one token after the other."""

import math
import zlib
from typing import List, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.compat import torch

from ..errors import Errors
from ..layers.shim import RNNShim, limit_threads_in_children, shim_of

# Layers that look at a token alone.
EMBEDDINGS = {"vocab_embed", "char_rnn_embed", "static_vectors", "ragged2list"}
# So many tokens of a text are read step by step; more of them by segments.
FEW = 32


class RecurrentBody:
    """Embeddings, and recurrent layers in one direction: the part of a model whose
    outputs depend on earlier tokens only.

    name: Of the component, for errors.
    layers: Models to run one after the other; chains and layers that do nothing are
        taken apart.
    RAISES: ValueError if a layer looks at later tokens, or at more than documents.
    """

    def __init__(self, name: str, layers: List[Model]):
        parts = [part for layer in layers for part in _flatten(layer)]
        if not parts or not all(node.name in EMBEDDINGS for node in _leaves(parts[0])):
            found = parts[0].name if parts else "nothing"
            raise ValueError(Errors.R703.format(name=name, layer=found))
        self.embed, self.encoders = parts[0], parts[1:]
        for layer in self.encoders:
            if layer.name != "ragged_rnn":
                raise ValueError(Errors.R703.format(name=name, layer=layer.name))
            if layer.attrs["bidirectional"]:
                raise ValueError(Errors.R701.format(name=name))
        self.shims = [shim_of(layer) for layer in self.encoders]
        self.modules = [shim.module for shim in self.shims]
        self.shapes = [
            (2 if m.cell == "lstm" else 1, len(m.layers), m.hidden_size) for m in self.modules
        ]

    def initial(self) -> numpy.ndarray:
        """The state before the first token: (h, c) of all layers in one row of numbers."""
        return numpy.zeros(sum(map(math.prod, self.shapes)), dtype="float32")

    def fingerprint(self) -> int:
        """A number that tells the weights of one training from those of another."""
        parameters = [p for module in self.modules for p in module.parameters()]
        return zlib.crc32(b"".join(p.detach().cpu().numpy().tobytes() for p in parameters[:2]))

    def run(
        self, doc: Doc, lengths: numpy.ndarray, states: numpy.ndarray
    ) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Read the next tokens of some texts.

        doc: The tokens of all texts, one after the other.
        lengths: Number of tokens of each text, at least 1, of shape (texts,).
        states: The texts' states before, of shape (texts, size of a state).
        RETURNS: Outputs of shape (tokens, width), and the states after.
        """
        rows = self.embed.ops.to_numpy(self.embed.predict([doc])[0])
        limit_threads_in_children()
        after, place = numpy.empty_like(states), 0
        for shim, shape in zip(self.shims, self.shapes):
            size = math.prod(shape)
            part = slice(place, place + size)
            place += size
            before, written = (_by_layer(array[:, part], shape) for array in (states, after))
            rows = _run(shim, rows, lengths, before, written)
        return rows, after


def _by_layer(states: numpy.ndarray, shape: Tuple[int, int, int]) -> numpy.ndarray:
    """A view of the states of one encoder, of shape (1 or 2, layers, texts, hidden_size)."""
    return states.reshape(-1, *shape).transpose(1, 2, 0, 3)


def _run(
    shim: RNNShim,
    rows: numpy.ndarray,
    lengths: numpy.ndarray,
    before: numpy.ndarray,
    after: numpy.ndarray,
) -> numpy.ndarray:
    """Read with one encoder. before: Its states, as `_by_layer` gives them. after: Where
    to write those after."""
    from ..modules.cells import read

    module, device = shim.module, shim.device
    parts = [torch.from_numpy(part).to(device) for part in before]
    state = (parts[0], parts[1]) if len(parts) == 2 else parts[0]
    data = torch.from_numpy(rows).to(device)
    with torch.no_grad():
        if lengths.max() <= FEW:
            output, found = read(module, data, lengths, state)
        else:
            output, found = module(data, torch.from_numpy(lengths), state, return_state=True)
    for part, new in zip(after, found if isinstance(found, tuple) else (found,)):
        part[:] = new.cpu().numpy()
    return output.cpu().numpy()


def _flatten(model: Model) -> List[Model]:
    if model.name == "noop":
        return []
    if ">>" in model.name and not all(node.name in EMBEDDINGS for node in _leaves(model)):
        return [part for layer in model.layers for part in _flatten(layer)]
    return [model]


def _leaves(model: Model) -> List[Model]:
    return [node for node in model.walk() if not node.layers]
