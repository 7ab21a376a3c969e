"""What each token adds to the net's logits, against small changes of its embeddings."""

import numpy
import pytest
import spacy
from spacy.ml.models.tok2vec import MaxoutWindowEncoder, build_Tok2Vec_model
from thinc.api import Linear

from spacy_rnn.bridge.integrated_gradients import gauss_legendre
from spacy_rnn.bridge.ragged import Rows, split_rows
from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.bridge.tokens import Tokens
from spacy_rnn.layers.explaining import AT_THE_INPUT, ExplainedTexts
from spacy_rnn.layers.nb_svm import build_nb_svm_v1
from spacy_rnn.layers.ngram_linear import build_ngram_linear_v1
from spacy_rnn.layers.pool import POOLINGS
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1
from spacy_rnn.layers.textcat_rnn import build_textcat_rnn_v2
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in

NLP = spacy.blank("en")
TEXTS = ("the cat saw the unheard dog", "", "A dog ran", "cat")
DOCS = [NLP.make_doc(text) for text in TEXTS]
KNOWN = [NLP.make_doc(text.replace("unheard", "")) for text in TEXTS]
DIRECTION = numpy.tile([1.0, -0.5, -0.5], (4, 1))
pytestmark = pytest.mark.filterwarnings("ignore:.*W002")


def words():
    return build_vocab_embed_v1(4, min_count=1, start="random", dropout=0.3)


def net(cell="lstm", **settings):
    return build_rnn_encoder_v1(6, cell, dropout=0.4, **settings)


def make(tok2vec=None, encode=None, **settings):
    settings = {"linear_model": build_ngram_linear_v1(2, 64, nO=3), **settings}
    model = build_textcat_rnn_v2(tok2vec or words(), encode, nO=3, **settings)
    learn_vocab(learners_in(model), KNOWN)
    model.initialize(X=DOCS, Y=numpy.eye(3, dtype="f")[[0, 1, 2, 0]])
    rng = numpy.random.default_rng(0)
    for node in model.walk():
        for name in node.param_names:
            shape = node.get_param(name).shape
            node.set_param(name, rng.standard_normal(shape).astype("f"))
    return model


def explained(model, docs=DOCS, **settings):
    return ExplainedTexts("test", model, Tokens(docs), **settings)


def sums(explanation):
    """Of all parts, of each text."""
    total = numpy.asarray(sum(explanation.parts.values()))
    return numpy.array([part.sum() for part in split_rows(total, Tokens(DOCS).lengths)])


def margin_of_net(texts, data):
    """In the direction, of all texts together."""
    logits, _ = texts._run(Rows(data.astype("f"), texts.tokens.lengths))
    return (logits.astype("f8") * DIRECTION).sum()


def slope_along_way(texts, place, step=1e-2):
    """Of each token's own way from zeros to its embedding: how fast the margin grows where all
    embeddings are at a place on theirs."""
    data = texts.rows.data.astype("f8")
    found = []
    for i in range(len(data)):
        ends = []
        for sign in (1, -1):
            moved = place * data
            moved[i] += sign * step * data[i]
            ends.append(margin_of_net(texts, moved))
        found.append((ends[0] - ends[1]) / (2 * step))
    return numpy.array(found)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_one_gradient_is_that_of_small_changes(pooling, bidirectional):
    texts = explained(make(encode=net(bidirectional=bidirectional), pooling=pooling))
    found = texts.add_up(DIRECTION, AT_THE_INPUT).parts["net"]
    assert numpy.allclose(found, slope_along_way(texts, 1.0), atol=5e-3, rtol=2e-2)
    assert abs(found).max() > 0.05


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_integral_is_that_of_small_changes(cell):
    """By another rule: the mean of many slopes along the way."""
    texts = explained(make(encode=net(cell), pooling="mean"))
    places = (numpy.arange(40) + 0.5) / 40
    expected = numpy.mean([slope_along_way(texts, place) for place in places], axis=0)
    found = texts.add_up(DIRECTION, gauss_legendre(16)).parts["net"]
    assert numpy.allclose(found, expected, atol=5e-3, rtol=2e-2)
    once = texts.add_up(DIRECTION, AT_THE_INPUT).parts["net"]
    assert not numpy.allclose(once, expected, atol=5e-3, rtol=2e-2)


MODELS = {
    "all poolings": lambda: make(encode=net(num_layers=2), pooling=list(POOLINGS)),
    "no encoder": lambda: make(pooling=["mean", "attention"]),
    "cut": lambda: make(encode=net(), max_tokens=3),
    "both linear models": lambda: make(encode=net(), fitted_model=build_nb_svm_v1(2, nO=3)),
    "the net alone": lambda: make(encode=net(), linear_model=None, pooling="last"),
    "labels that do not exclude each other": lambda: make(encode=net(), exclusive_classes=False),
    "an encoder of spaCy's": lambda: make(encode=MaxoutWindowEncoder(4, 1, 2, 1), pooling="mean"),
    "a Tok2Vec": lambda: make(build_Tok2Vec_model(words(), net()), net("gru")),
    "a Tok2Vec without encoder": lambda: make(build_Tok2Vec_model(words(), net())),
    "a Tok2Vec in another": lambda: make(
        build_Tok2Vec_model(build_Tok2Vec_model(words(), net()), net("gru")), net("rnn")
    ),
    "a Tok2Vec, cut": lambda: make(build_Tok2Vec_model(words(), net()), max_tokens=3),
}


@pytest.mark.parametrize("name", MODELS)
def test_complete(name):
    """The margin is that of the model's logits, and what tokens and baseline add up to."""
    model = MODELS[name]()
    texts = explained(model)
    logits = model.layers[0].predict(DOCS)
    assert numpy.allclose(texts.logits, logits, atol=1e-5)
    assert numpy.allclose(texts.scores, model.predict(DOCS), atol=1e-5)
    # Two thirds of the way along a kink of a maximum, a rule without that place errs.
    found = texts.add_up(DIRECTION, gauss_legendre(200))
    assert numpy.allclose(found.margins, (logits * DIRECTION).sum(axis=1), atol=1e-5)
    assert numpy.allclose(found.baselines + sums(found), found.margins, atol=0.02)
    assert found.baselines[1] == pytest.approx(found.margins[1], abs=1e-5)
    assert abs(sums(found)[[0, 2, 3]]).min() > 1e-3


def test_texts_depend_on_themselves_alone(monkeypatch):
    from spacy_rnn.layers import explaining

    model = make(encode=net(bidirectional=True), fitted_model=build_nb_svm_v1(2, nO=3))
    together = explained(model).add_up(DIRECTION, gauss_legendre(5))
    monkeypatch.setattr(explaining, "GRADIENTS_AT_ONCE", 7)
    parts = {name: split_rows(part, Tokens(DOCS).lengths) for name, part in together.parts.items()}
    for i, doc in enumerate(DOCS):
        alone = explained(model, [doc]).add_up(DIRECTION[:1], gauss_legendre(5))
        assert alone.margins[0] == pytest.approx(together.margins[i], abs=1e-5)
        assert alone.baselines[0] == pytest.approx(together.baselines[i], abs=1e-5)
        for name, part in alone.parts.items():
            assert numpy.allclose(part, parts[name][i], atol=1e-5)


def test_a_token_at_the_baseline_adds_nothing_in_the_net():
    model = make(encode=net())
    place = [token.text for token in DOCS[0]].index("unheard")
    unknown = shim_of(model.get_ref("tok2vec")).view("table.weight")[0].copy()
    from_zeros = explained(model).add_up(DIRECTION, gauss_legendre(8)).parts["net"]
    found = explained(model, baseline=unknown).add_up(DIRECTION, gauss_legendre(8)).parts["net"]
    assert found[place] == 0.0 and from_zeros[place] != 0.0
    assert numpy.count_nonzero(found) == len(found) - 1
    shim_of(model.get_ref("tok2vec")).module.table.weight.data[0] = 0.0
    found = explained(model).add_up(DIRECTION, gauss_legendre(8)).parts["net"]
    assert found[place] == 0.0


def test_without_a_net_the_linear_models_are_all():
    model = make(encode=net(), fitted_model=build_nb_svm_v1(2, nO=3))
    output = model.get_ref("output_layer")
    output.set_param("W", numpy.zeros_like(output.get_param("W")))
    found = explained(model).add_up(DIRECTION, AT_THE_INPUT)
    assert not found.parts["net"].any()
    assert numpy.allclose(found.baselines + sums(found), found.margins, atol=1e-5)


def test_tokens_that_are_cut_add_nothing_in_the_net():
    model = make(encode=net(), max_tokens=4, pooling="attention")
    count = model.get_ref("truncate").attrs["cut"]
    count.texts_cut = 0
    texts = explained(model)
    found = texts.add_up(DIRECTION, gauss_legendre(3))
    attended = texts.attend(DIRECTION).parts["net"]
    for net_part in (found.parts["net"], attended):
        assert (net_part[:6] != 0).tolist() == [True, False, False, True, True, True]
    assert attended[:6].sum() == pytest.approx(1.0)
    assert (found.parts["linear_model"][:6] != 0).all()
    # Each text was read once, as in a prediction.
    assert count.texts_cut == 1


def test_attention_by_hand():
    model = make(encode=net(), pooling=["max", "attention"])
    found = explained(model).attend(DIRECTION)
    assert found.baselines is None
    assert numpy.allclose(found.margins, (model.layers[0].predict(DOCS) * DIRECTION).sum(axis=1))
    (layer,) = [node for node in model.walk() if node.has_ref("key_transform")]
    states = model.get_ref("encode").predict(model.get_ref("tok2vec").predict(DOCS))
    for part, rows in zip(split_rows(found.parts["net"], Tokens(DOCS).lengths), states):
        keys = layer.get_ref("key_transform").predict(rows)
        weights = numpy.exp(keys @ layer.get_param("Q"))
        assert numpy.allclose(part, weights / weights.sum(), atol=1e-5)


def test_attention_of_other_poolings():
    with pytest.raises(ValueError, match="R333.*test.*mean.*max"):
        explained(make(encode=net(), pooling=["mean", "max"])).attend(DIRECTION)


def test_a_direction():
    texts = explained(make(encode=net()))
    assert texts.towards(numpy.array([0, 2, 1, 1]))[:2].tolist() == [
        [1, -0.5, -0.5],
        [-0.5, -0.5, 1],
    ]
    texts = explained(make(encode=net(), exclusive_classes=False))
    assert texts.towards(numpy.array([0, 2, 1, 1]))[:2].tolist() == [[1, 0, 0], [0, 0, 1]]


def test_a_model_without_a_net():
    with pytest.raises(ValueError, match="R332.*test.*linear.*TextCatRNN"):
        explained(Linear(2, 2))
