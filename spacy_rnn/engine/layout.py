"""How rows of different lengths are laid out for torch's kernels."""

from abc import ABC, abstractmethod
from typing import Optional, Tuple

import numpy
import torch
from torch import Tensor, nn

from .kernels import Tensors, run_kernel, weights_of
from .threads import all_threads
from .transfer import to_device


class Layout(ABC):
    """The layout of one batch: computed once, used by every layer."""

    @abstractmethod
    def run(
        self, layer: nn.RNNBase, data: Tensor, state: Tensors, precision: torch.dtype
    ) -> Tuple[Tensor, Tensors]:
        """Run one layer, in all its directions.

        data: Of shape (tokens, input width).
        state: h, or h and c of an LSTM, of shape (directions, rows, hidden_size).
        precision: What the recurrence is computed in.
        RETURNS: Output of shape (tokens, directions * hidden_size), and the final state.
            That has a meaning only if the layout was made to return it.
        """


class SingleLayout(Layout):
    """One row with tokens, which torch's kernel reads as it is.

    row: Which row that is. rows: Number of all rows. threaded: torch's threads share its steps.
    """

    def __init__(self, row: int, rows: int, threaded: bool = False):
        self.row = slice(row, row + 1)
        self.rows = rows
        self.threaded = threaded

    def run(self, layer, data, state, precision):
        if self.threaded:
            with all_threads():
                return self._run(layer, data, state, precision)
        return self._run(layer, data, state, precision)

    def _run(self, layer, data, state, precision):
        if self.rows == 1 and precision == data.dtype:
            output, final = run_kernel(layer, data.unsqueeze(1), state, weights_of(layer))
            return output.squeeze(1), final
        own = [part[:, self.row].to(precision).contiguous() for part in state]
        weights = [weight.to(precision) for weight in weights_of(layer)]
        output, found = run_kernel(layer, data.unsqueeze(1).to(precision), own, weights)
        final = tuple(
            torch.cat((old[:, : self.row.start], new.to(old.dtype), old[:, self.row.stop :]), 1)
            for old, new in zip(state, found)
        )
        return output.squeeze(1).to(data.dtype), final


class SortedLayout(Layout):
    """Rows sorted by length, longest first, without those of length zero.

    lengths: Number of tokens of each row, of shape (rows,).
    return_state: Each row's final state is wanted.
    device: Where the data are.
    """

    def __init__(self, lengths: numpy.ndarray, return_state: bool, device: torch.device):
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

    def run(self, layer, data, state, precision):
        if self.total == 0:
            return data.new_zeros(0, layer.hidden_size * len(state[0])), state
        if self.order is not None:
            state = tuple(part.index_select(1, self.order) for part in state)
        alive = tuple(part[:, : self.alive] for part in state)
        output, final = self._run(layer, data, alive, precision)
        if not self.return_state:
            return output, state
        # Rows of length zero end in the state they began with.
        final = tuple(torch.cat((new, old[:, self.alive :]), 1) for new, old in zip(final, state))
        if self.order is not None:
            undo = torch.argsort(self.order)
            final = tuple(part.index_select(1, undo) for part in final)
        return output, final

    @abstractmethod
    def _run(
        self, layer: nn.RNNBase, data: Tensor, state: Tensors, precision: torch.dtype
    ) -> Tuple[Tensor, Tensors]:
        """`run` for sorted rows, none of them empty. The final state may be left out
        unless `return_state`."""
