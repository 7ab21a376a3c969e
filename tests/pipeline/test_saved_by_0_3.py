"""Pipelines that version 0.3 has saved load, and say what they said then."""

from pathlib import Path

import numpy
import pytest
import spacy
import srsly

from spacy_rnn.layers.temperature import get_temperature, set_temperature
from tests.conftest import make_examples

FOLDER = Path(__file__).parent / "saved_by_0_3"
SAVED = srsly.read_json(FOLDER / "scores.json")


@pytest.mark.parametrize("name", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_classifiers(name):
    nlp = spacy.load(FOLDER / name, exclude=["tokenizer"])
    for text, expected in zip(SAVED["texts"], SAVED["scores"][name]):
        assert nlp(text).cats == pytest.approx(expected, abs=1e-5)


def test_tagger():
    nlp = spacy.load(FOLDER / "tagger_bilstm", exclude=["tokenizer"])
    docs = [nlp.make_doc(text) for text in SAVED["texts"]]
    found = nlp.get_pipe("tagger_bilstm").predict_proba(docs)
    for rows, expected in zip(found, SAVED["scores"]["tagger_bilstm"]):
        assert numpy.allclose(rows, numpy.reshape(expected, rows.shape), atol=1e-5)


@pytest.mark.parametrize("name", SAVED["scores"])
def test_are_saved_again_and_trained_on(name, tmp_path):
    nlp = spacy.load(FOLDER / name, exclude=["tokenizer"])
    docs = [nlp.make_doc(text) for text in SAVED["texts"]]
    expected = nlp.get_pipe(name).predict(docs)
    nlp.to_disk(tmp_path)
    found = spacy.load(tmp_path).get_pipe(name).predict(docs)
    assert all(numpy.array_equal(a, b) for a, b in zip(found, expected))


def test_nothing_is_left_of_what_was_learned_before():
    """Weights of n-grams by how rare they are, and a temperature, which 0.3 does not have."""
    nlp = spacy.load(FOLDER / "textcat_lstm", exclude=["tokenizer"])
    pipe = nlp.get_pipe("textcat_lstm")
    pipe.initialize(lambda: make_examples(nlp), nlp=nlp)
    assert pipe.model.get_ref("linear_model").get_ref("ngrams").attrs["rarity"].values is not None
    set_temperature(pipe.model, 2.0)
    pipe.from_disk(FOLDER / "textcat_lstm" / "textcat_lstm", exclude=["vocab"])
    assert get_temperature(pipe.model) == 1.0
    for text, expected in zip(SAVED["texts"], SAVED["scores"]["textcat_lstm"]):
        assert nlp(text).cats == pytest.approx(expected, abs=1e-5)
