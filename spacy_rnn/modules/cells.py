"""Single time steps of a `RaggedRNN`: for text that is still arriving."""

from contextlib import nullcontext
from typing import Any, ContextManager, Dict, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy
import torch
from torch import Tensor, nn

from ..errors import Errors
from .ragged_rnn import RaggedRNN, State
from .segment_layout import run_kernel
from .segments import round_rows

CELLS: Dict[str, Any] = {
    "LSTM": torch.lstm_cell,
    "GRU": torch.gru_cell,
    "RNN_TANH": torch.rnn_tanh_cell,
    "RNN_RELU": torch.rnn_relu_cell,
}
# From so many rows on, the fused kernel for whole rows takes one step faster than the cell.
FUSED_ROWS = 32


def step(rnn: RaggedRNN, data: Tensor, state: Optional[State] = None) -> Tuple[Tensor, State]:
    """Read one more token of each row, with the weights of all layers: what
    `torch.nn.RNNCell`, `LSTMCell` and `GRUCell` compute, layer after layer.

    rnn: A net that reads in one direction, in evaluation mode.
    data: One token of each row, of shape (rows, input_size).
    state: The state of each row before it, zeros if not given: h, or (h, c) for an LSTM,
        each of shape (num_layers, rows, hidden_size), as `RaggedRNN.forward` takes it.
    RETURNS: Output of shape (rows, hidden_size), and the state after the token.
    RAISES: ValueError if the net reads in two directions, or the state does not fit.
    """
    after: List[Tuple[Tensor, ...]] = []
    with _precision(rnn, data):
        for i, layer in enumerate(_layers(rnn)):
            before = tuple(part[0] for part in rnn.layer_state(state, i, len(data), data))
            after.append(_step(layer, after[-1][0] if i else data, before))
    joined = [tuple(part.to(data.dtype) for part in parts) for parts in after]
    return joined[-1][0], _joined(joined)


def _step(layer: nn.RNNBase, data: Tensor, before: Tuple[Tensor, ...]) -> Tuple[Tensor, ...]:
    if layer.mode == "LSTM" and len(data) >= FUSED_ROWS and data.device.type == "cpu":
        return _fused_step(layer, data, before)
    hidden = before if len(before) == 2 else before[0]
    after = CELLS[layer.mode](data, hidden, *layer.all_weights[0])
    return after if isinstance(after, tuple) else (after,)


def _fused_step(layer: nn.RNNBase, data: Tensor, before: Tuple[Tensor, ...]) -> Tuple[Tensor, ...]:
    rows = len(data)
    missing = int(round_rows(numpy.asarray(rows))) - rows
    parts = (data, *before)
    if missing:
        parts = tuple(nn.functional.pad(part, (0, 0, 0, missing)) for part in parts)
    block, *state = (part.unsqueeze(0) for part in parts)
    _, after = run_kernel(layer, block, tuple(state), [*layer.all_weights[0]])
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
    if len(data) == len(lengths):
        return step(rnn, data, state)
    rounds = _rounds(lengths, data.device)
    finals = []
    for i, layer in enumerate(_layers(rnn)):
        before = tuple(part[0] for part in rnn.layer_state(state, i, len(lengths), data))
        with _precision(rnn, data):
            data, after = _read_layer(layer, data, rounds, before)
        finals.append(after)
    return data, _joined(finals)


class Rounds(NamedTuple):
    """Each row's first token, then each row's second, and so on.

    first: The first token of each row.
    more: All others, the second ones first.
    sizes: How many there are of the second, of the third, and so on.
    rows: The rows that have more than one, longest first.
    """

    first: Tensor
    more: Tensor
    sizes: List[int]
    rows: Tensor


def _rounds(lengths: numpy.ndarray, device: torch.device) -> Rounds:
    starts = lengths.cumsum() - lengths
    rows = (lengths > 1).nonzero()[0]
    rows = rows[numpy.argsort(-lengths[rows], kind="stable")]
    times = range(1, int(lengths.max()))
    sizes = [int((lengths[rows] > time).sum()) for time in times]
    more = numpy.concatenate([starts[rows[:size]] + time for time, size in zip(times, sizes)])
    first, others, going = (torch.from_numpy(part).to(device) for part in (starts, more, rows))
    return Rounds(first, others, sizes, going)


def _read_layer(
    layer: nn.RNNBase, data: Tensor, rounds: Rounds, state: Tuple[Tensor, ...]
) -> Tuple[Tensor, Tuple[Tensor, ...]]:
    output = data.new_empty(len(data), layer.hidden_size)
    found = _step(layer, data.index_select(0, rounds.first), state)
    whole = tuple(part.to(data.dtype) for part in found)
    output[rounds.first] = whole[0]
    going = tuple(part.index_select(0, rounds.rows) for part in whole)
    for tokens in rounds.more.split(rounds.sizes):
        before = tuple(part[: len(tokens)] for part in going)
        after = _step(layer, data.index_select(0, tokens), before)
        output[tokens] = after[0].to(data.dtype)
        for old, new in zip(before, after):
            old.copy_(new)
    for part, new in zip(whole, going):
        part[rounds.rows] = new
    return output, whole


def _layers(rnn: RaggedRNN) -> List[nn.RNNBase]:
    if rnn.bidirectional:
        raise ValueError(Errors.R005)
    return cast(List[nn.RNNBase], rnn.layers)


def _precision(rnn: RaggedRNN, data: Tensor) -> ContextManager:
    half = rnn.precision == "bfloat16"
    return torch.autocast(data.device.type, torch.bfloat16) if half else nullcontext()


def _joined(layers: Sequence[Tuple[Tensor, ...]]) -> State:
    """The state of all layers out of that of each."""
    parts = tuple(torch.stack(parts) for parts in zip(*layers))
    return (parts[0], parts[1]) if len(parts) == 2 else parts[0]
