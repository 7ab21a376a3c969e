import numpy
import pytest
from thinc.api import fix_random_seed

from spacy_rnn.bridge.ragged import Rows
from spacy_rnn.layers.pool import POOLINGS, pool


def rows_of(*parts):
    return Rows(numpy.concatenate(parts), numpy.asarray([len(part) for part in parts], "int64"))


TEXTS = [
    numpy.array([[1, 2, 3, 4], [5, 0, -1, 2]], dtype="f"),
    numpy.zeros((0, 4), dtype="f"),
    numpy.array([[-1, -2, -3, -4]], dtype="f"),
]
ROWS = rows_of(*TEXTS)


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
    model = make([kind])
    assert model.predict(ROWS).tolist() == expected
    assert model.begin_update(ROWS)[0].tolist() == expected


def test_last_of_two_directions_has_read_the_whole_text():
    found = make(["last"], bidirectional=True).predict(ROWS)
    assert found.tolist() == [[5, 0, 3, 4], [0, 0, 0, 0], [-1, -2, -3, -4]]


def test_attention_is_a_weighted_mean():
    found = make(["attention"]).predict(ROWS)
    weight = (found[0] - TEXTS[0][1]) / (TEXTS[0][0] - TEXTS[0][1])
    assert numpy.allclose(weight, weight[0], atol=1e-5) and 0 < weight[0] < 1
    assert numpy.allclose(found[1:], [[0, 0, 0, 0], [-1, -2, -3, -4]], atol=1e-6)


def test_side_by_side():
    found = make(["max", "last", "mean"]).predict(ROWS)
    separate = [make([kind]).predict(ROWS) for kind in ("max", "last", "mean")]
    assert numpy.allclose(found, numpy.concatenate(separate, axis=1), atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", POOLINGS)
def test_gradient_matches_finite_differences(kind, bidirectional):
    fix_random_seed(0)
    model = make([kind], bidirectional=bidirectional)
    weight = numpy.random.rand(3, 4).astype("f")
    Y, backprop = model.begin_update(ROWS)
    dX = backprop(weight.copy())
    assert dX.data.shape == ROWS.data.shape and dX.lengths.tolist() == [2, 0, 1]
    step = 1e-2
    for index in numpy.ndindex(ROWS.data.shape):
        losses = []
        for sign in (1, -1):
            moved = ROWS.data.copy()
            moved[index] += sign * step
            losses.append((model.predict(Rows(moved, ROWS.lengths)) * weight).sum())
        found = (losses[0] - losses[1]) / (2 * step)
        assert found == pytest.approx(dX.data[index], abs=2e-3)


def test_a_text_does_not_depend_on_its_batch():
    model = make(list(POOLINGS))
    together = model.predict(ROWS)
    for text, expected in zip(TEXTS, together):
        assert numpy.allclose(model.predict(rows_of(text))[0], expected, atol=1e-6)


@pytest.mark.parametrize("texts", [1, 2])
def test_only_empty_texts(texts):
    model, X = make(list(POOLINGS)), rows_of(*[TEXTS[1]] * texts)
    for is_train in (False, True):
        Y, backprop = model(X, is_train)
        assert Y.tolist() == [[0.0] * 16] * texts
        dX = backprop(Y)
        assert dX.data.shape == (0, 4) and dX.lengths.tolist() == [0] * texts


@pytest.mark.parametrize("kinds", [[], ["sum"], ["max", "min"]])
def test_unknown_pooling(kinds):
    with pytest.raises(ValueError, match="R201"):
        pool(kinds, 4, bidirectional=False)
