"""Single time steps of a `RaggedRNN`: for text that is still arriving."""

from contextlib import nullcontext
from typing import Any, Dict, List, Optional, Tuple, cast

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
    if rnn.bidirectional:
        raise ValueError(Errors.R005)
    outputs: List[Tuple[Tensor, ...]] = []
    half = rnn.precision == "bfloat16"
    with torch.autocast(data.device.type, torch.bfloat16) if half else nullcontext():
        for i, layer in enumerate(cast(List[nn.RNNBase], rnn.layers)):
            before = tuple(part[0] for part in rnn.layer_state(state, i, len(data), data))
            outputs.append(_step(layer, outputs[-1][0] if i else data, before))
    joined = tuple(torch.stack(parts).to(data.dtype) for parts in zip(*outputs))
    output = joined[0][-1]
    return output, (joined[0], joined[1]) if len(joined) == 2 else joined[0]


def _step(layer: nn.RNNBase, data: Tensor, before: Tuple[Tensor, ...]) -> Tuple[Tensor, ...]:
    if layer.mode == "LSTM" and len(data) >= FUSED_ROWS and data.device.type == "cpu":
        return _fused_step(layer, data, before)
    hidden = before if len(before) == 2 else before[0]
    after = CELLS[layer.mode](data, hidden, *layer.all_weights[0])
    return after if isinstance(after, tuple) else (after,)


def _fused_step(layer: nn.RNNBase, data: Tensor, before: Tuple[Tensor, ...]) -> Tuple[Tensor, ...]:
    rows = len(data)
    more = (0, 0, 0, int(round_rows(numpy.asarray(rows))) - rows)
    block, *state = (nn.functional.pad(part, more).unsqueeze(0) for part in (data, *before))
    _, after = run_kernel(layer, block, tuple(state), [*layer.all_weights[0]])
    return tuple(part[0, :rows] for part in after)


def read(
    rnn: RaggedRNN, data: Tensor, lengths: Tensor, state: Optional[State] = None
) -> Tuple[Tensor, State]:
    """Read a few more tokens of each row, step by step: what `RaggedRNN.forward` computes,
    faster than that where most rows have one token.

    rnn, state, RAISES: As for `step`.
    data: The rows' tokens, one row after the other, of shape (tokens, input_size).
    lengths: Number of tokens of each row, at least 1, of shape (rows,), on the CPU.
    RETURNS: Output of shape (tokens, hidden_size), and the state after the rows.
    """
    if len(data) == len(lengths):
        return step(rnn, data, state)
    sizes, order, places = _rounds(lengths.numpy())
    rounds = data.index_select(0, places.to(data.device)).split(sizes)
    order = order.to(data.device)
    whole = tuple(part.index_select(1, order) for part in _parts(state))
    outputs = []
    for part in rounds:
        output, after = step(rnn, part, _state(tuple(old[:, : len(part)] for old in whole)))
        outputs.append(output)
        # The first round has all rows.
        whole = whole or tuple(new.clone() for new in _parts(after))
        for old, new in zip(whole, _parts(after)):
            old[:, : len(part)] = new
    undo = torch.argsort(order)
    final = _state(tuple(part.index_select(1, undo) for part in whole))
    found = torch.cat(outputs).index_select(0, torch.argsort(places).to(data.device))
    return found, cast(State, final)


def _rounds(lengths: numpy.ndarray) -> Tuple[List[int], Tensor, Tensor]:
    """Each row's first token, then each row's second, and so on, longest row first.

    RETURNS: Number of rows of each round, the order of the rows, and the order of all tokens.
    """
    order = numpy.argsort(-lengths, kind="stable")
    starts = (lengths.cumsum() - lengths)[order]
    sizes = [int((lengths > time).sum()) for time in range(int(lengths.max()))]
    places = numpy.concatenate([starts[:size] + time for time, size in enumerate(sizes)])
    return sizes, torch.from_numpy(order), torch.from_numpy(places)


def _parts(state: Optional[State]) -> Tuple[Tensor, ...]:
    if state is None:
        return ()
    return state if isinstance(state, tuple) else (state,)


def _state(parts: Tuple[Tensor, ...]) -> Optional[State]:
    if not parts:
        return None
    return (parts[0], parts[1]) if len(parts) == 2 else parts[0]
