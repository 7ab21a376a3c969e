"""`spacy-rnn.RNNEncoder.v1`: a recurrent net over the tokens of each text."""

import math
from typing import Any, Callable, Dict, Optional, Tuple

import numpy
import torch
from spacy.util import registry
from thinc.api import Model
from thinc.types import Ragged

from ..bridge.ragged import Rows, takes_lists
from ..bridge.shim import RNNShim, differentiate_module, run_module, shim_of, to_torch
from ..engine.cells import NumpyCells, read
from ..engine.plan import FEW
from ..engine.ragged_rnn import RaggedRNN, check_settings, join_state
from ..engine.short_reader import ShortReader
from ..engine.threads import limit_threads_in_children, one_thread
from ..errors import Errors
from ..types import RowsOut
from .checks import check, check_at_least, check_rate
from .running import Running, States


@registry.architectures("spacy-rnn.RNNEncoder.v1")
def build_rnn_encoder_v1(
    width: int,
    cell: str = "lstm",
    num_layers: int = 1,
    bidirectional: bool = True,
    bias: bool = True,
    dropout: Optional[float] = None,
    nonlinearity: str = "tanh",
    precision: str = "float32",
    max_grad_norm: float = 0.0,
) -> Model[RowsOut, RowsOut]:
    """Recurrent layers over the tokens of each document, exact for any length: for
    the `encode` slot of `spacy.Tok2Vec.v2` and of `spacy-rnn.TextCatRNN.v2`.

    width: Width of the output. With two directions, each has half of it.
    cell: "rnn", "lstm" or "gru".
    num_layers: Number of layers.
    bidirectional: Read in both directions.
    bias: Use biases.
    dropout: Share of features dropped between layers, the same ones at each token of
        a text. null follows the dropout that `[training]` sets.
    nonlinearity: "tanh" or "relu", for cell "rnn" only.
    precision: "float32", or "bfloat16": 1.2 to 2 times as fast on a CPU or GPU that has
        it, at scores that move in the third decimal. Weights stay float32.
    max_grad_norm: Scale the gradients of the layer so that their joint norm is at
        most this. spaCy sums the loss over a batch: multiply by the batch's size a
        limit meant for the mean. 0 leaves them.
    RETURNS: A model from arrays of shape (tokens, nI) to arrays of (tokens, width).
    RAISES: ValueError for an argument out of its range.
    """
    check_at_least("width", width, 1)
    check_at_least("max_grad_norm", max_grad_norm, 0)
    check_rate("dropout", dropout)
    settings = net_settings(
        width,
        bidirectional,
        cell=cell,
        num_layers=num_layers,
        nonlinearity=nonlinearity,
        precision=precision,
    )
    settings.update(bias=bias, dropout=dropout or 0.0)
    attrs: Dict[str, Any] = {
        "config": settings,
        "bidirectional": bidirectional,
        "reads_flat": True,
        "running": RunningRNN,
        "differentiate": differentiate,
    }
    if dropout is None:
        attrs["dropout_rate"] = 0.0
    return Model(
        "ragged_rnn",
        forward,
        init=init,
        dims={"nI": None, "nO": width},
        attrs=attrs,
        shims=[RNNShim(RaggedRNN, "RNNEncoder", max_grad_norm=max_grad_norm)],
    )


def net_settings(width: int, bidirectional: bool, **settings: Any) -> Dict[str, Any]:
    """What a `RaggedRNN` of a width is built with, both directions together.

    settings: Other arguments of `RaggedRNN`.
    RAISES: ValueError for one that is out of its range.
    """
    directions = 2 if bidirectional else 1
    check("width", width, width % directions == 0, "even for two directions")
    check_settings(**settings)
    return {"hidden_size": width // directions, "bidirectional": bidirectional, **settings}


@takes_lists
def forward(model: Model, X: Rows, is_train: bool) -> Tuple[Rows, Callable]:
    """Outputs of all tokens."""
    if not is_train and len(X.lengths) == 1 and X.data.size:
        shim = shim_of(model)
        if shim.device.type == "cpu":
            reader = shim.derived("short_reader", ShortReader)
            if reader.takes(len(X.data)):
                return Rows(reader.read(X.data), X.lengths), lambda dY: X
    return _run(model, X, lambda args: run_module(model, args, is_train), is_train)


def differentiate(model: Model, X: Rows) -> Tuple[Rows, Callable]:
    """As `forward`, in evaluation mode and for the gradient of X alone."""
    return _run(model, X, lambda args: differentiate_module(model, args), False)


def _run(model: Model, X: Rows, run: Callable, is_train: bool) -> Tuple[Rows, Callable]:
    if not X.data.size:
        return Rows(model.ops.alloc2f(0, model.get_dim("nO")), X.lengths), lambda dY: X
    data, lengths = to_torch(model, X.data).requires_grad_(is_train), X.lengths
    Y, backprop = run((data, torch.from_numpy(lengths)))
    return Rows(Y, lengths), lambda dY: Rows(backprop(dY.data), lengths)


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    """Make the net, as soon as the width of its input is known."""
    if X is not None and len(X):
        model.set_dim("nI", X.data.shape[1] if isinstance(X, Ragged) else X[0].shape[1])
    if model.has_dim("nI"):
        shim_of(model).build(input_size=model.get_dim("nI"), **model.attrs["config"])


class RunningRNN(Running):
    """The net over texts that are still arriving: its state is (h, c) of all layers.

    RAISES: ValueError if the net reads in two directions.
    """

    def __init__(self, name: str, layer: Model):
        if layer.attrs["bidirectional"]:
            raise ValueError(Errors.R701.format(name=name))
        self.shim = shim_of(layer)
        rnn = self.shim.module
        self.shape = (2 if rnn.cell == "lstm" else 1, len(rnn.layers), rnn.hidden_size)
        self.initial = [numpy.zeros(math.prod(self.shape), dtype="float32")]
        # A copy of the weights for steps in numpy, where these round in the same way.
        exact = self.shim.device.type == "cpu" and rnn.precision == "float32"
        self.cells = NumpyCells(rnn) if exact else None

    def add(self, X: Rows, states: States) -> Rows:
        # A view of shape (1 or 2, layers, texts, hidden_size).
        parts = states[0].reshape(-1, *self.shape).transpose(1, 2, 0, 3)
        texts, cells = len(X.lengths), self.cells
        if cells is not None and texts <= cells.max_rows:
            steps = len(X.data) if texts == 1 else 1
            if len(X.data) == texts * steps and steps <= FEW:
                rows = [_step(cells, X.data[i : i + texts], parts) for i in range(steps)]
                return Rows(numpy.concatenate(rows), X.lengths)
        return Rows(self._read(X, parts), X.lengths)

    def _read(self, X: Rows, parts: numpy.ndarray) -> numpy.ndarray:
        limit_threads_in_children()
        rnn, device = self.shim.module, self.shim.device
        state = join_state([torch.from_numpy(part).to(device) for part in parts])
        data = torch.from_numpy(X.data).to(device)
        with one_thread(), torch.no_grad():
            if X.lengths.max() <= FEW:
                output, after = read(rnn, data, X.lengths, state)
            else:
                lengths = torch.from_numpy(X.lengths)
                output, after = rnn(data, lengths, state, return_state=True)
        for part, new in zip(parts, after if isinstance(after, tuple) else (after,)):
            part[:] = new.cpu().numpy()
        return output.cpu().numpy()


def _step(cells: NumpyCells, data: numpy.ndarray, parts: numpy.ndarray) -> numpy.ndarray:
    """Read one token of each text. parts: The texts' states, written over."""
    layers = range(parts.shape[1])
    output, after = cells.step(data, [tuple(parts[:, layer]) for layer in layers])
    for layer in layers:
        parts[:, layer] = after[layer]
    return output
