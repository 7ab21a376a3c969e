"""One time step of a `RaggedRNN`: for text that is still arriving."""

from typing import Any, Dict, List, Optional, Tuple, cast

import torch
from torch import Tensor, nn

from ..errors import Errors
from .ragged_rnn import RaggedRNN, State

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
    RAISES: ValueError if the net reads in two directions, or the state does not fit.
    """
    if rnn.bidirectional:
        raise ValueError(Errors.R005)
    outputs: List[Tuple[Tensor, ...]] = []
    with torch.autocast(data.device.type, torch.bfloat16, enabled=rnn.precision == "bfloat16"):
        for i, layer in enumerate(cast(List[nn.RNNBase], rnn.layers)):
            before = tuple(part[0] for part in rnn.layer_state(state, i, len(data), data))
            hidden = before if len(before) == 2 else before[0]
            after = CELLS[layer.mode](outputs[-1][0] if i else data, hidden, *layer.all_weights[0])
            outputs.append(after if isinstance(after, tuple) else (after,))
    joined = tuple(torch.stack(parts).to(data.dtype) for parts in zip(*outputs))
    output = joined[0][-1]
    return output, (joined[0], joined[1]) if len(joined) == 2 else joined[0]
