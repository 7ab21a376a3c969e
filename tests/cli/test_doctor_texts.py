"""What `spacy-rnn doctor` finds of configs, texts and labels: each with the fault and without."""

import itertools
from random import Random

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_rnn.cli._doctor_config import (
    check_config,
    check_frozen,
    check_hardware,
    check_length_of_training,
    check_lengths,
    check_paths,
    check_pipeline,
    check_schedule,
)
from spacy_rnn.cli._doctor_data import (
    Corpora,
    check_empty,
    check_overlap,
    check_sizes,
    read_corpus,
)
from spacy_rnn.cli._doctor_labels import (
    check_balance,
    check_can_be_learned,
    check_contradictions,
    check_counts,
    check_labels,
    check_order,
    check_start_of_stream,
    check_tags,
    check_unlabelled,
    components_with_labels,
    labels_of,
)
from spacy_rnn.cli._doctor_reading import check_cut, check_reading, check_words, word_tables
from tests.cli.doctor import GOOD, NOUNS, TEXTS, classified, make_setup, only, sentiment, tagged
from tests.conftest import SENTENCES

HALF = len(TEXTS) // 2


@pytest.fixture
def setup(tmp_path):
    return make_setup(tmp_path)


def pipe_of(setup):
    return next(iter(components_with_labels(setup).values()))


def levels(findings):
    return [finding.level for finding in findings]


def corpora_of(setup, cats=sentiment, train=TEXTS[:HALF], dev=TEXTS[HALF:]):
    return Corpora(*(classified(setup.nlp, texts, cats) for texts in (train, dev)))


# The config


def test_a_sound_config_is_good(tmp_path):
    (tmp_path / "train.spacy").touch()
    setup = make_setup(tmp_path, {"paths.train": str(tmp_path / "train.spacy")})
    assert levels(check_config(setup)) == ["good"]


def test_a_pipeline_without_components_of_ours(tmp_path):
    assert only(check_pipeline(make_setup(tmp_path, factory="tagger")))[0] == "warn"
    assert only(check_pipeline(make_setup(tmp_path, factory=None)))[0] == "fail"


def test_paths_that_are_not_there(tmp_path):
    paths = {"paths.train": "none.spacy", "paths.vectors": "no_vectors", "paths.raw": "raw.txt"}
    found = list(check_paths(make_setup(tmp_path, paths)))
    assert levels(found) == ["fail", "fail", "warn"]
    assert "[paths] train is 'none.spacy'" in found[0].text and "--paths.train" in found[0].text
    paths = {"paths.train": str(tmp_path), "paths.vectors": "spacy-rnn", "paths.raw": None}
    assert list(check_paths(make_setup(tmp_path, paths))) == []


def test_frozen_components_must_come_from_somewhere(tmp_path):
    frozen = {"training.frozen_components": ["textcat_lstm"]}
    level, text = only(check_frozen(make_setup(tmp_path, frozen)))
    assert level == "fail" and "'textcat_lstm' is frozen" in text
    frozen = {"training.frozen_components": ["other"]}
    level, text = only(check_frozen(make_setup(tmp_path, frozen)))
    assert level == "fail" and "names 'other'" in text
    make_setup(tmp_path).nlp.to_disk(tmp_path / "trained")
    setup = make_setup(tmp_path, {"training.frozen_components": ["textcat_lstm"]})
    setup.config["components"]["textcat_lstm"] = {"source": str(tmp_path / "trained")}
    assert list(check_frozen(setup)) == []


def test_readers_that_leave_out_long_texts(tmp_path, setup):
    assert list(check_lengths(setup)) == []
    level, text = only(check_lengths(make_setup(tmp_path, {"corpora.train.max_length": 500})))
    assert level == "warn" and "[corpora.train] max_length = 500" in text
    tagger = make_setup(tmp_path, {"corpora.train.max_length": 500}, factory="tagger_bilstm")
    assert list(check_lengths(tagger)) == []


def test_schedules_that_end_too_early(tmp_path):
    rate = {"@schedules": "warmup_linear.v1", "initial_rate": 0.001, "total_steps": 1000}
    for changes, said in (
        ({"training.patience": 100, "training.eval_frequency": 200}, "Raise patience"),
        (
            {
                "training.max_steps": 50,
                "training.optimizer.learn_rate": {**rate, "warmup_steps": 50},
            },
            "Lower warmup_steps",
        ),
    ):
        level, text = only(check_schedule(make_setup(tmp_path, changes)))
        assert level == "warn" and said in text
    for changes in (
        {"training.patience": 0, "training.eval_frequency": 200},
        {"training.max_steps": 0, "training.optimizer.learn_rate": {**rate, "warmup_steps": 50}},
        {"training.max_steps": 51, "training.optimizer.learn_rate": {**rate, "warmup_steps": 50}},
    ):
        assert list(check_schedule(make_setup(tmp_path, changes))) == []


def test_settings_that_are_not_for_the_device(tmp_path, setup):
    name = "components.textcat_lstm.model.encode.precision"
    halved = make_setup(tmp_path, {name: "bfloat16"})
    level, text = only(check_hardware(halved, gpu=False, bfloat16=False))
    assert level == "warn" and "[textcat_lstm.model.encode]" in text
    assert list(check_hardware(halved, gpu=False, bfloat16=True)) == []
    assert list(check_hardware(setup, gpu=False, bfloat16=False)) == []
    level, text = only(check_hardware(setup, gpu=True, bfloat16=True))
    assert level == "warn" and 'gpu_allocator = "pytorch"' in text
    with_allocator = make_setup(tmp_path, {"training.gpu_allocator": "pytorch"})
    assert list(check_hardware(with_allocator, gpu=True, bfloat16=True)) == []


@pytest.mark.parametrize(
    "steps, epochs, level, said",
    [
        (30, 0, "good", "6 passes over the training texts, of 5 batches each"),
        (4, 0, "warn", "0.8 passes"),
        (30, 2, "good", "2 passes"),
        (0, 3, "good", "training ends after 3 of them"),
        (0, 0, "good", "training ends by patience"),
    ],
)
def test_length_of_training(tmp_path, steps, epochs, level, said):
    batcher = {"@batchers": "spacy.batch_by_sequence.v1", "size": 4}
    changes = {"training.max_steps": steps, "training.max_epochs": epochs}
    setup = make_setup(tmp_path, {**changes, "training.batcher": batcher})
    assert len(TEXTS[:HALF]) == 20
    found = only(check_length_of_training(setup, corpora_of(setup).train))
    assert found[0] == level and said in found[1]


# Texts


def test_sizes(setup):
    found = list(check_sizes(corpora_of(setup)))
    assert levels(found) == ["good", "good"] and "20 training texts of 3 tokens" in found[0].text
    found = list(check_sizes(corpora_of(setup, dev=[])))
    assert levels(found) == ["good", "fail"] and "no dev texts" in found[1].text


def test_empty_texts(setup):
    assert list(check_empty(corpora_of(setup))) == []
    level, text = only(check_empty(corpora_of(setup, dev=["a film", " \n", ""])))
    assert level == "warn" and "2 dev texts are empty (66.7 %), the first is number 2" in text


def test_texts_in_both_corpora(setup):
    long = [f"{text} it is indeed" for text in TEXTS]
    assert only(check_overlap(corpora_of(setup, train=long[:20], dev=long[20:])))[0] == "good"
    dev = [long[0], long[1].upper().replace(" ", "\n"), *long[20:28]]
    level, text = only(check_overlap(corpora_of(setup, train=long[:20], dev=dev)))
    assert level == "warn"
    assert "2 dev texts (20 %)" in text and "1 word for word, 1 but for case" in text
    # Short ones stand in all corpora.
    assert list(check_overlap(corpora_of(setup, train=TEXTS, dev=TEXTS))) == []


def test_corpora_are_read_as_training_reads_them(tmp_path):
    nlp = spacy.blank("en")
    docs = [eg.reference for eg in classified(nlp, TEXTS)]
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    setup = make_setup(tmp_path, {"paths.train": str(tmp_path / "train.spacy")})
    assert [eg.reference.text for eg in read_corpus(setup, "train")] == TEXTS
    with pytest.raises(ValueError, match="E913"):
        read_corpus(setup, "dev")


def test_of_streams_the_beginning_is_read(tmp_path, monkeypatch):
    setup = make_setup(tmp_path, {"training.max_epochs": -1, "corpora.train": ENDLESS})
    monkeypatch.setattr("spacy_rnn.cli._doctor_data.MOST_STREAMED", 7)
    assert len(read_corpus(setup, "train")) == 7


ENDLESS = {"@readers": "tests.endless"}


@spacy.registry.readers("tests.endless")
def create_endless_reader():
    def read(nlp):
        for text in itertools.cycle(TEXTS):
            yield from classified(nlp, [text])

    return read


# Labels


def names(*labels):
    return [(label,) if label else () for label in labels]


def test_counts_of_labels():
    train, dev = names(*"AB" * 10), names(*"AB")
    level, text = only(check_counts("pipe", train, dev))
    assert level == "good" and "2 label(s) in the training texts, A 50 %, B 50 %" in text


@pytest.mark.parametrize(
    "train, dev, level, said",
    [
        (["", ""], ["A"], "fail", "no training text has a label"),
        (["A"] * 10, [""], "fail", "no dev text has a label"),
        (["A"] * 10 + ["B"] * 9, ["A", "B"], "warn", "few training examples, B (9)"),
        (["A"] * 10 + ["B"] * 10, ["A"], "warn", "labels that no dev text has, B"),
        (["A"] * 10, ["A", "C"], "warn", "but no training text, C"),
    ],
)
def test_faults_of_counts(train, dev, level, said):
    *others, fault = check_counts("pipe", names(*train), names(*dev))
    assert levels(others) in ([], ["good"])
    assert fault.level == level and said in fault.text


def test_many_labels_are_not_all_named():
    train = names(*(f"L{i:02}" for i in range(50) for _ in range(60 - i)))
    level, text = only(check_counts("pipe", train, train))
    assert level == "good" and "L00 3.38 %" in text and "and 44 more, down to 0.62 %" in text


def test_texts_without_categories(setup):
    pipe = pipe_of(setup)
    assert list(check_unlabelled("pipe", pipe, corpora_of(setup))) == []
    some = corpora_of(setup, lambda text: sentiment(text) if "film" in text else {})
    found = list(check_unlabelled("pipe", pipe, some))
    assert levels(found) == ["warn"] and "10 training texts (50 %)" in found[0].text


def test_labels_of_other_classifiers(tmp_path):
    """Where a component is given its labels, all others are left to others."""
    labels = {"initialize.components.textcat_lstm.labels": ["POSITIVE", "NEGATIVE"]}

    def cats(text):
        own = sentiment(text) if "plot" not in text else {}
        return {**own, "FILM": 1.0, "SCENE": 1.0}

    setup, alone = make_setup(tmp_path, labels), make_setup(tmp_path)
    found = list(check_labels(setup, corpora_of(setup, cats)))
    said = " ".join(finding.text for finding in found)
    assert "fail" not in levels(found) and "FILM" not in said
    assert "2 label(s)" in said and "have no categories" in said
    assert "fail" in levels(check_labels(alone, corpora_of(alone, cats)))


def test_balance(tmp_path, setup):
    pipe = pipe_of(setup)
    even, uneven = names(*"AB" * 10), names(*"AAAAAAAAAB" * 2)
    assert list(check_balance("pipe", pipe, even)) == []
    level, text = only(check_balance("pipe", pipe, uneven))
    assert level == "warn" and "90 % of the training texts have the label A" in text
    assert only(check_balance("pipe", pipe, names(*"AAAA")))[0] == "fail"
    weighted = make_setup(tmp_path, {"components.textcat_lstm.class_weight": "balanced"})
    assert list(check_balance("pipe", pipe_of(weighted), uneven)) == []
    multilabel = pipe_of(make_setup(tmp_path, factory="textcat_multilabel_lstm"))
    assert list(check_balance("pipe", multilabel, names(*"AAAA"))) == []


def test_contradictions(setup):
    pipe = pipe_of(setup)
    assert list(check_contradictions("pipe", pipe, corpora_of(setup))) == []
    other = corpora_of(setup, lambda text: sentiment(text.lower()), dev=["A warm FILM"])
    assert list(check_contradictions("pipe", pipe, other)) == []
    other = corpora_of(setup, lambda text: sentiment(text), dev=["A WARM  FILM", "a dull film"])
    level, text = only(check_contradictions("pipe", pipe, other))
    assert level == "warn" and "1 texts" in text and "which is NEGATIVE or POSITIVE" in text


# A seed: hypothesis finds random numbers that shuffle nothing.
@given(st.lists(st.integers(20, 30), min_size=2, max_size=4), st.integers(0, 1000))
def test_order_of_labels(counts, seed):
    labels = [f"L{i}" for i, count in enumerate(counts) for _ in range(count)]
    assert only(check_order("pipe", names(*labels)))[0] == "fail"
    Random(seed).shuffle(labels)
    assert list(check_order("pipe", names(*labels))) == []


def test_the_beginning_of_a_stream_has_all_labels():
    assert list(check_start_of_stream("pipe", names(*"AB" * 100))) == []
    level, text = only(check_start_of_stream("pipe", names(*["A"] * 100, "B")))
    assert level == "fail" and "first 100 training texts, B" in text


def test_only_streams_are_looked_at_for_their_order(tmp_path):
    by_label = sorted(TEXTS, key=lambda text: sentiment(text)["POSITIVE"])
    for epochs, expected in ((0, 0), (-1, 1)):
        setup = make_setup(tmp_path, {"training.max_epochs": epochs})
        corpora = corpora_of(setup, train=by_label, dev=TEXTS)
        assert levels(check_labels(setup, corpora)).count("fail") == expected
    corpora = corpora_of(setup, train=sorted(by_label * 6, key=by_label.index), dev=TEXTS)
    assert levels(check_labels(setup, corpora)).count("fail") == 2
    labels = {"initialize.components.textcat_lstm.labels": ["POSITIVE", "NEGATIVE"]}
    setup = make_setup(tmp_path, {"training.max_epochs": -1, **labels})
    assert levels(check_labels(setup, corpora)).count("fail") == 1


@pytest.mark.parametrize(
    "cats, code",
    [
        ({"POSITIVE": 2.0, "NEGATIVE": 0.0}, "R302"),
        ({"POSITIVE": 1.0, "NEGATIVE": 1.0}, "R303"),
        ({"POSITIVE": 0.5, "NEGATIVE": 0.0}, "R320"),
    ],
)
def test_categories_that_cannot_be_learned(setup, cats, code):
    pipe = pipe_of(setup)
    assert list(check_can_be_learned("pipe", pipe, corpora_of(setup).train)) == []
    examples = classified(setup.nlp, ["a film"], lambda text: cats)
    level, text = only(check_can_be_learned("pipe", pipe, examples))
    assert level == "fail" and text.startswith(f"[{code}]")


def test_labels_of_soft_categories(setup, tmp_path):
    def soft(text):
        return {"POSITIVE": 0.4, "NEGATIVE": 0.6}

    (eg,) = classified(setup.nlp, ["a film"], soft)
    assert labels_of(pipe_of(setup), eg) == ("NEGATIVE",)
    (eg,) = classified(setup.nlp, ["a film"], lambda text: {})
    assert labels_of(pipe_of(setup), eg) == ()
    (eg,) = classified(setup.nlp, ["a film"], lambda text: {"A": 1.0, "B": 1.0, "C": 0.0})
    multilabel = pipe_of(make_setup(tmp_path, factory="textcat_multilabel_lstm"))
    assert labels_of(multilabel, eg) == ("A", "B")


# Tags


@pytest.fixture
def tagger(tmp_path):
    return make_setup(tmp_path, factory="tagger_bilstm")


def test_tags_of_a_sound_corpus(tagger):
    examples = tagged(tagger.nlp, SENTENCES * 10)
    found = list(check_labels(tagger, Corpora(examples, examples)))
    assert levels(found) == ["good"] and "NOUN" in found[0].text


def test_tags_that_are_not_universal(tagger):
    examples = tagged(tagger.nlp, [("a dog", "DET NOUN", "DT NN")])
    pipe = pipe_of(tagger)
    assert list(check_can_be_learned("pipe", pipe, examples)) == []
    pipe.cfg["attr"] = "TAG"
    examples[0].reference[1].tag_ = "NOUN|Sing"
    assert list(check_can_be_learned("pipe", pipe, examples)) == []
    pipe.cfg["attr"] = "POS"
    examples[0].reference[1].pos_ = "EOL"
    level, text = only(check_can_be_learned("pipe", pipe, examples))
    assert level == "fail" and "EOL" in text


def test_tokens_without_tags(tagger):
    pipe, vocab = pipe_of(tagger), tagger.nlp.vocab
    whole = tagged(tagger.nlp, [("a dog barks .", "DET NOUN VERB PUNCT", "DT NN VBZ .")])
    assert list(check_tags("pipe", pipe, Corpora(whole, whole))) == []
    gold = Doc(vocab, words=["a", "dog", "barks", "."], pos=["DET", "", "VERB", "PUNCT"])
    untagged = [Example(Doc(vocab, words=["a", "dog", "barks", "."]), gold)]
    level, text = only(check_tags("pipe", pipe, Corpora(untagged, whole)))
    assert (
        level == "warn" and "25 % of the training tokens" in text and "1 tokens have none" in text
    )
    # "barks." is one token here, and two in the data.
    words, spaces = ["a", "dog", "barks", "."], [True, True, False, False]
    gold = Doc(vocab, words=words, spaces=spaces, pos=["DET", "NOUN", "VERB", "PUNCT"])
    other = Doc(vocab, words=["a", "dog", "barks."], spaces=[True, True, False])
    level, text = only(check_tags("pipe", pipe, Corpora(whole, [Example(other, gold)])))
    assert level == "warn" and "33.3 % of the dev tokens" in text and "0 tokens have none" in text


# What is not read


def test_cut_texts(setup):
    examples = classified(setup.nlp, ["a b c d e f", "a b", "a b"])
    for limit in (0, 6):
        assert only(check_cut("pipe", limit, examples))[0] == "good"
    level, text = only(check_cut("pipe", 3, examples))
    assert level == "warn"
    assert "1 training texts (33.3 %)" in text and "30 % of all tokens" in text


def test_unknown_words(tmp_path, setup):
    ((name, layer),) = word_tables(setup)
    known = corpora_of(setup, train=TEXTS, dev=TEXTS)
    level, text = only(check_words(name, layer, known))
    assert level == "good" and "0 % of the words" in text
    assert f"vocabulary of {len(GOOD) * 2 + len(NOUNS) + 1} words" in text
    other = corpora_of(setup, train=TEXTS, dev=["a warm blancmange", "a dull film"])
    assert "16.7 % of the words" in only(check_words(name, layer, other))[1]
    level, text = only(check_words(name, layer, corpora_of(setup, train=TEXTS, dev=["um filme"])))
    assert level == "warn" and "100 % of the words" in text


def test_the_vocabulary_is_learned_as_the_layer_says(tmp_path):
    for setting, value, words in (("max_size", 2, 2), ("min_count", 2, 4)):
        changes = {f"components.textcat_lstm.model.tok2vec.{setting}": value}
        ((name, layer),) = word_tables(make_setup(tmp_path, changes))
        setup = make_setup(tmp_path)
        # So many tokens that the layer's own count is respected.
        train = ["b b c c d d " * 2000, "a a e f"]
        _, text = only(check_words(name, layer, corpora_of(setup, train=train, dev=["a"])))
        assert f"vocabulary of {words} words" in text


def test_a_given_vocabulary_is_not_looked_at(tmp_path):
    vocab = {"initialize.components.textcat_lstm.vocab": ["a", "b"]}
    before = {"@callbacks": "spacy-rnn.init_vocab.v1", "path": "vocab.json"}
    for changes in (vocab, {"initialize.before_init": before}):
        assert list(word_tables(make_setup(tmp_path, changes))) == []


def test_reading_looks_at_all_components(tmp_path):
    changes = {"components.textcat_lstm.model.max_tokens": 2}
    setup = make_setup(tmp_path, changes)
    found = list(check_reading(setup, corpora_of(setup, train=TEXTS, dev=TEXTS)))
    assert levels(found) == ["warn", "good"] and "reads 2 tokens" in found[0].text
    frozen = make_setup(tmp_path, {"training.frozen_components": ["textcat_lstm"]})
    assert list(check_reading(frozen, corpora_of(frozen))) == []
