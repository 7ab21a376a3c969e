"""torch's recurrent kernels, all called alike."""

from contextlib import nullcontext
from typing import Any, ContextManager, Dict, List, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

Tensors = Tuple[Tensor, ...]

KERNELS: Dict[str, Any] = {
    "LSTM": torch.lstm,
    "GRU": torch.gru,
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
}
WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
REVERSE_WEIGHTS = tuple(f"{name}_reverse" for name in WEIGHTS)


def run_kernel(
    layer: nn.RNNBase,
    data: Tensor,
    state: Sequence[Tensor],
    weights: List[Tensor],
    *,
    sizes: Optional[Tensor] = None,
) -> Tuple[Tensor, Tensors]:
    """Run a layer in one direction or in both, as the weights have it.

    data: A dense block of shape (steps, rows, input width), or packed rows of shape
        (tokens, input width).
    state: h, or h and c of an LSTM, of shape (directions, rows, hidden_size).
    weights: Of one direction, or of one after the other.
    sizes: Number of rows at each step, of packed rows.
    RETURNS: The output, and the state after the last step.
    """
    hidden = (state[0], state[1]) if layer.mode == "LSTM" else state[0]
    # What torch calls training is whether to keep what a backward pass needs.
    training = torch.is_grad_enabled()
    options = (weights, layer.bias, 1, 0.0, training, state[0].shape[0] == 2)
    if sizes is None:
        output, *final = KERNELS[layer.mode](data, hidden, *options, False)
    else:
        output, *final = KERNELS[layer.mode](data, sizes, hidden, *options)
    return output, tuple(final)


def weights_of(layer: nn.RNNBase) -> List[Tensor]:
    """The weights of all directions of a layer, in the order that torch's kernels take them."""
    # As `layer.all_weights`, which takes ten times as long.
    used = 4 if layer.bias else 2
    names = WEIGHTS[:used] + REVERSE_WEIGHTS[:used] if layer.bidirectional else WEIGHTS[:used]
    return [getattr(layer, name) for name in names]


def computing_in(precision: torch.dtype, data: Tensor) -> ContextManager:
    """A context in which torch computes in a precision. Not all devices have torch's own, and
    none needs it for the precision that the data have."""
    if precision == data.dtype:
        return nullcontext()
    return torch.autocast(data.device.type, precision)
