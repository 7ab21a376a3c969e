"""How rows of different lengths are laid out for torch's kernels."""

from abc import ABC, abstractmethod
from typing import Tuple

import numpy
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .transfer import to_device


class Layout(ABC):
    """The layout of one batch: computed once, used by every layer.

    lengths: Number of tokens of each row, of shape (rows,).
    return_state: Each row's final state is wanted.
    device: Where the data are.
    """

    def __init__(self, lengths: numpy.ndarray, return_state: bool, device: torch.device):
        order = numpy.argsort(-lengths, kind="stable")
        self.total = int(lengths.sum())
        self.alive = int((lengths > 0).sum())
        self.return_state = return_state
        self.order = to_device(torch.from_numpy(order), device)
        self.lengths = lengths[order][: self.alive]
        self.starts = (numpy.cumsum(lengths) - lengths)[order][: self.alive]

    def run(
        self, layer: nn.RNNBase, data: Tensor, state: Tuple[Tensor, ...], precision: torch.dtype
    ) -> Tuple[Tensor, Tuple[Tensor, ...]]:
        """Run one layer, in all its directions.

        data: (tokens, input width). state: Tensors of (directions, rows, hidden_size).
        precision: What the recurrence is computed in.
        RETURNS: Output of (tokens, directions * hidden_size) and the final state,
            meaningless unless `return_state`; both of the type of `data`.
        """
        if self.total == 0:
            width = layer.hidden_size * state[0].shape[0]
            return data.new_zeros(0, width), state
        ordered = tuple(part.index_select(1, self.order) for part in state)
        alive = tuple(part[:, : self.alive] for part in ordered)
        output, final = self._run(layer, data, alive, precision)
        if not self.return_state:
            return output, state
        # Rows of length zero end in the state they began with.
        whole = tuple(torch.cat((f, p[:, self.alive :]), 1) for f, p in zip(final, ordered))
        undo = torch.argsort(self.order)
        return output, tuple(part.index_select(1, undo) for part in whole)

    @abstractmethod
    def _run(
        self, layer: nn.RNNBase, data: Tensor, state: Tuple[Tensor, ...], precision: torch.dtype
    ) -> Tuple[Tensor, Tuple[Tensor, ...]]:
        """`run` for sorted rows, none of them empty. The final state may be left out
        unless `return_state`."""


class PackedLayout(Layout):
    """All rows' first steps, then all second steps, and so on: what cuDNN wants."""

    def __init__(self, lengths: numpy.ndarray, return_state: bool, device: torch.device):
        super().__init__(lengths, return_state, device)
        if self.total == 0:
            return
        steps = numpy.arange(self.lengths[0])
        sizes = numpy.searchsorted(-self.lengths, -steps, side="left")
        rows = numpy.arange(sizes.sum()) - numpy.repeat(numpy.cumsum(sizes) - sizes, sizes)
        index = torch.from_numpy(self.starts[rows] + numpy.repeat(steps, sizes))
        self.sizes = torch.from_numpy(sizes)
        self.index = to_device(index, device)
        self.inverse = torch.argsort(self.index)

    def _run(self, layer, data, state, precision):
        packed = PackedSequence(data.index_select(0, self.index), self.sizes)
        # cuDNN wants the state in memory order; it is a slice of a larger one here.
        start = tuple(part.contiguous() for part in state)
        with torch.autocast(data.device.type, precision, enabled=precision != data.dtype):
            output, final = layer(packed, start if len(start) == 2 else start[0])
        final = final if isinstance(final, tuple) else (final,)
        found = output.data.index_select(0, self.inverse).to(data.dtype)
        return found, tuple(part.to(data.dtype) for part in final)
