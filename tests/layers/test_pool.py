import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import fix_random_seed, reduce_max
from thinc.types import Ragged

from spacy_rnn.layers.pool import POOLINGS, highest, pool

ROWS = [
    numpy.array([[1, 2, 3, 4], [5, 0, -1, 2]], dtype="f"),
    numpy.zeros((0, 4), dtype="f"),
    numpy.array([[-1, -2, -3, -4]], dtype="f"),
]


def make(kinds, *, bidirectional=False):
    return pool(kinds, 4, bidirectional=bidirectional).initialize(X=ROWS)


@pytest.mark.parametrize(
    "kind,expected",
    [
        ("mean", [[3, 1, 1, 3], [0, 0, 0, 0], [-1, -2, -3, -4]]),
        ("max", [[5, 2, 3, 4], [0, 0, 0, 0], [-1, -2, -3, -4]]),
        ("last", [[5, 0, -1, 2], [0, 0, 0, 0], [-1, -2, -3, -4]]),
    ],
)
def test_values(kind, expected):
    assert make([kind]).predict(ROWS).tolist() == expected


def test_last_of_two_directions_has_read_the_whole_text():
    found = make(["last"], bidirectional=True).predict(ROWS)
    assert found.tolist() == [[5, 0, 3, 4], [0, 0, 0, 0], [-1, -2, -3, -4]]


def test_attention_is_a_weighted_mean():
    found = make(["attention"]).predict(ROWS)
    weight = (found[0] - ROWS[0][1]) / (ROWS[0][0] - ROWS[0][1])
    assert numpy.allclose(weight, weight[0], atol=1e-5) and 0 < weight[0] < 1
    assert found[1:].tolist() == [[0, 0, 0, 0], [-1, -2, -3, -4]]


@given(st.lists(st.integers(1, 40), min_size=1), st.integers(0, 2**32 - 1))
def test_highest_is_that_of_thinc(lengths, seed):
    rng = numpy.random.default_rng(seed)
    X = Ragged(rng.standard_normal((sum(lengths), 3)).astype("f"), numpy.asarray(lengths, "i"))
    assert (highest().predict(X) == reduce_max().predict(X)).all()


def test_side_by_side():
    found = make(["max", "last", "mean"]).predict(ROWS)
    separate = [make([kind]).predict(ROWS) for kind in ("max", "last", "mean")]
    assert (found == numpy.concatenate(separate, axis=1)).all()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", POOLINGS)
def test_gradient_matches_finite_differences(kind, bidirectional):
    fix_random_seed(0)
    model = make([kind], bidirectional=bidirectional)
    weight = numpy.random.rand(3, 4).astype("f")
    Y, backprop = model.begin_update(ROWS)
    dXs = backprop(weight.copy())
    assert [dX.shape for dX in dXs] == [X.shape for X in ROWS]
    step = 1e-2
    for r in (0, 2):
        for index in numpy.ndindex(ROWS[r].shape):
            losses = []
            for sign in (1, -1):
                moved = [X.copy() for X in ROWS]
                moved[r][index] += sign * step
                losses.append((model.predict(moved) * weight).sum())
            found = (losses[0] - losses[1]) / (2 * step)
            assert found == pytest.approx(dXs[r][index], abs=2e-3)


def test_a_text_does_not_depend_on_its_batch():
    model = make(list(POOLINGS))
    together = model.predict(ROWS)
    for row, expected in zip(ROWS, together):
        assert numpy.allclose(model.predict([row])[0], expected, atol=1e-6)


def test_only_empty_texts():
    model = make(["max", "mean"])
    Y, backprop = model.begin_update([ROWS[1]])
    assert Y.tolist() == [[0.0] * 8]
    assert [dX.shape for dX in backprop(Y)] == [(0, 4)]


@pytest.mark.parametrize("kinds", [[], ["sum"], ["max", "min"]])
def test_unknown_pooling(kinds):
    with pytest.raises(ValueError, match="R201"):
        pool(kinds, 4, bidirectional=False)
