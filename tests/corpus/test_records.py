import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.corpus.records import (
    Record,
    drop_duplicates,
    prepare,
    strip_html,
    to_examples,
    without,
)

A, B, C = (Record(text, {"X": 1.0}) for text in ("one", "two", "three"))


def test_strip_html():
    text = "Good.<br /><br />Tom &amp; <i>Jerry</i>  \n 1 < 2 and 3 > 2"
    assert strip_html(text) == "Good. Tom & Jerry 1 < 2 and 3 > 2"


@given(st.text())
def test_strip_html_leaves_one_space_at_most(text):
    cleaned = strip_html(text)
    assert cleaned == cleaned.strip()
    assert "  " not in cleaned


def test_drop_duplicates_keeps_the_first():
    other = Record("one", {"X": 0.0})
    assert list(drop_duplicates([A, B, other, A, C])) == [A, B, C]


def test_without():
    assert list(without([A, B, A, C], [Record("one", {"X": 0.0})])) == [B, C]


def test_prepare():
    marked = Record("<b>one</b>", {"X": 0.0})
    assert prepare([A, marked, B, C], seed=None, limit=0) == [A, B, C]
    assert prepare([A, B, C], seed=None, limit=2) == [A, B]
    many = [Record(str(i), {}) for i in range(50)]
    shuffled = prepare(many, seed=1, limit=0)
    assert shuffled != many and sorted(shuffled) == sorted(many)
    assert prepare(many, seed=1, limit=0) == shuffled
    assert prepare(many, seed=2, limit=0) != shuffled


def test_to_examples():
    nlp = spacy.blank("en")
    (example,) = to_examples(nlp, [A], None)
    assert example.text == "one" and example.reference.cats == {"X": 1.0}
    (example,) = to_examples(nlp, [A], lambda nlp: str.upper)
    assert example.text == "ONE"
