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
from ..engine.ragged_rnn import RaggedRNN, check_settings
from ..engine.threads import limit_threads_in_children, one_thread
from ..errors import Errors
from ..types import RowsOut
from .checks import check_at_least, check_even, check_rate
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
    the `encode` slot of `spacy.Tok2Vec.v2` and of `spacy-rnn.TextCatRNN.v1`.

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
    check_rate("dropout", dropout)
    settings = net_settings(
        width,
        cell=cell,
        num_layers=num_layers,
        bidirectional=bidirectional,
        bias=bias,
        nonlinearity=nonlinearity,
        precision=precision,
    )
    settings["dropout"] = dropout or 0.0
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
        shims=[make_shim(RaggedRNN, "RNNEncoder", max_grad_norm)],
    )


def net_settings(width: int, *, bidirectional: bool, **settings: Any) -> Dict[str, Any]:
    """What a `RaggedRNN` of a width is built with, both directions together.

    settings: Other arguments of `RaggedRNN`.
    RAISES: ValueError for one that is out of its range.
    """
    if bidirectional:
        check_even("width", width)
    numbers = ("cell", "nonlinearity", "num_layers", "precision")
    check_settings(**{name: settings[name] for name in numbers if name in settings})
    hidden_size = width // 2 if bidirectional else width
    return {"hidden_size": hidden_size, "bidirectional": bidirectional, **settings}


def make_shim(module: Callable, name: str, max_grad_norm: float) -> RNNShim:
    """A shim that clips gradients. RAISES: ValueError for a negative limit."""
    check_at_least("max_grad_norm", max_grad_norm, 0)
    return RNNShim(module, name, max_grad_norm=max_grad_norm)


@takes_lists
def forward(model: Model, X: Rows, is_train: bool) -> Tuple[Rows, Callable]:
    """Outputs of all tokens."""
    if not X.data.size:
        return _nothing(model, X), lambda dY: X
    if not is_train and len(X.lengths) == 1:
        shim = shim_of(model)
        if shim.device.type == "cpu" and shim.module.reads_at_once(len(X.data)):
            limit_threads_in_children()
            found = shim.module.read_at_once(torch.from_numpy(X.data))
            return Rows(found.numpy(), X.lengths), lambda dY: X
    (Y, backprop), lengths = run_module(model, _args(model, X, is_train), is_train), X.lengths
    return Rows(Y, lengths), lambda dY: Rows(backprop(dY.data), lengths)


def differentiate(model: Model, X: Rows) -> Tuple[Rows, Callable]:
    """As `forward`, in evaluation mode and for the gradient of X alone."""
    if not X.data.size:
        return _nothing(model, X), lambda dY: X
    (Y, backprop), lengths = differentiate_module(model, _args(model, X, False)), X.lengths
    return Rows(Y, lengths), lambda dY: Rows(backprop(dY.data), lengths)


def _args(model: Model, X: Rows, is_train: bool) -> Tuple[Any, Any]:
    data = to_torch(model, X.data)
    return data.requires_grad_() if is_train else data, torch.from_numpy(X.lengths)


def _nothing(model: Model, X: Rows) -> Rows:
    return Rows(model.ops.alloc2f(0, model.get_dim("nO")), X.lengths)


def init(model: Model, X: Any = None, Y: Any = None) -> None:
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
            if len(X.data) == texts:
                return Rows(_step(cells, X.data, parts), X.lengths)
            if texts == 1 and len(X.data) <= FEW:
                rows = [_step(cells, X.data[i : i + 1], parts) for i in range(len(X.data))]
                return Rows(numpy.concatenate(rows), X.lengths)
        return Rows(self._read(X, parts), X.lengths)

    def _read(self, X: Rows, parts: numpy.ndarray) -> numpy.ndarray:
        limit_threads_in_children()
        rnn, device = self.shim.module, self.shim.device
        before = [torch.from_numpy(part).to(device) for part in parts]
        state = (before[0], before[1]) if len(before) == 2 else before[0]
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
