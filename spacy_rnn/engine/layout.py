"""How rows of different lengths are laid out for torch's kernels."""

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, Optional, Tuple

import numpy
import torch
from torch import Tensor, nn

from .kernels import Tensors, computing_in, run_kernel, weights_of
from .threads import run_side_by_side
from .transfer import to_device


class SingleLayout:
    """One row with tokens, which torch's kernel reads as it is.

    row: Which row that is. rows: Number of all rows. precision: As for `SortedLayout`.
    threaded: torch's threads share its steps.
    """

    def __init__(self, row: int, rows: int, precision: torch.dtype, threaded: bool):
        self.row = slice(row, row + 1)
        self.rows = rows
        self.precision = precision
        self.threaded = threaded

    def run(self, layer: nn.RNNBase, data: Tensor, state: Tensors) -> Tuple[Tensor, Tensors]:
        """As `SortedLayout.run`."""
        if self.threaded:
            return run_side_by_side([partial(self._run, layer, data, state)])[0]
        return self._run(layer, data, state)

    def _run(self, layer: nn.RNNBase, data: Tensor, state: Tensors) -> Tuple[Tensor, Tensors]:
        if self.rows == 1 and self.precision == data.dtype:
            output, final = run_kernel(layer, data.unsqueeze(1), state, weights_of(layer))
            return output.squeeze(1), final
        own = [part[:, self.row].to(self.precision).contiguous() for part in state]
        weights = [weight.to(self.precision) for weight in weights_of(layer)]
        output, found = run_kernel(layer, data.unsqueeze(1).to(self.precision), own, weights)
        final = tuple(
            torch.cat((old[:, : self.row.start], new.to(old.dtype), old[:, self.row.stop :]), 1)
            for old, new in zip(state, found)
        )
        return output.squeeze(1).to(data.dtype), final


class SortedLayout(ABC):
    """The rows of one batch, sorted by length, longest first, without those of length zero:
    computed once, used by every layer.

    lengths: Number of tokens of each row, of shape (rows,).
    device: Where the data are.
    precision: What the recurrence is computed in.
    return_state: Each row's final state is wanted.
    """

    def __init__(
        self,
        lengths: numpy.ndarray,
        device: torch.device,
        precision: torch.dtype,
        return_state: bool,
    ):
        self.precision = precision
        self.return_state = return_state
        self.total = int(lengths.sum())
        self.alive = int(numpy.count_nonzero(lengths))
        starts = lengths.cumsum() - lengths
        # None where the rows are in order as they came.
        self.order: Optional[Tensor] = None
        if (lengths[1:] > lengths[:-1]).any():
            order = numpy.argsort(-lengths, kind="stable")
            lengths, starts = lengths[order], starts[order]
            self.order = to_device(torch.from_numpy(order), device)
        self.lengths, self.starts = lengths[: self.alive], starts[: self.alive]

    def run(self, layer: nn.RNNBase, data: Tensor, state: Tensors) -> Tuple[Tensor, Tensors]:
        """Run one layer, in all its directions.

        data: Of shape (tokens, input width).
        state: h, or h and c of an LSTM, of shape (directions, rows, hidden_size).
        RETURNS: Output of shape (tokens, directions * hidden_size), and the final state.
            That has a meaning only if the layout was made to return it.
        """
        if self.total == 0:
            return data.new_zeros(0, layer.hidden_size * len(state[0])), state
        if self.order is not None:
            state = tuple(part.index_select(1, self.order) for part in state)
        output, final = self._run(layer, data, tuple(part[:, : self.alive] for part in state))
        output = output.to(data.dtype)
        if not self.return_state:
            return output, state
        # Rows of length zero end in the state they began with.
        final = tuple(
            torch.cat((new.to(old.dtype), old[:, self.alive :]), 1)
            for new, old in zip(final, state)
        )
        if self.order is not None:
            undo = torch.argsort(self.order)
            final = tuple(part.index_select(1, undo) for part in final)
        return output, final

    @abstractmethod
    def _run(self, layer: nn.RNNBase, data: Tensor, state: Tensors) -> Tuple[Tensor, Tensors]:
        """`run` for sorted rows, none of them empty, in the layout's precision or the data's.
        The final state may be left out unless `return_state`."""


class PackedLayout(SortedLayout):
    """All rows' first steps, then all second steps, and so on: what cuDNN wants, and the
    fastest for few short rows."""

    def __init__(self, lengths: numpy.ndarray, device: torch.device, *args: Any):
        super().__init__(lengths, device, *args)
        if self.total == 0:
            return
        steps = numpy.arange(self.lengths[0])
        sizes = numpy.searchsorted(-self.lengths, -steps, side="left")
        rows = numpy.arange(sizes.sum()) - numpy.repeat(numpy.cumsum(sizes) - sizes, sizes)
        index = self.starts[rows] + numpy.repeat(steps, sizes)
        inverse = numpy.empty_like(index)
        inverse[index] = numpy.arange(len(index))
        self.sizes = torch.from_numpy(sizes)
        self.index = to_device(torch.from_numpy(index), device)
        self.inverse = to_device(torch.from_numpy(inverse), device)

    def _run(self, layer, data, state):
        # cuDNN wants the state in memory order; it is a slice of a larger one here.
        start = [part.contiguous() for part in state]
        packed = data.index_select(0, self.index)
        with computing_in(self.precision, data):
            output, final = run_kernel(layer, packed, start, weights_of(layer), sizes=self.sizes)
        return output.index_select(0, self.inverse), final
