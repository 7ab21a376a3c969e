"""Rows in dense rectangles along the time axis, for torch's kernels on the CPU."""

from functools import partial
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, TypeVar

import numpy
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .kernels import Tensors, run_kernel, weights_of
from .layout import SortedLayout
from .plan import (
    MIN_ROWS,
    MIN_SHARED_SIZE,
    MIN_SIZE,
    Segment,
    costs_of,
    exact_segments,
    plan_segments,
)
from .threads import available_threads, one_thread, run_side_by_side

Result = TypeVar("Result")


class Block(NamedTuple):
    """A segment, and the tokens that its cells read.

    segment: The segment.
    tokens: For each cell the token that it reads. A cell past the end of its row reads
        some token: nobody reads what comes of that.
    places: For each cell the token that it belongs to, or the number of all tokens.
    missing: The cells past the end of their rows.
    """

    segment: Segment
    tokens: Tensor
    places: numpy.ndarray
    missing: Tensor


class Tape(NamedTuple):
    """What a lane has recorded for its backward pass: leaves, and what was made of them.

    cells, outputs: Of each block. rest: The initial state and the weights. final: The state
    after the last block.
    """

    cells: List[Tensor]
    rest: List[Tensor]
    outputs: List[Tensor]
    final: Tensors


class LaneLayout(SortedLayout):
    """Dense rectangles along the time axis. Each lane, some rows in one direction, runs
    in a thread of its own.

    args: As for `SortedLayout`. layer: Any of the layers to run.
    """

    def __init__(self, *args: Any, layer: nn.RNNBase):
        super().__init__(*args)
        self.directions = 2 if layer.bidirectional else 1
        # Tensors of a state.
        self.parts = 2 if layer.mode == "LSTM" else 1
        size = self.total * layer.hidden_size
        self.small = size < MIN_SIZE
        wanted = 1 if size < MIN_SHARED_SIZE else available_threads() // self.directions
        self.groups = max(1, min(wanted, self.alive // MIN_ROWS))
        self.segments: List[Segment] = []
        if not self.return_state and self.alive > 1:
            # Lanes have rows of almost the same lengths: one plan serves all.
            costs = costs_of(layer.mode, layer.hidden_size, torch.is_grad_enabled())
            self.segments = plan_segments(self.lengths[:: self.groups], costs)
        self.lanes = [
            Lane(self, layer.hidden_size, direction, group)
            for direction in range(self.directions)
            for group in range(self.groups)
        ]

    def _run(self, layer, data, state):
        inputs = (data, *state, *weights_of(layer))
        if torch.is_grad_enabled():
            output, *final = _Lanes.apply(self, layer, *inputs)
        else:
            (output, *final), _ = self.forward(layer, inputs, False)
        return output, tuple(final)

    def forward(
        self, layer: nn.RNNBase, inputs: Sequence[Tensor], record: bool
    ) -> Tuple[List[Tensor], List[Tape]]:
        """Run all lanes.

        inputs: The data, the parts of the state, and the weights of all directions.
        RETURNS: The output and the final state, and what `backward` takes, if that is to be
            recorded.
        """
        # Cells that belong to no token are written to one row more.
        output = inputs[0].new_empty(self.total + 1, self.directions * layer.hidden_size)
        tasks = [partial(lane.forward, layer, inputs, output, record) for lane in self.lanes]
        tapes = self._run_lanes(tasks)
        final = [self._join(parts) for parts in zip(*(tape.final for tape in tapes))]
        return [output[: self.total], *final], tapes

    def backward(self, tapes: List[Tape], grads: Sequence[Tensor]) -> List[Optional[Tensor]]:
        """RETURNS: The gradients of `inputs`, None of what wants none.

        grads: Of the output, and of the final state if there is one.
        """
        cells = tapes[0].cells[0]
        d_data = [cells.new_empty(self.total + 1, cells.shape[1]) for _ in range(self.directions)]
        found = self._run_lanes(
            [
                partial(lane.backward, tape, grads, d_data[lane.direction])
                for lane, tape in zip(self.lanes, tapes)
            ]
        )
        whole = _total(d_data)[: self.total] if cells.requires_grad else None
        joined = [self._join(same) for same in zip(*(lane[: self.parts] for lane in found))]
        for first in range(0, len(found), self.groups):
            groups = [lane[self.parts :] for lane in found[first : first + self.groups]]
            joined += [_total(same) for same in zip(*groups)]
        return [whole, *joined]

    def _run_lanes(self, tasks: Sequence[Callable[[], Result]]) -> List[Result]:
        if self.small or len(tasks) == 1:
            return [task() for task in tasks]
        return run_side_by_side(tasks)

    def _join(self, parts: Sequence[Any]) -> Any:
        """A state of all rows, or its gradient, out of those of the lanes, if they have any."""
        if parts[0] is None:
            return None
        joined = parts[0].new_empty(self.directions, self.alive, parts[0].shape[2])
        for lane, part in zip(self.lanes, parts):
            lane.rows_of(joined).copy_(part.detach())
        return joined


class Lane:
    """Every so many-th row of a layout, in one direction.

    layout: The layout. hidden_size: Of any of the layers to run. direction: 0 or 1, which
    reads rows from their end. group: Which of the layout's groups of rows.
    """

    def __init__(self, layout: LaneLayout, hidden_size: int, direction: int, group: int):
        self.layout = layout
        self.direction = direction
        self.group = group
        self.columns = slice(direction * hidden_size, (direction + 1) * hidden_size)
        rows = slice(group, None, layout.groups)
        self.lengths, self.starts = layout.lengths[rows], layout.starts[rows]
        self._blocks: Optional[List[Block]] = None

    def blocks(self) -> List[Block]:
        """The lane's segments, made in its own thread, by the first layer that runs."""
        if self._blocks is None:
            segments = self.layout.segments or exact_segments(self.lengths)
            self._blocks = [self._block(segment) for segment in segments]
        return self._blocks

    def _block(self, segment: Segment) -> Block:
        start, steps, rows = segment
        times = numpy.arange(start, start + steps)[:, None]
        lengths, starts = self.lengths[:rows], self.starts[:rows]
        tokens = starts + lengths - 1 - times if self.direction else starts + times
        total = self.layout.total
        places = numpy.full((steps, rows), total)
        places[:, : len(lengths)] = numpy.where(times < lengths, tokens, total)
        places = places.ravel()
        missing = torch.from_numpy((places == total).nonzero()[0])
        return Block(segment, torch.from_numpy(numpy.minimum(places, total - 1)), places, missing)

    def rows_of(self, state: Tensor) -> Tensor:
        """The part of a state of shape (directions, rows, hidden_size) that is the lane's."""
        return state[self.direction : self.direction + 1, self.group :: self.layout.groups]

    def weights_of(self, weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """The weights of the lane's direction, out of those of all directions."""
        count = len(weights) // self.layout.directions
        return weights[self.direction * count : (self.direction + 1) * count]

    def forward(
        self, layer: nn.RNNBase, inputs: Sequence[Tensor], output: Tensor, record: bool
    ) -> Tape:
        """As `LaneLayout.forward`. Write the lane's part of the output."""
        precision, parts = self.layout.precision, self.layout.parts
        data, *rest = inputs
        with torch.set_grad_enabled(record):
            state = [_leaf(self.rows_of(part), part) for part in rest[:parts]]
            weights = [_leaf(weight, weight) for weight in self.weights_of(rest[parts:])]
            tape = Tape([], state + weights, [], ())
            cast = [weight.to(precision) for weight in weights]
            current = tuple(part.to(precision) for part in state)
            ended = []
            for block in self.blocks():
                rows = block.segment.rows
                ended.append(tuple(part[:, rows:] for part in current))
                current = tuple(_resize_rows(part, rows) for part in current)
                cells = _leaf(data.index_select(0, block.tokens), data)
                shaped = cells.to(precision).view(block.segment.steps, rows, -1)
                found, current = run_kernel(layer, shaped, current, cast)
                found = found.view(len(block.places), -1).to(data.dtype)
                _put(output[:, self.columns], block.places, found)
                if record:
                    tape.cells.append(cells)
                    tape.outputs.append(found)
            if not self.layout.return_state:
                return tape
            final = tuple(torch.cat(part[::-1], 1) for part in zip(*ended[1:], current))
            return tape._replace(final=final)

    def backward(
        self, tape: Tape, grads: Sequence[Tensor], d_data: Tensor
    ) -> List[Optional[Tensor]]:
        """Write the lane's part of the gradient of the data.

        RETURNS: The gradients of the state and of the weights, None of what wants none.
        """
        d_outputs = []
        for block in self.blocks():
            d_output = grads[0][:, self.columns].index_select(0, block.tokens)
            d_outputs.append(d_output.index_fill_(0, block.missing, 0.0))
        d_final = [self.rows_of(part) for part in grads[1:]]
        leaves = [*tape.cells, *tape.rest]
        # Kept for another backward pass: all is freed with the tape.
        wanted = torch.autograd.grad(
            [*tape.outputs, *tape.final],
            [leaf for leaf in leaves if leaf.requires_grad],
            [*d_outputs, *d_final],
            retain_graph=True,
        )
        in_order = iter(wanted)
        found = [next(in_order) if leaf.requires_grad else None for leaf in leaves]
        for block, part in zip(self.blocks(), found):
            if part is not None:
                _put(d_data, block.places, part)
        return found[len(tape.cells) :]


class _Lanes(torch.autograd.Function):
    """All lanes of a layout as one function: each lane's backward pass, too, runs in a
    thread of its own."""

    @staticmethod
    def forward(ctx, layout, layer, *inputs):
        found, ctx.tapes = layout.forward(layer, inputs, any(ctx.needs_input_grad))
        ctx.layout = layout
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):
        with one_thread():
            return (None, None, *ctx.layout.backward(ctx.tapes, grads))


def _leaf(value: Tensor, whole: Tensor) -> Tensor:
    """A part of a tensor as one of its own, with a gradient if the whole wants one."""
    return value.detach().requires_grad_(whole.requires_grad)


def _total(parts: Sequence[Any]) -> Any:
    """The sum of gradients, if there are any."""
    return None if parts[0] is None else sum(parts[1:], parts[0])


def _put(target: Tensor, places: numpy.ndarray, rows: Tensor) -> None:
    """Write rows to their places. numpy does it four times as fast as `index_copy_`, but
    does not know all of torch's types."""
    rows = rows.detach()
    if target.dtype == torch.bfloat16:
        target.index_copy_(0, torch.from_numpy(places), rows)
    else:
        target.numpy()[places] = rows.numpy()


def _resize_rows(part: Tensor, rows: int) -> Tensor:
    """Keep the first rows of a state, or append rows of zeros."""
    missing = rows - part.shape[1]
    if missing > 0:
        return nn.functional.pad(part, (0, 0, 0, missing))
    return part[:, :rows].contiguous()
