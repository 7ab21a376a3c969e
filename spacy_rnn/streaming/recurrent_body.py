"""What a model does to tokens before its head, one token after the other."""

import zlib
from typing import Any, List, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.compat import torch

from ..errors import Errors
from ..layers.shim import limit_threads_in_children, shim_of

# Layers that look at a token alone.
EMBEDDINGS = {"vocab_embed", "char_rnn_embed", "static_vectors", "ragged2list"}


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
        self.modules = [shim_of(layer).module for layer in self.encoders]
        self.shapes = [(2 if m.cell == "lstm" else 1, len(m.layers)) for m in self.modules]

    def initial(self) -> numpy.ndarray:
        """The state before the first token: (h, c) of all layers in one row of numbers."""
        size = sum(n * d * m.hidden_size for (n, d), m in zip(self.shapes, self.modules))
        return numpy.zeros(size, dtype="float32")

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
        if not self.encoders:
            return rows, states
        limit_threads_in_children()
        place, after = 0, []
        for layer, module, (count, depth) in zip(self.encoders, self.modules, self.shapes):
            size = count * depth * module.hidden_size
            part = states[:, place : place + size].reshape(-1, count, depth, module.hidden_size)
            place += size
            rows, part = _run(layer, module, rows, lengths, part.transpose(1, 2, 0, 3))
            after.append(part.transpose(2, 0, 1, 3).reshape(len(lengths), -1))
        return rows, numpy.concatenate(after, axis=1)


def _run(
    layer: Model, module: Any, rows: numpy.ndarray, lengths: numpy.ndarray, state: numpy.ndarray
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """One encoder. state: of shape (1 or 2, layers, texts, hidden_size)."""
    from ..modules.cells import step

    device = shim_of(layer).device
    parts = [torch.from_numpy(numpy.ascontiguousarray(part)).to(device) for part in state]
    before = (parts[0], parts[1]) if len(parts) == 2 else parts[0]
    data = torch.from_numpy(rows).to(device)
    with torch.no_grad():
        if lengths.max() == 1:
            output, after = step(module, data, before)
        else:
            output, after = module(data, torch.from_numpy(lengths), before, return_state=True)
    after = after if isinstance(after, tuple) else (after,)
    return output.cpu().numpy(), numpy.stack([part.cpu().numpy() for part in after])


def _flatten(model: Model) -> List[Model]:
    if model.name == "noop":
        return []
    if ">>" in model.name and not all(node.name in EMBEDDINGS for node in _leaves(model)):
        return [part for layer in model.layers for part in _flatten(layer)]
    return [model]


def _leaves(model: Model) -> List[Model]:
    return [node for node in model.walk() if not node.layers]
