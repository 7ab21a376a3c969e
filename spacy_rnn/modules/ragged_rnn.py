"""A recurrent network over rows of any length, exact and without padding to the longest."""

import warnings
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union, cast

import numpy
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..errors import Errors, Warnings
from .dropout import locked_dropout

State = Union[Tensor, Tuple[Tensor, Tensor]]

CELLS: Dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
NONLINEARITIES = ("tanh", "relu")
PRECISIONS = ("float32", "bfloat16")

# A segment may be this much larger than the rows that are alive in it. More wastes
# arithmetic, less makes more calls, each with a fixed cost.
MAX_WASTE = 0.1
# Segments start on this grid of time steps and hold a multiple of it in rows: the
# CPU kernel compiles anew for each shape it meets, so few shapes keep its cache warm.
GRID = 8
# Time steps x rows of one segment. Above it the kernel's workspace no longer comes
# from the allocator's cache, and each training call pays for fresh pages.
MAX_AREA = 4096


class Segment(NamedTuple):
    """A rectangle in the plane of time steps and rows, rows sorted longest first."""

    start: int
    steps: int
    rows: int


class RaggedRNN(nn.Module):
    """Recurrent layers over rows of any length: RNN, LSTM or GRU.

    A row's result depends on that row alone. On CPU the rows are sorted and the time
    axis is cut where rows end, so that each segment is a dense rectangle for torch's
    fused kernel, and the state of the rows that go on is carried over; the reverse
    direction does the same on rows reversed within their own length. On CUDA the rows
    are packed, which is what cuDNN wants.

    input_size, hidden_size: Widths of the input, and of one direction's output.
    cell: "rnn", "lstm" or "gru".
    nonlinearity: "tanh" or "relu", for cell "rnn" only.
    num_layers, bidirectional, bias: As in `torch.nn.LSTM`.
    dropout: Share of features dropped between layers, the same at each step of a row.
    precision: "float32", or "bfloat16" to compute the recurrence in half precision
        where the hardware does that natively; weights and outputs stay float32.
    RAISES: ValueError for an argument outside of what is listed here.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        cell: str = "lstm",
        nonlinearity: str = "tanh",
        num_layers: int = 1,
        bidirectional: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
        precision: str = "float32",
    ):
        super().__init__()
        _check("cell", cell, tuple(CELLS))
        _check("nonlinearity", nonlinearity, NONLINEARITIES)
        _check("precision", precision, PRECISIONS)
        if num_layers < 1:
            raise ValueError(
                Errors.R002.format(name="num_layers", value=num_layers, expected="at least 1")
            )
        self.cell = cell
        self.hidden_size = hidden_size
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.precision = _available(precision)
        self.packed = False
        extra = {"nonlinearity": nonlinearity} if cell == "rnn" else {}
        width = hidden_size * (2 if bidirectional else 1)
        self.layers = nn.ModuleList(
            CELLS[cell](
                input_size if layer == 0 else width,
                hidden_size,
                bias=bias,
                bidirectional=bidirectional,
                **extra,
            )
            for layer in range(num_layers)
        )

    @property
    def num_directions(self) -> int:
        return 2 if self.bidirectional else 1

    def forward(
        self,
        data: Tensor,
        lengths: Tensor,
        state: Optional[State] = None,
        *,
        return_state: bool = False,
    ) -> Tuple[Tensor, Optional[State]]:
        """Run all layers over all rows.

        data: The rows, one after the other, of shape (tokens, input_size).
        lengths: Number of tokens of each row, of shape (rows,), on the CPU. Zero is legal.
        state: The state to start from, zeros if not given: h, or (h, c) for an LSTM,
            each of shape (num_layers * directions, rows, hidden_size), as in torch.
        return_state: Also compute each row's final state, which makes more segments.
        RETURNS: Output of shape (tokens, directions * hidden_size), and the final
            state in the form of `state`, or None where it was not asked for.
        """
        if int(lengths.sum()) != len(data):
            raise ValueError(Errors.R003.format(total=int(lengths.sum()), found=len(data)))
        packed = self.packed or data.device.type == "cuda"
        layout: _Layout = (_PackedLayout if packed else _SegmentLayout)(
            lengths.numpy(), self.bidirectional, return_state, data.device
        )
        finals: List[Tuple[Tensor, ...]] = []
        for i, layer in enumerate(cast(List[nn.RNNBase], self.layers)):
            if i > 0:
                data = locked_dropout(data, lengths.to(data.device), self.dropout, self.training)
            start = self.layer_state(state, i, len(lengths), data)
            with torch.autocast(
                data.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"
            ):
                output, final = layout.run(layer, data, start)
            data = output.to(data.dtype)
            finals.append(final)
        if not return_state:
            return data, None
        joined = tuple(torch.cat(parts).to(data.dtype) for parts in zip(*finals))
        return data, (joined[0], joined[1]) if self.cell == "lstm" else joined[0]

    def layer_state(
        self, state: Optional[State], layer: int, rows: int, like: Tensor
    ) -> Tuple[Tensor, ...]:
        """The initial state of one layer as a tuple: (h, c) for an LSTM, (h,) else."""
        count = 2 if self.cell == "lstm" else 1
        n = self.num_directions
        if state is None:
            zeros = like.new_zeros(n, rows, self.hidden_size)
            return (zeros,) * count
        parts = state if isinstance(state, tuple) else (state,)
        shape = (n * len(self.layers), rows, self.hidden_size)
        if len(parts) != count or any(tuple(part.shape) != shape for part in parts):
            found = [tuple(part.shape) for part in parts]
            raise ValueError(Errors.R004.format(count=count, shape=shape, found=found))
        return tuple(part[layer * n : (layer + 1) * n] for part in parts)


class _Layout(ABC):
    """How rows of a batch are laid out for torch's kernels: computed once a batch,
    used by every layer."""

    def __init__(
        self,
        lengths: numpy.ndarray,
        bidirectional: bool,
        return_state: bool,
        device: torch.device,
    ):
        order = numpy.argsort(-lengths, kind="stable")
        self.total = int(lengths.sum())
        self.alive = int((lengths > 0).sum())
        self.return_state = return_state
        self.order = torch.from_numpy(order).to(device)
        self.lengths = lengths[order][: self.alive]
        self.starts = (numpy.cumsum(lengths) - lengths)[order][: self.alive]

    def run(
        self, layer: nn.RNNBase, data: Tensor, state: Tuple[Tensor, ...]
    ) -> Tuple[Tensor, Tuple[Tensor, ...]]:
        """Run one layer, in all its directions.

        data: (tokens, input width). state: Tensors of (directions, rows, hidden_size).
        RETURNS: Output of (tokens, directions * hidden_size) and the final state,
            meaningless unless `return_state`.
        """
        if self.total == 0:
            width = layer.hidden_size * state[0].shape[0]
            return data.new_zeros(0, width), state
        ordered = tuple(part.index_select(1, self.order) for part in state)
        output, final = self._run(layer, data, tuple(p[:, : self.alive] for p in ordered))
        if not self.return_state:
            return output, final
        # Rows of length zero end in the state they began with.
        whole = tuple(torch.cat((f, p[:, self.alive :]), 1) for f, p in zip(final, ordered))
        undo = torch.argsort(self.order)
        return output, tuple(part.index_select(1, undo) for part in whole)

    @abstractmethod
    def _run(
        self, layer: nn.RNNBase, data: Tensor, state: Tuple[Tensor, ...]
    ) -> Tuple[Tensor, Tuple[Tensor, ...]]:
        """`run` for sorted rows, none of them empty."""


class _PackedLayout(_Layout):
    """All rows' first steps, then all second steps, and so on."""

    def __init__(self, lengths, bidirectional, return_state, device):
        super().__init__(lengths, bidirectional, return_state, device)
        if self.total == 0:
            return
        steps = numpy.arange(self.lengths[0])
        sizes = numpy.searchsorted(-self.lengths, -steps, side="left")
        rows = numpy.arange(sizes.sum()) - numpy.repeat(numpy.cumsum(sizes) - sizes, sizes)
        index = torch.from_numpy(self.starts[rows] + numpy.repeat(steps, sizes))
        self.sizes = torch.from_numpy(sizes)
        self.index = index.to(device)
        self.inverse = torch.argsort(self.index)

    def _run(self, layer, data, state):
        packed = PackedSequence(data.index_select(0, self.index), self.sizes)
        # cuDNN wants the state in memory order; it is a slice of a larger one here.
        start = tuple(part.contiguous() for part in state)
        output, final = layer(packed, start if len(start) == 2 else start[0])
        final = final if isinstance(final, tuple) else (final,)
        return output.data.index_select(0, self.inverse), final


class _SegmentLayout(_Layout):
    """Dense rectangles along the time axis."""

    def __init__(self, lengths, bidirectional, return_state, device):
        super().__init__(lengths, bidirectional, return_state, device)
        self.segments = plan_segments(self.lengths, exact=return_state)
        cells, real = self._cells()
        self.real = torch.from_numpy(real)
        self.index = [torch.from_numpy(cells)]
        if bidirectional:
            self.index.append(torch.from_numpy(self._mirror()[cells]))

    def _cells(self) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """For each cell of each segment the token it reads, and whether it has one of
        its own. A cell past the end of its row reads the first token there is: nobody
        reads what comes of that."""
        cells, real = [numpy.empty(0, dtype="int64")], [numpy.empty(0, dtype="bool")]
        for start, steps, rows in self.segments:
            times = numpy.arange(start, start + steps)[:, None]
            alive = numpy.zeros((steps, rows), dtype="bool")
            alive[:, : len(self.lengths)] = times < self.lengths[:rows]
            tokens = numpy.zeros((steps, rows), dtype="int64")
            tokens[:, : len(self.starts)] = self.starts[:rows] + times
            cells.append(numpy.where(alive, tokens, 0).ravel())
            real.append(alive.ravel())
        return numpy.concatenate(cells), numpy.concatenate(real)

    def _mirror(self) -> numpy.ndarray:
        """For each token the one that stands in its place when its row is reversed."""
        ends = self.starts + self.lengths - 1
        offsets = numpy.cumsum(self.lengths) - self.lengths
        sums = numpy.repeat(self.starts + ends, self.lengths)
        tokens = numpy.arange(self.total) + numpy.repeat(self.starts - offsets, self.lengths)
        mirror = numpy.empty(self.total, dtype="int64")
        mirror[tokens] = sums - tokens
        return mirror

    def _run(self, layer, data, state):
        outputs, finals = [], []
        for direction, index in enumerate(self.index):
            start = tuple(part[direction : direction + 1] for part in state)
            blocks, final = self._run_direction(
                layer, direction, data.index_select(0, index), start
            )
            outputs.append(blocks)
            finals.append(final)
        join = self._gather if torch.is_grad_enabled() else self._scatter
        return join(outputs), tuple(torch.cat(parts) for parts in zip(*finals))

    @cached_property
    def inverse(self) -> List[Tensor]:
        """For each direction the cell that holds each token; used by every layer."""
        return [_invert(index, self.real, self.total) for index in self.index]

    def _gather(self, outputs: List[List[Tensor]]) -> Tensor:
        """Tokens out of the segments of each direction, so that gradients find back."""
        found = [
            torch.cat(blocks).index_select(0, inverse)
            for inverse, blocks in zip(self.inverse, outputs)
        ]
        return torch.cat(found, dim=1) if len(found) > 1 else found[0]

    def _scatter(self, outputs: List[List[Tensor]]) -> Tensor:
        """The same where there are no gradients: each number is copied once."""
        width = outputs[0][0].shape[1]
        # Cells that have no token are written to one row more.
        found = outputs[0][0].new_empty(self.total + 1, width * len(outputs))
        for direction, (index, blocks) in enumerate(zip(self.index, outputs)):
            columns = found[:, direction * width : (direction + 1) * width]
            places = torch.where(self.real, index, self.total)
            for place, block in zip(places.split([len(block) for block in blocks]), blocks):
                columns.index_copy_(0, place, block)
        return found[: self.total]

    def _run_direction(self, layer, direction, cells, state):
        weights = layer.all_weights[direction]
        outputs, ended = [], []
        offset = 0
        for segment in self.segments:
            area = segment.steps * segment.rows
            block = cells[offset : offset + area].view(segment.steps, segment.rows, -1)
            offset += area
            if self.return_state:
                ended.append(tuple(part[:, segment.rows :] for part in state))
            state = tuple(_resize_rows(part, segment.rows) for part in state)
            output, state = _run_kernel(layer, block, state, weights)
            outputs.append(output.reshape(area, -1))
        ended.append(state)
        final = tuple(torch.cat(parts[::-1], 1) for parts in zip(*ended))
        return outputs, final


def plan_segments(lengths: Sequence[int], *, exact: bool = False) -> List[Segment]:
    """Cut the time axis into rectangles that cover every row.

    lengths: The rows' lengths, longest first, none of them zero.
    exact: Cut wherever a row ends and round nothing, so that the state after a
        segment is the final state of the rows that end with it.
    RETURNS: Segments in order of time. Each holds the first `rows` rows, from step
        `start` on; by rounding, `rows` may exceed the number of rows there are.
    """
    if not len(lengths):
        return []
    ends = numpy.asarray(lengths)[::-1]
    longest = int(ends[-1])
    if exact:
        cuts = numpy.unique(numpy.append(ends, 0))
    else:
        cuts = numpy.arange(0, longest + GRID, GRID)
    alive = len(ends) - numpy.searchsorted(ends, cuts[:-1], side="right")
    if exact:
        return [
            Segment(int(cuts[i]), int(cuts[i + 1] - cuts[i]), int(alive[i]))
            for i in range(len(alive))
        ]
    return _merge(_round_rows(alive), cuts)


def _merge(rows: numpy.ndarray, cuts: numpy.ndarray) -> List[Segment]:
    """Join neighbouring cells of the time grid while that wastes little.

    rows: Rows alive in each cell, falling. cuts: The cells' bounds, one more than rows.
    """
    segments = []
    first, need = 0, 0
    for last in range(len(rows)):
        step = int(cuts[last + 1] - cuts[last])
        area = int(rows[first]) * int(cuts[last + 1] - cuts[first])
        need_next = need + int(rows[last]) * step
        if last > first and (area > MAX_AREA or area > (1 + MAX_WASTE) * need_next):
            start = int(cuts[first])
            segments.append(Segment(start, int(cuts[last]) - start, int(rows[first])))
            first, need_next = last, int(rows[last]) * step
        need = need_next
    start = int(cuts[first])
    segments.append(Segment(start, int(cuts[-1]) - start, int(rows[first])))
    return segments


def _round_rows(rows: numpy.ndarray) -> numpy.ndarray:
    """Round up to a multiple of the grid, below it to a power of two."""
    small = 2 ** numpy.ceil(numpy.log2(rows)).astype("int64")
    large = -(-rows // GRID) * GRID
    return numpy.where(rows < GRID, small, large)


def _invert(index: Tensor, real: Tensor, total: int) -> Tensor:
    """The cell that holds each token, from the token that each cell reads."""
    cells = real.nonzero()[:, 0]
    inverse = torch.empty(total, dtype=torch.int64)
    inverse[index[cells]] = cells
    return inverse


def _resize_rows(part: Tensor, rows: int) -> Tensor:
    """Keep the first rows of a state, or append rows of zeros."""
    missing = rows - part.shape[1]
    if missing > 0:
        return nn.functional.pad(part, (0, 0, 0, missing))
    return part[:, :rows].contiguous()


def _run_kernel(
    layer: nn.RNNBase, block: Tensor, state: Tuple[Tensor, ...], weights: List[Tensor]
) -> Tuple[Tensor, Tuple[Tensor, ...]]:
    """One layer in one direction over a dense block of (steps, rows, input width)."""
    options = (weights, layer.bias, 1, 0.0, layer.training, False, False)
    if layer.mode == "LSTM":
        output, h, c = torch.lstm(block, state, *options)
        return output, (h, c)
    kernels = {"GRU": torch.gru, "RNN_TANH": torch.rnn_tanh, "RNN_RELU": torch.rnn_relu}
    output, h = kernels[layer.mode](block, state[0], *options)
    return output, (h,)


def cpu_has_bfloat16() -> bool:
    """Whether this CPU, and torch's kernels for it, compute bfloat16 natively."""
    return torch.backends.mkldnn.is_available() and bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def _available(precision: str) -> str:
    """The precision that this machine can compute in natively."""
    if precision == "bfloat16" and not torch.cuda.is_available():
        if not cpu_has_bfloat16():
            warnings.warn(Warnings.W001, stacklevel=3)
            return "float32"
    return precision


def _check(name: str, value: str, allowed: Tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(Errors.R001.format(name=name, value=value, allowed=allowed))
