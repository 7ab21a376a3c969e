"""What pipelines can show, and which are shown."""

import pytest
import spacy

from spacy_rnn.demo import models
from spacy_rnn.demo.models import load_models, make_model
from tests.conftest import make_examples, small_model, train


def styles(model):
    return [style for style, _ in model.pictures]


def test_a_classifier_shows_words_and_the_running_line(forward):
    assert styles(forward) == ["words", "running"]
    assert sorted(forward.labels) == ["NEGATIVE", "POSITIVE"]
    assert forward.streams is not None


def test_a_classifier_that_reads_in_two_directions_does_not_stream(both_ways):
    assert styles(both_ways) == ["words", "running"] and both_ways.streams is None


def test_a_tagger_shows_tags(tagger):
    assert styles(tagger) == ["tags"] and tagger.labels == [] and tagger.streams is None


def test_both_show_all(joint):
    assert styles(joint) == ["words", "running", "tags"]
    assert joint.streams is not None and len(joint.labels) == 2


def test_a_classifier_of_spacy_shows_scores():
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat")
    train(nlp, make_examples(nlp), steps=1)
    model = make_model("other", nlp)
    assert sorted(model.labels) == ["NEGATIVE", "POSITIVE"]
    assert model.pictures == [] and model.streams is None


def test_no_stream_beside_another_classifier_or_after_tokens_have_changed():
    nlp = spacy.blank("en")
    config = {"model": small_model(encode__bidirectional=False)}
    nlp.add_pipe("textcat_lstm", config=config)
    nlp.add_pipe("merge_entities", first=True)
    train_last = [pipe for name, pipe in nlp.pipeline if name == "textcat_lstm"]
    train(nlp, make_examples(nlp), steps=1)
    assert make_model("merged", nlp).streams is None
    nlp.remove_pipe("merge_entities")
    assert make_model("alone", nlp).streams is not None
    assert train_last == [nlp.get_pipe("textcat_lstm")]


def test_a_pipeline_that_has_nothing_to_show_is_named():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match=r"R824.*'empty'.*sentencizer"):
        make_model("empty", nlp)


def test_two_models_at_most():
    with pytest.raises(ValueError, match=r"R823.* 2 models.* 3 "):
        load_models(["a", "b", "c"])


def test_models_are_loaded_in_order(forward, tagger, tmp_path):
    paths = [str(tmp_path / "a"), str(tmp_path / "b")]
    for model, path in zip((tagger, forward), paths):
        model.nlp.to_disk(path)
    loaded = load_models(paths)
    assert [model.name for model in loaded] == paths
    assert [model.nlp.pipe_names for model in loaded] == [["tagger_bilstm"], ["textcat_lstm"]]


def test_without_a_model_those_that_are_installed(forward, monkeypatch):
    installed = {"en_sentiment_lstm", "en_pos_bilstm"}
    monkeypatch.setattr(spacy.util, "is_package", lambda name: name in installed)
    monkeypatch.setattr(models.spacy, "load", lambda name: forward.nlp)
    assert [model.name for model in load_models([])] == ["en_sentiment_lstm", "en_pos_bilstm"]
    installed.remove("en_sentiment_lstm")
    assert [model.name for model in load_models([])] == ["en_pos_bilstm"]
    installed.clear()
    with pytest.raises(ValueError, match=r"R822.*pip install pipelines/\*\.whl"):
        load_models([])


def test_a_model_that_is_not_there():
    with pytest.raises(OSError, match="no_such_model"):
        load_models(["no_such_model"])
