"""Several classifiers as one."""

import numpy
import pytest

from spacy_rnn.training.blend import Blend, accuracy, fit_blend, log_loss


def softmax(logits):
    exps = numpy.exp(logits - logits.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


def drawn(temperature, rows=4000, classes=3):
    """Logits, and truths that are drawn from them at a temperature."""
    random = numpy.random.default_rng(0)
    logits = random.normal(scale=3.0, size=(rows, classes))
    probs = softmax(logits / temperature)
    classes_drawn = (probs.cumsum(axis=1) > random.random((rows, 1))).argmax(axis=1)
    return logits, numpy.eye(classes)[classes_drawn]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_is_recovered(temperature):
    logits, truths = drawn(temperature)
    blend = fit_blend([softmax(logits)], truths)
    assert blend.temperature == pytest.approx(temperature, rel=0.07)
    assert list(blend.weights) == [1.0]
    expected = softmax(logits / blend.temperature)
    # Not where a probability is next to 0.
    assert numpy.allclose(blend.mix([softmax(logits)]), expected, atol=0.01)


def test_a_classifier_that_knows_nothing_weighs_nothing():
    logits, truths = drawn(1.0)
    noise = softmax(numpy.random.default_rng(1).normal(scale=3.0, size=logits.shape))
    blend = fit_blend([softmax(logits), noise], truths)
    assert blend.weights[0] > 0.97 and sum(blend.weights) == pytest.approx(1.0)
    # Of two halves of the evidence, each has half of the weight, and both are twice as certain.
    part = numpy.random.default_rng(2).normal(size=logits.shape)
    blend = fit_blend([softmax(logits / 2 + part), softmax(logits / 2 - part)], truths)
    assert blend.weights == pytest.approx([0.5, 0.5], abs=0.02)
    assert blend.temperature == pytest.approx(0.5, rel=0.1)


def test_mix_by_hand():
    probs = [[[0.8, 0.2]], [[0.5, 0.5]]]
    odds = (0.8 / 0.2) ** (0.75 / 2.0)
    expected = [[odds / (1 + odds), 1 / (1 + odds)]]
    assert numpy.allclose(Blend([0.75, 0.25], 2.0).mix(probs), expected)


def test_all_rows_right_and_certain():
    truths = numpy.eye(2)[[0, 1, 1, 0]]
    blend = fit_blend([truths, truths], truths)
    assert 0.1 < blend.temperature <= 1.0 and blend.weights == pytest.approx([0.5, 0.5])
    assert numpy.isfinite(blend.mix([truths, 1 - truths])).all()


def test_measures():
    truths, probs = numpy.eye(2)[[0, 1, 1]], numpy.array([[0.5, 0.5], [0.2, 0.8], [0.6, 0.4]])
    assert accuracy(probs, truths) == pytest.approx(2 / 3)
    assert log_loss(probs, truths) == pytest.approx(-numpy.log(0.5 * 0.8 * 0.4) / 3)
    assert numpy.isfinite(log_loss(numpy.eye(2)[[1]], numpy.eye(2)[[0]]))
