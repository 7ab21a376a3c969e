import unicodedata

import numpy
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Model

from spacy_rnn.vocabulary.char_table import CATEGORIES, CharTable, most_frequent_chars

FIRST = len(CATEGORIES)


def encode(chars, words, max_chars=100):
    rows, lengths = CharTable(chars).encode(words, max_chars)
    return rows.tolist(), lengths.tolist()


def test_known_characters_have_rows_of_their_own():
    assert encode(["b", "é", "a"], ["aé", "", "b"]) == ([FIRST + 2, FIRST + 1, FIRST], [2, 0, 1])


def test_unknown_characters_have_the_row_of_their_category():
    rows, _ = encode(["a"], ["A9!😀\u0301"])
    assert [CATEGORIES[row] for row in rows] == ["Lu", "Nd", "Po", "So", "Mn"]


def test_case_is_kept():
    (lower, upper), _ = encode(["a", "A"], ["aA"])
    assert lower != upper


def test_long_words_keep_their_ends():
    long = encode(list("abcde"), ["abcde"], max_chars=3)
    assert long == encode(list("abcde"), ["abe"])
    assert encode(list("abcde"), ["a" + "b" * 10_000], max_chars=1)[1] == [1]


@given(words=st.lists(st.text()), chars=st.sets(st.characters()))
def test_any_unicode(words, chars):
    table = CharTable(sorted(chars))
    rows, lengths = table.encode(words, 10**6)
    assert lengths.tolist() == [len(word) for word in words]
    assert len(rows) == lengths.sum() and (rows < len(table)).all()
    for row, char in zip(rows.tolist(), "".join(words)):
        expected = char if char in chars else unicodedata.category(char)
        assert ([*CATEGORIES, *table.chars])[row] == expected


def test_categories_are_all_there_are():
    assert {unicodedata.category(chr(code)) for code in range(0x110000)} == set(CATEGORIES)


def test_most_frequent_characters_first():
    words = [("ab", 3), ("b", 2), ("c", 1)]
    assert most_frequent_chars(words, 1) == ["b", "a", "c"]
    assert most_frequent_chars(words, 3) == ["b", "a"]


def test_is_saved_with_a_model():
    model = Model("test", None, attrs={"chars": CharTable(["ß", "x"])})
    other = Model("test", None, attrs={"chars": CharTable()})
    other.from_bytes(model.to_bytes())
    assert other.attrs["chars"].chars == ["ß", "x"]
    assert numpy.array_equal(*(m.attrs["chars"].encode(["xß"], 9)[0] for m in (model, other)))
