import math

import numpy
import pytest
import spacy
import srsly
from thinc.model import deserialize_attr, serialize_attr

from spacy_rnn.layers.ngram_linear import build_ngram_linear_v1
from spacy_rnn.vocabulary.learning import learn_vocab
from spacy_rnn.vocabulary.rarity_table import RAREST, RarityTable, learn_rarity

NLP = spacy.blank("en")


def keys(*numbers):
    return numpy.asarray(numbers, dtype="uint64")


def test_by_hand():
    """Key 1 is in both texts, 2 and 3 in one each: log(3 / 2), log(3), log(3), scaled so that
    the mean of the squares of these four occurrences in texts is 1."""
    table = learn_rarity([keys(1, 2, 1), keys(1, 3)], 64)
    common, rare = math.log(3 / 2), math.log(3)
    scale = ((2 * common**2 + 2 * rare**2) / 4) ** 0.5
    expected = [common / scale, rare / scale, rare / scale]
    assert table.weigh(keys(1, 2, 3), 1.0) == pytest.approx(expected, rel=1e-3)
    # A key that no text has is as rare as those of one text; keys are folded into the table.
    assert table.weigh(keys(50, 2 + 64), 1.0) == pytest.approx([rare / scale] * 2, rel=1e-3)


def test_rarest():
    texts = [keys(1, 2 + i // 2) for i in range(3 * RAREST)]
    once, twice = learn_rarity([*texts, keys(9000)], 2**14).weigh(keys(9000, 2), 1.0)
    assert once == twice


def test_without_a_corpus_all_are_alike():
    assert (RarityTable().weigh(keys(1, 2), 0.5) == 0.5).all()
    assert numpy.isfinite(learn_rarity([keys()], 8).weigh(keys(1), 1.0))


def test_bytes():
    model = build_ngram_linear_v1()
    for table in (RarityTable(), learn_rarity([keys(1, 2), keys(1)], 16)):
        data = serialize_attr(table, table, "rarity", model)
        loaded = deserialize_attr(RarityTable(), data, "rarity", model)
        found = loaded.weigh(keys(1, 2), 1.0) * numpy.ones(2)
        assert (found == table.weigh(keys(1, 2), 1.0) * numpy.ones(2)).all()


@pytest.mark.parametrize("bad", [b"", b"abc", numpy.asarray([numpy.nan], "float16").tobytes(), 3])
def test_bad_bytes(bad):
    with pytest.raises(ValueError, match="R102"):
        data = srsly.msgpack_dumps(bad)
        deserialize_attr(RarityTable(), data, "rarity", build_ngram_linear_v1())


def test_a_word_of_every_text_moves_less():
    model = build_ngram_linear_v1(length=4096, ngram_size=1, nO=1)
    docs = [NLP.make_doc(text) for text in ("the cat", "the dog", "the end")]
    learn_vocab([model], docs)
    model.initialize(X=docs[:1], Y=numpy.zeros((1, 1), dtype="f"))
    (_, values, _), _ = model.get_ref("ngrams")(docs[:1], False)
    the, cat = values
    assert cat / the == pytest.approx(math.log(4) / math.log(4 / 3), rel=2e-3)


def test_what_was_learned_from_a_larger_corpus_is_kept():
    model = build_ngram_linear_v1(length=64)
    learn_vocab([model], [NLP.make_doc("a b"), NLP.make_doc("a c")])
    before = model.get_ref("ngrams").attrs["rarity"]
    model.attrs["learn"] = False
    learn_vocab([model], [NLP.make_doc("a")])
    assert model.get_ref("ngrams").attrs["rarity"] is before


def test_large_corpora_keep_all_alike(monkeypatch):
    monkeypatch.setattr("spacy_rnn.layers.ngram_linear.LARGE_CORPUS", 4)
    model = build_ngram_linear_v1(length=64)
    learn_vocab([model], [NLP.make_doc("a b"), NLP.make_doc("a")])
    assert model.get_ref("ngrams").attrs["rarity"].values is not None
    learn_vocab([model], [NLP.make_doc("a b"), NLP.make_doc("a c")])
    assert model.get_ref("ngrams").attrs["rarity"].values is None
