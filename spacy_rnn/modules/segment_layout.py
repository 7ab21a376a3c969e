"""Rows in dense rectangles along the time axis, for torch's kernels on the CPU."""

from functools import cached_property, partial
from typing import Callable, List, NamedTuple, Sequence, Tuple, TypeVar

import numpy
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .layout import Layout
from .segments import Segment, costs_of, exact_segments, plan_segments
from .threads import available_threads, one_thread, run_side_by_side

Tensors = Tuple[Tensor, ...]
Result = TypeVar("Result")

# Tokens x hidden size below which lanes run one after the other: handing them to threads
# takes longer than they do.
MIN_SIZE = 25_000
# A lane has at least so many rows, where a direction's rows are shared out among
# threads: fewer, and each thread would read all weights for little work.
MIN_ROWS = 8


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


class Tape(NamedTuple):
    """What a lane has recorded for its backward pass: leaves, and what was made of them."""

    weights: List[Tensor]
    state: Tensors
    inputs: List[Tensor]
    outputs: List[Tensor]
    final: Tensors


class SegmentLayout(Layout):
    """Dense rectangles along the time axis. Each lane, some rows in one direction, runs
    in a thread of its own.

    lengths, return_state: As in `Layout`. layer: Any of the layers to run.
    """

    def __init__(self, lengths: numpy.ndarray, return_state: bool, layer: nn.RNNBase):
        super().__init__(lengths, return_state, torch.device("cpu"))
        directions = 2 if layer.bidirectional else 1
        self.small = self.total * layer.hidden_size < MIN_SIZE
        wanted = 1 if self.small else available_threads() // directions
        self.groups = max(1, min(wanted, self.alive // MIN_ROWS))
        self.directions = directions
        # Lanes have rows of almost the same lengths: what is planned for the first serves all.
        costs = costs_of(layer.mode, layer.hidden_size, torch.is_grad_enabled())
        longest = self.lengths[:: self.groups]
        self.segments = [] if return_state else plan_segments(longest, costs)
        self.lanes = [
            Lane(self, layer, direction, group)
            for direction in range(directions)
            for group in range(self.groups)
        ]

    def _run(self, layer, data, state, precision):
        weights = [weight for part in layer.all_weights for weight in part]
        if torch.is_grad_enabled():
            inputs = (data, len(state), *state, *weights)
            output, *final = _Lanes.apply(self, layer, precision, *inputs)
        else:
            output, *final = self.forward(Pass(layer, precision, data, state, weights))[0]
        return output, tuple(final)

    def forward(self, inputs: Pass, record: bool = False) -> Tuple[List[Tensor], List[Tape]]:
        """Run all lanes.

        RETURNS: The output and the final state, and what was recorded for `backward`.
        """
        # Cells that belong to no token are written to one row more.
        width = self.directions * inputs.layer.hidden_size
        output = inputs.data.new_empty(self.total + 1, width)
        tapes = self._run_lanes(
            [partial(lane.forward, inputs, output, record) for lane in self.lanes]
        )
        found = [output[: self.total]]
        if self.return_state:
            finals = zip(*(tape.final for tape in tapes))
            found += [self._join(list(parts)) for parts in finals]
        return found, tapes

    def _run_lanes(self, tasks: Sequence[Callable[[], Result]]) -> List[Result]:
        return [task() for task in tasks] if self.small else run_side_by_side(tasks)

    def _join(self, parts: List[Tensor]) -> Tensor:
        """A state of all rows out of those of the lanes."""
        joined = parts[0].new_empty(self.directions, self.alive, parts[0].shape[2])
        for lane, part in zip(self.lanes, parts):
            lane.rows_of(joined).copy_(part.detach())
        return joined

    def backward(
        self, tapes: List[Tape], like: Tensor, grads: Sequence[Tensor]
    ) -> Tuple[Tensor, List[Tensor], List[Tensor]]:
        """RETURNS: The gradients of the data, of the state and of the weights.

        like: A tensor of the data's width and type. grads: Of the output, and of the final
        state if there is one.
        """
        d_data = [like.new_empty(self.total + 1, like.shape[1]) for _ in range(self.directions)]
        tasks = [
            partial(lane.backward, tape, grads, d_data[lane.direction])
            for lane, tape in zip(self.lanes, tapes)
        ]
        found = self._run_lanes(tasks)
        state = [self._join(list(parts)) for parts in zip(*(d_state for d_state, _ in found))]
        weights: List[Tensor] = []
        for first in range(0, len(found), self.groups):
            groups = [d_weights for _, d_weights in found[first : first + self.groups]]
            weights += [sum(parts[1:], parts[0]) for parts in zip(*groups)]
        total = d_data[0] if len(d_data) == 1 else d_data[0].add_(d_data[1])
        return total[: self.total], state, weights


class Lane:
    """Every so many-th row of a layout, in one direction.

    layout: The layout. layer: Any of the layers to run. direction: 0 or 1, which reads
    rows from their end. group: Which of the layout's groups of rows.
    """

    def __init__(self, layout: SegmentLayout, layer: nn.RNNBase, direction: int, group: int):
        self.layout = layout
        self.direction = direction
        self.group = group
        self.columns = slice(direction * layer.hidden_size, (direction + 1) * layer.hidden_size)
        rows = slice(group, None, layout.groups)
        self.lengths, self.starts = layout.lengths[rows], layout.starts[rows]

    @cached_property
    def blocks(self) -> List[Block]:
        """The lane's segments, made in its own thread, by the first layer that runs."""
        segments = self.layout.segments or exact_segments(self.lengths)
        return [self._block(segment) for segment in segments]

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
        """The part of a state of (directions, rows, hidden_size) that is the lane's."""
        return state[self.direction : self.direction + 1, self.group :: self.layout.groups]

    def weights_of(self, weights: Sequence[Tensor]) -> List[Tensor]:
        """The weights of the lane's direction, out of those of all directions."""
        count = len(weights) // self.layout.directions
        return list(weights[self.direction * count : (self.direction + 1) * count])

    def forward(self, inputs: Pass, output: Tensor, record: bool) -> Tape:
        """Write the lane's part of the output."""
        layer, precision, data, state, weights = inputs
        leaf = partial(_leaf, record=record)
        with torch.set_grad_enabled(record):
            own = [leaf(weight) for weight in self.weights_of(weights)]
            tape = Tape(own, tuple(leaf(self.rows_of(part)) for part in state), [], [], ())
            cast = [weight.to(precision) for weight in own]
            current = tuple(part.to(precision) for part in tape.state)
            ended = []
            for block in self.blocks:
                rows = block.segment.rows
                ended.append(tuple(part[:, rows:] for part in current))
                current = tuple(_resize_rows(part, rows) for part in current)
                cells = leaf(data.index_select(0, block.tokens))
                shaped = cells.to(precision).view(block.segment.steps, rows, -1)
                found, current = run_kernel(layer, shaped, current, cast)
                found = found.view(len(block.places), -1).to(data.dtype)
                _put(output[:, self.columns], block.places, found)
                if record:
                    tape.inputs.append(cells)
                    tape.outputs.append(found)
            if not self.layout.return_state:
                return tape
            parts = zip(*ended[1:], current)
            final = tuple(torch.cat(part[::-1], 1).to(data.dtype) for part in parts)
            return tape._replace(final=final)

    def backward(
        self, tape: Tape, grads: Sequence[Tensor], d_data: Tensor
    ) -> Tuple[List[Tensor], List[Tensor]]:
        """Write the lane's part of the gradient of the data.

        RETURNS: The gradients of the state and of the weights.
        """
        d_outputs = []
        for block in self.blocks:
            d_output = grads[0][:, self.columns].index_select(0, block.tokens)
            d_outputs.append(d_output.index_fill_(0, block.missing, 0.0))
        d_final = [self.rows_of(part) for part in grads[1:]]
        leaves = [*tape.inputs, *tape.state, *tape.weights]
        # Kept for another backward pass: all is freed with the tape.
        found = list(
            torch.autograd.grad(
                [*tape.outputs, *tape.final], leaves, [*d_outputs, *d_final], retain_graph=True
            )
        )
        for block in self.blocks:
            _put(d_data, block.places, found.pop(0))
        return found[: len(tape.state)], found[len(tape.state) :]


class _Lanes(torch.autograd.Function):
    """All lanes of a layout as one function: each lane's backward pass, too, runs in a
    thread of its own."""

    @staticmethod
    def forward(ctx, layout, layer, precision, data, count, *rest):
        inputs = Pass(layer, precision, data, rest[:count], rest[count:])
        found, ctx.tapes = layout.forward(inputs, record=True)
        ctx.layout, ctx.like = layout, data.new_empty(0, data.shape[1])
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):
        with one_thread():
            data, state, weights = ctx.layout.backward(ctx.tapes, ctx.like, grads)
        return (None, None, None, data, None, *state, *weights)


def _leaf(value: Tensor, record: bool) -> Tensor:
    """A tensor whose gradient is wanted of it alone, where any is."""
    return value.detach().requires_grad_() if record else value


def _put(target: Tensor, places: numpy.ndarray, rows: Tensor) -> None:
    """Write rows to their places. numpy does it four times as fast as `index_copy_`."""
    target.numpy()[places] = rows.detach().numpy()


def _resize_rows(part: Tensor, rows: int) -> Tensor:
    """Keep the first rows of a state, or append rows of zeros."""
    missing = rows - part.shape[1]
    if missing > 0:
        return nn.functional.pad(part, (0, 0, 0, missing))
    return part[:, :rows].contiguous()


def run_kernel(
    layer: nn.RNNBase, block: Tensor, state: Tensors, weights: List[Tensor]
) -> Tuple[Tensor, Tensors]:
    """One layer in one direction over a dense block of (steps, rows, input width)."""
    options = (weights, layer.bias, 1, 0.0, layer.training, False, False)
    if layer.mode == "LSTM":
        output, h, c = torch.lstm(block, state, *options)
        return output, (h, c)
    kernels = {"GRU": torch.gru, "RNN_TANH": torch.rnn_tanh, "RNN_RELU": torch.rnn_relu}
    output, h = kernels[layer.mode](block, state[0], *options)
    return output, (h,)
