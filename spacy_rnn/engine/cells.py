"""Single time steps of a `RaggedRNN`: for text that is still arriving."""

from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, cast

import numpy
import torch
from torch import Tensor, nn

from ..errors import Errors
from .kernels import Tensors, computing_in, run_kernel, weights_of
from .plan import FUSED_ROWS, MAX_NUMPY_PRODUCT, MAX_NUMPY_STEP, MIN_SIZE, round_rows
from .ragged_rnn import RaggedRNN, State, as_parts, join_state
from .threads import one_thread

CELLS: Dict[str, Any] = {
    "LSTM": torch.lstm_cell,
    "GRU": torch.gru_cell,
    "RNN_TANH": torch.rnn_tanh_cell,
    "RNN_RELU": torch.rnn_relu_cell,
}


def step(rnn: RaggedRNN, data: Tensor, state: Optional[State] = None) -> Tuple[Tensor, State]:
    """Read one more token of each row, with the weights of all layers: what
    `torch.nn.RNNCell`, `LSTMCell` and `GRUCell` compute, layer after layer.

    rnn: A net that reads in one direction, in evaluation mode.
    data: One token of each row, of shape (rows, input_size).
    state: The state of each row before it, zeros if not given: h, or (h, c) for an LSTM,
        each of shape (num_layers, rows, hidden_size), as `RaggedRNN.forward` takes it.
    RETURNS: Output of shape (rows, hidden_size), and the state after the token.
    RAISES: ValueError if the net reads in two directions, or the data or the state do not fit.
    """
    rnn.check_width(data)
    with _as_in(rnn, data, len(data)):
        after = _step_all(_layers(rnn), data, _states(rnn, state, len(data), data))
    parts = [tuple(part.to(data.dtype) for part in layer) for layer in after]
    return parts[-1][0], _joined(parts)


def _step_all(
    layers: Sequence[nn.RNNBase], data: Tensor, states: Sequence[Tensors]
) -> List[Tensors]:
    """Read one more token of each row. RETURNS: The states after it; the last layer's first
    part is the output."""
    after: List[Tensors] = []
    for layer, before in zip(layers, states):
        after.append(_step(layer, after[-1][0] if after else data, before))
    return after


def _step(layer: nn.RNNBase, data: Tensor, before: Tensors) -> Tensors:
    if layer.mode == "LSTM" and len(data) >= FUSED_ROWS and data.device.type == "cpu":
        return _fused_step(layer, data, before)
    hidden = before if len(before) == 2 else before[0]
    return as_parts(CELLS[layer.mode](data, hidden, *weights_of(layer)))


def _fused_step(layer: nn.RNNBase, data: Tensor, before: Tensors) -> Tensors:
    rows = len(data)
    missing = int(round_rows(numpy.asarray(rows))) - rows
    parts = (data, *before)
    if missing:
        parts = tuple(nn.functional.pad(part, (0, 0, 0, missing)) for part in parts)
    block, *state = (part.unsqueeze(0) for part in parts)
    _, after = run_kernel(layer, block, state, weights_of(layer))
    return tuple(part[0, :rows] for part in after)


@torch.no_grad()
def read(
    rnn: RaggedRNN, data: Tensor, lengths: numpy.ndarray, state: Optional[State] = None
) -> Tuple[Tensor, State]:
    """Read a few more tokens of each row, step by step: what `RaggedRNN.forward` computes,
    faster than that where most rows have one token. Without gradients.

    rnn, state, RAISES: As for `step`.
    data: The rows' tokens, one row after the other, of shape (tokens, input_size).
    lengths: Number of tokens of each row, at least 1, of shape (rows,).
    RETURNS: Output of shape (tokens, hidden_size), and the state after the rows.
    """
    rnn.check_width(data)
    if len(data) == len(lengths):
        return step(rnn, data, state)
    layers, states = _layers(rnn), _states(rnn, state, len(lengths), data)
    starts = torch.from_numpy(lengths.cumsum() - lengths).to(data.device)
    # The rows that have more than one token, longest first: fewer and fewer go on.
    rows = (lengths > 1).nonzero()[0]
    rows = rows[numpy.argsort(-lengths[rows], kind="stable")]
    counts = [int((lengths[rows] > time).sum()) for time in range(1, lengths.max())]
    index = torch.from_numpy(rows).to(data.device)
    output = data.new_empty(len(data), rnn.hidden_size)
    with _as_in(rnn, data, len(lengths)):
        found = _step_all(layers, data.index_select(0, starts), states)
        whole = [tuple(part.to(data.dtype) for part in layer) for layer in found]
        output[starts] = whole[-1][0]
        going = [tuple(part.index_select(0, index) for part in layer) for layer in whole]
        starts = starts[index]
        for time, count in enumerate(counts, start=1):
            tokens = starts[:count] + time
            before = [tuple(part[:count] for part in layer) for layer in going]
            found = _step_all(layers, data.index_select(0, tokens), before)
            output[tokens] = found[-1][0].to(data.dtype)
            _write(before, found)
    for layer, last in zip(whole, going):
        for part, new in zip(layer, last):
            part[index] = new
    return output, _joined(whole)


def _write(states: List[Tensors], new: List[Tensors]) -> None:
    for layer, found in zip(states, new):
        for old, part in zip(layer, found):
            old.copy_(part)


def _states(rnn: RaggedRNN, state: Optional[State], rows: int, like: Tensor) -> List[Tensors]:
    """The state of each layer before a step, in its one direction."""
    return [tuple(part[0] for part in layer) for layer in rnn.split_state(state, rows, like)]


@contextmanager
def _as_in(rnn: RaggedRNN, data: Tensor, rows: int) -> Iterator[None]:
    """Computing in the net's precision, and in one thread what is too small to be shared out."""
    threads = one_thread() if rows * rnn.hidden_size < MIN_SIZE else nullcontext()
    with computing_in(rnn.precision_for(data), data), threads:
        yield


def _joined(layers: List[Tensors]) -> State:
    """The state of all layers out of that of each."""
    return join_state([torch.stack(parts) for parts in zip(*layers)])


def _layers(rnn: RaggedRNN) -> List[nn.RNNBase]:
    if rnn.bidirectional:
        raise ValueError(Errors.R005)
    return cast(List[nn.RNNBase], rnn.layers)


Array = numpy.ndarray
Arrays = Tuple[Array, ...]


class NumpyCells:
    """Single steps of a net in numpy, several times as fast as torch's cells for a few rows.

    It holds a copy of the weights: make it anew when they have changed.

    rnn: A net that reads in one direction. What it was asked to compute in half precision
        is computed in float32.
    max_rows: From more rows on, `step` and `read` are faster.
    RAISES: ValueError if the net reads in two directions.
    """

    def __init__(self, rnn: RaggedRNN):
        self.layers = [_NumpyCell(layer) for layer in _layers(rnn)]
        largest = max(layer.weights.size for layer in self.layers)
        self.max_rows = max(1, MAX_NUMPY_STEP // largest)

    def step(self, data: Array, states: Sequence[Arrays]) -> Tuple[Array, List[Arrays]]:
        """Read one more token of each row.

        data: One token of each row, of shape (rows, input_size).
        states: Of each layer before it: (h, c) for an LSTM, (h,) else, each of shape
            (rows, hidden_size). They are left as they are.
        RETURNS: Output of shape (rows, hidden_size), and the states after the token.
        RAISES: ValueError if the data are of another width.
        """
        if data.ndim != 2 or data.shape[1] != self.layers[0].input_size:
            width = self.layers[0].input_size
            raise ValueError(Errors.R006.format(width=width, found=data.shape))
        after = []
        for layer, state in zip(self.layers, states):
            after.append(layer.step(data, state))
            data = after[-1][0]
        return data, after


class _NumpyCell:
    """One layer of `NumpyCells`: all gates of a step are one matrix product of the input and
    the state, side by side.

    The sigmoid is computed as (tanh(x / 2) + 1) / 2, which does not overflow; the weights
    of its gates are halved once for that.
    """

    def __init__(self, layer: nn.RNNBase):
        weights = [weight.detach().float().cpu().numpy() for weight in layer.all_weights[0]]
        w_ih, w_hh = weights[:2]
        b_ih, b_hh = weights[2:] if layer.bias else numpy.zeros((2, len(w_ih)), "float32")
        self.input_size, self.hidden_size = layer.input_size, layer.hidden_size
        size = self.hidden_size
        joined, bias = numpy.concatenate((w_ih, w_hh), 1).T, b_ih + b_hh
        if layer.mode == "GRU":
            # The new value adds what is read to a share of what was: two columns, not one.
            joined = numpy.concatenate((joined, joined[:, 2 * size :]), 1)
            joined[self.input_size :, 2 * size : 3 * size] = 0.0
            joined[: self.input_size, 3 * size :] = 0.0
            bias = numpy.concatenate((bias[: 2 * size], b_ih[2 * size :], b_hh[2 * size :]))
        half = numpy.ones_like(bias)
        if layer.mode in ("LSTM", "GRU"):
            half[: 2 * size] = 0.5
        if layer.mode == "LSTM":
            half[3 * size :] = 0.5
        self.weights, self.bias = numpy.ascontiguousarray(joined * half), bias * half
        self.step = {"LSTM": self._lstm, "GRU": self._gru}.get(layer.mode, self._rnn)
        self.function = numpy.tanh if layer.mode == "RNN_TANH" else partial(numpy.maximum, 0.0)

    def _gates(self, data: Array, h: Array) -> Array:
        # One row is read as two, which numpy does not hand to another kernel; and products
        # are cut where it would share them out among threads, which then wait for each other.
        rows, (width, size) = len(data), self.weights.shape
        joined = numpy.zeros((max(rows, 2), width), "float32")
        joined[:rows, : self.input_size] = data
        joined[:rows, self.input_size :] = h
        columns = max(1, MAX_NUMPY_PRODUCT // joined.size)
        if columns >= size:
            gates = joined @ self.weights
        else:
            gates = numpy.empty((len(joined), size), "float32")
            for first in range(0, size, columns):
                part = slice(first, first + columns)
                numpy.matmul(joined, self.weights[:, part], out=gates[:, part])
        gates += self.bias
        return gates[:rows]

    def _lstm(self, data: Array, state: Arrays) -> Arrays:
        h, c = state
        size = self.hidden_size
        gates = numpy.tanh(self._gates(data, h))
        shares = gates * 0.5
        shares += 0.5
        c = shares[:, size : 2 * size] * c
        c += shares[:, :size] * gates[:, 2 * size : 3 * size]
        return shares[:, 3 * size :] * numpy.tanh(c), c

    def _gru(self, data: Array, state: Arrays) -> Arrays:
        (h,) = state
        size = self.hidden_size
        gates = self._gates(data, h)
        shares = numpy.tanh(gates[:, : 2 * size])
        shares *= 0.5
        shares += 0.5
        new = shares[:, :size] * gates[:, 3 * size :]
        new += gates[:, 2 * size : 3 * size]
        new = numpy.tanh(new)
        return ((h - new) * shares[:, size:] + new,)

    def _rnn(self, data: Array, state: Arrays) -> Arrays:
        return (self.function(self._gates(data, state[0])),)
