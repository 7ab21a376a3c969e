import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Model

from spacy_rnn.layers.convert import flatten, split

MODEL = Model("test", None, dims={"nI": 3})
ROWS = numpy.arange(12, dtype="f").reshape(4, 3).copy()


@given(st.lists(st.integers(0, 5), min_size=1))
def test_what_was_split_is_joined_without_a_copy(lengths):
    lengths = numpy.asarray(lengths)
    rows = numpy.zeros((lengths.sum(), 3), dtype="f")
    assert flatten(MODEL, split(rows, lengths)) is rows


@pytest.mark.parametrize(
    "parts",
    [
        [ROWS[2:], ROWS[:2]],
        [ROWS[:2], ROWS[1:3]],
        [ROWS[:2], ROWS[:2]],
        [ROWS[:2].copy(), ROWS[2:]],
        [ROWS[:1], ROWS[2:]],
        [ROWS[::2], ROWS[1::2]],
        [ROWS[:2, :2], ROWS[2:, 1:]],
        [ROWS.T.copy().T[:2], ROWS[2:]],
    ],
)
def test_anything_else_is_copied(parts):
    found = flatten(MODEL, parts)
    assert found is not ROWS and (found == numpy.concatenate(parts)).all()


def test_nothing():
    assert flatten(MODEL, []).shape == (0, 3)
