import os
import signal

import numpy
import pytest
import spacy
import torch
from spacy.tokens import Doc
from thinc.api import Adam

from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.layers.char_rnn_embed import build_char_rnn_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab

NLP = spacy.blank("en")
TEXTS = ("the cat saw the dog", "The dog ran", "", "a Cat")
DOCS = [NLP.make_doc(text) for text in TEXTS]


def make(**settings):
    return build_char_rnn_embed_v1(6, **{"char_width": 4, "min_count": 1, **settings})


def learned(**settings):
    model = make(**settings)
    learn_vocab([model], DOCS)
    return model.initialize(X=DOCS)


def cache(model):
    return model.attrs["cache"]


def test_each_form_has_one_vector_and_case_counts():
    model = learned()
    found = model.predict(DOCS)
    assert [Y.shape for Y in found] == [(5, 6), (3, 6), (0, 6), (2, 6)]
    assert numpy.allclose(found[0][0], found[0][3]) and numpy.allclose(found[0][4], found[1][1])
    assert not numpy.allclose(found[0][0], found[1][0])
    assert len(cache(model)) == 8


def test_training_mode_equals_prediction_without_dropout():
    model = learned(char_dropout=0.0, dropout=0.0)
    for predicted, trained in zip(model.predict(DOCS), model.begin_update(DOCS)[0]):
        assert numpy.allclose(predicted, trained, atol=1e-6)


def test_a_text_does_not_depend_on_its_batch():
    model = learned(cache_size=0)
    together = model.predict(DOCS)
    for doc, rows in zip(DOCS, together):
        assert numpy.allclose(model.predict([doc])[0], rows, atol=1e-6)


def test_remembered_vectors_equal_those_computed():
    with_cache, without = learned(), learned(cache_size=0)
    without.from_bytes(with_cache.to_bytes())
    for _ in range(2):
        for a, b in zip(with_cache.predict(DOCS[::-1]), without.predict(DOCS[::-1])):
            assert numpy.allclose(a, b, atol=1e-6)
    assert len(cache(with_cache)) == 8 and not len(cache(without))


def test_prediction_computes_a_form_once(monkeypatch):
    model = learned()
    counts, shim = [], shim_of(model)
    original = shim.predict
    monkeypatch.setattr(shim, "predict", lambda i: counts.append(len(i.args[1])) or original(i))
    model.predict(DOCS)
    model.predict(DOCS)
    model.predict([NLP.make_doc("a new cat")])
    assert counts == [8, 1]


def step(model):
    Ys, backprop = model.begin_update(DOCS)
    backprop([numpy.ones_like(Y) for Y in Ys])
    model.finish_update(Adam(0.1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_process_looks_remembered_forms_up():
    """It must not share that out among threads, which it does not have."""
    model, threads = learned(), torch.get_num_threads()
    docs = [Doc(NLP.vocab, words=["the", "cat"] * 20_000)]
    torch.set_num_threads(4)
    try:
        model.predict(docs)
        child = os.fork()
        if not child:
            # Ends a child that waits for threads.
            signal.alarm(30)
            model.predict(docs)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        torch.set_num_threads(threads)


def test_training_empties_the_memory():
    model = learned()
    before = model.predict(DOCS)[0]
    step(model)
    after = model.predict(DOCS)[0]
    assert not numpy.allclose(before, after)
    fresh = learned(cache_size=0).from_bytes(model.to_bytes())
    assert numpy.allclose(fresh.predict(DOCS)[0], after, atol=1e-6)


def test_loading_and_averages_empty_the_memory():
    model, other = learned(), learned()
    expected = other.predict(DOCS)[0]
    before = model.predict(DOCS)[0]
    model.from_bytes(other.to_bytes())
    assert numpy.allclose(model.predict(DOCS)[0], expected, atol=1e-6)
    shim = shim_of(model)
    zeros = {
        (shim.id, name): numpy.zeros(p.shape, dtype="f")
        for name, p in shim.module.named_parameters()
    }
    with model.use_params(zeros):
        assert not model.predict(DOCS)[0].any()
    assert numpy.allclose(model.predict(DOCS)[0], expected, atol=1e-6)
    assert not numpy.allclose(before, expected)


def test_gradient_adds_up_over_the_tokens_of_a_form():
    """Against the same net on each token's own copy of its form."""
    model = learned(char_dropout=0.0, dropout=0.0)
    module = shim_of(model).module
    Ys, backprop = model.begin_update(DOCS)
    weights = [numpy.arange(Y.size, dtype="f").reshape(Y.shape) for Y in Ys]
    assert backprop(weights) == []
    found = module.table.weight.grad.clone()
    module.zero_grad()
    words = [token.text for doc in DOCS for token in doc]
    chars, lengths = model.attrs["chars"].encode(words, 48)
    rows = module(torch.from_numpy(chars), torch.from_numpy(lengths))
    (rows * torch.from_numpy(numpy.concatenate(weights))).sum().backward()
    assert torch.allclose(found, module.table.weight.grad, atol=1e-3)


def test_any_words():
    model = learned()
    words = ["x" * 10_000, "😀👩‍👩‍👧", "é", "e\u0301", "שָׁלוֹם", "\u200b", "日本語"]
    (rows,) = model.predict([Doc(NLP.vocab, words=words)])
    assert numpy.isfinite(rows).all() and rows.any(axis=1).all()
    (alone,) = model.predict([Doc(NLP.vocab, words=["x" * 10_000])])
    assert numpy.allclose(alone[0], rows[0], atol=1e-6)


def test_no_documents_and_no_tokens():
    model = learned()
    assert model.predict([]) == []
    assert [Y.shape for Y in model.predict([Doc(NLP.vocab)])] == [(0, 6)]
    Ys, backprop = model.begin_update([Doc(NLP.vocab)])
    assert backprop(Ys) == []


def test_without_vocabulary():
    with pytest.raises(ValueError, match="(?s)R103.*CharRNNEmbed.*before_init"):
        make().initialize(X=DOCS)


def test_without_weights():
    with pytest.raises(KeyError, match="R101.*CharRNNEmbed"):
        make().predict(DOCS)


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"cell": "cnn"}, "R001.*cell.*cnn"),
        ({"char_width": 0}, "R002.*char_width is 0"),
        ({"num_layers": 0}, "R002.*num_layers is 0"),
        ({"min_count": 0}, "R002.*min_count is 0"),
        ({"max_chars": 0}, "R002.*max_chars is 0"),
        ({"cache_size": -1}, "R002.*cache_size is -1"),
        ({"max_grad_norm": -1}, "R002.*max_grad_norm is -1"),
        ({"char_dropout": 1.0}, "R002.*char_dropout is 1.0"),
        ({"dropout": -0.1}, "R002.*dropout is -0.1"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_odd_width():
    with pytest.raises(ValueError, match="R002.*width is 5.*even"):
        build_char_rnn_embed_v1(5)
    assert build_char_rnn_embed_v1(5, bidirectional=False).get_dim("nO") == 5
