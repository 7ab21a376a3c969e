import logging

import numpy
import pytest
import spacy
import torch
from spacy.vectors import Vectors

from spacy_rnn.bridge.shim import shim_of
from spacy_rnn.bridge.tokens import Tokens
from spacy_rnn.layers.static_vectors import build_static_vectors_v1
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.vocabulary.learning import learn_vocab

CAT, DOG = [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]


def pipeline(factor=1.0, **vectors):
    nlp = spacy.blank("en")
    vectors = vectors or {"cat": CAT, "Dog": DOG}
    data = factor * numpy.array(list(vectors.values()), dtype="f")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=list(vectors))
    return nlp


def docs_of(nlp, *texts):
    return [nlp.make_doc(text) for text in texts]


def make(nlp, width=3, **settings):
    """A layer whose projection is known."""
    model = build_static_vectors_v1(width, **settings).initialize(X=docs_of(nlp, "cat"))
    weight = numpy.arange(width * 4, dtype="f").reshape(width, 4)
    shim_of(model).module.linear.weight.data.copy_(torch.from_numpy(weight))
    return model, weight


def test_projects_the_pipelines_vectors():
    nlp = pipeline()
    model, weight = make(nlp)
    found = model.predict(docs_of(nlp, "the cat", "Dog cat"))
    assert numpy.allclose(found[0], [[0, 0, 0], weight @ CAT])
    assert numpy.allclose(found[1], [weight @ DOG, weight @ CAT])


def test_lower_case_where_the_word_has_no_vector():
    nlp = pipeline(cat=CAT, Cat=DOG)
    model, weight = make(nlp)
    for is_train in (False, True):
        Y, _ = model(docs_of(nlp, "Cat CAT dog"), is_train)
        assert numpy.allclose(Y[0], [weight @ DOG, weight @ CAT, [0, 0, 0]])
    lower_is_no_upper, weight = make(pipeline(Cat=CAT))
    assert not lower_is_no_upper.predict(docs_of(pipeline(Cat=CAT), "cat"))[0].any()


def test_words_that_training_has_never_seen():
    nlp = pipeline()
    model = build_static_vectors_v1(3)
    learn_vocab([model], docs_of(nlp, "cat"))
    model.initialize(X=docs_of(nlp, "cat"))
    assert model.predict(docs_of(nlp, "Dog"))[0].any()


def test_documents_of_several_vocabularies():
    one, other = pipeline(cat=CAT), pipeline(cat=DOG, sat=CAT)
    model, weight = make(one)
    docs = [*docs_of(one, "cat sat"), *docs_of(other, "sat cat"), *docs_of(one, "cat")]
    found = model.predict(docs)
    assert numpy.allclose(found[0], [weight @ CAT, [0, 0, 0]])
    assert numpy.allclose(found[1], [weight @ CAT, weight @ DOG])
    assert numpy.allclose(found[2], [weight @ CAT])
    rows = Tokens(docs, numpy.array([2]), numpy.array([3, 4]))
    assert numpy.allclose(model.predict(rows).data, [weight @ DOG, weight @ CAT])


def test_only_the_projection_learns():
    nlp = pipeline()
    model, _ = make(nlp, dropout=0.0)
    before = nlp.vocab.vectors.data.copy()
    Ys, backprop = model.begin_update(docs_of(nlp, "cat cat the Dog"))
    assert backprop([numpy.ones_like(Y) for Y in Ys]) == []
    grad = shim_of(model).module.linear.weight.grad
    assert numpy.allclose(grad, [2 * numpy.array(CAT) + DOG] * 3)
    assert (nlp.vocab.vectors.data == before).all()


def test_vectors_are_not_saved_with_the_model():
    words = {f"word{i}": numpy.random.normal(size=4).tolist() for i in range(2000)}
    nlp = pipeline(**words)
    model, _ = make(nlp)
    data = model.to_bytes()
    assert len(data) < 2000
    other = build_static_vectors_v1(3).from_bytes(data)
    docs = docs_of(nlp, "word7 word1999")
    assert numpy.allclose(other.predict(docs)[0], model.predict(docs)[0])


@pytest.mark.parametrize("factor", [0.01, 1.0, 100.0])
def test_rows_start_equally_long_whatever_the_vectors(factor):
    nlp = pipeline(factor)
    model = build_static_vectors_v1(16).initialize(X=docs_of(nlp, "cat"))
    rows = model.predict(docs_of(nlp, "cat Dog"))[0]
    assert numpy.linalg.norm(rows, axis=1).mean() == pytest.approx(0.3 * 4, rel=1e-4)


def test_dropout_follows_training_unless_it_has_its_own():
    nlp = pipeline()
    model, weight = make(nlp, width=40)
    model.attrs["dropout_rate"] = 0.5
    Y = model.begin_update(docs_of(nlp, "Dog cat"))[0][0]
    assert 0 < (Y[1] == 0).sum() < 40
    assert ((Y[0] == 0) == (Y[1] == 0))[1:].all(), "the same features at each token"
    assert "dropout_rate" not in build_static_vectors_v1(3, dropout=0.1).attrs


def test_vectors_made_of_pieces_of_words():
    nlp = spacy.blank("en")
    data = numpy.random.normal(size=(50, 4)).astype("f")
    settings = {"mode": "floret", "minn": 2, "maxn": 3, "hash_count": 1}
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, **settings)
    model, weight = make(nlp)
    found = model.predict(docs_of(nlp, "cats unheard"))[0]
    assert numpy.allclose(found[1], weight @ nlp.vocab["unheard"].vector, atol=1e-5)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
@pytest.mark.parametrize("start", [True, False])
def test_vectors_that_are_not_finite_numbers(value, start):
    nlp = pipeline()
    nlp.vocab.vectors.data[1, 0] = value
    model = build_static_vectors_v1(3)
    if start:
        model = build_vocab_embed_v1(3, attr="ORTH", min_count=1, start="vectors")
        learn_vocab([model], docs_of(nlp, "cat Dog"))
    with pytest.raises(ValueError, match="R111.*1 of the pipeline's"):
        model.initialize(X=docs_of(nlp, "cat Dog"))


def test_without_vectors():
    with pytest.raises(ValueError, match="R107.*convert-vectors"):
        build_static_vectors_v1(3).initialize(X=docs_of(spacy.blank("en"), "cat"))
    model, _ = make(pipeline())
    with pytest.raises(ValueError, match=r"R108.*width 4.*\(0, 0\)"):
        model.predict(docs_of(spacy.blank("en"), "cat"))
    with pytest.raises(ValueError, match=r"R108.*width 4.*\(1, 2\)"):
        model.predict(docs_of(pipeline(cat=[1.0, 2.0]), "cat"))
    with pytest.raises(KeyError, match="R101.*StaticVectors"):
        build_static_vectors_v1(3).predict(docs_of(pipeline(), "cat"))


@pytest.mark.parametrize(
    "settings,message",
    [({"width": 0}, "R002.*width is 0"), ({"width": 3, "dropout": 1.0}, "R002.*dropout is 1.0")],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        build_static_vectors_v1(**settings)


@pytest.fixture
def said(caplog, monkeypatch):
    """What spaCy's logger says."""
    monkeypatch.setattr(logging.getLogger("spacy"), "propagate", True)
    caplog.set_level(logging.INFO, logger="spacy")
    return lambda: [record.getMessage() for record in caplog.records]


def test_says_how_many_words_have_a_vector(said):
    nlp = pipeline()
    docs = docs_of(nlp, "the cat the Cat", "Dog dog")
    words = build_vocab_embed_v1(4, attr="ORTH", max_size=3, min_count=1, start="vectors")
    learn_vocab([build_static_vectors_v1(3), words], docs)
    # Of "the", "Cat", "Dog", "cat", "dog": a word is looked up in lower case, never in upper.
    assert said() == [
        "StaticVectors: 3 of 5 words have a vector; they make 50.0 % of all tokens in training",
        "VocabEmbed: 2 of 3 words have a vector; they make 33.3 % of all tokens in training",
    ]


def test_says_nothing_of_words_where_rows_start_otherwise(said):
    learn_vocab([build_vocab_embed_v1(4, start="random")], docs_of(pipeline(), "the cat"))
    assert said() == []
