"""What tokens add to the logits of the linear models."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from thinc.api import Linear

from spacy_rnn.bridge.ragged import split_rows
from spacy_rnn.bridge.tokens import Tokens
from spacy_rnn.layers.evidence import evidence_of, ngrams_in, share
from spacy_rnn.layers.nb_svm import build_nb_svm_v1
from spacy_rnn.layers.ngram_linear import SCALE, build_ngram_linear_v1
from spacy_rnn.layers.windows import CPU
from spacy_rnn.vocabulary.learning import learn_vocab, learners_in
from spacy_rnn.vocabulary.nb_svm import LENGTH, Target

NLP = spacy.blank("en")
WORDS = ["a", "b", "c", "d", "\n", "unheard"]
LAYERS = {
    "NgramLinear, 1": lambda: build_ngram_linear_v1(1, 64, nO=3),
    "NgramLinear, 3": lambda: build_ngram_linear_v1(3, 64, nO=3),
    "NBSVM, 1": lambda: build_nb_svm_v1(1, nO=3),
    "NBSVM, 4": lambda: build_nb_svm_v1(nO=3),
    "NBSVM, tail": lambda: build_nb_svm_v1(nO=3, tail=3),
    "NBSVM, without n-grams": lambda: build_nb_svm_v1(min_count=9, nO=3),
}


def docs_of(*texts):
    return [Doc(NLP.vocab, words=text) for text in texts]


def learned(layer, *texts):
    """A layer that has learned from texts, with weights of all labels drawn by chance."""
    docs = docs_of(*texts)
    corpus = learn_vocab(learners_in(layer), docs)
    truths = numpy.eye(layer.get_dim("nO"), dtype="f")[numpy.arange(len(docs)) % 2]
    layer.initialize(X=docs, Y=truths)
    if "fit_labels" in layer.attrs:
        layer.attrs["fit_labels"](layer, corpus, Target(truths, numpy.ones_like(truths), True))
    rng = numpy.random.default_rng(0)
    for node in layer.walk():
        for name in node.param_names:
            shape = node.get_param(name).shape
            node.set_param(name, rng.standard_normal(shape).astype("f"))
    return layer


@pytest.fixture(scope="module", params=LAYERS)
def layer(request):
    return learned(LAYERS[request.param](), "a b c a b".split(), "c d d b a".split())


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from(WORDS), max_size=12), min_size=1, max_size=5))
def test_tokens_and_bias_are_the_logits(layer, texts):
    """All of them, and those of each text depend on that text alone."""
    docs = docs_of(*texts)
    found = evidence_of("test", layer, Tokens(docs))
    parts = split_rows(found.tokens, Tokens(docs).lengths)
    for doc, logits, part in zip(docs, layer.predict(docs), parts):
        assert part.shape == (len(doc), 3)
        assert numpy.allclose(part.sum(axis=0) + found.bias, logits, atol=1e-4, rtol=1e-5)
        alone = evidence_of("test", layer, Tokens([doc]))
        assert numpy.allclose(alone.tokens, part, atol=1e-6)


def test_pairs_are_shared_by_hand():
    """Of the two words of a text, each has the weight of the word and half of the pair's, all
    divided by the root of three."""
    layer = build_ngram_linear_v1(2, 4096, nO=1)
    layer.initialize(X=docs_of(["a"]), Y=numpy.zeros((1, 1), dtype="f"))
    linear = layer.get_ref("labels").layers[0]
    keys = [NLP.vocab.strings[word] for word in "ab"]
    pair = CPU.ngrams(2, numpy.array(keys, dtype="uint64"))
    places = []
    for key in [*keys, pair[0]]:
        one = numpy.ones(1, dtype="int32")
        Y, backprop = linear((numpy.array([key], dtype="uint64"), one.astype("f"), one), True)
        backprop(numpy.ones((1, 1), dtype="f"))
        places.append(linear.get_grad("W").copy())
        linear.set_grad("W", numpy.zeros_like(places[-1]))
    # Each n-gram has two hashed weights.
    values = zip(places, (1.0, 10.0, 100.0))
    linear.set_param("W", sum(place * value / place.sum() for place, value in values))
    found = evidence_of("test", layer, Tokens(docs_of(["a", "b"])))
    value = SCALE / 3**0.5
    assert found.tokens[:, 0] == pytest.approx([51 * value, 60 * value], rel=1e-5)


def test_an_ngram_that_occurs_twice_by_hand():
    """It counts once, in equal parts by both: of "a b a b" a quarter each, where "b a" is no
    n-gram of the table."""
    layer = learned(build_nb_svm_v1(2, nO=2, min_count=1), ["a", "b"], ["a", "b"])
    table = layer.attrs["ngrams"]
    assert len(table) == 3
    (key,) = CPU.ngrams(2, docs_of(["a", "b"])[0].to_array("NORM")) & numpy.uint64(2**32 - 1)
    weights = numpy.zeros((3, 2), dtype="f")
    weights[table.find(numpy.array([key])), 0] = 8.0
    for name, value in (("W", weights), ("b", [0.5, 0.0]), ("scale", [1.0])):
        layer.set_param(name, numpy.asarray(value, dtype="f"))
    found = evidence_of("test", layer, Tokens(docs_of(["a", "b", "a", "b"], ["a", "b", "c"])))
    assert found.bias == pytest.approx([1.0, 0.0]) and not found.tokens[:, 1].any()
    # Of each text, three n-grams are in the table.
    full = 2.0 * 8.0 * LENGTH / 3**0.5
    assert found.tokens[:4, 0] == pytest.approx([full / 4] * 4)
    assert found.tokens[4:, 0] == pytest.approx([full / 2, full / 2, 0.0])


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(0, 7), max_size=5), size=st.integers(1, 4))
def test_ngrams_one_by_one(lengths, size):
    words = numpy.random.default_rng(0).integers(1, 9, sum(lengths)).astype("uint64")
    expected, start = [], 0
    for text, length in enumerate(lengths):
        for n in range(1, size + 1):
            expected += [(text, start + i, n) for i in range(length - n + 1)]
        start += length
    found = ngrams_in(words, numpy.array(lengths, dtype="int64"), size)
    assert sorted(zip(*map(numpy.ndarray.tolist, found[1:]))) == sorted(expected)
    for key, first, n in zip(found.keys, found.starts, found.sizes):
        own = words[first : first + n]
        assert key == (own[0] if n == 1 else CPU.ngrams(int(n), own)[0])
    shares = share(found, numpy.ones((len(found.keys), 2)), sum(lengths))
    assert shares.shape == (sum(lengths), 2)
    assert shares.sum(axis=0) == pytest.approx([len(found.keys)] * 2)


def test_a_layer_that_cannot_tell():
    with pytest.raises(ValueError, match="R331.*'linear' of 'test'.*NgramLinear"):
        evidence_of("test", Linear(2, 2), Tokens(docs_of(["a"])))
