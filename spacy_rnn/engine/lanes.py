"""Rows in dense rectangles along the time axis, for torch's kernels on the CPU."""

from functools import partial
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple, TypeVar

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


class Pass(NamedTuple):
    """What one layer reads: its input and initial state, all weights of all directions, and
    what to compute in."""

    layer: nn.RNNBase
    precision: torch.dtype
    data: Tensor
    state: Sequence[Tensor]
    weights: Sequence[Tensor]


class Wanted(NamedTuple):
    """Of what a gradient is wanted."""

    data: bool = False
    state: bool = False
    weights: bool = False


class Tape(NamedTuple):
    """What a lane has recorded for its backward pass: leaves, and what was made of them."""

    weights: List[Tensor]
    state: Tensors
    inputs: List[Tensor]
    outputs: List[Tensor]
    final: Tensors


class Gradients(NamedTuple):
    """What a lane's backward pass gives, beside the gradient of the data. Empty where it
    is not wanted."""

    state: List[Tensor]
    weights: List[Tensor]


class LaneLayout(SortedLayout):
    """Dense rectangles along the time axis. Each lane, some rows in one direction, runs
    in a thread of its own.

    lengths, return_state: As in `SortedLayout`. layer: Any of the layers to run.
    """

    def __init__(self, lengths: numpy.ndarray, return_state: bool, layer: nn.RNNBase):
        super().__init__(lengths, return_state, torch.device("cpu"))
        self.directions = 2 if layer.bidirectional else 1
        size = self.total * layer.hidden_size
        self.small = size < MIN_SIZE
        wanted = 1 if size < MIN_SHARED_SIZE else available_threads() // self.directions
        self.groups = max(1, min(wanted, self.alive // MIN_ROWS))
        self.segments: List[Segment] = []
        if not return_state and self.alive > 1:
            # Lanes have rows of almost the same lengths: one plan serves all.
            costs = costs_of(layer.mode, layer.hidden_size, torch.is_grad_enabled())
            self.segments = plan_segments(self.lengths[:: self.groups], costs)
        self.lanes = [
            Lane(self, layer.hidden_size, direction, group)
            for direction in range(self.directions)
            for group in range(self.groups)
        ]

    def _run(self, layer, data, state, precision):
        weights = weights_of(layer)
        if torch.is_grad_enabled():
            inputs = (data, len(state), *state, *weights)
            output, *final = _Lanes.apply(self, layer, precision, *inputs)
        else:
            found, _ = self.forward(Pass(layer, precision, data, state, weights), Wanted())
            output, *final = found
        return output, tuple(final)

    def forward(self, inputs: Pass, wanted: Wanted) -> Tuple[List[Tensor], List[Tape]]:
        """Run all lanes.

        RETURNS: The output and the final state, and what was recorded for `backward`.
        """
        # Cells that belong to no token are written to one row more.
        width = self.directions * inputs.layer.hidden_size
        output = inputs.data.new_empty(self.total + 1, width)
        tapes = self._run_lanes(
            [partial(lane.forward, inputs, output, wanted) for lane in self.lanes]
        )
        found = [output[: self.total]]
        if self.return_state:
            found += [self._join(parts) for parts in zip(*(tape.final for tape in tapes))]
        return found, tapes

    def _run_lanes(self, tasks: Sequence[Callable[[], Result]]) -> List[Result]:
        return [task() for task in tasks] if self.small else run_side_by_side(tasks)

    def _join(self, parts: Sequence[Tensor]) -> Tensor:
        """A state of all rows out of those of the lanes."""
        joined = parts[0].new_empty(self.directions, self.alive, parts[0].shape[2])
        for lane, part in zip(self.lanes, parts):
            lane.rows_of(joined).copy_(part.detach())
        return joined

    def backward(
        self, tapes: List[Tape], like: Tensor, grads: Sequence[Tensor], wanted: Wanted
    ) -> Tuple[Tensor, Gradients]:
        """RETURNS: The gradients of the data, of the state and of the weights.

        like: A tensor of the data's width and type. grads: Of the output, and of the final
        state if there is one.
        """
        size = (self.total + 1, like.shape[1]) if wanted.data else (0, 0)
        d_data = [like.new_empty(size) for _ in range(self.directions)]
        tasks = [
            partial(lane.backward, tape, grads, d_data[lane.direction], wanted)
            for lane, tape in zip(self.lanes, tapes)
        ]
        found = self._run_lanes(tasks)
        state = [self._join(parts) for parts in zip(*(lane.state for lane in found))]
        weights: List[Tensor] = []
        for first in range(0, len(found), self.groups):
            groups = [lane.weights for lane in found[first : first + self.groups]]
            weights += [sum(parts[1:], parts[0]) for parts in zip(*groups)]
        total = d_data[0] if len(d_data) == 1 else d_data[0].add_(d_data[1])
        return total[: self.total], Gradients(state, weights)


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

    def forward(self, inputs: Pass, output: Tensor, wanted: Wanted) -> Tape:
        """Write the lane's part of the output."""
        layer, precision, data, state, weights = inputs
        with torch.set_grad_enabled(any(wanted)):
            own = [_leaf(weight, wanted.weights) for weight in self.weights_of(weights)]
            initial = tuple(_leaf(self.rows_of(part), wanted.state) for part in state)
            tape = Tape(own, initial, [], [], ())
            cast = [weight.to(precision) for weight in own]
            current = tuple(part.to(precision) for part in initial)
            ended = []
            for block in self.blocks():
                rows = block.segment.rows
                ended.append(tuple(part[:, rows:] for part in current))
                current = tuple(_resize_rows(part, rows) for part in current)
                cells = _leaf(data.index_select(0, block.tokens), wanted.data)
                shaped = cells.to(precision).view(block.segment.steps, rows, -1)
                found, current = run_kernel(layer, shaped, current, cast)
                found = found.view(len(block.places), -1).to(data.dtype)
                _put(output[:, self.columns], block.places, found)
                if any(wanted):
                    tape.inputs.append(cells)
                    tape.outputs.append(found)
            if not self.layout.return_state:
                return tape
            parts = zip(*ended[1:], current)
            final = tuple(torch.cat(part[::-1], 1).to(data.dtype) for part in parts)
            return tape._replace(final=final)

    def backward(
        self, tape: Tape, grads: Sequence[Tensor], d_data: Tensor, wanted: Wanted
    ) -> Gradients:
        """Write the lane's part of the gradient of the data."""
        d_outputs = []
        for block in self.blocks():
            d_output = grads[0][:, self.columns].index_select(0, block.tokens)
            d_outputs.append(d_output.index_fill_(0, block.missing, 0.0))
        d_final = [self.rows_of(part) for part in grads[1:]]
        leaves = [tape.inputs, list(tape.state), tape.weights]
        sizes = [len(part) if want else 0 for part, want in zip(leaves, wanted)]
        # Kept for another backward pass: all is freed with the tape.
        found = torch.autograd.grad(
            [*tape.outputs, *tape.final],
            [leaf for part, want in zip(leaves, wanted) if want for leaf in part],
            [*d_outputs, *d_final],
            retain_graph=True,
        )
        for block, part in zip(self.blocks(), found[: sizes[0]]):
            _put(d_data, block.places, part)
        rest = list(found[sizes[0] :])
        return Gradients(rest[: sizes[1]], rest[sizes[1] :])


class _Lanes(torch.autograd.Function):
    """All lanes of a layout as one function: each lane's backward pass, too, runs in a
    thread of its own."""

    @staticmethod
    def forward(ctx, layout, layer, precision, data, count, *rest):
        needed = ctx.needs_input_grad[5:]
        ctx.wanted = Wanted(ctx.needs_input_grad[3], any(needed[:count]), any(needed[count:]))
        inputs = Pass(layer, precision, data, rest[:count], rest[count:])
        found, ctx.tapes = layout.forward(inputs, ctx.wanted)
        ctx.layout, ctx.like = layout, data.new_empty(0, data.shape[1])
        ctx.counts = count, len(rest) - count
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):
        with one_thread():
            data, found = ctx.layout.backward(ctx.tapes, ctx.like, grads, ctx.wanted)
        state, weights = (part or [None] * count for part, count in zip(found, ctx.counts))
        return (None, None, None, data if ctx.wanted.data else None, None, *state, *weights)


def _leaf(value: Tensor, wanted: bool) -> Tensor:
    """The same values as a tensor of its own, with a gradient if that is wanted."""
    return value.detach().requires_grad_(wanted)


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
