import numpy
import pytest
import spacy
from thinc.api import SGD, set_dropout_rate

from spacy_rnn.layers.ngram_linear import SCALE, build_ngram_linear_v1

NLP = spacy.blank("en")


def docs_of(*texts):
    return [NLP.make_doc(text) for text in texts]


def make(**settings):
    model = build_ngram_linear_v1(**{"length": 4096, "nO": 2, **settings})
    return model.initialize(X=docs_of("a b"), Y=numpy.zeros((1, 2), dtype="f"))


def learn(model, text, *, steps=1, rate=1.0):
    """Move the first label's score of a text up by gradient steps."""
    for _ in range(steps):
        Y, backprop = model.begin_update(docs_of(text))
        backprop(numpy.array([[-1.0, 0.0]], dtype="f"))
        model.finish_update(SGD(rate, L2=0.0, grad_clip=0.0, use_averages=False))


def test_one_step_by_hand():
    """Each of n n-grams has the value s / sqrt(n), and two hashed weights: the score of
    the text moves by twice the sum of the squares, 2 s s, and by 1 for the bias."""
    model = make()
    learn(model, "one two three")
    scores = model.predict(docs_of("one two three", "", "other words entirely"))
    assert scores[0, 0] == pytest.approx(2 * SCALE**2 + 1, rel=1e-4)
    assert scores[1].tolist() == [1.0, 0.0]
    assert scores[2].tolist() == [1.0, 0.0]
    assert not scores[:, 1].any()


def test_word_order_counts_for_pairs_only():
    single, pairs = make(ngram_size=1), make(ngram_size=2)
    for model in (single, pairs):
        learn(model, "not good but bad")
    texts = docs_of("not good but bad", "not bad but good")
    first, second = single.predict(texts)[:, 0]
    assert first == pytest.approx(second)
    first, second = pairs.predict(texts)[:, 0]
    assert first > second + 1


def test_texts_do_not_depend_on_their_batch():
    model = make()
    learn(model, "one two three")
    texts = docs_of("one two", "", "three", "one two three four")
    together = model.predict(texts)
    for doc, expected in zip(texts, together):
        assert numpy.allclose(model.predict([doc])[0], expected, atol=1e-6)


def test_dropout_in_training_only():
    model = make()
    learn(model, "one two three four five")
    texts = docs_of("one two three four five")
    still = model.predict(texts)
    set_dropout_rate(model, 0.5)
    assert numpy.allclose(model.predict(texts), still, atol=1e-6)
    drawn = [model.begin_update(texts)[0][0, 0] for _ in range(400)]
    assert min(drawn) < still[0, 0] < max(drawn)
    assert numpy.mean(drawn) == pytest.approx(still[0, 0], rel=0.1)


def test_a_dropout_of_its_own_is_kept():
    model = make(dropout=0.0)
    learn(model, "one two three")
    set_dropout_rate(model, 0.9)
    texts = docs_of("one two three")
    assert numpy.allclose(model.begin_update(texts)[0], model.predict(texts), atol=1e-6)


def test_more_labels():
    model = make()
    learn(model, "one two three")
    texts = docs_of("one two three", "")
    before = model.predict(texts)
    model.attrs["resize_output"](model, 3)
    after = model.predict(texts)
    assert numpy.allclose(after[:, :2], before, atol=1e-6) and not after[:, 2].any()


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"attr": "SHAPE"}, "R104.*SHAPE"),
        ({"ngram_size": 0}, "ngram_size is 0"),
        ({"length": 0}, "length is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        build_ngram_linear_v1(**settings)
