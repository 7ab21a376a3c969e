import warnings

import numpy
import pytest

from spacy_rnn.bridge.ragged import Rows, split_rows
from spacy_rnn.layers.truncate import truncate


def rows(*lengths):
    """Rows (0, 1), (2, 3), ... for each text."""
    parts = [numpy.arange(n * 2, dtype="f").reshape(n, 2) for n in lengths]
    return Rows(numpy.concatenate(parts), numpy.asarray(lengths, dtype="int64"))


def parts_of(X):
    return split_rows(X.data, X.lengths)


@pytest.mark.filterwarnings("ignore:.*W002")
def test_keeps_head_and_tail():
    X = rows(9, 3, 8, 0)
    Y, backprop = truncate(8)(X, is_train=True)
    whole, kept = parts_of(X), parts_of(Y)
    assert kept[0].tolist() == whole[0][[0, 1, 3, 4, 5, 6, 7, 8]].tolist()
    assert Y.lengths.tolist() == [8, 3, 8, 0] and Y.lengths.dtype == "int64"
    assert [part.tolist() for part in kept[1:]] == [part.tolist() for part in whole[1:]]
    dX = backprop(Rows(Y.data + 1, Y.lengths))
    expected = whole[0] + 1
    expected[2] = 0
    assert parts_of(dX)[0].tolist() == expected.tolist()
    assert dX.data.shape == X.data.shape and dX.lengths.tolist() == [9, 3, 8, 0]
    assert dX.data[9:].tolist() == (X.data[9:] + 1).tolist()


@pytest.mark.parametrize("limit", [0, 9])
def test_what_is_short_enough_passes_as_it_is(limit):
    X = rows(9, 3)
    Y, backprop = truncate(limit)(X, is_train=True)
    assert Y is X and backprop(X) is X


@pytest.mark.parametrize("lengths", [(), (0,), (0, 0)])
def test_no_rows(lengths):
    X = Rows(numpy.zeros((0, 2), dtype="f"), numpy.asarray(lengths, dtype="int64"))
    for is_train in (False, True):
        Y, backprop = truncate(4)(X, is_train=is_train)
        assert Y.lengths.tolist() == list(lengths) and backprop(Y).data.shape == (0, 2)


@pytest.mark.filterwarnings("ignore:.*W002")
@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_small_limits(limit):
    Y, _ = truncate(limit)(rows(6), is_train=False)
    assert len(Y.data) == limit and Y.lengths.tolist() == [limit]
    assert Y.data[-1].tolist() == rows(6).data[-1].tolist()


def test_says_once_what_it_cuts_and_counts_on():
    layer = truncate(4)
    with pytest.warns(UserWarning, match=r"W002.*1 of 3 texts.*max_tokens = 4: 20.0% of"):
        layer.predict(rows(6, 4, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer.predict(rows(9))
        layer.predict(rows(1))
    count = layer.attrs["cut"]
    assert (count.texts, count.texts_cut, count.tokens, count.tokens_cut) == (5, 2, 20, 7)


def test_count_is_not_saved():
    layer = truncate(4)
    before = layer.to_bytes()
    with pytest.warns(UserWarning, match="W002"):
        layer.attrs["cut"].add(numpy.array([6, 1]))
    assert layer.attrs["cut"].tokens_cut == 2
    assert layer.to_bytes() == before
