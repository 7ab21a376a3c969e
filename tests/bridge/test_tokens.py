"""The tokens of documents, some of them left out, and what they are read by."""

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.attrs import LOWER, NORM, ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_rnn.bridge.tokens import Tokens, lengths_of

NLP = spacy.blank("en")
BLANKS = [" ", "\n", "\t\n", "\u00a0", "\u3000"]
WORDS = st.sampled_from(["the", "Cat", "n't", "ADV", "é", "😀", *BLANKS])
TEXTS = st.lists(st.lists(WORDS, max_size=6), max_size=5)


def docs_of(texts, vocab=NLP.vocab):
    return [Doc(vocab, words=words) for words in texts]


def test_of_documents_and_of_tokens():
    docs = docs_of([["a", "b"], [], ["c"]])
    tokens = Tokens.of(docs)
    assert tokens.docs == docs and tokens.lengths.tolist() == [2, 0, 1] and tokens.rows is None
    assert Tokens.of(tokens) is tokens
    assert Tokens.of(iter(docs)).docs == docs
    assert lengths_of([]).dtype == "int64" and not len(lengths_of([]))


@given(TEXTS)
def test_keys_are_those_of_the_documents(texts):
    docs = docs_of(texts)
    for attr in (ORTH, LOWER, NORM):
        expected = [getattr(t, name) for doc in docs for t in doc for name in [_NAMES[attr]]]
        found = Tokens.of(docs).keys(attr)
        assert found.tolist() == expected and found.dtype == "uint64"


_NAMES = {ORTH: "orth", LOWER: "lower", NORM: "norm"}


@given(TEXTS)
def test_visible_leaves_blank_tokens_out(texts):
    docs = docs_of(texts)
    tokens = Tokens.of(docs)
    visible = tokens.visible()
    kept = [[word for word in words if word not in BLANKS] for words in texts]
    assert visible.docs is tokens.docs
    assert visible.lengths.tolist() == [len(words) for words in kept]
    assert visible.strings(visible.keys(ORTH)) == [word for words in kept for word in words]
    assert visible.keys(LOWER).tolist() == [
        t.lower for doc in docs for t in doc if t.text not in BLANKS
    ]
    assert tokens.lengths.tolist() == [len(words) for words in texts], "as it was"
    again = visible.visible()
    assert again.lengths.tolist() == visible.lengths.tolist()
    assert again.keys(ORTH).tolist() == visible.keys(ORTH).tolist()


def test_visible_is_the_same_where_nothing_is_blank():
    tokens = Tokens.of(docs_of([["a", "b"], []]))
    assert tokens.visible() is tokens
    blank = Tokens.of(docs_of([["\n"], [" ", " "]])).visible()
    assert blank.lengths.tolist() == [0, 0] and not len(blank.keys(NORM))


def test_visible_of_texts_that_are_not_documents():
    """Two texts out of one document, with tokens left out before."""
    doc = Doc(NLP.vocab, words=["a", " ", "b", "\n", "c", "d"])
    tokens = Tokens([doc], numpy.array([3, 2]), numpy.array([0, 1, 2, 3, 5]))
    visible = tokens.visible()
    assert visible.lengths.tolist() == [2, 1]
    assert visible.strings(visible.keys(ORTH)) == ["a", "b", "d"]


def test_special_cases_keep_their_norm():
    (doc,) = docs = [NLP.make_doc("I can't")]
    tokens = Tokens.of(docs)
    assert tokens.strings(tokens.words(NORM)) == [t.norm_ for t in doc] == ["i", "can", "not"]


@pytest.mark.parametrize("attr", [NORM, LOWER])
def test_a_bare_vocabulary_knows_words_only(attr):
    bare = Vocab()
    doc = Doc(bare, words=["The", "Cat"])
    tokens = Tokens.of([doc])
    assert tokens.strings(tokens.words(attr)) == ["The", "Cat"]
    both = Tokens.of([doc, NLP.make_doc("The Cat")])
    assert both.strings(both.words(LOWER)) == ["The", "Cat", "the", "cat"]


@given(TEXTS, TEXTS)
def test_strings_of_two_vocabularies(first, second):
    tokens = Tokens.of(docs_of(first) + docs_of(second, Vocab()))
    words = [word for text in first + second for word in text]
    assert tokens.strings(tokens.keys(ORTH)) == words
    # Each word is in one of the two vocabularies only.
    one, two = Doc(Vocab(), words=["solo"]), Doc(Vocab(), words=["duo"])
    both = Tokens.of([one, two])
    assert both.strings(both.keys(ORTH)[::-1]) == ["duo", "solo"]


def test_no_documents():
    tokens = Tokens.of([])
    assert tokens.visible().lengths.tolist() == [] and tokens.strings(tokens.words(NORM)) == []
