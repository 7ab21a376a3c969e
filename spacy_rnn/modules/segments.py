"""Cutting the time axis of rows of different lengths into dense rectangles."""

import math
from bisect import bisect_left
from typing import List, NamedTuple, Sequence, Union

import numpy

Lengths = Union[Sequence[int], numpy.ndarray]

# Numbers of time steps that a segment may have. The kernel is made anew for each shape it
# meets, which takes as long as several calls, so there are few of them.
STEPS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
# Segments begin and end at multiples of the second number, up to the time that is the first.
GRIDS = ((32, 4), (512, 8), (4096, 64), (None, 512))
# What a kernel call costs on its own, and each time step of it, in steps of single rows.
# Both in inverse proportion to the hidden size, since those of a row grow with it. Fitted
# to torch's kernels on one core, for hidden sizes from 16 to 256, in inference and in
# training: `python -m benchmarks.segments`. LSTM has a fused kernel; the others do not,
# and run through many small ones at each time step.
FUSED = (10_000.0, 150.0)
UNFUSED = (1_500.0, 1_000.0)
# Time steps x rows x hidden size of one segment in training. Above it the kernel's
# workspace no longer comes from the allocator's cache, and each call pays for fresh pages.
MAX_TRAINING_SIZE = 4096 * 128


class Segment(NamedTuple):
    """A rectangle in the plane of time steps and rows, rows sorted longest first."""

    start: int
    steps: int
    rows: int


class Costs(NamedTuple):
    """What a kernel call costs, measured in time steps of one row.

    call: Fixed cost of a call. step: Cost of a time step, without its rows.
    max_area: Time steps x rows of one call at most, where that is possible.
    """

    call: float
    step: float
    max_area: float = math.inf


def costs_of(mode: str, hidden_size: int, training: bool) -> Costs:
    """The costs of torch's kernel.

    mode: Of a `torch.nn.RNNBase`: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
    hidden_size: Width of one direction. training: A backward pass will follow.
    """
    call, step = FUSED if mode == "LSTM" else UNFUSED
    max_area = MAX_TRAINING_SIZE / hidden_size if training else math.inf
    return Costs(call / hidden_size, step / hidden_size, max_area)


def exact_segments(lengths: Lengths) -> List[Segment]:
    """Cut wherever a row ends, so that the state after a segment is the final state of
    the rows that end with it.

    lengths: The rows' lengths, longest first, none of them zero.
    RETURNS: Segments in order of time. Each holds the first `rows` rows, from step
        `start` on.
    """
    cuts = numpy.unique([0, *lengths])
    return _segments(cuts, _alive(lengths, cuts[:-1]))


def plan_segments(lengths: Lengths, costs: Costs) -> List[Segment]:
    """Cut where that costs least: more segments make more calls, fewer compute more
    steps of rows that have ended.

    lengths: The rows' lengths, longest first, none of them zero.
    RETURNS: As `exact_segments`, but for rounding: `rows` may exceed the number of rows
        there are, and the last segment may end after the longest row.
    """
    if not len(lengths):
        return []
    times = _times(int(lengths[0]))
    rows = round_rows(_alive(lengths, times[:-1]))
    return _cheapest(times.tolist(), rows.tolist(), costs)


def _segments(cuts: numpy.ndarray, rows: numpy.ndarray) -> List[Segment]:
    parts = (cuts[:-1].tolist(), numpy.diff(cuts).tolist(), rows.tolist())
    return [Segment(*found) for found in zip(*parts)]


def _alive(lengths: Lengths, times: numpy.ndarray) -> numpy.ndarray:
    """How many rows are longer than each time."""
    ends = numpy.asarray(lengths)[::-1]
    return len(ends) - numpy.searchsorted(ends, times, side="right")


def _times(longest: int) -> numpy.ndarray:
    """When segments may begin and end: from 0 to the first time that ends the longest row."""
    times: List[int] = []
    first = 0
    for last, step in GRIDS:
        part = range(first, longest if last is None else min(last, longest), step)
        times += part
        first += len(part) * step
    return numpy.asarray([*times, first])


def _cheapest(times: List[int], rows: List[int], costs: Costs) -> List[Segment]:
    """The cheapest segments from the first time to the last, by dynamic programming.

    times: When segments may begin and end. rows: Alive from each of them but the last on.
    """
    index = {time: i for i, time in enumerate(times)}
    best = [0.0]
    segments = [Segment(0, 0, 0)]
    for time in times[1:]:
        ways = [(index[time - steps], steps) for steps in STEPS if time - steps in index]
        if time == times[-1]:
            # The last segment may end later.
            rest = [(i, time - start) for i, start in enumerate(times[:-1])]
            ways += [(i, STEPS[bisect_left(STEPS, n)]) for i, n in rest if n <= STEPS[-1]]
        allowed = [way for way in ways if way[1] * rows[way[0]] <= costs.max_area] or ways[:1]
        cost, i, steps = min(
            (best[i] + costs.call + steps * (costs.step + rows[i]), i, steps)
            for i, steps in allowed
        )
        best.append(cost)
        segments.append(Segment(times[i], steps, rows[i]))
    path = [segments[-1]]
    while path[-1].start > 0:
        path.append(segments[index[path[-1].start]])
    return path[::-1]


def round_rows(rows: numpy.ndarray) -> numpy.ndarray:
    """Round up to a power of two up to 8, to a multiple of 8 up to 128, and above to one of
    eight numbers from each power of two to the next."""
    power = 2 ** numpy.ceil(numpy.log2(rows)).astype("int64")
    step = numpy.where(rows <= 8, power, numpy.maximum(8, power // 16))
    return -(-rows // step) * step
