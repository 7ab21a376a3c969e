"""What is learned from a corpus: of a small one all, of a larger one what is frequent."""

import io

import pytest
import spacy
from spacy.attrs import LOWER, NORM, ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import chain, noop

from spacy_rnn.layers.char_rnn_embed import build_char_rnn_embed_v1
from spacy_rnn.layers.vocab_embed import build_vocab_embed_v1
from spacy_rnn.vocabulary import learning
from spacy_rnn.vocabulary.learning import (
    SMALL_CORPUS,
    CorpusKeys,
    learn_vocab,
    learners_in,
    set_vocab,
)

NLP = spacy.blank("en")
RARE = ["rare", "Ünique"]


def corpus_of(tokens):
    """A corpus with two words that occur once."""
    doc = Doc(NLP.vocab, words=["the", "cat"] * 50)
    docs = [doc] * ((tokens - len(RARE)) // len(doc))
    rest = tokens - len(RARE) - len(docs) * len(doc)
    found = [*docs, Doc(NLP.vocab, words=["the"] * rest + RARE)]
    assert sum(map(len, found)) == tokens
    return found


def learned(tokens, **settings):
    words = build_vocab_embed_v1(4, start="random", attr="ORTH", **{"min_count": 2, **settings})
    chars = build_char_rnn_embed_v1(4, min_count=2)
    learn_vocab([words, chars], corpus_of(tokens))
    return words.attrs["words"].words, set(chars.attrs["chars"].chars)


@pytest.mark.parametrize("tokens", [10, 150, SMALL_CORPUS - 1])
def test_a_small_corpus_keeps_all_words_and_characters(tokens):
    words, chars = learned(tokens)
    assert set(RARE) <= set(words) and words[0] == "the"
    assert chars == set("".join([*words]))
    assert learned(tokens, min_count=1000)[0] == words


@pytest.mark.parametrize("tokens", [SMALL_CORPUS, SMALL_CORPUS + 1, 12_345])
def test_a_larger_corpus_keeps_what_is_frequent(tokens):
    words, chars = learned(tokens)
    assert words == ["the", "cat"]
    # Some letters of the rare words are those of frequent ones, or occur twice.
    assert chars == set("thecatr")
    assert RARE[0] in learned(tokens, min_count=1)[0]


def test_max_size_holds_in_both():
    for tokens in (150, SMALL_CORPUS):
        assert learned(tokens, max_size=1)[0] == ["the"]


def test_most_frequent_first_then_by_spelling():
    corpus = CorpusKeys([ORTH, LOWER])
    for text in ("b a c b", "", "B a"):
        corpus.add(NLP.make_doc(text))
    assert corpus.tokens == 6
    assert corpus.most_frequent(ORTH, 1, 0) == ["a", "b", "B", "c"]
    assert corpus.most_frequent(LOWER, 1, 0) == ["b", "a", "c"]
    assert corpus.most_frequent(LOWER, 1, 2) == ["b", "a"]
    assert [len(text) for text in corpus.texts[ORTH]] == [4, 0, 2]


def test_a_bare_vocabulary():
    corpus = CorpusKeys([NORM])
    corpus.add(Doc(Vocab(), words=["The", "The", "cat"]))
    assert corpus.most_frequent(NORM, 1, 0) == ["The", "cat"]


def test_each_layer_learns_in_the_attribute_it_reads():
    layers = [build_vocab_embed_v1(4, attr=attr) for attr in ("LOWER", "ORTH", "NORM")]
    learn_vocab(layers, [NLP.make_doc("It can't")])
    found = [sorted(layer.attrs["words"].words) for layer in layers]
    assert found == [["ca", "it", "n't"], ["It", "ca", "n't"], ["can", "it", "not"]]


def test_all_texts_are_read_also_where_there_is_nothing_to_learn():
    read = []
    docs = (read.append(text) or NLP.make_doc(text) for text in ("a", "b"))
    learn_vocab([], docs)
    assert read == ["a", "b"]


def test_nothing_is_learned_from_no_texts():
    layer = build_vocab_embed_v1(4)
    learn_vocab([layer], [])
    assert layer.attrs["words"].words == []


def test_no_word_at_all():
    with pytest.raises(ValueError, match="R105.*NORM.*2 texts"):
        learn_vocab([build_vocab_embed_v1(4)], [NLP.make_doc("")] * 2)


def test_given_words_stay_and_characters_are_learned_anew():
    layers = [build_vocab_embed_v1(4), build_char_rnn_embed_v1(4)]
    set_vocab(layers, ["zebra"])
    assert layers[1].attrs["chars"].chars == ["a", "b", "e", "r", "z"]
    learn_vocab(layers, [NLP.make_doc("cat")])
    assert layers[0].attrs["words"].words == ["zebra"]
    assert sorted(layers[1].attrs["chars"].chars) == ["a", "c", "t"]


def test_learners_are_found_wherever_they_are():
    words, chars = build_vocab_embed_v1(4), build_char_rnn_embed_v1(4)
    found = learners_in(chain(noop(), chain(words, noop()), chars))
    assert {id(layer) for layer in found} == {id(words), id(chars)} and len(found) == 2


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown_while_learning(monkeypatch, layers, *, delay=0.0, stderr=None):
    stderr = Terminal() if stderr is None else stderr
    monkeypatch.setattr(learning, "DELAY", delay)
    monkeypatch.setattr("sys.stderr", stderr)
    learn_vocab(layers, iter([NLP.make_doc("the cat sat")] * 3))
    return stderr.getvalue()


def test_progress_is_shown_and_wiped(monkeypatch):
    layers = [build_vocab_embed_v1(4), build_char_rnn_embed_v1(4)]
    lines = [line.strip() for line in shown_while_learning(monkeypatch, layers).split("\r")]
    assert lines[1].startswith("Counting words: 0 texts")
    said = [line for line in lines if line.startswith("Learning")]
    assert said == ["Learning co-occurrence vectors ...", "Learning the vocabulary ..."]
    assert lines[-2:] == ["", ""]


def test_vectors_are_not_said_to_be_learned_where_they_are_random(monkeypatch):
    shown = shown_while_learning(monkeypatch, [build_vocab_embed_v1(4, start="random")])
    assert "co-occurrence" not in shown and "Learning the vocabulary" in shown


def test_no_progress_of_small_corpora_and_without_a_terminal(monkeypatch):
    layers = [build_vocab_embed_v1(4)]
    assert shown_while_learning(monkeypatch, layers, delay=60.0) == ""
    assert shown_while_learning(monkeypatch, layers, stderr=io.StringIO()) == ""


def test_progress_is_wiped_when_reading_fails(monkeypatch):
    def docs():
        yield NLP.make_doc("cat")
        raise ValueError("damaged")

    stderr = Terminal()
    monkeypatch.setattr(learning, "DELAY", 0.0)
    monkeypatch.setattr("sys.stderr", stderr)
    with pytest.raises(ValueError, match="damaged"):
        learn_vocab([build_vocab_embed_v1(4)], docs())
    assert "Counting words" in stderr.getvalue()
    assert stderr.getvalue().rsplit("\r", 2)[1].strip() == ""
