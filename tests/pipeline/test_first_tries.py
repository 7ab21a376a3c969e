"""The first things that users of spaCy try: all work, learn, and predict."""

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

NET_ALONE = {"model": {"linear_model": None}}


def cats(label, labels=("POSITIVE", "NEGATIVE")):
    return {"cats": {name: float(name == label) for name in labels}}


TRAIN = [
    ("I love this film", cats("POSITIVE")),
    ("I hate this film", cats("NEGATIVE")),
]
TAGGED = [
    ("I like green eggs", {"tags": ["N", "V", "J", "N"], "pos": ["PRON", "VERB", "ADJ", "NOUN"]}),
    ("Eat blue ham", {"tags": ["V", "J", "N"], "pos": ["VERB", "ADJ", "NOUN"]}),
]


def examples_of(nlp, data):
    return [Example.from_dict(nlp.make_doc(text), annotation) for text, annotation in data]


def fit(nlp, examples, optimizer, steps=60):
    optimizer.learn_rate = 0.01
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)


def learned_cats(nlp, examples):
    return all(
        abs(nlp(eg.text).cats[label] - value) < 0.3
        for eg in examples
        for label, value in eg.reference.cats.items()
    )


@pytest.mark.parametrize("config", [{}, NET_ALONE])
@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_two_sentences(factory, config):
    nlp = spacy.blank("en")
    nlp.add_pipe(factory, config=config)
    examples = examples_of(nlp, TRAIN)
    fit(nlp, examples, nlp.initialize(lambda: examples))
    assert learned_cats(nlp, examples)
    assert set(nlp("A text of other words!").cats) == {"POSITIVE", "NEGATIVE"}


@pytest.mark.parametrize("attr", ["POS", "TAG"])
def test_two_tagged_sentences(attr):
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"attr": attr})
    examples = examples_of(nlp, TAGGED)
    fit(nlp, examples, nlp.initialize(lambda: examples))
    for text, annotation in TAGGED:
        found = [getattr(token, f"{attr.lower()}_") for token in nlp(text)]
        assert found == annotation["pos" if attr == "POS" else "tags"]


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_labels_added_and_no_examples(factory):
    nlp = spacy.blank("en")
    textcat = nlp.add_pipe(factory)
    textcat.add_label("POSITIVE")
    textcat.add_label("NEGATIVE")
    optimizer = nlp.initialize()
    examples = examples_of(nlp, TRAIN)
    fit(nlp, examples, optimizer)
    assert learned_cats(nlp, examples)


def test_tags_added_and_no_examples():
    nlp = spacy.blank("en")
    tagger = nlp.add_pipe("tagger_bilstm", config={"attr": "TAG"})
    for tag in "NVJ":
        tagger.add_label(tag)
    optimizer = nlp.initialize()
    examples = examples_of(nlp, TAGGED)
    fit(nlp, examples, optimizer, steps=150)
    assert [[t.tag_ for t in nlp(text)] for text, _ in TAGGED] == [a["tags"] for _, a in TAGGED]


def test_a_bare_vocab():
    """It knows neither norms nor lower case."""
    nlp = spacy.blank("en")
    textcat = nlp.add_pipe("textcat_lstm", config=NET_ALONE)
    vocab = Vocab()
    data = [("love it", "POSITIVE"), ("hate it", "NEGATIVE")]
    examples = [
        Example.from_dict(Doc(vocab, words=text.split()), cats(label)) for text, label in data
    ]
    textcat.initialize(lambda: examples, nlp=nlp)
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.01
    for _ in range(60):
        textcat.update(examples, sgd=optimizer)
    for eg, row in zip(examples, textcat.predict([eg.predicted for eg in examples])):
        assert eg.reference.cats[textcat.labels[row.argmax()]] == 1.0


def test_labels_given_and_a_stream_sorted_by_class():
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm")
    nlp.config["initialize"]["components"]["textcat_lstm"] = {"labels": ["NEGATIVE", "POSITIVE"]}
    first = examples_of(nlp, [TRAIN[0]] * 3)
    with pytest.warns(UserWarning, match="W003.*NEGATIVE"):
        optimizer = nlp.initialize(lambda: first)
    fit(nlp, examples_of(nlp, TRAIN), optimizer)
    assert learned_cats(nlp, examples_of(nlp, TRAIN))


def test_empty_texts_among_few():
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm")
    data = [("", cats("POSITIVE")), *TRAIN]
    examples = examples_of(nlp, data)
    fit(nlp, examples, nlp.initialize(lambda: examples), steps=5)
    assert nlp("").cats == pytest.approx(next(nlp.pipe(["", "film"])).cats)


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm"])
def test_many_empty_texts_first(factory):
    nlp = spacy.blank("en")
    nlp.add_pipe(factory)
    examples = examples_of(nlp, [("", cats("POSITIVE"))] * 12 + TRAIN)
    fit(nlp, examples, nlp.initialize(lambda: examples), steps=5)
    assert set(nlp("film").cats) == {"POSITIVE", "NEGATIVE"}


def test_spacys_bag_of_words_and_an_empty_text():
    model = {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": True,
        "ngram_size": 2,
        "length": 1000,
        "no_output_layer": False,
    }
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": model})
    examples = examples_of(nlp, TRAIN)
    fit(nlp, examples, nlp.initialize(lambda: examples), steps=3)
    alone, beside = nlp("").cats, [doc.cats for doc in nlp.pipe(["", "film", ""])]
    assert alone == beside[0] == beside[2] == {"POSITIVE": 0.0, "NEGATIVE": 0.0}


def test_spacys_bag_of_words_beside_the_net():
    linear = {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": True,
        "ngram_size": 2,
        "length": 1000,
        "no_output_layer": True,
    }
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat_lstm", config={"model": {"linear_model": linear}})
    examples = examples_of(nlp, [*TRAIN, ("", cats("POSITIVE"))])
    fit(nlp, examples, nlp.initialize(lambda: examples), steps=3)
    assert nlp("").cats == pytest.approx(list(nlp.pipe(["", "I love it"]))[0].cats)


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm", "tagger_bilstm"])
def test_under_thincs_data_validation(factory):
    from thinc.api import data_validation

    nlp = spacy.blank("en")
    nlp.add_pipe(factory)
    examples = examples_of(nlp, TAGGED if factory == "tagger_bilstm" else TRAIN)
    with data_validation(True):
        optimizer = nlp.initialize(lambda: examples)
        nlp.update(examples, sgd=optimizer)
        assert len(nlp("green film")) == 2
