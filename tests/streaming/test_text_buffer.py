import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.streaming.text_buffer import TextBuffer, check_tokenizer, spaced_rules

NLPS = {lang: spacy.blank(lang) for lang in ("en", "es", "ru", "de")}
# Letters, marks that join the letter before, spaces of all kinds, and affixes.
PIECES = st.text(alphabet="ab.'-!(/\u0301\u200d👩 \n\t\u00a0\u2028", max_size=8)
SPANISH = st.sampled_from(["EE.", " ", "UU.", "EE. ", "(EE. UU.)", "Uu", ".", "\n", "Ee. ", "x"])


def tokens(nlp, text):
    return [token.text for token in nlp.tokenizer(text)]


def stream(nlp, pieces):
    buffer = TextBuffer(spaced_rules(nlp.tokenizer.rules))
    found = []
    for piece in pieces:
        found += tokens(nlp, buffer.push(buffer.decode(piece)))
    return found + tokens(nlp, buffer.close())


@pytest.mark.parametrize("lang", NLPS)
@given(pieces=st.lists(PIECES, max_size=12))
def test_tokens_are_those_of_the_whole_text(lang, pieces):
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
    buffer = TextBuffer()
    assert [buffer.push(piece) for piece in ("some mo", "re ", " te", "")] == [
        "some ",
        "",
        "more  ",
        "",
    ]
    assert buffer.close() == "te" and buffer.close() == ""


def test_a_long_stretch_without_space_costs_no_more_for_each_piece():
    """Half a million pieces would take hours if each looked at all that is held."""
    buffer = TextBuffer()
    for _ in range(500_000):
        buffer.push("x")
    assert len(buffer.push(" y")) == 500_001


def test_state():
    buffer, other = TextBuffer(), TextBuffer()
    buffer.push(buffer.decode("some mo".encode() + "é".encode()[:1]))
    other.set_state(buffer.get_state())
    assert other.push(other.decode("é".encode()[1:] + b" x")) == "moé "


def test_bytes_that_are_no_text():
    buffer = TextBuffer()
    buffer.decode(b"\xc3")
    with pytest.raises(UnicodeDecodeError):
        buffer.decode(b"\xff")
    assert buffer.decode(b"\xa9") == "é"
    buffer.decode(b"\xc3")
    with pytest.raises(UnicodeDecodeError):
        buffer.close()


def test_other_tokenizers():
    with pytest.raises(ValueError, match="R702.*textcat_lstm.*function"):
        check_tokenizer("textcat_lstm", lambda text: text)
