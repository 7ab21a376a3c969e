"""Gradients of what goes into a classifier, and training its encoder for something else."""

import numpy
import pytest
import spacy
import torch
from spacy.ml.models.tok2vec import MaxoutWindowEncoder
from thinc.api import Adam, Linear, Softmax, chain, list2array, set_dropout_rate

from spacy_rnn.bridge.gradients import differentiate
from spacy_rnn.bridge.ragged import Rows
from spacy_rnn.layers.ngram_linear import build_ngram_linear_v1
from spacy_rnn.layers.pool import POOLINGS
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1
from spacy_rnn.layers.textcat_rnn import (
    build_textcat_rnn_v1,
    differentiate_net,
    embed,
    encoder_of,
)
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in

NLP = spacy.blank("en")
DOCS = [NLP.make_doc(text) for text in ("the cat saw the dog", "", "A dog ran", "cat")]
TRUTH = numpy.eye(2, dtype="f")[[0, 1, 1, 0]]
pytestmark = pytest.mark.filterwarnings("ignore:.*W002")


def make(encode=None, **settings):
    embedding = build_vocab_embed_v1(4, min_count=1, start="random", dropout=0.3)
    model = build_textcat_rnn_v1(embedding, encode, nO=2, **settings)
    learn_vocab(learners_in(model), DOCS)
    model.initialize(X=DOCS, Y=TRUTH)
    # The head starts at zero, from where nothing has a gradient.
    output = model.get_ref("output_layer")
    output.set_param("W", numpy.random.normal(size=output.get_param("W").shape).astype("f"))
    return model


def state_of(model):
    """Weights, gradients and modes of all layers."""
    found = []
    for node in model.walk():
        for name in node.param_names:
            grad = node.get_grad(name).copy() if node.has_grad(name) else None
            found.append((node.get_param(name).copy(), grad))
        for shim in node.shims:
            for parameter in shim.module.parameters():
                grad = parameter.grad
                grad = None if grad is None else grad.to_dense().numpy().copy()
                found.append((parameter.detach().numpy().copy(), grad))
            found.extend((part.training, None) for part in shim.module.modules())
    return found


def same(before, after):
    return len(before) == len(after) and all(
        numpy.array_equal(a[0], b[0])
        and (a[1] is b[1] is None or (a[1] is not None and numpy.array_equal(a[1], b[1])))
        for a, b in zip(before, after)
    )


def check_finite_differences(run, X, step=1e-2):
    """Of the sum of all outputs, each with a weight of its own."""
    Y, backprop = run(X)
    weight = numpy.random.standard_normal(Y.shape).astype("f")
    dX = backprop(weight.copy())
    assert dX.data.shape == X.data.shape and dX.lengths.tolist() == X.lengths.tolist()
    for index in numpy.ndindex(X.data.shape):
        losses = []
        for sign in (1, -1):
            moved = X.data.copy()
            moved[index] += sign * step
            losses.append((run(Rows(moved, X.lengths))[0].astype("f8") * weight).sum())
        found = (losses[0] - losses[1]) / (2 * step)
        assert found == pytest.approx(dX.data[index], abs=5e-3, rel=2e-2)
    return dX


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_finite_differences(cell, pooling, bidirectional):
    encode = build_rnn_encoder_v1(6, cell, bidirectional=bidirectional, dropout=0.4)
    model = make(encode, pooling=pooling)
    dX = check_finite_differences(lambda X: differentiate_net(model, X), embed(model, DOCS))
    assert abs(dX.data).max() > 1e-3


@pytest.mark.parametrize(
    "settings",
    [
        {"encode": build_rnn_encoder_v1(6, num_layers=2), "pooling": list(POOLINGS)},
        {"encode": None, "pooling": ["mean", "attention"]},
        {"encode": build_rnn_encoder_v1(6), "max_tokens": 3},
        {"encode": build_rnn_encoder_v1(6), "linear_model": build_ngram_linear_v1(length=64, nO=2)},
    ],
    ids=["all poolings", "no encoder", "cut", "linear model"],
)
def test_the_net_and_its_gradient(settings):
    model = make(**settings)
    X = embed(model, DOCS)
    Y, _ = differentiate_net(model, X)
    assert numpy.allclose(Y, model.get_ref("net").predict(DOCS), atol=1e-5)
    dX = check_finite_differences(lambda X: differentiate_net(model, X), X)
    if "max_tokens" in settings:
        cut = model.get_ref("truncate").attrs["max_tokens"]
        assert [row.any() for row in dX.data[:5]].count(True) == cut


def test_an_encoder_of_spacys():
    """Its windows do not reach into the next text, and it has dropout in training only."""
    model = make(MaxoutWindowEncoder(4, 1, 2, 1), pooling="mean")
    set_dropout_rate(model, 0.9)
    X = embed(model, DOCS)
    Y, _ = differentiate_net(model, X)
    assert numpy.allclose(Y, model.get_ref("net").predict(DOCS), atol=1e-5)
    set_dropout_rate(model, 0.0)
    dX = differentiate_net(model, X)[1](numpy.array([[1, 0]] + [[0, 0]] * 3, dtype="f"))
    assert dX.data[:5].any() and not dX.data[5:].any()


@pytest.mark.parametrize("trained", [False, True])
def test_nothing_is_touched(trained):
    """Neither modes nor gradients, of thinc's layers and of torch's, whether there are any."""
    model = make(build_rnn_encoder_v1(6), pooling=list(POOLINGS))
    if trained:
        probs, backprop = model.begin_update(DOCS)
        backprop(probs - TRUTH)
    before = state_of(model)
    assert any(grad is not None for _, grad in before) == trained
    with torch.no_grad():
        Y, backprop = differentiate_net(model, embed(model, DOCS))
        assert backprop(numpy.ones_like(Y)).data.any()
    assert same(before, state_of(model))


def test_a_layer_of_thincs_and_one_with_a_module():
    X = Rows(numpy.random.standard_normal((3, 4)).astype("f"), numpy.array([2, 1]))
    encode = build_rnn_encoder_v1(6, dropout=0.5, num_layers=2).initialize(X=X)
    Y, backprop = differentiate(encode, X)
    assert numpy.allclose(Y.data, encode.predict(X).data, atol=1e-5)
    assert backprop(Y).data.shape == (3, 4)
    linear = Linear(2, 4).initialize()
    dY = numpy.ones((3, 2), dtype="f")
    Y, backprop = differentiate(linear, X.data)
    assert numpy.allclose(backprop(dY), dY @ linear.get_param("W"), atol=1e-6)
    assert not linear.has_grad("W")


def test_no_tokens():
    model = make(build_rnn_encoder_v1(6))
    Y, backprop = differentiate_net(model, embed(model, [DOCS[1]] * 2))
    assert Y.shape == (2, 2) and backprop(Y).data.shape[0] == 0


@pytest.mark.parametrize("pooling", ["max", "last"])
def test_the_encoder_learns_something_else(pooling):
    """To tell words of three letters from others, which moves the classifier's own weights."""
    model = make(build_rnn_encoder_v1(6, dropout=0.0), pooling=pooling)
    encoder = encoder_of(model)
    assert encoder.layers == [model.get_ref("tok2vec"), model.get_ref("encode")]
    other = chain(encoder, list2array(), Softmax(2))
    truth = numpy.eye(2, dtype="f")[[int(len(t) == 3) for doc in DOCS for t in doc]]
    other.initialize(X=DOCS, Y=truth)
    parts = [model.get_ref(part) for part in ("tok2vec", "encode")]
    before, scores = [state_of(part) for part in parts], model.predict(DOCS)
    optimizer, losses = Adam(0.05), []
    for _ in range(30):
        Y, backprop = other.begin_update(DOCS)
        backprop(Y - truth)
        other.finish_update(optimizer)
        losses.append(-(truth * numpy.log(Y)).sum())
    assert losses[-1] < 0.5 * losses[0]
    assert abs(model.predict(DOCS) - scores)[[0, 2, 3]].max() > 1e-3
    for part, old in zip(parts, before):
        pairs = zip(old, state_of(part))
        assert any(not numpy.array_equal(a[0], b[0]) for a, b in pairs)
    assert not model.get_ref("output_layer").has_grad("W")
