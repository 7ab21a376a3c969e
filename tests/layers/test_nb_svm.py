import numpy
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from spacy.attrs import NORM
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam

from spacy_rnn.layers import nb_svm
from spacy_rnn.layers.nb_svm import build_nb_svm_v1
from spacy_rnn.layers.temperature import PRIOR
from spacy_rnn.vocabulary.learning import CorpusKeys
from spacy_rnn.vocabulary.nb_svm import LENGTH, Target
from spacy_rnn.vocabulary.ngrams import CPU, KEY_MASK, NEAR_END

NLP = spacy.blank("en")
GOOD = ["a good film", "good acting", "a very good plot", "not bad at all", "not bad"]
BAD = ["a bad film", "bad acting", "a very bad plot", "not good at all", "not good"]


def docs_of(texts):
    return [NLP.make_doc(text) for text in texts]


def make(texts=None, truths=None, **settings):
    """A layer fitted to texts, by default good and bad ones. Its logits count as they are."""
    model = fit(texts, truths, **settings)
    model.set_param("scale", numpy.zeros(1, dtype="f"))
    return model


def fit(texts=None, truths=None, **settings):
    settings = {"dropout": 0.0, **settings}
    texts = GOOD + BAD if texts is None else texts
    if truths is None:
        truths = [[1, 0]] * len(GOOD) + [[0, 1]] * len(BAD)
    truths = numpy.asarray(truths, dtype="f")
    docs = docs_of(texts)
    model = build_nb_svm_v1(**settings).initialize(X=docs, Y=truths)
    corpus = CorpusKeys([NORM])
    for doc in docs:
        corpus.add(doc)
    nb_svm.fit_labels(model, corpus, Target(truths, numpy.ones_like(truths), True))
    return model


def test_it_tells_phrases_apart_that_words_do_not():
    texts = docs_of(["not bad", "not good", "good", "bad"])
    pairs, words = make(), make(ngram_size=1)
    assert (pairs.predict(texts)[:, 0] > 0).tolist() == [True, False, True, False]
    assert (words.predict(texts)[:, 0] > 0).tolist() == [False, True, True, False]


def test_logits_are_sums_of_weights_by_hand():
    model = make()
    table, weights = model.attrs["ngrams"], model.get_param("W")
    good, film = (numpy.array([NLP.vocab.strings[w] & (2**32 - 1)]) for w in ("good", "film"))
    rows = [int(table.find(key.astype("uint64"))[0]) for key in (good, film)]
    # "film good" was in no text, its two words were, and each counts once.
    expected = LENGTH / 2**0.5 * weights[rows].sum(axis=0) + model.get_param("b")
    found = model.predict(docs_of(["film good xyz good", "xyz", ""]))
    known = table.bags(*words_of("film good xyz good"), 4).columns.tolist()
    assert set(rows) <= set(known) and len(known) == 2
    assert found[0] == pytest.approx(expected, rel=1e-4)
    assert found[1] == pytest.approx(model.get_param("b"))
    assert found[2] == pytest.approx(model.get_param("b"))


def words_of(text):
    words = NLP.make_doc(text).to_array("NORM")
    return words, numpy.array([len(words)])


def test_training_sees_logits_of_a_model_without_the_text():
    """A text of one word that no other text has: without the text, nothing is known of it."""
    model = make(GOOD + BAD + ["splendid"], [[1, 0]] * 5 + [[0, 1]] * 5 + [[1, 0]])
    texts = docs_of(["splendid"])
    whole = model.predict(texts)[0]
    held_out, _ = model.begin_update(texts)
    assert whole[0] - whole[1] > 1.0
    # Its bias is left: labels are as good as even.
    assert abs(held_out[0, 0] - held_out[0, 1]) < 0.5


def test_held_out_logits_are_those_of_a_fit_to_the_other_folds(monkeypatch):
    monkeypatch.setattr(nb_svm, "FOLDS", 2)
    model = make()
    names = [nb_svm._name_of(doc.to_array(NORM)) for doc in docs_of(GOOD + BAD)]
    out = numpy.array([name[0] % 2 == 0 for name in names])
    assert 0 < out.sum() < len(out)
    texts = numpy.array(GOOD + BAD)
    truths = numpy.array([[1, 0]] * 5 + [[0, 1]] * 5)
    rest = make(texts[~out].tolist(), truths[~out])
    left_out = docs_of(texts[out].tolist())
    found, _ = model.begin_update(left_out)
    assert numpy.allclose(found, rest.predict(left_out), atol=1e-3)
    assert not numpy.allclose(found, model.predict(left_out), atol=1e-1)


def test_training_leaves_it_as_it_is():
    model = make()
    texts = docs_of(GOOD[:2])
    before = {name: model.get_param(name).copy() for name in ("W", "b", "scale")}
    plain = model.predict(texts)
    _, backprop = model.begin_update(texts)
    assert backprop(numpy.ones((2, 2), dtype="f")) == []
    model.finish_update(Adam(0.1, L2=0.1))
    for name, value in before.items():
        assert (model.get_param(name) == value).all()
    # As pipelines have it that learned it.
    model.set_param("scale", numpy.array([-0.4], dtype="f"))
    assert numpy.allclose(model.predict(texts), 0.6 * plain, rtol=1e-5)


def test_logits_count_as_texts_want_that_the_fit_had_not_seen():
    """Truths by chance: what is held out says that the fit knows nothing. Truths by one word: that
    it could be more certain."""
    rng = numpy.random.default_rng(0)
    texts = [" ".join(rng.choice(["a", "b", "c", "d", "e", "f"], 4)) for _ in range(300)]
    by_word = numpy.array([["a" in text, "a" not in text] for text in texts], dtype="f")
    by_chance = by_word[rng.permutation(len(texts))]
    factors = []
    for truths in (by_chance, by_word):
        model = fit(texts, truths, C=1.0)
        held_out = model.attrs["held_out"].logits
        logits = numpy.stack([held_out[nb_svm._name_of(d.to_array(NORM))] for d in docs_of(texts)])
        frequencies = Target(truths, numpy.ones_like(truths), True).log_frequencies()
        factor = 1.0 + model.get_param("scale")[0]
        factors.append(factor)
        around = [loss_at(logits, truths, frequencies, f * factor) for f in (0.7, 1.0, 1.4)]
        assert min(around) == around[1]
    assert factors[0] < 0.5 < 1.0 < factors[1]


def loss_at(logits, truths, frequencies, factor):
    """The log-loss of texts, with the prior of a temperature."""
    logits = torch.from_numpy(factor * logits + frequencies)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(truths), reduction="sum")
    return float(loss) + PRIOR * (factor - numpy.log(factor))


def test_a_text_that_stands_alone_leaves_the_factor_at_one():
    assert fit(["good"], [[1, 0]]).get_param("scale") == 0.0


ENDS = ["good , then bad", "it was good , then bad", "bad , then good", "it was bad , then good"]


def test_words_near_the_end_have_a_second_weight():
    """Which word comes last decides, and all texts have the same words."""
    truths = [[0, 1], [0, 1], [1, 0], [1, 0]]
    texts = docs_of(["good xyz bad", "bad xyz good"])
    found = make(ENDS, truths, ngram_size=1, tail=1).predict(texts)
    assert (found.argmax(axis=1) == [1, 0]).all()
    without = make(ENDS, truths, ngram_size=1).predict(texts)
    assert numpy.allclose(without[0], without[1], atol=1e-6)


def test_logits_with_a_tail_by_hand():
    model = make(tail=2)
    table, weights = model.attrs["ngrams"], model.get_param("W")
    words = words_of("good film good good")[0]
    plain = {int(row) for row in table.find(words & KEY_MASK) if row >= 0}
    phrases = [CPU.ngrams(size, words) for size in (2, 3, 4)]
    longer = numpy.concatenate(phrases) & KEY_MASK
    plain |= {int(row) for row in table.find(longer) if row >= 0}
    ends = numpy.concatenate([words[-2:], *(keys[-2:] for keys in phrases)]) & KEY_MASK
    near = [int(row) for row in table.find(ends ^ NEAR_END) if row >= 0]
    # The last two words are the same one: it is there twice.
    assert len(near) >= 2 and near[0] == near[1]
    rows = [*plain, *near]
    expected = LENGTH / len(rows) ** 0.5 * weights[rows].sum(axis=0) + model.get_param("b")
    for texts in (["good film good good"], ["good film good good", "bad", ""]):
        assert model.predict(docs_of(texts))[0] == pytest.approx(expected, rel=1e-4)


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4), size=st.integers(1, 4))
def test_last_rows_one_by_one(lengths, size):
    rng = numpy.random.default_rng(0)
    before, new = rng.random((len(lengths), size, 2)), rng.random((sum(lengths), 2))
    parts = numpy.split(new, numpy.cumsum(lengths)[:-1])
    expected = [numpy.concatenate(pair)[-size:] for pair in zip(before, parts)]
    assert (nb_svm.last_rows(before, new, numpy.array(lengths)) == expected).all()


def test_dropout_hides_whole_texts_in_training_only():
    model = make(dropout=0.4)
    texts = docs_of(GOOD * 200)
    found, _ = model.begin_update(texts)
    hidden = ~found.any(axis=1)
    assert hidden.mean() == pytest.approx(0.4, abs=0.06)
    plain, _ = make().begin_update(texts)
    assert numpy.allclose(found[~hidden], plain[~hidden], atol=1e-4)
    assert model.predict(texts).any(axis=1).all()


def test_only_the_strongest_ngrams_are_kept():
    model = make(max_size=4)
    assert model.get_param("W").shape == (4, 2)
    texts = docs_of(["good", "bad"])
    assert (model.predict(texts).argmax(axis=1) == [0, 1]).all()


def test_rare_ngrams_of_a_large_corpus_are_left_out(monkeypatch):
    monkeypatch.setattr("spacy_rnn.vocabulary.learning.SMALL_CORPUS", 0)
    model = make(min_count=2, ngram_size=1)
    # a, good, bad, not, at, all, very, film, acting, plot: all are in two texts or more.
    assert len(model.attrs["ngrams"]) == 10
    assert len(make(min_count=5, ngram_size=1).attrs["ngrams"]) == 2


def test_texts_do_not_depend_on_their_batch():
    model = make()
    texts = docs_of(["good", "", "not bad at all", "xyz", "a very bad film"])
    for doc, expected in zip(texts, model.predict(texts)):
        assert numpy.allclose(model.predict([doc])[0], expected, atol=1e-5)


def test_new_labels_say_nothing_yet():
    model = make()
    texts = docs_of(["good", "bad"])
    before = model.predict(texts)
    model = model.attrs["resize_output"](model, 3)
    after = model.predict(texts)
    assert numpy.allclose(after[:, :2], before) and not after[:, 2].any()
    # Held-out logits had two columns.
    assert model.begin_update(docs_of(GOOD))[0].shape == (len(GOOD), 3)


def test_a_round_trip():
    model = make()
    again = build_nb_svm_v1().from_bytes(model.to_bytes())
    texts = docs_of(["good", "not good", ""])
    assert (again.predict(texts) == model.predict(texts)).all()
    assert not again.attrs["held_out"].logits


def test_a_pipeline_uses_it_from_the_first_step():
    """After initialization and no training, the fit is what a pipeline predicts."""
    nlp = spacy.blank("en")
    textcat = nlp.add_pipe("textcat_lstm")
    cats = [(text, {"GOOD": 1.0, "BAD": 0.0}) for text in GOOD]
    cats += [(text, {"GOOD": 0.0, "BAD": 1.0}) for text in BAD]
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc(t), {"cats": c}) for t, c in cats])
    for text, expected in cats:
        assert (nlp(text).cats["GOOD"] > 0.5) == expected["GOOD"]
    linear = textcat.model.get_ref("fitted_model").predict([Doc(nlp.vocab, ["good"])])[0]
    odds = nlp("good").cats
    assert numpy.log(odds["GOOD"] / odds["BAD"]) == pytest.approx(linear[0] - linear[1], rel=1e-3)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"ngram_size": 0}, "ngram_size"),
        ({"max_size": 0}, "max_size"),
        ({"min_count": 0}, "min_count"),
        ({"C": 0.0}, "C is 0.0.*above 0"),
        ({"dropout": 1.0}, "dropout"),
        ({"tail": -1}, "tail"),
        ({"attr": "SHAPE"}, "R104"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        build_nb_svm_v1(**settings)


def test_torchs_default_dtype_does_not_matter():
    expected = make().predict(docs_of(GOOD))
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        found = make().predict(docs_of(GOOD))
    finally:
        torch.set_default_dtype(before)
    assert found.dtype == "float32" and numpy.allclose(found, expected, atol=1e-4)
