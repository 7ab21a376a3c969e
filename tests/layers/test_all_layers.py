"""What holds for every layer, through one table."""

import copy
import pickle

import numpy
import pytest
import spacy
from spacy.ml.models.tok2vec import build_Tok2Vec_model
from spacy.tokens import Doc
from spacy.util import registry
from spacy.vectors import Vectors
from thinc.api import data_validation

from spacy_rnn.bridge.ragged import Rows, join, split
from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.bridge.tokens import Tokens
from spacy_rnn.layers.char_rnn_embed import build_char_rnn_embed_v1
from spacy_rnn.layers.cluster_embed import build_cluster_embed_v1
from spacy_rnn.layers.concat_embed import build_concat_embed_v1
from spacy_rnn.layers.nb_svm import HeldOut, build_nb_svm_v1
from spacy_rnn.layers.ngram_linear import build_ngram_linear_v1
from spacy_rnn.layers.pool import POOLINGS, pool
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1
from spacy_rnn.layers.static_vectors import build_static_vectors_v1
from spacy_rnn.layers.textcat_rnn import build_textcat_rnn_v1
from spacy_rnn.layers.truncate import truncate
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.layers.word_char_embed import build_word_char_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in
from spacy_rnn.vocabulary.nb_svm import Target

NLP = spacy.blank("en")
NLP.vocab.vectors = Vectors(
    strings=NLP.vocab.strings, data=numpy.arange(8, dtype="f").reshape(2, 4), keys=["cat", "dog"]
)
CLUSTERS = {NLP.vocab.strings.add(word): path for word, path in (("cat", 5), ("dog", 13), ("a", 2))}
NLP.vocab.lookups.add_table("lexeme_cluster", CLUSTERS)
DOCS = [NLP.make_doc(text) for text in ("The cat saw the dog", "", "\n", "a Cat", "an é 😀")]
EMPTY = [NLP.make_doc("")] * 2
pytestmark = pytest.mark.filterwarnings("ignore:.*W002")


def words():
    return build_vocab_embed_v1(4, min_count=1, dropout=0.0)


def chars():
    return build_char_rnn_embed_v1(6, dropout=0.0, char_dropout=0.0)


def net(**changes):
    return build_rnn_encoder_v1(6, dropout=0.0, **changes)


def textcat(**changes):
    return build_textcat_rnn_v1(words(), net(), **changes)


EMBEDDINGS = {
    "VocabEmbed": words,
    "CharRNNEmbed": chars,
    "CharRNNEmbed without cache": lambda: build_char_rnn_embed_v1(6, cache_size=0, char_dropout=0),
    "StaticVectors": lambda: build_static_vectors_v1(5, dropout=0.0),
    "ClusterEmbed": lambda: build_cluster_embed_v1(3, [2, 0], dropout=0.0),
    "ConcatEmbed": lambda: build_concat_embed_v1(
        words(), build_static_vectors_v1(5, dropout=0.0), build_cluster_embed_v1(2, dropout=0.0)
    ),
    "ConcatEmbed, projected": lambda: build_concat_embed_v1(words(), chars(), width=3),
    "WordCharEmbed": lambda: build_word_char_embed_v1(words(), chars()),
    "WordCharEmbed with vectors": lambda: build_word_char_embed_v1(words(), chars(), True),
}
ENCODERS = {
    **{f"RNNEncoder, {cell}": lambda cell=cell: net(cell=cell) for cell in ("rnn", "lstm", "gru")},
    "RNNEncoder, one way": lambda: net(bidirectional=False, num_layers=2),
}
CLASSIFIERS = {
    "NgramLinear": lambda: build_ngram_linear_v1(length=64, dropout=0.0),
    "NBSVM": lambda: build_nb_svm_v1(dropout=0.0),
    "NBSVM, tail": lambda: build_nb_svm_v1(dropout=0.0, tail=2),
    "TextCatRNN": textcat,
    "TextCatRNN, everything": lambda: textcat(
        pooling=list(POOLINGS),
        max_tokens=4,
        linear_model=build_nb_svm_v1(dropout=0.0),
        exclusive_classes=False,
    ),
    "TextCatRNN over Tok2Vec": lambda: build_textcat_rnn_v1(build_Tok2Vec_model(words(), net())),
}
# What is no slot of a config: these read flat rows only.
PARTS = {
    "pool": lambda: pool(list(POOLINGS), 4, bidirectional=True),
    "truncate": lambda: truncate(3),
}
LAYERS = {**EMBEDDINGS, **ENCODERS, **CLASSIFIERS, **PARTS}


def test_the_table_has_every_layer():
    # An objective is no layer: its model is made over one.
    ours = {
        name.split(".")[1]
        for name in registry.architectures.get_entry_points()
        if name.startswith("spacy-rnn.") and not name.startswith("spacy-rnn.Pretrain")
    }
    assert ours == {name.split(",")[0].split(" ")[0] for name in [*LAYERS]} - {*PARTS}


def reads_rows(name):
    return name in {**ENCODERS, **PARTS}


def texts_for(name, docs=DOCS):
    """What a layer reads in list form, one part a text."""
    if not reads_rows(name):
        return docs
    rng = numpy.random.default_rng(0)
    return [rng.standard_normal((len(doc), 4)).astype("f") for doc in docs]


def flat(layer, texts):
    return Tokens.of(texts) if isinstance(texts[0], Doc) else join(layer, texts)


def parts_of(layer, Y):
    """What a layer gives, in whatever form, as one array a text."""
    if isinstance(Y, list):
        return Y
    return split(Y, Y.data.shape[1], layer) if hasattr(Y, "data_shape") else list(Y)


def predict(name, layer, texts):
    X = flat(layer, texts) if name in PARTS else texts
    return parts_of(layer, layer.predict(X))


def make(name, validate=False):
    with data_validation(validate):
        layer = LAYERS[name]()
        corpus = learn_vocab(learners_in(layer), DOCS)
        texts = texts_for(name)
        Y = numpy.eye(2, dtype="f")[[0, 1, 0, 1, 0]] if name in CLASSIFIERS else None
        layer.initialize(X=flat(layer, texts) if name in PARTS else texts, Y=Y)
    for node in layer.walk():
        if "fit_labels" in node.attrs:
            node.attrs["fit_labels"](node, corpus, Target(Y, numpy.ones_like(Y), True))
            # In training, texts that it was fitted to have other logits.
            node.attrs["held_out"] = HeldOut()
        # Heads start at zero, which would make all scores alike.
        if node.name in ("linear", "sparse_linear"):
            shape = node.get_param("W").shape
            node.set_param("W", numpy.random.normal(size=shape).astype("f"))
    return layer


def assert_close(found, expected):
    assert [part.shape for part in found] == [part.shape for part in expected]
    for part, other in zip(found, expected):
        assert numpy.allclose(part, other, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_alone_equals_in_a_batch(name):
    layer, texts = make(name), texts_for(name)
    together = predict(name, layer, texts)
    assert len(together) == len(texts)
    assert name == "truncate" or numpy.concatenate([p.reshape(-1) for p in together]).std() > 1e-3
    for text, expected in zip(texts, together):
        assert_close(predict(name, layer, [text]), [expected])
        assert_close(predict(name, layer, [texts[1], text])[1:], [expected])


@pytest.mark.parametrize("name", LAYERS)
def test_training_equals_prediction_without_dropout(name):
    layer, texts = make(name), texts_for(name)
    X = flat(layer, texts) if name in PARTS else texts
    assert_close(parts_of(layer, layer.begin_update(X)[0]), predict(name, layer, texts))


@pytest.mark.parametrize("name", {**EMBEDDINGS, **ENCODERS, **CLASSIFIERS})
@pytest.mark.parametrize("is_train", [False, True])
def test_list_form_equals_flat_form(name, is_train):
    layer, texts = make(name), texts_for(name)
    found, _ = layer(flat(layer, texts), is_train)
    expected, _ = layer(texts, is_train)
    assert isinstance(expected, list) == (name not in CLASSIFIERS)
    assert_close(parts_of(layer, found), parts_of(layer, expected))


def through_bytes(name, layer):
    other = LAYERS[name]()
    other.from_bytes(layer.to_bytes())
    assert other.to_bytes() == layer.to_bytes()
    return other


COPIES = {
    "bytes": through_bytes,
    "deepcopy": lambda name, layer: copy.deepcopy(layer),
    "pickle": lambda name, layer: pickle.loads(pickle.dumps(layer)),  # noqa: S301
}


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("name", LAYERS)
def test_copies(name, kind):
    layer, texts = make(name), texts_for(name)
    expected = predict(name, layer, texts)
    copied = COPIES[kind](name, layer)
    assert_close(predict(name, copied, texts), expected)
    # It has weights of its own.
    for node in copied.walk():
        for shim in node.shims:
            for parameter in shim.module.parameters():
                parameter.data.zero_()
            shim.version += 1
    assert_close(predict(name, layer, texts), expected)


@pytest.mark.parametrize("name", LAYERS)
def test_under_validation_of_data(name):
    layer, texts = make(name, validate=True), texts_for(name)
    with data_validation(True):
        found = predict(name, layer, texts)
        X = flat(layer, texts) if name in PARTS else texts
        Y, backprop = layer.begin_update(X)
        dX = backprop(Y)
    # Documents have no gradient.
    assert reads_rows(name) or dX == []
    assert_close(found, predict(name, layer, texts))


@pytest.mark.parametrize("name", LAYERS)
def test_a_batch_without_tokens(name):
    layer, texts = make(name), texts_for(name, EMPTY)
    expected = predict(name, layer, texts_for(name))[1]
    for is_train in (False, True):
        for X in [flat(layer, texts)] + [texts] * (name not in PARTS):
            Y, backprop = layer(X, is_train)
            assert_close(parts_of(layer, Y), [expected] * 2)
            dX = backprop(Y) if is_train else None
            if is_train and reads_rows(name):
                assert [part.shape for part in parts_of(layer, dX)] == [(0, 4)] * 2
    for node in layer.walk():
        for shim in node.shims:
            assert all(p.grad is None or not p.grad.any() for p in shim.module.parameters())


@pytest.mark.parametrize("name", {**EMBEDDINGS, **ENCODERS})
def test_no_documents(name):
    layer = make(name)
    for is_train in (False, True):
        Y, backprop = layer([], is_train)
        assert Y == [] and backprop([]) == []


@pytest.mark.parametrize("in_tok2vec", [False, True])
def test_the_last_state_of_two_directions(in_tok2vec):
    """With no encoder over a net that reads both ways, "last" is the states that have read the
    whole text: of the last token forwards, of the first one backwards."""
    tok2vec = build_Tok2Vec_model(words(), net()) if in_tok2vec else words()
    model = build_textcat_rnn_v1(tok2vec, None if in_tok2vec else net(), pooling="last", nO=2)
    learn_vocab(learners_in(model), DOCS)
    model.initialize(X=DOCS, Y=numpy.eye(2, dtype="f")[[0, 1, 0, 1, 0]])
    output = model.get_ref("output_layer")
    weights = numpy.random.normal(size=(2, 6)).astype("f")
    output.set_param("W", weights)
    encode = (model.get_ref("tok2vec") if in_tok2vec else model).get_ref("encode")
    embedded = learners_in(model)[0].predict(DOCS)
    module = shim_of(encode).module
    assert module.bidirectional
    found = model.get_ref("net").predict(DOCS)
    rows = encode.predict(embedded)
    for row, scores in zip(rows, found):
        ends = numpy.concatenate((row[-1, :3], row[0, 3:])) if len(row) else numpy.zeros(6, "f")
        assert numpy.allclose(scores, weights @ ends, atol=1e-5)
    X = Rows(embedded[0], numpy.array([5]))
    last = split(encode.predict(X), 6, encode)[0]
    assert not numpy.allclose(last[-1], numpy.concatenate((last[-1, :3], last[0, 3:])), atol=1e-3)
