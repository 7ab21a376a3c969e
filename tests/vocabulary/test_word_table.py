import numpy
from hypothesis import given
from hypothesis import strategies as st
from spacy.strings import get_string_id
from thinc.api import Model

from spacy_rnn.vocabulary.word_table import WordTable


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
