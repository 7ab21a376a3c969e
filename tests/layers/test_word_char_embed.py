import numpy
import pytest
import spacy
from spacy.ml.models.tok2vec import build_Tok2Vec_model
from spacy.vectors import Vectors

from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.layers.char_rnn_embed import build_char_rnn_embed_v1
from spacy_rnn.layers.rnn_encoder import build_rnn_encoder_v1
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.layers.word_char_embed import build_word_char_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in, set_vocab

NLP = spacy.blank("en")
TEXTS = ("the cat saw the dog", "The dog ran", "", "a Cat")


def docs(nlp=NLP):
    return [nlp.make_doc(text) for text in TEXTS]


def make(include_static_vectors=False, **words):
    return build_word_char_embed_v1(
        build_vocab_embed_v1(4, **{"min_count": 1, "attr": "LOWER", "start": "random", **words}),
        build_char_rnn_embed_v1(6, min_count=1),
        include_static_vectors,
    )


def learned(nlp=NLP, **settings):
    model = make(**settings)
    learn_vocab(learners_in(model), docs(nlp))
    return model.initialize(X=docs(nlp))


@pytest.fixture
def with_vectors():
    nlp = spacy.blank("en")
    data = numpy.arange(8, dtype="f").reshape(2, 4) + 1
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=["cat", "dog"])
    return nlp


def test_parts_stand_side_by_side():
    model = learned()
    words, chars = learners_in(model)
    found = model.predict(docs())
    assert model.get_dim("nO") == 10 and [Y.shape for Y in found] == [
        (5, 10),
        (3, 10),
        (0, 10),
        (2, 10),
    ]
    for Y, left, right in zip(found, words.predict(docs()), chars.predict(docs())):
        assert numpy.allclose(Y, numpy.concatenate((left, right), axis=1), atol=1e-6)


def test_gradients_reach_both_parts():
    model = learned()
    Ys, backprop = model.begin_update(docs())
    assert backprop([numpy.ones_like(Y) for Y in Ys]) == []
    for part in learners_in(model):
        assert all(p.grad.abs().sum() > 0 for p in shim_of(part).module.parameters())


def test_fits_spacys_tok2vec():
    model = build_Tok2Vec_model(make(), build_rnn_encoder_v1(8))
    learn_vocab(learners_in(model), docs())
    model.initialize(X=docs())
    assert [Y.shape for Y in model.predict(docs())] == [(5, 8), (3, 8), (0, 8), (2, 8)]
    other = build_Tok2Vec_model(make(), build_rnn_encoder_v1(8)).from_bytes(model.to_bytes())
    for a, b in zip(model.predict(docs()), other.predict(docs())):
        assert numpy.allclose(a, b, atol=1e-6)


def test_static_vectors_beside_them(with_vectors):
    model = learned(with_vectors, include_static_vectors=True)
    found = model.predict(docs(with_vectors))
    assert model.get_dim("nO") == 14 and found[0].shape == (5, 14)
    cat, dog, the = found[0][1, 10:], found[0][4, 10:], found[0][0, 10:]
    assert cat.any() and dog.any() and not the.any()
    assert not found[3][1, 10:].any(), "spaCy finds Cat as it is written only"


def test_rows_start_from_vectors(with_vectors):
    words, _ = learners_in(learned(with_vectors, start="vectors"))
    rows = shim_of(words).module.table.weight.detach().numpy()
    table = dict(zip(words.attrs["words"].words, rows[1:]))
    for word, vector in (("cat", [1, 2, 3, 4]), ("dog", [5, 6, 7, 8])):
        cosine = table[word] @ vector / numpy.linalg.norm(table[word]) / numpy.linalg.norm(vector)
        assert cosine == pytest.approx(1.0, abs=1e-6)
    upper, _ = learners_in(learned(with_vectors, start="vectors", attr="ORTH"))
    row = upper.attrs["words"].words.index("Cat") + 1
    found = shim_of(upper).module.table.weight[row].detach().numpy()
    assert numpy.linalg.norm(found) > 0.1, "found by its lower case"
    assert numpy.linalg.norm(table["ran"]) < 0.2 * numpy.linalg.norm(table["cat"])
    lengths = [numpy.linalg.norm(table[word]) for word in ("cat", "dog")]
    assert numpy.mean(lengths) == pytest.approx(0.3 * 2, rel=1e-5)


def test_vectors_of_another_width_as_a_start(with_vectors):
    rows, known = {}, [[1, 2, 3, 4], [5, 6, 7, 8]]
    for width in (2, 6):
        model = build_vocab_embed_v1(width, "LOWER", min_count=1, start="vectors")
        learn_vocab([model], docs(with_vectors))
        model.initialize(X=docs(with_vectors))
        words = model.attrs["words"].words
        table = shim_of(model).module.table.weight.detach().numpy()[1:]
        rows[width] = table[[words.index("cat"), words.index("dog")]]
    # Two vectors lie in two directions: what they have to do with each other stays.
    for found in (rows[2], rows[6][:, :4]):
        ratio = (found @ found.T) / (numpy.array(known) @ numpy.transpose(known))
        assert numpy.allclose(ratio, ratio[0, 0], rtol=1e-3)
    assert abs(rows[6][:, 4:]).max() < 0.06 < abs(rows[6][:, :4]).min()
    assert numpy.linalg.norm(rows[2], axis=1).mean() == pytest.approx(0.3 * 2**0.5, rel=1e-4)


def test_starting_from_vectors_that_are_not_there():
    with pytest.raises(ValueError, match="R106.*width 4.*convert-vectors"):
        learned(start="vectors")


def test_words_given_fill_both_tables():
    words, chars = learners_in(make())
    set_vocab([words, chars], ["cat", "tea"])
    assert words.attrs["words"].words == ["cat", "tea"]
    assert chars.attrs["chars"].chars == ["a", "t", "c", "e"]
    learn_vocab([words, chars], docs())
    assert words.attrs["words"].words == ["cat", "tea"]
    assert "w" in chars.attrs["chars"].chars
