"""Classifiers where annotation is partial: labels that are left out, texts without any, labels of
other components, labels that come later."""

import warnings
from contextlib import nullcontext

import numpy
import pytest
import spacy
from spacy.training import Example

from spacy_rnn.layers.temperature import get_temperature, set_temperature
from spacy_rnn.pipeline import textcat_lstm
from tests.conftest import BAD, GOOD, TEXTS, make_tagged_examples, small_model, small_tagger, train

FACTORIES = {"textcat_lstm": True, "textcat_multilabel_lstm": False}


def make(*factories, labels=None):
    """A pipeline of classifiers named by their factories."""
    nlp = spacy.blank("en")
    for factory in factories:
        model = small_model(exclusive_classes=FACTORIES[factory])
        nlp.add_pipe(factory, config={"model": model})
        if labels:
            given = nlp.config["initialize"]["components"]
            given[factory] = {"labels": labels[factory]}
    return nlp


def annotate(nlp, pairs):
    return [Example.from_dict(nlp.make_doc(text), {"cats": cats}) for text, cats in pairs]


def full(text):
    return {"POSITIVE": float(text in GOOD), "NEGATIVE": float(text not in GOOD)}


def sparse(text):
    return {label: value for label, value in full(text).items() if value}


def scores_of(nlp, texts=TEXTS):
    return numpy.asarray([list(doc.cats.values()) for doc in nlp.pipe(texts)])


def start_of_training(cats, others=()):
    nlp = make("textcat_lstm")
    examples = annotate(nlp, [*((text, cats(text)) for text in TEXTS), *others])
    nlp.get_pipe("textcat_lstm").initialize(
        lambda: examples, nlp=nlp, labels=["POSITIVE", "NEGATIVE"]
    )
    return scores_of(nlp)


def test_the_true_label_alone_says_as_much_as_all():
    """Of labels that exclude each other, those that are left out are false."""
    expected = start_of_training(full)
    assert numpy.ptp(expected[:, 0]) > 0.1
    assert numpy.allclose(start_of_training(sparse), expected, atol=1e-6)


def test_texts_of_which_nothing_is_true_change_nothing():
    expected = start_of_training(full)
    nothing = [("a warm dull scene", {"POSITIVE": 0.0, "NEGATIVE": 0.0})]
    found = start_of_training(full, nothing)
    assert numpy.allclose(found, expected, atol=0.02)
    # As a text that is both would not.
    wrong = start_of_training(full, [("a warm dull scene", {"NEGATIVE": 1.0})] * 4)
    assert not numpy.allclose(wrong, expected, atol=0.02)


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_batch_without_annotation_is_not_learned_from(factory):
    nlp = make(factory)
    examples = annotate(nlp, [(text, full(text)) for text in TEXTS])
    optimizer = nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe(factory)
    set_temperature(pipe.model, 2.0)
    before = scores_of(nlp)
    unknown = annotate(nlp, [(TEXTS[0], {}), (TEXTS[1], {})])
    losses = pipe.update(unknown, sgd=optimizer)
    assert losses == {factory: 0.0}
    assert get_temperature(pipe.model) == 2.0 and (scores_of(nlp) == before).all()
    pipe.rehearse(examples, sgd=optimizer)
    assert get_temperature(pipe.model) == 2.0 and (scores_of(nlp) == before).all()
    pipe.update([*unknown, *examples], sgd=optimizer)
    assert get_temperature(pipe.model) == 1.0 and (scores_of(nlp) != before).any()


def test_a_batch_without_tags_is_not_learned_from():
    nlp = spacy.blank("en")
    tagger = nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()})
    examples = make_tagged_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    tagger.update(examples, sgd=optimizer)
    before = tagger.predict([examples[0].predicted])[0]
    unknown = [Example(nlp.make_doc(eg.text), nlp.make_doc(eg.text)) for eg in examples]
    assert tagger.update(unknown, sgd=optimizer) == {"tagger_bilstm": 0.0}
    assert (tagger.predict([examples[0].predicted])[0] == before).all()


def rehearse():
    """RETURNS: The loss of the last of ten rehearsals, and how far scores have moved."""
    nlp = spacy.blank("en")
    model = small_model(linear_model=None)
    model["fitted_model"] = {"@architectures": "spacy-rnn.NBSVM.v1", "C": 10.0}
    pipe = nlp.add_pipe("textcat_lstm", config={"model": model})
    examples = annotate(nlp, [(text, full(text)) for text in TEXTS])
    train(nlp, examples, steps=5)
    assert pipe.model.get_ref("fitted_model").attrs["held_out"].logits
    optimizer = nlp.resume_training()
    before = scores_of(nlp)
    for _ in range(10):
        losses = pipe.rehearse(examples, drop=0.0, sgd=optimizer)
    assert pipe.model.get_ref("fitted_model").attrs["held_out"].logits
    return losses["textcat_lstm"], numpy.abs(scores_of(nlp) - before).max()


def test_rehearsal_keeps_what_the_model_says_with_a_fitted_model(monkeypatch):
    """The copy says what it says in prediction. With held-out logits, or none, the net would learn
    what the fitted model says already, which then counted twice."""
    loss, moved = rehearse()
    assert loss < 1e-3 and moved < 0.02
    monkeypatch.setattr(textcat_lstm, "as_in_prediction", lambda model: nullcontext())
    assert rehearse()[0] > 1.0


def test_held_out_logits_outlive_a_new_label():
    nlp = make("textcat_lstm")
    examples = annotate(nlp, [(text, full(text)) for text in TEXTS])
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("textcat_lstm")
    fitted = pipe.model.get_ref("fitted_model")
    fitted.attrs["dropout"] = 0.0
    docs = [eg.predicted for eg in examples]
    before = fitted(docs, is_train=True)[0]
    assert not numpy.allclose(before, fitted.predict(docs), atol=1e-3)
    pipe.add_label("MIXED")
    after = fitted(docs, is_train=True)[0]
    assert numpy.allclose(after[:, :2], before, atol=1e-6) and not after[:, 2].any()


def test_a_new_label_can_be_learned():
    nlp = make("textcat_lstm")
    train(nlp, annotate(nlp, [(text, full(text)) for text in TEXTS]), steps=10)
    nlp.get_pipe("textcat_lstm").add_label("MIXED")
    mixed = [(f"a so so film with {text}", {"MIXED": 1.0}) for text in TEXTS]
    examples = annotate(nlp, [*((text, full(text)) for text in TEXTS), *mixed])
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    assert all(nlp(text).cats["MIXED"] > 0.5 for text, _ in mixed)


# Several classifiers


LABELS = {"textcat_lstm": ["POSITIVE", "NEGATIVE"], "textcat_multilabel_lstm": ["FILM", "SHORT"]}


def both(text):
    return {**full(text), "FILM": float("film" in text), "SHORT": float(len(text) < 15)}


def test_two_classifiers_learn_from_one_corpus():
    """Each has its labels, and leaves the other's alone, in training and in scoring."""
    nlp = make(*LABELS, labels=LABELS)
    examples = annotate(nlp, [(text, both(text)) for text in TEXTS])
    with pytest.warns(UserWarning, match=r"W005.*'textcat_lstm'.*FILM"):
        optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    for text in TEXTS:
        assert {name: round(value) for name, value in nlp(text).cats.items()} == both(text)
    textcat = nlp.get_pipe("textcat_lstm")
    scored = textcat.score([Example(nlp(text), eg.reference) for text, eg in zip(TEXTS, examples)])
    assert scored["cats_micro_f"] == 1.0 and set(scored["cats_f_per_type"]) == {*textcat.labels}
    found = textcat.calibrate(examples)
    assert found.texts == len(TEXTS)
    loaded = spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    loaded.update(examples, sgd=loaded.resume_training())


def test_balanced_weights_are_of_the_labels_that_are_learned():
    def weights(cats, labels):
        nlp = make("textcat_lstm")
        pipe = nlp.get_pipe("textcat_lstm")
        pipe.cfg["class_weight"] = "balanced"
        examples = annotate(nlp, [(text, cats(text)) for text in [*TEXTS, GOOD[0]]])
        pipe.initialize(lambda: examples, nlp=nlp, labels=labels)
        return pipe.cfg["balanced_weights"]

    with pytest.warns(UserWarning, match="W005"):
        found = weights(both, LABELS["textcat_lstm"])
    assert found == weights(full, None) == pytest.approx({"POSITIVE": 7 / 8, "NEGATIVE": 7 / 6})


def test_a_label_of_no_component_is_refused():
    nlp = make("textcat_lstm", labels=LABELS)
    nlp.initialize(lambda: annotate(nlp, [(text, full(text)) for text in TEXTS]))
    with pytest.raises(ValueError, match="R315.*FILM"):
        nlp.update(annotate(nlp, [(TEXTS[0], {"FILM": 1.0})]), sgd=nlp.create_optimizer())


def test_two_true_labels_of_one_component_are_refused():
    nlp = make(*LABELS, labels=LABELS)
    examples = annotate(nlp, [(text, {**both(text), "POSITIVE": 1.0}) for text in TEXTS])
    with pytest.raises(ValueError, match="R303.*POSITIVE.*NEGATIVE"):
        nlp.initialize(lambda: examples)


# Before and without initialization


@pytest.mark.parametrize("factory", FACTORIES)
def test_no_examples_are_warned_of(factory):
    nlp = make(factory)
    for label in ("POSITIVE", "NEGATIVE"):
        nlp.get_pipe(factory).add_label(label)
    with pytest.warns(UserWarning, match=f"W004.*'{factory}'.*nlp.initialize.lambda: examples"):
        nlp.initialize()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp.initialize(lambda: annotate(nlp, [(text, full(text)) for text in TEXTS]))


def test_no_tags_are_warned_of():
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger_bilstm", config={"model": small_tagger()}).add_label("NOUN")
    with pytest.warns(UserWarning, match="W004.*'tagger_bilstm'"):
        nlp.initialize()


@pytest.mark.parametrize("factory", FACTORIES)
def test_update_before_initialize_says_so(factory):
    nlp = make(factory)
    examples = annotate(nlp, [(GOOD[0], full(GOOD[0])), (BAD[0], full(BAD[0]))])
    with pytest.raises(ValueError, match="E109.*initialize"):
        nlp.get_pipe(factory).update(examples)


def test_words_that_were_given_once_are_given_once():
    nlp = make("textcat_lstm")
    pipe = nlp.get_pipe("textcat_lstm")
    examples = annotate(nlp, [(text, full(text)) for text in TEXTS])
    (words,) = (node for node in pipe.model.walk() if "words" in node.attrs)
    pipe.initialize(lambda: examples, nlp=nlp)
    learned = words.attrs["words"].words
    pipe.initialize(lambda: examples, nlp=nlp, vocab=["warm", "dull"])
    assert words.attrs["words"].words == ["warm", "dull"]
    pipe.initialize(lambda: examples, nlp=nlp)
    assert words.attrs["words"].words == learned
