"""One short sequence at a time, with weights that are laid out for the kernel once."""

from typing import Any, Callable, List

import numpy
import torch
from torch import Tensor

from .kernels import run_kernel, weights_of
from .plan import MIN_SIZE
from .ragged_rnn import RaggedRNN
from .threads import one_thread

ReadBlock = Callable[[Tensor], Tensor]
# What torch calls an LSTM in the arguments of oneDNN's kernel.
LSTM_MODE = 2


class ShortReader:
    """Reads one short sequence at a time on the CPU: as `RaggedRNN.forward` does in evaluation
    mode, without what takes longer than the kernel there. Of an LSTM over 20 tokens, a third of
    the time goes into laying out its weights for oneDNN, which torch does anew at each call.

    rnn: The net, on the CPU. The reader holds for as long as its weights stay as they are.
    """

    def __init__(self, rnn: RaggedRNN):
        self._rnn = rnn
        self._dtype = rnn.precision_for(next(rnn.parameters()))
        lay_out = _lay_out_lstm if rnn.cell == "lstm" and _has_onednn() else _lay_out
        self._layers: List[ReadBlock] = [lay_out(part, self._dtype) for part in rnn.layers]

    def takes(self, tokens: int) -> bool:
        """Whether a sequence of so many tokens is short."""
        return not self._rnn.packed and 0 < tokens * self._rnn.hidden_size < MIN_SIZE

    def read(self, data: numpy.ndarray) -> numpy.ndarray:
        """Run all layers over a sequence.

        data: Of shape (tokens, input_size).
        RETURNS: Output of shape (tokens, directions * hidden_size), float32.
        RAISES: ValueError for data of another width.
        """
        self._rnn.check_width(data)
        with one_thread():
            # oneDNN's kernel looks neither at strides nor at types.
            block = torch.from_numpy(numpy.ascontiguousarray(data, dtype="float32")[:, None])
            if self._dtype != torch.float32:
                block = block.to(self._dtype)
            for read_block in self._layers:
                block = read_block(block)
            if self._dtype != torch.float32:
                block = block.float()
        return block.numpy()[:, 0]


def _has_onednn() -> bool:
    """Whether torch's LSTMs run by oneDNN, and can be given weights as it lays them out: by
    functions that torch does not document."""
    packs = hasattr(torch.ops.mkldnn, "_reorder_mkldnn_rnn_layer_weight")
    takes = hasattr(torch, "mkldnn_rnn_layer")
    return packs and takes and torch.backends.mkldnn.is_available()


def _lay_out(layer: Any, dtype: torch.dtype) -> ReadBlock:
    """A function that runs a layer over blocks of shape (tokens, 1, input width)."""
    weights = [weight.detach().to(dtype) for weight in weights_of(layer)]
    start = torch.zeros(2 if layer.bidirectional else 1, 1, layer.hidden_size, dtype=dtype)

    def read_block(block: Tensor) -> Tensor:
        with torch.no_grad():
            return run_kernel(layer, block, (start, start), weights)[0]

    return read_block


def _lay_out_lstm(layer: Any, dtype: torch.dtype) -> ReadBlock:
    """As `_lay_out`, with weights as oneDNN wants them: it computes the same."""
    weights = [weight.detach().to(dtype) for weight in weights_of(layer)]
    of_each = 4 if layer.bias else 2
    directions = [
        _lay_out_direction(layer, weights[i : i + of_each], reverse=i > 0)
        for i in range(0, len(weights), of_each)
    ]
    if len(directions) == 1:
        return directions[0]
    return lambda block: torch.cat([read_block(block) for read_block in directions], 2)


def _lay_out_direction(layer: Any, weights: List[Tensor], *, reverse: bool) -> ReadBlock:
    size, shape = layer.hidden_size, [1, 1, layer.input_size]
    packed = torch.ops.mkldnn._reorder_mkldnn_rnn_layer_weight(
        *weights[:2], size, reverse, layer.bias, False, shape
    )
    start = weights[0].new_zeros(1, 1, size)
    biases = weights[2:] or [weights[0].new_zeros(4 * size)] * 2
    kernel: Any = torch.mkldnn_rnn_layer
    options: Any = (reverse, [], LSTM_MODE, size, 1, layer.bias, False, False, False)

    def read_block(block: Tensor) -> Tensor:
        return kernel(block, *packed, *biases, start, start, *options)[0]

    return read_block
