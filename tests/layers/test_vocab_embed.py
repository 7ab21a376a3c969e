import numpy
import pytest
import spacy

from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab, set_vocab

NLP = spacy.blank("en")
DOCS = [NLP.make_doc(text) for text in ("the cat saw the dog", "The dog ran", "", "a Cat")]


def make(**settings):
    return build_vocab_embed_v1(4, **{"min_count": 1, "start": "random", **settings})


def learned(**settings):
    model = make(**settings)
    learn_vocab([model], DOCS)
    return model.initialize(X=DOCS)


def words(model):
    return model.attrs["words"].words


def test_most_frequent_words_first_then_by_spelling():
    assert words(learned(attr="LOWER")) == ["the", "cat", "dog", "a", "ran", "saw"]
    assert words(learned(attr="ORTH"))[:2] == ["dog", "the"]
    assert words(learned(attr="LOWER", max_size=2)) == ["the", "cat"]
    assert len(words(learned(attr="LOWER", min_count=2))) == 6, "the corpus is small"
    assert len(words(learned(attr="LOWER", max_size=0))) == 6


def test_looks_rows_up_and_unknown_words_share_row_zero():
    model = learned(attr="LOWER", max_size=2, dropout=0.0)
    rows = shim_of(model).module.table.weight.detach().numpy()
    for found in (model.predict(DOCS), model.begin_update(DOCS)[0]):
        assert numpy.allclose(found[0], rows[[1, 2, 0, 1, 0]], atol=1e-6)
    assert [len(Y) for Y in found] == [5, 3, 0, 2]


def test_gradient_adds_up_by_word():
    model = learned(attr="LOWER", max_size=2)
    Ys, backprop = model.begin_update(DOCS)
    assert backprop([numpy.ones_like(Y) for Y in Ys]) == []
    grad = shim_of(model).module.table.weight.grad.to_dense()
    assert grad[:, 0].tolist() == [5.0, 3.0, 2.0]


def test_vocabulary_is_saved_with_the_model():
    model, other = learned(), make()
    other.from_bytes(model.to_bytes())
    assert words(other) == words(model)
    for a, b in zip(model.predict(DOCS), other.predict(DOCS)):
        assert numpy.allclose(a, b, atol=1e-6)


def test_cooccurrence_start_fills_the_table():
    model = learned(start="cooccurrence")
    rows = shim_of(model).module.table.weight.detach().numpy()
    vectors = model.attrs["words"].vectors.numpy()
    assert (rows == vectors).all() and not rows[0].any()


def test_given_words_are_kept():
    model = make(start="cooccurrence")
    set_vocab([model], ["dog", "zebra"])
    learn_vocab([model], DOCS)
    assert words(model) == ["dog", "zebra"]
    assert model.attrs["words"].vectors.shape == (3, 4)


def test_learning_again_replaces_the_words():
    model = learned()
    learn_vocab([model], [NLP.make_doc("new words only")])
    assert sorted(words(model)) == ["new", "only", "words"]


def test_without_vocabulary():
    with pytest.raises(ValueError, match="(?s)R103.*before_init"):
        make().initialize(X=DOCS)
    with pytest.raises(KeyError, match="R101.*VocabEmbed"):
        make().predict(DOCS)


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"attr": "SHAPE"}, "R104.*SHAPE"),
        ({"start": "glove"}, "R001.*start.*glove"),
        ({"max_size": -1}, "R002.*max_size is -1"),
        ({"min_count": 0}, "R002.*min_count is 0"),
        ({"dropout": 1.0}, "R002.*dropout is 1.0"),
        ({"word_dropout": -0.1}, "R002.*word_dropout is -0.1"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)
