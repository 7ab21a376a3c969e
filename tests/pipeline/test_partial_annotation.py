"""Classifiers where annotation is partial: labels that are left out, texts without any, labels of
other components, labels that come later."""

import warnings
from contextlib import nullcontext

import numpy
import pytest
import spacy
import srsly
from spacy.training import Example

from spacy_rnn.cli._doctor_labels import labels_of
from spacy_rnn.layers.temperature import get_temperature, set_temperature
from spacy_rnn.pipeline import textcat_lstm
from spacy_rnn.pipeline.textcat_lstm import CorpusCounts
from spacy_rnn.vocabulary.learning import learn_vocab
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


def test_of_texts_of_which_nothing_is_true_nothing_is_known():
    """So that they do not count in the fit, nor in how frequent labels are."""
    pipe = make("textcat_lstm").get_pipe("textcat_lstm")
    for label in ("POSITIVE", "NEGATIVE"):
        pipe.add_label(label)
    counts = CorpusCounts()
    counts.cats = [{"POSITIVE": 1.0}, {"POSITIVE": 0.0, "NEGATIVE": 0.0}, {}, {"NEGATIVE": 1.0}]
    target = pipe._target(counts)
    assert target.truths.tolist() == [[1, 0], [0, 0], [0, 0], [0, 1]]
    assert target.weights.tolist() == [[1, 1], [0, 0], [0, 0], [1, 1]]


def test_a_step_that_learns_nothing_keeps_the_temperature():
    nlp = make("textcat_lstm")
    examples = annotate(nlp, [(text, full(text)) for text in TEXTS])
    optimizer = nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("textcat_lstm")
    set_temperature(pipe.model, 2.0)
    pipe.update(annotate(nlp, [("", full(""))]), sgd=optimizer)
    pipe.rehearse(examples, sgd=optimizer)
    assert get_temperature(pipe.model) == 2.0
    pipe.update(examples, sgd=optimizer)
    assert get_temperature(pipe.model) == 1.0


@pytest.mark.parametrize("first", ["textcat_lstm", "tagger_bilstm"])
def test_a_shared_tok2vec_learns_where_another_component_has_no_annotation(first):
    """The last listener passes on the gradients of all: also if it has nothing to learn itself."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": small_tagger()["tok2vec"]})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 12, "upstream": "tok2vec"}
    models = {
        "textcat_lstm": small_model(tok2vec=listener),
        "tagger_bilstm": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener},
    }
    for factory in sorted(models, key=lambda factory: factory != first):
        nlp.add_pipe(factory, config={"model": models[factory]})
    both = [*make_tagged_examples(nlp), *annotate(nlp, [(text, full(text)) for text in TEXTS])]
    embeddings = [n for n in nlp.get_pipe("tok2vec").model.walk() if "set_vocab" in n.attrs]
    learn_vocab(embeddings, [eg.predicted for eg in both])
    optimizer = nlp.initialize(lambda: both)
    cats_only, tags_only = both[-len(TEXTS) :], both[: -len(TEXTS)]
    for batch in (cats_only, tags_only):
        losses = [nlp.update(batch, sgd=optimizer)["tok2vec"] for _ in range(4)]
        assert all(loss > 0.0 for loss in losses[1:])


def rehearse():
    """RETURNS: The loss of the last of ten rehearsals."""
    nlp = spacy.blank("en")
    model = small_model(linear_model=None)
    model["fitted_model"] = {"@architectures": "spacy-rnn.NBSVM.v1", "C": 10.0}
    pipe = nlp.add_pipe("textcat_lstm", config={"model": model})
    examples = annotate(nlp, [(text, full(text)) for text in TEXTS])
    train(nlp, examples, steps=5)
    assert pipe.model.get_ref("fitted_model").attrs["held_out"].logits
    optimizer = nlp.resume_training()
    for _ in range(10):
        losses = pipe.rehearse(examples, drop=0.0, sgd=optimizer)
    assert pipe.model.get_ref("fitted_model").attrs["held_out"].logits
    return losses["textcat_lstm"]


def test_rehearsal_keeps_what_the_model_says_with_a_fitted_model(monkeypatch):
    """The copy says what it says in prediction. With held-out logits, or none, the net would learn
    what the fitted model says already, which then counted twice."""
    assert rehearse() < 1e-3
    monkeypatch.setattr(textcat_lstm, "as_in_prediction", lambda model: nullcontext())
    assert rehearse() > 1.0


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
    start = nlp.get_pipe("textcat_lstm").model.get_ref("output_layer").get_param("b")
    # Where it starts, each step of Adam moves it by no more than the learning rate.
    assert -16.0 < start[2] < -12.0
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


def test_what_is_not_true_of_a_label_is_not_scored_as_true():
    """Where a text has labels of others, and none of its own."""
    nlp = make(*LABELS, labels=LABELS)
    examples = annotate(nlp, [(text, both(text)) for text in TEXTS])
    nlp.initialize(lambda: examples)
    textcat = nlp.get_pipe("textcat_lstm")
    pairs = [(text, {"POSITIVE": 0.0, "NEGATIVE": 0.0, "FILM": 1.0}) for text in TEXTS]
    pairs += [(text, {"FILM": 1.0}) for text in TEXTS]
    none_true = [Example(nlp(eg.text), eg.reference) for eg in annotate(nlp, pairs)]
    found = textcat.score(none_true)
    assert found["cats_ece"] is None and found["cats_micro_f"] == 0.0
    assert labels_of(textcat, none_true[-1]) == ()


def test_a_label_that_is_added_is_no_longer_of_others():
    nlp = make("textcat_lstm", labels=LABELS)
    pairs = [(text, {**full(text), "FILM": 0.0}) for text in TEXTS]
    with pytest.warns(UserWarning, match="W005.*FILM"):
        nlp.initialize(lambda: annotate(nlp, pairs))
    textcat = nlp.get_pipe("textcat_lstm")
    textcat.add_label("FILM")
    with pytest.raises(ValueError, match="R303.*FILM"):
        textcat.update(annotate(nlp, [(TEXTS[0], {**full(TEXTS[0]), "FILM": 1.0})]))
    other = make("textcat_lstm", labels=LABELS).get_pipe("textcat_lstm")
    other.add_label("FILM")
    other.initialize(lambda: annotate(nlp, pairs), labels=LABELS["textcat_lstm"])
    assert other.cfg["other_labels"] == []


def test_labels_of_which_the_corpus_has_none():
    nlp = make("textcat_lstm", labels={"textcat_lstm": ["positive", "negative"]})
    examples = annotate(nlp, [(text, full(text)) for text in TEXTS])
    with pytest.warns(UserWarning, match="W003.*positive"):
        optimizer = nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match="R315.*'POSITIVE'.*positive"):
        nlp.update(examples, sgd=optimizer)


def test_labels_of_others_are_those_that_were_saved():
    nlp = make(*LABELS, labels=LABELS)
    nlp.initialize(lambda: annotate(nlp, [(text, both(text)) for text in TEXTS]))
    textcat = nlp.get_pipe("textcat_lstm")
    data = srsly.msgpack_loads(textcat.to_bytes(exclude=["vocab"]))
    data.pop("checksums", None)
    cfg = srsly.json_loads(data["cfg"])
    assert cfg.pop("other_labels") == ["FILM", "SHORT"]
    cfg["config"].pop("format"), cfg["config"].pop("saved_by")
    old = srsly.msgpack_dumps({**data, "cfg": srsly.json_dumps(cfg)})
    textcat.from_bytes(old, exclude=["vocab"])
    assert textcat.cfg["other_labels"] == []
    bad = srsly.msgpack_dumps({**data, "cfg": srsly.json_dumps({**cfg, "other_labels": 3})})
    with pytest.raises(ValueError, match="labels of others are 3"):
        textcat.from_bytes(bad, exclude=["vocab"])


def test_values_of_others_may_be_anything():
    nlp = make("textcat_lstm", labels=LABELS)
    examples = annotate(nlp, [(text, {**full(text), "STARS": 4.0}) for text in TEXTS])
    with pytest.warns(UserWarning, match="W005.*STARS"):
        optimizer = nlp.initialize(lambda: examples)
    nlp.update(examples, sgd=optimizer)
    assert nlp.evaluate(examples)["cats_micro_f"] is not None


def test_a_sorted_stream_says_nothing_of_frequencies():
    nlp = make("textcat_lstm", labels=LABELS)
    first = annotate(nlp, [(text, {"POSITIVE": 1.0}) for text in GOOD * 30])
    with pytest.warns(UserWarning, match="W003.*NEGATIVE"):
        nlp.initialize(lambda: first)
    assert nlp("other words").cats == pytest.approx({"POSITIVE": 0.5, "NEGATIVE": 0.5}, abs=0.01)


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
