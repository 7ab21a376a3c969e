"""The temperature of a classifier: what it does to probabilities, and that it is learned."""

import copy

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn.layers.temperature import Temperature, get_temperature, set_temperature
from tests.conftest import TEXTS
from tests.layers.test_textcat_rnn import docs_of, initialized, resolve

LOGITS = numpy.array([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]], dtype="f")


def layer(exclusive):
    return initialized({"exclusive_classes": exclusive}).get_ref("probabilities")


def test_softmax_of_divided_logits():
    probabilities = layer(True)
    probabilities.attrs["temperature"] = Temperature(2.0)
    exps = numpy.exp([1.0, 0.0, -0.5])
    found = probabilities.predict(LOGITS)
    assert found.dtype == "float32"
    assert numpy.allclose(found, [exps / exps.sum(), [1 / 3] * 3], atol=1e-6)


def test_sigmoid_of_divided_logits():
    probabilities = layer(False)
    probabilities.attrs["temperature"] = Temperature(2.0)
    expected = 1.0 / (1.0 + numpy.exp([-1.0, 0.0, 0.5]))
    assert numpy.allclose(probabilities.predict(LOGITS), [expected, [0.5] * 3], atol=1e-6)


@pytest.mark.parametrize("exclusive", [True, False])
def test_training_ignores_it(exclusive):
    probabilities = layer(exclusive)
    expected = probabilities.predict(LOGITS)
    probabilities.attrs["temperature"] = Temperature(3.0)
    trained, backprop = probabilities(LOGITS, True)
    assert numpy.allclose(trained, expected, atol=1e-6)
    assert (backprop(LOGITS) == LOGITS).all()
    assert not numpy.allclose(probabilities.predict(LOGITS), expected, atol=0.05)


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_text_has_the_probabilities_of_its_logits(exclusive):
    model, docs = initialized({"exclusive_classes": exclusive}), docs_of(*TEXTS, "")
    set_temperature(model, 1.7)
    logits = model.get_ref("logits").predict(docs)
    expected = model.get_ref("probabilities").predict(logits)
    assert numpy.allclose(model.predict(docs), expected, atol=1e-6)
    assert logits.std() > 0.1


@settings(max_examples=50, deadline=None)
@given(
    temperature=st.floats(0.05, 50.0),
    row=st.lists(st.floats(-8.0, 8.0, width=16), min_size=3, max_size=3),
)
def test_the_best_label_stays_and_certainty_falls_with_temperature(temperature, row):
    probabilities = layer(True)
    logits = numpy.array([row], dtype="f")
    before = probabilities.predict(logits)[0]
    probabilities.attrs["temperature"] = Temperature(temperature)
    after = probabilities.predict(logits)[0]
    best = after.argmax()
    # Two that are almost alike may become so.
    assert before[best] == pytest.approx(before.max(), abs=1e-6)
    assert after.sum() == pytest.approx(1.0, abs=1e-5)
    assert (after.max() - before.max()) * (1.0 - temperature) >= -1e-5


def test_round_trips_to_the_digit():
    model = initialized({})
    set_temperature(model, 1.2345678901234567)
    for other in (resolve({}).from_bytes(model.to_bytes()), copy.deepcopy(model)):
        assert get_temperature(other) == 1.2345678901234567
    set_temperature(model, 1.0)
    assert get_temperature(other) == 1.2345678901234567


def test_a_model_of_another_kind_has_none():
    model = initialized({}).get_ref("net")
    set_temperature(model, 2.0)
    assert get_temperature(model) == 1.0


@pytest.mark.parametrize("value", [0, 1e-45, -1.0, float("nan"), float("inf"), True, None, "1"])
def test_no_temperature(value):
    with pytest.raises(ValueError, match="R002.*temperature is .*a number of at least 1e-06"):
        Temperature(value)
