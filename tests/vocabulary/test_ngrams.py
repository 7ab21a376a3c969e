from collections import Counter
from unittest import mock

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import Model
from thinc.model import deserialize_attr, serialize_attr

from spacy_rnn.vocabulary import ngrams
from spacy_rnn.vocabulary.ngrams import NEAR_END, Bags, NgramTable, count_ngrams, ngram_keys

TEXTS = st.lists(st.lists(st.integers(1, 5), max_size=8), max_size=6)


def flat(texts):
    lengths = numpy.asarray([len(text) for text in texts], dtype="int64")
    return numpy.asarray([word for text in texts for word in text], dtype="uint64"), lengths


def named(texts, size):
    """The n-grams of each text as tuples, each once."""
    return [
        {tuple(t[i : i + n]) for n in range(1, size + 1) for i in range(len(t) - n + 1)}
        for t in texts
    ]


def columns_of(bags):
    return [set(part.tolist()) for part in numpy.split(bags.columns, bags.lengths.cumsum()[:-1])]


@given(TEXTS, st.integers(1, 4))
def test_texts_have_the_ngrams_that_stand_in_them(texts, size):
    keys, owners, _ = ngram_keys(*flat(texts), size)
    expected = named(texts, size)
    for number, grams in enumerate(expected):
        assert len(set(keys[owners == number].tolist())) == len(grams)
    assert len(set(keys.tolist())) == len(set().union(*expected))
    occurrences = sum(max(len(t) - n + 1, 0) for t in texts for n in range(1, size + 1))
    assert len(keys) == occurrences


@given(TEXTS, st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 5, 100]))
def test_ngrams_are_counted_by_texts(texts, size, min_count, at_once):
    with mock.patch.object(ngrams, "AT_ONCE", at_once):
        keys, bags = count_ngrams(*flat(texts), size, min_count, 1000)
    expected = named(texts, size)
    counts = {g: sum(g in text for text in expected) for g in set().union(*expected)}
    kept = {gram for gram, count in counts.items() if count >= min_count}
    assert len(keys) == len(set(keys.tolist())) == len(kept)
    assert bags.lengths.tolist() == [len(text & kept) for text in expected]
    # The table finds them again: the same numbers for the same n-grams.
    again = NgramTable(keys).bags(*flat(texts), size)
    assert again.lengths.tolist() == bags.lengths.tolist()
    assert columns_of(again) == columns_of(bags)
    for i in range(len(texts)):
        alone = NgramTable(keys).bags(*flat(texts[i : i + 1]), size)
        assert set(alone.columns.tolist()) == columns_of(bags)[i]


@given(TEXTS, st.integers(1, 3), st.integers(1, 4))
def test_ngrams_near_the_end_are_there_a_second_time(texts, size, tail):
    keys, bags = count_ngrams(*flat(texts), size, 1, 1000, tail)
    plain_keys, plain = count_ngrams(*flat(texts), size, 1, 1000)
    # All that end among the last words, as often as they do.
    near = [
        Counter(
            tuple(text[i - n + 1 : i + 1])
            for i in range(max(len(text) - tail, 0), len(text))
            for n in range(1, min(size, i + 1) + 1)
        )
        for text in texts
    ]
    assert len(keys) == len(plain_keys) + len(set().union(*near))
    known = NgramTable(plain_keys)
    for i, (row, other) in enumerate(zip(counts_of(bags), counts_of(plain))):
        found = {keys[column]: times for column, times in row.items()}
        assert {k: n for k, n in found.items() if known.find(as_keys(k))[0] >= 0} == {
            plain_keys[column]: 1 for column in other
        }
        last = {k ^ NEAR_END: n for k, n in found.items() if known.find(as_keys(k))[0] < 0}
        assert sorted(last.values()) == sorted(near[i].values())
        assert set(last) <= {plain_keys[column] for column in other}
        alone = NgramTable(keys).bags(*flat(texts[i : i + 1]), size, tail)
        assert Counter(alone.columns.tolist()) == row


def counts_of(bags):
    parts = numpy.split(bags.columns, bags.lengths.cumsum()[:-1])
    return [Counter(part.tolist()) for part in parts][: len(bags.lengths)]


def as_keys(key):
    return numpy.asarray([key], dtype="uint64")


def test_the_most_frequent_are_kept():
    keys, bags = count_ngrams(*flat([[1, 2], [1, 3], [1, 2]]), 1, 1, 2)
    assert sorted(keys.tolist()) == [1, 2]
    assert bags.lengths.tolist() == [2, 1, 2]


def test_bags_of_some_texts_and_of_some_ngrams():
    bags = Bags(numpy.array([0, 1, 1, 2, 0]), numpy.array([2, 0, 2, 1]))
    some = bags.select(numpy.array([True, True, False, True]))
    assert (some.columns.tolist(), some.lengths.tolist()) == ([0, 1, 0], [2, 0, 1])
    fewer = bags.keep(numpy.array([False, True, True]))
    assert (fewer.columns.tolist(), fewer.lengths.tolist()) == ([0, 0, 1], [1, 0, 2, 0])


def test_texts_of_each_ngram_are_counted_once():
    """However often an n-gram is near the end of one."""
    bags = Bags(numpy.array([0, 2, 2, 1, 2, 1, 1], dtype="int32"), numpy.array([3, 0, 2, 2]))
    assert bags.text_counts(5).tolist() == [1, 2, 2, 0, 0]


def test_a_round_trip():
    table = NgramTable([5, 2**32 - 1, 7])
    data = serialize_attr(table, table, "ngrams", Model("m", lambda *args: args))
    again = deserialize_attr(table, data, "ngrams", Model("m", lambda *args: args))
    assert again.keys.tolist() == [5, 2**32 - 1, 7]
    assert again.find(numpy.array([7, 6, 5], dtype="uint64")).tolist() == [2, -1, 0]


@pytest.mark.parametrize("data", [b"\xa3abc", b"\xc4\x08" + bytes(8), b"\x01"])
def test_damaged_data_are_refused(data):
    """Text, the same hash twice, and a number."""
    with pytest.raises(ValueError, match="R102.*hashes"):
        deserialize_attr(NgramTable(), data, "ngrams", Model("m", lambda *args: args))
