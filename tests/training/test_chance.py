"""One warning of a component that learns nothing, and none of one that learns."""

import io
import warnings
from types import SimpleNamespace

import numpy
import pytest
import spacy
from spacy.training.loop import train as train_nlp
from spacy.util import registry

from spacy_rnn.training import chance
from spacy_rnn.training.chance import ChanceWatch, chance_of_binary, chance_of_exclusive
from spacy_rnn.training.loss import (
    binary_cross_entropy,
    softmax_cross_entropy,
    token_cross_entropy,
)
from tests.conftest import (
    SENTENCES,
    make_examples,
    make_tagged_examples,
    small_model,
    small_tagger,
)
from tests.training.trainings import write_texts

COUNTS = numpy.asarray([5, 2, 1])
WEIGHTS = numpy.asarray([[0.5, 2.0, 3.0]])


def lowest(loss_of, probs):
    """The lowest loss near some scores."""
    moves = numpy.random.default_rng(0).normal(0, 0.01, (200, *probs.shape))
    return min(loss_of(numpy.clip(probs + move, 1e-3, 1 - 1e-3)) for move in [0 * probs, *moves])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_exclusive_labels(smoothing):
    truths = numpy.repeat(numpy.eye(3), COUNTS, axis=0)

    def loss_of(row):
        probs = numpy.repeat(row[None] / row.sum(), len(truths), axis=0)
        return softmax_cross_entropy(probs, truths, WEIGHTS, smoothing, xp=numpy)[0]

    guessed = chance_of_exclusive(COUNTS, WEIGHTS[0], smoothing)
    shares = COUNTS / 8 * WEIGHTS[0]
    best = (1 - smoothing) * shares + smoothing * shares.mean()
    assert loss_of(best) == pytest.approx(guessed)
    assert lowest(loss_of, best / best.sum()) >= guessed - 1e-9


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_labels_on_their_own(smoothing):
    truths = numpy.asarray([[1, 0], [1, 0], [0, 1], [1, 1], [0, 0]], dtype="f")
    known = numpy.asarray([[1, 1], [1, 1], [1, 1], [1, 0], [1, 1]], dtype="f")
    positive, negative = (truths * known).sum(0), ((1 - truths) * known).sum(0)
    weights = WEIGHTS[:, :2]

    def loss_of(row):
        probs = numpy.repeat(row[None], len(truths), axis=0)
        return binary_cross_entropy(probs, truths, known, weights, smoothing, xp=numpy)[0]

    guessed = chance_of_binary(positive, negative, weights[0], smoothing)
    half = smoothing / 2
    true = (1 - half) * positive * weights[0] + half * negative
    false = half * positive * weights[0] + (1 - half) * negative
    best = true / (true + false)
    assert loss_of(best) == pytest.approx(guessed, rel=1e-5)
    assert lowest(loss_of, best) >= guessed - 1e-6


def test_what_components_say(nlp):
    """Of a corpus with one text in four that is good, and three tags."""
    texts = ["a warm film", "a dull film", "a bad film", "an empty film"]
    examples = make_examples(
        nlp, texts, lambda text: {"POSITIVE": float("warm" in text), "NEGATIVE": "warm" not in text}
    )
    assert nlp.get_pipe("textcat_lstm").chance_loss is None
    nlp.initialize(lambda: examples)
    found = nlp.get_pipe("textcat_lstm").chance_loss
    assert found == pytest.approx(-0.25 * numpy.log(0.25) - 0.75 * numpy.log(0.75))
    # Where a label does not occur, it is not known how frequent it is.
    with pytest.warns(UserWarning, match="W003"):
        labels = ["POSITIVE", "NEGATIVE"]
        nlp.get_pipe("textcat_lstm").initialize(lambda: examples[1:], labels=labels)
    assert nlp.get_pipe("textcat_lstm").chance_loss is None


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_what_a_tagger_says(smoothing):
    nlp = spacy.blank("en")
    settings = {"model": small_tagger(), "label_smoothing": smoothing}
    tagger = nlp.add_pipe("tagger_bilstm", config=settings)
    nlp.initialize(lambda: make_tagged_examples(nlp))
    tags = [tag for _, pos, _ in SENTENCES for tag in pos.split()]
    truths = numpy.asarray([[tag == label for label in tagger.labels] for tag in tags], dtype="f")
    shares = truths.mean(axis=0)
    share = smoothing * len(shares) / (len(shares) - 1)
    best = (1 - share) * shares + share / len(shares)
    probs, never = numpy.repeat(best[None], len(tags), axis=0), numpy.zeros(len(tags), dtype="bool")
    loss, _ = token_cross_entropy(probs, truths, never, smoothing, xp=numpy)
    assert tagger.chance_loss == pytest.approx(loss, rel=1e-5)


def watch(losses, *, epoch_steps=100, every=50, guessed=0.7, max_epochs=0):
    """RETURNS: The numbers of the evaluations that are warned of."""
    nlp = SimpleNamespace(pipeline=[("a", SimpleNamespace(chance_loss=guessed)), ("b", object())])
    chances, found = ChanceWatch(nlp, {"max_epochs": max_epochs}), []
    for i, loss in enumerate(losses):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            chances.note(i * every, i * every // epoch_steps, {"a": loss, "b": 9.0})
        found += [i] * len(caught)
    return found


def test_once_after_an_epoch_and_some_steps():
    assert watch([0.7] * 20) == [4]
    assert watch([0.7] * 20, epoch_steps=1000) == []
    assert watch([0.7] * 50, epoch_steps=1000) == [20]
    # Just not better.
    assert watch([0.695] * 9) == [4]
    assert watch([0.69] * 9) == []


def test_better_for_a_while():
    """An epoch of its own has to go by after that, and some steps."""
    assert watch([0.7, 0.7, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]) == [6]
    assert watch([0.7, 0.7, 0.6, *[0.8] * 7], epoch_steps=300) == []
    assert watch([0.7, 0.7, 0.6, *[0.8] * 12], epoch_steps=300) == [12]
    assert watch([0.6, *[0.7] * 9]) == [4]


def test_a_stream_does_not_say_how_frequent_labels_are():
    assert watch([0.7] * 20, max_epochs=-1) == []
    assert watch([0.7] * 20, guessed=None) == []


@pytest.fixture
def soon(monkeypatch):
    """Small nets, whose learning rate has not to warm up, need no more steps."""
    monkeypatch.setattr(chance, "FIRST_STEPS", 60)


def trained(folder, factory, *, max_steps=90, **settings):
    """The warnings of spaCy's own training on texts of a folder, with three evaluations."""
    nlp = spacy.blank("en")
    if factory == "tagger_bilstm":
        model, score = small_tagger(), "tagging_acc"
    else:
        model = small_model(exclusive_classes=factory == "textcat_lstm")
        score = "cats_macro_f"
    nlp.add_pipe(factory, config={"model": model, **settings})
    reader = {"@readers": "spacy.Corpus.v1", "gold_preproc": True}
    for name in ("train", "dev"):
        nlp.config["corpora"][name] = {**reader, "path": str(folder / f"{name}.spacy")}
    steps = {"max_steps": max_steps, "eval_frequency": max_steps // 3}
    nlp.config["training"].update(steps, patience=0, seed=0)
    nlp.config["training"]["batcher"] = {"@batchers": "spacy.batch_by_sequence.v1", "size": 4}
    nlp.config["training"]["logger"] = {"@loggers": "spacy-rnn.console_logger.v1"}
    nlp.config["training"]["score_weights"] = {score: 1.0}
    nlp.config["training"]["optimizer"]["learn_rate"] = 0.01
    corpus = registry.resolve(nlp.config["corpora"])["train"]
    nlp.initialize(lambda: corpus(nlp))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train_nlp(nlp, stdout=io.StringIO(), stderr=io.StringIO())
    return [str(w.message) for w in caught if "W011" in str(w.message)]


@pytest.mark.parametrize("factory", ["textcat_lstm", "textcat_multilabel_lstm", "tagger_bilstm"])
def test_a_corpus_that_can_be_learned(factory, tmp_path, soon):
    write_texts(tmp_path, count=208)
    assert trained(tmp_path, factory) == []


# So many texts that few of them come again, which a net may know by heart.
@pytest.mark.parametrize(
    "factory,count,max_steps",
    [("textcat_lstm", 808, 210), ("textcat_multilabel_lstm", 808, 210), ("tagger_bilstm", 328, 90)],
)
def test_labels_that_were_shuffled(factory, count, max_steps, tmp_path, soon):
    write_texts(tmp_path, count=count, shuffled=True)
    (message,) = trained(tmp_path, factory, max_steps=max_steps)
    assert f"The loss of '{factory}' has been at" in message and "learning rate" in message
