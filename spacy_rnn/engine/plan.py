"""Where to cut the time axis of rows of different lengths, and the measured costs behind it.

All constants of this package that were fitted to a machine are here. They change how fast a
result comes, not the result.
"""

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

# `python -m benchmarks.segments` measures the next two: what a kernel call costs on its own,
# and each time step of it, in steps of single rows, times the hidden size. They held for
# hidden sizes from 16 to 256, in inference and in training. LSTM has a fused kernel; the
# others do not, and run through many small ones at each time step.
FUSED = (10_000.0, 150.0)
UNFUSED = (1_500.0, 1_000.0)

# `python -m benchmarks.rnn` shows what the others do.
# Time steps x rows x hidden size of one segment in training. Above it the kernel's
# workspace no longer comes from the allocator's cache, and each call pays for fresh pages.
MAX_TRAINING_SIZE = 4096 * 128
# Time steps of a single row in one kernel call: bounds memory.
MAX_STEPS = 16_384
# Tokens x hidden size below which lanes run one after the other: handing them to threads
# takes longer than they do.
MIN_SIZE = 25_000
# The same for the two directions of a single row, by the fused kernel: reading them apart
# also copies the row.
MIN_SINGLE_SIZE = 100_000
# The least hidden size, and tokens x hidden size squared, from which on torch's threads are of
# use in the steps of a single row in one direction, by the fused kernel.
MIN_THREADED_HIDDEN = 128
MIN_THREADED_WORK = 1_000_000
# Tokens x hidden size below which the cells without a fused kernel are faster packed.
MAX_PACKED_SIZE = 60_000
# The same where the rows of one direction are shared out: these lanes have a plan of their own.
MIN_SHARED_SIZE = 100_000
# A lane has at least so many rows, where a direction's rows are shared out among
# threads: fewer, and each thread would read all weights for little work.
MIN_ROWS = 8
# From so many rows on, the fused kernel for whole rows takes one step faster than the cell.
FUSED_ROWS = 32
# Rows x width x columns of one matrix product in numpy. Its OpenBLAS shares larger ones out
# among threads, which wait for each other on cores that are in use. (For one row it does
# so from 9216 numbers on; see `interface/gemm.c` and `gemv.c` of OpenBLAS.)
MAX_NUMPY_PRODUCT = 262_144
# Rows x numbers in a layer's weights up to which a step in numpy is faster than torch's cells:
# `python -m benchmarks.segments --steps`.
MAX_NUMPY_STEP = 1_000_000
# So many tokens of a text are read step by step in a stream; more of them by segments.
FEW = 32
# So many words are found by a search before a look into buckets is over: `python -m
# benchmarks.latency`.
FEW_KEYS = 128
# Tokens that go through a pretrained net at a time, to measure it: bounds memory. Components have
# a setting of their own.
TOKENS_AT_ONCE = 65_000
# The same where gradients are taken, which needs some 15 kB for each token.
GRADIENTS_AT_ONCE = 32_000
# Forms that go through a net over characters at a time in prediction: bounds memory.
FORMS_AT_ONCE = 4096


def reads_apart(mode: str, size: int, threads: int) -> bool:
    """Whether the two directions of a single row are read faster in two threads.

    mode: Of a `torch.nn.RNNBase`. size: Tokens x hidden size. threads: That may be used.
    """
    return threads > 1 and size >= (MIN_SINGLE_SIZE if mode == "LSTM" else MIN_SIZE)


def reads_threaded(mode: str, tokens: int, hidden_size: int) -> bool:
    """Whether the steps of a single row in one direction are so large that torch's threads may
    share them."""
    wide = mode == "LSTM" and hidden_size >= MIN_THREADED_HIDDEN
    return wide and tokens * hidden_size**2 >= MIN_THREADED_WORK


def reads_packed(mode: str, size: int, directions: int, threads: int, training: bool) -> bool:
    """Whether several rows are read faster packed than in lanes. Packed, cells without a fused
    kernel compute no step too many, but in one thread; and with many rows torch takes long
    for the backward pass.

    mode, size, threads: As in `reads_apart`. training: A backward pass will follow.
    """
    if mode == "LSTM":
        return False
    return size < MAX_PACKED_SIZE or (not training and threads + directions <= 3)


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
    the rows that end with it, and after MAX_STEPS.

    lengths: The rows' lengths, longest first, none of them zero.
    RETURNS: Segments in order of time. Each holds the first `rows` rows, from step
        `start` on.
    """
    longest = int(max(lengths, default=0))
    cuts = numpy.unique([0, *lengths, *range(MAX_STEPS, longest, MAX_STEPS)])
    rows = _alive(lengths, cuts[:-1])
    return list(map(Segment, cuts[:-1].tolist(), numpy.diff(cuts).tolist(), rows.tolist()))


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
