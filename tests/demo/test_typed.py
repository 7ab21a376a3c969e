"""Scores of a text that is being typed: those of the text, whatever came before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn.demo.typed import check_text, score

TEXT = "A warm film, isn't it?  Wooden\nacting !"
PIECES = st.sampled_from(["a ", "dull", " film", ",", "n't", "\n\n", "  ", "é", "😀", "warm and"])


def near(found, expected):
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["forward", "both_ways", "joint"])
def test_each_key_gives_the_scores_of_the_text_so_far(name, request):
    model, typed = request.getfixturevalue(name), None
    for end in range(len(TEXT) + 1):
        cats, typed = score(model, TEXT[:end], typed)
        near(cats, model.nlp(TEXT[:end]).cats)


def test_only_what_was_added_is_read(forward, monkeypatch):
    pushed = []
    push = type(forward.streams).push
    monkeypatch.setattr(
        type(forward.streams),
        "push",
        lambda self, streams, pieces: (pushed.extend(pieces), push(self, streams, pieces))[1],
    )
    typed = None
    for text in ("A warm", "A warm fil", "A warm film", "A warm film", "A dull film", ""):
        _, typed = score(forward, text, typed)
    assert pushed == ["A warm", " fil", "m", "", "A dull film", ""]


@settings(deadline=None, max_examples=40)
@given(edits=st.lists(st.tuples(PIECES, st.integers(0, 12)), max_size=8))
def test_any_edits_give_the_scores_of_the_text(forward, edits):
    text, typed = "", None
    for piece, cut in edits:
        text = text[: len(text) - cut] + piece
        cats, typed = score(forward, text, typed)
        near(cats, forward.nlp(text).cats)


def test_sessions_do_not_meet(forward):
    """Two texts that are typed in turns, from one beginning."""
    _, begun = score(forward, "A warm ")
    texts = {"A warm film": begun, "A warm mess of": begun}
    for text, typed in texts.items():
        cats, _ = score(forward, text, typed)
        near(cats, forward.nlp(text).cats)


def test_no_stream_stays_open(forward):
    rooms = len(forward.streams.states)
    typed = None
    for end in range(30):
        _, typed = score(forward, "a warm and funny film, and long"[:end], typed)
    assert len(forward.streams.states) <= max(rooms, 2)


def test_a_text_that_is_too_long():
    assert check_text("abc", 3) == "abc"
    with pytest.raises(ValueError, match="R826.*1,000 characters.*--max-length"):
        check_text("a" * 1001, 1000)


def test_characters_count_once_and_halves_of_them_are_replaced():
    assert check_text("😀😀", 2) == "😀😀"
    assert check_text("a\ud83d b\ude00", 9) == "a\ufffd b\ufffd"
    assert check_text("\ud83d\ude00", 9) == "😀"
    assert check_text("\0\ufeff\u202e", 9) == "\0\ufeff\u202e"
