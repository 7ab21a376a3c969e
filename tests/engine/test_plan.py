"""Segments cover every row, and cost what they should."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn.engine.plan import (
    GRIDS,
    MAX_STEPS,
    STEPS,
    Costs,
    costs_of,
    exact_segments,
    plan_segments,
    reads_apart,
    reads_packed,
    reads_threaded,
)

LENGTHS = st.lists(st.integers(1, 3000), min_size=1, max_size=300)
COSTS = st.builds(Costs, st.floats(1, 2000), st.floats(0, 100), st.just(math.inf))


def cost_of(segments, costs):
    return sum(costs.call + steps * (costs.step + rows) for _, steps, rows in segments)


def check_cover(segments, lengths):
    start = 0
    for segment in segments:
        assert segment.start == start
        start += segment.steps
        assert segment.rows >= sum(length > segment.start for length in lengths)
    assert start >= lengths[0]


@settings(max_examples=100, deadline=None)
@given(LENGTHS, COSTS, st.sampled_from([math.inf, 64, 4096]))
def test_segments_cover_every_row(lengths, costs, max_area):
    lengths = sorted(lengths, reverse=True)
    segments = plan_segments(lengths, costs._replace(max_area=max_area))
    check_cover(segments, lengths)
    assert {steps for _, steps, _ in segments} <= set(STEPS)
    # Where the area allows none of them, the shortest that the grid has there is taken.
    large = [s for s in segments if s.steps * s.rows > max_area]
    assert all(s.steps == max(4, next(g for end, g in GRIDS if s.start < end)) for s in large)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 10**6))
def test_one_row_of_any_length(length):
    segments = plan_segments([length], costs_of("LSTM", 128, False))
    check_cover(segments, [length])
    assert sum(steps for _, steps, _ in segments) <= 1.5 * length + 4


@settings(max_examples=100, deadline=None)
@given(LENGTHS)
def test_exact_segments_have_no_cell_too_many(lengths):
    lengths = sorted(lengths, reverse=True)
    segments = exact_segments(lengths)
    check_cover(segments, lengths)
    assert sum(steps * rows for _, steps, rows in segments) == sum(lengths)


def ways_to_reach(end):
    """All sequences of segments on the grid from 0 to some time."""
    if end == 0:
        yield []
    for steps in STEPS:
        start = end - steps
        if start >= 0 and (start < 32 or start % 8 == 0):
            for way in ways_to_reach(start):
                yield [*way, (start, steps)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 32), min_size=1, max_size=30), COSTS)
def test_no_other_choice_of_cuts_costs_less(lengths, costs):
    lengths = sorted(lengths, reverse=True)
    found = plan_segments(lengths, costs)
    # What the rows are at each time, from the plan that cuts as often as it can.
    finest = plan_segments(lengths, Costs(0.0, 0.0, 0.0))
    rows = {segment.start: segment.rows for segment in finest}
    end = finest[-1].start + finest[-1].steps
    ways = [way for last in range(end, 65, 4) for way in ways_to_reach(last)]
    ways = [way for way in ways if way[-1][0] < end]
    best = min(cost_of([(start, n, rows[start]) for start, n in way], costs) for way in ways)
    assert cost_of(found, costs) == pytest.approx(best)


def test_dear_calls_make_few_segments_and_cheap_ones_many():
    lengths = list(range(384, 8, -8))
    plans = [plan_segments(lengths, Costs(call, 0.0)) for call in (0.0, 500.0, 1e9)]
    assert len(plans[0]) > len(plans[1]) > len(plans[2]) == 1
    areas = [sum(steps * rows for _, steps, rows in plan) for plan in plans]
    assert areas[0] < areas[1] < areas[2]


def test_wide_kernels_are_worth_more_calls():
    narrow, wide = costs_of("LSTM", 16, False), costs_of("LSTM", 512, False)
    assert narrow.call > 10 * wide.call
    assert costs_of("GRU", 16, False).call < narrow.call
    assert costs_of("LSTM", 128, False).max_area == math.inf
    assert costs_of("LSTM", 128, True).max_area == 2 * costs_of("LSTM", 256, True).max_area


def test_no_rows():
    assert plan_segments([], costs_of("LSTM", 8, True)) == []
    assert exact_segments([]) == []


def test_long_rows_are_cut_where_nothing_ends():
    segments = exact_segments([3 * MAX_STEPS + 5, 7])
    check_cover(segments, [3 * MAX_STEPS + 5, 7])
    assert max(segment.steps for segment in segments) == MAX_STEPS


def test_small_work_stays_in_one_thread():
    assert not reads_apart("LSTM", 1000, 2) and reads_apart("LSTM", 10**6, 2)
    assert not reads_apart("GRU", 10**6, 1)
    assert reads_threaded("LSTM", 240, 128) and not reads_threaded("LSTM", 20, 128)
    assert not reads_threaded("LSTM", 5000, 64) and not reads_threaded("GRU", 240, 256)


def test_cells_without_a_fused_kernel_are_packed_where_that_is_faster():
    large = {"size": 10**6, "directions": 2}
    assert reads_packed("GRU", 1000, 2, 8, True)
    assert not reads_packed("LSTM", 1000, 2, 8, True)
    assert not reads_packed("GRU", threads=1, training=True, **large)
    assert reads_packed("GRU", threads=1, training=False, **large)
    assert not reads_packed("GRU", threads=2, training=False, **large)
