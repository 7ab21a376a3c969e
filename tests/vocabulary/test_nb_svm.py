import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from spacy_rnn.vocabulary.nb_svm import LENGTH, NBSVM, Target, fit_nb_svm, strongest
from spacy_rnn.vocabulary.ngrams import Bags

# Four texts over five n-grams.
BAGS = Bags(numpy.array([0, 1, 2, 0, 3, 1, 4, 0]), numpy.array([3, 2, 3, 0]))
COUNTS = torch.zeros(4, 5)
for text, found in enumerate(([0, 1, 2], [0, 3], [0, 1, 4], [])):
    COUNTS[text, found] = LENGTH / max(len(found), 1) ** 0.5


def target(truths, weights=None, exclusive=True):
    truths = numpy.asarray(truths, dtype="float32")
    weights = numpy.ones_like(truths) if weights is None else numpy.asarray(weights, "float32")
    return Target(truths, weights, exclusive)


def ratio(truths, weights):
    """log of shares of n-grams in texts of a label and in others, from the definition."""
    p = 1.0 + COUNTS.T @ (truths * weights)
    q = 1.0 + COUNTS.T @ ((1.0 - truths) * weights)
    return torch.log((p / p.sum(0)) / (q / q.sum(0)))


EXCLUSIVE = [[1, 0, 0], [0, 0.75, 0.25], [0, 0, 1], [1, 0, 0]]
MULTI_LABEL = [[1, 0], [0, 0.25], [1, 1], [0, 0]]
UNEVEN = [[2.0, 2, 2], [1, 1, 1], [1, 1, 1], [0, 0, 0]]
MISSING = [[1.0, 0.0], [2.0, 1.0], [1.0, 1.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    "truths, weights, exclusive",
    [
        (EXCLUSIVE, numpy.ones((4, 3)).tolist(), True),
        (EXCLUSIVE, UNEVEN, True),
        (MULTI_LABEL, numpy.ones((4, 2)).tolist(), False),
        (MULTI_LABEL, MISSING, False),
    ],
)
def test_the_fit_is_where_the_penalized_loss_is_least(truths, weights, exclusive):
    """By torch's own losses and their derivatives, in float64."""
    C = 0.3
    model = fit_nb_svm(BAGS, 5, target(truths, weights, exclusive), C)
    truths, weights = torch.tensor(truths), torch.tensor(weights)
    ratios = ratio(truths, weights).double()
    truths, weights = truths.double(), weights.double()
    scaled = COUNTS.double().unsqueeze(2) * ratios
    found = torch.tensor(model.weights).double() / ratios
    positive = (truths * weights).sum(0) + 1
    if exclusive:
        start = positive.log() - positive.log().mean()
    else:
        start = (positive / (((1 - truths) * weights).sum(0) + 1)).log()
    bias = torch.tensor(model.bias).double()
    found, bias = found.requires_grad_(), bias.requires_grad_()
    logits = (scaled * found).sum(1) + start + bias
    if exclusive:
        losses = F.cross_entropy(logits, truths, reduction="none")
        loss = (losses * (truths * weights).sum(1)).sum()
    else:
        loss = F.binary_cross_entropy_with_logits(logits, truths, weights, reduction="sum")
    (C * loss + 0.5 * (found**2).sum() + 0.5 * (bias**2).sum()).backward()
    assert float(found.grad.abs().max()) < 2e-3
    assert float(bias.grad.abs().max()) < 2e-3
    expected = (logits - start).detach().float().numpy()
    assert numpy.allclose(model.logits(BAGS), expected, atol=1e-4)


def test_soft_truths_weigh_in_between():
    truths = [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
    bags = Bags(numpy.array([0, 1, 0, 1]), numpy.array([1, 1, 2]))
    found = fit_nb_svm(bags, 2, target(truths), 1.0).logits(bags)
    assert found[0, 0] > found[0, 1]
    assert found[1, 0] < found[1, 1]
    assert found[2, 0] == pytest.approx(found[2, 1], abs=1e-3)


def test_what_is_not_known_does_not_count():
    """A text without truths, or of weight 0, changes nothing."""
    truths = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    bags = Bags(numpy.array([0, 1, 0]), numpy.array([1, 1, 1]))
    without = fit_nb_svm(Bags(numpy.array([0, 1]), numpy.array([1, 1])), 2, target(truths[:2]), 1.0)
    weights = [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
    fitted = fit_nb_svm(bags, 2, target(truths, weights), 1.0)
    assert numpy.allclose(fitted.weights, without.weights, atol=1e-5)
    assert numpy.allclose(fitted.bias, without.bias, atol=1e-5)


def test_a_label_of_no_text_stays_finite():
    truths = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    bags = Bags(numpy.array([0, 1]), numpy.array([1, 1]))
    for exclusive in (True, False):
        model = fit_nb_svm(bags, 2, target(truths, exclusive=exclusive), 100.0)
        found = model.logits(bags)
        assert numpy.isfinite(found).all() and numpy.abs(found).max() < 100
        assert (found[:, 2] < found.max(axis=1)).all()


def test_the_strongest_ngrams():
    model = NBSVM(numpy.array([[0.1, -0.1], [2.0, -2.0], [0.0, 0.0], [-3.0, 0.0]]), numpy.zeros(2))
    assert strongest(model, 2).tolist() == [False, True, False, True]
    assert strongest(model, 9).all()


@given(
    rows=st.lists(st.lists(st.integers(0, 6), max_size=5, unique=True), min_size=2, max_size=8),
    C=st.floats(0.01, 10.0),
)
def test_any_corpus_gives_finite_logits(rows, C):
    lengths = numpy.asarray([len(row) for row in rows])
    bags = Bags(numpy.asarray(sum(rows, []), dtype="int64"), lengths)
    truths = [[1.0, 0.0] if i % 2 else [0.0, 1.0] for i in range(len(rows))]
    model = fit_nb_svm(bags, 7, target(truths), C)
    found = model.logits(bags)
    assert found.shape == (len(rows), 2)
    assert numpy.isfinite(found).all()
    # Two labels are mirror images, up to where the solver stops.
    assert numpy.allclose(found[:, 0], -found[:, 1], atol=0.02)
