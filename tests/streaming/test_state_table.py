"""States of many texts, side by side."""

import numpy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.streaming.state_table import StateTable

INITIAL = [numpy.arange(3, dtype="float32"), numpy.asarray([7], dtype="uint64")]


@given(st.lists(st.integers(-1, 5), max_size=40))
def test_rows_keep_what_was_written_whatever_opens_and_closes(steps):
    table, expected = StateTable(INITIAL), {}
    for i, step in enumerate(steps):
        if step < 0 or not expected:
            row = table.open()
            assert row not in expected
            expected[row] = INITIAL
        elif step == 0:
            row = next(iter(expected))
            table.close(row)
            del expected[row]
        else:
            row = list(expected)[step % len(expected)]
            expected[row] = [part + i for part in INITIAL]
            table.set(numpy.asarray([row]), [part[None] for part in expected[row]])
        rows = numpy.asarray(list(expected), dtype="int64")
        for found, *wanted in zip(table.get(rows), *expected.values()):
            assert found.dtype == wanted[0].dtype if wanted else True
            assert numpy.array_equal(found, numpy.asarray(wanted).reshape(found.shape))
    assert len(table) < 2 * max(1, len(steps))


def test_what_is_read_is_a_copy():
    table = StateTable(INITIAL)
    row = numpy.asarray([table.open()])
    table.get(row)[0][:] = 99
    assert table.get(row)[0].max() == 2


def test_closed_rows_begin_anew_and_are_used_again():
    table = StateTable(INITIAL)
    rows = [table.open() for _ in range(4)]
    table.set(numpy.asarray(rows), [numpy.full((4, 3), 5.0), numpy.full((4, 1), 5)])
    size = len(table)
    for row in rows:
        table.close(row)
    again = numpy.asarray([table.open() for _ in range(4)])
    assert len(table) == size
    assert numpy.array_equal(table.get(again)[0], numpy.tile(INITIAL[0], (4, 1)))
