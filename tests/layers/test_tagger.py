"""The scores of tokens, of models with a `tok2vec` and without."""

import numpy
import pytest
import spacy
from spacy.ml.models.tagger import build_tagger_model
from spacy.ml.models.tok2vec import MaxoutWindowEncoder, MultiHashEmbed, build_Tok2Vec_model
from spacy.tokens import Doc
from thinc.api import Model, chain, noop

from spacy_rnn.bridge.ragged import Rows
from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.bridge.tokens import Tokens
from spacy_rnn.layers.char_rnn_embed import build_char_rnn_embed_v1
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1
from spacy_rnn.layers.tagger import score_tokens
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.layers.word_char_embed import build_word_char_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in

NLP = spacy.blank("en")
WORDS = [["the", "\n", "Cat", " "], ["\t"], [], ["a", "dog", "ran"]]
DOCS = [Doc(NLP.vocab, words=words) for words in WORDS]
VISIBLE = [Doc(NLP.vocab, words=[w for w in words if not w.isspace()]) for words in WORDS]
LABELS = 3


def ours():
    embed = build_word_char_embed_v1(
        build_vocab_embed_v1(4, min_count=1, dropout=0.0),
        build_char_rnn_embed_v1(6, char_dropout=0.0, dropout=0.0),
    )
    return build_Tok2Vec_model(embed, build_rnn_encoder_v1(8))


def spacys():
    embed = MultiHashEmbed(8, ["NORM"], [50], False)
    return build_Tok2Vec_model(embed, MaxoutWindowEncoder(8, 1, 2, 1))


def make(tok2vec):
    learn_vocab(learners_in(tok2vec), VISIBLE)
    model = build_tagger_model(tok2vec, nO=LABELS)
    Y = [numpy.ones((len(doc), LABELS), dtype="f") / LABELS for doc in VISIBLE]
    model.initialize(X=VISIBLE, Y=Y)
    softmax = model.get_ref("softmax")
    softmax.set_param("W", numpy.random.normal(size=(LABELS, 8)).astype("f"))
    return model


def gradients(model):
    """Of all parameters, by layer and name."""
    found = {}
    for i, node in enumerate(model.walk()):
        for name in node.param_names:
            if node.has_grad(name):
                found[i, name] = node.get_grad(name)
        for shim in node.shims:
            for name, parameter in shim.module.named_parameters():
                if parameter.grad is not None:
                    found[i, name] = parameter.grad.to_dense().numpy()
    return found


@pytest.mark.parametrize("tok2vec", [ours, spacys])
def test_blanks_never_reach_the_model(tok2vec):
    model = make(tok2vec())
    expected = numpy.concatenate(model.predict(VISIBLE))
    tokens = Tokens.of(DOCS).visible()
    Y, _ = score_tokens(model, tokens, False)
    assert Y.lengths.tolist() == [2, 0, 0, 3] and numpy.allclose(Y.data, expected, atol=1e-5)


@pytest.mark.parametrize("tok2vec", [ours, spacys])
def test_gradients_are_those_of_texts_without_blanks(tok2vec):
    model = make(tok2vec())
    weight = numpy.random.rand(5, LABELS).astype("f")
    other = model.copy()
    Ys, backprop = other.begin_update(VISIBLE)
    backprop([weight[:2], weight[2:2], weight[2:2], weight[2:]])
    _, backprop = score_tokens(model, Tokens.of(DOCS).visible(), True)
    backprop(Rows(weight, numpy.array([2, 0, 0, 3])))
    expected, found = gradients(other), gradients(model)
    assert expected.keys() == found.keys() and len(found) > 3
    for key, grad in found.items():
        assert numpy.allclose(grad, expected[key], atol=1e-4), key


def test_a_model_without_tok2vec_reads_whole_documents():
    seen, gradients = [], []

    def forward(model, docs, is_train):
        seen.extend([token.text for token in doc] for doc in docs)
        Ys = [numpy.array([[len(t)] for t in doc], dtype="f").reshape(len(doc), 1) for doc in docs]
        return Ys, lambda dYs: gradients.extend(dY[:, 0].tolist() for dY in dYs) or []

    Y, backprop = score_tokens(Model("recording", forward), Tokens.of(DOCS).visible(), True)
    assert seen == WORDS
    assert Y.data[:, 0].tolist() == [3.0, 3.0, 1.0, 3.0, 3.0]
    backprop(Rows(Y.data + 1, Y.lengths))
    assert gradients == [[4.0, 0.0, 4.0, 0.0], [0.0], [], [2.0, 4.0, 4.0]]


def test_a_tok2vec_that_is_not_the_first_layer_is_not_taken_apart():
    first = make(ours())
    model = chain(noop(), first)
    model.set_ref("tok2vec", first.get_ref("tok2vec"))
    tokens = Tokens.of(VISIBLE)
    found, expected = (score_tokens(m, tokens, False)[0].data for m in (model, first))
    assert numpy.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("is_train", [False, True])
def test_texts_of_blanks_only(is_train):
    model = make(ours())
    tokens = Tokens.of(DOCS[1:3]).visible()
    Y, backprop = score_tokens(model, tokens, is_train)
    assert not Y.data.size and Y.lengths.tolist() == [0, 0]
    if is_train:
        backprop(Rows(numpy.zeros((0, LABELS), dtype="f"), Y.lengths))
        shim = shim_of(model.get_ref("tok2vec").get_ref("encode"))
        assert not any(p.grad is not None and p.grad.any() for p in shim.module.parameters())
