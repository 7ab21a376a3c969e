import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.streaming.text_buffer import TextBuffer, check_tokenizer, spaced_rules

NLPS = {lang: spacy.blank(lang) for lang in ("en", "es", "ru", "de")}
RULES = spaced_rules(NLPS["en"].tokenizer)
# Letters, marks that join the letter before, spaces of all kinds, and affixes.
PIECES = st.text(alphabet="ab.'-!(/\u0301\u200d👩 \n\t\u00a0\u2028", max_size=8)
SPANISH = st.sampled_from(["EE.", " ", "UU.", "EE. ", "(EE. UU.)", "Uu", ".", "\n", "Ee. ", "x"])


def tokens(nlp, text):
    return [token.text for token in nlp.tokenizer(text)]


def push(buffer, piece):
    text, pending = buffer.decode(piece)
    complete = buffer.cut(text)
    buffer.keep(text, complete, pending)
    return complete


def stream(nlp, pieces):
    buffer = TextBuffer(spaced_rules(nlp.tokenizer))
    found = []
    for piece in pieces:
        found += tokens(nlp, push(buffer, piece))
    return found + tokens(nlp, buffer.held())


@pytest.mark.parametrize("lang", NLPS)
@given(pieces=st.lists(PIECES, max_size=12))
def test_tokens_are_those_of_the_whole_text(lang, pieces):
    assert stream(NLPS[lang], pieces) == tokens(NLPS[lang], "".join(pieces))


@pytest.mark.parametrize("lang", NLPS)
@given(pieces=st.lists(st.text(alphabet="'’` a()=:;-xoD8.", max_size=4), max_size=12))
def test_marks_that_special_cases_look_for_across_white_space(lang, pieces):
    assert stream(NLPS[lang], pieces) == tokens(NLPS[lang], "".join(pieces))


@given(pieces=st.lists(SPANISH, max_size=12))
def test_special_cases_with_a_space_inside_are_not_cut(pieces):
    assert stream(NLPS["es"], pieces) == tokens(NLPS["es"], "".join(pieces))


@given(text=st.text(max_size=30), size=st.integers(1, 4))
def test_bytes_cut_inside_of_characters(text, size):
    data = text.encode("utf8")
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    assert stream(NLPS["en"], pieces) == tokens(NLPS["en"], text)


def test_holds_back_what_may_change():
    buffer = TextBuffer(RULES)
    found = [push(buffer, piece) for piece in ("some mo", "re ", " te", "")]
    assert found == ["some ", "", "more  ", ""]
    assert buffer.held() == "te"
    buffer.clear()
    assert buffer.held() == ""


def test_a_long_stretch_without_space_costs_no_more_for_each_piece():
    """Half a million pieces would take hours if each looked at all that is held."""
    buffer = TextBuffer(RULES)
    for _ in range(500_000):
        push(buffer, "x")
    assert len(push(buffer, " y")) == 500_001


def test_a_text_of_marks_is_read_and_takes_no_longer():
    buffer = TextBuffer(RULES)
    found = sum(len(push(buffer, "' ")) for _ in range(20_000))
    assert found > 30_000 and len(buffer.held()) < 3_000


def test_state():
    buffer, other = TextBuffer(RULES), TextBuffer(RULES)
    push(buffer, "some mo".encode() + "é".encode()[:1])
    other.set_state(buffer.get_state())
    assert push(other, "é".encode()[1:] + b" x") == "moé "


def test_bytes_that_are_no_text():
    buffer = TextBuffer(RULES)
    push(buffer, b"\xc3")
    with pytest.raises(UnicodeDecodeError):
        buffer.decode(b"\xff")
    assert buffer.decode(b"\xa9") == ("é", b"")
    with pytest.raises(UnicodeError, match="behind the first bytes"):
        buffer.decode("x")
    assert buffer.held() == "\ufffd"
    buffer.clear()
    with pytest.raises(UnicodeEncodeError):
        buffer.decode("\ud800")
    push(buffer, b"a \xc3")
    assert buffer.held() == "a \ufffd"


@given(held=st.text(), piece=st.text(), tail=st.sampled_from([b"", b"\xc3", b"\xf0\x9f"]))
def test_nothing_changes_before_it_is_kept(held, piece, tail):
    buffer = TextBuffer(RULES)
    push(buffer, held.encode() + b" x" + tail)
    before = buffer.get_state()
    buffer.decode(piece if not tail else b"")
    buffer.cut(piece)
    buffer.held()
    assert buffer.get_state() == before


def test_other_tokenizers():
    with pytest.raises(ValueError, match="R702.*textcat_lstm.*function"):
        check_tokenizer("textcat_lstm", lambda text: text)
