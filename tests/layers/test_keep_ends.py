import warnings

import numpy
import pytest

from spacy_rnn.layers.keep_ends import count_cuts, keep_ends


def rows(*lengths):
    return [numpy.arange(n * 2, dtype="f").reshape(n, 2) for n in lengths]


@pytest.mark.filterwarnings("ignore:.*W002")
def test_keeps_head_and_tail():
    Xs = rows(9, 3, 8, 0)
    Ys, backprop = keep_ends(8)(Xs, is_train=True)
    assert Ys[0].tolist() == Xs[0][[0, 1, 3, 4, 5, 6, 7, 8]].tolist()
    assert [len(Y) for Y in Ys] == [8, 3, 8, 0]
    dXs = backprop([Y + 1 for Y in Ys])
    expected = Xs[0] + 1
    expected[2] = 0
    assert dXs[0].tolist() == expected.tolist()
    assert [dX.shape for dX in dXs] == [X.shape for X in Xs]


def test_zero_keeps_all():
    Xs = rows(9, 3)
    Ys, backprop = keep_ends(0)(Xs, is_train=True)
    assert Ys is Xs and backprop(Xs) is Xs


@pytest.mark.filterwarnings("ignore:.*W002")
@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_small_limits(limit):
    (Y,), _ = keep_ends(limit)(rows(6), is_train=False)
    assert len(Y) == limit
    assert Y[-1].tolist() == rows(6)[0][-1].tolist()


def test_says_once_what_it_cuts_and_counts_on():
    layer = keep_ends(4)
    with pytest.warns(UserWarning, match=r"W002.*1 of 3 texts.*max_tokens = 4: 20.0% of"):
        layer.predict(rows(6, 4, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer.predict(rows(9))
        layer.predict(rows(1))
    count = layer.attrs["cut"]
    assert (count.texts, count.texts_cut, count.tokens, count.tokens_cut) == (5, 2, 20, 7)


def test_count_is_not_saved():
    layer = keep_ends(4)
    before = layer.to_bytes()
    with pytest.warns(UserWarning, match="W002"):
        count_cuts(layer, numpy.array([6, 1]))
    assert layer.attrs["cut"].tokens_cut == 2
    assert layer.to_bytes() == before
