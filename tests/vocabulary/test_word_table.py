import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.strings import get_string_id
from thinc.api import Model

from spacy_rnn.engine.plan import FEW_KEYS
from spacy_rnn.vocabulary.word_table import KeyIndex, WordTable

SMALL = st.integers(0, 40)
# The same lower bits: all in one bucket.
ALIKE = st.integers(0, 40).map(lambda n: n << 48)
ANY = st.integers(0, 2**64 - 1)


def keys_of(words):
    return numpy.array([get_string_id(word) for word in words], dtype="uint64")


def test_finds_every_word():
    table = WordTable(["b", "ADV", "a"])
    assert table.find(keys_of(["a", "b", "x", "ADV"])).tolist() == [3, 1, 0, 2] and len(table) == 4
    assert WordTable().find(keys_of("ab")).tolist() == [0, 0] and len(WordTable()) == 1


@given(st.lists(st.text(min_size=1), unique=True), st.lists(st.text()))
def test_any_words(words, others):
    table = WordTable(words)
    rows = {word: row for row, word in enumerate(words, start=1)}
    asked = others + words
    assert table.find(keys_of(asked)).tolist() == [rows.get(word, 0) for word in asked]


def test_is_saved_with_a_model_without_its_vectors():
    table = WordTable(["ß", "x"], numpy.ones((3, 2)))
    other = Model("test", None, attrs={"words": WordTable()})
    other.from_bytes(Model("test", None, attrs={"words": table}).to_bytes())
    found = other.attrs["words"]
    assert found.words == ["ß", "x"] and found.vectors is None
    assert found.find(keys_of(["x"])).tolist() == [2]


@given(st.lists(SMALL | ALIKE | ANY, unique=True), st.lists(SMALL | ALIKE | ANY))
def test_finds_what_is_there_and_nothing_else(keys, wanted):
    wanted = wanted + keys[::-1]
    places = {key: place for place, key in enumerate(keys)}
    # Few keys are found in another way than many.
    for asked in (wanted, wanted * (FEW_KEYS + 1)):
        found = KeyIndex(keys).find(numpy.asarray(asked, dtype="uint64"))
        assert found.tolist() == [places.get(key, -1) for key in asked]


@pytest.mark.parametrize("dtype", ["uint32", "uint64"])
def test_finds_all_of_many(dtype):
    keys = numpy.random.default_rng(0).permutation(50_000).astype(dtype)
    assert (KeyIndex(keys).find(keys) == numpy.arange(len(keys))).all()
