"""Every registered architecture, through one table."""

import numpy
import pytest
import spacy
from spacy.util import registry
from thinc.api import Adam, Config, Linear, set_dropout_rate

from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.layers.textcat_rnn import build_textcat_rnn_v1
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in
from tests.conftest import TEXTS, small_model

LINEAR = {"@architectures": "spacy-rnn.NgramLinear.v1", "length": 128}
BAG_OF_WORDS = {
    "@architectures": "spacy.TextCatBOW.v3",
    "exclusive_classes": True,
    "ngram_size": 1,
    "length": 64,
    "no_output_layer": True,
}
MODELS = {
    "default": {},
    "all poolings": {"pooling": ["last", "mean", "max", "attention"]},
    "one direction": {"encode__bidirectional": False, "pooling": "last"},
    "gru": {"encode__cell": "gru", "encode__num_layers": 2},
    "rnn relu": {"encode__cell": "rnn", "encode__nonlinearity": "relu", "encode__bias": False},
    "sigmoid": {"exclusive_classes": False},
    "linear": {"linear_model": LINEAR},
    "linear, sigmoid": {"linear_model": LINEAR, "exclusive_classes": False},
    "spaCy's linear": {"linear_model": BAG_OF_WORDS},
    "cut": {"max_tokens": 3},
    "no encoder": {"encode": None, "tok2vec__start": "random"},
    "spacy tok2vec": {
        "tok2vec": {
            "@architectures": "spacy.HashEmbedCNN.v2",
            "pretrained_vectors": None,
            "width": 8,
            "depth": 1,
            "embed_size": 50,
            "window_size": 1,
            "maxout_pieces": 2,
            "subword_features": True,
        }
    },
}
pytestmark = pytest.mark.filterwarnings("ignore:.*W002")


def resolve(changes):
    return registry.resolve({"model": small_model(**changes)})["model"]


def docs_of(*texts):
    nlp = spacy.blank("en")
    return [nlp.make_doc(text) for text in texts]


def initialized(changes, labels=3):
    model = resolve(changes)
    docs = docs_of(*TEXTS)
    learn_vocab(learners_in(model), docs)
    Y = numpy.eye(labels, dtype="f")[[i % labels for i in range(len(docs))]]
    model.initialize(X=docs, Y=Y)
    # The head starts at zero, which would make all scores alike.
    output = model.get_ref("output_layer")
    output.set_param("W", numpy.random.normal(size=output.get_param("W").shape).astype("f"))
    return model


@pytest.mark.parametrize("name", MODELS)
def test_config_is_json_when_filled(name):
    config = Config({"model": small_model(**MODELS[name])})
    filled = registry.fill(config)
    assert Config().from_str(filled.to_str()) == filled
    registry.resolve(filled)


@pytest.mark.parametrize("name", MODELS)
def test_alone_equals_in_a_batch(name):
    model = initialized(MODELS[name])
    docs = docs_of(*TEXTS, "", "film " * 300, "unknown words only here")
    together = model.predict(docs)
    assert together.std(axis=0).max() > 1e-3
    for doc, expected in zip(docs, together):
        if len(doc):
            assert numpy.allclose(model.predict([doc])[0], expected, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_bytes_round_trip(name):
    model, other = initialized(MODELS[name]), resolve(MODELS[name])
    other.from_bytes(model.to_bytes())
    docs = docs_of(*TEXTS)
    assert numpy.allclose(other.predict(docs), model.predict(docs), atol=1e-6)
    assert other.to_bytes() == model.to_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_uninitialized_bytes_round_trip(name):
    model = resolve(MODELS[name])
    other = resolve(MODELS[name]).from_bytes(model.to_bytes())
    assert other.to_bytes() == model.to_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_one_step_goes_downhill(name):
    """The gradient of every parameter, along its own direction, against the loss."""
    model = initialized(MODELS[name])
    docs = docs_of(*TEXTS)
    truth = numpy.eye(3, dtype="f")[[0, 1, 2, 0, 1, 2]]
    set_dropout_rate(model, 0.0)

    def loss():
        probs = model.predict(docs).astype("f8")
        entropy = truth * numpy.log(probs)
        if "sigmoid" in name:
            entropy += (1 - truth) * numpy.log(1 - probs)
        return -entropy.sum()

    for node in model.walk():
        for shim in node.shims:
            shim.module.word_dropout = 0.0
            _check_torch_gradients(model, docs, truth, shim.module, loss)


def _check_torch_gradients(model, docs, truth, module, loss):
    import torch

    module.zero_grad()
    probs, backprop = model.begin_update(docs)
    backprop(probs - truth)
    for parameter in module.parameters():
        grad = parameter.grad.clone()
        if not grad.norm():
            continue
        direction, step = grad / grad.norm(), 5e-4
        with torch.no_grad():
            parameter += step * direction
            above = loss()
            parameter -= 2 * step * direction
            below = loss()
            parameter += step * direction
        assert (above - below) / (2 * step) == pytest.approx(grad.norm().item(), rel=0.05, abs=5e-3)


def test_over_spacys_layers_a_sample_is_not_needed():
    model = resolve({"tok2vec": MODELS["spacy tok2vec"]["tok2vec"], "encode": None, "nO": 2})
    model.initialize()
    assert numpy.allclose(model.predict(docs_of("a warm film", "dull")), 0.5)


def test_dropout_reaches_torch_and_is_off_in_predict():
    model = initialized({"encode__num_layers": 2})
    docs = docs_of(*TEXTS)
    set_dropout_rate(model, 0.0)
    still = model.predict(docs)
    # Training and prediction use different kernels, which round differently.
    assert numpy.allclose(model.begin_update(docs)[0], still, atol=1e-6)
    set_dropout_rate(model, 0.5)
    assert numpy.allclose(model.predict(docs), still, atol=1e-6)
    assert abs(model.begin_update(docs)[0] - still).max() > 1e-3
    rates = [shim.module.dropout for node in model.walk() for shim in node.shims]
    assert rates == [0.5, 0.5]


def test_the_linear_model_adds_its_logits():
    model = initialized({"linear_model": LINEAR})
    docs = docs_of(*TEXTS)
    before = model.predict(docs)
    linear = model.get_ref("linear_model")
    weights = linear.get_ref("labels").layers[0]
    weights.set_param("W", numpy.random.normal(size=weights.get_param("W").shape).astype("f"))
    expected = numpy.log(before) + linear.predict(docs)
    expected = numpy.exp(expected) / numpy.exp(expected).sum(axis=1, keepdims=True)
    assert numpy.allclose(model.predict(docs), expected, atol=1e-5)


def test_a_dropout_of_its_own_is_kept():
    model = initialized({"tok2vec__dropout": 0.2, "encode__dropout": 0.0})
    set_dropout_rate(model, 0.9)
    model.begin_update(docs_of(*TEXTS))
    rates = [shim.module.dropout for node in model.walk() for shim in node.shims]
    assert rates == [0.2, 0.0]


def test_resizing_keeps_old_scores_and_can_learn_the_new_label():
    for changes in ({}, {"exclusive_classes": False}, {"linear_model": LINEAR}):
        model = initialized(changes, labels=2)
        docs = docs_of(*TEXTS)
        before = model.predict(docs)
        model.attrs["resize_output"](model, 3)
        after = model.predict(docs)
        assert numpy.allclose(after[:, :2], before, atol=1e-7)
        assert (after[:, 2] < 0.01).all()
        assert model.get_dim("nO") == 3
        optimizer = Adam(0.05)
        truth = numpy.tile(numpy.array([[0, 0, 1]], dtype="f"), (len(docs), 1))
        for _ in range(60):
            probs, backprop = model.begin_update(docs)
            backprop(probs - truth)
            model.finish_update(optimizer)
        assert (model.predict(docs)[:, 2] > 0.5).all()


def test_a_copy_resizes_on_its_own():
    import copy

    model = initialized({}, labels=2)
    copied = copy.deepcopy(model)
    copied.attrs["resize_output"](copied, 4)
    docs = docs_of(*TEXTS)
    assert copied.predict(docs).shape == (6, 4) and model.predict(docs).shape == (6, 2)


def test_frozen_part_gets_no_update():
    model = initialized({})
    shim = shim_of(learners_in(model)[0])
    before = shim.module.table.weight.detach().clone()
    model.finish_update(Adam(0.1, L2=0.1, L2_is_weight_decay=True))
    assert (shim.module.table.weight == before).all()


@pytest.mark.parametrize(
    "changes,message",
    [
        ({"pooling": "sum"}, "R201.*sum"),
        ({"pooling": []}, "R201"),
        ({"max_tokens": -1}, "max_tokens is -1"),
        ({"encode__cell": "qrnn"}, "cell.*qrnn"),
        ({"encode__width": 7}, "width is 7.*even"),
        ({"encode__num_layers": 0}, "num_layers is 0"),
        ({"encode__dropout": 1.5}, "dropout is 1.5"),
        ({"encode__nonlinearity": "gelu"}, "nonlinearity.*gelu"),
        ({"encode__precision": "int8"}, "precision.*int8"),
        ({"encode__max_grad_norm": -1}, "max_grad_norm is -1"),
    ],
)
def test_bad_config_fails_where_it_is_read(changes, message):
    with pytest.raises(ValueError, match=message):
        resolve(changes)


def test_a_linear_model_must_return_logits():
    with pytest.raises(ValueError, match="R202.*NBSVM"):
        initialized({"linear_model": {**BAG_OF_WORDS, "no_output_layer": False}})


def test_a_linear_model_must_be_able_to_grow():
    with pytest.raises(ValueError, match="R202.*linear.*NBSVM"):
        build_textcat_rnn_v1(resolve({}).get_ref("tok2vec"), linear_model=Linear())
